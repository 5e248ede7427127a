"""The pack describes itself, and the description is that of the rules as they are."""

from __future__ import annotations

import re

import yaml

from policies.document import FILE, render
from policies.registry import RULES


def test_the_readme_is_fresh() -> None:
    assert FILE.read_text(encoding="utf-8") == render(), "make it anew: python -m policies.document"


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
