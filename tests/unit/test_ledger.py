"""The ledger's table as it is registered."""

from __future__ import annotations

from typing import Any

import pulumi_aws as aws
import pytest

from components.ledger import ObjectLedger, ObjectLedgerArgs, ledger_statements, table_arn
from tests.unit.harness import ENVIRONMENT, Registered, deploy

DATA_KEY = ENVIRONMENT.arn("kms", "key/data")


def table(*, protect: bool = True) -> Registered:
    made = deploy(lambda: ObjectLedger("ledger", ObjectLedgerArgs(ENVIRONMENT, DATA_KEY, protect=protect)))
    return made.one(aws.dynamodb.Table)


@pytest.fixture(scope="module")
def inputs() -> dict[str, Any]:
    return table().inputs


def test_the_name_is_fixed_and_known_in_preview():
    made = deploy(lambda: ObjectLedger("ledger", ObjectLedgerArgs(ENVIRONMENT, DATA_KEY)), preview=True)
    assert made.result.table_name == "emr-pipeline-test-ledger", "roles and people name the table before it exists"
    assert table_arn(ENVIRONMENT) == "arn:aws:dynamodb:eu-west-1:111122223333:table/emr-pipeline-test-ledger"


def test_it_is_encrypted_with_the_data_key(inputs: dict[str, Any]):
    assert inputs["serverSideEncryption"] == {"enabled": True, "kmsKeyArn": DATA_KEY}, "keys of files are data too"


def test_it_can_be_restored_to_any_second(inputs: dict[str, Any]):
    assert inputs["pointInTimeRecovery"] == {"enabled": True}, "a mistaken edit of the ledger must be undone"


def test_it_takes_bursts_without_a_capacity_to_guess(inputs: dict[str, Any]):
    assert inputs["billingMode"] == "PAY_PER_REQUEST", "files come in bursts"


def test_manifests_are_found_by_state_oldest_first(inputs: dict[str, Any]):
    (index,) = inputs["globalSecondaryIndexes"]
    assert index["keySchemas"] == [
        {"attributeName": "state", "keyType": "HASH"},
        {"attributeName": "plannedAt", "keyType": "RANGE"},
    ], "objects carry no plannedAt, so the index holds manifests only"


@pytest.mark.parametrize("protect", [True, False])
def test_only_data_that_may_be_lost_can_be_deleted_with_its_stack(protect: bool):
    made = table(protect=protect)
    assert made.inputs["deletionProtectionEnabled"] is protect, "DynamoDB itself refuses to delete the table"
    assert made.protect is protect, "so does Pulumi, before it asks"


def test_whoever_uses_the_ledger_may_decrypt_it_through_dynamodb_only():
    use, decrypt, find = ledger_statements(
        ENVIRONMENT, DATA_KEY, ["dynamodb:UpdateItem"], index_actions=["dynamodb:Query"]
    )
    assert (use["Action"], use["Resource"]) == ("dynamodb:UpdateItem", table_arn(ENVIRONMENT))
    assert decrypt["Condition"] == {"StringEquals": {"kms:ViaService": "dynamodb.eu-west-1.amazonaws.com"}}
    assert find["Resource"] == f"{table_arn(ENVIRONMENT)}/index/manifests-by-state", "an index has an ARN of its own"
