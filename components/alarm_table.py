"""The alarms of a stack as a table: what is measured, when it is too much, what it means, what somebody does about it.

Nothing here makes a resource: `alarms.PipelineAlarms` makes the alarms, `dashboard` draws their thresholds, and
``tools/runbook.py`` writes the runbook, all from these rows. What nobody would act on is a line of the dashboard, not
a row. A row that measures a part which the stack does not have makes no alarm.

Metrics and their periods: EMR management guide, "Monitoring Amazon EMR metrics with CloudWatch" (five minutes); Step
Functions, Lambda, SQS, SNS, EventBridge, VPC and PrivateLink guides (one minute); our own in `METRIC_NAMESPACE`.

The primary node's root disk has no row: EMR 6.9.0 has no agent that reports it (``AmazonCloudWatchAgent`` is an
application from 7.0.0 on), and a bootstrap action that installs one would have to fetch it from outside the VPC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from components.environment import AwsEnvironment
from components.state_machine_definition import METRIC_NAMESPACE, SUCCEEDED
from settings import DatasetSettings, MonitoringSettings

Severity = Literal["critical", "warning"]
"""Critical: data stands still or may be lost. Warning: it will, when nobody looks."""

Area = Literal["cluster", "orchestration", "data", "dispatch", "network", "housekeeping", "notifications"]
"""Chapter of the runbook."""

MissingData = Literal["breaching", "notBreaching", "ignore"]

Comparison = Literal[
    "GreaterThanThreshold",
    "GreaterThanOrEqualToThreshold",
    "LessThanThreshold",
    "GreaterThanUpperThreshold",
    "LessThanLowerOrGreaterThanUpperThreshold",
]

LONGEST_DESCRIPTION = 1024
"""Characters of an alarm's description (CloudWatch API reference, PutMetricAlarm)."""

MINUTES_5 = 300
HOUR = 3600
DAY = 86_400


@dataclass(frozen=True)
class Part:
    """A part of the stack, whose id, ARN or name is the value of a dimension: known once it is made."""

    name: str
    """Key in the parts that the stack has, e.g. ``cluster``."""


@dataclass(frozen=True)
class Metric:
    """A metric and how it is gathered over a period."""

    namespace: str
    name: str
    statistic: Literal["Sum", "Maximum", "Minimum", "Average", "SampleCount"]
    dimensions: Mapping[str, str | Part]

    @property
    def parts(self) -> frozenset[str]:
        """Parts of the stack that it measures."""
        return frozenset(value.name for value in self.dimensions.values() if isinstance(value, Part))


@dataclass(frozen=True)
class AlarmRow:
    """One alarm."""

    kind: str
    """What it is about; its entry in the runbook."""
    area: Area
    severity: Severity
    metrics: Mapping[str, Metric]
    """By the id that the expression calls it; without an expression there is one."""
    comparison: Comparison
    threshold: float | None
    """None: the band of an anomaly model."""
    reason: str
    """Why this threshold, or this band."""
    period_seconds: int
    periods: int
    """Latest periods that are looked at."""
    missing: MissingData
    """What periods without data count as."""
    what: str
    """What is so when it goes off."""
    cause: str
    """Likely causes."""
    action: str
    """What somebody does."""
    commands: tuple[str, ...]
    """To find the cause and to mend it; the runbook says what the variables hold."""
    subject: str = ""
    """Which one, where there are several: a dataset, a zone, an endpoint."""
    breaching_periods: int | None = None
    """Periods that must breach; None for all of them."""
    expression: str | None = None
    """Metric math over `metrics`; its value is compared."""
    band_width: float | None = None
    """Standard deviations of the anomaly model's band."""

    @property
    def id(self) -> str:
        """Last part of its name."""
        return f"{self.kind}-{self.subject}" if self.subject else self.kind

    @property
    def parts(self) -> frozenset[str]:
        """Parts of the stack that it measures."""
        return frozenset(part for metric in self.metrics.values() for part in metric.parts)

    @property
    def metric(self) -> Metric:
        """The metric of a row without expression."""
        (metric,) = self.metrics.values()
        return metric


@dataclass(frozen=True)
class Watched:
    """What the rows depend on, as plain values."""

    stack: str
    """Value of the Stack dimension."""
    monitoring: MonitoringSettings
    datasets: Mapping[str, DatasetSettings]
    maximum_set_aside_ratio: float
    scaled_groups: Mapping[str, int]
    """Most instances of each instance group that scales (``Core``, ``Task``)."""
    parts: frozenset[str]
    """Parts that the stack has."""


def alarm_name(environment: AwsEnvironment, identifier: str) -> str:
    """Name of an alarm; below the prefix that the topics admit."""
    return f"{environment.project}-{environment.stack}-{identifier}"


