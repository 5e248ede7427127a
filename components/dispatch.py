"""From an object in the raw bucket to an execution: event rule, queue, function.

::

    raw bucket ─► event rule ─► intake queue ─► dispatcher function ─► state machine
                      │              │               ▲   │ ledger          │
                      │              │               │   ▼                 │
                      │              │  schedule ────┴── ended executions ◄┘
                      │              │ after maximumReceiveCount tries
                      └──────────────┴──► dead-letter queue

The same function starts what waits in the ledger: at the end of each batch, when an execution ends, and on a schedule.

Every message is a file that somebody dropped, so none is lost on the way: what cannot be delivered or dispatched waits
in the dead-letter queue, from where it can be moved back to the intake.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from components import intake_end
from components.environment import AwsEnvironment
from components.function import FunctionCode, FunctionPlace, Occasion, call_on, create_function, runtime_statements
from components.function_archive import function_archive
from components.iam import Document, policy_document, statement
from components.ledger import ledger_statements
from components.notifications import allow_event_rules, refuse_plain_text
from components.state_machine import state_machine_arn
from components.state_machine_definition import METRIC_NAMESPACE
from settings import ConfigurationError, DatasetSettings, OrchestrationSettings

if TYPE_CHECKING:
    from components.job import JobReference
    from components.storage import PipelineBucket

MODULES = ("functions/dispatcher", "functions/ledger")
"""Source of the function."""

ENDED = ("ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT")
"""Statuses in which an execution has ended, and another may start."""

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
    state_machine_alias_arn: pulumi.Input[str]
    """What executions are started through, so that each keeps the definition that it began with."""
    job: JobReference
    """The Spark job that new manifests are pinned to, unless the settings name another version."""
    ledger_table: str
    """Name of the ledger's table."""
    data_key_arn: pulumi.Input[str]
    """Encrypts manifests, the ledger, and the function's environment."""
    messages_key_arn: pulumi.Input[str]
    """Encrypts the queues."""
    logs_key_arn: pulumi.Input[str]
    """Encrypts the function's log group."""
    subnet_ids: Sequence[pulumi.Input[str]]
    """Private subnets that the function runs in."""
    security_group_id: pulumi.Input[str]
    """Security group of functions."""
    drain_minutes: int = 60
    """Longest wait for executions when the stack is taken down."""
    behind: Sequence[pulumi.Resource] = ()
    """What an execution needs: the intake opens when all of it is there, and closes before any of it goes."""


def event_patterns(bucket: str, prefixes: Sequence[str]) -> list[Document]:
    """Patterns of the objects that belong to a dataset; as many as their length asks for.

    A prefix with a ``*`` is one with a suffix after it. EventBridge matches it as a wildcard (EventBridge user guide,
    "Comparison operators"); prefix and suffix of one field cannot both be asked for otherwise.

    Raises:
        ValueError: when a single prefix does not fit in a pattern.
    """

    def pattern(chosen: Sequence[str]) -> Document:
        keys = [{"wildcard" if "*" in prefix else "prefix": prefix} for prefix in chosen]
        return {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [bucket]}, "object": {"key": keys}},
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


def wanted_keys(dataset: DatasetSettings) -> str:
    """The keys of a dataset's files, for `event_patterns`."""
    return f"{dataset.prefix}*{dataset.suffix}" if dataset.suffix else dataset.prefix


def pinned_job(job_uri: str, version: str | None) -> str:
    """Address of the job that new manifests are pinned to: the deployed one, or another version of it."""
    if version is None:
        return job_uri
    directory, _, name = job_uri.rpartition("/")
    return f"{directory.rpartition('/')[0]}/{version}/{name}"


