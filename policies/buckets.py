"""Rules of buckets: private, encrypted, versioned, reached over TLS only, and hard to lose.

A bucket's settings are resources of their own that refer to it; the older inline properties count as well.
"""

from __future__ import annotations

from typing import Final

from policies.iam_documents import Document, Statement, bound, denies_clear_text, matches, parse_arn, parse_document
from policies.keys import is_aws_managed, public_policy
from policies.model import (
    Family,
    Finding,
    Findings,
    Match,
    Resource,
    Setting,
    Settings,
    Severity,
    Stack,
    undecided,
    violation,
)
from policies.plain import UNKNOWN, Malformed, Plain, Unknown, at, listed, number, record, switch, text

family = Family("S3")

BUCKET: Final = "aws:s3/bucket:Bucket"
BUCKET_V2: Final = "aws:s3/bucketV2:BucketV2"
BUCKETS: Final = (BUCKET, BUCKET_V2)
PUBLIC_ACCESS_BLOCK: Final = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION: Final = (
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
)
BUCKET_POLICY: Final = "aws:s3/bucketPolicy:BucketPolicy"
ACCESS_POINT: Final = "aws:s3/accessPoint:AccessPoint"
MULTI_REGION_POINT: Final = "aws:s3control/multiRegionAccessPoint:MultiRegionAccessPoint"
MULTI_REGION_POLICY: Final = "aws:s3control/multiRegionAccessPointPolicy:MultiRegionAccessPointPolicy"
ACCOUNT_BLOCK: Final = "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock"
OTHER_POLICIES: Final = (
    "aws:s3control/accessPointPolicy:AccessPointPolicy",
    "aws:s3control/bucketPolicy:BucketPolicy",
    "aws:s3control/objectLambdaAccessPointPolicy:ObjectLambdaAccessPointPolicy",
    "aws:s3control/accessGrantsInstanceResourcePolicy:AccessGrantsInstanceResourcePolicy",
    "aws:s3/filesFileSystemPolicy:FilesFileSystemPolicy",
    "aws:s3/vectorsVectorBucketPolicy:VectorsVectorBucketPolicy",
)
BUCKET_ACLS: Final = ("aws:s3/bucketAcl:BucketAcl", "aws:s3/bucketAclV2:BucketAclV2")
OBJECT_COPY: Final = "aws:s3/objectCopy:ObjectCopy"
OBJECTS: Final = (
    "aws:s3/bucketObject:BucketObject",
    "aws:s3/bucketObjectv2:BucketObjectv2",
    OBJECT_COPY,
)
VERSIONING: Final = (
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:s3/bucketVersioningV2:BucketVersioningV2",
)
LOGGING: Final = ("aws:s3/bucketLogging:BucketLogging", "aws:s3/bucketLoggingV2:BucketLoggingV2")
OWNERSHIP: Final = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
LIFECYCLE: Final = (
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2",
)
KMS_KEY: Final = "aws:kms/key:Key"

_GUIDE: Final = "S3 user guide: "


def _missing(possible: list[Resource], lacks: str) -> Finding:
    """What to say of a bucket to which no setting refers for certain."""
    if possible:
        return undecided("", f"{lacks}, unless {possible[0].label} is meant for it: its bucket is not known yet")
    return violation("", lacks)


def _outside(source: Resource, stack: Stack) -> bool:
    """Whether a setting is for a bucket that is not in the stack, so that no bucket's own rule sees it."""
    value = source.value("bucket")
    return all(stack.refers(source, "bucket", value, bucket) is Match.NO for bucket in stack.of(*BUCKETS))


