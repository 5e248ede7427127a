"""KMS keys that are disabled or pending deletion: moto goes on using them, AWS refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import botocore.session
from botocore import xform_name
from moto.core.exceptions import JsonRESTError
from moto.kms.responses import KmsResponse

from sandbox.aws.runtime import Runtime

REFUSED_WHEN_PENDING = (
    "create_alias",
    "create_grant",
    "decrypt",
    "disable_key",
    "disable_key_rotation",
    "enable_key",
    "enable_key_rotation",
    "encrypt",
    "generate_data_key",
    "generate_data_key_without_plaintext",
    "generate_mac",
    "re_encrypt",
    "schedule_key_deletion",
    "sign",
    "tag_resource",
    "untag_resource",
    "update_key_description",
    "verify",
    "verify_mac",
)
"""Calls that a pending deletion forbids (KMS developer guide, "Key states of AWS KMS keys")."""


class KMSInvalidStateException(JsonRESTError):
    """The key's state does not allow the call."""

    code = 400

    def __init__(self, key: str) -> None:
        super().__init__("KMSInvalidStateException", f"{key} is pending deletion.")


class DisabledException(JsonRESTError):
    """The key may be used by nobody until it is enabled."""

    code = 400

    def __init__(self, key: str) -> None:
        super().__init__("DisabledException", f"{key} is disabled.")


def refused_when_disabled() -> set[str]:
    """Calls that a disabled key does not answer: the API names the error for each of them, and for no other."""
    model: Any = botocore.session.get_session().get_service_model("kms")
    operations = [model.operation_model(name) for name in model.operation_names]
    return {
        xform_name(operation.name)
        for operation in operations
        if any(error.name == "DisabledException" for error in operation.error_shapes)
    }


def install(runtime: Runtime) -> None:
    """Look at the state of the keys that a call names, and of the one that a ciphertext names."""
    refusals: dict[str, dict[str, Callable[[str], JsonRESTError]]] = {}
    for name in REFUSED_WHEN_PENDING:
        refusals.setdefault(name, {})["PendingDeletion"] = KMSInvalidStateException
    for name in refused_when_disabled() & vars(KmsResponse).keys():
        refusals.setdefault(name, {})["Disabled"] = DisabledException
    for name, refused in refusals.items():
        runtime.patches.replace(KmsResponse, name, _looking_first(getattr(KmsResponse, name), refused))


def _looking_first(
    call: Callable[[Any], str], refused: dict[str, Callable[[str], JsonRESTError]]
) -> Callable[[Any], str]:
    def check(self: Any, name: str | None) -> None:
        backend = self.kms_backend
        if name and "alias/" in name:
            name = backend.get_key_id_from_alias(backend.get_alias_name(name))
        key = backend.keys.get(backend.get_key_id(name)) if name else None
        if key is not None and key.key_state in refused:
            raise refused[key.key_state](key.arn)

    def checked(self: Any) -> str:
        for parameter in ("KeyId", "TargetKeyId", "DestinationKeyId"):
            check(self, self._get_param(parameter))
        answer = call(self)
        if self._get_param("CiphertextBlob"):
            # Only moto can read which key it was; nothing is changed by decrypting first.
            told = json.loads(answer)
            check(self, told.get("SourceKeyId") or told["KeyId"])
        return answer

    return checked
