"""What a configuration must keep beyond `settings.RULES`: rules that need what components know of AWS and releases."""

from __future__ import annotations

from collections.abc import Iterator

from components import dispatch, emr_compatibility, network
from components.spark_sizes import UnknownSize, cluster_sizes
from settings import RULES, ConfigurationError, Rule, Settings


def _services_can_be_reached(settings: Settings) -> Iterator[str]:
    """Nodes and functions have a way to every service that they call: NAT for nodes, endpoints for all."""
    for mistake in network.unreachable_services(settings.network):
        yield f"network.{mistake}"


def _subnets_hold_the_cluster(settings: Settings) -> Iterator[str]:
    """The private subnet has room for every node that scaling may start, twice (a replacement runs beside the
    cluster that it replaces), and for endpoints and functions."""
    for mistake in network.too_small(settings.network, 2 * settings.cluster.most_nodes):
        yield f"network.{mistake}"


def _messages_reach_the_dead_letter_queue(settings: Settings) -> Iterator[str]:
    """A message comes to the dead-letter queue before the intake forgets it."""
    orchestration = settings.orchestration
    # The intake hides a message for six times the function's timeout and the window (components/dispatch.py).
    hidden = 6 * orchestration.function_timeout_seconds + orchestration.batch_window_seconds
    tries, kept = orchestration.maximum_receive_count, dispatch.INTAKE_RETENTION_SECONDS
    if tries * hidden >= kept:
        yield (
            f"orchestration.maximumReceiveCount is {tries}: each try hides the message for 6 x functionTimeoutSeconds "
            f"({orchestration.function_timeout_seconds}) + batchWindowSeconds ({orchestration.batch_window_seconds}) = "
            f"{hidden} s, and the intake forgets it after {kept // 86400} days; at most {(kept - 1) // hidden} fit"
        )


def _executors_fit(settings: Settings) -> Iterator[str]:
    """A step's executor is no larger than the cluster's, of which as many fit on a node as its vCPUs allow."""
    given = settings.orchestration.executor_memory
    if given is None:
        return
    try:
        most = cluster_sizes(settings.cluster).executor_memory_mib
    except UnknownSize:
        return  # `release_fits` tells
    if int(given[:-1]) * (1024 if given.endswith("g") else 1) > most:
        yield (
            f"orchestration.executorMemory is {given}: the instance types of core and task give an executor at most "
            f"{most}m of heap, with as many on a node as its vCPUs allow (components/spark_sizes.py); leave the key "
            "out, or take types with more memory"
        )


def rules(project: str = "emr-pipeline") -> tuple[Rule, ...]:
    """Every rule between the keys of a stack file; `project` is what keys begin with in messages."""

    def release_fits(settings: Settings) -> Iterator[str]:
        """The release brings what the cluster asks for, and the cluster is one that EMR can make."""
        try:
            emr_compatibility.check(settings.cluster, project)
        except ConfigurationError as error:
            yield from (line.removeprefix(f"{project}:") for line in str(error).splitlines())

    def something_to_do(settings: Settings) -> Iterator[str]:
        """There is a dataset, else no file would be dispatched."""
        try:
            dispatch.check(settings.datasets)
        except ConfigurationError as error:
            yield from (line.removeprefix("emr-pipeline:") for line in str(error).splitlines())

    return (
        *RULES,
        Rule(("network",), _services_can_be_reached),
        Rule(("network", "cluster"), _subnets_hold_the_cluster),
        Rule(("orchestration",), _messages_reach_the_dead_letter_queue),
        Rule(("cluster",), release_fits),
        Rule(("orchestration", "cluster"), _executors_fit),
        Rule(("datasets",), something_to_do),
    )
