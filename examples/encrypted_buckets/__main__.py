"""Five buckets, encrypted under keys of their own, kept when the stack goes unless the configuration says twice."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi

from components.encryption import EncryptionKeys, EncryptionKeysArgs
from components.environment import AwsEnvironment
from components.storage import EncryptedBuckets, EncryptedBucketsArgs
from settings import EncryptionSettings, StorageSettings

environment = AwsEnvironment.look_up()
storage = StorageSettings.model_validate(pulumi.Config().get_object("storage") or {})
keys = EncryptionKeys("keys", EncryptionKeysArgs(EncryptionSettings(), environment, protect=not storage.force_destroy))
buckets = EncryptedBuckets(
    "buckets",
    EncryptedBucketsArgs(
        settings=storage,
        environment=environment,
        data_key_arn=keys.data_key_arn,
        logs_key_arn=keys.logs_key_arn,
    ),
)

pulumi.export("rawBucket", buckets.raw.name)
pulumi.export("processedBucket", buckets.processed.name)
