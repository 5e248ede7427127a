"""`docs/keys.md`: who may do what with which KMS key, and why.

Made from what the program registers: the keys' own policies, and the policies of every role, for a stack in which every
option that opens a key is used. It runs the program against the recording engine of the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.encryption import DESCRIPTIONS
from components.key_policies import REASONS, Partners, Purpose, key_policy
from tests.policies.program import recorded
from tests.unit.harness import ENVIRONMENT, Deployment

FILE = Path(__file__).resolve().parent.parent / "docs" / "keys.md"

INTRODUCTION = """\
# Who may do what with which key

<!-- Made by `make generate` from the policies themselves: change them, not this page. -->

A stack has four KMS keys. Each rotates, has an alias (`alias/<project>-<stack>-<purpose>`) and a policy of its own.

Every key's policy hands the decision on to the account's IAM, so that roles get the use of a key by their own policies;
a key policy that named roles would wait for them, and they for the key. It names only those who come without a role of
ours: AWS services, each bound to this account by what it encrypts or by its source, and partners. Whatever IAM says,
no key takes a grant but from an AWS service for itself, and the key of the secrets is used by Secrets Manager alone.

S3 needs no entry of its own: it uses the data key with the permissions of whoever reads or writes, and events leave the
raw bucket by EventBridge. Nor does the bucket of access logs, the one that is encrypted by S3's own key: S3 delivers
access logs to no other.

`111122223333` stands for the account, `eu-west-1` for the region. Partners and administrators are there only when a
stack file names them (`storage.producers`, `storage.consumers`, `encryption.administrators`).
"""

PARTNERS = Partners(producers=("444455556666",), consumers=("777788889999",))
ADMINISTRATORS = (ENVIRONMENT.global_arn("iam", "role/key-administrator"),)


@dataclass(frozen=True)
class Entry:
    """One line of a key's table."""

    who: str
    effect: str
    actions: tuple[str, ...]
    condition: str
    why: str


def _listed(value: Any) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, list) else [str(value)]


def _condition(condition: Mapping[str, Mapping[str, Any]]) -> str:
    parts = [
        f"`{key}` {_WORDS.get(operator, operator)} {' or '.join(f'`{value}`' for value in _listed(values))}"
        for operator, keys in condition.items()
        for key, values in keys.items()
    ]
    return "; ".join(parts)


_WORDS = {
    "StringEquals": "is",
    "StringLike": "is like",
    "ArnLike": "is like",
    "StringNotEquals": "is not",
    "Bool": "is",
}


def _principal(principal: Any) -> str:
    if principal == "*":
        return "everybody"
    ((_, named),) = principal.items()
    return ", ".join(f"`{name}`" for name in _listed(named))


def _of_policy(purpose: Purpose) -> Iterator[Entry]:
    for statement in key_policy(purpose, ENVIRONMENT, ADMINISTRATORS, PARTNERS)["Statement"]:
        yield Entry(
            who=_principal(statement["Principal"]),
            effect=statement["Effect"],
            actions=tuple(_listed(statement["Action"])),
            condition=_condition(statement.get("Condition", {})),
            why=REASONS[statement["Sid"]],
        )


def _of_roles(deployment: Deployment, key_arn: str) -> Iterator[Entry]:
    """Statements of roles' policies that name a key."""
    roles = {role.state["name"]: role for role in deployment.all("aws:iam/role:Role")}
    for policy in deployment.all("aws:iam/rolePolicy:RolePolicy"):
        role = roles[policy.inputs["role"]]
        for statement in policy.document("policy")["Statement"]:
            if key_arn in _listed(statement["Resource"]):
                yield Entry(
                    who=f"role `{role.name}`",
                    effect=statement["Effect"],
                    actions=tuple(_listed(statement["Action"])),
                    condition=_condition(statement.get("Condition", {})),
                    why=f"{role.inputs['description']}: {_words(statement['Sid'])}",
                )


def _words(sid: str) -> str:
    """``EncryptMessages`` as ``encrypt messages``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", sid).lower()


def _table(entries: Sequence[Entry]) -> str:
    lines = ["| who | may | only when | why |", "| --- | --- | --- | --- |"]
    for entry in entries:
        actions = ", ".join(f"`{action.removeprefix('kms:')}`" for action in entry.actions)
        may = f"**not** {actions}" if entry.effect == "Deny" else actions
        lines.append(f"| {entry.who} | {may} | {entry.condition or 'always'} | {entry.why} |")
    return "\n".join(lines)


def render() -> str:
    """The page."""
    deployment = recorded("prod")
    sections = [INTRODUCTION]
    for purpose, description in DESCRIPTIONS.items():
        key_arn = deployment.named(f"keys-{purpose}").state["arn"]
        entries = [*_of_policy(purpose), *_of_roles(deployment, key_arn)]
        sections.append(f"## {purpose.capitalize()}\n\nEncrypts {description}.\n\n{_table(entries)}\n")
    return "\n".join(sections)
