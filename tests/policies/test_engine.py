"""The real engine with the pack, on a stack that is not this project's: what a person sees who uses the pack by path.

The program opens what should be closed. It is previewed; then a part of it is made, and judged from its state.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
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
aws.s3.BucketPublicAccessBlock("half", bucket=raw.id, block_public_acls=True)
topic = aws.sns.Topic("topic", kms_master_key_id="alias/aws/sns")
if pulumi.runtime.is_dry_run():
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


@dataclass(frozen=True)
class Seen:
    """What the CLI printed."""

    preview: str
    analyzed: str
    analyzed_file: str
    remediated: str


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    """The CLI's words on the program above with the pack: seen.preview, and judged from state."""
    directory = tmp_path_factory.mktemp("program")
    (directory / "Pulumi.yaml").write_text("name: somebody-elses\nruntime: python\n", encoding="utf-8")
    (directory / "Pulumi.dev.yaml").write_text("config:\n  aws:region: eu-west-1\n", encoding="utf-8")
    (directory / "__main__.py").write_text(PROGRAM, encoding="utf-8")
    settings: dict[str, object] = {
        "net-07-emr-subnet-private": {"enforcementLevel": "advisory"},
        "net-01-sg-no-public-ingress": {"ipv4Prefix": 8},
    }
    (directory / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    settings["s3-11-access-block-complete"] = "remediate"
    (directory / "remediate.json").write_text(json.dumps(settings), encoding="utf-8")
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
            return f"{done.stdout}{done.stderr}\nexit {done.returncode}"

        def pack(config: str) -> list[str]:
            return ["--policy-pack", str(ROOT / "policies"), "--policy-pack-config", str(directory / config)]

        run("stack", "init", "dev")
        plain = ["--color=never", "--suppress-progress"]
        preview = run("preview", *plain, *pack("config.json"))
        remediated = run("preview", *plain, "--diff", *pack("remediate.json"))
        made = run("up", "--yes", "--skip-preview", *plain)
        assert "exit 0" in made, made
        run("stack", "export", "--file", str(directory / "state.json"))
        analyze = ["policy", "analyze", "--color=never", *pack("config.json")]
        yield Seen(
            preview,
            run(*analyze, "--stack", "dev"),
            run(*analyze, "--file", str(directory / "state.json")),
            remediated,
        )


@pytest.mark.parametrize(
    ("level", "policy", "resource", "text"),
    [
        ("mandatory", "net-01-sg-no-public-ingress", "rule", "lets 128.0.0.0/1 in, on port 8443 (tcp)"),
        ("advisory", "net-07-emr-subnet-private", "cluster", "which route (aws:ec2/route:Route) leads out"),
        ("mandatory", "emr-10-emr-groups-closed", "cluster", "uses group group; rule"),
        ("mandatory", "emr-01-emr-has-security-configuration", "cluster", "is absent or empty"),
        ("mandatory", "s3-01-bucket-public-access-block", "raw", "whose restrictPublicBuckets is not true"),
        ("mandatory", "s3-11-access-block-complete", "half", "blockPublicPolicy: is not true"),
        ("mandatory", "sns-01-topic-key", "topic", "names a key that AWS manages"),
        ("advisory", "emr-12-emr-termination-protection", "cluster", "is not true on a cluster that stays"),
    ],
)
def test_the_preview_names_what_is_open(seen: Seen, level: str, policy: str, resource: str, text: str) -> None:
    pattern = rf"\[{level}\].*{policy}\s+\(aws:\S+ {resource}\)\n.*\n.*{re.escape(text)}.*\n\s+Fix: "
    assert re.search(pattern, seen.preview), seen.preview


def test_the_preview_names_nothing_that_is_closed(seen: Seen) -> None:
    assert not re.search(r"s3-01-bucket-public-access-block\s+\(aws:s3:Bucket: other\)", seen.preview)
    assert "emr-07" not in seen.preview, "ids that are not known yet are named all the same"


def test_no_policy_gave_up(seen: Seen) -> None:
    assert "can't run policy" not in seen.preview
    assert "the rule broke" not in seen.preview
    assert "preview failed" in seen.preview, "mandatory violations end the preview with an error"


def test_the_preview_ends_with_a_count_by_severity(seen: Seen) -> None:
    assert re.search(r"GEN-07: .*\n.*\d+ violations: \d+ critical, \d+ high, \d+ medium, \d+ low; ", seen.preview)


def test_the_projects_own_exceptions_are_none_of_another_projects_business(seen: Seen) -> None:
    assert "gen-06" not in seen.preview


@pytest.mark.parametrize("form", ["analyzed", "analyzed_file"])
def test_existing_state_is_judged_without_program_or_account(seen: Seen, form: str) -> None:
    said = getattr(seen, form)
    for policy, text in (
        ("net-01-sg-no-public-ingress", "lets 128.0.0.0/1 in, on port 8443"),
        ("s3-01-bucket-public-access-block", "whose restrictPublicBuckets is not true"),
        ("sns-01-topic-key", "names a key that AWS manages"),
    ):
        assert re.search(rf"\[mandatory\].*{policy}[\s\S]*?{re.escape(text)}", said), said
    assert "emr-01" not in said, "the cluster was planned only"
    assert "exit 0" not in said, "mandatory violations end the analysis with an error"
    assert "the rule broke" not in said


def test_a_remediation_changes_the_plan_when_it_is_told_to(seen: Seen) -> None:
    assert re.search(r"\[remediate\].*s3-11-access-block-complete", seen.remediated), seen.remediated
    assert "blockPublicPolicy: is not true" not in seen.remediated
