"""Four KMS keys, one a purpose, with policies that bind every service to this account."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi

from components.encryption import EncryptionKeys, EncryptionKeysArgs
from components.environment import AwsEnvironment
from settings import EncryptionSettings

settings = EncryptionSettings.model_validate(pulumi.Config().get_object("encryption") or {})
keys = EncryptionKeys("keys", EncryptionKeysArgs(settings, AwsEnvironment.look_up()))

pulumi.export("dataKeyArn", keys.data_key_arn)
pulumi.export("logsKeyArn", keys.logs_key_arn)
pulumi.export("messagesKeyArn", keys.messages_key_arn)
pulumi.export("secretsKeyArn", keys.secrets_key_arn)
