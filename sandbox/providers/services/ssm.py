"""Systems Manager: parameters. Source: terraform-provider-aws ``internal/service/ssm/parameter.go``."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.providers.naming import AutoName
from sandbox.providers.table import (
    Change,
    Inputs,
    Operation,
    ResourceType,
    State,
    Tagging,
    absent,
    found,
    names,
    pick,
    tag_list,
    tag_map,
)


def _add_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("ssm").add_tags_to_resource(ResourceType="Parameter", ResourceId=identifier, Tags=tag_list(tags))


def _remove_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("ssm").remove_tags_from_resource(ResourceType="Parameter", ResourceId=identifier, TagKeys=keys)


def _check(inputs: Inputs) -> Iterable[tuple[str, str]]:
    if "value" in inputs and "insecureValue" in inputs:
        yield "insecureValue", "only one of value and insecureValue may be given"
    if inputs.get("type") == "SecureString" and "insecureValue" in inputs:
        yield "insecureValue", "a SecureString takes value"
    if inputs.get("keyId") and inputs.get("type") not in {None, "SecureString"}:
        yield "keyId", f"a key encrypts a SecureString, not a {inputs['type']}"


def _put(operation: Operation, inputs: Inputs, overwrite: bool) -> None:
    value = inputs.get("value", inputs.get("insecureValue"))
    tags = {} if overwrite else {"Tags": tag_list(inputs.get("tagsAll"))}
    operation.client("ssm").put_parameter(
        Name=inputs["name"],
        Value=value,
        Overwrite=overwrite,
        **pick(inputs, "type", "description", "keyId", "allowedPattern", "dataType", "tier"),
        **tags,
    )


def _create(operation: Operation, inputs: Inputs) -> str:
    # AWS takes tags only for a parameter that the call makes.
    overwrite = bool(inputs.get("overwrite"))
    _put(operation, inputs, overwrite)
    operation.created(inputs["name"])
    if overwrite and inputs.get("tagsAll"):
        _add_tags(operation, inputs["name"], {}, inputs["tagsAll"])
    return inputs["name"]


def _read(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("ssm")
    answer = found(lambda: client.get_parameter(Name=identifier, WithDecryption=True), "ParameterNotFound")
    if answer is None:
        return None
    parameter = answer["Parameter"]
    filters = [{"Key": "Name", "Option": "Equals", "Values": [identifier]}]
    details = client.describe_parameters(ParameterFilters=filters)["Parameters"]
    detail = details[0] if details else {}
    tags = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=identifier)
    insecure = "insecureValue" in prior and parameter["Type"] != "SecureString"
    return {
        "name": parameter["Name"],
        "arn": parameter.get("ARN") or operation.arn("ssm", f"parameter/{identifier.lstrip('/')}"),
        "type": parameter["Type"],
        "version": parameter["Version"],
        "dataType": parameter.get("DataType", "text"),
        "insecureValue" if insecure else "value": parameter["Value"],
        "description": detail.get("Description") or None,
        "keyId": detail.get("KeyId") or "",
        "allowedPattern": detail.get("AllowedPattern") or None,
        "tier": detail.get("Tier") or "Standard",
        "hasValueWo": False,
        "tagsAll": tag_map(tags.get("TagList")),
    }


def _update(operation: Operation, change: Change) -> None:
    _put(operation, {**change.inputs, "name": change.id}, True)


def _delete(operation: Operation, identifier: str, state: State) -> None:
    absent(lambda: operation.client("ssm").delete_parameter(Name=identifier), "ParameterNotFound")


TYPES = (
    ResourceType(
        token="aws:ssm/parameter:Parameter",
        source="parameter.go",
        handles=names("type value insecureValue description keyId allowedPattern dataType tier overwrite"),
        naming=AutoName(maximum=2048, prefix_property=None),
        replaces=names("name dataType"),
        not_read={"overwrite": "an argument of the call, not an attribute"},
        recomputed={"version": names("value insecureValue type description keyId allowedPattern tier")},
        secrets=names("value"),
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        tagging=Tagging(_add_tags, _remove_tags),
        check=_check,
    ),
)