def runbook_link(settings: MonitoringSettings, kind: str) -> str:
    """Entry of the runbook: in the team's place when ``monitoring.runbookUrl`` names it, else in the repository."""
    return f"{settings.runbook_url or 'docs/runbook.md'}#{kind}"


def description(row: AlarmRow, settings: MonitoringSettings, links: Mapping[str, str]) -> str:
    """What the alarm's message says beside its name, state, time and value, which CloudWatch adds.

    Raises:
        ValueError: when it is longer than CloudWatch takes.
    """
    subject = f" ({row.subject})" if row.subject else ""
    lines = [
        f"[{row.severity}] {row.what}{subject}",
        f"Likely cause: {row.cause}",
        f"What to do: {row.action}",
        f"Threshold: {row.reason}",
        f"Runbook: {runbook_link(settings, row.kind)}",
        *(f"{name}: {link}" for name, link in links.items()),
    ]
    text = "\n".join(lines)
    if len(text) > LONGEST_DESCRIPTION:
        raise ValueError(
            f"the description of alarm {row.id} has {len(text)} characters; CloudWatch takes {LONGEST_DESCRIPTION}: "
            "shorten monitoring.runbookUrl"
        )
    return text


# Metrics ---------------------------------------------------------------------------------------------------------


def emr(name: str, statistic: Literal["Sum", "Maximum", "Minimum", "Average", "SampleCount"]) -> Metric:
    """A metric of the cluster."""
    return Metric("AWS/ElasticMapReduce", name, statistic, {"JobFlowId": Part("cluster")})


def executions(name: str, statistic: Literal["Sum", "Maximum", "Average"]) -> Metric:
    """A metric of the state machine."""
    return Metric("AWS/States", name, statistic, {"StateMachineArn": Part("state-machine")})


def queue(part: str, name: str) -> Metric:
    """A metric of a queue."""
    return Metric("AWS/SQS", name, "Maximum", {"QueueName": Part(part)})


def dispatcher(name: str, statistic: Literal["Sum", "Maximum", "Average"] = "Sum") -> Metric:
    """A metric of the dispatcher function."""
    return Metric("AWS/Lambda", name, statistic, {"FunctionName": Part("dispatcher")})


def run(stack: str, dataset: str, name: str) -> Metric:
    """What successful runs of a dataset did, summed; executions publish it."""
    return Metric(METRIC_NAMESPACE, name, "Sum", {"Stack": stack, "Dataset": dataset, "Outcome": SUCCEEDED})


def state(
    stack: str,
    name: str,
    statistic: Literal["Maximum", "Minimum", "SampleCount"] = "Maximum",
    dataset: str | None = None,
) -> Metric:
    """A metric that the housekeeping function publishes."""
    dimensions: dict[str, str | Part] = {"Stack": stack}
    if dataset is not None:
        dimensions["Dataset"] = dataset
    return Metric(METRIC_NAMESPACE, name, statistic, dimensions)


# Rows ------------------------------------------------------------------------------------------------------------


def alarm_rows(watched: Watched) -> list[AlarmRow]:
    """The alarms that a stack has, by area, the most telling of each first."""
    rows = [
        *_cluster_rows(watched),
        *_orchestration_rows(watched),
        *_data_rows(watched),
        *_dispatch_rows(watched),
        *_network_rows(watched),
        *_notification_rows(watched),
    ]
    if "housekeeping" in watched.parts:
        rows += _housekeeping_rows(watched)
    return [row for row in rows if row.parts <= watched.parts]


