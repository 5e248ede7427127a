"""The dashboard of a stack, read from top to bottom: is it healthy, what flowed, how does the cluster do, how does the
orchestration, what does it cost.

Dashboards are global in an account (CloudWatch API reference, PutDashboard): the name carries stack and region, and
every widget says its region. Lines that an alarm watches carry its threshold. What a stack does not have is not drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.alarm_table import (
    AlarmRow,
    Metric,
    Part,
    dispatcher,
    emr,
    executions,
    queue,
    run,
    state,
)
from components.environment import AwsEnvironment
from components.iam import Document
from components.state_machine_definition import METRIC_NAMESPACE

WIDTH = 24
"""Columns of the grid."""
_IN_A_ROW = 3
_HEIGHT = 6
_COLOURS = {"critical": "#d13212", "warning": "#ff9900"}
"""Of thresholds, by severity."""


def dashboard_name(environment: AwsEnvironment) -> str:
    """Name of the dashboard."""
    return f"{environment.project}-{environment.stack}-{environment.region}"


@dataclass(frozen=True)
class DashboardContent:
    """What is shown; plain values."""

    environment: AwsEnvironment
    rows: Sequence[AlarmRow]
    """The stack's alarms."""
    alarm_arns: Mapping[str, str]
    """ARN of each alarm, by its row's id."""
    composite_arn: str | None
    """The alarm that holds all critical ones."""
    parts: Mapping[str, str]
    """What the stack has: the values of dimensions, by part."""
    datasets: Sequence[str]


@dataclass(frozen=True)
class Line:
    """A metric of a chart."""

    metric: Metric
    label: str
    right: bool = False
    """On the right axis."""


@dataclass(frozen=True)
class Sum:
    """A line that is computed of metrics."""

    expression: str
    metrics: Mapping[str, Metric]
    label: str


@dataclass(frozen=True)
class Chart:
    """A chart of a section."""

    title: str
    lines: tuple[Line | Sum, ...]
    unit: str = ""
    """Of the left axis, as people call it."""
    right_unit: str = ""
    period_seconds: int = 300
    stacked: bool = False


_CLUSTER = (
    Chart(
        "Nodes",
        (
            Line(emr("CoreNodesRunning", "Average"), "core"),
            Line(emr("TaskNodesRunning", "Average"), "task"),
            Line(emr("MRUnhealthyNodes", "Maximum"), "unhealthy"),
            Line(emr("MRLostNodes", "Maximum"), "lost"),
        ),
        unit="nodes",
    ),
    Chart(
        "Memory and HDFS",
        (
            Line(emr("YARNMemoryAvailablePercentage", "Average"), "YARN memory free"),
            Line(emr("HDFSUtilization", "Average"), "HDFS used"),
        ),
        unit="%",
    ),
    Chart(
        "Applications",
        (
            Line(emr("AppsRunning", "Average"), "running"),
            Line(emr("AppsPending", "Average"), "pending"),
            Line(emr("AppsFailed", "Sum"), "failed"),
            Line(emr("ContainerPendingRatio", "Average"), "pending containers", right=True),
        ),
        unit="applications",
        right_unit="ratio",
    ),
)

_ORCHESTRATION = (
    Chart(
        "Executions",
        (
            Line(executions("ExecutionsStarted", "Sum"), "started"),
            Line(executions("ExecutionsSucceeded", "Sum"), "succeeded"),
            Line(executions("ExecutionsFailed", "Sum"), "failed"),
            Line(executions("ExecutionsTimedOut", "Sum"), "timed out"),
            Line(executions("ExecutionsAborted", "Sum"), "aborted"),
            Line(executions("ExecutionTime", "Average"), "duration", right=True),
        ),
        unit="executions",
        right_unit="ms",
    ),
    Chart(
        "Queues",
        (
            Line(queue("intake", "ApproximateNumberOfMessagesVisible"), "intake"),
            Line(queue("dead-letters", "ApproximateNumberOfMessagesVisible"), "dead letters"),
            Line(queue("undelivered", "ApproximateNumberOfMessagesVisible"), "undelivered notifications"),
            Line(queue("intake", "ApproximateAgeOfOldestMessage"), "oldest in intake", right=True),
        ),
        unit="messages",
        right_unit="s",
    ),
    Chart(
        "Dispatcher",
        (
            Line(Metric("AWS/Events", "Invocations", "Sum", {"RuleName": Part("rule")}), "events"),
            Line(dispatcher("Invocations"), "calls"),
            Line(dispatcher("Errors"), "errors"),
            Line(dispatcher("Throttles"), "throttles"),
            Line(dispatcher("Duration", "Average"), "duration", right=True),
        ),
        unit="calls",
        right_unit="ms",
    ),
)


