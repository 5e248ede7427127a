"""State machine definitions that are checked as Step Functions checks them.

moto parses a definition but does not look where it leads: a transition to a state that does not exist, a state that
nothing reaches or that leads nowhere is found when an execution runs into it. It also lacks
ValidateStateMachineDefinition, which infrastructure tools call before every change. Here both creation and that call
report such mistakes with Step Functions' diagnostic codes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.stepfunctions.exceptions import ValidationException
from moto.stepfunctions.parser.api import InvalidDefinition
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

from sandbox.aws.runtime import Runtime
from sandbox.documents.state_machine_definition import Diagnostic, definition_mistakes


def install(runtime: Runtime) -> None:
    """Check definitions."""
    parse: Callable[[str], None] = StepFunctionsParserBackend._validate_definition  # pyright: ignore[reportPrivateUsage]

    def diagnose(definition: str) -> list[Diagnostic]:
        try:
            document = json.loads(definition)
        except ValueError as error:
            return [Diagnostic("INVALID_JSON_DESCRIPTION", str(error), "/")]
        found = definition_mistakes(document)
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
