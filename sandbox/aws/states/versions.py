"""Versions and aliases of state machines.

moto makes versions and aliases, but can neither list nor publish versions, nor start an execution with one.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.models import StateMachine, StateMachineVersion
from moto.stepfunctions.responses import StepFunctionResponse

from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Complete versions."""
    publish: Callable[..., None] = StateMachine.publish

    def publish_shared(machine: Any, description: str | None) -> None:
        publish(machine, description)
        # An execution of a version is an execution of its machine.
        machine.latest_version.executions = machine.executions
        machine.latest_version.backend = machine.backend

    response: Any = StepFunctionResponse
    runtime.patches.replace(StateMachine, "publish", publish_shared)
    idempotency = StateMachine._handle_name_input_idempotency  # pyright: ignore[reportPrivateUsage]
    runtime.patches.add(StateMachineVersion, "_handle_name_input_idempotency", idempotency)
    runtime.patches.add(response, "list_state_machine_versions", _list_versions)
    runtime.patches.add(response, "publish_state_machine_version", _publish_version)
    runtime.patches.add(response, "delete_state_machine_version", _delete_version)


def resolve(backend: Any, arn: str) -> str:
    """Return the version that an alias routes to, by its weights; any other ARN as it is."""
    machine_arn, _, name = arn.rpartition(":")
    machine = next((item for item in backend.state_machines if item.arn == machine_arn), None)
    alias = machine.aliases.get(name) if machine else None
    if alias is None:
        return arn
    routes = alias.routing_configuration
    chosen = random.choices(routes, weights=[int(route["weight"]) for route in routes])[0]
    return chosen["stateMachineVersionArn"]


def _list_versions(self: Any) -> Any:
    machine = self.stepfunction_backend.describe_state_machine(self._get_param("stateMachineArn"))
    newest_first = sorted(machine.versions.values(), key=lambda version: -version.version)
    listed = [{"stateMachineVersionArn": item.arn, "creationDate": item.creation_date} for item in newest_first]
    return ActionResult({"stateMachineVersions": listed})


def _publish_version(self: Any) -> Any:
    machine = self.stepfunction_backend.describe_state_machine(self._get_param("stateMachineArn"))
    latest = machine.latest_version
    if latest is None or (latest.definition, latest.roleArn) != (machine.definition, machine.roleArn):
        machine.publish(self._get_param("description"))
        latest = machine.latest_version
    return ActionResult({"stateMachineVersionArn": latest.arn, "creationDate": latest.creation_date})


def _delete_version(self: Any) -> Any:
    arn, _, number = self._get_param("stateMachineVersionArn").rpartition(":")
    self.stepfunction_backend.describe_state_machine(arn).versions.pop(int(number), None)
    return EmptyResult()
