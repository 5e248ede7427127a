"""Secrets Manager. Sources: terraform-provider-aws ``internal/service/secretsmanager/{secret,secret_version}.go``."""

from __future__ import annotations

import base64
import functools

from sandbox.documents import iam_policy
from sandbox.providers.comparison import Comparison
from sandbox.providers.naming import AutoName
from sandbox.providers.table import (
    Change,
    Function,
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
from sandbox.providers.values import one_of

_MISSING = "ResourceNotFoundException"


def _add_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("secretsmanager").tag_resource(SecretId=identifier, Tags=tag_list(tags))


def _remove_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("secretsmanager").untag_resource(SecretId=identifier, TagKeys=keys)


def _create_secret(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("secretsmanager")
    made = client.create_secret(
        Name=inputs["name"],
        **pick(inputs, "description", "kmsKeyId", "forceOverwriteReplicaSecret"),
        Tags=tag_list(inputs.get("tagsAll")),
    )
    operation.created(made["ARN"])
    if inputs.get("policy"):
        client.put_resource_policy(SecretId=made["ARN"], ResourcePolicy=inputs["policy"])
    return made["ARN"]


def _read_secret(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("secretsmanager")
    secret = found(lambda: client.describe_secret(SecretId=identifier), _MISSING)
    if secret is None or secret.get("DeletedDate"):
        return None
    state: State = {
        "arn": secret["ARN"],
        "name": secret["Name"],
        "namePrefix": prior.get("namePrefix", ""),
        "description": secret.get("Description") or None,
        "kmsKeyId": secret.get("KmsKeyId"),
        "tagsAll": tag_map(secret.get("Tags")),
    }
    # A policy that was not given here belongs to a SecretPolicy.
    if prior.get("policy"):
        state["policy"] = client.get_resource_policy(SecretId=identifier).get("ResourcePolicy")
    return state


def _update_secret(operation: Operation, change: Change) -> None:
    client = operation.client("secretsmanager")
    if change.any("description", "kmsKeyId"):
        members = pick(change.inputs, "kmsKeyId")
        client.update_secret(SecretId=change.id, Description=change.inputs.get("description", ""), **members)
    if change.any("policy"):
        if change.inputs.get("policy"):
            client.put_resource_policy(SecretId=change.id, ResourcePolicy=change.inputs["policy"])
        else:
            client.delete_resource_policy(SecretId=change.id)


def _delete_secret(operation: Operation, identifier: str, state: State) -> None:
    days = state.get("recoveryWindowInDays", 30)
    window = {"ForceDeleteWithoutRecovery": True} if days == 0 else {"RecoveryWindowInDays": days}
    absent(lambda: operation.client("secretsmanager").delete_secret(SecretId=identifier, **window), _MISSING)


def _put_version(operation: Operation, inputs: Inputs) -> str:
    contents = pick(inputs, "secretString", "versionStages")
    if inputs.get("secretBinary"):
        contents["SecretBinary"] = base64.b64decode(inputs["secretBinary"], validate=True)
    made = operation.client("secretsmanager").put_secret_value(SecretId=inputs["secretId"], **contents)
    return f"{inputs['secretId']}|{made['VersionId']}"


def _read_version(operation: Operation, identifier: str, prior: State) -> State | None:
    secret, version = identifier.rsplit("|", 1)
    client = operation.client("secretsmanager")
    # Of a secret that waits for its deletion AWS says InvalidRequestException.
    answer = found(
        lambda: client.get_secret_value(SecretId=secret, VersionId=version), _MISSING, "InvalidRequestException"
    )
    if answer is None:
        return None
    state: State = {
        "arn": answer["ARN"],
        "secretArn": answer["ARN"],
        "secretId": secret,
        "versionId": answer["VersionId"],
        "versionStages": answer.get("VersionStages") or [],
        "hasSecretStringWo": False,
    }
    if "SecretBinary" in answer:
        state["secretBinary"] = base64.b64encode(answer["SecretBinary"]).decode()
    else:
        state["secretString"] = answer.get("SecretString")
    return state


def _update_version(operation: Operation, change: Change) -> None:
    secret, version = change.id.rsplit("|", 1)
    client = operation.client("secretsmanager")
    before, after = set(change.old.get("versionStages") or []), set(change.inputs.get("versionStages") or [])
    for stage in sorted(after - before):
        client.update_secret_version_stage(SecretId=secret, VersionStage=stage, MoveToVersionId=version)
    for stage in sorted(before - after - {"AWSCURRENT"}):
        client.update_secret_version_stage(SecretId=secret, VersionStage=stage, RemoveFromVersionId=version)


def _delete_version(operation: Operation, identifier: str, state: State) -> None:
    """A version cannot be deleted: its labels go, but AWSCURRENT, which AWS moves itself."""
    secret, version = identifier.rsplit("|", 1)
    client = operation.client("secretsmanager")

    def remove(stage: str) -> None:
        client.update_secret_version_stage(SecretId=secret, VersionStage=stage, RemoveFromVersionId=version)

    missing = (_MISSING, "InvalidRequestException", "InvalidParameterException")
    for stage in sorted({*state.get("versionStages", [])} - {"AWSCURRENT", "AWSPREVIOUS"}):
        absent(functools.partial(remove, stage), *missing)


def _secret_version(operation: Operation, arguments: Inputs) -> State:
    """Source: ``secret_version_data_source.go``."""
    secret = arguments["secretId"]
    wanted = pick(arguments, "versionId", "versionStage") or {"VersionStage": "AWSCURRENT"}
    answer = operation.client("secretsmanager").get_secret_value(SecretId=secret, **wanted)
    state: State = {
        "id": f"{secret}|{answer['VersionId']}",
        "secretId": secret,
        "arn": answer["ARN"],
        "versionId": answer["VersionId"],
        "versionStages": answer.get("VersionStages") or [],
        "createdDate": answer["CreatedDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "secretString": answer.get("SecretString") or "",
        "secretBinary": base64.b64encode(answer.get("SecretBinary") or b"").decode(),
    }
    return {**state, **pick(arguments, versionStage="versionStage")}


FUNCTIONS = (
    Function(
        token="aws:secretsmanager/getSecretVersion:getSecretVersion",
        arguments=names("region secretId versionId versionStage"),
        call=_secret_version,
    ),
)

TYPES = (
    ResourceType(
        token="aws:secretsmanager/secret:Secret",
        source="secret.go",
        at_most_one=(names("name namePrefix"),),
        values={"recoveryWindowInDays": one_of(0, *range(7, 31))},
        handles=names("description kmsKeyId policy recoveryWindowInDays forceOverwriteReplicaSecret"),
        naming=AutoName(maximum=512),
        defaults={"recoveryWindowInDays": 30, "forceOverwriteReplicaSecret": False},
        comparison=Comparison(policies=names("policy")),
        documents={"policy": iam_policy.secret_policy},
        replaces=names("name namePrefix"),
        not_read={
            "recoveryWindowInDays": "a setting of the provider: it counts when the secret is deleted",
            "forceOverwriteReplicaSecret": "an argument of the call, not an attribute",
        },
        create=_create_secret,
        read=_read_secret,
        update=_update_secret,
        delete=_delete_secret,
        tagging=Tagging(_add_tags, _remove_tags),
    ),
    ResourceType(
        token="aws:secretsmanager/secretVersion:SecretVersion",
        source="secret_version.go",
        at_most_one=(names("secretBinary secretString"),),
        handles=names("secretId secretString secretBinary versionStages"),
        comparison=Comparison(unordered=names("versionStages")),
        replaces=names("secretId secretString secretBinary"),
        secrets=names("secretString secretBinary"),
        create=_put_version,
        read=_read_version,
        update=_update_version,
        delete=_delete_version,
    ),
)
