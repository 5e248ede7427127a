"""The form of a table entry: everything that makes a resource type of its own, declared in one place.

`ResourceType` is that entry. Its functions make real AWS calls through `Operation.client`; all the rest (names, tags,
checks, comparison, preview, secrets, what replaces) is data that the servicer works with.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sandbox.documents import DocumentCheck
from sandbox.providers.clients import AwsClients, error_code
from sandbox.providers.comparison import Comparison
from sandbox.providers.naming import AutoName
from sandbox.providers.values import Rule

Inputs = Mapping[str, Any]
"""Checked inputs by Pulumi's camelCase names, without secret marks, absent ones left out."""
State = dict[str, Any]
"""Outputs by Pulumi's camelCase names."""


class CancelledError(RuntimeError):
    """The engine asked to stop."""


@dataclass
class Operation:
    """What a table entry's function works with: which resource, and the AWS it lives in."""

    urn: str
    name: str
    type: str
    region: str
    directory: Path
    """Where relative asset paths start."""
    clients: AwsClients
    account: str = ""
    partition: str = "aws"
    timeout: float = 0
    """Seconds that the program allows (customTimeouts); 0 for the type's own."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    created_id: str | None = None

    def client(self, service: str) -> Any:
        """The boto3 client of a service, in the resource's region."""
        return self.clients.get(service, self.region)

    def created(self, identifier: str) -> None:
        """Say that the resource exists from now on: if a later call fails, the engine still knows it."""
        self.created_id = identifier

    def wait(self, look: Callable[[], bool], *, what: str, seconds: float, interval: float = 0.5) -> None:
        """Look again and again until it is so.

        Raises:
            TimeoutError: after the program's timeout, or `seconds` when it sets none.
            CancelledError: when the engine stops.
        """
        allowed = self.timeout or seconds
        end = time.monotonic() + allowed
        while not look():
            if time.monotonic() >= end:
                raise TimeoutError(f"waited {allowed:.0f} s for {what}")
            if self.cancelled.wait(interval):
                raise CancelledError(f"stopped while waiting for {what}")

    def arn(self, service: str, resource: str) -> str:
        """ARN of a resource of this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True)
class Created:
    """What `ResourceType.create` may return beside a plain id: the id with state that no read gives."""

    id: str
    state: State = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Change:
    """What an update works from."""

    id: str
    old: State
    """Outputs before."""
    inputs: Inputs
    """Inputs now."""
    old_inputs: Inputs
    changed: frozenset[str]
    """Top-level inputs that differ."""

    def any(self, *names: str) -> bool:
        """Whether one of the inputs differs."""
        return bool(self.changed.intersection(names))


@dataclass(frozen=True)
class Tagging:
    """How tags of an existing resource change."""

    add: Callable[[Operation, str, State, dict[str, str]], None]
    remove: Callable[[Operation, str, State, list[str]], None]


@dataclass(frozen=True)
class ResourceType:
    """A resource type: the one entry that the table needs for it.

    Property names are Pulumi's camelCase ones; paths leave out indices (``rules.filter``).
    """

    token: str
    """``aws:s3/bucket:Bucket``."""
    handles: frozenset[str]
    """Inputs that the functions act on. Others of the SDK's are refused by name instead of being ignored."""
    create: Callable[[Operation, Inputs], str | Created]
    """Make it; returns the id that the provider would give. Calls `Operation.created` as soon as it exists when more
    calls follow."""
    read: Callable[[Operation, str, State], State | None] | None
    """Outputs as AWS has them now, from the id and the outputs known before (empty on import); None when it is gone.
    A type without read keeps its state."""
    delete: Callable[[Operation, str, State], None]
    """Remove it; already gone (by precise error code, see `gone`) is fine."""
    source: str
    """Where `replaces` and `defaults` come from: the provider's own source."""
    update: Callable[[Operation, Change], None] | None = None
    """Change it in place; a type without one is replaced by any change but of tags."""
    replaces: frozenset[str] = frozenset()
    """Paths whose change means a new resource; each includes everything below it."""
    replaces_kind: frozenset[str] = frozenset()
    """Paths that mean a new resource when they come or go, but change in place (a rule's kind of source)."""
    in_place: frozenset[str] | None = None
    """Where given, the paths that change in place; everything else replaces (instead of `replaces`)."""
    naming: AutoName | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Static defaults of the provider's schema; Check fills them in, as the bridge does."""
    comparison: Comparison = field(default_factory=Comparison)
    documents: Mapping[str, DocumentCheck] = field(default_factory=dict[str, DocumentCheck])
    """Checks of the JSON texts among the inputs, by path: what AWS would refuse of them when it is called."""
    values: Mapping[str, Rule] = field(default_factory=dict[str, Rule])
    """What the provider's schema allows of single inputs, by path."""
    exactly_one: tuple[frozenset[str], ...] = ()
    """Inputs of which one must be given, and one only."""
    at_most_one: tuple[frozenset[str], ...] = ()
    """Inputs that conflict with each other; a path such as ``ec2Attributes.subnetId`` is inside what is there."""
    not_read: Mapping[str, str] = field(default_factory=dict[str, str])
    """Outputs that no read gives (write-only, or dropped by moto), with the reason: the state keeps them."""
    recomputed: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """Outputs that a change of inputs makes unknown until done: output → inputs."""
    secrets: frozenset[str] = frozenset()
    """Outputs that are secret whatever the inputs are."""
    tagging: Tagging | None = None
    check: Callable[[Inputs], Iterable[tuple[str, str]]] | None = None
    """Rules between inputs (unknown ones are absent): (property, what is wrong)."""
    renew: Callable[[State], str | None] | None = None
    """Property that asks for replacement although no input changed (a certificate that runs out), or None."""
    delete_before_replace: bool = False
    adopt: Callable[[str], Created] | None = None
    """Id, and what else a read needs, from the id that an import gives, where that is not the id itself (the
    provider's Importer). Raises ValueError, with the form, for another one."""


