"""The dashboard of a stack: is it healthy, what flowed, how does the cluster do, how does the orchestration.

Dashboards are global in an account (CloudWatch API reference, PutDashboard): the name carries stack and region, and
every widget says its region.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.alarm_table import DIMENSIONS, AlarmRow, Source
from components.dispatch import metric_namespace
from components.environment import AwsEnvironment
from components.iam import Document
from components.state_machine_definition import METRIC_NAMESPACE, SUCCEEDED

WIDTH = 24
"""Columns of the grid."""
_HEIGHT = 6


def dashboard_name(environment: AwsEnvironment) -> str:
    """Name of the dashboard."""
    return f"{environment.project}-{environment.stack}-{environment.region}"


@dataclass(frozen=True)
class Line:
    """A metric of a chart."""

    source: Source
    metric: str
    statistic: str
    label: str
    right: bool = False
    """On the right axis."""


@dataclass(frozen=True)
class Chart:
    """A chart of a section."""

    title: str
    lines: tuple[Line, ...]
    period_seconds: int = 300


_CLUSTER = (
    Chart("Nodes", (
        Line("cluster", "MRActiveNodes", "Average", "active"),
        Line("cluster", "MRUnhealthyNodes", "Maximum", "unhealthy"),
        Line("cluster", "MRLostNodes", "Maximum", "lost"),
        Line("cluster", "TaskNodesRunning", "Average", "task"),
    )),
    Chart("Memory and HDFS, %", (
        Line("cluster", "YARNMemoryAvailablePercentage", "Average", "YARN memory free"),
        Line("cluster", "HDFSUtilization", "Average", "HDFS used"),
    )),
    Chart("Applications", (
        Line("cluster", "AppsRunning", "Average", "running"),
        Line("cluster", "AppsPending", "Average", "pending"),
        Line("cluster", "AppsFailed", "Sum", "failed"),
        Line("cluster", "ContainerPendingRatio", "Average", "pending containers, ratio", right=True),
    )),
)  # fmt: skip

_ORCHESTRATION = (
    Chart("Executions", (
        Line("state-machine", "ExecutionsStarted", "Sum", "started"),
        Line("state-machine", "ExecutionsSucceeded", "Sum", "succeeded"),
        Line("state-machine", "ExecutionsFailed", "Sum", "failed"),
        Line("state-machine", "ExecutionsTimedOut", "Sum", "timed out"),
        Line("state-machine", "ExecutionsAborted", "Sum", "aborted"),
        Line("state-machine", "ExecutionTime", "Average", "milliseconds", right=True),
    )),
    Chart("Queues", (
        Line("intake", "ApproximateNumberOfMessagesVisible", "Maximum", "intake"),
        Line("dead-letters", "ApproximateNumberOfMessagesVisible", "Maximum", "dead letters"),
        Line("undelivered", "ApproximateNumberOfMessagesVisible", "Maximum", "undelivered notifications"),
        Line("intake", "ApproximateAgeOfOldestMessage", "Maximum", "oldest in intake, s", right=True),
    )),
    Chart("Dispatcher", (
        Line("rule", "Invocations", "Sum", "events"),
        Line("function", "Invocations", "Sum", "calls"),
        Line("function", "Errors", "Sum", "errors"),
        Line("function", "Throttles", "Sum", "throttles"),
        Line("function", "Duration", "Average", "milliseconds", right=True),
    )),
)  # fmt: skip

_FLOW = (
    ("Runs by outcome", "Runs", None),
    ("Rows in and out", "RowsIn RowsOut RowsSetAside", SUCCEEDED),
    ("Bytes in and out", "BytesIn BytesOut", SUCCEEDED),
)
"""Title, metrics, and outcome (all when None) of the charts of what flowed."""


def _chart(environment: AwsEnvironment, chart: Chart, sources: Mapping[Source, str]) -> Document | None:
    """The chart's properties; None when the stack has nothing that it shows."""
    metrics: list[list[Any]] = []
    for line in chart.lines:
        if line.source not in sources:
            continue
        namespace, dimension = DIMENSIONS[line.source]
        options: dict[str, Any] = {"stat": line.statistic, "label": line.label}
        if line.right:
            options["yAxis"] = "right"
        metrics.append([namespace, line.metric, dimension, sources[line.source], options])
    if not metrics:
        return None
    return {
        "title": chart.title,
        "view": "timeSeries",
        "region": environment.region,
        "period": chart.period_seconds,
        "metrics": metrics,
    }


