"""Rules of secrets, tables and catalogues: data at rest beside S3."""

from __future__ import annotations

from typing import Final

from policies.keys import own_key
from policies.model import Family, Findings, Resource, Settings, Severity, undecided, violation
from policies.plain import UNKNOWN, at, switch

family = Family("Secrets, tables and catalogues")

SECRET: Final = "aws:secretsmanager/secret:Secret"
TABLE: Final = "aws:dynamodb/table:Table"

_SECRETS: Final = "Secrets Manager user guide: "
_DYNAMODB: Final = "DynamoDB developer guide: "


@family.resource_rule(
    "SMG-01",
    "secret-key",
    "Secrets are encrypted with a key of the stack's own",
    Severity.HIGH,
    (SECRET,),
    fix="Set kmsKeyId, here and for every replica, to the ARN of the stack's key for secrets.",
    source=_SECRETS + "Secret encryption and decryption in AWS Secrets Manager",
    frameworks=(
        "checkov CKV_AWS_149",
        "trivy AVD-AWS-0098",
        "cdk-nag HIPAA.Security-SecretsManagerUsingKMSKey",
    ),
)
def secret_key(resource: Resource, settings: Settings) -> Findings:
    """With alias/aws/secretsmanager whoever may read the secret may decrypt it: one lock instead of two."""
    finding = own_key("kmsKeyId", resource.value("kmsKeyId"), "secret")
    if finding:
        yield finding
    if resource.computed("replicas"):
        return
    for index, replica in enumerate(resource.items("replicas")):
        finding = own_key(f"replicas[{index}].kmsKeyId", at(replica, "kmsKeyId"), "secret's replica")
        if finding:
            yield finding


@family.resource_rule(
    "DDB-01",
    "table-key",
    "Tables are encrypted with a key of the stack's own",
    Severity.HIGH,
    (TABLE,),
    fix="Set serverSideEncryption.enabled to true and its kmsKeyArn to the ARN of the stack's key.",
    source=_DYNAMODB + "DynamoDB encryption at rest",
    frameworks=(
        "checkov CKV_AWS_119",
        "checkov CKV_AWS_271",
        "trivy AVD-AWS-0025",
        "awsguard dynamodb-table-encryption-enabled",
    ),
)
def table_key(resource: Resource, settings: Settings) -> Findings:
    """A key beside ``enabled: false`` encrypts nothing."""
    enabled = switch(resource.value("serverSideEncryption", "enabled"))
    if enabled is UNKNOWN:
        yield undecided("serverSideEncryption")
    elif enabled is not True:
        yield violation("serverSideEncryption.enabled", "is not true, so the key is one that DynamoDB owns")
    else:
        finding = own_key(
            "serverSideEncryption.kmsKeyArn", resource.value("serverSideEncryption", "kmsKeyArn"), "table"
        )
        if finding:
            yield finding
    for index, replica in enumerate(resource.items("replicas")):
        finding = own_key(f"replicas[{index}].kmsKeyArn", at(replica, "kmsKeyArn"), "table's replica")
        if finding:
            yield finding
