"""The engine's plan as JSON, with what the policies say about it.

`pulumi preview --json` leaves the policies' findings out; the engine's event log, which it writes beside, has them.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools import cli


def _findings(events: Path) -> Iterator[dict[str, str]]:
    for line in events.read_text(encoding="utf-8").splitlines():
        event = json.loads(line).get("policyEvent")
        if event is not None:
            yield {
                "policy": str(event["policyName"]),
                "level": str(event["enforcementLevel"]),
                "urn": str(event.get("resourceUrn", "")),
                "message": str(event["message"]),
            }


def preview(arguments: Sequence[str], environment: Mapping[str, str], file: Path) -> str:
    """Preview a stack and write the engine's plan with a list ``policies`` beside its steps, however it ends.

    Returns:
        What went wrong, in a line or several; empty when nothing did.
    """
    with tempfile.TemporaryDirectory() as scratch:
        events = Path(scratch) / "events"
        process = subprocess.run(
            [
                *(str(cli.directory() / "pulumi"), "--non-interactive", "preview", *arguments),
                *("--json", "--event-log", str(events)),
            ],
            cwd=cli.ROOT,
            # The event log is an option for developers.
            env={**environment, "PULUMI_DEBUG_COMMANDS": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        findings = list(_findings(events)) if events.exists() else []
    try:
        plan: dict[str, Any] = json.loads(process.stdout)
    except ValueError:
        # It failed before it had a plan; what it said instead is what the next reader of the file should see.
        file.write_text(process.stdout + process.stderr, encoding="utf-8")
        return (process.stdout + process.stderr).strip() or f"pulumi preview ended with {process.returncode}"
    file.write_text(json.dumps({**plan, "policies": findings}, indent=2), encoding="utf-8")
    if not process.returncode:
        return ""
    mandatory = [entry for entry in findings if entry["level"] == "mandatory"]
    said = [f"{name_of(entry['urn'])}: {' '.join(entry['message'].split())}" for entry in mandatory]
    told = [str(entry.get("message", "")).strip() for entry in plan.get("diagnostics") or []]
    return "\n".join(said or [text for text in told if text] or [process.stderr.strip()])


def name_of(urn: str) -> str:
    """The resource's name in its URN."""
    return urn.rsplit("::", 1)[-1]
