"""Where people learn of successes and failures: three encrypted topics that only the pipeline publishes to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.environment import AwsEnvironment
from components.iam import Document, policy_document, statement
from settings import MonitoringSettings

UNDELIVERED_RETENTION_SECONDS = 14 * 24 * 3600
"""Time to look at a message that reached nobody: the longest that SQS keeps one."""

EVENT_RULES = ("cluster-ended", "execution-ended")
"""Event rules, by the last part of their names, that publish to the critical topic (`alarms` makes them)."""


@dataclass(frozen=True)
class NotificationTopicsArgs:
    """What `NotificationTopics` is made of."""

    settings: MonitoringSettings
    environment: AwsEnvironment
    messages_key_arn: pulumi.Input[str]
    """Encrypts the topics and the queue."""


def topic_name(environment: AwsEnvironment, outcome: str) -> str:
    """Name of a topic; fixed, so that policies can name its ARN before it exists."""
    return f"{environment.project}-{environment.stack}-{outcome}"


def rule_name(environment: AwsEnvironment, role: str) -> str:
    """Name of an event rule; fixed for the same reason."""
    return f"{environment.project}-{environment.stack}-{role}"


def rule_arns(environment: AwsEnvironment) -> list[str]:
    """ARNs of the event rules that publish to the critical topic."""
    return [environment.arn("events", f"rule/{rule_name(environment, role)}") for role in EVENT_RULES]


def undelivered_queue_name(environment: AwsEnvironment) -> str:
    """Name of the queue of messages that could not be delivered to the critical topic."""
    return f"{environment.project}-{environment.stack}-undelivered"


def refuse_plain_text(action: str, arn: str) -> Document:
    """Deny whoever comes without TLS (SNS and SQS developer guides, security best practices)."""
    return statement(
        "RefusePlainText",
        [action],
        [arn],
        effect="Deny",
        principals="*",
        condition={"Bool": {"aws:SecureTransport": "false"}},
    )


def allow_event_rules(environment: AwsEnvironment, action: str, arn: str, rules: Sequence[str]) -> Document:
    """Let EventBridge deliver what these rules, and no others, select."""
    return statement(
        "EventRules",
        [action],
        [arn],
        principals={"Service": environment.service_principal("events")},
        condition={
            "ArnEquals": {"aws:SourceArn": list(rules)},
            "StringEquals": {"aws:SourceAccount": environment.account_id},
        },
    )


def success_topic_policy(topic_arn: str) -> Document:
    """Nobody is allowed in here: executions publish by their role's own policy, in the same account."""
    return policy_document([refuse_plain_text("sns:Publish", topic_arn)])


def allow_alarms(environment: AwsEnvironment, topic_arn: str) -> Document:
    """Let this stack's alarms, and no others, publish."""
    return statement(
        "Alarms",
        ["sns:Publish"],
        [topic_arn],
        principals={"Service": environment.service_principal("cloudwatch")},
        condition={
            "ArnLike": {
                "aws:SourceArn": environment.arn("cloudwatch", f"alarm:{environment.project}-{environment.stack}-*")
            },
            "StringEquals": {"aws:SourceAccount": environment.account_id},
        },
    )


def warning_topic_policy(environment: AwsEnvironment, topic_arn: str) -> Document:
    """Executions publish by their role; beside them the stack's alarms."""
    return policy_document([allow_alarms(environment, topic_arn), refuse_plain_text("sns:Publish", topic_arn)])


def critical_topic_policy(environment: AwsEnvironment, topic_arn: str) -> Document:
    """Executions publish by their role; beside them the stack's alarms and its event rules."""
    return policy_document(
        [
            allow_alarms(environment, topic_arn),
            allow_event_rules(environment, "sns:Publish", topic_arn, rule_arns(environment)),
            refuse_plain_text("sns:Publish", topic_arn),
        ]
    )


def undelivered_queue_policy(environment: AwsEnvironment, queue_arn: str) -> Document:
    """EventBridge leaves here what it could not publish."""
    return policy_document(
        [
            allow_event_rules(environment, "sqs:SendMessage", queue_arn, rule_arns(environment)),
            refuse_plain_text("sqs:*", queue_arn),
        ]
    )


class NotificationTopics(pulumi.ComponentResource):
    """Topics for successes, for warnings and for what is critical, and a queue for events that could not be told."""

    success_topic_arn: pulumi.Output[str]
    warning_topic_arn: pulumi.Output[str]
    """Known when the topic admits its publishers."""
    critical_topic_arn: pulumi.Output[str]
    """Known when the topic admits its publishers and the queue of undelivered events is there."""
    undelivered_queue_name: str
    undelivered_queue_arn: pulumi.Output[str]

    def __init__(self, name: str, args: NotificationTopicsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:notifications:NotificationTopics", name, None, opts)
        environment = args.environment
        child = pulumi.ResourceOptions(parent=self)

        def topic(outcome: str, policy: Callable[[str], Document]) -> tuple[aws.sns.Topic, aws.sns.TopicPolicy]:
            made = aws.sns.Topic(
                f"{name}-{outcome}",
                name=topic_name(environment, outcome),
                display_name=f"{environment.project} {environment.stack} {outcome}",
                kms_master_key_id=args.messages_key_arn,
                opts=child,
            )
            admission = aws.sns.TopicPolicy(
                f"{name}-{outcome}-policy",
                arn=made.arn,
                policy=made.arn.apply(lambda arn: json.dumps(policy(arn))),
                opts=child,
            )
            return made, admission

        success, success_policy = topic("success", success_topic_policy)
        warning, warning_policy = topic("warning", lambda arn: warning_topic_policy(environment, arn))
        critical, critical_policy = topic("critical", lambda arn: critical_topic_policy(environment, arn))

        self.undelivered_queue_name = undelivered_queue_name(environment)
        undelivered = aws.sqs.Queue(
            f"{name}-undelivered",
            name=self.undelivered_queue_name,
            kms_master_key_id=args.messages_key_arn,
            message_retention_seconds=UNDELIVERED_RETENTION_SECONDS,
            opts=child,
        )
        undelivered_policy = aws.sqs.QueuePolicy(
            f"{name}-undelivered-policy",
            queue_url=undelivered.url,
            policy=undelivered.arn.apply(lambda arn: json.dumps(undelivered_queue_policy(environment, arn))),
            opts=child,
        )

        for address in args.settings.emails:
            for severity, subscribed in (("warning", warning), ("critical", critical)):
                aws.sns.TopicSubscription(
                    f"{name}-{severity}-email-{address}",
                    topic=subscribed.arn,
                    protocol="email",
                    endpoint=address,
                    opts=child,
                )

        self.success_topic_arn = pulumi.Output.all(success.arn, success_policy.id).apply(lambda known: known[0])
        self.warning_topic_arn = pulumi.Output.all(warning.arn, warning_policy.id).apply(lambda known: known[0])
        self.critical_topic_arn = pulumi.Output.all(critical.arn, critical_policy.id, undelivered_policy.id).apply(
            lambda known: known[0]
        )
        self.undelivered_queue_arn = undelivered.arn
        self.register_outputs(
            {
                "successTopicArn": self.success_topic_arn,
                "warningTopicArn": self.warning_topic_arn,
                "criticalTopicArn": self.critical_topic_arn,
                "undeliveredQueueName": self.undelivered_queue_name,
            }
        )
