"""Watch the step to its end; cancel it when it takes too long; read why it failed, and try again where that helps.

Another try helps when the job says that its error was of the moment, when the cluster ended under the step, and when
the step died without a word: a lost node, a killed process. It does not when the job names a mistake in its input, nor
when somebody cancelled the step. Output commits tolerate that the first try still lives somewhere.
"""

from __future__ import annotations

from components.iam import Document
from components.state_machine_definition.language import as_text, counted, formatted, literal, one_of, present
from components.state_machine_definition.limits import step_watch
from components.state_machine_definition.outcomes import STEP_FAILED, STEP_LOST, STEP_TIMED_OUT
from components.state_machine_definition.pieces import Pieces, wrapper_arguments

ENDED_CLUSTER_STATES = ("TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS")


def states(pieces: Pieces) -> dict[str, Document]:
    """From a step's id to its end."""
    return {**_watch(pieces), **_timeout(pieces), **_failure(pieces)}


def _watch(pieces: Pieces) -> dict[str, Document]:
    watch = step_watch(pieces.settings)
    # The last look comes after the last wait: a look fewer than waits is counted.
    running: list[Document] = [
        {"Variable": "$.polls.count", "NumericLessThan": watch.fast.count - 1, "Next": "CountPoll"}
    ]
    slow: dict[str, Document] = {}
    if watch.slow is not None:
        running.append({"Variable": "$.polls.count", "NumericLessThan": watch.looks - 1, "Next": "CountSlowPoll"})
        slow = {
            "CountSlowPoll": counted("polls", "WaitLongerForStep"),
            "WaitLongerForStep": {"Type": "Wait", "Seconds": watch.slow.seconds, "Next": "DescribeStep"},
        }
    return {
        "WaitForStep": {"Type": "Wait", "Seconds": watch.fast.seconds, "Next": "DescribeStep"},
        "DescribeStep": pieces.task(
            "aws-sdk:emr:describeStep",
            "How far is the step?",
            {"ClusterId.$": "$.cluster.id", "StepId.$": "$.step.id"},
            selector={"status.$": "$.Step.Status"},
            result_path="$.observed",
            permanent=["Emr.InvalidRequestException"],
            catch="ExplainStepLost",
            next_state="StepState",
        ),
        "StepState": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.observed.status.State", "StringEquals": "COMPLETED", "Next": "ReadReport"},
                {
                    **one_of("$.observed.status.State", ["FAILED", "CANCELLED", "INTERRUPTED"]),
                    "Next": "ReadFailedReport",
                },
                *running,
            ],
            "Default": "CancelStep",
        },
        "CountPoll": counted("polls", "WaitForStep"),
        **slow,
        "ExplainStepLost": pieces.explain(
            STEP_LOST,
            formatted(
                "step {} of cluster {} could not be looked at: {}", "$.step.id", "$.cluster.id", as_text("$.error")
            ),
        ),
    }


def _timeout(pieces: Pieces) -> dict[str, Document]:
    arguments = wrapper_arguments(pieces.around, literal("--stop"), literal(pieces.around.realm), "$.run.execution")
    return {
        "CancelStep": pieces.task(
            "elasticmapreduce:cancelStep",
            "The step had its time.",
            {"ClusterId.$": "$.cluster.id", "StepId.$": "$.step.id"},
            result_path="$.cancellation",
            error_path="$.cancellation",
            catch="StopApplication",
            next_state="StopApplication",
        ),
        "StopApplication": pieces.task(
            "elasticmapreduce:addStep",
            "Cancelling ends the step's process; this ends its YARN application, found by its tag.",
            {
                "ClusterId.$": "$.cluster.id",
                "Step": {
                    "Name.$": formatted("stop-{}", "$.run.execution"),
                    "ActionOnFailure": "CONTINUE",
                    "HadoopJarStep": {"Jar": "command-runner.jar", "Args.$": arguments},
                },
            },
            result_path="$.stop",
            error_path="$.stop",
            catch="ExplainStepTimedOut",
            next_state="ExplainStepTimedOut",
        ),
        "ExplainStepTimedOut": pieces.explain(
            STEP_TIMED_OUT,
            formatted(
                f"step {{}} was {{}} and not done after {pieces.settings.step_timeout_minutes} minutes. "
                "Cancelling it: {}. Stopping its application: {}",
                "$.step.id",
                "$.observed.status.State",
                as_text("$.cancellation"),
                as_text("$.stop"),
            ),
        ),
    }


