"""What a stack needs of an account's quotas, held against what is left of them, before anything is made.

A quota that is too small shows itself in the middle of a deployment otherwise, or when a cluster is replaced: the new
one runs beside the old one until it has taken over, so its nodes are counted twice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.exceptions

from settings import InstanceGroupSettings, Settings


@dataclass(frozen=True, order=True)
class Quota:
    """One quota of an account in a region, by the codes of the Service Quotas API."""

    service: str
    code: str
    what: str
    """What it counts, as people know it."""


ADDRESSES = Quota("ec2", "L-0263D0A3", "Elastic IP addresses")
VPCS = Quota("vpc", "L-F678F1CE", "VPCs")
INTERNET_GATEWAYS = Quota("vpc", "L-A4707A72", "internet gateways")
GATEWAY_ENDPOINTS = Quota("vpc", "L-1B52E74A", "gateway endpoints")
INTERFACE_ENDPOINTS = Quota("vpc", "L-29B6F2EB", "interface endpoints in one VPC")

_VCPUS: Mapping[tuple[str, bool], Quota] = {
    ("standard", False): Quota("ec2", "L-1216C47A", "vCPUs of on-demand instances (A, C, D, H, I, M, R, T, Z)"),
    ("standard", True): Quota("ec2", "L-34B43A08", "vCPUs of spot instances (A, C, D, H, I, M, R, T, Z)"),
    ("g", False): Quota("ec2", "L-DB2E81BA", "vCPUs of on-demand instances (G, VT)"),
    ("g", True): Quota("ec2", "L-3819A6DF", "vCPUs of spot instances (G, VT)"),
    ("p", False): Quota("ec2", "L-417A185B", "vCPUs of on-demand instances (P)"),
    ("p", True): Quota("ec2", "L-7212CCBC", "vCPUs of spot instances (P)"),
}
"""EC2 user guide, "On-Demand Instance quotas" and "Spot Instance quotas": vCPUs, by family and market."""

GATEWAY_ENDPOINTS_MADE = 2
"""S3 and DynamoDB (components/network.py)."""

CLUSTERS_AT_ONCE = 2
"""The cluster and the one that replaces it."""


def vcpu_quota(instance_type: str, *, spot: bool) -> Quota | None:
    """The quota that an instance's vCPUs count against; None for a family that this check does not know."""
    family = re.match(r"[a-z]+", instance_type)
    letters = family[0] if family else ""
    if letters in ("g", "gr", "vt"):
        return _VCPUS["g", spot]
    if letters == "p":
        return _VCPUS["p", spot]
    # The first letter names the family (m5, r6gd, im4gn, is4gen); these begin with such a letter and are others.
    others = ("inf", "trn", "dl", "hpc", "mac")
    return _VCPUS["standard", spot] if letters not in others and letters[:1] in set("acdhimrtz") else None


@dataclass(frozen=True)
class Demand:
    """What a stack needs at most, and what of it no quota is known for."""

    needed: Mapping[Quota, int]
    unknown: tuple[str, ...] = ()
    """Instance types of families that have a quota of their own."""


def demand(settings: Settings, vcpus: Mapping[str, int]) -> Demand:
    """Everything that a stack may come to need: all groups scaled out, twice.

    Args:
        settings: The stack's configuration.
        vcpus: vCPUs by instance type.
    """
    needed: Counter[Quota] = Counter()
    network = settings.network
    if network.existing_vpc is None:
        zones = network.availability_zone_count
        gateways = {"none": 0, "single": 1, "per-az": zones}[network.nat_gateways]
        needed[VPCS] += 1
        needed[GATEWAY_ENDPOINTS] += GATEWAY_ENDPOINTS_MADE
        needed[INTERFACE_ENDPOINTS] += len(network.interface_endpoints)
        needed[ADDRESSES] += gateways
        needed[INTERNET_GATEWAYS] += 1 if gateways else 0
    unknown: set[str] = set()
    for group in instance_groups(settings):
        quota = vcpu_quota(group.instance_type, spot=group.spot_bid_price is not None)
        if quota is None:
            unknown.add(group.instance_type)
        else:
            needed[quota] += CLUSTERS_AT_ONCE * group.most_instances * vcpus[group.instance_type]
    return Demand({quota: number for quota, number in needed.items() if number}, tuple(sorted(unknown)))


