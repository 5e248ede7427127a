"""Policies of the KMS keys, from plain values.

Every policy delegates to the account's IAM (KMS developer guide, "Default key policy"): our roles get the use of a key
by their own policies. A key policy that named them would wait for the roles, and the roles' policies wait for the key.
Services that act on their own, with no role of ours, are named here, each bound to this account.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from components.bucket_documents import bucket_name
from components.environment import AwsEnvironment
from components.iam import Condition, Document, outside_principal, policy_document, statement

Purpose = Literal["data", "logs", "messages", "secrets"]
"""What a key encrypts."""

ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)
"""What an administrator may do: everything but use the key, or let others use it by a grant."""


def _log_groups(environment: AwsEnvironment) -> Document:
    """CloudWatch Logs encrypts the log groups of this account and region.

    Its principal is the region's own. Source: CloudWatch Logs user guide, "Encrypt log data in CloudWatch Logs using
    AWS Key Management Service".
    """
    return statement(
        "LogGroups",
        ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
        ["*"],
        principals={"Service": f"logs.{environment.region}.{environment.dns_suffix}"},
        condition={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": environment.arn("logs", "log-group:*")}},
    )


def _log_delivery(environment: AwsEnvironment) -> Document:
    """The log of an encrypted state machine reaches CloudWatch Logs through the delivery service.

    It belongs to the key of the state machine, not to that of the log group; the context's value ends in a literal
    ``*``. Source: Step Functions developer guide, "Data at rest encryption in Step Functions".
    """
    return statement(
        "ExecutionLogDelivery",
        ["kms:Decrypt"],
        ["*"],
        principals={"Service": environment.service_principal("delivery.logs")},
        condition={"StringEquals": {"kms:EncryptionContext:SourceArn": environment.arn("logs", "*")}},
    )


_MAKE_DATA_KEYS = ("kms:Decrypt", "kms:GenerateDataKey*")


def _publishers(environment: AwsEnvironment) -> list[Document]:
    """Alarms, budgets, event rules and topics put messages on encrypted topics and queues without a role of ours.

    The encryption context binds each to this account's topics or queues. Alarms carry their source as well; event
    rules do not: "aws:SourceAccount, aws:SourceArn and aws:SourceOrgID … not supported for EventBridge-to-encrypted
    topics", and messages would be lost without a sign. Sources: SNS developer guide, "Managing Amazon SNS encryption
    keys and costs"; SQS developer guide, "Configure KMS permissions for AWS services".
    """
    topics = {"kms:EncryptionContext:aws:sns:topicArn": environment.arn("sns", "*")}
    queues = {"kms:EncryptionContext:aws:sqs:arn": environment.arn("sqs", "*")}

    def use(sid: str, service: str, condition: Condition) -> Document:
        principals = {"Service": environment.service_principal(service)}
        return statement(sid, _MAKE_DATA_KEYS, ["*"], principals=principals, condition=condition)

    return [
        use(
            "AlarmsToTopics",
            "cloudwatch",
            {
                "StringEquals": {"aws:SourceAccount": environment.account_id},
                "ArnLike": {"aws:SourceArn": environment.arn("cloudwatch", "alarm:*"), **topics},
            },
        ),
        use(
            "BudgetsToTopics",
            "budgets",
            {
                "StringEquals": {"aws:SourceAccount": environment.account_id},
                "ArnLike": {"aws:SourceArn": environment.global_arn("budgets", "*"), **topics},
            },
        ),
        use("EventsToTopics", "events", {"ArnLike": topics}),
        use("EventsToQueues", "events", {"ArnLike": queues}),
        use("TopicsToQueues", "sns", {"ArnLike": queues}),
    ]


def _secrets_only_as_secrets(environment: AwsEnvironment) -> Document:
    """Refuse every use of the key but through Secrets Manager, which uses it with its caller's permissions.

    Source: Secrets Manager user guide, "Secret encryption and decryption" (kms:ViaService).
    """
    return statement(
        "DenyAllButSecretsManager",
        ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
        ["*"],
        effect="Deny",
        principals="*",
        condition={"StringNotEquals": {"kms:ViaService": environment.via_service("secretsmanager")}},
    )


def _grants_only_for_services() -> Document:
    """Refuse grants that no AWS service makes for itself (EBS volumes of nodes, a function's environment, a table).

    A grant hands the key on beside all policies. Source: KMS developer guide, "kms:GrantIsForAWSResource".
    """
    return statement(
        "DenyGrantsToPeople",
        ["kms:CreateGrant"],
        ["*"],
        effect="Deny",
        principals="*",
        condition={"Bool": {"kms:GrantIsForAWSResource": "false"}},
    )


def _partners(
    sid: str, actions: Sequence[str], environment: AwsEnvironment, who: Sequence[str], bucket: str
) -> Document:
    """Let partners use the data key for the objects of one bucket, through S3 alone.

    With a bucket key the context is the bucket's ARN, without one the object's (S3 user guide, "Amazon S3 Bucket
    Keys").
    """
    arn = environment.bucket_arn(bucket)
    return statement(
        sid,
        actions,
        ["*"],
        principals={"AWS": sorted({outside_principal(environment, principal) for principal in who})},
        condition={
            "StringEquals": {"kms:ViaService": environment.via_service("s3")},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": [arn, f"{arn}/*"]},
        },
    )


_SERVICES: dict[Purpose, Callable[[AwsEnvironment], list[Document]]] = {
    "data": lambda environment: [_log_delivery(environment)],
    "logs": lambda environment: [_log_groups(environment)],
    "messages": _publishers,
    "secrets": lambda environment: [_secrets_only_as_secrets(environment)],
}


REASONS = {
    "Account": "IAM policies of the account decide; without this nobody could, and the key could lock everybody out",
    "DenyGrantsToPeople": "a grant hands a key on beside all policies; volumes of nodes and functions need theirs",
    "ExecutionLogDelivery": "logs of encrypted executions are delivered to CloudWatch Logs",
    "LogGroups": "CloudWatch Logs encrypts the log groups of this account and region",
    "AlarmsToTopics": "alarms are published on encrypted topics",
    "BudgetsToTopics": "a budget is told on encrypted topics",
    "EventsToTopics": "event rules publish on encrypted topics (they carry no source there)",
    "EventsToQueues": "event rules send to encrypted queues, dead-letter queues among them",
    "TopicsToQueues": "what a topic could not deliver goes to its encrypted dead-letter queue",
    "DenyAllButSecretsManager": "secrets are read and written through Secrets Manager only",
    "Administrators": "roles that look after the key, and cannot use it",
    "Producers": "partners drop files in raw; uploads in parts are decrypted to be put together",
    "Consumers": "analysts' accounts read tables in processed",
}
"""Why each statement is there, by its id."""


@dataclass(frozen=True)
class Partners:
    """Accounts and roles outside this account that the data key serves."""

    producers: tuple[str, ...] = ()
    """Write to raw: account ids or role ARNs."""
    consumers: tuple[str, ...] = ()
    """Read processed: likewise."""


NOBODY = Partners()


def key_policy(
    purpose: Purpose, environment: AwsEnvironment, administrators: Sequence[str] = (), partners: Partners = NOBODY
) -> Document:
    """Policy of the key of a purpose.

    Args:
        purpose: What the key encrypts.
        environment: The account that the key belongs to.
        administrators: ARNs of roles that may administer it; empty leaves that to IAM policies.
        partners: Of other accounts; they matter to the data key only.
    """
    statements = [
        statement("Account", ["kms:*"], ["*"], principals={"AWS": environment.global_arn("iam", "root")}),
        _grants_only_for_services(),
        *_SERVICES[purpose](environment),
    ]
    if administrators:
        statements.append(
            statement("Administrators", ADMINISTRATION, ["*"], principals={"AWS": sorted(administrators)})
        )
    if purpose == "data" and partners.producers:
        # An upload in parts is decrypted to be put together (S3 user guide, "Multipart upload API and permissions").
        raw = bucket_name(environment, "raw")
        statements.append(
            _partners("Producers", ["kms:Decrypt", "kms:GenerateDataKey"], environment, partners.producers, raw)
        )
    if purpose == "data" and partners.consumers:
        processed = bucket_name(environment, "processed")
        statements.append(_partners("Consumers", ["kms:Decrypt"], environment, partners.consumers, processed))
    return policy_document(statements)
