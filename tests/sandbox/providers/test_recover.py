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


MADE_UP = {
    "aws:iam/role:Role": "name",
    "aws:iam/rolePolicy:RolePolicy": "name",
    "aws:lambda/permission:Permission": "statementId",
    "aws:secretsmanager/secret:Secret": "name",
}
"""Types of which the program leaves some names to the provider, and the name's property."""


@pytest.mark.parametrize("case", [case for case in CASES if case.token in MADE_UP], ids=lambda case: case.name)
def test_what_a_plan_names_anew_is_found_under_the_name_that_it_got(
    case: Case, drivers: dict[str, ProviderDriver], fresh: World
) -> None:
    """A provider that died leaves no pending operation: all that is known is what the program would make next."""
    driver = drivers["aws"]
    name = f"anew-{case.name.lower()}"
    made = driver.create(case.token, name, given(case, fresh))
    planned = driver.check(case.token, name, given(case, fresh), seed=b"another")
    named = MADE_UP[case.token]
    assert planned[named] != made.inputs[named], "the plan makes up another name"
    deployment: dict[str, Any] = {}
    (settled,) = recover.settle(deployment, [state(replace(made, inputs=planned))], fresh.client)
    assert (settled.what, settled.id) == ("found", made.id)
    (resource,) = deployment["resources"]
    again = driver.check(case.token, name, given(case, fresh), resource["inputs"])
    assert again[named] == made.inputs[named], "and keeps the one that is there"
    driver.delete(made)


def test_a_role_of_another_stack_is_not_taken_in(drivers: dict[str, ProviderDriver], fresh: World) -> None:
    driver = drivers["aws"]
    (case,) = [case for case in CASES if case.token == "aws:iam/role:Role"]
    theirs = driver.create(case.token, "shared", {**given(case, fresh), "tags": {"Environment": "theirs"}})
    ours = driver.check(case.token, "shared", {**given(case, fresh), "tags": {"Environment": "ours"}}, seed=b"another")
    (settled,) = recover.settle({}, [state(replace(theirs, inputs=ours))], fresh.client)
    assert settled.what == "not there", "a name that both could have got is not enough"
    driver.delete(theirs)


def test_what_has_the_id_of_another_type_s_thing_is_found_too(drivers: dict[str, ProviderDriver], fresh: World) -> None:
    """The node's instance profile has its role's name, as EMR wants it, and the state knows the role."""
    driver = drivers["aws"]
    (case,) = [case for case in CASES if case.token == "aws:iam/role:Role"]
    role = driver.create(case.token, "twin", given(case, fresh))
    profile = driver.create("aws:iam/instanceProfile:InstanceProfile", "twin", {"name": role.id, "role": role.id})
    deployment: dict[str, Any] = {"resources": [{**state(role), "id": role.id}]}
    (settled,) = recover.settle(deployment, [state(profile)], fresh.client)
    assert (settled.what, settled.id) == ("found", role.id)
    driver.delete(profile)
    driver.delete(role)
