"""Write a valid stack file from a few answers: ``python -m tools.new_stack NAME [--region … --owner …]``.

What is not given is asked for, when somebody is there to answer. Sizes and switches come from a stack that exists
(``--like dev`` or ``prod``), with their reasons; the answers replace what is a stack's own.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

import settings
from components.rules import rules

ROOT = Path(__file__).resolve().parent.parent
OWN = ("tags", "compliance", "monitoring", "datasets")
"""Groups that are a stack's own; the others are taken from the stack that it is like."""


class NewStackError(Exception):
    """Something is missing or wrong; the message says what to give."""


@dataclass(frozen=True)
class Question:
    """Something that matters for a stack, and what an answer looks like."""

    name: str
    text: str
    pattern: str
    form: str
    default: str | None = None


QUESTIONS = (
    Question(
        "like",
        "Sizes and switches as in which stack (dev: small, prod: kept safe)",
        r"[a-z][a-z0-9-]*",
        "a stack",
        "dev",
    ),
    Question("region", "AWS region", r"[a-z]{2}(-[a-z]+)+-\d", "a region's code, e.g. eu-west-1", "eu-west-1"),
    Question("account", "AWS account that it may be deployed to", r"\d{12}", "twelve digits"),
    Question(
        "cidr",
        "Addresses of its network, apart from every network that it is to reach",
        r"[\d.]+/\d\d",
        "a private network of /16 to /22",
        "10.50.0.0/20",
    ),
    Question("owner", "Team that answers for it", r"[^\"\\]{1,256}", "a name"),
    Question("cost-centre", "Cost centre that pays", r"[^\"\\]{1,256}", "a name or number"),
    Question(
        "classification",
        "How sensitive is the data",
        r"public|internal|confidential|restricted",
        "public, internal, confidential or restricted",
        "confidential",
    ),
    Question("email", "Address that hears of failures", r"[^@\s\"\\]+@[^@\s\"\\]+\.[^@\s\"\\]+", "an e-mail address"),
    Question(
        "dataset",
        "First data set: its name, and its folder in the raw bucket",
        r"[a-z][a-z0-9_]{0,62}",
        "lower-case letters, digits and _",
    ),
    Question(
        "columns",
        "Its columns",
        r"[a-z][a-z0-9_]*:\w+!?(,[a-z][a-z0-9_]*:\w+!?)*",
        "name:type,… ; a ! after the type for columns that must have a value; types: "
        + ", ".join(settings.ColumnType.__args__),
    ),
    Question(
        "partition-by",
        "Columns that partition the table (empty for none)",
        r"([a-z][a-z0-9_]*(,[a-z][a-z0-9_]*)*)?",
        "names with commas between",
        "",
    ),
)


def ask(given: dict[str, str | None], answer: Callable[[str], str] | None) -> dict[str, str]:
    """Answers to every question: given, asked for, or the default where nobody is there.

    Raises:
        NewStackError: naming every option that is missing or does not have the form.
    """
    answers: dict[str, str] = {}
    mistakes: list[str] = []
    for question in QUESTIONS:
        value = given.get(question.name)
        if value is None and answer is not None:
            shown = f" [{question.default}]" if question.default else ""
            while True:
                value = answer(f"{question.text}{shown}: ").strip() or (question.default or "")
                if re.fullmatch(question.pattern, value):
                    break
                print(f"  that is not {question.form}")
        elif value is None:
            value = question.default
        if value is None:
            mistakes.append(f"--{question.name}: missing; {question.form} ({question.text})")
        elif not re.fullmatch(question.pattern, value):
            mistakes.append(f"--{question.name} is {value!r}: it must be {question.form}")
        else:
            answers[question.name] = value
    if mistakes:
        raise NewStackError("\n".join(mistakes))
    return answers


