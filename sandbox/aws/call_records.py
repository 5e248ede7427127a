"""What the deployment's own roles ask of AWS: a line for each call of a function or a state machine.

The file ``calls.jsonl`` in the sandbox's directory says who called what on which resource, never what was said: it is
compared with what the roles' policies allow (`sandbox.role_evidence`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

STATE_MACHINE: Final = "states"
"""Who calls when a state machine does; functions are named by the ARN of their role."""

_ADDRESSES: Final = frozenset(
    {
        *("TableName", "IndexName", "Key", "Bucket", "Prefix", "VersionId", "TopicArn", "Name", "Namespace"),
        *("ClusterId", "JobFlowId", "stateMachineArn", "executionArn", "QueueUrl", "FunctionName", "UUID"),
    }
)
"""Parameters that say on what a call is."""


class CallRecords:
    """Appends calls to the file; several threads may do so at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def note(self, principal: str, service: str, operation: str, parameters: Mapping[str, Any]) -> None:
        """Note a call: its addresses, of an item its key, and of nothing else the value."""
        kept = {name: value for name, value in parameters.items() if name in _ADDRESSES}
        if "Item" in parameters:
            kept["Key"] = {name: parameters["Item"][name] for name in ("pk", "sk") if name in parameters["Item"]}
        line = json.dumps(
            {"principal": principal, "service": service, "operation": operation, "parameters": kept}, default=str
        )
        with self._lock, self._file.open("a", encoding="utf-8") as records:
            records.write(line + "\n")
