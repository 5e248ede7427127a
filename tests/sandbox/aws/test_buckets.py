"""Bucket policies and the events of objects."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError


def deny(bucket: str, **statement: Any) -> str:
    everything = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    base = {"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": everything}
    return json.dumps({"Version": "2012-10-17", "Statement": [base | statement]})


def test_a_tls_only_policy_lets_objects_through(sandbox_aws):
    bucket = sandbox_aws.bucket()
    policy = deny(bucket, Condition={"Bool": {"aws:SecureTransport": "false"}})
    sandbox_aws.s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    sandbox_aws.s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    body = sandbox_aws.s3.get_object(Bucket=bucket, Key="a")["Body"].read()
    assert body == b"1", "every bucket of the pipeline has this policy; the sandbox cannot decide it and must not deny"


def test_a_denial_for_one_role_does_not_hit_everyone(sandbox_aws):
    bucket = sandbox_aws.bucket()
    policy = deny(bucket, Principal={"AWS": "arn:aws:iam::123456789012:role/other"})
    sandbox_aws.s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    assert sandbox_aws.s3.put_object(Bucket=bucket, Key="a", Body=b"1"), "callers cannot be told apart"


@pytest.mark.parametrize("statement", [{}, {"Action": ["s3:PutObject"]}, {"NotAction": "s3:GetObject"}])
def test_an_unconditional_denial_for_everyone_is_enforced(sandbox_aws, statement):
    bucket = sandbox_aws.bucket()
    sandbox_aws.s3.put_bucket_policy(Bucket=bucket, Policy=deny(bucket, **statement))
    with pytest.raises(ClientError, match="Forbidden"):
        sandbox_aws.s3.put_object(Bucket=bucket, Key="a", Body=b"1")


def test_a_denial_of_other_keys_is_decided_by_the_request(sandbox_aws):
    bucket = sandbox_aws.bucket()
    key = sandbox_aws.kms.create_key()["KeyMetadata"]["Arn"]
    other = sandbox_aws.kms.create_key()["KeyMetadata"]["Arn"]
    header = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    condition = {"Null": {header: "false"}, "StringNotEquals": {header: key}}
    policy = deny(bucket, Action="s3:PutObject", Condition=condition)
    sandbox_aws.s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    kms: dict[str, Any] = {"Bucket": bucket, "Key": "a", "Body": b"1", "ServerSideEncryption": "aws:kms"}
    sandbox_aws.s3.put_object(**kms, SSEKMSKeyId=key)
    sandbox_aws.s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    with pytest.raises(ClientError):
        sandbox_aws.s3.put_object(**kms, SSEKMSKeyId=other)


def test_an_object_sends_one_event_in_the_form_of_s3(sandbox_aws):
    bucket = sandbox_aws.bucket(events=True)
    url, arn = sandbox_aws.queue()
    sandbox_aws.rule({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}, {"Arn": arn})
    sandbox_aws.s3.put_object(Bucket=bucket, Key="in/a b.csv", Body=b"12345", Tagging="a=b")
    sandbox_aws.s3.put_object(Bucket=bucket, Key="in/a b.csv", Body=b"123456")
    events = [json.loads(body) for body in sandbox_aws.messages(url, 2)]
    assert [event["detail-type"] for event in events] == ["Object Created"] * 2, "tags given on creation are no event"
    first, second = events
    assert first["detail"]["reason"] == "PutObject"
    assert first["detail"]["object"]["key"] == "in/a b.csv", "EventBridge gets keys as they are, not URL-encoded"
    assert first["detail"]["object"]["size"] == 5
    assert first["detail"]["object"]["etag"] == "827ccb0eea8a706c4c34a16891f84e7b", "the field is etag, not eTag"
    assert "version-id" not in first["detail"]["object"], "an unversioned bucket has none"
    assert first["id"] != second["id"], "consumers tell events apart by id"
    assert first["detail"]["object"]["sequencer"] < second["detail"]["object"]["sequencer"], "sequencers order a key"


def test_a_multipart_upload_is_one_object_and_one_event(sandbox_aws):
    bucket = sandbox_aws.bucket(events=True)
    url, arn = sandbox_aws.queue()
    sandbox_aws.rule({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}, {"Arn": arn})
    sandbox_aws.s3.upload_fileobj(io.BytesIO(b"x" * (9 * 1024 * 1024)), bucket, "large")
    sandbox_aws.s3.put_object(Bucket=bucket, Key="marker", Body=b"")
    events = [json.loads(body)["detail"] for body in sandbox_aws.messages(url, 2)]
    seen = [(event["object"]["key"], event["reason"]) for event in events]
    assert seen == [("large", "CompleteMultipartUpload"), ("marker", "PutObject")]


def test_a_versioned_object_names_its_version(sandbox_aws):
    bucket = sandbox_aws.bucket(events=True)
    sandbox_aws.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    url, arn = sandbox_aws.queue()
    sandbox_aws.rule({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}, {"Arn": arn})
    version = sandbox_aws.s3.put_object(Bucket=bucket, Key="a", Body=b"1")["VersionId"]
    event = json.loads(sandbox_aws.messages(url, 1)[0])
    assert event["detail"]["object"]["version-id"] == version


def test_the_event_bridge_setting_reads_back(sandbox_aws):
    bucket = sandbox_aws.bucket(events=True)
    read = sandbox_aws.s3.get_bucket_notification_configuration(Bucket=bucket)
    assert read["EventBridgeConfiguration"] == {}, "else every refresh would show a change"
    without = sandbox_aws.s3.get_bucket_notification_configuration(Bucket=sandbox_aws.bucket())
    assert "EventBridgeConfiguration" not in without


def test_access_logs_go_to_a_bucket_that_also_denies_everyone_something(sandbox_aws):
    source, target = sandbox_aws.bucket(), sandbox_aws.bucket()
    logging = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "access/"}}
    tls_only = json.loads(deny(target, Condition={"Bool": {"aws:SecureTransport": "false"}}))
    sandbox_aws.s3.put_bucket_policy(Bucket=target, Policy=json.dumps(tls_only))
    with pytest.raises(ClientError, match="InvalidTargetBucketForLogging"):
        sandbox_aws.s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=logging)
    tls_only["Statement"].append(
        {
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{target}/access/*",
        }
    )
    sandbox_aws.s3.put_bucket_policy(Bucket=target, Policy=json.dumps(tls_only))
    sandbox_aws.s3.put_bucket_logging(Bucket=source, BucketLoggingStatus=logging)
    read = sandbox_aws.s3.get_bucket_logging(Bucket=source)["LoggingEnabled"]
    assert read["TargetBucket"] == target


def test_a_bucket_with_suspended_versioning_is_emptied_version_by_version(sandbox_aws):
    s3, bucket = sandbox_aws.s3, sandbox_aws.bucket()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="a", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="a", Body=b"2")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="a")["VersionId"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.delete_object(Bucket=bucket, Key="a", VersionId=first)
    left = s3.list_object_versions(Bucket=bucket)
    assert [entry["VersionId"] for entry in left["Versions"]] == [second], "the others stay"
    assert [entry["VersionId"] for entry in left["DeleteMarkers"]] == [marker]
    doomed = [{"Key": "a", "VersionId": version} for version in (second, marker)]
    assert s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True}).get("Errors", []) == []
    s3.delete_bucket(Bucket=bucket)
