"""A plan as a reviewer reads it, in Markdown: ``python -m tools.comment STACK plan.json [--post]``.

The plan is what `tools.plan` writes. Only names of properties are shown, never their values. With ``--post`` the
comment goes to the pull request that GitHub's job is about: the stack's earlier comment is edited, so that there is one
only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi

from tools import cost
from tools.plan import name_of
from tools.recorded import UnknownStack, record

REPLACING = {"replace", "create-replacement", "delete-replaced"}
LOSING = {"aws:s3/bucket:Bucket", "aws:kms/key:Key", "aws:emr/cluster:Cluster", "aws:dynamodb/table:Table"}
"""Types whose replacement or deletion loses data, or stops the pipeline: told first and in bold."""
MOST_ROWS = 60
"""Rows of a table; GitHub refuses comments of more than 65,536 characters."""
MOST_FINDINGS = 50
"""Rows of findings and messages, which are longer."""


class PlanError(Exception):
    """The file is no plan; the message says what is wrong."""


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
        what = f"{_code(name_of(step['urn']))} ({_type(step)})"
        yield f"> **{what} would be {verb}.** Data or a running cluster goes with it.\n"
    rows = [(kind, step) for kind in ("replace", "delete", "update") for step in kinds[kind]]
    if rows:
        yield "| change | resource | type | because of |\n| --- | --- | --- | --- |"
        for kind, step in rows[:MOST_ROWS]:
            because = "no longer in the program" if kind == "delete" else _why(step)
            yield f"| {kind} | {_code(name_of(step['urn']))} | {_type(step)} | {because} |"
        if len(rows) > MOST_ROWS:
            yield f"| … | {len(rows) - MOST_ROWS} more, in the job's log | | |"
        yield ""
    if kinds["create"]:
        counted = Counter(_type(step) for step in kinds["create"] if not _type(step).startswith("pulumi:"))
        yield f"<details><summary>{sum(counted.values())} created, by type</summary>\n"
        yield "| type | number |\n| --- | ---: |"
        yield from (f"| {kind} | {number} |" for kind, number in sorted(counted.items()))
        yield "\n</details>\n"


def policies(plan: Mapping[str, Any]) -> Iterator[str]:
    """What the policies found (`tools.plan`), those that stop a deployment first, and what engine and program said."""
    found: list[Mapping[str, str]] = sorted(plan.get("policies") or [], key=lambda entry: entry["level"] != "mandatory")
    yield "#### Policies\n"
    if not found:
        yield "No violation.\n"
    else:
        stopping = sum(1 for entry in found if entry["level"] == "mandatory")
        yield f"**{stopping} stop the deployment**, {len(found) - stopping} are advice.\n"
        yield "| level | policy | resource | what |\n| --- | --- | --- | --- |"
        for entry in found[:MOST_FINDINGS]:
            level = "**mandatory**" if entry["level"] == "mandatory" else entry["level"]
            what = _code(" ".join(entry["message"].split())[:400])
            yield f"| {level} | {_code(entry['policy'])} | {_code(name_of(entry['urn']))} | {what} |"
        if len(found) > MOST_FINDINGS:
            yield f"| … | | | {len(found) - MOST_FINDINGS} more, in the plan |"
        yield ""
    said = [
        (str(entry.get("severity", "")), " ".join(re.sub(r"<\{%[^%]*%\}>", "", str(entry.get("message", ""))).split()))
        for entry in plan.get("diagnostics") or []
    ]
    told = [(severity, message) for severity, message in said if message and severity != "debug"]
    if told:
        yield "#### Messages\n"
        for severity, message in told[:MOST_FINDINGS]:
            yield f"- {'**error** ' if severity == 'error' else ''}{_code(message[:500])}"
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
    return "\n".join([_heading(stack), *_changes(plan), *policies(plan), *_cost(stack)])


def marker(stack: str) -> str:
    """What tells the stack's comment from others; nobody sees it."""
    return f"<!-- preview of stack {stack} -->"


def _heading(stack: str) -> str:
    return f"{marker(stack)}\n### Stack `{stack}`\n"


@dataclass(frozen=True)
class PullRequest:
    """Where comments go."""

    api: str
    """Address of GitHub's API."""
    repository: str
    number: int
    token: str

    @classmethod
    def of_job(cls) -> PullRequest:
        """The pull request that a job of GitHub Actions is about (``GH_TOKEN`` and ``NUMBER`` come from the workflow).

        Raises:
            PlanError: when there is none.
        """
        names = ("GITHUB_REPOSITORY", "NUMBER", "GH_TOKEN")
        missing = [name for name in names if not os.environ.get(name)]
        if missing:
            raise PlanError(f"{', '.join(missing)} is not set: --post is for jobs of pull requests on GitHub")
        repository, number, token = (os.environ[name] for name in names)
        if not number.isdigit() or not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
            raise PlanError(f"NUMBER is {number!r} and GITHUB_REPOSITORY {repository!r}: that is no pull request")
        return cls(os.environ.get("GITHUB_API_URL", "https://api.github.com"), repository, int(number), token)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self.api}/repos/{self.repository}/issues/{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": f"Bearer {self.token}", "Accept": "application/vnd.github+json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except (urllib.error.URLError, TimeoutError) as error:
            raise PlanError(f"GitHub did not take the comment ({method} {path}): {error}") from None

    def post(self, stack: str, text: str) -> None:
        """Write the stack's comment: over its earlier one where there is one.

        Source: GitHub REST API, "Issue comments".

        Raises:
            PlanError: when GitHub does not take it.
        """
        page = 1
        while comments := self._call("GET", f"{self.number}/comments?per_page=100&page={page}"):
            for earlier in comments:
                # Of people who quote it the marker is not the beginning, and a job may edit only what a job wrote.
                if earlier["body"].startswith(marker(stack)) and earlier["user"]["type"] == "Bot":
                    self._call("PATCH", f"comments/{earlier['id']}", {"body": text})
                    return
            page += 1
        self._call("POST", f"{self.number}/comments", {"body": text})


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
        said = " ".join(file.read_text(encoding="utf-8").split())[-600:]
        raise PlanError(f"{file} is no plan: the preview failed before it had one: {said}") from None
    if not isinstance(plan, dict):
        raise PlanError(f"{file} is no plan of `pulumi preview --json`")
    return {"steps": [], **plan}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comment; without a plan, a comment that says so and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.comment", description=__doc__)
    parser.add_argument("stack")
    parser.add_argument("plan", type=Path)
    parser.add_argument("--post", action="store_true", help="write it to the pull request, over the earlier one")
    given = parser.parse_args(arguments)
    status = 0
    try:
        text = comment(given.stack, read(given.plan))
    except (PlanError, UnknownStack) as error:
        text, status = f"{_heading(given.stack)}\nNo preview: {_code(str(error))}", 1
    print(text)
    if given.post:
        try:
            PullRequest.of_job().post(given.stack, text)
        except PlanError as error:
            print(error, file=sys.stderr)
            return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
