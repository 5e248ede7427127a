"""Properties as plain data: what the SDK's proxies hold, copied once, with what is not known yet marked.

Pulumi's proxies raise on every unknown, compare unequal to lists, and hand out floats for integers. Rules never see
them. They see ``dict``, ``list``, ``str``, ``int``, ``float``, ``bool``, ``None``, `Content` and `UNKNOWN`.

The SDK hands secrets to a policy in plain text and without a mark, so no rule may quote what it did not parse.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias, cast

import pulumi
from pulumi_policy.proxy import (
    UNKNOWN_ARCHIVE_VALUE,
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_ASSET_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_NUMBER_VALUE,
    UNKNOWN_OBJECT_VALUE,
    UNKNOWN_STRING_VALUE,
    UnknownValueError,
)
from pulumi_policy.secret import Secret


class Unknown(Enum):
    """A value that only the deployment will tell."""

    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        """Refuse to be a condition: an unknown is neither true nor false, and each rule must say what it means.

        Raises:
            TypeError: always.
        """
        raise TypeError("an unknown value is neither true nor false")


UNKNOWN: Final = Unknown.UNKNOWN


class Malformed(Enum):
    """A text that should hold JSON and does not."""

    MALFORMED = "malformed"


MALFORMED: Final = Malformed.MALFORMED


@dataclass(frozen=True)
class Content:
    """An asset or archive: the text, when the program gave it as text."""

    text: str | None = None


Plain: TypeAlias = Any
"""A plain value: None, bool, int, float, str, `Content`, `UNKNOWN`, or a list or dict of these."""

_NOTES: Final = frozenset({"__defaults", "__meta"})
"""The engine's own notes in a property bag."""

_SENTINELS: Final = frozenset(
    {
        UNKNOWN_ARCHIVE_VALUE,
        UNKNOWN_ARRAY_VALUE,
        UNKNOWN_ASSET_VALUE,
        UNKNOWN_BOOLEAN_VALUE,
        UNKNOWN_NUMBER_VALUE,
        UNKNOWN_OBJECT_VALUE,
        UNKNOWN_STRING_VALUE,
    }
)


def plain(value: object) -> Plain:
    """Copy a value of the SDK (or plain data) into plain data."""
    if value is None or value is UNKNOWN or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, str):
        return UNKNOWN if value in _SENTINELS else value
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return {str(key): _item(mapping, key) for key in mapping if key not in _NOTES}
    if isinstance(value, pulumi.StringAsset):
        return Content(str(value.text))
    if isinstance(value, pulumi.Asset | pulumi.Archive):
        return Content()
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        sequence = cast("Sequence[object]", value)
        return [_item(sequence, index) for index in range(len(sequence))]
    return str(value)


def _item(container: Any, key: Any) -> Plain:
    try:
        return plain(container[key])
    except UnknownValueError:
        return UNKNOWN


def at(value: Plain, *path: str) -> Plain:
    """Follow keys through nested objects; None where a key is absent, `UNKNOWN` past an unknown.

    A list of one object counts as the object: providers write single blocks either way.
    """
    for key in path:
        value = record(value)
        if value is UNKNOWN or value is None:
            return value
        value = value.get(key)
    return value


def record(value: Plain) -> dict[str, Plain] | Unknown | None:
    """An object, or the only object in a list; None for anything else."""
    if isinstance(value, list) and len(cast("list[Plain]", value)) == 1:
        value = value[0]
    if value is UNKNOWN:
        return UNKNOWN
    return cast("dict[str, Plain]", value) if isinstance(value, dict) else None


def listed(value: Plain) -> list[Plain]:
    """A value that may be a list, a single item or absent, as a list; an unknown list is a list of one unknown."""
    if value is None:
        return []
    return cast("list[Plain]", value) if isinstance(value, list) else [value]


def text(value: Plain) -> str | Unknown | None:
    """A text without surrounding space; None for an empty one or for anything that is no text (numbers are)."""
    if value is UNKNOWN:
        return UNKNOWN
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def number(value: Plain) -> int | float | Unknown | None:
    """A finite number, also when written as text; None for anything else."""
    if value is UNKNOWN:
        return UNKNOWN
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = value if isinstance(value, int) else float(value)
    except ValueError:
        return None
    if not math.isfinite(found):
        return None
    return int(found) if float(found).is_integer() else found


def switch(value: Plain) -> bool | Unknown | None:
    """A flag; the texts ``true`` and ``false`` count, because providers accept them. None for anything else."""
    if value is UNKNOWN or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return None


def json_value(value: Plain) -> Plain | Malformed:
    """The document in a JSON text; an object stays as it is; None when empty, `MALFORMED` when it is no JSON."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return plain(json.loads(value))
    except (ValueError, RecursionError):
        return MALFORMED


def readable(value: Plain) -> Plain:
    """The document in a JSON text, as `json_value`; None also when it is no JSON."""
    document = json_value(value)
    return None if document is MALFORMED else document


def member(mapping: Mapping[str, Plain], key: str) -> Plain:
    """A member by name, whatever its case; None when absent."""
    if key in mapping:
        return mapping[key]
    folded = key.casefold()
    return next((value for name, value in mapping.items() if name.casefold() == folded), None)
