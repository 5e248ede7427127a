"""The gRPC side of a stand-in: Pulumi's ResourceProvider protocol over a table of resource types.

Nothing here knows a resource type. What the bridged providers do alike for all of theirs is done once: input checks
against the SDK's schema, automatic names, default tags, defaults, diff and replacement, preview outputs, secrets,
refresh, errors. Protocol: pulumi ``proto/pulumi/provider.proto``; behaviour: pulumi-terraform-bridge ``pkg/tfbridge``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import json
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from sandbox.documents import Owner
from sandbox.providers import schema
from sandbox.providers.clients import AwsClients, describe_error
from sandbox.providers.comparison import Difference, project
from sandbox.providers.naming import Mode, NamingError, Proposal, automatic_name, prefixed_name
from sandbox.providers.protocol import UNKNOWN, Secret, conceal, decode, encode, holds_unknown, reveal
from sandbox.providers.table import CancelledError, Change, Created, Function, Operation, ResourceType, State
from sandbox.service_models import ParameterRefusedError

_LOG = logging.getLogger(__name__)
_INCOMPLETE = "__incomplete"
_MODES: Mapping[int, Mode] = {0: "propose", 1: "enforce", 2: "disable"}


@dataclass(frozen=True)
class Configuration:
    """Settings of one provider resource of a program."""

    region: str = ""
    default_tags: Mapping[str, str] = field(default_factory=dict[str, str])
    ignored_tags: frozenset[str] = frozenset()
    ignored_tag_prefixes: tuple[str, ...] = ()
    account: str = ""
    partition: str = "aws"
    cancelled: threading.Event = field(default_factory=threading.Event)

    def all_tags(self, tags: Any) -> Any:
        """Default tags and the resource's own, which win (pulumi-aws ``provider/tags.go``)."""
        plain = reveal(tags)
        if holds_unknown(plain):
            return UNKNOWN
        return self.kept_tags({**self.default_tags, **(plain or {})})

    def kept_tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Tags without those that the provider is told to ignore."""
        return {
            name: text
            for name, text in tags.items()
            if name not in self.ignored_tags and not name.startswith(self.ignored_tag_prefixes or ("\0",))
        }

    def own_tags(self, all_tags: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
        """The resource's own among all tags: what is no default tag, or was given although it is one."""
        return {name: text for name, text in all_tags.items() if name in before or self.default_tags.get(name) != text}


@dataclass(frozen=True)
class Package:
    """A provider: its name, its table, and how it turns provider inputs into a `Configuration`."""

    name: str
    resources: Mapping[str, ResourceType]
    functions: Mapping[str, Function]
    configure: Callable[[Mapping[str, Any], AwsClients], Configuration]
    check_configuration: Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]]
    where: str
    """Where to add a type, for the error that names an unknown one."""


