"""The main job, as a person runs it: `make sandbox`'s command from start to end, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("main-job")]


def processes_of(directory: Path) -> list[str]:
    """Command lines of running processes that name a directory."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(directory) in line and "ps -eo" not in line]


def test_the_main_job_ends_well_and_leaves_nothing_running() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "demonstrate"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output, _ = process.communicate()
    assert process.returncode == 0, f"every check of the account should hold:\n{output}"
    for said in (
        "every good record is in the table (DuckDB counts): yes",
        "one execution ended on the failure path, for its data: yes",
        "DataRejected",
        "336,776 rows in 12 partitions",
        "notifications received",
        "calls by our roles are allowed, conditions included: yes",
        "all that our roles are allowed is used or has its reason: yes",
        "none of them lies in clear anywhere: yes",
        "Seconds",
    ):
        assert said in output, f"the account should say {said!r}:\n{output}"
    directory = ROOT / ".sandbox" / f"demonstration-{process.pid}"
    assert not directory.exists(), "a run that went well cleans up after itself"
    assert processes_of(directory) == [], "and leaves no process"


def test_ctrl_c_leaves_no_process_and_no_lock() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "demonstrate"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    directory = ROOT / ".sandbox" / f"demonstration-{process.pid}"
    while not list(directory.glob("up-*.events")) and process.poll() is None:
        time.sleep(0.2)
    time.sleep(3)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate()
    assert process.returncode == 130, f"an interrupted run says so by its exit status:\n{output}"
    assert "Traceback" not in output, f"Ctrl-C is no error:\n{output}"
    assert processes_of(directory) == [], "nothing may go on running"
    assert not directory.exists(), "and no lock or state may stay"
