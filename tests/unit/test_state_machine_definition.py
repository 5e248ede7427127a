"""The state machine's document: what Step Functions accepts, and the rules that keep its failures visible."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cfnlint
import networkx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from components.job import CALL_WRAPPER
from components.state_machine_definition import FAILURES, Surroundings, state_machine_definition
from components.state_machine_definition.limits import (
    HISTORY_BUDGET,
    HISTORY_LIMIT,
    execution_timeout_seconds,
    replacement_looks,
    room_looks,
    step_watch,
)
from components.state_machine_definition.submission import LISTED_STEPS
from settings import OrchestrationSettings

AROUND = Surroundings(
    partition="aws",
    project="emr-pipeline",
    stack="test",
    cluster_parameter_name="/emr-pipeline/test/cluster-id",
    scripts_bucket="scripts",
    processed_bucket="processed",
    ledger_table_name="emr-pipeline-test-ledger",
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
    cluster_wait_attempts=st.integers(1, 60),
    cluster_replacement_hours=st.integers(1, 72),
    cluster_replacement_poll_seconds=st.integers(1, 3600),
    busy_wait_minutes=st.integers(1, 1440),
    busy_poll_seconds=st.integers(1, 3600),
    step_poll_seconds=st.integers(1, 3600),
    step_timeout_minutes=st.integers(1, 1440),
    step_attempts=st.integers(1, 2),
    step_retry_seconds=st.integers(1, 3600),
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
    assert again == {"ClusterReady"}, "every try looks at the cluster first"
    without_look = reachable("SubmitStep", without="FindSubmittedStep")
    assert {"WaitToSubmit", "WaitForRoom"} <= reachable("SubmitStep")
    assert not {"WaitToSubmit", "WaitForRoom"} & without_look, "no second try of a submission without a look"


def test_every_step_of_an_execution_has_its_own_name():
    named = "States.Format('{}.{}', $.run.execution, $.step.attempt)"
    assert STATES["SubmitStep"]["Parameters"]["Step"]["Name.$"] == named
    assert STATES["BeginSearch"]["Parameters"]["wanted.$"] == named, "what is looked up is what was submitted"
    assert "NextTry" in reachable("TriesLeft")
    assert STATES["NextTry"]["Parameters"]["attempt.$"] == "States.MathAdd($.step.attempt, 1)", (
        "a second try under the first one's name would find the first one's step"
    )


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
        assert "RecordFailure" in reachable(name), f"{name} leaves the ledger as it was"
        severity = "warning" if failure.name in ("DataRejected", "NotificationFailed") else "critical"
        assert STATES[name]["Parameters"]["topic"].endswith(f"-{severity}"), f"{failure.name} is {severity}"
    assert STATES["NotifyFailure"]["Parameters"]["TopicArn.$"] == "$.failure.topic"


def test_failures_have_names_of_their_own_and_advice():
    assert len({failure.name for failure in FAILURES}) == len(FAILURES)
    assert all(failure.advice.endswith(".") for failure in FAILURES), "advice is a sentence"


def test_no_execution_succeeds_without_its_report_judged_and_its_success_told():
    for needed in ("ClaimManifest", "ReportWhole", "CheckReport", "ReadHistory", "RecordSuccess", "NotifySuccess"):
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
    inputs = {"manifest", "manifestHash", "attempt", "dataset", "objects", "bytes", "report", "job"}
    for name, state in STATES.items():
        given_ = known[name] | (inputs if name in ("CheckInput", "JobPinned", "Begin") else set())
        assert _needs(state) <= given_, f"{name} reads {_needs(state) - given_}, which may not be there"


def _passes(settings: OrchestrationSettings) -> dict[str, int]:
    """How often an execution may pass each state that bounds a loop; nothing else leads back."""
    watch = step_watch(settings)
    steps = settings.step_attempts
    return {
        "CountLook": settings.cluster_wait_attempts,
        "CountReplacementLook": replacement_looks(settings).count,
        "CountRoomLook": room_looks(settings).count,
        "DelaySubmission": settings.retry_attempts,
        "NextTry": steps - 1,
        "TakeSubmittedStep": steps,
        "TakeFoundStep": steps,
        # Once found, a step is not looked for again.
        "ReadStepName": steps * LISTED_STEPS,
        "CountPoll": steps * (watch.fast.count - 1),
        "CountSlowPoll": steps * (watch.slow.count if watch.slow else 0),
    }


def _events(state: dict[str, Any]) -> int:
    """Events of a state in an execution's history, when its call takes every retry: entered and exited; and of each
    try scheduled, started, and failed or succeeded."""
    tries = 1 + max((retrier["MaxAttempts"] for retrier in state.get("Retry", [])), default=0)
    return 2 + (3 * tries if state["Type"] == "Task" else 0)


def worst_history(settings: OrchestrationSettings) -> int:
    """Most events that an execution's history may come to, by adding up the definition.

    Between two states that bound a loop the definition is a graph without loops (which is checked on the way), so the
    longest way from one to the next is known. The dearest walk that passes each of them as often as it may is a flow of
    the greatest cost.
    """
    states = state_machine_definition(settings, AROUND)["States"]
    passes = {name: times for name, times in _passes(settings).items() if name in states}
    ways: dict[str, dict[str, int]] = {}
    under_way: set[str] = set()

    def onward(name: str) -> dict[str, int]:
        """Events after a state until each of the next ones that bound a loop, or the end."""
        found: dict[str, int] = {} if successors(states[name]) else {"end": 0}
        for target in successors(states[name]):
            reached = {target: 0} if target in passes else until(target)
            for last, events in reached.items():
                found[last] = max(found.get(last, 0), events)
        return found

    def until(name: str) -> dict[str, int]:
        """The same from a state on, with its own."""
        if name not in ways:
            assert name not in under_way, f"a loop through {name} that nothing counts"
            under_way.add(name)
            ways[name] = {last: events + _events(states[name]) for last, events in onward(name).items()}
            under_way.discard(name)
        return ways[name]

    graph = networkx.DiGraph()
    graph.add_node("start", demand=-1)
    graph.add_node("end", demand=1)
    for last, events in until("CheckInput").items():
        graph.add_edge("start", last, weight=-events, capacity=1)
    for name, times in passes.items():
        graph.add_edge(name, f"after {name}", weight=-_events(states[name]), capacity=times)
        for last, events in onward(name).items():
            graph.add_edge(f"after {name}", last, weight=-events, capacity=times)
    cost, _ = networkx.network_simplex(graph)
    return 2 - int(cost)  # with the start and the end of the execution itself


def test_the_history_never_fills_up_whatever_has_to_be_tried_again():
    slowest = OrchestrationSettings(
        cluster_wait_attempts=60,
        cluster_replacement_hours=72,
        cluster_replacement_poll_seconds=1,
        busy_wait_minutes=1440,
        busy_poll_seconds=1,
        step_poll_seconds=1,
        step_timeout_minutes=1440,
        step_attempts=2,
        retry_attempts=5,
    )
    worst = worst_history(slowest)
    print(f"events of the worst history: {worst}, with the defaults {worst_history(OrchestrationSettings())}")
    assert worst <= HISTORY_BUDGET < HISTORY_LIMIT, "one event more than the limit ends an execution unheard"


@hypothesis_settings(max_examples=25)
@given(SETTINGS)
def test_no_settings_make_a_longer_history(settings: OrchestrationSettings):
    assert worst_history(settings) <= HISTORY_BUDGET


@given(SETTINGS)
def test_a_step_is_watched_for_its_whole_timeout_and_hardly_longer(settings: OrchestrationSettings):
    watch = step_watch(settings)
    slow = watch.slow
    watched = watch.fast.count * watch.fast.seconds + (slow.count * slow.seconds if slow else 0)
    timeout = settings.step_timeout_minutes * 60
    assert watched >= timeout, "a step must not be cancelled before its time"
    assert watched < timeout + max(watch.fast.seconds, slow.seconds if slow else 0), "nor long after it"
    assert watch.fast.seconds >= settings.step_poll_seconds


@given(SETTINGS)
def test_a_lost_cluster_and_a_full_one_are_waited_for_as_long_as_configured(settings: OrchestrationSettings):
    for looks, seconds in (
        (replacement_looks(settings), settings.cluster_replacement_hours * 3600),
        (room_looks(settings), settings.busy_wait_minutes * 60),
    ):
        assert seconds <= looks.count * looks.seconds < seconds + looks.seconds


@given(SETTINGS)
def test_the_execution_s_own_timeout_never_comes_before_the_step_s(settings: OrchestrationSettings):
    waits = (
        settings.cluster_wait_attempts * settings.cluster_wait_seconds
        + settings.cluster_replacement_hours * 3600
        + settings.busy_wait_minutes * 60
        + settings.step_attempts * settings.step_timeout_minutes * 60
    )
    assert execution_timeout_seconds(settings) > waits + 1800, "the failure path must have time to run"
    assert execution_timeout_seconds(settings) <= 99_999_999, "the longest that the states language allows"


@pytest.mark.parametrize(
    ("setting", "value", "states"),
    [
        ("cluster_wait_seconds", 7, ["WaitForCluster"]),
        ("cluster_wait_attempts", 7, ["ClusterReady"]),
        ("cluster_replacement_hours", 7, ["WaitForReplacement", "ExplainClusterGone", "Begin"]),
        ("cluster_replacement_poll_seconds", 3600, ["WaitForReplacement", "ClusterGone"]),
        ("busy_wait_minutes", 7, ["StepSubmitted", "ExplainClusterFull"]),
        ("busy_poll_seconds", 3600, ["WaitForRoom"]),
        ("step_poll_seconds", 7, ["WaitForStep"]),
        ("step_attempts", 1, ["TriesLeft"]),
        ("step_retry_seconds", 7, ["WaitToTryAgain"]),
        ("minimum_rows", 7, ["CheckReport", "ExplainFewRows"]),
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


def test_a_long_run_is_looked_at_less_often_later():
    assert STATES["WaitForStep"]["Seconds"] == 30
    assert STATES["WaitLongerForStep"]["Seconds"] > 30
    short = state_machine_definition(OrchestrationSettings(step_timeout_minutes=30), AROUND)["States"]
    assert "WaitLongerForStep" not in short, "the configured interval lasts for the whole timeout"


def test_a_step_runs_through_the_wrapper_and_is_stopped_by_the_same_tag():
    submitted = STATES["SubmitStep"]["Parameters"]["Step"]["HadoopJarStep"]["Args.$"]
    stopped = STATES["StopApplication"]["Parameters"]["Step"]["HadoopJarStep"]["Args.$"]
    fetched = f"'bash', '-c', $.call, 'call', '{AROUND.wrapper_uri}', 'eu-west-1'"
    assert f"{fetched}, '{AROUND.realm}', $.run.execution, '--deploy-mode'" in submitted
    assert stopped.endswith(f"{fetched}, '--stop', '{AROUND.realm}', $.run.execution)")
    assert STATES["Begin"]["Parameters"]["call"] == CALL_WRAPPER


def test_the_code_that_runs_is_the_one_that_the_input_pins():
    assert "$.run.job, '--manifest'" in STATES["SubmitStep"]["Parameters"]["Step"]["HadoopJarStep"]["Args.$"]
    assert STATES["Begin"]["Parameters"]["run"]["job.$"] == "$.job"


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
