"""From an object in the raw bucket to an execution: event rule, queue, function.

::

    raw bucket ─► event rule ─► intake queue ─► dispatcher function ─► state machine
                      │              │ after maximumReceiveCount tries
                      └──────────────┴──► dead-letter queue

Every message is a file that somebody dropped, so none is lost on the way: what cannot be delivered or dispatched waits
in the dead-letter queue, from where it can be moved back to the intake.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from components.environment import AwsEnvironment
from components.iam import Document, create_role, policy_document, service_trust, statement
from components.notifications import allow_event_rules, refuse_plain_text
from components.state_machine_definition import METRIC_NAMESPACE
from settings import ConfigurationError, DatasetSettings, OrchestrationSettings

if TYPE_CHECKING:
    from components.storage import PipelineBucket

HANDLER = Path(__file__).resolve().parent.parent / "functions" / "dispatcher" / "handler.py"
"""Source of the function."""

LONGEST_PATTERN = 2048
"""Characters of an event pattern (EventBridge quotas)."""

RULE_AGE_SECONDS = 24 * 3600
RULE_ATTEMPTS = 185
"""How long and often EventBridge tries to deliver: its own most, since every event is a file."""

INTAKE_RETENTION_SECONDS = 4 * 24 * 3600
DEAD_LETTER_RETENTION_SECONDS = 14 * 24 * 3600
"""SQS counts a message's age from its first arrival, also in the dead-letter queue, so that one keeps longer."""

MEMORY_MEGABYTES = 512
"""Lambda gives processor time in proportion to memory; a batch of 1,000 messages is parsed and hashed."""

RUNTIME = "python3.12"
ARCHITECTURE = "arm64"


@dataclass(frozen=True)
class ObjectDispatcherArgs:
    """What `ObjectDispatcher` is made of."""

    settings: OrchestrationSettings
    environment: AwsEnvironment
    datasets: Mapping[str, DatasetSettings]
    """By name; at least one."""
    raw: PipelineBucket
    """Where files land."""
    scripts: PipelineBucket
    """Where manifests go."""
    processed: PipelineBucket
    """Where tables, and so the manifests' output addresses, are."""
    database_name: str
    """Glue database of the tables."""
    state_machine_arn: pulumi.Input[str]
    data_key_arn: pulumi.Input[str]
    """Encrypts manifests, and the function's environment."""
    messages_key_arn: pulumi.Input[str]
    """Encrypts the queues."""
    logs_key_arn: pulumi.Input[str]
    """Encrypts the function's log group."""
    subnet_ids: Sequence[pulumi.Input[str]]
    """Private subnets that the function runs in."""
    security_group_id: pulumi.Input[str]
    """Security group of functions."""


def event_patterns(bucket: str, prefixes: Sequence[str]) -> list[Document]:
    """Patterns of the objects that belong to a dataset; as many as their length asks for.

    Raises:
        ValueError: when a single prefix does not fit in a pattern.
    """

    def pattern(chosen: Sequence[str]) -> Document:
        return {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": prefix} for prefix in chosen]}},
        }

    patterns: list[Document] = []
    chosen: list[str] = []
    for prefix in sorted(prefixes):
        if len(json.dumps(pattern([prefix]))) > LONGEST_PATTERN:
            raise ValueError(f"prefix {prefix!r} is too long for an event pattern of {LONGEST_PATTERN} characters")
        if chosen and len(json.dumps(pattern([*chosen, prefix]))) > LONGEST_PATTERN:
            patterns.append(pattern(chosen))
            chosen = []
        chosen.append(prefix)
    return [*patterns, pattern(chosen)]


def bundled_settings(
    datasets: Mapping[str, DatasetSettings], *, database: str, processed_bucket: str, scripts_bucket: str
) -> Document:
    """What the function reads from ``datasets.json`` beside its code."""
    return {
        "datasets": {name: dataset.model_dump(mode="json", by_alias=True) for name, dataset in datasets.items()},
        "database": database,
        "processedBucket": processed_bucket,
        "scriptsBucket": scripts_bucket,
    }


def intake_policy(environment: AwsEnvironment, queue_arn: str, rules: Sequence[str]) -> Document:
    """Only the event rules put files on the list."""
    return policy_document(
        [
            allow_event_rules(environment, "sqs:SendMessage", queue_arn, rules),
            refuse_plain_text("sqs:*", queue_arn),
        ]
    )


