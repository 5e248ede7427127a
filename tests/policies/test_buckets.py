"""Rules of buckets, each in the forms of `up` and preview."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies import buckets as b
from tests.policies.cases import Case, bad, check, good, open_question, parametrize
from tests.policies.harness import UNKNOWN, R, Secret

KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/11112222-3333-4444-5555-666677778888"
NAME = "raw-111122223333"
ELSEWHERE = R("random:index/randomId:RandomId", "elsewhere")
COMPUTED = ("policy", "versioning", "serverSideEncryptionConfiguration", "logging", "lifecycleRules", "acl", "grants")


def bucket(name: str = "raw", type: str = b.BUCKET, **inputs: Any) -> R:
    inputs = {"bucket": NAME if name == "raw" else f"{name}-111122223333", **inputs}
    computed = tuple(f"{c}s" if type == b.BUCKET_V2 and c in ("versioning", "logging") else c for c in COMPUTED)
    return R(type, name, inputs, computed=tuple(c for c in computed if c not in inputs))


def of(target: R, type: str, name: str = "part", **inputs: Any) -> R:
    return R(type, name, {"bucket": target.ref(), **inputs})


RAW, OTHER = bucket(), bucket("other")
UNNAMED = R(b.BUCKET, "unnamed", {"bucket": ELSEWHERE.ref("hex", "raw-{}")}, computed=COMPUTED)


def everywhere(rule: str, make: Any) -> list[Case]:
    """What holds for every rule whose setting is a resource of its own: `make` makes a good one for a bucket."""
    v2 = bucket(type=b.BUCKET_V2)
    pointer = make(RAW)
    return [
        good(rule, "a good one", RAW, pointer),
        good(rule, "a good one for a BucketV2", v2, make(v2)),
        good(rule, "named by text", RAW, R(pointer.type, "text", {**pointer.inputs, "bucket": NAME})),
        good(rule, "named by ARN", RAW, R(pointer.type, "arn", {**pointer.inputs, "bucket": f"arn:aws:s3:::{NAME}"})),
        good(
            rule,
            "by way of another part",
            RAW,
            between := R(b.VERSIONING[0], "between", {"bucket": RAW.ref()}, {"bucket": NAME}),
            R(pointer.type, "far", {**pointer.inputs, "bucket": between.ref("bucket")}),
        ),
        bad(rule, "none", RAW),
        bad(rule, "none for a BucketV2", v2),
        bad(rule, "another bucket's", RAW, OTHER, make(OTHER), says=["raw"]),
        bad(
            rule,
            "another bucket's by text",
            RAW,
            R(pointer.type, "text", {**pointer.inputs, "bucket": "somebody-elses"}),
        ),
        bad(
            rule,
            "one without a bucket",
            RAW,
            R(pointer.type, "lost", {key: value for key, value in pointer.inputs.items() if key != "bucket"}),
        ),
        open_question(
            rule, "one for an unknown bucket", RAW, R(pointer.type, "unknown", {**pointer.inputs, "bucket": UNKNOWN})
        ),
        good(
            rule,
            "a bucket whose name is made of something else",
            ELSEWHERE,
            UNNAMED,
            R(pointer.type, "same", {**make(UNNAMED).inputs, "bucket": ELSEWHERE.ref("hex", "raw-{}")}),
            preview="undecided",
        ),
        good(rule, "no bucket", pointer),
    ]


ON = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)


def s3_01() -> list[Case]:
    rule = "S3-01"

    def block(target: R, **flags: Any) -> R:
        return of(target, b.PUBLIC_ACCESS_BLOCK, **{**ON, **flags})

    return [
        *everywhere(rule, block),
        *(
            bad(rule, f"{flag} is {value!r}", RAW, block(RAW, **{flag: value}), says=[flag])
            for flag in ON
            for value in (False, None, "false", 1)
        ),
        good(rule, "on, as text", RAW, block(RAW, **dict.fromkeys(ON, "true"))),
        bad(rule, "no switch", RAW, of(RAW, b.PUBLIC_ACCESS_BLOCK)),
        bad(
            rule,
            "an unknown before one that is off",
            RAW,
            ELSEWHERE,
            block(RAW, blockPublicAcls=ELSEWHERE.ref(), blockPublicPolicy=False),
        ),
        bad(
            rule,
            "two blocks, one weak",
            RAW,
            block(RAW),
            of(RAW, b.PUBLIC_ACCESS_BLOCK, "weak", **{**ON, "restrictPublicBuckets": False}),
        ),
        good(rule, "secret switches", RAW, block(RAW, blockPublicAcls=Secret(True))),
        bad(
            rule,
            "a switch not known yet",
            RAW,
            ELSEWHERE,
            block(RAW, blockPublicAcls=ELSEWHERE.ref()),
            preview="undecided",
        ),
    ]


def encryption(target: R, *rules: Any, type: str = b.ENCRYPTION[0], name: str = "encryption") -> R:
    return of(target, type, name, rules=list(rules))


def by_default(algorithm: Any = "aws:kms", key: Any = KEY_ARN) -> dict[str, Any]:
    default = {"sseAlgorithm": algorithm}
    if key is not None:
        default["kmsMasterKeyId"] = key
    return {"applyServerSideEncryptionByDefault": default}


def s3_02() -> list[Case]:
    rule = "S3-02"
    key = R(b.KMS_KEY, "key", {})
    inline = {"rule": by_default()}
    logged = of(OTHER, b.LOGGING[0], "logging", targetBucket=RAW.ref(), targetPrefix="x/")
    itself = of(RAW, b.LOGGING[0], "logging", targetBucket=RAW.ref(), targetPrefix="x/")
    return [
        *everywhere(rule, lambda target: encryption(target, by_default())),
        good(rule, "the old kind of part", RAW, encryption(RAW, by_default(), type=b.ENCRYPTION[1])),
        good(rule, "two layers", RAW, encryption(RAW, by_default("aws:kms:dsse"))),
        good(rule, "the stack's key", RAW, key, encryption(RAW, by_default(key=key.ref("arn")))),
        good(rule, "inline", bucket(serverSideEncryptionConfiguration=inline)),
        bad(rule, "keys of S3's own", RAW, encryption(RAW, by_default("AES256", None))),
        bad(rule, "no key", RAW, encryption(RAW, by_default(key=None))),
        bad(rule, "an empty key", RAW, encryption(RAW, by_default(key=""))),
        bad(rule, "the key that AWS manages", RAW, encryption(RAW, by_default(key="alias/aws/s3"))),
        bad(rule, "its ARN", RAW, encryption(RAW, by_default(key="arn:aws:kms:eu-west-1:111122223333:alias/aws/s3"))),
        bad(rule, "no rules", RAW, encryption(RAW)),
        bad(rule, "a rule without an algorithm", RAW, encryption(RAW, {"bucketKeyEnabled": True})),
        bad(rule, "a second rule", RAW, encryption(RAW, by_default(), by_default("AES256", None))),
        bad(rule, "an algorithm that is none", RAW, encryption(RAW, by_default("kms"))),
        bad(
            rule,
            "two for one bucket",
            RAW,
            encryption(RAW, by_default()),
            encryption(RAW, by_default("AES256", None), name="second"),
        ),
        bad(
            rule,
            "two good ones for one bucket",
            RAW,
            encryption(RAW, by_default()),
            encryption(RAW, by_default(), name="second"),
        ),
        bad(
            rule,
            "inline, keys of S3's own",
            bucket(serverSideEncryptionConfiguration={"rule": by_default("AES256", None)}),
        ),
        bad(rule, "malformed rules", RAW, encryption(RAW, None, 7, "x", [])),
        good(
            rule,
            "access logs, which S3 delivers to its own keys only",
            RAW,
            OTHER,
            encryption(RAW, by_default("AES256", None)),
            logged,
            encryption(OTHER, by_default(), name="o"),
        ),
        good(rule, "access logs, without a setting", RAW, OTHER, logged, encryption(OTHER, by_default(), name="o")),
        bad(rule, "a bucket that logs to itself", RAW, itself, encryption(RAW, by_default("AES256", None))),
        bad(
            rule,
            "a key not known yet, of something else",
            RAW,
            ELSEWHERE,
            encryption(RAW, by_default(key=ELSEWHERE.ref("hex", "alias/aws/{}"))),
            preview="undecided",
        ),
        bad(
            rule,
            "an unknown algorithm before a weak one",
            RAW,
            encryption(RAW, by_default(UNKNOWN), by_default("AES256", None)),
        ),
    ]


def policy(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def tls(**change: Any) -> dict[str, Any]:
    return {
        "Sid": "Tls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{NAME}", f"arn:aws:s3:::{NAME}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        **change,
    }


def s3_03() -> list[Case]:
    rule = "S3-03"
    arn = f"arn:aws:s3:::{NAME}"

    def with_policy(text: Any) -> tuple[R, R]:
        return RAW, of(RAW, b.BUCKET_POLICY, policy=text)

    fine = {
        "as it should be": policy(tls()),
        "the other way to say everybody": policy(tls(Principal={"AWS": "*"})),
        "a list of everybody": policy(tls(Principal={"AWS": ["*"]})),
        "a list of actions": policy(tls(Action=["s3:*"])),
        "every action": policy(tls(Action="*")),
        "every resource": policy(tls(Resource="*")),
        "one pattern for the bucket and its objects": policy(tls(Resource=f"{arn}*")),
        "JSON's false": policy(tls(Condition={"Bool": {"aws:SecureTransport": False}})),
        "a list of false": policy(tls(Condition={"Bool": {"aws:SecureTransport": ["false"]}})),
        "the key in any case": policy(tls(Condition={"Bool": {"AWS:securetransport": "false"}})),
        "two statements": policy(tls(Resource=arn), tls(Sid="Objects", Resource=f"{arn}/*")),
        "a statement that stands alone": json.dumps({"Statement": tls()}),
        "the last of several": policy(
            {"Effect": "Allow", "Principal": {"Service": "x"}, "Action": "s3:GetObject", "Resource": arn}, tls()
        ),
        "an object instead of text": {"Statement": [tls()]},
        "another partition": policy(tls(Resource=[f"arn:aws-cn:s3:::{NAME}", f"arn:aws-cn:s3:::{NAME}/*"])),
    }
    weak = {
        "an Allow": policy(tls(Effect="Allow")),
        "somebody": policy(tls(Principal={"AWS": "arn:aws:iam::111122223333:root"})),
        "all but somebody": policy(
            {**{k: v for k, v in tls().items() if k != "Principal"}, "NotPrincipal": {"AWS": "x"}}
        ),
        "one action": policy(tls(Action="s3:GetObject")),
        "the bucket only": policy(tls(Resource=arn)),
        "the objects only": policy(tls(Resource=f"{arn}/*")),
        "some objects": policy(tls(Resource=[arn, f"{arn}/data/*"])),
        "objects of one ending": policy(tls(Resource=[arn, f"{arn}/*.csv"])),
        "another bucket": policy(tls(Resource=["arn:aws:s3:::other", "arn:aws:s3:::other/*"])),
        "TLS refused": policy(tls(Condition={"Bool": {"aws:SecureTransport": "true"}})),
        "a further condition": policy(
            tls(Condition={"Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"aws:PrincipalAccount": "1"}})
        ),
        "a further key": policy(
            tls(Condition={"Bool": {"aws:SecureTransport": "false", "aws:ViaAWSService": "false"}})
        ),
        "no condition": policy(tls(Condition={})),
        "text that only speaks of it": policy(
            {
                "Sid": "DenySecureTransportFalse",
                "Effect": "Allow",
                "Principal": {"Service": "x"},
                "Action": "s3:*",
                "Resource": arn,
            }
        ),
        "no statements": policy(),
        "no JSON": "aws:SecureTransport false Deny",
        "nothing": "",
        "half a document": policy(tls())[:-5],
        "a list": "[]",
    }
    return [
        *(good(rule, title, *with_policy(text)) for title, text in fine.items()),
        *(bad(rule, title, *with_policy(text)) for title, text in weak.items()),
        bad(rule, "no policy", RAW),
        bad(
            rule,
            "another bucket's policy",
            RAW,
            OTHER,
            of(OTHER, b.BUCKET_POLICY, policy=policy(tls(Resource="*"))),
            says=["raw"],
        ),
        bad(
            rule,
            "two policies, of which the last wins",
            RAW,
            of(RAW, b.BUCKET_POLICY, policy=policy(tls())),
            of(RAW, b.BUCKET_POLICY, "second", policy=policy()),
        ),
        good(rule, "inline", bucket(policy=policy(tls()))),
        bad(rule, "inline, weak", bucket(policy=policy(tls(Action="s3:GetObject")))),
        good(
            rule,
            "made of the bucket's ARN",
            RAW,
            of(
                RAW,
                b.BUCKET_POLICY,
                policy=RAW.ref(
                    "arn",
                    policy(tls(Resource=["ARN", "ARN/*"])).replace("{", "{{").replace("}", "}}").replace("ARN", "{0}"),
                ),
            ),
            preview="undecided",
        ),
        open_question(rule, "a policy not known yet", RAW, of(RAW, b.BUCKET_POLICY, policy=UNKNOWN)),
        open_question(
            rule,
            "a policy for an unknown bucket",
            RAW,
            R(b.BUCKET_POLICY, "p", {"bucket": UNKNOWN, "policy": policy(tls())}),
        ),
        good(
            rule,
            "resources not known yet",
            RAW,
            of(RAW, b.BUCKET_POLICY, policy={"Statement": [tls(Resource=[RAW.ref("arn"), RAW.ref("arn", "{}/*")])]}),
            preview="undecided",
        ),
        bad(
            rule,
            "resources not known yet of an Allow",
            RAW,
            of(RAW, b.BUCKET_POLICY, policy={"Statement": [tls(Effect="Allow", Resource=[RAW.ref("arn")])]}),
        ),
    ]


def s3_04() -> list[Case]:
    rule = "S3-04"
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
    public = {
        "everybody": allow,
        "everybody in AWS": {**allow, "Principal": {"AWS": "*"}},
        "everybody in a list": {**allow, "Principal": {"AWS": ["arn:aws:iam::111122223333:root", "*"]}},
        "all but somebody": {"Effect": "Allow", "NotPrincipal": {"AWS": "x"}, "Action": "s3:*", "Resource": "*"},
        "over TLS": {**allow, "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        "not from one network": {**allow, "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}},
        "from every network": {**allow, "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}},
        "by a header": {**allow, "Condition": {"StringLike": {"aws:Referer": "https://example.com/*"}}},
        "if the endpoint exists": {**allow, "Condition": {"StringEqualsIfExists": {"aws:SourceVpce": "vpce-1"}}},
    }
    closed = {
        "an endpoint": {**allow, "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}},
        "an organisation": {**allow, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}},
        "somebody": {**allow, "Principal": {"AWS": "arn:aws:iam::111122223333:role/x"}},
        "a service": {**allow, "Principal": {"Service": "logging.s3.amazonaws.com"}},
        "a denial": {**allow, "Effect": "Deny"},
    }
    harmless = [policy(), "", None, "{", "[]", "null", policy(None, 7, "x"), json.dumps({"Statement": "x"}), 7, []]
    return [
        *(bad(rule, title, of(RAW, b.BUCKET_POLICY, policy=policy(entry))) for title, entry in public.items()),
        *(good(rule, title, of(RAW, b.BUCKET_POLICY, policy=policy(entry))) for title, entry in closed.items()),
        bad(
            rule,
            "the second statement",
            of(RAW, b.BUCKET_POLICY, policy=policy(closed["a service"], allow)),
            says=["Statement[1]"],
        ),
        bad(rule, "a statement that stands alone", of(RAW, b.BUCKET_POLICY, policy=json.dumps({"Statement": allow}))),
        bad(rule, "an object", of(RAW, b.BUCKET_POLICY, policy={"Statement": [allow]})),
        bad(rule, "an unknown in front", of(RAW, b.BUCKET_POLICY, policy={"Statement": [UNKNOWN, allow]})),
        bad(rule, "an unknown action", of(RAW, b.BUCKET_POLICY, policy={"Statement": [{**allow, "Action": UNKNOWN}]})),
        bad(rule, "a secret", of(RAW, b.BUCKET_POLICY, policy=Secret(policy(allow)))),
        bad(rule, "inline", bucket(policy=policy(allow))),
        bad(rule, "an access point", R(b.ACCESS_POINT, "p", {"bucket": "b", "policy": policy(allow)})),
        *(
            Case(
                rule,
                f"harmless: {text!r}",
                [of(RAW, b.BUCKET_POLICY, policy=text)],
                "undecided" if text in ("{", "[]", 7) else "fine",
            )
            for text in harmless
            if text != []
        ),
        open_question(rule, "not known yet", of(RAW, b.BUCKET_POLICY, policy=UNKNOWN)),
        open_question(
            rule,
            "an unknown principal",
            of(RAW, b.BUCKET_POLICY, policy={"Statement": [{**allow, "Principal": {"AWS": UNKNOWN}}]}),
        ),
        open_question(
            rule,
            "an unknown condition",
            of(RAW, b.BUCKET_POLICY, policy={"Statement": [{**allow, "Condition": UNKNOWN}]}),
        ),
    ]


def s3_05() -> list[Case]:
    rule = "S3-05"
    everybody = "http://acs.amazonaws.com/groups/global/AllUsers"
    every_account = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
    logs = "http://acs.amazonaws.com/groups/s3/LogDelivery"

    def grants(*addresses: Any) -> dict[str, Any]:
        return {
            "accessControlPolicy": {
                "grants": [{"grantee": {"type": "Group", "uri": a}, "permission": "READ"} for a in addresses]
            }
        }

    return [
        *(
            bad(rule, f"{acl} by {type}", R(type, "x", {"bucket": "b", "acl": acl}))
            for acl in ("public-read", "public-read-write", "authenticated-read")
            for type in (b.BUCKET, *b.BUCKET_ACLS, *b.OBJECTS)
        ),
        *(
            good(rule, f"{acl}", of(RAW, b.BUCKET_ACLS[0], acl=acl))
            for acl in ("private", "log-delivery-write", "bucket-owner-full-control", "", None, 7)
        ),
        bad(rule, "a grant to everybody", of(RAW, b.BUCKET_ACLS[0], **grants(everybody))),
        bad(rule, "a grant to every account", of(RAW, b.BUCKET_ACLS[0], **grants(logs, every_account))),
        bad(rule, "an unknown grant in front", of(RAW, b.BUCKET_ACLS[0], **grants(UNKNOWN, everybody))),
        bad(
            rule,
            "a grant inline",
            R(b.BUCKET, "x", {"grants": [{"type": "Group", "uri": everybody, "permissions": ["READ"]}]}),
        ),
        *(
            bad(rule, f"access logs, by {type}", of(RAW, type, targetGrants=[{"grantee": {"uri": everybody}}]))
            for type in b.LOGGING
        ),
        good(rule, "access logs for a bucket's owner", of(RAW, b.LOGGING[0], targetGrants=[{"grantee": {"id": "a1"}}])),
        open_question(
            rule,
            "access logs for somebody not known yet",
            of(RAW, b.LOGGING[0], targetGrants=[{"grantee": {"uri": UNKNOWN}}]),
        ),
        good(rule, "a grant for logs", of(RAW, b.BUCKET_ACLS[0], **grants(logs))),
        good(
            rule, "malformed", of(RAW, b.BUCKET_ACLS[0], accessControlPolicy="x", acl=["public-read"], grants=[None, 7])
        ),
        open_question(rule, "not known yet", of(RAW, b.BUCKET_ACLS[0], acl=UNKNOWN)),
        open_question(rule, "a grant not known yet", of(RAW, b.BUCKET_ACLS[0], **grants(UNKNOWN))),
    ]


def s3_06() -> list[Case]:
    rule = "S3-06"

    def versioning(target: R, status: Any = "Enabled", type: str = b.VERSIONING[0]) -> R:
        return of(target, type, versioningConfiguration={"status": status})

    return [
        *(case for case in everywhere(rule, versioning) if case.title != "by way of another part"),
        good(rule, "the old kind of part", RAW, versioning(RAW, type=b.VERSIONING[1])),
        good(rule, "inline", bucket(versioning={"enabled": True})),
        *(
            bad(rule, f"{status!r}", RAW, versioning(RAW, status))
            for status in ("Suspended", "Disabled", "", None, True, "enabled")
        ),
        bad(rule, "inline, off", bucket(versioning={"enabled": False})),
        bad(rule, "malformed", RAW, of(RAW, b.VERSIONING[0], versioningConfiguration="Enabled")),
        bad(rule, "not known yet", RAW, ELSEWHERE, versioning(RAW, ELSEWHERE.ref()), preview="undecided"),
    ]


def s3_07() -> list[Case]:
    rule = "S3-07"
    logs = bucket("logs")
    raw_logging = of(RAW, b.LOGGING[0], "raw", targetBucket=logs.ref(), targetPrefix="raw/")
    inline = bucket(logging={"targetBucket": "logs-111122223333", "targetPrefix": "x/"})
    return [
        good(rule, "logged, and the bucket that receives", RAW, logs, raw_logging),
        good(rule, "the old kind of part", RAW, logs, R(b.LOGGING[1], "raw", dict(raw_logging.inputs))),
        good(rule, "inline", inline, logs),
        bad(rule, "not logged", RAW),
        bad(rule, "logged to nowhere", RAW, of(RAW, b.LOGGING[0], "raw", targetBucket="")),
        bad(
            rule,
            "another bucket's",
            RAW,
            OTHER,
            logs,
            of(OTHER, b.LOGGING[0], "o", targetBucket=logs.ref()),
            says=["raw"],
        ),
        good(rule, "logged to itself", RAW, of(RAW, b.LOGGING[0], "raw", targetBucket=RAW.ref())),
        open_question(
            rule, "of an unknown bucket", RAW, R(b.LOGGING[0], "raw", {"bucket": UNKNOWN, "targetBucket": "logs"})
        ),
        open_question(rule, "to an unknown bucket", logs, of(OTHER, b.LOGGING[0], "o", targetBucket=UNKNOWN)),
    ]


def s3_08() -> list[Case]:
    rule = "S3-08"

    def owned(target: R, ownership: Any = "BucketOwnerEnforced") -> R:
        return of(target, b.OWNERSHIP, rule={"objectOwnership": ownership})

    return [
        *everywhere(rule, owned),
        *(
            bad(rule, f"{value!r}", RAW, owned(RAW, value))
            for value in ("ObjectWriter", "BucketOwnerPreferred", "", None)
        ),
        bad(rule, "malformed", RAW, of(RAW, b.OWNERSHIP, rule="BucketOwnerEnforced")),
    ]


def s3_09() -> list[Case]:
    rule = "S3-09"
    both = {
        "id": "all",
        "status": "Enabled",
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
        "noncurrentVersionExpiration": {"noncurrentDays": 90},
    }

    def lifecycle(target: R, *rules: Any, type: str = b.LIFECYCLE[0]) -> R:
        return of(target, type, rules=list(rules or (both,)))

    uploads = {key: value for key, value in both.items() if key != "noncurrentVersionExpiration"}
    versions = {key: value for key, value in both.items() if key != "abortIncompleteMultipartUpload"}
    return [
        *everywhere(rule, lifecycle),
        good(rule, "two rules", RAW, lifecycle(RAW, uploads, versions)),
        good(rule, "the old kind of part", RAW, lifecycle(RAW, type=b.LIFECYCLE[1])),
        good(
            rule,
            "inline",
            bucket(
                lifecycleRules=[
                    {
                        "enabled": True,
                        "abortIncompleteMultipartUploadDays": 7,
                        "noncurrentVersionExpiration": {"days": 9},
                    }
                ]
            ),
        ),
        bad(rule, "uploads stay", RAW, lifecycle(RAW, versions), says=["uploads"]),
        bad(rule, "versions stay", RAW, lifecycle(RAW, uploads), says=["versions"]),
        bad(rule, "switched off", RAW, lifecycle(RAW, {**both, "status": "Disabled"})),
        bad(rule, "no rules", RAW, of(RAW, b.LIFECYCLE[0], rules=[])),
        bad(rule, "malformed", RAW, lifecycle(RAW, 7, "x", None)),
        open_question(rule, "a rule not known yet", RAW, lifecycle(RAW, UNKNOWN)),
        open_question(
            rule,
            "days not known yet",
            RAW,
            lifecycle(RAW, {**both, "noncurrentVersionExpiration": {"noncurrentDays": UNKNOWN}}),
        ),
    ]


def s3_10() -> list[Case]:
    return [
        bad("S3-10", "on", bucket(forceDestroy=True)),
        bad("S3-10", "on, as text", bucket(forceDestroy="true")),
        bad("S3-10", "of tables", R("aws:s3tables/tableBucket:TableBucket", "x", {"forceDestroy": True})),
        good("S3-10", "off", bucket(forceDestroy=False)),
        good("S3-10", "absent", RAW),
        open_question("S3-10", "not known yet", bucket(forceDestroy=UNKNOWN)),
    ]


def s3_11() -> list[Case]:
    rule = "S3-11"
    whole = dict.fromkeys(("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True)

    def point(**block: Any) -> R:
        return R(b.ACCESS_POINT, "p", {"bucket": NAME, "publicAccessBlockConfiguration": block})

    return [
        good(rule, "all four", of(RAW, b.PUBLIC_ACCESS_BLOCK, **whole)),
        good(rule, "all four, for the account", R(b.ACCOUNT_BLOCK, "a", whole)),
        *(bad(rule, f"{name} off", of(RAW, b.PUBLIC_ACCESS_BLOCK, **{**whole, name: False})) for name in whole),
        *(
            bad(rule, f"{name} left out", R(b.ACCOUNT_BLOCK, "a", {k: v for k, v in whole.items() if k != name}))
            for name in whole
        ),
        bad(
            rule,
            "a bucket outside the stack",
            R(b.PUBLIC_ACCESS_BLOCK, "b", {"bucket": "theirs", "ignorePublicAcls": 1}),
        ),
        good(rule, "an access point as AWS makes it", R(b.ACCESS_POINT, "p", {"bucket": NAME})),
        bad(rule, "an access point that lets policies be public", point(**{**whole, "blockPublicPolicy": False})),
        open_question(rule, "not known yet", of(RAW, b.PUBLIC_ACCESS_BLOCK, **{**whole, "blockPublicAcls": UNKNOWN})),
        open_question(
            rule, "a point's not known yet", R(b.ACCESS_POINT, "p", {"publicAccessBlockConfiguration": UNKNOWN})
        ),
        bad(rule, "malformed", R(b.ACCESS_POINT, "p", {"publicAccessBlockConfiguration": {"blockPublicAcls": [7]}})),
    ]


def s3_12() -> list[Case]:
    rule = "S3-12"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{NAME}"}

    def written(*statements: Any) -> R:
        return of(RAW, b.BUCKET_POLICY, policy=policy(*statements))

    return [
        bad(rule, "everybody, everything", written(deny)),
        bad(rule, "by a wildcard, in the second statement", written(tls(), {**deny, "Action": ["s3:Get*", "s3:Put*"]})),
        bad(
            rule, "all but reading", written({"Effect": "Deny", "Principal": {"AWS": "*"}, "NotAction": "s3:GetObject"})
        ),
        good(rule, "on a condition", written(tls())),
        good(rule, "everybody, but not the policy itself", written({**deny, "Action": "s3:PutObjectAcl"})),
        good(rule, "all but somebody", written({"Effect": "Deny", "NotPrincipal": {"AWS": "x"}, "Action": "s3:*"})),
        good(rule, "no policy", RAW),
        good(rule, "no JSON, which S3-04 speaks of", of(RAW, b.BUCKET_POLICY, policy="{")),
    ]


def outside() -> list[Case]:
    """Settings for buckets that another stack keeps are judged by themselves."""
    rules = [
        {
            "applyServerSideEncryptionByDefault": {
                "sseAlgorithm": "aws:kms",
                "kmsMasterKeyId": "arn:aws:kms:eu-west-1:111122223333:key/1",
            }
        }
    ]
    clear = [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]
    encrypted = of(RAW, b.ENCRYPTION[0], "own", rules=rules)
    versioned = of(RAW, b.VERSIONING[0], "own", versioningConfiguration={"status": "Enabled"})
    owned = of(RAW, b.OWNERSHIP, "own", rule={"objectOwnership": "BucketOwnerEnforced"})

    def theirs(type: str, **inputs: Any) -> R:
        return R(type, "theirs", {"bucket": "theirs", **inputs})

    def status(value: Any) -> R:
        return theirs(b.VERSIONING[0], versioningConfiguration={"status": value})

    def ownership(value: Any) -> R:
        return theirs(b.OWNERSHIP, rule={"objectOwnership": value})

    return [
        bad("S3-02", "S3's keys, outside", RAW, encrypted, theirs(b.ENCRYPTION[0], rules=clear), says=["theirs"]),
        good("S3-02", "a key, outside", RAW, encrypted, theirs(b.ENCRYPTION[1], rules=rules)),
        bad("S3-06", "suspended, outside", RAW, versioned, status("Suspended"), says=["theirs"]),
        good("S3-06", "kept, outside", RAW, versioned, status("Enabled")),
        open_question("S3-06", "not known yet, outside", RAW, versioned, status(UNKNOWN)),
        bad("S3-08", "the writer's, outside", RAW, owned, ownership("ObjectWriter"), says=["theirs"]),
        good("S3-08", "the owner's, outside", RAW, owned, ownership("BucketOwnerEnforced")),
        open_question("S3-08", "not known yet, outside", RAW, owned, ownership(UNKNOWN)),
    ]


def s3_13() -> list[Case]:
    rule = "S3-13"
    cors, website = b.CORS[0], b.WEBSITES[0]
    anybody = [{"allowedMethods": ["GET"], "allowedOrigins": ["https://a.example.com", "*"]}]
    return [
        bad(rule, "a website", R(website, "x", {"indexDocument": {"suffix": "index.html"}})),
        good(rule, "a redirection", R(website, "x", {"redirectAllRequestsTo": {"hostName": "example.com"}})),
        bad(rule, "a website of the bucket's own", bucket(website={"indexDocument": "index.html"})),
        bad(rule, "any web page", R(cors, "x", {"corsRules": anybody})),
        bad(rule, "any web page, in the bucket", bucket(corsRules=anybody)),
        good(rule, "a web page", R(cors, "x", {"corsRules": [{"allowedOrigins": ["https://a.example.com"]}]})),
        open_question(rule, "not known yet", R(cors, "x", {"corsRules": [{"allowedOrigins": [UNKNOWN]}]})),
        good(rule, "neither", RAW),
    ]


def s3_15() -> list[Case]:
    rule = "S3-15"
    them = {"AWS": ["arn:aws:iam::111122223333:role/ours", "arn:aws:iam::999988887777:root"]}
    one = {"AWS": "arn:aws:iam::999988887777:role/x"}
    own = {"accounts": ["111122223333"]}

    def granted(action: Any, principal: Any = them, type: str = b.BUCKET_POLICY, **more: Any) -> R:
        statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": f"arn:aws:s3:::{NAME}"}
        return R(type, "x", {"bucket": NAME, "policy": policy(tls(), {**statement, **more})})

    return [
        *(
            bad(rule, f"{action}", granted(action), says=["999988887777"])
            for action in ("s3:*", "*", "s3:Put*", "S3:putbucketpolicy", ["s3:GetObject", "s3:PutBucketAcl"])
        ),
        bad(rule, "in the bucket", granted("s3:*", type=b.BUCKET)),
        bad(rule, "an account by its number", granted("s3:*", {"AWS": "999988887777"})),
        good(rule, "what is in the bucket", granted(["s3:GetObject", "s3:PutObject", "s3:ListBucket"])),
        good(rule, "a denial", granted("s3:*", Effect="Deny")),
        good(
            rule, "of an organisation", granted("s3:*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3"}})
        ),
        good(rule, "everybody, which is for S3-04 to say", granted("s3:*", "*")),
        good(rule, "a role, whoever's it is", granted("s3:*", one)),
        bad(rule, "somebody else's role", granted("s3:*", one), config=own),
        good(rule, "one's own role", granted("s3:*", {"AWS": "arn:aws:iam::111122223333:role/x"}), config=own),
        good(rule, "no JSON, which S3-04 speaks of", of(RAW, b.BUCKET_POLICY, policy="{")),
        good(rule, "no policy", RAW),
    ]


def s3_14() -> list[Case]:
    rule = "S3-14"
    return [
        *(good(rule, f"as the bucket says, {type}", R(type, "x", {"bucket": NAME})) for type in b.OBJECTS),
        *(bad(rule, f"S3's keys, {type}", R(type, "x", {"serverSideEncryption": "AES256"})) for type in b.OBJECTS),
        bad(rule, "the key that AWS manages", R(b.OBJECTS[0], "x", {"kmsKeyId": "alias/aws/s3"})),
        good(rule, "a key", R(b.OBJECTS[0], "x", {"serverSideEncryption": "aws:kms", "kmsKeyId": KEY_ARN})),
        open_question(rule, "not known yet", R(b.OBJECTS[0], "x", {"serverSideEncryption": UNKNOWN})),
    ]


def seen_through() -> list[Case]:
    """Old and new types beside each other, access points of many regions, and lifecycles for a part only."""
    v2 = bucket(type=b.BUCKET_V2)
    ways = {"abortIncompleteMultipartUpload": {"daysAfterInitiation": 7}, "noncurrentVersionExpiration": {"days": 9}}
    everybody = policy({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"})

    def lifecycle(**more: Any) -> R:
        return of(RAW, b.LIFECYCLE[0], rules=[{"status": "Enabled", **ways, **more}])

    return [
        bad("S3-01", "another bucket's, of the newer type", v2, OTHER, of(OTHER, b.PUBLIC_ACCESS_BLOCK, **ON)),
        bad(
            "S3-06",
            "another bucket's, of the older type",
            RAW,
            other := bucket("other", b.BUCKET_V2),
            of(other, b.VERSIONING[1], versioningConfiguration={"status": "Enabled"}),
            says=["raw"],
        ),
        *(bad("S3-04", type, R(type, "x", {"policy": everybody})) for type in b.OTHER_POLICIES),
        bad("S3-04", "many regions", R(b.MULTI_REGION_POLICY, "x", {"details": {"name": "x", "policy": everybody}})),
        bad(
            "S3-11",
            "many regions",
            R(b.MULTI_REGION_POINT, "x", {"details": {"publicAccessBlock": {"blockPublicAcls": False}}}),
        ),
        good("S3-11", "many regions, not said", R(b.MULTI_REGION_POINT, "x", {"details": {"name": "x"}})),
        bad("S3-09", "for a prefix only", RAW, lifecycle(filter={"prefix": "tmp/"})),
        bad("S3-09", "for a tag only", RAW, lifecycle(filter={"tag": {"key": "a", "value": "b"}})),
        good("S3-09", "for every object, said so", RAW, lifecycle(filter={"prefix": ""})),
    ]


MAKERS = (
    s3_01,
    s3_02,
    s3_03,
    s3_04,
    s3_05,
    s3_06,
    s3_07,
    s3_08,
    s3_09,
    s3_10,
    s3_11,
    s3_12,
    s3_13,
    s3_14,
    s3_15,
    outside,
    seen_through,
)
CASES = [case for make in MAKERS for case in make()]


@parametrize(CASES)
def test_buckets(case: Case, known: bool) -> None:
    check(case, known)


@pytest.mark.parametrize("name", [rule.id for rule in b.family.rules])
def test_every_rule_has_cases_that_break_it_and_that_do_not(name: str) -> None:
    verdicts = {case.up for case in CASES if case.rule == name}
    assert {"broken", "fine"} <= verdicts, f"{name} is tested for {verdicts} only"
