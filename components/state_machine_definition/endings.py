"""How an execution ends: counted, entered in the ledger, told; with its error when it failed."""

from __future__ import annotations

from components.iam import Document
from components.state_machine_definition.language import as_text, formatted
from components.state_machine_definition.outcomes import DATA_REJECTED, FAILURES, NOTIFICATION_FAILED, SUCCEEDED
from components.state_machine_definition.pieces import CONDITION_FAILED, Pieces


def states(pieces: Pieces) -> dict[str, Document]:
    """Both ends."""
    return {**_success(pieces), **_failure(pieces)}


def _success(pieces: Pieces) -> dict[str, Document]:
    figures = ("rows.in", "rows.out", "rows.setAside", "files.in", "files.out", "partitionCount", "seconds")
    message = [
        "$.texts.success",
        "$.run.dataset",
        *(f"$.read.report.{path}" for path in figures),
        "$$.Execution.Id",
        "$.run.manifest",
        "$.run.reportUri",
        "$.notes.metrics.text",
        "$.notes.ledger.text",
    ]
    return {
        "PublishMetrics": pieces.metrics(
            "Figures of the run.",
            {"Value": SUCCEEDED},
            figures=True,
            catch="NoteMissingMetrics",
            next_state="RecordSuccess",
        ),
        "NoteMissingMetrics": pieces.note(
            "metrics", "The metrics of this run are missing", "$.metricsError", "RecordSuccess"
        ),
        "RecordSuccess": pieces.record(
            "The ledger says that the manifest is done.",
            {
                "state": "succeeded",
                "outcome": SUCCEEDED,
                "reason": "",
                "endedAt": "$$.State.EnteredTime",
            },
            # Housekeeping enters it later.
            catch="NoteMissingRecord",
            # A later attempt has its own entry.
            catch_by_name={CONDITION_FAILED: "NotifySuccess"},
            next_state="NotifySuccess",
        ),
        "NoteMissingRecord": pieces.note(
            "ledger", "The ledger does not know of this yet", "$.ledgerError", "NotifySuccess"
        ),
        "NotifySuccess": pieces.task(
            "sns:publish",
            "Tell the success.",
            {
                "TopicArn": pieces.around.success_topic_arn,
                "Subject": f"{pieces.title}: run succeeded",
                "Message.$": f"States.Format({', '.join(message)})",
            },
            result_path=None,
            catch="ExplainNotificationFailed",
            next_state="Succeeded",
        )
        | {"OutputPath": "$.read.report"},
        "ExplainNotificationFailed": pieces.explain(
            NOTIFICATION_FAILED,
            formatted("the data was processed, but its success could not be told: {}", as_text("$.error")),
        ),
        "Succeeded": {"Type": "Succeed", "Comment": "The output is the run report."},
    }


def _failure(pieces: Pieces) -> dict[str, Document]:
    message = [
        "$.texts.failure",
        "$.run.dataset",
        "$.failure.outcome",
        "$.failure.reason",
        "$.failure.advice",
        "$.run.objects",
        "$.run.bytes",
        "$$.Execution.Id",
        "$.run.manifest",
        "$.run.reportUri",
        "$.notes.metrics.text",
        "$.notes.ledger.text",
    ]
    ends: dict[str, Document] = {
        failure.name: {
            "Type": "Fail",
            "Comment": failure.advice,
            "Error": failure.name,
            "CausePath": "$.failure.reason",
        }
        for failure in FAILURES
    }
    return {
        "Recorded": {
            "Type": "Choice",
            "Comment": "Is the manifest's entry in the ledger this execution's?",
            "Choices": [{"Variable": "$.run.recorded", "BooleanEquals": True, "Next": "RecordFailure"}],
            "Default": "PublishFailureMetrics",
        },
        "RecordFailure": pieces.record(
            "The ledger says what became of the manifest; its objects are kept, and it can be driven again.",
            {
                "state": "$.failure.state",
                "outcome": "$.failure.outcome",
                "reason": "$.failure.reason",
                "endedAt": "$$.State.EnteredTime",
            },
            catch="NoteMissingFailureRecord",
            catch_by_name={CONDITION_FAILED: "FiguresKnown"},
            next_state="FiguresKnown",
        ),
        "NoteMissingFailureRecord": pieces.note(
            "ledger", "The ledger does not know of this yet", "$.ledgerError", "FiguresKnown"
        ),
        "FiguresKnown": {
            "Type": "Choice",
            "Choices": [
                {
                    "Variable": "$.failure.outcome",
                    "StringEquals": DATA_REJECTED.name,
                    "Next": "PublishRejectionMetrics",
                }
            ],
            "Default": "PublishFailureMetrics",
        },
        "PublishRejectionMetrics": pieces.metrics(
            "Rows flowed although the run counts as rejected.",
            {"Value": DATA_REJECTED.name},
            figures=True,
            catch="NoteMissingFailureMetrics",
            next_state="NotifyFailure",
        ),
        "PublishFailureMetrics": pieces.metrics(
            "Count the failure.",
            {"Value.$": "$.failure.outcome"},
            figures=False,
            catch="NoteMissingFailureMetrics",
            next_state="NotifyFailure",
        ),
        "NoteMissingFailureMetrics": pieces.note(
            "metrics", "The metrics of this run are missing", "$.metricsError", "NotifyFailure"
        ),
        "NotifyFailure": pieces.task(
            "sns:publish",
            "Tell the failure.",
            {
                "TopicArn.$": "$.failure.topic",
                "Subject.$": formatted(f"{pieces.title}: {{}}", "$.failure.outcome"),
                "Message.$": f"States.Format({', '.join(message)})",
            },
            result_path=None,
            error_path="$.notificationError",
            catch="ExplainSilence",
            next_state="Outcome",
        ),
        "ExplainSilence": {
            "Type": "Pass",
            "Comment": "The execution fails with its own error either way; the cause says that nobody was told.",
            "Parameters": {
                "outcome.$": "$.failure.outcome",
                "reason.$": formatted(
                    "{} (the failure could not be told: {})", "$.failure.reason", as_text("$.notificationError")
                ),
            },
            "ResultPath": "$.failure",
            "Next": "Outcome",
        },
        "Outcome": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.failure.outcome", "StringEquals": failure.name, "Next": failure.name}
                for failure in FAILURES[1:]
            ],
            "Default": FAILURES[0].name,
        },
        **ends,
    }
