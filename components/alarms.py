"""Who notices when something is wrong: alarms, event rules, budget, saved log queries and the dashboard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from components.alarm_table import AlarmRow, Metric, Part, Watched, alarm_name, alarm_rows, description, unhealthy_rule
from components.console import dashboard_link
from components.dashboard import DashboardContent, dashboard_body, dashboard_name
from components.environment import AwsEnvironment
from components.event_table import EVENT_ROWS, EventRow, message_template
from components.iam import Document
from components.log_queries import LOG_QUERIES
from components.notifications import rule_name, topic_name, undelivered_queue_name
from settings import ConfigurationError, DatasetSettings, InstanceGroupSettings, MonitoringSettings

RULE_AGE_SECONDS = 24 * 3600
RULE_ATTEMPTS = 185
"""How long and often EventBridge tries to tell: its own most; after that the message waits with the undelivered."""

MOST_MEMBERS = 100
"""Alarms that a composite alarm may name (CloudWatch API reference, PutCompositeAlarm)."""

BUDGET_WARNING_PERCENT = 80
"""Share of the budget that is worth a look."""


@dataclass(frozen=True)
class PipelineAlarmsArgs:
    """What `PipelineAlarms` watches; a stack without one of the parts (None, or empty) has no alarms for it."""

    settings: MonitoringSettings
    environment: AwsEnvironment
    warning_topic_arn: pulumi.Input[str]
    """Where alarms of the severity warning are told (`NotificationTopics.warning_topic_arn`)."""
    critical_topic_arn: pulumi.Input[str]
    """Where critical alarms and the event rules are told (`NotificationTopics.critical_topic_arn`)."""
    datasets: Mapping[str, DatasetSettings] = field(default_factory=dict[str, DatasetSettings])
    maximum_set_aside_ratio: float = 0
    """``orchestration.maximumSetAsideRatio``."""
    instance_groups: Mapping[str, InstanceGroupSettings] = field(default_factory=dict[str, InstanceGroupSettings])
    """Instance groups of the cluster by the name that EMR's metrics call them: ``Core``, ``Task``."""
    cluster_id: pulumi.Input[str] | None = None
    state_machine_arn: pulumi.Input[str] | None = None
    state_machine_log_group_name: str | None = None
    intake_queue_name: str | None = None
    dead_letter_queue_name: str | None = None
    function_name: str | None = None
    """The dispatcher function."""
    function_log_group_name: str | None = None
    rule_name: str | None = None
    """Event rule of the raw bucket."""
    housekeeping_function_name: str | None = None
    """The scheduled function that publishes state (freshness, days left, what waits)."""
    vpc_id: pulumi.Input[str] | None = None
    nat_gateway_ids: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    """By zone."""
    endpoints: Mapping[str, tuple[pulumi.Input[str], pulumi.Input[str]]] = field(
        default_factory=dict[str, tuple[pulumi.Input[str], pulumi.Input[str]]]
    )
    """Id and full service name of each interface endpoint, by its short name."""
    flow_log_group_name: str | None = None
    key_arns: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    """KMS keys by purpose: data, logs, messages, secrets."""
    bucket_names: Mapping[str, str] = field(default_factory=dict[str, str])
    """Buckets by purpose, whose size the dashboard shows."""


def parts_of(args: PipelineAlarmsArgs) -> dict[str, pulumi.Input[str]]:
    """What the stack has, by the names that rows call it."""
    environment = args.environment
    given: dict[str, pulumi.Input[str] | None] = {
        "cluster": args.cluster_id,
        "state-machine": args.state_machine_arn,
        "execution-logs": args.state_machine_log_group_name,
        "dispatcher": args.function_name,
        "dispatcher-logs": args.function_log_group_name,
        "intake": args.intake_queue_name,
        "dead-letters": args.dead_letter_queue_name,
        "undelivered": undelivered_queue_name(environment),
        "rule": args.rule_name,
        "housekeeping": args.housekeeping_function_name,
        "vpc": args.vpc_id,
        "flow-logs": args.flow_log_group_name,
        "warning-topic": topic_name(environment, "warning"),
        "critical-topic": topic_name(environment, "critical"),
        **{f"nat-{zone}": identifier for zone, identifier in args.nat_gateway_ids.items()},
        **{f"endpoint-{service}": identifier for service, (identifier, _) in args.endpoints.items()},
        **{f"service-name-{service}": full for service, (_, full) in args.endpoints.items()},
        **{f"{purpose}-key": arn for purpose, arn in args.key_arns.items()},
        **{f"bucket-{purpose}": name for purpose, name in args.bucket_names.items()},
    }
    return {name: value for name, value in given.items() if value is not None}


