"""What the rules said in this run: kept across the engine's calls, for the rules that count (GEN-05 to GEN-07)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from policies.exceptions import ResourceException


@dataclass
class Ledger:
    """Violations, undecided facts and used exceptions. The engine analyses resources from several threads."""

    exceptions: Sequence[ResourceException] = ()
    _lock: Lock = field(default_factory=Lock)
    _undecided: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    _broken: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict[tuple[str, str], tuple[str, int]])
    _excused: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    _used: set[ResourceException] = field(default_factory=set[ResourceException])

    def note(self, rule: str, urn: str, undecided: int) -> None:
        """Keep how many facts of a resource a rule could not decide; a later word replaces an earlier one."""
        with self._lock:
            if undecided:
                self._undecided[rule, urn] = undecided
            else:
                self._undecided.pop((rule, urn), None)

    def find(self, rule: str, severity: str, urn: str, broken: int) -> None:
        """Keep how often a resource breaks a rule; a later word replaces an earlier one."""
        with self._lock:
            if broken:
                self._broken[rule, urn] = (severity, broken)
            else:
                self._broken.pop((rule, urn), None)

    def use(self, exception: ResourceException, urn: str) -> None:
        """Keep that an exception excused something."""
        with self._lock:
            self._used.add(exception)
            self._excused.add((exception.rule, urn))

    def broken(self) -> dict[str, int]:
        """Violations, by severity."""
        totals: dict[str, int] = {}
        with self._lock:
            for severity, count in self._broken.values():
                totals[severity] = totals.get(severity, 0) + count
        return totals

    def excused(self) -> int:
        """Pairs of rule and resource that an exception excused."""
        with self._lock:
            return len(self._excused)

    def undecided(self) -> dict[str, int]:
        """Facts not decided, by rule id."""
        totals: dict[str, int] = {}
        with self._lock:
            for (rule, _), count in self._undecided.items():
                totals[rule] = totals.get(rule, 0) + count
        return totals

    def unused(self) -> list[ResourceException]:
        """Exceptions that excused nothing."""
        with self._lock:
            return [exception for exception in self.exceptions if exception not in self._used]
