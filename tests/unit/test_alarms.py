"""Alarms: a row each, with a reason; what a stack does not have is not watched; all of it reaches people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pulumi_aws as aws
import pytest
from moto.events.models import EventPattern

from components.alarm_table import AlarmRow, alarm_rows, description
from components.alarms import PipelineAlarms, PipelineAlarmsArgs, parts_of, watched
from components.event_table import EVENT_ROWS
from components.log_queries import LOG_QUERIES
from components.notifications import EVENT_RULES, rule_arns
from sandbox.aws.input_transformer import render
from settings import ConfigurationError, DatasetSettings, InstanceGroupSettings, MonitoringSettings, ScalingSettings
from tests.unit.harness import ENVIRONMENT, Deployment, deploy

TOPICS = {severity: ENVIRONMENT.arn("sns", f"emr-pipeline-test-{severity}") for severity in ("warning", "critical")}
STATE_MACHINE = ENVIRONMENT.arn("states", "stateMachine:emr-pipeline-test-pipeline")
KEYS = {purpose: ENVIRONMENT.arn("kms", f"key/{purpose}") for purpose in ("data", "logs", "messages", "secrets")}
FLIGHTS = DatasetSettings.model_validate(
    {
        "prefix": "flights/",
        "columns": [{"name": "carrier", "type": "string"}],
        "freshnessHours": 26,
        "expectedRows": {"low": 500, "high": 3000},
    }
)
SETTINGS = MonitoringSettings(monthly_budget_usd=1000, runbook_url="https://wiki.example.com/runbook")
ARGS = PipelineAlarmsArgs(
    settings=SETTINGS,
    environment=ENVIRONMENT,
    warning_topic_arn=TOPICS["warning"],
    critical_topic_arn=TOPICS["critical"],
    datasets={"flights": FLIGHTS},
    maximum_set_aside_ratio=0.01,
    instance_groups={
        "Core": InstanceGroupSettings(instance_type="m5.xlarge", scaling=ScalingSettings(minimum=1, maximum=8)),
        "Task": InstanceGroupSettings(instance_type="m5.xlarge", scaling=ScalingSettings(minimum=0, maximum=4)),
    },
    cluster_id="j-CLUSTER",
    state_machine_arn=STATE_MACHINE,
    state_machine_log_group_name="/aws/vendedlogs/states/emr-pipeline-test-pipeline",
    intake_queue_name="emr-pipeline-test-intake",
    dead_letter_queue_name="emr-pipeline-test-dead-letters",
    function_name="emr-pipeline-test-dispatcher",
    function_log_group_name="/aws/lambda/emr-pipeline-test-dispatcher",
    rule_name="emr-pipeline-test-raw-objects",
    housekeeping_function_name="emr-pipeline-test-housekeeping",
    vpc_id="vpc-1",
    nat_gateway_ids={"eu-west-1a": "nat-1"},
    endpoints={"kms": ("vpce-1", "com.amazonaws.eu-west-1.kms")},
    flow_log_group_name="/emr-pipeline/test/flow-logs",
    key_arns=KEYS,
    bucket_names={"raw": "the-raw-bucket"},
)
"""A stack that has everything."""
ROWS = alarm_rows(watched(ARGS, frozenset(parts_of(ARGS))))


@pytest.fixture(scope="module")
def deployed() -> Deployment:
    return deploy(lambda: PipelineAlarms("alarms", ARGS))


def row(identifier: str, settings: MonitoringSettings = SETTINGS) -> AlarmRow:
    rows = alarm_rows(watched(replace(ARGS, settings=settings), frozenset(parts_of(ARGS))))
    return next(entry for entry in rows if entry.id == identifier)


def test_rows_have_names_of_their_own():
    assert len({entry.id for entry in ROWS}) == len(ROWS)


@pytest.mark.parametrize("entry", ROWS, ids=lambda entry: entry.id)
def test_every_row_says_what_it_means_and_what_to_do(entry: AlarmRow):
    for text in (entry.what, entry.cause, entry.action, entry.reason):
        assert text.endswith("."), f"{text!r} is a sentence"
    assert entry.commands, "somebody who is called at night needs a command to start with"
    said = description(entry, SETTINGS, {"Dashboard": "https://example.com"})
    for text in (f"[{entry.severity}]", entry.what, entry.cause, entry.action, entry.reason):
        assert text in said
    assert f"https://wiki.example.com/runbook#{entry.kind}" in said, "it links to its entry"


def test_a_description_that_cloudwatch_would_refuse_is_refused_here():
    with pytest.raises(ValueError, match="1024"):
        description(ROWS[0], SETTINGS, {"Dashboard": "x" * 1000})


@pytest.mark.parametrize("entry", ROWS, ids=lambda entry: entry.id)
def test_every_row_can_be_evaluated(entry: AlarmRow):
    assert entry.period_seconds % 60 == 0
    longest = 7 * 86_400 if entry.period_seconds >= 3600 else 86_400
    assert entry.period_seconds * entry.periods <= longest, "PutMetricAlarm: EvaluationPeriods times Period"
    assert len(entry.metrics) <= 10, "an alarm on metric math takes ten metrics"
    assert (entry.threshold is None) == (entry.band_width is not None), "a threshold or a band"
    if entry.area == "cluster":
        assert entry.period_seconds >= 300, "EMR publishes every five minutes: a shorter period has gaps"


def test_silence_is_an_alarm_only_where_something_always_speaks():
    assert [entry.id for entry in ROWS if entry.missing == "breaching"] == [
        "cluster-silent",
        "flow-logs-silent",
        "housekeeping-silent",
    ], "elsewhere no data means that nothing happened"
    assert row("cluster-silent").metric.statistic == "SampleCount", "idle or busy, only whether it reports counts"


@pytest.mark.parametrize(
    ("identifier", "setting", "value", "threshold"),
    [
        ("hdfs-full", "hdfs_utilization_percent", 66, 66),
        ("yarn-memory-low", "yarn_memory_available_percent", 33, 33),
        ("intake-old", "intake_age_minutes", 7, 420),
    ],
)
def test_thresholds_come_from_the_settings(identifier: str, setting: str, value: float, threshold: float):
    assert row(identifier, MonitoringSettings.model_validate({setting: value})).threshold == threshold


def test_yarn_memory_must_be_low_for_the_half_hour_that_the_setting_promises():
    low = row("yarn-memory-low")
    assert low.period_seconds * low.periods == 30 * 60


def test_a_failure_is_told_once():
    metrics = {metric.name for entry in ROWS for metric in entry.metrics.values()}
    assert not metrics & {"ExecutionsTimedOut", "ExecutionsAborted"}, "housekeeping tells each"
    events = [row.pattern(dict.fromkeys(row.parts, "x")) for row in EVENT_ROWS]
    assert not [pattern for pattern in events if "aws.states" in pattern["source"]], "and no event tells it again"
    assert row("executions-failing").threshold == 3, "the state machine tells each; the alarm tells the pattern"


def test_every_row_becomes_an_alarm_that_tells_people(deployed: Deployment):
    alarms = deployed.all(aws.cloudwatch.MetricAlarm)
    assert {alarm.inputs["name"] for alarm in alarms} == {f"emr-pipeline-test-{entry.id}" for entry in ROWS}
    for alarm in alarms:
        severity = row(alarm.name.removeprefix("alarms-")).severity
        assert alarm.inputs["alarmActions"] == [TOPICS[severity]], f"{alarm.name} rings where its severity is heard"
        told = [TOPICS[severity]] if severity == "warning" else None
        assert alarm.inputs.get("okActions") == told, "that all critical ones are over, the composite alarm tells"
        assert alarm.inputs["actionsEnabled"] is True


def test_the_composite_alarm_does_not_cry_twice(deployed: Deployment):
    composite = deployed.one(aws.cloudwatch.CompositeAlarm)
    assert "alarmActions" not in composite.inputs, "its members have told already"
    assert composite.inputs["okActions"] == [TOPICS["critical"]], "nobody else tells that it is over"
    for entry in ROWS:
        named = f'ALARM("emr-pipeline-test-{entry.id}")' in composite.inputs["alarmRule"]
        assert named == (entry.severity == "critical")
    assert {f"alarms-{entry.id}" for entry in ROWS if entry.severity == "critical"} <= composite.depends_on


def test_more_critical_alarms_than_a_composite_holds_stop_the_preview():
    many = {f"d{number}": FLIGHTS for number in range(101)}
    with pytest.raises(ConfigurationError, match="CloudWatch takes 100"):
        deploy(lambda: PipelineAlarms("alarms", replace(ARGS, datasets=many)))


def test_an_alarm_is_its_row(deployed: Deployment):
    inputs = deployed.named("alarms-intake-old").inputs
    assert inputs.pop("alarmDescription").startswith("[critical] Files wait too long")
    assert inputs == {
        "name": "emr-pipeline-test-intake-old",
        "namespace": "AWS/SQS",
        "metricName": "ApproximateAgeOfOldestMessage",
        "dimensions": {"QueueName": "emr-pipeline-test-intake"},
        "statistic": "Maximum",
        "period": 300,
        "evaluationPeriods": 1,
        "datapointsToAlarm": 1,
        "comparisonOperator": "GreaterThanOrEqualToThreshold",
        "threshold": 1800,
        "treatMissingData": "notBreaching",
        "actionsEnabled": True,
        "alarmActions": [TOPICS["critical"]],
    }


def test_an_alarm_on_its_own_history_compares_the_metric_with_the_band(deployed: Deployment):
    inputs = deployed.named("alarms-rows-anomalous-flights").inputs
    assert inputs["thresholdMetricId"] == "band"
    assert "threshold" not in inputs
    metric, band = inputs["metricQueries"]
    assert metric["metric"]["dimensions"] == {"Stack": "test", "Dataset": "flights", "Outcome": "Succeeded"}
    assert (metric["returnData"], band["expression"]) == (True, "ANOMALY_DETECTION_BAND(rows, 3)")


def test_without_a_band_nothing_is_watched_against_its_history():
    plain = replace(ARGS, settings=MonitoringSettings(anomaly_band_width=None))
    assert not [entry for entry in alarm_rows(watched(plain, frozenset(parts_of(plain)))) if entry.band_width]


def test_our_own_metrics_have_bounded_dimensions():
    for entry in ROWS:
        for metric in entry.metrics.values():
            if metric.namespace == "EmrPipeline":
                assert set(metric.dimensions) <= {"Stack", "Dataset", "Outcome"}


def test_alarms_bear_names_that_the_topics_admit(deployed: Deployment):
    assert all(name.startswith("emr-pipeline-test-") for name in deployed.result.alarm_names)


@pytest.mark.parametrize(
    ("missing", "empty", "parts"),
    [
        ("cluster_id", None, {"cluster"}),
        ("state_machine_arn", None, {"state-machine"}),
        ("intake_queue_name", None, {"intake"}),
        ("dead_letter_queue_name", None, {"dead-letters"}),
        ("function_name", None, {"dispatcher"}),
        ("function_log_group_name", None, {"dispatcher-logs"}),
        ("rule_name", None, {"rule"}),
        ("nat_gateway_ids", {}, {"nat-eu-west-1a"}),
        ("endpoints", {}, {"endpoint-kms"}),
        ("flow_log_group_name", None, {"flow-logs"}),
    ],
)
def test_what_a_stack_does_not_have_is_not_watched(missing: str, empty: Any, parts: set[str]):
    changes: dict[str, Any] = {missing: empty}
    deployed = deploy(lambda: PipelineAlarms("alarms", replace(ARGS, **changes)))
    names = {alarm.name.removeprefix("alarms-") for alarm in deployed.all(aws.cloudwatch.MetricAlarm)}
    assert names == {entry.id for entry in ROWS if not entry.parts & parts}
    assert len(names) < len(ROWS)


def test_without_housekeeping_nothing_waits_for_what_it_publishes():
    bare = replace(ARGS, housekeeping_function_name=None)
    deployed = deploy(lambda: PipelineAlarms("alarms", bare))
    for alarm in deployed.all(aws.cloudwatch.MetricAlarm):
        metrics = [query.get("metric", {}).get("metricName") for query in alarm.inputs.get("metricQueries", [])]
        assert not {alarm.inputs.get("metricName"), *metrics} & {
            "SecondsSinceSuccess",
            "HousekeepingRuns",
            "CertificateDaysLeft",
            "PlannedManifests",
        }, f"{alarm.name} watches what nobody publishes"


def told(deployed: Deployment, kind: str, event: dict[str, Any]) -> str:
    """The message that an event makes, as the sandbox's EventBridge fills it in."""
    transformer = deployed.named(f"alarms-{kind}-target").inputs["inputTransformer"]
    return render(transformer["inputTemplate"], transformer["inputPaths"], event, "arn", "name")