def _failure(pieces: Pieces) -> dict[str, Document]:
    settings = pieces.settings

    def ended(text: str, *values: str) -> str:
        return formatted(
            "step {} of cluster {} ended {} in try {}" + text,
            "$.step.id",
            "$.cluster.id",
            "$.observed.status.State",
            "$.step.attempt",
            *values,
        )

    return {
        "ReadFailedReport": pieces.task(
            "aws-sdk:s3:getObject",
            "A job that fails writes why, if it still can.",
            {"Bucket.$": "$.run.report.bucket", "Key.$": "$.run.report.key"},
            selector={"report.$": "States.StringToJson($.Body)"},
            result_path="$.read",
            catch="LookAtCluster",
            permanent=["S3.NoSuchKeyException"],
            next_state="FailureReported",
        ),
        "FailureReported": {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [
                        *present("$.read.report.error", {"IsString": True}),
                        *present("$.read.report.transient", {"BooleanEquals": True}),
                    ],
                    "Next": "TriesLeft",
                },
                {"And": present("$.read.report.error", {"IsString": True}), "Next": "ExplainReportedFailure"},
            ],
            "Default": "LookAtCluster",
        },
        "LookAtCluster": pieces.task(
            "aws-sdk:emr:describeCluster",
            "The step ended without saying why: did its cluster?",
            {"ClusterId.$": "$.cluster.id"},
            selector={"state.$": "$.Cluster.Status.State"},
            result_path="$.seen",
            permanent=["Emr.InvalidRequestException"],
            catch="FailureDetailed",
            next_state="TryHelps",
        ),
        "TryHelps": {
            "Type": "Choice",
            "Comment": "Somebody who cancels a step on a cluster that lives does not want it again.",
            "Choices": [
                {**one_of("$.seen.state", ENDED_CLUSTER_STATES), "Next": "TriesLeft"},
                {"Variable": "$.observed.status.State", "StringEquals": "CANCELLED", "Next": "FailureDetailed"},
            ],
            "Default": "TriesLeft",
        },
        "TriesLeft": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.step.attempt", "NumericLessThan": settings.step_attempts, "Next": "NextTry"},
                {"And": present("$.read.report.error", {"IsString": True}), "Next": "ExplainReportedFailure"},
            ],
            "Default": "FailureDetailed",
        },
        "NextTry": {
            "Type": "Pass",
            "Comment": "Another name, so that the lookup of a doubtful submission finds no earlier step.",
            "Parameters": {"id": "none", "attempt.$": "States.MathAdd($.step.attempt, 1)"},
            "ResultPath": "$.step",
            "Next": "ForgetPolls",
        },
        "ForgetPolls": {"Type": "Pass", "Result": {"count": 0}, "ResultPath": "$.polls", "Next": "ForgetReport"},
        "ForgetReport": {"Type": "Pass", "Result": {}, "ResultPath": "$.read", "Next": "WaitToTryAgain"},
        "WaitToTryAgain": {"Type": "Wait", "Seconds": settings.step_retry_seconds, "Next": "FindCluster"},
        "FailureDetailed": {
            "Type": "Choice",
            "Comment": "EMR gives details of most failures, but not of cancelled steps.",
            "Choices": [{"And": present("$.observed.status.FailureDetails"), "Next": "ExplainStepFailed"}],
            "Default": "ExplainStepEnded",
        },
        "ExplainReportedFailure": pieces.explain(STEP_FAILED, ended(": {}", "$.read.report.error")),
        "ExplainStepFailed": pieces.explain(
            STEP_FAILED,
            ended(" without a report; EMR says: {}", as_text("$.observed.status.FailureDetails")),
        ),
        "ExplainStepEnded": pieces.explain(STEP_FAILED, ended(" without a report, and EMR gives no details")),
    }
