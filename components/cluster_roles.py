"""What the cluster's three roles may do, as statements: the EMR service, automatic scaling, and the nodes.

``AmazonEMRServicePolicy_v2`` lets the service role manage what carries `MANAGED_TAG`, and pass roles of EMR's default
names only; what it lacks for ours stands here. The nodes' role has no policy of AWS's: those grant far more than this
pipeline does.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.environment import AwsEnvironment
from components.iam import Document, policy_document, service_trust, statement
from settings import BootstrapActionSettings, CertificateArchiveSettings

MANAGED_TAG = {"for-use-with-amazon-emr-managed-policies": "true"}
"""Tag that ``AmazonEMRServicePolicy_v2`` asks of the cluster, its subnets and its security groups."""

CLUSTER_TAG = "emr-pipeline-cluster"
"""Tag that tells this stack's cluster from the account's others; automatic scaling may resize no other."""

METRIC_NAMESPACE = "EmrPipeline"
"""CloudWatch namespace that jobs on the nodes may write to: the executions' own."""


def cluster_tag_value(environment: AwsEnvironment) -> str:
    """Value of `CLUSTER_TAG`."""
    return f"{environment.project}-{environment.stack}"


def _objects(environment: AwsEnvironment, bucket: str, *prefixes: str) -> list[str]:
    """ARNs of the objects of a bucket, all or those under prefixes."""
    return [f"{environment.bucket_arn(bucket)}/{prefix}*" for prefix in prefixes or ("",)]


# --- the EMR service ---------------------------------------------------------------------------------------------


def service_role_trust(environment: AwsEnvironment) -> Document:
    """EMR assumes the service role, for clusters of this account and region."""
    return service_trust(environment, "elasticmapreduce", source_arn=environment.arn("elasticmapreduce", "*"))


def service_pass_role(role_arn: str, sid: str, service: str) -> Document:
    """The service role hands one role to one service.

    The pattern is AWS's own of ``AmazonEMRServicePolicy_v2``: the principal's suffix differs between partitions.
    """
    return statement(
        sid,
        ["iam:PassRole"],
        [role_arn],
        condition={"StringLike": {"iam:PassedToService": f"{service}.amazonaws.com*"}},
    )


def service_certificate_statement(environment: AwsEnvironment, scripts_bucket: str, prefix: str) -> Document:
    """The service role reads the certificate archive."""
    return statement("ReadCertificates", ["s3:GetObject"], _objects(environment, scripts_bucket, prefix))


def certificate_archive_statements(environment: AwsEnvironment, archive: CertificateArchiveSettings) -> list[Document]:
    """A certificate that was brought along is read where it lies, with the key that it lies under."""
    return [
        statement("ReadCertificates", ["s3:GetObject"], [environment.bucket_arn(archive.uri.removeprefix("s3://"))]),
        statement("UseCertificateKey", ["kms:Decrypt"], [archive.kms_key_arn], condition=environment.through("s3")),
    ]


def bootstrap_action_statements(
    environment: AwsEnvironment, actions: Sequence[BootstrapActionSettings]
) -> list[Document]:
    """Nodes fetch scripts of a user's own: these objects, with the keys that they lie under."""
    scripts = sorted({environment.bucket_arn(action.path.removeprefix("s3://")) for action in actions})
    keys = sorted({action.kms_key_arn for action in actions if action.kms_key_arn})
    return [
        *([statement("ReadBootstrapActions", ["s3:GetObject"], scripts)] if scripts else []),
        *(
            [statement("UseBootstrapActionKeys", ["kms:Decrypt"], keys, condition=environment.through("s3"))]
            if keys
            else []
        ),
    ]


def service_key_statements(environment: AwsEnvironment, data_key_arn: str) -> list[Document]:
    """The service role launches nodes with encrypted volumes.

    Source: EMR Management Guide, "Creating keys and certificates for data encryption", on EBS encryption.
    """
    return [
        statement(
            "UseKeyForVolumes",
            [
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
            ],
            [data_key_arn],
        ),
        statement(
            "GrantKeyToVolumes",
            ["kms:CreateGrant"],
            [data_key_arn],
            condition={"Bool": {"kms:GrantIsForAWSResource": "true"}, **environment.through("ec2")},
        ),
    ]


