"""SEC-01: no secret stands in text, where logs, consoles and state show it to everybody who may look."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator
from typing import Final, cast

from policies.model import Family, Findings, Resource, Settings, Severity, undecided, violation
from policies.plain import MALFORMED, UNKNOWN, Content, Plain, json_value

family = Family("Secrets in text")

_KEY_ID: Final = re.compile(r"(?<![A-Za-z0-9/+=])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9/+=])")
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_TOKEN: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|glpat-[A-Za-z0-9_-]{20,}|[rs]k_live_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{20,}"
    r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{35}|dapi[a-f0-9]{32}|hf_[A-Za-z0-9]{30,}"
    r"|sk-(?:proj|ant|svcacct)-[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{50,}|dop_v1_[a-f0-9]{64})"
    r"|hooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]{20,}"
    r"|(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,}=*",
)
"""What services hand out: GitHub, Slack, GitLab, Stripe, npm, PyPI, SendGrid, Google, Databricks, Hugging Face, OpenAI,
Anthropic, JSON web tokens, age, DigitalOcean, Azure Storage."""
_TOKEN_HEADS: Final = (
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox", "glpat-", "k_live_", "npm_", "pypi-AgE", "SG."),
    *("AIza", "dapi", "hf_", "sk-proj-", "sk-ant-", "sk-svcacct-", "eyJ", "AGE-SECRET", "dop_v1_"),
    *("hooks.slack.com/", "AccountKey=", "SharedAccessKey="),
)
"""Parts without which no text holds one of them: most texts need no further look."""
_SHORTEST: Final = 14
"""What is shorter is no key and no token."""
_SECRET_ACCESS_KEY: Final = re.compile(
    r"secret[._-]?(?:access[._-]?)?key[\"']?\s*[=:,\s]\s*[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"\bBearer\s+(?=[^\s\"']*\d)[A-Za-z0-9._~+/-]{20,}=*(?![A-Za-z0-9{$<])", re.IGNORECASE)
_COMMAND: Final = re.compile(
    r"\bcurl\b[^\n|;&]*\s(?:-u|--user)[\s=]*[\"']?[^\s:\"'$]+:([^\s\"']+)"
    r"|\b(?:mysql|mysqldump|mysqladmin|mariadb)\b[^\n|;&]*\s-p[\"']?([^\s\"']+)"
)
"""Commands that take a password without a word for it: ``curl -u name:password``, ``mysql -ppassword``."""
_BASIC: Final = re.compile(r"\bBasic\s+([A-Za-z0-9+/]{8,}={0,2})(?![A-Za-z0-9+/=])", re.IGNORECASE)
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@]*:([^\s/@]+)@", re.IGNORECASE)
_ASSIGNMENT: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Za-z0-9]+[._-])*"
    r"(?:password|passwd|passphrase|pwd|secret[._-]?key|secret[._-]?access[._-]?key|api[._-]?key|auth[._-]?token"
    r"|access[._-]?token|client[._-]?secret|private[._-]?key)"
    r"[\"']?(?:\s*[=:]\s*|\s+(?=\S+$)|\s+(?=[^\s-]))[\"']?([^\s\"'&;,}]+)",
    re.IGNORECASE,
)
"""A name of a secret with a value: ``password=x``, ``--password x``, ``"password": "x"``."""

_CAMEL_ASSIGNMENT: Final = re.compile(
    r"[a-z0-9](?:Password|Passphrase|SecretKey|ApiKey|AccessToken|AuthToken|ClientSecret)"
    r"[\"']?\s*[=:]\s*[\"']?([^\s\"'&;,}]+)"
)
"""The same where the name's words are written together: ``-Djavax.net.ssl.keyStorePassword=x``."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*(?:/[a-z][a-z0-9_-]*)+$")
"""Names in Secrets Manager and Parameter Store: ``prod/orders/db``."""
_PROSE: Final = frozenset(
    {
        "and",
        "are",
        "by",
        "can",
        "for",
        "from",
        "has",
        "in",
        "is",
        "must",
        "of",
        "or",
        "should",
        "that",
        "to",
        "was",
        "will",
    }
)
"""Words that follow a password in a sentence."""

