"""S3: buckets, their settings (each a resource of its own) and objects.

Sources: terraform-provider-aws ``internal/service/s3/*.go``. A bucket's own outputs hold nothing of what the setting
resources (versioning, policy, …) put on it later: the official provider shows that at the next refresh.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from sandbox.documents import iam_policy
from sandbox.documents.lifecycle_rules import lifecycle_rules
from sandbox.providers.comparison import Comparison
from sandbox.providers.naming import AutoName
from sandbox.providers.protocol import Archive, Asset
from sandbox.providers.table import (
    Change,
    Created,
    Inputs,
    Operation,
    ResourceType,
    State,
    Tagging,
    absent,
    camel,
    found,
    given,
    import_parts,
    names,
    pascal,
    pick,
    remember,
    tag_list,
    tag_map,
)

_NO_BUCKET = ("NoSuchBucket", "404")
_HOSTED_ZONES = {
    "us-east-1": "Z3AQBSTGFYJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-west-1": "Z2F56UZL2M1ACD",
    "us-west-2": "Z3BJ6K6RIION7M",
    "eu-west-1": "Z1BKCTXD74EZPE",
    "eu-west-2": "Z3GKZC51ZF0DB4",
    "eu-west-3": "Z3R1K369G5AVDG",
    "eu-central-1": "Z21DNDUVLTQW6Q",
    "eu-north-1": "Z3BAZG2TWCNX0D",
    "ap-southeast-1": "Z3O0J2DXBE1FTB",
    "ap-southeast-2": "Z1WCIGYICN2BYD",
    "ap-northeast-1": "Z2M4EHUR26P7ZW",
}
"""Route 53 zones of S3's website hosts (AWS general reference, "Amazon S3 website endpoints")."""


# -- bucket ------------------------------------------------------------------------------------------------------------


def _bucket_tags(operation: Operation, bucket: str) -> dict[str, str]:
    answer = found(lambda: operation.client("s3").get_bucket_tagging(Bucket=bucket), "NoSuchTagSet")
    return tag_map(answer["TagSet"]) if answer else {}


def _set_bucket_tags(operation: Operation, bucket: str, tags: Mapping[str, str]) -> None:
    client = operation.client("s3")
    if tags:
        client.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tag_list(tags)})
    else:
        client.delete_bucket_tagging(Bucket=bucket)


def _add_bucket_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    _set_bucket_tags(operation, identifier, {**_bucket_tags(operation, identifier), **tags})


def _remove_bucket_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    kept = {name: text for name, text in _bucket_tags(operation, identifier).items() if name not in keys}
    _set_bucket_tags(operation, identifier, kept)


