"""The housekeeping function as it is registered: called by schedule and by status, private, and allowed little."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi_aws as aws
import pytest

from components.housekeeping import (
    Housekeeping,
    HousekeepingArgs,
    bundled_settings,
    function_name,
    role_statements,
    status_pattern,
)
from components.state_machine import state_machine_arn
from components.state_machine_definition import FAILURES
from functions.housekeeping import handler
from settings import OrchestrationSettings
from tests.unit.harness import ENVIRONMENT, Deployment, deploy

DATA_KEY = ENVIRONMENT.arn("kms", "key/data")
MESSAGES_KEY = ENVIRONMENT.arn("kms", "key/messages")
TOPICS = {
    f"{outcome}_topic_arn": ENVIRONMENT.arn("sns", f"emr-pipeline-test-{outcome}")
    for outcome in ("success", "warning", "critical")
}
PARAMETER = "/emr-pipeline/test/cluster-id"


@dataclass(frozen=True)
class Job:
    """A job as the function sees it."""

    wrapper_uri: str = "s3://scripts/jobs/fedcba9876543210/run_step.sh"


@pytest.fixture(scope="module")
def deployed() -> Deployment:
    return deploy(
        lambda: Housekeeping(
            "housekeeping",
            HousekeepingArgs(
                settings=OrchestrationSettings(log_retention_days=30, housekeeping_minutes=1),
                environment=ENVIRONMENT,
                datasets=["flights"],
                release="emr-6.9.0",
                certificate_expiry="2031-01-01T00:00:00Z",
                cluster_parameter_name=PARAMETER,
                job=Job(),  # pyright: ignore[reportArgumentType]
                realm="REALM",
                undelivered_queue_arn=ENVIRONMENT.arn("sqs", "emr-pipeline-test-undelivered"),
                data_key_arn=DATA_KEY,
                messages_key_arn=MESSAGES_KEY,
                logs_key_arn=ENVIRONMENT.arn("kms", "key/logs"),
                subnet_ids=["subnet-1", "subnet-2"],
                security_group_id="sg-1",
                **TOPICS,
            ),
        )
    )


def statements() -> dict[str, dict[str, Any]]:
    found = role_statements(
        ENVIRONMENT,
        cluster_parameter_name=PARAMETER,
        data_key_arn=DATA_KEY,
        messages_key_arn=MESSAGES_KEY,
        **TOPICS,
    )
    return {entry["Sid"]: entry for entry in found}


def test_it_runs_in_the_private_subnets_traced_and_with_its_own_key(deployed: Deployment):
    function = deployed.one(aws.lambda_.Function).inputs
    assert function["name"] == function_name(ENVIRONMENT) == deployed.result.function_name
    assert function["vpcConfig"] == {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]}
    assert function["tracingConfig"] == {"mode": "Active"}
    assert function["kmsKeyArn"] == DATA_KEY


def test_what_it_failed_on_is_told(deployed: Deployment):
    target = deployed.one(aws.lambda_.Function).inputs["deadLetterConfig"]["targetArn"]
    assert target == TOPICS["critical_topic_arn"], "the function that watches must not fail unheard"
    assert target in statements()["Notify"]["Resource"]


def test_it_is_called_by_the_clock_and_by_executions_that_end_badly(deployed: Deployment):
    schedule = deployed.named("housekeeping-schedule-rule").inputs
    assert schedule["scheduleExpression"] == "rate(1 minute)", "EventBridge refuses 'rate(1 minutes)'"
    pattern = deployed.named("housekeeping-status-rule").document("eventPattern")
    assert pattern == status_pattern(ENVIRONMENT)
    assert set(pattern["detail"]["status"]) == {"FAILED", "TIMED_OUT", "ABORTED"}, "FAILED may be an error uncaught"
    assert pattern["detail"]["stateMachineArn"] == [state_machine_arn(ENVIRONMENT)]


def test_only_its_own_rules_may_call_it(deployed: Deployment):
    for role in ("schedule", "status"):
        permission = deployed.named(f"housekeeping-{role}-permission").inputs
        assert permission["principal"] == "events.amazonaws.com"
        assert permission["sourceArn"] == ENVIRONMENT.arn("events", f"rule/{deployed.result.rule_names[role]}") or (
            permission["sourceArn"].startswith("arn:")
        )
        assert permission["sourceAccount"] == ENVIRONMENT.account_id
        target = deployed.named(f"housekeeping-{role}-target").inputs
        assert target["deadLetterConfig"]["arn"].endswith("-undelivered"), "an event that is not delivered is kept"
        assert f"housekeeping-{role}-permission" in deployed.named(f"housekeeping-{role}-target").depends_on


def test_its_log_group_is_encrypted_and_kept_as_long_as_configured(deployed: Deployment):
    group = deployed.one(aws.cloudwatch.LogGroup).inputs
    assert group["kmsKeyId"] == ENVIRONMENT.arn("kms", "key/logs")
    assert group["retentionInDays"] == 30


def test_its_policy_is_the_statements_and_names_resources_where_the_service_knows_them(deployed: Deployment):
    assert deployed.one(aws.iam.RolePolicy).document("policy")["Statement"] == list(statements().values())
    unbound = {sid for sid, entry in statements().items() if entry["Resource"] == "*" and entry["Effect"] == "Allow"}
    assert unbound == {"PublishMetrics", "ReadMetrics", "Trace", "FindInterfaces"}, (
        "CloudWatch, X-Ray and EC2's Describe actions know no resources; everything else does"
    )


def test_it_may_end_steps_and_no_cluster():
    actions = [action for entry in statements().values() for action in _listed(entry["Action"])]
    assert {"elasticmapreduce:CancelSteps", "elasticmapreduce:ListSteps"} <= set(actions)
    assert "elasticmapreduce:TerminateJobFlows" not in actions
    assert not [action for action in actions if action.startswith("s3:")], "it reads no data"


def test_the_archive_holds_what_the_function_reads():
    bundled = bundled_settings(
        ENVIRONMENT,
        OrchestrationSettings(),
        datasets=["b", "a"],
        release="emr-6.9.0",
        cluster_parameter_name=PARAMETER,
        wrapper_uri="s3://scripts/x",
        realm="REALM",
    )
    bundle = handler.Bundle(**json.loads(json.dumps(bundled)))
    assert bundle.support_ends == "2027-06-30", "the last day of any support, not of the standard one"
    assert set(bundle.failures) == {failure.name for failure in FAILURES}
    assert set(bundle.settled) == {"ABORTED", "TIMED_OUT", "FAILED"}
    assert bundle.stop_arguments[-2:] == ["--stop", "REALM"], "the tag follows"


@pytest.mark.parametrize(
    ("status", "error", "outcome", "told"),
    [
        ("SUCCEEDED", "", "Succeeded", True),
        ("FAILED", "StepFailed", "StepFailed", True),
        ("FAILED", "NotificationFailed", "NotificationFailed", True),
        ("FAILED", "States.Runtime", "InternalError", False),
        ("FAILED", "", "InternalError", False),
        ("ABORTED", "StepFailed", "ExecutionAborted", False),
        ("TIMED_OUT", "States.Timeout", "ExecutionTimedOut", False),
    ],
)
def test_an_end_is_told_here_exactly_when_the_execution_could_not(status: str, error: str, outcome: str, told: bool):
    bundled = bundled_settings(
        ENVIRONMENT,
        OrchestrationSettings(),
        datasets=[],
        release="emr-1.0.0",
        cluster_parameter_name=PARAMETER,
        wrapper_uri="s3://scripts/x",
        realm="REALM",
    )
    found = handler.verdict(handler.Bundle(**bundled), status, error, "because")
    assert (found.outcome, found.told) == (outcome, told)
    assert found.state == ("succeeded" if outcome in ("Succeeded", "NotificationFailed") else "failed")
    assert bundled["support_ends"] == "", "nothing is counted down to a day that nobody published"


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
