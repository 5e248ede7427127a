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


def dynamodb_endpoint(environment: AwsEnvironment) -> Document:
    """Policy of the DynamoDB endpoint: this account's principals, on this account's tables."""
    return policy_document(
        [
            statement(
                "OurTables",
                ["dynamodb:*"],
                [environment.arn("dynamodb", "table/*")],
                principals="*",
                condition={"StringEquals": {"aws:PrincipalAccount": environment.account_id}},
            )
        ]
    )


def s3_endpoint(environment: AwsEnvironment, buckets: Sequence[str]) -> Document:
    """Policy of the S3 endpoint.

    EMR's and Amazon Linux's own buckets belong to AWS and are partly read without signature, so their statements carry
    no condition on the caller: package managers come without credentials. Amazon Linux 2 is that of releases 5.30 to
    6.15, Amazon Linux 2023 that of 7.x.

    Source: EMR management guide, "Sample policies for private subnets that access Amazon S3".
    """
    region, suffix = environment.region, environment.dns_suffix
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
                    f"amazonlinux.{region}.{suffix}",
                    f"amazonlinux-2-repos-{region}",
                    f"al2023-repos-{region}-de612dc2",
                    f"repo.{region}.emr.{suffix}",
                ),
                principals="*",
            ),
            statement(
                "EmrLibraries",
                ["s3:GetObject", "s3:ListBucket"],
                [environment.bucket_arn(f"{region}.elasticmapreduce"), *objects(f"{region}.elasticmapreduce")],
                principals="*",
            ),
            statement("EmrSupportLogs", ["s3:Put*"], objects(support), principals="*"),
            statement(
                "ApplicationHistory",
                ["s3:Abort*", "s3:Create*", "s3:Get*", "s3:List*", "s3:Put*"],
                objects(f"prod.{region}.appinfo.src"),
                principals="*",
            ),
        ]
    )
