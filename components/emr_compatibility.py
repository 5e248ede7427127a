"""What does not go together on an EMR cluster, as data: each rule with its reason and its source.

EMR refuses some of these when the cluster is launched, half an hour into an update; others start and fail in use.
`check` finds them before anything is made, together with versions that the release does not bring.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from components.cluster_configurations import cluster_properties, replication
from components.emr_release import (
    REQUIRED_VERSION,
    RUNTIMES,
    Release,
    nearest_releases,
    releases,
    releases_that_bring,
    support,
    support_notice,
    version_components,
    versions_known,
)
from components.spark_sizes import UnknownSize, node_size, worker_groups
from settings import ClusterSettings, ConfigurationError

GUIDE = "Amazon EMR Management Guide"
NOTES = "Amazon EMR Release Guide"


@dataclass(frozen=True)
class ClusterFacts:
    """What the rules look at."""

    release: Release
    applications: frozenset[str]
    kerberos: Literal["ClusterDedicatedKdc", "ExternalKdc"] | None
    in_transit_encryption: bool
    minimum_metadata_version: Literal[1, 2]
    log_encryption_key: bool
    primary_count: int
    termination_protection: bool
    custom_scaling: bool
    managed_scaling: bool
    core_scale_in: bool
    core_minimum: int
    """Core nodes that scaling leaves at least."""
    replication: int
    """Copies of each HDFS block."""
    auto_termination: bool
    """Whether the cluster ends itself when it is idle."""
    instance_types: Mapping[str, str]
    """EC2 instance type by group: primary, core, task."""
    properties: frozenset[tuple[str, str]]
    """Classification and name of every property that is set."""


@dataclass(frozen=True)
class Rule:
    """A combination that does not work."""

    id: str
    key: str
    """Where to look in the configuration, below ``cluster``."""
    reason: str
    """Why it does not work, and what to do instead."""
    source: str
    """Where that is written."""
    broken_by: Callable[[ClusterFacts], bool]
    warns: bool = False
    """Whether it works after all, but not as one would think: told, and no reason to stop."""


def _has(*names: str) -> Callable[[ClusterFacts], bool]:
    return lambda facts: bool(facts.applications.intersection(names))


_TRINO = _has("Trino", "PrestoSQL")
_TEZ_TRUST_STORE = ("tez-site", "ssl.client.truststore.location")
_ARM = re.compile(r"(a1|[a-z]+\d+g[a-z]*)\.")
"""Graviton families: a1, or a ``g`` after the generation (m6g, r6gd, c7gn), and not before it (g4dn is a GPU)."""


_BURSTABLE = re.compile(r"t\d")


def _matches(pattern: re.Pattern[str]) -> Callable[[ClusterFacts], bool]:
    return lambda facts: any(pattern.match(instance_type) for instance_type in facts.instance_types.values())


def _runs_on_arm(facts: ClusterFacts) -> bool:
    return any(_ARM.match(instance_type) for instance_type in facts.instance_types.values())


RULES: tuple[Rule, ...] = (
    Rule(
        "spark-is-installed",
        "applications",
        "must hold Spark: the pipeline's job is a Spark application",
        "jobs/transform.py",
        lambda facts: "Spark" not in facts.applications,
    ),
    Rule(
        "presto-or-trino",
        "applications",
        "holds Presto and Trino (PrestoSQL): EMR refuses a cluster with both; keep one",
        f'{NOTES}, "Presto and Trino"',
        lambda facts: "Presto" in facts.applications and _TRINO(facts),
    ),
    Rule(
        "kerberized-presto-release",
        "release",
        "is too old for Presto on a Kerberized cluster: that works from emr-6.9.0 on",
        f'{GUIDE}, "Supported applications" of Kerberos',
        lambda facts: facts.kerberos is not None and "Presto" in facts.applications and facts.release.before("6.9.0"),
    ),
    Rule(
        "kerberized-presto-tls",
        "applications",
        "holds Presto, which runs on a Kerberized cluster only with in-transit encryption",
        f'{GUIDE}, "Supported applications" of Kerberos',
        lambda facts: facts.kerberos is not None and "Presto" in facts.applications and not facts.in_transit_encryption,
    ),
    Rule(
        "kerberized-trino-release",
        "release",
        "is too old for Trino on a Kerberized cluster: that works from emr-6.11.0 on; use Presto",
        f'{GUIDE}, "Supported applications" of Kerberos',
        lambda facts: facts.kerberos is not None and _TRINO(facts) and facts.release.before("6.11.0"),
    ),
    Rule(
        "kerberized-trino-tls",
        "applications",
        "holds Trino, which runs on a Kerberized cluster only with in-transit encryption",
        f'{GUIDE}, "Supported applications" of Kerberos',
        lambda facts: facts.kerberos is not None and _TRINO(facts) and not facts.in_transit_encryption,
    ),
    Rule(
        "jupyterhub-without-kerberos",
        "applications",
        "holds JupyterHub, which EMR does not support on a Kerberized cluster",
        f'{GUIDE}, "Supported applications" of Kerberos',
        lambda facts: facts.kerberos is not None and "JupyterHub" in facts.applications,
    ),
    Rule(
        "enterprise-gateway-without-kerberos",
        "applications",
        "holds JupyterEnterpriseGateway, which is not among the applications that EMR Kerberizes: its kernels would "
        "find no ticket; submit through Livy",
        f'{GUIDE}, "Supported applications" of Kerberos',
        lambda facts: facts.kerberos is not None and "JupyterEnterpriseGateway" in facts.applications,
    ),
    Rule(
        "hive-on-tez-trust-store",
        "release",
        "runs Hive on Tez, which fails with in-transit encryption (TEZ-4096) unless tez-site names the trust store",
        f'{NOTES}, "Amazon EMR 6.9.0 - Tez release notes", known issues',
        lambda facts: (
            facts.in_transit_encryption
            and {"Hive", "Tez"} <= facts.applications
            and not facts.release.before("6.9.0")
            and facts.release.before("6.10.0")
            and _TEZ_TRUST_STORE not in facts.properties
        ),
    ),
    Rule(
        "pig-on-tez-trust-store",
        "release",
        "runs Pig on Tez, which fails with in-transit encryption (TEZ-4096) unless tez-site names the trust store",
        f'{NOTES}, "Amazon EMR 6.15.0 - Tez release notes", known issues',
        lambda facts: (
            facts.in_transit_encryption
            and {"Pig", "Tez"} <= facts.applications
            and not facts.release.before("6.9.0")
            and facts.release.before("7.1.0")
            and _TEZ_TRUST_STORE not in facts.properties
        ),
    ),
    Rule(
        "three-primaries-external-kdc",
        "primary.instanceCount",
        "is 3: a KDC of the cluster's own runs on the one primary node; three need an external KDC",
        f'{GUIDE}, "Launch an Amazon EMR cluster with multiple primary nodes", Kerberos',
        lambda facts: facts.kerberos == "ClusterDedicatedKdc" and facts.primary_count > 1,
    ),
    Rule(
        "three-primaries-protection",
        "terminationProtection",
        "is false with three primary nodes: EMR protects such a cluster by itself, and updates would fight over it",
        f'{GUIDE}, "Considerations and best practices when you create a cluster with multiple primary nodes"',
        lambda facts: facts.primary_count > 1 and not facts.termination_protection,
    ),
    Rule(
        "managed-or-custom-scaling",
        "managedScaling",
        "is set beside core.scaling or task.scaling: EMR takes one or the other; remove the two (task has one by "
        "default: write out task with instanceType and instanceCount)",
        f'{GUIDE}, "Using EMR managed scaling in Amazon EMR"',
        lambda facts: facts.managed_scaling and facts.custom_scaling,
    ),
    Rule(
        "managed-scaling-sees-yarn-only",
        "managedScaling",
        "looks at YARN alone, and Presto and Trino run beside it: nodes in the midst of a query are idle to it and go; "
        "keep a minimum that queries can live with",
        f'{GUIDE}, "Using EMR managed scaling in Amazon EMR", considerations',
        lambda facts: facts.managed_scaling and ("Presto" in facts.applications or _TRINO(facts)),
        warns=True,
    ),
    Rule(
        "core-scale-in-above-replication",
        "core.scaling.minimum",
        "leaves no core node beyond those that hold a block's copies, and coreScaleIn is true: HDFS could not move the "
        "blocks of a node that goes; one more than the replication factor, or more",
        f'{GUIDE}, "Using automatic scaling with a custom policy for instance groups" (dfs.replication)',
        lambda facts: facts.core_scale_in and facts.core_minimum <= facts.replication,
    ),
    Rule(
        "persistent-without-auto-termination",
        "release",
        "would end itself when idle: the provider takes an ended cluster for a missing one and makes another",
        "terraform-provider-aws, internal/service/emr/cluster.go (resourceClusterRead)",
        lambda facts: facts.auto_termination,
    ),
    Rule(
        "burstable-types",
        "instanceType",
        "would run on burstable instances (t2, t3, t4g), which EMR does not offer",
        f'{GUIDE}, "Supported instance types"',
        _matches(_BURSTABLE),
    ),
    Rule(
        "one-architecture",
        "instanceType",
        "would run on Arm (Graviton) and x86 nodes at once: what a job brings along for one does not run on the other",
        "own rule: native libraries and Python wheels are built for one architecture",
        lambda facts: len({bool(_ARM.match(kind)) for kind in facts.instance_types.values()}) > 1,
        warns=True,
    ),
    Rule(
        "metadata-service-release",
        "release",
        "is too old for nodes that require version 2 of the instance metadata service: that works from emr-6.2.0 on",
        f'{GUIDE}, "Configure the instance metadata service"',
        lambda facts: facts.minimum_metadata_version == 2 and facts.release.before("6.2.0"),
    ),
    Rule(
        "log-encryption-release",
        "release",
        "is too old to encrypt cluster logs with a customer-managed key: emr-6.0 cannot, emr-6.1.0 can",
        f'{GUIDE}, "Encrypt log files stored in Amazon S3 with an AWS KMS customer managed key"',
        lambda facts: facts.log_encryption_key and facts.release.before("6.1.0"),
    ),
    Rule(
        "graviton-release",
        "release",
        "is too old for Graviton (Arm) instance types: they run from emr-6.1.0 on",
        f'{GUIDE}, "Supported instance types"',
        lambda facts: _runs_on_arm(facts) and facts.release.before("6.1.0"),
    ),
)
"""Every rule. A new one comes with a cluster that breaks it and one that does not, in its test."""


def facts_of(settings: ClusterSettings, release: Release) -> ClusterFacts:
    """What `components.cluster` would make of the settings with a release."""
    return ClusterFacts(
        release=release,
        applications=frozenset(settings.applications),
        kerberos="ExternalKdc" if settings.kerberos.external_kdc else "ClusterDedicatedKdc",
        in_transit_encryption=True,
        minimum_metadata_version=2,
        log_encryption_key=True,
        primary_count=settings.primary.instance_count,
        termination_protection=settings.termination_protection,
        custom_scaling=settings.core.scaling is not None or settings.task.scaling is not None,
        managed_scaling=settings.managed_scaling is not None,
        core_scale_in=settings.core_scale_in,
        core_minimum=settings.fewest_core_nodes,
        replication=replication(settings),
        auto_termination=False,
        instance_types={
            "primary": settings.primary.instance_type,
            "core": settings.core.instance_type,
            "task": settings.task.instance_type,
        },
        properties=frozenset(
            (entry.classification, entry.name) for entry in cluster_properties(settings, release, None)
        ),
    )


def broken_rules(facts: ClusterFacts, *, warns: bool = False) -> tuple[Rule, ...]:
    """The rules that a cluster would break: those that stop it, or those that only warn."""
    return tuple(rule for rule in RULES if rule.warns == warns and rule.broken_by(facts))


def _values(settings: ClusterSettings) -> dict[str, str]:
    """What the configuration says where rules point, for their messages."""
    return {
        "applications": ", ".join(settings.applications),
        "release": settings.release,
        "primary.instanceCount": str(settings.primary.instance_count),
        "core.scaling.minimum": str(settings.core.scaling.minimum if settings.core.scaling else "absent"),
        "terminationProtection": str(settings.termination_protection).lower(),
        "managedScaling": (
            f"{settings.managed_scaling.minimum} to {settings.managed_scaling.maximum} nodes"
            if settings.managed_scaling
            else "absent"
        ),
        "instanceType": ", ".join(
            f"{name} {group.instance_type}"
            for name, group in (("primary", settings.primary), ("core", settings.core), ("task", settings.task))
        ),
    }


def _enumerate(labels: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(labels) < 2:
        return "".join(labels)
    return f"{', '.join(labels[:-1])} and {labels[-1]}"


def _application_mistakes(settings: ClusterSettings, release: Release, group: str) -> list[str]:
    mistakes: list[str] = []
    for name in settings.applications:
        if name in release.applications:
            continue
        elsewhere = [label for label, known in releases().items() if name in known.applications]
        if elsewhere:
            hint = (
                f"it comes with {elsewhere[0]} to {elsewhere[-1]}"
                if len(elsewhere) > 1
                else f"only {elsewhere[0]} has it"
            )
        else:
            folded = {known.lower(): known for known in release.applications}
            close = difflib.get_close_matches(name.lower(), list(folded), n=1)
            hint = f"did you mean {folded[close[0]]}?" if close else f"it has {', '.join(release.applications)}"
        mistakes.append(f"{group}.applications holds {name}: {release.label} has no such application; {hint}")
    twice = sorted({name for name in settings.applications if settings.applications.count(name) > 1})
    if twice:
        mistakes.append(f"{group}.applications holds {', '.join(twice)} twice")
    return mistakes


def _version_mistakes(settings: ClusterSettings, release: Release, group: str) -> list[str]:
    mistakes: list[str] = []
    unmet = False
    for name, required in sorted(settings.required_versions.items()):
        key = f"{group}.requiredVersions.{name}"
        known = versions_known(name)
        if not known:
            mistakes.append(f"{key}: no release has an application or runtime of this name")
        elif not REQUIRED_VERSION.fullmatch(required):
            mistakes.append(
                f'{key} is "{required}": write the leading numbers that must agree, e.g. "3.3", '
                'or a version in full, e.g. "3.3.0-amzn-1"'
            )
        elif name not in RUNTIMES and name not in settings.applications:
            mistakes.append(f'{key} is "{required}", but {group}.applications does not hold {name}')
        elif not release.brings(name, required):
            unmet = True
            brought = release.versions.get(name)
            has = f"{release.label} brings {name} {brought}" if brought else f"{release.label} does not bring {name}"
            labels = tuple(other.label for other in releases_that_bring({name: required}))
            mistakes.append(f'{key} is "{required}": {has}; {_who_brings(name, required, labels)}')
    if unmet:
        mistakes.append(_together(settings, group))
    return mistakes


def _size_mistakes(settings: ClusterSettings, group: str) -> list[str]:
    """Nodes whose size is not known: Spark's sizes are computed from it."""
    mistakes: list[str] = []
    for name, workers in worker_groups(settings).items():
        try:
            node_size(workers, settings.applications)
        except UnknownSize as error:
            mistakes.append(f"{group}.{name}.{error}")
    return mistakes


