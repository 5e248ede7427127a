"""What everything carries, read from the provider that the program makes."""

from __future__ import annotations

import json

import pytest

from tools.recorded import record


@pytest.mark.parametrize("stack", ["dev", "prod"])
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
