"""Rules of secrets, tables and catalogues: data at rest beside S3."""

from __future__ import annotations

import re
from typing import Final

from policies.keys import own_key, public_policy
from policies.model import Family, Findings, Match, Resource, Setting, Settings, Severity, Stack, undecided, violation
from policies.plain import UNKNOWN, Plain, at, number, switch, text

family = Family("Secrets, tables and catalogues")

SECRET: Final = "aws:secretsmanager/secret:Secret"
SECRET_POLICY: Final = "aws:secretsmanager/secretPolicy:SecretPolicy"
SECRET_ROTATION: Final = "aws:secretsmanager/secretRotation:SecretRotation"
PARAMETER: Final = "aws:ssm/parameter:Parameter"
TABLE: Final = "aws:dynamodb/table:Table"
TABLE_REPLICA: Final = "aws:dynamodb/tableReplica:TableReplica"
TABLE_POLICY: Final = "aws:dynamodb/resourcePolicy:ResourcePolicy"
GLUE_CONFIGURATION: Final = "aws:glue/securityConfiguration:SecurityConfiguration"
GLUE_JOB: Final = "aws:glue/job:Job"
GLUE_USERS: Final = ("aws:glue/crawler:Crawler", GLUE_JOB, "aws:glue/devEndpoint:DevEndpoint")
CATALOG_ENCRYPTION: Final = "aws:glue/dataCatalogEncryptionSettings:DataCatalogEncryptionSettings"
GLUE_POLICY: Final = "aws:glue/resourcePolicy:ResourcePolicy"
WORKGROUP: Final = "aws:athena/workgroup:Workgroup"
GLUE_CONNECTION: Final = "aws:glue/connection:Connection"
_TLS_OF_CONNECTIONS: Final = {"JDBC": "JDBC_ENFORCE_SSL", "KAFKA": "KAFKA_SSL_ENABLED"}
"""The switch of each kind of connection, in its properties."""
ATHENA_DATABASE: Final = "aws:athena/database:Database"

_SECRETS: Final = "Secrets Manager user guide: "
_GLUE: Final = "Glue developer guide: "
_DYNAMODB: Final = "DynamoDB developer guide: "


@family.resource_rule(
    "SMG-01",
    "secret-key",
    "Secrets are encrypted with a key of the stack's own",
    Severity.HIGH,
    (SECRET,),
    fix="Set kmsKeyId, here and for every replica, to the ARN of the stack's key for secrets.",
    source=_SECRETS + "Secret encryption and decryption in AWS Secrets Manager",
    frameworks=(
        "checkov CKV_AWS_149",
        "trivy AVD-AWS-0098",
        "cdk-nag HIPAA.Security-SecretsManagerUsingKMSKey",
    ),
)
def secret_key(resource: Resource, settings: Settings) -> Findings:
    """With alias/aws/secretsmanager whoever may read the secret may decrypt it: one lock instead of two."""
    finding = own_key("kmsKeyId", resource.value("kmsKeyId"), "secret")
    if finding:
        yield finding
    if resource.computed("replicas"):
        return
    for index, replica in enumerate(resource.items("replicas")):
        finding = own_key(f"replicas[{index}].kmsKeyId", at(replica, "kmsKeyId"), "secret's replica")
        if finding:
            yield finding


