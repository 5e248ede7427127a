"""`make up` and `make destroy` (tools/deploy.py) against a sandbox: what stops them, and what they do."""

from __future__ import annotations

import json
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox import control
from sandbox.engine import environment
from tools import cli, comment, deploy

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("deploy")]

PROGRAM = """
    import pulumi
    import pulumi_aws as aws

    bucket = aws.s3.Bucket("data", force_destroy=True)
    aws.s3.BucketPublicAccessBlock("data", bucket=bucket.bucket, block_public_policy=False)
    pulumi.export("bucket", bucket.bucket)
"""
"""A bucket that the policy pack refuses."""

Stack = Callable[..., str]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[control.Sandbox]:
    with control.temporary("deploy-tests") as running:
        yield running


@pytest.fixture
def stack(sandbox: control.Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """Makes a stack with the sandbox's configuration and a few changes, in a program of its own."""
    for name, value in environment(sandbox).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: emr-pipeline\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(textwrap.dedent(PROGRAM))

    def make(name: str, **changes: dict[str, Any]) -> str:
        entries = yaml.safe_load((ROOT / "Pulumi.sandbox.yaml").read_text())
        for group, values in changes.items():
            entries["config"].setdefault(f"emr-pipeline:{group}", {}).update(values)
        pulumi("stack", "init", name)
        (tmp_path / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump(entries))
        return name

    return make


def pulumi(*arguments: str) -> str:
    command = [str(cli.directory() / "pulumi"), "--non-interactive", *arguments]
    done = subprocess.run(command, cwd=cli.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def made(name: str) -> list[str]:
    resources = json.loads(pulumi("stack", "export", "--stack", name))["deployment"].get("resources", [])
    return [resource["urn"] for resource in resources if resource["type"].startswith("aws:")]


def test_another_account_is_refused_before_anything_is_asked_or_done(stack: Stack) -> None:
    name = stack("guarded", compliance={"allowedAccountIds": ["999999999999"]})
    for command in (deploy.up, deploy.destroy):
        with pytest.raises(deploy.DeployError) as refused:
            command(name, yes=True)
        message = str(refused.value)
        assert "compliance.allowedAccountIds of stack guarded is 999999999999" in message, "the key and what it allows"
        assert "these credentials are of 123456789012" in message, "and the account that the credentials are of"
    assert made(name) == []


def test_a_mandatory_violation_stops_up_before_anything_is_made(
    stack: Stack, sandbox: control.Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    name = stack("weak")
    with pytest.raises(deploy.DeployError, match=r"'pulumi preview --stack' failed"):
        deploy.up(name, yes=True)
    assert "mandatory" in capfd.readouterr().out, "the preview tells which rule it was"
    assert made(name) == [], "nothing was made"
    assert sandbox.client("s3").list_buckets()["Buckets"] == []


def test_a_violation_is_in_the_plan_and_in_the_comment_on_it(stack: Stack, tmp_path: Path) -> None:
    name = stack("weakened")
    file = tmp_path / "plan.json"
    with pytest.raises(deploy.DeployError, match="the plan is in"):
        deploy.preview(name, file)
    plan = comment.read(file)
    mandatory = [entry for entry in plan["policies"] if entry["level"] == "mandatory"]
    assert mandatory, "the engine's own plan leaves them out; the event log has them"
    text = "\n".join(comment.policies(plan))
    assert f"**{len(mandatory)} stop the deployment**" in text, "a reviewer sees what stops it"
    assert f"`{mandatory[0]['policy']}`" in text, "and which policy that is"


def test_destroy_without_both_keys_refuses_in_words_and_touches_nothing(stack: Stack) -> None:
    name = stack("kept", storage={"onDestroy": "retain"}, cluster={"terminationProtection": True})
    with pytest.raises(deploy.DeployError) as refused:
        deploy.destroy(name, yes=True)
    message = str(refused.value)
    assert "stack kept is not destroyed; nothing was touched" in message
    assert "storage.onDestroy is 'retain'" in message, "the first key"
    assert "allowDataLoss: true" in message, "and the second"
    assert "cluster.terminationProtection is true" in message


def test_nobody_there_to_answer_is_no_agreement(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    name = stack("unasked")
    monkeypatch.setattr("sys.stdin", (ROOT / "Makefile").open())
    with pytest.raises(deploy.DeployError, match="pass YES=1 to agree"):
        deploy.destroy(name, yes=False)


def test_destroy_takes_everything_down(stack: Stack) -> None:
    name = stack("everything")
    pulumi("up", "--yes", "--skip-preview", "--stack", name)
    assert made(name) != []
    deploy.destroy(name, yes=True)
    assert made(name) == []
