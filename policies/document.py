"""Writes ``README.md`` and ``config.schema.json`` of the pack from the rules: ``python -m policies.document``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from policies.model import Family, Rule
from policies.registry import FAMILIES, RULES

FILE: Final = Path(__file__).resolve().parent / "README.md"
SCHEMA: Final = FILE.parent / "config.schema.json"

_INTRODUCTION: Final = """\
# Policy pack

{count} rules that a change of the pipeline must keep. This file is made by `python -m policies.document`.

    pulumi preview --policy-pack policies --policy-pack-config policies/config.<stack>.json

**Levels.** Critical and high rules are mandatory: they stop the deployment. Medium and low ones are advisory. A stack's
`config.<stack>.json` may set another `enforcementLevel` (`advisory`, `mandatory`, `disabled`, `remediate`), and the
settings below, by the policy's name. `config.schema.json` is its JSON schema:
`check-jsonschema --schemafile policies/config.schema.json policies/config.prod.json`.

**Remediation.** Where one value is certainly right, a rule can set it: say `remediate` in the configuration. No rule does
so by itself, because what a program says and what is made would differ.

**When a rule speaks.** *Resource* rules judge a resource's own inputs before it is made. *Stack* rules judge it with
the whole stack at hand: who refers to whom, by id, ARN or name where these are known, and in a preview by what each
property was made from. At `up` the engine runs them after everything is made, so they protect through the preview.

**Unknown is not fine.** Each fact is decided on its own: broken, kept, or not known before the deployment. GEN-05 counts
the last kind, so that silence is not taken for compliance.

**Exceptions** stand in `exceptions.json`, or in the file that the environment variable `POLICY_EXCEPTIONS` names: rule,
project, resource (type and name), stacks, reason, owner, last day. GEN-06 reports those that have expired and those that
excuse nothing.

**For other stacks.** The pack knows AWS, not this project, so any program's preview may use it:

    pulumi preview --policy-pack <this directory> [--policy-pack-config <file>]

It needs `pulumi-policy` in the virtual environment that `PulumiPolicy.yaml` names. What exists already is judged without
program or account from its state, and `pulumi policy publish` (in this directory, with Pulumi Cloud) enforces it for an
organisation; there the files that `policies/` imports go along, since it is a package of its own:

    pulumi policy analyze --policy-pack policies [--stack <stack> | --file <exported state>]

**Messages** name the resource and property, and how to mend it. They quote networks, ports, action names and the like,
never a value that could be a secret. A rule that breaks says so in a finding of its own.

**Adding a rule.** Write the check in its family's module, under the decorator that says what it is for, and cases for
it beside the others in `tests/policies`: one that breaks it, one that keeps it, one not known yet. Then make this file
anew.
"""


def render() -> str:
    """The whole document."""
    parts = [_INTRODUCTION.format(count=len(RULES) + 3), _overview()]
    for family in FAMILIES:
        parts.append(f"## {family.title}\n")
        parts += [_section(rule) for rule in _sorted(family)]
    return "\n".join(parts)


def _sorted(family: Family) -> list[Rule]:
    return sorted(family.rules, key=lambda rule: rule.id)


def _overview() -> str:
    lines = ["## All rules\n", "| id | rule | severity | kind |", "| --- | --- | --- | --- |"]
    for family in FAMILIES:
        for rule in _sorted(family):
            lines.append(
                f"| [{rule.id}](#{rule.policy_name}) | {_cell(rule.title)} | {_severity(rule)} | {_kind(rule)} |"
            )
    lines += [
        "| GEN-05 | What could not be decided before the deployment is counted, not passed over | low | stack |",
        "| GEN-06 | An exception is for something, and ends | medium | stack |",
        "| GEN-07 | How much there is to mend, by severity | low | stack |",
    ]
    return "\n".join(lines) + "\n"


def _severity(rule: Rule) -> str:
    return rule.severity if rule.enabled else f"{rule.severity}, off by default"


def _kind(rule: Rule) -> str:
    return "resource" if rule.resource_check is not None else "stack"


def _cell(written: str) -> str:
    """A text in a table or paragraph: Markdown must not take its stars for emphasis."""
    return written.replace("*", "\\*").replace("|", "\\|")


def _section(rule: Rule) -> str:
    return "\n".join(_lines(rule)) + "\n"


def _lines(rule: Rule) -> Iterator[str]:
    check = rule.resource_check or rule.stack_check
    yield f"### {rule.policy_name}\n"
    yield f"**{rule.id}. {_cell(rule.title)}** ({_severity(rule)}, {_kind(rule)})\n"
    yield f"{_cell(' '.join((check.__doc__ or '').split()))}\n"
    judged = ", ".join(f"`{name}`" for name in sorted(rule.types)) or "every resource of AWS"
    yield f"- Judges: {judged}"
    yield f"- Fix: {_cell(rule.fix)}"
    yield f"- Source: {_cell(rule.source)}"
    if rule.frameworks:
        yield f"- Also: {', '.join(rule.frameworks)}"
    if rule.remedy:
        set_by = {path: value for changes in rule.remedy.values() for path, value in changes.items()}
        yield "- Remediation: " + ", ".join(f"`{path}` = `{json.dumps(value)}`" for path, value in set_by.items())
    for name, setting in rule.settings.items():
        yield f"- Setting `{name}` (default `{json.dumps(setting.default)}`): {_cell(setting.meaning)}"


def schema() -> dict[str, Any]:
    """JSON schema of a stack's configuration of the pack: the engine refuses mistakes only when it is too late."""
    names = {rule.policy_name: rule for rule in RULES}
    policies = {
        name: _entry({key: dict(setting.schema) for key, setting in rule.settings.items()}, bool(rule.remedy))
        for name, rule in sorted(names.items())
    }
    policies |= {name: _entry({}, False) for name in ("gen-05-undecided", "gen-06-exceptions", "gen-07-summary")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of the policy pack emr-pipeline",
        "type": "object",
        "additionalProperties": False,
        "properties": policies,
    }


def _entry(settings: dict[str, Any], remediates: bool) -> dict[str, Any]:
    levels = ["advisory", "mandatory", "disabled", *(["remediate"] if remediates else [])]
    level = {"enum": levels}
    properties = {"enforcementLevel": level, **settings}
    return {"anyOf": [level, {"type": "object", "additionalProperties": False, "properties": properties}]}


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
    SCHEMA.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
