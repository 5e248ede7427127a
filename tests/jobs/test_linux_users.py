"""The bootstrap action that gives people a Linux user, run with stand-ins for the node's commands."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "nodes" / "linux_users.sh"
LIST = "s3://scripts/bootstrap/linux-users"


class Node:
    """A directory with commands that write down how they were called."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self.bin = directory / "bin"
        self.calls = directory / "calls"
        self.bin.mkdir()
        self.calls.touch()
        self.command("sudo", 'exec "$@"')
        for name in ("systemctl", "useradd"):
            self.command(name, f'echo "{name} $*" >> {self.calls}')
        self.command("getent", '[[ "$2" == hadoop ]]')

    def command(self, name: str, body: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/usr/bin/env bash\n{body}\n")
        path.chmod(0o755)

    def holds(self, text: str) -> None:
        self.command("aws", f"echo \"aws $*\" >> {self.calls}\nprintf '%s' '{text}'")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{self.bin}:{os.environ['PATH']}", "ROOT": str(self.root)}
        return subprocess.run(
            ["bash", str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, check=False
        )

    def lines(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_the_script_is_clean_to_shellcheck() -> None:
    found = subprocess.run([Path(sys.executable).parent / "shellcheck", str(SCRIPT)], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_people_of_the_list_get_users_with_their_numbers(node: Node) -> None:
    node.holds("alice 20001\nhadoop 20002\n\nbob 20003\n")
    assert node.run("--apply", LIST, "eu-west-1").returncode == 0
    read, *made = node.lines()
    assert read == f"aws s3 cp --only-show-errors --region eu-west-1 {LIST} -"
    assert made == ["useradd --create-home --uid 20001 alice", "useradd --create-home --uid 20003 bob"], (
        "who has a user is left alone"
    )


def test_a_line_that_is_none_is_told_and_keeps_nobody_out(node: Node) -> None:
    node.holds("Root; 0\nalice 7\nbob 20003 x\ncarol 20004\n")
    done = node.run("--apply", LIST, "eu-west-1")
    assert done.returncode == 1
    assert done.stderr.count("is no line of a name and a number") == 3
    assert node.lines()[1:] == ["useradd --create-home --uid 20004 carol"]


def test_a_new_node_reads_the_list_now_and_every_ten_minutes(node: Node) -> None:
    node.holds("alice 20001\n")
    assert node.run(LIST, "eu-west-1").returncode == 0
    assert "useradd --create-home --uid 20001 alice" in node.lines()
    assert "systemctl enable --now emr-linux-users.timer" in node.lines()
    units = node.root / "etc/systemd/system"
    assert f"--apply {LIST} eu-west-1" in (units / "emr-linux-users.service").read_text()
    assert "OnUnitActiveSec=10min" in (units / "emr-linux-users.timer").read_text()
    assert (node.root / "usr/local/sbin/emr-linux-users").read_bytes() == SCRIPT.read_bytes()


def test_a_list_that_cannot_be_read_does_not_end_the_node(node: Node) -> None:
    node.command("aws", "exit 1")
    done = node.run(LIST, "eu-west-1")
    assert done.returncode == 0, "EMR ends a cluster whose bootstrap action fails"
    assert "the next try is in ten minutes" in done.stderr


def test_a_wrong_call_is_told(node: Node) -> None:
    assert node.run("eu-west-1").returncode == 64
