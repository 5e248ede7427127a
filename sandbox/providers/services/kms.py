"""KMS: keys and their aliases. Sources: terraform-provider-aws ``internal/service/kms/{key,alias}.go``."""

from __future__ import annotations

from typing import Any

from sandbox.documents import iam_policy
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
    found,
    names,
    pick,
    tag_list,
    tag_map,
)
from sandbox.providers.values import between, matching, one_of


def _add_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("kms").tag_resource(KeyId=identifier, Tags=tag_list(tags, "TagKey", "TagValue"))


def _remove_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("kms").untag_resource(KeyId=identifier, TagKeys=keys)


def _create_key(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("kms")
    made = client.create_key(
        **pick(
            inputs,
            "description",
            "keyUsage",
            "policy",
            "multiRegion",
            "customKeyStoreId",
            "xksKeyId",
            "bypassPolicyLockoutSafetyCheck",
            customerMasterKeySpec="KeySpec",
        ),
        Tags=tag_list(inputs.get("tagsAll"), "TagKey", "TagValue"),
    )
    identifier = made["KeyMetadata"]["KeyId"]
    operation.created(identifier)
    _set_rotation(operation, identifier, inputs)
    if inputs.get("isEnabled") is False:
        client.disable_key(KeyId=identifier)
    return identifier


def _set_rotation(operation: Operation, identifier: str, inputs: Inputs) -> None:
    client = operation.client("kms")
    if inputs.get("enableKeyRotation"):
        client.enable_key_rotation(KeyId=identifier, **pick(inputs, "rotationPeriodInDays"))
    else:
        client.disable_key_rotation(KeyId=identifier)


def _read_key(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("kms")
    answer = found(lambda: client.describe_key(KeyId=identifier), "NotFoundException")
    if answer is None or answer["KeyMetadata"]["KeyState"] == "PendingDeletion":
        return None
    key = answer["KeyMetadata"]
    rotation = client.get_key_rotation_status(KeyId=identifier)
    state: State = {
        "arn": key["Arn"],
        "keyId": key["KeyId"],
        "description": key.get("Description", ""),
        "keyUsage": key["KeyUsage"],
        "customerMasterKeySpec": key.get("KeySpec") or key.get("CustomerMasterKeySpec"),
        "isEnabled": key["Enabled"],
        "multiRegion": key.get("MultiRegion", False),
        "policy": client.get_key_policy(KeyId=identifier, PolicyName="default")["Policy"],
        "enableKeyRotation": rotation["KeyRotationEnabled"],
        "tagsAll": tag_map(client.list_resource_tags(KeyId=identifier).get("Tags"), "TagKey", "TagValue"),
    }
    # moto takes the period and does not give it back.
    if rotation.get("RotationPeriodInDays"):
        state["rotationPeriodInDays"] = rotation["RotationPeriodInDays"]
    return state


def _update_key(operation: Operation, change: Change) -> None:
    client = operation.client("kms")
    inputs = change.inputs
    # A disabled key takes no other change, so it is enabled first and disabled last.
    if change.any("isEnabled") and inputs.get("isEnabled", True):
        client.enable_key(KeyId=change.id)
    if change.any("enableKeyRotation", "rotationPeriodInDays"):
        _set_rotation(operation, change.id, inputs)
    if change.any("description"):
        client.update_key_description(KeyId=change.id, Description=inputs.get("description", ""))
    if change.any("policy"):
        client.put_key_policy(
            KeyId=change.id,
            PolicyName="default",
            **pick(inputs, "policy", "bypassPolicyLockoutSafetyCheck"),
        )
    if change.any("isEnabled") and inputs.get("isEnabled") is False:
        client.disable_key(KeyId=change.id)


def _delete_key(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("kms")
    answer = found(lambda: client.describe_key(KeyId=identifier), "NotFoundException")
    if answer is not None and answer["KeyMetadata"]["KeyState"] != "PendingDeletion":
        window: dict[str, Any] = pick(state, deletionWindowInDays="PendingWindowInDays")
        client.schedule_key_deletion(KeyId=identifier, **window)


def _find_alias(operation: Operation, name: str) -> dict[str, Any] | None:
    for page in operation.client("kms").get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            if alias["AliasName"] == name:
                return alias
    return None


def _create_alias(operation: Operation, inputs: Inputs) -> str:
    operation.client("kms").create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
    return inputs["name"]


def _read_alias(operation: Operation, identifier: str, prior: State) -> State | None:
    alias = _find_alias(operation, identifier)
    if alias is None:
        return None
    target = alias["TargetKeyId"]
    arn = operation.arn("kms", f"key/{target}")
    return {
        "name": identifier,
        "arn": alias["AliasArn"],
        # The key may be given by id or ARN.
        "targetKeyId": prior["targetKeyId"] if prior.get("targetKeyId") in {target, arn} else target,
        "targetKeyArn": arn,
        "namePrefix": prior.get("namePrefix", ""),
    }


def _update_alias(operation: Operation, change: Change) -> None:
    operation.client("kms").update_alias(AliasName=change.id, TargetKeyId=change.inputs["targetKeyId"])


def _delete_alias(operation: Operation, identifier: str, state: State) -> None:
    absent(lambda: operation.client("kms").delete_alias(AliasName=identifier), "NotFoundException")


TYPES = (
    ResourceType(
        token="aws:kms/key:Key",
        source="key.go",
        values={
            "deletionWindowInDays": between(7, 30),
            "keyUsage": one_of("ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT", "SIGN_VERIFY"),
            "rotationPeriodInDays": between(90, 2560),
        },
        handles=names("description keyUsage customerMasterKeySpec policy isEnabled enableKeyRotation multiRegion")
        | names("rotationPeriodInDays deletionWindowInDays bypassPolicyLockoutSafetyCheck customKeyStoreId xksKeyId"),
        defaults={
            "bypassPolicyLockoutSafetyCheck": False,
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "enableKeyRotation": False,
            "isEnabled": True,
            "keyUsage": "ENCRYPT_DECRYPT",
        },
        comparison=Comparison(policies=names("policy")),
        documents={"policy": iam_policy.key_policy},
        replaces=names("customKeyStoreId customerMasterKeySpec keyUsage multiRegion xksKeyId"),
        not_read={
            "deletionWindowInDays": "a setting of the provider: it counts when the key is deleted",
            "bypassPolicyLockoutSafetyCheck": "an argument of calls, not an attribute",
        },
        create=_create_key,
        read=_read_key,
        update=_update_key,
        delete=_delete_key,
        tagging=Tagging(_add_tags, _remove_tags),
    ),
    ResourceType(
        token="aws:kms/alias:Alias",
        source="alias.go",
        at_most_one=(names("name namePrefix"),),
        values={"name": matching(r"alias/(?!aws/)[\w/-]+", "an alias begins with alias/, and alias/aws/ is AWS's own")},
        handles=names("targetKeyId"),
        naming=AutoName(maximum=256, prefix="alias/"),
        replaces=names("name namePrefix"),
        create=_create_alias,
        read=_read_alias,
        update=_update_alias,
        delete=_delete_alias,
    ),
)
