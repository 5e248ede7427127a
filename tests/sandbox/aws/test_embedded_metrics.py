"""Metrics that functions write in their log are metrics of CloudWatch."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from sandbox.aws.embedded_metrics import EmbeddedMetricError, metrics_of

MOMENT = 1_800_000_000_000


def line(**changes: Any) -> str:
    """A line of two dimension sets, as the specification has it."""
    directive = {
        "Namespace": "Pipeline",
        "Dimensions": [["Stack"], ["Stack", "Dataset"]],
        "Metrics": [{"Name": "Files", "Unit": "Count"}],
        **changes.pop("directive", {}),
    }
    metadata = {"Timestamp": MOMENT, "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": metadata, "Stack": "dev", "Dataset": "flights", "Files": 3, **changes})


def written_by_powertools(*values: int) -> str:
    """The line that a function's Powertools prints."""
    metrics = Metrics(namespace="Embedded")
    metrics.add_dimension(name="Stack", value="dev")
    for value in values:
        metrics.add_metric(name="Files", unit=MetricUnit.Count, value=value)
    written: Any = metrics.serialize_metric_set()
    metrics.clear_metrics()
    return json.dumps(written)


def test_what_powertools_prints_in_a_function_is_a_metric(sandbox_aws: Any) -> None:
    function = sandbox_aws.function("def handler(event, context):\n    print(event['line'])\n")
    sandbox_aws.call(function, {"line": written_by_powertools(3, 4)})

    def points() -> Any:
        return sandbox_aws.cloudwatch.get_metric_statistics(
            Namespace="Embedded",
            MetricName="Files",
            Dimensions=[{"Name": "Stack", "Value": "dev"}],
            StartTime=datetime.now(UTC) - timedelta(hours=1),
            EndTime=datetime.now(UTC) + timedelta(hours=1),
            Period=7200,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]

    (point,) = sandbox_aws.wait_for(points, what="the metric")
    assert (point["Sum"], point["SampleCount"], point["Unit"]) == (7, 2, "Count"), "each value counts"


def test_each_dimension_set_is_a_metric_of_its_own() -> None:
    found = [(namespace, data["Dimensions"], data["Values"]) for namespace, data in metrics_of(line())]
    stack = {"Name": "Stack", "Value": "dev"}
    assert found == [
        ("Pipeline", [stack], [3.0]),
        ("Pipeline", [stack, {"Name": "Dataset", "Value": "flights"}], [3.0]),
    ]


def test_a_metric_has_the_time_that_the_line_says_and_all_its_values() -> None:
    (_, data), _ = metrics_of(line(Files=[1, 2.5]))
    assert data["Timestamp"] == datetime.fromtimestamp(MOMENT / 1000, UTC).replace(tzinfo=None)
    assert (data["Values"], data["Unit"]) == ([1.0, 2.5], "Count")


@pytest.mark.parametrize(
    "other",
    [
        "plain text",
        '{"level": "INFO", "message": "\\"_aws\\""}',
        'before {"_aws": {}}',
        '{"_aws": {"Other": []}}',
        '"_aws"',
    ],
)
def test_other_lines_hold_no_metric(other: str) -> None:
    assert list(metrics_of(other)) == [], "only an object that says so is read"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"Files": "three"}, "the metric Files is 'three', and not a number"),
        ({"Files": True}, "not a number"),
        ({"Stack": 1}, "the dimension Stack is 1, and not a text"),
        ({"directive": {"Dimensions": [["Region"]]}}, "'Region' is missing"),
        ({"directive": {"Metrics": [{"Name": "Bytes"}]}}, "'Bytes' is missing"),
    ],
)
def test_a_line_that_names_what_it_does_not_have_is_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(EmbeddedMetricError, match=reason):
        list(metrics_of(line(**wrong)))


def test_a_refused_line_stays_a_line_and_the_log_says_why(sandbox_aws: Any, caplog: pytest.LogCaptureFixture) -> None:
    group = f"/embedded/{sandbox_aws.name('group')}"
    sandbox_aws.logs.create_log_group(logGroupName=group)
    sandbox_aws.logs.create_log_stream(logGroupName=group, logStreamName="one")
    message = line(directive={"Metrics": [{"Name": "Files", "Unit": "Pieces"}]})
    with caplog.at_level(logging.WARNING, "sandbox"):
        sandbox_aws.logs.put_log_events(
            logGroupName=group,
            logStreamName="one",
            logEvents=[{"timestamp": int(time.time() * 1000), "message": message}],
        )
    (event,) = sandbox_aws.logs.filter_log_events(logGroupName=group)["events"]
    assert event["message"] == message
    assert f"log group {group}: CloudWatch takes no metric" in caplog.text
    assert "Pieces" in caplog.text, "the unit is none of CloudWatch's"
