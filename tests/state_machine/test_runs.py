"""The deployed definition, run on the sandbox's interpreter: every way through it, and what people learn of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.exceptions import ServiceException
from moto.emr.models import emr_backends
from moto.emr.responses import ElasticMapReduceResponse

from tests.state_machine.pipeline import ACCOUNT, JOB_URI, PROCESSED, REGION, SCRIPTS, Pipeline

pytestmark = [
    pytest.mark.sandbox,
    # moto warns of answers that botocore's model of the service does not name; throttling is none of them.
    pytest.mark.filterwarnings("ignore:Exception.Refusal. with code ThrottlingException"),
]

Make = Callable[..., Pipeline]


class Refusal(ServiceException):
    """An answer of an AWS service that is an error."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


THROTTLED = Refusal("ThrottlingException", "Rate exceeded")
BROKEN = Refusal("InternalServerException", "An internal error occurred.")


def failing(call: Callable[[Any], Any], *answers: Refusal | None, after: bool = False) -> Callable[[Any], Any]:
    """A call whose first answers are these refusals (None lets it through); `after` it did its work all the same."""
    waiting = list(answers)
    lock = threading.Lock()

    def instead(self: Any) -> Any:
        with lock:
            answer = waiting.pop(0) if waiting else None
        if answer is None:
            return call(self)
        if after:
            call(self)
        raise answer

    return instead


def test_a_manifest_becomes_a_step_and_a_message_of_success(pipeline: Pipeline):
    run = pipeline.run("good")
    assert run.status == "SUCCEEDED", run
    assert run.output["rows"] == {"in": 1000, "out": 999, "setAside": 1}, "the output is the run report"

    step = next(step for step in pipeline.steps() if step["Name"] == run.name)
    assert step["ActionOnFailure"] == "CONTINUE", "with concurrent steps EMR accepts nothing else"
    assert step["Config"]["Args"][-5:] == [
        JOB_URI,
        "--manifest",
        run.output["manifest"],
        "--report",
        f"s3://{PROCESSED}/_reports/flights/{run.name}.json",
    ]

    (message,) = pipeline.messages("success")
    assert message["Subject"] == f"emr-pipeline-{pipeline.stack}: run succeeded"
    text = message["Message"]
    for part in (
        "dataset flights succeeded",
        "1000 read, 999 written, 1 set aside",
        "Files: 2 read, 3 written, in 1 partitions",
        f"Execution: {pipeline.execution_arn(run.name)}",
        f"Manifest: {run.output['manifest']}",
    ):
        assert part in text, f"the message of success lacks {part!r}: {text}"
    assert pipeline.messages("warning") == pipeline.messages("critical") == [], "a success is no failure"


def test_a_success_is_counted_with_its_figures(own_pipeline: Make):
    pipeline = own_pipeline()
    assert pipeline.run("good").status == "SUCCEEDED"
    assert pipeline.metrics("Succeeded") == {
        "Runs": 1,
        "RowsIn": 1000,
        "RowsOut": 999,
        "RowsSetAside": 1,
        "BytesIn": 5000,
        "BytesOut": 900,
        "FilesIn": 2,
        "RejectedObjects": 0,
        "RunSeconds": 12.5,
    }


