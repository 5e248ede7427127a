"""Event patterns of EventBridge rules and of event source mappings' filters.

Sources: EventBridge user guide, "Creating Amazon EventBridge event patterns" and "Comparison operators for use in event
patterns"; aws/event-ruler ``RuleCompiler``, whose texts EventBridge shows behind "Event pattern is not valid. Reason:".
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sandbox.documents import Owner

_MATCHERS: Final = (
    "anything-but",
    "cidr",
    "equals-ignore-case",
    "exists",
    "numeric",
    "prefix",
    "suffix",
    "wildcard",
)
_COMPARISONS: Final = ("<", "<=", ">", ">=", "=")
_MAXIMUM: Final = 4096
"""Characters of a pattern (EventBridge quotas)."""


def event_pattern(document: Any, owner: Owner) -> Iterator[str]:
    """What is wrong with a pattern."""
    if len(json.dumps(document, separators=(",", ":"))) > _MAXIMUM:
        yield f"has more than {_MAXIMUM} characters, the quota of a pattern"
    yield from _object("", document)


def _object(place: str, value: Any) -> Iterator[str]:
    where = place or "the pattern"
    if not isinstance(value, Mapping):
        yield f"{where} is {_shown(value)}; it must be an object or an array"
        return
    if not value:
        yield f'{where} is {{}}: "Empty objects are not allowed"'
    for key, inner in value.items():
        here = f"{place}.{key}" if place else key
        if key == "$or":
            if not isinstance(inner, list) or len(inner) < 2:
                yield f"{here} is {_shown(inner)}; it is a list of two or more patterns"
                continue
            for index, alternative in enumerate(inner):
                yield from _object(f"{here}[{index}]", alternative)
        elif isinstance(inner, list):
            yield from _choices(here, inner)
        elif isinstance(inner, Mapping):
            yield from _object(here, inner)
        else:
            yield f'{here} is {_shown(inner)}: "must be an object or an array"; write [{_shown(inner)}]'


def _choices(place: str, values: list[Any]) -> Iterator[str]:
    if not values:
        yield f'{place} is []: "Empty arrays are not allowed"'
    for index, value in enumerate(values):
        here = f"{place}[{index}]"
        if isinstance(value, list):
            yield f"{here} is {_shown(value)}; a list of choices holds no list"
        elif isinstance(value, Mapping):
            yield from _matcher(here, value)


def _matcher(place: str, value: Mapping[str, Any]) -> Iterator[str]:
    if len(value) != 1:
        yield f'{place} is {_shown(value)}: "Only one key allowed in match expression"'
        return
    name, operand = next(iter(value.items()))
    here = f"{place}.{name}"
    if name not in _MATCHERS:
        yield f'{here}: "Unrecognized match type {name}"; there are {", ".join(_MATCHERS)}'
    elif name == "exists":
        if not isinstance(operand, bool):
            yield f'{here} is {_shown(operand)}: "exists match pattern must be either true or false"'
    elif name == "numeric":
        yield from _numeric(here, operand)
    elif name == "cidr":
        try:
            ipaddress.ip_network(operand, strict=False)
        except ValueError:
            yield f"{here} is {_shown(operand)}: malformed CIDR"
    elif name in ("prefix", "suffix"):
        folded = isinstance(operand, Mapping) and list(operand) == ["equals-ignore-case"]
        if not isinstance(operand, str) and not folded:
            yield f'{here} is {_shown(operand)}: "{name} match pattern must be a string"'
    elif name == "wildcard":
        yield from _wildcard(here, operand)
    elif name == "equals-ignore-case":
        if not isinstance(operand, str):
            yield f'{here} is {_shown(operand)}: "equals-ignore-case match pattern must be a string"'
    else:
        yield from _anything_but(here, operand)


def _wildcard(place: str, operand: Any) -> Iterator[str]:
    if not isinstance(operand, str):
        yield f'{place} is {_shown(operand)}: "wildcard match pattern must be a string"'
    elif "**" in operand:
        yield f'{place} is {_shown(operand)}: "Consecutive wildcard characters at pos {operand.index("**")}"'


def _anything_but(place: str, operand: Any) -> Iterator[str]:
    if isinstance(operand, Mapping):
        if len(operand) != 1 or next(iter(operand)) not in ("prefix", "suffix", "wildcard", "equals-ignore-case"):
            yield f"{place} is {_shown(operand)}; it takes prefix, suffix, wildcard or equals-ignore-case, or values"
        return
    values = operand if isinstance(operand, list) else [operand]
    kinds = {isinstance(entry, str) for entry in values}
    if (
        not values
        or len(kinds) > 1
        or any(isinstance(entry, bool | Mapping | list) or entry is None for entry in values)
    ):
        yield f'{place} is {_shown(operand)}: "Inside anything-but list, either all values are number or string"'


def _numeric(place: str, operand: Any) -> Iterator[str]:
    pairs = list(zip(operand[::2], operand[1::2], strict=False)) if isinstance(operand, list) else []
    fits = (
        isinstance(operand, list)
        and len(operand) in (2, 4)
        and all(sign in _COMPARISONS and _is_number(number) for sign, number in pairs)
    )
    if not fits:
        yield f"{place} is {_shown(operand)}; it is a comparison and a number, once or for both ends of a range"
    elif len(pairs) == 2:
        (low_sign, low), (high_sign, high) = pairs
        if low_sign[0] != ">" or high_sign[0] != "<":
            yield f"{place} is {_shown(operand)}; a range begins with > or >= and ends with < or <="
        elif not low < high:
            yield f'{place} is {_shown(operand)}: "Bottom must be less than top"'


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}…"
