"""What does not go together on a cluster, and what a person is told about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.emr_compatibility import RULES, ClusterFacts, broken_rules, check, facts_of
from components.emr_release import releases
from settings import ClusterSettings, ConfigurationError, InstanceGroupSettings, ScalingSettings

DEFAULT = facts_of(ClusterSettings(), releases()["emr-6.9.0"])


def changed(release: str | None = None, *, also: tuple[str, ...] = (), without: str = "", **more: Any) -> ClusterFacts:
    """The default cluster with something changed."""
    return replace(
        DEFAULT,
        release=releases()[release or DEFAULT.release.label],
        applications=DEFAULT.applications.union(also) - {without},
        **more,
    )


BREAKING: dict[str, tuple[ClusterFacts, ClusterFacts]] = {
    # rule: (a cluster that breaks it, the nearest one that does not)
    "spark-is-installed": (changed(without="Spark"), changed()),
    "presto-or-trino": (changed(also=("Trino",)), changed("emr-6.11.0", also=("Trino",), without="Presto")),
    "kerberized-presto-release": (changed("emr-6.8.1"), changed("emr-6.8.1", without="Presto")),
    "kerberized-presto-tls": (changed(in_transit_encryption=False), changed(in_transit_encryption=True)),
    "kerberized-trino-release": (
        changed("emr-6.10.1", also=("Trino",), without="Presto"),
        changed("emr-6.11.0", also=("Trino",), without="Presto"),
    ),
    "kerberized-trino-tls": (
        changed("emr-6.11.0", also=("Trino",), without="Presto", in_transit_encryption=False),
        changed("emr-6.11.0", also=("Trino",), without="Presto"),
    ),
    "jupyterhub-without-kerberos": (changed(also=("JupyterHub",)), changed(also=("JupyterHub",), kerberos=None)),
    "enterprise-gateway-without-kerberos": (
        changed(also=("JupyterEnterpriseGateway",)),
        changed(also=("JupyterEnterpriseGateway",), kerberos=None),
    ),
    "hive-on-tez-trust-store": (
        changed("emr-6.9.1", properties=frozenset()),
        changed("emr-6.10.0", properties=frozenset()),
    ),
    "pig-on-tez-trust-store": (
        changed("emr-7.0.0", also=("Pig",), properties=frozenset()),
        changed("emr-7.1.0", also=("Pig",), properties=frozenset()),
    ),
    "three-primaries-external-kdc": (changed(primary_count=3), changed(primary_count=3, kerberos="ExternalKdc")),
    "metadata-service-release": (changed("emr-6.1.1"), changed("emr-6.1.1", minimum_metadata_version=1)),
    "log-encryption-release": (changed("emr-6.0.1"), changed("emr-6.0.1", log_encryption_key=False)),
    "graviton-release": (
        changed("emr-6.0.1", instance_types={"core": "m6g.xlarge"}),
        changed("emr-6.1.0", instance_types={"core": "m6g.xlarge"}),
    ),
}


def test_every_rule_has_a_cluster_that_breaks_it_and_one_that_does_not() -> None:
    assert set(BREAKING) == {rule.id for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES), "an id names one rule"


@pytest.mark.parametrize("rule", BREAKING)
def test_a_cluster_that_breaks_the_rule_is_found(rule: str) -> None:
    assert rule in {broken.id for broken in broken_rules(BREAKING[rule][0])}


@pytest.mark.parametrize("rule", BREAKING)
def test_the_nearest_cluster_that_keeps_the_rule_is_left_alone(rule: str) -> None:
    assert rule not in {broken.id for broken in broken_rules(BREAKING[rule][1])}


def test_the_default_cluster_breaks_nothing() -> None:
    assert broken_rules(DEFAULT) == ()
    assert check(ClusterSettings()).label == "emr-6.9.0"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_says_why_and_where_that_is_written(rule: Any) -> None:
    assert rule.source
    assert len(rule.reason) > 20


@pytest.mark.parametrize(
    ("instance_type", "arm"),
    [
        ("m6g.xlarge", True),
        ("r6gd.2xlarge", True),
        ("c7gn.large", True),
        ("a1.large", True),
        ("m5.xlarge", False),
        ("g4dn.xlarge", False),
        ("m6i.xlarge", False),
        ("r5.2xlarge", False),
        ("g5.xlarge", False),
    ],
)
def test_graviton_is_told_by_the_letter_after_the_generation(instance_type: str, arm: bool) -> None:
    facts = changed("emr-6.0.0", instance_types={"core": instance_type})
    assert ("graviton-release" in {rule.id for rule in broken_rules(facts)}) is arm


def mistakes(project: str = "emr-pipeline", **settings: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        check(ClusterSettings(**settings), project)
    return str(caught.value).splitlines()


def test_versions_that_no_release_brings_together_are_told_as_such() -> None:
    lines = mistakes(required_versions={"Spark": "3.3", "Presto": "0.281"})
    assert lines == [
        'emr-pipeline:cluster.requiredVersions.Presto is "0.281": emr-6.9.0 brings Presto 0.276-amzn-0; '
        "Presto 0.281 comes with emr-6.12.0, emr-6.13.0 and emr-6.14.0",
        "emr-pipeline:cluster.release: no release from emr-6.0.0 to emr-7.13.0 "
        "brings Presto 0.281 and Spark 3.3 together",
    ]


def test_a_version_written_short_is_told_what_it_is_not() -> None:
    lines = mistakes(required_versions={"Presto": "0.28"})
    assert "no release brings Presto 0.28 (versions compare by component: 0.28 is not 0.281-amzn-0)" in lines[0]


def test_a_mismatch_names_the_releases_that_would_do() -> None:
    lines = mistakes(required_versions={"Spark": "3.3.1", "Presto": "0.278"})
    assert lines[-1] == (
        "emr-pipeline:cluster.release: emr-6.10.0 and emr-6.10.1 would do for Presto 0.278 and Spark 3.3.1 "
        "and every application"
    )


def test_releases_that_break_a_rule_are_not_offered() -> None:
    lines = mistakes(required_versions={"Spark": "3.2"})
    assert "Spark 3.2 comes with emr-6.6.0 and emr-6.7.0" in lines[0]
    assert "no release" in lines[-1], "those releases have no Kerberized Presto, which the cluster installs"


def test_required_versions_that_the_release_brings_pass() -> None:
    versions = {"Spark": "3.3", "Hive": "3.1.3", "Presto": "0.276", "Python": "3.7"}
    assert check(ClusterSettings(required_versions=versions)).label == "emr-6.9.0"


def test_a_version_of_something_that_is_not_installed_is_a_mistake() -> None:
    (line,) = mistakes(required_versions={"Flink": "1.15"})
    assert "emr-pipeline:cluster.applications does not hold Flink" in line


def test_an_unknown_name_and_an_unreadable_version_are_mistakes() -> None:
    assert "no release has" in mistakes(required_versions={"Sparkle": "3.3"})[0]
    assert 'is ">=3.3": write the leading numbers' in mistakes(required_versions={"Spark": ">=3.3"})[0]


def test_an_unknown_release_is_answered_with_its_neighbours() -> None:
    (line,) = mistakes(release="emr-6.9.7")
    assert line.startswith("emr-pipeline:cluster.release is emr-6.9.7: unknown release")
    assert "emr-6.9.1 and emr-6.10.0" in line


def test_an_application_that_the_release_lacks_is_answered_with_where_it_comes_from() -> None:
    assert "did you mean Presto?" in mistakes(applications=("Spark", "presto"))[0]
    assert "it comes with emr-7.0.0 to emr-7.13.0" in mistakes(applications=("Spark", "AmazonCloudWatchAgent"))[0]


def test_an_application_named_twice_is_a_mistake() -> None:
    assert "holds Spark twice" in mistakes(applications=("Spark", "Spark"))[0]


def test_every_mistake_is_told_at_once_under_the_projects_name() -> None:
    lines = mistakes(
        "other",
        applications=("Spark", "Presto", "Trino", "JupyterHub"),
        required_versions={"Spark": "3.4"},
        core=InstanceGroupSettings(
            instance_type="m5.xlarge", instance_count=9, scaling=ScalingSettings(minimum=2, maximum=4)
        ),
    )
    assert all(line.startswith("other:cluster.") for line in lines)
    keys = ("requiredVersions.Spark", "Presto and Trino", "JupyterHub", "core.instanceCount is 9", "too old for Trino")
    for key in keys:
        assert any(key in line for line in lines), f"{key} is missing in {lines}"
