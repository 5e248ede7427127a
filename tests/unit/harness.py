"""Runs a piece of the program against a recording engine, so that tests read what would be registered.

No Pulumi CLI, provider or AWS is involved. Use:

.. code-block:: python

    from tests.unit.harness import deploy

    def test_the_vpc_resolves_names(environment):
        deployment = deploy(lambda: SecureVpc("network", SecureVpcArgs(...)))
        vpc = deployment.one(aws.ec2.Vpc)                 # the only one; fails when there are none or several
        assert vpc.inputs["enableDnsSupport"] is True      # inputs carry the wire's camelCase names
        deployment.all(aws.ec2.Subnet)                     # every one, sorted by name
        deployment.named("network-vpc")                    # by Pulumi name
        vpc.document("policy")                             # an input that is JSON text, parsed
        vpc.depends_on                                     # Pulumi names of the resources that it waits for
        deployment.value(deployment.result.vpc_id)         # an output, resolved (`result` is what the program returned)
        deployment.outputs("network")                      # what a component registered as its outputs
        deployment.warnings                                # texts given to pulumi.log.warn

Every resource gets ``id`` and ``arn`` (and, for a few types, what AWS computes: see `_computed`) beside its inputs.
More goes in by type: ``deploy(program, computed={aws.emr.Cluster: lambda name, inputs: {"clusterState": "WAITING"}})``.
Function calls (``aws.ec2.get_prefix_list``, …) are answered for the fixed `ENVIRONMENT`; other answers go in by token:
``deploy(program, calls={"aws:ec2/getPrefixList:getPrefixList": lambda arguments: {...}})``; an answer that raises
`Exception` is a call that fails, which the program may catch.
With ``preview=True`` ids and computed values are unknown, as in ``pulumi preview``: `value` then gives None for what is
not known, and unknown inputs are absent.

An exception of the program, or of an ``apply`` in it, comes out of `deploy`.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pulumi
from pulumi.runtime import mocks, rpc, settings
from pulumi.runtime.stack import run_pulumi_func

from components.environment import AwsEnvironment

ENVIRONMENT = AwsEnvironment(
    project="emr-pipeline",
    stack="test",
    partition="aws",
    dns_suffix="amazonaws.com",
    region="eu-west-1",
    account_id="111122223333",
    availability_zones=("eu-west-1a", "eu-west-1b", "eu-west-1c"),
)
"""Where test stacks live."""

Answer = Callable[[dict[str, Any]], dict[str, Any]]
Computed = Callable[[str, dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Registered:
    """A resource as the program registered it."""

    type: str
    name: str
    urn: str
    parent: str | None
    """Pulumi name of the parent, if it has one."""
    custom: bool
    """False for components."""
    inputs: dict[str, Any]
    state: dict[str, Any]
    """Inputs and what was computed: what the program sees as outputs."""
    depends_on: frozenset[str]
    """Pulumi names of every resource that it waits for, explicit or through an input."""
    property_dependencies: dict[str, frozenset[str]]
    """Pulumi names of the resources behind each input."""
    protect: bool
    retain_on_delete: bool
    delete_before_replace: bool
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    additional_secret_outputs: tuple[str, ...]
    aliases: tuple[str, ...]
    provider: str = ""
    """Pulumi name of the provider that it was given; empty for the engine's default one."""

    def document(self, key: str) -> Any:
        """The input `key`, which is JSON text, as values."""
        return json.loads(self.inputs[key])


@dataclass
class Deployment:
    """What a run of a program registered."""

    result: Any
    resources: list[Registered]
    component_outputs: dict[str, dict[str, Any]]
    warnings: list[str]
    calls: list[tuple[str, dict[str, Any]]]
    """Function calls: token and arguments."""
    _resolve: Callable[[Any], Any] = field(repr=False)

    def all(self, kind: type[pulumi.Resource] | str) -> list[Registered]:
        """Every resource of a class (or type token), sorted by name."""
        token = kind if isinstance(kind, str) else type_token(kind)
        return sorted((entry for entry in self.resources if entry.type == token), key=lambda entry: entry.name)

    def one(self, kind: type[pulumi.Resource] | str) -> Registered:
        """The only resource of a class."""
        found = self.all(kind)
        assert len(found) == 1, f"expected one {kind}, found {[entry.name for entry in found]}"
        return found[0]

    def named(self, name: str) -> Registered:
        """The resource with this Pulumi name."""
        found = [entry for entry in self.resources if entry.name == name]
        assert len(found) == 1, (
            f"expected one resource named {name!r}, found {len(found)} among {sorted(r.name for r in self.resources)}"
        )
        return found[0]

    def outputs(self, name: str) -> dict[str, Any]:
        """What the component of this name registered as its outputs."""
        return self.component_outputs[name]

    def value(self, output: Any) -> Any:
        """Resolve an output, or a structure that holds some; unknown is None."""
        return self._resolve(output)


