"""Quotas before a deployment: what a stack may come to need, what others use, and what is said when it is too much."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
import yaml

import settings
from tools import deploy, quotas
from tools.quotas import ADDRESSES, INTERFACE_ENDPOINTS, VPCS, demand, shortfalls, vcpu_quota

VCPUS = {"m5.xlarge": 4, "m5.2xlarge": 8, "r5.2xlarge": 8, "u-6tb1.metal": 448}
TAGS = {"owner": "team", "costCentre": "1"}
OWN = {"Project": "emr-pipeline", "Environment": "dev"}
STANDARD, SPOT = vcpu_quota("m5.xlarge", spot=False), vcpu_quota("m5.xlarge", spot=True)
assert STANDARD is not None
assert SPOT is not None


def parsed(**groups: Any) -> settings.Settings:
    return settings.parse({"tags": TAGS, **groups})


GROUPS = {
    "primary": {"instanceType": "m5.xlarge"},
    "core": {"instanceType": "m5.2xlarge", "instanceCount": 2, "scaling": {"minimum": 2, "maximum": 5}},
    "task": {"instanceType": "m5.xlarge", "instanceCount": 3, "spotBidPrice": "0.1"},
}


def test_a_cluster_is_counted_scaled_out_and_twice():
    needed = demand(parsed(cluster=GROUPS), VCPUS).needed
    assert needed[STANDARD] == 2 * (1 * 4 + 5 * 8), "the replacement runs beside the cluster until it has taken over"
    assert needed[SPOT] == 2 * 3 * 4, "spot instances have a quota of their own"


@pytest.mark.parametrize(("nat", "addresses"), [("none", 0), ("single", 1), ("per-az", 3)])
def test_every_nat_gateway_needs_an_address_and_endpoints_are_counted(nat: str, addresses: int):
    network = {"natGateways": nat, "availabilityZoneCount": 3}
    needed = demand(parsed(network=network), VCPUS).needed
    assert needed.get(ADDRESSES, 0) == addresses
    assert needed[INTERFACE_ENDPOINTS] == len(settings.NetworkSettings().interface_endpoints)
    assert needed[VPCS] == 1


def test_an_existing_vpc_needs_nothing_of_a_networks():
    existing = {"vpcId": "vpc-12345678", "privateSubnetIds": ["subnet-12345678"]}
    assert set(demand(parsed(network={"existingVpc": existing}), VCPUS).needed) == {STANDARD}


@pytest.mark.parametrize(
    ("instance_type", "code"),
    [
        ("c6gn.large", "L-1216C47A"),
        ("i4i.xlarge", "L-1216C47A"),
        ("im4gn.large", "L-1216C47A"),
        ("t3.micro", "L-1216C47A"),
        ("g4dn.xlarge", "L-DB2E81BA"),
        ("vt1.3xlarge", "L-DB2E81BA"),
        ("p3.2xlarge", "L-417A185B"),
        ("inf1.xlarge", None),
        ("hpc6a.48xlarge", None),
        ("u-6tb1.metal", None),
        ("x1.16xlarge", None),
    ],
)
def test_families_share_the_quota_that_ec2_says(instance_type: str, code: str | None):
    quota = vcpu_quota(instance_type, spot=False)
    assert (quota.code if quota else None) == code


def test_a_shortfall_is_told_with_its_sum_and_what_to_ask_for():
    (line,) = shortfalls({STANDARD: 88, ADDRESSES: 3}, {STANDARD: 20, ADDRESSES: 2}, {STANDARD: 100, ADDRESSES: 5})
    for part in (
        "88 needed",
        "the cluster counted twice",
        "+ 20 in use by others = 108",
        "100 are allowed",
        "ask for 108",
    ):
        assert part in line, f"{line!r} should say {part!r}"
    assert "L-1216C47A" in line, "by this code it is asked for"
    assert shortfalls({STANDARD: 80}, {STANDARD: 20}, {STANDARD: 100}) == [], "what fits exactly fits"


class FakeClient:
    """Answers of EC2 and Service Quotas, whole or by pages."""

    class exceptions:
        class NoSuchResourceException(Exception):
            pass

    def __init__(self, values: Mapping[str, float], things: Mapping[str, list[dict[str, Any]]]) -> None:
        self.values, self.things = values, things

    def get_paginator(self, operation: str) -> Any:
        client = self

        class Pages:
            def paginate(self, **_: Any) -> Any:
                member = {
                    "describe_vpcs": "Vpcs",
                    "describe_internet_gateways": "InternetGateways",
                    "describe_vpc_endpoints": "VpcEndpoints",
                    "describe_instances": "Reservations",
                    "describe_instance_types": "InstanceTypes",
                }[operation]
                for thing in client.things.get(member, []):
                    yield {member: [thing]}

        return Pages()

    def describe_addresses(self) -> dict[str, Any]:
        return {"Addresses": self.things.get("Addresses", [])}

    def get_service_quota(self, ServiceCode: str, QuotaCode: str) -> dict[str, Any]:
        if QuotaCode not in self.values:
            raise self.exceptions.NoSuchResourceException
        return {"Quota": {"Value": self.values[QuotaCode]}}

    def get_aws_default_service_quota(self, ServiceCode: str, QuotaCode: str) -> dict[str, Any]:
        return {"Quota": {"Value": 5.0}}


def tagged(tags: Mapping[str, str], **more: Any) -> dict[str, Any]:
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()], **more}


def instance(tags: Mapping[str, str], kind: str = "m5.xlarge", **more: Any) -> dict[str, Any]:
    return tagged(tags, InstanceType=kind, CpuOptions={"CoreCount": 2, "ThreadsPerCore": 2}, **more)


def account(vcpus: float, **things: list[dict[str, Any]]) -> FakeClient:
    types = [{"InstanceType": name, "VCpuInfo": {"DefaultVCpus": number}} for name, number in VCPUS.items()]
    values = {"L-1216C47A": vcpus, "L-34B43A08": 1000.0, "L-29B6F2EB": 50.0, "L-1B52E74A": 20.0}
    return FakeClient(values, {"InstanceTypes": types, **things})


def checked(client: FakeClient, **groups: Any) -> quotas.Verdict:
    return quotas.check(parsed(**groups), "eu-west-1", OWN, client=lambda *_, **__: client)


def test_what_the_stack_has_already_is_not_counted_against_it():
    others = {"Project": "other"}
    reservation = [
        instance(OWN),
        instance(OWN),
        instance(others),
        instance(others, InstanceLifecycle="spot"),
        instance(others, kind="g4dn.xlarge"),
    ]
    client = account(92, Reservations=[{"Instances": reservation}], Addresses=[tagged(OWN), tagged(others), {}])
    used = quotas.used_by_others(client, OWN)
    assert used[STANDARD] == 4, "one instance of others; the stack's own two are within what it needs"
    assert used[SPOT] == 4
    assert used[ADDRESSES] == 2, "what has no tags is somebody's"
    assert checked(client, cluster=GROUPS).shortfalls == (), "88 + 4 fit in 92"


def test_an_account_without_room_is_told_so_by_quota():
    client = account(80, Addresses=[{}, {}, {}], Vpcs=[{}] * 5)
    verdict = checked(client, cluster=GROUPS, network={"natGateways": "per-az", "availabilityZoneCount": 3})
    said = "\n".join(verdict.shortfalls)
    assert "Elastic IP addresses: 3 needed + 3 in use by others = 6, and 5 are allowed" in said, "the default holds"
    assert "VPCs: 1 needed + 5 in use by others = 6, and 5 are allowed" in said
    assert "88 needed" in said
    assert len(verdict.shortfalls) == 3, "what suffices is not mentioned"


def test_what_cannot_be_checked_is_said_and_stops_nothing():
    class Refusing(FakeClient):
        def get_service_quota(self, ServiceCode: str, QuotaCode: str) -> dict[str, Any]:
            raise botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied"}}, "GetServiceQuota")

    refused = checked(Refusing({}, account(1).things))
    assert refused.shortfalls == ()
    assert "AccessDenied" in refused.unchecked[0]
    large = checked(account(1000), cluster={"core": {"instanceType": "u-6tb1.metal", "instanceCount": 1}})
    assert large.unchecked == ("the quota of u-6tb1.metal was not checked: its family has one of its own",)


# --- the commands -----------------------------------------------------------------------------------------------------


def target(stack: str, **changes: Any) -> deploy.Target:
    root = Path(__file__).resolve().parents[2]
    entries = yaml.safe_load((root / f"Pulumi.{stack}.yaml").read_text())["config"]
    groups = {
        key.removeprefix("emr-pipeline:"): value for key, value in entries.items() if key.startswith("emr-pipeline:")
    }
    for group, values in changes.items():
        groups[group] = {**groups.get(group, {}), **values}
    return deploy.Target(stack, "eu-west-1", "111122223333", "arn:aws:iam::111122223333:role/x", settings.parse(groups))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Operations that reached the engine."""
    commands: list[str] = []

    def pulumi(arguments: Any, *, capture: bool = False) -> str:
        commands.append(arguments[0])
        return "{}"

    monkeypatch.setattr(deploy, "_pulumi", pulumi)
    return commands


