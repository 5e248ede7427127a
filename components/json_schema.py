"""JSON Schema, without the two seconds of every start that a part of the library takes which nothing here uses.

``jsonschema`` reads a grammar of IRIs as soon as it finds the package ``rfc3987_syntax`` (``jsonschema/_format.py``),
for checks of formats (``iri``) that no schema of this project asks for.
"""

from __future__ import annotations

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # pyright: ignore[reportArgumentType, reportCallIssue]

from jsonschema import Draft202012Validator  # noqa: E402

__all__ = ["Draft202012Validator"]
