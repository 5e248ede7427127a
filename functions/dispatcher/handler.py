"""Lambda function: a batch of S3 "Object Created" events from the intake queue becomes manifests and executions.

The steps are pure functions with the calls to AWS at the end: `parse` the messages, `sort_out` what belongs to a
dataset, `build_manifests` within the bounds, then put each manifest and start its execution. A message is given back to
the queue (``batchItemFailures``) when it cannot be understood, so that it ends in the dead-letter queue, or when its
manifest could not be put or started, so that it is tried again. Everything else is done with, and the log says how.

Manifest: one JSON object in the scripts bucket, ``manifests/<dataset>/<hash>.json``, that holds all a run needs::

    {"version": 1, "dataset": "flights",
     "definition": {"prefix", "format", "columns": [{"name", "type", "nullable"}], "partitionBy", "nullValue"},
     "database": "…", "table": "flights",
     "output": "s3://<processed>/flights/", "staging": "s3://<processed>/_staging/flights/",
     "setAside": "s3://<processed>/_set_aside/flights/",
     "objects": [{"bucket", "key", "versionId": "…" | null, "size", "etag"}]}     sorted by bucket, key, version

It is written in canonical form (sorted keys, no blanks), and its hash is the SHA-256 of that text. An execution's name
is ``<first 40 digits of the hash>-<attempt>``; Step Functions starts a name once, so a batch that comes twice runs
once.

Configuration: ``datasets.json`` beside this file (see `configuration`), and the environment:

``STATE_MACHINE_ARN``  the state machine that runs manifests
``METRIC_NAMESPACE``   namespace of the metrics in the log (embedded metric format); without it, none
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

MANIFEST_VERSION = 1
MAXIMUM_OBJECTS = 1000
"""Most objects in a manifest: a run opens each, and a failed run repeats no more than these."""
MAXIMUM_BYTES = 32 * 1024**3
"""Most bytes in a manifest, unless a single object has more: what a run of some minutes reads."""
FIRST_ATTEMPT = 1
SPARE_MILLISECONDS = 5000
"""Time that must be left to start another manifest: a call that is cut off would repeat the whole batch."""


class MalformedMessageError(ValueError):
    """A message that is no event of S3."""


class BundleError(ValueError):
    """A bundled configuration that the function cannot work with."""


@dataclass(frozen=True)
class Configuration:
    """What the function knows of the stack."""

    datasets: Mapping[str, Mapping[str, Any]]
    """Definitions by dataset name."""
    database: str
    processed_bucket: str
    scripts_bucket: str

    def dataset_of(self, key: str) -> str | None:
        """The dataset whose prefix a key begins with."""
        found = [name for name, definition in self.datasets.items() if key.startswith(str(definition["prefix"]))]
        return max(found, key=lambda name: len(str(self.datasets[name]["prefix"])), default=None)


@dataclass(frozen=True)
class ObjectVersion:
    """One version of an object, as its event tells of it."""

    bucket: str
    key: str
    version_id: str | None
    size: int
    etag: str
    sequencer: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """What a later version replaces."""
        return self.bucket, self.key

    def is_newer_than(self, other: ObjectVersion) -> bool:
        """Whether this version of the same key was made later: S3's sequencers, the shorter filled up with zeros."""
        width = max(len(self.sequencer), len(other.sequencer))
        return self.sequencer.ljust(width, "0") > other.sequencer.ljust(width, "0")


@dataclass(frozen=True)
class Arrival:
    """An object version and the messages that told of it."""

    version: ObjectVersion
    messages: tuple[str, ...]


