"""One part of a stack changed, and what the rules say of it."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from policies.adapter import judge, settings_of
from policies.exceptions import load_exceptions
from policies.model import Resource, Rule, Settings, Stack
from policies.registry import RULES
from tests.policies import program
from tests.policies.harness import R, as_input, as_resource

ABSENT = object()
"""A value that takes its property away."""


@functools.cache
def configured(stack: str) -> tuple[tuple[Rule, Settings], ...]:
    """The rules that are on in a stack, with their settings."""
    document: Mapping[str, Any] = json.loads(
        (program.ROOT / "policies" / f"config.{stack}.json").read_text(encoding="utf-8")
    )
    entries = ((rule, document.get(rule.policy_name, {})) for rule in RULES)
    return tuple(
        (rule, settings_of(rule, entry))
        for rule, entry in entries
        if entry.get("enforcementLevel", "advisory" if rule.enabled else "disabled") != "disabled"
    )


def broken_rules(stack: str, resources: Sequence[R], changed: R | None, known: bool) -> set[str]:
    """Ids of the rules that find something, when of the inputs only those of `changed` are new.

    The whole pack on a whole stack takes a second through the servicer; this asks the rules themselves.
    """
    seen = Stack([as_resource(resource, known) for resource in resources])
    found: set[str] = set()
    for rule, settings in configured(stack):
        if rule.stack_check is not None:
            judged = [(resource, seen) for resource in seen.resources]
        else:
            judged = [(as_input(changed, known), None)] if changed is not None else []
        for resource, whole in judged:
            if rule.judges(resource.type) and not _excused(rule, resource):
                found |= {rule.id for finding in judge(rule, resource, whole, settings) if finding.decided}
    return found


def _excused(rule: Rule, resource: Resource) -> bool:
    return any(e.holds(rule.id, resource, date.today()) for e in load_exceptions())


def changed_inputs(values: Mapping[str, Any], path: Sequence[str | int], value: Any) -> dict[str, Any]:
    """A copy of some inputs with one part replaced; JSON texts on the way are opened and closed again."""
    copied: Any = copy.deepcopy(dict(values))
    return put(copied, path, value)


def put(container: Any, path: Sequence[str | int], value: Any) -> Any:
    """The container with the value at the path; ``+`` appends to a list."""
    if isinstance(container, str):
        return json.dumps(put(json.loads(container), path, value))
    if not path:
        return value
    key, rest = path[0], path[1:]
    if value is ABSENT and not rest:
        del container[key]
    elif key == "+":
        container.append(value)
    elif isinstance(key, int):
        container[key] = put(container[key], rest, value)
    else:
        container[key] = put(container.get(key), rest, value) if rest else value
    return container
