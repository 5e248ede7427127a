"""A state machine that runs a Spark job as a step of a cluster that is there, and tells people how it went."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi

import settings as configuration
from components.environment import AwsEnvironment
from components.job import PipelineJob, PipelineJobArgs
from components.ledger import ObjectLedger, ObjectLedgerArgs
from components.notifications import NotificationTopics, NotificationTopicsArgs
from components.state_machine import PipelineStateMachine, PipelineStateMachineArgs
from components.storage import PipelineBucket

config = pulumi.Config()
settings = configuration.load(groups=["orchestration", "monitoring"])
environment = AwsEnvironment.look_up()
scripts = PipelineBucket.existing(environment, config.require("scriptsBucket"))
data_key_arn, messages_key_arn = config.require("dataKeyArn"), config.require("messagesKeyArn")

job = PipelineJob(
    "job",
    PipelineJobArgs(
        source=Path(__file__).resolve().parents[2] / "jobs" / "transform.py", scripts=scripts, data_key_arn=data_key_arn
    ),
)
ledger = ObjectLedger("ledger", ObjectLedgerArgs(environment, data_key_arn))
topics = NotificationTopics("topics", NotificationTopicsArgs(settings.monitoring, environment, messages_key_arn))
pipeline = PipelineStateMachine(
    "pipeline",
    PipelineStateMachineArgs(
        settings=settings.orchestration,
        environment=environment,
        cluster_parameter_name=config.require("clusterParameter"),
        scripts=scripts,
        processed=PipelineBucket.existing(environment, config.require("processedBucket")),
        data_key_arn=data_key_arn,
        logs_key_arn=config.require("logsKeyArn"),
        messages_key_arn=messages_key_arn,
        success_topic_arn=topics.success_topic_arn,
        warning_topic_arn=topics.warning_topic_arn,
        critical_topic_arn=topics.critical_topic_arn,
        ledger_table_name=ledger.table_name,
        job=job.reference,
        realm=config.require("realm"),
    ),
)

pulumi.export("stateMachineArn", pipeline.state_machine_arn)
pulumi.export("stateMachineAliasArn", pipeline.alias_arn)
