"""How a VPC's addresses are shared out: large private subnets, small public ones, room left. Arithmetic alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

SHARES = 8
"""Equal parts of the VPC: the first four for private subnets, the last for public ones, the rest stays free."""

LARGEST_VPC, SMALLEST_VPC = 16, 22
"""Prefix lengths: the largest VPC that AWS makes, and the smallest whose private subnets are of use, /25."""

PUBLIC_PREFIX = 28
"""A public subnet holds a NAT gateway only; AWS makes none smaller than this."""

LARGEST_ZONE_COUNT = 4

RESERVED_ADDRESSES = 5
"""Addresses of every subnet that AWS keeps (VPC user guide, "Subnet sizing for IPv4")."""


class DoesNotFit(ValueError):
    """A network is too small for what it should hold; the message carries the arithmetic."""


@dataclass(frozen=True)
class AddressPlan:
    """Networks by availability zone, in the zones' order."""

    private: tuple[str, ...]
    public: tuple[str, ...]
    """One a zone; empty when nothing is to be public."""


def usable_addresses(network: str) -> int:
    """Addresses of a subnet that nodes and endpoints can have."""
    return IPv4Network(network).num_addresses - RESERVED_ADDRESSES


def plan_addresses(cidr_block: str, zone_count: int, *, public: bool) -> AddressPlan:
    """Share out a VPC of /16 to /22 over one to four zones.

    A zone's networks depend neither on the number of zones nor on whether there are public ones, so that what is added
    moves nothing.

    Raises:
        DoesNotFit: with the arithmetic.
    """
    network = IPv4Network(cidr_block)
    size = network.num_addresses
    prefix = network.prefixlen + (SHARES - 1).bit_length()
    if network.prefixlen > SMALLEST_VPC:
        raise DoesNotFit(
            f"{cidr_block} has {size} addresses; a private subnet gets an eighth: {size} / {SHARES} = {size // SHARES}"
            f" (/{prefix}), less {RESERVED_ADDRESSES} that AWS keeps, and a cluster with its endpoints needs at least "
            f"{2**7} (/25): use /{SMALLEST_VPC} or larger"
        )
    if network.prefixlen < LARGEST_VPC:
        raise DoesNotFit(f"{cidr_block} has {size} addresses; AWS makes no VPC of more than 65536 (/{LARGEST_VPC})")
    if not 1 <= zone_count <= LARGEST_ZONE_COUNT:
        raise DoesNotFit(
            f"{cidr_block} is shared by 1 to {LARGEST_ZONE_COUNT} zones (one of its {SHARES} parts each, the rest for "
            f"public subnets and room), not by {zone_count}"
        )
    shares = list(network.subnets(new_prefix=prefix))
    small = shares[-1].subnets(new_prefix=PUBLIC_PREFIX)
    return AddressPlan(
        private=tuple(str(share) for share in shares[:zone_count]),
        public=tuple(str(subnet) for _, subnet in zip(range(zone_count), small, strict=False)) if public else (),
    )


def check_room(subnet: str, needs: Mapping[str, int]) -> None:
    """Refuse a subnet without room for what it should hold: number of addresses by what needs them.

    Raises:
        DoesNotFit: with the sum, and the size that would do.
    """
    needed, usable = sum(needs.values()), usable_addresses(subnet)
    if needed > usable:
        sum_of = " + ".join(f"{number} {what}" for what, number in needs.items() if number)
        enough = 32 - (needed + RESERVED_ADDRESSES - 1).bit_length()
        raise DoesNotFit(
            f"the private subnet {subnet} has {usable + RESERVED_ADDRESSES} - {RESERVED_ADDRESSES} = {usable} usable "
            f"addresses, and {sum_of} = {needed} are needed: that is a subnet of /{enough}, in a VPC of "
            f"/{enough - (SHARES - 1).bit_length()}"
        )
