"""Invoking functions: at once, or later with retries.

moto answers every invocation at once, with what Docker said, and knows neither throttling nor retries nor dead
letters. An invocation of the type ``Event``, and any by another service, is accepted and run in the background; one
that fails is retried after one and after two more minutes, as Lambda does, and then goes to the function's failure
destination or dead letter queue.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.utilities.arns import parse_arn

from sandbox.aws.functions.workers import UNRESERVED_CONCURRENCY, FunctionRunner, Outcome, Throttled
from sandbox.aws.runtime import Runtime, log

RETRY_DELAYS_SECONDS = (60.0, 120.0)
"""Waits before the two retries of a failed asynchronous invocation (Lambda developer guide)."""
_THROTTLE_DELAY_SECONDS = 1.0
_LOG_TAIL_BYTES = 4096


class TooManyRequests(LambdaClientError):
    """Lambda's answer to an invocation beyond a function's concurrency."""

    code = 429

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")


def install(runtime: Runtime, runner: FunctionRunner) -> None:
    """Make invocations run the functions."""
    later = Later(runtime, runner)
    delete: Callable[..., None] = LambdaBackend.delete_function

    def invoke(self: Any, body: str | bytes, request_headers: Any, response_headers: dict[str, str]) -> bytes:
        event = _event(body)
        # moto's own services pass no headers; they invoke functions asynchronously.
        kind = _header(request_headers, "x-amz-invocation-type") or ("RequestResponse" if request_headers else "Event")
        if kind == "DryRun":
            return b""
        if kind == "Event":
            later.submit(self, event)
            return b""
        try:
            outcome = runner.invoke(self, event)
        except Throttled as error:
            raise TooManyRequests from error
        response_headers["x-amz-executed-version"] = str(self.version)
        if outcome.failed:
            response_headers["x-amz-function-error"] = "Unhandled"
        tail = "\n".join(outcome.log).encode()[-_LOG_TAIL_BYTES:]
        response_headers["x-amz-log-result"] = base64.b64encode(tail).decode()
        return outcome.body.encode()

    def delete_function(self: Any, function_name: str, qualifier: str | None = None) -> None:
        function_arn = self.get_function(function_name, qualifier).function_arn
        delete(self, function_name, qualifier)
        runner.retire(function_arn)

    runtime.patches.replace(LambdaFunction, "invoke", invoke)
    runtime.patches.replace(LambdaBackend, "delete_function", delete_function)


def _event(body: str | bytes) -> Any:
    if not body:
        return {}
    try:
        return json.loads(body)
    except ValueError as error:
        raise LambdaClientError(
            "InvalidRequestContentException", f"Could not parse request body into json: {error}"
        ) from error


def _header(headers: Any, name: str) -> str | None:
    for key, value in dict(headers or {}).items():
        if key.lower() == name:
            return value
    return None


class Later:
    """Runs asynchronous invocations."""

    def __init__(self, runtime: Runtime, runner: FunctionRunner) -> None:
        self._runtime = runtime
        self._runner = runner
        self._threads = ThreadPoolExecutor(UNRESERVED_CONCURRENCY, "function-later")

    def submit(self, function: Any, event: Any, attempt: int = 0) -> None:
        """Run a function soon."""
        if not self._runtime.stopping.is_set():
            self._threads.submit(self._guarded, function, event, attempt)

    def _guarded(self, function: Any, event: Any, attempt: int) -> None:
        try:
            self._attempt(function, event, attempt)
        except Exception:
            if not self._runtime.stopping.is_set():
                log.exception("the asynchronous invocation of %s ended with an exception", function.function_name)

    def _attempt(self, function: Any, event: Any, attempt: int) -> None:
        try:
            outcome = self._runner.invoke(function, event)
        except Throttled:
            self._submit_after(_THROTTLE_DELAY_SECONDS, function, event, attempt)
            return
        if self._runtime.stopping.is_set():
            return
        configuration = _invoke_configuration(function)
        if not outcome.failed:
            self._send_record(function, configuration, "OnSuccess", event, outcome, attempt)
        elif attempt < configuration.get("MaximumRetryAttempts", len(RETRY_DELAYS_SECONDS)):
            log.warning("function %s failed and will be retried: %s", function.function_name, outcome.body)
            self._submit_after(RETRY_DELAYS_SECONDS[attempt], function, event, attempt + 1)
        else:
            log.warning("function %s failed for good: %s", function.function_name, outcome.body)
            self._send_record(function, configuration, "OnFailure", event, outcome, attempt)
            self._dead_letter(function, event, outcome)

    def _submit_after(self, seconds: float, function: Any, event: Any, attempt: int) -> None:
        timer = threading.Timer(seconds, self.submit, (function, event, attempt))
        timer.daemon = True
        timer.start()

    def _send_record(
        self, function: Any, configuration: Mapping[str, Any], end: str, event: Any, outcome: Outcome, attempt: int
    ) -> None:
        """Send what became of an invocation to the function's destination."""
        target = configuration.get("DestinationConfig", {}).get(end, {}).get("Destination")
        if not target:
            return
        condition = "Success" if end == "OnSuccess" else "RetriesExhausted"
        response = {"statusCode": 200, "executedVersion": str(function.version)}
        record = {
            "version": "1.0",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            "requestContext": {
                "requestId": outcome.request_id,
                "functionArn": f"{function.function_arn}:{function.version}",
                "condition": condition,
                "approximateInvokeCount": attempt + 1,
            },
            "requestPayload": event,
            "responseContext": response | ({"functionError": "Unhandled"} if outcome.failed else {}),
            "responsePayload": outcome.payload,
        }
        _send(target, json.dumps(record), {})

    def _dead_letter(self, function: Any, event: Any, outcome: Outcome) -> None:
        target = function.dead_letter_config.get("TargetArn")
        if target:
            attributes = {
                "RequestID": outcome.request_id,
                "ErrorCode": "200",
                "ErrorMessage": str(outcome.payload.get("errorMessage", ""))[:1024] or "none",
            }
            _send(target, json.dumps(event), attributes)


def _invoke_configuration(function: Any) -> dict[str, Any]:
    return function.event_invoke_config[0].config if function.event_invoke_config else {}


def _send(target: str, message: str, attributes: Mapping[str, str]) -> None:
    """Send a message to a queue or topic."""
    arn = parse_arn(target)
    typed = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    if arn.service == "sqs":
        sqs_backends[arn.account][arn.region].send_message(arn.resource_id, message, message_attributes=typed)
    elif arn.service == "sns":
        sns_backends[arn.account][arn.region].publish(message=message, arn=target)
    else:
        log.warning("the sandbox sends what became of an invocation to queues and topics only, not to %s", target)
