"""The four buckets of the pipeline, and the one that receives their access logs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from components.environment import AwsEnvironment
from components.iam import Document, policy_document, statement
from settings import StorageSettings

LONGEST_NAME = 63
"""Most characters of a bucket name (S3 guide, "Bucket naming rules")."""


def bucket_name(environment: AwsEnvironment, purpose: str) -> str:
    """Name of a bucket: project, stack, purpose, account, region, so that no two stacks, accounts or regions collide.

    A name that is too long keeps its end (purpose, account, region) and gets a hash of the whole in place of what is
    cut off, so it stays the same from run to run and different from every other.
    """
    front = re.sub(r"[^a-z0-9]+", "-", f"{environment.project}-{environment.stack}".lower()).strip("-")
    end = f"{purpose}-{environment.account_id}-{environment.region}"
    name = f"{front}-{end}"
    # Text that was changed to fit S3's alphabet could meet another's: the hash tells them apart then too.
    changed = front != f"{environment.project}-{environment.stack}"
    if len(name) <= LONGEST_NAME and not changed:
        return name
    digest = hashlib.sha256(f"{environment.project}/{environment.stack}/{end}".encode()).hexdigest()[:8]
    room = LONGEST_NAME - len(end) - len(digest) - 2
    return f"{front[:room].strip('-')}-{digest}-{end}".lstrip("-")


def _both(arn: str) -> list[str]:
    return [arn, f"{arn}/*"]


def _transport(arn: str) -> list[Document]:
    """Refuse plain HTTP, and TLS older than 1.2."""
    return [
        statement(
            "DenyInsecureTransport",
            ["s3:*"],
            _both(arn),
            effect="Deny",
            principals="*",
            condition={"Bool": {"aws:SecureTransport": "false"}},
        ),
        statement(
            "DenyOldTls",
            ["s3:*"],
            _both(arn),
            effect="Deny",
            principals="*",
            condition={"NumericLessThan": {"s3:TlsVersion": "1.2"}},
        ),
    ]


def bucket_policy(arn: str, key_arn: str) -> Document:
    """Policy of a pipeline bucket: TLS only, and no object under another encryption or key.

    A request without encryption headers is fine: the bucket's default encryption applies to it, after the policy was
    evaluated. Hence ``IfExists``; without it EMR's log delivery and every plain writer would be refused.
    """
    return policy_document(
        [
            *_transport(arn),
            statement(
                "DenyOtherEncryption",
                ["s3:PutObject"],
                [f"{arn}/*"],
                effect="Deny",
                principals="*",
                condition={"StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption": "aws:kms"}},
            ),
            statement(
                "DenyOtherKey",
                ["s3:PutObject"],
                [f"{arn}/*"],
                effect="Deny",
                principals="*",
                condition={"StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption-aws-kms-key-id": key_arn}},
            ),
        ]
    )


def access_log_policy(environment: AwsEnvironment, arn: str, source_arns: Sequence[str]) -> Document:
    """Policy of the access-log bucket: TLS only, and S3's log delivery for our buckets.

    Source: S3 guide, "Enabling Amazon S3 server access logging".
    """
    return policy_document(
        [
            *_transport(arn),
            statement(
                "DeliverAccessLogs",
                ["s3:PutObject"],
                [f"{arn}/*"],
                principals={"Service": "logging.s3.amazonaws.com"},
                condition={
                    "ArnLike": {"aws:SourceArn": sorted(source_arns)},
                    "StringEquals": {"aws:SourceAccount": environment.account_id},
                },
            ),
        ]
    )


def _rule(identifier: str, prefix: str = "", **actions: Any) -> dict[str, Any]:
    return {"id": identifier, "status": "Enabled", "filter": {"prefix": prefix}, **actions}


def lifecycle_rules(purpose: str, settings: StorageSettings) -> list[dict[str, Any]]:
    """Lifecycle of a bucket by its purpose (raw, processed, logs, scripts or access-logs); days from the settings."""
    rules = [
        _rule(
            "abandoned-uploads",
            abort_incomplete_multipart_upload={"days_after_initiation": settings.temporary_expiry_days},
        ),
        _rule(
            "noncurrent-versions",
            noncurrent_version_expiration={"noncurrent_days": settings.noncurrent_expiry_days},
        ),
        # A delete marker without versions behind it only slows listings down.
        _rule("expired-delete-markers", expiration={"expired_object_delete_marker": True}),
    ]
    if purpose == "raw":
        rules.append(
            _rule(
                "archive",
                transitions=[{"days": settings.raw_archive_after_days, "storage_class": "STANDARD_IA"}],
            )
        )
    if purpose == "processed":
        rules.append(_rule("staging", "_staging/", expiration={"days": settings.temporary_expiry_days}))
        rules.append(_rule("set-aside", "_set_aside/", expiration={"days": settings.log_expiry_days}))
        rules.append(_rule("reports", "_reports/", expiration={"days": settings.log_expiry_days}))
    if purpose in ("logs", "access-logs"):
        rules.append(_rule("logs", expiration={"days": settings.log_expiry_days}))
    return rules


@dataclass(frozen=True)
class PipelineBucket:
    """A bucket that is ready to use."""

    name: str
    """Its name, known in preview."""
    arn: str
    """Its ARN, known in preview."""
    bucket: aws.s3.Bucket
    ready: list[pulumi.Resource] = field(default_factory=list[pulumi.Resource])
    """What protects it: whoever writes waits for these."""


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
    """Raw, processed, logs and scripts: encrypted, versioned, private, TLS only, with a lifecycle and access logs."""

    raw: PipelineBucket
    """Where files are dropped."""
    processed: PipelineBucket
    """Where Parquet, reports and set-aside records go."""
    logs: PipelineBucket
    """Where the cluster writes its logs."""
    scripts: PipelineBucket
    """Job code, manifests, certificates."""

    def __init__(self, name: str, args: EncryptedBucketsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:storage:EncryptedBuckets", name, None, opts)
        self._name = name
        self._args = args
        keys = {
            "raw": args.data_key_arn,
            "processed": args.data_key_arn,
            "logs": args.logs_key_arn,
            "scripts": args.data_key_arn,
        }
        access_logs = self._bucket("access-logs", None)
        arns = [args.environment.bucket_arn(bucket_name(args.environment, purpose)) for purpose in keys]
        self._policy(access_logs, "access-logs", access_log_policy(args.environment, access_logs.arn, arns))
        buckets: dict[str, PipelineBucket] = {}
        for purpose, key_arn in keys.items():
            bucket = self._bucket(purpose, key_arn)
            document = pulumi.Output.from_input(key_arn).apply(lambda key, arn=bucket.arn: bucket_policy(arn, key))
            self._policy(bucket, purpose, document)
            aws.s3.BucketLogging(
                f"{name}-{purpose}-access-logging",
                bucket=bucket.bucket.id,
                target_bucket=access_logs.bucket.id,
                target_prefix=f"{purpose}/",
                opts=pulumi.ResourceOptions(parent=self, depends_on=access_logs.ready),
            )
            buckets[purpose] = bucket
        aws.s3.BucketNotification(
            f"{name}-raw-notification",
            bucket=buckets["raw"].bucket.id,
            eventbridge=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.raw = buckets["raw"]
        self.processed = buckets["processed"]
        self.logs = buckets["logs"]
        self.scripts = buckets["scripts"]
        self.register_outputs({f"{purpose}Bucket": bucket.name for purpose, bucket in buckets.items()})

    def _bucket(self, purpose: str, key_arn: pulumi.Input[str] | None) -> PipelineBucket:
        """A bucket and what protects it; without a key it is SSE-S3, the only encryption S3 delivers access logs to."""
        args = self._args
        prefix = f"{self._name}-{purpose}"
        child = pulumi.ResourceOptions(parent=self)
        name = bucket_name(args.environment, purpose)
        bucket = aws.s3.Bucket(prefix, bucket=name, force_destroy=args.settings.force_destroy, opts=child)
        encryption = (
            {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn} if key_arn else {"sse_algorithm": "AES256"}
        )
        ready: list[pulumi.Resource] = [
            aws.s3.BucketPublicAccessBlock(
                f"{prefix}-public-access-block",
                bucket=bucket.id,
                block_public_acls=True,
                block_public_policy=True,
                ignore_public_acls=True,
                restrict_public_buckets=True,
                opts=child,
            ),
            aws.s3.BucketOwnershipControls(
                f"{prefix}-ownership",
                bucket=bucket.id,
                rule={"object_ownership": "BucketOwnerEnforced"},
                opts=child,
            ),
            aws.s3.BucketServerSideEncryptionConfiguration(
                f"{prefix}-encryption",
                bucket=bucket.id,
                rules=[
                    {
                        "apply_server_side_encryption_by_default": encryption,
                        "bucket_key_enabled": key_arn is not None,
                        # A customer's own key would leave objects that nobody here can read.
                        "blocked_encryption_types": ["SSE-C"],
                    }
                ],
                opts=child,
            ),
        ]
        versioning = aws.s3.BucketVersioning(
            f"{prefix}-versioning", bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=child
        )
        ready.append(versioning)
        aws.s3.BucketLifecycleConfiguration(
            f"{prefix}-lifecycle",
            bucket=bucket.id,
            rules=lifecycle_rules(purpose, args.settings),  # pyright: ignore[reportArgumentType]
            # Rules on versions are refused until versioning is on.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )
        return PipelineBucket(name, args.environment.bucket_arn(name), bucket, ready)

    def _policy(self, bucket: PipelineBucket, purpose: str, document: pulumi.Input[Document]) -> None:
        bucket.ready.append(
            aws.s3.BucketPolicy(
                f"{self._name}-{purpose}-policy",
                bucket=bucket.bucket.id,
                policy=pulumi.Output.from_input(document).apply(json.dumps),
                # S3 refuses one of two concurrent changes of a bucket's policy and its public access block.
                opts=pulumi.ResourceOptions(parent=self, depends_on=[bucket.ready[0]]),
            )
        )
