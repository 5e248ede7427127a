"""Documents by a JSON Schema: what does not fit it, place by place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator


def schema_mistakes(document: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    """What of a document does not fit; a schema's ``description`` at the place is the rule."""
    validator: Any = Draft202012Validator(schema)
    for error in sorted(validator.iter_errors(document), key=lambda error: list(map(str, error.absolute_path))):
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(
            "."
        )
        rule = error.schema.get("description", "") if isinstance(error.schema, Mapping) else ""
        message = error.message if len(error.message) <= 200 else f"{error.message[:197]}…"
        yield f"{place or 'the document'}: {message}{f' ({rule})' if rule else ''}"
