"""IAM documents, parsed: who may do what to which resource, under which conditions.

Elements are read whatever their case and whether they are a text or a list; a statement may stand alone. What is not
known yet (an object with unknown parts) stays `UNKNOWN` where it is, so that the rest can still be decided.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias, cast

from policies.addresses import is_internet, parse_network
from policies.model import Match
from policies.plain import MALFORMED, UNKNOWN, Malformed, Plain, Unknown, json_value, listed, member, text

Texts: TypeAlias = tuple[str | Unknown, ...]
"""Texts of an element, some of them possibly not known yet."""


@dataclass(frozen=True)
class Principal:
    """One principal: its kind (``AWS``, ``Service``, ``Federated``, ``CanonicalUser``) and value."""

    kind: str
    value: str | Unknown

    @property
    def everyone(self) -> Match:
        """Whether this is anybody: ``*``, or an ARN whose account is a wildcard."""
        if self.value is UNKNOWN:
            return Match.MAYBE
        value = self.value
        arn = parse_arn(value)
        open_account = arn is not None and not arn.account.strip("*?") and bool(arn.account)
        any_service = self.kind.casefold() == "service" and value.startswith("*")
        return Match.YES if value == "*" or open_account or any_service else Match.NO

    @property
    def account(self) -> str | None:
        """The AWS account that it belongs to, when its value says so."""
        if self.value is UNKNOWN or self.kind.casefold() != "aws":
            return None
        value = self.value
        if re.fullmatch(r"\d{12}", value):
            return value
        arn = parse_arn(value)
        return arn.account if arn is not None and re.fullmatch(r"\d{12}", arn.account) else None

    @property
    def whole_account(self) -> bool:
        """Whether it stands for everybody whom an account's administrators let through."""
        if self.account is None:
            return False
        value = cast("str", self.value)
        arn = parse_arn(value)
        return arn is None or arn.resource == "root" or "*" in arn.resource


@dataclass(frozen=True)
class Condition:
    """One key of a condition with its operator."""

    operator: str
    key: str
    values: Texts

    @property
    def base(self) -> str:
        """The operator without set prefix and ``IfExists``, in lower case."""
        return self.operator.casefold().rpartition(":")[2].removesuffix("ifexists")

    @property
    def passes_when_absent(self) -> bool:
        """Whether a request without the key passes: ``IfExists`` and ``ForAllValues`` let it."""
        folded = self.operator.casefold()
        return folded.endswith("ifexists") or folded.startswith("forallvalues:")


@dataclass(frozen=True)
class Statement:
    """One statement. An absent element is an empty tuple; ``None`` for an element that may be absent in other ways."""

    where: str
    effect: str | Unknown
    principals: tuple[Principal, ...]
    not_principals: tuple[Principal, ...]
    actions: Texts
    not_actions: Texts
    resources: Texts
    not_resources: Texts
    conditions: tuple[Condition, ...]
    conditions_known: bool = True

    @property
    def allows(self) -> Match:
        """Whether it grants something."""
        if self.effect is UNKNOWN:
            return Match.MAYBE
        return Match.YES if self.effect == "Allow" else Match.NO

    @property
    def everyone(self) -> Match:
        """Whether it speaks of anybody at all."""
        if self.not_principals:
            return Match.YES
        return any_of(principal.everyone for principal in self.principals)

    def condition(self, key: str) -> list[Condition]:
        """The conditions on a key, whose case does not matter."""
        return [condition for condition in self.conditions if condition.key.casefold() == key.casefold()]

    def grants(self, action: str) -> Match:
        """Whether its actions hold an action, by IAM's wildcards."""
        if self.not_actions:
            return negate(any_of(matches(pattern, action) for pattern in self.not_actions))
        return any_of(matches(pattern, action) for pattern in self.actions)


Document: TypeAlias = tuple[Statement, ...]


def any_of(answers: Iterable[Match]) -> Match:
    """YES when one is, else MAYBE when one may be."""
    found = Match.NO
    for answer in answers:
        if answer is Match.YES:
            return Match.YES
        if answer is Match.MAYBE:
            found = Match.MAYBE
    return found


def all_of(answers: Iterable[Match]) -> Match:
    """NO when one is not, else MAYBE when one may not be."""
    found = Match.YES
    for answer in answers:
        if answer is Match.NO:
            return Match.NO
        if answer is Match.MAYBE:
            found = Match.MAYBE
    return found


def negate(answer: Match) -> Match:
    """The opposite; MAYBE stays."""
    return {Match.YES: Match.NO, Match.NO: Match.YES, Match.MAYBE: Match.MAYBE}[answer]


