"""Choice states that fail as Step Functions' do.

In moto a rule on a missing variable is simply false, so a typing error runs into ``Default``; and a choice that matches
nothing ends with the wrong error. Here the first is ``States.Runtime``, the second ``States.NoChoiceMatched``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.stepfunctions.parser.asl.component.state.choice.comparison.comparison_func import ComparisonFuncValue
from moto.stepfunctions.parser.asl.component.state.choice.comparison.comparison_operator_type import (
    ComparisonOperatorType,
)
from moto.stepfunctions.parser.asl.component.state.choice.comparison.variable import NoSuchVariable
from moto.stepfunctions.parser.asl.component.state.choice.state_choice import StateChoice

from sandbox.aws.runtime import Runtime
from sandbox.aws.states.failures import fail


def install(runtime: Runtime) -> None:
    """Make choices strict."""
    compare: Callable[..., None] = ComparisonFuncValue._eval_body  # pyright: ignore[reportPrivateUsage]
    choose: Callable[..., None] = StateChoice._eval_state  # pyright: ignore[reportPrivateUsage]

    def eval_comparison(comparison: Any, env: Any) -> None:
        variable = env.stack[-1]
        if isinstance(variable, NoSuchVariable) and comparison.operator_type != ComparisonOperatorType.IsPresent:
            path = variable.path.split(",", 1)[0]
            fail(
                env,
                "States.Runtime",
                f"Invalid path '{path}': The choice state's condition path references an invalid value.",
            )
        compare(comparison, env)

    def eval_choice(state: Any, env: Any) -> None:
        if state.default_state is not None:
            choose(state, env)
            return
        for rule in state.choices_decl.rules:
            rule.eval(env)
            if env.stack.pop() is True:
                env.stack.append(rule.next_stmt.name)
                return
        fail(env, "States.NoChoiceMatched", "No choice rule matched, and the state has no Default.")

    runtime.patches.replace(ComparisonFuncValue, "_eval_body", eval_comparison)
    runtime.patches.replace(StateChoice, "_eval_state", eval_choice)
