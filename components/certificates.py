"""The certificate that nodes show each other in transit: made in the stack, so that no file has to come from outside.

An authority of the cluster's own signs one certificate for all nodes. Both, and the keys, live as long as their
``generation``: a node fetches the archive when it starts, so a new certificate under way would split a running cluster
in two that do not trust each other. A new certificate is a new archive, a new security configuration and a new cluster.
One that has ended is made anew by the next update whatever its generation (the TLS provider does so), but its cluster
has stopped working by then: watch `NodeCertificate.expiry`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import pulumi
import pulumi_aws as aws
import pulumi_tls as tls

from components.environment import AwsEnvironment
from settings import CertificateSettings

PRIVATE_KEY = "privateKey.pem"
CERTIFICATE_CHAIN = "certificateChain.pem"
TRUSTED_CERTIFICATES = "trustedCertificates.pem"
"""Names that EMR looks for at the root of the archive (EMR Management Guide, "Providing certificates for encrypting
data in transit")."""

PREFIX = "certificates/"
"""Where archives lie in the scripts bucket."""

AUTHORITY_EXTRA_DAYS = 30
"""The authority outlives the certificate, so that the certificate's end is the one date to watch."""

NOTICE = timedelta(days=120)
"""How long before a certificate's end it is worth a warning: its renewal is a new cluster, which wants a date."""

_NEVER_CHANGED = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can hold."""


def node_names(environment: AwsEnvironment) -> tuple[str, str]:
    """Names that the certificate is good for: every node's private and public DNS name.

    Presto checks both (EMR Management Guide, "Providing certificates for encrypting data in transit"); nodes in a
    private subnet have no public name, but they ask for it. Public names: VPC user guide, "DNS attributes".
    """
    public = (
        f"compute-1.{environment.dns_suffix}"
        if environment.region == "us-east-1"
        else f"{environment.region}.compute.{environment.dns_suffix}"
    )
    return f"*.{environment.node_domain}", f"*.{public}"


def _pem(*parts: str) -> bytes:
    """PEM blocks one after the other, each ended by exactly one line feed."""
    return "".join(part.strip() + "\n" for part in parts).encode("ascii")


def certificate_archive(*, private_key: str, certificate: str, authority: str) -> bytes:
    """The archive that EMR puts on every node, byte for byte the same for the same PEM texts.

    Nothing is compressed and no time is kept: the archive's hash is its address, and neither a clock nor another
    version of zlib may move it, for a moved address is a new cluster.
    """
    content = {
        CERTIFICATE_CHAIN: _pem(certificate, authority),
        PRIVATE_KEY: _pem(private_key),
        TRUSTED_CERTIFICATES: _pem(authority),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in content.items():
            entry = zipfile.ZipInfo(name, _NEVER_CHANGED)
            entry.create_system = 3  # Unix, on whatever system this runs
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def expiry_notice(expiry: str, today: date) -> str | None:
    """What to tell about a certificate's end (RFC 3339) on a day; None when it is far."""
    last = date.fromisoformat(expiry[:10])
    if today >= last:
        return f"the cluster's certificate has ended on {last.isoformat()}: nodes no longer trust each other"
    if today > last - NOTICE:
        return (
            f"the cluster's certificate ends on {last.isoformat()}, and the cluster stops working with it: raise "
            "cluster.certificate.generation (or give another cluster.certificate.archive) and plan for a new cluster"
        )
    return None


def archive_key(archive: bytes) -> str:
    """Object key of an archive: its content's, so that another certificate never takes its place."""
    return f"{PREFIX}{hashlib.sha256(archive).hexdigest()[:16]}.zip"


def _warn(expiry: str, today: date) -> str:
    notice = expiry_notice(expiry, today)
    if notice is not None:
        pulumi.log.warn(notice)
    return expiry


@dataclass(frozen=True)
class NodeCertificateArgs:
    """What `NodeCertificate` is made of."""

    settings: CertificateSettings
    environment: AwsEnvironment
    bucket: str
    """Name of the bucket that keeps the archive."""
    bucket_ready: Sequence[pulumi.Resource]
    """What the bucket needs before something secret may be put in it."""
    key_arn: pulumi.Input[str]
    """KMS key that encrypts the archive."""
    today: date
    """The day that the certificate's end is judged on."""


class NodeCertificate(pulumi.ComponentResource):
    """An authority, a certificate for all nodes, and the archive of both where nodes fetch it."""

    uri: pulumi.Output[str]
    """``s3://`` address of the archive."""
    expiry: pulumi.Output[str]
    """When the certificate ends (RFC 3339)."""
    authority: pulumi.Output[str]
    """Certificate of the authority (PEM), for clients that shall trust the nodes."""
    archive: aws.s3.BucketObjectv2
    """The archive's object."""

    def __init__(self, name: str, args: NodeCertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:certificates:NodeCertificate", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # A period that changes must not renew what a running cluster uses; the next generation takes it up.
        lasting = pulumi.ResourceOptions(parent=self, ignore_changes=["validityPeriodHours"])
        # The generation is part of each name: raising it makes all five anew, and nothing else does.
        generation = args.settings.generation
        days = args.settings.validity_days
        private_name, public_name = node_names(args.environment)
        owner = f"{args.environment.project} {args.environment.stack}"

        authority_key = tls.PrivateKey(f"{name}-authority-key-{generation}", algorithm="RSA", rsa_bits=4096, opts=child)
        authority = tls.SelfSignedCert(
            f"{name}-authority-{generation}",
            private_key_pem=authority_key.private_key_pem,
            subject=tls.SelfSignedCertSubjectArgs(common_name=f"{owner} cluster authority", organization=owner),
            is_ca_certificate=True,
            set_subject_key_id=True,
            allowed_uses=["cert_signing", "crl_signing"],
            validity_period_hours=(days + AUTHORITY_EXTRA_DAYS) * 24,
            early_renewal_hours=0,
            opts=lasting,
        )
        node_key = tls.PrivateKey(f"{name}-node-key-{generation}", algorithm="RSA", rsa_bits=2048, opts=child)
        request = tls.CertRequest(
            f"{name}-node-request-{generation}",
            private_key_pem=node_key.private_key_pem,
            subject=tls.CertRequestSubjectArgs(common_name=private_name, organization=owner),
            dns_names=[private_name, public_name],
            opts=child,
        )
        certificate = tls.LocallySignedCert(
            f"{name}-node-{generation}",
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=authority_key.private_key_pem,
            ca_cert_pem=authority.cert_pem,
            # Every node is a server to its peers and a client of them.
            allowed_uses=["digital_signature", "key_encipherment", "server_auth", "client_auth"],
            set_subject_key_id=True,
            validity_period_hours=days * 24,
            early_renewal_hours=0,
            opts=lasting,
        )
        archive = pulumi.Output.secret(
            pulumi.Output.all(
                private_key=node_key.private_key_pem_pkcs8,
                certificate=certificate.cert_pem,
                authority=authority.cert_pem,
            )
        ).apply(lambda parts: certificate_archive(**parts))
        # The hash of a secret is none, and as one it would hide the whole security configuration in diffs.
        key = pulumi.Output.unsecret(archive.apply(archive_key))
        self.archive = aws.s3.BucketObjectv2(
            f"{name}-archive-{generation}",
            bucket=args.bucket,
            key=key,
            content_base64=archive.apply(lambda data: base64.b64encode(data).decode("ascii")),
            content_type="application/zip",
            server_side_encryption="aws:kms",
            kms_key_id=args.key_arn,
            opts=pulumi.ResourceOptions.merge(
                child,
                pulumi.ResourceOptions(depends_on=list(args.bucket_ready), additional_secret_outputs=["contentBase64"]),
            ),
        )
        # Of the object, not of the hash: whoever uses the address waits for what lies there.
        self.uri = pulumi.Output.concat("s3://", args.bucket, "/", self.archive.key)
        self.expiry = certificate.validity_end_time.apply(lambda end: _warn(end, args.today))
        self.authority = authority.cert_pem
        self.register_outputs({"uri": self.uri, "expiry": self.expiry, "authority": self.authority})
