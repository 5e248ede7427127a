"""Metrics that are written in a log: CloudWatch Logs puts them into CloudWatch, and moto leaves them in the line.

A line in the embedded metric format is a JSON object whose ``_aws`` says which of its other members are metrics, and
which are their dimensions (CloudWatch user guide, "Specification: Embedded metric format"). Functions write such lines
with Powertools; what CloudWatch would not take is told in the sandbox's log.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import botocore.session
from moto.cloudwatch.models import cloudwatch_backends
from moto.logs.models import LogGroup

from sandbox.aws.runtime import Runtime, log
from sandbox.service_models import ParameterRefusedError, check_parameters


class EmbeddedMetricError(ValueError):
    """A line that is meant as metrics, and is not of the format."""


def install(runtime: Runtime) -> None:
    """Read the lines of every log group as they are put there."""
    put: Callable[..., str] = LogGroup.put_log_events
    operation = botocore.session.get_session().get_service_model("cloudwatch").operation_model("PutMetricData")

    def put_log_events(self: Any, log_stream_name: str, log_events: list[dict[str, Any]]) -> str:
        token = put(self, log_stream_name, log_events)
        for event in log_events:
            try:
                for namespace, data in metrics_of(event["message"]):
                    check_parameters({"Namespace": namespace, "MetricData": [data]}, operation)
                    cloudwatch_backends[self.account_id][self.region].put_metric_data(namespace, [data])
            except (EmbeddedMetricError, ParameterRefusedError) as error:
                log.warning("log group %s: CloudWatch takes no metric from this line: %s", self.name, error)
        return token

    runtime.patches.replace(LogGroup, "put_log_events", put_log_events)


def metrics_of(line: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Namespace and datum (as PutMetricData has it) of each metric and dimension set; none of any other line.

    Raises:
        EmbeddedMetricError: for a line that says that it holds metrics, and names what it does not have.
    """
    if '"_aws"' not in line:
        return
    try:
        root = json.loads(line)
    except ValueError:
        return
    metadata: Any = root.get("_aws") if isinstance(root, dict) else None
    if not isinstance(metadata, Mapping) or "CloudWatchMetrics" not in metadata:
        return
    try:
        moment = datetime.datetime.fromtimestamp(metadata["Timestamp"] / 1000, datetime.UTC)
        for directive in metadata["CloudWatchMetrics"]:
            for dimensions in directive["Dimensions"]:
                for metric in directive["Metrics"]:
                    yield directive["Namespace"], _datum(root, moment, dimensions, metric)
    except KeyError as error:
        raise EmbeddedMetricError(f"{error} is missing: {line}") from error


def _datum(
    root: Mapping[str, Any], moment: datetime.datetime, dimensions: list[str], metric: Mapping[str, Any]
) -> dict[str, Any]:
    value = root[metric["Name"]]
    numbers: list[Any] = value if isinstance(value, list) else [value]
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
        raise EmbeddedMetricError(f"the metric {metric['Name']} is {value!r}, and not a number or a list of numbers")
    for name in dimensions:
        if not isinstance(root[name], str):
            raise EmbeddedMetricError(f"the dimension {name} is {root[name]!r}, and not a text")
    return {
        "MetricName": metric["Name"],
        "Dimensions": [{"Name": name, "Value": root[name]} for name in dimensions],
        # moto keeps what is UTC without saying so.
        "Timestamp": moment.replace(tzinfo=None),
        "Unit": metric.get("Unit", "None"),
        "StorageResolution": metric.get("StorageResolution", 60),
        "Values": [float(number) for number in numbers],
    }
