"""What the extensions of a running sandbox share: options, endpoint, clients, threads, child processes."""

from __future__ import annotations

import functools
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from boto3.session import Session
from botocore.config import Config

from sandbox.aws.call_records import CallRecords
from sandbox.aws.faults import FaultBox
from sandbox.aws.options import ACCESS_KEY, AwsOptions
from sandbox.aws.patches import Patches
from sandbox.aws.processes import Children

log = logging.getLogger("sandbox")


class Runtime:
    """One running sandbox, as its extensions see it."""

    def __init__(self, options: AwsOptions, port: int, patches: Patches) -> None:
        self.options = options
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        self.directory = options.directory.absolute()
        self.patches = patches
        self.children = Children()
        self.faults = FaultBox()
        self.calls = CallRecords(self.directory / "calls.jsonl")
        self.stopping = threading.Event()
        self._clients: dict[tuple[str, str, str | None], Any] = {}
        self._clients_lock = threading.Lock()

    def client(self, service: str, region: str | None = None, principal: str | None = None) -> Any:
        """Return a boto3 client of this sandbox; one a service, region and principal, shared by all threads.

        The calls of a client with a principal are noted as its calls.
        """
        key = (service, region or self.options.region, principal)
        with self._clients_lock:
            if key not in self._clients:
                client = self._clients[key] = self._new_client(service, key[1])
                if principal is not None:
                    client.meta.events.register("provide-client-params.*.*", functools.partial(self._note, principal))
            return self._clients[key]

    def _note(self, principal: str, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls.note(principal, model.service_model.service_name, model.name, params)

    def _new_client(self, service: str, region: str) -> Any:
        session = Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=ACCESS_KEY, region_name=region)
        return session.client(
            service,
            endpoint_url=self.endpoint,
            config=Config(
                retries={"max_attempts": 0},
                connect_timeout=5,
                read_timeout=900,
                max_pool_connections=50,
                parameter_validation=False,
                s3={"addressing_style": "path"},
            ),
        )

    def process_environment(self, region: str) -> dict[str, str]:
        """Return the environment of a child process: the machine's basics and this sandbox as AWS."""
        kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "JAVA_HOME", "USER")
        return {name: os.environ[name] for name in kept if name in os.environ} | {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def subdirectory(self, *names: str) -> Path:
        """Return a directory under the sandbox's, made if missing."""
        path = self.directory.joinpath(*names)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def start_thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Run work in a background thread; an exception that ends it is logged, never swallowed."""

        def guarded() -> None:
            try:
                work()
            except Exception:
                if not self.stopping.is_set():
                    log.exception("background work %r ended with an exception", name)

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        thread.start()
        return thread
