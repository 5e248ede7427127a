"""A private network for an EMR cluster of your own, made or taken as it is."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi

from components.encryption import EncryptionKeys, EncryptionKeysArgs
from components.environment import AwsEnvironment
from components.network import SecureVpc, SecureVpcArgs
from settings import ConfigurationError, EncryptionSettings, NetworkSettings

environment = AwsEnvironment.look_up()
keys = EncryptionKeys("keys", EncryptionKeysArgs(EncryptionSettings(deletion_window_days=7), environment))
try:
    network = SecureVpc(
        "network",
        SecureVpcArgs(
            settings=NetworkSettings.model_validate(pulumi.Config().get_object("network") or {}),
            environment=environment,
            logs_key_arn=keys.logs_key_arn,
            data_bucket_names=["your-data-bucket"],
        ),
    )
except ConfigurationError as mistakes:
    raise pulumi.RunError(str(mistakes)) from None

pulumi.export("vpcId", network.vpc_id)
pulumi.export("privateSubnetIds", network.private_subnet_ids)
pulumi.export("primarySecurityGroupId", network.primary_security_group_id)
pulumi.export("coreSecurityGroupId", network.core_security_group_id)
pulumi.export("serviceAccessSecurityGroupId", network.service_access_security_group_id)
