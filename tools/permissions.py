"""What a deployer may do: the IAM policy, made from the resource types that the program uses.

    python -m tools.permissions                       # print it, with placeholders
    python -m tools.permissions --stack dev --check   # what the current identity lacks of it

Each action is bound to what it acts on: by name where names are known before, by the stack's tags where a change or a
deletion of something that has only an id would hurt most, by region else. Each resource type's API calls are read from
the sandbox's table of types, whose entries make the calls; what cannot be read there stands in `PROVIDER_READS`.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, cast

import boto3
import botocore.exceptions
import botocore.session
from botocore import xform_name

from components import emr_online
from components.bucket_documents import bucket_name
from components.catalog import database_name
from components.environment import AwsEnvironment
from policies.action_table import knows_no_resource
from sandbox.providers.services import MODULES
from sandbox.providers.table import Function, ResourceType
from tools.recorded import UnknownStack, read, record

FILE = Path(__file__).resolve().parent.parent / "bootstrap" / "deployer-policy.json"
STACKS = ("dev", "prod")
"""Stacks whose resource types the policy covers."""

ACTIONS: Mapping[str, tuple[str, ...]] = {
    # Budgets has one action to look and one to change (Service authorization reference).
    "budgets:CreateBudget": ("budgets:ModifyBudget",),
    "budgets:UpdateBudget": ("budgets:ModifyBudget",),
    "budgets:DeleteBudget": ("budgets:ModifyBudget",),
    "budgets:CreateNotification": ("budgets:ModifyBudget",),
    "budgets:DeleteNotification": ("budgets:ModifyBudget",),
    "budgets:DescribeBudget": ("budgets:ViewBudget",),
    # S3's actions are called otherwise than its operations (Service Authorization Reference, "Amazon S3").
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:DeleteObjects": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:PutBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3:DeleteBucketEncryption": ("s3:PutEncryptionConfiguration",),
    "s3:GetBucketLifecycleConfiguration": ("s3:GetLifecycleConfiguration",),
    "s3:PutBucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration",),
    "s3:DeleteBucketLifecycle": ("s3:PutLifecycleConfiguration",),
    "s3:GetBucketNotificationConfiguration": ("s3:GetBucketNotification",),
    "s3:PutBucketNotificationConfiguration": ("s3:PutBucketNotification",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3:PutPublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3:DeletePublicAccessBlock": ("s3:PutBucketPublicAccessBlock",),
    "s3:DeleteBucketOwnershipControls": ("s3:PutBucketOwnershipControls",),
    "s3:DeleteBucketTagging": ("s3:PutBucketTagging",),
    "s3:GetObjectLockConfiguration": ("s3:GetBucketObjectLockConfiguration",),
    "s3:PutObjectLockConfiguration": ("s3:PutBucketObjectLockConfiguration",),
}
"""IAM actions of operations whose names differ."""

PROVIDER_READS: tuple[str, ...] = (
    # terraform-provider-aws, internal/service/s3/bucket.go: a bucket is read with all its old in-line settings.
    *(f"s3:Get{what}" for what in ("AccelerateConfiguration", "BucketAcl", "BucketCORS", "BucketRequestPayment")),
    *(f"s3:Get{what}" for what in ("BucketWebsite", "ReplicationConfiguration", "BucketObjectLockConfiguration")),
    "s3:GetBucketLocation",
    # The engine's own look at who it is, and the lookups of the program.
    "sts:GetCallerIdentity",
    "ec2:DescribeAvailabilityZones",
    # internal/service/ec2/vpc_.go and lambda/function.go.
    "ec2:DescribeVpcAttribute",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeNetworkInterfaces",
    "lambda:GetFunctionCodeSigningConfig",
    "lambda:ListVersionsByFunction",
    # sandbox/providers/services/ec2.py chooses these by direction.
    *(f"ec2:{verb}SecurityGroup{way}" for verb in ("Authorize", "Revoke") for way in ("Ingress", "Egress")),
    "ec2:DisassociateAddress",
    # Using the stack's own keys: objects, secrets, messages and logs that the deployer writes through services
    # (KMS developer guide, "Permissions for AWS services in key policies"); EMR and Lambda take grants.
    *("kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:CreateGrant"),
    # Step Functions developer guide, "Logging using CloudWatch Logs": who makes a state machine that logs.
    *(f"logs:{verb}" for verb in ("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery")),
    *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies"),
    # The first EMR cluster and scaling policy of an account make their service-linked roles.
    "iam:CreateServiceLinkedRole",
    # Checks before a deployment (tools/permissions.py, tools/quotas.py).
    "iam:SimulatePrincipalPolicy",
    *("servicequotas:GetServiceQuota", "servicequotas:GetAWSDefaultServiceQuota", "ec2:DescribeInstances"),
    *("ec2:DescribeInstanceTypes", "elasticmapreduce:DescribeReleaseLabel"),
    *emr_online.PERMISSIONS,
    # What hooks call before the intake and the cluster end (components/intake_end.py, components/cluster_end.py).
    *("lambda:ListEventSourceMappings", "events:DisableRule", "events:EnableRule", "states:ListExecutions"),
    "elasticmapreduce:ListSteps",
)
"""What the official provider and the project's own checks call beside what the table shows."""

