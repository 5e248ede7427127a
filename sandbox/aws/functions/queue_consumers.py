"""SQS queues that call functions: event source mappings.

moto takes a message from the queue as it comes and deletes it, whatever the function does. Here a mapping polls its
queue as Lambda does: it gathers a batch until it is full or the batching window is over, invokes the function, and
deletes the messages that were processed. The others stay, become visible again after the queue's visibility timeout,
and go to the dead-letter queue by its redrive policy.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException, LambdaClientError
from moto.awslambda.models import LambdaBackend
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import sqs_backends
from moto.utilities.arns import parse_arn

from sandbox.aws.functions.workers import FunctionRunner, Outcome, Throttled
from sandbox.aws.runtime import Runtime, log

DEFAULT_CONCURRENCY = 5
"""Batches at once of a mapping that sets no maximum concurrency; Lambda starts with five pollers."""
MAXIMUM_EVENT_BYTES = 6 * 1024 * 1024
"""Size of an invocation's payload."""
_RECEIVE_AT_ONCE = 10
_POLL_SECONDS = 1.0
_THROTTLE_SECONDS = 1.0


class ResourceConflict(LambdaClientError):
    """Lambda's answer to a second mapping of a queue to a function."""

    code = 409

    def __init__(self, message: str) -> None:
        super().__init__("ResourceConflictException", message)


def install(runtime: Runtime, runner: FunctionRunner) -> None:
    """Make mappings poll."""
    create: Callable[..., Any] = LambdaBackend.create_event_source_mapping

    def create_event_source_mapping(self: Any, spec: dict[str, Any]) -> Any:
        arn = parse_arn(spec.get("EventSourceArn") or ":::::")
        if arn.service == "sqs":
            _check(self, spec, arn)
        mapping = create(self, spec)
        if arn.service == "sqs":
            # moto would hand the queue's messages over itself.
            sqs_backends[arn.account][arn.region].get_queue(arn.resource_id).lambda_event_source_mappings.clear()
            consumer = QueueConsumer(runtime, runner, self, mapping)
            runtime.start_thread(f"queue-consumer-{arn.resource_id}", consumer.run)
        return mapping

    runtime.patches.replace(LambdaBackend, "create_event_source_mapping", create_event_source_mapping)


def _check(backend: Any, spec: Mapping[str, Any], arn: Any) -> None:
    """Refuse what CreateEventSourceMapping refuses."""
    function = backend.get_function(spec["FunctionName"])
    queue = sqs_backends[arn.account][arn.region].queues.get(arn.resource_id)
    if queue is None:
        return  # moto refuses it
    visibility: Any = queue.visibility_timeout  # pyright: ignore[reportAttributeAccessIssue]
    if int(visibility) < int(function.timeout):
        raise InvalidParameterValueException(
            f"Queue visibility timeout: {visibility} seconds is less than Function timeout: {function.timeout} seconds"
        )
    if int(spec.get("BatchSize") or 10) > 10 and not spec.get("MaximumBatchingWindowInSeconds"):
        raise InvalidParameterValueException(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        )
    for other in backend.list_event_source_mappings(spec["EventSourceArn"], None):
        if other.function_arn == function.function_arn:
            raise ResourceConflict(
                f"An event source mapping with SQS arn ({spec['EventSourceArn']}) and function "
                f"({function.function_arn}) already exists. Please update or delete the existing mapping with UUID "
                f"{other.uuid}"
            )


