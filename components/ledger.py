"""The ledger: what became of each object version, and of each manifest.

Two kinds of items, told apart by the beginning of the partition key:

``object#<bucket>/<key>``, ``version#<id | null>``
    An object version: dataset, size, etag, sequencer, state (``claimed``, ``planned``, ``ignored``, ``superseded``),
    manifest (its hash), reason, claimedAt, updatedAt. What became of it once planned is its manifest's to say, so that
    nobody updates a thousand items when a run ends.
``manifest#<hash>``, ``manifest``
    A manifest: dataset, uri, objects, bytes, attempt (the latest), state (``planned``, ``running``, ``succeeded``,
    ``failed``), outcome, reason, execution, job, firstObjectAt, plannedAt, startedAt, endedAt.

Times are ISO 8601 in UTC. Only manifests carry ``plannedAt``, so the index by state holds manifests and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.environment import AwsEnvironment
from components.iam import Document, statement

MANIFESTS_BY_STATE = "manifests-by-state"
"""Index of the manifests: state, then plannedAt. Item collections of one state are read oldest first."""


def table_name(environment: AwsEnvironment) -> str:
    """Name of the ledger's table: fixed, so that people and roles find it."""
    return f"{environment.project}-{environment.stack}-ledger"


def table_arn(environment: AwsEnvironment) -> str:
    """ARN of the ledger's table, known before it exists."""
    return environment.arn("dynamodb", f"table/{table_name(environment)}")


def ledger_statements(
    environment: AwsEnvironment, data_key_arn: str, actions: Sequence[str], *, index_actions: Sequence[str] = ()
) -> list[Document]:
    """What a role needs to use the ledger.

    The caller's own right to the key is asked for, through DynamoDB (DynamoDB developer guide, "How DynamoDB uses AWS
    KMS", "Authorizing use of your customer managed key").

    Args:
        environment: Where the ledger is.
        data_key_arn: Key that encrypts it.
        actions: On the table, e.g. ``dynamodb:UpdateItem``.
        index_actions: On the index of manifests by state.
    """
    table = table_arn(environment)
    statements = [
        statement("UseLedger", actions, [table]),
        statement(
            "DecryptLedger",
            ["kms:Decrypt"],
            [data_key_arn],
            condition=environment.through("dynamodb"),
        ),
    ]
    if index_actions:
        statements.append(statement("FindManifests", index_actions, [f"{table}/index/{MANIFESTS_BY_STATE}"]))
    return statements


@dataclass(frozen=True)
class ObjectLedgerArgs:
    """What `ObjectLedger` needs."""

    environment: AwsEnvironment
    data_key_arn: pulumi.Input[str]
    """Encrypts the table."""
    protect: bool = True
    """Whether neither Pulumi nor DynamoDB deletes the table: without it, every file would count as new."""


class ObjectLedger(pulumi.ComponentResource):
    """A table on demand, encrypted with the data key, restorable to any second of the last 35 days."""

    table_name: str
    """Known in preview."""
    table_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ObjectLedgerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:ledger:ObjectLedger", name, None, opts)
        self.table_name = table_name(args.environment)
        table = aws.dynamodb.Table(
            f"{name}-table",
            name=self.table_name,
            billing_mode="PAY_PER_REQUEST",
            hash_key="pk",
            range_key="sk",
            attributes=[
                aws.dynamodb.TableAttributeArgs(name=attribute, type="S")
                for attribute in ("pk", "sk", "state", "plannedAt")
            ],
            global_secondary_indexes=[
                aws.dynamodb.TableGlobalSecondaryIndexArgs(
                    name=MANIFESTS_BY_STATE,
                    key_schemas=[
                        aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name="state", key_type="HASH"),
                        aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(
                            attribute_name="plannedAt", key_type="RANGE"
                        ),
                    ],
                    projection_type="ALL",
                )
            ],
            server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(
                enabled=True, kms_key_arn=args.data_key_arn
            ),
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
            deletion_protection_enabled=args.protect,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.table_arn = table.arn
        self.register_outputs({"tableName": self.table_name, "tableArn": self.table_arn})