PASSED_TO = (
    *("elasticmapreduce.amazonaws.com", "ec2.amazonaws.com", "lambda.amazonaws.com", "states.amazonaws.com"),
    *("events.amazonaws.com", "vpc-flow-logs.amazonaws.com", "application-autoscaling.amazonaws.com"),
    "scheduler.amazonaws.com",
)
"""Services that roles of the stack are handed to."""

_GLOBAL = ("iam", "sts", "budgets")
"""Services whose calls do not carry the stack's region."""

_NAME = "emr-pipeline-STACK"
_HERE = "REGION:ACCOUNT"
NAMED: Mapping[str, tuple[str, ...]] = {
    "budgets": (f"arn:PARTITION:budgets::ACCOUNT:budget/{_NAME}*",),
    "cloudwatch": (
        f"arn:PARTITION:cloudwatch:{_HERE}:alarm:{_NAME}-*",
        f"arn:PARTITION:cloudwatch::ACCOUNT:dashboard/{_NAME}-*",
    ),
    "dynamodb": (f"arn:PARTITION:dynamodb:{_HERE}:table/{_NAME}-*",),
    "events": (f"arn:PARTITION:events:{_HERE}:rule/{_NAME}-*",),
    "glue": tuple(
        f"arn:PARTITION:glue:{_HERE}:{resource}"
        for resource in ("catalog", "database/DATABASE", "table/DATABASE/*", "userDefinedFunction/DATABASE/*")
    ),
    "lambda": (
        f"arn:PARTITION:lambda:{_HERE}:function:{_NAME}-*",
        f"arn:PARTITION:lambda:{_HERE}:event-source-mapping:*",
    ),
    "s3": ("arn:PARTITION:s3:::BUCKETS-*", "arn:PARTITION:s3:::BUCKETS-*/*"),
    # The cluster's own, and those whose names the configuration gives (a realm's or a KDC's password).
    "secretsmanager": (f"arn:PARTITION:secretsmanager:{_HERE}:secret:emr-pipeline*",),
    "sns": (f"arn:PARTITION:sns:{_HERE}:{_NAME}-*",),
    "sqs": (f"arn:PARTITION:sqs:{_HERE}:{_NAME}-*",),
    "ssm": (f"arn:PARTITION:ssm:{_HERE}:parameter/emr-pipeline/STACK/*",),
    "states": (f"arn:PARTITION:states:{_HERE}:stateMachine:{_NAME}-*",),
    # By ids of their own, which nobody knows before: bound to account and region.
    "elasticmapreduce": (f"arn:PARTITION:elasticmapreduce:{_HERE}:cluster/*",),
    "kms": (f"arn:PARTITION:kms:{_HERE}:key/*", f"arn:PARTITION:kms:{_HERE}:alias/{_NAME}-*"),
    "servicequotas": (f"arn:PARTITION:servicequotas:{_HERE}:*",),
}
"""What the actions of a service may act on; roles, log groups and secrets come beside it, by the program's names."""

UNBOUND = ("cloudwatch:DescribeAlarms", "cloudwatch:PutCompositeAlarm", "cloudwatch:DeleteAlarms")
"""Actions that know resources, and fail for composite alarms when they are bound to any (CloudWatch API reference)."""

