"""EventBridge rules that deliver.

moto raises on targets other than queues, log groups and buses, and then gives the event to no later target or rule. It
ignores ``Input``, ``InputPath``, dead-letter queues and the state of a rule, and lets rules that have only a schedule
match every event. Here every target of an enabled rule that matches gets the event, shaped as the target asks; one that
fails is logged and dead-lettered, and stops no other.
"""

from __future__ import annotations

import copy
import datetime
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from jsonpath_ng.ext.parser import parse as parse_json_path
from moto.events.models import Rule
from moto.utilities.arns import parse_arn

from sandbox.aws.input_transformer import render
from sandbox.aws.runtime import Runtime, log


def install(runtime: Runtime) -> None:
    """Make rules deliver."""
    original: Callable[..., None] = Rule.send_to_targets

    def send_to_targets(rule: Any, original_event: dict[str, Any], transform_input: bool = True) -> None:
        if not rule.event_pattern.get_pattern() or not rule.event_pattern.matches_event(original_event):
            return
        deliver(rule, original_event)

    def deliver_as_moto(rule: Any, target: dict[str, Any], event: dict[str, Any]) -> None:
        alone = copy.copy(rule)
        alone.targets = [target]
        original(alone, copy.deepcopy(event))

    runtime.patches.replace(Rule, "send_to_targets", send_to_targets)
    runtime.patches.add(Rule, "deliver_as_moto", deliver_as_moto)


def deliver(rule: Any, event: dict[str, Any]) -> None:
    """Give an event to every target of a rule that is enabled."""
    if rule.state == "DISABLED":
        return
    delivered = _as_delivered(event)
    for target in list(rule.targets):
        try:
            _deliver_to(rule, target, event, delivered)
        except Exception as error:
            log.warning(
                "rule %s could not deliver to %s: %s: %s", rule.name, target["Arn"], type(error).__name__, error
            )
            _dead_letter(rule, target, delivered, error)


def _as_delivered(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event as targets see it: moto keeps the time as a number, and a field of its own."""
    delivered = {key: value for key, value in copy.deepcopy(dict(event)).items() if key != "ingestion-time"}
    if not isinstance(delivered["time"], str):
        moment = datetime.datetime.fromtimestamp(float(delivered["time"]), datetime.UTC)
        delivered["time"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return delivered


def _deliver_to(rule: Any, target: dict[str, Any], event: dict[str, Any], delivered: dict[str, Any]) -> None:
    arn = parse_arn(target["Arn"])
    if arn.service == "states":
        from moto.stepfunctions.parser.models import stepfunctions_parser_backends

        backend: Any = stepfunctions_parser_backends[arn.account][arn.region]
        name = f"{delivered['id']}_{uuid.uuid4()}"[:80]
        backend.start_execution(target["Arn"], name=name, execution_input=shaped_input(rule, target, delivered))
    elif arn.service == "lambda":
        from moto.awslambda.utils import get_backend

        lambda_backend: Any = get_backend(arn.account, arn.region)
        headers = {"x-amz-invocation-type": "Event"}
        lambda_backend.invoke(target["Arn"], None, shaped_input(rule, target, delivered), headers, {})
    elif arn.service == "sns":
        from moto.sns.models import sns_backends

        sns_backends[arn.account][arn.region].publish(arn=target["Arn"], message=shaped_input(rule, target, delivered))
    elif arn.service == "sqs":
        from moto.sqs.models import sqs_backends

        sqs_backends[arn.account][arn.region].send_message(
            queue_name=arn.resource_id,
            message_body=shaped_input(rule, target, delivered),
            group_id=target.get("SqsParameters", {}).get("MessageGroupId"),
        )
    else:
        rule.deliver_as_moto(target, event)


def shaped_input(rule: Any, target: Mapping[str, Any], event: dict[str, Any]) -> str:
    """Return what a target gets of an event: all of it, a part, a constant, or a template filled in."""
    if target.get("Input"):
        return str(target["Input"])
    if target.get("InputPath"):
        found = parse_json_path(target["InputPath"]).find(event)
        return json.dumps(found[0].value if found else None)
    transformer = target.get("InputTransformer")
    if transformer:
        return render(transformer["InputTemplate"], transformer.get("InputPathsMap") or {}, event, rule.arn, rule.name)
    return json.dumps(event)


def _dead_letter(rule: Any, target: Mapping[str, Any], event: Mapping[str, Any], error: Exception) -> None:
    queue = target.get("DeadLetterConfig", {}).get("Arn")
    if not queue:
        return
    from moto.sqs.models import sqs_backends

    arn = parse_arn(queue)
    attributes = {
        "RULE_ARN": rule.arn,
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": type(error).__name__,
        "ERROR_MESSAGE": str(error) or type(error).__name__,
    }
    try:
        sqs_backends[arn.account][arn.region].send_message(
            queue_name=arn.resource_id,
            message_body=json.dumps(event),
            message_attributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )
    except Exception as failure:
        log.error("rule %s lost an event: its dead-letter queue %s refused it: %s", rule.name, queue, failure)
