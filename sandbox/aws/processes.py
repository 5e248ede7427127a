"""Child processes that end with the sandbox, however it ends.

A command runs under `sandbox.aws.supervise`, which watches a pipe that this process holds: also after a SIGKILL of the
sandbox nothing goes on running.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

_SUPERVISE = Path(__file__).with_name("supervise.py")


class Child(Protocol):
    """A child process, or a group of them, that can be ended at once."""

    def kill(self) -> None:
        """End it now."""
        ...


class SupervisedCommand:
    """A command in its own process group, under the supervisor."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        output: IO[bytes],
        errors: IO[bytes],
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SUPERVISE), *command],
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        code = self._process.wait()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        return code

    def terminate(self) -> None:
        """Ask the command and its children to end."""
        self._order(b"t")

    def kill(self) -> None:
        """Kill the command and its children."""
        self._order(b"k")

    def _order(self, order: bytes) -> None:
        if self._process.stdin is not None and self._process.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                self._process.stdin.write(order)
                self._process.stdin.flush()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads its own group, and the group with it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


class Children:
    """Every child process of a sandbox, so that one call ends them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: set[Child] = set()
        self._closed = False
        atexit.register(self.kill_all)

    def add(self, child: Child) -> None:
        """Take a started child under watch; after `kill_all` it is killed at once."""
        with self._lock:
            self._live.add(child)
            closed = self._closed
        if closed:
            child.kill()

    def remove(self, child: Child) -> None:
        """Forget a child that ended."""
        with self._lock:
            self._live.discard(child)

    def kill_all(self) -> None:
        """Kill every child now."""
        with self._lock:
            self._closed = True
            live = list(self._live)
        for child in live:
            child.kill()
        atexit.unregister(self.kill_all)
