"""Custom automatic scaling policies of EMR instance groups.

Sources: EMR API reference, AutoScalingPolicy and below (botocore's model has types, enumerations and what is required);
EMR management guide, "Using automatic scaling with a custom policy for instance groups".
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import botocore.session

from sandbox.documents import Owner
from sandbox.service_models import document_violations


def scaling_policy(document: Any, owner: Owner) -> Iterator[str]:
    """What is wrong with a policy."""
    found = list(document_violations(document, _shape("AutoScalingPolicy"), "emr"))
    yield from found
    if found:
        return
    low, high = document["Constraints"]["MinCapacity"], document["Constraints"]["MaxCapacity"]
    if not 0 <= low <= high:
        yield f"Constraints are {low} to {high}; MinCapacity is at least 0 and not above MaxCapacity"
    if not document["Rules"]:
        yield "Rules is []; a policy has at least one rule"
    names: set[str] = set()
    for index, rule in enumerate(document["Rules"]):
        place = f"Rules[{index}]"
        if rule["Name"] in names:
            yield f"{place}.Name is {rule['Name']!r} again; a rule's name is unique in its policy"
        names.add(rule["Name"])
        yield from _rule(place, rule)


def _rule(place: str, rule: dict[str, Any]) -> Iterator[str]:
    scaling = rule["Action"]["SimpleScalingPolicyConfiguration"]
    step, kind = scaling["ScalingAdjustment"], scaling.get("AdjustmentType", "CHANGE_IN_CAPACITY")
    at = f"{place}.Action.SimpleScalingPolicyConfiguration"
    if kind == "EXACT_CAPACITY" and step <= 0:
        yield f"{at}.ScalingAdjustment is {step}; for EXACT_CAPACITY it is positive"
    if kind != "EXACT_CAPACITY" and step == 0:
        yield f"{at}.ScalingAdjustment is 0, which changes nothing"
    if scaling.get("CoolDown", 0) < 0:
        yield f"{at}.CoolDown is {scaling['CoolDown']}; it is not negative"
    alarm = rule["Trigger"]["CloudWatchAlarmDefinition"]
    where = f"{place}.Trigger.CloudWatchAlarmDefinition"
    if alarm["Period"] < 60 or alarm["Period"] % 60:
        yield f"{where}.Period is {alarm['Period']}; it is a multiple of 60 seconds (EMR's own metrics come every 300)"
    if alarm.get("EvaluationPeriods", 1) < 1:
        yield f"{where}.EvaluationPeriods is {alarm['EvaluationPeriods']}; it is at least 1"


def configurations(document: Any, owner: Owner) -> Iterator[str]:
    """What is wrong with a list of application configurations (EMR release guide, "Configure applications")."""
    if document is None:
        yield 'is "null"; leave it out instead'
        return
    found = list(document_violations(document, _shape("ConfigurationList"), "emr"))
    yield from found
    if found:
        return
    seen: set[str] = set()
    for index, entry in enumerate(document):
        name = entry.get("Classification")
        if not name:
            yield f"[{index}] has no Classification"
        elif name in seen:
            yield f"[{index}].Classification is {name!r} again; a classification comes once"
        seen.add(str(name))


@functools.cache
def _shape(name: str) -> Any:
    return botocore.session.get_session().get_service_model("emr").shape_for(name)
