"""What a resource type takes and gives, read from the provider's own Python SDK.

The SDK is generated from the provider's schema, so its classes know every input (name, type, whether it is required)
and every output (whether it always has a value). Reading them when a type is first used keeps the stand-ins true to
the installed provider version without a copy of its schema.
"""

from __future__ import annotations

import collections.abc
import difflib
import enum
import functools
import importlib
import inspect
import json
import threading
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
from pulumi import _types  # pyright: ignore[reportPrivateUsage]  # the SDK's own reader of its generated classes
from pulumi.runtime import rpc

from sandbox.providers.protocol import UNKNOWN, Archive, Asset, ResourceReference, Secret, Unknown

Kind = Literal[
    "string", "integer", "number", "boolean", "list", "map", "object", "document", "asset", "archive", "file", "any"
]
"""``document`` is JSON text that may also come as an object; ``file`` is an asset or an archive."""


@dataclass(frozen=True)
class ValueType:
    """Type of a value: of `element` for lists and maps, of `arguments` (the SDK's class) for objects."""

    kind: Kind
    element: ValueType | None = None
    arguments: type | None = None

    def member(self, name: str) -> ValueType:
        """Type of an object's member."""
        if self.arguments is None:
            return ANY
        definition = input_properties(self.arguments).get(name)
        return ANY if definition is None else definition.type


ANY = ValueType("any")


@dataclass(frozen=True)
class InputProperty:
    """An input of a resource or nested object."""

    name: str
    type: ValueType
    required: bool


@dataclass(frozen=True)
class OutputProperty:
    """An output of a resource. One that is not optional always has a value: given, or computed by the provider."""

    name: str
    optional: bool


@dataclass(frozen=True)
class ResourceSchema:
    """Inputs and outputs of a resource type, by Pulumi's camelCase names."""

    token: str
    inputs: Mapping[str, InputProperty]
    outputs: Mapping[str, OutputProperty]


@dataclass(frozen=True)
class Mismatch:
    """An input that does not fit: the top-level property it belongs to, and why."""

    property: str
    reason: str


class UnknownTypeError(LookupError):
    """The SDK has no such type."""


_importing = threading.Lock()
"""The SDK's modules load lazily, and `importlib.util.LazyLoader` shows a second thread a module half made."""


def resource_schema(token: str) -> ResourceSchema:
    """Schema of a resource type such as ``aws:s3/bucket:Bucket``.

    Raises:
        UnknownTypeError: when the installed SDK does not have it.
    """
    with _importing:
        return _read_schema(token)


def _read_schema(token: str) -> ResourceSchema:
    package, module, name = token.split(":")
    importlib.import_module(f"pulumi_{package}")
    # The registry that the SDK fills when it is imported maps a token to the Python module of its class.
    registered = rpc.get_resource_module(package, module, "")
    info: Mapping[str, Any] = getattr(registered, "mod_info", {})
    if token not in info.get("classes", {}):
        raise UnknownTypeError(f"pulumi_{package} has no resource type {token}")
    resource = getattr(importlib.import_module(info["fqn"]), info["classes"][token])
    source = importlib.import_module(resource.__module__)
    # Where a nested type already has the name, the generator calls the resource's own arguments …InitArgs.
    arguments = getattr(source, f"{name}InitArgs", None) or getattr(source, f"{name}Args")
    return ResourceSchema(token, input_properties(arguments), _output_properties(resource))


def provider_inputs(package: str) -> Mapping[str, InputProperty]:
    """Configuration keys of a provider."""
    with _importing:
        return input_properties(importlib.import_module(f"pulumi_{package}.provider").ProviderArgs)


@functools.cache
def input_properties(arguments: type) -> Mapping[str, InputProperty]:
    """Inputs of one of the SDK's ``…Args`` classes."""
    names = _types.input_type_py_to_pulumi_names(arguments)
    signature = inspect.signature(arguments.__init__)
    required = {
        names[parameter.name]
        for parameter in signature.parameters.values()
        if parameter.name in names and parameter.default is inspect.Parameter.empty
    }
    hints = _types._raw_return_hints(arguments)  # pyright: ignore[reportPrivateUsage]
    return {name: InputProperty(name, _value_type(hint), name in required) for name, hint in hints.items()}


def _output_properties(resource: type) -> Mapping[str, OutputProperty]:
    properties: dict[str, OutputProperty] = {}
    for name, hint in _types._raw_return_hints(resource).items():  # pyright: ignore[reportPrivateUsage]
        if typing.get_origin(hint) is pulumi.Output and name not in {"urn", "id"}:
            properties[name] = OutputProperty(name, type(None) in typing.get_args(typing.get_args(hint)[0]))
    return properties


_SCALARS: Mapping[Any, Kind] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    pulumi.Asset: "asset",
    pulumi.Archive: "archive",
}


def _value_type(hint: Any) -> ValueType:
    """What is left of an annotation without Input, Optional, Awaitable and dictionary alternatives."""
    members = list(dict.fromkeys(_members(hint)))
    if len(members) == 1:
        return _member_type(members[0])
    plain = [_member_type(member) for member in members if not _is_enumeration(member)]
    kinds = {member.kind for member in plain}
    if kinds == {"asset", "archive"}:
        return ValueType("file")
    if kinds == {"string", "object"}:
        return ValueType("document")
    if len(plain) == 1:
        return plain[0]
    return ANY


