"""The optimized EMR integrations: ``arn:aws:states:::elasticmapreduce:ACTION[.sync]``.

moto accepts them in a definition and fails when they run. The actions, their parameters and answers are those of the
Step Functions guide, "Create and manage Amazon EMR clusters with Step Functions". A refusal by EMR is named
``EMR.AmazonElasticMapReduceException``, or by the exception's own name where the SDK has one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from sandbox.aws.call_records import STATE_MACHINE
from sandbox.aws.runtime import Runtime, log
from sandbox.aws.states.documents import as_document
from sandbox.aws.states.failures import fail

_PARAMETERS: dict[str, frozenset[str] | None] = {
    "addStep": frozenset({"ClusterId", "Step", "ExecutionRoleArn"}),
    "cancelStep": frozenset({"ClusterId", "StepId"}),
    "createCluster": None,
    "setClusterTerminationProtection": frozenset({"ClusterId", "TerminationProtected"}),
    "terminateCluster": frozenset({"ClusterId"}),
}
"""Actions and the parameters that they take; None where it is those of RunJobFlow."""

_SYNCHRONOUS = frozenset({"addStep", "createCluster", "terminateCluster"})
_MODELED_ERRORS = frozenset({"InvalidRequestException", "InternalServerException"})
_POLL_SECONDS = 0.5
"""AWS looks once a minute; the wait is not what is tested here."""


class EmrTask(StateTaskServiceCallback):  # pyright: ignore[reportUntypedBaseClass]
    """A task of the optimized EMR integration."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(supported_integration_patterns={ResourceCondition.Sync})  # pyright: ignore[reportArgumentType]
        self._runtime = runtime

    def _validate_service_integration_is_supported(self) -> None:
        action, condition = self.resource.api_action, self.resource.condition
        if action not in _PARAMETERS or not (
            condition is None or (condition == ResourceCondition.Sync and action in _SYNCHRONOUS)
        ):
            raise ValueError(
                f"The resource provided {self.resource.resource_arn} is not recognized. The value is not a valid "
                "resource ARN, or the resource is not available in this region."
            )

    def _get_supported_parameters(self) -> None:
        return None

    def _eval_service_task(
        self, env: Any, resource_runtime_part: Any, normalised_parameters: dict[str, Any], state_credentials: Any
    ) -> None:
        action, parameters = self.resource.api_action, normalised_parameters
        allowed = _PARAMETERS[action]
        unknown = sorted(set(parameters) - allowed) if allowed is not None else []
        if unknown:
            self._fail(env, "States.Runtime", f"The fields {', '.join(unknown)} are not supported by Step Functions")
        emr = self._runtime.client("emr", resource_runtime_part.region, STATE_MACHINE)
        try:
            env.stack.append(as_document(getattr(self, f"_{action}")(env, emr, parameters)))
        except ClientError as error:
            details = error.response["Error"]
            about = error.response["ResponseMetadata"]
            code = details["Code"]
            name = code if code in _MODELED_ERRORS else "AmazonElasticMapReduceException"
            cause = (
                f"{details['Message']} (Service: AmazonElasticMapReduce; Status Code: {about['HTTPStatusCode']}; "
                f"Error Code: {code}; Request ID: {about.get('RequestId', '')}; Proxy: null)"
            )
            self._fail(env, f"EMR.{name}", cause)

    def _addStep(self, env: Any, emr: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        more = {key: parameters[key] for key in ("ExecutionRoleArn",) if key in parameters}
        answer = emr.add_job_flow_steps(JobFlowId=parameters["ClusterId"], Steps=[parameters["Step"]], **more)
        return {"StepId": answer["StepIds"][0]}

    def _cancelStep(self, env: Any, emr: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        answer = emr.cancel_steps(ClusterId=parameters["ClusterId"], StepIds=[parameters["StepId"]])
        return {"CancelStepsInfo": answer["CancelStepsInfoList"][0]}

    def _createCluster(self, env: Any, emr: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        if parameters.get("Steps"):
            self._fail(env, "States.Runtime", "The field Steps is not supported by Step Functions")
        if not parameters.get("Instances", {}).get("KeepJobFlowAliveWhenNoSteps"):
            self._fail(env, "States.Runtime", "The field Instances.KeepJobFlowAliveWhenNoSteps must be TRUE")
        answer = emr.run_job_flow(**parameters)
        return {"ClusterId": answer["JobFlowId"], "ClusterArn": answer["ClusterArn"]}

    def _setClusterTerminationProtection(self, env: Any, emr: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        emr.set_termination_protection(
            JobFlowIds=[parameters["ClusterId"]], TerminationProtected=parameters["TerminationProtected"]
        )
        return {}

    def _terminateCluster(self, env: Any, emr: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        emr.terminate_job_flows(JobFlowIds=[parameters["ClusterId"]])
        return {}

    def _eval_integration_pattern(
        self, env: Any, resource_runtime_part: Any, normalised_parameters: dict[str, Any], state_credentials: Any
    ) -> None:
        """Wait for the end of what was started; a step is cancelled when the execution ends before it."""
        started = env.stack.pop()
        emr = self._runtime.client("emr", resource_runtime_part.region, STATE_MACHINE)
        cluster_id = started.get("ClusterId") or normalised_parameters["ClusterId"]
        look: Callable[[], Any] = {
            "addStep": lambda: self._step_result(env, emr, cluster_id, started["StepId"]),
            "createCluster": lambda: self._cluster_result(env, emr, cluster_id, ("RUNNING", "WAITING")),
            "terminateCluster": lambda: self._cluster_result(env, emr, cluster_id, ("TERMINATED",)),
        }[self.resource.api_action]
        while env.is_running():
            result = look()
            if result is not None:
                env.stack.append(result)
                return
            time.sleep(_POLL_SECONDS)
        if self.resource.api_action == "addStep":
            try:
                emr.cancel_steps(ClusterId=cluster_id, StepIds=[started["StepId"]])
            except ClientError as error:
                log.warning("step %s of an execution that ended could not be cancelled: %s", started["StepId"], error)
        env.stack.append(started)

    def _step_result(self, env: Any, emr: Any, cluster_id: str, step_id: str) -> Any:
        step = as_document(emr.describe_step(ClusterId=cluster_id, StepId=step_id)["Step"])
        state = step["Status"]["State"]
        if state in ("FAILED", "CANCELLED", "INTERRUPTED"):
            self._fail(env, "States.TaskFailed", to_json_str({"Step": step}))
        return {"Step": step} if state == "COMPLETED" else None

    def _cluster_result(self, env: Any, emr: Any, cluster_id: str, awaited: tuple[str, ...]) -> Any:
        cluster = as_document(emr.describe_cluster(ClusterId=cluster_id)["Cluster"])
        state = cluster["Status"]["State"]
        if state in awaited:
            return {"ClusterId": cluster_id, "Cluster": cluster}
        if state.startswith("TERMINATED"):
            self._fail(env, "States.TaskFailed", to_json_str({"Cluster": cluster}))
        return None

    def _fail(self, env: Any, error: str, cause: str) -> None:
        fail(env, error, cause, self._get_sfn_resource_type(), self._get_sfn_resource())


def install(runtime: Runtime) -> None:
    """Make the interpreter know the integration."""
    known: Callable[[str], Any] = state_task_service_factory.state_task_service_for

    def state_task_service_for(service_name: str) -> Any:
        return EmrTask(runtime) if service_name == "elasticmapreduce" else known(service_name)

    for module in (state_task_service_factory, state_task_factory):
        runtime.patches.replace(module, "state_task_service_for", state_task_service_for)
