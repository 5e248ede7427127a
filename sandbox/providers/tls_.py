"""The `tls` stand-in: real keys, requests and certificates.

Sources: terraform-provider-tls ``internal/provider/resource_{private_key,self_signed_cert,cert_request,
locally_signed_cert}.go`` and ``common_cert.go``.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.providers.random_ import check_configuration, configure, forget
from sandbox.providers.schema import nearest
from sandbox.providers.servicer import Package
from sandbox.providers.table import Change, Created, Inputs, Operation, ResourceType, State, names

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_CURVES: Final = {"P224": ec.SECP224R1, "P256": ec.SECP256R1, "P384": ec.SECP384R1, "P521": ec.SECP521R1}
_KEY_USES: Final = {
    "digital_signature": "digital_signature",
    "content_commitment": "content_commitment",
    "key_encipherment": "key_encipherment",
    "data_encipherment": "data_encipherment",
    "key_agreement": "key_agreement",
    "cert_signing": "key_cert_sign",
    "crl_signing": "crl_sign",
    "encipher_only": "encipher_only",
    "decipher_only": "decipher_only",
}
_EXTENDED_USES: Final = {
    "any_extended": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}
_SUBJECT: Final = {
    "commonName": NameOID.COMMON_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "country": NameOID.COUNTRY_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "postalCode": NameOID.POSTAL_CODE,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "emailAddress": NameOID.EMAIL_ADDRESS,
}


# -- keys --------------------------------------------------------------------------------------------------------------


def _check_key(inputs: Inputs) -> Iterable[tuple[str, str]]:
    if inputs.get("algorithm") not in {None, "RSA", "ECDSA", "ED25519"}:
        yield "algorithm", f"is {inputs['algorithm']!r}, which is not one of RSA, ECDSA, ED25519"
    if inputs.get("ecdsaCurve") not in {None, *_CURVES}:
        yield "ecdsaCurve", f"is {inputs['ecdsaCurve']!r}, which is not one of {', '.join(_CURVES)}"


def _make_key(inputs: Inputs) -> PrivateKey:
    if inputs["algorithm"] == "RSA":
        return rsa.generate_private_key(65537, inputs.get("rsaBits", 2048))
    if inputs["algorithm"] == "ECDSA":
        return ec.generate_private_key(_CURVES[inputs.get("ecdsaCurve", "P224")]())
    return ed25519.Ed25519PrivateKey.generate()


def _pem(key: PrivateKey, form: serialization.PrivateFormat) -> str:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _create_key(operation: Operation, inputs: Inputs) -> Created:
    key = _make_key(inputs)
    public = key.public_key()
    encoding, public_form = serialization.Encoding, serialization.PublicFormat
    public_pem = public.public_bytes(encoding.PEM, public_form.SubjectPublicKeyInfo).decode()
    pkcs8 = _pem(key, serialization.PrivateFormat.PKCS8)
    edwards = isinstance(key, ed25519.Ed25519PrivateKey)
    state: State = {
        "privateKeyPem": pkcs8 if edwards else _pem(key, serialization.PrivateFormat.TraditionalOpenSSL),
        "privateKeyPemPkcs8": pkcs8,
        "publicKeyPem": public_pem,
        "rsaBits": inputs.get("rsaBits", 2048),
        "ecdsaCurve": inputs.get("ecdsaCurve", "P224"),
    }
    if not (isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp224r1"):
        # OpenSSH knows no P-224.
        openssh = public.public_bytes(encoding.OpenSSH, public_form.OpenSSH)
        state["privateKeyOpenssh"] = _pem(key, serialization.PrivateFormat.OpenSSH)
        state["publicKeyOpenssh"] = openssh.decode() + "\n"
        state["publicKeyFingerprintMd5"] = _fingerprint_md5(public)
        state["publicKeyFingerprintSha256"] = _fingerprint_sha256(public)
    return Created(hashlib.sha1(public_pem.encode()).hexdigest(), state)


def _fingerprint_md5(public: Any) -> str:
    digest = serialization.ssh_key_fingerprint(public, hashes.MD5()).hex()
    return ":".join(digest[index : index + 2] for index in range(0, len(digest), 2))


def _fingerprint_sha256(public: Any) -> str:
    digest = serialization.ssh_key_fingerprint(public, hashes.SHA256())
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _load_key(pem: str) -> PrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise ValueError("the private key is neither RSA, ECDSA nor ED25519")
    return key


def _algorithm(key: PrivateKey) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey) else "ED25519"


def _signing_hash(key: PrivateKey) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


# -- certificates ------------------------------------------------------------------------------------------------------


def _check_certificate(inputs: Inputs) -> Iterable[tuple[str, str]]:
    known = {**_KEY_USES, **_EXTENDED_USES}
    for use in inputs.get("allowedUses", []):
        if use not in known:
            yield "allowedUses", f"{use!r} is no use of a key; {nearest(use, known)}"
    if inputs.get("validityPeriodHours", 0) < 0:
        yield "validityPeriodHours", f"is {inputs['validityPeriodHours']}; it must be at least 0"
    yield from _check_names(inputs)


def _check_names(inputs: Inputs) -> Iterable[tuple[str, str]]:
    for address in inputs.get("ipAddresses", []):
        try:
            ipaddress.ip_address(address)
        except ValueError:
            yield "ipAddresses", f"{address!r} is no IP address"


def _subject(subject: Mapping[str, Any] | None) -> x509.Name:
    entries = [
        x509.NameAttribute(identifier, subject[name])
        for name, identifier in _SUBJECT.items()
        if subject and subject.get(name)
    ]
    entries += [x509.NameAttribute(NameOID.STREET_ADDRESS, line) for line in (subject or {}).get("streetAddresses", [])]
    return x509.Name(entries)


def _alternative_names(inputs: Inputs) -> x509.SubjectAlternativeName | None:
    entries: list[x509.GeneralName] = [x509.DNSName(name) for name in inputs.get("dnsNames", [])]
    entries += [x509.IPAddress(ipaddress.ip_address(address)) for address in inputs.get("ipAddresses", [])]
    entries += [x509.UniformResourceIdentifier(uri) for uri in inputs.get("uris", [])]
    return x509.SubjectAlternativeName(entries) if entries else None


def _issue(
    inputs: Inputs,
    subject: x509.Name,
    alternative_names: x509.SubjectAlternativeName | None,
    public: Any,
    issuer: x509.Certificate | None,
    signer: PrivateKey,
) -> Created:
    now = datetime.now(UTC).replace(microsecond=0)
    end = now + timedelta(hours=inputs["validityPeriodHours"])
    authority = inputs.get("isCaCertificate", False)
    serial = x509.random_serial_number()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(now)
        .not_valid_after(end)
    )
    uses = inputs["allowedUses"]
    usages = {member: use in uses for use, member in _KEY_USES.items()}
    if any(usages.values()):
        builder = builder.add_extension(x509.KeyUsage(**usages), critical=True)
    extended = [identifier for use, identifier in _EXTENDED_USES.items() if use in uses]
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    length = inputs.get("maxPathLength", -1)
    constraints = x509.BasicConstraints(ca=authority, path_length=length if authority and length >= 0 else None)
    builder = builder.add_extension(constraints, critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    if authority or inputs.get("setSubjectKeyId"):
        builder = builder.add_extension(identifier, critical=False)
    if issuer is not None:
        builder = builder.add_extension(_authority_identifier(issuer), critical=False)
    elif inputs.get("setAuthorityKeyId"):
        own = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        builder = builder.add_extension(own, critical=False)
    if alternative_names is not None:
        builder = builder.add_extension(alternative_names, critical=False)
    certificate = builder.sign(signer, _signing_hash(signer))
    return Created(
        str(serial),
        {
            "certPem": certificate.public_bytes(serialization.Encoding.PEM).decode(),
            "validityStartTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "validityEndTime": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "readyForRenewal": False,
        },
    )


def _authority_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    found = [entry.value for entry in issuer.extensions if isinstance(entry.value, x509.SubjectKeyIdentifier)]
    identifier = found[0] if found else x509.SubjectKeyIdentifier.from_public_key(issuer.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _create_self_signed(operation: Operation, inputs: Inputs) -> Created:
    key = _load_key(inputs["privateKeyPem"])
    made = _issue(inputs, _subject(inputs.get("subject")), _alternative_names(inputs), key.public_key(), None, key)
    return Created(made.id, {**made.state, "keyAlgorithm": _algorithm(key)})


def _create_request(operation: Operation, inputs: Inputs) -> Created:
    key = _load_key(inputs["privateKeyPem"])
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(inputs.get("subject")))
    alternative_names = _alternative_names(inputs)
    if alternative_names is not None:
        builder = builder.add_extension(alternative_names, critical=False)
    request = builder.sign(key, _signing_hash(key)).public_bytes(serialization.Encoding.PEM)
    identifier = hashlib.sha1(request).hexdigest()
    return Created(identifier, {"certRequestPem": request.decode(), "keyAlgorithm": _algorithm(key)})


def _create_locally_signed(operation: Operation, inputs: Inputs) -> Created:
    request = x509.load_pem_x509_csr(inputs["certRequestPem"].encode())
    if not request.is_signature_valid:
        raise ValueError("certRequestPem: the signature of the request does not fit its key")
    issuer = x509.load_pem_x509_certificate(inputs["caCertPem"].encode())
    key = _load_key(inputs["caPrivateKeyPem"])
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != issuer.public_key().public_bytes(*form):
        raise ValueError("caPrivateKeyPem is not the key of caCertPem")
    try:
        alternative_names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        alternative_names = None
    made = _issue(inputs, request.subject, alternative_names, request.public_key(), issuer, key)
    return Created(made.id, {**made.state, "caKeyAlgorithm": _algorithm(key)})


def _keep(operation: Operation, change: Change) -> None:
    """earlyRenewalHours only says when Diff asks for a new certificate."""


def _renew(state: State) -> str | None:
    """Whether the certificate runs out within the hours that were given for its renewal."""
    end = datetime.strptime(state["validityEndTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    early = timedelta(hours=state.get("earlyRenewalHours", 0))
    return "readyForRenewal" if datetime.now(UTC) >= end - early else None


_CERTIFICATE = names("allowedUses validityPeriodHours earlyRenewalHours isCaCertificate maxPathLength setSubjectKeyId")
_NAMES = names("subject dnsNames ipAddresses uris privateKeyPem")

_TYPES = (
    ResourceType(
        token="tls:index/privateKey:PrivateKey",
        source="resource_private_key.go: everything replaces",
        handles=names("algorithm rsaBits ecdsaCurve"),
        secrets=names("privateKeyPem privateKeyPemPkcs8 privateKeyOpenssh"),
        create=_create_key,
        read=None,
        delete=forget,
        check=_check_key,
    ),
    ResourceType(
        token="tls:index/selfSignedCert:SelfSignedCert",
        source="resource_self_signed_cert.go",
        handles=_CERTIFICATE | _NAMES | names("setAuthorityKeyId"),
        defaults={
            "earlyRenewalHours": 0,
            "isCaCertificate": False,
            "setAuthorityKeyId": False,
            "setSubjectKeyId": False,
        },
        in_place=names("earlyRenewalHours"),
        secrets=names("privateKeyPem"),
        create=_create_self_signed,
        read=None,
        update=_keep,
        delete=forget,
        check=_check_certificate,
        renew=_renew,
    ),
    ResourceType(
        token="tls:index/certRequest:CertRequest",
        source="resource_cert_request.go: everything replaces",
        handles=_NAMES,
        secrets=names("privateKeyPem"),
        create=_create_request,
        read=None,
        delete=forget,
        check=_check_names,
    ),
    ResourceType(
        token="tls:index/locallySignedCert:LocallySignedCert",
        source="resource_locally_signed_cert.go",
        handles=_CERTIFICATE | names("caCertPem caPrivateKeyPem certRequestPem"),
        defaults={"earlyRenewalHours": 0, "isCaCertificate": False, "setSubjectKeyId": False},
        in_place=names("earlyRenewalHours"),
        secrets=names("caPrivateKeyPem"),
        create=_create_locally_signed,
        read=None,
        update=_keep,
        delete=forget,
        check=_check_certificate,
        renew=_renew,
    ),
)

PACKAGE: Final = Package(
    name="tls",
    resources={entry.token: entry for entry in _TYPES},
    functions={},
    configure=configure,
    check_configuration=check_configuration,
    where="sandbox/providers/tls_.py",
)
