"""From a clean clone to a processed file: ``make sandbox`` as a newcomer runs it, with cold and warm caches, by phase.

A phase's seconds are those that the command itself prints. Cold caches are empty ones in a directory of their own, so
that nothing of the user's is lost; warm ones are the user's. Cold fetches about a gigabyte from the registries.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Figure, Figures
from sandbox import control
from tools import cli

CACHES = {"UV_CACHE_DIR": "uv", "PIP_CACHE_DIR": "pip", "GOCACHE": "go-build", "GOMODCACHE": "go-modules"}
"""Variables that tell tools where their caches are, and the directories of ours."""
PHASE = re.compile(r"^\s+(\d+\.\d)  (\S.*)$")


def _run(directory: Path, environment: dict[str, str]) -> dict[str, float]:
    """Run ``make sandbox`` in a clone; seconds by phase.

    Raises:
        SandboxError: when it fails, with the end of what it printed.
    """
    begun = time.perf_counter()
    setting_up = 0.0
    printed: list[str] = []
    process = subprocess.Popen(
        ["make", "sandbox"],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        printed.append(line.rstrip())
        if line.startswith("set-up:"):
            setting_up = time.perf_counter() - begun
    if process.wait():
        raise control.SandboxError("make sandbox failed in a fresh clone:\n" + "\n".join(printed[-20:]))
    table = printed[printed.index("Seconds") + 1 :] if "Seconds" in printed else []
    phases = {match[2]: float(match[1]) for match in map(PHASE.match, table) if match}
    if not phases:
        raise control.SandboxError("make sandbox printed no table of seconds:\n" + "\n".join(printed[-20:]))
    return {"set-up": setting_up, **phases, "all": time.perf_counter() - begun}


def measure() -> Figures:
    """Yield the figures: cold first."""
    scratch = Path(tempfile.mkdtemp(prefix="bench-newcomer-"))
    try:
        for state in ("cold", "warm"):
            environment = dict(os.environ)
            if state == "cold":
                environment |= {name: str(scratch / "caches" / place) for name, place in CACHES.items()}
            clone = scratch / state
            subprocess.run(["git", "clone", "-q", str(cli.ROOT), str(clone)], check=True)
            for phase, seconds in _run(clone, environment).items():
                yield Figure("newcomer", f"{state} caches: {phase}", seconds, "s")
            shutil.rmtree(clone)
    finally:
        # Go makes its module cache read-only.
        subprocess.run(["chmod", "-R", "u+w", str(scratch)], check=False)
        shutil.rmtree(scratch, ignore_errors=True)
