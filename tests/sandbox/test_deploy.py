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
from tools import cli, comment, deploy, recover

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


def command(monkeypatch: pytest.MonkeyPatch, name: str) -> int:
    """`make recover STACK=…`; its exit status."""
    monkeypatch.setattr("sys.argv", ["tools.recover", "--stack", name])
    return recover.main()


def kill_during_creation(sandbox: control.Sandbox, name: str) -> tuple[str, str, str]:
    """Leave the state that an engine leaves which is killed after AWS has made all and before it wrote that down.

    Returns:
        URN and id of the bucket, and the other resource's URN.
    """
    # Not `pulumi stack import`, which drops what is under way.
    file = sandbox.directory / "state" / ".pulumi" / "stacks" / "emr-pipeline" / f"{name}.json"
    written = json.loads(file.read_text())
    latest = written["checkpoint"]["latest"]
    bucket, other = [resource for resource in latest["resources"] if resource["type"].startswith("aws:")]
    latest["resources"] = [resource for resource in latest["resources"] if resource not in (bucket, other)]
    latest["pending_operations"] = [
        {"type": "creating", "resource": {member: resource[member] for member in resource.keys() - {"id", "outputs"}}}
        for resource in (bucket, other)
    ]
    file.write_text(json.dumps(written))
    return bucket["urn"], bucket["id"], other["urn"]


def test_recover_takes_in_what_a_killed_engine_had_made_and_not_written_down(
    stack: Stack, sandbox: control.Sandbox, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name = stack("interrupted")
    pulumi("up", "--yes", "--skip-preview", "--stack", name)
    bucket, identity, block = kill_during_creation(sandbox, name)
    assert made(name) == [], "the state has lost what AWS has"
    assert command(monkeypatch, name) == 0
    said = capfd.readouterr().out
    assert f"found     {bucket} as {identity}" in said, "the bucket is there, and found by its name"
    assert f"again     {block}" in said, "settings of a bucket may simply be made once more"
    assert f"'make up STACK={name}' finishes what was interrupted" in said
    assert made(name) == [bucket], "the stack knows its bucket again"
    pulumi("up", "--yes", "--skip-preview", "--stack", name)
    pulumi("destroy", "--yes", "--skip-preview", "--stack", name)
    assert made(name) == []


def test_recover_of_a_stack_that_there_is_not_says_so(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stack("known")
    assert command(monkeypatch, "unknown") == 1
    said = capfd.readouterr().err
    assert "no stack named 'unknown' found" in said
    assert "Traceback" not in said
    assert command(monkeypatch, "") == 1
    assert "say which stack: make recover STACK=dev" in capfd.readouterr().err


def test_recover_with_another_account_s_credentials_drops_nothing_from_the_state(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    name = stack("elsewhere", compliance={"allowedAccountIds": ["999999999999"]})
    before = pulumi("stack", "export", "--stack", name)
    assert command(monkeypatch, name) == 1
    assert "these credentials are of 123456789012" in capfd.readouterr().err
    assert pulumi("stack", "export", "--stack", name) == before
