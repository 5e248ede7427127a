"""`docs/architecture.md` and the picture in the README: drawn from the resources that the program registers.

An arrow of the data's way is something that the program wires (an event target, an event source, a redrive policy) or
something that a role's policy allows; the network's come from its rules, the keys' from whoever names their ARN.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.unit import harness
from tests.unit.harness import Registered
from tools.recorded import Stack, record

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "docs" / "architecture.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- picture: made by `make generate` -->", "<!-- end of picture -->"
STACK = "prod"
"""The stack that is drawn: every part is there."""

SHAPES: Mapping[str, tuple[str, str, str]] = {
    "aws:s3/bucket:Bucket": ("[(", ")]", "bucket"),
    "aws:cloudwatch/eventRule:EventRule": ("([", "])", "rule"),
    "aws:sqs/queue:Queue": ("[/", "/]", "queue"),
    "aws:lambda/function:Function": ("[", "]", "function"),
    "aws:sfn/stateMachine:StateMachine": ("[[", "]]", "state machine"),
    "aws:emr/cluster:Cluster": ("{{", "}}", "EMR cluster"),
    "aws:dynamodb/table:Table": ("[(", ")]", "table"),
    "aws:glue/catalogDatabase:CatalogDatabase": ("[(", ")]", "Glue database"),
    "aws:sns/topic:Topic": ("(", ")", "topic"),
}
"""What data passes through: Mermaid's brackets and what people call it."""

WAY = (
    *("raw bucket", "raw-objects rule", "intake queue", "dispatcher function", "ledger table", "scripts bucket"),
    *("pipeline state machine", "EMR cluster", "processed bucket", "Glue database", "success topic"),
)
"""Parts of a file's way when all goes well, for the small picture."""


@dataclass(frozen=True)
class Arrow:
    """From one part to another, and what passes."""

    start: str
    end: str
    label: str


def _name_of(resource: Registered, stack: Stack) -> str:
    """What people call a part: what is its own in the name that AWS knows, and its kind."""
    kind = SHAPES[resource.type][2]
    if kind in ("EMR cluster", "Glue database"):
        return kind
    name = str(resource.state.get("bucket") or resource.state["name"]).removeprefix(f"emr-pipeline-{stack.name}-")
    return f"{re.sub(rf'-[0-9]{{12}}-{stack.region}$', '', name)} {kind}"


def parts(stack: Stack) -> dict[str, Registered]:
    """What data passes through, by name. Access logs are nobody's way."""
    found = {_name_of(resource, stack): resource for resource in stack.resources if resource.type in SHAPES}
    return {name: resource for name, resource in found.items() if name != "access bucket"}


def _arns(resource: Registered, stack: Stack) -> set[str]:
    """ARNs by which policies know a part."""
    here = f"{stack.region}:{harness.ENVIRONMENT.account_id}"
    match SHAPES[resource.type][2]:
        case "table":
            return {f"arn:aws:dynamodb:{here}:table/{resource.state['name']}"}
        case "Glue database":
            return {f"arn:aws:glue:{here}:database/{resource.state['name']}"}
        case "EMR cluster":
            return {f"arn:aws:elasticmapreduce:{here}:cluster/j-1"}
        case "state machine":
            return {_arn(resource), *(_arn(alias) for alias in stack.all("aws:sfn/alias:Alias"))}
        case _:
            return {_arn(resource)}


def _arn(resource: Registered) -> str:
    return str(resource.state["arn"])


def _covers(pattern: str, resource: Registered, stack: Stack) -> bool:
    """Whether a policy's resource is this one; a bucket is also what lies in it."""
    if resource.type == "aws:s3/bucket:Bucket":
        return pattern == _arn(resource) or pattern.startswith(f"{_arn(resource)}/")
    return pattern != "*" and any(fnmatchcase(arn, pattern) for arn in _arns(resource, stack))


def _listed(value: Any) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, list) else [str(value)]


_VERBS = (
    (r"StartExecution", "starts"),
    (r"AddJobFlowSteps", "adds steps"),
    (r"Publish|SendMessage", "tells"),
    (r"Get|BatchGet|Query|Scan|List|Describe|Receive", "reads"),
    (r"Put|Update|Delete|Create|Batch|Abort|TransactWrite|ConditionCheck|Cancel|Stop|Redrive", "writes"),
)


def _does(action: str) -> str | None:
    verb = action.split(":")[1]
    return next((word for pattern, word in _VERBS if re.match(pattern, verb)), None)


