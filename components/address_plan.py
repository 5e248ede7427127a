"""How a VPC's addresses are shared out: large private subnets, small public ones, room left."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

SHARES = 8
"""Equal parts of the VPC: the first four for private subnets, the last for public ones, the rest stays free."""
PUBLIC_PREFIX = 28
"""A public subnet holds a NAT gateway only; AWS makes none smaller than this."""
LARGEST_ZONE_COUNT = 4


@dataclass(frozen=True)
class AddressPlan:
    """Networks by availability zone, in the zones' order."""

    private: tuple[str, ...]
    public: tuple[str, ...]
    """Empty without NAT."""


def plan_addresses(cidr_block: str, zone_count: int, *, public: bool) -> AddressPlan:
    """Share out a VPC of /16 to /22 over one to four zones.

    A zone's networks do not depend on how many zones there are, so that adding a zone moves nothing.

    Raises:
        ValueError: when the plan does not fit, with the arithmetic.
    """
    network = ipaddress.IPv4Network(cidr_block)
    if not 1 <= zone_count <= LARGEST_ZONE_COUNT:
        raise ValueError(f"{zone_count} availability zones: the plan has room for 1 to {LARGEST_ZONE_COUNT}")
    prefix = network.prefixlen + (SHARES - 1).bit_length()
    if prefix > 25:
        raise ValueError(
            f"{cidr_block} has {network.num_addresses} addresses; an eighth is {network.num_addresses // SHARES} "
            f"(/{prefix}) for a private subnet, and EMR needs at least 128 (/25): use a VPC of /22 or larger"
        )
    shares = list(network.subnets(new_prefix=prefix))
    small = list(shares[-1].subnets(new_prefix=PUBLIC_PREFIX))
    return AddressPlan(
        private=tuple(str(share) for share in shares[:zone_count]),
        public=tuple(str(share) for share in small[:zone_count]) if public else (),
    )
