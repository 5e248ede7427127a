"""Names, policies and lifecycles of the buckets, from plain values."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Literal

from components.environment import AwsEnvironment
from components.iam import Document, policy_document, statement
from settings import StorageSettings

Purpose = Literal["raw", "processed", "logs", "scripts", "access"]
"""What a bucket is for; ``access`` receives the access logs of the others. Without hyphens, names stay unambiguous."""

LONGEST_NAME = 63
"""Most characters of a bucket name (S3 user guide, "General purpose bucket naming rules")."""

RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
"""How no name may begin (the same rules). Names end with a region, which is none of the reserved endings."""

DIGEST_LENGTH = 10

SET_ASIDE_EXPIRY_DAYS = 90
"""Days that records set aside are kept: time to notice, repair and drop them again."""


def bucket_name(environment: AwsEnvironment, purpose: Purpose) -> str:
    """Name of a bucket: project, stack, purpose, account, region.

    The plain text of all five when it is a valid name that says where the stack begins. Otherwise project and stack
    are rewritten to S3's alphabet and cut to size, with a digest of the originals, so that no two stacks share a name
    and a stack's names never change.
    """
    end = f"{purpose}-{environment.account_id}-{environment.region}"
    written = f"{environment.project}-{environment.stack}"
    plain = f"{written}-{end}"
    rewritten = re.sub(r"[^a-z0-9]+", "-", written.lower()).strip("-")
    # With a hyphen in the stack's name, "a" + "b-c" and "a-b" + "c" would read alike.
    unambiguous = "-" not in environment.stack
    if written == rewritten and unambiguous and len(plain) <= LONGEST_NAME and not plain.startswith(RESERVED_PREFIXES):
        return plain
    digest = hashlib.sha256(f"{environment.project}/{environment.stack}".encode()).hexdigest()[:DIGEST_LENGTH]
    if rewritten.startswith(tuple(prefix.strip("-") for prefix in RESERVED_PREFIXES)):
        rewritten = f"s-{rewritten}"
    room = LONGEST_NAME - len(f"-{digest}-{end}")
    front = rewritten[:room].strip("-")
    return "-".join(part for part in (front, digest, end) if part)


def _everything(arn: str) -> list[str]:
    return [arn, f"{arn}/*"]


def _deny(sid: str, actions: Sequence[str], resources: Sequence[str], condition: dict[str, dict[str, str]]) -> Document:
    return statement(sid, actions, resources, effect="Deny", principals="*", condition=condition)


def transport_statements(arn: str) -> list[Document]:
    """Refuse plain HTTP, and TLS older than 1.2 (S3 user guide, "Security best practices")."""
    return [
        _deny("DenyInsecureTransport", ["s3:*"], _everything(arn), {"Bool": {"aws:SecureTransport": "false"}}),
        _deny("DenyOldTls", ["s3:*"], _everything(arn), {"NumericLessThan": {"s3:TlsVersion": "1.2"}}),
    ]


def encryption_statements(arn: str, key_arn: str) -> list[Document]:
    """Refuse requests that ask for another encryption, or another key, than the bucket's.

    Requests that ask for nothing get the bucket's default, which S3 applies after policies are evaluated. They must
    pass: plain writers, the parts of an upload, EMR's log delivery. A negated operator fits a request without the
    header, with ``IfExists`` and without (IAM user guide, "IfExists condition operators"), so ``Null`` asks for it.
    A request for KMS that names no key is no plain one: S3 takes the key that AWS manages (PutObject, API reference).
    """
    method = "s3:x-amz-server-side-encryption"
    key = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    put, objects = ["s3:PutObject"], [f"{arn}/*"]
    return [
        _deny(
            "DenyOtherEncryption",
            put,
            objects,
            {"Null": {method: "false"}, "StringNotEquals": {method: "aws:kms"}},
        ),
        _deny("DenyOtherKey", put, objects, {"Null": {key: "false"}, "StringNotEquals": {key: key_arn}}),
        _deny("DenyKeyOfAws", put, objects, {"Null": {key: "true"}, "StringEquals": {method: "aws:kms"}}),
    ]


def bucket_policy(arn: str, key_arn: str) -> Document:
    """Policy of a pipeline bucket. It lets nobody in: our roles come in by their own policies."""
    return policy_document([*transport_statements(arn), *encryption_statements(arn, key_arn)])


def access_log_policy(environment: AwsEnvironment, arn: str, source_arns: Sequence[str]) -> Document:
    """Policy of the bucket of access logs: S3's log delivery, for our buckets.

    It says nothing of encryption: S3 delivers to buckets with SSE-S3 only.
    Source: S3 user guide, "Enabling Amazon S3 server access logging".
    """
    return policy_document(
        [
            *transport_statements(arn),
            statement(
                "DeliverAccessLogs",
                ["s3:PutObject"],
                [f"{arn}/*"],
                principals={"Service": environment.service_principal("logging.s3")},
                condition={
                    "ArnLike": {"aws:SourceArn": sorted(source_arns)},
                    "StringEquals": {"aws:SourceAccount": environment.account_id},
                },
            ),
        ]
    )


def _rule(identifier: str, prefix: str = "", **actions: Any) -> dict[str, Any]:
    return {"id": identifier, "status": "Enabled", "filter": {"prefix": prefix}, **actions}


def _common_rules(settings: StorageSettings) -> list[dict[str, Any]]:
    return [
        _rule(
            "abandoned-uploads",
            abort_incomplete_multipart_upload={"days_after_initiation": settings.temporary_expiry_days},
        ),
        _rule(
            "noncurrent-versions",
            noncurrent_version_expiration={"noncurrent_days": settings.noncurrent_expiry_days},
        ),
        # A delete marker without versions behind it only slows listings down.
        _rule("expired-delete-markers", expiration={"expired_object_delete_marker": True}),
    ]


def lifecycle_rules(purpose: Purpose, settings: StorageSettings) -> list[dict[str, Any]]:
    """Lifecycle of a bucket; days from the settings. Tables, reports, code and manifests never expire."""
    archive = _rule("archive", transitions=[{"days": settings.raw_archive_after_days, "storage_class": "STANDARD_IA"}])
    expired_logs = _rule("expired-logs", expiration={"days": settings.log_expiry_days})
    staging = _rule(
        "staging",
        "_staging/",
        expiration={"days": settings.temporary_expiry_days},
        # Jobs delete what they staged: of the two rules that then hold, S3 follows the shorter.
        noncurrent_version_expiration={"noncurrent_days": 1},
    )
    set_aside = _rule("set-aside", "_set_aside/", expiration={"days": SET_ASIDE_EXPIRY_DAYS})
    own: dict[Purpose, list[dict[str, Any]]] = {
        "raw": [archive],
        "processed": [staging, set_aside],
        "logs": [expired_logs],
        "scripts": [],
        "access": [expired_logs],
    }
    return [*_common_rules(settings), *own[purpose]]
