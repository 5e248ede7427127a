"""Network ACLs of private and public subnets, as data, where a stack asks for its own.

An ACL keeps no state: answers must be let through as well, on the ports that the asker chose (VPC user guide,
"Control subnet traffic with network access control lists", ephemeral ports). AWS's own services inside a VPC (DNS,
time, instance metadata, Amazon's DHCP) pass whatever it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

ANYWHERE = "0.0.0.0/0"
HTTPS = (443, 443)
EPHEMERAL = ((1024, 3388), (3390, 65535))
"""Ports that answers come back to: NAT gateways and functions choose from 1024 to 65535. That of Windows' remote
desktop lies among them and is left shut; of 64,000 connections one is then made anew."""


@dataclass(frozen=True)
class Entry:
    """One entry of an ACL; all allow, for what none allows is refused."""

    direction: Literal["in", "out"]
    number: int
    """Place in the order, of this direction."""
    protocol: Literal["tcp", "all"]
    ports: tuple[int, int]
    """First and last port; (0, 0) for all protocols."""
    cidr_block: str


def _numbered(direction: Literal["in", "out"], allowed: Sequence[tuple[str, tuple[int, int]]]) -> Iterator[Entry]:
    for place, (block, ports) in enumerate(allowed, 1):
        yield Entry(direction, 100 * place, "tcp" if ports != (0, 0) else "all", ports, block)


def private_entries(vpc: str, servers: Sequence[str] = ()) -> list[Entry]:
    """Entries for private subnets: everything within the VPC and with Kerberos servers, HTTPS out, answers in.

    HTTPS goes to any address without NAT too: S3 and DynamoDB keep their public addresses behind gateway endpoints,
    which an ACL cannot name. Security groups say which of it may be reached.
    """
    known = [(block, (0, 0)) for block in (vpc, *servers)]
    return [
        *_numbered("in", [*known, *((ANYWHERE, ports) for ports in EPHEMERAL)]),
        *_numbered("out", [*known, (ANYWHERE, HTTPS)]),
    ]


def public_entries(vpc: str) -> list[Entry]:
    """Entries for the subnets of NAT gateways: HTTPS of the VPC passes, and its answers."""
    return [
        *_numbered("in", [(vpc, HTTPS), *((ANYWHERE, ports) for ports in EPHEMERAL)]),
        *_numbered("out", [(ANYWHERE, HTTPS), *((vpc, ports) for ports in EPHEMERAL)]),
    ]
