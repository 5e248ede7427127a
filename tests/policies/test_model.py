"""References: who names whom, when ids are known and when they are not."""

from __future__ import annotations

from typing import Any

import pytest

from policies.model import Match, Resource, Stack
from policies.plain import UNKNOWN

BUCKET = "aws:s3/bucket:Bucket"
PART = "aws:s3/bucketVersioning:BucketVersioning"
VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
RANDOM = "random:index/randomId:RandomId"
COMPONENT = "awsx:ec2:Vpc"


def made(
    type: str, name: str, depends: dict[str, list[str]] | None = None, parent: str | None = None, **properties: Any
) -> Resource:
    return Resource(type, name, name, properties, depends=depends or {}, parent=parent)


def match(source: Resource, property: str, target: Resource, *others: Resource, whole: bool = True) -> Match:
    return Stack([source, target, *others]).refers(source, property, source.value(property), target, whole=whole)


@pytest.mark.parametrize(
    ("value", "properties", "answer"),
    [
        ("raw", {"id": "raw"}, Match.YES),
        ("raw", {"id": UNKNOWN, "bucket": "raw"}, Match.YES),
        ("arn:aws:s3:::raw", {"arn": "arn:aws:s3:::raw"}, Match.YES),
        ("arn:aws:s3:::raw", {"bucket": "raw", "arn": UNKNOWN}, Match.YES),
        ("arn:aws:sns:::raw", {"bucket": "raw", "arn": UNKNOWN}, Match.NO),
        ("other", {"id": "raw"}, Match.NO),
        ("other", {"id": UNKNOWN}, Match.NO),
        (None, {"id": "raw"}, Match.NO),
        ("", {"id": ""}, Match.NO),
        ([], {"id": "raw"}, Match.NO),
        (UNKNOWN, {"id": UNKNOWN}, Match.MAYBE),
    ],
)
def test_known_values_are_compared(value: Any, properties: dict[str, Any], answer: Match) -> None:
    assert match(made(PART, "part", bucket=value), "bucket", made(BUCKET, "raw", **properties)) is answer


def test_an_unknown_value_is_what_it_was_made_from() -> None:
    bucket, other = made(BUCKET, "raw", id=UNKNOWN), made(BUCKET, "other", id=UNKNOWN)
    part = made(PART, "part", {"bucket": ["raw"]}, bucket=UNKNOWN)
    assert match(part, "bucket", bucket, other) is Match.YES
    assert match(part, "bucket", other, bucket) is Match.NO


def test_an_unknown_value_made_from_two_of_a_kind_may_be_either() -> None:
    bucket, other = made(BUCKET, "raw"), made(BUCKET, "other")
    part = made(PART, "part", {"bucket": ["raw", "other"]}, bucket=UNKNOWN)
    assert match(part, "bucket", bucket, other) is Match.MAYBE
    assert match(part, "bucket", bucket, other, whole=False) is Match.YES


def test_a_reference_goes_through_what_lies_between() -> None:
    bucket, other = made(BUCKET, "raw"), made(BUCKET, "other")
    between = made(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "between", {"bucket": ["raw"]}, bucket=UNKNOWN
    )
    part = made(PART, "part", {"bucket": ["between"]}, bucket=UNKNOWN)
    assert match(part, "bucket", bucket, other, between) is Match.YES
    assert match(part, "bucket", other, bucket, between) is Match.NO


def test_a_reference_goes_through_a_component() -> None:
    vpc = made(VPC, "inner", parent="component")
    component = made(COMPONENT, "component")
    subnet = made(SUBNET, "subnet", {"vpcId": ["component"]}, vpcId=UNKNOWN)
    assert match(subnet, "vpcId", vpc, component) is Match.YES


def test_a_name_made_of_something_else_may_be_the_targets() -> None:
    part = made(PART, "part", {"bucket": ["r"]}, bucket=UNKNOWN)
    assert match(part, "bucket", made(BUCKET, "raw", bucket=UNKNOWN), made(RANDOM, "r")) is Match.MAYBE


def test_an_id_that_aws_gives_out_is_made_of_nothing_else() -> None:
    subnet = made(SUBNET, "subnet", {"vpcId": ["r"]}, vpcId=UNKNOWN)
    assert match(subnet, "vpcId", made(VPC, "vpc"), made(RANDOM, "r")) is Match.NO


def test_a_known_value_made_from_a_target_without_known_names_is_the_targets() -> None:
    part = made(PART, "part", {"bucket": ["raw"]}, bucket="raw-0a1b2c3")
    assert match(part, "bucket", made(BUCKET, "raw")) is Match.YES


def test_circles_of_dependencies_end() -> None:
    one = made(RANDOM, "one", {"x": ["two"]})
    two = made(RANDOM, "two", {"x": ["one"]})
    part = made(PART, "part", {"bucket": ["one"]}, bucket=UNKNOWN)
    assert match(part, "bucket", made(BUCKET, "raw"), one, two) is Match.MAYBE


def test_named_says_whether_that_is_all() -> None:
    first, second = made(SUBNET, "first", id="subnet-1"), made(SUBNET, "second", id="subnet-2")
    source = made("aws:emr/cluster:Cluster", "cluster")
    stack = Stack([first, second, source])
    assert stack.named(source, "x", ["subnet-2", None, ""], SUBNET) == ([second], True)
    assert stack.named(source, "x", ["subnet-1", "subnet-9"], SUBNET) == ([first], False)
    assert stack.named(source, "x", [UNKNOWN], SUBNET) == ([], False)


def test_only_outputs_are_computed() -> None:
    output = made(BUCKET, "raw", {"tags": ["r"]}, policy=UNKNOWN, tags=UNKNOWN, acl="private")
    assert [output.computed(name) for name in ("policy", "tags", "acl", "absent")] == [True, False, False, False]
    assert not Resource(BUCKET, "raw", "raw", {"policy": UNKNOWN}).computed("policy"), "an input was written"


@pytest.mark.parametrize(
    ("urn", "stack"),
    [("urn:pulumi:prod::emr-pipeline::aws:s3/bucket:Bucket::raw", "prod"), ("nonsense", ""), ("", "")],
)
def test_the_stack_is_told_by_the_urn(urn: str, stack: str) -> None:
    assert Resource(BUCKET, "raw", urn, {}).stack == stack
