"""Rules of functions and state machines: nobody else calls them, and they say what they do."""

from __future__ import annotations

from typing import Final

from policies.keys import own_key
from policies.model import Family, Findings, Resource, Settings, Severity, undecided
from policies.plain import UNKNOWN, at

family = Family("Functions and state machines")

FUNCTION: Final = "aws:lambda/function:Function"

_LAMBDA: Final = "Lambda developer guide: "


@family.resource_rule(
    "LAM-07",
    "function-environment-key",
    "Environment variables of functions are encrypted with a key of the stack's own",
    Severity.MEDIUM,
    (FUNCTION,),
    fix="Set kmsKeyArn to the ARN of the stack's key.",
    source=_LAMBDA + "Securing Lambda environment variables",
    frameworks=("checkov CKV_AWS_173",),
)
def function_environment_key(resource: Resource, settings: Settings) -> Findings:
    """A function without variables has nothing to encrypt."""
    variables = at(resource.value("environment"), "variables")
    if variables is None or variables == {}:
        return
    finding = own_key("kmsKeyArn", resource.value("kmsKeyArn"), "environment variables")
    if finding:
        yield undecided("environment") if variables is UNKNOWN else finding
