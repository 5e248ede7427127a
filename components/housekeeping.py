"""What keeps the stack's books straight: a function that settles executions which ended unheard, and measures.

::

    every few minutes ──────────────► housekeeping function ─► ledger, metrics, topics, cancelled steps
    execution FAILED, ABORTED, … ──►

See ``functions/housekeeping/handler.py`` for what it does. It is watched in turn: it counts its own complete runs
(``HousekeepingRuns``), and an event that it failed on goes to the critical topic.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from components.console import execution_link
from components.emr_release import support
from components.environment import AwsEnvironment
from components.function import FunctionCode, FunctionPlace, Occasion, call_on, create_function, runtime_statements
from components.iam import Document, statement
from components.job import CALL_WRAPPER
from components.ledger import MANIFESTS_BY_STATE, ledger_statements, table_name
from components.notifications import FUNCTION_RULES, rule_name
from components.state_machine import state_machine_arn, state_machine_name
from components.state_machine_definition import FAILURES, METRIC_NAMESPACE
from components.state_machine_definition.outcomes import (
    EXECUTION_ABORTED,
    EXECUTION_TIMED_OUT,
    INTERNAL_ERROR,
    Failure,
)
from settings import OrchestrationSettings

if TYPE_CHECKING:
    from components.job import JobReference

HANDLER = Path(__file__).resolve().parent.parent / "functions" / "housekeeping" / "handler.py"
"""Source of the function."""

MEMORY_MEGABYTES = 512
TIMEOUT_SECONDS = 300
"""A call settles what there is, one execution after the other."""


@dataclass(frozen=True)
class HousekeepingArgs:
    """What `Housekeeping` is made of."""

    settings: OrchestrationSettings
    environment: AwsEnvironment
    datasets: Sequence[str]
    """Names of the datasets."""
    release: str
    """EMR release of the cluster."""
    certificate_expiry: pulumi.Input[str]
    """When the cluster's certificate runs out, ISO 8601."""
    cluster_parameter_name: str
    """SSM parameter that holds the cluster's id."""
    job: JobReference
    """Its wrapper stops YARN applications."""
    realm: str
    """Kerberos realm of the cluster."""
    success_topic_arn: pulumi.Input[str]
    warning_topic_arn: pulumi.Input[str]
    critical_topic_arn: pulumi.Input[str]
    undelivered_queue_arn: pulumi.Input[str]
    """Keeps events that could not be delivered to the function."""
    data_key_arn: pulumi.Input[str]
    """Encrypts ledger, executions, and the function's environment."""
    messages_key_arn: pulumi.Input[str]
    """Encrypts the topics."""
    logs_key_arn: pulumi.Input[str]
    """Encrypts the function's log group."""
    subnet_ids: Sequence[pulumi.Input[str]]
    """Private subnets that the function runs in."""
    security_group_id: pulumi.Input[str]
    """Security group of functions."""


def function_name(environment: AwsEnvironment) -> str:
    """Name of the function."""
    return f"{environment.project}-{environment.stack}-housekeeping"


def rule_names(environment: AwsEnvironment) -> dict[str, str]:
    """Names of the event rules, by what they select."""
    return {
        role: rule_name(environment, part) for role, part in zip(("schedule", "status"), FUNCTION_RULES, strict=True)
    }


def status_pattern(environment: AwsEnvironment) -> Document:
    """Ends that may have gone by the failure path; the function tells which did."""
    return {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [state_machine_arn(environment)], "status": ["FAILED", "TIMED_OUT", "ABORTED"]},
    }


def _described(failure: Failure) -> dict[str, str]:
    return {
        "name": failure.name,
        "state": failure.state,
        "severity": failure.severity,
        "advice": failure.advice,
    }


def bundled_settings(
    environment: AwsEnvironment,
    settings: OrchestrationSettings,
    *,
    datasets: Sequence[str],
    release: str,
    cluster_parameter_name: str,
    wrapper_uri: str,
    realm: str,
) -> Document:
    """What the function reads from ``housekeeping.json`` beside its code."""
    period = support(release)
    ends = (period.ends or period.standard_until) if period else None
    return {
        "title": f"{environment.project}-{environment.stack}",
        "stack": environment.stack,
        "datasets": sorted(datasets),
        "namespace": METRIC_NAMESPACE,
        "state_machine_arn": state_machine_arn(environment),
        "ledger_table": table_name(environment),
        "ledger_index": MANIFESTS_BY_STATE,
        "cluster_parameter": cluster_parameter_name,
        "stop_arguments": ["bash", "-c", CALL_WRAPPER, "call", wrapper_uri, environment.region, "--stop", realm],
        "volume_factor": settings.volume_factor,
        "failures": {failure.name: _described(failure) for failure in FAILURES},
        "execution_link": execution_link(environment, "<execution>"),
        "settled": {
            status: _described(failure)
            for status, failure in {
                "ABORTED": EXECUTION_ABORTED,
                "TIMED_OUT": EXECUTION_TIMED_OUT,
                "FAILED": INTERNAL_ERROR,
            }.items()
        },
        "support_ends": ends.isoformat() if ends else "",
    }


