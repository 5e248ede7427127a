"""Lambda: functions, event sources, permissions.

Sources: terraform-provider-aws ``internal/service/lambda/{function,event_source_mapping,permission}.go``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sandbox.documents.event_pattern import event_pattern
from sandbox.providers.comparison import Comparison
from sandbox.providers.naming import AutoName
from sandbox.providers.protocol import Archive
from sandbox.providers.table import (
    Change,
    Created,
    Inputs,
    Operation,
    ResourceType,
    State,
    Tagging,
    absent,
    camel,
    found,
    given,
    import_parts,
    names,
    own_tags,
    pascal,
    pick,
)
from sandbox.providers.values import between, matching, one_of

_MISSING = "ResourceNotFoundException"

# -- functions ---------------------------------------------------------------------------------------------------------

_CODE = names("code s3Bucket s3Key s3ObjectVersion imageUri sourceCodeHash sourceKmsKeyArn architectures")
_SETTINGS = {
    "role": "Role",
    "handler": "Handler",
    "description": "Description",
    "timeout": "Timeout",
    "memorySize": "MemorySize",
    "runtime": "Runtime",
    "kmsKeyArn": "KMSKeyArn",
    "layers": "Layers",
    "vpcConfig": "VpcConfig",
    "deadLetterConfig": "DeadLetterConfig",
    "environment": "Environment",
    "tracingConfig": "TracingConfig",
    "ephemeralStorage": "EphemeralStorage",
    "loggingConfig": "LoggingConfig",
    "snapStart": "SnapStart",
    "imageConfig": "ImageConfig",
}
_RENAMED = {"entryPoints": "EntryPoint", "commands": "Command"}


def _check_function(inputs: Inputs) -> Iterable[tuple[str, str]]:
    if inputs.get("packageType", "Zip") == "Zip":
        for name in ("handler", "runtime"):
            if not inputs.get(name):
                yield name, f"{name} must be given for a function of package type Zip"
    sources = [name for name in ("code", "s3Bucket", "imageUri") if name in inputs]
    if len(sources) > 1:
        yield sources[1], f"only one of code, s3Bucket and imageUri may be given, not {sources}"
    if "s3Bucket" in inputs and "s3Key" not in inputs:
        yield "s3Key", "s3Key must be given with s3Bucket"


def _code(operation: Operation, inputs: Inputs) -> dict[str, Any]:
    code = inputs.get("code")
    if isinstance(code, Archive):
        members: dict[str, Any] = {"ZipFile": code.zip(operation.directory)}
    else:
        members = pick(inputs, "s3Bucket", "s3Key", "s3ObjectVersion", "imageUri")
    if not members:
        raise ValueError("one of code, s3Bucket and imageUri must be given")
    return {**members, **pick(inputs, sourceKmsKeyArn="SourceKMSKeyArn")}


def _settings(inputs: Inputs, only: frozenset[str] | None = None) -> dict[str, Any]:
    chosen = {name for name in _SETTINGS if name in inputs and (only is None or name in only)}
    members: dict[str, Any] = {}
    for name in chosen:
        keep = names("variables")
        members[_SETTINGS[name]] = pascal(inputs[name], renamed=_RENAMED, keep=keep)
    if "VpcConfig" in members:
        members["VpcConfig"].pop("VpcId", None)
    return members


def _active(operation: Operation, name: str, state: str) -> None:
    """Wait until the function is there (``State``) or changed (``LastUpdateStatus``)."""

    def settled() -> bool:
        configuration = operation.client("lambda").get_function_configuration(FunctionName=name)
        status = configuration.get(state, "Active" if state == "State" else "Successful")
        if status == "Failed":
            raise ValueError(f"function {name}: {configuration.get(f'{state}Reason', 'failed without a reason')}")
        return status in {"Active", "Inactive", "Successful"}

    operation.wait(settled, what=f"function {name} to settle", seconds=600)


def _create_function(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("lambda")
    name = inputs["name"]
    client.create_function(
        FunctionName=name,
        Code=_code(operation, inputs),
        **_settings(inputs),
        **pick(inputs, "packageType", "publish", "architectures"),
        **given(Tags=inputs.get("tagsAll") or None),
    )
    operation.created(name)
    _active(operation, name, "State")
    if inputs.get("reservedConcurrentExecutions", -1) >= 0:
        client.put_function_concurrency(
            FunctionName=name, ReservedConcurrentExecutions=inputs["reservedConcurrentExecutions"]
        )
    return name


def _read_function(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("lambda")
    answer = found(lambda: client.get_function(FunctionName=identifier), _MISSING)
    if answer is None:
        return None
    configuration = answer["Configuration"]
    arn = configuration["FunctionArn"]
    version = configuration.get("Version", "$LATEST")
    invoke = f"arn:{operation.partition}:apigateway:{operation.region}:lambda:path/2015-03-31/functions"
    state: State = {
        "name": configuration["FunctionName"],
        "arn": arn,
        "qualifiedArn": f"{arn}:{version}",
        "invokeArn": f"{invoke}/{arn}/invocations",
        "qualifiedInvokeArn": f"{invoke}/{arn}:{version}/invocations",
        "responseStreamingInvokeArn": f"{invoke}/{arn}/response-streaming-invocations".replace(
            "2015-03-31", "2021-11-15"
        ),
        "version": version,
        "lastModified": configuration["LastModified"],
        "codeSha256": configuration["CodeSha256"],
        "sourceCodeSize": configuration["CodeSize"],
        "packageType": configuration.get("PackageType", "Zip"),
        "architectures": configuration.get("Architectures") or ["x86_64"],
        "reservedConcurrentExecutions": answer.get("Concurrency", {}).get("ReservedConcurrentExecutions", -1),
        "signingJobArn": "",
        "signingProfileVersionArn": "",
        "tagsAll": own_tags(answer.get("Tags")),
    }
    inverse = {"EntryPoint": "entryPoints", "Command": "commands"}
    for name, member in _SETTINGS.items():
        value = configuration.get(member)
        # moto takes DeadLetterConfig and LoggingConfig and does not give them back: they stay as given.
        if value in (None, {}, []) and name in {"deadLetterConfig", "loggingConfig", "snapStart", "imageConfig"}:
            continue
        state[name] = camel(value, renamed=inverse, keep=names("Variables")) if value != "" else None
    if isinstance(state.get("layers"), list):
        state["layers"] = [layer["arn"] for layer in state["layers"]] or None
    if state.get("environment"):
        state["environment"] = {"variables": state["environment"].get("variables", {})}
    if not (state.get("vpcConfig") or {}).get("subnetIds"):
        state["vpcConfig"] = None
    state.setdefault("tracingConfig", {"mode": "PassThrough"})
    state["ephemeralStorage"] = state.get("ephemeralStorage") or {"size": 512}
    if "loggingConfig" not in state and "loggingConfig" not in prior:
        state["loggingConfig"] = {"logFormat": "Text", "logGroup": f"/aws/lambda/{identifier}"}
    return state


def _update_function(operation: Operation, change: Change) -> None:
    client = operation.client("lambda")
    name = change.id
    changed_settings = change.changed & frozenset(_SETTINGS)
    if changed_settings:
        members = _settings(change.inputs, changed_settings)
        for removed in changed_settings - change.inputs.keys():
            members[_SETTINGS[removed]] = _EMPTY[removed]
        client.update_function_configuration(FunctionName=name, **members)
        _active(operation, name, "LastUpdateStatus")
    if change.changed & _CODE:
        client.update_function_code(
            FunctionName=name,
            **_code(operation, change.inputs),
            **pick(change.inputs, "architectures", "publish"),
        )
        _active(operation, name, "LastUpdateStatus")
    if change.any("reservedConcurrentExecutions"):
        reserved = change.inputs.get("reservedConcurrentExecutions", -1)
        if reserved >= 0:
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)
        else:
            client.delete_function_concurrency(FunctionName=name)
    if change.any("publish") and change.inputs.get("publish") and not change.changed & _CODE:
        client.publish_version(FunctionName=name)


_EMPTY: dict[str, Any] = {
    "handler": "",
    "description": "",
    "timeout": 3,
    "memorySize": 128,
    "kmsKeyArn": "",
    "layers": [],
    "vpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    "deadLetterConfig": {},
    "environment": {"Variables": {}},
    "tracingConfig": {"Mode": "PassThrough"},
    "ephemeralStorage": {"Size": 512},
    "loggingConfig": {"LogFormat": "Text"},
    "snapStart": {"ApplyOn": "None"},
    "imageConfig": {},
}
"""What an update sends for a setting that the program gives no more."""


def _delete_function(operation: Operation, identifier: str, state: State) -> None:
    if not state.get("skipDestroy"):
        absent(lambda: operation.client("lambda").delete_function(FunctionName=identifier), _MISSING)


def _add_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("lambda").tag_resource(Resource=state["arn"], Tags=tags)


def _remove_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("lambda").untag_resource(Resource=state["arn"], TagKeys=keys)


# -- event sources -----------------------------------------------------------------------------------------------------

_MAPPING_IN_PLACE = (
    "batchSize",
    "bisectBatchOnFunctionError",
    "destinationConfig",
    "enabled",
    "filterCriteria",
    "functionResponseTypes",
    "kmsKeyArn",
    "maximumBatchingWindowInSeconds",
    "maximumRecordAgeInSeconds",
    "maximumRetryAttempts",
    "metricsConfig",
    "parallelizationFactor",
    "scalingConfig",
    "tumblingWindowInSeconds",
)
_MAPPING_EMPTY: dict[str, Any] = {
    "destinationConfig": {"OnFailure": {}},
    "filterCriteria": {},
    "functionResponseTypes": [],
    "scalingConfig": {},
    "metricsConfig": {},
}


def _check_mapping(inputs: Inputs) -> Iterable[tuple[str, str]]:
    window = inputs.get("maximumBatchingWindowInSeconds", 0)
    source = str(inputs.get("eventSourceArn", ""))
    if ":sqs:" in source and inputs.get("batchSize", 10) > 10 and window < 1:
        # Lambda developer guide, "Using Lambda with Amazon SQS": larger batches need a window.
        yield "batchSize", "is more than 10: an SQS source then needs maximumBatchingWindowInSeconds of at least 1"


def _mapping_members(inputs: Inputs) -> dict[str, Any]:
    given_members = {name: inputs[name] for name in _MAPPING_IN_PLACE if name in inputs}
    return pascal(given_members, renamed={"kmsKeyArn": "KMSKeyArn"})


def _create_mapping(operation: Operation, inputs: Inputs) -> str:
    made = operation.client("lambda").create_event_source_mapping(
        **_mapping_members(inputs),
        **pick(inputs, "functionName", "eventSourceArn", "startingPosition"),
        **given(Tags=inputs.get("tagsAll") or None),
    )
    identifier = made["UUID"]
    operation.created(identifier)
    _mapping_settled(operation, identifier)
    return identifier


def _mapping_settled(operation: Operation, identifier: str) -> None:
    client = operation.client("lambda")
    operation.wait(
        lambda: client.get_event_source_mapping(UUID=identifier)["State"] in {"Enabled", "Disabled"},
        what=f"event source mapping {identifier} to settle",
        seconds=600,
    )


def _read_mapping(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("lambda")
    mapping = found(lambda: client.get_event_source_mapping(UUID=identifier), _MISSING)
    if mapping is None or mapping["State"] == "Deleting":
        return None
    arn = mapping["FunctionArn"]
    name = prior.get("functionName", arn)
    mapping_arn = mapping.get("EventSourceMappingArn") or operation.arn("lambda", f"event-source-mapping:{identifier}")
    state: State = {
        "uuid": identifier,
        "arn": mapping_arn,
        "functionArn": arn,
        "functionName": name if name in {arn, arn.rsplit(":", 1)[1]} else arn,
        "eventSourceArn": mapping.get("EventSourceArn"),
        "enabled": mapping["State"] in {"Enabled", "Enabling"},
        "state": mapping["State"],
        "stateTransitionReason": mapping.get("StateTransitionReason", ""),
        "lastProcessingResult": mapping.get("LastProcessingResult", ""),
        "startingPosition": mapping.get("StartingPosition"),
    }
    if mapping.get("LastModified") is not None:
        modified = mapping["LastModified"]
        state["lastModified"] = (
            modified.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(modified, "strftime") else str(modified)
        )
    for name in _MAPPING_IN_PLACE:
        value = mapping.get("KMSKeyArn" if name == "kmsKeyArn" else name[:1].upper() + name[1:])
        # Members that moto does not give back stay as given.
        if name != "enabled" and value is not None:
            state[name] = camel(value) or None if isinstance(value, dict | list) else value
    tags = found(lambda: client.list_tags(Resource=mapping_arn), _MISSING)
    if tags is not None:
        state["tagsAll"] = own_tags(tags.get("Tags"))
    return state


def _update_mapping(operation: Operation, change: Change) -> None:
    inputs = change.inputs
    members = _mapping_members({name: inputs[name] for name in change.changed if name in inputs})
    for name in change.changed.intersection(_MAPPING_EMPTY) - inputs.keys():
        members[name[:1].upper() + name[1:]] = _MAPPING_EMPTY[name]
    members |= pick({name: inputs[name] for name in change.changed if name in inputs}, "functionName")
    operation.client("lambda").update_event_source_mapping(UUID=change.id, **members)
    _mapping_settled(operation, change.id)


def _delete_mapping(operation: Operation, identifier: str, state: State) -> None:
    absent(lambda: operation.client("lambda").delete_event_source_mapping(UUID=identifier), _MISSING)


# -- permissions -------------------------------------------------------------------------------------------------------


def _add_permission(operation: Operation, inputs: Inputs) -> str:
    operation.client("lambda").add_permission(
        **pick(
            inputs,
            "statementId",
            "action",
            "principal",
            "sourceArn",
            "sourceAccount",
            "eventSourceToken",
            "qualifier",
            "functionUrlAuthType",
            "invokedViaFunctionUrl",
            function="FunctionName",
            principalOrgId="PrincipalOrgID",
        )
    )
    return inputs["statementId"]


def _read_permission(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("lambda")
    target = pick(prior, "qualifier", function="FunctionName")
    answer = found(lambda: client.get_policy(**target), _MISSING)
    statements = json.loads(answer["Policy"])["Statement"] if answer else []
    statement = next((entry for entry in statements if entry.get("Sid") == identifier), None)
    if statement is None:
        return None
    condition = statement.get("Condition") or {}
    arns = {**condition.get("ArnLike", {}), **condition.get("StringEquals", {})}
    arns = {name.lower(): value for name, value in arns.items()}
    principal = statement["Principal"]
    if isinstance(principal, dict):
        principal = principal.get("Service") or principal.get("AWS")
    state: State = {
        "statementId": identifier,
        "function": prior.get("function"),
        "action": statement["Action"],
        "principal": principal,
    }
    for key, name in (("aws:sourcearn", "sourceArn"), ("aws:sourceaccount", "sourceAccount")):
        if key in arns:
            state[name] = arns[key]
    return state


def _adopt_permission(identifier: str) -> Created:
    """``function/statement-id``; a qualifier follows the function after a colon."""
    function, statement = import_parts(identifier, "function-name/statement-id")
    name, _, qualifier = function.partition(":")
    return Created(statement, given(function=name, qualifier=qualifier or None))


def _remove_permission(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("lambda")
    target = pick(state, "qualifier", function="FunctionName")
    absent(lambda: client.remove_permission(StatementId=identifier, **target), _MISSING)


TYPES = (
    ResourceType(
        token="aws:lambda/function:Function",
        source="function.go",
        values={
            "memorySize": between(128, 32768),
            "packageType": one_of("Image", "Zip"),
            "reservedConcurrentExecutions": between(-1, 1_000_000),
            "timeout": between(1, 900),
            "tracingConfig.mode": one_of("Active", "PassThrough"),
            "loggingConfig.logFormat": one_of("JSON", "Text"),
        },
        handles=_CODE | frozenset(_SETTINGS) | names("packageType publish reservedConcurrentExecutions skipDestroy"),
        naming=AutoName(maximum=64, prefix_property=None),
        defaults={
            "memorySize": 128,
            "packageType": "Zip",
            "publish": False,
            "reservedConcurrentExecutions": -1,
            "skipDestroy": False,
            "timeout": 3,
        },
        comparison=Comparison(unordered=names("vpcConfig.subnetIds vpcConfig.securityGroupIds")),
        replaces=names("name packageType"),
        not_read={
            "code": "AWS gives an address, not the archive; codeSha256 says what is there",
            "sourceCodeHash": "stands for the given code",
            "publish": "an argument of calls, not an attribute",
            "skipDestroy": "a setting of the provider, not of AWS",
        },
        recomputed={
            "codeSha256": _CODE,
            "sourceCodeSize": _CODE,
            "lastModified": _CODE | frozenset(_SETTINGS),
            "version": names("publish"),
            "qualifiedArn": names("publish"),
        },
        create=_create_function,
        read=_read_function,
        update=_update_function,
        delete=_delete_function,
        tagging=Tagging(_add_tags, _remove_tags),
        check=_check_function,
    ),
    ResourceType(
        token="aws:lambda/eventSourceMapping:EventSourceMapping",
        source="event_source_mapping.go",
        values={"batchSize": between(1, 10_000), "scalingConfig.maximumConcurrency": between(2, 1000)},
        handles=names("functionName eventSourceArn startingPosition") | frozenset(_MAPPING_IN_PLACE),
        defaults={"enabled": True},
        comparison=Comparison(
            json=names("filterCriteria.filters.pattern"),
            unordered=names("functionResponseTypes filterCriteria.filters"),
        ),
        documents={"filterCriteria.filters.pattern": event_pattern},
        replaces=names("eventSourceArn startingPosition"),
        create=_create_mapping,
        read=_read_mapping,
        update=_update_mapping,
        delete=_delete_mapping,
        tagging=Tagging(_add_tags, _remove_tags),
        check=_check_mapping,
    ),
    ResourceType(
        token="aws:lambda/permission:Permission",
        source="permission.go: everything replaces",
        adopt=_adopt_permission,
        at_most_one=(names("statementId statementIdPrefix"),),
        values={"action": matching(r"lambda:[A-Za-z*]+|\*", "it is an action such as lambda:InvokeFunction")},
        handles=names("action function principal sourceArn sourceAccount eventSourceToken qualifier")
        | names("functionUrlAuthType invokedViaFunctionUrl principalOrgId"),
        naming=AutoName(property="statementId", maximum=100, prefix_property="statementIdPrefix"),
        create=_add_permission,
        read=_read_permission,
        delete=_remove_permission,
    ),
)
