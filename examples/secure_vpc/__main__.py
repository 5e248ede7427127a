"""A private network for an EMR cluster of your own, made or taken as it is."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi

import settings as configuration
from components.encryption import EncryptionKeys, EncryptionKeysArgs
from components.environment import AwsEnvironment
from components.network import SecureVpc, SecureVpcArgs

settings = configuration.load(groups=["encryption", "network"])
environment = AwsEnvironment.look_up()
keys = EncryptionKeys("keys", EncryptionKeysArgs(settings.encryption, environment))
network = SecureVpc(
    "network",
    SecureVpcArgs(
        settings=settings.network,
        environment=environment,
        logs_key_arn=keys.logs_key_arn,
        data_bucket_names=["your-data-bucket"],
    ),
)

pulumi.export("vpcId", network.vpc_id)
pulumi.export("privateSubnetIds", network.private_subnet_ids)
pulumi.export("primarySecurityGroupId", network.primary_security_group_id)
pulumi.export("coreSecurityGroupId", network.core_security_group_id)
pulumi.export("serviceAccessSecurityGroupId", network.service_access_security_group_id)
pulumi.export("functionSecurityGroupId", network.function_security_group_id)
