"""The real engine with the pack: what a person sees who previews a program that opens what should be closed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import control
from sandbox.engine import environment
from tools import cli

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("policy-engine")]

PROGRAM = """
import pulumi
import pulumi_aws as aws

vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16")
subnet = aws.ec2.Subnet("private", vpc_id=vpc.id, cidr_block="10.0.1.0/24")
gateway = aws.ec2.InternetGateway("gateway", vpc_id=vpc.id)
table = aws.ec2.RouteTable("table", vpc_id=vpc.id)
aws.ec2.Route("route", route_table_id=table.id, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.id)
aws.ec2.RouteTableAssociation("association", subnet_id=subnet.id, route_table_id=table.id)
group = aws.ec2.SecurityGroup("group", vpc_id=vpc.id, description="Nodes")
aws.vpc.SecurityGroupIngressRule(
    "rule", security_group_id=group.id, ip_protocol="tcp", from_port=8443, to_port=8443, cidr_ipv4="128.0.0.0/1"
)
raw, other = aws.s3.Bucket("raw", bucket="raw-bucket"), aws.s3.Bucket("other", bucket="other-bucket")
aws.s3.BucketPublicAccessBlock(
    "block",
    bucket=other.id,
    block_public_acls=True,
    block_public_policy=True,
    ignore_public_acls=True,
    restrict_public_buckets=True,
)
topic = aws.sns.Topic("topic", kms_master_key_id="alias/aws/sns")
aws.emr.Cluster(
    "cluster",
    release_label="emr-6.9.0",
    service_role="role",
    ec2_attributes={
        "instance_profile": "profile",
        "subnet_id": subnet.id,
        "emr_managed_master_security_group": group.id,
        "emr_managed_slave_security_group": group.id,
        "service_access_security_group": group.id,
    },
    master_instance_group={"instance_type": "m5.xlarge"},
)
"""


@pytest.fixture(scope="module")
def previewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What the CLI prints for a preview of the program above with the pack."""
    directory = tmp_path_factory.mktemp("program")
    (directory / "Pulumi.yaml").write_text("name: emr-pipeline\nruntime: python\n", encoding="utf-8")
    (directory / "Pulumi.dev.yaml").write_text("config:\n  aws:region: eu-west-1\n", encoding="utf-8")
    (directory / "__main__.py").write_text(PROGRAM, encoding="utf-8")
    settings = {
        "net-07-emr-subnet-private": {"enforcementLevel": "advisory"},
        "net-01-sg-no-public-ingress": {"ipv4Prefix": 8},
    }
    (directory / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    with control.temporary("policy-tests") as sandbox:
        variables = {**os.environ, **environment(sandbox)}
        command = [str(cli.directory() / "pulumi"), "--non-interactive", "--cwd", str(directory)]

        def run(*arguments: str) -> str:
            done = subprocess.run(
                [*command, *arguments],
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            return done.stdout + done.stderr

        run("stack", "init", "dev")
        pack = ["--policy-pack", str(ROOT / "policies"), "--policy-pack-config", str(directory / "config.json")]
        yield run("preview", "--color=never", "--suppress-progress", *pack)


@pytest.mark.parametrize(
    ("level", "policy", "resource", "text"),
    [
        ("mandatory", "net-01-sg-no-public-ingress", "rule", "lets 128.0.0.0/1 in, on port 8443 (tcp)"),
        ("advisory", "net-07-emr-subnet-private", "cluster", "which route (aws:ec2/route:Route) leads out"),
        ("mandatory", "emr-10-emr-groups-closed", "cluster", "uses group group; rule"),
        ("mandatory", "emr-01-emr-has-security-configuration", "cluster", "is absent or empty"),
        ("mandatory", "s3-01-bucket-public-access-block", "raw", "has no public access block"),
        ("mandatory", "sns-01-topic-key", "topic", "names a key that AWS manages"),
        ("advisory", "emr-12-emr-termination-protection", "cluster", "is not true on a cluster that stays"),
    ],
)
def test_the_preview_names_what_is_open(previewed: str, level: str, policy: str, resource: str, text: str) -> None:
    pattern = rf"\[{level}\].*{policy}\s+\(aws:\S+ {resource}\)\n.*\n.*{re.escape(text)}.*\n\s+Fix: "
    assert re.search(pattern, previewed), previewed


def test_the_preview_names_nothing_that_is_closed(previewed: str) -> None:
    assert not re.search(r"s3-01-bucket-public-access-block\s+\(aws:s3:Bucket: other\)", previewed)
    assert "emr-07" not in previewed, "ids that are not known yet are named all the same"


def test_no_policy_gave_up(previewed: str) -> None:
    assert "can't run policy" not in previewed
    assert "the rule broke" not in previewed
    assert "preview failed" in previewed, "mandatory violations end the preview with an error"
