"""How long files take from their arrival to the table, by stage, from the manifests' own times. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

STAGES = {
    "gathered": ("firstObjectAt", "plannedAt"),
    "waited": ("plannedAt", "startedAt"),
    "ran": ("startedAt", "endedAt"),
    "in all": ("firstObjectAt", "endedAt"),
}
"""Stage by name: from, to. ``gathered``: a manifest's first file until it is planned, which is the batch window and the
function; ``waited``: for a free slot; ``ran``: the execution, most of it the job."""


def seconds_by_stage(manifests: Iterable[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Seconds of each stage, of all manifests that have both of its times.

    A manifest that was driven again is left out: it waited for a person.
    """
    found: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for item in manifests:
        if int(item.get("attempt", 1)) > 1:
            continue
        for stage, (begin, end) in STAGES.items():
            if item.get(begin) and item.get(end):
                took = datetime.fromisoformat(str(item[end])) - datetime.fromisoformat(str(item[begin]))
                # Events have whole seconds and different clocks.
                found[stage].append(max(took.total_seconds(), 0.0))
    return found


def table(found: Mapping[str, list[float]]) -> list[str]:
    """Lines for people: number, median, 95th percentile and longest of each stage."""
    lines = [f"{'stage':<10} {'manifests':>9} {'median':>9} {'95 %':>9} {'longest':>9}  seconds"]
    for stage, values in found.items():
        if values:
            high = statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
            lines.append(
                f"{stage:<10} {len(values):>9} {statistics.median(values):>9.1f} {high:>9.1f} {max(values):>9.1f}"
            )
    return lines
