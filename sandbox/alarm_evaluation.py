"""CloudWatch's rules for alarms, as far as this project uses them: from a definition and data to a state.

What follows the documentation (CloudWatch user guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat
missing data", both example tables of which are tests): periods, M out of N, the evaluation range, the four treatments
of missing data, the premature alarm state, metric math with its gaps, composite rules.

What does not, because AWS does not say how: the range reaches two periods beyond N, as in the guide's examples; and an
anomaly band is the mean of the metric's last two weeks and so many standard deviations around it, where CloudWatch's
model learns hours, days and trends.
"""

from __future__ import annotations

import ast
import operator
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]

Series = dict[int, float]
"""Values by the start of their period, seconds since 1970; a period without data is absent."""

Gather = Callable[[str, str, Mapping[str, str], str, int, int, int], Series]
"""Data of (namespace, name, dimensions, statistic, period, start, end)."""

_BEYOND = 2
"""Periods of the evaluation range beyond N."""

_TWO_WEEKS = 14 * 86_400
_LEAST_HISTORY = 3
"""Values that a band is made of at least; with fewer there is none yet."""


@dataclass(frozen=True)
class Evaluation:
    """What became of an evaluation."""

    state: State
    reason: str
    """In CloudWatch's way: which values, against what."""
    values: tuple[float | None, ...]
    """Of the latest N periods, the latest last; None without data."""


@dataclass(frozen=True)
class _Band:
    lower: float
    upper: float


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}

_BAND_COMPARISONS: Mapping[str, Callable[[float, _Band], bool]] = {
    "GreaterThanUpperThreshold": lambda value, band: value > band.upper,
    "LessThanLowerThreshold": lambda value, band: value < band.lower,
    "LessThanLowerOrGreaterThanUpperThreshold": lambda value, band: not band.lower <= value <= band.upper,
}


def evaluate(alarm: Mapping[str, Any], gather: Gather, now: int, before: State = "OK") -> Evaluation:
    """State of a metric alarm.

    Args:
        alarm: The definition, as PutMetricAlarm takes it or DescribeAlarms gives it.
        gather: Where data comes from.
        now: Time of the evaluation, seconds since 1970.
        before: State until now, which missing data may keep.
    """
    period = _period(alarm)
    count = int(alarm["EvaluationPeriods"])
    end = now - now % 60
    starts = [end - period * number for number in range(count + _BEYOND, 0, -1)]
    values, bands = _values(alarm, gather, period, starts, end)

    def breaching(start: int) -> bool | None:
        value = values.get(start)
        if value is None:
            return None
        if bands is None:
            return _COMPARISONS[alarm["ComparisonOperator"]](value, float(alarm["Threshold"]))
        band = bands.get(start)
        return None if band is None else _BAND_COMPARISONS[alarm["ComparisonOperator"]](value, band)

    points = [breaching(start) for start in starts]
    state = judge(
        points,
        count,
        int(alarm.get("DatapointsToAlarm") or count),
        alarm.get("TreatMissingData") or "missing",
        before,
    )
    latest = tuple(values.get(start) for start in starts[-count:])
    limit = alarm.get("Threshold") if bands is None else _text(bands)
    shown = ", ".join("no data" if value is None else f"{value:g}" for value in latest)
    return Evaluation(state, f"{alarm['ComparisonOperator']} {limit}: {shown}", latest)


def judge(points: Sequence[bool | None], count: int, needed: int, treatment: str, before: State) -> State:
    """State of `points` of the evaluation range (True breaches, None is missing), the latest last."""
    real = [point for point in points if point is not None]
    if len(real) >= count:
        # Enough real data: missing points are left out, and their treatment is not needed.
        return "ALARM" if sum(real[-count:]) >= needed else "OK"
    breaching, fills = sum(real), count - len(real)
    if treatment == "breaching":
        return "ALARM" if breaching + fills >= needed else "OK"
    if breaching >= needed:
        return "ALARM"
    if treatment == "notBreaching":
        return "OK"
    if not real:
        return before if treatment == "ignore" else "INSUFFICIENT_DATA"
    oldest = len(points) - next(index for index, point in enumerate(points) if point is not None)
    if all(real) and oldest >= needed:
        # "Avoiding premature transitions to alarm state": all that is known breaches, and for long enough.
        return before if treatment == "ignore" else "ALARM"
    return "OK"


def composite(rule: str, states: Mapping[str, State]) -> State:
    """State of a composite alarm, from its rule and its members' states."""
    text = re.sub(
        r'\b(ALARM|OK|INSUFFICIENT_DATA)\("([^"]+)"\)',
        lambda match: str(states[match.group(2)] == match.group(1)),
        rule,
    )
    tree = ast.parse(re.sub(r"\b(AND|OR|NOT)\b", lambda match: match.group().lower(), text), mode="eval")
    return "ALARM" if _truth(tree.body) else "OK"


