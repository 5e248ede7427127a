"""The deployer's policy: every action exists, each type's life is covered, and what is lacking is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from moto.iam.access_control import IAMPolicyStatement, PermissionResult

from components.bucket_documents import bucket_name
from components.environment import AwsEnvironment
from policies.action_table import knows_no_resource
from tools import permissions
from tools.recorded import record


@cache
def known_actions() -> set[str]:
    """Actions of the Service Authorization Reference, as the parliament package carries it."""
    spec = find_spec("parliament")
    assert spec is not None
    assert spec.submodule_search_locations
    services = json.loads((Path(spec.submodule_search_locations[0]) / "iam_definition.json").read_text())
    return {f"{entry['prefix']}:{p['privilege']}".lower() for entry in services for p in entry["privileges"]}


def test_every_action_exists() -> None:
    unknown = [action for action in permissions.actions() if action.lower() not in known_actions()]
    assert not unknown, f"IAM knows no such actions: {unknown}"


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_every_type_of_a_stack_has_its_calls(stack: str) -> None:
    for token in sorted({resource.type for resource in record(stack).resources if resource.type.startswith("aws:")}):
        assert permissions.actions_of(token), f"{token} is made by some call"


@pytest.mark.parametrize(
    ("token", "action"),
    [
        ("aws:emr/cluster:Cluster", "elasticmapreduce:RunJobFlow"),
        ("aws:emr/cluster:Cluster", "elasticmapreduce:TerminateJobFlows"),
        (
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
            "s3:PutEncryptionConfiguration",
        ),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", "cloudwatch:PutMetricAlarm"),
        ("aws:sfn/stateMachine:StateMachine", "states:CreateStateMachine"),
        ("aws:kms/key:Key", "kms:ScheduleKeyDeletion"),
        ("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "ec2:DescribeSecurityGroupRules"),
    ],
)
def test_the_calls_of_a_type_are_found(token: str, action: str) -> None:
    assert action in permissions.actions_of(token), f"{token} needs {action}"


def test_a_type_that_nobody_knows_is_named() -> None:
    with pytest.raises(LookupError, match="aws:mars/rover:Rover"):
        permissions.actions_of("aws:mars/rover:Rover")


def filled(stack: str) -> list[dict[str, Any]]:
    return permissions.fill(permissions.render(), stack=stack, region="eu-west-1", account="111122223333")["Statement"]


def allowed(
    statements: list[dict[str, Any]], action: str, resource: str, context: dict[str, str] | None = None
) -> bool:
    """Whether a statement allows it, by the sandbox's IAM; conditions are met by what the call carries."""
    carried = {"aws:RequestedRegion": "eu-west-1", **(context or {})}
    for statement in statements:
        held = all(
            any(
                fnmatchcase(carried.get(key, ""), str(value))
                for value in (values if isinstance(values, list) else [values])
            )
            for keys in statement.get("Condition", {}).values()
            for key, values in keys.items()
        )
        # moto takes a condition that is not met for a denial; here it only leaves the statement out.
        plain = {key: value for key, value in statement.items() if key != "Condition"}
        if held and IAMPolicyStatement(plain).is_action_permitted(action, resource) is PermissionResult.PERMITTED:
            return True
    return False