def _create_bucket(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("s3")
    bucket = inputs["bucket"]
    place = {"CreateBucketConfiguration": {"LocationConstraint": operation.region}}
    client.create_bucket(
        Bucket=bucket,
        **({} if operation.region == "us-east-1" else place),
        **pick(inputs, objectLockEnabled="ObjectLockEnabledForBucket"),
    )
    operation.created(bucket)
    if inputs.get("tagsAll"):
        _set_bucket_tags(operation, bucket, inputs["tagsAll"])
    return bucket


def _read_bucket(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("s3")
    if found(lambda: client.head_bucket(Bucket=identifier), *_NO_BUCKET) is None:
        return None
    lock = found(
        lambda: client.get_object_lock_configuration(Bucket=identifier), "ObjectLockConfigurationNotFoundError"
    )
    return {
        "bucket": identifier,
        "bucketPrefix": prior.get("bucketPrefix", ""),
        "arn": f"arn:{operation.partition}:s3:::{identifier}",
        "bucketDomainName": f"{identifier}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{identifier}.s3.{operation.region}.amazonaws.com",
        "bucketRegion": operation.region,
        "hostedZoneId": _HOSTED_ZONES.get(operation.region, ""),
        "objectLockEnabled": lock is not None,
        "requestPayer": "BucketOwner",
        "tagsAll": _bucket_tags(operation, identifier),
    }


def _update_bucket(operation: Operation, change: Change) -> None:
    """Only forceDestroy changes in place, and that is a setting of the provider."""


def _delete_bucket(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("s3")
    if state.get("forceDestroy"):
        _empty(client, identifier, lambda key: True)
    absent(lambda: client.delete_bucket(Bucket=identifier), *_NO_BUCKET)


def _empty(client: Any, bucket: str, wanted: Callable[[str], bool], prefix: str = "") -> None:
    """Delete every version and delete marker of the wanted keys."""
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    listed = found(lambda: list(pages), *_NO_BUCKET) or []
    for page in listed:
        versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        doomed = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in versions if wanted(entry["Key"])]
        if doomed:
            answer = client.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
            for error in answer.get("Errors", []):
                raise ValueError(f"DeleteObjects: {error['Key']}: {error['Code']}: {error['Message']}")


_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_RESERVED = re.compile(
    r"(xn--|sthree-|amzn-s3-demo-).*|.*(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)|.*\.\..*|(\d{1,3}\.){3}\d{1,3}"
)
"""Amazon S3 user guide, "General purpose bucket naming rules"."""


def _check_bucket(inputs: Inputs) -> Iterable[tuple[str, str]]:
    bucket = inputs.get("bucket")
    if bucket is not None and (not _BUCKET_NAME.fullmatch(bucket) or _RESERVED.fullmatch(bucket)):
        yield (
            "bucket",
            (
                f"is {bucket!r}; S3 takes 3 to 63 lower-case letters, digits, dots and hyphens, between letters or"
                " digits, and no reserved form"
            ),
        )
    if len(inputs.get("bucketPrefix", "")) > 37:
        yield "bucketPrefix", f"has {len(inputs['bucketPrefix'])} characters; the provider takes 37"


# -- settings of a bucket ----------------------------------------------------------------------------------------------


def _put_versioning(operation: Operation, inputs: Inputs) -> str:
    configuration = inputs["versioningConfiguration"]
    # Never-versioned buckets have no status; AWS takes "Disabled" for no call.
    if configuration["status"] != "Disabled":
        operation.client("s3").put_bucket_versioning(
            Bucket=inputs["bucket"],
            VersioningConfiguration=pascal(configuration, renamed={"mfaDelete": "MFADelete"}),
            **pick(inputs, "expectedBucketOwner", mfa="MFA"),
        )
    return inputs["bucket"]


def _read_versioning(operation: Operation, identifier: str, prior: State) -> State | None:
    answer = found(lambda: operation.client("s3").get_bucket_versioning(Bucket=identifier), *_NO_BUCKET)
    if answer is None:
        return None
    before = prior.get("versioningConfiguration") or {}
    status = answer.get("Status") or ("Disabled" if before.get("status") == "Disabled" else None)
    if status is None:
        return None
    delete = {"mfaDelete": answer["MFADelete"]} if answer.get("MFADelete") else {}
    return {"bucket": identifier, "versioningConfiguration": {"status": status, **delete}}


def _delete_versioning(operation: Operation, identifier: str, state: State) -> None:
    if (state.get("versioningConfiguration") or {}).get("status") == "Disabled":
        return
    # Versioning cannot be taken back, only suspended.
    suspended = {"Status": "Suspended"}
    absent(
        lambda: operation.client("s3").put_bucket_versioning(Bucket=identifier, VersioningConfiguration=suspended),
        *_NO_BUCKET,
    )


def _put_object_lock(operation: Operation, inputs: Inputs) -> str:
    configuration = pascal({key: inputs[key] for key in ("objectLockEnabled", "rule") if key in inputs})
    operation.client("s3").put_object_lock_configuration(
        Bucket=inputs["bucket"], ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", **configuration}
    )
    return inputs["bucket"]


def _read_object_lock(operation: Operation, identifier: str, prior: State) -> State | None:
    answer = found(
        lambda: operation.client("s3").get_object_lock_configuration(Bucket=identifier),
        *_NO_BUCKET,
        "ObjectLockConfigurationNotFoundError",
    )
    if answer is None:
        return None
    configuration = answer["ObjectLockConfiguration"]
    rule = {"rule": camel(configuration["Rule"])} if configuration.get("Rule") else {}
    # moto answers with a truth value where S3 has the word.
    return {"bucket": identifier, "objectLockEnabled": "Enabled", **rule}


def _delete_object_lock(operation: Operation, identifier: str, state: State) -> None:
    # The lock stays on; only its default retention can be taken back.
    absent(
        lambda: operation.client("s3").put_object_lock_configuration(
            Bucket=identifier, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
        ),
        *_NO_BUCKET,
    )


def _put_encryption(operation: Operation, inputs: Inputs) -> str:
    rules: list[dict[str, Any]] = []
    for entry in inputs["rules"]:
        rule = pascal(entry, renamed={"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"})
        if "BlockedEncryptionTypes" in rule:
            rule["BlockedEncryptionTypes"] = {"EncryptionType": rule["BlockedEncryptionTypes"]}
        rules.append(rule)
    operation.client("s3").put_bucket_encryption(
        Bucket=inputs["bucket"],
        ServerSideEncryptionConfiguration={"Rules": rules},
        **pick(inputs, "expectedBucketOwner"),
    )
    return inputs["bucket"]


def _read_encryption(operation: Operation, identifier: str, prior: State) -> State | None:
    missing = "ServerSideEncryptionConfigurationNotFoundError"
    answer = found(lambda: operation.client("s3").get_bucket_encryption(Bucket=identifier), missing, *_NO_BUCKET)
    if answer is None:
        return None
    rules: list[dict[str, Any]] = []
    for entry in answer["ServerSideEncryptionConfiguration"]["Rules"]:
        rule = camel(entry, renamed={"SSEAlgorithm": "sseAlgorithm", "KMSMasterKeyID": "kmsMasterKeyId"})
        if "blockedEncryptionTypes" in rule:
            rule["blockedEncryptionTypes"] = rule["blockedEncryptionTypes"]["encryptionType"]
        rules.append(rule)
    # moto takes blocked encryption types and does not give them back.
    remember(rules, prior.get("rules"), "blockedEncryptionTypes")
    return {"bucket": identifier, "rules": rules}


def _delete_encryption(operation: Operation, identifier: str, state: State) -> None:
    absent(lambda: operation.client("s3").delete_bucket_encryption(Bucket=identifier), *_NO_BUCKET)


_BLOCKS = names("blockPublicAcls blockPublicPolicy ignorePublicAcls restrictPublicBuckets")


def _put_public_access_block(operation: Operation, inputs: Inputs) -> str:
    operation.client("s3").put_public_access_block(
        Bucket=inputs["bucket"],
        PublicAccessBlockConfiguration=pick(inputs, *sorted(_BLOCKS)),
    )
    return inputs["bucket"]


def _read_public_access_block(operation: Operation, identifier: str, prior: State) -> State | None:
    missing = "NoSuchPublicAccessBlockConfiguration"
    answer = found(lambda: operation.client("s3").get_public_access_block(Bucket=identifier), missing, *_NO_BUCKET)
    if answer is None:
        return None
    return {"bucket": identifier, **camel(answer["PublicAccessBlockConfiguration"])}


def _delete_public_access_block(operation: Operation, identifier: str, state: State) -> None:
    if not state.get("skipDestroy"):
        absent(lambda: operation.client("s3").delete_public_access_block(Bucket=identifier), *_NO_BUCKET)


def _put_ownership(operation: Operation, inputs: Inputs) -> str:
    operation.client("s3").put_bucket_ownership_controls(
        Bucket=inputs["bucket"], OwnershipControls={"Rules": [pascal(inputs["rule"])]}
    )
    return inputs["bucket"]


def _read_ownership(operation: Operation, identifier: str, prior: State) -> State | None:
    missing = "OwnershipControlsNotFoundError"
    answer = found(
        lambda: operation.client("s3").get_bucket_ownership_controls(Bucket=identifier), missing, *_NO_BUCKET
    )
    if answer is None:
        return None
    return {"bucket": identifier, "rule": camel(answer["OwnershipControls"]["Rules"][0])}


def _delete_ownership(operation: Operation, identifier: str, state: State) -> None:
    absent(lambda: operation.client("s3").delete_bucket_ownership_controls(Bucket=identifier), *_NO_BUCKET)


def _put_policy(operation: Operation, inputs: Inputs) -> str:
    operation.client("s3").put_bucket_policy(Bucket=inputs["bucket"], Policy=inputs["policy"])
    return inputs["bucket"]


def _read_policy(operation: Operation, identifier: str, prior: State) -> State | None:
    answer = found(
        lambda: operation.client("s3").get_bucket_policy(Bucket=identifier), "NoSuchBucketPolicy", *_NO_BUCKET
    )
    return None if answer is None else {"bucket": identifier, "policy": answer["Policy"]}


def _delete_policy(operation: Operation, identifier: str, state: State) -> None:
    absent(lambda: operation.client("s3").delete_bucket_policy(Bucket=identifier), *_NO_BUCKET)


_LIFECYCLE_DROPPED = (
    "noncurrentVersionExpiration.newerNoncurrentVersions",
    "noncurrentVersionTransitions.newerNoncurrentVersions",
    "filter.and.objectSizeGreaterThan",
    "filter.and.objectSizeLessThan",
)


def _check_lifecycle(inputs: Inputs) -> Iterable[tuple[str, str]]:
    for mistake in lifecycle_rules(inputs.get("rules") or []):
        yield "rules", mistake


def _put_lifecycle(operation: Operation, inputs: Inputs) -> str:
    rules: list[dict[str, Any]] = []
    for entry in inputs.get("rules", []):
        rule = pascal(entry, renamed={"id": "ID"}, keep=names("tags"))
        if "Prefix" not in rule:
            rule["Filter"] = rule.get("Filter") or {"Prefix": ""}
        if "Tags" in rule.get("Filter", {}).get("And", {}):
            rule["Filter"]["And"]["Tags"] = tag_list(rule["Filter"]["And"]["Tags"])
        rules.append(rule)
    operation.client("s3").put_bucket_lifecycle_configuration(
        Bucket=inputs["bucket"],
        LifecycleConfiguration={"Rules": rules},
        **pick(inputs, "expectedBucketOwner", "transitionDefaultMinimumObjectSize"),
    )
    return inputs["bucket"]


def _read_lifecycle(operation: Operation, identifier: str, prior: State) -> State | None:
    answer = found(
        lambda: operation.client("s3").get_bucket_lifecycle_configuration(Bucket=identifier),
        "NoSuchLifecycleConfiguration",
        *_NO_BUCKET,
    )
    if answer is None:
        return None
    rules: list[dict[str, Any]] = []
    for entry in answer["Rules"]:
        rule = camel(entry, renamed={"ID": "id"})
        both = (rule.get("filter") or {}).get("and")
        if both and "tags" in both:
            both["tags"] = tag_map(entry["Filter"]["And"]["Tags"])
        for dated in (rule.get("expiration"), *rule.get("transitions", [])):
            if dated and "date" in dated:
                dated["date"] = dated["date"].strftime("%Y-%m-%dT%H:%M:%SZ")
        rules.append(rule)
    # moto takes these and does not give them back.
    for path in _LIFECYCLE_DROPPED:
        remember(rules, prior.get("rules"), path)
    return {
        "bucket": identifier,
        "rules": rules,
        "transitionDefaultMinimumObjectSize": answer.get("TransitionDefaultMinimumObjectSize")
        or prior.get("transitionDefaultMinimumObjectSize", "all_storage_classes_128K"),
    }


def _delete_lifecycle(operation: Operation, identifier: str, state: State) -> None:
    absent(lambda: operation.client("s3").delete_bucket_lifecycle(Bucket=identifier), *_NO_BUCKET)


_DESTINATIONS = {
    "queues": ("QueueConfigurations", "queueArn", "QueueArn", "tf-s3-queue-"),
    "topics": ("TopicConfigurations", "topicArn", "TopicArn", "tf-s3-topic-"),
    "lambdaFunctions": ("LambdaFunctionConfigurations", "lambdaFunctionArn", "LambdaFunctionArn", "tf-s3-lambda-"),
}


def _put_notification(operation: Operation, inputs: Inputs) -> str:
    configuration: dict[str, Any] = {}
    if inputs.get("eventbridge"):
        configuration["EventBridgeConfiguration"] = {}
    for name, (member, arn, aws_arn, prefix) in _DESTINATIONS.items():
        entries: list[dict[str, Any]] = []
        for index, entry in enumerate(inputs.get(name, [])):
            rules = [
                {"Name": rule, "Value": entry[key]}
                for rule, key in (("prefix", "filterPrefix"), ("suffix", "filterSuffix"))
                if entry.get(key)
            ]
            entries.append(
                {
                    "Id": entry.get("id") or f"{prefix}{index}",
                    aws_arn: entry[arn],
                    "Events": entry["events"],
                    **({"Filter": {"Key": {"FilterRules": rules}}} if rules else {}),
                }
            )
        if entries:
            configuration[member] = entries
    operation.client("s3").put_bucket_notification_configuration(
        Bucket=inputs["bucket"], NotificationConfiguration=configuration
    )
    return inputs["bucket"]


def _read_notification(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("s3")
    answer = found(lambda: client.get_bucket_notification_configuration(Bucket=identifier), *_NO_BUCKET)
    if answer is None:
        return None
    # moto honours the EventBridge setting and does not give it back.
    eventbridge = "EventBridgeConfiguration" in answer or bool(prior.get("eventbridge"))
    state: State = {"bucket": identifier, "eventbridge": eventbridge}
    for name, (member, arn, aws_arn, _) in _DESTINATIONS.items():
        entries: list[dict[str, Any]] = []
        for entry in answer.get(member, []):
            rules = {
                rule["Name"].lower(): rule["Value"]
                for rule in entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
            }
            filters = given(filterPrefix=rules.get("prefix"), filterSuffix=rules.get("suffix"))
            entries.append({"id": entry["Id"], arn: entry[aws_arn], "events": entry["Events"], **filters})
        state[name] = entries or None
    return state


def _delete_notification(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("s3")
    absent(
        lambda: client.put_bucket_notification_configuration(Bucket=identifier, NotificationConfiguration={}),
        *_NO_BUCKET,
    )


def _put_logging(operation: Operation, inputs: Inputs) -> str:
    enabled = pick(inputs, "targetBucket", "targetPrefix")
    if "targetObjectKeyFormat" in inputs:
        enabled["TargetObjectKeyFormat"] = pascal(inputs["targetObjectKeyFormat"])
    operation.client("s3").put_bucket_logging(
        Bucket=inputs["bucket"],
        BucketLoggingStatus={"LoggingEnabled": enabled},
        **pick(inputs, "expectedBucketOwner"),
    )
    return inputs["bucket"]


def _read_logging(operation: Operation, identifier: str, prior: State) -> State | None:
    answer = found(lambda: operation.client("s3").get_bucket_logging(Bucket=identifier), *_NO_BUCKET)
    if answer is None or "LoggingEnabled" not in answer:
        return None
    enabled = answer["LoggingEnabled"]
    state = {
        "bucket": identifier,
        "targetBucket": enabled["TargetBucket"],
        "targetPrefix": enabled.get("TargetPrefix", ""),
    }
    # moto takes the key format and does not give it back.
    if enabled.get("TargetObjectKeyFormat"):
        state["targetObjectKeyFormat"] = camel(enabled["TargetObjectKeyFormat"])
    return state


def _delete_logging(operation: Operation, identifier: str, state: State) -> None:
    absent(lambda: operation.client("s3").put_bucket_logging(Bucket=identifier, BucketLoggingStatus={}), *_NO_BUCKET)


def _setting(
    name: str,
    source: str,
    handles: str,
    put: Callable[[Operation, Inputs], str],
    read: Callable[[Operation, str, State], State | None],
    delete: Callable[[Operation, str, State], None],
    **more: Any,
) -> ResourceType:
    """A setting of a bucket: put whole, found by the bucket's name."""

    def update(operation: Operation, change: Change) -> None:
        put(operation, change.inputs)

    return ResourceType(
        token=f"aws:s3/{name[:1].lower() + name[1:]}:{name}",
        source=source,
        handles=names(f"bucket {handles}"),
        replaces=names("bucket expectedBucketOwner"),
        create=put,
        read=read,
        update=update,
        delete=delete,
        **more,
    )


# -- objects -----------------------------------------------------------------------------------------------------------

_CONTENTS = names("source content contentBase64")
_OBJECT_MEMBERS = {
    "acl": "ACL",
    "bucketKeyEnabled": "BucketKeyEnabled",
    "cacheControl": "CacheControl",
    "checksumAlgorithm": "ChecksumAlgorithm",
    "contentDisposition": "ContentDisposition",
    "contentEncoding": "ContentEncoding",
    "contentLanguage": "ContentLanguage",
    "contentType": "ContentType",
    "kmsKeyId": "SSEKMSKeyId",
    "metadata": "Metadata",
    "serverSideEncryption": "ServerSideEncryption",
    "storageClass": "StorageClass",
    "websiteRedirect": "WebsiteRedirectLocation",
}


def _body(inputs: Inputs, directory: Path) -> bytes:
    source = inputs.get("source")
    if isinstance(source, Asset):
        return source.read(directory)
    if isinstance(source, Archive):
        return source.zip(directory)
    if "contentBase64" in inputs:
        return base64.b64decode(inputs["contentBase64"], validate=True)
    return str(inputs.get("content", "")).encode()


def _check_object(inputs: Inputs) -> Iterable[tuple[str, str]]:
    if inputs.get("kmsKeyId") and inputs.get("serverSideEncryption", "aws:kms") != "aws:kms":
        yield "serverSideEncryption", "must be aws:kms when kmsKeyId is given"
    if inputs.get("etag") and inputs.get("kmsKeyId"):
        yield "etag", "conflicts with kmsKeyId: the ETag of an object encrypted with KMS is not the MD5 of its content"


def _put_object(operation: Operation, inputs: Inputs) -> str:
    members = {member: inputs[name] for name, member in _OBJECT_MEMBERS.items() if inputs.get(name) is not None}
    if "SSEKMSKeyId" in members:
        members.setdefault("ServerSideEncryption", "aws:kms")
    # The provider's default; S3's own would be binary/octet-stream.
    members.setdefault("ContentType", "application/octet-stream")
    tags = inputs.get("tagsAll") or {}
    if len(tags) > 10:
        raise ValueError(f"{len(tags)} tags: S3 allows 10 on an object (the provider's default tags count)")
    client = operation.client("s3")
    client.put_object(Bucket=inputs["bucket"], Key=inputs["key"], Body=_body(inputs, operation.directory), **members)
    operation.created(inputs["key"])
    if tags:
        client.put_object_tagging(Bucket=inputs["bucket"], Key=inputs["key"], Tagging={"TagSet": tag_list(tags)})
    return inputs["key"]


def _adopt_object(identifier: str) -> Created:
    bucket, key = import_parts(identifier.removeprefix("s3://"), "bucket/key")
    return Created(key, {"bucket": bucket})


def _read_object(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("s3")
    bucket, key = prior["bucket"], identifier
    head = found(lambda: client.head_object(Bucket=bucket, Key=key), "404", "NoSuchKey", "NoSuchBucket")
    if head is None:
        return None
    tags = client.get_object_tagging(Bucket=bucket, Key=key)
    return {
        "bucket": bucket,
        "key": key,
        "arn": f"arn:{operation.partition}:s3:::{bucket}/{key}",
        "etag": head["ETag"].strip('"'),
        "versionId": head.get("VersionId", ""),
        "contentType": head.get("ContentType"),
        "contentEncoding": head.get("ContentEncoding"),
        "contentDisposition": head.get("ContentDisposition"),
        "contentLanguage": head.get("ContentLanguage"),
        "cacheControl": head.get("CacheControl"),
        "metadata": head.get("Metadata") or None,
        "serverSideEncryption": head.get("ServerSideEncryption", ""),
        "kmsKeyId": head.get("SSEKMSKeyId"),
        "bucketKeyEnabled": head.get("BucketKeyEnabled", False),
        "storageClass": head.get("StorageClass", "STANDARD"),
        "websiteRedirect": head.get("WebsiteRedirectLocation"),
        "checksumCrc32": head.get("ChecksumCRC32", ""),
        "checksumCrc32c": head.get("ChecksumCRC32C", ""),
        "checksumCrc64nvme": head.get("ChecksumCRC64NVME", ""),
        "checksumSha1": head.get("ChecksumSHA1", ""),
        "checksumSha256": head.get("ChecksumSHA256", ""),
        "tagsAll": tag_map(tags.get("TagSet")),
    }


def _update_object(operation: Operation, change: Change) -> None:
    _put_object(operation, change.inputs)


def _object_tags(operation: Operation, state: State, tags: Mapping[str, str]) -> None:
    client = operation.client("s3")
    if tags:
        client.put_object_tagging(Bucket=state["bucket"], Key=state["key"], Tagging={"TagSet": tag_list(tags)})
    else:
        client.delete_object_tagging(Bucket=state["bucket"], Key=state["key"])


def _add_object_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    _object_tags(operation, state, {**_tags_of(operation, state), **tags})


def _remove_object_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    kept = {name: text for name, text in _tags_of(operation, state).items() if name not in keys}
    _object_tags(operation, state, kept)


def _tags_of(operation: Operation, state: State) -> dict[str, str]:
    answer = operation.client("s3").get_object_tagging(Bucket=state["bucket"], Key=state["key"])
    return tag_map(answer.get("TagSet"))


def _delete_object(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("s3")
    if state.get("versionId") and state["versionId"] != "null":
        _empty(client, state["bucket"], lambda key: key == state["key"], state["key"])
    else:
        absent(lambda: client.delete_object(Bucket=state["bucket"], Key=state["key"]), *_NO_BUCKET)


TYPES = (
    ResourceType(
        token="aws:s3/bucket:Bucket",
        source="bucket.go; settings that have resources of their own are deprecated here and not handled",
        at_most_one=(names("bucket bucketPrefix"),),
        handles=names("forceDestroy objectLockEnabled"),
        naming=AutoName(property="bucket", maximum=63, lower=True, prefix_property="bucketPrefix"),
        defaults={"forceDestroy": False},
        replaces=names("bucket bucketPrefix objectLockEnabled"),
        not_read={"forceDestroy": "a setting of the provider, not of AWS"},
        create=_create_bucket,
        read=_read_bucket,
        update=_update_bucket,
        delete=_delete_bucket,
        tagging=Tagging(_add_bucket_tags, _remove_bucket_tags),
        check=_check_bucket,
    ),
    _setting(
        "BucketVersioning",
        "bucket_versioning.go",
        "versioningConfiguration expectedBucketOwner mfa",
        _put_versioning,
        _read_versioning,
        _delete_versioning,
    ),
    _setting(
        "BucketObjectLockConfiguration",
        "bucket_object_lock_configuration.go",
        "objectLockEnabled rule expectedBucketOwner",
        _put_object_lock,
        _read_object_lock,
        _delete_object_lock,
        defaults={"objectLockEnabled": "Enabled"},
    ),
    _setting(
        "BucketServerSideEncryptionConfiguration",
        "bucket_server_side_encryption_configuration.go",
        "rules expectedBucketOwner",
        _put_encryption,
        _read_encryption,
        _delete_encryption,
        comparison=Comparison(unordered=names("rules rules.blockedEncryptionTypes")),
    ),
    _setting(
        "BucketPublicAccessBlock",
        "bucket_public_access_block.go",
        "blockPublicAcls blockPublicPolicy ignorePublicAcls restrictPublicBuckets skipDestroy",
        _put_public_access_block,
        _read_public_access_block,
        _delete_public_access_block,
        defaults=dict.fromkeys(sorted(_BLOCKS), False),
    ),
    _setting(
        "BucketOwnershipControls",
        "bucket_ownership_controls.go",
        "rule",
        _put_ownership,
        _read_ownership,
        _delete_ownership,
    ),
    _setting(
        "BucketPolicy",
        "bucket_policy.go",
        "policy",
        _put_policy,
        _read_policy,
        _delete_policy,
        comparison=Comparison(policies=names("policy")),
        documents={"policy": iam_policy.bucket_policy},
    ),
    _setting(
        "BucketLifecycleConfiguration",
        "bucket_lifecycle_configuration.go",
        "rules expectedBucketOwner transitionDefaultMinimumObjectSize",
        _put_lifecycle,
        _read_lifecycle,
        _delete_lifecycle,
        comparison=Comparison(unordered=names("rules.transitions rules.noncurrentVersionTransitions")),
        check=_check_lifecycle,
    ),
    _setting(
        "BucketNotification",
        "bucket_notification.go",
        "eventbridge queues topics lambdaFunctions",
        _put_notification,
        _read_notification,
        _delete_notification,
        defaults={"eventbridge": False},
        comparison=Comparison(unordered=names("queues.events topics.events lambdaFunctions.events")),
    ),
    _setting(
        "BucketLogging",
        "bucket_logging.go",
        "targetBucket targetPrefix targetObjectKeyFormat expectedBucketOwner",
        _put_logging,
        _read_logging,
        _delete_logging,
    ),
    ResourceType(
        token="aws:s3/bucketObjectv2:BucketObjectv2",
        source="object.go",
        adopt=_adopt_object,
        at_most_one=(names("content contentBase64 source"),),
        handles=names("bucket forceDestroy etag sourceHash") | _CONTENTS | frozenset(_OBJECT_MEMBERS),
        naming=AutoName(property="key", maximum=1024, digits=0, prefix_property=None),
        defaults={"forceDestroy": False},
        replaces=names("bucket key"),
        not_read={
            "etag": "when given, it stands for the content, as sourceHash does",
            "forceDestroy": "a setting of the provider, not of AWS",
            "acl": "AWS gives grants, not the canned name",
        },
        recomputed={
            output: _CONTENTS | names("sourceHash etag kmsKeyId metadata")
            for output in ("versionId", "etag", "checksumCrc32", "checksumCrc64nvme", "checksumSha256")
        },
        create=_put_object,
        read=_read_object,
        update=_update_object,
        delete=_delete_object,
        tagging=Tagging(_add_object_tags, _remove_object_tags),
        check=_check_object,
    ),
)
