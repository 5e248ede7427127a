"""Calls a provider as the engine does, over gRPC, and speaks plain Python values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.providers.protocol import decode, encode, reveal

NONE = provider_pb2.DiffResponse.DIFF_NONE


@dataclass
class Difference:
    """An answer to Diff."""

    changed: bool
    kinds: dict[str, str]
    replaces: list[str]
    delete_before_replace: bool


@dataclass
class Resource:
    """A resource as the engine's state has it."""

    token: str
    name: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)


class CheckFailedError(AssertionError):
    """Check found failures; `failures` maps properties to reasons."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in failures.items()))
        self.failures = failures


class ProviderDriver:
    """One provider resource of a program: a connection of its own, configured once."""

    def __init__(self, port: int, package: str, settings: Mapping[str, Any] | None = None) -> None:
        # Channels of one process share a connection unless told not to; the engine's never do.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
        self.stub = provider_pb2_grpc.ResourceProviderStub(self.channel)
        self.package = package
        self.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))
        if settings is not None:
            self.configure(settings)

    def close(self) -> None:
        self.channel.close()

    def configure(self, settings: Mapping[str, Any]) -> None:
        checked = self.stub.CheckConfig(provider_pb2.CheckRequest(news=encode(settings)))
        if checked.failures:
            raise CheckFailedError({failure.property: failure.reason for failure in checked.failures})
        self.stub.Configure(provider_pb2.ConfigureRequest(args=checked.inputs))

    def urn(self, token: str, name: str) -> str:
        return f"urn:pulumi:dev::project::{token}::{name}"

    def check(
        self,
        token: str,
        name: str,
        news: Mapping[str, Any],
        olds: Mapping[str, Any] | None = None,
        seed: bytes = b"seed",
        autonaming: tuple[int, str] | None = None,
    ) -> dict[str, Any]:
        request = provider_pb2.CheckRequest(
            urn=self.urn(token, name),
            name=name,
            type=token,
            olds=encode(olds or {}),
            news=encode(news),
            randomSeed=seed,
        )
        if autonaming is not None:
            request.autonaming.mode, request.autonaming.proposed_name = autonaming
        answer = self.stub.Check(request)
        if answer.failures:
            raise CheckFailedError(reasons(answer.failures))
        return decode(answer.inputs)

    def preview(self, token: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        request = provider_pb2.CreateRequest(urn=self.urn(token, name), properties=encode(inputs), preview=True)
        answer = self.stub.Create(request)
        assert answer.id == "", "a preview makes nothing, so it has no id to give"
        return decode(answer.properties)

    def create(self, token: str, name: str, news: Mapping[str, Any], seed: bytes = b"seed") -> Resource:
        inputs = self.check(token, name, news, seed=seed)
        answer = self.stub.Create(
            provider_pb2.CreateRequest(urn=self.urn(token, name), name=name, type=token, properties=encode(inputs))
        )
        return Resource(token, name, answer.id, inputs, decode(answer.properties))

    def diff(self, resource: Resource, inputs: Mapping[str, Any]) -> Difference:
        answer = self.stub.Diff(
            provider_pb2.DiffRequest(
                id=resource.id,
                urn=self.urn(resource.token, resource.name),
                olds=encode(resource.outputs),
                old_inputs=encode(resource.inputs),
                news=encode(inputs),
            )
        )
        kinds = {path: provider_pb2.PropertyDiff.Kind.Name(entry.kind) for path, entry in answer.detailedDiff.items()}
        return Difference(answer.changes != NONE, kinds, list(answer.replaces), answer.deleteBeforeReplace)

    def update(self, resource: Resource, news: Mapping[str, Any], *, preview: bool = False) -> Resource:
        inputs = self.check(resource.token, resource.name, news, resource.inputs)
        answer = self.stub.Update(
            provider_pb2.UpdateRequest(
                id=resource.id,
                urn=self.urn(resource.token, resource.name),
                olds=encode(resource.outputs),
                old_inputs=encode(resource.inputs),
                news=encode(inputs),
                preview=preview,
            )
        )
        return Resource(resource.token, resource.name, resource.id, inputs, decode(answer.properties))

    def read(self, resource: Resource) -> Resource | None:
        answer = self.stub.Read(
            provider_pb2.ReadRequest(
                id=resource.id,
                urn=self.urn(resource.token, resource.name),
                properties=encode(resource.outputs),
                inputs=encode(resource.inputs),
            )
        )
        if not answer.id:
            return None
        return Resource(resource.token, resource.name, answer.id, decode(answer.inputs), decode(answer.properties))

    def adopt(self, token: str, name: str, identifier: str) -> Resource | None:
        """Read by id alone, as ``pulumi import`` does."""
        answer = self.stub.Read(provider_pb2.ReadRequest(id=identifier, urn=self.urn(token, name)))
        if not answer.id:
            return None
        return Resource(token, name, answer.id, decode(answer.inputs), decode(answer.properties))

    def delete(self, resource: Resource) -> None:
        self.stub.Delete(
            provider_pb2.DeleteRequest(
                id=resource.id,
                urn=self.urn(resource.token, resource.name),
                properties=encode(resource.outputs),
                old_inputs=encode(resource.inputs),
            )
        )

    def invoke(self, token: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        answer = self.stub.Invoke(provider_pb2.InvokeRequest(tok=token, args=encode(arguments)))
        if answer.failures:
            raise CheckFailedError({failure.property: failure.reason for failure in answer.failures})
        return decode(getattr(answer, "return"))

    def cancel(self) -> None:
        self.stub.Cancel(empty_pb2.Empty())


def reasons(failures: Iterable[Any]) -> dict[str, str]:
    """Reasons by property; several of one property come together."""
    found: dict[str, str] = {}
    for failure in failures:
        before = found.get(failure.property)
        found[failure.property] = f"{before}; {failure.reason}" if before else failure.reason
    return found


def partial_failure(error: grpc.RpcError) -> provider_pb2.ErrorResourceInitFailed | None:
    """What an error says of a resource that exists although its creation failed."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            failed = provider_pb2.ErrorResourceInitFailed()
            if status.details and status.details[0].Unpack(failed):
                return failed
    return None


def plain(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs without secret marks."""
    return reveal(outputs)
