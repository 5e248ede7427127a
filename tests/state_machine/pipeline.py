"""The pipeline's state machine on a sandbox AWS, with a job that does what its manifest's name says.

The definition is the one that is deployed. In place of Spark stands a script (`JOB`) that writes a report, fails or
sleeps; everything else (steps, parameter, buckets, ledger, topics, metrics) is called for real.
"""

from __future__ import annotations

import functools
import itertools
import json
import shlex
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from moto.emr.models import emr_backends

from components.job import WRAPPER
from components.ledger import MANIFESTS_BY_STATE
from components.state_machine_definition import Surroundings, state_machine_definition
from sandbox import aws
from settings import OrchestrationSettings

REGION = "eu-west-1"
ACCOUNT = "123456789012"
RAW, SCRIPTS, PROCESSED = "raw", "scripts", "processed"
REALM = "EU-WEST-1.COMPUTE.INTERNAL"
JOB_URI = f"s3://{SCRIPTS}/jobs/0123456789abcdef/transform.py"
WRAPPER_URI = f"s3://{SCRIPTS}/jobs/fedcba9876543210/run_step.sh"
PATIENCE = 300
"""Seconds that a busy machine is given for what takes a few."""
_numbers = itertools.count(1)

JOB = """\
#!{python}
import hashlib, json, os, sys, time, urllib.request

arguments = sys.argv[1:]
manifest = arguments[arguments.index("--manifest") + 1]
bucket, key = arguments[arguments.index("--report") + 1].removeprefix("s3://").split("/", 1)
behaviour = manifest.rsplit("/", 1)[1].split(".")[0].split("-")[0]
if key.endswith("-2.json"):
    behaviour = "good"
tries = os.path.join(os.path.dirname(os.path.abspath(__file__)), hashlib.sha256(manifest.encode()).hexdigest())
with open(tries, "a") as file:
    file.write("x")
first = os.path.getsize(tries) == 1
report = {{
    "version": 1, "dataset": "flights", "manifest": manifest, "application": "local-1",
    "rows": {{"in": 1000, "out": 999, "setAside": 1}}, "bytes": {{"in": 5000, "out": 900}}, "bytesPerRow": 5.0,
    "files": {{"in": 2, "out": 3}}, "partitions": ["year=2013/month=1"], "partitionCount": 1,
    "setAsideReasons": {{"day is missing": 1}}, "rejectedObjects": [], "rejectedCount": 0, "setAsideRatio": 0.001,
    "seconds": 12.5, "startedAt": "2013-01-01T00:00:00Z", "finishedAt": "2013-01-01T00:00:12Z", "error": None,
    "transient": None,
}}
if behaviour == "sleep":
    time.sleep(60)
if behaviour == "linger" and first:
    time.sleep(60)
if behaviour == "killedonce" and first:
    os.kill(os.getpid(), 9)
if behaviour == "slow":
    time.sleep(4)
if behaviour == "crash" or (behaviour == "crashonce" and first):
    sys.exit("java.lang.OutOfMemoryError: Java heap space")
if behaviour == "fail":
    report |= {{"error": "the manifest's version is 2, and this job reads 1", "transient": False}}
if behaviour == "deny" or (behaviour == "denyonce" and first):
    report |= {{"error": "cannot read s3://raw/flights/a.csv: SlowDown", "transient": True}}
if behaviour == "reject":
    report |= {{"rejectedObjects": [{{"object": "s3://raw/flights/b.csv", "reason": "the header has 18 columns"}}],
               "rejectedCount": 1}}
if behaviour == "unlisted":
    report |= {{"rejectedCount": 1}}
if behaviour == "dirty":
    report |= {{"setAsideRatio": 0.25, "rows": {{"in": 1000, "out": 750, "setAside": 250}},
               "setAsideReasons": {{"day is missing": 250}}}}
if behaviour == "hollow":
    report |= {{"rows": {{"in": 0, "out": 0, "setAside": 0}}, "bytesPerRow": 0.0, "setAsideRatio": 0.0}}
if behaviour == "thin":
    report |= {{"bytesPerRow": 0.4}}
if behaviour == "fat":
    report |= {{"bytesPerRow": 51.5}}
if behaviour == "stranger":
    report["manifest"] = "s3://scripts/manifests/flights/another.json"
if behaviour == "partial":
    del report["rows"]["out"]
if behaviour == "wordy":
    report["seconds"] = "twelve"
body = {{"garbled": "half a rep", "blank": "", "list": "[1, 2]"}}.get(behaviour) or json.dumps(report)
if behaviour == "blank":
    body = ""
if behaviour == "huge":
    body = json.dumps(report | {{"partitions": ["x" * 1000] * 300}})
if behaviour != "silent":
    # An SDK would take longer to load than the rest of the job.
    signature = "AWS4-HMAC-SHA256 Credential=x/20130101/{region}/s3/aws4_request, SignedHeaders=host, Signature=x"
    urllib.request.urlopen(
        urllib.request.Request(
            os.environ["AWS_ENDPOINT_URL"] + "/" + bucket + "/" + key,
            data=body.encode(),
            method="PUT",
            headers={{"Authorization": signature, "Content-Type": "application/json"}},
        )
    )
print(json.dumps(arguments))
sys.exit(1 if report["error"] else 0)
"""