def _roles(stack: Stack) -> Iterator[tuple[str, str]]:
    """Name of each role that acts on data, and the part that acts with it."""
    names = {_arn(role): str(role.state["name"]) for role in stack.all("aws:iam/role:Role")}
    profiles = {_arn(p): str(p.inputs["role"]) for p in stack.all("aws:iam/instanceProfile:InstanceProfile")}
    for label, resource in parts(stack).items():
        arn = resource.inputs.get("role") or resource.inputs.get("roleArn")
        if arn in names:
            yield names[arn], label
        profile = (resource.inputs.get("ec2Attributes") or {}).get("instanceProfile")
        if profile in profiles:
            yield profiles[profile], label


def _allowed(stack: Stack) -> Iterator[Arrow]:
    """What roles' policies let each part do to the others."""
    known, actors = parts(stack), dict(_roles(stack))
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for policy in stack.all("aws:iam/rolePolicy:RolePolicy"):
        actor = actors.get(str(policy.inputs["role"]))
        for statement in policy.document("policy")["Statement"] if actor else ():
            for label, resource in known.items():
                named = any(_covers(pattern, resource, stack) for pattern in _listed(statement["Resource"]))
                if named and statement["Effect"] == "Allow" and label != actor:
                    found[str(actor), label] |= {w for a in _listed(statement["Action"]) if (w := _does(a))}
    for (actor, label), does in found.items():
        active = does - {"reads"}
        if chief := active & {"starts", "adds steps", "tells"}:
            yield Arrow(actor, label, " and ".join(sorted(chief)))
        elif active and "reads" in does and known[label].type != "aws:s3/bucket:Bucket":
            yield Arrow(actor, label, "reads and writes")
        elif active:
            yield Arrow(actor, label, " and ".join(sorted(active)))
        elif does and known[label].type in ("aws:s3/bucket:Bucket", "aws:dynamodb/table:Table"):
            yield Arrow(label, actor, "is read")


def _wired(stack: Stack) -> Iterator[Arrow]:
    """What the program connects."""
    known = parts(stack)
    by_arn = {_arn(resource): label for label, resource in known.items()}
    by_name = {(resource.type, str(resource.state.get("name"))): label for label, resource in known.items()}
    for target in stack.all("aws:cloudwatch/eventTarget:EventTarget"):
        rule, end = (
            by_name["aws:cloudwatch/eventRule:EventRule", target.inputs["rule"]],
            by_arn.get(target.inputs["arn"]),
        )
        if end:
            yield Arrow(rule, end, "events")
    for source in stack.all("aws:lambda/eventSourceMapping:EventSourceMapping"):
        function = by_name["aws:lambda/function:Function", source.inputs["functionName"]]
        yield Arrow(by_arn[source.inputs["eventSourceArn"]], function, "batches")
    for label, resource in known.items():
        pattern = str(resource.inputs.get("eventPattern") or "")
        for other, watched in known.items():
            if watched.type == "aws:s3/bucket:Bucket" and f'"{watched.state["bucket"]}"' in pattern:
                yield Arrow(other, label, "new objects")
            if watched.type == "aws:sfn/stateMachine:StateMachine" and _arn(watched) in pattern:
                yield Arrow(other, label, "ends")
        redrive = str(resource.inputs.get("redrivePolicy") or "")
        yield from (Arrow(label, by_arn[arn], "after its tries") for arn in by_arn if f'"{arn}"' in redrive)


def arrows(stack: Stack) -> list[Arrow]:
    """Every arrow of the data's way; where something is wired, what a role may do for it is not told again."""
    wired = list(_wired(stack))
    told = {frozenset((arrow.start, arrow.end)) for arrow in wired}
    allowed = [arrow for arrow in _allowed(stack) if frozenset((arrow.start, arrow.end)) not in told]
    return sorted({*wired, *allowed}, key=lambda arrow: (arrow.start, arrow.end, arrow.label))


def _identifier(label: str) -> str:
    return re.sub(r"\W", "_", label)


