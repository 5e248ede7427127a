"""Read what the job did, and judge it: rows, rejected objects, set-aside ratio, volume against history."""

from __future__ import annotations

from components.iam import Document
from components.state_machine_definition.language import as_text, formatted, present
from components.state_machine_definition.outcomes import DATA_REJECTED, REPORT_UNREADABLE
from components.state_machine_definition.pieces import Pieces

NUMBERS = (
    "rows.in",
    "rows.out",
    "rows.setAside",
    "bytes.in",
    "bytes.out",
    "bytesPerRow",
    "files.in",
    "files.out",
    "partitionCount",
    "seconds",
    "rejectedCount",
    "setAsideRatio",
)
"""Figures that a report must have."""


def states(pieces: Pieces) -> dict[str, Document]:
    """From a completed step to figures that may be published."""
    return {**_reading(pieces), **_judgement(pieces), **_history(pieces)}


def _reading(pieces: Pieces) -> dict[str, Document]:
    whole = [
        *present("$.read.report.manifest", {"IsString": True}, {"StringEqualsPath": "$.run.manifest"}),
        *(rule for path in NUMBERS for rule in present(f"$.read.report.{path}", {"IsNumeric": True})),
        *present("$.read.report.rejectedObjects"),
        *present("$.read.report.setAsideReasons"),
    ]
    return {
        "ReadReport": pieces.task(
            "aws-sdk:s3:getObject",
            "What did the job do?",
            {"Bucket.$": "$.run.report.bucket", "Key.$": "$.run.report.key"},
            selector={"report.$": "States.StringToJson($.Body)"},
            result_path="$.read",
            permanent=["S3.NoSuchKeyException"],
            catch="ExplainReportMissing",
            next_state="ReportWhole",
        ),
        "ReportWhole": {
            "Type": "Choice",
            "Comment": "Is it a report of this run, with all its figures?",
            "Choices": [{"And": whole, "Next": "CheckReport"}],
            "Default": "ExplainReportMalformed",
        },
        "ExplainReportMissing": pieces.explain(
            REPORT_UNREADABLE,
            formatted("the report {} could not be read: {}", "$.run.reportUri", as_text("$.error")),
        ),
        "ExplainReportMalformed": pieces.explain(
            REPORT_UNREADABLE,
            formatted("the report {} is not a report of this run, or lacks figures", "$.run.reportUri"),
        ),
    }


def _judgement(pieces: Pieces) -> dict[str, Document]:
    settings = pieces.settings
    rejected = {"Variable": "$.read.report.rejectedCount", "NumericGreaterThan": 0}
    return {
        "CheckReport": {
            "Type": "Choice",
            "Comment": "Was every object fit, were few enough records set aside, and were there rows at all?",
            "Choices": [
                {"And": [rejected, *present("$.read.report.rejectedObjects[0]")], "Next": "TakeRejectedObject"},
                {**rejected, "Next": "ExplainReportMalformed"},
                {
                    "Variable": "$.read.report.setAsideRatio",
                    "NumericGreaterThan": settings.maximum_set_aside_ratio,
                    "Next": "ExplainSetAside",
                },
                {
                    "Variable": "$.read.report.rows.in",
                    "NumericLessThan": settings.minimum_rows,
                    "Next": "ExplainFewRows",
                },
            ],
            "Default": "ReadHistory",
        },
        "TakeRejectedObject": {
            "Type": "Pass",
            "Parameters": {"first.$": "States.ArrayGetItem($.read.report.rejectedObjects, 0)"},
            "ResultPath": "$.rejected",
            "Next": "RejectionExplained",
        },
        "RejectionExplained": {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [*present("$.rejected.first.object"), *present("$.rejected.first.reason")],
                    "Next": "ExplainRejectedObjects",
                }
            ],
            "Default": "ExplainReportMalformed",
        },
        "ExplainRejectedObjects": pieces.explain(
            DATA_REJECTED,
            formatted(
                "{} of {} objects were rejected, the first, {}, because: {}. Everything else was processed",
                "$.read.report.rejectedCount",
                "$.run.objects",
                "$.rejected.first.object",
                "$.rejected.first.reason",
            ),
        ),
        "ExplainSetAside": pieces.explain(
            DATA_REJECTED,
            formatted(
                "{} of {} records were set aside, a share of {}, where "
                f"orchestration.maximumSetAsideRatio allows {settings.maximum_set_aside_ratio:g}; "
                "reasons: {}. The other records were processed",
                "$.read.report.rows.setAside",
                "$.read.report.rows.in",
                "$.read.report.setAsideRatio",
                as_text("$.read.report.setAsideReasons"),
            ),
        ),
        "ExplainFewRows": pieces.explain(
            DATA_REJECTED,
            formatted(
                "{} files of {} bytes held {} rows, where "
                f"orchestration.minimumRows asks for {settings.minimum_rows}. What there was is processed",
                "$.read.report.files.in",
                "$.read.report.bytes.in",
                "$.read.report.rows.in",
            ),
        ),
    }


def _history(pieces: Pieces) -> dict[str, Document]:
    """Bytes a row hardly change with the size of a run, and change at once with the form of the files: a truncated,
    doubled or wrongly encoded delivery shows in them. The bounds come of the metrics of earlier runs; the
    housekeeping function keeps them in the ledger."""
    bounds = ("lowestBytesPerRow", "highestBytesPerRow")
    known = [rule for name in bounds for rule in present(f"$.history.Item.{name}.N")]
    volume = "$.read.report.bytesPerRow"
    return {
        "ReadHistory": pieces.task(
            "dynamodb:getItem",
            "What did earlier runs of the dataset look like?",
            {
                "TableName": pieces.around.ledger_table_name,
                "Key": {"pk": {"S.$": formatted("history#{}", "$.run.dataset")}, "sk": {"S": "history"}},
            },
            result_path="$.history",
            # A check that could not be made holds nothing up.
            catch="NoteMissingHistory",
            error_path="$.ledgerError",
            next_state="HistoryKnown",
        ),
        "NoteMissingHistory": pieces.note(
            "ledger", "The volume could not be compared with history", "$.ledgerError", "PublishMetrics"
        ),
        "HistoryKnown": {
            "Type": "Choice",
            "Comment": "A dataset has no history before its first runs.",
            "Choices": [{"And": known, "Next": "TakeHistory"}],
            "Default": "PublishMetrics",
        },
        "TakeHistory": {
            "Type": "Pass",
            "Parameters": {f"{name}.$": f"States.StringToJson($.history.Item.{name}.N)" for name in bounds},
            "ResultPath": "$.usual",
            "Next": "CheckVolume",
        },
        "CheckVolume": {
            "Type": "Choice",
            "Choices": [
                {"Variable": volume, "NumericLessThanPath": f"$.usual.{bounds[0]}", "Next": "ExplainVolume"},
                {"Variable": volume, "NumericGreaterThanPath": f"$.usual.{bounds[1]}", "Next": "ExplainVolume"},
            ],
            "Default": "PublishMetrics",
        },
        "ExplainVolume": pieces.explain(
            DATA_REJECTED,
            formatted(
                "{} rows in {} bytes are {} bytes a row; by its history the dataset has {} to {} "
                "(orchestration.volumeFactor). Everything was processed",
                "$.read.report.rows.in",
                "$.read.report.bytes.in",
                volume,
                f"$.usual.{bounds[0]}",
                f"$.usual.{bounds[1]}",
            ),
        ),
    }
