"""The whole program in other places: every commercial region, China and GovCloud, by the same code."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.environment import AwsEnvironment
from components.existing_network import EMR_TAG
from tests.policies.program import ROOT, configuration
from tests.unit.harness import ENVIRONMENT, Deployment, deploy

PLACES = {
    "Virginia": replace(ENVIRONMENT, region="us-east-1"),
    "Jakarta": replace(ENVIRONMENT, region="ap-southeast-3"),
    "Beijing": replace(ENVIRONMENT, partition="aws-cn", dns_suffix="amazonaws.com.cn", region="cn-north-1"),
    "GovCloud": replace(ENVIRONMENT, partition="aws-us-gov", region="us-gov-west-1"),
}


def program(place: AwsEnvironment) -> Deployment:
    there = replace(place, availability_zones=tuple(f"{place.region}{letter}" for letter in "abc"))

    def run() -> None:
        values = {**configuration("prod"), "aws:region": there.region}
        pulumi.runtime.set_all_config(values)
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    try:
        return deploy(
            run,
            stack="prod",
            environment=there,
            computed={
                "tls:index/privateKey:PrivateKey": lambda name, _: {"privateKeyPemPkcs8": f"{name}-key-pkcs8"},
                "aws:emr/securityConfiguration:SecurityConfiguration": lambda name, _: {"name": f"{name}-1a2b3c4"},
            },
        )
    finally:
        pulumi.runtime.set_all_config({})


@pytest.fixture(scope="module", params=PLACES, ids=str)
def placed(request: pytest.FixtureRequest) -> tuple[AwsEnvironment, Deployment]:
    place = PLACES[request.param]
    return place, program(place)


def texts(value: Any) -> Iterator[str]:
    """Every text in a resource's inputs."""
    if isinstance(value, dict):
        for entry in value.values():
            yield from texts(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from texts(entry)
    elif isinstance(value, str):
        yield value


def found(deployment: Deployment, pattern: str) -> set[tuple[str, str]]:
    """What fits a pattern, with the resource that it is in."""
    return {
        (entry.name, match)
        for entry in deployment.resources
        for text in texts(entry.inputs)
        for match in re.findall(pattern, text)
    }


def test_every_arn_is_of_the_partition_and_region(placed: tuple[AwsEnvironment, Deployment]):
    place, deployment = placed
    arns = found(deployment, r"arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:")
    wrong = {
        (name, arn)
        for name, arn in arns
        if arn.split(":")[1] != place.partition or arn.split(":")[3] not in ("", place.region)
    }
    assert len(arns) > 100, "the program is full of ARNs"
    assert wrong == set(), f"these lead nowhere in {place.region}"


def test_no_other_region_is_named(placed: tuple[AwsEnvironment, Deployment]):
    place, deployment = placed
    regions = found(
        deployment, r"\b(?:us|eu|ap|cn)(?:-gov)?-(?:north|south|east|west|central|southeast|northeast)-\d\b"
    )
    assert {region for _, region in regions} == {place.region}, "a region is looked up and never written"


def test_services_are_named_as_the_partition_names_them(placed: tuple[AwsEnvironment, Deployment]):
    place, deployment = placed
    principals = {service for _, service in found(deployment, r'"Service": "([a-z0-9.-]+)"')}
    assert principals, "services assume roles and use keys"
    china = place.partition == "aws-cn"
    for service in principals:
        regional = service.startswith(("ec2.", "elasticmapreduce.", "logs."))
        expected = ".amazonaws.com.cn" if china and regional else ".amazonaws.com"
        assert service.endswith(expected), f"{service} is no principal of {place.partition}"
    via = {value for _, value in found(deployment, r'"kms:ViaService": "([a-z0-9.-]+)"')}
    assert via, "keys are bound to the services that use them"
    assert all(value.endswith(f".{place.region}.{place.dns_suffix}") for value in via), via


def test_the_networks_documents_name_the_places_own_buckets(placed: tuple[AwsEnvironment, Deployment]):
    place, deployment = placed
    policy = json.dumps(deployment.named("network-s3-endpoint").document("policy"))
    for bucket in (
        f"amazonlinux.{place.region}.{place.dns_suffix}",
        f"repo.{place.region}.emr.{place.dns_suffix}",
        f"{place.region}.elasticmapreduce",
        "aws157-logs-prod" if place.region == "us-east-1" else f"aws157-logs-prod-{place.region}",
    ):
        assert f"arn:{place.partition}:s3:::{bucket}/*" in policy
    subnet = deployment.named(f"network-private-{place.region}a")
    assert EMR_TAG.items() <= subnet.inputs["tags"].items()