def _mermaid(direction: str, lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", f"flowchart {direction}", *(f"  {line}" for line in lines), "```"])


def data_flow(stack: Stack, only: Sequence[str] | None = None) -> str:
    """The data's way as a diagram; `only` some parts of it."""
    known = {label: resource for label, resource in parts(stack).items() if only is None or label in only}
    drawn = [arrow for arrow in arrows(stack) if {arrow.start, arrow.end} <= set(known)]
    order = list(only) if only is not None else sorted(known)
    named = {arrow.start for arrow in drawn} | {arrow.end for arrow in drawn}
    lines: list[str] = []
    for label in order:
        if label in named:
            opening, closing, _ = SHAPES[known[label].type]
            lines.append(f'{_identifier(label)}{opening}"{label}"{closing}')
    if only is not None:
        drawn.sort(key=lambda arrow: (order.index(arrow.start), order.index(arrow.end)))
    lines += [f'{_identifier(arrow.start)} -->|"{arrow.label}"| {_identifier(arrow.end)}' for arrow in drawn]
    return _mermaid("LR", lines)


def network(stack: Stack) -> str:
    """Zones, subnets, ways out and endpoints."""
    (vpc,) = stack.all("aws:ec2/vpc:Vpc")
    lines = [f'subgraph vpc["VPC {vpc.inputs["cidrBlock"]}"]']
    zones: dict[str, list[Registered]] = defaultdict(list)
    for subnet in stack.all("aws:ec2/subnet:Subnet"):
        zones[str(subnet.inputs["availabilityZone"])].append(subnet)
    gateways = {str(gateway.inputs["subnetId"]): gateway for gateway in stack.all("aws:ec2/natGateway:NatGateway")}
    (cluster,) = stack.all("aws:emr/cluster:Cluster")
    home = cluster.inputs["ec2Attributes"]["subnetId"]
    out: list[str] = []
    for zone, subnets in sorted(zones.items()):
        lines.append(f'  subgraph {_identifier(zone)}["{zone}"]')
        for subnet in sorted(subnets, key=lambda entry: entry.name):
            identifier, private = _identifier(subnet.name), f"{subnet.name}-id" not in gateways
            kind = "public" if f"{subnet.name}-id" in gateways or "public" in subnet.name else "private"
            holds = ", the cluster" if f"{subnet.name}-id" == home else ""
            holds += ", functions and endpoints" if private and kind == "private" else ""
            holds += ", NAT gateway" if f"{subnet.name}-id" in gateways else ""
            lines.append(f'    {identifier}["{kind} {subnet.inputs["cidrBlock"]}{holds}"]')
        lines.append("  end")
    ways = {str(route.inputs["routeTableId"]): route.inputs for route in stack.all("aws:ec2/route:Route")}
    for association in stack.all("aws:ec2/routeTableAssociation:RouteTableAssociation"):
        way = ways.get(str(association.inputs["routeTableId"]), {})
        start = _identifier(str(association.inputs["subnetId"]).removesuffix("-id"))
        if way.get("natGatewayId"):
            subnet = next(g.inputs["subnetId"] for g in gateways.values() if f"{g.name}-id" == way["natGatewayId"])
            out.append(f"{start} --> {_identifier(str(subnet).removesuffix('-id'))}")
        elif way.get("gatewayId"):
            out.append(f"{start} --> internet")
    endpoints = stack.all("aws:ec2/vpcEndpoint:VpcEndpoint")
    for kind in ("Interface", "Gateway"):
        names = sorted(
            str(entry.inputs["serviceName"]).rsplit(".", 1)[1]
            for entry in endpoints
            if entry.inputs.get("vpcEndpointType", "Gateway") == kind
        )
        if names:
            lines.append(f'  {kind.lower()}["{kind.lower()} endpoints:<br>{"<br>".join(_in_rows(names))}"]')
    lines.append("end")
    return _mermaid("TB", [*lines, 'internet(("internet"))', *sorted(set(out))])


def _in_rows(names: Sequence[str], width: int = 4) -> list[str]:
    return [", ".join(names[start : start + width]) for start in range(0, len(names), width)]


def _ports(rules: Sequence[Registered]) -> str:
    told: set[str] = set()
    for rule in rules:
        protocol, first, last = str(rule.inputs["ipProtocol"]), int(rule.inputs["fromPort"]), int(rule.inputs["toPort"])
        whole = (first, last) in ((0, 65535), (-1, -1))
        told.add(f"all {protocol}" if whole else f"{protocol} {first}" + ("" if first == last else f"-{last}"))
    return ", ".join(sorted(told))


def security_groups(stack: Stack) -> str:
    """Who may open a connection to whom: the rules outwards, each of which has its counterpart inwards."""
    ids = {f"{group.name}-id": group.name for group in stack.all("aws:ec2/securityGroup:SecurityGroup")}
    found: dict[tuple[str, str], list[Registered]] = defaultdict(list)
    for rule in stack.all("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"):
        inputs = rule.inputs
        other = ids.get(str(inputs.get("referencedSecurityGroupId")))
        other = other or str(inputs.get("prefixListId") or inputs.get("cidrIpv4"))
        found[ids[str(inputs["securityGroupId"])], other].append(rule)

    def short(name: str) -> str:
        name = re.sub(r"^(?:pl-)?network-(.*?)(?:-group|-endpoint)?$", r"\1", name)
        return "internet" if name == "0.0.0.0/0" else name

    names = sorted({short(name) for pair in found for name in pair})
    nodes = [f'{_identifier(name)}["{name}"]' for name in names]
    edges = [
        f'{_identifier(short(start))} -->|"{_ports(rules)}"| {_identifier(short(end))}'
        for (start, end), rules in sorted(found.items())
    ]
    return _mermaid("LR", [*nodes, *edges])


_GRANTS = (
    "aws:iam/",
    "aws:s3/bucketPolicy",
    "aws:kms/",
    "aws:ec2/",
    "aws:cloudwatch/dashboard",
    "aws:cloudwatch/event",
)
"""Types that name a key's ARN without being encrypted by it."""
_WORDS = {"BucketServerSideEncryptionConfiguration": "Bucket", "BucketObjectv2": "UploadedFile"}


def keys(stack: Stack) -> str:
    """What each key encrypts: whatever names its ARN in an input."""
    lines: list[str] = []
    for key in sorted(stack.all("aws:kms/key:Key"), key=lambda entry: entry.name):
        purpose = key.name.removeprefix("keys-")
        counted: Counter[str] = Counter()
        for resource in stack.resources:
            if not resource.type.startswith(_GRANTS) and _arn(key) in json.dumps(resource.inputs, default=str):
                counted[_WORDS.get(kind := resource.type.rsplit(":", 1)[1], kind)] += 1
        lines.append(f'{purpose}(("{purpose} key"))')
        for kind, number in sorted(counted.items()):
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower()
            lines.append(f'{purpose} --> {purpose}_{kind}["{words}{f" x {number}" if number > 1 else ""}"]')
    return _mermaid("LR", lines)


def composition(stack: Stack) -> str:
    """Components and what each holds, as a table."""
    held: dict[str, Counter[str]] = defaultdict(Counter)
    for resource in stack.resources:
        chain = resource.urn.split("::")[2].split("$")
        if len(chain) > 1 and not resource.type.startswith("pulumi:"):
            held[chain[0].rsplit(":", 1)[1]][chain[-1].rsplit(":", 1)[1]] += 1
    rows = [
        f"| `{component}` | {sum(types.values())} | "
        + ", ".join(f"{kind}{f' x {number}' if number > 1 else ''}" for kind, number in sorted(types.items()))
        + " |"
        for component, types in held.items()
    ]
    return "\n".join(["| component | resources | of these types |", "| --- | ---: | --- |", *sorted(rows)])


def render() -> str:
    """`docs/architecture.md`."""
    stack = record(STACK)
    return f"""\
# Architecture

<!-- Made by `make generate` from the resources that the program registers for stack {STACK}. -->

Every picture here is drawn from the resources of stack `{STACK}`, so it shows what the program makes and nothing else.

## The data's way

{data_flow(stack, WAY)}

A file in the raw bucket is an event; the rule sends it to the intake queue; the dispatcher function claims each version
once, writes a manifest and starts an execution; the state machine adds a step to the cluster; the Spark job reads the
raw file and writes Parquet, a report and the table's partitions. [Dispatch](dispatch.md) and
[State machine](state_machine.md) tell it in full.

With the ledger, what goes wrong, and who is told. An arrow is something that is wired, or what a role's policy allows:

{data_flow(stack)}

## The network

{network(stack)}

Nodes, functions and endpoints have private addresses only. A cluster lives in one zone; the others keep functions and
endpoints going when a zone fails. Who may open a connection to whom, by security group:

{security_groups(stack)}

Nothing else gets in or out: there is no rule that is not an arrow here.

## The keys

{keys(stack)}

Who may use which key, and only when, is on [Keys](keys.md).

## The components

{composition(stack)}

`__main__.py` wires them. Each can be used alone: see [Examples](../examples/README.md).
"""


def readme() -> str:
    """The README with its picture made anew."""
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{data_flow(record(STACK), WAY)}\n{END}{rest.split(END)[1]}"
