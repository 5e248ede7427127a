"""The dispatcher: no file is lost between the bucket and the state machine, and nobody else can slip one in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.events.models import EventPattern

from components.dispatch import (
    LONGEST_PATTERN,
    ObjectDispatcher,
    ObjectDispatcherArgs,
    bundled_settings,
    event_patterns,
    role_statements,
    wanted_keys,
)
from components.job import JobReference
from settings import ConfigurationError, DatasetSettings, OrchestrationSettings
from tests.unit.harness import ENVIRONMENT, Deployment, deploy

DATA_KEY = ENVIRONMENT.arn("kms", "key/data")
LOGS_KEY = ENVIRONMENT.arn("kms", "key/logs")
MESSAGES_KEY = ENVIRONMENT.arn("kms", "key/messages")
STATE_MACHINE = ENVIRONMENT.arn("states", "stateMachine:emr-pipeline-test-pipeline")
INTAKE = ENVIRONMENT.arn("sqs", "emr-pipeline-test-intake")
DEAD_LETTERS = ENVIRONMENT.arn("sqs", "emr-pipeline-test-dead-letters")
RULE = ENVIRONMENT.arn("events", "rule/emr-pipeline-test-raw-objects")


@dataclass(frozen=True)
class Bucket:
    """A bucket as the dispatcher sees it."""

    name: str
    arn: str = ""
    bucket: Any = None
    ready: list[pulumi.Resource] = field(default_factory=list)


JOB = "s3://scripts/jobs/0123456789abcdef/transform.py"


def job() -> JobReference:
    uploaded = aws.s3.BucketObjectv2("job-code", bucket="scripts", key="jobs/0123456789abcdef/transform.py")
    return JobReference(JOB, uploaded, "s3://scripts/jobs/0/run_step.sh", uploaded)


def dataset(prefix: str) -> DatasetSettings:
    columns = [{"name": "year", "type": "int", "nullable": False}, {"name": "carrier", "type": "string"}]
    return DatasetSettings.model_validate({"prefix": prefix, "columns": columns, "partitionBy": ["year"]})


DATASETS = {"flights": dataset("flights/"), "weather": dataset("incoming/weather/")}


def dispatcher(
    datasets: Mapping[str, DatasetSettings] | None = None, settings: OrchestrationSettings | None = None
) -> ObjectDispatcher:
    return ObjectDispatcher(
        "dispatcher",
        ObjectDispatcherArgs(
            settings=settings or OrchestrationSettings(),
            environment=ENVIRONMENT,
            datasets=DATASETS if datasets is None else datasets,
            raw=Bucket("raw"),  # pyright: ignore[reportArgumentType]
            scripts=Bucket("scripts"),  # pyright: ignore[reportArgumentType]
            processed=Bucket("processed"),  # pyright: ignore[reportArgumentType]
            database_name="emr_pipeline_test",
            state_machine_arn=STATE_MACHINE,
            state_machine_alias_arn=f"{STATE_MACHINE}:live",
            job=job(),
            ledger_table="emr-pipeline-test-ledger",
            data_key_arn=DATA_KEY,
            messages_key_arn=MESSAGES_KEY,
            logs_key_arn=LOGS_KEY,
            subnet_ids=["subnet-1", "subnet-2"],
            security_group_id="sg-functions",
            drain_minutes=60,
            behind=[aws.sns.Topic("behind")],
        ),
    )


@pytest.fixture(scope="module")
def deployed() -> Deployment:
    return deploy(dispatcher)


def statements(**changes: Any) -> dict[str, dict[str, Any]]:
    known: dict[str, Any] = {
        "function_name": "emr-pipeline-test-dispatcher",
        "queue_arn": INTAKE,
        "dead_letters_arn": DEAD_LETTERS,
        "scripts_bucket": "scripts",
        "state_machine_arn": STATE_MACHINE,
        "state_machine_alias_arn": f"{STATE_MACHINE}:live",
        "data_key_arn": DATA_KEY,
        "messages_key_arn": MESSAGES_KEY,
    }
    return {entry["Sid"]: entry for entry in role_statements(ENVIRONMENT, **known | changes)}


def test_files_of_every_dataset_and_of_nothing_else_are_selected(deployed: Deployment):
    rule = deployed.named("dispatcher-rule")
    assert rule.inputs["state"] == "ENABLED"
    assert rule.document("eventPattern") == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": ["raw"]},
            "object": {"key": [{"prefix": "flights/"}, {"prefix": "incoming/weather/"}]},
        },
    }


@given(
    st.lists(st.from_regex(r"[a-z]{1,40}(/[a-z]{1,60}){0,3}/", fullmatch=True), min_size=1, max_size=120, unique=True)
)
def test_patterns_hold_every_prefix_once_and_fit_in_a_rule(prefixes: list[str]):
    patterns = event_patterns("raw", prefixes)
    held = [entry["prefix"] for pattern in patterns for entry in pattern["detail"]["object"]["key"]]
    assert sorted(held) == sorted(prefixes), "a prefix in two rules would dispatch a file twice, in none not at all"
    assert all(len(json.dumps(pattern)) <= LONGEST_PATTERN for pattern in patterns)


def test_a_suffix_is_asked_for_together_with_the_prefix():
    flights = dataset("flights/").model_copy(update={"suffix": ".csv"})
    (document,) = event_patterns("raw", [wanted_keys(flights), wanted_keys(dataset("weather/"))])
    pattern = EventPattern.load(json.dumps(document))

    def matches(key: str) -> bool:
        detail = {"bucket": {"name": "raw"}, "object": {"key": key}}
        return bool(pattern.matches_event({"source": "aws.s3", "detail-type": "Object Created", "detail": detail}))

    assert matches("flights/2013/a.csv")
    assert matches("weather/a.csv.md5")
    assert not matches("flights/2013/a.csv.md5")
    assert not matches("other/a.csv")


def test_a_prefix_that_fits_in_no_rule_is_refused():
    with pytest.raises(ValueError, match="too long for an event pattern of 2048 characters"):
        event_patterns("raw", ["x" * 2000 + "/"])


def test_many_datasets_get_several_rules_and_each_may_fill_the_intake():
    many = {f"dataset_{number}": dataset(f"incoming/of-a-partner/number-{number:03}/") for number in range(60)}
    deployed = deploy(lambda: dispatcher(many))
    rules = [rule for rule in deployed.all(aws.cloudwatch.EventRule) if "raw-objects" in rule.inputs["name"]]
    assert len(rules) > 1
    filling = [target for target in deployed.all(aws.cloudwatch.EventTarget) if target.inputs["arn"] == INTAKE]
    assert {target.inputs["rule"] for target in filling} == {rule.inputs["name"] for rule in rules}
    (admitted,) = [
        entry
        for entry in deployed.named("dispatcher-intake-policy").document("policy")["Statement"]
        if entry["Effect"] == "Allow"
    ]
    assert admitted["Condition"]["ArnEquals"]["aws:SourceArn"] == [
        ENVIRONMENT.arn("events", f"rule/{name}") for name in deployed.result.rule_names
    ]
    assert deployed.result.rule_name == "emr-pipeline-test-raw-objects", "the first rule keeps its name"


def test_an_event_that_cannot_be_delivered_is_kept(deployed: Deployment):
    target = deployed.named("dispatcher-target")
    assert target.inputs["arn"] == INTAKE
    assert target.inputs["deadLetterConfig"] == {"arn": DEAD_LETTERS}
    assert target.inputs["retryPolicy"] == {"maximumEventAgeInSeconds": 86400, "maximumRetryAttempts": 185}
    assert {"dispatcher-intake-policy", "dispatcher-dead-letters-policy"} <= target.depends_on, (
        "an event that comes before the queues admit it is lost"
    )


def test_queues_are_encrypted_with_the_messages_key(deployed: Deployment):
    assert {queue.inputs["kmsMasterKeyId"] for queue in deployed.all(aws.sqs.Queue)} == {MESSAGES_KEY}


START_RULES = [ENVIRONMENT.arn("events", f"rule/emr-pipeline-test-start-{role}") for role in ("ended", "schedule")]


@pytest.mark.parametrize(
    ("name", "rules"), [("dispatcher-intake-policy", []), ("dispatcher-dead-letters-policy", START_RULES)]
)
def test_only_the_rules_send_and_nobody_without_tls(deployed: Deployment, name: str, rules: list[str]):
    allow, refuse = deployed.named(name).document("policy")["Statement"]
    assert allow["Action"] == "sqs:SendMessage"
    assert allow["Principal"] == {"Service": "events.amazonaws.com"}
    assert allow["Condition"] == {
        "ArnEquals": {"aws:SourceArn": [RULE, *rules]},
        "StringEquals": {"aws:SourceAccount": ENVIRONMENT.account_id},
    }
    assert (refuse["Effect"], refuse["Principal"], refuse["Action"]) == ("Deny", "*", "sqs:*")
    assert refuse["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_a_message_goes_to_the_dead_letters_after_its_tries_and_outlives_the_intake(deployed: Deployment):
    intake, dead = deployed.named("dispatcher-intake"), deployed.named("dispatcher-dead-letters")
    assert intake.document("redrivePolicy") == {"deadLetterTargetArn": DEAD_LETTERS, "maxReceiveCount": 5}
    assert dead.document("redriveAllowPolicy") == {"redrivePermission": "byQueue", "sourceQueueArns": [INTAKE]}
    assert dead.inputs["messageRetentionSeconds"] > intake.inputs["messageRetentionSeconds"], (
        "SQS counts a dead letter's age from its first arrival"
    )


@pytest.mark.parametrize(("timeout", "window"), [(60, 60), (900, 300), (10, 1)])
def test_a_message_stays_hidden_while_the_function_may_work_on_it(timeout: int, window: int):
    settings = OrchestrationSettings(function_timeout_seconds=timeout, batch_window_seconds=window)
    hidden = deploy(lambda: dispatcher(settings=settings)).named("dispatcher-intake").inputs["visibilityTimeoutSeconds"]
    assert hidden == 6 * timeout + window <= 43200


def test_the_function_takes_batches_and_answers_for_each_message(deployed: Deployment):
    source = deployed.one(aws.lambda_.EventSourceMapping)
    assert source.inputs["eventSourceArn"] == INTAKE
    assert source.inputs["batchSize"] == 1000
    assert source.inputs["maximumBatchingWindowInSeconds"] == 60
    assert source.inputs["functionResponseTypes"] == ["ReportBatchItemFailures"], (
        "else one bad message brings the whole batch back"
    )
    assert source.inputs["scalingConfig"] == {"maximumConcurrency": 2}
    assert "dispatcher-role-policy" in source.depends_on, "Lambda checks that the role may read the queue"


def test_the_function_runs_in_the_private_subnets_traced_and_logged(deployed: Deployment):
    function = deployed.one(aws.lambda_.Function)
    assert function.inputs["vpcConfig"] == {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-functions"]}
    assert function.inputs["tracingConfig"] == {"mode": "Active"}
    assert function.inputs["loggingConfig"]["logGroup"] == "/aws/lambda/emr-pipeline-test-dispatcher"
    assert function.inputs["loggingConfig"]["logFormat"] == "JSON"
    assert function.inputs["kmsKeyArn"] == DATA_KEY
    assert (function.inputs["runtime"], function.inputs["architectures"]) == ("python3.12", ["arm64"])
    assert function.inputs["timeout"] == 60
    assert {"dispatcher-role-policy", "dispatcher-logs"} <= function.depends_on


def test_its_log_group_is_encrypted_and_bounded(deployed: Deployment):
    group = deployed.one(aws.cloudwatch.LogGroup)
    assert group.inputs["kmsKeyId"] == LOGS_KEY
    assert group.inputs["retentionInDays"] == 90
    assert group.inputs["name"] == "/aws/lambda/emr-pipeline-test-dispatcher"


def test_the_function_knows_its_surroundings_and_nothing_secret(deployed: Deployment):
    assert deployed.one(aws.lambda_.Function).inputs["environment"] == {
        "variables": {
            "STATE_MACHINE_ARN": STATE_MACHINE,
            "STATE_MACHINE_ALIAS_ARN": f"{STATE_MACHINE}:live",
            "LEDGER_TABLE": "emr-pipeline-test-ledger",
            "MAXIMUM_RUNNING_EXECUTIONS": "8",
            "STACK": "test",
            "POWERTOOLS_METRICS_NAMESPACE": "EmrPipeline",
        }
    }


def test_the_function_has_concurrency_of_its_own_unless_the_account_has_none_to_give(deployed: Deployment):
    assert deployed.one(aws.lambda_.Function).inputs["reservedConcurrentExecutions"] == 5
    settings = OrchestrationSettings(reserved_concurrency=None)
    unreserved = deploy(lambda: dispatcher(settings=settings)).one(aws.lambda_.Function)
    assert "reservedConcurrentExecutions" not in unreserved.inputs


def test_the_queue_may_not_take_all_of_the_reserved_concurrency():
    with pytest.raises(ValueError, match="reservedConcurrency is 4 and maximumConcurrency 4: the queue would take all"):
        OrchestrationSettings(reserved_concurrency=4, maximum_concurrency=4)


def test_the_code_is_the_functions_modules_with_the_datasets_beside_them(deployed: Deployment):
    function = deployed.one(aws.lambda_.Function)
    assert function.inputs["handler"] == "functions.dispatcher.handler.handler"
    assets = function.inputs["code"].assets
    ours = {path for path in assets if path.startswith("functions/")}
    assert {
        "functions/dispatcher/handler.py",
        "functions/dispatcher/datasets.json",
        "functions/ledger/store.py",
    } <= ours
    assert "functions/ledger/__main__.py" not in ours, "the person's command has no place in the function"
    bundled = json.loads(assets["functions/dispatcher/datasets.json"].text)
    assert bundled["datasets"]["flights"]["partitionBy"] == ["year"], "the handler reads the configuration's own names"
    assert bundled["datasets"]["flights"]["columns"][0] == {"name": "year", "type": "int", "nullable": False}
    assert {key: value for key, value in bundled.items() if key != "datasets"} == {
        "database": "emr_pipeline_test",
        "rawBucket": "raw",
        "processedBucket": "processed",
        "scriptsBucket": "scripts",
        "job": JOB,
    }


def test_the_archive_brings_what_lambda_has_not_and_nothing_compiled(deployed: Deployment):
    assets = deployed.one(aws.lambda_.Function).inputs["code"].assets
    assert {"aws_lambda_powertools/__init__.py", "aws_xray_sdk/core/__init__.py", "wrapt/__init__.py"} <= set(assets)
    assert not any(path.startswith(("boto3/", "botocore/")) for path in assets), "Lambda's runtime has them"
    assert {path.rsplit(".", 1)[1] for path in assets} == {"py", "json"}, (
        "a compiled file of this machine would not load on arm64, and a cache would change the archive each time"
    )


def test_a_rollback_of_the_job_is_one_setting():
    settings = OrchestrationSettings(job_version="fedcba9876543210")
    assets = deploy(lambda: dispatcher(settings=settings)).one(aws.lambda_.Function).inputs["code"].assets
    bundled = json.loads(assets["functions/dispatcher/datasets.json"].text)
    assert bundled["job"] == "s3://scripts/jobs/fedcba9876543210/transform.py"


def test_whenever_an_execution_ends_another_may_start(deployed: Deployment):
    assert deployed.named("dispatcher-ended-rule").document("eventPattern") == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"stateMachineArn": [STATE_MACHINE], "status": ["ABORTED", "FAILED", "SUCCEEDED", "TIMED_OUT"]},
    }


def test_what_waits_is_looked_for_on_a_schedule_too(deployed: Deployment):
    assert deployed.named("dispatcher-schedule-rule").inputs["scheduleExpression"] == "rate(5 minutes)"
    settings = OrchestrationSettings(start_interval_minutes=1)
    other = deploy(lambda: dispatcher(settings=settings)).named("dispatcher-schedule-rule")
    assert other.inputs["scheduleExpression"] == "rate(1 minute)", "EventBridge refuses 'rate(1 minutes)'"


@pytest.mark.parametrize("role", ["ended", "schedule"])
def test_only_its_rules_call_the_function(deployed: Deployment, role: str):
    permission = deployed.named(f"dispatcher-{role}-permission").inputs
    assert permission["principal"] == "events.amazonaws.com"
    assert permission["sourceArn"] == deployed.named(f"dispatcher-{role}-rule").state["arn"]
    assert permission["sourceAccount"] == ENVIRONMENT.account_id
    assert f"dispatcher-{role}-permission" in deployed.named(f"dispatcher-{role}-target").depends_on


def test_bundled_settings_come_back_as_the_same_datasets():
    bundled = bundled_settings(
        DATASETS, database="d", raw_bucket="r", processed_bucket="p", scripts_bucket="s", job="j"
    )
    again = {name: DatasetSettings.model_validate(entry) for name, entry in bundled["datasets"].items()}
    assert again == DATASETS


def test_the_role_may_take_write_and_start_exactly_what_it_must():
    found = statements()
    assert found["TakeMessages"]["Resource"] == INTAKE
    assert found["WriteManifests"] == {
        "Sid": "WriteManifests",
        "Effect": "Allow",
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::scripts/manifests/*",
    }
    start = found["StartExecutions"]
    assert start["Resource"] == STATE_MACHINE, "IAM is asked about the state machine, whatever it is started by"
    qualifier = {"ForAnyValue:StringEquals": {"states:StateMachineQualifier": ["live"]}}
    assert start["Condition"] == qualifier, "through the alias, and nothing else"
    assert found["LookAtExecutions"]["Resource"] == (
        "arn:aws:states:eu-west-1:111122223333:execution:emr-pipeline-test-pipeline:*"
    )
    assert found["UseLedger"]["Resource"] == "arn:aws:dynamodb:eu-west-1:111122223333:table/emr-pipeline-test-ledger"
    assert "dynamodb:DeleteItem" not in found["UseLedger"]["Action"], "what happened to a file is never forgotten"
    actions = json.dumps([entry["Action"] for entry in found.values() if entry["Effect"] == "Allow"])
    assert "s3:GetObject" not in actions, "the dispatcher reads events, never data"


def test_the_role_names_resources_wherever_the_service_knows_them():
    unbound = {sid for sid, entry in statements().items() if entry["Effect"] == "Allow" and entry["Resource"] == "*"}
    assert unbound == {"Trace", "FindInterfaces"}, "X-Ray and the Describe actions of EC2 know no resources"


def test_network_interfaces_are_for_lambda_and_not_for_the_code():
    refusal = statements()["LeaveInterfaces"]
    made = set(statements()["MakeInterfaces"]["Action"]) | set(statements()["FindInterfaces"]["Action"])
    assert refusal["Effect"] == "Deny"
    assert set(refusal["Action"]) == made
    assert refusal["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"] == ENVIRONMENT.arn(
        "lambda", "function:emr-pipeline-test-dispatcher"
    )


@pytest.mark.parametrize(
    ("sid", "service"),
    [
        ("UseMessagesKey", "sqs"),
        ("EncryptManifests", "s3"),
        ("EncryptInputs", "states"),
        ("ReadOwnEnvironment", "lambda"),
        ("DecryptLedger", "dynamodb"),
    ],
)
def test_keys_are_usable_only_through_the_service_that_needs_them(sid: str, service: str):
    assert statements()[sid]["Condition"]["StringEquals"]["kms:ViaService"] == f"{service}.eu-west-1.amazonaws.com"


def test_without_a_dataset_there_is_nothing_to_dispatch():
    with pytest.raises(ConfigurationError, match="emr-pipeline:datasets is empty: declare at least one dataset"):
        deploy(lambda: dispatcher({}))


def test_names_are_known_in_preview():
    made = deploy(dispatcher, preview=True).result
    assert made.intake_queue_name == "emr-pipeline-test-intake"
    assert made.dead_letter_queue_name == "emr-pipeline-test-dead-letters"
    assert made.function_name == "emr-pipeline-test-dispatcher"


def test_the_intake_opens_last_and_closes_first(deployed: Deployment) -> None:
    """What it depends on is deleted after it, when its hook has waited for executions."""
    source = deployed.one(aws.lambda_.EventSourceMapping)
    assert "behind" in source.depends_on, "an execution needs what stands behind the intake"
    for target in deployed.all(aws.cloudwatch.EventTarget):
        assert target.name in source.depends_on, f"{target.name} must not go while executions are waited for"
