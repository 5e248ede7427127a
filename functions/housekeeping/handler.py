"""Lambda function: settles executions that ended without their own failure path, and publishes the stack's state.

An execution that is aborted, runs into its timeout or meets an error that a definition cannot catch never reaches its
ledger entry, metric and message. It comes here twice: at once, by the event of its status, and on every schedule, by
the ledger's manifests that still wait or run although their execution ended. To settle is, in this order: take the
settling in the ledger (event and schedule may come at the same moment), cancel the step, tell, count, and enter the
outcome. The entry comes last, and what was taken is given back or runs out, so a call that is cut off is made good by
the next one: people are told once, and only if the process dies between telling and entering twice, never not at all.
Nothing else tells these ends.

Beside that, on every schedule: what earlier runs of each dataset looked like goes into the ledger for the next runs'
volume check, and metrics are published.

Configuration: ``housekeeping.json`` beside this file (`Bundle`), and in the environment what is known late:

``CRITICAL_TOPIC_ARN``, ``WARNING_TOPIC_ARN``, ``SUCCESS_TOPIC_ARN``
``CERTIFICATE_EXPIRY``  day on which the cluster's certificate runs out, ISO 8601
"""

from __future__ import annotations

import functools
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

log = logging.getLogger("housekeeping")
log.setLevel(logging.INFO)

STATUS_CHANGE = "Step Functions Execution Status Change"
OPEN_STATES = ("planned", "running")
"""States of manifests whose execution has not been entered as ended."""
ENDED_STATUSES = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
EXAMINED_PLANNED = 100
"""Planned manifests, oldest first, whose executions are looked up in one call; the others' turn comes."""
SETTLING = timedelta(minutes=6)
"""How long a call may take to settle an execution: longer than the function's timeout."""
HISTORY = timedelta(days=30)
LEAST_RUNS = 5
"""Runs without which there is no history to compare with."""
FRESHNESS = timedelta(hours=23)
"""How far back CloudWatch is asked, by the minute, for the last success: 1,440 values are the most of an answer."""


@dataclass(frozen=True)
class Bundle:
    """What the function knows of the stack; plain values."""

    title: str
    """``<project>-<stack>``."""
    stack: str
    datasets: Sequence[str]
    namespace: str
    """Of the metrics."""
    state_machine_arn: str
    ledger_table: str
    ledger_index: str
    """Manifests by state."""
    cluster_parameter: str
    """SSM parameter with the cluster's id."""
    stop_arguments: Sequence[str]
    """Arguments of a step that kills YARN applications by tag; the tag follows."""
    volume_factor: float
    failures: Mapping[str, Mapping[str, str]]
    """Every failure that an execution tells itself: ``state``, ``severity``, ``advice`` by name."""
    execution_link: str
    """Address of an execution in the console, ``<execution>`` being its ARN."""
    settled: Mapping[str, Mapping[str, str]]
    """Failures that are told here, in the same form; by the status of the execution."""
    support_ends: str
    """Last day of any support of the EMR release, ISO 8601; empty when it is not published."""


@dataclass(frozen=True)
class Verdict:
    """What became of an execution."""

    outcome: str
    state: str
    """Of the manifest: succeeded or failed."""
    reason: str
    advice: str = ""
    severity: str = "critical"
    told: bool = True
    """Whether the execution told it itself, so that only the ledger lacks it."""


# --- pure -------------------------------------------------------------------------------------------------------------


def verdict(bundle: Bundle, status: str, error: str, cause: str) -> Verdict:
    """What the end of an execution means."""
    if status == "SUCCEEDED":
        return Verdict("Succeeded", "succeeded", "")
    own = bundle.failures.get(error)
    if status == "FAILED" and own is not None:
        return Verdict(error, own["state"], cause)
    foreign = bundle.settled[status]
    said = " ".join(part for part in (error, cause) if part) or "no reason was given"
    return Verdict(
        foreign["name"],
        foreign["state"],
        f"the execution ended {status} without its own failure path: {said}",
        foreign["advice"],
        foreign["severity"],
        told=False,
    )


def message(bundle: Bundle, found: Verdict, run: Mapping[str, Any], execution: str, step: str) -> str:
    """What people are told of an execution that could not tell it."""
    return (
        f"{bundle.title}: a run of dataset {run.get('dataset', 'unknown')} failed ({found.outcome}).\n\n"
        f"Reason: {found.reason}\n\nWhat to do: {found.advice}\n\n"
        f"Step: {step}\n"
        f"Input: {run.get('objects', 'unknown')} objects, {run.get('bytes', 'unknown')} bytes\n"
        f"Execution: {execution}\nManifest: {run.get('manifest', 'unknown')}\n"
        f"Look at: {bundle.execution_link.replace('<execution>', execution)}\n"
    )