_SECRET_WORDS: Final = frozenset(
    {
        ("password",),
        ("passwd",),
        ("pwd",),
        ("pw",),
        ("passphrase",),
        ("pass",),
        ("secret",),
        ("token",),
        ("credentials",),
        ("credential",),
        ("creds",),
        ("apikey",),
        ("api", "key"),
        ("access", "key"),
        ("secret", "key"),
        ("private", "key"),
        ("encryption", "key"),
        ("signing", "key"),
        ("hmac", "key"),
    }
)
_SECRET_ENDINGS: Final = (
    "password",
    "passwd",
    "passphrase",
    "apikey",
    "secretkey",
    "privatekey",
    "accesstoken",
    "authtoken",
    "dbpass",
    "pgpass",
    "rootpass",
    "smtppass",
    "sqlpass",
    "userpass",
)
"""Ends of names whose words are written together: ``PGPASSWORD``."""
_REFERENCE: Final = re.compile(
    r"arn:|\$|\{\{|%\(|<[^>]*>$|[a-z0-9]+://[^@]*$|/[\w./-]*$|alias/|ssm:|secretsmanager:|resolve:|\.Values|file:|\*+$"
    r"|(?:true|false|none|null|yes|no|on|off|disabled|enabled)$|[\d.]+(?:ms|s|m|h|d)?$",
    re.IGNORECASE,
)
"""Starts of values that only point to a secret, or that are none: ARNs, placeholders, paths, switches, numbers."""

_MAPS: Final = frozenset(
    {
        "variables",
        "environment",
        "environmentvariables",
        "properties",
        "configurationproperties",
        "defaultarguments",
        "defaultrunproperties",
        "airflowconfigurationoptions",
        "nonoverridablearguments",
        "connectorconfiguration",
        "headerparameters",
        "hyperparameters",
        "querystringparameters",
        "runtimeenvironmentvariables",
        "arguments",
        "connectionproperties",
        "tags",
        "tagsall",
        "metadata",
        "parameters",
    }
)
"""Names of free maps, whose keys are the program's own and say what the value is."""

_QUIET: Final = frozenset(
    {"description", "comment", "alarmdescription", "content", "policy", "assumerolepolicy", "dashboardbody", "pattern"}
)
"""Properties whose text speaks of secrets without holding them; keys and private keys are looked for all the same."""

_MESSAGES: Final = frozenset({"input", "inputtemplate", "payload", "runtimeparameters"})
"""Properties whose JSON text is a message of the program's own."""

_MEANT: Final = frozenset(
    {
        "secretstring",
        "secretbinary",
        "kdcadminpassword",
        "crossrealmtrustprincipalpassword",
        "addomainjoinpassword",
        "masterpassword",
    }
)
"""Properties that are made for a secret: the provider keeps them as one."""


_KEPT_ELSEWHERE: Final = ("SECRETS_MANAGER", "PARAMETER_STORE")
"""Types of a CodeBuild variable whose value is the name of the secret."""


def _words(key: str) -> tuple[str, ...]:
    """The words of a name in any style: ``dbPassword``, ``DB_PASSWORD``, ``db.password``."""
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", key)
    return tuple(word for word in re.split(r"[^A-Za-z0-9]+", split.lower()) if word)


def names_secret(key: str) -> bool:
    """Whether a key says that its value is a secret, rather than where one is (``passwordArn``, ``SECRET_NAME``)."""
    words = _words(re.sub(r"[\d._-]+$", "", key))
    written_together = bool(words) and words[-1].endswith(_SECRET_ENDINGS)
    return written_together or words[-1:] in _SECRET_WORDS or words[-2:] in _SECRET_WORDS


def is_literal(value: str) -> bool:
    """Whether a value is itself a secret, rather than a reference to one, a switch or a number."""
    written = value.strip()
    return bool(written) and written.lower() not in _PROSE and not (_REFERENCE.match(written) or _NAME.match(written))


def find_in_text(written: str, assignments: bool) -> Iterator[str]:
    """What kinds of secrets a text holds."""
    folded = written.lower()
    if len(written) >= _SHORTEST:
        if _KEY_ID.search(written):
            yield "an AWS access key"
        if "-----BEGIN" in written and _PRIVATE_KEY.search(written):
            yield "a private key"
        if any(head in written for head in _TOKEN_HEADS) and _TOKEN.search(written):
            yield "an access token"
        if "secret" in folded and _SECRET_ACCESS_KEY.search(written):
            yield "a secret access key"
        if "basic" in folded and any(
            ":" in (_unpacked(match.group(1)) or "").strip(":") for match in _BASIC.finditer(written)
        ):
            yield "a user name and password"
        if "bearer" in folded and _BEARER.search(written):
            yield "an access token"
        commands = assignments and any(head in written for head in ("curl", "mysql", "mariadb"))
        if commands and any(is_literal(match.group(1) or match.group(2)) for match in _COMMAND.finditer(written)):
            yield "a password"
    if "://" in written and any(is_literal(match.group(1)) for match in _URL.finditer(written)):
        yield "a password in an address"
    named = "pass" in folded or "pwd" in folded or "secret" in folded or "key" in folded or "token" in folded
    patterns = (_ASSIGNMENT, _CAMEL_ASSIGNMENT) if assignments and named else ()
    if any(is_literal(match.group(1)) for pattern in patterns for match in pattern.finditer(written)):
        yield "a password"


_MOST_UNPACKED: Final = 1 << 20
"""User data holds 16 KB; what unpacks to more is something else."""


