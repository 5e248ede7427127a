"""Properties become plain data, whatever the SDK's proxies do."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pulumi_policy.proxy import (
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_OBJECT_VALUE,
    UNKNOWN_STRING_VALUE,
    unknown_checking_proxy,
)
from pulumi_policy.secret import Secret

from policies.plain import MALFORMED, UNKNOWN, Content, at, json_value, listed, number, plain, record, switch, text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_plain_data_comes_through_the_proxies_unchanged(value: Any) -> None:
    def without_notes(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: without_notes(part) for key, part in item.items() if key not in ("__defaults", "__meta")}
        return [without_notes(part) for part in item] if isinstance(item, list) else item

    proxied = unknown_checking_proxy({"value": value})
    assert plain(proxied) == {"value": without_notes(value)}, "a rule must see what the program wrote"


@pytest.mark.parametrize(
    "sentinel", [UNKNOWN_STRING_VALUE, UNKNOWN_BOOLEAN_VALUE, UNKNOWN_ARRAY_VALUE, UNKNOWN_OBJECT_VALUE]
)
def test_one_unknown_hides_only_itself(sentinel: str) -> None:
    copied = plain(unknown_checking_proxy({"rules": [sentinel, {"cidr": sentinel, "port": 22.0}], "open": True}))
    assert copied == {"rules": [UNKNOWN, {"cidr": UNKNOWN, "port": 22}], "open": True}, "the rest must stay readable"


def test_numbers_are_integers_where_they_can_be() -> None:
    assert repr(plain({"a": 22.0, "b": 0.5, "c": 1e300})) == repr({"a": 22, "b": 0.5, "c": int(1e300)})


def test_secrets_are_unwrapped_wherever_they_are() -> None:
    assert plain({"a": [Secret({"b": Secret("x")})]}) == {"a": [{"b": "x"}]}


def test_the_engines_own_notes_are_no_properties() -> None:
    assert plain({"__defaults": ["x"], "__meta": "{}", "name": "n", "__mine": 1}) == {"name": "n", "__mine": 1}


def test_assets_keep_their_text_and_nothing_else() -> None:
    assert plain({"code": pulumi.StringAsset("print()"), "file": pulumi.FileAsset("/no/such/file")}) == {
        "code": Content("print()"),
        "file": Content(),
    }


def test_an_unknown_is_no_condition() -> None:
    with pytest.raises(TypeError):
        bool(UNKNOWN)


@pytest.mark.parametrize(
    ("value", "path", "found"),
    [
        ({"a": {"b": 1}}, ("a", "b"), 1),
        ({"a": [{"b": 1}]}, ("a", "b"), 1),
        ({"a": [{"b": 1}, {"b": 2}]}, ("a", "b"), None),
        ({"a": UNKNOWN}, ("a", "b"), UNKNOWN),
        ({"a": "text"}, ("a", "b"), None),
        ({}, ("a", "b"), None),
        (UNKNOWN, ("a",), UNKNOWN),
        (None, ("a",), None),
    ],
)
def test_a_path_ends_at_the_value_or_says_why_not(value: Any, path: tuple[str, ...], found: Any) -> None:
    assert at(value, *path) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [(None, []), ("a", ["a"]), (["a"], ["a"]), (UNKNOWN, [UNKNOWN]), ({"a": 1}, [{"a": 1}]), ([], []), (0, [0])],
)
def test_anything_can_be_read_as_a_list(value: Any, found: list[Any]) -> None:
    assert listed(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [("", None), ("  ", None), (" a ", "a"), (5, "5"), (True, None), ([], None), (UNKNOWN, UNKNOWN), (None, None)],
)
def test_texts(value: Any, found: Any) -> None:
    assert text(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1, 1),
        ("22", 22),
        ("1.5", 1.5),
        ("x", None),
        (True, None),
        (None, None),
        ([], None),
        (UNKNOWN, UNKNOWN),
        ("inf", None),
        ("nan", None),
    ],
)
def test_numbers(value: Any, found: Any) -> None:
    assert number(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [(True, True), (False, False), ("true", True), ("FALSE", False), (1, None), ("", None), (UNKNOWN, UNKNOWN)],
)
def test_switches(value: Any, found: Any) -> None:
    assert switch(value) is found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('{"a": 1.0}', {"a": 1}),
        ("", None),
        ("  ", None),
        ("{", MALFORMED),
        ("[" * 100_000, MALFORMED),
        ({"a": 1}, {"a": 1}),
        (UNKNOWN, UNKNOWN),
        (None, None),
        ("null", None),
    ],
)
def test_json_texts(value: Any, found: Any) -> None:
    assert json_value(value) == found


@given(JSON)
def test_every_json_text_can_be_read(value: Any) -> None:
    assert json_value(json.dumps(value)) is not MALFORMED


@given(JSON)
def test_reading_never_raises(value: Any) -> None:
    for read in (text, number, switch, record, listed, json_value):
        read(value)
    at(value, "a", "b")
