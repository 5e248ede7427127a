"""The page that says who may do what with which key: as fresh as the policies, and whole."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from components.key_policies import REASONS, Purpose, key_policy
from tests.policies.program import recorded
from tests.unit.harness import ENVIRONMENT, Deployment
from tools import keys_document


@pytest.fixture(scope="module")
def page() -> str:
    return keys_document.render()


@pytest.fixture(scope="module")
def production() -> Deployment:
    return recorded("prod")


def test_the_page_is_what_the_policies_say(page: str):
    assert keys_document.FILE.read_text(encoding="utf-8") == page, "docs/keys.md is stale: run 'make generate'"


def test_every_statement_of_a_key_policy_has_a_reason_and_no_reason_is_left_over():
    found = {
        statement["Sid"]
        for purpose in get_args(Purpose)
        for statement in key_policy(purpose, ENVIRONMENT, keys_document.ADMINISTRATORS, keys_document.PARTNERS)[
            "Statement"
        ]
    }
    assert found == set(REASONS)


def test_every_role_that_uses_a_key_is_on_the_page(page: str, production: Deployment):
    roles = {role.state["name"]: role.name for role in production.all("aws:iam/role:Role")}
    users = {
        roles[policy.inputs["role"]]
        for policy in production.all("aws:iam/rolePolicy:RolePolicy")
        if ":key/keys-" in json.dumps(policy.document("policy"))
    }
    assert users, "somebody uses the keys"
    missing = [role for role in users if f"role `{role}`" not in page]
    assert missing == [], "whoever may use a key is named"


def test_no_role_may_use_a_key_by_a_wildcard(production: Deployment):
    open_ended = [
        (policy.name, statement["Sid"])
        for policy in production.all("aws:iam/rolePolicy:RolePolicy")
        for statement in policy.document("policy")["Statement"]
        if "kms:" in json.dumps(statement["Action"]) and "*" in json.dumps(statement["Resource"])
    ]
    assert open_ended == [], "a key is named by its ARN, or the page would not know"
