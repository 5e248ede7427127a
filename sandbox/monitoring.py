"""What the deployed alarms say about a sandbox's data."""

from __future__ import annotations

import time
from typing import Any

from sandbox.alarm_evaluation import Evaluation, evaluate, from_cloudwatch


def judge(client: Any, prefix: str) -> dict[str, Evaluation]:
    """Evaluate every deployed alarm whose metrics have data, as it is read back, and set its state, which tells people.

    Alarms without data are left alone: many services publish no metrics here (EMR, NAT, flow logs), and an alarm on
    silence would be right, but about the sandbox.
    """
    gather = from_cloudwatch(client)
    now = int(time.time()) + 60
    judged: dict[str, Evaluation] = {}
    pages = client.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm"])
    for alarm in [alarm for page in pages for alarm in page["MetricAlarms"]]:
        found = evaluate(alarm, gather, now, alarm["StateValue"])
        if any(value is not None for value in found.values):
            judged[alarm["AlarmName"]] = found
            client.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue=found.state, StateReason=found.reason)
    return judged
