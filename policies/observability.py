"""Rules of logs and alarms: kept, encrypted, and heard by somebody."""

from __future__ import annotations

from typing import Final

from policies.functions import STATE_MACHINE
from policies.keys import own_key
from policies.model import Family, Findings, Match, Resource, Setting, Settings, Severity, Stack, undecided, violation
from policies.plain import UNKNOWN, Plain, at, listed, number, switch, text

family = Family("Logs and alarms")

LOG_GROUP: Final = "aws:cloudwatch/logGroup:LogGroup"
TRAIL: Final = "aws:cloudtrail/trail:Trail"
METRIC_ALARM: Final = "aws:cloudwatch/metricAlarm:MetricAlarm"
COMPOSITE_ALARM: Final = "aws:cloudwatch/compositeAlarm:CompositeAlarm"

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


@family.resource_rule(
    "ALM-01",
    "alarm-has-actions",
    "Every alarm tells somebody",
    Severity.MEDIUM,
    (METRIC_ALARM, COMPOSITE_ALARM),
    fix="Set alarmActions to the topic for failures, and leave actionsEnabled true.",
    source="CloudWatch user guide: Using Amazon CloudWatch alarms: alarm actions",
    frameworks=(
        "checkov CKV_AWS_319",
        "cdk-nag HIPAA.Security-CloudWatchAlarmAction",
        "Security Hub CloudWatch.15",
        "Security Hub CloudWatch.17",
    ),
)
def alarm_has_actions(resource: Resource, settings: Settings) -> Findings:
    """An alarm that nobody hears is a line in a console."""
    actions = resource.value("alarmActions")
    if actions is UNKNOWN:
        yield undecided("alarmActions")
    elif not any(text(action) is not None for action in resource.items("alarmActions")):
        yield violation("alarmActions", "is absent or empty, so nobody is told")
    enabled = switch(resource.value("actionsEnabled"))
    if enabled is UNKNOWN:
        yield undecided("actionsEnabled")
    elif enabled is False:
        yield violation("actionsEnabled", "is false, so nobody is told")


_FAILURES: Final = frozenset({"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"})


