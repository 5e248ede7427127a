"""The pages: built without a warning, their links lead somewhere, and what they show to type is right or marked.

A command either has a test that runs what is behind it (`TESTED`), or stands below "Needs AWS:", or on a page that
says that its commands need AWS. What needs AWS is still held against the Makefile, the CLI's commands and AWS's API.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore import xform_name

import settings
from components.rules import rules
from policies.registry import RULES
from tools import recorded
from tools.pages import ELSEWHERE

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", *(ROOT / source for source in ELSEWHERE.values())]
PULUMI = {
    *("config set", "login", "preview", "refresh", "stack init", "stack output", "state delete", "state taint", "up"),
    *("policy analyze", "policy publish", "import", "stack export", "cancel"),
}
"""Commands of the Pulumi CLI that the pages use."""
SHELL = {"cd", "eval", "export", "sudo", "curl", "out"}
PLAIN_S3 = {"s3 cp", "s3 ls", "s3 sync", "s3 mv", "s3 rm"}
"""Commands of the AWS CLI that are no operation of the API."""

TESTED = {
    "make setup": "tests/sandbox/test_main_job.py",
    "make sandbox": "tests/sandbox/test_main_job.py",
    "make test": "tools/test.py",
    "make start": "tests/sandbox/test_control.py",
    "make stop": "tests/sandbox/test_control.py",
    "make env": "tests/sandbox/test_control.py",
    "make fault": "tests/sandbox/aws/test_faults.py",
    "make new-stack": "tests/unit/test_new_stack.py",
    "make preview": "tests/sandbox/test_engine.py",
    "make cost": "tests/unit/test_cost.py",
    "make permissions": "tests/unit/test_permissions.py",
}
"""Commands of the pages that need no AWS, and the test that runs what is behind each."""

named = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, language: str) -> Iterator[tuple[str, str]]:
    """Each fenced block of a language, with the text before it."""
    text = page.read_text()
    for found in re.finditer(rf"^```{language}(?: [^\n]*)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield text[: found.start()], found[1]


def commands(block: str) -> Iterator[list[str]]:
    """The words of each command, those in ``$(…)`` and behind pipes too."""
    line = ""
    for piece in block.replace("\\\n", " ").splitlines():
        line = f"{line}\n{piece}" if line else piece
        try:
            shlex.split(line, comments=True)
        except ValueError:
            continue  # a text in quotes goes on
        yield from _commands_of(line)
        line = ""
    assert not line, f"a quote is not closed: {line}"


def _commands_of(line: str) -> Iterator[list[str]]:
    for inner in re.findall(r"\$\(([^()]*)\)", line):
        yield shlex.split(inner, comments=True)
    tokens = shlex.shlex(re.sub(r"\$\([^()]*\)", "X", line), posix=True, punctuation_chars="|&")
    tokens.whitespace_split = True
    words: list[str] = []
    for token in [*tokens, "|"]:
        if not re.fullmatch(r"[|&]+", token):
            words.append(token)
            continue
        while words and re.match(r"\w+=", words[0]):
            del words[0]
        if words:
            yield words
        words = []


@cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def check_aws(words: list[str]) -> None:
    """An ``aws`` command is an operation of the API, with options that it has."""
    service, operation = words[1:3]
    if f"{service} {operation}" in PLAIN_S3:
        return
    called = {"s3api": "s3"}.get(service, service)
    session = botocore.session.get_session()
    assert called in session.get_available_services(), f"aws {service}: no such service"
    model: Any = session.get_service_model(called)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    if operation == "wait" or (called, operation) == ("logs", "tail"):
        return
    assert operation in names, f"aws {service} {operation}: no such operation"
    shape = model.operation_model(names[operation]).input_shape
    members = {xform_name(name, "-") for name in (shape.members if shape is not None else ())}
    general = {
        "query",
        "output",
        "region",
        "cli-binary-format",
        "no-paginate",
        "max-items",
        "profile",
        "cli-input-json",
    }
    for word in words[3:]:
        option = word.removeprefix("--").split("=")[0]
        if word.startswith("--") and option.removeprefix("no-") not in members:
            assert option in general, f"aws {service} {operation} {word}: no such option; it has {sorted(members)}"


def test_the_pages_build_strictly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, f"a broken link or page:\n{process.stdout}{process.stderr}"
    for page in ("configuration", *(name.removesuffix(".md") for name in ELSEWHERE)):
        assert (tmp_path / "site" / page / "index.html").exists(), f"{page} is among them"
    navigation = yaml.unsafe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    listed = set(re.findall(r"[\w-]+\.md", json.dumps(navigation)))
    assert listed == {page.name for page in (ROOT / "docs").glob("*.md")} | set(ELSEWHERE), "every page is found"


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and mkdocs both make them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@named
def test_links_lead_somewhere_in_the_repository_too(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", page.read_text())):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link} leads nowhere"
        if anchor and target.suffix == ".md":
            known = anchors(target)
            # Pages with headings of the same name count them, which only the site's own check knows.
            assert re.sub(r"[-_]\d+$", "", anchor) in known or anchor in known, f"{page.name}: {link} has no heading"


@named
def test_every_command_is_tested_or_needs_aws(page: Path) -> None:
    for before, block in blocks(page, "sh"):
        marked = re.search(r"[Nn]eeds AWS:\s*$", before) or "command on this page needs AWS" in before
        for words in commands(block):
            command = " ".join(word for word in words[:3] if word != "-s")
            kind = words[0]
            if kind == "make":
                target = next(word for word in words[1:] if not word.startswith("-"))
                assert target in targets(), f"{command}: the Makefile has no such target"
                command = f"make {target}"
            elif kind == "aws":
                check_aws(words)
            elif kind == "pulumi":
                spoken = {" ".join(words[1:3]), words[1]} & PULUMI
                assert spoken, f"{' '.join(words)}: no command of the CLI that is known here"
            else:
                assert kind in SHELL or marked, f"{words}: say what this is"
            if not marked and kind not in SHELL:
                assert command in TESTED, f"{page.name}: {words}: test it, or write 'Needs AWS:' above it"
                assert (ROOT / TESTED[command]).exists(), f"{TESTED[command]} should be there"


@named
def test_what_is_shown_to_write_is_valid(page: Path) -> None:
    config = {key.partition(":")[2]: value for key, value in recorded.read("dev").items() if ":" in key}
    del config["region"]
    for _, block in blocks(page, "python"):
        ast.parse(block)
    for _, block in blocks(page, "json"):
        json.loads(block)
    for _, block in blocks(page, "yaml"):
        shown = yaml.safe_load(block)
        shown = shown.get("config", shown)
        changes = {key.partition(":")[2]: value for key, value in shown.items() if key.startswith("emr-pipeline:")}
        assert changes, f"{page.name} shows configuration of no group:\n{block}"
        try:
            settings.parse(recorded.merged(config, changes), rules=rules())
        except settings.ConfigurationError as error:
            raise AssertionError(f"{page.name} shows a configuration that is refused: {error}\n{block}") from None


@named
def test_no_block_hides_from_these_checks(page: Path) -> None:
    languages = set(re.findall(r"^```(\w*).*\n(?:.|\n)*?^```$", page.read_text(), re.MULTILINE))
    assert languages <= {"sh", "python", "json", "yaml", "mermaid", "console"}, f"say what the block is: {languages}"


@named
def test_resources_that_pages_name_by_urn_exist(page: Path) -> None:
    for urn in re.findall(r"urn:pulumi:[^\s'`]+", page.read_text()):
        stack = urn.split(":")[2]
        assert urn in {resource.urn for resource in recorded.record(stack).resources}, f"{urn} is not in stack {stack}"


def test_every_threat_has_evidence_that_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith(("| threat", "| ---"))]
    assert len(rows) > 15, "the table of threats"
    known = {rule.id for rule in RULES}
    for row in rows:
        threat, _, evidence = row.strip("|").split("|")
        identifiers = re.findall(r"\b[A-Z0-9]{2,3}-\d\d\b", evidence)
        tests = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", evidence)
        assert tests, f"{threat.strip()}: a test proves it"
        assert set(identifiers) <= known, f"{threat.strip()}: no such rule: {sorted(set(identifiers) - known)}"
        for file, name in tests:
            assert (ROOT / file).exists(), f"{threat.strip()}: {file} is not there"
            text = (ROOT / file).read_text()
            assert not name or f"def {name}(" in text, f"{threat.strip()}: {file} has no {name}"


def test_the_pictures_show_what_the_program_wires() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    for arrow in (
        'raw_bucket -->|"new objects"| raw_objects_rule',
        'dispatcher_function -->|"starts"| pipeline_state_machine',
        'pipeline_state_machine -->|"adds steps"| EMR_cluster',
        'EMR_cluster -->|"writes"| processed_bucket',
        'service_access -->|"tcp 8443"| core',
        "network_private_eu_west_1a --> network_public_eu_west_1a",
    ):
        assert arrow in page, f"{arrow} is the way of things; its picture is drawn from the recorded resources"
    assert "raw_bucket" in (ROOT / "README.md").read_text(), "the README has its picture"