def test_up_stops_before_the_engine_when_a_quota_does_not_suffice(ran: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deploy, "read_target", lambda stack: target("dev"))
    monkeypatch.setattr(quotas, "check", lambda *_: quotas.Verdict(("vCPUs: 9 needed",), ()))
    with pytest.raises(deploy.DeployError, match="too little room in eu-west-1; nothing was done") as refusal:
        deploy.up("dev", yes=True)
    assert "vCPUs: 9 needed" in str(refusal.value)
    assert ran == [], "neither preview nor up"


def test_up_goes_on_when_quotas_suffice_and_says_what_it_could_not_check(
    ran: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    asked: list[Any] = []

    def check(*arguments: Any) -> quotas.Verdict:
        asked.append(arguments)
        return quotas.Verdict((), ("quotas were not checked: AccessDenied",))

    monkeypatch.setattr(deploy, "read_target", lambda stack: target("dev"))
    monkeypatch.setattr(quotas, "check", check)
    monkeypatch.setattr(deploy, "check_release", lambda *_: None)
    deploy.up("dev", yes=True)
    assert ran == ["preview", "up"]
    assert "note: quotas were not checked: AccessDenied" in capsys.readouterr().out
    assert asked[0][1:] == ("eu-west-1", OWN), "the stack's own tags tell its things from others'"


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ({"onDestroy": "retain", "allowDataLoss": False}, "storage.onDestroy is 'retain'"),
        ({"onDestroy": "retain", "allowDataLoss": True}, "storage.onDestroy is 'retain'"),
    ],
)
def test_destroy_without_both_keys_says_so_and_touches_nothing(
    storage: dict[str, Any], said: str, ran: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(deploy, "read_target", lambda stack: target("dev", storage=storage))
    with pytest.raises(deploy.DeployError, match="nothing was touched") as refusal:
        deploy.destroy("dev", yes=True)
    assert said in str(refusal.value)
    assert ran == []
