"""A life cycle for every resource type of the stand-ins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.providers.protocol import Archive, Asset
from tests.sandbox.providers.world import REGION, World, policy, trust

Given = Callable[[World], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """How a resource type is made and changed."""

    token: str
    given: Given
    """Inputs that make it."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Inputs that change in place (tags are changed too, where there are any)."""
    replaces: Mapping[str, Any] = field(default_factory=dict)
    """Inputs of which each alone means a new resource."""
    compared: frozenset[str] = frozenset()
    """Those of `replaces` that name what is not there, or what AWS does not take beside the first: compared only."""
    import_id: Callable[[Mapping[str, Any], str], str] | None = None
    """What an import is given, from the outputs and the id, where that is not the id."""
    not_imported: frozenset[str] = frozenset()
    """Inputs that no import gives, because AWS does not tell them: the program's own replace or update it."""
    label: str = ""
    absent: frozenset[str] = frozenset()
    """Outputs that the SDK promises and the stand-in leaves out, as its module says why."""
    exclusive: frozenset[str] = frozenset()
    """Inputs of which one may be given: another one takes the place of the first."""
    stays: bool = False
    """Whether the thing is still there after its deletion (what AWS does not let go of)."""

    @property
    def name(self) -> str:
        return self.token.split(":")[2] + (f"-{self.label}" if self.label else "")


def content_hash(contents: str) -> str:
    """As the engine hashes assets, so that it can leave their contents out of what it compares."""
    return hashlib.sha256(contents.encode()).hexdigest()


def text(contents: str) -> Asset:
    return Asset(content_hash(contents), text=contents)


def archive(**files: str) -> Archive:
    joined = json.dumps(files, sort_keys=True)
    return Archive(content_hash(joined), assets={f"{name}.py": text(body) for name, body in files.items()})


def scaling(maximum: int) -> str:
    alarm = {
        "ComparisonOperator": "LESS_THAN",
        "EvaluationPeriods": 1,
        "MetricName": "YARNMemoryAvailablePercentage",
        "Namespace": "AWS/ElasticMapReduce",
        "Period": 300,
        "Statistic": "AVERAGE",
        "Threshold": 15.0,
        "Unit": "PERCENT",
    }
    adjustment = {"AdjustmentType": "CHANGE_IN_CAPACITY", "ScalingAdjustment": 1, "CoolDown": 300}
    rule = {
        "Name": "Out",
        "Description": "More when memory is short",
        "Action": {"SimpleScalingPolicyConfiguration": adjustment},
        "Trigger": {"CloudWatchAlarmDefinition": alarm},
    }
    return json.dumps({"Constraints": {"MinCapacity": 1, "MaxCapacity": maximum}, "Rules": [rule]})


def limits(maximum: int) -> dict[str, Any]:
    return {
        "unitType": "Instances",
        "minimumCapacityUnits": 1,
        "maximumCapacityUnits": maximum,
        "maximumCoreCapacityUnits": 2,
        "maximumOndemandCapacityUnits": maximum,
    }


def bucket_setting(**settings: Any) -> Given:
    return lambda world: {"bucket": world.bucket, **settings}


