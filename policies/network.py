"""Rules of the network: nothing reaches in from the internet, and nothing reaches out without saying where to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from policies.addresses import Network, Ports, is_internet, parse_network, parse_ports
from policies.iam_documents import Statement, all_of, any_of, bound, is_fixed, negate, open_resource, parse_document
from policies.model import Family, Findings, Match, Resource, Setting, Settings, Severity, Stack, undecided, violation
from policies.plain import UNKNOWN, Malformed, Plain, Unknown, at, listed, record, switch, text

family = Family("Network")

VPC: Final = "aws:ec2/vpc:Vpc"
DEFAULT_VPC: Final = "aws:ec2/defaultVpc:DefaultVpc"
SUBNET: Final = "aws:ec2/subnet:Subnet"
DEFAULT_SUBNET: Final = "aws:ec2/defaultSubnet:DefaultSubnet"
SECURITY_GROUP: Final = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_SECURITY_GROUP: Final = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
SECURITY_GROUP_RULE: Final = "aws:ec2/securityGroupRule:SecurityGroupRule"
INGRESS_RULE: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS_RULE: Final = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
PREFIX_LIST: Final = "aws:ec2/managedPrefixList:ManagedPrefixList"
PREFIX_LIST_ENTRY: Final = "aws:ec2/managedPrefixListEntry:ManagedPrefixListEntry"
ROUTE_TABLE: Final = "aws:ec2/routeTable:RouteTable"
DEFAULT_ROUTE_TABLE: Final = "aws:ec2/defaultRouteTable:DefaultRouteTable"
ROUTE: Final = "aws:ec2/route:Route"
ROUTE_TABLE_ASSOCIATION: Final = "aws:ec2/routeTableAssociation:RouteTableAssociation"
MAIN_ROUTE_TABLE_ASSOCIATION: Final = "aws:ec2/mainRouteTableAssociation:MainRouteTableAssociation"
INTERNET_GATEWAY: Final = "aws:ec2/internetGateway:InternetGateway"
FLOW_LOG: Final = "aws:ec2/flowLog:FlowLog"
NETWORK_ACL: Final = "aws:ec2/networkAcl:NetworkAcl"
DEFAULT_NETWORK_ACL: Final = "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl"
NETWORK_ACL_RULE: Final = "aws:ec2/networkAclRule:NetworkAclRule"
VPC_ENDPOINT: Final = "aws:ec2/vpcEndpoint:VpcEndpoint"
VPC_ENDPOINT_POLICY: Final = "aws:ec2/vpcEndpointPolicy:VpcEndpointPolicy"
ENDPOINT_ROUTE_TABLE: Final = "aws:ec2/vpcEndpointRouteTableAssociation:VpcEndpointRouteTableAssociation"
EMR_CLUSTER: Final = "aws:emr/cluster:Cluster"
SERVERLESS: Final = "aws:emrserverless/application:Application"

_GROUPS: Final = (SECURITY_GROUP, DEFAULT_SECURITY_GROUP)
_STANDALONE_RULES: Final = (SECURITY_GROUP_RULE, INGRESS_RULE, EGRESS_RULE)

_PUBLIC_PREFIXES: Final = {
    "ipv4Prefix": Setting(
        {"type": "integer", "minimum": 1, "maximum": 32},
        16,
        "A public IPv4 network with a shorter prefix than this counts as the internet.",
    ),
    "ipv6Prefix": Setting(
        {"type": "integer", "minimum": 1, "maximum": 128},
        32,
        "A public IPv6 network with a shorter prefix than this counts as the internet.",
    ),
}

_MOST_PORTS: Final = {
    "mostPorts": Setting(
        {"type": "integer", "minimum": 1, "maximum": 65536},
        100,
        "A rule that opens more ports than this to the internet is too wide.",
    )
}


@dataclass(frozen=True)
class GroupRule:
    """One rule of a security group, however it was written."""

    where: str
    protocol: Plain
    first: Plain
    last: Plain
    networks: tuple[tuple[str, Plain], ...]
    prefix_lists: tuple[tuple[str, Plain], ...]

    @property
    def ports(self) -> Ports | Unknown:
        """Ports that it opens."""
        return parse_ports(self.protocol, self.first, self.last)


def group_rules(resource: Resource, direction: str) -> Iterator[GroupRule | Unknown]:
    """The rules in a resource that open `direction` (``ingress`` or ``egress``); `UNKNOWN` for those not known yet."""
    if resource.type in _GROUPS:
        if resource.computed(direction):
            return
        for index, entry in enumerate(resource.items(direction)):
            rule = record(entry)
            if rule is UNKNOWN:
                yield UNKNOWN
            elif rule is not None:
                yield _plural_rule(f"{direction}[{index}]", rule)
    elif resource.type == SECURITY_GROUP_RULE:
        kind = resource.text("type")
        if kind is UNKNOWN:
            yield UNKNOWN
        elif kind is not None and kind.lower() == direction:
            yield _plural_rule("", resource.properties)
    elif resource.type == {"ingress": INGRESS_RULE, "egress": EGRESS_RULE}[direction]:
        yield GroupRule(
            "",
            resource.value("ipProtocol"),
            resource.value("fromPort"),
            resource.value("toPort"),
            tuple((key, resource.value(key)) for key in ("cidrIpv4", "cidrIpv6")),
            (("prefixListId", resource.value("prefixListId")),),
        )


def _plural_rule(where: str, rule: dict[str, Plain]) -> GroupRule:
    prefix = f"{where}." if where else ""
    networks = [
        (f"{prefix}{key}[{index}]", value)
        for key in ("cidrBlocks", "ipv6CidrBlocks")
        for index, value in enumerate(listed(at(rule, key)))
    ]
    lists = [
        (f"{prefix}prefixListIds[{index}]", value) for index, value in enumerate(listed(at(rule, "prefixListIds")))
    ]
    return GroupRule(
        where, at(rule, "protocol"), at(rule, "fromPort"), at(rule, "toPort"), tuple(networks), tuple(lists)
    )


def _internet(network: Network, settings: Settings) -> bool:
    return is_internet(network, settings["ipv4Prefix"], settings["ipv6Prefix"])


def public_ingress(resource: Resource, settings: Settings) -> Findings:
    """What of a group or rule lets the internet in, by address."""
    for rule in group_rules(resource, "ingress"):
        if isinstance(rule, Unknown):
            yield undecided("ingress", "holds a rule that is not known yet")
            continue
        for where, value in rule.networks:
            network = parse_network(value)
            if network is UNKNOWN:
                yield undecided(where)
            elif network is not None and _internet(network, settings):
                opened = "ports that are not known yet" if rule.ports is UNKNOWN else str(rule.ports)
                yield violation(where, f"lets {network} in, on {opened}")


@family.resource_rule(
    "NET-01",
    "sg-no-public-ingress",
    "No security group lets the internet in",
    Severity.CRITICAL,
    (SECURITY_GROUP, DEFAULT_SECURITY_GROUP, SECURITY_GROUP_RULE, INGRESS_RULE),
    fix="Name the security group that may come in (referencedSecurityGroupId, securityGroups), or a private network.",
    source="VPC user guide: Security group rules; EMR management guide: Using Amazon EMR block public access",
    frameworks=(
        "checkov CKV_AWS_24",
        "checkov CKV_AWS_25",
        "checkov CKV_AWS_260",
        "checkov CKV_AWS_277",
        "trivy AVD-AWS-0107",
        "cdk-nag AwsSolutions-EC23",
        "Security Hub EC2.13",
        "Security Hub EC2.18",
        "Security Hub EC2.19",
        "CIS AWS 5.2",
        "CIS AWS 5.3",
    ),
    settings=_PUBLIC_PREFIXES,
)
def sg_no_public_ingress(resource: Resource, settings: Settings) -> Findings:
    """Every port, every spelling of a network, inline rules and both kinds of rule resources."""
    return public_ingress(resource, settings)


def public_prefix_lists(resource: Resource, stack: Stack, settings: Settings, direction: str = "ingress") -> Findings:
    """What of a group or rule lets the internet in (or everything out to it) through a prefix list."""
    for rule in group_rules(resource, direction):
        if isinstance(rule, Unknown):
            # Decided for the addresses by NET-01 and NET-03; here only a list in the rule's making matters.
            if stack.nearest(resource.depends.get(direction, ()), (PREFIX_LIST,)):
                yield undecided(direction, "holds a rule that is not known yet")
            continue
        if direction == "egress" and not _wide(rule.ports, settings):
            continue
        for where, value in rule.prefix_lists:
            if value is None or text(value) is None:
                continue
            name = where.partition("[")[0].partition(".")[0]
            lists, complete = stack.named(resource, name, [value], PREFIX_LIST)
            for prefix_list in lists:
                yield from _open_entries(prefix_list, stack, where, settings, direction)
            if not complete:
                yield undecided(where, "names a prefix list outside the stack, or one that is not known yet")


def _open_entries(prefix_list: Resource, stack: Stack, where: str, settings: Settings, direction: str) -> Findings:
    cidrs: list[Plain] = []
    if not prefix_list.computed("entries"):
        cidrs += [at(entry, "cidr") for entry in prefix_list.items("entries")]
    certain, possible = stack.referring(prefix_list, "prefixListId", PREFIX_LIST_ENTRY)
    cidrs += [entry.value("cidr") for entry in certain]
    for cidr in cidrs:
        network = parse_network(cidr)
        if network is UNKNOWN:
            yield undecided(where, f"names prefix list {prefix_list.name}, which holds a network that is not known yet")
        elif network is not None and _internet(network, settings):
            yield violation(
                where,
                f"lets {network} in through prefix list {prefix_list.name}"
                if direction == "ingress"
                else f"lets everything out to {network} through prefix list {prefix_list.name}",
                f"Take {network} out of prefix list {prefix_list.name}, or name a security group instead.",
            )
    for entry in possible:
        network = parse_network(entry.value("cidr"))
        if network is UNKNOWN or (network is not None and _internet(network, settings)):
            yield undecided(
                where, f"names prefix list {prefix_list.name}; it is not known whether {entry.name} adds to it"
            )


@family.stack_rule(
    "NET-02",
    "sg-no-public-prefix-list",
    "No security group lets the internet in, or everything out to it, through a prefix list",
    Severity.HIGH,
    (SECURITY_GROUP, DEFAULT_SECURITY_GROUP, SECURITY_GROUP_RULE, INGRESS_RULE, EGRESS_RULE),
    fix="Name a security group or a private network instead of the prefix list.",
    source="VPC user guide: Customer-managed prefix lists",
    settings={**_PUBLIC_PREFIXES, **_MOST_PORTS},
)
def sg_no_public_prefix_list(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """A prefix list is a list of networks under another name."""
    yield from public_prefix_lists(resource, stack, settings)
    yield from public_prefix_lists(resource, stack, settings, "egress")


@family.resource_rule(
    "NET-03",
    "sg-no-open-egress",
    "No security group lets everything out to the internet",
    Severity.HIGH,
    (SECURITY_GROUP, DEFAULT_SECURITY_GROUP, SECURITY_GROUP_RULE, EGRESS_RULE),
    fix="Open the ports that are needed (443), to the groups, prefix lists or networks that need them.",
    source="VPC user guide: Security group rules",
    frameworks=("checkov CKV_AWS_382", "trivy AVD-AWS-0104"),
    settings={**_PUBLIC_PREFIXES, **_MOST_PORTS},
)
def sg_no_open_egress(resource: Resource, settings: Settings) -> Findings:
    """All protocols, or a wide range of ports, to the internet: the way out for data."""
    for rule in group_rules(resource, "egress"):
        if isinstance(rule, Unknown):
            yield undecided("egress", "holds a rule that is not known yet")
            continue
        ports = rule.ports
        for where, value in rule.networks:
            network = parse_network(value)
            if network is None or (network is not UNKNOWN and not _internet(network, settings)):
                continue
            if not _wide(ports, settings):
                continue
            if network is UNKNOWN or ports is UNKNOWN:
                yield undecided(where, "opens a network or ports that are not known yet")
            else:
                yield violation(where, f"lets traffic out to {network}, on {ports}")


def _wide(ports: Ports | Unknown, settings: Settings) -> bool:
    """Whether a rule opens more ports than it should, or may do so."""
    return isinstance(ports, Unknown) or ports.every_protocol or ports.count > settings["mostPorts"]


def _openings(rule: GroupRule) -> set[tuple[object, ...]]:
    """What a rule opens and to what, in a form in which inline and standalone rules compare equal."""
    ports = rule.ports
    opened = None if isinstance(ports, Unknown) else (ports.protocol, ports.first, ports.last)
    others: set[tuple[object, ...]] = {
        (opened, str(parse_network(value))) for _, value in rule.networks if text(value) is not None
    }
    return others or {(opened, "group or prefix list")}


@family.stack_rule(
    "NET-04",
    "sg-one-rule-style",
    "A security group's rules are inline or resources of their own, never both",
    Severity.MEDIUM,
    (SECURITY_GROUP,),
    fix="Move the inline rules to SecurityGroupIngressRule and SecurityGroupEgressRule resources.",
    source="Provider aws_security_group: inline rules and rule resources overwrite each other at every update",
    frameworks=("awsguard security-group-no-rule-management-conflicts",),
)
def sg_one_rule_style(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """Mixed styles undo each other, so what is open changes from update to update."""
    certain, possible = stack.referring(resource, "securityGroupId", *_STANDALONE_RULES)
    for direction in ("ingress", "egress"):
        inline = list(group_rules(resource, direction))
        apart = [(rule, list(group_rules(rule, direction))) for rule in certain]
        apart = [(rule, entries) for rule, entries in apart if entries]
        # After a refresh the provider repeats standalone rules in the group's own list: those are no mixture.
        repeated = {
            opening
            for _, entries in apart
            for entry in entries
            if not isinstance(entry, Unknown)
            for opening in _openings(entry)
        }
        own = [entry for entry in inline if isinstance(entry, Unknown) or not _openings(entry) <= repeated]
        if own and apart:
            yield violation(direction, f"holds rules of its own beside {apart[0][0].label}, which opens the same group")
        elif own and any(True for rule in possible for _ in group_rules(rule, direction)):
            yield undecided(direction, "holds rules; it is not known whether rule resources open the same group")


@family.stack_rule(
    "NET-05",
    "default-sg-closed",
    "The default security group of every VPC is closed",
    Severity.MEDIUM,
    (VPC, DEFAULT_SECURITY_GROUP),
    fix="Add a DefaultSecurityGroup for the VPC without ingress and egress, and no rule for it.",
    source="VPC user guide: Default security groups for your VPCs",
    frameworks=(
        "checkov CKV2_AWS_12",
        "trivy AVD-AWS-0173",
        "cdk-nag HIPAA.Security-VPCDefaultSecurityGroupClosed",
        "Security Hub EC2.2",
        "CIS AWS 5.4",
    ),
)
def default_sg_closed(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """What forgets to name a group lands in the default one, which lets its members talk to each other.

    A default group of a VPC outside the stack is judged by itself.
    """
    if resource.type == DEFAULT_SECURITY_GROUP:
        value = resource.value("vpcId")
        if all(stack.refers(resource, "vpcId", value, vpc) is Match.NO for vpc in stack.of(VPC)):
            for direction in ("ingress", "egress"):
                if any(not isinstance(rule, Unknown) for rule in group_rules(resource, direction)):
                    yield violation(direction, "has rules, though whatever forgets to name a group lands in this one")
        return
    certain, possible = stack.referring(resource, "vpcId", DEFAULT_SECURITY_GROUP)
    if not certain:
        if possible:
            yield undecided("", "may have its default security group closed; which VPC that is is not known yet")
        else:
            yield violation("", "leaves its default security group as AWS makes it, open between its members")
    for group in certain:
        for direction in ("ingress", "egress"):
            rules = list(group_rules(group, direction))
            if any(not isinstance(rule, Unknown) for rule in rules):
                yield violation("", f"has rules in its default security group ({group.name}, {direction})")
            elif rules:
                yield undecided("", f"has rules in its default security group ({group.name}) that are not known yet")
    groups = {group.urn for group in certain}
    for rule in stack.of(*_STANDALONE_RULES):
        value = rule.value("securityGroupId")
        known = text(value)
        default = resource.text("defaultSecurityGroupId")
        made_from = set(rule.depends.get("securityGroupId", ()))
        ids = {default, *(group.text("id") for group in certain)}
        by_id = known is not None and known is not UNKNOWN and known in ids
        if by_id or (known is UNKNOWN and (made_from == {resource.urn} or (made_from and made_from <= groups))):
            yield violation("", f"has its default security group opened by {rule.label}")


@family.resource_rule(
    "NET-06",
    "subnet-no-public-ip",
    "No subnet gives its machines public addresses",
    Severity.HIGH,
    (SUBNET, DEFAULT_SUBNET),
    fix="Set mapPublicIpOnLaunch to false; a machine that must be reached gets an elastic address of its own.",
    source="VPC user guide: Modify the public IP addressing attributes of your subnet",
    frameworks=(
        "checkov CKV_AWS_130",
        "trivy AVD-AWS-0164",
        "cdk-nag HIPAA.Security-VPCSubnetAutoAssignPublicIpDisabled",
        "Security Hub EC2.15",
        "Security Hub EMR.1",
    ),
    remedy={SUBNET: {"mapPublicIpOnLaunch": False}, DEFAULT_SUBNET: {"mapPublicIpOnLaunch": False}},
)
def subnet_no_public_ip(resource: Resource, settings: Settings) -> Findings:
    """AWS gives public addresses in default subnets unless told not to."""
    flag = resource.value("mapPublicIpOnLaunch")
    public = switch(flag)
    if public is UNKNOWN:
        yield undecided("mapPublicIpOnLaunch")
    elif public is True:
        yield violation("mapPublicIpOnLaunch", "gives every machine in the subnet a public address")
    elif flag is None and resource.type == DEFAULT_SUBNET:
        yield violation("mapPublicIpOnLaunch", "is absent, and a default subnet gives public addresses")


@dataclass(frozen=True)
class RouteSource:
    """Where some routes of a table are written: the resource, the property and the routes."""

    resource: Resource
    property: str
    routes: tuple[Plain, ...]


def subnet_routes(subnet: Resource, stack: Stack) -> tuple[list[RouteSource], list[str]]:
    """The routes that hold for a subnet, and what about them is not known.

    By associations first; a subnet without one follows the VPC's main table.
    """
    doubts: list[str] = []
    associations, possible = stack.referring(subnet, "subnetId", ROUTE_TABLE_ASSOCIATION)
    if possible:
        doubts.append("whether it has a route table of its own")
    if associations:
        sources: list[RouteSource] = []
        for association in associations:
            sources += _table_routes(association, "routeTableId", stack, doubts)
        return sources, doubts
    vpcs, complete = stack.named(subnet, "vpcId", [subnet.value("vpcId")], VPC, DEFAULT_VPC)
    if not vpcs or not complete:
        return [], [*doubts, "the main route table of its VPC"]
    return _main_routes(vpcs[0], stack, doubts), doubts


def _main_routes(vpc: Resource, stack: Stack, doubts: list[str]) -> list[RouteSource]:
    mains, possible = stack.referring(vpc, "vpcId", MAIN_ROUTE_TABLE_ASSOCIATION)
    if possible:
        doubts.append("which route table is the VPC's main one")
    if mains:
        return [source for main in mains for source in _table_routes(main, "routeTableId", stack, doubts)]
    return _default_routes(vpc, stack, doubts)


def _default_routes(vpc: Resource, stack: Stack, doubts: list[str]) -> list[RouteSource]:
    """Routes of the table that AWS makes with a VPC: it starts with the local route only."""
    sources: list[RouteSource] = []
    for table in stack.of(DEFAULT_ROUTE_TABLE):
        if _is_default_table_of(table, "defaultRouteTableId", vpc):
            sources += _own_routes(table, stack, doubts)
    for route in stack.of(ROUTE):
        if _is_default_table_of(route, "routeTableId", vpc):
            sources.append(RouteSource(route, "", (route.properties,)))
    if vpc.type == DEFAULT_VPC:
        doubts.append("the main route table of the default VPC")
    return sources


def _is_default_table_of(resource: Resource, name: str, vpc: Resource) -> bool:
    """Whether a property holds the id of the VPC's default (or main) table."""
    known = resource.text(name)
    if known is UNKNOWN:
        return vpc.urn in resource.depends.get(name, ())
    return known is not None and known in (vpc.text("defaultRouteTableId"), vpc.text("mainRouteTableId"))


