"""The longest chain of resources from `up` to a usable cluster and to a pipeline that accepts files.

The graph is the engine's own: what each resource of the prod stack's plan depends on. A component's resource waits for
nothing that its inputs and its ``depends_on`` do not name, so the chain tells how long a deployment takes when AWS
is the only thing to wait for. Times are typical ones (``creation_seconds.json``).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure, Figures
from sandbox import control
from sandbox.engine import Engine
from tools import cli

CREATION_SECONDS = Path(__file__).with_name("creation_seconds.json")
CLUSTER = "aws:emr/cluster:Cluster"
BEFORE_CLUSTER = frozenset(
    {
        "emr-pipeline:network:SecureVpc",
        "emr-pipeline:encryption:EncryptionKeys",
        "emr-pipeline:storage:EncryptedBuckets",
        "emr-pipeline:catalog:DataCatalog",
        "emr-pipeline:job:PipelineJob",
        "emr-pipeline:certificates:NodeCertificate",
        "emr-pipeline:cluster:KerberizedEmrCluster",
    }
)
"""Components whose resources the cluster may wait for: network, keys, buckets and what lies in them, its own roles."""
PICTURE = cli.ROOT / "docs" / "images" / "deploy-path.svg"


@dataclass(frozen=True)
class Node:
    """A resource of the plan."""

    urn: str
    type: str
    component: str
    """Type of the component that it belongs to; empty for none."""
    seconds: float
    """How long AWS takes to make it."""
    needs: frozenset[str]
    """URNs of the resources that it waits for."""

    @property
    def name(self) -> str:
        """Its Pulumi name."""
        return self.urn.rsplit("::", 1)[1]


Graph = Mapping[str, Node]
"""Nodes by URN."""


def read_graph(plan: Mapping[str, Any], times: Mapping[str, Any]) -> dict[str, Node]:
    """The provider resources of a plan and what each waits for.

    A dependency on a component is one on all that it holds.
    """
    states = {step["urn"]: step["newState"] for step in plan["steps"]}
    children: dict[str, list[str]] = {}
    for urn, state in states.items():
        children.setdefault(state.get("parent", ""), []).append(urn)

    def held(urn: str) -> Iterable[str]:
        if urn not in states:
            return
        if states[urn]["custom"]:
            yield urn
        else:
            for child in children.get(urn, ()):
                yield from held(child)

    def component(urn: str) -> str:
        parent = states[urn].get("parent", "")
        while parent in states and states[parent]["custom"]:
            parent = states[parent].get("parent", "")
        kind = states[parent]["type"] if parent in states else ""
        return "" if kind == "pulumi:pulumi:Stack" else kind

    graph: dict[str, Node] = {}
    for urn, state in states.items():
        if not state["custom"] or state["type"].startswith("pulumi:"):
            continue
        by_property = state.get("propertyDependencies", {})
        named = {*state.get("dependencies", ()), *(urn for urns in by_property.values() for urn in urns)}
        if state.get("parent", "") in states and states[state["parent"]]["custom"]:
            named.add(state["parent"])
        needs = frozenset(found for name in named for found in held(name) if not _is_provider(states[found]))
        seconds = times["seconds"].get(state["type"], times["default"])
        graph[urn] = Node(urn, state["type"], component(urn), seconds, needs - {urn})
    return graph


def _is_provider(state: Mapping[str, Any]) -> bool:
    return str(state["type"]).startswith("pulumi:")


def longest_chain(graph: Graph, target: str) -> tuple[float, list[Node]]:
    """Seconds until a resource is there when nothing waits without need, and the chain that takes them."""
    known: dict[str, tuple[float, list[Node]]] = {}

    def until(urn: str) -> tuple[float, list[Node]]:
        if urn not in known:
            node = graph[urn]
            before, chain = max((until(need) for need in node.needs), key=lambda found: found[0], default=(0.0, []))
            known[urn] = (before + node.seconds, [*chain, node])
        return known[urn]

    return until(target)


def ancestors(graph: Graph, target: str) -> set[str]:
    """Everything that a resource waits for, directly or not."""
    found: set[str] = set()
    waiting = list(graph[target].needs)
    while waiting:
        urn = waiting.pop()
        if urn not in found:
            found.add(urn)
            waiting += graph[urn].needs
    return found


def without_need(graph: Graph) -> list[Node]:
    """Resources that the cluster waits for and should not."""
    cluster = cluster_of(graph)
    return sorted(
        (graph[urn] for urn in ancestors(graph, cluster) if graph[urn].component not in BEFORE_CLUSTER),
        key=lambda node: node.name,
    )


def cluster_of(graph: Graph) -> str:
    """URN of the cluster."""
    return next(urn for urn, node in graph.items() if node.type == CLUSTER)


def accepting(graph: Graph) -> str:
    """URN of the last resource without which a dropped file would not be taken: of the intake, the slowest."""
    wanted = ("aws:lambda/eventSourceMapping:EventSourceMapping", "aws:cloudwatch/eventTarget:EventTarget")
    found = [urn for urn, node in graph.items() if node.type in wanted and node.component.endswith(":ObjectDispatcher")]
    return max(found, key=lambda urn: longest_chain(graph, urn)[0])


def draw(chains: Mapping[str, list[Node]], target: Path) -> None:
    """Draw chains as bars over time."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(10, 1 + 0.35 * sum(map(len, chains.values()))))
    labels: list[str] = []
    row = 0
    for chain, colour in zip(chains.values(), itertools.cycle(("#3b6ea5", "#c26a3d")), strict=False):
        begun = 0.0
        for node in chain:
            axes.barh(row, node.seconds, left=begun, color=colour)
            labels.append(node.name)
            begun += node.seconds
            row += 1
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlabel("seconds since the start of the deployment, typical creation times")
    axes.set_title("The longest chains of a deployment: " + ", then ".join(f"to {title}" for title in chains))
    figure.tight_layout()
    target.parent.mkdir(parents=True, exist_ok=True)
    # Without a date and with fixed ids, the same graph gives the same file.
    mpl.rcParams["svg.hashsalt"] = "deploy-path"
    figure.savefig(target, metadata={"Date": None})
    plt.close(figure)


