"""What the project is built from: a software bill of materials and the licences, by ``make supply-chain``.

The bill (CycloneDX) lists every package of the locked environment with its version, licence and the hashes that set-up
accepts. Known vulnerabilities are asked for in CI (``pip-audit``), where the databases can be reached.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"

ALLOWED: Final = (
    r"Apache[ -]?(Software License|2\.0|License 2\.0)",
    r"MIT( License|-0|-CMU)?",
    r"MIT No Attribution License \(MIT-0\)",
    r"(3-Clause )?BSD( License|-2-Clause|-3-Clause)?",
    r"0BSD",
    r"ISC( License.*)?",
    r"MPL[ -]2\.0",
    r"Mozilla Public License 2\.0 \(MPL 2\.0\)",
    r"P(ython Software Foundation|SF)( License|-2\.0)",
    r"CNRI-Python",
    r"Zlib",
    r"CC0(-1\.0)?",
    r"Public Domain",
    r"The Unlicense \(Unlicense\)",
)
"""Licences that a program may be used and passed on under without publishing its own source, as patterns."""


@dataclass(frozen=True)
class Package:
    """A package of the environment."""

    name: str
    version: str
    licences: tuple[str, ...]
    """As the package states them; a list that it gives with ``;`` or ``OR`` is a choice."""


def installed() -> list[Package]:
    """The packages of this environment, as pip-licenses reads them."""
    command = [str(Path(sys.executable).parent / "pip-licenses"), "--from=mixed", "--format=json"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return [Package(entry["Name"], entry["Version"], tuple(re.split(r"; | OR ", entry["License"]))) for entry in listed]


def locked() -> dict[str, tuple[str, ...]]:
    """The lock file: by package and version (``boto3==1.2.3``), the SHA-256 hashes that set-up accepts."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([A-Za-z0-9_.\-]+)==([^ ;\\]+)", line):
            name = f"{normal(match[1])}=={match[2]}"
            found[name] = []
        elif match := re.match(r"\s+--hash=sha256:([0-9a-f]{64})", line):
            found[name].append(match[1])
    return {name: tuple(hashes) for name, hashes in found.items()}


def normal(name: str) -> str:
    """A package's name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def refused(packages: Sequence[Package]) -> list[str]:
    """Packages of which no choice of licence is allowed."""
    return [
        f"{package.name} {package.version}: {' or '.join(package.licences)}"
        for package in packages
        if not any(_allowed(licence) for licence in package.licences)
    ]


def _allowed(licence: str) -> bool:
    # A choice within parentheses was split at its OR, so that one of them may be left over.
    parts = [part if part.count("(") == part.count(")") else part.strip("()") for part in licence.split(" AND ")]
    return all(any(re.fullmatch(pattern, part) for pattern in ALLOWED) for part in parts)


def bill(packages: Sequence[Package], hashes: Mapping[str, Sequence[str]]) -> str:
    """The bill of materials, as CycloneDX 1.6 JSON."""
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{normal(package.name)}@{package.version}",
            "purl": f"pkg:pypi/{normal(package.name)}@{package.version}",
            "name": package.name,
            "version": package.version,
            "licenses": [{"license": {"name": licence}} for licence in package.licences],
            "hashes": [
                {"alg": "SHA-256", "content": value}
                for value in hashes.get(f"{normal(package.name)}=={package.version}", ())
            ],
        }
        for package in packages
    ]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": "emr-pipeline", "name": "emr-pipeline"}},
        "components": components,
    }
    return json.dumps(document, indent=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the bill, say which licences there are, and fail for one that is not allowed."""
    parser = argparse.ArgumentParser(prog="make supply-chain", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / ".sandbox" / "sbom.cdx.json")
    output: Path = parser.parse_args(arguments).output
    packages = installed()
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(bill(packages, locked()), encoding="utf-8")
    counts: dict[str, int] = {}
    for package in packages:
        words = " or ".join(package.licences)
        counts[words] = counts.get(words, 0) + 1
    for words, count in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"{count:4}  {words}")
    print(f"{len(packages)} packages: {output}")
    wrong = refused(packages)
    for text in wrong:
        print(f"licence not allowed: {text}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
