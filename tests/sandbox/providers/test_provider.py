"""What all types have in common: settings by connection, tags, defaults, secrets, drift, errors, waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import grpc
import pytest
from botocore.exceptions import ClientError

from sandbox import providers
from sandbox.providers.clients import AwsClients
from sandbox.providers.protocol import UNKNOWN, Secret, reveal
from sandbox.providers.servicer import explain
from sandbox.providers.table import CancelledError, Operation
from tests.sandbox.providers.cases import cluster, definition
from tests.sandbox.providers.conftest import DEFAULT_TAGS
from tests.sandbox.providers.driver import CheckFailedError, ProviderDriver, partial_failure
from tests.sandbox.providers.world import ACCOUNT, REGION, World, trust

VPC = "aws:ec2/vpc:Vpc"
ROLE = "aws:iam/role:Role"


@pytest.fixture
def other(running: providers.RunningProviders, aws: ProviderDriver) -> Iterator[ProviderDriver]:
    driver = ProviderDriver(running.ports["aws"], "aws")
    yield driver
    driver.close()


# -- settings ----------------------------------------------------------------------------------------------------------


def test_two_providers_of_a_program_keep_their_own_settings(aws: ProviderDriver, other: ProviderDriver) -> None:
    other.configure({"region": "us-east-1", "defaultTags": {"tags": {"Team": "other"}}})
    assert aws.check(VPC, "a", {"cidrBlock": "10.0.0.0/16"})["tagsAll"] == DEFAULT_TAGS
    assert other.check(VPC, "a", {"cidrBlock": "10.0.0.0/16"})["tagsAll"] == {"Team": "other"}
    made = other.create(VPC, "a", {"cidrBlock": "10.0.0.0/16"})
    assert made.outputs["region"] == "us-east-1", "the default provider and an explicit one share the server"
    assert made.outputs["arn"].startswith("arn:aws:ec2:us-east-1:")
    other.delete(made)


def test_settings_as_the_engine_sends_them_are_json_text(other: ProviderDriver) -> None:
    other.configure({"region": REGION, "defaultTags": '{"tags": {"A": "b"}}', "allowedAccountIds": f'["{ACCOUNT}"]'})
    assert other.check(VPC, "a", {})["tagsAll"] == {"A": "b"}


def test_another_account_than_allowed_stops_everything(other: ProviderDriver) -> None:
    with pytest.raises(grpc.RpcError, match=rf"{ACCOUNT} is not one of allowedAccountIds"):
        other.configure({"region": REGION, "allowedAccountIds": ["999999999999"]})
    with pytest.raises(grpc.RpcError, match="one of forbiddenAccountIds"):
        other.configure({"region": REGION, "forbiddenAccountIds": [ACCOUNT]})


def test_wrong_settings_are_named(other: ProviderDriver) -> None:
    with pytest.raises(CheckFailedError) as refused:
        other.configure({"regoin": REGION, "defaultTags": {"tag": {}}})
    assert "the nearest known is 'region'" in refused.value.failures["regoin"]
    assert "unknown input defaultTags.tag" in refused.value.failures["defaultTags"]


def test_settings_without_a_stand_in_are_refused(other: ProviderDriver) -> None:
    with pytest.raises(CheckFailedError, match="assumeRoles"):
        other.configure({"region": REGION, "assumeRoles": [{"roleArn": "arn:aws:iam::1:role/x"}]})


def test_a_region_is_taken_from_the_sandbox_when_none_is_set(other: ProviderDriver) -> None:
    other.configure({})
    assert other.preview(VPC, "a", other.check(VPC, "a", {}))["region"] == REGION


# -- tags, defaults, names ---------------------------------------------------------------------------------------------


def test_own_tags_win_over_default_ones(aws: ProviderDriver) -> None:
    inputs = aws.check(VPC, "a", {"tags": {"Stack": "own", "Name": "n"}})
    assert inputs["tags"] == {"Stack": "own", "Name": "n"}, "the program's own stay as they are"
    assert inputs["tagsAll"] == {**DEFAULT_TAGS, "Stack": "own", "Name": "n"}


def test_unknown_tags_make_all_tags_unknown(aws: ProviderDriver) -> None:
    assert aws.check(VPC, "a", {"tags": {"Name": UNKNOWN}})["tagsAll"] is UNKNOWN


def test_ignored_tags_are_left_alone(other: ProviderDriver) -> None:
    other.configure({"region": REGION, "ignoreTags": {"keys": ["Audit"], "keyPrefixes": ["aws-"]}})
    inputs = other.check(VPC, "a", {"tags": {"Audit": "x", "aws-y": "z", "Name": "n"}})
    assert inputs["tagsAll"] == {"Name": "n"}


def test_tags_reach_aws_and_go_away_again(aws: ProviderDriver, world: World) -> None:
    vpc = aws.create(VPC, "tagged", {"cidrBlock": "10.7.0.0/16", "tags": {"Name": "n", "Gone": "soon"}})

    def tags() -> dict[str, str]:
        described = world.client("ec2").describe_vpcs(VpcIds=[vpc.id])["Vpcs"][0]["Tags"]
        return {entry["Key"]: entry["Value"] for entry in described}

    assert tags() == {**DEFAULT_TAGS, "Name": "n", "Gone": "soon"}
    aws.update(vpc, {"cidrBlock": "10.7.0.0/16", "tags": {"Name": "m"}})
    assert tags() == {**DEFAULT_TAGS, "Name": "m"}, "removed tags are removed, default ones stay"
    aws.delete(vpc)


def test_defaults_are_filled_in_like_the_bridge_does(aws: ProviderDriver) -> None:
    inputs = aws.check(ROLE, "r", {"assumeRolePolicy": trust("a.amazonaws.com")})
    assert inputs["path"] == "/"
    assert inputs["maxSessionDuration"] == 3600
    assert set(inputs["__defaults"]) == {"forceDetachPolicies", "maxSessionDuration", "name", "path"}


def test_defaults_inside_objects_need_the_object(aws: ProviderDriver, world: World) -> None:
    inputs = aws.check("aws:emr/cluster:Cluster", "c", cluster(world))
    assert inputs["masterInstanceGroup"]["instanceCount"] == 1
    bare = aws.check("aws:emr/cluster:Cluster", "c", {"releaseLabel": "emr-6.9.0", "serviceRole": "r"})
    assert "masterInstanceGroup" not in bare


def test_a_name_stays_over_later_checks_and_is_new_for_a_replacement(aws: ProviderDriver) -> None:
    first = aws.check(ROLE, "r", {"assumeRolePolicy": trust("a.amazonaws.com")}, seed=b"1")
    later = aws.check(ROLE, "r", {"assumeRolePolicy": trust("b.amazonaws.com")}, first, seed=b"2")
    replacement = aws.check(ROLE, "r", {"assumeRolePolicy": trust("b.amazonaws.com")}, seed=b"3")
    assert later["name"] == first["name"]
    assert replacement["name"] != first["name"], "the new one is made before the old one goes"


def test_the_engines_naming_settings_are_followed(aws: ProviderDriver) -> None:
    inputs = aws.check(ROLE, "r", {"assumeRolePolicy": trust("a.amazonaws.com")}, autonaming=(1, "exactly-this"))
    assert inputs["name"] == "exactly-this"
    with pytest.raises(CheckFailedError, match="automatic naming is off"):
        aws.check(ROLE, "r", {"assumeRolePolicy": trust("a.amazonaws.com")}, autonaming=(2, ""))


def test_a_name_prefix_leaves_the_rest_to_the_provider(aws: ProviderDriver) -> None:
    given = {"assumeRolePolicy": trust("a.amazonaws.com"), "namePrefix": "prefix-"}
    assert aws.preview(ROLE, "r", aws.check(ROLE, "r", given))["name"] is UNKNOWN
    role = aws.create(ROLE, "r", given)
    assert role.outputs["name"].startswith("prefix-")
    assert aws.diff(role, aws.check(ROLE, "r", given, role.inputs)).kinds == {}
    aws.delete(role)


# -- preview, secrets --------------------------------------------------------------------------------------------------


def test_a_preview_knows_inputs_and_nothing_that_aws_decides(aws: ProviderDriver) -> None:
    early = aws.preview(VPC, "a", aws.check(VPC, "a", {"cidrBlock": "10.0.0.0/16"}))
    assert early["cidrBlock"] == "10.0.0.0/16"
    assert early["tagsAll"] == DEFAULT_TAGS
    assert early["arn"] is UNKNOWN
    assert early["enableDnsHostnames"] is UNKNOWN, "AWS fills it in when it is not given"


def test_what_an_update_computes_anew_is_unknown_in_its_preview(aws: ProviderDriver, world: World) -> None:
    token = "aws:s3/bucketObjectv2:BucketObjectv2"
    given = {"bucket": world.bucket, "key": "k", "content": "one"}
    resource = aws.create(token, "o", given)
    early = aws.update(resource, {**given, "content": "two"}, preview=True)
    assert early.outputs["etag"] is UNKNOWN
    assert early.outputs["arn"] == resource.outputs["arn"], "what stays is known"
    aws.delete(resource)


def test_secrets_stay_secret_in_outputs(aws: ProviderDriver, world: World) -> None:
    given = cluster(world)
    given["kerberosAttributes"] = {"realm": "A.B", "kdcAdminPassword": Secret("hidden")}
    given["terminationProtection"] = False
    resource = aws.create("aws:emr/cluster:Cluster", "s", given)
    assert resource.outputs["kerberosAttributes"] == {"realm": "A.B", "kdcAdminPassword": Secret("hidden")}
    read = aws.read(resource)
    assert read is not None
    assert read.outputs["kerberosAttributes"] == resource.outputs["kerberosAttributes"]
    aws.delete(resource)


def test_what_is_always_secret_is_marked_by_the_provider(drivers: dict[str, ProviderDriver], world: World) -> None:
    password = drivers["random"].create("random:index/randomPassword:RandomPassword", "p", {"length": 12})
    assert isinstance(password.outputs["result"], Secret)
    assert len(password.outputs["result"].value) == 12
    parameter = drivers["aws"].create("aws:ssm/parameter:Parameter", "p", {"type": "String", "value": "v"})
    assert parameter.outputs["value"] == Secret("v")
    drivers["aws"].delete(parameter)


# -- differences, drift ------------------------------------------------------------------------------------------------


def test_an_unknown_input_that_replaces_is_planned_as_a_replacement(aws: ProviderDriver) -> None:
    vpc = aws.create(VPC, "u", {"cidrBlock": "10.6.0.0/16"})
    inputs = aws.check(VPC, "u", {"cidrBlock": UNKNOWN}, vpc.inputs)
    assert aws.diff(vpc, inputs).kinds == {"cidrBlock": "UPDATE_REPLACE"}, "it may turn out to be another"
    aws.delete(vpc)


def test_giving_what_aws_had_filled_in_is_no_change(aws: ProviderDriver, world: World) -> None:
    token = "aws:ec2/subnet:Subnet"
    given = {"vpcId": world.vpc, "cidrBlock": "10.0.77.0/24"}
    subnet = aws.create(token, "s", given)
    explicit = {**given, "availabilityZone": subnet.outputs["availabilityZone"]}
    assert aws.diff(subnet, aws.check(token, "s", explicit, subnet.inputs)).kinds == {}
    kept = aws.update(subnet, explicit)
    assert aws.diff(kept, aws.check(token, "s", given, kept.inputs)).kinds == {}, "nor is taking it away again"
    aws.delete(subnet)


def test_a_nested_change_replaces_or_not_by_its_path(aws: ProviderDriver, world: World) -> None:
    token = "aws:emr/cluster:Cluster"
    given = {**cluster(world), "terminationProtection": False}
    resource = aws.create(token, "n", given)
    larger = {**given["coreInstanceGroup"], "instanceCount": 5}
    other_type = {**given["coreInstanceGroup"], "instanceType": "r5.xlarge"}
    resized = aws.diff(resource, aws.check(token, "n", {**given, "coreInstanceGroup": larger}, resource.inputs))
    assert resized.kinds == {"coreInstanceGroup.instanceCount": "UPDATE"}
    changed = aws.diff(resource, aws.check(token, "n", {**given, "coreInstanceGroup": other_type}, resource.inputs))
    assert changed.kinds == {"coreInstanceGroup.instanceType": "UPDATE_REPLACE"}
    aws.delete(resource)


def test_another_region_is_another_resource(aws: ProviderDriver) -> None:
    vpc = aws.create(VPC, "r", {"cidrBlock": "10.5.0.0/16"})
    inputs = aws.check(VPC, "r", {"cidrBlock": "10.5.0.0/16", "region": "us-east-1"}, vpc.inputs)
    assert aws.diff(vpc, inputs).replaces == ["region"]
    aws.delete(vpc)


def test_drift_is_seen_and_put_right(aws: ProviderDriver, world: World) -> None:
    token = "aws:sqs/queue:Queue"
    given = {"visibilityTimeoutSeconds": 360, "tags": {"Name": "q"}}
    queue = aws.create(token, "drift", given)
    client = world.client("sqs")
    client.set_queue_attributes(QueueUrl=queue.id, Attributes={"VisibilityTimeout": "10"})
    client.tag_queue(QueueUrl=queue.id, Tags={"Name": "other", "Extra": "1"})
    seen = aws.read(queue)
    assert seen is not None
    assert seen.inputs["visibilityTimeoutSeconds"] == 10
    assert seen.inputs["tags"] == {"Name": "other", "Extra": "1"}
    difference = aws.diff(seen, aws.check(token, "drift", given, seen.inputs))
    assert difference.kinds["visibilityTimeoutSeconds"] == "UPDATE", "the next up puts it right"
    healed = aws.update(seen, given)
    attributes = client.get_queue_attributes(QueueUrl=queue.id, AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "360"
    assert client.list_queue_tags(QueueUrl=queue.id)["Tags"] == {**DEFAULT_TAGS, "Name": "q"}
    aws.delete(healed)


def test_another_form_of_the_same_json_is_no_drift(aws: ProviderDriver, world: World) -> None:
    token = "aws:sfn/stateMachine:StateMachine"
    spaced = definition("x").replace(":", " : ")
    machine = aws.create(token, "json", {"name": "json", "roleArn": world.role_arn, "definition": spaced})
    same = aws.check(token, "json", {"name": "json", "roleArn": world.role_arn, "definition": definition("x")})
    assert aws.diff(machine, same).kinds == {}
    aws.delete(machine)


def test_a_resource_can_be_taken_in_by_its_id(aws: ProviderDriver, world: World) -> None:
    imported = aws.read(type(aws.create(VPC, "x", {"cidrBlock": "10.4.0.0/16"}))(VPC, "x", world.vpc, {}))
    assert imported is not None
    assert imported.inputs["cidrBlock"] == "10.0.0.0/16", "pulumi import writes the program from it"
    assert "arn" not in imported.inputs, "what AWS decides is no input"


# -- errors ------------------------------------------------------------------------------------------------------------


def test_an_unknown_type_says_where_to_add_it(aws: ProviderDriver) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        aws.check("aws:ec2/vpcPeeringConnection:VpcPeeringConnection", "peer", {})
    details = refused.value.details()
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "no stand-in for aws:ec2/vpcPeeringConnection:VpcPeeringConnection ('peer')" in details
    assert "sandbox/providers/services/" in details


def test_an_unknown_function_says_where_to_add_it(aws: ProviderDriver) -> None:
    with pytest.raises(grpc.RpcError, match="no stand-in for the function aws:ec2/getVpcs:getVpcs"):
        aws.invoke("aws:ec2/getVpcs:getVpcs", {})
    with pytest.raises(CheckFailedError, match="argument 'stat' is unknown"):
        aws.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", {"stat": "available"})


def test_half_of_a_creation_is_kept_and_finished(aws: ProviderDriver, world: World) -> None:
    token = "aws:iam/instanceProfile:InstanceProfile"
    with pytest.raises(grpc.RpcError) as refused:
        aws.create(token, "half", {"name": "half", "role": "no-such-role"})
    failed = partial_failure(refused.value)
    assert failed is not None, "the profile was made before its role was refused"
    assert failed.id == "half"
    assert "AddRoleToInstanceProfile: NoSuchEntity" in failed.reasons[0]

    from sandbox.providers.protocol import decode
    from tests.sandbox.providers.driver import Resource

    half = Resource(token, "half", failed.id, decode(failed.inputs), decode(failed.properties))
    inputs = aws.check(token, "half", {"name": "half", "role": "no-such-role"}, half.inputs)
    assert aws.diff(half, inputs).changed, "it is not what the program asked for yet"
    whole = aws.update(half, {"name": "half", "role": world.role})
    assert whole.outputs["role"] == world.role
    assert aws.diff(whole, aws.check(token, "half", {"name": "half", "role": world.role}, whole.inputs)).kinds == {}
    aws.delete(whole)


def test_an_aws_that_does_not_answer_is_said_so(aws: ProviderDriver) -> None:
    running = providers.start("http://127.0.0.1:9", REGION)
    try:
        with pytest.raises(grpc.RpcError, match="Could not connect to the endpoint URL"):
            ProviderDriver(running.ports["aws"], "aws", {"region": REGION})
    finally:
        running.stop()


def test_what_the_sandboxs_aws_lacks_is_said_so(aws: ProviderDriver, world: World) -> None:
    client = AwsClients(world.endpoint).get("emr", REGION)
    with pytest.raises(ClientError) as lacking:
        client.list_studios()
    assert explain(lacking.value) == "ListStudios: NotInSandbox: the sandbox does not have the API call 'list_studios'"


def test_an_answer_that_is_no_answer_of_the_api_is_said_so() -> None:
    page = ClientError({"Error": {"Code": "500", "Message": "<!doctype html>"}}, "DescribeReleaseLabel")
    assert explain(page).startswith("DescribeReleaseLabel: HTTP 500: the AWS API lacks this call or failed in it")


# -- waiting -----------------------------------------------------------------------------------------------------------


def operation(cancelled: threading.Event | None = None, timeout: float = 0) -> Operation:
    from pathlib import Path

    return Operation(
        urn="urn:pulumi:dev::p::t::n",
        name="n",
        type="t",
        region=REGION,
        directory=Path.cwd(),
        clients=AwsClients("http://127.0.0.1:9"),
        timeout=timeout,
        cancelled=cancelled or threading.Event(),
    )


def test_waiting_ends_when_it_is_so() -> None:
    looks = iter([False, False, True])
    operation().wait(lambda: next(looks), what="it", seconds=5, interval=0)


def test_waiting_gives_up_in_time() -> None:
    with pytest.raises(TimeoutError, match="waited 0 s for the cluster"):
        operation(timeout=0.05).wait(lambda: False, what="the cluster", seconds=3600, interval=0.01)


def test_a_cancelled_engine_stops_what_waits() -> None:
    cancelled = threading.Event()
    threading.Timer(0.1, cancelled.set).start()
    started = time.monotonic()
    with pytest.raises(CancelledError):
        operation(cancelled).wait(lambda: False, what="it", seconds=60, interval=30)
    assert time.monotonic() - started < 5, "Ctrl-C does not wait for the next look"


def test_a_cancellation_is_for_the_engine_that_asked(aws: ProviderDriver, other: ProviderDriver) -> None:
    other.configure({"region": REGION})
    other.cancel()
    inputs = aws.check(VPC, "still", {"cidrBlock": "10.3.0.0/16"})
    assert reveal(inputs)["cidrBlock"] == "10.3.0.0/16", "another engine's run goes on"
