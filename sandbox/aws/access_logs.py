"""Access logging to a bucket whose policy spells its principals either way.

moto checks, as S3 does, that the target of a bucket's access logs lets S3's logging service write; but it fails on a
principal that is written ``"*"``, which is the same as ``{"AWS": "*"}``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from moto.s3.models import FakeBucket

from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Let moto read every principal."""
    bucket_class: Any = FakeBucket
    permits: Callable[[Any, str | None], bool] = bucket_class._log_permissions_enabled_policy

    def permits_log_delivery(target_bucket: Any, target_prefix: str | None) -> bool:
        spelled_out = SimpleNamespace(
            policy=_with_mapped_principals(target_bucket.policy),
            name=target_bucket.name,
            partition=target_bucket.partition,
        )
        return permits(spelled_out, target_prefix)

    runtime.patches.replace(FakeBucket, "_log_permissions_enabled_policy", staticmethod(permits_log_delivery))


def _with_mapped_principals(policy: bytes | None) -> bytes | None:
    if not policy:
        return policy
    document = json.loads(policy)
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        if isinstance(statement.get("Principal"), str):
            statement["Principal"] = {"AWS": statement["Principal"]}
    return json.dumps(document).encode()
