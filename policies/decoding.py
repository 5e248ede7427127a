"""Makes the SDK read a resource's properties once, not once for every policy.

For each policy of a pack the SDK decodes the same message anew: protobuf to dict, dict to values, values to checking
proxies. With a hundred policies and two hundred resources that is a second of a preview, and nearly all of the pack's
time. Policies only read what they are given, so one decoding serves them all.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
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


def _of_request(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A method of the servicer that gives the same result again for the same request, whichever servicer it is of."""
    remembered = remember(lambda request: method(None, request))
    return lambda self, request: remembered(request)
