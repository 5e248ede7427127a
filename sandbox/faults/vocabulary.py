"""The words of faults, and a line's meaning."""

from __future__ import annotations

import difflib
import functools
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

import botocore.session

Subject = Literal["call", "step", "cluster", "function"]


class FaultError(ValueError):
    """A line that the vocabulary does not have; the message says what it has."""


@dataclass(frozen=True)
class Word:
    """What a word means and takes."""

    subject: Subject
    """What its target names: an API call (``emr:DescribeCluster``, ``s3:*``), or the name or id of a step, a cluster
    or a function (``*`` stands for any text)."""
    options: frozenset[str]
    """What may be given beside ``times``."""
    meaning: str


VOCABULARY: Final[Mapping[str, Word]] = {
    "throttle": Word("call", frozenset({"where"}), "the call is refused with the service's throttling error"),
    "refuse": Word(
        "call",
        frozenset({"where", "code", "message"}),
        "the call is refused with `code`; on a later call of a creation, that creation fails half-way",
    ),
    "drop": Word("call", frozenset({"where"}), "the call is done, but its answer is lost: the caller gets HTTP 500"),
    "delay": Word("call", frozenset({"where", "seconds"}), "the call is answered `seconds` late"),
    "step-fails": Word("step", frozenset({"message"}), "the step fails without running, with `message`"),
    "step-dies": Word("step", frozenset({"seconds"}), "the step's process is killed `seconds` after it started"),
    "step-slow": Word("step", frozenset({"seconds"}), "the step is RUNNING `seconds` before its process starts"),
    "cluster-slow": Word("cluster", frozenset({"seconds"}), "a new cluster takes `seconds` to get ready"),
    "cluster-fails": Word("cluster", frozenset({"seconds"}), "a new cluster ends in a bootstrap failure"),
    "cluster-dies": Word(
        "cluster",
        frozenset({"seconds", "at"}),
        "a cluster loses its primary node: now, or (`at=step`) when its next step runs; `seconds` later",
    ),
    "function-dies": Word(
        "function", frozenset({"seconds"}), "the function's process is killed `seconds` into an invocation"
    ),
}

DEFAULT_CODE: Final = "InternalFailure"
ALWAYS: Final = -1


@dataclass(frozen=True)
class Fault:
    """One thing that is to go wrong."""

    word: str
    target: str
    times: int = 1
    """How often it hits; `ALWAYS` until it is cleared."""
    seconds: float = 0.0
    code: str = DEFAULT_CODE
    message: str = ""
    where: str = ""
    """A text that the request must hold, in its path, its query or its body."""
    at: str = ""

    @property
    def subject(self) -> Subject:
        """What the target names."""
        return VOCABULARY[self.word].subject

    def concerns(self, *names: str) -> bool:
        """Whether the target means one of the names."""
        return any(fnmatchcase(name, self.target) for name in names)

    def __str__(self) -> str:
        """The line that says it."""
        parts = [self.word, shlex.quote(self.target)]
        if self.times != 1:
            parts.append("always" if self.times == ALWAYS else f"times={self.times}")
        if self.seconds:
            parts.append(f"seconds={self.seconds:g}")
        for name, value, default in (
            ("code", self.code, DEFAULT_CODE),
            ("message", self.message, ""),
            ("where", self.where, ""),
            ("at", self.at, ""),
        ):
            if value != default:
                parts.append(shlex.quote(f"{name}={value}"))
        return " ".join(parts)


def parse(line: str) -> Fault:
    """Read a line.

    Raises:
        FaultError: when the vocabulary does not have it.
    """
    try:
        parts = shlex.split(line)
    except ValueError as error:
        raise FaultError(f"fault {line!r}: {error}") from None
    if len(parts) < 2:
        raise FaultError(f"fault {line!r}: say what and where, e.g. 'throttle emr:DescribeCluster times=2'")
    word, target, *options = parts
    if word not in VOCABULARY:
        raise FaultError(
            f"fault {line!r}: no word {word!r};{_nearest(word, VOCABULARY)} known: {', '.join(VOCABULARY)}"
        )
    values = _options(line, word, options)
    if VOCABULARY[word].subject == "call":
        _check_call(line, target)
    return Fault(
        word,
        target,
        times=_times(line, values.get("times", "1")),
        seconds=_seconds(line, values.get("seconds", "0")),
        code=values.get("code", DEFAULT_CODE),
        message=values.get("message", ""),
        where=values.get("where", ""),
        at=_at(line, values.get("at", "")),
    )


def _options(line: str, word: str, options: list[str]) -> dict[str, str]:
    allowed = VOCABULARY[word].options | {"times"}
    values: dict[str, str] = {}
    for option in options:
        name, equals, value = ("times", "=", "always") if option == "always" else option.partition("=")
        if name not in allowed or not equals:
            raise FaultError(
                f"fault {line!r}: {word} takes {', '.join(sorted(allowed))} (as name=value), not {option!r}"
            )
        values[name] = value
    return values


def _times(line: str, text: str) -> int:
    if text == "always":
        return ALWAYS
    if not text.isdigit() or int(text) < 1:
        raise FaultError(f"fault {line!r}: times is a whole number from 1 or 'always', not {text!r}")
    return int(text)


def _seconds(line: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise FaultError(f"fault {line!r}: seconds is a number from 0 to 3600, not {text!r}")
    return seconds


def _at(line: str, text: str) -> str:
    if text not in ("", "step"):
        raise FaultError(f"fault {line!r}: at is 'step' (when the next step runs), not {text!r}")
    return text


def _check_call(line: str, target: str) -> None:
    service, colon, operation = target.partition(":")
    if not colon or service not in _services():
        raise FaultError(
            f"fault {line!r}: a call is SERVICE:Operation with boto3's name of the service,"
            f"{_nearest(service, _services())} e.g. emr:DescribeCluster, s3:*"
        )
    if operation != "*" and operation not in _operations(service):
        raise FaultError(
            f"fault {line!r}: {service} has no call {operation!r};{_nearest(operation, _operations(service))}"
        )


def _nearest(name: str, known: Mapping[str, object] | frozenset[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f" did you mean {near[0]}?" if near else ""


@functools.cache
def _services() -> frozenset[str]:
    return frozenset(botocore.session.get_session().get_available_services())


@functools.cache
def _operations(service: str) -> frozenset[str]:
    model: Any = botocore.session.get_session().get_service_model(service)
    return frozenset(model.operation_names)


def vocabulary_text() -> str:
    """The vocabulary as a table for people."""
    lines = ["WORD TARGET [times=N|always] [options]", ""]
    targets = {"call": "SERVICE:Operation", "step": "STEP", "cluster": "CLUSTER", "function": "FUNCTION"}
    for name, word in VOCABULARY.items():
        options = " ".join(f"[{option}=…]" for option in sorted(word.options))
        lines.append(f"  {name} {targets[word.subject]} {options}")
        lines.append(f"      {word.meaning}")
    return "\n".join(lines)
