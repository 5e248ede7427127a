"""The AWS calls that tasks make.

moto makes a new client for every task and lets it dial ``localhost``; here tasks share clients, whose calls are noted.
"""

from __future__ import annotations

from typing import Any

from moto.stepfunctions.parser.asl.utils import boto_client

from sandbox.aws.call_records import STATE_MACHINE
from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Give tasks the sandbox's clients."""

    def boto_client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        return runtime.client(service, region, STATE_MACHINE)

    original = boto_client.boto_client_for
    runtime.patches.replace_imported("moto.stepfunctions", "boto_client_for", original, boto_client_for)