@pytest.mark.parametrize(
    ("behaviour", "error", "reason"),
    [
        ("fail", "StepFailed", "ended FAILED: the manifest's version is 2, and this job reads 1"),
        ("crash", "StepFailed", "java.lang.OutOfMemoryError: Java heap space"),
        ("silent", "ReportUnreadable", "could not be read: "),
        ("garbled", "ReportUnreadable", "could not be read: "),
        ("partial", "ReportUnreadable", "is not a report of this run, or lacks figures"),
        ("stranger", "ReportUnreadable", "is not a report of this run, or lacks figures"),
        ("unlisted", "ReportUnreadable", "is not a report of this run, or lacks figures"),
        (
            "reject",
            "DataRejected",
            "1 of 2 objects were rejected, the first, s3://raw/flights/b.csv, because: the header has 18 columns",
        ),
        ("dirty", "DataRejected", "250 of 1000 records were set aside, a share of 0.25, where"),
    ],
)
def test_a_failure_of_the_job_or_its_data_is_named_told_and_counted(
    pipeline: Pipeline, behaviour: str, error: str, reason: str
):
    before = pipeline.metrics(error).get("Runs", 0)
    run = pipeline.run(behaviour)
    assert (run.status, run.error) == ("FAILED", error), run
    assert reason in run.cause, "the cause of the execution says why"
    severity, other = ("warning", "critical") if error == "DataRejected" else ("critical", "warning")
    (message,) = pipeline.messages(severity)
    assert pipeline.messages(other) == [], "a failure is told once, on the topic of its severity"
    assert message["Subject"] == f"emr-pipeline-{pipeline.stack}: {error}"
    for part in (reason, "dataset flights", "Input: 2 objects, 5000 bytes", pipeline.execution_arn(run.name)):
        assert part in message["Message"], f"the message of failure lacks {part!r}: {message['Message']}"
    assert pipeline.metrics(error)["Runs"] == before + 1, "the failure is counted under its outcome"
    assert pipeline.messages("success") == [], "a failure is no success"


def test_rows_of_a_rejected_run_are_counted_all_the_same(own_pipeline: Make):
    pipeline = own_pipeline()
    assert pipeline.run("dirty").error == "DataRejected"
    metrics = pipeline.metrics("DataRejected")
    assert metrics["RowsOut"] == 750, "the records that were fit are in the table"
    assert metrics["RowsSetAside"] == 250


@pytest.mark.parametrize(
    "changes",
    [
        {"manifest": "s3://elsewhere/manifests/flights/x.json"},
        {"manifest": 7},
        {"dataset": None},
        {"objects": "many"},
        {"report": {"bucket": "elsewhere", "key": "_reports/flights/x.json"}},
        {"report": {"bucket": PROCESSED, "key": "flights/x.json"}},
        {"report": "none"},
    ],
    ids=str,
)
def test_an_input_that_the_dispatcher_would_not_give_is_refused(pipeline: Pipeline, changes: dict[str, Any]):
    before = len(pipeline.steps())
    run = pipeline.run("good", **changes)
    assert (run.status, run.error) == ("FAILED", "InputRefused"), run
    assert len(pipeline.steps()) == before, "nothing may run on an input that is not the dispatcher's"
    (message,) = pipeline.messages("critical")
    assert "the input is not what the dispatcher gives" in message["Message"]


def test_an_empty_input_is_refused_too(pipeline: Pipeline):
    run = pipeline.ended(pipeline.start(f"empty-{time.time_ns()}", {}))
    assert (run.status, run.error) == ("FAILED", "InputRefused"), run
    assert len(pipeline.messages("critical")) == 1


def test_input_reaches_the_job_as_text_and_never_as_shell(pipeline: Pipeline, tmp_path):
    trap = tmp_path / "trap"
    manifest = f"s3://{SCRIPTS}/manifests/flights/good-$(touch {trap})`touch {trap}`; touch {trap} #'\"$HOME.json"
    run = pipeline.run("good", manifest=manifest)
    assert run.status == "SUCCEEDED", run
    assert run.output["manifest"] == manifest, "the job gets the manifest's address character by character"
    assert not trap.exists(), "a shell ran a part of the input"
    pipeline.messages("success")


def test_a_cluster_that_nobody_registered_is_unavailable(own_pipeline: Make):
    pipeline = own_pipeline()
    pipeline.client("ssm").delete_parameter(Name=pipeline.parameter)
    run = pipeline.run("good")
    assert run.error == "ClusterUnavailable", run
    assert pipeline.parameter in run.cause, "the cause names the parameter to look at"
    assert pipeline.path(pipeline.execution_arn(run.name)).count("FindCluster") == 1
    assert len(pipeline.messages("critical")) == 1


