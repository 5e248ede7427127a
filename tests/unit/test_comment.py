"""What a reviewer reads about a plan: what goes first, what it costs, and never a value."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


URN = "urn:pulumi:dev::emr-pipeline::emr-pipeline:storage:EncryptedBuckets$aws:s3/bucket:Bucket::buckets-raw"


def finding(level: str, policy: str, message: str) -> dict[str, str]:
    return {"level": level, "policy": policy, "urn": URN, "message": message}


def test_policies_speak_and_cannot_write_markup() -> None:
    found = [
        finding("advisory", "bucket-lifecycle", "[S3-09] keeps uploads"),
        finding("mandatory", "bucket-public", "[S3-01] bucket | is `public` <script>\n"),
    ]
    text = comment.comment("dev", {"steps": [], "policies": found})
    assert "**1 stop the deployment**, 1 are advice" in text, "how many of which"
    assert text.index("[S3-01]") < text.index("[S3-09]"), "what stops it comes first"
    assert "| **mandatory** | `bucket-public` | `buckets-raw` | `[S3-01] bucket   is  public   script ` |" in text, (
        "in words"
    )
    assert "<script>" not in text, "and is text alone"
    assert "No violation" in comment.comment("dev", {"steps": [], "policies": []}), (
        "silence is told apart from a look away"
    )


def test_what_the_engine_says_is_quoted() -> None:
    said = "<{%fg 1%}>warning: the release <b>ends</b><{%reset%}>"
    text = comment.comment("dev", {"steps": [], "diagnostics": [{"severity": "error", "message": said}]})
    assert "- **error** `warning: the release  b ends /b `" in text, "without colours and markup"


def test_nothing_to_do_is_said() -> None:
    assert "**Nothing changes.**" in comment.comment("dev", {"steps": [step("same", "aws:kms/key:Key", "data")]})


@pytest.mark.parametrize(
    ("written", "said"), [(None, "does not exist"), ("error: no such stack", "no such stack"), ("[]", "no plan")]
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


@dataclass
class GitHub:
    """GitHub's API of issue comments, as far as the job uses it."""

    address: str
    comments: list[dict[str, Any]]
    calls: list[str]


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    hub = GitHub("", [], [])

    class Handler(BaseHTTPRequestHandler):
        def answer(self, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def body(self) -> str:
            return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]

        def do_GET(self) -> None:
            page = int(self.path.rsplit("=", 1)[1])
            self.answer(hub.comments[(page - 1) * 100 : page * 100])

        def do_POST(self) -> None:
            hub.calls.append(f"POST {self.path}")
            hub.comments.append({"id": len(hub.comments), "user": {"type": "Bot"}, "body": self.body()})
            self.answer({})

        def do_PATCH(self) -> None:
            hub.calls.append(f"PATCH {self.path}")
            hub.comments[int(self.path.rsplit("/", 1)[1])]["body"] = self.body()
            self.answer({})

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    for name, value in {"API_URL": hub.address, "REPOSITORY": "team/pipeline"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    monkeypatch.setenv("NUMBER", "7")
    monkeypatch.setenv("GH_TOKEN", "token")
    yield hub
    server.shutdown()
    server.server_close()


def test_a_stack_has_one_comment_however_often_it_is_previewed(github: GitHub, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    quoted = {"id": 0, "user": {"type": "User"}, "body": f"> {comment.marker('dev')}"}
    github.comments += [quoted, *({"id": n, "user": {"type": "User"}, "body": "looks good"} for n in range(1, 120))]
    for operation in ("create", "update"):
        file.write_text(json.dumps({"steps": [step(operation, "aws:sqs/queue:Queue", "intake")], "policies": []}))
        assert comment.main(["dev", str(file), "--post"]) == 0
    file.write_text(json.dumps({"steps": []}))
    assert comment.main(["prod", str(file), "--post"]) == 0
    assert github.calls == [
        "POST /repos/team/pipeline/issues/7/comments",
        "PATCH /repos/team/pipeline/issues/comments/120",
        "POST /repos/team/pipeline/issues/7/comments",
    ], "the second look edits the first one's comment, a page further; another stack has its own"
    assert "1 to update" in github.comments[120]["body"], "and tells what is so now"


def test_a_comment_that_github_does_not_take_fails_the_job(
    github: GitHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.json").write_text('{"steps": []}')
    monkeypatch.setenv("GITHUB_API_URL", f"{github.address.rsplit(':', 1)[0]}:1")
    assert comment.main(["dev", str(tmp_path / "plan.json"), "--post"]) == 1
    assert "GitHub did not take the comment" in capsys.readouterr().err, "in words"
    monkeypatch.delenv("NUMBER")
    assert comment.main(["dev", str(tmp_path / "plan.json"), "--post"]) == 1
    assert "NUMBER is not set" in capsys.readouterr().err, "and what is missing is named"
