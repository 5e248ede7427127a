"""The `aws` stand-in: the table of all service modules, and the provider's own settings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sandbox.providers.clients import AwsClients
from sandbox.providers.servicer import Configuration, Package
from sandbox.providers.services import MODULES
from sandbox.providers.table import Function, ResourceType

_ACTED_ON: Final = frozenset(
    {"region", "defaultTags", "ignoreTags", "allowedAccountIds", "forbiddenAccountIds", "version"}
)
_WITHOUT_MEANING_HERE: Final = frozenset(
    {
        # Who calls, and where the API is: the sandbox's own.
        "accessKey",
        "secretKey",
        "token",
        "profile",
        "sharedConfigFiles",
        "sharedCredentialsFiles",
        "endpoints",
        "stsRegion",
        "s3UsePathStyle",
        "s3UsEast1RegionalEndpoint",
        "useDualstackEndpoint",
        "useFipsEndpoint",
        "customCaBundle",
        "httpProxy",
        "httpsProxy",
        "noProxy",
        "insecure",
        "ec2MetadataServiceEndpoint",
        "ec2MetadataServiceEndpointMode",
        # How the provider makes sure of the above, and how often it tries.
        "skipCredentialsValidation",
        "skipMetadataApiCheck",
        "skipRegionValidation",
        "skipRequestingAccountId",
        "maxRetries",
        "retryMode",
        "tokenBucketRateLimiterCapacity",
        "userAgents",
    }
)


def _check_configuration(settings: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name in sorted(settings.keys() - _ACTED_ON - _WITHOUT_MEANING_HERE):
        yield name, f"provider setting {name!r} has no stand-in in the sandbox"


def _configure(settings: Mapping[str, Any], clients: AwsClients) -> Configuration:
    region = settings["region"]
    identity = clients.get("sts", region).get_caller_identity()
    account: str = identity["Account"]
    allowed, forbidden = settings.get("allowedAccountIds"), settings.get("forbiddenAccountIds") or ()
    if allowed and account not in allowed:
        raise ValueError(f"AWS account ID not allowed: {account} is not one of allowedAccountIds {json.dumps(allowed)}")
    if account in forbidden:
        raise ValueError(f"AWS account ID not allowed: {account} is one of forbiddenAccountIds")
    ignored = settings.get("ignoreTags") or {}
    return Configuration(
        region=region,
        default_tags=(settings.get("defaultTags") or {}).get("tags") or {},
        ignored_tags=frozenset(ignored.get("keys") or ()),
        ignored_tag_prefixes=tuple(ignored.get("keyPrefixes") or ()),
        account=account,
        partition=identity["Arn"].split(":")[1],
    )


def _resources() -> dict[str, ResourceType]:
    entries = [entry for module in MODULES for entry in getattr(module, "TYPES", ())]
    table = {entry.token: entry for entry in entries}
    if len(table) != len(entries):
        raise ValueError("a resource type has two table entries")
    return table


def _functions() -> dict[str, Function]:
    return {entry.token: entry for module in MODULES for entry in getattr(module, "FUNCTIONS", ())}


PACKAGE: Final = Package(
    name="aws",
    resources=_resources(),
    functions=_functions(),
    configure=_configure,
    check_configuration=_check_configuration,
    where="sandbox/providers/services/ (how: sandbox/providers/__init__.py)",
)
