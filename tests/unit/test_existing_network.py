"""A VPC that somebody else keeps: what is taken from it, and everything that keeps a cluster from living there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pulumi_aws as aws
import pytest

from components.existing_network import (
    EMR_TAG,
    EndpointFacts,
    ExistingNetwork,
    SubnetFacts,
    VpcFacts,
    failures,
)
from components.network import SERVICES_OF_NODES, SecureVpc, SecureVpcArgs
from settings import ConfigurationError, NetworkSettings
from tests.unit.harness import ENVIRONMENT, Answer, Deployment, deploy

VPC = VpcFacts("vpc-12345678", "10.1.0.0/16", True, True, "eu-west-1.compute.internal", ("AmazonProvidedDNS",))
SUBNET = SubnetFacts(
    subnet_id="subnet-1111aaaa",
    vpc_id="vpc-12345678",
    zone="eu-west-1a",
    free_addresses=200,
    gives_public_addresses=False,
    hostname_type="ip-name",
    route_table_id="rtb-a",
    way_out="nat-1",
    tags=EMR_TAG,
)
OTHER = replace(SUBNET, subnet_id="subnet-2222bbbb", zone="eu-west-1b", route_table_id="rtb-b")
GATEWAY = EndpointFacts(private_dns=False, route_table_ids=("rtb-a", "rtb-b"), prefix_list_id="pl-1")
INTERFACE = EndpointFacts(private_dns=True, security_group_ids=("sg-1",))
GATEWAYS = ("s3", "dynamodb")
GOOD = ExistingNetwork(VPC, (SUBNET, OTHER), {"s3": GATEWAY, "dynamodb": GATEWAY, "states": INTERFACE})


def judged(network: ExistingNetwork, **more: Any) -> list[str]:
    arguments = {"goes_out": True, "most_nodes": 20, "gateways": GATEWAYS, "required": {"states": "functions"}}
    return failures(network, ENVIRONMENT, **(arguments | more))


def without(service: str) -> Mapping[str, EndpointFacts]:
    return {name: endpoint for name, endpoint in GOOD.endpoints.items() if name != service}


def test_a_vpc_that_is_fit_is_taken():
    assert judged(GOOD) == []
    closed = replace(GOOD, subnets=(replace(SUBNET, way_out=None), replace(OTHER, way_out=None)))
    assert judged(closed, goes_out=False) == [], "without NAT a subnet needs no way out"


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (replace(GOOD, vpc=replace(VPC, cidr_block="100.64.0.0/16")), "100.64.0.0/16, and EMR takes private"),
        (replace(GOOD, vpc=replace(VPC, dns_support=False)), "enableDnsSupport off"),
        (replace(GOOD, vpc=replace(VPC, dns_hostnames=False)), "enableDnsHostnames off"),
        (replace(GOOD, vpc=replace(VPC, domain_name="corp.example")), "domain corp.example"),
        (replace(GOOD, vpc=replace(VPC, domain_name_servers=("10.0.0.2",))), "asks 10.0.0.2 for names"),
        (replace(GOOD, subnets=(replace(SUBNET, vpc_id="vpc-9999"),)), "a subnet of vpc-9999"),
        (replace(GOOD, subnets=(replace(SUBNET, way_out="igw-1"),)), "is public: its default route (rtb-a)"),
        (replace(GOOD, subnets=(replace(SUBNET, way_out=None),)), "has no default route (rtb-a): set natGateways"),
        (replace(GOOD, subnets=(replace(SUBNET, gives_public_addresses=True),)), "mapPublicIpOnLaunch on"),
        (replace(GOOD, subnets=(replace(SUBNET, hostname_type="resource-name"),)), "names machines by resource-name"),
        (replace(GOOD, subnets=(replace(SUBNET, tags={}),)), "lacks the tag for-use-with-amazon-emr"),
        (replace(GOOD, subnets=(replace(SUBNET, free_addresses=19),)), "19 free addresses, and the cluster may come"),
        (replace(GOOD, subnets=(SUBNET, replace(OTHER, zone="eu-west-1a"))), "more than one subnet of eu-west-1a"),
        (replace(GOOD, endpoints=without("s3")), "no gateway endpoint for s3"),
        (replace(GOOD, endpoints=without("states")), "no interface endpoint for states: functions have no other"),
        (
            replace(GOOD, endpoints={**GOOD.endpoints, "dynamodb": replace(GATEWAY, route_table_ids=("rtb-a",))}),
            "endpoint for dynamodb is not in rtb-b, the route table of subnet-2222bbbb",
        ),
        (
            replace(GOOD, endpoints={**GOOD.endpoints, "states": replace(INTERFACE, private_dns=False)}),
            "endpoint for states has private DNS off",
        ),
    ],
)
def test_what_is_wrong_with_a_vpc_is_named(network: ExistingNetwork, words: str):
    (failure,) = judged(network)
    assert words in failure, f"{failure!r} should say {words!r}"


def test_everything_that_is_wrong_is_said_at_once():
    broken = ExistingNetwork(
        replace(VPC, dns_support=False), (replace(SUBNET, way_out="igw-1", tags={}),), without("dynamodb")
    )
    assert len(judged(broken)) == 4, "whoever mends a network asks its owner once"


# --- the component --------------------------------------------------------------------------------------------------

SUBNETS = {"subnet-1111aaaa": "eu-west-1a", "subnet-2222bbbb": "eu-west-1b"}


def answers(**changed: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Answer]:
    """AWS's answers about a good network; what a test changes goes in by the function's short name."""

    def vpc(_: dict[str, Any]) -> dict[str, Any]:
        return {
            "cidrBlock": "10.1.0.0/16",
            "enableDnsSupport": True,
            "enableDnsHostnames": True,
            "dhcpOptionsId": "dopt-1",
            "mainRouteTableId": "rtb-main",
        }

    def subnet(arguments: dict[str, Any]) -> dict[str, Any]:
        return {
            "vpcId": "vpc-12345678",
            "availabilityZone": SUBNETS[arguments["id"]],
            "availableIpAddressCount": 200,
            "mapPublicIpOnLaunch": False,
            "privateDnsHostnameTypeOnLaunch": "ip-name",
            "tags": EMR_TAG,
        }

    def route_table(arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments.get("subnetId") == "subnet-2222bbbb":
            raise LookupError("reading EC2 Route Table: query returned no results")
        route = {"cidrBlock": "0.0.0.0/0", "gatewayId": "", "natGatewayId": "", "transitGatewayId": "tgw-1"}
        identifier = arguments.get("routeTableId", "rtb-own")
        return {"routeTableId": identifier, "routes": [{**route, "networkInterfaceId": ""}]}

    def endpoint(arguments: dict[str, Any]) -> dict[str, Any]:
        service = arguments["serviceName"].rsplit(".", 1)[1]
        if service == "ssmmessages":
            raise LookupError("no matching EC2 VPC Endpoint found")
        gateway = arguments["vpcEndpointType"] == "Gateway"
        return {
            "privateDnsEnabled": not gateway,
            "routeTableIds": ["rtb-own", "rtb-main"] if gateway else [],
            "securityGroupIds": [] if gateway else ["sg-b" if service == "states" else "sg-a"],
            "prefixListId": f"pl-{service}" if gateway else "",
        }

    def options(_: dict[str, Any]) -> dict[str, Any]:
        return {"domainName": "eu-west-1.compute.internal", "domainNameServers": ["AmazonProvidedDNS"]}

    calls = {
        "Vpc": vpc,
        "Subnet": subnet,
        "RouteTable": route_table,
        "VpcEndpoint": endpoint,
        "VpcDhcpOptions": options,
    } | changed
    return {f"aws:ec2/get{name}:get{name}": call for name, call in calls.items()}


def adopted(calls: dict[str, Answer] | None = None, **settings: Any) -> Deployment:
    arguments = SecureVpcArgs(
        settings=NetworkSettings.model_validate(
            {"existingVpc": {"vpcId": "vpc-12345678", "privateSubnetIds": list(SUBNETS)}, **settings}
        ),
        environment=ENVIRONMENT,
        logs_key_arn="arn:aws:kms:eu-west-1:111122223333:key/logs",
        data_bucket_names=["some-raw"],
        most_nodes=20,
    )
    return deploy(lambda: SecureVpc("network", arguments), calls=calls or answers())


@pytest.fixture(scope="module")
def network() -> Deployment:
    return adopted()


def test_in_an_existing_vpc_only_groups_rules_and_flow_logs_are_made(network: Deployment):
    made = {entry.type.rsplit(":", 1)[1] for entry in network.resources}
    assert made == {
        *("SecureVpc", "SecurityGroup", "SecurityGroupIngressRule", "SecurityGroupEgressRule"),
        *("LogGroup", "Role", "RolePolicy", "FlowLog"),
    }, "subnets, routes, endpoints, ACLs and the default group are their owner's"
    assert {group.inputs["vpcId"] for group in network.all(aws.ec2.SecurityGroup)} == {"vpc-12345678"}
    assert network.one(aws.ec2.FlowLog).inputs["vpcId"] == "vpc-12345678"
    assert "network-endpoints-group" not in [entry.name for entry in network.resources], "the endpoints have theirs"


def test_its_subnets_are_used_in_the_order_given(network: Deployment):
    assert network.value(network.result.private_subnet_ids) == list(SUBNETS)
    assert network.value(network.result.vpc_id) == "vpc-12345678"
    assert "ssmmessages" not in network.result.endpoint_services, "that endpoint is not there"
    assert "states" in network.result.endpoint_services


def test_ways_out_lead_to_the_groups_and_prefix_lists_that_are_there(network: Deployment):
    def out(group: str) -> list[dict[str, Any]]:
        return [
            rule.inputs
            for rule in network.all(aws.vpc.SecurityGroupEgressRule)
            if rule.inputs["securityGroupId"] == f"network-{group}-group-id"
        ]

    for group, lists in (("primary", {"pl-s3"}), ("functions", {"pl-s3", "pl-dynamodb"})):
        groups = {rule.get("referencedSecurityGroupId") for rule in out(group) if rule["toPort"] == 443} - {None}
        assert groups == {"sg-a", "sg-b"}, f"{group}: every group that an endpoint has, and no more"
        assert {rule["prefixListId"] for rule in out(group) if "prefixListId" in rule} == lists
    foreign = [
        rule.name
        for kind in (aws.vpc.SecurityGroupIngressRule, aws.vpc.SecurityGroupEgressRule)
        for rule in network.all(kind)
        if not rule.inputs["securityGroupId"].startswith("network-")
    ]
    assert foreign == [], "nobody else's group is changed"


def test_an_unfit_vpc_is_refused_before_anything_is_made():
    def vpc(_: dict[str, Any]) -> dict[str, Any]:
        return answers()["aws:ec2/getVpc:getVpc"]({}) | {"enableDnsHostnames": False}

    def no_endpoint(_: dict[str, Any]) -> dict[str, Any]:
        raise LookupError("no matching EC2 VPC Endpoint found")

    with pytest.raises(ConfigurationError) as refusal:
        adopted(answers(Vpc=vpc, VpcEndpoint=no_endpoint), natGateways="none")
    lines = str(refusal.value).splitlines()
    assert all(line.startswith("emr-pipeline:network.existingVpc: ") for line in lines), "each line names the key"
    assert "enableDnsHostnames off" in lines[0]
    for service in ("s3", "dynamodb", "states", *SERVICES_OF_NODES):
        assert any(f"endpoint for {service}" in line for line in lines), f"{service} is missing, and is not named"


def test_nothing_is_asked_after_another_that_could_be_asked_beside_it(network: Deployment):
    asked = [token.rsplit(":get", 1)[1] for token, _ in network.calls]
    first_round = [place for place, name in enumerate(asked) if name in ("Vpc", "Subnet", "VpcEndpointService")]
    answers_needed = [place for place, name in enumerate(asked) if name in ("VpcEndpoint", "VpcDhcpOptions")]
    assert max(first_round) < min(answers_needed), f"twenty questions one by one are seconds of every preview: {asked}"


def test_another_failure_of_a_look_up_is_no_missing_endpoint():
    def refused(_: dict[str, Any]) -> dict[str, Any]:
        raise PermissionError("UnauthorizedOperation: not allowed to DescribeVpcEndpoints")

    with pytest.raises(Exception, match="UnauthorizedOperation"):
        adopted(answers(VpcEndpoint=refused))


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ({"cidrBlock": "10.0.0.0/16"}, "existingVpc and cidrBlock are both given"),
        ({"availabilityZoneCount": 2}, "existingVpc and availabilityZoneCount are both given"),
        ({"networkAcls": "explicit"}, "its subnets' ACLs are its owner's to set"),
        ({"existingVpc": {"vpcId": "my-vpc", "privateSubnetIds": ["subnet-11112222"]}}, "the id of a VPC"),
        ({"existingVpc": {"vpcId": "vpc-12345678", "privateSubnetIds": ["x"]}}, "the id of a subnet"),
        ({"existingVpc": {"vpcId": "vpc-12345678", "privateSubnetIds": []}}, "at least 1 item"),
    ],
)
def test_settings_that_contradict_an_existing_vpc_are_refused(network: dict[str, Any], reason: str):
    import settings

    existing = {"vpcId": "vpc-12345678", "privateSubnetIds": ["subnet-11112222"]}
    with pytest.raises(ConfigurationError) as refusal:
        settings.parse({"tags": {"owner": "x", "costCentre": "x"}, "network": {"existingVpc": existing, **network}})
    (line,) = str(refusal.value).splitlines()
    assert line.startswith("emr-pipeline:network"), "the key is named"
    assert reason in line
