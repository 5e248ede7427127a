"""Serving moto's API in a thread of this process, with every extension installed."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

from sandbox.aws.faults import with_faults
from sandbox.aws.options import AwsOptions
from sandbox.aws.patches import Patches
from sandbox.aws.runtime import Runtime, log
from sandbox.aws.unimplemented import clear_errors

_running = threading.Lock()


class StartError(RuntimeError):
    """The API cannot be served; the message says why."""


class RunningAws:
    """A sandbox AWS that serves until it is stopped."""

    def __init__(self, runtime: Runtime, server: BaseWSGIServer, thread: threading.Thread) -> None:
        self._runtime = runtime
        self._server = server
        self._thread = thread

    @property
    def endpoint(self) -> str:
        """URL of the API, for ``AWS_ENDPOINT_URL``."""
        return self._runtime.endpoint

    @property
    def port(self) -> int:
        """Port on 127.0.0.1."""
        return self._runtime.port

    def stop(self) -> None:
        """Stop serving, end every child process, forget all state. A second call does nothing."""
        runtime = self._runtime
        if runtime.stopping.is_set():
            return
        runtime.stopping.set()
        runtime.children.kill_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        runtime.patches.undo()
        _running.release()


def start(options: AwsOptions) -> RunningAws:
    """Start the sandbox's AWS; one at a time in a process, since moto's state is the process's."""
    if not _running.acquire(blocking=False):
        raise StartError("a sandbox AWS already runs in this process: stop it first")
    patches = Patches()
    try:
        application = _LateApplication()
        with listen(options.port) as listener:
            server = make_server(
                "127.0.0.1", options.port, application, True, request_handler=_request_handler(), fd=listener.fileno()
            )
        runtime = Runtime(options, server.port, patches)
        runtime.subdirectory()
        _set_environment(runtime)
        application.serve(_moto_application(runtime))
        thread = runtime.start_thread("aws-server", server.serve_forever)
    except BaseException:
        patches.undo()
        _running.release()
        raise
    log.info("AWS answers at %s (region %s, account %s)", runtime.endpoint, options.region, options.account_id)
    return RunningAws(runtime, server, thread)


def listen(port: int) -> socket.socket:
    """Take the port; werkzeug itself would end the process if it is taken."""
    try:
        return socket.create_server(("127.0.0.1", port), backlog=128)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise StartError(
            f"the sandbox cannot listen on 127.0.0.1:{port}: {reason}; end what uses the port, or take another"
        ) from error


class _LateApplication:
    """A WSGI application that is known after the port is bound, so that no other process can take the port between."""

    def __init__(self) -> None:
        self._application: Any = None

    def serve(self, application: Any) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self._application(environ, start_response)


def _request_handler() -> Any:
    from moto.moto_server.werkzeug_app import MotoRequestHandler

    return MotoRequestHandler


def _set_environment(runtime: Runtime) -> None:
    """Set what moto reads from the environment of its process."""
    options = runtime.options
    for name, value in {
        "MOTO_PORT": str(runtime.port),
        "MOTO_ACCOUNT_ID": options.account_id,
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    }.items():
        runtime.patches.set_item(os.environ, name, value)


def _moto_application(runtime: Runtime) -> Any:
    from moto.core.config import default_user_config
    from moto.moto_api._internal.models import moto_api_backend
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    from sandbox.aws.extensions import install

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    settings: Any = default_user_config
    runtime.patches.set_item(settings, "stepfunctions", {"execute_state_machine": True})
    moto_api_backend.reset()
    install(runtime)
    return with_faults(clear_errors(DomainDispatcherApplication(create_backend_app)), runtime)
