"""The SDK reads each resource once, and the policies see the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pulumi_policy.policy as sdk
import pytest

from policies.decoding import decode_once
from policies.registry import RULES
from tests.policies.harness import UNKNOWN, Engine, R, Secret


@pytest.fixture
def _sdk_restored() -> Iterator[None]:
    """Put the SDK's own methods back."""
    servicer: Any = sdk._PolicyAnalyzerServicer
    before = dict(vars(servicer))
    yield
    for name in set(vars(servicer)) - set(before):
        delattr(servicer, name)
    for name, value in before.items():
        if callable(value):
            setattr(servicer, name, value)


def resources() -> list[R]:
    opened = [{"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": [UNKNOWN, Secret("0.0.0.0/0")]}]
    groups = [
        R("aws:ec2/securityGroup:SecurityGroup", f"group-{n}", {"ingress": opened}, provider={"region": "eu-west-1"})
        for n in range(5)
    ]
    return [*groups, *(R("aws:s3/bucket:Bucket", f"bucket-{n}", {"bucket": f"b{n}"}) for n in range(5))]


@pytest.mark.usefixtures("_sdk_restored")
@pytest.mark.parametrize("known", [True, False])
def test_the_pack_says_the_same(known: bool) -> None:
    config = {"NET-01": {"ipv4Prefix": 8}}
    before = Engine(config=config).run(resources(), known)
    decode_once()
    assert Engine(config=config).run(resources(), known) == before
    assert before


@pytest.mark.usefixtures("_sdk_restored")
def test_each_message_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Any] = []
    original = sdk.json_format.MessageToDict

    class Counting:
        @staticmethod
        def MessageToDict(message: Any) -> Any:
            decoded.append(message)
            return original(message)

    monkeypatch.setattr(sdk, "json_format", Counting)
    decode_once()
    engine = Engine()
    decoded.clear()
    shown = resources()
    engine.run(shown, True)
    providers = sum(resource.provider is not None for resource in shown)
    assert len(decoded) == 2 * (len(shown) + providers), "once before each resource is made, and once after all are"


@pytest.mark.usefixtures("_sdk_restored")
def test_it_is_done_only_once() -> None:
    decode_once()
    servicer: Any = sdk._PolicyAnalyzerServicer
    first = servicer.Analyze
    decode_once()
    assert servicer.Analyze is first


@pytest.mark.usefixtures("_sdk_restored")
def test_an_sdk_without_these_methods_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    servicer: Any = sdk._PolicyAnalyzerServicer
    monkeypatch.delattr(servicer, "_get_policy_config")
    before = servicer.Analyze
    decode_once()
    assert servicer.Analyze is before


@pytest.mark.usefixtures("_sdk_restored")
def test_policies_of_others_get_copies_of_their_own() -> None:
    decode_once()
    given: list[Any] = []
    others = [
        sdk.ResourceValidationPolicy(
            name, "Keeps.", lambda args, _: given.append(args.props), sdk.EnforcementLevel.ADVISORY
        )
        for name in ("one", "other")
    ]
    engine = Engine()
    servicer: Any = engine.servicer
    servicer._PolicyAnalyzerServicer__policies.extend(others)
    engine.analyze(resources()[0], True)
    one, other = given
    assert one is not other, "they may write to what they get"


@pytest.mark.usefixtures("_sdk_restored")
def test_the_runtime_is_configured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    configured: list[Any] = []
    monkeypatch.setattr(sdk._PolicyAnalyzerServicer, "_configure_runtime_settings", configured.append)
    decode_once()
    engine = Engine()
    engine.run(resources(), True)
    assert len(configured) == 1


def _asked(monkeypatch: pytest.MonkeyPatch, method: str) -> list[str]:
    """Names of the policies that `method` (``validate`` or ``remediate``) of any policy is asked of, as it goes."""
    asked: list[str] = []
    original = getattr(sdk.ResourceValidationPolicy, method)

    def noting(self: Any, *arguments: Any) -> Any:
        asked.append(self.name)
        return original(self, *arguments)

    monkeypatch.setattr(sdk.ResourceValidationPolicy, method, noting)
    return asked


@pytest.mark.usefixtures("_sdk_restored")
def test_only_policies_of_the_type_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    decode_once()
    engine = Engine()
    asked = _asked(monkeypatch, "validate")
    (bucket,) = [resource for resource in resources() if resource.name == "bucket-0"]
    engine.analyze(bucket, True)
    judging = {
        rule.policy_name
        for rule in RULES
        if rule.resource_check is not None and rule.enabled and rule.judges(bucket.type)
    }
    assert set(asked) - {"keeps-its-arguments"} == judging, "each that judges buckets, and no other"
    assert len(judging) < len(RULES) / 2


@pytest.mark.usefixtures("_sdk_restored")
def test_a_remediation_is_asked_for_where_a_stack_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    decode_once()
    open_bucket = R("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "open", {"blockPublicAcls": False})
    asked = _asked(monkeypatch, "remediate")
    assert Engine().remediate(open_bucket) == {}, "no policy may change anything by default"
    assert not asked, "so none is asked"
    changed = Engine(levels={"S3-11": "remediate"}).remediate(open_bucket)
    assert [values["blockPublicAcls"] for values in changed.values()] == [True], "one may now, and does"