def _table_routes(source: Resource, name: str, stack: Stack, doubts: list[str]) -> list[RouteSource]:
    tables, complete = stack.named(source, name, [source.value(name)], ROUTE_TABLE, DEFAULT_ROUTE_TABLE)
    found = [routes for table in tables for routes in _own_routes(table, stack, doubts)]
    if not tables:
        for vpc in stack.of(VPC, DEFAULT_VPC):
            if _is_default_table_of(source, name, vpc):
                return _default_routes(vpc, stack, doubts)
    if not complete:
        doubts.append("its route table, which is outside the stack or not known yet")
    return found


def _own_routes(table: Resource, stack: Stack, doubts: list[str]) -> list[RouteSource]:
    sources: list[RouteSource] = []
    if table.value("routes") is UNKNOWN:
        if not table.computed("routes"):
            doubts.append(f"the routes of {table.name}")
    else:
        sources.append(RouteSource(table, "routes", tuple(table.items("routes"))))
    certain, possible = stack.referring(table, "routeTableId", ROUTE)
    sources += [RouteSource(route, "", (route.properties,)) for route in certain]
    if any(leads_out(RouteSource(route, "", (route.properties,)), stack) is not Match.NO for route in possible):
        doubts.append(f"whether a route to an internet gateway is in {table.name}")
    return sources