GUARDED: Mapping[str, tuple[str, ...]] = {
    "ec2": (
        *(f"Delete{what}" for what in ("FlowLogs", "InternetGateway", "NatGateway", "Route", "RouteTable")),
        *(f"Delete{what}" for what in ("SecurityGroup", "Subnet", "Vpc", "VpcEndpoints")),
        *("DetachInternetGateway", "ReleaseAddress"),
    ),
    "elasticmapreduce": ("SetTerminationProtection", "TerminateJobFlows"),
    "kms": ("DisableKey", "DisableKeyRotation", "PutKeyPolicy", "ScheduleKeyDeletion"),
}
"""Changes and deletions of things that have only ids: allowed where the stack's tags are on them. It keeps a deployment
from another stack's things; who may tag could get round it."""

_TAGGED = {"aws:ResourceTag/Project": "emr-pipeline", "aws:ResourceTag/Environment": "STACK"}


@cache
def _operations(service: str) -> dict[str, str]:
    """Operation names of a service by boto3's method name."""
    names: list[str] = list(cast(Any, botocore.session.get_session().get_service_model(service)).operation_names)
    return {xform_name(name): name for name in names}


@cache
def _prefix(service: str) -> str:
    """Prefix of a service's IAM actions."""
    signing_name = str(botocore.session.get_session().get_service_model(service).signing_name)
    return {"monitoring": "cloudwatch"}.get(signing_name, signing_name)


def _functions_of(entry: ResourceType | Function) -> Iterable[Callable[..., Any]]:
    if isinstance(entry, Function):
        return [entry.call]
    tagging = [entry.tagging.add, entry.tagging.remove] if entry.tagging is not None else []
    return [found for found in (entry.create, entry.read, entry.update, entry.delete, *tagging) if found is not None]


def _reached(functions: Iterable[Callable[..., Any]]) -> list[FunctionType]:
    """Functions of the sandbox's table that these reach, closures and helpers included."""
    waiting: list[Any] = list(functions)
    found: list[FunctionType] = []
    while waiting:
        function = waiting.pop()
        if not isinstance(function, FunctionType):
            waiting.extend(value for value in getattr(function, "__dict__", {}).values() if callable(value))
            continue
        if function in found or not function.__module__.startswith("sandbox.providers.services"):
            continue
        found.append(function)
        waiting.extend(function.__globals__.get(name) for name in _names(function.__code__))
        waiting.extend(cell.cell_contents for cell in function.__closure__ or ())
    return found


def _names(code: Any) -> set[str]:
    inner = [constant for constant in code.co_consts if hasattr(constant, "co_names")]
    return set(code.co_names).union(*map(_names, inner))


def _calls(functions: Iterable[FunctionType]) -> set[tuple[str, str]]:
    """Service and operation of each API call in the functions' text."""
    services: set[str] = set()
    methods: set[str] = set()
    for function in functions:
        text = textwrap.dedent(inspect.getsource(function))
        try:
            tree = ast.parse(text)
        except SyntaxError:  # a lambda in the middle of an expression: read what stands inside its brackets
            tree = ast.parse("(" + text[text.index("lambda") :].rstrip().rstrip(",") + ")")
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "client":
                services |= {str(a.value) for a in node.args if isinstance(a, ast.Constant)}
            if isinstance(node, ast.Attribute):
                methods.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                methods.add(node.value)  # get_paginator("describe_…"), getattr(client, "…")
    return {(s, _operations(s)[m]) for s in services for m in methods if m in _operations(s)}


@cache
def actions_of(token: str) -> frozenset[str]:
    """IAM actions that the life of a resource type takes.

    Raises:
        LookupError: when the sandbox's table has no such type.
    """
    entries = [e for m in MODULES for e in (*getattr(m, "TYPES", ()), *getattr(m, "FUNCTIONS", ())) if e.token == token]
    if not entries:
        raise LookupError(f"the sandbox's table has no type {token}: add it in sandbox/providers/services")
    calls = _calls(_reached(_functions_of(entries[0])))
    found: set[str] = set()
    for service, operation in calls:
        action = f"{_prefix(service)}:{operation}"
        found.update(ACTIONS.get(action, (action,)))
    return frozenset(found)


def actions() -> list[str]:
    """Every action that deploying any of the stacks takes."""
    tokens = {resource.type for stack in STACKS for resource in record(stack).resources}
    found = {action for token in tokens if token.startswith("aws:") for action in actions_of(token)}
    return sorted((found | set(PROVIDER_READS)) - {"iam:PassRole"})


