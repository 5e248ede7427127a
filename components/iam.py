"""IAM documents and roles, built from statements rather than pasted.

Every policy of the program goes through `policy_document`, every trust through `service_trust`, every role through
`create_role`, so that the rules of the house (no ``*`` action, trust bound to this account) stand in one place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pulumi
import pulumi_aws as aws

from components.environment import AwsEnvironment
from settings import ConfigurationError

Condition = Mapping[str, Mapping[str, str | Sequence[str]]]
"""Operator → key → value, e.g. ``{"StringEquals": {"aws:SourceAccount": "111122223333"}}``."""

Document = dict[str, Any]
"""A JSON document as plain values."""


def statement(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    *,
    effect: Literal["Allow", "Deny"] = "Allow",
    principals: Mapping[str, str | Sequence[str]] | str | None = None,
    condition: Condition | None = None,
) -> Document:
    """One statement of a policy; `principals` only in resource policies (``{"Service": …}``, ``{"AWS": …}``, ``"*"``).

    Raises:
        ValueError: when an Allow would grant every action (``*`` or ``service:*``) to a role.
    """
    wild = [action for action in actions if action == "*" or action.endswith(":*")]
    if effect == "Allow" and wild and principals is None:
        raise ValueError(f"statement {sid}: action {', '.join(wild)} grants everything; name the actions")
    document: Document = {"Sid": sid, "Effect": effect}
    if principals is not None:
        document["Principal"] = principals
    document["Action"] = sorted(actions) if len(actions) > 1 else actions[0]
    document["Resource"] = sorted(resources) if len(resources) > 1 else resources[0]
    if condition:
        document["Condition"] = {operator: dict(keys) for operator, keys in condition.items()}
    return document


def policy_document(statements: Sequence[Document]) -> Document:
    """A policy of the current language version.

    Raises:
        ValueError: when two statements share a Sid, which IAM refuses.
    """
    sids = [entry["Sid"] for entry in statements]
    twice = sorted({sid for sid in sids if sids.count(sid) > 1})
    if twice:
        raise ValueError(f"policy holds the statement id {', '.join(twice)} twice")
    return {"Version": "2012-10-17", "Statement": list(statements)}


def outside_principal(environment: AwsEnvironment, principal: str) -> str:
    """ARN of somebody of another account, named by the account's twelve digits or a role's ARN.

    Raises:
        ConfigurationError: when the role is of another partition, where no policy of this one reaches.
    """
    if principal.isdecimal():
        return f"arn:{environment.partition}:iam::{principal}:root"
    partition = principal.split(":")[1]
    if partition != environment.partition:
        raise ConfigurationError(
            f"{environment.project}:storage names {principal}, of partition {partition}: this stack is in "
            f"{environment.partition}, and nothing reaches from one partition into another"
        )
    return principal


def account_of(principal: str) -> str:
    """Account of somebody named by the account's twelve digits or a role's ARN."""
    return principal if principal.isdecimal() else principal.split(":")[4]


def service_trust(
    environment: AwsEnvironment, service: str, *, source_arn: str | None = None, source_account: bool = True
) -> Document:
    """Trust of a role that one AWS service assumes, bound to this account against the confused deputy.

    `source_account` is off for services that send no source (EC2, for an instance profile): IAM user guide,
    "The confused deputy problem".
    """
    condition: dict[str, dict[str, str]] = {}
    if source_account:
        condition["StringEquals"] = {"aws:SourceAccount": environment.account_id}
    if source_arn:
        condition["ArnLike"] = {"aws:SourceArn": source_arn}
    return policy_document(
        [
            {
                "Sid": "Assume",
                "Effect": "Allow",
                "Principal": {"Service": environment.service_principal(service)},
                "Action": "sts:AssumeRole",
                **({"Condition": condition} if condition else {}),
            }
        ]
    )


def create_role(
    name: str,
    *,
    description: str,
    trust: Document,
    statements: Sequence[pulumi.Input[Document]] = (),
    managed_policy_arns: Mapping[str, str] | None = None,
    physical_name: pulumi.Input[str] | None = None,
    tags: Mapping[str, str] | None = None,
    parent: pulumi.Resource,
) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
    """Make a role with one inline policy of its own, and attach policies that AWS keeps.

    Args:
        name: Pulumi name of the role; children are ``<name>-policy`` and ``<name>-<key of managed_policy_arns>``.
        description: Who assumes it, and what for.
        trust: See `service_trust`.
        statements: Of the inline policy; empty for none. May hold outputs.
        managed_policy_arns: ARN by the role-name suffix of the attachment.
        physical_name: Fixed name of the role in AWS; by default Pulumi gives one.
        tags: Beside the provider's default tags.
        parent: The component.

    Returns:
        The role, and the resources that grant it its permissions: whoever uses the role waits for them.
    """
    child = pulumi.ResourceOptions(parent=parent)
    role = aws.iam.Role(
        name,
        name=physical_name,
        description=description,
        assume_role_policy=json.dumps(trust),
        tags=tags,
        opts=child,
    )
    grants: list[pulumi.Resource] = []
    if statements:
        document = pulumi.Output.all(*statements).apply(lambda entries: json.dumps(policy_document(entries)))
        grants.append(aws.iam.RolePolicy(f"{name}-policy", role=role.name, policy=document, opts=child))
    for key, arn in (managed_policy_arns or {}).items():
        grants.append(aws.iam.RolePolicyAttachment(f"{name}-{key}", role=role.name, policy_arn=arn, opts=child))
    return role, grants
