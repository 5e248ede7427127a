"""Rules of the network, each in the forms of `up` and preview."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies import network as n
from tests.policies.cases import Case, bad, check, good, open_question, parametrize
from tests.policies.harness import UNKNOWN, R, Secret

LOOKUP = R("random:index/randomId:RandomId", "lookup")
"""Something that is known at `up` only, and that no reference to the network can be made from."""


def vpc(name: str = "main", **inputs: Any) -> R:
    return R(
        n.VPC,
        name,
        {"cidrBlock": "10.0.0.0/16", **inputs},
        {
            "id": f"vpc-{name}",
            "defaultSecurityGroupId": f"sg-default-{name}",
            "defaultRouteTableId": f"rtb-default-{name}",
            "mainRouteTableId": f"rtb-default-{name}",
        },
    )


def group(name: str = "group", computed: tuple[str, ...] | None = None, **inputs: Any) -> R:
    if computed is None:
        computed = tuple(direction for direction in ("ingress", "egress") if direction not in inputs)
    return R(n.SECURITY_GROUP, name, {"vpcId": "vpc-1", **inputs}, computed=computed)


def inline(
    *networks: Any, key: str = "cidrBlocks", protocol: Any = "tcp", ports: tuple[Any, Any] = (22, 22)
) -> dict[str, Any]:
    return {"protocol": protocol, "fromPort": ports[0], "toPort": ports[1], key: list(networks)}


def ingress_rule(name: str = "rule", **inputs: Any) -> R:
    return R(
        n.INGRESS_RULE, name, {"securityGroupId": "sg-1", "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, **inputs}
    )


def egress_rule(name: str = "rule", **inputs: Any) -> R:
    return R(
        n.EGRESS_RULE, name, {"securityGroupId": "sg-1", "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, **inputs}
    )


def old_rule(name: str = "rule", **inputs: Any) -> R:
    return R(
        n.SECURITY_GROUP_RULE,
        name,
        {"securityGroupId": "sg-1", "type": "ingress", "protocol": "tcp", "fromPort": 22, "toPort": 22, **inputs},
    )


def net_01() -> list[Case]:
    rule = "NET-01"
    worlds = [
        "0.0.0.0/0",
        "::/0",
        "0::/0",
        "0:0:0:0:0:0:0:0/0",
        "0000::/0",
        "::ffff:0:0/96",
        "0.0.0.0/1",
        "128.0.0.0/1",
        "8000::/1",
        "1.2.3.4/0",
        "0.0.0.0/0.0.0.0",
        " 0.0.0.0/0 ",
        "10.0.0.0/7",
        "52.0.0.0/8",
    ]
    cases = [
        bad(rule, f"{world} inline", group(ingress=[inline(world)]), says=["ingress[0].cidrBlocks[0]"])
        for world in worlds
    ]
    cases += [bad(rule, f"{world} in an ingress rule", ingress_rule(cidrIpv6=world)) for world in worlds]
    closed = [
        "10.0.0.0/8",
        "192.168.1.0/24",
        "172.16.0.0/12",
        "100.64.0.0/10",
        "fd00::/8",
        "203.0.113.7/32",
        "2001:db8::/48",
    ]
    cases += [good(rule, f"{network} inline", group(ingress=[inline(network)])) for network in closed]
    return [
        *cases,
        bad(
            rule,
            "the port does not matter",
            group(ingress=[inline("0.0.0.0/0", ports=(8088, 8088))]),
            says=["port 8088"],
        ),
        bad(
            rule,
            "every protocol",
            group(ingress=[inline("0.0.0.0/0", protocol="-1", ports=(0, 0))]),
            says=["every port"],
        ),
        bad(rule, "a second network", group(ingress=[inline("10.0.0.0/8", "0.0.0.0/0")]), says=["cidrBlocks[1]"]),
        bad(rule, "a second rule", group(ingress=[inline("10.0.0.0/8"), inline("0.0.0.0/0")]), says=["ingress[1]"]),
        bad(rule, "IPv6 networks", group(ingress=[inline("::/0", key="ipv6CidrBlocks")])),
        bad(rule, "an unknown in front", group(ingress=[inline(UNKNOWN, "0.0.0.0/0")])),
        bad(rule, "an unknown rule in front", group(ingress=[UNKNOWN, inline("0.0.0.0/0")])),
        bad(
            rule,
            "unknown ports",
            group(ingress=[inline("0.0.0.0/0", ports=(UNKNOWN, UNKNOWN))]),
            says=["not known yet"],
        ),
        bad(rule, "a secret", group(ingress=Secret([inline(Secret("0.0.0.0/0"))]))),
        bad(rule, "ports as text", group(ingress=[inline("0.0.0.0/0", ports=("22", "22"))]), says=["port 22 (tcp)"]),
        bad(rule, "a rule resource of the old kind", old_rule(cidrBlocks=["0.0.0.0/0"]), says=["cidrBlocks[0]"]),
        bad(rule, "the same with IPv6", old_rule(ipv6CidrBlocks=["10.0.0.0/8", "::/0"])),
        bad(rule, "a rule resource of the new kind", ingress_rule(cidrIpv4="0.0.0.0/0"), says=["cidrIpv4"]),
        bad(
            rule,
            "the default group",
            R(n.DEFAULT_SECURITY_GROUP, "default", {"vpcId": "vpc-1", "ingress": [inline("0.0.0.0/0")]}),
        ),
        bad(rule, "a single rule instead of a list", group(ingress=inline("0.0.0.0/0"))),
        good(rule, "egress", group(egress=[inline("0.0.0.0/0")])),
        good(rule, "an egress rule resource of the old kind", old_rule(type="egress", cidrBlocks=["0.0.0.0/0"])),
        good(rule, "another group", ingress_rule(referencedSecurityGroupId="sg-2")),
        good(rule, "no rules", group()),
        good(rule, "an empty list", group(ingress=[])),
        good(rule, "rules that say nothing", group(ingress=[{}, None, 7, "text", [], {"cidrBlocks": None}])),
        good(
            rule,
            "networks that are none",
            group(ingress=[inline("office", "", "300.0.0.0/0", 7, None, {"a": 1}, True)]),
        ),
        good(rule, "no properties at all", R(n.SECURITY_GROUP, "empty")),
        open_question(rule, "an unknown network", group(ingress=[inline(UNKNOWN)])),
        open_question(rule, "unknown rules", group(ingress=UNKNOWN)),
        open_question(rule, "an unknown direction", old_rule(type=UNKNOWN, cidrBlocks=["0.0.0.0/0"])),
        bad(
            rule,
            "a wider limit for what counts as the internet",
            ingress_rule(cidrIpv4="203.0.113.0/24"),
            config={"ipv4Prefix": 32},
        ),
    ]


def prefix_list(name: str = "list", *networks: Any) -> R:
    inputs: dict[str, Any] = {"addressFamily": "IPv4", "maxEntries": 5}
    if networks:
        inputs["entries"] = [{"cidr": network} for network in networks]
    return R(n.PREFIX_LIST, name, inputs, {"id": f"pl-{name}"}, computed=() if networks else ("entries",))


def net_02() -> list[Case]:
    rule = "NET-02"
    open_list, closed_list, empty_list = (
        prefix_list("open", "10.0.0.0/8", "0.0.0.0/0"),
        prefix_list("closed", "10.0.0.0/8"),
        prefix_list("empty"),
    )
    entry = R(n.PREFIX_LIST_ENTRY, "entry", {"prefixListId": empty_list.ref(), "cidr": "0.0.0.0/0"})
    other = R(n.PREFIX_LIST_ENTRY, "other", {"prefixListId": closed_list.ref(), "cidr": "0.0.0.0/0"})
    through = {"protocol": "tcp", "fromPort": 22, "toPort": 22}
    return [
        bad(rule, "a rule resource", open_list, ingress_rule(prefixListId=open_list.ref()), says=["prefix list open"]),
        bad(rule, "an old rule resource", open_list, old_rule(prefixListIds=[open_list.ref()])),
        bad(rule, "an inline rule", open_list, group(ingress=[{**through, "prefixListIds": [open_list.ref()]}])),
        bad(rule, "an entry of its own", empty_list, entry, ingress_rule(prefixListId=empty_list.ref())),
        bad(
            rule,
            "the second of two lists",
            closed_list,
            open_list,
            old_rule(prefixListIds=[closed_list.ref(), open_list.ref()]),
        ),
        good(rule, "a closed list", closed_list, ingress_rule(prefixListId=closed_list.ref())),
        good(
            rule,
            "an entry in another list",
            empty_list,
            closed_list,
            other,
            ingress_rule(prefixListId=empty_list.ref()),
        ),
        good(rule, "egress", open_list, egress_rule(prefixListId=open_list.ref())),
        good(rule, "an open list that nobody uses", open_list, ingress_rule(cidrIpv4="10.0.0.0/8")),
        good(rule, "groups without lists", group(), group("other", ingress=[inline("10.0.0.0/8")])),
        open_question(rule, "a list outside the stack", ingress_rule(prefixListId="pl-12345")),
        open_question(rule, "a list not known yet", ingress_rule(prefixListId=UNKNOWN)),
        open_question(
            rule, "a network not known yet", lst := prefix_list("unsure", UNKNOWN), ingress_rule(prefixListId=lst.ref())
        ),
    ]


def net_03() -> list[Case]:
    rule = "NET-03"
    everything: dict[str, Any] = {"protocol": "-1", "ports": (0, 0)}
    return [
        bad(rule, "everything inline", group(egress=[inline("0.0.0.0/0", **everything)])),
        bad(rule, "everything over IPv6", group(egress=[inline("::/0", key="ipv6CidrBlocks", **everything)])),
        bad(rule, "the number for all protocols", group(egress=[inline("0.0.0.0/0", protocol=-1, ports=(0, 0))])),
        bad(rule, "the word for all protocols", group(egress=[inline("0.0.0.0/0", protocol="all", ports=(0, 0))])),
        bad(rule, "every TCP port", group(egress=[inline("0.0.0.0/0", ports=(0, 65535))])),
        bad(rule, "nearly every port", egress_rule(cidrIpv4="0.0.0.0/0", fromPort=1024, toPort=65535)),
        bad(rule, "TCP by its number", group(egress=[inline("0.0.0.0/0", protocol="6", ports=(1, 65535))])),
        bad(rule, "half the internet", egress_rule(cidrIpv4="128.0.0.0/1", ipProtocol="-1")),
        bad(
            rule,
            "an old rule resource",
            old_rule(type="egress", protocol="-1", fromPort=0, toPort=0, cidrBlocks=["0.0.0.0/0"]),
        ),
        bad(
            rule,
            "a rule without ports",
            R(n.EGRESS_RULE, "rule", {"securityGroupId": "sg-1", "ipProtocol": "tcp", "cidrIpv4": "0.0.0.0/0"}),
        ),
        good(rule, "HTTPS to the internet", egress_rule(cidrIpv4="0.0.0.0/0")),
        good(rule, "HTTPS inline", group(egress=[inline("0.0.0.0/0", ports=(443, 443))])),
        good(rule, "everything to the VPC", group(egress=[inline("10.0.0.0/16", **everything)])),
        good(rule, "everything to another group", egress_rule(referencedSecurityGroupId="sg-2", ipProtocol="-1")),
        good(rule, "ingress", group(ingress=[inline("0.0.0.0/0", **everything)])),
        good(rule, "no rules", group()),
        open_question(rule, "an unknown network", egress_rule(cidrIpv4=UNKNOWN, ipProtocol="-1")),
        open_question(rule, "an unknown protocol", egress_rule(cidrIpv4="0.0.0.0/0", ipProtocol=UNKNOWN)),
        good(rule, "an unknown network on one port", egress_rule(cidrIpv4=UNKNOWN)),
    ]


def net_04() -> list[Case]:
    rule = "NET-04"
    plain, mixed = group("plain"), group("mixed", ingress=[inline("10.0.0.0/8", ports=(8443, 8443))])
    refreshed = R(
        n.SECURITY_GROUP,
        "refreshed",
        {"vpcId": "vpc-1"},
        {"ingress": [{"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["10.0.0.0/8"]}]},
        computed=("ingress", "egress"),
    )
    return [
        bad(
            rule, "inline and a rule resource", mixed, ingress_rule(securityGroupId=mixed.ref(), cidrIpv4="10.0.0.0/8")
        ),
        bad(
            rule,
            "inline and an old rule resource",
            mixed,
            old_rule(securityGroupId=mixed.ref(), cidrBlocks=["10.0.0.0/8"]),
        ),
        bad(
            rule,
            "a group as source",
            g := group("g", ingress=[{"protocol": "tcp", "fromPort": 1, "toPort": 1, "securityGroups": ["sg-9"]}]),
            ingress_rule(securityGroupId=g.ref(), referencedSecurityGroupId="sg-8"),
        ),
        good(rule, "rule resources only", plain, ingress_rule(securityGroupId=plain.ref(), cidrIpv4="10.0.0.0/8")),
        good(rule, "inline rules only", mixed),
        good(
            rule,
            "another group's rules",
            mixed,
            plain,
            ingress_rule(securityGroupId=plain.ref(), cidrIpv4="10.0.0.0/8"),
        ),
        good(rule, "the other direction", mixed, egress_rule(securityGroupId=mixed.ref(), cidrIpv4="10.0.0.0/8")),
        good(
            rule,
            "what the provider repeats after a refresh",
            refreshed,
            ingress_rule(securityGroupId=refreshed.ref(), cidrIpv4="10.0.0.0/8"),
        ),
        open_question(
            rule, "a rule of an unknown group", mixed, ingress_rule(securityGroupId=UNKNOWN, cidrIpv4="10.0.0.0/8")
        ),
    ]


def net_05() -> list[Case]:
    rule = "NET-05"
    a_rule = {"ingress": [inline("10.0.0.0/8")]}

    def theirs(**inputs: Any) -> R:
        return R(n.DEFAULT_SECURITY_GROUP, "theirs", {"vpcId": "vpc-theirs", **inputs}, computed=("egress",))

    network, second = vpc(), vpc("second")
    closed = R(n.DEFAULT_SECURITY_GROUP, "closed", {"vpcId": network.ref()}, computed=("ingress", "egress"))
    opened = R(
        n.DEFAULT_SECURITY_GROUP,
        "opened",
        {"vpcId": network.ref(), "egress": [inline("10.0.0.0/8")]},
        computed=("ingress",),
    )
    return [
        good(rule, "closed", network, closed),
        bad(rule, "a rule in that of another stack's VPC", theirs(ingress=[{"protocol": "-1", "self": True}])),
        bad(rule, "a rule in that of the default VPC", network, closed, R(n.DEFAULT_SECURITY_GROUP, "x", a_rule)),
        good(rule, "that of another stack's VPC closed", theirs()),
        bad(rule, "left as it is", network),
        bad(rule, "rules in it", network, opened),
        bad(rule, "another VPC's", network, second, closed, says=["second"]),
        bad(
            rule,
            "a rule resource for it by the VPC",
            network,
            closed,
            ingress_rule(securityGroupId=network.ref("defaultSecurityGroupId")),
        ),
        bad(
            rule,
            "a rule resource for it by itself",
            network,
            R(n.DEFAULT_SECURITY_GROUP, "closed", {"vpcId": network.ref()}, {"id": "sg-default-main"}),
            old_rule(securityGroupId="sg-default-main"),
            preview="fine",
        ),
        good(
            rule,
            "a rule resource for another group",
            network,
            closed,
            g := group("g", vpcId=network.ref()),
            ingress_rule(securityGroupId=g.ref()),
        ),
        open_question(rule, "of an unknown VPC", network, R(n.DEFAULT_SECURITY_GROUP, "default", {"vpcId": UNKNOWN})),
        good(rule, "no VPC", group()),
    ]


def net_06() -> list[Case]:
    rule = "NET-06"
    return [
        bad(rule, "on", R(n.SUBNET, "s", {"mapPublicIpOnLaunch": True})),
        bad(rule, "on, as text", R(n.SUBNET, "s", {"mapPublicIpOnLaunch": "true"})),
        bad(rule, "a default subnet", R(n.DEFAULT_SUBNET, "s", {"availabilityZone": "eu-west-1a"})),
        good(rule, "off", R(n.SUBNET, "s", {"mapPublicIpOnLaunch": False})),
        good(rule, "absent", R(n.SUBNET, "s", {"vpcId": UNKNOWN})),
        good(rule, "a default subnet that gives none", R(n.DEFAULT_SUBNET, "s", {"mapPublicIpOnLaunch": False})),
        open_question(rule, "not known yet", R(n.SUBNET, "s", {"mapPublicIpOnLaunch": UNKNOWN})),
    ]


class Net:
    """A VPC with an internet gateway, a NAT gateway, a subnet and a cluster in it; the routes differ by case."""

    def __init__(self, many: bool = False) -> None:
        self.vpc = vpc()
        self.gateway = R(
            "aws:ec2/internetGateway:InternetGateway", "gateway", {"vpcId": self.vpc.ref()}, {"id": "igw-1"}
        )
        self.egress_only = R(
            "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",
            "eigw",
            {"vpcId": self.vpc.ref()},
            {"id": "eigw-1"},
        )
        self.nat = R("aws:ec2/natGateway:NatGateway", "nat", {}, {"id": "nat-1"})
        self.vpn = R("aws:ec2/vpnGateway:VpnGateway", "vpn", {}, {"id": "vgw-1"})
        # Its name says the opposite of what it is in half of the cases: names decide nothing.
        self.subnet = R(n.SUBNET, "public", {"vpcId": self.vpc.ref(), "cidrBlock": "10.0.0.0/24"})
        self.second = R(n.SUBNET, "private", {"vpcId": self.vpc.ref(), "cidrBlock": "10.0.1.0/24"})
        attributes = {"subnetIds": [self.second.ref(), self.subnet.ref()]} if many else {"subnetId": self.subnet.ref()}
        self.cluster = R(n.EMR_CLUSTER, "cluster", {"ec2Attributes": attributes})

    def table(self, name: str = "table", routes: list[dict[str, Any]] | None = None) -> R:
        inputs: dict[str, Any] = {"vpcId": self.vpc.ref()}
        if routes is not None:
            inputs["routes"] = routes
        return R(n.ROUTE_TABLE, name, inputs, {"id": f"rtb-{name}"}, computed=() if routes is not None else ("routes",))

    def route(self, table: Any, name: str = "route", **inputs: Any) -> R:
        return R(n.ROUTE, name, {"routeTableId": table, "destinationCidrBlock": "0.0.0.0/0", **inputs})

    def association(self, table: R, subnet: R | None = None) -> R:
        return R(
            n.ROUTE_TABLE_ASSOCIATION,
            f"association-{table.name}",
            {"subnetId": (subnet or self.subnet).ref(), "routeTableId": table.ref()},
        )

    def case(self, verdict: Any, title: str, *more: R, **options: Any) -> Case:
        base = (self.vpc, self.gateway, self.egress_only, self.nat, self.vpn, self.subnet, self.second, self.cluster)
        return verdict("NET-07", title, *base, *more, **options)


def net_07() -> list[Case]:
    cases = [Net().case(good, "no routes at all: the VPC's own table holds the local one")]

    net = Net()
    table = net.table()
    joined = net.association(table)
    out = net.route(table.ref(), gatewayId=net.gateway.ref())
    serverless = R(
        n.SERVERLESS, "application", {"networkConfiguration": {"subnetIds": [net.second.ref(), net.subnet.ref()]}}
    )
    cases += [
        bad(
            "NET-07",
            "an application without servers",
            *(net.vpc, net.gateway, net.subnet, net.second, table, joined, out, serverless),
            says=["networkConfiguration"],
        ),
        good("NET-07", "an application without a way out", net.vpc, net.subnet, net.second, table, joined, serverless),
        good("NET-07", "an application that names no subnet", R(n.SERVERLESS, "application", {})),
        net.case(good, "an empty table", table, joined),
        net.case(
            bad,
            "a route resource",
            table,
            joined,
            net.route(table.ref(), gatewayId=net.gateway.ref()),
            says=["subnet public"],
        ),
        net.case(
            bad,
            "half the internet",
            table,
            joined,
            net.route(table.ref(), gatewayId=net.gateway.ref(), destinationCidrBlock="128.0.0.0/1"),
        ),
        net.case(
            bad,
            "IPv6",
            table,
            joined,
            R(
                n.ROUTE,
                "route",
                {"routeTableId": table.ref(), "destinationIpv6CidrBlock": "::/0", "gatewayId": net.gateway.ref()},
            ),
        ),
        net.case(
            bad,
            "a second route",
            table,
            joined,
            net.route(table.ref(), natGatewayId=net.nat.ref()),
            net.route(table.ref(), "second", gatewayId=net.gateway.ref()),
        ),
        net.case(bad, "a gateway outside the stack", table, joined, net.route(table.ref(), gatewayId="igw-0123")),
        net.case(good, "a NAT gateway", table, joined, net.route(table.ref(), natGatewayId=net.nat.ref())),
        net.case(
            good,
            "an egress-only gateway",
            table,
            joined,
            net.route(table.ref(), egressOnlyGatewayId=net.egress_only.ref()),
        ),
        net.case(good, "a VPN gateway", table, joined, net.route(table.ref(), gatewayId=net.vpn.ref())),
        net.case(
            good,
            "a NAT gateway in the place of another",
            table,
            joined,
            net.route(table.ref(), gatewayId=net.nat.ref()),
        ),
        net.case(
            bad,
            "a gateway handed on by something that is none of EC2's",
            LOOKUP,
            table,
            joined,
            net.route(table.ref(), gatewayId=LOOKUP.ref("x", "igw-{}")),
            preview="undecided",
        ),
        net.case(good, "the local route", table, joined, net.route(table.ref(), gatewayId="local")),
        net.case(open_question, "an unknown gateway", table, joined, net.route(table.ref(), gatewayId=UNKNOWN)),
        net.case(
            open_question,
            "an unknown association",
            table,
            R(n.ROUTE_TABLE_ASSOCIATION, "a", {"subnetId": UNKNOWN, "routeTableId": table.ref()}),
            net.route(table.ref(), gatewayId=net.gateway.ref()),
        ),
        net.case(
            open_question,
            "an unknown table",
            R(n.ROUTE_TABLE_ASSOCIATION, "a", {"subnetId": net.subnet.ref(), "routeTableId": UNKNOWN}),
        ),
        net.case(
            open_question,
            "a table outside the stack",
            R(n.ROUTE_TABLE_ASSOCIATION, "a", {"subnetId": net.subnet.ref(), "routeTableId": "rtb-0123"}),
        ),
        net.case(
            open_question, "a route in an unknown table", table, joined, net.route(UNKNOWN, gatewayId=net.gateway.ref())
        ),
    ]

    net = Net()
    other = net.table("other")
    cases += [
        net.case(
            good,
            "another subnet's table",
            t := net.table(),
            net.association(t),
            other,
            net.association(other, net.second),
            net.route(other.ref(), gatewayId=net.gateway.ref()),
        ),
    ]

    net = Net()
    inline_public = net.table("inline", [{"cidrBlock": "0.0.0.0/0", "gatewayId": net.gateway.ref()}])
    inline_nat = net.table("inline", [{"cidrBlock": "0.0.0.0/0", "natGatewayId": net.nat.ref(), "gatewayId": ""}])
    inline_unknown = R(n.ROUTE_TABLE, "inline", {"vpcId": net.vpc.ref(), "routes": LOOKUP.ref("routes")})
    cases += [
        net.case(bad, "an inline route", inline_public, net.association(inline_public)),
        net.case(good, "an inline route to a NAT gateway", inline_nat, net.association(inline_nat)),
        net.case(
            good,
            "inline routes not known yet",
            LOOKUP,
            inline_unknown,
            net.association(inline_unknown),
            preview="undecided",
        ),
    ]

    net = Net()
    main = net.table("main")
    elected = R(n.MAIN_ROUTE_TABLE_ASSOCIATION, "main", {"vpcId": net.vpc.ref(), "routeTableId": main.ref()})
    own = net.table("own")
    cases += [
        net.case(bad, "the main table", main, elected, net.route(main.ref(), gatewayId=net.gateway.ref())),
        net.case(
            good,
            "the main table, with one of its own",
            main,
            elected,
            net.route(main.ref(), gatewayId=net.gateway.ref()),
            own,
            net.association(own),
        ),
        net.case(good, "a closed main table", main, elected),
    ]

    net = Net()
    default = R(
        n.DEFAULT_ROUTE_TABLE,
        "default",
        {
            "defaultRouteTableId": net.vpc.ref("defaultRouteTableId"),
            "routes": [{"cidrBlock": "0.0.0.0/0", "gatewayId": net.gateway.ref()}],
        },
    )
    cases += [
        net.case(bad, "the default table", default),
        net.case(
            bad, "a route in the default table", net.route(net.vpc.ref("mainRouteTableId"), gatewayId=net.gateway.ref())
        ),
        net.case(
            good,
            "a NAT route in the default table",
            net.route(net.vpc.ref("defaultRouteTableId"), natGatewayId=net.nat.ref()),
        ),
    ]

    net = Net(many=True)
    table = net.table()
    cases += [
        net.case(
            bad,
            "the second of several subnets",
            table,
            net.association(table),
            net.route(table.ref(), gatewayId=net.gateway.ref()),
            says=["subnet public"],
        ),
        net.case(
            good, "several subnets", table, net.association(table), net.route(table.ref(), natGatewayId=net.nat.ref())
        ),
    ]
    outside = R(n.EMR_CLUSTER, "cluster", {"ec2Attributes": {"subnetId": "subnet-0123"}})
    cases += [
        open_question("NET-07", "a subnet outside the stack", outside),
        open_question(
            "NET-07", "a subnet not known yet", R(n.EMR_CLUSTER, "cluster", {"ec2Attributes": {"subnetId": UNKNOWN}})
        ),
        open_question("NET-07", "attributes not known yet", R(n.EMR_CLUSTER, "cluster", {"ec2Attributes": UNKNOWN})),
        good("NET-07", "no subnet, which is for EMR-07 to say", R(n.EMR_CLUSTER, "cluster", {})),
        open_question(
            "NET-07",
            "a subnet of a VPC outside the stack",
            s := R(n.SUBNET, "s", {"vpcId": "vpc-0123"}),
            R(n.EMR_CLUSTER, "cluster", {"ec2Attributes": {"subnetId": s.ref()}}),
        ),
    ]
    return cases


def net_08() -> list[Case]:
    rule = "NET-08"
    network, second = vpc(), vpc("second")
    subnet = R(n.SUBNET, "s", {"vpcId": network.ref()}, {"vpcId": "vpc-main"})
    log = R(n.FLOW_LOG, "log", {"vpcId": network.ref(), "trafficType": "ALL"})
    return [
        good(rule, "recorded", network, log),
        bad(rule, "not recorded", network),
        bad(
            rule,
            "only a subnet's traffic",
            network,
            subnet,
            R(n.FLOW_LOG, "log", {"subnetId": subnet.ref(), "trafficType": "ALL"}),
        ),
        bad(
            rule, "only an interface's traffic", network, R(n.FLOW_LOG, "log", {"eniId": "eni-1", "trafficType": "ALL"})
        ),
        bad(rule, "another VPC's traffic", network, second, log, says=["second"]),
        good(rule, "two logs", network, log, R(n.FLOW_LOG, "more", {"vpcId": network.ref()})),
        good(rule, "named through a subnet", network, subnet, R(n.FLOW_LOG, "log", {"vpcId": subnet.ref("vpcId")})),
        open_question(rule, "of an unknown VPC", network, R(n.FLOW_LOG, "log", {"vpcId": UNKNOWN})),
        good(rule, "no VPC", R(n.FLOW_LOG, "log", {"vpcId": "vpc-1"})),
    ]


def net_09() -> list[Case]:
    return [
        bad("NET-09", "the default VPC", R(n.DEFAULT_VPC, "default")),
        bad("NET-09", "a default subnet", R(n.DEFAULT_SUBNET, "default", {"availabilityZone": "eu-west-1a"})),
        good("NET-09", "a VPC of its own", vpc()),
    ]


def net_10() -> list[Case]:
    rule = "NET-10"

    def acl_rule(**inputs: Any) -> R:
        return R(
            n.NETWORK_ACL_RULE,
            "rule",
            {
                "networkAclId": "acl-1",
                "ruleNumber": 1,
                "ruleAction": "allow",
                "protocol": "tcp",
                "fromPort": 22,
                "toPort": 22,
                "cidrBlock": "0.0.0.0/0",
                **inputs,
            },
        )

    def acl(*ingress: Any, kind: str = n.NETWORK_ACL) -> R:
        return R(kind, "acl", {"vpcId": "vpc-1", "ingress": list(ingress)})

    entry = {"action": "allow", "protocol": "-1", "fromPort": 0, "toPort": 0, "ruleNo": 100, "cidrBlock": "0.0.0.0/0"}
    return [
        bad(rule, "SSH", acl_rule()),
        bad(rule, "a range that holds RDP", acl_rule(fromPort=3000, toPort=4000)),
        bad(rule, "every protocol", acl_rule(protocol="-1", fromPort=0, toPort=0)),
        bad(rule, "IPv6", acl_rule(cidrBlock=None, ipv6CidrBlock="::/0")),
        bad(rule, "half the internet", acl_rule(cidrBlock="0.0.0.0/1")),
        bad(rule, "inline", acl(entry)),
        bad(rule, "inline, the second entry", acl({**entry, "cidrBlock": "10.0.0.0/8"}, entry)),
        bad(rule, "the default ACL", acl(entry, kind=n.DEFAULT_NETWORK_ACL)),
        good(rule, "a denial", acl_rule(ruleAction="deny")),
        good(rule, "an inline denial", acl({**entry, "action": "deny"})),
        good(rule, "egress", acl_rule(egress=True)),
        good(rule, "ephemeral ports", acl_rule(fromPort=32768, toPort=60999)),
        good(rule, "a private network", acl_rule(cidrBlock="10.0.0.0/8")),
        good(rule, "nothing", acl()),
        good(rule, "malformed entries", acl(None, 7, "x", {})),
        open_question(rule, "an unknown network", acl_rule(cidrBlock=UNKNOWN)),
        open_question(rule, "an unknown action", acl_rule(ruleAction=UNKNOWN)),
        open_question(rule, "an unknown entry", acl(UNKNOWN)),
    ]


def endpoint(name: str, service: Any, **inputs: Any) -> R:
    service = f"com.amazonaws.eu-west-1.{service}" if isinstance(service, str) else service
    computed = tuple(key for key in ("policy", "routeTableIds") if key not in inputs)
    return R(n.VPC_ENDPOINT, name, {"serviceName": service, **inputs}, {"id": f"vpce-{name}"}, computed=computed)


def net_11() -> list[Case]:
    rule = "NET-11"
    net = Net()
    table, other = net.table(), net.table("other")
    base = (net.vpc, net.subnet, net.second, net.cluster, table, other, net.association(table))
    main = R(n.MAIN_ROUTE_TABLE_ASSOCIATION, "main", {"vpcId": net.vpc.ref(), "routeTableId": table.ref()})
    s3 = endpoint("s3", "s3", vpcId=net.vpc.ref(), routeTableIds=[other.ref(), table.ref()])
    bare = endpoint("s3", "s3", vpcId=net.vpc.ref())
    joined = R(n.ENDPOINT_ROUTE_TABLE, "j", {"vpcEndpointId": bare.ref(), "routeTableId": table.ref()})
    interface = {"vpcEndpointType": "Interface", "vpcId": net.vpc.ref()}
    emr = {"interfaces": ["elasticmapreduce"]}
    return [
        good(rule, "S3 in the table", *base, s3),
        good(rule, "S3 in the table by a resource of its own", *base, bare, joined),
        good(rule, "S3 in the main table", *base[:-1], main, s3),
        bad(rule, "no endpoint", *base),
        bad(rule, "S3 in another table", *base, endpoint("s3", "s3", vpcId=net.vpc.ref(), routeTableIds=[other.ref()])),
        bad(rule, "S3 in no table", *base, bare),
        bad(rule, "an interface endpoint of S3", *base, endpoint("s3", "s3", **interface)),
        bad(
            rule, "another service", *base, endpoint("d", "dynamodb", vpcId=net.vpc.ref(), routeTableIds=[table.ref()])
        ),
        bad(
            rule,
            "a service that sounds like it",
            *base,
            endpoint("t", "s3tables", vpcId=net.vpc.ref(), routeTableIds=[table.ref()]),
        ),
        open_question(
            rule, "an unknown service", *base, endpoint("s3", UNKNOWN, vpcId=net.vpc.ref(), routeTableIds=[table.ref()])
        ),
        good(rule, "no cluster", net.vpc, net.subnet),
        good(
            rule,
            "an interface too",
            *base,
            s3,
            endpoint("e", "elasticmapreduce", **interface, privateDnsEnabled=True),
            config=emr,
        ),
        bad(rule, "no interface", *base, s3, config=emr),
        bad(rule, "an interface without names", *base, s3, endpoint("e", "elasticmapreduce", **interface), config=emr),
        bad(
            rule,
            "an interface of another VPC",
            *base,
            s3,
            v := vpc("v"),
            endpoint("e", "elasticmapreduce", vpcEndpointType="Interface", vpcId=v.ref(), privateDnsEnabled=True),
            config=emr,
        ),
        open_question(
            rule,
            "an interface of an unknown kind",
            *base,
            s3,
            endpoint("e", "elasticmapreduce", vpcEndpointType=UNKNOWN, vpcId=net.vpc.ref(), privateDnsEnabled=True),
            config=emr,
        ),
    ]


EVERYTHING = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


def net_12() -> list[Case]:
    rule = "NET-12"

    def policy(*statements: Any) -> R:
        return endpoint("s3", "s3", policy=json.dumps({"Statement": list(statements)}))

    account = {"Condition": {"StringEquals": {"aws:ResourceAccount": "111122223333"}}}
    return [
        bad(rule, "everything", policy(EVERYTHING)),
        bad(
            rule,
            "everything by a resource of its own",
            R(n.VPC_ENDPOINT_POLICY, "p", {"policy": json.dumps({"Statement": EVERYTHING})}),
        ),
        bad(rule, "every action of a service", policy({**EVERYTHING, "Action": "s3:*"})),
        bad(rule, "the second statement", policy({**EVERYTHING, "Effect": "Deny"}, EVERYTHING), says=["Statement[1]"]),
        bad(rule, "over TLS", policy({**EVERYTHING, "Condition": {"Bool": {"aws:SecureTransport": "true"}}})),
        *(
            bad(rule, f"every bucket: {pattern}", policy({**EVERYTHING, "Resource": ["arn:aws:s3:::x/*", pattern]}))
            for pattern in ("arn:aws:s3:::*", "arn:aws:s3:::*/*", "arn:*", "**")
        ),
        *(
            bad(rule, f"any owner: {key}", policy({**EVERYTHING, "Condition": {"StringLike": {key: ["x", owner]}}}))
            for key, owner in (("aws:ResourceAccount", "*"), ("aws:ResourceOrgID", "o-*"))
        ),
        good(
            rule,
            "resources of a part of an organisation",
            policy({**EVERYTHING, "Condition": {"StringLike": {"aws:ResourceOrgPaths": "o-a1/r-b2/*"}}}),
        ),
        good(rule, "buckets of AWS's", policy({**EVERYTHING, "Resource": "arn:aws:s3:::*elasticmapreduce/*"})),
        good(rule, "named resources", policy({**EVERYTHING, "Resource": "arn:aws:s3:::bucket/*"})),
        good(rule, "resources of one account", policy({**EVERYTHING, **account})),
        good(
            rule,
            "one organisation",
            policy({**EVERYTHING, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}}),
        ),
        good(rule, "somebody", policy({**EVERYTHING, "Principal": {"AWS": "arn:aws:iam::111122223333:root"}})),
        good(rule, "absent, which is for NET-14 to say", endpoint("s3", "s3")),
        good(rule, "malformed statements", policy(None, 7, "x")),
        open_question(rule, "no JSON", endpoint("s3", "s3", policy="{")),
        open_question(rule, "not known yet", endpoint("s3", "s3", policy=UNKNOWN)),
        open_question(
            rule,
            "an unknown resource",
            endpoint("s3", "s3", policy={"Statement": [{**EVERYTHING, "Resource": UNKNOWN}]}),
        ),
    ]


def net_14() -> list[Case]:
    rule = "NET-14"
    bare = endpoint("s3", "s3")
    text = json.dumps({"Statement": EVERYTHING})
    sts = {"without": ["sts"]}
    return [
        bad(rule, "absent", bare),
        bad(rule, "empty", endpoint("s3", "s3", policy="")),
        bad(rule, "an interface endpoint's", endpoint("sts", "sts", vpcEndpointType="Interface")),
        good(rule, "given", endpoint("s3", "s3", policy=text)),
        good(rule, "given apart", bare, R(n.VPC_ENDPOINT_POLICY, "p", {"vpcEndpointId": bare.ref(), "policy": text})),
        good(rule, "made of something else", LOOKUP, endpoint("s3", "s3", policy=LOOKUP.ref("policy"))),
        good(rule, "a service that takes none", endpoint("sts", "sts"), config=sts),
        open_question(
            rule,
            "of an unknown endpoint",
            bare,
            R(n.VPC_ENDPOINT_POLICY, "p", {"vpcEndpointId": UNKNOWN, "policy": text}),
        ),
        open_question(rule, "an unknown service", endpoint("x", UNKNOWN), config=sts),
    ]


def net_15() -> list[Case]:
    rule = "NET-15"
    said = {"description": "HTTPS from the load balancer"}
    return [
        good(rule, "said", group(**said, ingress=[{**inline("10.0.0.0/8"), **said}])),
        bad(rule, "a group that says nothing", group()),
        bad(rule, "the provider's words", group(description="Managed by Pulumi")),
        bad(rule, "an inline rule", group(**said, egress=[inline("10.0.0.0/8")]), says=["egress[0].description"]),
        bad(rule, "a rule", ingress_rule(cidrIpv4="10.0.0.0/8")),
        bad(rule, "an empty one", egress_rule(description=" ")),
        bad(rule, "an old rule", old_rule(cidrBlocks=["10.0.0.0/8"])),
        good(rule, "a rule that says it", ingress_rule(cidrIpv4="10.0.0.0/8", **said)),
        open_question(rule, "not known yet", group(description=UNKNOWN)),
    ]


def net_13() -> list[Case]:
    return [
        bad("NET-13", "accepted only", R(n.FLOW_LOG, "log", {"trafficType": "ACCEPT"})),
        bad("NET-13", "rejected only", R(n.FLOW_LOG, "log", {"trafficType": "REJECT"})),
        good("NET-13", "all", R(n.FLOW_LOG, "log", {"trafficType": "ALL"})),
        good("NET-13", "absent", R(n.FLOW_LOG, "log", {})),
        open_question("NET-13", "not known yet", R(n.FLOW_LOG, "log", {"trafficType": UNKNOWN})),
    ]


NAT = {"cidrBlock": "0.0.0.0/0", "natGatewayId": "nat-1", "vpcPeeringConnectionId": ""}


def net_17() -> list[Case]:
    rule = "NET-17"

    def options(mode: Any) -> R:
        return R(n._BLOCK_OPTIONS, "x", {"internetGatewayBlockMode": mode})  # pyright: ignore[reportPrivateUsage]

    def exclusion(mode: Any) -> R:
        return R(n._BLOCK_EXCLUSION, "x", {"vpcId": "vpc-1", "internetGatewayExclusionMode": mode})  # pyright: ignore[reportPrivateUsage]

    return [
        bad(rule, "nothing blocked", options("off")),
        good(rule, "the way in blocked", options("block-ingress")),
        open_question(rule, "not known yet", options(UNKNOWN)),
        bad(rule, "a way in", exclusion("allow-bidirectional")),
        good(rule, "a way out", exclusion("allow-egress")),
    ]


def net_16() -> list[Case]:
    rule = "NET-16"
    gateway, *balancers = (n._TRANSIT_GATEWAY, *n._BALANCERS)  # pyright: ignore[reportPrivateUsage]
    return [
        *(good(rule, f"inside, {type}", R(type, "x", {"internal": True})) for type in balancers),
        *(bad(rule, f"outside, {type}", R(type, "x", {"internal": False})) for type in balancers),
        *(bad(rule, f"not said, {type}", R(type, "x", {})) for type in balancers),
        open_question(rule, "not known yet", R(balancers[0], "x", {"internal": UNKNOWN})),
        good(rule, "a gateway that asks", R(gateway, "x", {})),
        good(rule, "a service that asks", R(n._ENDPOINT_SERVICE, "x", {"acceptanceRequired": True})),  # pyright: ignore[reportPrivateUsage]
        bad(rule, "a service that takes anybody in", R(n._ENDPOINT_SERVICE, "x", {"acceptanceRequired": False})),  # pyright: ignore[reportPrivateUsage]
        bad(
            rule, "all to a peer", R(n.ROUTE, "x", {"destinationCidrBlock": "0.0.0.0/0", "vpcPeeringConnectionId": "p"})
        ),
        good(
            rule,
            "a peer's network",
            R(n.ROUTE, "x", {"destinationCidrBlock": "10.1.0.0/16", "vpcPeeringConnectionId": "p"}),
        ),
        good(rule, "all to a gateway", R(n.ROUTE, "x", {"destinationCidrBlock": "0.0.0.0/0", "natGatewayId": "n"})),
        *(
            bad(
                rule,
                f"all to a peer, in {type}",
                R(type, "x", {"routes": [NAT, {key: world, "vpcPeeringConnectionId": UNKNOWN}]}),
                says=[f"routes[1].{key}"],
            )
            for type in (n.ROUTE_TABLE, n.DEFAULT_ROUTE_TABLE)
            for key, world in (("cidrBlock", "0.0.0.0/0"), ("ipv6CidrBlock", "::/0"))
        ),
        good(
            rule,
            "a peer's network, in a table",
            R(n.ROUTE_TABLE, "x", {"routes": [NAT, {"cidrBlock": "10.1.0.0/16", "vpcPeeringConnectionId": "p"}]}),
        ),
        bad(rule, "a gateway that takes anybody in", R(gateway, "x", {"autoAcceptSharedAttachments": "enable"})),
        open_question(rule, "a gateway not known yet", R(gateway, "x", {"autoAcceptSharedAttachments": UNKNOWN})),
    ]


def lists_out() -> list[Case]:
    rule = "NET-02"
    everybody = prefix_list("all", "10.0.0.0/8", "0.0.0.0/0")
    private = prefix_list("private", "10.0.0.0/8")

    def out(target: R, protocol: Any = "-1", **more: Any) -> R:
        inputs = {"securityGroupId": "sg-1", "ipProtocol": protocol, "prefixListId": target.ref(), **more}
        return R(n.EGRESS_RULE, "out", inputs)

    return [
        bad(rule, "everything out", everybody, out(everybody), says=["0.0.0.0/0"]),
        bad(
            rule,
            "everything out, inline",
            everybody,
            group(egress=[inline(everybody.ref(), key="prefixListIds", protocol="-1", ports=(0, 0))]),
        ),
        good(rule, "one port out", everybody, out(everybody, "tcp", fromPort=443, toPort=443)),
        good(rule, "everything to private networks", private, out(private)),
    ]


CASES = [
    case
    for make in (
        net_01,
        net_02,
        net_03,
        net_04,
        net_05,
        net_06,
        net_07,
        net_08,
        net_09,
        net_10,
        net_11,
        net_12,
        net_13,
        net_14,
        net_15,
        net_16,
        net_17,
        lists_out,
    )
    for case in make()
]


@parametrize(CASES)
def test_network(case: Case, known: bool) -> None:
    check(case, known)


def test_a_subnets_routes_are_found_without_a_cluster() -> None:
    from policies.model import Match, Resource, Stack

    routes = n.RouteSource(Resource(n.ROUTE, "r", "u", {}), "", ({"gatewayId": "igw-1"},))
    assert n.leads_out(routes, Stack([])) is Match.YES


@pytest.mark.parametrize("name", [family_rule.id for family_rule in n.family.rules])
def test_every_rule_has_cases_that_break_it_and_that_do_not(name: str) -> None:
    verdicts = {case.up for case in CASES if case.rule == name}
    assert {"broken", "fine"} <= verdicts, f"{name} is tested for {verdicts} only"
