"""A plan as a reviewer reads it, in Markdown: ``python -m tools.comment STACK plan.json``.

The plan is what ``pulumi preview --json`` writes. Only names of properties are shown, never their values.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi

from tools import cost
from tools.recorded import UnknownStack, record

REPLACING = {"replace", "create-replacement", "delete-replaced"}
LOSING = {"aws:s3/bucket:Bucket", "aws:kms/key:Key", "aws:emr/cluster:Cluster", "aws:dynamodb/table:Table"}
"""Types whose replacement or deletion loses data, or stops the pipeline: told first and in bold."""
MOST_ROWS = 60
"""Rows of a table; GitHub refuses comments of more than 65,536 characters."""


class PlanError(Exception):
    """The file is no plan; the message says what is wrong."""


def _name(step: Mapping[str, Any]) -> str:
    return str(step["urn"]).rsplit("::", 1)[1]


def _type(step: Mapping[str, Any]) -> str:
    return str(step["urn"]).split("::")[2].rsplit("$", 1)[-1]


def _code(text: str) -> str:
    """Text of a plan inside a table: nothing in it may end the cell or begin a tag."""
    return "`" + re.sub(r"[`|\r\n<>]", " ", text) + "`"


def _why(step: Mapping[str, Any]) -> str:
    """Names of the properties behind a change."""
    keys = step.get("replaceReasons") or step.get("diffReasons") or sorted(step.get("detailedDiff") or {})
    return ", ".join(_code(str(key)) for key in keys) or "of what it depends on"


def steps_by_kind(plan: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Steps that change something: ``replace``, ``delete``, ``update``, ``create``; a replacement counts once."""
    kinds: dict[str, dict[str, Mapping[str, Any]]] = {"replace": {}, "delete": {}, "update": {}, "create": {}}
    for step in plan["steps"]:
        kind = "replace" if step["op"] in REPLACING else step["op"]
        if kind in kinds:
            kinds[kind].setdefault(step["urn"], step)
    return {kind: list(steps.values()) for kind, steps in kinds.items()}


def _changes(plan: Mapping[str, Any]) -> Iterator[str]:
    kinds = steps_by_kind(plan)
    words = {"create": "to create", "update": "to update", "replace": "to replace", "delete": "to delete"}
    told = [f"{len(steps)} {words[kind]}" for kind, steps in kinds.items() if steps]
    yield f"**{', '.join(told) if told else 'Nothing changes.'}**\n"
    losses = [step for kind in ("replace", "delete") for step in kinds[kind] if _type(step) in LOSING]
    for step in losses:
        verb = "deleted" if step["op"] == "delete" else "replaced"
        yield f"> **{_code(_name(step))} ({_type(step)}) would be {verb}.** Data or a running cluster goes with it.\n"
    rows = [(kind, step) for kind in ("replace", "delete", "update") for step in kinds[kind]]
    if rows:
        yield "| change | resource | type | because of |\n| --- | --- | --- | --- |"
        for kind, step in rows[:MOST_ROWS]:
            because = "no longer in the program" if kind == "delete" else _why(step)
            yield f"| {kind} | {_code(_name(step))} | {_type(step)} | {because} |"
        if len(rows) > MOST_ROWS:
            yield f"| … | {len(rows) - MOST_ROWS} more, in the job's log | | |"
        yield ""
    if kinds["create"]:
        counted = Counter(_type(step) for step in kinds["create"] if not _type(step).startswith("pulumi:"))
        yield f"<details><summary>{sum(counted.values())} created, by type</summary>\n"
        yield "| type | number |\n| --- | ---: |"
        yield from (f"| {kind} | {number} |" for kind, number in sorted(counted.items()))
        yield "\n</details>\n"


def _policies(plan: Mapping[str, Any]) -> Iterator[str]:
    said = [
        (str(entry.get("severity", "")), " ".join(re.sub(r"<\{%[^%]*%\}>", "", str(entry.get("message", ""))).split()))
        for entry in plan.get("diagnostics") or []
    ]
    yield "#### Policies and messages\n"
    told = [(severity, message) for severity, message in said if message and severity != "debug"]
    if not told:
        yield "Nothing to report: no violation, no warning.\n"
        return
    for severity, message in told[:MOST_ROWS]:
        yield f"- {'**error**' if severity == 'error' else severity}: {_code(message[:500])}"
    yield ""


def _cost(stack: str) -> Iterator[str]:
    yield "#### Cost\n"
    try:
        recorded = record(stack)
        lines = cost.estimate(recorded)
    except (cost.PriceMissing, pulumi.RunError) as error:
        yield f"No estimate: {error}\n"
        return
    most = cost.total(cost.estimate(recorded, scaled_out=True))
    yield f"About **{cost.total(lines):,.0f} USD a month**, {most:,.0f} with every group scaled out all month.\n"
    yield f"<details><summary>by component</summary>\n\n{cost.table(recorded)}\n"
    yield f"{cost.assumptions()} {cost.caveat()}\n"
    yield "</details>\n"


def comment(stack: str, plan: Mapping[str, Any]) -> str:
    """The comment on a plan."""
    return "\n".join([f"### Stack `{stack}`\n", *_changes(plan), *_policies(plan), *_cost(stack)])


def read(file: Path) -> dict[str, Any]:
    """A plan from its file.

    Raises:
        PlanError: when it is missing or no plan.
    """
    try:
        plan = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PlanError(f"{file} does not exist: the preview failed before it had a plan; its log says why") from None
    except ValueError:
        raise PlanError(f"{file} is no JSON: the preview failed before it had a plan; its log says why") from None
    if not isinstance(plan, dict):
        raise PlanError(f"{file} is no plan of `pulumi preview --json`")
    return {"steps": [], **plan}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comment; without a plan, a comment that says so and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.comment", description=__doc__)
    parser.add_argument("stack")
    parser.add_argument("plan", type=Path)
    given = parser.parse_args(arguments)
    try:
        print(comment(given.stack, read(given.plan)))
    except (PlanError, UnknownStack) as error:
        print(f"### Stack `{given.stack}`\n\nNo preview: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
