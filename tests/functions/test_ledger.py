"""Each object version once, whatever happens on the way: duplicates, disorder, crashes at every call, back-pressure."""

from __future__ import annotations

import random
from typing import Any

import pytest

from components.state_machine_definition.outcomes import DATA_REJECTED
from functions.ledger.store import SLOTS, RedriveRefusedError
from tests.functions.account import Account, Process, event

BATCH = ["flights/a.csv", "flights/b c+d%25é.csv", "weather/hourly/a.csv"]


def killed_at(account: Account, number: int, *keys: str, **changes: Any) -> bool:
    """Call the function with objects, and kill it at its n-th look at AWS (before or after a call); whether it was."""
    looks = 0

    def intervene(when: str, name: str, arguments: dict[str, Any]) -> None:
        nonlocal looks
        looks += 1
        if looks == number:
            raise Process

    account.intervene = intervene
    try:
        account.call(*(event(key, **changes) for key in keys))
    except Process:
        return True
    finally:
        account.intervene = lambda when, name, arguments: None
    return False


def deliver_until_settled(account: Account, *bodies: Any) -> None:
    """Deliver messages again and again as the queue does, the time that hides them passing in between."""
    left = list(bodies)
    for _ in range(4):
        account.claims_run_out()
        left = [left[int(message.removeprefix("m"))] for message in account.call(*left)]
        if not left:
            return
    raise AssertionError(f"messages come back for ever: {left}")


def test_a_crash_at_any_call_loses_nothing_and_doubles_nothing(account: Account) -> None:
    number, expected = 0, list[str]()
    killed = True
    while killed:
        number += 1
        keys = [f"{key.rsplit('/', 1)[0]}/{number}-{key.rsplit('/', 1)[1]}" for key in BATCH[:2]]
        expected += keys
        killed = killed_at(account, number, *keys)
        deliver_until_settled(account, *(event(key) for key in keys))
        # The executions of this round are over.
        account.table.delete_item(Key=SLOTS)
    assert number > 20, "the function was killed before and after each of its calls"
    assert account.dispatched() == sorted(expected), "every object runs once, whichever call was the last"


def test_a_batch_that_comes_again_starts_nothing_new(account: Account) -> None:
    for _ in range(3):
        assert account.call(*(event(key) for key in BATCH)) == [], "what is planned needs nothing more"
    assert account.dispatched() == sorted(BATCH)


def test_a_duplicate_in_one_batch_is_one_object(account: Account) -> None:
    assert account.call(event(BATCH[0]), event(BATCH[0]), event(BATCH[0])) == [], "all its messages are settled"
    assert account.dispatched() == [BATCH[0]]


def test_what_another_call_plans_now_comes_back_later(account: Account) -> None:
    assert killed_at(account, 7, BATCH[0]), "a call died with its claim"
    assert account.call(event(BATCH[0])) == ["m0"], "while that call might live, nobody takes its claim over"
    account.claims_run_out()
    assert account.call(event(BATCH[0])) == []
    assert account.dispatched() == [BATCH[0]]


def test_a_call_that_outlives_its_claim_cannot_come_true_any_more(account: Account) -> None:
    """It stands still between its claim and its commit, for so long that the message is delivered again."""
    done = False

    def intervene(when: str, name: str, arguments: dict[str, Any]) -> None:
        nonlocal done
        if not done and when == "before" and name == "put_object":
            done = True
            account.claims_run_out()
            assert account.call(event(BATCH[0])) == [], "the second delivery takes over"

    account.intervene = intervene
    assert account.call(event(BATCH[0])) == ["m0"], "the first finds its manifest void, and gives its message back"
    assert account.dispatched() == [BATCH[0]], "only one of them came true"


SEQUENCERS = {"old": "617F0829", "new": "617F082900000001"}


def versions(*names: str, key: str = "flights/a.csv") -> list[dict[str, Any]]:
    return [event(key, version=name, sequencer=SEQUENCERS[name]) for name in names]


@pytest.mark.parametrize("names", [("old", "new"), ("new", "old")])
@pytest.mark.parametrize("key", ["flights/a.csv", "weather/hourly/a.csv"])
def test_of_several_versions_in_a_batch_only_the_newest_runs(account: Account, names: Any, key: str) -> None:
    assert account.call(*versions(*names, key=key)) == []
    states = {item["sk"]: item["state"] for item in account.ledger.versions("raw-bucket", key)}
    assert states == {"version#new": "planned", "version#old": "superseded"}, "a run reads the object as it is then"


