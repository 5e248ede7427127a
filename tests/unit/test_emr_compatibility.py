"""What does not go together on a cluster, and what a person is told about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from components.emr_compatibility import RULES, ClusterFacts, broken_rules, check, facts_of, warnings
from components.emr_release import releases
from settings import (
    ClusterSettings,
    ConfigurationError,
    ExternalKdcSettings,
    InstanceGroupSettings,
    KerberosSettings,
    ManagedScalingSettings,
    ScalingSettings,
)

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
    "three-primaries-protection": (
        changed(primary_count=3, kerberos="ExternalKdc", termination_protection=False),
        changed(primary_count=3, kerberos="ExternalKdc"),
    ),
    "managed-or-custom-scaling": (changed(managed_scaling=True), changed(managed_scaling=True, custom_scaling=False)),
    "managed-scaling-sees-yarn-only": (
        changed(managed_scaling=True, custom_scaling=False),
        changed(managed_scaling=True, custom_scaling=False, without="Presto"),
    ),
    "core-scale-in-above-replication": (
        changed(core_scale_in=True, core_minimum=2, replication=2),
        changed(core_scale_in=True, core_minimum=3, replication=2),
    ),
    "persistent-without-auto-termination": (changed(auto_termination=True), changed()),
    "burstable-types": (
        changed(instance_types={"task": "t3.xlarge"}),
        changed(instance_types={"task": "trn1.2xlarge"}),
    ),
    "one-architecture": (
        changed(instance_types={"core": "m6g.xlarge", "task": "m5.xlarge"}),
        changed(instance_types={"core": "m6g.xlarge", "task": "r7gd.xlarge"}),
    ),
    "metadata-service-release": (changed("emr-6.1.1"), changed("emr-6.1.1", minimum_metadata_version=1)),
    "log-encryption-release": (changed("emr-6.0.1"), changed("emr-6.0.1", log_encryption_key=False)),
    "graviton-release": (
        changed("emr-6.0.1", instance_types={"core": "m6g.xlarge"}),
        changed("emr-6.1.0", instance_types={"core": "m6g.xlarge"}),
    ),
}


def broken_by(facts: ClusterFacts) -> set[str]:
    return {rule.id for warns in (False, True) for rule in broken_rules(facts, warns=warns)}


def test_every_rule_has_a_cluster_that_breaks_it_and_one_that_does_not() -> None:
    assert set(BREAKING) == {rule.id for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES), "an id names one rule"


@pytest.mark.parametrize("rule", BREAKING)
def test_a_cluster_that_breaks_the_rule_is_found(rule: str) -> None:
    assert rule in broken_by(BREAKING[rule][0])


@pytest.mark.parametrize("rule", BREAKING)
def test_the_nearest_cluster_that_keeps_the_rule_is_left_alone(rule: str) -> None:
    assert rule not in broken_by(BREAKING[rule][1])


def test_the_default_cluster_breaks_nothing() -> None:
    assert broken_by(DEFAULT) == set()
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


# --- end of support, which somebody must have read

LEFT = date(2026, 9, 1)


def test_a_release_out_of_support_stops_where_that_must_be_acknowledged() -> None:
    settings = ClusterSettings(must_acknowledge_end_of_support=True)
    with pytest.raises(ConfigurationError) as caught:
        check(settings, today=LEFT)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("emr-pipeline:cluster.acknowledgedEndOfSupport is absent: emr-6.9.0 left standard support")
    assert "write 2027-06-30 here" in line, "the remedy is in the message"


def test_another_day_than_the_releases_acknowledges_nothing() -> None:
    settings = ClusterSettings(must_acknowledge_end_of_support=True, acknowledged_end_of_support=date(2026, 8, 31))
    with pytest.raises(ConfigurationError, match="is 2026-08-31"):
        check(settings, today=LEFT)


def test_the_acknowledged_release_goes_on_under_a_warning() -> None:
    settings = ClusterSettings(must_acknowledge_end_of_support=True, acknowledged_end_of_support=date(2027, 6, 30))
    release = check(settings, today=LEFT)
    (warning,) = warnings(settings, release, LEFT)
    assert "2027-06-30" in warning, "an acknowledged end comes all the same"


def test_a_supported_release_needs_no_acknowledgement() -> None:
    assert check(ClusterSettings(must_acknowledge_end_of_support=True), today=date(2025, 1, 1)).label == "emr-6.9.0"
    assert warnings(ClusterSettings(), releases()["emr-6.9.0"], date(2025, 1, 1)) == ()


# --- moving on: one setting


@pytest.mark.parametrize("label", [label for label, known in releases().items() if not known.before("6.9.0")])
def test_every_release_from_the_default_on_is_a_change_of_one_setting(label: str) -> None:
    release = check(ClusterSettings(release=label), today=date(2025, 1, 1))
    assert release.label == label, "nothing but the label had to change for a cluster that fits"
    assert broken_rules(facts_of(ClusterSettings(release=label), release)) == ()


def test_required_versions_say_what_moving_on_would_change() -> None:
    lines = mistakes(release="emr-7.13.0", required_versions={"Spark": "3.3", "Hive": "3.1.3", "Presto": "0.276"})
    assert 'requiredVersions.Presto is "0.276": emr-7.13.0 brings Presto 0.287-amzn-7' in lines[0]
    assert 'requiredVersions.Spark is "3.3": emr-7.13.0 brings Spark 3.5.6-amzn-2' in lines[1]
    assert "emr-6.9.0 and emr-6.9.1 would do" in lines[2]


# --- rules that settings can break


KDC = ExternalKdcSettings(
    realm="EXAMPLE.COM",
    admin_server="kdc.example.com",
    kdc_server="kdc.example.com",
    administrator_password_secret="kdc",
)
THREE = InstanceGroupSettings(instance_type="m5.xlarge", instance_count=3)
FIXED = InstanceGroupSettings(instance_type="m5.xlarge", instance_count=1)


def test_three_primaries_need_an_external_kdc_and_protection() -> None:
    (line,) = mistakes(primary=THREE)
    assert "cluster.primary.instanceCount (3) is 3: a KDC of the cluster's own" in line
    (line,) = mistakes(primary=THREE, kerberos=KerberosSettings(external_kdc=KDC), termination_protection=False)
    assert "cluster.terminationProtection (false)" in line
    assert check(ClusterSettings(primary=THREE, kerberos=KerberosSettings(external_kdc=KDC))).label == "emr-6.9.0"


def test_managed_scaling_takes_the_place_of_custom_scaling() -> None:
    managed = ManagedScalingSettings(minimum=2, maximum=10)
    (line,) = mistakes(managed_scaling=managed)
    assert "cluster.managedScaling (2 to 10 nodes)" in line
    assert "task has one by default" in line, "whoever did not write it must learn where it comes from"
    settings = ClusterSettings(managed_scaling=managed, task=FIXED)
    (warning,) = warnings(settings, check(settings), date(2025, 1, 1))
    assert "looks at YARN alone" in warning


@pytest.mark.parametrize(("count", "minimum", "works"), [(3, 2, False), (3, 3, True), (12, 3, True), (4, 4, True)])
def test_core_nodes_leave_only_where_blocks_find_another_place(count: int, minimum: int, works: bool) -> None:
    core = InstanceGroupSettings(
        instance_type="m5.xlarge", instance_count=count, scaling=ScalingSettings(minimum=minimum, maximum=12)
    )
    if works:
        assert check(ClusterSettings(core=core, core_scale_in=True)).label == "emr-6.9.0"
    else:
        (line,) = mistakes(core=core, core_scale_in=True)
        assert f"cluster.core.scaling.minimum ({minimum})" in line
