"""Rules of every resource, each in the forms of `up` and preview."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies import general as g
from tests.policies.cases import Case, bad, check, good, open_question, parametrize
from tests.policies.harness import UNKNOWN, R

BUCKET = "aws:s3/bucket:Bucket"
GROUP = "aws:ec2/securityGroup:SecurityGroup"


def bucket(provider: dict[str, Any] | None = None, **inputs: Any) -> R:
    return R(BUCKET, "bucket", inputs, provider=provider)


def in_stack(stack: str, type: str = BUCKET, protect: bool = False) -> R:
    return R(type, "x", {}, protect=protect, stack=stack)


def ignoring(*paths: str, type: str = GROUP) -> R:
    return R(type, "x", {}, ignore_changes=paths)


PROJECT = {"required": ["project"]}

CASES: list[Case] = [
    good("GEN-01", "tagged", bucket(tags={"project": "p"}), config=PROJECT),
    good("GEN-01", "tagged with what is not known yet", bucket(tags={"project": UNKNOWN}), config=PROJECT),
    good("GEN-01", "tagged by the provider already", bucket(tagsAll={"project": "p"}), config=PROJECT),
    good(
        "GEN-01",
        "by the provider, as text",
        bucket({"defaultTags": json.dumps({"tags": {"project": "p"}})}),
        config=PROJECT,
    ),
    good(
        "GEN-01", "by the provider, as an object", bucket({"defaultTags": {"tags": {"project": "p"}}}), config=PROJECT
    ),
    bad("GEN-01", "no tags", bucket(), config=PROJECT),
    bad("GEN-01", "an empty tag", bucket(tags={"project": ""}), config=PROJECT),
    bad("GEN-01", "another case", bucket(tags={"Project": "p"}), config=PROJECT),
    bad(
        "GEN-01", "one of two", bucket(tags={"project": "p"}), config={"required": ["project", "owner"]}, says=["owner"]
    ),
    bad("GEN-01", "malformed", bucket({"defaultTags": "{"}, tags="project"), config=PROJECT),
    good("GEN-01", "none asked for", bucket()),
    good("GEN-01", "a resource that carries none", R("aws:ec2/route:Route", "r", {}), config=PROJECT),
    open_question("GEN-01", "tags not known yet", bucket(tags=UNKNOWN), config=PROJECT),
    bad("GEN-02", "in production", in_stack("prod")),
    bad("GEN-02", "a key in production", in_stack("production", "aws:kms/key:Key")),
    good("GEN-02", "protected", in_stack("prod", protect=True)),
    good("GEN-02", "in development", in_stack("dev")),
    bad("GEN-02", "where the setting says so", in_stack("dev"), config={"stacks": ["dev"]}),
    good("GEN-02", "a resource that holds nothing", in_stack("prod", GROUP)),
    good("GEN-03", "the provider's", bucket({"region": "eu-west-1"})),
    good("GEN-03", "the provider's, said again", bucket({"region": "eu-west-1"}, region="eu-west-1")),
    bad(
        "GEN-03", "another than the provider's", bucket({"region": "eu-west-1"}, region="us-east-1"), says=["us-east-1"]
    ),
    good(
        "GEN-03",
        "another, allowed",
        bucket({"region": "eu-west-1"}, region="eu-central-1"),
        config={"allowed": ["eu-west-1", "eu-central-1"]},
    ),
    bad("GEN-03", "one not allowed", bucket(region="us-east-1"), config={"allowed": ["eu-west-1"]}),
    bad("GEN-03", "the provider's, not allowed", bucket({"region": "us-east-1"}), config={"allowed": ["eu-west-1"]}),
    bad(
        "GEN-03",
        "the provider itself",
        R("pulumi:providers:aws", "aws", {"region": "us-east-1"}),
        config={"allowed": ["eu-west-1"]},
    ),
    good(
        "GEN-03",
        "something that is nowhere",
        R("random:index/randomId:RandomId", "r", {"region": "moon"}),
        config={"allowed": ["eu-west-1"]},
    ),
    open_question("GEN-03", "not known yet", bucket(region=UNKNOWN)),
    *(
        bad("GEN-04", path, ignoring(path))
        for path in ("ingress", "ingress[0].cidrBlocks", 'egress["0"]', "*", "policy")
    ),
    *(good("GEN-04", path, ignoring(path)) for path in ("tags", "description", "tags.ingress", "")),
    good("GEN-04", "nothing", ignoring()),
    bad(
        "GEN-04",
        "a security configuration's document",
        ignoring("configuration", type="aws:emr/securityConfiguration:SecurityConfiguration"),
    ),
    bad("GEN-04", "a workgroup's configuration", ignoring("configuration", type="aws:athena/workgroup:Workgroup")),
    good("GEN-04", "a crawler's configuration", ignoring("configuration", type="aws:glue/crawler:Crawler")),
    bad("GEN-04", "how often", ignoring("rotationRules", type="aws:secretsmanager/secretRotation:SecretRotation")),
    *(
        bad("GEN-04", f"a guard, {path}", ignoring(path))
        for path in ("storageEncrypted", "metadataOptions.httpTokens", "deletionProtection", "actionsEnabled")
    ),
    *(good("GEN-04", f"no guard, {path}", ignoring(path)) for path in ("ami", "engineVersion", "desiredCapacity")),
    good(
        "GEN-04",
        "what scaling changes",
        ignoring("coreInstanceGroup.instanceCount", "kerberosAttributes", type="aws:emr/cluster:Cluster"),
    ),
]


@parametrize(CASES)
def test_general(case: Case, known: bool) -> None:
    check(case, known)


@pytest.mark.parametrize("name", [rule.id for rule in g.family.rules])
def test_every_rule_has_cases_that_break_it_and_that_do_not(name: str) -> None:
    assert {"broken", "fine"} <= {case.up for case in CASES if case.rule == name}
