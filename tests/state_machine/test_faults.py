"""The fault matrix: whatever goes wrong, the execution ends by its own path, and people learn of it once and rightly.

Each case runs the definition that is deployed; waits are short by settings alone. What is asserted is the same for all:
end state, notification, metric, ledger, and that the input is still there to be driven again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto.emr.models import emr_backends

from components.state_machine_definition import FAILURES, SUCCEEDED
from sandbox.aws.emr import calls
from sandbox.faults import Faults
from settings import OrchestrationSettings
from tests.state_machine.pipeline import ACCOUNT, PATIENCE, PROCESSED, REGION, Pipeline, Run, wait_for

Arrange = Callable[[Pipeline], None]

GROUPS = 2
"""Workers that share the cases."""
AT_ONCE = 6
"""Cases of a group that run at once."""
ACTIVE_STEPS = 8
"""Steps that a cluster takes here in place of 256, which this machine would need a minute to list and cancel."""
FAILURE = {failure.name: failure for failure in FAILURES}


def cluster_is(state: str) -> Arrange:
    """The cluster stands in a state."""

    def arrange(pipeline: Pipeline) -> None:
        emr_backends[ACCOUNT][REGION].clusters[pipeline.cluster].state = state

    return arrange


def becomes_ready(pipeline: Pipeline) -> None:
    pipeline.wait_until_it_enters("WaitForCluster")
    cluster_is("WAITING")(pipeline)


def is_replaced(pipeline: Pipeline) -> None:
    """A new cluster is registered while the execution waits for one."""
    pipeline.wait_until_it_enters("WaitForReplacement")
    pipeline.make_cluster()


def dies_and_is_replaced(pipeline: Pipeline) -> None:
    dies(pipeline)
    is_replaced(pipeline)


def dies(pipeline: Pipeline) -> None:
    wait_for(pipeline.steps, PATIENCE, "the step")
    pipeline.client("emr").terminate_job_flows(JobFlowIds=[pipeline.cluster])


def nobody_registered_it(pipeline: Pipeline) -> None:
    pipeline.client("ssm").delete_parameter(Name=pipeline.parameter)


def it_never_was(pipeline: Pipeline) -> None:
    pipeline.client("ssm").put_parameter(
        Name=pipeline.parameter, Value="j-0NEVERWASXXXX", Type="String", Overwrite=True
    )


def is_full(pipeline: Pipeline, steps: int = ACTIVE_STEPS) -> None:
    """One step runs, the others wait for it."""
    sleeper = {
        "Name": "other",
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["bash", "-c", "sleep 60"]},
    }
    pipeline.client("emr").add_job_flow_steps(JobFlowId=pipeline.cluster, Steps=[sleeper] * steps)


def gets_room(pipeline: Pipeline) -> None:
    pipeline.wait_until_it_enters("WaitForRoom")
    emr = pipeline.client("emr")
    backend = emr_backends[ACCOUNT][REGION].clusters[pipeline.cluster]
    emr.cancel_steps(ClusterId=pipeline.cluster, StepIds=[step.id for step in reversed(backend.steps)])


def another_step_runs(pipeline: Pipeline) -> None:
    pipeline.client("emr").modify_cluster(ClusterId=pipeline.cluster, StepConcurrencyLevel=2)
    is_full(pipeline, 1)


def every_slot_is_taken(pipeline: Pipeline) -> None:
    is_full(pipeline, 1)


def somebody_cancels(pipeline: Pipeline) -> None:
    (step,) = wait_for(pipeline.steps, PATIENCE, "the step")
    wait_for(lambda: pipeline.job_runs(), PATIENCE, "the job")
    pipeline.client("emr").cancel_steps(ClusterId=pipeline.cluster, StepIds=[step["Id"]])


def topic_is_gone(outcome: str) -> Arrange:
    return lambda pipeline: pipeline.client("sns").delete_topic(TopicArn=pipeline.topics[outcome])


def history_is(lowest: float, highest: float) -> Arrange:
    """Earlier runs of a dataset of the case's own had so many bytes a row."""

    def arrange(pipeline: Pipeline) -> None:
        pipeline.client("dynamodb").put_item(
            TableName=pipeline.ledger_table,
            Item={
                "pk": {"S": f"history#{pipeline.dataset}"},
                "sk": {"S": "history"},
                "lowestBytesPerRow": {"N": str(lowest)},
                "highestBytesPerRow": {"N": str(highest)},
            },
        )

    return arrange