@family.resource_rule(
    "DDB-01",
    "table-key",
    "Tables are encrypted with a key of the stack's own",
    Severity.HIGH,
    (TABLE, TABLE_REPLICA),
    fix="Set serverSideEncryption.enabled to true and its kmsKeyArn to the ARN of the stack's key.",
    source=_DYNAMODB + "DynamoDB encryption at rest",
    frameworks=(
        "checkov CKV_AWS_119",
        "checkov CKV_AWS_271",
        "trivy AVD-AWS-0025",
        "awsguard dynamodb-table-encryption-enabled",
    ),
)
def table_key(resource: Resource, settings: Settings) -> Findings:
    """A key beside ``enabled: false`` encrypts nothing."""
    if resource.type == TABLE_REPLICA:
        finding = own_key("kmsKeyArn", resource.value("kmsKeyArn"), "table's replica")
        if finding:
            yield finding
        return
    enabled = switch(resource.value("serverSideEncryption", "enabled"))
    if enabled is UNKNOWN:
        yield undecided("serverSideEncryption")
    elif enabled is not True:
        yield violation("serverSideEncryption.enabled", "is not true, so the key is one that DynamoDB owns")
    else:
        finding = own_key(
            "serverSideEncryption.kmsKeyArn", resource.value("serverSideEncryption", "kmsKeyArn"), "table"
        )
        if finding:
            yield finding
    for index, replica in enumerate(resource.items("replicas")):
        finding = own_key(f"replicas[{index}].kmsKeyArn", at(replica, "kmsKeyArn"), "table's replica")
        if finding:
            yield finding


