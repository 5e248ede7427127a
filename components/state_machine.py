"""The state machine that takes a manifest to a cluster and tells what came of it.

Each deployment that changes it publishes a version, and executions are started through the alias ``live``, which names
the newest: a run that is under way keeps the definition that it began with (Step Functions guide, "State machine
versions").
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from components.environment import AwsEnvironment
from components.iam import Document, create_role, policy_document, service_trust, statement
from components.state_machine_definition import METRIC_NAMESPACE, Surroundings, state_machine_definition
from settings import ConfigurationError, OrchestrationSettings

if TYPE_CHECKING:
    from components.job import JobReference
    from components.storage import PipelineBucket

ALIAS = "live"
"""Name of the alias that executions are started through."""

REPORT_PREFIX = "_reports/"
"""Where run reports lie in the processed bucket."""

DATA_KEY_REUSE_SECONDS = 300
"""Seconds that Step Functions uses one data key for: its own default, said aloud."""

_LONGEST_NAME = 80
"""Characters of a state machine's name (Step Functions quotas)."""


@dataclass(frozen=True)
class PipelineStateMachineArgs:
    """What `PipelineStateMachine` is made of."""

    settings: OrchestrationSettings
    environment: AwsEnvironment
    cluster_parameter_name: str
    """SSM parameter that holds the cluster's id."""
    scripts: PipelineBucket
    """Bucket of the manifests."""
    processed: PipelineBucket
    """Bucket of the run reports."""
    data_key_arn: pulumi.Input[str]
    """Encrypts definition, executions and reports."""
    logs_key_arn: pulumi.Input[str]
    """Encrypts the log group."""
    messages_key_arn: pulumi.Input[str]
    """Encrypts the topics."""
    success_topic_arn: pulumi.Input[str]
    warning_topic_arn: pulumi.Input[str]
    critical_topic_arn: pulumi.Input[str]
    ledger_table_name: str
    """DynamoDB table of the ledger."""
    job: JobReference
    """The Spark job; an execution is told which version of it to run, and runs it through its wrapper."""
    realm: str
    """Kerberos realm of the cluster."""


def state_machine_name(environment: AwsEnvironment) -> str:
    """Name of the state machine: fixed, so that roles and keys can name its ARN before it exists.

    Raises:
        ConfigurationError: when project and stack make it too long.
    """
    name = f"{environment.project}-{environment.stack}-pipeline"
    if len(name) > _LONGEST_NAME:
        raise ConfigurationError(
            f"stack name {environment.stack!r}: the state machine would be named {name}, which is {len(name)} "
            f"characters; Step Functions allows {_LONGEST_NAME}, so choose a shorter stack name"
        )
    return name


def state_machine_arn(environment: AwsEnvironment) -> str:
    """ARN of the state machine, known before it exists."""
    return environment.arn("states", f"stateMachine:{state_machine_name(environment)}")


def alias_arn(environment: AwsEnvironment) -> str:
    """ARN of the alias, known before it exists."""
    return f"{state_machine_arn(environment)}:{ALIAS}"


def role_statements(
    environment: AwsEnvironment,
    *,
    cluster_parameter_name: str,
    processed_bucket: str,
    ledger_table_arn: str,
    data_key_arn: str,
    messages_key_arn: str,
    topic_arns: list[str],
) -> list[Document]:
    """What an execution may do: exactly the calls of the definition, on exactly what it names."""
    via = "kms:ViaService"
    return [
        statement(
            "RunSteps",
            [
                "elasticmapreduce:AddJobFlowSteps",
                "elasticmapreduce:CancelSteps",
                "elasticmapreduce:DescribeCluster",
                "elasticmapreduce:DescribeStep",
                "elasticmapreduce:ListSteps",
            ],
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
        statement("ReadReports", ["s3:GetObject"], [f"{environment.bucket_arn(processed_bucket)}/{REPORT_PREFIX}*"]),
        statement(
            # Without it S3 answers 403, not 404, for a report that is not there (S3 API reference, GetObject).
            "MissReports",
            ["s3:ListBucket"],
            [environment.bucket_arn(processed_bucket)],
            condition={"StringLike": {"s3:prefix": f"{REPORT_PREFIX}*"}},
        ),
        statement(
            "DecryptReports",
            ["kms:Decrypt"],
            [data_key_arn],
            condition={"StringEquals": {via: f"s3.{environment.region}.{environment.dns_suffix}"}},
        ),
        statement(
            # The entry of the manifest and the history of the dataset, nothing else of the ledger.
            "KeepLedger",
            ["dynamodb:UpdateItem"],
            [ledger_table_arn],
            condition={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["manifest#*"]}},
        ),
        statement(
            "ReadHistory",
            ["dynamodb:GetItem"],
            [ledger_table_arn],
            condition={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["history#*"]}},
        ),
        statement(
            "DecryptLedger",
            ["kms:Decrypt"],
            [data_key_arn],
            condition={"StringEquals": {via: f"dynamodb.{environment.region}.{environment.dns_suffix}"}},
        ),
        statement("Notify", ["sns:Publish"], topic_arns),
        statement(
            "EncryptNotifications",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [messages_key_arn],
            condition={"StringEquals": {via: f"sns.{environment.region}.{environment.dns_suffix}"}},
        ),
        statement(
            # PutMetricData knows no resources (Service authorization reference); the namespace bounds it instead.
            "PublishMetrics",
            ["cloudwatch:PutMetricData"],
            ["*"],
            condition={"StringEquals": {"cloudwatch:namespace": METRIC_NAMESPACE}},
        ),
        statement(
            "EncryptExecutions",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [data_key_arn],
            condition={
                "StringEquals": {"kms:EncryptionContext:aws:states:stateMachineArn": state_machine_arn(environment)}
            },
        ),
        statement(
            # Step Functions guide, "Encrypting your CloudWatch log events": logs of an encrypted state machine.
            "EncryptLogDelivery",
            ["kms:GenerateDataKey"],
            [data_key_arn],
            condition={"StringEquals": {"kms:EncryptionContext:SourceArn": environment.arn("logs", "*")}},
        ),
        statement(
            # None of these supports a resource (Step Functions guide, "Using CloudWatch Logs", IAM policies).
            "DeliverLogs",
            [
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:DescribeLogGroups",
                "logs:DescribeResourcePolicies",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:PutResourcePolicy",
                "logs:UpdateLogDelivery",
            ],
            ["*"],
        ),
        statement(
            # X-Ray's write actions know no resources (Service authorization reference).
            "Trace",
            [
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
                "xray:PutTelemetryRecords",
                "xray:PutTraceSegments",
            ],
            ["*"],
        ),
    ]


