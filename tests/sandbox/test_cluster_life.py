"""The life of a cluster, on the real engine: what a change of each setting does, and that it does it once.

A program of the cluster and an intake alone, so that an update takes seconds. What changes in it stands in
`cluster_changes`: the engine does that and nothing else, so whatever one update left undone would show in the next.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import textwrap
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.verification import PolicyBuilder, Store

from components.certificates import CERTIFICATE_CHAIN, PRIVATE_KEY, TRUSTED_CERTIFICATES
from sandbox import control
from sandbox.engine import environment
from tests.sandbox.cluster_changes import CLUSTER, PASSWORDS, SETTINGS, UPDATES, Update, operations, places
from tools import cli

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("cluster-life")]

PROGRAM = """
    import json, pathlib, sys
    sys.path.insert(0, {root!r})
    import pulumi, pulumi_aws as aws
    from components import cluster_end, intake_end
    from components.cluster import KerberizedEmrCluster, KerberizedEmrClusterArgs
    from components.environment import AwsEnvironment
    from components.storage import PipelineBucket
    from settings import ClusterSettings

    settings = ClusterSettings.model_validate(json.loads(pathlib.Path("settings.json").read_text()))
    environment = AwsEnvironment.look_up()
    cluster_end.LOOK_SECONDS = 0.5

    def bucket(name):
        made = aws.s3.Bucket(name, bucket=f"life-{{name}}", force_destroy=True)
        return PipelineBucket(name=f"life-{{name}}", arn=f"arn:aws:s3:::life-{{name}}", ready=[made])

    vpc = aws.ec2.Vpc("vpc", cidr_block="10.9.0.0/16")
    subnet = aws.ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block="10.9.0.0/20")
    groups = [
        # EMR lets them name each other, which would keep each from being deleted.
        aws.ec2.SecurityGroup(name, vpc_id=vpc.id, revoke_rules_on_delete=True)
        for name in ("primary", "core", "service")
    ]
    key = aws.kms.Key("key")
    cluster = KerberizedEmrCluster("cluster", KerberizedEmrClusterArgs(
        settings=settings,
        environment=environment,
        subnet_id=subnet.id,
        primary_security_group_id=groups[0].id,
        core_security_group_id=groups[1].id,
        service_access_security_group_id=groups[2].id,
        data_key_arn=key.arn, logs_key_arn=key.arn, secrets_key_arn=key.arn,
        raw=bucket("raw"), processed=bucket("processed"), logs=bucket("logs"), scripts=bucket("scripts"),
        database_name="life", wait_for=[],
    ))

    # The intake, as the dispatcher has it: a queue, a function, and a state machine whose executions take a while.
    trust = {{"Version": "2012-10-17", "Statement": [
        {{"Effect": "Allow", "Principal": {{"Service": "states.amazonaws.com"}}, "Action": "sts:AssumeRole"}}
    ]}}
    role = aws.iam.Role("role", name="life", assume_role_policy=json.dumps(trust))
    wait = {{"Type": "Wait", "Seconds": 600, "End": True}}
    machine = aws.sfn.StateMachine(
        "machine", name="life", role_arn=role.arn, definition=json.dumps({{"StartAt": "W", "States": {{"W": wait}}}})
    )
    function = aws.lambda_.Function(
        "function", name="life", role=role.arn, runtime="python3.12", handler="code.handler",
        code=pulumi.AssetArchive({{"code.py": pulumi.StringAsset("def handler(event, context): pass")}}),
    )
    closing = intake_end.Intake(
        function_name="life", start_rules=(), state_machine_arn=environment.arn("states", "stateMachine:life"),
        drain_minutes=settings.drain_minutes, look_seconds=0.5,
    )
    aws.lambda_.EventSourceMapping(
        "intake", event_source_arn=aws.sqs.Queue("queue").arn, function_name=function.name,
        opts=pulumi.ResourceOptions(
            depends_on=[cluster, machine],
            hooks=pulumi.ResourceHookBinding(
                before_delete=[intake_end.hook("intake-end", closing, region=environment.region)]
            ),
        ),
    )
    pulumi.export("cluster", cluster.cluster_id)
    pulumi.export("parameter", cluster.cluster_parameter_name)
