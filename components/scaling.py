"""Custom automatic scaling of instance groups, as EMR keeps it and the provider compares it.

The policies name no ``Dimensions``: EMR adds the cluster's own (``JobFlowId``) and the provider takes it off again when
it reads, so a policy that spells it out differs for ever (terraform-provider-aws, emr/cluster.go,
``flattenAutoScalingPolicyDescription``). Every other default is spelled out for the same reason.

EMR publishes its metrics every five minutes; a shorter period would look at nothing.
"""

from __future__ import annotations

import math
from typing import Literal

from components.iam import Document
from settings import ScalingSettings

METRIC_PERIOD_SECONDS = 300
COOL_DOWN_SECONDS = 300

YARN_MEMORY_LOW_PERCENT = 15.0
"""Less YARN memory than this left: applications are about to wait."""
YARN_MEMORY_HIGH_PERCENT = 75.0
"""More YARN memory than this left: nodes stand idle. Far above the low mark, so that the two do not alternate."""
CONTAINERS_PENDING_RATIO = 0.75
"""Containers that wait for each one that runs: memory may look free while no node has room for one of them."""
HDFS_UTILIZATION_LOW_PERCENT = 25.0
"""Less HDFS use than this: with a node fewer, the blocks of the default replication still fit three times over."""
HDFS_UTILIZATION_HIGH_PERCENT = 75.0
"""HDFS use that needs another core node; below the alarm's default, so that scaling gets its chance first."""

_Comparison = Literal["GREATER_THAN", "LESS_THAN"]
_Unit = Literal["PERCENT", "COUNT"]


def _rule(
    name: str,
    description: str,
    *,
    adjustment: int,
    metric: str,
    comparison: _Comparison,
    threshold: float,
    unit: _Unit,
    periods: int,
) -> Document:
    return {
        "Name": name,
        "Description": description,
        "Action": {
            "SimpleScalingPolicyConfiguration": {
                "AdjustmentType": "CHANGE_IN_CAPACITY",
                "ScalingAdjustment": adjustment,
                "CoolDown": COOL_DOWN_SECONDS,
            }
        },
        "Trigger": {
            "CloudWatchAlarmDefinition": {
                "ComparisonOperator": comparison,
                "EvaluationPeriods": periods,
                "MetricName": metric,
                "Namespace": "AWS/ElasticMapReduce",
                "Period": METRIC_PERIOD_SECONDS,
                "Statistic": "AVERAGE",
                "Threshold": threshold,
                "Unit": unit,
            }
        },
    }


def _policy(limits: ScalingSettings, rules: list[Document]) -> Document:
    return {
        "Constraints": {"MinCapacity": limits.minimum, "MaxCapacity": limits.maximum},
        "Rules": rules,
    }


def scale_out_step(limits: ScalingSettings) -> int:
    """Nodes added at once: a quarter of the range, so that four looks reach the maximum whatever it is."""
    return max(1, math.ceil((limits.maximum - limits.minimum) / 4))


def task_scaling_policy(limits: ScalingSettings) -> Document:
    """Task nodes follow the work: out when memory runs short or containers wait, in, slowly, when memory lies idle."""
    step = scale_out_step(limits)
    return _policy(
        limits,
        [
            _rule(
                "ScaleOutOnYarnMemory",
                f"Add {step} when less than {YARN_MEMORY_LOW_PERCENT:g} % of YARN memory is left",
                adjustment=step,
                metric="YARNMemoryAvailablePercentage",
                comparison="LESS_THAN",
                threshold=YARN_MEMORY_LOW_PERCENT,
                unit="PERCENT",
                periods=1,
            ),
            _rule(
                "ScaleOutOnPendingContainers",
                f"Add {step} when more than {CONTAINERS_PENDING_RATIO:g} containers wait for each that runs",
                adjustment=step,
                metric="ContainerPendingRatio",
                comparison="GREATER_THAN",
                threshold=CONTAINERS_PENDING_RATIO,
                unit="COUNT",
                periods=1,
            ),
            _rule(
                "ScaleInOnYarnMemory",
                f"Remove 1 when more than {YARN_MEMORY_HIGH_PERCENT:g} % of YARN memory is left for ten minutes",
                adjustment=-1,
                metric="YARNMemoryAvailablePercentage",
                comparison="GREATER_THAN",
                threshold=YARN_MEMORY_HIGH_PERCENT,
                unit="PERCENT",
                periods=2,
            ),
        ],
    )


def core_scaling_policy(limits: ScalingSettings, *, scale_in: bool = False) -> Document:
    """Core nodes follow HDFS, outward; inward only when asked, for taking one away moves its blocks, or loses them."""
    rules = [
        _rule(
            "ScaleOutOnHdfsUtilization",
            f"Add 1 when HDFS is more than {HDFS_UTILIZATION_HIGH_PERCENT:g} % full for ten minutes",
            adjustment=1,
            metric="HDFSUtilization",
            comparison="GREATER_THAN",
            threshold=HDFS_UTILIZATION_HIGH_PERCENT,
            unit="PERCENT",
            periods=2,
        )
    ]
    if scale_in:
        rules.append(
            _rule(
                "ScaleInOnHdfsUtilization",
                f"Remove 1 when HDFS is less than {HDFS_UTILIZATION_LOW_PERCENT:g} % full for an hour",
                adjustment=-1,
                metric="HDFSUtilization",
                comparison="LESS_THAN",
                threshold=HDFS_UTILIZATION_LOW_PERCENT,
                unit="PERCENT",
                periods=12,
            )
        )
    return _policy(limits, rules)
