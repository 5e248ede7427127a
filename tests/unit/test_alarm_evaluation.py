"""The evaluator follows CloudWatch's published rules: their tables are the cases."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.alarm_evaluation import State, aggregate, composite, evaluate, judge, metric_math

POINTS = {"0": False, "X": True, "-": None}


@pytest.mark.parametrize(
    ("points", "needed", "missing", "ignore", "breaching", "not_breaching"),
    [
        # CloudWatch user guide, "How alarm state is evaluated when data is missing": 3 of 3, then 2 of 3.
        ("0-X-X", 3, "OK", "OK", "OK", "OK"),
        ("0----", 3, "OK", "OK", "OK", "OK"),
        ("-----", 3, "INSUFFICIENT_DATA", "retain", "ALARM", "OK"),
        ("0XX-X", 3, "ALARM", "ALARM", "ALARM", "ALARM"),
        ("--X--", 3, "ALARM", "retain", "ALARM", "OK"),
        ("0-X-X", 2, "ALARM", "ALARM", "ALARM", "ALARM"),
        ("00X0X", 2, "ALARM", "ALARM", "ALARM", "ALARM"),
        ("0-X--", 2, "OK", "OK", "ALARM", "OK"),
        ("----0", 2, "OK", "OK", "ALARM", "OK"),
        ("---X-", 2, "ALARM", "retain", "ALARM", "OK"),
    ],
)
def test_the_guide_s_tables_hold(
    points: str, needed: int, missing: str, ignore: str, breaching: str, not_breaching: str
):
    expected = {"missing": missing, "ignore": ignore, "breaching": breaching, "notBreaching": not_breaching}
    for treatment, wanted in expected.items():
        for before in ("OK", "ALARM"):
            state = judge([POINTS[point] for point in points], 3, needed, treatment, before)
            assert state == (before if wanted == "retain" else wanted), f"{points} with {treatment}, before {before}"


def alarm(**changes: Any) -> dict[str, Any]:
    return {
        "Namespace": "N",
        "MetricName": "M",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 2,
        "DatapointsToAlarm": 2,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 5,
        "TreatMissingData": "notBreaching",
    } | changes


def data(*values: float | None, period: int = 60, now: int = 6000) -> Any:
    points = {now - period * (len(values) - index): value for index, value in enumerate(values) if value is not None}

    def gather(
        namespace: str, name: str, dimensions: Any, statistic: str, period: int, start: int, end: int
    ) -> dict[int, float]:
        return {begin: value for begin, value in points.items() if start <= begin < end}

    return gather


@pytest.mark.parametrize(
    ("values", "state"), [((6, 6), "ALARM"), ((6, 5), "OK"), ((None, 6), "OK"), ((6, 6, None), "ALARM")]
)
def test_periods_are_counted_from_now(values: tuple[float | None, ...], state: State):
    found = evaluate(alarm(), data(*values), now=6000)
    assert found.state == state, found.reason


def test_a_minute_that_is_not_over_is_not_looked_at():
    assert evaluate(alarm(), data(6, 6), now=6059).state == "ALARM"


@pytest.mark.parametrize(("value", "state"), [(100, "ALARM"), (11, "OK"), (-50, "OK")])
def test_an_upper_band_is_crossed_from_below_only(value: float, state: State):
    definition = alarm(
        EvaluationPeriods=1,
        DatapointsToAlarm=1,
        ComparisonOperator="GreaterThanUpperThreshold",
        ThresholdMetricId="band",
        Metrics=[
            {"Id": "m", "MetricStat": {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Sum"}},
            {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(m, 2)"},
        ],
    )
    assert evaluate(definition, data(*[9, 10, 11] * 5, value), now=6000).state == state
    assert evaluate(definition, data(value), now=6000).state == "OK", "without history there is no band to cross"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("a + b", None),
        ("FILL(a, 2) + b", 5),
        ("IF(b >= 3 AND FILL(a, 0) == 0, 1, 0)", 1),
        ("IF(b > 3 OR FILL(a, 0) > 0, 1, 0)", 0),
        ("IF(a > 0, 1, 0)", None),
        ("b / FILL(a, 0)", None),
        ("b * PERIOD(b) / 60", 3),
    ],
)
def test_metric_math_knows_gaps(expression: str, value: float | None):
    assert metric_math(expression, {"a": {}, "b": {0: 3}}, 60, [0]).get(0) == value


def test_metric_math_names_what_it_does_not_know():
    with pytest.raises(ValueError, match="SLICE is not known here"):
        metric_math("SLICE(a, 0)", {"a": {}}, 60, [0])


def test_no_sample_is_no_sample_count():
    assert aggregate([], "SampleCount") is None
    assert aggregate([0, 0], "SampleCount") == 2


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        ('ALARM("a") OR ALARM("b")', "ALARM"),
        ('ALARM("a") AND ALARM("b")', "OK"),
        ('ALARM("a") AND NOT ALARM("b")', "ALARM"),
        ('OK("a") OR ALARM("b")', "OK"),
    ],
)
def test_composite_rules(rule: str, state: State):
    assert composite(rule, {"a": "ALARM", "b": "OK"}) == state
