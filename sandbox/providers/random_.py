"""The `random` stand-in. Sources: terraform-provider-random ``internal/provider/resource_{password,id}.go``."""

from __future__ import annotations

import base64
import secrets
import string
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sandbox.providers.clients import AwsClients
from sandbox.providers.servicer import Configuration, Package
from sandbox.providers.table import Created, Inputs, Operation, ResourceType, State, names

_SPECIAL: Final = "!@#$%&*()-_=+[]{}<>:?"
_KINDS: Final = {
    "lower": ("minLower", string.ascii_lowercase),
    "upper": ("minUpper", string.ascii_uppercase),
    "numeric": ("minNumeric", string.digits),
    "special": ("minSpecial", _SPECIAL),
}


def _check_password(inputs: Inputs) -> Iterable[tuple[str, str]]:
    length = inputs.get("length", 1)
    least = sum(inputs.get(minimum, 0) for minimum, _ in _KINDS.values())
    if length < max(1, least):
        yield "length", f"is {length}; it must be at least 1, and at least the sum of the minima ({least})"
    if not any(inputs.get(name, True) for name in _KINDS):
        yield "special", "no kind of character is left to choose from"


def _create_password(operation: Operation, inputs: Inputs) -> Created:
    chosen: list[str] = []
    alphabet = ""
    for name, (minimum, characters) in _KINDS.items():
        allowed = inputs.get("overrideSpecial", characters) if name == "special" else characters
        chosen += [secrets.choice(allowed) for _ in range(inputs.get(minimum, 0))]
        alphabet += allowed if inputs.get(name, True) else ""
    chosen += [secrets.choice(alphabet) for _ in range(inputs["length"] - len(chosen))]
    secrets.SystemRandom().shuffle(chosen)
    return Created("none", {"result": "".join(chosen)})


def _create_id(operation: Operation, inputs: Inputs) -> Created:
    data = secrets.token_bytes(inputs["byteLength"])
    prefix = inputs.get("prefix", "")
    url = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    state = {
        "b64Url": prefix + url,
        "b64Std": prefix + base64.b64encode(data).decode(),
        "hex": prefix + data.hex(),
        "dec": prefix + str(int.from_bytes(data, "big")),
    }
    return Created(url, state)


def _check_id(inputs: Inputs) -> Iterable[tuple[str, str]]:
    if inputs.get("byteLength", 1) < 1:
        yield "byteLength", f"is {inputs['byteLength']}; it must be at least 1"


def forget(operation: Operation, identifier: str, state: State) -> None:
    """What lives in the state only is gone with it."""


def configure(settings: Mapping[str, Any], clients: AwsClients) -> Configuration:
    """Nothing to configure."""
    return Configuration()


def check_configuration(settings: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Nothing to check."""
    return ()


_TYPES = (
    ResourceType(
        token="random:index/randomPassword:RandomPassword",
        source="resource_password.go: everything replaces",
        handles=names("length keepers overrideSpecial") | frozenset(_KINDS) | {low for low, _ in _KINDS.values()},
        defaults={**dict.fromkeys(_KINDS, True), **{minimum: 0 for minimum, _ in _KINDS.values()}},
        secrets=names("result bcryptHash"),
        create=_create_password,
        read=None,
        delete=forget,
        check=_check_password,
    ),
    ResourceType(
        token="random:index/randomId:RandomId",
        source="resource_id.go: everything replaces",
        handles=names("byteLength keepers prefix"),
        create=_create_id,
        read=None,
        delete=forget,
        check=_check_id,
    ),
)

PACKAGE: Final = Package(
    name="random",
    resources={entry.token: entry for entry in _TYPES},
    functions={},
    configure=configure,
    check_configuration=check_configuration,
    where="sandbox/providers/random_.py",
)
