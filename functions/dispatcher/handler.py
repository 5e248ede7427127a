"""Lambda function: new objects become manifests, and planned manifests become executions.

It is called with a batch of the intake queue (S3 "Object Created" events, through EventBridge), when an execution has
ended, and on a schedule. Every call ends with starting what may start (`functions.dispatcher.starting`), so that no
planned manifest waits for a particular event. Of a batch, a message is given back (``batchItemFailures``) when it
cannot be understood, so that it ends in the dead-letter queue, or when its object could not be planned now, so that it
is tried again. Back-pressure gives nothing back: planned manifests wait in the ledger, and burn no receive counts.

Configuration: ``datasets.json`` beside this file (see `functions.dispatcher.manifests.configuration`), and:

``STATE_MACHINE_ARN``            the state machine that runs manifests
``STATE_MACHINE_ALIAS_ARN``      its alias, which executions are started through
``LEDGER_TABLE``                 the ledger
``MAXIMUM_RUNNING_EXECUTIONS``   most executions at a time
``STACK``                        value of the metrics' dimension Stack
``POWERTOOLS_METRICS_NAMESPACE`` namespace of the metrics
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from functions.dispatcher.events import ObjectVersion, parse
from functions.dispatcher.manifests import Configuration, Manifest, configuration
from functions.dispatcher.planning import Planner, summary
from functions.dispatcher.starting import Starter
from functions.ledger.store import Ledger

SPARE_MILLISECONDS = 5000
"""Time that must be left for another manifest: a call that is cut off leaves claims that others must wait for."""
UNKNOWN_LIFE_SECONDS = 900.0
"""Longest life of a call that does not say: Lambda's own most."""

logger = Logger(service="dispatcher")
tracer = Tracer(service="dispatcher")


@functools.cache
def bundle() -> Configuration:
    """The configuration in the function's archive."""
    return configuration(Path(__file__).with_name("datasets.json"))


@functools.cache
def aws_client(service: str) -> Any:
    """A client that tries again by itself; made at first use, kept between calls."""
    retries = Config(
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=5,
        read_timeout=10,
        max_pool_connections=32,
    )
    if service == "dynamodb":
        # The resource's client takes plain values.
        return cast(Any, boto3).resource(service, config=retries).meta.client
    return cast(Any, boto3).client(service, config=retries)


def put_manifest(manifest: Manifest) -> str:
    """Put a manifest into the scripts bucket; its address."""
    bucket = bundle().scripts_bucket
    aws_client("s3").put_object(
        Bucket=bucket, Key=manifest.key, Body=manifest.text.encode(), ContentType="application/json"
    )
    return f"s3://{bucket}/{manifest.key}"


def read_messages(records: Sequence[Mapping[str, Any]]) -> tuple[dict[ObjectVersion, list[str]], list[str], int]:
    """Messages of each object version, malformed messages, and the number of those that need nothing."""
    messages: dict[ObjectVersion, list[str]] = {}
    others = 0
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)

    def read(record: Any) -> None:
        nonlocal others
        try:
            version = parse(str(record.body))
        except ValueError as error:
            logger.error(f"message {error}", messageId=record.message_id)
            raise
        if version is None:
            others += 1
            logger.warning("message is an event of another kind than Object Created", messageId=record.message_id)
        elif version.bucket != bundle().raw_bucket:
            # What runs write must never start a run.
            others += 1
            logger.warning("object lies in another bucket than the raw one", bucket=version.bucket, key=version.key)
        elif bundle().dataset_of(version.key) is None:
            others += 1
            logger.warning("object lies outside every dataset's prefix", key=version.key, messageId=record.message_id)
        else:
            messages.setdefault(version, []).append(str(record.message_id))

    with processor(records=cast(Any, list(records)), handler=read):
        processor.process()
    failures = cast(Any, processor.response())["batchItemFailures"]
    return messages, [str(entry["itemIdentifier"]) for entry in failures], others


def plan(records: Sequence[Mapping[str, Any]], ledger: Ledger, metrics: Metrics, context: Any) -> list[str]:
    """Plan a batch's objects; the messages to give back."""
    messages, malformed, others = read_messages(records)
    planner = Planner(
        ledger,
        put_manifest,
        bundle(),
        claim_seconds=remaining_milliseconds(context) / 1000,
        time_is_left=lambda: time_is_left(context),
    )
    try:
        planner.plan(list(messages))
    except (ClientError, BotoCoreError) as error:
        # What has no result goes back; what was claimed is taken over when the claim has run out.
        logger.error(f"planning stopped: {error}")
    returned = [
        message
        for version, found in messages.items()
        if planner.results.get(version, "busy") == "busy"
        for message in found
    ]
    counts = summary(planner.results)
    for version, reason in planner.reasons.items():
        logger.warning(f"object {planner.results[version]}: {reason}", key=version.key, versionId=version.version_id)
    for manifest in planner.manifests:
        logger.info(
            "manifest planned",
            dataset=manifest.dataset,
            manifest=manifest.hash,
            objects=len(manifest.versions),
            bytes=manifest.size,
        )
    values = {
        "ObjectsDispatched": counts.get("planned", 0),
        "ObjectsHeld": counts.get("ignored", 0) + counts.get("superseded", 0),
        "ManifestsPlanned": len(planner.manifests),
        "MessagesIgnored": others,
        "MessagesMalformed": len(malformed),
        "MessagesReturned": len(malformed) + len(returned),
    }
    for name, value in values.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    return [*malformed, *returned]


def start(ledger: Ledger, metrics: Metrics, context: Any) -> None:
    """Start what may start."""
    starter = Starter(
        ledger,
        aws_client("stepfunctions"),
        machine=os.environ["STATE_MACHINE_ARN"],
        alias=os.environ["STATE_MACHINE_ALIAS_ARN"],
        processed_bucket=bundle().processed_bucket,
        maximum=int(os.environ["MAXIMUM_RUNNING_EXECUTIONS"]),
    )
    started = starter.run(lambda: time_is_left(context))
    for name in started.executions:
        logger.info("execution started", execution=name)
    for problem in started.problems:
        logger.error(f"execution could not be started, and waits: {problem}")
    metrics.add_metric(name="ExecutionsStarted", unit=MetricUnit.Count, value=len(started.executions))
    metrics.add_metric(name="ExecutionsRefused", unit=MetricUnit.Count, value=len(started.problems))


def remaining_milliseconds(context: Any) -> float:
    """Time that this call has left."""
    remaining: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
    return remaining() if remaining else UNKNOWN_LIFE_SECONDS * 1000


def time_is_left(context: Any) -> bool:
    """Whether another manifest can be planned or started in this call."""
    return remaining_milliseconds(context) > SPARE_MILLISECONDS


@tracer.capture_lambda_handler(capture_response=False)
def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Entry of the function: a batch of the queue, or anything else to start what waits."""
    ledger = Ledger(aws_client("dynamodb"), os.environ["LEDGER_TABLE"])
    metrics = Metrics()
    metrics.add_dimension(name="Stack", value=os.environ["STACK"])
    records = cast(Sequence[Mapping[str, Any]], event.get("Records", ()))
    try:
        failed = plan(records, ledger, metrics, context) if records else []
        try:
            start(ledger, metrics, context)
        except (ClientError, BotoCoreError) as error:
            # The batch is planned; the schedule starts it.
            logger.error(f"nothing could be started now: {error}")
            if not records:
                raise
    finally:
        metrics.flush_metrics()
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}
