"""Makes the SDK decode each request of the engine once, however many policies judge it, and configure itself once.

For each policy of a pack the SDK decodes the same message anew: protobuf to dict, dict to values, values to checking
proxies, and for a policy of the whole stack all of its resources. With a hundred policies and three hundred resources
that is seconds of a preview. The policies of `adapter` only read what they are given, so one decoding serves them all.
Before it judges a resource, the engine asks what to remedy in it: the SDK decodes once more for that, though hardly any
stack has a policy that may remedy.
"""

from __future__ import annotations

import copy
import functools
import importlib
from collections.abc import Callable
from typing import Any

_POLICIES = "_PolicyAnalyzerServicer__policies"
"""The policies of a servicer, as Python spells a private attribute."""
_NEEDED = (
    "Analyze",
    "AnalyzeStack",
    "Remediate",
    "_configure_runtime_settings",
    "_create_report_violation",
    "_get_enforcement_level",
    "_get_policy_config",
)
"""Methods of the SDK's servicer without which it is left alone."""


def decode_once() -> None:
    """Replace the servicer's methods; does nothing when they are not there, or this is done."""
    sdk: Any = importlib.import_module("pulumi_policy.policy")
    servicer: Any = sdk._PolicyAnalyzerServicer
    if not all(hasattr(servicer, name) for name in _NEEDED) or hasattr(servicer, "decodes_once"):
        return
    servicer.decodes_once = True
    configure: Callable[[Any], None] = servicer._configure_runtime_settings
    # It reads the environment, which stays what it is.
    configured = functools.cache(lambda: configure(None))

    def configure_once(self: Any) -> None:
        configured()

    servicer._configure_runtime_settings = configure_once
    servicer.Analyze = _judging(servicer.Analyze, sdk, sdk.ResourceValidationPolicy, _for_resource)
    servicer.AnalyzeStack = _judging(servicer.AnalyzeStack, sdk, sdk.StackValidationPolicy, _for_stack)
    servicer.Remediate = _if_any_remedies(servicer.Remediate, sdk)


def _for_resource(sdk: Any, args: Any, config: Any) -> Any:
    provider, tags = args.provider, args.stack_tags
    return sdk.ResourceValidationArgs(
        args.resource_type, args.props, args.urn, args.name, args.opts, provider, config, tags
    )


def _for_stack(sdk: Any, args: Any, config: Any) -> Any:
    return sdk.StackValidationArgs(args.resources, config, args.stack_tags)


def _judging(
    method: Callable[[Any, Any, Any], Any], sdk: Any, kind: type[Any], with_config: Callable[..., Any]
) -> Callable[[Any, Any, Any], Any]:
    """`Analyze` or `AnalyzeStack`, in which all policies are given what the SDK decodes for one.

    Args:
        method: The SDK's.
        sdk: Its module.
        kind: Class of the policies that it asks.
        with_config: Makes the arguments of one policy from those of another and its configuration.
    """

    def decoded(self: Any, request: Any, context: Any) -> Any:
        """The arguments that the SDK makes for a policy: those of one that keeps them, asked alone."""
        kept: list[Any] = []

        def keep(args: Any, report: Any) -> None:
            kept.append(args)

        keeping = kind("keeps-its-arguments", "Keeps them.", keep, sdk.EnforcementLevel.ADVISORY)
        view = copy.copy(self)
        setattr(view, _POLICIES, [keeping])
        method(view, request, context)
        return kept[0]

    @functools.cache
    def of_type(policies: tuple[Any, ...], type: str | None) -> list[Any] | None:
        """Policies that judge a type, or the stack; None where some are others', who may write to what they get."""
        if not all(hasattr(policy, "judged_types") for policy in policies):
            return None
        judging = [policy for policy in policies if isinstance(policy, kind)]
        return [policy for policy in judging if not (policy.judged_types and type) or type in policy.judged_types]

    def asked(self: Any, request: Any, context: Any) -> Any:
        policies = of_type(tuple(getattr(self, _POLICIES)), getattr(request, "type", None))
        if policies is None:
            return method(self, request, context)
        levels = [(policy, self._get_enforcement_level(policy)) for policy in policies]
        asking = [(policy, level) for policy, level in levels if level != level.DISABLED]
        response = sdk.proto.AnalyzeResponse()
        args = decoded(self, request, context) if asking else None
        for policy, level in asking:
            # What is still wrong after a remediation stops the update.
            stops = level.MANDATORY if level == level.REMEDIATE else level
            report = self._create_report_violation(response, policy.name, policy.description, stops, policy.severity)
            policy.validate(with_config(sdk, args, self._get_policy_config(policy.name)), report)
        return response

    return asked


def _if_any_remedies(method: Callable[[Any, Any, Any], Any], sdk: Any) -> Callable[[Any, Any, Any], Any]:
    """`Remediate`, which answers at once when no policy may change anything."""

    def asked(self: Any, request: Any, context: Any) -> Any:
        remedy = sdk.EnforcementLevel.REMEDIATE
        if any(self._get_enforcement_level(policy) == remedy for policy in getattr(self, _POLICIES)):
            return method(self, request, context)
        return sdk.proto.RemediateResponse()

    return asked
