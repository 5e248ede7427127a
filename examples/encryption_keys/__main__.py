"""Four KMS keys, one a purpose, with policies that bind every service to this account."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi

import settings as configuration
from components.encryption import EncryptionKeys, EncryptionKeysArgs
from components.environment import AwsEnvironment

settings = configuration.load(groups=["encryption"])
keys = EncryptionKeys("keys", EncryptionKeysArgs(settings.encryption, AwsEnvironment.look_up()))

pulumi.export("dataKeyArn", keys.data_key_arn)
pulumi.export("logsKeyArn", keys.logs_key_arn)
pulumi.export("messagesKeyArn", keys.messages_key_arn)
pulumi.export("secretsKeyArn", keys.secrets_key_arn)
