"""State machine definitions that are checked as Step Functions checks them.

moto parses a definition but does not look where it leads: a transition to a state that does not exist, a state that
nothing reaches or that leads nowhere is found when an execution runs into it. It also lacks
ValidateStateMachineDefinition, which infrastructure tools call before every change. Here both creation and that call
report such mistakes with Step Functions' diagnostic codes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.responses import ActionResult
from moto.stepfunctions.exceptions import ValidationException
from moto.stepfunctions.parser.api import InvalidDefinition
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

from sandbox.aws.runtime import Runtime

MAXIMUM_BYTES = 1024 * 1024
"""Size of a definition (Step Functions quotas)."""
_WITHOUT_NEXT = ("Succeed", "Fail", "Choice")


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


def install(runtime: Runtime) -> None:
    """Check definitions."""
    parse: Callable[[str], None] = StepFunctionsParserBackend._validate_definition  # pyright: ignore[reportPrivateUsage]

    def diagnose(definition: str) -> list[Diagnostic]:
        if len(definition.encode()) > MAXIMUM_BYTES:
            return [Diagnostic("SCHEMA_VALIDATION_FAILED", f"Definition exceeds {MAXIMUM_BYTES} bytes", "/")]
        try:
            document = json.loads(definition)
        except ValueError as error:
            return [Diagnostic("INVALID_JSON_DESCRIPTION", str(error), "/")]
        found = list(_transition_mistakes(document, ""))
        if not found:
            try:
                parse(definition)
            except InvalidDefinition as error:
                found.append(Diagnostic("SCHEMA_VALIDATION_FAILED", _reason(error, definition), "/"))
        return found

    def validate_definition(definition: str) -> None:
        found = diagnose(definition)
        if found:
            raise InvalidDefinition(
                f"Invalid State Machine Definition: '{', '.join(map(str, found))}'", InvalidDefinition.code
            )

    def validate_state_machine_definition(self: Any) -> Any:
        definition = self._get_param("definition")
        if not definition:
            raise ValidationException("definition must not be empty")
        found = diagnose(definition)
        diagnostics = [
            {"severity": "ERROR", "code": item.code, "message": item.message, "location": item.location}
            for item in found
        ]
        return ActionResult({"result": "FAIL" if found else "OK", "diagnostics": diagnostics, "truncated": False})

    runtime.patches.replace(StepFunctionsParserBackend, "_validate_definition", staticmethod(validate_definition))
    runtime.patches.add(StepFunctionResponse, "validate_state_machine_definition", validate_state_machine_definition)


def _reason(error: Exception, definition: str) -> str:
    """Return what the parser found; moto wraps it, with the whole definition."""
    cause = error.__context__ or error
    return str(getattr(cause, "errors", None) or cause).replace(definition, "…")[:1000]


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
