"""The EMR security configuration: encryption at rest and in transit, Kerberos, instance metadata, EMRFS roles.

Source of every key: Amazon EMR Management Guide, "Create a security configuration with the Amazon EMR console or with
the AWS CLI". EMR takes any document and reads it when a cluster is made, half an hour into an update, so it is checked
against a schema of our own (``security_configuration.schema.json``) before it is sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator

from components.iam import Document
from settings import BucketEncryptionSettings, EmrfsRoleMappingSettings, KerberosSettings

KDC_PORT = 88
ADMIN_PORT = 749
"""Kerberos's own ports, which EMR wants written."""


def _server(address: str, port: int) -> str:
    return address if ":" in address else f"{address}:{port}"


def kerberos_configuration(kerberos: KerberosSettings) -> Document:
    """The block about the KDC: the cluster's own, with or without trust in another realm, or an external one."""
    external, trust = kerberos.external_kdc, kerberos.cross_realm_trust
    lifetime: Document = {"TicketLifetimeInHours": kerberos.ticket_lifetime_hours}
    if external is not None:
        directory = external.active_directory
        return {
            "Provider": "ExternalKdc",
            "ExternalKdcConfiguration": lifetime
            | {
                "KdcServerType": "Single",
                "AdminServer": _server(external.admin_server, ADMIN_PORT),
                "KdcServer": _server(external.kdc_server, KDC_PORT),
            }
            | (
                {
                    "AdIntegrationConfiguration": {
                        "AdRealm": directory.realm,
                        "AdDomain": directory.domain,
                        "AdServer": directory.server,
                    }
                }
                if directory
                else {}
            ),
        }
    if trust is not None:
        lifetime["CrossRealmTrustConfiguration"] = {
            "Realm": trust.realm,
            "Domain": trust.domain,
            "AdminServer": _server(trust.admin_server, ADMIN_PORT),
            "KdcServer": _server(trust.kdc_server, KDC_PORT),
        }
    return {"Provider": "ClusterDedicatedKdc", "ClusterDedicatedKdcConfiguration": lifetime}


def security_configuration(
    *,
    data_key_arn: str,
    logs_key_arn: str,
    logs_bucket: str,
    certificate_uri: str,
    kerberos: KerberosSettings,
    bucket_encryption: Sequence[BucketEncryptionSettings] = (),
    role_mappings: Sequence[EmrfsRoleMappingSettings] = (),
    metadata_hop_limit: int = 1,
) -> Document:
    """The whole security configuration of the cluster.

    Args:
        data_key_arn: Encrypts what EMRFS writes, EBS volumes and local disks.
        logs_key_arn: Encrypts what EMRFS writes to `logs_bucket`.
        logs_bucket: Bucket with a key of its own.
        certificate_uri: ``s3://`` address of the archive with the node certificate.
        kerberos: The KDC and its tickets.
        bucket_encryption: Encryption of other buckets than the pipeline's.
        role_mappings: Who is which role to S3, in order.
        metadata_hop_limit: Hops that an answer of the instance metadata service may take.

    Raises:
        ValueError: naming what EMR would stumble over.
    """
    overrides: list[Document] = [{"BucketName": logs_bucket, "EncryptionMode": "SSE-KMS", "AwsKmsKey": logs_key_arn}]
    for entry in bucket_encryption:
        mode: Document = (
            {"EncryptionMode": "SSE-KMS", "AwsKmsKey": entry.kms_key_arn}
            if entry.kms_key_arn
            else {"EncryptionMode": "SSE-S3"}
        )
        overrides.append({"BucketName": entry.bucket, **mode})
    document: Document = {
        "EncryptionConfiguration": {
            "EnableInTransitEncryption": True,
            "EnableAtRestEncryption": True,
            "InTransitEncryptionConfiguration": {
                "TLSCertificateConfiguration": {"CertificateProviderType": "PEM", "S3Object": certificate_uri}
            },
            "AtRestEncryptionConfiguration": {
                "S3EncryptionConfiguration": {
                    "EncryptionMode": "SSE-KMS",
                    "AwsKmsKey": data_key_arn,
                    "Overrides": overrides,
                },
                "LocalDiskEncryptionConfiguration": {
                    # Without it LUKS covers the attached volumes, and the root volume stays in the clear.
                    "EnableEbsEncryption": True,
                    "EncryptionKeyProviderType": "AwsKms",
                    "AwsKmsKey": data_key_arn,
                },
            },
        },
        "AuthenticationConfiguration": {"KerberosConfiguration": kerberos_configuration(kerberos)},
        "InstanceMetadataServiceConfiguration": {
            "MinimumInstanceMetadataServiceVersion": 2,
            # One hop keeps credentials on the node; containers of YARN share the host's network, so they reach them.
            "HttpPutResponseHopLimit": metadata_hop_limit,
        },
    }
    if role_mappings:
        document["AuthorizationConfiguration"] = {
            "EmrFsConfiguration": {
                "RoleMappings": [
                    {
                        "Role": mapping.role,
                        "IdentifierType": mapping.identifier_type,
                        "Identifiers": list(mapping.identifiers),
                    }
                    for mapping in role_mappings
                ]
            }
        }
    validate(document)
    return document


@cache
def _schema() -> Document:
    return json.loads(Path(__file__).with_suffix(".schema.json").read_text("utf-8"))


def validate(document: Document) -> None:
    """Hold a security configuration against the schema.

    Raises:
        ValueError: with every deviation, by its place in the document.
    """
    validator = Draft202012Validator(_schema())
    deviations = sorted(validator.iter_errors(document), key=lambda error: error.json_path)
    if deviations:
        told = "; ".join(f"{error.json_path}: {error.message}" for error in deviations)
        raise ValueError(f"the security configuration is not what EMR reads: {told}")


def content_name(prefix: str, document: Document) -> str:
    """Name of a configuration, of its content: another content is another name, which can stand beside this one."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