@dataclass(frozen=True)
class Ignored:
    """A message that needs no run."""

    message: str
    key: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """A manifest, ready to be put, and the messages that it settles."""

    dataset: str
    text: str
    hash: str
    objects: int
    size: int
    messages: tuple[str, ...]

    @property
    def key(self) -> str:
        """Its key in the scripts bucket."""
        return f"manifests/{self.dataset}/{self.hash}.json"

    def execution_name(self, attempt: int = FIRST_ATTEMPT) -> str:
        """Name of the execution that runs it."""
        return f"{self.hash[:40]}-{attempt}"

    def execution_input(self, configuration: Configuration, attempt: int = FIRST_ATTEMPT) -> dict[str, Any]:
        """Input of the execution that runs it."""
        name = self.execution_name(attempt)
        return {
            "manifest": f"s3://{configuration.scripts_bucket}/{self.key}",
            "manifestHash": self.hash,
            "dataset": self.dataset,
            "attempt": attempt,
            "objects": self.objects,
            "bytes": self.size,
            "report": {"bucket": configuration.processed_bucket, "key": f"_reports/{self.dataset}/{name}.json"},
        }


# --- pure steps -------------------------------------------------------------------------------------------------------


def configuration(path: Path) -> Configuration:
    """Read the bundled configuration.

    It is ``{"datasets": {name: definition}, "database", "processedBucket", "scriptsBucket"}``; a definition is a
    dataset's settings as they stand in the stack's configuration, and goes into manifests as it is.

    Raises:
        BundleError: when a part is missing.
    """
    document = cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
    try:
        datasets = cast(dict[str, dict[str, Any]], document["datasets"])
        for name, definition in datasets.items():
            if not definition.get("prefix"):
                raise BundleError(f"{path.name}: datasets.{name} has no prefix")
        return Configuration(
            datasets=datasets,
            database=str(document["database"]),
            processed_bucket=str(document["processedBucket"]),
            scripts_bucket=str(document["scriptsBucket"]),
        )
    except KeyError as error:
        raise BundleError(f"{path.name}: {error} is missing") from None


def parse(body: str) -> ObjectVersion | None:
    """The object version that a message tells of; None for an event of another kind.

    EventBridge gives keys as they are, not URL-encoded (Amazon S3 User Guide, "EventBridge event message structure").

    Raises:
        MalformedMessageError: when the message is no event of S3.
    """
    try:
        event = json.loads(body)
    except ValueError as error:
        raise MalformedMessageError(f"is not JSON: {error}") from None
    if not isinstance(event, dict):
        raise MalformedMessageError("is not a JSON object")
    fields = cast(dict[str, Any], event)
    if fields.get("source") != "aws.s3" or "detail-type" not in fields:
        raise MalformedMessageError(f"is no event of S3: source is {fields.get('source')!r}, not 'aws.s3'")
    if fields["detail-type"] != "Object Created":
        return None
    try:
        detail = fields["detail"]
        item = detail["object"]
        bucket, key, size = detail["bucket"]["name"], item["key"], item["size"]
        # S3's own notifications spell it eTag.
        etag = item.get("etag", item.get("eTag", ""))
        version_id, sequencer = item.get("version-id"), item.get("sequencer", "")
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedMessageError(f"is an event of S3 without what it should hold: {error!r}") from None
    if not (isinstance(bucket, str) and isinstance(key, str) and bucket and key):
        raise MalformedMessageError("is an event of S3 whose bucket or key is no text")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise MalformedMessageError(f"is an event of S3 whose size is {size!r}")
    # A bucket that was never versioned has no ids, one whose versioning is suspended has "null".
    known = None if version_id in (None, "", "null") else str(version_id)
    return ObjectVersion(bucket, key, known, size, str(etag), str(sequencer))


def why_ignored(version: ObjectVersion, settings: Configuration) -> str | None:
    """Why an object needs no run; None when it does."""
    if version.key.endswith("/") or version.key.endswith("_$folder$"):
        return "is a folder marker"
    if version.size == 0:
        return "is empty"
    if settings.dataset_of(version.key) is None:
        return "lies outside every dataset's prefix"
    return None


