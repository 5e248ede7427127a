"""The deployed definition, run on the sandbox's interpreter: what people learn of a run, and what the job is given.

What goes wrong, and what comes of it, is in `test_faults`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.state_machine.pipeline import JOB_URI, PROCESSED, SCRIPTS, Pipeline

pytestmark = pytest.mark.sandbox

Make = Callable[..., Pipeline]


def test_a_manifest_becomes_a_step_and_a_message_of_success(pipeline: Pipeline):
    run = pipeline.run("good")
    assert run.status == "SUCCEEDED", run
    assert run.output["rows"] == {"in": 1000, "out": 999, "setAside": 1}, "the output is the run report"

    step = next(step for step in pipeline.steps() if step["Name"] == f"{run.name}.1")
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
        f"dataset {pipeline.dataset} succeeded",
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
        "BytesPerRow": 5.0,
        "FilesIn": 2,
        "RejectedObjects": 0,
        "RunSeconds": 12.5,
    }


def test_rows_of_a_rejected_run_are_counted_all_the_same(own_pipeline: Make):
    pipeline = own_pipeline()
    assert pipeline.run("dirty").error == "DataRejected"
    metrics = pipeline.metrics("DataRejected")
    assert metrics["RowsOut"] == 750, "the records that were fit are in the table"
    assert metrics["RowsSetAside"] == 250


def test_an_empty_input_is_refused_too(pipeline: Pipeline):
    run = pipeline.ended(pipeline.start("empty-1", {}))
    assert (run.status, run.error) == ("FAILED", "InputRefused"), run
    assert len(pipeline.messages("critical")) == 1


def test_input_reaches_the_job_as_text_and_never_as_shell(pipeline: Pipeline, tmp_path: Path):
    trap = tmp_path / "trap"
    manifest = f"s3://{SCRIPTS}/manifests/flights/good-$(touch {trap})`touch {trap}`; touch {trap} #'\"$HOME.json"
    run = pipeline.run("good", manifest=manifest)
    assert run.status == "SUCCEEDED", run
    assert run.output["manifest"] == manifest, "the job gets the manifest's address character by character"
    assert not trap.exists(), "a shell ran a part of the input"
    pipeline.messages("success")


def test_executions_share_a_cluster(own_pipeline: Make):
    pipeline = own_pipeline()
    executions = [pipeline.start(*pipeline.input("good")) for _ in range(4)]
    runs = [pipeline.ended(execution) for execution in executions]
    assert [run.status for run in runs] == ["SUCCEEDED"] * 4
    assert len({run.output["manifest"] for run in runs}) == 4, "every execution reads its own report"


def test_an_input_that_pins_no_job_runs_the_one_of_the_deployment(pipeline: Pipeline):
    name, given = pipeline.input("good")
    del given["job"]
    assert pipeline.ended(pipeline.start(name, given)).status == "SUCCEEDED"
    step = next(step for step in pipeline.steps() if step["Name"] == f"{name}.1")
    assert JOB_URI in step["Config"]["Args"]
    pipeline.messages("success")


def test_a_deployment_changes_no_execution_under_way(own_pipeline: Make):
    pipeline = own_pipeline()
    states = pipeline.client("stepfunctions")
    old = states.publish_state_machine_version(stateMachineArn=pipeline.arn)["stateMachineVersionArn"]
    route = [{"stateMachineVersionArn": old, "weight": 100}]
    alias = states.create_state_machine_alias(name="live", routingConfiguration=route)["stateMachineAliasArn"]
    name, given = pipeline.input("slow")
    execution = pipeline.start(name, given, alias)
    pipeline.wait_until_it_enters("WaitForStep")

    changed = states.describe_state_machine(stateMachineArn=pipeline.arn)["definition"].replace(
        "run succeeded", "changed"
    )
    new = states.update_state_machine(stateMachineArn=pipeline.arn, definition=changed, publish=True)
    route = [{"stateMachineVersionArn": new["stateMachineVersionArn"], "weight": 100}]
    states.update_state_machine_alias(stateMachineAliasArn=alias, routingConfiguration=route)

    assert pipeline.ended(execution).status == "SUCCEEDED"
    (message,) = pipeline.messages("success")
    assert message["Subject"].endswith("run succeeded"), "it ends by the definition that it began with"
    assert pipeline.ended(pipeline.start(*pipeline.input("good"), alias)).status == "SUCCEEDED"
    (message,) = pipeline.messages("success")
    assert message["Subject"].endswith("changed"), "the next one runs the new definition"