class _Drawing:
    """Lays widgets on the grid."""

    def __init__(self, content: DashboardContent) -> None:
        self.content = content
        self.environment = content.environment
        self.widgets: list[Document] = []
        self.top = 0

    # Layout

    def add(self, kind: str, properties: Document, x: int, width: int, height: int) -> None:
        self.widgets.append(
            {"type": kind, "x": x, "y": self.top, "width": width, "height": height, "properties": properties}
        )

    def section(self, title: str, properties: Sequence[tuple[str, Document] | None]) -> None:
        """A heading and rows of widgets; nothing without widgets."""
        drawn = [entry for entry in properties if entry is not None]
        if not drawn:
            return
        self.add("text", {"markdown": f"## {title}", "background": "transparent"}, 0, WIDTH, 1)
        self.top += 1
        lines = math.ceil(len(drawn) / _IN_A_ROW)
        for line in range(lines):
            # As even as can be: four charts are two and two.
            row = drawn[len(drawn) * line // lines : len(drawn) * (line + 1) // lines]
            width = WIDTH // len(row)
            for index, (kind, content) in enumerate(row):
                self.add(kind, content, index * width, width, _HEIGHT)
            self.top += _HEIGHT

    # Widgets

    def alarms(self, title: str, ids: Sequence[str]) -> tuple[str, Document] | None:
        arns = [self.content.alarm_arns[identifier] for identifier in ids]
        return ("alarm", {"title": title, "alarms": arns}) if arns else None

    def chart(self, chart: Chart) -> tuple[str, Document] | None:
        """A chart of what the stack has; None when that is nothing."""
        metrics: list[list[Any]] = []
        shown: list[tuple[Metric, bool]] = []
        for number, line in enumerate(chart.lines):
            if isinstance(line, Line):
                if line.metric.parts <= set(self.content.parts):
                    options = {"stat": line.metric.statistic, "label": line.label}
                    metrics.append(self._metric(line.metric, options | ({"yAxis": "right"} if line.right else {})))
                    shown.append((line.metric, line.right))
            elif all(metric.parts <= set(self.content.parts) for metric in line.metrics.values()):
                names = {name: f"{name}{number}" for name in line.metrics}
                for name, metric in line.metrics.items():
                    options = {"id": names[name], "stat": metric.statistic, "visible": False}
                    metrics.append(self._metric(metric, options))
                metrics.append(
                    [{"expression": line.expression.format(**names), "id": f"sum{number}", "label": line.label}]
                )
        if not metrics:
            return None
        properties = self._properties(chart, metrics)
        annotations = [note for metric, right in shown for note in self._thresholds(metric, right)]
        if annotations:
            properties["annotations"] = {"horizontal": annotations}
        return "metric", properties

    def search(self, chart: Chart, names: Sequence[str]) -> tuple[str, Document]:
        """A chart over all datasets and outcomes, found by search, so that a new one needs no new dashboard."""
        metrics: list[list[Any]] = []
        for index, name in enumerate(names):
            terms = f'Stack="{self.environment.stack}" MetricName="{name}"'
            label = f"${{PROP('Dim.Dataset')}} {name} ${{PROP('Dim.Outcome')}}"
            expression = (
                f"SEARCH('{{{METRIC_NAMESPACE},Dataset,Outcome,Stack}} {terms}', 'Sum', {chart.period_seconds})"
            )
            metrics.append([{"expression": expression, "id": f"search{index}", "label": label}])
        return "metric", self._properties(chart, metrics)

    def files(self) -> tuple[str, Document] | None:
        """What the dispatcher did with the messages of the intake."""
        if "dispatcher" not in self.content.parts:
            return None
        names = ("ObjectsDispatched", "MessagesIgnored", "MessagesMalformed", "MessagesReturned")
        stack = self.environment.stack
        return "metric", self._properties(
            Chart("Files dispatched", (), unit="files"),
            [[METRIC_NAMESPACE, name, "Stack", stack, {"stat": "Sum"}] for name in names],
        )

    # Pieces

    def _metric(self, metric: Metric, options: Mapping[str, Any]) -> list[Any]:
        dimensions = [
            text
            for name, value in metric.dimensions.items()
            for text in (name, self.content.parts[value.name] if isinstance(value, Part) else value)
        ]
        return [metric.namespace, metric.name, *dimensions, dict(options)]

    def _properties(self, chart: Chart, metrics: list[list[Any]]) -> Document:
        axes = {side: {"label": unit} for side, unit in (("left", chart.unit), ("right", chart.right_unit)) if unit}
        return {
            "title": chart.title,
            "view": "timeSeries",
            "stacked": chart.stacked,
            "region": self.environment.region,
            "period": chart.period_seconds,
            "metrics": metrics,
            **({"yAxis": axes} if axes else {}),
        }

    def _thresholds(self, metric: Metric, right: bool) -> list[Document]:
        """Thresholds of the alarms that watch this metric the way it is drawn."""
        return [
            {
                "label": f"{row.kind}: {row.severity}",
                "value": row.threshold,
                "color": _COLOURS[row.severity],
                **({"yAxis": "right"} if right else {}),
            }
            for row in self.content.rows
            if row.expression is None and row.threshold is not None and row.metric == metric
        ]


def _flow(drawing: _Drawing) -> list[tuple[str, Document] | None]:
    content, stack = drawing.content, drawing.environment.stack
    freshness = Chart(
        "Since the last successful run",
        tuple(Line(state(stack, "SecondsSinceSuccess", dataset=name), name) for name in content.datasets),
        unit="s",
        period_seconds=900,
    )
    ratio = Chart(
        "Records set aside",
        tuple(
            Sum(
                "100 * {aside} / {rows}",
                {"aside": run(stack, name, "RowsSetAside"), "rows": run(stack, name, "RowsIn")},
                name,
            )
            for name in content.datasets
        ),
        unit="%",
    )
    return [
        drawing.files(),
        drawing.search(Chart("Runs by outcome", (), unit="runs", stacked=True), ["Runs"]),
        drawing.search(Chart("Rows", (), unit="rows"), ["RowsIn", "RowsOut", "RowsSetAside"]),
        drawing.search(Chart("Bytes", (), unit="bytes"), ["BytesIn", "BytesOut"]),
        drawing.chart(ratio),
        drawing.chart(freshness) if "housekeeping" in content.parts else None,
    ]


def _cost(drawing: _Drawing) -> list[tuple[str, Document] | None]:
    """What the bill is made of: hours of nodes, bytes through NAT, bytes of logs, bytes kept."""
    parts = drawing.content.parts
    zones = sorted(part for part in parts if part.startswith("nat-"))
    groups = {"dispatcher-logs": "dispatcher", "execution-logs": "executions", "flow-logs": "flow logs"}
    nodes = Chart(
        "Hours of nodes",
        tuple(
            Sum("{nodes} * PERIOD({nodes}) / 3600", {"nodes": emr(f"{group}NodesRunning", "Average")}, group.lower())
            for group in ("Core", "Task")
        ),
        unit="hours",
        period_seconds=3600,
        stacked=True,
    )
    network = Chart(
        "Bytes through NAT",
        tuple(
            Line(
                Metric("AWS/NATGateway", "BytesOutToDestination", "Sum", {"NatGatewayId": Part(zone)}),
                zone.removeprefix("nat-"),
            )
            for zone in zones
        ),
        unit="bytes",
        period_seconds=3600,
    )
    logs = Chart(
        "Bytes of logs",
        tuple(
            Line(Metric("AWS/Logs", "IncomingBytes", "Sum", {"LogGroupName": Part(part)}), label)
            for part, label in groups.items()
        ),
        unit="bytes",
        period_seconds=3600,
        stacked=True,
    )
    buckets = Chart(
        "Bytes kept",
        tuple(
            Line(
                Metric(
                    "AWS/S3",
                    "BucketSizeBytes",
                    "Average",
                    {"BucketName": Part(part), "StorageType": "StandardStorage"},
                ),
                part.removeprefix("bucket-"),
            )
            for part in sorted(parts)
            if part.startswith("bucket-")
        ),
        unit="bytes",
        # S3 reports once a day (S3 user guide, "Metrics and dimensions").
        period_seconds=86_400,
        stacked=True,
    )
    return [drawing.chart(nodes), drawing.chart(network), drawing.chart(logs), drawing.chart(buckets)]


def dashboard_body(content: DashboardContent) -> Document:
    """Build the body."""
    drawing = _Drawing(content)
    ids = {severity: [row.id for row in content.rows if row.severity == severity] for severity in _COLOURS}
    whole = content.composite_arn
    drawing.section(
        "Is it healthy?",
        [
            ("alarm", {"title": "The pipeline", "alarms": [whole]}) if whole else None,
            drawing.alarms("Critical", ids["critical"]),
            drawing.alarms("Warnings", ids["warning"]),
        ],
    )
    drawing.section("What flowed?", _flow(drawing))
    drawing.section("The cluster", [drawing.chart(chart) for chart in _CLUSTER])
    drawing.section("The orchestration", [drawing.chart(chart) for chart in _ORCHESTRATION])
    drawing.section("What does it cost?", _cost(drawing))
    return {"start": "-P1D", "periodOverride": "inherit", "widgets": drawing.widgets}
