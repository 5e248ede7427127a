"""Which errors a Retry or Catch matches, and retries of tasks that wait.

In moto ``States.ALL`` matches everything and ``States.TaskFailed`` none of Step Functions' own errors. The rules here
are those of the Step Functions guide, "Handling errors in Step Functions workflows": nothing matches
``States.Runtime``, ``States.DataLimitExceeded`` is matched by its own name only, ``States.TaskFailed`` matches
everything but timeouts. A failing intrinsic function is ``States.IntrinsicFailure``, which can be caught; in moto it
is ``States.Runtime``. An empty text is no JSON to ``States.StringToJson``, which applies a JSON parser (guide,
"Intrinsic functions"); moto makes null of it. A retried task that waits for a token also gets a token of its own; moto
hands out the old one, which times out at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEventException
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringIntrinsicFunction
from moto.stepfunctions.parser.asl.component.intrinsic.function.statesfunction.json_manipulation.string_to_json import (
    StringToJson,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_callback
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.utils.json_path import NoSuchJsonPathError

from sandbox.aws.runtime import Runtime
from sandbox.aws.states.failures import fail

_NEVER_MATCHED = "States.Runtime"
_BY_NAME_ONLY = "States.DataLimitExceeded"
_TIMEOUTS = ("States.Timeout", "States.HeartbeatTimeout")


def install(runtime: Runtime) -> None:
    """Match errors as Step Functions does."""

    def eval_body(declaration: Any, env: Any) -> None:
        error = env.stack.pop()
        name = error.error_name if error is not None else ""
        env.stack.append(matches([item.error_name for item in declaration.error_names], name))

    callback: Any = state_task_service_callback.StateTaskServiceCallback
    evaluate: Callable[..., None] = callback._eval_execution

    def eval_execution(task: Any, env: Any) -> None:
        context = env.states.context_object
        waits = task.resource.condition == ResourceCondition.WaitForTaskToken
        if waits and context.context_object_data["State"].get("RetryCount"):
            env.callback_pool_manager.add(context.update_task_token())
        evaluate(task, env)

    call_function: Callable[..., None] = StringIntrinsicFunction._eval_body  # pyright: ignore[reportPrivateUsage]

    def eval_intrinsic(expression: Any, env: Any) -> None:
        try:
            call_function(expression, env)
        except (FailureEventException, NoSuchJsonPathError):
            raise
        except Exception as error:
            call = expression.intrinsic_function_derivation
            fail(env, "States.IntrinsicFailure", f"The function '{call}' had the following error: {error}")

    def eval_string_to_json(function: Any, env: Any) -> None:
        function.argument_list.eval(env=env)
        (text,) = env.stack.pop()
        env.stack.append(json.loads(text))

    runtime.patches.replace(StringIntrinsicFunction, "_eval_body", eval_intrinsic)
    runtime.patches.replace(StringToJson, "_eval_body", eval_string_to_json)
    runtime.patches.replace(ErrorEqualsDecl, "_eval_body", eval_body)
    runtime.patches.override(callback, "_eval_execution", eval_execution)


def matches(declared: list[str], error: str) -> bool:
    """Tell whether the names in an ``ErrorEquals`` match an error."""
    if error == _NEVER_MATCHED:
        return False
    if error in declared:
        return True
    if error == _BY_NAME_ONLY:
        return False
    return "States.ALL" in declared or ("States.TaskFailed" in declared and error not in _TIMEOUTS)