@functools.cache
def client(endpoint: str, service: str) -> Any:
    """A client that tries once."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=300),
    )


@dataclass(frozen=True)
class Run:
    """How an execution ended."""

    name: str
    status: str
    error: str
    cause: str
    output: Any


class Pipeline:
    """A state machine with the resources around it, all of its own."""

    def __init__(self, endpoint: str, settings: OrchestrationSettings) -> None:
        self.endpoint = endpoint
        # Of one length, so that no name holds another's.
        self.stack = f"test{next(_numbers):04d}"
        self.title = f"emr-pipeline-{self.stack}"
        self.dataset = f"flights_{self.stack}"
        self.parameter = f"/emr-pipeline/{self.stack}/cluster-id"
        self.ledger_table = f"{self.title}-ledger"
        self.client("dynamodb").create_table(
            TableName=self.ledger_table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "state", "plannedAt")
            ],
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
            BillingMode="PAY_PER_REQUEST",
        )
        self.clusters: list[str] = []
        self.make_cluster()
        self.topics = {outcome: self._topic(outcome) for outcome in ("success", "warning", "critical")}
        self.queues = {outcome: self._subscribe(topic) for outcome, topic in self.topics.items()}
        definition = state_machine_definition(
            settings,
            Surroundings(
                partition="aws",
                project="emr-pipeline",
                stack=self.stack,
                cluster_parameter_name=self.parameter,
                scripts_bucket=SCRIPTS,
                processed_bucket=PROCESSED,
                success_topic_arn=self.topics["success"],
                warning_topic_arn=self.topics["warning"],
                critical_topic_arn=self.topics["critical"],
                ledger_table_name=self.ledger_table,
                job_uri=JOB_URI,
                wrapper_uri=WRAPPER_URI,
                region=REGION,
                realm=REALM,
            ),
        )
        self.arn = self.client("stepfunctions").create_state_machine(
            name=f"emr-pipeline-{self.stack}-pipeline",
            definition=json.dumps(definition),
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/tests",
        )["stateMachineArn"]

    @property
    def cluster(self) -> str:
        """The cluster that is registered."""
        return self.clusters[-1]

    def make_cluster(self) -> None:
        """Make a cluster and register it."""
        made = self.client("emr").run_job_flow(
            Name=self.stack,
            ReleaseLabel="emr-6.9.0",
            JobFlowRole="profile",
            ServiceRole="role",
            Instances={"KeepJobFlowAliveWhenNoSteps": True},
        )
        self.clusters.append(made["JobFlowId"])
        self.client("ssm").put_parameter(Name=self.parameter, Value=self.cluster, Type="String", Overwrite=True)

    def client(self, service: str) -> Any:
        return client(self.endpoint, service)

    def _topic(self, outcome: str) -> str:
        return self.client("sns").create_topic(Name=f"{self.stack}-{outcome}")["TopicArn"]

    def _subscribe(self, topic: str) -> str:
        name = topic.rsplit(":", 1)[1]
        url = self.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        self.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
        return url

    def input(self, behaviour: str, **changes: Any) -> tuple[str, dict[str, Any]]:
        """Name and input of an execution whose job shows a behaviour."""
        digits = f"{next(_numbers):040d}{0:024d}"
        self.digits = digits
        manifest = f"manifests/flights/{behaviour}-{digits}.json"
        self.client("s3").put_object(Bucket=SCRIPTS, Key=manifest, Body=b"{}")
        self.client("s3").put_object(Bucket=RAW, Key=f"flights/{digits}.csv", Body=b"year,month\n2013,1\n")
        self.client("dynamodb").put_item(
            TableName=self.ledger_table,
            Item={
                "pk": {"S": f"manifest#{digits}"},
                "sk": {"S": "manifest"},
                "attempt": {"N": "1"},
                "state": {"S": "planned"},
                "plannedAt": {"S": "2024-01-01T00:00:00.000Z"},
                "uri": {"S": f"s3://{SCRIPTS}/{manifest}"},
            },
        )
        return self.attempt(digits, manifest, 1, changes)

    def drive_again(self, behaviour: str) -> str:
        """Start the second attempt at the last manifest, as the ledger's command does."""
        self.client("dynamodb").update_item(
            TableName=self.ledger_table,
            Key={"pk": {"S": f"manifest#{self.digits}"}, "sk": {"S": "manifest"}},
            UpdateExpression="SET attempt = :two, #state = :planned",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={":two": {"N": "2"}, ":planned": {"S": "planned"}},
        )
        return self.start(*self.attempt(self.digits, f"manifests/flights/{behaviour}-{self.digits}.json", 2, {}))

    def attempt(self, digits: str, manifest: str, attempt: int, changes: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Name and input of an attempt at a manifest."""
        name = f"{digits[:40]}-{attempt}"
        return name, {
            "manifest": f"s3://{SCRIPTS}/{manifest}",
            "manifestHash": digits,
            "dataset": self.dataset,
            "attempt": attempt,
            "objects": 2,
            "bytes": 5000,
            "job": JOB_URI,
            "report": {"bucket": PROCESSED, "key": f"_reports/flights/{name}.json"},
        } | changes

    def ledger(self, digits: str) -> dict[str, str]:
        """What the ledger says of a manifest."""
        item = self.client("dynamodb").get_item(
            TableName=self.ledger_table, Key={"pk": {"S": f"manifest#{digits}"}, "sk": {"S": "manifest"}}
        )["Item"]
        return {name: next(iter(value.values())) for name, value in item.items()}

    def input_is_kept(self, digits: str) -> bool:
        """Whether the raw object and the manifest that lists it are still there."""
        raw = self.client("s3").list_objects_v2(Bucket=RAW, Prefix=f"flights/{digits}.csv")["KeyCount"]
        (_, _, key) = self.ledger(digits)["uri"].removeprefix("s3://").partition("/")
        return raw == 1 and self.client("s3").list_objects_v2(Bucket=SCRIPTS, Prefix=key)["KeyCount"] == 1

    def start(self, name: str, given: Any, arn: str | None = None) -> str:
        started = self.client("stepfunctions").start_execution(
            stateMachineArn=arn or self.arn, name=name, input=json.dumps(given)
        )
        self.execution: str = started["executionArn"]
        return self.execution

    def run(self, behaviour: str, *, seconds: float = PATIENCE, **changes: Any) -> Run:
        """Start an execution and wait for its end."""
        name, given = self.input(behaviour, **changes)
        return self.ended(self.start(name, given), seconds)

    def ended(self, execution: str, seconds: float = PATIENCE) -> Run:
        def look() -> Any:
            described = self.client("stepfunctions").describe_execution(executionArn=execution)
            return described if described["status"] != "RUNNING" else None

        described = wait_for(look, seconds, f"the end of {execution}; it went {self.path(execution)}")
        return Run(
            described["name"],
            described["status"],
            described.get("error", ""),
            described.get("cause", ""),
            json.loads(described.get("output") or "null"),
        )

    def path(self, execution: str) -> list[str]:
        """States that an execution entered, in order."""
        events: list[dict[str, Any]] = []
        arguments: dict[str, Any] = {"executionArn": execution}
        while True:
            answer = self.client("stepfunctions").get_execution_history(**arguments)
            events += answer["events"]
            if not answer.get("nextToken"):
                return [
                    event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event
                ]
            arguments["nextToken"] = answer["nextToken"]

    def execution_arn(self, name: str) -> str:
        return f"{self.arn.replace(':stateMachine:', ':execution:')}:{name}"

    def steps(self) -> list[dict[str, Any]]:
        """Steps of the cluster, newest first."""
        return self.client("emr").list_steps(ClusterId=self.cluster)["Steps"]

    def step_names(self) -> list[str]:
        """Names of the steps of all clusters, as often as they are there."""
        backend = emr_backends[ACCOUNT][REGION]
        return [step.name for cluster in self.clusters for step in backend.clusters[cluster].steps]

    def job_runs(self) -> bool:
        """Whether a job has begun."""
        return any(step["Status"]["State"] == "RUNNING" for step in self.steps())

    def wait_until_it_enters(self, state: str) -> None:
        """Wait until the last execution has come to a state."""
        wait_for(lambda: state in self.path(self.execution), PATIENCE, f"state {state}")

    def messages(self, outcome: str) -> list[dict[str, str]]:
        """What a topic has delivered so far: Subject and Message."""
        found: list[dict[str, str]] = []
        while True:
            answer = self.client("sqs").receive_message(QueueUrl=self.queues[outcome], MaxNumberOfMessages=10)
            messages = answer.get("Messages", [])
            if not messages:
                return found
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.client("sqs").delete_message(QueueUrl=self.queues[outcome], ReceiptHandle=message["ReceiptHandle"])

    def metrics(self, outcome: str, dataset: str | None = None) -> dict[str, float]:
        """Sum of each metric with this outcome."""
        dimensions = {"Stack": self.stack, "Dataset": dataset or self.dataset, "Outcome": outcome}
        found: dict[str, float] = {}
        pages = self.client("cloudwatch").get_paginator("list_metrics").paginate(Namespace="EmrPipeline")
        for metric in (entry for page in pages for entry in page["Metrics"]):
            if {entry["Name"]: entry["Value"] for entry in metric["Dimensions"]} != dimensions:
                continue
            points = self.client("cloudwatch").get_metric_statistics(
                Namespace="EmrPipeline",
                MetricName=metric["MetricName"],
                Dimensions=metric["Dimensions"],
                StartTime=time.time() - 3600,
                EndTime=time.time() + 3600,
                Period=7200,
                Statistics=["Sum"],
            )["Datapoints"]
            found[metric["MetricName"]] = sum(point["Sum"] for point in points)
        return found


def wait_for(look: Callable[[], Any], seconds: float, what: str) -> Any:
    """What `look` finds, once it finds something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} did not come within {seconds} s")


def start_aws(directory: Path) -> aws.RunningAws:
    """A sandbox AWS whose Spark is `JOB`."""
    program = directory / "spark" / "bin" / "spark-submit"
    program.parent.mkdir(parents=True)
    program.write_text(JOB.format(python=sys.executable, region=REGION))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (directory / "jars").mkdir()
    (directory / "jars" / "hadoop-aws.jar").touch()
    running = aws.start(
        aws.AwsOptions(
            directory=directory / "aws",
            region=REGION,
            account_id=ACCOUNT,
            spark=aws.SparkOptions(home=directory / "spark", jars_directory=directory / "jars"),
        )
    )
    s3 = client(running.endpoint, "s3")
    for bucket in (RAW, SCRIPTS, PROCESSED):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    # The wrapper is the deployed one; a node's AWS CLI would take a second of every case to fetch it.
    (command,) = (directory / "aws").rglob("aws")
    command.write_text(f"#!/bin/sh\nexec cat {shlex.quote(str(WRAPPER))}\n")
    iam = client(running.endpoint, "iam")
    iam.create_role(RoleName="tests", AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}')
    return running
