"""EMR steps that run.

In moto the first step of a cluster is RUNNING for ever and the others PENDING. Here steps start in order, as many at
once as the cluster allows; each is a process on this machine, its output goes where the cluster's logs go, and its
end decides its state. Steps of ``command-runner.jar`` that call ``spark-submit`` or ``bash`` run; any other fails,
and says why.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from moto.core.utils import utcnow

from sandbox.aws.emr.environment import StepEnvironment
from sandbox.aws.emr.spark_submit import NOTE
from sandbox.aws.processes import SupervisedCommand
from sandbox.aws.runtime import Runtime, log
from sandbox.aws.service_events import send_event, service_event
from sandbox.faults.vocabulary import Fault

ACTIVE_STATES = ("PENDING", "RUNNING", "CANCEL_PENDING")
"""States of steps that count against the limit of 256 (EMR management guide, "Adding steps to a cluster")."""
ENDED_CLUSTER_STATES = ("TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS")
_RUNNABLE = ("spark-submit", "bash")
_LOG_NAMES = ("stdout", "stderr")
_EXCEPTION = re.compile(r"(Exception in thread .*|[\w.$]+(Error|Exception)\b.*)")
"""A line with which a traceback of Python ends, or one of Java begins."""


class StepRefused(Exception):
    """The sandbox cannot run a step; the message says why."""


def step_command(jar: str, arguments: list[str]) -> list[str]:
    """Return the command of a step."""
    if jar.rsplit("/", 1)[-1] != "command-runner.jar":
        raise StepRefused(f"the sandbox runs steps of command-runner.jar only, not {jar!r}")
    if not arguments or arguments[0] not in _RUNNABLE:
        called = arguments[0] if arguments else "nothing"
        raise StepRefused(f"the sandbox's command-runner.jar runs {' and '.join(_RUNNABLE)}, not {called!r}")
    return arguments


@dataclass
class _Execution:
    """A step that runs now."""

    cancelling: threading.Event = field(default_factory=threading.Event)
    """Set when its end is a cancellation."""
    process: SupervisedCommand | None = None
    """Its process, once started."""

    @property
    def cancelled(self) -> bool:
        """Whether its end is a cancellation."""
        return self.cancelling.is_set()


class StepRunner:
    """Moves the steps of every cluster."""

    def __init__(self, runtime: Runtime, environment: StepEnvironment) -> None:
        self._runtime = runtime
        self._environment = environment
        self._lock = threading.RLock()
        self._executions: dict[str, _Execution] = {}

    def advance(self, cluster: Any) -> None:
        """Start what may start, and set the cluster's state by its steps."""
        with self._lock:
            if cluster.state in ENDED_CLUSTER_STATES or getattr(cluster, "getting_ready", False):
                return
            running = sum(step.state in ("RUNNING", "CANCEL_PENDING") for step in cluster.steps)
            pending = [step for step in cluster.steps if step.state == "PENDING"]
            for step in pending[: max(int(cluster.step_concurrency_level) - running, 0)]:
                self._start(cluster, step)
            if any(step.state in ACTIVE_STATES for step in cluster.steps):
                self.set_cluster_state(cluster, "RUNNING", "Running step")
            elif cluster.keep_job_flow_alive_when_no_steps:
                self.set_cluster_state(cluster, "WAITING", "Cluster ready to run steps.")
            else:
                cluster.end("ALL_STEPS_COMPLETED", "Steps completed")

    def announce_pending(self, cluster: Any, step: Any) -> None:
        """Send the event of a step that was added."""
        self._send_step_event(cluster, step)

    def cancel(self, cluster: Any, step: Any, *, kill: bool) -> str | None:
        """Cancel a step; return why not, or None."""
        with self._lock:
            if step.state == "PENDING":
                self._set_state(cluster, step, "CANCELLED")
            elif step.state == "RUNNING":
                step.state = "CANCEL_PENDING"
                execution = self._executions[step.id]
                execution.cancelling.set()
                if execution.process is not None:
                    execution.process.kill() if kill else execution.process.terminate()
            else:
                return f"Cannot cancel step {step.id}: its state is {step.state}."
        self.advance(cluster)
        return None

    def cancel_all(self, cluster: Any) -> None:
        """Cancel every step of a cluster that ended."""
        with self._lock:
            for step in cluster.steps:
                if step.state == "PENDING":
                    self._set_state(cluster, step, "CANCELLED")
                elif step.state in ACTIVE_STATES:
                    execution = self._executions[step.id]
                    execution.cancelling.set()
                    if execution.process is not None:
                        execution.process.kill()

    def set_cluster_state(self, cluster: Any, state: str, message: str, code: str = "") -> None:
        """Set a cluster's state and, when it is new, send its event."""
        if cluster.state == state and getattr(cluster, "announced_state", None) == state:
            return
        cluster.state = cluster.announced_state = state
        cluster.last_state_change_reason = message
        cluster.last_state_change_code = code
        detail = {
            "severity": "CRITICAL" if state == "TERMINATED_WITH_ERRORS" else "INFO",
            "stateChangeReason": json.dumps({"code": code, "message": message} if code else {}),
            "name": cluster.name,
            "clusterId": cluster.id,
            "state": state,
            "message": f"Amazon EMR Cluster {cluster.id} ({cluster.name}) is in state {state}. {message}",
        }
        self._send(cluster, "EMR Cluster State Change", detail)

    def _start(self, cluster: Any, step: Any) -> None:
        step.start_date_time = utcnow()
        execution = self._executions[step.id] = _Execution()
        self._set_state(cluster, step, "RUNNING")
        death = self._runtime.faults.take("cluster-dies", cluster.id, cluster.name, at="step")
        if death is not None:
            self._runtime.start_thread(
                f"death-of-{cluster.id}", lambda: lose_primary_node(self._runtime, cluster, death)
            )
        self._runtime.start_thread(f"step-{step.id}", lambda: self._run(cluster, step, execution))

    def _run(self, cluster: Any, step: Any, execution: _Execution) -> None:
        directory = self._runtime.subdirectory("steps", cluster.id, step.id)
        failure: str | None
        try:
            failure = self._run_process(cluster, step, execution, directory)
        except StepRefused as refusal:
            failure = str(refusal)
            with (directory / "stderr").open("a") as errors:
                errors.write(f"{refusal}\n")
        except Exception as error:
            log.exception("step %s of cluster %s could not run", step.id, cluster.id)
            failure = f"{type(error).__name__}: {error}"
        if self._runtime.stopping.is_set():
            return
        uploaded = self._upload_logs(cluster, step, directory)
        self._finish(cluster, step, execution, failure, uploaded)

    def _run_process(self, cluster: Any, step: Any, execution: _Execution, directory: Path) -> str | None:
        """Run the step's command; return why it failed, or None."""
        command = step_command(step.jar, [str(argument) for argument in step.args])
        faults, names = self._runtime.faults, (step.id, step.name)
        slow, failing, dying = (faults.take(f"step-{what}", *names) for what in ("slow", "fails", "dies"))
        if slow is not None:
            execution.cancelling.wait(slow.seconds)
        if failing is not None:
            raise StepRefused(failing.message or "exit code 1: made to fail by a fault of the sandbox")
        if self._environment.missing:
            raise StepRefused(self._environment.missing)
        region = cluster.emr_backend.region_name
        with (directory / "stdout").open("wb") as output, (directory / "stderr").open("wb") as errors:
            process = SupervisedCommand(
                ["env", *command], self._environment.variables(region), directory, output, errors
            )
        self._runtime.children.add(process)
        with self._lock:
            execution.process = process
            if execution.cancelled:
                process.kill()
        murder = threading.Timer(dying.seconds, process.kill) if dying is not None else None
        if murder is not None:
            murder.start()
        try:
            code = process.wait()
        finally:
            self._runtime.children.remove(process)
            if murder is not None:
                murder.cancel()
        return None if code == 0 else _failure_message(directory, code)

    def _finish(
        self, cluster: Any, step: Any, execution: _Execution, failure: str | None, uploaded: str | None
    ) -> None:
        with self._lock:
            del self._executions[step.id]
            step.end_date_time = utcnow()
            if execution.cancelled:
                self._set_state(cluster, step, "CANCELLED")
            elif failure is None:
                self._set_state(cluster, step, "COMPLETED")
            else:
                step.failure_details = {"Reason": "Unknown Error.", "Message": failure, "LogFile": uploaded}
                self._set_state(cluster, step, "FAILED", failure)
                self._act_on_failure(cluster, step)
        self.advance(cluster)

    def _act_on_failure(self, cluster: Any, step: Any) -> None:
        action = step.action_on_failure
        if action in ("TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW") and not cluster.termination_protected:
            cluster.end("STEP_FAILURE", "Shut down as step failed", state="TERMINATED_WITH_ERRORS")
        elif action == "CANCEL_AND_WAIT":
            for other in cluster.steps:
                if other.state == "PENDING":
                    self._set_state(cluster, other, "CANCELLED")

    def _set_state(self, cluster: Any, step: Any, state: str, message: str | None = None) -> None:
        step.state = state
        if message is not None:
            step.last_state_change_reason = message
        log.info(
            "step %s (%s) of cluster %s: %s%s", step.id, step.name, cluster.id, state, f": {message}" if message else ""
        )
        self._send_step_event(cluster, step)

    def _send_step_event(self, cluster: Any, step: Any) -> None:
        detail = {
            "severity": "ERROR" if step.state == "FAILED" else "INFO",
            "actionOnFailure": step.action_on_failure,
            "stepId": step.id,
            "name": step.name,
            "clusterId": cluster.id,
            "state": step.state,
            "message": f"Step {step.id} ({step.name}) in cluster {cluster.id} ({cluster.name}) is {step.state}.",
        }
        self._send(cluster, "EMR Step Status Change", detail)

    def _send(self, cluster: Any, detail_type: str, detail: dict[str, Any]) -> None:
        backend = cluster.emr_backend
        event = service_event(backend.account_id, backend.region_name, "aws.emr", detail_type, detail)
        try:
            send_event(backend.account_id, backend.region_name, event)
        except Exception:
            log.exception("the event %r of cluster %s could not be sent", detail_type, cluster.id)

    def _upload_logs(self, cluster: Any, step: Any, directory: Path) -> str | None:
        """Put a step's output where the cluster's logs go; return the address of its standard error."""
        if not cluster.log_uri:
            return None
        target = urlparse(cluster.log_uri)
        prefix = target.path.strip("/")
        folder = f"{prefix}/{cluster.id}/steps/{step.id}" if prefix else f"{cluster.id}/steps/{step.id}"
        encryption: dict[str, str] = {}
        if getattr(cluster, "log_encryption_kms_key_id", None):
            encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": cluster.log_encryption_kms_key_id}
        client = self._runtime.client("s3", cluster.emr_backend.region_name)
        try:
            for name in _LOG_NAMES:
                path = directory / name
                content = gzip.compress(path.read_bytes() if path.exists() else b"")
                client.put_object(Bucket=target.netloc, Key=f"{folder}/{name}.gz", Body=content, **encryption)
        except Exception as error:
            log.warning("logs of step %s did not reach %s: %s", step.id, cluster.log_uri, error)
            return None
        return f"s3://{target.netloc}/{folder}/stderr.gz"


def lose_primary_node(runtime: Runtime, cluster: Any, fault: Fault) -> None:
    """End a cluster as EMR does when its primary node is lost."""
    runtime.stopping.wait(fault.seconds)
    log.info("fault: %s: cluster %s", fault, cluster.id)
    cluster.end("INSTANCE_FAILURE", "The master node was terminated.", state="TERMINATED_WITH_ERRORS")


def _failure_message(directory: Path, code: int) -> str:
    """Return the line of a step's output that says why it failed, as EMR puts it into the step's failure details.

    Spark's launcher sends the standard error of a Python application to its standard output.
    """
    output, errors = ((directory / name).read_text(errors="replace").splitlines() for name in _LOG_NAMES)
    raised = [line for line in [*errors, *output] if _EXCEPTION.match(line)]
    mentioned = [line for line in errors if "Exception" in line or "Error" in line]
    said = [line for line in [*output, *errors] if line.strip() and not line.startswith(NOTE)]
    cause = (raised or mentioned or said or ["no output"])[-1]
    return f"exit code {code}: {cause.strip()[:900]}"
