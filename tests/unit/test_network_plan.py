"""The address plan, checked against `ipaddress`; the rules of the security groups; the policies of the endpoints."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatchcase
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.address_plan import DoesNotFit, check_room, plan_addresses, usable_addresses
from components.endpoint_policies import account_only, dynamodb_endpoint, s3_endpoint
from components.network_acls import Entry, private_entries, public_entries
from components.security_rules import (
    ANYWHERE,
    CORE,
    ENDPOINTS,
    FUNCTIONS,
    GROUPS,
    PRIMARY,
    SERVICE,
    Rule,
    network_rules,
)
from settings import KerberosServerSettings
from tests.unit.harness import ENVIRONMENT

# --- the address plan ---------------------------------------------------------------------------------------------


@st.composite
def vpcs(draw: st.DrawFn) -> str:
    prefix = draw(st.integers(16, 22))
    base = IPv4Network("10.0.0.0/8")
    index = draw(st.integers(0, 2 ** (prefix - 8) - 1))
    return str(IPv4Network((int(base.network_address) + index * 2 ** (32 - prefix), prefix)))


ZONES = st.integers(1, 4)


@given(vpc=vpcs(), zones=ZONES, public=st.booleans())
def test_subnets_lie_in_the_vpc_and_never_overlap(vpc: str, zones: int, public: bool):
    plan = plan_addresses(vpc, zones, public=public)
    networks = [IPv4Network(text) for text in (*plan.private, *plan.public)]
    assert all(network.subnet_of(IPv4Network(vpc)) for network in networks), f"{networks} must lie in {vpc}"
    overlaps = [
        (str(one), str(other))
        for index, one in enumerate(networks)
        for other in networks[index + 1 :]
        if one.overlaps(other)
    ]
    assert not overlaps, f"AWS refuses a subnet that overlaps another: {overlaps}"


@given(vpc=vpcs(), zones=ZONES)
def test_every_zone_has_a_large_private_and_a_small_public_subnet(vpc: str, zones: int):
    plan = plan_addresses(vpc, zones, public=True)
    assert len(plan.private) == len(plan.public) == zones
    assert min(map(usable_addresses, plan.private)) >= 123, "a cluster with its endpoints must fit"
    assert {IPv4Network(network).prefixlen for network in plan.public} == {28}, "for a NAT gateway and nothing else"
    assert len({IPv4Network(network).prefixlen for network in plan.private}) == 1, "zones are alike"


@given(vpc=vpcs(), zones=ZONES)
def test_without_public_subnets_there_are_none(vpc: str, zones: int):
    assert plan_addresses(vpc, zones, public=False).public == ()


@given(vpc=vpcs(), zones=ZONES)
def test_room_is_left(vpc: str, zones: int):
    plan = plan_addresses(vpc, zones, public=True)
    used = sum(IPv4Network(network).num_addresses for network in (*plan.private, *plan.public))
    assert used <= IPv4Network(vpc).num_addresses * 5 / 8, "somebody will want another subnet"


@given(vpc=vpcs(), fewer=st.integers(1, 3), more=st.integers(1, 3))
def test_a_zone_more_or_a_nat_gateway_moves_no_subnet(vpc: str, fewer: int, more: int):
    before = plan_addresses(vpc, fewer, public=False)
    after = plan_addresses(vpc, min(fewer + more, 4), public=True)
    assert after.private[:fewer] == before.private, "a subnet that moves takes its cluster with it"


@pytest.mark.parametrize(
    ("vpc", "zones", "arithmetic"),
    [
        ("10.0.0.0/23", 2, ["512 addresses", "512 / 8 = 64", "/26", "128 (/25)", "/22 or larger"]),
        ("10.0.0.0/8", 2, ["16777216 addresses", "65536 (/16)"]),
        ("10.0.0.0/20", 5, ["1 to 4 zones", "not by 5"]),
        ("10.0.0.0/20", 0, ["1 to 4 zones", "not by 0"]),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_with_the_arithmetic(vpc: str, zones: int, arithmetic: list[str]):
    with pytest.raises(DoesNotFit) as refusal:
        plan_addresses(vpc, zones, public=True)
    for term in (vpc, *arithmetic):
        assert term in str(refusal.value), f"{refusal.value} must say {term!r}"


@given(nodes=st.integers(0, 600), endpoints=st.integers(0, 20), prefix=st.integers(19, 26))
def test_a_subnet_is_refused_exactly_when_its_addresses_do_not_suffice(nodes: int, endpoints: int, prefix: int):
    subnet = f"10.0.0.0/{prefix}"
    needs = {"nodes": nodes, "endpoints": endpoints}
    if nodes + endpoints <= IPv4Network(subnet).num_addresses - 5:
        check_room(subnet, needs)
        return
    with pytest.raises(DoesNotFit) as refusal:
        check_room(subnet, needs)
    enough = re.search(r"subnet of /(\d+)", str(refusal.value))
    assert enough is not None, f"{refusal.value} must say what would do"
    assert usable_addresses(f"10.0.0.0/{enough[1]}") >= nodes + endpoints, f"{refusal.value}: that would not do"
    assert usable_addresses(f"10.0.0.0/{int(enough[1]) + 1}") < nodes + endpoints, f"{refusal.value}: less would do"


# --- the rules of the security groups -----------------------------------------------------------------------------


def of(rules: list[Rule], direction: str, group: str) -> set[tuple[str, str, tuple[int, int]]]:
    return {
        (rule.peer, rule.protocol, rule.ports) for rule in rules if (rule.direction, rule.group) == (direction, group)
    }


BETWEEN_NODES = {
    (peer, protocol, ports)
    for peer in (PRIMARY, CORE)
    for protocol, ports in (("tcp", (0, 65535)), ("udp", (0, 65535)), ("icmp", (-1, -1)))
}
HTTPS = (443, 443)
NODES_OUT = {(SERVICE, "tcp", (9443, 9443)), (ENDPOINTS, "tcp", HTTPS), ("s3", "tcp", HTTPS)}


@pytest.mark.parametrize("nat", [False, True])
@pytest.mark.parametrize("group", [PRIMARY, CORE])
def test_nodes_have_exactly_the_rules_that_emr_documents(group: str, nat: bool):
    rules = network_rules(nat=nat)
    assert of(rules, "in", group) == BETWEEN_NODES | {(SERVICE, "tcp", (8443, 8443))}
    internet = {(ANYWHERE, "tcp", HTTPS)} if nat else set()
    assert of(rules, "out", group) == BETWEEN_NODES | NODES_OUT | internet, (
        "without NAT there is no way to the internet"
    )


@pytest.mark.parametrize("nat", [False, True])
def test_service_access_talks_to_nodes_only(nat: bool):
    rules = network_rules(nat=nat)
    assert of(rules, "in", SERVICE) == {(PRIMARY, "tcp", (9443, 9443))}
    assert of(rules, "out", SERVICE) == {(PRIMARY, "tcp", (8443, 8443)), (CORE, "tcp", (8443, 8443))}


@pytest.mark.parametrize("nat", [False, True])
def test_functions_reach_endpoints_and_nothing_reaches_them(nat: bool):
    rules = network_rules(nat=nat)
    assert of(rules, "out", FUNCTIONS) == {(peer, "tcp", HTTPS) for peer in (ENDPOINTS, "s3", "dynamodb")}
    assert of(rules, "in", FUNCTIONS) == set()


@pytest.mark.parametrize("nat", [False, True])
def test_endpoints_answer_nodes_and_functions_and_start_nothing(nat: bool):
    rules = network_rules(nat=nat)
    assert of(rules, "in", ENDPOINTS) == {(group, "tcp", HTTPS) for group in (PRIMARY, CORE, FUNCTIONS)}
    assert of(rules, "out", ENDPOINTS) == set()


@pytest.mark.parametrize("nat", [False, True])
def test_nothing_is_let_in_from_an_address(nat: bool):
    entries = [rule.peer for rule in network_rules(nat=nat) if rule.direction == "in"]
    assert set(entries) <= set(GROUPS), "whoever may come in is a group of this network"


def test_every_way_out_of_a_group_is_a_way_into_the_other():
    rules = network_rules(nat=True)
    refused = [
        rule.name
        for rule in rules
        if rule.direction == "out"
        and rule.peer in GROUPS
        and (rule.group, rule.protocol, rule.ports) not in of(rules, "in", rule.peer)
    ]
    # EMR documents this way out of core nodes; service access lets in primary nodes only.
    assert refused == ["core-out-service-access-tcp-9443"], "a rule on one side only lets nothing through"


def test_every_rule_and_group_has_a_description_that_ec2_takes():
    allowed = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=;{}!$*]{1,255}"
    descriptions = {rule.name: rule.description for rule in network_rules(nat=True)} | GROUPS
    refused = {name: text for name, text in descriptions.items() if not re.fullmatch(allowed, text)}
    assert not refused, f"EC2 takes neither apostrophe nor ampersand: {refused}"


def test_rules_have_names_of_their_own():
    names = [rule.name for rule in network_rules(nat=True)]
    assert len(names) == len(set(names)), "a rule's name is its identity in the stack"


KDC = KerberosServerSettings.model_validate({"name": "main", "cidrBlock": "10.9.0.10/32"})
DOMAIN = KerberosServerSettings.model_validate(
    {"name": "corp", "cidrBlock": "172.16.5.0/28", "kind": "active-directory"}
)


@pytest.mark.parametrize("nat", [False, True])
def test_nodes_reach_a_kdc_on_kerberos_ports_and_domain_controllers_on_their_own(nat: bool):
    before, after = network_rules(nat=nat), network_rules(nat=nat, servers=[KDC, DOMAIN])
    added = [rule for rule in after if rule not in before]
    assert [rule for rule in after if rule in before] == before, "nothing else changes"
    assert {rule.direction for rule in added} == {"out"}, "neither KDC nor domain controller calls a node"
    assert {rule.group for rule in added} == {PRIMARY, CORE}, "functions authenticate with nobody"
    for group in (PRIMARY, CORE):
        ports = {
            server.name: {
                (rule.protocol, *rule.ports)
                for rule in added
                if rule.group == group and rule.cidr_block == server.cidr_block
            }
            for server in (KDC, DOMAIN)
        }
        assert ports["main"] == {("tcp", 88, 88), ("udp", 88, 88), ("tcp", 464, 464), ("udp", 464, 464)} | {
            ("tcp", 749, 749)
        }
        assert ports["corp"] == {
            (protocol, port, port) for port in (53, 88, 389, 464) for protocol in ("tcp", "udp")
        } | {("tcp", 445, 445), ("tcp", 3268, 3268)}
    names = [rule.name for rule in after]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("nat", [False, True])
def test_without_servers_no_rule_names_an_address_but_that_of_nat(nat: bool):
    assert {rule.cidr_block for rule in network_rules(nat=nat)} == ({None, ANYWHERE} if nat else {None})


# --- the network ACLs ---------------------------------------------------------------------------------------------


def passes(entries: list[Entry], direction: str, protocol: str, port: int, address: str) -> bool:
    """Whether an ACL lets a packet pass: the first entry that fits, here always an Allow, or none."""
    numbers = [entry.number for entry in entries if entry.direction == direction]
    assert numbers == sorted(set(numbers)), "entries of a direction have numbers of their own"
    return any(
        entry.direction == direction
        and IPv4Network(address).subnet_of(IPv4Network(entry.cidr_block))
        and (entry.protocol == "all" or (entry.protocol == protocol and entry.ports[0] <= port <= entry.ports[1]))
        for entry in entries
    )


VPC, INSIDE, OUTSIDE, SERVER = "10.20.0.0/20", "10.20.3.4/32", "203.0.113.9/32", "10.9.0.10/32"


@pytest.mark.parametrize(
    ("direction", "protocol", "port", "address", "passed", "why"),
    [
        ("in", "udp", 40000, INSIDE, True, "nodes talk to one another on every port"),
        ("out", "tcp", 9443, INSIDE, True, "nodes answer EMR within the VPC"),
        ("out", "tcp", 443, OUTSIDE, True, "S3 keeps its public addresses behind the gateway endpoint"),
        ("in", "tcp", 1024, OUTSIDE, True, "answers to functions come back from 1024 on"),
        ("in", "tcp", 60999, OUTSIDE, True, "answers to nodes"),
        ("in", "tcp", 65535, OUTSIDE, True, "the last port"),
        ("in", "tcp", 22, OUTSIDE, False, "nobody administers nodes from outside"),
        ("in", "tcp", 443, OUTSIDE, False, "nobody asks nodes for anything from outside"),
        ("in", "tcp", 3389, OUTSIDE, False, "remote desktop lies among the ephemeral ports"),
        ("in", "udp", 40000, OUTSIDE, False, "nothing outside is asked by UDP"),
        ("out", "tcp", 80, OUTSIDE, False, "plain HTTP does not leave"),
        ("out", "tcp", 25, OUTSIDE, False, "nor does mail"),
        ("out", "udp", 88, SERVER, True, "a KDC is asked"),
        ("in", "udp", 50000, SERVER, True, "and answers"),
    ],
)
def test_an_acl_of_private_subnets(direction: str, protocol: str, port: int, address: str, passed: bool, why: str):
    assert passes(private_entries(VPC, ["10.9.0.10/32"]), direction, protocol, port, address) == passed, why


@pytest.mark.parametrize(
    ("direction", "port", "address", "passed", "why"),
    [
        ("in", 443, INSIDE, True, "nodes go out through NAT"),
        ("out", 443, OUTSIDE, True, "and NAT goes on"),
        ("in", 1024, OUTSIDE, True, "NAT gateways choose ports from 1024"),
        ("out", 40000, INSIDE, True, "answers go back to nodes"),
        ("in", 443, OUTSIDE, False, "nothing is served to the internet"),
        ("in", 22, INSIDE, False, "a NAT gateway is no way in"),
        ("out", 80, OUTSIDE, False, "HTTPS only"),
        ("in", 3389, OUTSIDE, False, "remote desktop lies among the ephemeral ports"),
    ],
)
def test_an_acl_of_the_subnets_of_nat_gateways(direction: str, port: int, address: str, passed: bool, why: str):
    assert passes(public_entries(VPC), direction, "tcp", port, address) == passed, why


def test_acls_stay_within_what_aws_takes():
    servers = [f"10.9.0.{number}/32" for number in range(8)]
    for entries in (private_entries(VPC, servers), public_entries(VPC)):
        for direction in ("in", "out"):
            assert sum(entry.direction == direction for entry in entries) <= 20, "VPC quota: 20 rules a direction"
    assert SERVER not in str(private_entries(VPC)), "servers are let through only where there are some"


# --- the policies of the endpoints --------------------------------------------------------------------------------

OURS = {"aws:PrincipalAccount": "111122223333"}
NOBODY: dict[str, str] = {}
THEIRS = {"aws:PrincipalAccount": "999999999999"}


def allows(document: dict[str, Any], action: str, resource: str, caller: dict[str, str]) -> bool:
    """Whether an endpoint's policy lets a request pass; it has Allow statements only."""

    def listed(value: Any) -> list[str]:
        return value if isinstance(value, list) else [value]

    for entry in document["Statement"]:
        assert (entry["Effect"], entry["Principal"]) == ("Allow", "*"), "this reading knows no other statements"
        condition = entry.get("Condition", {})
        assert set(condition) <= {"StringEquals"}, "this reading knows no other conditions"
        if (
            any(fnmatchcase(action, pattern) for pattern in listed(entry["Action"]))
            and any(fnmatchcase(resource, pattern) for pattern in listed(entry["Resource"]))
            and all(caller.get(key) == value for key, value in condition.get("StringEquals", {}).items())
        ):
            return True
    return False


