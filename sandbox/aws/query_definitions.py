"""Saved queries of CloudWatch Logs Insights, which moto does not have."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse

from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Add the three calls; what they keep ends with this AWS."""
    kept: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}

    def of(self: Any) -> dict[str, dict[str, Any]]:
        return kept.setdefault((self.current_account, self.region), {})

    def put_query_definition(self: Any) -> str:
        identifier = self._get_param("queryDefinitionId")
        if identifier is not None and identifier not in of(self):
            raise ResourceNotFoundException()
        identifier = identifier or str(uuid.uuid4())
        groups = self._get_param("logGroupNames") or []
        of(self)[identifier] = {
            "queryDefinitionId": identifier,
            "name": self._get_param("name"),
            "queryString": self._get_param("queryString"),
            "logGroupNames": groups,
            "lastModified": int(time.time() * 1000),
        }
        return json.dumps({"queryDefinitionId": identifier})

    def describe_query_definitions(self: Any) -> str:
        prefix = self._get_param("queryDefinitionNamePrefix") or ""
        return json.dumps({"queryDefinitions": [one for one in of(self).values() if one["name"].startswith(prefix)]})

    def delete_query_definition(self: Any) -> str:
        if of(self).pop(self._get_param("queryDefinitionId"), None) is None:
            raise ResourceNotFoundException()
        return json.dumps({"success": True})

    for call in (put_query_definition, describe_query_definitions, delete_query_definition):
        runtime.patches.add(LogsResponse, call.__name__, call)
