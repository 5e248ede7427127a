"""What everything carries, read from the provider that the program makes."""

from __future__ import annotations

import json

import pytest

from sandbox.providers.services import MODULES
from sandbox.providers.table import ResourceType
from tools.recorded import record

STACKS = ("dev", "prod", "sandbox")


@pytest.mark.parametrize("stack", STACKS)
def test_the_provider_tags_everything(stack: str) -> None:
    recorded = record(stack)
    (provider,) = recorded.all("pulumi:providers:aws")
    given = provider.inputs["defaultTags"]
    tags = (json.loads(given) if isinstance(given, str) else given)["tags"]
    configured = recorded.values["tags"]
    assert tags["Owner"] == configured["owner"], "who answers for it"
    assert tags["CostCentre"] == configured["costCentre"], "who pays"
    assert tags["DataClassification"] == configured["dataClassification"], "how sensitive it is"
    assert tags["Environment"] == stack, "and where it belongs"
    overruled = [
        f"{resource.name}: {sorted(set(tags) & set(resource.inputs['tags']))}"
        for resource in recorded.resources
        if isinstance(resource.inputs.get("tags"), dict)
        and any(resource.inputs["tags"].get(key, value) != value for key, value in tags.items())
    ]
    assert not overruled, f"no resource says otherwise: {overruled}"


def taggable() -> list[str]:
    """Types that take tags, of those that the program uses."""
    used = {resource.type for stack in STACKS for resource in record(stack).resources}
    entries = [entry for module in MODULES for entry in getattr(module, "TYPES", ()) if isinstance(entry, ResourceType)]
    return sorted(entry.token for entry in entries if entry.tagging is not None and entry.token in used)


@pytest.mark.parametrize("token", taggable())
def test_whatever_takes_tags_gets_them_from_the_provider(token: str) -> None:
    for stack in STACKS:
        recorded = record(stack)
        for resource in recorded.all(token):
            assert resource.provider == "aws", (
                f"{stack}: {resource.name} is made by a provider without the stack's tags"
            )
            own = resource.inputs.get("tags") or {}
            required = {"Project", "Environment", "Owner", "CostCentre", "DataClassification"}
            assert not required & set(own), f"{stack}: {resource.name} writes {required & set(own)} over the provider's"


def test_most_of_what_the_program_makes_takes_tags() -> None:
    assert len(taggable()) > 25, f"the table knows which types take tags: {taggable()}"