def test_the_end_of_the_cluster_is_told(deployed: Deployment):
    rule = deployed.named("alarms-cluster-ended")
    assert rule.document("eventPattern") == {
        "source": ["aws.emr"],
        "detail-type": ["EMR Cluster State Change"],
        "detail": {"clusterId": ["j-CLUSTER"], "state": ["TERMINATED", "TERMINATED_WITH_ERRORS"]},
    }
    assert deployed.named("alarms-cluster-ended-target").inputs["arn"] == TOPICS["critical"]
    detail = {"clusterId": "j-CLUSTER", "state": "TERMINATED_WITH_ERRORS", "message": "Master instance was terminated."}
    message = told(deployed, "cluster-ended", {"time": "2026-01-02T03:04:05Z", "detail": detail})
    for part in (
        "[critical] emr-pipeline-test: cluster j-CLUSTER ended: TERMINATED_WITH_ERRORS.",
        "in eu-west-1, account 111122223333",
        "Since: 2026-01-02T03:04:05Z",
        "Master instance was terminated.",
        "Likely cause: ",
        "What to do: ",
        "/emr/home?region=eu-west-1#/clusterDetails/j-CLUSTER",
        "#dashboards:name=emr-pipeline-test-eu-west-1",
        "https://wiki.example.com/runbook#cluster-ended",
    ):
        assert part in message, f"the message lacks {part!r}:\n{message}"


