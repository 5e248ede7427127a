"""``docs/runbook.md`` and ``docs/monitoring.md``, made from the rows that make the alarms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

import settings as configuration
from components.alarm_table import AlarmRow, Area, Watched, alarm_rows
from components.event_table import EVENT_ROWS, KEY_PARTS, EventRow
from components.log_queries import LOG_QUERIES
from components.state_machine_definition import FAILURES, SETTLED_FAILURES
from settings import DatasetSettings, ExpectedRows, MonitoringSettings, Settings

ROOT = Path(__file__).resolve().parent.parent
RUNBOOK = ROOT / "docs" / "runbook.md"
MONITORING = ROOT / "docs" / "monitoring.md"
STACKS = ("dev", "prod", "sandbox")

AREAS: dict[Area, str] = {
    "cluster": "The cluster",
    "orchestration": "Executions",
    "data": "The data",
    "dispatch": "From the file to the execution",
    "network": "The network",
    "housekeeping": "What ends some day",
    "notifications": "Keys and messages",
}

_PARTS = frozenset(
    {
        *("cluster", "state-machine", "execution-logs", "dispatcher", "dispatcher-logs", "intake", "dead-letters"),
        *("undelivered", "rule", "vpc", "flow-logs", "warning-topic", "critical-topic", *KEY_PARTS),
    }
)
"""Parts that every stack has."""

ALARM_METRIC_USD, COMPOSITE_USD, CUSTOM_METRIC_USD, DASHBOARD_USD = 0.10, 0.50, 0.30, 3.00
"""A month, in us-east-1 (CloudWatch pricing page, paid tier): a metric that an alarm watches (an anomaly alarm counts
as three), a composite alarm, a custom metric, a dashboard."""

RUN_METRICS = 9
"""Metrics of a run with figures; a failure without a report has one, Runs."""


def _complete() -> Watched:
    """A stack that has everything, with placeholders for what a stack names itself."""
    dataset = DatasetSettings.model_validate(
        {
            "prefix": "PREFIX/",
            "columns": [{"name": "column", "type": "string"}],
            "freshnessHours": 24,
            "expectedRows": ExpectedRows(low=1000, high=100_000),
        }
    )
    return Watched(
        stack="STACK",
        monitoring=MonitoringSettings(),
        datasets={"DATASET": dataset},
        maximum_set_aside_ratio=configuration.OrchestrationSettings().maximum_set_aside_ratio,
        scaled_groups={"Core": 8, "Task": 4},
        parts=_PARTS | {"housekeeping", "nat-ZONE", "endpoint-SERVICE", "service-name-SERVICE"},
    )


def _settings(stack: str) -> Settings:
    values: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"]
    groups = {key.split(":", 1)[1]: value for key, value in values.items() if key.startswith("emr-pipeline:")}
    return configuration.parse(groups)


def watched_by(stack: str, *, housekeeping: bool) -> Watched:
    """What the alarms of one of the project's stacks depend on."""
    settings = _settings(stack)
    network = settings.network
    zones = {"none": 0, "single": 1, "per-az": network.availability_zone_count}[network.nat_gateways]
    groups = {"Core": settings.cluster.core, "Task": settings.cluster.task}
    return Watched(
        stack=stack,
        monitoring=settings.monitoring,
        datasets=settings.datasets,
        maximum_set_aside_ratio=settings.orchestration.maximum_set_aside_ratio,
        scaled_groups={name: group.scaling.maximum for name, group in groups.items() if group.scaling is not None},
        parts=_PARTS
        | ({"housekeeping"} if housekeeping else set())
        | {f"nat-{zone}" for zone in range(zones)}
        | {f"{kind}-{service}" for service in network.interface_endpoints for kind in ("endpoint", "service-name")},
    )


# Runbook ---------------------------------------------------------------------------------------------------------


def _condition(row: AlarmRow) -> str:
    watched = row.expression or f"{row.metric.statistic} of {row.metric.name}"
    if row.band_width is not None:
        limit = f"outside {row.band_width:g} standard deviations of its own history"
        if row.comparison == "GreaterThanUpperThreshold":
            limit = f"above {row.band_width:g} standard deviations of its own history"
    else:
        sign = {
            "GreaterThanThreshold": ">",
            "GreaterThanOrEqualToThreshold": "≥",
            "LessThanThreshold": "<",
        }[row.comparison]
        limit = f"{sign} {row.threshold:g}"
    seconds = row.period_seconds
    period = f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h"
    return f"`{watched}` {limit}, {row.breaching_periods or row.periods} of {row.periods} periods of {period}"


def _sources(row: AlarmRow) -> str:
    return ", ".join(f"{metric.namespace} {metric.name} ({metric.statistic})" for metric in row.metrics.values())


_MISSING = {
    "breaching": "counts as breaching",
    "notBreaching": "counts as fine",
    "ignore": "keeps the state",
}


def _commands(commands: Sequence[str]) -> list[str]:
    return ["", "```sh", *commands, "```", ""]


