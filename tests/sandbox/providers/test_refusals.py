"""Wrong inputs, and what the person at the engine reads."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from sandbox.providers.protocol import UNKNOWN
from sandbox.providers.services import ec2
from tests.sandbox.providers.cases import archive, cluster, definition, function
from tests.sandbox.providers.driver import CheckFailedError, ProviderDriver, partial_failure
from tests.sandbox.providers.world import World, policy, trust


def label(value: Any) -> str:
    """Test ids of token and property; the rest is too long to read."""
    if not isinstance(value, str) or " " in value:
        return ""
    return value.split(":")[2] if value.count(":") == 2 else value


def role(**inputs: Any) -> dict[str, Any]:
    return {"assumeRolePolicy": trust("lambda.amazonaws.com"), **inputs}


def statement(**elements: Any) -> str:
    """A key's policy of one statement, with other elements."""
    given = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
    return policy({**given, **elements})


CHECKED: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("aws:ec2/vpc:Vpc", {"cidr": "10.0.0.0/16"}, "cidr", "unknown input 'cidr'"),
    ("aws:ec2/subnet:Subnet", {"cidrBlock": "10.0.0.0/24"}, "vpcId", "missing required input 'vpcId'"),
    (
        "aws:ec2/vpc:Vpc",
        {"cidrBlock": "10.0.0.0/16", "ipv6IpamPoolId": "a"},
        "ipv6IpamPoolId",
        "not handled by the sandbox's stand-in",
    ),
    ("aws:s3/bucket:Bucket", {"versioning": {"enabled": True}}, "versioning", "add it in sandbox/providers/services/"),
    ("aws:s3/bucket:Bucket", {"bucket": "Upper_Case"}, "bucket", "lower-case"),
    ("aws:s3/bucket:Bucket", {"bucket": "mine-s3alias"}, "bucket", "no reserved form"),
    (
        "aws:ec2/route:Route",
        {"routeTableId": "r", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "i", "natGatewayId": "n"},
        "gatewayId",
        "only one of",
    ),
    (
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"securityGroupId": "s", "ipProtocol": "tcp", "cidrIpv4": "10.0.0.0/8", "prefixListId": "p"},
        "prefixListId",
        "exactly one of",
    ),
    (
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        {"securityGroupId": "s", "ipProtocol": "-1", "cidrIpv4": "10.0.0.0/8", "fromPort": 1, "toPort": 2},
        "fromPort",
        "protocol -1",
    ),
    (
        "aws:ec2/flowLog:FlowLog",
        {"vpcId": "v", "maxAggregationInterval": 300},
        "maxAggregationInterval",
        "not one of 60, 600",
    ),
    ("aws:iam/role:Role", {"assumeRolePolicy": "{"}, "assumeRolePolicy", "is not JSON"),
    ("aws:s3/bucketPolicy:BucketPolicy", {"bucket": "b", "policy": "{'a': 1}"}, "policy", "is not JSON"),
    ("aws:sfn/stateMachine:StateMachine", {"roleArn": "r", "definition": "no"}, "definition", "is not JSON"),
    (
        "aws:sfn/stateMachine:StateMachine",
        {
            "roleArn": "r",
            "definition": definition("a"),
            "loggingConfiguration": {"level": "ALL", "logDestination": "arn:x"},
        },
        "loggingConfiguration",
        "must end in ':*'",
    ),
    ("aws:cloudwatch/eventRule:EventRule", {"eventPattern": "source=s3"}, "eventPattern", "is not JSON"),
    (
        "aws:cloudwatch/dashboard:Dashboard",
        {"dashboardName": "d", "dashboardBody": "["},
        "dashboardBody",
        "is not JSON",
    ),
    ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 31}, "retentionInDays", "accepts 0, 1, 3"),
    (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1, "treatMissingData": "alarm"},
        "treatMissingData",
        "not one of breaching, ignore, missing, notBreaching",
    ),
    (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1, "datapointsToAlarm": 2},
        "datapointsToAlarm",
        "never go off",
    ),
    ("aws:sqs/queue:Queue", {"visibilityTimeoutSeconds": 50000}, "visibilityTimeoutSeconds", "allows 0 to 43200"),
    ("aws:sqs/queue:Queue", {"name": "a.fifo"}, "name", "ends in .fifo"),
    ("aws:sqs/queue:Queue", {"kmsMasterKeyId": "k", "sqsManagedSseEnabled": True}, "sqsManagedSseEnabled", "conflicts"),
    (
        "aws:sns/topicSubscription:TopicSubscription",
        {"topic": "t", "protocol": "mail", "endpoint": "a@b.c"},
        "protocol",
        "not one of application, email",
    ),
    ("aws:ssm/parameter:Parameter", {"type": "String", "value": "a", "keyId": "k"}, "keyId", "SecureString"),
    ("aws:lambda/function:Function", {"role": "r", "code": archive(main="")}, "handler", "must be given"),
    (
        "aws:lambda/eventSourceMapping:EventSourceMapping",
        {"functionName": "f", "eventSourceArn": "arn:aws:sqs:eu-west-1:1:q", "batchSize": 1000},
        "batchSize",
        "maximumBatchingWindowInSeconds",
    ),
    (
        "aws:emr/cluster:Cluster",
        {
            "releaseLabel": "emr-6.9.0",
            "serviceRole": "r",
            "masterInstanceGroup": {"instanceType": "m5.xlarge", "instanceCount": 2},
        },
        "masterInstanceGroup",
        "masterInstanceGroup.instanceCount is 2, which is not one of 1, 3",
    ),
    (
        "aws:emr/cluster:Cluster",
        {"releaseLabel": "emr-6.9.0", "serviceRole": "r", "logUri": "/var"},
        "logUri",
        "S3 address",
    ),
    (
        "aws:emr/cluster:Cluster",
        {"releaseLabel": "emr-6.9.0", "serviceRole": "r", "steps": []},
        "steps",
        "not handled by the sandbox's stand-in",
    ),
    ("aws:ec2/vpc:Vpc", {"cidrBlock": "not-a-block"}, "cidrBlock", "is 'not-a-block', which is no IPv4 block"),
    ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/8"}, "cidrBlock", "a block here is /16 to /28"),
    ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.1/16"}, "cidrBlock", "has host bits set"),
    ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16", "instanceTenancy": "shared"}, "instanceTenancy", "not one of"),
    (
        "aws:ec2/subnet:Subnet",
        {"vpcId": "v", "cidrBlock": "10.0.0.0/24", "availabilityZone": "a", "availabilityZoneId": "b"},
        "availabilityZoneId",
        "availabilityZone and availabilityZoneId conflict; give at most one of them",
    ),
    ("aws:ec2/flowLog:FlowLog", {"trafficType": "ALL"}, "eniId", "must be given"),
    ("aws:ec2/securityGroup:SecurityGroup", {"name": "sg-mine"}, "name", "does not begin with sg-"),
    ("aws:ec2/securityGroup:SecurityGroup", {"description": "more than 90%"}, "description", "EC2 takes up to 255 of"),
    ("aws:iam/role:Role", role(name="no spaces"), "name", "is 'no spaces'; a role's name is"),
    ("aws:iam/role:Role", role(maxSessionDuration=60), "maxSessionDuration", "is 60; allowed are 3600 to 43200"),
    ("aws:iam/role:Role", role(name="a", namePrefix="b"), "namePrefix", "name and namePrefix conflict"),
    ("aws:kms/key:Key", {"deletionWindowInDays": 3}, "deletionWindowInDays", "is 3; allowed are 7 to 30"),
    ("aws:kms/alias:Alias", {"name": "data", "targetKeyId": "x"}, "name", "an alias begins with alias/"),
    ("aws:lambda/function:Function", {"role": "r", "timeout": 1000}, "timeout", "is 1000; allowed are 1 to 900"),
    (
        "aws:lambda/permission:Permission",
        {"action": "InvokeFunction", "function": "f", "principal": "events.amazonaws.com"},
        "action",
        "such as lambda:InvokeFunction",
    ),
    ("aws:cloudwatch/eventRule:EventRule", {"scheduleExpression": "5 minutes"}, "scheduleExpression", "or rate(…)"),
    (
        "aws:cloudwatch/eventTarget:EventTarget",
        {"rule": "r", "arn": "a", "input": "{}", "inputPath": "$"},
        "inputPath",
        "input and inputPath conflict",
    ),
    ("aws:secretsmanager/secret:Secret", {"recoveryWindowInDays": 3}, "recoveryWindowInDays", "is 3, which is not"),
    ("aws:glue/catalogDatabase:CatalogDatabase", {"name": "Flights"}, "name", "no capitals"),
    (
        "aws:s3/bucketObjectv2:BucketObjectv2",
        {"bucket": "b", "key": "k", "content": "a", "contentBase64": "YQ=="},
        "contentBase64",
        "content and contentBase64 conflict",
    ),
    (
        "aws:emr/cluster:Cluster",
        {
            "releaseLabel": "r",
            "serviceRole": "r",
            "ec2Attributes": {"instanceProfile": "i", "subnetId": "s", "subnetIds": ["s"]},
        },
        "ec2Attributes",
        "ec2Attributes.subnetId and ec2Attributes.subnetIds conflict",
    ),
    (
        "aws:emr/cluster:Cluster",
        {
            "releaseLabel": "r",
            "serviceRole": "r",
            "configurationsJson": '[{"Classification": "a", "Properties": {"n": 1}}]',
        },
        "configurationsJson",
        "Invalid type for parameter [0].Properties.n, value: 1",
    ),
    # documents
    ("aws:iam/role:Role", role(assumeRolePolicy="[]"), "assumeRolePolicy", "a policy is a JSON object"),
    ("aws:kms/key:Key", {"policy": statement(Effect="Deny")}, "policy", "locks everybody out"),
    ("aws:s3/bucketPolicy:BucketPolicy", {"bucket": "b", "policy": statement()}, "policy", "has invalid action"),
    ("aws:sns/topicPolicy:TopicPolicy", {"arn": "a", "policy": statement(Action="sns:*")}, "policy", "out of service"),
    (
        "aws:iam/rolePolicy:RolePolicy",
        {"role": "r", "policy": statement()},
        "policy",
        'policy: Statement[0].Principal: "Has prohibited field Principal" (identity policy)',
    ),
    (
        "aws:emr/securityConfiguration:SecurityConfiguration",
        {"configuration": '{"EncryptionConfiguration": {"EnableInTransitEncryption": true}}'},
        "configuration",
        "'EnableAtRestEncryption' is a required property",
    ),
    (
        "aws:sfn/stateMachine:StateMachine",
        {"roleArn": "r", "definition": definition("a").replace("Only", "Lonely", 1)},
        "definition",
        "MISSING_TRANSITION_TARGET: Missing 'StartAt' target: Lonely at /StartAt",
    ),
    ("aws:cloudwatch/eventRule:EventRule", {"eventPattern": '{"source": "aws.s3"}'}, "eventPattern", "an object or"),
    (
        "aws:cloudwatch/dashboard:Dashboard",
        {"dashboardName": "d", "dashboardBody": '{"widgets": [{"type": "text", "properties": {}}]}'},
        "dashboardBody",
        "widgets[0].properties: 'markdown' is a required property",
    ),
    (
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        {
            "bucket": "b",
            "rules": [{"id": "a", "status": "Enabled", "transitions": [{"days": 7, "storageClass": "STANDARD_IA"}]}],
        },
        "rules",
        "greater than or equal to 30",
    ),
    ("random:index/randomPassword:RandomPassword", {"length": 2, "minUpper": 3}, "length", "sum of the minima"),
    ("tls:index/privateKey:PrivateKey", {"algorithm": "DSA"}, "algorithm", "not one of RSA, ECDSA, ED25519"),
    (
        "tls:index/selfSignedCert:SelfSignedCert",
        {"allowedUses": ["server_authentication"], "validityPeriodHours": 1, "privateKeyPem": "k"},
        "allowedUses",
        "the nearest known is 'server_auth'",
    ),
)


