"""Rules of topics, queues and event buses: encrypted, and not for everybody."""

from __future__ import annotations

from typing import Final

from policies.iam_documents import refuses_clear_text
from policies.keys import own_key, public_policy
from policies.model import Family, Findings, Match, Resource, Settings, Severity, Stack, undecided, violation
from policies.plain import MALFORMED, UNKNOWN, at, json_value, readable, switch, text

family = Family("Messages and events")

TOPIC: Final = "aws:sns/topic:Topic"
TOPIC_POLICY: Final = "aws:sns/topicPolicy:TopicPolicy"
TOPIC_SUBSCRIPTION: Final = "aws:sns/topicSubscription:TopicSubscription"
QUEUE: Final = "aws:sqs/queue:Queue"
QUEUE_POLICY: Final = "aws:sqs/queuePolicy:QueuePolicy"
REDRIVE_POLICY: Final = "aws:sqs/redrivePolicy:RedrivePolicy"
REDRIVE_ALLOW_POLICY: Final = "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy"
EVENT_BUS_POLICY: Final = "aws:cloudwatch/eventBusPolicy:EventBusPolicy"
EVENT_PERMISSION: Final = "aws:cloudwatch/eventPermission:EventPermission"
EVENT_TARGET: Final = "aws:cloudwatch/eventTarget:EventTarget"
SCHEDULE: Final = "aws:scheduler/schedule:Schedule"
PIPE: Final = "aws:pipes/pipe:Pipe"
_KEPT_BY: Final = (
    (QUEUE, "redrivePolicy", "deadLetterTargetArn"),
    (REDRIVE_POLICY, "redrivePolicy", "deadLetterTargetArn"),
    (TOPIC_SUBSCRIPTION, "redrivePolicy", "deadLetterTargetArn"),
    (EVENT_TARGET, "deadLetterConfig", "arn"),
    ("aws:cloudwatch/eventBus:EventBus", "deadLetterConfig", "arn"),
    (SCHEDULE, "target", "deadLetterConfig", "arn"),
    ("aws:lambda/function:Function", "deadLetterConfig", "targetArn"),
    (
        "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
        *("destinationConfig", "onFailure", "destination"),
    ),
    ("aws:lambda/eventSourceMapping:EventSourceMapping", "destinationConfig", "onFailure", "destinationArn"),
    (PIPE, "sourceParameters", "kinesisStreamParameters", "deadLetterConfig", "arn"),
    (PIPE, "sourceParameters", "dynamodbStreamParameters", "deadLetterConfig", "arn"),
)
"""Where each type names the queue that keeps what it could not deliver or do."""

_SNS: Final = "SNS developer guide: "
_SQS: Final = "SQS developer guide: "


@family.resource_rule(
    "SNS-01",
    "topic-key",
    "Topics are encrypted with a key of the stack's own",
    Severity.HIGH,
    (TOPIC,),
    fix="Set kmsMasterKeyId to the ARN of the stack's key for messages.",
    source=_SNS + "Securing Amazon SNS data with server-side encryption (alarms and events cannot use alias/aws/sns)",
    frameworks=(
        "checkov CKV_AWS_26",
        "trivy AVD-AWS-0095",
        "trivy AVD-AWS-0136",
        "cdk-nag HIPAA.Security-SNSEncryptedKMS",
        "Security Hub SNS.1",
    ),
)
def topic_key(resource: Resource, settings: Settings) -> Findings:
    """The key that AWS manages admits no alarm and no event rule: its policy cannot be changed."""
    finding = own_key("kmsMasterKeyId", resource.value("kmsMasterKeyId"), "messages")
    if finding:
        yield finding


@family.resource_rule(
    "SNS-02",
    "topic-not-public",
    "No topic is for everybody",
    Severity.HIGH,
    (TOPIC, TOPIC_POLICY),
    fix="Name the services and roles that publish or subscribe, bound by aws:SourceArn or aws:SourceAccount.",
    source=_SNS + "Example cases for Amazon SNS access control",
    frameworks=("checkov CKV_AWS_169", "Security Hub SNS.4"),
)
def topic_not_public(resource: Resource, settings: Settings) -> Findings:
    """Anybody could publish failures that did not happen, or subscribe to those that did."""
    return public_policy(resource, "policy")


@family.resource_rule(
    "SNS-03",
    "subscription-encrypted",
    "Messages leave a topic encrypted only",
    Severity.HIGH,
    (TOPIC_SUBSCRIPTION,),
    fix="Use the protocol https, or another that is encrypted.",
    source=_SNS + "HTTP/HTTPS notifications; enforcing encryption in transit",
    frameworks=("cdk-nag AwsSolutions-SNS3",),
)
def subscription_encrypted(resource: Resource, settings: Settings) -> Findings:
    """HTTP is read by whoever is on the way."""
    protocol = resource.text("protocol")
    endpoint = resource.text("endpoint")
    if protocol is UNKNOWN:
        yield undecided("protocol")
    elif str(protocol).lower() == "http" or (endpoint is not UNKNOWN and str(endpoint).lower().startswith("http://")):
        yield violation("protocol", "sends messages in clear text")


