"""Makes the SDK read a resource's properties once, and ask about it only the policies that judge its type.

For each policy of a pack the SDK decodes the same message anew: protobuf to dict, dict to values, values to checking
proxies. With a hundred policies and two hundred resources that is a second of a preview, and nearly all of the pack's
time. Policies only read what they are given, so one decoding serves them all. Before it judges a resource, the engine
asks what to remedy in it: the SDK decodes once more for that, though hardly any stack has a policy that may remedy.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

_MOST_RESULTS = 20_000
"""Results that a step keeps at most: two for each resource of a stack. When there are more it starts anew."""


def remember(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The step, which gives the same result again for the same object (not for an equal one)."""
    results: dict[int, tuple[Any, Any]] = {}

    def remembering(value: Any) -> Any:
        found = results.get(id(value))
        if found is None:
            if len(results) >= _MOST_RESULTS:
                results.clear()
            # The value is kept beside its result, so that its identity is not given to another.
            found = results[id(value)] = (value, step(value))
        return found[1]

    return remembering


def decode_once() -> None:
    """Replace the SDK's steps by ones that remember; does nothing when they are not there, or this is done."""
    sdk: Any = importlib.import_module("pulumi_policy.policy")
    steps = ("json_format", "deserialize_properties", "unknown_checking_proxy", "_PolicyAnalyzerServicer")
    if not all(hasattr(sdk, step) for step in steps) or isinstance(sdk.json_format, SimpleNamespace):
        return
    deserialize: Callable[..., Any] = sdk.deserialize_properties
    deserialize_once = remember(deserialize)

    def deserialize_properties(properties: Any, proxy_secrets: bool = False) -> Any:
        # A remediation may write to what it gets, so it gets its own.
        return deserialize(properties, proxy_secrets) if proxy_secrets else deserialize_once(properties)

    sdk.json_format = SimpleNamespace(MessageToDict=remember(sdk.json_format.MessageToDict))
    sdk.deserialize_properties = deserialize_properties
    sdk.unknown_checking_proxy = remember(sdk.unknown_checking_proxy)
    servicer: Any = sdk._PolicyAnalyzerServicer
    for name in ("_get_resource_options", "_get_provider_resource"):
        setattr(servicer, name, _of_request(getattr(servicer, name)))
    if all(hasattr(servicer, name) for name in ("Analyze", "Remediate", "_get_enforcement_level")):
        servicer.Analyze = _of_the_type(servicer.Analyze)
        servicer.Remediate = _if_any_remedies(servicer.Remediate, sdk)


_POLICIES = "_PolicyAnalyzerServicer__policies"
"""The policies of a servicer, as Python spells a private attribute."""


def _of_the_type(method: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """A method of the servicer, which sees only the policies that judge the request's type."""

    def judging(policies: Sequence[Any], type: str) -> list[Any]:
        return [policy for policy in policies if not (types := getattr(policy, "judged_types", None)) or type in types]

    kept: dict[str, tuple[Any, list[Any]]] = {}

    def asked(self: Any, request: Any, context: Any) -> Any:
        policies = getattr(self, _POLICIES, None)
        if policies is None:
            return method(self, request, context)
        found = kept.get(request.type)
        if found is None or found[0] is not policies:
            found = kept[request.type] = (policies, judging(policies, request.type))
        # A copy, because several threads may ask at once; made anew, because the engine configures the servicer late.
        view = copy.copy(self)
        setattr(view, _POLICIES, found[1])
        return method(view, request, context)

    return asked


def _if_any_remedies(method: Callable[[Any, Any, Any], Any], sdk: Any) -> Callable[[Any, Any, Any], Any]:
    """`Remediate`, which answers at once when no policy may change anything."""

    def asked(self: Any, request: Any, context: Any) -> Any:
        policies = getattr(self, _POLICIES, None)
        remedy = sdk.EnforcementLevel.REMEDIATE
        if policies is None or any(self._get_enforcement_level(policy) == remedy for policy in policies):
            return method(self, request, context)
        return sdk.proto.RemediateResponse()

    return asked


def _of_request(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A method of the servicer that gives the same result again for the same request, whichever servicer it is of."""
    remembered = remember(lambda request: method(None, request))
    return lambda self, request: remembered(request)
