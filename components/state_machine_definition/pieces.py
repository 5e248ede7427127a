"""What every stretch of the way is made of: calls of AWS, explanations, ledger entries, metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.iam import Document
from components.state_machine_definition.language import (
    CALL_TIMEOUT_SECONDS,
    array,
    as_text,
    catchers,
    formatted,
    literal,
    retriers,
)
from components.state_machine_definition.outcomes import Failure
from settings import OrchestrationSettings

METRIC_NAMESPACE = "EmrPipeline"
"""Namespace of the metrics that executions publish; dimensions Stack, Dataset, Outcome."""

CONDITION_FAILED = "DynamoDB.ConditionalCheckFailedException"
"""The ledger has a later attempt."""


@dataclass(frozen=True)
class Surroundings:
    """What the definition refers to; plain values."""

    partition: str
    """``aws``, ``aws-cn`` or ``aws-us-gov``."""
    project: str
    """Pulumi project."""
    stack: str
    """Pulumi stack; the Stack dimension of the metrics."""
    cluster_parameter_name: str
    """SSM parameter that holds the cluster's id."""
    scripts_bucket: str
    """Bucket of the manifests and of the code."""
    processed_bucket: str
    """Bucket of the run reports."""
    ledger_table_name: str
    """DynamoDB table of the ledger."""
    success_topic_arn: str
    """Where successes are told."""
    warning_topic_arn: str
    """Where failures of the severity warning are told."""
    critical_topic_arn: str
    """Where all other failures are told."""
    job_uri: str
    """``s3://`` address of the Spark job, for an input that names none."""
    wrapper_uri: str
    """``s3://`` address of the script that steps run (`components.job.CALL_WRAPPER`)."""
    region: str
    """Region's code."""
    realm: str
    """Kerberos realm of the cluster."""


def wrapper_arguments(around: Surroundings, *arguments: str) -> str:
    """Arguments of a step that runs the wrapper (`components.job.CALL_WRAPPER` is at ``$.call``)."""
    return array(
        literal("bash"),
        literal("-c"),
        "$.call",
        literal("call"),
        literal(around.wrapper_uri),
        literal(around.region),
        *arguments,
    )


class Pieces:
    """Builds states from the settings and what the definition refers to."""

    def __init__(self, settings: OrchestrationSettings, around: Surroundings) -> None:
        self.settings = settings
        self.around = around
        self.title = f"{around.project}-{around.stack}"
        self._topics = {"warning": around.warning_topic_arn, "critical": around.critical_topic_arn}

    def task(
        self,
        resource: str,
        comment: str,
        parameters: Mapping[str, Any],
        *,
        next_state: str,
        catch: str,
        catch_by_name: Mapping[str, str] | None = None,
        selector: Mapping[str, Any] | None = None,
        result_path: str | None,
        error_path: str = "$.error",
        permanent: Sequence[str] = (),
        transient: Sequence[str] = ("States.TaskFailed", "States.Timeout"),
    ) -> Document:
        """A call of AWS, with retriers and catchers; errors that are caught by name are not tried again."""
        named = dict(catch_by_name or {})
        state: Document = {
            "Type": "Task",
            "Comment": comment,
            "Resource": f"arn:{self.around.partition}:states:::{resource}",
            "TimeoutSeconds": CALL_TIMEOUT_SECONDS,
            "Parameters": dict(parameters),
        }
        if selector is not None:
            state["ResultSelector"] = dict(selector)
        return state | {
            "ResultPath": result_path,
            "Retry": retriers(self.settings, [*named, *permanent], transient),
            "Catch": catchers(named, catch, error_path),
            "Next": next_state,
        }

    def explain(self, failure: Failure, reason: str) -> Document:
        """Say what went wrong: `reason` is an intrinsic function."""
        return {
            "Type": "Pass",
            "Parameters": {
                "outcome": failure.name,
                "state": failure.state,
                "advice": failure.advice,
                "topic": self._topics[failure.severity],
                "reason.$": reason,
            },
            "ResultPath": "$.failure",
            "Next": "Recorded",
        }

    def record(
        self, comment: str, fields: Mapping[str, str], *, next_state: str, catch: str, catch_by_name: Mapping[str, str]
    ) -> Document:
        """Set fields of the manifest in the ledger, unless it has a later attempt. An execution that was started by
        hand, on a manifest that the ledger does not know, gets an entry all the same."""
        names = {f"#{name}": name for name in fields}
        return self.task(
            "dynamodb:updateItem",
            comment,
            {
                "TableName": self.around.ledger_table_name,
                "Key": {"pk": {"S.$": formatted("manifest#{}", "$.run.hash")}, "sk": {"S": "manifest"}},
                "UpdateExpression": "SET attempt = :attempt, " + ", ".join(f"#{name} = :{name}" for name in fields),
                "ConditionExpression": "attribute_not_exists(attempt) OR attempt = :attempt",
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": {
                    ":attempt": {"N.$": formatted("{}", "$.run.attempt")},
                    **{
                        f":{name}": {"S.$": value} if value.startswith(("$", "States.")) else {"S": value}
                        for name, value in fields.items()
                    },
                },
            },
            next_state=next_state,
            catch=catch,
            catch_by_name=catch_by_name,
            error_path="$.ledgerError",
            result_path=None,
        )

    def metrics(
        self, comment: str, outcome: Mapping[str, str], *, figures: bool, next_state: str, catch: str
    ) -> Document:
        """Publish the metrics of a run: that it ended, and with a report what it did."""
        dimensions = [
            {"Name": "Stack", "Value": self.around.stack},
            {"Name": "Dataset", "Value.$": "$.run.dataset"},
            {"Name": "Outcome", **outcome},
        ]
        data: list[Document] = [{"MetricName": "Runs", "Value": 1, "Unit": "Count", "Dimensions": dimensions}]
        if figures:
            data += [
                {"MetricName": name, "Value.$": f"$.read.report.{path}", "Unit": unit, "Dimensions": dimensions}
                for name, path, unit in (
                    ("RowsIn", "rows.in", "Count"),
                    ("RowsOut", "rows.out", "Count"),
                    ("RowsSetAside", "rows.setAside", "Count"),
                    ("BytesIn", "bytes.in", "Bytes"),
                    ("BytesOut", "bytes.out", "Bytes"),
                    ("BytesPerRow", "bytesPerRow", "Bytes"),
                    ("FilesIn", "files.in", "Count"),
                    ("RejectedObjects", "rejectedCount", "Count"),
                    ("RunSeconds", "seconds", "Seconds"),
                )
            ]
        return self.task(
            "aws-sdk:cloudwatch:putMetricData",
            comment,
            {"Namespace": METRIC_NAMESPACE, "MetricData": data},
            next_state=next_state,
            catch=catch,
            error_path="$.metricsError",
            result_path=None,
        )

    @staticmethod
    def note(name: str, text: str, error_path: str, next_state: str) -> Document:
        """Remember for the message what could not be done beside the run itself."""
        return {
            "Type": "Pass",
            "Parameters": {"text.$": formatted(text + ": {}. ", as_text(error_path))},
            "ResultPath": f"$.notes.{name}",
            "Next": next_state,
        }
