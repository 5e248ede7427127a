"""Run every test, the fast ones first: a mistake that unit tests see should not wait for Spark. Run by `make test`."""

from __future__ import annotations

import subprocess
import sys
import time

STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("documents, components, policies, functions, stand-ins", ("-m", "not spark and not sandbox", "-n", "2")),
    (
        "real Spark, the real engine, the sandbox end to end",
        ("-m", "spark or sandbox", "-n", "2", "--dist", "loadgroup"),
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
