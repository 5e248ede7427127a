"""Bucket policies that refuse only what can be decided here.

moto evaluates bucket policies, but neither conditions nor principals: the usual "deny what does not come over TLS"
denies everything, and so does a denial meant for one role. Here a statement counts when it applies to everyone and
its conditions can be read from the request; any other is left out, which is logged once. Requests reach the sandbox
over plain HTTP from callers that it cannot tell apart, so TLS-only and principal-bound statements are of the second
kind.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from flask import has_request_context, request
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from sandbox.aws.runtime import Runtime, log

_SAME_PERMISSION = {"s3:HeadObject": "s3:GetObject", "s3:PostObject": "s3:PutObject"}
"""moto names an action by the HTTP method; S3 has one permission for reading and one for writing an object."""

_REQUEST_KEYS = {
    "s3:x-amz-server-side-encryption": "x-amz-server-side-encryption",
    "s3:x-amz-server-side-encryption-aws-kms-key-id": "x-amz-server-side-encryption-aws-kms-key-id",
    "s3:x-amz-storage-class": "x-amz-storage-class",
}
"""Condition keys that are headers of the request."""


def install(runtime: Runtime) -> None:
    """Evaluate policies by the rules above."""
    logged: set[tuple[str, str]] = set()

    def get_permission(bucket: Any, action: str, resource: str) -> Any:
        if bucket.policy is None:
            return PermissionResult.NEUTRAL
        decision = PermissionResult.NEUTRAL
        for statement in _as_list(json.loads(bucket.policy).get("Statement", [])):
            if not _concerns(statement, _SAME_PERMISSION.get(action, action), resource):
                continue
            applies = _applies(statement)
            if applies is None:
                key = (bucket.name, str(statement.get("Sid", statement)))
                if key not in logged:
                    logged.add(key)
                    log.info(
                        "bucket %s: statement %s is not enforced in the sandbox, which can decide neither TLS-only "
                        "conditions nor principals",
                        *key,
                    )
            elif applies and statement.get("Effect") == "Deny":
                return PermissionResult.DENIED
            elif applies:
                decision = PermissionResult.PERMITTED
        return decision

    runtime.patches.replace(FakeBucket, "get_permission", get_permission)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _matches(patterns: Any, value: str) -> bool:
    """Tell whether a value fits one of IAM's patterns with ``*`` and ``?``."""
    return any(
        re.fullmatch(re.escape(str(pattern)).replace(r"\*", ".*").replace(r"\?", "."), value, re.DOTALL)
        for pattern in _as_list(patterns)
    )


def _concerns(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    """Tell whether a statement is about an action on a resource."""
    if "NotAction" in statement:
        about_action = not _matches([name.lower() for name in _as_list(statement["NotAction"])], action.lower())
    else:
        about_action = _matches([name.lower() for name in _as_list(statement.get("Action", []))], action.lower())
    if "NotResource" in statement:
        return about_action and not _matches(statement["NotResource"], resource)
    return about_action and _matches(statement.get("Resource", []), resource)


def _applies(statement: Mapping[str, Any]) -> bool | None:
    """Tell whether a statement applies to this request; None if that cannot be decided."""
    if statement.get("Principal") not in ("*", {"AWS": "*"}, {"AWS": ["*"]}):
        return None
    results = [
        _condition_holds(operator, key, expected)
        for operator, conditions in statement.get("Condition", {}).items()
        for key, expected in conditions.items()
    ]
    if False in results:
        return False
    return None if None in results else True


def _condition_holds(operator: str, key: str, expected: Any) -> bool | None:
    header = _REQUEST_KEYS.get(key.lower())
    # The parts of an upload carry no encryption headers: S3 judges them by those that started it.
    if header is None or not has_request_context() or "partNumber" in request.args:
        return None
    actual = request.headers.get(header)
    if operator == "Null":
        return (actual is None) == (str(_as_list(expected)[0]).lower() == "true")
    plain = operator.removesuffix("IfExists")
    comparisons: dict[str, Callable[[str], bool]] = {
        "StringEquals": lambda value: value in _as_list(expected),
        "StringNotEquals": lambda value: value not in _as_list(expected),
        "StringLike": lambda value: _matches(expected, value),
        "StringNotLike": lambda value: not _matches(expected, value),
    }
    if plain not in comparisons:
        return None
    if actual is None:
        # A missing key fails a comparison, fits a negated one, and fits any that ends in IfExists (IAM user guide).
        return plain != operator or "Not" in plain
    return comparisons[plain](actual)
