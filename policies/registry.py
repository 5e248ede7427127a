"""All rules of the pack, in the order of the families."""

from __future__ import annotations

from typing import Final

from policies import (
    access,
    buckets,
    compute,
    data,
    emr,
    functions,
    general,
    keys,
    messaging,
    network,
    observability,
    secret_texts,
    stores,
)
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
    stores.family,
    compute.family,
    secret_texts.family,
    general.family,
)

RULES: Final[tuple[Rule, ...]] = tuple(
    sorted((rule for family in FAMILIES for rule in family.rules), key=lambda rule: (rule.family, rule.id))
)
