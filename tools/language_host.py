"""A small Pulumi language host for Python, for a CLI that was built from source and brings none.

The engine starts it as ``pulumi-language-python`` (set-up writes that launcher), reads the port from its first line of
output and then asks it to run the program or the policy pack. The program runs on the SDK's own `LanguageServer`, the
class behind the Automation API. The official CLI ships a host of its own and never uses this one.
"""

from __future__ import annotations

import contextlib
import json
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
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import IO, Any, NamedTuple, NoReturn, cast

import grpc
from google.protobuf import empty_pb2
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

MAXIMUM_MESSAGE_BYTES = 400 << 20
"""The engine's own limit for gRPC messages: plans hold whole documents."""


class Pack(NamedTuple):
    """What a process needs to become a policy pack."""

    arguments: list[str]
    """Of the SDK's own starter."""
    directory: str
    environment: dict[str, str]


class Spare:
    """A forked process that waits to become a policy pack: it has the SDK in memory, which takes others long to load.

    It must be made before gRPC is used and before there are threads, which a fork would lose.
    """

    def __init__(self) -> None:
        orders, out, err = os.pipe(), os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            for descriptor in (orders[1], out[0], err[0]):
                os.close(descriptor)
            _serve_pack(orders[0], out[1], err[1])
        for descriptor in (orders[0], out[1], err[1]):
            os.close(descriptor)
        self.orders = os.fdopen(orders[1], "w")
        self.stdout, self.stderr = os.fdopen(out[0], "rb"), os.fdopen(err[0], "rb")

    def become(self, pack: Pack) -> None:
        """Serve a policy pack."""
        with self.orders as orders:
            json.dump(pack, orders)

    def wait(self) -> int:
        """The exit status, once it ended."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def terminate(self) -> None:
        """Ask it to end."""
        _signal(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        _signal(self.pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _serve_pack(orders: int, out: int, err: int) -> NoReturn:
    """Wait for the order, then do what ``python -u -m pulumi.policy`` does."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with os.fdopen(orders) as lines:
        order = lines.read()
    if not order:
        os._exit(0)
    pack = Pack(*json.loads(order))
    os.dup2(out, 1)
    os.dup2(err, 2)
    for stream in (sys.stdout, sys.stderr):
        cast(TextIOWrapper, stream).reconfigure(write_through=True)
    os.environ.clear()
    os.environ.update(pack.environment)
    os.chdir(pack.directory)
    sys.argv[1:] = pack.arguments
    runpy.run_module("pulumi.policy", run_name="__main__", alter_sys=True)
    sys.exit()


class LanguageHost(LanguageServer):
    """Runs Python programs and policy packs for the engine."""

    def __init__(self, spare: Spare | None = None) -> None:
        super().__init__(lambda: None)
        self.spares = [spare] if spare else []
        """A process that may become a policy pack, until one did."""
        self.plugins: list[Spare | subprocess.Popen[bytes]] = [*self.spares]
        """Processes to end with."""

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
        environment = {**os.environ, **dict(entry.split("=", 1) for entry in request.env)}
        analyzer = request.kind == "analyzer"
        if analyzer and self.spares:
            process = self.spares.pop()
            process.become(Pack([*request.args, directory], directory, environment))
        else:
            command = ["-m", "pulumi.policy", *request.args, directory] if analyzer else [directory, *request.args]
            process = subprocess.Popen(
                [sys.executable, "-u", *command],
                cwd=directory if analyzer else request.pwd,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
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
    host = LanguageHost(Spare())
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
