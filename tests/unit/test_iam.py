"""IAM documents as they are built: what the helper refuses, and that nothing goes round it."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from components.iam import account_of, create_role, outside_principal, policy_document, service_trust, statement
from settings import ConfigurationError
from tests.unit.harness import ENVIRONMENT, deploy

COMPONENTS = Path(__file__).resolve().parents[2] / "components"
CHINA = replace(ENVIRONMENT, partition="aws-cn", dns_suffix="amazonaws.com.cn", region="cn-north-1")


@pytest.mark.parametrize("action", ["*", "s3:*"])
def test_no_role_is_granted_every_action(action: str):
    with pytest.raises(ValueError, match="grants everything; name the actions"):
        statement("All", [action], ["arn:aws:s3:::b"])
    assert statement("No", [action], ["*"], effect="Deny")["Action"] == action, "refusing everything is fine"
    assert statement("Account", [action], ["*"], principals={"AWS": "x"}), "a resource's policy may hand itself on"


def test_a_statement_reads_the_same_whatever_the_order_that_it_was_written_in():
    one = statement("S", ["s3:PutObject", "s3:GetObject"], ["b", "a"])
    other = statement("S", ["s3:GetObject", "s3:PutObject"], ["a", "b"])
    assert (
        one
        == other
        == {
            "Sid": "S",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": ["a", "b"],
        }
    ), "else every deployment would show a difference"


def test_two_statements_of_a_policy_have_ids_of_their_own():
    twice = statement("S", ["s3:GetObject"], ["a"])
    with pytest.raises(ValueError, match="statement id S twice"):
        policy_document([twice, twice])


def test_a_service_assumes_a_role_for_this_account_only():
    (entry,) = service_trust(ENVIRONMENT, "states", source_arn="arn:aws:states:eu-west-1:111122223333:stateMachine:x")[
        "Statement"
    ]
    assert entry == {
        "Sid": "Assume",
        "Effect": "Allow",
        "Principal": {"Service": "states.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": "111122223333"},
            "ArnLike": {"aws:SourceArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:x"},
        },
    }


def test_a_service_that_sends_no_source_is_bound_by_none():
    (entry,) = service_trust(CHINA, "ec2", source_account=False)["Statement"]
    assert entry["Principal"] == {"Service": "ec2.amazonaws.com.cn"}, "EC2 carries the partition's suffix"
    assert "Condition" not in entry, "a condition on what is never sent locks the service out"


def test_somebody_of_another_account_is_named_by_account_or_role():
    role = "arn:aws:iam::444455556666:role/team/reader"
    assert outside_principal(ENVIRONMENT, "444455556666") == "arn:aws:iam::444455556666:root"
    assert outside_principal(CHINA, "444455556666") == "arn:aws-cn:iam::444455556666:root"
    assert outside_principal(ENVIRONMENT, role) == role
    assert account_of(role) == account_of("444455556666") == "444455556666"
    with pytest.raises(ConfigurationError, match="nothing reaches from one partition into another"):
        outside_principal(CHINA, role)


class Holder(pulumi.ComponentResource):
    def __init__(self, **arguments: Any) -> None:
        super().__init__("test:index:Holder", "holder")
        self.role, self.grants = create_role("role", description="d", trust={"Statement": []}, parent=self, **arguments)


def test_whoever_uses_a_role_can_wait_for_its_permissions():
    allowed = statement("Read", ["s3:GetObject"], ["arn:aws:s3:::b/*"])
    managed = {"managed": "arn:aws:iam::aws:policy/x"}
    deployment = deploy(lambda: Holder(statements=[pulumi.Output.from_input(allowed)], managed_policy_arns=managed))
    assert deployment.one(aws.iam.RolePolicy).document("policy")["Statement"] == [allowed]
    assert deployment.one(aws.iam.RolePolicyAttachment).inputs["policyArn"] == "arn:aws:iam::aws:policy/x"
    assert [grant._name for grant in deployment.result.grants] == ["role-policy", "role-managed"]


def test_a_role_without_statements_has_no_empty_policy():
    assert deploy(Holder).all(aws.iam.RolePolicy) == [], "IAM refuses a policy that says nothing"


def _calls(source: str) -> set[str]:
    return {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


def test_every_role_is_made_by_the_helper_and_no_document_is_pasted():
    for file in sorted(COMPONENTS.glob("*.py")):
        if file.name == "iam.py":
            continue
        source = file.read_text(encoding="utf-8")
        assert "aws.iam.Role" not in _calls(source), f"{file.name} makes a role past create_role"
        assert "2012-10-17" not in source, f"{file.name} pastes a policy: build it by policy_document"