def test_a_cluster_that_ended_is_unavailable(own_pipeline: Make):
    pipeline = own_pipeline()
    pipeline.client("emr").terminate_job_flows(JobFlowIds=[pipeline.cluster])
    run = pipeline.run("good")
    assert run.error == "ClusterUnavailable", run
    assert f"cluster {pipeline.cluster} is TERMINATED and takes no steps" in run.cause


def test_a_starting_cluster_is_waited_for(own_pipeline: Make):
    pipeline = own_pipeline()
    cluster = emr_backends[ACCOUNT][REGION].clusters[pipeline.cluster]
    cluster.state = "BOOTSTRAPPING"
    name, given = pipeline.input("good")
    execution = pipeline.start(name, given)
    time.sleep(1.5)
    assert pipeline.steps() == [], "a cluster that starts gets no step yet"
    cluster.state = "WAITING"
    assert pipeline.ended(execution).status == "SUCCEEDED"
    assert "WaitForCluster" in pipeline.path(execution)


def test_a_cluster_that_does_not_start_in_time_is_unavailable(own_pipeline: Make):
    pipeline = own_pipeline(cluster_wait_attempts=2)
    emr_backends[ACCOUNT][REGION].clusters[pipeline.cluster].state = "STARTING"
    run = pipeline.run("good")
    assert run.error == "ClusterUnavailable", run
    assert "was still STARTING after 2 looks" in run.cause
    assert pipeline.path(pipeline.execution_arn(run.name)).count("WaitForCluster") == 2, "the wait is counted"


