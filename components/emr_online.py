"""What EMR itself says of a release, asked when the settings want it: is it there, with these versions and nodes.

The preview goes by a table (`emr_release`), which knows neither regions nor what AWS withdrew since. The questions are
provider functions; the judgement is a function of plain values.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.emr_release import Release, version_components
from components.lookups import all_of, ask, everything
from components.spark_sizes import worker_groups
from settings import ClusterSettings, ConfigurationError

PERMISSIONS = ("elasticmapreduce:ListReleaseLabels", "elasticmapreduce:ListSupportedInstanceTypes")
"""What whoever asks needs; neither knows resources."""


@dataclass(frozen=True)
class Offer:
    """What EMR offers in a region."""

    labels: tuple[str, ...]
    """Releases of the series, e.g. all of 6."""
    brings: Mapping[str, bool]
    """By application: whether the release brings the version that the table tells."""
    instance_types: frozenset[str]
    """Types that the release runs on."""


def _filter(release: Release, application: str) -> str:
    """``Spark@3.3.0``, as the provider's page writes it (aws_emr_release_labels); builds are not told."""
    version = ".".join(str(part) for part in version_components(release.versions[application]))
    return f"{application}@{version}"


def look_up(settings: ClusterSettings, release: Release, project: str, opts: pulumi.InvokeOptions) -> Offer:
    """Ask EMR, everything at once.

    Raises:
        ConfigurationError: when it does not answer.
    """
    try:
        return everything(_look_up(sorted(settings.applications), release, opts))
    except Exception as error:
        # The SDK raises a bare Exception.
        raise ConfigurationError(
            f"{project}:cluster.checkOnline is true: EMR was asked about {release.label} and did not answer: {error}; "
            f"allow {' and '.join(PERMISSIONS)}, or write false"
        ) from error


async def _look_up(applications: list[str], release: Release, opts: pulumi.InvokeOptions) -> Offer:
    series = f"emr-{release.number[0]}."
    types = asyncio.ensure_future(_instance_types(release, opts))
    labels = asyncio.ensure_future(
        all_of(
            [
                _labels({"prefix": series}, opts),
                *(_labels({"prefix": series, "application": _filter(release, name)}, opts) for name in applications),
            ]
        )
    )
    await all_of([types, labels])
    offered, *having = labels.result()
    return Offer(
        offered, {name: release.label in have for name, have in zip(applications, having, strict=True)}, types.result()
    )


async def _labels(filters: Mapping[str, str], opts: pulumi.InvokeOptions) -> tuple[str, ...]:
    token = "aws:emr/getReleaseLabels:getReleaseLabels"
    answer = await ask(token, {"filters": dict(filters)}, aws.emr.GetReleaseLabelsResult, opts)
    return tuple(answer.release_labels)


async def _instance_types(release: Release, opts: pulumi.InvokeOptions) -> frozenset[str]:
    token = "aws:emr/getSupportedInstanceTypes:getSupportedInstanceTypes"
    answer = await ask(token, {"releaseLabel": release.label}, aws.emr.GetSupportedInstanceTypesResult, opts)
    return frozenset(known.type for known in answer.supported_instance_types)


def mistakes(settings: ClusterSettings, release: Release, offer: Offer, project: str, region: str) -> list[str]:
    """What EMR does not offer of a cluster, one line each."""
    group = f"{project}:cluster"
    if release.label not in offer.labels:
        some = ", ".join(offer.labels[:5]) or "none of the series"
        return [f"{group}.release is {release.label}: EMR does not offer it in {region}; it offers {some}"]
    found = [
        f"{group}.applications holds {name}: {release.label} brings {release.versions[name]} by the table here, and "
        f"EMR does not find {release.label} for {_filter(release, name)} in {region}; see what it brings there: "
        f"aws emr describe-release-label --release-label {release.label}"
        for name, brought in offer.brings.items()
        if not brought
    ]
    for name, instance_group in {"primary": settings.primary, **worker_groups(settings)}.items():
        kind = instance_group.instance_type
        if kind not in offer.instance_types:
            near = ", ".join(difflib.get_close_matches(kind, sorted(offer.instance_types), n=4)) or "other types"
            found.append(
                f"{group}.{name}.instanceType is {kind}: {release.label} does not run on it in {region}; "
                f"alike are {near}"
            )
    return found


def check(settings: ClusterSettings, release: Release, project: str, region: str, opts: pulumi.InvokeOptions) -> None:
    """Hold a cluster against what EMR offers.

    Raises:
        ConfigurationError: with one line a mistake: config key, value, reason and what would do.
    """
    found = mistakes(settings, release, look_up(settings, release, project, opts), project, region)
    if found:
        raise ConfigurationError("\n".join(found))
