"""What has to be there before the first deployment, made once an account: ``python -m tools.bootstrap --stack dev …``.

A bucket for Pulumi's state (versioned, encrypted, TLS only; Pulumi's own lock files keep two deployments apart), a KMS
key for the stack's secrets, and with ``--repository`` GitHub's OIDC provider and two roles: one that deploys, for the
environment named after the stack, and one that only reads, for previews and drift. Run again, it changes what differs.
Where state lives cannot be state itself, so these are plain API calls.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from typing import Any

import boto3
import botocore.exceptions

from tools import permissions
from tools.recorded import UnknownStack, read

PROJECT = "emr-pipeline"
OIDC = "token.actions.githubusercontent.com"
"""GitHub's issuer (GitHub documentation, "Configuring OpenID Connect in Amazon Web Services")."""


class Bootstrap:
    """The account's side of deployments, in one region."""

    def __init__(self, region: str, stack: str) -> None:
        self.region = region
        self.stack = stack
        caller = boto3.client("sts", region_name=region).get_caller_identity()
        self.account: str = caller["Account"]
        self.partition: str = caller["Arn"].split(":")[1]
        self.bucket = f"{PROJECT}-state-{self.account}-{region}"
        self.alias = f"alias/{PROJECT}-{stack}-secrets"
        self._s3 = boto3.client("s3", region_name=region)
        self._kms = boto3.client("kms", region_name=region)
        self._iam = boto3.client("iam", region_name=region)
        self._tags = [{"Key": "Project", "Value": PROJECT}, {"Key": "ManagedBy", "Value": "bootstrap"}]

    def state_bucket(self) -> str:
        """The bucket of the backend; its URL is returned."""
        location = (
            {} if self.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        )
        try:
            self._s3.create_bucket(Bucket=self.bucket, **location)
        except self._s3.exceptions.BucketAlreadyOwnedByYou:
            pass  # made by an earlier run
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
                raise
        closed = {
            f"{verb}Public{what}": True for verb, what in (("Block", "Acls"), ("Ignore", "Acls"), ("Block", "Policy"))
        }
        self._s3.put_public_access_block(
            Bucket=self.bucket, PublicAccessBlockConfiguration={**closed, "RestrictPublicBuckets": True}
        )
        self._s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        self._s3.put_bucket_encryption(
            Bucket=self.bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}]
            },
        )
        # A state of a year ago restores nothing that still exists.
        self._s3.put_bucket_lifecycle_configuration(
            Bucket=self.bucket,
            LifecycleConfiguration={
                "Rules": [
                    {
                        "ID": "old-versions",
                        "Status": "Enabled",
                        "Filter": {"Prefix": ""},
                        "NoncurrentVersionExpiration": {"NoncurrentDays": 365},
                    }
                ]
            },
        )
        arn = f"arn:{self.partition}:s3:::{self.bucket}"
        statement = {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self._s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(policy))
        self._s3.put_bucket_tagging(Bucket=self.bucket, Tagging={"TagSet": self._tags})
        return f"s3://{self.bucket}?region={self.region}&awssdk=v2"

    def secrets_key(self) -> str:
        """The key of the stack's secrets; the URL of the secrets provider is returned."""
        aliases = [a for page in self._kms.get_paginator("list_aliases").paginate() for a in page["Aliases"]]
        if self.alias not in {alias["AliasName"] for alias in aliases}:
            key = self._kms.create_key(
                Description=f"Secrets in the Pulumi state of {PROJECT}, stack {self.stack}",
                Tags=[{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in self._tags],
            )["KeyMetadata"]["KeyId"]
            self._kms.enable_key_rotation(KeyId=key)
            self._kms.create_alias(AliasName=self.alias, TargetKeyId=key)
        return f"awskms://{self.alias}?region={self.region}"

    def _key_arn(self) -> str:
        return str(self._kms.describe_key(KeyId=self.alias)["KeyMetadata"]["Arn"])

    def oidc_provider(self) -> str:
        """GitHub as an identity provider; its ARN is returned."""
        arn = f"arn:{self.partition}:iam::{self.account}:oidc-provider/{OIDC}"
        known = [entry["Arn"] for entry in self._iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]
        if arn not in known:
            self._iam.create_open_id_connect_provider(Url=f"https://{OIDC}", ClientIDList=["sts.amazonaws.com"])
        return arn

    def _role(self, kind: str, provider: str, subject: str, document: dict[str, Any]) -> str:
        name = f"{PROJECT}-{self.stack}-{kind}"
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Federated": provider},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {"StringEquals": {f"{OIDC}:aud": "sts.amazonaws.com", f"{OIDC}:sub": subject}},
                }
            ],
        }
        try:
            self._iam.create_role(
                RoleName=name,
                AssumeRolePolicyDocument=json.dumps(trust),
                MaxSessionDuration=7200,
                Description=f"GitHub Actions: {kind} of stack {self.stack} of {PROJECT}",
                Tags=self._tags,
            )
        except self._iam.exceptions.EntityAlreadyExistsException:
            self._iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
        # Inline policies of a role hold 10,240 characters together; managed ones 6,144 each without spaces.
        made = [
            self._managed(name, f"{name}-{number}", {"Version": "2012-10-17", "Statement": statements})
            for number, statements in enumerate(_packed(document["Statement"]))
        ]
        # An earlier run may have needed more of them.
        for attached in self._iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            if re.fullmatch(rf"{name}-\d+", attached["PolicyName"]) and attached["PolicyArn"] not in made:
                self._iam.detach_role_policy(RoleName=name, PolicyArn=attached["PolicyArn"])
        return f"arn:{self.partition}:iam::{self.account}:role/{name}"

    def _managed(self, role: str, name: str, document: dict[str, Any]) -> str:
        arn = f"arn:{self.partition}:iam::{self.account}:policy/{name}"
        text = json.dumps(document, separators=(",", ":"))
        try:
            self._iam.create_policy(PolicyName=name, PolicyDocument=text, Tags=self._tags)
        except self._iam.exceptions.EntityAlreadyExistsException:
            versions = self._iam.list_policy_versions(PolicyArn=arn)["Versions"]
            old = [version["VersionId"] for version in versions if not version["IsDefaultVersion"]]
            if len(versions) >= 5:
                self._iam.delete_policy_version(PolicyArn=arn, VersionId=old[-1])
            self._iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
        self._iam.attach_role_policy(RoleName=role, PolicyArn=arn)
        return arn

    def _state_statement(self) -> list[dict[str, Any]]:
        """Reading and locking the state; its secrets' key."""
        arn = f"arn:{self.partition}:s3:::{self.bucket}"
        objects = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
        key = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey"]
        return [
            {"Sid": "StateList", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn},
            {"Sid": "State", "Effect": "Allow", "Action": objects, "Resource": f"{arn}/*"},
            {"Sid": "Secrets", "Effect": "Allow", "Action": key, "Resource": self._key_arn()},
        ]

    def _deployment(self) -> list[dict[str, Any]]:
        """Statements of the deployer's policy, for this stack and account."""
        text = permissions.FILE.read_text(encoding="utf-8")
        given = {"region": self.region, "account": self.account, "partition": self.partition}
        return permissions.fill(text, stack=self.stack, **given)["Statement"]

    def deployer(self, repository: str) -> str:
        """The role that deploys: for jobs of the stack's environment in the repository, and nobody else."""
        state = {"Version": "2012-10-17", "Statement": [*self._deployment(), *self._state_statement()]}
        return self._role("deployer", self.oidc_provider(), f"repo:{repository}:environment:{self.stack}", state)

    def reader(self, repository: str) -> str:
        """The role for previews and drift: what the deployer may read, and no change but of the state's lock."""
        reads = [
            {**statement, "Action": looks}
            for statement in self._deployment()
            if (looks := [action for action in statement["Action"] if _reads(action)])
        ]
        state = {"Version": "2012-10-17", "Statement": [*reads, *self._state_statement()]}
        subject = f"repo:{repository}:environment:preview-{self.stack}"
        return self._role("reader", self.oidc_provider(), subject, state)