"""


@dataclass
class Life:
    """The program, its stack, and the AWS beneath."""

    directory: Path
    environment: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(cli.directory() / "pulumi"), "--non-interactive", "--color=never", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        process = self.begin(*arguments)
        said, _ = process.communicate()
        assert (process.returncode != 0) is fails, f"{' '.join(arguments)}: {said}"
        return said

    def write(self, **change: Any) -> None:
        self.settings |= change
        (self.directory / "settings.json").write_text(json.dumps(self.settings))

    def up(self, **change: Any) -> dict[str, str]:
        """Change settings, update, and tell what the engine did, by resource."""
        self.write(**change)
        return self.operations("up", "--yes", "--skip-preview")

    def operations(self, *arguments: str) -> dict[str, str]:
        """What the engine does in an operation, by resource, as `cluster_changes.Change.shows` tells it."""
        log = self.directory / f"{time.time_ns()}.events"
        self.pulumi(*arguments, "--event-log", str(log))
        done: dict[str, str] = {}
        why: dict[str, dict[str, set[str]]] = {}
        for line in log.read_text().splitlines():
            event = json.loads(line)
            metadata = (event.get("resOutputsEvent") or event.get("resourcePreEvent") or {}).get("metadata")
            if metadata is None or metadata["op"] == "same" or metadata["type"].startswith("pulumi:providers:"):
                continue
            name = metadata["urn"].rsplit("::", 1)[1]
            replaces = "replace" in metadata["op"]
            done[name] = "replace" if replaces or done.get(name) == "replace" else metadata["op"]
            for path, difference in (metadata.get("detailedDiff") or {}).items():
                before, after = (_at(path, metadata[side]["inputs"]) for side in ("old", "new"))
                forces = "replace" if difference["diffKind"].endswith("-replace") else "update"
                why.setdefault(name, {}).setdefault(forces, set()).update(places(path, before, after))
        return {
            name: operations(why[name]) if operation in ("update", "replace") else operation
            for name, operation in done.items()
        }

    def client(self, service: str) -> Any:
        known = self.environment
        return boto3.client(
            service,
            endpoint_url=known["AWS_ENDPOINT_URL"],
            region_name="eu-west-1",
            aws_access_key_id=known["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=known["AWS_SECRET_ACCESS_KEY"],
        )

    def outputs(self) -> dict[str, Any]:
        return json.loads(self.pulumi("stack", "output", "--json"))

    def start(self) -> str:
        """Start an execution that takes ten minutes; its ARN."""
        machine = "arn:aws:states:eu-west-1:123456789012:stateMachine:life"
        return self.client("stepfunctions").start_execution(stateMachineArn=machine)["executionArn"]

    def intake(self) -> str:
        """State of the intake's event source."""
        (source,) = self.client("lambda").list_event_source_mappings(FunctionName="life")["EventSourceMappings"]
        return source["State"]

    def state(self, cluster: str) -> str:
        return self.client("emr").describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"]


def _at(path: str, inputs: Any) -> Any:
    for part in path.split("."):
        inputs = inputs.get(part) if isinstance(inputs, dict) else None
    return inputs


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    directory = tmp_path_factory.mktemp("program")
    (directory / "Pulumi.yaml").write_text("name: life\nruntime: python\n")
    (directory / "__main__.py").write_text(textwrap.dedent(PROGRAM).format(root=str(ROOT)))
    with control.temporary("cluster-life") as sandbox:
        life = Life(directory, {**os.environ, **environment(sandbox)})
        life.pulumi("stack", "init", "test")
        life.pulumi("config", "set", "aws:region", "eu-west-1")
        for secret in PASSWORDS:
            life.client("secretsmanager").create_secret(Name=secret, SecretString="said-by-their-owner")
        life.up(**SETTINGS)
        yield life


def test_what_was_made_is_what_is_asked_for(life: Life) -> None:
    assert life.up() == {}, "a second update has nothing to do"


def test_the_uploaded_certificate_is_good_for_every_node(life: Life) -> None:
    """The object as nodes fetch it, judged by a TLS library."""
    s3 = life.client("s3")
    (entry,) = s3.list_objects_v2(Bucket="life-scripts", Prefix="certificates/")["Contents"]
    stored = s3.get_object(Bucket="life-scripts", Key=entry["Key"])
    assert stored["ServerSideEncryption"] == "aws:kms", "the private key lies encrypted under the data key"
    archive = zipfile.ZipFile(io.BytesIO(stored["Body"].read()))
    assert sorted(archive.namelist()) == sorted([CERTIFICATE_CHAIN, PRIVATE_KEY, TRUSTED_CERTIFICATES]), "flat"
    leaf, *_ = x509.load_pem_x509_certificates(archive.read(CERTIFICATE_CHAIN))
    trusted = x509.load_pem_x509_certificates(archive.read(TRUSTED_CERTIFICATES))
    key: Any = load_pem_private_key(archive.read(PRIVATE_KEY), None)
    assert key.public_key() == leaf.public_key(), "the key is the certificate's"
    assert key.key_size >= 2048
    for name in ("ip-10-9-0-4.eu-west-1.compute.internal", "ec2-52-1-2-3.eu-west-1.compute.amazonaws.com"):
        PolicyBuilder().store(Store(trusted)).build_server_verifier(x509.DNSName(name)).verify(leaf, [])
    stranger = x509.DNSName("ip-10-9-0-4.eu-west-2.compute.internal")
    verifier = PolicyBuilder().store(Store(trusted)).build_server_verifier(stranger)
    with pytest.raises(x509.verification.VerificationError):
        verifier.verify(leaf, [])
    assert leaf.not_valid_after_utc > datetime.now(UTC) + timedelta(days=4 * 365), "years: the cluster ends with it"
    state = json.loads(life.pulumi("stack", "export"))
    private = base64.b64encode(archive.read(PRIVATE_KEY)).decode()[40:120]
    text = json.dumps(state)
    assert "BEGIN PRIVATE KEY" not in text, "private keys are secrets of the state"
    assert "BEGIN RSA PRIVATE KEY" not in text
    assert private not in text


