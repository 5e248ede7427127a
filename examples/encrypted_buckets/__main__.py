"""Five buckets, encrypted under keys of their own, kept when the stack goes unless the configuration says twice."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi

import settings as configuration
from components.encryption import EncryptionKeys, EncryptionKeysArgs
from components.environment import AwsEnvironment
from components.storage import EncryptedBuckets, EncryptedBucketsArgs

environment = AwsEnvironment.look_up()
settings = configuration.load(groups=["encryption", "storage"])
keys = EncryptionKeys(
    "keys", EncryptionKeysArgs(settings.encryption, environment, protect=not settings.storage.force_destroy)
)
buckets = EncryptedBuckets(
    "buckets",
    EncryptedBucketsArgs(
        settings=settings.storage,
        environment=environment,
        data_key_arn=keys.data_key_arn,
        logs_key_arn=keys.logs_key_arn,
    ),
)

pulumi.export("rawBucket", buckets.raw.name)
pulumi.export("processedBucket", buckets.processed.name)
pulumi.export("logsBucket", buckets.logs.name)
pulumi.export("scriptsBucket", buckets.scripts.name)
