"""The Pulumi CLI that set-up found, and how this project calls it."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / ".cache" / "pulumi-cli.json"
"""Written by `tools/setup.py`."""
POLICY_PACK = ROOT / "policies"


class MissingCli(Exception):
    """Set-up has not run; the message says so."""


def directory() -> Path:
    """Directory of the CLI.

    Raises:
        MissingCli: when set-up has not run.
    """
    try:
        return Path(json.loads(RECORD.read_text())["directory"])
    except FileNotFoundError:
        raise MissingCli("there is no Pulumi CLI yet: run 'make setup'") from None


def policy_arguments(stack: str) -> list[str]:
    """Arguments that make a command obey the policy pack, with the stack's configuration of it where there is one."""
    arguments = ["--policy-pack", str(POLICY_PACK)]
    configuration = POLICY_PACK / f"config.{stack}.json"
    if configuration.exists():
        arguments += ["--policy-pack-config", str(configuration)]
    return arguments
