"""Keeps the provider stand-ins' process: starts it, and starts it again on the same ports when it dies.

A plugin that crashed fails the operation that needs it, and is there again for the next one. The engine attaches by
port (``PULUMI_DEBUG_PROVIDERS``), so the ports stay what they are for as long as the sandbox lives.
"""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import IO, cast

log = logging.getLogger("sandbox")


class ProviderProcess:
    """The stand-ins for a sandbox's AWS, until `stop`."""

    def __init__(self, endpoint: str, region: str) -> None:
        self._endpoint = endpoint
        self._region = region
        self._stopping = threading.Event()
        self._process, self.ports = self._start({})
        threading.Thread(target=self._keep, name="provider-process", daemon=True).start()

    def stop(self) -> None:
        """End the process."""
        self._stopping.set()
        process = self._process
        with contextlib.suppress(BrokenPipeError):
            cast(IO[bytes], process.stdin).close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self, ports: Mapping[str, int]) -> tuple[subprocess.Popen[bytes], Mapping[str, int]]:
        command = [sys.executable, "-m", "sandbox.providers", "--endpoint", self._endpoint, "--region", self._region]
        process = subprocess.Popen(
            [*command, "--ports", json.dumps(dict(ports))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Signals for the sandbox's group are the sandbox's: it ends this process when it is done.
            start_new_session=True,
        )
        line = cast(IO[bytes], process.stdout).readline()
        if not line:
            raise RuntimeError(f"the provider stand-ins ended with exit status {process.wait()}; the log says why")
        return process, json.loads(line)

    def _keep(self) -> None:
        while True:
            code = self._process.wait()
            if self._stopping.is_set():
                return
            log.warning("the provider stand-ins ended with exit status %s, and are started again", code)
            self._process, _ = self._start(self.ports)
            if self._stopping.is_set():
                self._process.kill()
                return
