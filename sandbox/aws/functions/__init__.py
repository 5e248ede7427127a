"""AWS Lambda as the sandbox has it: functions run their own code on this Python, and queues call them."""

from __future__ import annotations

from sandbox.aws.functions import configuration, invocations, queue_consumers
from sandbox.aws.functions.workers import FunctionRunner
from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Make functions run."""
    runner = FunctionRunner(runtime)
    configuration.install(runtime)
    invocations.install(runtime, runner)
    queue_consumers.install(runtime, runner)