@pytest.mark.parametrize(
    ("token", "inputs", "name", "reason"), CHECKED, ids=[f"{c[0].split(':')[2]}-{c[2]}" for c in CHECKED]
)
def test_a_check_refuses(
    token: str, inputs: dict[str, Any], name: str, reason: str, drivers: dict[str, ProviderDriver]
) -> None:
    with pytest.raises(CheckFailedError) as refused:
        drivers[token.split(":")[0]].check(token, "wrong", inputs)
    assert reason in refused.value.failures[name], "the failure belongs to the input, and says what is wrong"


def test_all_failures_of_a_resource_come_at_once(aws: ProviderDriver) -> None:
    with pytest.raises(CheckFailedError) as refused:
        aws.check("aws:ec2/subnet:Subnet", "wrong", {"cidr": "a", "mapPublicIpOnLaunch": "maybe"})
    assert refused.value.failures.keys() == {"cidr", "mapPublicIpOnLaunch", "vpcId"}


def test_what_is_unknown_is_not_refused(aws: ProviderDriver) -> None:
    inputs = {
        "roleArn": UNKNOWN,
        "definition": UNKNOWN,
        "loggingConfiguration": {"level": "ALL", "logDestination": UNKNOWN},
    }
    assert aws.check("aws:sfn/stateMachine:StateMachine", "later", inputs)["definition"] is UNKNOWN


