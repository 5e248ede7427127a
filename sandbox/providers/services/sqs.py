"""SQS: queues and their policies. Sources: terraform-provider-aws ``internal/service/sqs/{queue,queue_policy}.go``."""

from __future__ import annotations

import json
from collections.abc import Iterable
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
    given,
    names,
    own_tags,
)

_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")

_ATTRIBUTES = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deduplicationScope": "DeduplicationScope",
    "delaySeconds": "DelaySeconds",
    "fifoQueue": "FifoQueue",
    "fifoThroughputLimit": "FifoThroughputLimit",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "policy": "Policy",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "redriveAllowPolicy": "RedriveAllowPolicy",
    "redrivePolicy": "RedrivePolicy",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}
_RANGES = {
    "delaySeconds": (0, 900),
    "kmsDataKeyReusePeriodSeconds": (60, 86400),
    "maxMessageSize": (1024, 1048576),
    "messageRetentionSeconds": (60, 1209600),
    "receiveWaitTimeSeconds": (0, 20),
    "visibilityTimeoutSeconds": (0, 43200),
}
"""SQS API reference, SetQueueAttributes: the service model says "string" for all."""


def _check(inputs: Inputs) -> Iterable[tuple[str, str]]:
    for name, (least, most) in _RANGES.items():
        if name in inputs and not least <= inputs[name] <= most:
            yield name, f"is {inputs[name]}; SQS allows {least} to {most}"
    if inputs.get("kmsMasterKeyId") and inputs.get("sqsManagedSseEnabled"):
        yield "sqsManagedSseEnabled", "conflicts with kmsMasterKeyId: a queue is encrypted one way or the other"
    name = str(inputs.get("name", ""))
    if name and name.endswith(".fifo") != bool(inputs.get("fifoQueue")):
        yield "name", f"is {name}: the name of a FIFO queue, and of no other, ends in .fifo"


def _wire(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool | int) else str(value)


def _create_queue(operation: Operation, inputs: Inputs) -> str:
    attributes = {member: _wire(inputs[name]) for name, member in _ATTRIBUTES.items() if name in inputs}
    if not inputs.get("fifoQueue"):
        # Standard queues know none of these, not even as false.
        for member in ("FifoQueue", "ContentBasedDeduplication"):
            attributes.pop(member, None)
    if "KmsMasterKeyId" in attributes:
        attributes.pop("SqsManagedSseEnabled", None)
    made = operation.client("sqs").create_queue(
        QueueName=inputs["name"], Attributes=attributes, **given(tags=inputs.get("tagsAll") or None)
    )
    return made["QueueUrl"]


def _read_queue(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("sqs")
    answer = found(lambda: client.get_queue_attributes(QueueUrl=identifier, AttributeNames=["All"]), *_MISSING)
    if answer is None:
        return None
    attributes = answer["Attributes"]
    state: State = {
        "url": identifier,
        "arn": attributes["QueueArn"],
        "name": attributes["QueueArn"].rsplit(":", 1)[1],
        "namePrefix": prior.get("namePrefix", ""),
        "tagsAll": own_tags(client.list_queue_tags(QueueUrl=identifier).get("Tags")),
    }
    for name, member in _ATTRIBUTES.items():
        # A policy that was not given here belongs to a QueuePolicy.
        if member not in attributes or (name == "policy" and not prior.get("policy")):
            continue
        text = attributes[member]
        if name in _RANGES:
            state[name] = int(text)
        elif name in {"contentBasedDeduplication", "fifoQueue", "sqsManagedSseEnabled"}:
            state[name] = text == "true"
        else:
            state[name] = text
    state.setdefault("fifoQueue", False)
    state.setdefault("contentBasedDeduplication", False)
    state.setdefault("sqsManagedSseEnabled", "kmsMasterKeyId" not in state)
    for name in ("kmsMasterKeyId", "redrivePolicy"):
        state.setdefault(name, None)
    # moto takes RedriveAllowPolicy and does not give it back: it stays as given.
    return state


def _update_queue(operation: Operation, change: Change) -> None:
    attributes = {
        member: _wire(change.inputs.get(name, ""))
        for name, member in _ATTRIBUTES.items()
        if name in change.changed and name != "fifoQueue"
    }
    if attributes.get("KmsMasterKeyId"):
        attributes.pop("SqsManagedSseEnabled", None)
    client = operation.client("sqs")
    if "Policy" not in attributes:
        # moto forgets the policy when any other attribute is set.
        now = client.get_queue_attributes(QueueUrl=change.id, AttributeNames=["Policy"]).get("Attributes", {})
        attributes |= {name: text for name, text in now.items() if text}
    client.set_queue_attributes(QueueUrl=change.id, Attributes=attributes)


def _delete_queue(operation: Operation, identifier: str, state: State) -> None:
    absent(lambda: operation.client("sqs").delete_queue(QueueUrl=identifier), *_MISSING)


def _add_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("sqs").tag_queue(QueueUrl=identifier, Tags=tags)


def _remove_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("sqs").untag_queue(QueueUrl=identifier, TagKeys=keys)


def _put_policy(operation: Operation, inputs: Inputs) -> str:
    url = inputs["queueUrl"]
    operation.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": inputs["policy"]})
    return url


def _read_policy(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("sqs")
    answer = found(lambda: client.get_queue_attributes(QueueUrl=identifier, AttributeNames=["Policy"]), *_MISSING)
    policy = (answer or {}).get("Attributes", {}).get("Policy")
    return {"queueUrl": identifier, "policy": policy} if policy else None


def _update_policy(operation: Operation, change: Change) -> None:
    _put_policy(operation, change.inputs)


def _delete_policy(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("sqs")
    absent(lambda: client.set_queue_attributes(QueueUrl=identifier, Attributes={"Policy": ""}), *_MISSING)


TYPES = (
    ResourceType(
        token="aws:sqs/queue:Queue",
        source="queue.go",
        handles=frozenset(_ATTRIBUTES),
        naming=AutoName(maximum=80, suffix_when=("fifoQueue", ".fifo")),
        defaults={
            "contentBasedDeduplication": False,
            "delaySeconds": 0,
            "fifoQueue": False,
            "maxMessageSize": 262144,
            "messageRetentionSeconds": 345600,
            "receiveWaitTimeSeconds": 0,
            "visibilityTimeoutSeconds": 30,
        },
        comparison=Comparison(policies=names("policy"), json=names("redrivePolicy redriveAllowPolicy")),
        documents={"policy": iam_policy.queue_policy},
        replaces=names("name namePrefix fifoQueue"),
        create=_create_queue,
        read=_read_queue,
        update=_update_queue,
        delete=_delete_queue,
        tagging=Tagging(_add_tags, _remove_tags),
        check=_check,
    ),
    ResourceType(
        token="aws:sqs/queuePolicy:QueuePolicy",
        source="queue_policy.go",
        handles=names("queueUrl policy"),
        comparison=Comparison(policies=names("policy")),
        documents={"policy": iam_policy.queue_policy},
        replaces=names("queueUrl"),
        create=_put_policy,
        read=_read_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
)