def parse_document(value: Plain) -> Document | Unknown | Malformed | None:
    """Read a policy given as text or object; None for an absent or empty one."""
    document = json_value(value)
    if document is None or document is UNKNOWN or document is MALFORMED:
        return document
    if not isinstance(document, dict):
        return MALFORMED
    statements = member(cast("dict[str, Plain]", document), "Statement")
    if statements is UNKNOWN:
        return UNKNOWN
    return tuple(_statements(listed(statements)))


def _statements(entries: Sequence[Plain]) -> Iterator[Statement]:
    for index, entry in enumerate(entries):
        where = f"Statement[{index}]"
        if entry is UNKNOWN:
            unknown = (UNKNOWN,)
            yield Statement(
                where, UNKNOWN, (Principal("AWS", UNKNOWN),), (), unknown, (), unknown, (), (), conditions_known=False
            )
        elif isinstance(entry, dict):
            body = cast("dict[str, Plain]", entry)
            conditions = member(body, "Condition")
            yield Statement(
                where,
                _effect(member(body, "Effect")),
                tuple(_principals(member(body, "Principal"))),
                tuple(_principals(member(body, "NotPrincipal"))),
                _texts(member(body, "Action")),
                _texts(member(body, "NotAction")),
                _texts(member(body, "Resource")),
                _texts(member(body, "NotResource")),
                tuple(_conditions(conditions)),
                conditions is not UNKNOWN,
            )


def _effect(value: Plain) -> str | Unknown:
    effect = text(value)
    if effect is UNKNOWN:
        return UNKNOWN
    return (effect or "").capitalize()


def _texts(value: Plain) -> Texts:
    found = (text(item) for item in listed(value))
    return tuple(item for item in found if item is not None)


def _principals(value: Plain) -> Iterator[Principal]:
    if isinstance(value, dict):
        for kind, names in cast("dict[str, Plain]", value).items():
            for name in _texts(names):
                yield Principal(kind, name)
    else:
        for name in _texts(value):
            yield Principal("AWS", name)


def _conditions(value: Plain) -> Iterator[Condition]:
    if not isinstance(value, dict):
        return
    for operator, keys in cast("dict[str, Plain]", value).items():
        if keys is UNKNOWN:
            yield Condition(operator, "", (UNKNOWN,))
        elif isinstance(keys, dict):
            for key, values in cast("dict[str, Plain]", keys).items():
                yield Condition(operator, key, _condition_texts(values))


def _condition_texts(value: Plain) -> Texts:
    """Values of a condition; JSON's true and false are texts to IAM."""
    spelled = (str(item).lower() if isinstance(item, bool) else text(item) for item in listed(value))
    return tuple(item for item in spelled if item is not None)


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"([*?])", pattern.casefold())
    return re.compile("".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts), re.DOTALL)


def matches(pattern: str | Unknown, subject: str) -> Match:
    """Whether IAM's wildcards (``*`` any characters, ``?`` one) let a pattern match a text; case does not matter."""
    if isinstance(pattern, Unknown):
        return Match.MAYBE
    return Match.YES if _pattern(pattern).fullmatch(subject.casefold()) else Match.NO


@dataclass(frozen=True)
class Arn:
    """The parts of an ARN."""

    partition: str
    service: str
    region: str
    account: str
    resource: str


def parse_arn(value: str) -> Arn | None:
    """The parts of an ARN; None when the text is none."""
    parts = value.split(":", 5)
    return Arn(*parts[1:]) if len(parts) == 6 and parts[0] == "arn" else None


def open_resource(pattern: str) -> bool:
    """Whether a resource pattern names nothing: ``*``, an ARN that ends in wildcards only, or one cut short by them.

    Nor does a wildcard in the place of a bucket's name, whatever key follows it.
    """
    arn = parse_arn(pattern)
    if arn is None:
        # A wildcard crosses colons: ``arn:*`` and ``arn:aws:s3*`` hold every bucket.
        cut_short = pattern.startswith("arn:") and pattern.endswith("*")
        return cut_short or ("*" in pattern and not pattern.strip("*?:/"))
    name = arn.resource.partition("/")[0] if arn.service == "s3" else arn.resource
    return "*" in name and not name.strip("*?:/")


_POSITIVE: Final = frozenset(
    {"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress", "bool"}
)


def is_fixed(value: str) -> bool:
    """Whether a value of a condition means one thing: it has no wildcard."""
    return bool(value) and "*" not in value and "?" not in value


def _fixed_arn(value: str) -> bool:
    """Whether an ARN names one account, or a resource that can have one owner only."""
    arn = parse_arn(value)
    if arn is None:
        return False
    if arn.service == "s3" and is_fixed(arn.resource.partition("/")[0]):
        return True  # Names of buckets are nobody else's, whatever stands in the account's place (arn:aws:s3:*:*:name).
    return bool(arn.account) and is_fixed(arn.account)


