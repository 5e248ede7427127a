"""Many small objects through the real chain: bucket, rule, queue, function as it is deployed, ledger, executions.

The number is BURST_OBJECTS (``make burst`` takes 10,000); while they flow, processes of the function are killed at
seeded random moments.
"""

from __future__ import annotations

import collections
import contextlib
import io
import json
import os
import random
import signal
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pulumi
import pytest

from components.dispatch import MODULES
from components.function_archive import function_archive
from functions.ledger.store import Ledger
from sandbox import aws
from tests.functions.account import FLIGHTS, REGION, make_table

pytestmark = pytest.mark.sandbox

OBJECTS = int(os.environ.get("BURST_OBJECTS", "60"))
KILLS = 2
MAXIMUM = 3
SEED = 20130101
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tests"
DEFINITION = {
    "StartAt": "Work",
    "States": {
        "Work": {"Type": "Wait", "Seconds": 1, "Next": "Settle"},
        "Settle": {
            "Type": "Task",
            "Resource": "arn:aws:states:::dynamodb:updateItem",
            "Parameters": {
                "TableName": "ledger",
                "Key": {
                    "pk": {"S.$": "States.Format('manifest#{}', $.manifestHash)"},
                    "sk": {"S": "manifest"},
                },
                "UpdateExpression": "SET #state = :state",
                "ExpressionAttributeNames": {"#state": "state"},
                "ExpressionAttributeValues": {":state": {"S": "succeeded"}},
            },
            "End": True,
        },
    },
}
"""Takes a moment and settles its manifest, as the pipeline's does; what steps do is tested elsewhere."""


def archive() -> bytes:
    """The function's archive, as the engine would put it together."""
    bundled = {
        "datasets": {"flights": FLIGHTS},
        "database": "emr_pipeline",
        "rawBucket": "raw",
        "processedBucket": "processed",
        "scriptsBucket": "scripts",
        "job": "s3://scripts/jobs/0123456789abcdef/transform.py",
    }
    made = io.BytesIO()
    assets = function_archive(MODULES, {"functions/dispatcher/datasets.json": json.dumps(bundled)}).assets
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as package:
        for path, asset in assets.items():
            if isinstance(asset, pulumi.FileAsset):
                package.write(str(asset.path), path)
            elif isinstance(asset, pulumi.StringAsset):
                package.writestr(path, str(asset.text))
    return made.getvalue()