def type_token(kind: type[pulumi.Resource]) -> str:
    """Type token of a resource class, e.g. ``aws:ec2/subnet:Subnet``."""
    token = getattr(kind, "pulumi_type", None)
    assert isinstance(token, str), f"{kind} has no type token: give the token itself"
    return token


def _computed(
    token: str, name: str, inputs: dict[str, Any], environment: AwsEnvironment = ENVIRONMENT
) -> dict[str, Any]:
    """What AWS computes of a resource, as far as programs use it."""
    identifier = f"{name}-id"
    at = environment
    physical = inputs.get("name") or f"{name}-1a2b3c4"
    module = token.split(":")[1].split("/")[0]
    fixed: dict[str, dict[str, Any]] = {
        "aws:ec2/vpc:Vpc": {
            "defaultSecurityGroupId": f"{name}-default-security-group",
            "mainRouteTableId": f"{name}-main-route-table",
            "defaultRouteTableId": f"{name}-main-route-table",
            "defaultNetworkAclId": f"{name}-default-network-acl",
        },
        "aws:ec2/vpcEndpoint:VpcEndpoint": {"prefixListId": f"pl-{name}"},
        "aws:s3/bucket:Bucket": {"id": inputs.get("bucket"), "arn": at.bucket_arn(inputs.get("bucket") or physical)},
        "aws:kms/key:Key": {"id": identifier, "keyId": identifier, "arn": at.arn("kms", f"key/{identifier}")},
        "aws:iam/role:Role": {"id": physical, "name": physical, "arn": at.global_arn("iam", f"role/{physical}")},
        "aws:iam/instanceProfile:InstanceProfile": {
            "id": physical,
            "name": physical,
            "arn": at.global_arn("iam", f"instance-profile/{physical}"),
        },
        "aws:cloudwatch/logGroup:LogGroup": {"name": physical, "arn": at.arn("logs", f"log-group:{physical}")},
        "aws:sqs/queue:Queue": {
            "id": f"https://sqs.{at.region}.amazonaws.com/{at.account_id}/{physical}",
            "url": f"https://sqs.{at.region}.amazonaws.com/{at.account_id}/{physical}",
            "name": physical,
            "arn": at.arn("sqs", physical),
        },
        "aws:sns/topic:Topic": {"id": at.arn("sns", physical), "name": physical, "arn": at.arn("sns", physical)},
        "aws:cloudwatch/eventRule:EventRule": {"name": physical, "arn": at.arn("events", f"rule/{physical}")},
        "aws:lambda/function:Function": {"name": physical, "arn": at.arn("lambda", f"function:{physical}")},
        "aws:sfn/stateMachine:StateMachine": {
            "id": at.arn("states", f"stateMachine:{physical}"),
            "name": physical,
            "arn": at.arn("states", f"stateMachine:{physical}"),
        },
        "aws:secretsmanager/secret:Secret": {
            "id": at.arn("secretsmanager", f"secret:{physical}"),
            "name": physical,
            "arn": at.arn("secretsmanager", f"secret:{physical}"),
        },
        "aws:emr/cluster:Cluster": {"id": f"j-{name}", "arn": at.arn("elasticmapreduce", f"cluster/j-{name}")},
        "aws:ssm/parameter:Parameter": {"arn": at.arn("ssm", f"parameter{inputs.get('name', '')}")},
        "random:index/randomPassword:RandomPassword": {"result": f"{name}-password"},
        "random:index/randomId:RandomId": {"hex": "0123456789abcdef", "dec": "1", "b64Std": "AA==", "b64Url": "AA"},
        "tls:index/privateKey:PrivateKey": {"privateKeyPem": f"{name}-key-pem", "publicKeyPem": f"{name}-public-pem"},
        "tls:index/selfSignedCert:SelfSignedCert": {
            "certPem": f"{name}-certificate-pem",
            "validityEndTime": "2031-01-01T00:00:00Z",
        },
        "tls:index/certRequest:CertRequest": {"certRequestPem": f"{name}-request-pem"},
        "tls:index/locallySignedCert:LocallySignedCert": {
            "certPem": f"{name}-certificate-pem",
            "validityEndTime": "2031-01-01T00:00:00Z",
        },
    }
    return {"id": identifier, "arn": at.arn(module, name), **fixed.get(token, {})}


