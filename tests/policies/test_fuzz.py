"""No resource, however broken, makes a rule break; and rules read only what the provider has."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator
from typing import Any

import pulumi
import pulumi_aws
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.adapter import judge, settings_of
from policies.model import Resource, Rule, Stack
from policies.plain import UNKNOWN
from policies.registry import RULES
from tests.policies import (
    test_access,
    test_buckets,
    test_data,
    test_emr,
    test_functions,
    test_general,
    test_keys,
    test_messaging,
    test_network,
    test_secret_texts,
    test_stores,
)
from tests.policies.cases import Case
from tests.policies.harness import R, Reference, UnknownMarker
from tests.policies.harness import Secret as MarkedSecret

MODULES = (
    test_access,
    test_buckets,
    test_data,
    test_emr,
    test_functions,
    test_general,
    test_keys,
    test_messaging,
    test_network,
    test_secret_texts,
    test_stores,
)
CASES: list[Case] = [case for module in MODULES for case in module.CASES]


def plain(value: Any) -> Any:
    """A case's value as a rule sees it at `up`."""
    if isinstance(value, UnknownMarker):
        return UNKNOWN
    if isinstance(value, MarkedSecret):
        return plain(value.value)
    if isinstance(value, Reference):
        return value.form.format(value.target.output(value.property))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


class Recorder(dict[str, Any]):
    """An object that notes which members are asked for."""

    def __init__(self, path: tuple[str, ...], seen: set[tuple[str, ...]], values: dict[str, Any]) -> None:
        self.path, self.seen = path, seen
        super().__init__({key: recording(value, (*path, key), seen) for key, value in values.items()})

    def get(self, key: str, default: Any = None) -> Any:
        self.seen.add((*self.path, key))
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.seen.add((*self.path, key))
        return super().__getitem__(key)


def recording(value: Any, path: tuple[str, ...], seen: set[tuple[str, ...]]) -> Any:
    if isinstance(value, dict):
        return Recorder(path, seen, value)
    return [recording(item, path, seen) for item in value] if isinstance(value, list) else value


class RecordingResource(Resource):
    """A resource that notes which properties rules ask for."""

    def __init__(self, resource: R, outputs: bool, seen: dict[str, set[tuple[str, ...]]]) -> None:
        super().__init__(resource.type, resource.name, resource.urn, {}, depends={} if outputs else None)
        values = {**plain(dict(resource.inputs)), **(plain(dict(resource.outputs)) if outputs else {})}
        self.__dict__["properties"] = recording(values, (), seen.setdefault(resource.type, set()))


@functools.cache
def resource_classes() -> dict[str, type]:
    """The provider's resources, by type token."""
    found: dict[str, type] = {}
    wanted = {name for rule in RULES for name in rule.types} | {r.type for case in CASES for r in case.resources}
    modules = {name.split(":")[1].split("/")[0] for name in wanted if name.startswith("aws:")}
    for info in pkgutil.iter_modules(pulumi_aws.__path__):
        if info.name.rstrip("_") not in modules:
            continue
        module = importlib.import_module(f"pulumi_aws.{info.name}")
        assert module._utilities  # the provider's modules load when an attribute is asked for
        for name in dir(module):
            member = getattr(module, name)
            token = getattr(member, "pulumi_type", None)
            if inspect.isclass(member) and issubclass(member, pulumi.CustomResource) and isinstance(token, str):
                found[token] = member
    return found


def members_of(owner: Any) -> dict[str, Any]:
    """Wire names of a resource's or nested type's members, with their annotations."""
    found: dict[str, Any] = {}
    for name, member in vars(owner).items():
        if isinstance(member, property) and member.fget is not None:
            wire = getattr(member.fget, "_pulumi_name", name)
            found[wire] = member.fget.__annotations__.get("return")
    return found


def nested_types(annotation: Any, module: Any) -> Iterator[type]:
    """The nested types that an annotation names."""
    if isinstance(annotation, str):
        space = {**vars(typing), "pulumi": pulumi, "_builtins": __builtins__, **vars(module)}
        try:
            annotation = eval(annotation, space)
        except Exception:
            return
    for argument in typing.get_args(annotation):
        yield from nested_types(argument, module)
    if (inspect.isclass(annotation) and "outputs" in getattr(annotation, "__module__", "")) or (
        inspect.isclass(annotation) and getattr(annotation, "__module__", "").startswith("pulumi_aws")
    ):
        yield annotation


# Read of every type because the rule is about every type, or held by a document rather than by the provider.
GENERAL = {"region", "id", "name", "bucket", "arn", "tags", "tagsAll"}
DOCUMENTS = {"configuration", "policy", "assumeRolePolicy", "inlinePolicy", "dimensions", "defaultTags"}


def test_every_type_token_is_one_of_the_providers() -> None:
    classes = resource_classes()
    tokens = {name for rule in RULES for name in rule.types}
    assert not (unknown := sorted(name for name in tokens if name not in classes)), f"the provider knows no {unknown}"


