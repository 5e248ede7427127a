"""The dispatcher: events in, manifests and executions out, and only the right messages back to the queue."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from functions.dispatcher import events, handler, manifests
from functions.dispatcher.events import ObjectVersion
from tests.functions.account import FLIGHTS, SETTINGS, WEATHER, Account, event, records

GIB = 1024**3


def version(key: str, size: int = 10) -> ObjectVersion:
    return ObjectVersion("raw-bucket", key, "v1", size, "e")


# --- the messages -----------------------------------------------------------------------------------------------------


def test_an_event_gives_its_object_version() -> None:
    assert events.parse(json.dumps(event("flights/a.csv"))) == ObjectVersion(
        "raw-bucket", "flights/a.csv", "v1", 10, "e" * 32, "617F08299329D189"
    ), "bucket, key, version, size, etag and sequencer come from the event's detail"


KEYS = ["flights/red+flower.csv", "flights/100%25.csv", "flights/a b.csv", "flights/été.csv", "flights/日本/🛩.csv"]


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_taken_as_they_are(key: str) -> None:
    parsed = events.parse(json.dumps(event(key)))
    assert parsed is not None
    assert parsed.key == key, "EventBridge does not URL-encode keys, so decoding one would name another object"


@pytest.mark.parametrize("given_version", [None, "null", ""])
def test_an_object_without_a_version_has_none(given_version: str | None) -> None:
    parsed = events.parse(json.dumps(event("flights/a.csv", version=given_version)))
    assert parsed is not None
    assert parsed.version_id is None, "a bucket that keeps no versions gives no id, or the text null"


def test_the_other_spelling_of_etag_is_understood() -> None:
    body = event("flights/a.csv")
    body["detail"]["object"]["eTag"] = body["detail"]["object"].pop("etag")
    parsed = events.parse(json.dumps(body))
    assert parsed is not None
    assert parsed.etag == "e" * 32, "S3's own notifications spell it eTag"


@given(st.text(min_size=1), st.none() | st.text(min_size=1), st.integers(0, 10**15), st.text("0123456789ABCDEF"))
def test_the_event_of_a_version_gives_that_version(key: str, number: str | None, size: int, sequencer: str) -> None:
    made = ObjectVersion("raw-bucket", key, None if number == "null" else number, size, "e", sequencer)
    assert events.parse(json.dumps(events.event_of(made))) == made, "backfill speaks as S3 does"


MALFORMED: dict[str, Any] = {
    "no JSON": "{",
    "a list": [],
    "another service": {**event("flights/a.csv"), "source": "aws.ec2"},
    "S3's test event": {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "raw-bucket"},
    "no detail type": {name: value for name, value in event("a").items() if name != "detail-type"},
    "no detail": {name: value for name, value in event("a").items() if name != "detail"},
    "detail is text": {**event("a"), "detail": "text"},
    "object is a list": {**event("a"), "detail": {"bucket": {"name": "b"}, "object": []}},
    "no size": {**event("a"), "detail": {"bucket": {"name": "b"}, "object": {"key": "a"}}},
    "size is text": event("flights/a.csv", size="12"),  # type: ignore[arg-type]
    "size is negative": event("flights/a.csv", size=-1),
    "size is a truth value": event("flights/a.csv", size=True),
    "key is empty": event(""),
    "key is a number": event(5),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_message_is_told_apart_from_the_others(body: Any, account: Account) -> None:
    answer = account.call(body, event("flights/a.csv"))
    assert answer == ["m0"], "it must go back to the queue, and so to the dead-letter queue in the end"
    assert account.dispatched() == ["flights/a.csv"], "the other is dispatched"
    (problem,) = [line for line in account.logged() if line["level"] == "ERROR"]
    assert problem["messageId"] == "m0", "the log names the message"
    assert problem["message"].startswith("message is "), "and says what is wrong with it"


@given(st.text())
def test_no_text_breaks_the_parser(body: str) -> None:
    with pytest.raises(events.MalformedMessageError, match=r"^is "):
        events.parse(body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["object", "bucket", "key", "name"]), inner),
    )
)
def test_no_detail_breaks_the_parser(detail: Any) -> None:
    with pytest.raises(events.MalformedMessageError, match="event of S3"):
        events.parse(json.dumps({**event("a"), "detail": detail}))


IGNORED = {
    "flights/": (10, "is a folder marker"),
    "flights/2013/": (0, "is a folder marker"),
    "flights/2013_$folder$": (10, "is a folder marker"),
    "flights/empty.csv": (0, "is empty"),
}


@pytest.mark.parametrize(("key", "size", "reason"), [(key, *rest) for key, rest in IGNORED.items()])
def test_what_needs_no_run_is_ignored_with_a_reason(key: str, size: int, reason: str, account: Account) -> None:
    assert account.call(event(key, size)) == [], "it is no failure, so its message must not come back"
    assert account.dispatched() == [], "no run may come of it"
    (item,) = account.ledger.versions("raw-bucket", key)
    assert (item["state"], item["reason"]) == ("ignored", reason), "whoever asks for the file must learn why"


@pytest.mark.parametrize("key", ["other/a.csv", "weather/daily/a.csv", "flightsabc.csv", "_reports/flights/x.json"])
def test_what_lies_outside_every_prefix_is_no_business_of_ours(key: str, account: Account) -> None:
    assert account.call(event(key)) == []
    assert account.dispatched() == []
    assert any("outside every dataset's prefix" in line["message"] for line in account.logged())


def test_what_does_not_end_with_the_datasets_suffix_starts_nothing(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = dataclasses.replace(SETTINGS, datasets={"flights": {**FLIGHTS, "suffix": ".csv"}})
    monkeypatch.setattr(handler, "bundle", lambda: only)
    assert account.call(event("flights/a.csv.md5"), event("flights/_DONE"), event("flights/a.csv")) == []
    assert account.dispatched() == ["flights/a.csv"]


def test_our_own_outputs_start_nothing(account: Account) -> None:
    body = event("flights/year=2013/part-00000-0123456789abcdef.parquet")
    body["detail"]["bucket"]["name"] = SETTINGS.processed_bucket
    assert account.call(body) == [], "it is settled: a message of another bucket is a mistake of the rule's"
    assert account.dispatched() == [], "a run that reads what runs write would never end"


def test_an_event_of_another_kind_is_ignored(account: Account) -> None:
    assert account.call({**event("flights/a.csv"), "detail-type": "Object Tags Added"}) == []
    assert account.dispatched() == []


@pytest.mark.parametrize("key", KEYS)
def test_every_key_goes_its_whole_way(key: str, account: Account) -> None:
    account.call(event(key))
    assert account.dispatched() == [key]
    (item,) = account.ledger.versions("raw-bucket", key)
    assert item["state"] == "planned", "the ledger finds it under the key that people see"


def test_objects_are_grouped_by_dataset(account: Account) -> None:
    account.call(event("weather/hourly/a.csv"), event("flights/b.csv"), event("flights/a.csv"))
    found = {
        document["dataset"]: [item["key"] for item in document["objects"]] for document in account.manifests().values()
    }
    assert found == {"flights": ["flights/a.csv", "flights/b.csv"], "weather": ["weather/hourly/a.csv"]}, (
        "each dataset has its own definition, hence its own manifest"
    )


def test_sequencers_of_different_length_are_filled_up_with_zeros() -> None:
    short, long = (ObjectVersion("b", "k", None, 1, "", text) for text in ("00A", "00A0"))
    assert not short.is_newer_than(long), "they are equal once the shorter is filled up"
    assert not long.is_newer_than(short)


# --- the manifests ----------------------------------------------------------------------------------------------------


def test_a_manifest_has_the_documented_form() -> None:
    versions = [
        ObjectVersion("raw-bucket", "flights/b.csv", None, 7, "e2"),
        ObjectVersion("raw-bucket", "flights/a.csv", "v1", 5, "e1"),
    ]
    assert manifests.manifest_document("flights", versions, SETTINGS, "p") == {
        "version": 1,
        "dataset": "flights",
        "plan": "p",
        "definition": FLIGHTS,
        "database": "emr_pipeline_sandbox",
        "table": "flights",
        "output": "s3://processed-bucket/flights/",
        "staging": "s3://processed-bucket/_staging/flights/",
        "setAside": "s3://processed-bucket/_set_aside/flights/",
        "objects": [
            {"bucket": "raw-bucket", "key": "flights/a.csv", "versionId": "v1", "size": 5, "etag": "e1"},
            {"bucket": "raw-bucket", "key": "flights/b.csv", "versionId": None, "size": 7, "etag": "e2"},
        ],
    }, "the job and every re-drive read this, and nothing else"


def test_the_hash_is_that_of_the_text_that_is_put() -> None:
    manifest = manifests.build_manifest("flights", [version("flights/é.csv")], SETTINGS, "p")
    assert manifest.hash == hashlib.sha256(manifest.text.encode()).hexdigest(), "the hash names the stored document"
    again = json.dumps(json.loads(manifest.text), sort_keys=True, separators=(",", ":"))
    assert again == manifest.text, "whoever reads the manifest can compute its hash again from what it says"


def test_a_plan_is_never_confused_with_another_of_the_same_objects() -> None:
    first, second = (manifests.build_manifest("flights", [version("flights/a.csv")], SETTINGS, plan) for plan in "pq")
    assert first.hash != second.hash, "a plan that was given up must not come true by a later one"


def test_the_execution_has_the_agreed_name_and_input(account: Account) -> None:
    account.call(event("flights/a.csv", 5), event("flights/b.csv", 6))
    ((name, found),) = account.executions().items()
    manifest_hash = found["manifestHash"]
    assert name == f"{manifest_hash[:40]}-1"
    assert re.fullmatch(r"[0-9a-f-]{1,80}", name), "Step Functions takes no more than 80 plain characters"
    assert found == {
        "manifest": f"s3://scripts-bucket/manifests/flights/{manifest_hash}.json",
        "manifestHash": manifest_hash,
        "dataset": "flights",
        "attempt": 1,
        "objects": 2,
        "bytes": 11,
        "report": {"bucket": "processed-bucket", "key": f"_reports/flights/{name}.json"},
        "job": SETTINGS.job,
    }, "the state machine reads these names"


def test_a_large_batch_is_cut_by_number_of_objects() -> None:
    sizes = [len(portion) for portion in manifests.portions([version(f"flights/{n:05}.csv") for n in range(2001)])]
    assert sizes == [1000, 1000, 1], "no manifest holds more than 1000 objects"


def test_a_large_batch_is_cut_by_bytes() -> None:
    sizes = {"a": 20 * GIB, "b": 12 * GIB, "c": 1, "d": 50 * GIB, "e": 1}
    cut = manifests.portions([version(key, size) for key, size in sizes.items()])
    assert [[item.key for item in portion] for portion in cut] == [["a", "b"], ["c"], ["d"], ["e"]], (
        "no more than 32 GiB, unless one object alone has more"
    )


@given(st.lists(st.integers(min_value=0, max_value=30), max_size=40), st.integers(1, 5), st.integers(1, 60))
def test_cutting_loses_nothing_and_keeps_the_bounds(sizes: list[int], objects: int, size: int) -> None:
    versions = [version(str(index), each) for index, each in enumerate(sizes)]
    cut = manifests.portions(versions, objects, size)
    assert [item for portion in cut for item in portion] == versions, "every object is in one portion, in order"
    for portion in cut:
        assert 1 <= len(portion) <= objects
        total = sum(item.size for item in portion)
        assert total <= size or len(portion) == 1, "only a single object may exceed the bound"


# --- the bundle -------------------------------------------------------------------------------------------------------


BUNDLE = {
    "datasets": {"flights": FLIGHTS, "weather": WEATHER},
    "database": "emr_pipeline_sandbox",
    "rawBucket": "raw-bucket",
    "processedBucket": "processed-bucket",
    "scriptsBucket": "scripts-bucket",
    "job": SETTINGS.job,
}


def test_the_bundled_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "datasets.json"
    path.write_text(json.dumps(BUNDLE))
    assert manifests.configuration(path) == SETTINGS


@pytest.mark.parametrize("missing", BUNDLE)
def test_an_incomplete_bundle_names_what_is_missing(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "datasets.json"
    path.write_text(json.dumps({name: value for name, value in BUNDLE.items() if name != missing}))
    with pytest.raises(manifests.BundleError, match=missing):
        manifests.configuration(path)


def test_a_dataset_without_a_prefix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "datasets.json"
    path.write_text(json.dumps({**BUNDLE, "datasets": {"flights": {**FLIGHTS, "prefix": ""}}}))
    with pytest.raises(manifests.BundleError, match=r"datasets\.flights"):
        manifests.configuration(path)


# --- the whole function -----------------------------------------------------------------------------------------------


def test_a_batch_becomes_manifests_and_executions(account: Account) -> None:
    bodies = [event("flights/a.csv", 5), event("weather/hourly/b.csv", 6), event("flights/c.csv", 7)]
    assert account.call(*bodies) == [], "everything is settled"
    documents, started = account.manifests(), account.executions()
    assert len(documents) == len(started) == 2, "one manifest and one execution a dataset"
    for execution in started.values():
        document = documents[execution["manifestHash"]]
        assert execution["bytes"] == sum(item["size"] for item in document["objects"])
        assert execution["objects"] == len(document["objects"])


def test_no_work_touches_nothing(account: Account) -> None:
    assert account.call(event("other/a.csv")) == [], "ignored objects are settled"
    assert account.manifests() == {}
    assert account.executions() == {}


def test_an_empty_batch_is_no_error(account: Account) -> None:
    assert account.call() == []


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "refused"}}, "Call")


@pytest.mark.parametrize(
    "error", [refusal("SlowDown"), EndpointConnectionError(endpoint_url="https://s3.eu-west-1.amazonaws.com")]
)
def test_what_could_not_be_planned_goes_back_and_comes_through_later(account: Account, error: Exception) -> None:
    bodies = [event("flights/a.csv"), event("weather/hourly/b.csv"), event("flights/c.csv"), event("flights/a.csv")]
    with account.failing("s3", "put_object", error, "weather"):
        assert account.call(*bodies) == ["m1"], "the messages of the manifest that failed, and no others"
    assert account.dispatched() == ["flights/a.csv", "flights/c.csv"]
    account.claims_run_out()
    assert account.call(*bodies) == [], "the redelivered message takes the dead call's claim over"
    assert account.dispatched() == ["flights/a.csv", "flights/c.csv", "weather/hourly/b.csv"], "each exactly once"


@pytest.mark.parametrize("code", ["ThrottlingException", "ExecutionLimitExceeded", "AccessDeniedException"])
def test_what_could_not_be_started_waits_in_the_ledger(account: Account, code: str) -> None:
    with account.failing("stepfunctions", "start_execution", refusal(code)):
        assert account.call(event("flights/a.csv")) == [], "it is planned: giving it back would burn its tries"
    assert account.executions() == {}
    assert [item["state"] for item in account.planned()] == ["planned"]
    assert any(code in line["message"] for line in account.logged() if line["level"] == "ERROR"), "and it is told"
    assert account.call() == []
    assert account.dispatched() == ["flights/a.csv"], "the next call of any kind starts it"


def test_a_mistake_of_ours_is_not_hidden(account: Account) -> None:
    with account.failing("s3", "put_object", TypeError("a bug")), pytest.raises(TypeError):
        account.call(event("flights/a.csv"))


class Hurried:
    """A context whose time runs out after some looks."""

    function_name = "dispatcher"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:dispatcher"
    aws_request_id = "1"

    def __init__(self, *remaining: int) -> None:
        self.remaining = list(remaining)

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining.pop(0) if len(self.remaining) > 1 else self.remaining[0]


def test_a_call_without_time_gives_its_rest_back(account: Account) -> None:
    bodies = [event("flights/a.csv"), event("weather/hourly/b.csv")]
    assert account.call(*bodies, context=Hurried(60_000, 20_000, 4_000)) == ["m1"], (
        "a call that is cut off would leave claims that the next delivery must wait for"
    )
    assert account.call(*bodies) == []
    assert account.dispatched() == ["flights/a.csv", "weather/hourly/b.csv"], "nothing was lost by it, nothing is twice"


def test_the_log_is_one_json_object_a_line(account: Account) -> None:
    account.call(event("flights/a.csv"), event("other/a.csv"), "text")
    lines = account.logged()
    assert {line["level"] for line in lines} == {"INFO", "WARNING", "ERROR"}
    assert all(line["message"] for line in lines), "every record says what happened"
    ignored = next(line for line in lines if line["level"] == "WARNING")
    assert ignored["key"] == "other/a.csv", "whoever misses a file must find why nothing happened to it"


def test_counts_are_published_as_metrics_of_the_stack(account: Account) -> None:
    account.call(event("flights/a.csv"), event("flights/b.csv"), event("other/a.csv"), "text", event("flights/", 0))
    metrics = account.metrics()
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "EmrPipeline"
    assert directive["Dimensions"] == [["Stack"]]
    assert metrics["Stack"] == "sandbox"
    values: Mapping[str, Any] = {metric["Name"]: metrics[metric["Name"]] for metric in directive["Metrics"]}
    assert values == {
        "ObjectsDispatched": [2],
        "ObjectsHeld": [1],
        "ManifestsPlanned": [1],
        "MessagesIgnored": [1],
        "MessagesMalformed": [1],
        "MessagesReturned": [1],
        "ExecutionsStarted": [1],
        "ExecutionsRefused": [0],
    }


def test_clients_try_again_by_themselves(account: Account) -> None:
    retries = handler.aws_client("stepfunctions").meta.config.retries
    assert retries["mode"] == "standard", "a throttled call must not send a whole batch back at once"
    assert retries["total_max_attempts"] == 5


def test_an_answer_names_messages_in_the_form_that_lambda_asks_for(account: Account) -> None:
    answer = handler.handler({"Records": records("{")}, account.context)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