def _who_brings(name: str, required: str, labels: tuple[str, ...]) -> str:
    if labels:
        return f"{name} {required} comes with {_enumerate(labels)}"
    wanted = version_components(required)
    # A component that is written short ("0.28" for 0.281) is the usual slip: show what starts alike.
    prefix = ".".join(str(part) for part in wanted)
    alike = [version for version in versions_known(name) if version.startswith(prefix)]
    hint = f" (versions compare by component: {prefix} is not {alike[0]})" if alike else ""
    return f"no release brings {name} {required}{hint}"


def _together(settings: ClusterSettings, group: str) -> str:
    """Which releases would do for all required versions and applications, under the rules."""
    wanted = _enumerate(tuple(f"{name} {version}" for name, version in sorted(settings.required_versions.items())))
    candidates = releases_that_bring(settings.required_versions, settings.applications)
    labels = tuple(known.label for known in candidates if not broken_rules(facts_of(settings, known)))
    if labels:
        return f"{group}.release: {_enumerate(labels)} would do for {wanted} and every application"
    known = tuple(releases())
    return f"{group}.release: no release from {known[0]} to {known[-1]} brings {wanted}" + (
        " together" if len(settings.required_versions) > 1 else ""
    )


def _told(rule: Rule, settings: ClusterSettings, group: str) -> str:
    return f"{group}.{rule.key} ({_values(settings)[rule.key]}) {rule.reason} [{rule.source}]"


