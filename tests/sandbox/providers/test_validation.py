"""Calls that AWS would refuse by its service model are refused before they are sent."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ParamValidationError

from sandbox.providers.clients import AwsClients
from sandbox.providers.services import MODULES
from sandbox.service_models import ParameterRefusedError, check_parameters, compiled

SESSION = botocore.session.get_session()
SERVICES = [
    "budgets",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "emr",
    "events",
    "glue",
    "iam",
    "kms",
    "lambda",
    "logs",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "stepfunctions",
    "sts",
]


def check(service: str, operation: str, **parameters: Any) -> None:
    check_parameters(parameters, SESSION.get_service_model(service).operation_model(operation))


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "message"),
    [
        (
            "s3",
            "PutBucketVersioning",
            {"VersioningConfiguration": {"Status": "On"}},
            "Status is 'On', which is not one of Enabled, Suspended",
        ),
        (
            "ec2",
            "CreateFlowLogs",
            {"TrafficType": "SOME"},
            "TrafficType is 'SOME', which is not one of ACCEPT, REJECT, ALL",
        ),
        ("lambda", "CreateFunction", {"Runtime": "python2.8"}, "Runtime is 'python2.8', which is not one of"),
        ("lambda", "CreateFunction", {"Timeout": 0}, "Timeout is 0, less than 1"),
        ("lambda", "CreateFunction", {"MemorySize": 64}, "MemorySize is 64, less than 128"),
        ("lambda", "CreateFunction", {"Role": "not-an-arn"}, "Role is 'not-an-arn', which does not match"),
        (
            "lambda",
            "CreateFunction",
            {"Environment": {"Variables": {"A": "b"}}},
            "Environment.Variables key is 'A', which does not match",
        ),
        ("iam", "CreateRole", {"RoleName": "a b"}, "RoleName is 'a b', which does not match"),
        ("iam", "CreateRole", {"RoleName": "a" * 65}, "RoleName has 65 characters, more than 64"),
        (
            "iam",
            "CreateRole",
            {"Description": "cluster — nodes"},
            "Description is 'cluster — nodes', which does not match",
        ),
        ("kms", "ScheduleKeyDeletion", {"PendingWindowInDays": 400}, "PendingWindowInDays is 400, more than 365"),
        (
            "ssm",
            "PutParameter",
            {"Type": "Text"},
            "Type is 'Text', which is not one of String, StringList, SecureString",
        ),
        ("cloudwatch", "PutMetricAlarm", {"Statistic": "Mean"}, "Statistic is 'Mean', which is not one of"),
        ("cloudwatch", "PutMetricAlarm", {"AlarmActions": ["a"] * 6}, "AlarmActions has 6 entries, more than 5"),
        (
            "emr",
            "PutAutoScalingPolicy",
            {
                "AutoScalingPolicy": {
                    "Rules": [{"Trigger": {"CloudWatchAlarmDefinition": {"ComparisonOperator": "LESS"}}}]
                }
            },
            "AutoScalingPolicy.Rules[0].Trigger.CloudWatchAlarmDefinition.ComparisonOperator is 'LESS'",
        ),
        ("stepfunctions", "CreateStateMachine", {"name": "a" * 81}, "name has 81 characters, more than 80"),
        ("events", "PutRule", {"Name": "a/b"}, "Name is 'a/b', which does not match"),
        ("logs", "CreateLogGroup", {"logGroupName": "a b"}, "logGroupName is 'a b', which does not match"),
        (
            "glue",
            "CreateDatabase",
            {"DatabaseInput": {"Name": ""}},
            "DatabaseInput.Name has 0 characters, fewer than 1",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
)
def test_a_violation_names_operation_member_value_and_rule(
    service: str, operation: str, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterRefusedError) as refused:
        check(service, operation, **parameters)
    assert str(refused.value).startswith(f"{service} {operation}: ")
    assert message in str(refused.value)


def test_all_violations_are_said_at_once() -> None:
    with pytest.raises(ParameterRefusedError, match=r"Timeout is 0.*; MemorySize is 1,"):
        check("lambda", "CreateFunction", Timeout=0, MemorySize=1)


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("iam", "CreateRole", {"RoleName": "role_1+=,.@-", "Description": "é ü"}),
        ("lambda", "CreateFunction", {"Runtime": "python3.12", "FunctionName": "emr-pipeline_1"}),
        ("events", "PutRule", {"Name": "rule.1-a_b"}),
        ("logs", "CreateLogGroup", {"logGroupName": "/aws/vendedlogs/states/x"}),
        ("glue", "CreateTable", {"TableInput": {"Name": "t", "Description": "two\nlines 🙂"}}),
        ("kms", "CreateKey", {"Description": "anything"}),
        ("kms", "CreateAlias", {"AliasName": "alias/emr-pipeline/data"}),
    ],
)
def test_what_aws_takes_passes(service: str, operation: str, parameters: dict[str, Any]) -> None:
    check(service, operation, **parameters)


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_of_a_service_that_is_called_can_be_checked(service: str) -> None:
    model = SESSION.get_service_model(service)
    patterns = {model.shape_for(name).metadata.get("pattern") for name in model.shape_names} - {None}
    assert [pattern for pattern in patterns if compiled(pattern) is None] == [], "a rule that cannot be read is no rule"


def test_patterns_in_java_syntax_are_translated() -> None:
    text = compiled(r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\t]*")
    assert text is not None
    assert text.fullmatch("a🙂"), "characters beyond the first plane are two units in Java, one in Python"
    hyphen = compiled(r"[\w-_]*")
    assert hyphen is not None
    assert hyphen.fullmatch("a-b_c")
    flagged = compiled("^(?![^:]*/action/|(?i).*<script>.*)[^:]+$")
    assert flagged is not None
    assert flagged.fullmatch("a/ACTION/b"), "the flag begins behind this"
    assert not flagged.fullmatch("<SCRIPT>"), "and holds here"
    letters = compiled(r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$")
    assert letters is not None
    assert letters.fullmatch("Größe 1")
    assert not letters.fullmatch("a;b")


def test_clients_check_before_they_send() -> None:
    client = AwsClients("http://127.0.0.1:1").get("sqs", "eu-west-1")
    with pytest.raises(ParameterRefusedError):
        client.get_queue_attributes(QueueUrl="x", AttributeNames=["Nonsense"])
    with pytest.raises(ParamValidationError):
        client.get_queue_attributes()


def test_a_client_is_made_once() -> None:
    clients = AwsClients("http://127.0.0.1:1")
    assert clients.get("sqs", "eu-west-1") is clients.get("sqs", "eu-west-1")
    assert clients.get("sqs", "eu-west-1") is not clients.get("sqs", "us-east-1")


def test_the_services_of_the_table_are_the_ones_checked_here() -> None:
    named = {module.__name__.rsplit(".", 1)[1].rstrip("_") for module in MODULES}
    aliases = {"sfn": "stepfunctions", "index": "sts"}
    assert {aliases.get(name, name) for name in named} <= set(SERVICES), "add a new module's service above"
