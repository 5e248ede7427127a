"""Policies of the KMS keys, from plain values.

Every policy delegates to the account's IAM (KMS developer guide, "Default key policy"): our roles get the use of a key
by their own policies. A key policy that named them would wait for the roles, and the roles' policies wait for the key.
Services that act on their own, with no role of ours, are named here, each bound to this account.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from components.environment import AwsEnvironment
from components.iam import Document, policy_document, statement

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


def _publishers(environment: AwsEnvironment) -> list[Document]:
    """Alarms, event rules, topics and buckets put messages on encrypted topics and queues without a role of ours.

    Sources: SNS developer guide, "Managing Amazon SNS encryption keys and costs"; SQS developer guide, "Configure KMS
    permissions for AWS services". The account binds them; their calls to KMS carry no ARN that is documented for all.
    """
    return [
        statement(
            "Publishers",
            ["kms:Decrypt", "kms:GenerateDataKey*"],
            ["*"],
            principals={
                "Service": [environment.service_principal(service) for service in ("cloudwatch", "events", "s3", "sns")]
            },
            condition={"StringEquals": {"aws:SourceAccount": environment.account_id}},
        )
    ]


_SERVICES: dict[Purpose, Callable[[AwsEnvironment], list[Document]]] = {
    "data": lambda environment: [_log_delivery(environment)],
    "logs": lambda environment: [_log_groups(environment)],
    "messages": _publishers,
    # Secrets Manager uses the key with its caller's permissions.
    "secrets": lambda _: [],
}


def key_policy(purpose: Purpose, environment: AwsEnvironment, administrators: Sequence[str] = ()) -> Document:
    """Policy of the key of a purpose.

    Args:
        purpose: What the key encrypts.
        environment: The account that the key belongs to.
        administrators: ARNs of roles that may administer it; empty leaves that to IAM policies.
    """
    statements = [
        statement("Account", ["kms:*"], ["*"], principals={"AWS": environment.global_arn("iam", "root")}),
        *_SERVICES[purpose](environment),
    ]
    if administrators:
        statements.append(
            statement("Administrators", ADMINISTRATION, ["*"], principals={"AWS": sorted(administrators)})
        )
    return policy_document(statements)