def bundled_settings(
    datasets: Mapping[str, DatasetSettings],
    *,
    database: str,
    raw_bucket: str,
    processed_bucket: str,
    scripts_bucket: str,
    job: str,
) -> Document:
    """What the function reads from ``datasets.json`` beside its code."""
    return {
        "datasets": {name: dataset.model_dump(mode="json", by_alias=True) for name, dataset in datasets.items()},
        "database": database,
        "rawBucket": raw_bucket,
        "processedBucket": processed_bucket,
        "scriptsBucket": scripts_bucket,
        "job": job,
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
    dead_letters_arn: str,
    scripts_bucket: str,
    state_machine_arn: str,
    state_machine_alias_arn: str,
    data_key_arn: str,
    messages_key_arn: str,
) -> list[Document]:
    """What the function may do."""
    return [
        statement(
            "TakeMessages",
            ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
            [queue_arn],
        ),
        # Lambda keeps calls that failed with the function's own role (Lambda guide, "Dead-letter queues").
        statement("KeepFailedCalls", ["sqs:SendMessage"], [dead_letters_arn]),
        statement(
            "UseMessagesKey",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [messages_key_arn],
            condition=environment.through("sqs"),
        ),
        statement("WriteManifests", ["s3:PutObject"], [f"{environment.bucket_arn(scripts_bucket)}/manifests/*"]),
        statement(
            "EncryptManifests",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [data_key_arn],
            condition=environment.through("s3"),
        ),
        *ledger_statements(
            environment,
            data_key_arn,
            ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"],
            index_actions=["dynamodb:Query"],
        ),
        statement(
            # For a start by alias IAM is asked about the state machine; the alias is a condition (Step Functions guide,
            # "Authorization for versions and aliases").
            "StartExecutions",
            ["states:StartExecution"],
            [state_machine_arn],
            condition={
                "ForAnyValue:StringEquals": {
                    "states:StateMachineQualifier": [state_machine_alias_arn.rsplit(":", 1)[1]]
                }
            },
        ),
        statement(
            "LookAtExecutions",
            ["states:DescribeExecution"],
            [f"{state_machine_arn.replace(':stateMachine:', ':execution:')}:*"],
        ),
        statement(
            # Step Functions guide, "Data at rest encryption": callers of an encrypted state machine use its key.
            "EncryptInputs",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [data_key_arn],
            condition={
                "StringEquals": {
                    "kms:ViaService": environment.via_service("states"),
                    "kms:EncryptionContext:aws:states:stateMachineArn": state_machine_arn,
                }
            },
        ),
        *runtime_statements(environment, function_name, data_key_arn),
    ]


def check(datasets: Mapping[str, DatasetSettings]) -> None:
    """Refuse what would run without doing anything.

    Raises:
        ConfigurationError: when there is no dataset.
    """
    if not datasets:
        raise ConfigurationError(
            "emr-pipeline:datasets is empty: declare at least one dataset, else no file would be dispatched"
        )


