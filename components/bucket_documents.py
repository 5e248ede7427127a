"""Names, policies and lifecycles of the buckets, from plain values."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from components.environment import AwsEnvironment
from components.iam import Condition, Document, account_of, outside_principal, policy_document, statement
from settings import LifecycleSettings, StorageSettings, TransitionSettings

Purpose = Literal["raw", "processed", "logs", "scripts", "access"]
"""What a bucket is for; ``access`` receives the access logs of the others. Without hyphens, names stay unambiguous."""

LONGEST_NAME = 63
"""Most characters of a bucket name (S3 user guide, "General purpose bucket naming rules")."""

RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
"""How no name may begin (the same rules). Names end with a region, which is none of the reserved endings."""

DIGEST_LENGTH = 10

MINIMUM_TLS = "1.2"
"""Oldest version of TLS that is answered: Java 8 of EMR 6.9 speaks 1.2, and 1.3 only when told to."""


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


def _deny(sid: str, actions: Sequence[str], resources: Sequence[str], condition: Condition | None) -> Document:
    return statement(sid, actions, resources, effect="Deny", principals="*", condition=condition)


def transport_statements(arn: str) -> list[Document]:
    """Refuse plain HTTP, and TLS older than `MINIMUM_TLS` (S3 user guide, "Security best practices")."""
    return [
        _deny("DenyInsecureTransport", ["s3:*"], _everything(arn), {"Bool": {"aws:SecureTransport": "false"}}),
        _deny("DenyOldTls", ["s3:*"], _everything(arn), {"NumericLessThan": {"s3:TlsVersion": MINIMUM_TLS}}),
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


def boundary_statements(environment: AwsEnvironment, settings: StorageSettings, arn: str) -> list[Document]:
    """Refuse everybody who is not of this account or organization, where that is configured.

    Producers, consumers and AWS's own services (log delivery) are let through to what other statements say of them.
    An anonymous request has none of the keys: negated operators hold for it, and ``IfExists`` makes the third hold.
    Source: IAM user guide, "AWS global condition context keys".
    """
    if settings.principals == "any":
        return []
    partners = {account_of(partner.principal) for partner in (*settings.producers, *settings.consumers)}
    accounts = {"aws:PrincipalAccount": sorted(partners | {environment.account_id})}
    organization = {"aws:PrincipalOrgID": settings.organization_id} if settings.organization_id else {}
    condition: dict[str, dict[str, str | list[str]]] = {
        "StringNotEquals": {**accounts, **organization},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    }
    return [_deny("DenyStrangers", ["s3:*"], _everything(arn), condition)]


def retention_statements(settings: StorageSettings, arn: str) -> list[Document]:
    """Refuse the deletion of versions, where data is to be kept: what is deleted or overwritten can then be restored.

    Lifecycle rules are not bound by it (S3 user guide, "Expiring objects"), and go on removing versions in time.
    """
    if settings.force_destroy:
        return []
    roles = sorted(settings.break_glass_roles)
    condition = {"ArnNotLike": {"aws:PrincipalArn": roles}} if roles else None
    actions = ["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"]
    return [_deny("DenyVersionDeletion", actions, [f"{arn}/*"], condition)]


def producer_statements(environment: AwsEnvironment, settings: StorageSettings, arn: str) -> list[Document]:
    """Let partners write in their prefixes, and no more: they neither read, list nor delete.

    What they write is ours: object ownership is enforced, and the bucket's own key encrypts it.
    """
    return [
        statement(
            f"Producer{number}",
            ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
            [f"{arn}/{prefix}*" for prefix in producer.prefixes],
            principals={"AWS": outside_principal(environment, producer.principal)},
        )
        for number, producer in enumerate(settings.producers, 1)
    ]


def consumer_statements(environment: AwsEnvironment, settings: StorageSettings, arn: str) -> list[Document]:
    """Let analysts' accounts read the tables of their datasets: not reports, staging or records set aside."""
    statements: list[Document] = []
    for number, consumer in enumerate(settings.consumers, 1):
        principals = {"AWS": outside_principal(environment, consumer.principal)}
        objects = [f"{arn}/{dataset}/*" for dataset in consumer.datasets]
        listed = [text for dataset in consumer.datasets for text in (f"{dataset}/", f"{dataset}/*")]
        statements += [
            statement(f"Consumer{number}Read", ["s3:GetObject"], objects, principals=principals),
            statement(
                f"Consumer{number}List",
                ["s3:ListBucket"],
                [arn],
                principals=principals,
                condition={"StringLike": {"s3:prefix": listed}},
            ),
            statement(f"Consumer{number}Locate", ["s3:GetBucketLocation"], [arn], principals=principals),
        ]
    return statements


