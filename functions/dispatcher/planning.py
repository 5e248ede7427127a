"""Planning: object versions become claims, manifests and planned work, each version once.

What a crash leaves behind, line by line of `_plan_portion`, and what the redelivered message then finds:

==========================  ==========================================================================================
killed after                the next delivery
==========================  ==========================================================================================
nothing, or some claims     finds claims without a committed manifest, makes the manifest void, takes the claims over
the manifest's put to S3    the same; the object that nobody refers to is harmless
the commit                  finds the committed manifest, marks the versions planned, and is done
==========================  ==========================================================================================
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from functions.dispatcher.events import ObjectVersion
from functions.dispatcher.manifests import Configuration, Manifest, build_manifest, portions
from functions.ledger.store import Item, Ledger, in_parallel, object_key, recorded, timestamp

Result = Literal["planned", "known", "ignored", "superseded", "busy"]
"""What came of a version now: ``known`` needs nothing more, ``busy`` must come again."""

ROUNDS = 3
"""Tries to agree with others who claim the same versions at the same time."""


@dataclass(frozen=True)
class Decision:
    """What to do with a version, given what the ledger holds about its key."""

    action: Literal["claim", "known", "ignored", "superseded", "busy", "look"]
    """``look``: it is claimed by somebody who may be gone; the claim's manifest decides."""
    reason: str = ""
    before: str | None = None
    """Manifest that it is claimed for."""


def why_ignored(version: ObjectVersion, settings: Configuration) -> str | None:
    """Why an object needs no run, whatever else is known; None when it may."""
    if version.key.endswith("/") or version.key.endswith("_$folder$"):
        return "is a folder marker"
    if version.size == 0:
        return "is empty"
    if settings.dataset_of(version.key) is None:
        return "lies outside every dataset's prefix"
    return None


def decide(version: ObjectVersion, history: Sequence[Item], overwrites: str, now: str) -> Decision:
    """Decide about a version by the items of its key. Pure."""
    own = next((item for item in history if item["sk"] == object_key(version)["sk"]), None)
    if own is not None and version.version_id is None and version.is_newer_than(recorded(own)):
        # A bucket that keeps no versions calls every one "null": what was overwritten cannot be told apart any more.
        return Decision("known", f"{_held(own)}; the bucket keeps no versions")
    if own is not None:
        if own["state"] != "claimed":
            return Decision("known", before=own.get("manifest"))
        before = str(own["manifest"])
        if own["claimedUntil"] > now:
            return Decision("busy", "is being planned", before)
        return Decision("look", before=before)
    return decide_by_others(version, history, overwrites)


def decide_by_others(
    version: ObjectVersion, history: Sequence[Item], overwrites: str, before: str | None = None
) -> Decision:
    """Decide about a version that is to be claimed, by the other versions of its key. Pure."""
    others = [
        item for item in history if item["sk"] != object_key(version)["sk"] and item["state"] in ("claimed", "planned")
    ]
    newer = [item for item in others if recorded(item).is_newer_than(version)]
    if newer:
        return Decision("superseded", f"a newer version came first: {newer[-1]['sk']}", before)
    if others and overwrites == "hold":
        return Decision("ignored", _held(others[-1]), before)
    return Decision("claim", before=before)


def _held(item: Item) -> str:
    return (
        f"overwrites {item['sk']}, whose rows are in the table already or on their way: they would be there twice "
        "(the dataset's overwrites is hold)"
    )


