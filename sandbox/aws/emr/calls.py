"""EMR's API calls that moto lacks, and the checks and fields that its others lack.

The refusals are EMR's: the messages are those of its API reference and management guide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult, BaseResponse, EmptyResult
from moto.emr.exceptions import InvalidRequestException, ValidationException
from moto.emr.models import ElasticMapReduceBackend
from moto.emr.responses import ElasticMapReduceResponse
from moto.emr.utils import EmrSecurityGroupManager

from sandbox.aws.emr import releases
from sandbox.aws.emr.steps import ACTIVE_STATES, ENDED_CLUSTER_STATES, StepRunner
from sandbox.aws.runtime import Runtime

MAXIMUM_ACTIVE_STEPS = 256
"""Steps of a cluster that may be pending or running at once."""
_SECRET_KERBEROS_FIELDS = ("KdcAdminPassword", "CrossRealmTrustPrincipalPassword", "ADDomainJoinPassword")
_FIELDS_READ_BACK = {
    "LogEncryptionKmsKeyId": "log_encryption_kms_key_id",
    "OSReleaseLabel": "os_release_label",
    "PlacementGroupConfigs": "placement_groups",
    "RepoUpgradeOnBoot": "repo_upgrade_on_boot",
}
_FIELDS_OF_GROUPS_READ_BACK = ("configurations", "custom_ami_id")


def install(runtime: Runtime, runner: StepRunner) -> None:
    """Complete the API."""
    patches = runtime.patches
    response: Any = ElasticMapReduceResponse
    run: Callable[..., Any] = response.run_job_flow
    describe_step: Callable[..., Any] = response.describe_step
    modify: Callable[..., Any] = response.modify_cluster
    add_groups: Callable[..., Any] = ElasticMapReduceBackend.add_instance_groups

    def run_job_flow(self: Any) -> Any:
        _check_job_flow(self)
        try:
            result = run(self)
        except ValueError as error:  # a security group that does not exist
            raise ValidationException(str(error)) from error
        cluster = self.backend.describe_cluster(result.result["JobFlowId"])
        _remember(self, cluster)
        runner.set_cluster_state(cluster, "STARTING", "Configuring cluster software")
        slow, failing = (runtime.faults.take(f"cluster-{what}", cluster.name) for what in ("slow", "fails"))
        if slow is None and failing is None:
            runner.advance(cluster)
        else:
            cluster.getting_ready = True
            seconds = max(fault.seconds for fault in (slow, failing) if fault is not None)
            runtime.start_thread(
                f"start-of-{cluster.id}",
                lambda: _get_ready(runtime, runner, cluster, seconds, failing=failing is not None),
            )
        return result

    def add_job_flow_steps(self: Any) -> Any:
        cluster = _job_flow(self, self._get_param("JobFlowId"))
        requested = self._get_param("Steps", [])
        _check_steps(cluster, requested)
        steps = cluster.add_steps(requested)
        for step in steps:
            step.execution_role_arn = self._get_param("ExecutionRoleArn")
        runner.advance(cluster)
        return ActionResult({"StepIds": [step.id for step in steps]})

    def described_step(self: Any) -> Any:
        step_id = self._get_param("StepId")
        if self.backend.describe_step(self._get_param("ClusterId"), step_id) is None:
            raise InvalidRequestException(f"Step id '{step_id}' is not valid.")
        return describe_step(self)

    def cancel_steps(self: Any) -> Any:
        cluster = self.backend.describe_cluster(self._get_param("ClusterId"))
        kill = self._get_param("StepCancellationOption") == "TERMINATE_PROCESS"
        answers: list[dict[str, str]] = []
        for step_id in self._get_param("StepIds", []):
            step = self.backend.describe_step(cluster.id, step_id)
            if step is None:
                raise InvalidRequestException(f"Step id '{step_id}' is not valid.")
            refusal = runner.cancel(cluster, step, kill=kill)
            answers.append(
                {"StepId": step_id, "Status": "FAILED", "Reason": refusal}
                if refusal
                else {"StepId": step_id, "Status": "SUBMITTED"}
            )
        return ActionResult({"CancelStepsInfoList": answers})

    def modify_cluster(self: Any) -> Any:
        level = self._get_param("StepConcurrencyLevel")
        if level is not None and not 1 <= int(level) <= MAXIMUM_ACTIVE_STEPS:
            raise ValidationException(f"StepConcurrencyLevel must be between 1 and {MAXIMUM_ACTIVE_STEPS}.")
        result = modify(self)
        runner.advance(self.backend.describe_cluster(self._get_param("ClusterId")))
        return result

    def for_known_job_flows(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def checked(self: Any) -> Any:
            for cluster_id in self._get_param("JobFlowIds", []):
                _job_flow(self, cluster_id)
            return call(self)

        return checked

    def add_instance_groups(backend: Any, cluster_id: str, instance_groups: list[Any]) -> list[Any]:
        configurations = [dict(group) for group in instance_groups]
        rest = [{key: group.pop(key, None) for key in _FIELDS_OF_GROUPS_READ_BACK} for group in configurations]
        groups = add_groups(backend, cluster_id, configurations)
        for group, configuration, fields in zip(groups, configurations, rest, strict=True):
            for name, value in fields.items():
                setattr(group, name, value)
            group.ebs_optimized = (configuration.get("ebs_configuration") or {}).get("ebs_optimized")
        return groups

    # moto reads EMR's region from the host name of AWS's endpoints only, and else takes us-east-1.
    patches.replace(response, "get_region_from_url", BaseResponse.get_region_from_url)
    # EMR adds inbound rules to the groups that it is given, never outbound ones (EMR management guide, "Working with
    # Amazon EMR-managed security groups").
    patches.replace(EmrSecurityGroupManager, "MANAGED_RULES_EGRESS", [])
    patches.replace(response, "run_job_flow", run_job_flow)
    patches.replace(response, "add_job_flow_steps", add_job_flow_steps)
    patches.replace(response, "describe_step", described_step)
    patches.replace(response, "modify_cluster", modify_cluster)
    for name in ("terminate_job_flows", "set_termination_protection", "set_visible_to_all_users"):
        patches.replace(response, name, for_known_job_flows(getattr(response, name)))
    patches.replace(response, "modify_instance_groups", _modify_instance_groups)
    patches.replace(response, "list_release_labels", _list_release_labels)
    patches.replace(ElasticMapReduceBackend, "add_instance_groups", add_instance_groups)
    patches.add(response, "cancel_steps", cancel_steps)
    for name, call in _added_calls().items():
        patches.add(response, name, call)


def _list_release_labels(self: Any) -> Any:
    """Filter releases, which moto does not; which brings what is in the project's table."""
    filters = self._get_param("Filters", {})
    name, _, version = filters.get("Application", "").partition("@")
    labels = [
        label
        for label in self.backend.list_release_labels()
        if label.startswith(filters.get("Prefix", "")) and (not name or releases.has(label, name, version))
    ]
    return ActionResult({"ReleaseLabels": labels})


