"""The way of a new object alone, on a sandbox AWS: bucket, rule, queue, function as it is deployed, ledger, executions.

Executions are of a stand-in that takes a moment and settles its manifest: what they do is tried out elsewhere. Bursts
of many objects go through it, in tests (`make burst`) and in benchmarks.
"""

from __future__ import annotations

import collections
import contextlib
import io
import json
import os
import random
import signal
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pulumi

from components.dispatch import MODULES
from components.function_archive import function_archive
from components.ledger import MANIFESTS_BY_STATE
from functions.ledger.store import Ledger

REGION = "eu-west-1"
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
                "UpdateExpression": "SET #state = :state, endedAt = :now",
                "ExpressionAttributeNames": {"#state": "state"},
                "ExpressionAttributeValues": {":state": {"S": "succeeded"}, ":now": {"S.$": "$$.State.EnteredTime"}},
            },
            "End": True,
        },
    },
}
"""Takes a moment and settles its manifest, as the pipeline's does."""
DATASET: Mapping[str, Any] = {
    "prefix": "flights/",
    "format": "csv",
    "columns": [
        {"name": "year", "type": "int", "nullable": True},
        {"name": "dest", "type": "string", "nullable": True},
    ],
    "partitionBy": ["year"],
    "nullValue": "NA",
}


def make_ledger(client: Any, name: str) -> None:
    """The ledger's table, with its index."""
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in ("pk", "sk", "state", "plannedAt")
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": MANIFESTS_BY_STATE,
                "KeySchema": [
                    {"AttributeName": "state", "KeyType": "HASH"},
                    {"AttributeName": "plannedAt", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


def archive() -> bytes:
    """The function's archive, as the engine would put it together."""
    bundled = {
        "datasets": {"flights": DATASET},
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

    def __init__(
        self,
        endpoint: str,
        directory: Path,
        *,
        life_seconds: int = 10,
        maximum_running: int = 3,
        window_seconds: int = 1,
    ) -> None:
        """Make it.

        Args:
            endpoint: The sandbox's.
            directory: The sandbox's, by which the function's processes are known.
            life_seconds: Of a call; messages of a killed one come back a little later.
            maximum_running: Executions at a time.
            window_seconds: How long messages are gathered.
        """
        self.endpoint, self.directory = endpoint, directory
        for bucket in ("raw", "scripts", "processed"):
            self.use("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.use("s3").put_bucket_versioning(Bucket="raw", VersioningConfiguration={"Status": "Enabled"})
        self.use("s3").put_bucket_notification_configuration(
            Bucket="raw", NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        self.use("iam").create_role(RoleName="tests", AssumeRolePolicyDocument='{"Version": "2012-10-17"}')
        make_ledger(self.use("dynamodb"), "ledger")
        self.machine: str = self.use("stepfunctions").create_state_machine(
            name="pipeline", definition=json.dumps(DEFINITION), roleArn=ROLE
        )["stateMachineArn"]
        self.queue: str = self.use("sqs").create_queue(
            QueueName="intake", Attributes={"VisibilityTimeout": str(life_seconds + 2)}
        )["QueueUrl"]
        function = self.use("lambda").create_function(
            FunctionName="dispatcher",
            Runtime="python3.12",
            Role=ROLE,
            Handler="functions.dispatcher.handler.handler",
            Timeout=life_seconds,
            Code={"ZipFile": archive()},
            LoggingConfig={"LogFormat": "JSON"},
            Environment={
                "Variables": {
                    "STATE_MACHINE_ARN": self.machine,
                    "STATE_MACHINE_ALIAS_ARN": self.machine,
                    "LEDGER_TABLE": "ledger",
                    "MAXIMUM_RUNNING_EXECUTIONS": str(maximum_running),
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
            MaximumBatchingWindowInSeconds=window_seconds,
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
        """A client of a service."""
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
        """ARN of a resource of the account."""
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

    def planned_objects(self) -> int:
        """Objects of all manifests."""
        states = ("planned", "running", "succeeded")
        return sum(int(item["objects"]) for state in states for item in self.ledger.in_state(state))

    def transitions(self) -> tuple[int, int]:
        """Executions, and the states that they entered."""
        states = self.use("stepfunctions")
        pages = states.get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        executions = [execution["executionArn"] for page in pages for execution in page["executions"]]
        entered = sum(
            event["type"].endswith("StateEntered")
            for execution in executions
            for page in states.get_paginator("get_execution_history").paginate(executionArn=execution)
            for event in page["events"]
        )
        return len(executions), entered

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
