"""A Glue database and a table for each dataset, over a bucket that is there already."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi

import settings as configuration
from components.catalog import DataCatalog, DataCatalogArgs
from components.environment import AwsEnvironment

settings = configuration.load(groups=["catalog", "datasets"])
catalog = DataCatalog(
    "catalog",
    DataCatalogArgs(
        settings=settings.catalog,
        datasets=settings.datasets,
        environment=AwsEnvironment.look_up(),
        bucket_name=pulumi.Config().require("bucket"),
    ),
)

pulumi.export("database", catalog.database_name)
pulumi.export("tables", sorted(catalog.tables))
