"""Amazon EMR as the sandbox has it: clusters whose API is complete enough, and whose steps run on this machine."""

from __future__ import annotations

from sandbox.aws.emr import calls, clusters, steps
from sandbox.aws.emr.environment import StepEnvironment
from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Make clusters behave."""
    runner = steps.StepRunner(runtime, StepEnvironment(runtime))
    clusters.install(runtime, runner)
    calls.install(runtime, runner)
