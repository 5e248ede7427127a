"""The dispatcher: events in, manifests and executions out, and only the right messages back to the queue."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from functions.dispatcher import handler as dispatcher
from functions.dispatcher.handler import Arrival, Configuration, ObjectVersion

FLIGHTS = {
    "prefix": "flights/",
    "format": "csv",
    "columns": [
        {"name": "year", "type": "int", "nullable": True},
        {"name": "dest", "type": "string", "nullable": True},
    ],
    "partitionBy": ["year"],
    "nullValue": "NA",
}
WEATHER = {**FLIGHTS, "prefix": "weather/hourly/"}
SETTINGS = Configuration(
    datasets={"flights": FLIGHTS, "weather": WEATHER},
    database="emr_pipeline_sandbox",
    processed_bucket="processed-bucket",
    scripts_bucket="scripts-bucket",
)
GIB = 1024**3


def event(key: str, size: int = 10, version: str | None = "v1", **changes: Any) -> dict[str, Any]:
    """An EventBridge event as the Amazon S3 User Guide shows it."""
    item: dict[str, Any] = {"key": key, "size": size, "etag": "e" * 32, "sequencer": "617F08299329D189"}
    if version is not None:
        item["version-id"] = version
    item.update(changes)
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "region": "eu-west-1",
        "resources": ["arn:aws:s3:::raw-bucket"],
        "detail": {"version": "0", "bucket": {"name": "raw-bucket"}, "object": item, "reason": "PutObject"},
    }


def record(body: Any, message: str) -> dict[str, Any]:
    return {"messageId": message, "body": body if isinstance(body, str) else json.dumps(body)}


def records(*bodies: Any) -> list[dict[str, Any]]:
    """Messages m0, m1, …"""
    return [record(body, f"m{index}") for index, body in enumerate(bodies)]


def arrival(key: str, size: int = 10) -> Arrival:
    return Arrival(ObjectVersion("raw-bucket", key, "v1", size, "e"), (f"message of {key}",))


# --- the messages -----------------------------------------------------------------------------------------------------


def test_an_event_gives_its_object_version() -> None:
    assert dispatcher.parse(json.dumps(event("flights/a.csv"))) == ObjectVersion(
        "raw-bucket", "flights/a.csv", "v1", 10, "e" * 32, "617F08299329D189"
    ), "bucket, key, version, size, etag and sequencer come from the event's detail"


@pytest.mark.parametrize("key", ["flights/red+flower.csv", "flights/100%25.csv", "flights/a b.csv", "flights/été.csv"])
def test_keys_are_taken_as_they_are(key: str) -> None:
    version = dispatcher.parse(json.dumps(event(key)))
    assert version is not None
    assert version.key == key, "EventBridge does not URL-encode keys, so decoding one would name another object"


@pytest.mark.parametrize("version", [None, "null", ""])
def test_an_object_without_a_version_has_none(version: str | None) -> None:
    parsed = dispatcher.parse(json.dumps(event("flights/a.csv", version=version)))
    assert parsed is not None
    assert parsed.version_id is None, "a bucket that keeps no versions gives no id, or the text null"


def test_the_other_spelling_of_etag_is_understood() -> None:
    body = event("flights/a.csv")
    body["detail"]["object"]["eTag"] = body["detail"]["object"].pop("etag")
    parsed = dispatcher.parse(json.dumps(body))
    assert parsed is not None
    assert parsed.etag == "e" * 32, "S3's own notifications spell it eTag"


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
def test_a_malformed_message_is_told_apart_from_the_others(body: Any) -> None:
    batch = dispatcher.sort_out(records(body, event("flights/a.csv")), SETTINGS)
    assert set(batch.malformed) == {"m0"}, "it must go back to the queue, and so to the dead-letter queue in the end"
    assert batch.malformed["m0"].startswith("is "), "the log must say what is wrong with it"
    assert [found.version.key for found in batch.arrivals["flights"]] == ["flights/a.csv"], "the other is dispatched"


@given(st.text())
def test_no_text_breaks_the_parser(body: str) -> None:
    batch = dispatcher.sort_out(records(body), SETTINGS)
    assert batch.malformed.get("m0", "").startswith("is "), "text that is no event is said to be, whatever it holds"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["object", "bucket", "key", "name"]), inner),
    )
)
def test_no_detail_breaks_the_parser(detail: Any) -> None:
    batch = dispatcher.sort_out(records({**event("a"), "detail": detail}), SETTINGS)
    assert "S3" in batch.malformed.get("m0", ""), "no such detail holds an object with a size, and the log says so"


IGNORED = {
    "flights/": "is a folder marker",
    "flights/2013/": "is a folder marker",
    "flights/2013_$folder$": "is a folder marker",
    "other/a.csv": "lies outside every dataset's prefix",
    "weather/daily/a.csv": "lies outside every dataset's prefix",
    "flightsabc.csv": "lies outside every dataset's prefix",
}


@pytest.mark.parametrize(("key", "reason"), IGNORED.items())
def test_what_needs_no_run_is_ignored_with_a_reason(key: str, reason: str) -> None:
    batch = dispatcher.sort_out(records(event(key)), SETTINGS)
    assert [item.reason for item in batch.ignored] == [reason], "the log must say why nothing happens to the object"
    assert not batch.arrivals, "no run may come of it"
    assert not batch.malformed, "it is no failure, so its message must not come back"


def test_an_empty_object_is_ignored() -> None:
    batch = dispatcher.sort_out(records(event("flights/a.csv", size=0)), SETTINGS)
    assert [item.reason for item in batch.ignored] == ["is empty"], "an object of no bytes has no rows"


def test_an_event_of_another_kind_is_ignored() -> None:
    batch = dispatcher.sort_out(records({**event("flights/a.csv"), "detail-type": "Object Tags Added"}), SETTINGS)
    assert [item.reason for item in batch.ignored] == ["is an event of another kind than Object Created"]


def test_objects_are_grouped_by_dataset() -> None:
    keys = ["weather/hourly/a.csv", "flights/b.csv", "flights/a.csv"]
    batch = dispatcher.sort_out(records(*map(event, keys)), SETTINGS)
    found = {name: [item.version.key for item in arrivals] for name, arrivals in batch.arrivals.items()}
    assert found == {"flights": ["flights/a.csv", "flights/b.csv"], "weather": ["weather/hourly/a.csv"]}, (
        "each dataset has its own definition, hence its own manifest"
    )


def test_a_message_that_comes_twice_is_one_object() -> None:
    batch = dispatcher.sort_out(records(event("flights/a.csv"), event("flights/a.csv")), SETTINGS)
    (found,) = batch.arrivals["flights"]
    assert found.messages == ("m0", "m1"), "S3 and SQS may deliver twice; both messages are settled by the one object"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_only_the_newest_version_of_a_key_is_processed(order: tuple[int, int]) -> None:
    bodies = [
        event("flights/a.csv", version="old", sequencer="617F0829"),
        event("flights/a.csv", version="new", sequencer="617F082900000001"),
    ]
    batch = dispatcher.sort_out(records(*(bodies[index] for index in order)), SETTINGS)
    (found,) = batch.arrivals["flights"]
    assert found.version.version_id == "new", "a run reads the object as it is: events come in any order"


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
    assert dispatcher.manifest_document("flights", versions, SETTINGS) == {
        "version": 1,
        "dataset": "flights",
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
    manifest = dispatcher.build_manifest("flights", [arrival("flights/é.csv")], SETTINGS)
    assert manifest.hash == hashlib.sha256(manifest.text.encode()).hexdigest(), "the hash names the stored document"
    again = json.dumps(json.loads(manifest.text), sort_keys=True, separators=(",", ":"))
    assert again == manifest.text, "whoever reads the manifest can compute its hash again from what it says"


def test_the_order_of_messages_does_not_change_the_manifest() -> None:
    bodies = [event("flights/a.csv"), event("flights/b.csv"), event("flights/a.csv")]
    first, second = (
        dispatcher.build_manifests(dispatcher.sort_out(records(*order), SETTINGS).arrivals, SETTINGS)
        for order in (bodies, bodies[::-1])
    )
    assert [manifest.hash for manifest in first] == [manifest.hash for manifest in second], (
        "a batch that comes again in another order must name the same execution"
    )


def test_the_execution_has_the_agreed_name_and_input() -> None:
    manifest = dispatcher.build_manifest(
        "flights", [arrival("flights/a.csv", 5), arrival("flights/b.csv", 6)], SETTINGS
    )
    name = f"{manifest.hash[:40]}-1"
    assert manifest.execution_name() == name
    assert re.fullmatch(r"[0-9a-f-]{1,80}", name), "Step Functions takes no more than 80 plain characters"
    assert manifest.execution_input(SETTINGS) == {
        "manifest": f"s3://scripts-bucket/manifests/flights/{manifest.hash}.json",
        "manifestHash": manifest.hash,
        "dataset": "flights",
        "attempt": 1,
        "objects": 2,
        "bytes": 11,
        "report": {"bucket": "processed-bucket", "key": f"_reports/flights/{name}.json"},
    }, "the state machine reads these names"


def test_a_large_batch_is_cut_by_number_of_objects() -> None:
    sizes = [len(portion) for portion in dispatcher.portions([arrival(f"flights/{n:05}.csv") for n in range(2001)])]
    assert sizes == [1000, 1000, 1], "no manifest holds more than 1000 objects"


def test_a_large_batch_is_cut_by_bytes() -> None:
    arrivals = [
        arrival("a", 20 * GIB),
        arrival("b", 12 * GIB),
        arrival("c", 1),
        arrival("d", 50 * GIB),
        arrival("e", 1),
    ]
    cut = [[item.version.key for item in portion] for portion in dispatcher.portions(arrivals)]
    assert cut == [["a", "b"], ["c"], ["d"], ["e"]], "no more than 32 GiB, unless one object alone has more"


@given(st.lists(st.integers(min_value=0, max_value=30), max_size=40), st.integers(1, 5), st.integers(1, 60))
def test_cutting_loses_nothing_and_keeps_the_bounds(sizes: list[int], objects: int, size: int) -> None:
    arrivals = [arrival(str(index), each) for index, each in enumerate(sizes)]
    cut = dispatcher.portions(arrivals, objects, size)
    assert [item for portion in cut for item in portion] == arrivals, "every object is in one portion, in order"
    for portion in cut:
        assert 1 <= len(portion) <= objects
        total = sum(item.version.size for item in portion)
        assert total <= size or len(portion) == 1, "only a single object may exceed the bound"


# --- the bundle -------------------------------------------------------------------------------------------------------


BUNDLE = {
    "datasets": {"flights": FLIGHTS, "weather": WEATHER},
    "database": "emr_pipeline_sandbox",
    "processedBucket": "processed-bucket",
    "scriptsBucket": "scripts-bucket",
}


def test_the_bundled_configuration_is_read(tmp_path: Path) -> None:
    path = tmp_path / "datasets.json"
    path.write_text(json.dumps(BUNDLE))
    assert dispatcher.configuration(path) == SETTINGS


@pytest.mark.parametrize("missing", BUNDLE)
def test_an_incomplete_bundle_names_what_is_missing(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "datasets.json"
    path.write_text(json.dumps({name: value for name, value in BUNDLE.items() if name != missing}))
    with pytest.raises(dispatcher.BundleError, match=missing):
        dispatcher.configuration(path)


def test_a_dataset_without_a_prefix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "datasets.json"
    path.write_text(json.dumps({**BUNDLE, "datasets": {"flights": {**FLIGHTS, "prefix": ""}}}))
    with pytest.raises(dispatcher.BundleError, match=r"datasets\.flights"):
        dispatcher.configuration(path)


# --- the whole function, against AWS ----------------------------------------------------------------------------------


@pytest.fixture
def state_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The ARN of a state machine that records what is started, beside the buckets."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "sandbox")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sandbox")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("METRIC_NAMESPACE", raising=False)
    clients = dispatcher.aws_client
    clients.cache_clear()
    monkeypatch.setattr(dispatcher, "bundle", lambda: SETTINGS)
    with mock_aws():
        boto3.client("s3").create_bucket(
            Bucket="scripts-bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        role = "arn:aws:iam::123456789012:role/states"
        definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
        arn = boto3.client("stepfunctions").create_state_machine(name="pipeline", definition=definition, roleArn=role)[
            "stateMachineArn"
        ]
        monkeypatch.setenv("STATE_MACHINE_ARN", arn)
        yield arn
    clients.cache_clear()


def executions(arn: str) -> dict[str, dict[str, Any]]:
    """Inputs of the executions, by name."""
    states = boto3.client("stepfunctions")
    listed = states.list_executions(stateMachineArn=arn)["executions"]
    return {
        item["name"]: json.loads(states.describe_execution(executionArn=item["executionArn"])["input"])
        for item in listed
    }


def stored() -> dict[str, dict[str, Any]]:
    """Manifests in the scripts bucket, by key."""
    store = boto3.client("s3")
    keys = [item["Key"] for item in store.list_objects_v2(Bucket="scripts-bucket").get("Contents", ())]
    return {key: json.loads(store.get_object(Bucket="scripts-bucket", Key=key)["Body"].read()) for key in keys}


def failures(answer: dict[str, Any]) -> list[str]:
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "refused"}}, "StartExecution")


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


class Failing:
    """A client of which one call fails for one dataset."""

    def __init__(self, real: Any, call: str, needle: str, error: Exception) -> None:
        self.real, self.call, self.needle, self.error = real, call, needle, error

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            if name == self.call and self.needle in str(arguments):
                raise self.error
            return getattr(self.real, name)(**arguments)

        return call


def failing(monkeypatch: pytest.MonkeyPatch, service: str, call: str, needle: str, error: Exception) -> None:
    real = dispatcher.aws_client
    clients = {service: Failing(boto3.client(service), call, needle, error)}
    monkeypatch.setattr(dispatcher, "aws_client", lambda name: clients.get(name) or real(name))


def test_a_batch_becomes_manifests_and_executions(state_machine: str) -> None:
    bodies = [event("flights/a.csv", 5), event("weather/hourly/b.csv", 6), event("flights/c.csv", 7)]
    answer = dispatcher.handler({"Records": records(*bodies)}, None)
    assert failures(answer) == [], "everything is settled"
    manifests, started = stored(), executions(state_machine)
    assert len(manifests) == len(started) == 2, "one manifest and one execution a dataset"
    for execution in started.values():
        key = execution["manifest"].removeprefix("s3://scripts-bucket/")
        document = manifests[key]
        assert key == f"manifests/{document['dataset']}/{execution['manifestHash']}.json"
        assert execution["bytes"] == sum(item["size"] for item in document["objects"])
        assert execution["objects"] == len(document["objects"])
    flights = next(document for document in manifests.values() if document["dataset"] == "flights")
    assert [item["key"] for item in flights["objects"]] == ["flights/a.csv", "flights/c.csv"]


def test_a_batch_that_comes_again_starts_nothing_new(state_machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    batch = {"Records": records(event("flights/a.csv"))}
    dispatcher.handler(batch, None)
    states = boto3.client("stepfunctions")
    (running,) = states.list_executions(stateMachineArn=state_machine)["executions"]
    states.stop_execution(executionArn=running["executionArn"])
    assert failures(dispatcher.handler(batch, None)) == [], "ExecutionAlreadyExists says that the work is in hand"
    assert len(executions(state_machine)) == 1, "the same manifest runs once"
    assert "execution was started before" in [line["message"] for line in logged(capsys)]


def test_no_work_touches_nothing(state_machine: str) -> None:
    answer = dispatcher.handler({"Records": records(event("other/a.csv"), event("flights/b.csv", size=0))}, None)
    assert failures(answer) == [], "ignored objects are settled"
    assert stored() == {}
    assert executions(state_machine) == {}


def test_an_empty_batch_is_no_error(state_machine: str) -> None:
    assert dispatcher.handler({"Records": []}, None) == {"batchItemFailures": []}


def test_a_malformed_message_goes_back_alone(state_machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = dispatcher.handler({"Records": records("{", event("flights/a.csv"))}, None)
    assert failures(answer) == ["m0"], "it ends in the dead-letter queue; the good one is settled"
    assert len(executions(state_machine)) == 1
    errors = [line for line in logged(capsys) if line["level"] == "ERROR"]
    assert [line["messageId"] for line in errors] == ["m0"], "the log names the message and what is wrong"
    assert "is not JSON" in errors[0]["message"]


@pytest.mark.parametrize(
    ("service", "call", "error"),
    [
        ("stepfunctions", "start_execution", refusal("ThrottlingException")),
        ("stepfunctions", "start_execution", refusal("ExecutionLimitExceeded")),
        ("stepfunctions", "start_execution", refusal("AccessDeniedException")),
        ("s3", "put_object", refusal("SlowDown")),
        ("s3", "put_object", EndpointConnectionError(endpoint_url="https://s3.eu-west-1.amazonaws.com")),
    ],
)
def test_what_could_not_be_started_goes_back_and_nothing_else(
    state_machine: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    service: str,
    call: str,
    error: Exception,
) -> None:
    failing(monkeypatch, service, call, "flights", error)
    bodies = [event("flights/a.csv"), event("weather/hourly/b.csv"), event("flights/c.csv"), event("flights/a.csv")]
    answer = dispatcher.handler({"Records": records(*bodies)}, None)
    assert sorted(failures(answer)) == ["m0", "m2", "m3"], "the messages of the manifest that failed, and no others"
    assert [execution["dataset"] for execution in executions(state_machine).values()] == ["weather"]
    errors = [line for line in logged(capsys) if line["level"] == "ERROR"]
    assert [line["dataset"] for line in errors] == ["flights"], "the log says which manifest failed and why"


def test_a_mistake_of_ours_is_not_hidden(state_machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "s3", "put_object", "flights", TypeError("a bug"))
    with pytest.raises(TypeError):
        dispatcher.handler({"Records": records(event("flights/a.csv"))}, None)


class Hurried:
    """A context whose time runs out after some looks."""

    def __init__(self, *remaining: int) -> None:
        self.remaining = list(remaining)

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining.pop(0)


def test_a_call_without_time_gives_its_rest_back(state_machine: str) -> None:
    batch = {"Records": records(event("flights/a.csv"), event("weather/hourly/b.csv"))}
    answer = dispatcher.handler(batch, Hurried(20_000, 4_000))
    assert failures(answer) == ["m1"], "a call that is cut off would repeat the whole batch, and so what is started"
    assert [execution["dataset"] for execution in executions(state_machine).values()] == ["flights"]


def test_the_log_is_one_json_object_a_line(state_machine: str, capsys: pytest.CaptureFixture[str]) -> None:
    dispatcher.handler({"Records": records(event("flights/a.csv"), event("other/a.csv"), "text")}, None)
    lines = logged(capsys)
    assert {line["level"] for line in lines} == {"INFO", "WARN", "ERROR"}
    for line in lines:
        assert line["message"], "every record says what happened"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"]), "Lambda's own form of time"
    ignored = next(line for line in lines if line["level"] == "WARN")
    assert ignored["key"] == "other/a.csv", "whoever misses a file must find why nothing happened to it"


def test_counts_are_published_as_metrics(
    state_machine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METRIC_NAMESPACE", "emr-pipeline/sandbox")
    bodies = [event("flights/a.csv"), event("flights/b.csv"), event("other/a.csv"), "text"]
    dispatcher.handler({"Records": records(*bodies)}, None)
    (metrics,) = [line for line in logged(capsys) if "_aws" in line]
    (directive,) = metrics["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "emr-pipeline/sandbox"
    values = {metric["Name"]: metrics[metric["Name"]] for metric in directive["Metrics"]}
    assert values == {"ObjectsDispatched": 2, "MessagesIgnored": 1, "MessagesMalformed": 1, "MessagesReturned": 1}


def test_clients_try_again_by_themselves(state_machine: str) -> None:
    retries = dispatcher.aws_client("stepfunctions").meta.config.retries
    assert retries["mode"] == "standard", "a throttled call must not send a whole batch back at once"
    assert retries["total_max_attempts"] == 5


def test_the_function_needs_nothing_that_lambda_does_not_have() -> None:
    source = (Path(dispatcher.__file__)).read_text(encoding="utf-8")
    imported = {match.split(".")[0] for match in re.findall(r"^(?:from|import) ([\w.]+)", source, re.MULTILINE)}
    standard = imported & set(__import__("sys").stdlib_module_names)
    assert imported - standard == {"boto3", "botocore"}, "the archive holds no packages: the runtime brings these two"