@dataclass(frozen=True)
class Sorted:
    """A batch, sorted out."""

    arrivals: Mapping[str, tuple[Arrival, ...]]
    """By dataset; one version a key, in the order of bucket and key."""
    ignored: tuple[Ignored, ...]
    malformed: Mapping[str, str]
    """What is wrong, by message."""


def sort_out(records: Iterable[Mapping[str, Any]], settings: Configuration) -> Sorted:
    """Sort a batch's messages: by dataset, to be ignored, malformed.

    Of several messages about one version, one object comes; of several versions of a key, the newest: a run reads the
    object as it is then.
    """
    newest: dict[tuple[str, str], Arrival] = {}
    ignored: list[Ignored] = []
    malformed: dict[str, str] = {}
    for record in records:
        message = str(record["messageId"])
        try:
            version = parse(str(record.get("body", "")))
        except MalformedMessageError as error:
            malformed[message] = str(error)
            continue
        if version is None:
            ignored.append(Ignored(message, "", "is an event of another kind than Object Created"))
            continue
        reason = why_ignored(version, settings)
        if reason is not None:
            ignored.append(Ignored(message, version.key, reason))
            continue
        earlier = newest.get(version.place)
        if earlier is None:
            newest[version.place] = Arrival(version, (message,))
        else:
            kept = version if version.is_newer_than(earlier.version) else earlier.version
            newest[version.place] = Arrival(kept, (*earlier.messages, message))
    arrivals: dict[str, list[Arrival]] = {}
    for place in sorted(newest):
        dataset = settings.dataset_of(place[1])
        if dataset is not None:
            arrivals.setdefault(dataset, []).append(newest[place])
    return Sorted({name: tuple(found) for name, found in sorted(arrivals.items())}, tuple(ignored), malformed)


def portions(
    arrivals: Sequence[Arrival], maximum_objects: int = MAXIMUM_OBJECTS, maximum_bytes: int = MAXIMUM_BYTES
) -> list[tuple[Arrival, ...]]:
    """Arrivals in their order, cut into portions within the bounds; a larger object makes a portion of its own."""
    cut: list[tuple[Arrival, ...]] = []
    portion: list[Arrival] = []
    size = 0
    for arrival in arrivals:
        if portion and (len(portion) == maximum_objects or size + arrival.version.size > maximum_bytes):
            cut.append(tuple(portion))
            portion, size = [], 0
        portion.append(arrival)
        size += arrival.version.size
    if portion:
        cut.append(tuple(portion))
    return cut


def canonical(document: Mapping[str, Any]) -> str:
    """A document's canonical JSON."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def manifest_document(dataset: str, versions: Iterable[ObjectVersion], settings: Configuration) -> dict[str, Any]:
    """The manifest of some objects of a dataset."""
    processed = f"s3://{settings.processed_bucket}"
    ordered = sorted(versions, key=lambda version: (version.bucket, version.key, version.version_id or ""))
    return {
        "version": MANIFEST_VERSION,
        "dataset": dataset,
        "definition": dict(settings.datasets[dataset]),
        "database": settings.database,
        "table": dataset,
        "output": f"{processed}/{dataset}/",
        "staging": f"{processed}/_staging/{dataset}/",
        "setAside": f"{processed}/_set_aside/{dataset}/",
        "objects": [
            {
                "bucket": version.bucket,
                "key": version.key,
                "versionId": version.version_id,
                "size": version.size,
                "etag": version.etag,
            }
            for version in ordered
        ],
    }


def build_manifest(dataset: str, arrivals: Sequence[Arrival], settings: Configuration) -> Manifest:
    """The manifest of some arrivals, in the form in which it is put."""
    text = canonical(manifest_document(dataset, [arrival.version for arrival in arrivals], settings))
    return Manifest(
        dataset=dataset,
        text=text,
        hash=hashlib.sha256(text.encode()).hexdigest(),
        objects=len(arrivals),
        size=sum(arrival.version.size for arrival in arrivals),
        messages=tuple(message for arrival in arrivals for message in arrival.messages),
    )


def build_manifests(arrivals: Mapping[str, Sequence[Arrival]], settings: Configuration) -> list[Manifest]:
    """All manifests of a batch."""
    return [
        build_manifest(dataset, portion, settings) for dataset, found in arrivals.items() for portion in portions(found)
    ]


def metrics_record(namespace: str, counts: Mapping[str, int], moment: datetime) -> dict[str, Any]:
    """A log record that CloudWatch reads as metrics (embedded metric format)."""
    return {
        "_aws": {
            "Timestamp": int(moment.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": namespace,
                    "Dimensions": [[]],
                    "Metrics": [{"Name": name, "Unit": "Count"} for name in counts],
                }
            ],
        },
        **counts,
    }


# --- edge -------------------------------------------------------------------------------------------------------------


def log(level: str, message: str, **fields: Any) -> None:
    """One line of JSON, in the form that Lambda filters by level."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    sys.stdout.write(json.dumps({"timestamp": moment, "level": level, "message": message, **fields}) + "\n")


