"""Cases of rules: what a stack holds, and what one rule must say of it in both of the engine's forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.policies.harness import Engine, R, broken, undecided


@dataclass(frozen=True)
class Case:
    """One stack and the verdicts on it: ``broken``, ``undecided`` or ``fine``."""

    rule: str
    title: str
    resources: Sequence[R]
    up: str
    preview: str | None = None
    """The verdict in preview, where it differs."""
    config: Mapping[str, Any] | None = None
    says: Sequence[str] = ()
    """Texts that a message must hold."""
    never: Sequence[str] = ()
    """Texts that no message may hold."""
    settings: Mapping[str, Any] = field(default_factory=dict)


def bad(rule: str, title: str, *resources: R, preview: str | None = None, **options: Any) -> Case:
    """A stack that breaks a rule."""
    return Case(rule, title, resources, "broken", preview, **options)


def good(rule: str, title: str, *resources: R, preview: str | None = None, **options: Any) -> Case:
    """A stack that keeps a rule."""
    return Case(rule, title, resources, "fine", preview, **options)


def open_question(rule: str, title: str, *resources: R, preview: str | None = None, **options: Any) -> Case:
    """A stack of which a rule cannot tell."""
    return Case(rule, title, resources, "undecided", preview, **options)


def parametrize(cases: Sequence[Case]) -> pytest.MarkDecorator:
    """Every case twice: at `up` and in preview."""
    return pytest.mark.parametrize(
        ("case", "known"),
        [
            pytest.param(case, known, id=f"{case.rule} {case.title} ({'up' if known else 'preview'})")
            for case in cases
            for known in (True, False)
        ],
    )


def check(case: Case, known: bool) -> None:
    """Run the one rule through the SDK's servicer and compare."""
    config = {case.rule: case.config} if case.config is not None else None
    said = Engine(case.rule, config=config).run(case.resources, known)
    messages = broken(said, case.rule)
    assert not any("the rule broke on it" in message or "can't run policy" in message for message in messages), messages
    count = undecided(said, case.rule)
    found = "broken" if messages else "undecided" if count else "fine"
    expected = case.up if known else case.preview or case.up
    assert found == expected, f"{case.title}: expected {expected}; the pack said {messages or count or 'nothing'}"
    for message in messages:
        assert len(message.split("\n")) == 3, f"title, what and where, how to mend it: {message}"
        assert "\nFix: " in message
        for word in case.never:
            assert word not in message, "a message quotes what may be a secret"
    if messages:
        for word in case.says:
            assert any(word in message for message in messages), f"{word!r} is in none of {messages}"
