"""The deployer's policy: every action exists, each type's life is covered, and what is lacking is told."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

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


def test_no_action_is_a_wildcard_and_roles_go_to_known_services_only() -> None:
    regional, everywhere, passing = permissions.policy()["Statement"]
    assert not any("*" in action for action in (*regional["Action"], *everywhere["Action"])), "each action by name"
    assert regional["Condition"]["StringEquals"]["aws:RequestedRegion"] == "REGION", "only where the stack lives"
    assert passing["Condition"]["StringEquals"]["iam:PassedToService"], "a role is handed to no other service"
    assert "iam:PassRole" not in everywhere["Action"], "and not by the other statements"


class Iam:
    """IAM's simulation, answering that some actions are denied."""

    def __init__(self, denied: set[str]) -> None:
        self.denied = denied
        self.sources: set[str] = set()

    def get_paginator(self, _: str) -> Iam:
        return self

    def paginate(self, **call: Any) -> list[dict[str, Any]]:
        self.sources.add(call["PolicySourceArn"])
        assert len(call["ActionNames"]) <= 50, "IAM takes a limited number at once"
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
    assert permissions.lacking(iam, identity) == ["iam:PassRole", "kms:CreateKey"], "and nothing else"
    assert iam.sources == {"arn:aws:iam::111122223333:role/deployer"}, "IAM is asked about the role, not its session"