HERE = "eu-west-1:111122223333"
ARNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "aws:budgets/budget:Budget": lambda state: f"arn:aws:budgets::111122223333:budget/{state['name']}",
    "aws:cloudwatch/dashboard:Dashboard": lambda s: f"arn:aws:cloudwatch::111122223333:dashboard/{s['dashboardName']}",
    "aws:cloudwatch/eventRule:EventRule": lambda state: f"arn:aws:events:{HERE}:rule/{state['name']}",
    "aws:cloudwatch/logGroup:LogGroup": lambda state: f"arn:aws:logs:{HERE}:log-group:{state['name']}",
    "aws:cloudwatch/metricAlarm:MetricAlarm": lambda state: f"arn:aws:cloudwatch:{HERE}:alarm:{state['name']}",
    "aws:dynamodb/table:Table": lambda state: f"arn:aws:dynamodb:{HERE}:table/{state['name']}",
    "aws:glue/catalogDatabase:CatalogDatabase": lambda state: f"arn:aws:glue:{HERE}:database/{state['name']}",
    "aws:glue/catalogTable:CatalogTable": lambda s: f"arn:aws:glue:{HERE}:table/{s['databaseName']}/{s['name']}",
    "aws:iam/role:Role": lambda state: state["arn"],
    "aws:lambda/function:Function": lambda state: state["arn"],
    "aws:s3/bucket:Bucket": lambda state: state["arn"],
    "aws:s3/bucketObjectv2:BucketObjectv2": lambda state: f"arn:aws:s3:::{state['bucket']}/{state['key']}",
    "aws:secretsmanager/secret:Secret": lambda state: f"arn:aws:secretsmanager:{HERE}:secret:{state['name']}-AbCdEf",
    "aws:sfn/stateMachine:StateMachine": lambda state: f"arn:aws:states:{HERE}:stateMachine:{state['name']}",
    "aws:sns/topic:Topic": lambda state: state["arn"],
    "aws:sqs/queue:Queue": lambda state: state["arn"],
    "aws:ssm/parameter:Parameter": lambda state: f"arn:aws:ssm:{HERE}:parameter{state['name']}",
}
"""The ARN of a resource of each type that has a name."""


@pytest.mark.parametrize(("stack", "other"), [("dev", "prod"), ("prod", "dev")])
def test_a_deployer_may_do_all_that_its_stack_takes_and_not_with_another_stacks_things(stack: str, other: str) -> None:
    own, others = filled(stack), filled(other)
    told: set[str] = set()
    for resource in record(stack).resources:
        arn = ARNS[resource.type](resource.state) if resource.type in ARNS else ""
        for action in permissions.actions_of(resource.type) if arn else ():
            if action.split(":")[0] != arn.split(":")[2] or action in ("iam:PassRole", *permissions.UNBOUND):
                continue
            context = {"iam:PolicyARN": "arn:aws:iam::aws:policy/service-role/AmazonEMRServicePolicy_v2"}
            assert allowed(own, action, arn, context), (
                f"{stack}'s deployer makes {resource.name} and needs {action} on {arn}"
            )
            # Roles and secrets are named after their component, buckets' actions that know no resource are for all.
            if not knows_no_resource(action) and not resource.type.startswith(("aws:iam/", "aws:secretsmanager/")):
                assert not allowed(others, action, arn, context), f"{other}'s deployer may not {action} {arn}"
                told.add(action.split(":")[0])
    assert len(told) > 10, f"nearly every service names its resources: {sorted(told)}"


@pytest.mark.parametrize(
    ("action", "resource", "context", "because"),
    [
        (
            "iam:PassRole",
            "arn:aws:iam::111122223333:role/cluster-node-1",
            {"iam:PassedToService": "glue.amazonaws.com"},
            "nothing here runs there",
        ),
        (
            "iam:PassRole",
            "arn:aws:iam::111122223333:role/admin",
            {"iam:PassedToService": "ec2.amazonaws.com"},
            "it is not the program's",
        ),
        (
            "iam:AttachRolePolicy",
            "arn:aws:iam::111122223333:role/cluster-node-1",
            {"iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"},
            "it would be everything",
        ),
        ("iam:PutRolePolicy", "arn:aws:iam::111122223333:role/admin", {}, "it is not the program's"),
        ("s3:DeleteObject", "arn:aws:s3:::somebody-elses/data", {}, "it is another team's"),
        (
            "secretsmanager:GetSecretValue",
            f"arn:aws:secretsmanager:{HERE}:secret:payroll-AbCdEf",
            {},
            "it is another team's",
        ),
        (
            "ec2:DeleteVpc",
            f"arn:aws:ec2:{HERE}:vpc/vpc-1",
            {"aws:ResourceTag/Project": "emr-pipeline", "aws:ResourceTag/Environment": "prod"},
            "it is another stack's",
        ),
        ("kms:ScheduleKeyDeletion", f"arn:aws:kms:{HERE}:key/1", {}, "it bears no tag of the stack"),
        (
            "ec2:CreateVpc",
            "arn:aws:ec2:us-east-1:111122223333:vpc/*",
            {"aws:RequestedRegion": "us-east-1"},
            "the stack does not live there",
        ),
        ("iam:CreateUser", "arn:aws:iam::111122223333:user/x", {}, "the program makes no users"),
    ],
)
def test_a_deployer_may_not(action: str, resource: str, context: dict[str, str], because: str) -> None:
    assert not allowed(filled("dev"), action, resource, context), f"{action} on {resource}: {because}"


