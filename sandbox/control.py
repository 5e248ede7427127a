"""Start and stop the sandbox's process, and know where it is."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".sandbox"
"""Where sandboxes live: one directory each."""
LAST_FAILURE = HOME / "last-failure"
"""Logs of the last temporary sandbox whose work failed."""
STATE_FILE = "sandbox.json"
AWS_CONFIG_FILE = "aws-config"
CREDENTIAL = "sandbox"
"""Access key, secret key, profile and passphrase of every sandbox: there is nothing to protect."""
STATE_VERSION = 1
"""Form of the state file; a sandbox of another form is none that this code can talk to."""
STAY = b"stay"
"""What a standing sandbox is told when it may outlive whoever started it."""
FREE_BYTES = 500_000_000
"""Room that a sandbox needs for logs, function code and Spark's files."""
START_SECONDS = 120
STOP_SECONDS = 20


class SandboxError(Exception):
    """An expected failure; the message says what to do."""


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that answers."""

    directory: Path
    pid: int
    endpoint: str
    """Address of its AWS, e.g. ``http://127.0.0.1:41234``."""
    region: str
    account: str
    providers: Mapping[str, int]
    """Port of each provider stand-in, by package."""

    @property
    def log(self) -> Path:
        """The one log to look in."""
        return self.directory / "sandbox.log"

    def aws_environment(self) -> dict[str, str]:
        """Variables that point the AWS CLI and SDKs here, and away from the user's own configuration."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": CREDENTIAL,
            "AWS_SECRET_ACCESS_KEY": CREDENTIAL,
            "AWS_SESSION_TOKEN": "",
            # Empty, a profile's name is one that boto3 and the AWS CLI do not find.
            "AWS_PROFILE": CREDENTIAL,
            "AWS_CONFIG_FILE": str(self.directory / AWS_CONFIG_FILE),
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str) -> Any:
        """A boto3 client of this sandbox's AWS (S3 by path: a bucket has no host name here)."""
        import boto3
        from botocore.config import Config

        return boto3.client(  # pyright: ignore[reportCallIssue, reportUnknownVariableType]
            service,  # pyright: ignore[reportArgumentType]
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=CREDENTIAL,
            aws_secret_access_key=CREDENTIAL,
            config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard"}),
        )


def read(directory: Path) -> Sandbox | None:
    """The sandbox of a directory, if its process lives.

    Raises:
        SandboxError: when its state file is damaged or of another version.
    """
    try:
        state = json.loads((directory / STATE_FILE).read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        raise SandboxError(f"{directory / STATE_FILE} is damaged; remove {directory} and start again") from None
    if not isinstance(state, dict) or state.get("version") != STATE_VERSION:
        raise SandboxError(
            f"{directory / STATE_FILE} is of another version of the sandbox; 'make stop' with that version, or end its "
            f"process and remove {directory}"
        )
    if not _is_sandbox(state["pid"]):
        return None
    return Sandbox(
        directory=directory,
        pid=state["pid"],
        endpoint=state["endpoint"],
        region=state["region"],
        account=state["account"],
        providers=state["providers"],
    )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_sandbox(pid: int) -> bool:
    """Whether a process is a sandbox's: after a restart of the machine its number may be another's."""
    if not _alive(pid):
        return False
    command = Path(f"/proc/{pid}/cmdline")
    return not command.exists() or b"sandbox.server" in command.read_bytes()


def _tail(path: Path, lines: int = 15) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(no log)"


def _spawn(directory: Path, *, port: int) -> subprocess.Popen[bytes]:
    """Start a sandbox's process, which ends when this one does, unless it is told to `STAY`."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    free = shutil.disk_usage(directory).free
    if free < FREE_BYTES:
        raise SandboxError(
            f"only {free // 1_000_000} MB are free where {directory} is, and a sandbox needs {FREE_BYTES // 1_000_000} "
            "for logs, function code and Spark's files: make room and start again"
        )
    command = [sys.executable, "-m", "sandbox.server", "--directory", str(directory), "--port", str(port)]
    command.append("--with-parent")
    with (directory / "sandbox.log").open("wb") as output:
        # A session of its own: Ctrl-C reaches whoever started it, which then stops it in order.
        return subprocess.Popen(
            command,
            cwd=ROOT,
            # A person's own profile, region or endpoint means nothing here.
            env={name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_until_ready(directory: Path, process: subprocess.Popen[bytes]) -> Sandbox:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = read(directory)
        if found is not None:
            return found
        if process.poll() is not None:
            raise SandboxError(f"the sandbox could not start; the end of its log:\n{_tail(directory / 'sandbox.log')}")
        time.sleep(0.05)
    _end(process.pid)
    raise SandboxError(f"the sandbox did not answer within {START_SECONDS} s; see {directory / 'sandbox.log'}")


def _end(pid: int) -> None:
    """Stop a sandbox's process group: in order first, by force when it lingers."""
    for number, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5)):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if not _alive(pid):
                return
            time.sleep(0.05)


@contextlib.contextmanager
def standing(directory: Path, *, port: int = 0) -> Generator[Sandbox]:
    """A sandbox that stays up until `stop`, once the block ended well; what ends the block otherwise ends it too.

    Raises:
        SandboxError: when one runs there already, or it does not come up.
    """
    running = read(directory)
    if running is not None:
        raise SandboxError(f"a sandbox runs already at {running.endpoint}; 'make stop' ends it")
    process = _spawn(directory, port=port)
    assert process.stdin is not None
    try:
        yield _wait_until_ready(directory, process)
        process.stdin.write(STAY)
        process.stdin.flush()
    except BaseException:
        _end(process.pid)
        _keep_log(directory)
        raise
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def stop(directory: Path) -> bool:
    """Stop the sandbox of a directory and remove what it kept; False when none ran."""
    running = read(directory)
    if running is not None:
        _end(running.pid)
    shutil.rmtree(directory, ignore_errors=True)
    return running is not None


@contextlib.contextmanager
def temporary(name: str) -> Generator[Sandbox]:
    """A sandbox for the length of a block; whatever ends the block, or this process, ends it too.

    Its directory is removed, unless the block fails: then the log stays.
    """
    directory = HOME / f"{name}-{os.getpid()}"
    process = _spawn(directory, port=0)
    try:
        yield _wait_until_ready(directory, process)
    except BaseException:
        _end(process.pid)
        _keep_log(directory)
        raise
    else:
        _end(process.pid)
        shutil.rmtree(directory, ignore_errors=True)
    finally:
        if process.stdin is not None:
            process.stdin.close()


def _keep_log(directory: Path) -> None:
    """Leave only the logs of a failed run, in `LAST_FAILURE`."""
    shutil.rmtree(LAST_FAILURE, ignore_errors=True)
    LAST_FAILURE.mkdir(parents=True)
    for name in ("sandbox.log", "pulumi.log"):
        source = directory / name
        if source.exists():
            source.replace(LAST_FAILURE / name)
    shutil.rmtree(directory, ignore_errors=True)
