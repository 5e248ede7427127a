"""The definition of the pipeline's state machine, from plain values to an Amazon States Language document.

What happens to a manifest, in order; each stretch of the way is a module::

    admission    CheckInput ─► Begin ─► ClaimManifest
    cluster      FindCluster ─► DescribeCluster ─► ClusterReady
    submission   SubmitStep
    step         WaitForStep ─► DescribeStep ─► StepState
    report       ReadReport ─► ReportWhole ─► CheckReport ─► ReadHistory ─► CheckVolume
    endings      PublishMetrics ─► RecordSuccess ─► NotifySuccess ─► Succeeded

Every way to fail has an outcome of its own (`outcomes`): it is explained in words where it happens, entered in the
ledger, counted, told on the topic of its severity, and ends in a Fail state whose error is the outcome's name.

Rules that the document keeps, and why:

* The query language is JSONPath, and a path is only read where it is known to be there: a missing one ends the
  execution with ``States.Runtime``, which nothing catches (Step Functions guide, "Handling errors in workflows").
* Loops count, and the worst case stays well below the events that an execution's history may hold (`limits`).
* Values of the input reach the shell as arguments of a fixed script, never as part of its text.
"""

from __future__ import annotations

from components.iam import Document
from components.state_machine_definition import admission, cluster, endings, report, step, submission
from components.state_machine_definition.limits import execution_timeout_seconds
from components.state_machine_definition.outcomes import FAILURES, SETTLED_FAILURES, SUCCEEDED, Failure
from components.state_machine_definition.pieces import METRIC_NAMESPACE, Pieces, Surroundings
from settings import OrchestrationSettings

__all__ = [
    "FAILURES",
    "METRIC_NAMESPACE",
    "SETTLED_FAILURES",
    "SUCCEEDED",
    "Failure",
    "Surroundings",
    "state_machine_definition",
]


def state_machine_definition(settings: OrchestrationSettings, around: Surroundings) -> Document:
    """Build the definition."""
    pieces = Pieces(settings, around)
    return {
        "Comment": f"{pieces.title}: a manifest of raw objects becomes partitioned Parquet",
        "QueryLanguage": "JSONPath",
        "TimeoutSeconds": execution_timeout_seconds(settings),
        "StartAt": "CheckInput",
        "States": {
            name: state
            for stretch in (admission, cluster, submission, step, report, endings)
            for name, state in stretch.states(pieces).items()
        },
    }