@pytest.mark.parametrize("call", ["DisableKey", "ScheduleKeyDeletion"])
@pytest.mark.parametrize("name", [KEYS["data"], "data"], ids=["by-arn", "by-id"])
def test_a_key_that_is_disabled_or_deleted_is_told(deployed: Deployment, call: str, name: str):
    pattern = EventPattern.load(deployed.named("alarms-key-endangered").inputs["eventPattern"])
    detail = {
        "eventSource": "kms.amazonaws.com",
        "eventName": call,
        "requestParameters": {"keyId": name},
        "userIdentity": {"arn": "arn:aws:iam::111122223333:user/alice"},
    }
    event: Any = {"source": "aws.kms", "detail-type": "AWS API Call via CloudTrail", "time": "t", "detail": detail}
    assert pattern.matches_event(event)
    assert f"{call} of KMS key {name}" in told(deployed, "key-endangered", event)
    assert "user/alice" in told(deployed, "key-endangered", event)
    assert not pattern.matches_event(event | {"detail": detail | {"requestParameters": {"keyId": "other"}}})
    assert not pattern.matches_event(event | {"detail": detail | {"errorCode": "AccessDenied"}}), "it did not happen"


def test_event_rules_are_those_that_the_topic_admits(deployed: Deployment):
    made = sorted(rule.state["arn"] for rule in deployed.all(aws.cloudwatch.EventRule))
    assert made == sorted(rule_arns(ENVIRONMENT))
    assert {entry.kind for entry in EVENT_ROWS} == set(EVENT_RULES)


