"""CloudWatch: log groups, saved queries, alarms, dashboards.

Sources: terraform-provider-aws ``internal/service/logs/{group,query_definition}.go``,
``internal/service/cloudwatch/{metric_alarm,composite_alarm,dashboard}.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.documents.dashboard import dashboard_body
from sandbox.providers.comparison import Comparison
from sandbox.providers.naming import AutoName
from sandbox.providers.table import (
    Change,
    Created,
    Inputs,
    Operation,
    ResourceType,
    State,
    Tagging,
    absent,
    found,
    given,
    import_parts,
    names,
    own_tags,
    pick,
    tag_list,
    tag_map,
)
from sandbox.providers.values import between, matching

# -- log groups --------------------------------------------------------------------------------------------------------

_RETENTION_DAYS = frozenset(
    (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
)
"""CloudWatch Logs API reference, PutRetentionPolicy; 0 keeps for ever."""
_LOGS_MISSING = "ResourceNotFoundException"


def _check_log_group(inputs: Inputs) -> Iterable[tuple[str, str]]:
    days = inputs.get("retentionInDays", 0)
    if days not in _RETENTION_DAYS:
        allowed = ", ".join(str(value) for value in sorted(_RETENTION_DAYS))
        yield "retentionInDays", f"is {days}; CloudWatch Logs accepts {allowed}"


def _create_log_group(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("logs")
    name = inputs["name"]
    client.create_log_group(
        logGroupName=name,
        **given(
            kmsKeyId=inputs.get("kmsKeyId"),
            logGroupClass=inputs.get("logGroupClass"),
            tags=inputs.get("tagsAll") or None,
        ),
    )
    operation.created(name)
    if inputs.get("retentionInDays"):
        client.put_retention_policy(logGroupName=name, retentionInDays=inputs["retentionInDays"])
    return name


def _find_log_group(operation: Operation, name: str) -> dict[str, Any] | None:
    pages = operation.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    return next((group for page in pages for group in page["logGroups"] if group["logGroupName"] == name), None)


def _read_log_group(operation: Operation, identifier: str, prior: State) -> State | None:
    group = _find_log_group(operation, identifier)
    if group is None:
        return None
    arn = group["arn"].removesuffix(":*")
    return {
        "name": identifier,
        "namePrefix": prior.get("namePrefix", ""),
        "arn": arn,
        "kmsKeyId": group.get("kmsKeyId") or None,
        "retentionInDays": group.get("retentionInDays") or 0,
        "logGroupClass": group.get("logGroupClass") or "STANDARD",
        "deletionProtectionEnabled": group.get("deletionProtectionEnabled", False),
        "tagsAll": own_tags(operation.client("logs").list_tags_for_resource(resourceArn=arn).get("tags")),
    }


def _update_log_group(operation: Operation, change: Change) -> None:
    client = operation.client("logs")
    if change.any("retentionInDays"):
        if change.inputs.get("retentionInDays"):
            client.put_retention_policy(logGroupName=change.id, retentionInDays=change.inputs["retentionInDays"])
        else:
            client.delete_retention_policy(logGroupName=change.id)
    if change.any("kmsKeyId"):
        if change.inputs.get("kmsKeyId"):
            client.associate_kms_key(logGroupName=change.id, kmsKeyId=change.inputs["kmsKeyId"])
        else:
            client.disassociate_kms_key(logGroupName=change.id)


def _delete_log_group(operation: Operation, identifier: str, state: State) -> None:
    if not state.get("skipDestroy"):
        absent(lambda: operation.client("logs").delete_log_group(logGroupName=identifier), _LOGS_MISSING)


def _add_group_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("logs").tag_resource(resourceArn=state["arn"], tags=tags)


def _remove_group_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("logs").untag_resource(resourceArn=state["arn"], tagKeys=keys)


# -- alarms ------------------------------------------------------------------------------------------------------------

_ALARM_MEMBERS = {
    "actionsEnabled": "ActionsEnabled",
    "alarmActions": "AlarmActions",
    "alarmDescription": "AlarmDescription",
    "comparisonOperator": "ComparisonOperator",
    "datapointsToAlarm": "DatapointsToAlarm",
    "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
    "evaluationPeriods": "EvaluationPeriods",
    "extendedStatistic": "ExtendedStatistic",
    "insufficientDataActions": "InsufficientDataActions",
    "metricName": "MetricName",
    "namespace": "Namespace",
    "okActions": "OKActions",
    "period": "Period",
    "statistic": "Statistic",
    "threshold": "Threshold",
    "thresholdMetricId": "ThresholdMetricId",
    "treatMissingData": "TreatMissingData",
    "unit": "Unit",
}
_TREATMENTS = frozenset({"breaching", "notBreaching", "ignore", "missing"})


def _check_alarm(inputs: Inputs) -> Iterable[tuple[str, str]]:
    treatment = inputs.get("treatMissingData", "missing")
    if treatment not in _TREATMENTS:
        yield "treatMissingData", f"is {treatment!r}, which is not one of {', '.join(sorted(_TREATMENTS))}"
    for name in ("alarmActions", "okActions", "insufficientDataActions"):
        if len(inputs.get(name) or []) > 5:
            yield name, f"has {len(inputs[name])} actions; CloudWatch allows 5"
    if inputs.get("datapointsToAlarm", 1) > inputs.get("evaluationPeriods", inputs.get("datapointsToAlarm", 1)):
        yield "datapointsToAlarm", "is more than evaluationPeriods, so the alarm could never go off"


def _queries(queries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = []
    for query in queries:
        entry = pick(query, "id", "expression", "label", "period", "accountId", "returnData")
        if query.get("metric"):
            metric = query["metric"]
            entry["MetricStat"] = {
                "Metric": {
                    **pick(metric, "metricName", "namespace"),
                    "Dimensions": tag_list(metric.get("dimensions"), "Name"),
                },
                **pick(metric, "period", "stat", "unit"),
            }
        result.append(entry)
    return result


def alarm_members(inputs: Inputs) -> dict[str, Any]:
    """Inputs of a MetricAlarm as members of PutMetricAlarm."""
    members = {member: inputs[name] for name, member in _ALARM_MEMBERS.items() if name in inputs}
    if "dimensions" in inputs:
        members["Dimensions"] = tag_list(inputs["dimensions"], "Name")
    if "metricQueries" in inputs:
        members["Metrics"] = _queries(inputs["metricQueries"])
    return members


def _put_alarm(operation: Operation, inputs: Inputs, tags: bool) -> str:
    members = alarm_members(inputs)
    if tags and inputs.get("tagsAll"):
        members["Tags"] = tag_list(inputs["tagsAll"])
    operation.client("cloudwatch").put_metric_alarm(AlarmName=inputs["name"], **members)
    return inputs["name"]


def _create_alarm(operation: Operation, inputs: Inputs) -> str:
    return _put_alarm(operation, inputs, tags=True)


def _read_alarm(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("cloudwatch")
    alarms = client.describe_alarms(AlarmNames=[identifier], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    if not alarms:
        return None
    alarm = alarms[0]
    state: State = {
        "name": alarm["AlarmName"],
        "arn": alarm["AlarmArn"],
        "dimensions": tag_map(alarm.get("Dimensions"), "Name") or None,
        "tagsAll": tag_map(client.list_tags_for_resource(ResourceARN=alarm["AlarmArn"]).get("Tags")),
    }
    for name, member in _ALARM_MEMBERS.items():
        state[name] = alarm.get(member)
    state["evaluateLowSampleCountPercentiles"] = state.get("evaluateLowSampleCountPercentiles") or ""
    state["treatMissingData"] = state.get("treatMissingData") or "missing"
    state["metricQueries"] = [_query_state(query) for query in alarm.get("Metrics") or []] or None
    if state["metricQueries"]:
        # moto gives a single-metric alarm's members even where there are queries.
        for name in ("metricName", "namespace", "statistic", "period"):
            state[name] = state[name] or None
    return state


def _query_state(query: Mapping[str, Any]) -> State:
    state = given(
        id=query["Id"],
        expression=query.get("Expression") or None,
        label=query.get("Label") or None,
        period=query.get("Period") or None,
        accountId=query.get("AccountId") or None,
        returnData=query.get("ReturnData"),
    )
    if query.get("MetricStat"):
        stat = query["MetricStat"]
        metric = stat["Metric"]
        state["metric"] = given(
            metricName=metric["MetricName"],
            namespace=metric.get("Namespace"),
            dimensions=tag_map(metric.get("Dimensions"), "Name") or None,
            period=stat["Period"],
            stat=stat["Stat"],
            unit=stat.get("Unit") or None,
        )
    return state


def _update_alarm(operation: Operation, change: Change) -> None:
    _put_alarm(operation, {**change.inputs, "name": change.id}, tags=False)


def _delete_alarm(operation: Operation, identifier: str, state: State) -> None:
    absent(lambda: operation.client("cloudwatch").delete_alarms(AlarmNames=[identifier]), "ResourceNotFound")


def _add_alarm_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("cloudwatch").tag_resource(ResourceARN=state["arn"], Tags=tag_list(tags))


def _remove_alarm_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("cloudwatch").untag_resource(ResourceARN=state["arn"], TagKeys=keys)


# -- composite alarms --------------------------------------------------------------------------------------------------

_COMPOSITE_MEMBERS = {
    "actionsEnabled": "ActionsEnabled",
    "alarmActions": "AlarmActions",
    "alarmDescription": "AlarmDescription",
    "alarmRule": "AlarmRule",
    "insufficientDataActions": "InsufficientDataActions",
    "okActions": "OKActions",
}


def _put_composite(operation: Operation, inputs: Inputs, tags: bool) -> str:
    client = operation.client("cloudwatch")
    members = {member: inputs[name] for name, member in _COMPOSITE_MEMBERS.items() if name in inputs}
    named = re.findall(r'[A-Z_]+\("([^"]+)"\)', inputs["alarmRule"])
    there = [
        alarm["AlarmName"]
        for start in range(0, len(named), 100)
        for alarms in client.describe_alarms(AlarmNames=named[start : start + 100]).values()
        if isinstance(alarms, list)
        for alarm in alarms
    ]
    missing = sorted(set(named) - set(there))
    if missing:
        # moto takes any rule; CloudWatch refuses one that names what is not there.
        raise ValueError(f"PutCompositeAlarm: the rule names alarms that do not exist: {', '.join(missing)}")
    if tags and inputs.get("tagsAll"):
        members["Tags"] = tag_list(inputs["tagsAll"])
    client.put_composite_alarm(AlarmName=inputs["alarmName"], **members)
    return inputs["alarmName"]


def _create_composite(operation: Operation, inputs: Inputs) -> str:
    return _put_composite(operation, inputs, tags=True)


def _read_composite(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("cloudwatch")
    alarms = client.describe_alarms(AlarmNames=[identifier], AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    if not alarms:
        return None
    alarm = alarms[0]
    state: State = {name: alarm.get(member) for name, member in _COMPOSITE_MEMBERS.items()}
    return state | {
        "alarmName": alarm["AlarmName"],
        "arn": alarm["AlarmArn"],
        "tagsAll": tag_map(client.list_tags_for_resource(ResourceARN=alarm["AlarmArn"]).get("Tags")),
    }


def _update_composite(operation: Operation, change: Change) -> None:
    _put_composite(operation, {**change.inputs, "alarmName": change.id}, tags=False)


# -- saved queries -----------------------------------------------------------------------------------------------------


def _put_query(operation: Operation, inputs: Inputs, identifier: str | None = None) -> str:
    return operation.client("logs").put_query_definition(
        **pick(inputs, logGroupNames="logGroupNames", queryString="queryString"),
        name=inputs["name"],
        **given(queryDefinitionId=identifier),
    )["queryDefinitionId"]


def _create_query(operation: Operation, inputs: Inputs) -> str:
    return _put_query(operation, inputs)


def _adopt_query(identifier: str) -> Created:
    """The ARN: ``arn:aws:logs:region:account:query-definition:id``."""
    *start, query = import_parts(identifier, "arn:partition:logs:region:account:query-definition:id", ":")
    if start[2] != "logs":
        raise ValueError(f"unexpected format of id {identifier!r}: it must be the ARN of a query definition")
    return Created(query)


def _read_query(operation: Operation, identifier: str, prior: State) -> State | None:
    listed = operation.client("logs").describe_query_definitions()
    query = next((entry for entry in listed["queryDefinitions"] if entry["queryDefinitionId"] == identifier), None)
    if query is None:
        return None
    identity = query["queryDefinitionId"]
    return {
        "arn": f"arn:{operation.partition}:logs:{operation.region}:{operation.account}:query-definition:{identity}",
        "name": query["name"],
        "queryDefinitionId": query["queryDefinitionId"],
        "queryString": query["queryString"],
        "logGroupNames": query.get("logGroupNames") or None,
    }


def _update_query(operation: Operation, change: Change) -> None:
    _put_query(operation, change.inputs, change.old["queryDefinitionId"])


def _delete_query(operation: Operation, identifier: str, state: State) -> None:
    absent(
        lambda: operation.client("logs").delete_query_definition(queryDefinitionId=state["queryDefinitionId"]),
        _LOGS_MISSING,
    )


# -- dashboards --------------------------------------------------------------------------------------------------------


_DASHBOARD_MISSING = ("ResourceNotFound", "DashboardNotFoundError")


def _put_dashboard(operation: Operation, inputs: Inputs) -> str:
    answer = operation.client("cloudwatch").put_dashboard(**pick(inputs, "dashboardName", "dashboardBody"))
    for problem in answer.get("DashboardValidationMessages") or []:
        raise ValueError(f"PutDashboard: {problem.get('DataPath', '')}: {problem.get('Message', '')}")
    return inputs["dashboardName"]


def _read_dashboard(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("cloudwatch")
    dashboard = found(
        lambda: client.get_dashboard(DashboardName=identifier), "ResourceNotFound", "DashboardNotFoundError"
    )
    if dashboard is None:
        return None
    return {
        "dashboardName": dashboard["DashboardName"],
        "dashboardBody": dashboard["DashboardBody"],
        "dashboardArn": dashboard.get("DashboardArn")
        or f"arn:{operation.partition}:cloudwatch::{operation.account}:dashboard/{identifier}",
    }


def _update_dashboard(operation: Operation, change: Change) -> None:
    _put_dashboard(operation, change.inputs)


def _delete_dashboard(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("cloudwatch")
    absent(lambda: client.delete_dashboards(DashboardNames=[identifier]), *_DASHBOARD_MISSING)


TYPES = (
    ResourceType(
        token="aws:cloudwatch/logGroup:LogGroup",
        source="logs/group.go",
        at_most_one=(names("name namePrefix"),),
        values={"name": matching(r"[\w./#-]{1,512}", "a group's name is 1 to 512 of letters, digits and _ - / . #")},
        handles=names("kmsKeyId logGroupClass retentionInDays skipDestroy"),
        naming=AutoName(maximum=512),
        defaults={"retentionInDays": 0, "skipDestroy": False},
        replaces=names("name namePrefix logGroupClass"),
        not_read={"skipDestroy": "a setting of the provider, not of AWS"},
        create=_create_log_group,
        read=_read_log_group,
        update=_update_log_group,
        delete=_delete_log_group,
        tagging=Tagging(_add_group_tags, _remove_group_tags),
        check=_check_log_group,
    ),
    ResourceType(
        token="aws:cloudwatch/metricAlarm:MetricAlarm",
        source="cloudwatch/metric_alarm.go",
        at_most_one=(
            names("metricName metricQueries"),
            names("statistic extendedStatistic"),
            names("threshold thresholdMetricId"),
        ),
        values={"evaluationPeriods": between(1, 86_400), "datapointsToAlarm": between(1, 86_400)},
        handles=frozenset(_ALARM_MEMBERS) | names("dimensions metricQueries"),
        naming=AutoName(maximum=255, prefix_property=None),
        defaults={"actionsEnabled": True, "treatMissingData": "missing", "metricQueries.returnData": False},
        comparison=Comparison(unordered=names("alarmActions okActions insufficientDataActions metricQueries")),
        replaces=names("name"),
        create=_create_alarm,
        read=_read_alarm,
        update=_update_alarm,
        delete=_delete_alarm,
        tagging=Tagging(_add_alarm_tags, _remove_alarm_tags),
        check=_check_alarm,
    ),
    ResourceType(
        token="aws:cloudwatch/compositeAlarm:CompositeAlarm",
        source="cloudwatch/composite_alarm.go",
        handles=frozenset(_COMPOSITE_MEMBERS) | names("alarmName"),
        defaults={"actionsEnabled": True},
        comparison=Comparison(unordered=names("alarmActions okActions insufficientDataActions")),
        replaces=names("alarmName actionsEnabled"),
        create=_create_composite,
        read=_read_composite,
        update=_update_composite,
        delete=_delete_alarm,
        tagging=Tagging(_add_alarm_tags, _remove_alarm_tags),
    ),
    ResourceType(
        token="aws:cloudwatch/queryDefinition:QueryDefinition",
        source="logs/query_definition.go",
        adopt=_adopt_query,
        handles=names("name logGroupNames queryString"),
        create=_create_query,
        read=_read_query,
        update=_update_query,
        delete=_delete_query,
    ),
    ResourceType(
        token="aws:cloudwatch/dashboard:Dashboard",
        source="cloudwatch/dashboard.go",
        values={"dashboardName": matching(r"[\w-]{1,255}", "a name is 1 to 255 of letters, digits, - and _")},
        handles=names("dashboardName dashboardBody"),
        comparison=Comparison(json=names("dashboardBody")),
        documents={"dashboardBody": dashboard_body},
        replaces=names("dashboardName"),
        create=_put_dashboard,
        read=_read_dashboard,
        update=_update_dashboard,
        delete=_delete_dashboard,
    ),
)