def leads_out(source: RouteSource, stack: Stack) -> Match:
    """Whether one of some routes leads to an internet gateway."""
    answer = Match.NO
    for entry in source.routes:
        route = record(entry)
        if route is UNKNOWN:
            answer = Match.MAYBE
            continue
        gateway = text(at(route, "gatewayId"))
        if gateway is None:
            continue
        if gateway is not UNKNOWN:
            if gateway.startswith("igw-") or _is_gateway(gateway, stack):
                return Match.YES
            continue
        made_from = source.resource.depends.get(source.property or "gatewayId", ())
        targets = {target.type for target in stack.resources if target.urn in made_from}
        if INTERNET_GATEWAY not in targets:
            # An id of something else in EC2 is no internet gateway's; what a component hands out may be.
            elsewhere = any(target.startswith("aws:ec2/") for target in targets)
            answer = answer if elsewhere else Match.MAYBE
        elif source.property and targets & _OTHER_GATEWAYS:
            answer = Match.MAYBE
        else:
            return Match.YES
    return answer


_OTHER_GATEWAYS: Final = frozenset({"aws:ec2/vpnGateway:VpnGateway", VPC_ENDPOINT})


def _is_gateway(gateway: str, stack: Stack) -> bool:
    return any(gateway == target.text("id") for target in stack.of(INTERNET_GATEWAY))


