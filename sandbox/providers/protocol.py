"""Pulumi property values as plain Python values, and their form on the wire.

The engine sends properties as ``google.protobuf.Struct`` with marks for what JSON cannot say: unknown values, secrets,
assets, archives, resource references and output values (pulumi ``sdk/proto/pulumi/provider.proto``, and
``sdk/go/common/resource/plugin/rpc.go`` for the marks). `decode` and `encode` are the only two doors.
"""

from __future__ import annotations

import io
import tarfile
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from google.protobuf import struct_pb2
from pulumi.runtime import rpc

SIGNATURE_KEY: Final = rpc._special_sig_key  # pyright: ignore[reportPrivateUsage]
SECRET_SIGNATURE: Final = rpc._special_secret_sig  # pyright: ignore[reportPrivateUsage]
ASSET_SIGNATURE: Final = rpc._special_asset_sig  # pyright: ignore[reportPrivateUsage]
ARCHIVE_SIGNATURE: Final = rpc._special_archive_sig  # pyright: ignore[reportPrivateUsage]
RESOURCE_SIGNATURE: Final = rpc._special_resource_sig  # pyright: ignore[reportPrivateUsage]
OUTPUT_SIGNATURE: Final = rpc._special_output_value_sig  # pyright: ignore[reportPrivateUsage]

_UNKNOWN_MARKS: Final = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # boolean
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",  # string
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # list
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)
_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class Unknown:
    """A value that is known only once another resource exists; the one instance is `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that the engine keeps encrypted."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(…)"


@dataclass(frozen=True)
class Asset:
    """A file: its text, its path or its address. Only the hash is there where the engine leaves contents out."""

    hash: str
    text: str | None = field(default=None, compare=False)
    path: str | None = field(default=None, compare=False)
    uri: str | None = field(default=None, compare=False)

    def read(self, directory: Path) -> bytes:
        """The bytes; `directory` is what a relative path starts from."""
        if self.text is not None:
            return self.text.encode()
        if self.path is not None:
            return (directory / self.path).read_bytes()
        if self.uri is not None:
            return _fetch(self.uri)
        raise ValueError("asset without contents: the engine sent its hash only")


@dataclass(frozen=True)
class Archive:
    """A set of files: named assets, a directory or archive file, or an address."""

    hash: str
    path: str | None = field(default=None, compare=False)
    uri: str | None = field(default=None, compare=False)
    assets: Mapping[str, Asset | Archive] | None = field(default=None, compare=False)

    def files(self, directory: Path) -> dict[str, bytes]:
        """Contents by name inside the archive; `directory` is what a relative path starts from."""
        return dict(sorted(self._walk(directory)))

    def zip(self, directory: Path) -> bytes:
        """The files as a zip that depends on names and contents only, so that the same files give the same bytes."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
            for name, data in self.files(directory).items():
                entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                package.writestr(entry, data)
        return buffer.getvalue()

    def _walk(self, directory: Path) -> Iterator[tuple[str, bytes]]:
        if self.assets is not None:
            for name, content in self.assets.items():
                if isinstance(content, Asset):
                    yield name, content.read(directory)
                else:
                    for inner, data in content.files(directory).items():
                        yield f"{name}/{inner}", data
        elif self.path is not None:
            yield from _walk_path(directory / self.path)
        elif self.uri is not None:
            yield from _walk_bytes(_fetch(self.uri), self.uri)
        else:
            raise ValueError("archive without contents: the engine sent its hash only")


@dataclass(frozen=True)
class ResourceReference:
    """Another resource, by URN and (when it has one) id."""

    urn: str
    id: str = ""
    package_version: str = ""


def _fetch(uri: str) -> bytes:
    scheme = uri.split(":", 1)[0]
    if scheme not in {"file", "http", "https"}:
        raise ValueError(f"asset address {uri}: scheme {scheme} is not one of file, http, https")
    with urllib.request.urlopen(uri) as response:
        return cast(bytes, response.read())


