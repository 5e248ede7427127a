"""Where people learn of successes and failures: three encrypted topics that only the pipeline publishes to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.environment import AwsEnvironment
from components.iam import Document, policy_document, statement
from settings import MonitoringSettings, SubscriptionSettings, TopicName

UNDELIVERED_RETENTION_SECONDS = 14 * 24 * 3600
"""Time to look at a message that reached nobody: the longest that SQS keeps one."""

TOPICS: tuple[TopicName, ...] = ("success", "warning", "critical")

EVENT_RULES = ("cluster-ended", "key-endangered")
"""Event rules, by the last part of their names, that publish to the critical topic (`alarms` makes them)."""

FUNCTION_RULES = ("housekeeping", "execution-unheard")
"""Event rules that call the housekeeping function (`housekeeping` makes them); what they cannot deliver is kept too."""


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
    return [_rule_arn(environment, role) for role in EVENT_RULES]


def _rule_arn(environment: AwsEnvironment, role: str) -> str:
    return environment.arn("events", f"rule/{rule_name(environment, role)}")


def undelivered_queue_name(environment: AwsEnvironment) -> str:
    """Name of the queue of messages that could not be delivered to a topic or to a subscriber."""
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


def allow_budgets(environment: AwsEnvironment, topic_arn: str) -> Document:
    """Let this account's budgets publish (Cost Management guide, "Creating an Amazon SNS topic for budgets")."""
    return statement(
        "Budgets",
        ["sns:Publish"],
        [topic_arn],
        principals={"Service": environment.service_principal("budgets")},
        condition={
            "ArnLike": {"aws:SourceArn": environment.global_arn("budgets", "*")},
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


def warning_topic_policy(environment: AwsEnvironment, topic_arn: str, *, budget: bool = False) -> Document:
    """Executions publish by their role; beside them the stack's alarms, and its budget when it has one."""
    budgets = [allow_budgets(environment, topic_arn)] if budget else []
    return policy_document(
        [allow_alarms(environment, topic_arn), *budgets, refuse_plain_text("sns:Publish", topic_arn)]
    )


def critical_topic_policy(environment: AwsEnvironment, topic_arn: str, *, budget: bool = False) -> Document:
    """Executions publish by their role; beside them the stack's alarms, its event rules, and its budget."""
    budgets = [allow_budgets(environment, topic_arn)] if budget else []
    return policy_document(
        [
            allow_alarms(environment, topic_arn),
            *budgets,
            allow_event_rules(environment, "sns:Publish", topic_arn, rule_arns(environment)),
            refuse_plain_text("sns:Publish", topic_arn),
        ]
    )


def subscriptions(settings: MonitoringSettings) -> list[SubscriptionSettings]:
    """Everybody who gets messages: the plain addresses hear of warnings and of what is critical."""
    return [
        *(SubscriptionSettings(protocol="email", endpoint=address) for address in settings.emails),
        *settings.subscriptions,
    ]


def undelivered_queue_policy(environment: AwsEnvironment, queue_arn: str) -> Document:
    """EventBridge leaves here what it could not publish, and SNS what a subscriber did not take."""
    topics = [environment.arn("sns", topic_name(environment, topic)) for topic in TOPICS]
    return policy_document(
        [
            statement(
                "Topics",
                ["sqs:SendMessage"],
                [queue_arn],
                principals={"Service": environment.service_principal("sns")},
                condition={
                    "ArnEquals": {"aws:SourceArn": topics},
                    "StringEquals": {"aws:SourceAccount": environment.account_id},
                },
            ),
            allow_event_rules(
                environment,
                "sqs:SendMessage",
                queue_arn,
                [*rule_arns(environment), *(_rule_arn(environment, role) for role in FUNCTION_RULES)],
            ),
            refuse_plain_text("sqs:*", queue_arn),
        ]
    )


class NotificationTopics(pulumi.ComponentResource):
    """Topics for successes, for warnings and for what is critical, and a queue for what could not be delivered."""

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

        budget = args.settings.monthly_budget_usd is not None
        success, success_policy = topic("success", success_topic_policy)
        warning, warning_policy = topic("warning", lambda arn: warning_topic_policy(environment, arn, budget=budget))
        critical, critical_policy = topic(
            "critical", lambda arn: critical_topic_policy(environment, arn, budget=budget)
        )

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

        for subscription in subscriptions(args.settings):
            for name_of_topic in subscription.topics:
                aws.sns.TopicSubscription(
                    f"{name}-{name_of_topic}-{subscription.protocol}-{subscription.endpoint}",
                    topic={"success": success, "warning": warning, "critical": critical}[name_of_topic].arn,
                    protocol=subscription.protocol,
                    endpoint=subscription.endpoint,
                    # Mail has no answer that tells a failure; the others keep what they could not deliver.
                    redrive_policy=None
                    if subscription.protocol == "email"
                    else undelivered.arn.apply(lambda arn: json.dumps({"deadLetterTargetArn": arn})),
                    opts=pulumi.ResourceOptions(parent=self, depends_on=[undelivered_policy]),
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
