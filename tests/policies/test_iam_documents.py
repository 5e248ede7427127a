"""IAM documents: parsing, wildcards, and who is everybody."""

from __future__ import annotations

import fnmatch
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.iam_documents import (
    any_of,
    bound,
    matches,
    parse_arn,
    parse_document,
    public,
    refuses_clear_text,
)
from policies.model import Match
from policies.plain import MALFORMED, UNKNOWN

YES, NO, MAYBE = Match.YES, Match.NO, Match.MAYBE


def statement(**elements: Any) -> Any:
    document = parse_document({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", **elements}})
    assert isinstance(document, tuple)
    return document[0]


PATTERN = st.text(alphabet="abAB:*?", max_size=8)
SUBJECT = st.text(alphabet="abAB:", max_size=8)


@given(PATTERN, SUBJECT)
def test_wildcards_are_those_of_the_shell_without_case(pattern: str, subject: str) -> None:
    expected = fnmatch.fnmatchcase(subject.lower(), pattern.lower())
    assert (matches(pattern, subject) is YES) == expected


@given(SUBJECT)
def test_a_text_matches_itself_and_the_star(subject: str) -> None:
    assert matches(subject, subject.upper()) is YES
    assert matches("*", subject) is YES


@pytest.mark.parametrize(
    ("pattern", "subject", "answer"),
    [
        ("iam:Pass*", "iam:PassRole", YES),
        ("iam:pass?ole", "iam:PassRole", YES),
        ("iam:[Pp]assRole", "iam:PassRole", NO),
        ("s3:Get*", "iam:PassRole", NO),
        ("iam.PassRole", "iam:PassRole", NO),
        (UNKNOWN, "iam:PassRole", MAYBE),
        ("*Role", "iam:Pass\nRole", YES),
    ],
)
def test_iam_knows_two_wildcards_only(pattern: Any, subject: str, answer: Match) -> None:
    assert matches(pattern, subject) is answer


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", None),
        (None, None),
        ("{", MALFORMED),
        ("[]", MALFORMED),
        ("7", MALFORMED),
        ("null", None),
        (UNKNOWN, UNKNOWN),
        ({}, ()),
        ({"Statement": []}, ()),
        ({"Statement": [None, 7, "x", []]}, ()),
        ({"Statement": UNKNOWN}, UNKNOWN),
    ],
)
def test_documents_that_say_nothing(value: Any, found: Any) -> None:
    assert parse_document(value) == found


def test_elements_are_read_in_every_shape() -> None:
    body = {"effect": "Allow", "ACTION": "s3:Get*", "resource": ["a", "b"], "principal": {"aws": ["*", "x"]}}
    (found,) = parse_document(json.dumps({"statement": body})) or ()  # type: ignore[union-attr]
    assert (found.effect, found.actions, found.resources) == ("Allow", ("s3:Get*",), ("a", "b"))
    assert [principal.value for principal in found.principals] == ["*", "x"]


@pytest.mark.parametrize(
    ("principal", "answer"),
    [
        ("*", YES),
        ({"AWS": "*"}, YES),
        ({"AWS": ["arn:aws:iam::111122223333:root", "*"]}, YES),
        ({"aws": "*"}, YES),
        ({"AWS": "arn:aws:iam::*:root"}, YES),
        ({"CanonicalUser": "*"}, YES),
        ({"Federated": "*"}, YES),
        (["*"], YES),
        ({"AWS": "arn:aws:iam::111122223333:root"}, NO),
        ({"AWS": "111122223333"}, NO),
        ({"Service": "ec2.amazonaws.com"}, NO),
        ({"Service": "*"}, YES),
        ({"AWS": UNKNOWN}, MAYBE),
        ({"AWS": [UNKNOWN, "*"]}, YES),
        ({}, NO),
        (None, NO),
    ],
)
def test_everybody_has_many_names(principal: Any, answer: Match) -> None:
    assert statement(Principal=principal).everyone is answer


def test_all_but_some_are_everybody() -> None:
    assert statement(NotPrincipal={"AWS": "arn:aws:iam::111122223333:root"}).everyone is YES