def _get_ready(runtime: Runtime, runner: StepRunner, cluster: Any, seconds: float, *, failing: bool) -> None:
    """Bring a cluster up as slowly as a fault says, or not at all."""
    runtime.stopping.wait(seconds / 2)
    if cluster.state == "STARTING":
        runner.set_cluster_state(cluster, "BOOTSTRAPPING", "Running bootstrap actions")
    runtime.stopping.wait(seconds / 2)
    cluster.getting_ready = False
    if failing:
        reason = "On the master instance, bootstrap action 1 returned a non-zero return code"
        cluster.end("BOOTSTRAP_FAILURE", reason, state="TERMINATED_WITH_ERRORS")
    else:
        runner.advance(cluster)


def _check_job_flow(self: Any) -> None:
    """Refuse what EMR refuses before a cluster starts."""
    configuration = self._get_param("SecurityConfiguration")
    if configuration and configuration not in self.backend.security_configurations:
        raise InvalidRequestException(f"Security configuration with name '{configuration}' does not exist.")
    label = self._get_param("ReleaseLabel")
    if label:
        _check_release(self, label)


def _check_release(self: Any, label: str) -> None:
    if not releases.applications(label) and label not in self.backend.list_release_labels():
        raise ValidationException(f"The supplied release label is invalid: {label}.")


def _job_flow(self: Any, cluster_id: str) -> Any:
    """Return a cluster as EMR's older calls do, whose refusals differ from those of the newer ones."""
    if cluster_id not in self.backend.clusters:
        raise ValidationException("Specified job flow ID not valid.")
    return self.backend.clusters[cluster_id]


def _check_steps(cluster: Any, requested: list[Any]) -> None:
    """Refuse what AddJobFlowSteps refuses."""
    if cluster.state in ENDED_CLUSTER_STATES:
        raise ValidationException("A job flow that is shutting down, terminated, or finished may not be modified.")
    active = sum(step.state in ACTIVE_STATES for step in cluster.steps)
    if active + len(requested) > MAXIMUM_ACTIVE_STEPS:
        raise ValidationException(
            "Maximum number of active steps(State = 'Running', 'Pending' or 'Cancel_Pending') for cluster exceeded."
        )
    if int(cluster.step_concurrency_level) > 1:
        for step in requested:
            action = step.get("ActionOnFailure", "CONTINUE")
            if action != "CONTINUE":
                raise ValidationException(
                    f"ActionOnFailure {action} is not valid for a cluster whose StepConcurrencyLevel is greater than 1."
                )


