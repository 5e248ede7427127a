"""Networks and ports of rules, decided by arithmetic."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from policies.plain import UNKNOWN, Plain, Unknown, number, text

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_INSIDE: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(block)
    for block in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # shared address space, RFC 6598: AWS allows it in a VPC
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    )
)
_LEADING_ZEROS: Final = re.compile(r"(?<![0-9a-fA-F:])0+(?=\d+(?:\.|/|$))(?!\d*:)")
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")


def parse_network(value: Plain) -> Network | Unknown | None:
    """The network in a text, whatever its spelling; None when there is none.

    Host bits may be set (AWS clears them), and IPv4 written as IPv6 (``::ffff:0:0/96``) is IPv4.
    """
    written = text(value)
    if written is None or written is UNKNOWN:
        return written
    try:
        # Leading zeros in an octet are decimal to some readers and an error to others; here they are decimal.
        network = ipaddress.ip_network(_LEADING_ZEROS.sub("", written), strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96 and network.subnet_of(_MAPPED):
        address = int(network.network_address) & 0xFFFFFFFF
        return ipaddress.IPv4Network((address, network.prefixlen - 96))
    return network


def is_internet(network: Network, ipv4_prefix: int, ipv6_prefix: int) -> bool:
    """Whether a network holds a large part of the internet: public addresses, by a prefix shorter than the limit.

    The two halves ``0.0.0.0/1`` and ``128.0.0.0/1`` are as open as ``0.0.0.0/0``, so the prefix decides, not the text.
    """
    limit = ipv4_prefix if network.version == 4 else ipv6_prefix
    return network.prefixlen < limit and not is_inside(network)


def is_inside(network: Network) -> bool:
    """Whether all of a network is private, shared or local address space."""
    return any(network.version == block.version and network.subnet_of(block) for block in _INSIDE)  # type: ignore[arg-type]


_PROTOCOL_NUMBERS: Final = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}


def protocol_name(value: Plain) -> str | Unknown | None:
    """A protocol by name; ``-1`` for all of them."""
    written = text(value)
    if written is None or written is UNKNOWN:
        return written
    written = written.lower().removesuffix(".0")
    return "-1" if written in {"-1", "all"} else _PROTOCOL_NUMBERS.get(written, written)


@dataclass(frozen=True)
class Ports:
    """The ports that a rule is about."""

    protocol: str
    first: int = 0
    last: int = 65535

    @property
    def every_protocol(self) -> bool:
        """Whether the rule is about all protocols, and so all ports."""
        return self.protocol == "-1"

    @property
    def count(self) -> int:
        """How many ports; ICMP has none."""
        if self.protocol in {"icmp", "icmpv6"}:
            return 0
        return self.last - self.first + 1

    def holds(self, port: int) -> bool:
        """Whether a TCP or UDP port is among them."""
        return self.every_protocol or (self.count > 0 and self.first <= port <= self.last)

    def __str__(self) -> str:
        if self.every_protocol:
            return "every port and protocol"
        if not self.count:
            return self.protocol
        if self.count >= 65535:
            return f"every port ({self.protocol})"
        if self.count == 1:
            return f"port {self.first} ({self.protocol})"
        return f"ports {self.first}-{self.last} ({self.protocol})"


def parse_ports(protocol: Plain, first: Plain, last: Plain) -> Ports | Unknown:
    """The ports of a rule. Absent ports mean all of them, and so does an absent or unreadable protocol."""
    name = protocol_name(protocol)
    if name is UNKNOWN:
        return UNKNOWN
    if name is None or name == "-1":
        return Ports("-1")
    start, end = number(first), number(last)
    if start is UNKNOWN or end is UNKNOWN:
        return UNKNOWN
    low = int(start) if start is not None and start >= 0 else 0
    high = int(end) if end is not None and end >= 0 else 65535
    return Ports(name, low, high)
