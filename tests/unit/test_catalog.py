"""The catalog as it is registered: what Spark, Hive and Presto would read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pulumi_aws as aws
import pytest

from components.bucket_documents import bucket_name
from components.catalog import HIVE_TYPES, DataCatalog, DataCatalogArgs, database_name
from settings import CatalogSettings, ColumnType, ConfigurationError, DatasetSettings, parse
from tests.unit.harness import ENVIRONMENT, Deployment, deploy

PROCESSED = bucket_name(ENVIRONMENT, "processed")


def dataset(columns: dict[str, str], partition_by: tuple[str, ...] = (), prefix: str = "in/") -> DatasetSettings:
    return DatasetSettings.model_validate(
        {
            "prefix": prefix,
            "columns": [{"name": name, "type": kind} for name, kind in columns.items()],
            "partitionBy": partition_by,
        }
    )


def catalog(
    datasets: dict[str, DatasetSettings], *, settings: CatalogSettings | None = None, preview: bool = False
) -> Deployment:
    arguments = DataCatalogArgs(settings or CatalogSettings(), datasets, ENVIRONMENT, PROCESSED)
    return deploy(lambda: DataCatalog("catalog", arguments), preview=preview)


FLIGHTS = dataset(
    {"carrier": "string", "month": "int", "distance": "bigint", "year": "int", "departed": "timestamp"},
    partition_by=("year", "month"),
    prefix="flights/",
)


@pytest.fixture(scope="module")
def flights() -> dict[str, Any]:
    return catalog({"flights": FLIGHTS}).named("catalog-flights").inputs


def test_partition_columns_stand_apart_outermost_first(flights: dict[str, Any]):
    assert flights["partitionKeys"] == [{"name": "year", "type": "int"}, {"name": "month", "type": "int"}], (
        "the order is that of the directories, year=…/month=…, not that of the columns"
    )
    assert [column["name"] for column in flights["storageDescriptor"]["columns"]] == [
        "carrier",
        "distance",
        "departed",
    ], "a column that is in the directories' names is not in the files; Hive refuses it in both places"


def test_a_table_without_partitions_has_no_partition_keys_and_all_its_columns():
    table = catalog({"plain": dataset({"b": "date", "a": "boolean"})}).one(aws.glue.CatalogTable).inputs
    assert not table.get("partitionKeys")
    assert table["storageDescriptor"]["columns"] == [{"name": "b", "type": "date"}, {"name": "a", "type": "boolean"}], (
        "the declared order is the table's"
    )


def test_all_three_engines_read_parquet(flights: dict[str, Any]):
    storage = flights["storageDescriptor"]
    package = "org.apache.hadoop.hive.ql.io.parquet"
    assert storage["inputFormat"] == f"{package}.MapredParquetInputFormat"
    assert storage["outputFormat"] == f"{package}.MapredParquetOutputFormat"
    assert storage["serDeInfo"]["serializationLibrary"] == f"{package}.serde.ParquetHiveSerDe"
    assert flights["parameters"]["classification"] == "parquet", "Glue and Athena go by this"
    assert flights["parameters"]["parquet.compression"] == "SNAPPY", "Hive writes uncompressed unless the table says so"
    assert not [key for key in flights["parameters"] if key.startswith("projection.")], (
        "Spark and Hive know nothing of projected partitions: the job makes them in the catalog"
    )


def test_a_table_is_external_so_that_dropping_it_keeps_the_data(flights: dict[str, Any]):
    assert flights["tableType"] == "EXTERNAL_TABLE"
    assert flights["parameters"]["EXTERNAL"] == "TRUE", "Hive reads this one, not the table's type"


def test_a_table_lies_in_its_own_directory(flights: dict[str, Any]):
    assert flights["storageDescriptor"]["location"] == f"s3://{PROCESSED}/flights/", (
        "s3://, for s3a:// goes past the cluster's encryption settings; a closing slash, or a prefix would match others"
    )


def test_every_declared_type_has_a_catalog_type():
    assert set(HIVE_TYPES) == set(get_args(ColumnType))
    columns = {f"a_{kind}": kind for kind in get_args(ColumnType)}
    table = catalog({"all": dataset(columns)}).one(aws.glue.CatalogTable).inputs
    assert {column["name"]: column["type"] for column in table["storageDescriptor"]["columns"]} == columns


def test_the_database_has_a_location_in_s3():
    database = catalog({}).one(aws.glue.CatalogDatabase).inputs
    assert database["name"] == "emr_pipeline_test"
    assert database["locationUri"] == f"s3://{PROCESSED}/", (
        "without one Hive makes tables in HDFS, lost with the cluster"
    )


def test_tables_are_in_the_stacks_database_and_named_like_datasets():
    deployment = catalog({"flights": FLIGHTS, "weather": dataset({"a": "string"}, prefix="weather/")})
    tables = {table.inputs["name"]: table for table in deployment.all(aws.glue.CatalogTable)}
    assert set(tables) == {"flights", "weather"}
    for table in tables.values():
        assert table.inputs["databaseName"] == "emr_pipeline_test"
        assert "catalog-database" in table.depends_on, "a table needs its database first"
    assert deployment.outputs("catalog") == {"databaseName": "emr_pipeline_test", "tables": ["flights", "weather"]}


@pytest.mark.parametrize(
    ("stack", "name"),
    [
        ("prod", "emr_pipeline_prod"),
        ("Dev.Anna-2", "emr_pipeline_dev_anna_2"),
        ("s" * 300, f"emr_pipeline_{'s' * 242}"),
    ],
)
def test_the_databases_name_is_one_that_glue_and_hive_take(stack: str, name: str):
    assert database_name(replace(ENVIRONMENT, stack=stack)) == name


def test_the_databases_name_is_known_before_it_is_made():
    deployment = catalog({"flights": FLIGHTS}, preview=True)
    assert deployment.result.database_name == "emr_pipeline_test"
    assert set(deployment.result.tables) == {"flights"}


KEY = "arn:aws:kms:eu-west-1:111122223333:key/0c1d2e3f"


def test_the_accounts_catalog_is_let_alone_unless_the_settings_name_a_key():
    deployment = catalog({"flights": FLIGHTS})
    assert deployment.all(aws.glue.DataCatalogEncryptionSettings) == [], "it is every stack's of the account"
    assert deployment.all(aws.iam.Role) == []


def test_the_accounts_catalog_is_encrypted_through_a_role_so_that_readers_need_no_key():
    deployment = catalog({}, settings=CatalogSettings(account_encryption_key_arn=KEY))
    encryption = deployment.one(aws.glue.DataCatalogEncryptionSettings)
    role = deployment.one(aws.iam.Role)
    assert encryption.inputs["dataCatalogEncryptionSettings"] == {
        "encryptionAtRest": {
            "catalogEncryptionMode": "SSE-KMS-WITH-SERVICE-ROLE",
            "catalogEncryptionServiceRole": role.state["arn"],
            "sseAwsKmsKeyId": KEY,
        },
        "connectionPasswordEncryption": {"awsKmsKeyId": KEY, "returnConnectionPasswordEncrypted": True},
    }
    (trust,) = role.document("assumeRolePolicy")["Statement"]
    assert trust["Principal"] == {"Service": "glue.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}
    (granted,) = deployment.one(aws.iam.RolePolicy).document("policy")["Statement"]
    assert granted["Resource"] == KEY
    assert granted["Action"] == ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
    assert granted["Condition"] == {"StringEquals": {"kms:ViaService": "glue.eu-west-1.amazonaws.com"}}
    assert "catalog-encryption-role-policy" in encryption.depends_on, "Glue tries the role when the setting comes"


def test_an_alias_is_no_key_for_the_catalog():
    values = {"accountEncryptionKeyArn": "arn:aws:kms:eu-west-1:111122223333:alias/catalog"}
    with pytest.raises(ConfigurationError, match=r"accountEncryptionKeyArn.*ARN of a KMS key"):
        parse({"tags": {"owner": "x", "costCentre": "x"}, "catalog": values})
