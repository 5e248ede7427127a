"""Failures on demand: each word of the vocabulary does what it says, once or as often as asked."""

from __future__ import annotations

import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.faults import VOCABULARY, FaultError, Faults, parse, vocabulary_text


@pytest.fixture
def faults(sandbox_aws):
    control = Faults(sandbox_aws.endpoint)
    yield control
    control.clear()


@pytest.mark.parametrize(
    "line",
    [
        "throttle emr:AddJobFlowSteps times=2",
        "refuse s3:PutBucketTagging always code=AccessDenied 'message=not today'",
        "drop 'dynamodb:*' 'where=object#raw'",
        "step-slow '*' seconds=0.5",
        "cluster-dies main at=step",
    ],
)
def test_a_line_reads_back_as_it_was_said(line):
    assert str(parse(line)) == line


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("throttle", "say what and where"),
        ("throtle emr:ListSteps", "no word 'throtle'; did you mean throttle?"),
        ("throttle emr:ListStep", "emr has no call 'ListStep'; did you mean ListSteps?"),
        ("throttle elasticmapreduce:ListSteps", "boto3's name of the service"),
        ("throttle emr:ListSteps times=0", "times is a whole number from 1 or 'always', not '0'"),
        ("throttle emr:ListSteps seconds=2", "throttle takes times, where (as name=value), not 'seconds=2'"),
        ("delay emr:ListSteps seconds=long", "seconds is a number from 0 to 3600, not 'long'"),
        ("cluster-dies main at=noon", "at is 'step'"),
        ("step-fails 'a", "No closing quotation"),
    ],
)
def test_a_line_that_means_nothing_is_refused_with_what_would(line, message):
    with pytest.raises(FaultError) as refused:
        parse(line)
    assert message in str(refused.value)


def test_the_vocabulary_is_told_word_by_word():
    for word in VOCABULARY:
        assert f"  {word} " in vocabulary_text()


CALLS = (
    ("emr", "list_clusters", {}, "ListClusters", "ThrottlingException"),
    ("s3", "list_buckets", {}, "ListBuckets", "SlowDown"),
    ("s3", "get_bucket_tagging", {"Bucket": "any"}, "GetBucketTagging", "SlowDown"),
    ("sqs", "list_queues", {}, "ListQueues", "RequestThrottled"),
    ("sns", "list_topics", {}, "ListTopics", "Throttled"),
    ("iam", "list_roles", {}, "ListRoles", "Throttling"),
    ("ec2", "describe_vpcs", {}, "DescribeVpcs", "RequestLimitExceeded"),
    ("cloudwatch", "list_metrics", {}, "ListMetrics", "Throttling"),
    ("functions", "list_functions", {}, "ListFunctions", "TooManyRequestsException"),
    ("dynamodb", "list_tables", {}, "ListTables", "ThrottlingException"),
    ("states", "list_state_machines", {}, "ListStateMachines", "ThrottlingException"),
)


@pytest.mark.parametrize(("client", "method", "given", "call", "code"), CALLS, ids=[f"{c[0]}-{c[3]}" for c in CALLS])
def test_a_named_call_is_throttled_in_the_protocol_of_its_service(
    sandbox_aws, faults, client, method, given, call, code
):
    service = {"functions": "lambda", "states": "stepfunctions"}.get(client, client)
    faults.add(f"throttle {service}:{call}")
    with pytest.raises(ClientError) as refused:
        getattr(getattr(sandbox_aws, client), method)(**given)
    assert refused.value.response["Error"] == {"Code": code, "Message": "Rate exceeded"} | {
        key: value for key, value in refused.value.response["Error"].items() if key not in ("Code", "Message")
    }, "the SDK should understand the refusal"
    assert faults.active() == [], "once is once"


def test_an_sdk_tries_again_after_each_throttling(sandbox_aws, faults, monkeypatch):
    # How long it waits is botocore's own affair.
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    session = boto3.Session("a", "b", region_name="eu-west-1")
    for service, _, _, call, _ in CALLS:
        name = {"functions": "lambda", "states": "stepfunctions"}.get(service, service)
        if call in ("GetBucketTagging", "DescribeVpcs"):
            continue
        config = Config(retries={"mode": "standard", "total_max_attempts": 2})
        client = session.client(name, endpoint_url=sandbox_aws.endpoint, config=config)
        faults.add(f"throttle {name}:{call}")
        method = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in call).lstrip("_")
        answer = getattr(client, method)()
        assert answer["ResponseMetadata"]["RetryAttempts"] == 1, f"{name} {call} was not tried again"


def test_only_the_named_call_and_only_where_it_says_so(sandbox_aws, faults):
    bucket = sandbox_aws.bucket()
    faults.add(f"refuse s3:PutObject always code=AccessDenied where={bucket}/closed")
    sandbox_aws.s3.put_object(Bucket=bucket, Key="open", Body=b"1")
    for _ in range(2):
        with pytest.raises(ClientError, match="AccessDenied"):
            sandbox_aws.s3.put_object(Bucket=bucket, Key="closed/a", Body=b"1")
    sandbox_aws.s3.copy_object(Bucket=bucket, Key="closed/b", CopySource=f"{bucket}/open")
    assert faults.active() == [f"refuse s3:PutObject always code=AccessDenied where={bucket}/closed"]


