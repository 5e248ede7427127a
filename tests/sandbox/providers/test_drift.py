"""A refresh sees what was changed behind the engine's back."""

from __future__ import annotations

import json
from typing import Any

from sandbox.providers.protocol import reveal
from tests.sandbox.providers.cases import cluster, function, key_policy
from tests.sandbox.providers.driver import ProviderDriver, Resource
from tests.sandbox.providers.world import World, policy


def seen(driver: ProviderDriver, resource: Resource) -> dict[str, Any]:
    """Inputs that differ after a refresh, as they are now."""
    now = driver.read(resource)
    assert now is not None, "it is still there"
    before, after = reveal(resource.inputs), reveal(now.inputs)
    return {name: after.get(name) for name in {*before, *after} if before.get(name) != after.get(name)}


def test_an_object_that_was_overwritten_or_removed(aws: ProviderDriver, world: World) -> None:
    given = {"bucket": world.bucket, "key": "job.py", "content": "print(1)", "tags": {"kept": "yes"}}
    thing = aws.create("aws:s3/bucketObjectv2:BucketObjectv2", "job", given)
    client = world.client("s3")
    client.put_object(Bucket=world.bucket, Key="job.py", Body=b"print(2)")
    now = aws.read(thing)
    assert now is not None
    assert now.outputs["etag"] != thing.outputs["etag"], "the content is another one"
    assert seen(aws, thing).get("tags", {}) == {}, "and its tags went with the old one"
    client.delete_object(Bucket=world.bucket, Key="job.py")
    assert aws.read(thing) is None, "an object that is gone is made again"


def test_a_tag_that_was_changed_added_or_removed(aws: ProviderDriver, world: World) -> None:
    bucket = aws.create("aws:s3/bucket:Bucket", "tagged", {"bucket": "tagged-bucket", "tags": {"Owner": "us"}})
    before = reveal(bucket.outputs["tagsAll"])
    tags = [{"Key": key, "Value": value} for key, value in {**before, "Owner": "them", "New": "1"}.items()]
    world.client("s3").put_bucket_tagging(Bucket="tagged-bucket", Tagging={"TagSet": tags})
    assert seen(aws, bucket)["tags"] == {"Owner": "them", "New": "1"}
    world.client("s3").delete_bucket_tagging(Bucket="tagged-bucket")
    drift = seen(aws, bucket)
    assert not drift["tags"], "the resource's own tags are gone"
    assert not drift["tagsAll"], "and the provider's default ones"
    aws.delete(bucket)


def test_a_cluster_that_was_terminated(aws: ProviderDriver, world: World) -> None:
    made = aws.create("aws:emr/cluster:Cluster", "mortal", {**cluster(world), "terminationProtection": False})
    emr = world.client("emr")
    emr.modify_cluster(ClusterId=made.id, StepConcurrencyLevel=9)
    emr.set_termination_protection(JobFlowIds=[made.id], TerminationProtected=True)
    assert seen(aws, made) == {"stepConcurrencyLevel": 9, "terminationProtection": True}
    emr.set_termination_protection(JobFlowIds=[made.id], TerminationProtected=False)
    emr.terminate_job_flows(JobFlowIds=[made.id])
    assert aws.read(made) is None, "a terminated cluster is gone, although EMR still tells of it: up makes a new one"


def test_a_policy_a_rule_and_a_key_that_were_weakened(aws: ProviderDriver, world: World) -> None:
    key = aws.create("aws:kms/key:Key", "k", {"policy": key_policy("One"), "enableKeyRotation": True})
    kms = world.client("kms")
    kms.disable_key_rotation(KeyId=key.id)
    kms.put_key_policy(KeyId=key.id, PolicyName="default", Policy=key_policy("Two"))
    drift = seen(aws, key)
    assert drift["enableKeyRotation"] is False
    assert json.loads(drift["policy"])["Statement"][0]["Sid"] == "Two"
    kms.schedule_key_deletion(KeyId=key.id, PendingWindowInDays=7)
    assert aws.read(key) is None, "a key that is pending deletion is as good as gone"

    block = aws.create(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "b",
        {"bucket": world.bucket, "blockPublicPolicy": True},
    )
    world.client("s3").delete_public_access_block(Bucket=world.bucket)
    assert aws.read(block) is None, "a setting that was taken away is put back"


def test_a_function_whose_settings_were_changed(aws: ProviderDriver, world: World) -> None:
    made = aws.create("aws:lambda/function:Function", "f", {**function(world), "timeout": 10})
    world.client("lambda").update_function_configuration(
        FunctionName=made.outputs["name"], Timeout=60, Environment={"Variables": {"NAME": "two"}}
    )
    drift = seen(aws, made)
    assert drift["timeout"] == 60
    assert drift["environment"]["variables"] == {"NAME": "two"}
    refreshed = aws.read(made)
    assert refreshed is not None
    again = aws.update(refreshed, {**function(world), "timeout": 10})
    assert reveal(again.outputs)["timeout"] == 10, "the next update puts it back"


def test_an_inline_policy_that_somebody_removed(aws: ProviderDriver, world: World) -> None:
    grant = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/*"}
    made = aws.create("aws:iam/rolePolicy:RolePolicy", "p", {"role": world.role, "policy": policy(grant)})
    world.client("iam").delete_role_policy(RoleName=world.role, PolicyName=made.outputs["name"])
    assert aws.read(made) is None
