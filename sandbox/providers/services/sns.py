"""SNS: topics, their policies, subscriptions.

Sources: terraform-provider-aws ``internal/service/sns/{topic,topic_policy,topic_subscription}.go``.
"""

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
    names,
    pick,
    tag_list,
    tag_map,
)

_MISSING = ("NotFound", "NotFoundException", "ResourceNotFound")

_TOPIC_ATTRIBUTES = {
    "archivePolicy": "ArchivePolicy",
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deliveryPolicy": "DeliveryPolicy",
    "displayName": "DisplayName",
    "fifoTopic": "FifoTopic",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "policy": "Policy",
    "signatureVersion": "SignatureVersion",
    "tracingConfig": "TracingConfig",
}


def _wire(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool | int) else str(value)


def _add_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("sns").tag_resource(ResourceArn=identifier, Tags=tag_list(tags))


def _remove_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("sns").untag_resource(ResourceArn=identifier, TagKeys=keys)


def _create_topic(operation: Operation, inputs: Inputs) -> str:
    attributes = {member: _wire(inputs[name]) for name, member in _TOPIC_ATTRIBUTES.items() if name in inputs}
    if not inputs.get("fifoTopic"):
        # Standard topics know none of these, not even as false.
        for member in ("FifoTopic", "ContentBasedDeduplication"):
            attributes.pop(member, None)
    made = operation.client("sns").create_topic(
        Name=inputs["name"], Attributes=attributes, Tags=tag_list(inputs.get("tagsAll"))
    )
    return made["TopicArn"]


def _read_topic(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("sns")
    answer = found(lambda: client.get_topic_attributes(TopicArn=identifier), *_MISSING)
    if answer is None:
        return None
    attributes = answer["Attributes"]
    state: State = {
        "arn": identifier,
        "name": identifier.rsplit(":", 1)[1],
        "namePrefix": prior.get("namePrefix", ""),
        "owner": attributes.get("Owner", operation.account),
        "fifoTopic": attributes.get("FifoTopic") == "true",
        "contentBasedDeduplication": attributes.get("ContentBasedDeduplication") == "true",
        "beginningArchiveTime": "",
        "displayName": attributes.get("DisplayName") or None,
        "kmsMasterKeyId": attributes.get("KmsMasterKeyId") or None,
        "tagsAll": tag_map(client.list_tags_for_resource(ResourceArn=identifier).get("Tags")),
    }
    # moto does not give these back; what it does not give stays as given.
    if attributes.get("SignatureVersion"):
        state["signatureVersion"] = int(attributes["SignatureVersion"])
    for name in ("tracingConfig", "deliveryPolicy", "archivePolicy"):
        if attributes.get(_TOPIC_ATTRIBUTES[name]):
            state[name] = attributes[_TOPIC_ATTRIBUTES[name]]
    # A policy that was not given here belongs to a TopicPolicy.
    if prior.get("policy"):
        state["policy"] = attributes.get("Policy")
    return state


def _update_topic(operation: Operation, change: Change) -> None:
    for name, member in _TOPIC_ATTRIBUTES.items():
        if name in change.changed:
            operation.client("sns").set_topic_attributes(
                TopicArn=change.id, AttributeName=member, AttributeValue=_wire(change.inputs.get(name, ""))
            )


def _delete_topic(operation: Operation, identifier: str, state: State) -> None:
    absent(lambda: operation.client("sns").delete_topic(TopicArn=identifier), *_MISSING)


def _put_policy(operation: Operation, inputs: Inputs) -> str:
    operation.client("sns").set_topic_attributes(
        TopicArn=inputs["arn"], AttributeName="Policy", AttributeValue=inputs["policy"]
    )
    return inputs["arn"]


def _default_policy(operation: Operation, arn: str) -> str:
    """The policy that AWS gives a new topic (topic_policy.go, defaultTopicPolicy)."""
    actions = "GetTopicAttributes SetTopicAttributes AddPermission RemovePermission DeleteTopic Subscribe"
    actions += " ListSubscriptionsByTopic Publish"
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in actions.split()],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": operation.account}},
    }
    return json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})


