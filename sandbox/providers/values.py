"""What the provider's schema allows of single inputs, and of inputs together, before anything is called.

terraform-plugin-sdk ``helper/validation`` and ``schema.Schema``'s ``ConflictsWith`` and ``ExactlyOneOf``; a table entry
names its own in `ResourceType.values`, `ResourceType.at_most_one` and `ResourceType.exactly_one`. The entry's source is
theirs: each stands in the schema of that file.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

Rule = Callable[[Any], str | None]
"""From a value to what is wrong with it, or None."""


def between(minimum: float, maximum: float) -> Rule:
    """A number in a range (``validation.IntBetween``)."""

    def check(value: Any) -> str | None:
        return None if minimum <= value <= maximum else f"is {value:g}; allowed are {minimum:g} to {maximum:g}"

    return check


def one_of(*allowed: Any) -> Rule:
    """A value of an enumeration (``validation.StringInSlice``)."""

    def check(value: Any) -> str | None:
        return None if value in allowed else f"is {value!r}, which is not one of {', '.join(map(str, allowed))}"

    return check


def matching(pattern: str, rule: str) -> Rule:
    """A text that matches, with the rule in words (``validation.StringMatch``)."""
    compiled = re.compile(pattern)

    def check(value: Any) -> str | None:
        return None if compiled.fullmatch(value) else f"is {value!r}; {rule}"

    return check


def block(longest: int, shortest: int) -> Rule:
    """An IPv4 block between two sizes, without host bits (``validation.IsCIDRNetwork``)."""

    def check(value: Any) -> str | None:
        try:
            network = ipaddress.IPv4Network(value)
        except ValueError as error:
            return f"is {value!r}, which is no IPv4 block: {error}"
        if not longest <= network.prefixlen <= shortest:
            return f"is {value}; a block here is /{longest} to /{shortest}"
        return None

    return check
