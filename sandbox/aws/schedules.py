"""EventBridge rules with ``rate(…)`` that fire.

moto keeps the schedule of a rule and never acts on it. Here a rule fires for the first time one period after it was
made or changed, then every period. ``cron(…)`` does not fire, and the log says so once.
"""

from __future__ import annotations

import re
import time
from typing import Any

from moto.events.models import events_backends

from sandbox.aws.event_rules import deliver
from sandbox.aws.runtime import Runtime, log
from sandbox.aws.service_events import service_event

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_LOOK_EVERY_SECONDS = 1.0


def period_seconds(expression: str) -> int | None:
    """Return the period of a ``rate(…)`` expression; None for any other."""
    match = _RATE.fullmatch(expression.strip())
    return int(match.group(1)) * _SECONDS[match.group(2)] if match else None


class Scheduler:
    """Fires the rules of every account and region when they are due."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, str], float] = {}
        self._refused: set[tuple[str, str]] = set()

    def fire_due(self, now: float) -> None:
        """Fire what is due, and take note of rules that came, changed or went."""
        seen: set[tuple[str, str]] = set()
        for rule in _scheduled_rules():
            key = (rule.arn, rule.scheduled_expression)
            seen.add(key)
            period = period_seconds(rule.scheduled_expression)
            if period is None:
                if key not in self._refused:
                    self._refused.add(key)
                    log.warning("rule %s: %s does not fire in the sandbox, only rate(…) does", rule.name, key[1])
            elif key not in self._due:
                self._due[key] = now + period
            elif now >= self._due[key]:
                self._due[key] += period
                deliver(rule, _scheduled_event(rule))
        self._due = {key: due for key, due in self._due.items() if key in seen}


def install(runtime: Runtime) -> None:
    """Start the scheduler."""
    scheduler = Scheduler()

    def work() -> None:
        while not runtime.stopping.wait(_LOOK_EVERY_SECONDS):
            try:
                scheduler.fire_due(time.monotonic())
            except Exception:
                log.exception("scheduled rules could not be fired")

    runtime.start_thread("schedules", work)


def _scheduled_rules() -> list[Any]:
    return [
        rule
        for regions in list(events_backends.values())
        for backend in list(regions.values())
        for bus in list(backend.event_buses.values())
        for rule in list(bus.rules.values())
        if rule.scheduled_expression
    ]


def _scheduled_event(rule: Any) -> dict[str, Any]:
    return service_event(rule.account_id, rule.region_name, "aws.events", "Scheduled Event", {}, [rule.arn])
