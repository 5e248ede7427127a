"""The definition of the pipeline's state machine, from plain values to an Amazon States Language document.

What happens to a manifest, in order::

    CheckInput ─► Begin ─► FindCluster ─► DescribeCluster ─► ClusterReady ─► SubmitStep ─► WaitForStep ─► DescribeStep
    ─► StepState ─► ReadReport ─► CheckReport ─► PublishMetrics ─► NotifySuccess ─► Succeeded

Every way to fail has an outcome of its own (`FAILURES`): it is explained in words where it happens, counted, told on
the topic of its severity, and ends in a Fail state whose error is the outcome's name.

Rules that the document keeps, and why:

* The query language is JSONPath, and a path is only read where it is known to be there: a missing one ends the
  execution with ``States.Runtime``, which nothing catches (Step Functions guide, "Handling errors in workflows").
* AddJobFlowSteps has no client token. A submission whose outcome is unknown is looked up by the step's name, which is
  the execution's, before it is tried again; only a refusal that surely added no step is simply retried.
* Loops count, and the worst case stays below the 25,000 events that an execution's history may hold
  (`history_events`).
* Values of the input reach the shell as arguments of a fixed script, never as part of its text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from components.iam import Document
from components.job import CALL_WRAPPER
from settings import OrchestrationSettings

METRIC_NAMESPACE = "EmrPipeline"
"""Namespace of the metrics that executions publish; dimensions Stack, Dataset, Outcome."""

SUCCEEDED = "Succeeded"
"""Value of the Outcome dimension when all went well; a failure's is its name."""

HISTORY_LIMIT = 25_000
"""Events that an execution's history may hold (Step Functions quotas); one more ends it."""

_EVENTS_PER_LOOK = 11
"""A look at a cluster or step: Wait 2 events, Task 5, Choice 2, Pass 2."""

_FAST_LOOKS = 300
"""Looks at a step in the configured interval, when not all can be: the others share what is left of the timeout."""

_SLOW_LOOKS = 500
"""Most looks at a step after that. With the cluster's at most 1,000 this keeps the history within its limit."""

_CALL_TIMEOUT_SECONDS = 60
"""Longest wait for the answer of one AWS call; the service's own default is 99,999,999 seconds."""

_LONGEST_RETRY_DELAY_SECONDS = 300

_PERMANENT = (
    "States.Permissions",
    "States.ParameterPathFailure",
    "States.IntrinsicFailure",
    "States.DataLimitExceeded",
)
"""Errors that another try cannot heal: no permission, a value missing or of the wrong form, too much data."""


@dataclass(frozen=True)
class Failure:
    """A way to fail."""

    name: str
    """Outcome, metric dimension, and error name of the execution."""
    advice: str
    """What the message tells its reader to do."""
    severity: Literal["critical", "warning"] = "critical"
    """Topic that it is told on: critical, unless the pipeline itself did what it should."""


INPUT_REFUSED = Failure("InputRefused", "Start executions through the dispatcher, or give the input that it gives.")
CLUSTER_UNAVAILABLE = Failure(
    "ClusterUnavailable", "Look at the cluster; when it takes steps again, drive the manifest again."
)
SUBMISSION_REFUSED = Failure(
    "SubmissionRefused", "Look at the cluster's steps (256 may wait or run); then drive the manifest again."
)
STEP_FAILED = Failure("StepFailed", "Read the step's log, mend the cause, and drive the manifest again.")
STEP_TIMED_OUT = Failure(
    "StepTimedOut",
    "See whether the cluster was short of nodes or the input larger than usual; raise orchestration.stepTimeoutMinutes "
    "or drive the manifest again.",
)
STEP_LOST = Failure(
    "StepLost", "The step may still run: look at it in EMR, and drive the manifest again only when it has ended."
)
DATA_REJECTED = Failure(
    "DataRejected", "Mend the files at their source and drop them again; nothing that was fit was held back.", "warning"
)
REPORT_UNREADABLE = Failure(
    "ReportUnreadable", "The step completed, but what it did is unknown: read its log, then drive the manifest again."
)
NOTIFICATION_FAILED = Failure(
    "NotificationFailed", "The data is in place; mend the success topic. Nothing needs to be driven again.", "warning"
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
)
"""Every way to fail, in the order of the pipeline."""


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
    """Bucket of the manifests."""
    processed_bucket: str
    """Bucket of the run reports."""
    success_topic_arn: str
    """Where successes are told."""
    warning_topic_arn: str
    """Where failures of the severity warning are told."""
    critical_topic_arn: str
    """Where all other failures are told."""
    job_uri: str
    """``s3://`` address of the Spark job."""
    wrapper_uri: str
    """``s3://`` address of the script that steps run (`components.job.CALL_WRAPPER`)."""
    region: str
    """Region's code."""
    realm: str
    """Kerberos realm of the cluster."""


