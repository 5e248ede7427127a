"""Memory, cores and partitions of Spark, from the instance types alone: a table, and one pure function.

Only the types count, not the numbers of nodes: the numbers change in a running cluster, and a configuration that hung
on them would make a new cluster of every change.

The rule, for the smallest of the core and task nodes (`spark_sizes`):

- **Executor cores**: half of the node's vCPUs, at most 4. So no executor takes a whole node, and a driver finds room on
  the smallest cluster; beyond 4 or 5 threads, one JVM's garbage collection and S3 client slow them all.
- **Executor memory**: YARN's memory of the node, shared evenly by the executors that its vCPUs allow. 3/19 of it lie
  outside the heap: that is a factor of 0.1875 on the heap, what EMR itself gives (Spark's own 0.1 is too little for
  Python workers and Parquet's off-heap buffers).
- **Driver memory**: a quarter of the node, between 2 and 8 GiB and never more than an executor. Drivers may use half of
  YARN's memory, so that each node carries the drivers of two steps.
- **Parallelism**: two tasks a thread on four nodes. **Shuffle partitions**: two a thread on `PLANNED_NODES` nodes, at
  least Spark's own 200 and at most 2,000, beyond which Spark keeps sizes of partitions only roughly; adaptive execution
  merges those that are small. **Executors of one application**: those of `PLANNED_NODES` nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from settings import ClusterSettings, InstanceGroupSettings

_SIZES: tuple[tuple[tuple[str, ...], Mapping[str, int]], ...] = (
    (("m4",), {"large": 6144, "xlarge": 12288, "2xlarge": 24576, "4xlarge": 57344, "10xlarge": 155648,
               "16xlarge": 253952}),
    (("m5", "m5a", "m5d"), {"xlarge": 12288, "2xlarge": 24576, "4xlarge": 57344, "8xlarge": 122880,
                            "12xlarge": 188416, "16xlarge": 253952, "24xlarge": 385024}),
    (("g4dn",), {"xlarge": 12288, "2xlarge": 24576, "4xlarge": 57344, "8xlarge": 122880, "12xlarge": 188416,
                 "16xlarge": 253952}),
    (("m6g", "m6gd"), {"xlarge": 11712, "2xlarge": 23424, "4xlarge": 54272, "8xlarge": 116736, "12xlarge": 181248,
                       "16xlarge": 241664}),
    (("r5", "r5a", "r5d"), {"xlarge": 24576, "2xlarge": 57344, "4xlarge": 122880, "8xlarge": 253952,
                            "12xlarge": 385024, "16xlarge": 516096, "24xlarge": 778240}),
    (("r5b", "r5dn"), {"xlarge": 23424, "2xlarge": 54272, "4xlarge": 116736, "8xlarge": 241664, "12xlarge": 366592,
                       "16xlarge": 491520, "24xlarge": 741376}),
    (("r6g", "r6gd"), {"xlarge": 23424, "2xlarge": 54272, "4xlarge": 116736, "8xlarge": 241664, "12xlarge": 366592,
                       "16xlarge": 491520}),
    (("r4", "i3"), {"xlarge": 23424, "2xlarge": 54272, "4xlarge": 116736, "8xlarge": 241664, "16xlarge": 491520}),
    (("c5",), {"xlarge": 6144, "2xlarge": 12288, "4xlarge": 24576, "9xlarge": 65536, "12xlarge": 90112,
               "18xlarge": 139264, "24xlarge": 188416}),
    (("c5d",), {"xlarge": 6144, "2xlarge": 12288, "4xlarge": 24576, "9xlarge": 65536, "18xlarge": 139264}),
    (("c5n",), {"xlarge": 8064, "2xlarge": 16128, "4xlarge": 34816, "9xlarge": 90112, "18xlarge": 188416}),
    (("c5ad",), {"xlarge": 5632, "2xlarge": 11712, "4xlarge": 23424, "8xlarge": 54272, "12xlarge": 85504,
                 "16xlarge": 116736, "24xlarge": 179200}),
    (("c6g", "c6gd", "c6gn"), {"xlarge": 5632, "2xlarge": 11712, "4xlarge": 23424, "8xlarge": 54272,
                               "12xlarge": 85504, "16xlarge": 116736}),
    (("d3",), {"xlarge": 23424, "2xlarge": 54272, "4xlarge": 116736, "8xlarge": 241664}),
    (("i3en",), {"xlarge": 24576, "2xlarge": 57344, "3xlarge": 90112, "6xlarge": 188416, "12xlarge": 385024,
                 "24xlarge": 778240}),
    (("z1d",), {"xlarge": 24576, "2xlarge": 57344, "3xlarge": 90112, "6xlarge": 188416, "12xlarge": 385024}),
)  # fmt: skip

YARN_MEMORY_MIB: Mapping[str, int] = {
    f"{family}.{size}": memory for families, sizes in _SIZES for family in families for size, memory in sizes.items()
}
"""``yarn.nodemanager.resource.memory-mb`` that EMR gives a node, by instance type, without HBase. EMR Release Guide,
"Task configuration"; families for which that page and EC2's sizes agree. For others the settings say it."""

