"""The security configuration, as EMR would read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from components.iam import Document
from components.security_configuration import content_name, security_configuration, validate
from settings import (
    ActiveDirectorySettings,
    BucketEncryptionSettings,
    CrossRealmTrustSettings,
    EmrfsRoleMappingSettings,
    ExternalKdcSettings,
    KerberosSettings,
)


@pytest.fixture
def document() -> Document:
    return security_configuration(
        data_key_arn="arn:aws:kms:eu-west-1:111122223333:key/data",
        logs_key_arn="arn:aws:kms:eu-west-1:111122223333:key/logs",
        logs_bucket="the-logs",
        certificate_uri="s3://scripts/certificates/0123456789abcdef.zip",
        kerberos=KerberosSettings(ticket_lifetime_hours=12),
    )


def test_encryption_is_on_at_rest_and_in_transit(document: Document) -> None:
    encryption = document["EncryptionConfiguration"]
    assert encryption["EnableAtRestEncryption"] is True, "EMR takes the text 'true' for something else"
    assert encryption["EnableInTransitEncryption"] is True


def test_emrfs_encrypts_with_the_data_key_and_logs_with_their_own(document: Document) -> None:
    s3 = document["EncryptionConfiguration"]["AtRestEncryptionConfiguration"]["S3EncryptionConfiguration"]
    assert s3["EncryptionMode"] == "SSE-KMS"
    assert s3["AwsKmsKey"].endswith("key/data")
    assert s3["Overrides"] == [
        {
            "BucketName": "the-logs",
            "EncryptionMode": "SSE-KMS",
            "AwsKmsKey": "arn:aws:kms:eu-west-1:111122223333:key/logs",
        }
    ]


def test_local_disks_and_every_ebs_volume_are_encrypted(document: Document) -> None:
    disks = document["EncryptionConfiguration"]["AtRestEncryptionConfiguration"]["LocalDiskEncryptionConfiguration"]
    assert disks["EnableEbsEncryption"] is True, "LUKS alone leaves the root volume in the clear"
    assert disks["EncryptionKeyProviderType"] == "AwsKms"
    assert disks["AwsKmsKey"].endswith("key/data")


def test_nodes_find_their_certificate_in_s3(document: Document) -> None:
    transit = document["EncryptionConfiguration"]["InTransitEncryptionConfiguration"]["TLSCertificateConfiguration"]
    assert transit == {
        "CertificateProviderType": "PEM",
        "S3Object": "s3://scripts/certificates/0123456789abcdef.zip",
    }


def test_the_cluster_has_a_kdc_of_its_own(document: Document) -> None:
    kerberos = document["AuthenticationConfiguration"]["KerberosConfiguration"]
    assert kerberos == {
        "Provider": "ClusterDedicatedKdc",
        "ClusterDedicatedKdcConfiguration": {"TicketLifetimeInHours": 12},
    }


def test_credentials_are_read_on_the_node_itself_with_a_session(document: Document) -> None:
    assert document["InstanceMetadataServiceConfiguration"] == {
        "MinimumInstanceMetadataServiceVersion": 2,
        "HttpPutResponseHopLimit": 1,
    }


def test_there_is_nothing_else_in_it(document: Document) -> None:
    assert set(document) == {
        "EncryptionConfiguration",
        "AuthenticationConfiguration",
        "InstanceMetadataServiceConfiguration",
    }, "role mappings let jobs be another role than the nodes': only when they are asked for"


# --- what settings add


def with_settings(kerberos: KerberosSettings | None = None, **more: Any) -> Document:
    return security_configuration(
        data_key_arn="arn:aws:kms:eu-west-1:111122223333:key/data",
        logs_key_arn="arn:aws:kms:eu-west-1:111122223333:key/logs",
        logs_bucket="the-logs",
        certificate_uri="s3://scripts/certificates/0123456789abcdef.zip",
        kerberos=kerberos or KerberosSettings(),
        **more,
    )


def test_a_trusted_realm_is_named_with_its_servers_and_their_ports() -> None:
    trust = CrossRealmTrustSettings(
        realm="AD.EXAMPLE.COM",
        domain="ad.example.com",
        admin_server="ad.example.com",
        kdc_server="ad.example.com:1088",
        principal_password_secret="trust",
    )
    kerberos = with_settings(KerberosSettings(cross_realm_trust=trust))["AuthenticationConfiguration"]
    assert kerberos["KerberosConfiguration"]["ClusterDedicatedKdcConfiguration"] == {
        "TicketLifetimeInHours": 24,
        "CrossRealmTrustConfiguration": {
            "Realm": "AD.EXAMPLE.COM",
            "Domain": "ad.example.com",
            "AdminServer": "ad.example.com:749",
            "KdcServer": "ad.example.com:1088",
        },
    }, "EMR wants ports written; those that are Kerberos's own are filled in"


def test_an_external_kdc_takes_the_place_of_the_clusters_own() -> None:
    kdc = ExternalKdcSettings(
        realm="EXAMPLE.COM",
        admin_server="kdc.example.com",
        kdc_server="kdc.example.com",
        administrator_password_secret="kdc",
        active_directory=ActiveDirectorySettings(
            realm="AD.EXAMPLE.COM", domain="ad.example.com", server="ad.example.com"
        ),
    )
    kerberos = with_settings(KerberosSettings(external_kdc=kdc))["AuthenticationConfiguration"]
    assert kerberos["KerberosConfiguration"] == {
        "Provider": "ExternalKdc",
        "ExternalKdcConfiguration": {
            "TicketLifetimeInHours": 24,
            "KdcServerType": "Single",
            "AdminServer": "kdc.example.com:749",
            "KdcServer": "kdc.example.com:88",
            "AdIntegrationConfiguration": {
                "AdRealm": "AD.EXAMPLE.COM",
                "AdDomain": "ad.example.com",
                "AdServer": "ad.example.com",
            },
        },
    }


def test_other_buckets_keep_their_own_encryption() -> None:
    key = "arn:aws:kms:eu-west-1:111122223333:key/other"
    document = with_settings(
        bucket_encryption=[
            BucketEncryptionSettings(bucket="partner", kms_key_arn=key),
            BucketEncryptionSettings(bucket="public-data"),
        ]
    )
    overrides = document["EncryptionConfiguration"]["AtRestEncryptionConfiguration"]["S3EncryptionConfiguration"][
        "Overrides"
    ]
    assert overrides[1:] == [
        {"BucketName": "partner", "EncryptionMode": "SSE-KMS", "AwsKmsKey": key},
        {"BucketName": "public-data", "EncryptionMode": "SSE-S3"},
    ]


def test_role_mappings_keep_their_order_and_hops_their_number() -> None:
    role = "arn:aws:iam::111122223333:role/analysts"
    document = with_settings(
        role_mappings=[EmrfsRoleMappingSettings(role=role, identifier_type="Group", identifiers=("analysts",))],
        metadata_hop_limit=2,
    )
    assert document["AuthorizationConfiguration"]["EmrFsConfiguration"]["RoleMappings"] == [
        {"Role": role, "IdentifierType": "Group", "Identifiers": ["analysts"]}
    ], "the first mapping that fits is used"
    assert document["InstanceMetadataServiceConfiguration"]["HttpPutResponseHopLimit"] == 2


def encryption(document: Document) -> Document:
    return document["EncryptionConfiguration"]


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        (lambda d: encryption(d).update(EnableAtRestEncryption="true"), "EnableAtRestEncryption"),
        (lambda d: encryption(d).pop("InTransitEncryptionConfiguration"), "InTransitEncryptionConfiguration"),
        (lambda d: encryption(d).update(EnableInTransit=True), "EnableInTransit"),
        (
            lambda d: encryption(d)["AtRestEncryptionConfiguration"]["LocalDiskEncryptionConfiguration"].update(
                AwsKmsKey="alias/data"
            ),
            "LocalDiskEncryptionConfiguration.AwsKmsKey",
        ),
        (
            lambda d: encryption(d)["InTransitEncryptionConfiguration"]["TLSCertificateConfiguration"].update(
                S3Object="https://x/y.zip"
            ),
            "S3Object",
        ),
        (
            lambda d: d["InstanceMetadataServiceConfiguration"].update(MinimumInstanceMetadataServiceVersion=1),
            "MinimumInstanceMetadataServiceVersion",
        ),
        (
            lambda d: d["InstanceMetadataServiceConfiguration"].update(HttpPutResponseHopLimit="1"),
            "HttpPutResponseHopLimit",
        ),
        (lambda d: d.pop("AuthenticationConfiguration"), "AuthenticationConfiguration"),
        (
            lambda d: d["AuthenticationConfiguration"]["KerberosConfiguration"].update(Provider="Kdc"),
            "KerberosConfiguration",
        ),
    ],
)
def test_a_document_that_emr_would_stumble_over_is_refused_by_its_place(
    document: Document, spoil: Callable[[Document], Any], place: str
) -> None:
    validate(document)
    copy = json.loads(json.dumps(document))
    spoil(copy)
    with pytest.raises(ValueError, match=place):
        validate(copy)


def test_the_name_is_the_contents(document: Document) -> None:
    name = content_name("p-s", document)
    assert name == content_name("p-s", json.loads(json.dumps(document))), "the same content has the same name"
    changed = with_settings()
    assert name != content_name("p-s", changed), "another content can stand beside it"
    assert name.startswith("p-s-")
