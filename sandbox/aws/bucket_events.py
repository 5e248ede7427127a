"""S3 events as S3 sends them to EventBridge.

moto sends every event with the same id and sequencer, calls the ``etag`` ``eTag``, sends two "Object Created" events
for a multipart upload and an "Object Tags Added" for every object, and forgets on reading that a bucket sends to
EventBridge. The form is that of the S3 user guide, "EventBridge event message structure".
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from itertools import count
from typing import Any
from xml.etree import ElementTree

from flask import has_request_context, request
from moto.s3 import notifications
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response

from sandbox.aws.runtime import Runtime, log
from sandbox.aws.service_events import send_event, service_event

_REASONS = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete": "DeleteObject",
    "s3:ObjectRemoved:DeleteMarkerCreated": "DeleteObject",
}
_sequence = count(1)


def install(runtime: Runtime) -> None:
    """Send events as S3 does, and read back the setting that turns them on."""
    original_send: Callable[..., None] = notifications.send_event
    put_object: Callable[..., Any] = S3Backend.put_object
    read_notifications: Callable[..., Any] = S3Response.get_bucket_notification
    detail_type_of: Callable[[str], str] = notifications._detail_type  # pyright: ignore[reportPrivateUsage]

    def send(account_id: str, event_name: Any, bucket: Any, key: Any) -> None:
        tagging = event_name == notifications.S3NotificationEvent.OBJECT_TAGGING_PUT_EVENT
        if tagging and has_request_context() and "tagging" not in request.args:
            return  # tags given with an object are part of its creation
        original_send(account_id, event_name, bucket, key)

    def send_to_event_bridge(account_id: str, bucket: Any, event_name: Any, key: Any) -> None:
        try:
            event = service_event(
                account_id,
                bucket.region_name,
                "aws.s3",
                detail_type_of(event_name),
                _detail(account_id, bucket, str(event_name.value), key),
                [bucket.arn],
            )
            send_event(account_id, bucket.region_name, event)
        except Exception:
            log.exception("the event %s of s3://%s could not be sent", event_name, bucket.name)

    def put(self: Any, *arguments: Any, **options: Any) -> Any:
        if options.get("multipart") is not None:
            options["disable_notification"] = True  # the end of the upload has its own event
        return put_object(self, *arguments, **options)

    def get_bucket_notification(self: Any) -> Any:
        status, headers, body = read_notifications(self)
        configuration = self.backend.get_bucket_notification_configuration(self.bucket_name)
        if configuration is None or configuration.event_bridge is None:
            return status, headers, body
        namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
        ElementTree.register_namespace("", namespace)
        document = ElementTree.fromstring(body)
        ElementTree.SubElement(document, f"{{{namespace}}}EventBridgeConfiguration")
        return status, headers, ElementTree.tostring(document, encoding="unicode", xml_declaration=True)

    runtime.patches.replace(notifications, "send_event", send)
    runtime.patches.replace(notifications, "_send_event_bridge_message", send_to_event_bridge)
    runtime.patches.replace(S3Backend, "put_object", put)
    runtime.patches.replace(S3Response, "get_bucket_notification", get_bucket_notification)


def _detail(account_id: str, bucket: Any, event_name: str, key: Any) -> dict[str, Any]:
    removed = event_name.startswith("s3:ObjectRemoved")
    described: dict[str, Any] = {"key": key.name}
    if not removed:
        described |= {"size": key.size, "etag": key.etag.replace('"', "")}
    if bucket.is_versioned:
        described["version-id"] = key.version_id
    described["sequencer"] = f"{next(_sequence):018X}"
    detail: dict[str, Any] = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": described,
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": account_id,
        "source-ip-address": "127.0.0.1",
    }
    if event_name in _REASONS:
        detail["reason"] = _REASONS[event_name]
    if removed:
        marker = event_name.endswith("DeleteMarkerCreated")
        detail["deletion-type"] = "Delete Marker Created" if marker else "Permanently Deleted"
    return detail
