"""The rotation period of KMS keys, which moto accepts and forgets."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

from moto.kms.responses import KmsResponse

from sandbox.aws.runtime import Runtime

DEFAULT_PERIOD_DAYS = 365
"""Period of a key that is rotated without saying how often (EnableKeyRotation)."""


def install(runtime: Runtime) -> None:
    """Keep and show the period."""
    enable: Callable[..., str] = KmsResponse.enable_key_rotation
    status: Callable[..., str] = KmsResponse.get_key_rotation_status

    def key_of(self: Any) -> Any:
        return self.kms_backend.keys[self.kms_backend.get_key_id(self._get_param("KeyId"))]

    def enable_key_rotation(self: Any) -> str:
        answer = enable(self)
        key_of(self).rotation_period_days = self._get_param("RotationPeriodInDays") or DEFAULT_PERIOD_DAYS
        return answer

    def get_key_rotation_status(self: Any) -> str:
        shown: dict[str, Any] = json.loads(status(self))
        if shown["KeyRotationEnabled"]:
            period = getattr(key_of(self), "rotation_period_days", DEFAULT_PERIOD_DAYS)
            next_rotation = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=period)
            shown |= {"RotationPeriodInDays": period, "NextRotationDate": next_rotation.timestamp()}
        return json.dumps(shown)

    runtime.patches.replace(KmsResponse, "enable_key_rotation", enable_key_rotation)
    runtime.patches.replace(KmsResponse, "get_key_rotation_status", get_key_rotation_status)
