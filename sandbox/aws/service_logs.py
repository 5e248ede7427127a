"""Lines that AWS services write to CloudWatch Logs of their own accord; moto's services write none."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from moto.logs.models import logs_backends

_lock = threading.Lock()


def write_log(account: str, region: str, group: str, stream: str, messages: Sequence[str], *, make_group: bool) -> bool:
    """Write lines to a stream, which is made; return False if the group is missing and not to be made."""
    if not messages:
        return True
    backend: Any = logs_backends[account][region]
    with _lock:
        if make_group:
            backend.ensure_log_group(group)
        if group not in backend.groups:
            return False
        if stream not in backend.groups[group].streams:
            backend.create_log_stream(group, stream)
        now = int(time.time() * 1000)
        backend.put_log_events(group, stream, [{"timestamp": now, "message": message} for message in messages])
    return True
