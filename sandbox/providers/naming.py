"""Names that the provider gives when the program gives none.

pulumi-terraform-bridge ``pkg/tfbridge/autonaming.go``: the resource's Pulumi name, a separator and seven hexadecimal
digits that depend on the engine's seed; kept as long as the resource lives.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.providers.protocol import reveal

_RANDOM_DIGITS = 7


@dataclass(frozen=True)
class AutoName:
    """Which property is named, and what a name may be."""

    property: str = "name"
    maximum: int = 255
    lower: bool = False
    prefix: str = ""
    """Before the name: ``alias/`` for KMS aliases."""
    suffix_when: tuple[str, str] | None = None
    """A boolean input that, when true, puts a text behind the name: ``("fifoQueue", ".fifo")``."""
    digits: int = _RANDOM_DIGITS
    """Random digits behind the resource's name; 0 for the plain name."""
    prefix_property: str | None = "namePrefix"
    """Input that leaves the name to the provider, beginning with its value."""


Mode = Literal["propose", "enforce", "disable"]


@dataclass(frozen=True)
class Proposal:
    """What the engine's settings (``pulumi:autonaming``) ask for."""

    mode: Mode
    name: str


class NamingError(ValueError):
    """The engine's autonaming settings leave no name."""


def automatic_name(
    rule: AutoName,
    inputs: Mapping[str, Any],
    old_inputs: Mapping[str, Any],
    resource_name: str,
    seed: bytes,
    proposal: Proposal | None,
) -> str | None:
    """The name to use, or None when the program gives one (or a prefix for one).

    Raises:
        NamingError: when the engine's settings forbid automatic names, or the name does not fit.
    """
    prefix_given = rule.prefix_property is not None and inputs.get(rule.prefix_property) is not None
    if inputs.get(rule.property) is not None or prefix_given:
        return None
    if rule.property in old_inputs.get("__defaults", ()):
        return reveal(old_inputs[rule.property])
    if proposal is not None and proposal.mode == "disable":
        raise NamingError(f"automatic naming is off (pulumi:autonaming), so {rule.property} must be given")
    if proposal is not None and proposal.name:
        name = proposal.name
        if proposal.mode == "propose" and len(rule.prefix + name) > rule.maximum:
            name = name[: rule.maximum - len(rule.prefix)]
    else:
        digits = hashlib.sha256(seed).hexdigest() if seed else secrets.token_hex(_RANDOM_DIGITS)
        tail = f"-{digits[: rule.digits]}" if rule.digits else ""
        if len(rule.prefix + resource_name + tail) > rule.maximum:
            raise NamingError(
                f"automatic name of {rule.property}: {resource_name!r} with {rule.prefix!r} before it and {len(tail)}"
                f" characters behind it is longer than {rule.maximum}; give a shorter name"
            )
        name = resource_name + tail
    name = rule.prefix + name
    if rule.suffix_when is not None and reveal(inputs.get(rule.suffix_when[0])) is True:
        name += rule.suffix_when[1]
    return name.lower() if rule.lower else name


def prefixed_name(prefix: str) -> str:
    """A unique name that begins with the prefix (terraform-plugin-sdk ``helper/id`` PrefixedUniqueId)."""
    return prefix + secrets.token_hex(13)
