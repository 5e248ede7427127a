"""Rules of functions and state machines, each in the forms of `up` and preview."""

from __future__ import annotations

from typing import Any

import pytest

from policies import functions as f
from tests.policies.cases import Case, bad, check, good, open_question, parametrize
from tests.policies.harness import UNKNOWN, R

KEY = "arn:aws:kms:eu-west-1:111122223333:key/1"
RULE = "arn:aws:events:eu-west-1:111122223333:rule/r"


def function(**inputs: Any) -> R:
    return R(f.FUNCTION, "function", {"role": "x", **inputs})


def permission(type: str = f.PERMISSION, **inputs: Any) -> R:
    return R(type, "permission", {"action": "lambda:InvokeFunction", "function": "x", **inputs})


def lam_01() -> list[Case]:
    rule = "LAM-01"
    service = {"principal": "events.amazonaws.com"}
    return [
        good(rule, "a service for one rule", permission(**service, sourceArn=RULE)),
        good(rule, "a service for one account", permission(**service, sourceAccount="111122223333")),
        good(rule, "a bucket", permission(principal="s3.amazonaws.com", sourceArn="arn:aws:s3:::bucket")),
        good(rule, "an account", permission(principal="111122223333")),
        good(rule, "a role", permission(principal="arn:aws:iam::111122223333:role/x")),
        good(rule, "an organisation", permission(principal="*", principalOrgId="o-a1b2c3d4e5")),
        bad(rule, "anybody", permission(principal="*")),
        bad(rule, "the root of any account", permission(principal="arn:aws:iam::*:root")),
        bad(rule, "anybody who signs", permission(principal="*", functionUrlAuthType="AWS_IAM")),
        bad(rule, "a service for anybody", permission(**service), says=["events.amazonaws.com"]),
        bad(rule, "a service in China", permission(principal="events.amazonaws.com.cn")),
        bad(rule, "an empty source", permission(**service, sourceArn="", sourceAccount="")),
        bad(rule, "a source of any account", permission(**service, sourceArn="arn:aws:events:*:*:rule/*")),
        bad(rule, "any source", permission(**service, sourceArn="*")),
        bad(rule, "any bucket", permission(principal="s3.amazonaws.com", sourceArn="arn:aws:s3:::*")),
        bad(rule, "a layer for anybody", permission(f.LAYER_PERMISSION, principal="*")),
        good(
            rule,
            "a layer for an organisation",
            permission(f.LAYER_PERMISSION, principal="*", organizationId="o-a1b2c3d4e5"),
        ),
        good(rule, "malformed", permission(principal=["*"], sourceArn=7)),
        open_question(rule, "a source not known yet", permission(**service, sourceArn=UNKNOWN)),
        open_question(rule, "a principal not known yet", permission(principal=UNKNOWN)),
        good(
            rule,
            "a source not known yet, and an account",
            permission(**service, sourceArn=UNKNOWN, sourceAccount="111122223333"),
        ),
    ]


def lam_05() -> list[Case]:
    rule = "LAM-05"
    plain = function()
    mapping = R(f.EVENT_SOURCE_MAPPING, "mapping", {"functionName": plain.ref("arn"), "eventSourceArn": "arn"})
    invoke = R(
        f.INVOKE_CONFIG,
        "invoke",
        {"functionName": plain.ref("name"), "destinationConfig": {"onFailure": {"destination": "arn"}}},
    )
    nowhere = R(f.INVOKE_CONFIG, "invoke", {"functionName": plain.ref("name")})
    caller = R(f.PERMISSION, "permission", {"function": plain.ref("name"), "principal": "events.amazonaws.com"})
    return [
        bad(rule, "nothing", plain),
        bad(rule, "an empty queue", function(deadLetterConfig={"targetArn": ""})),
        bad(rule, "a configuration without destination", plain, nowhere),
        bad(rule, "a queue and another caller", plain, mapping, caller),
        good(rule, "a queue for what failed", function(deadLetterConfig={"targetArn": "arn"})),
        good(rule, "a queue not known yet", function(deadLetterConfig={"targetArn": UNKNOWN})),
        good(rule, "a destination", plain, invoke),
        good(rule, "called by a queue only", plain, mapping),
        open_question(
            rule,
            "a configuration of an unknown function",
            plain,
            R(
                f.INVOKE_CONFIG,
                "i",
                {"functionName": UNKNOWN, "destinationConfig": {"onFailure": {"destination": "arn"}}},
            ),
        ),
        open_question(
            rule, "a caller of an unknown function", plain, mapping, R(f.PERMISSION, "p", {"function": UNKNOWN})
        ),
    ]


