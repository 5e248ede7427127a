"""The configuration says what is wrong with it: every mistake, by key, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import settings

TAGS = {"owner": "team", "costCentre": "1"}
ROOT = Path(__file__).resolve().parents[2]


def mistakes(**groups: Any) -> list[str]:
    with pytest.raises(settings.ConfigurationError) as raised:
        settings.parse({"tags": TAGS, **groups})
    return str(raised.value).splitlines()


def test_a_stack_needs_nothing_but_its_tags() -> None:
    parsed = settings.parse({"tags": TAGS})
    assert parsed.cluster.release == "emr-6.9.0", "the defaults are a whole configuration"


def test_an_unknown_key_is_answered_with_the_nearest_one() -> None:
    assert mistakes(network={"natGateway": "single"}) == [
        "emr-pipeline:network.natGateway: unknown key; did you mean natGateways?"
    ], "a typo must not be ignored, and its remedy is known"


def test_an_unknown_key_deep_in_a_group_is_answered_too() -> None:
    assert mistakes(cluster={"core": {"instanceType": "m5.xlarge", "instanceCont": 2}}) == [
        "emr-pipeline:cluster.core.instanceCont: unknown key; did you mean instanceCount?"
    ], "nested groups have known keys of their own"


@pytest.mark.parametrize(
    ("groups", "key", "reason"),
    [
        ({"network": {"cidrBlock": "8.8.0.0/16"}}, "network.cidrBlock", "must be a private network"),
        ({"network": {"cidrBlock": "10.0.0.0/24"}}, "network.cidrBlock", "/16 to /22"),
        ({"network": {"natGateways": "two"}}, "network.natGateways", "'none', 'single' or 'per-az'"),
        ({"network": {"availabilityZoneCount": 9}}, "network.availabilityZoneCount", "less than or equal to 4"),
        ({"network": {"interfaceEndpoints": ["execute-api"]}}, "network.interfaceEndpoints", "managed scaling"),
        ({"network": {"flowLogRetentionDays": 31}}, "network.flowLogRetentionDays", "30"),
        ({"encryption": {"deletionWindowDays": 3}}, "encryption.deletionWindowDays", "greater than or equal to 7"),
        ({"storage": {"onDestroy": "delete"}}, "storage", "deleting data needs both"),
        ({"cluster": {"release": "6.9.0"}}, "cluster.release", "emr-"),
        (
            {"cluster": {"primary": {"instanceType": "m5.xlarge", "instanceCount": 3}}},
            "cluster",
            "three primary nodes need an external KDC",
        ),
        (
            {"cluster": {"core": {"instanceType": "m5.xlarge", "spotBidPrice": "0.1"}}},
            "cluster",
            "losing a core node loses HDFS",
        ),
        (
            {"cluster": {"task": {"instanceType": "m5.xlarge", "scaling": {"minimum": 3, "maximum": 1}}}},
            "cluster.task.scaling",
            "minimum 3 is more than maximum 1",
        ),
        (
            {"orchestration": {"maximumConcurrency": 1}},
            "orchestration.maximumConcurrency",
            "greater than or equal to 2",
        ),
        (
            {"orchestration": {"retryIntervalSeconds": 300}},
            "orchestration.retryIntervalSeconds",
            "less than or equal to 299",
        ),
        ({"orchestration": {"batchSize": 11, "batchWindowSeconds": 0}}, "orchestration", "only with a window"),
        ({"monitoring": {"emails": ["nobody"]}}, "monitoring.emails", "no e-mail address"),
        ({"compliance": {"allowedAccountIds": ["12"]}}, "compliance.allowedAccountIds.0", "12"),
        ({"tags": {"owner": "team"}}, "tags.costCentre", "missing"),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_the_reason(groups: dict[str, Any], key: str, reason: str) -> None:
    (line,) = mistakes(**groups)
    assert line.startswith(f"emr-pipeline:{key}"), "people look for the key in their stack file"
    assert reason in line, "the line says what is allowed and why"


def test_all_mistakes_come_at_once() -> None:
    lines = mistakes(network={"natGateways": "two"}, cluster={"release": "x"}, monitoring={"emails": ["a"]})
    assert len(lines) == 3, "one run shows everything that there is to mend"


COLUMNS = [{"name": "a", "type": "int"}, {"name": "b", "type": "string"}]


@pytest.mark.parametrize(
    ("datasets", "reason"),
    [
        ({"d": {"prefix": "d", "columns": COLUMNS}}, "prefix"),
        ({"d": {"prefix": "d/", "columns": []}}, "at least 1"),
        ({"d": {"prefix": "d/", "columns": [*COLUMNS, COLUMNS[0]]}}, "columns names a twice"),
        ({"d": {"prefix": "d/", "columns": COLUMNS, "partitionBy": ["c"]}}, "partitionBy names c"),
        ({"d": {"prefix": "d/", "columns": COLUMNS, "partitionBy": ["a", "b"]}}, "not a partition"),
        ({"D": {"prefix": "d/", "columns": COLUMNS}}, "lower-case"),
        (
            {"d": {"prefix": "d/", "columns": COLUMNS}, "e": {"prefix": "d/e/", "columns": COLUMNS}},
            "a file would belong to both",
        ),
    ],
)
def test_a_dataset_that_cannot_work_is_refused(datasets: dict[str, Any], reason: str) -> None:
    assert any(reason in line for line in mistakes(datasets=datasets)), f"the message should say: {reason}"


@pytest.mark.parametrize("stack", ["dev", "prod", "sandbox"])
def test_the_stack_files_are_valid(stack: str) -> None:
    entries = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    values = {
        key.removeprefix("emr-pipeline:"): value for key, value in entries.items() if key.startswith("emr-pipeline:")
    }
    parsed = settings.parse(values)
    assert parsed.datasets, f"stack {stack} should have a dataset to route"


def test_production_keeps_its_data_and_its_cluster() -> None:
    entries = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"]
    parsed = settings.parse(
        {key.removeprefix("emr-pipeline:"): value for key, value in entries.items() if key.startswith("emr-pipeline:")}
    )
    assert not parsed.storage.force_destroy, "no single command may delete production's data"
    assert parsed.cluster.termination_protection, "nor end its cluster"
