"""The language host starts policy packs: the first in the process that waits for it, others in new ones."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

ROOT = Path(__file__).resolve().parents[2]
PACK = """
import json, os, sys
told = {"arguments": sys.argv[1:], "directory": os.getcwd(), "WORD": os.environ.get("WORD")}
print(json.dumps({**told, "command": open("/proc/self/cmdline").read()}))
print("heard", file=sys.stderr)
sys.exit(3)
"""


@pytest.fixture
def host() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tools" / "language_host.py")], stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.wait()


def _stub(host: subprocess.Popen[str]) -> Any:
    assert host.stdout is not None
    return language_pb2_grpc.LanguageRuntimeStub(grpc.insecure_channel(f"127.0.0.1:{int(host.stdout.readline())}"))


def _run(stub: Any, directory: Path) -> tuple[dict[str, Any], str, int]:
    """What a pack wrote on its outputs, and its exit status."""
    directory.mkdir()
    (directory / "__main__.py").write_text(PACK)
    request = language_pb2.RunPluginRequest(
        kind="analyzer",
        args=["engine:1"],
        env=["WORD=policy"],
        pwd="/",
        info=language_pb2.ProgramInfo(program_directory=str(directory)),
    )
    written = {"stdout": b"", "stderr": b"", "exitcode": 0}
    for response in stub.RunPlugin(request):
        kind = response.WhichOneof("output")
        written[kind] += getattr(response, kind)
    return json.loads(written["stdout"]), written["stderr"].decode(), written["exitcode"]


def test_the_first_pack_has_the_waiting_process_and_runs_as_the_others(
    host: subprocess.Popen[str], tmp_path: Path
) -> None:
    stub = _stub(host)
    runs = [_run(stub, tmp_path / name) for name in ("first", "second")]
    commands = [said.pop("command") for said, _, _ in runs]
    assert "language_host.py" in commands[0], "the first pack began as a fork of the host"
    assert "pulumi.policy" in commands[1], "a host has one waiting process"
    for name, (said, errors, status) in zip(("first", "second"), runs, strict=True):
        directory = str(tmp_path / name)
        assert said == {"arguments": ["engine:1", directory], "directory": directory, "WORD": "policy"}
        assert errors == "heard\n"
        assert status == 3, "its own"


def test_the_waiting_process_ends_with_its_host(host: subprocess.Popen[str]) -> None:
    _stub(host)
    host.send_signal(signal.SIGTERM)
    assert host.stdout is not None
    assert host.stdout.read() == "", "the last process that could write to the output is gone"
