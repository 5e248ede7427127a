"""Lambda functions that run their own code."""

from __future__ import annotations

import base64
import json
import os
import threading
import time

import pytest
from botocore.exceptions import ClientError
from moto.sqs.models import sqs_backends


def test_a_function_runs_its_zip_with_its_environment_and_context(sandbox_aws):
    function = sandbox_aws.function(
        "import os, boto3\n"
        "def handler(event, context):\n"
        "    return {'event': event, 'variable': os.environ['V'], 'region': os.environ['AWS_REGION'],\n"
        "            'account': boto3.client('sts').get_caller_identity()['Account'],\n"
        "            'arn': context.invoked_function_arn, 'memory': context.memory_limit_in_mb,\n"
        "            'left': context.get_remaining_time_in_millis(), 'group': context.log_group_name}\n",
        Environment={"Variables": {"V": "value"}},
        MemorySize=256,
    )
    result, error = sandbox_aws.call(function, {"a": 1})
    assert error is None
    assert 0 < result.pop("left") <= 5000, "the time left is that of the function's timeout"
    assert result == {
        "event": {"a": 1},
        "variable": "value",
        "region": "eu-west-1",
        "account": "123456789012",
        "arn": sandbox_aws.arn("lambda", f"function:{function}"),
        "memory": "256",
        "group": f"/aws/lambda/{function}",
    }


def test_a_function_stays_warm_until_its_code_or_configuration_changes(sandbox_aws):
    function = sandbox_aws.function(
        "import os\ndef handler(event, context):\n    return [os.getpid(), os.environ.get('V')]\n"
    )
    first, second = sandbox_aws.call(function)[0], sandbox_aws.call(function)[0]
    assert first == second, "a warm process is what makes the second invocation fast"
    sandbox_aws.functions.update_function_configuration(FunctionName=function, Environment={"Variables": {"V": "new"}})
    changed = sandbox_aws.call(function)[0]
    assert changed[1] == "new"
    assert changed[0] != first[0]


def test_an_exception_comes_back_as_lambda_reports_it(sandbox_aws):
    function = sandbox_aws.function("def handler(event, context):\n    raise KeyError('missing')\n")
    payload, error = sandbox_aws.call(function)
    assert error == "Unhandled"
    assert (payload["errorType"], payload["errorMessage"]) == ("KeyError", "'missing'")
    assert "app.py" in payload["stackTrace"][0], "the first frame is the function's, not the sandbox's"


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("import nothing_like_it\n", "Runtime.ImportModuleError", "Unable to import module 'app'"),
        ("other = 1\n", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("import os\ndef handler(e, c):\n    os._exit(4)\n", "Runtime.ExitError", "exit status 4"),
        ("def handler(e, c):\n    return {1, 2}\n", "Runtime.MarshalError", "not JSON serializable"),
        ("def handler(e, c):\n    import pulumi\n", "ModuleNotFoundError", "AWS Lambda's runtime does not have it"),
    ],
)
def test_functions_that_cannot_work_say_why(sandbox_aws, source, kind, message):
    payload, error = sandbox_aws.call(sandbox_aws.function(source))
    assert error == "Unhandled"
    assert payload["errorType"] == kind
    assert message in payload["errorMessage"]


def test_a_function_that_takes_too_long_is_ended_and_the_next_one_runs(sandbox_aws):
    function = sandbox_aws.function(
        "import time\ndef handler(event, context):\n    time.sleep(event.get('sleep', 0))\n    return 'done'\n",
        Timeout=1,
    )
    assert sandbox_aws.call(function)[0] == "done"
    payload, _ = sandbox_aws.call(function, {"sleep": 30})
    assert "Task timed out after 1.00 seconds" in payload["errorMessage"]
    assert sandbox_aws.call(function)[0] == "done", "a process that was ended is replaced"


def test_output_goes_to_the_log_group_of_the_logging_configuration(sandbox_aws):
    group = f"/functions/{sandbox_aws.name('group')}"
    function = sandbox_aws.function(
        "import logging\n"
        "def handler(event, context):\n"
        "    print('plain line')\n"
        "    logging.getLogger('job').warning('careful %s', 1)\n",
        LoggingConfig={"LogFormat": "JSON", "LogGroup": group},
    )
    sandbox_aws.call(function)
    lines = [event["message"] for event in sandbox_aws.logs.filter_log_events(logGroupName=group)["events"]]
    assert "plain line" in lines
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    assert {"level": "WARNING", "message": "careful 1", "logger": "job"}.items() <= entries[0].items()
    assert entries[-1]["type"] == "platform.report"


def test_the_tail_of_the_log_is_returned_when_asked_for(sandbox_aws):
    function = sandbox_aws.function("def handler(event, context):\n    print('told')\n")
    answer = sandbox_aws.functions.invoke(FunctionName=function, LogType="Tail")
    assert "told" in base64.b64decode(answer["LogResult"]).decode()


