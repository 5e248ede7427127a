"""Documents inside inputs, refused as AWS refuses them: one module a kind of document.

Each module has a function from a parsed document to what is wrong with it, one text a mistake, which begins with the
place in the document and ends with the rule. A table entry names the check of each of its documents
(``ResourceType.documents``), so a mistake shows in the preview, not after half a stack was made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Owner:
    """The resource that a document belongs to."""

    account: str
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Its other inputs; unknown ones are absent."""


DocumentCheck = Callable[[Any, Owner], Iterable[str]]
"""From a parsed document and its owner to what is wrong with it."""
