"""Files that are made from the program agree with it."""

from __future__ import annotations

from pathlib import Path

import pytest

import settings
from tools import configuration_document, generate


@pytest.mark.parametrize("file", list(generate.FILES), ids=lambda file: str(file.relative_to(generate.ROOT)))
def test_a_made_file_is_fresh(file: Path) -> None:
    assert file.exists(), f"{file} is missing: run 'make generate'"
    assert file.read_text(encoding="utf-8") == generate.FILES[file](), f"{file} is stale: run 'make generate'"


def test_every_key_is_documented() -> None:
    silent = [
        f"{model.__name__}.{name}"
        for model in configuration_document.models()
        for name, field in model.model_fields.items()
        if not field.description and settings.model_of(field.annotation) is None
    ]
    assert not silent, f"write a text below these fields of settings.py, then 'make generate': {silent}"


def test_every_key_of_the_models_is_on_the_page() -> None:
    page = configuration_document.render()
    for model in configuration_document.models():
        assert f" {configuration_document.title(model.__name__)}\n" in page, f"{model.__name__} has a section"
        for key in settings.keys_of(model):
            assert f"| `{key}` |" in page, f"{model.__name__}.{key} has a row"
