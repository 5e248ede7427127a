"""The end of the intake: it closes first, and what runs comes to its end before anything that it needs goes.

The dispatcher's event source is the last thing that an update makes and the first that a destroy takes away, for it
depends on all that an execution needs. Its hook closes the intake and waits. If executions do not end in time, the
intake is opened again and nothing is deleted.

Closed means: the queue keeps its messages (an event rule that is off would lose them), and no rule starts manifests
that wait. A replaced cluster needs none of this: executions that begin find the new one, and `cluster_end` waits for
the steps of the old.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pulumi

from components import hooks

LOOK_SECONDS = 5.0
"""Time between two looks."""
QUIET_LOOKS = 2
"""Looks without an execution before all have ended: a call of the dispatcher may be about to start one."""


class IntakeKept(Exception):
    """The intake must not end yet; the message says why, and what to do."""


@dataclass(frozen=True)
class Intake:
    """What brings executions about."""

    function_name: str
    """The dispatcher."""
    start_rules: Sequence[str]
    """Event rules that call it to start what waits."""
    state_machine_arn: str
    drain_minutes: int
    """Longest wait for executions."""
    look_seconds: float
    """Time between two looks; `LOOK_SECONDS` is a good one."""


@contextmanager
def _if_there() -> Generator[None]:
    """Pass over what is gone already: a destroy that was stopped half-way goes on."""
    # Loaded here for the reason of `hooks`.
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in ("ResourceNotFoundException", "StateMachineDoesNotExist"):
            raise


def close(clients: hooks.Clients, mapping_id: str, intake: Intake, say: Callable[[str], object]) -> None:
    """Close the intake, and wait until nothing runs.

    Args:
        clients: Gives boto3's client of a service.
        mapping_id: The event source that is to go.
        intake: What it belongs to.
        say: Tells a person what is waited for.

    Raises:
        IntakeKept: when executions do not end in time; the intake is open again.
    """
    functions = clients("lambda")
    sources = functions.list_event_source_mappings(FunctionName=intake.function_name)["EventSourceMappings"]
    if any(source["UUID"] != mapping_id for source in sources):
        return  # another one has taken its place
    _turn(clients, mapping_id, intake, on=False)
    say(f"the intake is closed: {intake.function_name} takes no messages, which stay in the queue")
    try:
        _wait(clients("stepfunctions"), functions, mapping_id, intake, say)
    except BaseException:
        # Also when a person interrupts: a pipeline that stands and takes nothing is worse than one that runs.
        _turn(clients, mapping_id, intake, on=True)
        raise


def _turn(clients: hooks.Clients, mapping_id: str, intake: Intake, *, on: bool) -> None:
    events, functions = clients("events"), clients("lambda")
    for rule in intake.start_rules:
        with _if_there():
            (events.enable_rule if on else events.disable_rule)(Name=rule)
    with _if_there():
        functions.update_event_source_mapping(UUID=mapping_id, Enabled=on)


def _state(functions: Any, mapping_id: str) -> str:
    with _if_there():
        return functions.get_event_source_mapping(UUID=mapping_id)["State"]
    return "Disabled"


def _running(machines: Any, arn: str) -> list[str]:
    with _if_there():
        pages = machines.get_paginator("list_executions").paginate(stateMachineArn=arn, statusFilter="RUNNING")
        return [execution["name"] for page in pages for execution in page["executions"]]
    return []


def _wait(machines: Any, functions: Any, mapping_id: str, intake: Intake, say: Callable[[str], object]) -> None:
    deadline = time.monotonic() + intake.drain_minutes * 60
    quiet = 0
    while True:
        closed = _state(functions, mapping_id) == "Disabled"
        names = sorted(_running(machines, intake.state_machine_arn))
        quiet = quiet + 1 if closed and not names else 0
        if quiet >= QUIET_LOOKS:
            return
        if (names or not closed) and time.monotonic() >= deadline:
            what = f"{', '.join(names)} still run" if names else "its event source is not disabled yet"
            raise IntakeKept(
                f"nothing is deleted and the intake is open again: {what} after cluster.drainMinutes "
                f"({intake.drain_minutes}); run it again when they have ended, or stop them"
            )
        if names:
            say(f"waiting for {len(names)} executions: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}")
        time.sleep(intake.look_seconds)


def hook(name: str, intake: Intake, *, region: str) -> pulumi.ResourceHook:
    """What the engine calls before it deletes the event source."""

    def act(clients: hooks.Clients, mapping_id: str) -> None:
        close(clients, mapping_id, intake, pulumi.log.info)

    return hooks.before_delete(name, act, region=region)
