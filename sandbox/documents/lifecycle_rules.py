"""Lifecycle rules of S3 buckets, as inputs of the provider.

Sources: S3 API reference, PutBucketLifecycleConfiguration; S3 user guide, "Lifecycle configuration elements" and
"Transitioning objects using Amazon S3 Lifecycle" (constraints); terraform-provider-aws
``internal/service/s3/bucket_lifecycle_configuration.go`` (enumerations, conflicts).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_ACTIONS: Final = (
    "abortIncompleteMultipartUpload",
    "expiration",
    "noncurrentVersionExpiration",
    "noncurrentVersionTransitions",
    "transitions",
)
_WHEN: Final = ("days", "date", "expiredObjectDeleteMarker")
_INFREQUENT: Final = ("STANDARD_IA", "ONEZONE_IA")
_ARCHIVES: Final = ("GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")
_ORDER: Final = ("STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", *_ARCHIVES)


def lifecycle_rules(rules: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is wrong with a bucket's rules."""
    if len(rules) > 1000:
        yield f"rules has {len(rules)} entries; a bucket takes 1000"
    seen: set[str] = set()
    for index, rule in enumerate(rules):
        place = f"rules[{index}]"
        name = rule.get("id", "")
        if name in seen:
            yield f'{place}.id is {name!r} again: "Rule ID must be unique. Found same ID for more than one rule"'
        seen.add(name)
        if not 0 < len(name) <= 255:
            yield f"{place}.id has {len(name)} characters; S3 takes 1 to 255"
        if rule.get("status") not in ("Enabled", "Disabled"):
            yield f"{place}.status is {rule.get('status')!r}; allowed are Enabled and Disabled"
        if not any(rule.get(action) for action in _ACTIONS):
            yield f'{place} does nothing: "At least one action needs to be specified in a rule"'
        yield from _filter(place, rule)
        yield from _expiration(place, rule)
        yield from _transitions(place, rule)
        yield from _noncurrent(place, rule)


def _filter(place: str, rule: Mapping[str, Any]) -> Iterator[str]:
    chosen = rule.get("filter") or {}
    if rule.get("prefix") is not None and rule.get("filter") is not None:
        yield f"{place}: prefix and filter: give one of them; prefix is deprecated"
    given = [name for name in ("prefix", "tag", "and", "objectSizeGreaterThan", "objectSizeLessThan") if name in chosen]
    if len(given) > 1:
        yield f"{place}.filter has {' and '.join(given)}; it takes exactly one, several go inside 'and'"
    tagged = "tag" in chosen or (chosen.get("and") or {}).get("tags")
    if tagged and rule.get("abortIncompleteMultipartUpload"):
        yield f'{place}: "AbortIncompleteMultipartUpload cannot be specified with Tags"'
    if tagged and (rule.get("expiration") or {}).get("expiredObjectDeleteMarker"):
        yield f'{place}: "ExpiredObjectDeleteMarker cannot be specified with Tags"'


def _expiration(place: str, rule: Mapping[str, Any]) -> Iterator[str]:
    expiration = rule.get("expiration")
    if not expiration:
        return
    given = [name for name in _WHEN if expiration.get(name)]
    if len(given) != 1:
        yield f"{place}.expiration has {' and '.join(given) or 'none'} of {', '.join(_WHEN)}; it takes exactly one"
    if "days" in expiration and expiration["days"] < 1 and len(given) < 2 and "days" not in given:
        yield f"{place}.expiration.days is {expiration['days']}; it must be a positive integer"


def _transitions(place: str, rule: Mapping[str, Any]) -> Iterator[str]:
    by_class: dict[str, float] = {}
    for index, transition in enumerate(rule.get("transitions") or []):
        here = f"{place}.transitions[{index}]"
        if ("days" in transition) == ("date" in transition):
            yield f"{here} takes exactly one of days and date"
        storage = transition.get("storageClass")
        yield from _days(here, storage, transition.get("days"), "days")
        if "days" in transition and storage:
            if storage in by_class:
                yield f"{here}.storageClass is {storage} again; a class comes once in a rule"
            by_class[storage] = transition["days"]
    yield from _ascending(f"{place}.transitions", by_class)
    expires = (rule.get("expiration") or {}).get("days")
    if by_class and expires and expires <= max(by_class.values()):
        yield (
            f"{place}.expiration.days is {expires}: \"'Days' in the Expiration action must be greater than 'Days' in "
            f'the Transition action" ({max(by_class.values())})'
        )


def _noncurrent(place: str, rule: Mapping[str, Any]) -> Iterator[str]:
    by_class: dict[str, float] = {}
    for index, transition in enumerate(rule.get("noncurrentVersionTransitions") or []):
        here = f"{place}.noncurrentVersionTransitions[{index}]"
        storage, days = transition.get("storageClass"), transition.get("noncurrentDays")
        yield from _days(here, storage, days, "noncurrentDays")
        if storage and days is not None:
            by_class[storage] = days
    yield from _ascending(f"{place}.noncurrentVersionTransitions", by_class)
    expires = (rule.get("noncurrentVersionExpiration") or {}).get("noncurrentDays")
    if expires is not None and expires < 1:
        yield f"{place}.noncurrentVersionExpiration.noncurrentDays is {expires}; it must be positive"
    if by_class and expires and expires <= max(by_class.values()):
        yield (
            f"{place}.noncurrentVersionExpiration.noncurrentDays is {expires}; it is greater than that of the "
            f"transitions ({max(by_class.values())})"
        )


def _days(place: str, storage: Any, days: float | None, name: str) -> Iterator[str]:
    if storage not in _ORDER:
        yield f"{place}.storageClass is {storage!r}; allowed are {', '.join(_ORDER)}"
    if days is None:
        return
    if days < 0:
        yield f"{place}.{name} is {days}; it is not negative"
    elif storage in _INFREQUENT and days < 30:
        yield (
            f"{place}.{name} is {days}: \"'Days' in Transition action must be greater than or equal to 30 for "
            f"storageClass '{storage}'\""
        )


def _ascending(place: str, by_class: Mapping[str, float]) -> Iterator[str]:
    for infrequent in _INFREQUENT:
        for archive in _ARCHIVES:
            if infrequent in by_class and archive in by_class and by_class[archive] < by_class[infrequent] + 30:
                yield (
                    f"{place}: {archive} after {by_class[archive]} days, {infrequent} after {by_class[infrequent]}; "
                    "objects stay 30 days in an infrequent-access class before they go to an archive in the same rule"
                )