def test_configuration_reads_back_what_was_given(sandbox_aws):
    _, dead = sandbox_aws.queue()
    function = sandbox_aws.function("", LoggingConfig={"LogFormat": "JSON"}, DeadLetterConfig={"TargetArn": dead})
    read = sandbox_aws.functions.get_function(FunctionName=function)["Configuration"]
    assert read["DeadLetterConfig"] == {"TargetArn": dead}
    assert read["LoggingConfig"]["LogFormat"] == "JSON"
    assert read["LoggingConfig"]["LogGroup"] == f"/aws/lambda/{function}"
    sandbox_aws.functions.update_function_configuration(FunctionName=function, TracingConfig={"Mode": "Active"})
    read = sandbox_aws.functions.get_function_configuration(FunctionName=function)
    assert read["TracingConfig"] == {"Mode": "Active"}, "moto ignores this field on update"


def test_reserved_concurrency_throttles(sandbox_aws):
    function = sandbox_aws.function("import time\ndef handler(event, context):\n    time.sleep(2)\n")
    sandbox_aws.functions.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    functions = sandbox_aws.functions
    answers: list[str] = []

    def invoke() -> None:
        try:
            functions.invoke(FunctionName=function)
            answers.append("done")
        except ClientError as error:
            answers.append(error.response["Error"]["Code"])

    both = [threading.Thread(target=invoke) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(answers) == ["TooManyRequestsException", "done"]


def test_an_event_invocation_is_accepted_at_once_and_fails_to_the_dead_letter_queue(sandbox_aws):
    url, dead = sandbox_aws.queue()
    function = sandbox_aws.function(
        "def handler(event, context):\n    raise RuntimeError('bad')\n", DeadLetterConfig={"TargetArn": dead}
    )
    sandbox_aws.functions.put_function_event_invoke_config(FunctionName=function, MaximumRetryAttempts=0)
    answer = sandbox_aws.functions.invoke(FunctionName=function, InvocationType="Event", Payload='{"n": 1}')
    assert answer["StatusCode"] == 202
    assert json.loads(sandbox_aws.messages(url, 1)[0]) == {"n": 1}, "the letter is the event that failed"


def test_a_deleted_function_leaves_no_process(sandbox_aws):
    function = sandbox_aws.function("import os\ndef handler(event, context):\n    return os.getpid()\n")
    process = sandbox_aws.call(function)[0]
    sandbox_aws.functions.delete_function(FunctionName=function)

    def gone() -> bool:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        return False

    sandbox_aws.wait_for(gone, 5, "the end of the function's process")


COLLECT = (
    "import boto3, json, os\n"
    "def handler(event, context):\n"
    "    bodies = [record['body'] for record in event['Records']]\n"
    "    told = json.dumps([bodies, event['Records'][0]])\n"
    "    boto3.client('sqs').send_message(QueueUrl=os.environ['OUT'], MessageBody=told)\n"
    "    if 'break' in bodies: raise RuntimeError('broken')\n"
    "    bad = [record['messageId'] for record in event['Records'] if record['body'] == 'bad']\n"
    "    return {'batchItemFailures': [{'itemIdentifier': name} for name in bad]}\n"
)


@pytest.fixture
def mapped(sandbox_aws):
    """A function that tells the batches that it gets, a queue that calls it, and the two queues behind it."""

    def make(**mapping):
        out, _ = sandbox_aws.queue()
        dead, dead_arn = sandbox_aws.queue()
        redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
        url, arn = sandbox_aws.queue(VisibilityTimeout="2", RedrivePolicy=redrive)
        function = sandbox_aws.function(COLLECT, Timeout=2, Environment={"Variables": {"OUT": out}})
        uuid = sandbox_aws.functions.create_event_source_mapping(FunctionName=function, EventSourceArn=arn, **mapping)[
            "UUID"
        ]
        made.append(uuid)
        return url, arn, out, dead, uuid

    made: list[str] = []
    yield make
    for uuid in made:
        sandbox_aws.functions.delete_event_source_mapping(UUID=uuid)


def test_a_queue_gathers_messages_over_its_window_into_one_batch(sandbox_aws, mapped):
    url, arn, out, _, _ = mapped(BatchSize=100, MaximumBatchingWindowInSeconds=1)
    for number in range(25):
        sandbox_aws.sqs.send_message(
            QueueUrl=url, MessageBody=str(number), MessageAttributes={"a": {"DataType": "String", "StringValue": "b"}}
        )
    bodies, record = json.loads(sandbox_aws.messages(out, 1)[0])
    assert sorted(bodies, key=int) == [str(number) for number in range(25)]
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == arn
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"]["a"]["stringValue"] == "b"
    assert set(record) == {
        "messageId",
        "receiptHandle",
        "body",
        "attributes",
        "messageAttributes",
        "md5OfBody",
        "eventSource",
        "eventSourceARN",
        "awsRegion",
    }


def test_messages_that_a_function_names_as_failed_stay_and_reach_the_dead_letter_queue(sandbox_aws, mapped):
    url, _, out, dead, _ = mapped(FunctionResponseTypes=["ReportBatchItemFailures"])
    for body in ("good", "bad"):
        sandbox_aws.sqs.send_message(QueueUrl=url, MessageBody=body)
    assert sandbox_aws.messages(dead, 1, seconds=15) == ["bad"], "after two receives the redrive policy moves it"
    seen = [body for told in sandbox_aws.messages(out, 2) for body in json.loads(told)[0]]
    assert seen.count("good") == 1, "what was processed is not processed again"
    assert seen.count("bad") == 2


def test_without_partial_responses_an_exception_keeps_the_whole_batch(sandbox_aws, mapped):
    url, _, _, dead, _ = mapped(BatchSize=10, MaximumBatchingWindowInSeconds=1)
    for body in ("break", "good"):
        sandbox_aws.sqs.send_message(QueueUrl=url, MessageBody=body)
    assert sorted(sandbox_aws.messages(dead, 2, seconds=20)) == ["break", "good"]


def test_a_disabled_mapping_leaves_the_queue_alone(sandbox_aws, mapped):
    url, _, out, _, uuid = mapped(Enabled=False)
    sandbox_aws.sqs.send_message(QueueUrl=url, MessageBody="one")
    waiting = sandbox_aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    assert waiting["Attributes"]["ApproximateNumberOfMessages"] == "1"
    sandbox_aws.functions.update_event_source_mapping(UUID=uuid, Enabled=True)
    assert json.loads(sandbox_aws.messages(out, 1)[0])[0] == ["one"]


@pytest.mark.parametrize(
    ("mapping", "visibility", "reason"),
    [
        ({}, "1", "visibility timeout: 1 seconds is less than Function timeout: 5 seconds"),
        ({"BatchSize": 11}, "30", "Maximum batch window in seconds must be greater than 0"),
    ],
)
def test_mappings_that_lambda_refuses_are_refused(sandbox_aws, mapping, visibility, reason):
    _, arn = sandbox_aws.queue(VisibilityTimeout=visibility)
    function = sandbox_aws.function("")
    with pytest.raises(ClientError, match=reason):
        sandbox_aws.functions.create_event_source_mapping(FunctionName=function, EventSourceArn=arn, **mapping)


def test_a_second_mapping_of_the_same_queue_is_refused(sandbox_aws, mapped):
    _, arn, _, _, uuid = mapped()
    function = sandbox_aws.functions.get_event_source_mapping(UUID=uuid)["FunctionArn"]
    with pytest.raises(ClientError, match="already exists"):
        sandbox_aws.functions.create_event_source_mapping(FunctionName=function, EventSourceArn=arn)


def test_queues_lose_and_double_nothing_under_concurrency(sandbox_aws):
    url, _ = sandbox_aws.queue()
    count, threads = 120, 4
    received: list[str] = []
    lock = threading.Lock()
    sqs = sandbox_aws.sqs

    def send(part: int) -> None:
        for number in range(part, count, threads):
            sqs.send_message(QueueUrl=url, MessageBody=str(number))

    def receive() -> None:
        while True:
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages", [])
            if not messages:
                return
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                with lock:
                    received.append(message["Body"])

    workers = [threading.Thread(target=send, args=(part,)) for part in range(threads)]
    workers += [threading.Thread(target=receive) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(received, key=int) == [str(number) for number in range(count)]


def test_a_long_queue_stays_quick(sandbox_aws):
    url, arn = sandbox_aws.queue(VisibilityTimeout="60")
    backend = sqs_backends["123456789012"]["eu-west-1"]
    started = time.monotonic()
    for number in range(2000):
        backend.send_message(arn.rsplit(":", 1)[-1], str(number))
    for _ in range(20):
        sandbox_aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    assert time.monotonic() - started < 15, "with moto's own counting this takes minutes"
    attributes = sandbox_aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "1800"
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "200"


def test_a_queue_s_attributes_read_back(sandbox_aws):
    _, dead = sandbox_aws.queue()
    key = sandbox_aws.arn("kms", "key/k")
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 5})
    url, arn = sandbox_aws.queue(KmsMasterKeyId=key, RedrivePolicy=redrive, VisibilityTimeout="90")
    read = sandbox_aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (read["KmsMasterKeyId"], read["VisibilityTimeout"], read["QueueArn"]) == (key, "90", arn)
    assert json.loads(read["RedrivePolicy"]) == json.loads(redrive)
    assert "FifoQueue" not in read
    one = sandbox_aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout", "Policy"])
    assert one["Attributes"] == {"VisibilityTimeout": "90"}
