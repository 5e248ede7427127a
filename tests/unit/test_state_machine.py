"""The state machine as it is registered: encrypted, logged, traced, with a role that can do its work and no more."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from components.environment import AwsEnvironment
from components.state_machine import (
    PipelineStateMachine,
    PipelineStateMachineArgs,
    alias_arn,
    role_statements,
    state_machine_arn,
    state_machine_name,
)
from settings import ConfigurationError, OrchestrationSettings
from tests.unit.harness import ENVIRONMENT, Deployment, deploy

DATA_KEY = ENVIRONMENT.arn("kms", "key/data")
LOGS_KEY = ENVIRONMENT.arn("kms", "key/logs")
MESSAGES_KEY = ENVIRONMENT.arn("kms", "key/messages")
SUCCESS = ENVIRONMENT.arn("sns", "emr-pipeline-test-success")
WARNING = ENVIRONMENT.arn("sns", "emr-pipeline-test-warning")
CRITICAL = ENVIRONMENT.arn("sns", "emr-pipeline-test-critical")
LEDGER = ENVIRONMENT.arn("dynamodb", "table/emr-pipeline-test-ledger")
NAME = "emr-pipeline-test-pipeline"


@dataclass(frozen=True)
class Bucket:
    """A bucket as the state machine sees it."""

    name: str
    arn: str = ""
    bucket: Any = None
    ready: list[pulumi.Resource] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """A job as the state machine sees it."""

    uri: str
    object: aws.s3.BucketObjectv2
    wrapper_uri: str
    wrapper_object: aws.s3.BucketObjectv2


def machine(environment: AwsEnvironment = ENVIRONMENT) -> PipelineStateMachine:
    job = Job(
        "s3://scripts/jobs/0123456789abcdef/transform.py",
        aws.s3.BucketObjectv2("job", bucket="scripts", key="x"),
        "s3://scripts/jobs/fedcba9876543210/run_step.sh",
        aws.s3.BucketObjectv2("wrapper", bucket="scripts", key="y"),
    )
    return PipelineStateMachine(
        "pipeline",
        PipelineStateMachineArgs(
            settings=OrchestrationSettings(log_retention_days=30),
            environment=environment,
            cluster_parameter_name="/emr-pipeline/test/cluster-id",
            scripts=Bucket("scripts"),  # pyright: ignore[reportArgumentType]
            processed=Bucket("processed"),  # pyright: ignore[reportArgumentType]
            data_key_arn=DATA_KEY,
            logs_key_arn=LOGS_KEY,
            messages_key_arn=MESSAGES_KEY,
            success_topic_arn=SUCCESS,
            warning_topic_arn=WARNING,
            critical_topic_arn=CRITICAL,
            ledger_table_name="emr-pipeline-test-ledger",
            job=job,  # pyright: ignore[reportArgumentType]
            realm="EU-WEST-1.COMPUTE.INTERNAL",
        ),
    )


@pytest.fixture(scope="module")
def deployed() -> Deployment:
    version = {"stateMachineVersionArn": f"{state_machine_arn(ENVIRONMENT)}:1"}
    return deploy(machine, computed={aws.sfn.StateMachine: lambda name, inputs: version})


def statements(**changes: Any) -> dict[str, dict[str, Any]]:
    known: dict[str, Any] = {
        "cluster_parameter_name": "/emr-pipeline/test/cluster-id",
        "processed_bucket": "processed",
        "ledger_table_arn": LEDGER,
        "data_key_arn": DATA_KEY,
        "messages_key_arn": MESSAGES_KEY,
        "topic_arns": [SUCCESS, WARNING, CRITICAL],
    }
    return {entry["Sid"]: entry for entry in role_statements(ENVIRONMENT, **known | changes)}


def test_its_name_is_known_before_it_exists(deployed: Deployment):
    registered = deployed.one(aws.sfn.StateMachine)
    assert registered.inputs["name"] == NAME == deployed.result.state_machine_name
    assert deployed.value(deployed.result.state_machine_arn) == state_machine_arn(ENVIRONMENT)
    assert registered.inputs["type"] == "STANDARD", "an execution is never run twice, and may take hours"


def test_a_name_too_long_for_step_functions_is_refused_with_its_reason():
    with pytest.raises(ConfigurationError, match="Step Functions allows 80, so choose a shorter stack name"):
        state_machine_name(replace(ENVIRONMENT, stack="s" * 70))


def test_everything_is_logged_but_the_data(deployed: Deployment):
    logging = deployed.one(aws.sfn.StateMachine).inputs["loggingConfiguration"]
    assert logging == {
        "level": "ALL",
        "includeExecutionData": False,
        "logDestination": ENVIRONMENT.arn("logs", f"log-group:/aws/vendedlogs/states/{NAME}:*"),
    }


def test_its_log_group_is_encrypted_and_kept_as_long_as_configured(deployed: Deployment):
    group = deployed.one(aws.cloudwatch.LogGroup)
    assert group.inputs["name"] == f"/aws/vendedlogs/states/{NAME}" == deployed.result.log_group_name
    assert group.inputs["kmsKeyId"] == LOGS_KEY
    assert group.inputs["retentionInDays"] == 30


def test_executions_are_encrypted_with_the_data_key_and_traced(deployed: Deployment):
    inputs = deployed.one(aws.sfn.StateMachine).inputs
    assert inputs["encryptionConfiguration"]["kmsKeyId"] == DATA_KEY
    assert inputs["encryptionConfiguration"]["type"] == "CUSTOMER_MANAGED_KMS_KEY"
    assert inputs["tracingConfiguration"] == {"enabled": True}


def test_it_waits_for_its_permissions_and_its_job(deployed: Deployment):
    assert {"pipeline-role-policy", "job"} <= deployed.one(aws.sfn.StateMachine).depends_on


def test_its_definition_carries_what_it_was_given(deployed: Deployment):
    states = deployed.one(aws.sfn.StateMachine).document("definition")["States"]
    assert states["FindCluster"]["Parameters"]["Name"] == "/emr-pipeline/test/cluster-id"
    assert states["NotifySuccess"]["Parameters"]["TopicArn"] == SUCCESS
    assert states["ExplainSetAside"]["Parameters"]["topic"] == WARNING
    assert states["ExplainStepFailed"]["Parameters"]["topic"] == CRITICAL
    arguments = states["SubmitStep"]["Parameters"]["Step"]["HadoopJarStep"]["Args.$"]
    assert states["PinJob"]["Result"] == "s3://scripts/jobs/0123456789abcdef/transform.py"
    assert "'s3://scripts/jobs/fedcba9876543210/run_step.sh'" in arguments
    assert states["ClaimManifest"]["Parameters"]["TableName"] == "emr-pipeline-test-ledger"
    assert "'EU-WEST-1.COMPUTE.INTERNAL'" in arguments


def test_only_this_state_machine_may_assume_the_role(deployed: Deployment):
    (trust,) = deployed.one(aws.iam.Role).document("assumeRolePolicy")["Statement"]
    assert trust["Principal"] == {"Service": "states.amazonaws.com"}
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ENVIRONMENT.account_id},
        "ArnLike": {"aws:SourceArn": f"{state_machine_arn(ENVIRONMENT)}*"},
    }


def test_the_role_s_policy_is_the_statements(deployed: Deployment):
    policy = deployed.one(aws.iam.RolePolicy).document("policy")
    assert policy["Statement"] == list(statements().values())


def test_the_role_names_resources_wherever_the_service_knows_them():
    unbound = {sid for sid, entry in statements().items() if entry["Resource"] == "*"}
    assert unbound == {"PublishMetrics", "DeliverLogs", "Trace"}, (
        "PutMetricData, log delivery and X-Ray know no resources; everything else does"
    )
    assert statements()["PublishMetrics"]["Condition"] == {"StringEquals": {"cloudwatch:namespace": "EmrPipeline"}}


def test_the_role_runs_steps_on_this_stack_s_clusters_only():
    entry = statements()["RunSteps"]
    assert entry["Resource"] == ENVIRONMENT.arn("elasticmapreduce", "cluster/*"), "a new cluster needs no new policy"
    assert entry["Condition"]["StringEquals"] == {
        "elasticmapreduce:ResourceTag/Project": "emr-pipeline",
        "elasticmapreduce:ResourceTag/Environment": "test",
    }
    assert "elasticmapreduce:TerminateJobFlows" not in entry["Action"]


def test_the_role_reads_reports_and_nothing_else_of_the_data():
    found = statements()
    assert found["ReadReports"]["Resource"] == "arn:aws:s3:::processed/_reports/*"
    assert found["MissReports"]["Condition"] == {"StringLike": {"s3:prefix": "_reports/*"}}
    writes = [action for entry in found.values() for action in [entry["Action"]] if "s3:Put" in str(action)]
    assert writes == []


def test_the_role_writes_manifests_and_reads_history_and_nothing_else_of_the_ledger():
    written, read = statements()["KeepLedger"], statements()["ReadHistory"]
    assert written["Action"] == "dynamodb:UpdateItem"
    assert written["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["manifest#*"]}}
    assert read["Action"] == "dynamodb:GetItem"
    assert read["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["history#*"]}}
    assert written["Resource"] == read["Resource"] == LEDGER


def test_an_execution_keeps_the_definition_that_it_began_with(deployed: Deployment):
    registered, alias = deployed.one(aws.sfn.StateMachine), deployed.one(aws.sfn.Alias)
    assert registered.inputs["publish"] is True, "each change is a version of its own"
    (route,) = alias.inputs["routingConfigurations"]
    assert route["weight"] == 100
    assert route["stateMachineVersionArn"] == f"{state_machine_arn(ENVIRONMENT)}:1", "the newest version"
    assert alias.inputs["name"] == "live"
    assert alias_arn(ENVIRONMENT) == f"{state_machine_arn(ENVIRONMENT)}:live"


@pytest.mark.parametrize(
    "sid", ["DecryptLedger", "DecryptReports", "EncryptNotifications", "EncryptExecutions", "EncryptLogDelivery"]
)
def test_keys_are_usable_only_for_what_they_are_for(sid: str):
    assert statements()[sid]["Condition"]["StringEquals"], f"{sid} would let the role use the key for anything"


def test_actions_of_the_role_cover_the_calls_of_the_definition(deployed: Deployment):
    needed = {
        "aws-sdk:ssm:getParameter": "ssm:GetParameter",
        "aws-sdk:emr:describeCluster": "elasticmapreduce:DescribeCluster",
        "aws-sdk:emr:describeStep": "elasticmapreduce:DescribeStep",
        "aws-sdk:emr:listSteps": "elasticmapreduce:ListSteps",
        "elasticmapreduce:addStep": "elasticmapreduce:AddJobFlowSteps",
        "elasticmapreduce:cancelStep": "elasticmapreduce:CancelSteps",
        "aws-sdk:s3:getObject": "s3:GetObject",
        "dynamodb:getItem": "dynamodb:GetItem",
        "dynamodb:updateItem": "dynamodb:UpdateItem",
        "aws-sdk:cloudwatch:putMetricData": "cloudwatch:PutMetricData",
        "sns:publish": "sns:Publish",
    }
    states = deployed.one(aws.sfn.StateMachine).document("definition")["States"].values()
    calls = {state["Resource"].removeprefix("arn:aws:states:::") for state in states if "Resource" in state}
    assert calls == set(needed), "a new call of the definition needs its permission here"
    allowed = {action for entry in statements().values() for action in _listed(entry["Action"])}
    assert set(needed.values()) <= allowed


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def test_it_can_be_previewed_before_its_topics_exist():
    preview = deploy(machine, preview=True)
    assert preview.one(aws.sfn.StateMachine).inputs["name"] == NAME
    assert preview.result.state_machine_name == NAME
