"""Lambda functions that run: their own zip, in processes of this Python that stay warm.

moto runs functions in Docker, or answers an echo. Here a function's code is unpacked once and loaded by a process (see
`sandbox.aws.functions.bootstrap`) that takes one event at a time; concurrent events get processes of their own, as many
as the function's concurrency allows. A process that times out or crashes is replaced. What a function logs goes to
its log group and to the sandbox's log.

The Python is this one, whatever runtime the function names.
"""

from __future__ import annotations

import hashlib
import io
import json
import queue
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.aws.functions.bootstrap import CALL_MARK, END_MARK
from sandbox.aws.functions.configuration import logging_of
from sandbox.aws.processes import kill_group
from sandbox.aws.runtime import Runtime, log
from sandbox.aws.service_events import put_metric
from sandbox.aws.service_logs import write_log

UNRESERVED_CONCURRENCY = 10
"""Invocations at once of a function that reserves none; AWS's account limit of 1,000 is not for one machine."""
INITIALIZATION_SECONDS = 10.0
"""Time for loading the code, beside the function's own timeout (Lambda developer guide, "Init phase")."""
_LOG_WAIT_SECONDS = 2.0
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


class Throttled(Exception):
    """The function already runs as often as it may."""


@dataclass(frozen=True)
class Outcome:
    """What came of an invocation."""

    request_id: str
    """Id of the invocation."""
    failed: bool
    """Whether the payload is an error."""
    payload: Any
    """Result or error of the function."""
    log: list[str]
    """What the function wrote."""

    @property
    def body(self) -> str:
        """The payload as JSON."""
        return json.dumps(self.payload)


