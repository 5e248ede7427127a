"""The estimate counts what the program registers, and its formulas are sums that people can check."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tools import cost
from tools.recorded import Stack, merged, record


@pytest.fixture(scope="module")
def prod() -> Stack:
    return record("prod")


def value(formula: str) -> float:
    """A formula as a calculator reads it: words left out, the last of two numbers with an equals sign between."""
    text = re.sub(r"^[A-Za-z]+: ", "", formula)
    text = re.sub(r"^.* = ", "", text)
    text = re.sub(r"(\d) x 1,000 [a-z]+ x", r"\1 x", text)
    text = re.sub(r"(\d) x 10,000 [a-z]+ x", r"\1 x", text)
    text = re.sub(r"[a-z]\d[a-z]*\.\w+|gp3|GB-seconds|EC2|EMR|\b[a-wyz][a-zA-Z]*\b|\b[A-Z]+\b", "", text)
    text = re.sub(r"\s+", "", text).replace("x", "*")
    assert re.fullmatch(r"[\d.+*()]+", text), f"the formula is arithmetic: {formula!r} -> {text!r}"
    return float(eval(text))


def test_every_formula_gives_its_amount(prod: Stack) -> None:
    for line in cost.estimate(prod):
        assert value(line.formula) == pytest.approx(line.usd, rel=0.02, abs=0.01), (
            f"{line.formula} should be {line.usd}"
        )


def test_the_network_of_three_zones_pays_three_gateways(prod: Stack) -> None:
    (nat,) = [line for line in cost.estimate(prod) if line.formula.startswith("NAT")]
    assert "3 gateways" in nat.formula, "one a zone"
    assert nat.usd == pytest.approx(3 * 730 * (0.048 + 0.005) + 50 * 0.048), "hours, addresses and gigabytes"


def test_scaling_out_costs_what_the_nodes_cost(prod: Stack) -> None:
    least, most = cost.total(cost.estimate(prod)), cost.total(cost.estimate(prod, scaled_out=True))
    nodes = (8 - 4) + (20 - 2)
    one = 730 * (0.564 + 0.126) + (2 * 64 + 50) * 0.088
    assert most - least == pytest.approx(nodes * one), "4 core and 18 task nodes more, with their volumes"


def test_a_task_group_of_none_costs_nothing() -> None:
    lines = [line.formula for line in cost.estimate(record("dev")) if line.component == "Cluster"]
    assert not any(line.startswith("task") for line in lines), f"development starts without task nodes: {lines}"


def test_a_switch_saves_what_it_takes_away(prod: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "SWITCHES", cost.SWITCHES[:1])
    ((switch, saved),) = cost.savings("prod")
    alarms = 2 * 0.10
    assert saved == pytest.approx(2 * 730 * (0.048 + 0.005) + alarms), (
        f"{switch.text} takes two gateways and their alarms"
    )


@pytest.mark.parametrize("region", ["eu-central-1", "eu-west-1", "us-east-1"])
def test_a_region_has_every_price(region: str) -> None:
    prices = cost.Prices(region)
    for unit in cost.price_table()["units"]:
        assert prices.of(unit) > 0, f"{unit} has a price in {region}"
    for kind in cost.price_table()["emr"]["instances"]:
        assert min(prices.instance_hour(kind)) > 0, f"{kind} has a price in {region}"


def test_a_missing_price_is_named() -> None:
    with pytest.raises(cost.PriceMissing, match="no region mars-1"):
        cost.Prices("mars-1").of("keyMonth")
    with pytest.raises(cost.PriceMissing, match=r"no x9\.huge in eu-west-1"):
        cost.Prices("eu-west-1").instance_hour("x9.huge")


def test_an_unknown_stack_is_answered_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert cost.main(["production"]) == 1, "a failure is a status"
    assert "known: dev, prod, sandbox" in capsys.readouterr().err, "and its remedy is known"


def test_the_command_prints_the_table_and_its_source(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "SWITCHES", ())
    assert cost.main(["dev", "--data-gb", "1000"]) == 0
    said = capsys.readouterr().out
    assert "1000 GB x 0.023" in said, "the usage is the caller's"
    assert cost.price_table()["date"] in said, "prices have a date"


def test_changes_are_laid_over_a_configuration() -> None:
    values: dict[str, Any] = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merged(values, {"a": {"b": None, "e": 4}, "d": [1]}) == {"a": {"c": 2, "e": 4}, "d": [1]}
    assert values == {"a": {"b": 1, "c": 2}, "d": 3}, "what is laid over stays as it was"