_SUBNETS_IN: Final = {EMR_CLUSTER: "ec2Attributes", SERVERLESS: "networkConfiguration"}
"""The property that names a resource's subnets."""


@family.stack_rule(
    "NET-07",
    "emr-subnet-private",
    "The subnets of clusters and EMR Serverless have no route to an internet gateway",
    Severity.CRITICAL,
    (EMR_CLUSTER, SERVERLESS),
    fix="Put the cluster in subnets whose route table leads out through a NAT gateway or VPC endpoints, or not at all.",
    source="EMR management guide: Amazon VPC options when you launch a cluster (private subnets); "
    "EMR Serverless user guide: Configuring VPC access (private subnets only)",
    frameworks=("Security Hub EMR.1", "Config emr-master-no-public-ip"),
)
def emr_subnet_private(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """By associations and routes, never by names: a subnet is private when no route of its table leads out."""
    where = _SUBNETS_IN[resource.type]
    subnets, complete = cluster_subnets(resource, stack)
    if not complete:
        yield undecided(where, "names a subnet that is outside the stack or not known yet")
    for subnet in subnets:
        sources, doubts = subnet_routes(subnet, stack)
        answers = [(source, leads_out(source, stack)) for source in sources]
        open_sources = [source for source, answer in answers if answer is Match.YES]
        for source in open_sources:
            yield violation(where, f"runs in subnet {subnet.name}, which {source.resource.label} leads out")
        if not open_sources:
            doubts += [f"where {source.resource.name} leads" for source, answer in answers if answer is Match.MAYBE]
            for doubt in dict.fromkeys(doubts):
                yield undecided(where, f"runs in subnet {subnet.name}; it is not known yet: {doubt}")


def cluster_subnets(cluster: Resource, stack: Stack) -> tuple[list[Resource], bool]:
    """The subnets of a cluster or an application of EMR Serverless, and whether these are all."""
    where = _SUBNETS_IN[cluster.type]
    attributes = cluster.value(where)
    if attributes is UNKNOWN:
        values: list[Plain] = [UNKNOWN]
    else:
        values = [at(attributes, "subnetId"), *listed(at(attributes, "subnetIds"))]
    return stack.named(cluster, where, values, SUBNET, DEFAULT_SUBNET)


@family.stack_rule(
    "NET-08",
    "vpc-flow-logs",
    "Every VPC records its traffic",
    Severity.HIGH,
    (VPC,),
    fix="Add a FlowLog with the VPC's id, trafficType ALL, into an encrypted log group or bucket.",
    source="VPC user guide: Logging IP traffic using VPC Flow Logs",
    frameworks=(
        "checkov CKV2_AWS_11",
        "trivy AVD-AWS-0178",
        "cdk-nag AwsSolutions-VPC7",
        "Security Hub EC2.6",
        "CIS AWS 3.7",
    ),
)
def vpc_flow_logs(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """A log of one subnet or interface does not record the VPC."""
    certain, possible = stack.referring(resource, "vpcId", FLOW_LOG)
    if not certain:
        if possible:
            yield undecided("", "may have a flow log; which VPC that records is not known yet")
        else:
            yield violation("", "has no flow log of the whole VPC")


@family.resource_rule(
    "NET-09",
    "no-default-network",
    "Nothing lives in the default network",
    Severity.MEDIUM,
    (DEFAULT_VPC, DEFAULT_SUBNET),
    fix="Make a Vpc and Subnets of the stack's own.",
    source="VPC user guide: Default VPCs (public subnets, and shared with whatever else is in the account)",
    frameworks=("checkov CKV_AWS_148", "trivy AVD-AWS-0101"),
)
def no_default_network(resource: Resource, settings: Settings) -> Findings:
    """The default VPC's subnets are public, and everybody's."""
    yield violation("", "adopts the account's default network")


@family.resource_rule(
    "NET-10",
    "nacl-no-public-ingress",
    "No network ACL lets the internet in to administration ports",
    Severity.MEDIUM,
    (NETWORK_ACL, DEFAULT_NETWORK_ACL, NETWORK_ACL_RULE),
    fix="Allow private networks, and from the internet only the ephemeral ports that answers come back to.",
    source="VPC user guide: Control subnet traffic with network access control lists",
    frameworks=(
        "checkov CKV_AWS_229",
        "checkov CKV_AWS_230",
        "checkov CKV_AWS_231",
        "checkov CKV_AWS_232",
        "checkov CKV_AWS_352",
        "trivy AVD-AWS-0102",
        "trivy AVD-AWS-0105",
        "Security Hub EC2.21",
        "CIS AWS 5.1",
    ),
    settings={
        **_PUBLIC_PREFIXES,
        "ports": Setting(
            {"type": "array", "items": {"type": "integer"}}, [20, 21, 22, 3389], "Ports that must not be open."
        ),
    },
)
def nacl_no_public_ingress(resource: Resource, settings: Settings) -> Findings:
    """ACLs are stateless, so answers need ephemeral ports open; administration ports are never needed."""
    if resource.type == NETWORK_ACL_RULE:
        outward = switch(resource.value("egress"))
        if outward is True:
            return
        entries: list[tuple[str, Plain]] = [("", resource.properties)]
        keys = ("ruleAction", "cidrBlock", "ipv6CidrBlock")
    else:
        outward = False
        entries = [(f"ingress[{index}].", entry) for index, entry in enumerate(resource.items("ingress"))]
        keys = ("action", "cidrBlock", "ipv6CidrBlock")
    for prefix, entry in entries:
        if record(entry) is UNKNOWN:
            yield undecided("ingress", "holds a rule that is not known yet")
            continue
        action = text(at(entry, keys[0]))
        if action is not UNKNOWN and (action or "").lower() != "allow":
            continue
        ports = parse_ports(at(entry, "protocol"), at(entry, "fromPort"), at(entry, "toPort"))
        if not isinstance(ports, Unknown) and not any(ports.holds(port) for port in settings["ports"]):
            continue
        for key in keys[1:]:
            network = parse_network(at(entry, key))
            if network is None or (network is not UNKNOWN and not _internet(network, settings)):
                continue
            if UNKNOWN in (network, action, ports, outward):
                yield undecided(f"{prefix}{key}", "is part of a rule that is not wholly known yet")
            else:
                yield violation(f"{prefix}{key}", f"lets {network} in, on {ports}")


def _service_of(endpoint: Resource) -> str | Unknown | None:
    """The service that an endpoint leads to, without region: ``s3``, ``ecr.api``."""
    name = endpoint.text("serviceName")
    if not isinstance(name, str):
        return name
    parts = name.split(".")
    start = parts.index("amazonaws") + 2 if "amazonaws" in parts else 0
    return ".".join(parts[start:]) or None


def _kind_of(endpoint: Resource) -> str | Unknown:
    kind = endpoint.text("vpcEndpointType")
    return kind if isinstance(kind, Unknown) else (kind or "Gateway").lower()


@family.stack_rule(
    "NET-11",
    "endpoints-present",
    "A cluster reaches S3, and what else it needs, without the internet",
    Severity.MEDIUM,
    (EMR_CLUSTER,),
    fix="Add a gateway endpoint for S3 with the subnet's route table, and interface endpoints with privateDnsEnabled.",
    source="EMR management guide: Connect to Amazon EMR using an interface VPC endpoint; Private subnets: S3 endpoint",
    frameworks=("Security Hub EC2.10",),
    settings={
        "interfaces": Setting(
            {"type": "array", "items": {"type": "string"}},
            [],
            "Services that need an interface endpoint in the cluster's VPC, e.g. elasticmapreduce.",
        )
    },
)
def endpoints_present(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """Traffic through an endpoint stays in AWS, and the endpoint's policy says which buckets it may reach."""
    subnets, _ = cluster_subnets(resource, stack)
    for subnet in subnets:
        found = _has_s3_gateway(subnet, stack)
        if found is Match.NO:
            yield violation("ec2Attributes", f"runs in subnet {subnet.name}, whose routes know no endpoint of S3")
        elif found is Match.MAYBE:
            yield undecided("ec2Attributes", f"runs in subnet {subnet.name}; its endpoint of S3 is not known yet")
        vpcs, complete = stack.named(subnet, "vpcId", [subnet.value("vpcId")], VPC, DEFAULT_VPC)
        if not complete:
            continue
        for service in settings["interfaces"]:
            answer = _has_interface(str(service), vpcs[0], stack)
            if answer is Match.NO:
                yield violation("ec2Attributes", f"runs in a VPC without an interface endpoint of {service}")
            elif answer is Match.MAYBE:
                yield undecided("ec2Attributes", f"runs in a VPC whose endpoint of {service} is not known yet")


def _tables_of(subnet: Resource, stack: Stack) -> tuple[list[Resource], bool]:
    """The route tables that a subnet, or the VPC for it, is associated with, and whether that is known."""
    associations, possible = stack.referring(subnet, "subnetId", ROUTE_TABLE_ASSOCIATION)
    if not associations:
        vpcs, complete = stack.named(subnet, "vpcId", [subnet.value("vpcId")], VPC, DEFAULT_VPC)
        mains = [stack.referring(vpc, "vpcId", MAIN_ROUTE_TABLE_ASSOCIATION) for vpc in vpcs]
        associations = [main for certain, _ in mains for main in certain]
        defaults = [
            table
            for table in stack.of(DEFAULT_ROUTE_TABLE)
            if any(_is_default_table_of(table, "defaultRouteTableId", vpc) for vpc in vpcs)
        ]
        if not associations:
            return defaults, complete and not possible
    named = [
        stack.named(source, "routeTableId", [source.value("routeTableId")], ROUTE_TABLE, DEFAULT_ROUTE_TABLE)
        for source in associations
    ]
    return [table for tables, _ in named for table in tables], all(complete for _, complete in named)


def _has_s3_gateway(subnet: Resource, stack: Stack) -> Match:
    tables, complete = _tables_of(subnet, stack)
    answer = Match.NO if complete else Match.MAYBE
    for endpoint in stack.of(VPC_ENDPOINT):
        service, kind = _service_of(endpoint), _kind_of(endpoint)
        if UNKNOWN in (service, kind):
            answer = Match.MAYBE
        if service != "s3" or kind != "gateway":
            continue
        values = [] if endpoint.computed("routeTableIds") else endpoint.items("routeTableIds")
        for table in tables:
            matches = [stack.refers(endpoint, "routeTableIds", value, table, whole=False) for value in values]
            joined = [
                stack.refers(link, "routeTableId", link.value("routeTableId"), table)
                for link in stack.referring(endpoint, "vpcEndpointId", ENDPOINT_ROUTE_TABLE)[0]
            ]
            if Match.YES in (*matches, *joined):
                return Match.YES
            if Match.MAYBE in (*matches, *joined):
                answer = Match.MAYBE
    return answer


def _has_interface(service: str, vpc: Resource, stack: Stack) -> Match:
    answer = Match.NO
    for endpoint in stack.of(VPC_ENDPOINT):
        name, kind = _service_of(endpoint), _kind_of(endpoint)
        dns = switch(endpoint.value("privateDnsEnabled"))
        here = stack.refers(endpoint, "vpcId", endpoint.value("vpcId"), vpc)
        if here is Match.NO or (name is not UNKNOWN and name != service):
            continue
        if here is Match.YES and name == service and kind == "interface" and dns is True:
            return Match.YES
        if UNKNOWN in (name, kind, dns) or here is Match.MAYBE:
            answer = Match.MAYBE
    return answer


@family.resource_rule(
    "NET-12",
    "endpoint-policy-scoped",
    "An endpoint's policy says whom it lets through, or what to",
    Severity.MEDIUM,
    (VPC_ENDPOINT, VPC_ENDPOINT_POLICY),
    fix="Name the resources in the policy, or bind it by aws:ResourceAccount, aws:PrincipalAccount or the like.",
    source="PrivateLink guide: Control access to VPC endpoints using endpoint policies",
)
def endpoint_policy_scoped(resource: Resource, settings: Settings) -> Findings:
    """An open policy lets anything on the network send data to anybody's bucket."""
    document = parse_document(resource.value("policy"))
    if document is UNKNOWN:
        yield undecided("policy")
    elif isinstance(document, Malformed):
        yield undecided("policy", "is no JSON document")
    elif document is not None and not isinstance(document, Unknown):
        for statement in document:
            answer = _open(statement)
            if answer is Match.YES:
                yield violation(f"policy.{statement.where}", "lets everybody through, to everything")
            elif answer is Match.MAYBE:
                yield undecided(f"policy.{statement.where}", "is not wholly known yet")


def _open(statement: Statement) -> Match:
    anything = any_of(
        Match.MAYBE if isinstance(pattern, Unknown) else Match.YES if open_resource(pattern) else Match.NO
        for pattern in statement.resources
    )
    if statement.not_resources:
        anything = Match.YES
    tied = bound(statement)
    scopes = ("aws:resourceaccount", "aws:resourceorgid", "aws:resourceorgpaths")
    for condition in statement.conditions:
        owner = [value if isinstance(value, Unknown) else value.partition("/")[0] for value in condition.values]
        named = all(isinstance(value, Unknown) or is_fixed(value) for value in owner)
        if condition.key.casefold() in scopes and condition.base in ("stringequals", "stringlike") and owner and named:
            tied = Match.YES
    return all_of((statement.allows, statement.everyone, anything, negate(tied)))


@family.stack_rule(
    "NET-14",
    "endpoint-has-policy",
    "Every endpoint has a policy of its own",
    Severity.MEDIUM,
    (VPC_ENDPOINT,),
    fix="Give the endpoint a policy, or add a VpcEndpointPolicy for it.",
    source="PrivateLink guide: Control access to VPC endpoints using endpoint policies: default endpoint policy",
    settings={
        "without": Setting(
            {"type": "array", "items": {"type": "string"}},
            [],
            "Services whose endpoints take no policy, e.g. ecs-agent.",
        )
    },
)
def endpoint_has_policy(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """Left out, AWS writes one that lets everybody through, to everything."""
    service = _service_of(resource)
    if service is not UNKNOWN and service in settings["without"]:
        return
    certain, possible = stack.referring(resource, "vpcEndpointId", VPC_ENDPOINT_POLICY)
    policy = None if resource.computed("policy") else resource.value("policy")
    if certain or policy is UNKNOWN or text(policy) is not None or isinstance(policy, dict):
        return
    if possible or (service is UNKNOWN and settings["without"]):
        yield undecided("policy", "is absent; whether it needs one or has one elsewhere is not known yet")
    else:
        yield violation("policy", "is absent, so AWS writes an open one")


@family.resource_rule(
    "NET-13",
    "flow-log-all-traffic",
    "A flow log records accepted and rejected traffic",
    Severity.MEDIUM,
    (FLOW_LOG,),
    fix="Set trafficType to ALL.",
    source="VPC user guide: Flow log records",
    frameworks=("cdk-nag AwsSolutions-VPC7",),
    remedy={FLOW_LOG: {"trafficType": "ALL"}},
)
def flow_log_all_traffic(resource: Resource, settings: Settings) -> Findings:
    """Rejected traffic shows who tries; accepted traffic shows who succeeds."""
    kind = resource.text("trafficType")
    if kind is UNKNOWN:
        yield undecided("trafficType")
    elif kind is not None and kind.upper() in {"ACCEPT", "REJECT"}:
        yield violation("trafficType", f"records only what the network {kind.lower()}s")


def _says_nothing(value: Plain) -> bool | Unknown:
    description = text(value)
    if isinstance(description, Unknown):
        return description
    return description is None or description.casefold() in {"managed by pulumi", "managed by terraform"}


@family.resource_rule(
    "NET-15",
    "sg-descriptions",
    "Security groups and their rules say what they are for",
    Severity.LOW,
    (SECURITY_GROUP, *_STANDALONE_RULES),
    fix="Write a description: who comes in, and what for.",
    source="VPC user guide: Security group rules",
    frameworks=(
        "checkov CKV_AWS_23",
        "trivy AVD-AWS-0099",
        "trivy AVD-AWS-0124",
        "cdk-nag AwsSolutions-EC27",
    ),
)
def sg_descriptions(resource: Resource, settings: Settings) -> Findings:
    """A rule that nobody can explain is one that nobody dares to remove."""
    places = [("description", resource.value("description"))]
    if resource.type == SECURITY_GROUP:
        for direction in ("ingress", "egress"):
            rules = [record(entry) for entry in resource.items(direction)]
            places += [
                (f"{direction}[{index}].description", at(rule, "description"))
                for index, rule in enumerate(rules)
                if rule is not None
            ]
    for where, value in places:
        silent = _says_nothing(value)
        if isinstance(silent, Unknown):
            yield undecided(where)
        elif silent:
            yield violation(where, "says nothing of what this is for")


_TRANSIT_GATEWAY: Final = "aws:ec2transitgateway/transitGateway:TransitGateway"
_ENDPOINT_SERVICE: Final = "aws:ec2/vpcEndpointService:VpcEndpointService"
_BALANCERS: Final = (
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:alb/loadBalancer:LoadBalancer",
    "aws:elb/loadBalancer:LoadBalancer",
)


@family.resource_rule(
    "NET-16",
    "edges-closed",
    "Load balancers stand inside the network, and other networks join it only where somebody accepted them",
    Severity.MEDIUM,
    (*_BALANCERS, _TRANSIT_GATEWAY, _ENDPOINT_SERVICE, ROUTE, ROUTE_TABLE, DEFAULT_ROUTE_TABLE),
    fix="Set internal to true, have somebody accept who attaches or connects, and route to a peer its networks only.",
    source="Elastic Load Balancing user guide: Load balancer scheme; Transit gateways: shared attachments",
    frameworks=(
        "checkov CKV_AWS_123",
        "checkov CKV_AWS_331",
        "checkov CKV2_AWS_44",
        "trivy AVD-AWS-0053",
        "Security Hub EC2.23",
    ),
)
def edges_closed(resource: Resource, settings: Settings) -> Findings:
    """Left out, a load balancer faces the internet."""
    if resource.type == _TRANSIT_GATEWAY:
        word = resource.text("autoAcceptSharedAttachments")
        if word is UNKNOWN:
            yield undecided("autoAcceptSharedAttachments")
        elif word == "enable":
            yield violation("autoAcceptSharedAttachments", "lets other accounts' networks in unasked")
        return
    if resource.type == _ENDPOINT_SERVICE:
        accepted = switch(resource.value("acceptanceRequired"))
        if accepted is UNKNOWN:
            yield undecided("acceptanceRequired")
        elif accepted is not True:
            yield violation("acceptanceRequired", "is not true, so whoever may see the service is connected unasked")
        return
    if resource.type in (ROUTE, ROUTE_TABLE, DEFAULT_ROUTE_TABLE):
        yield from _everything_to_a_peer(resource)
        return
    internal = switch(resource.value("internal"))
    if internal is UNKNOWN:
        yield undecided("internal")
    elif internal is not True:
        yield violation("internal", "is not true, so it has addresses on the internet")


def _everything_to_a_peer(resource: Resource) -> Findings:
    if resource.type == ROUTE:
        routes: list[tuple[str, Plain]] = [("", resource.properties)]
        names = ("destinationCidrBlock", "destinationIpv6CidrBlock")
    else:
        routes = [(f"routes[{index}].", route) for index, route in enumerate(resource.items("routes"))]
        names = ("cidrBlock", "ipv6CidrBlock")
    for where, route in routes:
        if text(at(route, "vpcPeeringConnectionId")) is None:
            continue
        for name in names:
            network = parse_network(at(route, name))
            if network is not None and network is not UNKNOWN and is_internet(network, 16, 32):
                yield violation(f"{where}{name}", "sends everything to a peer")


_BLOCK_OPTIONS: Final = "aws:ec2/vpcBlockPublicAccessOptions:VpcBlockPublicAccessOptions"
_BLOCK_EXCLUSION: Final = "aws:ec2/vpcBlockPublicAccessExclusion:VpcBlockPublicAccessExclusion"


@family.resource_rule(
    "NET-17",
    "vpc-public-access-blocked",
    "What blocks the internet from the account's networks is on, without a way in past it",
    Severity.MEDIUM,
    (_BLOCK_OPTIONS, _BLOCK_EXCLUSION),
    fix="Set internetGatewayBlockMode to block-ingress or block-bidirectional; exclude with allow-egress at most.",
    source="VPC user guide: Block public access to VPCs and subnets",
    frameworks=("Security Hub EC2.172",),
)
def vpc_public_access_blocked(resource: Resource, settings: Settings) -> Findings:
    """It holds for every internet gateway of the account and region, whatever routes and groups say."""
    where, weak, what = (
        ("internetGatewayBlockMode", "off", "blocks nothing")
        if resource.type == _BLOCK_OPTIONS
        else ("internetGatewayExclusionMode", "allow-bidirectional", "lets the internet in past the account's block")
    )
    mode = resource.text(where)
    if mode is UNKNOWN:
        yield undecided(where)
    elif str(mode).lower() == weak:
        yield violation(where, what)
