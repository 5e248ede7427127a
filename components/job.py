"""The Spark job's code in the scripts bucket, under the hash of its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components.storage import PipelineBucket


@dataclass(frozen=True)
class JobReference:
    """Where the job's code is; pinned by content, so that a deployment never changes a run under way."""

    uri: str
    """``s3://<scripts>/jobs/<hash>/<file>``, known in preview."""
    object: aws.s3.BucketObjectv2
    """The uploaded object, for whoever must wait for it."""


@dataclass(frozen=True)
class PipelineJobArgs:
    """What `PipelineJob` needs."""

    source: Path
    """The job's one file on this machine."""
    scripts: PipelineBucket
    """Where code lives."""
    data_key_arn: pulumi.Input[str]
    """KMS key that encrypts it."""


def job_key(source: Path) -> str:
    """Key of a job's file: ``jobs/<first 16 hex digits of its SHA-256>/<file name>``."""
    return f"jobs/{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}/{source.name}"


class PipelineJob(pulumi.ComponentResource):
    """Uploads the job; a changed file is a new object, and the old one stays until nobody runs it."""

    reference: JobReference

    def __init__(self, name: str, args: PipelineJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:job:PipelineJob", name, None, opts)
        key = job_key(args.source)
        uploaded = aws.s3.BucketObjectv2(
            f"{name}-code",
            bucket=args.scripts.name,
            key=key,
            source=pulumi.FileAsset(str(args.source)),
            content_type="text/x-python",
            server_side_encryption="aws:kms",
            kms_key_id=args.data_key_arn,
            bucket_key_enabled=True,
            # Executions pin the object by its key: the old one must outlive the deployment.
            opts=pulumi.ResourceOptions(parent=self, depends_on=args.scripts.ready, retain_on_delete=True),
        )
        self.reference = JobReference(uri=f"s3://{args.scripts.name}/{key}", object=uploaded)
        self.register_outputs({"uri": self.reference.uri})
