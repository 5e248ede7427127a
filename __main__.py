"""The pipeline, composed: what comes first in the architecture comes first here."""

from __future__ import annotations

import gc
from pathlib import Path

import pulumi
import pulumi_aws as aws

import settings as configuration
from components.alarms import PipelineAlarms, PipelineAlarmsArgs
from components.catalog import DataCatalog, DataCatalogArgs
from components.cluster import KerberizedEmrCluster, KerberizedEmrClusterArgs
from components.dispatch import ObjectDispatcher, ObjectDispatcherArgs
from components.encryption import EncryptionKeys, EncryptionKeysArgs
from components.environment import AwsEnvironment
from components.function import log_group_name
from components.housekeeping import Housekeeping, HousekeepingArgs
from components.job import PipelineJob, PipelineJobArgs
from components.key_policies import Partners
from components.ledger import ObjectLedger, ObjectLedgerArgs
from components.network import SecureVpc, SecureVpcArgs
from components.notifications import NotificationTopics, NotificationTopicsArgs
from components.rules import rules
from components.state_machine import PipelineStateMachine, PipelineStateMachineArgs
from components.storage import EncryptedBuckets, EncryptedBucketsArgs


def main() -> None:
    """Build the stack that the configuration asks for."""
    # What a program makes lives until its end: looking through it for cycles, again and again, is a third of its time.
    gc.set_threshold(100_000, 20, 50)
    settings = configuration.load(rules=rules(pulumi.get_project()))

    provider = aws.Provider(
        "aws",
        region=pulumi.Config("aws").require("region"),
        allowed_account_ids=list(settings.compliance.allowed_account_ids) or None,
        default_tags={"tags": settings.tags.as_tags(pulumi.get_project(), pulumi.get_stack())},
    )
    here = pulumi.ResourceOptions(providers=[provider])
    environment = AwsEnvironment.look_up(pulumi.InvokeOptions(provider=provider))

    keys = EncryptionKeys(
        "keys",
        EncryptionKeysArgs(
            settings=settings.encryption,
            environment=environment,
            partners=Partners(
                producers=tuple(producer.principal for producer in settings.storage.producers),
                consumers=tuple(consumer.principal for consumer in settings.storage.consumers),
            ),
            protect=not settings.storage.force_destroy,
        ),
        here,
    )

    buckets = EncryptedBuckets(
        "buckets",
        EncryptedBucketsArgs(
            settings=settings.storage,
            environment=environment,
            data_key_arn=keys.data_key_arn,
            logs_key_arn=keys.logs_key_arn,
        ),
        here,
    )

    network = SecureVpc(
        "network",
        SecureVpcArgs(
            settings=settings.network,
            environment=environment,
            logs_key_arn=keys.logs_key_arn,
            # A replacement runs beside the cluster that it replaces.
            most_nodes=2 * settings.cluster.most_nodes,
            data_bucket_names=[
                *(bucket.name for bucket in (buckets.raw, buckets.processed, buckets.logs, buckets.scripts)),
                *settings.cluster.other_buckets,
            ],
        ),
        here,
    )

    catalog = DataCatalog(
        "catalog",
        DataCatalogArgs(
            settings=settings.catalog,
            datasets=settings.datasets,
            environment=environment,
            bucket_name=buckets.processed.name,
        ),
        here,
    )

    ledger = ObjectLedger(
        "ledger",
        ObjectLedgerArgs(environment, keys.data_key_arn, protect=not settings.storage.force_destroy),
        here,
    )

    job = PipelineJob(
        "job",
        PipelineJobArgs(
            source=Path(__file__).parent / "jobs" / "transform.py",
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
        "topics",
        NotificationTopicsArgs(
            settings=settings.monitoring, environment=environment, messages_key_arn=keys.messages_key_arn
        ),
        here,
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
            drain_minutes=settings.cluster.drain_minutes,
            behind=[keys, buckets, network, catalog, ledger, job, cluster, topics, pipeline, housekeeping],
        ),
        here,
    )

    alarms = PipelineAlarms(
        "alarms",
        PipelineAlarmsArgs(
            settings=settings.monitoring,
            housekeeping_function_name=housekeeping.function_name,
            environment=environment,
            cluster_id=cluster.cluster_id,
            state_machine_arn=pipeline.state_machine_arn,
            intake_queue_name=dispatcher.intake_queue_name,
            dead_letter_queue_name=dispatcher.dead_letter_queue_name,
            datasets=settings.datasets,
            maximum_set_aside_ratio=settings.orchestration.maximum_set_aside_ratio,
            instance_groups={"Core": settings.cluster.core, "Task": settings.cluster.task},
            state_machine_log_group_name=pipeline.log_group_name,
            function_name=dispatcher.function_name,
            function_log_group_name=log_group_name(dispatcher.function_name),
            rule_name=dispatcher.rule_name,
            vpc_id=network.vpc_id,
            nat_gateway_ids={zone: gateway.id for zone, gateway in network.nat_gateways.items()},
            endpoints={
                service: (endpoint.id, endpoint.service_name.apply(str))
                for service, endpoint in network.interface_endpoints.items()
            },
            flow_log_group_name=network.flow_log_group_name,
            key_arns={
                "data": keys.data_key_arn,
                "logs": keys.logs_key_arn,
                "messages": keys.messages_key_arn,
                "secrets": keys.secrets_key_arn,
            },
            bucket_names={
                "raw": buckets.raw.name,
                "processed": buckets.processed.name,
                "logs": buckets.logs.name,
                "scripts": buckets.scripts.name,
            },
            warning_topic_arn=topics.warning_topic_arn,
            critical_topic_arn=topics.critical_topic_arn,
        ),
        here,
    )

    outputs = {
        "rawBucket": buckets.raw.name,
        "datasetPrefixes": {name: dataset.prefix for name, dataset in settings.datasets.items()},
        "processedBucket": buckets.processed.name,
        "logsBucket": buckets.logs.name,
        "scriptsBucket": buckets.scripts.name,
        "database": catalog.database_name,
        "ledgerTable": ledger.table_name,
        "clusterId": cluster.cluster_id,
        "clusterParameter": cluster.cluster_parameter_name,
        "release": cluster.release,
        "applicationVersions": cluster.application_versions,
        "versionsCheckedOnline": cluster.versions_checked_online,
        "certificateExpiry": cluster.certificate_expiry,
        "certificateAuthority": cluster.certificate.authority if cluster.certificate else None,
        "stateMachineArn": pipeline.state_machine_arn,
        "intakeRuleName": dispatcher.rule_name,
        "dispatcherFunction": dispatcher.function_name,
        "intakeQueueUrl": dispatcher.intake_queue_url,
        "deadLetterQueueUrl": dispatcher.dead_letter_queue_url,
        "successTopicArn": topics.success_topic_arn,
        "warningTopicArn": topics.warning_topic_arn,
        "criticalTopicArn": topics.critical_topic_arn,
        "dashboardName": alarms.dashboard_name,
    }
    for name, value in outputs.items():
        pulumi.export(name, value)


try:
    main()
except configuration.ConfigurationError as mistakes:
    # A RunError is shown as it is; anything else would come with a traceback.
    raise pulumi.RunError(f"the configuration of stack {pulumi.get_stack()} has mistakes:\n{mistakes}") from None
