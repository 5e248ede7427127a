"""Networks and ports, by tables and by properties."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.addresses import Ports, is_inside, is_internet, parse_network, parse_ports, protocol_name
from policies.plain import UNKNOWN


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("0.0.0.0", "0.0.0.0/32"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("0::/0", "::/0"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        (" ::/0 ", "::/0"),
        ("", None),
        ("office", None),
        ("300.0.0.0/8", None),
        ("10.0.0.0/33", None),
        (None, None),
        (True, None),
        ([], None),
    ],
)
def test_networks_in_any_spelling(written: Any, found: str | None) -> None:
    network = parse_network(written)
    assert (str(network) if network else None) == found


def test_an_unknown_network_stays_unknown() -> None:
    assert parse_network(UNKNOWN) is UNKNOWN


@given(st.integers(0, 2**32 - 1), st.integers(0, 15))
def test_a_wide_network_is_the_internet_unless_it_is_private(address: int, prefix: int) -> None:
    network = ipaddress.ip_network((address, prefix), strict=False)
    private = [ipaddress.ip_network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "100.64.0.0/10", "127.0.0.0/8")]
    assert is_internet(network, 16, 32) == (not any(network.subnet_of(block) for block in private))  # type: ignore[arg-type]


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(1, 32))
def test_both_halves_of_an_open_network_hold_an_open_one(address: int, prefix: int, limit: int) -> None:
    network = ipaddress.ip_network((address, prefix), strict=False)
    if is_internet(network, limit, 32) and prefix + 1 < limit:
        assert any(is_internet(half, limit, 32) for half in network.subnets()), "splitting must not close a network"


@given(st.integers(0, 2**128 - 1), st.integers(0, 128))
def test_a_narrow_or_private_ipv6_network_is_not_the_internet(address: int, prefix: int) -> None:
    network = ipaddress.ip_network((address, prefix), strict=False)
    if is_internet(network, 16, 32):
        assert network.prefixlen < 32
        assert not is_inside(network)


@pytest.mark.parametrize(
    ("protocol", "first", "last", "text", "holds_22", "count"),
    [
        ("tcp", 22, 22, "port 22 (tcp)", True, 1),
        ("6", "20", "30", "ports 20-30 (tcp)", True, 11),
        (6, 20, 30, "ports 20-30 (tcp)", True, 11),
        ("tcp", None, None, "every port (tcp)", True, 65536),
        ("tcp", -1, -1, "every port (tcp)", True, 65536),
        ("udp", 0, 0, "port 0 (udp)", False, 1),
        ("-1", 0, 0, "every port and protocol", True, 65536),
        ("all", None, None, "every port and protocol", True, 65536),
        (None, None, None, "every port and protocol", True, 65536),
        ("icmp", -1, -1, "icmp", False, 0),
        ("1", 8, 0, "icmp", False, 0),
    ],
)
def test_ports(protocol: Any, first: Any, last: Any, text: str, holds_22: bool, count: int) -> None:
    ports = parse_ports(protocol, first, last)
    assert isinstance(ports, Ports)
    assert (str(ports), ports.holds(22), ports.count) == (text, holds_22, count)


@pytest.mark.parametrize("unknown", range(3))
def test_ports_that_are_not_known_yet(unknown: int) -> None:
    values: list[Any] = ["tcp", 1, 2]
    values[unknown] = UNKNOWN
    assert parse_ports(*values) is UNKNOWN


def test_every_protocol_needs_no_ports() -> None:
    ports = parse_ports("-1", UNKNOWN, UNKNOWN)
    assert isinstance(ports, Ports), "the ports of a rule for every protocol mean nothing"
    assert ports.every_protocol


def test_a_protocol_that_is_not_known_yet() -> None:
    assert protocol_name(UNKNOWN) is UNKNOWN
