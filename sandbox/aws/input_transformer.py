"""EventBridge's input transformer: a template filled in from an event.

The rules are those of the EventBridge user guide, "Amazon EventBridge input transformation": a placeholder in a JSON
position becomes a JSON value (strings are quoted), one within quotes becomes text. moto fails on the first of these.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from jsonpath_ng.ext.parser import parse as parse_json_path

_TOKEN = re.compile(r'\\.|"|<([\w.\-]+)>', re.DOTALL)


def render(template: str, paths: Mapping[str, str], event: Mapping[str, Any], rule_arn: str, rule_name: str) -> str:
    """Fill in a template with parts of an event."""
    values: dict[str, Any] = {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_name,
        "aws.events.event.ingestion-time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "aws.events.event": event,
        "aws.events.event.json": event,
    }
    for name, path in paths.items():
        found = parse_json_path(path).find(event)
        values[name] = found[0].value if found else ""

    quoted = False

    def substitute(match: re.Match[str]) -> str:
        nonlocal quoted
        name = match.group(1)
        if name is None:
            quoted ^= match.group() == '"'
            return match.group()
        if name not in values:
            return match.group()
        value = values[name]
        if not quoted:
            return json.dumps(value)
        text = value if isinstance(value, str) else json.dumps(value)
        return json.dumps(text)[1:-1]

    return _TOKEN.sub(substitute, template)