@family.stack_rule(
    "ALM-02",
    "failures-have-an-alarm",
    "Failed executions of a state machine raise an alarm",
    Severity.MEDIUM,
    (STATE_MACHINE,),
    fix="Add a MetricAlarm on AWS/States ExecutionsFailed, with the state machine's ARN as StateMachineArn.",
    source="Step Functions developer guide: Monitoring Step Functions metrics using Amazon CloudWatch",
)
def failures_have_an_alarm(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """A pipeline that fails in silence is found out by whoever misses its data."""
    answers = [_watches(alarm, resource, stack) for alarm in stack.of(METRIC_ALARM)]
    if Match.YES in answers:
        return
    if Match.MAYBE in answers:
        yield undecided("", "may have an alarm; which state machine that watches is not known yet")
    else:
        yield violation("", "has no alarm on executions that failed")


def _watches(alarm: Resource, machine: Resource, stack: Stack) -> Match:
    metrics: list[tuple[str, Plain]] = [("dimensions", alarm.properties)]
    metrics += [("metricQueries", at(query, "metric")) for query in alarm.items("metricQueries")]
    answer = Match.NO
    for name, metric in metrics:
        namespace, kind = text(at(metric, "namespace")), text(at(metric, "metricName"))
        if UNKNOWN in (namespace, kind):
            answer = Match.MAYBE
        elif namespace == "AWS/States" and kind in _FAILURES:
            match = stack.refers(alarm, name, at(metric, "dimensions", "StateMachineArn"), machine, whole=False)
            if match is Match.YES:
                return Match.YES
            answer = Match.MAYBE if match is Match.MAYBE else answer
    return answer


@family.resource_rule(
    "TRL-01",
    "trail-complete",
    "Trails record everything, everywhere, and cannot be changed unseen",
    Severity.HIGH,
    (TRAIL,),
    fix="Set kmsKeyId, enableLogFileValidation and isMultiRegionTrail, and leave enableLogging true.",
    source="CloudTrail user guide: Security best practices in AWS CloudTrail",
    frameworks=(
        "checkov CKV_AWS_35",
        "checkov CKV_AWS_36",
        "checkov CKV_AWS_67",
        "checkov CKV_AWS_251",
        "trivy AVD-AWS-0014",
        "trivy AVD-AWS-0015",
        "trivy AVD-AWS-0016",
        "cdk-nag HIPAA.Security-CloudTrailEncryptionEnabled",
        "Security Hub CloudTrail.2",
        "Security Hub CloudTrail.4",
    ),
)
def trail_complete(resource: Resource, settings: Settings) -> Findings:
    """A trail that can be changed unseen proves nothing."""
    finding = own_key("kmsKeyId", resource.value("kmsKeyId"), "trail")
    if finding:
        yield finding
    for name in ("enableLogFileValidation", "isMultiRegionTrail"):
        flag = switch(resource.value(name))
        if flag is UNKNOWN:
            yield undecided(name)
        elif flag is not True:
            yield violation(name, "is not true")
    logging = switch(resource.value("enableLogging"))
    if logging is UNKNOWN:
        yield undecided("enableLogging")
    elif logging is False:
        yield violation("enableLogging", "is false, so nothing is recorded")
    if switch(resource.value("includeGlobalServiceEvents")) is False:
        yield violation("includeGlobalServiceEvents", "is false, so what happens in IAM is not recorded")
    for index, selector in enumerate(resource.items("eventSelectors")):
        where = f"eventSelectors[{index}]"
        if switch(at(selector, "includeManagementEvents")) is False:
            continue  # For data; another selector, or another trail, may be for management.
        kind = text(at(selector, "readWriteType"))
        if kind is UNKNOWN:
            yield undecided(f"{where}.readWriteType")
        elif str(kind or "All").lower() != "all":
            yield violation(f"{where}.readWriteType", "is not All, so half of what happens is not recorded")
        if listed(at(selector, "excludeManagementEventSources")):
            yield violation(f"{where}.excludeManagementEventSources", "leaves a service's events out")
    yield from _left_out_by_fields(resource)
    selectors = resource.items("eventSelectors")
    flags = [switch(at(selector, "includeManagementEvents")) for selector in selectors]
    if flags and all(flag is False for flag in flags) and not resource.items("advancedEventSelectors"):
        yield violation("eventSelectors", "records data events only, and no management of the account")


def _left_out_by_fields(trail: Resource) -> Findings:
    """What a trail's advanced selectors leave out of the account's management."""
    selectors = trail.items("advancedEventSelectors")
    fields = [listed(at(selector, "fieldSelectors")) for selector in selectors]
    if not selectors or any(field is UNKNOWN for group in fields for field in group):
        return
    management = [
        group
        for group in fields
        if any(
            value is UNKNOWN or text(value) == "Management"
            for field in _about(group, "eventCategory")
            for value in listed(at(field, "equals"))
        )
    ]
    if not management:
        yield violation("advancedEventSelectors", "record data events only, and no management of the account")
    elif all(_about(group, "readOnly") for group in management):
        values = {
            text(value)
            for group in management
            for field in _about(group, "readOnly")
            for value in listed(at(field, "equals"))
        }
        if values in ({"true"}, {"false"}):
            yield violation("advancedEventSelectors", "record half of what happens, only reads or only writes")


def _about(fields: list[Plain], name: str) -> list[Plain]:
    """Selectors of one field."""
    return [field for field in fields if text(at(field, "field")) == name]


_DETECTORS: Final = {
    "aws:guardduty/detector:Detector": ("enable", True),
    "aws:cfg/recorderStatus:RecorderStatus": ("isEnabled", False),
}
_EVENT_STORE: Final = "aws:cloudtrail/eventDataStore:EventDataStore"
_DETECTOR_FEATURE: Final = "aws:guardduty/detectorFeature:DetectorFeature"
_RECORDER: Final = "aws:cfg/recorder:Recorder"


@family.resource_rule(
    "TRL-02",
    "trail-heard-live",
    "What a trail records is seen at once, in CloudWatch Logs",
    Severity.LOW,
    (TRAIL,),
    fix="Set cloudWatchLogsGroupArn and cloudWatchLogsRoleArn.",
    source="CloudTrail user guide: Sending events to CloudWatch Logs",
    frameworks=(
        "checkov CKV2_AWS_10",
        "trivy AVD-AWS-0162",
        "cdk-nag HIPAA.Security-CloudTrailCloudWatchLogsEnabled",
        "Security Hub CloudTrail.5",
        "CIS AWS 3.4",
    ),
)
def trail_heard_live(resource: Resource, settings: Settings) -> Findings:
    """Files in a bucket raise no alarm."""
    if resource.text("cloudWatchLogsGroupArn") is None:
        yield violation("cloudWatchLogsGroupArn", "is absent or empty")


@family.resource_rule(
    "TRL-03",
    "watchers-on",
    "What watches the account is on",
    Severity.HIGH,
    (*_DETECTORS, _EVENT_STORE, _DETECTOR_FEATURE, _RECORDER),
    fix="Switch it on, in every region and protected from termination.",
    source="GuardDuty user guide: Suspending GuardDuty; Config developer guide: Recording; CloudTrail user guide: Lake",
    frameworks=(
        "checkov CKV_AWS_238",
        "checkov CKV2_AWS_45",
        "checkov CKV2_AWS_48",
        "Security Hub GuardDuty.1",
        "Security Hub Config.1",
    ),
)
def watchers_on(resource: Resource, settings: Settings) -> Findings:
    """A watcher that is there and off is taken for one that sees nothing."""
    switches = [_DETECTORS[resource.type]] if resource.type in _DETECTORS else []
    if resource.type == _EVENT_STORE:
        switches = [("multiRegionEnabled", True), ("terminationProtectionEnabled", True)]
    for name, default in switches:
        flag = switch(resource.value(name))
        if flag is UNKNOWN:
            yield undecided(name)
        elif flag is False or (flag is None and not default):
            yield violation(name, "is not true")
    if resource.type == _EVENT_STORE and switch(resource.value("suspend")) is True:
        yield violation("suspend", "is true, so nothing more is recorded")
    if resource.type == _DETECTOR_FEATURE:
        status = resource.text("status")
        if status is UNKNOWN:
            yield undecided("status")
        elif str(status).upper() != "ENABLED":
            yield violation("status", "is not ENABLED")
    if resource.type == _RECORDER:
        chosen = text(resource.value("recordingGroup", "recordingStrategy", "useOnly"))
        everything = switch(resource.value("recordingGroup", "allSupported"))
        if everything is UNKNOWN:
            yield undecided("recordingGroup.allSupported")
        elif everything is False and chosen is not UNKNOWN and chosen != "EXCLUSION_BY_RESOURCE_TYPES":
            yield violation("recordingGroup.allSupported", "is false, so changes of most types are not recorded")
