"""Manifests: what one run has to do, in one JSON object of the scripts bucket. Pure.

``manifests/<dataset>/<hash>.json`` holds all a run needs::

    {"version": 1, "dataset": "flights", "plan": "<unique>",
     "definition": {"prefix", "format", "columns": [{"name", "type", "nullable"}], "partitionBy", "nullValue", …},
     "database": "…", "table": "flights",
     "output": "s3://<processed>/flights/", "staging": "s3://<processed>/_staging/flights/",
     "setAside": "s3://<processed>/_set_aside/flights/",
     "objects": [{"bucket", "key", "versionId": "…" | null, "size", "etag"}]}     sorted by bucket, key, version

It is written in canonical form (sorted keys, no blanks), and its hash is the SHA-256 of that text. ``plan`` makes every
planned manifest another one: that an object is processed once is the ledger's doing, and a plan that was given up is
never confused with a later one of the same objects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from functions.dispatcher.events import ObjectVersion

MANIFEST_VERSION = 1
MAXIMUM_OBJECTS = 1000
"""Most objects in a manifest: a run opens each, and a failed run repeats no more than these."""
MAXIMUM_BYTES = 32 * 1024**3
"""Most bytes in a manifest, unless a single object has more: what a run of some minutes reads."""


class BundleError(ValueError):
    """A bundled configuration that the function cannot work with."""


@dataclass(frozen=True)
class Configuration:
    """What the function knows of the stack."""

    datasets: Mapping[str, Mapping[str, Any]]
    """Definitions by dataset name."""
    database: str
    raw_bucket: str
    processed_bucket: str
    scripts_bucket: str
    job: str
    """``s3://`` address of the job's code that new manifests are pinned to."""

    def dataset_of(self, key: str) -> str | None:
        """The dataset whose prefix a key begins with, and whose suffix it ends with."""
        found = [
            name
            for name, definition in self.datasets.items()
            if key.startswith(str(definition["prefix"])) and key.endswith(str(definition.get("suffix", "")))
        ]
        return max(found, key=lambda name: len(str(self.datasets[name]["prefix"])), default=None)

    def overwrites(self, dataset: str) -> str:
        """What a further version of a key does: ``hold`` or ``add``."""
        return str(self.datasets[dataset].get("overwrites", "hold"))


def configuration(path: Path) -> Configuration:
    """Read the bundled configuration.

    It is ``{"datasets": {name: definition}, "database", "rawBucket", "processedBucket", "scriptsBucket", "job"}``; a
    definition is a dataset's settings as they stand in the stack's configuration, and goes into manifests as it is.

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
            raw_bucket=str(document["rawBucket"]),
            processed_bucket=str(document["processedBucket"]),
            scripts_bucket=str(document["scriptsBucket"]),
            job=str(document["job"]),
        )
    except KeyError as error:
        raise BundleError(f"{path.name}: {error} is missing") from None


@dataclass(frozen=True)
class Manifest:
    """A manifest, ready to be put."""

    dataset: str
    text: str
    hash: str
    versions: tuple[ObjectVersion, ...]

    @property
    def key(self) -> str:
        """Its key in the scripts bucket."""
        return f"manifests/{self.dataset}/{self.hash}.json"

    @property
    def size(self) -> int:
        """Bytes of its objects."""
        return sum(version.size for version in self.versions)


def canonical(document: Mapping[str, Any]) -> str:
    """A document's canonical JSON."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def portions(
    versions: Sequence[ObjectVersion], maximum_objects: int = MAXIMUM_OBJECTS, maximum_bytes: int = MAXIMUM_BYTES
) -> list[tuple[ObjectVersion, ...]]:
    """Versions in their order, cut into portions within the bounds; a larger object makes a portion of its own."""
    cut: list[tuple[ObjectVersion, ...]] = []
    portion: list[ObjectVersion] = []
    size = 0
    for version in versions:
        if portion and (len(portion) == maximum_objects or size + version.size > maximum_bytes):
            cut.append(tuple(portion))
            portion, size = [], 0
        portion.append(version)
        size += version.size
    if portion:
        cut.append(tuple(portion))
    return cut


def manifest_document(
    dataset: str, versions: Iterable[ObjectVersion], settings: Configuration, plan: str
) -> dict[str, Any]:
    """The manifest of some objects of a dataset."""
    processed = f"s3://{settings.processed_bucket}"
    ordered = sorted(versions, key=lambda version: (version.bucket, version.key, version.version_id or ""))
    return {
        "version": MANIFEST_VERSION,
        "dataset": dataset,
        "plan": plan,
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


def build_manifest(dataset: str, versions: Sequence[ObjectVersion], settings: Configuration, plan: str) -> Manifest:
    """The manifest of some objects, in the form in which it is put."""
    text = canonical(manifest_document(dataset, versions, settings, plan))
    return Manifest(dataset, text, hashlib.sha256(text.encode()).hexdigest(), tuple(versions))


def execution_name(manifest_hash: str, attempt: int) -> str:
    """Name of the execution that runs a manifest."""
    return f"{manifest_hash[:40]}-{attempt}"


def execution_input(item: Mapping[str, Any], processed_bucket: str) -> dict[str, Any]:
    """Input of the execution that runs a manifest, from the manifest's item in the ledger."""
    manifest_hash, attempt, dataset = str(item["hash"]), int(item["attempt"]), str(item["dataset"])
    name = execution_name(manifest_hash, attempt)
    return {
        "manifest": str(item["uri"]),
        "manifestHash": manifest_hash,
        "dataset": dataset,
        "attempt": attempt,
        "objects": int(item["objects"]),
        "bytes": int(item["bytes"]),
        "report": {"bucket": processed_bucket, "key": f"_reports/{dataset}/{name}.json"},
        "job": str(item["job"]),
    }
