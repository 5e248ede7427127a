"""What an EMR release brings, and until when it is supported: a table and comparisons, no calls.

The table (``emr_releases.json``) is what makes a wrong version a matter of the preview: EMR itself would install
whatever the release brings and say nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from types import MappingProxyType

RUNTIMES = frozenset({"AWS SDK for Java", "Python", "Scala"})
"""Rows of the table that come with every release and are not installed as applications."""

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
REQUIRED_VERSION = re.compile(r"\d+(?:\.\d+)*(?:-[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*)?")
"""How a required version is written: ``3``, ``3.3``, ``3.3.0`` or in full ``3.3.0-amzn-1``."""


@dataclass(frozen=True)
class Release:
    """One EMR release and the versions that it brings."""

    label: str
    """EMR's name of the release, e.g. ``emr-6.9.0``."""
    versions: Mapping[str, str]
    """Version by application or runtime; several versions are separated by a comma."""

    @property
    def number(self) -> tuple[int, ...]:
        """The label as numbers, so that 6.10 comes after 6.9."""
        return release_number(self.label)

    @property
    def applications(self) -> tuple[str, ...]:
        """Applications that can be installed, sorted."""
        return tuple(sorted(name for name in self.versions if name not in RUNTIMES))

    def before(self, number: str) -> bool:
        """Whether this release is older than `number`, e.g. ``6.11.0``."""
        return self.number < release_number(number)

    def brings(self, name: str, required: str) -> bool:
        """Whether the release brings `name` in a version that fits `required`."""
        return name in self.versions and version_fits(required, self.versions[name])


def release_number(label: str) -> tuple[int, ...]:
    """``emr-6.9.0`` or ``6.9.0`` as (6, 9, 0)."""
    return tuple(int(part) for part in label.removeprefix("emr-").split("."))


@cache
def releases() -> Mapping[str, Release]:
    """Every known release by label, oldest first."""
    document = json.loads(Path(__file__).with_name("emr_releases.json").read_text("utf-8"))
    known = [Release(label, MappingProxyType(versions)) for label, versions in document["releases"].items()]
    return MappingProxyType({release.label: release for release in sorted(known, key=lambda release: release.number)})


def nearest_releases(label: str) -> tuple[str, ...]:
    """The known releases next to an unknown one: the last before it and the first after it."""
    number = release_number(label)
    before = [known.label for known in releases().values() if known.number < number]
    after = [known.label for known in releases().values() if known.number > number]
    return (*before[-1:], *after[:1])


def version_components(version: str) -> tuple[int, ...]:
    """The numbers that a version starts with: ``3.3.0-amzn-1`` is (3, 3, 0).

    What follows them is EMR's build (``-amzn-1``), the project's state (``-incubating``) or a companion
    (``-HBase-2.0``), and says nothing about features.
    """
    match = _NUMBERS.match(version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def version_fits(required: str, brought: str) -> bool:
    """Whether a version that a release brings is one that is required.

    Compared component by component, so that ``3.3`` fits 3.3.0-amzn-1 and ``0.28`` does not fit 0.281. A required
    version with a build (``3.3.0-amzn-1``) must be met exactly. Of several versions one must fit.
    """
    candidates = [candidate.strip() for candidate in brought.split(",")]
    if "-" in required:
        return required in candidates
    wanted = version_components(required)
    return bool(wanted) and any(version_components(candidate)[: len(wanted)] == wanted for candidate in candidates)


def releases_that_bring(required: Mapping[str, str], applications: Iterable[str] = ()) -> tuple[Release, ...]:
    """Releases that bring every required version and have every application, oldest first."""
    installed = set(applications)
    return tuple(
        release
        for release in releases().values()
        if installed <= set(release.applications)
        and all(release.brings(name, version) for name, version in required.items())
    )


def versions_known(name: str) -> tuple[str, ...]:
    """Every version of an application that some release brings, oldest release first, without repeats."""
    return tuple(dict.fromkeys(release.versions[name] for release in releases().values() if name in release.versions))


@dataclass(frozen=True)
class Support:
    """How long a series of releases is supported."""

    first: str
    """First release of the series."""
    last: str
    """Last release of the series."""
    standard_until: date | None
    """Last day of full support; None when only the end of extended support is published."""
    ends: date | None
    """Last day of any support; None when it is not published yet."""


SUPPORT: tuple[Support, ...] = (
    Support("6.9.0", "6.9.1", standard_until=date(2026, 8, 31), ends=date(2027, 6, 30)),
    Support("7.0.0", "7.10.0", standard_until=None, ends=date(2027, 8, 31)),
    Support("7.11.0", "7.11.0", standard_until=date(2027, 11, 3), ends=None),
    Support("7.12.0", "7.12.0", standard_until=date(2027, 11, 21), ends=None),
    Support("7.13.0", "7.13.0", standard_until=date(2028, 4, 20), ends=None),
)
"""Source: Amazon EMR Release Guide, "Amazon EMR standard support"."""

NOTICE = timedelta(days=180)
"""How long before a date of support it is worth a warning: moving to another release is a project, not an edit."""


def support(label: str) -> Support | None:
    """The published support of a release, if it is known."""
    number = release_number(label)
    return next((s for s in SUPPORT if release_number(s.first) <= number <= release_number(s.last)), None)


def support_notice(label: str, today: date) -> str | None:
    """What to tell about the support of a release on a day; None when there is nothing to worry about."""
    period = support(label)
    if period is None:
        return None
    plan = "plan the move of cluster.release"
    if period.ends is not None and today > period.ends:
        return f"{label} has had no support since {period.ends.isoformat()}: move cluster.release to a later one"
    if period.standard_until is not None and today > period.standard_until:
        remains = f" and gets only critical fixes, on request, until {period.ends.isoformat()}" if period.ends else ""
        return f"{label} left standard support on {period.standard_until.isoformat()}{remains}: {plan}"
    for what, day in (("leaves standard support", period.standard_until), ("loses all support", period.ends)):
        if day is not None and today > day - NOTICE:
            return f"{label} {what} on {day.isoformat()}: {plan}"
    return None


def release_differences(label: str, applications: Iterable[str], told: Mapping[str, str]) -> list[str]:
    """What AWS says otherwise of a release than the table, application by application.

    Args:
        label: The release.
        applications: Those that the cluster installs.
        told: Version by application, as DescribeReleaseLabel answers: names in any case, versions without a build.
    """
    known = releases()[label].versions
    answered = {name.lower(): version for name, version in told.items()}
    differences: list[str] = []
    for name in applications:
        version = answered.get(name.lower())
        if version is None:
            differences.append(f"{label} has no {name} in this region")
        elif version_components(version) != version_components(known[name]):
            differences.append(f"{label} brings {name} {version} in this region, and {known[name]} by the table here")
    return differences