class RefusedError(Exception):
    """Ends a call with a gRPC status."""

    def __init__(self, code: grpc.StatusCode, message: str, detail: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail


P = ParamSpec("P")
Response = TypeVar("Response")


def _answer(method: Callable[P, Response]) -> Callable[P, Response]:
    """Turn what a method (self, request, context) raises into a gRPC status, for the person at the engine."""

    @functools.wraps(method)
    def answered(*args: P.args, **kwargs: P.kwargs) -> Response:
        context = cast(grpc.ServicerContext, args[2])
        try:
            return method(*args, **kwargs)
        except RefusedError as error:
            if error.detail is not None:
                packed = any_pb2.Any()
                packed.Pack(error.detail)
                status = status_pb2.Status(code=error.code.value[0], message=error.message, details=[packed])
                context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(error.code, error.message)
        except Exception as error:
            _LOG.exception("%s failed", method.__name__)
            context.abort(grpc.StatusCode.UNKNOWN, f"{method.__name__}: {type(error).__name__}: {error}")
        raise AssertionError("abort raises")

    return answered


def explain(error: Exception) -> str:
    """What went wrong, for people."""
    if isinstance(error, ClientError):
        return describe_error(error)
    if isinstance(error, BotoCoreError | ParameterRefusedError | CancelledError | TimeoutError | ValueError | OSError):
        return f"{error}"
    return f"{type(error).__name__}: {error}"


class StandIn(provider_pb2_grpc.ResourceProviderServicer):
    """A provider of a table's resource types.

    The engine opens one connection for each provider resource of a program (default and explicit ones), also when it
    attaches to a running server, so a connection's peer address tells whose settings hold. A call from a peer that
    never configured (a connection opened anew after a long idle time) takes the settings that came last.
    """

    def __init__(self, package: Package, clients: AwsClients, directory: Path, default_region: str) -> None:
        self._package = package
        self._clients = clients
        self._directory = directory
        self._default_region = default_region
        self._schemas: dict[str, schema.ResourceSchema] = {}
        self._configurations: OrderedDict[str, Configuration] = OrderedDict()
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Read the schemas of all types, so that no request waits for it."""
        for token in self._package.resources:
            self._schema(token)

    # -- provider -----------------------------------------------------------------------------------------------------

    @_answer
    def Handshake(self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext) -> Any:
        """Say what the provider understands; output values are not among it, so the engine sends plain ones."""
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=True, accept_resources=True, accept_outputs=False, supports_autonaming_configuration=True
        )

    @_answer
    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> Any:
        """Version of the SDK whose schema the stand-in follows."""
        return plugin_pb2.PluginInfo(version=importlib.metadata.version(f"pulumi-{self._package.name}"))

    @_answer
    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> Any:
        """Take note of an engine: nothing to do."""
        return empty_pb2.Empty()

    @_answer
    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> Any:
        """Stop what waits on behalf of the engine that asks."""
        with self._lock:
            configuration = self._configurations.get(context.peer())
        if configuration is not None:
            configuration.cancelled.set()
        return empty_pb2.Empty()

    @_answer
    def CheckConfig(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> Any:
        """Check provider settings by name and type."""
        news = decode(request.news)
        parsed = _parse_settings(news, schema.provider_inputs(self._package.name))
        checked, mismatches = schema.check_inputs(parsed, schema.provider_inputs(self._package.name))
        failures = [(entry.property, entry.reason) for entry in mismatches]
        if not failures:
            failures = list(self._package.check_configuration(reveal(checked)))
        return provider_pb2.CheckResponse(inputs=request.news, failures=_failures(failures))

    @_answer
    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> Any:
        """Compare provider settings; another region is another provider, and replaces what it holds."""
        olds, news = decode(request.old_inputs), decode(request.news)
        changed = [name for name in sorted({*olds, *news}) if name != "version" and olds.get(name) != news.get(name)]
        replaces = [name for name in changed if name == "region"]
        kind = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=kind, diffs=changed, replaces=replaces)

    @_answer
    def Configure(self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext) -> Any:
        """Keep the settings of the connection's provider resource."""
        settings = _parse_settings(reveal(decode(request.args)), schema.provider_inputs(self._package.name))
        settings = {name: value for name, value in settings.items() if value is not None}
        settings.setdefault("region", self._default_region)
        try:
            configuration = self._package.configure(settings, self._clients)
        except (ClientError, BotoCoreError, ValueError) as error:
            message = f"provider {request.name or self._package.name}: {explain(error)}"
            raise RefusedError(grpc.StatusCode.FAILED_PRECONDITION, message) from error
        with self._lock:
            self._configurations[context.peer()] = configuration
            self._configurations.move_to_end(context.peer())
            while len(self._configurations) > 256:
                self._configurations.popitem(last=False)
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True,
            supportsPreview=True,
            acceptResources=True,
            acceptOutputs=False,
            supports_autonaming_configuration=True,
        )

    # -- resources ----------------------------------------------------------------------------------------------------

    @_answer
    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> Any:
        """Check inputs, and fill in names, defaults and tags."""
        kind, shape = self._type(request.urn)
        olds, news = decode(request.olds), decode(request.news)
        news = {name: value for name, value in news.items() if value is not None}
        inputs, mismatches = schema.check_inputs(news, shape.inputs)
        failures = [(entry.property, entry.reason) for entry in mismatches]
        failures += self._unhandled(kind, shape, inputs)
        failures += _conflicts(kind, inputs)
        filled: list[str] = []
        if kind.naming is not None and not failures:
            asked = None
            if request.HasField("autonaming"):
                asked = Proposal(_MODES[request.autonaming.mode], request.autonaming.proposed_name)
            try:
                name = automatic_name(kind.naming, inputs, olds, request.name, request.randomSeed, asked)
            except NamingError as error:
                failures.append((kind.naming.property, str(error)))
            else:
                if name is not None:
                    inputs[kind.naming.property] = name
                    filled.append(kind.naming.property)
        filled += _fill_defaults(inputs, kind.defaults)
        if "tags" in shape.inputs and "tagsAll" in shape.outputs:
            inputs["tagsAll"] = conceal(self._configuration(context).all_tags(inputs.get("tags")), inputs.get("tags"))
        failures += _refused_values(kind, inputs)
        failures += _refused_documents(kind, inputs, self._configuration(context).account)
        if kind.check is not None and not failures:
            plain = reveal(inputs)
            failures += kind.check({name: value for name, value in plain.items() if not holds_unknown(value)})
        inputs["__defaults"] = sorted(filled)
        return provider_pb2.CheckResponse(inputs=encode(inputs), failures=_failures(failures))

    @_answer
    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> Any:
        """Say what a change of inputs does: nothing, an update, a replacement."""
        kind, shape = self._type(request.urn)
        olds = decode(request.olds)
        differences = changes(kind, shape, decode(request.old_inputs), olds, decode(request.news))
        renewed = kind.renew(reveal(olds)) if kind.renew is not None else None
        if renewed is not None and not differences:
            differences = [Difference(renewed, "update")]
        detailed: dict[str, provider_pb2.PropertyDiff] = {}
        replaces: list[str] = []
        for entry in differences:
            replace = entry.property == renewed or replaces_for(kind, entry)
            if replace:
                replaces.append(entry.path)
            name = f"{entry.change.upper()}{'_REPLACE' if replace else ''}"
            detailed[entry.path] = provider_pb2.PropertyDiff(
                kind=getattr(provider_pb2.PropertyDiff, name), inputDiff=True
            )
        some = bool(differences) or _INCOMPLETE in olds
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if some else provider_pb2.DiffResponse.DIFF_NONE,
            replaces=sorted(set(replaces)),
            diffs=sorted({entry.property for entry in differences}),
            detailedDiff=detailed,
            hasDetailedDiff=True,
            deleteBeforeReplace=kind.delete_before_replace and bool(replaces),
        )

    @_answer
    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> Any:
        """Make the resource; in preview, say what of it is known."""
        kind, shape = self._type(request.urn)
        inputs = decode(request.properties)
        configuration = self._configuration(context)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(_preview(kind, shape, inputs, configuration)))
        plain = _plain(inputs)
        if kind.naming is not None and kind.naming.property not in plain:
            prefix = plain.get(kind.naming.prefix_property or "", request.name + "-")
            plain[kind.naming.property] = prefixed_name(prefix)
        operation = self._operation(request.urn, configuration, plain, request.timeout)
        try:
            made = kind.create(operation, plain)
            made = made if isinstance(made, Created) else Created(made)
            operation.created(made.id)
            state = self._read(kind, operation, made.id, {**plain, **made.state})
            if state is None:
                raise LookupError(f"made {made.id}, but it cannot be found")
        except Exception as error:
            raise self._failed("creating", operation, error, inputs) from error
        outputs = _outputs(kind, shape, inputs, {**made.state, **state, "id": made.id}, configuration)
        return provider_pb2.CreateResponse(id=made.id, properties=encode(outputs))

    @_answer
    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> Any:
        """Say how the resource is now; an empty answer means that it is gone."""
        kind, shape = self._type(request.urn)
        prior, inputs = decode(request.properties), decode(request.inputs)
        configuration = self._configuration(context)
        plain = _plain(prior)
        identifier: str = request.id
        operation = self._operation(request.urn, configuration, plain, 0)
        try:
            if kind.adopt is not None and not prior:
                adopted = kind.adopt(identifier)
                identifier, plain = adopted.id, adopted.state
            state = self._read(kind, operation, identifier, plain)
        except KeyError as error:
            if plain:
                raise self._failed("reading", operation, error) from error
            message = f"importing {operation.type} {request.id!r}: the stand-in finds it by its {error} only, not by id"
            raise RefusedError(grpc.StatusCode.UNIMPLEMENTED, message) from error
        except Exception as error:
            raise self._failed("reading", operation, error) from error
        if state is None:
            return provider_pb2.ReadResponse()
        known = {**{name: value for name, value in prior.items() if name in shape.outputs}, **inputs}
        outputs = _outputs(kind, shape, known, {**plain, **state, "id": identifier}, configuration)
        now = _refreshed(kind, shape, inputs, outputs, state) if inputs else _imported(kind, shape, outputs)
        return provider_pb2.ReadResponse(id=identifier, properties=encode(outputs), inputs=encode(now))

    @_answer
    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> Any:
        """Change the resource in place."""
        kind, shape = self._type(request.urn)
        olds, inputs, old_inputs = decode(request.olds), decode(request.news), decode(request.old_inputs)
        configuration = self._configuration(context)
        differing = frozenset(entry.property for entry in changes(kind, shape, old_inputs, olds, inputs))
        if _INCOMPLETE in olds:
            differing |= inputs.keys() - {"__defaults"}
        if request.preview:
            return provider_pb2.UpdateResponse(
                properties=encode(_update_preview(kind, shape, olds, inputs, differing)),
            )
        plain = _plain(inputs)
        before = _plain(olds)
        operation = self._operation(request.urn, configuration, plain, request.timeout)
        try:
            if _INCOMPLETE in olds:
                # The state of a creation that failed half way is what was asked for; this is what is there.
                before = self._read(kind, operation, request.id, before) or before
            self._change(kind, operation, Change(request.id, before, plain, _plain(old_inputs), differing))
            state = self._read(kind, operation, request.id, {**before, **plain})
            if state is None:
                raise LookupError(f"changed {request.id}, but it cannot be found any more")
        except Exception as error:
            raise self._failed("updating", operation, error) from error
        outputs = _outputs(
            kind, shape, {**_kept(kind, olds, shape), **inputs}, {**state, "id": request.id}, configuration
        )
        return provider_pb2.UpdateResponse(properties=encode(outputs))

    @_answer
    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Any:
        """Remove the resource."""
        kind, _ = self._type(request.urn)
        plain = _plain(decode(request.properties))
        operation = self._operation(request.urn, self._configuration(context), plain, request.timeout)
        try:
            kind.delete(operation, request.id, plain)
        except Exception as error:
            raise self._failed("deleting", operation, error) from error
        return empty_pb2.Empty()

    @_answer
    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> Any:
        """Call a provider function."""
        function = self._package.functions.get(request.tok)
        if function is None:
            raise RefusedError(
                grpc.StatusCode.UNIMPLEMENTED,
                f"the sandbox has no stand-in for the function {request.tok};"
                f" {schema.nearest(request.tok, self._package.functions)}. Add it in {self._package.where}",
            )
        arguments = _plain(decode(request.args))
        unknown = sorted(arguments.keys() - function.arguments)
        if unknown:
            failures = [
                (name, f"{request.tok}: argument {name!r} is unknown to the stand-in; add it in {self._package.where}")
                for name in unknown
            ]
            return provider_pb2.InvokeResponse(failures=_failures(failures))
        configuration = self._configuration(context)
        operation = self._operation(f"urn:pulumi:::::{request.tok}::", configuration, arguments, 0)
        try:
            result = function.call(operation, arguments)
        except Exception as error:
            raise RefusedError(grpc.StatusCode.UNKNOWN, f"calling {request.tok}: {explain(error)}") from error
        answer = provider_pb2.InvokeResponse()
        getattr(answer, "return").CopyFrom(encode(result))
        return answer

    # -- parts --------------------------------------------------------------------------------------------------------

    def _type(self, urn: str) -> tuple[ResourceType, schema.ResourceSchema]:
        token = urn.split("::")[2].split("$")[-1]
        kind = self._package.resources.get(token)
        if kind is None:
            raise RefusedError(
                grpc.StatusCode.UNIMPLEMENTED,
                f"the sandbox has no stand-in for {token} ({urn.split('::')[-1]!r});"
                f" {schema.nearest(token, self._package.resources)}. Add a table entry in {self._package.where}",
            )
        return kind, self._schema(token)

    def _schema(self, token: str) -> schema.ResourceSchema:
        # Two threads may both read it; they come to the same.
        if token not in self._schemas:
            self._schemas[token] = schema.resource_schema(token)
        return self._schemas[token]

    def _configuration(self, context: grpc.ServicerContext) -> Configuration:
        with self._lock:
            own = self._configurations.get(context.peer())
            if own is not None:
                return own
            if self._configurations:
                return next(reversed(self._configurations.values()))
        raise RefusedError(grpc.StatusCode.FAILED_PRECONDITION, f"provider {self._package.name} is not configured")

    def _operation(
        self, urn: str, configuration: Configuration, properties: Mapping[str, Any], timeout: float
    ) -> Operation:
        parts = urn.split("::")
        return Operation(
            urn=urn,
            name=parts[-1],
            type=parts[2].split("$")[-1],
            region=properties.get("region") or configuration.region,
            directory=self._directory,
            clients=self._clients,
            account=configuration.account,
            partition=configuration.partition,
            timeout=timeout,
            cancelled=configuration.cancelled,
        )

    def _unhandled(
        self, kind: ResourceType, shape: schema.ResourceSchema, inputs: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        handled = kind.handles | {"region"} | ({"tags"} if "tagsAll" in shape.outputs else set())
        if kind.naming is not None:
            handled |= {kind.naming.property, kind.naming.prefix_property or kind.naming.property}
        return [
            (name, f"input {name!r} is not handled by the sandbox's stand-in; add it in {self._package.where}")
            for name in sorted(inputs.keys() - handled)
        ]

    def _read(self, kind: ResourceType, operation: Operation, identifier: str, prior: State) -> State | None:
        if kind.read is None:
            return dict(prior)
        state = kind.read(operation, identifier, prior)
        if state is None:
            return None
        return {"region": operation.region, **state}

    def _change(self, kind: ResourceType, operation: Operation, change: Change) -> None:
        others = change.changed - {"tags", "tagsAll"}
        if kind.update is not None and (others or kind.tagging is None):
            kind.update(operation, change)
        if kind.tagging is not None and change.any("tags", "tagsAll"):
            before = change.old.get("tagsAll") or {}
            after = change.inputs.get("tagsAll") or {}
            removed = sorted(before.keys() - after.keys())
            if removed:
                kind.tagging.remove(operation, change.id, change.old, removed)
            added = {name: text for name, text in after.items() if before.get(name) != text}
            if added:
                kind.tagging.add(operation, change.id, change.old, added)

    def _failed(
        self, doing: str, operation: Operation, error: Exception, inputs: Mapping[str, Any] | None = None
    ) -> RefusedError:
        message = f"{doing} {operation.type} {operation.name!r}: {explain(error)}"
        if not isinstance(error, ClientError | BotoCoreError | ParameterRefusedError | CancelledError | TimeoutError):
            _LOG.exception(message, exc_info=error)
        if operation.created_id is None or inputs is None:
            return RefusedError(grpc.StatusCode.UNKNOWN, message)
        # It exists: the engine keeps it, and finishes it with an update next time.
        state = {**{name: value for name, value in inputs.items() if name != "__defaults"}, _INCOMPLETE: True}
        detail = provider_pb2.ErrorResourceInitFailed(
            id=operation.created_id, properties=encode(state), reasons=[message], inputs=encode(inputs)
        )
        return RefusedError(grpc.StatusCode.UNKNOWN, message, detail)


def _parse_settings(settings: Mapping[str, Any], properties: Mapping[str, schema.InputProperty]) -> dict[str, Any]:
    """Provider settings as values: everything but text travels as JSON text."""
    parsed: dict[str, Any] = {}
    for name, value in settings.items():
        definition = properties.get(name)
        if name == "version":
            continue
        if isinstance(value, str) and definition is not None and definition.type.kind not in {"string", "any"}:
            # What does not parse is left for check_inputs, which names the setting and what it must be.
            with contextlib.suppress(ValueError):
                value = json.loads(value)
        parsed[name] = value
    return parsed


def _failures(failures: Iterable[tuple[str, str]]) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in failures]


