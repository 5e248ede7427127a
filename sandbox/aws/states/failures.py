"""Raising a task's failure in moto's interpreter, under the error name that AWS uses."""

from __future__ import annotations

from typing import Any, NoReturn

from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)


def fail(env: Any, error: str, cause: str, resource_type: str | None = None, resource: str | None = None) -> NoReturn:
    """Fail the state that runs."""
    details: dict[str, str] = {"error": error, "cause": cause}
    if resource_type is not None:
        details["resourceType"] = resource_type
    if resource is not None:
        details["resource"] = resource
    event_details: Any = {"taskFailedEventDetails": details}
    raise FailureEventException(
        FailureEvent(
            env=env,
            error_name=ErrorName(error_name=error),
            event_type=HistoryEventType.TaskFailed,
            event_details=event_details,
        )
    )