def _answers(at: AwsEnvironment) -> dict[str, Answer]:
    """Answers of the functions that look up where a stack lives, and what is there."""
    return {
        "aws:index/getPartition:getPartition": lambda _: {
            "id": at.partition,
            "partition": at.partition,
            "dnsSuffix": at.dns_suffix,
            "reverseDnsPrefix": "com.amazonaws",
        },
        "aws:index/getRegion:getRegion": lambda _: {"id": at.region, "region": at.region},
        "aws:index/getCallerIdentity:getCallerIdentity": lambda _: {
            "id": at.account_id,
            "accountId": at.account_id,
            "arn": at.global_arn("iam", "user/tester"),
            "userId": "TESTER",
        },
        "aws:index/getAvailabilityZones:getAvailabilityZones": lambda _: {
            "id": at.region,
            "names": list(at.availability_zones),
            "zoneIds": [f"euw1-az{number}" for number in range(1, 4)],
            "region": at.region,
        },
        "aws:ec2/getVpcEndpointService:getVpcEndpointService": lambda arguments: {
            "id": "1",
            "service": arguments["service"],
            "serviceName": f"com.amazonaws.{at.region}.{arguments['service']}",
            "serviceType": arguments.get("serviceType", "Interface"),
            "availabilityZones": list(at.availability_zones),
            "vpcEndpointPolicySupported": True,
        },
        "aws:ec2/getPrefixList:getPrefixList": lambda arguments: {
            "id": f"pl-{arguments['name'].rsplit('.', 1)[-1]}",
            "name": arguments["name"],
            "cidrBlocks": ["203.0.113.0/24"],
        },
    }