def _read_policy(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("sns")
    answer = found(lambda: client.get_topic_attributes(TopicArn=identifier), *_MISSING)
    policy = answer["Attributes"].get("Policy") if answer else None
    if answer is None or not policy:
        return None
    return {"arn": identifier, "policy": policy, "owner": answer["Attributes"].get("Owner", operation.account)}


def _update_policy(operation: Operation, change: Change) -> None:
    _put_policy(operation, change.inputs)


def _delete_policy(operation: Operation, identifier: str, state: State) -> None:
    default = _default_policy(operation, identifier)
    absent(
        lambda: operation.client("sns").set_topic_attributes(
            TopicArn=identifier, AttributeName="Policy", AttributeValue=default
        ),
        *_MISSING,
    )


_SUBSCRIPTION_ATTRIBUTES = {
    "deliveryPolicy": "DeliveryPolicy",
    "filterPolicy": "FilterPolicy",
    "filterPolicyScope": "FilterPolicyScope",
    "rawMessageDelivery": "RawMessageDelivery",
    "redrivePolicy": "RedrivePolicy",
    "replayPolicy": "ReplayPolicy",
    "subscriptionRoleArn": "SubscriptionRoleArn",
}
_PROTOCOLS = names("application email email-json firehose http https lambda sms sqs")


def _check_subscription(inputs: Inputs) -> Iterable[tuple[str, str]]:
    protocol = inputs.get("protocol")
    if protocol is not None and protocol not in _PROTOCOLS:
        yield "protocol", f"is {protocol!r}, which is not one of {', '.join(sorted(_PROTOCOLS))}"


def _subscribe(operation: Operation, inputs: Inputs) -> str:
    attributes = {
        member: _wire(inputs[name])
        for name, member in _SUBSCRIPTION_ATTRIBUTES.items()
        if name in inputs and inputs[name] is not False
    }
    made = operation.client("sns").subscribe(
        **pick(inputs, "protocol", "endpoint", topic="TopicArn"),
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )
    return made["SubscriptionArn"]


def _read_subscription(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("sns")
    answer = found(lambda: client.get_subscription_attributes(SubscriptionArn=identifier), *_MISSING)
    if answer is None:
        return None
    attributes = answer["Attributes"]
    state: State = {
        "arn": identifier,
        "topic": attributes["TopicArn"],
        "protocol": attributes["Protocol"],
        "endpoint": attributes["Endpoint"],
        "ownerId": attributes.get("Owner", operation.account),
        "pendingConfirmation": attributes.get("PendingConfirmation") == "true",
        "confirmationWasAuthenticated": attributes.get("ConfirmationWasAuthenticated") == "true",
        "rawMessageDelivery": attributes.get("RawMessageDelivery") == "true",
        "filterPolicyScope": attributes.get("FilterPolicyScope") or prior.get("filterPolicyScope", ""),
    }
    for name in ("filterPolicy", "redrivePolicy", "deliveryPolicy", "replayPolicy", "subscriptionRoleArn"):
        state[name] = attributes.get(_SUBSCRIPTION_ATTRIBUTES[name]) or None
    return state


def _update_subscription(operation: Operation, change: Change) -> None:
    for name, member in _SUBSCRIPTION_ATTRIBUTES.items():
        if name in change.changed:
            operation.client("sns").set_subscription_attributes(
                SubscriptionArn=change.id, AttributeName=member, AttributeValue=_wire(change.inputs.get(name, ""))
            )


def _unsubscribe(operation: Operation, identifier: str, state: State) -> None:
    absent(lambda: operation.client("sns").unsubscribe(SubscriptionArn=identifier), *_MISSING)


TYPES = (
    ResourceType(
        token="aws:sns/topic:Topic",
        source="topic.go",
        handles=frozenset(_TOPIC_ATTRIBUTES),
        naming=AutoName(maximum=256, suffix_when=("fifoTopic", ".fifo")),
        defaults={"contentBasedDeduplication": False, "fifoTopic": False},
        comparison=Comparison(policies=names("policy"), json=names("deliveryPolicy archivePolicy")),
        documents={"policy": iam_policy.topic_policy},
        replaces=names("name namePrefix fifoTopic"),
        create=_create_topic,
        read=_read_topic,
        update=_update_topic,
        delete=_delete_topic,
        tagging=Tagging(_add_tags, _remove_tags),
    ),
    ResourceType(
        token="aws:sns/topicPolicy:TopicPolicy",
        source="topic_policy.go",
        handles=names("arn policy"),
        comparison=Comparison(policies=names("policy")),
        documents={"policy": iam_policy.topic_policy},
        replaces=names("arn"),
        create=_put_policy,
        read=_read_policy,
        update=_update_policy,
        delete=_delete_policy,
    ),
    ResourceType(
        token="aws:sns/topicSubscription:TopicSubscription",
        source="topic_subscription.go",
        handles=names("endpoint protocol topic confirmationTimeoutInMinutes endpointAutoConfirms")
        | frozenset(_SUBSCRIPTION_ATTRIBUTES),
        defaults={"confirmationTimeoutInMinutes": 1, "endpointAutoConfirms": False, "rawMessageDelivery": False},
        comparison=Comparison(json=names("filterPolicy redrivePolicy deliveryPolicy replayPolicy")),
        replaces=names("endpoint protocol topic"),
        not_read={
            "confirmationTimeoutInMinutes": "a setting of the provider, not of AWS",
            "endpointAutoConfirms": "a setting of the provider, not of AWS",
        },
        create=_subscribe,
        read=_read_subscription,
        update=_update_subscription,
        delete=_unsubscribe,
        check=_check_subscription,
    ),
)
