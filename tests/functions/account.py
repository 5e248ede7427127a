"""An AWS account with what the dispatcher works with, and calls of the dispatcher in it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Generator
from typing import Any

import boto3
import pytest

from functions.dispatcher import handler
from functions.dispatcher.manifests import Configuration
from functions.ledger.store import Item, Ledger
from sandbox.chain import make_ledger

REGION = "eu-west-1"
TABLE = "ledger"
FLIGHTS: dict[str, Any] = {
    "prefix": "flights/",
    "format": "csv",
    "columns": [
        {"name": "year", "type": "int", "nullable": True},
        {"name": "dest", "type": "string", "nullable": True},
    ],
    "partitionBy": ["year"],
    "nullValue": "NA",
}
WEATHER: dict[str, Any] = {**FLIGHTS, "prefix": "weather/hourly/", "overwrites": "add"}
SETTINGS = Configuration(
    datasets={"flights": FLIGHTS, "weather": WEATHER},
    database="emr_pipeline_sandbox",
    raw_bucket="raw-bucket",
    processed_bucket="processed-bucket",
    scripts_bucket="scripts-bucket",
    job="s3://scripts-bucket/jobs/0123456789abcdef/transform.py",
)


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
        "region": REGION,
        "resources": ["arn:aws:s3:::raw-bucket"],
        "detail": {"version": "0", "bucket": {"name": "raw-bucket"}, "object": item, "reason": "PutObject"},
    }


def records(*bodies: Any) -> list[dict[str, Any]]:
    """Messages m0, m1, …"""
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return [{"messageId": f"m{index}", "body": text} for index, text in enumerate(texts)]


class Context:
    """What Lambda hands to a function; time enough."""

    function_name = "dispatcher"
    memory_limit_in_mb = 512
    invoked_function_arn = f"arn:aws:lambda:{REGION}:123456789012:function:dispatcher"
    aws_request_id = "1"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


class StandardOutput:
    """Standard output as it is now: the logger took that of its import, which is not the one that pytest reads."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


class Process(BaseException):
    """The end of the function's process: nothing catches it, as nothing survives a kill."""


class Client:
    """A client that calls `intervene` before and after every call of the real one."""

    def __init__(self, real: Any, intervene: Callable[[str, str, dict[str, Any]], None]) -> None:
        self._real, self._intervene = real, intervene
        self.meta = real.meta

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self._intervene("before", name, arguments)
            answer = getattr(self._real, name)(**arguments)
            self._intervene("after", name, arguments)
            return answer

        return call


class Account:
    """The account; `intervene` sees every call that the function makes."""

    context = Context()

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._lines: list[dict[str, Any]] = []
        self.intervene: Callable[[str, str, dict[str, Any]], None] = lambda when, name, arguments: None
        environment = {
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "LEDGER_TABLE": TABLE,
            "MAXIMUM_RUNNING_EXECUTIONS": "4",
            "STACK": "sandbox",
            "POWERTOOLS_METRICS_NAMESPACE": "EmrPipeline",
            "POWERTOOLS_TRACE_DISABLED": "true",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for output in handler.logger.handlers:
            monkeypatch.setattr(output, "stream", StandardOutput())
        monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
        for bucket in ("raw-bucket", "scripts-bucket", "processed-bucket"):
            boto3.client("s3").create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
            )
        make_ledger(boto3.client("dynamodb"), TABLE)
        definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
        self.states: Any = boto3.client("stepfunctions")
        self.machine: str = self.states.create_state_machine(
            name="pipeline", definition=definition, roleArn="arn:aws:iam::123456789012:role/states"
        )["stateMachineArn"]
        monkeypatch.setenv("STATE_MACHINE_ARN", self.machine)
        # moto starts executions of a machine, not of an alias; the whole chain with one is tests/sandbox's.
        monkeypatch.setenv("STATE_MACHINE_ALIAS_ARN", self.machine)
        monkeypatch.setattr(handler, "bundle", lambda: SETTINGS)
        real = handler.aws_client
        real.cache_clear()

        def watched(service: str) -> Client:
            return Client(real(service), lambda when, name, arguments: self.intervene(when, name, arguments))

        monkeypatch.setattr(handler, "aws_client", watched)
        library: Any = boto3
        self.table: Any = library.resource("dynamodb").Table(TABLE)
        self.ledger = Ledger(self.table.meta.client, TABLE)

    def call(self, *bodies: Any, context: Any = None) -> list[str]:
        """Call the function with messages m0, m1, …; those that it gives back."""
        answer = handler.handler({"Records": records(*bodies)}, context or self.context)
        return [item["itemIdentifier"] for item in answer["batchItemFailures"]]

    def executions(self) -> dict[str, dict[str, Any]]:
        """Inputs of the executions, by name."""
        listed = self.states.get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        return {
            item["name"]: json.loads(self.states.describe_execution(executionArn=item["executionArn"])["input"])
            for page in listed
            for item in page["executions"]
        }

    def manifests(self) -> dict[str, dict[str, Any]]:
        """Manifests in the scripts bucket, by hash."""
        store: Any = boto3.client("s3")
        keys = [item["Key"] for item in store.list_objects_v2(Bucket="scripts-bucket").get("Contents", ())]
        return {
            key.rsplit("/", 1)[1].removesuffix(".json"): json.loads(
                store.get_object(Bucket="scripts-bucket", Key=key)["Body"].read()
            )
            for key in keys
        }

    def dispatched(self) -> list[str]:
        """Keys of the objects that executions were started for, sorted; one twice when it is processed twice."""
        documents = self.manifests()
        started = {execution["manifestHash"] for execution in self.executions().values()}
        return sorted(item["key"] for name in started for item in documents[name]["objects"])

    def planned(self) -> list[Item]:
        """Manifests of the ledger that are planned."""
        return self.ledger.in_state("planned")

    def finish(self) -> None:
        """End all executions, as failures do that tell nobody."""
        for item in self.states.list_executions(stateMachineArn=self.machine)["executions"]:
            if item["status"] == "RUNNING":
                self.states.stop_execution(executionArn=item["executionArn"])

    def claims_run_out(self) -> None:
        """Let the time pass that a message stays hidden for."""
        for item in self.table.scan()["Items"]:
            if item["state" if "state" in item else "sk"] == "claimed":
                self.table.put_item(Item=item | {"claimedUntil": "2000-01-01T00:00:00.000Z"})

    @contextlib.contextmanager
    def failing(self, service: str, call: str, error: Exception, needle: str = "") -> Generator[None]:
        """Let calls fail whose arguments hold a text."""

        def intervene(when: str, name: str, arguments: dict[str, Any]) -> None:
            if when == "before" and name == call and needle in str(arguments):
                raise error

        self.intervene = intervene
        yield
        self.intervene = lambda when, name, arguments: None

    def logged(self) -> list[dict[str, Any]]:
        """What the function logged so far, without metrics."""
        self._lines += [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]
        return [line for line in self._lines if "_aws" not in line]

    def metrics(self) -> dict[str, Any]:
        """The metrics of the last call."""
        self.logged()
        return [line for line in self._lines if "_aws" in line][-1]
