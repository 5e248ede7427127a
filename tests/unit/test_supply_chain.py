"""What the project is built from: all of it locked by hash, under licences that a user can live with, and listed."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.model.bom import Bom

from tools import supply_chain
from tools.supply_chain import Package


@cache
def packages() -> list[Package]:
    return supply_chain.installed()


def test_every_package_is_locked_by_hash() -> None:
    locked = supply_chain.locked()
    assert len(locked) > 100, "the lock file holds what the packages need too"
    assert not [name for name, hashes in locked.items() if not hashes], "each has hashes"
    # What makes environments is not of them.
    strangers = {
        f"{supply_chain.normal(package.name)}=={package.version}"
        for package in packages()
        if package.name not in ("pip", "uv")
    } - set(locked)
    assert not strangers, f"the environment has what the lock file does not name: {strangers}"


def test_every_licence_is_allowed() -> None:
    assert supply_chain.refused(packages()) == []


@pytest.mark.parametrize(
    ("licences", "allowed"),
    [
        (("MIT",), True),
        (("Apache-2.0", "GPL-3.0-only"), True),
        (("BSD-3-Clause AND Zlib",), True),
        (("MIT AND GPL-3.0-only",), False),
        (("GNU Affero General Public License v3",), False),
        (("UNKNOWN",), False),
        (("MITRE",), False),
    ],
)
def test_one_licence_of_a_choice_must_be_allowed(licences: tuple[str, ...], allowed: bool) -> None:
    found = supply_chain.refused([Package("some", "1", licences)])
    assert (not found) is allowed, found


def test_the_bill_lists_every_package_with_its_hashes(tmp_path: Path) -> None:
    file = tmp_path / "bill.json"
    assert supply_chain.main(["--output", str(file)]) == 0
    bill = json.loads(file.read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    by_name = {component["name"]: component for component in bill["components"]}
    assert len(by_name) == len(packages())
    engine = by_name["pulumi"]
    assert engine["purl"] == f"pkg:pypi/pulumi@{engine['version']}"
    accepted = supply_chain.locked()[f"pulumi=={engine['version']}"]
    assert {entry["content"] for entry in engine["hashes"]} == set(accepted), "those of the lock file"
    assert engine["licenses"]
    read: Any = Bom
    assert len(read.from_json(bill).components) == len(packages()), "CycloneDX's own library reads it"