def _cluster_rows(watched: Watched) -> list[AlarmRow]:
    settings = watched.monitoring
    planned = {"planned": state(watched.stack, "PlannedManifests")} if "housekeeping" in watched.parts else {}
    waiting = "FILL(intake, 0)" + (" + FILL(planned, 0)" if planned else "")
    describe = "aws emr describe-cluster --cluster-id $CLUSTER --query Cluster.Status"
    nodes = "aws emr list-instances --cluster-id $CLUSTER --instance-states RUNNING"
    return [
        AlarmRow(
            kind="cluster-silent",
            area="cluster",
            severity="critical",
            metrics={"idle": emr("IsIdle", "SampleCount")},
            comparison="LessThanThreshold",
            threshold=1,
            reason="a cluster reports every five minutes, idle or not; half an hour leaves it time to start.",
            period_seconds=MINUTES_5,
            periods=6,
            missing="breaching",
            what="The cluster reports no metrics.",
            cause="it ended, or its primary node hangs.",
            action="read its state and the reason of its last change; if it ended, bring it back with an update.",
            commands=(describe, "make up STACK=$STACK"),
        ),
        AlarmRow(
            kind="cluster-idle",
            area="cluster",
            severity="warning",
            metrics={
                "idle": emr("IsIdle", "Minimum"),
                "intake": queue("intake", "ApproximateNumberOfMessagesVisible"),
                **planned,
            },
            expression=f"IF(idle >= 1 AND {waiting} > 0, 1, 0)",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason=f"work waits {settings.idle_minutes} minutes at most (monitoring.idleMinutes) while nothing runs.",
            period_seconds=MINUTES_5,
            periods=max(1, settings.idle_minutes // 5),
            missing="notBreaching",
            what="The cluster idles while files wait.",
            cause="the dispatcher or the state machine does not start executions, or they fail before their step.",
            action="see whether executions start and how they end; then look at the dispatcher.",
            commands=(
                "aws stepfunctions list-executions --state-machine-arn $STATE_MACHINE --max-items 10",
                "aws logs tail /aws/lambda/$DISPATCHER --since 1h",
            ),
        ),
        AlarmRow(
            kind="hdfs-full",
            area="cluster",
            severity="critical",
            metrics={"used": emr("HDFSUtilization", "Average")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=settings.hdfs_utilization_percent,
            reason="monitoring.hdfsUtilizationPercent; a full HDFS stops jobs and history alike.",
            period_seconds=MINUTES_5,
            periods=3,
            missing="notBreaching",
            what="HDFS fills up.",
            cause="event logs, shuffle or intermediate data that nobody removes, or too few core nodes.",
            action="remove old logs and intermediate data, or raise the core group's instances or volumes.",
            commands=("hdfs dfs -du -h /  # on the primary node, as hadoop, after kinit", describe),
        ),
        AlarmRow(
            kind="hdfs-blocks-missing",
            area="cluster",
            severity="critical",
            metrics={"blocks": emr("MissingBlocks", "Maximum")},
            comparison="GreaterThanThreshold",
            threshold=0,
            reason="a block without any replica is data lost from HDFS.",
            period_seconds=MINUTES_5,
            periods=2,
            missing="notBreaching",
            what="HDFS misses blocks.",
            cause="core nodes went with the only replica.",
            action="see which files are hit; tables live in S3 and are safe, running jobs may fail: drive them again.",
            commands=("hdfs fsck / -list-corruptfileblocks  # on the primary node", nodes),
        ),
        AlarmRow(
            kind="nodes-unhealthy",
            area="cluster",
            severity="warning",
            metrics={"nodes": emr("MRUnhealthyNodes", "Maximum")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="a healthy cluster has none; a quarter of an hour outlasts a restart.",
            period_seconds=MINUTES_5,
            periods=3,
            missing="notBreaching",
            what="A node is unhealthy.",
            cause="mostly a disk that is 90 % full.",
            action="look at the node's disks and its YARN log; EMR replaces what it can.",
            commands=("yarn node -list -states UNHEALTHY  # on the primary node", nodes),
        ),
        AlarmRow(
            kind="nodes-lost",
            area="cluster",
            severity="warning",
            metrics={"nodes": emr("MRLostNodes", "Maximum")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="a node that left in an orderly way is decommissioned, not lost.",
            period_seconds=MINUTES_5,
            periods=3,
            missing="notBreaching",
            what="YARN lost contact with a node.",
            cause="EC2 took a spot instance back, or the node died.",
            action="see whether the group returns to its size; its containers are run again elsewhere.",
            commands=("aws emr list-instance-groups --cluster-id $CLUSTER", nodes),
        ),
        AlarmRow(
            kind="yarn-memory-low",
            area="cluster",
            severity="warning",
            metrics={"free": emr("YARNMemoryAvailablePercentage", "Average")},
            comparison="LessThanThreshold",
            threshold=settings.yarn_memory_available_percent,
            reason="monitoring.yarnMemoryAvailablePercent; scaling has added what it may in half an hour.",
            period_seconds=MINUTES_5,
            periods=6,
            missing="notBreaching",
            what="YARN has had hardly any memory left for half an hour.",
            cause="more or larger runs than the cluster is made for, or an application that does not end.",
            action="see what runs; raise the task group's scaling.maximum if this is the usual load.",
            commands=("yarn application -list  # on the primary node", describe),
        ),
        AlarmRow(
            kind="containers-pending",
            area="cluster",
            severity="warning",
            metrics={"ratio": emr("ContainerPendingRatio", "Average")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=settings.container_pending_ratio,
            reason="monitoring.containerPendingRatio, waiting to running containers; scaling acts far below it.",
            period_seconds=MINUTES_5,
            periods=6,
            missing="notBreaching",
            what="Containers have waited for half an hour.",
            cause="scaling does not add nodes (limit, EC2 capacity, spot price), or a queue is at its share.",
            action="see why the group does not grow; raise its limit, or take another instance type.",
            commands=("aws emr list-instance-groups --cluster-id $CLUSTER", "yarn application -list"),
        ),
        AlarmRow(
            kind="applications-failing",
            area="cluster",
            severity="warning",
            metrics={"failed": emr("AppsFailed", "Sum")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=3,
            reason="runs of the pipeline tell their failures themselves; three in an hour are a pattern.",
            period_seconds=HOUR,
            periods=1,
            missing="notBreaching",
            what="YARN applications fail again and again.",
            cause="a job of another team on this cluster, or the pipeline's own: then executions fail, too.",
            action="read the diagnostics of the failed applications.",
            commands=(
                "yarn application -list -appStates FAILED  # on the primary node",
                "yarn logs -applicationId <id>",
            ),
        ),
        *(
            AlarmRow(
                kind="scaling-at-maximum",
                subject=group.lower(),
                area="cluster",
                severity="warning",
                metrics={
                    "nodes": emr(f"{group}NodesRunning", "Minimum"),
                    "pending": emr("ContainerPending", "Minimum"),
                },
                expression=f"IF(nodes >= {most} AND pending > 0, 1, 0)",
                comparison="GreaterThanOrEqualToThreshold",
                threshold=1,
                reason=f"cluster.{group.lower()}.scaling.maximum, for an hour, while containers wait.",
                period_seconds=MINUTES_5,
                periods=12,
                missing="notBreaching",
                what="An instance group is at its largest and work still waits.",
                cause="the load outgrew the limit, or one run takes everything.",
                action="raise the group's scaling.maximum if this is the usual load; else find the run that takes all.",
                commands=("yarn application -list  # on the primary node", "make up STACK=$STACK"),
            )
            for group, most in watched.scaled_groups.items()
        ),
    ]


def _orchestration_rows(watched: Watched) -> list[AlarmRow]:
    settings = watched.monitoring
    recent = "aws stepfunctions list-executions --state-machine-arn $STATE_MACHINE --status-filter FAILED"
    rows = [
        AlarmRow(
            kind="executions-failing",
            area="orchestration",
            severity="critical",
            metrics={"failed": executions("ExecutionsFailed", "Sum")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=settings.failed_executions_an_hour,
            reason="monitoring.failedExecutionsAnHour; each failure tells itself, so many have a common cause.",
            period_seconds=HOUR,
            periods=1,
            missing="notBreaching",
            what="Executions fail one after the other.",
            cause="the cluster, the job's code, or a source that delivers files of another form.",
            action="compare the errors of the last failures, mend what they share, then drive the manifests again.",
            commands=(recent, "python -m functions.ledger status"),
        ),
        AlarmRow(
            kind="executions-throttled",
            area="orchestration",
            severity="warning",
            metrics={"throttled": executions("ExecutionThrottled", "Sum")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="a pipeline that gathers files starts few executions; quotas allow hundreds a second.",
            period_seconds=MINUTES_5,
            periods=3,
            missing="notBreaching",
            what="State transitions are throttled.",
            cause="another user of the account's Step Functions quota.",
            action="see who else uses the quota; raise orchestration.batchWindowSeconds, or ask for a higher quota.",
            commands=(
                "aws service-quotas list-service-quotas --service-code states",
                "aws cloudwatch list-metrics --namespace AWS/States --metric-name ExecutionThrottled",
            ),
        ),
    ]
    if settings.anomaly_band_width is not None:
        rows.append(
            AlarmRow(
                kind="executions-slow",
                area="orchestration",
                severity="warning",
                metrics={"duration": executions("ExecutionTime", "Average")},
                comparison="GreaterThanUpperThreshold",
                threshold=None,
                band_width=settings.anomaly_band_width,
                reason="monitoring.anomalyBandWidth deviations around what the last two weeks teach for the hour.",
                period_seconds=HOUR,
                periods=2,
                missing="notBreaching",
                what="Executions take longer than they used to.",
                cause="larger input, fewer nodes, skewed partitions, or a new version of the job.",
                action="see which phase grew: waiting for the cluster, the step, or the queue of steps.",
                commands=(
                    "aws stepfunctions list-executions --state-machine-arn $STATE_MACHINE --max-items 20",
                    "aws emr list-steps --cluster-id $CLUSTER",
                ),
            )
        )
    return rows


def _data_rows(watched: Watched) -> list[AlarmRow]:
    return [row for name, dataset in watched.datasets.items() for row in _dataset_rows(watched, name, dataset)]


def _dataset_rows(watched: Watched, name: str, dataset: DatasetSettings) -> list[AlarmRow]:
    settings = watched.monitoring
    rows_in = run(watched.stack, name, "RowsIn")
    listing = f"aws s3api list-objects-v2 --bucket $RAW_BUCKET --prefix {dataset.prefix} --max-items 20"
    ledger = "python -m functions.ledger status"
    rows: list[AlarmRow] = []
    if dataset.freshness_hours is not None and "housekeeping" in watched.parts:
        rows.append(
            AlarmRow(
                kind="dataset-stale",
                subject=name,
                area="data",
                severity="critical",
                metrics={"seconds": state(watched.stack, "SecondsSinceSuccess", dataset=name)},
                comparison="GreaterThanThreshold",
                threshold=dataset.freshness_hours * HOUR,
                reason=f"datasets.{name}.freshnessHours promises a successful run every {dataset.freshness_hours} h.",
                period_seconds=900,
                periods=1,
                missing="ignore",
                what="The dataset has had no successful run within its promise.",
                cause="its source delivered nothing, or its runs fail.",
                action="see whether files came; if not, ask the source, else look at the runs that failed.",
                commands=(listing, ledger),
            )
        )
    if dataset.expected_rows is not None:
        limits: tuple[tuple[str, Comparison, int | None, str, str, str], ...] = (
            (
                "rows-few",
                "LessThanThreshold",
                dataset.expected_rows.low,
                "low",
                "The dataset brought fewer rows in a day than expected.",
                "the source delivered part of its files, or files that are cut short.",
            ),
            (
                "rows-many",
                "GreaterThanThreshold",
                dataset.expected_rows.high,
                "high",
                "The dataset brought more rows in a day than expected.",
                "files delivered twice, a backfill, or a source that grew.",
            ),
        )
        for kind, comparison, threshold, key, what, cause in limits:
            if threshold is not None:
                rows.append(
                    AlarmRow(
                        kind=kind,
                        subject=name,
                        area="data",
                        severity="warning",
                        metrics={"rows": rows_in},
                        comparison=comparison,
                        threshold=threshold,
                        reason=f"datasets.{name}.expectedRows.{key}; a day without any run is for freshness to tell.",
                        period_seconds=DAY,
                        periods=1,
                        missing="notBreaching",
                        what=what,
                        cause=cause,
                        action="compare the files that came with those of other days; mend the source or the promise.",
                        commands=(listing, ledger),
                    )
                )
    if settings.anomaly_band_width is not None:
        rows.append(
            AlarmRow(
                kind="rows-anomalous",
                subject=name,
                area="data",
                severity="warning",
                metrics={"rows": rows_in},
                comparison="LessThanLowerOrGreaterThanUpperThreshold",
                threshold=None,
                band_width=settings.anomaly_band_width,
                reason="monitoring.anomalyBandWidth deviations around what the last two weeks teach for the hour.",
                period_seconds=HOUR,
                periods=1,
                missing="notBreaching",
                what="The dataset's volume is unlike its own history.",
                cause="files missing, cut short or delivered twice, or a change at the source.",
                action="compare the files that came with those of other days; ask the source.",
                commands=(listing, ledger),
            )
        )
    if watched.maximum_set_aside_ratio > 0:
        ratio = watched.maximum_set_aside_ratio * settings.set_aside_share
        rows.append(
            AlarmRow(
                kind="records-set-aside",
                subject=name,
                area="data",
                severity="warning",
                metrics={"aside": run(watched.stack, name, "RowsSetAside"), "rows": rows_in},
                expression="IF(rows > 0, aside / rows, 0)",
                comparison="GreaterThanThreshold",
                threshold=ratio,
                reason="monitoring.setAsideShare of orchestration.maximumSetAsideRatio, which rejects runs.",
                period_seconds=HOUR,
                periods=1,
                missing="notBreaching",
                what="Many records are set aside; runs will soon be rejected.",
                cause="the source changed a column's form, or damages records.",
                action="read why records were set aside in the run's report; mend the source or the declared schema.",
                commands=(
                    f"aws s3 ls s3://$PROCESSED_BUCKET/_reports/{name}/",
                    "aws s3 cp s3://$PROCESSED_BUCKET/_reports/<dataset>/<execution>.json -",
                ),
            )
        )
    return rows


def _dispatch_rows(watched: Watched) -> list[AlarmRow]:
    settings = watched.monitoring
    log = "aws logs tail /aws/lambda/$DISPATCHER --since 1h"
    return [
        AlarmRow(
            kind="dead-letters-waiting",
            area="dispatch",
            severity="critical",
            metrics={"messages": queue("dead-letters", "ApproximateNumberOfMessagesVisible")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="each is a file that nobody processes.",
            period_seconds=MINUTES_5,
            periods=1,
            missing="notBreaching",
            what="Files could not be dispatched; they wait in the dead-letter queue, for 14 days at most.",
            cause="messages that are no S3 events, a permission, or a state machine that refuses executions.",
            action="read the dispatcher's log, mend the cause, and move the messages back to the intake.",
            commands=(
                log,
                "aws sqs receive-message --queue-url $DEAD_LETTERS --visibility-timeout 0",
                "aws sqs start-message-move-task --source-arn $DEAD_LETTERS_ARN",
            ),
        ),
        AlarmRow(
            kind="intake-old",
            area="dispatch",
            severity="critical",
            metrics={"age": queue("intake", "ApproximateAgeOfOldestMessage")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=settings.intake_age_minutes * 60,
            reason="monitoring.intakeAgeMinutes.",
            period_seconds=MINUTES_5,
            periods=1,
            missing="notBreaching",
            what="Files wait too long for the dispatcher.",
            cause="it is disabled, fails, or cannot keep up.",
            action="look at its errors and its event source; raise orchestration.maximumConcurrency if it only lags.",
            commands=(log, "aws lambda list-event-source-mappings --function-name $DISPATCHER"),
        ),
        AlarmRow(
            kind="dispatcher-errors",
            area="dispatch",
            severity="warning",
            metrics={"errors": dispatcher("Errors")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="single messages that fail are reported without an error; an error is a call that broke.",
            period_seconds=MINUTES_5,
            periods=2,
            missing="notBreaching",
            what="The dispatcher breaks: its messages come again, and go to the dead-letter queue in the end.",
            cause="a permission, an endpoint, the state machine, or too short a time limit.",
            action="read its log and mend the cause; nothing is lost while messages come again.",
            commands=(log, "aws lambda get-function-configuration --function-name $DISPATCHER"),
        ),
        AlarmRow(
            kind="dispatcher-throttled",
            area="dispatch",
            severity="warning",
            metrics={"throttles": dispatcher("Throttles")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="the event source is bounded, so only the account's concurrency can throttle the function.",
            period_seconds=MINUTES_5,
            periods=3,
            missing="notBreaching",
            what="Lambda refuses calls of the dispatcher.",
            cause="the account's concurrency is used up by other functions.",
            action="see which functions use it; reserve concurrency or ask for a higher quota.",
            commands=("aws lambda get-account-settings", log),
        ),
        AlarmRow(
            kind="events-undeliverable",
            area="dispatch",
            severity="critical",
            metrics={
                "failed": Metric("AWS/Events", "FailedInvocations", "Sum", {"RuleName": Part("rule")}),
            },
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="EventBridge counts an event here when it gives up on it.",
            period_seconds=MINUTES_5,
            periods=1,
            missing="notBreaching",
            what="EventBridge could not put files on the intake.",
            cause="the intake's policy or the messages key was changed.",
            action="mend the queue's policy and key with an update; the events wait in the dead-letter queue.",
            commands=(
                "aws sqs get-queue-attributes --queue-url $INTAKE --attribute-names Policy KmsMasterKeyId",
                "make up STACK=$STACK",
            ),
        ),
        AlarmRow(
            kind="metrics-lost",
            area="dispatch",
            severity="warning",
            metrics={
                "malformed": Metric("AWS/Logs", "EMFParsingErrors", "Sum", {"LogGroupName": Part("dispatcher-logs")}),
                "refused": Metric("AWS/Logs", "EMFValidationErrors", "Sum", {"LogGroupName": Part("dispatcher-logs")}),
            },
            expression="FILL(malformed, 0) + FILL(refused, 0)",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="the dispatcher publishes its metrics through its log; one refused line is a hole in them.",
            period_seconds=HOUR,
            periods=1,
            missing="notBreaching",
            what="CloudWatch Logs could not make metrics of the dispatcher's log lines.",
            cause="a version of the function that writes the embedded metric format wrongly.",
            action="find the lines, mend the function, deploy it.",
            commands=(log, "make up STACK=$STACK"),
        ),
        AlarmRow(
            kind="execution-logs-silent",
            area="orchestration",
            severity="warning",
            metrics={
                "started": executions("ExecutionsStarted", "Sum"),
                "events": Metric("AWS/Logs", "IncomingLogEvents", "Sum", {"LogGroupName": Part("execution-logs")}),
            },
            expression="IF(FILL(started, 0) > 0 AND FILL(events, 0) == 0, 1, 0)",
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="an execution logs its first event within seconds; two hours in a row are no coincidence.",
            period_seconds=HOUR,
            periods=2,
            missing="notBreaching",
            what="Executions run, but their log stays empty: it is not delivered.",
            cause="the account's resource policy of CloudWatch Logs, or the key of the log group or the state machine.",
            action="see what log delivery is refused; an update puts policy, role and keys back.",
            commands=("aws logs describe-resource-policies", "make up STACK=$STACK"),
        ),
    ]


def _network_rows(watched: Watched) -> list[AlarmRow]:
    zones = sorted(part.removeprefix("nat-") for part in watched.parts if part.startswith("nat-"))
    services = sorted(part.removeprefix("endpoint-") for part in watched.parts if part.startswith("endpoint-"))
    flows = Metric("AWS/Logs", "IncomingLogEvents", "SampleCount", {"LogGroupName": Part("flow-logs")})
    rows = [
        AlarmRow(
            kind="nat-ports-exhausted",
            subject=zone,
            area="network",
            severity="critical",
            metrics={
                "errors": Metric("AWS/NATGateway", "ErrorPortAllocation", "Sum", {"NatGatewayId": Part(f"nat-{zone}")}),
            },
            comparison="GreaterThanThreshold",
            threshold=0,
            reason="each is a connection that failed: 55,000 to one destination are in use.",
            period_seconds=MINUTES_5,
            periods=2,
            missing="notBreaching",
            what="The NAT gateway has no ports left for a destination.",
            cause="a job that opens connections and does not close them, or an endpoint that is missing.",
            action="find the destination in the flow logs; give its service an endpoint, or mend the job.",
            commands=(
                'aws logs start-query --log-group-name $FLOW_LOGS --query-string "stats count(*) by dstAddr | limit 20"'
                " --start-time $(date -d -1hour +%s) --end-time $(date +%s)",
            ),
        )
        for zone in zones
    ]
    rows += [
        AlarmRow(
            kind="endpoint-packets-dropped",
            subject=service,
            area="network",
            severity="warning",
            metrics={
                "dropped": Metric(
                    "AWS/PrivateLinkEndpoints",
                    "PacketsDropped",
                    "Sum",
                    {
                        "VPC Id": Part("vpc"),
                        "VPC Endpoint Id": Part(f"endpoint-{service}"),
                        "Endpoint Type": "Interface",
                        "Service Name": Part(f"service-name-{service}"),
                    },
                ),
            },
            comparison="GreaterThanThreshold",
            threshold=0,
            reason="a healthy endpoint drops none; a quarter of an hour outlasts a change of its network interfaces.",
            period_seconds=MINUTES_5,
            periods=3,
            missing="notBreaching",
            what="An interface endpoint drops packets.",
            cause="packets above 8,500 bytes, or an endpoint that is unhealthy in a zone.",
            action="see whether the endpoint is available in all its subnets; if it stays, open a case with AWS.",
            commands=("aws ec2 describe-vpc-endpoints --filters Name=vpc-id,Values=$VPC",),
        )
        for service in services
    ]
    rows.append(
        AlarmRow(
            kind="flow-logs-silent",
            area="network",
            severity="warning",
            metrics={"events": flows},
            comparison="LessThanThreshold",
            threshold=1,
            reason="a running cluster talks all the time; flow logs come within ten minutes.",
            period_seconds=MINUTES_5,
            periods=12,
            missing="breaching",
            what="No flow logs have come for an hour.",
            cause="the role or the key of the log group was changed, or the cluster is gone.",
            action="read the delivery status of the flow log; an update puts role and key back.",
            commands=("aws ec2 describe-flow-logs --filter Name=resource-id,Values=$VPC", "make up STACK=$STACK"),
        )
    )
    return rows


def _notification_rows(watched: Watched) -> list[AlarmRow]:
    return [
        AlarmRow(
            kind="notifications-undelivered",
            area="notifications",
            severity="warning",
            metrics={"messages": queue("undelivered", "ApproximateNumberOfMessagesVisible")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="each is a message that somebody did not get.",
            period_seconds=MINUTES_5,
            periods=1,
            missing="notBreaching",
            what="Notifications could not be delivered; they wait in their queue for 14 days at most.",
            cause="a topic's policy or key was changed, or a subscribed address does not answer.",
            action="read the messages, mend topic or address, then delete them.",
            commands=(
                "aws sqs receive-message --queue-url $UNDELIVERED --visibility-timeout 0 --attribute-names All",
                "make up STACK=$STACK",
            ),
        ),
        *(
            AlarmRow(
                kind="notifications-failing",
                subject=topic,
                area="notifications",
                severity="warning",
                metrics={
                    "failed": Metric(
                        "AWS/SNS", "NumberOfNotificationsFailed", "Sum", {"TopicName": Part(f"{topic}-topic")}
                    ),
                },
                comparison="GreaterThanOrEqualToThreshold",
                threshold=1,
                reason="SNS counts a message here when it has given up on a subscriber.",
                period_seconds=MINUTES_5,
                periods=1,
                missing="notBreaching",
                what="A subscriber of a topic does not get its messages.",
                cause="an address that does not exist any more, or a queue or URL that refuses.",
                action="find the subscription that fails; mend it, or take it out of monitoring.subscriptions.",
                commands=("aws sns list-subscriptions-by-topic --topic-arn $TOPIC",),
            )
            for topic in ("critical", "warning")
        ),
    ]


def _housekeeping_rows(watched: Watched) -> list[AlarmRow]:
    settings, stack = watched.monitoring, watched.stack

    def days_left(
        kind: str, severity: Severity, metric: str, threshold: float, reason: str, what: str, cause: str, action: str
    ) -> AlarmRow:
        return AlarmRow(
            kind=kind,
            area="housekeeping",
            severity=severity,
            metrics={"days": state(stack, metric, "Minimum")},
            comparison="LessThanThreshold",
            threshold=threshold,
            reason=reason,
            period_seconds=HOUR,
            periods=1,
            missing="ignore",
            what=what,
            cause=cause,
            action=action,
            commands=("pulumi stack output certificateExpiry", "make preview STACK=$STACK", "make up STACK=$STACK"),
        )

    renewal = "raise cluster.certificate.generation; that is a new cluster, so choose the time."
    return [
        AlarmRow(
            kind="housekeeping-silent",
            area="housekeeping",
            severity="critical",
            metrics={"runs": state(stack, "HousekeepingRuns", "SampleCount")},
            comparison="LessThanThreshold",
            threshold=1,
            reason="it runs several times an hour; without it nobody learns of stale data or lost executions.",
            period_seconds=900,
            periods=4,
            missing="breaching",
            what="The housekeeping function has not run for an hour.",
            cause="its schedule is disabled, or it fails.",
            action="read its log, mend the cause; an update puts its schedule back.",
            commands=("aws logs tail /aws/lambda/$HOUSEKEEPING --since 3h", "make up STACK=$STACK"),
        ),
        AlarmRow(
            kind="manifests-waiting",
            area="orchestration",
            severity="critical",
            metrics={"oldest": state(stack, "OldestPlannedSeconds")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=settings.planned_age_minutes * 60,
            reason="monitoring.plannedAgeMinutes.",
            period_seconds=900,
            periods=1,
            missing="notBreaching",
            what="Files are planned, but no execution of theirs has started.",
            cause="the dispatcher stopped between planning and starting, or the state machine refuses executions.",
            action="see which manifests wait and why; drive them again.",
            commands=("python -m functions.ledger status", "python -m functions.ledger redrive"),
        ),
        AlarmRow(
            kind="executions-unsettled",
            area="orchestration",
            severity="warning",
            metrics={"executions": state(stack, "UnsettledExecutions")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="housekeeping settles what ended at its next run; an hour is several of them.",
            period_seconds=900,
            periods=4,
            missing="notBreaching",
            what="Executions ended, and what became of their files is still open in the ledger.",
            cause="housekeeping cannot read the executions or write the ledger.",
            action="read its log, mend the permission, and see the ledger settle.",
            commands=(
                "aws logs tail /aws/lambda/$HOUSEKEEPING --since 3h",
                "python -m functions.ledger status",
            ),
        ),
        days_left(
            "certificate-ends",
            "warning",
            "CertificateDaysLeft",
            settings.certificate_days,
            "monitoring.certificateDays leaves time to plan a new cluster.",
            "The cluster's certificate ends before long.",
            "certificates do not renew themselves: a new one is a new cluster.",
            renewal,
        ),
        days_left(
            "certificate-ends-soon",
            "critical",
            "CertificateDaysLeft",
            14,
            "two weeks: with the certificate Presto, Spark and Hive stop talking to each other.",
            "The cluster's certificate ends within two weeks.",
            "nobody renewed it: a new one is a new cluster.",
            renewal,
        ),
        days_left(
            "release-support-ends",
            "warning",
            "ReleaseSupportDaysLeft",
            settings.release_support_days,
            "monitoring.releaseSupportDays leaves time to test the jobs on another release.",
            "AWS ends its support of the EMR release before long.",
            "every release has its end of support (EMR release guide).",
            "choose a release with support, test the jobs on it, set cluster.release.",
        ),
        AlarmRow(
            kind="subscriptions-unconfirmed",
            area="notifications",
            severity="warning",
            metrics={"subscriptions": state(stack, "UnconfirmedSubscriptions", "Minimum")},
            comparison="GreaterThanOrEqualToThreshold",
            threshold=1,
            reason="a day is enough to answer the mail.",
            period_seconds=HOUR,
            periods=24,
            missing="notBreaching",
            what="Somebody who should get messages has not confirmed the subscription.",
            cause="the mail was not read, went to spam, or the URL does not confirm.",
            action="ask the person to follow the link; it ends after two days: then replace the subscription.",
            commands=(
                "aws sns list-subscriptions-by-topic --topic-arn $TOPIC",
                "pulumi up --replace <urn of the subscription>",
            ),
        ),
    ]


def unhealthy_rule(environment: AwsEnvironment, rows: Sequence[AlarmRow]) -> str:
    """Rule of the composite alarm: any critical alarm (CloudWatch guide, "Create a composite alarm")."""
    return " OR ".join(f'ALARM("{alarm_name(environment, row.id)}")' for row in rows if row.severity == "critical")
