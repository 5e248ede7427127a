"""The Glue catalog: a database of the stack, and a table for each dataset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.environment import AwsEnvironment
from components.storage import PipelineBucket
from settings import DatasetSettings

PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


def database_name(environment: AwsEnvironment) -> str:
    """Name of the stack's database: Glue and Hive take lower-case letters, digits and ``_``."""
    return re.sub(r"[^a-z0-9_]", "_", f"{environment.project}_{environment.stack}".lower())


def storage_descriptor(dataset: DatasetSettings, location: str) -> dict[str, Any]:
    """How Spark, Hive and Presto read a dataset's Parquet; partition columns stand apart."""
    return {
        "location": location,
        "input_format": f"{PARQUET}.MapredParquetInputFormat",
        "output_format": f"{PARQUET}.MapredParquetOutputFormat",
        "ser_de_info": {
            "name": "parquet",
            "serialization_library": f"{PARQUET}.serde.ParquetHiveSerDe",
            "parameters": {"serialization.format": "1"},
        },
        "columns": [
            {"name": column.name, "type": column.type}
            for column in dataset.columns
            if column.name not in dataset.partition_by
        ],
    }


def partition_keys(dataset: DatasetSettings) -> list[dict[str, str]]:
    """Partition columns, outermost first, with their declared types."""
    types = {column.name: column.type for column in dataset.columns}
    return [{"name": name, "type": types[name]} for name in dataset.partition_by]


@dataclass(frozen=True)
class DataCatalogArgs:
    """What `DataCatalog` needs."""

    datasets: Mapping[str, DatasetSettings]
    environment: AwsEnvironment
    processed_bucket: PipelineBucket
    """Where the tables' data lives."""


class DataCatalog(pulumi.ComponentResource):
    """A database with a location (without one, Hive puts new tables in HDFS, lost with the cluster) and its tables."""

    database_name: str
    """Name of the database, known in preview."""
    tables: dict[str, aws.glue.CatalogTable]
    """Tables by dataset; the job adds their partitions."""

    def __init__(self, name: str, args: DataCatalogArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:catalog:DataCatalog", name, None, opts)
        self.database_name = database_name(args.environment)
        bucket = args.processed_bucket.name
        database = aws.glue.CatalogDatabase(
            f"{name}-database",
            name=self.database_name,
            description=f"Tables of {args.environment.project} {args.environment.stack}",
            location_uri=f"s3://{bucket}/",
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.tables = {
            dataset: aws.glue.CatalogTable(
                f"{name}-{dataset}",
                name=dataset,
                database_name=database.name,
                table_type="EXTERNAL_TABLE",
                parameters={"EXTERNAL": "TRUE", "classification": "parquet"},
                storage_descriptor=storage_descriptor(definition, f"s3://{bucket}/{dataset}/"),  # pyright: ignore[reportArgumentType]
                partition_keys=partition_keys(definition),  # pyright: ignore[reportArgumentType]
                opts=pulumi.ResourceOptions(parent=self),
            )
            for dataset, definition in args.datasets.items()
        }
        self.register_outputs({"databaseName": self.database_name, "tables": sorted(self.tables)})
