"""The SDK says what a type takes, down to nested objects."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import pytest

from sandbox.providers import schema
from sandbox.providers.protocol import UNKNOWN, Asset, Secret

VPC = "aws:ec2/vpc:Vpc"


def mismatches(token: str, inputs: dict[str, Any]) -> dict[str, str]:
    found = schema.check_inputs(inputs, schema.resource_schema(token).inputs)[1]
    return {entry.property: entry.reason for entry in found}


def test_names_types_and_what_is_required_come_from_the_sdk() -> None:
    subnet = schema.resource_schema("aws:ec2/subnet:Subnet")
    assert subnet.inputs["vpcId"].required
    assert not subnet.inputs["cidrBlock"].required
    assert subnet.inputs["mapPublicIpOnLaunch"].type.kind == "boolean"
    assert subnet.inputs["tags"].type == schema.ValueType("map", element=schema.ValueType("string"))
    assert "arn" in subnet.outputs
    assert "arn" not in subnet.inputs
    assert "urn" not in subnet.outputs, "urn belongs to the engine"


def test_outputs_tell_what_the_provider_computes() -> None:
    queue = schema.resource_schema("aws:sqs/queue:Queue")
    assert not queue.outputs["sqsManagedSseEnabled"].optional, "computed when it is not given"
    assert queue.outputs["kmsMasterKeyId"].optional, "absent when it is not given"


@pytest.mark.parametrize(
    ("token", "member"),
    [
        ("aws:s3/bucketVersioning:BucketVersioning", "versioningConfiguration"),
        ("aws:s3/bucketLogging:BucketLogging", "targetBucket"),
        ("aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration", "rules"),
    ],
)
def test_a_nested_type_of_the_same_name_is_not_taken_for_the_resource(token: str, member: str) -> None:
    assert member in schema.resource_schema(token).inputs, "the generator calls the resource's arguments …InitArgs"


@pytest.mark.parametrize(
    ("token", "name", "kind"),
    [
        ("aws:iam/role:Role", "assumeRolePolicy", "document"),
        ("aws:lambda/function:Function", "runtime", "string"),
        ("aws:lambda/function:Function", "code", "archive"),
        ("aws:s3/bucketObjectv2:BucketObjectv2", "source", "file"),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", "threshold", "number"),
        ("aws:emr/cluster:Cluster", "coreInstanceGroup", "object"),
        ("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "rules", "list"),
    ],
)
def test_unions_and_wrappers_are_seen_through(token: str, name: str, kind: str) -> None:
    assert schema.resource_schema(token).inputs[name].type.kind == kind


def test_an_unknown_input_is_named_with_the_nearest_known_one() -> None:
    assert mismatches(VPC, {"cidrBlok": "10.0.0.0/16"}) == {
        "cidrBlok": "unknown input 'cidrBlok': the nearest known is 'cidrBlock'"
    }


def test_an_unknown_input_far_from_all_lists_what_is_known() -> None:
    reason = mismatches("aws:iam/rolePolicyAttachment:RolePolicyAttachment", {"role": "r", "policyArn": "a", "zzz": 1})
    assert reason == {"zzz": "unknown input 'zzz': known are policyArn, role"}


def test_a_missing_required_input_is_named() -> None:
    assert mismatches("aws:ec2/subnet:Subnet", {}) == {"vpcId": "missing required input 'vpcId'"}


def test_nested_inputs_are_checked_by_path() -> None:
    rules = [{"id": "a", "status": "Enabled", "expiration": {"day": 3}}, {"status": "Enabled"}]
    found = schema.check_inputs(
        {"bucket": "b", "rules": rules},
        schema.resource_schema("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs,
    )[1]
    assert [entry.reason for entry in found] == [
        "unknown input rules[0].expiration.day: the nearest known is 'days'",
        "missing required input rules[1].id",
    ]


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"cidrBlock": ["10.0.0.0/16"]}, "cidrBlock must be text, not a list"),
        ({"enableDnsSupport": "yes"}, 'enableDnsSupport must be true or false, not "yes"'),
        ({"ipv4NetmaskLength": "x"}, 'ipv4NetmaskLength must be a whole number, not "x"'),
        ({"ipv4NetmaskLength": 1.5}, "ipv4NetmaskLength must be a whole number, not 1.5"),
        ({"tags": {"Name": ["a"]}}, "tags.Name must be text, not a list"),
        ({"tags": "a"}, 'tags must be a map, not "a"'),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_type_is_named(inputs: dict[str, Any], reason: str) -> None:
    assert list(mismatches(VPC, inputs).values()) == [reason]


def test_values_are_brought_to_their_type_as_the_bridge_does() -> None:
    inputs = {"ipv4NetmaskLength": "16", "enableDnsSupport": "true", "cidrBlock": "a", "tags": {"Count": 3}}
    checked, found = schema.check_inputs(inputs, schema.resource_schema(VPC).inputs)
    assert found == []
    assert checked == {
        "ipv4NetmaskLength": 16,
        "enableDnsSupport": True,
        "cidrBlock": "a",
        "tags": {"Count": "3"},
    }


def test_a_policy_given_as_an_object_becomes_text() -> None:
    checked, found = schema.check_inputs(
        {"assumeRolePolicy": {"Version": "2012-10-17"}}, schema.resource_schema("aws:iam/role:Role").inputs
    )
    assert found == []
    assert checked == {"assumeRolePolicy": '{"Version": "2012-10-17"}'}


def test_secrets_stay_secret_and_unknowns_pass() -> None:
    inputs = {"cidrBlock": Secret("10.0.0.0/16"), "instanceTenancy": UNKNOWN, "tags": {"a": UNKNOWN}}
    checked, found = schema.check_inputs(inputs, schema.resource_schema(VPC).inputs)
    assert found == []
    assert checked == inputs


def test_an_asset_is_no_archive() -> None:
    reason = mismatches("aws:lambda/function:Function", {"role": "r", "code": Asset("h", text="x")})["code"]
    assert reason.startswith("code must be an archive"), "Lambda takes packages"


def test_a_type_that_the_sdk_does_not_have_is_an_error() -> None:
    with pytest.raises(schema.UnknownTypeError, match="no resource type aws:ec2/vpc:Vcp"):
        schema.resource_schema("aws:ec2/vpc:Vcp")


def test_provider_settings_come_from_the_sdk() -> None:
    assert {"region", "defaultTags", "allowedAccountIds"} <= schema.provider_inputs("aws").keys()


def test_schemas_can_be_read_by_many_threads_at_once() -> None:
    program = """
        from concurrent.futures import ThreadPoolExecutor
        from sandbox.providers import schema

        tokens = ["aws:ssm/parameter:Parameter", "aws:sqs/queue:Queue", "aws:ssm/document:Document"] * 8
        with ThreadPoolExecutor(16) as threads:
            print(sum(bool(entry.inputs) for entry in threads.map(schema.resource_schema, tokens)))
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "24", f"the engine asks for 16 types at once, and modules load lazily: {done.stderr}"
