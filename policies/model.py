"""What a rule is, what it sees and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cached_property
from typing import Final, TypeAlias

from policies.controls import controls_of
from policies.plain import UNKNOWN, Plain, Unknown, at, listed, plain, text


class Severity(StrEnum):
    """How bad it is when the rule is broken; critical and high stop a deployment."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def stops(self) -> bool:
        """Whether a violation is mandatory to mend unless configured otherwise."""
        return self in (Severity.CRITICAL, Severity.HIGH)


@dataclass(frozen=True)
class Finding:
    """One fact that a rule found: broken (`decided`), or not decidable before the deployment."""

    where: str
    """Property, with indices, e.g. ``ingress[0].cidrBlocks[1]``; empty for the resource as a whole."""
    what: str
    """What is wrong, or what is not known; never a value that could be a secret."""
    decided: bool
    fix: str | None = None
    """How to mend it, where the rule's own advice does not fit."""


Findings: TypeAlias = Iterable[Finding]


def violation(where: str, what: str, fix: str | None = None) -> Finding:
    """A broken rule."""
    return Finding(where, what, decided=True, fix=fix)


def undecided(where: str, what: str = "is not known yet") -> Finding:
    """A fact that only the deployment will tell."""
    return Finding(where, what, decided=False)


class Resource:
    """A resource as a rule sees it: plain properties, and which resources each of them was made from."""

    def __init__(
        self,
        type: str,
        name: str,
        urn: str,
        properties: object,
        *,
        depends: Mapping[str, Sequence[str]] | None = None,
        parent: str | None = None,
        protect: bool = False,
        ignored: Sequence[str] = (),
        provider: object = None,
    ) -> None:
        """Keep what was given; properties are copied when first asked for.

        Args:
            type: Pulumi's token.
            name: Pulumi's name.
            urn: Identity in the stack.
            properties: Checked inputs (resource rules) or outputs (stack rules).
            depends: URNs by top-level property: what its value was made from. None for inputs, which the engine
                shows before it has told anybody about dependencies.
            parent: URN of the parent.
            protect: The ``protect`` option.
            ignored: The ``ignoreChanges`` option.
            provider: Properties of the provider.
        """
        self.type = type
        self.name = name
        self.urn = urn
        self.depends: Mapping[str, Sequence[str]] = depends or {}
        self.shows_outputs = depends is not None
        self.parent = parent
        self.protect = protect
        self.ignored = tuple(ignored)
        self._given = properties
        self._provider = provider

    @cached_property
    def properties(self) -> dict[str, Plain]:
        """All properties, as plain data."""
        copied = plain(self._given)
        return copied if isinstance(copied, dict) else {}

    @cached_property
    def provider(self) -> dict[str, Plain]:
        """The provider's properties, as plain data; empty when not told."""
        copied = plain(self._provider)
        return copied if isinstance(copied, dict) else {}

    @property
    def place(self) -> tuple[str, str]:
        """Project and stack, from the URN; empty when the URN has none."""
        parts = self.urn.split("::")
        return (parts[1], parts[0].rsplit(":", 1)[-1]) if len(parts) > 2 else ("", "")

    @property
    def stack(self) -> str:
        """Name of the stack."""
        return self.place[1]

    @property
    def label(self) -> str:
        """Name and type, as messages say them."""
        return f"{self.name} ({self.type})"

    def value(self, *path: str) -> Plain:
        """A property, see `policies.plain.at`."""
        return at(self.properties, *path)

    def text(self, *path: str) -> str | Unknown | None:
        """A property as text, see `policies.plain.text`."""
        return text(self.value(*path))

    def items(self, *path: str) -> list[Plain]:
        """A property as a list, see `policies.plain.listed`."""
        return listed(self.value(*path))

    def computed(self, name: str) -> bool:
        """Whether a property that is not known was left to the provider, rather than written by the program.

        In preview a provider's optional outputs are unknown when the program left them out. What the program wrote and
        is not known is made from another resource, and the engine says from which.
        """
        return self.shows_outputs and self.properties.get(name) is UNKNOWN and name not in self.depends


