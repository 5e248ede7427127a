"""Run every test, the fast ones first: a mistake that unit tests see should not wait for Spark. Run by `make test`."""

from __future__ import annotations

import subprocess
import sys
import time

REAL = "spark or sandbox"
STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("documents, components, policies, functions, stand-ins", ("-m", f"not ({REAL})", "-n", "2")),
    # One AWS a process: these three never share theirs.
    ("state machine on its interpreter", ("tests/state_machine", "-m", REAL, "-n", "2", "--dist", "loadgroup")),
    ("job on real Spark", ("tests/jobs", "-m", REAL, "-n", "2")),
    (
        "real engine, sandbox end to end",
        ("--ignore=tests/state_machine", "--ignore=tests/jobs", "-m", REAL, "-n", "2", "--dist", "loadgroup"),
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
