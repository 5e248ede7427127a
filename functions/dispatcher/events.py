"""Events of new objects, as the intake queue's messages hold them. Pure: text in, object versions out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, cast


class MalformedMessageError(ValueError):
    """A message that is no event of S3."""


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an object, as its event tells of it."""

    bucket: str
    key: str
    version_id: str | None
    size: int
    etag: str
    sequencer: str = ""
    """Orders the versions of a key; empty where it is not known (`backfill` lists objects and has none)."""
    time: str = field(default="", compare=False)
    """When the event happened, ISO 8601; empty where that is not known. A duplicate may have another."""

    @property
    def place(self) -> tuple[str, str]:
        """What a later version replaces."""
        return self.bucket, self.key

    def is_newer_than(self, other: ObjectVersion) -> bool:
        """Whether this version of the same key was surely made later.

        S3's sequencers compare as text, the shorter filled up with zeros (Amazon S3 user guide, "Event message
        structure").
        """
        if not self.sequencer or not other.sequencer:
            return False
        width = max(len(self.sequencer), len(other.sequencer))
        return self.sequencer.ljust(width, "0") > other.sequencer.ljust(width, "0")


def parse(body: str) -> ObjectVersion | None:
    """The object version that a message tells of; None for an event of another kind.

    EventBridge gives keys as they are, not URL-encoded (Amazon S3 User Guide, "EventBridge event message structure").

    Raises:
        MalformedMessageError: when the message is no event of S3.
    """
    try:
        event = json.loads(body)
    except ValueError as error:
        raise MalformedMessageError(f"is not JSON: {error}") from None
    if not isinstance(event, dict):
        raise MalformedMessageError("is not a JSON object")
    fields = cast(dict[str, Any], event)
    if fields.get("source") != "aws.s3" or "detail-type" not in fields:
        raise MalformedMessageError(f"is no event of S3: source is {fields.get('source')!r}, not 'aws.s3'")
    if fields["detail-type"] != "Object Created":
        return None
    try:
        detail = fields["detail"]
        item = detail["object"]
        bucket, key, size = detail["bucket"]["name"], item["key"], item["size"]
        # S3's own notifications spell it eTag.
        etag = item.get("etag", item.get("eTag", ""))
        version_id, sequencer = item.get("version-id"), item.get("sequencer", "")
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedMessageError(f"is an event of S3 without what it should hold: {error!r}") from None
    if not (isinstance(bucket, str) and isinstance(key, str) and bucket and key):
        raise MalformedMessageError("is an event of S3 whose bucket or key is no text")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise MalformedMessageError(f"is an event of S3 whose size is {size!r}")
    # A bucket that was never versioned has no ids, one whose versioning is suspended has "null".
    known = None if version_id in (None, "", "null") else str(version_id)
    return ObjectVersion(bucket, key, known, size, str(etag), str(sequencer), str(fields.get("time", "")))


def event_of(version: ObjectVersion) -> dict[str, Any]:
    """The event that `parse` reads this version from; what `backfill` puts on the intake queue."""
    item: dict[str, Any] = {"key": version.key, "size": version.size, "etag": version.etag}
    if version.version_id is not None:
        item["version-id"] = version.version_id
    if version.sequencer:
        item["sequencer"] = version.sequencer
    return {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": version.bucket}, "object": item, "reason": "Backfill"},
    }
