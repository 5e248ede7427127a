"""Exceptions from rules, as data: which rule, which resource, in which stacks, why, who answers for it, until when.

They stand in ``exceptions.json`` beside this module, or in the file that the environment's ``POLICY_EXCEPTIONS`` names.
An exception excuses one rule for one resource, by project, type and name.
GEN-06 reports those that have expired and those that excuse nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, cast

from policies.model import Resource

FILE: Final = Path(__file__).resolve().parent / "exceptions.json"
_TEXTS: Final = ("rule", "project", "type", "name", "reason", "owner")
_KEYS: Final = frozenset({"stacks", "expires", *_TEXTS})


class ExceptionsError(Exception):
    """A mistake in the file of exceptions."""


@dataclass(frozen=True)
class ResourceException:
    """One rule that does not apply to one resource, for now."""

    rule: str
    """Id, e.g. ``S3-07``."""
    project: str
    """Name of the project, as its Pulumi.yaml has it: the pack may serve several."""
    type: str
    """Type token of the resource."""
    name: str
    """Pulumi name of the resource."""
    stacks: tuple[str, ...]
    """Stacks in which it holds; empty for all."""
    reason: str
    owner: str
    expires: date
    """Last day on which it holds."""

    def holds(self, rule: str, resource: Resource, today: date) -> bool:
        """Whether it excuses a finding."""
        named = (rule, resource.type, resource.name) == (self.rule, self.type, self.name)
        return named and self.concerns(*resource.place) and today <= self.expires

    def concerns(self, project: str, stack: str) -> bool:
        """Whether it is meant for a stack."""
        return project == self.project and (not self.stacks or stack in self.stacks)


def parse_exceptions(document: object) -> tuple[ResourceException, ...]:
    """Read exceptions from a JSON document: a list of objects with all keys.

    Raises:
        ExceptionsError: naming the entry, the key and what is allowed.
    """
    if not isinstance(document, list):
        raise ExceptionsError("exceptions: must be a list of objects")
    parsed: list[ResourceException] = []
    for index, entry in enumerate(cast("list[Any]", document)):
        place = f"exceptions[{index}]"
        if not isinstance(entry, dict) or frozenset(cast("dict[str, Any]", entry)) != _KEYS:
            raise ExceptionsError(f"{place}: must be an object with the keys {', '.join(sorted(_KEYS))}, and no other")
        values = cast("dict[str, Any]", entry)
        stacks = values["stacks"]
        for key in _TEXTS:
            if not isinstance(values[key], str) or not values[key].strip():
                raise ExceptionsError(f"{place}.{key}: must be a text that says something")
        if not isinstance(stacks, list) or not all(isinstance(stack, str) for stack in cast("list[Any]", stacks)):
            raise ExceptionsError(f"{place}.stacks: must be a list of stack names; empty for all stacks")
        try:
            expires = date.fromisoformat(values["expires"])
        except (TypeError, ValueError):
            raise ExceptionsError(f"{place}.expires: must be a day, e.g. 2030-01-31") from None
        parsed.append(
            ResourceException(
                values["rule"],
                values["project"],
                values["type"],
                values["name"],
                tuple(cast("Sequence[str]", stacks)),
                values["reason"],
                values["owner"],
                expires,
            )
        )
    return tuple(parsed)


def load_exceptions(file: Path | None = None) -> tuple[ResourceException, ...]:
    """Read the exceptions: of a file, else of the one that the environment names, else the pack's own.

    Raises:
        ExceptionsError: see `parse_exceptions`; also when there is no such file, or it is no JSON.
    """
    file = file or Path(os.environ.get("POLICY_EXCEPTIONS") or FILE)
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExceptionsError(f"{file}: cannot be read as JSON ({error})") from None
    return parse_exceptions(document)
