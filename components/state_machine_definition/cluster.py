"""Find the cluster, and wait until it takes steps.

A cluster that is gone is told at once. The execution then looks for hours whether the parameter names another one, so
that a cluster that is made again takes up what waits, and nobody has to drive anything again.
"""

from __future__ import annotations

from components.iam import Document
from components.state_machine_definition.language import as_text, counted, formatted, literal, one_of
from components.state_machine_definition.limits import replacement_looks
from components.state_machine_definition.outcomes import CLUSTER_UNAVAILABLE, INTERNAL_ERROR
from components.state_machine_definition.pieces import Pieces


def states(pieces: Pieces) -> dict[str, Document]:
    """From the parameter to a cluster that takes steps."""
    settings, parameter = pieces.settings, pieces.around.cluster_parameter_name
    replacement = replacement_looks(settings)
    starting = one_of("$.seen.state", ["STARTING", "BOOTSTRAPPING"])
    return {
        "FindCluster": pieces.task(
            "aws-sdk:ssm:getParameter",
            "The cluster's id is looked up in every execution, so that a new cluster needs no new definition.",
            {"Name": parameter},
            selector={"id.$": "$.Parameter.Value"},
            result_path="$.cluster",
            catch="ExplainLookupFailed",
            catch_by_name={"Ssm.ParameterNotFoundException": "ClusterNotRegistered"},
            next_state="DescribeCluster",
        ),
        "ClusterNotRegistered": _seen("NOT_REGISTERED"),
        "DescribeCluster": pieces.task(
            "aws-sdk:emr:describeCluster",
            "Does the cluster take steps?",
            {"ClusterId.$": "$.cluster.id"},
            selector={"state.$": "$.Cluster.Status.State"},
            result_path="$.seen",
            catch="ExplainLookupFailed",
            catch_by_name={"Emr.InvalidRequestException": "ClusterNotKnown"},
            next_state="ClusterReady",
        ),
        "ClusterNotKnown": _seen("NOT_KNOWN"),
        "ClusterReady": {
            "Type": "Choice",
            "Choices": [
                {**one_of("$.seen.state", ["WAITING", "RUNNING"]), "Next": "SubmitStep"},
                {
                    "And": [
                        starting,
                        {"Variable": "$.looks.count", "NumericLessThan": settings.cluster_wait_attempts},
                    ],
                    "Next": "CountLook",
                },
                {**starting, "Next": "ExplainClusterLate"},
            ],
            "Default": "ClusterGone",
        },
        "CountLook": counted("looks", "WaitForCluster"),
        "WaitForCluster": {"Type": "Wait", "Seconds": settings.cluster_wait_seconds, "Next": "DescribeCluster"},
        "ClusterGone": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.replacements.count", "NumericEquals": 0, "Next": "AlertClusterGone"},
                {
                    "Variable": "$.replacements.count",
                    "NumericLessThan": replacement.count,
                    "Next": "CountReplacementLook",
                },
            ],
            "Default": "ExplainClusterGone",
        },
        "AlertClusterGone": pieces.task(
            "sns:publish",
            "Tell at once, and once; then wait.",
            {
                "TopicArn": pieces.around.critical_topic_arn,
                "Subject": f"{pieces.title}: cluster gone, a run waits",
                "Message.$": "States.Format($.texts.gone, $.cluster.id, $.seen.state, $.run.dataset, $.run.objects, "
                f"{literal(parameter)}, $$.Execution.Id, $.run.manifest)",
            },
            result_path=None,
            # The execution waits all the same; if no cluster comes, its failure is told.
            catch="CountReplacementLook",
            error_path="$.notificationError",
            next_state="CountReplacementLook",
        ),
        "CountReplacementLook": counted("replacements", "WaitForReplacement"),
        "WaitForReplacement": {"Type": "Wait", "Seconds": replacement.seconds, "Next": "FindCluster"},
        "ExplainClusterGone": pieces.explain(
            CLUSTER_UNAVAILABLE,
            formatted(
                f"cluster {{}} is {{}} and takes no steps, and for {settings.cluster_replacement_hours} hours "
                f"the parameter {parameter} named no other that does",
                "$.cluster.id",
                "$.seen.state",
            ),
        ),
        "ExplainClusterLate": pieces.explain(
            CLUSTER_UNAVAILABLE,
            formatted(
                f"cluster {{}} was still {{}} after {settings.cluster_wait_attempts} looks, "
                f"{settings.cluster_wait_seconds} s apart",
                "$.cluster.id",
                "$.seen.state",
            ),
        ),
        "ExplainLookupFailed": pieces.explain(
            INTERNAL_ERROR,
            formatted(f"the cluster of parameter {parameter} could not be looked up: {{}}", as_text("$.error")),
        ),
    }


def _seen(state: str) -> Document:
    """The cluster could not be described: it never was, or is long forgotten."""
    return {"Type": "Pass", "Result": {"state": state}, "ResultPath": "$.seen", "Next": "ClusterGone"}
