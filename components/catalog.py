"""The Glue catalog: a database of the stack, and a table for each dataset that Spark, Hive and Presto read alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.environment import AwsEnvironment
from components.iam import create_role, service_trust, statement
from settings import CatalogSettings, ColumnType, DatasetSettings

HIVE_TYPES: Mapping[ColumnType, str] = {
    "string": "string",
    "int": "int",
    "bigint": "bigint",
    "double": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
}
"""Catalog type of a declared type. The catalog speaks Hive's language, and so do Spark and Presto when they read it."""

LONGEST_NAME = 255
"""Most characters of a database's name (Glue API reference, NameString)."""

COMPRESSION = "SNAPPY"
"""What Spark and Presto write by default; Hive, which writes uncompressed, goes by the table's property."""

PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
"""Package of Hive's classes for Parquet; Spark and Presto know them by name and use readers of their own."""


def database_name(environment: AwsEnvironment) -> str:
    """Name of the stack's database: Glue and Hive take lower-case letters, digits and ``_``."""
    return re.sub(r"[^a-z0-9_]", "_", f"{environment.project}_{environment.stack}".lower())[:LONGEST_NAME]


def data_columns(dataset: DatasetSettings) -> list[tuple[str, str]]:
    """Name and type of the columns that are in the files, in the declared order."""
    return [
        (column.name, HIVE_TYPES[column.type]) for column in dataset.columns if column.name not in dataset.partition_by
    ]


def partition_columns(dataset: DatasetSettings) -> list[tuple[str, str]]:
    """Name and type of the columns that are in the directories' names, outermost first."""
    types = {column.name: HIVE_TYPES[column.type] for column in dataset.columns}
    return [(name, types[name]) for name in dataset.partition_by]


def table_location(bucket: str, dataset: str) -> str:
    """Where a dataset's Parquet lies."""
    return f"s3://{bucket}/{dataset}/"


@dataclass(frozen=True)
class DataCatalogArgs:
    """What `DataCatalog` needs."""

    settings: CatalogSettings
    datasets: Mapping[str, DatasetSettings]
    """By name, which becomes the table's."""
    environment: AwsEnvironment
    bucket_name: str
    """Where the tables' data lives."""


class DataCatalog(pulumi.ComponentResource):
    """A database with a location (without one, Hive puts new tables in HDFS, lost with the cluster) and its tables.

    The program owns the tables' schema, the job their partitions. A partition keeps the schema that it was made with.
    """

    database_name: str
    """Name of the database, known in preview."""
    tables: dict[str, aws.glue.CatalogTable]
    """Tables by dataset."""

    def __init__(self, name: str, args: DataCatalogArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:catalog:DataCatalog", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        bucket = args.bucket_name
        self.database_name = database_name(args.environment)
        database = aws.glue.CatalogDatabase(
            f"{name}-database",
            name=self.database_name,
            description=f"Tables of {args.environment.project} {args.environment.stack}",
            location_uri=f"s3://{bucket}/",
            opts=self._child,
        )
        self.tables = {
            dataset: self._table(f"{name}-{dataset}", dataset, definition, table_location(bucket, dataset), database)
            for dataset, definition in args.datasets.items()
        }
        if args.settings.account_encryption_key_arn is not None:
            self._encrypt_account(name, args.environment, args.settings.account_encryption_key_arn)
        self.register_outputs({"databaseName": self.database_name, "tables": sorted(self.tables)})

    def _encrypt_account(self, name: str, environment: AwsEnvironment, key_arn: str) -> None:
        """Encrypt the metadata of the account's catalog, through a role of Glue's own.

        With a role, whoever reads the catalog needs no permission on the key: nodes, functions and people of other
        stacks go on working. Source: Glue developer guide, "Encrypting your Data Catalog" (service role).
        """
        role, grants = create_role(
            f"{name}-encryption-role",
            description="Encrypts the metadata of the account's Glue catalog",
            trust=service_trust(environment, "glue"),
            statements=[
                statement(
                    "EncryptMetadata",
                    ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
                    [key_arn],
                    condition={"StringEquals": {"kms:ViaService": environment.via_service("glue")}},
                )
            ],
            parent=self,
        )
        aws.glue.DataCatalogEncryptionSettings(
            f"{name}-encryption",
            data_catalog_encryption_settings=aws.glue.DataCatalogEncryptionSettingsDataCatalogEncryptionSettingsArgs(
                encryption_at_rest=aws.glue.DataCatalogEncryptionSettingsDataCatalogEncryptionSettingsEncryptionAtRestArgs(
                    catalog_encryption_mode="SSE-KMS-WITH-SERVICE-ROLE",
                    catalog_encryption_service_role=role.arn,
                    sse_aws_kms_key_id=key_arn,
                ),
                connection_password_encryption=aws.glue.DataCatalogEncryptionSettingsDataCatalogEncryptionSettingsConnectionPasswordEncryptionArgs(
                    aws_kms_key_id=key_arn, return_connection_password_encrypted=True
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=grants),
        )

    def _table(
        self, name: str, dataset: str, definition: DatasetSettings, location: str, database: aws.glue.CatalogDatabase
    ) -> aws.glue.CatalogTable:
        return aws.glue.CatalogTable(
            name,
            name=dataset,
            description=f"Files dropped under {definition.prefix}, as Parquet",
            database_name=database.name,
            # The data is not the table's to delete.
            table_type="EXTERNAL_TABLE",
            parameters={"EXTERNAL": "TRUE", "classification": "parquet", "parquet.compression": COMPRESSION},
            storage_descriptor=aws.glue.CatalogTableStorageDescriptorArgs(
                location=location,
                input_format=f"{PARQUET}.MapredParquetInputFormat",
                output_format=f"{PARQUET}.MapredParquetOutputFormat",
                ser_de_info=aws.glue.CatalogTableStorageDescriptorSerDeInfoArgs(
                    name="parquet",
                    serialization_library=f"{PARQUET}.serde.ParquetHiveSerDe",
                    parameters={"serialization.format": "1"},
                ),
                columns=[
                    aws.glue.CatalogTableStorageDescriptorColumnArgs(name=column, type=kind)
                    for column, kind in data_columns(definition)
                ],
            ),
            partition_keys=[
                aws.glue.CatalogTablePartitionKeyArgs(name=column, type=kind)
                for column, kind in partition_columns(definition)
            ],
            opts=self._child,
        )
