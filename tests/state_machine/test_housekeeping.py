"""Executions that ended without their own failure path are settled, and what no service measures is measured."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from components.environment import AwsEnvironment
from components.housekeeping import bundled_settings
from functions.housekeeping import handler as housekeeping
from sandbox.faults import Faults
from settings import OrchestrationSettings
from tests.state_machine.pipeline import (
    ACCOUNT,
    PATIENCE,
    REALM,
    REGION,
    WRAPPER_URI,
    Pipeline,
    client,
    wait_for,
)

pytestmark = pytest.mark.sandbox

Make = Callable[..., Pipeline]


@pytest.fixture(autouse=True)
def on_the_sandbox(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function calls the sandbox, as it would there."""
    monkeypatch.setattr(housekeeping, "aws", lambda service: client(endpoint, service))


def bundle(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> housekeeping.Bundle:
    """What the function of a pipeline's stack would know."""
    environment = AwsEnvironment(
        project="emr-pipeline",
        stack=pipeline.stack,
        partition="aws",
        dns_suffix="amazonaws.com",
        region=REGION,
        account_id=ACCOUNT,
        availability_zones=(),
    )
    settings = bundled_settings(
        environment,
        OrchestrationSettings(),
        datasets=[pipeline.dataset],
        release="emr-6.9.0",
        cluster_parameter_name=pipeline.parameter,
        wrapper_uri=WRAPPER_URI,
        realm=REALM,
    )
    for outcome, topic in pipeline.topics.items():
        monkeypatch.setenv(f"{outcome.upper()}_TOPIC_ARN", topic)
    expiry = datetime.now(UTC) + timedelta(days=40)
    monkeypatch.setenv("CERTIFICATE_EXPIRY", expiry.isoformat())
    made = housekeeping.Bundle(**settings)
    monkeypatch.setattr(housekeeping, "bundled", lambda: made)
    return made


def status_event(execution: str) -> Mapping[str, Any]:
    return {"detail-type": housekeeping.STATUS_CHANGE, "detail": {"executionArn": execution}}


def scheduled() -> Mapping[str, Any]:
    return housekeeping.handler({"detail-type": "Scheduled Event"}, None)["measured"]


def running(pipeline: Pipeline) -> str:
    """An execution whose step runs."""
    execution = pipeline.start(*pipeline.input("sleep"))
    wait_for(lambda: pipeline.steps() and pipeline.job_runs(), PATIENCE, "the step")
    wait_for(lambda: "WaitForStep" in pipeline.path(execution), PATIENCE, "the watch")
    return execution


def abort(pipeline: Pipeline) -> str:
    execution = running(pipeline)
    pipeline.client("stepfunctions").stop_execution(executionArn=execution, cause="not today")
    return execution


def test_an_aborted_execution_is_told_counted_entered_and_its_step_cancelled(
    own_pipeline: Make, monkeypatch: pytest.MonkeyPatch
):
    pipeline = own_pipeline()
    bundle(pipeline, monkeypatch)
    execution = abort(pipeline)
    assert pipeline.ledger(pipeline.digits)["state"] == "running", "nobody told the ledger"

    assert housekeeping.handler(status_event(execution), None) == {"execution": execution, "settled": True}

    entry = pipeline.ledger(pipeline.digits)
    assert (entry["state"], entry["outcome"]) == ("failed", "ExecutionAborted")
    assert "not today" in entry["reason"], "the reason that a person gave is kept"
    (told,) = pipeline.messages("critical")
    assert told["Subject"] == f"{pipeline.title}: ExecutionAborted"
    assert execution in told["Message"]
    assert "drive the manifest again" in told["Message"]
    assert pipeline.metrics("ExecutionAborted") == {"Runs": 1}
    by_name = {step["Name"]: step["Status"]["State"] for step in pipeline.steps()}
    name = execution.rsplit(":", 1)[1]
    assert by_name[f"{name}.1"] in ("CANCEL_PENDING", "CANCELLED"), "nobody watches the step any more"
    assert f"stop-{name}" in by_name, "its YARN application is ended by its tag"
    assert pipeline.input_is_kept(pipeline.digits)

    again = pipeline.ended(pipeline.drive_again("sleep"))
    assert again.status == "SUCCEEDED", "a new attempt works"


def test_an_execution_is_settled_once(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline()
    bundle(pipeline, monkeypatch)
    execution = abort(pipeline)
    assert housekeeping.handler(status_event(execution), None)["settled"]
    assert not housekeeping.handler(status_event(execution), None)["settled"], "events may come twice"
    scheduled()
    assert len(pipeline.messages("critical")) == 1
    assert pipeline.metrics("ExecutionAborted") == {"Runs": 1}


def test_an_event_and_the_schedule_at_the_same_moment_tell_once(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline()
    bundle(pipeline, monkeypatch)
    execution = abort(pipeline)
    cancel = housekeeping.cancel_step

    def meanwhile(*arguments: Any) -> str:
        monkeypatch.setattr(housekeeping, "cancel_step", cancel)
        scheduled()
        return cancel(*arguments)

    monkeypatch.setattr(housekeeping, "cancel_step", meanwhile)
    assert housekeeping.handler(status_event(execution), None)["settled"]
    assert len(pipeline.messages("critical")) == 1, "whoever comes second finds it taken"
    assert pipeline.metrics("ExecutionAborted") == {"Runs": 1}


def test_a_call_that_died_while_it_settled_is_made_good_when_its_time_has_run_out(
    own_pipeline: Make, monkeypatch: pytest.MonkeyPatch
):
    pipeline = own_pipeline()
    made = bundle(pipeline, monkeypatch)
    execution = abort(pipeline)
    assert housekeeping.take(made, pipeline.digits, "1")
    assert not housekeeping.handler(status_event(execution), None)["settled"], "it may still live"
    monkeypatch.setattr(housekeeping, "SETTLING", timedelta(seconds=-1))
    housekeeping.give_back(made, pipeline.digits)
    assert housekeeping.take(made, pipeline.digits, "1"), "a taking whose time has run out"
    assert housekeeping.handler(status_event(execution), None)["settled"]
    assert len(pipeline.messages("critical")) == 1
    assert "settlingUntil" not in pipeline.ledger(pipeline.digits)


def test_the_schedule_settles_what_no_event_told_of(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline()
    bundle(pipeline, monkeypatch)
    abort(pipeline)
    assert scheduled()["UnsettledExecutions"] == 0
    assert pipeline.ledger(pipeline.digits)["outcome"] == "ExecutionAborted"
    assert len(pipeline.messages("critical")) == 1


def test_a_call_that_is_cut_off_is_made_good_by_the_next(
    own_pipeline: Make, monkeypatch: pytest.MonkeyPatch, endpoint: str
):
    pipeline = own_pipeline()
    bundle(pipeline, monkeypatch)
    execution = abort(pipeline)
    Faults(endpoint).add(f"refuse sns:Publish where={pipeline.topics['critical']} code=InternalError")
    with pytest.raises(ClientError, match="InternalError"):
        housekeeping.handler(status_event(execution), None)
    assert pipeline.ledger(pipeline.digits)["state"] == "running", "it counts as settled only when people were told"
    assert housekeeping.handler(status_event(execution), None)["settled"]
    assert len(pipeline.messages("critical")) == 1


def test_an_execution_that_hung_is_settled(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("components.state_machine_definition.execution_timeout_seconds", lambda settings: 4)
    pipeline = own_pipeline()
    bundle(pipeline, monkeypatch)
    execution = running(pipeline)
    assert pipeline.ended(execution).status == "TIMED_OUT"
    assert housekeeping.handler(status_event(execution), None)["settled"]
    assert pipeline.ledger(pipeline.digits)["outcome"] == "ExecutionTimedOut"
    (told,) = pipeline.messages("critical")
    assert told["Subject"] == f"{pipeline.title}: ExecutionTimedOut"


def test_an_error_that_a_definition_cannot_catch_is_an_internal_error(
    own_pipeline: Make, monkeypatch: pytest.MonkeyPatch
):
    pipeline = own_pipeline()
    bundle(pipeline, monkeypatch)
    monkeypatch.setattr(housekeeping, "cancel_step", lambda *_: "nothing runs")
    described = {
        "status": "FAILED",
        "name": "x",
        "error": "States.Runtime",
        "cause": "The history of the execution is full",
        "stopDate": datetime.now(UTC),
    }
    _, given = pipeline.input("good")

    class Ended:
        """Step Functions, for an execution that ended so."""

        def describe_execution(self, **_: Any) -> dict[str, Any]:
            return described | {"input": json.dumps(given)}

    monkeypatch.setattr(
        housekeeping,
        "aws",
        lambda service: Ended() if service == "stepfunctions" else client(pipeline.endpoint, service),
    )
    assert housekeeping.handler(status_event("arn:aws:states:x:y:execution:z:x"), None)["settled"]
    entry = pipeline.ledger(pipeline.digits)
    assert (entry["state"], entry["outcome"]) == ("failed", "InternalError")
    assert "States.Runtime The history of the execution is full" in entry["reason"]


def test_an_execution_that_told_its_end_is_left_alone(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline()
    bundle(pipeline, monkeypatch)
    run = pipeline.run("fail")
    assert not housekeeping.handler(status_event(pipeline.execution_arn(run.name)), None)["settled"]
    assert len(pipeline.messages("critical")) == 1, "the execution's own message, and no other"


def test_an_end_that_the_ledger_missed_is_entered_without_telling_it_again(
    own_pipeline: Make, monkeypatch: pytest.MonkeyPatch, endpoint: str
):
    pipeline = own_pipeline()
    bundle(pipeline, monkeypatch)
    execution = pipeline.start(*pipeline.input("slow"))
    wait_for(pipeline.steps, PATIENCE, "the step")
    with Faults(endpoint).during(f"throttle dynamodb:UpdateItem always where={pipeline.digits}"):
        assert pipeline.ended(execution).status == "SUCCEEDED"
    assert pipeline.ledger(pipeline.digits)["state"] == "running"
    scheduled()
    assert pipeline.ledger(pipeline.digits)["state"] == "succeeded"
    assert len(pipeline.messages("success")) == 1
    assert pipeline.messages("critical") == []


def test_a_running_execution_is_left_alone(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline()
    bundle(pipeline, monkeypatch)
    execution = running(pipeline)
    scheduled()
    assert pipeline.ledger(pipeline.digits)["state"] == "running"
    assert pipeline.messages("critical") == []
    pipeline.client("stepfunctions").stop_execution(executionArn=execution)
    housekeeping.handler(status_event(execution), None)


def test_what_waits_and_what_runs_out_is_measured(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline()
    made = bundle(pipeline, monkeypatch)
    pipeline.input("good")
    measured = scheduled()
    assert measured["PlannedManifests"] >= 1
    assert measured["OldestPlannedSeconds"] > 365 * 24 * 3600, "the manifest of this test was planned in January 2024"
    assert measured["CertificateDaysLeft"] == 40
    assert measured["ReleaseSupportDaysLeft"] == (datetime(2027, 6, 30).date() - datetime.now(UTC).date()).days
    assert measured["UnconfirmedSubscriptions"] == 0, "queues confirm themselves"
    assert measured["HousekeepingRuns"] == 1
    pages = pipeline.client("cloudwatch").get_paginator("list_metrics").paginate(Namespace=made.namespace)
    published = [entry for page in pages for entry in page["Metrics"]]
    mine = {
        metric["MetricName"]
        for metric in published
        if {"Name": "Stack", "Value": pipeline.stack} in metric["Dimensions"] and len(metric["Dimensions"]) == 1
    }
    assert set(measured) - {"SecondsSinceSuccess"} <= mine


def test_freshness_is_the_time_since_the_last_success(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline()
    bundle(pipeline, monkeypatch)
    assert "SecondsSinceSuccess" not in scheduled(), "a dataset without any success is not fresh, nor stale"
    assert pipeline.run("good").status == "SUCCEEDED"
    assert 0 <= scheduled()["SecondsSinceSuccess"] < 300
    monkeypatch.setattr(housekeeping, "statistics", lambda *_: [])
    time.sleep(1)
    assert scheduled()["SecondsSinceSuccess"] >= 1, "CloudWatch forgets minutes; the ledger remembers the last success"


def test_history_makes_the_bounds_of_the_next_runs(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline()
    made = bundle(pipeline, monkeypatch)

    def published(runs: int) -> None:
        dimensions = {"Stack": pipeline.stack, "Dataset": pipeline.dataset, "Outcome": "Succeeded"}
        pipeline.client("cloudwatch").put_metric_data(
            Namespace=made.namespace,
            MetricData=[housekeeping.metric("BytesPerRow", 50.0, "Bytes", **dimensions) for _ in range(runs)],
        )

    def bounds() -> dict[str, Any]:
        key = {"pk": {"S": f"history#{pipeline.dataset}"}, "sk": {"S": "history"}}
        return pipeline.client("dynamodb").get_item(TableName=pipeline.ledger_table, Key=key).get("Item", {})

    published(4)
    scheduled()
    assert "lowestBytesPerRow" not in bounds(), "four runs are no history"
    published(1)
    scheduled()
    assert (float(bounds()["lowestBytesPerRow"]["N"]), float(bounds()["highestBytesPerRow"]["N"])) == (5.0, 500.0)
    assert pipeline.run("good").status == "SUCCEEDED", "5 bytes a row are just within"
    assert pipeline.run("thin").error == "DataRejected", "0.4 are not"


def test_a_duty_that_fails_keeps_no_other_from_being_done(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline()
    made = bundle(pipeline, monkeypatch)
    monkeypatch.setenv("WARNING_TOPIC_ARN", f"arn:aws:sns:{REGION}:{ACCOUNT}:gone")
    monkeypatch.setenv("CRITICAL_TOPIC_ARN", pipeline.topics["critical"])
    broken = dataclasses.replace(made, support_ends="not a day")
    monkeypatch.setattr(housekeeping, "bundled", lambda: broken)
    with pytest.raises(housekeeping.HousekeepingError, match="could not do: count down"):
        scheduled()
    stack = [{"Name": "Stack", "Value": pipeline.stack}]
    names = {
        metric["MetricName"]
        for metric in pipeline.client("cloudwatch").list_metrics(Namespace=made.namespace, Dimensions=stack)["Metrics"]
    }
    assert "PlannedManifests" in names, "the other duties were done"
    assert "HousekeepingRuns" not in names, "a round that is not whole does not count: an alarm misses it"
