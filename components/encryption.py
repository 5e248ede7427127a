"""Customer-managed KMS keys, one a purpose; `key_policies` says who may use them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.environment import AwsEnvironment
from components.key_policies import NOBODY, Partners, Purpose, key_policy
from settings import EncryptionSettings

DESCRIPTIONS: dict[Purpose, str] = {
    "data": "buckets, volumes, job code and execution data",
    "logs": "log groups and cluster logs",
    "messages": "topics and queues",
    "secrets": "secrets",
}
"""What each key encrypts, as people read it in the console."""


@dataclass(frozen=True)
class EncryptionKeysArgs:
    """What `EncryptionKeys` needs."""

    settings: EncryptionSettings
    environment: AwsEnvironment
    partners: Partners = NOBODY
    """Producers and consumers of other accounts, as the buckets' policies name them."""
    protect: bool = False
    """Whether Pulumi refuses to delete the keys: what they encrypt is lost with them."""


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
        merged = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(protect=args.protect), opts)
        super().__init__("emr-pipeline:encryption:EncryptionKeys", name, None, merged)
        arns = {purpose: self._key(name, args, purpose).arn for purpose in DESCRIPTIONS}
        self.data_key_arn = arns["data"]
        self.logs_key_arn = arns["logs"]
        self.messages_key_arn = arns["messages"]
        self.secrets_key_arn = arns["secrets"]
        self.register_outputs({f"{purpose}KeyArn": arn for purpose, arn in arns.items()})

    def _key(self, name: str, args: EncryptionKeysArgs, purpose: Purpose) -> aws.kms.Key:
        environment, settings = args.environment, args.settings
        key = aws.kms.Key(
            f"{name}-{purpose}",
            description=f"{environment.project} {environment.stack}: {DESCRIPTIONS[purpose]}",
            policy=json.dumps(key_policy(purpose, environment, settings.administrators, args.partners)),
            enable_key_rotation=True,
            rotation_period_in_days=settings.rotation_period_days,
            deletion_window_in_days=settings.deletion_window_days,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.kms.Alias(
            f"{name}-{purpose}-alias",
            name=f"alias/{environment.project}-{environment.stack}-{purpose}",
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return key
