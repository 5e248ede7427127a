"""The Spark job's code, and what runs it on a node, in the scripts bucket under the hash of their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

from components.storage import PipelineBucket

WRAPPER = Path(__file__).parent.parent / "jobs" / "run_step.sh"
"""Takes a Kerberos ticket, tags the application, ends it with its step; its head says how to call it."""

CALL_WRAPPER = (
    'uri=$1 region=$2; shift 2; script=$(aws s3 cp --only-show-errors --region "$region" "$uri" -)'
    ' && exec bash -c "$script" run_step.sh "$@"'
)
"""What a step runs: ``bash -c CALL_WRAPPER call WRAPPER_URI REGION ARGUMENT…``, the arguments being the wrapper's.

``command-runner.jar`` runs what lies on the node, not what lies in S3. EMR's own way for that, ``script-runner.jar`` of
the region's bucket, is not used: nothing says that its S3 client signs as SSE-KMS asks, or that it speaks version 2 of
the metadata service. The node's AWS CLI does both. It is told the region, for without one it would ask S3's global
endpoint, which a subnet without a NAT gateway cannot reach.
"""


@dataclass(frozen=True)
class JobReference:
    """Where the job's code is; pinned by content, so that a deployment never changes a run under way."""

    uri: str
    """``s3://<scripts>/jobs/<hash>/<file>``, known in preview."""
    object: aws.s3.BucketObjectv2
    """The uploaded object, for whoever must wait for it."""
    wrapper_uri: str
    """``s3://`` address of the script that steps run the job through, known in preview; see `CALL_WRAPPER`."""
    wrapper_object: aws.s3.BucketObjectv2
    """The uploaded script."""


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
    """Key of a file: ``jobs/<first 16 hex digits of its SHA-256>/<file name>``."""
    return f"jobs/{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}/{source.name}"


class PipelineJob(pulumi.ComponentResource):
    """Uploads the job and its wrapper; a changed file is a new object, and the old one stays until nobody runs it."""

    reference: JobReference

    def __init__(self, name: str, args: PipelineJobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:job:PipelineJob", name, None, opts)
        self._args = args
        code = self._upload(f"{name}-code", args.source, "text/x-python")
        wrapper = self._upload(f"{name}-wrapper", WRAPPER, "text/x-shellscript")
        self.reference = JobReference(
            uri=self._uri(args.source), object=code, wrapper_uri=self._uri(WRAPPER), wrapper_object=wrapper
        )
        self.register_outputs({"uri": self.reference.uri, "wrapperUri": self.reference.wrapper_uri})

    def _uri(self, source: Path) -> str:
        return f"s3://{self._args.scripts.name}/{job_key(source)}"

    def _upload(self, name: str, source: Path, content_type: str) -> aws.s3.BucketObjectv2:
        return aws.s3.BucketObjectv2(
            name,
            bucket=self._args.scripts.name,
            key=job_key(source),
            source=pulumi.FileAsset(str(source)),
            content_type=content_type,
            server_side_encryption="aws:kms",
            kms_key_id=self._args.data_key_arn,
            bucket_key_enabled=True,
            # Executions pin the object by its key: the old one must outlive the deployment.
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._args.scripts.ready, retain_on_delete=True),
        )