def test_an_event_that_cannot_be_told_is_kept(deployed: Deployment):
    for target in deployed.all(aws.cloudwatch.EventTarget):
        assert target.inputs["deadLetterConfig"] == {"arn": ENVIRONMENT.arn("sqs", "emr-pipeline-test-undelivered")}


def test_without_cluster_executions_and_keys_there_are_no_event_rules():
    bare = replace(ARGS, cluster_id=None, state_machine_arn=None, key_arns={})
    assert deploy(lambda: PipelineAlarms("alarms", bare)).all(aws.cloudwatch.EventRule) == []


def test_the_dashboard_is_named_after_stack_and_region(deployed: Deployment):
    dashboard = deployed.one(aws.cloudwatch.Dashboard)
    assert dashboard.inputs["dashboardName"] == "emr-pipeline-test-eu-west-1" == deployed.result.dashboard_name
    assert "j-CLUSTER" in dashboard.inputs["dashboardBody"]


def test_it_can_be_previewed_before_the_cluster_exists():
    def program() -> PipelineAlarms:
        group = aws.cloudwatch.LogGroup("unknown")
        return PipelineAlarms("alarms", replace(ARGS, cluster_id=group.id))

    preview = deploy(program, preview=True)
    assert len(preview.all(aws.cloudwatch.MetricAlarm)) == len(ROWS)