S3 = s3_endpoint(ENVIRONMENT, ["ours-raw", "ours-logs"])


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"])
def test_our_buckets_are_reached_by_this_accounts_principals_only(action: str):
    assert allows(S3, action, "arn:aws:s3:::ours-raw/key", OURS)
    assert allows(S3, "s3:ListBucket", "arn:aws:s3:::ours-logs", OURS)
    assert not allows(S3, action, "arn:aws:s3:::ours-raw/key", THEIRS), "stolen credentials must not work from inside"
    assert not allows(S3, action, "arn:aws:s3:::ours-raw/key", NOBODY)


@pytest.mark.parametrize("action", ["s3:PutObject", "s3:GetObject"])
def test_no_other_bucket_can_take_our_data_away(action: str):
    for bucket in ("elsewhere", "ours-raw-copy", "amazonlinux-2-repos-us-east-1"):
        assert not allows(S3, action, f"arn:aws:s3:::{bucket}/key", OURS), f"{bucket} is none of ours or EMR's"
    assert not allows(S3, "s3:PutBucketPolicy", "arn:aws:s3:::ours-raw", OURS), "buckets are not managed from nodes"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:GetObject", "amazonlinux.eu-west-1.amazonaws.com/2/core/latest/x86_64/mirror.list"),
        ("s3:GetObject", "amazonlinux-2-repos-eu-west-1/blobstore/x"),
        ("s3:GetObject", "al2023-repos-eu-west-1-de612dc2/core/x"),
        ("s3:GetObject", "repo.eu-west-1.emr.amazonaws.com/apps-repository/emr-6.9.0/x"),
        ("s3:GetObject", "eu-west-1.elasticmapreduce/libs/script-runner/script-runner.jar"),
        ("s3:ListBucket", "eu-west-1.elasticmapreduce"),
        ("s3:PutObject", "aws157-logs-prod-eu-west-1/j-1/x"),
        ("s3:PutObject", "prod.eu-west-1.appinfo.src/x"),
        ("s3:GetObject", "prod.eu-west-1.appinfo.src/x"),
        ("s3:ListMultipartUploadParts", "prod.eu-west-1.appinfo.src/x"),
    ],
)
@pytest.mark.parametrize("caller", [OURS, THEIRS, NOBODY])
def test_what_emr_and_amazon_linux_need_passes_whoever_calls(action: str, resource: str, caller: dict[str, str]):
    assert allows(S3, action, f"arn:aws:s3:::{resource}", caller), (
        "package managers come without credentials, EMR's agents with AWS's own"
    )


