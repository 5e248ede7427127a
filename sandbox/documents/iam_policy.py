"""IAM policies by their grammar, as each kind of policy narrows it.

Sources: IAM user guide, "Grammar of the IAM JSON policy language", "IAM JSON policy elements reference" and "IAM and
AWS STS quotas"; texts in quotes are those of the services' own errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from sandbox.documents import Owner

Presence = Literal["required", "forbidden"]

_ARN: Final = re.compile(r"arn:[^:\s]+:[^:\s]+:[^:\s]*:[^:\s]*:\S.*", re.DOTALL)
_ACTION: Final = re.compile(r"\*|[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+")
_PRINCIPALS: Final = ("AWS", "Service", "Federated", "CanonicalUser")
_AWS_PRINCIPAL: Final = re.compile(r"\*|\d{12}|arn:[^:\s]+:(iam|sts)::(\d{12}|cloudfront):\S+|A[A-Z0-9]{15,}")
_SERVICE: Final = re.compile(r"[a-z0-9.-]+\.(amazonaws\.com(\.cn)?|amazon\.com|aws\.internal)")
_STATEMENT: Final = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)
_COMPARISONS: Final = (
    *(
        f"String{what}"
        for what in ("Equals", "NotEquals", "EqualsIgnoreCase", "NotEqualsIgnoreCase", "Like", "NotLike")
    ),
    *(
        f"{kind}{what}"
        for kind in ("Numeric", "Date")
        for what in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
    ),
    *("Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"),
)
_OPERATORS: Final = frozenset(
    {"Null"}
    | {
        f"{quantifier}{comparison}{suffix}"
        for quantifier in ("", "ForAllValues:", "ForAnyValue:")
        for comparison in _COMPARISONS
        for suffix in ("", "IfExists")
    }
)


@dataclass(frozen=True)
class PolicyKind:
    """How one kind of policy narrows the grammar."""

    name: str
    principal: Presence
    resource: Presence
    maximum: int
    """Characters that the service takes, without white space."""
    sid: str = r"[A-Za-z0-9]*"
    """What a statement's id may be."""
    actions: str = "*"
    """Actions that may be named, as a pattern."""
    out_of_scope: str = ""
    """The service's words for another action."""
    arn_resources: bool = True
    """Whether a resource is an ARN (or ``*``)."""


IDENTITY: Final = PolicyKind("identity policy", principal="forbidden", resource="required", maximum=10_240)
TRUST: Final = PolicyKind(
    "trust policy",
    principal="required",
    resource="forbidden",
    maximum=2_048,
    actions="sts:*",
    out_of_scope="AssumeRole policy may only specify STS AssumeRole actions",
)
BUCKET: Final = PolicyKind("bucket policy", "required", "required", 20_480, sid=r".*", actions="s3:*")
KEY: Final = PolicyKind("key policy", "required", "required", 32_768, sid=r".*", actions="kms:*", arn_resources=False)
QUEUE: Final = PolicyKind("queue policy", "required", "required", 20_480, sid=r".*", actions="sqs:*")
TOPIC: Final = PolicyKind(
    "topic policy",
    "required",
    "required",
    30_720,
    sid=r".*",
    actions="sns:?*",
    out_of_scope="Policy statement action out of service scope",
)
ENDPOINT: Final = PolicyKind("endpoint policy", "required", "required", 20_480, sid=r".*")
SECRET: Final = PolicyKind("secret's policy", "required", "required", 20_480, sid=r".*", actions="secretsmanager:*")


def identity_policy(document: Any, owner: Owner) -> Iterator[str]:
    """A role's own policy."""
    yield from grammar(document, IDENTITY)


def trust_policy(document: Any, owner: Owner) -> Iterator[str]:
    """Who may assume a role."""
    yield from grammar(document, TRUST)


def bucket_policy(document: Any, owner: Owner) -> Iterator[str]:
    """A bucket's policy, which speaks of that bucket only."""
    yield from grammar(document, BUCKET)
    bucket = owner.inputs.get("bucket")
    for place, statement in _statements(document):
        for resource in _texts(statement.get("Resource")):
            if bucket and not re.fullmatch(rf"\*|arn:[^:]+:s3:::{re.escape(bucket)}(/.*)?", resource, re.DOTALL):
                yield f'{place}.Resource is {resource!r}: "Policy has invalid resource" (the bucket is {bucket})'


def queue_policy(document: Any, owner: Owner) -> Iterator[str]:
    """A queue's policy."""
    yield from grammar(document, QUEUE)


