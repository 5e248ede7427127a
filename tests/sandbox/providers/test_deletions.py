"""What AWS does not delete, or use, because of what else is there; once that is gone, it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.providers.world import REGION, World, policy, trust

Attempt = Callable[[], Any]
Arrangement = Callable[[World], tuple[Attempt, Attempt]]
"""Makes the obstacle; returns the call that is refused, and what clears the way for it."""

GRANT = policy({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})


def network(world: World) -> tuple[Any, str]:
    ec2 = world.client("ec2")
    return ec2, ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]


def subnet(ec2: Any, vpc: str) -> str:
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone=f"{REGION}a")
    return made["Subnet"]["SubnetId"]


def gateway(ec2: Any, vpc: str) -> str:
    made = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=vpc)
    return made


def group(ec2: Any, vpc: str, name: str = "a") -> str:
    return ec2.create_security_group(GroupName=name, Description="a", VpcId=vpc)["GroupId"]


def nat_gateway(ec2: Any, where: str) -> tuple[str, str]:
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    return ec2.create_nat_gateway(SubnetId=where, AllocationId=address)["NatGateway"]["NatGatewayId"], address


def vpc_with_a_subnet(world: World) -> tuple[Attempt, Attempt]:
    ec2, vpc = network(world)
    inside = subnet(ec2, vpc)
    return lambda: ec2.delete_vpc(VpcId=vpc), lambda: ec2.delete_subnet(SubnetId=inside)


def vpc_with_a_gateway(world: World) -> tuple[Attempt, Attempt]:
    ec2, vpc = network(world)
    way = gateway(ec2, vpc)
    return lambda: ec2.delete_vpc(VpcId=vpc), lambda: ec2.detach_internet_gateway(InternetGatewayId=way, VpcId=vpc)


def vpc_with_a_group(world: World) -> tuple[Attempt, Attempt]:
    ec2, vpc = network(world)
    inside = group(ec2, vpc)
    return lambda: ec2.delete_vpc(VpcId=vpc), lambda: ec2.delete_security_group(GroupId=inside)


def attached_gateway(world: World) -> tuple[Attempt, Attempt]:
    ec2, vpc = network(world)
    way = gateway(ec2, vpc)
    return (
        lambda: ec2.delete_internet_gateway(InternetGatewayId=way),
        lambda: ec2.detach_internet_gateway(InternetGatewayId=way, VpcId=vpc),
    )


def gateway_of_mapped_addresses(world: World) -> tuple[Attempt, Attempt]:
    ec2, vpc = network(world)
    way = gateway(ec2, vpc)
    nat, _ = nat_gateway(ec2, subnet(ec2, vpc))
    return (
        lambda: ec2.detach_internet_gateway(InternetGatewayId=way, VpcId=vpc),
        lambda: ec2.delete_nat_gateway(NatGatewayId=nat),
    )


def associated_address(world: World) -> tuple[Attempt, Attempt]:
    ec2, vpc = network(world)
    nat, address = nat_gateway(ec2, subnet(ec2, vpc))
    return lambda: ec2.release_address(AllocationId=address), lambda: ec2.delete_nat_gateway(NatGatewayId=nat)


def subnet_with_a_nat_gateway(world: World) -> tuple[Attempt, Attempt]:
    ec2, vpc = network(world)
    inside = subnet(ec2, vpc)
    nat, _ = nat_gateway(ec2, inside)
    return lambda: ec2.delete_subnet(SubnetId=inside), lambda: ec2.delete_nat_gateway(NatGatewayId=nat)


def cluster(world: World, **instances: Any) -> tuple[Any, str]:
    emr = world.client("emr")
    made = emr.run_job_flow(
        Name="in-the-way",
        ReleaseLabel="emr-6.9.0",
        ServiceRole="world",
        JobFlowRole="world",
        Instances={
            "KeepJobFlowAliveWhenNoSteps": True,
            "InstanceGroups": [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}],
            **instances,
        },
    )
    return emr, made["JobFlowId"]


def subnet_with_a_cluster(world: World) -> tuple[Attempt, Attempt]:
    ec2, vpc = network(world)
    inside = subnet(ec2, vpc)
    emr, made = cluster(world, Ec2SubnetId=inside)
    return lambda: ec2.delete_subnet(SubnetId=inside), lambda: emr.terminate_job_flows(JobFlowIds=[made])


def protected_cluster(world: World) -> tuple[Attempt, Attempt]:
    emr, made = cluster(world, Ec2SubnetId=world.subnets[0], TerminationProtected=True)
    return (
        lambda: emr.terminate_job_flows(JobFlowIds=[made]),
        lambda: emr.set_termination_protection(JobFlowIds=[made], TerminationProtected=False),
    )


def group_in_a_rule(world: World) -> tuple[Attempt, Attempt]:
    ec2, vpc = network(world)
    used, user = group(ec2, vpc, "used"), group(ec2, vpc, "user")
    source = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "UserIdGroupPairs": [{"GroupId": used}]}]
    ec2.authorize_security_group_ingress(GroupId=user, IpPermissions=source)
    return (
        lambda: ec2.delete_security_group(GroupId=used),
        lambda: ec2.revoke_security_group_ingress(GroupId=user, IpPermissions=source),
    )


def group_of_a_cluster(world: World) -> tuple[Attempt, Attempt]:
    ec2 = world.client("ec2")
    used = group(ec2, world.vpc, "of-a-cluster")
    emr, made = cluster(
        world,
        Ec2SubnetId=world.subnets[0],
        EmrManagedMasterSecurityGroup=world.group,
        EmrManagedSlaveSecurityGroup=world.group,
        AdditionalMasterSecurityGroups=[used],
    )
    return lambda: ec2.delete_security_group(GroupId=used), lambda: emr.terminate_job_flows(JobFlowIds=[made])


def group_of_an_interface(world: World) -> tuple[Attempt, Attempt]:
    ec2, vpc = network(world)
    used = group(ec2, vpc)
    made = ec2.create_network_interface(SubnetId=subnet(ec2, vpc), Groups=[used])
    interface = made["NetworkInterface"]["NetworkInterfaceId"]
    return (
        lambda: ec2.delete_security_group(GroupId=used),
        lambda: ec2.delete_network_interface(NetworkInterfaceId=interface),
    )


def full_bucket(world: World) -> tuple[Attempt, Attempt]:
    s3 = world.client("s3")
    s3.create_bucket(Bucket="not-empty", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="not-empty", Key="kept", Body=b"data")
    return lambda: s3.delete_bucket(Bucket="not-empty"), lambda: s3.delete_object(Bucket="not-empty", Key="kept")


def role(world: World, name: str) -> Any:
    iam = world.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
    return iam


def role_with_an_attached_policy(world: World) -> tuple[Attempt, Attempt]:
    iam = role(world, "attached")
    attachment = {"RoleName": "attached", "PolicyArn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}
    iam.attach_role_policy(**attachment)
    return lambda: iam.delete_role(RoleName="attached"), lambda: iam.detach_role_policy(**attachment)


def role_with_an_inline_policy(world: World) -> tuple[Attempt, Attempt]:
    iam = role(world, "inline")
    iam.put_role_policy(RoleName="inline", PolicyName="p", PolicyDocument=GRANT)
    return (
        lambda: iam.delete_role(RoleName="inline"),
        lambda: iam.delete_role_policy(RoleName="inline", PolicyName="p"),
    )


def attached_policy(world: World) -> tuple[Attempt, Attempt]:
    iam = role(world, "with-a-policy")
    made = iam.create_policy(PolicyName="attached", PolicyDocument=GRANT)["Policy"]["Arn"]
    attachment = {"RoleName": "with-a-policy", "PolicyArn": made}
    iam.attach_role_policy(**attachment)
    return lambda: iam.delete_policy(PolicyArn=made), lambda: iam.detach_role_policy(**attachment)


def profile(world: World, name: str) -> tuple[Any, dict[str, str]]:
    iam = role(world, name)
    iam.create_instance_profile(InstanceProfileName=name)
    membership = {"InstanceProfileName": name, "RoleName": name}
    iam.add_role_to_instance_profile(**membership)
    return iam, membership


def role_in_a_profile(world: World) -> tuple[Attempt, Attempt]:
    iam, membership = profile(world, "in-a-profile")
    return (
        lambda: iam.delete_role(RoleName="in-a-profile"),
        lambda: iam.remove_role_from_instance_profile(**membership),
    )


def profile_with_a_role(world: World) -> tuple[Attempt, Attempt]:
    iam, membership = profile(world, "with-a-role")
    return (
        lambda: iam.delete_instance_profile(InstanceProfileName="with-a-role"),
        lambda: iam.remove_role_from_instance_profile(**membership),
    )


def pending_key(use: Callable[[Any, str, bytes], Any]) -> Arrangement:
    def arrange(world: World) -> tuple[Attempt, Attempt]:
        kms = world.client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        sealed = kms.encrypt(KeyId=key, Plaintext=b"a")["CiphertextBlob"]
        kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)

        def restore() -> None:
            kms.cancel_key_deletion(KeyId=key)
            kms.enable_key(KeyId=key)

        return lambda: use(kms, key, sealed), restore

    return arrange


def disabled_key(use: Callable[[Any, str, bytes], Any]) -> Arrangement:
    def arrange(world: World) -> tuple[Attempt, Attempt]:
        kms = world.client("kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        sealed = kms.encrypt(KeyId=key, Plaintext=b"a")["CiphertextBlob"]
        kms.disable_key(KeyId=key)
        kms.update_key_description(KeyId=key, Description="what is no use of the key goes on")
        return lambda: use(kms, key, sealed), lambda: kms.enable_key(KeyId=key)

    return arrange


def protected_table(world: World) -> tuple[Attempt, Attempt]:
    dynamodb = world.client("dynamodb")
    dynamodb.create_table(
        TableName="protected",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        DeletionProtectionEnabled=True,
    )
    return (
        lambda: dynamodb.delete_table(TableName="protected"),
        lambda: dynamodb.update_table(TableName="protected", DeletionProtectionEnabled=False),
    )


def pending_secret(name: str, use: Callable[[Any, str], Any]) -> Arrangement:
    def arrange(world: World) -> tuple[Attempt, Attempt]:
        secrets = world.client("secretsmanager")
        secrets.create_secret(Name=name, SecretString="a")
        secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
        return lambda: use(secrets, name), lambda: secrets.restore_secret(SecretId=name)

    return arrange


REFUSED: dict[str, tuple[str, Arrangement]] = {
    "a VPC with a subnet": ("DependencyViolation", vpc_with_a_subnet),
    "a VPC with an internet gateway": ("DependencyViolation", vpc_with_a_gateway),
    "a VPC with a security group": ("DependencyViolation", vpc_with_a_group),
    "an internet gateway that is attached": ("DependencyViolation", attached_gateway),
    "the way out of mapped addresses": ("DependencyViolation", gateway_of_mapped_addresses),
    "an address in use": ("InvalidIPAddress.InUse", associated_address),
    "a subnet with a NAT gateway": ("DependencyViolation", subnet_with_a_nat_gateway),
    "a subnet with a cluster": ("DependencyViolation", subnet_with_a_cluster),
    "a protected cluster": ("ValidationException", protected_cluster),
    "a security group in another one's rule": ("DependencyViolation", group_in_a_rule),
    "a security group of a cluster": ("DependencyViolation", group_of_a_cluster),
    "a security group of a network interface": ("DependencyViolation", group_of_an_interface),
    "a bucket with an object": ("BucketNotEmpty", full_bucket),
    "a role with an attached policy": ("DeleteConflict", role_with_an_attached_policy),
    "a role with an inline policy": ("DeleteConflict", role_with_an_inline_policy),
    "a managed policy that is attached": ("DeleteConflict", attached_policy),
    "a role in an instance profile": ("DeleteConflict", role_in_a_profile),
    "an instance profile with a role": ("DeleteConflict", profile_with_a_role),
    "encryption under a key that is pending deletion": (
        "KMSInvalidStateException",
        pending_key(lambda kms, key, sealed: kms.encrypt(KeyId=key, Plaintext=b"b")),
    ),
    "decryption under a key that is pending deletion": (
        "KMSInvalidStateException",
        pending_key(lambda kms, key, sealed: kms.decrypt(CiphertextBlob=sealed)),
    ),
    "a second deletion of a key": (
        "KMSInvalidStateException",
        pending_key(lambda kms, key, sealed: kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)),
    ),
    "a data key under a disabled key": (
        "DisabledException",
        disabled_key(lambda kms, key, sealed: kms.generate_data_key(KeyId=key, KeySpec="AES_256")),
    ),
    "decryption under a disabled key": (
        "DisabledException",
        disabled_key(lambda kms, key, sealed: kms.decrypt(CiphertextBlob=sealed)),
    ),
    "rotation of a disabled key": (
        "DisabledException",
        disabled_key(lambda kms, key, sealed: kms.enable_key_rotation(KeyId=key)),
    ),
    "a protected table": ("ValidationException", protected_table),
    "reading a secret that is pending deletion": (
        "InvalidRequestException",
        pending_secret("read", lambda secrets, name: secrets.get_secret_value(SecretId=name)),
    ),
    "a second deletion of a secret": (
        "InvalidRequestException",
        pending_secret("twice", lambda secrets, name: secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)),
    ),
}


@pytest.mark.parametrize(("code", "arrange"), REFUSED.values(), ids=REFUSED)
def test_aws_refuses_while_something_is_in_the_way(code: str, arrange: Arrangement, world: World) -> None:
    attempt, clear = arrange(world)
    with pytest.raises(ClientError) as refused:
        attempt()
    assert refused.value.response["Error"]["Code"] == code, "a program tells by the code what to do first"
    clear()
    attempt()
