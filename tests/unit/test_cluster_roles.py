"""What the cluster's roles may do, asked as questions: may this role do this to that?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest

from components import cluster_roles as roles
from components.iam import Document, policy_document
from tests.unit.harness import ENVIRONMENT

DATA_KEY = ENVIRONMENT.arn("kms", "key/data")
LOGS_KEY = ENVIRONMENT.arn("kms", "key/logs")
CLUSTER = ENVIRONMENT.arn("elasticmapreduce", "cluster/j-1")
NODE_ROLE = ENVIRONMENT.global_arn("iam", "role/node")
SCALING_ROLE = ENVIRONMENT.global_arn("iam", "role/scaling")

NODES = [
    *roles.node_statements(
        ENVIRONMENT,
        raw="raw",
        processed="processed",
        logs="logs",
        scripts="scripts",
        log_prefix="elasticmapreduce/",
        database="flights_db",
    ),
    *roles.node_key_statements(ENVIRONMENT, DATA_KEY, LOGS_KEY),
]
SERVICE = [
    roles.service_certificate_statement(ENVIRONMENT, "scripts", "certificates/"),
    roles.service_pass_role(NODE_ROLE, "PassNodeRole", "ec2"),
    roles.service_pass_role(SCALING_ROLE, "PassScalingRole", "application-autoscaling"),
    *roles.service_key_statements(ENVIRONMENT, DATA_KEY),
]
SCALING = roles.scaling_statements(ENVIRONMENT)
EVERYTHING = {"nodes": NODES, "service": SERVICE, "scaling": SCALING}


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


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:GetObject", s3("raw/flights/2013-01.csv")),
        ("s3:GetObjectVersion", s3("raw/flights/2013-01.csv")),
        ("s3:ListBucket", s3("raw")),
        ("s3:GetObject", s3("processed/flights/year=2013/a.parquet")),
        ("s3:PutObject", s3("processed/_reports/flights/x.json")),
        ("s3:DeleteObject", s3("processed/_staging/flights/a.parquet")),
        ("s3:GetObject", s3("scripts/jobs/0123456789abcdef/transform.py")),
        ("s3:GetObject", s3("scripts/manifests/flights/abc.json")),
        ("s3:GetObject", s3("scripts/certificates/0123456789abcdef.zip")),
        ("s3:PutObject", s3("logs/elasticmapreduce/j-1/steps/s-1/stderr.gz")),
        ("s3:GetObject", s3("eu-west-1.elasticmapreduce/libs/script-runner/script-runner.jar")),
        ("glue:GetTable", ENVIRONMENT.arn("glue", "table/flights_db/flights")),
        ("glue:BatchCreatePartition", ENVIRONMENT.arn("glue", "table/flights_db/flights")),
        ("glue:BatchCreatePartition", ENVIRONMENT.arn("glue", "catalog")),
        ("glue:GetDatabase", ENVIRONMENT.arn("glue", "database/default")),
        ("glue:GetDatabase", ENVIRONMENT.arn("glue", "database/global_temp")),
        ("kms:GenerateDataKey", DATA_KEY),
        ("kms:Decrypt", DATA_KEY),
        ("kms:GenerateDataKey", LOGS_KEY),
        ("ssmmessages:OpenDataChannel", "*"),
    ],
)
def test_nodes_may_do_what_jobs_and_queries_need(action: str, resource: str) -> None:
    assert grants(NODES, action, resource)


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
        ("glue:DeleteTable", ENVIRONMENT.arn("glue", "table/flights_db/flights"), "tables are the program's"),
        ("glue:UpdateTable", ENVIRONMENT.arn("glue", "table/flights_db/flights"), "schemas are the program's"),
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


def test_the_service_role_passes_no_other_role() -> None:
    assert not grants(SERVICE, "iam:PassRole", ENVIRONMENT.global_arn("iam", "role/Administrator"))


@pytest.mark.parametrize("who", ["nodes", "service"])
def test_grants_on_a_key_are_for_volumes_only(who: str) -> None:
    (entry,) = grants(EVERYTHING[who], "kms:CreateGrant", DATA_KEY)
    assert entry["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}, "a grant hands the key on"


def test_the_service_role_reads_certificates_and_no_other_object() -> None:
    assert grants(SERVICE, "s3:GetObject", s3("scripts/certificates/0123456789abcdef.zip"))
    assert not grants(SERVICE, "s3:GetObject", s3("scripts/manifests/flights/abc.json"))


def test_scaling_resizes_this_stacks_cluster_only() -> None:
    (entry,) = grants(SCALING, "elasticmapreduce:ModifyInstanceGroups", CLUSTER)
    assert entry["Condition"] == {"StringEquals": {"aws:ResourceTag/emr-pipeline-cluster": "emr-pipeline-test"}}
    assert not grants(SCALING, "elasticmapreduce:TerminateJobFlows", CLUSTER)


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
