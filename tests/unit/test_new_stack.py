"""A new stack from a few answers: valid, with its reasons, and never over an existing one."""

from __future__ import annotations

import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

import settings
from tools import new_stack, stack_schema

ROOT = Path(__file__).resolve().parents[2]
ANSWERS: dict[str, str | None] = {
    "account": "111122223333",
    "owner": "analytics",
    "cost-centre": "0815",
    "email": "analytics@example.com",
    "dataset": "orders",
    "columns": "day:date!,customer:bigint!,amount:double",
    "partition-by": "day",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    for stack in ("dev", "prod"):
        shutil.copy(ROOT / f"Pulumi.{stack}.yaml", tmp_path)
        shutil.copy(ROOT / "policies" / f"config.{stack}.json", tmp_path / "policies")
    return tmp_path


@pytest.mark.parametrize("like", ["dev", "prod"])
def test_the_answers_make_a_valid_stack(root: Path, like: str) -> None:
    file = new_stack.write("team-a", {**ANSWERS, "like": like}, None, root)
    text = file.read_text()
    new_stack.check(text)
    jsonschema.Draft202012Validator(stack_schema.schema()).validate(yaml.safe_load(text))
    config = yaml.safe_load(text)["config"]
    assert config["emr-pipeline:tags"]["costCentre"] == "0815", "answers stay text, leading zeros included"
    assert config["emr-pipeline:compliance"]["allowedAccountIds"] == ["111122223333"], "no other account may get it"
    other = yaml.safe_load((root / f"Pulumi.{like}.yaml").read_text())["config"]
    assert config["emr-pipeline:cluster"] == other["emr-pipeline:cluster"], (
        "sizes are those of the stack that it is like"
    )
    assert (root / "policies" / "config.team-a.json").exists(), "and so are its policies"


def test_questions_are_asked_until_they_are_answered(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = {"account": ["12", "111122223333"], "region": [""]}
    asked: list[str] = []

    def answer(text: str) -> str:
        question = next(entry for entry in new_stack.QUESTIONS if text.startswith(entry.text))
        asked.append(question.name)
        return answers[question.name].pop(0) if question.name in answers else str(ANSWERS.get(question.name) or "")

    file = new_stack.write("team-b", {}, answer, root)
    assert asked.count("account") == 2, "a wrong answer is asked for again"
    assert "twelve digits" in capsys.readouterr().out, "with what it should look like"
    assert yaml.safe_load(file.read_text())["config"]["aws:region"] == "eu-west-1", "an empty answer takes the default"


def test_everything_that_is_missing_is_told_at_once(root: Path) -> None:
    with pytest.raises(new_stack.NewStackError) as raised:
        new_stack.write("team-c", {"account": "12"}, None, root)
    lines = str(raised.value).splitlines()
    assert len(lines) == 6, f"one line for each option that a script must give: {lines}"
    assert any("--account is '12'" in line for line in lines), "and for the wrong one"
    assert not (root / "Pulumi.team-c.yaml").exists(), "nothing is written"


@pytest.mark.parametrize(("name", "said"), [("dev", "exists already"), ("Team A", "lower-case")])
def test_a_name_that_cannot_be_used_is_refused(root: Path, name: str, said: str) -> None:
    before = (root / "Pulumi.dev.yaml").read_text()
    with pytest.raises(new_stack.NewStackError, match=said):
        new_stack.write(name, ANSWERS, None, root)
    assert (root / "Pulumi.dev.yaml").read_text() == before, "an existing stack is never touched"


def test_answers_that_make_no_valid_stack_write_nothing(root: Path) -> None:
    with pytest.raises(settings.ConfigurationError, match="partitionBy names month"):
        new_stack.write("team-d", {**ANSWERS, "partition-by": "month"}, None, root)
    assert not (root / "Pulumi.team-d.yaml").exists(), "a file that does not work is worse than none"


def test_a_script_gets_lines_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert new_stack.main(["dev"]) == 1, "a failure is a status"
    assert "exists already" in capsys.readouterr().err