@family.stack_rule(
    "S3-01",
    "bucket-public-access-block",
    "Every bucket blocks public access in all four ways",
    Severity.CRITICAL,
    BUCKETS,
    fix="Add a BucketPublicAccessBlock for this bucket with all four switches true.",
    source=_GUIDE + "Blocking public access to your Amazon S3 storage",
    frameworks=(
        "checkov CKV2_AWS_6",
        "checkov CKV_AWS_53",
        "checkov CKV_AWS_54",
        "checkov CKV_AWS_55",
        "checkov CKV_AWS_56",
        "trivy AVD-AWS-0094",
        "cdk-nag AwsSolutions-S2",
        "Security Hub S3.8",
        "CIS AWS 2.1.4",
    ),
)
def bucket_public_access_block(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """A switch that is left out is off."""
    certain, possible = stack.referring(resource, "bucket", PUBLIC_ACCESS_BLOCK)
    if not certain:
        yield _missing(possible, "has no public access block")
    for block in certain:
        for name in _SWITCHES:
            flag = switch(block.value(name))
            if flag is UNKNOWN and not block.computed(name):
                yield undecided("", f"is blocked by {block.name}, whose {name} is not known yet")
            elif flag is not True:
                yield violation("", f"is blocked by {block.name}, whose {name} is not true")


_SWITCHES: Final = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_POINT_BLOCKS: Final = {
    ACCESS_POINT: ("publicAccessBlockConfiguration",),
    MULTI_REGION_POINT: ("details", "publicAccessBlock"),
}
"""Where access points keep their block."""


@family.resource_rule(
    "S3-11",
    "access-block-complete",
    "Every public access block blocks in all four ways",
    Severity.CRITICAL,
    (PUBLIC_ACCESS_BLOCK, ACCOUNT_BLOCK, *_POINT_BLOCKS),
    fix="Set all four switches to true.",
    source=_GUIDE + "Blocking public access to your Amazon S3 storage",
    frameworks=(
        "checkov CKV_AWS_53",
        "checkov CKV_AWS_54",
        "checkov CKV_AWS_55",
        "checkov CKV_AWS_56",
        "trivy AVD-AWS-0086",
        "trivy AVD-AWS-0087",
        "trivy AVD-AWS-0091",
        "trivy AVD-AWS-0093",
        "Security Hub S3.1",
        "Security Hub S3.8",
        "Security Hub S3.19",
        "CIS AWS 2.1.4",
    ),
    remedy=dict.fromkeys((PUBLIC_ACCESS_BLOCK, ACCOUNT_BLOCK), dict.fromkeys(_SWITCHES, True)),
)
def access_block_complete(resource: Resource, settings: Settings) -> Findings:
    """Decided before the block is made, whosever the bucket. Access points block unless they are told not to."""
    path = _POINT_BLOCKS.get(resource.type, ())
    block = resource.value(*path) if path else resource.properties
    where = "".join(f"{part}." for part in path)
    for name in _SWITCHES:
        value = at(block, name)
        flag = switch(value)
        if flag is UNKNOWN:
            yield undecided(f"{where}{name}")
        elif flag is not True and not (path and value is None):
            yield violation(f"{where}{name}", "is not true")


def log_targets(stack: Stack, bucket: Resource) -> Match:
    """Whether a bucket receives the access logs of others."""
    answer = Match.NO
    for source in stack.of(*LOGGING):
        match = stack.refers(source, "targetBucket", source.value("targetBucket"), bucket)
        if match is Match.YES and _logs_itself(source, stack, bucket) is not Match.YES:
            return Match.YES
        answer = Match.MAYBE if match is Match.MAYBE else answer
    for source in stack.of(*BUCKETS):
        for entry in _inline_logging(source):
            target = at(entry, "targetBucket")
            if source is not bucket and stack.refers(source, "logging", target, bucket) is Match.YES:
                return Match.YES
    return answer


def _logs_itself(source: Resource, stack: Stack, bucket: Resource) -> Match:
    return stack.refers(source, "bucket", source.value("bucket"), bucket)


def _inline_logging(bucket: Resource) -> list[Plain]:
    name = "loggings" if bucket.type == BUCKET_V2 else "logging"
    if bucket.computed(name):
        return []
    return bucket.items(name)


def _inline_encryption(bucket: Resource) -> list[Plain]:
    """Rules of the encryption written in the bucket itself."""
    name = "serverSideEncryptionConfigurations" if bucket.type == BUCKET_V2 else "serverSideEncryptionConfiguration"
    if bucket.computed(name):
        return []
    found: list[Plain] = []
    for entry in bucket.items(name):
        if entry is UNKNOWN:
            found.append(UNKNOWN)
        else:
            found += listed(at(entry, "rule")) + listed(at(entry, "rules"))
    return found


def _judge_encryption(rules: list[Plain], made_from: bool, log_target: Match) -> Findings:
    where = "rules"
    if not rules:
        yield violation(where, "holds no rule, so objects are encrypted with keys of S3's own")
    for index, rule in enumerate(rules):
        default = at(rule, "applyServerSideEncryptionByDefault")
        if isinstance(rule, dict) and default is None:
            defaults = listed(at(rule, "applyServerSideEncryptionByDefaults"))
            default = defaults[0] if defaults else None
        place = f"{where}[{index}].applyServerSideEncryptionByDefault"
        algorithm = text(at(default, "sseAlgorithm"))
        if algorithm is UNKNOWN:
            yield undecided(f"{place}.sseAlgorithm")
        elif algorithm == "AES256" and log_target is Match.YES:
            continue
        elif algorithm == "AES256" and log_target is Match.MAYBE:
            yield undecided(f"{place}.sseAlgorithm", "is AES256, which only a bucket of access logs may have")
        elif algorithm not in {"aws:kms", "aws:kms:dsse"}:
            yield violation(f"{place}.sseAlgorithm", "is not aws:kms, so the keys are S3's own")
        else:
            key = text(at(default, "kmsMasterKeyId"))
            if key is None:
                yield violation(f"{place}.kmsMasterKeyId", "is absent, so S3 takes the key that AWS manages")
            elif key is UNKNOWN:
                if not made_from:
                    yield undecided(f"{place}.kmsMasterKeyId")
            elif is_aws_managed(str(key)):
                yield violation(f"{place}.kmsMasterKeyId", "names the key that AWS manages")


@family.stack_rule(
    "S3-02",
    "bucket-kms-encryption",
    "Every bucket encrypts with a key of the stack's own",
    Severity.HIGH,
    (*BUCKETS, *ENCRYPTION),
    fix="Add one BucketServerSideEncryptionConfiguration for this bucket: aws:kms with the ARN of the stack's key.",
    source=_GUIDE + "Using server-side encryption with AWS KMS keys; Enabling server access logging (SSE-S3 only)",
    frameworks=(
        "checkov CKV_AWS_19",
        "checkov CKV_AWS_145",
        "trivy AVD-AWS-0088",
        "trivy AVD-AWS-0132",
        "cdk-nag HIPAA.Security-S3DefaultEncryptionKMS",
        "Security Hub S3.17",
    ),
)
def bucket_kms_encryption(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """A bucket that receives access logs is the exception: S3 delivers to SSE-S3 only.

    Settings for buckets outside the stack are judged by themselves.
    """
    if resource.type in ENCRYPTION:
        if _outside(resource, stack):
            made_from = bool(stack.nearest(resource.depends.get("rules", ()), (KMS_KEY,)))
            yield from _judge_encryption(resource.items("rules"), made_from, Match.NO)
        return
    log_target = log_targets(stack, resource)
    certain, possible = stack.referring(resource, "bucket", *ENCRYPTION)
    if len(certain) > 1:
        names = ", ".join(source.name for source in certain)
        yield violation("", f"is encrypted by {names}: the last one written wins")
    for source in certain:
        rules = source.items("rules")
        made_from = bool(stack.nearest(source.depends.get("rules", ()), (KMS_KEY,)))
        for finding in _judge_encryption(rules, made_from, log_target):
            what = f"is encrypted by {source.name}, whose {finding.where} {finding.what}"
            yield Finding("", what, finding.decided)
    if certain:
        return
    inline = _inline_encryption(resource)
    if not inline:
        if not (log_target is Match.YES and not possible):
            yield _missing(possible, "has no encryption with a key of the stack's own")
        return
    made_from = bool(stack.nearest(resource.depends.get("serverSideEncryptionConfiguration", ()), (KMS_KEY,)))
    for finding in _judge_encryption(inline, made_from, log_target):
        yield Finding(f"serverSideEncryptionConfiguration.{finding.where}", finding.what, finding.decided)


def _covers(statements: list[Statement], bucket: Resource) -> Match:
    """Whether the resources of some statements hold a bucket and all its objects."""
    names = {bucket.text("bucket"), bucket.text("id")} - {UNKNOWN, None}
    patterns = [pattern for statement in statements for pattern in statement.resources]
    known = [str(pattern) for pattern in patterns if pattern is not UNKNOWN]
    if not names:
        wild = any(_any_bucket(pattern) for pattern in known)
        return Match.YES if wild else Match.MAYBE
    for name in names:
        whole = any(_holds(pattern, str(name)) for pattern in known)
        objects = any(_holds_objects(pattern, str(name)) for pattern in known)
        if whole and objects:
            return Match.YES
    return Match.MAYBE if UNKNOWN in patterns else Match.NO


def _any_bucket(pattern: str) -> bool:
    arn = parse_arn(pattern)
    return pattern == "*" or (arn is not None and arn.resource == "*")


def _holds(pattern: str, bucket: str) -> bool:
    arn = parse_arn(pattern)
    return pattern == "*" or (arn is not None and matches(arn.resource, bucket) is Match.YES)


def _holds_objects(pattern: str, bucket: str) -> bool:
    """Whether a pattern holds every object of a bucket, not only those under a prefix or with an ending."""
    arn = parse_arn(pattern)
    if pattern == "*":
        return True
    return arn is not None and any(
        arn.resource == ending or (arn.resource.endswith("*") and matches(arn.resource, f"{bucket}/") is Match.YES)
        for ending in ("*", f"{bucket}/*")
    )


def _judge_tls(document: Document, bucket: Resource) -> Match:
    answers = [(statement, denies_clear_text(statement, "s3")) for statement in document]
    sure = [statement for statement, answer in answers if answer is Match.YES]
    perhaps = [statement for statement, answer in answers if answer is not Match.NO]
    covered = _covers(sure, bucket)
    if covered is Match.NO and len(perhaps) > len(sure):
        return Match.MAYBE if _covers(perhaps, bucket) is not Match.NO else Match.NO
    if not sure and covered is Match.MAYBE:
        return Match.MAYBE if perhaps else Match.NO
    return covered


@family.stack_rule(
    "S3-03",
    "bucket-tls-only",
    "Every bucket refuses clear text",
    Severity.HIGH,
    BUCKETS,
    fix="Add to its policy: Deny, Principal *, s3:*, on the bucket and its objects, if aws:SecureTransport is false.",
    source=_GUIDE + "Security best practices: enforce encryption of data in transit",
    frameworks=(
        "cdk-nag AwsSolutions-S10",
        "cdk-nag HIPAA.Security-S3BucketSSLRequestsOnly",
        "Security Hub S3.5",
        "CIS AWS 2.1.1",
    ),
)
def bucket_tls_only(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """The refusal must hold for everybody, everything and every object, on no further condition."""
    certain, possible = stack.referring(resource, "bucket", BUCKET_POLICY)
    sources = [(source, source.name) for source in certain]
    if not certain and not resource.computed("policy") and resource.text("policy") is not None:
        sources = [(resource, "its policy")]
    if not sources:
        yield _missing(possible, "has no policy that refuses clear text")
    for source, name in sources:
        document = parse_document(source.value("policy"))
        if document is UNKNOWN:
            yield undecided("policy", f"has a policy ({name}) that is not known yet")
            continue
        if document is None or isinstance(document, Unknown | Malformed):
            yield violation("policy", f"has a policy ({name}) that holds no statement")
            continue
        answer = _judge_tls(document, resource)
        if answer is Match.NO:
            yield violation("policy", f"has a policy ({name}) that does not refuse clear text to everybody")
        elif answer is Match.MAYBE:
            yield undecided("policy", f"has a policy ({name}) that is not wholly known yet")


@family.resource_rule(
    "S3-04",
    "bucket-policy-not-public",
    "No bucket policy lets anybody in",
    Severity.CRITICAL,
    (*BUCKETS, BUCKET_POLICY, ACCESS_POINT, MULTI_REGION_POLICY, *OTHER_POLICIES),
    fix="Name the roles or services; with a * principal, bind it by aws:SourceVpce, aws:PrincipalOrgID or the like.",
    source=_GUIDE + "Blocking public access: the meaning of public",
    frameworks=(
        "checkov CKV_AWS_70",
        "checkov CKV_AWS_93",
        "cdk-nag AwsSolutions-S5",
        "Security Hub S3.2",
        "Security Hub S3.3",
    ),
)
def bucket_policy_not_public(resource: Resource, settings: Settings) -> Findings:
    """A condition helps only if it ties the caller to somebody; a Deny for everybody is fine."""
    return public_policy(resource, "details.policy" if resource.type == MULTI_REGION_POLICY else "policy")


_PUBLIC_ACLS: Final = frozenset({"public-read", "public-read-write", "authenticated-read"})
_PUBLIC_GROUPS: Final = ("/global/AllUsers", "/global/AuthenticatedUsers")


@family.resource_rule(
    "S3-05",
    "bucket-acl-private",
    "No access control list lets anybody in",
    Severity.CRITICAL,
    (*BUCKETS, *BUCKET_ACLS, *OBJECTS, *LOGGING),
    fix="Remove the ACL: BucketOwnerEnforced switches ACLs off.",
    source=_GUIDE + "Access control list (ACL) overview: predefined groups",
    frameworks=(
        "checkov CKV_AWS_20",
        "checkov CKV_AWS_57",
        "checkov CKV_AWS_375",
        "checkov CKV2_AWS_43",
        "trivy AVD-AWS-0092",
        "cdk-nag HIPAA.Security-S3BucketPublicReadProhibited",
        "cdk-nag HIPAA.Security-S3BucketPublicWriteProhibited",
    ),
)
def bucket_acl_private(resource: Resource, settings: Settings) -> Findings:
    """Authenticated users are those of every AWS account in the world; access logs may be granted to them too."""
    acl = None if resource.type in LOGGING else resource.text("acl")
    if acl is UNKNOWN:
        yield undecided("acl")
    elif str(acl).lower() in _PUBLIC_ACLS:
        yield violation("acl", f"is {str(acl).lower()}")
    addresses: list[tuple[str, Plain]] = []
    if resource.type in BUCKET_ACLS:
        grants = listed(at(resource.value("accessControlPolicy"), "grants"))
        addresses += [
            (f"accessControlPolicy.grants[{index}].grantee.uri", at(grant, "grantee", "uri"))
            for index, grant in enumerate(grants)
        ]
    elif resource.type in LOGGING:
        grants = resource.items("targetGrants")
        addresses += [
            (f"targetGrants[{index}].grantee.uri", at(grant, "grantee", "uri")) for index, grant in enumerate(grants)
        ]
    elif resource.type in (*BUCKETS, OBJECT_COPY):
        grants = resource.items("grants")
        addresses += [(f"grants[{index}].uri", at(grant, "uri")) for index, grant in enumerate(grants)]
    for where, value in addresses:
        group = text(value)
        if group is UNKNOWN:
            yield undecided(where)
        elif str(group).endswith(_PUBLIC_GROUPS):
            yield violation(where, "grants access to a group that anybody is in")


@family.stack_rule(
    "S3-06",
    "bucket-versioning",
    "Every bucket keeps overwritten and deleted objects",
    Severity.HIGH,
    (*BUCKETS, *VERSIONING),
    fix="Add a BucketVersioning for this bucket with status Enabled.",
    source=_GUIDE + "Retaining multiple versions of objects with S3 Versioning",
    frameworks=(
        "checkov CKV_AWS_21",
        "trivy AVD-AWS-0090",
        "cdk-nag HIPAA.Security-S3BucketVersioningEnabled",
        "Security Hub S3.14",
    ),
)
def bucket_versioning(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """Suspended keeps no new versions. Settings for buckets outside the stack are judged by themselves."""
    if resource.type in VERSIONING:
        status = text(at(resource.value("versioningConfiguration"), "status"))
        if _outside(resource, stack) and status is UNKNOWN:
            yield undecided("versioningConfiguration.status")
        elif status != "Enabled" and _outside(resource, stack):
            yield violation("versioningConfiguration.status", "is not Enabled")
        return
    certain, possible = stack.referring(resource, "bucket", *VERSIONING)
    for source in certain:
        status = text(at(source.value("versioningConfiguration"), "status"))
        if status is UNKNOWN:
            yield undecided("", f"is versioned by {source.name}, whose status is not known yet")
        elif status != "Enabled":
            yield violation("", f"is versioned by {source.name}, whose status is not Enabled")
    if certain:
        return
    name = "versionings" if resource.type == BUCKET_V2 else "versioning"
    inline = None if resource.computed(name) else at(resource.value(name), "enabled")
    if switch(inline) is UNKNOWN:
        yield undecided(name)
    elif switch(inline) is not True:
        yield _missing(possible, "keeps no versions")


@family.stack_rule(
    "S3-07",
    "bucket-access-logs",
    "Every bucket records who reads and writes it",
    Severity.MEDIUM,
    BUCKETS,
    fix="Add a BucketLogging for this bucket, whose target is the stack's log bucket.",
    source=_GUIDE + "Logging requests with server access logging",
    frameworks=(
        "checkov CKV_AWS_18",
        "trivy AVD-AWS-0089",
        "cdk-nag AwsSolutions-S1",
        "Security Hub S3.9",
        "awsguard s3-bucket-logging-enabled",
    ),
)
def bucket_access_logs(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """A bucket that receives the logs of others need not log itself: it would log its own logging."""
    certain, possible = stack.referring(resource, "bucket", *LOGGING)
    certain = [source for source in certain if source.text("targetBucket") is not None]
    if certain or _inline_logging(resource):
        return
    target = log_targets(stack, resource)
    if target is Match.MAYBE and not possible:
        yield undecided("", "has no access log; whether it receives those of others is not known yet")
    elif target is not Match.YES:
        yield _missing(possible, "has no access log")


@family.stack_rule(
    "S3-08",
    "bucket-ownership",
    "Every bucket's owner owns what is in it",
    Severity.LOW,
    (*BUCKETS, OWNERSHIP),
    fix="Add BucketOwnershipControls for this bucket with BucketOwnerEnforced.",
    source=_GUIDE + "Controlling ownership of objects and disabling ACLs for your bucket",
    frameworks=("checkov CKV2_AWS_65", "Security Hub S3.12"),
)
def bucket_ownership(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """It switches access control lists off, so that policies alone decide."""
    if resource.type == OWNERSHIP:
        ownership = text(at(resource.value("rule"), "objectOwnership"))
        if _outside(resource, stack) and ownership is UNKNOWN:
            yield undecided("rule.objectOwnership")
        elif ownership != "BucketOwnerEnforced" and _outside(resource, stack):
            yield violation("rule.objectOwnership", "is not BucketOwnerEnforced")
        return
    certain, possible = stack.referring(resource, "bucket", OWNERSHIP)
    if not certain:
        yield _missing(possible, "has no ownership controls")
    for source in certain:
        ownership = text(at(source.value("rule"), "objectOwnership"))
        if ownership is UNKNOWN:
            yield undecided("", f"has ownership controls ({source.name}) that are not known yet")
        elif ownership != "BucketOwnerEnforced":
            yield violation("", f"has ownership controls ({source.name}) other than BucketOwnerEnforced")


def _whole(rule: Plain) -> bool:
    """Whether a lifecycle rule may be for every object of its bucket, not for a prefix, tag or size only."""
    narrowed = [at(rule, "prefix"), at(rule, "tags")]
    for name in ("prefix", "tag", "and", "objectSizeGreaterThan", "objectSizeLessThan"):
        narrowed.append(at(rule, "filter", name))
    return all(value is UNKNOWN or value in (None, "", {}, [], 0) for value in narrowed)


@family.stack_rule(
    "S3-09",
    "bucket-lifecycle",
    "Every bucket drops abandoned uploads and, in time, old versions",
    Severity.LOW,
    BUCKETS,
    fix="Add a BucketLifecycleConfiguration with abortIncompleteMultipartUpload and noncurrentVersionExpiration.",
    source=_GUIDE + "Managing the lifecycle of objects",
    frameworks=("checkov CKV2_AWS_61", "checkov CKV_AWS_300", "Security Hub S3.13"),
)
def bucket_lifecycle(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """Parts of uploads that were never finished, and versions that nobody sees, are paid for all the same."""
    certain, possible = stack.referring(resource, "bucket", *LIFECYCLE)
    inline_name = "lifecycleRules"
    inline = [] if resource.computed(inline_name) else resource.items(inline_name)
    if not certain and not inline:
        yield _missing(possible, "has no lifecycle")
        return
    rules = [rule for source in certain for rule in source.items("rules")] or inline
    if any(record(rule) is UNKNOWN for rule in rules):
        yield undecided("", "has a lifecycle that is not known yet")
        return
    active = [
        rule
        for rule in rules
        if (str(text(at(rule, "status"))) == "Enabled" or switch(at(rule, "enabled")) is True) and _whole(rule)
    ]
    ways = {
        "abandoned uploads": (
            ("abortIncompleteMultipartUpload", "daysAfterInitiation"),
            ("abortIncompleteMultipartUploadDays",),
        ),
        "old versions": (
            ("noncurrentVersionExpiration", "noncurrentDays"),
            ("noncurrentVersionExpiration", "days"),
            ("noncurrentVersionExpirations", "days"),
        ),
    }
    for what, paths in ways.items():
        days = [number(at(rule, *path)) for rule in active for path in paths]
        if any(isinstance(value, int) and value > 0 for value in days):
            continue
        if UNKNOWN in days:
            yield undecided("", f"has a lifecycle; whether it drops {what} is not known yet")
        else:
            yield violation("", f"has a lifecycle that never drops {what}")


_FORCED: Final = (*BUCKETS, "aws:s3/directoryBucket:DirectoryBucket", "aws:s3tables/tableBucket:TableBucket")


@family.resource_rule(
    "S3-10",
    "bucket-no-force-destroy",
    "No bucket is deleted with what is in it",
    Severity.MEDIUM,
    _FORCED,
    fix="Set forceDestroy to false.",
    source="Provider aws_s3_bucket: force_destroy deletes all objects, and they are not recoverable",
    remedy={type: {"forceDestroy": False} for type in _FORCED},
)
def bucket_no_force_destroy(resource: Resource, settings: Settings) -> Findings:
    """A slip of the hand would take the data with it."""
    flag = switch(resource.value("forceDestroy"))
    if flag is UNKNOWN:
        yield undecided("forceDestroy")
    elif flag is True:
        yield violation("forceDestroy", "deletes all objects with the bucket")


@family.resource_rule(
    "S3-12",
    "bucket-policy-no-lockout",
    "No bucket policy locks everybody out",
    Severity.MEDIUM,
    (*BUCKETS, BUCKET_POLICY),
    fix="Give the Deny a condition, or leave the actions on the policy itself out of it.",
    source=_GUIDE + "Bucket policies: a Deny for everybody can be lifted by the account's root user only",
    frameworks=("checkov CKV_AWS_93",),
)
def bucket_policy_no_lockout(resource: Resource, settings: Settings) -> Findings:
    """Not even an administrator can write the policy again, or read what is in the bucket."""
    document = parse_document(resource.value("policy"))
    if document is None or isinstance(document, Unknown | Malformed):
        return
    for statement in document:
        if statement.effect != "Deny" or statement.conditions or not statement.conditions_known:
            continue
        everybody = any(principal.everyone is Match.YES for principal in statement.principals)
        if everybody and statement.grants("s3:PutBucketPolicy") is Match.YES:
            yield violation(f"policy.{statement.where}", "denies everybody the bucket's own policy, on no condition")


WEBSITES: Final = (
    "aws:s3/bucketWebsiteConfiguration:BucketWebsiteConfiguration",
    "aws:s3/bucketWebsiteConfigurationV2:BucketWebsiteConfigurationV2",
)
CORS: Final = (
    "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration",
    "aws:s3/bucketCorsConfigurationV2:BucketCorsConfigurationV2",
)


@family.resource_rule(
    "S3-13",
    "bucket-not-for-browsers",
    "No bucket is a website, or open to any web page",
    Severity.MEDIUM,
    (*BUCKETS, *WEBSITES, *CORS),
    fix="Leave the website out (its address knows no TLS), and name the origins that a browser may come from.",
    source=_GUIDE + "Website endpoints; Using cross-origin resource sharing (CORS)",
    frameworks=("KICS S3 Static Website Host Enabled", "KICS S3 Bucket with Unsecured CORS Rule"),
)
def bucket_not_for_browsers(resource: Resource, settings: Settings) -> Findings:
    """What a pipeline keeps is read by programs."""
    if resource.type in WEBSITES:
        redirects = resource.value("redirectAllRequestsTo")
        if redirects is None:
            yield violation("", "serves a bucket as a website, in clear text")
        elif redirects is UNKNOWN:
            yield undecided("redirectAllRequestsTo")
    elif resource.type in BUCKETS:
        name = "websites" if resource.type == BUCKET_V2 else "website"
        if any(isinstance(entry, dict) and entry for entry in resource.items(name)):
            yield violation(name, "serves the bucket as a website, in clear text")
    if resource.type in WEBSITES:
        return
    for index, rule in enumerate(resource.items("corsRules")):
        origins = [text(origin) for origin in listed(at(rule, "allowedOrigins"))]
        where = f"corsRules[{index}].allowedOrigins"
        if any(isinstance(origin, str) and origin in ("*", "http://*", "https://*") for origin in origins):
            yield violation(where, "lets any web page in")
        elif UNKNOWN in origins or rule is UNKNOWN:
            yield undecided(where)


@family.resource_rule(
    "S3-14",
    "object-not-weaker",
    "No object is encrypted with less than a key of the stack's own",
    Severity.MEDIUM,
    OBJECTS,
    fix="Leave serverSideEncryption and kmsKeyId out, so that the bucket's own encryption holds.",
    source=_GUIDE
    + "Specifying server-side encryption with AWS KMS: what a request asks for outweighs the bucket's default",
    frameworks=("checkov CKV_AWS_186", "checkov CKV_AWS_181"),
)
def object_not_weaker(resource: Resource, settings: Settings) -> Findings:
    """An object that says nothing is encrypted as its bucket says."""
    algorithm = resource.text("serverSideEncryption")
    key = resource.text("kmsKeyId")
    if algorithm is UNKNOWN:
        yield undecided("serverSideEncryption")
    elif algorithm == "AES256":
        yield violation("serverSideEncryption", "is AES256, which outweighs the bucket's own encryption")
    elif isinstance(key, str) and is_aws_managed(key):
        yield violation("kmsKeyId", "names the key that AWS manages")


_GUARDED_BY: Final = (
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
    "s3:PutBucketPolicy",
    "s3:PutEncryptionConfiguration",
    "s3:PutObjectAcl",
)


@family.resource_rule(
    "S3-15",
    "bucket-guarded-by-its-owner",
    "No bucket policy lets another account change what guards the bucket",
    Severity.HIGH,
    (*BUCKETS, BUCKET_POLICY),
    fix="Name the actions that the other account needs, and its role; leave policy, ACLs and encryption to the owner.",
    source="Security Hub user guide: S3.6 General purpose bucket policies should restrict access to other AWS accounts",
    frameworks=("Security Hub S3.6", "KICS S3 Bucket With All Permissions"),
    settings={
        "accounts": Setting(
            {"type": "array", "items": {"type": "string"}},
            [],
            "Account ids that are the owner's own. When given, roles and users of other accounts count as well.",
        )
    },
)
def bucket_guarded_by_its_owner(resource: Resource, settings: Settings) -> Findings:
    """Whole accounts are meant: in the owner's own, IAM's policies grant this to the few who need it."""
    document = parse_document(resource.value("policy"))
    if document is None or isinstance(document, Unknown | Malformed):
        return  # S3-04 says what is not known.
    own = settings["accounts"]
    for statement in document:
        others = [
            principal.account
            for principal in statement.principals
            if principal.account not in (None, *own) and (own or principal.whole_account)
        ]
        granted = [action for action in _GUARDED_BY if statement.grants(action) is Match.YES]
        if statement.allows is Match.YES and others and granted and bound(statement) is Match.NO:
            yield violation(f"policy.{statement.where}", f"grants {granted[0]} to account {others[0]}")
