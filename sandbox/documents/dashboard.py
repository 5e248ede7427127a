"""CloudWatch dashboard bodies.

Source: CloudWatch API reference, "Dashboard body structure and syntax"; "CloudWatch service quotas" for the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sandbox.documents import Owner
from sandbox.documents.by_schema import schema_mistakes

_REGION: Final = {"type": "string", "pattern": r"^[a-z]{2}(-[a-z]+)+-\d$", "description": "a Region"}
_METRIC: Final = {
    "type": "object",
    "properties": {
        "metrics": {
            "type": "array",
            "minItems": 1,
            "maxItems": 500,
            "items": {
                "type": "array",
                "minItems": 1,
                "description": "namespace, metric name, pairs of a dimension and its value, options; or an expression",
            },
        },
        "region": _REGION,
        "view": {"enum": ["timeSeries", "singleValue", "gauge", "bar", "pie", "table"]},
        "period": {"type": "integer", "minimum": 1},
        "stat": {"type": "string"},
        "title": {"type": "string"},
        "stacked": {"type": "boolean"},
    },
    "anyOf": [{"required": ["metrics", "region"]}, {"required": ["annotations"]}],
}
_PROPERTIES: Final[dict[str, dict[str, Any]]] = {
    "metric": _METRIC,
    "text": {"type": "object", "required": ["markdown"], "properties": {"markdown": {"type": "string"}}},
    "log": {
        "type": "object",
        "required": ["query", "region"],
        "properties": {
            "query": {"type": "string", "minLength": 1},
            "region": _REGION,
            "view": {"enum": ["table", "timeSeries", "bar", "pie", "singleValue"]},
        },
    },
    "alarm": {
        "type": "object",
        "required": ["alarms"],
        "properties": {
            "alarms": {
                "type": "array",
                "minItems": 1,
                "maxItems": 100,
                "items": {
                    "type": "string",
                    "pattern": r"^arn:[^:]+:cloudwatch:[^:]+:\d{12}:alarm:.+$",
                    "description": "the ARN of an alarm",
                },
            },
        },
    },
    "explorer": {"type": "object"},
    "custom": {"type": "object", "required": ["endpoint"]},
}
_WIDGET: Final = {
    "type": "object",
    "required": ["type", "properties"],
    "properties": {
        "type": {"enum": sorted(_PROPERTIES)},
        "x": {"type": "integer", "minimum": 0, "maximum": 23},
        "y": {"type": "integer", "minimum": 0},
        "width": {"type": "integer", "minimum": 1, "maximum": 24},
        "height": {"type": "integer", "minimum": 1, "maximum": 1000},
        "properties": {"type": "object"},
    },
    "allOf": [
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"properties": {"properties": schema}},
        }
        for name, schema in _PROPERTIES.items()
    ],
}
_SCHEMA: Final = {
    "type": "object",
    "required": ["widgets"],
    "properties": {
        "widgets": {"type": "array", "maxItems": 500, "items": _WIDGET},
        "start": {"type": "string"},
        "end": {"type": "string"},
        "periodOverride": {"enum": ["auto", "inherit"]},
    },
}
_METRICS: Final = 2500


def dashboard_body(document: Any, owner: Owner) -> Iterator[str]:
    """What is wrong with a body."""
    found = list(schema_mistakes(document, _SCHEMA))
    yield from found
    if found:
        return
    for index, widget in enumerate(document["widgets"]):
        if widget.get("x", 0) + widget.get("width", 6) > 24:
            yield (
                f"widgets[{index}]: x {widget['x']} and width {widget.get('width', 6)} go beyond the grid's 24 columns"
            )
    metrics = sum(len(widget["properties"].get("metrics", [])) for widget in document["widgets"])
    if metrics > _METRICS:
        yield f"has {metrics} metrics; a dashboard's quota is {_METRICS}"