def _narrow_network(value: str) -> bool:
    network = parse_network(value)
    return network is not None and network is not UNKNOWN and not is_internet(network, 8, 32)


def _fixed_user(value: str) -> bool:
    return is_fixed(value.partition(":")[0])


def _fixed_organisation(value: str) -> bool:
    return is_fixed(value.partition("/")[0])


def _is_true(value: str) -> bool:
    return value.casefold() == "true"


_BINDING_KEYS: Final = {
    "aws:sourceaccount": is_fixed,
    "aws:sourceowner": is_fixed,
    "aws:sourcearn": _fixed_arn,
    "aws:sourceorgid": is_fixed,
    "aws:sourceorgpaths": _fixed_organisation,
    "aws:principalaccount": is_fixed,
    "aws:principalarn": _fixed_arn,
    "aws:principalorgid": is_fixed,
    "aws:principalorgpaths": _fixed_organisation,
    "aws:sourcevpc": is_fixed,
    "aws:sourcevpce": is_fixed,
    "aws:sourcevpcarn": _fixed_arn,
    "aws:vpceaccount": is_fixed,
    "aws:vpceorgid": is_fixed,
    "aws:sourceip": _narrow_network,
    "aws:userid": _fixed_user,
    "elasticfilesystem:accessedviamounttarget": _is_true,
    "kms:calleraccount": is_fixed,
    "s3:dataaccesspointaccount": is_fixed,
    "s3:dataaccesspointarn": _fixed_arn,
}
"""Condition keys that tie a request to somebody, and when a value does. S3 user guide, "The meaning of 'public'";
EFS user guide, "Blocking public access": a mount target is reached from its VPC only."""


def binds(condition: Condition) -> Match:
    """Whether a condition ties a request to a known account, organisation, network or resource.

    A negated operator, a value that matches anything, and a key whose absence passes bind nobody.
    """
    if condition.values == (UNKNOWN,) and not condition.key:
        return Match.MAYBE
    holds = _BINDING_KEYS.get(condition.key.casefold())
    if holds is None or condition.base not in _POSITIVE or condition.passes_when_absent or not condition.values:
        return Match.NO
    return all_of(
        Match.MAYBE if isinstance(value, Unknown) else Match.YES if holds(value) else Match.NO
        for value in condition.values
    )


def bound(statement: Statement) -> Match:
    """Whether one of a statement's conditions binds."""
    answer = any_of(binds(condition) for condition in statement.conditions)
    if answer is Match.NO and not statement.conditions_known:
        return Match.MAYBE
    return answer


def public(statement: Statement) -> Match:
    """Whether a statement of a resource's policy grants something to anybody."""
    return all_of((statement.allows, statement.everyone, negate(bound(statement))))


def is_insecure(condition: Condition) -> bool:
    """Whether a condition means requests over HTTP, all of them and nothing else."""
    return (
        condition.key.casefold() == "aws:securetransport"
        and condition.operator.casefold() in {"bool", "boolifexists"}
        and bool(condition.values)
        and all(value is not UNKNOWN and str(value).lower() == "false" for value in condition.values)
    )


def denies_clear_text(statement: Statement, service: str, action: str | None = None) -> Match:
    """Whether a statement denies everybody every action (or one) over HTTP, on no further condition."""
    if statement.effect is UNKNOWN:
        return Match.MAYBE
    if statement.effect != "Deny" or statement.not_principals or statement.not_actions or statement.not_resources:
        return Match.NO
    if not statement.conditions_known:
        return Match.MAYBE
    if len(statement.conditions) != 1 or not is_insecure(statement.conditions[0]):
        return Match.NO
    if statement.everyone is not Match.YES:
        return statement.everyone
    if action is not None:
        return statement.grants(action)
    if any(str(action).casefold() in {"*", f"{service}:*"} for action in statement.actions if action is not UNKNOWN):
        return Match.YES
    return Match.MAYBE if UNKNOWN in statement.actions else Match.NO


def refuses_clear_text(
    policy: Plain, service: str, arns: Sequence[str | Unknown | None], action: str | None = None
) -> Match:
    """Whether a resource's policy refuses HTTP for the resource with (one of) these ARNs."""
    document = parse_document(policy)
    if document is UNKNOWN:
        return Match.MAYBE
    if document is None or isinstance(document, Unknown | Malformed):
        return Match.NO
    return any_of(
        all_of((denies_clear_text(statement, service, action), _holds_any(statement.resources, arns)))
        for statement in document
    )


def _holds_any(patterns: Texts, arns: Sequence[str | Unknown | None]) -> Match:
    known = [str(arn) for arn in arns if isinstance(arn, str)]
    answers = [matches(pattern, arn) for pattern in patterns for arn in known]
    answers += [Match.YES if pattern == "*" else Match.MAYBE for pattern in patterns if not known]
    return any_of(answers)