def _truth(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return bool(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not _truth(node.operand)
    if isinstance(node, ast.BoolOp):
        values = [_truth(value) for value in node.values]
        return all(values) if isinstance(node.op, ast.And) else any(values)
    raise ValueError(f"a composite rule may not hold {ast.unparse(node)}")


# Data ------------------------------------------------------------------------------------------------------------


def _period(alarm: Mapping[str, Any]) -> int:
    queries = alarm.get("Metrics") or []
    if queries:
        return int(next(query["MetricStat"]["Period"] for query in queries if query.get("MetricStat")))
    return int(alarm["Period"])


def _dimensions(entries: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    return {entry["Name"]: entry["Value"] for entry in entries or ()}


def _values(
    alarm: Mapping[str, Any], gather: Gather, period: int, starts: Sequence[int], end: int
) -> tuple[Series, dict[int, _Band] | None]:
    """What is compared, and the band it is compared with (None: a threshold)."""
    queries = alarm.get("Metrics") or []
    if not queries:
        dimensions = _dimensions(alarm.get("Dimensions"))
        found = gather(alarm["Namespace"], alarm["MetricName"], dimensions, alarm["Statistic"], period, starts[0], end)
        return found, None

    def collect(query: Mapping[str, Any], start: int, stop: int) -> Series:
        stat = query["MetricStat"]
        metric = stat["Metric"]
        dimensions = _dimensions(metric.get("Dimensions"))
        return gather(metric["Namespace"], metric["MetricName"], dimensions, stat["Stat"], period, start, stop)

    metrics = {query["Id"]: query for query in queries if query.get("MetricStat")}
    series = {name: collect(query, starts[0], end) for name, query in metrics.items()}
    if alarm.get("ThresholdMetricId"):
        expression = next(query["Expression"] for query in queries if query["Id"] == alarm["ThresholdMetricId"])
        match = re.fullmatch(r"ANOMALY_DETECTION_BAND\((\w+), ?([\d.]+)\)", expression)
        if match is None:
            raise ValueError(f"a band is ANOMALY_DETECTION_BAND(metric, deviations), not {expression}")
        name, width = match.group(1), float(match.group(2))
        history = list(collect(metrics[name], starts[0] - _TWO_WEEKS, starts[0]).values())
        return series[name], _bands(history, width, starts)
    (value,) = (query["Expression"] for query in queries if query.get("Expression") and query.get("ReturnData", True))
    return metric_math(value, series, period, starts), None


def _bands(history: Sequence[float], width: float, starts: Sequence[int]) -> dict[int, _Band]:
    if len(history) < _LEAST_HISTORY:
        return {}
    middle, deviation = statistics.mean(history), statistics.pstdev(history)
    return {start: _Band(middle - width * deviation, middle + width * deviation) for start in starts}


def _text(bands: Mapping[int, _Band]) -> str:
    band = next(iter(bands.values()), None)
    return "a band that is still learned" if band is None else f"{band.lower:g} to {band.upper:g}"


# Metric math -----------------------------------------------------------------------------------------------------

_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_RELATIONS: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def metric_math(expression: str, series: Mapping[str, Series], period: int, starts: Sequence[int]) -> Series:
    """Value of an expression in each period; absent where a series that it needs has no data, or a divisor is 0.

    Known: numbers, the four operations, comparisons, AND, OR, FILL, IF, PERIOD (CloudWatch guide, "Using math
    expressions with CloudWatch metrics").

    Raises:
        ValueError: naming anything else.
    """
    tree = ast.parse(re.sub(r"\b(AND|OR)\b", lambda match: match.group().lower(), expression), mode="eval").body

    def at(node: ast.expr, start: int) -> float | None:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return float(node.value)
        if isinstance(node, ast.Name) and node.id in series:
            return series[node.id].get(start)
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            left, right = at(node.left, start), at(node.right, start)
            if left is None or right is None or (isinstance(node.op, ast.Div) and right == 0):
                return None
            return _OPERATORS[type(node.op)](left, right)
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _RELATIONS:
            left, right = at(node.left, start), at(node.comparators[0], start)
            return None if left is None or right is None else float(_RELATIONS[type(node.ops[0])](left, right))
        if isinstance(node, ast.BoolOp):
            values = [at(value, start) for value in node.values]
            if None in values:
                return None
            return float((all if isinstance(node.op, ast.And) else any)(values))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return call(node.func.id, node.args, start)
        raise ValueError(f"metric math {expression}: {ast.unparse(node)} is not known here")

    def call(name: str, arguments: Sequence[ast.expr], start: int) -> float | None:
        if name == "FILL":
            value = at(arguments[0], start)
            return at(arguments[1], start) if value is None else value
        if name == "IF":
            condition = at(arguments[0], start)
            return None if condition is None else at(arguments[1] if condition else arguments[2], start)
        if name == "PERIOD":
            return float(period)
        raise ValueError(f"metric math {expression}: {name} is not known here")

    values = {start: at(tree, start) for start in starts}
    return {start: value for start, value in values.items() if value is not None}


def aggregate(samples: Sequence[float], statistic: str) -> float | None:
    """A statistic of a period's samples; None without any, since even SampleCount is then missing."""
    if not samples:
        return None
    functions: Mapping[str, Callable[[Sequence[float]], float]] = {
        "Sum": sum,
        "Maximum": max,
        "Minimum": min,
        "Average": statistics.fmean,
        "SampleCount": lambda values: float(len(values)),
    }
    return float(functions[statistic](samples))


def from_cloudwatch(client: Any) -> Gather:
    """Data of the sandbox, in periods that end when the evaluation does."""

    def gather(
        namespace: str, name: str, dimensions: Mapping[str, str], statistic: str, period: int, start: int, end: int
    ) -> Series:
        def points(begin: int, stop: int) -> list[dict[str, Any]]:
            answer = client.get_metric_statistics(
                Namespace=namespace,
                MetricName=name,
                Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
                StartTime=begin,
                EndTime=stop,
                Period=period,
                Statistics=[statistic],
            )
            return sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])

        known = points(start, end)
        if not known:
            return {}
        # moto's periods begin with the first value, so each of ours is asked for by itself, from there on.
        first = start + (int(known[0]["Timestamp"].timestamp()) - start) // period * period
        asked = {begin: points(begin, begin + period) for begin in range(first, end, period)}
        return {begin: float(found[0][statistic]) for begin, found in asked.items() if found}

    return gather
