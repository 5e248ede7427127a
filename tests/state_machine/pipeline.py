"""The pipeline's state machine on a sandbox AWS, with a job that does what its manifest's name says.

The definition is the one that is deployed. In place of Spark stands a script (`JOB`) that writes a report, fails or
sleeps; everything else (steps, parameter, bucket, topics, metrics) is called for real.
"""

from __future__ import annotations

import itertools
import json
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from components.job import WRAPPER, job_key
from components.state_machine_definition import Surroundings, state_machine_definition
from sandbox import aws
from settings import OrchestrationSettings

REGION = "eu-west-1"
ACCOUNT = "123456789012"
SCRIPTS, PROCESSED = "scripts", "processed"
REALM = "EU-WEST-1.COMPUTE.INTERNAL"
JOB_URI = f"s3://{SCRIPTS}/jobs/0123456789abcdef/transform.py"
WRAPPER_URI = f"s3://{SCRIPTS}/{job_key(WRAPPER)}"
_numbers = itertools.count(1)

JOB = """\
#!{python}
import json, os, sys, time
import boto3

arguments = sys.argv[1:]
manifest = arguments[arguments.index("--manifest") + 1]
bucket, key = arguments[arguments.index("--report") + 1].removeprefix("s3://").split("/", 1)
behaviour = manifest.rsplit("/", 1)[1].split(".")[0].split("-")[0]
report = {{
    "version": 1, "dataset": "flights", "manifest": manifest, "application": "local-1",
    "rows": {{"in": 1000, "out": 999, "setAside": 1}}, "bytes": {{"in": 5000, "out": 900}},
    "files": {{"in": 2, "out": 3}}, "partitions": ["year=2013/month=1"], "partitionCount": 1,
    "setAsideReasons": {{"day is missing": 1}}, "rejectedObjects": [], "rejectedCount": 0, "setAsideRatio": 0.001,
    "seconds": 12.5, "startedAt": "2013-01-01T00:00:00Z", "finishedAt": "2013-01-01T00:00:12Z", "error": None,
}}
if behaviour == "sleep":
    time.sleep(60)
if behaviour == "crash":
    sys.exit("java.lang.OutOfMemoryError: Java heap space")
if behaviour == "fail":
    report["error"] = "the manifest's version is 2, and this job reads 1"
if behaviour == "reject":
    report |= {{"rejectedObjects": [{{"object": "s3://raw/flights/b.csv", "reason": "the header has 18 columns"}}],
               "rejectedCount": 1}}
if behaviour == "unlisted":
    report |= {{"rejectedCount": 1}}
if behaviour == "dirty":
    report |= {{"setAsideRatio": 0.25, "rows": {{"in": 1000, "out": 750, "setAside": 250}},
               "setAsideReasons": {{"day is missing": 250}}}}
if behaviour == "stranger":
    report["manifest"] = "s3://scripts/manifests/flights/another.json"
if behaviour == "partial":
    del report["rows"]["out"]
body = "half a rep" if behaviour == "garbled" else json.dumps(report)
if behaviour != "silent":
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
print(json.dumps(arguments))
sys.exit(1 if report["error"] else 0)
"""


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
        self._endpoint = endpoint
        self._clients: dict[str, Any] = {}
        number = next(_numbers)
        self.stack = f"test{number}"
        self.parameter = f"/emr-pipeline/{self.stack}/cluster-id"
        self.cluster = self.client("emr").run_job_flow(
            Name=self.stack,
            ReleaseLabel="emr-6.9.0",
            JobFlowRole="profile",
            ServiceRole="role",
            Instances={"KeepJobFlowAliveWhenNoSteps": True},
        )["JobFlowId"]
        self.client("ssm").put_parameter(Name=self.parameter, Value=self.cluster, Type="String")
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

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self._endpoint,
                region_name=REGION,
                aws_access_key_id="sandbox",
                aws_secret_access_key="sandbox",
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self._clients[service]

    def _topic(self, outcome: str) -> str:
        return self.client("sns").create_topic(Name=f"{self.stack}-{outcome}")["TopicArn"]

    def _subscribe(self, topic: str) -> str:
        name = topic.rsplit(":", 1)[1]
        url = self.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        self.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
        return url

    def input(self, behaviour: str, **changes: Any) -> tuple[str, dict[str, Any]]:
        """Name and input of an execution whose job shows a behaviour."""
        number = next(_numbers)
        name = f"{behaviour.split('-')[0]}{number:036x}-1"
        given = {
            "manifest": f"s3://{SCRIPTS}/manifests/flights/{behaviour}-{number}.json",
            "manifestHash": f"{number:064x}",
            "dataset": "flights",
            "attempt": 1,
            "objects": 2,
            "bytes": 5000,
            "report": {"bucket": PROCESSED, "key": f"_reports/flights/{name}.json"},
        }
        return name, given | changes

    def start(self, name: str, given: Any) -> str:
        return self.client("stepfunctions").start_execution(
            stateMachineArn=self.arn, name=name, input=json.dumps(given)
        )["executionArn"]

    def run(self, behaviour: str, *, seconds: float = 30, **changes: Any) -> Run:
        """Start an execution and wait for its end."""
        name, given = self.input(behaviour, **changes)
        return self.ended(self.start(name, given), seconds)

    def ended(self, execution: str, seconds: float = 30) -> Run:
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

    def metrics(self, outcome: str) -> dict[str, float]:
        """Sum of each metric with this outcome."""
        dimensions = {"Stack": self.stack, "Dataset": "flights", "Outcome": outcome}
        found: dict[str, float] = {}
        for metric in self.client("cloudwatch").list_metrics(Namespace="EmrPipeline")["Metrics"]:
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
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come within {seconds} s")


def start_aws(directory: Path) -> aws.RunningAws:
    """A sandbox AWS whose Spark is `JOB`."""
    program = directory / "spark" / "bin" / "spark-submit"
    program.parent.mkdir(parents=True)
    program.write_text(JOB.format(python=sys.executable))
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
    s3: Any = boto3.client(
        "s3",
        endpoint_url=running.endpoint,
        region_name=REGION,
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
    )
    for bucket in (SCRIPTS, PROCESSED):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.upload_file(str(WRAPPER), SCRIPTS, job_key(WRAPPER))
    iam: Any = boto3.client(
        "iam",
        endpoint_url=running.endpoint,
        region_name=REGION,
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
    )
    iam.create_role(RoleName="tests", AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}')
    return running
