"""What a reviewer reads about a plan: what goes first, what it costs, and never a value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools import comment


def step(operation: str, token: str, name: str, **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:dev::emr-pipeline::emr-pipeline:network:SecureVpc${token}::{name}"
    return {"op": operation, "urn": urn, **more}


def test_what_is_lost_is_told_first() -> None:
    plan = {
        "steps": [
            step("create", "aws:sqs/queue:Queue", "intake"),
            step("create-replacement", "aws:emr/cluster:Cluster", "cluster", replaceReasons=["releaseLabel"]),
            step("replace", "aws:emr/cluster:Cluster", "cluster"),
            step("delete-replaced", "aws:emr/cluster:Cluster", "cluster"),
            step("update", "aws:lambda/function:Function", "dispatcher", diffReasons=["timeout"]),
            step("same", "aws:kms/key:Key", "data"),
        ]
    }
    text = comment.comment("dev", plan)
    assert "**1 to replace, 1 to update, 1 to create**" in text, "a replacement counts once, unchanged ones not at all"
    assert text.index("would be replaced") < text.index("| change |"), "lost data stands before everything else"
    assert "| replace | `cluster` | aws:emr/cluster:Cluster | `releaseLabel` |" in text, "with the property behind it"
    assert "USD a month" in text, "and what the stack costs"


def test_no_value_of_a_plan_is_shown() -> None:
    plan = {
        "steps": [
            step(
                "update",
                "aws:secretsmanager/secretVersion:SecretVersion",
                "password",
                detailedDiff={"secretString": {"kind": "update"}},
                oldState={"inputs": {"secretString": "hunter1"}},
                newState={"inputs": {"secretString": "hunter2"}},
            )
        ]
    }
    text = comment.comment("dev", plan)
    assert "`secretString`" in text, "reviewers see what changes"
    assert "hunter" not in text, "never to what"


def test_policies_speak_and_cannot_write_markup() -> None:
    said = "<{%fg 1%}>mandatory: [s3-01]<{%reset%}> bucket | is `public` <script>\n"
    plan = {"steps": [], "diagnostics": [{"severity": "error", "message": said}]}
    text = comment.comment("dev", plan)
    assert "- **error**: `mandatory: [s3-01] bucket" in text, "the violation is quoted"
    assert "<script>" not in text, "and is text alone"


def test_nothing_to_do_is_said() -> None:
    assert "**Nothing changes.**" in comment.comment("dev", {"steps": [step("same", "aws:kms/key:Key", "data")]})


@pytest.mark.parametrize(
    ("written", "said"), [(None, "does not exist"), ("error: no", "is no JSON"), ("[]", "no plan")]
)
def test_a_preview_that_failed_is_told_in_the_comment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str | None, said: str
) -> None:
    file = tmp_path / "plan.json"
    if written is not None:
        file.write_text(written)
    assert comment.main(["dev", str(file)]) == 1, "the job sees it"
    assert said in capsys.readouterr().out, "and so does the reviewer"


def test_a_long_plan_stays_within_a_comment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [step("delete", "aws:sqs/queue:Queue", f"{'queue' * 10}-{number}") for number in range(500)]
    (tmp_path / "plan.json").write_text(json.dumps({"steps": steps}))
    assert comment.main(["dev", str(tmp_path / "plan.json")]) == 0
    said = capsys.readouterr().out
    assert len(said) < 65_536, "GitHub refuses longer comments"
    assert "440 more" in said, "what is left out is counted"
