"""The arithmetic of the benchmarks: what they compute of what was measured. Measuring itself is `make bench`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks import deploy_path, document, ingest, newcomer, preview
from benchmarks.measure import Figure, in_turns, ratios, slope_exponent
from tools.cost import Prices

VPC, KEY, CLUSTER = "aws:ec2/vpc:Vpc", "aws:kms/key:Key", "aws:emr/cluster:Cluster"
TIMES: dict[str, Any] = {"default": 1, "seconds": {VPC: 20, KEY: 15, CLUSTER: 700}}


def step(name: str, kind: str, *, parent: str = "", needs: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """A step of a plan, as the engine writes it."""
    state = {"custom": kind.startswith("aws:"), "type": kind, "parent": parent and urn(parent)}
    return {"urn": urn(name), "newState": {**state, "urn": urn(name), "dependencies": [urn(n) for n in needs], **more}}


def urn(name: str) -> str:
    return f"urn:pulumi:prod::emr-pipeline::x::{name}"


@pytest.fixture
def plan() -> dict[str, Any]:
    return {
        "steps": [
            step("network", "emr-pipeline:network:SecureVpc"),
            step("vpc", VPC, parent="network"),
            step("subnet", "aws:ec2/subnet:Subnet", parent="network", propertyDependencies={"vpcId": [urn("vpc")]}),
            step("alarms", "emr-pipeline:alarms:PipelineAlarms"),
            step("key", KEY, parent="alarms"),
            step("group", "emr-pipeline:cluster:KerberizedEmrCluster"),
            step("emr", CLUSTER, parent="group", needs=("network",)),
        ]
    }


def test_a_dependency_on_a_component_is_one_on_all_that_it_holds(plan: dict[str, Any]) -> None:
    graph = deploy_path.read_graph(plan, TIMES)
    needs = {graph[need].name for need in graph[urn("emr")].needs}
    assert needs == {"vpc", "subnet"}, "the engine waits for a component's children too"


def test_the_longest_chain_adds_up_what_each_resource_takes(plan: dict[str, Any]) -> None:
    graph = deploy_path.read_graph(plan, TIMES)
    seconds, chain = deploy_path.longest_chain(graph, urn("emr"))
    assert [node.name for node in chain] == ["vpc", "subnet", "emr"], "the slowest way, first to last"
    assert seconds == 721, "20 for the VPC, 1 by default for the subnet, 700 for the cluster"


def test_what_the_cluster_should_not_wait_for_is_found(plan: dict[str, Any]) -> None:
    graph = deploy_path.read_graph(plan, TIMES)
    assert deploy_path.without_need(graph) == [], "network, keys and buckets are needed"
    plan["steps"][-1] = step("emr", CLUSTER, parent="group", needs=("network", "key"))
    graph = deploy_path.read_graph(plan, TIMES)
    assert [node.name for node in deploy_path.without_need(graph)] == ["key"], "a resource of the alarms is not"


def test_the_floor_registers_what_the_plan_has_without_components_and_secrets() -> None:
    plan = {
        "steps": [
            step("network", "emr-pipeline:network:SecureVpc"),
            step("vpc", VPC, inputs={"__defaults": [], "tagsAll": {}, "cidrBlock": "10.0.0.0/16", "x": ["[secret]"]}),
        ]
    }
    assert preview.raw_resources(plan) == [
        {"type": VPC, "name": "vpc", "inputs": {"cidrBlock": "10.0.0.0/16", "x": [preview.UNKNOWN]}}
    ], "what Check adds is left out, and what the plan hides is unknown"


def test_runs_take_turns_and_the_warm_up_does_not_count() -> None:
    order: list[str] = []
    seconds = in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, runs=2)
    assert order == list("ababab"), "a machine that drifts must drift for both"
    assert [len(values) for values in seconds.values()] == [2, 2], "one warm-up, two runs that count"


def test_ratios_are_taken_pair_by_pair() -> None:
    assert ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("power", "values"), [(1, [3, 12, 48]), (2, [1, 16, 256])])
def test_growth_is_told_by_its_exponent(power: int, values: list[float]) -> None:
    assert slope_exponent([1, 4, 16], values) == pytest.approx(power), "the slope in logarithms"


def test_a_goal_is_judged_and_a_wrong_one_refused() -> None:
    assert Figure("job", "x", 0.95, "ratio", ">= 0.9").met is True
    assert Figure("job", "x", 1.6, "ratio", "<= 1.5").met is False
    assert Figure("job", "x", 1.6, "ratio").met is None
    with pytest.raises(ValueError, match="neither"):
        _ = Figure("job", "x", 1.0, "ratio", "about 1").met


def test_the_page_shows_every_figure_and_says_where_a_goal_is_missed() -> None:
    machine = {"processor": "P", "cores": 2, "memoryGiB": 24, "system": "S", "python": "3.11", "load": [0.5, 0, 0]}
    lines = [
        json.dumps({"machine": machine}),
        Figure("preview", "over the floor", 1.75, "ratio", "<= 1.5", [1.7, 1.8]).line(),
        Figure("deploy-path", "until usable", 721, "s").line(),
    ]
    page = document.render(lines)
    assert "| over the floor | 1.75 ratio (1.7 to 1.8) | <= 1.5 | **no** |" in page, "a miss must catch the eye"
    assert "| until usable | 721 s |  |  |" in page
    with pytest.raises(ValueError, match="no line of"):
        document.render(['{"something": 1}'])


def test_phases_are_read_from_the_table_that_the_sandbox_prints() -> None:
    match = newcomer.PHASE.match("    12.3  pulumi up of the sandbox stack, with its policies")
    assert match is not None
    assert match.groups() == ("12.3", "pulumi up of the sandbox stack, with its policies")


def test_transitions_are_counted_along_the_shortest_successful_way() -> None:
    states: dict[str, Any] = {
        "A": {"Type": "Choice", "Choices": [{"Next": "Long"}, {"Next": "B"}], "Default": "Failed"},
        "Long": {"Next": "B"},
        "B": {"Type": "Task", "Next": "Succeeded", "Catch": [{"Next": "Failed"}]},
        "Succeeded": {"Type": "Succeed"},
        "Failed": {"Type": "Fail"},
    }
    assert ingest.fewest_transitions({"StartAt": "A", "States": states}) == 3, "A, B and Succeeded are entered"


def test_the_deployed_definition_has_a_way_and_a_look() -> None:
    machine = ingest.definition()
    assert ingest.fewest_transitions(machine) >= 15, "from the input's check to the told success"
    assert ingest.transitions_of_a_look(machine) == 4, "count, wait, describe, judge"


def test_the_price_of_a_million_objects_adds_up() -> None:
    prices = Prices("us-east-1")
    direct = ingest.Use(objects=1000, executions=1000, transitions=20_000)
    parts = ingest.dollars_a_million(direct, prices)
    assert parts["transitions"] == 500, "20 transitions an object at 25 USD a million"
    assert parts["events"] == 1, "S3's events cost either pattern the same"
    assert parts["queue"] == parts["function"] == parts["manifests"] == 0, "the direct pattern has none of these"
    ours = ingest.Use(
        objects=1000,
        executions=1,
        transitions=60,
        queue_requests=1200,
        invocations=2,
        function_seconds=4,
        table_writes=2000,
        table_reads=1000,
        puts=1,
    )
    parts = ingest.dollars_a_million(ours, prices)
    assert parts["queue"] == 0.48
    assert parts["transitions"] == 1.5
    assert parts["function"] == pytest.approx(0.0004 + 4000 * 0.5 * 0.0000166667, abs=1e-4)
    assert parts["ledger"] == pytest.approx(2.004 * 0.625 + 1.001 * 0.125, abs=1e-4)


def test_the_function_level_plans_every_object_and_starts_every_manifest() -> None:
    memory, seconds, _ = ingest.function_level(250, 100)
    assert len(seconds) == 3
    assert memory.calls["states:StartExecution"] == memory.calls["s3:PutObject"] == 3, "a manifest a batch"
    assert memory.calls["dynamodb:PutItem"] == 250 + 3, "each object is claimed once, and each manifest committed"
