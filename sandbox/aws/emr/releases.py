"""The versions of applications that an EMR release brings, from the project's release table.

moto knows release labels, but not what is in a release: it shows applications without a version.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).parents[3] / "components" / "emr_releases.json"


@cache
def _releases() -> dict[str, dict[str, str]]:
    if not _TABLE.exists():
        return {}
    return json.loads(_TABLE.read_text())["releases"]


def applications(label: str) -> dict[str, str]:
    """Return application names and versions of a release; empty if it is unknown."""
    return dict(_releases().get(label, {}))


def version(label: str, application: str) -> str | None:
    """Return the version of an application in a release, whatever the case of its name (EMR ignores it)."""
    for name, value in applications(label).items():
        if name.lower() == application.lower():
            return value
    return None


def has(label: str, application: str, wanted: str) -> bool:
    """Return whether a release brings an application, in a version without EMR's build if one is wanted."""
    brought = version(label, application)
    return brought is not None and (not wanted or brought.partition("-")[0] == wanted)
