"""What no metric tells, as a table: events, each with the sentence that people get and what they do about it.

EventBridge delivers them to the critical topic. A template's lines each stand in quotes, so that the target gets text
and not JSON (EventBridge user guide, "Amazon EventBridge input transformation"); SNS delivers the quotes, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from components.alarm_table import Area, runbook_link
from components.console import cluster_link, key_link
from components.environment import AwsEnvironment
from components.iam import Document
from settings import MonitoringSettings

KEY_PARTS = ("data-key", "logs-key", "messages-key", "secrets-key")
"""Parts of the stack that are KMS keys, by their ARNs."""


@dataclass(frozen=True)
class EventRow:
    """An event that people are told."""

    kind: str
    """Last part of the rule's name; its entry in the runbook."""
    area: Area
    parts: frozenset[str]
    """Parts of the stack that it is about; without any of them there is no rule."""
    pattern: Callable[[Mapping[str, str]], Document]
    """Event pattern from the values of the parts."""
    paths: Mapping[str, str]
    """Where the event holds what the sentence names."""
    what: str
    """What happened, with placeholders of `paths`."""
    details: tuple[str, ...]
    """Further lines."""
    link: Callable[[AwsEnvironment], str]
    """Where to look first, with placeholders of `paths`."""
    cause: str
    action: str
    commands: tuple[str, ...]


EVENT_ROWS = (
    EventRow(
        kind="cluster-ended",
        area="cluster",
        parts=frozenset({"cluster"}),
        pattern=lambda parts: {
            "source": ["aws.emr"],
            "detail-type": ["EMR Cluster State Change"],
            "detail": {"clusterId": [parts["cluster"]], "state": ["TERMINATED", "TERMINATED_WITH_ERRORS"]},
        },
        paths={
            "time": "$.time",
            "cluster": "$.detail.clusterId",
            "state": "$.detail.state",
            "message": "$.detail.message",
        },
        what="cluster <cluster> ended: <state>",
        details=("EMR says: <message>",),
        link=lambda environment: cluster_link(environment, "<cluster>"),
        cause="somebody terminated it, its primary node died, or it could not start. On its own it never ends.",
        action="read the reason of its last change; take it out of the state and bring it back with an update.",
        commands=(
            "aws emr describe-cluster --cluster-id $CLUSTER --query Cluster.Status",
            "pulumi refresh --stack $STACK",
            "make up STACK=$STACK",
        ),
    ),
    EventRow(
        kind="key-endangered",
        area="notifications",
        parts=frozenset(KEY_PARTS),
        pattern=lambda parts: {
            "source": ["aws.kms"],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": {
                "eventSource": ["kms.amazonaws.com"],
                "eventName": ["DisableKey", "ScheduleKeyDeletion"],
                # The caller may name the key by its ARN or by its id.
                "requestParameters": {
                    "keyId": sorted({name for arn in parts.values() for name in (arn, arn.rsplit("/", 1)[-1])})
                },
                "errorCode": [{"exists": False}],
            },
        },
        paths={
            "time": "$.time",
            "call": "$.detail.eventName",
            "key": "$.detail.requestParameters.keyId",
            "who": "$.detail.userIdentity.arn",
        },
        what="<call> of KMS key <key>",
        details=("Called by: <who>", "What the key encrypts cannot be read from now on, and is lost with the key."),
        link=lambda environment: key_link(environment, "<key>"),
        cause="a destroy of the wrong stack, or somebody who tidies keys by hand.",
        action="cancel the deletion and enable the key; then find out who did it and why.",
        commands=(
            "aws kms cancel-key-deletion --key-id <key>",
            "aws kms enable-key --key-id <key>",
            "aws kms describe-key --key-id <key>",
        ),
    ),
)
"""Every event that is told. The calls of KMS come through CloudTrail: without a trail of management events in the
account and region, EventBridge sees none of them. One about the messages key itself cannot be told through a topic that
this key encrypts."""


def message_template(row: EventRow, environment: AwsEnvironment, settings: MonitoringSettings, dashboard: str) -> str:
    """Input template of the row's target."""
    where = f"{environment.project}-{environment.stack} in {environment.region}, account {environment.account_id}"
    lines = (
        f"[critical] {environment.project}-{environment.stack}: {row.what}.",
        f"Where: {where}",
        "Since: <time>",
        *row.details,
        f"Likely cause: {row.cause}",
        f"What to do: {row.action}",
        f"Look at: {row.link(environment)}",
        f"Dashboard: {dashboard}",
        f"Runbook: {runbook_link(settings, row.kind)}",
    )
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