def topic_policy(document: Any, owner: Owner) -> Iterator[str]:
    """A topic's policy; SNS refuses ``sns:*``, which holds actions that no policy of a topic can give."""
    yield from grammar(document, TOPIC)
    for place, statement in _statements(document):
        for action in _texts(statement.get("Action")):
            if action.lower() == "sns:*":
                yield f'{place}.Action is {action!r}: "{TOPIC.out_of_scope}" (SNS takes sns:Publish and the like)'


def endpoint_policy(document: Any, owner: Owner) -> Iterator[str]:
    """A VPC endpoint's policy."""
    yield from grammar(document, ENDPOINT)


def secret_policy(document: Any, owner: Owner) -> Iterator[str]:
    """A secret's policy."""
    yield from grammar(document, SECRET)


def key_policy(document: Any, owner: Owner) -> Iterator[str]:
    """A key's policy, which must leave somebody who may change it (KMS developer guide, "PutKeyPolicy")."""
    found = list(grammar(document, KEY))
    yield from found
    if found or owner.inputs.get("bypassPolicyLockoutSafetyCheck"):
        return
    if not any(_keeps_control(statement, owner.account) for _, statement in _statements(document)):
        yield (
            f"locks everybody out: no statement allows kms:PutKeyPolicy to account {owner.account}: "
            '"The new key policy will not allow you to update the key policy in the future"; '
            "set bypassPolicyLockoutSafetyCheck to mean it"
        )


def _keeps_control(statement: Mapping[str, Any], account: str) -> bool:
    if statement.get("Effect") != "Allow" or statement.get("Condition"):
        return False
    actions = [action.lower() for action in _texts(statement.get("Action"))]
    if not any(fnmatchcase("kms:putkeypolicy", action) for action in actions):
        return False
    principal = statement.get("Principal")
    named = ["*"] if principal == "*" else _texts(principal.get("AWS")) if isinstance(principal, Mapping) else []
    return any(name in ("*", account) or name.endswith(f":iam::{account}:root") for name in named)


def grammar(document: Any, kind: PolicyKind) -> Iterator[str]:
    """What a policy of a kind does not have in common with the grammar."""
    if not isinstance(document, Mapping):
        yield f"is {_shown(document)}; a policy is a JSON object"
        return
    for name in sorted(document.keys() - {"Version", "Id", "Statement"}):
        yield f"{name} is no element of a policy; there are Version, Id and Statement"
    version = document.get("Version", "2012-10-17")
    if version not in ("2012-10-17", "2008-10-17"):
        yield f"Version is {_shown(version)}; allowed are 2012-10-17 and 2008-10-17"
    size = len(re.sub(r"\s", "", json.dumps(document, separators=(",", ":"))))
    if size > kind.maximum:
        yield f"has {size} characters; the quota of a {kind.name} is {kind.maximum}"
    if "Statement" not in document:
        yield "Statement is missing; a policy has one or more"
    elif not isinstance(document["Statement"], list | Mapping):
        yield f"Statement is {_shown(document['Statement'])}; it is an object or a list of objects"
    seen: set[str] = set()
    for place, statement in _statements(document):
        yield from _statement(place, statement, kind)
        sid = statement.get("Sid")
        if isinstance(sid, str) and sid:
            if sid in seen:
                yield f'{place}.Sid is {sid!r} again: "Statement IDs (SID) in a single policy must be unique"'
            seen.add(sid)