class PipelineStateMachine(pulumi.ComponentResource):
    """The state machine with its role, its log group and its alias."""

    state_machine_arn: pulumi.Output[str]
    alias_arn: pulumi.Output[str]
    """What executions are started through; known when it leads to the newest version."""
    state_machine_name: str
    """Known in preview."""
    log_group_name: str
    """Known in preview."""

    def __init__(self, name: str, args: PipelineStateMachineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:state_machine:PipelineStateMachine", name, None, opts)
        environment, settings = args.environment, args.settings
        child = pulumi.ResourceOptions(parent=self)
        self.state_machine_name = state_machine_name(environment)
        # Below this prefix, log delivery needs no resource policy of its own, of which a region allows only ten.
        self.log_group_name = f"/aws/vendedlogs/states/{self.state_machine_name}"

        log_group = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            name=self.log_group_name,
            kms_key_id=args.logs_key_arn,
            retention_in_days=settings.log_retention_days,
            opts=child,
        )

        statements = pulumi.Output.all(
            args.data_key_arn,
            args.messages_key_arn,
            args.success_topic_arn,
            args.warning_topic_arn,
            args.critical_topic_arn,
        ).apply(
            lambda arns: role_statements(
                environment,
                cluster_parameter_name=args.cluster_parameter_name,
                processed_bucket=args.processed.name,
                ledger_table_arn=environment.arn("dynamodb", f"table/{args.ledger_table_name}"),
                data_key_arn=arns[0],
                messages_key_arn=arns[1],
                topic_arns=arns[2:],
            )
        )
        role, _ = create_role(
            f"{name}-role",
            description=f"Executions of {self.state_machine_name}: run steps, read reports, keep the ledger, tell",
            # Executions of a version may come under its own ARN.
            trust=service_trust(environment, "states", source_arn=f"{state_machine_arn(environment)}*"),
            parent=self,
        )
        grant = aws.iam.RolePolicy(
            f"{name}-role-policy",
            role=role.name,
            policy=statements.apply(lambda known: json.dumps(policy_document(known))),
            opts=child,
        )

        definition = pulumi.Output.all(
            success=args.success_topic_arn, warning=args.warning_topic_arn, critical=args.critical_topic_arn
        ).apply(
            lambda topics: json.dumps(
                state_machine_definition(
                    settings,
                    Surroundings(
                        partition=environment.partition,
                        project=environment.project,
                        stack=environment.stack,
                        cluster_parameter_name=args.cluster_parameter_name,
                        scripts_bucket=args.scripts.name,
                        processed_bucket=args.processed.name,
                        ledger_table_name=args.ledger_table_name,
                        success_topic_arn=topics["success"],
                        warning_topic_arn=topics["warning"],
                        critical_topic_arn=topics["critical"],
                        job_uri=args.job.uri,
                        wrapper_uri=args.job.wrapper_uri,
                        region=environment.region,
                        realm=args.realm,
                    ),
                )
            )
        )
        machine = aws.sfn.StateMachine(
            f"{name}-machine",
            name=self.state_machine_name,
            type="STANDARD",
            role_arn=role.arn,
            definition=definition,
            publish=True,
            logging_configuration=aws.sfn.StateMachineLoggingConfigurationArgs(
                level="ALL",
                # Inputs and reports name files, and reasons may quote records: they stay out of the logs.
                include_execution_data=False,
                log_destination=pulumi.Output.concat(log_group.arn, ":*"),
            ),
            tracing_configuration=aws.sfn.StateMachineTracingConfigurationArgs(enabled=True),
            encryption_configuration=aws.sfn.StateMachineEncryptionConfigurationArgs(
                type="CUSTOMER_MANAGED_KMS_KEY",
                kms_key_id=args.data_key_arn,
                kms_data_key_reuse_period_seconds=DATA_KEY_REUSE_SECONDS,
            ),
            # CreateStateMachine checks that the role may deliver logs and use the key; what steps run must be there.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[grant, args.job.object, args.job.wrapper_object]),
        )

        alias = aws.sfn.Alias(
            f"{name}-alias",
            name=ALIAS,
            description="The version that new executions run",
            routing_configurations=[
                aws.sfn.AliasRoutingConfigurationArgs(
                    state_machine_version_arn=machine.state_machine_version_arn, weight=100
                )
            ],
            opts=child,
        )
        self.state_machine_arn = machine.arn
        self.alias_arn = alias.arn
        self.register_outputs(
            {
                "stateMachineArn": self.state_machine_arn,
                "aliasArn": self.alias_arn,
                "stateMachineName": self.state_machine_name,
                "logGroupName": self.log_group_name,
            }
        )
