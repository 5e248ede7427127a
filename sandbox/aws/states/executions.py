"""Executions as Step Functions has them.

In moto an execution without a name is called "None", stopping one takes effect when its current state ends and
forgets why, times in the context make its output unreadable, and executions send no events, metrics or logs. Here
they have names, stop at once, and send "Step Functions Execution Status Change" events, the metrics of ``AWS/States``
and, where the state machine asks for it, their history to its log group.
"""

from __future__ import annotations

import datetime
import json
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.stepfunctions.exceptions import InvalidExecutionInput, ValidationException
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str
from moto.stepfunctions.parser.backend import execution as moto_execution
from moto.stepfunctions.parser.backend import execution_worker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

from sandbox.aws.runtime import Runtime, log
from sandbox.aws.service_events import put_metric, send_event, service_event
from sandbox.aws.states.documents import iso
from sandbox.aws.states.history_logs import logging_session
from sandbox.aws.states.versions import resolve

MAXIMUM_INPUT_BYTES = 256 * 1024
"""Size of an execution's input (Step Functions quotas)."""
_METRICS = {
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}
_starting = threading.Lock()


def install(runtime: Runtime) -> None:
    """Make executions complete."""
    patches = runtime.patches
    backend: Any = StepFunctionsParserBackend
    execution_class: Any = moto_execution.Execution
    communication: Any = moto_execution.BaseExecutionWorkerCommunication
    start: Callable[..., Any] = backend.start_execution
    run: Callable[..., None] = execution_class.start
    details: Callable[..., Any] = execution_class.get_start_execution_details
    logic: Callable[..., None] = execution_worker.ExecutionWorker._execution_logic  # pyright: ignore[reportPrivateUsage]
    reflect: Callable[..., None] = communication._reflect_execution_status

    def start_execution(
        self: Any,
        state_machine_arn: str,
        name: str | None = None,
        execution_input: str | None = None,
        trace_header: str | None = None,
    ) -> Any:
        if name:
            self._validate_name(name)
        if execution_input is not None:
            _check_input(execution_input)
        arn = resolve(self, state_machine_arn)
        with _starting:
            return start(self, arn, name or str(uuid.uuid4()), execution_input, trace_header)

    def start_with_log(self: Any) -> None:
        machine = self.state_machine
        self.state_machine_arn = getattr(machine, "source_arn", machine.arn)
        self.state_machine_version_arn = machine.arn if hasattr(machine, "source_arn") else None
        self.sandbox_ended = threading.Event()
        self._cloud_watch_logging_session = logging_session(self)
        _announce(self, "RUNNING")
        run(self)

    def start_details(self: Any) -> Any:
        found = details(self)
        found.start_time = iso(self.start_date)
        return found

    def reflect_status(self: Any) -> None:
        execution = self.execution
        if execution.exec_status == ExecutionStatus.ABORTED:
            return
        reflect(self)
        _end(execution)

    def execution_logic(self: Any) -> None:
        try:
            logic(self)
        except Exception as error:
            execution = self._execution_communication.execution
            log.exception("execution %s could not be run", execution.name)
            execution.stop_date = datetime.datetime.now(tz=datetime.UTC)
            execution.error, execution.cause = "States.Runtime", f"{type(error).__name__}: {error}"
            execution.exec_status = ExecutionStatus.FAILED
            _end(execution)

    def stop(self: Any, stop_date: datetime.datetime, error: str | None, cause: str | None) -> None:
        if self.exec_status != ExecutionStatus.RUNNING:
            return
        self.error, self.cause = error or None, cause or None
        self.stop_date = datetime.datetime.now(tz=datetime.UTC)
        self.exec_status = ExecutionStatus.ABORTED
        if _has_begun(self):
            self.exec_worker.stop(stop_date=stop_date, cause=cause, error=error)
        _end(self)

    def stop_execution(self: Any) -> Any:
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        execution.stop(None, self._get_param("error"), self._get_param("cause"))
        return ActionResult({"stopDate": execution.stop_date})

    patches.replace(execution_worker.ExecutionWorker, "_execution_logic", execution_logic)
    patches.replace(backend, "start_execution", start_execution)
    patches.replace(execution_class, "start", start_with_log)
    patches.replace(execution_class, "stop", stop)
    patches.replace(execution_class, "get_start_execution_details", start_details)
    patches.replace(communication, "_reflect_execution_status", reflect_status)
    patches.replace(StepFunctionResponse, "stop_execution", stop_execution)
    patches.replace(StepFunctionResponse, "describe_execution", _describe_execution)
    patches.replace(StepFunctionResponse, "list_executions", _list_executions)


