"""The project's own stacks as the pack sees them, without engine or AWS: the program runs against a recorder."""

from __future__ import annotations

import functools
import json
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
import yaml

from tests.policies.harness import UNKNOWN, R
from tests.unit.harness import Deployment, Registered, _computed, deploy  # pyright: ignore[reportPrivateUsage]

ROOT = Path(__file__).resolve().parents[2]
STACKS = ("dev", "prod", "sandbox")

# What the provider computes when the program leaves it out: unknown in preview.
COMPUTED: Mapping[str, tuple[str, ...]] = {
    "aws:ec2/securityGroup:SecurityGroup": ("ingress", "egress"),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": ("ingress", "egress"),
    "aws:ec2/routeTable:RouteTable": ("routes",),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("policy", "routeTableIds", "subnetIds", "securityGroupIds"),
    "aws:iam/role:Role": ("inlinePolicies", "managedPolicyArns"),
    "aws:kms/key:Key": ("policy",),
    "aws:s3/bucket:Bucket": (
        "acl",
        "grants",
        "lifecycleRules",
        "logging",
        "policy",
        "serverSideEncryptionConfiguration",
        "versioning",
    ),
    "aws:secretsmanager/secret:Secret": ("policy", "replicas"),
    "aws:sns/topic:Topic": ("policy",),
    "aws:sqs/queue:Queue": ("policy",),
}


def configuration(stack: str) -> dict[str, str]:
    """A stack file's configuration, as the engine hands it to a program."""
    values: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))["config"]
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def _run(stack: str, preview: bool) -> Deployment:
    def program() -> None:
        pulumi.runtime.set_all_config(configuration(stack))
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    try:
        return deploy(
            program,
            preview=preview,
            stack=stack,
            computed={
                "tls:index/privateKey:PrivateKey": lambda name, _: {"privateKeyPemPkcs8": f"{name}-key-pkcs8"},
            },
        )
    finally:
        pulumi.runtime.set_all_config({})


def recorded(stack: str) -> Deployment:
    """What one of the project's stacks registers."""
    return _run(stack, preview=False)


def _late(known: Any, preview: Any) -> Any:
    """A value of `up` with what the preview does not know marked: the recorder leaves that out."""
    if isinstance(known, dict) and isinstance(preview, dict):
        return {key: _late(value, preview[key]) if key in preview else UNKNOWN for key, value in known.items()}
    if isinstance(known, list) and isinstance(preview, list) and len(known) == len(preview):
        return [_late(*pair) for pair in zip(known, preview, strict=True)]
    return UNKNOWN if preview is None and known is not None else preview


@functools.cache
def resources(stack: str) -> tuple[R, ...]:
    """All resources of one of the project's stacks."""
    made, planned = _run(stack, False), {entry.urn: entry for entry in _run(stack, True).resources}
    provider = made.one("pulumi:providers:aws").inputs
    by_name: dict[str, list[str]] = {}
    for entry in made.resources:
        by_name.setdefault(entry.name, []).append(_urn(stack, entry))
    return tuple(_resource(stack, entry, planned[entry.urn], by_name, provider) for entry in made.resources)


def _urn(stack: str, entry: Registered) -> str:
    return f"urn:pulumi:{stack}::emr-pipeline::{entry.type}::{entry.name}"


def _resource(
    stack: str, entry: Registered, planned: Registered, urns: Mapping[str, Sequence[str]], provider: Mapping[str, Any]
) -> R:
    inputs = _sendable(entry.inputs)
    outputs = {key: value for key, value in _sendable(entry.state).items() if key not in inputs}
    outputs["id"] = _computed(entry.type, entry.name, entry.inputs)["id"]
    return R(
        entry.type,
        entry.name,
        inputs,
        outputs,
        computed=[name for name in COMPUTED.get(entry.type, ()) if name not in inputs],
        protect=entry.protect,
        ignore_changes=entry.ignore_changes,
        provider=_sendable(provider) if entry.type.startswith("aws:") else None,
        stack=stack,
        parent=next(iter(urns.get(entry.parent or "", ())), ""),
        late=_late(inputs, _sendable(planned.inputs)),
        depends={
            # The recorder names resources; of those that share a name, the type tells which is meant.
            name: [urn for target in targets for urn in urns.get(target, ())]
            for name, targets in entry.property_dependencies.items()
        },
    )


def _sendable(value: Any) -> Any:
    """A value as JSON can carry it: assets and archives stay behind."""
    if isinstance(value, dict):
        return {str(key): _sendable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_sendable(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else "(asset)"