@dataclass(frozen=True)
class Function:
    """A provider function (data source)."""

    token: str
    call: Callable[[Operation, Inputs], State]
    arguments: frozenset[str] = frozenset()
    """Arguments it takes, camelCase."""


def import_parts(identifier: str, form: str, separator: str = "/") -> list[str]:
    """Parts of an import's id.

    Args:
        identifier: As given.
        form: How it must look, e.g. ``cluster-id/group-id``; as many parts as that.
        separator: Between the parts; what is more than needed stays in the last one.

    Raises:
        ValueError: when it looks otherwise.
    """
    parts = identifier.split(separator, form.count(separator))
    if len(parts) != form.count(separator) + 1 or not all(parts):
        raise ValueError(f"unexpected format of id {identifier!r}: it must be {form}")
    return parts


def names(text: str) -> frozenset[str]:
    """Property names, separated by space."""
    return frozenset(text.split())


def gone(error: ClientError, *codes: str) -> bool:
    """Whether AWS says that the thing does not exist."""
    return error_code(error) in codes


def pascal(value: Any, *, renamed: Mapping[str, str] | None = None, keep: frozenset[str] = frozenset()) -> Any:
    """Properties as AWS members: ``cidrBlock`` → ``CidrBlock``, at every depth; absent ones left out.

    Args:
        value: Properties.
        renamed: Members that are called otherwise, by property.
        keep: Properties whose keys are data (maps such as tags or parameters).
    """
    other = renamed or {}
    if isinstance(value, Mapping):
        return {
            other.get(key, key[:1].upper() + key[1:]): entry
            if key in keep
            else pascal(entry, renamed=renamed, keep=keep)
            for key, entry in value.items()
            if entry is not None
        }
    if isinstance(value, list):
        return [pascal(entry, renamed=renamed, keep=keep) for entry in value]
    return value


def camel(value: Any, *, renamed: Mapping[str, str] | None = None, keep: frozenset[str] = frozenset()) -> Any:
    """AWS members as properties: the inverse of `pascal`; `renamed` is property by member, `keep` holds members."""
    other = renamed or {}
    if isinstance(value, Mapping):
        return {
            other.get(key, key[:1].lower() + key[1:]): entry
            if key in keep
            else camel(entry, renamed=renamed, keep=keep)
            for key, entry in value.items()
            if entry is not None
        }
    if isinstance(value, list):
        return [camel(entry, renamed=renamed, keep=keep) for entry in value]
    return value


def given(**members: Any) -> dict[str, Any]:
    """The members that have a value: AWS calls take absence, not null."""
    return {name: value for name, value in members.items() if value is not None}


def pick(inputs: Inputs, *properties: str, **renamed: str) -> dict[str, Any]:
    """AWS members of some properties: ``pick(inputs, "cidrBlock", vpcId="VpcId")``."""
    members = {name[:1].upper() + name[1:]: inputs.get(name) for name in properties}
    members |= {member: inputs.get(name) for name, member in renamed.items()}
    return given(**members)


def tag_list(tags: Mapping[str, str] | None, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Tags as a list of AWS pairs."""
    return [{key: name, value: text} for name, text in sorted((tags or {}).items())]


def tag_map(tags: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """A list of AWS pairs as tags, without AWS's own."""
    return {entry[key]: entry[value] for entry in tags or () if not entry[key].startswith("aws:")}


def own_tags(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Tags without AWS's own."""
    return {name: text for name, text in (tags or {}).items() if not name.startswith("aws:")}


def found(call: Callable[[], Any], *codes: str) -> Any:
    """What a call returns, or None when AWS says with one of the codes that the thing does not exist."""
    try:
        return call()
    except ClientError as error:
        if gone(error, *codes):
            return None
        raise


def absent(call: Callable[[], Any], *codes: str) -> None:
    """Make a call that removes something; already gone, by one of the codes, is fine."""
    found(call, *codes)


def remember(actual: Any, prior: Any, path: str) -> None:
    """Put back what a read leaves out: the value at the path, from the state before, where its parents are there.

    Lists are walked side by side. For what moto drops; the caller says why.
    """
    name, _, rest = path.partition(".")
    if isinstance(actual, list) and isinstance(prior, list):
        for entry, before in zip(actual, prior, strict=False):
            remember(entry, before, path)
    elif isinstance(actual, dict) and isinstance(prior, Mapping) and prior.get(name) is not None:
        if not rest:
            actual.setdefault(name, prior[name])
        else:
            remember(actual.get(name), prior[name], rest)
