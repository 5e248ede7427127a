"""One local Spark of the release's version, and one moto as its AWS, for all tests of the jobs."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import duckdb
import pytest
from moto.server import ThreadedMotoServer

PROJECT = Path(__file__).parents[2]
JARS = PROJECT / ".cache" / "spark-jars"
REGION = "eu-west-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox", "AWS_REGION": REGION}
DATABASE = "emr_pipeline_test"


def load_job() -> ModuleType:
    """The job as a module; it is a script that no package holds."""
    specification = importlib.util.spec_from_file_location("transform", PROJECT / "jobs" / "transform.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["transform"] = module
    specification.loader.exec_module(module)
    return module


transform = load_job()


@pytest.fixture(scope="session")
def aws_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
    )


@pytest.fixture(scope="session")
def spark(aws_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from pyspark.sql import SparkSession

    jars = sorted(str(jar) for jar in JARS.glob("*.jar"))
    assert jars, f"{JARS} holds no jars: run `make setup`"
    saved = dict(os.environ)
    os.environ.update(CREDENTIALS, SPARK_LOCAL_IP="127.0.0.1", PYSPARK_PYTHON=sys.executable)
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        "spark.local.dir": str(tmp_path_factory.mktemp("local")),
        "spark.jars": ",".join(jars),
        "spark.driver.extraClassPath": ":".join(jars),
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": aws_endpoint,
        "spark.hadoop.fs.s3a.endpoint.region": REGION,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.hadoop.fs.s3a.access.key": "sandbox",
        "spark.hadoop.fs.s3a.secret.key": "sandbox",
        "spark.hadoop.fs.s3a.attempts.maximum": "2",
        "spark.emr_pipeline.glue.endpoint": aws_endpoint,
    }
    builder = SparkSession.builder.master("local[2]").appName("tests")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
    os.environ.clear()
    os.environ.update(saved)


FLIGHT_COLUMNS = (
    ("year", "int", True),
    ("month", "int", True),
    ("carrier", "string", False),
    ("dep_delay", "int", True),
    ("distance", "double", True),
    ("time_hour", "timestamp", True),
)
FLIGHT_HEADER = ",".join(name for name, _, _ in FLIGHT_COLUMNS)
FLIGHT_LINES = (
    "2013,1,UA,2,1400,2013-01-01T10:00:00Z",
    "2013,1,AA,-5,1089.5,2013-01-01T11:00:00Z",
    "2013,2,B6,NA,762,2013-02-01 05:00:00",
)


def csv_text(lines: Sequence[str] = FLIGHT_LINES, header: str = FLIGHT_HEADER) -> bytes:
    return ("\n".join([header, *lines]) + "\n").encode()


@dataclass
class Outcome:
    """What a run of the job left behind."""

    code: int
    report: dict[str, Any]
    run: Pipeline = field(repr=False)
    hash: str = ""

    @property
    def files(self) -> dict[str, Path]:
        """Parquet files by relative path."""
        return {
            str(path.relative_to(self.run.output)): path
            for path in sorted(self.run.output.rglob("*.parquet"))
            if not path.name.startswith(".")
        }

    def rows(self, columns: str = "*", order: str = "ALL") -> list[tuple[Any, ...]]:
        """Rows of the table, by a reader that is not Spark."""
        if not self.files:
            return []
        query = (
            f"SELECT {columns} FROM read_parquet('{self.run.output}/**/*.parquet', hive_partitioning=true, "
            f"hive_types_autocast=false) ORDER BY {order}"
        )
        return duckdb.connect().execute(query).fetchall()

    @property
    def set_aside(self) -> list[dict[str, str]]:
        """Records set aside by this run's manifest."""
        directory = self.run.directory / "set_aside" / self.hash
        lines = [line for path in sorted(directory.glob("*.json")) for line in path.read_text().splitlines()]
        return sorted((json.loads(line) for line in lines), key=lambda record: (record["object"], record["detail"]))


