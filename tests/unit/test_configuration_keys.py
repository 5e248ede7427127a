"""Every key that the cluster sets is one that its application knows: looked up in the application's own classes.

Spark and its Hadoop client lie in the environment. The rest of Hadoop, of emr-6.9.0's version, comes from Maven
Central, pinned by hash.
"""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyspark
import pytest

from components.cluster_configurations import cluster_properties
from components.emr_release import releases
from settings import ClusterSettings, InstanceGroupSettings

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "maven"
SPARK_JARS = Path(pyspark.__file__).parent / "jars"
SPARK = ("spark-core_2.12-3.3.0", "spark-sql_2.12-3.3.0", "spark-catalyst_2.12-3.3.0", "spark-yarn_2.12-3.3.0")
HADOOP = {
    "hadoop-hdfs-client-3.3.3": "7ca432609c37ab9625ffab0121e276730673aef5e3aca6f0de19253c913dc18c",
    "hadoop-yarn-common-3.3.3": "3420de69eeef9667fdea245b3eba2a84e6006f8df37fc5c7b53c1bd8d0f282aa",
    "hadoop-yarn-server-resourcemanager-3.3.3": "37a76df9c7da9632a2ab3d54121dfc6d65d2587aa9a53908474f47e779ec80d2",
}
WHERE = {
    "spark-defaults": SPARK,
    "hdfs-site": ("hadoop-hdfs-client-3.3.3",),
    "yarn-site": ("hadoop-yarn-common-3.3.3",),
    "capacity-scheduler": ("hadoop-yarn-server-resourcemanager-3.3.3",),
    "tez-site": ("hadoop-client-api-3.3.2",),
}
"""Jars that know the keys of a classification."""
AS_WRITTEN = {
    # Put together from parts when they are read; this is the part that names the setting.
    "yarn.scheduler.capacity.root.default.ordering-policy": "ordering-policy",
    "ssl.client.truststore.location": "ssl.{0}.truststore.location",
}
EMR_ONLY = {
    ("spark", "maximizeResourceAllocation"): "EMR Release Guide, Configure Spark, Using maximizeResourceAllocation",
    ("spark-hive-site", "hive.metastore.client.factory.class"): "EMR Release Guide, Use the Glue Data Catalog, Spark",
    ("hive-site", "hive.metastore.client.factory.class"): "EMR Release Guide, Use the Glue Data Catalog, Hive",
    (
        "yarn-site",
        "yarn.node-labels.am.default-node-label-expression",
    ): "EMR Management Guide, Understand node types (node labels on 6.x)",
    ("presto-connector-hive", "hive.metastore"): "EMR Release Guide, Use Presto with the Glue Data Catalog",
}
"""Keys that EMR or an application outside Maven Central's Hadoop and Spark reads, with their source."""

SPOT = InstanceGroupSettings(instance_type="m5.xlarge", instance_count=1, spot_bid_price="0.2")
KEYS = sorted(
    {
        (entry.classification, entry.name)
        for settings in (ClusterSettings(), ClusterSettings(task=SPOT))
        for entry in cluster_properties(settings, releases()["emr-6.9.0"])
    }
)

pytestmark = pytest.mark.spark


def jar(name: str) -> Path:
    """A jar of the environment, or of Maven Central."""
    if name not in HADOOP:
        return SPARK_JARS / f"{name}.jar"
    path = CACHE / f"{name}.jar"
    if not path.exists():
        artifact, _, version = name.rpartition("-")
        address = f"https://repo1.maven.org/maven2/org/apache/hadoop/{artifact}/{version}/{name}.jar"
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                content = answer.read()
        except (urllib.error.URLError, TimeoutError) as error:
            pytest.skip(f"Maven Central cannot be reached, so Hadoop's keys are not looked up: {error}")
        CACHE.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == HADOOP[name], f"{path} is not the jar that is pinned here"
    return path


@cache
def texts(name: str) -> bytes:
    """Classes and defaults of a jar, one after the other."""

    def parts() -> Iterator[bytes]:
        with zipfile.ZipFile(jar(name)) as archive:
            for entry in archive.namelist():
                if entry.endswith(("-default.xml", ".class")):
                    yield archive.read(entry)

    return b"\0".join(parts())


def known(classification: str, key: str) -> bool:
    """Whether a class holds the key as a whole constant, or a ``*-default.xml`` as a name."""
    written = AS_WRITTEN.get(key, key).encode()
    constant = len(written).to_bytes(2, "big") + written
    return any(
        b"\x01" + constant in texts(name) or b"<name>" + written + b"</name>" in texts(name)
        for name in WHERE[classification]
    )


@pytest.mark.parametrize(("classification", "key"), KEYS)
def test_the_application_knows_the_key(classification: str, key: str) -> None:
    if (classification, key) in EMR_ONLY:
        assert classification not in WHERE or not known(classification, key), "it need not be an exception"
    else:
        assert known(classification, key), f"{classification}: nothing reads {key}; EMR would write it all the same"


@pytest.mark.parametrize(
    ("classification", "key"),
    [("spark-defaults", "spark.dynamicAllocation.enable"), ("yarn-site", "yarn.log-aggregation.retain-second")],
)
def test_a_key_that_is_nearly_right_is_found_out(classification: str, key: str) -> None:
    assert not known(classification, key), "the look-up would let every typo pass"


def test_no_exception_outlives_its_key() -> None:
    assert set(EMR_ONLY) <= set(KEYS)
