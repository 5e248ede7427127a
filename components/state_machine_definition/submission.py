"""Add the step once, even when the answer of the call is lost, and wait when the cluster is full.

AddJobFlowSteps has no client token. A submission whose outcome is unknown is looked up by the step's name, which holds
the execution and the number of the try, before it is tried again; only a refusal that surely added no step is simply
retried.
"""

from __future__ import annotations

from components.iam import Document
from components.state_machine_definition.language import (
    LONGEST_RETRY_DELAY_SECONDS,
    PERMANENT,
    array,
    as_text,
    counted,
    formatted,
    literal,
)
from components.state_machine_definition.limits import room_looks
from components.state_machine_definition.outcomes import STEP_LOST, SUBMISSION_REFUSED
from components.state_machine_definition.pieces import Pieces, wrapper_arguments

LISTED_STEPS = 50
"""Steps in an answer of ListSteps, newest first. Ours is among them: an execution looks right after its submission, and
the dispatcher lets fewer executions run than that."""

FULL = "*Maximum number of active steps*"
"""What EMR says when 256 steps wait or run (EMR API reference, AddJobFlowSteps)."""


def _submit(pieces: Pieces) -> Document:
    settings = pieces.settings
    arguments = wrapper_arguments(
        pieces.around,
        literal(pieces.around.realm),
        "$.run.execution",
        literal("--deploy-mode"),
        literal("cluster"),
        literal("--name"),
        "$.run.execution",
        *([literal("--executor-memory"), literal(settings.executor_memory)] if settings.executor_memory else []),
        literal("--conf"),
        literal("spark.yarn.submit.waitAppCompletion=true"),
        literal("--conf"),
        literal("spark.yarn.maxAppAttempts=1"),
        "$.run.job",
        literal("--manifest"),
        "$.run.manifest",
        literal("--report"),
        "$.run.reportUri",
    )
    state = pieces.task(
        "elasticmapreduce:addStep",
        "Answers with the step's id at once. A throttled call added no step and is retried; "
        "after any other error FindSubmittedStep looks first.",
        {
            "ClusterId.$": "$.cluster.id",
            "Step": {
                "Name.$": formatted("{}.{}", "$.run.execution", "$.step.attempt"),
                "ActionOnFailure": "CONTINUE",
                "HadoopJarStep": {"Jar": "command-runner.jar", "Args.$": arguments},
            },
        },
        selector={"id.$": "$.StepId"},
        result_path="$.submitted",
        transient=["EMR.ThrottlingException", "ElasticMapReduce.ThrottlingException"],
        catch="FindSubmittedStep",
        next_state="TakeSubmittedStep",
    )
    refused = {"ErrorEquals": list(PERMANENT), "ResultPath": "$.error", "Next": "ExplainSubmissionRefused"}
    return state | {"Catch": [refused, state["Catch"][-1]]}


