"""Amazon States Language, as far as the definition needs it: intrinsic functions, retriers, rules, counters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.iam import Document
from settings import OrchestrationSettings

CALL_TIMEOUT_SECONDS = 60
"""Longest wait for the answer of one AWS call; the service's own default is 99,999,999 seconds."""

LONGEST_RETRY_DELAY_SECONDS = 300

PERMANENT = (
    "States.Permissions",
    "States.ParameterPathFailure",
    "States.IntrinsicFailure",
    "States.DataLimitExceeded",
)
"""Errors that another try cannot heal: no permission, a value missing or of the wrong form, too much data."""

EVERY_ERROR = ("States.DataLimitExceeded", "States.ALL")
"""States.ALL leaves out an answer that is too large for a state: it has to be named (Step Functions guide)."""


def literal(text: str) -> str:
    """Write a literal of an intrinsic function.

    Raises:
        ValueError: when it holds a character that intrinsics escape; none of ours needs one.
    """
    if set("'\\\n") & set(text) or set("{}") & set(text.replace("{}", "")):
        raise ValueError(f"{text!r} holds a quote, brace, backslash or line break: pass it as a value instead")
    return f"'{text}'"


def formatted(template: str, *values: str) -> str:
    """``States.Format`` of a literal template, with a value for each ``{}``."""
    if template.count("{}") != len(values):
        raise ValueError(f"template {template!r} does not take {len(values)} values")
    return f"States.Format({', '.join([literal(template), *values])})"


def array(*values: str) -> str:
    """``States.Array``."""
    return f"States.Array({', '.join(values)})"


def as_text(path: str) -> str:
    """A value as JSON text."""
    return f"States.JsonToString({path})"


def retriers(settings: OrchestrationSettings, permanent: Sequence[str], transient: Sequence[str]) -> list[Document]:
    """Errors that stay are not tried again; the others after growing, random waits."""
    return [
        {"ErrorEquals": [*PERMANENT, *permanent], "MaxAttempts": 0},
        {
            "ErrorEquals": list(transient),
            "IntervalSeconds": settings.retry_interval_seconds,
            "BackoffRate": 2.0,
            "MaxAttempts": settings.retry_attempts,
            "MaxDelaySeconds": LONGEST_RETRY_DELAY_SECONDS,
            "JitterStrategy": "FULL",
        },
    ]


def catchers(following: Mapping[str, str], rest: str, error_path: str) -> list[Document]:
    """Catchers: the state that follows an error by its name, and the one for every other error."""
    named = [{"ErrorEquals": [error], "ResultPath": error_path, "Next": state} for error, state in following.items()]
    return [*named, *({"ErrorEquals": [error], "ResultPath": error_path, "Next": rest} for error in EVERY_ERROR)]


def present(path: str, *tests: Mapping[str, Any]) -> list[Document]:
    """Rules that `path` is there and passes the tests; for an ``And``, which stops at the first that fails."""
    return [{"Variable": path, "IsPresent": True}, *({"Variable": path, **test} for test in tests)]


def one_of(path: str, values: Sequence[str]) -> Document:
    """Rule that a text is one of several."""
    return {"Or": [{"Variable": path, "StringEquals": value} for value in values]}


def counted(counter: str, next_state: str) -> Document:
    """A state that adds one to a counter, ``$.<counter>.count``."""
    return {
        "Type": "Pass",
        "Parameters": {"count.$": f"States.MathAdd($.{counter}.count, 1)"},
        "ResultPath": f"$.{counter}",
        "Next": next_state,
    }
