"""The history of executions in CloudWatch Logs, by the state machine's logging configuration.

moto has the parts for it, but gives no execution a logging session, and writes what its own log service does not take.
"""

from __future__ import annotations

import datetime
import time
from typing import Any

from moto.stepfunctions.parser.asl.eval.event.logging import (
    CloudWatchLoggingConfiguration,
    CloudWatchLoggingSession,
)
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from sandbox.aws.runtime import log
from sandbox.aws.service_logs import write_log


class HistoryLog(CloudWatchLoggingSession):
    """Writes the events of one execution's history to a log group."""

    def publish_history_log(self, history_log: Any) -> None:
        """Write one event."""
        configuration = self.configuration
        moment = datetime.datetime.fromisoformat(history_log["event_timestamp"])
        entry = dict(history_log) | {"event_timestamp": str(int(moment.timestamp() * 1000))}
        try:
            written = write_log(
                configuration.log_account_id,
                configuration.log_region,
                configuration.log_group_name,
                configuration.log_stream_name,
                [to_json_str(entry)],
                make_group=False,
            )
        except Exception:
            log.exception("the history of %s could not be logged", self.execution_arn)
            return
        if not written:
            log.warning("log group %s of %s is missing", configuration.log_group_name, self.execution_arn)


def logging_session(execution: Any) -> HistoryLog | None:
    """Return where an execution's history goes; None if nowhere."""
    settings = execution.state_machine.loggingConfiguration or {}
    destinations = settings.get("destinations") or []
    if settings.get("level", "OFF") == "OFF" or not destinations:
        return None
    parts = destinations[0]["cloudWatchLogsLogGroup"]["logGroupArn"].split(":")
    configuration = CloudWatchLoggingConfiguration(
        state_machine_arn=execution.state_machine_arn,
        log_account_id=parts[4],
        log_region=parts[3],
        log_group_name=parts[6],
        log_level=settings["level"],
        include_execution_data=bool(settings.get("includeExecutionData")),
    )
    day = time.strftime("%Y-%m-%d-%H-%M", time.gmtime())
    session = HistoryLog(execution.exec_arn, configuration)
    configuration.log_stream_name = f"states/{execution.state_machine.name}/{day}/{execution.name}"  # pyright: ignore
    return session