def _admitting(environment: AwsEnvironment, queue: pulumi.Output[str], rules: Sequence[str]) -> pulumi.Output[str]:
    return queue.apply(lambda arn: json.dumps(intake_policy(environment, arn, rules)))


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
    start_rule_names: list[str]
    """Rules that call the function to start manifests that wait."""

    def __init__(self, name: str, args: ObjectDispatcherArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:dispatch:ObjectDispatcher", name, None, opts)
        check(args.datasets)
        settings, environment = args.settings, args.environment
        child = pulumi.ResourceOptions(parent=self)
        base = f"{environment.project}-{environment.stack}"
        self.intake_queue_name = f"{base}-intake"
        self.dead_letter_queue_name = f"{base}-dead-letters"
        self.function_name = f"{base}-dispatcher"

        patterns = event_patterns(args.raw.name, [wanted_keys(dataset) for dataset in args.datasets.values()])
        suffixes = ["", *(f"-{number}" for number in range(2, len(patterns) + 1))]
        self.rule_names = [f"{base}-raw-objects{suffix}" for suffix in suffixes]
        self.rule_name = self.rule_names[0]
        rule_arns = [environment.arn("events", f"rule/{rule}") for rule in self.rule_names]
        self.start_rule_names = [f"{base}-start-{role}" for role in ("ended", "schedule")]
        start_rule_arns = [environment.arn("events", f"rule/{rule}") for rule in self.start_rule_names]

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
                policy=_admitting(environment, queue.arn, rules),
                opts=child,
            )
            for role, queue, rules in (
                ("intake", intake, rule_arns),
                ("dead-letters", dead_letters, [*rule_arns, *start_rule_arns]),
            )
        ]

        function, grant = self._make_function(name, args, intake, dead_letters)
        ways = self._start_what_waits(name, args, function, dead_letters, admissions)

        for suffix, rule_name, pattern in zip(suffixes, self.rule_names, patterns, strict=True):
            rule = aws.cloudwatch.EventRule(
                f"{name}-rule{suffix}",
                name=rule_name,
                description=f"Files of the datasets in {args.raw.name}",
                event_pattern=json.dumps(pattern),
                state="ENABLED",
                opts=child,
            )
            target = aws.cloudwatch.EventTarget(
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
            ways.append(target)
        self._open(name, args, intake, function, [grant, *ways])

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

    def _open(
        self,
        name: str,
        args: ObjectDispatcherArgs,
        intake: aws.sqs.Queue,
        function: aws.lambda_.Function,
        ready: Sequence[pulumi.Resource],
    ) -> None:
        """Let messages in, when all that they need is there."""
        settings, machine = args.settings, args.state_machine_arn
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
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[*ready, *args.behind],
                hooks=pulumi.ResourceHookBinding(
                    before_delete=[
                        intake_end.hook(
                            f"{name}-end",
                            intake_end.Intake(
                                function_name=self.function_name,
                                start_rules=self.start_rule_names,
                                # A hook needs it plain: as it was given, or by the name of the stack's own.
                                state_machine_arn=(
                                    machine if isinstance(machine, str) else state_machine_arn(args.environment)
                                ),
                                drain_minutes=args.drain_minutes,
                                look_seconds=intake_end.LOOK_SECONDS,
                            ),
                            region=args.environment.region,
                        )
                    ]
                ),
            ),
        )

    def _start_what_waits(
        self,
        name: str,
        args: ObjectDispatcherArgs,
        function: aws.lambda_.Function,
        dead_letters: aws.sqs.Queue,
        admissions: Sequence[pulumi.Resource],
    ) -> list[pulumi.Resource]:
        """Call the function when an execution has ended, and on a schedule."""
        targets: list[pulumi.Resource] = []
        settings, base = args.settings, f"{args.environment.project}-{args.environment.stack}"
        pattern = pulumi.Output.from_input(args.state_machine_arn).apply(
            lambda arn: json.dumps(
                {
                    "source": ["aws.states"],
                    "detail-type": ["Step Functions Execution Status Change"],
                    "detail": {"stateMachineArn": [arn], "status": list(ENDED)},
                }
            )
        )
        minutes = settings.start_interval_minutes
        every = f"rate({minutes} minute{'s' if minutes > 1 else ''})"
        chosen: dict[str, tuple[str, str | None, pulumi.Input[str] | None]] = {
            "ended": ("An execution has ended: another may start", None, pattern),
            "schedule": ("Start manifests that wait, whatever events were lost", every, None),
        }
        for role, (description, schedule_expression, event_pattern) in chosen.items():
            occasion = Occasion(
                rule_name=f"{base}-start-{role}",
                description=description,
                target_id="dispatcher",
                # The next schedule makes up for it; that it was needed is worth an alarm.
                dead_letter_arn=dead_letters.arn,
                # Nothing of it is needed, and an execution's input has no place in the function's log.
                input=json.dumps({"reason": role}),
                retry_policy=aws.cloudwatch.EventTargetRetryPolicyArgs(
                    maximum_event_age_in_seconds=60 * minutes, maximum_retry_attempts=2
                ),
                schedule_expression=schedule_expression,
                event_pattern=event_pattern,
            )
            prefix = f"{name}-{role}"
            target = call_on(prefix, occasion, function, args.environment, parent=self, wait_for=admissions)
            targets.append(target)
        return targets

    def _make_function(
        self, name: str, args: ObjectDispatcherArgs, intake: aws.sqs.Queue, dead_letters: aws.sqs.Queue
    ) -> tuple[aws.lambda_.Function, aws.iam.RolePolicy]:
        """The function with its role and log group, and the policy that it needs."""
        settings, environment = args.settings, args.environment
        statements = pulumi.Output.all(
            queue_arn=intake.arn,
            dead_letters_arn=dead_letters.arn,
            state_machine_arn=args.state_machine_arn,
            state_machine_alias_arn=args.state_machine_alias_arn,
            data_key_arn=args.data_key_arn,
            messages_key_arn=args.messages_key_arn,
        ).apply(
            lambda known: role_statements(
                environment, function_name=self.function_name, scripts_bucket=args.scripts.name, **known
            )
        )
        bundled = bundled_settings(
            args.datasets,
            database=args.database_name,
            raw_bucket=args.raw.name,
            processed_bucket=args.processed.name,
            scripts_bucket=args.scripts.name,
            job=pinned_job(args.job.uri, settings.job_version),
        )
        code = FunctionCode(
            function_name=self.function_name,
            description="Plans new files, each version once, and starts as many manifests as may run",
            purpose="take messages, write manifests, start executions",
            handler="functions.dispatcher.handler.handler",
            archive=function_archive(
                MODULES, {"functions/dispatcher/datasets.json": json.dumps(bundled, sort_keys=True, indent=1)}
            ),
            variables={
                "STATE_MACHINE_ARN": args.state_machine_arn,
                "STATE_MACHINE_ALIAS_ARN": args.state_machine_alias_arn,
                "LEDGER_TABLE": args.ledger_table,
                "MAXIMUM_RUNNING_EXECUTIONS": str(settings.maximum_running_executions),
                "STACK": environment.stack,
                "POWERTOOLS_METRICS_NAMESPACE": METRIC_NAMESPACE,
            },
            statements=statements,
            # The queue's batches have their own way there.
            dead_letter_arn=dead_letters.arn,
            timeout_seconds=settings.function_timeout_seconds,
            memory_megabytes=MEMORY_MEGABYTES,
            reserved_concurrency=settings.reserved_concurrency,
        )
        place = FunctionPlace(
            environment=environment,
            subnet_ids=args.subnet_ids,
            security_group_id=args.security_group_id,
            data_key_arn=args.data_key_arn,
            logs_key_arn=args.logs_key_arn,
            log_retention_days=settings.log_retention_days,
        )
        # The archive holds the job's address: the code must be there when the first manifest is pinned to it.
        return create_function(name, code, place, parent=self, wait_for=[args.job.object])
