"""A Kerberized, encrypted EMR cluster in a network, under keys and on buckets that are there already."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi

import settings as configuration
from components.cluster import KerberizedEmrCluster, KerberizedEmrClusterArgs
from components.environment import AwsEnvironment
from components.storage import PipelineBucket

config = pulumi.Config()
environment = AwsEnvironment.look_up()
raw, processed, logs, scripts = (
    PipelineBucket.existing(environment, config.require(f"{purpose}Bucket"))
    for purpose in ("raw", "processed", "logs", "scripts")
)
cluster = KerberizedEmrCluster(
    "cluster",
    KerberizedEmrClusterArgs(
        settings=configuration.load(groups=["cluster"]).cluster,
        environment=environment,
        subnet_id=config.require("subnetId"),
        primary_security_group_id=config.require("primarySecurityGroupId"),
        core_security_group_id=config.require("coreSecurityGroupId"),
        service_access_security_group_id=config.require("serviceAccessSecurityGroupId"),
        data_key_arn=config.require("dataKeyArn"),
        logs_key_arn=config.require("logsKeyArn"),
        secrets_key_arn=config.require("secretsKeyArn"),
        raw=raw,
        processed=processed,
        logs=logs,
        scripts=scripts,
        database_name=config.require("database"),
    ),
)

pulumi.export("clusterId", cluster.cluster_id)
pulumi.export("clusterParameter", cluster.cluster_parameter_name)
pulumi.export("realm", cluster.realm)
