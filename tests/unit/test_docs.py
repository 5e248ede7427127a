"""The pages build without a warning, and every command in them exists or is marked as needing AWS."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs" / "index.md", ROOT / "docs" / "deploy.md"]

TESTED = {
    "make sandbox": "tests/sandbox/test_main_job.py",
    "make new-stack": "tests/unit/test_new_stack.py",
    "make preview": "tests/sandbox/test_engine.py",
    "make cost": "tests/unit/test_cost.py",
    "make permissions": "tests/unit/test_permissions.py",
}
"""Commands of the pages, and the test that runs what is behind each."""


def test_the_pages_build_strictly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.returncode == 0, f"a broken link or page:\n{process.stdout}{process.stderr}"
    assert (tmp_path / "site" / "configuration" / "index.html").exists(), "the made pages are among them"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_tested_or_needs_aws(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    blocks = re.findall(r"([^\n]*)\n\n```sh\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks, f"{page.name} shows commands"
    for before, block in blocks:
        for line in block.strip().splitlines():
            command = " ".join(line.split()[:2])
            assert command.removeprefix("make ") in targets, f"{line}: the Makefile has no such target"
            if not before.rstrip().endswith("eeds AWS:"):
                assert command in TESTED, f"{line}: test it, or write 'Needs AWS:' above it"
                assert (ROOT / TESTED[command]).exists(), f"{TESTED[command]} should be there"
