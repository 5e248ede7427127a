"""Amazon EMR as the sandbox has it: clusters whose API is complete enough, and whose steps run on this machine."""

from __future__ import annotations

from moto.emr.models import emr_backends

from sandbox.aws.emr import calls, clusters, steps
from sandbox.aws.emr.environment import StepEnvironment
from sandbox.aws.runtime import Runtime
from sandbox.faults.vocabulary import Fault, FaultError


def install(runtime: Runtime) -> None:
    """Make clusters behave."""
    runner = steps.StepRunner(runtime, StepEnvironment(runtime))
    clusters.install(runtime, runner)
    calls.install(runtime, runner)
    runtime.faults.act_at_once(lambda fault: _die_now(runtime, fault))


def _die_now(runtime: Runtime, fault: Fault) -> bool:
    """Do what a fault asks for of the clusters that live now."""
    if fault.word != "cluster-dies" or fault.at:
        return False
    backend = emr_backends[runtime.options.account_id][runtime.options.region]
    hit = [
        cluster
        for cluster in backend.clusters.values()
        if cluster.state not in steps.ENDED_CLUSTER_STATES and fault.concerns(cluster.id, cluster.name)
    ]
    if not hit:
        raise FaultError(f"fault {str(fault)!r}: no cluster of that name or id lives")
    for cluster in hit:
        if fault.seconds:
            runtime.start_thread(
                f"death-of-{cluster.id}", lambda cluster=cluster: steps.lose_primary_node(runtime, cluster, fault)
            )
        else:
            steps.lose_primary_node(runtime, cluster, fault)
    return True
