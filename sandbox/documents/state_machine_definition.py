"""State machine definitions in the Amazon States Language.

Sources: the Amazon States Language specification; the schema of it that cfn-lint brings; Step Functions API reference,
ValidateStateMachineDefinition (codes); Step Functions quotas.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sandbox.documents import Owner
from sandbox.documents.by_schema import schema_mistakes

MAXIMUM_BYTES: Final = 1024 * 1024
"""Size of a definition (Step Functions quotas)."""
_WITHOUT_NEXT: Final = ("Succeed", "Fail", "Choice")


@dataclass(frozen=True)
class Diagnostic:
    """A mistake in a definition."""

    code: str
    """Step Functions' name of the kind of mistake."""
    message: str
    """What is wrong."""
    location: str
    """JSON pointer to the place."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message} at {self.location}"


def state_machine_definition(document: Any, owner: Owner) -> Iterator[str]:
    """What is wrong with a definition, as the check of a table entry."""
    yield from map(str, definition_mistakes(document))


def definition_mistakes(document: Any) -> list[Diagnostic]:
    """What is wrong with a definition: first where its transitions lead, then the fields of its states."""
    if len(json.dumps(document, separators=(",", ":"))) > MAXIMUM_BYTES:
        return [Diagnostic("SCHEMA_VALIDATION_FAILED", f"Definition exceeds {MAXIMUM_BYTES} bytes", "/")]
    return list(_transition_mistakes(document, "")) or [
        Diagnostic("SCHEMA_VALIDATION_FAILED", text, "/") for text in schema_mistakes(document, _schema())
    ]


@functools.cache
def _schema() -> Mapping[str, Any]:
    """cfn-lint's schema, for every partition; its package is not imported, which would take a second."""
    package = importlib.util.find_spec("cfnlint")
    assert package is not None
    assert package.submodule_search_locations is not None
    directory = Path(package.submodule_search_locations[0])
    text = (directory / "data/schemas/other/step_functions/statemachine.json").read_text()
    return json.loads(text.replace('"^arn:aws:', '"^arn:aws(-[a-z]+)*:'))


def _transition_mistakes(machine: Any, at: str) -> Iterator[Diagnostic]:
    """Yield what is wrong with the transitions of a state machine, and of those inside its states."""
    if not isinstance(machine, dict) or not isinstance(machine.get("States"), dict) or not machine["States"]:
        yield Diagnostic("SCHEMA_VALIDATION_FAILED", "Field 'States' is required and must not be empty", at or "/")
        return
    states: dict[str, Any] = machine["States"]
    start = str(machine.get("StartAt"))
    if start not in states:
        yield Diagnostic("MISSING_TRANSITION_TARGET", f"Missing 'StartAt' target: {start}", f"{at}/StartAt")
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in states or name in reached:
            continue
        reached.add(name)
        waiting += [target for _, target in _transitions(states[name])]
    for name, state in states.items():
        here = f"{at}/States/{name}"
        if len(name) > 80:
            yield Diagnostic("SCHEMA_VALIDATION_FAILED", "State names have at most 80 characters", here)
        if name not in reached:
            yield Diagnostic("MISSING_TRANSITION_TARGET", f'State "{name}" is not reachable.', here)
        for field, target in _transitions(state):
            if target not in states:
                kind = field.rsplit("/", 1)[-1]
                yield Diagnostic("MISSING_TRANSITION_TARGET", f"Missing '{kind}' target: {target}", f"{here}/{field}")
        if state.get("Type") not in _WITHOUT_NEXT and ("Next" in state) == bool(state.get("End")):
            yield Diagnostic("SCHEMA_VALIDATION_FAILED", "A state must have exactly one of 'Next' and 'End'", here)
        yield from _catch_mistakes(state, here)
        for part, inner in _inner_machines(state):
            yield from _transition_mistakes(inner, f"{here}/{part}")


def _transitions(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the fields of a state that name another, and the names."""
    for field in ("Next", "Default"):
        if field in state:
            yield field, state[field]
    for group in ("Choices", "Catch"):
        for position, item in enumerate(state.get(group) or []):
            if "Next" in item:
                yield f"{group}/{position}/Next", item["Next"]


def _catch_mistakes(state: Mapping[str, Any], at: str) -> Iterator[Diagnostic]:
    """``States.ALL`` stands alone, and last: what comes after it could never be reached."""
    for group in ("Retry", "Catch"):
        rules = state.get(group) or []
        for position, rule in enumerate(rules):
            names = rule.get("ErrorEquals") or []
            if "States.ALL" in names and (len(names) > 1 or position < len(rules) - 1):
                message = f"'States.ALL' must be the only name of the last rule in '{group}'"
                yield Diagnostic("SCHEMA_VALIDATION_FAILED", message, f"{at}/{group}/{position}/ErrorEquals")


def _inner_machines(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for position, branch in enumerate(state.get("Branches") or []):
        yield f"Branches/{position}", branch
    for field in ("ItemProcessor", "Iterator"):
        if field in state:
            yield field, state[field]