def role_statements(
    environment: AwsEnvironment,
    *,
    cluster_parameter_name: str,
    data_key_arn: str,
    messages_key_arn: str,
    success_topic_arn: str,
    warning_topic_arn: str,
    critical_topic_arn: str,
) -> list[Document]:
    """What the function may do."""
    name = function_name(environment)
    machine = state_machine_arn(environment)
    return [
        statement(
            "ReadExecutions",
            ["states:DescribeExecution"],
            [environment.arn("states", f"execution:{state_machine_name(environment)}:*")],
        ),
        statement(
            # Step Functions guide, "Data at rest encryption": whoever reads an encrypted execution uses its key.
            "DecryptExecutions",
            ["kms:Decrypt"],
            [data_key_arn],
            condition={
                "StringEquals": {
                    "kms:ViaService": environment.via_service("states"),
                    "kms:EncryptionContext:aws:states:stateMachineArn": machine,
                }
            },
        ),
        *ledger_statements(
            environment, data_key_arn, ["dynamodb:GetItem", "dynamodb:UpdateItem"], index_actions=["dynamodb:Query"]
        ),
        statement(
            "CancelSteps",
            ["elasticmapreduce:AddJobFlowSteps", "elasticmapreduce:CancelSteps", "elasticmapreduce:ListSteps"],
            # Clusters come and go; their tags, which the provider puts on everything of this stack, stay.
            [environment.arn("elasticmapreduce", "cluster/*")],
            condition={
                "StringEquals": {
                    "elasticmapreduce:ResourceTag/Project": environment.project,
                    "elasticmapreduce:ResourceTag/Environment": environment.stack,
                }
            },
        ),
        statement("FindCluster", ["ssm:GetParameter"], [environment.arn("ssm", f"parameter{cluster_parameter_name}")]),
        statement("Notify", ["sns:Publish"], [warning_topic_arn, critical_topic_arn]),
        statement(
            "EncryptNotifications",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [messages_key_arn],
            condition=environment.through("sns"),
        ),
        statement(
            "CountSubscriptions",
            ["sns:ListSubscriptionsByTopic"],
            [success_topic_arn, warning_topic_arn, critical_topic_arn],
        ),
        statement(
            # PutMetricData knows no resources (Service authorization reference); the namespace bounds it instead.
            "PublishMetrics",
            ["cloudwatch:PutMetricData"],
            ["*"],
            condition={"StringEquals": {"cloudwatch:namespace": METRIC_NAMESPACE}},
        ),
        # Neither does GetMetricStatistics, and it knows no condition.
        statement("ReadMetrics", ["cloudwatch:GetMetricStatistics"], ["*"]),
        *runtime_statements(environment, name, data_key_arn),
    ]


class Housekeeping(pulumi.ComponentResource):
    """The function, its role and log group, and the rules that call it."""

    function_name: str
    """Known in preview."""
    rule_names: Mapping[str, str]
    """Known in preview."""

    def __init__(self, name: str, args: HousekeepingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:housekeeping:Housekeeping", name, None, opts)
        self.function_name = function_name(args.environment)
        self.rule_names = rule_names(args.environment)
        function = self._make_function(name, args)
        minutes = args.settings.housekeeping_minutes
        every = f"rate({minutes} minute{'s' if minutes > 1 else ''})"
        pattern = json.dumps(status_pattern(args.environment))
        occasions: dict[str, tuple[str, str | None, str | None]] = {
            "schedule": (f"Every {minutes} minutes: settle and measure", every, None),
            "status": ("Executions that failed, were stopped or hung", None, pattern),
        }
        for role, (description, schedule_expression, event_pattern) in occasions.items():
            occasion = Occasion(
                rule_name=self.rule_names[role],
                description=description,
                target_id="housekeeping",
                dead_letter_arn=args.undelivered_queue_arn,
                schedule_expression=schedule_expression,
                event_pattern=event_pattern,
            )
            call_on(f"{name}-{role}", occasion, function, args.environment, parent=self)
        self.register_outputs({"functionName": self.function_name, "ruleNames": self.rule_names})

    def _make_function(self, name: str, args: HousekeepingArgs) -> aws.lambda_.Function:
        """The function with its role and log group."""
        environment = args.environment
        statements = pulumi.Output.all(
            data_key_arn=args.data_key_arn,
            messages_key_arn=args.messages_key_arn,
            success_topic_arn=args.success_topic_arn,
            warning_topic_arn=args.warning_topic_arn,
            critical_topic_arn=args.critical_topic_arn,
        ).apply(lambda known: role_statements(environment, cluster_parameter_name=args.cluster_parameter_name, **known))
        bundled = bundled_settings(
            environment,
            args.settings,
            datasets=args.datasets,
            release=args.release,
            cluster_parameter_name=args.cluster_parameter_name,
            wrapper_uri=args.job.wrapper_uri,
            realm=args.realm,
        )
        code = FunctionCode(
            function_name=self.function_name,
            description="Settles executions that ended unheard, and measures what no service does",
            purpose="settle executions, publish the stack's state",
            handler="handler.handler",
            archive=pulumi.AssetArchive(
                {
                    "handler.py": pulumi.FileAsset(str(HANDLER)),
                    "housekeeping.json": pulumi.StringAsset(json.dumps(bundled, sort_keys=True, indent=1)),
                }
            ),
            variables={
                "SUCCESS_TOPIC_ARN": args.success_topic_arn,
                "WARNING_TOPIC_ARN": args.warning_topic_arn,
                "CRITICAL_TOPIC_ARN": args.critical_topic_arn,
                "CERTIFICATE_EXPIRY": args.certificate_expiry,
            },
            statements=statements,
            # A status that could not be settled, after Lambda's own tries, is told; the schedule settles it later.
            dead_letter_arn=args.critical_topic_arn,
            timeout_seconds=TIMEOUT_SECONDS,
            memory_megabytes=MEMORY_MEGABYTES,
        )
        place = FunctionPlace(
            environment=environment,
            subnet_ids=args.subnet_ids,
            security_group_id=args.security_group_id,
            data_key_arn=args.data_key_arn,
            logs_key_arn=args.logs_key_arn,
            log_retention_days=args.settings.log_retention_days,
        )
        function, _ = create_function(name, code, place, parent=self)
        return function