def measure() -> Figures:
    """Yield the figures, and draw the picture."""
    times = json.loads(CREATION_SECONDS.read_text())
    with control.temporary("bench-deploy-path") as sandbox:
        file = sandbox.directory / "plan.json"
        Engine(sandbox, "prod").preview_json(file)
        graph = read_graph(json.loads(file.read_text()), times)
    cluster, intake = cluster_of(graph), accepting(graph)
    to_cluster, cluster_chain = longest_chain(graph, cluster)
    to_intake, intake_chain = longest_chain(graph, intake)
    before = to_cluster - graph[cluster].seconds
    wrong = without_need(graph)
    everything = max(longest_chain(graph, urn)[0] for urn in graph)
    total = sum(node.seconds for node in graph.values())

    def names(chain: Iterable[Node]) -> dict[str, Any]:
        return {"chain": [node.name for node in chain]}

    yield Figure("deploy-path", "until the cluster's creation starts", before, "s", details=names(cluster_chain[:-1]))
    yield Figure("deploy-path", "until the cluster is usable", to_cluster, "s", details=names(cluster_chain))
    yield Figure("deploy-path", "until files are accepted", to_intake, "s", details=names(intake_chain))
    yield Figure("deploy-path", "until everything is there", everything, "s")
    yield Figure(
        "deploy-path",
        "resources that the cluster waits for without need",
        len(wrong),
        "count",
        "<= 0",
        (),
        names(wrong),
    )
    yield Figure("deploy-path", "one after the other, by the longest chain", total / everything, "ratio")
    draw({"a usable cluster": cluster_chain, "accepted files": intake_chain}, PICTURE)
