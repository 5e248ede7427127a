"""Starting: planned manifests become executions, as many at a time as may run.

A manifest first takes a slot in the ledger (`Ledger.take_slot` refuses one beyond the bound in the write itself, so
two starters cannot exceed it), then its execution is started, then the ledger says ``running``. A crash in between
leaves a planned manifest that holds a slot: the next starter starts it again, which Step Functions answers with the
execution that runs already. A slot is free again when its execution has ended, whatever else was recorded of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from functions.dispatcher.manifests import canonical, execution_input, execution_name
from functions.ledger.store import ENDED, Item, Ledger, in_parallel

SPARE_MANIFESTS = 50
"""Planned manifests that are looked at beyond the free slots: some wait for others, or are just being started."""


@dataclass
class Started:
    """What a starter did."""

    executions: list[str] = field(default_factory=list[str])
    problems: list[str] = field(default_factory=list[str])
    running: int = 0
    """Slots in use at the end."""


class Starter:
    """Starts planned manifests while there are free slots."""

    def __init__(
        self, ledger: Ledger, states: Any, *, machine: str, alias: str, processed_bucket: str, maximum: int
    ) -> None:
        """Prepare.

        Args:
            ledger: Where manifests are planned.
            states: Client of Step Functions.
            machine: ARN of the state machine, which executions are named after.
            alias: ARN of its alias, which they are started through.
            processed_bucket: Where run reports go.
            maximum: Most executions at a time.
        """
        self._ledger, self._states = ledger, states
        self._machine, self._alias, self._processed, self._maximum = machine, alias, processed_bucket, maximum

    def run(self, time_is_left: Callable[[], bool] = lambda: True) -> Started:
        """Free the slots of executions that have ended, and start what is planned."""
        started = Started()
        held = self._ledger.slots()
        ended = [manifest for manifest, done in zip(held, in_parallel(self._settle, list(held)), strict=True) if done]
        self._ledger.free_slots(ended)
        held -= set(ended)
        for manifest in sorted(held):
            item = self._ledger.manifest(manifest)
            if item is not None and item["state"] == "planned" and time_is_left():
                self._start(item, started)  # somebody took a slot and went away
        free = self._maximum - len(held)
        if free > 0:
            for item in self._ledger.in_state("planned", free + SPARE_MANIFESTS):
                if free <= 0 or not time_is_left():
                    break
                if item["hash"] not in held and self._begin(item, started):
                    held.add(item["hash"])
                    free -= 1
        started.running = len(held)
        return started

    def _begin(self, item: Item, started: Started) -> bool:
        """Take a slot and start; True when a slot is in use."""
        if not self._ledger.take_slot(item["hash"], self._maximum):
            return False
        # The index lags behind: what it called planned may have run meanwhile.
        now = self._ledger.manifest(item["hash"])
        if now is None or now["state"] != "planned":
            self._ledger.free_slots([item["hash"]])
            return False
        self._start(now, started)
        return True

    def _start(self, item: Item, started: Started) -> None:
        attempt = int(item["attempt"])
        name = execution_name(item["hash"], attempt)
        try:
            self._states.start_execution(
                stateMachineArn=self._alias, name=name, input=canonical(execution_input(item, self._processed))
            )
        except ClientError as error:
            # It ran before, and has ended since: the slot is freed by the next look, and the ledger says how it ended.
            if error.response.get("Error", {}).get("Code") != "ExecutionAlreadyExists":
                started.problems.append(f"{name}: {error}")
                return
        except BotoCoreError as error:
            started.problems.append(f"{name}: {error}")
            return
        else:
            started.executions.append(name)
        self._ledger.mark_running(item["hash"], attempt)

    def _settle(self, manifest_hash: str) -> bool:
        """Whether a manifest that holds a slot has ended."""
        item = self._ledger.manifest(manifest_hash)
        if item is None or item["state"] in ENDED:
            return True
        return item["state"] == "running" and not self._is_running(manifest_hash, int(item["attempt"]))

    def _is_running(self, manifest_hash: str, attempt: int) -> bool:
        name = execution_name(manifest_hash, attempt)
        arn = f"{self._machine.replace(':stateMachine:', ':execution:')}:{name}"
        try:
            return self._states.describe_execution(executionArn=arn)["status"] == "RUNNING"
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "ExecutionDoesNotExist":
                raise
            return False