def _alarm_entry(row: AlarmRow) -> list[str]:
    return [
        f"### {row.kind}",
        "",
        f"**{row.what}** ({row.severity})",
        "",
        f"- Measured: {_sources(row)}",
        f"- Goes off: {_condition(row)}",
        f"- Why there: {row.reason}",
        f"- No data: {_MISSING[row.missing]}",
        f"- Likely cause: {row.cause}",
        f"- What to do: {row.action}",
        *_commands(row.commands),
    ]


def _event_entry(row: EventRow) -> list[str]:
    pattern = row.pattern({part: f"<{part}>" for part in row.parts})
    return [
        f"### {row.kind}",
        "",
        f"**{row.what[0].upper()}{row.what[1:]}.** (critical, an event)".replace("<", "\\<"),
        "",
        f"- Event: {pattern['source'][0]}, {pattern['detail-type'][0]}",
        f"- Likely cause: {row.cause}",
        f"- What to do: {row.action}",
        *_commands(row.commands),
    ]


def runbook() -> str:
    """Text of the runbook."""
    rows: dict[str, AlarmRow] = {}
    for row in alarm_rows(_complete()):
        rows.setdefault(row.kind, row)
    lines = [
        "<!-- Made by 'make generate' from the alarms' rows; edit components/alarm_table.py, not this file. -->",
        "# Runbook",
        "",
        "What each alarm means and what somebody does about it. Messages link here by the alarm's "
        "kind; an alarm's name is",
        "`<project>-<stack>-<kind>`, with the dataset, zone or endpoint behind it where there are "
        "several. Thresholds are",
        "those of the default settings; `Pulumi.<stack>.yaml` changes them (group `monitoring`, and "
        "each dataset's promises).",
        "",
        "Every command on this page needs AWS. They use these variables:",
        "",
        "```sh",
        "export STACK=prod",
        "out() { pulumi stack output --stack $STACK $1; }",
        "export CLUSTER=$(out clusterId) STATE_MACHINE=$(out stateMachineArn)",
        "export INTAKE=$(out intakeQueueUrl) DEAD_LETTERS=$(out deadLetterQueueUrl)",
        "export RAW_BUCKET=$(out rawBucket) PROCESSED_BUCKET=$(out processedBucket) TOPIC=$(out criticalTopicArn)",
        "export DISPATCHER=emr-pipeline-$STACK-dispatcher HOUSEKEEPING=emr-pipeline-$STACK-housekeeping",
        "export FLOW_LOGS=/emr-pipeline/$STACK/flow-logs",
        "export UNDELIVERED=$(aws sqs get-queue-url --queue-name emr-pipeline-$STACK-undelivered --output text)",
        "export VPC=$(aws ec2 describe-vpcs --filters Name=tag:Environment,Values=$STACK"
        " --query 'Vpcs[0].VpcId' --output text)",
        "export DEAD_LETTERS_ARN=$(aws sqs get-queue-attributes --queue-url $DEAD_LETTERS --attribute-names QueueArn"
        " --query Attributes.QueueArn --output text)",
        "```",
        "",
        "Commands on the primary node go through Session Manager: `aws ssm start-session --target <instance>`.",
        "",
        "## All at once",
        "",
        "### pipeline-unhealthy",
        "",
        "**Something critical is so.** Each critical alarm tells itself when it goes off; this one "
        "holds them all, for the",
        "dashboard and for tools that ask one question, and tells once when the last of them is over.",
        "",
        "### budget",
        "",
        "**The stack costs more than planned** (warning at 80 % and by forecast, critical when the budget is spent).",
        "",
        "- Likely cause: task nodes that do not go away, a step that runs for days, logs or a new dataset.",
        "- What to do: read the cost section of the dashboard, then Cost Explorer by the tags Project and Environment.",
        *_commands(
            (
                "aws ce get-cost-and-usage --time-period Start=<day>,End=<day> --granularity DAILY "
                "--metrics UnblendedCost"
                " --group-by Type=DIMENSION,Key=SERVICE --filter"
                ' \'{"Tags": {"Key": "Environment", "Values": ["prod"]}}\'',
            )
        ),
    ]
    for area, title in AREAS.items():
        lines += [f"## {title}", ""]
        for event in EVENT_ROWS:
            if event.area == area:
                lines += _event_entry(event)
        for row in rows.values():
            if row.area == area:
                lines += _alarm_entry(row)
    lines += [
        "## What an execution's own message says",
        "",
        "An execution that fails tells its failure itself, once, with these names:",
        "",
        "| outcome | severity | what to do |",
        "| --- | --- | --- |",
        *(f"| {failure.name} | {failure.severity} | {failure.advice} |" for failure in FAILURES),
        "",
        "One that could not is told by the housekeeping function, once, within `orchestration.housekeepingMinutes`:",
        "",
        "| outcome | severity | what to do |",
        "| --- | --- | --- |",
        *(f"| {failure.name} | {failure.severity} | {failure.advice} |" for failure in SETTLED_FAILURES),
        "",
    ]
    return "\n".join(lines)