@dataclass(frozen=True)
class StepWatch:
    """How often a step is looked at before it is cancelled."""

    fast_looks: int
    """Looks `fast_seconds` apart."""
    fast_seconds: int
    slow_looks: int
    """Looks `slow_seconds` apart that follow; 0 when the fast ones last for the whole timeout."""
    slow_seconds: int

    @property
    def looks(self) -> int:
        """All looks."""
        return self.fast_looks + self.slow_looks


def step_watch(settings: OrchestrationSettings) -> StepWatch:
    """Spread the looks at a step over its timeout: a bounded number, whatever the interval."""
    timeout = settings.step_timeout_minutes * 60
    seconds = settings.step_poll_seconds
    looks = math.ceil(timeout / seconds)
    if looks <= _FAST_LOOKS + _SLOW_LOOKS:
        return StepWatch(looks, seconds, 0, seconds)
    left = timeout - _FAST_LOOKS * seconds
    slow_seconds = math.ceil(left / _SLOW_LOOKS)
    return StepWatch(_FAST_LOOKS, seconds, math.ceil(left / slow_seconds), slow_seconds)


def history_events(settings: OrchestrationSettings) -> int:
    """Most events in the history of an execution whose calls succeed at once; the rest of the limit is for retries."""
    once = 200  # the states outside the loops, a failure's path, and the searches for a step after doubtful submissions
    search = settings.retry_attempts * (5 + 5 + 2 + 2 + 2 + 2 + 50 * 4)  # submit, list, look through a page of 50 names
    return (settings.cluster_wait_attempts + step_watch(settings).looks) * _EVENTS_PER_LOOK + once + search


def execution_timeout_seconds(settings: OrchestrationSettings) -> int:
    """When an execution is stuck: twice the longest that its loops wait, and an hour for calls and their retries."""
    cluster = settings.cluster_wait_attempts * settings.cluster_wait_seconds
    return math.ceil(2 * (cluster + settings.step_timeout_minutes * 60) + 3600)


def _quoted(text: str) -> str:
    """Write a literal of an intrinsic function.

    Raises:
        ValueError: when it holds a character that intrinsics escape; none of ours needs one.
    """
    if set("'\\\n") & set(text) or set("{}") & set(text.replace("{}", "")):
        raise ValueError(f"{text!r} holds a quote, brace, backslash or line break: pass it as a value instead")
    return f"'{text}'"


def _format(template: str, *values: str) -> str:
    """``States.Format`` of a literal template, with a value for each ``{}``."""
    if template.count("{}") != len(values):
        raise ValueError(f"template {template!r} does not take {len(values)} values")
    return f"States.Format({', '.join([_quoted(template), *values])})"


def _array(*values: str) -> str:
    return f"States.Array({', '.join(values)})"


def _retry(settings: OrchestrationSettings, permanent: Sequence[str], transient: Sequence[str]) -> list[Document]:
    """Retriers: errors that stay are not tried again; the others after growing, random waits."""
    return [
        {"ErrorEquals": [*_PERMANENT, *permanent], "MaxAttempts": 0},
        {
            "ErrorEquals": list(transient),
            "IntervalSeconds": settings.retry_interval_seconds,
            "BackoffRate": 2.0,
            "MaxAttempts": settings.retry_attempts,
            "MaxDelaySeconds": _LONGEST_RETRY_DELAY_SECONDS,
            "JitterStrategy": "FULL",
        },
    ]


def _holds(path: str, *tests: Mapping[str, Any]) -> list[Document]:
    """Rules that `path` is there and passes the tests; for an ``And``, which stops at the first that fails."""
    return [{"Variable": path, "IsPresent": True}, *({"Variable": path, **test} for test in tests)]


