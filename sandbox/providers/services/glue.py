"""Glue: the data catalog. Sources: terraform-provider-aws ``internal/service/glue/catalog_{database,table}.go``."""

from __future__ import annotations

from typing import Any

from sandbox.providers.comparison import Comparison
from sandbox.providers.naming import AutoName
from sandbox.providers.table import (
    Change,
    Inputs,
    Operation,
    ResourceType,
    State,
    Tagging,
    absent,
    camel,
    found,
    given,
    names,
    pascal,
    pick,
)
from sandbox.providers.values import matching

_MISSING = "EntityNotFoundException"
_MAPS = names("parameters skewedColumnValueLocationMaps")
_AWS_MAPS = names("Parameters SkewedColumnValueLocationMaps")


def _add_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("glue").tag_resource(ResourceArn=state["arn"], TagsToAdd=tags)


def _remove_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("glue").untag_resource(ResourceArn=state["arn"], TagsToRemove=keys)


def _database_input(inputs: Inputs) -> dict[str, Any]:
    members = names("name description locationUri parameters createTableDefaultPermissions")
    members |= names("targetDatabase federatedDatabase")
    return pascal(
        {name: inputs[name] for name in members if name in inputs},
        renamed={"federatedDatabase": "FederatedDatabase"},
        keep=_MAPS,
    )


def _create_database(operation: Operation, inputs: Inputs) -> str:
    catalog = inputs.get("catalogId", operation.account)
    operation.client("glue").create_database(
        CatalogId=catalog,
        DatabaseInput=_database_input(inputs),
        **given(Tags=inputs.get("tagsAll") or None),
    )
    return f"{catalog}:{inputs['name']}"


def _read_database(operation: Operation, identifier: str, prior: State) -> State | None:
    catalog, name = identifier.split(":", 1)
    client = operation.client("glue")
    answer = found(lambda: client.get_database(CatalogId=catalog, Name=name), _MISSING)
    if answer is None:
        return None
    database = answer["Database"]
    arn = operation.arn("glue", f"database/{name}")
    state: State = {
        "name": database["Name"],
        "catalogId": catalog,
        "arn": arn,
        "description": database.get("Description") or None,
        "locationUri": database.get("LocationUri", ""),
        "parameters": database.get("Parameters") or None,
        "tagsAll": client.get_tags(ResourceArn=arn).get("Tags", {}),
    }
    if "CreateTableDefaultPermissions" in database:
        state["createTableDefaultPermissions"] = camel(database["CreateTableDefaultPermissions"])
    return state


def _update_database(operation: Operation, change: Change) -> None:
    catalog, name = change.id.split(":", 1)
    operation.client("glue").update_database(
        CatalogId=catalog, Name=name, DatabaseInput=_database_input({**change.inputs, "name": name})
    )


def _delete_database(operation: Operation, identifier: str, state: State) -> None:
    catalog, name = identifier.split(":", 1)
    absent(lambda: operation.client("glue").delete_database(CatalogId=catalog, Name=name), _MISSING)


_TABLE_MEMBERS = names("name description owner parameters partitionKeys retention storageDescriptor tableType") | names(
    "targetTable viewExpandedText viewOriginalText"
)


def _table_input(inputs: Inputs) -> dict[str, Any]:
    given_members = {name: inputs[name] for name in _TABLE_MEMBERS if name in inputs}
    return pascal(given_members, renamed={"serDeInfo": "SerdeInfo"}, keep=_MAPS)


def _create_table(operation: Operation, inputs: Inputs) -> str:
    catalog = inputs.get("catalogId", operation.account)
    operation.client("glue").create_table(
        CatalogId=catalog, **pick(inputs, "databaseName"), TableInput=_table_input(inputs)
    )
    return f"{catalog}:{inputs['databaseName']}:{inputs['name']}"


