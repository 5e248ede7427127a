"""Changes and tags of budgets, which moto does not have."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.budgets.exceptions import NotFoundException
from moto.budgets.responses import BudgetsResponse
from moto.core.utils import unix_time

from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Add UpdateBudget and the three calls about tags; a budget keeps its tags and loses them with itself."""
    create: Callable[..., str] = BudgetsResponse.create_budget

    def budget_of(self: Any, account: str, name: str) -> Any:
        budget = self.backend.budgets[account].get(name)
        if budget is None:
            raise NotFoundException(f"Unable to get budget: {name} - the budget doesn't exist.")
        return budget

    def tags_of(self: Any) -> dict[str, str]:
        # arn:aws:budgets::123456789012:budget/name
        account, _, name = self._get_param("ResourceARN").split(":", 4)[4].partition(":budget/")
        return vars(budget_of(self, account, name)).setdefault("tags", {})

    def create_budget(self: Any) -> str:
        answer = create(self)
        made = budget_of(self, self._get_param("AccountId"), self._get_param("Budget")["BudgetName"])
        made.tags = {tag["Key"]: tag["Value"] for tag in self._get_param("ResourceTags") or []}
        return answer

    def update_budget(self: Any) -> str:
        new = self._get_param("NewBudget")
        kept = budget_of(self, self._get_param("AccountId"), new["BudgetName"])
        period = {"TimePeriod": kept.budget["TimePeriod"]}
        kept.budget = {**period, **new, "LastUpdatedTime": unix_time()}
        return "{}"

    def tag_resource(self: Any) -> str:
        tags_of(self).update({tag["Key"]: tag["Value"] for tag in self._get_param("ResourceTags")})
        return "{}"

    def untag_resource(self: Any) -> str:
        tags = tags_of(self)
        for key in self._get_param("ResourceTagKeys"):
            tags.pop(key, None)
        return "{}"

    def list_tags_for_resource(self: Any) -> str:
        return json.dumps({"ResourceTags": [{"Key": key, "Value": value} for key, value in tags_of(self).items()]})

    runtime.patches.replace(BudgetsResponse, "create_budget", create_budget)
    for call in (update_budget, tag_resource, untag_resource, list_tags_for_resource):
        runtime.patches.add(BudgetsResponse, call.__name__, call)
