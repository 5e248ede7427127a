"""`docs/configuration.md`: every key of a stack file, made from the models in `settings.py`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import settings
from components.rules import rules
from tools.stack_schema import plain, schema

FILE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

INTRODUCTION = """\
# Configuration

<!-- Made by `make generate` from settings.py: change the text there. -->

A stack file, `Pulumi.<stack>.yaml`, holds one object for each group below, under the project's name. Everything but
`aws:region` and `tags` has a safe default: write only what differs, and why.

```yaml title="Pulumi.example.yaml"
# yaml-language-server: $schema=schemas/stack.schema.json
config:
  aws:region: eu-west-1
  emr-pipeline:network:
    natGateways: per-az # a zone's failure takes only that zone's way out
  emr-pipeline:tags:
    owner: data-platform
    costCentre: "4711"
    dataClassification: internal
```

The first line gives editors with the YAML language server completion and checks from `schemas/stack.schema.json`.
Mistakes are all told at once, a line each, before anything is made: the key, its value, what is allowed, and why.
An unknown key is answered with the nearest known one. `make new-stack NAME=…` asks for what matters and writes a valid
file.

A value that is a secret is set with `pulumi config set --secret --path 'emr-pipeline:GROUP.KEY'`. It is stored
encrypted, is a secret output wherever it goes, and no message shows it, nor any other value of its group.
"""


def _allowed(part: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a key takes, in words, from its piece of the schema."""
    if "$ref" in part:
        name = part["$ref"].rsplit("/", 1)[1]
        definition = definitions[name]
        return f"[{title(name)}](#{anchor(name)})" if "properties" in definition else _allowed(definition, definitions)
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    if "anyOf" in part:
        kinds = [option for option in part["anyOf"] if option.get("type") != "null"]
        optional = len(kinds) < len(part["anyOf"])
        texts = list(dict.fromkeys(_allowed(option, definitions) for option in kinds))
        return " or ".join(texts) + (", or absent" if optional else "")
    kind = part.get("type")
    if kind == "array":
        count = _bounds(part, "minItems", "maxItems")
        inner = _allowed(part["items"], definitions) if "items" in part else "anything"
        return f"list of {inner}{f' ({count} of them)' if count else ''}"
    if kind == "object":
        values = part.get("additionalProperties")
        return f"object, by name: {_allowed(values, definitions)}" if isinstance(values, dict) else "object"
    if kind in ("integer", "number"):
        number = "whole number" if kind == "integer" else "number"
        bounds = _bounds(part, "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
        return f"{number}{f', {bounds}' if bounds else ''}"
    if kind == "boolean":
        return "`true` or `false`"
    if "pattern" in part:
        return f"text like `{part['pattern']}`"
    return "text"


def _bounds(part: dict[str, Any], low: str, high: str, above: str = "", below: str = "") -> str:
    words = ((above, "more than"), (below, "less than"))
    texts = [f"{word} {part[key]}" for key, word in words if key and key in part]
    if low in part and high in part:
        texts.insert(0, f"{part[low]} to {part[high]}")
    elif low in part:
        texts.insert(0, f"{part[low]} or more")
    elif high in part:
        texts.insert(0, f"at most {part[high]}")
    return ", ".join(texts)


def title(model_name: str) -> str:
    """`InstanceGroupSettings` as people say it: Instance group."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in model_name)
    return words.strip().removesuffix("settings").strip().capitalize()


def anchor(model_name: str) -> str:
    """The heading's anchor, as MkDocs makes it."""
    return title(model_name).lower().replace(" ", "-")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _default(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        written = value.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return f"`{json.dumps(written)}`" if written else "its own defaults"
    if value is None:
        return "absent"
    return f"`{json.dumps(value, default=_dumped)}`"


def _dumped(value: Any) -> Any:
    return value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else str(value)


def models() -> list[type[settings.SettingsModel]]:
    """Every model that a stack file can hold, groups first, in the order of the groups."""
    found: list[type[settings.SettingsModel]] = []
    waiting: list[type[settings.SettingsModel]] = [settings.Settings]
    while waiting:
        model = waiting.pop(0)
        for field in model.model_fields.values():
            inner = settings.model_of(field.annotation)
            if inner is not None and inner not in found:
                found.append(inner)
                waiting.append(inner)
    return found


def _section(model: type[settings.SettingsModel], definitions: dict[str, Any], group: str | None) -> Iterator[str]:
    yield f"{'##' if group else '###'} {title(model.__name__)}\n"
    if group:
        yield f"Key `emr-pipeline:{group}`.\n"
    yield f"{plain(model.__doc__ or '')}\n"
    yield "| key | allowed | default | meaning |"
    yield "| --- | --- | --- | --- |"
    properties = definitions[model.__name__]["properties"]
    for name, field in model.model_fields.items():
        key = settings.key_of(model, name)
        part = properties[key]
        meaning = plain(field.description or "")
        if not meaning:
            inner = settings.model_of(field.annotation)
            meaning = plain((inner.__doc__ or "") if inner else "")
        cells = (f"`{key}`", _allowed(part, definitions), _default(model, name), meaning)
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"
    yield ""


def _rules() -> Iterator[str]:
    yield "## Rules between keys\n"
    yield "Checked before anything is made, as far as the groups that a rule reads are valid themselves.\n"
    yield "| groups | rule |"
    yield "| --- | --- |"
    for rule in rules():
        groups = ", ".join(f"`{group}`" for group in rule.groups)
        yield f"| {groups} | {_cell(plain(inspect.getdoc(rule.check) or ''))} |"
    yield ""


def render() -> str:
    """The page's text."""
    whole = schema()
    definitions = whole["$defs"]
    groups: dict[type[settings.SettingsModel], str] = {}
    for name, field in settings.Settings.model_fields.items():
        model = settings.model_of(field.annotation)
        if model is not None:
            groups[model] = settings.key_of(settings.Settings, name)
    lines = [INTRODUCTION]
    # A group, then what only lies in it: the order in which people read a stack file.
    ordered: list[type[settings.SettingsModel]] = []
    for group in groups:
        ordered.append(group)
        ordered += [model for model in _within(group) if model not in groups and model not in ordered]
    for model in ordered:
        lines.extend(_section(model, definitions, groups.get(model)))
    lines.extend(_rules())
    return "\n".join(lines)


def _within(model: type[settings.SettingsModel]) -> Iterator[type[settings.SettingsModel]]:
    for field in model.model_fields.values():
        inner = settings.model_of(field.annotation)
        if inner is not None:
            yield inner
            yield from _within(inner)
