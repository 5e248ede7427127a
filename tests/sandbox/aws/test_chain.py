"""The whole chain: an object becomes an event, a message, an invocation, an execution, a step and a notification."""

from __future__ import annotations

import pytest

DISPATCHER = """
import boto3, hashlib, json, os

def handler(event, context):
    states = boto3.client("stepfunctions")
    for record in event["Records"]:
        found = json.loads(record["body"])["detail"]
        given = json.dumps({"bucket": found["bucket"]["name"], "key": found["object"]["key"]})
        name = hashlib.sha256(given.encode()).hexdigest()[:40]
        try:
            states.start_execution(stateMachineArn=os.environ["MACHINE"], name=name, input=given)
        except states.exceptions.ExecutionAlreadyExists:
            print("already driven", name)
    return {"batchItemFailures": []}
"""


def definition(cluster: str, topics: dict[str, str]) -> dict:
    def publish(topic: str, text: str, end: dict) -> dict:
        message = f"States.Format('{text} {{}}', $.key)"
        parameters = {"TopicArn": topics[topic], "Message.$": message}
        return {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Parameters": parameters} | end

    caught = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "NotifyFailure"}]
    arguments = "States.Array('bash', '-c', States.Format('test {} != in/bad.csv', $.key))"
    step = {
        "Name.$": "$$.Execution.Name",
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args.$": arguments},
    }
    return {
        "StartAt": "DescribeCluster",
        "States": {
            "DescribeCluster": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:emr:describeCluster",
                "Parameters": {"ClusterId": cluster},
                "ResultPath": "$.cluster",
                "Catch": caught,
                "Next": "ClusterReady",
            },
            "ClusterReady": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.cluster.Cluster.Status.State", "StringEquals": state, "Next": "SubmitStep"}
                    for state in ("WAITING", "RUNNING")
                ],
                "Default": "NotifyFailure",
            },
            "SubmitStep": {
                "Type": "Task",
                "Resource": "arn:aws:states:::elasticmapreduce:addStep",
                "Parameters": {"ClusterId": cluster, "Step": step},
                "ResultPath": "$.step",
                "Catch": caught,
                "Next": "WaitForStep",
            },
            "WaitForStep": {"Type": "Wait", "Seconds": 1, "Next": "DescribeStep"},
            "DescribeStep": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:emr:describeStep",
                "Parameters": {"ClusterId": cluster, "StepId.$": "$.step.StepId"},
                "ResultSelector": {"state.$": "$.Step.Status.State"},
                "ResultPath": "$.look",
                "Next": "StepState",
            },
            "StepState": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.look.state", "StringEquals": "COMPLETED", "Next": "NotifySuccess"},
                    {"Variable": "$.look.state", "StringEquals": "FAILED", "Next": "NotifyFailure"},
                ],
                "Default": "WaitForStep",
            },
            "NotifySuccess": publish("success", "done", {"End": True}),
            "NotifyFailure": publish("failure", "failed", {"Next": "Failed"}),
            "Failed": {"Type": "Fail", "Error": "StepFailed"},
        },
    }


@pytest.fixture
def chain(sandbox_aws):
    """The chain's ends: the bucket that objects are dropped in, the queues that hear how it went, the machine."""
    bucket = sandbox_aws.bucket(events=True)
    intake, intake_arn = sandbox_aws.queue(VisibilityTimeout="30")
    topics: dict[str, str] = {}
    ends: dict[str, str] = {}
    for name in ("success", "failure"):
        topics[name] = sandbox_aws.sns.create_topic(Name=sandbox_aws.name(name))["TopicArn"]
        ends[name], arn = sandbox_aws.queue()
        sandbox_aws.sns.subscribe(
            TopicArn=topics[name], Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
    machine = sandbox_aws.machine(definition(sandbox_aws.cluster(StepConcurrencyLevel=2), topics))
    function = sandbox_aws.function(DISPATCHER, Environment={"Variables": {"MACHINE": machine}})
    mapping = sandbox_aws.functions.create_event_source_mapping(
        FunctionName=function, EventSourceArn=intake_arn, FunctionResponseTypes=["ReportBatchItemFailures"]
    )["UUID"]
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": "in/"}]}},
    }
    sandbox_aws.rule(pattern, {"Arn": intake_arn})
    yield bucket, ends, machine, intake
    sandbox_aws.functions.delete_event_source_mapping(UUID=mapping)


def test_an_object_runs_through_the_chain_to_its_notification(sandbox_aws, chain):
    bucket, ends, machine, intake = chain
    for key in ("in/good.csv", "elsewhere/good.csv", "in/bad.csv"):
        sandbox_aws.s3.put_object(Bucket=bucket, Key=key, Body=b"a,b\n")
    assert sandbox_aws.messages(ends["success"], 1, seconds=20) == ["done in/good.csv"]
    assert sandbox_aws.messages(ends["failure"], 1, seconds=20) == ["failed in/bad.csv"]

    def statuses() -> list[str]:
        executions = sandbox_aws.states.list_executions(stateMachineArn=machine)["executions"]
        return sorted(execution["status"] for execution in executions)

    sandbox_aws.wait_for(lambda: "RUNNING" not in statuses(), what="the end of the executions")
    assert statuses() == ["FAILED", "SUCCEEDED"], "the object outside the prefix started nothing"
    left = sandbox_aws.sqs.get_queue_attributes(QueueUrl=intake, AttributeNames=["All"])["Attributes"]
    assert (left["ApproximateNumberOfMessages"], left["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")


def test_the_same_object_again_starts_nothing_new(sandbox_aws, chain):
    bucket, ends, machine, _ = chain
    for body in (b"1", b"2"):
        sandbox_aws.s3.put_object(Bucket=bucket, Key="in/same.csv", Body=body)
    sandbox_aws.messages(ends["success"], 1, seconds=20)
    sandbox_aws.s3.put_object(Bucket=bucket, Key="in/other.csv", Body=b"3")
    assert sandbox_aws.messages(ends["success"], 1, seconds=20) == ["done in/other.csv"]
    assert len(sandbox_aws.states.list_executions(stateMachineArn=machine)["executions"]) == 2
