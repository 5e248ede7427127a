"""Customer-managed KMS keys, one a purpose, and who may use them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.environment import AwsEnvironment
from components.iam import Document, policy_document, statement
from settings import EncryptionSettings

USE = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")
"""Everything that encrypting and decrypting takes."""

ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateKeyDescription",
)
"""What an administrator may do: everything but use the key."""


def _base(environment: AwsEnvironment, administrators: Sequence[str]) -> list[Document]:
    """Delegation to the account's IAM (KMS guide, "Default key policy"), and administrators where configured.

    Our own roles get their use of a key through IAM policies: a key policy that named them would wait for the roles,
    and the roles' policies wait for the key.
    """
    statements = [
        statement(
            "DelegateToAccount",
            ["kms:*"],
            ["*"],
            principals={"AWS": environment.global_arn("iam", "root")},
        )
    ]
    if administrators:
        statements.append(statement("Administer", ADMINISTRATION, ["*"], principals={"AWS": sorted(administrators)}))
    return statements


def data_key_policy(environment: AwsEnvironment, administrators: Sequence[str] = ()) -> Document:
    """The data key: buckets, volumes, the catalog and execution data, all through our roles' own policies."""
    return policy_document(_base(environment, administrators))


def secrets_key_policy(environment: AwsEnvironment, administrators: Sequence[str] = ()) -> Document:
    """The secrets key: Secrets Manager uses it with the caller's own permissions."""
    return policy_document(_base(environment, administrators))


def logs_key_policy(environment: AwsEnvironment, administrators: Sequence[str] = ()) -> Document:
    """The logs key: CloudWatch Logs encrypts this account's log groups, and delivers the state machine's logs.

    Sources: CloudWatch Logs guide, "Encrypt log data using KMS" (encryption context); Step Functions guide,
    "Data at rest encryption" (delivery.logs, context SourceArn).
    """
    return policy_document(
        [
            *_base(environment, administrators),
            statement(
                "LogGroups",
                USE,
                ["*"],
                principals={"Service": f"logs.{environment.region}.{environment.dns_suffix}"},
                condition={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": environment.arn("logs", "log-group:*")}},
            ),
            statement(
                "LogDelivery",
                ["kms:Decrypt"],
                ["*"],
                principals={"Service": "delivery.logs.amazonaws.com"},
                condition={
                    "StringEquals": {"aws:SourceAccount": environment.account_id},
                    "ArnLike": {"kms:EncryptionContext:SourceArn": environment.arn("logs", "*")},
                },
            ),
        ]
    )


def messages_key_policy(environment: AwsEnvironment, administrators: Sequence[str] = ()) -> Document:
    """The messages key: the services that put messages on our encrypted topics and queues.

    Sources: SNS guide, "Managing SNS encryption keys and costs"; SQS guide, "Configuring KMS permissions for AWS
    services". The condition keeps other accounts' alarms, rules and topics off the key.
    """
    return policy_document(
        [
            *_base(environment, administrators),
            statement(
                "Publishers",
                ["kms:Decrypt", "kms:GenerateDataKey*"],
                ["*"],
                principals={"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com", "sns.amazonaws.com"]},
                condition={"StringEquals": {"aws:SourceAccount": environment.account_id}},
            ),
        ]
    )


@dataclass(frozen=True)
class EncryptionKeysArgs:
    """What `EncryptionKeys` needs."""

    settings: EncryptionSettings
    environment: AwsEnvironment


class EncryptionKeys(pulumi.ComponentResource):
    """Four keys: data, logs, messages, secrets, each with rotation, an alias and a policy of its own."""

    data_key_arn: pulumi.Output[str]
    """Encrypts buckets, volumes, the job and execution data."""
    logs_key_arn: pulumi.Output[str]
    """Encrypts log groups and cluster logs."""
    messages_key_arn: pulumi.Output[str]
    """Encrypts topics and queues."""
    secrets_key_arn: pulumi.Output[str]
    """Encrypts secrets."""

    def __init__(self, name: str, args: EncryptionKeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:encryption:EncryptionKeys", name, None, opts)
        policies = {
            "data": ("buckets, volumes, job code and execution data", data_key_policy),
            "logs": ("log groups and cluster logs", logs_key_policy),
            "messages": ("topics and queues", messages_key_policy),
            "secrets": ("secrets", secrets_key_policy),
        }
        keys = {
            purpose: self._key(name, args, purpose, description, policy(args.environment, args.settings.administrators))
            for purpose, (description, policy) in policies.items()
        }
        self.data_key_arn = keys["data"].arn
        self.logs_key_arn = keys["logs"].arn
        self.messages_key_arn = keys["messages"].arn
        self.secrets_key_arn = keys["secrets"].arn
        self.register_outputs({f"{purpose}KeyArn": key.arn for purpose, key in keys.items()})

    def _key(
        self, name: str, args: EncryptionKeysArgs, purpose: str, description: str, policy: Document
    ) -> aws.kms.Key:
        environment = args.environment
        key = aws.kms.Key(
            f"{name}-{purpose}",
            description=f"{environment.project} {environment.stack}: {description}",
            policy=json.dumps(policy),
            enable_key_rotation=True,
            rotation_period_in_days=args.settings.rotation_period_days,
            deletion_window_in_days=args.settings.deletion_window_days,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.kms.Alias(
            f"{name}-{purpose}-alias",
            name=f"alias/{environment.project}-{environment.stack}-{purpose}",
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return key