def days_left(day: str, today: date) -> int | None:
    """Days until a day, below zero after it; None when the day is not known."""
    return (date.fromisoformat(day[:10]) - today).days if day else None


def bounds(mean: float, factor: float) -> tuple[float, float]:
    """Bytes a row that are still usual."""
    return mean / factor, mean * factor


def metric(name: str, value: float, unit: str, **dimensions: str) -> dict[str, Any]:
    """A value of a metric."""
    pairs = [{"Name": key, "Value": text} for key, text in dimensions.items()]
    return {"MetricName": name, "Value": value, "Unit": unit, "Dimensions": pairs}


def now_text() -> str:
    """This moment, as the ledger writes times."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- edge -------------------------------------------------------------------------------------------------------------


@functools.cache
def bundled() -> Bundle:
    """The configuration in the function's archive."""
    return Bundle(**json.loads(Path(__file__).with_name("housekeeping.json").read_text(encoding="utf-8")))


@functools.cache
def aws(service: str) -> Any:
    """A client that tries again by itself; made at first use, kept between calls."""
    retries = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=20)
    return cast(Any, boto3).client(service, config=retries)


def code_of(error: ClientError) -> str:
    """The code of an error of AWS."""
    return str(error.response.get("Error", {}).get("Code", ""))


def manifest_key(digits: str) -> dict[str, Any]:
    """Key of a manifest in the ledger."""
    return {"pk": {"S": f"manifest#{digits}"}, "sk": {"S": "manifest"}}


def manifests(bundle: Bundle, state: str) -> Iterator[dict[str, str]]:
    """Manifests of a state, oldest first."""
    pages = (
        aws("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=bundle.ledger_table,
            IndexName=bundle.ledger_index,
            KeyConditionExpression="#state = :state",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":state": {"S": state}},
        )
    )
    for page in pages:
        for item in page["Items"]:
            yield {name: str(next(iter(value.values()))) for name, value in item.items()}


def execution_arn(bundle: Bundle, digits: str, attempt: str) -> str:
    """The execution of an attempt at a manifest."""
    return f"{bundle.state_machine_arn.replace(':stateMachine:', ':execution:')}:{digits[:40]}-{attempt}"


def settle(bundle: Bundle, execution: str) -> bool:
    """Settle an execution; whether there was anything to settle."""
    described = aws("stepfunctions").describe_execution(executionArn=execution)
    if described["status"] not in ENDED_STATUSES:
        return False
    run = json.loads(described.get("input") or "{}")
    digits, attempt = str(run.get("manifestHash", "")), str(run.get("attempt", ""))
    entry = (
        aws("dynamodb")
        .get_item(TableName=bundle.ledger_table, Key=manifest_key(digits), ConsistentRead=True)
        .get("Item", {})
    )
    if entry.get("attempt", {}).get("N") != attempt or entry.get("state", {}).get("S") not in OPEN_STATES:
        return False
    found = verdict(bundle, described["status"], described.get("error") or "", described.get("cause") or "")
    if not found.told:
        if not take(bundle, digits, attempt):
            return False
        try:
            tell(bundle, found, run, execution, cancel_step(bundle, described["name"]))
        except (ClientError, BotoCoreError):
            give_back(bundle, digits)
            raise
    settled = enter(bundle, digits, attempt, found, described["stopDate"])
    if settled:
        log.info("execution settled", extra={"execution": execution, "outcome": found.outcome, "told": found.told})
    return settled


def tell(bundle: Bundle, found: Verdict, run: Mapping[str, Any], execution: str, step: str) -> None:
    """Count an end, and tell it; the telling comes last, so that a refusal before it tells nothing twice."""
    dimensions = {"Stack": bundle.stack, "Dataset": str(run.get("dataset", "unknown")), "Outcome": found.outcome}
    aws("cloudwatch").put_metric_data(Namespace=bundle.namespace, MetricData=[metric("Runs", 1, "Count", **dimensions)])
    aws("sns").publish(
        TopicArn=os.environ[f"{found.severity.upper()}_TOPIC_ARN"],
        Subject=f"{bundle.title}: {found.outcome}"[:100],
        Message=message(bundle, found, run, execution, step),
    )


def take(bundle: Bundle, digits: str, attempt: str) -> bool:
    """Take the settling of a manifest that is open, for as long as a call can live; False when another call has it."""
    now = datetime.now(UTC)
    return update_unless_refused(
        TableName=bundle.ledger_table,
        Key=manifest_key(digits),
        UpdateExpression="SET settlingUntil = :until",
        ConditionExpression="attempt = :attempt AND #state IN (:planned, :running) "
        "AND (attribute_not_exists(settlingUntil) OR settlingUntil < :now)",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={
            ":attempt": {"N": attempt},
            ":planned": {"S": "planned"},
            ":running": {"S": "running"},
            ":now": {"S": now.isoformat()},
            ":until": {"S": (now + SETTLING).isoformat()},
        },
    )


