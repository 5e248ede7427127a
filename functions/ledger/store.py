"""The ledger's table, read and written.

Every change is one conditional write of one item, so that no crash leaves half of one. What belongs together, a
manifest of up to a thousand objects, becomes true in one write too, that of its manifest item (`Ledger.commit`): an
object that is ``claimed`` for a manifest is planned if, and only if, that item is there. Whoever takes over a claim
whose owner is gone first makes sure that the manifest can never be committed (`Ledger.void`).

The items' form is described in ``components/ledger.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from botocore.exceptions import ClientError

from functions.dispatcher.events import ObjectVersion
from functions.dispatcher.manifests import Manifest, execution_name

BY_STATE = "manifests-by-state"
"""Index of manifests: state, then plannedAt."""
CONCURRENT_CALLS = 16
SLOTS = {"pk": "starter#slots", "sk": "slots"}
"""Item whose ``manifests`` may run now; their number is bounded in the write that takes a slot."""
ENDED = ("succeeded", "failed")
REJECTED = "DataRejected"
"""Outcome of a manifest whose fit rows are in the table (`components.state_machine_definition.outcomes`)."""

Item = dict[str, Any]
S = TypeVar("S")
R = TypeVar("R")


class RedriveRefusedError(Exception):
    """A manifest that cannot be driven again now; the text says why."""


def timestamp(moment: datetime | None = None) -> str:
    """A moment (by default now) as the ledger writes it: ISO 8601, UTC, milliseconds."""
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def object_key(version: ObjectVersion) -> dict[str, str]:
    """Key of an object version's item."""
    return {"pk": place_key(version.bucket, version.key), "sk": f"version#{version.version_id or 'null'}"}


def place_key(bucket: str, key: str) -> str:
    """Partition key of all versions of an object."""
    return f"object#{bucket}/{key}"


def manifest_key(manifest_hash: str) -> dict[str, str]:
    """Key of a manifest's item."""
    return {"pk": f"manifest#{manifest_hash}", "sk": "manifest"}


def recorded(item: Mapping[str, Any]) -> ObjectVersion:
    """The object version that an item is about."""
    bucket, key = str(item["pk"]).removeprefix("object#").split("/", 1)
    version = str(item["sk"]).removeprefix("version#")
    return ObjectVersion(
        bucket,
        key,
        None if version == "null" else version,
        int(item.get("size", 0)),
        str(item.get("etag", "")),
        str(item.get("sequencer", "")),
    )


def in_parallel(call: Callable[[S], R], items: Sequence[S]) -> list[R]:
    """Results of a call for each item, in order."""
    if len(items) < 2:
        return [call(item) for item in items]
    with ThreadPoolExecutor(CONCURRENT_CALLS) as threads:
        return list(threads.map(call, items))