def _is_enumeration(member: Any) -> bool:
    return isinstance(member, type) and issubclass(member, enum.Enum)


def _members(hint: Any) -> Iterator[Any]:
    origin = typing.get_origin(hint)
    if origin is typing.Union or origin is types.UnionType:
        for argument in typing.get_args(hint):
            yield from _members(argument)
    elif origin is pulumi.Output or origin is collections.abc.Awaitable:
        return
    elif hint is not type(None) and not typing.is_typeddict(hint):
        yield hint


def _member_type(hint: Any) -> ValueType:
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin is not None and issubclass(origin, collections.abc.Mapping):
        return ValueType("map", element=_value_type(arguments[1]))
    if origin is not None and issubclass(origin, collections.abc.Sequence):
        return ValueType("list", element=_value_type(arguments[0]))
    if _is_enumeration(hint):
        return ValueType("string")
    if hint in _SCALARS:
        return ValueType(_SCALARS[hint])
    if isinstance(hint, type) and _types.is_input_type(hint):
        return ValueType("object", arguments=hint)
    return ANY


def nearest(name: str, known: collections.abc.Iterable[str]) -> str:
    """Hint at the known name that is most like a wrong one."""
    names = {entry.lower(): entry for entry in sorted(known)}
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    return f"the nearest known is {names[close[0]]!r}" if close else f"known are {', '.join(sorted(names.values()))}"


def check_inputs(
    inputs: Mapping[str, Any], properties: Mapping[str, InputProperty]
) -> tuple[dict[str, Any], list[Mismatch]]:
    """Check inputs against the schema.

    Returns:
        The inputs with values brought to their type as the bridged providers do (a number given as text becomes a
        number), and what does not fit.
    """
    mismatches: list[Mismatch] = []
    checked: dict[str, Any] = {}
    for name, value in inputs.items():
        if name.startswith("__"):
            continue
        if name not in properties:
            mismatches.append(Mismatch(name, f"unknown input {name!r}: {nearest(name, properties)}"))
            continue
        found: list[str] = []
        checked[name] = _check_value(value, properties[name].type, name, found)
        mismatches.extend(Mismatch(name, reason) for reason in found)
    for name, definition in properties.items():
        if definition.required and inputs.get(name) is None:
            mismatches.append(Mismatch(name, f"missing required input {name!r}"))
    return checked, mismatches


def _check_value(value: Any, expected: ValueType, path: str, found: list[str]) -> Any:
    if isinstance(value, Secret):
        return Secret(_check_value(value.value, expected, path, found))
    if value is None or isinstance(value, Unknown) or expected.kind == "any":
        return value
    if isinstance(value, ResourceReference):
        value = value.id or UNKNOWN
    match expected.kind:
        case "list" if isinstance(value, list):
            element = expected.element or ANY
            return [_check_value(entry, element, f"{path}[{index}]", found) for index, entry in enumerate(value)]
        case "map" if isinstance(value, Mapping):
            element = expected.element or ANY
            return {key: _check_value(entry, element, f"{path}.{key}", found) for key, entry in value.items()}
        case "object" if isinstance(value, Mapping) and expected.arguments is not None:
            return _check_object(value, input_properties(expected.arguments), path, found)
        case "document" if isinstance(value, Mapping):
            return json.dumps(value)
        case "string" | "document" if isinstance(value, str):
            return value
        case "string" | "document" if isinstance(value, int | float):
            return json.dumps(value)
        case "boolean" if isinstance(value, bool):
            return value
        case "boolean" if value in {"true", "false"}:
            return value == "true"
        case "integer" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "number" if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        case "integer" | "number" if isinstance(value, str) and _is_number(value, expected.kind):
            return json.loads(value)
        case "asset" if isinstance(value, Asset):
            return value
        case "archive" if isinstance(value, Archive):
            return value
        case "file" if isinstance(value, Asset | Archive):
            return value
        case _:
            found.append(f"{path} must be {_article(expected)}, not {_shown(value)}")
            return value


def _is_number(text: str, kind: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (kind == "number" and isinstance(value, float))


def _check_object(
    value: Mapping[str, Any], properties: Mapping[str, InputProperty], path: str, found: list[str]
) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for name, entry in value.items():
        if name.startswith("__"):
            continue
        if name not in properties:
            found.append(f"unknown input {path}.{name}: {nearest(name, properties)}")
        else:
            checked[name] = _check_value(entry, properties[name].type, f"{path}.{name}", found)
    for name, definition in properties.items():
        if definition.required and value.get(name) is None:
            found.append(f"missing required input {path}.{name}")
    return checked


def _article(expected: ValueType) -> str:
    names = {
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "list": "a list",
        "map": "a map",
        "object": "an object",
        "document": "JSON text or an object",
        "asset": "an asset",
        "archive": "an archive",
        "file": "an asset or an archive",
    }
    return names[expected.kind]


def _shown(value: Any) -> str:
    if isinstance(value, str | int | float | bool):
        return json.dumps(value)
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, Mapping) else repr(value)
