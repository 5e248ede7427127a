"""The real engine on a sandbox: what a person sees who previews, deploys again, or mistypes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sandbox import chaos, control
from sandbox.demonstration import Narrator
from sandbox.engine import Engine, Failure, shell

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("engine")]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[control.Sandbox]:
    with control.temporary("engine-tests") as running:
        yield running


@pytest.fixture(scope="module")
def deployed(sandbox: control.Sandbox) -> Engine:
    """Deployed the hard way: the engine, and then the provider stand-ins, were killed while it went up."""
    trial = chaos.Chaos(sandbox, Narrator())
    trial.deploy([chaos.Kill("engine", 0.35), chaos.Kill("providers", 0.7)])
    return trial.engine


def changes(output: str) -> list[str]:
    """Lines of an operation's summary that tell of a change."""
    return re.findall(
        r"^\s*[+~\-]{1,2} \d+ to .*|^\s*[+~\-]{1,2} \d+ (?:created|updated|deleted|replaced)", output, re.M
    )


def test_after_kills_and_repairs_a_second_up_changes_nothing(deployed: Engine, sandbox: control.Sandbox) -> None:
    output = deployed.operate("up")
    assert changes(output) == [], f"what was just deployed is what the program asks for:\n{output}"
    assert chaos.Chaos(sandbox, Narrator()).unknown() == [], "nothing that was half made stands beside it"
    beside = list((sandbox.directory / "state").rglob("*.attrs"))
    assert beside == [], "the backend writes these in place, and half of one makes a state unreadable"


def test_a_refresh_finds_nothing_to_change(deployed: Engine) -> None:
    output = deployed.operate("refresh")
    assert changes(output) == [], f"what AWS tells is what was deployed:\n{output}"


def test_outputs_tell_where_everything_is(deployed: Engine) -> None:
    outputs = deployed.outputs()
    missing = {"rawBucket", "processedBucket", "clusterId", "stateMachineArn", "intakeQueueUrl"} - outputs.keys()
    assert not missing, "people and other stacks find the pipeline through its outputs"


def test_pulumi_by_hand_finds_the_stack_and_leaves_its_file_alone(deployed: Engine) -> None:
    """What `make start` tells to type after ``eval "$(make -s env)"``."""
    before = (ROOT / "Pulumi.sandbox.yaml").read_text()
    command = [shutil.which("pulumi", path=deployed.environment["PATH"]) or "pulumi", "stack", "output", "rawBucket"]
    variables = {**os.environ, **shell(deployed.sandbox)}
    said = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    assert said.stdout.strip() == deployed.outputs()["rawBucket"], f"without --stack: {said.stderr}"
    assert "encryptionsalt: " in before, "a preview by hand would write a salt into the file, and its form anew"
    assert (ROOT / "Pulumi.sandbox.yaml").read_text() == before


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_stack_previews_with_its_policies_and_no_account(stack: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    before = (ROOT / f"Pulumi.{stack}.yaml").read_text()
    command = [sys.executable, "-m", "sandbox", "preview", "--stack", stack, "--json", str(plan)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, f"the preview should pass its policies:\n{process.stdout}{process.stderr}"
    steps = json.loads(plan.read_text())["steps"]
    assert any("aws:emr/cluster:Cluster" in step["urn"] for step in steps), "the plan holds the cluster"
    assert (ROOT / f"Pulumi.{stack}.yaml").read_text() == before, "a look changes no stack file"


def test_a_mistake_in_the_configuration_is_told_without_a_traceback(sandbox: control.Sandbox) -> None:
    engine = Engine(sandbox, "dev")
    entries = yaml.safe_load(engine.config_file.read_text())
    entries["config"]["emr-pipeline:network"]["natGatways"] = "none"
    entries["config"]["emr-pipeline:networks"] = {}
    engine.config_file.write_text(yaml.safe_dump(entries))
    with pytest.raises(Failure) as failed:
        engine.operate("preview")
    text = str(failed.value)
    assert "emr-pipeline:network.natGatways: unknown key; did you mean natGateways?" in text, "the typo is named"
    assert "emr-pipeline:networks: unknown key; did you mean network?" in text, "and so is the other one"
    assert "Traceback" not in text, "an expected mistake shows no traceback"


def test_a_policy_violation_stops_up_before_anything_is_made(sandbox: control.Sandbox, tmp_path: Path) -> None:
    """A cluster in a public subnet: a copy of the program with one line changed, under the same pack."""
    program = tmp_path / "program"
    ignored = shutil.ignore_patterns(".git", ".venv", ".cache", ".sandbox", "__pycache__", "tests")
    shutil.copytree(ROOT, program, ignore=ignored)
    (program / ".venv").symlink_to(ROOT / ".venv")
    source = (program / "components" / "storage.py").read_text()
    weakened = source.replace("block_public_policy=True", "block_public_policy=False")
    assert weakened != source, "the line to weaken should be there"
    (program / "components" / "storage.py").write_text(weakened)
    engine = Engine(sandbox, "dev")
    shutil.copy(ROOT / "Pulumi.dev.yaml", engine.config_file)
    environment = engine.environment
    (program / "Pulumi.weak.yaml").write_text((ROOT / "Pulumi.dev.yaml").read_text())
    cli = [shutil.which("pulumi", path=environment["PATH"]) or "pulumi", "--non-interactive"]
    subprocess.run([*cli, "stack", "init", "weak"], cwd=program, env=environment, check=True, capture_output=True)
    command = [*cli, "up", "--yes", "--stack", "weak", "--policy-pack", str(ROOT / "policies"), "--color=never"]
    process = subprocess.run(command, cwd=program, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode != 0, f"a mandatory violation must stop the update:\n{process.stdout}"
    assert "public" in process.stdout, f"and say what is wrong:\n{process.stdout}"
    exported = subprocess.run(
        [*cli, "stack", "export", "--stack", "weak"],
        cwd=program,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    resources = json.loads(exported.stdout)["deployment"].get("resources", [])
    made = [resource["urn"] for resource in resources if resource["type"].startswith("aws:")]
    assert made == [], "nothing may have been made"


def test_destroy_takes_everything_down_again(deployed: Engine, sandbox: control.Sandbox) -> None:
    deployed.operate("destroy")
    buckets = [bucket["Name"] for bucket in sandbox.client("s3").list_buckets()["Buckets"]]
    assert buckets == [], "a destroyed stack leaves no bucket"
