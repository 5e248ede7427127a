"""Buckets as they are registered, and their policies as S3 would evaluate them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, get_args

import pulumi_aws as aws
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.bucket_documents import (
    LONGEST_NAME,
    RESERVED_PREFIXES,
    Purpose,
    access_log_policy,
    bucket_name,
    bucket_policy,
    lifecycle_rules,
)
from components.environment import AwsEnvironment
from components.storage import EncryptedBuckets, EncryptedBucketsArgs
from settings import ConfigurationError, StorageSettings, parse
from tests.unit.harness import ENVIRONMENT, Deployment, deploy

DATA_KEY = ENVIRONMENT.arn("kms", "key/data")
LOGS_KEY = ENVIRONMENT.arn("kms", "key/logs")
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
DATA_PURPOSES = tuple(purpose for purpose in PURPOSES if purpose != "access")

METHOD = "s3:x-amz-server-side-encryption"
KEY = "s3:x-amz-server-side-encryption-aws-kms-key-id"


def buckets(settings: StorageSettings | None = None, *, preview: bool = False) -> Deployment:
    return deploy(
        lambda: EncryptedBuckets(
            "buckets",
            EncryptedBucketsArgs(
                settings=settings or StorageSettings(),
                environment=ENVIRONMENT,
                data_key_arn=DATA_KEY,
                logs_key_arn=LOGS_KEY,
            ),
        ),
        preview=preview,
    )


# --- names --------------------------------------------------------------------------------------------------------

REGIONS = st.sampled_from(
    ["eu-west-1", "us-east-1", "ap-southeast-3", "cn-northwest-1", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1"]
)
PULUMI_NAMES = st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True)
PLAIN_NAMES = st.from_regex(r"[a-z0-9]{1,4}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)


@st.composite
def places(draw: st.DrawFn, names: st.SearchStrategy[str] = PULUMI_NAMES | PLAIN_NAMES) -> AwsEnvironment:
    return replace(
        ENVIRONMENT,
        project=draw(names),
        stack=draw(names),
        account_id=draw(st.from_regex(r"[0-9]{12}", fullmatch=True)),
        region=draw(REGIONS),
    )


def identity(place: AwsEnvironment) -> tuple[str, str, str, str]:
    return place.project, place.stack, place.account_id, place.region


@given(place=places(), purpose=st.sampled_from(PURPOSES))
@example(place=replace(ENVIRONMENT, project="sthree", stack="x"), purpose="raw")
@example(place=replace(ENVIRONMENT, project="xn--a", stack="x"), purpose="raw")
@example(place=replace(ENVIRONMENT, project="amzn-s3-demo", stack="x"), purpose="raw")
@example(place=replace(ENVIRONMENT, project="___", stack="..."), purpose="raw")
@example(place=replace(ENVIRONMENT, region="us-isob-east-1", stack="s" * 100), purpose="processed")
def test_every_name_is_one_that_s3_takes(place: AwsEnvironment, purpose: Purpose):
    name = bucket_name(place, purpose)
    assert 3 <= len(name) <= LONGEST_NAME, f"{name!r} has {len(name)} characters; S3 takes 3 to {LONGEST_NAME}"
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*[a-z0-9]", name), f"{name!r}: lower case, digits, hyphens; no dots for TLS"
    assert not name.startswith(RESERVED_PREFIXES), f"{name!r} begins as S3 reserves it"
    assert name.endswith(f"-{purpose}-{place.account_id}-{place.region}"), "purpose, account and region stay readable"
    assert not name.endswith(("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an")), "reserved endings"


@given(one=places(), other=places(), purposes=st.tuples(st.sampled_from(PURPOSES), st.sampled_from(PURPOSES)))
@example(
    one=replace(ENVIRONMENT, project="a", stack="b-c"),
    other=replace(ENVIRONMENT, project="a-b", stack="c"),
    purposes=("raw", "raw"),
)
@example(one=replace(ENVIRONMENT, stack="Prod"), other=replace(ENVIRONMENT, stack="prod"), purposes=("raw", "raw"))
@example(
    one=replace(ENVIRONMENT, stack="s" * 99 + "a"),
    other=replace(ENVIRONMENT, stack="s" * 99 + "b"),
    purposes=("raw", "raw"),
)
@example(
    one=replace(ENVIRONMENT, project="a", stack="raw"),
    other=replace(ENVIRONMENT, project="a-raw", stack="x"),
    purposes=("raw", "logs"),
)
def test_two_buckets_share_no_name(one: AwsEnvironment, other: AwsEnvironment, purposes: tuple[Purpose, Purpose]):
    same = identity(one) == identity(other) and purposes[0] == purposes[1]
    names = bucket_name(one, purposes[0]), bucket_name(other, purposes[1])
    assert (names[0] == names[1]) == same, (
        f"{identity(one)} {purposes[0]} and {identity(other)} {purposes[1]} would be {names}: "
        "stacks, accounts and regions must not meet in a bucket, and one stack must find its own again"
    )


@given(one=places(PLAIN_NAMES), other=places(PLAIN_NAMES), purpose=st.sampled_from(PURPOSES))
def test_short_names_of_like_words_do_not_meet(one: AwsEnvironment, other: AwsEnvironment, purpose: Purpose):
    one = replace(one, account_id=other.account_id, region=other.region)
    assert (bucket_name(one, purpose) == bucket_name(other, purpose)) == (identity(one) == identity(other))


def test_an_ordinary_stack_has_readable_names():
    assert bucket_name(ENVIRONMENT, "raw") == "emr-pipeline-test-raw-111122223333-eu-west-1"
    long = replace(ENVIRONMENT, stack="a-rather-long-name-of-a-stack")
    assert bucket_name(long, "processed").startswith("emr-pipe"), "a shortened name still begins with the project"


# --- policies -----------------------------------------------------------------------------------------------------


def _holds(operator: str, actual: str | None, expected: Any) -> bool:
    """A condition as IAM evaluates it (IAM user guide, "Condition operators")."""
    expected = expected if isinstance(expected, list) else [expected]
    if operator == "Null":
        return (actual is None) == (expected[0] == "true")
    if actual is None:
        return "Not" in operator or operator.endswith("IfExists")
    comparisons = {
        "Bool": actual in expected,
        "StringEquals": actual in expected,
        "StringNotEquals": actual not in expected,
        "ArnLike": any(fnmatchcase(actual, pattern) for pattern in expected),
        "ArnNotLike": not any(fnmatchcase(actual, pattern) for pattern in expected),
        "StringLike": any(fnmatchcase(actual, pattern) for pattern in expected),
        "NumericLessThan": operator == "NumericLessThan" and float(actual) < float(expected[0]),
    }
    return comparisons[operator.removesuffix("IfExists")]


def effects(
    document: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str], caller: str = "ours"
) -> set[str]:
    """Effects of the statements that apply to a request; of those for partners, to one of theirs (`caller`)."""
    found: set[str] = set()
    for entry in document["Statement"]:
        listed = {key: entry[key] if isinstance(entry[key], list) else [entry[key]] for key in ("Action", "Resource")}
        principal = entry["Principal"]
        applies = (
            (principal == "*" or "Service" in principal or principal["AWS"] == caller)
            and any(fnmatchcase(action, pattern) for pattern in listed["Action"])
            and any(fnmatchcase(resource, pattern) for pattern in listed["Resource"])
            and all(
                _holds(operator, context.get(key), expected)
                for operator, keys in entry.get("Condition", {}).items()
                for key, expected in keys.items()
            )
        )
        if applies:
            found.add(entry["Effect"])
    return found


SAFE = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
ARN = "arn:aws:s3:::some-bucket"


def policy(purpose: Purpose = "raw", settings: StorageSettings | None = None) -> dict[str, Any]:
    return bucket_policy(purpose, ENVIRONMENT, settings or StorageSettings(), ARN, DATA_KEY)


def settings_of(**values: Any) -> StorageSettings:
    return StorageSettings.model_validate(values)


@pytest.mark.parametrize(
    ("context", "denied", "why"),
    [
        ({}, False, "a plain writer gets the bucket's own encryption"),
        ({METHOD: "aws:kms", KEY: DATA_KEY}, False, "that is the bucket's own encryption, said aloud"),
        ({METHOD: "AES256"}, True, "keys of S3's own are not ours to withdraw"),
        ({METHOD: "aws:kms:dsse", KEY: DATA_KEY}, True, "the bucket's encryption is the only one"),
        ({METHOD: "aws:kms", KEY: LOGS_KEY}, True, "another key opens the object to other people"),
        ({METHOD: "aws:kms"}, True, "without a key S3 takes the one that AWS manages"),
        ({"aws:SecureTransport": "false"}, True, "HTTP can be read on its way"),
        ({"s3:TlsVersion": "1.1"}, True, "TLS 1.1 is broken"),
        ({"s3:TlsVersion": "1.2"}, False, "the SDKs of release 6.9 speak TLS 1.2"),
    ],
)
def test_a_pipeline_bucket_takes_only_its_own_encryption_over_tls(context: dict[str, str], denied: bool, why: str):
    document = policy()
    answer = effects(document, "s3:PutObject", f"{ARN}/key", {**SAFE, **context})
    assert answer == ({"Deny"} if denied else set()), why


def test_reading_needs_no_encryption_header_and_http_is_refused_for_the_bucket_itself():
    document = policy()
    assert effects(document, "s3:GetObject", f"{ARN}/key", SAFE) == set()
    plain = {**SAFE, "aws:SecureTransport": "false"}
    assert effects(document, "s3:ListBucket", ARN, plain) == {"Deny"}, "listing tells names, so it needs TLS too"


def test_no_pipeline_bucket_lets_anybody_in():
    allows = [
        entry for purpose in DATA_PURPOSES for entry in policy(purpose)["Statement"] if entry["Effect"] == "Allow"
    ]
    assert allows == [], "our roles come in by their own policies; an Allow here would be a second way in"


def test_only_s3s_log_delivery_for_our_buckets_writes_access_logs():
    source = ENVIRONMENT.bucket_arn("ours")
    document = access_log_policy(ENVIRONMENT, StorageSettings(), ARN, [source])
    context = {**SAFE, "aws:SourceArn": source, "aws:SourceAccount": ENVIRONMENT.account_id}
    assert effects(document, "s3:PutObject", f"{ARN}/raw/x", context) == {"Allow"}
    for key, other in (("aws:SourceArn", ENVIRONMENT.bucket_arn("theirs")), ("aws:SourceAccount", "999999999999")):
        answer = effects(document, "s3:PutObject", f"{ARN}/raw/x", {**context, key: other})
        assert answer == set(), f"{key} {other} is not ours: a stranger's logs would land in our bucket"
    allow = next(entry for entry in document["Statement"] if entry["Effect"] == "Allow")
    assert allow["Principal"] == {"Service": "logging.s3.amazonaws.com"}
    assert METHOD not in str(document), "a word on encryption would stop the delivery: it is SSE-S3 only"


# --- who may come near --------------------------------------------------------------------------------------------

ROLE = "arn:aws:iam::111122223333:role/break-glass"
DELETE_VERSION = "s3:DeleteObjectVersion"


@pytest.mark.parametrize("purpose", ["raw", "processed", "logs"])
def test_versions_are_deleted_by_nobody_where_data_is_kept(purpose: Purpose):
    for who in (ROLE, "arn:aws:iam::111122223333:role/administrator"):
        answer = effects(policy(purpose), DELETE_VERSION, f"{ARN}/key", {**SAFE, "aws:PrincipalArn": who})
        assert answer == {"Deny"}, "a deleted object can be restored as long as its versions are there"
    plain = effects(policy(purpose), "s3:DeleteObject", f"{ARN}/key", {**SAFE, "aws:PrincipalArn": ROLE})
    assert plain == set(), "a plain deletion leaves the version behind, and jobs need it"


def test_a_break_glass_role_may_delete_versions_and_others_still_may_not():
    document = policy("raw", settings_of(breakGlassRoles=[ROLE]))
    for action in (DELETE_VERSION, "s3:BypassGovernanceRetention"):
        assert effects(document, action, f"{ARN}/key", {**SAFE, "aws:PrincipalArn": ROLE}) == set()
        other = {**SAFE, "aws:PrincipalArn": "arn:aws:iam::111122223333:role/administrator"}
        assert effects(document, action, f"{ARN}/key", other) == {"Deny"}
        assert effects(document, action, f"{ARN}/key", SAFE) == {"Deny"}, "nor may who comes without a name"


def test_where_data_may_be_lost_versions_may_be_deleted():
    lost = settings_of(onDestroy="delete", allowDataLoss=True)
    assert effects(policy("raw", lost), DELETE_VERSION, f"{ARN}/key", SAFE) == set(), "else the bucket stays for ever"


def test_the_program_may_replace_what_it_put_into_scripts():
    assert effects(policy("scripts"), DELETE_VERSION, f"{ARN}/key", SAFE) == set(), (
        "the provider deletes a versioned object with its versions: a new certificate would fail to deploy"
    )


PARTNER, ANALYSTS = "444455556666", "arn:aws:iam::777788889999:role/analysts"
SHARED = {
    "producers": [{"principal": PARTNER, "prefixes": ["flights/partner/"]}],
    "consumers": [{"principal": ANALYSTS, "datasets": ["flights"]}],
}


def context_of(account: str, organization: str | None = None, service: bool = False) -> dict[str, str]:
    named = {"aws:PrincipalAccount": account, "aws:PrincipalIsAWSService": str(service).lower()}
    return {**SAFE, **named, **({"aws:PrincipalOrgID": organization} if organization else {})}


@pytest.mark.parametrize("purpose", DATA_PURPOSES)
@pytest.mark.parametrize(
    ("principals", "caller", "refused", "why"),
    [
        ({}, context_of("999999999999"), False, "IAM decides unless the settings say otherwise"),
        ({"principals": "account"}, context_of(ENVIRONMENT.account_id), False, "ours"),
        ({"principals": "account"}, context_of("999999999999"), True, "of another account"),
        ({"principals": "account"}, SAFE, True, "anonymous: it has no keys at all"),
        ({"principals": "account"}, context_of("000000000001", service=True), False, "AWS's own log delivery"),
        ({"principals": "account"}, context_of(PARTNER), False, "a partner is named"),
        (
            {"principals": "organization", "organizationId": "o-abcdefghij"},
            context_of("999999999999", "o-abcdefghij"),
            False,
            "of the organization",
        ),
        (
            {"principals": "organization", "organizationId": "o-abcdefghij"},
            context_of("999999999999", "o-zzzzzzzzzz"),
            True,
            "of another organization",
        ),
        ({"principals": "organization", "organizationId": "o-abcdefghij"}, context_of(PARTNER), False, "a partner"),
    ],
)
def test_strangers_are_kept_out_where_that_is_configured(
    purpose: Purpose, principals: dict[str, Any], caller: dict[str, str], refused: bool, why: str
):
    document = policy(purpose, settings_of(**SHARED, **principals))
    for action, resource in (("s3:GetObject", f"{ARN}/key"), ("s3:ListBucket", ARN)):
        assert ("Deny" in effects(document, action, resource, caller)) == refused, why


def test_a_partner_drops_files_in_its_prefix_and_does_nothing_else():
    document = policy("raw", settings_of(**SHARED))
    partner = f"arn:aws:iam::{PARTNER}:root"

    def may(action: str, resource: str, purpose: Purpose = "raw") -> set[str]:
        return effects(document, action, resource, context_of(PARTNER), partner)

    assert may("s3:PutObject", f"{ARN}/flights/partner/x.csv") == {"Allow"}
    assert may("s3:AbortMultipartUpload", f"{ARN}/flights/partner/x.csv") == {"Allow"}
    assert may("s3:PutObject", f"{ARN}/flights/x.csv") == set(), "outside its prefix"
    for action in ("s3:GetObject", "s3:DeleteObject", "s3:PutObjectAcl", DELETE_VERSION):
        assert "Allow" not in may(action, f"{ARN}/flights/partner/x.csv"), f"{action} is none of a producer's business"
    assert may("s3:ListBucket", ARN) == set()
    foreign = {**context_of(PARTNER), METHOD: "aws:kms", KEY: f"arn:aws:kms:eu-west-1:{PARTNER}:key/theirs"}
    answer = effects(document, "s3:PutObject", f"{ARN}/flights/partner/x.csv", foreign, partner)
    assert "Deny" in answer, "a file under the partner's own key is one that we cannot read"
    assert PARTNER not in str(policy("processed", settings_of(**SHARED))), "it sees nothing of what becomes of them"


def test_an_analysts_account_reads_its_tables_and_nothing_beside_them():
    document = policy("processed", settings_of(**SHARED))

    def may(action: str, resource: str, **more: str) -> set[str]:
        return effects(document, action, resource, {**context_of("777788889999"), **more}, ANALYSTS)

    assert may("s3:GetObject", f"{ARN}/flights/year=2013/x.parquet") == {"Allow"}
    assert may("s3:ListBucket", ARN, **{"s3:prefix": "flights/year=2013/"}) == {"Allow"}
    assert may("s3:GetBucketLocation", ARN) == {"Allow"}
    for prefix in ("_staging/", "_set_aside/", "weather/", "flights_private/"):
        assert may("s3:GetObject", f"{ARN}/{prefix}x") == set(), f"{prefix} is no table of theirs"
        assert may("s3:ListBucket", ARN, **{"s3:prefix": prefix}) == set()
    assert may("s3:ListBucket", ARN) == set(), "the whole bucket is not listed"
    for action in ("s3:PutObject", "s3:DeleteObject"):
        assert "Allow" not in may(action, f"{ARN}/flights/x"), "reading only"
    for purpose in ("raw", "logs", "scripts"):
        assert "777788889999" not in str(policy(purpose, settings_of(**SHARED))), f"{purpose} is not theirs"


@pytest.mark.parametrize(
    ("storage", "reason"),
    [
        ({"producers": [{"principal": PARTNER, "prefixes": ["weather/"]}]}, "in no dataset's prefix"),
        ({"consumers": [{"principal": PARTNER, "datasets": ["weather"]}]}, "which datasets does not declare"),
        ({"producers": [{"principal": "4444", "prefixes": ["flights/"]}]}, "twelve digits"),
        ({"producers": [{"principal": "*", "prefixes": ["flights/"]}]}, "twelve digits"),
        ({"producers": [{"principal": PARTNER, "prefixes": ["flights"]}]}, "with a slash at its end"),
        ({"consumers": [{"principal": "arn:aws:iam::444455556666:user/x", "datasets": ["flights"]}]}, "no users"),
        ({"breakGlassRoles": ["administrator"]}, "the ARN of an IAM role"),
        ({"principals": "organization"}, "needs an organizationId"),
        ({"organizationId": "o-abcdefghij"}, "only 'organization' does"),
        ({"principals": "organization", "organizationId": "abc"}, "an organization's id, o-"),
        ({"rawObjectLock": {"mode": "governance", "days": 0}}, "greater than or equal to 1"),
        ({"rawObjectLock": {"mode": "legal", "days": 1}}, "'governance' or 'compliance'"),
        (
            {"onDestroy": "delete", "allowDataLoss": True, "rawObjectLock": {"mode": "compliance", "days": 30}},
            "a bucket with held files cannot be deleted",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_by_key(storage: dict[str, Any], reason: str):
    flights = {"prefix": "flights/", "columns": [{"name": "a", "type": "int"}]}
    with pytest.raises(ConfigurationError) as refusal:
        parse({"tags": {"owner": "x", "costCentre": "x"}, "storage": storage, "datasets": {"flights": flights}})
    (line,) = str(refusal.value).splitlines()
    assert line.startswith("emr-pipeline:storage"), f"{line!r} must name the key"
    assert reason in line, f"{line!r} must say {reason!r}"


# --- the component ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return buckets()


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_bucket_is_private_versioned_and_owned_by_us(deployment: Deployment, purpose: Purpose):
    of = f"buckets-{purpose}"
    block = deployment.named(f"{of}-public-access-block").inputs
    for switch in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
        assert block[switch] is True, f"{purpose}: {switch} must be said, for it is off by default"
    ownership = deployment.named(f"{of}-ownership").inputs["rule"]
    assert ownership == {"objectOwnership": "BucketOwnerEnforced"}, f"{purpose}: else ACLs could open objects"
    versioning = deployment.named(f"{of}-versioning").inputs["versioningConfiguration"]
    assert versioning == {"status": "Enabled"}, f"{purpose}: an overwritten object must be restorable"
    for satellite in ("public-access-block", "ownership", "versioning", "encryption", "policy", "lifecycle"):
        bucket = deployment.named(f"{of}-{satellite}").inputs["bucket"]
        assert bucket == bucket_name(ENVIRONMENT, purpose), f"{satellite} of {purpose} must be for this bucket"


@pytest.mark.parametrize(
    ("purpose", "key"), [("raw", DATA_KEY), ("processed", DATA_KEY), ("scripts", DATA_KEY), ("logs", LOGS_KEY)]
)
def test_data_buckets_encrypt_with_our_keys_through_bucket_keys(deployment: Deployment, purpose: Purpose, key: str):
    (rule,) = deployment.named(f"buckets-{purpose}-encryption").inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key}
    assert rule["bucketKeyEnabled"] is True, "without bucket keys every object is a KMS call, paid and throttled"
    assert rule["blockedEncryptionTypes"] == ["SSE-C"], "customers' keys leave objects that nobody here can read"
    document = deployment.named(f"buckets-{purpose}-policy").document("policy")
    arn = ENVIRONMENT.bucket_arn(bucket_name(ENVIRONMENT, purpose))
    assert document == bucket_policy(purpose, ENVIRONMENT, StorageSettings(), arn, key)


def test_the_bucket_of_access_logs_is_the_one_exception(deployment: Deployment):
    (rule,) = deployment.named("buckets-access-encryption").inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}, "S3 delivers to SSE-S3 only"
    assert rule["blockedEncryptionTypes"] == ["SSE-C"]
    document = deployment.named("buckets-access-policy").document("policy")
    sources = [ENVIRONMENT.bucket_arn(bucket_name(ENVIRONMENT, purpose)) for purpose in DATA_PURPOSES]
    arn = ENVIRONMENT.bucket_arn(bucket_name(ENVIRONMENT, "access"))
    assert document == access_log_policy(ENVIRONMENT, StorageSettings(), arn, sources)


def test_access_to_the_four_buckets_is_logged_and_that_bucket_does_not_log_itself(deployment: Deployment):
    logging = {entry.inputs["bucket"]: entry for entry in deployment.all(aws.s3.BucketLogging)}
    assert set(logging) == {bucket_name(ENVIRONMENT, purpose) for purpose in DATA_PURPOSES}, (
        "a bucket that logs to itself logs its own logging, for ever"
    )
    for purpose in DATA_PURPOSES:
        entry = logging[bucket_name(ENVIRONMENT, purpose)]
        assert entry.inputs["targetBucket"] == bucket_name(ENVIRONMENT, "access")
        assert entry.inputs["targetPrefix"] == f"{purpose}/"
        assert "buckets-access-policy" in entry.depends_on, "S3 checks that it may deliver when logging is set"


def test_only_the_raw_bucket_tells_event_bridge(deployment: Deployment):
    notification = deployment.one(aws.s3.BucketNotification).inputs
    assert notification["bucket"] == bucket_name(ENVIRONMENT, "raw")
    assert notification["eventbridge"] is True
    assert not {"queues", "topics", "lambdaFunctions"} & set(notification), "events go one way: by EventBridge"


def test_writers_can_wait_for_all_that_protects_a_bucket(deployment: Deployment):
    for purpose in PURPOSES:
        bucket = getattr(deployment.result, purpose)
        ready = {resource._name for resource in bucket.ready}
        assert ready == {
            f"buckets-{purpose}-{satellite}"
            for satellite in ("public-access-block", "ownership", "encryption", "versioning", "policy")
        }, f"an object written to {purpose} before these would lack their protection for good"


def test_names_and_arns_are_known_before_anything_is_made():
    deployment = buckets(preview=True)
    for purpose in PURPOSES:
        bucket = getattr(deployment.result, purpose)
        assert bucket.name == bucket_name(ENVIRONMENT, purpose)
        assert bucket.arn == f"arn:aws:s3:::{bucket.name}"
    assert deployment.outputs("buckets")["rawBucket"] == bucket_name(ENVIRONMENT, "raw")


@pytest.mark.parametrize("mode", ["governance", "compliance"])
def test_raw_files_are_held_for_days_where_that_is_configured(mode: str):
    deployment = buckets(settings_of(rawObjectLock={"mode": mode, "days": 30}))
    lock = deployment.one(aws.s3.BucketObjectLockConfiguration)
    assert lock.inputs == {
        "bucket": bucket_name(ENVIRONMENT, "raw"),
        "objectLockEnabled": "Enabled",
        "rule": {"defaultRetention": {"mode": mode.upper(), "days": 30}},
    }
    assert "buckets-raw-versioning" in lock.depends_on, "S3 locks nothing but versions"
    assert "objectLockEnabled" not in deployment.named("buckets-raw").inputs, "on the bucket it would replace it"


def test_nothing_is_held_unless_configured(deployment: Deployment):
    assert deployment.all(aws.s3.BucketObjectLockConfiguration) == []


@pytest.mark.parametrize("lose", [False, True])
def test_data_may_be_deleted_only_when_the_settings_say_so_twice(lose: bool):
    settings = StorageSettings(on_destroy="delete", allow_data_loss=True) if lose else StorageSettings()
    deployment = buckets(settings)
    for bucket in deployment.all(aws.s3.Bucket):
        assert bucket.inputs["forceDestroy"] is lose
    for entry in deployment.resources:
        assert entry.protect is not lose, (
            f"{entry.name}: what is to be kept must survive a mistaken destroy, and its policies and blocks with it"
        )


# --- lifecycle ----------------------------------------------------------------------------------------------------

SETTINGS = StorageSettings.model_validate(
    {
        "lifecycle": {
            purpose: {
                "noncurrentExpireAfterDays": 22,
                "abandonedUploadDays": 3,
                **({"expireAfterDays": 11} if purpose in ("logs", "access") else {}),
                **({"stagingExpireAfterDays": 3} if purpose == "processed" else {}),
                **({"transitions": [{"afterDays": 45, "storageClass": "STANDARD_IA"}]} if purpose == "raw" else {}),
            }
            for purpose in PURPOSES
        }
    }
)


def rules_of(purpose: Purpose) -> dict[str, dict[str, Any]]:
    return {rule["id"]: rule for rule in lifecycle_rules(purpose, SETTINGS)}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_bucket_drops_abandoned_uploads_and_old_versions(purpose: Purpose):
    rules = rules_of(purpose)
    assert rules["abandoned-uploads"]["abort_incomplete_multipart_upload"] == {"days_after_initiation": 3}
    assert rules["noncurrent-versions"]["noncurrent_version_expiration"] == {"noncurrent_days": 22}
    assert rules["expired-delete-markers"]["expiration"] == {"expired_object_delete_marker": True}
    for identifier in ("abandoned-uploads", "noncurrent-versions", "expired-delete-markers"):
        assert rules[identifier]["filter"] == {"prefix": ""}, f"{identifier} must hold for the whole bucket"
    assert {rule["status"] for rule in rules.values()} == {"Enabled"}


def test_raw_files_are_archived_and_never_expire():
    rules = rules_of("raw")
    assert rules["archive"]["transitions"] == [{"days": 45, "storage_class": "STANDARD_IA"}]
    assert not [rule for rule in rules.values() if "days" in rule.get("expiration", {})], "raw files are the source"


def test_of_processed_data_only_staging_and_records_set_aside_expire():
    expiring = {
        rule["filter"]["prefix"]: rule
        for rule in rules_of("processed").values()
        if "days" in rule.get("expiration", {})
    }
    assert set(expiring) == {"_staging/", "_set_aside/"}, "tables and run reports must stay"
    assert expiring["_staging/"]["expiration"] == {"days": 3}
    assert expiring["_staging/"]["noncurrent_version_expiration"] == {"noncurrent_days": 1}, (
        "versioning would keep a copy of every run's temporary files"
    )
    assert expiring["_set_aside/"]["expiration"]["days"] >= 30, "people need time to repair records"


@pytest.mark.parametrize("purpose", ["logs", "access"])
def test_logs_expire(purpose: Purpose):
    assert rules_of(purpose)["expired-objects"]["expiration"] == {"days": 11}


def test_code_and_manifests_never_expire():
    assert not [rule for rule in rules_of("scripts").values() if "days" in rule.get("expiration", {})], (
        "a run is repeated from its manifest, however old"
    )


def test_raw_files_go_to_infrequent_access_unless_told_otherwise():
    rules = {rule["id"]: rule for rule in lifecycle_rules("raw", StorageSettings())}
    assert rules["archive"]["transitions"] == [{"days": 90, "storage_class": "STANDARD_IA"}]
    partly = settings_of(lifecycle={"raw": {"noncurrentExpireAfterDays": 30}})
    assert "archive" in {rule["id"] for rule in lifecycle_rules("raw", partly)}, "one key of a bucket keeps its others"


def test_every_move_and_limit_of_the_settings_becomes_a_rule():
    lifecycle = {
        "transitions": [
            {"afterDays": 30, "storageClass": "STANDARD_IA"},
            {"afterDays": 90, "storageClass": "GLACIER_IR"},
            {"afterDays": 180, "storageClass": "DEEP_ARCHIVE"},
        ],
        "expireAfterDays": 3650,
        "noncurrentTransitions": [{"afterDays": 30, "storageClass": "ONEZONE_IA"}],
        "noncurrentExpireAfterDays": 120,
        "noncurrentVersionsKept": 2,
    }
    rules = {rule["id"]: rule for rule in lifecycle_rules("raw", settings_of(lifecycle={"raw": lifecycle}))}
    assert [(move["days"], move["storage_class"]) for move in rules["archive"]["transitions"]] == [
        (30, "STANDARD_IA"),
        (90, "GLACIER_IR"),
        (180, "DEEP_ARCHIVE"),
    ]
    assert rules["expired-objects"]["expiration"] == {"days": 3650}
    assert rules["noncurrent-versions"]["noncurrent_version_transitions"] == [
        {"noncurrent_days": 30, "storage_class": "ONEZONE_IA"}
    ]
    assert rules["noncurrent-versions"]["noncurrent_version_expiration"] == {
        "noncurrent_days": 120,
        "newer_noncurrent_versions": 2,
    }


def move(days: int, storage_class: str) -> dict[str, Any]:
    return {"afterDays": days, "storageClass": storage_class}


@pytest.mark.parametrize(
    ("purpose", "values", "reason"),
    [
        ("raw", {"transitions": [move(29, "STANDARD_IA")]}, "after 29 days: S3 accepts no less than 30"),
        ("raw", {"transitions": [move(0, "ONEZONE_IA")]}, "after 0 days: S3 accepts no less than 30"),
        (
            "raw",
            {"transitions": [move(30, "STANDARD_IA"), move(59, "GLACIER")]},
            "leaves objects 29 days in STANDARD_IA: 30 are paid for",
        ),
        (
            "raw",
            {"transitions": [move(10, "GLACIER"), move(50, "DEEP_ARCHIVE")]},
            "leaves objects 40 days in GLACIER: 90 are paid for",
        ),
        (
            "raw",
            {"transitions": [move(30, "GLACIER"), move(90, "STANDARD_IA")]},
            "from GLACIER to STANDARD_IA, which S3 does not do",
        ),
        (
            "raw",
            {"transitions": [move(30, "ONEZONE_IA"), move(90, "GLACIER_IR")]},
            "from ONEZONE_IA to GLACIER_IR, which S3 does not do",
        ),
        (
            "raw",
            {"transitions": [move(90, "DEEP_ARCHIVE")], "expireAfterDays": 200},
            "110 after their move to DEEP_ARCHIVE: 180 are paid for",
        ),
        (
            "logs",
            {"noncurrentTransitions": [move(30, "STANDARD_IA")], "noncurrentExpireAfterDays": 30},
            "noncurrentTransitions deletes objects after 30 days, 0 after",
        ),
        ("processed", {"transitions": [move(90, "GLACIER")]}, "nothing reads them until they are restored"),
        ("scripts", {"transitions": [move(90, "DEEP_ARCHIVE")]}, "nothing reads them until they are restored"),
        ("raw", {"transitions": [move(90, "COLD")]}, "DEEP_ARCHIVE"),
        ("raw", {"abandonedUploadDays": 0}, "greater than or equal to 1"),
    ],
)
def test_a_lifecycle_that_s3_refuses_or_that_costs_more_is_refused(
    purpose: str, values: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse({"tags": {"owner": "x", "costCentre": "x"}, "storage": {"lifecycle": {purpose: values}}})
    (line,) = str(refusal.value).splitlines()
    assert line.startswith(f"emr-pipeline:storage.lifecycle.{purpose}"), f"{line!r} must name the key"
    assert reason in line, f"{line!r} must say {reason!r}"


def test_what_s3_takes_is_taken():
    for values in (
        {"transitions": [move(0, "GLACIER_IR"), move(90, "DEEP_ARCHIVE")], "expireAfterDays": 270},
        {"transitions": [move(30, "STANDARD_IA"), move(60, "GLACIER")]},
        {"transitions": [move(0, "INTELLIGENT_TIERING")], "expireAfterDays": 1},
    ):
        assert settings_of(lifecycle={"raw": values})


def test_lifecycles_reach_s3_after_versioning():
    deployment = buckets(SETTINGS)
    for purpose in PURPOSES:
        lifecycle = deployment.named(f"buckets-{purpose}-lifecycle")
        assert [rule["id"] for rule in lifecycle.inputs["rules"]] == list(rules_of(purpose))
        assert f"buckets-{purpose}-versioning" in lifecycle.depends_on
    staging = next(
        rule for rule in deployment.named("buckets-processed-lifecycle").inputs["rules"] if rule["id"] == "staging"
    )
    assert staging == {
        "id": "staging",
        "status": "Enabled",
        "filter": {"prefix": "_staging/"},
        "expiration": {"days": 3},
        "noncurrentVersionExpiration": {"noncurrentDays": 1},
    }, "the rule must arrive with the names that the provider knows"