def test_a_throttled_look_is_repeated_until_it_succeeds(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline()
    call = ElasticMapReduceResponse.describe_cluster
    monkeypatch.setattr(ElasticMapReduceResponse, "describe_cluster", failing(call, THROTTLED, THROTTLED))
    assert pipeline.run("good").status == "SUCCEEDED"


def test_a_throttled_submission_is_repeated_and_adds_one_step(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline()
    call = ElasticMapReduceResponse.add_job_flow_steps
    monkeypatch.setattr(ElasticMapReduceResponse, "add_job_flow_steps", failing(call, THROTTLED, THROTTLED))
    run = pipeline.run("good")
    assert run.status == "SUCCEEDED", run
    assert [step["Name"] for step in pipeline.steps()] == [run.name], "one step, in spite of three submissions"


def test_a_submission_whose_answer_was_lost_is_found_by_its_name(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline()
    other = pipeline.run("good")
    call = ElasticMapReduceResponse.add_job_flow_steps
    monkeypatch.setattr(ElasticMapReduceResponse, "add_job_flow_steps", failing(call, BROKEN, after=True))
    run = pipeline.run("good")
    assert run.status == "SUCCEEDED", run
    names = sorted(step["Name"] for step in pipeline.steps())
    assert names == sorted([other.name, run.name]), "a step that was added is not added again"
    assert "TakeFoundStep" in pipeline.path(pipeline.execution_arn(run.name))


def test_a_submission_that_is_always_refused_ends_as_refused(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline()
    call = ElasticMapReduceResponse.add_job_flow_steps
    refusal = Refusal("ValidationException", "Maximum number of active steps exceeded")
    monkeypatch.setattr(ElasticMapReduceResponse, "add_job_flow_steps", failing(call, *[refusal] * 9))
    run = pipeline.run("good")
    assert run.error == "SubmissionRefused", run
    assert "Maximum number of active steps exceeded" in run.cause, "EMR's own words are in the cause"
    assert pipeline.path(pipeline.execution_arn(run.name)).count("SubmitStep") == 3, "one try and two more"


def test_a_submission_that_nobody_can_look_up_is_lost_not_repeated(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline(retry_attempts=1)
    add, listed = ElasticMapReduceResponse.add_job_flow_steps, ElasticMapReduceResponse.list_steps
    monkeypatch.setattr(ElasticMapReduceResponse, "add_job_flow_steps", failing(add, BROKEN, after=True))
    monkeypatch.setattr(ElasticMapReduceResponse, "list_steps", failing(listed, THROTTLED, THROTTLED))
    run = pipeline.run("good")
    assert run.error == "StepLost", run
    assert len(pipeline.steps()) == 1, "a submission in doubt is not tried again blindly"


def test_a_step_that_cannot_be_looked_at_is_lost(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline(retry_attempts=1)
    call = ElasticMapReduceResponse.describe_step
    monkeypatch.setattr(ElasticMapReduceResponse, "describe_step", failing(call, THROTTLED, THROTTLED))
    run = pipeline.run("good")
    assert run.error == "StepLost", run
    (message,) = pipeline.messages("critical")
    assert "The step may still run" in message["Message"], "nobody should drive the manifest again unseen"


def test_a_step_that_takes_too_long_is_cancelled_and_its_application_stopped(own_pipeline: Make):
    pipeline = own_pipeline(step_timeout_minutes=0.05)
    run = pipeline.run("sleep")
    assert run.error == "StepTimedOut", run
    by_name = {step["Name"]: step for step in pipeline.steps()}
    assert by_name[run.name]["Status"]["State"] in ("CANCEL_PENDING", "CANCELLED")
    assert f"stop-{run.name}" in by_name, "cancelling a step leaves its YARN application: another step ends it"
    assert "SUBMITTED" in run.cause, "the cause says whether EMR accepted the cancellation"
    assert pipeline.path(pipeline.execution_arn(run.name)).count("DescribeStep") == 3


def test_a_step_that_somebody_cancels_is_a_failed_step(own_pipeline: Make):
    pipeline = own_pipeline()
    name, given = pipeline.input("sleep")
    execution = pipeline.start(name, given)
    while not pipeline.steps():
        time.sleep(0.1)
    pipeline.client("emr").cancel_steps(ClusterId=pipeline.cluster, StepIds=[pipeline.steps()[0]["Id"]])
    run = pipeline.ended(execution)
    assert run.error == "StepFailed", run
    assert "ended CANCELLED without a report, and EMR gives no details" in run.cause


def test_missing_metrics_do_not_fail_a_run_but_are_told(own_pipeline: Make, monkeypatch: pytest.MonkeyPatch):
    pipeline = own_pipeline(retry_attempts=1)
    call = CloudWatchResponse.put_metric_data
    monkeypatch.setattr(CloudWatchResponse, "put_metric_data", failing(call, THROTTLED, THROTTLED))
    assert pipeline.run("good").status == "SUCCEEDED"
    (message,) = pipeline.messages("success")
    assert "The metrics of this run are missing" in message["Message"]


def test_a_success_that_cannot_be_told_is_a_failure_of_its_own_name(own_pipeline: Make):
    pipeline = own_pipeline()
    pipeline.client("sns").delete_topic(TopicArn=pipeline.topics["success"])
    run = pipeline.run("good")
    assert run.error == "NotificationFailed", run
    (message,) = pipeline.messages("warning")
    assert "The data is in place" in message["Message"], "nobody should drive the manifest again for this"
    assert pipeline.metrics("Succeeded")["Runs"] == 1, "the run itself was counted as it was"


def test_a_failure_that_cannot_be_told_keeps_its_name(own_pipeline: Make):
    pipeline = own_pipeline()
    pipeline.client("sns").delete_topic(TopicArn=pipeline.topics["critical"])
    run = pipeline.run("fail")
    assert run.error == "StepFailed", run
    assert "the failure could not be told" in run.cause


def test_executions_share_a_cluster(own_pipeline: Make):
    pipeline = own_pipeline()
    executions = [pipeline.start(*pipeline.input("good")) for _ in range(4)]
    runs = [pipeline.ended(execution, 60) for execution in executions]
    assert [run.status for run in runs] == ["SUCCEEDED"] * 4
    assert len({run.output["manifest"] for run in runs}) == 4, "every execution reads its own report"
