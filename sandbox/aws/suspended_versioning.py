"""Versions in a bucket whose versioning is suspended; moto then takes every deletion for one of the whole object.

A stack that goes down suspends the versioning of its buckets before it empties them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.s3.models import FakeDeleteMarker, S3Backend

from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Delete the version that is named (Amazon S3 user guide, "Deleting objects from versioning-suspended buckets")."""
    delete: Callable[..., tuple[bool, dict[str, Any]]] = S3Backend.delete_object

    def delete_object(
        self: Any, bucket_name: str, key_name: str, version_id: str | None = None, bypass: bool = False
    ) -> tuple[bool, dict[str, Any]]:
        bucket = self.get_bucket(bucket_name)
        if version_id is None or getattr(bucket, "versioning_status", None) != "Suspended":
            return delete(self, bucket_name, key_name, version_id, bypass)
        versions = bucket.keys.getlist(key_name) if key_name in bucket.keys else []
        kept = [version for version in versions if str(version.version_id) != version_id]
        bucket.keys.setlist(key_name, kept)
        if not kept:
            bucket.keys.pop(key_name)
        marker = any(
            str(version.version_id) == version_id and isinstance(version, FakeDeleteMarker) for version in versions
        )
        return True, {"version-id": version_id} | ({"delete-marker": "true"} if marker else {})

    runtime.patches.replace(S3Backend, "delete_object", delete_object)
