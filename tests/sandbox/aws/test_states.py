"""State machines: unmodified definitions, with the results and errors that Step Functions gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.states.errors import matches
from sandbox.aws.states.paths import extract_json
from sandbox.aws.states.sdk_tasks import error_prefix


def task(resource: str, **parameters: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters, "End": True}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.a[0].b", 1),
        ("$.a[0]", {"b": 1, "c": []}),
        ("$.a[*].b", [1, 2]),
        ("$.a[1:].b", [2]),
        ("$..b", [1, 2]),
        ("$.a[?(@.b==2)].b", [2]),
        ("$.a[?(@.b==9)].b", []),
        ("$.a[0].c", []),
        ("$['x-y']", "z"),
    ],
)
def test_a_path_yields_a_value_or_a_list_as_it_can_name_one_or_several(path, expected):
    assert extract_json(path, {"a": [{"b": 1, "c": []}, {"b": 2}], "x-y": "z"}) == expected


@pytest.mark.parametrize(
    ("service", "prefix"),
    [
        ("EMR", "Emr"),
        ("S3", "S3"),
        ("SSM", "Ssm"),
        ("CloudWatch", "CloudWatch"),
        ("CloudWatch Logs", "CloudWatchLogs"),
        ("DynamoDB", "DynamoDb"),
        ("Secrets Manager", "SecretsManager"),
        ("SNS", "Sns"),
        ("EC2", "Ec2"),
        ("Glue", "Glue"),
        ("EventBridge", "EventBridge"),
    ],
)
def test_error_names_start_with_the_name_of_the_java_client(service, prefix):
    assert error_prefix(service) == prefix


@pytest.mark.parametrize(
    ("declared", "error", "expected"),
    [
        (["States.ALL"], "Any.Exception", True),
        (["States.ALL"], "States.Timeout", True),
        (["States.ALL"], "States.Runtime", False),
        (["States.Runtime"], "States.Runtime", False),
        (["States.ALL"], "States.DataLimitExceeded", False),
        (["States.DataLimitExceeded"], "States.DataLimitExceeded", True),
        (["States.TaskFailed"], "Any.Exception", True),
        (["States.TaskFailed"], "States.Permissions", True),
        (["States.TaskFailed"], "States.Timeout", False),
        (["Other"], "Any.Exception", False),
    ],
)
def test_errors_match_as_the_guide_says(declared, error, expected):
    assert matches(declared, error) is expected


def test_values_pass_through_paths_and_the_context(sandbox_aws):
    parameters = {
        "one.$": "$.a[0].b",
        "all.$": "$.a[*].b",
        "start.$": "$$.Execution.StartTime",
        "name.$": "$$.Execution.Name",
    }
    ended = sandbox_aws.run({"A": {"Type": "Pass", "Parameters": parameters, "End": True}}, {"a": [{"b": 1}]})
    output = json.loads(ended["output"])
    assert (output["one"], output["all"]) == (1, [1])
    assert output["name"] == ended["name"], "an execution without a name gets one"
    assert output["start"].endswith("Z"), "times are text, else the output could not be read"


def test_an_object_is_read_as_text(sandbox_aws):
    bucket = sandbox_aws.bucket()
    sandbox_aws.s3.put_object(Bucket=bucket, Key="report.json", Body=b'{"rows": 3}')
    read = task("aws-sdk:s3:getObject", Bucket=bucket, Key="report.json")
    read["ResultSelector"] = {"report.$": "States.StringToJson($.Body)", "changed.$": "$.LastModified"}
    output = json.loads(sandbox_aws.run({"Read": read})["output"])
    assert output["report"] == {"rows": 3}
    assert output["changed"].endswith("Z")


@pytest.mark.parametrize(
    ("resource", "parameters", "error"),
    [
        ("aws-sdk:s3:getObject", {"Bucket": "none-such", "Key": "a"}, "S3.NoSuchBucketException"),
        ("aws-sdk:ssm:getParameter", {"Name": "/none"}, "Ssm.ParameterNotFoundException"),
        ("aws-sdk:emr:describeCluster", {"ClusterId": "j-NONE"}, "Emr.InvalidRequestException"),
        ("aws-sdk:emr:terminateJobFlows", {"JobFlowIds": ["j-NONE"]}, "Emr.EmrException"),
        ("elasticmapreduce:addStep", {"ClusterId": "j-NONE", "Step": {}}, "EMR.AmazonElasticMapReduceException"),
        ("aws-sdk:emr:describeCluster", {"Cluster": "j-NONE"}, "States.Runtime"),
    ],
)
def test_a_refused_call_fails_with_the_error_that_aws_names(sandbox_aws, resource, parameters, error):
    ended = sandbox_aws.run({"Call": task(resource, **parameters)})
    assert (ended["status"], ended["error"]) == ("FAILED", error)


def test_an_error_is_caught_by_its_name(sandbox_aws):
    call = task("aws-sdk:ssm:getParameter", Name="/none") | {
        "Catch": [{"ErrorEquals": ["Ssm.ParameterNotFoundException"], "ResultPath": "$.why", "Next": "Caught"}]
    }
    ended = sandbox_aws.run({"Call": call, "Caught": {"Type": "Pass", "End": True}})
    assert json.loads(ended["output"])["why"]["Error"] == "Ssm.ParameterNotFoundException"


@pytest.mark.parametrize("body", [b"not json", b"", b" "])
def test_a_failing_intrinsic_function_can_be_caught(sandbox_aws, body):
    bucket = sandbox_aws.bucket()
    sandbox_aws.s3.put_object(Bucket=bucket, Key="report.json", Body=body)
    read = task("aws-sdk:s3:getObject", Bucket=bucket, Key="report.json") | {
        "ResultSelector": {"report.$": "States.StringToJson($.Body)"},
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
    }
    ended = sandbox_aws.run({"Read": read, "Caught": {"Type": "Pass", "End": True}})
    assert json.loads(ended["output"])["Error"] == "States.IntrinsicFailure"


def test_names_in_lower_camel_case_are_written_in_pascal_case(sandbox_aws):
    group = f"/states/{sandbox_aws.name('group')}"
    sandbox_aws.logs.create_log_group(logGroupName=group)
    ended = sandbox_aws.run({"A": task("aws-sdk:cloudwatchlogs:describeLogGroups", LogGroupNamePrefix=group)})
    assert json.loads(ended["output"])["LogGroups"][0]["LogGroupName"] == group


def choice(rule: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"A": {"Type": "Choice", "Choices": [rule | {"Next": "B"}]} | more, "B": {"Type": "Succeed"}}


def test_a_choice_on_a_missing_variable_fails_instead_of_taking_the_default(sandbox_aws):
    ended = sandbox_aws.run(choice({"Variable": "$.typo", "StringEquals": "a"}, Default="B"), {"x": 1})
    assert ended["error"] == "States.Runtime"
    assert "$.typo" in ended["cause"]


def test_a_choice_may_ask_whether_a_variable_is_there(sandbox_aws):
    guarded = {"And": [{"Variable": "$.y", "IsPresent": True}, {"Variable": "$.y", "StringEquals": "a"}]}
    assert sandbox_aws.run(choice(guarded, Default="B"))["status"] == "SUCCEEDED"


def test_a_choice_without_match_and_default_has_its_own_error(sandbox_aws):
    ended = sandbox_aws.run(choice({"Variable": "$.x", "StringEquals": "a"}), {"x": "b"})
    assert ended["error"] == "States.NoChoiceMatched"


def test_add_step_answers_at_once_and_its_sync_form_waits_for_the_end(sandbox_aws):
    cluster = sandbox_aws.cluster()
    step = sandbox_aws.bash("sleep 0.5")
    added = sandbox_aws.run({"A": task("elasticmapreduce:addStep", ClusterId=cluster, Step=step)})
    step_id = json.loads(added["output"])["StepId"]
    assert sandbox_aws.step(cluster, step_id)["State"] in ("PENDING", "RUNNING")
    waited = sandbox_aws.run({"A": task("elasticmapreduce:addStep.sync", ClusterId=cluster, Step=step)})
    assert json.loads(waited["output"])["Step"]["Status"]["State"] == "COMPLETED"


def test_a_failed_step_is_retried_and_then_fails_the_task(sandbox_aws):
    cluster = sandbox_aws.cluster()
    call = task("elasticmapreduce:addStep.sync", ClusterId=cluster, Step=sandbox_aws.bash("echo no >&2; exit 3"))
    call["Retry"] = [{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    ended = sandbox_aws.run({"A": call})
    assert ended["error"] == "States.TaskFailed"
    assert json.loads(ended["cause"])["Step"]["Status"]["FailureDetails"]["Message"] == "exit code 3: no"
    assert len(sandbox_aws.emr.list_steps(ClusterId=cluster)["Steps"]) == 2, "a retry is a new step"


def test_a_step_is_cancelled_by_a_task(sandbox_aws):
    cluster = sandbox_aws.cluster()
    step = sandbox_aws.add_steps(cluster, sandbox_aws.bash("sleep 60"))[0]
    ended = sandbox_aws.run({"A": task("elasticmapreduce:cancelStep", ClusterId=cluster, StepId=step)})
    assert json.loads(ended["output"])["CancelStepsInfo"]["Status"] == "SUBMITTED"
    assert sandbox_aws.ended_step(cluster, step)["State"] == "CANCELLED"


def test_stopping_an_execution_takes_effect_at_once_and_cancels_its_step(sandbox_aws):
    cluster = sandbox_aws.cluster()
    call = task("elasticmapreduce:addStep.sync", ClusterId=cluster, Step=sandbox_aws.bash("sleep 60"))
    machine = sandbox_aws.machine({"StartAt": "A", "States": {"A": call}})
    execution = sandbox_aws.states.start_execution(stateMachineArn=machine)["executionArn"]
    steps = sandbox_aws.wait_for(lambda: sandbox_aws.emr.list_steps(ClusterId=cluster)["Steps"], what="the step")
    sandbox_aws.states.stop_execution(executionArn=execution, error="Enough", cause="told to")
    stopped = sandbox_aws.states.describe_execution(executionArn=execution)
    assert (stopped["status"], stopped["error"], stopped["cause"]) == ("ABORTED", "Enough", "told to")
    assert sandbox_aws.ended_step(cluster, steps[0]["Id"])["State"] == "CANCELLED"


def test_an_execution_that_takes_too_long_times_out(sandbox_aws):
    ended = sandbox_aws.run({"A": {"Type": "Wait", "Seconds": 30, "End": True}}, TimeoutSeconds=1)
    assert ended["status"] == "TIMED_OUT"
    assert ended["stopDate"]


def test_changes_of_status_are_events_metrics_and_log_entries(sandbox_aws):
    url, arn = sandbox_aws.queue()
    group = f"/aws/vendedlogs/states/{sandbox_aws.name('group')}"
    sandbox_aws.logs.create_log_group(logGroupName=group)
    destination = {"cloudWatchLogsLogGroup": {"logGroupArn": sandbox_aws.arn("logs", f"log-group:{group}:*")}}
    machine = sandbox_aws.machine(
        {"StartAt": "A", "States": {"A": {"Type": "Fail", "Error": "Bad", "Cause": "because"}}},
        loggingConfiguration={"level": "ALL", "includeExecutionData": False, "destinations": [destination]},
    )
    pattern = {"source": ["aws.states"], "detail": {"stateMachineArn": [machine]}}
    sandbox_aws.rule(pattern, {"Arn": arn, "InputPath": "$.detail"})
    execution = sandbox_aws.states.start_execution(stateMachineArn=machine, name="e", input='{"secret": 1}')
    details = [json.loads(body) for body in sandbox_aws.messages(url, 2)]
    assert [detail["status"] for detail in details] == ["RUNNING", "FAILED"]
    assert (details[1]["error"], details[1]["cause"]) == ("Bad", "because")
    assert details[1]["stopDate"] >= details[1]["startDate"] > 1e12, "dates are milliseconds"

    dimensions = [{"Name": "StateMachineArn", "Value": machine}]
    metrics = sandbox_aws.cloudwatch.list_metrics(Namespace="AWS/States", Dimensions=dimensions)["Metrics"]
    assert {metric["MetricName"] for metric in metrics} == {"ExecutionsStarted", "ExecutionsFailed", "ExecutionTime"}

    logged = [
        json.loads(event["message"]) for event in sandbox_aws.logs.filter_log_events(logGroupName=group)["events"]
    ]
    assert [entry["type"] for entry in logged] == ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"]
    assert logged[0]["execution_arn"] == execution["executionArn"]
    assert "secret" not in json.dumps(logged), "the machine does not ask for execution data"


MISTAKES = {
    "a transition to nowhere": {"A": {"Type": "Pass", "Next": "Gone"}},
    "a state that nothing reaches": {"A": {"Type": "Succeed"}, "Island": {"Type": "Succeed"}},
    "a state that leads nowhere": {"A": {"Type": "Pass"}},
    "a catcher after the one that catches all": {
        "A": task("sns:publish")
        | {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}, {"ErrorEquals": ["X"], "Next": "B"}]},
        "B": {"Type": "Succeed"},
    },
    "an action that EMR does not have": {"A": task("elasticmapreduce:describeCluster", ClusterId="j-1")},
    "a service that AWS does not have": {"A": task("aws-sdk:nothing:getThing")},
    "an inner machine with a mistake": {
        "A": {"Type": "Parallel", "End": True, "Branches": [{"StartAt": "X", "States": {"Y": {"Type": "Succeed"}}}]}
    },
    "a type that does not exist": {"A": {"Type": "Dream", "End": True}},
}


@pytest.mark.parametrize("states", MISTAKES.values(), ids=MISTAKES)
def test_definitions_with_mistakes_are_refused_on_creation_and_reported_by_validation(sandbox_aws, states):
    definition = {"StartAt": "A", "States": states}
    with pytest.raises(ClientError) as refused:
        sandbox_aws.machine(definition)
    assert refused.value.response["Error"]["Code"] == "InvalidDefinition"
    report = sandbox_aws.states.validate_state_machine_definition(definition=json.dumps(definition))
    assert report["result"] == "FAIL"
    assert report["diagnostics"][0]["severity"] == "ERROR"
    assert report["diagnostics"][0]["location"].startswith("/")


def test_a_sound_definition_validates_and_a_broken_update_changes_nothing(sandbox_aws):
    sound = {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}
    report = sandbox_aws.states.validate_state_machine_definition(definition=json.dumps(sound))
    assert (report["result"], report["diagnostics"]) == ("OK", [])
    machine = sandbox_aws.machine(sound)
    with pytest.raises(ClientError, match="Missing 'Next' target: Gone"):
        sandbox_aws.states.update_state_machine(
            stateMachineArn=machine,
            definition=json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Gone"}}}),
        )
    read = sandbox_aws.states.describe_state_machine(stateMachineArn=machine)["definition"]
    assert json.loads(read) == sound


def test_versions_are_listed_and_an_alias_starts_the_one_that_it_routes_to(sandbox_aws):
    first = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": 1, "End": True}}}
    second = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": 2, "End": True}}}
    machine = sandbox_aws.machine(first, publish=True)
    sandbox_aws.states.update_state_machine(stateMachineArn=machine, definition=json.dumps(second), publish=True)
    listed = sandbox_aws.states.list_state_machine_versions(stateMachineArn=machine)["stateMachineVersions"]
    versions = [item["stateMachineVersionArn"] for item in listed]
    assert versions == [f"{machine}:2", f"{machine}:1"], "the newest comes first"
    alias = sandbox_aws.states.create_state_machine_alias(
        name="live", routingConfiguration=[{"stateMachineVersionArn": versions[1], "weight": 100}]
    )["stateMachineAliasArn"]
    execution = sandbox_aws.states.start_execution(stateMachineArn=alias)["executionArn"]
    ended = sandbox_aws.ended_execution(execution)
    assert ended["output"] == "1"
    assert (ended["stateMachineArn"], ended["stateMachineVersionArn"]) == (machine, versions[1])


def test_the_name_of_an_execution_makes_it_unique(sandbox_aws):
    machine = sandbox_aws.machine({"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 2, "End": True}}})
    start = {"stateMachineArn": machine, "name": "once"}
    first = sandbox_aws.states.start_execution(**start, input='{"a": 1}')["executionArn"]
    again = sandbox_aws.states.start_execution(**start, input='{"a": 1}')["executionArn"]
    assert first == again, "the same name and input while it runs is the same execution"
    with pytest.raises(ClientError, match="Execution Already Exists"):
        sandbox_aws.states.start_execution(**start, input='{"a": 2}')


def test_input_that_is_too_large_or_no_json_is_refused(sandbox_aws):
    machine = sandbox_aws.machine({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    with pytest.raises(ClientError, match="262144"):
        sandbox_aws.states.start_execution(stateMachineArn=machine, input=json.dumps("x" * 262144))
    with pytest.raises(ClientError, match="Invalid State Machine Execution Input"):
        sandbox_aws.states.start_execution(stateMachineArn=machine, input="{")


def test_a_retried_task_that_waits_for_a_token_gets_a_new_one(sandbox_aws):
    url, _ = sandbox_aws.queue()
    call = task("sqs:sendMessage.waitForTaskToken", QueueUrl=url, MessageBody={"token.$": "$$.Task.Token"})
    call["TimeoutSeconds"] = 2
    call["Retry"] = [{"ErrorEquals": ["States.Timeout"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    machine = sandbox_aws.machine({"StartAt": "A", "States": {"A": call}})
    execution = sandbox_aws.states.start_execution(stateMachineArn=machine)["executionArn"]
    tokens = [json.loads(body)["token"] for body in sandbox_aws.messages(url, 2, seconds=8)]
    assert tokens[0] != tokens[1]
    sandbox_aws.states.send_task_success(taskToken=tokens[1], output='"answered"')
    assert sandbox_aws.ended_execution(execution)["output"] == '"answered"'