def nothing(pipeline: Pipeline) -> None:
    """Time mended it."""


def a_cluster_is_back(pipeline: Pipeline) -> None:
    pipeline.make_cluster()


def ledger_closes(pipeline: Pipeline) -> None:
    """The ledger takes the beginning of the run and not its end."""
    wait_for(pipeline.steps, PATIENCE, "the step")
    Faults(pipeline.endpoint).add(f"throttle dynamodb:UpdateItem always where={pipeline.digits}")


def a_later_attempt_was_made(pipeline: Pipeline) -> None:
    pipeline.client("dynamodb").update_item(
        TableName=pipeline.ledger_table,
        Key={"pk": {"S": f"manifest#{pipeline.digits}"}, "sk": {"S": "manifest"}},
        UpdateExpression="SET attempt = :two",
        ExpressionAttributeValues={":two": {"N": "2"}},
    )


@dataclass(frozen=True)
class Case:
    """Something that goes wrong, and what has to come of it."""

    name: str
    """Completes "a run where …"."""
    outcome: str
    says: str = ""
    """Part of the reason that people read; of the message of success."""
    behaviour: str = "good"
    """What the job does (`pipeline.JOB`)."""
    faults: tuple[str, ...] = ()
    """Lines of `sandbox.faults`; ``{cluster}``, ``{parameter}``, ``{report}``, ``{digits}``, ``{stack}`` and
    ``{success}`` (topic) are this case's own."""
    before: Arrange | None = None
    during: Arrange | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of the execution's input."""
    submitted: int = 1
    """Steps of the job that were added, on all clusters."""
    enters: tuple[str, ...] = ()
    """States that it must pass."""
    alerts: int = 0
    """Messages that the cluster is gone."""
    told: bool = True
    """Whether its end can be told."""
    recorded: str = ""
    """Part of the reason in the ledger, where it is not ``says``: the ledger is written before people are told."""
    counted: bool = True
    """Whether its end can be counted."""
    ledger: str = ""
    """State in the ledger, where it is not that of the outcome."""
    driven_again: Arrange | None = None
    """What a person mends before a new attempt, which has to succeed."""


SHORT = {"cluster_replacement_hours": 3 / 3600}
THROTTLED_ALWAYS = "Rate exceeded"

