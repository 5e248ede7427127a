"""EventBridge: rules and targets. Sources: terraform-provider-aws ``internal/service/events/{rule,target}.go``."""

from __future__ import annotations

import secrets
from typing import Any

from sandbox.documents.event_pattern import event_pattern
from sandbox.providers.comparison import Comparison
from sandbox.providers.naming import AutoName
from sandbox.providers.table import (
    Change,
    Created,
    Inputs,
    Operation,
    ResourceType,
    State,
    Tagging,
    absent,
    camel,
    found,
    given,
    import_parts,
    names,
    pascal,
    pick,
    tag_list,
    tag_map,
)
from sandbox.providers.values import between, matching

_MISSING = "ResourceNotFoundException"
_DEFAULT_BUS = "default"


def _rule_identity(identifier: str) -> tuple[str, str]:
    bus, _, name = identifier.rpartition("/")
    return bus or _DEFAULT_BUS, name


def _rule_id(inputs: Inputs) -> str:
    bus = inputs.get("eventBusName", _DEFAULT_BUS)
    return inputs["name"] if bus == _DEFAULT_BUS else f"{bus}/{inputs['name']}"


def _put_rule(operation: Operation, inputs: Inputs, tags: bool) -> str:
    state = inputs.get("state") or ("DISABLED" if inputs.get("isEnabled") is False else "ENABLED")
    operation.client("events").put_rule(
        State=state,
        **pick(inputs, "name", "eventBusName", "eventPattern", "scheduleExpression", "description", "roleArn"),
        **({"Tags": tag_list(inputs["tagsAll"])} if tags and inputs.get("tagsAll") else {}),
    )
    return _rule_id(inputs)


def _create_rule(operation: Operation, inputs: Inputs) -> str:
    if not inputs.get("eventPattern") and not inputs.get("scheduleExpression"):
        raise ValueError("one of eventPattern and scheduleExpression must be given")
    return _put_rule(operation, inputs, tags=True)


