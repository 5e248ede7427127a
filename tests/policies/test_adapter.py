"""What the engine gets: levels, messages, settings, exceptions, and what is said when a rule breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime import proto
from pulumi_policy.deserialize import SPECIAL_SECRET_SIG, SPECIAL_SIG_KEY
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from policies.adapter import settings_of
from policies.exceptions import ExceptionsError, ResourceException, load_exceptions, parse_exceptions
from policies.model import Family, Findings, Resource, Rule, Settings, Severity, Stack, undecided, violation
from policies.registry import FAMILIES, RULES
from tests.policies.harness import UNKNOWN, Engine, R, Secret, broken
from tests.policies.harness import undecided as undecided_facts

GROUP = "aws:ec2/securityGroup:SecurityGroup"
OPEN = R(GROUP, "web", {"ingress": [{"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": ["0.0.0.0/0"]}]})


def test_names_and_ids_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert len({rule.policy_name for rule in RULES}) == len(RULES)
    assert "all" not in {rule.policy_name for rule in RULES}, "the engine reserves this name"


def test_every_rule_of_every_family_is_registered() -> None:
    assert sum(len(family.rules) for family in FAMILIES) == len(RULES)
    assert all((rule.resource_check is None) != (rule.stack_check is None) for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_every_rule_says_what_it_is_for(rule: Rule) -> None:
    assert rule.title
    assert not rule.title.endswith(".")
    assert rule.fix.endswith(".")
    assert rule.source
    check = rule.resource_check or rule.stack_check
    assert check is not None
    assert check.__doc__, "a rule says why it is one"
    assert all(setting.meaning.endswith(".") for setting in rule.settings.values())


def test_critical_and_high_stop_a_deployment_and_the_rest_do_not() -> None:
    engine = Engine()
    info = engine.servicer.GetAnalyzerInfo(None, None)
    levels = {policy.name: proto.EnforcementLevel.Name(policy.enforcementLevel) for policy in info.policies}
    for rule in RULES:
        expected = "MANDATORY" if rule.severity in (Severity.CRITICAL, Severity.HIGH) else "ADVISORY"
        assert levels[rule.policy_name] == (expected if rule.enabled else "DISABLED"), rule.id
    assert levels["gen-05-undecided"] == levels["gen-06-exceptions"] == "ADVISORY"


def test_the_engine_learns_severity_settings_and_frameworks() -> None:
    info = Engine().servicer.GetAnalyzerInfo(None, None)
    policy = next(policy for policy in info.policies if policy.name == "net-01-sg-no-public-ingress")
    assert proto.PolicySeverity.Name(policy.severity) == "POLICY_SEVERITY_CRITICAL"
    assert policy.configSchema.properties["ipv4Prefix"]["default"] == 16
    assert "checkov CKV_AWS_24" in policy.tags
    assert policy.remediation_steps


def test_a_message_says_what_where_and_how_to_mend_it() -> None:
    (said,) = [word for word in Engine("NET-01").up(OPEN) if word.rule == "NET-01"]
    title, what, fix = said.message.split("\n")
    assert title == "NET-01: No security group lets the internet in"
    assert what == f"web ({GROUP}), ingress[0].cidrBlocks[0]: lets 0.0.0.0/0 in, on port 22 (tcp)."
    assert fix.startswith("Fix: ")
    assert said.level == "mandatory"


def test_the_same_finding_is_said_once() -> None:
    twice = R(
        "aws:kms/keyPolicy:KeyPolicy",
        "p",
        {"policy": json.dumps({"Statement": {"Effect": "Allow", "Principal": {"AWS": ["*", "*"]}, "Action": "*"}})},
    )
    assert len(broken(Engine("KMS-02").up(twice), "KMS-02")) == 1


def test_a_stack_finding_names_its_resource_to_the_engine() -> None:
    bucket = R("aws:s3/bucket:Bucket", "raw", {})
    assert [word.urn for word in Engine("S3-01").up(bucket) if word.rule == "S3-01"] == [bucket.urn]


def test_settings_are_defaults_unless_the_stack_says_otherwise() -> None:
    rule = next(rule for rule in RULES if rule.id == "NET-03")
    assert settings_of(rule, None) == {"ipv4Prefix": 16, "ipv6Prefix": 32, "mostPorts": 100}
    assert settings_of(rule, {"mostPorts": 5.0, "somethingElse": 1})["mostPorts"] == 5
    assert "somethingElse" not in settings_of(rule, {"somethingElse": 1})


def test_a_level_can_be_configured() -> None:
    said = Engine("NET-01", levels={"NET-01": "advisory"}).up(OPEN)
    assert [word.level for word in said if word.rule == "NET-01"] == ["advisory"]
    assert Engine("NET-01", levels={"NET-01": "disabled"}).up(OPEN) == []


# What is not known yet.


def test_undecided_facts_are_counted_not_passed_over() -> None:
    unsure = R(GROUP, "unsure", {"ingress": [{"cidrBlocks": [UNKNOWN, UNKNOWN]}]})
    said = Engine("NET-01").preview(unsure)
    assert undecided_facts(said, "NET-01") == 2
    (word,) = said
    assert word.level == "advisory"
    assert word.message.startswith("GEN-05: ")


def test_nothing_undecided_is_nothing_said() -> None:
    assert Engine("NET-01").preview(R(GROUP, "closed", {"ingress": []})) == []


def test_what_an_update_decides_is_no_longer_counted() -> None:
    engine = Engine("NET-01")
    source = R("random:index/randomId:RandomId", "r", {}, {"cidr": "10.0.0.0/8"})
    late = R(GROUP, "late", {"ingress": [{"cidrBlocks": [source.ref("cidr")]}]})
    assert undecided_facts(engine.preview(source, late), "NET-01") == 1
    assert engine.up(source, late) == []


# When a rule itself breaks.

SECRET_TEXT = "xyzzy-secret-value"
family = Family("Broken")


@family.resource_rule("TST-01", "broken", "A rule that breaks", Severity.HIGH, (GROUP,), fix="None.", source="None")
def _breaks(resource: Resource, settings: Settings) -> Findings:
    yield violation("name", "is found before the rule breaks")
    raise ValueError(f"a text that quotes {resource.value('description')}")


@family.stack_rule(
    "TST-02", "broken-stack", "A stack rule that breaks", Severity.HIGH, (GROUP,), fix="None.", source="None"
)
def _breaks_for_one(resource: Resource, stack: Stack, settings: Settings) -> Iterator[Any]:
    if resource.name == "bad":
        raise KeyError(resource.value("description"))
    yield violation("", f"{resource.name} is judged all the same")


@family.resource_rule("TST-03", "unsure", "A rule that is unsure", Severity.HIGH, (GROUP,), fix="None.", source="None")
def _unsure(resource: Resource, settings: Settings) -> Findings:
    yield undecided("name")


def test_a_rule_that_breaks_says_so_and_quotes_nothing() -> None:
    group = R(GROUP, "bad", {"description": SECRET_TEXT})
    messages = broken(Engine("TST-01", of=family.rules).up(group), "TST-01")
    assert len(messages) == 2, "what it found before is said, and that it broke"
    assert any("the rule broke on it (ValueError in _breaks, line " in message for message in messages)
    assert not any(SECRET_TEXT in message for message in messages), "an exception's text may quote a secret"


def test_a_stack_rule_that_breaks_on_one_resource_judges_the_others() -> None:
    groups = [R(GROUP, name, {"description": SECRET_TEXT}) for name in ("first", "bad", "last")]
    messages = broken(Engine("TST-02", of=family.rules).up(*groups), "TST-02")
    assert [("judged all the same" in message, "broke" in message) for message in messages] == [
        (True, False),
        (False, True),
        (True, False),
    ]
    assert not any(SECRET_TEXT in message for message in messages)


# Exceptions.


def excused(**change: Any) -> ResourceException:
    values: dict[str, Any] = {
        "rule": "NET-01",
        "project": "emr-pipeline",
        "type": GROUP,
        "name": "web",
        "stacks": (),
        "reason": "The reason",
        "owner": "data-platform",
        "expires": date.today(),
    }
    return ResourceException(**{**values, **change})


def test_an_exception_excuses_one_rule_for_one_resource() -> None:
    assert Engine("NET-01", exceptions=[excused()]).up(OPEN) == []


@pytest.mark.parametrize(
    "change",
    [{"rule": "NET-03"}, {"type": "aws:ec2/vpc:Vpc"}, {"name": "other"}, {"stacks": ("prod",)}, {"project": "x"}],
    ids=["another rule", "another type", "another name", "another stack", "another project"],
)
def test_an_exception_excuses_nothing_else(change: dict[str, Any]) -> None:
    assert broken(Engine("NET-01", exceptions=[excused(**change)]).up(OPEN), "NET-01")


def test_an_expired_exception_excuses_nothing_and_is_reported() -> None:
    said = Engine("NET-01", exceptions=[excused(expires=date.today() - timedelta(days=1))]).up(OPEN)
    assert broken(said, "NET-01")
    assert "expired on" in broken(said, "GEN-06")[0]


def test_an_exception_that_excuses_nothing_is_reported() -> None:
    closed = R(GROUP, "web", {"ingress": []})
    assert "excuses nothing" in broken(Engine("NET-01", exceptions=[excused()]).up(closed), "GEN-06")[0]


@pytest.mark.parametrize("change", [{"stacks": ("prod",)}, {"project": "another"}], ids=["stack", "project"])
def test_an_exception_for_another_place_is_none_of_this_ones_business(change: dict[str, Any]) -> None:
    assert broken(Engine("NET-01", exceptions=[excused(**change)]).up(OPEN), "GEN-06") == []


def test_an_exception_holds_in_its_stacks() -> None:
    assert Engine("NET-01", exceptions=[excused(stacks=("prod", "test"))]).up(OPEN) == []


ENTRY = {
    "rule": "S3-07",
    "project": "emr-pipeline",
    "type": "aws:s3/bucket:Bucket",
    "name": "x",
    "stacks": [],
    "reason": "r",
    "owner": "o",
    "expires": "2030-01-31",
}


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({}, "exceptions:"),
        ([7], "exceptions[0]"),
        ([{**ENTRY, "more": 1}], "exceptions[0]"),
        ([ENTRY, {key: value for key, value in ENTRY.items() if key != "reason"}], "exceptions[1]"),
        ([{**ENTRY, "reason": " "}], "exceptions[0].reason"),
        ([{**ENTRY, "stacks": "prod"}], "exceptions[0].stacks"),
        ([{**ENTRY, "expires": "soon"}], "exceptions[0].expires"),
        ([{**ENTRY, "expires": None}], "exceptions[0].expires"),
    ],
)
def test_a_mistake_in_the_exceptions_is_named(document: Any, place: str) -> None:
    with pytest.raises(ExceptionsError) as error:
        parse_exceptions(document)
    assert str(error.value).startswith(place)


def test_exceptions_are_read() -> None:
    (parsed,) = parse_exceptions([ENTRY])
    assert (parsed.rule, parsed.name, parsed.expires) == ("S3-07", "x", date(2030, 1, 31))


def test_exceptions_may_stand_in_a_file_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ours.json"
    file.write_text(json.dumps([{**ENTRY, "name": "ours"}]), encoding="utf-8")
    monkeypatch.setenv("POLICY_EXCEPTIONS", str(file))
    assert [exception.name for exception in load_exceptions()] == ["ours"]
    file.write_text("{", encoding="utf-8")
    with pytest.raises(ExceptionsError, match="cannot be read as JSON"):
        load_exceptions()


# The summary.


def test_the_end_counts_violations_by_severity_and_what_was_excused() -> None:
    unsure = R(GROUP, "unsure", {"ingress": [{"cidrBlocks": [UNKNOWN]}]})
    other = R(GROUP, "other", dict(OPEN.inputs))
    said = Engine("NET-01", "NET-15", exceptions=[excused()]).run([OPEN, other, unsure], True)
    assert said[-1].rule == "GEN-07", "it comes last"
    assert said[-1].level == "advisory", "counting stops nothing"
    # NET-01 on one group (the other is excused); NET-15 on each group and each rule of it.
    assert "7 violations: 1 critical, 6 low; 1 not decided, 1 excused." in said[-1].message


def test_nothing_to_mend_needs_no_summary() -> None:
    assert broken(Engine("NET-01").up(R(GROUP, "closed", {"ingress": []})), "GEN-07") == []


# Remediation.

BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
TABLE = "aws:dynamodb/table:Table"


def test_no_rule_changes_anything_unless_it_is_told_to() -> None:
    assert Engine().remediate(R(BLOCK, "b", {"blockPublicAcls": False})) == {}
    info = Engine().servicer.GetAnalyzerInfo(None, None)
    assert not [p.name for p in info.policies if p.enforcementLevel == proto.EnforcementLevel.Value("REMEDIATE")]


def test_a_remediation_sets_the_one_right_value_and_leaves_the_rest() -> None:
    block = R(BLOCK, "b", {"bucket": UNKNOWN, "blockPublicAcls": False, "ignorePublicAcls": True})
    (changed,) = Engine("S3-11", levels={"S3-11": "remediate"}).remediate(block).values()
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert changed == {"bucket": UNKNOWN_STRING_VALUE, **dict.fromkeys(switches, True)}


def test_a_remediation_keeps_secrets_secret_and_sets_nested_values() -> None:
    function = R(
        "aws:lambda/function:Function",
        "f",
        {"environment": {"variables": {"A": Secret("xyzzy")}}, "tracingConfig": {"mode": "PassThrough"}},
    )
    (changed,) = Engine("LAM-03", levels={"LAM-03": "remediate"}).remediate(function).values()
    assert changed["tracingConfig"] == {"mode": "Active"}
    assert changed["environment"]["variables"]["A"] == {SPECIAL_SIG_KEY: SPECIAL_SECRET_SIG, "value": "xyzzy"}


def test_remediations_of_one_resource_follow_each_other() -> None:
    engine = Engine("DDB-02", "DDB-03", levels={"DDB-02": "remediate", "DDB-03": "remediate"})
    changed = list(engine.remediate(R(TABLE, "t", {"hashKey": "pk"})).values())
    assert changed[-1] == {"hashKey": "pk", "pointInTimeRecovery": {"enabled": True}, "deletionProtectionEnabled": True}


def test_what_is_fine_or_excused_is_left_alone() -> None:
    fine = R(BLOCK, "b", dict.fromkeys(("blockPublicAcls", "blockPublicPolicy"), True))
    keep = excused(rule="S3-11", type=BLOCK, name="b")
    assert Engine("S3-11", levels={"S3-11": "remediate"}, exceptions=[keep]).remediate(fine) == {}
    key = R("aws:kms/key:Key", "k", {"keyUsage": "SIGN_VERIFY"})
    assert Engine("KMS-01", levels={"KMS-01": "remediate"}).remediate(key) == {}


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.remedy], ids=lambda rule: rule.id)
def test_after_its_remediation_a_rule_finds_nothing(rule: Rule) -> None:
    for type in rule.remedy:
        (changed,) = Engine(rule.id, levels={rule.id: "remediate"}).remediate(_worst(rule, type)).values()
        assert broken(Engine(rule.id).up(R(type, "x", changed)), rule.id) == []


def _worst(rule: Rule, type: str) -> R:
    """A resource with the wrong value in every place that the remediation sets."""
    inputs: dict[str, Any] = {}
    for path, value in rule.remedy[type].items():
        *parents, last = path.split(".")
        inner = inputs
        for key in parents:
            inner = inner.setdefault(key, {})
        inner[last] = (not value) if isinstance(value, bool) else "ACCEPT"
    return R(type, "x", inputs)


def test_the_packs_own_exceptions_name_rules_that_exist() -> None:
    known = {rule.id: rule for rule in RULES}
    for exception in load_exceptions():
        assert exception.rule in known
        assert known[exception.rule].judges(exception.type)
