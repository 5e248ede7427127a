"""Starting and ending sandboxes: two at once, interruptions, and what stands in the way, said clearly."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sandbox import control
from tools import setup

ROOT = Path(__file__).resolve().parents[2]


def ended(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or ") Z " in stat.read_text()


def wait_for(condition: Any, what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


@pytest.fixture
def directory() -> Iterator[Path]:
    path = control.HOME / f"test-control-{os.getpid()}"
    yield path
    control.stop(path)


def test_two_sandboxes_at_once_know_nothing_of_each_other(directory: Path) -> None:
    with control.temporary("first") as first, control.temporary("second") as second:
        first.client("sqs").create_queue(QueueName="only-here")
        assert "QueueUrls" not in second.client("sqs").list_queues(), "each has its own state"
        assert first.providers.keys() == second.providers.keys()
        assert not set(first.providers.values()) & set(second.providers.values()), "and its own ports"
    assert not first.directory.exists(), "nothing is left behind"
    assert ended(first.pid)
    assert ended(second.pid)


def test_a_standing_sandbox_outlives_its_start_and_ends_at_stop(directory: Path) -> None:
    with control.standing(directory) as running, pytest.raises(control.SandboxError, match="runs already at http"):
        control.standing(directory).__enter__()
    assert control.read(directory) == running, "it answers after the start has ended"
    assert control.stop(directory)
    assert ended(running.pid)
    assert not control.stop(directory), "a second stop finds nothing"


def test_boto3_and_the_aws_cli_work_with_the_variables_that_are_printed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3.session

    monkeypatch.setenv("AWS_PROFILE", "a-persons-own")
    with control.temporary("variables") as running:
        for name, value in running.aws_environment().items():
            monkeypatch.setenv(name, value)
        session = boto3.session.Session()
        assert session.client("sts").get_caller_identity()["Account"] == "123456789012"  # pyright: ignore
        assert session.region_name == running.region


STARTER = """
import sys, time
from pathlib import Path
from sandbox import control
with control.standing(Path(sys.argv[1])) as sandbox:
    print(sandbox.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_a_start_that_is_interrupted_leaves_nothing_running(number: signal.Signals, directory: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(directory)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    assert not ended(pid)
    starter.send_signal(number)
    starter.wait()
    wait_for(lambda: ended(pid), "the end of the sandbox's process")


def test_a_taken_port_is_named(directory: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(control.SandboxError) as refused, control.standing(directory, port=port):
            pass
    message = str(refused.value)
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; end what uses the port" in message
    assert "Traceback" not in message, "an expected mistake shows no traceback"


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_full_disk_is_told_before_anything_starts(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9 - 10**7, 10**7))
    with pytest.raises(control.SandboxError, match=r"only 10 MB are free where .* and a sandbox needs 500"):
        control.standing(directory).__enter__()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"pid": os.getpid(), "endpoint": "http://127.0.0.1:1"}, "is of another version of the sandbox"),
        ({"version": 0, "pid": os.getpid()}, "is of another version of the sandbox"),
        ("half a fi", "is damaged; remove"),
    ],
    ids=["without a version", "another version", "damaged"],
)
def test_a_state_file_that_cannot_be_used_says_what_to_do(state: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / control.STATE_FILE).write_text(state if isinstance(state, str) else json.dumps(state))
    with pytest.raises(control.SandboxError) as refused:
        control.read(tmp_path)
    assert message in str(refused.value)


def test_a_state_file_whose_process_is_another_one_by_now_means_that_none_runs(tmp_path: Path) -> None:
    state = {"version": control.STATE_VERSION, "pid": os.getpid()}
    (tmp_path / control.STATE_FILE).write_text(json.dumps(state))
    assert control.read(tmp_path) is None, "a number that was given again is no sandbox"


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ('openjdk version "21.0.2" 2024-01-16', "Java 21 at .* does not run Spark 3.3.0, which takes Java 8, 11 or 17"),
        (None, "Java 17 is needed for Spark 3.3.0"),
    ],
    ids=["too new", "missing"],
)
def test_java_that_is_missing_or_too_new_is_told_by_set_up(
    version: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if version is not None:
        java = tmp_path / "bin" / "java"
        java.parent.mkdir()
        java.write_text(f"#!/bin/sh\necho '{version}' >&2\n")
        java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(setup.SetupError, match=message):
        setup.java()