class _CallFailed(grpc.RpcError):
    """A function call that failed in its provider, as the engine tells it; the program may catch it."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self)


class _Recorder(mocks.MockMonitor, mocks.Mocks):
    """An engine that answers at once and keeps what it was told."""

    def __init__(
        self,
        computed: Mapping[str, Computed],
        answers: Mapping[str, Answer],
        preview: bool,
        environment: AwsEnvironment,
    ) -> None:
        super().__init__(self)
        self.computed = computed
        self.answers = answers
        self.preview = preview
        self.environment = environment
        self.registered: dict[str, Registered] = {}
        self.component_outputs: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.lock = threading.Lock()

    def call(self, args: mocks.MockCallArgs) -> Any:
        answer = self.answers.get(args.token)
        if answer is None:
            raise LookupError(f"no answer for {args.token}: pass one in deploy(…, calls=…)")
        with self.lock:
            self.calls.append((args.token, args.args))
        try:
            return answer(args.args)
        except Exception as error:
            raise _CallFailed(str(error)) from error

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.custom is False:
            return None, args.inputs
        if self.preview:
            return "", dict(args.inputs)
        extra = self.computed.get(args.typ)
        state = {**args.inputs, **_computed(args.typ, args.name, args.inputs, self.environment)}
        if extra is not None:
            state |= extra(args.name, args.inputs)
        return state.pop("id"), state

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)
        if request.type == "pulumi:pulumi:Stack":
            return response
        entry = Registered(
            type=request.type,
            name=request.name,
            urn=response.urn,
            parent=_parent(request.parent),
            custom=request.custom,
            inputs=_known(rpc.deserialize_properties(request.object)),
            state=self.resources[response.urn].state,
            depends_on=frozenset(_name(urn) for urn in request.dependencies),
            property_dependencies={
                key: frozenset(_name(urn) for urn in value.urns) for key, value in request.propertyDependencies.items()
            },
            protect=request.protect,
            retain_on_delete=request.retainOnDelete,
            delete_before_replace=request.deleteBeforeReplace,
            ignore_changes=tuple(request.ignoreChanges),
            replace_on_changes=tuple(request.replaceOnChanges),
            additional_secret_outputs=tuple(request.additionalSecretOutputs),
            aliases=tuple(alias.urn or alias.spec.name for alias in request.aliases),
            provider=_name(request.provider.rpartition("::")[0]) if request.provider else "",
        )
        with self.lock:
            if response.urn in self.registered:
                raise AssertionError(f"{response.urn} is registered twice, which the engine refuses")
            self.registered[response.urn] = entry
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:
        with self.lock:
            self.component_outputs[_name(request.urn)] = _known(rpc.deserialize_properties(request.outputs))
        return super().RegisterResourceOutputs(request)


def _known(value: Any) -> Any:
    """`value` without what a preview does not know: absent in objects, None in lists."""
    if isinstance(value, dict):
        return {key: _known(entry) for key, entry in value.items() if not isinstance(entry, pulumi.output.Unknown)}
    if isinstance(value, list):
        return [None if isinstance(entry, pulumi.output.Unknown) else _known(entry) for entry in value]
    return value


def _parent(urn: str) -> str | None:
    """Name of the parent, unless that is the stack."""
    return None if not urn or urn.split("::")[2] == "pulumi:pulumi:Stack" else _name(urn)


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[1]


class _Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno == logging.WARNING:
            self.texts.append(record.getMessage())


def deploy(
    program: Callable[[], Any],
    *,
    preview: bool = False,
    computed: Mapping[type[pulumi.Resource] | str, Computed] | None = None,
    calls: Mapping[str, Answer] | None = None,
    project: str = ENVIRONMENT.project,
    stack: str = ENVIRONMENT.stack,
    environment: AwsEnvironment = ENVIRONMENT,
) -> Deployment:
    """Run `program` (it makes components and returns what the test wants to look at) and tell what it registered.

    `environment` is where: its account, region and partition are in what AWS computes and answers.
    """
    by_token = {kind if isinstance(kind, str) else type_token(kind): value for kind, value in (computed or {}).items()}
    recorder = _Recorder(by_token, {**_answers(environment), **(calls or {})}, preview, environment)
    warnings = _Warnings()
    logger = logging.Logger("deployment")
    logger.addHandler(warnings)
    # The SDK talks to the engine from worker threads, each with a loop of its own; made here, they can be closed.
    loops = [loop := asyncio.new_event_loop()]

    def start_worker() -> None:
        loops.append(worker := asyncio.new_event_loop())
        asyncio.set_event_loop(worker)

    loop.set_default_executor(ThreadPoolExecutor(max_workers=4, initializer=start_worker))
    context = contextvars.copy_context()
    returned: list[Any] = []

    def run() -> None:
        settings.SETTINGS.outputs = set()  # else a failed deployment's unfinished outputs are waited for by the next
        mocks.set_mocks(recorder, project=project, stack=stack, preview=preview, logger=logger, monitor=recorder)

        async def body() -> None:
            returned.append(program())

        loop.run_until_complete(run_pulumi_func(body))

    def resolve(output: Any) -> Any:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(_future(pulumi.Output.from_input(output)))

    async def _future(output: pulumi.Output[Any]) -> Any:
        return await output.future()

    asyncio.set_event_loop(loop)
    # The first failure comes out of `run`; the loop would print every output that failed of it once more.
    loop.set_exception_handler(lambda _loop, _context: None)
    try:
        context.run(run)
    except BaseException:
        _close(loops)
        raise
    deployment = Deployment(
        result=returned[0],
        resources=list(recorder.registered.values()),
        component_outputs=recorder.component_outputs,
        warnings=warnings.texts,
        calls=recorder.calls,
        _resolve=lambda output: context.run(resolve, output),
    )
    weakref.finalize(deployment, _close, loops)
    return deployment


def _close(loops: list[asyncio.AbstractEventLoop]) -> None:
    for loop in loops:
        loop.close()