# --- automatic scaling -------------------------------------------------------------------------------------------


def scaling_role_trust(environment: AwsEnvironment) -> Document:
    """Application Auto Scaling assumes the role to scale; EMR assumes it to check it and to set scaling up."""
    scaling = service_trust(
        environment,
        "application-autoscaling",
        source_arn=environment.arn("application-autoscaling", "scalable-target/*"),
    )
    emr = service_role_trust(environment)
    return policy_document(
        [{**scaling["Statement"][0], "Sid": "AssumeToScale"}, {**emr["Statement"][0], "Sid": "AssumeToSetUp"}]
    )


def scaling_statements(environment: AwsEnvironment) -> list[Document]:
    """What ``AmazonElasticMapReduceforAutoScalingRole`` allows, for this stack's cluster only."""
    return [
        statement("ReadAlarms", ["cloudwatch:DescribeAlarms"], [environment.arn("cloudwatch", "alarm:*")]),
        statement(
            "ResizeCluster",
            ["elasticmapreduce:ListInstanceGroups", "elasticmapreduce:ModifyInstanceGroups"],
            [environment.arn("elasticmapreduce", "cluster/*")],
            condition={"StringEquals": {f"aws:ResourceTag/{CLUSTER_TAG}": cluster_tag_value(environment)}},
        ),
    ]


# --- the nodes ---------------------------------------------------------------------------------------------------


def node_role_trust(environment: AwsEnvironment) -> Document:
    """EC2 assumes the nodes' role; it names no source when it does."""
    return service_trust(environment, "ec2", source_account=False)


def _bucket_statements(
    environment: AwsEnvironment, *, raw: str, processed: str, logs: str, scripts: str, log_prefix: str
) -> list[Document]:
    data = [environment.bucket_arn(bucket) for bucket in (raw, processed)]
    return [
        statement("ListBuckets", ["s3:GetBucketLocation", "s3:ListBucket"], [*data, environment.bucket_arn(scripts)]),
        # EMR Management Guide, "Reading and writing data to Amazon S3 using EMRFS", on these two buckets.
        statement("LookAtVersions", ["s3:GetBucketVersioning", "s3:ListBucketVersions"], data),
        statement(
            "ReadRaw", ["s3:GetObject", "s3:GetObjectTagging", "s3:GetObjectVersion"], _objects(environment, raw)
        ),
        statement(
            "WriteProcessed",
            [
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:GetObject",
                # A copy, and so a rename, carries an object's tags along: it is refused without the rights on tagging.
                "s3:GetObjectTagging",
                "s3:GetObjectVersion",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
                "s3:PutObjectTagging",
            ],
            _objects(environment, processed),
        ),
        statement("ListUploads", ["s3:ListBucketMultipartUploads"], [environment.bucket_arn(processed)]),
        statement(
            "ReadScripts",
            ["s3:GetObject"],
            _objects(environment, scripts, "bootstrap/", "certificates/", "jobs/", "manifests/"),
        ),
        # Nodes add logs; nothing on the cluster reads them back or takes them away.
        statement("WriteLogs", ["s3:AbortMultipartUpload", "s3:PutObject"], _objects(environment, logs, log_prefix)),
        statement(
            "FindLogs",
            ["s3:ListBucket"],
            [environment.bucket_arn(logs)],
            condition={"StringLike": {"s3:prefix": f"{log_prefix}*"}},
        ),
        statement("LocateLogs", ["s3:GetBucketLocation"], [environment.bucket_arn(logs)]),
        # EMR's own buckets of the region (EMR Management Guide, "Amazon S3 policy for the private subnet").
        statement(
            "ReadElasticMapReduce",
            ["s3:GetObject", "s3:ListBucket"],
            [
                environment.bucket_arn(f"{environment.region}.elasticmapreduce"),
                *_objects(environment, f"{environment.region}.elasticmapreduce"),
            ],
        ),
        statement(
            "KeepApplicationHistory",
            ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"],
            _objects(environment, f"prod.{environment.region}.appinfo.src"),
        ),
    ]