def bucket_policy(
    purpose: Purpose, environment: AwsEnvironment, settings: StorageSettings, arn: str, key_arn: str
) -> Document:
    """Policy of a pipeline bucket. It lets in partners by name, and nobody of ours: they come by their own policies."""
    partners: dict[str, Callable[[AwsEnvironment, StorageSettings, str], list[Document]]] = {
        "raw": producer_statements,
        "processed": consumer_statements,
    }
    return policy_document(
        [
            *transport_statements(arn),
            *encryption_statements(arn, key_arn),
            *boundary_statements(environment, settings, arn),
            # The program replaces and removes what it put into scripts itself, versions and all.
            *(retention_statements(settings, arn) if purpose != "scripts" else []),
            *(partners[purpose](environment, settings, arn) if purpose in partners else []),
        ]
    )


def access_log_policy(
    environment: AwsEnvironment, settings: StorageSettings, arn: str, source_arns: Sequence[str]
) -> Document:
    """Policy of the bucket of access logs: S3's log delivery, for our buckets.

    It says nothing of encryption: S3 delivers to buckets with SSE-S3 only.
    Source: S3 user guide, "Enabling Amazon S3 server access logging".
    """
    return policy_document(
        [
            *transport_statements(arn),
            *boundary_statements(environment, settings, arn),
            *retention_statements(settings, arn),
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


def _moves(days: str, transitions: Sequence[TransitionSettings]) -> list[dict[str, Any]]:
    return [{days: move.after_days, "storage_class": move.storage_class} for move in transitions]


def _noncurrent_rule(lifecycle: LifecycleSettings) -> dict[str, Any]:
    expiration: dict[str, int] = {"noncurrent_days": lifecycle.noncurrent_expire_after_days}
    if lifecycle.noncurrent_versions_kept:
        expiration["newer_noncurrent_versions"] = lifecycle.noncurrent_versions_kept
    moves = _moves("noncurrent_days", lifecycle.noncurrent_transitions)
    rule = _rule("noncurrent-versions", noncurrent_version_expiration=expiration)
    return rule | {"noncurrent_version_transitions": moves} if moves else rule


def lifecycle_rules(purpose: Purpose, settings: StorageSettings) -> list[dict[str, Any]]:
    """Lifecycle of a bucket, from its settings."""
    lifecycles = settings.lifecycle
    lifecycle: LifecycleSettings = getattr(lifecycles, purpose)
    rules = [
        _rule(
            "abandoned-uploads",
            abort_incomplete_multipart_upload={"days_after_initiation": lifecycle.abandoned_upload_days},
        ),
        _noncurrent_rule(lifecycle),
        # A delete marker without versions behind it only slows listings down.
        _rule("expired-delete-markers", expiration={"expired_object_delete_marker": True}),
    ]
    if lifecycle.transitions:
        rules.append(_rule("archive", transitions=_moves("days", lifecycle.transitions)))
    if lifecycle.expire_after_days is not None:
        rules.append(_rule("expired-objects", expiration={"days": lifecycle.expire_after_days}))
    if purpose == "processed":
        processed = lifecycles.processed
        rules += [
            _rule(
                "staging",
                "_staging/",
                expiration={"days": processed.staging_expire_after_days},
                # Jobs delete what they staged: of the two rules that then hold, S3 follows the shorter.
                noncurrent_version_expiration={"noncurrent_days": 1},
            ),
            _rule("set-aside", "_set_aside/", expiration={"days": processed.set_aside_expire_after_days}),
        ]
    return rules