@pytest.mark.parametrize(
    "bucket", ["amazonlinux.eu-west-1.amazonaws.com", "repo.eu-west-1.emr.amazonaws.com", "eu-west-1.elasticmapreduce"]
)
def test_repositories_are_read_only(bucket: str):
    assert not allows(S3, "s3:PutObject", f"arn:aws:s3:::{bucket}/x", OURS)


def test_the_buckets_of_emr_follow_region_and_partition():
    virginia = s3_endpoint(replace(ENVIRONMENT, region="us-east-1"), ["ours"])
    assert allows(virginia, "s3:PutObject", "arn:aws:s3:::aws157-logs-prod/x", NOBODY), "us-east-1 names no region"
    china = replace(ENVIRONMENT, partition="aws-cn", dns_suffix="amazonaws.com.cn", region="cn-north-1")
    document = s3_endpoint(china, ["ours"])
    assert allows(document, "s3:GetObject", "arn:aws-cn:s3:::amazonlinux.cn-north-1.amazonaws.com.cn/x", NOBODY)
    assert "arn:aws:" not in str(document)


def test_interface_endpoints_serve_this_accounts_principals():
    document = account_only(ENVIRONMENT)
    assert allows(document, "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/x", OURS)
    assert not allows(document, "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/x", THEIRS)
    assert not allows(document, "kms:Decrypt", "arn:aws:kms:eu-west-1:111122223333:key/x", NOBODY)


def test_the_dynamodb_endpoint_leads_to_this_accounts_tables():
    document = dynamodb_endpoint(ENVIRONMENT)
    table = "arn:aws:dynamodb:eu-west-1:{}:table/x"
    assert allows(document, "dynamodb:PutItem", table.format("111122223333"), OURS)
    assert not allows(document, "dynamodb:PutItem", table.format("999999999999"), OURS), "data must not leave that way"
    assert not allows(document, "dynamodb:PutItem", table.format("111122223333"), THEIRS)
