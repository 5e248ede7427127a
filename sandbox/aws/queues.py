"""SQS queues that lose nothing under concurrency, and stay quick when they are long.

moto changes a queue's list of messages from every request's thread at once: a message sent while another is deleted
can be lost, one can be received twice, and a deletion walks the whole queue. Here sending, receiving, deleting and
changing the visibility of a queue's messages happen one at a time, and waiting for messages blocks nobody. moto also
counts all of a queue's messages, slowly, for every single one that is sent or received: a thousand of them already
take a minute.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moto.core.utils import camelcase_to_underscores
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, Queue, SQSBackend

from sandbox.aws.runtime import Runtime

_LOOK_AGAIN_SECONDS = 0.25
"""Pause after which a waiting receiver looks again: messages become visible by the clock, which notifies nobody."""


def install(runtime: Runtime) -> None:
    """Make queues safe."""
    receive_at_once: Callable[..., list[Any]] = SQSBackend.receive_message
    change_visibility: Callable[..., None] = SQSBackend.change_message_visibility
    add: Callable[..., None] = Queue.add_message

    def receive_message(
        backend: Any,
        queue_name: str,
        count: int,
        wait_seconds_timeout: float,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Any]:
        deadline = time.monotonic() + wait_seconds_timeout
        while True:
            queue = backend.get_queue(queue_name)
            with queue._messages_lock:
                found = receive_at_once(backend, queue_name, count, 0, visibility_timeout, message_attribute_names)
                remaining = deadline - time.monotonic()
                if found or remaining <= 0:
                    return found
                queue._messages_lock.wait(min(remaining, _LOOK_AGAIN_SECONDS))

    def change_message_visibility(backend: Any, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
        lock = backend.get_queue(queue_name)._messages_lock
        with lock:
            change_visibility(backend, queue_name, receipt_handle, visibility_timeout)
            lock.notify_all()

    def add_message(queue: Any, message: Any) -> None:
        with queue._messages_lock:
            add(queue, message)

    runtime.patches.replace(Message, "visible", property(lambda message: _now() > message.visible_at))
    runtime.patches.replace(Message, "delayed", property(lambda message: _now() < message.delayed_until))
    runtime.patches.replace(Queue, "attributes", property(QueueAttributes))
    runtime.patches.replace(SQSBackend, "is_message_valid_based_on_retention_period", _is_retained)
    runtime.patches.replace(SQSBackend, "receive_message", receive_message)
    runtime.patches.replace(SQSBackend, "change_message_visibility", change_message_visibility)
    runtime.patches.replace(Queue, "add_message", add_message)
    runtime.patches.replace(Queue, "delete_message", _delete_message)


def _now() -> float:
    return time.time() * 1000


class QueueAttributes(Mapping[str, Any]):
    """A queue's attributes, each worked out when it is read; moto works out all of them."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def __iter__(self) -> Iterator[str]:
        queue = self._queue
        yield from queue.BASE_ATTRIBUTES
        if queue.fifo_queue:
            yield from queue.FIFO_ATTRIBUTES
        if queue.kms_master_key_id:
            yield from queue.KMS_ATTRIBUTES

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, name: str) -> Any:
        if name not in set(self):
            raise KeyError(name)
        value = getattr(self._queue, camelcase_to_underscores(name))
        if name == "RedrivePolicy" and value:
            return json.dumps(value)
        return str(value).lower() if isinstance(value, bool) else value


def _is_retained(backend: Any, queue_name: str, message: Any) -> bool:
    period = int(backend.get_queue(queue_name).message_retention_period)
    return message.sent_timestamp + period * 1000 > _now()


def _delete_message(queue: Any, receipt_handle: str) -> None:
    with queue._messages_lock:
        if receipt_handle in queue.deleted_messages:
            return
        # Messages are deleted about in the order in which they came, so the one sought is near the front.
        for position, message in enumerate(queue._messages):
            if message.had_receipt_handle(receipt_handle):
                del queue._messages[position]
                queue.pending_messages.discard(message)
                queue.deleted_messages.update(message.all_receipt_handles)
                return
        raise ReceiptHandleIsInvalid
