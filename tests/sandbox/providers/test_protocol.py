"""Property values survive the wire, and archives depend on their files only."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import struct_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.providers.protocol import (
    OUTPUT_SIGNATURE,
    SIGNATURE_KEY,
    UNKNOWN,
    Archive,
    Asset,
    ResourceReference,
    Secret,
    conceal,
    decode,
    encode,
    holds_secret,
    holds_unknown,
    reveal,
)

SCALARS = st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.just(UNKNOWN)
KEYS = st.text(alphabet="abcxyz_.:-é", min_size=1, max_size=8)
VALUES = st.recursive(
    SCALARS | SCALARS.map(Secret),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4) | st.lists(inner, max_size=2).map(Secret)
    ),
    max_leaves=20,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_values_come_back_as_they_went(properties: dict[str, Any]) -> None:
    assert decode(encode(properties)) == properties, "what the engine keeps is what the program gave"


@pytest.mark.parametrize(
    "value",
    [
        Asset("h", text="print(1)"),
        Asset("h", path="src/main.py"),
        Archive("h", path="src"),
        Archive("h", assets={"a.py": Asset("i", text="1"), "lib": Archive("j", path="lib")}),
        ResourceReference("urn:pulumi:dev::p::t::n", "id", "1.0.0"),
        Secret({"password": "x"}),
        [Secret("x"), UNKNOWN],
    ],
    ids=repr,
)
def test_special_values_come_back(value: Any) -> None:
    back = decode(encode({"value": value}))["value"]
    assert repr(back) == repr(value), "assets, archives, references and secrets are more than their contents"


def test_whole_numbers_are_integers() -> None:
    decoded = decode(encode({"count": 3, "threshold": 0.5}))
    assert decoded == {"count": 3, "threshold": 0.5}
    assert type(decoded["count"]) is int, "AWS refuses 3.0 where it wants a count"


def test_output_values_are_read_as_what_they_hold() -> None:
    wire = encode(
        {
            "known": {SIGNATURE_KEY: OUTPUT_SIGNATURE, "value": "a", "dependencies": ["urn"]},
            "hidden": {SIGNATURE_KEY: OUTPUT_SIGNATURE, "value": "b", "secret": True},
            "later": {SIGNATURE_KEY: OUTPUT_SIGNATURE},
        }
    )
    assert decode(wire) == {"known": "a", "hidden": Secret("b"), "later": UNKNOWN}, "engines may send them"


def test_every_mark_of_the_engine_is_unknown() -> None:
    marks = [
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    ]
    wire = struct_pb2.Struct(fields={mark: struct_pb2.Value(string_value=mark) for mark in marks})
    assert set(map(repr, decode(wire).values())) == {"UNKNOWN"}, "an unknown number must not pass for text"


def test_an_unknown_signature_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown signature"):
        decode(encode({"value": {SIGNATURE_KEY: "0"}}))


def test_secrets_are_found_and_put_back_at_their_places() -> None:
    given = {"realm": "A", "passwords": [Secret("x"), "y"]}
    assert holds_secret(given), "a secret is a secret at any depth"
    assert reveal(given) == {"realm": "A", "passwords": ["x", "y"]}
    assert conceal({"realm": "B", "passwords": ["x2", "y"]}, given) == {"realm": "B", "passwords": [Secret("x2"), "y"]}
    assert conceal("other shape", given) == Secret("other shape"), "where the shapes differ, everything is secret"


def test_unknowns_are_found_at_any_depth() -> None:
    assert holds_unknown({"a": [Secret({"b": UNKNOWN})]})
    assert not holds_unknown({"a": [Secret({"b": "c"})]})


def archive_of(directory: Path) -> Archive:
    (directory / "lib").mkdir(parents=True)
    (directory / "main.py").write_text("import lib")
    (directory / "lib" / "a.py").write_text("A = 1")
    nested = {"main.py": Asset("", path=str(directory / "main.py")), "lib": Archive("", path=str(directory / "lib"))}
    return Archive("", assets=nested)


def test_a_zip_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    first, second = archive_of(tmp_path / "one"), archive_of(tmp_path / "two")
    assert first.zip(tmp_path) == second.zip(tmp_path), "the same code must not be uploaded as new code"
    with zipfile.ZipFile(io.BytesIO(first.zip(tmp_path))) as package:
        assert package.namelist() == ["lib/a.py", "main.py"]
        assert package.getinfo("main.py").external_attr >> 16 == 0o644, "Lambda reads it as another user"


def test_archives_are_read_from_directories_zips_and_tars(tmp_path: Path) -> None:
    expected = {"lib/a.py": b"A = 1", "main.py": b"import lib"}
    source = archive_of(tmp_path / "src")
    (tmp_path / "code.zip").write_bytes(source.zip(tmp_path))
    with tarfile.open(tmp_path / "code.tar.gz", "w:gz") as package:
        package.add(tmp_path / "src", ".")
    for path in ("src", "code.zip"):
        assert Archive("", path=path).files(tmp_path) == expected, f"{path} is relative to the program"
    tarred = {name.removeprefix("./"): data for name, data in Archive("", path="code.tar.gz").files(tmp_path).items()}
    assert tarred == expected
    with pytest.raises(ValueError, match="not a directory"):
        Archive("", path="src/main.py").files(tmp_path)


def test_assets_are_read_from_text_and_files(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("1")
    assert Asset("", text="é").read(tmp_path) == "é".encode()
    assert Asset("", path="main.py").read(tmp_path) == b"1"
    assert Asset("", uri=(tmp_path / "main.py").as_uri()).read(tmp_path) == b"1"
    with pytest.raises(ValueError, match="hash only"):
        Asset("h").read(tmp_path)


def test_assets_are_the_same_when_their_hashes_are() -> None:
    assert Asset("h", text="full") == Asset("h"), "the engine leaves contents out of what it compares"
    assert Asset("h") != Asset("i")
