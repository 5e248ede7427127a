"""How an execution can end: each way has a name that its metric, its ledger entry, its message and its error carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SUCCEEDED = "Succeeded"
"""Outcome when all went well; a failure's is its name."""


@dataclass(frozen=True)
class Failure:
    """A way to fail."""

    name: str
    """Outcome in the ledger, metric dimension, and error name of the execution."""
    advice: str
    """What the message tells its reader to do."""
    severity: Literal["critical", "warning"] = "critical"
    """Topic that it is told on: critical, unless the pipeline itself did what it should."""
    state: Literal["failed", "succeeded"] = "failed"
    """State of the manifest in the ledger: only what failed is driven again."""


_REDRIVE = "drive the manifest again (python -m functions.ledger redrive)"

INPUT_REFUSED = Failure("InputRefused", "Start executions through the dispatcher, or give the input that it gives.")
CLUSTER_UNAVAILABLE = Failure(
    "ClusterUnavailable", f"Look at the cluster; when the parameter names one that takes steps, {_REDRIVE}."
)
SUBMISSION_REFUSED = Failure(
    "SubmissionRefused",
    f"Look at the cluster's steps (256 may wait or run) and at the execution's role; then {_REDRIVE}.",
)
STEP_FAILED = Failure("StepFailed", f"Read the step's log, mend the cause, and {_REDRIVE}.")
STEP_TIMED_OUT = Failure(
    "StepTimedOut",
    "See whether the cluster was short of nodes or the input larger than usual; raise orchestration.stepTimeoutMinutes "
    f"or {_REDRIVE}.",
)
STEP_LOST = Failure("StepLost", f"The step may still run: look at it in EMR, and only when it has ended {_REDRIVE}.")
DATA_REJECTED = Failure(
    "DataRejected",
    "Mend the files at their source and drop them again under new keys (a key that comes again is held unless the "
    "dataset's overwrites is add); nothing that was fit was held back.",
    "warning",
)
REPORT_UNREADABLE = Failure(
    "ReportUnreadable", f"The step completed, but what it did is unknown: read its log, then {_REDRIVE}."
)
NOTIFICATION_FAILED = Failure(
    "NotificationFailed",
    "The data is in place; mend the success topic. Nothing needs to be driven again.",
    "warning",
    "succeeded",
)
INTERNAL_ERROR = Failure(
    "InternalError", f"A call of the pipeline's own failed: mend what the reason names, then {_REDRIVE}."
)

FAILURES = (
    INPUT_REFUSED,
    CLUSTER_UNAVAILABLE,
    SUBMISSION_REFUSED,
    STEP_FAILED,
    STEP_TIMED_OUT,
    STEP_LOST,
    DATA_REJECTED,
    REPORT_UNREADABLE,
    NOTIFICATION_FAILED,
    INTERNAL_ERROR,
)
"""Every failure that an execution tells itself, in the order of the pipeline."""

EXECUTION_ABORTED = Failure(
    "ExecutionAborted", f"Somebody stopped the execution; its step was cancelled. If its files are wanted, {_REDRIVE}."
)
EXECUTION_TIMED_OUT = Failure(
    "ExecutionTimedOut",
    f"The execution hung beyond all its waits; its step was cancelled. Read its history, then {_REDRIVE}.",
)

SETTLED_FAILURES = (EXECUTION_ABORTED, EXECUTION_TIMED_OUT, INTERNAL_ERROR)
"""Failures of executions that could not tell them themselves; the housekeeping function does."""
