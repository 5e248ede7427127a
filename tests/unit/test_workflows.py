"""The workflows are valid, safe by zizmor's audits, pinned, and call commands that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
BIN = Path(sys.executable).parent


def workflow(file: Path) -> dict[Any, Any]:
    return yaml.safe_load(file.read_text())


def test_the_workflows_are_valid() -> None:
    command = [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.github-workflows", *map(str, FILES)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert len(FILES) == 4, "check, preview, deploy, drift"
    assert process.returncode == 0, process.stdout + process.stderr


def test_zizmor_finds_nothing() -> None:
    command = [str(BIN / "zizmor"), "--offline", "--no-progress", str(ROOT / ".github" / "workflows")]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_action_is_pinned_and_says_its_version(file: Path) -> None:
    for line in re.findall(r"uses: (.*)", file.read_text()):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), (
            f"{line}: a tag may move, a SHA cannot"
        )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_command_exists(file: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = file.read_text()
    for target in re.findall(r"\bmake ([a-z-]+)", text):
        assert target in targets, f"make {target} is no target"
    for module in re.findall(r"python (?:-W ignore )?-m tools\.(\w+)", text):
        assert (ROOT / "tools" / f"{module}.py").exists(), f"tools/{module}.py is no module"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_job_has_long_lived_keys_or_more_than_it_needs(file: Path) -> None:
    text = file.read_text()
    assert "secrets." not in text, "roles come by OIDC; no key is stored"
    assert workflow(file)["permissions"] == {}, "nothing by default"
    assert "pull_request_target" not in text, "a fork's code never meets a role"


def test_forks_get_an_answer_without_secrets() -> None:
    jobs = workflow(ROOT / ".github" / "workflows" / "check.yml")["jobs"]
    for name, job in jobs.items():
        assert job["permissions"] == {"contents": "read"}, f"{name} reads the code and nothing else"
        assert "environment" not in job, f"{name} waits for nobody"
    assert "preview" in jobs, "the offline preview"


def test_production_waits_for_its_environment_and_for_dev() -> None:
    prod = workflow(ROOT / ".github" / "workflows" / "deploy.yml")["jobs"]["prod"]
    assert prod["environment"] == "prod", "its required reviewers approve"
    assert prod["needs"] == "dev", "what failed in development does not get there"
