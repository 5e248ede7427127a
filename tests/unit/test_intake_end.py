"""The intake closes, what runs comes to its end, and whatever stops that opens the intake again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.intake_end import Intake, IntakeKept, close

RULES = ("start-ended", "start-schedule")


def gone(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "Operation")


class Aws:
    """Lambda, EventBridge and Step Functions, with executions that end one look after the other."""

    def __init__(self, looks: Sequence[Sequence[str]] = ((),), *, disabling: int = 0, sources: Sequence[str] = ("m",)):
        self.looks = list(looks)
        self.disabling = disabling
        self.sources = sources
        self.missing: set[str] = set()
        self.calls: list[str] = []
        self.open = True

    def client(self, service: str) -> Any:
        return self

    def list_event_source_mappings(self, FunctionName: str) -> dict[str, Any]:
        assert FunctionName == "dispatcher"
        return {"EventSourceMappings": [{"UUID": uuid} for uuid in self.sources]}

    def update_event_source_mapping(self, UUID: str, Enabled: bool) -> None:
        if "mapping" in self.missing:
            raise gone("ResourceNotFoundException")
        self.open = Enabled
        self.calls.append(f"{UUID} {'on' if Enabled else 'off'}")

    def get_event_source_mapping(self, UUID: str) -> dict[str, str]:
        if "mapping" in self.missing:
            raise gone("ResourceNotFoundException")
        self.disabling -= 1
        return {"State": "Disabling" if self.disabling >= 0 else "Disabled"}

    def _rule(self, name: str, word: str) -> None:
        if name in self.missing:
            raise gone("ResourceNotFoundException")
        self.calls.append(f"{name} {word}")

    def disable_rule(self, Name: str) -> None:
        self._rule(Name, "off")

    def enable_rule(self, Name: str) -> None:
        self._rule(Name, "on")

    def get_paginator(self, operation: str) -> Aws:
        assert operation == "list_executions"
        return self

    def paginate(self, stateMachineArn: str, statusFilter: str) -> Iterator[dict[str, Any]]:
        assert statusFilter == "RUNNING"
        if "machine" in self.missing:
            raise gone("StateMachineDoesNotExist")
        self.calls.append("look")
        names = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        # A page each: a list that is cut off would let work be ended.
        yield from ({"executions": [{"name": name}]} for name in names)


def intake(minutes: int = 60) -> Intake:
    return Intake("dispatcher", RULES, "machine", minutes, look_seconds=0)


CLOSED = ["start-ended off", "start-schedule off", "m off"]
OPENED = ["start-ended on", "start-schedule on", "m on"]


def test_the_intake_closes_before_anything_is_waited_for() -> None:
    aws, said = Aws([["a-1", "b-1"], ["b-1"], []]), []
    close(aws.client, "m", intake(), said.append)
    assert aws.calls == [*CLOSED, *["look"] * 4], "and stays closed"
    assert said[1:] == ["waiting for 2 executions: a-1, b-1", "waiting for 1 executions: b-1"]


def test_a_source_that_is_still_closing_may_start_an_execution() -> None:
    aws = Aws(disabling=3)
    close(aws.client, "m", intake(), lambda _: None)
    assert aws.calls.count("look") == 5, "three looks while it closes, and two quiet ones"


def test_an_execution_that_begins_late_is_waited_for() -> None:
    aws = Aws([[], ["late-1"], [], []])
    close(aws.client, "m", intake(), lambda _: None)
    assert aws.calls.count("look") == 4


def test_executions_that_do_not_end_in_time_open_the_intake_again() -> None:
    aws = Aws([["a-1"]])
    with pytest.raises(IntakeKept, match=r"a-1 still run after cluster\.drainMinutes \(0\)"):
        close(aws.client, "m", intake(0), lambda _: None)
    assert aws.calls[-3:] == OPENED
    assert aws.open


def test_whoever_interrupts_leaves_the_intake_open() -> None:
    aws = Aws([["a-1"]])

    def interrupt(text: str) -> None:
        if text.startswith("waiting"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        close(aws.client, "m", intake(), interrupt)
    assert aws.open


def test_a_source_that_was_replaced_closes_nothing() -> None:
    aws = Aws(sources=["m", "its-successor"])
    close(aws.client, "m", intake(), lambda _: None)
    assert aws.calls == [], "the new one feeds the pipeline"


def test_a_destroy_that_was_stopped_half_way_goes_on() -> None:
    aws = Aws(sources=[])
    aws.missing = {*RULES, "mapping", "machine"}
    close(aws.client, "m", intake(), lambda _: None)
    assert aws.calls == []


def test_other_refusals_are_told() -> None:
    class Denied(Aws):
        def disable_rule(self, Name: str) -> None:
            raise gone("AccessDeniedException")

    with pytest.raises(ClientError, match="AccessDenied"):
        close(Denied().client, "m", intake(), lambda _: None)
