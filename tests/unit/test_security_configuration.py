"""The security configuration, as EMR would read it."""

from __future__ import annotations

import pytest

from components.iam import Document
from components.security_configuration import security_configuration


@pytest.fixture
def document() -> Document:
    return security_configuration(
        data_key_arn="arn:aws:kms:eu-west-1:111122223333:key/data",
        logs_key_arn="arn:aws:kms:eu-west-1:111122223333:key/logs",
        logs_bucket="the-logs",
        certificate_uri="s3://scripts/certificates/0123456789abcdef.zip",
        ticket_lifetime_hours=12,
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
    }, "EMRFS role mappings would let jobs escape the nodes' role"
