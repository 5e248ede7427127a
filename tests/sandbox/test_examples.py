"""Components used on their own, through the real engine: previewed, made, taken down, and refused in words."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox import control
from sandbox.engine import environment
from tools import cli

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@dataclass
class Program:
    """One example as a stack of its own; its configuration lies elsewhere, so that no file of the project changes."""

    name: str
    stack: str
    scratch: Path
    variables: dict[str, str]
    config: dict[str, Any] = field(default_factory=dict)

    def run(self, *arguments: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(cli.directory() / "pulumi"), "--non-interactive", "-C", str(directory or EXAMPLES / self.name)]
        return subprocess.run(
            [*command, *arguments, "--color=never"],
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self) -> None:
        self.scratch.mkdir(parents=True)
        shutil.copy(EXAMPLES / self.name / "Pulumi.yaml", self.scratch)
        done = self.run("stack", "init", self.stack, "--no-select", directory=self.scratch)
        assert done.returncode == 0, done.stdout + done.stderr
        self.salt = (self.scratch / f"Pulumi.{self.stack}.yaml").read_text()

    def operate(self, operation: str, *flags: str, **config: Any) -> subprocess.CompletedProcess[str]:
        """Run an operation under a configuration, given by group."""
        project = self.name.replace("_", "-")
        lines = [f"  {project}:{key}: {json.dumps(value)}" for key, value in config.items()]
        file = self.scratch / f"Pulumi.{self.stack}.yaml"
        file.write_text("\n".join([self.salt, "config:", "  aws:region: eu-west-1", *lines, ""]))
        confirmed = [] if operation == "preview" else ["--yes", "--skip-preview"]
        return self.run(operation, "--stack", self.stack, "--config-file", str(file), *confirmed, *flags)

    def outputs(self) -> dict[str, Any]:
        return json.loads(self.run("stack", "output", "--stack", self.stack, "--json").stdout)

    def resources(self) -> set[str]:
        exported = json.loads(self.run("stack", "export", "--stack", self.stack).stdout)
        return {entry["urn"] for entry in exported["deployment"].get("resources", [])}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[control.Sandbox]:
    with control.temporary("example-tests") as running:
        yield running


@pytest.fixture
def programs(sandbox: control.Sandbox, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    variables = {**os.environ, **environment(sandbox)}

    def make(name: str, stack: str = "") -> Program:
        stack = stack or re.sub(r"[^a-z0-9]+", "-", request.node.name)[-40:].strip("-")
        program = Program(name, stack, tmp_path / stack / name, variables)
        program.start()
        return program

    return make


def made(outcome: subprocess.CompletedProcess[str]) -> str:
    text = outcome.stdout + outcome.stderr
    assert outcome.returncode == 0, text
    return text


network = pytest.mark.xdist_group("examples-network")
data = pytest.mark.xdist_group("examples-data")


KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-55555555555"
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:their-pipeline"
DATASETS = {
    "flights": {
        "prefix": "flights/",
        "partitionBy": ["year"],
        "columns": [{"name": "year", "type": "int"}, {"name": "carrier", "type": "string"}],
    }
}
THERE: dict[str, Any] = {
    **{f"{purpose}Bucket": f"their-{purpose}" for purpose in ("raw", "processed", "logs", "scripts")},
    **{f"{purpose}KeyArn": f"{KEY}{number}" for number, purpose in enumerate(("data", "logs", "messages", "secrets"))},
    "subnetId": "subnet-0123456789abcdef0",
    "subnetIds": ["subnet-0123456789abcdef0"],
    "primarySecurityGroupId": "sg-0123456789abcdef0",
    "coreSecurityGroupId": "sg-0123456789abcdef1",
    "serviceAccessSecurityGroupId": "sg-0123456789abcdef2",
    "functionSecurityGroupId": "sg-0123456789abcdef3",
    "database": "their_database",
    "clusterParameter": "/their/cluster-id",
    "realm": "EU-WEST-1.COMPUTE.INTERNAL",
    "stateMachineArn": MACHINE,
    "stateMachineAliasArn": f"{MACHINE}:live",
}
"""What somebody who uses one component has already, by the examples' configuration keys."""


