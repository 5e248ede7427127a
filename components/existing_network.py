"""A VPC that somebody else keeps: what is asked about it, and what must hold before a cluster goes in.

The questions are provider functions, asked in preview already; the judgement is a function of plain values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from components.environment import AwsEnvironment
from components.lookups import all_of, ask, everything
from settings import ExistingVpcSettings

EMR_TAG = {"for-use-with-amazon-emr-managed-policies": "true"}
"""Without it the EMR service role's policy (AmazonEMRServicePolicy_v2) may use neither subnet nor group."""

PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""EMR takes no other addresses (EMR management guide, "Amazon VPC options")."""

NO_SUCH_ENDPOINT = ("no matching ec2 vpc endpoint", "couldn't find resource")
"""How the provider says that there is none (vpc_endpoint_data_source.go, SingularDataSourceFindError)."""


@dataclass(frozen=True)
class VpcFacts:
    """What matters of a VPC."""

    vpc_id: str
    cidr_block: str
    dns_support: bool
    dns_hostnames: bool
    domain_name: str
    """Of its DHCP options."""
    domain_name_servers: tuple[str, ...]


@dataclass(frozen=True)
class SubnetFacts:
    """What matters of a subnet and of the routes that hold for it."""

    subnet_id: str
    vpc_id: str
    zone: str
    free_addresses: int
    gives_public_addresses: bool
    hostname_type: str
    """``ip-name`` or ``resource-name``."""
    route_table_id: str
    way_out: str | None
    """Target of its default route (a gateway's or interface's id); None when it has none."""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class EndpointFacts:
    """What matters of an endpoint."""

    private_dns: bool
    route_table_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    prefix_list_id: str | None = None


@dataclass(frozen=True)
class ExistingNetwork:
    """All that is known of it."""

    vpc: VpcFacts
    subnets: tuple[SubnetFacts, ...]
    endpoints: Mapping[str, EndpointFacts]
    """By service; those that there are."""


def look_up(
    settings: ExistingVpcSettings, gateways: Sequence[str], interfaces: Sequence[str], opts: pulumi.InvokeOptions
) -> ExistingNetwork:
    """Ask AWS about the VPC, its subnets, their routes and its endpoints, as far as it goes at once."""
    return everything(_look_up(settings, gateways, interfaces, opts))


async def _look_up(
    settings: ExistingVpcSettings, gateways: Sequence[str], interfaces: Sequence[str], opts: pulumi.InvokeOptions
) -> ExistingNetwork:
    vpc = asyncio.ensure_future(ask("aws:ec2/getVpc:getVpc", {"id": settings.vpc_id}, aws.ec2.GetVpcResult, opts))
    kinds = {**dict.fromkeys(gateways, "Gateway"), **dict.fromkeys(interfaces, "Interface")}
    # Each of the four goes on by itself; what they have in common is the VPC.
    facts = asyncio.ensure_future(_vpc(settings.vpc_id, vpc, opts))
    subnets = asyncio.ensure_future(all_of(_subnet(name, vpc, opts) for name in settings.private_subnet_ids))
    endpoints = asyncio.ensure_future(
        all_of(_endpoint(settings.vpc_id, service, kind, opts) for service, kind in kinds.items())
    )
    await all_of([facts, subnets, endpoints])
    found = zip(kinds, endpoints.result(), strict=True)
    return ExistingNetwork(
        vpc=facts.result(),
        subnets=tuple(subnets.result()),
        endpoints={service: endpoint for service, endpoint in found if endpoint is not None},
    )


async def _vpc(vpc_id: str, found: Awaitable[aws.ec2.GetVpcResult], opts: pulumi.InvokeOptions) -> VpcFacts:
    vpc = await found
    options = await ask(
        "aws:ec2/getVpcDhcpOptions:getVpcDhcpOptions",
        {"dhcpOptionsId": vpc.dhcp_options_id},
        aws.ec2.GetVpcDhcpOptionsResult,
        opts,
    )
    return VpcFacts(
        vpc_id=vpc_id,
        cidr_block=vpc.cidr_block,
        dns_support=vpc.enable_dns_support,
        dns_hostnames=vpc.enable_dns_hostnames,
        domain_name=options.domain_name,
        domain_name_servers=tuple(options.domain_name_servers),
    )


def _none_or_raise(error: Exception, words: Sequence[str]) -> None:
    # The SDK raises a bare Exception. Any other failure must stop: something would be taken to be missing.
    if not any(text in str(error).lower() for text in words):
        raise error


async def _route_table(
    subnet_id: str, vpc: Awaitable[aws.ec2.GetVpcResult], opts: pulumi.InvokeOptions
) -> aws.ec2.GetRouteTableResult:
    token, kind = "aws:ec2/getRouteTable:getRouteTable", aws.ec2.GetRouteTableResult
    try:
        return await ask(token, {"subnetId": subnet_id}, kind, opts)
    except Exception as error:
        # A subnet without a table of its own follows the VPC's main one.
        _none_or_raise(error, ("query returned no results", "couldn't find resource"))
        return await ask(token, {"routeTableId": (await vpc).main_route_table_id}, kind, opts)


async def _subnet(identifier: str, vpc: Awaitable[aws.ec2.GetVpcResult], opts: pulumi.InvokeOptions) -> SubnetFacts:
    asked = asyncio.ensure_future(ask("aws:ec2/getSubnet:getSubnet", {"id": identifier}, aws.ec2.GetSubnetResult, opts))
    routes = asyncio.ensure_future(_route_table(identifier, vpc, opts))
    await all_of([asked, routes])
    subnet, table = asked.result(), routes.result()
    targets = [
        next(target for target in (*_targets(route), "another target") if target)
        for route in table.routes
        if route.cidr_block == "0.0.0.0/0"
    ]
    return SubnetFacts(
        subnet_id=identifier,
        vpc_id=subnet.vpc_id,
        zone=subnet.availability_zone,
        free_addresses=subnet.available_ip_address_count,
        gives_public_addresses=subnet.map_public_ip_on_launch,
        hostname_type=subnet.private_dns_hostname_type_on_launch,
        route_table_id=table.route_table_id,
        way_out=targets[0] if targets else None,
        tags=subnet.tags,
    )


def _targets(route: aws.ec2.outputs.GetRouteTableRouteResult) -> tuple[str, ...]:
    return (route.gateway_id, route.nat_gateway_id, route.transit_gateway_id, route.network_interface_id)


async def _endpoint(vpc_id: str, service: str, kind: str, opts: pulumi.InvokeOptions) -> EndpointFacts | None:
    offered = await ask(
        "aws:ec2/getVpcEndpointService:getVpcEndpointService",
        {"service": service, "serviceType": kind},
        aws.ec2.GetVpcEndpointServiceResult,
        opts,
    )
    wanted = {"vpcId": vpc_id, "serviceName": offered.service_name, "vpcEndpointType": kind, "state": "available"}
    try:
        found = await ask("aws:ec2/getVpcEndpoint:getVpcEndpoint", wanted, aws.ec2.GetVpcEndpointResult, opts)
    except Exception as error:
        _none_or_raise(error, NO_SUCH_ENDPOINT)
        return None
    return EndpointFacts(
        private_dns=found.private_dns_enabled,
        route_table_ids=tuple(found.route_table_ids),
        security_group_ids=tuple(found.security_group_ids),
        prefix_list_id=found.prefix_list_id or None,
    )


def failures(
    network: ExistingNetwork,
    environment: AwsEnvironment,
    *,
    goes_out: bool,
    most_nodes: int,
    gateways: Sequence[str],
    required: Mapping[str, str],
) -> list[str]:
    """What keeps a cluster from living in a VPC, one line each; none when it can.

    Args:
        network: What is there.
        environment: Where.
        goes_out: Whether nodes are to reach the internet.
        most_nodes: Nodes that may stand in the first subnet at once.
        gateways: Services that need a gateway endpoint.
        required: Services that need an interface endpoint, and who calls them.
    """
    return [
        *_vpc_failures(network.vpc, environment),
        *_subnet_failures(network, goes_out, most_nodes),
        *_endpoint_failures(network, gateways, required),
    ]


def _vpc_failures(vpc: VpcFacts, environment: AwsEnvironment) -> list[str]:
    name, domain = vpc.vpc_id, environment.node_domain
    block = IPv4Network(vpc.cidr_block)
    checks: list[tuple[bool, str]] = [
        (
            any(block.subnet_of(IPv4Network(private)) for private in PRIVATE_NETWORKS),
            f"{name} has {vpc.cidr_block}, and EMR takes private addresses only ({', '.join(PRIVATE_NETWORKS)})",
        ),
        (vpc.dns_support, f"{name} has enableDnsSupport off: endpoints and nodes have names to be resolved"),
        (vpc.dns_hostnames, f"{name} has enableDnsHostnames off: nodes and endpoints have no names of their own"),
        (
            vpc.domain_name == domain,
            f"{name} gives nodes the domain {vpc.domain_name or '(none)'} by its DHCP options: Kerberos and the "
            f"cluster's certificate go by {domain}",
        ),
        (
            "AmazonProvidedDNS" in vpc.domain_name_servers,
            f"{name} asks {', '.join(vpc.domain_name_servers) or 'no server'} for names by its DHCP options, not "
            "AmazonProvidedDNS: private names of endpoints and nodes are known to that one only",
        ),
    ]
    return [text for holds, text in checks if not holds]


def _subnet_failures(network: ExistingNetwork, goes_out: bool, most_nodes: int) -> list[str]:
    zones = [subnet.zone for subnet in network.subnets]
    twice = sorted({zone for zone in zones if zones.count(zone) > 1})
    found = [f"privateSubnetIds holds more than one subnet of {zone}: one a zone is used" for zone in twice]
    for subnet in network.subnets:
        name = subnet.subnet_id
        checks: list[tuple[bool, str]] = [
            (
                subnet.vpc_id == network.vpc.vpc_id,
                f"{name} is a subnet of {subnet.vpc_id}, not of {network.vpc.vpc_id}",
            ),
            (
                not (subnet.way_out or "").startswith("igw-"),
                f"{name} is public: its default route ({subnet.route_table_id}) leads to {subnet.way_out}",
            ),
            (
                not goes_out or subnet.way_out is not None,
                f"{name} has no default route ({subnet.route_table_id}): set natGateways to none, or give it a way out",
            ),
            (not subnet.gives_public_addresses, f"{name} has mapPublicIpOnLaunch on: nodes would get public addresses"),
            (
                subnet.hostname_type == "ip-name",
                f"{name} names machines by {subnet.hostname_type}: Kerberos and the certificate need ip-name",
            ),
            (
                EMR_TAG.items() <= subnet.tags.items(),
                f"{name} lacks the tag {next(iter(EMR_TAG))}=true, without which EMR's service role may not use it",
            ),
        ]
        found += [text for holds, text in checks if not holds]
    first = network.subnets[0]
    if first.free_addresses < most_nodes:
        found.append(
            f"{first.subnet_id} has {first.free_addresses} free addresses, and the cluster may come to need "
            f"{most_nodes} (all groups scaled out, twice while it is replaced)"
        )
    return found


def _endpoint_failures(network: ExistingNetwork, gateways: Sequence[str], required: Mapping[str, str]) -> list[str]:
    found: list[str] = []
    vpc = network.vpc.vpc_id
    for service in gateways:
        endpoint = network.endpoints.get(service)
        if endpoint is None:
            found.append(f"{vpc} has no gateway endpoint for {service}: groups lead there by its prefix list alone")
            continue
        found += [
            f"the gateway endpoint for {service} is not in {subnet.route_table_id}, the route table of "
            f"{subnet.subnet_id}"
            for subnet in network.subnets
            if subnet.route_table_id not in endpoint.route_table_ids
        ]
    for service, callers in required.items():
        if service not in network.endpoints:
            found.append(f"{vpc} has no interface endpoint for {service}: {callers} have no other way there")
    found += [
        f"the interface endpoint for {service} has private DNS off: programs go by the service's public name"
        for service, endpoint in network.endpoints.items()
        if service not in gateways and not endpoint.private_dns
    ]
    return found