class _Definition:
    """Builds the states; one method a stretch of the way."""

    def __init__(self, settings: OrchestrationSettings, around: Surroundings) -> None:
        self.settings = settings
        self.around = around
        self.watch = step_watch(settings)
        self.title = f"{around.project}-{around.stack}"
        self.topics = {"warning": around.warning_topic_arn, "critical": around.critical_topic_arn}

    # Pieces

    def task(
        self,
        resource: str,
        comment: str,
        parameters: Mapping[str, Any],
        *,
        next_state: str,
        catch: str | Sequence[Document],
        selector: Mapping[str, Any] | None = None,
        result_path: str | None,
        error_path: str = "$.error",
        permanent: Sequence[str] = (),
        transient: Sequence[str] = ("States.TaskFailed", "States.Timeout"),
    ) -> Document:
        """A call of AWS, with retriers and a catcher."""
        if isinstance(catch, str):
            # States.ALL leaves out an answer that is too large for a state: it has to be named (Step Functions guide).
            names = ["States.DataLimitExceeded", "States.ALL"]
            catch = [{"ErrorEquals": [name], "ResultPath": error_path, "Next": catch} for name in names]
        state: Document = {
            "Type": "Task",
            "Comment": comment,
            "Resource": f"arn:{self.around.partition}:states:::{resource}",
            "TimeoutSeconds": _CALL_TIMEOUT_SECONDS,
            "Parameters": dict(parameters),
        }
        if selector is not None:
            state["ResultSelector"] = dict(selector)
        state["ResultPath"] = result_path
        state["Retry"] = _retry(self.settings, permanent, transient)
        state["Catch"] = list(catch)
        state["Next"] = next_state
        return state

    def explain(self, failure: Failure, reason: str) -> Document:
        """Say what went wrong: `reason` is an intrinsic function."""
        return {
            "Type": "Pass",
            "Parameters": {
                "outcome": failure.name,
                "advice": failure.advice,
                "topic": self.topics[failure.severity],
                "reason.$": reason,
            },
            "ResultPath": "$.failure",
            "Next": "PublishFailureMetrics" if failure is not DATA_REJECTED else "PublishRejectionMetrics",
        }

    @staticmethod
    def count(counter: str, next_state: str) -> Document:
        """Add one to a counter, ``$.<counter>.count``."""
        return {
            "Type": "Pass",
            "Parameters": {"count.$": f"States.MathAdd($.{counter}.count, 1)"},
            "ResultPath": f"$.{counter}",
            "Next": next_state,
        }

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

    def texts(self) -> Document:
        """Templates of the messages; they are values rather than literals, because they have line breaks."""
        return {
            "success": (
                f"{self.title}: a run of dataset {{}} succeeded.\n\n"
                "Rows: {} read, {} written, {} set aside\n"
                "Files: {} read, {} written, in {} partitions\n"
                "Seconds: {}\n"
                "Execution: {}\nManifest: {}\nReport: {}\n{}"
            ),
            "failure": (
                f"{self.title}: a run of dataset {{}} failed ({{}}).\n\n"
                "Reason: {}\n\nWhat to do: {}\n\n"
                "Input: {} objects, {} bytes\n"
                "Execution: {}\nManifest: {}\nReport: {}\n{}"
            ),
        }

    # The way

    def beginning(self) -> dict[str, Document]:
        """From the input to the shape that the other states work on."""
        counters = {name: {"count": 0} for name in ("looks", "polls", "submissions")}
        shared: Document = {
            **counters,
            "texts": self.texts(),
            "scripts": {"call": CALL_WRAPPER},
            "note": {"text": ""},
        }
        return {
            "CheckInput": {
                "Type": "Choice",
                "Comment": "Is the input what the dispatcher gives?",
                "Choices": [
                    {
                        "And": [
                            *_holds(
                                "$.manifest",
                                {"IsString": True},
                                {"StringMatches": f"s3://{self.around.scripts_bucket}/manifests/*.json"},
                            ),
                            *_holds("$.dataset", {"IsString": True}),
                            *_holds("$.objects", {"IsNumeric": True}),
                            *_holds("$.bytes", {"IsNumeric": True}),
                            *_holds("$.report.bucket", {"StringEquals": self.around.processed_bucket}),
                            *_holds("$.report.key", {"IsString": True}, {"StringMatches": "_reports/*.json"}),
                        ],
                        "Next": "Begin",
                    }
                ],
                "Default": "RefuseInput",
            },
            "RefuseInput": {
                "Type": "Pass",
                "Parameters": {
                    **shared,
                    "given.$": "$",
                    "run": {
                        "execution.$": "$$.Execution.Name",
                        "dataset": "unknown",
                        "manifest": "unknown",
                        "reportUri": "none",
                        "objects": 0,
                        "bytes": 0,
                    },
                },
                "Next": "ExplainRefusedInput",
            },
            "ExplainRefusedInput": self.explain(
                INPUT_REFUSED,
                _format("the input is not what the dispatcher gives: {}", "States.JsonToString($.given)"),
            ),
            "Begin": {
                "Type": "Pass",
                "Parameters": {
                    **shared,
                    "run": {
                        "execution.$": "$$.Execution.Name",
                        "dataset.$": "$.dataset",
                        "manifest.$": "$.manifest",
                        "objects.$": "$.objects",
                        "bytes.$": "$.bytes",
                        "report.$": "$.report",
                        "reportUri.$": _format("s3://{}/{}", "$.report.bucket", "$.report.key"),
                    },
                },
                "Next": "FindCluster",
            },
        }

    def cluster(self) -> dict[str, Document]:
        """Find the cluster, and wait until it takes steps."""
        settings = self.settings
        return {
            "FindCluster": self.task(
                "aws-sdk:ssm:getParameter",
                "The cluster's id is looked up in every execution, so that a new cluster needs no new definition.",
                {"Name": self.around.cluster_parameter_name},
                selector={"id.$": "$.Parameter.Value"},
                result_path="$.cluster",
                permanent=["Ssm.ParameterNotFoundException"],
                catch="ExplainClusterUnknown",
                next_state="DescribeCluster",
            ),
            "DescribeCluster": self.task(
                "aws-sdk:emr:describeCluster",
                "Does the cluster take steps?",
                {"ClusterId.$": "$.cluster.id"},
                selector={"state.$": "$.Cluster.Status.State"},
                result_path="$.seen",
                permanent=["Emr.InvalidRequestException"],
                catch="ExplainClusterUnknown",
                next_state="ClusterReady",
            ),
            "ClusterReady": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Or": [
                            {"Variable": "$.seen.state", "StringEquals": "WAITING"},
                            {"Variable": "$.seen.state", "StringEquals": "RUNNING"},
                        ],
                        "Next": "SubmitStep",
                    },
                    {
                        "And": [
                            {
                                "Or": [
                                    {"Variable": "$.seen.state", "StringEquals": "STARTING"},
                                    {"Variable": "$.seen.state", "StringEquals": "BOOTSTRAPPING"},
                                ]
                            },
                            {"Variable": "$.looks.count", "NumericLessThan": settings.cluster_wait_attempts},
                        ],
                        "Next": "CountLook",
                    },
                    {
                        "Variable": "$.looks.count",
                        "NumericGreaterThanEquals": settings.cluster_wait_attempts,
                        "Next": "ExplainClusterLate",
                    },
                ],
                "Default": "ExplainClusterEnded",
            },
            "CountLook": self.count("looks", "WaitForCluster"),
            "WaitForCluster": {"Type": "Wait", "Seconds": settings.cluster_wait_seconds, "Next": "DescribeCluster"},
            "ExplainClusterUnknown": self.explain(
                CLUSTER_UNAVAILABLE,
                _format(
                    f"the cluster of parameter {self.around.cluster_parameter_name} could not be looked up: {{}}",
                    "States.JsonToString($.error)",
                ),
            ),
            "ExplainClusterLate": self.explain(
                CLUSTER_UNAVAILABLE,
                _format(
                    f"cluster {{}} was still {{}} after {settings.cluster_wait_attempts} looks, "
                    f"{settings.cluster_wait_seconds} s apart",
                    "$.cluster.id",
                    "$.seen.state",
                ),
            ),
            "ExplainClusterEnded": self.explain(
                CLUSTER_UNAVAILABLE, _format("cluster {} is {} and takes no steps", "$.cluster.id", "$.seen.state")
            ),
        }

    def submission(self) -> dict[str, Document]:
        """Add the step once, even when the answer of the call is lost."""
        settings = self.settings
        longest = [
            min(_LONGEST_RETRY_DELAY_SECONDS, settings.retry_interval_seconds * 2**index)
            for index in range(settings.retry_attempts)
        ]
        arguments = _array(
            _quoted("bash"),
            _quoted("-c"),
            "$.scripts.call",
            _quoted("call"),
            _quoted(self.around.wrapper_uri),
            _quoted(self.around.region),
            _quoted(self.around.realm),
            "$.run.execution",
            _quoted("--deploy-mode"),
            _quoted("cluster"),
            _quoted("--name"),
            "$.run.execution",
            _quoted("--executor-memory"),
            _quoted(settings.executor_memory),
            _quoted("--conf"),
            _quoted("spark.yarn.submit.waitAppCompletion=true"),
            _quoted("--conf"),
            _quoted("spark.yarn.maxAppAttempts=1"),
            _quoted(self.around.job_uri),
            _quoted("--manifest"),
            "$.run.manifest",
            _quoted("--report"),
            "$.run.reportUri",
        )
        return {
            "SubmitStep": self.task(
                "elasticmapreduce:addStep",
                "Answers with the step's id at once. A throttled call added no step and is retried; "
                "after any other error FindSubmittedStep looks first.",
                {
                    "ClusterId.$": "$.cluster.id",
                    "Step": {
                        "Name.$": "$.run.execution",
                        "ActionOnFailure": "CONTINUE",
                        "HadoopJarStep": {"Jar": "command-runner.jar", "Args.$": arguments},
                    },
                },
                selector={"id.$": "$.StepId"},
                result_path="$.step",
                transient=["EMR.ThrottlingException", "ElasticMapReduce.ThrottlingException"],
                catch=[
                    {"ErrorEquals": list(_PERMANENT), "ResultPath": "$.error", "Next": "ExplainSubmissionRefused"},
                    {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "FindSubmittedStep"},
                ],
                next_state="WaitForStep",
            ),
            "FindSubmittedStep": self.task(
                "aws-sdk:emr:listSteps",
                "The newest 50 steps: is ours among them, although its submission seemed to fail?",
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
                    "there.$": "States.ArrayContains($.listed.names, $.run.execution)",
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
                        "Variable": "$.submissions.count",
                        "NumericLessThan": settings.retry_attempts,
                        "Next": "DelaySubmission",
                    },
                ],
                "Default": "ExplainSubmissionRefused",
            },
            "ReadStepName": {
                "Type": "Pass",
                "Parameters": {
                    "index.$": "States.MathAdd($.search.index, 1)",
                    "name.$": "States.ArrayGetItem($.listed.names, $.search.index)",
                    "id.$": "States.ArrayGetItem($.listed.ids, $.search.index)",
                },
                "ResultPath": "$.search",
                "Next": "OwnStep",
            },
            "OwnStep": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.search.name", "StringEqualsPath": "$.run.execution", "Next": "TakeFoundStep"}
                ],
                "Default": "ReadStepName",
            },
            "TakeFoundStep": {
                "Type": "Pass",
                "Parameters": {"id.$": "$.search.id"},
                "ResultPath": "$.step",
                "Next": "WaitForStep",
            },
            "DelaySubmission": {
                "Type": "Pass",
                "Comment": "Full jitter: a random wait up to a limit that doubles.",
                "Parameters": {
                    "count.$": "States.MathAdd($.submissions.count, 1)",
                    # The end of MathRandom is exclusive.
                    "seconds.$": "States.MathRandom(1, States.ArrayGetItem("
                    f"{_array(*(str(seconds + 1) for seconds in longest))}, $.submissions.count))",
                },
                "ResultPath": "$.submissions",
                "Next": "WaitToSubmit",
            },
            "WaitToSubmit": {"Type": "Wait", "SecondsPath": "$.submissions.seconds", "Next": "SubmitStep"},
            "ExplainSubmissionRefused": self.explain(
                SUBMISSION_REFUSED,
                _format("cluster {} did not take the step: {}", "$.cluster.id", "States.JsonToString($.error)"),
            ),
            "ExplainSubmissionUnknown": self.explain(
                STEP_LOST,
                _format(
                    "the submission of the step to cluster {} failed ({}), and whether the step was added could not be "
                    "looked up: {}",
                    "$.cluster.id",
                    "States.JsonToString($.error)",
                    "States.JsonToString($.listError)",
                ),
            ),
        }

    def step(self) -> dict[str, Document]:
        """Watch the step to its end, and cancel it when it takes too long."""
        settings, watch = self.settings, self.watch
        ended = [{"Variable": "$.observed.status.State", "StringEquals": "COMPLETED", "Next": "ReadReport"}]
        ended += [
            {"Variable": "$.observed.status.State", "StringEquals": state, "Next": "ReadFailedReport"}
            for state in ("FAILED", "CANCELLED", "INTERRUPTED")
        ]
        running: list[Document] = [
            {"Variable": "$.polls.count", "NumericLessThan": watch.fast_looks - 1, "Next": "CountPoll"}
        ]
        states: dict[str, Document] = {
            "WaitForStep": {"Type": "Wait", "Seconds": watch.fast_seconds, "Next": "DescribeStep"},
            "DescribeStep": self.task(
                "aws-sdk:emr:describeStep",
                "How far is the step?",
                {"ClusterId.$": "$.cluster.id", "StepId.$": "$.step.id"},
                selector={"status.$": "$.Step.Status"},
                result_path="$.observed",
                permanent=["Emr.InvalidRequestException"],
                catch="ExplainStepLost",
                next_state="StepState",
            ),
            "CountPoll": self.count("polls", "WaitForStep"),
        }
        if watch.slow_looks:
            running.append({"Variable": "$.polls.count", "NumericLessThan": watch.looks - 1, "Next": "CountSlowPoll"})
            states |= {
                "CountSlowPoll": self.count("polls", "WaitLongerForStep"),
                "WaitLongerForStep": {"Type": "Wait", "Seconds": watch.slow_seconds, "Next": "DescribeStep"},
            }
        return states | {
            "StepState": {"Type": "Choice", "Choices": [*ended, *running], "Default": "CancelStep"},
            "CancelStep": self.task(
                "elasticmapreduce:cancelStep",
                "The step had its time.",
                {"ClusterId.$": "$.cluster.id", "StepId.$": "$.step.id"},
                result_path="$.cancellation",
                error_path="$.cancellation",
                catch="PrepareStop",
                next_state="PrepareStop",
            ),
            "PrepareStop": {
                "Type": "Pass",
                "Parameters": {"script": CALL_WRAPPER},
                "ResultPath": "$.stop",
                "Next": "StopApplication",
            },
            "StopApplication": self.task(
                "elasticmapreduce:addStep",
                "Cancelling ends the step's process; this ends its YARN application, found by its tag.",
                {
                    "ClusterId.$": "$.cluster.id",
                    "Step": {
                        "Name.$": _format("stop-{}", "$.run.execution"),
                        "ActionOnFailure": "CONTINUE",
                        "HadoopJarStep": {
                            "Jar": "command-runner.jar",
                            "Args.$": _array(
                                _quoted("bash"),
                                _quoted("-c"),
                                "$.stop.script",
                                _quoted("call"),
                                _quoted(self.around.wrapper_uri),
                                _quoted(self.around.region),
                                _quoted("--stop"),
                                _quoted(self.around.realm),
                                "$.run.execution",
                            ),
                        },
                    },
                },
                result_path="$.stop",
                error_path="$.stop",
                catch="ExplainStepTimedOut",
                next_state="ExplainStepTimedOut",
            ),
            "ExplainStepTimedOut": self.explain(
                STEP_TIMED_OUT,
                _format(
                    f"step {{}} was {{}} and not done after {settings.step_timeout_minutes} minutes. "
                    "Cancelling it: {}. Stopping its application: {}",
                    "$.step.id",
                    "$.observed.status.State",
                    "States.JsonToString($.cancellation)",
                    "States.JsonToString($.stop)",
                ),
            ),
            "ExplainStepLost": self.explain(
                STEP_LOST,
                _format(
                    "step {} of cluster {} could not be looked at: {}",
                    "$.step.id",
                    "$.cluster.id",
                    "States.JsonToString($.error)",
                ),
            ),
            "ReadFailedReport": self.task(
                "aws-sdk:s3:getObject",
                "A job that fails writes why, if it still can.",
                {"Bucket.$": "$.run.report.bucket", "Key.$": "$.run.report.key"},
                selector={"report.$": "States.StringToJson($.Body)"},
                result_path="$.read",
                permanent=["S3.NoSuchKeyException"],
                catch="FailureDetailed",
                next_state="FailureReported",
            ),
            "FailureReported": {
                "Type": "Choice",
                "Choices": [
                    {
                        "And": _holds("$.read.report.error", {"IsString": True}),
                        "Next": "ExplainReportedFailure",
                    }
                ],
                "Default": "FailureDetailed",
            },
            "FailureDetailed": {
                "Type": "Choice",
                "Comment": "EMR gives details of most failures, but not of cancelled steps.",
                "Choices": [{"And": _holds("$.observed.status.FailureDetails"), "Next": "ExplainStepFailed"}],
                "Default": "ExplainStepEnded",
            },
            "ExplainReportedFailure": self.explain(
                STEP_FAILED,
                _format(
                    "step {} of cluster {} ended {}: {}",
                    "$.step.id",
                    "$.cluster.id",
                    "$.observed.status.State",
                    "$.read.report.error",
                ),
            ),
            "ExplainStepFailed": self.explain(
                STEP_FAILED,
                _format(
                    "step {} of cluster {} ended {} without a report; EMR says: {}",
                    "$.step.id",
                    "$.cluster.id",
                    "$.observed.status.State",
                    "States.JsonToString($.observed.status.FailureDetails)",
                ),
            ),
            "ExplainStepEnded": self.explain(
                STEP_FAILED,
                _format(
                    "step {} of cluster {} ended {} without a report, and EMR gives no details",
                    "$.step.id",
                    "$.cluster.id",
                    "$.observed.status.State",
                ),
            ),
        }

    def report(self) -> dict[str, Document]:
        """Read what the job did, and judge it."""
        numbers = (
            "rows.in",
            "rows.out",
            "rows.setAside",
            "bytes.in",
            "bytes.out",
            "files.in",
            "files.out",
            "partitionCount",
            "seconds",
            "rejectedCount",
            "setAsideRatio",
        )
        rejected = {"Variable": "$.read.report.rejectedCount", "NumericGreaterThan": 0}
        return {
            "ReadReport": self.task(
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
                "Choices": [
                    {
                        "And": [
                            *_holds(
                                "$.read.report.manifest",
                                {"IsString": True},
                                {"StringEqualsPath": "$.run.manifest"},
                            ),
                            *(
                                rule
                                for path in numbers
                                for rule in _holds(f"$.read.report.{path}", {"IsNumeric": True})
                            ),
                            *_holds("$.read.report.rejectedObjects"),
                            *_holds("$.read.report.setAsideReasons"),
                        ],
                        "Next": "CheckReport",
                    }
                ],
                "Default": "ExplainReportMalformed",
            },
            "CheckReport": {
                "Type": "Choice",
                "Comment": "Was every object fit, and were few enough records set aside?",
                "Choices": [
                    {
                        "And": [rejected, *_holds("$.read.report.rejectedObjects[0]")],
                        "Next": "TakeRejectedObject",
                    },
                    {**rejected, "Next": "ExplainReportMalformed"},
                    {
                        "Variable": "$.read.report.setAsideRatio",
                        "NumericGreaterThan": self.settings.maximum_set_aside_ratio,
                        "Next": "ExplainSetAside",
                    },
                ],
                "Default": "PublishMetrics",
            },
            "ExplainReportMissing": self.explain(
                REPORT_UNREADABLE,
                _format("the report {} could not be read: {}", "$.run.reportUri", "States.JsonToString($.error)"),
            ),
            "ExplainReportMalformed": self.explain(
                REPORT_UNREADABLE,
                _format("the report {} is not a report of this run, or lacks figures", "$.run.reportUri"),
            ),
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
                        "And": [*_holds("$.rejected.first.object"), *_holds("$.rejected.first.reason")],
                        "Next": "ExplainRejectedObjects",
                    }
                ],
                "Default": "ExplainReportMalformed",
            },
            "ExplainRejectedObjects": self.explain(
                DATA_REJECTED,
                _format(
                    "{} of {} objects were rejected, the first, {}, because: {}. Everything else was processed",
                    "$.read.report.rejectedCount",
                    "$.run.objects",
                    "$.rejected.first.object",
                    "$.rejected.first.reason",
                ),
            ),
            "ExplainSetAside": self.explain(
                DATA_REJECTED,
                _format(
                    "{} of {} records were set aside, a share of {}, where "
                    f"orchestration.maximumSetAsideRatio allows {self.settings.maximum_set_aside_ratio:g}; "
                    "reasons: {}. The other records were processed",
                    "$.read.report.rows.setAside",
                    "$.read.report.rows.in",
                    "$.read.report.setAsideRatio",
                    "States.JsonToString($.read.report.setAsideReasons)",
                ),
            ),
            "PublishRejectionMetrics": self.metrics(
                "Rows flowed although the run counts as rejected.",
                {"Value": DATA_REJECTED.name},
                figures=True,
                catch="NoteMissingFailureMetrics",
                next_state="NotifyFailure",
            ),
        }

    def success(self) -> dict[str, Document]:
        """Count the success and tell it."""
        return {
            "PublishMetrics": self.metrics(
                "Figures of the run.",
                {"Value": SUCCEEDED},
                figures=True,
                catch="NoteMissingMetrics",
                next_state="NotifySuccess",
            ),
            "NoteMissingMetrics": self.note_missing_metrics("NotifySuccess"),
            "NotifySuccess": self.task(
                "sns:publish",
                "Tell the success.",
                {
                    "TopicArn": self.around.success_topic_arn,
                    "Subject": f"{self.title}: run succeeded",
                    "Message.$": "States.Format("
                    + ", ".join(
                        [
                            "$.texts.success",
                            "$.run.dataset",
                            "$.read.report.rows.in",
                            "$.read.report.rows.out",
                            "$.read.report.rows.setAside",
                            "$.read.report.files.in",
                            "$.read.report.files.out",
                            "$.read.report.partitionCount",
                            "$.read.report.seconds",
                            "$$.Execution.Id",
                            "$.run.manifest",
                            "$.run.reportUri",
                            "$.note.text",
                        ]
                    )
                    + ")",
                },
                result_path=None,
                catch="ExplainNotificationFailed",
                next_state="Succeeded",
            )
            | {"OutputPath": "$.read.report"},
            "ExplainNotificationFailed": self.explain(
                NOTIFICATION_FAILED,
                _format(
                    "the data was processed, but its success could not be told: {}", "States.JsonToString($.error)"
                ),
            ),
            "Succeeded": {"Type": "Succeed", "Comment": "The output is the run report."},
        }

    @staticmethod
    def note_missing_metrics(next_state: str) -> Document:
        """Remember for the message that the metrics of this run are missing."""
        return {
            "Type": "Pass",
            "Parameters": {
                "text.$": _format("The metrics of this run are missing: {}", "States.JsonToString($.metricsError)")
            },
            "ResultPath": "$.note",
            "Next": next_state,
        }

    def failure(self) -> dict[str, Document]:
        """What all failures share: count it, tell it, end with its error."""
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
            "PublishFailureMetrics": self.metrics(
                "Count the failure.",
                {"Value.$": "$.failure.outcome"},
                figures=False,
                catch="NoteMissingFailureMetrics",
                next_state="NotifyFailure",
            ),
            "NoteMissingFailureMetrics": self.note_missing_metrics("NotifyFailure"),
            "NotifyFailure": self.task(
                "sns:publish",
                "Tell the failure.",
                {
                    "TopicArn.$": "$.failure.topic",
                    "Subject.$": _format(f"{self.title}: {{}}", "$.failure.outcome"),
                    "Message.$": "States.Format("
                    + ", ".join(
                        [
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
                            "$.note.text",
                        ]
                    )
                    + ")",
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
                    "reason.$": _format(
                        "{} (the failure could not be told: {})",
                        "$.failure.reason",
                        "States.JsonToString($.notificationError)",
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


def state_machine_definition(settings: OrchestrationSettings, around: Surroundings) -> Document:
    """Build the definition."""
    builder = _Definition(settings, around)
    return {
        "Comment": f"{builder.title}: a manifest of raw objects becomes partitioned Parquet",
        "QueryLanguage": "JSONPath",
        "TimeoutSeconds": execution_timeout_seconds(settings),
        "StartAt": "CheckInput",
        "States": {
            **builder.beginning(),
            **builder.cluster(),
            **builder.submission(),
            **builder.step(),
            **builder.report(),
            **builder.success(),
            **builder.failure(),
        },
    }
