"""Replacing parts of moto, checked and undone.

A patch names what it replaces or adds. When moto changes so that a replaced part is gone, or an added part has come,
the sandbox does not start: the extension must be read again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, MutableMapping
from typing import Any

_MISSING = object()


class PatchError(RuntimeError):
    """moto is not as an extension expects it."""


class Patches:
    """The patches of one running sandbox; `undo` puts moto back as it was."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def replace(self, owner: Any, name: str, value: Any) -> Any:
        """Replace an attribute that must exist; return what it was."""
        previous = vars(owner).get(name, _MISSING)
        if previous is _MISSING:
            raise PatchError(f"{_label(owner)} no longer has {name!r}, which an extension of the sandbox replaces")
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, previous))
        return previous

    def add(self, owner: Any, name: str, value: Any) -> None:
        """Add an attribute that must not exist yet."""
        if hasattr(owner, name):
            raise PatchError(f"{_label(owner)} now has {name!r} of its own: the sandbox's extension is to be reviewed")
        setattr(owner, name, value)
        self._undo.append(lambda: delattr(owner, name))

    def override(self, owner: type, name: str, value: Any) -> None:
        """Define an attribute on a class that inherits it."""
        if name in vars(owner) or not hasattr(owner, name):
            raise PatchError(
                f"{_label(owner)} does not just inherit {name!r}, which an extension of the sandbox overrides"
            )
        setattr(owner, name, value)
        self._undo.append(lambda: delattr(owner, name))

    def replace_imported(self, package: str, name: str, original: Any, value: Any) -> None:
        """Replace a function in every loaded module of a package that imported it by name."""
        found = False
        for module_name, module in list(sys.modules.items()):
            inside = module_name == package or module_name.startswith(f"{package}.")
            if inside and vars(module).get(name) is original:
                self.replace(module, name, value)
                found = True
        if not found:
            raise PatchError(f"no module of {package} holds {name!r}, which an extension of the sandbox replaces")

    def set_item(self, mapping: MutableMapping[str, Any], key: str, value: Any) -> None:
        """Set a key of a settings mapping."""
        previous = mapping.get(key, _MISSING)
        mapping[key] = value

        def restore() -> None:
            if previous is _MISSING:
                mapping.pop(key, None)
            else:
                mapping[key] = previous

        self._undo.append(restore)

    def undo(self) -> None:
        """Undo every patch, the last first."""
        while self._undo:
            self._undo.pop()()


def _label(owner: Any) -> str:
    return getattr(owner, "__qualname__", None) or getattr(owner, "__name__", None) or repr(owner)
