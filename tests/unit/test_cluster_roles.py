"""What the cluster's roles may do: a table of every right with its why and its source, then questions to the rights.

`RIGHTS` is the whole of it, action by action and by kind of resource. `DOCUMENTED` is what AWS's guides ask for, and
`WITHHELD` what of that this pipeline does without. A right that is in none of them, or a documented one that is
forgotten, fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import pytest

from components import cluster_roles as roles
from components.iam import Document, policy_document
from settings import BootstrapActionSettings, CertificateArchiveSettings
from tests.unit.harness import ENVIRONMENT

DATA_KEY = ENVIRONMENT.arn("kms", "key/data")
LOGS_KEY = ENVIRONMENT.arn("kms", "key/logs")
CLUSTER = ENVIRONMENT.arn("elasticmapreduce", "cluster/j-1")
NODE_ROLE = ENVIRONMENT.global_arn("iam", "role/node")
SCALING_ROLE = ENVIRONMENT.global_arn("iam", "role/scaling")
MAPPED_ROLE = ENVIRONMENT.global_arn("iam", "role/analysts")
ARCHIVE = CertificateArchiveSettings(
    uri="s3://certificates/nodes.zip", kms_key_arn=ENVIRONMENT.arn("kms", "key/theirs"), expires=date(2030, 1, 1)
)


SCRIPT = BootstrapActionSettings(
    name="agent", path="s3://tools/agent.sh", kms_key_arn=ENVIRONMENT.arn("kms", "key/tools")
)


def node_statements(**options: Any) -> list[Document]:
    return roles.node_statements(
        ENVIRONMENT,
        raw="raw",
        processed="processed",
        logs="logs",
        scripts="scripts",
        log_prefix="elasticmapreduce/",
        database="flights_db",
        **options,
    )


NODES = [*node_statements(), *roles.node_key_statements(ENVIRONMENT, DATA_KEY, LOGS_KEY)]
OPTIONAL = [
    entry
    for entry in node_statements(mapped_roles=[MAPPED_ROLE], certificate_archive=ARCHIVE, bootstrap_actions=[SCRIPT])
    if entry not in node_statements()
]
"""What settings add to the nodes' rights: mapped roles, a certificate and bootstrap actions that were brought along."""
SERVICE = [
    roles.service_certificate_statement(ENVIRONMENT, "scripts", "certificates/"),
    roles.service_pass_role(NODE_ROLE, "PassNodeRole", "ec2"),
    roles.service_pass_role(SCALING_ROLE, "PassScalingRole", "application-autoscaling"),
    *roles.service_key_statements(ENVIRONMENT, DATA_KEY),
]
SCALING = roles.scaling_statements(ENVIRONMENT)
EVERYTHING = {"nodes": NODES, "nodes by settings": OPTIONAL, "service": SERVICE, "scaling": SCALING}


