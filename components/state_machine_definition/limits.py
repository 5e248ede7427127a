"""How often and how long an execution looks, waits and tries: numbers that follow from the settings.

An execution's history holds 25,000 events (Step Functions quotas), and the one more ends it unheard. So every loop
looks a bounded number of times, however long it waits: the waits grow instead. `HISTORY_BUDGET` holds even when every
call needs all of its retries; a test adds it up over the definition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from settings import OrchestrationSettings

HISTORY_LIMIT = 25_000
"""Events that an execution's history may hold."""

HISTORY_BUDGET = 20_000
"""Most events that the definition may come to: the rest is room for what a later version adds."""

_FAST_LOOKS = 60
"""Looks at a step in the configured interval; what is left of the timeout is shared by the slow ones."""

_SLOW_LOOKS = 100
"""Most looks at a step after that."""

_REPLACEMENT_LOOKS = 80
"""Most looks for a cluster that replaces one that is gone."""

_ROOM_LOOKS = 48
"""Most tries to submit to a cluster that has as many steps as it may."""


@dataclass(frozen=True)
class Looks:
    """Looks at something that changes by itself."""

    count: int
    seconds: int
    """Between two of them."""


def spread(total_seconds: float, interval_seconds: int, most: int) -> Looks:
    """Spread looks over a time: in the interval, or as much further apart as their number asks for."""
    seconds = max(interval_seconds, math.ceil(total_seconds / most), 1)
    return Looks(max(math.ceil(total_seconds / seconds), 1), seconds)


@dataclass(frozen=True)
class StepWatch:
    """How often a step is looked at before it is cancelled."""

    fast: Looks
    slow: Looks | None
    """Looks that follow; None when the fast ones last for the whole timeout."""

    @property
    def looks(self) -> int:
        """All looks."""
        return self.fast.count + (self.slow.count if self.slow else 0)


def step_watch(settings: OrchestrationSettings) -> StepWatch:
    """Looks at a step: soon at first, so that short runs do not wait; a bounded number in all."""
    timeout = settings.step_timeout_minutes * 60
    fast_seconds = _FAST_LOOKS * settings.step_poll_seconds
    if timeout <= fast_seconds:
        return StepWatch(spread(timeout, settings.step_poll_seconds, _FAST_LOOKS), None)
    left = timeout - fast_seconds
    return StepWatch(
        Looks(_FAST_LOOKS, settings.step_poll_seconds), spread(left, settings.step_poll_seconds, _SLOW_LOOKS)
    )


def replacement_looks(settings: OrchestrationSettings) -> Looks:
    """Looks for a cluster that replaces one that is gone."""
    return spread(
        settings.cluster_replacement_hours * 3600, settings.cluster_replacement_poll_seconds, _REPLACEMENT_LOOKS
    )


def room_looks(settings: OrchestrationSettings) -> Looks:
    """Tries to submit to a cluster that is full."""
    return spread(settings.busy_wait_minutes * 60, settings.busy_poll_seconds, _ROOM_LOOKS)


def execution_timeout_seconds(settings: OrchestrationSettings) -> int:
    """When an execution is stuck: twice the longest that its loops wait, and an hour for calls and their retries."""
    waits = (
        settings.cluster_wait_attempts * settings.cluster_wait_seconds
        + settings.cluster_replacement_hours * 3600
        + settings.busy_wait_minutes * 60
        + settings.step_attempts * (settings.step_timeout_minutes * 60 + settings.step_retry_seconds)
    )
    return math.ceil(2 * waits + 3600)
