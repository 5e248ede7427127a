"""Alarms: a row each, with a reason; what a stack does not have is not watched; all of it reaches people."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pulumi_aws as aws
import pytest

from components.alarm_table import DIMENSIONS, AlarmRow, alarm_rows
from components.alarms import PipelineAlarms, PipelineAlarmsArgs
from components.notifications import EVENT_RULES, rule_arns
from settings import MonitoringSettings
from tests.unit.harness import ENVIRONMENT, Deployment, deploy

TOPICS = {severity: ENVIRONMENT.arn("sns", f"emr-pipeline-test-{severity}") for severity in ("warning", "critical")}
STATE_MACHINE = ENVIRONMENT.arn("states", "stateMachine:emr-pipeline-test-pipeline")
ARGS = PipelineAlarmsArgs(
    settings=MonitoringSettings(),
    environment=ENVIRONMENT,
    cluster_id="j-CLUSTER",
    state_machine_arn=STATE_MACHINE,
    intake_queue_name="emr-pipeline-test-intake",
    dead_letter_queue_name="emr-pipeline-test-dead-letters",
    function_name="emr-pipeline-test-dispatcher",
    warning_topic_arn=TOPICS["warning"],
    critical_topic_arn=TOPICS["critical"],
    rule_name="emr-pipeline-test-raw-objects",
)
ROWS = alarm_rows(MonitoringSettings())


@pytest.fixture(scope="module")
def deployed() -> Deployment:
    return deploy(lambda: PipelineAlarms("alarms", ARGS))


def row(identifier: str, settings: MonitoringSettings | None = None) -> AlarmRow:
    return next(entry for entry in alarm_rows(settings or MonitoringSettings()) if entry.id == identifier)


def test_rows_have_names_of_their_own():
    assert len({entry.id for entry in ROWS}) == len(ROWS)


@pytest.mark.parametrize("entry", ROWS, ids=lambda entry: entry.id)
def test_every_row_says_what_it_means_and_what_to_do(entry: AlarmRow):
    assert entry.cause.endswith("."), "the cause is a sentence"
    assert entry.action.endswith("."), "the action is a sentence"
    assert entry.reason.endswith("."), "the threshold has a reason"
    assert len(entry.description) <= 1024, "CloudWatch takes descriptions of 1,024 characters"
    assert f"[{entry.severity}]" in entry.description


@pytest.mark.parametrize("entry", ROWS, ids=lambda entry: entry.id)
def test_every_row_can_be_evaluated(entry: AlarmRow):
    assert entry.period_seconds % 60 == 0
    assert entry.period_seconds * entry.periods <= 86_400, "CloudWatch evaluates no more than a day"
    if entry.source == "cluster":
        assert entry.period_seconds >= 300, "EMR publishes every five minutes: a shorter period has gaps"


def test_a_cluster_that_is_gone_raises_an_alarm_because_it_is_silent():
    silent = row("cluster-silent")
    assert silent.missing == "breaching", "a cluster that ended publishes nothing, so no data is the alarm"
    assert silent.statistic == "SampleCount", "idle or busy, only whether it reports counts"
    assert [entry.id for entry in ROWS if entry.missing == "breaching"] == ["cluster-silent"], (
        "elsewhere no data means that nothing happened"
    )


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


@pytest.mark.parametrize("metric", ["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"])
def test_every_bad_end_of_an_execution_raises_an_alarm(metric: str):
    found = [entry for entry in ROWS if entry.metric == metric]
    assert [(entry.threshold, entry.statistic, entry.periods) for entry in found] == [(1, "Sum", 1)]


def test_every_source_is_watched():
    assert {entry.source for entry in ROWS} == set(DIMENSIONS)


def test_every_row_becomes_an_alarm_that_tells_people(deployed: Deployment):
    alarms = deployed.all(aws.cloudwatch.MetricAlarm)
    assert {alarm.inputs["name"] for alarm in alarms} == {f"emr-pipeline-test-{entry.id}" for entry in ROWS}
    for alarm in alarms:
        topic = TOPICS[row(alarm.name.removeprefix("alarms-")).severity]
        assert alarm.inputs["alarmActions"] == [topic], f"{alarm.name} rings where its severity is heard"
        assert alarm.inputs["okActions"] == [topic], "people learn that it is over, too"
        assert alarm.inputs["actionsEnabled"] is True


def test_an_alarm_is_its_row(deployed: Deployment):
    assert deployed.named("alarms-intake-old").inputs == {
        "name": "emr-pipeline-test-intake-old",
        "alarmDescription": row("intake-old").description,
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
        "okActions": [TOPICS["critical"]],
    }


def test_alarms_bear_names_that_the_topics_admit(deployed: Deployment):
    assert all(name.startswith("emr-pipeline-test-") for name in deployed.result.alarm_names)


@pytest.mark.parametrize(
    ("missing", "source"),
    [
        ("cluster_id", "cluster"),
        ("state_machine_arn", "state-machine"),
        ("intake_queue_name", "intake"),
        ("dead_letter_queue_name", "dead-letters"),
        ("function_name", "function"),
        ("rule_name", "rule"),
    ],
)
def test_what_a_stack_does_not_have_is_not_watched(missing: str, source: str):
    changes: dict[str, Any] = {missing: None}
    deployed = deploy(lambda: PipelineAlarms("alarms", replace(ARGS, **changes)))
    names = {
        alarm.inputs["name"].removeprefix("emr-pipeline-test-") for alarm in deployed.all(aws.cloudwatch.MetricAlarm)
    }
    assert names == {entry.id for entry in ROWS if entry.source != source}


def test_the_end_of_the_cluster_is_told_in_a_sentence(deployed: Deployment):
    rule = deployed.named("alarms-cluster-ended")
    assert rule.document("eventPattern") == {
        "source": ["aws.emr"],
        "detail-type": ["EMR Cluster State Change"],
        "detail": {"clusterId": ["j-CLUSTER"], "state": ["TERMINATED", "TERMINATED_WITH_ERRORS"]},
    }
    target = deployed.named("alarms-cluster-ended-target")
    assert target.inputs["arn"] == TOPICS["critical"]
    template = json.loads(target.inputs["inputTransformer"]["inputTemplate"])
    assert template == "emr-pipeline-test: Cluster <cluster> ended: <state>. <message>"
    assert set(target.inputs["inputTransformer"]["inputPaths"]) == {"cluster", "state", "message"}


def test_executions_that_end_without_their_failure_path_are_told(deployed: Deployment):
    rule = deployed.named("alarms-execution-ended")
    assert rule.document("eventPattern") == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [STATE_MACHINE], "status": ["TIMED_OUT", "ABORTED"]},
    }


def test_event_rules_are_those_that_the_topic_admits(deployed: Deployment):
    made = sorted(rule.state["arn"] for rule in deployed.all(aws.cloudwatch.EventRule))
    assert made == sorted(rule_arns(ENVIRONMENT))
    assert len(made) == len(EVENT_RULES)


def test_an_event_that_cannot_be_told_is_kept(deployed: Deployment):
    for target in deployed.all(aws.cloudwatch.EventTarget):
        assert target.inputs["deadLetterConfig"] == {"arn": ENVIRONMENT.arn("sqs", "emr-pipeline-test-undelivered")}


def test_without_cluster_and_executions_there_are_no_event_rules():
    bare = replace(ARGS, cluster_id=None, state_machine_arn=None)
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