@pytest.mark.parametrize("key", ["flights/a.csv", "weather/hourly/a.csv"])
def test_an_older_version_that_comes_late_is_superseded(account: Account, key: str) -> None:
    for name in ("new", "old"):
        assert account.call(*versions(name, key=key)) == []
    assert account.dispatched() == [key]
    old, new = sorted(account.ledger.versions("raw-bucket", key), key=lambda item: item["sk"], reverse=True)
    assert (new["state"], old["state"]) == ("planned", "superseded")
    assert "version#new" in old["reason"], "the ledger says which version came first"


def test_an_overwritten_key_is_held_by_default(account: Account) -> None:
    for name in ("old", "new"):
        assert account.call(*versions(name)) == []
    assert account.dispatched() == ["flights/a.csv"], "its rows would be in the table twice"
    held = next(item for item in account.ledger.versions("raw-bucket", "flights/a.csv") if item["sk"] == "version#new")
    assert held["state"] == "ignored"
    assert "overwrites version#old" in held["reason"], "a person must find why the correction is not in the table"
    assert account.metrics()["ObjectsHeld"] == [1], "and that something is held is counted"


def test_an_overwritten_key_adds_its_rows_where_the_dataset_says_so(account: Account) -> None:
    for name in ("old", "new"):
        assert account.call(*versions(name, key="weather/hourly/a.csv")) == []
    assert account.dispatched() == ["weather/hourly/a.csv"] * 2


def test_a_held_version_is_let_through_once(account: Account) -> None:
    for name in ("old", "new"):
        account.call(*versions(name))
    held = next(item for item in account.ledger.versions("raw-bucket", "flights/a.csv") if item["sk"] == "version#new")
    assert account.ledger.release(held), "a person decides that its rows belong in the table"
    assert not account.ledger.release(held), "a second time there is nothing to let through"
    assert killed_at(account, 9, "flights/a.csv", version="new", sequencer=SEQUENCERS["new"]), "a call may die with it"
    for _ in range(2):
        account.claims_run_out()
        assert account.call(*versions("new")) == [], "its message may come twice"
    assert account.dispatched() == ["flights/a.csv"] * 2, "the old version's run, and one of the new"
    new = next(item for item in account.ledger.versions("raw-bucket", "flights/a.csv") if item["sk"] == "version#new")
    assert (new["state"], "reason" in new) == ("planned", False)


def test_an_empty_object_stays_ignored_when_it_is_let_through(account: Account) -> None:
    account.call(event("flights/a.csv", 0))
    (item,) = account.ledger.versions("raw-bucket", "flights/a.csv")
    assert account.ledger.release(item)
    account.call(event("flights/a.csv", 0))
    (item,) = account.ledger.versions("raw-bucket", "flights/a.csv")
    assert (item["state"], item["reason"]) == ("ignored", "is empty"), "there is nothing to run"


def test_an_object_that_is_deleted_meanwhile_is_left_to_its_run(account: Account) -> None:
    gone = event("flights/a.csv")
    assert account.call(gone, {**gone, "detail-type": "Object Deleted"}) == [], "neither message comes back"
    assert account.dispatched() == ["flights/a.csv"], "the job finds that it is gone, and its run report says so"
    assert account.call(gone) == [], "and a late duplicate starts nothing"
    assert account.dispatched() == ["flights/a.csv"]


def test_seeded_disorder_duplicates_and_kills_lose_nothing(account: Account) -> None:
    chance = random.Random(20130101)
    keys = [f"flights/{number:03}.csv" for number in range(40)]
    pending = keys + chance.choices(keys, k=20)
    chance.shuffle(pending)
    kills = 0
    for _ in range(60):
        if not pending:
            break
        size = chance.randint(1, 12)
        batch, pending = pending[:size], pending[size:]
        account.claims_run_out()
        if chance.random() < 0.4 and killed_at(account, chance.randint(1, 60), *batch):
            kills += 1
            pending += batch  # nobody answered for them, so the queue delivers them again
        else:
            pending += [batch[int(message.removeprefix("m"))] for message in account.call(*map(event, batch))]
        if chance.random() < 0.5:
            account.finish()
    assert not pending, "everything is settled in the end"
    assert kills >= 3, "the test kills calls, or it would show nothing"
    for _ in range(30):
        account.finish()
        account.call()
    assert account.dispatched() == keys, "each object runs once: none is lost, none runs twice"