CASES = (
    Case("all is well", SUCCEEDED, "1000 read, 999 written, 1 set aside"),
    # Every state of a cluster.
    Case("the cluster is STARTING", SUCCEEDED, before=cluster_is("STARTING"), during=becomes_ready),
    Case("the cluster is BOOTSTRAPPING", SUCCEEDED, before=cluster_is("BOOTSTRAPPING"), during=becomes_ready),
    Case("the cluster is RUNNING another step", SUCCEEDED, before=another_step_runs),
    Case(
        "the cluster starts for ever",
        "ClusterUnavailable",
        "was still STARTING after 2 looks",
        before=cluster_is("STARTING"),
        settings={"cluster_wait_attempts": 2},
        submitted=0,
    ),
    Case("the cluster is TERMINATING", SUCCEEDED, before=cluster_is("TERMINATING"), during=is_replaced, alerts=1),
    Case("the cluster is TERMINATED", SUCCEEDED, before=cluster_is("TERMINATED"), during=is_replaced, alerts=1),
    Case(
        "the cluster is TERMINATED_WITH_ERRORS",
        SUCCEEDED,
        before=cluster_is("TERMINATED_WITH_ERRORS"),
        during=is_replaced,
        alerts=1,
    ),
    Case(
        "the cluster ended and nobody brings another",
        "ClusterUnavailable",
        "is TERMINATED and takes no steps",
        before=cluster_is("TERMINATED"),
        settings=SHORT,
        submitted=0,
        alerts=1,
    ),
    Case(
        "the cluster is in a state that EMR has not yet",
        "ClusterUnavailable",
        "is HIBERNATING and takes no steps",
        before=cluster_is("HIBERNATING"),
        settings=SHORT,
        submitted=0,
        alerts=1,
    ),
    Case("no cluster is registered at first", SUCCEEDED, before=nobody_registered_it, during=is_replaced, alerts=1),
    Case(
        "no cluster is ever registered",
        "ClusterUnavailable",
        "is NOT_REGISTERED",
        before=nobody_registered_it,
        settings=SHORT,
        submitted=0,
        alerts=1,
        driven_again=a_cluster_is_back,
    ),
    Case(
        "the registered cluster never was",
        "ClusterUnavailable",
        "cluster j-0NEVERWASXXXX is NOT_KNOWN",
        before=it_never_was,
        settings=SHORT,
        submitted=0,
        alerts=1,
    ),
    # The cluster goes under the step.
    Case(
        "the cluster ends mid-run and is replaced",
        SUCCEEDED,
        behaviour="linger",
        during=dies_and_is_replaced,
        submitted=2,
        alerts=1,
        enters=("TryHelps", "NextTry", "WaitForReplacement"),
    ),
    Case(
        "the cluster ends mid-run and nobody brings another",
        "ClusterUnavailable",
        "TERMINATED",
        behaviour="linger",
        during=dies,
        settings=SHORT,
        alerts=1,
    ),
    # Throttling that passes, and that does not.
    Case("SSM throttles twice", SUCCEEDED, faults=("throttle ssm:GetParameter times=2 where={parameter}",)),
    Case(
        "SSM throttles for ever",
        "InternalError",
        THROTTLED_ALWAYS,
        faults=("throttle ssm:GetParameter times=3 where={parameter}",),
        submitted=0,
        driven_again=nothing,
    ),
    Case(
        "looks at the cluster are throttled",
        SUCCEEDED,
        faults=("throttle emr:DescribeCluster times=2 where={cluster}",),
    ),
    Case(
        "looks at the cluster are throttled for ever",
        "InternalError",
        THROTTLED_ALWAYS,
        faults=("throttle emr:DescribeCluster times=3 where={cluster}",),
        submitted=0,
    ),
    Case(
        "submissions are throttled",
        SUCCEEDED,
        faults=("throttle emr:AddJobFlowSteps times=2 where={cluster}",),
        enters=("FindSubmittedStep",),
    ),
    Case(
        "submissions are throttled for ever",
        "SubmissionRefused",
        THROTTLED_ALWAYS,
        faults=("throttle emr:AddJobFlowSteps times=3 where={cluster}",),
        submitted=0,
    ),
    Case(
        "submissions are refused",
        "SubmissionRefused",
        "not valid today",
        faults=(
            'refuse emr:AddJobFlowSteps times=3 where={cluster} code=ValidationException message="not valid today"',
        ),
        submitted=0,
        driven_again=nothing,
    ),
    Case(
        "the answer of the submission is lost",
        SUCCEEDED,
        faults=("drop emr:AddJobFlowSteps where={cluster}",),
        enters=("FindSubmittedStep", "TakeFoundStep"),
    ),
    Case(
        "the answer is lost and the search for the step is throttled",
        SUCCEEDED,
        faults=("drop emr:AddJobFlowSteps where={cluster}", "throttle emr:ListSteps times=2 where={cluster}"),
        enters=("TakeFoundStep",),
    ),
    Case(
        "the answer is lost and nobody can look the step up",
        "StepLost",
        "could not be looked up",
        faults=("drop emr:AddJobFlowSteps where={cluster}", "throttle emr:ListSteps times=3 where={cluster}"),
    ),
    Case("looks at the step are throttled", SUCCEEDED, faults=("throttle emr:DescribeStep times=2 where={cluster}",)),
    Case(
        "looks at the step are throttled for ever",
        "StepLost",
        "could not be looked at",
        faults=("throttle emr:DescribeStep times=3 where={cluster}",),
        driven_again=nothing,
    ),
    Case("S3 throttles the report twice", SUCCEEDED, faults=("throttle s3:GetObject times=2 where={report}",)),
    Case(
        "the report may not be read",
        "ReportUnreadable",
        "could not be read: ",
        faults=("refuse s3:GetObject times=3 where={report} code=AccessDenied",),
        driven_again=nothing,
    ),
    Case("the ledger throttles twice", SUCCEEDED, faults=("throttle dynamodb:UpdateItem times=2 where={digits}",)),
    Case(
        "the ledger cannot be written",
        "InternalError",
        "so nothing was begun",
        faults=("throttle dynamodb:UpdateItem always where={digits}",),
        submitted=0,
        ledger="planned",
    ),
    Case(
        "the ledger cannot be written at the end",
        SUCCEEDED,
        "The ledger does not know of this yet",
        behaviour="slow",
        during=ledger_closes,
        ledger="running",
    ),
    Case(
        "the history cannot be read",
        SUCCEEDED,
        "The volume could not be compared with history",
        faults=("throttle dynamodb:GetItem times=3 where=history#{dataset}",),
    ),
    Case(
        "metrics cannot be published",
        SUCCEEDED,
        "The metrics of this run are missing",
        faults=("throttle cloudwatch:PutMetricData always where={stack}",),
        counted=False,
    ),
    Case(
        "metrics of a failure cannot be published",
        "StepFailed",
        "this job reads 1",
        behaviour="fail",
        faults=("throttle cloudwatch:PutMetricData always where={stack}",),
        counted=False,
    ),
    # The step.
    Case("the step dies without a word, once", SUCCEEDED, behaviour="crashonce", submitted=2, enters=("NextTry",)),
    Case(
        "the step dies without a word, always",
        "StepFailed",
        "ended FAILED in try 2 without a report; EMR says",
        behaviour="crash",
        submitted=2,
    ),
    Case("the step's process is killed", SUCCEEDED, behaviour="killedonce", submitted=2),
    Case("the job meets an error of the moment", SUCCEEDED, behaviour="denyonce", submitted=2),
    Case("the job meets the same error again", "StepFailed", "SlowDown", behaviour="deny", submitted=2),
    Case(
        "tries are left to people",
        "StepFailed",
        "in try 1",
        behaviour="crash",
        settings={"step_attempts": 1},
    ),
    Case(
        "the job names a mistake in its input",
        "StepFailed",
        "ended FAILED in try 1: the manifest's version is 2, and this job reads 1",
        behaviour="fail",
        driven_again=nothing,
    ),
    Case(
        "somebody cancels the step",
        "StepFailed",
        "ended CANCELLED in try 1 without a report, and EMR gives no details",
        behaviour="sleep",
        during=somebody_cancels,
    ),
    Case(
        "the step takes too long",
        "StepTimedOut",
        "SUBMITTED",
        behaviour="sleep",
        settings={"step_timeout_minutes": 0.05},
        enters=("CancelStep", "StopApplication"),
        driven_again=nothing,
    ),
    Case(
        "the step never starts",
        "StepTimedOut",
        "was PENDING",
        before=every_slot_is_taken,
        settings={"step_timeout_minutes": 0.05},
    ),
    Case(
        "the step takes too long and EMR cancels nothing",
        "StepTimedOut",
        "Rate exceeded",
        behaviour="sleep",
        faults=("throttle emr:CancelSteps always where={cluster}",),
        settings={"step_timeout_minutes": 0.05},
    ),
    # EMR takes 256 steps.
    Case("256 steps wait or run, for a while", SUCCEEDED, before=is_full, during=gets_room, enters=("WaitForRoom",)),
    Case(
        "256 steps wait or run, for ever",
        "SubmissionRefused",
        "had as many active steps as it may",
        before=is_full,
        settings={"busy_wait_minutes": 0.05},
        submitted=0,
    ),
    # The report.
    Case("there is no report", "ReportUnreadable", "could not be read: ", behaviour="silent"),
    Case("the report is half written", "ReportUnreadable", "could not be read: ", behaviour="garbled"),
    Case("the report is empty", "ReportUnreadable", "could not be read: ", behaviour="blank"),
    Case("the report is larger than a state may be", "ReportUnreadable", "could not be read: ", behaviour="huge"),
    Case("the report is a list", "ReportUnreadable", "is not a report of this run", behaviour="list"),
    Case("the report lacks a figure", "ReportUnreadable", "is not a report of this run", behaviour="partial"),
    Case("the report has words for figures", "ReportUnreadable", "is not a report of this run", behaviour="wordy"),
    Case("the report is another run's", "ReportUnreadable", "is not a report of this run", behaviour="stranger"),
    Case("the report hides what was rejected", "ReportUnreadable", "is not a report of this run", behaviour="unlisted"),
    # The data.
    Case(
        "an object is rejected",
        "DataRejected",
        "1 of 2 objects were rejected, the first, s3://raw/flights/b.csv, because: the header has 18 columns",
        behaviour="reject",
        driven_again=nothing,
    ),
    Case(
        "too many records are set aside",
        "DataRejected",
        "250 of 1000 records were set aside, a share of 0.25, where",
        behaviour="dirty",
    ),
    Case(
        "as many are set aside as the setting allows",
        SUCCEEDED,
        "250 set aside",
        behaviour="dirty",
        settings={"maximum_set_aside_ratio": 0.25},
    ),
    Case("the files hold no rows", "DataRejected", "held 0 rows", behaviour="hollow"),
    Case("the files may hold no rows", SUCCEEDED, behaviour="hollow", settings={"minimum_rows": 0}),
    Case("rows are as long as ever", SUCCEEDED, before=history_is(0.5, 50)),
    Case(
        "rows are much shorter than ever",
        "DataRejected",
        "0.4 bytes a row",
        behaviour="thin",
        before=history_is(0.5, 50),
    ),
    Case(
        "rows are much longer than ever",
        "DataRejected",
        "51.5 bytes a row",
        behaviour="fat",
        before=history_is(0.5, 50),
    ),
    # Notifications.
    Case("SNS throttles twice", SUCCEEDED, faults=("throttle sns:Publish times=2 where={success}",)),
    Case(
        "the success topic is gone",
        "NotificationFailed",
        "its success could not be told",
        before=topic_is_gone("success"),
    ),
    Case(
        "the critical topic is gone too",
        "StepFailed",
        "this job reads 1 (the failure could not be told: ",
        behaviour="fail",
        before=topic_is_gone("critical"),
        told=False,
        recorded="ended FAILED in try 1: the manifest's version is 2, and this job reads 1",
    ),
    # The input.
    *(
        Case(f"the input's {key} is {value!r}", "InputRefused", submitted=0, changes={key: value}, ledger="planned")
        for key, value in (
            ("manifest", "s3://elsewhere/manifests/flights/x.json"),
            ("manifest", 7),
            ("dataset", None),
            ("attempt", "first"),
            ("objects", "many"),
            ("job", "s3://elsewhere/jobs/x/transform.py"),
            ("report", {"bucket": "elsewhere", "key": "_reports/flights/x.json"}),
            ("report", {"bucket": PROCESSED, "key": "flights/x.json"}),
            ("report", "none"),
        )
    ),
    Case(
        "a later attempt was made",
        "InputRefused",
        "the ledger has a later attempt than 1",
        before=a_later_attempt_was_made,
        submitted=0,
        ledger="planned",
    ),
)


