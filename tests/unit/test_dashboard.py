"""The dashboard's body: within CloudWatch's limits, and complete for what a stack has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.alarm_table import DIMENSIONS, Source, alarm_name, alarm_rows
from components.dashboard import WIDTH, dashboard_body
from settings import MonitoringSettings
from tests.unit.harness import ENVIRONMENT

SOURCES: dict[Source, str] = {source: f"the-{source}" for source in DIMENSIONS}
ALARMS = [
    (row, ENVIRONMENT.arn("cloudwatch", f"alarm:{alarm_name(ENVIRONMENT, row.id)}"))
    for row in alarm_rows(MonitoringSettings())
]
BODY = dashboard_body(ENVIRONMENT, ALARMS, SOURCES)
WIDGETS: list[dict[str, Any]] = BODY["widgets"]


def of(kind: str, widgets: list[dict[str, Any]] = WIDGETS) -> list[dict[str, Any]]:
    return [widget for widget in widgets if widget["type"] == kind]


def test_it_has_its_four_sections():
    titles = [widget["properties"]["markdown"] for widget in of("text")]
    assert titles == ["## Is it healthy?", "## What flowed?", "## Cluster", "## Orchestration"]


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
    shown = [arn for widget in of("alarm") for arn in widget["properties"]["alarms"]]
    assert sorted(shown) == sorted(arn for _, arn in ALARMS)
    titles = [widget["properties"]["title"] for widget in of("alarm")]
    assert titles == ["critical alarms", "warning alarms"], "the critical ones come first"


def test_every_metric_is_looked_up_where_its_service_puts_it():
    places = set(DIMENSIONS.values())
    for widget in of("metric"):
        for metric in widget["properties"]["metrics"]:
            if isinstance(metric[0], str) and not metric[0].startswith("EmrPipeline/"):
                namespace, _, dimension, value, options = metric
                assert (namespace, dimension) in places
                assert value.startswith("the-")
                assert {"stat", "label"} <= set(options)


def test_what_flowed_is_found_for_any_dataset_of_this_stack_only():
    searches = [
        metric[0]["expression"]
        for widget in of("metric")
        for metric in widget["properties"]["metrics"]
        if isinstance(metric[0], dict)
    ]
    assert len(searches) == 6
    for expression in searches:
        assert expression.startswith('SEARCH(\'{EmrPipeline,Dataset,Outcome,Stack} Stack="test" MetricName=')


def test_files_are_counted_where_the_dispatcher_counts_them():
    (widget,) = [widget for widget in of("metric") if widget["properties"]["title"] == "Files dispatched"]
    assert {metric[0] for metric in widget["properties"]["metrics"]} == {"EmrPipeline/emr-pipeline-test"}


def test_searches_of_a_widget_have_ids_of_their_own():
    for widget in of("metric"):
        ids = [metric[0]["id"] for metric in widget["properties"]["metrics"] if isinstance(metric[0], dict)]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("source", DIMENSIONS)
def test_what_a_stack_does_not_have_is_not_drawn(source: Source):
    rest = {known: value for known, value in SOURCES.items() if known != source}
    assert f"the-{source}" not in json.dumps(dashboard_body(ENVIRONMENT, ALARMS, rest))


def test_a_stack_without_a_cluster_has_no_section_for_it():
    rest: dict[Source, str] = {known: value for known, value in SOURCES.items() if known != "cluster"}
    widgets = dashboard_body(ENVIRONMENT, ALARMS, rest)["widgets"]
    assert "## Cluster" not in [widget["properties"]["markdown"] for widget in of("text", widgets)]
