"""Linux users of people, on every node: a bootstrap action, and the list that it reads.

The script lies under the hash of its content; the list under a fixed key, so that a person more is no new cluster.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws

SCRIPT = Path(__file__).parent.parent / "nodes" / "linux_users.sh"
"""Its head says what it does."""
PREFIX = "bootstrap/"
"""What nodes may read of it in the scripts bucket (`cluster_roles`)."""
LIST_KEY = f"{PREFIX}linux-users"


@dataclass(frozen=True)
class LinuxUsersArgs:
    """What `LinuxUsers` is made of."""

    users: Mapping[str, int]
    """Number of each user, by name."""
    region: str
    bucket: str
    """The scripts bucket."""
    bucket_ready: Sequence[pulumi.Resource]
    key_arn: pulumi.Input[str]
    """Encrypts both objects."""


def user_list(users: Mapping[str, int]) -> str:
    """The list as the script reads it."""
    return "".join(f"{name} {number}\n" for name, number in sorted(users.items()))


class LinuxUsers(pulumi.ComponentResource):
    """The script and the list in the scripts bucket, and the bootstrap action that uses them."""

    action: aws.emr.ClusterBootstrapActionArgs
    ready: list[pulumi.Resource]
    """What must be there before a node starts."""

    def __init__(self, name: str, args: LinuxUsersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:cluster:LinuxUsers", name, None, opts)
        key = f"{PREFIX}{hashlib.sha256(SCRIPT.read_bytes()).hexdigest()[:16]}/{SCRIPT.name}"
        after = list(args.bucket_ready)
        script = aws.s3.BucketObjectv2(
            f"{name}-script",
            bucket=args.bucket,
            key=key,
            source=pulumi.FileAsset(str(SCRIPT)),
            content_type="text/x-shellscript",
            server_side_encryption="aws:kms",
            kms_key_id=args.key_arn,
            bucket_key_enabled=True,
            # Nodes that scaling brings to an older cluster still fetch the script that this one was made with.
            opts=pulumi.ResourceOptions(parent=self, depends_on=after, retain_on_delete=True),
        )
        people = aws.s3.BucketObjectv2(
            f"{name}-list",
            bucket=args.bucket,
            key=LIST_KEY,
            content=user_list(args.users),
            content_type="text/plain",
            server_side_encryption="aws:kms",
            kms_key_id=args.key_arn,
            bucket_key_enabled=True,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )
        self.action = aws.emr.ClusterBootstrapActionArgs(
            name="linux-users",
            path=f"s3://{args.bucket}/{key}",
            args=[f"s3://{args.bucket}/{LIST_KEY}", args.region],
        )
        self.ready = [script, people]
        self.register_outputs({})