CASES = [
    *lam_01(),
    *lam_05(),
    good("LAM-02", "signed", R(f.FUNCTION_URL, "u", {"authorizationType": "AWS_IAM"})),
    bad("LAM-02", "anybody", R(f.FUNCTION_URL, "u", {"authorizationType": "NONE"})),
    bad("LAM-02", "absent", R(f.FUNCTION_URL, "u", {})),
    open_question("LAM-02", "not known yet", R(f.FUNCTION_URL, "u", {"authorizationType": UNKNOWN})),
    good("LAM-03", "traced", function(tracingConfig={"mode": "Active"})),
    bad("LAM-03", "passed through", function(tracingConfig={"mode": "PassThrough"})),
    bad("LAM-03", "absent", function()),
    bad("LAM-03", "malformed", function(tracingConfig="Active")),
    open_question("LAM-03", "not known yet", function(tracingConfig=UNKNOWN)),
    good("LAM-04", "in the network", function(vpcConfig={"subnetIds": ["s"], "securityGroupIds": ["g"]})),
    good(
        "LAM-04",
        "in a subnet not known yet",
        function(vpcConfig={"subnetIds": [UNKNOWN], "securityGroupIds": [UNKNOWN]}),
    ),
    bad("LAM-04", "absent", function()),
    bad("LAM-04", "no subnets", function(vpcConfig={"subnetIds": [], "securityGroupIds": ["g"]})),
    bad("LAM-04", "no groups", function(vpcConfig={"subnetIds": ["s"]})),
    open_question("LAM-04", "not known yet", function(vpcConfig=UNKNOWN)),
    *(
        good("LAM-06", runtime, function(runtime=runtime))
        for runtime in (
            "python3.12",
            "python3.10",
            "nodejs22.x",
            "java8.al2",
            "java21",
            "dotnet8",
            "provided.al2023",
            "ruby3.3",
        )
    ),
    *(
        bad("LAM-06", runtime, function(runtime=runtime))
        for runtime in (
            "python3.9",
            "python2.7",
            "nodejs",
            "nodejs18.x",
            "java8",
            "go1.x",
            "dotnetcore3.1",
            "dotnet6",
            "provided",
            "???",
        )
    ),
    good("LAM-06", "an image", function(packageType="Image")),
    bad("LAM-06", "older than the setting", function(runtime="python3.12"), config={"minimum": {"python": "3.13"}}),
    open_question("LAM-06", "not known yet", function(runtime=UNKNOWN)),
    good("LAM-07", "no variables", function()),
    good("LAM-07", "no variables in it", function(environment={"variables": {}})),
    good("LAM-07", "a key", function(environment={"variables": {"A": "b"}}, kmsKeyArn=KEY)),
    bad("LAM-07", "no key", function(environment={"variables": {"A": "xyzzy-1"}}), never=["xyzzy-1"]),
    bad("LAM-07", "an empty key", function(environment={"variables": {"A": "b"}}, kmsKeyArn="")),
    open_question("LAM-07", "variables not known yet", function(environment={"variables": UNKNOWN})),
    open_question("LAM-07", "a key not known yet", function(environment={"variables": {"A": "b"}}, kmsKeyArn=UNKNOWN)),
    good(
        "SFN-01",
        "everything",
        R(f.STATE_MACHINE, "m", {"loggingConfiguration": {"level": "ALL", "logDestination": "arn:*"}}),
    ),
    good(
        "SFN-01",
        "to a group not known yet",
        R(f.STATE_MACHINE, "m", {"loggingConfiguration": {"level": "ERROR", "logDestination": UNKNOWN}}),
    ),
    bad("SFN-01", "absent", R(f.STATE_MACHINE, "m", {})),
    bad(
        "SFN-01", "off", R(f.STATE_MACHINE, "m", {"loggingConfiguration": {"level": "OFF", "logDestination": "arn:*"}})
    ),
    bad("SFN-01", "nowhere", R(f.STATE_MACHINE, "m", {"loggingConfiguration": {"level": "ALL"}})),
    open_question("SFN-01", "not known yet", R(f.STATE_MACHINE, "m", {"loggingConfiguration": UNKNOWN})),
    good("SFN-02", "on", R(f.STATE_MACHINE, "m", {"tracingConfiguration": {"enabled": True}})),
    bad("SFN-02", "off", R(f.STATE_MACHINE, "m", {"tracingConfiguration": {"enabled": False}})),
    bad("SFN-02", "absent", R(f.STATE_MACHINE, "m", {})),
    open_question("SFN-02", "not known yet", R(f.STATE_MACHINE, "m", {"tracingConfiguration": {"enabled": UNKNOWN}})),
]


def bucket_call(**inputs: Any) -> R:
    return permission(principal="s3.amazonaws.com", sourceArn="arn:aws:s3:::bucket", **inputs)


OWN_KEY = {"encryptionConfiguration": {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": KEY}}
CASES += [
    good("LAM-08", "a bucket of an account", bucket_call(sourceAccount="111122223333")),
    good("LAM-08", "an account not known yet", bucket_call(sourceAccount=UNKNOWN)),
    good("LAM-08", "a rule", permission(principal="events.amazonaws.com", sourceArn=RULE)),
    bad("LAM-08", "a bucket of anybody", bucket_call()),
    *(
        case
        for type in (f.STATE_MACHINE, f.ACTIVITY)
        for case in (
            good("SFN-03", f"a key, {type}", R(type, "m", OWN_KEY)),
            bad("SFN-03", f"absent, {type}", R(type, "m", {})),
            bad("SFN-03", f"AWS's key, {type}", R(type, "m", {"encryptionConfiguration": {"type": "AWS_OWNED_KEY"}})),
            open_question("SFN-03", f"not known yet, {type}", R(type, "m", {"encryptionConfiguration": UNKNOWN})),
        )
    ),
    bad(
        "SFN-03",
        "a kind without key",
        R(f.STATE_MACHINE, "m", {"encryptionConfiguration": {"type": "CUSTOMER_MANAGED_KMS_KEY"}}),
    ),
]


@parametrize(CASES)
def test_functions(case: Case, known: bool) -> None:
    check(case, known)


@pytest.mark.parametrize("name", [rule.id for rule in f.family.rules])
def test_every_rule_has_cases_that_break_it_and_that_do_not(name: str) -> None:
    assert {"broken", "fine"} <= {case.up for case in CASES if case.rule == name}
