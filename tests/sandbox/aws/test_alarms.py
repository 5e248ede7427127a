"""Alarms of the sandbox: the program's definitions as the API gives them back, judged on data that was put there; their
messages arrive through an encrypted topic and can be read; composite alarms follow their members."""

from __future__ import annotations

import json
import time
from typing import Any

import pulumi_aws as aws
import pytest
from botocore.exceptions import ClientError

from components.alarms import PipelineAlarms
from sandbox.alarm_evaluation import evaluate, from_cloudwatch
from sandbox.providers.services.cloudwatch import alarm_members
from tests.unit.harness import deploy
from tests.unit.test_alarms import ARGS


def topic_with_queue(sandbox_aws: Any) -> tuple[str, str]:
    """An encrypted topic, and the queue that hears it."""
    key = sandbox_aws.kms.create_key()["KeyMetadata"]["Arn"]
    topic = sandbox_aws.sns.create_topic(Name=sandbox_aws.name("topic"), Attributes={"KmsMasterKeyId": key})["TopicArn"]
    queue = sandbox_aws.sqs.create_queue(QueueName=sandbox_aws.name("queue"), Attributes={"KmsMasterKeyId": key})
    name = queue["QueueUrl"].rsplit("/", 1)[1]
    sandbox_aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=sandbox_aws.arn("sqs", name))
    return topic, queue["QueueUrl"]


def whole(value: Any) -> Any:
    """Numbers as the engine hands them to a provider: the recorder makes floats of all."""
    if isinstance(value, dict):
        return {key: whole(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [whole(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def messages(sandbox_aws: Any, queue: str) -> list[dict[str, Any]]:
    received = sandbox_aws.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in received]


@pytest.fixture(scope="module")
def definitions() -> dict[str, dict[str, Any]]:
    deployment = deploy(lambda: PipelineAlarms("alarms", ARGS))
    return {
        entry.name.removeprefix("alarms-"): alarm_members(whole(entry.inputs))
        for entry in deployment.all(aws.cloudwatch.MetricAlarm)
    }


def judge(sandbox_aws: Any, name: str) -> str:
    """Evaluate an alarm as the API gives it back, on the data that the API has, and set its state."""
    client = sandbox_aws.cloudwatch
    (alarm,) = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    found = evaluate(alarm, from_cloudwatch(client), int(time.time()) + 60, alarm["StateValue"])
    client.set_alarm_state(AlarmName=name, StateValue=found.state, StateReason=found.reason)
    return found.state


@pytest.mark.parametrize(
    ("identifier", "metric", "harmless", "harmful"),
    [
        ("rows-many-flights", "RowsIn", 2000, 2000),
        ("records-set-aside-flights", "RowsSetAside", 1, 500),
        ("dead-letters-waiting", "ApproximateNumberOfMessagesVisible", 0, 1),
    ],
)
def test_a_deployed_alarm_goes_off_on_data_and_its_message_can_be_read(
    sandbox_aws: Any, definitions: dict[str, Any], identifier: str, metric: str, harmless: float, harmful: float
):
    topic, queue = topic_with_queue(sandbox_aws)
    definition = definitions[identifier]
    name = sandbox_aws.name(identifier)
    sandbox_aws.cloudwatch.put_metric_alarm(
        AlarmName=name, **{**definition, "AlarmActions": [topic], "OKActions": [topic]}
    )

    def put(name: str, value: float) -> None:
        metrics = [query["MetricStat"]["Metric"] for query in definition.get("Metrics", []) if "MetricStat" in query]
        place = next((entry for entry in metrics if entry["MetricName"] == name), definition)
        sandbox_aws.cloudwatch.put_metric_data(
            Namespace=place["Namespace"],
            MetricData=[{"MetricName": name, "Value": value, "Dimensions": place["Dimensions"]}],
        )

    if metric == "RowsSetAside":
        put("RowsIn", 2000)
    put(metric, harmless)
    assert judge(sandbox_aws, name) == "OK"
    assert messages(sandbox_aws, queue) == [], "nothing changed, so nobody is told"
    put(metric, harmful)
    assert judge(sandbox_aws, name) == "ALARM"
    (message,) = messages(sandbox_aws, queue)
    assert message["Subject"] == f'ALARM: "{name}" in eu-west-1'
    told = json.loads(message["Message"])
    assert (told["NewStateValue"], told["OldStateValue"], told["Region"]) == ("ALARM", "OK", "eu-west-1")
    for part in ("Likely cause: ", "What to do: ", "https://wiki.example.com/runbook#", "#dashboards:name="):
        assert part in told["AlarmDescription"]
    assert judge(sandbox_aws, name) == "ALARM"
    assert messages(sandbox_aws, queue) == [], "only a change is told"


def test_a_composite_alarm_follows_its_members(sandbox_aws: Any):
    topic, queue = topic_with_queue(sandbox_aws)
    client = sandbox_aws.cloudwatch
    members = [sandbox_aws.name("member") for _ in range(2)]
    for name in members:
        client.put_metric_alarm(
            AlarmName=name,
            Namespace="N",
            MetricName="M",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
    whole = sandbox_aws.name("whole")
    client.put_composite_alarm(
        AlarmName=whole, AlarmRule=" OR ".join(f'ALARM("{name}")' for name in members), OKActions=[topic]
    )

    def state() -> str:
        (alarm,) = client.describe_alarms(AlarmNames=[whole], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
        return alarm["StateValue"]

    assert state() == "OK"
    for name in members:
        client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    assert state() == "ALARM"
    assert messages(sandbox_aws, queue) == [], "it has no action for that"
    client.set_alarm_state(AlarmName=members[0], StateValue="OK", StateReason="test")
    assert state() == "ALARM", "one member is left"
    client.set_alarm_state(AlarmName=members[1], StateValue="OK", StateReason="test")
    assert state() == "OK"
    assert len(messages(sandbox_aws, queue)) == 1, "that all is over is told once"


def test_saved_queries_are_kept_changed_and_deleted(sandbox_aws: Any):
    client, name = sandbox_aws.logs, sandbox_aws.name("query")
    identifier = client.put_query_definition(name=name, queryString="fields @message", logGroupNames=["/g"])[
        "queryDefinitionId"
    ]
    client.put_query_definition(name=name, queryString="fields @timestamp", queryDefinitionId=identifier)
    (kept,) = client.describe_query_definitions(queryDefinitionNamePrefix=name)["queryDefinitions"]
    assert (kept["queryString"], kept["queryDefinitionId"]) == ("fields @timestamp", identifier)
    client.delete_query_definition(queryDefinitionId=identifier)
    assert client.describe_query_definitions(queryDefinitionNamePrefix=name)["queryDefinitions"] == []
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.delete_query_definition(queryDefinitionId=identifier)
