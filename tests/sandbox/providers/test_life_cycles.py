"""Every resource type goes its whole way, as the engine would take it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sandbox import providers
from sandbox.providers import aws as aws_package
from sandbox.providers import random_, schema, tls_
from sandbox.providers.protocol import UNKNOWN, reveal
from tests.sandbox.providers.cases import CASES, Case
from tests.sandbox.providers.driver import ProviderDriver, plain
from tests.sandbox.providers.world import World

TABLES = {**aws_package.PACKAGE.resources, **random_.PACKAGE.resources, **tls_.PACKAGE.resources}
TESTED_ELSEWHERE = {
    "tls:index/selfSignedCert:SelfSignedCert",
    "tls:index/certRequest:CertRequest",
    "tls:index/locallySignedCert:LocallySignedCert",
}


def test_every_type_of_the_tables_has_a_life_cycle() -> None:
    covered = {case.token for case in CASES} | TESTED_ELSEWHERE
    assert covered == set(TABLES), "a type without a life cycle may be made, but nobody knows what comes of it"


def tagged(case: Case) -> bool:
    shape = schema.resource_schema(case.token)
    return "tagsAll" in shape.outputs and "tagsAll" not in case.absent


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_resource_lives(case: Case, drivers: dict[str, ProviderDriver], world: World) -> None:
    driver = drivers[case.token.split(":")[0]]
    shape = schema.resource_schema(case.token)
    name = case.name.lower()
    given = case.given(world)

    inputs = driver.check(case.token, name, given)
    early = driver.preview(case.token, name, inputs)
    promised = {output for output, definition in shape.outputs.items() if not definition.optional}
    assert promised <= early.keys(), "in preview, what AWS will compute is unknown rather than absent"
    known = {key: value for key, value in reveal(inputs).items() if key in shape.outputs}
    assert {key: reveal(early)[key] for key in known} == known, "inputs are known"

    resource = driver.create(case.token, name, given)
    assert resource.id, "a resource without an id cannot be found again"
    assert promised - resource.outputs.keys() == case.absent, "the program gets what the SDK promises"
    assert UNKNOWN not in resource.outputs.values(), "nothing is unknown once it is there"
    stated = {key for key, value in reveal(inputs).items() if value not in ([], {}, "") and key in shape.outputs}
    assert stated <= resource.outputs.keys(), "inputs are outputs too"
    unchanged(driver, resource, given, "right after creation")

    if case.changes:
        changed = {**given, **case.changes}
        if tagged(case):
            changed["tags"] = {"Purpose": "change"}
        resource = updated(driver, resource, changed, case)
        given = changed
    elif tagged(case):
        changed = {**given, "tags": {"Purpose": "change"}}
        resource = updated(driver, resource, changed, case)
        given = changed

    latest = given
    for key, value in case.replaces.items():
        rest = {other: value for other, value in given.items() if not {key, other} <= case.exclusive}
        other = driver.check(case.token, name, {**rest, key: value}, resource.inputs)
        difference = driver.diff(resource, other)
        assert any(re.split(r"[.\[]", path)[0] == key for path in difference.replaces), (
            f"another {key} is another resource"
        )

        if key not in case.compared:
            latest = {**rest, key: value}
            resource = replaced(driver, resource, latest)

    adopted(driver, resource, latest, case)
    driver.delete(resource)
    if not case.stays:
        assert driver.read(resource) is None, "a read says that it is gone"
        driver.delete(resource)  # somebody else may have been faster: gone is gone


def unchanged(driver: ProviderDriver, resource: Any, given: dict[str, Any], when: str) -> None:
    again = driver.check(resource.token, resource.name, given, resource.inputs)
    assert reveal(again) == reveal(resource.inputs), f"{when}, the same program has the same inputs"
    assert driver.diff(resource, again).kinds == {}, f"{when}, the same program changes nothing"
    now = driver.read(resource)
    assert now is not None, f"{when}, it is there"
    assert plain(now.outputs) == plain(resource.outputs), f"{when}, a refresh sees what the creation saw"
    assert reveal(now.inputs) == reveal(resource.inputs), f"{when}, a refresh sees no drift"


def replaced(driver: ProviderDriver, resource: Any, news: dict[str, Any]) -> Any:
    """As the engine does it: another one is made, and the first one goes."""
    other = driver.create(resource.token, resource.name, news, seed=b"another")
    unchanged(driver, other, news, "after the replacement")
    if other.id != resource.id:
        driver.delete(resource)
        assert driver.read(other) is not None, "what replaces stays when what it replaces goes"
    return other


def adopted(driver: ProviderDriver, resource: Any, given: dict[str, Any], case: Case) -> None:
    """As ``pulumi import`` takes it into a stack that did not make it."""
    identifier = case.import_id(reveal(resource.outputs), resource.id) if case.import_id else resource.id
    found = driver.adopt(resource.token, resource.name, identifier)
    assert found is not None, f"an import finds it by {identifier!r}"
    assert found.id == resource.id, "under the id that its creation gave it"
    naming = TABLES[resource.token].naming
    if naming is not None and naming.property in found.outputs:
        # Whoever takes in a resource says its name, or gets another one.
        given = {**given, naming.property: reveal(found.outputs)[naming.property]}
    inputs = driver.check(resource.token, resource.name, given, found.inputs)
    differing = {re.split(r"[.\[]", path)[0] for path in driver.diff(found, inputs).kinds}
    assert differing <= case.not_imported, f"the program that made it has nothing to change, but: {differing}"


def updated(driver: ProviderDriver, resource: Any, news: dict[str, Any], case: Case) -> Any:
    inputs = driver.check(resource.token, resource.name, news, resource.inputs)
    difference = driver.diff(resource, inputs)
    assert difference.changed, "the change is seen"
    assert difference.replaces == [], "and is made in place"
    driver.update(resource, news, preview=True)
    unchanged_by_preview = driver.read(resource)
    assert unchanged_by_preview is not None
    assert plain(unchanged_by_preview.outputs) == plain(resource.outputs), "a preview changes nothing"
    result = driver.update(resource, news)
    for key in case.changes:
        if key in news and news[key] not in ([], {}):
            assert key in result.outputs, f"{key} is there after the update"
    unchanged(driver, result, news, "after the update")
    return result


def test_the_ports_are_given_in_the_form_that_the_engine_reads(running: providers.RunningProviders) -> None:
    names = [entry.split(":")[0] for entry in running.debug_providers.split(",")]
    assert names == ["aws", "random", "tls"], "PULUMI_DEBUG_PROVIDERS is name:port, separated by commas"
