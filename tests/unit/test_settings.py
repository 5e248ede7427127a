"""The configuration says what is wrong with it: every mistake, by key, in words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime.config
import pytest
import yaml
from pydantic import SecretStr
from pydantic.alias_generators import to_camel

import settings
from components.rules import rules

TAGS = {"owner": "team", "costCentre": "1"}
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"
EXTERNAL_KDC = {
    "realm": "EXAMPLE.COM",
    "adminServer": "kdc.example.com",
    "kdcServer": "kdc.example.com",
    "administratorPasswordSecret": "kdc",
}
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


def locations(model: type[settings.SettingsModel], path: tuple[Any, ...] = ()) -> list[tuple[Any, type[Any]]]:
    """Where each model lies in a configuration; lists and mappings count with a first element."""
    found: list[tuple[Any, type[Any]]] = [(path, model)]
    for name, field in model.model_fields.items():
        inner = settings.model_of(field.annotation)
        if inner is not None:
            key = settings.key_of(model, name)
            spelled = str(field.annotation)
            between = ("name",) if "dict[" in spelled else (0,) if "tuple[" in spelled else ()
            found += locations(inner, (*path, key, *between))
    return found


@pytest.mark.parametrize(
    ("path", "model"),
    locations(settings.Settings),
    ids=lambda value: ".".join(map(str, value)) or "stack" if isinstance(value, tuple) else "",
)
def test_an_unknown_key_at_any_level_is_answered_with_the_nearest_of_that_level(
    path: tuple[Any, ...], model: type[settings.SettingsModel]
) -> None:
    right = settings.keys_of(model)[-1]
    values: Any = {right + "x": 1}
    for part in reversed(path):
        values = [values] if part == 0 else {part: values}
    with pytest.raises(settings.ConfigurationError) as raised:
        settings.parse(values)
    key = ".".join(str(part) for part in (*path, right + "x"))
    assert f"emr-pipeline:{key}: unknown key; did you mean {right}?" in str(raised.value).splitlines(), (
        "whatever the depth, people learn the key that they meant"
    )


@pytest.mark.parametrize(
    ("groups", "line"),
    [
        (
            {"network": {"natGateways": "per-az", "availabilityZoneCount": 1}},
            "network.natGateways is per-az and network.availabilityZoneCount is 1",
        ),
        (
            {"network": {"natGateways": "none", "interfaceEndpoints": ["kms"]}},
            "network.interfaceEndpoints lacks",
        ),
        (
            {
                "network": {"cidrBlock": "10.0.0.0/22"},
                "cluster": {"task": {"instanceType": "m5.xlarge", "scaling": {"minimum": 0, "maximum": 60}}},
            },
            "network.cidrBlock is 10.0.0.0/22: the private subnet",
        ),
        (
            {
                "cluster": {
                    "task": {"instanceType": "m5.xlarge", "scaling": {"minimum": 1, "maximum": 4}, "instanceCount": 0}
                }
            },
            "cluster.task.instanceCount is 0",
        ),
        (
            {"orchestration": {"functionTimeoutSeconds": 900, "maximumReceiveCount": 1000}},
            "orchestration.maximumReceiveCount is 1000",
        ),
        (
            {"orchestration": {"batchWindowSeconds": 300}, "monitoring": {"intakeAgeMinutes": 5}},
            "monitoring.intakeAgeMinutes is 5",
        ),
        (
            {"storage": {"lifecycle": {"processed": {"stagingExpireAfterDays": 1}}}},
            "storage.lifecycle.processed.stagingExpireAfterDays is 1",
        ),
        (
            {"cluster": {"kerberos": {"externalKdc": EXTERNAL_KDC}}},
            "network.kerberosServers is empty and cluster.kerberos.externalKdc is set",
        ),
        ({"datasets": {}}, "datasets is empty"),
        ({"orchestration": {"executorMemory": "6g"}}, "orchestration.executorMemory is 6g: the instance types"),
    ],
)
def test_values_that_disagree_are_told_with_both_keys(groups: dict[str, Any], line: str) -> None:
    dataset = {"flights": {"prefix": "flights/", "columns": [{"name": "a", "type": "int"}]}}
    with pytest.raises(settings.ConfigurationError) as raised:
        settings.parse({"tags": TAGS, "datasets": dataset, **groups}, rules=rules())
    told = str(raised.value).splitlines()
    assert any(entry.startswith(f"emr-pipeline:{line}") for entry in told), f"{line!r} should be among {told}"


def test_rules_speak_beside_mistakes_of_other_groups() -> None:
    groups = {"network": {"natGateways": "per-az", "availabilityZoneCount": 1}, "cluster": {"release": "x"}}
    lines = mistakes(**groups)
    assert len(lines) == 2, f"one run shows everything that there is to mend: {lines}"


def load(config: dict[str, Any], secret: list[str] | None = None) -> settings.Settings:
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    pulumi.runtime.config.set_all_config(texts, secret or [])
    try:
        return settings.load(pulumi.Config("emr-pipeline"))
    finally:
        pulumi.runtime.config.set_all_config({}, [])


def test_no_value_of_a_secret_group_reaches_a_message() -> None:
    config = {
        "aws:region": "eu-west-1",
        "emr-pipeline:tags": TAGS,
        "emr-pipeline:cluster": {"release": "hunter2", "kerberos": {"realm": "hunter2", "hunter": 1}},
        "emr-pipeline:monitoring": {"emails": ["hunter2"]},
    }
    with pytest.raises(settings.ConfigurationError) as raised:
        load(config, ["emr-pipeline:cluster", "emr-pipeline:monitoring"])
    lines = str(raised.value).splitlines()
    assert len(lines) == 4, f"every mistake is told: {lines}"
    assert "hunter2" not in str(raised.value), "what the stack file keeps encrypted must not be printed"


def test_no_value_of_a_secret_field_reaches_a_message() -> None:
    class Server(settings.SettingsModel):
        password: SecretStr
        """A password."""

    assert "hunter2" not in repr(Server(password=SecretStr("hunter2"))), "nor does printing settings show it"
    assert settings.is_secret(Server.model_fields["password"].annotation), "the field is known to hold a secret"
    assert settings.is_secret(SecretStr | None), "also when it may be absent"
    assert not settings.is_secret(str | None), "and plain text is none"


def test_a_region_is_asked_for_with_everything_else() -> None:
    with pytest.raises(settings.ConfigurationError) as raised:
        load({"emr-pipeline:tags": {"owner": "team"}, "emr-pipeline:networks": {}, "emr-pipeline:network": "text"})
    told = [line.split(" ")[0].rstrip(":") for line in str(raised.value).splitlines()]
    assert set(told) == {
        "aws:region",
        "emr-pipeline:networks",
        "emr-pipeline:network",
        "emr-pipeline:tags.costCentre",
    }, "one run tells them all"


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"network": {"availabilityZoneCount": "2"}}, "must be a whole number, without quotes"),
        ({"network": {"availabilityZoneCount": True}}, "must be a whole number, without quotes"),
        ({"network": []}, "must be an object with the keys cidrBlock"),
        ({"network": {"interfaceEndpoints": "kms"}}, "must be a list"),
        ({"storage": {"allowDataLoss": "yes"}}, "must be true or false"),
        ({"tags": {"owner": "team", "costCentre": 4711}}, "must be text: put it in quotes"),
        ({"network": {"cidr_block": "10.0.0.0/16"}}, "did you mean cidrBlock?"),
        ({"tags": {"owner": "a\nb", "costCentre": "1"}}, "a character that nobody sees"),
    ],
)
def test_a_slip_of_type_is_told_in_words(groups: dict[str, Any], said: str) -> None:
    (line,) = mistakes(**groups)
    assert said in line, "people know YAML, not the library that reads it"


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
            {"cluster": {"primary": {"instanceType": "m5.xlarge", "instanceCount": 2}}},
            "cluster",
            "EMR runs 1 or 3 primary nodes",
        ),
        (
            {"cluster": {"task": {"instanceType": "m5.xlarge", "spotBidPrice": "cheap"}}},
            "cluster.task.spotBidPrice",
            "cheap",
        ),
        ({"cluster": {"kerberos": {"realm": "lower.case"}}}, "cluster.kerberos.realm", "lower.case"),
        (
            {"cluster": {"kerberos": {"realm": "OWN", "externalKdc": EXTERNAL_KDC}}},
            "cluster.kerberos",
            "realm is set beside externalKdc",
        ),
        ({"cluster": {"coreScaleIn": True}}, "cluster", "nothing scales core nodes"),
        (
            {"cluster": {"bootstrapActions": [{"name": "a", "path": "https://x/y.sh"}]}},
            "cluster.bootstrapActions.0.path",
            "must be the address of one object, s3://<bucket>/<key>",
        ),
        (
            {"cluster": {"bootstrapActions": [{"name": "a", "path": "s3://their-tools/*"}]}},
            "cluster.bootstrapActions.0.path",
            "without wildcards",
        ),
        (
            {"cluster": {"bootstrapActions": [{"name": f"a{n}", "path": "s3://tools/a"} for n in range(17)]}},
            "cluster.bootstrapActions",
            "holds 17 of them: a cluster has 16 at most",
        ),
        (
            {
                "cluster": {
                    "linuxUsers": {"alice": 20001},
                    "bootstrapActions": [{"name": f"a{n}", "path": "s3://tools/a"} for n in range(16)],
                }
            },
            "cluster.bootstrapActions",
            "16 at most, one of which makes linuxUsers",
        ),
        (
            {"cluster": {"bootstrapActions": [{"name": "a", "path": "s3://tools/a"}] * 2}},
            "cluster.bootstrapActions",
            "holds a twice",
        ),
        ({"cluster": {"hdfsReplication": 3}}, "cluster.hdfsReplication", "only 2 core nodes are sure"),
        (
            {"cluster": {"managedScaling": {"minimum": 2, "maximum": 4, "maximumCore": 5}}},
            "cluster.managedScaling",
            "maximumCore 5 is more than maximum 4",
        ),
        ({"cluster": {"metadataHopLimit": 65}}, "cluster.metadataHopLimit", "less than or equal to 64"),
        (
            {
                "cluster": {
                    "certificate": {"archive": {"uri": "s3://b/c.pem", "kmsKeyArn": KEY, "expires": "2030-01-01"}}
                }
            },
            "cluster.certificate.archive.uri",
            "zip",
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


def stack_values(stack: str) -> dict[str, Any]:
    entries = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {key.removeprefix("emr-pipeline:"): value for key, value in entries.items() if key.startswith("emr-")}


@pytest.mark.parametrize("stack", ["dev", "prod", "sandbox"])
def test_the_stack_files_are_valid(stack: str) -> None:
    parsed = settings.parse(stack_values(stack), rules=rules())
    assert parsed.datasets, f"stack {stack} should have a dataset to route"


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_stack_file_holds_only_what_differs_from_the_defaults(stack: str) -> None:
    values = stack_values(stack)
    given, default = settings.parse(values), settings.parse({"tags": TAGS})
    same = [
        f"{group}.{key}"
        for group, entries in values.items()
        if group not in ("tags", "datasets")
        for key in entries
        for name in [next(n for n in type(getattr(given, group)).model_fields if to_camel(n) == key)]
        if getattr(getattr(given, group), name) == getattr(getattr(default, group), name)
    ]
    assert not same, f"these say what holds anyway: {same}"


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_every_line_of_a_stack_file_has_its_reason(stack: str) -> None:
    group = ""
    bare: list[str] = []
    for line in (ROOT / f"Pulumi.{stack}.yaml").read_text().splitlines():
        if line.startswith("  emr-pipeline:"):
            group = line.strip().split(":")[1]
        elif re.match(r"    \w+:", line) and group not in ("tags", "datasets") and " # " not in line:
            bare.append(f"{group}: {line.strip()}")
    assert not bare, f"say why this stack differs here: {bare}"


def test_production_keeps_its_data_and_its_cluster() -> None:
    parsed = settings.parse(stack_values("prod"))
    assert not parsed.storage.force_destroy, "no single command may delete production's data"
    assert parsed.cluster.termination_protection, "nor end its cluster"


BAD_CLUSTER: dict[str, tuple[Any, str]] = {
    # key: (value, what the message must hold)
    "release": ("6.9", "emr-"),
    "stepConcurrency": (0, "greater than or equal to 1"),
    "rootVolumeSizeGib": (5, "greater than or equal to 15"),
    "metadataHopLimit": (100, "less than or equal to 64"),
    "drainMinutes": (-1, "greater than or equal to 0"),
    "acknowledgedEndOfSupport": ("soon", "date"),
    "terminationProtection": ("perhaps", "true or false"),
    "kerberos": ({"ticketLifetimeHours": 0}, "greater than or equal to 1"),
    "certificate": ({"validityDays": 30}, "greater than or equal to 365"),
    "managedScaling": ({"minimum": 5, "maximum": 2}, "minimum 5 is more than maximum 2"),
}


@pytest.mark.parametrize("key", BAD_CLUSTER)
def test_a_bad_setting_of_the_cluster_alone_gives_one_message(key: str) -> None:
    value, reason = BAD_CLUSTER[key]
    (line,) = mistakes(cluster={key: value})
    assert line.startswith(f"emr-pipeline:cluster.{key}")
    assert reason in line


def test_ten_bad_settings_of_the_cluster_give_ten_messages_at_once() -> None:
    lines = mistakes(cluster={key: value for key, (value, _) in BAD_CLUSTER.items()})
    assert len(lines) == len(BAD_CLUSTER) == 10
    for key, (_, reason) in BAD_CLUSTER.items():
        assert any(line.startswith(f"emr-pipeline:cluster.{key}") and reason in line for line in lines), key


def test_a_program_with_a_few_groups_is_asked_for_no_other() -> None:
    parsed = settings.parse({"network": {"natGateways": "none"}}, groups=["network"])
    assert parsed.network.nat_gateways == "none", "what it names is read"
    assert not hasattr(parsed, "tags"), "what it does not name and has no default is not made up"


def test_a_program_with_a_few_groups_hears_of_their_mistakes_alone() -> None:
    with pytest.raises(settings.ConfigurationError) as raised:
        settings.parse(
            {"network": {"natGateways": "per-az", "availabilityZoneCount": 1}}, "other", rules(), groups=["network"]
        )
    lines = str(raised.value).splitlines()
    assert any(line.startswith("other:network.natGateways is per-az") for line in lines), f"rules of the group: {lines}"
    assert not [line for line in lines if "tags" in line or "datasets" in line], f"and of no other: {lines}"
    assert isinstance(raised.value, pulumi.RunError), "Pulumi shows it without a traceback"