def states(pieces: Pieces) -> dict[str, Document]:
    """From a cluster that takes steps to a step with an id."""
    settings = pieces.settings
    room = room_looks(settings)
    longest = [
        min(LONGEST_RETRY_DELAY_SECONDS, settings.retry_interval_seconds * 2**index)
        for index in range(settings.retry_attempts)
    ]
    full = [
        {"Variable": "$.error.Cause", "IsPresent": True},
        {"Variable": "$.error.Cause", "StringMatches": FULL},
    ]
    return {
        "SubmitStep": _submit(pieces),
        "TakeSubmittedStep": _take_step("$.submitted.id"),
        "FindSubmittedStep": pieces.task(
            "aws-sdk:emr:listSteps",
            f"The newest {LISTED_STEPS} steps: is ours among them, although its submission seemed to fail?",
            {"ClusterId.$": "$.cluster.id"},
            selector={"names.$": "$.Steps[*].Name", "ids.$": "$.Steps[*].Id"},
            result_path="$.listed",
            permanent=["Emr.InvalidRequestException"],
            error_path="$.listError",
            catch="ExplainSubmissionUnknown",
            next_state="BeginSearch",
        ),
        "BeginSearch": {
            "Type": "Pass",
            "Parameters": {
                "wanted.$": formatted("{}.{}", "$.run.execution", "$.step.attempt"),
                "there.$": "States.ArrayContains($.listed.names, "
                + formatted("{}.{}", "$.run.execution", "$.step.attempt")
                + ")",
                "index": 0,
            },
            "ResultPath": "$.search",
            "Next": "StepSubmitted",
        },
        "StepSubmitted": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.search.there", "BooleanEquals": True, "Next": "ReadStepName"},
                {
                    "And": [*full, {"Variable": "$.room.count", "NumericLessThan": room.count}],
                    "Next": "CountRoomLook",
                },
                {"And": full, "Next": "ExplainClusterFull"},
                {
                    "Variable": "$.submissions.count",
                    "NumericLessThan": settings.retry_attempts,
                    "Next": "DelaySubmission",
                },
            ],
            "Default": "ExplainSubmissionRefused",
        },
        "CountRoomLook": counted("room", "WaitForRoom"),
        "WaitForRoom": {
            "Type": "Wait",
            "Comment": "EMR takes no more steps until one ends.",
            "Seconds": room.seconds,
            "Next": "DescribeCluster",
        },
        "ReadStepName": {
            "Type": "Pass",
            "Parameters": {
                "wanted.$": "$.search.wanted",
                "index.$": "States.MathAdd($.search.index, 1)",
                "name.$": "States.ArrayGetItem($.listed.names, $.search.index)",
                "id.$": "States.ArrayGetItem($.listed.ids, $.search.index)",
            },
            "ResultPath": "$.search",
            "Next": "OwnStep",
        },
        "OwnStep": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.search.name", "StringEqualsPath": "$.search.wanted", "Next": "TakeFoundStep"}],
            "Default": "ReadStepName",
        },
        "TakeFoundStep": _take_step("$.search.id"),
        "DelaySubmission": {
            "Type": "Pass",
            "Comment": "Full jitter: a random wait up to a limit that doubles.",
            "Parameters": {
                "count.$": "States.MathAdd($.submissions.count, 1)",
                # The end of MathRandom is exclusive.
                "seconds.$": "States.MathRandom(1, States.ArrayGetItem("
                f"{array(*(str(seconds + 1) for seconds in longest))}, $.submissions.count))",
            },
            "ResultPath": "$.submissions",
            "Next": "WaitToSubmit",
        },
        "WaitToSubmit": {
            "Type": "Wait",
            "Comment": "The cluster is looked at again: a refusal is often its end.",
            "SecondsPath": "$.submissions.seconds",
            "Next": "FindCluster",
        },
        "ExplainSubmissionRefused": pieces.explain(
            SUBMISSION_REFUSED,
            formatted("cluster {} did not take the step: {}", "$.cluster.id", as_text("$.error")),
        ),
        "ExplainClusterFull": pieces.explain(
            SUBMISSION_REFUSED,
            formatted(
                f"cluster {{}} had as many active steps as it may for {settings.busy_wait_minutes} minutes: {{}}",
                "$.cluster.id",
                "$.error.Cause",
            ),
        ),
        "ExplainSubmissionUnknown": pieces.explain(
            STEP_LOST,
            formatted(
                "the submission of the step to cluster {} failed ({}), and whether the step was added could not be "
                "looked up: {}",
                "$.cluster.id",
                as_text("$.error"),
                as_text("$.listError"),
            ),
        ),
    }


def _take_step(path: str) -> Document:
    """Remember the step's id beside the number of its try."""
    return {
        "Type": "Pass",
        "Parameters": {"id.$": path, "attempt.$": "$.step.attempt"},
        "ResultPath": "$.step",
        "Next": "WaitForStep",
    }
