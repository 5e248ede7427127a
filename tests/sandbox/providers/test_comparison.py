"""What is a difference, and what only looks like one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.providers.comparison import Comparison, Difference, canonical_policy, project
from sandbox.providers.protocol import UNKNOWN, Asset, Secret

PLAIN = Comparison()
JSON = Comparison(json=frozenset({"definition"}))
POLICY = Comparison(policies=frozenset({"policy"}))
SETS = Comparison(unordered=frozenset({"ids", "rules.values"}))


def label(value: Any) -> str:
    """A set's text has another order in each process, and workers must give a test the same name."""
    return {id(PLAIN): "plain", id(JSON): "json", id(SETS): "sets"}.get(id(value)) or str(value)


@pytest.mark.parametrize(
    ("comparison", "old", "new"),
    [
        (PLAIN, {"a": None}, {}),
        (PLAIN, {"a": ""}, {}),
        (PLAIN, {"a": []}, {"a": {}}),
        (PLAIN, {"a": {"b": None, "c": []}}, {}),
        (PLAIN, {"a": Secret("x")}, {"a": "x"}),
        (PLAIN, {"a": 15}, {"a": 15.0}),
        (PLAIN, {"__defaults": ["a"]}, {"__defaults": []}),
        (PLAIN, {"a": Asset("h", text="t")}, {"a": Asset("h")}),
        (JSON, {"definition": '{"a": 1, "b": 2}'}, {"definition": '{"b":2,"a":1.0}'}),
        (SETS, {"ids": ["a", "b"]}, {"ids": ["b", "a"]}),
        (SETS, {"rules": [{"values": ["a", "b"]}]}, {"rules": [{"values": ["b", "a"]}]}),
    ],
    ids=label,
)
def test_means_the_same(comparison: Comparison, old: dict[str, Any], new: dict[str, Any]) -> None:
    assert comparison.differences(old, new) == [], "a second up must change nothing"


@pytest.mark.parametrize(
    ("comparison", "old", "new", "expected"),
    [
        (PLAIN, {}, {"a": "x"}, [Difference("a", "add")]),
        (PLAIN, {"a": "x"}, {}, [Difference("a", "delete")]),
        (PLAIN, {"a": "x"}, {"a": "y"}, [Difference("a", "update")]),
        (PLAIN, {"a": False}, {}, [Difference("a", "delete")]),
        (PLAIN, {"a": "x"}, {"a": UNKNOWN}, [Difference("a", "update")]),
        (PLAIN, {"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}, [Difference("a.b", "update")]),
        (PLAIN, {"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 3}]}, [Difference("a[1].b", "update")]),
        (PLAIN, {"a": [1]}, {"a": [1, 2]}, [Difference("a", "update")]),
        (PLAIN, {"tags": {"x:y": "1"}}, {"tags": {"x:y": "2"}}, [Difference('tags["x:y"]', "update")]),
        (PLAIN, {"definition": '{"a": 1}'}, {"definition": '{"a":1}'}, [Difference("definition", "update")]),
        (
            PLAIN,
            {"ids": ["a", "b"]},
            {"ids": ["b", "a"]},
            [Difference("ids[0]", "update"), Difference("ids[1]", "update")],
        ),
        (SETS, {"ids": ["a"]}, {"ids": ["b"]}, [Difference("ids", "update")]),
        (JSON, {"definition": "{"}, {"definition": "{}"}, [Difference("definition", "update")]),
        (PLAIN, {"a": Asset("h")}, {"a": Asset("i")}, [Difference("a", "update")]),
    ],
    ids=label,
)
def test_differs(comparison: Comparison, old: dict[str, Any], new: dict[str, Any], expected: list[Difference]) -> None:
    assert comparison.differences(old, new) == expected


def document(**statement: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (document(Action="s3:Get", Resource="*"), document(Action=["s3:Get"], Resource=["*"])),
        (document(Action=["a", "b"]), document(Action=["b", "a"])),
        (document(Principal="*"), document(Principal={"AWS": ["*"]})),
        (
            document(Condition={"Bool": {"aws:SecureTransport": "false"}}),
            document(Condition={"Bool": {"aws:securetransport": [False]}}),
        ),
        (document(Sid=""), document()),
        (
            json.dumps({"Statement": [{"Sid": "a"}, {"Sid": "b"}]}),
            json.dumps({"Statement": [{"Sid": "b"}, {"Sid": "a"}]}),
        ),
        (json.dumps({"Statement": {"Sid": "a"}}), json.dumps({"Statement": [{"Sid": "a"}]})),
    ],
)
def test_policies_compare_as_iam_reads_them(left: str, right: str) -> None:
    assert POLICY.same(left, right, "policy"), "AWS gives policies back in its own form"


@pytest.mark.parametrize(
    "other",
    [
        document(Action="s3:Put", Resource="*"),
        document(Action="s3:Get", Resource="arn"),
        document(Action="s3:Get", Resource="*", Condition={"Bool": {"aws:SecureTransport": "true"}}),
        json.dumps({"Version": "2008-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get", "Resource": "*"}]}),
    ],
)
def test_other_policies_differ(other: str) -> None:
    assert not POLICY.same(document(Action="s3:Get", Resource="*"), other, "policy")


def test_what_is_no_policy_stays_what_it_is() -> None:
    assert canonical_policy("{") == "{"
    assert canonical_policy("[1]") == [1]


def test_a_refresh_leaves_out_what_aws_filled_in() -> None:
    actual = {"mode": "Active", "extra": 1}
    assert project(actual, {"mode": "Active"}, PLAIN, "a") == {"mode": "Active"}


def test_a_refresh_shows_what_changed_inside() -> None:
    actual = {"mode": "PassThrough", "extra": 1}
    assert project(actual, {"mode": "Active"}, PLAIN, "a") == {"mode": "PassThrough"}
    assert project([{"b": 1, "c": 2}], [{"b": 3}], PLAIN, "a") == [{"b": 1}]
    assert project({}, {"mode": "Active"}, PLAIN, "a") == {}, "gone is a change too"


def test_a_refresh_keeps_the_given_form_of_equal_texts() -> None:
    assert project('{"a":1}', '{ "a": 1 }', JSON, "definition") == '{ "a": 1 }'


def test_a_refresh_matches_sets_by_their_elements() -> None:
    sets = Comparison(unordered=frozenset({"rules"}))
    actual = [{"id": "b", "extra": 1}, {"id": "a", "extra": 2}]
    assert project(actual, [{"id": "a"}, {"id": "b"}], sets, "rules") == [{"id": "a"}, {"id": "b"}]
    assert project(actual, [{"id": "a"}, {"id": "c"}], sets, "rules") == [{"id": "a"}, {"id": "b", "extra": 1}]


def test_elements_of_a_set_are_the_same_whatever_order_their_members_come_in() -> None:
    comparison = Comparison(unordered=frozenset({"metricQueries"}))
    left = [{"id": "value", "expression": "a*b"}, {"id": "a", "metric": {"stat": "Sum"}}]
    right = [{"metric": {"stat": "Sum"}, "id": "a"}, {"expression": "a*b", "id": "value"}]
    assert comparison.same(left, right, "metricQueries"), "state keeps members in another order than programs do"
