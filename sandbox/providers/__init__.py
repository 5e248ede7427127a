"""Stand-ins for the Pulumi providers `aws`, `random` and `tls`, for machines that cannot have the official plugins.

Each is a gRPC ResourceProvider that the Pulumi engine attaches to through ``PULUMI_DEBUG_PROVIDERS`` (see
`RunningProviders.debug_providers`). Everything they do to an AWS resource is a real boto3 call to the endpoint given to
`start`; what the AWS API would refuse by its service model is refused before it is sent.

Parts
    ``protocol``    property values and their form on the wire
    ``schema``      inputs and outputs of a type, read from the installed SDK (``pulumi_aws``, …)
    ``naming``      automatic names
    ``comparison``  what counts as a difference
    ``values``      what single inputs, and inputs together, may be
    ``clients``     boto3 clients
    ``table``       the form of a table entry (`ResourceType`, `Function`) and helpers for its functions
    ``servicer``    the protocol over a table; knows no resource type
    ``services/``   the table of `aws`, one module a service family
    ``aws``, ``random_``, ``tls_``   the three packages

How to add a resource type
    1. Find the official resource: https://github.com/hashicorp/terraform-provider-aws ``internal/service/<service>``.
       From its schema take what forces a new resource (ForceNew), static defaults (Default), what is a set, what is
       JSON; from its functions take the calls, the id and the error codes of "not found".
    2. In ``services/<service>.py`` write ``_create`` (calls, returns the id; `Operation.created` as soon as it exists
       when more calls follow), ``_read`` (outputs from the id; None when it is gone, by precise error code),
       ``_update`` (only what changes in place, from `Change.changed`) and ``_delete``, and one `ResourceType` in
       ``TYPES``. Inputs that the functions do not act on stay out of ``handles``: they are refused by name.
    3. What AWS (or moto) does not give back: leave the key out of what ``_read`` returns where only moto drops it (and
       say so), list it in ``not_read`` with the reason where AWS never gives it.
    4. A new module is added to ``services/__init__.py``.
    5. Add the type to the life cycles in ``tests/sandbox/providers/cases.py``: create, again without difference,
       update, read, delete.
A provider function is a `Function` in ``FUNCTIONS`` of the same modules.

Beyond the official providers' ways, and on purpose: only inputs in ``handles`` are taken; computed outputs that other
resources change later (a bucket's policy, a group's rules) are left out rather than shown as drift at the next refresh;
a partial creation is finished by the next update, or replaced when an input that replaces changed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from sandbox.providers import aws, random_, tls_
from sandbox.providers.clients import AwsClients
from sandbox.providers.servicer import Package, StandIn

__all__ = ["RunningProviders", "start"]

_PACKAGES: tuple[Package, ...] = (aws.PACKAGE, random_.PACKAGE, tls_.PACKAGE)
_MESSAGE_SIZE = 400 * 1024 * 1024
"""The engine's own limit (pulumi ``sdk/go/common/util/rpcutil``)."""


@dataclass(frozen=True)
class RunningProviders:
    """The providers as they run in this process."""

    ports: dict[str, int]
    """Port on 127.0.0.1 by provider name."""
    _servers: tuple[grpc.Server, ...]

    @property
    def debug_providers(self) -> str:
        """Value of ``PULUMI_DEBUG_PROVIDERS``: ``aws:PORT,random:PORT,tls:PORT``."""
        return ",".join(f"{name}:{port}" for name, port in self.ports.items())

    def stop(self) -> None:
        """Stop at once."""
        for stopping in [server.stop(None) for server in self._servers]:
            stopping.wait(5)


def start(
    endpoint: str, region: str, directory: Path | None = None, ports: Mapping[str, int] | None = None
) -> RunningProviders:
    """Start the providers.

    Args:
        endpoint: Address of the AWS API, e.g. ``http://127.0.0.1:5000``.
        region: Region of a program that sets none.
        directory: What relative paths of assets start from (the program's directory); by default the current one.
        ports: Ports to take, by provider name; for a name that is missing a free one.
    """
    clients = AwsClients(endpoint)
    taken: dict[str, int] = {}
    servers: list[grpc.Server] = []
    servicers: list[StandIn] = []
    for package in _PACKAGES:
        # The engine works on 16 resources at once by default; calls that wait must not starve the others.
        server = grpc.server(
            futures.ThreadPoolExecutor(64, thread_name_prefix=f"provider-{package.name}"), options=_OPTIONS
        )
        servicer = StandIn(package, clients, directory or Path.cwd(), region)
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
        taken[package.name] = server.add_insecure_port(f"127.0.0.1:{(ports or {}).get(package.name, 0)}")
        server.start()
        servers.append(server)
        servicers.append(servicer)
    # Reading the schemas takes seconds, for the SDK's modules: they are read while the program starts.
    threading.Thread(target=_warm_up, args=(tuple(servicers),), name="provider-warm-up", daemon=True).start()
    return RunningProviders(taken, tuple(servers))


_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", _MESSAGE_SIZE),
    ("grpc.max_send_message_length", _MESSAGE_SIZE),
    ("grpc.so_reuseport", 0),
]


def _warm_up(servicers: tuple[StandIn, ...]) -> None:
    for servicer in servicers:
        servicer.warm_up()
