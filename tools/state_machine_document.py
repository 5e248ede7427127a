"""The state machine's page, ``docs/state_machine.md``: diagrams and tables made from the definition itself."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from components.state_machine_definition import (
    FAILURES,
    SETTLED_FAILURES,
    Surroundings,
    admission,
    cluster,
    endings,
    report,
    step,
    submission,
)
from components.state_machine_definition.pieces import Pieces
from settings import OrchestrationSettings

FILE = Path(__file__).resolve().parent.parent / "docs" / "state_machine.md"

STRETCHES: tuple[tuple[str, ModuleType], ...] = (
    ("Admission", admission),
    ("Cluster", cluster),
    ("Submission", submission),
    ("Step", step),
    ("Report", report),
    ("Endings", endings),
)
"""Stretches of the way, in order."""

_SHAPES = {"Task": "[{}]", "Choice": "{{{}}}", "Wait": "([{}])", "Pass": "({})", "Fail": "[[{}]]", "Succeed": "[[{}]]"}

_HEAD = """\
# The state machine

<!-- Made from the definition by `make generate`. -->

An execution takes one manifest through the states below. Boxes are calls of AWS, diamonds are choices, rounded boxes
shape data or explain a failure, stadiums wait, double boxes end. A dotted arrow is taken after an error of the call,
when its retries are used up. The definition is `components/state_machine_definition/`, a module a stretch; every number
in it is a setting (`orchestration` in [configuration](configuration.md)).

Each way to fail has a name. It is the execution's error, the value of the metric dimension `Outcome`, the `outcome` in
the ledger, and part of the message's subject. Whatever the end, the raw objects and the manifest stay, and a new
attempt is one command away: `python -m functions.ledger redrive`.

"""


def _surroundings() -> Surroundings:
    """Placeholders: the page shows the way, not a stack's names."""
    return Surroundings(
        partition="aws",
        project="emr-pipeline",
        stack="stack",
        cluster_parameter_name="/emr-pipeline/stack/cluster-id",
        scripts_bucket="scripts",
        processed_bucket="processed",
        ledger_table_name="ledger",
        success_topic_arn="success",
        warning_topic_arn="warning",
        critical_topic_arn="critical",
        job_uri="s3://scripts/jobs/job.py",
        wrapper_uri="s3://scripts/jobs/wrapper.sh",
        region="eu-west-1",
        realm="REALM",
    )


def _edges(state: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Next states of a state: usual ones, and those after an error."""
    usual = [rule["Next"] for rule in state.get("Choices", [])]
    usual += [state[key] for key in ("Next", "Default") if key in state]
    caught = [catcher["Next"] for catcher in state.get("Catch", [])]
    return list(dict.fromkeys(usual)), [name for name in dict.fromkeys(caught) if name not in usual]


def diagram(own: dict[str, dict[str, Any]], every: dict[str, dict[str, Any]]) -> str:
    """Mermaid flowchart of some states and of the arrows that leave them."""
    lines = ["flowchart TD"]
    foreign: set[str] = set()
    for name, state in own.items():
        lines.append(f"  {name}{_SHAPES[state['Type']].format(name)}")
        usual, caught = _edges(state)
        lines += [f"  {name} --> {target}" for target in usual]
        lines += [f"  {name} -.-> {target}" for target in caught]
        foreign |= {target for target in (*usual, *caught) if target not in own}
    for name in sorted(foreign):
        lines.append(f"  {name}{_SHAPES[every[name]['Type']].format(name)}:::elsewhere")
    lines.append("  classDef elsewhere stroke-dasharray: 4 4")
    return "\n".join(lines)


def render() -> str:
    """Make the page's text."""
    pieces = Pieces(OrchestrationSettings(), _surroundings())
    stretches = {title: module.states(pieces) for title, module in STRETCHES}
    every = {name: state for states in stretches.values() for name, state in states.items()}
    parts = [_HEAD, "## Outcomes\n\n| outcome | told on | ledger | what to do |\n| --- | --- | --- | --- |\n"]
    parts.append("| `Succeeded` | success | succeeded | |\n")
    for failure in FAILURES:
        parts.append(f"| `{failure.name}` | {failure.severity} | {failure.state} | {failure.advice} |\n")
    parts.append(
        "\nAn execution that ends without reaching its own path is settled by the housekeeping function, at once\n"
        "by the event of its status and on every schedule:\n\n| outcome | told on | ledger | what to do |\n"
        "| --- | --- | --- | --- |\n"
    )
    for failure in SETTLED_FAILURES:
        parts.append(f"| `{failure.name}` | {failure.severity} | {failure.state} | {failure.advice} |\n")
    for title, module in STRETCHES:
        said = inspect.cleandoc(module.__doc__ or "")
        parts.append(f"\n## {title}\n\n{said}\n\n```mermaid\n{diagram(stretches[title], every)}\n```\n")
    return "".join(parts)
