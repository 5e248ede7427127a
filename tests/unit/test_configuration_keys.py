"""Every key that the cluster sets is one that its application knows: looked up in the application's own classes.

Spark lies in the environment. Hadoop, Hive and Livy, of emr-6.9.0's versions, come from Maven Central, pinned by
hash; so does Presto in the versions next to 0.276, which is not there itself. EMR's own builds are nowhere to be had:
they add keys (`EMR_ONLY`), and are taken to keep those of the projects.
"""

from __future__ import annotations

import hashlib
import re
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyspark
import pytest

from components.cluster_configurations import Property, cluster_properties
from components.emr_release import releases
from components.spark_sizes import cluster_sizes
from settings import ClusterSettings, InstanceGroupSettings

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "maven"
SPARK_JARS = Path(pyspark.__file__).parent / "jars"
SPARK = ("spark-core_2.12-3.3.0", "spark-sql_2.12-3.3.0", "spark-catalyst_2.12-3.3.0", "spark-yarn_2.12-3.3.0")
MAVEN = {
    "org/apache/hadoop/hadoop-common-3.3.3": "bc5916f2b71caccd4dc3f92a7a87e62ed8fcd237567ef3633ae976e60b892b4e",
    "org/apache/hadoop/hadoop-hdfs-client-3.3.3": "7ca432609c37ab9625ffab0121e276730673aef5e3aca6f0de19253c913dc18c",
    "org/apache/hadoop/hadoop-mapreduce-client-core-3.3.3": (
        "5b37a190c62dd1fc77fb1e4ff62884eac81d7e573511c03c48687bcea249159f"
    ),
    "org/apache/hadoop/hadoop-yarn-common-3.3.3": "3420de69eeef9667fdea245b3eba2a84e6006f8df37fc5c7b53c1bd8d0f282aa",
    "org/apache/hadoop/hadoop-yarn-server-resourcemanager-3.3.3": (
        "37a76df9c7da9632a2ab3d54121dfc6d65d2587aa9a53908474f47e779ec80d2"
    ),
    "org/apache/hive/hive-common-3.1.3": "a39058a6028ad36a74f97639663c94d9d4c52d9d32fab31032270565d01424af",
    "org/apache/livy/livy-server-0.7.1-incubating": "9ff7a0959ccdd35022812e2f10114e930da1ac92a690693aafc884d4d5821ae1",
    "com/facebook/presto/presto-main-0.273": "d6ed7043d882e35d2da65a2a211089229e64570232fd3921faac492cfa29626b",
    "com/facebook/presto/presto-main-0.277": "bad4a6a8dc853387e91f4dcff65763a18d66576bf3b4f95ce084b2e12bc391f6",
    "com/facebook/presto/presto-hive-metastore-0.273": (
        "68ddd5f01c06d2571bfe2b72237856542c3d1641c6fed80257d911375b030d9f"
    ),
}
"""Jars of Maven Central: their place, version and SHA-256."""
WHERE = {
    "spark-defaults": SPARK,
    "spark-metrics": ("spark-core_2.12-3.3.0",),
    "core-site": ("org/apache/hadoop/hadoop-common-3.3.3",),
    "hdfs-site": ("org/apache/hadoop/hadoop-hdfs-client-3.3.3",),
    "yarn-site": ("org/apache/hadoop/hadoop-yarn-common-3.3.3",),
    "capacity-scheduler": ("org/apache/hadoop/hadoop-yarn-server-resourcemanager-3.3.3",),
    "hive-site": ("org/apache/hive/hive-common-3.1.3",),
    "livy-conf": ("org/apache/livy/livy-server-0.7.1-incubating",),
    # Tez hands its own configuration to Hadoop's SSLFactory (TEZ-4096).
    "tez-site": ("org/apache/hadoop/hadoop-common-3.3.3",),
    "presto-connector-hive": ("com/facebook/presto/presto-hive-metastore-0.273",),
    # On both sides of 0.276.
    "presto-config": ("com/facebook/presto/presto-main-0.273", "com/facebook/presto/presto-main-0.277"),
    # What spark-defaults holds under "spark.hadoop." goes to Hadoop.
    "hadoop": ("org/apache/hadoop/hadoop-common-3.3.3", "org/apache/hadoop/hadoop-mapreduce-client-core-3.3.3"),
}
"""Jars that know the keys of a classification."""
EVERY_JAR = {"presto-config"}
"""Classifications whose keys must be in each of these jars, not in one of them."""
AS_WRITTEN = {
    # Put together from parts when they are read; these are the parts.
    "yarn.scheduler.capacity.root.default.ordering-policy": ("ordering-policy",),
    "ssl.client.truststore.location": ("ssl.{0}.truststore.location",),
    "hadoop.proxyuser.livy.groups": ("hadoop.proxyuser", ".groups"),
    "hadoop.proxyuser.livy.hosts": ("hadoop.proxyuser", ".hosts"),
    "*.source.jvm.class": ("^source\\.(.+)\\.(.+)",),
    "*.sink.prometheusServlet.class": ("^sink\\.(.+)\\.(.+)",),
    "*.sink.prometheusServlet.path": ("^sink\\.(.+)\\.(.+)", "path"),
}
EMR_ONLY = {
    ("spark", "maximizeResourceAllocation"): "EMR Release Guide, Configure Spark, Using maximizeResourceAllocation",
    ("spark-hive-site", "hive.metastore.client.factory.class"): "EMR Release Guide, Use the Glue Data Catalog, Spark",
    ("hive-site", "hive.metastore.client.factory.class"): "EMR Release Guide, Use the Glue Data Catalog, Hive",
    (
        "spark-defaults",
        "spark.sql.parquet.fs.optimized.committer.optimization-enabled",
    ): "EMR Release Guide, Requirements for the EMRFS S3-optimized committer",
    (
        "yarn-site",
        "yarn.node-labels.am.default-node-label-expression",
    ): "EMR Management Guide, Understand node types (node labels on 6.x)",
}
"""Keys that only EMR's builds read, with their source."""

