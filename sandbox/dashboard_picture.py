"""The deployed dashboard as a picture: its widgets where they lie, with the data and the alarm states of a sandbox.

CloudWatch draws dashboards; nothing else does. This draws what it would show, from the body that was deployed: lines
by metric and statistic, expressions and searches as far as the project uses them, thresholds, and alarm states.
"""

from __future__ import annotations

import base64
import html
import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.alarm_evaluation import Gather, Series, from_cloudwatch, metric_math

MINUTES = 15
"""Of data that is drawn: a run lasts minutes, where CloudWatch shows hours."""
PERIOD = 15
"""Seconds of a point, finer than CloudWatch would show it, for the same reason."""
_COLUMN, _ROW = 0.75, 0.5
"""Inches of the grid's cells."""
_STATES = {"OK": "#1d8102", "ALARM": "#d13212", "INSUFFICIENT_DATA": "#879596"}


class _Data:
    """What the charts need, read once."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.gather: Gather = from_cloudwatch(client)
        self.end = int(time.time()) // PERIOD * PERIOD + PERIOD
        self.starts = list(range(self.end - MINUTES * 60, self.end, PERIOD))
        pages = client.get_paginator("list_metrics").paginate()
        self.metrics: list[dict[str, Any]] = [metric for page in pages for metric in page["Metrics"]]
        self.states: dict[str, str] = {}
        for page in client.get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"]):
            for alarm in [*page["MetricAlarms"], *page["CompositeAlarms"]]:
                # An alarm that nothing has judged yet is OK for moto, and unknown to everybody else.
                judged = not alarm["StateReason"].startswith("Unchecked") or "AlarmRule" in alarm
                self.states[alarm["AlarmName"]] = alarm["StateValue"] if judged else "INSUFFICIENT_DATA"

    def series(self, namespace: str, name: str, dimensions: Mapping[str, str], statistic: str) -> Series:
        known = any(
            metric["Namespace"] == namespace
            and metric["MetricName"] == name
            and {entry["Name"]: entry["Value"] for entry in metric["Dimensions"]} == dict(dimensions)
            for metric in self.metrics
        )
        if not known:
            return {}
        return self.gather(namespace, name, dimensions, statistic, PERIOD, self.starts[0], self.end)

    def search(self, expression: str, label: str) -> list[tuple[str, Series]]:
        """Lines of ``SEARCH('{namespace,dimension,…} name="value" …', 'statistic', period)``."""
        match = re.fullmatch(r"SEARCH\('\{([^,]+),([^}]+)\} (.*)', '(\w+)', \d+\)", expression)
        if match is None:
            raise ValueError(f"a search of another form: {expression}")
        namespace, names, terms, statistic = match.groups()
        wanted = dict(re.findall(r'(\w+)="([^"]*)"', terms))
        found: list[tuple[str, Series]] = []
        for metric in self.metrics:
            dimensions = {entry["Name"]: entry["Value"] for entry in metric["Dimensions"]}
            properties = {**dimensions, "MetricName": metric["MetricName"]}
            if (
                metric["Namespace"] == namespace
                and set(dimensions) == set(names.split(","))
                and wanted.items() <= properties.items()
            ):
                text = label
                for dimension, value in dimensions.items():
                    text = text.replace(f"${{PROP('Dim.{dimension}')}}", value)
                found.append((text, self.series(namespace, metric["MetricName"], dimensions, statistic)))
        return found


def lines(properties: Mapping[str, Any], data: _Data) -> list[tuple[str, Series, bool]]:
    """What a metric widget shows: label, values, and whether on the right axis."""
    shown: list[tuple[str, Series, bool]] = []
    by_id: dict[str, Series] = {}
    for metric in properties["metrics"]:
        options: dict[str, Any] = metric[-1] if isinstance(metric[-1], dict) else {}
        if "expression" in options:
            if options["expression"].startswith("SEARCH"):
                shown += [(*line, False) for line in data.search(options["expression"], options["label"])]
            else:
                values = metric_math(options["expression"], by_id, PERIOD, data.starts)
                shown.append((options["label"], values, False))
            continue
        namespace, name, *pairs = [part for part in metric if isinstance(part, str)]
        dimensions = dict(zip(pairs[::2], pairs[1::2], strict=True))
        values = data.series(namespace, name, dimensions, options.get("stat", "Average"))
        if "id" in options:
            by_id[options["id"]] = values
        if options.get("visible", True):
            shown.append((options.get("label", name), values, options.get("yAxis") == "right"))
    return shown


def draw(body: Mapping[str, Any], data: _Data, title: str, target: Path) -> None:
    """Draw a dashboard's body to a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plot

    widgets = body["widgets"]
    columns = 24
    rows = max(widget["y"] + widget["height"] for widget in widgets) + 1
    width, height = columns * _COLUMN, rows * _ROW
    figure: Any = plot.figure(figsize=(width, height), dpi=90)
    figure.text(0.01, 1 - 0.6 / rows, title, fontsize=15, weight="bold", va="center")
    for widget in widgets:
        left, bottom = widget["x"] / columns, 1 - (widget["y"] + 1 + widget["height"]) / rows
        box = (left, bottom, widget["width"] / columns, widget["height"] / rows)
        properties = widget["properties"]
        if widget["type"] == "text":
            text = properties["markdown"].lstrip("# ")
            figure.text(left + 0.01, bottom + box[3] / 2, text, fontsize=13, weight="bold", va="center")
        elif widget["type"] == "alarm":
            _alarms(figure, box, properties, data)
        else:
            _chart(figure, box, properties, data)
    figure.savefig(target)
    plot.close(figure)


