"""What every Lambda function of the pipeline is: code with a role, an encrypted log group, and a place in the VPC."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.environment import AwsEnvironment
from components.iam import Document, create_role, policy_document, service_trust, statement

RUNTIME = "python3.12"
ARCHITECTURE = "arm64"


@dataclass(frozen=True)
class FunctionPlace:
    """Where functions of a stack run, and under which keys."""

    environment: AwsEnvironment
    subnet_ids: Sequence[pulumi.Input[str]]
    """Private subnets."""
    security_group_id: pulumi.Input[str]
    """Security group of functions."""
    data_key_arn: pulumi.Input[str]
    """Encrypts the functions' environment."""
    logs_key_arn: pulumi.Input[str]
    """Encrypts their log groups."""
    log_retention_days: int


@dataclass(frozen=True)
class FunctionCode:
    """What is called, and with how much of what."""

    function_name: str
    description: str
    purpose: str
    """What its role is for, in that role's description."""
    handler: str
    archive: pulumi.AssetArchive
    variables: Mapping[str, pulumi.Input[str]]
    """Its environment; nothing secret."""
    statements: pulumi.Output[list[Document]]
    """All that its role may do, `runtime_statements` included."""
    dead_letter_arn: pulumi.Input[str]
    """Where calls by event rules go that failed: a queue or a topic."""
    timeout_seconds: int
    memory_megabytes: int
    reserved_concurrency: int | None = None


def log_group_name(function_name: str) -> str:
    """Log group of a function."""
    return f"/aws/lambda/{function_name}"


def runtime_statements(environment: AwsEnvironment, function_name: str, data_key_arn: str) -> list[Document]:
    """What Lambda does with the role of any of our functions: environment, logs, traces, network interfaces."""
    interfaces = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:UnassignPrivateIpAddresses",
    ]
    lookups = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    return [
        statement("ReadOwnEnvironment", ["kms:Decrypt"], [data_key_arn], condition=environment.through("lambda")),
        statement(
            "WriteLogs",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [environment.arn("logs", f"log-group:{log_group_name(function_name)}:*")],
        ),
        # X-Ray's write actions know no resources (Service authorization reference).
        statement("Trace", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"]),
        # Lambda makes the function's network interfaces with this role. Which interface it will be is unknown, and
        # the Describe actions know no resources (Lambda guide, "Giving Lambda functions access to resources in a VPC").
        statement(
            "MakeInterfaces",
            interfaces,
            [environment.arn("ec2", f"{kind}/*") for kind in ("network-interface", "security-group", "subnet")],
        ),
        statement("FindInterfaces", lookups, ["*"]),
        # The same page: these are for Lambda, not for the function's own code.
        statement(
            "LeaveInterfaces",
            [*interfaces, *lookups],
            ["*"],
            effect="Deny",
            condition={
                "ArnEquals": {"lambda:SourceFunctionArn": environment.arn("lambda", f"function:{function_name}")}
            },
        ),
    ]


def create_function(
    name: str,
    code: FunctionCode,
    place: FunctionPlace,
    *,
    parent: pulumi.Resource,
    wait_for: Sequence[pulumi.Resource] = (),
) -> tuple[aws.lambda_.Function, aws.iam.RolePolicy]:
    """The function with its role and log group, and the policy that it needs.

    Args:
        name: First part of the resources' names.
        code: What is called.
        place: Where.
        parent: The component that it belongs to.
        wait_for: What must be there before its first call, beside its own policy and log group.
    """
    child = pulumi.ResourceOptions(parent=parent)
    log_group = aws.cloudwatch.LogGroup(
        f"{name}-logs",
        name=log_group_name(code.function_name),
        kms_key_id=place.logs_key_arn,
        retention_in_days=place.log_retention_days,
        opts=child,
    )
    role, _ = create_role(
        f"{name}-role",
        description=f"Function {code.function_name}: {code.purpose}",
        # The Lambda guide ("Defining Lambda function permissions with an execution role") has no source condition.
        trust=service_trust(place.environment, "lambda", source_account=False),
        parent=parent,
    )
    grant = aws.iam.RolePolicy(
        f"{name}-role-policy",
        role=role.name,
        policy=code.statements.apply(lambda entries: json.dumps(policy_document(entries))),
        opts=child,
    )
    function = aws.lambda_.Function(
        f"{name}-function",
        name=code.function_name,
        description=code.description,
        role=role.arn,
        runtime=RUNTIME,
        architectures=[ARCHITECTURE],
        handler=code.handler,
        code=code.archive,
        dead_letter_config=aws.lambda_.FunctionDeadLetterConfigArgs(target_arn=code.dead_letter_arn),
        reserved_concurrent_executions=code.reserved_concurrency,
        timeout=code.timeout_seconds,
        memory_size=code.memory_megabytes,
        # Nothing here is secret; the key is the stack's own so that its use can be withdrawn with the rest.
        environment=aws.lambda_.FunctionEnvironmentArgs(variables=dict(code.variables)),
        kms_key_arn=place.data_key_arn,
        vpc_config=aws.lambda_.FunctionVpcConfigArgs(
            subnet_ids=list(place.subnet_ids), security_group_ids=[place.security_group_id]
        ),
        tracing_config=aws.lambda_.FunctionTracingConfigArgs(mode="Active"),
        logging_config=aws.lambda_.FunctionLoggingConfigArgs(
            log_format="JSON",
            log_group=log_group.name,
            application_log_level="INFO",
            system_log_level="WARN",
        ),
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[grant, log_group, *wait_for]),
    )
    return function, grant


@dataclass(frozen=True)
class Occasion:
    """An event rule on which a function is called: by a schedule or by a pattern of events."""

    rule_name: str
    description: str
    target_id: str
    """Name of the target in its rule."""
    dead_letter_arn: pulumi.Input[str]
    """Where a call goes that could not be made."""
    schedule_expression: str | None = None
    event_pattern: pulumi.Input[str] | None = None
    input: str | None = None
    """What the function gets in the place of the event, as JSON."""
    retry_policy: aws.cloudwatch.EventTargetRetryPolicyArgs | None = None
    """EventBridge's own when left out: 24 hours and 185 tries."""


def call_on(
    name: str,
    occasion: Occasion,
    function: aws.lambda_.Function,
    environment: AwsEnvironment,
    *,
    parent: pulumi.Resource,
    wait_for: Sequence[pulumi.Resource] = (),
) -> aws.cloudwatch.EventTarget:
    """A rule that calls a function, which lets exactly that rule do it.

    Args:
        name: First part of the resources' names.
        occasion: When, and with what.
        function: What is called.
        environment: Where it stands.
        parent: The component that it belongs to.
        wait_for: What must be there before its first call, beside the permission.
    """
    child = pulumi.ResourceOptions(parent=parent)
    rule = aws.cloudwatch.EventRule(
        f"{name}-rule",
        name=occasion.rule_name,
        description=occasion.description,
        schedule_expression=occasion.schedule_expression,
        event_pattern=occasion.event_pattern,
        state="ENABLED",
        opts=child,
    )
    permission = aws.lambda_.Permission(
        f"{name}-permission",
        action="lambda:InvokeFunction",
        function=function.name,
        principal=environment.service_principal("events"),
        source_arn=rule.arn,
        source_account=environment.account_id,
        opts=child,
    )
    return aws.cloudwatch.EventTarget(
        f"{name}-target",
        rule=rule.name,
        target_id=occasion.target_id,
        arn=function.arn,
        input=occasion.input,
        dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=occasion.dead_letter_arn),
        retry_policy=occasion.retry_policy,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[permission, *wait_for]),
    )