def groups_of(text: str) -> dict[str, str]:
    """The groups of a stack file as they are written, comments included."""
    parts = re.split(r"^  emr-pipeline:(\w+):", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _column(written: str) -> str:
    name, kind = written.removesuffix("!").split(":")
    required = ", nullable: false" if written.endswith("!") else ""
    return f"        - {{ name: {json.dumps(name)}, type: {kind}{required} }}\n"


def compose(name: str, answers: dict[str, str], template: str) -> str:
    """The text of the stack file."""
    groups = {group: text.rstrip("\n") for group, text in groups_of(template).items() if group not in OWN}
    network = re.sub(r"\n    cidrBlock:.*", "", groups.get("network", ""))
    groups["network"] = f"\n    cidrBlock: {answers['cidr']} # apart from the networks that it is to reach{network}"
    kept = "".join(f"  emr-pipeline:{group}:{text}\n" for group, text in groups.items())
    partitions = [column for column in answers["partition-by"].split(",") if column]
    return f"""\
# yaml-language-server: $schema=schemas/stack.schema.json
# Stack {name}. Only what differs from the defaults, and why; docs/configuration.md has every key.
config:
  aws:region: {answers["region"]}
{kept}  emr-pipeline:compliance:
    allowedAccountIds: ["{answers["account"]}"] # the only account that this stack may be deployed to
  emr-pipeline:monitoring:
    emails: [{json.dumps(answers["email"])}] # confirm both subscriptions that AWS sends
  emr-pipeline:tags:
    owner: {json.dumps(answers["owner"], ensure_ascii=False)}
    costCentre: {json.dumps(answers["cost-centre"], ensure_ascii=False)}
    dataClassification: {answers["classification"]}
  emr-pipeline:datasets:
    {answers["dataset"]}:
      prefix: {answers["dataset"]}/
      partitionBy: {json.dumps(partitions)}
      columns:
{"".join(_column(column) for column in answers["columns"].split(","))}"""


def check(text: str) -> None:
    """Hold a stack file against the settings and every rule.

    Raises:
        ConfigurationError: with its mistakes.
    """
    config = yaml.safe_load(text)["config"]
    values = {key.split(":", 1)[1]: value for key, value in config.items() if key.startswith("emr-pipeline:")}
    settings.parse(values, rules=rules())


def write(name: str, given: dict[str, str | None], answer: Callable[[str], str] | None, root: Path = ROOT) -> Path:
    """Write the stack file of a new stack, and its configuration of the policies.

    Raises:
        NewStackError: for a name that is taken or no name, and for answers that are missing or wrong.
        ConfigurationError: when the answers make no valid stack; nothing is written then.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", name):
        raise NewStackError(
            f"NAME is {name!r}: it must be lower-case letters, digits and -, at most 30, as in bucket names"
        )
    file = root / f"Pulumi.{name}.yaml"
    if file.exists():
        raise NewStackError(f"{file.name} exists already: choose another NAME, or edit it")
    answers = ask(given, answer)
    template = root / f"Pulumi.{answers['like']}.yaml"
    if not template.exists():
        known = sorted(path.name.split(".")[1] for path in root.glob("Pulumi.*.yaml"))
        raise NewStackError(f"--like is {answers['like']!r}: there is no such stack; known: {', '.join(known)}")
    text = compose(name, answers, template.read_text(encoding="utf-8"))
    check(text)
    file.write_text(text, encoding="utf-8")
    policies = root / "policies" / f"config.{answers['like']}.json"
    if policies.exists():
        shutil.copy(policies, policies.with_name(f"config.{name}.json"))
    return file


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, check, write; mistakes are lines and exit status 1."""
    parser = argparse.ArgumentParser(prog="make new-stack NAME=… ARGS=…", description=__doc__)
    parser.add_argument("name")
    for question in QUESTIONS:
        parser.add_argument(f"--{question.name}", help=f"{question.text} ({question.form})")
    given = vars(parser.parse_args(arguments))
    name = given.pop("name")
    options = {key.replace("_", "-"): value for key, value in given.items()}
    try:
        file = write(name, options, input if sys.stdin.isatty() else None)
    except (NewStackError, settings.ConfigurationError) as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("\nnothing was written", file=sys.stderr)
        return 130
    print(f"""wrote {file.name}, and policies/config.{name}.json as the stack that it is like has it. Next:
  make preview STACK={name}          # what it would make, no AWS account needed
  make cost STACK={name}             # what that costs a month
  make bootstrap ARGS="--stack {name} …"   # once an account: where its state lives
  make up STACK={name}""")
    return 0


if __name__ == "__main__":
    sys.exit(main())