def _alarms(figure: Any, box: tuple[float, float, float, float], properties: Mapping[str, Any], data: _Data) -> None:
    axes = figure.add_axes((box[0] + 0.01, box[1] + 0.006, box[2] - 0.02, box[3] - 0.012))
    axes.set_title(properties["title"], fontsize=10, loc="left")
    axes.set_axis_off()
    names = [arn.split(":alarm:", 1)[1] for arn in properties["alarms"]]
    common = names[0][: names[0].find("-", names[0].find("-", names[0].find("-") + 1) + 1) + 1]
    deep = 11
    for index, name in enumerate(names):
        column, row = divmod(index, deep)
        wide = 1 / (1 + (len(names) - 1) // deep)
        state = data.states.get(name, "INSUFFICIENT_DATA")
        x, y = column * wide, 1 - (row + 1) / deep
        axes.add_patch(_rectangle((x, y + 0.01), wide * 0.97, 1 / deep - 0.02, _STATES[state]))
        text = name.removeprefix(common)[: int(92 * wide)]
        axes.text(x + 0.01, y + 0.5 / deep, text, fontsize=6.5, color="white", va="center")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)


def _rectangle(corner: tuple[float, float], width: float, height: float, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, facecolor=colour, alpha=0.85 if colour != _STATES["OK"] else 0.55)


def _chart(figure: Any, box: tuple[float, float, float, float], properties: Mapping[str, Any], data: _Data) -> None:
    axes = figure.add_axes((box[0] + 0.035, box[1] + 0.022, box[2] - 0.07, box[3] - 0.042))
    axes.set_title(properties["title"], fontsize=10, loc="left")
    axes.tick_params(labelsize=7)
    drawn = lines(properties, data)
    right_axes = axes.twinx() if any(right for _, _, right in drawn) else None
    units = {side: axis.get("label", "") for side, axis in properties.get("yAxis", {}).items()}
    axes.set_ylabel(units.get("left", ""), fontsize=7)
    if right_axes is not None:
        right_axes.set_ylabel(units.get("right", ""), fontsize=7)
        right_axes.tick_params(labelsize=7)
    handles: list[Any] = []
    for index, (label, values, right) in enumerate(drawn):
        place = right_axes if right and right_axes is not None else axes
        times = [(start - data.end) / 60 for start in sorted(values)]
        style = {"color": f"C{index % 10}", "marker": "o", "markersize": 3, "linewidth": 1.2}
        (handle,) = place.plot(times, [values[start] for start in sorted(values)], label=label, **style)
        handles.append(handle)
    for note in properties.get("annotations", {}).get("horizontal", []):
        place = right_axes if note.get("yAxis") == "right" and right_axes is not None else axes
        place.axhline(note["value"], color=note["color"], linewidth=1, linestyle="--")
        place.text(0, note["value"], f"{note['label']} ", fontsize=6, color=note["color"], va="bottom", ha="right")
    for place in (axes, *([right_axes] if right_axes is not None else [])):
        place.set_xlim(-MINUTES, 0)
        place.set_ylim(bottom=0)
        place.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.set_xlabel("minutes", fontsize=6, labelpad=1)
    axes.grid(alpha=0.3)
    if not any(values for _, values, _ in drawn):
        axes.text(
            0.5, 0.5, "no data in the sandbox", transform=axes.transAxes, ha="center", fontsize=8, color="#879596"
        )
    if handles:
        axes.legend(handles=handles, fontsize=6, loc="upper left", framealpha=0.6)


def render(client: Any, dashboard: str, target: Path) -> tuple[Path, Path]:
    """Draw a deployed dashboard; returns the PNG, and a page that holds it beside the states of its alarms."""
    body = json.loads(client.get_dashboard(DashboardName=dashboard)["DashboardBody"])
    data = _Data(client)
    picture, page = target.with_suffix(".png"), target.with_suffix(".html")
    draw(body, data, dashboard, picture)
    encoded = base64.b64encode(picture.read_bytes()).decode()
    states = "\n".join(
        f"<tr><td>{html.escape(name)}</td><td style='color:{_STATES[state]}'>{state}</td></tr>"
        for name, state in sorted(data.states.items())
    )
    page.write_text(
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(dashboard)}</title></head>
<body style="font-family: sans-serif">
<img src="data:image/png;base64,{encoded}" alt="Dashboard {html.escape(dashboard)}" style="width: 100%">
<table>
{states}
</table>
</body></html>
""",
        encoding="utf-8",
    )
    return picture, page
