"""Files that are made from the program, so that they cannot disagree with it. Run by `make generate`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from policies import document
from tools import (
    architecture_document,
    configuration_document,
    cost,
    keys_document,
    monitoring_documents,
    permissions,
    stack_schema,
    state_machine_document,
)

ROOT = Path(__file__).resolve().parent.parent

FILES: Mapping[Path, Callable[[], str]] = {
    stack_schema.FILE: stack_schema.render,
    configuration_document.FILE: configuration_document.render,
    keys_document.FILE: keys_document.render,
    document.FILE: document.render,
    monitoring_documents.RUNBOOK: monitoring_documents.runbook,
    monitoring_documents.MONITORING: monitoring_documents.monitoring,
    cost.PAGE: cost.render,
    permissions.FILE: permissions.render,
    state_machine_document.FILE: state_machine_document.render,
    architecture_document.FILE: architecture_document.render,
    architecture_document.README: architecture_document.readme,
}
"""What is made, and the function that makes its text."""


def stale() -> list[Path]:
    """Files that are not what the program says now."""
    return [file for file, render in FILES.items() if not file.exists() or file.read_text(encoding="utf-8") != render()]


def main() -> int:
    """Write what is stale, or with ``--check`` only name it."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something is stale")
    arguments = parser.parse_args()
    files = stale()
    for file in files:
        name = file.relative_to(ROOT)
        if arguments.check:
            print(f"{name} is not what the program says: run 'make generate'", file=sys.stderr)
        else:
            file.parent.mkdir(exist_ok=True)
            file.write_text(FILES[file](), encoding="utf-8")
            print(f"made {name}")
    return 1 if arguments.check and files else 0


if __name__ == "__main__":
    sys.exit(main())
