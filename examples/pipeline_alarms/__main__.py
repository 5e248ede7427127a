"""Alarms, topics and a dashboard for whatever is there: a cluster, a state machine, both, with a queue or without."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pulumi

import settings as configuration
from components.alarms import PipelineAlarms, PipelineAlarmsArgs
from components.environment import AwsEnvironment
from components.notifications import NotificationTopics, NotificationTopicsArgs

config = pulumi.Config()
monitoring = configuration.load(groups=["monitoring"]).monitoring
environment = AwsEnvironment.look_up()
topics = NotificationTopics(
    "topics", NotificationTopicsArgs(monitoring, environment, messages_key_arn=config.require("messagesKeyArn"))
)
alarms = PipelineAlarms(
    "alarms",
    PipelineAlarmsArgs(
        settings=monitoring,
        environment=environment,
        warning_topic_arn=topics.warning_topic_arn,
        critical_topic_arn=topics.critical_topic_arn,
        # What is left out is not watched.
        cluster_id=config.get("clusterId"),
        state_machine_arn=config.get("stateMachineArn"),
        intake_queue_name=config.get("intakeQueue"),
        dead_letter_queue_name=config.get("deadLetterQueue"),
    ),
)

pulumi.export("dashboardName", alarms.dashboard_name)
pulumi.export("criticalTopicArn", topics.critical_topic_arn)