def _flow(environment: AwsEnvironment, title: str, names: str, outcome: str | None) -> Document:
    """A chart over all datasets, whichever there are: found by search, so that a new one needs no new dashboard."""
    searches: list[list[Any]] = []
    for index, name in enumerate(names.split()):
        terms = f'Stack="{environment.stack}" MetricName="{name}"' + (f' Outcome="{outcome}"' if outcome else "")
        label = (
            "${PROP('Dim.Dataset')} ${PROP('Dim.Outcome')}" if outcome is None else f"${{PROP('Dim.Dataset')}} {name}"
        )
        expression = f"SEARCH('{{{METRIC_NAMESPACE},Dataset,Outcome,Stack}} {terms}', 'Sum', 300)"
        searches.append([{"expression": expression, "id": f"search{index}", "label": label}])
    return {
        "title": title,
        "view": "timeSeries",
        "stacked": outcome is None,
        "region": environment.region,
        "period": 300,
        "metrics": searches,
    }


def _files(environment: AwsEnvironment) -> Document:
    """What the dispatcher did with the messages of the intake; its metrics have no dimensions."""
    names = ("ObjectsDispatched", "MessagesIgnored", "MessagesMalformed", "MessagesReturned")
    return {
        "title": "Files dispatched",
        "view": "timeSeries",
        "region": environment.region,
        "period": 300,
        "metrics": [[metric_namespace(environment), name, {"stat": "Sum"}] for name in names],
    }


def dashboard_body(
    environment: AwsEnvironment, alarms: Sequence[tuple[AlarmRow, str]], sources: Mapping[Source, str]
) -> Document:
    """Build the body.

    Args:
        environment: Where the stack lives.
        alarms: The stack's alarms with their ARNs.
        sources: What the stack has, by source: the value of its metrics' dimension.
    """
    widgets: list[Document] = []
    top = 0

    def add(kind: str, properties: Document, x: int, width: int, height: int) -> None:
        widgets.append({"type": kind, "x": x, "y": top, "width": width, "height": height, "properties": properties})

    def section(title: str, properties: Sequence[tuple[str, Document]]) -> None:
        nonlocal top
        if not properties:
            return
        add("text", {"markdown": f"## {title}", "background": "transparent"}, 0, WIDTH, 1)
        top += 1
        width = WIDTH // len(properties)
        for index, (kind, content) in enumerate(properties):
            add(kind, content, index * width, width, _HEIGHT)
        top += _HEIGHT

    def status(severity: str) -> Document:
        return {
            "title": f"{severity} alarms",
            "alarms": [arn for row, arn in alarms if row.severity == severity],
        }

    severities = [name for name in ("critical", "warning") if any(row.severity == name for row, _ in alarms)]
    section("Is it healthy?", [("alarm", status(severity)) for severity in severities])
    flow = [_files(environment)] if "function" in sources else []
    flow += [_flow(environment, *chart) for chart in _FLOW]
    section("What flowed?", [("metric", properties) for properties in flow])
    for title, charts in (("Cluster", _CLUSTER), ("Orchestration", _ORCHESTRATION)):
        drawn = [_chart(environment, chart, sources) for chart in charts]
        section(title, [("metric", properties) for properties in drawn if properties is not None])
    return {"start": "-P1D", "periodOverride": "inherit", "widgets": widgets}
