"""What resources refer to: made once with plain boto3, so that a life cycle tests one type only."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

import boto3
from cryptography import x509

ACCOUNT = "123456789012"
REGION = "eu-west-1"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str) -> str:
    return policy({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})


@dataclass(frozen=True)
class World:
    endpoint: str
    vpc: str
    subnets: tuple[str, str]
    group: str
    internet_gateway: str
    allocation: str
    route_table: str
    nat_gateway: str
    prefix_list: str
    key_arn: str
    role: str
    role_arn: str
    profile: str
    log_group_arn: str
    bucket: str
    log_bucket: str
    queue_url: str
    queue_arn: str
    topic_arn: str
    rule: str
    function: str
    database: str
    cluster: str
    secret: str

    def client(self, service: str) -> Any:
        return _client(self.endpoint, service)

    @classmethod
    def build(cls, endpoint: str) -> World:
        def use(service: str) -> Any:
            return _client(endpoint, service)

        ec2 = use("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = tuple(
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{index}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
                "SubnetId"
            ]
            for index, zone in enumerate("ab", 1)
        )
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        allocation = ec2.allocate_address(Domain="vpc")["AllocationId"]
        nat = ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=allocation)["NatGateway"]["NatGatewayId"]
        lists = ec2.describe_prefix_lists()["PrefixLists"]
        key = use("kms").create_key()["KeyMetadata"]["Arn"]
        iam = use("iam")
        role = iam.create_role(RoleName="world", AssumeRolePolicyDocument=trust("lambda.amazonaws.com"))["Role"]
        iam.create_instance_profile(InstanceProfileName="world")
        iam.add_role_to_instance_profile(InstanceProfileName="world", RoleName="world")
        use("logs").create_log_group(logGroupName="/world")
        s3 = use("s3")
        for bucket in ("world-data", "world-logs"):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_policy(
            Bucket="world-logs",
            Policy=policy(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "logging.s3.amazonaws.com"},
                    "Action": "s3:PutObject",
                    "Resource": "arn:aws:s3:::world-logs/*",
                }
            ),
        )
        sqs = use("sqs")
        queue = sqs.create_queue(QueueName="world")["QueueUrl"]
        queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        topic = use("sns").create_topic(Name="world")["TopicArn"]
        use("events").put_rule(Name="world", EventPattern='{"source": ["aws.s3"]}')
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("main.py", "def handler(event, context): return 1")
        use("lambda").create_function(
            FunctionName="world",
            Runtime="python3.12",
            Role=role["Arn"],
            Handler="main.handler",
            Code={"ZipFile": package.getvalue()},
        )
        use("glue").create_database(DatabaseInput={"Name": "world"})
        cluster = use("emr").run_job_flow(
            Name="world",
            ReleaseLabel="emr-6.9.0",
            ServiceRole="world",
            JobFlowRole="world",
            Instances={
                "KeepJobFlowAliveWhenNoSteps": True,
                "Ec2SubnetId": subnets[0],
                "InstanceGroups": [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}],
            },
        )["JobFlowId"]
        return cls(
            endpoint=endpoint,
            vpc=vpc,
            subnets=(subnets[0], subnets[1]),
            group=ec2.create_security_group(GroupName="world", Description="world", VpcId=vpc)["GroupId"],
            internet_gateway=gateway,
            allocation=ec2.allocate_address(Domain="vpc")["AllocationId"],
            route_table=ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"],
            nat_gateway=nat,
            prefix_list=next(entry["PrefixListId"] for entry in lists if entry["PrefixListName"].endswith(".s3")),
            key_arn=key,
            role="world",
            role_arn=role["Arn"],
            profile="world",
            log_group_arn=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/world",
            bucket="world-data",
            log_bucket="world-logs",
            queue_url=queue,
            queue_arn=queue_arn,
            topic_arn=topic,
            rule="world",
            function="world",
            database="world",
            cluster=cluster,
            secret=use("secretsmanager").create_secret(Name="world")["ARN"],
        )


@functools.cache
def _session() -> Any:
    return boto3.session.Session("sandbox", "sandbox", region_name=REGION)


@functools.cache
def _client(endpoint: str, service: str) -> Any:
    # To read a service's model takes as long as a whole test.
    return _session().client(service, endpoint_url=endpoint)


def certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())