# Monitoring ------------------------------------------------------------------------------------------------------


def watched_metrics(rows: Sequence[AlarmRow]) -> int:
    """Metrics that the alarms are billed for."""
    return sum(3 if row.band_width is not None else len(row.metrics) for row in rows)


def costs(stack: str, *, housekeeping: bool = True) -> dict[str, tuple[int, float]]:
    """Number and monthly price, USD, of each thing that a stack's monitoring is billed for."""
    watched = watched_by(stack, housekeeping=housekeeping)
    rows = alarm_rows(watched)
    datasets = len(watched.datasets)
    housekept = 7 + datasets if housekeeping else 0
    custom = datasets * (2 * RUN_METRICS + len(FAILURES) - 1) + housekept + 4
    counted = {
        "metrics watched by alarms": (watched_metrics(rows), ALARM_METRIC_USD),
        "composite alarms": (1, COMPOSITE_USD),
        "custom metrics, at most": (custom, CUSTOM_METRIC_USD),
        "dashboards": (1, DASHBOARD_USD),
    }
    return {name: (number, number * price) for name, (number, price) in counted.items()}


def monitoring() -> str:
    """Text of the page on monitoring."""
    totals = {stack: costs(stack) for stack in STACKS}
    names = list(totals["prod"])
    table = [
        f"| {name} | "
        + " | ".join(f"{totals[stack][name][0]} · ${totals[stack][name][1]:.2f}" for stack in STACKS)
        + " |"
        for name in names
    ]
    whole = " | ".join(f"**${sum(price for _, price in totals[stack].values()):.2f}**" for stack in STACKS)
    datasets = {stack: len(watched_by(stack, housekeeping=True).datasets) for stack in STACKS}
    return "\n".join(
        [
            "<!-- Made by 'make generate'; edit tools/monitoring_documents.py, not this file. -->",
            "# Monitoring",
            "",
            "![The dashboard of a sandbox run](dashboard.png)",
            "",
            "The picture is what `make dashboard` draws: the dashboard that was deployed, with the "
            "metrics and alarm states of",
            "the sandbox's main job. Services that publish no metrics in the sandbox (EMR, NAT, flow "
            "logs, buckets) have empty",
            "charts there.",
            "",
            "## Who is told, and where",
            "",
            "Three topics, encrypted under the messages key: success, warning, critical. "
            "`monitoring.emails` hear of warnings and",
            "of what is critical; `monitoring.subscriptions` adds URLs, queues and addresses for the "
            "topics that they name. A chat",
            "channel subscribes by its e-mail address, or by the URL of a tool that confirms SNS "
            "subscriptions. Amazon Q in chat",
            "shows alarms but no plain text, so it would leave out executions' own messages. What a "
            "URL or queue does not",
            "take waits in the queue of the undelivered, which has an alarm. Whoever has not "
            "confirmed after a day is told of by",
            "another alarm.",
            "",
            "An execution tells its failure itself, once. The alarm `executions-failing` is about "
            "several within an hour. An",
            "execution that was stopped or timed out tells nothing itself: an event does. A warning "
            "tells its end; that all that",
            "is critical is over, `pipeline-unhealthy` tells, once.",
            "",
            "What each alarm means and what to do about it stands in the [runbook](runbook.md).",
            "",
            "## What is not watched, and why",
            "",
            "- The primary node's root disk: EMR 6.9.0 has no agent that reports it.",
            "- `key-endangered` needs a trail of management events in the account and region: "
            "EventBridge gets the calls of KMS",
            "  through CloudTrail only. The program makes no trail, since accounts have one as a rule. "
            "What happens to the messages",
            "  key itself cannot be told through topics that this key encrypts: watch it from "
            "another account, or by AWS Config.",
            "- An anomaly band needs two weeks of history until it is worth something.",
            "- The budget sees costs only once the tags Project and Environment are activated as cost allocation tags.",
            "- `rows-few` and `rows-many` look at the last 24 hours, whenever files come: leave room "
            "for a file that is early.",
            "",
            "## Saved log queries",
            "",
            *(f"- `{query.name}`: {query.question}" for query in LOG_QUERIES),
            "",
            "No metric filter is made: every number that an alarm needs is a metric already.",
            "",
            "## What it costs",
            "",
            "A month, counted from the program for its three stacks with CloudWatch's prices of "
            "us-east-1 (other regions differ",
            "by a few per cent), before the free tier. An alarm on an anomaly band is billed as three metrics.",
            "",
            "| | " + " | ".join(f"{stack} ({datasets[stack]} dataset)" for stack in STACKS) + " |",
            "| --- | --- | --- | --- |",
            *table,
            f"| **together** | {whole} |",
            "",
            "Custom metrics are billed by the hour in which they are published, so failures that do "
            "not happen cost nothing.",
            "Log storage, notifications and the budget itself are not in the table: a few cents, by use.",
            "",
        ]
    )
