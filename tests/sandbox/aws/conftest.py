"""One running sandbox AWS for all tests of this directory, and what they ask it with."""

from __future__ import annotations

import io
import itertools
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from sandbox import aws

REGION = "eu-west-1"
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tests"
_numbers = itertools.count(1)


class Aws:
    """The sandbox as a test sees it: clients, and short ways to what most tests need."""

    def __init__(self, running: aws.RunningAws, directory: Path) -> None:
        self.endpoint = running.endpoint
        self.directory = directory
        self._clients: dict[str, Any] = {}

    def __getattr__(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(
                {"functions": "lambda", "states": "stepfunctions"}.get(service, service),
                endpoint_url=self.endpoint,
                region_name=REGION,
                aws_access_key_id="sandbox",
                aws_secret_access_key="sandbox",
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self._clients[service]

    @staticmethod
    def name(kind: str) -> str:
        return f"{kind}-{next(_numbers)}"

    @staticmethod
    def wait_for(condition: Callable[[], Any], seconds: float = 10, what: str = "the condition") -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if result := condition():
                return result
            time.sleep(0.05)
        raise AssertionError(f"{what} did not come within {seconds} s")

    def bucket(self, *, events: bool = False) -> str:
        name = self.name("bucket")
        self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        if events:
            self.s3.put_bucket_notification_configuration(
                Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
            )
        return name

    def queue(self, **attributes: str) -> tuple[str, str]:
        """Return a new queue's URL and ARN."""
        name = self.name("queue")
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], self.arn("sqs", name)

    @staticmethod
    def arn(service: str, resource: str) -> str:
        return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"

    def messages(self, url: str, count: int, seconds: float = 10) -> list[str]:
        """Return the bodies of the first messages of a queue, waiting for them."""
        bodies: list[str] = []

        def take() -> bool:
            answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            for message in answer.get("Messages", []):
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return len(bodies) >= count

        try:
            self.wait_for(take, seconds)
        except AssertionError as error:
            raise AssertionError(f"{count} messages did not come within {seconds} s, but these: {bodies}") from error
        return bodies

    def rule(self, pattern: dict[str, Any], *targets: dict[str, Any], **options: Any) -> str:
        name = self.name("rule")
        self.events.put_rule(Name=name, EventPattern=json.dumps(pattern), **options)
        listed = [{"Id": str(number)} | target for number, target in enumerate(targets)]
        self.events.put_targets(Rule=name, Targets=listed)
        return name

    def send(self, source: str, **detail: Any) -> None:
        entry = {"Source": source, "DetailType": "test", "Detail": json.dumps(detail)}
        assert self.events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    def function(self, source: str, **options: Any) -> str:
        name = self.name("function")
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            package.writestr("app.py", source)
        self.functions.create_function(
            FunctionName=name,
            **{"Runtime": "python3.13", "Role": ROLE, "Handler": "app.handler", "Timeout": 5}
            | options
            | {"Code": {"ZipFile": archive.getvalue()}},
        )
        return name

    def call(self, function: str, event: Any = None) -> tuple[Any, str | None]:
        """Invoke a function; return its payload and the kind of its error."""
        answer = self.functions.invoke(FunctionName=function, Payload=json.dumps(event or {}))
        return json.loads(answer["Payload"].read()), answer.get("FunctionError")

    def cluster(self, **options: Any) -> str:
        settings: dict[str, Any] = {
            "Name": self.name("cluster"),
            "ReleaseLabel": "emr-6.9.0",
            "JobFlowRole": "profile",
            "ServiceRole": "role",
            "Instances": {"KeepJobFlowAliveWhenNoSteps": True},
        }
        return self.emr.run_job_flow(**settings | options)["JobFlowId"]

    @staticmethod
    def bash(script: str, **options: Any) -> dict[str, Any]:
        """Return a step that runs a shell script."""
        jar = {"Jar": "command-runner.jar", "Args": ["bash", "-c", script]}
        return {"Name": "step", "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar} | options

    def add_steps(self, cluster: str, *steps: dict[str, Any]) -> list[str]:
        return self.emr.add_job_flow_steps(JobFlowId=cluster, Steps=list(steps))["StepIds"]

    def step(self, cluster: str, step: str) -> dict[str, Any]:
        return self.emr.describe_step(ClusterId=cluster, StepId=step)["Step"]["Status"]

    def ended_step(self, cluster: str, step: str, seconds: float = 15) -> dict[str, Any]:
        def ended() -> Any:
            status = self.step(cluster, step)
            return status if status["State"] not in ("PENDING", "RUNNING", "CANCEL_PENDING") else None

        return self.wait_for(ended, seconds, f"the end of step {step}")

    def machine(self, definition: dict[str, Any], **options: Any) -> str:
        return self.states.create_state_machine(
            name=self.name("machine"), definition=json.dumps(definition), roleArn=ROLE, **options
        )["stateMachineArn"]

    def run(self, states: dict[str, Any], given: Any = None, seconds: float = 15, **machine: Any) -> dict[str, Any]:
        """Run a state machine that starts with the first state; return the execution as described at its end."""
        arn = self.machine({"StartAt": next(iter(states)), "States": states} | machine)
        execution = self.states.start_execution(stateMachineArn=arn, input=json.dumps(given or {}))["executionArn"]
        return self.ended_execution(execution, seconds)

    def ended_execution(self, execution: str, seconds: float = 15) -> dict[str, Any]:
        def ended() -> Any:
            described = self.states.describe_execution(executionArn=execution)
            return described if described["status"] != "RUNNING" else None

        return self.wait_for(ended, seconds, "the end of the execution")


@pytest.fixture(scope="package")
def sandbox_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    directory = tmp_path_factory.mktemp("aws")
    running = aws.start(aws.AwsOptions(directory=directory))
    here = Aws(running, directory)
    here.iam.create_role(RoleName="tests", AssumeRolePolicyDocument='{"Version": "2012-10-17", "Statement": []}')
    yield here
    running.stop()
