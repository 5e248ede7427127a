"""Security-group rules of the cluster, its functions and endpoints, as data.

Source: EMR management guide, "Working with Amazon EMR-managed security groups" (private subnets). EMR adds what is
missing of its inbound rules at launch and never an outbound one, so all are here, and the cluster waits for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from settings import KerberosServerSettings

PRIMARY, CORE, SERVICE, ENDPOINTS, FUNCTIONS = "primary", "core", "service-access", "endpoints", "functions"

GROUPS = {
    PRIMARY: "EMR primary node",
    CORE: "EMR core and task nodes",
    SERVICE: "EMR service access to the nodes",
    ENDPOINTS: "Interface endpoints",
    FUNCTIONS: "Functions of the pipeline",
}
"""Every security group, with its description: no apostrophe or ampersand; a change of one replaces the group."""

EMR_GROUPS = (PRIMARY, CORE, SERVICE)
"""Groups that EMR uses and adds rules to."""

S3, DYNAMODB = "s3", "dynamodb"
ANYWHERE = "0.0.0.0/0"
ALL_PORTS = (0, 65535)
HTTPS = (443, 443)

Protocol = Literal["tcp", "udp", "icmp"]

SERVER_PORTS: dict[Literal["kdc", "active-directory"], tuple[tuple[Protocol, int, str], ...]] = {
    "kdc": (
        ("tcp", 88, "Kerberos"),
        ("udp", 88, "Kerberos"),
        ("tcp", 464, "Kerberos password change"),
        ("udp", 464, "Kerberos password change"),
        ("tcp", 749, "Kerberos administration"),
    ),
    "active-directory": (
        ("tcp", 53, "DNS"),
        ("udp", 53, "DNS"),
        ("tcp", 88, "Kerberos"),
        ("udp", 88, "Kerberos"),
        ("tcp", 389, "LDAP"),
        ("udp", 389, "LDAP"),
        ("tcp", 445, "SMB"),
        ("tcp", 464, "Kerberos password change"),
        ("udp", 464, "Kerberos password change"),
        ("tcp", 3268, "global catalogue"),
    ),
}
"""Ports that nodes need of servers outside: EMR management guide, "Kerberos architecture options" (external KDC, and
joining an Active Directory domain for a cross-realm trust); Microsoft, "Service overview and network port requirements
for Windows".
"""


@dataclass(frozen=True)
class Rule:
    """One rule of one group."""

    direction: Literal["in", "out"]
    group: str
    """Group that the rule belongs to."""
    peer: str
    """Other group, gateway endpoint (its prefix list), `ANYWHERE`, or ``kerberos-<name of a server>``."""
    protocol: Protocol
    ports: tuple[int, int]
    """First and last port; for ICMP (-1, -1), every type."""
    description: str
    """Without apostrophe or ampersand, which EC2 does not take."""
    cidr_block: str | None = None
    """Addresses, where the peer is outside the VPC."""

    @property
    def name(self) -> str:
        """Identity of the rule within the network."""
        peer = "internet" if self.peer == ANYWHERE else self.peer
        return f"{self.group}-{self.direction}-{peer}-{self.protocol}-{self.ports[0]}"


def _nodes(group: str) -> list[Rule]:
    """Nodes talk to one another on every port: HDFS, YARN and shuffle choose theirs."""
    kinds: tuple[tuple[Protocol, tuple[int, int]], ...] = (
        ("tcp", ALL_PORTS),
        ("udp", ALL_PORTS),
        ("icmp", (-1, -1)),
    )
    directions: tuple[Literal["in", "out"], ...] = ("in", "out")
    return [
        Rule(direction, group, peer, protocol, ports, f"{protocol} between {group} and {peer} nodes")
        for direction in directions
        for peer in (PRIMARY, CORE)
        for protocol, ports in kinds
    ]


def _to_server(group: str, server: KerberosServerSettings) -> list[Rule]:
    return [
        Rule("out", group, f"kerberos-{server.name}", protocol, (port, port), f"{what} at {server.name}", block)
        for block in [server.cidr_block]
        for protocol, port, what in SERVER_PORTS[server.kind]
    ]


def network_rules(*, nat: bool, servers: Sequence[KerberosServerSettings] = ()) -> list[Rule]:
    """Every rule of the network; with NAT, nodes may also go out on 443. Functions never may: they use endpoints."""
    rules: list[Rule] = []
    for group in (PRIMARY, CORE):
        rules += _nodes(group)
        rules += [
            Rule("in", group, SERVICE, "tcp", (8443, 8443), f"EMR manages {group} nodes"),
            Rule("out", group, SERVICE, "tcp", (9443, 9443), f"{group} nodes answer EMR"),
            Rule("out", group, ENDPOINTS, "tcp", HTTPS, "AWS services through their endpoints"),
            Rule("out", group, S3, "tcp", HTTPS, "S3 through its gateway endpoint"),
        ]
        if nat:
            rules.append(Rule("out", group, ANYWHERE, "tcp", HTTPS, "the internet through NAT, HTTPS only", ANYWHERE))
        for server in servers:
            rules += _to_server(group, server)
    rules += [
        Rule("in", SERVICE, PRIMARY, "tcp", (9443, 9443), "primary nodes answer EMR"),
        Rule("out", SERVICE, PRIMARY, "tcp", (8443, 8443), "EMR manages primary nodes"),
        Rule("out", SERVICE, CORE, "tcp", (8443, 8443), "EMR manages core nodes"),
        Rule("out", FUNCTIONS, ENDPOINTS, "tcp", HTTPS, "AWS services through their endpoints"),
        Rule("out", FUNCTIONS, S3, "tcp", HTTPS, "S3 through its gateway endpoint"),
        Rule("out", FUNCTIONS, DYNAMODB, "tcp", HTTPS, "DynamoDB through its gateway endpoint"),
    ]
    rules += [
        Rule("in", ENDPOINTS, group, "tcp", HTTPS, f"{group} call AWS services") for group in (PRIMARY, CORE, FUNCTIONS)
    ]
    return rules
