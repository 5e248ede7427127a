"""How long a preview of the prod stack takes, against the floor: the same resources, registered raw.

The floor is the engine, the provider stand-ins and a program of one line a resource: the recorded plan's own types,
names and inputs, without components, settings or documents. What a preview takes more is the program's own cost.
What the policies add has a floor too: a pack of one rule that looks at nothing. Growth is measured on stacks with more
datasets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import Figure, Figures, differences, in_turns, median, ratios, slope_exponent
from sandbox import control, engine
from tools import cli

FLOOR = Path(__file__).parent / "floor"
EMPTY_PACK = Path(__file__).parent / "empty_pack"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine's JSON plan, and its protocol, have in the place of an unknown text."""
SECRET = "[secret]"
ADDED_BY_CHECK = ("__defaults", "tagsAll")
"""Inputs in a plan that no program gives: the provider's Check adds them."""
DATASETS = (1, 4, 16, 64)


def raw_resources(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The provider resources of a plan, as the floor program registers them."""
    resources: list[dict[str, Any]] = []
    for step in plan["steps"]:
        state = step["newState"]
        if not state["custom"] or state["type"].startswith("pulumi:"):
            continue
        inputs = {key: _plain(value) for key, value in state.get("inputs", {}).items() if key not in ADDED_BY_CHECK}
        resources.append({"type": state["type"], "name": state["urn"].rsplit("::", 1)[1], "inputs": inputs})
    return resources


def _plain(value: Any) -> Any:
    """A value as it can be registered: the plan hides secrets, which count as unknown here."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "__defaults"}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return UNKNOWN if value == SECRET else value


class Pulumi:
    """The CLI on a sandbox, in a project of one stack."""

    def __init__(self, sandbox: control.Sandbox, project: Path, stack: str, config: Mapping[str, Any]) -> None:
        self.project = project
        self.stack = stack
        self.environment = {**os.environ, **engine.environment(sandbox)}
        scratch = sandbox.directory / "benchmark" / stack
        scratch.mkdir(parents=True)
        (scratch / "Pulumi.yaml").write_text((project / "Pulumi.yaml").read_text())
        self.config_file = scratch / f"Pulumi.{stack}.yaml"
        self.config_file.write_text(yaml.safe_dump({"config": dict(config)}))
        self.run("-C", str(scratch), "stack", "init", stack, "--no-select")

    def run(self, *arguments: str) -> str:
        """Run a command to its end.

        Raises:
            Failure: when it fails.
        """
        process = subprocess.run(
            [str(cli.directory() / "pulumi"), "--non-interactive", *arguments],
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode:
            raise engine.Failure(f"pulumi {' '.join(arguments)}", process.stdout + process.stderr)
        return process.stdout

    def preview(self, *arguments: str) -> str:
        """Preview the stack."""
        return self.run("preview", "--stack", self.stack, "--config-file", str(self.config_file), *arguments)


def _prod_config(datasets: int = 1) -> dict[str, Any]:
    """Configuration of the prod stack with that many datasets, each like its first."""
    config = yaml.safe_load((cli.ROOT / "Pulumi.prod.yaml").read_text())["config"]
    name, first = next(iter(config["emr-pipeline:datasets"].items()))
    more = {f"{name}_{number}": {**first, "prefix": f"{name}_{number}/"} for number in range(1, datasets)}
    config["emr-pipeline:datasets"] = {name: first, **more}
    return config


def _floor(sandbox: control.Sandbox, plan: Mapping[str, Any], stack: str) -> tuple[Pulumi, int]:
    resources = raw_resources(plan)
    listed = sandbox.directory / f"floor-{stack}.json"
    listed.write_text(json.dumps(resources))
    floor = Pulumi(sandbox, FLOOR, f"floor-{stack}", {"aws:region": sandbox.region})
    floor.environment["FLOOR_RESOURCES"] = str(listed)
    return floor, len(resources)


def _program_alone() -> None:
    """Run the program in a process of its own, on the prod stack, without the engine."""
    record = "from tools.recorded import record; record('prod')"
    subprocess.run([sys.executable, "-W", "ignore", "-c", record], cwd=cli.ROOT, check=True)


def measure(runs: int = 9) -> Figures:
    """Yield the figures."""
    policies = cli.policy_arguments("prod")
    with control.temporary("bench-preview") as sandbox:
        prod = Pulumi(sandbox, cli.ROOT, "prod", _prod_config())
        plan = json.loads(prod.preview("--json"))
        floor, count = _floor(sandbox, plan, "prod")
        size = {"resources": count}
        program: Callable[[], object] = lambda: prod.preview()  # noqa: E731
        seconds = in_turns(
            {
                "floor": floor.preview,
                "plain": program,
                "empty pack": lambda: prod.preview("--policy-pack", str(EMPTY_PACK)),
                "policies": lambda: prod.preview(*policies),
            },
            runs,
        )
        for name, words in (
            ("floor", "the same resources registered raw"),
            ("plain", "prod without policies"),
            ("empty pack", "prod with a pack of one empty rule"),
            ("policies", "prod with policies"),
        ):
            yield Figure("preview", words, median(seconds[name]), "s", runs=seconds[name], details=size)
        over = ratios(seconds["plain"], seconds["floor"])
        yield Figure("preview", "prod without policies over the floor", median(over), "ratio", runs=over, details=size)
        over = ratios(seconds["policies"], seconds["floor"])
        yield Figure("preview", "prod with policies over the floor", median(over), "ratio", "<= 1.5", over, size)
        more = differences(seconds["plain"], seconds["floor"])
        yield Figure("preview", "what the program adds to the floor", median(more), "s", runs=more, details=size)
        alone = in_turns({"alone": _program_alone}, runs, warm_up=0)["alone"]
        yield Figure("preview", "the program alone: no engine, resources recorded", median(alone), "s", runs=alone)
        for name, words, base, goal in (
            ("empty pack", "what a pack of one empty rule adds", "plain", ""),
            ("policies", "what the policies add", "plain", "<= 0.5"),
            ("policies", "what the policies add to an empty pack", "empty pack", "<= 0.5"),
        ):
            more = differences(seconds[name], seconds[base])
            yield Figure("preview", words, median(more), "s", goal, more, size)
        each = [1000 * more / count for more in differences(seconds["policies"], seconds["plain"])]
        yield Figure("preview", "what the policies add, a resource", median(each), "ms", runs=each, details=size)

        grown = {number: Pulumi(sandbox, cli.ROOT, f"grown-{number}", _prod_config(number)) for number in DATASETS}
        sizes = [len(raw_resources(json.loads(stack.preview("--json", *policies)))) for stack in grown.values()]
        turns = in_turns({str(n): lambda stack=stack: stack.preview(*policies) for n, stack in grown.items()}, runs)
        times = [median(took) for took in turns.values()]
        for (number, took), count in zip(turns.items(), sizes, strict=True):
            details = {"datasets": int(number), "resources": count}
            words = f"prod with policies, {count} resources ({number} datasets)"
            yield Figure("preview", words, median(took), "s", runs=took, details=details)
        growth = slope_exponent(sizes, times)
        details = {"resources": sizes}
        yield Figure("preview", "growth: exponent of seconds by resources", growth, "power", "<= 1.1", details=details)
