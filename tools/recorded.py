"""A stack as the program would register it, told by a recording engine: no CLI, no provider, no AWS, a few seconds.

What is made from the program (costs, permissions, pictures) reads it from here.
"""

from __future__ import annotations

import copy
import json
import runpy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pulumi.runtime.config
import yaml

from tests.unit import harness
from tools.stack_schema import PROJECT

ROOT = Path(__file__).resolve().parent.parent


class UnknownStack(Exception):
    """There is no such stack; the message names those that exist."""


@dataclass(frozen=True)
class Stack:
    """A stack file and the resources that it makes."""

    name: str
    region: str
    values: dict[str, Any]
    """The configuration, by group."""
    resources: list[harness.Registered]

    def all(self, token: str) -> list[harness.Registered]:
        """Every resource of a type, e.g. ``aws:kms/key:Key``."""
        return [resource for resource in self.resources if resource.type == token]


def read(stack: str) -> dict[str, Any]:
    """The ``config`` of a stack file.

    Raises:
        UnknownStack: when there is no such file.
    """
    file = ROOT / f"Pulumi.{stack}.yaml"
    if not file.exists():
        known = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
        raise UnknownStack(f"there is no stack {stack!r}: {file.name} does not exist; known: {', '.join(known)}")
    return yaml.safe_load(file.read_text(encoding="utf-8"))["config"]


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with `changes` laid over them, object by object; None takes a key out."""
    result = copy.deepcopy(dict(values))
    for key, change in changes.items():
        if change is None:
            result.pop(key, None)
        elif isinstance(change, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], change)
        else:
            result[key] = copy.deepcopy(change)
    return result


def record(stack: str, changes: Mapping[str, Any] | None = None) -> Stack:
    """Run the whole program on a stack's configuration, with `changes` (by group) laid over it.

    Raises:
        UnknownStack: when there is no such stack.
        pulumi.RunError: for mistakes in its configuration.
    """
    return _record(stack, json.dumps(changes or {}))


@cache
def _record(stack: str, changes: str) -> Stack:
    config = read(stack)
    region = config["aws:region"]
    prefix = f"{PROJECT}:"
    values = {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
    values = merged(values, json.loads(changes))

    def program() -> None:
        texts = {f"{prefix}{group}": json.dumps(value) for group, value in values.items()}
        pulumi.runtime.config.set_all_config({"aws:region": region, **texts})
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    zones = [f"{region}{letter}" for letter in "abcd"]
    answers: dict[str, harness.Answer] = {
        "aws:index/getRegion:getRegion": lambda _: {"id": region, "region": region},
        "aws:index/getAvailabilityZones:getAvailabilityZones": lambda _: {
            "id": region,
            "names": zones,
            "region": region,
        },
    }
    try:
        deployment = harness.deploy(
            program,
            calls=answers,
            computed={"tls:index/privateKey:PrivateKey": lambda name, _: {"privateKeyPemPkcs8": f"{name}-pkcs8"}},
            stack=stack,
        )
    finally:
        pulumi.runtime.config.set_all_config({}, [])
    return Stack(stack, region, values, [resource for resource in deployment.resources if resource.custom])