@functools.cache
def bundle() -> Configuration:
    """The configuration in the function's archive."""
    return configuration(Path(__file__).with_name("datasets.json"))


@functools.cache
def aws_client(service: str) -> Any:
    """A client that tries again by itself; made at first use, kept between calls."""
    retries = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=10)
    return cast(Any, boto3).client(service, config=retries)


def start(manifest: Manifest, settings: Configuration, state_machine_arn: str) -> None:
    """Put a manifest and start its execution. One that was started already is fine: it does the work.

    Raises:
        ClientError, BotoCoreError: when AWS does not take it now.
    """
    aws_client("s3").put_object(
        Bucket=settings.scripts_bucket,
        Key=manifest.key,
        Body=manifest.text.encode(),
        ContentType="application/json",
    )
    name = manifest.execution_name()
    fields = {"dataset": manifest.dataset, "manifest": manifest.key, "execution": name, "objects": manifest.objects}
    try:
        aws_client("stepfunctions").start_execution(
            stateMachineArn=state_machine_arn, name=name, input=canonical(manifest.execution_input(settings))
        )
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ExecutionAlreadyExists":
            raise
        log("INFO", "execution was started before", **fields)
    else:
        log("INFO", "execution started", bytes=manifest.size, **fields)


def time_is_left(context: Any) -> bool:
    """Whether another manifest can be started in this call."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return remaining is None or remaining() > SPARE_MILLISECONDS


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Entry of the function: a batch of the queue in, the messages to give back out."""
    settings = bundle()
    state_machine_arn = os.environ["STATE_MACHINE_ARN"]
    batch = sort_out(cast(Sequence[Mapping[str, Any]], event.get("Records", ())), settings)
    for message, problem in batch.malformed.items():
        log("ERROR", f"message {problem}", messageId=message)
    for item in batch.ignored:
        log(
            "WARN",
            f"object {item.reason}" if item.key else f"message {item.reason}",
            key=item.key,
            messageId=item.message,
        )

    failed = list(batch.malformed)
    started = 0
    for manifest in build_manifests(batch.arrivals, settings):
        try:
            if not time_is_left(context):
                raise TimeoutError("the call's time is nearly over")
            start(manifest, settings, state_machine_arn)
            started += manifest.objects
        except (ClientError, BotoCoreError, TimeoutError) as error:
            log(
                "ERROR",
                f"manifest could not be started: {error}",
                dataset=manifest.dataset,
                manifest=manifest.key,
                objects=manifest.objects,
                messages=len(manifest.messages),
            )
            failed += manifest.messages
    namespace = os.environ.get("METRIC_NAMESPACE")
    if namespace:
        counts = {
            "ObjectsDispatched": started,
            "MessagesIgnored": len(batch.ignored),
            "MessagesMalformed": len(batch.malformed),
            "MessagesReturned": len(failed),
        }
        sys.stdout.write(json.dumps(metrics_record(namespace, counts, datetime.now(UTC))) + "\n")
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}
