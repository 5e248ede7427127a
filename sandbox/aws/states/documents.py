"""Values of AWS answers as the JSON documents that states pass on."""

from __future__ import annotations

import datetime
from typing import Any


def iso(moment: datetime.datetime) -> str:
    """Return a time as Step Functions writes it: UTC, milliseconds, ``Z``."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def as_document(value: Any) -> Any:
    """Return a value of an AWS answer as JSON has it: times as text, streams and bytes as their text."""
    if isinstance(value, dict):
        return {str(key): as_document(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_document(item) for item in value]
    if isinstance(value, datetime.datetime):
        return iso(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "read"):
        return as_document(value.read())
    return value
