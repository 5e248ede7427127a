"""A small Pulumi language host for Python, for a CLI that was built from source and brings none.

The engine starts it as ``pulumi-language-python`` (set-up writes that launcher), reads the port from its first line of
output and then asks it to run the program or the policy pack. The program runs on the SDK's own `LanguageServer`, the
class behind the Automation API. The official CLI ships a host of its own and never uses this one.
"""

from __future__ import annotations

import os
import queue
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from types import FrameType
from typing import IO, Any, cast

import grpc
from google.protobuf import empty_pb2
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

MAXIMUM_MESSAGE_BYTES = 400 << 20
"""The engine's own limit for gRPC messages: plans hold whole documents."""


class LanguageHost(LanguageServer):
    """Runs Python programs and policy packs for the engine."""

    def __init__(self) -> None:
        super().__init__(lambda: None)
        self.plugins: list[subprocess.Popen[bytes]] = []
        """Processes of policy packs."""

    def Handshake(self, request: Any, context: Any) -> Any:
        """Agree to serve."""
        return language_pb2.LanguageHandshakeResponse()

    def Run(self, request: Any, context: Any) -> Any:
        """Run the program's entry point in this process."""
        directory = Path(request.info.program_directory)
        entry = directory / request.info.entry_point
        if entry.is_dir():
            entry = entry / "__main__.py"
        os.chdir(directory)
        if str(directory) not in sys.path:
            sys.path.insert(0, str(directory))

        def program() -> None:
            runpy.run_path(str(entry), run_name="__main__")

        self.program = program
        return super().Run(request, context)

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run a policy pack (or another Python plugin) in a process of its own, passing on its output."""
        directory = request.info.program_directory
        if request.kind == "analyzer":
            command = [sys.executable, "-u", "-m", "pulumi.policy", *request.args, directory]
            working_directory = directory
        else:
            command = [sys.executable, "-u", directory, *request.args]
            working_directory = request.pwd
        environment = {**os.environ, **dict(entry.split("=", 1) for entry in request.env)}
        process = subprocess.Popen(
            command, cwd=working_directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.plugins.append(process)
        context.add_callback(process.terminate)
        output: queue.Queue[dict[str, bytes] | None] = queue.Queue()
        for name in ("stdout", "stderr"):
            stream = cast(IO[bytes], getattr(process, name))
            threading.Thread(target=_forward, args=(stream, name, output), daemon=True).start()
        open_streams = 2
        while open_streams:
            chunk = output.get()
            if chunk is None:
                open_streams -= 1
            else:
                yield language_pb2.RunPluginResponse(**cast(Any, chunk))
        yield language_pb2.RunPluginResponse(exitcode=process.wait())

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
        """Set-up has installed them."""
        yield language_pb2.InstallDependenciesResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """Carry no version: the host belongs to the project, not to a release."""
        return plugin_pb2.PluginInfo()

    def Cancel(self, request: Any, context: Any) -> Any:
        """Accept; the engine ends the process afterwards."""
        return empty_pb2.Empty()


def _forward(stream: IO[bytes], name: str, output: queue.Queue[dict[str, bytes] | None]) -> None:
    for chunk in iter(lambda: os.read(stream.fileno(), 65536), b""):
        output.put({name: chunk})
    output.put(None)


def _leave_with(engine: int, host: LanguageHost) -> None:
    """End with the engine also when it was killed and could end nobody: it starts this process, so it is the parent."""
    while os.getppid() == engine:
        time.sleep(0.5)
    for process in host.plugins:
        process.kill()
    os._exit(0)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(0)


def main() -> None:
    """Serve until the engine ends the process."""
    options = [
        ("grpc.max_receive_message_length", MAXIMUM_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAXIMUM_MESSAGE_BYTES),
    ]
    host = LanguageHost()
    threading.Thread(target=_leave_with, args=(os.getppid(), host), daemon=True).start()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), options=options)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    # Leaving at once matters: the engine waits five seconds for a host that lingers.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
