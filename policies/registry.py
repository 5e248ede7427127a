"""All rules of the pack, in the order of the families."""

from __future__ import annotations

from typing import Final

from policies import access, buckets, data, emr, functions, keys, messaging, network, observability
from policies.model import Family, Rule

FAMILIES: Final[tuple[Family, ...]] = (
    network.family,
    emr.family,
    buckets.family,
    keys.family,
    access.family,
    functions.family,
    messaging.family,
    observability.family,
    data.family,
)

RULES: Final[tuple[Rule, ...]] = tuple(
    sorted((rule for family in FAMILIES for rule in family.rules), key=lambda rule: (rule.family, rule.id))
)
