"""Automatic names: seven digits, kept for life, within what AWS allows."""

from __future__ import annotations

import re

import pytest

from sandbox.providers.naming import AutoName, NamingError, Proposal, automatic_name, prefixed_name
from sandbox.providers.protocol import Secret

NAME = AutoName(maximum=20)


def test_a_name_is_the_resources_and_seven_digits() -> None:
    name = automatic_name(NAME, {}, {}, "role", b"seed", None)
    assert name is not None
    assert re.fullmatch(r"role-[0-9a-f]{7}", name), "so people find the resource, and two stacks do not collide"


def test_the_seed_decides_the_digits() -> None:
    assert automatic_name(NAME, {}, {}, "a", b"1", None) == automatic_name(NAME, {}, {}, "a", b"1", None)
    assert automatic_name(NAME, {}, {}, "a", b"1", None) != automatic_name(NAME, {}, {}, "a", b"2", None)


def test_a_given_name_or_prefix_stands() -> None:
    assert automatic_name(NAME, {"name": "mine"}, {}, "role", b"", None) is None
    assert automatic_name(NAME, {"namePrefix": "mine-"}, {}, "role", b"", None) is None


def test_an_automatic_name_stays() -> None:
    before = {"name": "role-1234567", "__defaults": ["name"]}
    assert automatic_name(NAME, {}, before, "role", b"another", None) == "role-1234567", "a new name is a new resource"


def test_a_name_that_was_given_once_does_not_stay() -> None:
    name = automatic_name(NAME, {}, {"name": "mine", "__defaults": []}, "role", b"seed", None)
    assert name != "mine", "taking a given name away asks for an automatic one"


def test_a_name_that_is_too_long_says_so() -> None:
    with pytest.raises(NamingError, match="longer than 20"):
        automatic_name(NAME, {}, {}, "a-very-long-name", b"seed", None)


def test_engine_settings_are_followed() -> None:
    assert automatic_name(NAME, {}, {}, "role", b"", Proposal("enforce", "exactly")) == "exactly"
    assert automatic_name(NAME, {}, {}, "role", b"", Proposal("propose", "x" * 30)) == "x" * 20
    with pytest.raises(NamingError, match="must be given"):
        automatic_name(NAME, {}, {}, "role", b"", Proposal("disable", ""))


def test_prefix_suffix_and_case() -> None:
    alias = automatic_name(AutoName(prefix="alias/"), {}, {}, "key", b"", None)
    assert alias is not None
    assert alias.startswith("alias/key-"), "KMS wants it"
    queue = AutoName(suffix_when=("fifoQueue", ".fifo"))
    fifo = automatic_name(queue, {"fifoQueue": Secret(True)}, {}, "q", b"", None)
    assert fifo is not None
    assert fifo.endswith(".fifo"), "SQS wants it"
    bucket = automatic_name(AutoName(lower=True), {}, {}, "Raw", b"", None)
    assert bucket is not None
    assert bucket == bucket.lower(), "S3 wants it"


def test_names_from_a_prefix_differ() -> None:
    assert prefixed_name("a-") != prefixed_name("a-")
    assert prefixed_name("a-").startswith("a-")
