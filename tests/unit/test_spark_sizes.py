"""Spark's sizes follow from the instance types, and what they promise holds on every type that is known."""

from __future__ import annotations

from itertools import combinations_with_replacement
from pathlib import Path

import pytest
import yaml

from components import emr_compatibility
from components.spark_sizes import (
    YARN_MEMORY_MIB,
    NodeSize,
    SparkSizes,
    UnknownSize,
    cluster_sizes,
    executor_cores,
    node_size,
    spark_sizes,
)
from settings import ClusterSettings, ConfigurationError, InstanceGroupSettings

ROOT = Path(__file__).resolve().parents[2]
KNOWN = {kind: node_size(InstanceGroupSettings(instance_type=kind)) for kind in YARN_MEMORY_MIB}
DISTINCT = sorted(set(KNOWN.values()), key=lambda node: (node.vcpus, node.yarn_memory_mib))


def executor(sizes: SparkSizes) -> int:
    return sizes.executor_memory_mib + sizes.executor_overhead_mib


def driver(sizes: SparkSizes) -> int:
    return sizes.driver_memory_mib + sizes.driver_overhead_mib


@pytest.mark.parametrize("kind", YARN_MEMORY_MIB)
def test_a_node_is_filled_by_its_executors(kind: str) -> None:
    node = KNOWN[kind]
    sizes = spark_sizes([node])
    most = node.vcpus // sizes.executor_cores
    assert most * executor(sizes) <= node.yarn_memory_mib, f"{kind}: YARN would place fewer"
    assert node.yarn_memory_mib - most * executor(sizes) < 32 * most + most, f"{kind}: memory lies idle"
    assert node.vcpus - most * sizes.executor_cores < sizes.executor_cores, f"{kind}: vCPUs lie idle"


@pytest.mark.parametrize("kind", YARN_MEMORY_MIB)
def test_a_driver_and_an_executor_fit_on_one_node(kind: str) -> None:
    sizes = spark_sizes([KNOWN[kind]])
    assert driver(sizes) + executor(sizes) <= KNOWN[kind].yarn_memory_mib, "a cluster of one core node would hang"
    assert 1 + sizes.executor_cores <= KNOWN[kind].vcpus


def test_drivers_of_two_steps_fit_in_the_half_that_drivers_may_use() -> None:
    small = {kind for kind, node in KNOWN.items() if 2 * driver(spark_sizes([node])) > node.yarn_memory_mib // 2}
    assert all(KNOWN[kind].yarn_memory_mib < 8192 for kind in small), "only nodes below 8 GiB carry one"


def test_mixed_groups_get_sizes_that_fit_both() -> None:
    for nodes in combinations_with_replacement(DISTINCT, 2):
        sizes = spark_sizes(nodes)
        for node in nodes:
            threads = node.vcpus // sizes.executor_cores
            assert threads * executor(sizes) <= node.yarn_memory_mib, f"{nodes}: an executor a few threads too large"


@pytest.mark.parametrize("kind", YARN_MEMORY_MIB)
def test_sizes_stay_in_their_bounds(kind: str) -> None:
    sizes = spark_sizes([KNOWN[kind]])
    assert 1 <= sizes.executor_cores <= 4
    assert sizes.executor_overhead_mib >= 384, "Spark asks as much at least"
    assert sizes.executor_memory_mib >= 1024
    assert driver(sizes) <= min(8192, executor(sizes))
    assert 200 <= sizes.shuffle_partitions <= 2000, "beyond, Spark knows partitions' sizes only roughly"


@pytest.mark.parametrize(
    ("kind", "cores", "memory", "drivers", "partitions"),
    [
        ("m5.xlarge", 2, 5173, 2586, 200),  # the default, development, the sandbox
        ("r5.2xlarge", 4, 24144, 6898, 400),  # production's workers
        ("c5.9xlarge", 4, 6117, 6117, 1800),
        ("m6g.4xlarge", 4, 11425, 6898, 800),
        ("r5.24xlarge", 4, 27297, 6898, 2000),
    ],
)
def test_examples(kind: str, cores: int, memory: int, drivers: int, partitions: int) -> None:
    sizes = spark_sizes([KNOWN[kind]])
    found = (sizes.executor_cores, sizes.executor_memory_mib, sizes.driver_memory_mib, sizes.shuffle_partitions)
    assert found == (cores, memory, drivers, partitions)


@pytest.mark.parametrize("kind", ["m5.xlarge", "r5.2xlarge", "c5.9xlarge"])
def test_the_page_tells_the_sizes_as_they_are(kind: str) -> None:
    sizes = spark_sizes([KNOWN[kind]])
    many = KNOWN[kind].vcpus // sizes.executor_cores
    row = (
        f"| {kind} | {many} | {sizes.executor_cores}, {sizes.executor_memory_mib}m "
        f"| {sizes.driver_memory_mib}m | {sizes.shuffle_partitions} |"
    )
    assert row in (ROOT / "docs" / "cluster.md").read_text("utf-8")


@pytest.mark.parametrize("stack", ["dev", "prod", "sandbox"])
def test_the_stacks_types_are_known(stack: str) -> None:
    config = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text("utf-8"))["config"]
    assert cluster_sizes(ClusterSettings.model_validate(config["emr-pipeline:cluster"])).executor_memory_mib > 4096


def test_a_type_that_is_not_known_is_refused_with_what_to_write_down() -> None:
    core = InstanceGroupSettings(instance_type="m7i.2xlarge", instance_count=2)
    with pytest.raises(ConfigurationError, match=r"cluster\.core\.yarnMemoryMib is absent: .*m7i\.2xlarge") as refused:
        emr_compatibility.check(ClusterSettings(core=core))
    assert "yarn.nodemanager.resource.memory-mb" in str(refused.value), "it names what to look up"
    emr_compatibility.check(ClusterSettings(core=core.model_copy(update={"yarn_memory_mib": 24576})))


def test_a_name_without_vcpus_is_refused() -> None:
    metal = InstanceGroupSettings(instance_type="m5.metal", yarn_memory_mib=385024)
    with pytest.raises(UnknownSize, match=r"vcpus is absent: m5\.metal"):
        node_size(metal)
    assert node_size(metal.model_copy(update={"vcpus": 96})) == NodeSize(96, 385024)


def test_the_settings_win_over_the_table() -> None:
    given = InstanceGroupSettings(instance_type="m5.xlarge", yarn_memory_mib=10240)
    assert node_size(given) == NodeSize(4, 10240)


def test_beside_hbase_the_table_does_not_count() -> None:
    with pytest.raises(UnknownSize, match=r"m5\.xlarge beside HBase"):
        node_size(InstanceGroupSettings(instance_type="m5.xlarge"), ["Spark", "HBase"])


def test_a_node_with_too_little_memory_is_refused() -> None:
    with pytest.raises(UnknownSize, match=r"yarnMemoryMib is 2048: .*less than 1408 MiB"):
        node_size(InstanceGroupSettings(instance_type="m9.xlarge", yarn_memory_mib=2048))


def test_a_task_group_that_never_has_nodes_counts_for_nothing() -> None:
    none = InstanceGroupSettings(instance_type="m7i.2xlarge", instance_count=0)
    assert cluster_sizes(ClusterSettings(task=none)) == spark_sizes([KNOWN["m5.xlarge"]])


def test_no_executor_takes_a_node_whole() -> None:
    assert [executor_cores(vcpus) for vcpus in (1, 2, 4, 8, 96)] == [1, 1, 2, 4, 4]
