"""Configuration classifications: what is set, for which applications, and what is left to EMR."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.cluster_configurations import Property, cluster_properties, configurations
from components.emr_release import releases
from components.spark_sizes import cluster_sizes
from settings import ClusterSettings, InstanceGroupSettings

CORE: dict[str, Any] = {"instanceType": "m5.xlarge"}
DEFAULT = cluster_properties(ClusterSettings(), releases()["emr-6.9.0"], cluster_sizes(ClusterSettings()))


def rendered(release: str = "emr-6.9.0", **settings: Any) -> dict[str, dict[str, str]]:
    """Properties by classification."""
    cluster = ClusterSettings.model_validate(settings)
    properties = cluster_properties(cluster, releases()[release], cluster_sizes(cluster))
    return {entry["Classification"]: entry["Properties"] for entry in configurations(properties)}


def test_every_value_is_text() -> None:
    for classification, properties in rendered().items():
        for name, value in properties.items():
            assert isinstance(value, str), f"{classification} {name}: EMR takes text only"


def test_every_property_says_why() -> None:
    for entry in DEFAULT:
        assert len(entry.reason) > 30, f"{entry.classification} {entry.name}"


def test_the_document_is_sorted_and_bare() -> None:
    document = configurations(DEFAULT)
    names = [entry["Classification"] for entry in document]
    assert names == sorted(names), "the order must not depend on the program's"
    assert all(set(entry) == {"Classification", "Properties"} for entry in document)
    assert json.loads(json.dumps(document)) == document


def test_spark_hive_and_presto_share_the_glue_data_catalog() -> None:
    found = rendered()
    factory = "com.amazonaws.glue.catalog.metastore.AWSGlueDataCatalogHiveClientFactory"
    assert found["spark-hive-site"]["hive.metastore.client.factory.class"] == factory
    assert found["hive-site"]["hive.metastore.client.factory.class"] == factory
    assert found["presto-connector-hive"]["hive.metastore"] == "glue"
    assert "trino-connector-hive" not in found


def test_only_installed_applications_are_configured() -> None:
    found = rendered(applications=("Hadoop", "Spark"))
    absent = {"hive-site", "presto-connector-hive", "presto-config", "tez-site", "livy-conf", "core-site"}
    assert not absent & set(found), "files of absent applications"
    trino = rendered("emr-6.11.0", applications=("Spark", "Trino"))
    assert trino["trino-connector-hive"] == {"hive.metastore": "glue"}
    assert trino["trino-config"] == {"query.max-execution-time": "4h"}


def test_a_change_of_a_running_cluster_changes_no_configuration() -> None:
    """Configurations are part of what a cluster is made of: one that follows scaling makes a new cluster of it."""
    usual = rendered(core={"instance_type": "m5.xlarge", "instance_count": 4})
    changes: list[dict[str, Any]] = [
        {"step_concurrency": 32},
        {"core": {"instance_type": "m5.xlarge", "instance_count": 20}},
        {"core": {"instance_type": "m5.xlarge", "instance_count": 4, "scaling": {"minimum": 4, "maximum": 90}}},
        {"task": {"instance_type": "m5.xlarge", "instance_count": 0, "scaling": {"minimum": 0, "maximum": 90}}},
    ]
    for change in changes:
        same: dict[str, Any] = {"core": {"instance_type": "m5.xlarge", "instance_count": 4}} | change
        assert rendered(**same) == usual, f"{change} would replace the cluster"


def test_spark_takes_its_sizes_from_the_instance_types() -> None:
    found = rendered(
        core={"instance_type": "r5.2xlarge", "instance_count": 4},
        task={"instance_type": "r5.2xlarge", "instance_count": 2},
    )["spark-defaults"]
    assert {key: value for key, value in found.items() if "memory" in key or "cores" in key} == {
        "spark.executor.cores": "4",
        "spark.executor.memory": "24144m",
        "spark.executor.memoryOverhead": "4528m",
        "spark.driver.memory": "6898m",
        "spark.driver.memoryOverhead": "1294m",
    }
    assert found["spark.default.parallelism"] == "64"
    assert found["spark.sql.shuffle.partitions"] == "400"
    assert found["spark.dynamicAllocation.maxExecutors"] == "50"


def test_event_logs_stay_on_encrypted_volumes_and_the_history_server_finds_them() -> None:
    found = rendered()["spark-defaults"]
    assert found["spark.eventLog.enabled"] == "true"
    assert found["spark.eventLog.dir"].startswith("hdfs:///"), "nodes may not read the logs bucket"
    assert found["spark.history.fs.logDirectory"] == found["spark.eventLog.dir"]
    assert found["spark.history.fs.cleaner.enabled"] == "true", "a persistent cluster's HDFS would fill"


def test_parquet_is_committed_without_renames() -> None:
    """Every condition of the EMRFS S3-optimized committer that a default could break (EMR Release Guide)."""
    found = rendered()["spark-defaults"]
    assert found["spark.sql.parquet.fs.optimized.committer.optimization-enabled"] == "true"
    assert found["spark.sql.sources.partitionOverwriteMode"] == "static", "dynamic overwriting renames"
    for name in ("spark.sql.parquet.output.committer.class", "spark.sql.sources.commitProtocolClass"):
        assert name not in found, f"{name} is EMR's own, and another one switches the committer off"
    assert found["spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version"] == "1", "2 publishes failed jobs"


def test_a_session_of_livy_is_its_callers() -> None:
    found = rendered()
    assert found["livy-conf"]["livy.impersonation.enabled"] == "true"
    assert found["core-site"] == {"hadoop.proxyuser.livy.groups": "*", "hadoop.proxyuser.livy.hosts": "*"}


@pytest.mark.parametrize(
    ("release", "needed"),
    [("emr-6.8.1", False), ("emr-6.9.0", True), ("emr-6.10.0", True), ("emr-7.2.0", True), ("emr-7.3.0", False)],
)
def test_tez_finds_the_trust_store_where_it_does_not_by_itself(release: str, needed: bool) -> None:
    properties = rendered(release).get("tez-site", {})
    assert ("ssl.client.truststore.location" in properties) is needed
    if needed:
        assert properties["ssl.client.truststore.location"] == "/usr/share/aws/emr/security/conf/truststore.jks"


def test_hive_keeps_tez() -> None:
    assert "hive.execution.engine" not in rendered()["hive-site"]


def test_what_emr_sets_from_the_security_configuration_is_not_repeated() -> None:
    text = json.dumps(rendered())
    for name in (
        "spark.authenticate",
        "spark.network.crypto",
        "spark.ssl",
        "hadoop.rpc.protection",
        "dfs.encrypt",
        "hadoop.ssl.hostname.verifier",
        "kerberos",
        "password",
    ):
        assert name not in text, f"{name} is EMR's to set: a copy of it goes stale"


@pytest.mark.parametrize(
    ("settings", "replication"),
    [
        ({"core": CORE | {"instanceCount": 1}}, "1"),
        ({"core": CORE | {"instanceCount": 2}}, "2"),
        ({"core": CORE | {"instanceCount": 12}}, "2"),
        ({"core": CORE | {"instanceCount": 4, "scaling": {"minimum": 1, "maximum": 8}}}, "1"),
        ({"core": CORE | {"instanceCount": 12}, "hdfsReplication": 3}, "3"),
    ],
)
def test_blocks_have_two_copies_where_two_nodes_are_sure(settings: dict[str, Any], replication: str) -> None:
    assert rendered(**settings)["hdfs-site"]["dfs.replication"] == replication, "or a grown group is another cluster"


def test_drivers_stay_off_spot_instances() -> None:
    spot = InstanceGroupSettings(instance_type="m5.xlarge", instance_count=1, spot_bid_price="0.2")
    assert rendered(task=spot)["yarn-site"]["yarn.node-labels.am.default-node-label-expression"] == "CORE"
    assert not [name for name in rendered()["yarn-site"] if "node-labels" in name], "on-demand nodes need no labels"


def test_steps_share_the_cluster() -> None:
    found = rendered()
    assert found["spark"]["maximizeResourceAllocation"] == "false"
    assert found["capacity-scheduler"]["yarn.scheduler.capacity.root.default.ordering-policy"] == "fair"


def test_a_property_that_is_set_twice_is_refused() -> None:
    twice = [Property("spark", "a", "1", "for the test"), Property("spark", "a", "2", "for the test")]
    with pytest.raises(ValueError, match="spark: a is set twice"):
        configurations(twice)
