"""Step Functions: state machines and their aliases.

Sources: terraform-provider-aws ``internal/service/sfn/{state_machine,alias}.go``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.documents.state_machine_definition import state_machine_definition
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
    given,
    names,
    tag_list,
    tag_map,
)
from sandbox.providers.values import one_of

_MISSING = ("StateMachineDoesNotExist", "ResourceNotFound")


def _check(inputs: Inputs) -> Iterable[tuple[str, str]]:
    logging = inputs.get("loggingConfiguration") or {}
    destination = logging.get("logDestination")
    if logging.get("level", "OFF") != "OFF" and not destination:
        yield "loggingConfiguration", "loggingConfiguration.logDestination must be given for a level other than OFF"
    if isinstance(destination, str) and not destination.endswith(":*"):
        yield "loggingConfiguration", f"loggingConfiguration.logDestination is {destination}; it must end in ':*'"


def _settings(inputs: Inputs) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    logging = inputs.get("loggingConfiguration")
    if logging:
        destination = logging.get("logDestination")
        destinations = [{"cloudWatchLogsLogGroup": {"logGroupArn": destination}}] if destination else None
        settings["loggingConfiguration"] = given(
            level=logging.get("level"),
            includeExecutionData=logging.get("includeExecutionData"),
            destinations=destinations,
        )
    if inputs.get("tracingConfiguration"):
        settings["tracingConfiguration"] = dict(inputs["tracingConfiguration"])
    if inputs.get("encryptionConfiguration"):
        settings["encryptionConfiguration"] = dict(inputs["encryptionConfiguration"])
    return settings


def _create(operation: Operation, inputs: Inputs) -> str:
    made = operation.client("stepfunctions").create_state_machine(
        name=inputs["name"],
        definition=inputs["definition"],
        roleArn=inputs["roleArn"],
        type=inputs.get("type", "STANDARD"),
        **_settings(inputs),
        **given(publish=inputs.get("publish") or None),
        tags=tag_list(inputs.get("tagsAll"), "key", "value"),
    )
    return made["stateMachineArn"]


def _read(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("stepfunctions")
    machine = found(lambda: client.describe_state_machine(stateMachineArn=identifier), *_MISSING)
    if machine is None or machine.get("status") == "DELETING":
        return None
    tags = client.list_tags_for_resource(resourceArn=identifier)
    newest_first = client.list_state_machine_versions(stateMachineArn=identifier)["stateMachineVersions"]
    logging = machine.get("loggingConfiguration") or {}
    destinations = logging.get("destinations") or [{}]
    state: State = {
        "arn": identifier,
        "name": machine["name"],
        "namePrefix": prior.get("namePrefix", ""),
        "definition": machine["definition"],
        "roleArn": machine["roleArn"],
        "type": machine["type"],
        "status": machine.get("status", "ACTIVE"),
        "creationDate": machine["creationDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "description": machine.get("description") or "",
        "versionDescription": "",
        "stateMachineVersionArn": newest_first[0]["stateMachineVersionArn"] if newest_first else "",
        "revisionId": machine.get("revisionId") or "",
        "tracingConfiguration": machine.get("tracingConfiguration") or {"enabled": False},
        "loggingConfiguration": given(
            level=logging.get("level", "OFF"),
            includeExecutionData=logging.get("includeExecutionData", False),
            logDestination=destinations[0].get("cloudWatchLogsLogGroup", {}).get("logGroupArn"),
        ),
        "tagsAll": tag_map(tags.get("tags"), "key", "value"),
    }
    encryption = machine.get("encryptionConfiguration") or {}
    state["encryptionConfiguration"] = given(
        type=encryption.get("type", "AWS_OWNED_KEY"),
        kmsKeyId=encryption.get("kmsKeyId"),
        kmsDataKeyReusePeriodSeconds=encryption.get("kmsDataKeyReusePeriodSeconds"),
    )
    return state


_SETTINGS = names("loggingConfiguration tracingConfiguration encryptionConfiguration")


def _update(operation: Operation, change: Change) -> None:
    inputs = change.inputs
    operation.client("stepfunctions").update_state_machine(
        stateMachineArn=change.id,
        definition=inputs["definition"],
        roleArn=inputs["roleArn"],
        **_settings({name: value for name, value in inputs.items() if name in change.changed & _SETTINGS}),
        **given(publish=inputs.get("publish") or None),
    )


def _delete(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("stepfunctions")
    absent(lambda: client.delete_state_machine(stateMachineArn=identifier), *_MISSING)
    operation.wait(
        lambda: _read(operation, identifier, {}) is None,
        what=f"state machine {identifier} to be deleted",
        seconds=300,
    )


def _add_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("stepfunctions").tag_resource(resourceArn=identifier, tags=tag_list(tags, "key", "value"))


def _remove_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("stepfunctions").untag_resource(resourceArn=identifier, tagKeys=keys)


# -- aliases -----------------------------------------------------------------------------------------------------------


def _routes(inputs: Inputs) -> list[dict[str, Any]]:
    return [
        {"stateMachineVersionArn": route["stateMachineVersionArn"], "weight": route["weight"]}
        for route in inputs["routingConfigurations"]
    ]


def _check_alias(inputs: Inputs) -> Iterable[tuple[str, str]]:
    routes = inputs.get("routingConfigurations") or []
    if len(routes) > 2:
        yield "routingConfigurations", f"routingConfigurations has {len(routes)} entries; an alias routes to 1 or 2"


def _create_alias(operation: Operation, inputs: Inputs) -> str:
    made = operation.client("stepfunctions").create_state_machine_alias(
        name=inputs["name"], routingConfiguration=_routes(inputs), **given(description=inputs.get("description"))
    )
    return made["stateMachineAliasArn"]


def _read_alias(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("stepfunctions")
    alias = found(lambda: client.describe_state_machine_alias(stateMachineAliasArn=identifier), *_MISSING)
    if alias is None:
        return None
    return {
        "arn": identifier,
        "name": alias["name"],
        "description": alias.get("description") or "",
        "creationDate": alias["creationDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "routingConfigurations": [dict(route) for route in alias["routingConfiguration"]],
    }


def _update_alias(operation: Operation, change: Change) -> None:
    operation.client("stepfunctions").update_state_machine_alias(
        stateMachineAliasArn=change.id,
        description=change.inputs.get("description", ""),
        routingConfiguration=_routes(change.inputs),
    )


def _delete_alias(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("stepfunctions")
    absent(lambda: client.delete_state_machine_alias(stateMachineAliasArn=identifier), *_MISSING)


TYPES = (
    ResourceType(
        token="aws:sfn/alias:Alias",
        source="alias.go",
        handles=names("name description routingConfigurations"),
        replaces=names("name"),
        create=_create_alias,
        read=_read_alias,
        update=_update_alias,
        delete=_delete_alias,
        check=_check_alias,
    ),
    ResourceType(
        token="aws:sfn/stateMachine:StateMachine",
        source="state_machine.go",
        at_most_one=(names("name namePrefix"),),
        values={
            "type": one_of("EXPRESS", "STANDARD"),
            "loggingConfiguration.level": one_of("ALL", "ERROR", "FATAL", "OFF"),
        },
        handles=names("definition roleArn type publish") | _SETTINGS,
        naming=AutoName(maximum=80),
        defaults={"publish": False, "type": "STANDARD"},
        comparison=Comparison(json=names("definition")),
        documents={"definition": state_machine_definition},
        replaces=names("name namePrefix type"),
        not_read={"publish": "an argument of calls, not an attribute"},
        # A version is published with every change: stateMachineUpdateComputedAttributesOnPublish.
        recomputed={
            "revisionId": names("definition roleArn") | _SETTINGS,
            "stateMachineVersionArn": names("definition roleArn publish") | _SETTINGS,
        },
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        tagging=Tagging(_add_tags, _remove_tags),
        check=_check,
    ),
)
