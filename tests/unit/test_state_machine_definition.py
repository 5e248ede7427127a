"""The state machine's document: what Step Functions accepts, and the rules that keep its failures visible."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cfnlint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.state_machine_definition import (
    FAILURES,
    HISTORY_LIMIT,
    Surroundings,
    execution_timeout_seconds,
    history_events,
    state_machine_definition,
    step_watch,
)
from settings import OrchestrationSettings

AROUND = Surroundings(
    partition="aws",
    project="emr-pipeline",
    stack="test",
    cluster_parameter_name="/emr-pipeline/test/cluster-id",
    scripts_bucket="scripts",
    processed_bucket="processed",
    success_topic_arn="arn:aws:sns:eu-west-1:111122223333:emr-pipeline-test-success",
    warning_topic_arn="arn:aws:sns:eu-west-1:111122223333:emr-pipeline-test-warning",
    critical_topic_arn="arn:aws:sns:eu-west-1:111122223333:emr-pipeline-test-critical",
    job_uri="s3://scripts/jobs/0123456789abcdef/transform.py",
    wrapper_uri="s3://scripts/jobs/fedcba9876543210/run_step.sh",
    region="eu-west-1",
    realm="EU-WEST-1.COMPUTE.INTERNAL",
)
DEFINITION = state_machine_definition(OrchestrationSettings(), AROUND)
STATES: dict[str, Any] = DEFINITION["States"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}


def successors(state: dict[str, Any]) -> set[str]:
    found = {state.get("Next"), state.get("Default")}
    found |= {rule["Next"] for group in ("Choices", "Catch") for rule in state.get(group, [])}
    return {name for name in found if name is not None}


def reachable(start: str, *, without: str | None = None) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in seen or name == without:
            continue
        seen.add(name)
        waiting += successors(STATES[name])
    return seen


SETTINGS = st.builds(
    OrchestrationSettings,
    cluster_wait_seconds=st.integers(1, 3600),
    cluster_wait_attempts=st.integers(1, 1000),
    step_poll_seconds=st.integers(1, 3600),
    step_timeout_minutes=st.integers(1, 1440),
    retry_interval_seconds=st.integers(1, 299),
    retry_attempts=st.integers(1, 5),
)


def test_cfn_lint_accepts_the_definition_as_a_state_machine():
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"RoleArn": "arn:aws:iam::111122223333:role/executions", "Definition": DEFINITION},
    }
    template = json.dumps({"Resources": {"Machine": machine}})
    findings = cfnlint.lint(template, config=cfnlint.ManualArgs(regions=["eu-west-1"]))
    assert [str(finding) for finding in findings] == [], "cfn-lint's schema of the states language (E3601)"


def test_every_transition_leads_to_a_state_and_every_state_is_reached():
    targets = set(itertools.chain.from_iterable(map(successors, STATES.values())))
    assert targets <= set(STATES), f"transitions to states that are not there: {targets - set(STATES)}"
    assert reachable(DEFINITION["StartAt"]) == set(STATES), "a state that nothing reaches is dead weight"
    assert all(len(name) <= 80 for name in STATES), "names of states have at most 80 characters"


@pytest.mark.parametrize("name", TASKS)
def test_every_call_is_bounded_in_time(name: str):
    assert TASKS[name]["TimeoutSeconds"] <= 60, "a call without timeout waits for three years"


@pytest.mark.parametrize("name", TASKS)
def test_every_call_retries_what_may_heal_and_nothing_else(name: str):
    permanent, transient = TASKS[name]["Retry"]
    assert permanent["MaxAttempts"] == 0, "permanent errors come first, and are not tried again"
    assert "States.Permissions" in permanent["ErrorEquals"], "a missing permission stays missing"
    assert transient["JitterStrategy"] == "FULL", "executions that failed together must not come back together"
    assert transient["BackoffRate"] == 2.0
    assert transient["MaxDelaySeconds"] == 300
    assert transient["IntervalSeconds"] == 5
    assert 1 <= transient["MaxAttempts"] <= 5


@pytest.mark.parametrize("name", TASKS)
def test_every_call_has_a_path_for_every_error(name: str):
    catchers = TASKS[name]["Catch"]
    assert catchers[-1]["ErrorEquals"] == ["States.ALL"], "an error that nobody catches ends without a message"
    assert all(catcher["ResultPath"].startswith("$.") for catcher in catchers), "the input is kept beside the error"


def test_a_submission_in_doubt_is_looked_up_and_not_retried():
    submit = STATES["SubmitStep"]
    retried = submit["Retry"][1]["ErrorEquals"]
    assert all("Throttling" in name for name in retried), "only a throttled call surely added no step"
    assert submit["Catch"][-1]["Next"] == "FindSubmittedStep", "AddJobFlowSteps has no client token: look first"
    again = {name for name, state in STATES.items() if "SubmitStep" in successors(state)}
    assert again == {"ClusterReady", "WaitToSubmit"}
    assert "FindSubmittedStep" in reachable("SubmitStep")
    assert "WaitToSubmit" not in reachable("SubmitStep", without="FindSubmittedStep"), "no second try without a look"


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_every_failure_is_explained_told_and_ends_under_its_own_name(failure: Any):
    end = STATES[failure.name]
    assert (end["Type"], end["Error"]) == ("Fail", failure.name)
    assert end["CausePath"] == "$.failure.reason", "the execution's cause is what the message says"
    explanations = [
        name
        for name, state in STATES.items()
        if state["Type"] == "Pass" and state.get("Parameters", {}).get("outcome") == failure.name
    ]
    assert explanations, "an outcome that nothing explains"
    for name in explanations:
        assert failure.name not in reachable(name, without="NotifyFailure"), f"{name} ends without telling"
        assert STATES[name]["Parameters"]["advice"] == failure.advice
        severity = "warning" if failure.name in ("DataRejected", "NotificationFailed") else "critical"
        assert STATES[name]["Parameters"]["topic"].endswith(f"-{severity}"), f"{failure.name} is {severity}"
    assert STATES["NotifyFailure"]["Parameters"]["TopicArn.$"] == "$.failure.topic"


def test_failures_have_names_of_their_own_and_advice():
    assert len({failure.name for failure in FAILURES}) == len(FAILURES)
    assert all(failure.advice.endswith(".") for failure in FAILURES), "advice is a sentence"


def test_no_execution_succeeds_without_its_report_judged_and_its_success_told():
    for needed in ("ReportWhole", "CheckReport", "NotifySuccess"):
        assert "Succeeded" not in reachable("CheckInput", without=needed), f"a success without {needed}"
    caught = {catcher["Next"] for catcher in STATES["NotifySuccess"]["Catch"]}
    assert caught == {"ExplainNotificationFailed"}, (
        "a success that could not be told is a failure, and not a silent one"
    )


def _paths(value: Any) -> Iterator[str]:
    """Roots of the paths in a value: ``$.run.dataset`` is ``run``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "ResultPath" and (key == "Variable" or key.endswith((".$", "Path"))):
                yield from re.findall(r"(?<!\$)\$\.([A-Za-z]+)", inner)
            else:
                yield from _paths(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _paths(inner)


def _needs(state: dict[str, Any]) -> set[str]:
    """Fields of its input that a state reads."""
    tested = json.dumps(state.get("Choices", []))
    own = {key: value for key, value in state.items() if key not in ("ResultSelector", "Retry", "Catch", "OutputPath")}
    found = set(_paths(own))
    return {field for field in found if f'"$.{field}", "IsPresent"' not in tested}


def _made(state: dict[str, Any], before: frozenset[str]) -> frozenset[str]:
    """Fields after a state has run without an error."""
    if state["Type"] == "Pass" and "ResultPath" not in state:
        return frozenset(key.removesuffix(".$") for key in state["Parameters"])
    path = state.get("ResultPath")
    return before | {path.removeprefix("$.").split(".")[0]} if path else before


def test_no_path_is_read_before_it_is_there():
    """A missing path ends an execution with States.Runtime, which nothing catches: no message, no metric."""
    known: dict[str, frozenset[str]] = {"CheckInput": frozenset()}
    waiting = ["CheckInput"]
    while waiting:
        name = waiting.pop()
        state, before = STATES[name], known[name]
        after = _made(state, before)
        if name == "NotifySuccess":
            after = frozenset({"report"})
        flows = [(target, after) for target in successors({k: v for k, v in state.items() if k != "Catch"})]
        flows += [
            (catcher["Next"], before | {catcher["ResultPath"].removeprefix("$.")}) for catcher in state.get("Catch", [])
        ]
        for target, fields in flows:
            merged = fields if target not in known else known[target] & fields
            if known.get(target) != merged:
                known[target] = merged
                waiting.append(target)
    inputs = {"manifest", "dataset", "objects", "bytes", "report"}
    for name, state in STATES.items():
        given_ = known[name] | (inputs if name in ("CheckInput", "Begin") else set())
        assert _needs(state) <= given_, f"{name} reads {_needs(state) - given_}, which may not be there"


@given(SETTINGS)
def test_the_history_never_fills_up(settings: OrchestrationSettings):
    assert history_events(settings) <= HISTORY_LIMIT - 2000, "2,000 events are left for retries"


@given(SETTINGS)
def test_a_step_is_watched_for_its_whole_timeout_and_hardly_longer(settings: OrchestrationSettings):
    watch = step_watch(settings)
    watched = watch.fast_looks * watch.fast_seconds + watch.slow_looks * watch.slow_seconds
    timeout = settings.step_timeout_minutes * 60
    assert watched >= timeout, "a step must not be cancelled before its time"
    assert watched < timeout + max(watch.fast_seconds, watch.slow_seconds), "nor long after it"
    assert watch.slow_seconds >= watch.fast_seconds == settings.step_poll_seconds


@given(SETTINGS)
def test_the_execution_s_own_timeout_never_comes_before_the_step_s(settings: OrchestrationSettings):
    waits = settings.cluster_wait_attempts * settings.cluster_wait_seconds + settings.step_timeout_minutes * 60
    assert execution_timeout_seconds(settings) > waits + 1800, "the failure path must have time to run"
    assert execution_timeout_seconds(settings) <= 99_999_999, "the longest that the states language allows"


@pytest.mark.parametrize(
    ("setting", "value", "states"),
    [
        ("cluster_wait_seconds", 7, ["WaitForCluster"]),
        ("cluster_wait_attempts", 7, ["ClusterReady"]),
        ("step_poll_seconds", 7, ["WaitForStep"]),
        ("step_timeout_minutes", 7, ["StepState", "ExplainStepTimedOut"]),
        ("retry_interval_seconds", 7, [*TASKS, "DelaySubmission"]),
        ("retry_attempts", 3, [*TASKS, "StepSubmitted", "DelaySubmission"]),
        ("maximum_set_aside_ratio", 0.7, ["CheckReport", "ExplainSetAside"]),
        ("executor_memory", "7g", ["SubmitStep"]),
    ],
)
def test_every_number_comes_from_the_settings(setting: str, value: Any, states: list[str]):
    changed = state_machine_definition(OrchestrationSettings.model_validate({setting: value}), AROUND)["States"]
    for name in states:
        assert changed[name] != STATES[name], f"{setting} does not reach {name}"


def test_a_long_timeout_with_short_waits_looks_less_often_later():
    definition = state_machine_definition(OrchestrationSettings(step_poll_seconds=1, step_timeout_minutes=240), AROUND)
    assert definition["States"]["WaitForStep"]["Seconds"] == 1
    assert definition["States"]["WaitLongerForStep"]["Seconds"] > 1
    assert "WaitLongerForStep" not in STATES, "with the defaults, the configured interval lasts for the whole timeout"


def test_a_step_runs_through_the_wrapper_and_is_stopped_by_the_same_tag():
    submitted = STATES["SubmitStep"]["Parameters"]["Step"]["HadoopJarStep"]["Args.$"]
    stopped = STATES["StopApplication"]["Parameters"]["Step"]["HadoopJarStep"]["Args.$"]
    fetched = f"'call', '{AROUND.wrapper_uri}', 'eu-west-1'"
    assert f"$.scripts.call, {fetched}, '{AROUND.realm}', $.run.execution, '--deploy-mode'" in submitted
    assert stopped.endswith(f"$.stop.script, {fetched}, '--stop', '{AROUND.realm}', $.run.execution)")
    assert STATES["Begin"]["Parameters"]["scripts"]["call"] == STATES["PrepareStop"]["Parameters"]["script"]


def test_a_step_leaves_the_others_alone_and_runs_its_application_once():
    step = STATES["SubmitStep"]["Parameters"]["Step"]
    assert step["ActionOnFailure"] == "CONTINUE", "the only action that concurrent steps allow"
    arguments = step["HadoopJarStep"]["Args.$"]
    assert "spark.yarn.submit.waitAppCompletion=true" in arguments, "else the step ends before its application"
    assert "spark.yarn.maxAppAttempts=1" in arguments, "a failed run is read, not repeated blindly"


def test_metrics_have_a_bounded_number_of_dimensions():
    for name in ("PublishMetrics", "PublishRejectionMetrics", "PublishFailureMetrics"):
        for datum in STATES[name]["Parameters"]["MetricData"]:
            assert [entry["Name"] for entry in datum["Dimensions"]] == ["Stack", "Dataset", "Outcome"], (
                "an execution's name or a manifest as a dimension would make a new metric of every run"
            )
        assert STATES[name]["Parameters"]["Namespace"] == "EmrPipeline"


def test_arns_are_those_of_the_partition():
    definition = state_machine_definition(OrchestrationSettings(), replace(AROUND, partition="aws-cn"))
    resources = {
        state["Resource"].split(":states:")[0] for state in definition["States"].values() if "Resource" in state
    }
    assert resources == {"arn:aws-cn"}


def test_subjects_are_short_and_plain():
    longest = max(len(failure.name) for failure in FAILURES)
    assert longest + len(f"{'x' * 71}: ") <= 100, "SNS takes 100 characters, and names of stacks have their own limit"
    assert STATES["NotifySuccess"]["Parameters"]["Subject"].isascii()


def test_a_realm_that_would_leave_its_quotes_is_refused():
    with pytest.raises(ValueError, match="holds a quote, brace, backslash or line break"):
        state_machine_definition(OrchestrationSettings(), replace(AROUND, realm="X', $.run.manifest, 'Y"))
