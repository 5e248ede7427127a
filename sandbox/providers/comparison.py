"""When two values mean the same, and where they differ: the heart of Diff and of drift found by a refresh.

Absent, null and empty are one, as in the bridged providers. JSON texts compare by content; policies as IAM reads them
(one string or a list of one, order of statements and lists: hashicorp/awspolicyequivalence); sets without order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.providers.protocol import Unknown, reveal
from sandbox.providers.schema import ANY, ValueType

Change = Literal["add", "delete", "update"]


@dataclass(frozen=True)
class Difference:
    """Where two inputs differ, as a Pulumi property path (``rules[0].id``), and how."""

    path: str
    change: Change

    @property
    def property(self) -> str:
        """The top-level property."""
        return self.path.split(".", 1)[0].split("[", 1)[0]


@dataclass(frozen=True)
class Comparison:
    """How a resource type's values compare. Names are paths without indices: ``rules.filter``."""

    json: frozenset[str] = frozenset()
    """JSON texts, compared by content."""
    policies: frozenset[str] = frozenset()
    """IAM policies as JSON text, compared as IAM reads them."""
    unordered: frozenset[str] = frozenset()
    """Lists whose order means nothing (sets in the provider's schema)."""
    ignore_case: frozenset[str] = frozenset()
    """Texts that AWS folds to one case."""

    def same(self, left: Any, right: Any, path: str) -> bool:
        """Whether both values mean the same at the path."""
        return self._canonical(reveal(left), path) == self._canonical(reveal(right), path)

    def differences(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
        """Where new inputs differ from old ones."""
        found: list[Difference] = []
        for name in sorted({*old, *new}):
            if not name.startswith("__"):
                found.extend(self._differences(reveal(old.get(name)), reveal(new.get(name)), name, name))
        return found

    def _differences(self, old: Any, new: Any, path: str, name: str) -> Iterable[Difference]:
        before, after = self._canonical(old, name), self._canonical(new, name)
        if before == after:
            return
        if before is None:
            yield Difference(path, "add")
        elif after is None:
            yield Difference(path, "delete")
        elif isinstance(before, dict) and isinstance(after, dict) and isinstance(old, Mapping):
            for key in sorted({*before, *after}):
                inner = f"{path}.{key}" if key.isidentifier() else f'{path}["{key}"]'
                yield from self._differences(old.get(key), new.get(key), inner, f"{name}.{key}")
        elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and name not in self.unordered:
            for index, (left, right) in enumerate(zip(old, new, strict=True)):
                yield from self._differences(left, right, f"{path}[{index}]", name)
        else:
            yield Difference(path, "update")

    def _canonical(self, value: Any, name: str) -> Any:
        if isinstance(value, Unknown):
            return value
        if isinstance(value, Mapping):
            # In one order, as sets are put in the order of what their elements look like.
            entries = {key: self._canonical(entry, f"{name}.{key}") for key, entry in sorted(value.items())}
            return {key: entry for key, entry in entries.items() if entry is not None} or None
        if isinstance(value, list):
            elements = [self._canonical(entry, name) for entry in value]
            return (sorted(elements, key=repr) if name in self.unordered else elements) or None
        if value is None or value == "":
            return None
        if isinstance(value, str):
            if name in self.policies:
                return canonical_policy(value)
            if name in self.json:
                return _parsed(value)
            if name in self.ignore_case:
                return value.lower()
        return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


_POLICY_LISTS = frozenset({"Action", "NotAction", "Resource", "NotResource"})


def canonical_policy(text: str) -> Any:
    """An IAM policy in one form, so that equal policies are equal values."""
    document = _parsed(text)
    if not isinstance(document, dict):
        return document
    statements = document.get("Statement", [])
    statements = statements if isinstance(statements, list) else [statements]
    canonical = [_canonical_statement(entry) for entry in statements]
    return {**document, "Statement": sorted(canonical, key=lambda entry: json.dumps(entry, sort_keys=True))}


def _canonical_statement(statement: Any) -> Any:
    if not isinstance(statement, dict):
        return statement
    result: dict[str, Any] = {}
    for key, value in statement.items():
        if key in _POLICY_LISTS:
            result[key] = _sorted_list(value)
        elif key in {"Principal", "NotPrincipal"}:
            # "*" and {"AWS": "*"} are the same principal.
            named: Mapping[str, Any] = {"AWS": value} if isinstance(value, str) else value
            result[key] = {kind: _sorted_list(names) for kind, names in named.items()}
        elif key == "Condition" and isinstance(value, dict):
            result[key] = {
                operator: {name.lower(): _sorted_list(values) for name, values in keys.items()}
                for operator, keys in value.items()
            }
        elif not (key == "Sid" and value == ""):
            result[key] = value
    return result


def _sorted_list(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return sorted({json.dumps(entry) if isinstance(entry, bool | int | float) else str(entry) for entry in values})


def project(actual: Any, given: Any, comparison: Comparison, name: str, kind: ValueType = ANY) -> Any:
    """What AWS says about the parts that the program gave.

    Where both mean the same the given form stays, so that a refresh shows no change. Members of an object that the
    program left open, and AWS filled in, stay out; of a map (tags, variables) every entry counts.
    """
    if comparison.same(actual, given, name):
        return given
    if isinstance(actual, Mapping) and isinstance(given, Mapping) and kind.kind != "map":
        kept = {
            key: project(actual.get(key), entry, comparison, f"{name}.{key}", kind.member(key))
            for key, entry in given.items()
        }
        return {key: entry for key, entry in kept.items() if entry is not None}
    if isinstance(actual, list) and isinstance(given, list):
        element = kind.element or ANY
        if name in comparison.unordered:
            return _project_unordered(actual, given, comparison, name, element)
        if len(actual) == len(given):
            return [project(left, right, comparison, name, element) for left, right in zip(actual, given, strict=True)]
    return actual


def _project_unordered(
    actual: list[Any], given: list[Any], comparison: Comparison, name: str, element: ValueType
) -> list[Any]:
    """Match elements that are the same but for what AWS filled in; the given order first, then what is new."""
    rest = list(actual)
    result: list[Any] = []
    for entry in given:
        for candidate in rest:
            if comparison.same(project(candidate, entry, comparison, name, element), entry, name):
                result.append(entry)
                rest.remove(candidate)
                break
    return result + rest