def give_back(bundle: Bundle, digits: str) -> None:
    """Let the next call settle what this one could not."""
    aws("dynamodb").update_item(
        TableName=bundle.ledger_table, Key=manifest_key(digits), UpdateExpression="REMOVE settlingUntil"
    )


def update_unless_refused(**arguments: Any) -> bool:
    """Update an item; False when its condition does not hold."""
    try:
        aws("dynamodb").update_item(**arguments)
    except ClientError as error:
        if code_of(error) != "ConditionalCheckFailedException":
            raise
        return False
    return True


def enter(bundle: Bundle, digits: str, attempt: str, found: Verdict, ended: datetime) -> bool:
    """Enter an outcome in the ledger, if the manifest is still open."""
    values = {
        "state": found.state,
        "outcome": found.outcome,
        "reason": found.reason,
        "endedAt": ended.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return update_unless_refused(
        TableName=bundle.ledger_table,
        Key=manifest_key(digits),
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values) + " REMOVE settlingUntil",
        ConditionExpression="attempt = :attempt AND #state IN (:planned, :running)",
        ExpressionAttributeNames={f"#{name}": name for name in values},
        ExpressionAttributeValues={
            ":attempt": {"N": attempt},
            ":planned": {"S": "planned"},
            ":running": {"S": "running"},
            **{f":{name}": {"S": value} for name, value in values.items()},
        },
    )


def cancel_step(bundle: Bundle, execution: str) -> str:
    """Cancel the steps of an execution on the registered cluster, and their YARN applications; in words."""
    try:
        cluster = aws("ssm").get_parameter(Name=bundle.cluster_parameter)["Parameter"]["Value"]
        pages = aws("emr").get_paginator("list_steps").paginate(ClusterId=cluster, StepStates=["PENDING", "RUNNING"])
        steps = [step["Id"] for page in pages for step in page["Steps"] if step["Name"].startswith(f"{execution}.")]
        if not steps:
            return f"none of the execution waits or runs on cluster {cluster}"
        answers = aws("emr").cancel_steps(ClusterId=cluster, StepIds=steps)["CancelStepsInfoList"]
        aws("emr").add_job_flow_steps(
            JobFlowId=cluster,
            Steps=[
                {
                    "Name": f"stop-{execution}",
                    "ActionOnFailure": "CONTINUE",
                    "HadoopJarStep": {"Jar": "command-runner.jar", "Args": [*bundle.stop_arguments, execution]},
                }
            ],
        )
    except ClientError as error:
        if code_of(error) not in ("ParameterNotFound", "InvalidRequestException", "ValidationException"):
            raise
        return f"could not be cancelled: {error}"
    said = ", ".join(f"{answer['StepId']} {answer['Status']}" for answer in answers)
    return f"cancellation on cluster {cluster}: {said}; its YARN application is stopped by tag"


def settle_all(bundle: Bundle) -> list[dict[str, Any]]:
    """Settle what the ledger holds for open although it ended; how much waits, and what could not be settled."""
    planned = list(manifests(bundle, "planned"))
    unsettled = 0
    for entry in [*manifests(bundle, "running"), *planned[:EXAMINED_PLANNED]]:
        execution = execution_arn(bundle, entry["pk"].removeprefix("manifest#"), entry["attempt"])
        try:
            settle(bundle, execution)
        except (ClientError, BotoCoreError) as error:
            gone = isinstance(error, ClientError) and code_of(error) == "ExecutionDoesNotExist"
            if gone and entry["state"] == "planned":
                continue  # Not started yet. That a running one is unknown, somebody has to look at.
            unsettled += 1
            log.exception("execution could not be settled", extra={"execution": execution})
    oldest = min((entry["plannedAt"] for entry in planned), default=None)
    waited = (datetime.now(UTC) - datetime.fromisoformat(oldest)).total_seconds() if oldest else 0.0
    return [
        metric("PlannedManifests", len(planned), "Count", Stack=bundle.stack),
        metric("OldestPlannedSeconds", max(waited, 0.0), "Seconds", Stack=bundle.stack),
        metric("UnsettledExecutions", unsettled, "Count", Stack=bundle.stack),
    ]