@dataclass(frozen=True)
class Observed:
    """What came of a case."""

    pipeline: Pipeline
    run: Run
    path: list[str]
    entry: Mapping[str, str]
    """What the ledger said at the end."""
    again: Run | None
    """The next attempt, where there is one."""


def observe(case: Case, endpoint: str, settings: OrchestrationSettings) -> Observed:
    """Run a case, and drive it again when it failed."""
    pipeline = Pipeline(endpoint, settings.model_copy(update=dict(case.settings)))
    name, given = pipeline.input(case.behaviour, **{"dataset": pipeline.dataset} | dict(case.changes))
    if case.before:
        case.before(pipeline)
    for line in case.faults:
        Faults(endpoint).add(
            line.format(
                cluster=pipeline.cluster,
                parameter=pipeline.parameter,
                report=f"{name}.json",
                digits=pipeline.digits,
                stack=pipeline.stack,
                dataset=pipeline.dataset,
                name=name,
                **pipeline.topics,
            )
        )
    execution = pipeline.start(name, given)
    if case.during:
        case.during(pipeline)
    run = pipeline.ended(execution)
    entry = pipeline.ledger(pipeline.digits)
    again = None
    if case.driven_again:
        case.driven_again(pipeline)
        again = pipeline.ended(pipeline.drive_again(case.behaviour))
    return Observed(pipeline, run, pipeline.path(execution), entry, again)


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def observed(
    request: pytest.FixtureRequest,
    endpoint: str,
    settings: OrchestrationSettings,
    monkeypatch_module: pytest.MonkeyPatch,
) -> Callable[[Case], Observed]:
    """Runs the chosen cases of a group at once, when the first of them is asked for."""
    monkeypatch_module.setattr(calls, "MAXIMUM_ACTIVE_STEPS", ACTIVE_STEPS)
    chosen = {item.name for item in request.session.items}
    running: dict[str, Future[Observed]] = {}

    def observed(case: Case) -> Observed:
        if case.name not in running:
            group = CASES.index(case) % GROUPS
            pool = ThreadPoolExecutor(AT_ONCE)
            for other in CASES[group::GROUPS]:
                if f"test_a_run_where[{other.name}]" in chosen:
                    running[other.name] = pool.submit(observe, other, endpoint, settings)
            pool.shutdown(wait=False)
        return running[case.name].result()

    return observed


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=pytest.mark.xdist_group(f"faults-{number % GROUPS}"))
        for number, case in enumerate(CASES)
    ],
)
@pytest.mark.sandbox
def test_a_run_where(case: Case, observed: Callable[[Case], Observed]):
    found = observed(case)
    pipeline, run = found.pipeline, found.run
    failure = FAILURE.get(case.outcome)

    assert (run.status, run.error) == (("FAILED", case.outcome) if failure else ("SUCCEEDED", "")), run
    assert set(case.enters) <= set(found.path), f"it went {found.path}"

    severity = failure.severity if failure else "success"
    subject = f"{pipeline.title}: {case.outcome if failure else 'run succeeded'}"
    told = {outcome: pipeline.messages(outcome) for outcome in pipeline.topics}
    alerts = [message for message in told["critical"] if "cluster gone" in message["Subject"]]
    successes = [message for message in told["success"] if f"{pipeline.digits[:40]}-2" in message["Message"]]
    ends = [
        (outcome, message)
        for outcome, messages in told.items()
        for message in messages
        if message not in alerts and message not in successes
    ]
    assert len(alerts) == case.alerts, "a cluster that is gone is told at once, and once"
    assert [(outcome, message["Subject"]) for outcome, message in ends] == [(severity, subject)] * case.told, (
        "the end is told once, on the topic of its severity"
    )
    if failure:
        assert case.says in run.cause, "the cause of the execution says why"
    for _, message in ends:
        assert case.says in message["Message"], f"the message lacks {case.says!r}: {message['Message']}"
        assert not failure or failure.advice in message["Message"], "people are told what to do"

    dataset = pipeline.dataset if "CheckInput" in found.path and "RefuseInput" not in found.path else "unknown"
    assert pipeline.metrics(case.outcome, dataset).get("Runs", 0) == case.counted, "the end is counted once"

    entry = found.entry
    state = case.ledger or (failure.state if failure else "succeeded")
    assert entry["state"] == state, f"the ledger says {entry}"
    if not case.ledger:
        assert entry["outcome"] == case.outcome
        assert not failure or (case.recorded or case.says) in entry["reason"], "the ledger says why"
        assert entry["execution"] == run.name
        assert entry["startedAt"] <= entry["endedAt"]
    assert pipeline.input_is_kept(pipeline.digits), "whatever happens, the input is still there"

    jobs = [name for name in pipeline.step_names() if name.startswith(run.name)]
    assert len(jobs) == case.submitted, f"steps of the run: {jobs}"
    assert len(set(jobs)) == len(jobs), "no step twice"

    if case.driven_again:
        assert found.again is not None
        assert found.again.status == "SUCCEEDED", f"a new attempt has to work: {found.again}"
        entry = pipeline.ledger(pipeline.digits)
        assert entry["state"] == "succeeded", entry
        assert entry["execution"] == found.again.name, "the ledger names the attempt that did it"


def test_there_are_cases_of_every_outcome():
    assert {case.outcome for case in CASES} == {SUCCEEDED, *FAILURE}
    assert len({case.name for case in CASES}) == len(CASES) >= 40