def _remember(self: Any, cluster: Any) -> None:
    """Keep the fields of RunJobFlow that moto drops, and drop the passwords that it keeps."""
    for parameter, attribute in _FIELDS_READ_BACK.items():
        setattr(cluster, attribute, self._get_param(parameter))
    cluster.unhealthy_node_replacement = self._get_bool_param("Instances.UnhealthyNodeReplacement", False)
    cluster.scale_down_behavior = self._get_param("ScaleDownBehavior") or "TERMINATE_AT_TASK_COMPLETION"
    cluster.instance_collection_type = "INSTANCE_GROUP"
    cluster.managed_scaling_policy = self._get_param("ManagedScalingPolicy")
    cluster.auto_termination_policy = self._get_param("AutoTerminationPolicy")
    attributes = cluster.kerberos_attributes
    if attributes:
        shown = dict(attributes.original_dict() if hasattr(attributes, "original_dict") else attributes)
        cluster.kerberos_attributes = {key: value for key, value in shown.items() if key not in _SECRET_KERBEROS_FIELDS}
    else:
        cluster.kerberos_attributes = None
    for application in cluster.applications:
        # Without a list of applications moto installs one of no name; EMR installs Hadoop.
        application.name = application.name or "Hadoop"
        application.version = releases.version(cluster.release_label or "", application.name) or application.version


def _modify_instance_groups(self: Any) -> Any:
    for change in self._get_param("InstanceGroups", []):
        group = self.backend.instance_groups.get(change["InstanceGroupId"])
        if group is None:
            raise InvalidRequestException(f"Instance group id '{change['InstanceGroupId']}' is not valid.")
        if change.get("InstanceCount") is not None:
            group.set_instance_count(int(change["InstanceCount"]))
        if change.get("Configurations") is not None:
            group.configurations = change["Configurations"]
    return EmptyResult()


def _added_calls() -> dict[str, Callable[[Any], Any]]:
    """Return the calls that moto answers 500 to."""

    def cluster_of(self: Any) -> Any:
        return self.backend.describe_cluster(self._get_param("ClusterId"))

    def list_security_configurations(self: Any) -> Any:
        known = self.backend.security_configurations.items()
        listed = [{"Name": name, "CreationDateTime": item.creation_date_time} for name, item in known]
        return ActionResult({"SecurityConfigurations": listed})

    def list_instance_fleets(self: Any) -> Any:
        cluster_of(self)
        raise InvalidRequestException(
            "Instance fleets and instance groups are mutually exclusive. The EMR cluster specified in the request uses "
            "instance groups. The ListInstanceFleets request does not support clusters that use instance groups."
        )

    def describe_release_label(self: Any) -> Any:
        label = self._get_param("ReleaseLabel")
        _check_release(self, label)
        brought = [{"Name": name, "Version": version} for name, version in releases.applications(label).items()]
        return ActionResult({"ReleaseLabel": label, "Applications": brought})

    def set_unhealthy_node_replacement(self: Any) -> Any:
        for cluster_id in self._get_param("JobFlowIds", []):
            cluster = _job_flow(self, cluster_id)
            cluster.unhealthy_node_replacement = self._get_bool_param("UnhealthyNodeReplacement")
        return EmptyResult()

    def set_keep_job_flow_alive_when_no_steps(self: Any) -> Any:
        for cluster_id in self._get_param("JobFlowIds", []):
            cluster = _job_flow(self, cluster_id)
            cluster.keep_job_flow_alive_when_no_steps = self._get_bool_param("KeepJobFlowAliveWhenNoSteps")
        return EmptyResult()

    calls: dict[str, Callable[[Any], Any]] = {
        "list_security_configurations": list_security_configurations,
        "list_instance_fleets": list_instance_fleets,
        "describe_release_label": describe_release_label,
        "set_unhealthy_node_replacement": set_unhealthy_node_replacement,
        "set_keep_job_flow_alive_when_no_steps": set_keep_job_flow_alive_when_no_steps,
    }
    for parameter, attribute in {
        "ManagedScalingPolicy": "managed_scaling_policy",
        "AutoTerminationPolicy": "auto_termination_policy",
    }.items():
        calls |= _policy_calls(parameter, attribute, cluster_of)
    return calls


def _policy_calls(parameter: str, attribute: str, cluster_of: Callable[[Any], Any]) -> dict[str, Callable[[Any], Any]]:
    """Return put, get and remove of a policy that a cluster has one of."""

    def put(self: Any) -> Any:
        cluster = cluster_of(self)
        if cluster.state in ENDED_CLUSTER_STATES:
            raise ValidationException("A job flow that is shutting down, terminated, or finished may not be modified.")
        setattr(cluster, attribute, self._get_param(parameter))
        return EmptyResult()

    def get(self: Any) -> Any:
        policy = getattr(cluster_of(self), attribute, None)
        return ActionResult({parameter: policy} if policy else {})

    def remove(self: Any) -> Any:
        setattr(cluster_of(self), attribute, None)
        return EmptyResult()

    return {f"put_{attribute}": put, f"get_{attribute}": get, f"remove_{attribute}": remove}