def instance_groups(settings: Settings) -> tuple[InstanceGroupSettings, ...]:
    """Groups of the cluster."""
    return settings.cluster.primary, settings.cluster.core, settings.cluster.task


def shortfalls(needed: Mapping[Quota, int], used: Mapping[Quota, int], allowed: Mapping[Quota, float]) -> list[str]:
    """One line for each quota that does not suffice, with the sum and what to ask for."""
    lines: list[str] = []
    for quota, number in sorted(needed.items()):
        others = used.get(quota, 0)
        if others + number > allowed[quota]:
            twice = ", the cluster counted twice, for when it is replaced" if quota in _VCPUS.values() else ""
            lines.append(
                f"{quota.what}: {number} needed{twice} + {others} in use by others = {number + others}, and "
                f"{allowed[quota]:g} are allowed: ask for {number + others} (Service Quotas: {quota.service} "
                f"{quota.code})"
            )
    return lines


# --- what AWS knows ---------------------------------------------------------------------------------------------------


def _pages(client: Any, operation: str, member: str, **arguments: Any) -> Iterable[Mapping[str, Any]]:
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page[member]


def _allowed(client: Any, quota: Quota) -> float:
    """The quota's value for this account, or its default where nothing else was ever set."""
    codes = {"ServiceCode": quota.service, "QuotaCode": quota.code}
    try:
        return client.get_service_quota(**codes)["Quota"]["Value"]
    except client.exceptions.NoSuchResourceException:
        return client.get_aws_default_service_quota(**codes)["Quota"]["Value"]


def used_by_others(client: Any, own: Mapping[str, str]) -> Counter[Quota]:
    """What counts against the quotas and is not the stack's: everything without its tags.

    Args:
        client: EC2.
        own: Tags of all that the stack makes.
    """

    def foreign(thing: Mapping[str, Any]) -> bool:
        tags = {entry["Key"]: entry["Value"] for entry in thing.get("Tags") or ()}
        return not own.items() <= tags.items()

    used: Counter[Quota] = Counter()
    used[ADDRESSES] = sum(map(foreign, client.describe_addresses()["Addresses"]))
    used[VPCS] = sum(map(foreign, _pages(client, "describe_vpcs", "Vpcs")))
    used[INTERNET_GATEWAYS] = sum(map(foreign, _pages(client, "describe_internet_gateways", "InternetGateways")))
    kinds = [{"Name": "vpc-endpoint-type", "Values": ["Gateway"]}]
    endpoints = _pages(client, "describe_vpc_endpoints", "VpcEndpoints", Filters=kinds)
    used[GATEWAY_ENDPOINTS] = sum(map(foreign, endpoints))
    running = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    for reservation in _pages(client, "describe_instances", "Reservations", Filters=running):
        for instance in filter(foreign, reservation["Instances"]):
            spot = instance.get("InstanceLifecycle") == "spot"
            quota = vcpu_quota(instance["InstanceType"], spot=spot)
            if quota is not None:
                cpu = instance["CpuOptions"]
                used[quota] += cpu["CoreCount"] * cpu["ThreadsPerCore"]
    return used


@dataclass(frozen=True)
class Verdict:
    """What the check found."""

    shortfalls: tuple[str, ...]
    """Why the deployment would fail, one line a quota."""
    unchecked: tuple[str, ...]
    """What could not be checked, and why."""


def check(
    settings: Settings, region: str, own_tags: Mapping[str, str], client: Callable[..., Any] = boto3.client
) -> Verdict:
    """Hold a stack's needs against the account's quotas."""
    ec2 = client("ec2", region_name=region)
    service_quotas = client("service-quotas", region_name=region)
    types = sorted({group.instance_type for group in instance_groups(settings)})
    try:
        described = _pages(ec2, "describe_instance_types", "InstanceTypes", InstanceTypes=types)
        vcpus = {entry["InstanceType"]: entry["VCpuInfo"]["DefaultVCpus"] for entry in described}
        needs = demand(settings, vcpus)
        allowed = {quota: _allowed(service_quotas, quota) for quota in needs.needed}
        used = used_by_others(ec2, own_tags)
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        return Verdict((), (f"quotas were not checked: {error}",))
    unknown = tuple(f"the quota of {name} was not checked: its family has one of its own" for name in needs.unknown)
    return Verdict(tuple(shortfalls(needs.needed, used, allowed)), unknown)