BINDING: list[tuple[dict[str, Any], Match]] = [
    ({"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}}, Match.YES),
    ({"Bool": {"elasticfilesystem:AccessedViaMountTarget": "false"}}, Match.NO),
    ({"StringEquals": {"aws:SourceAccount": "111122223333"}}, YES),
    ({"StringEquals": {"AWS:SOURCEACCOUNT": ["111122223333", "444455556666"]}}, YES),
    ({"stringequals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}, YES),
    ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/*"}}, YES),
    ({"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:111122223333:*"}}, YES),
    ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::bucket"}}, YES),
    ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, YES),
    ({"StringEquals": {"kms:CallerAccount": "111122223333"}}, YES),
    ({"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "10.0.0.0/8"]}}, YES),
    ({"StringEquals": {"aws:SourceAccount": "*"}}, NO),
    ({"StringLike": {"aws:SourceAccount": ["111122223333", "*"]}}, NO),
    ({"StringLike": {"aws:PrincipalOrgID": "o-*"}}, NO),
    ({"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:*"}}, NO),
    ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}}, NO),
    ({"ArnLike": {"aws:SourceArn": "*"}}, NO),
    ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/admin"}}, NO),
    ({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}, NO),
    ({"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "0.0.0.0/1"]}}, NO),
    ({"IpAddress": {"aws:SourceIp": "::/0"}}, NO),
    ({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, NO),
    ({"StringNotEquals": {"aws:SourceAccount": "111122223333"}}, NO),
    ({"StringEqualsIfExists": {"aws:SourceAccount": "111122223333"}}, NO),
    ({"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}, NO),
    ({"Null": {"aws:SourceAccount": "false"}}, NO),
    ({"Bool": {"aws:SecureTransport": "true"}}, NO),
    ({"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}, NO),
    ({"StringEquals": {"aws:PrincipalTag/team": "data"}}, NO),
    ({"StringLike": {"aws:Referer": "https://example.com/*"}}, NO),
    ({"StringLike": {"aws:userid": "*:session"}}, NO),
    ({"StringLike": {"aws:userid": "AROAEXAMPLE:*"}}, YES),
    ({"StringEquals": {}}, NO),
    ({"StringEquals": {"aws:SourceAccount": []}}, NO),
    ({"StringEquals": "nonsense"}, NO),
    ({}, NO),
    ({"StringEquals": {"aws:SourceAccount": UNKNOWN}}, MAYBE),
    ({"StringEquals": UNKNOWN}, MAYBE),
    ({"Bool": {"aws:SecureTransport": "true"}, "StringEquals": {"aws:SourceAccount": "111122223333"}}, YES),
]


@pytest.mark.parametrize(("condition", "answer"), BINDING, ids=[json.dumps(c, default=str) for c, _ in BINDING])
def test_a_condition_binds_only_if_it_ties_the_caller_to_somebody(condition: Any, answer: Match) -> None:
    found = statement(Principal="*", Condition=condition)
    assert bound(found) is answer
    assert public(found) is {YES: NO, NO: YES, MAYBE: MAYBE}[answer]


def test_conditions_that_are_not_known_yet() -> None:
    assert public(statement(Principal="*", Condition=UNKNOWN)) is MAYBE


def test_a_denial_for_everybody_is_not_public() -> None:
    assert public(statement(Effect="Deny", Principal="*")) is NO


@pytest.mark.parametrize(
    ("actions", "answer"),
    [
        ({"Action": "iam:*"}, YES),
        ({"Action": ["s3:*", "*"]}, YES),
        ({"Action": "s3:*"}, NO),
        ({"NotAction": "s3:*"}, YES),
        ({"NotAction": ["iam:*"]}, NO),
        ({"Action": UNKNOWN}, MAYBE),
    ],
)
def test_what_a_statement_grants(actions: Any, answer: Match) -> None:
    body = {"Effect": "Allow", "Resource": "*", **actions}
    document = parse_document({"Statement": body})
    assert isinstance(document, tuple)
    assert document[0].grants("iam:PassRole") is answer


def test_answers_combine() -> None:
    assert any_of([NO, MAYBE, YES]) is YES
    assert any_of([NO, MAYBE]) is MAYBE
    assert any_of([]) is NO


@pytest.mark.parametrize(
    ("value", "account"),
    [("arn:aws:iam::111122223333:role/a:b", "111122223333"), ("arn:aws:s3:::bucket", ""), ("arn:x", None), ("", None)],
)
def test_arns(value: str, account: str | None) -> None:
    arn = parse_arn(value)
    assert (arn.account if arn else None) == account


QUEUE = "arn:aws:sqs:eu-west-1:111122223333:queue"
DENY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:*",
    "Resource": QUEUE,
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({}, YES),
        ({"Principal": {"AWS": "*"}}, YES),
        ({"Action": ["sqs:*"]}, YES),
        ({"Action": "*"}, YES),
        ({"Resource": "*"}, YES),
        ({"Condition": {"Bool": {"aws:securetransport": False}}}, YES),
        ({"Condition": {"Bool": {"AWS:SecureTransport": ["false"]}}}, YES),
        ({"Condition": {"BoolIfExists": {"aws:SecureTransport": "false"}}}, YES),
        ({"Effect": "Allow"}, NO),
        ({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}}, NO),
        ({"Action": "sqs:SendMessage"}, NO),
        ({"Resource": QUEUE + "-other"}, NO),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, NO),
        ({"Condition": {"Bool": {"aws:SecureTransport": ["false", "true"]}}}, NO),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false", "aws:PrincipalIsAWSService": "false"}}}, NO),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"aws:username": "x"}}}, NO),
        ({"Condition": {}}, NO),
        ({"Condition": UNKNOWN}, MAYBE),
        ({"Effect": UNKNOWN}, MAYBE),
        ({"Resource": UNKNOWN}, MAYBE),
        ({"Action": UNKNOWN}, MAYBE),
    ],
)
def test_clear_text_is_refused_to_everybody_or_not_at_all(change: Any, answer: Match) -> None:
    assert refuses_clear_text({"Statement": [{**DENY, **change}]}, "sqs", (QUEUE,)) is answer


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.just(UNKNOWN),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["Statement", "Effect", "Principal", "AWS", "Action", "Resource", "Condition", "Bool", "NotAction"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=15,
    )
)
def test_no_document_raises(value: Any) -> None:
    document = parse_document({"Statement": value})
    if isinstance(document, tuple):
        for found in document:
            public(found)
            found.grants("iam:PassRole")
    refuses_clear_text({"Statement": value}, "s3", (UNKNOWN, None, "arn"))
