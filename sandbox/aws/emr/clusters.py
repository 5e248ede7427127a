"""EMR clusters that change state, remember what they were given, and end.

moto sets states once and never again, adds steps to clusters that ended, leaves their instances running, answers 500 on
ids that it does not know, and forgets half of RunJobFlow's fields. Changed here on moto's own objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.utils import utcnow
from moto.emr.exceptions import InvalidCluster
from moto.emr.models import Cluster, ElasticMapReduceBackend, InstanceGroup, Step

from sandbox.aws.emr.steps import ENDED_CLUSTER_STATES, StepRunner
from sandbox.aws.runtime import Runtime


class _Clusters(dict[str, Any]):
    """Clusters by id; an unknown one is the caller's error, as in EMR, not a failure of the server."""

    def __missing__(self, cluster_id: str) -> Any:
        raise InvalidCluster(cluster_id)


def install(runtime: Runtime, runner: StepRunner) -> None:
    """Make clusters live."""
    patches = runtime.patches
    make_backend: Callable[..., None] = ElasticMapReduceBackend.__init__

    def backend_init(backend: Any, region_name: str, account_id: str) -> None:
        make_backend(backend, region_name, account_id)
        backend.clusters = _Clusters()

    def add_steps(cluster: Any, steps: list[Any]) -> list[Any]:
        added = [Step(state="PENDING", **step) for step in steps]
        cluster.steps.extend(added)
        for step in added:
            runner.announce_pending(cluster, step)
        return added

    def end(cluster: Any, code: str, message: str, state: str = "TERMINATED") -> None:
        """End the cluster: its steps are cancelled, its instances terminated."""
        if cluster.state in ENDED_CLUSTER_STATES:
            return
        runner.set_cluster_state(cluster, "TERMINATING", message, code)
        runner.cancel_all(cluster)
        cluster.end_datetime = utcnow()
        for group in cluster.instance_groups:
            group.state = "TERMINATED"
            group.end_date_time = cluster.end_datetime
        instances = [instance.ec2_instance_id for instance in cluster.ec2_instances]
        if instances:
            cluster.emr_backend.ec2_backend.terminate_instances(instances)
        runner.set_cluster_state(cluster, state, message, code)

    def terminate(cluster: Any) -> None:
        end(cluster, "USER_REQUEST", "Terminated by user request")

    patches.replace(ElasticMapReduceBackend, "__init__", backend_init)
    patches.replace(Cluster, "add_steps", add_steps)
    patches.replace(Cluster, "terminate", terminate)
    patches.replace(Cluster, "run_bootstrap_actions", _become_ready)
    patches.replace(Cluster, "status", property(_cluster_status))
    patches.replace(Step, "status", property(_step_status))
    patches.replace(InstanceGroup, "ebs_block_devices", property(_ebs_block_devices))
    patches.add(Cluster, "end", end)


def _become_ready(cluster: Any) -> None:
    """Bring a new cluster to WAITING; bootstrap actions do not run, since there are no nodes."""
    cluster.state = "WAITING"
    cluster.ready_datetime = utcnow()


def _cluster_status(cluster: Any) -> dict[str, Any]:
    reason = {
        "Code": getattr(cluster, "last_state_change_code", "") or None,
        "Message": getattr(cluster, "last_state_change_reason", None),
    }
    return {
        "State": cluster.state,
        "StateChangeReason": reason,
        "Timeline": {
            "CreationDateTime": cluster.creation_datetime,
            "EndDateTime": cluster.end_datetime,
            "ReadyDateTime": cluster.ready_datetime,
        },
    }


def _step_status(step: Any) -> dict[str, Any]:
    status = {
        "State": step.state,
        "StateChangeReason": {"Message": getattr(step, "last_state_change_reason", None)},
        "Timeline": {
            "CreationDateTime": step.creation_date_time,
            "StartDateTime": step.start_date_time,
            "EndDateTime": step.end_date_time,
        },
    }
    details = getattr(step, "failure_details", None)
    return status | {"FailureDetails": details} if details else status


def _ebs_block_devices(group: Any) -> list[dict[str, Any]]:
    """Return the group's volumes, each with the throughput that moto drops."""
    devices: list[dict[str, Any]] = []
    for configuration in (group.ebs_configuration or {}).get("ebs_block_device_configs", []):
        specification = configuration["volume_specification"]
        for _ in range(configuration.get("volumes_per_instance") or 1):
            devices.append(
                {
                    "VolumeSpecification": {
                        "VolumeType": specification.get("volume_type"),
                        "Iops": specification.get("iops"),
                        "SizeInGB": specification.get("size_in_gb"),
                        "Throughput": specification.get("throughput"),
                    },
                    "Device": f"/dev/sd{chr(ord('b') + len(devices))}",
                }
            )
    return devices
