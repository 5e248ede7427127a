"""The Spark job: the objects of a manifest become partitioned Parquet, catalogued in Glue.

    spark-submit transform.py --manifest s3://…/manifests/<dataset>/<hash>.json --report s3://…/_reports/….json

It runs on the release's own Python (3.7 on EMR 6.9.0) and Spark (3.3.0), in one file, with the DataFrame API only: no
Python function is sent to an executor. Files that are not tables go through Hadoop's FileSystem, so ``s3://`` is EMRFS
on a cluster. Exit code 0 says that the run did its work, even when objects were rejected (the report says so); 1 that
it could not, and then the report carries ``error`` if it could be written.

Manifest (written by the dispatcher, see ``functions/dispatcher/handler.py``)::

    {"version": 1, "dataset": "flights",
     "definition": {"prefix", "format": "csv" | "json" | "parquet", "columns": [{"name", "type", "nullable"}],
                    "partitionBy": [...], "nullValue": "", "addedColumns": "reject" | "ignore",
                    "missingColumns": "reject" | "null"},
     "database": "…", "table": "…",                        where the partitions are catalogued
     "output": "s3://…/flights/", "staging": "s3://…/_staging/flights/", "setAside": "s3://…/_set_aside/flights/",
     "objects": [{"bucket", "key", "versionId", "size", "etag"}]}

A ``bucket`` that begins with ``file:`` is a local directory. The manifest's hash is the SHA-256 of its canonical JSON
(sorted keys, no blanks); it names what the run writes.

What is taken, set aside, rejected
    An *object* is rejected, and the others are processed, when it is missing, empty, replaced since by one of another
    size, damaged, unreadable by name (Spark skips names that begin with ``_`` or ``.``), or not of the declared shape:
    a CSV header must be the declared columns in order; a Parquet file must hold them with types that fit. Columns that
    are not declared are left out where ``addedColumns`` is ``ignore``, and columns that are not there are null where
    ``missingColumns`` is ``null`` and they are not required; at least one declared column must be there.
    A *record* is set aside when it has too few or too many fields, is not JSON, holds a value that is not of its
    column's type, or lacks a required value. What is not transient never fails the run; what is (a throttled or denied
    store, a lost catalog) always does, so that the run can be tried again.

    CSV is RFC 4180 with commas and UTF-8: a quote in a quoted field is doubled, a line is a record. An empty field and
    ``nullValue`` are missing values. In JSON lines, fields that are not declared are ignored, and a record without any
    declared field is set aside. Lines that repeat the header are no records. Every format's values are read alike:

    ========= ===============================================================================================
    string    any text
    int       a whole number of 32 bits; ``12.0`` is one, as spreadsheets and data frames write it, ``12.5`` is not
    bigint    a whole number of 64 bits
    double    a decimal number, with or without exponent; ``NaN`` and ``Infinity``
    boolean   ``true`` or ``false``, in any case
    date      ``2013-01-31``
    timestamp ``2013-01-31``, ``2013-01-31 05:00[:00[.000000]]`` or with ``T``, and a zone or none for UTC
    ========= ===============================================================================================

    In columns that are not text, blanks around a value do not count, and blank is missing.

Layout
    ``output/<partition>/part-<nnnnn>-<hash[:16]>.parquet``: names depend on the manifest only, so the same manifest
    again replaces its own files and touches no others. Files are first written to ``staging/<hash>/<attempt>/``.
    ``setAside/<hash>/part-<nnnnn>.json``: JSON lines of ``object``, ``reason``, ``detail``, ``record``.

Report
    ``{"version": 1, "dataset", "manifest", "application", "rows": {"in", "out", "setAside"}, "bytes": {"in", "out"},
    "bytesPerRow": bytes in / rows in, "files": {"in", "out"}, "partitions": [first 100], "partitionCount",
    "setAsideReasons": {first 20, most frequent}, "setAsideRatio", "rejectedObjects": [first 100 {"object", "reason"}],
    "rejectedCount", "seconds", "startedAt", "finishedAt", "error": null | text,
    "transient": null | whether another try of the run may end otherwise}``

Session settings: see `SESSION_SETTINGS`; the Glue endpoint is Spark's ``spark.emr_pipeline.glue.endpoint`` when set.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import math
import os
import re
import sys
import time
import uuid
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable, Iterable, NamedTuple, Sequence, TypeVar

from py4j.java_gateway import JavaPackage
from py4j.protocol import Py4JJavaError
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.utils import AnalysisException, CapturedException

MANIFEST_VERSION = 1
REPORT_VERSION = 1
MIB = 1024 * 1024

REPORTED_PARTITIONS = 100
REPORTED_REASONS = 20
REPORTED_OBJECTS = 100
REASON_LENGTH = 400
HEADER_BYTES = MIB
"""Longest header line that is read; columns beyond it would not fit Spark's own limits either."""
CONCURRENT_CALLS = 16
"""Calls to the store at once, from the driver."""
CATALOG_BATCH = 100
"""Most partitions in one BatchCreatePartition (Glue API reference)."""
CATALOG_ATTEMPTS = 6
INPUT_PER_FILE = 512 * MIB
"""Input that makes a Parquet file of 128 MiB (text) to 512 MiB (Parquet)."""
OPENING_COST = 4 * MIB
SHUFFLE_PER_FILE = 512 * MIB
"""Shuffled rows that make a Parquet file of 128 to 256 MiB: larger partitions are split."""

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
MALFORMED = "_malformed"
OBJECT = "_object"
LINE = "_line"
DAMAGE = "_damage"
BUCKETS = 64

SESSION_SETTINGS = {
    # A timestamp without a zone means UTC, whatever the cluster's clock says.
    "spark.sql.session.timeZone": "UTC",
    # A value that does not fit becomes null, which the checks below turn into a reason.
    "spark.sql.ansi.enabled": "false",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    # Dates before 1582 are written as they are; the default raises, and one odd record would fail the run.
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    # INT96 is what Hive 3.1 and Presto 0.276 read alike.
    "spark.sql.parquet.outputTimestampType": "INT96",
    # Every field of a line is counted, and every record reaches the checks.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    "spark.sql.optimizer.enableCsvExpressionOptimization": "false",
    "spark.sql.optimizer.enableJsonExpressionOptimization": "false",
    # The JVM never compiles a longer method, and a slow one is worse than several short ones: wide tables need this.
    "spark.sql.codegen.hugeMethodLimit": "8000",
    # An object that cannot be read is found and named, never skipped in silence.
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    # Few tasks list many objects.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "64",
    # Rows go to files by their partition and the sizes found on the way: few files, none too large. What decides it
    # depends on the manifest alone, so that two attempts put the same rows in the same files.
    "spark.sql.shuffle.partitions": "200",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.adaptive.coalescePartitions.enabled": "true",
    "spark.sql.adaptive.coalescePartitions.initialPartitionNum": "200",
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "true",
    "spark.sql.adaptive.optimizeSkewsInRebalancePartitions.enabled": "true",
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": str(SHUFFLE_PER_FILE),
    "spark.sql.files.minPartitionNum": "1",
    "spark.sql.files.openCostInBytes": str(OPENING_COST),
}
"""What the job sets by itself, over the cluster's defaults. `write_rows` adds ``spark.sql.files.maxPartitionBytes`` and
``spark.sql.maxConcurrentOutputFileWriters``."""

SPARK_TYPES: dict[str, T.DataType] = {
    "string": T.StringType(),
    "int": T.IntegerType(),
    "bigint": T.LongType(),
    "double": T.DoubleType(),
    "boolean": T.BooleanType(),
    "date": T.DateType(),
    "timestamp": T.TimestampType(),
}

