"""Alarms that tell: composite ones, which moto does not have, and the actions of an alarm whose state changes.

moto keeps alarms and lets their state be set (SetAlarmState), and does nothing then. Here a change of state publishes
to the topics that the alarm names for it, in the form that CloudWatch sends to all but e-mail addresses, and composite
alarms follow their members. Nothing here evaluates metrics: `sandbox.alarm_evaluation` does, for whoever asks.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.sns.models import sns_backends
from moto.utilities.arns import parse_arn

from sandbox.alarm_evaluation import composite
from sandbox.aws.runtime import Runtime, log


def install(runtime: Runtime) -> None:
    """Add the call, and let changes of state act."""
    put: Callable[..., Any] = CloudWatchResponse.put_metric_alarm
    set_state: Callable[..., None] = CloudWatchBackend.set_alarm_state

    def put_composite_alarm(self: Any) -> Any:
        return put(self)

    def set_alarm_state(self: Any, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
        _change(self, set_state, alarm_name, reason, reason_data, state_value)
        for alarm in [alarm for alarm in list(self.alarms.values()) if alarm.rule and alarm_name in alarm.rule]:
            states = {name: member.state_value for name, member in self.alarms.items()}
            state = composite(alarm.rule, states)
            if state != alarm.state_value:
                _change(self, set_state, alarm.name, f"{alarm_name} is {state_value}", "{}", state)

    runtime.patches.add(CloudWatchResponse, "put_composite_alarm", put_composite_alarm)
    runtime.patches.replace(CloudWatchBackend, "set_alarm_state", set_alarm_state)


def _change(backend: Any, set_state: Callable[..., None], name: str, reason: str, reason_data: str, state: str) -> None:
    before = backend.alarms[name].state_value if name in backend.alarms else None
    set_state(backend, name, reason, reason_data, state)
    alarm = backend.alarms[name]
    if state == before or not alarm.actions_enabled:
        return
    actions = {
        "ALARM": alarm.alarm_actions,
        "OK": alarm.ok_actions,
        "INSUFFICIENT_DATA": alarm.insufficient_data_actions,
    }[state]
    for action in actions or []:
        arn = parse_arn(action)
        if arn.service != "sns":
            log.warning("alarm %s: the sandbox publishes to topics only, not to %s", name, action)
            continue
        sns_backends[arn.account][arn.region].publish(
            arn=action,
            subject=f'{state}: "{name}" in {backend.region_name}'[:100],
            message=json.dumps(_message(backend, alarm, reason, state, before)),
        )


def _message(backend: Any, alarm: Any, reason: str, state: str, before: str | None) -> dict[str, Any]:
    """What CloudWatch publishes (CloudWatch user guide, "Notifying users on alarm changes")."""
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": backend.account_id,
        "AlarmArn": alarm.alarm_arn,
        "Region": backend.region_name,
        "NewStateValue": state,
        "OldStateValue": before,
        "NewStateReason": reason,
        "StateChangeTime": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
    }
