"""The dashboard's body: valid, within CloudWatch's limits, and complete for what a stack has."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from components.alarm_table import alarm_name, alarm_rows
from components.alarms import parts_of, watched
from components.dashboard import WIDTH, DashboardContent, dashboard_body
from tests.policies import program
from tests.unit.harness import ENVIRONMENT
from tests.unit.test_alarms import ARGS

SCHEMA = json.loads((Path(__file__).parent / "schemas" / "dashboard.json").read_text(encoding="utf-8"))
PARTS: dict[str, str] = {part: f"the-{part}" for part in parts_of(ARGS)}
ROWS = alarm_rows(watched(ARGS, frozenset(PARTS)))
CONTENT = DashboardContent(
    environment=ENVIRONMENT,
    rows=ROWS,
    alarm_arns={row.id: ENVIRONMENT.arn("cloudwatch", f"alarm:{alarm_name(ENVIRONMENT, row.id)}") for row in ROWS},
    composite_arn=ENVIRONMENT.arn("cloudwatch", "alarm:emr-pipeline-test-pipeline-unhealthy"),
    parts=PARTS,
    datasets=["flights"],
)
BODY = dashboard_body(CONTENT)
WIDGETS: list[dict[str, Any]] = BODY["widgets"]


def of(kind: str, widgets: list[dict[str, Any]] = WIDGETS) -> list[dict[str, Any]]:
    return [widget for widget in widgets if widget["type"] == kind]


def titled(title: str) -> dict[str, Any]:
    (found,) = [widget["properties"] for widget in WIDGETS if widget["properties"].get("title") == title]
    return found


def without(*parts: str) -> list[dict[str, Any]]:
    rest = {part: value for part, value in PARTS.items() if part not in parts}
    rows = [row for row in ROWS if row.parts <= set(rest)]
    return dashboard_body(replace(CONTENT, parts=rest, rows=rows))["widgets"]


def test_it_reads_from_top_to_bottom():
    titles = [widget["properties"]["markdown"] for widget in of("text")]
    assert titles == [
        "## Is it healthy?",
        "## What flowed?",
        "## The cluster",
        "## The orchestration",
        "## What does it cost?",
    ]


def test_it_is_valid():
    jsonschema.validate(BODY, SCHEMA)


@pytest.mark.parametrize("stack", program.STACKS)
def test_those_of_the_project_s_stacks_are_valid(stack: str):
    body = program._run(stack, False).named("alarms-dashboard").document("dashboardBody")  # pyright: ignore[reportPrivateUsage]
    jsonschema.validate(body, SCHEMA)


def too_wide(widget: dict[str, Any]) -> None:
    widget["width"] = 25


def no_region(widget: dict[str, Any]) -> None:
    del widget["properties"]["region"]


def empty(widget: dict[str, Any]) -> None:
    widget["properties"]["metrics"] = []


def unknown_statistic(widget: dict[str, Any]) -> None:
    widget["properties"]["metrics"][0].append({"stat": "Middle"})


@pytest.mark.parametrize("spoil", [too_wide, no_region, empty, unknown_statistic])
def test_the_schema_refuses(spoil: Callable[[dict[str, Any]], None]):
    body = json.loads(json.dumps(BODY))
    spoil(next(widget for widget in body["widgets"] if widget["type"] == "metric"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, SCHEMA)


def test_every_widget_that_shows_data_says_its_region():
    for widget in [*of("metric"), *of("alarm")]:
        if widget["type"] == "alarm":
            assert all(":eu-west-1:" in arn for arn in widget["properties"]["alarms"])
        else:
            assert widget["properties"]["region"] == "eu-west-1", "dashboards are global in an account"


def test_widgets_stay_on_the_grid_and_apart():
    taken: set[tuple[int, int]] = set()
    for widget in WIDGETS:
        assert widget["x"] + widget["width"] <= WIDTH
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken, f"{widget['properties']} lies over another widget"
        taken |= cells


def test_it_stays_within_cloudwatch_s_limits():
    metrics = [len(widget["properties"]["metrics"]) for widget in of("metric")]
    assert len(WIDGETS) <= 500
    assert max(metrics) <= 500
    assert sum(metrics) <= 2500
    assert len(json.dumps(BODY)) < 1024 * 1024


def test_every_alarm_is_shown_under_its_severity():
    assert titled("The pipeline")["alarms"] == [CONTENT.composite_arn], "one look tells whether anything is wrong"
    for title, severity in (("Critical", "critical"), ("Warnings", "warning")):
        shown = titled(title)["alarms"]
        assert shown == [CONTENT.alarm_arns[row.id] for row in ROWS if row.severity == severity]


def test_lines_that_an_alarm_watches_carry_its_threshold():
    def notes(title: str) -> dict[str, float]:
        return {note["label"]: note["value"] for note in titled(title)["annotations"]["horizontal"]}

    assert notes("Memory and HDFS") == {"yarn-memory-low: warning": 10, "hdfs-full: critical": 80}
    assert notes("Since the last successful run") == {"dataset-stale: critical": 26 * 3600}
    (age,) = [note for note in titled("Queues")["annotations"]["horizontal"] if note.get("yAxis") == "right"]
    assert age["value"] == 1800, "the age is on the right axis, and so is its threshold"


def test_what_flowed_is_found_for_any_dataset_of_this_stack_only():
    searches = [
        metric[0]["expression"]
        for widget in of("metric")
        for metric in widget["properties"]["metrics"]
        if isinstance(metric[0], dict) and metric[0]["expression"].startswith("SEARCH")
    ]
    assert len(searches) == 6
    for expression in searches:
        assert expression.startswith('SEARCH(\'{EmrPipeline,Dataset,Outcome,Stack} Stack="test" MetricName=')


def test_what_is_computed_names_lines_of_its_own_chart():
    for widget in of("metric"):
        ids = [
            options["id"]
            for metric in widget["properties"]["metrics"]
            for options in metric
            if isinstance(options, dict) and "id" in options
        ]
        assert len(set(ids)) == len(ids), "ids are a chart's own"
    (ratio,) = [metric for metric in titled("Records set aside")["metrics"] if isinstance(metric[0], dict)]
    assert ratio[0]["expression"] == "100 * aside0 / rows0"


def test_files_are_counted_where_the_dispatcher_counts_them():
    found = {(metric[0], *metric[2:4]) for metric in titled("Files dispatched")["metrics"]}
    assert found == {("EmrPipeline", "Stack", "test")}


@pytest.mark.parametrize("part", PARTS)
def test_what_a_stack_does_not_have_is_not_drawn(part: str):
    assert f'"the-{part}"' not in json.dumps(without(part))


def test_a_stack_without_a_cluster_has_no_section_for_it():
    assert "## The cluster" not in [widget["properties"]["markdown"] for widget in of("text", without("cluster"))]


def test_freshness_is_drawn_where_housekeeping_publishes_it():
    titles = [widget["properties"].get("title") for widget in without("housekeeping")]
    assert "Since the last successful run" not in titles
