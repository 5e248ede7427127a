"""Rules of logs and alarms: kept, encrypted, and heard by somebody."""

from __future__ import annotations

from typing import Final

from policies.keys import own_key
from policies.model import Family, Findings, Resource, Setting, Settings, Severity, undecided, violation
from policies.plain import UNKNOWN, number

family = Family("Logs and alarms")

LOG_GROUP: Final = "aws:cloudwatch/logGroup:LogGroup"

_LOGS: Final = "CloudWatch Logs user guide: "


@family.resource_rule(
    "LOG-01",
    "log-group-key",
    "Log groups are encrypted with a key of the stack's own",
    Severity.MEDIUM,
    (LOG_GROUP,),
    fix="Set kmsKeyId to the ARN of the stack's key for logs.",
    source=_LOGS + "Encrypt log data in CloudWatch Logs using AWS KMS",
    frameworks=(
        "checkov CKV_AWS_158",
        "trivy AVD-AWS-0017",
        "cdk-nag HIPAA.Security-CloudWatchLogGroupEncrypted",
    ),
)
def log_group_key(resource: Resource, settings: Settings) -> Findings:
    """Logs hold names of files, people and machines."""
    finding = own_key("kmsKeyId", resource.value("kmsKeyId"), "logs")
    if finding:
        yield finding


@family.resource_rule(
    "LOG-02",
    "log-retention",
    "Log groups say how long logs are kept",
    Severity.MEDIUM,
    (LOG_GROUP,),
    fix="Set retentionInDays.",
    source=_LOGS + "Change log data retention",
    frameworks=(
        "checkov CKV_AWS_66",
        "checkov CKV_AWS_338",
        "cdk-nag HIPAA.Security-CloudWatchLogGroupRetentionPeriod",
        "Security Hub CloudWatch.16",
    ),
    settings={
        "minimumDays": Setting(
            {"type": "integer", "minimum": 1}, 1, "Fewest days; audits often ask for 365 (checkov CKV_AWS_338)."
        )
    },
)
def log_retention(resource: Resource, settings: Settings) -> Findings:
    """0 keeps logs, and their cost, for ever."""
    days = number(resource.value("retentionInDays"))
    if days is UNKNOWN:
        yield undecided("retentionInDays")
    elif not days:
        yield violation("retentionInDays", "is absent or 0, so logs are kept for ever")
    elif days < settings["minimumDays"]:
        yield violation("retentionInDays", f"keeps logs {days} days; {settings['minimumDays']} are the least")
