"""SQS queues that lose nothing under concurrency.

moto changes a queue's list of messages from every request's thread at once: a message sent while another is deleted
can be lost, one can be received twice, and a deletion walks the whole queue. Here sending, receiving, deleting and
changing the visibility of a queue's messages happen one at a time, and waiting for messages blocks nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Queue, SQSBackend

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

    runtime.patches.replace(SQSBackend, "receive_message", receive_message)
    runtime.patches.replace(SQSBackend, "change_message_visibility", change_message_visibility)
    runtime.patches.replace(Queue, "add_message", add_message)
    runtime.patches.replace(Queue, "delete_message", _delete_message)


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