@family.stack_rule(
    "SMG-02",
    "secret-rotation",
    "Secrets change by themselves",
    Severity.MEDIUM,
    (SECRET, SECRET_ROTATION),
    fix="Add a SecretRotation for the secret; or an exception, when what the secret opens cannot follow.",
    source=_SECRETS + "Rotate AWS Secrets Manager secrets",
    frameworks=(
        "checkov CKV2_AWS_57",
        "checkov CKV_AWS_304",
        "cdk-nag AwsSolutions-SMG4",
        "Security Hub SecretsManager.1",
        "Security Hub SecretsManager.4",
    ),
    settings={
        "mostDays": Setting({"type": "integer", "minimum": 1}, 90, "Most days between two rotations."),
    },
)
def secret_rotation(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """A secret that nobody changes is known to everybody who ever saw it."""
    most = int(settings["mostDays"])
    if resource.type == SECRET_ROTATION:
        known = [stack.refers(resource, "secretId", resource.value("secretId"), secret) for secret in stack.of(SECRET)]
        if all(match is Match.NO for match in known):
            yield from _rotation(resource, most, "rotationRules", "")
        return
    certain, possible = stack.referring(resource, "secretId", SECRET_ROTATION)
    if not certain:
        if possible:
            yield undecided("", "may be rotated; which secret is rotated is not known yet")
        else:
            yield violation("", "is never rotated")
    for rotation in certain:
        yield from _rotation(rotation, most, "", f"is rotated by {rotation.name}, which ")


_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS_OF_CRON: Final = re.compile(r"cron\(\S+ \S+ \S+ ([A-Z0-9,/*]{1,80}) \S+ \S+\)")
_RATE: Final = re.compile(r"rate\((\d+) (hour|day)s?\)")


def _month(written: str) -> int | None:
    """A month of a cron expression, from 1; None when it is none."""
    number = _MONTHS.index(written) + 1 if written in _MONTHS else int(written) if written.isdigit() else 0
    return number if 1 <= number <= 12 else None


def _days_between_months(schedule: str) -> int | None:
    """About the most days between two months of a cron expression; None when it names no months."""
    match = _MONTHS_OF_CRON.fullmatch(schedule)
    if match is None or match[1] == "*":
        return None
    months: set[int] = set()
    for part in match[1].split(","):
        first, _, step = part.partition("/")
        month = _month("1" if first == "*" else first)
        if month is None:
            return None
        every = int(step) if step.isdigit() else 0
        months |= set(range(month, 13, every)) if every else {month}
    ordered = sorted(months)
    return 30 * max(later - sooner for sooner, later in zip(ordered, [*ordered[1:], ordered[0] + 12], strict=True))


def _rotation(rotation: Resource, most: int, where: str, by: str) -> Findings:
    """What is wrong with how often a secret is rotated."""
    rules = rotation.value("rotationRules")
    days = number(at(rules, "automaticallyAfterDays"))
    schedule = text(at(rules, "scheduleExpression"))
    rate = _RATE.fullmatch(schedule) if isinstance(schedule, str) else None
    if rate is not None:
        days = int(rate[1]) / (24 if rate[2] == "hour" else 1)
    elif isinstance(schedule, str):
        days = _days_between_months(schedule)
    if UNKNOWN in (rules, days, schedule):
        yield undecided(where, f"{by}runs at an interval that is not known yet")
    elif isinstance(days, int | float) and days > most:
        yield violation(where, f"{by}runs every {days:g} days; {most} are the most")
    elif days is None and schedule is None:
        yield violation(where, f"{by}has no interval")


@family.resource_rule(
    "SMG-03",
    "secret-not-public",
    "No secret is for everybody",
    Severity.CRITICAL,
    (SECRET, SECRET_POLICY),
    fix="Name the roles that may read the secret.",
    source=_SECRETS + "Resource-based policies; Block broad access to secrets with BlockPublicPolicy",
)
def secret_not_public(resource: Resource, settings: Settings) -> Findings:
    """A condition helps only if it ties the caller to somebody."""
    return public_policy(resource, "policy")


@family.resource_rule(
    "SMG-04",
    "secret-recovery-window",
    "A deleted secret can be brought back",
    Severity.MEDIUM,
    (SECRET,),
    fix="Leave recoveryWindowInDays out (30 days), or give it enough days.",
    source=_SECRETS + "Delete an AWS Secrets Manager secret",
    settings={
        "minimumDays": Setting({"type": "integer", "minimum": 7, "maximum": 30}, 7, "Fewest days of the window."),
    },
)
def secret_recovery_window(resource: Resource, settings: Settings) -> Findings:
    """0 deletes at once and for ever."""
    days = number(resource.value("recoveryWindowInDays"))
    if days is UNKNOWN:
        yield undecided("recoveryWindowInDays")
    elif days is not None and days < settings["minimumDays"]:
        yield violation("recoveryWindowInDays", f"is {days}; {settings['minimumDays']} days are the least")


@family.resource_rule(
    "SSM-01",
    "secure-parameter-key",
    "Secure parameters are encrypted with a key of the stack's own",
    Severity.MEDIUM,
    (PARAMETER,),
    fix="Set keyId to the ARN of the stack's key for secrets.",
    source="Systems Manager user guide: AWS KMS encryption for Parameter Store SecureString parameters",
    frameworks=("checkov CKV_AWS_337",),
)
def secure_parameter_key(resource: Resource, settings: Settings) -> Findings:
    """Parameters that are no secrets need no key."""
    kind = resource.text("type")
    if kind is UNKNOWN:
        yield undecided("type")
    elif str(kind).lower() == "securestring":
        finding = own_key("keyId", resource.value("keyId"), "parameter")
        if finding:
            yield finding


@family.resource_rule(
    "DDB-02",
    "table-recovery",
    "Tables can be restored to any point in time",
    Severity.MEDIUM,
    (TABLE, TABLE_REPLICA),
    fix="Set pointInTimeRecovery.enabled to true.",
    source=_DYNAMODB + "Point-in-time backups for DynamoDB",
    frameworks=(
        "checkov CKV_AWS_28",
        "trivy AVD-AWS-0024",
        "cdk-nag AwsSolutions-DDB3",
        "Security Hub DynamoDB.2",
    ),
    remedy={TABLE: {"pointInTimeRecovery.enabled": True}},
)
def table_recovery(resource: Resource, settings: Settings) -> Findings:
    """A wrong write is as bad as a lost table."""
    if resource.type == TABLE_REPLICA:
        if switch(resource.value("pointInTimeRecovery")) is False:
            yield violation("pointInTimeRecovery", "is false")
        return
    yield from _replicas_without(resource, "pointInTimeRecovery")
    yield from _needs_true("pointInTimeRecovery.enabled", resource.value("pointInTimeRecovery", "enabled"))


def _replicas_without(table: Resource, name: str) -> Findings:
    """Replicas that have something switched off: each has switches of its own."""
    for index, replica in enumerate(table.items("replicas")):
        if switch(at(replica, name)) is False:
            yield violation(f"replicas[{index}].{name}", "is false")


def _needs_true(where: str, value: Plain) -> Findings:
    flag = switch(value)
    if flag is UNKNOWN:
        yield undecided(where)
    elif flag is not True:
        yield violation(where, "is not true")


@family.resource_rule(
    "DDB-03",
    "table-deletion-protection",
    "Tables are protected from deletion",
    Severity.MEDIUM,
    (TABLE,),
    fix="Set deletionProtectionEnabled to true.",
    source=_DYNAMODB + "Using deletion protection to protect your table",
    frameworks=("Security Hub DynamoDB.6",),
    remedy={TABLE: {"deletionProtectionEnabled": True}},
)
def table_deletion_protection(resource: Resource, settings: Settings) -> Findings:
    """The table refuses its own deletion until somebody says otherwise."""
    yield from _replicas_without(resource, "deletionProtectionEnabled")
    yield from _needs_true("deletionProtectionEnabled", resource.value("deletionProtectionEnabled"))


@family.resource_rule(
    "DDB-04",
    "table-not-public",
    "No table is for everybody",
    Severity.CRITICAL,
    (TABLE_POLICY,),
    fix="Name the roles that may use the table.",
    source=_DYNAMODB + "Using resource-based policies for DynamoDB",
)
def table_not_public(resource: Resource, settings: Settings) -> Findings:
    """A condition helps only if it ties the caller to somebody."""
    return public_policy(resource, "policy")


@family.resource_rule(
    "GLU-01",
    "glue-configuration-encrypts",
    "Glue's security configurations encrypt data, logs and bookmarks",
    Severity.HIGH,
    (GLUE_CONFIGURATION,),
    fix="Set all three: s3Encryption SSE-KMS, cloudwatchEncryption SSE-KMS, jobBookmarksEncryption CSE-KMS, with keys.",
    source=_GLUE + "Working with security configurations on the AWS Glue console",
    frameworks=("checkov CKV_AWS_99", "cdk-nag AwsSolutions-GL1", "cdk-nag AwsSolutions-GL3"),
)
def glue_configuration_encrypts(resource: Resource, settings: Settings) -> Findings:
    """DISABLED and SSE-S3 are values like any other to Glue."""
    for block, field, mode, what in (
        ("s3Encryption", "s3EncryptionMode", "SSE-KMS", "data"),
        ("cloudwatchEncryption", "cloudwatchEncryptionMode", "SSE-KMS", "logs"),
        ("jobBookmarksEncryption", "jobBookmarksEncryptionMode", "CSE-KMS", "bookmarks"),
    ):
        where = f"encryptionConfiguration.{block}"
        part = resource.value("encryptionConfiguration", block)
        found = text(at(part, field))
        if found is UNKNOWN:
            yield undecided(f"{where}.{field}")
        elif found != mode:
            yield violation(f"{where}.{field}", f"is not {mode}")
        else:
            finding = own_key(f"{where}.kmsKeyArn", at(part, "kmsKeyArn"), what)
            if finding:
                yield finding


@family.resource_rule(
    "GLU-02",
    "glue-uses-configuration",
    "Crawlers, jobs and endpoints use a security configuration",
    Severity.HIGH,
    GLUE_USERS,
    fix="Set securityConfiguration to the name of the stack's one.",
    source=_GLUE + "Encrypting data written by AWS Glue",
    frameworks=("checkov CKV_AWS_195", "cdk-nag AwsSolutions-GL1", "cdk-nag AwsSolutions-GL3"),
)
def glue_uses_configuration(resource: Resource, settings: Settings) -> Findings:
    """Without one they write in clear text."""
    name = resource.text("securityConfiguration")
    if name is UNKNOWN:
        yield undecided("securityConfiguration", "will be named by the deployment")
    elif name is None:
        yield violation("securityConfiguration", "is absent or empty")


@family.resource_rule(
    "GLU-03",
    "glue-catalog-encrypted",
    "The catalogue and its connection passwords are encrypted",
    Severity.HIGH,
    (CATALOG_ENCRYPTION,),
    fix="Set encryptionAtRest to SSE-KMS and connectionPasswordEncryption to true, each with the stack's key.",
    source=_GLUE + "Encrypting your Data Catalog",
    frameworks=("checkov CKV_AWS_94",),
)
def glue_catalog_encrypted(resource: Resource, settings: Settings) -> Findings:
    """Table definitions name what there is to steal."""
    outer = "dataCatalogEncryptionSettings"
    rest = resource.value(outer, "encryptionAtRest")
    mode = text(at(rest, "catalogEncryptionMode"))
    where = f"{outer}.encryptionAtRest"
    if mode is UNKNOWN:
        yield undecided(f"{where}.catalogEncryptionMode")
    elif not str(mode).startswith("SSE-KMS"):
        yield violation(f"{where}.catalogEncryptionMode", "is not SSE-KMS")
    else:
        finding = own_key(f"{where}.sseAwsKmsKeyId", at(rest, "sseAwsKmsKeyId"), "catalogue")
        if finding:
            yield finding
    passwords = resource.value(outer, "connectionPasswordEncryption")
    where = f"{outer}.connectionPasswordEncryption"
    flag = switch(at(passwords, "returnConnectionPasswordEncrypted"))
    if flag is UNKNOWN:
        yield undecided(f"{where}.returnConnectionPasswordEncrypted")
    elif flag is not True:
        yield violation(f"{where}.returnConnectionPasswordEncrypted", "is not true")
    else:
        finding = own_key(f"{where}.awsKmsKeyId", at(passwords, "awsKmsKeyId"), "connection passwords")
        if finding:
            yield finding


_ML_TRANSFORM: Final = "aws:glue/mLTransform:MLTransform"


@family.resource_rule(
    "GLU-05",
    "glue-version",
    "Jobs and transforms of Glue run on a version that AWS still mends",
    Severity.MEDIUM,
    (GLUE_JOB, _ML_TRANSFORM),
    fix="Set glueVersion to a later version.",
    source=_GLUE + "AWS Glue versions; AWS Glue version support policy",
    frameworks=("Security Hub Glue.4",),
    settings={"minimum": Setting({"type": "number"}, 3, "The oldest version of Glue.")},
)
def glue_version(resource: Resource, settings: Settings) -> Findings:
    """A job of Python shell has no Spark, and says its Python instead; what is left out, AWS chooses."""
    if resource.type == GLUE_JOB and resource.text("command", "name") == "pythonshell":
        return
    version = number(resource.value("glueVersion"))
    if version is UNKNOWN:
        if not resource.computed("glueVersion"):
            yield undecided("glueVersion")
    elif version is not None and version < settings["minimum"]:
        yield violation("glueVersion", f"is {version}; {settings['minimum']} is the oldest allowed")


@family.resource_rule(
    "GLU-06",
    "glue-connection-tls",
    "Glue's connections to databases are encrypted",
    Severity.MEDIUM,
    (GLUE_CONNECTION,),
    fix="Set JDBC_ENFORCE_SSL (for Kafka KAFKA_SSL_ENABLED) in connectionProperties to true.",
    source=_GLUE + "AWS Glue connection properties: JDBC_ENFORCE_SSL is false unless said, KAFKA_SSL_ENABLED true",
    frameworks=("prowler glue_database_connections_ssl_enabled",),
)
def glue_connection_tls(resource: Resource, settings: Settings) -> Findings:
    """What a job reads from a database travels past whoever is on the way."""
    kind = resource.text("connectionType")
    properties = resource.value("connectionProperties")
    if kind is UNKNOWN:
        yield undecided("connectionType")
        return
    name = _TLS_OF_CONNECTIONS.get(str(kind or "JDBC").upper())
    if name is None:
        return
    flag = switch(at(properties, name))
    if flag is UNKNOWN:
        yield undecided(f"connectionProperties.{name}")
    elif flag is False or (flag is None and name == "JDBC_ENFORCE_SSL"):
        yield violation(f"connectionProperties.{name}", "is not true, so traffic may be in clear text")


@family.resource_rule(
    "GLU-07",
    "glue-job-logged",
    "Jobs of Glue log while they run",
    Severity.LOW,
    (GLUE_JOB,),
    fix='Set "--enable-continuous-cloudwatch-log" in defaultArguments to "true".',
    source=_GLUE + "Continuous logging for AWS Glue jobs",
    frameworks=("Security Hub Glue.2", "prowler glue_etl_jobs_logging_enabled"),
)
def glue_job_logged(resource: Resource, settings: Settings) -> Findings:
    """Later versions log continuously by themselves, and all write what is left when they end: off is what is wrong."""
    for arguments in ("defaultArguments", "nonOverridableArguments"):
        flag = switch(at(resource.value(arguments), "--enable-continuous-cloudwatch-log"))
        where = f"{arguments}.--enable-continuous-cloudwatch-log"
        if flag is UNKNOWN and resource.value(arguments) is not UNKNOWN:
            yield undecided(where)
        elif flag is False:
            yield violation(where, "is false, so a job that hangs says nothing")


@family.resource_rule(
    "GLU-04",
    "glue-catalog-not-public",
    "The catalogue is not for everybody",
    Severity.CRITICAL,
    (GLUE_POLICY,),
    fix="Name the accounts or roles that may use the catalogue.",
    source=_GLUE + "Resource-based policy examples for AWS Glue",
)
def glue_catalog_not_public(resource: Resource, settings: Settings) -> Findings:
    """A condition helps only if it ties the caller to somebody."""
    return public_policy(resource, "policy")


@family.resource_rule(
    "ATH-01",
    "athena-encrypted",
    "Results of queries are encrypted, whatever a client asks for",
    Severity.MEDIUM,
    (WORKGROUP, ATHENA_DATABASE),
    fix="Set encryptionConfiguration to SSE_KMS with the stack's key, and enforceWorkgroupConfiguration to true.",
    source="Athena user guide: Encrypting Athena query results; Override client-side settings",
    frameworks=(
        "checkov CKV_AWS_77",
        "checkov CKV_AWS_82",
        "checkov CKV_AWS_159",
        "trivy AVD-AWS-0006",
        "trivy AVD-AWS-0007",
        "cdk-nag AwsSolutions-ATH1",
    ),
)
def athena_encrypted(resource: Resource, settings: Settings) -> Findings:
    """A workgroup that is not enforced leaves encryption to the client."""
    if resource.type == WORKGROUP and _athena_keeps_results(resource):
        managed = "configuration.managedQueryResultsConfiguration.encryptionConfiguration.kmsKey"
        finding = own_key(managed, resource.value(*managed.split(".")), "results")
        if finding:
            yield finding
        return
    if resource.type == WORKGROUP:
        where = "configuration.resultConfiguration.encryptionConfiguration"
        encryption = resource.value("configuration", "resultConfiguration", "encryptionConfiguration")
        enforced = switch(resource.value("configuration", "enforceWorkgroupConfiguration"))
        if enforced is UNKNOWN:
            yield undecided("configuration.enforceWorkgroupConfiguration")
        elif enforced is False:
            yield violation("configuration.enforceWorkgroupConfiguration", "is false, so clients choose")
    else:
        where = "encryptionConfiguration"
        encryption = resource.value(where)
    option = text(at(encryption, "encryptionOption"))
    if option is UNKNOWN:
        yield undecided(f"{where}.encryptionOption")
    elif str(option).upper() not in {"SSE_KMS", "CSE_KMS"}:
        yield violation(f"{where}.encryptionOption", "is neither SSE_KMS nor CSE_KMS")
    else:
        key = "kmsKeyArn" if resource.type == WORKGROUP else "kmsKey"
        finding = own_key(f"{where}.{key}", at(encryption, key), "results")
        if finding:
            yield finding


def _athena_keeps_results(workgroup: Resource) -> bool:
    """Whether results stay with Athena, instead of a bucket: clients then have nothing to choose."""
    return switch(workgroup.value("configuration", "managedQueryResultsConfiguration", "enabled")) is True
