"""Rules of encryption keys, each in the forms of `up` and preview."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies import keys as k
from policies.plain import UNKNOWN as PLAIN_UNKNOWN
from tests.policies.cases import Case, bad, check, good, open_question, parametrize
from tests.policies.harness import UNKNOWN, R

ROOT = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"}
EVERYBODY = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:Decrypt", "Resource": "*"}


def key(type: str = k.KEY, **inputs: Any) -> R:
    return R(type, "key", inputs)


def policy(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def condition(operator: str, name: str, value: Any) -> dict[str, Any]:
    return {**EVERYBODY, "Condition": {operator: {name: value}}}


HOLDERS = (k.KEY, k.KEY_POLICY, k.REPLICA_KEY, k.EXTERNAL_KEY, k.REPLICA_EXTERNAL_KEY)

CASES = [
    good("KMS-01", "rotated", key(enableKeyRotation=True)),
    bad("KMS-01", "absent", key()),
    bad("KMS-01", "off", key(enableKeyRotation=False)),
    bad(
        "KMS-01",
        "off, said to be symmetric",
        key(customerMasterKeySpec="SYMMETRIC_DEFAULT", keyUsage="ENCRYPT_DECRYPT"),
    ),
    *(
        good("KMS-01", spec, key(customerMasterKeySpec=spec))
        for spec in ("RSA_4096", "ECC_NIST_P256", "HMAC_256", "SM2")
    ),
    good("KMS-01", "a key that signs", key(keyUsage="SIGN_VERIFY")),
    good("KMS-01", "a key in a store of one's own", key(customKeyStoreId="cks-1")),
    open_question("KMS-01", "not known yet", key(enableKeyRotation=UNKNOWN)),
    bad("KMS-01", "once in seven years", key(enableKeyRotation=True, rotationPeriodInDays=2560), says=["2560"]),
    good("KMS-01", "four times a year", key(enableKeyRotation=True, rotationPeriodInDays=90)),
    open_question("KMS-01", "a period not known yet", key(enableKeyRotation=True, rotationPeriodInDays=UNKNOWN)),
    open_question("KMS-01", "of an unknown kind", key(customerMasterKeySpec=UNKNOWN)),
    *(
        bad("KMS-02", f"everybody, by {type}", key(type, policy=policy(ROOT, EVERYBODY)), says=["Statement[1]"])
        for type in HOLDERS
    ),
    good("KMS-02", "the account", key(policy=policy(ROOT))),
    good("KMS-02", "AWS's own policy", key()),
    bad(
        "KMS-02",
        "through a service only",
        key(policy=policy(condition("StringEquals", "kms:ViaService", "s3.eu-west-1.amazonaws.com"))),
    ),
    good(
        "KMS-02",
        "by a known account",
        key(policy=policy(condition("StringEquals", "kms:CallerAccount", "111122223333"))),
    ),
    bad("KMS-02", "by any account", key(policy=policy(condition("StringLike", "kms:CallerAccount", "*")))),
    good(
        "KMS-02", "an organisation", key(policy=policy(condition("StringEquals", "aws:PrincipalOrgID", "o-a1b2c3d4e5")))
    ),
    bad("KMS-02", "an object", key(policy={"Statement": EVERYBODY})),
    good("KMS-02", "a denial", key(policy=policy({**EVERYBODY, "Effect": "Deny"}))),
    good("KMS-02", "malformed statements", key(policy=policy(None, 7, "x"))),
    open_question("KMS-02", "no JSON", key(policy="{")),
    open_question("KMS-02", "not known yet", key(policy=UNKNOWN)),
    good("KMS-03", "nothing said", key()),
    good("KMS-03", "enough days", key(deletionWindowInDays=30)),
    bad("KMS-03", "too few days", key(deletionWindowInDays=7), says=["7 days"]),
    bad("KMS-03", "too few days, as text", key(deletionWindowInDays="7")),
    good(
        "KMS-03",
        "few days, where they are allowed",
        key(deletionWindowInDays=7),
        config={"minimumDeletionWindowDays": 7},
    ),
    bad("KMS-03", "no lockout check", key(bypassPolicyLockoutSafetyCheck=True)),
    bad("KMS-03", "off", key(isEnabled=False)),
    bad("KMS-03", "a replica that is off", key(k.REPLICA_KEY, enabled=False)),
    bad(
        "KMS-03",
        "a policy without lockout check",
        key(k.KEY_POLICY, policy=policy(ROOT), bypassPolicyLockoutSafetyCheck=True),
    ),
    open_question("KMS-03", "not known yet", key(deletionWindowInDays=UNKNOWN, isEnabled=UNKNOWN)),
]


@parametrize(CASES)
def test_keys(case: Case, known: bool) -> None:
    check(case, known)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (None, True),
        ("", True),
        ("  ", True),
        ([], True),
        ("alias/aws/sns", True),
        ("arn:aws:kms:eu-west-1:111122223333:alias/aws/s3", True),
        ("aws/sns", True),
        ("alias/pipeline", None),
        ("11112222-3333-4444-5555-666677778888", None),
        ("arn:aws-cn:kms:cn-north-1:111122223333:key/1", None),
        (PLAIN_UNKNOWN, False),
    ],
)
def test_a_key_is_the_customers_own_or_it_is_none(value: Any, verdict: bool | None) -> None:
    finding = k.own_key("kmsKeyId", value, "data")
    assert (finding.decided if finding else None) is verdict


@pytest.mark.parametrize("name", [rule.id for rule in k.family.rules])
def test_every_rule_has_cases_that_break_it_and_that_do_not(name: str) -> None:
    assert {"broken", "fine"} <= {case.up for case in CASES if case.rule == name}
