"""Whether a generated password or private key lies in clear anywhere: state, outputs, plans, logs, files of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_MARK: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
"""How the engine marks a secret in an exported state (pulumi, sdk/go/common/resource/sig)."""
_SHORTEST: Final = 12
"""Shorter texts are words, which may stand anywhere."""


@dataclass(frozen=True)
class Secret:
    """A secret text of the stack."""

    owner: str
    """Resource and property."""
    needle: bytes
    """What to look for: the text, or of a key one line from its middle, which no quoting changes."""


def secrets_of(state: Mapping[str, Any]) -> list[Secret]:
    """All secrets in a state that was exported with its secrets shown."""
    found: dict[bytes, str] = {}
    for resource in state["deployment"]["resources"]:
        if resource["type"] == "aws:ssm/parameter:Parameter" and resource["inputs"].get("type") != "SecureString":
            # The provider marks every parameter's value, also of those that are kept in plain text.
            continue
        name = resource["urn"].rsplit("::", 1)[1]
        for part in ("inputs", "outputs"):
            for path, text in _secret_texts(resource.get(part, {}), part):
                for needle in _needles(text):
                    found.setdefault(needle, f"{name} {path}")
    return [Secret(owner, needle) for needle, owner in found.items()]


def _secret_texts(value: Any, path: str, secret: bool = False) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        if value.get(_MARK) == _SECRET:
            yield from _secret_texts(json.loads(value["plaintext"]), path, secret=True)
            return
        for key, item in value.items():
            yield from _secret_texts(item, f"{path}.{key}", secret)
    elif isinstance(value, list):
        for item in value:
            yield from _secret_texts(item, path, secret)
    elif secret and isinstance(value, str):
        yield path, value


def _needles(text: str) -> Iterator[bytes]:
    if "PRIVATE KEY" in text:
        lines = [line for line in text.splitlines() if line and "-----" not in line]
        yield lines[len(lines) // 2].encode()
    elif len(text) >= _SHORTEST and "-----BEGIN" not in text:
        yield text.encode()


def in_clear(secrets: list[Secret], directory: Path, texts: Mapping[str, str]) -> list[str]:
    """Where a secret lies in clear: in the files of a directory, or in other texts by name."""
    places = [(name, text.encode()) for name, text in texts.items()]
    files = ((str(path.relative_to(directory)), path) for path in sorted(directory.rglob("*")) if path.is_file())
    found = [f"{name}: {secret.owner}" for name, text in places for secret in secrets if secret.needle in text]
    for name, path in files:
        content = path.read_bytes()
        found += [f"{name}: {secret.owner}" for secret in secrets if secret.needle in content]
    return found
