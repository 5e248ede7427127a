"""Fields and checks of other services that moto lacks."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError


def test_the_rotation_period_of_a_key_reads_back(sandbox_aws):
    key = sandbox_aws.kms.create_key()["KeyMetadata"]["KeyId"]
    assert "RotationPeriodInDays" not in sandbox_aws.kms.get_key_rotation_status(KeyId=key)
    sandbox_aws.kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
    status = sandbox_aws.kms.get_key_rotation_status(KeyId=key)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 180)


def test_the_key_of_a_log_group_changes(sandbox_aws):
    group = sandbox_aws.name("group")
    sandbox_aws.logs.create_log_group(logGroupName=group)
    key = sandbox_aws.arn("kms", "key/k")

    def shown() -> str | None:
        return sandbox_aws.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0].get("kmsKeyId")

    sandbox_aws.logs.associate_kms_key(logGroupName=group, kmsKeyId=key)
    assert shown() == key
    sandbox_aws.logs.disassociate_kms_key(logGroupName=group)
    assert shown() is None
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        sandbox_aws.logs.associate_kms_key(logGroupName="none", kmsKeyId=key)


def test_a_flow_log_to_an_existing_group_is_delivered(sandbox_aws):
    vpc = sandbox_aws.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    group = sandbox_aws.name("group")
    sandbox_aws.logs.create_log_group(logGroupName=group)

    def status(name: str) -> str:
        flow_log = sandbox_aws.ec2.create_flow_logs(
            ResourceIds=[vpc],
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            LogDestination=sandbox_aws.arn("logs", f"log-group:{name}"),
            DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/tests",
        )["FlowLogIds"][0]
        return sandbox_aws.ec2.describe_flow_logs(FlowLogIds=[flow_log])["FlowLogs"][0]["DeliverLogsStatus"]

    assert status(group) == "SUCCESS"
    assert status("none-such") == "FAILED"


@pytest.fixture
def groups(sandbox_aws):
    vpc = sandbox_aws.ec2.create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]

    def make() -> str:
        return sandbox_aws.ec2.create_security_group(GroupName=sandbox_aws.name("group"), Description="d", VpcId=vpc)[
            "GroupId"
        ]

    return make(), make()


def test_rules_between_groups_show_their_description(sandbox_aws, groups):
    first, second = groups
    sandbox_aws.ec2.authorize_security_group_ingress(
        GroupId=first,
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 443,
                "UserIdGroupPairs": [{"GroupId": second, "Description": "from functions"}],
            }
        ],
    )
    filters = [{"Name": "group-id", "Values": [first]}]
    rules = sandbox_aws.ec2.describe_security_group_rules(Filters=filters)["SecurityGroupRules"]
    assert [rule["Description"] for rule in rules if not rule["IsEgress"]] == ["from functions"]


def test_a_security_group_in_use_is_not_deleted(sandbox_aws, groups):
    first, second = groups
    permission = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": second}]}]
    sandbox_aws.ec2.authorize_security_group_ingress(GroupId=first, IpPermissions=permission)
    with pytest.raises(ClientError) as refused:
        sandbox_aws.ec2.delete_security_group(GroupId=second)
    assert refused.value.response["Error"]["Code"] == "DependencyViolation"
    assert first in str(refused.value), "the message names what uses the group"
    sandbox_aws.ec2.revoke_security_group_ingress(GroupId=first, IpPermissions=permission)
    sandbox_aws.ec2.delete_security_group(GroupId=second)


def test_a_group_that_only_refers_to_itself_is_deleted(sandbox_aws, groups):
    group = groups[0]
    permission = [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}]
    sandbox_aws.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permission)
    sandbox_aws.ec2.delete_security_group(GroupId=group)


def test_aws_managed_policies_can_be_attached(sandbox_aws):
    role = sandbox_aws.name("role")
    sandbox_aws.iam.create_role(RoleName=role, AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}')
    policy = "arn:aws:iam::aws:policy/service-role/AmazonEMRServicePolicy_v2"
    sandbox_aws.iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    attached = sandbox_aws.iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert [item["PolicyArn"] for item in attached] == [policy]


def test_email_subscriptions_take_no_mail_and_break_no_publication(sandbox_aws):
    topic = sandbox_aws.sns.create_topic(Name=sandbox_aws.name("topic"))["TopicArn"]
    url, arn = sandbox_aws.queue()
    sandbox_aws.sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="team@example.org")
    sandbox_aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    sandbox_aws.sns.publish(TopicArn=topic, Message="told")
    assert sandbox_aws.messages(url, 1) == ["told"]


@pytest.mark.parametrize(
    ("service", "call", "parameters"),
    [
        ("emr", "list_studios", {}),
        ("ec2", "describe_vpc_block_public_access_options", {}),
        ("cloudwatch", "describe_anomaly_detectors", {}),
    ],
)
def test_a_call_that_is_not_there_fails_at_once_and_by_name(sandbox_aws, service, call, parameters):
    with pytest.raises(ClientError) as refused:
        getattr(getattr(sandbox_aws, service), call)(**parameters)
    assert refused.value.response["Error"]["Code"] == "NotInSandbox"
    assert call in str(refused.value)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501, "a 500 would be retried for a minute"