class Match(Enum):
    """Whether a property names a resource."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"


_IDENTITIES: Final[Mapping[str, tuple[str, ...]]] = {
    "aws:s3/bucket:Bucket": ("id", "bucket", "arn", "bucketDomainName", "bucketRegionalDomainName"),
    "aws:s3/bucketV2:BucketV2": ("id", "bucket", "arn", "bucketDomainName", "bucketRegionalDomainName"),
    "aws:kms/key:Key": ("id", "keyId", "arn"),
    "aws:kms/alias:Alias": ("id", "name", "arn"),
    "aws:sqs/queue:Queue": ("id", "url", "arn", "name"),
    "aws:lambda/function:Function": ("id", "name", "arn", "qualifiedArn", "invokeArn"),
    "aws:redshift/cluster:Cluster": ("id", "clusterIdentifier", "arn"),
}
_NAMED: Final = ("id", "arn", "name")
_BUCKETS: Final = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
_ALIKE: Final[Mapping[str, tuple[str, ...]]] = dict.fromkeys(_BUCKETS, _BUCKETS)
"""Types that stand in the same properties: a value that was made from another one of them names that one."""
_ARN_STARTS: Final[Mapping[str, tuple[str, str]]] = {
    "aws:s3/bucket:Bucket": ("s3", ""),
    "aws:s3/bucketV2:BucketV2": ("s3", ""),
    "aws:sfn/stateMachine:StateMachine": ("states", "stateMachine:"),
    "aws:sns/topic:Topic": ("sns", ""),
    "aws:sqs/queue:Queue": ("sqs", ""),
    "aws:lambda/function:Function": ("lambda", "function:"),
    "aws:cloudwatch/logGroup:LogGroup": ("logs", "log-group:"),
    "aws:dynamodb/table:Table": ("dynamodb", "table/"),
}
"""Service and start of the resource in ARNs that end in the name that the program gives: those can be written before
AWS gives them out."""


def _named_by_arn(value: str, target: Resource) -> bool:
    """Whether a text is the ARN of a resource whose own ARN is not known yet."""
    service, start = _ARN_STARTS.get(target.type, ("", ""))
    parts = value.removesuffix(":*").split(":", 5)
    if len(parts) < 6 or parts[2] != service or isinstance(target.text("arn"), str):
        return False
    return parts[5] in {f"{start}{target.text(key)}" for key in ("name", "bucket") if isinstance(target.text(key), str)}


class Stack:
    """All resources of a stack, and who refers to whom."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.resources = tuple(resources)
        self._by_urn = {resource.urn: resource for resource in self.resources}
        self._by_type: dict[str, list[Resource]] = {}
        for resource in self.resources:
            self._by_type.setdefault(resource.type, []).append(resource)
        self._children: dict[str, list[str]] = {}
        for resource in self.resources:
            if resource.parent:
                self._children.setdefault(resource.parent, []).append(resource.urn)

    def of(self, *types: str) -> Iterator[Resource]:
        """Resources of some types."""
        for name in types:
            yield from self._by_type.get(name, ())

    def refers(self, source: Resource, name: str, value: Plain, target: Resource, *, whole: bool = True) -> Match:
        """Whether a value in property `name` of `source` names `target`.

        Known values are compared with what identifies the target; unknown ones are decided by what the property was
        made from, also through a resource in between (``bucket=versioning.bucket``).

        Args:
            source: Who refers.
            name: Top-level property that holds the value: dependencies are recorded for those only.
            value: The value itself.
            target: Who may be meant.
            whole: Whether the property holds this value and nothing else, so that it names one resource at most.
        """
        made_from = source.depends.get(name, ())
        if value is UNKNOWN:
            nearest = self.nearest(made_from, _ALIKE.get(target.type, (target.type,)))
            if target.urn not in nearest:
                # AWS gives out ids of its own in EC2; elsewhere a name may be made of anything.
                elsewhere = nearest or (made_from and target.type.startswith(("aws:ec2/", "aws:vpc/")))
                return Match.NO if elsewhere else Match.MAYBE
            return Match.YES if len(nearest) == 1 or not whole else Match.MAYBE
        found = text(value)
        if found is None or found is UNKNOWN:
            return Match.NO
        identities = [target.text(key) for key in _IDENTITIES.get(target.type, _NAMED)]
        if found in identities:
            return Match.YES
        if _named_by_arn(found, target):
            return Match.YES
        if target.urn in made_from and not any(isinstance(identity, str) for identity in identities):
            return Match.YES
        return Match.NO

    def nearest(self, urns: Iterable[str], types: Sequence[str]) -> set[str]:
        """URNs of the nearest resources of some types that a value was made from.

        Directly, or through others: what those were made from, and what a component holds.
        """
        level = [self._by_urn[urn] for urn in urns if urn in self._by_urn]
        seen = {resource.urn for resource in level}
        while level:
            found = {resource.urn for resource in level if resource.type in types}
            if found:
                return found
            further = {urn for resource in level for made_from in resource.depends.values() for urn in made_from}
            further |= {urn for resource in level for urn in self._children.get(resource.urn, ())}
            level = [self._by_urn[urn] for urn in further - seen if urn in self._by_urn]
            seen |= further
        return set()

    def referring(self, target: Resource, name: str, *types: str) -> tuple[list[Resource], list[Resource]]:
        """Resources of some types whose property `name` names `target`: for certain, and possibly."""
        certain: list[Resource] = []
        possible: list[Resource] = []
        for source in self.of(*types):
            match = self.refers(source, name, source.value(name), target)
            if match is Match.YES:
                certain.append(source)
            elif match is Match.MAYBE:
                possible.append(source)
        return certain, possible

    def named(
        self, source: Resource, name: str, values: Sequence[Plain], *types: str, whole: bool = False
    ) -> tuple[list[Resource], bool]:
        """Resources of some types that values in property `name` name, and whether that is all of them.

        The second part is False when a value names something that is not known yet, or not in the stack.
        """
        found: list[Resource] = []
        complete = True
        for value in values:
            if value is None or text(value) is None:
                continue
            matches = [
                target
                for target in self.of(*types)
                if self.refers(source, name, value, target, whole=whole) is Match.YES
            ]
            complete = complete and bool(matches)
            found.extend(match for match in matches if match not in found)
        return found, complete


