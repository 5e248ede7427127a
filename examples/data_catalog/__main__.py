"""A Glue database and a table for each dataset, over a bucket that is there already."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi

from components.catalog import DataCatalog, DataCatalogArgs
from components.environment import AwsEnvironment
from settings import CatalogSettings, DatasetSettings

FLIGHTS = {
    "prefix": "flights/",
    "partitionBy": ["year"],
    "columns": [{"name": "year", "type": "int"}, {"name": "carrier", "type": "string"}],
}

config = pulumi.Config()
datasets = config.get_object("datasets") or {"flights": FLIGHTS}
catalog = DataCatalog(
    "catalog",
    DataCatalogArgs(
        settings=CatalogSettings(),
        datasets={name: DatasetSettings.model_validate(dataset) for name, dataset in datasets.items()},
        environment=AwsEnvironment.look_up(),
        bucket_name=config.require("bucket"),
    ),
)

pulumi.export("database", catalog.database_name)
pulumi.export("tables", sorted(catalog.tables))