def _walk_path(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file():
                yield file.relative_to(path).as_posix(), file.read_bytes()
    else:
        yield from _walk_bytes(path.read_bytes(), path.name)


def _walk_bytes(data: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    if name.endswith((".zip", ".jar")):
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            for entry in package.infolist():
                if not entry.is_dir():
                    yield entry.filename, package.read(entry)
    elif name.endswith((".tar", ".tar.gz", ".tgz")):
        with tarfile.open(fileobj=io.BytesIO(data)) as package:
            for member in package:
                file = package.extractfile(member)
                if file is not None:
                    yield member.name, file.read()
    else:
        raise ValueError(f"archive {name}: not a directory, .zip, .jar, .tar, .tar.gz or .tgz")


def decode(properties: struct_pb2.Struct | None) -> dict[str, Any]:
    """Properties from the wire."""
    return {} if properties is None else {name: _decode(value) for name, value in properties.fields.items()}


def _decode(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "bool_value":
        return value.bool_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return UNKNOWN if value.string_value in _UNKNOWN_MARKS else value.string_value
    if kind == "list_value":
        return [_decode(entry) for entry in value.list_value.values]
    if kind == "struct_value":
        return _decode_object({name: _decode(entry) for name, entry in value.struct_value.fields.items()})
    return None


def _decode_object(fields: dict[str, Any]) -> Any:
    signature = fields.get(SIGNATURE_KEY)
    if signature is None:
        return fields
    if signature == SECRET_SIGNATURE:
        return Secret(fields.get("value"))
    if signature == OUTPUT_SIGNATURE:
        value = fields.get("value", UNKNOWN)
        return Secret(value) if fields.get("secret") else value
    if signature == ASSET_SIGNATURE:
        return Asset(fields.get("hash", ""), fields.get("text"), fields.get("path"), fields.get("uri"))
    if signature == ARCHIVE_SIGNATURE:
        return Archive(fields.get("hash", ""), fields.get("path"), fields.get("uri"), fields.get("assets"))
    if signature == RESOURCE_SIGNATURE:
        identity = fields.get("id")
        return ResourceReference(
            fields.get("urn", ""), identity if isinstance(identity, str) else "", fields.get("packageVersion", "")
        )
    raise ValueError(f"value with the unknown signature {signature}")


def encode(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Properties for the wire. Absent (None) values stay away, as they do from the bridged providers."""
    return struct_pb2.Struct(
        fields={name: _encode(value) for name, value in properties.items() if value is not None},
    )


def _encode(value: Any) -> struct_pb2.Value:
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, str):
        return struct_pb2.Value(string_value=value)
    if isinstance(value, list | tuple):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_encode(entry) for entry in value]))
    if isinstance(value, Mapping):
        return struct_pb2.Value(struct_value=encode(value))
    if isinstance(value, Unknown):
        return struct_pb2.Value(string_value=_UNKNOWN_STRING)
    if isinstance(value, Secret):
        return _signed(SECRET_SIGNATURE, {"value": value.value})
    if isinstance(value, Asset):
        contents = {"hash": value.hash or None, "text": value.text, "path": value.path, "uri": value.uri}
        return _signed(ASSET_SIGNATURE, contents)
    if isinstance(value, Archive):
        contents = {"hash": value.hash or None, "path": value.path, "uri": value.uri, "assets": value.assets}
        return _signed(ARCHIVE_SIGNATURE, contents)
    if isinstance(value, ResourceReference):
        version = value.package_version or None
        return _signed(RESOURCE_SIGNATURE, {"urn": value.urn, "id": value.id or None, "packageVersion": version})
    raise TypeError(f"a {type(value).__name__} cannot be a property value")


def _signed(signature: str, fields: Mapping[str, Any]) -> struct_pb2.Value:
    return struct_pb2.Value(struct_value=encode({SIGNATURE_KEY: signature, **fields}))


def reveal(value: Any) -> Any:
    """The value without any secret mark."""
    if isinstance(value, Secret):
        return reveal(value.value)
    if isinstance(value, Mapping):
        return {name: reveal(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [reveal(entry) for entry in value]
    return value


def holds_secret(value: Any) -> bool:
    """Whether a secret is in the value, at any depth."""
    if isinstance(value, Secret):
        return True
    if isinstance(value, Mapping):
        return any(holds_secret(entry) for entry in value.values())
    return isinstance(value, list) and any(holds_secret(entry) for entry in value)


def holds_unknown(value: Any) -> bool:
    """Whether an unknown is in the value, at any depth."""
    if isinstance(value, Unknown):
        return True
    if isinstance(value, Secret):
        return holds_unknown(value.value)
    if isinstance(value, Mapping):
        return any(holds_unknown(entry) for entry in value.values())
    return isinstance(value, list) and any(holds_unknown(entry) for entry in value)


def conceal(value: Any, like: Any) -> Any:
    """`value` with the secret marks of `like`: at the same places, or around everything where the shapes differ."""
    if isinstance(value, Secret) or not holds_secret(like):
        return value
    if isinstance(value, Mapping) and isinstance(like, Mapping):
        return {name: conceal(entry, like.get(name)) for name, entry in value.items()}
    if isinstance(value, list) and isinstance(like, list) and len(value) == len(like):
        return [conceal(entry, other) for entry, other in zip(value, like, strict=True)]
    return Secret(value)
