"""The table of the `aws` stand-in: one module a service family, one entry a resource type or function."""

from __future__ import annotations

from types import ModuleType
from typing import Final

from sandbox.providers.services import (
    budgets,
    cloudwatch,
    dynamodb,
    ec2,
    emr,
    events,
    glue,
    iam,
    index,
    kms,
    lambda_,
    s3,
    secretsmanager,
    sfn,
    sns,
    sqs,
    ssm,
)

MODULES: Final[tuple[ModuleType, ...]] = (
    budgets,
    cloudwatch,
    dynamodb,
    ec2,
    emr,
    events,
    glue,
    iam,
    index,
    kms,
    lambda_,
    s3,
    secretsmanager,
    sfn,
    sns,
    sqs,
    ssm,
)
"""Modules with TYPES or FUNCTIONS; a new one is added here."""