def texts(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def grants(statements: list[Document], action: str, resource: str) -> list[Document]:
    """Statements that allow an action on a resource, by IAM's wildcards; their conditions are for the caller."""
    return [
        entry
        for entry in statements
        if any(fnmatchcase(action, pattern) for pattern in texts(entry["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in texts(entry["Resource"]))
    ]


def s3(path: str) -> str:
    return ENVIRONMENT.bucket_arn(path)


NODES_GUIDE = 'EMR Management Guide, "Service role for cluster EC2 instances"'
EMRFS = f"{NODES_GUIDE}: reading and writing data to Amazon S3 using EMRFS"
LOG_FILES = f"{NODES_GUIDE}: archiving log files to Amazon S3"
DEBUGGING = f"{NODES_GUIDE}: using the debugging tools"
GLUE = f"{NODES_GUIDE}: using the AWS Glue Data Catalog"
ON_NODE_QUESTIONS = f"{NODES_GUIDE}: AmazonElasticMapReduceforEC2Role, on Amazon EMR itself"
LOG_AGENT = 'CloudWatch Logs user guide, "Quick start: install and configure the agent": log streams'
KEY_USERS = 'EMR Management Guide, "Creating keys and certificates for data encryption": users of the key'
VOLUMES = 'EMR Management Guide, "Creating keys and certificates for data encryption": EBS encryption'
BOOTSTRAP = 'EMR Management Guide, "Create bootstrap actions to install additional software"'
CERTIFICATES = 'EMR Management Guide, "Creating keys and certificates for data encryption": PEM certificates'
PASSING = 'EMR Management Guide, "Service role for Amazon EMR", v2 policy: roles of other names than the default ones'
SCALING_GUIDE = 'EMR Management Guide, "Service role for automatic scaling": AmazonElasticMapReduceforAutoScalingRole'
SESSIONS = 'Systems Manager user guide, "Create a custom IAM role for Session Manager"'
PRIVATE_SUBNET = 'EMR Management Guide, "Amazon S3 policy for the private subnet"'
MULTIPART = 'S3 user guide, "Multipart upload API and permissions"'
GET_OBJECT = "S3 API reference, GetObject: permissions"
MAPPING = 'EMR Management Guide, "Configure IAM roles for EMRFS requests to Amazon S3"'
GLUE_API = "Glue API reference"
CLOUDWATCH_API = "CloudWatch user guide, identity-based policies: publishing metrics"

VIA = "kms:ViaService"
GRANT = "kms:GrantIsForAWSResource, kms:ViaService"


class Right(NamedTuple):
    """An action on kinds of resources, named by `KINDS`."""

    action: str
    kinds: tuple[str, ...]
    why: str
    source: str
    when: str = ""
    """Keys of the condition, in order."""


KINDS = {
    **{s3(name): f"bucket {name}" for name in ("raw", "processed", "logs", "scripts")},
    **{
        s3(f"{bucket}/{prefix}*"): f"objects of {bucket}/{prefix}"
        for bucket, prefix in (
            ("raw", ""),
            ("processed", ""),
            ("logs", "elasticmapreduce/"),
            *(("scripts", prefix) for prefix in ("bootstrap/", "certificates/", "jobs/", "manifests/")),
        )
    },
    s3("eu-west-1.elasticmapreduce"): "EMR's bucket of the region",
    s3("eu-west-1.elasticmapreduce/*"): "objects of EMR's bucket of the region",
    s3("prod.eu-west-1.appinfo.src/*"): "objects of EMR's application history",
    s3("certificates/nodes.zip"): "brought certificate",
    s3("tools/agent.sh"): "brought script",
    ENVIRONMENT.arn("kms", "key/tools"): "key of the brought script",
    DATA_KEY: "data key",
    LOGS_KEY: "logs key",
    ARCHIVE.kms_key_arn: "key of the brought certificate",
    NODE_ROLE: "node role",
    SCALING_ROLE: "scaling role",
    MAPPED_ROLE: "mapped role",
    ENVIRONMENT.arn("glue", "catalog"): "catalog",
    ENVIRONMENT.arn("glue", "database/*"): "every database",
    **{
        ENVIRONMENT.arn("glue", pattern.format(name)): f"{kind} of {name}"
        for name in ("flights_db", "default", "global_temp")
        for kind, pattern in (
            ("database", "database/{}"),
            ("tables", "table/{}/*"),
            ("functions", "userDefinedFunction/{}/*"),
        )
    },
    ENVIRONMENT.arn("cloudwatch", "alarm:*"): "alarms",
    ENVIRONMENT.arn("elasticmapreduce", "cluster/*"): "clusters",
    ENVIRONMENT.arn("ec2", "instance/*"): "instances",
    "*": "no resource to name",
}
"""What an ARN of a policy stands for."""

RAW, PROCESSED, LOGS = ("objects of raw/",), ("objects of processed/",), ("objects of logs/elasticmapreduce/",)
DATA_OBJECTS, DATA_BUCKETS = (*RAW, *PROCESSED), ("bucket raw", "bucket processed")
HISTORY = ("objects of EMR's application history",)
READ_CATALOG = (
    "catalog",
    *(
        f"{kind} of {name}"
        for kind in ("database", "tables", "functions")
        for name in ("flights_db", "default", "global_temp")
    ),
)
KEEP_PARTITIONS = ("catalog", "database of flights_db", "tables of flights_db")
NOWHERE = ("no resource to name",)

RIGHTS: dict[str, tuple[Right, ...]] = {
    "nodes": (
        Right("s3:GetObject", DATA_OBJECTS, "jobs and queries read", EMRFS),
        Right(
            "s3:GetObjectVersion",
            DATA_OBJECTS,
            "the buckets are versioned; what was overwritten can be read for repair",
            EMRFS,
        ),
        Right("s3:GetObjectTagging", DATA_OBJECTS, "a copy takes its tags along; scanners tag what is dropped", EMRFS),
        Right("s3:PutObjectTagging", PROCESSED, "a copy takes its tags along", EMRFS),
        Right("s3:PutObject", PROCESSED, "jobs write, and start and finish uploads in parts", EMRFS),
        Right("s3:DeleteObject", PROCESSED, "staging is cleaned; what a run writes anew is replaced", EMRFS),
        Right("s3:AbortMultipartUpload", PROCESSED, "the committer abandons uploads of failed tasks", EMRFS),
        Right("s3:ListMultipartUploadParts", PROCESSED, "the committer looks at the parts of an upload", EMRFS),
        Right("s3:ListBucket", (*DATA_BUCKETS, "bucket scripts"), "a directory is a listing", EMRFS),
        Right("s3:ListBucketMultipartUploads", ("bucket processed",), "unfinished uploads are found", EMRFS),
        Right("s3:ListBucketVersions", DATA_BUCKETS, "the guide's EMRFS statement has it; it shows no content", EMRFS),
        Right("s3:GetBucketVersioning", DATA_BUCKETS, "the guide's EMRFS statement has it; it shows no content", EMRFS),
        Right(
            "s3:GetBucketLocation",
            (*DATA_BUCKETS, "bucket scripts", "bucket logs"),
            "clients sign requests for the bucket's region",
            "S3 API reference, GetBucketLocation",
        ),
        Right("s3:GetObject", ("objects of scripts/bootstrap/",), "nodes run the bootstrap script", BOOTSTRAP),
        Right("s3:GetObject", ("objects of scripts/certificates/",), "nodes fetch the certificate", CERTIFICATES),
        Right("s3:GetObject", ("objects of scripts/jobs/", "objects of scripts/manifests/"), "steps' input", EMRFS),
        Right("s3:PutObject", LOGS, "logs are archived", LOG_FILES),
        Right("s3:AbortMultipartUpload", LOGS, "an upload of a long log that fails leaves no parts behind", MULTIPART),
        Right("s3:ListBucket", ("bucket logs",), "else S3 calls a missing object forbidden", GET_OBJECT, "s3:prefix"),
        Right(
            "s3:GetObject",
            ("EMR's bucket of the region", "objects of EMR's bucket of the region"),
            "script-runner.jar and libraries of the region",
            PRIVATE_SUBNET,
        ),
        Right(
            "s3:ListBucket",
            ("EMR's bucket of the region", "objects of EMR's bucket of the region"),
            "script-runner.jar and libraries of the region",
            PRIVATE_SUBNET,
        ),
        *(
            Right(f"s3:{name}", HISTORY, "application history outlives the cluster", PRIVATE_SUBNET)
            for name in ("AbortMultipartUpload", "GetObject", "ListMultipartUploadParts", "PutObject")
        ),
        Right("glue:GetDatabase", READ_CATALOG, "sessions look at default and global_temp when they start", GLUE),
        Right("glue:GetDatabases", ("catalog", "every database"), "SHOW DATABASES names all or fails", GLUE),
        Right("glue:GetTable", READ_CATALOG, "queries resolve a table", GLUE),
        Right("glue:GetTables", READ_CATALOG, "SHOW TABLES", GLUE),
        Right("glue:GetTableVersions", READ_CATALOG, "the metastore client looks at a table's history", GLUE),
        Right("glue:GetPartition", READ_CATALOG, "queries resolve a partition", GLUE),
        Right("glue:GetPartitions", READ_CATALOG, "queries prune partitions", GLUE),
        Right("glue:BatchGetPartition", READ_CATALOG, "queries resolve many partitions", GLUE),
        Right("glue:GetUserDefinedFunction", READ_CATALOG, "an unknown function is looked up", GLUE),
        Right("glue:GetUserDefinedFunctions", READ_CATALOG, "Hive loads functions when a session starts", GLUE),
        Right("glue:CreatePartition", KEEP_PARTITIONS, "a run adds partitions", GLUE),
        Right("glue:BatchCreatePartition", KEEP_PARTITIONS, "a run adds partitions", GLUE),
        Right("glue:UpdatePartition", KEEP_PARTITIONS, "a run points a partition at what it wrote", GLUE),
        Right("glue:BatchUpdatePartition", KEEP_PARTITIONS, "UpdatePartition for many; gives no more", GLUE_API),
        Right("glue:DeletePartition", KEEP_PARTITIONS, "a partition that has no data any more goes", GLUE),
        Right("glue:BatchDeletePartition", KEEP_PARTITIONS, "partitions that have no data any more go", GLUE),
        Right("cloudwatch:PutMetricData", NOWHERE, "jobs count what they did", CLOUDWATCH_API, "cloudwatch:namespace"),
        Right("ssm:UpdateInstanceInformation", ("instances",), "nodes register for Session Manager", SESSIONS),
        *(
            Right(f"ssmmessages:{verb}{channel}Channel", NOWHERE, "a shell without SSH key or open port", SESSIONS)
            for verb in ("Create", "Open")
            for channel in ("Control", "Data")
        ),
        Right("kms:Decrypt", ("data key",), "EMRFS reads; local disks are unlocked", KEY_USERS),
        Right("kms:DescribeKey", ("data key",), "the key is looked at before it is used", KEY_USERS),
        Right("kms:Encrypt", ("data key",), "passphrases of local disks", KEY_USERS),
        Right("kms:GenerateDataKey", ("data key",), "EMRFS writes", KEY_USERS),
        Right("kms:GenerateDataKeyWithoutPlaintext", ("data key",), "volumes get their keys", KEY_USERS),
        Right("kms:CreateGrant", ("data key",), "volumes are attached", VOLUMES, GRANT),
        Right("kms:Decrypt", ("logs key",), "an upload in parts reads its own parts", KEY_USERS, VIA),
        Right("kms:DescribeKey", ("logs key",), "the key is looked at before it is used", KEY_USERS, VIA),
        Right("kms:Encrypt", ("logs key",), "logs are archived", KEY_USERS, VIA),
        Right("kms:GenerateDataKey", ("logs key",), "logs are archived", KEY_USERS, VIA),
    ),
    "nodes by settings": (
        Right("sts:AssumeRole", ("mapped role",), "EMRFS asks S3 as the mapped role", MAPPING),
        Right("s3:GetObject", ("brought certificate",), "nodes fetch the certificate", CERTIFICATES),
        Right("kms:Decrypt", ("key of the brought certificate",), "nodes fetch the certificate", CERTIFICATES, VIA),
        Right("s3:GetObject", ("brought script",), "nodes run it when they start", BOOTSTRAP),
        Right("kms:Decrypt", ("key of the brought script",), "nodes run it when they start", BOOTSTRAP, VIA),
    ),
    "service": (
        Right("s3:GetObject", ("objects of scripts/certificates/",), "EMR reads the certificate", CERTIFICATES),
        Right("iam:PassRole", ("node role",), "nodes are launched with it", PASSING, "iam:PassedToService"),
        Right("iam:PassRole", ("scaling role",), "scaling is set up with it", PASSING, "iam:PassedToService"),
        Right("kms:Decrypt", ("data key",), "volumes are made", VOLUMES),
        Right("kms:DescribeKey", ("data key",), "volumes are made", VOLUMES),
        Right("kms:GenerateDataKeyWithoutPlaintext", ("data key",), "volumes get their keys", VOLUMES),
        Right("kms:ReEncryptFrom", ("data key",), "a volume of an encrypted image changes its key", VOLUMES),
        Right("kms:ReEncryptTo", ("data key",), "a volume of an encrypted image changes its key", VOLUMES),
        Right("kms:CreateGrant", ("data key",), "EC2 uses the key while the volume lives", VOLUMES, GRANT),
    ),
    "scaling": (
        Right("cloudwatch:DescribeAlarms", ("alarms",), "rules hang on alarms", SCALING_GUIDE),
        *(
            Right(
                f"elasticmapreduce:{name}InstanceGroups",
                ("clusters",),
                "groups are looked at and resized",
                SCALING_GUIDE,
                "aws:ResourceTag/emr-pipeline-cluster",
            )
            for name in ("List", "Modify")
        ),
    ),
}

DOCUMENTED: dict[tuple[str, str], str] = {
    ("nodes", EMRFS): """
        s3:AbortMultipartUpload s3:CreateBucket s3:DeleteObject s3:GetBucketVersioning s3:GetObject s3:GetObjectTagging
        s3:GetObjectVersion s3:ListBucket s3:ListBucketMultipartUploads s3:ListBucketVersions
        s3:ListMultipartUploadParts s3:PutBucketVersioning s3:PutObject s3:PutObjectTagging""",
    ("nodes", LOG_FILES): "s3:PutObject",
    ("nodes", DEBUGGING): "sqs:GetQueueUrl sqs:SendMessage",
    ("nodes", ON_NODE_QUESTIONS): "elasticmapreduce:DescribeCluster elasticmapreduce:ListInstances",
    ("nodes", LOG_AGENT): "logs:CreateLogStream logs:DescribeLogStreams logs:PutLogEvents",
    ("nodes", GLUE): """
        glue:CreateDatabase glue:UpdateDatabase glue:DeleteDatabase glue:GetDatabase glue:GetDatabases glue:CreateTable
        glue:UpdateTable glue:DeleteTable glue:GetTable glue:GetTables glue:GetTableVersions glue:CreatePartition
        glue:BatchCreatePartition glue:UpdatePartition glue:DeletePartition glue:BatchDeletePartition glue:GetPartition
        glue:GetPartitions glue:BatchGetPartition glue:CreateUserDefinedFunction glue:UpdateUserDefinedFunction
        glue:DeleteUserDefinedFunction glue:GetUserDefinedFunction glue:GetUserDefinedFunctions""",
    ("nodes", KEY_USERS): """
        kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey kms:GenerateDataKeyWithoutPlaintext
        kms:ReEncryptFrom kms:ReEncryptTo""",
    ("nodes", SESSIONS): """
        ssm:UpdateInstanceInformation ssmmessages:CreateControlChannel ssmmessages:CreateDataChannel
        ssmmessages:OpenControlChannel ssmmessages:OpenDataChannel""",
    ("service", PASSING): "iam:PassRole",
    ("service", VOLUMES): """
        kms:CreateGrant kms:Decrypt kms:DescribeKey kms:GenerateDataKeyWithoutPlaintext kms:ReEncryptFrom
        kms:ReEncryptTo""",
    ("scaling", SCALING_GUIDE): """
        cloudwatch:DescribeAlarms elasticmapreduce:ListInstanceGroups elasticmapreduce:ModifyInstanceGroups""",
}
"""Actions that a section of AWS's guides gives a role; ``kms:ReEncrypt*`` and ``kms:GenerateDataKey*`` written out."""

WITHHELD: dict[tuple[str, str], dict[str, str]] = {
    ("nodes", EMRFS): dict.fromkeys(("s3:CreateBucket", "s3:PutBucketVersioning"), "buckets are the program's"),
    ("nodes", DEBUGGING): dict.fromkeys(("sqs:GetQueueUrl", "sqs:SendMessage"), "the tool is not enabled"),
    ("nodes", ON_NODE_QUESTIONS): dict.fromkeys(
        ("elasticmapreduce:DescribeCluster", "elasticmapreduce:ListInstances"), "no script of ours on a node asks EMR"
    ),
    ("nodes", LOG_AGENT): dict.fromkeys(
        ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"), "no agent runs; EMR archives to S3"
    ),
    ("nodes", GLUE): {
        f"glue:{verb}{kind}": f"{words} are the program's"
        for kind, words in (
            ("Database", "databases"),
            ("Table", "tables and schemas"),
            ("UserDefinedFunction", "functions"),
        )
        for verb in ("Create", "Update", "Delete")
    },
    ("nodes", KEY_USERS): dict.fromkeys(
        ("kms:ReEncryptFrom", "kms:ReEncryptTo"),
        "S3 copies by Decrypt and GenerateDataKey, and volumes are the service role's to make",
    ),
}
"""Documented actions that no role here has, each with the reason."""


def granted(statements: list[Document]) -> Iterator[tuple[str, str, str]]:
    """Action, kind of resource and keys of the condition, of all that statements allow."""
    for entry in statements:
        when = ", ".join(sorted(key for keys in entry.get("Condition", {}).values() for key in keys))
        for resource in texts(entry["Resource"]):
            assert resource in KINDS, (
                f"{entry['Sid']} reaches {resource}, which is no kind of resource that is known here"
            )
            yield from ((action, KINDS[resource], when) for action in texts(entry["Action"]))


@pytest.mark.parametrize("who", EVERYTHING)
def test_a_role_has_the_rights_of_the_table_and_no_others(who: str) -> None:
    table = {(right.action, kind, right.when) for right in RIGHTS[who] for kind in right.kinds}
    given = set(granted(EVERYTHING[who]))
    assert not given - table, f"{who} may do what no row of the table gives a reason for"
    assert not table - given, f"{who} may not do what the table says, and why, that it needs"


@pytest.mark.parametrize(("who", "source"), DOCUMENTED)
def test_a_role_has_what_the_guide_documents_or_there_is_a_reason(who: str, source: str) -> None:
    documented, withheld = set(DOCUMENTED[who, source].split()), set(WITHHELD.get((who, source), ()))
    cited = {right.action for right in RIGHTS[who] if right.source == source}
    assert not cited - documented, f"rows cite {source}, which does not name these actions"
    assert documented - cited == withheld, f"{source} names them: granted by a row, or withheld for a reason"
    possible = {action for entry in EVERYTHING[who] for action in texts(entry["Action"])}
    assert not withheld & possible, "what is withheld is granted all the same"


@pytest.mark.parametrize(
    ("action", "resource", "because"),
    [
        ("s3:PutObject", s3("raw/flights/2013-01.csv"), "what was dropped is evidence"),
        ("s3:DeleteObject", s3("raw/flights/2013-01.csv"), "what was dropped is evidence"),
        ("s3:GetObject", s3("logs/elasticmapreduce/j-1/steps/s-1/stderr.gz"), "logs are written, not read"),
        ("s3:DeleteObject", s3("logs/elasticmapreduce/j-1/steps/s-1/stderr.gz"), "a break-in wants its traces gone"),
        ("s3:PutObject", s3("logs/access/raw/2026"), "access logs are S3's to write"),
        ("s3:PutObject", s3("scripts/jobs/0123456789abcdef/transform.py"), "a job must not change the next job"),
        ("s3:GetObject", s3("someone-elses-bucket/secret"), "it is not the pipeline's"),
        ("s3:PutBucketPolicy", s3("processed"), "buckets are the program's"),
        ("glue:GetTable", ENVIRONMENT.arn("glue", "table/other_db/salaries"), "it is another team's"),
        ("glue:BatchCreatePartition", ENVIRONMENT.arn("glue", "table/default/x"), "default is everybody's"),
        ("kms:Decrypt", ENVIRONMENT.arn("kms", "key/secrets"), "jobs need no secret"),
        ("kms:ScheduleKeyDeletion", DATA_KEY, "keys are the program's"),
        (
            "secretsmanager:GetSecretValue",
            ENVIRONMENT.arn("secretsmanager", "secret:cluster-kdc"),
            "it is for operators",
        ),
        ("ssm:GetParameter", ENVIRONMENT.arn("ssm", "parameter/anything"), "parameters may be other teams' secrets"),
        ("iam:PassRole", NODE_ROLE, "a job must not become another role"),
        (
            "elasticmapreduce:TerminateJobFlows",
            CLUSTER,
            "it is the program's",
        ),
        ("ec2:RunInstances", "*", "nodes are EMR's to launch"),
        ("sts:AssumeRole", NODE_ROLE, "a job must not become another role"),
    ],
)
def test_nodes_may_do_no_more(action: str, resource: str, because: str) -> None:
    assert not grants(NODES, action, resource), f"nodes may {action} on {resource}, but {because}"


def test_the_logs_key_is_used_through_s3_only() -> None:
    for entry in grants(NODES, "kms:GenerateDataKey", LOGS_KEY):
        assert entry["Condition"]["StringEquals"]["kms:ViaService"] == "s3.eu-west-1.amazonaws.com"


def test_metrics_go_to_the_pipelines_namespace_only() -> None:
    (entry,) = grants(NODES, "cloudwatch:PutMetricData", "*")
    assert entry["Condition"] == {"StringEquals": {"cloudwatch:namespace": "EmrPipeline"}}


def test_logs_are_listed_under_the_clusters_prefix_only() -> None:
    (entry,) = grants(NODES, "s3:ListBucket", s3("logs"))
    assert entry["Condition"]["StringLike"]["s3:prefix"] == "elasticmapreduce/*"


@pytest.mark.parametrize(("role", "service"), [(NODE_ROLE, "ec2"), (SCALING_ROLE, "application-autoscaling")])
def test_the_service_role_passes_a_role_to_its_service_only(role: str, service: str) -> None:
    (entry,) = grants(SERVICE, "iam:PassRole", role)
    assert entry["Condition"] == {"StringLike": {"iam:PassedToService": f"{service}.amazonaws.com*"}}


@pytest.mark.parametrize("who", ["nodes", "service"])
def test_grants_on_a_key_are_for_volumes_only(who: str) -> None:
    (entry,) = grants(EVERYTHING[who], "kms:CreateGrant", DATA_KEY)
    assert entry["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}, "a grant hands the key on"


def test_scaling_resizes_this_stacks_cluster_only() -> None:
    (entry,) = grants(SCALING, "elasticmapreduce:ModifyInstanceGroups", CLUSTER)
    assert entry["Condition"] == {"StringEquals": {"aws:ResourceTag/emr-pipeline-cluster": "emr-pipeline-test"}}


@pytest.mark.parametrize("who", EVERYTHING)
def test_no_action_is_a_whole_service_and_no_resource_is_everything(who: str) -> None:
    knows_no_resource = {
        "cloudwatch:PutMetricData",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    }
    for entry in EVERYTHING[who]:
        assert not [action for action in texts(entry["Action"]) if "*" in action], f"{entry['Sid']} names its actions"
        if "*" in texts(entry["Resource"]):
            assert set(texts(entry["Action"])) <= knows_no_resource, f"{entry['Sid']} could name its resources"


@pytest.mark.parametrize("who", EVERYTHING)
def test_a_policy_fits_in_a_role(who: str) -> None:
    # IAM quotas: 10,240 characters of inline policies a role, without white space.
    assert len(json.dumps(policy_document(EVERYTHING[who]), separators=(",", ":"))) < 10_240


def assumers(trust: Document) -> dict[str, Any]:
    return {entry["Principal"]["Service"]: entry.get("Condition") for entry in trust["Statement"]}


def test_emr_assumes_the_service_role_for_this_account_and_region_only() -> None:
    assert assumers(roles.service_role_trust(ENVIRONMENT)) == {
        "elasticmapreduce.amazonaws.com": {
            "StringEquals": {"aws:SourceAccount": "111122223333"},
            "ArnLike": {"aws:SourceArn": "arn:aws:elasticmapreduce:eu-west-1:111122223333:*"},
        }
    }


def test_emr_and_application_auto_scaling_assume_the_scaling_role_each_with_its_source() -> None:
    found = assumers(roles.scaling_role_trust(ENVIRONMENT))
    assert found["application-autoscaling.amazonaws.com"]["ArnLike"] == {
        "aws:SourceArn": "arn:aws:application-autoscaling:eu-west-1:111122223333:scalable-target/*"
    }
    assert found["elasticmapreduce.amazonaws.com"]["StringEquals"] == {"aws:SourceAccount": "111122223333"}


def test_ec2_assumes_the_nodes_role() -> None:
    assert assumers(roles.node_role_trust(ENVIRONMENT)) == {"ec2.amazonaws.com": None}


def test_in_china_names_are_chinas() -> None:
    china = replace(ENVIRONMENT, partition="aws-cn", dns_suffix="amazonaws.com.cn", region="cn-north-1")
    text = json.dumps(
        [
            roles.service_role_trust(china),
            roles.node_statements(china, raw="a", processed="b", logs="c", scripts="d", log_prefix="e/", database="f"),
            roles.node_key_statements(china, china.arn("kms", "key/1"), china.arn("kms", "key/2")),
        ]
    )
    assert "arn:aws:" not in text, "no ARN is of the partition aws"
    assert "elasticmapreduce.amazonaws.com.cn" in text
    assert "s3.cn-north-1.amazonaws.com.cn" in text
