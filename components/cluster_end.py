"""The end of a cluster: its steps are waited for, and its protection lifted only where the settings allow the end.

Runs as a resource hook before the engine deletes a cluster: after a replacement, when the new one exists and the
published id points to it, or in a destroy, which has closed the intake by then (`intake_end`). A hook that fails keeps
the cluster: the engine deletes it in the next update.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pulumi

from components import hooks

ACTIVE_STEP_STATES = ("PENDING", "CANCEL_PENDING", "RUNNING")
ENDED_CLUSTER_STATES = ("TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS")
LOOK_SECONDS = 5.0
"""Time between two looks at the steps of a cluster that is to end."""
QUIET_LOOKS = 2
"""Looks without a step before a cluster is idle: an execution that found the old id may be about to submit."""


class ClusterKept(Exception):
    """The cluster must not end yet; the message says why, and what to do."""


@dataclass(frozen=True)
class Ending:
    """How a cluster may end."""

    protected: bool
    """Whether the settings protect it."""
    drain_minutes: int
    """Longest wait for its steps."""
    look_seconds: float
    """Time between two looks; `LOOK_SECONDS` is a good one."""


def end(emr: Any, cluster_id: str, ending: Ending, say: Callable[[str], object]) -> None:
    """Wait until a cluster may be terminated, and let it be.

    Args:
        emr: boto3's client of EMR.
        cluster_id: The cluster.
        ending: What the settings say.
        say: Tells a person what is waited for.

    Raises:
        ClusterKept: when it is protected by the settings, or its steps do not end in time.
    """
    cluster = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]
    if cluster["Status"]["State"] in ENDED_CLUSTER_STATES:
        return
    if ending.protected and cluster["TerminationProtected"]:
        raise ClusterKept(
            f"cluster {cluster_id} is protected by cluster.terminationProtection and stays, beside its replacement if "
            "there is one: set it to false and run the update again, which ends this cluster; then set it to true again"
        )
    _wait_for_steps(emr, cluster_id, ending, say)
    if cluster["TerminationProtected"]:
        say(f"cluster {cluster_id}: lifting its termination protection, as cluster.terminationProtection is false")
        emr.set_termination_protection(JobFlowIds=[cluster_id], TerminationProtected=False)


def _wait_for_steps(emr: Any, cluster_id: str, ending: Ending, say: Callable[[str], object]) -> None:
    deadline = time.monotonic() + ending.drain_minutes * 60
    quiet = 0
    while True:
        steps = emr.list_steps(ClusterId=cluster_id, StepStates=list(ACTIVE_STEP_STATES))["Steps"]
        quiet = 0 if steps else quiet + 1
        if quiet >= QUIET_LOOKS:
            return
        names = ", ".join(sorted(step["Name"] for step in steps))
        if steps and time.monotonic() >= deadline:
            raise ClusterKept(
                f"cluster {cluster_id} still runs {names} after cluster.drainMinutes ({ending.drain_minutes}), and is "
                "kept: run the update again when they have ended, or cancel them"
            )
        if steps:
            say(f"cluster {cluster_id}: waiting for {names}")
        time.sleep(ending.look_seconds)


def hook(name: str, ending: Ending, *, region: str) -> pulumi.ResourceHook:
    """What the engine calls before it deletes a cluster."""

    def act(clients: hooks.Clients, cluster_id: str) -> None:
        end(clients("emr"), cluster_id, ending, pulumi.log.info)

    return hooks.before_delete(name, act, region=region)