CREATED: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("aws:ec2/subnet:Subnet", {"vpcId": "vpc-gone", "cidrBlock": "10.0.0.0/24"}, "CreateSubnet: InvalidVpcID.NotFound"),
    ("aws:s3/bucket:Bucket", {"bucket": "world-data"}, "CreateBucket: BucketAlreadyOwnedByYou"),
    (
        "aws:s3/bucketVersioning:BucketVersioning",
        {"bucket": "world-data", "versioningConfiguration": {"status": "On"}},
        "s3 PutBucketVersioning: VersioningConfiguration.Status is 'On'",
    ),
    (
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        {"bucket": "no-such-bucket-here"},
        "PutPublicAccessBlock: NoSuchBucket",
    ),
    (
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        {"role": "world", "policyArn": "arn:aws:iam::aws:policy/NoSuchPolicy"},
        "AttachRolePolicy: NoSuchEntity",
    ),
    (
        "aws:iam/role:Role",
        role(path=f"/{'a' * 520}/"),
        "iam CreateRole: Path has 522 characters, more than 512",
    ),
    ("aws:kms/alias:Alias", {"name": "alias/data", "targetKeyId": "x"}, "CreateAlias"),
    ("aws:ssm/parameter:Parameter", {"type": "Text", "value": "a"}, "ssm PutParameter: Type is 'Text'"),
    (
        "aws:sqs/queue:Queue",
        {"redrivePolicy": '{"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:1:gone"}'},
        "CreateQueue",
    ),
    (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {"comparisonOperator": "MoreThan", "evaluationPeriods": 1},
        "cloudwatch PutMetricAlarm: ComparisonOperator is 'MoreThan'",
    ),
    (
        "aws:cloudwatch/eventRule:EventRule",
        {},
        "one of eventPattern and scheduleExpression must be given",
    ),
)


