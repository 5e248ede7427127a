"""The life of a cluster, on the real engine: what a change of each setting does, and that it does it once.

A program of the cluster alone, so that an update takes seconds. Each row changes one setting; what the engine then does
is the row's operations and nothing else, so whatever an earlier row left undone would show in the next.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import textwrap
import threading
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
from tools import cli

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("cluster-life")]

PROGRAM = """
    import json, pathlib, sys
    sys.path.insert(0, {root!r})
    import pulumi, pulumi_aws as aws
    from components.cluster import KerberizedEmrCluster, KerberizedEmrClusterArgs
    from components.environment import AwsEnvironment
    from components.storage import PipelineBucket
    from settings import ClusterSettings

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
        settings=ClusterSettings.model_validate(json.loads(pathlib.Path("settings.json").read_text())),
        environment=AwsEnvironment.look_up(),
        subnet_id=subnet.id,
        primary_security_group_id=groups[0].id,
        core_security_group_id=groups[1].id,
        service_access_security_group_id=groups[2].id,
        data_key_arn=key.arn, logs_key_arn=key.arn, secrets_key_arn=key.arn,
        raw=bucket("raw"), processed=bucket("processed"), logs=bucket("logs"), scripts=bucket("scripts"),
        database_name="life", wait_for=[],
    ))
    pulumi.export("cluster", cluster.cluster_id)
    pulumi.export("parameter", cluster.cluster_parameter_name)
