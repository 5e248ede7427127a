"""`tools.recover` finds what was made before an engine died, in the sandbox's AWS as in the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from sandbox.providers import schema
from sandbox.providers.protocol import reveal
from tests.sandbox.providers.cases import CASES, Case
from tests.sandbox.providers.driver import ProviderDriver
from tests.sandbox.providers.world import World
from tools import recover

FOUND = [case for case in CASES if case.token in recover.FINDERS and case.label in ("", "gateway")]


def state(resource: Any) -> dict[str, Any]:
    """What the engine knew of it: its inputs."""
    urn = f"urn:pulumi:dev::project::{resource.token}::{resource.name}"
    return {"urn": urn, "type": resource.token, "custom": True, "inputs": reveal(resource.inputs)}


def given(case: Case, world: World) -> dict[str, Any]:
    """As the program makes it, with a Name tag where that is the name; and not protected, so that it can go."""
    inputs = case.given(world)
    inputs |= {name: False for name in ("terminationProtection", "deletionProtectionEnabled") if name in inputs}
    named = schema.resource_schema(case.token).inputs.keys() >= {"tags"} and case.token.startswith("aws:ec2/")
    return {**inputs, "tags": {"Name": f"recover-{case.name}"}} if named else inputs


@pytest.fixture
def fresh(world: World) -> World:
    """The world with an address and a group that no other test has used: what is looked for must be the only one."""
    ec2 = world.client("ec2")
    group = ec2.create_security_group(GroupName=f"recover-{uuid4()}", Description="recover", VpcId=world.vpc)
    allocation = ec2.allocate_address(Domain="vpc")["AllocationId"]
    return replace(world, group=group["GroupId"], allocation=allocation)


@pytest.mark.parametrize("case", FOUND, ids=lambda case: case.name)
def test_what_was_made_is_found_and_what_was_not_is_dropped(
    case: Case, drivers: dict[str, ProviderDriver], fresh: World
) -> None:
    driver = drivers["aws"]
    name = f"recover-{case.name.lower()}"
    made = driver.create(case.token, name, given(case, fresh))
    under_way = [state(made)]
    deployment: dict[str, Any] = {}
    (settled,) = recover.settle(deployment, under_way, fresh.client)
    assert (settled.what, settled.id) == ("found", made.id), "it is there, under the id that the engine never heard"
    (resource,) = deployment["resources"]
    assert resource["id"] == made.id
    (settled,) = recover.settle(deployment, under_way, fresh.client)
    assert settled.what == "not there", "what the state knows already is another one's"
    driver.delete(made)
    if not case.stays:
        (settled,) = recover.settle({}, under_way, fresh.client)
        assert settled.what == "not there", "what was never made is made by the next up"