class Planner:
    """Plans versions of one batch."""

    def __init__(
        self,
        ledger: Ledger,
        put_manifest: Callable[[Manifest], str],
        settings: Configuration,
        *,
        claim_seconds: float,
        time_is_left: Callable[[], bool] = lambda: True,
    ) -> None:
        """Prepare.

        Args:
            ledger: Where it is recorded.
            put_manifest: Puts a manifest's text, and returns its address.
            settings: The stack.
            claim_seconds: How long this process can live at most.
            time_is_left: Whether another manifest can be planned in this call.
        """
        self._ledger, self._put, self._settings = ledger, put_manifest, settings
        self._claim_seconds, self._time_is_left = claim_seconds, time_is_left
        self.results: dict[ObjectVersion, Result] = {}
        self.reasons: dict[ObjectVersion, str] = {}
        self.manifests: list[Manifest] = []
        self._released: set[ObjectVersion] = set()
        """Those that a person let through, whatever other versions there are."""

    def plan(self, versions: Sequence[ObjectVersion]) -> Mapping[ObjectVersion, Result]:
        """Plan versions, each once; the result of each."""
        newest: dict[tuple[str, str], ObjectVersion] = {}
        for version in versions:
            earlier = newest.get(version.place)
            if earlier is None or version.is_newer_than(earlier):
                newest[version.place] = version
        # Older ones of the same batch last: they find the newest claimed, and are superseded.
        first = [version for version in dict.fromkeys(versions) if newest[version.place] == version]
        last = [version for version in dict.fromkeys(versions) if newest[version.place] != version]
        for group in (first, last):
            self._plan_group(group)
        return self.results

    def _plan_group(self, versions: Sequence[ObjectVersion]) -> None:
        decisions = dict(zip(versions, in_parallel(self._decide, versions), strict=True))
        chosen: dict[str, list[tuple[ObjectVersion, str | None]]] = {}
        for version, decision in sorted(decisions.items(), key=lambda pair: pair[0].place):
            dataset = self._settings.dataset_of(version.key) or ""
            if decision.action == "claim":
                chosen.setdefault(dataset, []).append((version, decision.before))
                continue
            if decision.action in ("ignored", "superseded"):
                done = self._ledger.settle(version, dataset, decision.action, decision.reason, decision.before)
                self._record(version, decision.action if done else "busy", decision.reason)
            else:
                self._record(version, "known" if decision.action == "known" else "busy", decision.reason)
        for dataset, pairs in sorted(chosen.items()):
            before = dict(pairs)
            for portion in portions([version for version, _ in pairs]):
                if self._time_is_left():
                    self._plan_portion(dataset, {version: before[version] for version in portion})
                else:
                    for version in portion:
                        self._record(version, "busy", "the call's time is nearly over")

    def _decide(self, version: ObjectVersion) -> Decision:
        reason = why_ignored(version, self._settings)
        history = self._ledger.versions(version.bucket, version.key)
        dataset = self._settings.dataset_of(version.key)
        overwrites = self._settings.overwrites(dataset) if dataset else "hold"
        decision = decide(version, history, overwrites, timestamp())
        if decision.action == "look" and decision.before is not None:
            if self._ledger.manifest(decision.before) or not self._ledger.void(decision.before):
                self._ledger.mark_planned([version], decision.before)
                return Decision("known", before=decision.before)
            if any(item["sk"] == object_key(version)["sk"] and item.get("released") for item in history):
                self._released.add(version)
                decision = Decision("claim", before=decision.before)
            else:
                decision = decide_by_others(version, history, overwrites, decision.before)
        if reason is not None and decision.action == "claim":
            return Decision("ignored", reason, decision.before)
        return decision

    def _plan_portion(self, dataset: str, before: dict[ObjectVersion, str | None]) -> None:
        until = timestamp(datetime.now(UTC) + timedelta(seconds=self._claim_seconds))
        for _ in range(ROUNDS):
            manifest = build_manifest(dataset, list(before), self._settings, uuid.uuid4().hex)

            def claim(pair: tuple[ObjectVersion, str | None], manifest_hash: str = manifest.hash) -> bool:
                version, earlier = pair
                released = version in self._released
                return self._ledger.claim(version, dataset, manifest_hash, until, before=earlier, released=released)

            won = dict(zip(before, in_parallel(claim, list(before.items())), strict=True))
            for version in [version for version, mine in won.items() if not mine]:
                self._record(version, "busy", "was claimed by another call at the same time")
            before = {version: manifest.hash for version, mine in won.items() if mine}
            if not before:
                return
            if len(before) == len(won):
                self._commit(manifest)
                return
        for version in before:
            self._record(version, "busy", "could not be claimed together with others")

    def _commit(self, manifest: Manifest) -> None:
        uri = self._put(manifest)
        if not self._ledger.commit(manifest, uri, self._settings.job):
            for version in manifest.versions:
                self._record(version, "busy", "the claim had run out, and another call took it over")
            return
        self._ledger.mark_planned(manifest.versions, manifest.hash)
        self.manifests.append(manifest)
        for version in manifest.versions:
            self._record(version, "planned")

    def _record(self, version: ObjectVersion, result: Result, reason: str = "") -> None:
        self.results[version] = result
        if reason:
            self.reasons[version] = reason


def summary(results: Mapping[ObjectVersion, Result]) -> dict[str, int]:
    """How many versions came to what."""
    counts: dict[str, Any] = {}
    for result in results.values():
        counts[result] = counts.get(result, 0) + 1
    return counts
