"""Scaling policies: what scales, which way, and in the form that makes no difference for ever."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import botocore.validate
import pytest

from components.iam import Document
from components.scaling import core_scaling_policy, scale_out_step, task_scaling_policy
from settings import ScalingSettings

LIMITS = ScalingSettings(minimum=1, maximum=9)
POLICIES = {
    "task": task_scaling_policy(LIMITS),
    "core": core_scaling_policy(LIMITS),
    "core inward": core_scaling_policy(LIMITS, scale_in=True),
}


def rules(policy: Document) -> dict[str, tuple[str, int]]:
    """Metric and adjustment by rule."""
    return {
        rule["Name"]: (
            rule["Trigger"]["CloudWatchAlarmDefinition"]["MetricName"],
            rule["Action"]["SimpleScalingPolicyConfiguration"]["ScalingAdjustment"],
        )
        for rule in policy["Rules"]
    }


def test_task_nodes_come_by_yarn_and_leave_by_yarn() -> None:
    assert rules(POLICIES["task"]) == {
        "ScaleOutOnYarnMemory": ("YARNMemoryAvailablePercentage", 2),
        "ScaleOutOnPendingContainers": ("ContainerPendingRatio", 2),
        "ScaleInOnYarnMemory": ("YARNMemoryAvailablePercentage", -1),
    }


def test_core_nodes_come_by_hdfs_and_never_leave() -> None:
    found = rules(POLICIES["core"])
    assert {metric for metric, _ in found.values()} == {"HDFSUtilization"}, "YARN's needs are the task group's"
    assert all(adjustment > 0 for _, adjustment in found.values()), "a core node that leaves moves or loses its blocks"


def test_core_nodes_leave_only_when_asked_and_slowly() -> None:
    found = rules(POLICIES["core inward"])
    assert found["ScaleInOnHdfsUtilization"] == ("HDFSUtilization", -1)
    alarms = {rule["Name"]: rule["Trigger"]["CloudWatchAlarmDefinition"] for rule in POLICIES["core inward"]["Rules"]}
    out, back = alarms["ScaleOutOnHdfsUtilization"], alarms["ScaleInOnHdfsUtilization"]
    assert back["Threshold"] * 3 <= out["Threshold"], "a node fewer must not fill HDFS so that one comes again"
    assert back["EvaluationPeriods"] * back["Period"] == 3600, "an hour's quiet, not a pause between two steps"


@pytest.mark.parametrize("group", POLICIES)
def test_limits_are_those_of_the_settings(group: str) -> None:
    assert POLICIES[group]["Constraints"] == {"MinCapacity": 1, "MaxCapacity": 9}


@pytest.mark.parametrize("group", POLICIES)
def test_a_policy_is_what_the_api_takes(group: str) -> None:
    session = botocore.session.get_session()
    model = session.get_service_model("emr").operation_model("PutAutoScalingPolicy").input_shape
    request: dict[str, Any] = {"ClusterId": "j-1", "InstanceGroupId": "ig-1", "AutoScalingPolicy": POLICIES[group]}
    report = botocore.validate.ParamValidator().validate(request, model)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("group", POLICIES)
def test_enumerations_are_the_apis_own(group: str) -> None:
    shapes = botocore.session.get_session().get_service_model("emr")
    for rule in POLICIES[group]["Rules"]:
        alarm = rule["Trigger"]["CloudWatchAlarmDefinition"]
        assert alarm["ComparisonOperator"] in shapes.shape_for("ComparisonOperator").enum
        assert alarm["Statistic"] in shapes.shape_for("Statistic").enum
        assert alarm["Unit"] in shapes.shape_for("Unit").enum
        action = rule["Action"]["SimpleScalingPolicyConfiguration"]
        assert action["AdjustmentType"] in shapes.shape_for("AdjustmentType").enum


@pytest.mark.parametrize("group", POLICIES)
def test_the_policy_is_in_the_form_that_the_provider_reads_back(group: str) -> None:
    text = json.dumps(POLICIES[group])
    assert "Dimensions" not in text, "the provider takes EMR's JobFlowId off when it reads: naming it differs for ever"
    for rule in POLICIES[group]["Rules"]:
        alarm = rule["Trigger"]["CloudWatchAlarmDefinition"]
        assert set(alarm) == {
            "ComparisonOperator",
            "EvaluationPeriods",
            "MetricName",
            "Namespace",
            "Period",
            "Statistic",
            "Threshold",
            "Unit",
        }, "EMR fills in what is left out, and the provider compares it"
        assert alarm["Period"] == 300, "EMR publishes every five minutes"
        assert isinstance(alarm["Threshold"], float)
        assert set(rule["Action"]["SimpleScalingPolicyConfiguration"]) == {
            "AdjustmentType",
            "ScalingAdjustment",
            "CoolDown",
        }


def test_scaling_out_and_in_do_not_meet() -> None:
    thresholds = {
        rule["Name"]: rule["Trigger"]["CloudWatchAlarmDefinition"]["Threshold"] for rule in POLICIES["task"]["Rules"]
    }
    assert thresholds["ScaleInOnYarnMemory"] - thresholds["ScaleOutOnYarnMemory"] >= 50, "or nodes come and go in turns"


@pytest.mark.parametrize(("minimum", "maximum", "step"), [(0, 1, 1), (0, 4, 1), (0, 5, 2), (2, 20, 5), (3, 3, 1)])
def test_four_looks_reach_the_maximum(minimum: int, maximum: int, step: int) -> None:
    limits = ScalingSettings(minimum=minimum, maximum=maximum)
    assert scale_out_step(limits) == step
    assert minimum + 4 * step >= maximum