@family.resource_rule(
    "SQS-01",
    "queue-key",
    "Queues are encrypted with a key of the stack's own",
    Severity.HIGH,
    (QUEUE,),
    fix="Set kmsMasterKeyId to the ARN of the stack's key for messages.",
    source=_SQS + "Encryption at rest in Amazon SQS",
    frameworks=(
        "checkov CKV_AWS_27",
        "checkov CKV2_AWS_73",
        "trivy AVD-AWS-0096",
        "trivy AVD-AWS-0135",
        "cdk-nag AwsSolutions-SQS2",
        "Security Hub SQS.1",
    ),
)
def queue_key(resource: Resource, settings: Settings) -> Findings:
    """sqsManagedSseEnabled encrypts with a key that SQS owns, and that nobody can withdraw."""
    finding = own_key("kmsMasterKeyId", resource.value("kmsMasterKeyId"), "messages")
    if finding:
        yield finding
        if finding.decided and switch(resource.value("sqsManagedSseEnabled")) is False:
            yield violation("sqsManagedSseEnabled", "is false, so messages are not encrypted at all")


@family.resource_rule(
    "SQS-02",
    "queue-not-public",
    "No queue is for everybody",
    Severity.HIGH,
    (QUEUE, QUEUE_POLICY),
    fix="Name the services and roles that send or receive, bound by aws:SourceArn or aws:SourceAccount.",
    source=_SQS + "Basic examples of Amazon SQS policies",
    frameworks=(
        "checkov CKV_AWS_168",
        "checkov CKV_AWS_387",
        "checkov CKV_AWS_72",
        "trivy AVD-AWS-0097",
        "Security Hub SQS.3",
    ),
)
def queue_not_public(resource: Resource, settings: Settings) -> Findings:
    """Anybody could put files on the pipeline's list, or take them off."""
    return public_policy(resource, "policy")