@functools.cache
def properties_read() -> dict[str, set[tuple[str, ...]]]:
    """All properties that the rules read while judging the cases, by type."""
    seen: dict[str, set[tuple[str, ...]]] = {}
    by_id = {rule.id: rule for rule in RULES}
    for case in CASES:
        rule = by_id[case.rule]
        outputs = rule.stack_check is not None
        resources = [RecordingResource(resource, outputs, seen) for resource in case.resources]
        stack = Stack(resources) if outputs else None
        for resource in resources:
            if rule.judges(resource.type):
                judge(rule, resource, stack, settings_of(rule, case.config))
    return seen


def test_every_property_that_rules_read_is_one_of_the_providers() -> None:
    classes = resource_classes()
    wrong: list[str] = []
    for token, paths in properties_read().items():
        if token not in classes:
            continue
        top = members_of(classes[token])
        module = importlib.import_module(classes[token].__module__)
        for path in sorted(paths):
            if path[0] in GENERAL or path[0] in DOCUMENTS:
                continue
            if path[0] not in top:
                wrong.append(f"{token} {'.'.join(path)}")
                continue
            owners, owner_module = list(nested_types(top[path[0]], module)), module
            for key in path[1:]:
                # A free map has no nested type; what is in it is the program's.
                if not owners or key in DOCUMENTS:
                    break
                annotations = [members_of(owner) for owner in owners]
                if not any(key in members for members in annotations):
                    wrong.append(f"{token} {'.'.join(path)}")
                    break
                owner_module = importlib.import_module(owners[0].__module__)
                owners = [
                    inner
                    for members in annotations
                    if key in members
                    for inner in nested_types(members[key], owner_module)
                ]
    assert not wrong, "rules read what no resource has: " + "; ".join(wrong)


def test_rules_read_what_they_judge() -> None:
    read = properties_read()
    assert len(read) > 60, "the recorder must see the rules at work"
    assert ("ingress", "cidrBlocks") in read["aws:ec2/securityGroup:SecurityGroup"]


LEAF = (
    st.none()
    | st.booleans()
    | st.integers(-2, 70000)
    | st.floats(allow_nan=True)
    | st.just(UNKNOWN)
    | st.sampled_from(
        [
            "",
            "*",
            "0.0.0.0/0",
            "::/0",
            "{",
            "[]",
            "{}",
            "Enabled",
            "aws:kms",
            "alias/aws/s3",
            "arn:aws:iam::aws:policy/x",
            "arn:",
            "-1",
            "true",
            "s3://b/x",
            "emr-6.9.0",
            "AKIAIOSFODNN7EXAMPLE",
            "password=x",
            '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}',
        ]
    )
    | st.text(max_size=12)
)
KEYS = st.deferred(
    lambda: st.sampled_from(sorted({key for paths in properties_read().values() for path in paths for key in path}))
)
VALUE = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def _broken(rule: Rule, resource: Resource, stack: Stack | None) -> list[str]:
    findings = judge(rule, resource, stack, settings_of(rule, None))
    return [f"{rule.id}: {finding.what}" for finding in findings if "the rule broke on it" in finding.what]


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_no_resource_breaks_a_rule(rule: Rule, data: st.DataObject) -> None:
    types = sorted(rule.types) or ["aws:lambda/function:Function", "aws:ssm/parameter:Parameter"]
    others = sorted(properties_read())
    resources: list[Resource] = []
    for index in range(3):
        type = data.draw(st.sampled_from(types if index == 0 else others))
        names = sorted({path[0] for path in properties_read().get(type, ())} | {"name"})
        properties = data.draw(st.dictionaries(st.sampled_from(names), VALUE, max_size=6))
        urns = [resource.urn for resource in resources]
        depends = dict.fromkeys(data.draw(st.lists(st.sampled_from(names), max_size=2)), urns)
        resources.append(
            Resource(type, f"r{index}", f"urn:{index}", properties, depends=depends, ignored=["", "[0]", "*"])
        )
    stack = Stack(resources)
    for resource in resources:
        if rule.judges(resource.type):
            assert not _broken(rule, resource, stack)


def _mutations(value: Any) -> Iterator[Any]:
    """A good value with one part replaced by something that does not belong there."""
    yield from (UNKNOWN, None, "", 7, [], {}, [None], [UNKNOWN], "{")
    if isinstance(value, dict):
        for key, item in value.items():
            yield {other: part for other, part in value.items() if other != key}
            for changed in _mutations(item):
                yield {**value, key: changed}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for changed in _mutations(item):
                yield [*value[:index], changed, *value[index + 1 :]]


@pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
def test_no_part_of_a_case_breaks_a_rule(rule: Rule) -> None:
    tried = 0
    for case in [case for case in CASES if case.rule == rule.id][:25]:
        values = [plain(dict(resource.inputs)) for resource in case.resources]
        for index, resource in enumerate(case.resources):
            for number, mutated in enumerate(_mutations(values[index])):
                if number >= 80 or not isinstance(mutated, dict):
                    continue
                made = [
                    Resource(
                        other.type, other.name, other.urn, mutated if place == index else values[place], depends={}
                    )
                    for place, other in enumerate(case.resources)
                ]
                stack = Stack(made)
                for judged in made if rule.stack_check else [made[index]]:
                    if rule.judges(judged.type):
                        tried += 1
                        assert not _broken(rule, judged, stack), f"{case.title}: {resource.name} as {mutated}"
    assert tried, "every rule has cases to change"
