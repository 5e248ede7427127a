"""Rules of functions and state machines: nobody else calls them, and they say what they do."""

from __future__ import annotations

import re
from typing import Final

from policies.iam_documents import parse_arn
from policies.keys import own_key
from policies.model import Family, Findings, Resource, Setting, Settings, Severity, Stack, undecided, violation
from policies.plain import UNKNOWN, at, listed, switch, text

family = Family("Functions and state machines")

FUNCTION: Final = "aws:lambda/function:Function"
PERMISSION: Final = "aws:lambda/permission:Permission"
LAYER_PERMISSION: Final = "aws:lambda/layerVersionPermission:LayerVersionPermission"
FUNCTION_URL: Final = "aws:lambda/functionUrl:FunctionUrl"
INVOKE_CONFIG: Final = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
EVENT_SOURCE_MAPPING: Final = "aws:lambda/eventSourceMapping:EventSourceMapping"
STATE_MACHINE: Final = "aws:sfn/stateMachine:StateMachine"
ACTIVITY: Final = "aws:sfn/activity:Activity"

_LAMBDA: Final = "Lambda developer guide: "
_STATES: Final = "Step Functions developer guide: "


@family.resource_rule(
    "LAM-01",
    "lambda-permission-bounded",
    "Functions are called by somebody in particular",
    Severity.CRITICAL,
    (PERMISSION, LAYER_PERMISSION),
    fix="Name the principal; for a service, the sourceArn and the sourceAccount that it may call for.",
    source=_LAMBDA + "Using resource-based policies for Lambda",
    frameworks=(
        "checkov CKV_AWS_301",
        "checkov CKV_AWS_364",
        "trivy AVD-AWS-0067",
        "cdk-nag HIPAA.Security-LambdaFunctionPublicAccessProhibited",
        "Security Hub Lambda.1",
    ),
)
def lambda_permission_bounded(resource: Resource, settings: Settings) -> Findings:
    """A service calls for whoever asks it to, unless the permission says for whom."""
    principal = resource.text("principal")
    if principal is UNKNOWN:
        yield undecided("principal")
        return
    if resource.type == LAYER_PERMISSION:
        organisation, account, source = resource.text("organizationId"), None, None
    else:
        organisation = resource.text("principalOrgId")
        account, source = resource.text("sourceAccount"), resource.text("sourceArn")
    arn = parse_arn(source) if isinstance(source, str) else None
    bound_arn = arn is not None and (
        bool(re.fullmatch(r"\d{12}", arn.account)) or (arn.service == "s3" and not set("*?") & set(arn.resource))
    )
    bound = isinstance(organisation, str) or (isinstance(account, str) and "*" not in account) or bound_arn
    if bound:
        return
    maybe = UNKNOWN in (organisation, account, source)
    named = str(principal or "")
    if "*" in named:
        what = "lets anybody call the function"
    elif re.fullmatch(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?", named):
        what = f"lets {named} call the function for anybody"
    else:
        return
    yield (
        undecided("principal", f"{what}, unless what is not known yet binds it")
        if maybe
        else violation("principal", what)
    )


@family.resource_rule(
    "LAM-08",
    "bucket-calls-for-its-account",
    "A bucket that calls a function is the owner's own",
    Severity.MEDIUM,
    (PERMISSION,),
    fix="Set sourceAccount to the account that owns the bucket.",
    source=_LAMBDA + "Using resource-based policies for Lambda; Security Hub Lambda.1: a bucket's ARN names no account",
    frameworks=("Security Hub Lambda.1",),
)
def bucket_calls_for_its_account(resource: Resource, settings: Settings) -> Findings:
    """The name of a bucket that was deleted is free for anybody."""
    if resource.text("principal") != "s3.amazonaws.com" or resource.text("principalOrgId") is not None:
        return
    if resource.text("sourceArn") is not None and resource.text("sourceAccount") is None:
        yield violation("sourceAccount", "is absent, and the ARN of a bucket names no account")


@family.resource_rule(
    "LAM-02",
    "lambda-url-auth",
    "Addresses of functions ask who is calling",
    Severity.CRITICAL,
    (FUNCTION_URL,),
    fix="Set authorizationType to AWS_IAM, or leave the address out.",
    source=_LAMBDA + "Control access to Lambda function URLs",
    frameworks=("checkov CKV_AWS_258",),
    remedy={FUNCTION_URL: {"authorizationType": "AWS_IAM"}},
)
def lambda_url_auth(resource: Resource, settings: Settings) -> Findings:
    """NONE is the whole internet."""
    kind = resource.text("authorizationType")
    if kind is UNKNOWN:
        yield undecided("authorizationType")
    elif kind != "AWS_IAM":
        yield violation("authorizationType", "is not AWS_IAM, so anybody on the internet can call the function")


@family.resource_rule(
    "LAM-03",
    "lambda-tracing",
    "Functions are traced",
    Severity.LOW,
    (FUNCTION,),
    fix="Set tracingConfig.mode to Active.",
    source=_LAMBDA + "Visualize Lambda function invocations using AWS X-Ray",
    frameworks=("checkov CKV_AWS_50", "trivy AVD-AWS-0066", "cdk-nag Serverless-LambdaTracing"),
    remedy={FUNCTION: {"tracingConfig.mode": "Active"}},
)
def lambda_tracing(resource: Resource, settings: Settings) -> Findings:
    """PassThrough traces only what somebody else began to trace."""
    mode = text(at(resource.value("tracingConfig"), "mode"))
    if mode is UNKNOWN:
        yield undecided("tracingConfig.mode")
    elif mode != "Active":
        yield violation("tracingConfig.mode", "is not Active")


@family.resource_rule(
    "LAM-04",
    "lambda-in-vpc",
    "Functions run in the private network",
    Severity.MEDIUM,
    (FUNCTION,),
    fix="Give vpcConfig the private subnetIds and securityGroupIds.",
    source=_LAMBDA + "Giving Lambda functions access to resources in an Amazon VPC",
    frameworks=("checkov CKV_AWS_117", "cdk-nag HIPAA.Security-LambdaInsideVPC", "Security Hub Lambda.3"),
)
def lambda_in_vpc(resource: Resource, settings: Settings) -> Findings:
    """Outside it a function may reach any address on the internet."""
    for name in ("subnetIds", "securityGroupIds"):
        found = at(resource.value("vpcConfig"), name)
        if found is UNKNOWN:
            yield undecided(f"vpcConfig.{name}")
        elif not any(text(value) is not None for value in listed(found)):
            yield violation(f"vpcConfig.{name}", "is absent or empty, so the function runs outside the network")


@family.stack_rule(
    "LAM-05",
    "lambda-dead-letters",
    "What a function could not do is kept",
    Severity.MEDIUM,
    (FUNCTION,),
    fix="Set deadLetterConfig.targetArn, or add a FunctionEventInvokeConfig with an onFailure destination.",
    source=_LAMBDA + "Capturing records of Lambda asynchronous invocations",
    frameworks=(
        "checkov CKV_AWS_116",
        "cdk-nag HIPAA.Security-LambdaDLQ",
        "cdk-nag Serverless-LambdaAsyncFailureDestination",
    ),
)
def lambda_dead_letters(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """A function that only a queue calls needs none: the queue keeps what failed."""
    target = text(at(resource.value("deadLetterConfig"), "targetArn"))
    if target is not None:
        return
    configs, possible_configs = stack.referring(resource, "functionName", INVOKE_CONFIG)
    if any(text(at(c.value("destinationConfig"), "onFailure", "destination")) is not None for c in configs):
        return
    mappings, _ = stack.referring(resource, "functionName", EVENT_SOURCE_MAPPING)
    callers, possible_callers = stack.referring(resource, "function", PERMISSION)
    if mappings and not callers and not possible_callers:
        return
    if possible_configs or (mappings and not callers):
        yield undecided("deadLetterConfig", "is absent; whether the function needs it is not known yet")
    else:
        yield violation("deadLetterConfig", "is absent, so events that failed are lost")


_MINIMUM_RUNTIMES: Final = {"python": "3.10", "nodejs": "20", "java": "8.2", "ruby": "3.3", "dotnet": "8"}


@family.resource_rule(
    "LAM-06",
    "lambda-runtime",
    "Functions run on a runtime that AWS still mends",
    Severity.MEDIUM,
    (FUNCTION,),
    fix="Set runtime to a later version.",
    source=_LAMBDA + "Lambda runtimes: deprecated runtimes",
    frameworks=("checkov CKV_AWS_363", "cdk-nag AwsSolutions-L1", "Security Hub Lambda.2"),
    settings={
        "minimum": Setting(
            {"type": "object", "additionalProperties": {"type": "string"}},
            _MINIMUM_RUNTIMES,
            "The oldest version of each language that is allowed; languages that are absent are not allowed.",
        )
    },
)
def lambda_runtime(resource: Resource, settings: Settings) -> Findings:
    """Compared number by number. Images bring their own, and provided.* is the operating system alone."""
    runtime = resource.text("runtime")
    if runtime is UNKNOWN:
        yield undecided("runtime")
        return
    match = re.fullmatch(r"([a-z]+)([\d.]*)(?:[.x].*)?", str(runtime or ""))
    if runtime is None or runtime in ("provided.al2", "provided.al2023"):
        return
    language, version = (match.group(1), match.group(2)) if match else ("", "")
    version += ".2" if str(runtime).endswith(".al2") else ""  # java8.al2 is mended still, java8 is not.
    least = settings["minimum"].get(language)
    if least is None or _version(version) < _version(str(least)):
        yield violation("runtime", "is one that AWS no longer mends, or that the rule's settings do not allow")


def _version(written: str) -> tuple[int, ...]:
    return tuple(int(part) for part in written.split(".") if part.isdigit())


@family.resource_rule(
    "LAM-07",
    "function-environment-key",
    "Environment variables of functions are encrypted with a key of the stack's own",
    Severity.MEDIUM,
    (FUNCTION,),
    fix="Set kmsKeyArn to the ARN of the stack's key.",
    source=_LAMBDA + "Securing Lambda environment variables",
    frameworks=("checkov CKV_AWS_173",),
)
def function_environment_key(resource: Resource, settings: Settings) -> Findings:
    """A function without variables has nothing to encrypt."""
    variables = at(resource.value("environment"), "variables")
    if variables is None or variables == {}:
        return
    finding = own_key("kmsKeyArn", resource.value("kmsKeyArn"), "environment variables")
    if finding:
        yield undecided("environment") if variables is UNKNOWN else finding


@family.resource_rule(
    "SFN-01",
    "sfn-logging",
    "State machines log what they do",
    Severity.HIGH,
    (STATE_MACHINE,),
    fix="Set loggingConfiguration.level to ALL or ERROR, and logDestination to a log group's ARN with :* after it.",
    source=_STATES + "Using CloudWatch Logs to log execution history",
    frameworks=("checkov CKV_AWS_285", "cdk-nag AwsSolutions-SF1", "Security Hub StepFunctions.1"),
)
def sfn_logging(resource: Resource, settings: Settings) -> Findings:
    """A level without a destination logs nothing, and so does a destination at level OFF."""
    logging = resource.value("loggingConfiguration")
    level = text(at(logging, "level"))
    destination = text(at(logging, "logDestination"))
    if level is UNKNOWN:
        yield undecided("loggingConfiguration.level")
    elif str(level).upper() not in {"ALL", "ERROR", "FATAL"}:
        yield violation("loggingConfiguration.level", "is absent or OFF")
    if destination is None:
        yield violation("loggingConfiguration.logDestination", "is absent, so there is nowhere to log to")


@family.resource_rule(
    "SFN-03",
    "sfn-key",
    "What state machines are told and do is encrypted with a key of the stack's own",
    Severity.MEDIUM,
    (STATE_MACHINE, ACTIVITY),
    fix="Set encryptionConfiguration: type CUSTOMER_MANAGED_KMS_KEY, and kmsKeyId the stack's key.",
    source=_STATES + "Data at rest encryption in Step Functions",
    enabled=False,
)
def sfn_key(resource: Resource, settings: Settings) -> Findings:
    """Inputs and outputs name data, and may hold it."""
    kind = text(at(resource.value("encryptionConfiguration"), "type"))
    if kind is UNKNOWN:
        yield undecided("encryptionConfiguration.type")
    elif kind != "CUSTOMER_MANAGED_KMS_KEY":
        yield violation("encryptionConfiguration.type", "is not CUSTOMER_MANAGED_KMS_KEY")
    else:
        finding = own_key(
            "encryptionConfiguration.kmsKeyId", at(resource.value("encryptionConfiguration"), "kmsKeyId"), "executions"
        )
        if finding:
            yield finding


@family.resource_rule(
    "SFN-02",
    "sfn-tracing",
    "State machines are traced",
    Severity.MEDIUM,
    (STATE_MACHINE,),
    fix="Set tracingConfiguration.enabled to true.",
    source=_STATES + "Trace Step Functions request data in AWS X-Ray",
    frameworks=("checkov CKV_AWS_284", "cdk-nag AwsSolutions-SF2"),
    remedy={STATE_MACHINE: {"tracingConfiguration.enabled": True}},
)
def sfn_tracing(resource: Resource, settings: Settings) -> Findings:
    """A trace shows which service an execution waited for."""
    enabled = switch(at(resource.value("tracingConfiguration"), "enabled"))
    if enabled is UNKNOWN:
        yield undecided("tracingConfiguration.enabled")
    elif enabled is not True:
        yield violation("tracingConfiguration.enabled", "is not true")