WIDENED = {
    ("tinyint", "int"),
    ("smallint", "int"),
    ("tinyint", "bigint"),
    ("smallint", "bigint"),
    ("int", "bigint"),
    ("tinyint", "double"),
    ("smallint", "double"),
    ("int", "double"),
    ("float", "double"),
    ("date", "timestamp"),
}
"""Parquet type and declared type between which every value fits."""

CHECKED = {
    "string": {"boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "date", "timestamp"},
    "int": {"string", "bigint", "float", "double", "decimal"},
    "bigint": {"string", "float", "double", "decimal"},
    "double": {"string", "bigint", "decimal"},
    "boolean": {"string"},
    "date": {"string"},
    "timestamp": {"string"},
}
"""Parquet types whose values are checked one by one, by declared type."""

R = TypeVar("R")
S = TypeVar("S")


class JobError(Exception):
    """Something that stops the run, and that may pass by itself; its text is the whole message."""


class InputError(JobError):
    """A mistake in the manifest or in its objects, which a person has to put right: another try ends the same."""


# --- plain helpers ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ColumnDefinition:
    """A declared column."""

    name: str
    type: str
    nullable: bool


@dataclass(frozen=True)
class RawObject:
    """An object of the manifest."""

    uri: str
    key: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """What one run has to do."""

    hash: str
    dataset: str
    format: str
    columns: tuple[ColumnDefinition, ...]
    partition_by: tuple[str, ...]
    null_value: str
    added_columns: str
    missing_columns: str
    database: str
    table: str
    output: str
    staging: str
    set_aside: str
    objects: tuple[RawObject, ...]

    @property
    def names(self) -> list[str]:
        """Names of the declared columns, in order."""
        return [column.name for column in self.columns]


class Rejection(NamedTuple):
    """An object that the run does not take, and why."""

    object: str
    reason: str


def canonical_hash(document: Any) -> str:
    """SHA-256 of a document's canonical JSON."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def object_uri(bucket: str, key: str) -> str:
    """Address of an object; a ``file:`` bucket is a local directory."""
    return "{}/{}".format(bucket.rstrip("/"), key) if bucket.startswith("file:") else f"s3://{bucket}/{key}"


def parse_manifest(text: str, where: str) -> Manifest:
    """Read a manifest.

    Raises:
        JobError: naming the key that is wrong.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InputError(f"manifest {where}: is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InputError(f"manifest {where}: is not a JSON object")
    version = document.get("version")
    if version != MANIFEST_VERSION:
        raise InputError(f"manifest {where}: version is {json.dumps(version)}, this job reads {MANIFEST_VERSION}")
    try:
        definition = document["definition"]
        columns = tuple(
            ColumnDefinition(column["name"], column["type"], bool(column.get("nullable", True)))
            for column in definition["columns"]
        )
        manifest = Manifest(
            hash=canonical_hash(document),
            dataset=document["dataset"],
            format=definition["format"],
            columns=columns,
            partition_by=tuple(definition.get("partitionBy", ())),
            null_value=definition.get("nullValue", ""),
            added_columns=definition.get("addedColumns", "reject"),
            missing_columns=definition.get("missingColumns", "reject"),
            database=document["database"],
            table=document["table"],
            output=document["output"].rstrip("/"),
            staging=document["staging"].rstrip("/"),
            set_aside=document["setAside"].rstrip("/"),
            objects=tuple(
                RawObject(object_uri(entry["bucket"], entry["key"]), entry["key"], int(entry["size"]))
                for entry in document["objects"]
            ),
        )
    except KeyError as error:
        raise InputError(f"manifest {where}: {error} is missing") from None
    except (TypeError, AttributeError, ValueError) as error:
        raise InputError(f"manifest {where}: a value is of the wrong kind: {error}") from None
    if manifest.format not in ("csv", "json", "parquet"):
        raise InputError(f"manifest {where}: format is {manifest.format!r}; allowed: csv, json, parquet")
    for name, value, allowed in (
        ("addedColumns", manifest.added_columns, ("reject", "ignore")),
        ("missingColumns", manifest.missing_columns, ("reject", "null")),
    ):
        if value not in allowed:
            raise InputError(f"manifest {where}: {name} is {value!r}; allowed: {', '.join(allowed)}")
    for column in columns:
        if column.type not in SPARK_TYPES:
            raise InputError(
                "manifest {}: column {} has type {!r}; allowed: {}".format(
                    where, column.name, column.type, ", ".join(SPARK_TYPES)
                )
            )
    unknown = [name for name in manifest.partition_by if name not in manifest.names]
    if unknown:
        raise InputError("manifest {}: partitionBy names undeclared columns: {}".format(where, ", ".join(unknown)))
    return manifest


def shortened(text: str, length: int = REASON_LENGTH) -> str:
    """Text on one line, cut where it gets too long."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"


def header_fields(line: str) -> list[str]:
    """Column names of a CSV header line, without quotes and blanks around them."""
    fields: list[str] = next(iter(csv.reader([line], skipinitialspace=True)), [])
    return [field.strip() for field in fields]


def unserved(manifest: Manifest, found: Sequence[str]) -> list[str]:
    """What of an object's columns keeps it from being taken: columns that are missing, or that nobody declared."""
    parts = []
    missing = [column for column in manifest.columns if column.name not in found]
    if len(missing) < len(manifest.columns) and manifest.missing_columns == "null":
        missing = [column for column in missing if not column.nullable]
    unexpected = [name for name in found if name not in manifest.names]
    if missing:
        parts.append("lacks " + ", ".join(column.name for column in missing))
    if unexpected and manifest.added_columns == "reject":
        parts.append("has unexpected " + ", ".join(repr(name) for name in unexpected))
    return parts


def header_difference(manifest: Manifest, found: Sequence[str]) -> str | None:
    """Why a CSV header does not serve the declared columns; None when it does."""
    if manifest.names == list(found):
        return None
    parts = unserved(manifest, found)
    known = [name for name in found if name in manifest.names]
    twice = sorted({name for name in known if known.count(name) > 1})
    expected = [name for name in manifest.names if name in known]
    if twice:
        parts.append("has " + ", ".join(twice) + " twice")
    if not parts and known != expected:
        first = next(index for index, (a, b) in enumerate(zip(expected, known)) if a != b)
        position = list(found).index(known[first]) + 1
        parts.append(
            f"has the columns in another order: column {position} is {known[first]}, expected {expected[first]}"
        )
    if not parts:
        return None
    if len(found) == 1 and len(manifest.names) > 1:
        parts.append("is one field: fields must be separated by commas")
    return shortened("CSV header " + "; ".join(parts))


def skipped_by_spark(key: str) -> bool:
    """Whether Spark skips a file of this name without a word (HadoopFSUtils.shouldFilterOutPathName)."""
    name = key.rsplit("/", 1)[-1]
    return (name.startswith("_") and "=" not in name) or name.startswith(".") or name.endswith("._COPYING_")


ESCAPED_IN_PARTITIONS = set("\"#%'*/:=?\\\x7f{[]^") | {chr(code) for code in range(1, 32)}


def escape_partition_value(value: str | None) -> str:
    """Text of a partition value in a path, as Hive and Spark write it (ExternalCatalogUtils.escapePathName)."""
    if value is None or value == "":
        return NULL_PARTITION
    return "".join(f"%{ord(c):02X}" if c in ESCAPED_IN_PARTITIONS else c for c in value)


def unescape_partition_value(text: str) -> str:
    """The value of an escaped text; the null partition keeps its name, as Glue and Hive expect."""
    return re.sub(r"%([0-9a-fA-F]{2})", lambda match: chr(int(match.group(1), 16)), text)


def partition_values(path: str) -> list[str]:
    """Values of a partition path such as ``year=2013/month=1``."""
    return [unescape_partition_value(part.split("=", 1)[1]) for part in path.split("/")] if path else []


def final_names(staged: Iterable[str], suffix: str) -> dict[str, str]:
    """Final relative path by staged relative path: numbered within each directory, in the order of Spark's tasks."""
    directories: dict[str, list[str]] = {}
    for path in staged:
        directories.setdefault(path.rpartition("/")[0], []).append(path)
    names = {}
    for directory, paths in directories.items():
        for number, path in enumerate(sorted(paths)):
            name = f"part-{number:05d}{suffix}"
            names[path] = directory + "/" + name if directory else name
    return names


def scan_bytes(objects: Sequence[RawObject], shuffled: bool) -> int:
    """Most bytes that one task reads. It depends on the manifest alone, never on the cluster's size of the moment.

    With a shuffle after it, tasks are many and small. Without, each task's rows become one file: up to eight tasks for
    speed, more only when each writes a file of full size.
    """
    size = sum(item.size for item in objects)
    # As Spark counts: opening an object costs as much as reading some bytes.
    work = size + len(objects) * OPENING_COST
    if shuffled:
        return min(128 * MIB, max(16 * MIB, math.ceil(work / 64)))
    tasks = max(math.ceil(size / INPUT_PER_FILE), min(8, math.ceil(work / (32 * MIB))), 1)
    return math.ceil(work / tasks)


def timestamp(moment: datetime) -> str:
    """ISO text of a UTC moment, to the millisecond."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def log(message: str) -> None:
    """A line of progress in the driver's log."""
    sys.stderr.write(f"{timestamp(datetime.now(timezone.utc))} transform: {message}\n")
    sys.stderr.flush()


def in_parallel(action: Callable[[S], R], items: Iterable[S]) -> list[R]:
    """Results of an action on every item, in order, a few at a time."""
    with ThreadPoolExecutor(CONCURRENT_CALLS) as pool:
        return list(pool.map(action, items))


# --- Java's errors ---------------------------------------------------------------------------------------------------

JAVA_ERRORS = (Py4JJavaError, CapturedException)
"""How an exception of the JVM comes here; PySpark makes its own of some."""

DAMAGED = ("java.io.EOFException", "java.util.zip.", "org.apache.parquet.", "org.apache.hadoop.fs.ChecksumException")
"""Exceptions that say that an object's content is wrong."""
DECODERS = ("org.apache.hadoop.io.compress.", "java.util.zip.", "org.apache.parquet.")
"""Code that reads content, and not from the network: what it throws is about the content."""
UNREADABLE_COLUMNS = "org.apache.spark.sql.AnalysisException"


class Cause(NamedTuple):
    """What lies under an exception of the JVM."""

    name: str
    message: str
    thrower: str


def root_cause(error: Exception) -> Cause:
    """The innermost cause of one of `JAVA_ERRORS`."""
    throwable = error.java_exception if isinstance(error, Py4JJavaError) else getattr(error, "_origin", None)
    if throwable is None:
        return Cause(type(error).__name__, str(error), "")
    for _ in range(30):
        cause = throwable.getCause()
        if cause is None:
            break
        throwable = cause
    frames = throwable.getStackTrace()
    thrower = str(frames[0].getClassName()) if len(frames) else ""
    return Cause(str(throwable.getClass().getName()), str(throwable.getMessage() or ""), thrower)


def describe(error: Exception) -> str:
    """One line about an error, Java's or Python's."""
    if not isinstance(error, JAVA_ERRORS):
        return shortened(f"{type(error).__name__}: {error}")
    cause = root_cause(error)
    lines = [line for line in cause.message.splitlines() if line.strip()]
    return shortened("{}: {}".format(cause.name.rsplit(".", 1)[-1], lines[0] if lines else "no message"))


def verdict(error: Exception) -> str | None:
    """Why an object must be rejected, when the error lies in the object; None when it may pass by itself."""
    cause = root_cause(error)
    if cause.name in ("java.io.FileNotFoundException", "java.nio.file.NoSuchFileException"):
        return "is missing: it was deleted before the run"
    if cause.name.endswith("AccessDeniedException") or "Status Code: 403" in cause.message:
        return DENIED + shortened(cause.message, 200)
    if cause.name.startswith(DAMAGED) or cause.thrower.startswith(DECODERS):
        return "is damaged: " + describe(error)
    if cause.name == "java.net.URISyntaxException":
        return "its key cannot be addressed: " + shortened(cause.message, 200)
    return None


DENIED = "access is denied: "


# --- files -----------------------------------------------------------------------------------------------------------


class Files:
    """Hadoop's FileSystem, for what is no table."""

    def __init__(self, spark: SparkSession) -> None:
        self.jvm: Any = spark._jvm
        self.gateway: Any = spark.sparkContext._gateway
        self.configuration: Any = spark._jsparkSession.sessionState().newHadoopConf()
        self.codecs = self.jvm.org.apache.hadoop.io.compress.CompressionCodecFactory(self.configuration)

    def path(self, uri: str) -> Any:
        """Hadoop's path of an address; nothing in it is decoded."""
        return self.jvm.org.apache.hadoop.fs.Path(uri)

    def _system(self, path: Any) -> Any:
        return path.getFileSystem(self.configuration)

    def status(self, path: Any) -> Any:
        """Status of a file."""
        return self._system(path).getFileStatus(path)

    def read_text(self, uri: str) -> str:
        """Text of a small file."""
        path = self.path(uri)
        stream = self._system(path).open(path)
        try:
            return str(self.jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
        finally:
            stream.close()

    def write_text(self, uri: str, text: str) -> None:
        """Write a small file, over one that is there."""
        path = self.path(uri)
        stream = self._system(path).create(path, True)
        stream.write(text.encode())
        stream.close()

    def first_line(self, path: Any) -> str | None:
        """First line of a text file, decompressed by its ending as Spark does it; None when it has no text."""
        stream = self._system(path).open(path)
        try:
            codec = self.codecs.getCodec(path)
            text = codec.createInputStream(stream) if codec is not None else stream
            line = self.jvm.org.apache.hadoop.io.Text()
            taken = self.jvm.org.apache.hadoop.util.LineReader(text).readLine(line, HEADER_BYTES, HEADER_BYTES)
            return str(line.toString()) if taken > 0 else None
        finally:
            stream.close()

    def files_below(self, uri: str) -> dict[str, int]:
        """Sizes of the files below a directory, by relative path; empty when there is no directory."""
        root = self.path(uri)
        system = self._system(root)
        if not system.exists(root):
            return {}
        # The address that the system itself gives, e.g. file:/x for /x.
        start = len(str(system.makeQualified(root).toUri().getPath())) + 1
        found = {}
        listing = system.listFiles(root, True)
        while listing.hasNext():
            status = listing.next()
            found[str(status.getPath().toUri().getPath())[start:]] = int(status.getLen())
        return found

    def names_in(self, uri: str) -> list[str]:
        """Names of the files right in a directory; empty when there is no directory."""
        path = self.path(uri)
        try:
            return [
                str(status.getPath().getName()) for status in self._system(path).listStatus(path) if status.isFile()
            ]
        except JAVA_ERRORS as error:
            if root_cause(error).name == "java.io.FileNotFoundException":
                return []
            raise

    def make_directory(self, uri: str) -> None:
        """Make a directory and those above it."""
        path = self.path(uri)
        self._system(path).mkdirs(path)

    def move(self, source: str, target: str) -> None:
        """Move a file, over one that is there.

        Raises:
            JobError: when the file system refuses it three times.
        """
        source_path, target_path = self.path(source), self.path(target)
        system = self._system(target_path)
        problem = "the file system refused it"
        for _ in range(3):
            # Another attempt at the same manifest may put its own (equal) file here at any moment.
            system.delete(target_path, False)
            try:
                if system.rename(source_path, target_path):
                    return
            except JAVA_ERRORS as error:
                problem = describe(error)
                if not system.exists(source_path):
                    break
        raise JobError(f"cannot move {source} to {target}: {problem}")

    def delete(self, uri: str) -> None:
        """Delete a file or a directory with all that is in it; nothing there is fine."""
        path = self.path(uri)
        self._system(path).delete(path, True)


# --- objects: which can be read ---------------------------------------------------------------------------------------


class Inspected(NamedTuple):
    """What a look at an object showed."""

    object: RawObject
    reason: str | None
    """Why it is rejected; None when it is not."""
    shape: str
    """CSV: its header line as it stands. Parquet: its columns and types."""


def parquet_shape(files: Files, path: Any) -> str:
    """Types of a Parquet file's columns, as text: files of the same shape are read together."""
    jvm = files.jvm
    source = jvm.org.apache.parquet.hadoop.util.HadoopInputFile.fromPath(path, files.configuration)
    reader = jvm.org.apache.parquet.hadoop.ParquetFileReader.open(source)
    try:
        return str(reader.getFooter().getFileMetaData().getSchema().toString())
    finally:
        reader.close()


def inspect(files: Files, manifest: Manifest, item: RawObject) -> Inspected:
    """Look at an object's name, size and head.

    Raises:
        JobError: when the store cannot be asked, which says nothing about the object.
    """
    shape = ""

    def look() -> str | None:
        nonlocal shape
        if skipped_by_spark(item.key):
            return "its name begins with _ or . or is a copy's: Spark does not read such files"
        path = files.path(item.uri)
        if not str(path.toUri().getPath()).endswith("/" + item.key):
            return "its key has empty or dot segments, which Hadoop cannot address"
        size = int(files.status(path).getLen())
        if size == 0:
            return "is empty"
        if size != item.size:
            return (
                f"was replaced: it has {size} bytes, the manifest says {item.size}; its newer version has its own event"
            )
        if manifest.format == "parquet":
            shape = parquet_shape(files, path)
            return None
        line = files.first_line(path)
        if line is None:
            return "is empty"
        if line.startswith("\x1f\ufffd") and files.codecs.getCodec(path) is None:
            return "is compressed with gzip, but its name does not end in .gz"
        if manifest.format == "csv":
            shape = line[1:] if line.startswith("\ufeff") else line
            return header_difference(manifest, header_fields(shape))
        return None

    try:
        return Inspected(item, look(), shape)
    except csv.Error as error:
        return Inspected(item, f"CSV header cannot be read: {error}", shape)
    except JAVA_ERRORS as error:
        reason = verdict(error)
        if reason is None:
            raise JobError(f"cannot read {item.uri}: {describe(error)}") from None
        return Inspected(item, reason, shape)


def inspect_all(files: Files, manifest: Manifest) -> tuple[list[Inspected], list[Rejection]]:
    """The objects that can be read, and those that cannot.

    Raises:
        JobError: when every object is denied: then the role or the key is wrong, not the objects.
    """
    looks = in_parallel(lambda item: inspect(files, manifest, item), manifest.objects)
    good = [look for look in looks if look.reason is None]
    bad = [look for look in looks if look.reason is not None]
    if bad and not good and all(str(look.reason).startswith(DENIED) for look in bad):
        raise InputError(f"none of {len(bad)} objects can be read; {bad[0].object.uri} {bad[0].reason}")
    return good, [Rejection(look.object.uri, str(look.reason)) for look in bad]


# --- records ---------------------------------------------------------------------------------------------------------


def article(type_name: str) -> str:
    """The type with its article."""
    return ("an " if type_name[0] in "aeiou" else "a ") + type_name


def typed_value(raw: Column, type_name: str) -> Column:
    """The value of a text in its declared type; null when it has none."""
    if type_name == "string":
        return raw
    if type_name == "boolean":
        text = F.lower(F.trim(raw))
        return F.when(text == "true", F.lit(True)).when(text == "false", F.lit(False))
    if type_name in ("date", "timestamp"):
        text = F.trim(raw)
        # Spark's cast also takes a bare year, and a bare time as one of today.
        whole = (F.octet_length(text) == 10) if type_name == "date" else (F.octet_length(text) >= 10)
        iso = whole & (F.instr(text, "-") == 5)
        if type_name == "date":
            return F.when(iso, text.cast("date"))
        # The session's zone is UTC, and looking Z up as the name of a zone costs more than all the rest.
        plain = F.when(text.endswith("Z"), text.substr(F.lit(1), F.length(text) - 1)).otherwise(text)
        return F.when(iso, plain.cast("timestamp"))
    return raw.cast(type_name)


def wrong_value(raw: Column, typed: Column, type_name: str) -> Column | None:
    """Whether a text that is there is not of its type (false or null: it is). `typed` is its `typed_value`."""
    if type_name == "string":
        return None
    # Short on purpose: the code made of all columns' checks must stay within what the JVM compiles.
    lost = typed.isNull() & raw.rlike(r"\S")
    if type_name in ("int", "bigint"):
        # The cast cuts decimals off.
        return lost | (raw.contains(".") & ~raw.endswith(".0"))
    if type_name == "double":
        # Java reads 1d and 1f as numbers, and too large ones as infinite.
        suffixed = F.substring(F.rtrim(raw), -1, 1).isin("d", "D", "f", "F") & ~F.lower(raw).contains("inf")
        overflow = (F.abs(typed) == float("inf")) & ~F.lower(raw).contains("inf")
        return lost | suffixed | overflow
    return lost


def reason_of(column: ColumnDefinition) -> str:
    """The reason, without the value, that a wrong value of a column is counted under."""
    return f"{column.name} is not {article(column.type)}"


def absent(column: ColumnDefinition) -> str:
    """The reason that a missing required value is counted under."""
    return column.name + " is required but missing"


class Source(NamedTuple):
    """Objects that are read alike."""

    objects: tuple[Inspected, ...]
    schema: T.StructType | None
    """Parquet: the types of the declared columns that they have."""
    header: tuple[str, ...]
    """CSV: the names of their fields."""


def sources(
    spark: SparkSession, manifest: Manifest, objects: Sequence[Inspected]
) -> tuple[list[Source], list[Rejection]]:
    """The objects by how they are read, and Parquet files whose columns do not fit."""
    if manifest.format != "parquet":
        headers: dict[tuple[str, ...], list[Inspected]] = {}
        for look in objects:
            header = tuple(header_fields(look.shape)) if manifest.format == "csv" else ()
            headers.setdefault(header, []).append(look)
        return [Source(tuple(alike), None, header) for header, alike in sorted(headers.items())], []
    shapes: dict[str, list[Inspected]] = {}
    for look in objects:
        shapes.setdefault(look.shape, []).append(look)
    found: list[Source] = []
    rejected: list[Rejection] = []
    for _, alike in sorted(shapes.items()):
        try:
            schema = spark.read.options(**READ_OPTIONS).parquet(alike[0].object.uri).schema
            reason = schema_difference(manifest, {field.name: base_type(field.dataType) for field in schema})
        except JAVA_ERRORS as error:
            # Spark infers types in a task, so its AnalysisException may lie under another.
            if not isinstance(error, AnalysisException) and root_cause(error).name != UNREADABLE_COLUMNS:
                raise JobError(f"cannot read {alike[0].object.uri}: {describe(error)}") from None
            reason = f"Spark cannot read its columns: {describe(error)}"
        if reason is None:
            fields = {field.name: field for field in schema}
            found.append(
                Source(tuple(alike), T.StructType([fields[name] for name in manifest.names if name in fields]), ())
            )
        else:
            rejected += [Rejection(look.object.uri, reason) for look in alike]
    return found, rejected


def base_type(data_type: T.DataType) -> str:
    """Name of a type without its parameters, e.g. ``decimal``."""
    return data_type.simpleString().split("(")[0].split("<")[0]


def schema_difference(manifest: Manifest, found: dict[str, str]) -> str | None:
    """Why a Parquet file's columns do not serve the declared ones; None when they do."""
    parts = unserved(manifest, list(found))
    for column in manifest.columns:
        type_name = found.get(column.name)
        if type_name is None or type_name == column.type or (type_name, column.type) in WIDENED:
            continue
        if type_name not in CHECKED[column.type]:
            parts.append(f"has {column.name} as {type_name}, which cannot become {article(column.type)}")
    return shortened("Parquet file " + "; ".join(parts)) if parts else None


READ_OPTIONS = {
    # Names may hold glob characters, and the directories above them may look like partitions.
    "__globPaths__": "false",
    "recursiveFileLookup": "true",
}


def read_source(spark: SparkSession, manifest: Manifest, source: Source) -> DataFrame:
    """The records of objects: the declared columns, `MALFORMED`, `OBJECT` and `LINE` (where the format has lines)."""
    paths = [look.object.uri for look in source.objects]
    reader = spark.read.options(**READ_OPTIONS)
    if source.schema is not None:
        frame = reader.schema(source.schema).parquet(*paths)
        nothing = F.lit(None).cast("string")
        values = [
            F.col(column.name) if column.name in frame.columns else F.lit(None).cast(column.type).alias(column.name)
            for column in manifest.columns
        ]
        return frame.select(*values, nothing.alias(MALFORMED), nothing.alias(LINE), F.input_file_name().alias(OBJECT))
    # By lines, rather than by Spark's own CSV and JSON sources: a record that is set aside is the line as it came, and
    # a quote that is not closed shows.
    lines = reader.text(paths).select(F.col("value").alias(LINE), F.input_file_name().alias(OBJECT))
    lines = lines.filter(F.trim(LINE) != "")
    fields = list(manifest.names)
    if manifest.format == "csv":
        fields = [name if name in fields else f"_undeclared_{index}" for index, name in enumerate(source.header)]
    schema = ", ".join(f"`{name}` STRING" for name in [*fields, MALFORMED])
    options = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": MALFORMED}
    if manifest.format == "csv":
        lines = lines.filter(~F.col(LINE).isin(*sorted({look.shape for look in source.objects})))
        options.update(quote='"', escape='"', nullValue=manifest.null_value)
        record = F.from_csv(LINE, schema, options)
    else:
        record = F.from_json(LINE, schema, options)
    values = [
        (F.col("_record")[name] if name in fields else F.lit(None).cast("string")).alias(name)
        for name in manifest.names
    ]
    return lines.select(record.alias("_record"), LINE, OBJECT).select(
        *values, F.col("_record")[MALFORMED].alias(MALFORMED), LINE, OBJECT
    )


def as_text(manifest: Manifest, source: Source, column: ColumnDefinition) -> Column | None:
    """A column as text to be checked; None when its values fit as they are."""
    raw = F.col(column.name)
    if source.schema is None:
        return raw
    if column.name not in source.schema.names:
        return None
    type_name = base_type(source.schema[column.name].dataType)
    return None if type_name == column.type or (type_name, column.type) in WIDENED else raw.cast("string")


def typed_name(column: ColumnDefinition) -> str:
    """Name of a column's typed value beside its raw one."""
    return "_typed_" + column.name


def with_typed_values(frame: DataFrame, manifest: Manifest, source: Source) -> DataFrame:
    """The records, with a typed value beside each raw one."""
    typed = []
    for column in manifest.columns:
        text = as_text(manifest, source, column)
        value = F.col(column.name).cast(column.type) if text is None else typed_value(text, column.type)
        typed.append(value.alias(typed_name(column)))
    return frame.select(*manifest.names, *typed, MALFORMED, LINE, OBJECT)


class Fault(NamedTuple):
    """Something that can be wrong with a record."""

    condition: Column
    """True when it is; false or null when it is not."""
    reason: str
    """What it is counted under."""
    detail: Column
    """What people read, with the value."""


def line_faults(manifest: Manifest, source: Source) -> list[Fault]:
    """What can be wrong with a whole line."""

    def fault(condition: Column, reason: str) -> Fault:
        return Fault(condition, reason, F.lit("the line " + reason))

    if manifest.format == "csv":
        line = F.col(LINE)
        quotes = F.length(line) - F.length(F.translate(line, '"', ""))
        count = len(source.header)
        return [
            fault(line.contains('"') & (quotes % 2 == 1), "has a quote that is not closed"),
            fault(F.col(MALFORMED).isNotNull(), f"is not {count} fields" if count > 1 else "is not one field"),
        ]
    if manifest.format == "json":
        nothing = F.coalesce(*manifest.names).isNull()
        return [
            fault(F.col(MALFORMED).isNotNull(), "is not a JSON object"),
            fault(nothing, "holds none of the declared fields"),
        ]
    return []


def column_faults(manifest: Manifest, source: Source) -> list[Fault]:
    """What can be wrong with the values of a record of `with_typed_values`, by column in order."""
    found: list[Fault] = []
    for column in manifest.columns:
        text, typed = as_text(manifest, source, column), F.col(typed_name(column))
        if text is not None:
            wrong = wrong_value(text, typed, column.type)
            if wrong is not None:
                value = F.substring(text, 1, 200)
                kind = article(column.type)
                detail = F.concat(F.lit(f"column {column.name}: '"), value, F.lit(f"' is not {kind}"))
                found.append(Fault(wrong, reason_of(column), detail))
        if not column.nullable:
            blank = typed.isNull()
            if text is not None and column.type != "string":
                blank = blank & (text.isNull() | ~text.rlike(r"\S"))
            found.append(Fault(blank, absent(column), F.lit(f"column {column.name} is required but missing")))
    return found


def is_bad(manifest: Manifest, source: Source) -> Column:
    """Whether a record of `with_typed_values` must be set aside: whether it has any fault."""
    bad = F.lit(False)
    for fault in [*line_faults(manifest, source), *column_faults(manifest, source)]:
        bad = bad | fault.condition
    return bad


def typed_records(spark: SparkSession, manifest: Manifest, found: Sequence[Source]) -> DataFrame:
    """All records: the declared columns in their types, and `DAMAGE`: 0, or the `bucket_of` a bad record's object."""
    frames = []
    for source in found:
        frame = with_typed_values(read_source(spark, manifest, source), manifest, source)
        columns = [F.col(typed_name(column)).alias(column.name) for column in manifest.columns]
        bucket = F.when(is_bad(manifest, source), F.crc32(F.encode(OBJECT, "UTF-8")) % BUCKETS + 1)
        frame = frame.select(*columns, F.coalesce(bucket, F.lit(0)).cast("int").alias(DAMAGE))
        # One place in the staging directory for the bad records of a bucket.
        kept = [F.when(F.col(DAMAGE) == 0, F.col(name)).alias(name) for name in manifest.partition_by]
        frames.append(
            frame.select(*[name for name in manifest.names if name not in manifest.partition_by], *kept, DAMAGE)
        )
    frame = frames[0]
    for other in frames[1:]:
        frame = frame.union(other)
    return frame


ADDRESS = f"reflect('java.net.URLDecoder', 'decode', replace({OBJECT}, '+', '%2B'), 'UTF-8')"
"""`OBJECT`, which is a URI, as the manifest has it. Java's decoder takes + for a blank, which a URI does not mean."""


def bad_records(spark: SparkSession, manifest: Manifest, found: Sequence[Source]) -> DataFrame:
    """The records to set aside: ``object``, ``reason`` (the first fault), ``detail`` (all, with values), ``record``."""
    frames = []
    for source in found:
        frame = with_typed_values(read_source(spark, manifest, source), manifest, source)
        lines, values = line_faults(manifest, source), column_faults(manifest, source)
        # Fields of a line that is none have no meaning.
        detail = [F.when(fault.condition, fault.detail) for fault in lines]
        detail.append(F.concat_ws("; ", *[F.when(fault.condition, fault.detail) for fault in values]))
        reason = [F.when(fault.condition, F.lit(fault.reason)) for fault in [*lines, *values]]
        record = F.coalesce(F.col(LINE), F.to_json(F.struct(*manifest.names)))
        frame = frame.filter(is_bad(manifest, source)).select(
            F.expr(ADDRESS).alias("object"),
            F.coalesce(*reason).alias("reason"),
            F.coalesce(*detail).alias("detail"),
            record.alias("record"),
        )
        frames.append(frame)
    frame = frames[0]
    for other in frames[1:]:
        frame = frame.union(other)
    return frame


# --- the run ---------------------------------------------------------------------------------------------------------


class Staged(NamedTuple):
    """What one pass over the objects left in the staging directory."""

    directory: str
    rows: int
    set_aside: int
    reasons: dict[str, int]


def rebalanced(records: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Bring the rows of a partition together, in files of an even size.

    By the JVM's `hint`: PySpark's own takes names as texts only, and this hint takes columns (Spark 3.3).
    """
    context = records.sparkSession.sparkContext
    parameters = context._jvm.PythonUtils.toSeq([F.col(name)._jc.expr() for name in columns])
    return DataFrame(records._jdf.hint("rebalance", parameters), records.sparkSession)


def bucket_of(files: Files, uri: str) -> int:
    """The bucket, 1 to `BUCKETS`, that an object falls in, as `typed_records` computes it."""
    encoded = str(files.path(uri).toUri().toString())
    return zlib.crc32(encoded.encode()) % BUCKETS + 1


GOOD_ROWS = f"/rows/{DAMAGE}=0"
WRITE_OPTIONS = {
    "maxRecordsPerFile": "0",
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}


def write_rows(spark: SparkSession, manifest: Manifest, found: Sequence[Source], directory: str) -> dict[int, int]:
    """Write all records below a directory, the good ones to `GOOD_ROWS`; how many there are, by `DAMAGE`.

    The bad ones are written too, only to be counted: what is in committed files is counted once, whatever task was
    lost and run again, and it costs nothing when there are none.
    """
    objects = [look.object for source in found for look in source.objects]
    shuffled = bool(manifest.partition_by)
    spark.conf.set("spark.sql.files.maxPartitionBytes", str(scan_bytes(objects, shuffled)))
    # Good and bad records of an unpartitioned table go to two files at once, rather than being sorted.
    spark.conf.set("spark.sql.maxConcurrentOutputFileWriters", "0" if shuffled else "2")
    records = typed_records(spark, manifest, found)
    tasks = int(records._jdf.queryExecution().toRdd().getNumPartitions())
    places = [DAMAGE, *manifest.partition_by]
    if shuffled and tasks > 1:
        records = rebalanced(records, places)
    log(f"writing: {tasks} tasks read {sum(item.size for item in objects)} bytes")
    writer = records.write.mode("overwrite").partitionBy(*places).options(**WRITE_OPTIONS)
    writer.option("compression", "snappy").parquet(directory + "/rows")
    counts = spark.read.schema(f"`{DAMAGE}` INT").parquet(directory + "/rows").groupBy(DAMAGE).count().collect()
    return {int(row[DAMAGE]): int(row["count"]) for row in counts}


def write_set_aside(spark: SparkSession, manifest: Manifest, found: Sequence[Source], directory: str) -> dict[str, int]:
    """Write the records that are set aside to a directory; how many for each reason."""
    objects = [look.object for source in found for look in source.objects]
    spark.conf.set("spark.sql.files.maxPartitionBytes", str(scan_bytes(objects, False)))
    bad_records(spark, manifest, found).write.mode("overwrite").options(**WRITE_OPTIONS).json(directory)
    schema = T.StructType([T.StructField("reason", T.StringType())])
    counts = spark.read.schema(schema).json(directory).groupBy("reason").count().collect()
    return {str(row["reason"]): int(row["count"]) for row in counts}


def only(found: Sequence[Source], wanted: Callable[[str], bool]) -> list[Source]:
    """The sources, with some objects only."""
    kept = [
        source._replace(objects=tuple(look for look in source.objects if wanted(look.object.uri))) for source in found
    ]
    return [source for source in kept if source.objects]


def without(found: Sequence[Source], rejected: Sequence[Rejection]) -> list[Source]:
    """The sources without the rejected objects."""
    names = {rejection.object for rejection in rejected}
    return only(found, lambda uri: uri not in names)


def set_aside(
    spark: SparkSession, manifest: Manifest, found: Sequence[Source], counts: dict[int, int], directory: str
) -> dict[str, int]:
    """Write the bad records, which takes a second pass over the objects that hold some; how many for each reason.

    A second pass is rarely needed; keeping all records for it would cost every run.

    Raises:
        JobError: when the two passes do not see the same.
    """
    buckets = {damage for damage in counts if damage}
    if not buckets:
        return {}
    files = Files(spark)
    where = only(found, lambda uri: bucket_of(files, uri) in buckets)
    log(f"setting records aside, from {sum(len(source.objects) for source in where)} objects")
    reasons = write_set_aside(spark, manifest, where, directory) if where else {}
    expected, seen = sum(counts[damage] for damage in buckets), sum(reasons.values())
    if seen != expected:
        raise JobError(f"{expected} records were to be set aside, {seen} were found again: an object changed meanwhile")
    return reasons


def find_unreadable(spark: SparkSession, manifest: Manifest, found: Sequence[Source]) -> list[Rejection]:
    """The objects that cannot be read to their end: each is read alone, which only a failed pass is worth.

    Raises:
        JobError: when one cannot be read for a reason that may pass.
    """

    def probe(source: Source) -> Rejection | None:
        uri = source.objects[0].object.uri
        try:
            read_source(spark, manifest, source).write.format("noop").mode("overwrite").save()
        except JAVA_ERRORS as error:
            reason = verdict(error)
            if reason is None:
                raise JobError(f"cannot read {uri}: {describe(error)}") from None
            return Rejection(uri, reason)
        return None

    alone = [source._replace(objects=(look,)) for source in found for look in source.objects]
    return [rejection for rejection in in_parallel(probe, alone) if rejection is not None]


def stage(
    spark: SparkSession, manifest: Manifest, found: list[Source], directory: str
) -> tuple[Staged, list[Source], list[Rejection]]:
    """Write good records and records set aside below a directory; objects that turn out damaged are left out.

    Raises:
        JobError: when the pass fails and no single object is the cause.
    """
    rejected: list[Rejection] = []
    for attempt in (1, 2):
        place = f"{directory}/{attempt}"
        if not found:
            break
        try:
            counts = write_rows(spark, manifest, found, place)
            reasons = set_aside(spark, manifest, found, counts, place + "/set_aside")
            return Staged(place, counts.get(0, 0), sum(reasons.values()), reasons), found, rejected
        except JAVA_ERRORS as error:
            problem = describe(error)
            if attempt == 2:
                raise JobError(f"the objects cannot be processed: {problem}") from error
            log(f"the pass failed ({problem}): looking for the objects that cannot be read")
            rejected = find_unreadable(spark, manifest, found)
            if not rejected:
                raise JobError(f"the objects cannot be processed: {problem}") from error
            found = without(found, rejected)
    return Staged(directory + "/none", 0, 0, {}), [], rejected


class Published(NamedTuple):
    """Files in their final places."""

    files: int
    size: int
    partitions: list[str]


def earlier_files(files: Files, manifest: Manifest, attempt: str) -> tuple[list[str], list[str]]:
    """Files that other attempts at this manifest recorded, relative to the output and to the set-aside directory."""
    root = f"{manifest.staging}/{manifest.hash}"
    rows: list[str] = []
    aside: list[str] = []
    for name in files.names_in(root):
        if name.startswith("files-") and name != f"files-{attempt}.json":
            record = json.loads(files.read_text(f"{root}/{name}"))
            rows += record["rows"]
            aside += record["setAside"]
    return rows, aside


def move_all(files: Files, source: str, target: str, names: dict[str, str]) -> None:
    """Move staged files to their final names below a directory."""
    in_parallel(
        lambda directory: files.make_directory((target + "/" + directory).rstrip("/")),
        sorted({name.rpartition("/")[0] for name in names.values()}),
    )
    in_parallel(lambda pair: files.move(source + "/" + pair[0], target + "/" + pair[1]), sorted(names.items()))


def publish(files: Files, manifest: Manifest, staged: Staged, attempt: str) -> Published:
    """Move staged files to their final places, and delete what earlier attempts at this manifest left there.

    Raises:
        JobError: when another attempt at this manifest, with other objects, wrote at the same time.
    """
    suffix = f"-{manifest.hash[:16]}.parquet"
    rows_directory, aside_directory = staged.directory + GOOD_ROWS, staged.directory + "/set_aside"
    sizes = {path: size for path, size in files.files_below(rows_directory).items() if path.endswith(".parquet")}
    aside = [path for path in files.files_below(aside_directory) if path.endswith(".json")]
    aside_target = f"{manifest.set_aside}/{manifest.hash}"
    rows_names = final_names(sizes, suffix)
    aside_names = final_names(aside, ".json")

    earlier_rows, earlier_aside = earlier_files(files, manifest, attempt)
    record = {"rows": sorted(rows_names.values()), "setAside": sorted(aside_names.values())}
    # Written before the first move: whoever comes after a crash knows what may lie there.
    files.write_text(f"{manifest.staging}/{manifest.hash}/files-{attempt}.json", json.dumps(record))

    move_all(files, rows_directory, manifest.output, rows_names)
    move_all(files, aside_directory, aside_target, aside_names)

    partitions = sorted({name.rpartition("/")[0] for name in rows_names.values()})
    present = set(earlier_rows)
    for directory, names in zip(
        partitions, in_parallel(lambda part: files.names_in((manifest.output + "/" + part).rstrip("/")), partitions)
    ):
        present |= {directory + "/" + name if directory else name for name in names if name.endswith(suffix)}
    stale = [f"{manifest.output}/{name}" for name in sorted(present - set(rows_names.values()))]
    stale_aside = (set(earlier_aside) | set(files.names_in(aside_target))) - set(aside_names.values())
    stale += [f"{aside_target}/{name}" for name in sorted(stale_aside)]
    in_parallel(files.delete, stale)
    if stale:
        log(f"deleted {len(stale)} files of an earlier attempt at this manifest")
    return Published(len(sizes), sum(sizes.values()), [part for part in partitions if part])


def check_alone(spark: SparkSession, files: Files, manifest: Manifest, staged: Staged, attempt: str) -> None:
    """Make sure that no other attempt at this manifest mixed other files among ours.

    Raises:
        JobError: when the files in place do not hold the rows that this attempt wrote.
    """
    others = list(files.names_in(f"{manifest.staging}/{manifest.hash}"))
    others = [name for name in others if name.startswith("files-") and name != f"files-{attempt}.json"]
    if not others:
        return
    record = json.loads(files.read_text(f"{manifest.staging}/{manifest.hash}/files-{attempt}.json"))
    uris = [f"{manifest.output}/{name}" for name in record["rows"]]
    try:
        rows = spark.read.options(**READ_OPTIONS).parquet(*uris).count() if uris else 0
    except JAVA_ERRORS as error:
        raise JobError(f"another attempt at this manifest took files of this one away: {describe(error)}") from None
    if rows != staged.rows:
        raise JobError(
            f"another attempt at this manifest wrote at the same time: {rows} rows are in place, "
            f"{staged.rows} were written; run the manifest again"
        )


# --- catalog ---------------------------------------------------------------------------------------------------------


class Catalog:
    """The Glue table of a manifest, through the AWS SDK for Java that the cluster has."""

    def __init__(self, spark: SparkSession, manifest: Manifest) -> None:
        self.manifest = manifest
        self.table = f"{manifest.database}.{manifest.table}"
        self.glue: Any = spark._jvm.com.amazonaws.services.glue
        if isinstance(self.glue.AWSGlueClientBuilder, JavaPackage):
            raise JobError(
                "the AWS SDK for Java has no Glue client on the driver's class path "
                "(com.amazonaws.services.glue.AWSGlueClientBuilder): partitions cannot be catalogued"
            )
        amazon: Any = spark._jvm.com.amazonaws
        # The SDK waits longer after each throttled call, up to 20 seconds.
        builder = self.glue.AWSGlueClientBuilder.standard().withClientConfiguration(
            amazon.ClientConfiguration().withMaxErrorRetry(8)
        )
        endpoint = spark.conf.get("spark.emr_pipeline.glue.endpoint", "")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if endpoint:
            region = region or str(amazon.regions.DefaultAwsRegionProviderChain().getRegion())
            builder = builder.withEndpointConfiguration(
                amazon.client.builder.AwsClientBuilder.EndpointConfiguration(endpoint, region)
            )
        elif region:
            builder = builder.withRegion(region)
        self.list: Any = spark._jvm.java.util.ArrayList
        try:
            self.client = builder.build()
            self.storage = self._table_storage()
        except JAVA_ERRORS as error:
            raise JobError(f"Glue table {self.table} cannot be read: {describe(error)}") from None

    def _table_storage(self) -> Any:
        request = self.glue.model.GetTableRequest()
        request = request.withDatabaseName(self.manifest.database).withName(self.manifest.table)
        return self.client.getTable(request).getTable().getStorageDescriptor()

    def _input(self, partition: str) -> Any:
        values = self.list()
        for value in partition_values(partition):
            values.add(value)
        storage = self.storage.clone()
        storage.setLocation(f"{self.manifest.output}/{partition}/")
        return self.glue.model.PartitionInput().withValues(values).withStorageDescriptor(storage)

    def _create(self, partitions: Sequence[str]) -> dict[str, str]:
        """Add partitions; what went wrong, by partition."""
        inputs = self.list()
        for partition in partitions:
            inputs.add(self._input(partition))
        request = self.glue.model.BatchCreatePartitionRequest().withDatabaseName(self.manifest.database)
        answer = self.client.batchCreatePartition(
            request.withTableName(self.manifest.table).withPartitionInputList(inputs)
        )
        by_values = {tuple(partition_values(partition)): partition for partition in partitions}
        problems = {}
        for error in answer.getErrors() or []:
            detail = error.getErrorDetail()
            if str(detail.getErrorCode()) != "AlreadyExistsException":
                partition = by_values[tuple(str(value) for value in error.getPartitionValues())]
                problems[partition] = f"{detail.getErrorCode()}: {detail.getErrorMessage()}"
        return problems

    def add(self, partitions: Sequence[str]) -> None:
        """Make partitions known; those that are known already stay.

        Raises:
            JobError: when Glue still refuses one after several tries.
        """
        for start in range(0, len(partitions), CATALOG_BATCH):
            left = list(partitions[start : start + CATALOG_BATCH])
            problems: dict[str, str] = {}
            for attempt in range(CATALOG_ATTEMPTS):
                if attempt:
                    time.sleep(min(30, 2**attempt))
                try:
                    problems = self._create(left)
                except JAVA_ERRORS as error:
                    raise JobError(f"partitions of {self.table} cannot be added: {describe(error)}") from None
                left = list(problems)
                if not left:
                    break
            if left:
                problem = shortened(problems[left[0]])
                raise JobError(f"partition {left[0]} of {self.table} cannot be added: {problem}")


# --- report and entry ------------------------------------------------------------------------------------------------


@dataclass
class Progress:
    """What a run has come to, for its report."""

    manifest_uri: str
    application: str
    started: datetime
    dataset: str | None = None
    rows: int = 0
    set_aside: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    files_in: int = 0
    files_out: int = 0
    partitions: tuple[str, ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()
    rejected: tuple[Rejection, ...] = ()


def report(progress: Progress, finished: datetime, error: str | None, transient: bool | None = None) -> dict[str, Any]:
    """The run report; lists are cut so that it stays well under 200 KB."""
    rows_in = progress.rows + progress.set_aside
    reasons = sorted(progress.reasons, key=lambda pair: (-pair[1], pair[0]))[:REPORTED_REASONS]
    return {
        "version": REPORT_VERSION,
        "dataset": progress.dataset,
        "manifest": progress.manifest_uri,
        "application": progress.application,
        "rows": {"in": rows_in, "out": progress.rows, "setAside": progress.set_aside},
        "bytes": {"in": progress.bytes_in, "out": progress.bytes_out},
        "bytesPerRow": progress.bytes_in / rows_in if rows_in else 0.0,
        "files": {"in": progress.files_in, "out": progress.files_out},
        "partitions": [shortened(partition, 500) for partition in progress.partitions[:REPORTED_PARTITIONS]],
        "partitionCount": len(progress.partitions),
        "setAsideReasons": dict(reasons),
        "setAsideRatio": progress.set_aside / rows_in if rows_in else 0.0,
        "rejectedObjects": [
            {"object": rejection.object, "reason": shortened(rejection.reason)}
            for rejection in progress.rejected[:REPORTED_OBJECTS]
        ],
        "rejectedCount": len(progress.rejected),
        "seconds": round((finished - progress.started).total_seconds(), 3),
        "startedAt": timestamp(progress.started),
        "finishedAt": timestamp(finished),
        "error": error,
        "transient": transient,
    }


def process(spark: SparkSession, files: Files, progress: Progress) -> None:
    """Do a run's work, and note what came of it.

    Raises:
        JobError: when it cannot be done.
    """
    try:
        text = files.read_text(progress.manifest_uri)
    except JAVA_ERRORS as error:
        raise JobError(f"manifest {progress.manifest_uri}: cannot be read: {describe(error)}") from None
    manifest = parse_manifest(text, progress.manifest_uri)
    progress.dataset = manifest.dataset
    catalog = Catalog(spark, manifest) if manifest.partition_by else None
    log(f"{len(manifest.objects)} objects of dataset {manifest.dataset}, manifest {manifest.hash}")

    good, rejected = inspect_all(files, manifest)
    found, misshapen = sources(spark, manifest, good)
    progress.rejected = tuple(rejected + misshapen)
    log(f"{len(good) - len(misshapen)} objects can be read, {len(progress.rejected)} are rejected")

    attempt = f"{progress.application}-{uuid.uuid4().hex[:8]}"
    directory = f"{manifest.staging}/{manifest.hash}/{attempt}"
    try:
        staged, taken, damaged = stage(spark, manifest, found, directory)
        progress.rejected += tuple(damaged)
        progress.rows, progress.set_aside = staged.rows, staged.set_aside
        progress.reasons = tuple(staged.reasons.items())
        objects = [look.object for source in taken for look in source.objects]
        progress.files_in, progress.bytes_in = len(objects), sum(item.size for item in objects)
        log(f"{staged.rows} rows written, {staged.set_aside} set aside")

        published = publish(files, manifest, staged, attempt)
        progress.files_out, progress.bytes_out = published.files, published.size
        progress.partitions = tuple(published.partitions)
        log(f"{published.files} files moved to {manifest.output}")
        if catalog is not None and published.partitions:
            catalog.add(published.partitions)
            log(f"{len(published.partitions)} partitions are catalogued")
        check_alone(spark, files, manifest, staged, attempt)
    finally:
        try:
            files.delete(directory)
        except JAVA_ERRORS as error:
            log(f"warning: {directory} could not be deleted: {describe(error)}")


def run(spark: SparkSession, manifest_uri: str, report_uri: str) -> int:
    """Process a manifest and write its report; the exit code."""
    for name, value in SESSION_SETTINGS.items():
        spark.conf.set(name, value)
    files = Files(spark)
    progress = Progress(manifest_uri, str(spark.sparkContext.applicationId), datetime.now(timezone.utc))
    problem: str | None = None
    transient: bool | None = None
    try:
        process(spark, files, progress)
    except JobError as error:
        problem = str(error)
        transient = not isinstance(error, InputError)
        log("error: " + problem)
    except BaseException as error:
        problem = describe(error) if isinstance(error, Exception) else type(error).__name__
        transient = False
        raise
    finally:
        try:
            document = report(progress, datetime.now(timezone.utc), problem, transient)
            files.write_text(report_uri, json.dumps(document, ensure_ascii=False))
        except JAVA_ERRORS as error:
            log(f"error: report {report_uri} cannot be written: {describe(error)}")
            problem = problem or "the report cannot be written"
    return 1 if problem else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of spark-submit."""
    parser = argparse.ArgumentParser(description="Turn the objects of a manifest into partitioned Parquet.")
    parser.add_argument("--manifest", required=True, help="address of the manifest, e.g. s3://bucket/manifests/….json")
    parser.add_argument("--report", required=True, help="address to write the run report to")
    options = parser.parse_args(arguments)
    spark = SparkSession.builder.appName("emr-pipeline transform").getOrCreate()
    try:
        return run(spark, options.manifest, options.report)
    finally:
        spark.stop()


if __name__ == "__main__":
    sys.exit(main())
