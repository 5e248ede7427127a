"""Configuration classifications of the cluster: what differs from EMR's defaults, and why.

EMR configures Kerberos, TLS and encryption of every application by itself, from the security configuration; nothing of
that is repeated here. YARN's memory of a node is EMR's own, by instance type; Spark's share of it comes from
`spark_sizes`.

Every property carries its reason, so that the next person knows when it may go. Nearly every change of one is a new
cluster, so nothing here may hang on what a running cluster can change: limits of scaling, steps at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from components.emr_release import Release
from components.iam import Document
from components.spark_sizes import SparkSizes
from settings import ClusterSettings

GLUE_FACTORY = "com.amazonaws.glue.catalog.metastore.AWSGlueDataCatalogHiveClientFactory"
"""The metastore client of EMR that speaks to the Glue Data Catalog (EMR Release Guide, "Using the AWS Glue Data
Catalog")."""

TRUST_STORE = "/usr/share/aws/emr/security/conf/truststore.jks"
"""Where EMR puts the trust store that it makes of the certificate archive, on every node. Not in the guide, which says
to look it up in ``/etc/hadoop/conf/ssl-server.xml``; AWS's own scripts for Presto and Trino on EMR write this path."""


@dataclass(frozen=True)
class Property:
    """One property of one configuration file."""

    classification: str
    """EMR's name of the file, e.g. ``spark-defaults``."""
    name: str
    value: str
    reason: str
    """Why it differs from EMR's default, or why the default must not move."""


EVENT_LOGS = "hdfs:///var/log/spark/apps"
"""Where Spark's event logs lie: in HDFS, on volumes encrypted under the data key, and encrypted between the nodes. Not
in S3: nodes may add to the logs bucket and not read it, and the history server reads. They end with the cluster; EMR
keeps a copy for its own history page for 30 days after that (EMR Management Guide, "View persistent application user
interfaces")."""


def _spark_sizes(sizes: SparkSizes) -> Iterable[Property]:
    """The rule behind the numbers stands at the head of `spark_sizes`."""
    for name, value, reason in (
        (
            "spark.executor.cores",
            str(sizes.executor_cores),
            "Threads of an executor: at most half of the smallest node's, so that a driver finds room beside it.",
        ),
        (
            "spark.executor.memory",
            f"{sizes.executor_memory_mib}m",
            "Heap of an executor: the smallest node's memory for YARN, shared by the executors that its vCPUs allow.",
        ),
        (
            "spark.executor.memoryOverhead",
            f"{sizes.executor_overhead_mib}m",
            "Memory beside that heap, for Python and Parquet; said in MiB, so that the two fill the node exactly.",
        ),
        (
            "spark.driver.memory",
            f"{sizes.driver_memory_mib}m",
            "Heap of a driver: a quarter of a node, so that the drivers of steps at the same time leave room for work.",
        ),
        (
            "spark.driver.memoryOverhead",
            f"{sizes.driver_overhead_mib}m",
            "Memory beside the driver's heap, in MiB as the executors'.",
        ),
        (
            "spark.default.parallelism",
            str(sizes.parallelism),
            "YARN's default counts the executors that happen to have registered: the same job would write other files.",
        ),
        (
            "spark.sql.shuffle.partitions",
            str(sizes.shuffle_partitions),
            "Pieces of a shuffle, small enough for a thread's memory; adaptive execution merges those that are tiny.",
        ),
        (
            "spark.dynamicAllocation.maxExecutors",
            str(sizes.maximum_executors),
            "Unbounded, one step asks for more than the cluster can have, and its requests scale it out for nothing.",
        ),
    ):
        yield Property("spark-defaults", name, value, reason)


def _spark() -> Iterable[Property]:
    yield Property(
        "spark",
        "maximizeResourceAllocation",
        "false",
        "True gives one application the whole cluster; steps run at the same time here.",
    )
    for name, value, reason in (
        (
            "spark.dynamicAllocation.enabled",
            "true",
            "Executors come and go with the work, so that steps share the cluster and task nodes can leave.",
        ),
        (
            "spark.dynamicAllocation.cachedExecutorIdleTimeout",
            "30min",
            "An interactive session that cached a table and was forgotten would keep its executors for ever.",
        ),
        (
            "spark.shuffle.service.enabled",
            "true",
            "Shuffle files outlive their executor; dynamic allocation needs it.",
        ),
        (
            "spark.sql.adaptive.enabled",
            "true",
            "Partitions are merged and skewed joins split by what a stage really wrote.",
        ),
        (
            "spark.sql.parquet.fs.optimized.committer.optimization-enabled",
            "true",
            "Files appear in S3 when the job commits, without a rename, which in S3 is a copy. EMR's default, and it "
            "must not move: tables are read while jobs write.",
        ),
        (
            "spark.sql.sources.partitionOverwriteMode",
            "static",
            "Dynamic overwriting gives up that committer and renames partition by partition.",
        ),
        (
            "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version",
            "1",
            "For what that committer does not do, such as RDDs and HDFS: version 2 shows files of jobs that then fail.",
        ),
        (
            "spark.eventLog.enabled",
            "true",
            "Without them the history server is empty, and nobody sees why a run was slow.",
        ),
        (
            "spark.eventLog.dir",
            EVENT_LOGS,
            "In HDFS, where they are encrypted; logs name columns and values of filters.",
        ),
        (
            "spark.eventLog.compress",
            "true",
            "They are text of many megabytes a run, and lie in the HDFS that scaling watches.",
        ),
        (
            "spark.history.fs.logDirectory",
            EVENT_LOGS,
            "The history server reads where applications write.",
        ),
        (
            "spark.history.fs.cleaner.enabled",
            "true",
            "Event logs lie in HDFS and the cluster is persistent: uncleaned, they fill it.",
        ),
        (
            "spark.history.fs.cleaner.maxAge",
            "14d",
            "Two weeks of applications stay readable in the history server.",
        ),
        (
            "spark.yarn.maxAppAttempts",
            "2",
            "A driver that was lost with its node starts once more; a job that fails twice is the job's own fault.",
        ),
    ):
        yield Property("spark-defaults", name, value, reason)
    for name, value, reason in (
        (
            "*.source.jvm.class",
            "org.apache.spark.metrics.source.JvmSource",
            "Heap and garbage collection of drivers and executors: what decides whether a type is large enough.",
        ),
        (
            "*.sink.prometheusServlet.class",
            "org.apache.spark.metrics.sink.PrometheusServlet",
            "Metrics are read from the application's own TLS page, and sent nowhere: nodes reach no collector.",
        ),
        (
            "*.sink.prometheusServlet.path",
            "/metrics/prometheus",
            "Where on that page; the servlet has no default.",
        ),
    ):
        yield Property("spark-metrics", name, value, reason)
    yield Property(
        "spark-hive-site",
        "hive.metastore.client.factory.class",
        GLUE_FACTORY,
        "Spark's tables are the Glue Data Catalog's: they outlive the cluster, and Hive and Presto see the same ones.",
    )


def _livy() -> Iterable[Property]:
    """EMR Release Guide, "JupyterHub: configuring user impersonation in Spark"."""
    yield Property(
        "livy-conf",
        "livy.impersonation.enabled",
        "true",
        "A session runs as whoever opened it; else everybody is the user livy to YARN, HDFS and role mappings.",
    )
    for who in ("groups", "hosts"):
        yield Property(
            "core-site",
            f"hadoop.proxyuser.livy.{who}",
            "*",
            "Lets Livy, which knows its callers by their tickets, submit in their name; a name is not known before.",
        )


def _hive() -> Iterable[Property]:
    yield Property(
        "hive-site",
        "hive.metastore.client.factory.class",
        GLUE_FACTORY,
        "Hive's tables are the Glue Data Catalog's: the metastore's own database is lost with the primary node.",
    )
    yield Property(
        "hive-site",
        "hive.server2.idle.session.timeout",
        "4h",
        "A session that was left open holds memory of HiveServer2 for a week otherwise; running queries are spared.",
    )
    yield Property(
        "hive-site",
        "hive.server2.session.check.interval",
        "15m",
        "How often that is looked for; the default of six hours would come too late.",
    )


def _query_engines(installed: frozenset[str]) -> Iterable[Property]:
    for application, prefix in (("Presto", "presto"), ("Trino", "trino"), ("PrestoSQL", "prestosql")):
        if application in installed:
            yield Property(
                f"{prefix}-connector-hive",
                "hive.metastore",
                "glue",
                f"{application}'s hive catalog is the Glue Data Catalog, as Spark's and Hive's are.",
            )
            yield Property(
                f"{prefix}-config",
                "query.max-execution-time",
                "4h",
                f"{application} runs beside YARN on the same nodes: a forgotten query would slow every run for days.",
            )


def _tez(release: Release, installed: frozenset[str]) -> Iterable[Property]:
    """TEZ-4096: from Tez 0.10.2 on, Tez reads TLS settings from its own configuration.

    Hive on Tez fails without in 6.9, Pig on Tez until 7.1, and cleaning up after a query until 7.3 (EMR Release Guide,
    Tez release notes of 6.9.0 and 6.15.0, known issues; the workaround there is this property). The other way out,
    ``hive.execution.engine=mr``, would slow every Hive query down and leave Pig and the clean-up broken. A trust store
    needs no password to be read for certificates alone.
    """
    if "Tez" in installed and not release.before("6.9.0") and release.before("7.3.0"):
        yield Property(
            "tez-site",
            "ssl.client.truststore.location",
            TRUST_STORE,
            "With in-transit encryption, Tez's shuffle fails with SSLHandshakeException without it (TEZ-4096).",
        )


def replication(settings: ClusterSettings) -> int:
    """Copies of each HDFS block.

    EMR's default is 1 with one to three core nodes, 2 up to nine, 3 from ten on (EMR Release Guide, "HDFS
    configuration"). Followed here, a core group that grows from three to four would be another cluster.
    """
    return settings.hdfs_replication or min(2, max(1, settings.fewest_core_nodes))


def _hadoop(settings: ClusterSettings) -> Iterable[Property]:
    yield Property(
        "hdfs-site",
        "dfs.replication",
        str(replication(settings)),
        "EMR keeps one copy of each block with fewer than four core nodes: one lost disk would lose running steps.",
    )
    yield Property(
        "yarn-site",
        "yarn.resourcemanager.nodemanager-graceful-decommission-timeout-secs",
        "3600",
        "A node that leaves may finish its containers for an hour; after that it holds scaling up.",
    )
    yield Property(
        "yarn-site",
        "yarn.log-aggregation.retain-seconds",
        str(14 * 24 * 60 * 60),
        "Container logs of two weeks stay readable with `yarn logs`; EMR's two days pass over a weekend.",
    )
    if settings.task.spot_bid_price is not None:
        yield Property(
            "yarn-site",
            "yarn.node-labels.enabled",
            "true",
            "Task nodes are spot instances: labels tell YARN which nodes may be taken away.",
        )
        yield Property(
            "yarn-site",
            "yarn.node-labels.am.default-node-label-expression",
            "CORE",
            "Drivers stay on core nodes, so that a lost spot instance costs executors, not the application.",
        )
    yield Property(
        "capacity-scheduler",
        "yarn.scheduler.capacity.resource-calculator",
        "org.apache.hadoop.yarn.util.resource.DominantResourceCalculator",
        "Containers count by memory and by cores; by memory alone, nodes run more threads than they have cores.",
    )
    yield Property(
        "capacity-scheduler",
        "yarn.scheduler.capacity.root.default.ordering-policy",
        "fair",
        "Steps that run at the same time share the cluster; first-in-first-out, a large one starves the others.",
    )
    yield Property(
        "capacity-scheduler",
        "yarn.scheduler.capacity.maximum-am-resource-percent",
        "0.5",
        "Drivers run in the cluster: a tenth of a small cluster holds one of them, and steps would run one by one.",
    )


def cluster_properties(settings: ClusterSettings, release: Release, sizes: SparkSizes | None) -> tuple[Property, ...]:
    """Every property that the cluster sets, of the applications that it installs.

    Args:
        settings: The cluster.
        release: What its release brings.
        sizes: Spark's sizes on it; None to ask for the rest, before the nodes' sizes are known to be known.
    """
    installed = frozenset(settings.applications)
    properties = [*_hadoop(settings), *_tez(release, installed), *_query_engines(installed)]
    if "Spark" in installed:
        properties += _spark()
        properties += _spark_sizes(sizes) if sizes else ()
    if "Hive" in installed:
        properties += _hive()
    if "Livy" in installed:
        properties += _livy()
    return tuple(properties)


def configurations(properties: Iterable[Property]) -> list[Document]:
    """Properties as the cluster takes them: one object a classification, sorted, every value text.

    Raises:
        ValueError: when a property is set twice; EMR would silently take one of them.
    """
    by_classification: dict[str, dict[str, str]] = {}
    for entry in properties:
        values = by_classification.setdefault(entry.classification, {})
        if entry.name in values:
            raise ValueError(f"{entry.classification}: {entry.name} is set twice")
        values[entry.name] = entry.value
    return [
        {"Classification": classification, "Properties": dict(sorted(values.items()))}
        for classification, values in sorted(by_classification.items())
    ]