def remember(bundle: Bundle, dataset: str) -> list[dict[str, Any]]:
    """Keep a dataset's history in the ledger, and tell how long ago it last succeeded."""
    now = datetime.now(UTC)
    key = {"pk": {"S": f"history#{dataset}"}, "sk": {"S": "history"}}
    changes: dict[str, dict[str, str]] = {}
    volume = statistics(bundle, dataset, "BytesPerRow", now - HISTORY, int(HISTORY.total_seconds()))
    runs = sum(point["SampleCount"] for point in volume)
    if runs >= LEAST_RUNS:
        mean = sum(point["Average"] * point["SampleCount"] for point in volume) / runs
        lowest, highest = bounds(mean, bundle.volume_factor)
        changes |= {"runs": {"N": f"{runs:.0f}"}}
        changes |= {"lowestBytesPerRow": {"N": f"{lowest:.6f}"}, "highestBytesPerRow": {"N": f"{highest:.6f}"}}
    successes = statistics(bundle, dataset, "Runs", now - FRESHNESS, 60)
    if successes:
        latest = max(point["Timestamp"] for point in successes).astimezone(UTC)
        changes["lastSuccessAt"] = {"S": latest.isoformat().replace("+00:00", "Z")}
    if changes:
        changes["updatedAt"] = {"S": now_text()}
        entry = aws("dynamodb").update_item(
            TableName=bundle.ledger_table,
            Key=key,
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in changes),
            ExpressionAttributeNames={f"#{name}": name for name in changes},
            ExpressionAttributeValues={f":{name}": value for name, value in changes.items()},
            ReturnValues="ALL_NEW",
        )["Attributes"]
    else:
        entry = aws("dynamodb").get_item(TableName=bundle.ledger_table, Key=key).get("Item", {})
    last = entry.get("lastSuccessAt", {}).get("S")
    if last is None:
        return []
    age = (now - datetime.fromisoformat(last)).total_seconds()
    return [metric("SecondsSinceSuccess", max(age, 0.0), "Seconds", Stack=bundle.stack, Dataset=dataset)]


def statistics(bundle: Bundle, dataset: str, name: str, since: datetime, period: int) -> list[dict[str, Any]]:
    """Values of a metric of a dataset's successful runs."""
    dimensions = {"Stack": bundle.stack, "Dataset": dataset, "Outcome": "Succeeded"}
    return aws("cloudwatch").get_metric_statistics(
        Namespace=bundle.namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": text} for key, text in dimensions.items()],
        StartTime=since,
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=period,
        Statistics=["Average", "SampleCount"],
    )["Datapoints"]


def count_down(bundle: Bundle) -> list[dict[str, Any]]:
    """Days until the certificate runs out, and until nobody supports the release."""
    today = datetime.now(UTC).date()
    left = {
        "CertificateDaysLeft": days_left(os.environ.get("CERTIFICATE_EXPIRY", ""), today),
        "ReleaseSupportDaysLeft": days_left(bundle.support_ends, today),
    }
    return [metric(name, days, "None", Stack=bundle.stack) for name, days in left.items() if days is not None]


def count_unconfirmed(bundle: Bundle) -> list[dict[str, Any]]:
    """Subscriptions that nobody confirmed: whoever they are for learns of nothing."""
    pending = 0
    for outcome in ("SUCCESS", "WARNING", "CRITICAL"):
        pages = (
            aws("sns")
            .get_paginator("list_subscriptions_by_topic")
            .paginate(TopicArn=os.environ[f"{outcome}_TOPIC_ARN"])
        )
        pending += sum(
            subscription["SubscriptionArn"] == "PendingConfirmation"
            for page in pages
            for subscription in page["Subscriptions"]
        )
    return [metric("UnconfirmedSubscriptions", pending, "Count", Stack=bundle.stack)]


class HousekeepingError(Exception):
    """Duties that failed; the others were done."""


def keep_house(bundle: Bundle) -> list[dict[str, Any]]:
    """Do every duty, and publish what it measured; one that fails keeps no other from being done.

    Raises:
        HousekeepingError: when one failed, so that the call counts as an error.
    """
    duties: dict[str, Callable[[], Iterable[dict[str, Any]]]] = {
        "settle": lambda: settle_all(bundle),
        **{f"remember {dataset}": functools.partial(remember, bundle, dataset) for dataset in bundle.datasets},
        "count down": lambda: count_down(bundle),
        "count subscriptions": lambda: count_unconfirmed(bundle),
    }
    measured: list[dict[str, Any]] = []
    failed: list[str] = []
    for duty, do in duties.items():
        try:
            measured += do()
        except Exception:
            log.exception("duty failed", extra={"duty": duty})
            failed.append(duty)
    if not failed:
        measured.append(metric("HousekeepingRuns", 1, "Count", Stack=bundle.stack))
    for start in range(0, len(measured), 500):
        aws("cloudwatch").put_metric_data(Namespace=bundle.namespace, MetricData=measured[start : start + 500])
    if failed:
        raise HousekeepingError(f"could not do: {', '.join(failed)}")
    return measured


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Entry of the function: the status of an execution, or the schedule."""
    bundle = bundled()
    if event.get("detail-type") == STATUS_CHANGE:
        execution = str(event["detail"]["executionArn"])
        return {"execution": execution, "settled": settle(bundle, execution)}
    return {"measured": {entry["MetricName"]: entry["Value"] for entry in keep_house(bundle)}}
