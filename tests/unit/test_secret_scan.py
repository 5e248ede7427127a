"""The search for secrets in clear must find them where they hide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.secret_scan import in_clear, secrets_of

KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----\n"


def secret(value: Any) -> dict[str, str]:
    return {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "plaintext": json.dumps(value)}


STATE = {
    "deployment": {
        "resources": [
            {
                "urn": "urn:pulumi:s::p::t::password",
                "type": "t",
                "outputs": {"result": secret("correct-horse-9"), "length": 15},
            },
            {"urn": "urn:pulumi:s::p::t::key", "type": "t", "outputs": {"nested": [{"pem": secret(KEY)}]}},
            {
                "urn": "urn:pulumi:s::p::t::plain",
                "type": "t",
                "inputs": {"name": "no-secret-at-all", "short": secret("yes")},
            },
            {
                "urn": "urn:pulumi:s::p::t::published",
                "type": "aws:ssm/parameter:Parameter",
                "inputs": {"type": "String", "value": secret("no-secret-at-all")},
            },
        ]
    }
}


def test_every_secret_of_the_state_is_looked_for() -> None:
    assert sorted(found.owner for found in secrets_of(STATE)) == ["key outputs.nested.pem", "password outputs.result"]


@pytest.mark.parametrize(
    ("content", "owner"),
    [
        ("the password is correct-horse-9!", "password"),
        (KEY, "key"),
        (json.dumps({"pem": KEY}), "key"),
        ("hkiG9w0BAQEFAASC", "key"),
        ("nothing of the kind, no-secret-at-all", None),
    ],
)
def test_a_secret_in_clear_is_told_by_place(content: str, owner: str | None, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text(content)
    found = in_clear(secrets_of(STATE), tmp_path, {"outputs": content})
    places = [] if owner is None else ["outputs", "logs/a.log"]
    assert [line.split(": ")[0] for line in found] == places, found
    assert all(owner in line for line in found if owner), "and by whose it is"
    assert all("horse" not in line for line in found), "it is not told what it is"
