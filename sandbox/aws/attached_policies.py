"""Managed policies that are not deleted while they are attached; moto deletes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.iam.exceptions import DeleteConflictException
from moto.iam.models import IAMBackend

from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Check deletions (IAM API reference, DeletePolicy: "you must first detach the policy")."""
    delete: Callable[..., None] = IAMBackend.delete_policy

    def delete_policy(self: Any, policy_arn: str) -> None:
        if self.get_policy(policy_arn).attachment_count:
            raise DeleteConflictException("Cannot delete a policy attached to entities.")
        delete(self, policy_arn)

    runtime.patches.replace(IAMBackend, "delete_policy", delete_policy)
