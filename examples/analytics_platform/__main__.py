"""The whole pipeline as a part of another program: a platform with a provider and a queue of its own."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi
import pulumi_aws as aws

import settings as configuration
from components.alarms import PipelineAlarms, PipelineAlarmsArgs
from components.catalog import DataCatalog, DataCatalogArgs
from components.cluster import KerberizedEmrCluster, KerberizedEmrClusterArgs
from components.dispatch import ObjectDispatcher, ObjectDispatcherArgs
from components.encryption import EncryptionKeys, EncryptionKeysArgs
from components.environment import AwsEnvironment
from components.housekeeping import Housekeeping, HousekeepingArgs
from components.job import PipelineJob, PipelineJobArgs
from components.ledger import ObjectLedger, ObjectLedgerArgs
from components.network import SecureVpc, SecureVpcArgs
from components.notifications import NotificationTopics, NotificationTopicsArgs
from components.rules import rules
from components.state_machine import PipelineStateMachine, PipelineStateMachineArgs
from components.storage import EncryptedBuckets, EncryptedBucketsArgs

# The pipeline's groups are read from this program's own configuration (analytics-platform:network, …).
GROUPS = ("network", "encryption", "storage", "datasets", "catalog", "cluster", "orchestration", "monitoring")
settings = configuration.load(rules=rules(pulumi.get_project()), groups=GROUPS)

provider = aws.Provider(
    "platform",
    region=pulumi.Config("aws").require("region"),
    default_tags={"tags": {"Owner": "analytics", "CostCentre": "0815", "Environment": pulumi.get_stack()}},
)
here = pulumi.ResourceOptions(providers=[provider])
environment = AwsEnvironment.look_up(pulumi.InvokeOptions(provider=provider))

keys = EncryptionKeys("keys", EncryptionKeysArgs(settings.encryption, environment), here)
buckets = EncryptedBuckets(
    "buckets",
    EncryptedBucketsArgs(settings.storage, environment, keys.data_key_arn, keys.logs_key_arn),
    here,
)
network = SecureVpc(
    "network",
    SecureVpcArgs(
        settings=settings.network,
        environment=environment,
        logs_key_arn=keys.logs_key_arn,
        most_nodes=2 * settings.cluster.most_nodes,
        data_bucket_names=[buckets.raw.name, buckets.processed.name, buckets.logs.name, buckets.scripts.name],
    ),
    here,
)
catalog = DataCatalog(
    "catalog", DataCatalogArgs(settings.catalog, settings.datasets, environment, buckets.processed.name), here
)
ledger = ObjectLedger("ledger", ObjectLedgerArgs(environment, keys.data_key_arn), here)
job = PipelineJob(
    "job",
    PipelineJobArgs(
        source=Path(__file__).resolve().parents[2] / "jobs" / "transform.py",  # or a job of your own
        scripts=buckets.scripts,
        data_key_arn=keys.data_key_arn,
    ),
    here,
)
cluster = KerberizedEmrCluster(
    "cluster",
    KerberizedEmrClusterArgs(
        settings=settings.cluster,
        environment=environment,
        subnet_id=network.private_subnet_ids[0],
        primary_security_group_id=network.primary_security_group_id,
        core_security_group_id=network.core_security_group_id,
        service_access_security_group_id=network.service_access_security_group_id,
        data_key_arn=keys.data_key_arn,
        logs_key_arn=keys.logs_key_arn,
        secrets_key_arn=keys.secrets_key_arn,
        raw=buckets.raw,
        processed=buckets.processed,
        logs=buckets.logs,
        scripts=buckets.scripts,
        database_name=catalog.database_name,
        wait_for=network.ready,
    ),
    here,
)
topics = NotificationTopics(
    "topics", NotificationTopicsArgs(settings.monitoring, environment, keys.messages_key_arn), here
)
pipeline = PipelineStateMachine(
    "pipeline",
    PipelineStateMachineArgs(
        settings=settings.orchestration,
        environment=environment,
        cluster_parameter_name=cluster.cluster_parameter_name,
        scripts=buckets.scripts,
        processed=buckets.processed,
        data_key_arn=keys.data_key_arn,
        logs_key_arn=keys.logs_key_arn,
        messages_key_arn=keys.messages_key_arn,
        success_topic_arn=topics.success_topic_arn,
        warning_topic_arn=topics.warning_topic_arn,
        critical_topic_arn=topics.critical_topic_arn,
        ledger_table_name=ledger.table_name,
        job=job.reference,
        realm=cluster.realm,
    ),
    here,
)
housekeeping = Housekeeping(
    "housekeeping",
    HousekeepingArgs(
        settings=settings.orchestration,
        environment=environment,
        datasets=list(settings.datasets),
        release=settings.cluster.release,
        certificate_expiry=cluster.certificate_expiry,
        cluster_parameter_name=cluster.cluster_parameter_name,
        job=job.reference,
        realm=cluster.realm,
        success_topic_arn=topics.success_topic_arn,
        warning_topic_arn=topics.warning_topic_arn,
        critical_topic_arn=topics.critical_topic_arn,
        undelivered_queue_arn=topics.undelivered_queue_arn,
        data_key_arn=keys.data_key_arn,
        messages_key_arn=keys.messages_key_arn,
        logs_key_arn=keys.logs_key_arn,
        subnet_ids=network.private_subnet_ids,
        security_group_id=network.function_security_group_id,
    ),
    here,
)
dispatcher = ObjectDispatcher(
    "dispatcher",
    ObjectDispatcherArgs(
        settings=settings.orchestration,
        environment=environment,
        datasets=settings.datasets,
        raw=buckets.raw,
        scripts=buckets.scripts,
        processed=buckets.processed,
        database_name=catalog.database_name,
        state_machine_arn=pipeline.state_machine_arn,
        state_machine_alias_arn=pipeline.alias_arn,
        job=job.reference,
        ledger_table=ledger.table_name,
        data_key_arn=keys.data_key_arn,
        messages_key_arn=keys.messages_key_arn,
        logs_key_arn=keys.logs_key_arn,
        subnet_ids=network.private_subnet_ids,
        security_group_id=network.function_security_group_id,
        # The intake comes last and goes first: it closes, and runs end, before anything that they need is deleted.
        drain_minutes=settings.cluster.drain_minutes,
        behind=[keys, buckets, network, catalog, ledger, job, cluster, topics, pipeline, housekeeping],
    ),
    here,
)
alarms = PipelineAlarms(
    "alarms",
    PipelineAlarmsArgs(
        settings=settings.monitoring,
        environment=environment,
        warning_topic_arn=topics.warning_topic_arn,
        critical_topic_arn=topics.critical_topic_arn,
        datasets=settings.datasets,
        cluster_id=cluster.cluster_id,
        state_machine_arn=pipeline.state_machine_arn,
        intake_queue_name=dispatcher.intake_queue_name,
        dead_letter_queue_name=dispatcher.dead_letter_queue_name,
        function_name=dispatcher.function_name,
        housekeeping_function_name=housekeeping.function_name,
    ),
    here,
)

# The platform's own part: whoever reads the tables hears of each run that brought something.
own = pulumi.ResourceOptions(provider=provider)
news = aws.sqs.Queue(
    "news", name=f"{environment.project}-{environment.stack}-news", sqs_managed_sse_enabled=True, opts=own
)
aws.sqs.QueuePolicy(
    "news-policy",
    queue_url=news.url,
    policy=pulumi.Output.all(queue=news.arn, topic=topics.success_topic_arn).apply(
        lambda known: json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "sns.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": known["queue"],
                        "Condition": {"ArnEquals": {"aws:SourceArn": known["topic"]}},
                    }
                ],
            }
        )
    ),
    opts=own,
)
aws.sns.TopicSubscription(
    "news-subscription", topic=topics.success_topic_arn, protocol="sqs", endpoint=news.arn, opts=own
)

pulumi.export("rawBucket", buckets.raw.name)
pulumi.export("newsQueueUrl", news.url)
pulumi.export("dashboardName", alarms.dashboard_name)