class Ledger:
    """The table, through a client that takes plain values (``boto3.resource("dynamodb").meta.client``)."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    # --- object versions ----------------------------------------------------------------------------------------------

    def versions(self, bucket: str, key: str) -> list[Item]:
        """Items of all versions of an object."""
        return self._query(
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": place_key(bucket, key)},
            ConsistentRead=True,
        )

    def claim(
        self,
        version: ObjectVersion,
        dataset: str,
        manifest_hash: str,
        until: str,
        *,
        before: str | None = None,
        released: bool = False,
    ) -> bool:
        """Claim a version for a manifest that will be committed.

        Args:
            version: What is claimed.
            dataset: Its dataset.
            manifest_hash: The manifest that it will belong to.
            until: When the claim's owner is surely gone.
            before: Manifest that the version was claimed for until now, by the same owner or one whose manifest is
                void; None for a version that nobody claimed.
            released: Whether a person let it through, whatever other versions there are.

        Returns:
            False when somebody else was faster.
        """
        now = timestamp()
        item = self._object(version, dataset, now) | {
            "state": "claimed",
            "manifest": manifest_hash,
            "claimedAt": now,
            "claimedUntil": until,
            **({"released": True} if released else {}),
        }
        if before is None:
            return self._put(item, "attribute_not_exists(pk)")
        return self._put(item, "#state = :claimed AND manifest = :before", {":claimed": "claimed", ":before": before})

    def settle(self, version: ObjectVersion, dataset: str, state: str, reason: str, before: str | None) -> bool:
        """Record that a version needs no run (``ignored``, ``superseded``); arguments and result as in `claim`."""
        item = self._object(version, dataset, timestamp()) | {"state": state, "reason": reason}
        if before is None:
            return self._put(item, "attribute_not_exists(pk)")
        return self._put(item, "#state = :claimed AND manifest = :before", {":claimed": "claimed", ":before": before})

    def release(self, item: Item) -> bool:
        """Let a held version (`ignored`) through: leave it as a claim that ran out, for a manifest that there never is,
        which the next delivery takes over; False when it is not held any more."""
        return self._update(
            {"pk": item["pk"], "sk": item["sk"]},
            "SET #state = :claimed, manifest = :none, released = :true, claimedUntil = :now, updatedAt = :now "
            "REMOVE reason",
            "#state = :ignored",
            {":claimed": "claimed", ":none": "none", ":true": True, ":now": timestamp(), ":ignored": "ignored"},
        )

    def mark_planned(self, versions: Iterable[ObjectVersion], manifest_hash: str) -> None:
        """Say of versions whose manifest is committed that they are planned."""

        def mark(version: ObjectVersion) -> None:
            self._update(
                object_key(version),
                "SET #state = :planned, updatedAt = :now REMOVE claimedUntil",
                "#state = :claimed AND manifest = :manifest",
                {":planned": "planned", ":now": timestamp(), ":claimed": "claimed", ":manifest": manifest_hash},
            )

        in_parallel(mark, list(versions))

    @staticmethod
    def _object(version: ObjectVersion, dataset: str, now: str) -> Item:
        return {
            **object_key(version),
            "dataset": dataset,
            "size": version.size,
            "etag": version.etag,
            "sequencer": version.sequencer,
            "updatedAt": now,
        }

    # --- manifests ----------------------------------------------------------------------------------------------------

    def manifest(self, manifest_hash: str) -> Item | None:
        """A manifest's item; None when it was never committed, or is void."""
        found = self._client.get_item(TableName=self._table, Key=manifest_key(manifest_hash), ConsistentRead=True)
        item = cast("Item | None", found.get("Item"))
        return None if item is None or item["state"] == "void" else item

    def commit(self, manifest: Manifest, uri: str, job: str) -> bool:
        """Make a manifest true, and with it that its objects are planned; False when it is void."""
        item = {
            **manifest_key(manifest.hash),
            "hash": manifest.hash,
            "dataset": manifest.dataset,
            "uri": uri,
            "objects": len(manifest.versions),
            "bytes": manifest.size,
            "attempt": 1,
            "state": "planned",
            "job": job,
            "plannedAt": timestamp(),
        }
        times = [version.time for version in manifest.versions if version.time]
        if times:
            item["firstObjectAt"] = min(times)
        return self._put(item, "attribute_not_exists(pk)")

    def void(self, manifest_hash: str) -> bool:
        """Make sure that a manifest is never committed; False when it is committed already."""
        item = {**manifest_key(manifest_hash), "state": "void", "updatedAt": timestamp()}
        return self._put(item, "attribute_not_exists(pk) OR #state = :void", {":void": "void"})

    def in_state(self, state: str, limit: int | None = None) -> list[Item]:
        """Manifests in a state, oldest first; the index may lag behind by a moment."""
        return self._query(
            limit,
            IndexName=BY_STATE,
            KeyConditionExpression="#state = :state",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":state": state},
        )

    def mark_running(self, manifest_hash: str, attempt: int) -> None:
        """Say that an attempt's execution was started; one that has ended meanwhile stays as it is."""
        self._update(
            manifest_key(manifest_hash),
            "SET #state = :running, execution = :execution, startedAt = if_not_exists(startedAt, :now)",
            "#state = :planned AND attempt = :attempt",
            {
                ":running": "running",
                ":planned": "planned",
                ":execution": execution_name(manifest_hash, attempt),
                ":attempt": attempt,
                ":now": timestamp(),
            },
        )

    def redrive(self, manifest_hash: str, job: str | None = None, *, rejected: bool = False) -> Item:
        """Plan a new attempt at a failed manifest; returns its item.

        Rows are never there twice: the job names its files after the manifest, and another attempt replaces them.

        Args:
            manifest_hash: Which one.
            job: Another job than the one that was pinned when it was planned.
            rejected: Whether also one whose data was rejected, and whose fit rows are in the table already.

        Raises:
            RedriveRefusedError: when there is no such manifest, or it has not failed.
        """
        item = self.manifest(manifest_hash)
        if item is None:
            raise RedriveRefusedError(f"manifest {manifest_hash} is not in the ledger")
        if item["state"] != "failed":
            raise RedriveRefusedError(
                f"manifest {manifest_hash} is {item['state']}; only a failed one can be driven again, else its objects "
                "would be processed twice at a time"
            )
        if item.get("outcome") == REJECTED and not rejected:
            raise RedriveRefusedError(
                f"manifest {manifest_hash} ended {REJECTED}: what was fit is in the table, and another attempt would "
                "replace it by the same; drop mended files under a new key. After a change of limits or of the job, "
                "drive it again with --rejected"
            )
        # startedAt and what the last attempt came to go; the executions' histories keep them.
        done = self._update(
            manifest_key(manifest_hash),
            "SET #state = :planned, attempt = attempt + :one, plannedAt = :now, job = :job "
            "REMOVE outcome, reason, execution, startedAt, endedAt",
            "#state = :failed AND attempt = :attempt",
            {
                ":planned": "planned",
                ":failed": "failed",
                ":one": 1,
                ":now": timestamp(),
                ":job": job or item["job"],
                ":attempt": item["attempt"],
            },
        )
        changed = self.manifest(manifest_hash)
        if not done or changed is None:
            raise RedriveRefusedError(f"manifest {manifest_hash} was changed by somebody else at the same time")
        return changed

    # --- slots: how many may run --------------------------------------------------------------------------------------

    def slots(self) -> set[str]:
        """Manifests that hold a slot."""
        found = self._client.get_item(TableName=self._table, Key=SLOTS, ConsistentRead=True).get("Item", {})
        return set(found.get("manifests") or ())

    def take_slot(self, manifest_hash: str, maximum: int) -> bool:
        """Give a manifest a slot, unless all are taken or it holds one."""
        return self._update(
            SLOTS,
            "ADD manifests :hashes",
            "attribute_not_exists(manifests) OR (size(manifests) < :maximum AND NOT contains(manifests, :hash))",
            {":hashes": {manifest_hash}, ":maximum": maximum, ":hash": manifest_hash},
        )

    def free_slots(self, hashes: Iterable[str]) -> None:
        """Take slots back from manifests whose executions have ended."""
        left = set(hashes)
        if left:
            self._update(SLOTS, "DELETE manifests :hashes", None, {":hashes": left})

    # --- calls --------------------------------------------------------------------------------------------------------

    def _query(self, limit: int | None = None, **arguments: Any) -> list[Item]:
        found: list[Item] = []
        while True:
            answer = self._client.query(TableName=self._table, **arguments)
            found += answer["Items"]
            last = answer.get("LastEvaluatedKey")
            if not last or (limit is not None and len(found) >= limit):
                return found[:limit]
            arguments["ExclusiveStartKey"] = last

    def _put(self, item: Item, condition: str, values: Mapping[str, Any] | None = None) -> bool:
        named = {"ExpressionAttributeNames": {"#state": "state"}} if "#state" in condition else {}
        valued = {"ExpressionAttributeValues": dict(values)} if values else {}
        return _unless_refused(
            lambda: self._client.put_item(
                TableName=self._table, Item=item, ConditionExpression=condition, **named, **valued
            )
        )

    def _update(self, key: Mapping[str, str], change: str, condition: str | None, values: Mapping[str, Any]) -> bool:
        arguments: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        if "#state" in change + (condition or ""):
            arguments["ExpressionAttributeNames"] = {"#state": "state"}
        return _unless_refused(
            lambda: self._client.update_item(
                TableName=self._table,
                Key=dict(key),
                UpdateExpression=change,
                ExpressionAttributeValues=dict(values),
                **arguments,
            )
        )


def _unless_refused(call: Callable[[], Any]) -> bool:
    """Make a conditional call; False when its condition does not hold."""
    try:
        call()
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") != "ConditionalCheckFailedException":
            raise
        return False
    return True
