"""The EMR security configuration: encryption at rest and in transit, Kerberos, instance metadata, as one document.

Source of every key: Amazon EMR Management Guide, "Create a security configuration with the Amazon EMR console or with
the AWS CLI". EMR checks the document when the cluster is made, not before, so its form is tested here.
"""

from __future__ import annotations

from components.iam import Document


def security_configuration(
    *,
    data_key_arn: str,
    logs_key_arn: str,
    logs_bucket: str,
    certificate_uri: str,
    ticket_lifetime_hours: int,
) -> Document:
    """The whole security configuration of the cluster.

    Args:
        data_key_arn: Encrypts what EMRFS writes, EBS volumes and local disks.
        logs_key_arn: Encrypts what EMRFS writes to `logs_bucket`.
        logs_bucket: Bucket with a key of its own.
        certificate_uri: ``s3://`` address of the archive with the node certificate.
        ticket_lifetime_hours: Life of a Kerberos ticket.
    """
    return {
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
                    "Overrides": [
                        {"BucketName": logs_bucket, "EncryptionMode": "SSE-KMS", "AwsKmsKey": logs_key_arn},
                    ],
                },
                "LocalDiskEncryptionConfiguration": {
                    # Without it LUKS covers the attached volumes, and the root volume stays in the clear.
                    "EnableEbsEncryption": True,
                    "EncryptionKeyProviderType": "AwsKms",
                    "AwsKmsKey": data_key_arn,
                },
            },
        },
        "AuthenticationConfiguration": {
            "KerberosConfiguration": {
                "Provider": "ClusterDedicatedKdc",
                "ClusterDedicatedKdcConfiguration": {"TicketLifetimeInHours": ticket_lifetime_hours},
            }
        },
        "InstanceMetadataServiceConfiguration": {
            "MinimumInstanceMetadataServiceVersion": 2,
            # One hop keeps credentials on the node; containers of YARN share the host's network, so they reach them.
            "HttpPutResponseHopLimit": 1,
        },
    }
