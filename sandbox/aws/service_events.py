"""Events and metrics that AWS services send of their own accord; moto's services send none."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.events.models import events_backends


def service_event(
    account: str,
    region: str,
    source: str,
    detail_type: str,
    detail: Mapping[str, Any],
    resources: Sequence[str] = (),
) -> dict[str, Any]:
    """Build an event as moto's rules take it (``time`` is a number until it is delivered)."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": account,
        "time": time.time(),
        "region": region,
        "resources": list(resources),
        "detail": dict(detail),
    }


def send_event(account: str, region: str, event: dict[str, Any]) -> None:
    """Put an event on the account's default bus, where services send theirs."""
    bus: Any = events_backends[account][region].event_buses["default"]
    for rule in list(bus.rules.values()):
        rule.send_to_targets(event)


def put_metric(
    account: str, region: str, namespace: str, name: str, value: float, unit: str, dimensions: Mapping[str, str]
) -> None:
    """Put one value of a metric that a service publishes."""
    cloudwatch_backends[account][region].put_metric_data(
        namespace,
        [
            {
                "MetricName": name,
                "Value": value,
                "Unit": unit,
                "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
            }
        ],
    )