def _read_rule(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("events")
    bus, name = _rule_identity(identifier)
    rule = found(lambda: client.describe_rule(Name=name, EventBusName=bus), _MISSING)
    if rule is None:
        return None
    return {
        "name": rule["Name"],
        "namePrefix": prior.get("namePrefix", ""),
        "arn": rule["Arn"],
        "eventBusName": rule.get("EventBusName", bus),
        "eventPattern": rule.get("EventPattern"),
        "scheduleExpression": rule.get("ScheduleExpression"),
        "description": rule.get("Description") or None,
        "roleArn": rule.get("RoleArn"),
        "state": rule["State"],
        "isEnabled": rule["State"] != "DISABLED",
        "tagsAll": tag_map(client.list_tags_for_resource(ResourceARN=rule["Arn"]).get("Tags")),
    }


def _update_rule(operation: Operation, change: Change) -> None:
    _put_rule(operation, {**change.inputs, "name": change.old["name"]}, tags=False)


def _delete_rule(operation: Operation, identifier: str, state: State) -> None:
    bus, name = _rule_identity(identifier)
    force = given(Force=state.get("forceDestroy") or None)
    absent(lambda: operation.client("events").delete_rule(Name=name, EventBusName=bus, **force), _MISSING)


def _add_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("events").tag_resource(ResourceARN=state["arn"], Tags=tag_list(tags))


def _remove_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("events").untag_resource(ResourceARN=state["arn"], TagKeys=keys)


_TARGET_MEMBERS = {
    "arn": "Arn",
    "roleArn": "RoleArn",
    "input": "Input",
    "inputPath": "InputPath",
    "deadLetterConfig": "DeadLetterConfig",
    "retryPolicy": "RetryPolicy",
    "sqsTarget": "SqsParameters",
}


def _put_target(operation: Operation, inputs: Inputs) -> None:
    target: dict[str, Any] = {"Id": inputs["targetId"]}
    for name, member in _TARGET_MEMBERS.items():
        if name in inputs:
            target[member] = pascal(inputs[name])
    if "inputTransformer" in inputs:
        transformer = inputs["inputTransformer"]
        target["InputTransformer"] = pick(transformer, "inputTemplate", inputPaths="InputPathsMap")
    answer = operation.client("events").put_targets(
        Rule=inputs["rule"], EventBusName=inputs.get("eventBusName", _DEFAULT_BUS), Targets=[target]
    )
    for failure in answer.get("FailedEntries") or []:
        raise ValueError(f"PutTargets: {failure.get('ErrorCode')}: {failure.get('ErrorMessage')}")


def _create_target(operation: Operation, inputs: Inputs) -> Created:
    target = inputs.get("targetId") or f"terraform-{secrets.token_hex(13)}"
    _put_target(operation, {**inputs, "targetId": target})
    bus = inputs.get("eventBusName", _DEFAULT_BUS)
    prefix = "" if bus == _DEFAULT_BUS else f"{bus}-"
    return Created(f"{prefix}{inputs['rule']}-{target}", {"targetId": target})


def _adopt_target(identifier: str) -> Created:
    """``rule/target-id``, or ``event-bus/rule/target-id`` for another bus than the default one."""
    if identifier.count("/") < 2:
        rule, target = import_parts(identifier, "rule-name/target-id")
        return Created(f"{rule}-{target}", {"rule": rule, "targetId": target})
    bus, rule, target = import_parts(identifier, "event-bus-name/rule-name/target-id")
    prefix = "" if bus == _DEFAULT_BUS else f"{bus}-"
    return Created(f"{prefix}{rule}-{target}", {"eventBusName": bus, "rule": rule, "targetId": target})


def _read_target(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("events")
    bus = prior.get("eventBusName", _DEFAULT_BUS)
    rule = prior["rule"]
    pages: list[Any] = []

    def listed() -> list[Any]:
        token: dict[str, str] = {}
        while True:
            page = client.list_targets_by_rule(Rule=rule, EventBusName=bus, **token)
            pages.extend(page["Targets"])
            if not page.get("NextToken"):
                return pages
            token = {"NextToken": page["NextToken"]}

    target = next((entry for entry in found(listed, _MISSING) or [] if entry["Id"] == prior["targetId"]), None)
    if target is None:
        return None
    state: State = {"rule": rule, "eventBusName": bus, "targetId": target["Id"]}
    for name, member in _TARGET_MEMBERS.items():
        state[name] = camel(target.get(member))
    if target.get("InputTransformer"):
        transformer = target["InputTransformer"]
        state["inputTransformer"] = {
            "inputTemplate": transformer["InputTemplate"],
            **given(inputPaths=transformer.get("InputPathsMap")),
        }
    return state


def _update_target(operation: Operation, change: Change) -> None:
    _put_target(operation, {**change.inputs, "targetId": change.old["targetId"]})


def _delete_target(operation: Operation, identifier: str, state: State) -> None:
    bus = state.get("eventBusName", _DEFAULT_BUS)
    answer = found(
        lambda: operation.client("events").remove_targets(
            Rule=state["rule"],
            EventBusName=bus,
            Ids=[state["targetId"]],
            **given(Force=state.get("forceDestroy") or None),
        ),
        _MISSING,
    )
    for failure in (answer or {}).get("FailedEntries") or []:
        if failure.get("ErrorCode") != _MISSING:
            raise ValueError(f"RemoveTargets: {failure.get('ErrorCode')}: {failure.get('ErrorMessage')}")


TYPES = (
    ResourceType(
        token="aws:cloudwatch/eventRule:EventRule",
        source="rule.go",
        at_most_one=(names("name namePrefix"), names("isEnabled state")),
        values={
            "name": matching(r"[\w.-]{1,64}", "a rule's name is 1 to 64 of letters, digits and . - _"),
            "scheduleExpression": matching(r"(cron|rate)\(.+\)", "it is cron(…) or rate(…)"),
        },
        handles=names("description eventBusName eventPattern forceDestroy isEnabled roleArn scheduleExpression state"),
        naming=AutoName(maximum=64),
        defaults={"eventBusName": "default", "forceDestroy": False},
        comparison=Comparison(json=names("eventPattern")),
        documents={"eventPattern": event_pattern},
        replaces=names("name namePrefix eventBusName"),
        not_read={"forceDestroy": "a setting of the provider, not of AWS"},
        create=_create_rule,
        read=_read_rule,
        update=_update_rule,
        delete=_delete_rule,
        tagging=Tagging(_add_tags, _remove_tags),
    ),
    ResourceType(
        token="aws:cloudwatch/eventTarget:EventTarget",
        source="target.go",
        at_most_one=(names("input inputPath inputTransformer"),),
        adopt=_adopt_target,
        values={
            "retryPolicy.maximumEventAgeInSeconds": between(60, 86_400),
            "retryPolicy.maximumRetryAttempts": between(0, 185),
        },
        handles=names("rule eventBusName targetId inputTransformer forceDestroy") | frozenset(_TARGET_MEMBERS),
        defaults={"eventBusName": "default", "forceDestroy": False},
        comparison=Comparison(json=names("input")),
        replaces=names("rule eventBusName targetId"),
        not_read={"forceDestroy": "a setting of the provider, not of AWS"},
        create=_create_target,
        read=_read_target,
        update=_update_target,
        delete=_delete_target,
    ),
)