def _read_table(operation: Operation, identifier: str, prior: State) -> State | None:
    catalog, database, name = identifier.split(":", 2)
    client = operation.client("glue")
    answer = found(lambda: client.get_table(CatalogId=catalog, DatabaseName=database, Name=name), _MISSING)
    if answer is None:
        return None
    table = answer["Table"]
    state: State = {
        "arn": operation.arn("glue", f"table/{database}/{name}"),
        "catalogId": catalog,
        "databaseName": database,
        "partitionIndices": [],
    }
    for member in ("Name", "Description", "Owner", "Retention", "TableType", "ViewOriginalText", "ViewExpandedText"):
        state[member[:1].lower() + member[1:]] = table.get(member)
    state["parameters"] = table.get("Parameters") or {}
    state["partitionKeys"] = camel(table.get("PartitionKeys") or [], keep=_AWS_MAPS)
    if table.get("StorageDescriptor"):
        renamed = {"SerdeInfo": "serDeInfo"}
        state["storageDescriptor"] = camel(table["StorageDescriptor"], renamed=renamed, keep=_AWS_MAPS)
    return state


def _update_table(operation: Operation, change: Change) -> None:
    catalog, database, name = change.id.split(":", 2)
    operation.client("glue").update_table(
        CatalogId=catalog, DatabaseName=database, TableInput=_table_input({**change.inputs, "name": name})
    )


def _delete_table(operation: Operation, identifier: str, state: State) -> None:
    catalog, database, name = identifier.split(":", 2)
    client = operation.client("glue")
    absent(lambda: client.delete_table(CatalogId=catalog, DatabaseName=database, Name=name), _MISSING)


def _put_encryption(operation: Operation, inputs: Inputs) -> str:
    catalog = inputs.get("catalogId", operation.account)
    operation.client("glue").put_data_catalog_encryption_settings(
        CatalogId=catalog, DataCatalogEncryptionSettings=pascal(inputs["dataCatalogEncryptionSettings"])
    )
    return catalog


def _update_encryption(operation: Operation, change: Change) -> None:
    _put_encryption(operation, change.inputs)


def _read_encryption(operation: Operation, identifier: str, prior: State) -> State | None:
    answer = operation.client("glue").get_data_catalog_encryption_settings(CatalogId=identifier)
    return {"catalogId": identifier, "dataCatalogEncryptionSettings": camel(answer["DataCatalogEncryptionSettings"])}


def _delete_encryption(operation: Operation, identifier: str, state: State) -> None:
    operation.client("glue").put_data_catalog_encryption_settings(
        CatalogId=identifier, DataCatalogEncryptionSettings={}
    )


TYPES = (
    ResourceType(
        token="aws:glue/dataCatalogEncryptionSettings:DataCatalogEncryptionSettings",
        source="data_catalog_encryption_settings.go",
        handles=names("catalogId dataCatalogEncryptionSettings"),
        replaces=names("catalogId"),
        create=_put_encryption,
        read=_read_encryption,
        update=_update_encryption,
        delete=_delete_encryption,
    ),
    ResourceType(
        token="aws:glue/catalogDatabase:CatalogDatabase",
        source="catalog_database.go",
        values={"name": matching(r"[^A-Z]{1,255}", "a database's name has up to 255 characters and no capitals")},
        handles=names("catalogId description locationUri parameters createTableDefaultPermissions")
        | names("targetDatabase federatedDatabase"),
        naming=AutoName(maximum=255, prefix_property=None),
        comparison=Comparison(unordered=names("createTableDefaultPermissions.permissions")),
        replaces=names("name catalogId targetDatabase federatedDatabase"),
        create=_create_database,
        read=_read_database,
        update=_update_database,
        delete=_delete_database,
        tagging=Tagging(_add_tags, _remove_tags),
    ),
    ResourceType(
        token="aws:glue/catalogTable:CatalogTable",
        source="catalog_table.go",
        handles=names("databaseName catalogId") | _TABLE_MEMBERS,
        naming=AutoName(maximum=255, prefix_property=None),
        replaces=names("name databaseName catalogId"),
        create=_create_table,
        read=_read_table,
        update=_update_table,
        delete=_delete_table,
    ),
)