class FunctionRunner:
    """Runs the functions of all accounts and regions."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()
        self._idle: dict[str, list[Worker]] = {}
        self._busy: dict[str, int] = {}

    def invoke(self, function: Any, event: Any, limit: int | None = None) -> Outcome:
        """Run a function with an event; raise Throttled if it has no concurrency left."""
        request_id = str(uuid.uuid4())
        worker = self._take(function, limit)
        started = time.monotonic()
        try:
            outcome = worker.invoke(function, request_id, event)
        finally:
            self._give_back(function, worker)
        milliseconds = (time.monotonic() - started) * 1000
        self._measure(function, "Invocations", 1)
        self._measure(function, "Errors", int(outcome.failed))
        self._measure(function, "Duration", milliseconds, "Milliseconds")
        return outcome

    def retire(self, arn_prefix: str) -> None:
        """End the idle processes of a function that was deleted."""
        with self._lock:
            workers = [worker for arn in list(self._idle) if _is_of(arn, arn_prefix) for worker in self._idle.pop(arn)]
        for worker in workers:
            worker.kill()

    def _take(self, function: Any, limit: int | None) -> Worker:
        arn = function.function_arn
        reserved = function.reserved_concurrency
        allowed = UNRESERVED_CONCURRENCY if reserved is None else int(reserved)
        if limit is not None:
            allowed = min(allowed, limit)
        identity = _identity(function)
        with self._lock:
            if self._busy.get(arn, 0) >= allowed:
                self._measure(function, "Throttles", 1)
                raise Throttled(f"{function.function_name} already runs {allowed} times")
            self._busy[arn] = self._busy.get(arn, 0) + 1
            idle = self._idle.setdefault(arn, [])
            outdated = [worker for worker in idle if worker.identity != identity or not worker.alive]
            self._idle[arn] = [worker for worker in idle if worker not in outdated]
            ready = self._idle[arn].pop() if self._idle[arn] else None
        for worker in outdated:
            worker.kill()
        if ready is not None:
            return ready
        try:
            return Worker(self._runtime, function, identity)
        except BaseException:
            with self._lock:
                self._busy[arn] -= 1
            raise

    def _give_back(self, function: Any, worker: Worker) -> None:
        arn = function.function_arn
        with self._lock:
            self._busy[arn] -= 1
            if worker.alive and worker.identity == _identity(function):
                self._idle.setdefault(arn, []).append(worker)
                return
        worker.kill()

    def _measure(self, function: Any, name: str, value: float, unit: str = "Count") -> None:
        dimensions = {"FunctionName": function.function_name}
        put_metric(function.account_id, function.region, "AWS/Lambda", name, value, unit, dimensions)


class Worker:
    """A process that has loaded a function and runs it for one event at a time."""

    def __init__(self, runtime: Runtime, function: Any, identity: str) -> None:
        self.identity = identity
        self._runtime = runtime
        self._log_settings = logging_of(function)
        day = time.strftime("%Y/%m/%d", time.gmtime())
        self._stream = f"{day}/[{function.version}]{uuid.uuid4().hex}"
        self._fresh = True
        self._name = function.function_name
        self._role = str(function.role)
        self._account, self._region = function.account_id, function.region
        task_root = _unpack(runtime, function)
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-u",
                str(_BOOTSTRAP),
                str(task_root),
                function.handler,
                self._log_settings["LogFormat"],
                self._log_settings.get("ApplicationLogLevel", ""),
            ],
            env=self._environment(function, task_root),
            cwd=task_root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        runtime.children.add(self)
        self._replies: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._lines: list[str] = []
        self._ended = threading.Event()
        self._request_id = ""
        self._killed = False
        runtime.start_thread(f"replies-of-{self._name}", self._read_replies)
        runtime.start_thread(f"output-of-{self._name}", self._read_output)

    @property
    def alive(self) -> bool:
        """Whether the process can take another event; one that was just killed still looks alive to the system."""
        return not self._killed and self._process.poll() is None

    def kill(self) -> None:
        """End the process and what it started."""
        if self.alive:
            self._killed = True
            kill_group(self._process)

    def invoke(self, function: Any, request_id: str, event: Any) -> Outcome:
        """Run the function with one event."""
        self._lines, self._ended, self._request_id = [], threading.Event(), request_id
        if self._log_settings["LogFormat"] != "JSON":
            self._write_log([f"START RequestId: {request_id} Version: {function.version}"])
        started = time.monotonic()
        patience = float(function.timeout) + (INITIALIZATION_SECONDS if self._fresh else 0)
        self._fresh = False
        request = {
            "id": request_id,
            "event": event,
            "arn": function.function_arn,
            "deadline": time.time() + float(function.timeout),
        }
        dying = self._runtime.faults.take("function-dies", self._name)
        death = threading.Timer(dying.seconds, self.kill) if dying is not None else None
        if death is not None:
            death.start()
        failed, payload = self._ask(request, patience, float(function.timeout))
        if death is not None:
            death.cancel()
        lines = self._lines
        self._report(function, request_id, (time.monotonic() - started) * 1000, payload if failed else None)
        return Outcome(request_id, failed, payload, lines)

    def _ask(self, request: dict[str, Any], patience: float, timeout: float) -> tuple[bool, Any]:
        request_id = request["id"]
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            reply = self._replies.get(timeout=patience)
        except queue.Empty:
            self.kill()
            message = f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
            return True, {"errorType": "Sandbox.Timedout", "errorMessage": message}
        except OSError:
            reply = None
        if reply is None:
            code = self._process.wait()
            message = f"RequestId: {request_id} Error: Runtime exited with error: exit status {code}"
            return True, {"errorType": "Runtime.ExitError", "errorMessage": message}
        self._ended.wait(_LOG_WAIT_SECONDS)
        return bool(reply["failed"]), reply["payload"]

    def _read_replies(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as replies:
            for line in replies:
                self._replies.put(json.loads(line))
        self._process.wait()
        kill_group(self._process)  # what the function started goes with it
        self._replies.put(None)
        self._runtime.children.remove(self)

    def _read_output(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as output:
            for raw in output:
                line = raw.decode(errors="replace").rstrip("\n")
                if line.startswith(END_MARK):
                    if line.removeprefix(END_MARK) == self._request_id:
                        self._ended.set()
                    continue
                if line.startswith(CALL_MARK):
                    self._runtime.calls.note(self._role, *json.loads(line.removeprefix(CALL_MARK)))
                    continue
                self._lines.append(line)
                log.info("function %s: %s", self._name, line)
                self._write_log([line])

    def _report(self, function: Any, request_id: str, milliseconds: float, error: Any) -> None:
        """Write the lines that Lambda itself adds to a function's log."""
        duration = f"{milliseconds:.2f} ms"
        billed = f"{int(milliseconds) + 1} ms"
        if self._log_settings["LogFormat"] == "JSON":
            record = {
                "requestId": request_id,
                "metrics": {"durationMs": round(milliseconds, 2), "memorySizeMB": function.memory_size},
                "status": "error" if error else "success",
            }
            when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self._write_log([json.dumps({"time": when, "type": "platform.report", "record": record})])
            return
        lines = [
            f"END RequestId: {request_id}",
            f"REPORT RequestId: {request_id}\tDuration: {duration}\tBilled Duration: {billed}\t"
            f"Memory Size: {function.memory_size} MB",
        ]
        if error and error["errorType"] in ("Sandbox.Timedout", "Runtime.ExitError"):
            lines.insert(0, error["errorMessage"])
        self._write_log(lines)

    def _write_log(self, lines: list[str]) -> None:
        try:
            write_log(self._account, self._region, self._log_settings["LogGroup"], self._stream, lines, make_group=True)
        except Exception:
            log.exception("the log of function %s could not be written", self._name)

    def _environment(self, function: Any, task_root: Path) -> dict[str, str]:
        inherited = self._runtime.process_environment(function.region)
        return (
            {name: value for name, value in inherited.items() if name != "JAVA_HOME"}
            | {
                "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
                "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
                "AWS_LAMBDA_FUNCTION_VERSION": str(function.version),
                "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                "AWS_LAMBDA_LOG_GROUP_NAME": self._log_settings["LogGroup"],
                "AWS_LAMBDA_LOG_STREAM_NAME": self._stream,
                "LAMBDA_TASK_ROOT": str(task_root),
                "PYTHONDONTWRITEBYTECODE": "1",
                "TZ": ":UTC",
                "_HANDLER": function.handler,
            }
            | {str(name): str(value) for name, value in function.environment_vars.items()}
        )


def _identity(function: Any) -> str:
    """Return a text that changes when a process that loaded the function is outdated."""
    settings = (
        function.code_sha_256,
        function.handler,
        sorted(function.environment_vars.items()),
        function.memory_size,
        logging_of(function),
    )
    return hashlib.sha256(json.dumps(settings, default=str).encode()).hexdigest()


def _is_of(arn: str, function_arn: str) -> bool:
    """Tell whether an ARN is a function's own or that of one of its versions."""
    return arn == function_arn or arn.startswith(f"{function_arn}:")


_unpacking = threading.Lock()


def _unpack(runtime: Runtime, function: Any) -> Path:
    """Unpack a function's zip once; return the directory."""
    digest = hashlib.sha256(function.code_bytes).hexdigest()[:16]
    target = runtime.subdirectory("functions") / f"{function.function_name}-{digest}"
    with _unpacking:
        if not target.exists():
            draft = target.with_suffix(".draft")
            with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
                archive.extractall(draft)
            draft.replace(target)
    return target
