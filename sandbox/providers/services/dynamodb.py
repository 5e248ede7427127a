"""DynamoDB: tables. Source: terraform-provider-aws ``internal/service/dynamodb/table.go``.

Witnesses of global tables and warm throughput are left out: moto knows neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.providers.comparison import Comparison
from sandbox.providers.naming import AutoName
from sandbox.providers.table import (
    Change,
    Inputs,
    Operation,
    ResourceType,
    State,
    Tagging,
    absent,
    camel,
    found,
    given,
    names,
    pascal,
    tag_list,
    tag_map,
)

_MISSING = "ResourceNotFoundException"


def _check(inputs: Inputs) -> Iterable[tuple[str, str]]:
    """``validateTableAttributes``: DynamoDB takes definitions of key attributes, all of them and no others."""
    declared = {entry.get("name") for entry in inputs.get("attributes") or []}
    keys = {inputs.get("hashKey"), inputs.get("rangeKey")}
    for index in inputs.get("globalSecondaryIndexes") or []:
        keys |= {part.get("attributeName") for part in index.get("keySchemas") or []}
    keys -= {None}
    for name in sorted(str(key) for key in keys - declared):
        yield "attributes", f"lacks {name}, which is a key"
    for name in sorted(str(attribute) for attribute in declared - keys):
        yield "attributes", f"holds {name}, which is no key: only attributes of keys are declared"


def _index(entry: dict[str, Any]) -> dict[str, Any]:
    projection = given(ProjectionType=entry["projectionType"], NonKeyAttributes=entry.get("nonKeyAttributes") or None)
    return {"IndexName": entry["name"], "KeySchema": pascal(entry["keySchemas"]), "Projection": projection}


def _encryption(value: Any) -> dict[str, Any]:
    """Not enabled is the key that DynamoDB owns."""
    if not value or not value.get("enabled"):
        return {"Enabled": False}
    return {"Enabled": True, "SSEType": "KMS", **given(KMSMasterKeyId=value.get("kmsKeyArn"))}


def _attributes(inputs: Inputs) -> list[dict[str, str]]:
    return [{"AttributeName": entry["name"], "AttributeType": entry["type"]} for entry in inputs["attributes"]]


def _recover(operation: Operation, name: str, inputs: Inputs) -> None:
    setting = inputs.get("pointInTimeRecovery") or {"enabled": False}
    specification = given(
        PointInTimeRecoveryEnabled=setting["enabled"], RecoveryPeriodInDays=setting.get("recoveryPeriodInDays")
    )
    operation.client("dynamodb").update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification=specification
    )


def _create(operation: Operation, inputs: Inputs) -> str:
    keys = [{"AttributeName": inputs["hashKey"], "KeyType": "HASH"}]
    if inputs.get("rangeKey"):
        keys.append({"AttributeName": inputs["rangeKey"], "KeyType": "RANGE"})
    indexes = [_index(entry) for entry in inputs.get("globalSecondaryIndexes") or []]
    client = operation.client("dynamodb")
    client.create_table(
        TableName=inputs["name"],
        AttributeDefinitions=_attributes(inputs),
        KeySchema=keys,
        BillingMode=inputs["billingMode"],
        DeletionProtectionEnabled=inputs["deletionProtectionEnabled"],
        Tags=tag_list(inputs.get("tagsAll")),
        **given(
            GlobalSecondaryIndexes=indexes or None,
            SSESpecification=_encryption(inputs.get("serverSideEncryption"))
            if inputs.get("serverSideEncryption")
            else None,
        ),
    )
    operation.created(inputs["name"])
    client.get_waiter("table_exists").wait(TableName=inputs["name"], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    if inputs.get("pointInTimeRecovery"):
        _recover(operation, inputs["name"], inputs)
    return inputs["name"]


def _read(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("dynamodb")
    answer = found(lambda: client.describe_table(TableName=identifier), _MISSING)
    if answer is None:
        return None
    table = answer["Table"]
    keys = {entry["KeyType"]: entry["AttributeName"] for entry in table["KeySchema"]}
    backups = client.describe_continuous_backups(TableName=identifier)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]
    encryption = table.get("SSEDescription") or {}
    return {
        "arn": table["TableArn"],
        "name": table["TableName"],
        "attributes": [
            {"name": entry["AttributeName"], "type": entry["AttributeType"]} for entry in table["AttributeDefinitions"]
        ],
        "billingMode": (table.get("BillingModeSummary") or {}).get("BillingMode", "PROVISIONED"),
        "deletionProtectionEnabled": table.get("DeletionProtectionEnabled", False),
        "hashKey": keys["HASH"],
        "rangeKey": keys.get("RANGE"),
        "globalSecondaryIndexes": [
            {
                "name": entry["IndexName"],
                "keySchemas": camel(entry["KeySchema"]),
                "projectionType": entry["Projection"]["ProjectionType"],
                "nonKeyAttributes": entry["Projection"].get("NonKeyAttributes") or [],
            }
            for entry in table.get("GlobalSecondaryIndexes") or []
        ],
        "pointInTimeRecovery": given(
            enabled=recovery["PointInTimeRecoveryStatus"] == "ENABLED",
            # moto does not give it back.
            recoveryPeriodInDays=(prior.get("pointInTimeRecovery") or {}).get("recoveryPeriodInDays"),
        ),
        "serverSideEncryption": {
            "enabled": encryption.get("Status") == "ENABLED",
            **given(kmsKeyArn=encryption.get("KMSMasterKeyArn")),
        },
        "readCapacity": 0,
        "writeCapacity": 0,
        "streamArn": table.get("LatestStreamArn") or "",
        "streamLabel": table.get("LatestStreamLabel") or "",
        "streamViewType": "",
        "ttl": {"enabled": False},
        "tagsAll": tag_map(client.list_tags_of_resource(ResourceArn=table["TableArn"]).get("Tags")),
    }


def _update(operation: Operation, change: Change) -> None:
    client, inputs = operation.client("dynamodb"), change.inputs
    members: dict[str, Any] = {}
    if change.any("deletionProtectionEnabled"):
        members["DeletionProtectionEnabled"] = inputs["deletionProtectionEnabled"]
    if change.any("serverSideEncryption"):
        members["SSESpecification"] = _encryption(inputs.get("serverSideEncryption"))
    if members:
        client.update_table(TableName=change.id, **members)
    if change.any("globalSecondaryIndexes"):
        before = {entry["name"]: entry for entry in change.old_inputs.get("globalSecondaryIndexes") or []}
        after = {entry["name"]: entry for entry in inputs.get("globalSecondaryIndexes") or []}
        # One a call, as DynamoDB demands; an index whose form changes is made anew.
        for name in sorted(name for name in before if before[name] != after.get(name)):
            client.update_table(TableName=change.id, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": name}}])
        for name in sorted(name for name in after if before.get(name) != after[name]):
            client.update_table(
                TableName=change.id,
                AttributeDefinitions=_attributes(inputs),
                GlobalSecondaryIndexUpdates=[{"Create": _index(after[name])}],
            )
    if change.any("pointInTimeRecovery"):
        _recover(operation, change.id, inputs)


def _delete(operation: Operation, identifier: str, state: State) -> None:
    """Deletion protection is not lifted by the provider: AWS refuses, and the error says why."""
    absent(lambda: operation.client("dynamodb").delete_table(TableName=identifier), _MISSING)


def _add_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("dynamodb").tag_resource(ResourceArn=state["arn"], Tags=tag_list(tags))


def _remove_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("dynamodb").untag_resource(ResourceArn=state["arn"], TagKeys=keys)


TYPES = (
    ResourceType(
        token="aws:dynamodb/table:Table",
        source="table.go",
        handles=names(
            "attributes billingMode deletionProtectionEnabled globalSecondaryIndexes hashKey pointInTimeRecovery "
            "rangeKey serverSideEncryption"
        ),
        naming=AutoName(maximum=255),
        defaults={"billingMode": "PROVISIONED", "deletionProtectionEnabled": False},
        comparison=Comparison(unordered=names("attributes globalSecondaryIndexes")),
        replaces=names("name hashKey rangeKey"),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        tagging=Tagging(_add_tags, _remove_tags),
        check=_check,
    ),
)