def _reads(action: str) -> bool:
    """Whether an action only looks; secrets' values are no look."""
    verb = action.split(":")[1]
    return re.match(r"Get|List|Describe|Simulate", verb) is not None and verb != "GetSecretValue"


def _packed(statements: Sequence[dict[str, Any]], most: int = 6000) -> list[list[dict[str, Any]]]:
    """Statements by managed policy, as many in each as fit (IAM quotas: 6,144 characters, ten policies a role)."""
    packed: list[list[dict[str, Any]]] = [[]]
    for statement in statements:
        if packed[-1] and len(json.dumps([*packed[-1], statement], separators=(",", ":"))) > most:
            packed.append([])
        packed[-1].append(statement)
    return packed


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is missing, and say what to do with it."""
    parser = argparse.ArgumentParser(prog="make bootstrap ARGS=…", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--repository", help="owner/name on GitHub; absent makes no roles")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    given = parser.parse_args(arguments)
    if given.repository and not re.fullmatch(r"[\w.-]+/[\w.-]+", given.repository):
        print(f"--repository is {given.repository!r}: it must be owner/name", file=sys.stderr)
        return 1
    try:
        region = read(given.stack)["aws:region"]
        account = Bootstrap(region, given.stack)
        print(f"account {account.account}\nregion  {region}\nstack   {given.stack}\n")
        if not given.yes and (not sys.stdin.isatty() or input("Make state bucket, key and roles there? [y/N] ") != "y"):
            print("not agreed (pass --yes to agree); nothing was made", file=sys.stderr)
            return 1
        backend, secrets = account.state_bucket(), account.secrets_key()
        print(f"""state    {backend}
secrets  {secrets}

Next:
  pulumi login '{backend}'
  pulumi stack init {given.stack} --secrets-provider '{secrets}'""")
        if given.repository:
            print(f"""
In GitHub, environment {given.stack} (with required reviewers where a person must approve), variables:
  AWS_DEPLOY_ROLE     {account.deployer(given.repository)}
environment preview-{given.stack}:
  AWS_PREVIEW_ROLE    {account.reader(given.repository)}
and in both:
  AWS_REGION          {region}
  PULUMI_BACKEND_URL  {backend}""")
    except (UnknownStack, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