def test_a_dropped_answer_leaves_the_work_done(sandbox_aws, faults):
    name = sandbox_aws.name("queue")
    faults.add("drop sqs:CreateQueue")
    with pytest.raises(ClientError, match="the call was done"):
        sandbox_aws.sqs.create_queue(QueueName=name)
    assert sandbox_aws.sqs.get_queue_url(QueueName=name)["QueueUrl"], "only the answer was lost"


def test_a_delayed_call_is_answered_late(sandbox_aws, faults):
    faults.add("delay sts:GetCallerIdentity seconds=0.3")
    began = time.monotonic()
    assert sandbox_aws.sts.get_caller_identity()["Account"] == "123456789012"
    assert time.monotonic() - began >= 0.3


def test_a_step_fails_with_the_message_asked_for(sandbox_aws, faults):
    cluster = sandbox_aws.cluster()
    faults.add("step-fails doomed 'message=java.lang.OutOfMemoryError: Java heap space'")
    other, doomed = sandbox_aws.add_steps(cluster, sandbox_aws.bash("true"), sandbox_aws.bash("true", Name="doomed"))
    status = sandbox_aws.ended_step(cluster, doomed)
    assert (status["State"], status["FailureDetails"]["Message"]) == (
        "FAILED",
        "java.lang.OutOfMemoryError: Java heap space",
    )
    assert sandbox_aws.ended_step(cluster, other)["State"] == "COMPLETED", "the fault names one step only"


def test_a_step_is_killed_while_it_runs(sandbox_aws, faults):
    cluster = sandbox_aws.cluster()
    faults.add("step-dies '*' seconds=0.2")
    (step,) = sandbox_aws.add_steps(cluster, sandbox_aws.bash("sleep 60"))
    status = sandbox_aws.ended_step(cluster, step)
    assert status["State"] == "FAILED"
    assert "exit code 137" in status["FailureDetails"]["Message"], "as a process that the kernel killed"


def test_a_slow_step_waits_and_can_be_cancelled_meanwhile(sandbox_aws, faults):
    cluster = sandbox_aws.cluster()
    faults.add("step-slow '*' seconds=60")
    (step,) = sandbox_aws.add_steps(cluster, sandbox_aws.bash("true"))
    sandbox_aws.wait_for(lambda: sandbox_aws.step(cluster, step)["State"] == "RUNNING")
    sandbox_aws.emr.cancel_steps(ClusterId=cluster, StepIds=[step])
    assert sandbox_aws.ended_step(cluster, step)["State"] == "CANCELLED"


def test_a_cluster_starts_slowly_and_keeps_its_steps_waiting(sandbox_aws, faults):
    faults.add("cluster-slow '*' seconds=0.6")
    cluster = sandbox_aws.cluster()

    def state() -> str:
        return sandbox_aws.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"]

    (step,) = sandbox_aws.add_steps(cluster, sandbox_aws.bash("true"))
    assert (state(), sandbox_aws.step(cluster, step)["State"]) == ("STARTING", "PENDING")
    sandbox_aws.wait_for(lambda: state() == "BOOTSTRAPPING")
    assert sandbox_aws.ended_step(cluster, step)["State"] == "COMPLETED"
    sandbox_aws.wait_for(lambda: state() == "WAITING")


def test_a_cluster_never_gets_ready(sandbox_aws, faults):
    faults.add("cluster-fails '*'")
    cluster = sandbox_aws.cluster()
    sandbox_aws.wait_for(
        lambda: (
            sandbox_aws.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"]
            == "TERMINATED_WITH_ERRORS"
        )
    )
    reason = sandbox_aws.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["StateChangeReason"]
    assert reason["Code"] == "BOOTSTRAP_FAILURE"


def test_a_cluster_dies_now_or_under_its_next_step(sandbox_aws, faults):
    now, later = sandbox_aws.cluster(), sandbox_aws.cluster()

    def status(cluster: str) -> tuple[str, str]:
        status = sandbox_aws.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]
        return status["State"], status["StateChangeReason"].get("Code", "")

    faults.add(f"cluster-dies {now}")
    assert status(now) == ("TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE")
    faults.add(f"cluster-dies {later} at=step")
    assert status(later)[0] == "WAITING"
    (step,) = sandbox_aws.add_steps(later, sandbox_aws.bash("sleep 60"))
    assert sandbox_aws.ended_step(later, step)["State"] == "CANCELLED", "its step goes with it"
    assert status(later) == ("TERMINATED_WITH_ERRORS", "INSTANCE_FAILURE")
    with pytest.raises(FaultError, match="no cluster of that name or id lives"):
        faults.add(f"cluster-dies {now}")


def test_a_function_dies_under_its_event_and_lives_for_the_next(sandbox_aws, faults):
    function = sandbox_aws.function(
        "import time\ndef handler(event, context):\n    time.sleep(event['s'])\n    return 1"
    )
    faults.add(f"function-dies {function} seconds=0.3")
    payload, error = sandbox_aws.call(function, {"s": 30})
    assert error
    assert payload["errorType"] == "Runtime.ExitError"
    assert sandbox_aws.call(function, {"s": 0}) == (1, None)


def test_faults_of_a_block_end_with_it(sandbox_aws, faults):
    with faults.during("throttle kms:ListKeys always"), pytest.raises(ClientError):
        sandbox_aws.kms.list_keys()
    assert sandbox_aws.kms.list_keys()["Keys"] is not None