PLANNED_NODES = 25
"""Nodes that partitions and executors are counted for: more than most clusters have, and few enough that one
application does not take a large one whole."""
MOST_EXECUTOR_CORES = 4
MOST_SHUFFLE_PARTITIONS = 2000
"""``spark.shuffle.minNumPartitionsToHighlyCompress``: beyond, sizes are averages, and skew goes unseen."""
FEWEST_SHUFFLE_PARTITIONS = 200
LEAST_DRIVER_MIB = 2048
MOST_DRIVER_MIB = 8192
LEAST_CONTAINER_MIB = 1408
"""The smallest container that Spark is at home in: 1 GiB of heap, and the 384 MiB beside it that it asks at least."""
ALLOCATION_MIB = 32
"""``yarn.scheduler.minimum-allocation-mb`` on EMR: containers are multiples of it."""


@dataclass(frozen=True)
class NodeSize:
    """What a node gives to containers."""

    vcpus: int
    yarn_memory_mib: int


@dataclass(frozen=True)
class SparkSizes:
    """What Spark's defaults on the cluster are."""

    executor_cores: int
    executor_memory_mib: int
    """Heap."""
    executor_overhead_mib: int
    """Beside the heap; together they are the container."""
    driver_memory_mib: int
    driver_overhead_mib: int
    parallelism: int
    shuffle_partitions: int
    maximum_executors: int


class UnknownSize(Exception):
    """A node whose size is known neither here nor from the settings; the message says which key is missing."""


def node_size(group: InstanceGroupSettings, applications: Iterable[str] = ()) -> NodeSize:
    """Size of a node, from the settings or the table.

    Raises:
        UnknownSize: with a text that continues the group's key, ``yarnMemoryMib is absent: …``.
    """
    kind = group.instance_type
    # EC2's own sizes: large is 2 vCPUs, xlarge 4, Nxlarge 4 N, in every family of the table.
    size = re.fullmatch(r"(large|(\d*)xlarge)", kind.split(".")[1])
    vcpus = group.vcpus or (None if size is None else 2 if size[1] == "large" else 4 * int(size[2] or 1))
    if vcpus is None:
        raise UnknownSize(f"vcpus is absent: {kind} does not say its vCPUs by its name; write them down")
    # With HBase, EMR keeps memory from YARN; that is a table of its own, by families and sizes long out of use.
    known = None if "HBase" in applications else YARN_MEMORY_MIB.get(kind)
    memory = group.yarn_memory_mib or known
    if memory is None:
        beside = " beside HBase" if "HBase" in applications else ""
        raise UnknownSize(
            f"yarnMemoryMib is absent: the memory that YARN has on {kind}{beside} is not known here, and Spark's sizes "
            "are computed from it; write down yarn.nodemanager.resource.memory-mb of the type (EMR Release Guide, "
            "'Task configuration')"
        )
    if memory // max(1, vcpus // executor_cores(vcpus)) < LEAST_CONTAINER_MIB:
        raise UnknownSize(
            f"yarnMemoryMib is {memory}: {kind} with {vcpus} vCPUs leaves less than {LEAST_CONTAINER_MIB} MiB to an "
            "executor; take a type with more memory"
        )
    return NodeSize(vcpus, memory)


def worker_groups(settings: ClusterSettings) -> dict[str, InstanceGroupSettings]:
    """The groups whose nodes run containers."""
    groups = {"core": settings.core}
    if settings.task.most_instances > 0 or settings.managed_scaling is not None:
        groups["task"] = settings.task
    return groups


def executor_cores(vcpus: int) -> int:
    """Threads of one executor on a node."""
    return min(MOST_EXECUTOR_CORES, max(1, vcpus // 2))


def _overhead(container: int) -> int:
    return max(384, -(-container * 3 // 19))


def _whole(memory: int) -> int:
    """Memory that YARN gives unrounded."""
    return memory // ALLOCATION_MIB * ALLOCATION_MIB


def spark_sizes(nodes: Iterable[NodeSize]) -> SparkSizes:
    """Spark's sizes on nodes of these kinds; the rule stands at the head of this file."""
    kinds = list(nodes)
    cores = min(executor_cores(node.vcpus) for node in kinds)
    container = min(_whole(node.yarn_memory_mib // max(1, node.vcpus // cores)) for node in kinds)
    quarter = min(node.yarn_memory_mib // 4 for node in kinds)
    driver = _whole(min(container, MOST_DRIVER_MIB, max(LEAST_DRIVER_MIB, quarter)))
    vcpus = min(node.vcpus for node in kinds)
    return SparkSizes(
        executor_cores=cores,
        executor_memory_mib=container - _overhead(container),
        executor_overhead_mib=_overhead(container),
        driver_memory_mib=driver - _overhead(driver),
        driver_overhead_mib=_overhead(driver),
        parallelism=2 * 4 * vcpus,
        shuffle_partitions=min(MOST_SHUFFLE_PARTITIONS, max(FEWEST_SHUFFLE_PARTITIONS, 2 * PLANNED_NODES * vcpus)),
        maximum_executors=PLANNED_NODES * max(1, vcpus // cores),
    )


def cluster_sizes(settings: ClusterSettings) -> SparkSizes:
    """Spark's sizes on the cluster that the settings describe.

    Raises:
        UnknownSize: when one of its nodes is of unknown size (`emr_compatibility.check` says which, before).
    """
    return spark_sizes(node_size(group, settings.applications) for group in worker_groups(settings).values())