# --- back-pressure ----------------------------------------------------------------------------------------------------


def running(account: Account) -> int:
    listed = account.states.list_executions(stateMachineArn=account.machine, statusFilter="RUNNING")
    return len(listed["executions"])


def test_no_more_executions_run_than_may(account: Account) -> None:
    for number in range(7):
        assert account.call(event(f"flights/{number}.csv")) == [], "it is planned, so its message is done with"
    assert running(account) == 4
    assert len(account.planned()) == 3, "the others wait in the ledger"
    account.call()
    assert running(account) == 4, "another look starts nothing while all slots are taken"
    account.finish()
    account.call()
    assert running(account) == 3, "ended executions free their slots, even when they told nobody"
    assert account.dispatched() == [f"flights/{number}.csv" for number in range(7)]


def test_what_waits_longest_starts_first(account: Account) -> None:
    for number in range(6):
        account.call(event(f"flights/{number}.csv"))
    waiting = account.planned()
    keys = [account.manifests()[item["hash"]]["objects"][0]["key"] for item in waiting]
    assert keys == ["flights/4.csv", "flights/5.csv"], "the ledger gives what waits oldest first"


def test_a_starter_that_died_with_a_slot_blocks_nothing(account: Account) -> None:
    def intervene(when: str, name: str, arguments: dict[str, Any]) -> None:
        if when == "before" and name == "start_execution":
            raise Process

    account.intervene = intervene
    with pytest.raises(Process):
        account.call(event("flights/a.csv"))
    account.intervene = lambda when, name, arguments: None
    assert account.executions() == {}
    account.call()
    assert account.dispatched() == ["flights/a.csv"], "the next one starts what holds a slot and does not run"


# --- re-driving -------------------------------------------------------------------------------------------------------


def fail(account: Account, manifest_hash: str, outcome: str = "StepFailed") -> None:
    """As the state machine settles an execution that failed."""
    account.table.update_item(
        Key={"pk": f"manifest#{manifest_hash}", "sk": "manifest"},
        UpdateExpression="SET #state = :failed, outcome = :outcome",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":failed": "failed", ":outcome": outcome},
    )


def test_a_failed_manifest_is_driven_again_as_a_new_attempt(account: Account) -> None:
    account.call(event("flights/a.csv"))
    (manifest_hash,) = account.manifests()
    account.finish()
    fail(account, manifest_hash)
    item = account.ledger.redrive(manifest_hash)
    assert (item["state"], item["attempt"]) == ("planned", 2)
    assert "outcome" not in item, "what the last attempt came to is not this one's"
    account.call()
    assert set(account.executions()) == {f"{manifest_hash[:40]}-1", f"{manifest_hash[:40]}-2"}
    assert account.executions()[f"{manifest_hash[:40]}-2"]["job"] == item["job"], "with the job that was pinned"


def test_another_job_is_used_only_when_asked(account: Account) -> None:
    account.call(event("flights/a.csv"))
    (manifest_hash,) = account.manifests()
    fail(account, manifest_hash)
    assert account.ledger.redrive(manifest_hash, "s3://scripts-bucket/jobs/f/transform.py")["job"].endswith(
        "/f/transform.py"
    )


def test_rejected_data_is_driven_again_only_when_asked(account: Account) -> None:
    account.call(event("flights/a.csv"))
    (manifest_hash,) = account.manifests()
    account.finish()
    fail(account, manifest_hash, DATA_REJECTED.name)
    with pytest.raises(RedriveRefusedError, match="what was fit is in the table"):
        account.ledger.redrive(manifest_hash)
    assert account.ledger.redrive(manifest_hash, rejected=True)["attempt"] == 2, "limits or the job may have changed"


def test_what_has_not_failed_is_not_driven_again(account: Account) -> None:
    account.call(event("flights/a.csv"))
    (manifest_hash,) = account.manifests()
    with pytest.raises(RedriveRefusedError, match="is running; only a failed one can be driven again"):
        account.ledger.redrive(manifest_hash)
    with pytest.raises(RedriveRefusedError, match="is not in the ledger"):
        account.ledger.redrive("0" * 64)
