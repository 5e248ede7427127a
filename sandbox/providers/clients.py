"""boto3 clients of the sandbox's AWS, made once a service and region, with every call checked before it is sent."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3.session
import botocore.config
import botocore.model
from botocore.exceptions import ClientError

from sandbox.service_models import check_parameters

_CONFIG = botocore.config.Config(
    # moto answers HTTP 500 to what it lacks; trying again only hides that.
    retries={"total_max_attempts": 1, "mode": "standard"},
    connect_timeout=5,
    read_timeout=120,
    max_pool_connections=32,
    # The endpoint is one address: no bucket, account or "sync-" in front of it.
    s3={"addressing_style": "path"},
    inject_host_prefix=False,
)


@dataclass
class AwsClients:
    """Clients by service and region. Clients may be shared between threads, making them may not: hence the lock."""

    endpoint: str
    access_key: str = "sandbox"
    secret_key: str = "sandbox"
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict[tuple[str, str], Any], repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        # One session: it keeps the service data that its clients are made from.
        self._session = boto3.session.Session(self.access_key, self.secret_key)

    def get(self, service: str, region: str) -> Any:
        """The client of a service in a region."""
        with self._lock:
            key = (service, region)
            if key not in self._clients:
                self._clients[key] = self._make(service, region)
            return self._clients[key]

    def _make(self, service: str, region: str) -> Any:
        client = self._session.client(service, region_name=region, endpoint_url=self.endpoint, config=_CONFIG)
        client.meta.events.register_last("before-parameter-build", _check)
        return client


def _check(params: Mapping[str, Any], model: botocore.model.OperationModel, **_: Any) -> None:
    check_parameters(params, model)


def error_code(error: ClientError) -> str:
    """AWS's code of an error, e.g. ``NoSuchBucket``."""
    return str(error.response.get("Error", {}).get("Code", ""))


def describe_error(error: ClientError) -> str:
    """Operation, code and message."""
    details = error.response.get("Error", {})
    code = str(details.get("Code", "error"))
    if code.isdigit():
        # Not an answer of the API: a page in HTML, as moto gives for what it lacks.
        return f"{error.operation_name}: HTTP {code}: the AWS API lacks this call or failed in it; its log says more"
    return f"{error.operation_name}: {code}: {details.get('Message', '')}"