def role_statements(
    environment: AwsEnvironment,
    *,
    function_name: str,
    queue_arn: str,
    scripts_bucket: str,
    state_machine_arn: str,
    data_key_arn: str,
    messages_key_arn: str,
) -> list[Document]:
    """What the function may do."""
    function_arn = environment.arn("lambda", f"function:{function_name}")
    interfaces = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:UnassignPrivateIpAddresses",
    ]
    lookups = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]

    def via(service: str) -> dict[str, dict[str, str]]:
        return {"StringEquals": {"kms:ViaService": f"{service}.{environment.region}.{environment.dns_suffix}"}}

    return [
        statement(
            "TakeMessages",
            ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            [queue_arn],
        ),
        statement("DecryptMessages", ["kms:Decrypt"], [messages_key_arn], condition=via("sqs")),
        statement("WriteManifests", ["s3:PutObject"], [f"{environment.bucket_arn(scripts_bucket)}/manifests/*"]),
        statement("EncryptManifests", ["kms:Decrypt", "kms:GenerateDataKey"], [data_key_arn], condition=via("s3")),
        statement("StartExecutions", ["states:StartExecution"], [state_machine_arn]),
        statement(
            # Step Functions guide, "Data at rest encryption": callers of an encrypted state machine use its key.
            "EncryptInputs",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [data_key_arn],
            condition={
                "StringEquals": {
                    "kms:ViaService": f"states.{environment.region}.{environment.dns_suffix}",
                    "kms:EncryptionContext:aws:states:stateMachineArn": state_machine_arn,
                }
            },
        ),
        statement("ReadOwnEnvironment", ["kms:Decrypt"], [data_key_arn], condition=via("lambda")),
        statement(
            "WriteLogs",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [environment.arn("logs", f"log-group:{log_group_name(function_name)}:*")],
        ),
        statement(
            # X-Ray's write actions know no resources (Service authorization reference).
            "Trace",
            ["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
            ["*"],
        ),
        # Lambda makes the function's network interfaces with this role. Which interface it will be is unknown, and
        # the Describe actions know no resources (Lambda guide, "Giving Lambda functions access to resources in a VPC").
        statement("MakeInterfaces", interfaces, [environment.arn("ec2", "*/*")]),
        statement("FindInterfaces", lookups, ["*"]),
        # The same page: these are for Lambda, not for the function's own code.
        statement(
            "LeaveInterfaces",
            [*interfaces, *lookups],
            ["*"],
            effect="Deny",
            condition={"ArnEquals": {"lambda:SourceFunctionArn": function_arn}},
        ),
    ]


def metric_namespace(environment: AwsEnvironment) -> str:
    """Namespace of the function's metrics; they have no dimensions, so the stack is a part of it."""
    return f"{METRIC_NAMESPACE}/{environment.project}-{environment.stack}"


def log_group_name(function_name: str) -> str:
    """Log group of a function."""
    return f"/aws/lambda/{function_name}"


def check(datasets: Mapping[str, DatasetSettings]) -> None:
    """Refuse what would run without doing anything.

    Raises:
        ConfigurationError: when there is no dataset.
    """
    if not datasets:
        raise ConfigurationError(
            "emr-pipeline:datasets is empty: declare at least one dataset, else no file would be dispatched"
        )


class ObjectDispatcher(pulumi.ComponentResource):
    """Event rules, intake and dead-letter queue, and the dispatcher function."""

    intake_queue_name: str
    """Known in preview, as are the other names."""
    intake_queue_url: pulumi.Output[str]
    dead_letter_queue_name: str
    dead_letter_queue_url: pulumi.Output[str]
    function_name: str
    rule_name: str
    """The first rule's."""
    rule_names: list[str]
    """Of all rules: more than one when the prefixes do not fit in one pattern."""

    def __init__(self, name: str, args: ObjectDispatcherArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:dispatch:ObjectDispatcher", name, None, opts)
        check(args.datasets)
        settings, environment = args.settings, args.environment
        child = pulumi.ResourceOptions(parent=self)
        base = f"{environment.project}-{environment.stack}"
        self.intake_queue_name = f"{base}-intake"
        self.dead_letter_queue_name = f"{base}-dead-letters"
        self.function_name = f"{base}-dispatcher"

        patterns = event_patterns(args.raw.name, [dataset.prefix for dataset in args.datasets.values()])
        suffixes = ["", *(f"-{number}" for number in range(2, len(patterns) + 1))]
        self.rule_names = [f"{base}-raw-objects{suffix}" for suffix in suffixes]
        self.rule_name = self.rule_names[0]
        rule_arns = [environment.arn("events", f"rule/{rule}") for rule in self.rule_names]

        dead_letters = aws.sqs.Queue(
            f"{name}-dead-letters",
            name=self.dead_letter_queue_name,
            kms_master_key_id=args.messages_key_arn,
            message_retention_seconds=DEAD_LETTER_RETENTION_SECONDS,
            redrive_allow_policy=json.dumps(
                {
                    "redrivePermission": "byQueue",
                    "sourceQueueArns": [environment.arn("sqs", self.intake_queue_name)],
                }
            ),
            opts=child,
        )
        intake = aws.sqs.Queue(
            f"{name}-intake",
            name=self.intake_queue_name,
            kms_master_key_id=args.messages_key_arn,
            message_retention_seconds=INTAKE_RETENTION_SECONDS,
            receive_wait_time_seconds=20,
            # Lambda guide, "Using Lambda with Amazon SQS": six times the function's timeout, plus the batching window.
            visibility_timeout_seconds=6 * settings.function_timeout_seconds + settings.batch_window_seconds,
            redrive_policy=dead_letters.arn.apply(
                lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": settings.maximum_receive_count})
            ),
            opts=child,
        )
        admissions = [
            aws.sqs.QueuePolicy(
                f"{name}-{role}-policy",
                queue_url=queue.url,
                policy=queue.arn.apply(lambda arn: json.dumps(intake_policy(environment, arn, rule_arns))),
                opts=child,
            )
            for role, queue in (("intake", intake), ("dead-letters", dead_letters))
        ]

        self._make_function(name, args, intake)

        for suffix, rule_name, pattern in zip(suffixes, self.rule_names, patterns, strict=True):
            rule = aws.cloudwatch.EventRule(
                f"{name}-rule{suffix}",
                name=rule_name,
                description=f"Files of the datasets in {args.raw.name}",
                event_pattern=json.dumps(pattern),
                state="ENABLED",
                opts=child,
            )
            aws.cloudwatch.EventTarget(
                f"{name}-target{suffix}",
                rule=rule.name,
                target_id="intake",
                arn=intake.arn,
                dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=dead_letters.arn),
                retry_policy=aws.cloudwatch.EventTargetRetryPolicyArgs(
                    maximum_event_age_in_seconds=RULE_AGE_SECONDS, maximum_retry_attempts=RULE_ATTEMPTS
                ),
                # An event that comes before the queues admit it would be lost.
                opts=pulumi.ResourceOptions(parent=self, depends_on=admissions),
            )

        self.intake_queue_url = intake.url
        self.dead_letter_queue_url = dead_letters.url
        self.register_outputs(
            {
                "intakeQueueUrl": self.intake_queue_url,
                "deadLetterQueueUrl": self.dead_letter_queue_url,
                "functionName": self.function_name,
                "ruleNames": self.rule_names,
            }
        )

    def _make_function(self, name: str, args: ObjectDispatcherArgs, intake: aws.sqs.Queue) -> None:
        """The function with its role, log group and event source."""
        settings, environment = args.settings, args.environment
        child = pulumi.ResourceOptions(parent=self)
        log_group = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            name=log_group_name(self.function_name),
            kms_key_id=args.logs_key_arn,
            retention_in_days=settings.log_retention_days,
            opts=child,
        )
        role, _ = create_role(
            f"{name}-role",
            description=f"Function {self.function_name}: take messages, write manifests, start executions",
            # The Lambda guide ("Defining Lambda function permissions with an execution role") has no source condition.
            trust=service_trust(environment, "lambda", source_account=False),
            parent=self,
        )
        statements = pulumi.Output.all(
            queue_arn=intake.arn,
            state_machine_arn=args.state_machine_arn,
            data_key_arn=args.data_key_arn,
            messages_key_arn=args.messages_key_arn,
        ).apply(
            lambda known: role_statements(
                environment, function_name=self.function_name, scripts_bucket=args.scripts.name, **known
            )
        )
        grant = aws.iam.RolePolicy(
            f"{name}-role-policy",
            role=role.name,
            policy=statements.apply(lambda entries: json.dumps(policy_document(entries))),
            opts=child,
        )
        bundled = bundled_settings(
            args.datasets,
            database=args.database_name,
            processed_bucket=args.processed.name,
            scripts_bucket=args.scripts.name,
        )
        function = aws.lambda_.Function(
            f"{name}-function",
            name=self.function_name,
            description="Gathers new files by dataset and starts an execution for each manifest",
            role=role.arn,
            runtime=RUNTIME,
            architectures=[ARCHITECTURE],
            handler="handler.handler",
            code=pulumi.AssetArchive(
                {
                    "handler.py": pulumi.FileAsset(str(HANDLER)),
                    "datasets.json": pulumi.StringAsset(json.dumps(bundled, sort_keys=True, indent=1)),
                }
            ),
            timeout=settings.function_timeout_seconds,
            memory_size=MEMORY_MEGABYTES,
            # Nothing here is secret; the key is the stack's own so that its use can be withdrawn with the rest.
            environment=aws.lambda_.FunctionEnvironmentArgs(
                variables={
                    "STATE_MACHINE_ARN": args.state_machine_arn,
                    "METRIC_NAMESPACE": metric_namespace(environment),
                }
            ),
            kms_key_arn=args.data_key_arn,
            vpc_config=aws.lambda_.FunctionVpcConfigArgs(
                subnet_ids=list(args.subnet_ids), security_group_ids=[args.security_group_id]
            ),
            tracing_config=aws.lambda_.FunctionTracingConfigArgs(mode="Active"),
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(
                log_format="JSON",
                log_group=log_group.name,
                application_log_level="INFO",
                system_log_level="WARN",
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[grant, log_group]),
        )
        aws.lambda_.EventSourceMapping(
            f"{name}-source",
            event_source_arn=intake.arn,
            function_name=function.name,
            batch_size=settings.batch_size,
            maximum_batching_window_in_seconds=settings.batch_window_seconds,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=aws.lambda_.EventSourceMappingScalingConfigArgs(
                maximum_concurrency=settings.maximum_concurrency
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[grant]),
        )
