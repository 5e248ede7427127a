"""EMR security configurations.

Source: EMR management guide, "Create a security configuration using the AWS CLI" (its JSON structure and tables of
parameters) and "Use Kerberos for authentication with Amazon EMR".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sandbox.documents import Owner
from sandbox.documents.by_schema import schema_mistakes

_KEY: Final = {
    "type": "string",
    "pattern": r"^arn:[^:]+:kms:[^:]+:\d{12}:(key|alias)/.+$",
    "description": "AwsKmsKey is the ARN of a KMS key in the cluster's Region",
}
_OBJECT: Final = {"type": "string", "pattern": "^s3://[^/]+/.+", "description": "S3Object is s3://BUCKET/KEY"}
_SERVER: Final = {"type": "string", "pattern": r"^[^:\s]+(:\d{1,5})?$", "description": "a host, or host:port"}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "additionalProperties": False, "properties": properties}


def _when(name: str, value: Any, *required: str) -> dict[str, Any]:
    """What a value asks for."""
    shown = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
    return {
        "if": {"properties": {name: {"const": value}}, "required": [name]},
        "then": {"required": list(required), "description": f"{name} {shown} needs it"},
    }


_S3_MODES: Final = [
    _when("EncryptionMode", "SSE-KMS", "AwsKmsKey"),
    _when("EncryptionMode", "CSE-KMS", "AwsKmsKey"),
    _when("EncryptionMode", "CSE-Custom", "S3Object", "EncryptionKeyProviderClass"),
]
_S3_PROPERTIES: Final = {
    "EncryptionMode": {"enum": ["SSE-S3", "SSE-KMS", "CSE-KMS", "CSE-Custom"]},
    "AwsKmsKey": _KEY,
    "S3Object": _OBJECT,
    "EncryptionKeyProviderClass": {"type": "string"},
}
_S3: Final = {
    **_object(
        ["EncryptionMode"],
        **_S3_PROPERTIES,
        Overrides={
            "type": "array",
            "items": {
                **_object(
                    ["BucketName", "EncryptionMode"],
                    BucketName={
                        "type": "string",
                        "pattern": r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
                        "description": "a bucket's name, not its ARN",
                    },
                    **_S3_PROPERTIES,
                ),
                "allOf": _S3_MODES,
            },
        },
    ),
    "allOf": _S3_MODES,
}
_LOCAL_DISK: Final = {
    **_object(
        ["EncryptionKeyProviderType"],
        EnableEbsEncryption={"type": "boolean"},
        EncryptionKeyProviderType={"enum": ["AwsKms", "Custom"]},
        AwsKmsKey=_KEY,
        S3Object=_OBJECT,
        EncryptionKeyProviderClass={"type": "string"},
    ),
    "allOf": [
        _when("EncryptionKeyProviderType", "AwsKms", "AwsKmsKey"),
        _when("EncryptionKeyProviderType", "Custom", "S3Object", "EncryptionKeyProviderClass"),
    ],
}
_IN_TRANSIT: Final = _object(
    ["TLSCertificateConfiguration"],
    TLSCertificateConfiguration={
        "type": "object",
        "required": ["CertificateProviderType"],
        "properties": {
            "CertificateProviderType": {"enum": ["PEM", "Custom", "EMR"]},
            "S3Object": _OBJECT,
            "CertificateProviderClass": {"type": "string"},
        },
        "allOf": [
            _when("CertificateProviderType", "PEM", "S3Object"),
            _when("CertificateProviderType", "Custom", "S3Object", "CertificateProviderClass"),
        ],
    },
)
_ENCRYPTION: Final = {
    **_object(
        ["EnableInTransitEncryption", "EnableAtRestEncryption"],
        EnableInTransitEncryption={"type": "boolean"},
        EnableAtRestEncryption={"type": "boolean"},
        InTransitEncryptionConfiguration=_IN_TRANSIT,
        AtRestEncryptionConfiguration={
            **_object(
                [],
                S3EncryptionConfiguration=_S3,
                LocalDiskEncryptionConfiguration=_LOCAL_DISK,
                EMRWALEncryptionConfiguration={"type": "object"},
            ),
            "minProperties": 1,
        },
    ),
    "allOf": [
        _when("EnableInTransitEncryption", True, "InTransitEncryptionConfiguration"),
        _when("EnableAtRestEncryption", True, "AtRestEncryptionConfiguration"),
    ],
}
_LIFETIME: Final = {"type": "integer", "minimum": 1}
_KERBEROS: Final = {
    **_object(
        ["Provider"],
        Provider={"enum": ["ClusterDedicatedKdc", "ExternalKdc"]},
        ClusterDedicatedKdcConfiguration=_object(
            ["TicketLifetimeInHours"],
            TicketLifetimeInHours=_LIFETIME,
            CrossRealmTrustConfiguration=_object(
                ["Realm", "Domain", "AdminServer", "KdcServer"],
                Realm={"type": "string", "pattern": "^[A-Z0-9.-]+$", "description": "a realm, in capitals"},
                Domain={"type": "string"},
                AdminServer=_SERVER,
                KdcServer=_SERVER,
            ),
        ),
        ExternalKdcConfiguration=_object(
            ["TicketLifetimeInHours", "KdcServerType", "AdminServer", "KdcServer"],
            TicketLifetimeInHours=_LIFETIME,
            KdcServerType={"enum": ["Single"]},
            AdminServer=_SERVER,
            KdcServer=_SERVER,
            AdIntegrationConfiguration={"type": "object"},
        ),
    ),
    "allOf": [
        _when("Provider", "ClusterDedicatedKdc", "ClusterDedicatedKdcConfiguration"),
        _when("Provider", "ExternalKdc", "ExternalKdcConfiguration"),
    ],
}
_METADATA: Final = _object(
    ["MinimumInstanceMetadataServiceVersion", "HttpPutResponseHopLimit"],
    MinimumInstanceMetadataServiceVersion={"enum": [1, 2]},
    HttpPutResponseHopLimit={"type": "integer", "minimum": 1, "maximum": 64},
)
_SCHEMA: Final = {
    **_object(
        [],
        EncryptionConfiguration=_ENCRYPTION,
        AuthenticationConfiguration=_object(["KerberosConfiguration"], KerberosConfiguration=_KERBEROS),
        AuthorizationConfiguration={"type": "object"},
        InstanceMetadataServiceConfiguration=_METADATA,
    ),
    "minProperties": 1,
}


def security_configuration(document: Any, owner: Owner) -> Iterator[str]:
    """What is wrong with a configuration."""
    yield from schema_mistakes(document, _SCHEMA)
