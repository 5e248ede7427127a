"""The ledger's command, as a person uses it."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from functions.ledger import __main__ as ledger_command
from functions.ledger.__main__ import main
from tests.functions.account import TABLE, Account, event
from tests.functions.test_ledger import fail


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit code and what was printed."""
    code = main(arguments)
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_status_tells_what_happened_to_a_file(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    key = "flights/a b+c%25é.csv"
    account.call(event(key))
    account.logged()
    code, text = command(capsys, "--table", TABLE, "status", f"s3://raw-bucket/{key}")
    assert code == 0
    (manifest_hash,) = account.manifests()
    for part in ("version v1: planned", f"manifest   {manifest_hash}", "running, attempt 1", f"{manifest_hash[:40]}-1"):
        assert part in text, f"a person must read {part!r}"


def test_status_of_an_ignored_file_gives_the_reason(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.call(event("flights/empty.csv", 0))
    account.logged()
    _, text = command(capsys, "--table", TABLE, "status", "s3://raw-bucket/flights/empty.csv")
    assert "ignored" in text
    assert "is empty" in text


def test_a_file_that_nobody_knows_is_an_error_that_says_where_to_look(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = command(capsys, "--table", TABLE, "status", "s3://raw-bucket/flights/none.csv")
    assert code == 1
    assert "not in the ledger" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("form", ["hash", "execution"])
def test_redrive_takes_a_hash_or_an_execution(account: Account, capsys: pytest.CaptureFixture[str], form: str) -> None:
    account.call(event("flights/a.csv"))
    account.logged()
    (manifest_hash,) = account.manifests()
    name = manifest_hash if form == "hash" else f"{manifest_hash[:40]}-1"
    code, text = command(capsys, "--table", TABLE, "--function", "dispatcher", "redrive", name)
    assert code == 1, "it has not failed"
    assert "is running; only a failed one" in text
    fail(account, manifest_hash)
    command(capsys, "--table", TABLE, "--function", "dispatcher", "redrive", name)
    item = account.ledger.manifest(manifest_hash)
    assert item is not None
    assert (item["state"], item["attempt"]) == ("planned", 2)


def test_backfill_sends_what_is_there_through_the_same_ledger(
    account: Account, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = boto3.client("s3")
    store.put_bucket_versioning(Bucket="raw-bucket", VersioningConfiguration={"Status": "Enabled"})
    for key in ("flights/old é.csv", "flights/known.csv", "flights/gone.csv", "other/x.csv"):
        store.put_object(Bucket="raw-bucket", Key=key, Body=b"year,dest\n")
    store.delete_object(Bucket="raw-bucket", Key="flights/gone.csv")
    queue: Any = boto3.client("sqs")
    url = queue.create_queue(QueueName="intake")["QueueUrl"]
    known = store.head_object(Bucket="raw-bucket", Key="flights/known.csv")["VersionId"]
    account.call(event("flights/known.csv", version=known))
    account.logged()
    monkeypatch.setattr(ledger_command, "stack_outputs", lambda stack: {"datasetPrefixes": {"arrivals": "flights/"}})
    given = ("--stack", "dev", "--queue", url, "--raw", "raw-bucket", "backfill", "--dataset")
    code, text = command(capsys, *given, "departures")
    assert (code, text) == (1, "error: stack 'dev' has no dataset 'departures'; it has arrivals\n")
    code, text = command(capsys, *given, "arrivals")
    assert (code, text.split(" ", 1)[0]) == (0, "2"), (
        "what was deleted is not there, and other prefixes are not asked for"
    )
    messages = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert account.call(*(json.loads(message["Body"]) for message in messages)) == []
    assert account.dispatched() == ["flights/known.csv", "flights/old é.csv"], "each once, the known one too"


def test_release_lets_a_held_version_through(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    queue: Any = boto3.client("sqs")
    url = queue.create_queue(QueueName="intake")["QueueUrl"]
    uri = "s3://raw-bucket/flights/a.csv"
    for name, sequencer in (("old", "617F0829"), ("new", "617F082A")):
        account.call(event("flights/a.csv", version=name, sequencer=sequencer))
    account.logged()
    code, text = command(capsys, "--table", TABLE, "--queue", url, "release", uri)
    assert (code, text) == (0, f"version new of {uri} is let through: its rows are added to the table\n")
    (message,) = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert account.call(json.loads(message["Body"])) == []
    assert account.dispatched() == ["flights/a.csv"] * 2
    account.logged()
    code, text = command(capsys, "--table", TABLE, "--queue", url, "release", uri)
    assert (code, "has no version that is held" in text) == (1, True)


def test_latency_is_told_by_stage(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    account.call({**event("flights/a.csv"), "time": "2024-01-01T00:00:00Z"})
    account.logged()
    (manifest_hash,) = account.manifests()
    moments = {"plannedAt": "00:01:05.000", "startedAt": "00:01:06.500", "endedAt": "00:04:00.000"}
    item = account.ledger.manifest(manifest_hash)
    assert item is not None
    assert item["firstObjectAt"] == "2024-01-01T00:00:00Z", "the clock starts with the first file"
    changes = {name: f"2024-01-01T{moment}Z" for name, moment in moments.items()}
    account.table.put_item(Item=item | changes | {"state": "succeeded"})
    code, text = command(capsys, "--table", TABLE, "latency", "--dataset", "flights")
    assert code == 0
    found = {line[:10].strip(): line[10:].split() for line in text.splitlines()[1:]}
    assert {stage: float(values[1]) for stage, values in found.items()} == {
        "gathered": 65,
        "waited": 1.5,
        "ran": 173.5,
        "in all": 240,
    }
    account.table.put_item(Item=item | changes | {"state": "succeeded", "attempt": 2})
    _, text = command(capsys, "--table", TABLE, "latency")
    assert len(text.splitlines()) == 1, "what was driven again waited for a person"


def test_without_a_stack_the_missing_flags_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = command(capsys, "backfill", "--dataset", "flights")
    assert code == 1
    assert "give --stack, or --queue and --raw" in text
