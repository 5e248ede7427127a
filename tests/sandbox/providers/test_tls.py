"""Keys and certificates are real ones: a chain that verifies."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from grpc import RpcError

from sandbox.providers.protocol import Secret
from tests.sandbox.providers.driver import ProviderDriver, Resource
from tests.sandbox.providers.world import certificate

KEY = "tls:index/privateKey:PrivateKey"
CA = "tls:index/selfSignedCert:SelfSignedCert"
REQUEST = "tls:index/certRequest:CertRequest"
LEAF = "tls:index/locallySignedCert:LocallySignedCert"


@pytest.fixture(scope="module")
def tls(drivers: dict[str, ProviderDriver]) -> ProviderDriver:
    return drivers["tls"]


def make_key(tls: ProviderDriver, name: str, **inputs: Any) -> Resource:
    return tls.create(KEY, name, {"algorithm": "RSA", **inputs})


@pytest.fixture(scope="module")
def chain(tls: ProviderDriver) -> dict[str, Resource]:
    authority_key, key = make_key(tls, "ca"), make_key(tls, "leaf")
    authority = tls.create(
        CA,
        "ca",
        {
            "privateKeyPem": authority_key.outputs["privateKeyPem"],
            "isCaCertificate": True,
            "subject": {"commonName": "Pipeline CA", "organization": "Test"},
            "validityPeriodHours": 8760,
            "allowedUses": ["cert_signing", "crl_signing"],
        },
    )
    request = tls.create(
        REQUEST,
        "leaf",
        {
            "privateKeyPem": key.outputs["privateKeyPem"],
            "subject": {"commonName": "*.eu-west-1.compute.internal"},
            "dnsNames": ["*.eu-west-1.compute.internal", "localhost"],
            "ipAddresses": ["127.0.0.1"],
        },
    )
    leaf = tls.create(
        LEAF,
        "leaf",
        {
            "certRequestPem": request.outputs["certRequestPem"],
            "caPrivateKeyPem": authority_key.outputs["privateKeyPem"],
            "caCertPem": authority.outputs["certPem"],
            "validityPeriodHours": 1000,
            "allowedUses": ["digital_signature", "key_encipherment", "server_auth", "client_auth"],
        },
    )
    return {"authority_key": authority_key, "key": key, "authority": authority, "request": request, "leaf": leaf}


@pytest.mark.parametrize(
    ("inputs", "kind"),
    [
        ({"algorithm": "RSA", "rsaBits": 2048}, rsa.RSAPrivateKey),
        ({"algorithm": "ECDSA", "ecdsaCurve": "P256"}, ec.EllipticCurvePrivateKey),
        ({"algorithm": "ECDSA"}, ec.EllipticCurvePrivateKey),
        ({"algorithm": "ED25519"}, ed25519.Ed25519PrivateKey),
    ],
    ids=str,
)
def test_keys_of_every_algorithm(tls: ProviderDriver, inputs: dict[str, Any], kind: type) -> None:
    key = tls.create(KEY, "key", inputs)
    for name in ("privateKeyPem", "privateKeyPemPkcs8"):
        pem = key.outputs[name]
        assert isinstance(pem, Secret), f"{name} is a secret"
        assert isinstance(serialization.load_pem_private_key(pem.value.encode(), None), kind)
    assert "PRIVATE" not in key.outputs["publicKeyPem"]


def test_the_leaf_verifies_against_the_authority(chain: dict[str, Resource]) -> None:
    authority, leaf = certificate(chain["authority"].outputs["certPem"]), certificate(chain["leaf"].outputs["certPem"])
    leaf.verify_directly_issued_by(authority)
    authority.verify_directly_issued_by(authority)
    key = serialization.load_pem_private_key(chain["key"].outputs["privateKeyPem"].value.encode(), None)
    assert leaf.public_key() == key.public_key(), "the certificate is of the key that the nodes get"


def test_the_authority_may_sign_and_the_leaf_may_not(chain: dict[str, Resource]) -> None:
    authority, leaf = certificate(chain["authority"].outputs["certPem"]), certificate(chain["leaf"].outputs["certPem"])
    for item, expected in ((authority, True), (leaf, False)):
        assert item.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is expected
        assert item.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign is expected
    uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(uses) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}


def test_names_come_from_the_request(chain: dict[str, Resource]) -> None:
    leaf = certificate(chain["leaf"].outputs["certPem"])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["*.eu-west-1.compute.internal", "localhost"]
    assert str(names.get_values_for_type(x509.IPAddress)[0]) == "127.0.0.1"
    common = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert common == "*.eu-west-1.compute.internal"


def test_validity_is_what_was_asked_for(chain: dict[str, Resource]) -> None:
    leaf = certificate(chain["leaf"].outputs["certPem"])
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).total_seconds() == 1000 * 3600
    assert chain["leaf"].outputs["validityEndTime"] == leaf.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert chain["leaf"].outputs["readyForRenewal"] is False


@pytest.mark.parametrize("name", ["authority", "request", "leaf"])
def test_nothing_changes_unasked(tls: ProviderDriver, chain: dict[str, Resource], name: str) -> None:
    item = chain[name]
    again = tls.check(item.token, item.name, item.inputs, item.inputs)
    assert tls.diff(item, again).kinds == {}, "a new certificate is a new cluster"
    read = tls.read(item)
    assert read is not None
    assert read.outputs == item.outputs


def test_another_subject_is_another_certificate(tls: ProviderDriver, chain: dict[str, Resource]) -> None:
    item = chain["authority"]
    inputs = tls.check(item.token, item.name, {**item.inputs, "subject": {"commonName": "Other"}}, item.inputs)
    difference = tls.diff(item, inputs)
    assert {path.split(".")[0] for path in difference.replaces} == {"subject"}


def test_the_hours_of_early_renewal_change_in_place(tls: ProviderDriver, chain: dict[str, Resource]) -> None:
    item = chain["leaf"]
    given = {**item.inputs, "earlyRenewalHours": 10}
    assert tls.diff(item, tls.check(item.token, item.name, given, item.inputs)).kinds == {"earlyRenewalHours": "UPDATE"}
    assert tls.update(item, given).outputs["certPem"] == item.outputs["certPem"]


def test_a_certificate_that_runs_out_asks_for_a_new_one(tls: ProviderDriver, chain: dict[str, Resource]) -> None:
    item = chain["leaf"]
    given = {**item.inputs, "earlyRenewalHours": 1001}
    early = tls.update(item, given)
    difference = tls.diff(early, tls.check(item.token, item.name, given, early.inputs))
    assert difference.kinds == {"readyForRenewal": "UPDATE_REPLACE"}


def test_a_key_that_is_not_the_authoritys_is_refused(tls: ProviderDriver, chain: dict[str, Resource]) -> None:
    inputs = {**chain["leaf"].inputs, "caPrivateKeyPem": chain["key"].outputs["privateKeyPem"]}
    with pytest.raises(RpcError, match="caPrivateKeyPem is not the key of caCertPem"):
        tls.create(LEAF, "wrong", inputs)


def test_passwords_keep_their_promises(drivers: dict[str, ProviderDriver]) -> None:
    token = "random:index/randomPassword:RandomPassword"
    inputs = {"length": 30, "special": True, "overrideSpecial": "_", "minSpecial": 3, "minNumeric": 4, "upper": False}
    first = drivers["random"].create(token, "p", inputs).outputs["result"].value
    assert len(first) == 30
    assert first.count("_") >= 3
    assert sum(character.isdigit() for character in first) >= 4
    assert not any(character.isupper() for character in first)
    assert first != drivers["random"].create(token, "p", inputs).outputs["result"].value


def test_an_id_has_all_its_forms(drivers: dict[str, ProviderDriver]) -> None:
    made = drivers["random"].create("random:index/randomId:RandomId", "i", {"byteLength": 4, "prefix": "a-"})
    assert made.outputs["hex"].startswith("a-")
    assert len(made.outputs["hex"]) == 10
    assert int(made.outputs["hex"][2:], 16) == int(made.outputs["dec"][2:])
    assert made.outputs["b64Url"] == f"a-{made.id}"
