"""What kills are planned, and that nothing that a killed engine started goes on; `make chaos` does the rest."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from sandbox import chaos

ROOT = Path(__file__).resolve().parents[2]


def test_the_same_seed_plans_the_same_kills_and_another_seed_others() -> None:
    assert chaos.plan(7, 20) == chaos.plan(7, 20), "a failure can be had again by its seed"
    assert chaos.plan(7, 20) != chaos.plan(8, 20)


def test_every_victim_is_killed_and_points_of_up_come_in_order() -> None:
    of_up, of_run = chaos.plan(20130101, 20)
    assert len(of_up) + len(of_run) == 20
    assert {kill.victim for kill in (*of_up, *of_run)} == {*chaos.OF_UP, *chaos.OF_RUN}, "each kind of process dies"
    points = [kill.point for kill in of_up]
    assert points == sorted(points), "up goes on from where it was cut off"
    assert 0 < points[0] <= points[-1] < 1


def test_one_step_loses_both_of_its_attempts() -> None:
    _, of_run = chaos.plan(3, 20)
    second = next(position for position, kill in enumerate(of_run) if kill.retried)
    first = of_run[second - 1]
    assert (first.victim, first.retried) == ("spark", False), (
        "the state machine gets over the first, and the redrive over both"
    )
    assert of_run[second].victim == "spark"


def test_a_language_host_ends_when_its_engine_was_killed() -> None:
    starter = "import subprocess, sys, time; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); time.sleep(600)"
    engine = subprocess.Popen(
        [sys.executable, "-c", starter, sys.executable, str(ROOT / "tools" / "language_host.py")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert engine.stdout is not None
    host = int(engine.stdout.readline())
    assert engine.stdout.readline().strip().isdigit(), "it serves"
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    # The host held the other end; it ends with the last process that had it.
    assert engine.stdout.read() == ""
    deadline = time.monotonic() + 60
    while Path(f"/proc/{host}").exists() and ") Z " not in Path(f"/proc/{host}/stat").read_text():
        assert time.monotonic() < deadline, f"process {host} goes on without its engine"
        time.sleep(0.05)
