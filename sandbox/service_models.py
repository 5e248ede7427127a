"""Checks every AWS call against botocore's service model, beyond what botocore itself checks.

botocore's ``ParamValidator`` refuses missing and unknown members, wrong types and minima. AWS also refuses values that
are not of the enumeration, do not match the pattern, or are too long or too large: the service models say so, botocore
leaves it to the service, and moto seldom does it. So it is done here, before the request is built.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from botocore.model import OperationModel
from botocore.validate import ParamValidator

EXEMPT: Final[Mapping[tuple[str, str], str]] = {}
"""(service, shape name) whose enumeration or pattern in the model is narrower than the service, and why."""


class ParameterRefusedError(ValueError):
    """A call that AWS would refuse."""


def check_parameters(parameters: Mapping[str, Any], operation: OperationModel) -> None:
    """Refuse what the service model forbids.

    Raises:
        ParameterRefusedError: with every violation: operation, member, value, rule.
    """
    shape: Any = operation.input_shape
    if shape is None:
        return
    service = operation.service_model.service_name
    violations = list(_violations(parameters, shape, "", service))
    if violations:
        raise ParameterRefusedError(f"{service} {operation.name}: {'; '.join(violations)}")


def document_violations(document: Any, shape: Any, service: str) -> Iterator[str]:
    """What a service's model forbids of a document that a call carries: unknown, missing, type, enumeration, range."""
    report = ParamValidator().validate(document, shape)
    if report.has_errors():
        # The report is for people: one line a mistake.
        yield from report.generate_report().splitlines()
        return
    yield from _violations(document, shape, "", service)


def _violations(value: Any, shape: Any, path: str, service: str) -> Iterator[str]:
    if value is None:
        return
    # botocore's shapes hold their members as cached properties, which type checkers do not see through.
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        for name, entry in value.items():
            if name in shape.members:
                yield from _violations(entry, shape.members[name], f"{path}.{name}".lstrip("."), service)
    elif kind == "list" and isinstance(value, list | tuple):
        yield from _size(len(value), shape, path, "entries")
        for index, entry in enumerate(value):
            yield from _violations(entry, shape.member, f"{path}[{index}]", service)
    elif kind == "map" and isinstance(value, Mapping):
        yield from _size(len(value), shape, path, "entries")
        for key, entry in value.items():
            yield from _violations(key, shape.key, f"{path} key", service)
            yield from _violations(entry, shape.value, f"{path}.{key}", service)
    elif kind == "string" and isinstance(value, str):
        if (service, shape.name) not in EXEMPT:
            yield from _text(value, shape, path)
    elif kind in {"integer", "long", "float", "double"} and isinstance(value, int | float):
        yield from _range(value, shape, path)
    elif kind == "blob" and isinstance(value, bytes | bytearray):
        yield from _size(len(value), shape, path, "bytes")


def _text(value: str, shape: Any, path: str) -> Iterator[str]:
    allowed: list[str] = shape.enum
    if allowed and value not in allowed:
        known = ", ".join(allowed[:20]) + (f" and {len(allowed) - 20} more" if len(allowed) > 20 else "")
        yield f"{path} is {_shown(value)}, which is not one of {known}"
    yield from _size(len(value), shape, path, "characters")
    pattern = shape.metadata.get("pattern")
    if pattern:
        expression = compiled(pattern)
        # The services match the whole text, whether or not the model anchors the pattern.
        if expression is not None and not expression.fullmatch(value):
            yield f"{path} is {_shown(value)}, which does not match {pattern}"


def _size(size: int, shape: Any, path: str, unit: str) -> Iterator[str]:
    minimum, maximum = shape.metadata.get("min"), shape.metadata.get("max")
    if minimum is not None and size < minimum:
        yield f"{path} has {size} {unit}, fewer than {minimum}"
    if maximum is not None and size > maximum:
        yield f"{path} has {size} {unit}, more than {maximum}"


def _range(value: float, shape: Any, path: str) -> Iterator[str]:
    minimum, maximum = shape.metadata.get("min"), shape.metadata.get("max")
    if minimum is not None and value < minimum:
        yield f"{path} is {value}, less than {minimum}"
    if maximum is not None and value > maximum:
        yield f"{path} is {value}, more than {maximum}"


def _shown(value: str) -> str:
    return repr(value if len(value) <= 120 else value[:117] + "…")


_SURROGATES: Final = re.compile(r"\\u[dD]800\\u[dD][cC]00-\\u[dD][bB][fF][fF]\\u[dD][fF][fF][fF]")
# Java's flags hold from where they stand to the end of their group; Python's need a group of their own.
_FLAG_TO_END_OF_GROUP: Final = re.compile(r"(?<=.)\(\?i\)([^()]*)")
# Java takes a hyphen behind a class for itself: [\w-_].
_CLASS_HYPHEN: Final = re.compile(r"(\\[wWdDsS])-(?!\])")
# Java's classes by Unicode category, as ranges that Python's character classes can hold.
_JAVA_CLASSES: Final[Mapping[str, str]] = {
    r"\p{L}": r"a-zA-Z\u00aa-\U0003ffff",
    r"\p{IsAlphabetic}": r"a-zA-Z\u00aa-\U0003ffff",
    r"\p{Z}": r"\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
    r"\p{Zs}": r"\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000",
    r"\p{N}": r"0-9\u00b2-\U0003ffff",
    r"\p{Nd}": r"0-9\u0660-\U0003ffff",
    r"\p{M}": r"\u0300-\U0003ffff",
    r"\p{S}": r"$+<=>^`|~\u00a2-\U0003ffff",
    r"\p{P}": r"!-#%-*,-/:;?@\[-\]_{}\u00a1-\U0003ffff",
    r"\p{ASCII}": r"\x00-\x7f",
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\p{Alpha}": "a-zA-Z",
    r"\p{Punct}": r"!-/:-@\[-`{-~",
    r"\p{Print}": r"\x20-\x7e",
    r"\p{Graph}": r"\x21-\x7e",
}


@functools.cache
def compiled(pattern: str) -> re.Pattern[str] | None:
    """A pattern of a service model (Java syntax) for Python, or None where Python cannot say it."""
    translated = _SURROGATES.sub(lambda _: r"\U00010000-\U0010ffff", pattern)
    for java, python in _JAVA_CLASSES.items():
        translated = translated.replace(java, python)
    translated = _CLASS_HYPHEN.sub(r"\1\-", translated)
    translated = _FLAG_TO_END_OF_GROUP.sub(r"(?i:\1)", translated)
    try:
        return re.compile(translated)
    except re.error:
        return None