def watched(args: PipelineAlarmsArgs, parts: frozenset[str]) -> Watched:
    """What the rows depend on."""
    return Watched(
        stack=args.environment.stack,
        monitoring=args.settings,
        datasets=args.datasets,
        maximum_set_aside_ratio=args.maximum_set_aside_ratio,
        scaled_groups={
            name: group.scaling.maximum for name, group in args.instance_groups.items() if group.scaling is not None
        },
        parts=parts,
    )


class PipelineAlarms(pulumi.ComponentResource):
    """Alarms, event rules and budget that publish to the topic of their severity; log queries; the dashboard."""

    dashboard_name: str
    """Known in preview."""
    alarm_names: list[str]
    """Known in preview; the composite alarm is the last."""

    def __init__(self, name: str, args: PipelineAlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:alarms:PipelineAlarms", name, None, opts)
        environment = args.environment
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self._parts = parts_of(args)
        self.dashboard_name = dashboard_name(environment)
        self._dashboard = dashboard_link(environment, self.dashboard_name)

        rows = alarm_rows(watched(args, frozenset(self._parts)))
        alarms = [self._alarm(row) for row in rows]
        self.alarm_names = [alarm_name(environment, row.id) for row in rows]
        if any(row.severity == "critical" for row in rows):
            self._composite(rows, alarms)

        for row in EVENT_ROWS:
            if row.parts & frozenset(self._parts):
                self._event_rule(row)
        if args.settings.monthly_budget_usd is not None:
            self._budget(args.settings.monthly_budget_usd)
        for query in LOG_QUERIES:
            if query.log_group in self._parts:
                aws.cloudwatch.QueryDefinition(
                    f"{name}-{query.name}",
                    name=f"{environment.project}-{environment.stack}/{query.name}",
                    log_group_names=[self._parts[query.log_group]],
                    query_string=f"# {query.question}\n{query.query}",
                    opts=self._child,
                )

        body = pulumi.Output.all(**self._parts).apply(lambda known: json.dumps(self._body(rows, known)))
        aws.cloudwatch.Dashboard(
            f"{name}-dashboard", dashboard_name=self.dashboard_name, dashboard_body=body, opts=self._child
        )
        self.register_outputs({"dashboardName": self.dashboard_name, "alarmNames": self.alarm_names})

    def _alarm(self, row: AlarmRow) -> aws.cloudwatch.MetricAlarm:
        """An alarm of a row. A warning tells its end, too; that all critical ones are over, the composite tells."""
        args = self._args
        topic = args.critical_topic_arn if row.severity == "critical" else args.warning_topic_arn
        simple = row.expression is None and row.band_width is None
        return aws.cloudwatch.MetricAlarm(
            f"{self._name}-{row.id}",
            name=alarm_name(args.environment, row.id),
            alarm_description=description(row, args.settings, {"Dashboard": self._dashboard}),
            namespace=row.metric.namespace if simple else None,
            metric_name=row.metric.name if simple else None,
            dimensions=self._dimensions(row.metric) if simple else None,
            statistic=row.metric.statistic if simple else None,
            period=row.period_seconds if simple else None,
            metric_queries=None if simple else self._queries(row),
            threshold_metric_id="band" if row.band_width is not None else None,
            evaluation_periods=row.periods,
            datapoints_to_alarm=row.breaching_periods or row.periods,
            comparison_operator=row.comparison,
            threshold=row.threshold,
            treat_missing_data=row.missing,
            actions_enabled=True,
            alarm_actions=[topic],
            ok_actions=[topic] if row.severity == "warning" else None,
            opts=self._child,
        )

    def _dimensions(self, metric: Metric) -> dict[str, pulumi.Input[str]]:
        return {
            key: self._parts[value.name] if isinstance(value, Part) else value
            for key, value in metric.dimensions.items()
        }

    def _queries(self, row: AlarmRow) -> list[aws.cloudwatch.MetricAlarmMetricQueryArgs]:
        """The metrics, and what is computed of them: an expression to compare, or the band of an anomaly model."""
        band = row.band_width is not None
        queries = [
            aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id=identifier,
                # With a band, the metric itself is compared with it (PutMetricAlarm, ThresholdMetricId).
                return_data=band,
                metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                    namespace=metric.namespace,
                    metric_name=metric.name,
                    dimensions=self._dimensions(metric),
                    stat=metric.statistic,
                    period=row.period_seconds,
                ),
            )
            for identifier, metric in row.metrics.items()
        ]
        if band:
            expression = f"ANOMALY_DETECTION_BAND({next(iter(row.metrics))}, {row.band_width:g})"
            queries.append(
                aws.cloudwatch.MetricAlarmMetricQueryArgs(
                    id="band", expression=expression, label="expected", return_data=True
                )
            )
        else:
            queries.append(
                aws.cloudwatch.MetricAlarmMetricQueryArgs(
                    id="value", expression=row.expression, label=row.kind, return_data=True
                )
            )
        return queries

    def _composite(self, rows: list[AlarmRow], alarms: list[aws.cloudwatch.MetricAlarm]) -> None:
        """Whether anything critical is so. Its members have told their beginning; it tells when the last is over."""
        args = self._args
        members = [row for row in rows if row.severity == "critical"]
        if len(members) > MOST_MEMBERS:
            raise ConfigurationError(
                f"datasets: the stack has {len(members)} critical alarms, and CloudWatch takes {MOST_MEMBERS} in a "
                "composite alarm: leave freshnessHours out where nobody waits for the dataset, or split the stack"
            )
        composite = alarm_name(args.environment, "pipeline-unhealthy")
        aws.cloudwatch.CompositeAlarm(
            f"{self._name}-pipeline-unhealthy",
            alarm_name=composite,
            alarm_description=(
                "Something critical is so; the alarms that it is made of have told what. OK: none of them is left.\n"
                f"Dashboard: {self._dashboard}"
            ),
            alarm_rule=unhealthy_rule(args.environment, rows),
            actions_enabled=True,
            ok_actions=[args.critical_topic_arn],
            opts=pulumi.ResourceOptions(parent=self, depends_on=alarms),
        )
        self.alarm_names.append(composite)

    def _event_rule(self, row: EventRow) -> None:
        """An event rule that publishes a sentence to the critical topic."""
        args, environment = self._args, self._args.environment
        values = {part: self._parts[part] for part in row.parts if part in self._parts}
        rule = aws.cloudwatch.EventRule(
            f"{self._name}-{row.kind}",
            name=rule_name(environment, row.kind),
            description=f"Tells people: {row.kind}",
            event_pattern=pulumi.Output.all(**values).apply(lambda known: json.dumps(row.pattern(known))),
            state="ENABLED",
            opts=self._child,
        )
        aws.cloudwatch.EventTarget(
            f"{self._name}-{row.kind}-target",
            rule=rule.name,
            target_id="critical-topic",
            arn=args.critical_topic_arn,
            input_transformer=aws.cloudwatch.EventTargetInputTransformerArgs(
                input_paths=row.paths,
                input_template=message_template(row, environment, args.settings, self._dashboard),
            ),
            dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(
                arn=environment.arn("sqs", undelivered_queue_name(environment))
            ),
            retry_policy=aws.cloudwatch.EventTargetRetryPolicyArgs(
                maximum_event_age_in_seconds=RULE_AGE_SECONDS, maximum_retry_attempts=RULE_ATTEMPTS
            ),
            opts=self._child,
        )

    def _budget(self, limit: int) -> None:
        """A monthly budget of what bears the stack's tags (Budgets API reference, CreateBudget, FilterExpression)."""
        args, environment = self._args, self._args.environment

        def notification(kind: str, percent: int, topic: pulumi.Input[str]) -> aws.budgets.BudgetNotificationArgs:
            return aws.budgets.BudgetNotificationArgs(
                notification_type=kind,
                comparison_operator="GREATER_THAN",
                threshold=percent,
                threshold_type="PERCENTAGE",
                subscriber_sns_topic_arns=[topic],
            )

        aws.budgets.Budget(
            f"{self._name}-budget",
            name=f"{environment.project}-{environment.stack}",
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(limit),
            limit_unit="USD",
            metrics="UnblendedCost",
            filter_expression=aws.budgets.BudgetFilterExpressionArgs(
                ands=[
                    aws.budgets.BudgetFilterExpressionAndArgs(
                        tags=aws.budgets.BudgetFilterExpressionAndTagsArgs(key=key, values=[value])
                    )
                    for key, value in (("Project", environment.project), ("Environment", environment.stack))
                ]
            ),
            notifications=[
                notification("ACTUAL", BUDGET_WARNING_PERCENT, args.warning_topic_arn),
                notification("FORECASTED", 100, args.warning_topic_arn),
                notification("ACTUAL", 100, args.critical_topic_arn),
            ],
            opts=self._child,
        )

    def _body(self, rows: list[AlarmRow], known: Mapping[str, str]) -> Document:
        environment = self._args.environment
        names = {row.id: environment.arn("cloudwatch", f"alarm:{alarm_name(environment, row.id)}") for row in rows}
        composite = environment.arn("cloudwatch", f"alarm:{alarm_name(environment, 'pipeline-unhealthy')}")
        return dashboard_body(
            DashboardContent(
                environment=environment,
                rows=rows,
                alarm_arns=names,
                composite_arn=composite if any(row.severity == "critical" for row in rows) else None,
                parts=known,
                datasets=list(self._args.datasets),
            )
        )
