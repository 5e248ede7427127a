"""Which IAM actions know no resource, so that a policy cannot but say ``*``.

The table beside this module is made from the Service Authorization Reference as the parliament package carries it:
``python -m policies.action_table`` writes it anew.
"""

from __future__ import annotations

import importlib.util
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).resolve().parent / "actions_without_resources.json"

NEEDED_BY_AWS: Final = frozenset(
    {
        # Lambda developer guide, "Giving Lambda functions access to resources in an Amazon VPC": on any resource.
        "ec2:createnetworkinterface",
        "ec2:deletenetworkinterface",
        "ec2:assignprivateipaddresses",
        "ec2:unassignprivateipaddresses",
        # Systems Manager user guide, "Create a custom IAM role for Session Manager": the channels are not named.
        "ssmmessages:createcontrolchannel",
        "ssmmessages:createdatachannel",
        "ssmmessages:opencontrolchannel",
        "ssmmessages:opendatachannel",
        "ssm:updateinstanceinformation",
    }
)
"""Actions that AWS's own instructions grant on every resource, although some resource could be named."""


@lru_cache(maxsize=1)
def actions_without_resources() -> frozenset[str]:
    """All actions that know no resource, as ``service:action`` in lower case."""
    table: dict[str, str] = json.loads(FILE.read_text(encoding="utf-8"))
    return frozenset(f"{service}:{action}" for service, names in table.items() for action in names.split())


def knows_no_resource(action: str) -> bool:
    """Whether a policy can name no resource for an action, or AWS's own instructions do not."""
    folded = action.casefold()
    return folded in NEEDED_BY_AWS or folded in actions_without_resources()


def read_reference() -> dict[str, str]:
    """The table, from the parliament package: names by service, in lower case."""
    package = importlib.util.find_spec("parliament")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("the parliament package is not installed; it carries the Service Authorization Reference")
    file = Path(package.submodule_search_locations[0]) / "iam_definition.json"
    services: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    bounded: set[str] = set()
    actions: dict[str, set[str]] = {}
    for service in services:
        prefix = str(service["prefix"]).lower()
        for privilege in service["privileges"]:
            name = str(privilege["privilege"]).lower()
            actions.setdefault(prefix, set()).add(name)
            if any(kind["resource_type"] for kind in privilege["resource_types"]):
                bounded.add(f"{prefix}:{name}")
    table = {
        prefix: " ".join(sorted(name for name in names if f"{prefix}:{name}" not in bounded))
        for prefix, names in sorted(actions.items())
    }
    return {prefix: names for prefix, names in table.items() if names}


if __name__ == "__main__":
    FILE.write_text(json.dumps(read_reference(), indent=0) + "\n", encoding="utf-8")
