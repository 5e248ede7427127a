"""What every role of every stack may do, judged by public tools: parliament lints it, cloudsplaining looks for ways up.

What the roles really do is compared with it in a run of the sandbox (`sandbox.role_evidence`).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tools.recorded import record

with warnings.catch_warnings():
    # parliament reads its data through pkg_resources.
    warnings.simplefilter("ignore")
    import parliament
from cloudsplaining.scan.policy_document import PolicyDocument

STACKS = ("dev", "prod", "sandbox")

KNOWN_BETTER = {
    # Service Authorization Reference, Amazon EMR: every cluster has this key; parliament reads only those of actions.
    ("UNKNOWN_CONDITION_FOR_ACTION", "elasticmapreduce:ResourceTag/"),
    # Lambda guide, "Working with Lambda execution environment credentials": each call by a function's code has the key.
    ("UNKNOWN_CONDITION_FOR_ACTION", "lambda:SourceFunctionArn"),
    # The action is asked about executions of either kind; ours are standard ones.
    ("RESOURCE_MISMATCH", "arn:*:states:*:*:express:*"),
}
"""Findings of parliament that are not so: kind, and a part of its words."""

JUDGEMENTS = (
    "allows_privilege_escalation",
    "credentials_exposure",
    "allows_data_exfiltration_actions",
    "service_wildcard",
    "permissions_management_without_constraints",
    "write_actions_without_constraints",
    "tagging_actions_without_constraints",
    "contains_statement_using_not_action",
)
"""What cloudsplaining asks of a policy; each answer is empty or False for a good one."""


def policies(stack: str) -> Iterator[tuple[str, str]]:
    """Name and text of every policy of a role."""
    for resource in record(stack).resources:
        if resource.type in ("aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy"):
            yield resource.name, resource.inputs["policy"]


def lint(text: str) -> list[tuple[str, str]]:
    """What parliament says: kind and words."""
    return [(finding.issue, str(finding.detail)) for finding in parliament.analyze_policy_string(text).findings]


def judged(text: str) -> dict[str, Any]:
    """What cloudsplaining finds, by what it asks."""
    document = PolicyDocument(json.loads(text))
    answers = {name: getattr(document, name) for name in JUDGEMENTS}
    called = {name: answer() if callable(answer) else answer for name, answer in answers.items()}
    return {name: answer for name, answer in called.items() if answer}


@pytest.mark.parametrize("stack", STACKS)
def test_every_statement_is_good_iam(stack: str) -> None:
    found = list(policies(stack))
    assert len(found) >= 5, "flow logs, nodes, service, state machine and functions have roles"
    used: set[tuple[str, str]] = set()
    for name, text in found:
        for kind, words in lint(text):
            better = [known for known in KNOWN_BETTER if known[0] == kind and known[1] in words]
            assert better, f"{stack}: {name}: parliament says {kind}: {words}"
            used.update(better)
    assert used == KNOWN_BETTER, f"nobody needs these excuses any more: {KNOWN_BETTER - used}"


@pytest.mark.parametrize("stack", STACKS)
def test_no_role_leads_further_up_or_out(stack: str) -> None:
    for name, text in policies(stack):
        assert not judged(text), f"{stack}: {name}: cloudsplaining finds {judged(text)}"


@pytest.mark.parametrize(
    ("actions", "asked"),
    [
        (["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"], "allows_privilege_escalation"),
        (["s3:GetObject"], "allows_data_exfiltration_actions"),
        (["s3:*"], "service_wildcard"),
        (["kms:PutKeyPolicy"], "permissions_management_without_constraints"),
    ],
)
def test_the_tools_see_what_is_wrong(actions: list[str], asked: str) -> None:
    statement = {"Sid": "Wrong", "Effect": "Allow", "Action": actions, "Resource": "*"}
    assert asked in judged(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def test_the_linter_sees_what_is_wrong() -> None:
    statement = {"Sid": "Wrong", "Effect": "Allow", "Action": "s3:GetObjekt", "Resource": "arn:aws:s3:::bucket/*"}
    assert lint(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