def _plain(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Properties as table functions see them: no secret marks, nothing absent, nothing internal."""
    return {
        name: value for name, value in reveal(properties).items() if value is not None and not name.startswith("__")
    }


def _fill_defaults(inputs: dict[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """Fill in what is missing; a path such as ``coreInstanceGroup.instanceCount`` only inside what is there."""
    filled: list[str] = []
    for path, value in defaults.items():
        *parents, name = path.split(".")
        for holder in _holders(inputs, parents):
            if holder.get(name) is None:
                holder[name] = value
                if not parents:
                    filled.append(name)
    return filled


def _holders(value: Any, path: Sequence[str]) -> list[dict[str, Any]]:
    value = value.value if isinstance(value, Secret) else value
    if isinstance(value, list):
        return [holder for entry in value for holder in _holders(entry, path)]
    if not isinstance(value, dict):
        return []
    return [value] if not path else _holders(value.get(path[0]), path[1:])


def _conflicts(kind: ResourceType, inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Inputs that the provider does not take together, or one of which it needs."""
    failures: list[tuple[str, str]] = []
    for group, one_needed in (
        *((group, False) for group in kind.at_most_one),
        *((group, True) for group in kind.exactly_one),
    ):
        given = sorted(path for path in group if _is_given(inputs, path))
        if len(given) > 1:
            rule = "exactly one of them" if one_needed else "at most one of them"
            failures.append((given[-1].split(".", 1)[0], f"{' and '.join(given)} conflict; give {rule}"))
        elif one_needed and not given:
            failures.append((min(group).split(".", 1)[0], f"exactly one of {', '.join(sorted(group))} must be given"))
    return failures


def _is_given(inputs: Mapping[str, Any], path: str) -> bool:
    *parents, name = path.split(".")
    return any(holder.get(name) not in (None, "", [], {}) for holder in _holders(dict(inputs), parents))


def _refused_values(kind: ResourceType, inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Values that the provider's schema does not allow; unknown ones pass."""
    failures: list[tuple[str, str]] = []
    for path, rule in kind.values.items():
        *parents, name = path.split(".")
        for holder in _holders(dict(inputs), parents):
            value = reveal(holder.get(name))
            if value is None or holds_unknown(value):
                continue
            for entry in value if isinstance(value, list) else [value]:
                mistake = rule(entry)
                if mistake is not None:
                    failures.append((path.split(".", 1)[0], f"{path} {mistake}"))
    return failures


def _refused_documents(kind: ResourceType, inputs: Mapping[str, Any], account: str) -> list[tuple[str, str]]:
    """What AWS would refuse of the documents that are known."""
    failures: list[tuple[str, str]] = []
    known = {name: value for name, value in reveal(inputs).items() if not holds_unknown(value)}
    owner = Owner(account, known)
    for path in sorted(kind.comparison.json | kind.comparison.policies | kind.documents.keys()):
        *parents, name = path.split(".")
        check = kind.documents.get(path)
        for holder in _holders(dict(inputs), parents):
            text = reveal(holder.get(name))
            if not isinstance(text, str) or not text:
                continue
            try:
                document = json.loads(text)
            except ValueError as error:
                failures.append((path.split(".", 1)[0], f"{path} is not JSON: {error}"))
                continue
            found = check(document, owner) if check is not None else ()
            failures.extend((path.split(".", 1)[0], f"{path}: {mistake}") for mistake in found)
    return failures


_INDEX = re.compile(r"\[\d+\]")
_KEY = re.compile(r'\["[^"]*"\]')


def _name_of(path: str) -> str:
    return _KEY.sub(".*", _INDEX.sub("", path))


def _covered(path: str, names: Iterable[str]) -> bool:
    name = _name_of(path)
    return any(name == entry or name.startswith(f"{entry}.") for entry in names)


def replaces_for(kind: ResourceType, difference: Difference) -> bool:
    """Whether a difference means a new resource."""
    path = difference.path
    if difference.change != "update" and _covered(path, kind.replaces_kind):
        return True
    if _covered(path, ("tags", "tagsAll")):
        return kind.tagging is None and kind.update is None
    if path == "region":
        return True
    if kind.in_place is not None:
        return not _covered(path, kind.in_place)
    return kind.update is None or _covered(path, kind.replaces)


def changes(
    kind: ResourceType,
    shape: schema.ResourceSchema,
    old_inputs: Mapping[str, Any],
    olds: Mapping[str, Any],
    inputs: Mapping[str, Any],
) -> list[Difference]:
    """What differs between the resource as it is and the inputs.

    As the provider plans: an input that was not given before is compared to what the resource has; one that is not
    given any more only counts where the provider does not compute it, against its default.
    """
    before, after = dict(old_inputs), dict(inputs)
    for name in {*before, *after}:
        if before.get(name) is None and name in olds and name in shape.inputs:
            before[name] = project(
                reveal(olds[name]), reveal(after[name]), kind.comparison, name, shape.inputs[name].type
            )
        elif after.get(name) is None and name not in {"tags", "tagsAll", *kind.defaults}:
            computed = name in shape.outputs and not shape.outputs[name].optional
            after[name] = before[name] if computed else None
    return kind.comparison.differences(before, after)


def _preview(
    kind: ResourceType, shape: schema.ResourceSchema, inputs: Mapping[str, Any], configuration: Configuration
) -> State:
    outputs: State = {}
    for name, definition in shape.outputs.items():
        if inputs.get(name) is not None:
            outputs[name] = inputs[name]
        elif name == "region" and configuration.region:
            outputs[name] = configuration.region
        elif not definition.optional:
            outputs[name] = UNKNOWN
    return _with_secrets(kind, outputs)


def _update_preview(
    kind: ResourceType,
    shape: schema.ResourceSchema,
    olds: Mapping[str, Any],
    inputs: Mapping[str, Any],
    differing: frozenset[str],
) -> State:
    outputs = {name: value for name, value in olds.items() if name in shape.outputs or name == "id"}
    for name in shape.outputs:
        if name in inputs:
            outputs[name] = inputs[name]
        elif name in differing:
            outputs.pop(name, None)
        if differing & kind.recomputed.get(name, frozenset()) and name not in inputs:
            outputs[name] = UNKNOWN
    return _with_secrets(kind, outputs)


def _with_secrets(kind: ResourceType, outputs: State) -> State:
    return {
        name: Secret(value) if name in kind.secrets and value is not None and not isinstance(value, Secret) else value
        for name, value in outputs.items()
    }


def _kept(kind: ResourceType, olds: Mapping[str, Any], shape: schema.ResourceSchema) -> State:
    """Old outputs that stay when no read gives them: computed ones, and those that reads do not give."""
    return {
        name: value
        for name, value in olds.items()
        if name in kind.not_read or (name in shape.outputs and name not in shape.inputs) or kind.read is None
    }


def _outputs(
    kind: ResourceType,
    shape: schema.ResourceSchema,
    known: Mapping[str, Any],
    state: State,
    configuration: Configuration,
) -> State:
    """The outputs that the SDK declares: as read, in the given form where that means the same; else as known."""
    if isinstance(state.get("tagsAll"), Mapping) and "tagsAll" in shape.outputs:
        everything = configuration.kept_tags(state["tagsAll"])
        state = {**state, "tagsAll": everything}
        state["tags"] = configuration.own_tags(everything, reveal(known.get("tags")) or {})
    outputs: State = {}
    for name in (*shape.outputs, "id"):
        value = known.get(name)
        if name in state:
            value = state[name]
            plain = reveal(known.get(name))
            if plain is not None and kind.comparison.same(value, plain, name):
                value = plain
            value = conceal(value, known.get(name))
        if value is not None:
            outputs[name] = value
    return _with_secrets(kind, outputs)


def _refreshed(
    kind: ResourceType, shape: schema.ResourceSchema, inputs: Mapping[str, Any], outputs: State, state: State
) -> State:
    """Inputs as they would be to give the resource as it is: drift becomes a difference to the program."""
    now: State = {}
    for name, value in inputs.items():
        now[name] = value
        read = "tagsAll" in outputs if name in {"tags", "tagsAll"} else name in state and name not in kind.not_read
        if name.startswith("__") or not read:
            continue
        expected = shape.inputs[name].type if name in shape.inputs else schema.ValueType("map")
        drifted = project(reveal(outputs.get(name)), reveal(value), kind.comparison, name, expected)
        if not kind.comparison.same(drifted, reveal(value), name):
            now[name] = conceal(drifted, value)
    if outputs.get("tags") and "tags" not in inputs:
        now["tags"] = outputs["tags"]
    return {name: value for name, value in now.items() if value is not None}


def _imported(kind: ResourceType, shape: schema.ResourceSchema, outputs: State) -> State:
    """Inputs for a resource that the engine reads for the first time."""
    handled = kind.handles | {"tags", "tagsAll"} | ({kind.naming.property} if kind.naming else set())
    given = {
        name: value
        for name, value in outputs.items()
        if ((name in handled and name in shape.inputs) or name == "tagsAll") and value not in (None, [], {}, "")
    }
    # As the bridge does: what no read gives has its default, which the program's own check fills in too.
    filled = _fill_defaults(given, kind.defaults)
    return {**given, "__defaults": sorted(filled)}