def _own_names() -> dict[str, list[str]]:
    """Patterns of what the program names by itself: roles, instance profiles, secrets, log groups."""
    found: dict[str, set[str]] = {"iam": set(), "secretsmanager": set(), "logs": set()}
    for stack in STACKS:
        for resource in record(stack).resources:
            if resource.type == "aws:iam/role:Role":  # an instance profile bears its role's name
                found["iam"] |= {
                    f"arn:PARTITION:iam::ACCOUNT:{k}/{resource.name}-*" for k in ("role", "instance-profile")
                }
            elif resource.type == "aws:secretsmanager/secret:Secret":
                found["secretsmanager"].add(f"arn:PARTITION:secretsmanager:{_HERE}:secret:{resource.name}-*")
            elif resource.type == "aws:cloudwatch/logGroup:LogGroup":
                name = re.sub(rf"(?<=[/-]){stack}(?=[/-])", "STACK", str(resource.inputs["name"]))
                found["logs"].add(f"arn:PARTITION:logs:{_HERE}:log-group:{name}*")
    return {service: sorted(names) for service, names in found.items()}


def _attached() -> list[str]:
    """Policies of AWS's that the program attaches to roles."""
    attached = {r.inputs["policyArn"] for stack in STACKS for r in record(stack).all(_ATTACHMENT)}
    return sorted(str(arn).replace("arn:aws:", "arn:PARTITION:") for arn in attached)


_ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
_ROLE_ATTACHES = ("iam:AttachRolePolicy", "iam:DetachRolePolicy")


def policy() -> dict[str, Any]:
    """The policy: each action by name, on what the stack's own names, tags or region say."""
    own = _own_names()
    roles = [name for name in own["iam"] if ":role/" in name]
    named: dict[str, list[str]] = {}
    guarded: list[str] = []
    everywhere: dict[bool, list[str]] = {True: [], False: []}
    special = {"iam:SimulatePrincipalPolicy", "iam:CreateServiceLinkedRole", *_ROLE_ATTACHES}
    for action in actions():
        service, verb = action.split(":")
        if action in special:
            continue
        if verb in GUARDED.get(service, ()):
            guarded.append(action)
        elif knows_no_resource(action) or action in UNBOUND or service in ("ec2", "sts"):
            # EC2's creations name ids of things that are only made, several at once: they are bound to the region.
            everywhere[service in _GLOBAL].append(action)
        else:
            named.setdefault(service, []).append(action)

    def statement(sid: str, actions: Sequence[str], resource: Any, condition: dict[str, Any] | None = None) -> Any:
        given = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
        return {**given, "Condition": condition} if condition else given

    return {
        "Version": "2012-10-17",
        "Statement": [
            statement("InRegion", everywhere[False], "*", {"StringEquals": {"aws:RequestedRegion": "REGION"}}),
            statement("WithoutRegion", everywhere[True], "*"),
            *(
                statement(f"Own{service.title()}", verbs, [*NAMED.get(service, ()), *own.get(service, ())])
                for service, verbs in named.items()
            ),
            statement(
                "OwnByTag",
                guarded,
                "*",
                {"StringEquals": {"aws:RequestedRegion": "REGION", **_TAGGED}},
            ),
            statement("AttachKnownPolicies", _ROLE_ATTACHES, roles, {"ArnEquals": {"iam:PolicyARN": _attached()}}),
            # The first EMR cluster and scaling policy of an account make their service-linked roles.
            statement(
                "ServiceLinkedRoles",
                ["iam:CreateServiceLinkedRole"],
                "arn:PARTITION:iam::ACCOUNT:role/aws-service-role/*",
                {"StringLike": {"iam:AWSServiceName": list(SERVICE_LINKED)}},
            ),
            statement(
                "WhatAmIAllowed",
                ["iam:SimulatePrincipalPolicy"],
                ["arn:PARTITION:iam::ACCOUNT:role/*", "arn:PARTITION:iam::ACCOUNT:user/*"],
            ),
            statement(
                "HandRolesToServices",
                ["iam:PassRole"],
                roles,
                {"StringEquals": {"iam:PassedToService": list(PASSED_TO)}},
            ),
        ],
    }


