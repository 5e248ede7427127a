"""JSONPath with the results that Step Functions gives.

In moto a path through an array element (``$.Steps[0].Name``) yields a list of one. Here a path that can only name one
value yields that value, and one that may name several yields a list, also an empty one. Paths are parsed once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonpath_ng import jsonpath
from jsonpath_ng.ext.filter import Filter
from jsonpath_ng.ext.parser import parse
from moto.stepfunctions.parser.asl.utils import json_path

from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Replace moto's function in every module that uses it."""
    runtime.patches.replace_imported("moto.stepfunctions", "extract_json", json_path.extract_json, extract_json)


def extract_json(path: str, data: Any) -> Any:
    """Return what a path names in a document; raise moto's error if a single value is missing."""
    expression = _parsed(path)
    found = [match.value for match in expression.find(data)]
    if not _is_definite(expression):
        return found
    if not found:
        raise json_path.NoSuchJsonPathError(json_path=path, data=data)
    return found[0]


@cache
def _parsed(path: str) -> Any:
    return parse(path)


def _is_definite(expression: Any) -> bool:
    """Tell whether a path can name one value only: it has no wildcard, slice, filter or descent."""
    if isinstance(expression, (jsonpath.Slice, jsonpath.Descendants, Filter)):
        return False
    if isinstance(expression, jsonpath.Fields):
        return len(expression.fields) == 1 and expression.fields[0] != "*"
    if isinstance(expression, jsonpath.Index):
        return len(expression.indices) == 1
    if isinstance(expression, jsonpath.Child):
        return _is_definite(expression.left) and _is_definite(expression.right)
    return isinstance(expression, (jsonpath.Root, jsonpath.This))
