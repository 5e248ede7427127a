"""The VPC as it is registered: what leads where, and what is not there at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pulumi_aws as aws
import pytest

from components.endpoint_policies import account_only, dynamodb_endpoint, s3_endpoint
from components.existing_network import EMR_TAG
from components.network import SERVICES_OF_FUNCTIONS, SERVICES_OF_NODES, SecureVpc, SecureVpcArgs
from components.network_acls import private_entries, public_entries
from components.security_rules import EMR_GROUPS, GROUPS, network_rules
from settings import ConfigurationError, KerberosServerSettings, NetworkSettings, parse
from tests.unit.harness import ENVIRONMENT, Answer, Deployment, deploy

LOGS_KEY = ENVIRONMENT.arn("kms", "key/logs")
BUCKETS = ["some-raw", "some-processed"]
SERVICE_CALL = "aws:ec2/getVpcEndpointService:getVpcEndpointService"


def network(
    calls: dict[str, Answer] | None = None, environment: Any = ENVIRONMENT, most_nodes: int = 0, **settings: Any
) -> Deployment:
    arguments = SecureVpcArgs(
        settings=NetworkSettings(**settings),
        environment=environment,
        logs_key_arn=LOGS_KEY,
        data_bucket_names=BUCKETS,
        most_nodes=most_nodes,
    )
    return deploy(lambda: SecureVpc("network", arguments), calls=calls)


@pytest.fixture(scope="module")
def closed() -> Deployment:
    return network(nat_gateways="none")


@pytest.fixture(scope="module")
def single() -> Deployment:
    return network(nat_gateways="single", availability_zone_count=3)


@pytest.fixture(scope="module")
def per_zone() -> Deployment:
    return network(nat_gateways="per-az", availability_zone_count=3)


@pytest.fixture(scope="module", params=["none", "single", "per-az"])
def any_network(request: pytest.FixtureRequest) -> Deployment:
    return network(nat_gateways=request.param, availability_zone_count=3)


# --- subnets and routes -------------------------------------------------------------------------------------------


def routes_of(deployment: Deployment, subnet: str) -> list[dict[str, Any]]:
    """Routes of the table that a subnet is associated with; the local one is implicit."""
    (table,) = [
        entry.inputs["routeTableId"]
        for entry in deployment.all(aws.ec2.RouteTableAssociation)
        if entry.inputs["subnetId"] == f"{subnet}-id"
    ]
    return [route.inputs for route in deployment.all(aws.ec2.Route) if route.inputs["routeTableId"] == table]


def test_a_closed_network_has_no_way_out_at_all(closed: Deployment):
    for kind in (aws.ec2.InternetGateway, aws.ec2.NatGateway, aws.ec2.Eip, aws.ec2.Route):
        assert closed.all(kind) == [], f"{kind.__name__} leads out of a network that was to have no way out"
    names = [subnet.name for subnet in closed.all(aws.ec2.Subnet)]
    assert names == ["network-private-eu-west-1a", "network-private-eu-west-1b"], "no subnet is public"
    addresses = [rule.name for rule in closed.all(aws.vpc.SecurityGroupEgressRule) if "cidrIpv4" in rule.inputs]
    assert addresses == [], "no rule lets anything out to an address"


def test_one_nat_gateway_serves_every_zone(single: Deployment):
    (gateway,) = single.all(aws.ec2.NatGateway)
    assert gateway.inputs["subnetId"] == "network-public-eu-west-1a-id"
    assert [subnet.name for subnet in single.all(aws.ec2.Subnet) if "public" in subnet.name] == [
        "network-public-eu-west-1a"
    ], "a public subnet without a NAT gateway has no purpose"
    for zone in "abc":
        (route,) = routes_of(single, f"network-private-eu-west-1{zone}")
        assert route["natGatewayId"] == f"{gateway.name}-id"


def test_a_nat_gateway_in_every_zone_serves_its_own(per_zone: Deployment):
    for zone in "abc":
        gateway = per_zone.named(f"network-nat-eu-west-1{zone}")
        assert gateway.inputs["subnetId"] == f"network-public-eu-west-1{zone}-id"
        assert gateway.inputs["allocationId"] == f"network-nat-eu-west-1{zone}-address-id"
        (route,) = routes_of(per_zone, f"network-private-eu-west-1{zone}")
        assert route["natGatewayId"] == f"{gateway.name}-id", "else a zone's failure takes another's way out"


def test_private_subnets_never_lead_to_the_internet_gateway(any_network: Deployment):
    for subnet in any_network.all(aws.ec2.Subnet):
        gateways = [route for route in routes_of(any_network, subnet.name) if "gatewayId" in route]
        assert bool(gateways) == ("public" in subnet.name), f"{subnet.name} leads straight out"


def test_nat_gateways_wait_for_the_way_out(single: Deployment):
    gateway = single.named("network-nat-eu-west-1a")
    assert "network-public-internet" in gateway.depends_on, "a NAT gateway without a route out fails"
    assert "network-public-eu-west-1a-routes" in gateway.depends_on
    assert single.one(aws.ec2.Eip).inputs["domain"] == "vpc"


def test_no_subnet_gives_public_addresses_and_names_are_by_address(any_network: Deployment):
    for subnet in any_network.all(aws.ec2.Subnet):
        assert subnet.inputs["mapPublicIpOnLaunch"] is False, f"{subnet.name} would put machines on the internet"
        assert subnet.inputs["privateDnsHostnameTypeOnLaunch"] == "ip-name", "EMR and its certificate go by such names"


def test_every_zone_has_its_own_private_table(any_network: Deployment):
    tables = {
        entry.inputs["subnetId"]: entry.inputs["routeTableId"]
        for entry in any_network.all(aws.ec2.RouteTableAssociation)
        if "private" in entry.name
    }
    assert len(tables) == len(set(tables.values())) == 3


def test_the_main_route_table_and_the_default_group_stay_empty(any_network: Deployment):
    group = any_network.one(aws.ec2.DefaultSecurityGroup)
    assert group.inputs["vpcId"] == "network-vpc-id"
    assert not {"ingress", "egress"} & set(group.inputs), "what names no group must talk to nobody"
    main, default = "network-vpc-main-route-table", "network-vpc-default-security-group"
    used = [entry.name for entry in any_network.resources if main in str(entry.inputs) or default in str(entry.inputs)]
    assert used == [], "the main table and the default group catch what was forgotten; they must lead nowhere"


def test_network_acls_stay_as_aws_makes_them(any_network: Deployment):
    found = [entry.name for entry in any_network.resources if "networkAcl" in entry.type]
    assert found == [], "a default ACL taken over by the provider loses AWS's rules, and with them all traffic"


@pytest.mark.parametrize("nat", ["none", "single", "per-az"])
def test_explicit_acls_hold_for_every_subnet_and_the_default_one_is_let_alone(nat: str):
    deployment = network(nat_gateways=nat, availability_zone_count=3, network_acls="explicit")
    acls = {acl.name: acl for acl in deployment.all(aws.ec2.NetworkAcl)}
    assert set(acls) == {"network-private-acl"} | ({"network-public-acl"} if nat != "none" else set())
    covered = [subnet for acl in acls.values() for subnet in acl.inputs["subnetIds"]]
    assert sorted(covered) == sorted(f"{subnet.name}-id" for subnet in deployment.all(aws.ec2.Subnet)), (
        "a subnet of its own ACL each: what is left out falls back to letting everything pass"
    )
    for kind, entries in (("private", private_entries("10.20.0.0/20")), ("public", public_entries("10.20.0.0/20"))):
        if f"network-{kind}-acl" not in acls:
            continue
        inputs = acls[f"network-{kind}-acl"].inputs
        for key, direction in (("ingress", "in"), ("egress", "out")):
            wanted = [
                {
                    "ruleNo": entry.number,
                    "action": "allow",
                    "protocol": "-1" if entry.protocol == "all" else entry.protocol,
                    "fromPort": entry.ports[0],
                    "toPort": entry.ports[1],
                    "cidrBlock": entry.cidr_block,
                }
                for entry in entries
                if entry.direction == direction
            ]
            assert inputs[key] == wanted
    ready = {resource._name for resource in deployment.result.ready}
    assert set(acls) <= ready, "a cluster that starts before its ACL is cut off when it comes"
    assert [entry.name for entry in deployment.resources if "defaultNetworkAcl" in entry.type] == []


def test_kerberos_servers_get_their_rules_and_entries():
    server = KerberosServerSettings.model_validate({"name": "main", "cidrBlock": "10.9.0.10/32"})
    deployment = network(nat_gateways="none", kerberos_servers=(server,), network_acls="explicit")
    rule = deployment.named("network-core-out-kerberos-main-tcp-88").inputs
    assert (rule["cidrIpv4"], rule["fromPort"], rule["toPort"]) == ("10.9.0.10/32", 88, 88)
    entries = deployment.named("network-private-acl").inputs
    for key in ("ingress", "egress"):
        assert "10.9.0.10/32" in [entry["cidrBlock"] for entry in entries[key]]
    ready = {resource._name for resource in deployment.result.ready}
    assert "network-core-out-kerberos-main-tcp-88" in ready, "a cluster that cannot reach its KDC fails to start"


@pytest.mark.parametrize(
    ("servers", "reason"),
    [
        ([{"name": "a", "cidrBlock": "0.0.0.0/0"}], "/24 or smaller"),
        ([{"name": "a", "cidrBlock": "10.0.0.0/16"}], "/24 or smaller"),
        ([{"name": "a", "cidrBlock": "10.0.0.1/32"}, {"name": "a", "cidrBlock": "10.0.0.2/32"}], "names a twice"),
        ([{"name": "a", "cidrBlock": "10.0.0.1/32", "kind": "ldap"}], "'kdc' or 'active-directory'"),
    ],
)
def test_kerberos_servers_are_known_machines(servers: list[dict[str, str]], reason: str):
    with pytest.raises(ConfigurationError) as refusal:
        parse({"tags": {"owner": "x", "costCentre": "x"}, "network": {"kerberosServers": servers}})
    assert str(refusal.value).startswith("emr-pipeline:network.kerberosServers")
    assert reason in str(refusal.value)


def test_the_vpc_resolves_names(any_network: Deployment):
    vpc = any_network.one(aws.ec2.Vpc).inputs
    assert vpc["enableDnsSupport"] is True
    assert vpc["enableDnsHostnames"] is True, "private names of endpoints need it"
    assert vpc["cidrBlock"] == "10.20.0.0/20"


def test_emr_may_use_what_is_meant_for_it_and_nothing_else(per_zone: Deployment):
    tagged = {entry.name for entry in per_zone.resources if EMR_TAG.items() <= (entry.inputs.get("tags") or {}).items()}
    groups = {f"network-{group}-group" for group in EMR_GROUPS}
    subnets = {f"network-private-eu-west-1{zone}" for zone in "abc"}
    assert tagged == {"network-vpc"} | groups | subnets, (
        "EMR's service role works on what carries the tag: a public subnet or a function's group must not"
    )


# --- security groups ----------------------------------------------------------------------------------------------


def test_rules_arrive_as_planned(any_network: Deployment):
    nat = bool(any_network.all(aws.ec2.NatGateway))
    entries = [*any_network.all(aws.vpc.SecurityGroupIngressRule), *any_network.all(aws.vpc.SecurityGroupEgressRule)]
    assert len(entries) == len(network_rules(nat=nat))
    for rule in network_rules(nat=nat):
        entry = any_network.named(f"network-{rule.name}")
        assert ("Ingress" in entry.type) == (rule.direction == "in")
        peer: dict[str, str]
        if rule.peer in GROUPS:
            peer = {"referencedSecurityGroupId": f"network-{rule.peer}-group-id"}
        elif rule.peer == "0.0.0.0/0":
            peer = {"cidrIpv4": "0.0.0.0/0"}
        else:
            peer = {"prefixListId": f"pl-network-{rule.peer}-endpoint"}
        assert entry.inputs == {
            "securityGroupId": f"network-{rule.group}-group-id",
            "description": rule.description,
            "ipProtocol": rule.protocol,
            "fromPort": rule.ports[0],
            "toPort": rule.ports[1],
            **peer,
        }, f"{rule.name} is another rule than planned"


def test_groups_have_no_inline_rules_and_give_theirs_up_when_they_go(any_network: Deployment):
    for group in GROUPS:
        inputs = any_network.named(f"network-{group}-group").inputs
        assert not {"ingress", "egress"} & set(inputs), "inline rules would undo the standalone ones, and EMR's"
        assert inputs["revokeRulesOnDelete"] is True, "EMR's rules refer to one another and block deletion"


# --- endpoints ----------------------------------------------------------------------------------------------------


def endpoints(deployment: Deployment) -> dict[str, dict[str, Any]]:
    return {
        entry.name.removeprefix("network-").removesuffix("-endpoint"): entry.inputs
        for entry in deployment.all(aws.ec2.VpcEndpoint)
    }


def test_gateway_endpoints_serve_every_private_table(per_zone: Deployment):
    for service, policy in {
        "s3": s3_endpoint(ENVIRONMENT, BUCKETS),
        "dynamodb": dynamodb_endpoint(ENVIRONMENT),
    }.items():
        inputs = endpoints(per_zone)[service]
        assert inputs["vpcEndpointType"] == "Gateway"
        assert sorted(inputs["routeTableIds"]) == [f"network-private-eu-west-1{zone}-routes-id" for zone in "abc"]
        assert json.loads(inputs["policy"]) == policy


def test_interface_endpoints_take_over_the_services_names(closed: Deployment):
    made = {
        service: inputs for service, inputs in endpoints(closed).items() if inputs["vpcEndpointType"] == "Interface"
    }
    assert set(made) == set(NetworkSettings().interface_endpoints)
    assert closed.result.endpoint_services == list(NetworkSettings().interface_endpoints)
    for service, inputs in made.items():
        assert inputs["serviceName"] == f"com.amazonaws.eu-west-1.{service}"
        assert inputs["privateDnsEnabled"] is True, "clients use the public name, which must lead here"
        assert inputs["subnetIds"] == ["network-private-eu-west-1a-id", "network-private-eu-west-1b-id"]
        assert inputs["securityGroupIds"] == ["network-endpoints-group-id"]
        assert json.loads(inputs["policy"]) == account_only(ENVIRONMENT)
    assert "execute-api" not in made, "managed scaling fails beside it"
    assert closed.warnings == []


def service_answer(arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "serviceName": f"com.amazonaws.eu-west-1.{arguments['service']}",
        "availabilityZones": list(ENVIRONMENT.availability_zones),
        "vpcEndpointPolicySupported": True,
        **more,
    }


@pytest.mark.parametrize(
    "message",
    [
        "invoking aws:ec2/getVpcEndpointService:getVpcEndpointService: no matching EC2 VPC Endpoint Service found",
        "reading EC2 VPC Endpoint Services: couldn't find resource",
    ],
)
def test_an_endpoint_that_the_region_lacks_is_told_and_left_out(message: str):
    def answer(arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["service"] == "ec2messages":
            raise LookupError(message)
        return service_answer(arguments)

    deployment = network({SERVICE_CALL: answer}, nat_gateways="none")
    assert "ec2messages" not in endpoints(deployment)
    assert "ec2messages" not in deployment.result.endpoint_services
    (warning,) = deployment.warnings
    for part in ("emr-pipeline:network.interfaceEndpoints", "ec2messages", "eu-west-1", "nodes have no way there"):
        assert part in warning, f"{warning!r} must say {part!r}"


def test_another_failure_of_the_look_up_stops_the_program():
    def answer(arguments: dict[str, Any]) -> dict[str, Any]:
        raise PermissionError("UnauthorizedOperation: not allowed to DescribeVpcEndpointServices")

    with pytest.raises(Exception, match="UnauthorizedOperation"):
        network({SERVICE_CALL: answer})


def test_an_endpoint_goes_only_to_zones_that_its_service_is_in():
    def answer(arguments: dict[str, Any]) -> dict[str, Any]:
        zones = {"sns": ["eu-west-1b"], "sqs": ["eu-west-1c"]}.get(arguments["service"])
        return service_answer(arguments, **({"availabilityZones": zones} if zones else {}))

    deployment = network({SERVICE_CALL: answer})
    assert endpoints(deployment)["sns"]["subnetIds"] == ["network-private-eu-west-1b-id"]
    assert "sqs" not in endpoints(deployment), "none of the VPC's zones has it"
    (warning,) = deployment.warnings
    assert "sqs" in warning


def test_an_endpoint_without_support_for_policies_has_none():
    def answer(arguments: dict[str, Any]) -> dict[str, Any]:
        return service_answer(arguments, vpcEndpointPolicySupported=arguments["service"] != "sns")

    deployment = network({SERVICE_CALL: answer})
    assert "policy" not in endpoints(deployment)["sns"], "AWS refuses one there"
    assert "policy" in endpoints(deployment)["sqs"]


# --- flow logs ----------------------------------------------------------------------------------------------------


def test_all_traffic_of_the_vpc_is_logged_by_the_minute(closed: Deployment):
    log = closed.one(aws.ec2.FlowLog).inputs
    assert log["vpcId"] == "network-vpc-id"
    assert log["trafficType"] == "ALL", "what was refused tells of an attempt, what was accepted of its success"
    assert log["maxAggregationInterval"] == 60
    assert log["logDestinationType"] == "cloud-watch-logs"
    for field in ("pkt-srcaddr", "pkt-dstaddr", "instance-id", "tcp-flags", "flow-direction", "traffic-path", "action"):
        assert f"${{{field}}}" in log["logFormat"], f"an investigator needs {field}"


def test_flow_logs_are_encrypted_kept_as_long_as_set_and_delivered_by_a_role_for_that_only():
    deployment = network(flow_log_retention_days=365)
    group = deployment.one(aws.cloudwatch.LogGroup)
    assert group.inputs["kmsKeyId"] == LOGS_KEY
    assert group.inputs["retentionInDays"] == 365
    assert deployment.one(aws.ec2.FlowLog).inputs["logDestination"] == group.state["arn"]
    role = deployment.one(aws.iam.Role)
    (trust,) = role.document("assumeRolePolicy")["Statement"]
    assert trust["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "111122223333"},
        "ArnLike": {"aws:SourceArn": "arn:aws:ec2:eu-west-1:111122223333:vpc-flow-log/*"},
    }, "flow logs of other accounts must not write here"
    (granted,) = deployment.one(aws.iam.RolePolicy).document("policy")["Statement"]
    assert granted["Resource"] == "arn:aws:logs:eu-west-1:111122223333:log-group:/emr-pipeline/test/flow-logs:*"
    assert granted["Action"] == ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    assert "network-flow-logs-role-policy" in deployment.one(aws.ec2.FlowLog).depends_on


# --- what the rest of the program sees ----------------------------------------------------------------------------


def test_a_cluster_can_wait_for_every_rule_route_and_endpoint(any_network: Deployment):
    ready = {resource._name for resource in any_network.result.ready}
    kinds = (aws.vpc.SecurityGroupIngressRule, aws.vpc.SecurityGroupEgressRule, aws.ec2.VpcEndpoint)
    needed = {entry.name for kind in kinds for entry in any_network.all(kind)}
    needed |= {entry.name for entry in any_network.all(aws.ec2.Route) if "private" in entry.name}
    needed |= {entry.name for entry in any_network.all(aws.ec2.RouteTableAssociation) if "private" in entry.name}
    assert ready == needed, "nodes that start before their network is there fail, and the cluster with them"


def test_the_outputs_name_subnets_and_groups(closed: Deployment):
    vpc = closed.result
    assert closed.value(vpc.vpc_id) == "network-vpc-id"
    assert closed.value(vpc.private_subnet_ids) == [f"network-private-eu-west-1{zone}-id" for zone in "ab"]
    assert closed.value(vpc.primary_security_group_id) == "network-primary-group-id"
    assert closed.value(vpc.core_security_group_id) == "network-core-group-id"
    assert closed.value(vpc.service_access_security_group_id) == "network-service-access-group-id"
    assert closed.value(vpc.function_security_group_id) == "network-functions-group-id"
    assert closed.outputs("network")["privateSubnetIds"] == closed.value(vpc.private_subnet_ids)


def test_more_zones_than_the_region_has_are_refused():
    with pytest.raises(
        ConfigurationError, match=r"availabilityZoneCount is 3: eu-west-1 has 2 zones \(eu-west-1a, eu-w"
    ):
        network(
            environment=replace(ENVIRONMENT, availability_zones=("eu-west-1a", "eu-west-1b")), availability_zone_count=3
        )


def test_a_network_that_the_largest_cluster_outgrows_is_refused_with_the_sum():
    with pytest.raises(ConfigurationError) as refusal:
        network(cidr_block="10.20.0.0/22", most_nodes=120)
    for part in (
        "emr-pipeline:network.cidrBlock is 10.20.0.0/22",
        "128 - 5 = 123",
        "120 nodes + 14 interface",
        "= 136",
    ):
        assert part in str(refusal.value), f"{refusal.value} must say {part!r}"
    assert network(cidr_block="10.20.0.0/22", most_nodes=100).all(aws.ec2.Subnet), "and a smaller one is not"


@pytest.mark.parametrize("service", sorted(set(SERVICES_OF_NODES) - set(SERVICES_OF_FUNCTIONS)))
def test_without_nat_an_endpoint_that_nodes_need_cannot_be_left_out(service: str):
    others = tuple(name for name in NetworkSettings().interface_endpoints if name != service)
    with pytest.raises(ConfigurationError, match=rf"interfaceEndpoints lacks {service}: nodes \(natGateways is none\)"):
        network(nat_gateways="none", interface_endpoints=others)
    assert service not in network(nat_gateways="single", interface_endpoints=others).result.endpoint_services


@pytest.mark.parametrize("service", SERVICES_OF_FUNCTIONS)
def test_functions_always_need_their_endpoints(service: str):
    others = tuple(name for name in NetworkSettings().interface_endpoints if name != service)
    with pytest.raises(ConfigurationError, match=f"interfaceEndpoints lacks {service}: functions"):
        network(nat_gateways="single", interface_endpoints=others)
