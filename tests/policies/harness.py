"""Runs the pack through the SDK's own servicer, on requests made from plain resources.

A resource is written once, with references to other resources. `Engine.up` and `Engine.preview` show it to the pack as
the engine does at those moments: at `up` ids and ARNs are known; in preview they are not, and only the property
dependencies tell what a value was made from.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format, struct_pb2
from pulumi.runtime import proto
from pulumi_policy import EnforcementLevel
from pulumi_policy.deserialize import SPECIAL_SECRET_SIG, SPECIAL_SIG_KEY, deserialize_properties
from pulumi_policy.policy import _PolicyAnalyzerServicer  # type: ignore[attr-defined]
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from policies.adapter import pulumi_policies
from policies.exceptions import ResourceException
from policies.model import Resource, Rule
from policies.registry import RULES

ACCOUNT = "111122223333"
REGION = "eu-west-1"


class UnknownMarker:
    """A value that the engine does not know, and does not say what it is made from."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = UnknownMarker()


@dataclass(frozen=True)
class Secret:
    """A value that the program marked as a secret."""

    value: Any


@dataclass(frozen=True)
class Reference:
    """An output of another resource, as text or inside one."""

    target: R
    property: str
    form: str = "{}"


@dataclass(eq=False)
class R:
    """A resource of a program: its inputs, which may hold references, and what the provider adds."""

    type: str
    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """Outputs beside id and ARN: known at `up` only."""
    computed: Sequence[str] = ()
    """Optional outputs that the program left to the provider: unknown in preview, empty at `up`."""
    protect: bool = False
    ignore_changes: Sequence[str] = ()
    provider: Mapping[str, Any] | None = None
    stack: str = "test"
    parent: str = ""
    """URN of the parent."""
    late: Mapping[str, Any] | None = None
    """The inputs in preview, where they are not told by references."""
    depends: Mapping[str, Sequence[str]] | None = None
    """URNs behind each input, where they are not told by references."""

    @property
    def urn(self) -> str:
        return f"urn:pulumi:{self.stack}::emr-pipeline::{self.type}::{self.name}"

    def ref(self, property: str = "id", form: str = "{}") -> Reference:
        return Reference(self, property, form)

    def output(self, property: str) -> Any:
        """What an output holds at `up`."""
        if property in self.outputs:
            return self.outputs[property]
        kind = self.type.rsplit(":", 1)[-1]
        physical = self.inputs.get("bucket") if kind.startswith("Bucket") else self.inputs.get("name")
        physical = physical if isinstance(physical, str) else f"{self.name}-0a1b2c3"
        if property == "arn":
            service = self.type.split(":")[1].split("/")[0]
            return f"arn:aws:s3:::{physical}" if service == "s3" else f"arn:aws:{service}:{REGION}:{ACCOUNT}:{physical}"
        if property in ("bucket", "name"):
            return physical
        if property == "id":
            prefix = {"Vpc": "vpc", "Subnet": "subnet", "SecurityGroup": "sg", "InternetGateway": "igw"}.get(kind)
            return f"{prefix}-{self.name}" if prefix else physical
        return f"{property}-of-{self.name}"


@dataclass(frozen=True)
class Said:
    """One diagnostic of the pack."""

    policy: str
    message: str
    level: str
    urn: str

    @property
    def rule(self) -> str:
        return "-".join(self.policy.split("-")[:2]).upper()


def _resolve(value: Any, known: bool) -> Any:
    """A value as the engine sends it."""
    if isinstance(value, UnknownMarker):
        return UNKNOWN_STRING_VALUE
    if isinstance(value, Secret):
        return {SPECIAL_SIG_KEY: SPECIAL_SECRET_SIG, "value": _resolve(value.value, known)}
    if isinstance(value, Reference):
        return value.form.format(value.target.output(value.property)) if known else UNKNOWN_STRING_VALUE
    if isinstance(value, Mapping):
        return {key: _resolve(item, known) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_resolve(item, known) for item in value]
    return value


