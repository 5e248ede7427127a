"""EventBridge rules: what is delivered where, and in which shape."""

from __future__ import annotations

import json

import pytest

from sandbox.aws.input_transformer import render
from sandbox.aws.schedules import period_seconds


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{"name": <name>}', '{"name": "a \\"b\\""}'),
        ('{"name": "<name>"}', '{"name": "a \\"b\\""}'),
        ('"step <name> took <seconds> s"', '"step a \\"b\\" took 3 s"'),
        ('{"seconds": <seconds>, "all": <parts>}', '{"seconds": 3, "all": ["x"]}'),
        ('{"text": "<parts>"}', '{"text": "[\\"x\\"]"}'),
        ('{"rule": <aws.events.rule-name>}', '{"rule": "r"}'),
    ],
)
def test_templates_are_filled_in_as_the_user_guide_says(template, expected):
    event = {"detail": {"name": 'a "b"', "seconds": 3, "parts": ["x"]}}
    paths = {name: f"$.detail.{name}" for name in event["detail"]}
    rendered = render(template, paths, event, "arn", "r")
    assert rendered == expected
    json.loads(rendered)


@pytest.mark.parametrize(
    ("text", "seconds"), [("rate(5 minutes)", 300), ("rate(1 hour)", 3600), ("cron(0 * * * ? *)", None)]
)
def test_periods_of_schedules(text, seconds):
    assert period_seconds(text) == seconds


def test_a_failing_target_is_dead_lettered_and_stops_no_other(sandbox_aws):
    source = sandbox_aws.name("source")
    dead, dead_arn = sandbox_aws.queue()
    url, arn = sandbox_aws.queue()
    gone = sandbox_aws.arn("states", "stateMachine:gone")
    rule = sandbox_aws.rule(
        {"source": [source]}, {"Arn": gone, "RoleArn": "r", "DeadLetterConfig": {"Arn": dead_arn}}, {"Arn": arn}
    )
    sandbox_aws.send(source, a=1)
    assert json.loads(sandbox_aws.messages(url, 1)[0])["detail"] == {"a": 1}, "the second target is not the first's"
    letter = sandbox_aws.sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"])["Messages"][0]
    assert json.loads(letter["Body"])["source"] == source
    assert letter["MessageAttributes"]["TARGET_ARN"]["StringValue"] == gone
    assert letter["MessageAttributes"]["RULE_ARN"]["StringValue"].endswith(rule)


def test_targets_get_a_constant_a_part_or_a_filled_in_template(sandbox_aws):
    source = sandbox_aws.name("source")
    queues = [sandbox_aws.queue() for _ in range(3)]
    shapes = [
        {"Input": '{"constant": true}'},
        {"InputPath": "$.detail.a"},
        {"InputTransformer": {"InputPathsMap": {"a": "$.detail.a"}, "InputTemplate": '{"got": <a>}'}},
    ]
    targets = [{"Arn": arn} | shape for (_, arn), shape in zip(queues, shapes, strict=True)]
    sandbox_aws.rule({"source": [source]}, *targets)
    sandbox_aws.send(source, a="text")
    got = [json.loads(sandbox_aws.messages(url, 1)[0]) for url, _ in queues]
    assert got == [{"constant": True}, "text", {"got": "text"}]


def test_an_event_starts_an_execution_with_the_event_as_input(sandbox_aws):
    source = sandbox_aws.name("source")
    machine = sandbox_aws.machine({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    sandbox_aws.rule({"source": [source]}, {"Arn": machine, "RoleArn": "r"})
    sandbox_aws.send(source, a=1)
    started = sandbox_aws.wait_for(
        lambda: sandbox_aws.states.list_executions(stateMachineArn=machine)["executions"], what="an execution"
    )
    given = sandbox_aws.states.describe_execution(executionArn=started[0]["executionArn"])["input"]
    assert json.loads(given)["detail"] == {"a": 1}


def test_an_event_reaches_topics_and_functions(sandbox_aws):
    source = sandbox_aws.name("source")
    url, arn = sandbox_aws.queue()
    topic = sandbox_aws.sns.create_topic(Name=sandbox_aws.name("topic"))["TopicArn"]
    sandbox_aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    code = (
        "import boto3, os\n"
        "def handler(event, context):\n"
        "    boto3.client('sqs').send_message(QueueUrl=os.environ['OUT'], MessageBody='function ' + event['source'])\n"
    )
    function = sandbox_aws.function(code, Environment={"Variables": {"OUT": url}})
    sandbox_aws.rule({"source": [source]}, {"Arn": sandbox_aws.arn("lambda", f"function:{function}")}, {"Arn": topic})
    sandbox_aws.send(source)
    bodies = sandbox_aws.messages(url, 2)
    assert f"function {source}" in bodies
    assert any(body.startswith("{") and json.loads(body)["source"] == source for body in bodies)


def test_disabled_and_scheduled_rules_get_no_ordinary_events(sandbox_aws):
    source = sandbox_aws.name("source")
    url, arn = sandbox_aws.queue()
    silent, silent_arn = sandbox_aws.queue()
    sandbox_aws.rule({"source": [source]}, {"Arn": silent_arn}, State="DISABLED")
    scheduled = sandbox_aws.name("rule")
    sandbox_aws.events.put_rule(Name=scheduled, ScheduleExpression="rate(1 day)")
    sandbox_aws.events.put_targets(Rule=scheduled, Targets=[{"Id": "1", "Arn": silent_arn}])
    sandbox_aws.rule({"source": [source]}, {"Arn": arn})
    sandbox_aws.send(source)
    sandbox_aws.messages(url, 1)
    assert "Messages" not in sandbox_aws.sqs.receive_message(QueueUrl=silent), "neither rule asks for this event"


def test_a_rate_fires_once_a_period(sandbox_aws):
    from sandbox.aws.schedules import Scheduler

    url, arn = sandbox_aws.queue()
    rule = sandbox_aws.name("rule")
    sandbox_aws.events.put_rule(Name=rule, ScheduleExpression="rate(1 minute)")
    sandbox_aws.events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": arn}])
    scheduler = Scheduler()
    for now in (0.0, 59.0, 60.0, 61.0, 119.0, 120.0):
        scheduler.fire_due(now)
    sandbox_aws.events.disable_rule(Name=rule)
    scheduler.fire_due(180.0)
    events = [json.loads(body) for body in sandbox_aws.messages(url, 2)]
    assert "Messages" not in sandbox_aws.sqs.receive_message(QueueUrl=url), "two periods have passed while it was on"
    assert [event["detail-type"] for event in events] == ["Scheduled Event"] * 2
    assert events[0]["resources"] == [sandbox_aws.arn("events", f"rule/{rule}")]
    sandbox_aws.events.remove_targets(Rule=rule, Ids=["1"])
    sandbox_aws.events.delete_rule(Name=rule)
