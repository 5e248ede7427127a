"""The certificate archive: made of real certificates here, opened, and verified as a node's Java would."""

from __future__ import annotations

import io
import time
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from components.certificates import archive_key, certificate_archive, node_names
from tests.unit.harness import ENVIRONMENT


@dataclass(frozen=True)
class Issued:
    """PEM texts as the TLS provider gives them."""

    private_key: str
    certificate: str
    authority: str


def issue() -> Issued:
    """An authority and a node certificate, as the component asks for them."""
    authority_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    node_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    now = datetime.now(UTC)
    private_name, public_name = node_names(ENVIRONMENT)
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test cluster authority")])
    authority = (
        x509.CertificateBuilder()
        .subject_name(authority_name)
        .issuer_name(authority_name)
        .public_key(authority_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=60))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=False,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, private_name)]))
        .issuer_name(authority_name)
        .public_key(node_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(private_name), x509.DNSName(public_name)]), critical=False
        )
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .add_extension(
            x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return Issued(
        private_key=node_key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        certificate=certificate.public_bytes(pem).decode(),
        authority=authority.public_bytes(pem).decode(),
    )


@pytest.fixture(scope="module")
def issued() -> Issued:
    return issue()


def archive_of(issued: Issued) -> bytes:
    return certificate_archive(
        private_key=issued.private_key, certificate=issued.certificate, authority=issued.authority
    )


def content(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def test_the_archive_is_flat_and_holds_exactly_the_three_names(issued: Issued) -> None:
    names = set(content(archive_of(issued)))
    assert names == {"privateKey.pem", "certificateChain.pem", "trustedCertificates.pem"}, "EMR looks for these only"


def test_the_chain_is_the_nodes_certificate_followed_by_its_authority(issued: Issued) -> None:
    files = content(archive_of(issued))
    chain = x509.load_pem_x509_certificates(files["certificateChain.pem"])
    trusted = x509.load_pem_x509_certificates(files["trustedCertificates.pem"])
    assert len(chain) == 2
    assert trusted == [chain[1]], "nodes trust the authority and nothing else"
    chain[0].verify_directly_issued_by(chain[1])


def test_the_private_key_is_the_certificates_and_unencrypted(issued: Issued) -> None:
    files = content(archive_of(issued))
    key = serialization.load_pem_private_key(files["privateKey.pem"], password=None)
    chain = x509.load_pem_x509_certificates(files["certificateChain.pem"])
    assert key.public_key() == chain[0].public_key()


@pytest.mark.parametrize(
    "host",
    ["ip-10-20-1-7.eu-west-1.compute.internal", "ec2-198-51-100-7.eu-west-1.compute.amazonaws.com"],
)
def test_a_node_is_trusted_by_each_of_its_names(issued: Issued, host: str) -> None:
    files = content(archive_of(issued))
    chain = x509.load_pem_x509_certificates(files["certificateChain.pem"])
    store = Store(x509.load_pem_x509_certificates(files["trustedCertificates.pem"]))
    verifier = PolicyBuilder().store(store).build_server_verifier(x509.DNSName(host))
    verified = verifier.verify(chain[0], chain[1:])
    assert [certificate.subject for certificate in verified] == [entry.subject for entry in chain]


def test_the_same_certificates_make_the_same_bytes(issued: Issued, monkeypatch: pytest.MonkeyPatch) -> None:
    first = archive_of(issued)
    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)
    second = archive_of(issued)
    assert first == second, "an archive that changes with the clock is a new cluster with every update"
    assert archive_key(first) == archive_key(second)


def test_nothing_in_the_archive_is_compressed(issued: Issued) -> None:
    with zipfile.ZipFile(io.BytesIO(archive_of(issued))) as opened:
        for entry in opened.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED, "another zlib compresses to other bytes"
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert entry.external_attr >> 16 == 0o600, "a private key is for its owner"


def test_the_bytes_are_those_of_every_machine() -> None:
    archive = certificate_archive(private_key="key", certificate="leaf", authority="root")
    assert archive_key(archive) == "certificates/880f96556b440031.zip", "another form replaces every cluster"


def test_white_space_around_a_pem_text_changes_nothing(issued: Issued) -> None:
    padded = replace(
        issued,
        certificate=f"\n{issued.certificate}\n\n",
        authority=issued.authority.strip(),
        private_key=issued.private_key + "\n",
    )
    assert archive_of(padded) == archive_of(issued)


def test_another_certificate_has_another_address(issued: Issued) -> None:
    assert archive_key(archive_of(issue())) != archive_key(archive_of(issued)), "running nodes keep theirs"


@pytest.mark.parametrize(
    ("region", "suffix", "names"),
    [
        ("eu-west-1", "amazonaws.com", ("*.eu-west-1.compute.internal", "*.eu-west-1.compute.amazonaws.com")),
        ("us-east-1", "amazonaws.com", ("*.ec2.internal", "*.compute-1.amazonaws.com")),
        ("cn-north-1", "amazonaws.com.cn", ("*.cn-north-1.compute.internal", "*.cn-north-1.compute.amazonaws.com.cn")),
    ],
)
def test_names_are_those_of_the_regions_nodes(region: str, suffix: str, names: tuple[str, str]) -> None:
    assert node_names(replace(ENVIRONMENT, region=region, dns_suffix=suffix)) == names
