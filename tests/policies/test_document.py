"""The pack describes itself, and the description is that of the rules as they are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from policies.document import FILE, SCHEMA, render, schema
from policies.registry import RULES


def test_the_readme_is_fresh() -> None:
    assert FILE.read_text(encoding="utf-8") == render(), "make it anew: python -m policies.document"


def test_the_schema_of_configurations_is_fresh() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == schema(), "make it anew: python -m policies.document"


@pytest.mark.parametrize("file", sorted(FILE.parent.glob("config.*.json")), ids=lambda file: file.name)
def test_the_stacks_configurations_follow_the_schema(file: Path) -> None:
    if file != SCHEMA:
        jsonschema.validate(json.loads(file.read_text(encoding="utf-8")), schema())


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ({"net-01-sg-no-public-ingres": "advisory"}, "a name that is no policy's"),
        ({"net-01-sg-no-public-ingress": "off"}, "a level that is none"),
        ({"net-01-sg-no-public-ingress": {"enforcementLevel": "remediate"}}, "remediation where there is none"),
        ({"net-01-sg-no-public-ingress": {"ipv4Prefix": 0}}, "a setting out of range"),
        ({"net-01-sg-no-public-ingress": {"ipv4": 8}}, "a setting that is none"),
        ({"gen-01-required-tags": {"required": "Owner"}}, "a text for a list"),
    ],
)
def test_the_schema_refuses(document: dict[str, object], what: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


def test_the_schema_takes_levels_alone_and_remediation_where_there_is_one() -> None:
    jsonschema.validate({"net-01-sg-no-public-ingress": "disabled"}, schema())
    jsonschema.validate({"s3-11-access-block-complete": {"enforcementLevel": "remediate"}}, schema())


def test_every_rule_is_described() -> None:
    text = render()
    for rule in RULES:
        assert f"### {rule.policy_name}\n" in text
        assert f"**{rule.id}. " in text
        for name in rule.settings:
            assert f"Setting `{name}`" in text


def test_links_lead_to_sections() -> None:
    text = render()
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) == set(re.findall(r"^### (\S+)$", text, re.MULTILINE))


def test_the_engine_can_start_the_pack() -> None:
    document = yaml.safe_load((FILE.parent / "PulumiPolicy.yaml").read_text(encoding="utf-8"))
    assert document["runtime"] == {"name": "python", "options": {"virtualenv": "../.venv"}}
    assert document["name"] == "emr-pipeline"
    assert re.fullmatch(r"\d+\.\d+\.\d+", document["version"])
