"""Flow logs whose delivery status is true.

moto looks for the log group by name only: a flow log that names its group by ARN is shown as failed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.ec2.models.flow_logs import FlowLogs
from moto.logs.models import logs_backends

from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Correct the status of new flow logs."""
    init: Callable[..., None] = FlowLogs.__init__

    def flow_log_init(self: Any, *arguments: Any, **options: Any) -> None:
        init(self, *arguments, **options)
        if self.log_destination_type == "cloud-watch-logs" and self.log_destination:
            _, _, _, region, account, _, name = self.log_destination.removesuffix(":*").split(":", 6)
            exists = name in logs_backends[account][region].groups
            self.deliver_logs_status = "SUCCESS" if exists else "FAILED"
            self.deliver_logs_error_message = None if exists else "Access error"

    runtime.patches.replace(FlowLogs, "__init__", flow_log_init)