@pytest.mark.sandbox
@data
@pytest.mark.parametrize(
    ("name", "needs", "config", "made_of"),
    [
        ("encryption_keys", [], {}, {"aws:kms:Key": 4, "aws:kms:Alias": 4}),
        (
            "data_catalog",
            [],
            {"bucket": "some-bucket", "datasets": DATASETS},
            {"aws:glue:CatalogDatabase": 1, "aws:glue:CatalogTable": 1},
        ),
        (
            "kerberized_emr_cluster",
            ["Bucket", "KeyArn", "GroupId", "subnetId", "database"],
            {"cluster": {"core": {"instanceType": "r5.xlarge", "instanceCount": 3}}},
            {"aws:emr:Cluster": 1, "aws:emr:SecurityConfiguration": 1, "aws:iam:Role": 3, "aws:ec2:Vpc": 0},
        ),
        (
            "object_dispatcher",
            ["Bucket", "KeyArn", "GroupId", "subnetIds", "database", "stateMachine"],
            {"datasets": DATASETS},
            {"aws:sqs:Queue": 2, "aws:lambda:Function": 1, "aws:dynamodb:Table": 1, "aws:sfn:StateMachine": 0},
        ),
        (
            "pipeline_state_machine",
            ["Bucket", "KeyArn", "clusterParameter", "realm"],
            {"monitoring": {"emails": ["team@example.com"]}},
            {"aws:sfn:StateMachine": 1, "aws:sfn:Alias": 1, "aws:sns:Topic": 3, "aws:emr:Cluster": 0},
        ),
        (
            "pipeline_alarms",
            ["messagesKeyArn", "stateMachineArn"],
            {"monitoring": {"emails": ["team@example.com"]}},
            {"aws:cloudwatch:Dashboard": 1, "aws:sns:Topic": 3, "aws:sfn:StateMachine": 0},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_component_alone_is_a_program(
    programs: Any, name: str, needs: list[str], config: dict[str, Any], made_of: dict[str, int]
) -> None:
    there = {key: value for key, value in THERE.items() if any(need in key for need in needs)}
    outcome = programs(name, f"{name[:8]}-alone".replace("_", "-")).operate("preview", **there, **config)
    text = made(outcome)
    made_here = Counter(re.findall(r"^ *\+ +(?:├─ |└─ |│  )*(\S+:\S+:\S+)", text, re.MULTILINE))
    assert {kind: made_here[kind] for kind in made_of} == made_of, f"what it holds, and nothing of the others:\n{text}"


@pytest.mark.sandbox
@data
def test_the_whole_is_a_part_of_another_program_and_its_intake_ends_first(programs: Any) -> None:
    """A destroy takes the intake before what it depends on: it closes, and runs end (`components/intake_end.py`)."""
    config = {"datasets": DATASETS, "monitoring": {"emails": ["team@example.com"]}}
    plan = json.loads(made(programs("analytics_platform", "ends").operate("preview", "--json", **config)))
    planned = {step["urn"]: step["newState"] for step in plan["steps"]}
    made_here = Counter(state["type"].rsplit(":", 1)[1] for state in planned.values())
    for kind, number in {"Vpc": 1, "Cluster": 1, "Function": 2, "TopicSubscription": 3}.items():
        assert made_here[kind] == number, f"the pipeline, and the platform's own queue: {made_here}"
    (source,) = [state for state in planned.values() if state["type"].endswith(":EventSourceMapping")]
    kinds = [urn.split("::")[2].split("$") for urn in source["dependencies"]]
    behind = {kind[0].rsplit(":", 1)[1] for kind in kinds} - {"ObjectDispatcher"}
    assert behind == {
        *("EncryptionKeys", "EncryptedBuckets", "SecureVpc", "DataCatalog", "ObjectLedger", "PipelineJob"),
        *("KerberizedEmrCluster", "NotificationTopics", "PipelineStateMachine", "Housekeeping"),
    }, "all that an execution needs"


@pytest.mark.sandbox
@data
def test_a_slip_in_a_program_of_ones_own_is_told_as_in_the_pipeline(programs: Any) -> None:
    refused = programs("encryption_keys").operate("preview", encryption={"deletionWindowDay": 7})
    said = refused.stdout + refused.stderr
    assert refused.returncode != 0, said
    assert "encryption-keys:encryption.deletionWindowDay: unknown key; did you mean deletionWindowDays?" in said, said
    assert "Traceback" not in said, "an expected mistake shows no traceback"


@pytest.mark.sandbox
@network
@pytest.mark.parametrize("nat", ["none", "single", "per-az"])
def test_a_network_is_made_and_taken_down_in_every_nat_mode(programs: Any, sandbox: control.Sandbox, nat: str) -> None:
    ec2 = sandbox.client("ec2")

    def vpcs() -> set[str]:
        return {vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]}

    def gateways() -> list[str]:
        return [entry["State"] for entry in ec2.describe_nat_gateways()["NatGateways"] if entry["State"] != "deleted"]

    before = vpcs()
    program = programs("secure_vpc")
    settings = {"natGateways": nat, "networkAcls": "explicit" if nat == "single" else "default"}
    made(program.operate("up", network=settings))
    assert len(gateways()) == {"none": 0, "single": 1, "per-az": 2}[nat]
    (vpc,) = vpcs() - before
    if nat == "none":
        _adopt(programs, program.outputs(), vpc)
    made(program.operate("destroy", network=settings))
    assert vpcs() == before, "a network that is taken down leaves no VPC behind"
    assert gateways() == [], "nor a NAT gateway, which costs by the hour"
    assert program.resources() == set()


def _adopt(programs: Any, outputs: dict[str, Any], vpc: str) -> None:
    """Another stack takes the network as it is; and says what is wrong when it is none to live in."""
    adopting = programs("secure_vpc", "adopting")
    existing = {"vpcId": vpc, "privateSubnetIds": outputs["privateSubnetIds"]}
    text = made(adopting.operate("preview", network={"existingVpc": existing, "natGateways": "none"}))
    assert "SecurityGroup" in text, "groups and rules are made there"
    assert "aws:ec2:Subnet" not in text, "subnets are not"
    refused = adopting.operate("preview", network={"existingVpc": existing, "natGateways": "single"})
    assert refused.returncode != 0, "a subnet without a way out cannot have one"
    said = refused.stdout + refused.stderr
    for subnet in outputs["privateSubnetIds"]:
        assert f"secure-vpc:network.existingVpc: {subnet} has no default route" in said, said
    assert "Traceback" not in said, "an expected mistake shows no traceback"


@pytest.mark.sandbox
@data
def test_a_destroy_without_both_keys_touches_nothing_and_with_them_takes_all(
    programs: Any, sandbox: control.Sandbox
) -> None:
    s3 = sandbox.client("s3")
    program = programs("encrypted_buckets")
    made(program.operate("up"))
    raw = program.outputs()["rawBucket"]
    before = program.resources()
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]

    # Without a preview the engine takes what it may before it says what it may not: there must be nothing to take.
    refused = program.operate("destroy")
    assert refused.returncode != 0, "one command may not lose the data"
    said = refused.stdout + refused.stderr
    assert "protect" in said, f"the reason is told: {said}"
    assert "buckets-raw" in said, f"and the bucket: {said}"
    assert program.resources() == before, "nothing is touched: neither buckets nor their policies and access blocks"
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == buckets
    policy = json.loads(s3.get_bucket_policy(Bucket=raw)["Policy"])
    assert "DenyVersionDeletion" in [entry["Sid"] for entry in policy["Statement"]]

    one_key = program.operate("up", storage={"onDestroy": "delete"})
    assert one_key.returncode != 0
    assert "deleting data needs both" in one_key.stdout + one_key.stderr

    both = {"onDestroy": "delete", "allowDataLoss": True}
    made(program.operate("up", storage=both))
    made(program.operate("destroy", storage=both))
    assert not {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} & set(buckets)
