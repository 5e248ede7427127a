"""The JSON Schema of a stack file, for editors: made from the models in `settings.py`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import settings

FILE = Path(__file__).resolve().parent.parent / "schemas" / "stack.schema.json"
PROJECT = "emr-pipeline"


def _for_people(schema: Any) -> Any:
    """Descriptions as editors show them: one paragraph of Markdown; titles that only repeat the key are left out."""
    if isinstance(schema, dict):
        written: dict[str, Any] = {}
        for key, value in schema.items():
            if key == "title" and isinstance(value, str):
                continue
            written[key] = plain(value) if key == "description" and isinstance(value, str) else _for_people(value)
        if written.get("writeOnly") and written.get("format") == "password":
            # What `pulumi config set --secret` writes.
            return {
                "anyOf": [
                    {"type": "object", "required": ["secure"], "properties": {"secure": {"type": "string"}}},
                    {"type": "string"},
                ],
                "description": written.get("description", "A secret."),
            }
        return written
    if isinstance(schema, list):
        return [_for_people(entry) for entry in schema]
    return schema


def plain(docstring: str) -> str:
    """A docstring as one paragraph of Markdown."""
    return " ".join(re.sub(r"``([^`]*)``", r"`\1`", docstring).split())


def schema() -> dict[str, Any]:
    """The schema of ``Pulumi.<stack>.yaml``."""
    models = settings.Settings.model_json_schema(by_alias=True)
    definitions = _for_people(models.pop("$defs"))
    groups = _for_people(models["properties"])
    prefixed = {f"{PROJECT}:{name}": value for name, value in groups.items()}
    required = [f"{PROJECT}:{name}" for name in models.get("required", [])]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Stack of the EMR pipeline",
        "description": "Pulumi.<stack>.yaml. Made from settings.py by `make generate`.",
        "type": "object",
        "required": ["config"],
        "properties": {
            "config": {
                "type": "object",
                "required": ["aws:region", *required],
                "properties": {
                    "aws:region": {
                        "type": "string",
                        "pattern": "^[a-z]{2}(-[a-z]+)+-[0-9]$",
                        "description": "Region that the stack lives in, e.g. `eu-west-1`.",
                    },
                    **prefixed,
                },
                # Other projects' and providers' keys are theirs; ours are all known.
                "patternProperties": {f"^{PROJECT}:(?!({'|'.join(groups)})$)": False},
            },
            "secretsprovider": {"type": "string", "description": "Where secrets are encrypted, e.g. an awskms:// URL."},
            "encryptedkey": {"type": "string"},
            "encryptionsalt": {"type": "string"},
            "environment": {"type": ["array", "object"]},
        },
        "additionalProperties": False,
        "$defs": definitions,
    }


def render() -> str:
    """The file's text."""
    return json.dumps(schema(), indent=2) + "\n"
