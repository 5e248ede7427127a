"""Thousands of configurations, right, half right and wrong: each is a stack, or is refused in clear lines."""

from __future__ import annotations

import copy
import itertools
import json
import os
import random
import re
import runpy
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pulumi.runtime.config
import pytest
import yaml

import settings as configuration
from components.rules import rules
from tests.unit.harness import deploy
from tools import stack_schema

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATIONS = int(os.environ.get("CONFIGURATIONS", "3000"))
"""How many configurations are thrown at `parse`."""
PREVIEWS = int(os.environ.get("CONFIGURATION_PREVIEWS", "5"))
"""How many of the good ones are previewed."""

SCHEMA = stack_schema.schema()
DEFINITIONS: dict[str, Any] = SCHEMA["$defs"]
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

LIKELY: dict[str, list[Any]] = {
    "cidrBlock": ["10.0.0.0/16", "10.1.0.0/20", "172.16.0.0/22", "192.168.0.0/16", "8.8.0.0/16", "10.0.0.1/16"],
    "interfaceEndpoints": [
        list(configuration.NetworkSettings().interface_endpoints),
        ["kms"],
        ["execute-api"],
    ],
    "administrators": [[], ["arn:aws:iam::111122223333:role/keys"]],
    "release": ["emr-6.9.0", "emr-6.15.0", "emr-9.9.9"],
    "applications": [["Hadoop", "Spark"], ["Spark", "Presto", "Trino"], ["Sparc"]],
    "requiredVersions": [{}, {"Spark": "3.3"}, {"Presto": "0.28"}],
    "instanceType": ["m5.xlarge", "r5.2xlarge"],
    "realm": ["EXAMPLE.COM"],
    "emails": [[], ["team@example.com"], ["nobody"]],
    "prefix": ["flights/", "taxis/", "flights/late/"],
    "allowedAccountIds": [[], ["111122223333"]],
    "executorMemory": ["4g"],
    "owner": ["team"],
    "costCentre": ["4711"],
}
"""Values of keys whose form a schema does not tell, so that many of the configurations can stand."""

DATASET = {"prefix": "flights/", "columns": [{"name": "year", "type": "int"}, {"name": "carrier", "type": "string"}]}


PATTERNED = [
    "a",
    "A",
    "a/",
    "1",
    "12",
    "4g",
    "emr-6.9.0",
    "m5.xlarge",
    "EXAMPLE.COM",
    "111122223333",
    "https://a.example/b",
]
"""Candidates for keys that have a pattern."""


def of(part: dict[str, Any], chance: random.Random, key: str = "") -> Any:
    """A value that a piece of the schema allows."""
    if key in LIKELY:
        return copy.deepcopy(chance.choice(LIKELY[key]))
    if "default" in part and chance.random() < 0.3:
        return copy.deepcopy(part["default"])
    if "$ref" in part:
        return of(DEFINITIONS[part["$ref"].rsplit("/", 1)[1]], chance)
    if "const" in part:
        return part["const"]
    if "enum" in part:
        return chance.choice(part["enum"])
    if "anyOf" in part:
        return of(chance.choice(part["anyOf"]), chance)
    kind = part.get("type")
    if kind == "array":
        least = part.get("minItems", 0)
        inner = part.get("items", {"type": "string"})
        return [of(inner, chance) for _ in range(chance.randint(least, min(least + 2, part.get("maxItems", 99))))]
    if kind == "object" and "properties" in part:
        required = part.get("required", [])
        optional = sorted(set(part["properties"]) - set(required))
        chosen = chance.sample(optional, min(len(optional), chance.randint(0, 3)))
        return {name: of(part["properties"][name], chance, name) for name in [*required, *chosen]}
    if kind == "object":
        names = ["spark", "flights", "taxis", "late"]
        inner = part.get("additionalProperties") or next(iter(part["patternProperties"].values()))
        return {name: of(inner, chance) for name in chance.sample(names, chance.randint(0, 2))}
    if kind == "integer":
        low = part.get("minimum", part.get("exclusiveMinimum", -1) + 1)
        high = part.get("maximum", part.get("exclusiveMaximum", low + 2000) - 1)
        return chance.choice([low, high, chance.randint(low, high), min(high, low + 5)])
    if kind == "number":
        return chance.choice([0.01, 0.5, 1, 2.5, part.get("maximum", 100)])
    if kind == "boolean":
        return chance.random() < 0.5
    if kind == "null":
        return None
    if "pattern" in part:
        return chance.choice([text for text in PATTERNED if re.search(part["pattern"], text)] or PATTERNED)
    return chance.choice(["a", "team", "x" * 300, ""])