def _catalog_statements(environment: AwsEnvironment, database: str) -> list[Document]:
    """Tables are made by the program; the cluster reads them and keeps their partitions.

    Spark and Hive look at the databases ``default`` and ``global_temp`` when a session starts, whatever it does.
    """
    catalog = environment.arn("glue", "catalog")

    def resources(*kinds: str, databases: Sequence[str]) -> list[str]:
        tails = {"database": "", "table": "/*", "userDefinedFunction": "/*"}
        return [environment.arn("glue", f"{kind}/{name}{tails[kind]}") for kind in kinds for name in databases]

    return [
        statement(
            "ReadCatalog",
            [
                "glue:BatchGetPartition",
                "glue:GetDatabase",
                "glue:GetPartition",
                "glue:GetPartitions",
                "glue:GetTable",
                "glue:GetTableVersions",
                "glue:GetTables",
                "glue:GetUserDefinedFunction",
                "glue:GetUserDefinedFunctions",
            ],
            [
                catalog,
                *resources("database", "table", "userDefinedFunction", databases=[database, "default", "global_temp"]),
            ],
        ),
        # SHOW DATABASES names all of them or fails.
        statement("ListDatabases", ["glue:GetDatabases"], [catalog, environment.arn("glue", "database/*")]),
        statement(
            "KeepPartitions",
            [
                "glue:BatchCreatePartition",
                "glue:BatchDeletePartition",
                "glue:BatchUpdatePartition",
                "glue:CreatePartition",
                "glue:DeletePartition",
                "glue:UpdatePartition",
            ],
            [catalog, *resources("database", "table", databases=[database])],
        ),
    ]


def _operation_statements(environment: AwsEnvironment) -> list[Document]:
    """Metrics of jobs, and a shell through Session Manager: no SSH key, no open port, every session recorded by AWS.

    Source: Systems Manager user guide, "Create a custom IAM role for Session Manager". ``AmazonSSMManagedInstanceCore``
    would also let nodes read every parameter of the account.
    """
    return [
        statement(
            "PutMetrics",
            ["cloudwatch:PutMetricData"],
            ["*"],  # knows no resource
            condition={"StringEquals": {"cloudwatch:namespace": METRIC_NAMESPACE}},
        ),
        statement(
            "RegisterWithSystemsManager", ["ssm:UpdateInstanceInformation"], [environment.arn("ec2", "instance/*")]
        ),
        statement(
            "OpenSessions",
            [
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
            ],
            ["*"],  # know no resource
        ),
    ]


def node_statements(
    environment: AwsEnvironment,
    *,
    raw: str,
    processed: str,
    logs: str,
    scripts: str,
    log_prefix: str,
    database: str,
    mapped_roles: Sequence[str] = (),
    certificate_archive: CertificateArchiveSettings | None = None,
    bootstrap_actions: Sequence[BootstrapActionSettings] = (),
) -> list[Document]:
    """What nodes may do, beside using the stack's keys."""
    brought = certificate_archive_statements(environment, certificate_archive) if certificate_archive else []
    # EMR Management Guide, "Configure IAM roles for EMRFS requests to Amazon S3".
    mapped = [statement("AssumeMappedRoles", ["sts:AssumeRole"], sorted(set(mapped_roles)))] if mapped_roles else []
    return [
        *brought,
        *bootstrap_action_statements(environment, bootstrap_actions),
        *mapped,
        *_bucket_statements(
            environment, raw=raw, processed=processed, logs=logs, scripts=scripts, log_prefix=log_prefix
        ),
        *_catalog_statements(environment, database),
        *_operation_statements(environment),
    ]


def node_key_statements(environment: AwsEnvironment, data_key_arn: str, logs_key_arn: str) -> list[Document]:
    """The nodes' use of keys: local disks by direct calls, S3 through S3.

    Source: EMR Management Guide, "Creating keys and certificates for data encryption": the instance profile is a user
    of the key for EMRFS, local disks and EBS.
    """
    return [
        statement(
            "UseDataKey",
            [
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey",
                "kms:GenerateDataKeyWithoutPlaintext",
            ],
            [data_key_arn],
        ),
        statement(
            "GrantKeyToVolumes",
            ["kms:CreateGrant"],
            [data_key_arn],
            condition={"Bool": {"kms:GrantIsForAWSResource": "true"}, **environment.through("ec2")},
        ),
        statement(
            "UseLogsKey",
            ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"],
            [logs_key_arn],
            condition=environment.through("s3"),
        ),
    ]
