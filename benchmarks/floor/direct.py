"""The direct pattern, for comparison: a rule starts one execution for each new object, and nothing is in between."""

from __future__ import annotations

import json
from typing import Any

from sandbox.chain import ACCOUNT, REGION, ROLE

BUCKET = "direct"


def build(chain: Any) -> str:
    """Make bucket, state machine and rule beside a chain; the state machine's ARN."""
    store, states, events = (chain.use(service) for service in ("s3", "stepfunctions", "events"))
    store.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    store.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    definition = {"StartAt": "Work", "States": {"Work": {"Type": "Pass", "End": True}}}
    machine = states.create_state_machine(name="direct", definition=json.dumps(definition), roleArn=ROLE)
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": [BUCKET]}}}
    events.put_rule(Name="direct", EventPattern=json.dumps(pattern))
    target = {"Id": "1", "Arn": machine["stateMachineArn"], "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/tests"}
    events.put_targets(Rule="direct", Targets=[target])
    return str(machine["stateMachineArn"])
