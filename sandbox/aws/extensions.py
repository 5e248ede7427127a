"""Every extension of the sandbox's AWS, in the order in which they are installed."""

from __future__ import annotations

from sandbox.aws import (
    access_logs,
    alarms,
    attached_policies,
    bucket_events,
    bucket_policies,
    budget_changes,
    embedded_metrics,
    emr,
    event_rules,
    flow_logs,
    functions,
    key_rotation,
    key_states,
    log_groups,
    network_dependents,
    query_definitions,
    queues,
    schedules,
    security_groups,
    spark_copies,
    states,
    suspended_versioning,
    tables,
)
from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Install them all."""
    for extension in (
        bucket_policies,
        access_logs,
        bucket_events,
        event_rules,
        schedules,
        spark_copies,
        queues,
        functions,
        emr,
        states,
        security_groups,
        network_dependents,
        flow_logs,
        key_rotation,
        key_states,
        attached_policies,
        log_groups,
        embedded_metrics,
        query_definitions,
        alarms,
        budget_changes,
        suspended_versioning,
        tables,
    ):
        extension.install(runtime)
