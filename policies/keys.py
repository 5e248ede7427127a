"""Rules of encryption keys, and what counts as a key of the customer's own."""

from __future__ import annotations

from typing import Final

from policies.iam_documents import parse_arn, parse_document, public
from policies.model import Family, Finding, Findings, Match, Resource, Setting, Settings, Severity, undecided, violation
from policies.plain import MALFORMED, UNKNOWN, Malformed, Plain, Unknown, number, switch, text

family = Family("Encryption keys")

KEY: Final = "aws:kms/key:Key"
KEY_POLICY: Final = "aws:kms/keyPolicy:KeyPolicy"
REPLICA_KEY: Final = "aws:kms/replicaKey:ReplicaKey"
EXTERNAL_KEY: Final = "aws:kms/externalKey:ExternalKey"
REPLICA_EXTERNAL_KEY: Final = "aws:kms/replicaExternalKey:ReplicaExternalKey"

_KMS: Final = "KMS developer guide: "


def is_aws_managed(key: str) -> bool:
    """Whether a key is one that AWS keeps for a service (``alias/aws/s3``): nobody decides who may use it."""
    arn = parse_arn(key)
    name = arn.resource if arn is not None else key
    return name.removeprefix("alias/").startswith("aws/")


def own_key(where: str, value: Plain, what: str) -> Finding | None:
    """What is wrong with the key that encrypts something; None for a key of the customer's own.

    Args:
        where: Property that names the key.
        value: Its value.
        what: What the key encrypts, e.g. ``messages``.
    """
    key = text(value)
    if key is UNKNOWN:
        return undecided(where, "names a key that is not known yet")
    if key is None:
        return violation(where, f"is absent, so no key of the stack's own encrypts the {what}")
    if is_aws_managed(str(key)):
        return violation(where, f"names a key that AWS manages, so nobody decides who may read the {what}")
    return None


_ASYMMETRIC: Final = ("RSA_", "ECC_", "HMAC_", "SM2", "ML_DSA")


@family.resource_rule(
    "KMS-01",
    "key-rotation",
    "Keys are rotated",
    Severity.MEDIUM,
    (KEY,),
    fix="Set enableKeyRotation to true.",
    source=_KMS + "Rotate AWS KMS keys",
    frameworks=(
        "checkov CKV_AWS_7",
        "trivy AVD-AWS-0065",
        "cdk-nag AwsSolutions-KMS5",
        "Security Hub KMS.4",
        "CIS AWS 3.6",
    ),
    settings={
        "mostDays": Setting(
            {"type": "integer", "minimum": 90, "maximum": 2560}, 730, "Most days between rotations; AWS's own are 365."
        )
    },
    remedy={KEY: {"enableKeyRotation": True}},
)
def key_rotation(resource: Resource, settings: Settings) -> Findings:
    """Symmetric keys whose material KMS makes can be rotated; asymmetric, HMAC and custom-store keys cannot."""
    spec = resource.text("customerMasterKeySpec")
    usage = resource.text("keyUsage")
    if UNKNOWN in (spec, usage):
        yield undecided("customerMasterKeySpec")
        return
    asymmetric = str(spec or "").upper().startswith(_ASYMMETRIC) or (usage or "ENCRYPT_DECRYPT") != "ENCRYPT_DECRYPT"
    if asymmetric or resource.value("customKeyStoreId") is not None:
        return
    flag = switch(resource.value("enableKeyRotation"))
    if flag is UNKNOWN:
        yield undecided("enableKeyRotation")
    elif flag is not True:
        yield violation("enableKeyRotation", "is not true, so the key's material never changes")
    days = number(resource.value("rotationPeriodInDays"))
    if days is UNKNOWN and not resource.computed("rotationPeriodInDays"):
        yield undecided("rotationPeriodInDays")
    elif days is not None and days is not UNKNOWN and days > settings["mostDays"]:
        yield violation("rotationPeriodInDays", f"is {days}; {settings['mostDays']} are the most")


@family.resource_rule(
    "KMS-02",
    "key-policy-not-public",
    "No key policy lets anybody in",
    Severity.CRITICAL,
    (KEY, KEY_POLICY, REPLICA_KEY, EXTERNAL_KEY, REPLICA_EXTERNAL_KEY),
    fix="Name the account, roles or services; with a * principal, bind it by kms:CallerAccount or aws:PrincipalOrgID.",
    source=_KMS + "Key policies in AWS KMS; kms:ViaService alone does not tie a caller to an account",
    frameworks=("checkov CKV_AWS_33", "Security Hub KMS.5"),
)
def key_policy_not_public(resource: Resource, settings: Settings) -> Findings:
    """A * principal holds every account of AWS, unless a condition ties the caller to a known one."""
    return public_policy(resource, "policy")


def public_policy(resource: Resource, name: str) -> Findings:
    """The statements of a resource's policy (at a dotted path) that grant something to anybody."""
    document = parse_document(resource.value(*name.split(".")))
    if document is UNKNOWN:
        if not resource.computed(name):
            yield undecided(name)
    elif document is MALFORMED:
        yield undecided(name, "is no JSON document")
    elif document is not None and not isinstance(document, Unknown | Malformed):
        for statement in document:
            answer = public(statement)
            if answer is Match.YES:
                yield violation(f"{name}.{statement.where}", "grants access to anybody, in any account")
            elif answer is Match.MAYBE:
                yield undecided(f"{name}.{statement.where}", "may grant access to anybody; it is not wholly known yet")


@family.resource_rule(
    "KMS-03",
    "key-lifecycle",
    "Keys are on, are not lost in a hurry, and cannot lock everybody out",
    Severity.MEDIUM,
    (KEY, REPLICA_KEY, EXTERNAL_KEY, REPLICA_EXTERNAL_KEY, KEY_POLICY),
    fix="Leave the key enabled, its lockout check on, and give its deletion enough days to be noticed.",
    source=_KMS + "Deleting AWS KMS keys; Default key policy",
    frameworks=("checkov CKV_AWS_227", "Security Hub KMS.3"),
    settings={
        "minimumDeletionWindowDays": Setting(
            {"type": "integer", "minimum": 7, "maximum": 30}, 14, "Fewest days between deletion and loss."
        )
    },
)
def key_lifecycle(resource: Resource, settings: Settings) -> Findings:
    """A key that is gone takes with it everything that it encrypts."""
    bypass = switch(resource.value("bypassPolicyLockoutSafetyCheck"))
    if bypass is UNKNOWN:
        yield undecided("bypassPolicyLockoutSafetyCheck")
    elif bypass is True:
        yield violation("bypassPolicyLockoutSafetyCheck", "lets a policy lock everybody out of the key for ever")
    if resource.type == KEY_POLICY:
        return
    days = number(resource.value("deletionWindowInDays"))
    least = settings["minimumDeletionWindowDays"]
    if days is UNKNOWN:
        yield undecided("deletionWindowInDays")
    elif days is not None and days < least:
        yield violation("deletionWindowInDays", f"leaves {days} days to notice a deletion; {least} are the least")
    name = "isEnabled" if resource.type == KEY else "enabled"
    enabled = switch(resource.value(name))
    if enabled is UNKNOWN:
        yield undecided(name)
    elif enabled is False:
        yield violation(name, "switches the key off: what it encrypts cannot be read")
