"""What a stack costs a month, by component, each line with its formula: ``python -m tools.cost STACK``.

Quantities come from the resources that the program registers, usage from `Usage`, prices from ``prices.json``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pulumi

from tools.recorded import Stack, UnknownStack, record

FILE = Path(__file__).resolve().parent / "prices.json"
PAGE = FILE.parent.parent / "docs" / "cost.md"


class PriceMissing(Exception):
    """The table lacks a price; the message names it."""


@dataclass(frozen=True)
class Usage:
    """What passes through in a month, as far as nobody has measured it. Each is an option of the command."""

    data_gb: float = 500
    """GB of files kept in the buckets."""
    nat_gb: float = 50
    """GB through NAT gateways."""
    endpoint_gb: float = 200
    """GB through interface endpoints."""
    log_gb: float = 20
    """GB of logs taken in by CloudWatch: flow logs, executions, functions."""
    runs: float = 720
    """Executions of the pipeline: one an hour."""
    files: float = 20_000
    """Files that arrive."""


@dataclass(frozen=True)
class Line:
    """One thing that costs."""

    component: str
    formula: str
    """Quantity x hours x price, as people would check it."""
    usd: float


@cache
def price_table() -> dict[str, Any]:
    """The table, with its date and source."""
    return json.loads(FILE.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Prices:
    """Prices of a region."""

    region: str

    def of(self, unit: str) -> float:
        """Price of a unit.

        Raises:
            PriceMissing: when the table has no such region.
        """
        regions: dict[str, dict[str, Any]] = price_table()["regions"]
        if self.region not in regions:
            raise PriceMissing(
                f"tools/prices.json has no region {self.region}; known: {', '.join(regions)}. Add its prices there."
            )
        return regions[self.region][unit]

    def instance_hour(self, instance_type: str) -> tuple[float, float]:
        """EC2's and EMR's price of an instance-hour.

        Raises:
            PriceMissing: when the table has no such instance type.
        """
        self.of("keyMonth")
        found = (
            price_table()["regions"][self.region]["instances"].get(instance_type),
            price_table()["emr"]["instances"].get(instance_type),
        )
        if None in found:
            raise PriceMissing(f"tools/prices.json has no {instance_type} in {self.region}: add its prices there")
        return found


def _groups(stack: Stack) -> Iterator[tuple[str, dict[str, Any], int, int]]:
    """Name, inputs, fewest and most instances of each instance group."""
    (cluster,) = stack.all("aws:emr/cluster:Cluster")
    groups = [("primary", cluster.inputs["masterInstanceGroup"]), ("core", cluster.inputs["coreInstanceGroup"])]
    groups += [
        (str(group.inputs.get("name")), group.inputs) for group in stack.all("aws:emr/instanceGroup:InstanceGroup")
    ]
    managed = [policy.inputs for policy in stack.all("aws:emr/managedScalingPolicy:ManagedScalingPolicy")]
    for name, inputs in groups:
        count = int(inputs.get("instanceCount", 1))
        most = count
        if inputs.get("autoscalingPolicy"):
            limits = json.loads(inputs["autoscalingPolicy"])["Constraints"]
            count, most = int(limits["MinCapacity"]), int(limits["MaxCapacity"])
        elif managed and name == "task":
            limits = managed[0]["computeLimits"][0]
            most = max(count, int(limits["maximumCapacityUnits"]) - int(limits["maximumCoreCapacityUnits"]))
        yield name, inputs, count, most


def _cluster(stack: Stack, prices: Prices, *, scaled_out: bool) -> Iterator[Line]:
    hours = price_table()["hoursPerMonth"]
    for name, inputs, count, most in _groups(stack):
        number = most if scaled_out else count
        if not number:
            continue
        machine, service = prices.instance_hour(inputs["instanceType"])
        bid = inputs.get("bidPrice")
        if bid:
            machine = min(machine, float(bid))
        kind = f"{inputs['instanceType']}{' on spot, at most' if bid else ''}"
        yield Line(
            "Cluster",
            f"{name}: {number} {kind} x {hours} h x ({machine} EC2 + {service} EMR)",
            number * hours * (machine + service),
        )
        size = sum(int(disk["size"]) * int(disk.get("volumesPerInstance", 1)) for disk in inputs.get("ebsConfigs", []))
        (cluster,) = stack.all("aws:emr/cluster:Cluster")
        size += int(cluster.inputs.get("ebsRootVolumeSize", 0))
        volume = prices.of("volumeGigabyteMonth")
        yield Line("Cluster", f"{name}: {number} x {size} GB of gp3 x {volume}", number * size * volume)


def _network(stack: Stack, prices: Prices, usage: Usage) -> Iterator[Line]:
    hours = price_table()["hoursPerMonth"]
    gateways = len(stack.all("aws:ec2/natGateway:NatGateway"))
    if gateways:
        hour, gigabyte, address = (prices.of(u) for u in ("natGatewayHour", "natGigabyte", "publicAddressHour"))
        yield Line(
            "Network",
            f"NAT: {gateways} gateways x {hours} h x ({hour} + {address} address) + {usage.nat_gb:g} GB x {gigabyte}",
            gateways * hours * (hour + address) + usage.nat_gb * gigabyte,
        )
    endpoints = [
        len(endpoint.inputs.get("subnetIds") or [])
        for endpoint in stack.all("aws:ec2/vpcEndpoint:VpcEndpoint")
        if endpoint.inputs.get("vpcEndpointType") == "Interface"
    ]
    if endpoints:
        hour, gigabyte = prices.of("endpointHour"), prices.of("endpointGigabyte")
        yield Line(
            "Network",
            f"endpoints: {len(endpoints)} services in {max(endpoints)} zones = {sum(endpoints)} x {hours} h x {hour} "
            f"+ {usage.endpoint_gb:g} GB x {gigabyte}",
            sum(endpoints) * hours * hour + usage.endpoint_gb * gigabyte,
        )


def _rest(stack: Stack, prices: Prices, usage: Usage) -> Iterator[Line]:
    def count(token: str) -> int:
        return len(stack.all(token))

    keys, key, requests = count("aws:kms/key:Key"), prices.of("keyMonth"), prices.of("keyRequests10k")
    used = usage.files * 4 / 10_000
    yield Line("Keys", f"{keys} keys x {key} + {used:g} x 10,000 requests x {requests}", keys * key + used * requests)
    stored, writes = prices.of("bucketGigabyteMonth"), prices.of("bucketWrites1k")
    written = usage.files * 5 / 1000
    yield Line(
        "Buckets",
        f"{usage.data_gb:g} GB x {stored} + {written:g} x 1,000 writes x {writes}",
        usage.data_gb * stored + written * writes,
    )
    taken, kept = prices.of("logGigabyte"), prices.of("logGigabyteMonth")
    days = [int(group.inputs.get("retentionInDays", 0)) for group in stack.all("aws:cloudwatch/logGroup:LogGroup")]
    months = max(days, default=0) / 30
    yield Line(
        "Logs",
        f"{usage.log_gb:g} GB x {taken} + {usage.log_gb:g} GB x {months:.1f} months kept x {kept}",
        usage.log_gb * taken + usage.log_gb * months * kept,
    )
    alarm, board, metric = (prices.of(unit) for unit in ("alarmMonth", "dashboardMonth", "customMetricMonth"))
    # An alarm on an expression pays for every metric in it; one on a band for three (CloudWatch pricing).
    alarms = sum(_metrics_of(resource.inputs) for resource in stack.all("aws:cloudwatch/metricAlarm:MetricAlarm"))
    composites, composite = count("aws:cloudwatch/compositeAlarm:CompositeAlarm"), prices.of("compositeAlarmMonth")
    boards, metrics = count("aws:cloudwatch/dashboard:Dashboard"), 6 * max(1, len(stack.values.get("datasets", {})))
    yield Line(
        "Monitoring",
        f"{alarms} metrics under alarm x {alarm} + {composites} composite alarms x {composite} + {boards} dashboards x "
        f"{board} + {metrics} metrics x {metric}",
        alarms * alarm + composites * composite + boards * board + metrics * metric,
    )
    secrets, secret = count("aws:secretsmanager/secret:Secret"), prices.of("secretMonth")
    yield Line("Secrets", f"{secrets} secrets x {secret}", secrets * secret)
    transition, second, request = (
        prices.of(unit) for unit in ("transitions1k", "functionGigabyteSecond", "queueRequestsMillion")
    )
    transitions, seconds, asked = usage.runs * 60 / 1000, usage.files * 0.1 + usage.runs * 2, usage.files * 4 / 1e6
    # Batches, ends of executions, and two schedules: housekeeping and manifests that wait, each some minutes.
    calls, call = (usage.files / 10 + usage.runs * 2 + 2 * 12 * 730) / 1e6, prices.of("functionRequestsMillion")
    asked += count("aws:lambda/eventSourceMapping:EventSourceMapping") * 0.65
    yield Line(
        "Orchestration",
        f"{transitions:g} x 1,000 transitions x {transition} + {calls:.3f} million calls x {call} + {seconds:g} "
        f"GB-seconds x {second:.10f} + {asked:.2f} million queue requests x {request}",
        transitions * transition + calls * call + seconds * second + asked * request,
    )
    if count("aws:dynamodb/table:Table"):
        write, read = prices.of("tableWritesMillion"), prices.of("tableReadsMillion")
        million = usage.files * 4 / 1e6
        # A version's and its manifest's items are about 1 KB, and stay; a year's are counted.
        size = usage.files * 12 / 1e6
        held, backup = prices.of("tableGigabyteMonth"), prices.of("tableBackupGigabyteMonth")
        yield Line(
            "Ledger",
            f"{million:g} million writes x {write} + {million:g} million reads x {read} + {size:.3f} GB x "
            f"({held} + {backup})",
            million * (write + read) + size * (held + backup),
        )


def _metrics_of(inputs: Mapping[str, Any]) -> int:
    queries = inputs.get("metricQueries") or []
    measured = sum(1 for query in queries if query.get("metric"))
    band = any("ANOMALY_DETECTION_BAND" in str(query.get("expression", "")) for query in queries)
    return max(1, measured) * (3 if band else 1)


def estimate(stack: Stack, usage: Usage | None = None, *, scaled_out: bool = False) -> list[Line]:
    """Everything that a stack costs in a month, with every group at its fewest nodes or, scaled out, at its most.

    Raises:
        PriceMissing: when the table lacks a region or instance type.
    """
    usage = usage or Usage()
    prices = Prices(stack.region)
    return [
        *_cluster(stack, prices, scaled_out=scaled_out),
        *_network(stack, prices, usage),
        *_rest(stack, prices, usage),
    ]


def total(lines: Sequence[Line]) -> float:
    """Sum of lines."""
    return sum(line.usd for line in lines)


@dataclass(frozen=True)
class Switch:
    """A setting that people turn to save, and what they give up."""

    text: str
    price: str
    changes: Mapping[str, Any]


SWITCHES = (
    Switch(
        "`network.natGateways: single`",
        "a zone's failure takes everybody's way out",
        {"network": {"natGateways": "single"}},
    ),
    Switch(
        "`network.natGateways: none`",
        "nodes reach AWS through endpoints only, and nothing else",
        {"network": {"natGateways": "none", "interfaceEndpoints": None}},
    ),
    Switch(
        "`network.availabilityZoneCount: 2`",
        "functions and endpoints stand in two zones",
        {"network": {"availabilityZoneCount": 2}},
    ),
    Switch(
        "endpoints only where functions need them, the rest through NAT",
        "nodes' calls to AWS leave through NAT",
        {
            "network": {
                "natGateways": "single",
                "interfaceEndpoints": ["elasticmapreduce", "kms", "logs", "sns", "sqs", "states", "ssm", "glue"],
            }
        },
    ),
    Switch(
        "task group from 0",
        "a run after a pause waits some minutes for nodes",
        {"cluster": {"task": {"instanceCount": 0, "scaling": {"minimum": 0}}}},
    ),
    Switch(
        "`orchestration.logRetentionDays` and `network.flowLogRetentionDays: 30`",
        "no evidence older than a month",
        {"orchestration": {"logRetentionDays": 30}, "network": {"flowLogRetentionDays": 30}},
    ),
)


def savings(stack: str, usage: Usage | None = None) -> list[tuple[Switch, float]]:
    """What each switch would save a month; switches that change nothing, or make no valid stack here, are left out."""
    now = total(estimate(record(stack), usage))
    found: list[tuple[Switch, float]] = []
    for switch in SWITCHES:
        try:
            saved = now - total(estimate(record(stack, switch.changes), usage))
        except pulumi.RunError:
            continue  # the rules of the settings do not allow it for this stack
        if saved > 0.005:
            found.append((switch, saved))
    return sorted(found, key=lambda entry: -entry[1])


def table(stack: Stack, usage: Usage | None = None) -> str:
    """The estimate as a Markdown table."""
    lines = estimate(stack, usage)
    rows = [f"| {line.component} | {line.formula} | {line.usd:,.2f} |" for line in lines]
    most = total(estimate(stack, usage, scaled_out=True))
    body = ["| component | formula | USD a month |", "| --- | --- | ---: |", *rows]
    body.append(
        f"| **all** | every group at its fewest nodes; {most:,.2f} with every group scaled out all month "
        f"| **{total(lines):,.2f}** |"
    )
    return "\n".join(body)


def caveat() -> str:
    """Where the prices come from."""
    return f"Prices of {price_table()['date']}. {price_table()['source']}"


def assumptions(usage: Usage | None = None) -> str:
    """The usage behind an estimate, in words."""
    at = usage or Usage()
    return (
        f"Assumed a month: {at.data_gb:g} GB kept in buckets, {at.files:,.0f} files, {at.runs:,.0f} runs, "
        f"{at.log_gb:g} GB of logs, {at.nat_gb:g} GB through NAT, {at.endpoint_gb:g} GB through endpoints."
    )


def render() -> str:
    """`docs/cost.md`."""
    parts = [
        "# Cost\n",
        "<!-- Made by `make generate` from tools/cost.py and tools/prices.json. -->\n",
        "Nodes are most of it, then endpoints and NAT. `make cost STACK=dev` gives this table for any stack, with\n"
        'your own usage: `make cost STACK=dev ARGS="--data-gb 2000 --runs 100"`.\n',
        f"{caveat()}\n",
        f"{assumptions()}\n",
        "Not counted: nodes that scaling adds (the last row gives the most), data leaving AWS, traces, support, tax,\n"
        "and what the free tier takes off. The budget and its messages, and events of AWS's own, are free.\n",
    ]
    for stack in ("dev", "prod"):
        parts.append(f"## Stack {stack}\n")
        parts.append(table(record(stack)) + "\n")
        if stack != "prod":
            continue
        parts.append("What each switch saves:\n")
        parts.append("| switch | saves USD a month | for that |\n| --- | ---: | --- |")
        parts[-1] += "".join(f"\n| {switch.text} | {saved:,.2f} | {switch.price} |" for switch, saved in savings(stack))
        parts[-1] += "\n"
    parts.append("## Prices used\n")
    regions = price_table()["regions"]
    parts.append(f"| unit | {' | '.join(regions)} |\n| --- |{' ---: |' * len(regions)}")
    for unit, meaning in price_table()["units"].items():
        parts[-1] += f"\n| {meaning} | {' | '.join(f'{regions[region][unit]:.10g}' for region in regions)} |"
    for kind, service in price_table()["emr"]["instances"].items():
        hours = " | ".join(f"{regions[region]['instances'][kind]} + {service}" for region in regions)
        parts[-1] += f"\n| `{kind}` an hour, EC2 + EMR | {hours} |"
    return "\n".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the estimate of a stack."""
    parser = argparse.ArgumentParser(prog="make cost STACK=… ARGS=…", description=__doc__)
    parser.add_argument("stack", nargs="?", default="")
    for field in dataclasses.fields(Usage):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float, default=field.default)
    given = vars(parser.parse_args(arguments))
    stack = given.pop("stack")
    usage = Usage(**given)
    if not stack:
        print("say which stack: make cost STACK=dev", file=sys.stderr)
        return 1
    try:
        print(f"Stack {stack}, {record(stack).region}\n\n{table(record(stack), usage)}\n")
        for switch, saved in savings(stack, usage):
            print(f"saves {saved:10,.2f}  {switch.text.replace('`', '')}: {switch.price}")
    except (UnknownStack, PriceMissing, pulumi.RunError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\n{assumptions(usage)}\n{caveat()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
