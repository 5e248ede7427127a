"""Step Functions as the sandbox has it: definitions checked and run unmodified, with AWS's errors and events."""

from __future__ import annotations

import importlib
import logging

from sandbox.aws.runtime import Runtime
from sandbox.aws.states import calls, choices, definitions, emr_tasks, errors, executions, paths, sdk_tasks, versions


def install(runtime: Runtime) -> None:
    """Make state machines behave."""
    # Every module that imports a patched function by name must be loaded first.
    for module in ("moto.stepfunctions.parser.models", "moto.stepfunctions.responses"):
        importlib.import_module(module)
    # moto reports a failing state once for every level of its syntax tree; the history and our log have it.
    logging.getLogger("moto.stepfunctions").setLevel(logging.CRITICAL)
    for extension in (paths, calls, errors, choices, sdk_tasks, emr_tasks, definitions, versions, executions):
        extension.install(runtime)
