"""The recording engine tells what a program registers, and does not hide its failures."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws
import pytest

from components.environment import AwsEnvironment
from tests.unit.harness import ENVIRONMENT, deploy


class Pair(pulumi.ComponentResource):
    def __init__(self, name: str) -> None:
        super().__init__("emr-pipeline:test:Pair", name)
        child = pulumi.ResourceOptions(parent=self)
        self.bucket = aws.s3.Bucket(f"{name}-bucket", bucket="some-bucket", opts=child)
        self.policy = aws.s3.BucketPolicy(
            f"{name}-policy",
            bucket=self.bucket.id,
            policy=self.bucket.arn.apply(lambda arn: json.dumps({"Resource": arn})),
            opts=pulumi.ResourceOptions(parent=self, protect=True, ignore_changes=["policy"]),
        )
        self.register_outputs({"bucketArn": self.bucket.arn})


def test_a_deployment_tells_inputs_options_dependencies_and_outputs():
    deployment = deploy(lambda: Pair("pair"))
    policy = deployment.one(aws.s3.BucketPolicy)
    assert policy.document("policy") == {"Resource": "arn:aws:s3:::some-bucket"}, "outputs must resolve in inputs"
    assert policy.parent == "pair"
    assert policy.depends_on == {"pair-bucket"}
    assert policy.protect, "options must be recorded"
    assert policy.ignore_changes == ("policy",), "options must be recorded"
    assert deployment.outputs("pair") == {"bucketArn": "arn:aws:s3:::some-bucket"}
    assert deployment.value(deployment.result.bucket.arn) == "arn:aws:s3:::some-bucket"
    assert deployment.named("pair-bucket").inputs == {"bucket": "some-bucket"}


def test_a_preview_knows_inputs_but_nothing_computed():
    deployment = deploy(lambda: Pair("pair"), preview=True)
    assert deployment.value(deployment.result.bucket.arn) is None, "an ARN is not known before the bucket is made"
    assert deployment.value(deployment.result.bucket.bucket) == "some-bucket"
    assert "policy" not in deployment.one(aws.s3.BucketPolicy).inputs, "an unknown input has no value to read"


def test_a_failure_in_an_apply_comes_out():
    def program() -> None:
        bucket = aws.s3.Bucket("bucket", bucket="some-bucket")
        aws.s3.BucketPolicy("policy", bucket=bucket.id, policy=bucket.arn.apply(lambda _: str(1 / 0)))

    with pytest.raises(ZeroDivisionError):
        deploy(program)


def test_two_resources_of_one_name_are_refused_as_by_the_engine():
    def program() -> None:
        aws.s3.Bucket("bucket", bucket="one")
        aws.s3.Bucket("bucket", bucket="two")

    with pytest.raises(AssertionError, match="registered twice"):
        deploy(program)


def test_the_environment_is_looked_up_and_a_deployment_leaves_nothing_to_the_next(environment: AwsEnvironment):
    for _ in range(2):
        deployment = deploy(AwsEnvironment.look_up)
        assert deployment.result == environment == ENVIRONMENT
        assert deployment.resources == []


def test_warnings_and_calls_are_kept_and_an_unknown_call_names_itself():
    def program() -> None:
        pulumi.log.warn("beware")
        aws.ec2.get_prefix_list(name="com.amazonaws.eu-west-1.s3")

    deployment = deploy(program)
    assert deployment.warnings == ["beware"]
    assert [token for token, _ in deployment.calls] == ["aws:ec2/getPrefixList:getPrefixList"]
    with pytest.raises(Exception, match="getRegions"):
        deploy(lambda: aws.get_regions())


def test_a_call_that_fails_can_be_caught_as_with_the_engine():
    def answer(arguments: dict[str, object]) -> dict[str, object]:
        raise ValueError(f"no list {arguments['name']}")

    def program() -> str:
        try:
            aws.ec2.get_prefix_list(name="nothing")
        except Exception as error:
            return str(error)
        return "went well"

    deployment = deploy(program, calls={"aws:ec2/getPrefixList:getPrefixList": answer})
    assert "no list nothing" in deployment.result
