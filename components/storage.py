"""The four buckets of the pipeline, and the one that receives their access logs.

Names, policies and lifecycles come from `bucket_documents`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import get_args

import pulumi
import pulumi_aws as aws

from components.bucket_documents import Purpose, access_log_policy, bucket_name, bucket_policy, lifecycle_rules
from components.environment import AwsEnvironment
from components.iam import Document
from settings import StorageSettings


@dataclass(frozen=True)
class PipelineBucket:
    """A bucket that is ready to use."""

    name: str
    """Its name, known in preview."""
    arn: str
    """Its ARN, known in preview."""
    ready: list[pulumi.Resource] = field(default_factory=list[pulumi.Resource])
    """What protects it (access block, ownership, encryption, versioning, policy): whoever writes waits for these."""

    @classmethod
    def existing(cls, environment: AwsEnvironment, name: str) -> PipelineBucket:
        """A bucket that is there already, made and protected by somebody else."""
        return cls(name=name, arn=environment.bucket_arn(name))


@dataclass(frozen=True)
class EncryptedBucketsArgs:
    """What `EncryptedBuckets` needs."""

    settings: StorageSettings
    environment: AwsEnvironment
    data_key_arn: pulumi.Input[str]
    """Encrypts raw, processed and scripts."""
    logs_key_arn: pulumi.Input[str]
    """Encrypts logs."""


class EncryptedBuckets(pulumi.ComponentResource):
    """Raw, processed, logs and scripts: encrypted, versioned, private, TLS only, with a lifecycle and access logs.

    Buckets that may not be emptied with their stack are protected, and so is all that protects them: no update and no
    ``pulumi destroy`` deletes any of it.
    """

    raw: PipelineBucket
    """Where files are dropped; every new object is an EventBridge event."""
    processed: PipelineBucket
    """Where Parquet, reports and set-aside records go."""
    logs: PipelineBucket
    """Where the cluster writes its logs."""
    scripts: PipelineBucket
    """Job code, manifests, certificates."""
    access: PipelineBucket
    """Who read and wrote the other four."""

    def __init__(self, name: str, args: EncryptedBucketsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        # All of it, by inheritance: a destroy that is refused the buckets would else take their policies and access
        # blocks first, and leave them open.
        protected = pulumi.ResourceOptions(protect=not args.settings.force_destroy)
        merged = pulumi.ResourceOptions.merge(protected, opts)
        super().__init__("emr-pipeline:storage:EncryptedBuckets", name, None, merged)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._made: dict[Purpose, aws.s3.Bucket] = {}
        environment = args.environment
        names = {purpose: bucket_name(environment, purpose) for purpose in get_args(Purpose)}

        # S3 delivers access logs to SSE-S3 only: the one bucket without a key of ours.
        sources = [environment.bucket_arn(bucket) for purpose, bucket in names.items() if purpose != "access"]
        access_arn = environment.bucket_arn(names["access"])
        self.access = self._bucket(
            "access", names["access"], None, access_log_policy(environment, args.settings, access_arn, sources)
        )
        self.raw = self._data_bucket("raw", names["raw"], args.data_key_arn)
        self.processed = self._data_bucket("processed", names["processed"], args.data_key_arn)
        self.logs = self._data_bucket("logs", names["logs"], args.logs_key_arn)
        self.scripts = self._data_bucket("scripts", names["scripts"], args.data_key_arn)
        aws.s3.BucketNotification(
            f"{name}-raw-notification", bucket=self._made["raw"].id, eventbridge=True, opts=self._child
        )
        self._lock_raw()
        self.register_outputs(
            {
                "rawBucket": self.raw.name,
                "processedBucket": self.processed.name,
                "logsBucket": self.logs.name,
                "scriptsBucket": self.scripts.name,
                "accessBucket": self.access.name,
            }
        )

    def _lock_raw(self) -> None:
        """Object Lock, set on a bucket that may be there already: as a property of the bucket it would replace it."""
        lock = self._args.settings.raw_object_lock
        if lock is None:
            return
        aws.s3.BucketObjectLockConfiguration(
            f"{self._name}-raw-lock",
            bucket=self._made["raw"].id,
            object_lock_enabled="Enabled",
            rule=aws.s3.BucketObjectLockConfigurationRuleArgs(
                default_retention=aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(
                    mode=lock.mode.upper(), days=lock.days
                )
            ),
            # S3 locks nothing but versions.
            opts=pulumi.ResourceOptions(parent=self, depends_on=self.raw.ready),
        )

    def _data_bucket(self, purpose: Purpose, bucket_name: str, key_arn: pulumi.Input[str]) -> PipelineBucket:
        """A bucket under a key of ours, whose access is logged."""
        args = self._args
        arn = args.environment.bucket_arn(bucket_name)
        policy = pulumi.Output.from_input(key_arn).apply(
            lambda key: bucket_policy(purpose, args.environment, args.settings, arn, key)
        )
        bucket = self._bucket(purpose, bucket_name, key_arn, policy)
        aws.s3.BucketLogging(
            f"{self._name}-{purpose}-access-logging",
            bucket=self._made[purpose].id,
            target_bucket=self._made["access"].id,
            target_prefix=f"{purpose}/",
            # S3 checks that it may deliver when logging is switched on.
            opts=pulumi.ResourceOptions(parent=self, depends_on=self.access.ready),
        )
        return bucket

    def _bucket(
        self,
        purpose: Purpose,
        bucket_name: str,
        key_arn: pulumi.Input[str] | None,
        policy: pulumi.Input[Document],
    ) -> PipelineBucket:
        """A bucket and what protects it; without a key it is SSE-S3."""
        settings = self._args.settings
        prefix = f"{self._name}-{purpose}"
        bucket = aws.s3.Bucket(
            prefix,
            bucket=bucket_name,
            force_destroy=settings.force_destroy,
            opts=self._child,
        )
        self._made[purpose] = bucket
        block = aws.s3.BucketPublicAccessBlock(
            f"{prefix}-public-access-block",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._child,
        )
        ownership = aws.s3.BucketOwnershipControls(
            f"{prefix}-ownership",
            bucket=bucket.id,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            # S3 refuses one of two changes of a bucket's access settings at a time (OperationAborted).
            opts=pulumi.ResourceOptions(parent=self, depends_on=[block]),
        )
        encryption = aws.s3.BucketServerSideEncryptionConfiguration(
            f"{prefix}-encryption",
            bucket=bucket.id,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="aws:kms" if key_arn is not None else "AES256", kms_master_key_id=key_arn
                    ),
                    bucket_key_enabled=key_arn is not None,
                    # A customer's own key would leave objects that nobody here can read.
                    blocked_encryption_types=["SSE-C"],
                )
            ],
            opts=self._child,
        )
        versioning = aws.s3.BucketVersioning(
            f"{prefix}-versioning",
            bucket=bucket.id,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=self._child,
        )
        granted = aws.s3.BucketPolicy(
            f"{prefix}-policy",
            bucket=bucket.id,
            policy=pulumi.Output.from_input(policy).apply(json.dumps),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[block, ownership]),
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{prefix}-lifecycle",
            bucket=bucket.id,
            rules=lifecycle_rules(purpose, settings),  # pyright: ignore[reportArgumentType]
            # Rules on versions mean something only once there are versions.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )
        return PipelineBucket(
            name=bucket_name,
            arn=self._args.environment.bucket_arn(bucket_name),
            ready=[block, ownership, encryption, versioning, granted],
        )