JUNK = [
    *(None, True, False, -1, 0, 3, 10**9, 0.5, -0.0, 1e308),
    *("", "\n", "3", "true", "ünïcode", "${x}", "a\nemr-pipeline:b: c", "\u2028"),
    *([], [0], {}, {"a": 1}, [{}], [[]]),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path into a configuration."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, entry in inner for found in places(entry, (*path, key)))]


def configuration_of(seed: int) -> dict[str, Any]:
    """A configuration as the schema has it, then none to three slips of the pen."""
    chance = random.Random(seed)
    groups = {name.split(":")[1]: part for name, part in SCHEMA["properties"]["config"]["properties"].items()}
    names = chance.sample(sorted(set(groups) - {"region", "tags", "datasets"}), chance.randint(0, 3))
    values = {name: of(groups[name], chance, name) for name in names}
    values["tags"] = of(groups["tags"], chance, "tags")
    values["datasets"] = {"flights": copy.deepcopy(DATASET)} if chance.random() < 0.9 else {}
    if chance.random() < 0.2:
        values["datasets"] |= of(groups["datasets"], chance)
    for _ in range(chance.choice([0, 0, 0, 1, 2, 3])):
        path = chance.choice([found for found in places(values) if found] or [("tags",)])
        around: Any = values
        for key in path[:-1]:
            around = around[key]
        slip = chance.choice(["junk", "gone", "unknown"])
        if slip == "junk" or isinstance(around, list) or path[-1] not in around:
            around[path[-1]] = copy.deepcopy(chance.choice(JUNK))
        elif slip == "gone":
            del around[path[-1]]
        else:
            wrong = chance.choice([path[-1] + "s", path[-1][1:], "ключ", "a b", "\n", ""])
            around[wrong] = copy.deepcopy(chance.choice(JUNK))
    return values


LINE = re.compile(r'emr-pipeline:["\w].*[:;,(] ?.+')


def check_refusal(error: configuration.ConfigurationError) -> None:
    for line in str(error).splitlines():
        assert LINE.fullmatch(line), f"every line names a key and a reason: {line!r}"
        assert line.isprintable(), f"a line is a mistake, and people can read it: {line!r}"
        assert "Input should" not in line, f"the words are for people, not for programmers: {line!r}"


def check_acceptance(values: dict[str, Any], parsed: configuration.Settings) -> None:
    config = {f"emr-pipeline:{key}": value for key, value in values.items()}
    marked = [error.message for error in VALIDATOR.iter_errors({"config": {"aws:region": "eu-west-1", **config}})]
    assert not marked, f"an editor must not mark what the program accepts: {marked}"
    again = configuration.parse(json.loads(parsed.model_dump_json(by_alias=True)), rules=rules())
    assert again == parsed, "settings written out are the same settings"


def test_a_configuration_is_a_stack_or_is_refused_in_clear_lines() -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(CONFIGURATIONS):
        values = configuration_of(seed)
        before = copy.deepcopy(values)
        try:
            parsed = configuration.parse(values, rules=rules())
            outcomes["accepted"] += 1
            check_acceptance(values, parsed)
        except configuration.ConfigurationError as error:
            outcomes["refused"] += 1
            check_refusal(error)
        except Exception as error:
            raise AssertionError(f"neither a stack nor a clear refusal, seed {seed}: {values}") from error
        assert values == before, "reading changes nothing"
    assert min(outcomes["accepted"], outcomes["refused"]) > CONFIGURATIONS / 20, (
        f"enough of them must be good, and enough bad, for the test to mean something: {outcomes}"
    )


def accepted() -> Iterator[dict[str, Any]]:
    for seed in itertools.count():
        try:
            configuration.parse(values := configuration_of(seed), rules=rules())
        except configuration.ConfigurationError:
            continue
        if len(values) > 3:
            yield values


def run(values: dict[str, Any]) -> int:
    """Preview the whole program on a configuration; gives the number of resources."""
    config = {f"emr-pipeline:{key}": json.dumps(value) for key, value in values.items()}

    def program() -> None:
        pulumi.runtime.config.set_all_config({"aws:region": "eu-west-1", **config})
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    return len(deploy(program, preview=True).resources)


def test_what_is_accepted_previews() -> None:
    for values in itertools.islice(accepted(), PREVIEWS):
        assert run(values) > 50, f"the whole pipeline is registered for {values}"


def test_what_is_refused_registers_nothing() -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run({"tags": {"owner": "team"}, "network": {"natGatway": "single"}})
    lines = str(refused.value).splitlines()[1:]
    assert len(lines) == 3, f"the typo, the missing tag and the missing data set: {lines}"


@pytest.mark.parametrize("stack", ["dev", "prod", "sandbox"])
def test_stack_files_fit_their_schema(stack: str) -> None:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text()
    mistakes = [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))]
    assert not mistakes, f"editors should mark nothing: {mistakes}"
    assert text.startswith(f"# yaml-language-server: $schema={stack_schema.FILE.relative_to(ROOT)}\n"), (
        "the first line tells editors the schema"
    )


def test_the_schema_marks_unknown_keys_and_groups() -> None:
    for key, value in (("emr-pipeline:networks", {}), ("emr-pipeline:network", {"natGateway": "none"})):
        config = {"aws:region": "eu-west-1", "emr-pipeline:tags": {"owner": "a", "costCentre": "b"}, key: value}
        assert not VALIDATOR.is_valid({"config": config}), f"{key}: {value} must be marked while it is typed"
