"""Spark's copies of objects under a KMS key, over plain HTTP.

The S3 client of Hadoop 3.3 repeats the source's encryption and key in a copy, and the AWS SDK for Java refuses to send
any key but over HTTPS, which the sandbox does not speak. So a look at an object tells that client neither; the copy
then gets the default encryption of its bucket. Every other client is told.
"""

from __future__ import annotations

from typing import Any

from flask import has_request_context, request
from moto.s3.models import FakeKey

from sandbox.aws.runtime import Runtime

ENCRYPTION_HEADERS = ("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id")


def install(runtime: Runtime) -> None:
    """Leave encryption out of what Hadoop's client is told of an object."""
    headers: Any = vars(FakeKey)["response_dict"]

    def without_encryption(key: Any) -> dict[str, Any]:
        told: dict[str, Any] = headers.fget(key)
        if has_request_context() and request.headers.get("User-Agent", "").startswith("Hadoop"):
            for header in ENCRYPTION_HEADERS:
                told.pop(header, None)
        return told

    runtime.patches.replace(FakeKey, "response_dict", property(without_encryption))