def lockable_bucket(world: World) -> dict[str, Any]:
    """Object Lock needs versions, and of moto's buckets one without objects."""
    client = world.client("s3")
    if "lockable" not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket="lockable", CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_bucket_versioning(Bucket="lockable", VersioningConfiguration={"Status": "Enabled"})
    return {"bucket": "lockable", "rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 3}}}


NO_PASSWORDS = {"returnConnectionPasswordEncrypted": False}
AT_REST = {"encryptionAtRest": {"catalogEncryptionMode": "DISABLED"}}


def catalog_encryption(world: World, passwords: bool) -> dict[str, Any]:
    return {
        "encryptionAtRest": {"catalogEncryptionMode": "SSE-KMS", "sseAwsKmsKeyId": world.key_arn},
        "connectionPasswordEncryption": {
            "returnConnectionPasswordEncrypted": passwords,
            "awsKmsKeyId": world.key_arn,
        },
    }


def budget_notification(percent: int) -> dict[str, Any]:
    return {
        "notificationType": "ACTUAL",
        "comparisonOperator": "GREATER_THAN",
        "threshold": percent,
        "thresholdType": "PERCENTAGE",
        "subscriberEmailAddresses": ["team@example.org"],
    }


def acl_entry(number: int, protocol: str, port: int, block: str) -> dict[str, Any]:
    ports = {"fromPort": port, "toPort": port}
    return {"ruleNo": number, "protocol": protocol, "action": "allow", "cidrBlock": block, **ports}


VOLUMES = [{"size": 64, "type": "gp3", "volumesPerInstance": 2}]
DENY_PLAIN = {
    "Sid": "Tls",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::world-data", "arn:aws:s3:::world-data/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def endpoint_policy(action: str) -> str:
    return policy({"Effect": "Allow", "Principal": "*", "Action": [action], "Resource": "*"})


def key_policy(sid: str) -> str:
    return policy(
        {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    )


def definition(result: str) -> str:
    return json.dumps({"StartAt": "Only", "States": {"Only": {"Type": "Pass", "Result": result, "End": True}}})


def routes(world: World, weight: int) -> list[dict[str, Any]]:
    """An alias routes to versions that were published."""
    client = world.client("stepfunctions")
    machine = client.create_state_machine(
        name="versioned", roleArn=world.role_arn, definition=definition("one"), publish=True
    )
    return [{"stateMachineVersionArn": machine["stateMachineVersionArn"], "weight": weight}]


def index(name: str, key: str) -> dict[str, Any]:
    return {
        "name": name,
        "keySchemas": [{"attributeName": key, "keyType": "HASH"}],
        "projectionType": "ALL",
    }


def security_configuration(hops: int) -> str:
    metadata = {"MinimumInstanceMetadataServiceVersion": 2, "HttpPutResponseHopLimit": hops}
    return json.dumps({"InstanceMetadataServiceConfiguration": metadata})


def dashboard(markdown: str) -> str:
    widget = {"type": "text", "x": 0, "y": 0, "width": 3, "height": 3, "properties": {"markdown": markdown}}
    return json.dumps({"widgets": [widget]})


def cluster(world: World) -> dict[str, Any]:
    return {
        "name": "cluster",
        "releaseLabel": "emr-6.9.0",
        "applications": ["Spark", "Hive"],
        "serviceRole": world.role_arn,
        "autoscalingRole": world.role_arn,
        "ec2Attributes": {
            "instanceProfile": world.profile,
            "subnetId": world.subnets[0],
            "emrManagedMasterSecurityGroup": world.group,
            "emrManagedSlaveSecurityGroup": world.group,
            "serviceAccessSecurityGroup": world.group,
        },
        "masterInstanceGroup": {"instanceType": "m5.xlarge", "ebsConfigs": VOLUMES},
        "coreInstanceGroup": {
            "instanceType": "m5.xlarge",
            "instanceCount": 2,
            "ebsConfigs": VOLUMES,
            "autoscalingPolicy": scaling(4),
        },
        "kerberosAttributes": {"realm": "EC2.INTERNAL", "kdcAdminPassword": "correct-horse"},
        "configurationsJson": json.dumps([{"Classification": "spark", "Properties": {"a": "b"}}]),
        "logUri": "s3://world-logs/emr/",
        "keepJobFlowAliveWhenNoSteps": True,
        "terminationProtection": True,
        "autoTerminationPolicy": {"idleTimeout": 3600},
        "unhealthyNodeReplacement": True,
        "stepConcurrencyLevel": 4,
    }


def function(world: World) -> dict[str, Any]:
    return {
        "role": world.role_arn,
        "handler": "main.handler",
        "runtime": "python3.12",
        "code": archive(main="def handler(event, context): return 1"),
        "environment": {"variables": {"NAME": "one"}},
        "vpcConfig": {"subnetIds": list(world.subnets), "securityGroupIds": [world.group]},
        "tracingConfig": {"mode": "Active"},
        "loggingConfig": {"logFormat": "JSON", "logGroup": "/world"},
        "deadLetterConfig": {"targetArn": world.queue_arn},
        "architectures": ["arm64"],
    }


CASES: tuple[Case, ...] = (
    # network
    Case(
        "aws:ec2/vpc:Vpc",
        lambda world: {"cidrBlock": "10.9.0.0/16", "enableDnsHostnames": True, "tags": {"Name": "own"}},
        changes={"enableDnsHostnames": False},
        replaces={"cidrBlock": "10.8.0.0/16"},
    ),
    Case(
        "aws:ec2/subnet:Subnet",
        lambda world: {
            "vpcId": world.vpc,
            "cidrBlock": "10.0.30.0/24",
            "availabilityZone": "eu-west-1a",
            "privateDnsHostnameTypeOnLaunch": "ip-name",
        },
        changes={"mapPublicIpOnLaunch": True, "enableResourceNameDnsARecordOnLaunch": True},
        replaces={"cidrBlock": "10.0.31.0/24", "availabilityZone": "eu-west-1b"},
        compared=frozenset(["availabilityZone"]),
    ),
    Case("aws:ec2/internetGateway:InternetGateway", lambda world: {}),
    Case(
        "aws:ec2/eip:Eip",
        lambda world: {"domain": "vpc"},
        absent=frozenset(
            ["associationId", "instance", "ipamPoolId", "networkInterface", "privateDns", "privateIp", "ptrRecord"]
        ),
    ),
    Case(
        "aws:ec2/natGateway:NatGateway",
        lambda world: {"subnetId": world.subnets[0], "allocationId": world.allocation},
        replaces={"subnetId": "subnet-12345678"},
        absent=frozenset(["autoProvisionZones", "autoScalingIps", "regionalNatGatewayAddresses", "routeTableId"])
        | {"regionalNatGatewayAutoMode"},
        compared=frozenset(["subnetId"]),
    ),
    Case(
        "aws:ec2/routeTable:RouteTable",
        lambda world: {
            "vpcId": world.vpc,
            "routes": [{"cidrBlock": "0.0.0.0/0", "gatewayId": world.internet_gateway}],
        },
        changes={"routes": []},
        replaces={"vpcId": "vpc-12345678"},
        compared=frozenset(["vpcId"]),
    ),
    Case(
        "aws:ec2/routeTable:RouteTable",
        lambda world: {"vpcId": world.vpc},
        label="bare",
        absent=frozenset(["routes"]),
    ),
    Case(
        "aws:ec2/route:Route",
        lambda world: {
            "routeTableId": world.route_table,
            "destinationCidrBlock": "0.0.0.0/0",
            "natGatewayId": world.nat_gateway,
        },
        replaces={"destinationCidrBlock": "10.1.0.0/16"},
        import_id=lambda state, _: f"{state['routeTableId']}_{state['destinationCidrBlock']}",
    ),
    Case(
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        lambda world: {"routeTableId": world.route_table, "subnetId": world.subnets[0]},
        replaces={"subnetId": "subnet-12345678", "routeTableId": "rtb-12345678"},
        compared=frozenset(["subnetId", "routeTableId"]),
    ),
    Case(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        lambda world: {
            "vpcId": world.vpc,
            "serviceName": "com.amazonaws.eu-west-1.s3",
            "routeTableIds": [world.route_table],
            "policy": endpoint_policy("s3:GetObject"),
        },
        changes={"policy": endpoint_policy("s3:*")},
        replaces={"serviceName": "com.amazonaws.eu-west-1.dynamodb"},
        label="gateway",
        absent=frozenset(["dnsOptions", "subnetConfigurations"]),
    ),
    Case(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        lambda world: {
            "vpcId": world.vpc,
            "serviceName": "com.amazonaws.eu-west-1.sts",
            "vpcEndpointType": "Interface",
            "subnetIds": list(world.subnets),
            "securityGroupIds": [world.group],
            "privateDnsEnabled": True,
        },
        replaces={"vpcEndpointType": "Gateway"},
        label="interface",
        absent=frozenset(["dnsOptions", "subnetConfigurations"]),
        compared=frozenset(["vpcEndpointType"]),
    ),
    Case(
        "aws:ec2/securityGroup:SecurityGroup",
        lambda world: {"vpcId": world.vpc, "revokeRulesOnDelete": True},
        replaces={"description": "Another", "name": "other"},
        absent=frozenset(["ingress", "egress"]),
        not_imported=frozenset(["revokeRulesOnDelete"]),
    ),
    Case(
        "aws:ec2/securityGroup:SecurityGroup",
        lambda world: {
            "vpcId": world.vpc,
            "ingress": [
                {"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["10.0.0.0/8"], "self": True}
            ],
            "egress": [{"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}],
        },
        changes={"ingress": [{"protocol": "tcp", "fromPort": 80, "toPort": 80, "cidrBlocks": ["10.0.0.0/8"]}]},
        label="rules",
        not_imported=frozenset(["ingress", "egress"]),
    ),
    Case(
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        lambda world: {"vpcId": world.vpc},
        changes={"ingress": [{"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": ["10.0.0.0/8"]}]},
        stays=True,
    ),
    Case(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        lambda world: {
            "securityGroupId": world.group,
            "ipProtocol": "tcp",
            "fromPort": 8443,
            "toPort": 8443,
            "referencedSecurityGroupId": world.group,
            "description": "EMR's web service",
        },
        changes={"toPort": 8444},
        replaces={"securityGroupId": "sg-12345678", "cidrIpv4": "10.0.0.0/8"},
        exclusive=frozenset(["cidrIpv4", "referencedSecurityGroupId"]),
        compared=frozenset(["securityGroupId"]),
    ),
    Case(
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        lambda world: {"securityGroupId": world.group, "ipProtocol": "-1", "cidrIpv4": "10.0.0.0/8"},
        changes={"cidrIpv4": "10.0.0.0/9"},
        replaces={"prefixListId": "pl-12345678"},
        exclusive=frozenset(["cidrIpv4", "prefixListId"]),
    ),
    Case(
        "aws:ec2/flowLog:FlowLog",
        lambda world: {
            "vpcId": world.vpc,
            "trafficType": "ALL",
            "logDestination": world.log_group_arn,
            "iamRoleArn": world.role_arn,
            "maxAggregationInterval": 60,
        },
        replaces={"trafficType": "REJECT", "maxAggregationInterval": 600},
        compared=frozenset(["trafficType", "maxAggregationInterval"]),
    ),
    # keys and roles
    Case(
        "aws:kms/key:Key",
        lambda world: {
            "description": "Data",
            "policy": key_policy("One"),
            "enableKeyRotation": True,
            "rotationPeriodInDays": 180,
            "deletionWindowInDays": 7,
        },
        changes={"description": "Logs", "policy": key_policy("Two"), "enableKeyRotation": False},
        replaces={"keyUsage": "SIGN_VERIFY"},
        not_imported=frozenset(["deletionWindowInDays", "rotationPeriodInDays"]),
    ),
    Case(
        "aws:kms/alias:Alias",
        lambda world: {"targetKeyId": world.key_arn},
        replaces={"name": "alias/other"},
        not_imported=frozenset(["targetKeyId"]),
    ),
    Case(
        "aws:iam/role:Role",
        lambda world: {"assumeRolePolicy": trust("lambda.amazonaws.com"), "description": "One"},
        changes={
            "assumeRolePolicy": trust("ec2.amazonaws.com"),
            "description": "Two",
            "maxSessionDuration": 7200,
            "permissionsBoundary": "arn:aws:iam::aws:policy/PowerUserAccess",
        },
        replaces={"path": "/service/", "name": "other"},
        absent=frozenset(["inlinePolicies", "managedPolicyArns"]),
    ),
    Case(
        "aws:iam/rolePolicy:RolePolicy",
        lambda world: {
            "role": world.role,
            "policy": policy({"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::a/*"}),
        },
        changes={"policy": policy({"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::a/*"})},
        replaces={"role": "other"},
        compared=frozenset(["role"]),
    ),
    Case(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        lambda world: {"role": world.role, "policyArn": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
        replaces={"policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
    ),
    Case(
        "aws:iam/instanceProfile:InstanceProfile",
        lambda world: {"role": world.role},
        replaces={"name": "other", "path": "/other/"},
    ),
    # storage
    Case(
        "aws:s3/bucket:Bucket",
        lambda world: {"forceDestroy": False},
        changes={"forceDestroy": True},
        replaces={"bucket": "other-bucket-name"},
        absent=frozenset(
            ["accelerationStatus", "acl", "bucketNamespace", "corsRules", "grants", "lifecycleRules", "logging"]
        )
        | {"objectLockConfiguration", "policy", "replicationConfiguration", "serverSideEncryptionConfiguration"}
        | {"versioning", "website", "websiteDomain", "websiteEndpoint"},
        not_imported=frozenset(["forceDestroy"]),
    ),
    Case(
        "aws:s3/bucketVersioning:BucketVersioning",
        bucket_setting(versioningConfiguration={"status": "Enabled"}),
        changes={"versioningConfiguration": {"status": "Suspended"}},
        replaces={"bucket": "other-bucket-name"},
        stays=True,
        compared=frozenset(["bucket"]),
    ),
    Case(
        "aws:ec2/networkAcl:NetworkAcl",
        lambda world: {
            "vpcId": world.vpc,
            "subnetIds": [world.subnets[1]],
            "ingress": [acl_entry(100, "-1", 0, "10.0.0.0/16"), acl_entry(200, "tcp", 443, "0.0.0.0/0")],
            "egress": [acl_entry(100, "tcp", 443, "0.0.0.0/0")],
            "tags": {"Name": "own"},
        },
        changes={"egress": [acl_entry(100, "udp", 53, "10.0.0.0/16")], "subnetIds": []},
    ),
    Case(
        "aws:glue/dataCatalogEncryptionSettings:DataCatalogEncryptionSettings",
        lambda world: {"dataCatalogEncryptionSettings": catalog_encryption(world, True)},
        changes={"dataCatalogEncryptionSettings": {"connectionPasswordEncryption": NO_PASSWORDS, **AT_REST}},
        stays=True,
    ),
    Case(
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
        lockable_bucket,
        changes={"rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 5}}},
        replaces={"bucket": "other-bucket-name"},
        stays=True,
        compared=frozenset(["bucket"]),
        not_imported=frozenset(["rule"]),
    ),
    Case(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        lambda world: {
            "bucket": world.bucket,
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {
                        "sseAlgorithm": "aws:kms",
                        "kmsMasterKeyId": world.key_arn,
                    },
                    "bucketKeyEnabled": True,
                    "blockedEncryptionTypes": ["SSE-C"],
                }
            ],
        },
        changes={"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]},
        not_imported=frozenset(["rules"]),
    ),
    Case(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        bucket_setting(blockPublicAcls=True, blockPublicPolicy=True),
        changes={"ignorePublicAcls": True, "restrictPublicBuckets": True},
    ),
    Case(
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        bucket_setting(rule={"objectOwnership": "BucketOwnerEnforced"}),
        changes={"rule": {"objectOwnership": "BucketOwnerPreferred"}},
    ),
    Case(
        "aws:s3/bucketPolicy:BucketPolicy",
        bucket_setting(policy=policy(DENY_PLAIN)),
        changes={"policy": policy({**DENY_PLAIN, "Sid": "TlsOnly"})},
    ),
    Case(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        bucket_setting(
            rules=[
                {
                    "id": "staging",
                    "status": "Enabled",
                    "filter": {"prefix": "_staging/"},
                    "expiration": {"days": 7},
                    "noncurrentVersionExpiration": {"noncurrentDays": 5, "newerNoncurrentVersions": 2},
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                },
                {
                    "id": "all",
                    "status": "Enabled",
                    "filter": {},
                    "transitions": [{"days": 90, "storageClass": "STANDARD_IA"}],
                },
                {
                    "id": "both",
                    "status": "Disabled",
                    "filter": {"and": {"prefix": "a/", "objectSizeGreaterThan": 5, "tags": {"kind": "b"}}},
                    "expiration": {"days": 30},
                },
            ]
        ),
        changes={"rules": [{"id": "one", "status": "Enabled", "filter": {"prefix": "b/"}, "expiration": {"days": 3}}]},
        absent=frozenset(["expectedBucketOwner"]),
        not_imported=frozenset(["rules"]),
    ),
    Case(
        "aws:s3/bucketNotification:BucketNotification",
        lambda world: {
            "bucket": world.bucket,
            "queues": [
                {"id": "a", "queueArn": world.queue_arn, "events": ["s3:ObjectCreated:*"], "filterPrefix": "x/"}
            ],
        },
        changes={"eventbridge": True, "queues": []},
        stays=True,
    ),
    Case(
        "aws:s3/bucketLogging:BucketLogging",
        lambda world: {
            "bucket": world.bucket,
            "targetBucket": world.log_bucket,
            "targetPrefix": "a/",
            "targetObjectKeyFormat": {"partitionedPrefix": {"partitionDateSource": "EventTime"}},
        },
        changes={"targetPrefix": "b/"},
        not_imported=frozenset(["targetObjectKeyFormat"]),
    ),
    Case(
        "aws:s3/bucketObjectv2:BucketObjectv2",
        lambda world: {
            "bucket": world.bucket,
            "key": "jobs/transform.py",
            "source": text("print(1)"),
            "contentType": "text/x-python",
            "kmsKeyId": world.key_arn,
            "metadata": {"commit": "abc"},
        },
        changes={"source": text("print(2)")},
        replaces={"key": "jobs/other.py"},
        label="source",
        absent=frozenset(["acl"]),
        import_id=lambda state, key: f"{state['bucket']}/{key}",
        not_imported=frozenset(["source", "content", "contentBase64", "forceDestroy"]),
    ),
    Case(
        "aws:s3/bucketObjectv2:BucketObjectv2",
        lambda world: {"bucket": world.bucket, "key": "a.bin", "contentBase64": "AAEC"},
        changes={"contentBase64": "AAED"},
        label="base64",
        absent=frozenset(["acl", "kmsKeyId"]),
        import_id=lambda state, key: f"{state['bucket']}/{key}",
        not_imported=frozenset(["source", "content", "contentBase64", "forceDestroy"]),
    ),
    # catalog
    Case(
        "aws:glue/catalogDatabase:CatalogDatabase",
        lambda world: {"name": "flights", "locationUri": "s3://world-data/", "description": "One"},
        changes={"description": "Two"},
        replaces={"name": "other"},
        absent=frozenset(["createTableDefaultPermissions"]),
    ),
    Case(
        "aws:glue/catalogTable:CatalogTable",
        lambda world: {
            "databaseName": world.database,
            "name": "flights",
            "tableType": "EXTERNAL_TABLE",
            "parameters": {"classification": "parquet"},
            "partitionKeys": [{"name": "year", "type": "int"}],
            "storageDescriptor": {
                "location": "s3://world-data/flights/",
                "columns": [{"name": "origin", "type": "string", "comment": "From"}],
                "inputFormat": "in",
                "outputFormat": "out",
                "serDeInfo": {"serializationLibrary": "serde", "parameters": {"serialization.format": "1"}},
            },
        },
        changes={"parameters": {"classification": "parquet", "CamelCase": "kept"}},
        replaces={"databaseName": "other"},
        absent=frozenset(["viewDefinition"]),
        compared=frozenset(["databaseName"]),
    ),
    # cluster
    Case(
        "aws:emr/securityConfiguration:SecurityConfiguration",
        lambda world: {"configuration": security_configuration(1)},
        replaces={"configuration": security_configuration(2)},
        absent=frozenset(["namePrefix"]),
    ),
    Case(
        "aws:emr/cluster:Cluster",
        cluster,
        changes={
            "terminationProtection": False,
            "stepConcurrencyLevel": 5,
            "autoTerminationPolicy": {"idleTimeout": 7200},
            "unhealthyNodeReplacement": False,
            "coreInstanceGroup": {
                "instanceType": "m5.xlarge",
                "instanceCount": 3,
                "ebsConfigs": VOLUMES,
                "autoscalingPolicy": scaling(5),
            },
        },
        replaces={
            "releaseLabel": "emr-6.10.0",
            "configurationsJson": json.dumps([{"Classification": "spark", "Properties": {"a": "c"}}]),
            "coreInstanceGroup": {"instanceType": "m5.2xlarge", "instanceCount": 2, "ebsConfigs": VOLUMES},
        },
        absent=frozenset(["coreInstanceFleet", "masterInstanceFleet", "steps"]),
        not_imported=frozenset(
            [
                "autoTerminationPolicy",
                "configurationsJson",
                "kerberosAttributes",
                "coreInstanceGroup",
                "masterInstanceGroup",
            ]
        ),
    ),
    Case(
        "aws:emr/managedScalingPolicy:ManagedScalingPolicy",
        lambda world: {"clusterId": world.cluster, "computeLimits": [limits(4)]},
        replaces={"computeLimits": [limits(8)]},
    ),
    Case(
        "aws:emr/instanceGroup:InstanceGroup",
        lambda world: {
            "clusterId": world.cluster,
            "instanceType": "m5.xlarge",
            "instanceCount": 1,
            "ebsConfigs": VOLUMES,
            "autoscalingPolicy": scaling(4),
        },
        changes={"instanceCount": 2, "autoscalingPolicy": scaling(5)},
        replaces={"instanceType": "m5.2xlarge", "bidPrice": "0.10"},
        stays=True,
        import_id=lambda state, group: f"{state['clusterId']}/{group}",
        not_imported=frozenset(["configurationsJson"]),
    ),
    # secrets and parameters
    Case(
        "aws:secretsmanager/secret:Secret",
        lambda world: {"description": "One", "kmsKeyId": world.key_arn, "recoveryWindowInDays": 0},
        changes={"description": "Two"},
        replaces={"name": "other"},
        absent=frozenset(["policy"]),
        not_imported=frozenset(["recoveryWindowInDays"]),
    ),
    Case(
        "aws:secretsmanager/secretVersion:SecretVersion",
        lambda world: {"secretId": world.secret, "secretString": "open sesame"},
        replaces={"secretString": "another"},
        stays=True,
    ),
    Case(
        "aws:ssm/parameter:Parameter",
        lambda world: {"name": "/emr-pipeline/test/cluster-id", "type": "String", "value": "j-1"},
        changes={"value": "j-2", "description": "The cluster"},
        replaces={"name": "/other"},
        absent=frozenset(["insecureValue"]),
    ),
    # tables
    Case(
        "aws:dynamodb/table:Table",
        lambda world: {
            "billingMode": "PAY_PER_REQUEST",
            "hashKey": "pk",
            "rangeKey": "sk",
            "attributes": [{"name": name, "type": "S"} for name in ("pk", "sk", "state")],
            "globalSecondaryIndexes": [index("by-state", "state")],
            "serverSideEncryption": {"enabled": True, "kmsKeyArn": world.key_arn},
            "deletionProtectionEnabled": True,
        },
        changes={
            "pointInTimeRecovery": {"enabled": True},
            "deletionProtectionEnabled": False,
            "attributes": [{"name": name, "type": "S"} for name in ("pk", "sk", "owner")],
            "globalSecondaryIndexes": [index("by-owner", "owner")],
        },
        replaces={"name": "other"},
        absent=frozenset(["globalTableWitness", "warmThroughput"]),
    ),
    # messages
    Case(
        "aws:sqs/queue:Queue",
        lambda world: {
            "visibilityTimeoutSeconds": 360,
            "kmsMasterKeyId": world.key_arn,
            "kmsDataKeyReusePeriodSeconds": 300,
            "redrivePolicy": json.dumps({"deadLetterTargetArn": world.queue_arn, "maxReceiveCount": 5}),
            "redriveAllowPolicy": json.dumps({"redrivePermission": "denyAll"}),
        },
        changes={"visibilityTimeoutSeconds": 720, "messageRetentionSeconds": 1209600},
        replaces={"name": "other"},
        absent=frozenset(["deduplicationScope", "fifoThroughputLimit", "policy"]),
        not_imported=frozenset(["redriveAllowPolicy"]),
    ),
    Case(
        "aws:sqs/queue:Queue",
        lambda world: {"fifoQueue": True, "contentBasedDeduplication": True},
        changes={"contentBasedDeduplication": False},
        replaces={"name": "other.fifo"},
        label="fifo",
        absent=frozenset(["policy", "redriveAllowPolicy", "kmsDataKeyReusePeriodSeconds", "redrivePolicy"]),
    ),
    Case(
        "aws:sqs/queuePolicy:QueuePolicy",
        lambda world: {
            "queueUrl": world.queue_url,
            "policy": policy(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": world.queue_arn,
                }
            ),
        },
        replaces={"queueUrl": "http://127.0.0.1/1/other"},
        compared=frozenset(["queueUrl"]),
    ),
    Case(
        "aws:sns/topic:Topic",
        lambda world: {"displayName": "One", "kmsMasterKeyId": world.key_arn},
        changes={"displayName": "Two"},
        replaces={"name": "other"},
        absent=frozenset(["fifoThroughputScope", "maximumMessageSize", "policy", "signatureVersion", "tracingConfig"]),
    ),
    Case(
        "aws:sns/topicPolicy:TopicPolicy",
        lambda world: {
            "arn": world.topic_arn,
            "policy": policy(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": world.topic_arn,
                }
            ),
        },
        stays=True,
    ),
    Case(
        "aws:sns/topicSubscription:TopicSubscription",
        lambda world: {
            "topic": world.topic_arn,
            "protocol": "sqs",
            "endpoint": world.queue_arn,
            "filterPolicy": json.dumps({"kind": ["a"]}),
        },
        changes={"rawMessageDelivery": True, "filterPolicy": json.dumps({"kind": ["b"]})},
        replaces={"endpoint": "arn:aws:sqs:eu-west-1:123456789012:other"},
    ),
    # functions
    Case(
        "aws:lambda/function:Function",
        function,
        changes={
            "timeout": 60,
            "memorySize": 512,
            "environment": {"variables": {"NAME": "two"}},
            "code": archive(main="def handler(event, context): return 2"),
        },
        replaces={"name": "other"},
        absent=frozenset(["sourceCodeHash"]),
        not_imported=frozenset(["code", "loggingConfig", "snapStart", "vpcConfig"]),
    ),
    Case(
        "aws:lambda/eventSourceMapping:EventSourceMapping",
        lambda world: {
            "functionName": world.function,
            "eventSourceArn": world.queue_arn,
            "batchSize": 100,
            "maximumBatchingWindowInSeconds": 60,
            "functionResponseTypes": ["ReportBatchItemFailures"],
            "scalingConfig": {"maximumConcurrency": 2},
        },
        changes={"batchSize": 200},
        replaces={"eventSourceArn": "arn:aws:sqs:eu-west-1:123456789012:other"},
        absent=frozenset(
            ["amazonManagedKafkaEventSourceConfig", "selfManagedKafkaEventSourceConfig", "maximumRecordAgeInSeconds"]
        )
        | {"maximumRetryAttempts", "parallelizationFactor"},
        compared=frozenset(["eventSourceArn"]),
        not_imported=frozenset(["functionName"]),
    ),
    Case(
        "aws:lambda/permission:Permission",
        lambda world: {
            "function": world.function,
            "action": "lambda:InvokeFunction",
            "principal": "events.amazonaws.com",
            "sourceArn": "arn:aws:events:eu-west-1:123456789012:rule/world",
            "sourceAccount": "123456789012",
        },
        replaces={"principal": "s3.amazonaws.com"},
        absent=frozenset(["statementIdPrefix"]),
        import_id=lambda state, statement: f"{state['function']}/{statement}",
    ),
    # events, alarms, logs
    Case(
        "aws:cloudwatch/eventRule:EventRule",
        lambda world: {"eventPattern": json.dumps({"source": ["aws.s3"]}), "description": "One"},
        changes={"eventPattern": json.dumps({"source": ["aws.emr"]}), "description": "Two", "state": "DISABLED"},
        replaces={"name": "other"},
        not_imported=frozenset(["isEnabled", "state"]),
    ),
    Case(
        "aws:cloudwatch/eventRule:EventRule",
        lambda world: {"scheduleExpression": "rate(1 hour)"},
        changes={"scheduleExpression": "rate(2 hours)"},
        label="schedule",
        not_imported=frozenset(["isEnabled", "state"]),
    ),
    Case(
        "aws:cloudwatch/eventTarget:EventTarget",
        lambda world: {
            "rule": world.rule,
            "arn": world.queue_arn,
            "deadLetterConfig": {"arn": world.queue_arn},
            "retryPolicy": {"maximumEventAgeInSeconds": 3600, "maximumRetryAttempts": 10},
            "inputTransformer": {"inputPaths": {"key": "$.detail.object.key"}, "inputTemplate": '"<key>"'},
        },
        changes={"retryPolicy": {"maximumEventAgeInSeconds": 7200, "maximumRetryAttempts": 5}},
        replaces={"rule": "other"},
        compared=frozenset(["rule"]),
        import_id=lambda state, _: f"{state['rule']}/{state['targetId']}",
    ),
    Case(
        "aws:cloudwatch/logGroup:LogGroup",
        lambda world: {"name": "/emr-pipeline/test", "retentionInDays": 30, "kmsKeyId": world.key_arn},
        changes={"retentionInDays": 90},
        replaces={"name": "/other"},
    ),
    Case(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        lambda world: {
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 1,
            "metricName": "ExecutionsFailed",
            "namespace": "AWS/States",
            "period": 300,
            "statistic": "Sum",
            "threshold": 0.5,
            "dimensions": {"StateMachineArn": "arn"},
            "alarmActions": [world.topic_arn],
            "treatMissingData": "notBreaching",
        },
        changes={"threshold": 1, "alarmDescription": "Now with words"},
        replaces={"name": "other"},
    ),
    Case(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        lambda world: {
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 1,
            "threshold": 1,
            "metricQueries": [
                {"id": "percent", "expression": "part*100", "label": "Percent", "returnData": True},
                {"id": "part", "metric": {"metricName": "X", "namespace": "N", "period": 300, "stat": "Sum"}},
            ],
        },
        changes={"threshold": 2},
        label="queries",
    ),
    Case(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        lambda world: {
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 1,
            "threshold": 1,
            "metricQueries": [
                *(
                    {"id": name, "metric": {"metricName": name.upper(), "namespace": "N", "period": 300, "stat": "Sum"}}
                    for name in ("idle", "waiting")
                ),
                {"id": "value", "expression": "idle * waiting", "label": "both", "returnData": True},
            ],
        },
        changes={"threshold": 2},
        label="two-metrics",
    ),
    Case(
        "aws:cloudwatch/compositeAlarm:CompositeAlarm",
        # A rule that names alarms needs them; these two constants are rules too (CloudWatch guide, "Composite alarms").
        lambda world: {"alarmName": "unhealthy", "alarmRule": "FALSE", "okActions": [world.topic_arn]},
        changes={"alarmRule": "TRUE", "alarmDescription": "Now with words"},
        replaces={"alarmName": "other", "actionsEnabled": False},
    ),
    Case(
        "aws:cloudwatch/queryDefinition:QueryDefinition",
        lambda world: {"name": "test/failures", "queryString": "fields @message", "logGroupNames": ["/one"]},
        changes={"name": "test/others", "queryString": "fields @timestamp", "logGroupNames": ["/one", "/two"]},
        import_id=lambda state, _: state["arn"],
    ),
    Case(
        "aws:cloudwatch/dashboard:Dashboard",
        lambda world: {"dashboardName": "test", "dashboardBody": dashboard("one")},
        changes={"dashboardBody": dashboard("two")},
        replaces={"dashboardName": "other"},
    ),
    # cost
    Case(
        "aws:budgets/budget:Budget",
        lambda world: {
            "name": "month",
            "budgetType": "COST",
            "timeUnit": "MONTHLY",
            "limitAmount": "100",
            "limitUnit": "USD",
            "metrics": "UnblendedCost",
            "notifications": [budget_notification(80)],
        },
        changes={"limitAmount": "200", "notifications": [budget_notification(90)]},
        replaces={"name": "another-month"},
        absent=frozenset(["costFilters", "costTypes"]),
        not_imported=frozenset(["notifications"]),
    ),
    # orchestration
    Case(
        "aws:sfn/stateMachine:StateMachine",
        lambda world: {
            "name": "emr-pipeline-test-pipeline",
            "roleArn": world.role_arn,
            "definition": definition("one"),
            "loggingConfiguration": {"level": "ALL", "logDestination": f"{world.log_group_arn}:*"},
            "tracingConfiguration": {"enabled": True},
            "encryptionConfiguration": {
                "type": "CUSTOMER_MANAGED_KMS_KEY",
                "kmsKeyId": world.key_arn,
                "kmsDataKeyReusePeriodSeconds": 300,
            },
        },
        changes={"definition": definition("two")},
        replaces={"name": "other", "type": "EXPRESS"},
        compared=frozenset(["type"]),
        not_imported=frozenset(["loggingConfiguration"]),
    ),
    Case(
        "aws:sfn/alias:Alias",
        lambda world: {"name": "live", "routingConfigurations": routes(world, 100)},
        changes={"description": "What runs now"},
        replaces={"name": "next"},
    ),
    # random and tls
    Case(
        "random:index/randomPassword:RandomPassword",
        lambda world: {"length": 24, "minSpecial": 2},
        replaces={"length": 25, "keepers": {"generation": "2"}},
        stays=True,
        absent=frozenset(["bcryptHash", "number"]),
        not_imported=frozenset(["length", "minSpecial", "keepers"]),
    ),
    Case(
        "random:index/randomId:RandomId",
        lambda world: {"byteLength": 4, "prefix": "a-"},
        replaces={"byteLength": 8},
        stays=True,
        not_imported=frozenset(["byteLength", "prefix"]),
    ),
    Case(
        "tls:index/privateKey:PrivateKey",
        lambda world: {"algorithm": "RSA"},
        replaces={"rsaBits": 4096},
        stays=True,
        not_imported=frozenset(["algorithm", "rsaBits"]),
    ),
)
"""Certificates need each other, so their life cycle is in test_tls.py."""