class Pipeline:
    """A dataset in a directory, and runs of the job on its objects."""

    def __init__(self, spark: Any, directory: Path, glue: Any) -> None:
        self.spark, self.directory, self.glue = spark, directory, glue
        self.raw, self.output = directory / "raw", directory / "output"
        self.raw.mkdir()
        self.table = "flights_" + uuid.uuid4().hex[:8]
        self.format = "csv"
        self.columns: tuple[tuple[str, str, bool], ...] = FLIGHT_COLUMNS
        self.partition_by: tuple[str, ...] = ("year", "month")
        self.null_value = "NA"
        self.definition: dict[str, str] = {}
        """Further settings of the dataset."""

    def put(self, key: str, content: bytes) -> Path:
        path = self.raw / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if key.endswith(".gz") else content)
        return path

    def uri(self, key: str) -> str:
        return f"file://{self.raw}/{key}"

    def manifest(self, keys: Sequence[str] | None = None, **changes: Any) -> dict[str, Any]:
        """A manifest of the given objects; by default of all that lie in raw."""
        if keys is None:
            keys = sorted(str(path.relative_to(self.raw)) for path in self.raw.rglob("*") if path.is_file())
        objects = [
            {
                "bucket": f"file://{self.raw}",
                "key": key,
                "versionId": None,
                "size": (self.raw / key).stat().st_size if (self.raw / key).exists() else 7,
                "etag": "0" * 32,
            }
            for key in keys
        ]
        return {
            "version": 1,
            "dataset": "flights",
            "definition": {
                "prefix": "flights/",
                "format": self.format,
                "columns": [{"name": name, "type": kind, "nullable": empty} for name, kind, empty in self.columns],
                "partitionBy": list(self.partition_by),
                "nullValue": self.null_value,
                **self.definition,
            },
            "database": DATABASE,
            "table": self.table,
            "output": f"file://{self.output}/",
            "staging": f"file://{self.directory}/staging/",
            "setAside": f"file://{self.directory}/set_aside/",
            "objects": objects,
            **changes,
        }

    def create_table(self) -> None:
        kinds = {name: kind for name, kind, _ in self.columns}
        self.glue.create_table(
            DatabaseName=DATABASE,
            TableInput={
                "Name": self.table,
                "PartitionKeys": [{"Name": name, "Type": kinds[name]} for name in self.partition_by],
                "StorageDescriptor": {
                    "Columns": [
                        {"Name": name, "Type": kind} for name, kind in kinds.items() if name not in self.partition_by
                    ],
                    "Location": f"file://{self.output}/",
                    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                    "SerdeInfo": {
                        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
                    },
                },
            },
        )

    @property
    def manifest_file(self) -> Path:
        return self.directory / "manifest.json"

    @property
    def report_file(self) -> Path:
        return self.directory / "report.json"

    @property
    def log(self) -> Path:
        """What attempts in processes of their own print."""
        return self.directory / "attempts.log"

    def prepare(self, document: dict[str, Any]) -> None:
        """Table, manifest, and no report: all that a run finds."""
        if self.partition_by and not self.glue.get_tables(DatabaseName=DATABASE, Expression=self.table)["TableList"]:
            self.create_table()
        self.manifest_file.write_text(json.dumps(document))
        self.report_file.unlink(missing_ok=True)

    def run(self, document: dict[str, Any] | None = None) -> Outcome:
        """Run the job on a manifest; by default on all objects."""
        document = document or self.manifest()
        self.prepare(document)
        code = transform.run(self.spark, str(self.manifest_file), str(self.report_file))
        return Outcome(code, json.loads(self.report_file.read_text()), self, transform.canonical_hash(document))

    def partitions(self) -> dict[tuple[str, ...], str]:
        """Locations in Glue, by partition values."""
        pages = self.glue.get_paginator("get_partitions").paginate(DatabaseName=DATABASE, TableName=self.table)
        return {
            tuple(partition["Values"]): partition["StorageDescriptor"]["Location"]
            for page in pages
            for partition in page["Partitions"]
        }


@pytest.fixture(scope="session")
def glue(aws_endpoint: str) -> Any:
    catalog = client("glue", aws_endpoint)
    catalog.create_database(DatabaseInput={"Name": DATABASE})
    return catalog


@pytest.fixture
def pipeline(spark: Any, tmp_path: Path, glue: Any) -> Pipeline:
    return Pipeline(spark, tmp_path, glue)
