"""The process that a function's code runs in: it loads the handler once and calls it for every event.

Run by `sandbox.aws.functions.workers` in a process group of its own. Requests come as JSON lines on standard input,
replies go as JSON lines to what was standard output; what the function prints goes to standard error, where a line
that starts with `END_MARK` closes an invocation. When the input ends, which it does also when the sandbox is killed,
the whole group is killed. It imports nothing but the standard library, and lets the function import no more than
Lambda's own runtime has: the standard library, boto3 with what it needs, and the function's package.
"""

from __future__ import annotations

import datetime
import importlib
import importlib.machinery
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

END_MARK = "\0end "
"""Start of the line on standard error that closes an invocation, followed by the request's id."""

CALL_MARK = "\0call "
"""Start of a line on standard error that tells of a call to AWS, followed by a JSON list: service, operation, input."""

_RUNTIME_PACKAGES = frozenset({"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3"})


class Context:
    """What a handler gets as its second argument (Lambda developer guide, "Python context object")."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.aws_request_id: str = request["id"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn: str = request["arn"]
        self.client_context = None
        self.identity = None
        self._deadline: float = request["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        """Return the time left before the invocation is ended."""
        return max(int((self._deadline - time.time()) * 1000), 0)


class OnlyRuntimePackages:
    """Refuses to import what is installed on this machine but not in Lambda."""

    def __init__(self) -> None:
        self._installed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> None:
        """Raise for a package that only this machine has; find nothing itself."""
        if path is not None or name in _RUNTIME_PACKAGES:
            return
        others = [entry for entry in sys.path if entry not in self._installed]
        finder = importlib.machinery.PathFinder
        if finder.find_spec(name, others) is None and finder.find_spec(name, self._installed) is not None:
            raise ModuleNotFoundError(f"No module named {name!r} (AWS Lambda's runtime does not have it)", name=name)


class LogFormatter(logging.Formatter):
    """Formats the function's logging as Lambda's runtime does, in its text or its JSON format."""

    request_id = ""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        moment = datetime.datetime.fromtimestamp(record.created, datetime.timezone.utc)  # noqa: UP017
        if not self._as_json:
            when = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
            return f"[{record.levelname}]\t{when}\t{self.request_id}\t{super().format(record)}"
        entry: dict[str, Any] = {
            "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": self.request_id,
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["errorType"] = record.exc_info[0].__name__
            entry["errorMessage"] = str(record.exc_info[1])
            entry["stackTrace"] = traceback.format_tb(record.exc_info[2])
        return json.dumps(entry, default=str)


def failure(error: BaseException, skip_frames: int = 1) -> dict[str, Any]:
    """Return an error as Lambda returns it."""
    frames = traceback.extract_tb(error.__traceback__)[skip_frames:]
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_list(frames),
    }


def load_handler(name: str) -> Callable[[Any, Context], Any]:
    """Import a handler named ``module.function``; raise LoadFailure as Lambda reports it."""
    module_name, _, function_name = name.rpartition(".")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise LoadFailure("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        raise LoadFailure("Runtime.UserCodeSyntaxError", message) from error
    handler = getattr(module, function_name, None)
    if handler is None:
        raise LoadFailure("Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'")
    return handler


class LoadFailure(Exception):
    """The handler could not be loaded."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.payload: dict[str, Any] = {"errorMessage": message, "errorType": kind, "stackTrace": []}


def _tell_calls() -> None:
    """Make every boto3 client of the function tell of its calls."""
    client: Any = sys.modules.get("botocore.client")
    if client is None:
        return
    call = client.BaseClient._make_api_call

    def telling(self: Any, operation_name: str, api_params: Any) -> Any:
        # Short ones say on what the call is; the others hold data, and would not fit into one write to a pipe.
        parameters = {name: value for name, value in api_params.items() if len(str(value)) <= 1000}
        told = json.dumps([self.meta.service_model.service_name, operation_name, parameters], default=str)
        os.write(2, f"{CALL_MARK}{told}\n".encode())
        return call(self, operation_name, api_params)

    client.BaseClient._make_api_call = telling


def _read_requests(requests: queue.Queue[dict[str, Any]]) -> None:
    for line in sys.stdin.buffer:
        requests.put(json.loads(line))
    os.killpg(0, signal.SIGKILL)


def _invoke(handler: Callable[[Any, Context], Any], request: Mapping[str, Any]) -> tuple[bool, Any]:
    """Call the handler; return whether it failed, and its result or error."""
    try:
        result = handler(request["event"], Context(request))
    except Exception as error:
        reported = failure(error)
        lines = [f"[ERROR] {reported['errorType']}: {reported['errorMessage']}", "Traceback (most recent call last):"]
        print("\n".join(lines + [frame.rstrip("\n") for frame in reported["stackTrace"]]))
        return True, reported
    try:
        json.dumps(result)
    except (TypeError, ValueError) as error:
        message = f"Unable to marshal response: {error}"
        return True, {"errorMessage": message, "errorType": "Runtime.MarshalError", "stackTrace": []}
    return False, result


def _reply(replies: BinaryIO, request_id: str, failed: bool, payload: Any) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(2, f"{END_MARK}{request_id}\n".encode())
    replies.write(json.dumps({"id": request_id, "failed": failed, "payload": payload}).encode() + b"\n")
    replies.flush()


def main(task_root: str, handler_name: str, log_format: str, log_level: str) -> None:
    """Serve invocations until the input ends."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    formatter = LogFormatter(as_json=log_format == "JSON")
    output = logging.StreamHandler(sys.stdout)
    output.setFormatter(formatter)
    logging.root.addHandler(output)
    if log_level:
        logging.root.setLevel(log_level)
    sys.meta_path.insert(0, OnlyRuntimePackages())  # pyright: ignore[reportArgumentType]
    sys.path.insert(0, task_root)
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    handler: Callable[[Any, Context], Any] | None = None
    broken: dict[str, Any] | None = None
    try:
        handler = load_handler(handler_name)
    except LoadFailure as error:
        broken = error.payload
    except Exception as error:
        broken = failure(error, skip_frames=0)
    _tell_calls()
    while True:
        request = requests.get()
        formatter.request_id = request["id"]
        if handler is None:
            print(f"[ERROR] {broken and broken['errorType']}: {broken and broken['errorMessage']}")
            _reply(replies, request["id"], True, broken)
            sys.exit(1)
        failed, payload = _invoke(handler, request)
        _reply(replies, request["id"], failed, payload)


if __name__ == "__main__":
    main(*sys.argv[1:5])
