"""Queries of DynamoDB: they look at their own partition, and find what moto finds."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.chain import make_ledger

pytestmark = pytest.mark.sandbox


def test_a_query_finds_its_partition_in_order_page_by_page(sandbox_aws: Any) -> None:
    name = sandbox_aws.name("table")
    make_ledger(sandbox_aws.dynamodb, name)
    for number in (3, 1, 2, 5, 4):
        for key in ("a", "b"):
            item = {"pk": key, "sk": str(number), "state": "planned", "plannedAt": f"{9 - number}{key}"}
            sandbox_aws.dynamodb.put_item(TableName=name, Item={field: {"S": text} for field, text in item.items()})
    sandbox_aws.dynamodb.put_item(TableName=name, Item={"pk": {"S": "c"}, "sk": {"S": "0"}, "state": {"S": "planned"}})

    def found(field: str, **arguments: Any) -> list[str]:
        pages = sandbox_aws.dynamodb.get_paginator("query").paginate(
            TableName=name, Limit=2, ExpressionAttributeValues={":value": {"S": arguments.pop("value")}}, **arguments
        )
        return [item[field]["S"] for page in pages for item in page["Items"]]

    assert found("sk", value="b", KeyConditionExpression="pk = :value") == ["1", "2", "3", "4", "5"]
    assert found("sk", value="b", KeyConditionExpression="pk = :value", ScanIndexForward=False) == list("54321")
    assert found("sk", value="z", KeyConditionExpression="pk = :value") == []
    assert found(
        "plannedAt",
        value="planned",
        IndexName="manifests-by-state",
        KeyConditionExpression="#state = :value",
        ExpressionAttributeNames={"#state": "state"},
    ) == [f"{number}{key}" for number in (4, 5, 6, 7, 8) for key in ("a", "b")], "an index holds what has both keys"
    assert sandbox_aws.dynamodb.scan(TableName=name)["Count"] == 11
