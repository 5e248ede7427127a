"""What a deployer may do: the IAM policy, made from the resource types that the program uses.

    python -m tools.permissions            # print it
    python -m tools.permissions --stack dev --check   # what the current identity lacks of it

Each resource type's API calls are read from the sandbox's table of types, whose entries make the calls; what cannot be
read there stands in `PROVIDER_READS`.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
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

from sandbox.providers.services import MODULES
from sandbox.providers.table import Function, ResourceType
from tools.recorded import record

FILE = Path(__file__).resolve().parent.parent / "bootstrap" / "deployer-policy.json"
STACKS = ("dev", "prod")
"""Stacks whose resource types the policy covers."""

ACTIONS: Mapping[str, tuple[str, ...]] = {
    # Budgets has one action to look and one to change (Service authorization reference).
    "budgets:CreateBudget": ("budgets:ModifyBudget",),
    "budgets:DeleteBudget": ("budgets:ModifyBudget",),
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
)
"""What the official provider and the project's own checks call beside what the table shows."""

PASSED_TO = (
    *("elasticmapreduce.amazonaws.com", "ec2.amazonaws.com", "lambda.amazonaws.com", "states.amazonaws.com"),
    *("events.amazonaws.com", "vpc-flow-logs.amazonaws.com", "application-autoscaling.amazonaws.com"),
    "scheduler.amazonaws.com",
)
"""Services that roles of the stack are handed to."""

_GLOBAL = ("iam", "sts", "s3", "budgets")
"""Services whose calls do not carry the stack's region."""


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


def policy() -> dict[str, Any]:
    """The policy: each action by name, bound to the stack's region where the service has regions, roles handed only to
    the services that the program uses."""
    known = actions()
    regional = [action for action in known if action.split(":")[0] not in _GLOBAL]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Regional",
                "Effect": "Allow",
                "Action": regional,
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:RequestedRegion": "REGION"}},
            },
            {
                "Sid": "Global",
                "Effect": "Allow",
                "Action": [action for action in known if action not in regional],
                "Resource": "*",
            },
            {
                "Sid": "HandRolesToServices",
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": "arn:aws:iam::ACCOUNT:role/*",
                "Condition": {"StringEquals": {"iam:PassedToService": list(PASSED_TO)}},
            },
        ],
    }


def render() -> str:
    """`bootstrap/deployer-policy.json`; REGION and ACCOUNT are filled in by the bootstrap."""
    return json.dumps(policy(), indent=2) + "\n"


def lacking(iam: Any, identity: str) -> list[str]:
    """Actions that an identity is not allowed, by IAM's own simulation; conditions on regions count as met.

    Raises:
        botocore.exceptions.ClientError: when the identity may not ask.
    """
    source = identity
    if ":assumed-role/" in identity:
        account, role = identity.split(":")[4], identity.split("/")[1]
        source = f"arn:{identity.split(':')[1]}:iam::{account}:role/{role}"
    denied: list[str] = []
    names = [*actions(), "iam:PassRole"]
    for start in range(0, len(names), 50):
        pages = iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=source, ActionNames=names[start : start + 50]
        )
        for page in pages:
            denied += [r["EvalActionName"] for r in page["EvaluationResults"] if r["EvalDecision"] != "allowed"]
    return sorted(denied)


def report(identity: str, region: str) -> str | None:
    """What an identity lacks, in words; None when it lacks nothing.

    The account's root user is never asked about: IAM simulates users, groups and roles only.
    """
    if identity.endswith(":root"):
        return None
    try:
        missing = lacking(boto3.client("iam", region_name=region), identity)
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        return f"could not ask IAM what {identity} may do ({error}): the deployment will show it"
    if not missing:
        return None
    return f"{identity} lacks {len(missing)} actions of bootstrap/deployer-policy.json:\n  " + "\n  ".join(missing)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the policy, or with ``--check`` what the current identity lacks."""
    parser = argparse.ArgumentParser(prog="make permissions", description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--region", default="eu-west-1")
    given = parser.parse_args(arguments)
    if not given.check:
        print(render(), end="")
        return 0
    try:
        caller = boto3.client("sts", region_name=given.region).get_caller_identity()["Arn"]
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        print(f"AWS does not know who you are: {error}", file=sys.stderr)
        return 1
    said = report(caller, given.region)
    print(said or f"{caller} may do everything that a deployment takes")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