def _references(value: Any) -> Iterable[R]:
    if isinstance(value, Reference):
        yield value.target
    elif isinstance(value, Secret):
        yield from _references(value.value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _references(item)


def _inputs(resource: R, known: bool) -> Mapping[str, Any]:
    return resource.inputs if known or resource.late is None else resource.late


def _outputs(resource: R, known: bool) -> dict[str, Any]:
    outputs = dict(_resolve(_inputs(resource, known), known))
    standard = {"id": resource.output("id"), "arn": resource.output("arn"), **resource.outputs}
    for name in resource.computed:
        outputs.setdefault(name, resource.outputs.get(name, []) if known else UNKNOWN_STRING_VALUE)
    for name, value in standard.items():
        outputs.setdefault(name, _resolve(value, True) if known else UNKNOWN_STRING_VALUE)
    return outputs


def _depends(resource: R) -> dict[str, list[str]]:
    """URNs behind each input; as with the engine, an input that is made from nothing has no entry."""
    depends = resource.depends
    if depends is None:
        depends = {name: [target.urn for target in _references(value)] for name, value in resource.inputs.items()}
    return {name: sorted(set(urns)) for name, urns in depends.items() if urns}


@functools.cache
def as_resource(resource: R, known: bool) -> Resource:
    """A resource's outputs as stack rules see them, without going through the SDK."""
    return Resource(
        resource.type,
        resource.name,
        resource.urn,
        deserialize_properties(_outputs(resource, known)),
        depends=_depends(resource),
        parent=resource.parent or None,
        protect=resource.protect,
        ignored=resource.ignore_changes,
        provider=resource.provider,
    )


def as_input(resource: R, known: bool) -> Resource:
    """A resource's inputs as resource rules see them, without going through the SDK."""
    return Resource(
        resource.type,
        resource.name,
        resource.urn,
        deserialize_properties(_resolve(_inputs(resource, known), known)),
        protect=resource.protect,
        ignored=resource.ignore_changes,
        provider=resource.provider,
    )


def _struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    json_format.ParseDict(dict(values), struct)
    return struct


def _options(resource: R) -> proto.AnalyzerResourceOptions:
    return proto.AnalyzerResourceOptions(protect=resource.protect, ignoreChanges=list(resource.ignore_changes))


def _provider(resource: R) -> proto.AnalyzerProviderResource | None:
    if resource.provider is None:
        return None
    return proto.AnalyzerProviderResource(
        type="pulumi:providers:aws", properties=_struct(_resolve(resource.provider, True)), urn="urn", name="aws"
    )


class Engine:
    """The pack as the engine runs it."""

    def __init__(
        self,
        *rules: str,
        config: Mapping[str, Mapping[str, Any]] | None = None,
        exceptions: Sequence[ResourceException] = (),
        of: Sequence[Rule] = RULES,
        levels: Mapping[str, str] | None = None,
    ) -> None:
        """Serve the named rules (by id), or all."""
        chosen = [rule for rule in of if not rules or rule.id in rules]
        assert chosen, f"no rule {rules}"
        self.policies = list(pulumi_policies(chosen, exceptions))
        self.servicer = _PolicyAnalyzerServicer("emr-pipeline", "1", self.policies, EnforcementLevel.ADVISORY)
        request = proto.ConfigureAnalyzerRequest()
        by_id = {rule.id: rule for rule in chosen}
        for rule in chosen:
            values = (config or {}).get(rule.id)
            forced = (levels or {}).get(rule.id) or ("advisory" if rules and not rule.enabled else None)
            if values is None and forced is None:
                continue
            entry = request.policyConfig[by_id[rule.id].policy_name]
            level = forced or ("mandatory" if rule.severity.stops else "advisory")
            entry.enforcementLevel = proto.EnforcementLevel.Value(level.upper())
            entry.properties.CopyFrom(_struct(values or {}))
        self.servicer.Configure(request, None)

    def analyze(self, resource: R, known: bool) -> list[Said]:
        """One resource's checked inputs."""
        request = proto.AnalyzeRequest(
            type=resource.type,
            properties=_struct(_resolve(_inputs(resource, known), known)),
            urn=resource.urn,
            name=resource.name,
            options=_options(resource),
            provider=_provider(resource),
        )
        return _said(self.servicer.Analyze(request, None))

    def remediate(self, resource: R) -> dict[str, dict[str, Any]]:
        """What remediations make of one resource's inputs, by rule, in the order in which they change it."""
        request = proto.AnalyzeRequest(
            type=resource.type,
            properties=_struct(_resolve(resource.inputs, False)),
            urn=resource.urn,
            name=resource.name,
            options=_options(resource),
            provider=_provider(resource),
        )
        response = self.servicer.Remediate(request, None)
        assert not any(change.diagnostic for change in response.remediations), "a remediation gave up"
        return {change.policyName: json_format.MessageToDict(change.properties) for change in response.remediations}

    def analyze_stack(self, resources: Sequence[R], known: bool) -> list[Said]:
        """All resources' outputs."""
        request = proto.AnalyzeStackRequest()
        for resource in resources:
            entry = request.resources.add(
                type=resource.type,
                properties=_struct(_outputs(resource, known)),
                urn=resource.urn,
                name=resource.name,
                options=_options(resource),
                provider=_provider(resource),
                parent=resource.parent,
            )
            for name, urns in _depends(resource).items():
                entry.propertyDependencies[name].urns.extend(urns)
        return _said(self.servicer.AnalyzeStack(request, None))

    def run(self, resources: Sequence[R], known: bool) -> list[Said]:
        """Everything that the pack says, about each resource and then about the stack."""
        said = [word for resource in resources for word in self.analyze(resource, known)]
        return said + self.analyze_stack(resources, known)

    def up(self, *resources: R) -> list[Said]:
        """What the pack says at an update: all is known."""
        return self.run(resources, True)

    def preview(self, *resources: R) -> list[Said]:
        """What the pack says before resources exist."""
        return self.run(resources, False)


def _said(response: proto.AnalyzeResponse) -> list[Said]:
    return [
        Said(
            diagnostic.policyName,
            diagnostic.message,
            proto.EnforcementLevel.Name(diagnostic.enforcementLevel).lower(),
            diagnostic.urn,
        )
        for diagnostic in response.diagnostics
    ]


def broken(said: Iterable[Said], rule: str) -> list[str]:
    """Messages of one rule's violations."""
    return [word.message for word in said if word.rule == rule]


def undecided(said: Iterable[Said], rule: str) -> int:
    """How many facts GEN-05 counts as undecided for a rule."""
    for word in said:
        if word.rule == "GEN-05":
            match = re.search(rf"{re.escape(rule)} \((\d+)\)", word.message)
            if match:
                return int(match.group(1))
    return 0


def verdict(rule: str, *resources: R, known: bool, **options: Any) -> str:
    """``broken``, ``undecided`` or ``fine``: what one rule says of a stack."""
    said = Engine(rule, **options).run(resources, known)
    messages = broken(said, rule)
    assert not any("the rule broke on it" in message for message in messages), messages
    assert not any("can't run policy" in message for message in messages), messages
    if messages:
        return "broken"
    return "undecided" if undecided(said, rule) else "fine"