class QueueConsumer:
    """Polls the queue of one mapping as long as the mapping exists."""

    def __init__(self, runtime: Runtime, runner: FunctionRunner, backend: Any, mapping: Any) -> None:
        self._runtime = runtime
        self._runner = runner
        self._backend = backend
        self._mapping = mapping
        arn = parse_arn(mapping.event_source_arn)
        self._queues = sqs_backends[arn.account][arn.region]
        self._queue_name = arn.resource_id
        self._busy = 0
        self._freed = threading.Condition()

    def run(self) -> None:
        """Poll until the mapping or the sandbox ends."""
        while not self._runtime.stopping.is_set() and self._backend.get_event_source_mapping(self._mapping.uuid):
            try:
                self._poll()
            except Exception:
                if not self._runtime.stopping.is_set():
                    log.exception("polling %s for a function failed", self._queue_name)
                    self._runtime.stopping.wait(_POLL_SECONDS)

    def _poll(self) -> None:
        if not self._mapping.enabled or self._queue_name not in self._queues.queues:
            self._runtime.stopping.wait(_POLL_SECONDS)
            return
        with self._freed:
            if self._busy >= self._concurrency():
                self._freed.wait(_POLL_SECONDS)
                return
        batch = self._gather()
        if batch:
            with self._freed:
                self._busy += 1
            self._runtime.start_thread(f"batch-of-{self._queue_name}", lambda: self._process(batch))

    def _concurrency(self) -> int:
        return int((self._mapping.scaling_config or {}).get("MaximumConcurrency") or DEFAULT_CONCURRENCY)

    def _gather(self) -> list[Any]:
        """Receive messages until the batch is full or the window, which the first message opens, is over."""
        batch: list[Any] = []
        size = 0
        deadline = time.monotonic() + _POLL_SECONDS
        while len(batch) < self._mapping.batch_size and size < MAXIMUM_EVENT_BYTES - 512 * 1024:
            wait = deadline - time.monotonic()
            if wait <= 0 and batch:
                break
            wanted = min(_RECEIVE_AT_ONCE, self._mapping.batch_size - len(batch))
            received = self._receive(wanted, max(wait, 0))
            if received and not batch:
                deadline = time.monotonic() + float(self._mapping.max_batch_window or 0)
            batch += received
            size += sum(len(message.body) for message in received)
            if self._runtime.stopping.is_set() or (not received and wait <= 0):
                break
        return batch

    def _receive(self, count: int, wait: float) -> list[Any]:
        visibility: Any = self._queues.get_queue(self._queue_name).visibility_timeout  # pyright: ignore[reportAttributeAccessIssue]
        return self._queues.receive_message(self._queue_name, count, wait, visibility, ["All"])  # pyright: ignore[reportArgumentType]

    def _process(self, batch: list[Any]) -> None:
        try:
            outcome = self._invoke(batch)
            if outcome is not None and not self._runtime.stopping.is_set():
                failed = failed_messages(outcome, batch, self._mapping.function_response_types or [])
                self._delete([message for message in batch if message.id not in failed])
        finally:
            with self._freed:
                self._busy -= 1
                self._freed.notify_all()

    def _invoke(self, batch: list[Any]) -> Outcome | None:
        """Invoke the function; None if it is gone or stays throttled until the messages are visible again."""
        event = {"Records": [record(message, self._mapping) for message in batch]}
        visibility: Any = self._queues.get_queue(self._queue_name).visibility_timeout  # pyright: ignore[reportAttributeAccessIssue]
        give_up = time.monotonic() + float(visibility)
        while time.monotonic() < give_up and not self._runtime.stopping.is_set():
            function = self._backend.get_function_by_arn(self._mapping.function_arn)
            if function is None:
                log.warning("queue %s: its function %s is gone", self._queue_name, self._mapping.function_arn)
                return None
            try:
                return self._runner.invoke(function, event)
            except Throttled:
                self._runtime.stopping.wait(_THROTTLE_SECONDS)
        return None

    def _delete(self, messages: list[Any]) -> None:
        for message in messages:
            try:
                self._queues.delete_message(self._queue_name, message.receipt_handle)
            except ReceiptHandleIsInvalid:
                log.warning("message %s of %s was gone before it could be deleted", message.id, self._queue_name)


def record(message: Any, mapping: Any) -> dict[str, Any]:
    """Return a message as Lambda hands it to a function (Lambda developer guide, "Example SQS message event")."""
    attributes = {
        "ApproximateReceiveCount": str(message.approximate_receive_count),
        "SentTimestamp": str(message.sent_timestamp),
        "SenderId": message.sender_id,
        "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
    }
    if message.group_id:
        attributes["MessageGroupId"] = message.group_id
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": {name: _attribute(value) for name, value in message.message_attributes.items()},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.event_source_arn,
        "awsRegion": mapping.region,
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    attribute: dict[str, Any] = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if value.get("StringValue") is not None:
        attribute["stringValue"] = value["StringValue"]
    binary = value.get("BinaryValue")
    if binary is not None:
        attribute["binaryValue"] = base64.b64encode(binary).decode() if isinstance(binary, bytes) else binary
    return attribute


def failed_messages(outcome: Outcome, batch: list[Any], response_types: list[str]) -> set[str]:
    """Return the ids of messages that stay in the queue.

    All of them after an error; with ``ReportBatchItemFailures`` those that the function names, or all when its answer
    is not of the form that Lambda asks for (Lambda developer guide, "Implementing partial batch responses").
    """
    everything = {message.id for message in batch}
    if outcome.failed:
        log.warning("a batch of %d messages failed and stays in its queue: %s", len(batch), outcome.body[:500])
        return everything
    if "ReportBatchItemFailures" not in response_types or outcome.payload is None:
        return set()
    failures = outcome.payload.get("batchItemFailures") if isinstance(outcome.payload, dict) else [outcome.payload]
    named = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in failures or []]
    if not set(named) <= everything:
        log.warning("a function's answer is not a valid batchItemFailures, all messages stay: %s", outcome.body[:500])
        return everything
    return {str(name) for name in named}
