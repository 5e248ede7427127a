"""The alarms of a stack as a table: what is measured, when it is too much, what it means, what to do.

Nothing here makes a resource; `alarms.PipelineAlarms` does. A row whose source the stack does not have makes no alarm.
Metrics and their periods: EMR management guide, "Monitoring Amazon EMR metrics with CloudWatch" (five minutes); Step
Functions, Lambda, SQS and EventBridge guides (one minute).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from components.environment import AwsEnvironment
from settings import MonitoringSettings

Severity = Literal["critical", "warning"]
"""Critical: data stands still or may be lost. Warning: it will, when nobody looks."""

Source = Literal["cluster", "state-machine", "function", "intake", "dead-letters", "undelivered", "rule"]
"""What an alarm watches."""

MissingData = Literal["breaching", "notBreaching"]

Comparison = Literal["GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold"]

DIMENSIONS: Mapping[Source, tuple[str, str]] = {
    "cluster": ("AWS/ElasticMapReduce", "JobFlowId"),
    "state-machine": ("AWS/States", "StateMachineArn"),
    "function": ("AWS/Lambda", "FunctionName"),
    "intake": ("AWS/SQS", "QueueName"),
    "dead-letters": ("AWS/SQS", "QueueName"),
    "undelivered": ("AWS/SQS", "QueueName"),
    "rule": ("AWS/Events", "RuleName"),
}
"""Namespace and dimension of each source's metrics."""


@dataclass(frozen=True)
class AlarmRow:
    """One alarm."""

    id: str
    """Last part of its name."""
    source: Source
    severity: Severity
    metric: str
    statistic: Literal["Sum", "Maximum", "Minimum", "Average", "SampleCount"]
    comparison: Comparison
    threshold: float
    reason: str
    """Why this threshold."""
    period_seconds: int
    periods: int
    """Periods in a row that must breach."""
    missing: MissingData
    """What periods without data count as."""
    cause: str
    """What it means."""
    action: str
    """What to do."""

    @property
    def namespace(self) -> str:
        """Namespace of the metric."""
        return DIMENSIONS[self.source][0]

    @property
    def dimension(self) -> str:
        """Name of the dimension that tells the source."""
        return DIMENSIONS[self.source][1]

    @property
    def description(self) -> str:
        """What the message of the alarm says."""
        return f"[{self.severity}] {self.cause} Do: {self.action} Threshold: {self.reason}"


def alarm_name(environment: AwsEnvironment, identifier: str) -> str:
    """Name of an alarm; below the prefix that the topics admit."""
    return f"{environment.project}-{environment.stack}-{identifier}"


_EMR_PERIOD = 300
_MINUTES_5 = 300


def alarm_rows(settings: MonitoringSettings) -> list[AlarmRow]:
    """Every alarm that a complete stack has, the most telling of each part first."""
    return [*_cluster_rows(settings), *_orchestration_rows(), *_dispatch_rows(settings)]


def _cluster_rows(settings: MonitoringSettings) -> list[AlarmRow]:
    return [
        AlarmRow(
            id="cluster-silent",
            source="cluster",
            severity="critical",
            metric="IsIdle",
            statistic="SampleCount",
            comparison="LessThanThreshold",
            threshold=1,
            reason="a cluster reports every five minutes, idle or not; half an hour leaves it time to start.",
            period_seconds=_EMR_PERIOD,
            periods=6,
            missing="breaching",
            cause="The cluster reports no metrics: it ended, or its primary node hangs.",
            action="look at the cluster's state and the reason of its last change; bring it back with an update.",
        ),
        AlarmRow(
            id="hdfs-full",
            source="cluster",
            severity="critical",
            metric="HDFSUtilization",
            statistic="Average",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=settings.hdfs_utilization_percent,
            reason="set by monitoring.hdfsUtilizationPercent; a full HDFS stops jobs and history alike.",
            period_seconds=_EMR_PERIOD,
            periods=3,
            missing="notBreaching",
            cause="HDFS fills up.",
            action="remove old logs and intermediate data, or raise the core group's instances or volumes.",
        ),
        AlarmRow(
            id="yarn-memory-low",
            source="cluster",
            severity="warning",
            metric="YARNMemoryAvailablePercentage",
            statistic="Average",
            comparison="LessThanThreshold",
            threshold=settings.yarn_memory_available_percent,
            reason="set by monitoring.yarnMemoryAvailablePercent; scaling has added what it may in half an hour.",
            period_seconds=_EMR_PERIOD,
            periods=6,
            missing="notBreaching",
            cause="YARN has had hardly any memory left for half an hour: runs wait for each other.",
            action="see what runs; raise the task group's scaling.maximum if this is the usual load.",
        ),
        AlarmRow(
            id="nodes-unhealthy",
            source="cluster",
            severity="warning",
            metric="MRUnhealthyNodes",
            statistic="Maximum",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="a healthy cluster has none; a quarter of an hour outlasts a restart.",
            period_seconds=_EMR_PERIOD,
            periods=3,
            missing="notBreaching",
            cause="A node is unhealthy, mostly because a disk is 90 % full.",
            action="look at the node's disks and its YARN log; EMR replaces what it can.",
        ),
        AlarmRow(
            id="nodes-lost",
            source="cluster",
            severity="warning",
            metric="MRLostNodes",
            statistic="Maximum",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="a node that left in an orderly way is decommissioned, not lost.",
            period_seconds=_EMR_PERIOD,
            periods=3,
            missing="notBreaching",
            cause="YARN lost contact with a node: spot took it back, or it died.",
            action="see whether the group returns to its size; containers of that node are run again elsewhere.",
        ),
        AlarmRow(
            id="hdfs-blocks-missing",
            source="cluster",
            severity="critical",
            metric="MissingBlocks",
            statistic="Maximum",
            comparison="GreaterThanThreshold",
            threshold=0,
            reason="a block without any replica is data lost from HDFS.",
            period_seconds=_EMR_PERIOD,
            periods=2,
            missing="notBreaching",
            cause="HDFS misses blocks: core nodes went with the only replica.",
            action="see with hdfs fsck which files are hit; tables live in S3 and are safe, running jobs may fail.",
        ),
    ]