SERVICE_LINKED = ("elasticmapreduce.amazonaws.com", "spot.amazonaws.com")
"""Services whose roles the first use of them makes (EMR and EC2 guides, "service-linked roles")."""


def render() -> str:
    """`bootstrap/deployer-policy.json`, with placeholders; see `fill`."""
    return json.dumps(policy(), indent=2) + "\n"


def fill(text: str, *, stack: str, region: str, account: str, partition: str = "aws") -> dict[str, Any]:
    """The policy of a stack in an account: the placeholders of its text replaced."""
    environment = AwsEnvironment("emr-pipeline", stack, partition, "", region, account, ())
    buckets = bucket_name(environment, "raw").removesuffix(f"-raw-{account}-{region}")
    given = {
        "DATABASE": database_name(environment),
        "BUCKETS": buckets,
        "PARTITION": partition,
        "REGION": region,
        "ACCOUNT": account,
        "STACK": stack,
    }
    return json.loads(re.sub(r"\b(?:" + "|".join(given) + r")\b", lambda found: given[found[0]], text))


def _asked(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A statement as IAM's simulation asks: an example of each resource, and the conditions' values as the context."""
    resources = statement["Resource"]
    examples = [text.replace("*", "example") for text in ([resources] if isinstance(resources, str) else resources)]
    context = [
        {
            "ContextKeyName": key,
            "ContextKeyType": "string",
            "ContextKeyValues": [values if isinstance(values, str) else values[0]],
        }
        for keys in statement.get("Condition", {}).values()
        for key, values in keys.items()
    ]
    asked: dict[str, Any] = {"ContextEntries": context}
    return asked if resources == "*" else {**asked, "ResourceArns": examples}


def lacking(iam: Any, identity: str, document: Mapping[str, Any]) -> list[str]:
    """Actions of a policy that an identity is not allowed, by IAM's own simulation, on an example of their resources.

    Raises:
        botocore.exceptions.ClientError: when the identity may not ask.
    """
    source = identity
    if ":assumed-role/" in identity:
        account, role = identity.split(":")[4], identity.split("/")[1]
        source = f"arn:{identity.split(':')[1]}:iam::{account}:role/{role}"
    denied: set[str] = set()
    for statement in document["Statement"]:
        names = statement["Action"]
        for start in range(0, len(names), 50):
            pages = iam.get_paginator("simulate_principal_policy").paginate(
                PolicySourceArn=source, ActionNames=names[start : start + 50], **_asked(statement)
            )
            for page in pages:
                denied |= {
                    result["EvalActionName"]
                    for result in page["EvaluationResults"]
                    if result["EvalDecision"] != "allowed"
                }
    return sorted(denied)


def report(identity: str, region: str, stack: str) -> str | None:
    """What an identity lacks to deploy a stack, in words; None when it lacks nothing.

    The account's root user is never asked about: IAM simulates users, groups and roles only.
    """
    if identity.endswith(":root"):
        return None
    partition, account = identity.split(":")[1], identity.split(":")[4]
    document = fill(FILE.read_text(encoding="utf-8"), stack=stack, region=region, account=account, partition=partition)
    try:
        missing = lacking(boto3.client("iam", region_name=region), identity, document)
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        return f"could not ask IAM what {identity} may do ({error}): the deployment will show it"
    if not missing:
        return None
    return f"{identity} lacks {len(missing)} actions of bootstrap/deployer-policy.json:\n  " + "\n  ".join(missing)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the policy, or with ``--check`` what the current identity lacks."""
    parser = argparse.ArgumentParser(prog="make permissions", description=__doc__)
    parser.add_argument("--check", action="store_true", help="ask IAM what the current identity lacks of it")
    parser.add_argument("--stack", default="dev", help="whose names and region are checked")
    given = parser.parse_args(arguments)
    if not given.check:
        print(render(), end="")
        return 0
    try:
        region = read(given.stack)["aws:region"]
        caller = boto3.client("sts", region_name=region).get_caller_identity()["Arn"]
    except UnknownStack as error:
        print(error, file=sys.stderr)
        return 1
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        print(f"AWS does not know who you are: {error}", file=sys.stderr)
        return 1
    said = report(caller, region, given.stack)
    print(said or f"{caller} may do everything that a deployment takes")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