@family.stack_rule(
    "SQS-03",
    "queue-tls-only",
    "Queues refuse clear text",
    Severity.HIGH,
    (QUEUE,),
    fix="Add to the queue's policy: Deny, Principal *, sqs:*, on the queue, if aws:SecureTransport is false.",
    source=_SQS + "Amazon SQS security best practices: enforce encryption of data in transit",
    frameworks=("cdk-nag AwsSolutions-SQS4",),
)
def queue_tls_only(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """The refusal must hold for everybody and everything, on no further condition."""
    certain, possible = stack.referring(resource, "queueUrl", QUEUE_POLICY)
    sources = [(source, source.name) for source in certain]
    if not certain and not resource.computed("policy") and resource.text("policy") is not None:
        sources = [(resource, "its own")]
    if not sources and possible:
        yield undecided("policy", f"may be {possible[0].name}, whose queue is not known yet")
    elif not sources:
        yield violation("policy", "is absent, so the queue takes messages in clear text")
    for source, name in sources:
        answer = refuses_clear_text(source.value("policy"), "sqs", (resource.text("arn"),))
        if answer is Match.NO:
            yield violation("policy", f"({name}) does not refuse clear text to everybody")
        elif answer is Match.MAYBE:
            yield undecided("policy", f"({name}) is not wholly known yet")


@family.stack_rule(
    "SQS-04",
    "queue-dead-letters",
    "What nobody could take from a queue is kept",
    Severity.LOW,
    (QUEUE,),
    fix="Set redrivePolicy: deadLetterTargetArn, and maxReceiveCount; on the dead-letter queue redriveAllowPolicy.",
    source=_SQS + "Using dead-letter queues in Amazon SQS",
    frameworks=("cdk-nag AwsSolutions-SQS3", "cdk-nag Serverless-SQSRedrivePolicy"),
)
def queue_dead_letters(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """A dead-letter queue needs none: it is one because somebody names it, or because it says whom it serves."""
    certain, possible = stack.referring(resource, "queueUrl", REDRIVE_POLICY)
    holders = [*certain, *([] if resource.computed("redrivePolicy") else [resource])]
    answers = [_dead_letters(holder, stack) for holder in holders]
    answers += [_serves_others(resource, stack), _named_as_dead_letters(resource, stack)]
    if Match.YES in answers:
        return
    if Match.MAYBE in answers or possible:
        yield undecided("redrivePolicy", "may be set, or the queue may be another's dead-letter queue")
    else:
        yield violation("redrivePolicy", "is absent, so what fails again and again comes back until it expires")


def _dead_letters(holder: Resource, stack: Stack) -> Match:
    """Whether a queue (or its RedrivePolicy) names a dead-letter queue."""
    document = json_value(holder.value("redrivePolicy"))
    if document is UNKNOWN:
        # What is made from a queue's ARN names that queue.
        return Match.YES if stack.nearest(holder.depends.get("redrivePolicy", ()), (QUEUE,)) else Match.MAYBE
    if document is MALFORMED:
        return Match.MAYBE
    return Match.NO if text(at(document, "deadLetterTargetArn")) is None else Match.YES


def _serves_others(queue: Resource, stack: Stack) -> Match:
    """Whether a queue says that it is a dead-letter queue, itself or by a RedriveAllowPolicy."""
    certain, possible = stack.referring(queue, "queueUrl", REDRIVE_ALLOW_POLICY)
    answer = Match.MAYBE if possible else Match.NO
    for holder in [*certain, *([] if queue.computed("redriveAllowPolicy") else [queue])]:
        permission = text(at(readable(holder.value("redriveAllowPolicy")), "redrivePermission"))
        if permission is UNKNOWN:
            made_from = stack.nearest(holder.depends.get("redriveAllowPolicy", ()), (QUEUE,))
            answer = Match.YES if made_from else Match.MAYBE
        elif str(permission).lower() in ("allowall", "byqueue"):
            return Match.YES
    return answer


def _named_as_dead_letters(queue: Resource, stack: Stack) -> Match:
    """Whether another resource sends to a queue what it could not deliver or do."""
    answer = Match.NO
    for type, name, *path in _KEPT_BY:
        for source in stack.of(type):
            if source.urn == queue.urn or (type == QUEUE and source.computed(name)):
                continue
            match = stack.refers(source, name, at(readable(source.value(name)), *path), queue)
            if match is Match.YES:
                return Match.YES
            answer = Match.MAYBE if match is Match.MAYBE else answer
    return answer


@family.stack_rule(
    "SNS-04",
    "topic-tls-only",
    "Topics refuse clear text",
    Severity.MEDIUM,
    (TOPIC,),
    fix="Add to the topic's policy: Deny, Principal *, sns:Publish, on the topic, if aws:SecureTransport is false.",
    source="SNS developer guide: Amazon SNS security best practices: enforce encryption of data in transit",
    frameworks=("cdk-nag AwsSolutions-SNS3",),
    enabled=False,
)
def topic_tls_only(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """SNS takes messages over HTTP from whoever sends them so."""
    certain, possible = stack.referring(resource, "arn", TOPIC_POLICY)
    sources = [(source, source.name) for source in certain]
    if not certain and not resource.computed("policy") and resource.text("policy") is not None:
        sources = [(resource, "its own")]
    if not sources and possible:
        yield undecided("policy", f"may be {possible[0].name}, whose topic is not known yet")
    elif not sources:
        yield violation("policy", "is absent, so the topic takes messages in clear text")
    for source, name in sources:
        answer = refuses_clear_text(source.value("policy"), "sns", (resource.text("arn"),), "sns:Publish")
        if answer is Match.NO:
            yield violation("policy", f"({name}) does not refuse clear text to everybody")
        elif answer is Match.MAYBE:
            yield undecided("policy", f"({name}) is not wholly known yet")


@family.resource_rule(
    "EVB-01",
    "bus-not-public",
    "No event bus is for everybody",
    Severity.HIGH,
    (EVENT_BUS_POLICY, EVENT_PERMISSION),
    fix="Name the account, or bind * by the condition aws:PrincipalOrgID.",
    source="EventBridge user guide: Permissions for event buses in Amazon EventBridge",
    frameworks=("cdk-nag AwsSolutions-EVB1", "Security Hub EventBridge.3"),
)
def bus_not_public(resource: Resource, settings: Settings) -> Findings:
    """Anybody could send events that start the pipeline."""
    if resource.type == EVENT_BUS_POLICY:
        yield from public_policy(resource, "policy")
        return
    principal = resource.text("principal")
    condition = resource.value("condition")
    bound = text(at(condition, "value"))
    if principal is UNKNOWN:
        yield undecided("principal")
    elif principal == "*":
        if UNKNOWN in (condition, bound):
            yield undecided("condition")
        elif bound is None or not str(bound).strip("*?") or text(at(condition, "key")) != "aws:PrincipalOrgID":
            yield violation("principal", "lets anybody send events")


@family.resource_rule(
    "EVB-02",
    "target-dead-letters",
    "Events that could not be delivered are kept",
    Severity.MEDIUM,
    (EVENT_TARGET, SCHEDULE),
    fix="Set the target's deadLetterConfig.arn to a queue.",
    source="EventBridge user guide: Using dead-letter queues to process undelivered events",
    frameworks=("cdk-nag Serverless-EventBusDLQ",),
)
def target_dead_letters(resource: Resource, settings: Settings) -> Findings:
    """EventBridge gives up after a day, and drops the event."""
    config = (
        resource.value("target", "deadLetterConfig")
        if resource.type == SCHEDULE
        else resource.value("deadLetterConfig")
    )
    queue = text(at(config, "arn"))
    if config is UNKNOWN:
        yield undecided("deadLetterConfig")
    elif queue is None:
        yield violation("deadLetterConfig", "is absent, so events that could not be delivered are lost")