def _orchestration_rows() -> list[AlarmRow]:
    def executions(kind: str, metric: str, cause: str, action: str) -> AlarmRow:
        return AlarmRow(
            id=f"executions-{kind}",
            source="state-machine",
            severity="critical",
            metric=metric,
            statistic="Sum",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="every execution carries files that somebody waits for.",
            period_seconds=_MINUTES_5,
            periods=1,
            missing="notBreaching",
            cause=cause,
            action=action,
        )

    return [
        executions(
            "failed",
            "ExecutionsFailed",
            "An execution failed.",
            "read its failure message; when none came, it ended before its failure path: read its history.",
        ),
        executions(
            "timed-out",
            "ExecutionsTimedOut",
            "An execution ran into its own timeout, so its failure path did not run and its step may still do.",
            "look at the step of the execution's name on the cluster; drive the manifest again when it has ended.",
        ),
        executions(
            "aborted",
            "ExecutionsAborted",
            "Somebody stopped an execution; its step may still run.",
            "cancel the step if it should not go on; drive the manifest again if its files are wanted.",
        ),
        AlarmRow(
            id="executions-throttled",
            source="state-machine",
            severity="warning",
            metric="ExecutionThrottled",
            statistic="Sum",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="a pipeline that gathers files starts few executions; quotas allow hundreds a second.",
            period_seconds=_MINUTES_5,
            periods=3,
            missing="notBreaching",
            cause="State transitions are throttled.",
            action="see who else uses the account's Step Functions quota; raise orchestration.batchWindowSeconds.",
        ),
    ]


def _dispatch_rows(settings: MonitoringSettings) -> list[AlarmRow]:
    return [
        AlarmRow(
            id="dead-letters-waiting",
            source="dead-letters",
            severity="critical",
            metric="ApproximateNumberOfMessagesVisible",
            statistic="Maximum",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="each is a file that nobody processes.",
            period_seconds=_MINUTES_5,
            periods=1,
            missing="notBreaching",
            cause="Files could not be dispatched and wait in the dead-letter queue, for 14 days at most.",
            action="read the dispatcher's log, mend the cause, and move the messages back to the intake.",
        ),
        AlarmRow(
            id="intake-old",
            source="intake",
            severity="critical",
            metric="ApproximateAgeOfOldestMessage",
            statistic="Maximum",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=settings.intake_age_minutes * 60,
            reason="set by monitoring.intakeAgeMinutes.",
            period_seconds=_MINUTES_5,
            periods=1,
            missing="notBreaching",
            cause="Files wait too long for the dispatcher: it is disabled, fails, or cannot keep up.",
            action="look at its errors and its event source; raise orchestration.maximumConcurrency if it only lags.",
        ),
        AlarmRow(
            id="dispatcher-errors",
            source="function",
            severity="warning",
            metric="Errors",
            statistic="Sum",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="single messages that fail are reported without an error; an error is a call that broke.",
            period_seconds=_MINUTES_5,
            periods=2,
            missing="notBreaching",
            cause="The dispatcher breaks: its messages come again, and go to the dead-letter queue in the end.",
            action="read its log; permissions, endpoints and the state machine are the usual causes.",
        ),
        AlarmRow(
            id="dispatcher-throttled",
            source="function",
            severity="warning",
            metric="Throttles",
            statistic="Sum",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="the event source is bounded, so only the account's concurrency can throttle the function.",
            period_seconds=_MINUTES_5,
            periods=3,
            missing="notBreaching",
            cause="Lambda refuses calls of the dispatcher: the account's concurrency is used up.",
            action="see which functions use it; reserve concurrency or ask for a higher quota.",
        ),
        AlarmRow(
            id="events-undeliverable",
            source="rule",
            severity="critical",
            metric="FailedInvocations",
            statistic="Sum",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="EventBridge counts an event here when it gives up on it.",
            period_seconds=_MINUTES_5,
            periods=1,
            missing="notBreaching",
            cause="EventBridge could not put files on the intake.",
            action="look at the intake's policy and key; the events wait in the dead-letter queue.",
        ),
        AlarmRow(
            id="notifications-undelivered",
            source="undelivered",
            severity="warning",
            metric="ApproximateNumberOfMessagesVisible",
            statistic="Maximum",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="each is a message that nobody got.",
            period_seconds=_MINUTES_5,
            periods=1,
            missing="notBreaching",
            cause="EventBridge could not publish to the critical topic.",
            action="read the messages in the queue of undelivered notifications; look at the topic's policy and key.",
        ),
    ]
