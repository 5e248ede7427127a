"""Who notices when something is wrong: alarms, two event rules, and the dashboard."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast

import pulumi
import pulumi_aws as aws

from components.alarm_table import AlarmRow, Source, alarm_name, alarm_rows
from components.dashboard import dashboard_body, dashboard_name
from components.environment import AwsEnvironment
from components.iam import Document
from components.notifications import rule_name, undelivered_queue_name
from settings import MonitoringSettings

RULE_AGE_SECONDS = 24 * 3600
RULE_ATTEMPTS = 185
"""How long and often EventBridge tries to tell: its own most; after that the message waits with the undelivered."""


@dataclass(frozen=True)
class PipelineAlarmsArgs:
    """What `PipelineAlarms` watches; a stack without one of the parts (None) has no alarms for it."""

    settings: MonitoringSettings
    environment: AwsEnvironment
    cluster_id: pulumi.Input[str] | None
    state_machine_arn: pulumi.Input[str] | None
    intake_queue_name: pulumi.Input[str] | None
    dead_letter_queue_name: pulumi.Input[str] | None
    function_name: pulumi.Input[str] | None
    warning_topic_arn: pulumi.Input[str]
    """Where alarms of the severity warning are told (`NotificationTopics.warning_topic_arn`)."""
    critical_topic_arn: pulumi.Input[str]
    """Where critical alarms and the event rules are told (`NotificationTopics.critical_topic_arn`)."""
    rule_name: pulumi.Input[str] | None = None
    """Event rule of the raw bucket."""


def cluster_ended_pattern(cluster_id: str) -> Document:
    """The cluster ended. A persistent one never does on its own, so any end is news."""
    return {
        "source": ["aws.emr"],
        "detail-type": ["EMR Cluster State Change"],
        "detail": {"clusterId": [cluster_id], "state": ["TERMINATED", "TERMINATED_WITH_ERRORS"]},
    }


def execution_ended_pattern(state_machine_arn: str) -> Document:
    """An execution ended in a way that does not run its failure path."""
    return {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [state_machine_arn], "status": ["TIMED_OUT", "ABORTED"]},
    }


class PipelineAlarms(pulumi.ComponentResource):
    """Alarms and event rules that publish to the topic of their severity, and the dashboard."""

    dashboard_name: str
    """Known in preview."""
    alarm_names: list[str]
    """Known in preview."""

    def __init__(self, name: str, args: PipelineAlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:alarms:PipelineAlarms", name, None, opts)
        environment = args.environment
        child = pulumi.ResourceOptions(parent=self)
        given: dict[Source, pulumi.Input[str] | None] = {
            "cluster": args.cluster_id,
            "state-machine": args.state_machine_arn,
            "function": args.function_name,
            "intake": args.intake_queue_name,
            "dead-letters": args.dead_letter_queue_name,
            "undelivered": undelivered_queue_name(environment),
            "rule": args.rule_name,
        }
        sources = {source: value for source, value in given.items() if value is not None}

        rows = [row for row in alarm_rows(args.settings) if row.source in sources]
        self.alarm_names = [alarm_name(environment, row.id) for row in rows]
        topics = {"warning": args.warning_topic_arn, "critical": args.critical_topic_arn}
        for row in rows:
            aws.cloudwatch.MetricAlarm(
                f"{name}-{row.id}",
                name=alarm_name(environment, row.id),
                alarm_description=row.description,
                namespace=row.namespace,
                metric_name=row.metric,
                dimensions={row.dimension: sources[row.source]},
                statistic=row.statistic,
                period=row.period_seconds,
                evaluation_periods=row.periods,
                datapoints_to_alarm=row.periods,
                comparison_operator=row.comparison,
                threshold=row.threshold,
                treat_missing_data=row.missing,
                actions_enabled=True,
                alarm_actions=[topics[row.severity]],
                ok_actions=[topics[row.severity]],
                opts=child,
            )

        if args.cluster_id is not None:
            self._tell(
                name,
                args,
                "cluster-ended",
                description="The cluster ended",
                pattern=pulumi.Output.from_input(args.cluster_id).apply(
                    lambda identifier: json.dumps(cluster_ended_pattern(identifier))
                ),
                paths={"cluster": "$.detail.clusterId", "state": "$.detail.state", "message": "$.detail.message"},
                template="Cluster <cluster> ended: <state>. <message>",
            )
        if args.state_machine_arn is not None:
            self._tell(
                name,
                args,
                "execution-ended",
                description="An execution timed out or was stopped, so its failure path did not run",
                pattern=pulumi.Output.from_input(args.state_machine_arn).apply(
                    lambda arn: json.dumps(execution_ended_pattern(arn))
                ),
                paths={"execution": "$.detail.executionArn", "status": "$.detail.status"},
                template="Execution <execution> ended <status> without its failure path; its step may still run.",
            )

        self.dashboard_name = dashboard_name(environment)
        body = pulumi.Output.all(**sources).apply(lambda known: json.dumps(self._body(environment, rows, known)))
        aws.cloudwatch.Dashboard(
            f"{name}-dashboard", dashboard_name=self.dashboard_name, dashboard_body=body, opts=child
        )
        self.register_outputs({"dashboardName": self.dashboard_name, "alarmNames": self.alarm_names})

    @staticmethod
    def _body(environment: AwsEnvironment, rows: list[AlarmRow], known: dict[str, str]) -> Document:
        alarms = [(row, environment.arn("cloudwatch", f"alarm:{alarm_name(environment, row.id)}")) for row in rows]
        return dashboard_body(environment, alarms, cast(dict[Source, str], known))

    def _tell(
        self,
        name: str,
        args: PipelineAlarmsArgs,
        role: str,
        *,
        description: str,
        pattern: pulumi.Input[str],
        paths: dict[str, str],
        template: str,
    ) -> None:
        """An event rule that publishes a sentence to the critical topic."""
        environment = args.environment
        child = pulumi.ResourceOptions(parent=self)
        rule = aws.cloudwatch.EventRule(
            f"{name}-{role}",
            name=rule_name(environment, role),
            description=description,
            event_pattern=pattern,
            state="ENABLED",
            opts=child,
        )
        aws.cloudwatch.EventTarget(
            f"{name}-{role}-target",
            rule=rule.name,
            target_id="critical-topic",
            arn=args.critical_topic_arn,
            input_transformer=aws.cloudwatch.EventTargetInputTransformerArgs(
                input_paths=paths,
                # A template in quotes makes a text, not a JSON object, of the event (EventBridge user guide).
                input_template=json.dumps(f"{environment.project}-{environment.stack}: {template}"),
            ),
            dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(
                arn=environment.arn("sqs", undelivered_queue_name(environment))
            ),
            retry_policy=aws.cloudwatch.EventTargetRetryPolicyArgs(
                maximum_event_age_in_seconds=RULE_AGE_SECONDS, maximum_retry_attempts=RULE_ATTEMPTS
            ),
            opts=child,
        )