def _decoded(written: str) -> str | None:
    """The text in a base64 text (user data), also when it is compressed, as cloud-init takes it."""
    packed = written.strip()
    if len(packed) < 16 or len(packed) % 4 or not re.fullmatch(r"[A-Za-z0-9+/\s]+={0,2}", packed):
        return None
    return _unpacked(packed)


def _unpacked(packed: str) -> str | None:
    try:
        content = base64.b64decode(packed, validate=False)
        if content.startswith(b"\x1f\x8b"):
            content = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(content, _MOST_UNPACKED)
        return content.decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError, zlib.error):
        return None


def _walk(where: str, key: str, value: Plain, free: bool, loud: bool) -> Iterator[tuple[str, str, bool]]:
    """Places that hold a secret: where, what kind, and whether that is decided.

    Args:
        where: Path so far.
        key: Name of the value, without index.
        value: The value.
        free: Whether the keys beside it are the program's own.
        loud: Whether an assignment in its text counts.
    """
    folded = key.casefold()
    if folded in _MEANT:
        return
    if isinstance(value, Content):
        yield from ((where, kind, True) for kind in find_in_text(value.text or "", False))
    elif value is UNKNOWN:
        if free and names_secret(key):
            yield where, "a secret", False
    elif isinstance(value, str):
        yield from _in_string(where, key, value, free, loud and folded not in _QUIET)
    elif isinstance(value, dict):
        members = cast("dict[str, Plain]", value)
        if members.get("type") in _KEPT_ELSEWHERE and "value" in members:
            return
        named = next((members[name] for name in ("name", "Name", "key", "Key") if name in members), None)
        for name, item in members.items():
            # A list of {name, value} is a map by another name.
            is_value = name.casefold() == "value" and isinstance(named, str)
            inner = str(named) if is_value else name
            inside = is_value or free or (folded in _MAPS and not _is_wrapper(name, item))
            yield from _walk(f"{where}.{name}", inner, item, inside, loud and folded not in _QUIET)
    elif isinstance(value, list):
        items = cast("list[Plain]", value)
        for index, item in enumerate(items):
            yield from _walk(f"{where}[{index}]", key, item, False, loud)
            before = items[index - 1] if index else None
            if isinstance(before, str) and before.startswith("-") and "=" not in before and names_secret(before):
                if isinstance(item, str) and is_literal(item) and not item.startswith("-"):
                    yield f"{where}[{index}]", "a password", True
                elif item is UNKNOWN:
                    yield f"{where}[{index}]", "a secret", False


def _is_wrapper(name: str, item: Plain) -> bool:
    """Whether a member of a free map is itself the map (``environment.variables``)."""
    return name.casefold() in _MAPS and isinstance(item, dict)


def _in_string(where: str, key: str, value: str, free: bool, loud: bool) -> Iterator[tuple[str, str, bool]]:
    if free and names_secret(key) and is_literal(value):
        yield where, "a secret", True
        return
    stripped = value.lstrip()
    if stripped.startswith(("{", "[")):
        document = json_value(value)
        if document is not MALFORMED and isinstance(document, dict | list):
            yield from _walk(where, key, document, free or key.casefold() in _MESSAGES, loud)
            return
    yield from ((where, kind, True) for kind in find_in_text(value, loud))
    if key.casefold().startswith("userdata"):
        inner = _decoded(value)
        if inner is not None:
            yield from ((where, kind, True) for kind in find_in_text(inner, True))


@family.resource_rule(
    "SEC-01",
    "no-secrets-in-text",
    "No secret stands in text",
    Severity.CRITICAL,
    (),
    fix="Keep it in Secrets Manager, and name its ARN here; whoever saw it has it, so change it too.",
    source="Secrets Manager user guide: Best practices; Lambda developer guide: Working with environment variables",
    frameworks=(
        "checkov CKV_AWS_45",
        "checkov CKV_AWS_46",
        "trivy AVD-AWS-0029",
        "trivy AVD-AWS-0129",
    ),
)
def no_secrets_in_text(resource: Resource, settings: Settings) -> Findings:
    """Environment variables, configurations, arguments and user data are shown to everybody who may describe them."""
    if not resource.type.startswith("aws:"):
        return
    for name, value in resource.properties.items():
        if resource.type == "aws:ssm/parameter:Parameter" and name in ("value", "insecureValue"):
            kind = resource.text("type")
            if name == "value" and kind is not UNKNOWN and str(kind).lower() == "securestring":
                continue
            # A parameter's own name says what its value is.
            parameter = resource.text("name")
            found = _walk(name, str(parameter if isinstance(parameter, str) else resource.name), value, True, True)
        else:
            found = _walk(name, name, value, False, True)
        for where, what, decided in found:
            if decided:
                yield violation(where, f"holds {what}")
            else:
                yield undecided(where, f"is named like {what}, and is not known yet")
