"""What may pass the VPC's endpoints: this account's principals, our buckets, and the buckets that EMR itself needs."""

from __future__ import annotations

from collections.abc import Sequence

from components.environment import AwsEnvironment
from components.iam import Document, policy_document, statement

OBJECT_ACTIONS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:GetObjectTagging",
    "s3:GetObjectVersion",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
    "s3:PutObjectTagging",
)
BUCKET_ACTIONS = (
    "s3:GetBucketLocation",
    "s3:GetBucketVersioning",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
)


def account_only(environment: AwsEnvironment) -> Document:
    """Policy of an interface endpoint: whatever this account's principals are allowed, and nobody else."""
    return policy_document(
        [
            statement(
                "ThisAccount",
                ["*"],
                ["*"],
                principals="*",
                condition={"StringEquals": {"aws:PrincipalAccount": environment.account_id}},
            )
        ]
    )


def s3_endpoint(environment: AwsEnvironment, buckets: Sequence[str]) -> Document:
    """Policy of the S3 endpoint.

    EMR's and Amazon Linux's own buckets belong to AWS and are partly read without signature, so their statements carry
    no condition on the caller. Source: EMR management guide, "Minimum Amazon S3 policy for private subnet".
    """
    region = environment.region
    arns = [environment.bucket_arn(bucket) for bucket in buckets]
    # us-east-1's support bucket carries no region.
    support = "aws157-logs-prod" if region == "us-east-1" else f"aws157-logs-prod-{region}"

    def objects(*names: str) -> list[str]:
        return [f"{environment.bucket_arn(name)}/*" for name in names]

    mine = {"StringEquals": {"aws:PrincipalAccount": environment.account_id}}
    return policy_document(
        [
            statement("OurObjects", OBJECT_ACTIONS, [f"{arn}/*" for arn in arns], principals="*", condition=mine),
            statement("OurBuckets", BUCKET_ACTIONS, arns, principals="*", condition=mine),
            statement(
                "PackageRepositories",
                ["s3:GetObject"],
                objects(
                    f"amazonlinux.{region}.amazonaws.com",
                    f"amazonlinux-2-repos-{region}",
                    f"al2023-repos-{region}-de612dc2",
                    f"repo.{region}.emr.amazonaws.com",
                ),
                principals="*",
            ),
            statement(
                "EmrLibraries",
                ["s3:GetObject", "s3:ListBucket"],
                [environment.bucket_arn(f"{region}.elasticmapreduce"), *objects(f"{region}.elasticmapreduce")],
                principals="*",
            ),
            statement("EmrSupportLogs", ["s3:PutObject"], objects(support), principals="*"),
            statement(
                "ApplicationHistory",
                ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListBucket", "s3:PutObject"],
                [environment.bucket_arn(f"prod.{region}.appinfo.src"), *objects(f"prod.{region}.appinfo.src")],
                principals="*",
            ),
        ]
    )