def _has_begun(execution: Any) -> bool:
    """Wait until an execution that was just started can be told to stop; False if it never begins."""
    deadline = time.monotonic() + 2
    while execution.exec_worker.env is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return execution.exec_worker.env is not None


def _check_input(text: str) -> None:
    if len(text.encode()) > MAXIMUM_INPUT_BYTES:
        raise ValidationException(
            "1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length less "
            f"than or equal to {MAXIMUM_INPUT_BYTES}"
        )
    try:
        json.loads(text)
    except ValueError as error:
        raise InvalidExecutionInput(f"Invalid State Machine Execution Input: '{error}'") from error


def _end(execution: Any) -> None:
    """Tell, once, that an execution ended."""
    if execution.sandbox_ended.is_set():
        return
    execution.sandbox_ended.set()
    _announce(execution, execution.status)


def _announce(execution: Any, status: str) -> None:
    """Send the event and metrics of a change of status; no failure of theirs touches the execution."""
    log.info("execution %s: %s%s", execution.name, status, f" ({execution.error})" if execution.error else "")
    try:
        account, region = execution.account_id, execution.region_name
        dimensions = {"StateMachineArn": execution.state_machine_arn}
        if status == "RUNNING":
            put_metric(account, region, "AWS/States", "ExecutionsStarted", 1, "Count", dimensions)
        else:
            put_metric(account, region, "AWS/States", _METRICS[status], 1, "Count", dimensions)
            milliseconds = (execution.stop_date - execution.start_date).total_seconds() * 1000
            put_metric(account, region, "AWS/States", "ExecutionTime", milliseconds, "Milliseconds", dimensions)
        event = service_event(
            account,
            region,
            "aws.states",
            "Step Functions Execution Status Change",
            _event_detail(execution, status),
            [execution.exec_arn],
        )
        send_event(account, region, event)
    except Exception:
        log.exception("the status %s of execution %s could not be announced", status, execution.name)


def _event_detail(execution: Any, status: str) -> dict[str, Any]:
    def milliseconds(moment: datetime.datetime | None) -> int | None:
        return int(moment.timestamp() * 1000) if moment else None

    succeeded = status == "SUCCEEDED"
    return {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine_arn,
        "stateMachineVersionArn": execution.state_machine_version_arn,
        "stateMachineAliasArn": None,
        "name": execution.name,
        "status": status,
        "startDate": milliseconds(execution.start_date),
        "stopDate": milliseconds(execution.stop_date),
        "input": execution.execution_input,
        "inputDetails": {"included": True},
        "output": to_json_str(execution.output, separators=(",", ":")) if succeeded else None,
        "outputDetails": {"included": True} if succeeded else None,
        "error": execution.error,
        "cause": execution.cause,
    }


def _describe_execution(self: Any) -> Any:
    execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    described: dict[str, Any] = _listed(execution) | {
        "input": execution.execution_input,
        "inputDetails": {"included": True},
        "error": execution.error,
        "cause": execution.cause,
    }
    if execution.status == "SUCCEEDED":
        described["output"] = to_json_str(execution.output, separators=(",", ":"))
        described["outputDetails"] = {"included": True}
    return ActionResult(described)


def _list_executions(self: Any) -> Any:
    results, next_token = self.stepfunction_backend.list_executions(
        self._get_param("stateMachineArn"),
        status_filter=self._get_param("statusFilter"),
        max_results=self._get_int_param("maxResults"),
        next_token=self._get_param("nextToken"),
    )
    return ActionResult({"executions": [_listed(execution) for execution in results], "nextToken": next_token})


def _listed(execution: Any) -> dict[str, Any]:
    return {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine_arn,
        "stateMachineVersionArn": execution.state_machine_version_arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": execution.start_date,
        "stopDate": execution.stop_date,
    }
