"""A cluster ends when its steps have ended, and only where the settings allow it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from components.cluster_end import ClusterKept, Ending, end


class Emr:
    """EMR, with a cluster whose steps end one look after the other."""

    def __init__(self, looks: Sequence[Sequence[str]] = ((),), *, protected: bool = False, state: str = "WAITING"):
        self.looks = list(looks)
        self.protected = protected
        self.state = state
        self.calls: list[str] = []

    def describe_cluster(self, ClusterId: str) -> dict[str, Any]:
        return {"Cluster": {"Status": {"State": self.state}, "TerminationProtected": self.protected}}

    def list_steps(self, ClusterId: str, StepStates: list[str]) -> dict[str, Any]:
        assert "PENDING" in StepStates, "a step that waits is work too"
        self.calls.append("look")
        names = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return {"Steps": [{"Name": name} for name in names]}

    def set_termination_protection(self, JobFlowIds: list[str], TerminationProtected: bool) -> None:
        self.calls.append(f"protection {TerminationProtected}")
        self.protected = TerminationProtected


def ending(*, protected: bool = False, minutes: int = 60) -> Ending:
    return Ending(protected=protected, drain_minutes=minutes, look_seconds=0)


def test_running_steps_are_waited_for_and_named() -> None:
    emr, said = Emr([["a-1", "b-1"], ["b-1"], []]), []
    end(emr, "j-1", ending(), said.append)
    assert said == ["cluster j-1: waiting for a-1, b-1", "cluster j-1: waiting for b-1"]


def test_one_quiet_look_is_not_enough() -> None:
    emr = Emr([[], ["late-1"], [], []])
    end(emr, "j-1", ending(), lambda _: None)
    assert emr.calls == ["look"] * 4, "an execution that found the old id may submit a moment later"


def test_steps_that_do_not_end_in_time_keep_the_cluster() -> None:
    emr = Emr([["a-1"]], protected=True)
    with pytest.raises(ClusterKept, match=r"still runs a-1 after cluster\.drainMinutes \(0\)"):
        end(emr, "j-1", ending(minutes=0), lambda _: None)
    assert emr.protected, "what is kept stays protected"


def test_a_protected_cluster_is_kept_without_a_wait() -> None:
    emr = Emr([["a-1"]], protected=True)
    with pytest.raises(ClusterKept, match="terminationProtection"):
        end(emr, "j-1", ending(protected=True), lambda _: None)
    assert emr.calls == [], "neither waited for nor touched"


def test_protection_is_lifted_where_the_settings_dropped_it_in_the_same_update() -> None:
    emr = Emr([["a-1"], []], protected=True)
    end(emr, "j-1", ending(), lambda _: None)
    assert emr.calls[-1] == "protection False"
    assert emr.calls.index("protection False") > emr.calls.index("look"), "only once nothing runs"


@pytest.mark.parametrize("state", ["TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS"])
def test_a_cluster_that_has_ended_is_not_asked_for_anything(state: str) -> None:
    emr = Emr([["a-1"]], state=state, protected=True)
    end(emr, "j-1", ending(protected=True), lambda _: None)
    assert emr.calls == []
