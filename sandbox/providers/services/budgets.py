"""Budgets. Source: terraform-provider-aws ``internal/service/budgets/budget.go``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.providers.table import (
    Change,
    Inputs,
    Operation,
    ResourceType,
    State,
    Tagging,
    absent,
    found,
    given,
    names,
    pascal,
    pick,
    tag_list,
    tag_map,
)

_MISSING = "NotFoundException"
_TIME = "%Y-%m-%d_%H:%M"
"""How the provider writes times. Its ``costFilters`` and ``costTypes`` are left out: they are what ``filterExpression``
and ``metrics`` take the place of."""


def _expression(expression: Mapping[str, Any]) -> dict[str, Any]:
    """A filter: lists are called ``ands`` and ``ors`` in the schema, ``And`` and ``Or`` in the API."""
    return given(
        And=[_expression(entry) for entry in expression["ands"]] if expression.get("ands") else None,
        Or=[_expression(entry) for entry in expression["ors"]] if expression.get("ors") else None,
        Tags=pascal(expression["tags"]) if expression.get("tags") else None,
        Dimensions=pascal(expression["dimensions"]) if expression.get("dimensions") else None,
    )


def _notification(notification: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {"subscriberSnsTopicArns": "SNS", "subscriberEmailAddresses": "EMAIL"}
    return {
        "Notification": pick(notification, "notificationType", "comparisonOperator", "threshold", "thresholdType"),
        "Subscribers": [
            {"SubscriptionType": kind, "Address": address}
            for name, kind in kinds.items()
            for address in notification.get(name) or []
        ],
    }


def _budget(inputs: Inputs, name: str) -> dict[str, Any]:
    expression = inputs.get("filterExpression")
    return {
        "BudgetName": name,
        **pick(inputs, "budgetType", "timeUnit"),
        "BudgetLimit": {"Amount": inputs["limitAmount"], "Unit": inputs["limitUnit"]},
        **given(
            FilterExpression=_expression(expression) if expression else None,
            # A list in the API; the bridge makes one value of the schema's list of at most one.
            Metrics=[inputs["metrics"]] if inputs.get("metrics") else None,
        ),
    }


def _create(operation: Operation, inputs: Inputs) -> str:
    operation.client("budgets").create_budget(
        AccountId=operation.account,
        Budget=_budget(inputs, inputs["name"]),
        NotificationsWithSubscribers=[_notification(entry) for entry in inputs.get("notifications") or []],
        **given(ResourceTags=tag_list(inputs["tagsAll"]) if inputs.get("tagsAll") else None),
    )
    return f"{operation.account}:{inputs['name']}"


def _update(operation: Operation, change: Change) -> None:
    account, _, name = change.id.partition(":")
    client = operation.client("budgets")
    client.update_budget(AccountId=account, NewBudget=_budget(change.inputs, name))
    if change.any("notifications"):
        # The provider takes all notifications away and makes them again (updateBudgetNotifications).
        for entry in change.old.get("notifications") or []:
            former = _notification(entry)["Notification"]
            client.delete_notification(AccountId=account, BudgetName=name, Notification=former)
        for entry in change.inputs.get("notifications") or []:
            client.create_notification(AccountId=account, BudgetName=name, **_notification(entry))


def _read(operation: Operation, identifier: str, prior: State) -> State | None:
    account, _, name = identifier.partition(":")
    client = operation.client("budgets")
    answer = found(lambda: client.describe_budget(AccountId=account, BudgetName=name), _MISSING)
    if answer is None:
        return None
    budget = answer["Budget"]
    arn = f"arn:{operation.partition}:budgets::{account}:budget/{name}"
    return {
        "accountId": account,
        "name": budget["BudgetName"],
        "namePrefix": prior.get("namePrefix", ""),
        "arn": arn,
        "budgetType": budget["BudgetType"],
        "timeUnit": budget["TimeUnit"],
        "limitAmount": budget["BudgetLimit"]["Amount"],
        "limitUnit": budget["BudgetLimit"]["Unit"],
        "timePeriodStart": budget["TimePeriod"]["Start"].strftime(_TIME),
        "timePeriodEnd": budget["TimePeriod"]["End"].strftime(_TIME),
        "metrics": next(iter(budget.get("Metrics") or ()), None),
        "tagsAll": tag_map(client.list_tags_for_resource(ResourceARN=arn).get("ResourceTags")),
    }


def _delete(operation: Operation, identifier: str, state: State) -> None:
    account, _, name = identifier.partition(":")
    absent(lambda: operation.client("budgets").delete_budget(AccountId=account, BudgetName=name), _MISSING)


def _add_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("budgets").tag_resource(ResourceARN=state["arn"], ResourceTags=tag_list(tags))


def _remove_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("budgets").untag_resource(ResourceARN=state["arn"], ResourceTagKeys=keys)


TYPES = (
    ResourceType(
        token="aws:budgets/budget:Budget",
        source="budgets/budget.go",
        handles=names("name budgetType timeUnit limitAmount limitUnit metrics filterExpression notifications"),
        replaces=names("name"),
        not_read={
            "filterExpression": "moto gives it back as it came; it cannot drift here",
            "notifications": "moto does not tell the subscribers",
        },
        create=_create,
        read=_read,
        update=_update,
        delete=_delete,
        tagging=Tagging(_add_tags, _remove_tags),
    ),
)