@pytest.mark.parametrize(
    ("token", "inputs", "message"), CREATED, ids=[f"{c[0].split(':')[2]}-{i}" for i, c in enumerate(CREATED)]
)
def test_a_creation_refuses_as_aws_would(
    token: str, inputs: dict[str, Any], message: str, aws: ProviderDriver, world: World
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        aws.create(token, "wrong", inputs)
    details = refused.value.details()
    assert details.startswith(f"creating {token} 'wrong': "), "the error says which resource it was about"
    assert message in details, "and what AWS said"
    assert partial_failure(refused.value) is None, "nothing was made, so the engine keeps nothing"


def test_a_lambda_function_needs_a_role_that_exists(aws: ProviderDriver, world: World) -> None:
    with pytest.raises(grpc.RpcError, match="cannot be assumed by Lambda"):
        aws.create(
            "aws:lambda/function:Function",
            "no-role",
            {**function(world), "role": "arn:aws:iam::123456789012:role/gone"},
        )


def test_a_scaling_policy_is_checked_inside(aws: ProviderDriver, world: World) -> None:
    inputs = cluster(world)
    inputs["coreInstanceGroup"] = {
        **inputs["coreInstanceGroup"],
        "autoscalingPolicy": inputs["coreInstanceGroup"]["autoscalingPolicy"].replace("LESS_THAN", "BELOW"),
    }
    with pytest.raises(CheckFailedError, match=r"Rules\[0\].*ComparisonOperator is 'BELOW'"):
        aws.check("aws:emr/cluster:Cluster", "c", inputs)


def test_deletions_fail_as_aws_does(aws: ProviderDriver, world: World) -> None:
    bucket = aws.create("aws:s3/bucket:Bucket", "full", {"bucket": "full-bucket", "forceDestroy": False})
    world.client("s3").put_object(Bucket="full-bucket", Key="kept", Body=b"data")
    with pytest.raises(grpc.RpcError, match=r"deleting aws:s3/bucket:Bucket 'full': DeleteBucket: BucketNotEmpty"):
        aws.delete(bucket)
    assert aws.read(bucket) is not None, "data is not lost by a setting that was never made"

    emptied = aws.update(bucket, {"bucket": "full-bucket", "forceDestroy": True})
    aws.delete(emptied)
    assert aws.read(emptied) is None, "forceDestroy empties the bucket first"


def test_a_protected_cluster_is_not_deleted(aws: ProviderDriver, world: World) -> None:
    protected = aws.create("aws:emr/cluster:Cluster", "protected", cluster(world))
    with pytest.raises(grpc.RpcError, match=r"TerminateJobFlows: ValidationException"):
        aws.delete(protected)
    open_for_it = aws.update(protected, {**cluster(world), "terminationProtection": False})
    aws.delete(open_for_it)
    assert aws.read(open_for_it) is None


def test_versions_and_markers_go_with_a_bucket_that_may_lose_data(aws: ProviderDriver, world: World) -> None:
    bucket = aws.create("aws:s3/bucket:Bucket", "v", {"bucket": "versioned-bucket", "forceDestroy": True})
    client = world.client("s3")
    client.put_bucket_versioning(Bucket="versioned-bucket", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        client.put_object(Bucket="versioned-bucket", Key="k", Body=body)
    client.delete_object(Bucket="versioned-bucket", Key="k")
    aws.delete(bucket)
    assert aws.read(bucket) is None


def test_groups_that_name_each_other_go_when_they_may_revoke(aws: ProviderDriver, world: World) -> None:
    token = "aws:ec2/securityGroup:SecurityGroup"
    given = {"vpcId": world.vpc, "revokeRulesOnDelete": True}
    first, second = aws.create(token, "first", given), aws.create(token, "second", given)
    client = world.client("ec2")
    for group, other in ((first, second), (second, first)):
        # EMR writes such rules into the groups that it is given, and leaves them behind.
        source = [{"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535, "UserIdGroupPairs": [{"GroupId": other.id}]}]
        client.authorize_security_group_ingress(GroupId=group.id, IpPermissions=source)
    aws.delete(first)
    assert aws.read(first) is None
    aws.delete(second)
    assert aws.read(second) is None


def test_a_group_in_use_is_not_deleted(aws: ProviderDriver, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ec2, "_PATIENCE_SECONDS", 0)
    token = "aws:ec2/securityGroup:SecurityGroup"
    used, user = (aws.create(token, name, {"vpcId": world.vpc}) for name in ("used", "user"))
    source = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "UserIdGroupPairs": [{"GroupId": used.id}]}]
    world.client("ec2").authorize_security_group_ingress(GroupId=user.id, IpPermissions=source)
    with pytest.raises(grpc.RpcError, match=r"DeleteSecurityGroup: DependencyViolation"):
        aws.delete(used)
    aws.delete(user)
    aws.delete(used)
