"""New files of a bucket, batched and each version once, as executions of a state machine that is there."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi

import settings as configuration
from components.dispatch import ObjectDispatcher, ObjectDispatcherArgs
from components.environment import AwsEnvironment
from components.job import PipelineJob, PipelineJobArgs
from components.ledger import ObjectLedger, ObjectLedgerArgs
from components.storage import PipelineBucket

config = pulumi.Config()
settings = configuration.load(groups=["orchestration", "datasets"])
environment = AwsEnvironment.look_up()
scripts = PipelineBucket.existing(environment, config.require("scriptsBucket"))
data_key_arn = config.require("dataKeyArn")

job = PipelineJob(
    "job",
    PipelineJobArgs(
        source=Path(__file__).resolve().parents[2] / "jobs" / "transform.py", scripts=scripts, data_key_arn=data_key_arn
    ),
)
ledger = ObjectLedger("ledger", ObjectLedgerArgs(environment, data_key_arn))
dispatcher = ObjectDispatcher(
    "dispatcher",
    ObjectDispatcherArgs(
        settings=settings.orchestration,
        environment=environment,
        datasets=settings.datasets,
        # It must tell EventBridge of its new objects (bucket notifications).
        raw=PipelineBucket.existing(environment, config.require("rawBucket")),
        scripts=scripts,
        processed=PipelineBucket.existing(environment, config.require("processedBucket")),
        database_name=config.require("database"),
        state_machine_arn=config.require("stateMachineArn"),
        state_machine_alias_arn=config.require("stateMachineAliasArn"),
        job=job.reference,
        ledger_table=ledger.table_name,
        data_key_arn=data_key_arn,
        messages_key_arn=config.require("messagesKeyArn"),
        logs_key_arn=config.require("logsKeyArn"),
        subnet_ids=config.require_object("subnetIds"),
        security_group_id=config.require("functionSecurityGroupId"),
    ),
)

pulumi.export("functionName", dispatcher.function_name)
pulumi.export("intakeQueueUrl", dispatcher.intake_queue_url)
pulumi.export("deadLetterQueueUrl", dispatcher.dead_letter_queue_url)