def test_the_budget_is_this_stack_s_and_tells_before_it_is_spent(deployed: Deployment):
    budget = deployed.one(aws.budgets.Budget).inputs
    assert (budget["limitAmount"], budget["limitUnit"], budget["timeUnit"]) == ("1000", "USD", "MONTHLY")
    tags = {entry["tags"]["key"]: entry["tags"]["values"] for entry in budget["filterExpression"]["ands"]}
    assert tags == {"Project": ["emr-pipeline"], "Environment": ["test"]}
    assert [
        (entry["notificationType"], entry["threshold"], entry["subscriberSnsTopicArns"])
        for entry in budget["notifications"]
    ] == [
        ("ACTUAL", 80, [TOPICS["warning"]]),
        ("FORECASTED", 100, [TOPICS["warning"]]),
        ("ACTUAL", 100, [TOPICS["critical"]]),
    ]


def test_without_a_limit_there_is_no_budget():
    bare = replace(ARGS, settings=MonitoringSettings())
    assert deploy(lambda: PipelineAlarms("alarms", bare)).all(aws.budgets.Budget) == []


def test_the_operators_questions_are_saved_for_the_log_groups_that_are_there(deployed: Deployment):
    saved = {entry.inputs["name"]: entry.inputs for entry in deployed.all(aws.cloudwatch.QueryDefinition)}
    assert set(saved) == {f"emr-pipeline-test/{query.name}" for query in LOG_QUERIES}
    assert len(saved) == 5
    for query in LOG_QUERIES:
        inputs = saved[f"emr-pipeline-test/{query.name}"]
        assert inputs["queryString"].startswith(f"# {query.question}\n"), "the question stands above its query"
        assert len(inputs["queryString"]) <= 10_000, "PutQueryDefinition"
        (group,) = inputs["logGroupNames"]
        assert group.startswith("/")
    bare = replace(ARGS, flow_log_group_name=None)
    assert len(deploy(lambda: PipelineAlarms("alarms", bare)).all(aws.cloudwatch.QueryDefinition)) == 4
