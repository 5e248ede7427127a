"""Changing the key of a log group: AssociateKmsKey and DisassociateKmsKey, which moto lacks."""

from __future__ import annotations

from typing import Any

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse

from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Add the two calls."""

    def group_of(self: Any) -> Any:
        group = self.logs_backend.groups.get(self._get_param("logGroupName"))
        if group is None:
            raise ResourceNotFoundException
        return group

    def associate_kms_key(self: Any) -> str:
        group_of(self).kms_key_id = self._get_param("kmsKeyId")
        return ""

    def disassociate_kms_key(self: Any) -> str:
        group_of(self).kms_key_id = None
        return ""

    runtime.patches.add(LogsResponse, "associate_kms_key", associate_kms_key)
    runtime.patches.add(LogsResponse, "disassociate_kms_key", disassociate_kms_key)