def test_what_is_guarded_is_allowed_on_the_stacks_own() -> None:
    tags = {"aws:ResourceTag/Project": "emr-pipeline", "aws:ResourceTag/Environment": "dev"}
    for action in ("ec2:DeleteVpc", "kms:ScheduleKeyDeletion", "elasticmapreduce:TerminateJobFlows"):
        assert allowed(filled("dev"), action, "arn:aws:x:eu-west-1:111122223333:y", tags), (
            f"{action} where the tags are"
        )
    role = "arn:aws:iam::111122223333:role/cluster-node-1a2b3c4"
    assert allowed(filled("dev"), "iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"}), (
        "its roles, to EC2"
    )


def test_nothing_is_a_wildcard_and_nothing_waits_to_be_filled_in() -> None:
    statements = filled("team-a")
    text = json.dumps(statements)
    assert not [action for entry in statements for action in entry["Action"] if "*" in action], "each action by name"
    assert not re.search(r"\b(STACK|REGION|ACCOUNT|PARTITION|BUCKETS|DATABASE)\b", text), (
        "every placeholder is filled in"
    )
    open_to_all = [entry for entry in statements if entry["Resource"] == "*" and "Condition" not in entry]
    assert [entry["Action"] for entry in open_to_all] == [["sts:GetCallerIdentity"]], "only who am I is unbound"
    environment = AwsEnvironment("emr-pipeline", "team-a", "aws", "", "eu-west-1", "111122223333", ())
    assert f"arn:aws:s3:::{bucket_name(environment, 'raw')[:-27]}" in text, (
        "buckets of a stack with a hyphen have a digest"
    )


class Iam:
    """IAM's simulation, answering that some actions are denied."""

    def __init__(self, denied: set[str]) -> None:
        self.denied = denied
        self.sources: set[str] = set()
        self.keys: set[str] = set()

    def get_paginator(self, _: str) -> Iam:
        return self

    def paginate(self, **call: Any) -> list[dict[str, Any]]:
        self.sources.add(call["PolicySourceArn"])
        assert len(call["ActionNames"]) <= 50, "IAM takes a limited number at once"
        assert all("*" not in arn for arn in call.get("ResourceArns", ())), "IAM simulates resources, not patterns"
        self.keys |= {entry["ContextKeyName"] for entry in call["ContextEntries"]}
        decide = {True: "implicitDeny", False: "allowed"}
        return [
            {
                "EvaluationResults": [
                    {"EvalActionName": name, "EvalDecision": decide[name in self.denied]}
                    for name in call["ActionNames"]
                ]
            }
        ]


def test_what_is_lacking_is_told() -> None:
    iam = Iam({"kms:CreateKey", "iam:PassRole"})
    identity = "arn:aws:sts::111122223333:assumed-role/deployer/somebody"
    assert permissions.lacking(iam, identity, {"Statement": filled("dev")}) == ["iam:PassRole", "kms:CreateKey"], (
        "and nothing else"
    )
    assert iam.sources == {"arn:aws:iam::111122223333:role/deployer"}, "IAM is asked about the role, not its session"
    assert {"aws:RequestedRegion", "aws:ResourceTag/Project", "iam:PassedToService"} <= iam.keys, (
        "conditions count as met"
    )
