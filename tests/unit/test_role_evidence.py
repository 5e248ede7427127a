"""The comparison of what roles did with what they may: it must see each kind of difference."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.aws.call_records import CallRecords
from sandbox.role_evidence import REASONS, Call, Place, Unmapped, compare, read_calls

PLACE = Place(region="eu-west-1", account_id="111122223333", cluster_tags={"Project": "flights"})
TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/ledger"


def statement(action: str, resource: str, **condition: Any) -> dict[str, Any]:
    made = {"Sid": "It", "Effect": "Allow", "Action": action, "Resource": resource}
    return made | ({"Condition": condition} if condition else {})


def update(key: str) -> Call:
    return Call("role", "dynamodb", "UpdateItem", {"TableName": "ledger", "Key": {"pk": {"S": key}}})


LEADING = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["manifest#*"]}}


@pytest.mark.parametrize(
    ("call", "granted", "refused"),
    [
        (update("manifest#1"), statement("dynamodb:UpdateItem", TABLE), False),
        (update("manifest#1"), statement("dynamodb:PutItem", TABLE), True),
        (update("manifest#1"), statement("dynamodb:UpdateItem", f"{TABLE}s"), True),
        (update("manifest#1"), statement("dynamodb:UpdateItem", TABLE, **LEADING), False),
        (update("object#1"), statement("dynamodb:UpdateItem", TABLE, **LEADING), True),
        (
            Call("role", "emr", "ListSteps", {"ClusterId": "j-1"}),
            statement(
                "elasticmapreduce:ListSteps",
                "arn:aws:elasticmapreduce:eu-west-1:111122223333:cluster/*",
                StringEquals={"elasticmapreduce:ResourceTag/Project": "flights"},
            ),
            False,
        ),
        (
            Call("role", "emr", "ListSteps", {"ClusterId": "j-1"}),
            statement("elasticmapreduce:ListSteps", "*", StringEquals={"elasticmapreduce:ResourceTag/Owner": "me"}),
            True,
        ),
        (
            Call("role", "cloudwatch", "PutMetricData", {"Namespace": "Mine"}),
            statement("cloudwatch:PutMetricData", "*", StringEquals={"cloudwatch:namespace": "Theirs"}),
            True,
        ),
        (
            Call(
                "role", "stepfunctions", "StartExecution", {"stateMachineArn": "arn:aws:states:r:1:stateMachine:m:live"}
            ),
            statement(
                "states:StartExecution",
                "arn:aws:states:r:1:stateMachine:m",
                **{"ForAnyValue:StringEquals": {"states:StateMachineQualifier": ["live"]}},
            ),
            False,
        ),
        (
            # Step Functions never asks about the ARN of an alias.
            Call(
                "role", "stepfunctions", "StartExecution", {"stateMachineArn": "arn:aws:states:r:1:stateMachine:m:live"}
            ),
            statement("states:StartExecution", "arn:aws:states:r:1:stateMachine:m:live"),
            True,
        ),
    ],
)
def test_a_call_needs_a_statement_that_allows_it(call: Call, granted: dict[str, Any], refused: bool) -> None:
    evidence = compare([call], {"role": [granted]}, PLACE)
    assert bool(evidence.refused) is refused, evidence
    assert bool(evidence.unused) is refused, "what allows no call is not used"


def test_a_grant_without_use_or_reason_is_told() -> None:
    extra = statement("s3:PutObject", "*") | {"Sid": "Extra"}
    evidence = compare([update("a")], {"role": [statement("dynamodb:UpdateItem", TABLE), extra]}, PLACE)
    assert evidence.unused == ["role: Extra s3:PutObject"]


def test_a_reason_for_what_is_not_granted_is_told() -> None:
    evidence = compare([], {"dispatcher": []}, PLACE)
    assert evidence.reasons_without_grant == [" ".join(key) for key in REASONS if key[0] == "dispatcher"]


def test_an_unknown_call_or_condition_is_not_passed_over() -> None:
    with pytest.raises(Unmapped, match="dynamodb DeleteTable by role"):
        compare([Call("role", "dynamodb", "DeleteTable")], {"role": []}, PLACE)
    with pytest.raises(ValueError, match="NumericEquals"):
        compare([update("a")], {"role": [statement("dynamodb:UpdateItem", TABLE, NumericEquals={"a:b": "1"})]}, PLACE)


def test_calls_are_noted_without_what_they_say(tmp_path: Any) -> None:
    records = CallRecords(tmp_path / "calls.jsonl")
    item = {"pk": {"S": "object#1"}, "sk": {"S": "v"}, "state": {"S": "private"}}
    for _ in range(2):
        records.note("role", "dynamodb", "PutItem", {"TableName": "ledger", "Item": item})
    assert "private" not in (tmp_path / "calls.jsonl").read_text()
    key = {"pk": {"S": "object#1"}, "sk": {"S": "v"}}
    assert read_calls(tmp_path / "calls.jsonl") == [
        Call("role", "dynamodb", "PutItem", {"TableName": "ledger", "Key": key})
    ], "each call once"
