"""Run every test, the fast ones first: a mistake that unit tests see should not wait for Spark. Run by `make test`."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

REAL = "spark or sandbox"
_MARK = re.compile(r"\bmark\.(spark|sandbox)\b")
_LONGEST = "tests/sandbox/test_main_job.py"
"""Goes first, so that the other worker has something to do until its end."""
_OF_THEIR_OWN = ("tests/state_machine/", "tests/jobs/")


def _real_elsewhere() -> tuple[str, ...]:
    """Test files with a mark of `REAL` in them: to collect all the others takes each worker half a minute."""
    files = sorted(str(path) for path in Path("tests").rglob("test_*.py") if _MARK.search(path.read_text()))
    rest = [file for file in files if not file.startswith(_OF_THEIR_OWN) and file != _LONGEST]
    return (_LONGEST, *rest)


STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("documents, components, policies, functions, stand-ins", ("-m", f"not ({REAL})", "-n", "2")),
    # One AWS a process: these three never share theirs.
    ("state machine on its interpreter", ("tests/state_machine", "-m", REAL, "-n", "2", "--dist", "loadgroup")),
    ("job on real Spark", ("tests/jobs", "-m", REAL, "-n", "2")),
    (
        "real engine, sandbox end to end",
        (*_real_elsewhere(), "-m", REAL, "-n", "2", "--dist", "loadgroup"),
    ),
)


def main() -> int:
    """Run the stages in order and stop at the first that fails."""
    for name, arguments in STAGES:
        print(f"\ntests: {name}", flush=True)
        started = time.monotonic()
        code = subprocess.run([sys.executable, "-m", "pytest", *arguments, *sys.argv[1:]], check=False).returncode
        print(f"tests: {name}: {time.monotonic() - started:.0f} s", flush=True)
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
