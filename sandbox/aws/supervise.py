"""Run a command as a process group that never outlives the process that asked for it.

Usage: ``python supervise.py COMMAND [ARGUMENT …]``, with a pipe as standard input that the caller holds open. A byte
``t`` on it terminates the command's group, ``k`` kills it. The end of the pipe, which comes also when the caller is
killed, terminates and then kills it. Standard output, error and the exit code are the command's. It imports nothing
but the standard library, so it starts in some hundredths of a second.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

GRACE_SECONDS = 5.0
"""Time that a command has to end by itself after the pipe closes."""


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _obey_pipe(group: int) -> None:
    while order := os.read(0, 1):
        if order == b"t":
            _signal_group(group, signal.SIGTERM)
        elif order == b"k":
            _signal_group(group, signal.SIGKILL)
    _signal_group(group, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    _signal_group(group, signal.SIGKILL)


def main(command: list[str]) -> int:
    """Run the command; return its exit code, or 128 plus the signal that ended it."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"cannot start {command[0]}: {error}", file=sys.stderr)
        return 127
    threading.Thread(target=_obey_pipe, args=(child.pid,), daemon=True).start()
    code = child.wait()
    # What the command left in the background goes with it.
    _signal_group(child.pid, signal.SIGKILL)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
