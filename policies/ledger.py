"""What the rules said in this run: kept across the engine's calls, for the rules that count (GEN-05, GEN-06)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from policies.exceptions import ResourceException


@dataclass
class Ledger:
    """Undecided facts and used exceptions. The engine analyses resources from several threads."""

    exceptions: Sequence[ResourceException] = ()
    _lock: Lock = field(default_factory=Lock)
    _undecided: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    _used: set[ResourceException] = field(default_factory=set[ResourceException])

    def note(self, rule: str, urn: str, undecided: int) -> None:
        """Keep how many facts of a resource a rule could not decide; a later word replaces an earlier one."""
        with self._lock:
            if undecided:
                self._undecided[rule, urn] = undecided
            else:
                self._undecided.pop((rule, urn), None)

    def use(self, exception: ResourceException) -> None:
        """Keep that an exception excused something."""
        with self._lock:
            self._used.add(exception)

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
