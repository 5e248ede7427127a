"""Provider functions: where a program runs, and what AWS offers there."""

from __future__ import annotations

import grpc
import pytest

from tests.sandbox.providers.driver import ProviderDriver
from tests.sandbox.providers.world import ACCOUNT, REGION, World


def test_partition_region_and_account(aws: ProviderDriver) -> None:
    partition = aws.invoke("aws:index/getPartition:getPartition", {})
    assert partition["partition"] == "aws"
    assert partition["dnsSuffix"] == "amazonaws.com"
    assert partition["reverseDnsPrefix"] == "com.amazonaws"
    region = aws.invoke("aws:index/getRegion:getRegion", {})
    assert region["region"] == REGION
    assert region["description"] == "Europe (Ireland)"
    assert aws.invoke("aws:index/getCallerIdentity:getCallerIdentity", {})["accountId"] == ACCOUNT


def test_an_unknown_region_is_an_error(aws: ProviderDriver) -> None:
    with pytest.raises(grpc.RpcError, match="there is no region 'eu-west-9'"):
        aws.invoke("aws:index/getRegion:getRegion", {"name": "eu-west-9"})


def test_availability_zones(aws: ProviderDriver) -> None:
    zones = aws.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", {"state": "available"})
    assert zones["names"] == sorted(zones["names"])
    assert zones["names"][0] == f"{REGION}a"
    fewer = aws.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", {"excludeNames": [f"{REGION}a"]})
    assert fewer["names"] == zones["names"][1:]


def test_endpoint_services_by_short_name(aws: ProviderDriver) -> None:
    token = "aws:ec2/getVpcEndpointService:getVpcEndpointService"
    service = aws.invoke(token, {"service": "sts", "serviceType": "Interface"})
    assert service["serviceName"] == f"com.amazonaws.{REGION}.sts"
    gateway = aws.invoke(token, {"service": "s3", "serviceType": "Gateway"})
    assert gateway["serviceType"] == "Gateway", "S3 has both kinds"
    with pytest.raises(grpc.RpcError):
        aws.invoke(token, {"service": "no-such-service"})


def test_prefix_lists_by_name(aws: ProviderDriver, world: World) -> None:
    token = "aws:ec2/getPrefixList:getPrefixList"
    found = aws.invoke(token, {"name": f"com.amazonaws.{REGION}.s3"})
    assert found["id"] == world.prefix_list
    with pytest.raises(grpc.RpcError, match="0 prefix lists match"):
        aws.invoke(token, {"name": "no-such-list"})


def test_a_secret_is_read_by_its_name(aws: ProviderDriver, world: World) -> None:
    world.client("secretsmanager").create_secret(Name="kdc-admin", SecretString="the password")
    read = aws.invoke("aws:secretsmanager/getSecretVersion:getSecretVersion", {"secretId": "kdc-admin"})
    assert read["secretString"] == "the password"
    assert read["versionStages"] == ["AWSCURRENT"]
    with pytest.raises(grpc.RpcError, match="can't find"):
        aws.invoke("aws:secretsmanager/getSecretVersion:getSecretVersion", {"secretId": "nobody's"})


def test_a_vpc_that_somebody_else_made_can_be_looked_at(aws: ProviderDriver, world: World) -> None:
    vpc = aws.invoke("aws:ec2/getVpc:getVpc", {"id": world.vpc})
    assert vpc["cidrBlock"] == "10.0.0.0/16"
    options = aws.invoke("aws:ec2/getVpcDhcpOptions:getVpcDhcpOptions", {"dhcpOptionsId": vpc["dhcpOptionsId"]})
    assert options["domainName"] == f"{REGION}.compute.internal"
    subnet = aws.invoke("aws:ec2/getSubnet:getSubnet", {"id": world.subnets[0]})
    assert subnet["vpcId"] == world.vpc
    assert subnet["availableIpAddressCount"] > 200
    main = aws.invoke("aws:ec2/getRouteTable:getRouteTable", {"routeTableId": vpc["mainRouteTableId"]})
    assert main["routes"] == [], "the local route is none that the data source tells of"
    with pytest.raises(grpc.RpcError, match="query returned no results"):
        aws.invoke("aws:ec2/getRouteTable:getRouteTable", {"subnetId": world.subnets[0]})
    with pytest.raises(grpc.RpcError, match="no matching EC2 VPC Endpoint"):
        aws.invoke(
            "aws:ec2/getVpcEndpoint:getVpcEndpoint",
            {"vpcId": world.vpc, "serviceName": f"com.amazonaws.{REGION}.sns", "vpcEndpointType": "Interface"},
        )


def test_releases_are_found_by_series_and_by_what_they_bring(aws: ProviderDriver) -> None:
    def labels(**filters: str) -> list[str]:
        return aws.invoke("aws:emr/getReleaseLabels:getReleaseLabels", {"filters": filters})["releaseLabels"]

    assert {"emr-6.9.0", "emr-6.15.0"} <= set(labels(prefix="emr-6."))
    assert not [label for label in labels(prefix="emr-6.") if not label.startswith("emr-6.")]
    assert "emr-6.9.0" in labels(prefix="emr-6.", application="Spark@3.3.0"), "builds are not told"
    assert "emr-6.9.0" not in labels(prefix="emr-6.", application="Spark@3.4.0")


def test_a_release_runs_on_some_instance_types(aws: ProviderDriver) -> None:
    token = "aws:emr/getSupportedInstanceTypes:getSupportedInstanceTypes"
    found = {kind["type"]: kind for kind in aws.invoke(token, {"releaseLabel": "emr-6.9.0"})["supportedInstanceTypes"]}
    assert found["r5.2xlarge"]["vcpu"] == 8
    assert found["r5.2xlarge"]["memoryGb"] == 64
    assert "t3.large" not in found, "EMR offers no burstable types"