class Chain:
    """The chain on a sandbox AWS."""

    def __init__(self, endpoint: str, directory: Path) -> None:
        self.endpoint, self.directory = endpoint, directory
        for bucket in ("raw", "scripts", "processed"):
            self.use("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.use("s3").put_bucket_versioning(Bucket="raw", VersioningConfiguration={"Status": "Enabled"})
        self.use("s3").put_bucket_notification_configuration(
            Bucket="raw", NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        self.use("iam").create_role(RoleName="tests", AssumeRolePolicyDocument='{"Version": "2012-10-17"}')
        make_table(self.use("dynamodb"))
        self.machine: str = self.use("stepfunctions").create_state_machine(
            name="pipeline", definition=json.dumps(DEFINITION), roleArn=ROLE
        )["stateMachineArn"]
        self.queue: str = self.use("sqs").create_queue(QueueName="intake", Attributes={"VisibilityTimeout": "12"})[
            "QueueUrl"
        ]
        function = self.use("lambda").create_function(
            FunctionName="dispatcher",
            Runtime="python3.12",
            Role=ROLE,
            Handler="functions.dispatcher.handler.handler",
            Timeout=10,
            Code={"ZipFile": archive()},
            LoggingConfig={"LogFormat": "JSON"},
            Environment={
                "Variables": {
                    "STATE_MACHINE_ARN": self.machine,
                    "STATE_MACHINE_ALIAS_ARN": self.machine,
                    "LEDGER_TABLE": "ledger",
                    "MAXIMUM_RUNNING_EXECUTIONS": str(MAXIMUM),
                    "STACK": "burst",
                    "POWERTOOLS_METRICS_NAMESPACE": "EmrPipeline",
                }
            },
        )["FunctionArn"]
        self._rule("objects", {"source": ["aws.s3"], "detail-type": ["Object Created"]}, self.arn("sqs", "intake"))
        ended = {"source": ["aws.states"], "detail": {"status": ["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"]}}
        self._rule("ended", ended, function)
        self.use("lambda").create_event_source_mapping(
            FunctionName="dispatcher",
            EventSourceArn=self.arn("sqs", "intake"),
            BatchSize=1000,
            MaximumBatchingWindowInSeconds=1,
            FunctionResponseTypes=["ReportBatchItemFailures"],
            ScalingConfig={"MaximumConcurrency": 2},
        )
        library: Any = boto3
        resource = library.resource(
            "dynamodb",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
        )
        self.ledger = Ledger(resource.meta.client, "ledger")
        self._table = resource.Table("ledger")

    def use(self, service: str) -> Any:
        library: Any = boto3
        return library.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
        )

    @staticmethod
    def arn(service: str, resource: str) -> str:
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"

    def _rule(self, name: str, pattern: dict[str, Any], target: str) -> None:
        self.use("events").put_rule(Name=name, EventPattern=json.dumps(pattern))
        self.use("events").put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target}])

    def kill_a_process(self, chance: random.Random) -> bool:
        """Kill a process of the function, as a crash does; False when none runs."""
        found = [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and self._is_of_the_function(entry)
        ]
        if not found:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(sorted(found)), signal.SIGKILL)
            return True
        return False

    def _is_of_the_function(self, entry: Path) -> bool:
        with contextlib.suppress(OSError):
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            return any(str(self.directory).encode() in text and b"dispatcher" in text for text in arguments)
        return False

    def objects(self) -> dict[str, str]:
        """State in the ledger by key."""
        found: dict[str, str] = {}
        arguments: dict[str, Any] = {}
        while True:
            answer = self._table.scan(**arguments)
            for item in answer["Items"]:
                if item["pk"].startswith("object#"):
                    found[item["pk"].removeprefix("object#raw/")] = item["state"]
            if "LastEvaluatedKey" not in answer:
                return found
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def runs(self) -> collections.Counter[str]:
        """How often each key's manifest was run."""
        counted: collections.Counter[str] = collections.Counter()
        states, store = self.use("stepfunctions"), self.use("s3")
        for page in states.get_paginator("list_executions").paginate(stateMachineArn=self.machine):
            for execution in page["executions"]:
                given = json.loads(states.describe_execution(executionArn=execution["executionArn"])["input"])
                key = given["manifest"].removeprefix("s3://scripts/")
                document = json.loads(store.get_object(Bucket="scripts", Key=key)["Body"].read())
                counted.update(item["key"] for item in document["objects"])
        return counted


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    running = aws.start(aws.AwsOptions(directory=tmp_path / "aws", region=REGION, account_id=ACCOUNT))
    yield Chain(running.endpoint, tmp_path)
    running.stop()


def test_a_burst_loses_nothing_and_doubles_nothing_while_processes_are_killed(chain: Chain) -> None:
    chance = random.Random(SEED)
    keys = [f"flights/part {number:05}+{number % 7}%.csv" for number in range(OBJECTS)]
    started = time.monotonic()
    store = chain.use("s3")
    with ThreadPoolExecutor(8) as threads:
        for key in keys:
            threads.submit(store.put_object, Bucket="raw", Key=key, Body=b"year,dest\n2013,IAH\n")
    put = time.monotonic()
    kills = 0
    planned = 0.0
    deadline = put + 120 + OBJECTS / 5
    while time.monotonic() < deadline:
        if kills < KILLS and chain.kill_a_process(chance):
            kills += 1
        time.sleep(chance.uniform(0.5, 1.5))
        states = collections.Counter(chain.objects().values())
        if states["planned"] == OBJECTS:
            planned = planned or time.monotonic()
            if not chain.ledger.in_state("planned") and not chain.ledger.in_state("running"):
                break
            # What the schedule does in a deployment: an end that was told to a killed process is made up for.
            chain.use("lambda").invoke(FunctionName="dispatcher", InvocationType="Event", Payload=b"{}")
    ended = time.monotonic()
    counted = chain.runs()
    states = collections.Counter(chain.objects().values())
    history = 0
    executions = chain.use("stepfunctions").list_executions(stateMachineArn=chain.machine)["executions"]
    for execution in executions:
        for page in (
            chain.use("stepfunctions")
            .get_paginator("get_execution_history")
            .paginate(executionArn=execution["executionArn"])
        ):
            history += sum(event["type"].endswith("StateEntered") for event in page["events"])
    figures = {
        "objects": OBJECTS,
        "kills": kills,
        "executions": len(executions),
        "stateTransitions": history,
        "putSeconds": round(put - started, 1),
        "plannedSeconds": round(planned - started, 1),
        "endedSeconds": round(ended - started, 1),
    }
    print(json.dumps(figures))
    assert states == {"planned": OBJECTS}, "none is lost: the ledger has planned every object"
    assert counted == dict.fromkeys(keys, 1), "each object is in exactly one manifest that was run once"
    assert kills, "processes were killed, or the test would show less than it says"