"""

NODES = {"instanceType": "m5.xlarge"}
SETTINGS: dict[str, Any] = {
    "terminationProtection": False,
    "core": {**NODES, "instanceCount": 2, "scaling": {"minimum": 2, "maximum": 4}},
    "task": {**NODES, "instanceCount": 1, "scaling": {"minimum": 0, "maximum": 4}},
}
CLUSTER, TASK = "cluster-emr", "cluster-task"
REPLACED = {CLUSTER: "replace", TASK: "replace", "cluster-id": "update"}
"""Another cluster: its task group goes with it, and the published id follows."""


@dataclass(frozen=True)
class Row:
    """One change of one setting."""

    setting: str
    change: dict[str, Any]
    operations: dict[str, str]
    """What the engine does, by resource: update, replace, create, delete."""


SPOT = {**NODES, "spotBidPrice": "0.2"}

ROWS = (
    Row("stepConcurrency", {"stepConcurrency": 8}, {CLUSTER: "update"}),
    Row(
        "core.scaling",
        {"core": {**SETTINGS["core"], "scaling": {"minimum": 2, "maximum": 6}}},
        {CLUSTER: "update"},
    ),
    # The number is automatic scaling's once the group lives.
    Row("core.instanceCount", {"core": {**NODES, "instanceCount": 3, "scaling": {"minimum": 2, "maximum": 6}}}, {}),
    Row("task.scaling", {"task": {**SETTINGS["task"], "scaling": {"minimum": 0, "maximum": 8}}}, {TASK: "update"}),
    # Spot task nodes need YARN's node labels, which are a configuration of the cluster.
    Row("task.spotBidPrice", {"task": {**SPOT, "scaling": {"minimum": 0, "maximum": 8}, "instanceCount": 1}}, REPLACED),
    Row("release", {"release": "emr-7.13.0"}, REPLACED),
    Row("metadataHopLimit", {"metadataHopLimit": 2}, {"cluster-security": "replace", **REPLACED}),
    Row(
        "managedScaling",
        {"managedScaling": {"minimum": 2, "maximum": 6}, "core": {**NODES, "instanceCount": 3}, "task": SPOT},
        {CLUSTER: "update", TASK: "delete", f"{TASK}-fixed": "create", "cluster-managed-scaling": "create"},
    ),
    Row("managedScaling", {"managedScaling": {"minimum": 2, "maximum": 8}}, {"cluster-managed-scaling": "replace"}),
)


@dataclass
class Life:
    """The program, its stack, and the AWS beneath."""

    directory: Path
    environment: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)

    def pulumi(self, *arguments: str, fails: bool = False) -> str:
        done = subprocess.run(
            [str(cli.directory() / "pulumi"), "--non-interactive", "--color=never", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) is fails, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def write(self, **change: Any) -> None:
        self.settings |= change
        (self.directory / "settings.json").write_text(json.dumps(self.settings))

    def up(self, **change: Any) -> dict[str, str]:
        """Change settings, update, and tell what the engine did, by resource."""
        self.write(**change)
        log = self.directory / f"up-{time.time_ns()}.events"
        self.pulumi("up", "--yes", "--skip-preview", "--event-log", str(log))
        done: dict[str, str] = {}
        for line in log.read_text().splitlines():
            metadata = json.loads(line).get("resOutputsEvent", {}).get("metadata")
            if metadata is None or metadata["op"] == "same":
                continue
            name = metadata["urn"].rsplit("::", 1)[1]
            operation = "replace" if "replace" in metadata["op"] else metadata["op"]
            if done.get(name) != "replace":
                done[name] = operation
        return done

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

    def state(self, cluster: str) -> str:
        return self.client("emr").describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    directory = tmp_path_factory.mktemp("program")
    (directory / "Pulumi.yaml").write_text("name: life\nruntime: python\n")
    (directory / "__main__.py").write_text(textwrap.dedent(PROGRAM).format(root=str(ROOT)))
    with control.temporary("cluster-life") as sandbox:
        life = Life(directory, {**os.environ, **environment(sandbox)})
        life.pulumi("stack", "init", "test")
        life.pulumi("config", "set", "aws:region", "eu-west-1")
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


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.setting}")
def test_a_setting_does_what_the_table_says(life: Life, row: Row) -> None:
    before = life.outputs()["cluster"]
    done = life.up(**row.change)
    assert done == row.operations, f"docs/cluster.md says otherwise of {row.change}"
    after = life.outputs()["cluster"]
    if done.get(CLUSTER) == "replace":
        assert life.state(before).startswith("TERMINATED")
        published = life.client("ssm").get_parameter(Name=life.outputs()["parameter"])["Parameter"]["Value"]
        assert published == after != before, "consumers follow the published id"
    else:
        assert after == before, "the cluster stays"


def test_after_all_that_nothing_is_left_to_do(life: Life) -> None:
    assert life.up() == {}


def test_a_protected_cluster_stays_beside_its_replacement_until_it_may_end(life: Life) -> None:
    life.up(terminationProtection=True)
    old = life.outputs()["cluster"]
    life.write(metadataHopLimit=3)
    said = life.pulumi("up", "--yes", "--skip-preview", fails=True)
    assert re.search(rf"cluster {old} is protected by cluster\.terminationProtection and stays", said), said
    assert life.state(old) == "WAITING", "it was not touched"
    new = life.outputs()["cluster"]
    assert new != old, "the replacement works already"
    life.up(terminationProtection=False)
    assert life.state(old).startswith("TERMINATED"), "the settings allow it now, so its protection was lifted"
    assert life.state(new) == "WAITING"
    assert life.up() == {}


def test_a_replaced_cluster_ends_after_its_steps(life: Life) -> None:
    old = life.outputs()["cluster"]
    emr = life.client("emr")
    step = {
        "Name": "long-1",
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["bash", "-c", "sleep 12"]},
    }
    life.write(metadataHopLimit=4)
    # Submitted as the update begins: it still runs when the old cluster is to be deleted.
    submit = threading.Timer(0.5, lambda: emr.add_job_flow_steps(JobFlowId=old, Steps=[step]))
    submit.start()
    said = life.pulumi("up", "--yes", "--skip-preview")
    submit.join()
    (ended,) = emr.list_steps(ClusterId=old)["Steps"]
    assert ended["Status"]["State"] == "COMPLETED", f"the step was waited for:\n{said}"
    assert life.state(old).startswith("TERMINATED")


def test_destroying_takes_the_cluster_with_it(life: Life) -> None:
    cluster = life.outputs()["cluster"]
    life.pulumi("destroy", "--yes", "--skip-preview", "--run-program")
    assert life.state(cluster).startswith("TERMINATED")