SPOT = InstanceGroupSettings(instance_type="m5.xlarge", instance_count=1, spot_bid_price="0.2")
PROPERTIES = [
    entry
    for settings in (ClusterSettings(), ClusterSettings(task=SPOT))
    for entry in cluster_properties(settings, releases()["emr-6.9.0"], cluster_sizes(settings))
]
KEYS = sorted({(entry.classification, entry.name) for entry in PROPERTIES})

pytestmark = pytest.mark.spark


def jar(name: str) -> Path:
    """A jar of the environment, or of Maven Central."""
    if name not in MAVEN:
        return SPARK_JARS / f"{name}.jar"
    group, _, file = name.rpartition("/")
    path = CACHE / f"{file}.jar"
    if not path.exists():
        parts = re.fullmatch(r"(?P<artifact>.+?)-(?P<version>\d.*)", file)
        assert parts is not None, f"{file} names no version"
        address = f"https://repo1.maven.org/maven2/{group}/{parts['artifact']}/{parts['version']}/{file}.jar"
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                content = answer.read()
        except (urllib.error.URLError, TimeoutError) as error:
            pytest.skip(f"Maven Central cannot be reached, so keys of {file} are not looked up: {error}")
        CACHE.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == MAVEN[name], f"{path} is not the jar that is pinned here"
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


def holds(name: str, written: str) -> bool:
    """Whether a class of a jar holds a text as a whole constant, or a ``*-default.xml`` as a name."""
    text = written.encode()
    constant = b"\x01" + len(text).to_bytes(2, "big") + text
    return constant in texts(name) or b"<name>" + text + b"</name>" in texts(name)


def known(classification: str, key: str) -> bool:
    """Whether what reads the classification reads the key."""
    if key.startswith("spark.hadoop."):
        classification, key = "hadoop", key.removeprefix("spark.hadoop.")
    enough = all if classification in EVERY_JAR else any
    return enough(all(holds(name, part) for part in AS_WRITTEN.get(key, (key,))) for name in WHERE[classification])


@pytest.mark.parametrize(("classification", "key"), KEYS)
def test_the_application_knows_the_key(classification: str, key: str) -> None:
    if (classification, key) in EMR_ONLY:
        assert classification not in WHERE or not known(classification, key), "it need not be an exception"
    else:
        assert known(classification, key), f"{classification}: nothing reads {key}; EMR would write it all the same"


@pytest.mark.parametrize(
    ("classification", "key"),
    [
        ("spark-defaults", "spark.dynamicAllocation.enable"),
        ("spark-defaults", "spark.hadoop.mapreduce.fileoutputcommitter.algorithm"),
        ("yarn-site", "yarn.log-aggregation.retain-second"),
        ("hive-site", "hive.server2.idle.session.timeouts"),
        ("presto-config", "query.max-execution-times"),
        ("livy-conf", "livy.impersonation"),
    ],
)
def test_a_key_that_is_nearly_right_is_found_out(classification: str, key: str) -> None:
    assert not known(classification, key), "the look-up would let every typo pass"


@pytest.mark.parametrize("entry", [entry for entry in PROPERTIES if entry.value.startswith("org.apache.spark.")])
def test_a_class_that_is_named_is_there(entry: Property) -> None:
    path = f"{entry.value.replace('.', '/')}.class"
    with zipfile.ZipFile(jar("spark-core_2.12-3.3.0")) as archive:
        assert path in archive.namelist(), f"{entry.name}: Spark would log an error and go on without it"


def test_no_exception_outlives_its_key() -> None:
    assert set(EMR_ONLY) <= set(KEYS)
