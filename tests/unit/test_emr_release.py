"""What releases bring, how versions compare, and when support ends."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.emr_release import (
    nearest_releases,
    release_differences,
    releases,
    releases_that_bring,
    support,
    support_notice,
    version_components,
    version_fits,
)
from settings import ClusterSettings
from tools.deploy import DeployError, check_release

EMR_6_9_0 = {
    "Hadoop": "3.3.3-amzn-1",
    "Spark": "3.3.0-amzn-1",
    "Hive": "3.1.3-amzn-2",
    "HCatalog": "3.1.3-amzn-2",
    "Tez": "0.10.2-amzn-0",
    "Presto": "0.276-amzn-0",
    "Trino": "398-amzn-0",
    "Livy": "0.7.1-incubating",
    "JupyterEnterpriseGateway": "2.6.0",
    "JupyterHub": "1.4.1",
    "Hudi": "0.12.1-amzn-0",
    "Python": "2.7, 3.7",
    "Scala": "2.12.15",
}
"""From the release page of emr-6.9.0, typed anew."""


@pytest.mark.parametrize(("name", "version"), EMR_6_9_0.items())
def test_the_table_says_of_the_default_release_what_its_page_says(name: str, version: str) -> None:
    assert releases()["emr-6.9.0"].versions[name] == version


def test_the_table_holds_every_release_from_6_0_0_to_7_13_0_oldest_first() -> None:
    labels = tuple(releases())
    assert (labels[0], labels[-1]) == ("emr-6.0.0", "emr-7.13.0")
    assert len(labels) == 38
    assert labels.index("emr-6.9.1") + 1 == labels.index("emr-6.10.0"), "numbers are compared as numbers"


def test_trino_bears_the_name_that_emr_takes() -> None:
    assert "PrestoSQL" in releases()["emr-6.3.1"].applications, "EMR knew Trino as PrestoSQL before 6.4.0"
    assert "Trino" in releases()["emr-6.4.0"].applications


def test_runtimes_cannot_be_installed() -> None:
    for name in ("Python", "Scala", "AWS SDK for Java"):
        assert name in releases()["emr-6.9.0"].versions
        assert name not in releases()["emr-6.9.0"].applications, f"{name} is no application to EMR"


@pytest.mark.parametrize(
    ("required", "brought", "fits"),
    [
        ("3.3", "3.3.0-amzn-1", True),
        ("3", "3.3.0-amzn-1", True),
        ("3.3.0", "3.3.0-amzn-1", True),
        ("3.3.0-amzn-1", "3.3.0-amzn-1", True),
        ("3.3.0-amzn-0", "3.3.0-amzn-1", False),
        ("3.3.1", "3.3.0-amzn-1", False),
        ("3.30", "3.3.0-amzn-1", False),
        ("3.3.0.1", "3.3.0-amzn-1", False),
        ("0.28", "0.281-amzn-0", False),
        ("0.281", "0.281-amzn-0", True),
        ("0.2", "0.276-amzn-0", False),
        ("0.278", "0.278.1-amzn-0", True),
        ("39", "398-amzn-0", False),
        ("0.7.1", "0.7.1-incubating", True),
        ("5.0", "5.0.0-HBase-2.0", True),
        ("3.7", "2.7, 3.7", True),
        ("2", "2.7, 3.7", True),
        ("3.1", "3.9, 3.11", False),
        ("amzn", "3.3.0-amzn-1", False),
    ],
)
def test_versions_compare_by_component(required: str, brought: str, fits: bool) -> None:
    assert version_fits(required, brought) is fits


@settings(deadline=None)
@given(
    components=st.lists(st.integers(0, 999), min_size=1, max_size=4),
    build=st.sampled_from(["", "-amzn-1", "-incubating", "-SNAPSHOT"]),
    data=st.data(),
)
def test_a_version_fits_its_own_beginnings_and_no_longer_number(
    components: list[int], build: str, data: st.DataObject
) -> None:
    brought = ".".join(map(str, components)) + build
    length = data.draw(st.integers(1, len(components)))
    beginning = components[:length]
    assert version_fits(".".join(map(str, beginning)), brought)
    longer = [*beginning[:-1], beginning[-1] * 10 + data.draw(st.integers(1, 9))]
    assert not version_fits(".".join(map(str, longer)), brought), "a number with one more digit is another number"


def test_what_follows_the_numbers_of_a_version_is_not_compared() -> None:
    assert version_components("0.9.0-SNAPSHOT") == (0, 9, 0)
    assert version_components("snapshot") == ()


def test_spark_3_3_and_a_presto_of_0_28x_come_with_no_release() -> None:
    for presto in ("0.28", "0.281", "0.283", "0.284", "0.285", "0.287"):
        assert releases_that_bring({"Spark": "3.3", "Presto": presto}) == ()
    assert releases_that_bring({"Presto": "0.28"}) == (), "0.28 is no short form of 0.281"
    assert [release.label for release in releases_that_bring({"Presto": "0.281"})] == [
        "emr-6.12.0",
        "emr-6.13.0",
        "emr-6.14.0",
    ]


def test_releases_are_found_by_their_applications_too() -> None:
    with_gateway = releases_that_bring({"Presto": "0.2"}, ["JupyterEnterpriseGateway"])
    assert with_gateway == (), "0.2 is no version of Presto that any release brings"
    assert releases_that_bring({}, ["AmazonCloudWatchAgent"])[0].label == "emr-7.0.0"


def test_the_neighbours_of_an_unknown_release_are_the_nearest() -> None:
    assert nearest_releases("emr-6.9.5") == ("emr-6.9.1", "emr-6.10.0")
    assert nearest_releases("emr-5.36.0") == ("emr-6.0.0",)
    assert nearest_releases("emr-9.0.0") == ("emr-7.13.0",)


@pytest.mark.parametrize(
    ("label", "today", "expected"),
    [
        ("emr-6.9.0", date(2026, 1, 1), None),
        ("emr-6.9.0", date(2026, 3, 4), None),
        ("emr-6.9.0", date(2026, 3, 5), "leaves standard support on 2026-08-31"),
        ("emr-6.9.0", date(2026, 8, 31), "leaves standard support on 2026-08-31"),
        ("emr-6.9.0", date(2026, 9, 1), "only critical fixes, on request, until 2027-06-30"),
        ("emr-6.9.1", date(2027, 6, 30), "until 2027-06-30"),
        ("emr-6.9.0", date(2027, 7, 1), "no support since 2027-06-30"),
        ("emr-7.10.0", date(2027, 1, 1), None),
        ("emr-7.0.0", date(2027, 8, 1), "loses all support on 2027-08-31"),
        ("emr-7.13.0", date(2026, 11, 23), None),
        ("emr-7.13.0", date(2028, 4, 21), "left standard support on 2028-04-20"),
        ("emr-6.15.0", date(2040, 1, 1), None),
    ],
)
def test_support_is_told_of_by_the_day(label: str, today: date, expected: str | None) -> None:
    notice = support_notice(label, today)
    if expected is None:
        assert notice is None, "a warning that always shows is read by nobody"
    else:
        assert notice is not None
        assert label in notice
        assert expected in notice
        assert "cluster.release" in notice, "the warning names what to change"


def test_support_is_known_for_a_series_not_beside_it() -> None:
    assert support("emr-6.10.0") is None, "6.10 is not in 6.9's series, though '6.1' sorts before '6.9'"
    period = support("emr-6.9.1")
    assert period is not None
    assert period.ends == date(2027, 6, 30)


def test_the_page_about_the_cluster_tells_the_tables_versions() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "cluster.md").read_text()
    heading, _, *rows = re.search(r"\| \| emr-6.*?(?=\n\n)", text, re.DOTALL).group().splitlines()  # pyright: ignore[reportOptionalMemberAccess]
    labels = [cell.strip() for cell in heading.strip("| ").split("|")]
    assert labels == ["emr-6.9.0", "emr-6.15.0", "emr-7.13.0"]
    for row in rows:
        name, *versions = [cell.strip() for cell in row.strip("| ").split("|")]
        told = [releases()[label].versions[name] for label in labels]
        assert versions == told, f"{name} is told wrong to whoever plans the move"


def test_what_aws_says_otherwise_of_a_release_is_told() -> None:
    told = {"spark": "3.3.0", "hive": "3.1.3", "presto": "0.277"}
    assert release_differences("emr-6.9.0", ["Spark", "Hive"], told) == [], "names in any case, versions without build"
    assert release_differences("emr-6.9.0", ["Presto", "Tez"], told) == [
        "emr-6.9.0 brings Presto 0.277 in this region, and 0.276-amzn-0 by the table here",
        "emr-6.9.0 has no Tez in this region",
    ]


class Emr:
    """EMR's answer about a release."""

    def __init__(self, **versions: str) -> None:
        self.versions = versions

    def describe_release_label(self, ReleaseLabel: str) -> dict[str, Any]:
        return {"Applications": [{"Name": name, "Version": version} for name, version in self.versions.items()]}


def test_a_deployment_stops_where_the_region_has_another_release() -> None:
    cluster = ClusterSettings(applications=("Spark",))
    check_release(cluster, Emr(spark="3.3.0"))
    with pytest.raises(DeployError, match=r"nothing was done: emr-6\.9\.0 brings Spark 3\.4\.1"):
        check_release(cluster, Emr(spark="3.4.1"))
    with pytest.raises(DeployError, match=r"has no Spark in this region"):
        check_release(cluster, Emr())