Settings: TypeAlias = Mapping[str, Plain]


@dataclass(frozen=True)
class Setting:
    """A setting of a rule: its JSON schema, as the engine checks it, and its default."""

    schema: Mapping[str, Plain]
    default: Plain
    meaning: str


Remedy: TypeAlias = Mapping[str, Mapping[str, Plain]]
"""By type token: values by dotted path of the property."""
ResourceCheck: TypeAlias = Callable[[Resource, Settings], Findings]
StackCheck: TypeAlias = Callable[[Resource, Stack, Settings], Findings]


@dataclass(frozen=True)
class Rule:
    """A rule of the pack.

    A resource rule decides from a resource's own inputs, before it is made. A stack rule decides for each of its
    resources with the whole stack at hand; at ``up`` that is after creation, so it protects through the preview.
    """

    id: str
    name: str
    title: str
    severity: Severity
    types: frozenset[str]
    """Type tokens of the resources that it judges; empty for all."""
    fix: str
    source: str
    """Where the rule comes from: a page of the AWS documentation, or the provider's behaviour."""
    frameworks: tuple[str, ...] = ()
    """The same demand in public rule sets, e.g. ``checkov CKV_AWS_24``."""
    settings: Mapping[str, Setting] = field(default_factory=dict)
    enabled: bool = True
    remedy: Remedy = field(default_factory=dict)
    """The one right value of each property that a remediation sets, by type; see `adapter`. Off by default."""
    resource_check: ResourceCheck | None = None
    stack_check: StackCheck | None = None

    @property
    def policy_name(self) -> str:
        """Name of the Pulumi policy, e.g. ``net-01-sg-no-public-ingress``."""
        return f"{self.id.lower()}-{self.name}"

    @property
    def family(self) -> str:
        """First part of the id, e.g. ``NET``."""
        return self.id.split("-")[0]

    def judges(self, type: str) -> bool:
        """Whether the rule looks at resources of a type."""
        return not self.types or type in self.types


class Family:
    """The rules of one module, in the order of their definition."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.rules: list[Rule] = []

    def resource_rule(
        self,
        id: str,
        name: str,
        title: str,
        severity: Severity,
        types: Sequence[str],
        *,
        fix: str,
        source: str,
        frameworks: Sequence[str] = (),
        settings: Mapping[str, Setting] | None = None,
        enabled: bool = True,
        remedy: Remedy | None = None,
    ) -> Callable[[ResourceCheck], ResourceCheck]:
        """Register a check of a resource's inputs."""

        def register(check: ResourceCheck) -> ResourceCheck:
            self.rules.append(
                Rule(
                    id,
                    name,
                    title,
                    severity,
                    frozenset(types),
                    fix,
                    source,
                    (*frameworks, *controls_of(id)),
                    settings or {},
                    enabled,
                    remedy or {},
                    resource_check=check,
                )
            )
            return check

        return register

    def stack_rule(
        self,
        id: str,
        name: str,
        title: str,
        severity: Severity,
        types: Sequence[str],
        *,
        fix: str,
        source: str,
        frameworks: Sequence[str] = (),
        settings: Mapping[str, Setting] | None = None,
        enabled: bool = True,
    ) -> Callable[[StackCheck], StackCheck]:
        """Register a check of resources with the whole stack at hand."""

        def register(check: StackCheck) -> StackCheck:
            self.rules.append(
                Rule(
                    id,
                    name,
                    title,
                    severity,
                    frozenset(types),
                    fix,
                    source,
                    (*frameworks, *controls_of(id)),
                    settings or {},
                    enabled,
                    stack_check=check,
                )
            )
            return check

        return register
