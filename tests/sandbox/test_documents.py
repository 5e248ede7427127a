"""Documents that AWS refuses are refused, at their place and with the rule; those of the pipeline pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.documents import Owner, iam_policy
from sandbox.documents.dashboard import dashboard_body
from sandbox.documents.event_pattern import event_pattern
from sandbox.documents.lifecycle_rules import lifecycle_rules
from sandbox.documents.scaling_policy import configurations, scaling_policy
from sandbox.documents.security_configuration import security_configuration
from sandbox.documents.state_machine_definition import state_machine_definition

OWNER = Owner("123456789012", {"bucket": "data"})
ROOT = {"AWS": "arn:aws:iam::123456789012:root"}
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/*"}


def one(*statements: Any, **more: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements), **more}


def key(**elements: Any) -> dict[str, Any]:
    return one({"Effect": "Allow", "Principal": ROOT, "Action": "kms:*", "Resource": "*", **elements})


def encryption(**parts: Any) -> dict[str, Any]:
    return {"EncryptionConfiguration": {"EnableInTransitEncryption": False, "EnableAtRestEncryption": False, **parts}}


def machine(**state: Any) -> dict[str, Any]:
    return {"StartAt": "Only", "States": {"Only": state}}


def rule(**elements: Any) -> list[dict[str, Any]]:
    return [{"id": "a", "status": "Enabled", "filter": {}, **elements}]


def scaling(**changes: Any) -> dict[str, Any]:
    alarm = {
        "ComparisonOperator": "LESS_THAN",
        "MetricName": "YARNMemoryAvailablePercentage",
        "Period": 300,
        "Threshold": 15.0,
        **changes.get("alarm", {}),
    }
    action = {"AdjustmentType": "CHANGE_IN_CAPACITY", "ScalingAdjustment": 1, **changes.get("action", {})}
    entry = {
        "Name": "Out",
        "Action": {"SimpleScalingPolicyConfiguration": action},
        "Trigger": {"CloudWatchAlarmDefinition": alarm},
    }
    return {"Constraints": changes.get("constraints", {"MinCapacity": 1, "MaxCapacity": 4}), "Rules": [entry]}


TRUSTED = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}

WRONG: tuple[tuple[Any, Any, str], ...] = (
    (iam_policy.identity_policy, one({**READ, "Effect": "allow"}), 'Statement[0].Effect is "allow"; allowed are Allow'),
    (iam_policy.identity_policy, one({**READ, "Efect": "Allow"}), "Statement[0].Efect is no element of a statement"),
    (iam_policy.identity_policy, one(READ, Statements=[]), "Statements is no element of a policy"),
    (iam_policy.identity_policy, {"Version": "2012-10-17"}, "Statement is missing"),
    (iam_policy.identity_policy, one(READ) | {"Version": "2020-01-01"}, 'Version is "2020-01-01"'),
    (iam_policy.identity_policy, one({**READ, "Sid": "a b"}), 'Sid is "a b"; a identity policy'),
    (iam_policy.identity_policy, one({**READ, "Sid": "a"}, {**READ, "Sid": "a"}), "in a single policy must be unique"),
    (iam_policy.identity_policy, one({**READ, "Action": "GetObject"}), '"prefaced by a vendor'),
    (iam_policy.identity_policy, one({**READ, "Action": []}), "Action is an empty list"),
    (iam_policy.identity_policy, one({**READ, "NotAction": "s3:*"}), "has Action and NotAction"),
    (iam_policy.identity_policy, one({**READ, "Resource": "data/*"}), "must be in ARN format or *"),
    (iam_policy.identity_policy, one({"Effect": "Allow", "Action": "s3:*"}), "has neither Resource nor NotResource"),
    (iam_policy.identity_policy, one({**READ, "Condition": {"StringEqual": {"aws:x": "a"}}}), "no condition operator"),
    (iam_policy.identity_policy, one({**READ, "Condition": {"Bool": {"mfa": "true"}}}), "prefaced by a vendor"),
    (
        iam_policy.identity_policy,
        one({**READ, "Resource": [f"arn:aws:s3:::{n:0100d}" for n in range(120)]}),
        "quota of",
    ),
    (iam_policy.trust_policy, one({**TRUSTED, "Resource": "*"}), "Has prohibited field Resource"),
    (iam_policy.trust_policy, one({**TRUSTED, "Action": "s3:GetObject"}), "may only specify STS AssumeRole actions"),
    (iam_policy.trust_policy, one({**TRUSTED, "Principal": {"Service": "ec2"}}), "ends in .amazonaws.com"),
    (iam_policy.trust_policy, one({**TRUSTED, "Principal": {"Aws": "*"}}), "Aws is no kind of principal"),
    (iam_policy.trust_policy, one({**TRUSTED, "Principal": {"AWS": "me"}}), "AWS is 'me'; it is *, an account"),
    (iam_policy.bucket_policy, one(READ), "has neither Principal nor NotPrincipal"),
    (
        iam_policy.bucket_policy,
        one({**READ, "Principal": "*", "Resource": "arn:aws:s3:::other/*"}),
        '"Policy has invalid resource" (the bucket is data)',
    ),
    (iam_policy.key_policy, key(Action="kms:Encrypt"), "locks everybody out"),
    (iam_policy.key_policy, key(Principal={"AWS": "111122223333"}), "locks everybody out"),
    (iam_policy.key_policy, key(Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}), "locks everybody out"),
    (iam_policy.topic_policy, key(Action="sns:*", Resource="arn:aws:sns:r:1:t"), "action out of service scope"),
    (security_configuration, {}, "should be non-empty"),
    (security_configuration, {"Encryption": {}}, "'Encryption' was unexpected"),
    (security_configuration, encryption(EnableAtRestEncryption=True), "EnableAtRestEncryption true needs it"),
    (
        security_configuration,
        encryption(AtRestEncryptionConfiguration={"S3EncryptionConfiguration": {"EncryptionMode": "SSE-KMS"}}),
        "S3EncryptionConfiguration: 'AwsKmsKey' is a required property (EncryptionMode SSE-KMS needs it)",
    ),
    (
        security_configuration,
        {"AuthenticationConfiguration": {"KerberosConfiguration": {"Provider": "ExternalKdc"}}},
        "'ExternalKdcConfiguration' is a required property",
    ),
    (
        security_configuration,
        {"InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": 2}},
        "'HttpPutResponseHopLimit' is a required property",
    ),
    (state_machine_definition, {"States": {}}, "Field 'States' is required and must not be empty"),
    (state_machine_definition, machine(Type="Pass", Next="Gone"), "Missing 'Next' target: Gone"),
    (state_machine_definition, machine(Type="Pass"), "exactly one of 'Next' and 'End'"),
    (state_machine_definition, machine(Type="Sleep", End=True), "States.Only.Type: 'Sleep' is not one of"),
    (state_machine_definition, machine(Type="Task", End=True), "'Resource' is a required property"),
    (state_machine_definition, machine(Type="Wait", Seconds="1", End=True), "States.Only.Seconds: '1' is not of type"),
    (event_pattern, [], "must be an object or an array"),
    (event_pattern, {"source": []}, "Empty arrays are not allowed"),
    (event_pattern, {"source": "aws.s3"}, 'write ["aws.s3"]'),
    (event_pattern, {"detail": {"key": [{"starts": "a"}]}}, "Unrecognized match type starts"),
    (event_pattern, {"detail": {"key": [{"prefix": "a", "suffix": "b"}]}}, "Only one key allowed"),
    (event_pattern, {"detail": {"key": [{"prefix": 1}]}}, "prefix match pattern must be a string"),
    (event_pattern, {"detail": {"size": [{"numeric": [">"]}]}}, "it is a comparison and a number"),
    (event_pattern, {"detail": {"size": [{"numeric": [">", 9, "<", 1]}]}}, "Bottom must be less than top"),
    (event_pattern, {"detail": {"key": [{"exists": "yes"}]}}, "must be either true or false"),
    (event_pattern, {"$or": [{"source": ["a"]}]}, "a list of two or more patterns"),
    (dashboard_body, {"widget": []}, "'widgets' is a required property"),
    (dashboard_body, {"widgets": [{"type": "metric", "properties": {"metrics": [["A", "b"]]}}]}, "under any of the"),
    (
        dashboard_body,
        {"widgets": [{"type": "text", "x": 20, "width": 6, "properties": {"markdown": "a"}}]},
        "24 columns",
    ),
    (dashboard_body, {"widgets": [{"type": "alarm", "properties": {"alarms": ["a"]}}]}, "the ARN of an alarm"),
    (scaling_policy, scaling(constraints={"MinCapacity": 5, "MaxCapacity": 4}), "MinCapacity is at least 0 and not"),
    (scaling_policy, scaling(alarm={"Period": 90}), "Period is 90; it is a multiple of 60"),
    (scaling_policy, scaling(alarm={"Threshold": -1.0}), "Threshold, value: -1.0, valid min value: 0"),
    (scaling_policy, scaling(alarm={"Threshhold": 1}), 'CloudWatchAlarmDefinition: "Threshhold", must be one of'),
    (scaling_policy, scaling(action={"ScalingAdjustment": 0}), "changes nothing"),
    (configurations, [{"Properties": {}}], "[0] has no Classification"),
    (configurations, [{"Classification": "a"}, {"Classification": "a"}], "a classification comes once"),
)


def refused(check: Any, document: Any) -> str:
    return "; ".join(check(json.loads(json.dumps(document)), OWNER))


@pytest.mark.parametrize(
    ("check", "document", "message"), WRONG, ids=[f"{w[0].__name__}-{i}" for i, w in enumerate(WRONG)]
)
def test_a_wrong_document_is_refused_with_its_place_and_the_rule(check: Any, document: Any, message: str) -> None:
    assert message in refused(check, document)


LIFECYCLES: tuple[tuple[list[dict[str, Any]], str], ...] = (
    (rule(), "At least one action needs to be specified"),
    (rule(expiration={"days": 1, "expiredObjectDeleteMarker": True}), "it takes exactly one"),
    (rule(status="On", expiration={"days": 1}), "status is 'On'; allowed are Enabled and Disabled"),
    (rule(transitions=[{"days": 7, "storageClass": "STANDARD_IA"}]), "greater than or equal to 30"),
    (rule(transitions=[{"days": 7, "storageClass": "FROZEN"}]), "storageClass is 'FROZEN'"),
    (
        rule(expiration={"days": 30}, transitions=[{"days": 60, "storageClass": "GLACIER"}]),
        "must be greater than 'Days' in the Transition action",
    ),
    (
        rule(transitions=[{"days": 30, "storageClass": "STANDARD_IA"}, {"days": 40, "storageClass": "GLACIER"}]),
        "stay 30 days in an infrequent-access class",
    ),
    (
        rule(filter={"prefix": "a", "tag": {"key": "a", "value": "b"}}, expiration={"days": 1}),
        "exactly one, several go",
    ),
    (rule(filter={"tag": {"key": "a"}}, abortIncompleteMultipartUpload={"daysAfterInitiation": 1}), "with Tags"),
    (rule(expiration={"days": 1}) * 2, "Rule ID must be unique"),
)


@pytest.mark.parametrize(("rules", "message"), LIFECYCLES, ids=range(len(LIFECYCLES)))
def test_a_wrong_lifecycle_is_refused(rules: list[dict[str, Any]], message: str) -> None:
    assert message in "; ".join(lifecycle_rules(rules))


RIGHT: tuple[tuple[Any, Any], ...] = (
    (iam_policy.identity_policy, one({**READ, "Condition": {"ForAnyValue:StringLikeIfExists": {"aws:x": ["a", "b"]}}})),
    (iam_policy.identity_policy, {"Statement": READ}),
    (
        iam_policy.trust_policy,
        one({**TRUSTED, "Principal": {"AWS": ["123456789012", "arn:aws:iam::123456789012:root"]}}),
    ),
    (iam_policy.bucket_policy, one({**READ, "Principal": "*", "Action": "s3:*", "Sid": "any text"})),
    (iam_policy.key_policy, key()),
    (iam_policy.key_policy, key(Principal="*", Action=["kms:Put*"])),
    (event_pattern, {"source": ["aws.s3"], "detail": {"object": {"size": [{"numeric": [">", 0, "<=", 5]}]}}}),
    (event_pattern, {"detail": {"key": [{"anything-but": {"prefix": "_"}}, {"exists": False}, None, 1]}}),
    (scaling_policy, scaling()),
    (state_machine_definition, machine(Type="Succeed")),
    (
        state_machine_definition,
        machine(Type="Task", Resource="arn:aws-cn:states:::aws-sdk:emr:describeCluster", End=True),
    ),
)


@pytest.mark.parametrize(("check", "document"), RIGHT, ids=[f"{r[0].__name__}-{i}" for i, r in enumerate(RIGHT)])
def test_a_right_document_passes(check: Any, document: Any) -> None:
    assert refused(check, document) == "", "what AWS takes must not be refused"


def test_a_key_that_is_meant_to_lock_passes() -> None:
    owner = Owner("123456789012", {"bypassPolicyLockoutSafetyCheck": True})
    assert list(iam_policy.key_policy(key(Action="kms:Encrypt"), owner)) == []