def _statements(document: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    statements: Any = document.get("Statement") if isinstance(document, Mapping) else None
    if isinstance(statements, Mapping):
        yield "Statement", statements
    elif isinstance(statements, list):
        for index, statement in enumerate(statements):
            place = f"Statement[{index}]"
            yield place, statement if isinstance(statement, Mapping) else {"": statement}


def _statement(place: str, statement: Mapping[str, Any], kind: PolicyKind) -> Iterator[str]:
    if "" in statement:
        yield f"{place} is {_shown(statement[''])}; a statement is an object"
        return
    for name in sorted(statement.keys() - _STATEMENT):
        yield f"{place}.{name} is no element of a statement; there are {', '.join(sorted(_STATEMENT))}"
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield f"{place}.Effect is {_shown(statement.get('Effect'))}; allowed are Allow and Deny, in this spelling"
    sid = statement.get("Sid", "")
    if not isinstance(sid, str) or not re.fullmatch(kind.sid, sid):
        yield f"{place}.Sid is {_shown(sid)}; a {kind.name}'s are letters and digits"
    yield from _one_of(place, statement, "Action", "NotAction", "required", kind)
    yield from _one_of(place, statement, "Resource", "NotResource", kind.resource, kind)
    yield from _one_of(place, statement, "Principal", "NotPrincipal", kind.principal, kind)
    for name in ("Action", "NotAction"):
        if name in statement:
            yield from _actions(f"{place}.{name}", statement[name], kind)
    for name in ("Resource", "NotResource"):
        if name in statement and kind.resource == "required":
            yield from _resources(f"{place}.{name}", statement[name], kind)
    for name in ("Principal", "NotPrincipal"):
        if name in statement and kind.principal == "required":
            yield from _principals(f"{place}.{name}", statement[name])
    if "Condition" in statement:
        yield from _conditions(f"{place}.Condition", statement["Condition"])


def _one_of(
    place: str, statement: Mapping[str, Any], name: str, negated: str, presence: Presence, kind: PolicyKind
) -> Iterator[str]:
    given = [element for element in (name, negated) if element in statement]
    if presence == "forbidden":
        for element in given:
            yield f'{place}.{element}: "Has prohibited field {element}" ({kind.name})'
    elif not given:
        yield f"{place} has neither {name} nor {negated}; a statement of a {kind.name} has one of them"
    elif len(given) == 2:
        yield f"{place} has {name} and {negated}; a statement has one of them"


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [entry for entry in values if isinstance(entry, str)]


def _strings(place: str, value: Any) -> Iterator[str]:
    values = value if isinstance(value, list) else [value]
    if not values:
        yield f"{place} is an empty list; it names at least one"
    for entry in values:
        if not isinstance(entry, str) or not entry:
            yield f"{place} holds {_shown(entry)}; it takes texts"


def _actions(place: str, value: Any, kind: PolicyKind) -> Iterator[str]:
    yield from _strings(place, value)
    for action in _texts(value):
        if not _ACTION.fullmatch(action):
            yield (
                f'{place} is {action!r}; it must be "prefaced by a vendor, e.g., iam, sdb, ec2, etc.", then a colon '
                "and a name"
            )
        elif action != "*" and not fnmatchcase(action.lower(), kind.actions.lower()):
            reason = kind.out_of_scope or "Policy has invalid action"
            yield f'{place} is {action!r}: "{reason}" (a {kind.name} names {kind.actions.partition(":")[0]}: actions)'


def _resources(place: str, value: Any, kind: PolicyKind) -> Iterator[str]:
    yield from _strings(place, value)
    for resource in _texts(value):
        if kind.arn_resources and resource != "*" and not _ARN.fullmatch(resource):
            yield f'{place} is {resource!r}: "must be in ARN format or *"'


def _principals(place: str, value: Any) -> Iterator[str]:
    if value == "*":
        return
    if not isinstance(value, Mapping) or not value:
        yield f'{place} is {_shown(value)}; it is "*" or an object of {", ".join(_PRINCIPALS)}'
        return
    for name, entries in value.items():
        if name not in _PRINCIPALS:
            yield f"{place}.{name} is no kind of principal; there are {', '.join(_PRINCIPALS)}"
            continue
        yield from _strings(f"{place}.{name}", entries)
        for entry in _texts(entries):
            if name == "AWS" and not _AWS_PRINCIPAL.fullmatch(entry):
                yield f"{place}.AWS is {entry!r}; it is *, an account, or the ARN of a user, a role or an account"
            if name == "Service" and not _SERVICE.fullmatch(entry):
                yield f"{place}.Service is {entry!r}; a service's principal ends in .amazonaws.com"


def _conditions(place: str, value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{place} is {_shown(value)}; it maps operators to keys and values"
        return
    for operator, keys in value.items():
        if operator not in _OPERATORS:
            yield f"{place}.{operator} is no condition operator, such as StringEquals, ArnLikeIfExists or Null"
        elif not isinstance(keys, Mapping) or not keys:
            yield f"{place}.{operator} is {_shown(keys)}; it maps condition keys to values"
        else:
            for key, values in keys.items():
                if ":" not in key:
                    yield f'{place}.{operator}.{key} must be "prefaced by a vendor, e.g., aws, iam, sdb, ec2, etc."'
                entries = values if isinstance(values, list) else [values]
                if any(isinstance(entry, dict | list) or entry is None for entry in entries):
                    yield f"{place}.{operator}.{key} is {_shown(values)}; it takes a value or a list of values"


def _shown(value: Any) -> str:
    text = "missing" if value is None else json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}…"