def _support_mistakes(settings: ClusterSettings, today: date, group: str) -> list[str]:
    """A release at the end of its support is somebody's decision, written down with the day."""
    notice = support_notice(settings.release, today)
    if notice is None or not settings.must_acknowledge_end_of_support:
        return []
    period = support(settings.release)
    assert period is not None, "a notice comes of a period"
    ends = period.ends or period.standard_until
    if ends is None or settings.acknowledged_end_of_support == ends:
        return []
    said = settings.acknowledged_end_of_support.isoformat() if settings.acknowledged_end_of_support else "absent"
    return [
        f"{group}.acknowledgedEndOfSupport is {said}: {notice}; or write {ends.isoformat()} here, which says that you "
        "know [Amazon EMR Release Guide, Amazon EMR standard support]"
    ]


def warnings(settings: ClusterSettings, release: Release, today: date) -> tuple[str, ...]:
    """What a person should know about a cluster that is made all the same."""
    notice = support_notice(release.label, today)
    rules = broken_rules(facts_of(settings, release), warns=True)
    return (*([notice] if notice else []), *(_told(rule, settings, "cluster") for rule in rules))


def check(settings: ClusterSettings, project: str = "emr-pipeline", today: date | None = None) -> Release:
    """The release of a cluster, after everything about it that can be known was found to fit.

    Args:
        settings: The cluster.
        project: What keys begin with in messages.
        today: The day that the release's support is judged on; by default the present one.

    Raises:
        ConfigurationError: with one line a mistake: config key, value, reason and what would do.
    """
    group = f"{project}:cluster"
    release = releases().get(settings.release)
    if release is None:
        known = tuple(releases())
        raise ConfigurationError(
            f"{group}.release is {settings.release}: unknown release; nearest known: "
            f"{_enumerate(nearest_releases(settings.release))} (of {known[0]} to {known[-1]})"
        )
    mistakes = _application_mistakes(settings, release, group)
    mistakes += _version_mistakes(settings, release, group)
    mistakes += _support_mistakes(settings, today or datetime.now(UTC).date(), group)
    mistakes += _size_mistakes(settings, group)
    mistakes += [_told(rule, settings, group) for rule in broken_rules(facts_of(settings, release))]
    for name in ("core", "task"):
        instance_group = settings.core if name == "core" else settings.task
        limits = instance_group.scaling
        if limits is not None and not limits.minimum <= instance_group.instance_count <= limits.maximum:
            mistakes.append(
                f"{group}.{name}.instanceCount is {instance_group.instance_count}: it must lie between "
                f"{name}.scaling.minimum {limits.minimum} and maximum {limits.maximum}; EMR would resize it at once"
            )
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return release
