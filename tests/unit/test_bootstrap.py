"""The bootstrap against an in-process AWS: what it makes, twice, and who may take its roles."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tools import bootstrap

REGION = "eu-west-1"
ARGUMENTS = ["--stack", "dev", "--repository", "team/pipeline", "--yes"]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


@pytest.mark.usefixtures("account")
def test_state_is_versioned_encrypted_and_private(capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(ARGUMENTS) == 0, capsys.readouterr().err
    s3 = boto3.client("s3", region_name=REGION)
    bucket = f"emr-pipeline-state-123456789012-{REGION}"
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled", "a damaged state can be taken back"
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms", "states tell much of an account"
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert all(block.values()), f"and are nobody's business: {block}"
    assert len(block) == 4, "all four switches"
    assert "aws:SecureTransport" in s3.get_bucket_policy(Bucket=bucket)["Policy"], "TLS only"
    said = capsys.readouterr().out
    assert f"pulumi login 's3://{bucket}?region={REGION}&awssdk=v2'" in said, "people get the command"
    assert "--secrets-provider 'awskms://alias/emr-pipeline-dev-secrets?region=eu-west-1'" in said, "and the key"


@pytest.mark.usefixtures("account")
def test_roles_are_for_one_environment_of_one_repository() -> None:
    assert bootstrap.main(ARGUMENTS) == 0
    iam = boto3.client("iam", region_name=REGION)
    for kind, environment in (("deployer", "dev"), ("reader", "preview-dev")):
        trust = iam.get_role(RoleName=f"emr-pipeline-dev-{kind}")["Role"]["AssumeRolePolicyDocument"]
        (statement,) = trust["Statement"]
        assert statement["Condition"]["StringEquals"] == {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": f"repo:team/pipeline:environment:{environment}",
        }, "no other repository, branch or environment may take the role"


def statements(role: str) -> list[dict[str, object]]:
    iam = boto3.client("iam", region_name=REGION)
    found: list[dict[str, object]] = []
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    for policy in attached:
        version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)["PolicyVersion"]["Document"]
        assert len(json.dumps(document, separators=(",", ":"))) <= 6144, "IAM takes no longer managed policy"
        found += document["Statement"]
    assert len(attached) <= 10, "a role takes ten managed policies"
    return found


@pytest.mark.usefixtures("account")
def test_the_reader_changes_nothing_but_the_state() -> None:
    assert bootstrap.main(ARGUMENTS) == 0
    for statement in statements("emr-pipeline-dev-reader"):
        actions = statement["Action"]
        if statement["Sid"] in ("State", "Secrets") or isinstance(actions, str):
            continue
        assert isinstance(actions, list)
        wrong = [action for action in actions if not bootstrap._reads(action)]
        assert not wrong, f"a pull request's job must not be able to {wrong}"
    assert "REGION" not in json.dumps(statements("emr-pipeline-dev-deployer")), "the region is filled in"


@pytest.mark.usefixtures("account")
def test_a_second_run_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(7):
        assert bootstrap.main(ARGUMENTS) == 0, f"made already is fine: {capsys.readouterr().err}"
    kms = boto3.client("kms", region_name=REGION)
    ours = [a for a in kms.list_aliases()["Aliases"] if a["AliasName"].startswith("alias/emr-pipeline")]
    assert len(ours) == 1, "one key, however often"
    assert len(kms.list_keys()["Keys"]) <= 2, "one of ours, and the one that AWS keeps for S3"


@pytest.mark.usefixtures("account")
def test_nothing_is_made_unasked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert bootstrap.main(ARGUMENTS[:-1]) == 1, "nobody agreed"
    assert "not agreed" in capsys.readouterr().err
    assert boto3.client("s3", region_name=REGION).list_buckets()["Buckets"] == [], "and nothing is there"


def test_a_repository_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert bootstrap.main(["--stack", "dev", "--repository", "team:*", "--yes"]) == 1
    assert "owner/name" in capsys.readouterr().err, "a wildcard would let everybody in"
