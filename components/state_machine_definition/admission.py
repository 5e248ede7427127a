"""From the input to the shape that the other states work on, and the run's entry in the ledger."""

from __future__ import annotations

from components.iam import Document
from components.job import CALL_WRAPPER
from components.state_machine_definition.language import as_text, formatted, present
from components.state_machine_definition.outcomes import INPUT_REFUSED, INTERNAL_ERROR
from components.state_machine_definition.pieces import CONDITION_FAILED, Pieces

COUNTERS = ("looks", "replacements", "room", "submissions", "polls")
"""Counters of the loops; see `limits`."""


def _texts(title: str, replacement_hours: float) -> Document:
    """Templates of the messages; they are values rather than literals, because they have line breaks."""
    return {
        "success": (
            f"{title}: a run of dataset {{}} succeeded.\n\n"
            "Rows: {} read, {} written, {} set aside\n"
            "Files: {} read, {} written, in {} partitions\n"
            "Seconds: {}\n"
            "Execution: {}\nManifest: {}\nReport: {}\n{}{}"
        ),
        "failure": (
            f"{title}: a run of dataset {{}} failed ({{}}).\n\n"
            "Reason: {}\n\nWhat to do: {}\n\n"
            "Input: {} objects, {} bytes\n"
            "Execution: {}\nManifest: {}\nReport: {}\n{}{}"
        ),
        "gone": (
            f"{title}: cluster {{}} is {{}} and takes no steps.\n\n"
            "A run of dataset {} ({} objects) waits until the parameter {} names a cluster that takes steps, for "
            f"{replacement_hours:g} hours at most; then it goes on by itself.\n\n"
            "What to do: bring the cluster back with an update of the stack.\n\n"
            "Execution: {}\nManifest: {}\n"
        ),
    }


def states(pieces: Pieces) -> dict[str, Document]:
    """Check the input, give the run its shape, and claim the manifest in the ledger."""
    around = pieces.around
    shared: Document = {
        **{name: {"count": 0} for name in COUNTERS},
        "texts": _texts(pieces.title, pieces.settings.cluster_replacement_hours),
        "call": CALL_WRAPPER,
        "notes": {"metrics": {"text": ""}, "ledger": {"text": ""}},
        "cluster": {"id": "none"},
        "seen": {"state": "UNKNOWN"},
        "step": {"id": "none", "attempt": 1},
        "read": {},
    }
    return {
        "CheckInput": {
            "Type": "Choice",
            "Comment": "Is the input what the dispatcher gives?",
            "Choices": [
                {
                    "And": [
                        *present(
                            "$.manifest",
                            {"IsString": True},
                            {"StringMatches": f"s3://{around.scripts_bucket}/manifests/*.json"},
                        ),
                        *present("$.manifestHash", {"IsString": True}),
                        *present("$.attempt", {"IsNumeric": True}),
                        *present("$.dataset", {"IsString": True}),
                        *present("$.objects", {"IsNumeric": True}),
                        *present("$.bytes", {"IsNumeric": True}),
                        *present("$.report.bucket", {"StringEquals": around.processed_bucket}),
                        *present("$.report.key", {"IsString": True}, {"StringMatches": "_reports/*.json"}),
                    ],
                    "Next": "JobPinned",
                }
            ],
            "Default": "RefuseInput",
        },
        "JobPinned": {
            "Type": "Choice",
            "Comment": "The dispatcher pins the job's code when it plans the manifest; by hand one may leave it out.",
            "Choices": [
                {"Variable": "$.job", "IsPresent": False, "Next": "PinJob"},
                {
                    "And": [
                        {"Variable": "$.job", "IsString": True},
                        {"Variable": "$.job", "StringMatches": f"s3://{around.scripts_bucket}/jobs/*"},
                    ],
                    "Next": "Begin",
                },
            ],
            "Default": "RefuseInput",
        },
        "PinJob": {"Type": "Pass", "Result": around.job_uri, "ResultPath": "$.job", "Next": "Begin"},
        "RefuseInput": {
            "Type": "Pass",
            "Parameters": {
                **shared,
                "given.$": "$",
                "run": {
                    "recorded": False,
                    "execution.$": "$$.Execution.Name",
                    "hash": "unknown",
                    "attempt": 0,
                    "dataset": "unknown",
                    "manifest": "unknown",
                    "reportUri": "none",
                    "objects": 0,
                    "bytes": 0,
                },
            },
            "Next": "ExplainRefusedInput",
        },
        "ExplainRefusedInput": pieces.explain(
            INPUT_REFUSED, formatted("the input is not what the dispatcher gives: {}", as_text("$.given"))
        ),
        "Begin": {
            "Type": "Pass",
            "Parameters": {
                **shared,
                "run": {
                    "recorded": True,
                    "execution.$": "$$.Execution.Name",
                    "hash.$": "$.manifestHash",
                    "attempt.$": "$.attempt",
                    "dataset.$": "$.dataset",
                    "manifest.$": "$.manifest",
                    "job.$": "$.job",
                    "objects.$": "$.objects",
                    "bytes.$": "$.bytes",
                    "report.$": "$.report",
                    "reportUri.$": formatted("s3://{}/{}", "$.report.bucket", "$.report.key"),
                },
            },
            "Next": "ClaimManifest",
        },
        "ClaimManifest": pieces.record(
            "From now on the ledger says that the manifest runs, and in which execution.",
            {
                "state": "running",
                "execution": "$.run.execution",
                "dataset": "$.run.dataset",
                "uri": "$.run.manifest",
                "startedAt": "$$.Execution.StartTime",
            },
            next_state="FindCluster",
            catch="LeaveLedger",
            catch_by_name={CONDITION_FAILED: "LeaveOvertaken"},
        ),
        "LeaveOvertaken": _leave("ExplainOvertaken"),
        "LeaveLedger": _leave("ExplainLedgerClosed"),
        "ExplainOvertaken": pieces.explain(
            INPUT_REFUSED,
            formatted("the ledger has a later attempt than {} at manifest {}", "$.run.attempt", "$.run.manifest"),
        ),
        "ExplainLedgerClosed": pieces.explain(
            INTERNAL_ERROR,
            formatted("the ledger could not be written, so nothing was begun: {}", as_text("$.ledgerError")),
        ),
    }


def _leave(next_state: str) -> Document:
    """The manifest's entry in the ledger is not this execution's to change."""
    return {"Type": "Pass", "Result": False, "ResultPath": "$.run.recorded", "Next": next_state}
