"""What every benchmark needs: figures as JSON lines, paired runs, the machine's description."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One figure: what ``make bench`` prints a line of."""

    benchmark: str
    """Which benchmark: ``preview``, ``ingest``, ``job``, ``deploy-path``, ``newcomer``."""
    name: str
    """What was measured, in words."""
    value: float
    """The median where several runs were made."""
    unit: str
    """``s``, ``ratio``, ``USD``, …; a ratio is of two things measured in the same run."""
    goal: str = ""
    """What the project aims at, e.g. ``<= 1.5``; empty where there is no goal."""
    runs: Sequence[float] = ()
    """Every run's value, in order; empty where the figure is counted rather than timed."""
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Sizes and counts that the figure depends on."""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if not self.goal:
            return None
        operator, _, bound = self.goal.partition(" ")
        if operator not in ("<=", ">="):
            raise ValueError(f"goal {self.goal!r} of {self.name!r} is neither '<= number' nor '>= number'")
        return self.value <= float(bound) if operator == "<=" else self.value >= float(bound)

    def line(self) -> str:
        """The figure as a JSON line."""
        document: dict[str, Any] = {
            "benchmark": self.benchmark,
            "figure": self.name,
            "value": round(self.value, 6),
            "unit": self.unit,
        }
        if self.goal:
            document |= {"goal": self.goal, "met": self.met}
        if self.runs:
            document["runs"] = [round(run, 6) for run in self.runs]
        if self.details:
            document["details"] = dict(self.details)
        return json.dumps(document)


Figures = Iterator[Figure]
"""What a benchmark yields, each figure as soon as it is known."""


def timed(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes, by the clock on the wall."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def in_turns(works: Mapping[str, Callable[[], object]], runs: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Time several pieces of work in turns, A B C A B C …, so that a machine that drifts drifts for all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(warm_up + runs):
        for name, work in works.items():
            took = timed(work)
            if number >= warm_up:
                seconds[name].append(took)
    return seconds


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Ratios of two series measured in turns, pair by pair."""
    return [a / b for a, b in zip(above, below, strict=True)]


def differences(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Differences of two series measured in turns, pair by pair."""
    return [a - b for a, b in zip(above, below, strict=True)]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def slope_exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Exponent of growth: the slope of a line through the logarithms; 1 is linear, 2 quadratic."""
    import math

    return statistics.linear_regression([math.log(size) for size in sizes], [math.log(value) for value in values]).slope


def machine() -> dict[str, Any]:
    """The machine that measures; without its name."""
    memory = 0
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        memory = int(meminfo.read_text().split()[1]) // 1024**2
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else ""
    return {
        "processor": model or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memoryGiB": memory,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": [round(value, 1) for value in os.getloadavg()],
    }


@contextmanager
def environment(**variables: str) -> Generator[None]:
    """Set variables of the process for a block."""
    saved = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
