"""Budgets. Source: terraform-provider-aws ``internal/service/budgets/budget.go``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.providers.table import Inputs, Operation, ResourceType, State, absent, found, given, names, pascal, pick

_MISSING = "NotFoundException"


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


def _create(operation: Operation, inputs: Inputs) -> str:
    expression = inputs.get("filterExpression")
    operation.client("budgets").create_budget(
        AccountId=operation.account,
        Budget={
            **pick(inputs, "budgetType", "timeUnit", name="BudgetName"),
            "BudgetLimit": {"Amount": inputs["limitAmount"], "Unit": inputs["limitUnit"]},
            **given(
                FilterExpression=_expression(expression) if expression else None,
                # A list in the API; the bridge makes one value of the schema's list of at most one.
                Metrics=[inputs["metrics"]] if inputs.get("metrics") else None,
            ),
        },
        NotificationsWithSubscribers=[_notification(entry) for entry in inputs.get("notifications") or []],
    )
    return f"{operation.account}:{inputs['name']}"


def _read(operation: Operation, identifier: str, prior: State) -> State | None:
    account, _, name = identifier.partition(":")
    client = operation.client("budgets")
    answer = found(lambda: client.describe_budget(AccountId=account, BudgetName=name), _MISSING)
    if answer is None:
        return None
    budget = answer["Budget"]
    return {
        "accountId": account,
        "name": budget["BudgetName"],
        "arn": f"arn:{operation.partition}:budgets::{account}:budget/{name}",
        "budgetType": budget["BudgetType"],
        "timeUnit": budget["TimeUnit"],
        "limitAmount": budget["BudgetLimit"]["Amount"],
        "limitUnit": budget["BudgetLimit"]["Unit"],
        "metrics": next(iter(budget.get("Metrics") or ()), None),
    }


def _delete(operation: Operation, identifier: str, state: State) -> None:
    account, _, name = identifier.partition(":")
    absent(lambda: operation.client("budgets").delete_budget(AccountId=account, BudgetName=name), _MISSING)


TYPES = (
    ResourceType(
        token="aws:budgets/budget:Budget",
        source="budgets/budget.go",
        handles=names("name budgetType timeUnit limitAmount limitUnit metrics filterExpression notifications"),
        # The provider changes all but these in place; moto has no UpdateBudget, so here a change is a new budget.
        replaces=names("name"),
        not_read={
            "filterExpression": "moto gives it back as it came; it cannot drift here",
            "notifications": "moto does not tell the subscribers",
            "tagsAll": "moto has no tags of budgets",
        },
        create=_create,
        read=_read,
        delete=_delete,
    ),
)