@pytest.mark.parametrize("update", UPDATES, ids=lambda update: update.changes[0].entry)
def test_settings_do_what_the_page_says(life: Life, update: Update) -> None:
    settings = life.settings
    life.settings = update.after(settings)
    if not update.done:
        life.write()
        life.settings = settings
        assert life.operations("preview") == update.shows, "docs/cluster.md says otherwise"
        return
    before = life.outputs()["cluster"]
    assert life.up() == update.shows, "docs/cluster.md says otherwise"
    after = life.outputs()["cluster"]
    if CLUSTER in update.shows and update.shows[CLUSTER].startswith("replace"):
        assert life.state(before).startswith("TERMINATED")
        published = life.client("ssm").get_parameter(Name=life.outputs()["parameter"])["Parameter"]["Value"]
        assert published == after != before, "consumers follow the published id"
    else:
        assert after == before, "the cluster stays"


def test_a_protected_cluster_stays_beside_its_replacement_and_ends_after_its_steps(life: Life) -> None:
    old = life.outputs()["cluster"]
    life.write(release="emr-7.13.0")
    said = life.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert re.search(rf"cluster {old} is protected by cluster\.terminationProtection and stays", said), said
    assert life.state(old) == "WAITING", "it was not touched"
    new = life.outputs()["cluster"]
    assert new != old, "the replacement works already"

    emr = life.client("emr")
    arguments = {"Jar": "command-runner.jar", "Args": ["bash", "-c", "sleep 15"]}
    step = {"Name": "long-1", "ActionOnFailure": "CONTINUE", "HadoopJarStep": arguments}
    emr.add_job_flow_steps(JobFlowId=old, Steps=[step])
    life.up(terminationProtection=False)
    assert life.state(old).startswith("TERMINATED"), "the settings allow it now, so its protection was lifted"
    (ended,) = emr.list_steps(ClusterId=old)["Steps"]
    assert ended["Status"]["State"] == "COMPLETED", "the step was waited for"
    assert life.state(new) == "WAITING"
    assert life.intake() == "Enabled", "a replacement closes no intake: what begins meanwhile runs on the new cluster"
    assert life.up() == {}, "after all that nothing is left to do"


DESTROY = ("destroy", "--yes", "--skip-preview", "--run-program")


def test_a_destroy_by_hand_that_cannot_wait_touches_nothing_that_runs_need(life: Life) -> None:
    running = life.start()
    life.write(drainMinutes=0)
    said = life.pulumi(*DESTROY, fails=True)
    assert re.search(r"nothing is deleted and the intake is open again: \S+ still run", " ".join(said.split())), said
    assert life.state(life.outputs()["cluster"]) == "WAITING"
    assert life.intake() == "Enabled", "files that come are taken again"
    life.client("stepfunctions").stop_execution(executionArn=running)


def test_a_destroy_by_hand_closes_the_intake_and_lets_executions_end(life: Life) -> None:
    cluster = life.outputs()["cluster"]
    life.write(drainMinutes=60)
    running = life.start()
    destroy = life.begin(*DESTROY)
    assert destroy.stdout is not None
    said, stopped = "", False
    for line in destroy.stdout:
        said += line
        if "waiting for 1 executions" in line and not stopped:
            assert life.intake() == "Disabled", "no new work comes meanwhile"
            assert life.state(cluster) == "WAITING", "what runs still has its cluster"
            life.client("stepfunctions").stop_execution(executionArn=running)
            stopped = True
    assert destroy.wait() == 0, said
    assert stopped, f"executions were not waited for:\n{said}"
    assert life.state(cluster).startswith("TERMINATED")
