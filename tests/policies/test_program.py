"""The pack and the project's own stacks: nothing to find as they are, and the right thing when one part is changed."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from policies.exceptions import load_exceptions
from policies.registry import RULES
from tests.policies import program
from tests.policies.changes import ABSENT, broken_rules, changed_inputs
from tests.policies.harness import Engine, R, Said, undecided

ID_OF = {rule.policy_name: rule.id for rule in RULES}
POLICIES = program.ROOT / "policies"


def engine(stack: str) -> Engine:
    """The pack with a stack's configuration and the project's exceptions."""
    document: Mapping[str, Any] = json.loads((POLICIES / f"config.{stack}.json").read_text(encoding="utf-8"))
    config = {
        ID_OF[name]: {k: v for k, v in entry.items() if k != "enforcementLevel"} for name, entry in document.items()
    }
    levels = {ID_OF[name]: entry["enforcementLevel"] for name, entry in document.items() if "enforcementLevel" in entry}
    return Engine(config=config, levels=levels, exceptions=load_exceptions())


@functools.cache
def said(stack: str, known: bool) -> tuple[Said, ...]:
    return tuple(engine(stack).run(program.resources(stack), known))


@pytest.mark.parametrize("stack", program.STACKS)
@pytest.mark.parametrize("known", [True, False], ids=["up", "preview"])
def test_there_is_nothing_to_find_in_the_projects_stacks(stack: str, known: bool) -> None:
    found = [word.message for word in said(stack, known) if word.rule != "GEN-05"]
    assert found == [], "mend the program, or excuse it in policies/exceptions.json with a reason"


@pytest.mark.parametrize("stack", program.STACKS)
def test_an_update_decides_everything(stack: str) -> None:
    assert [word.message for word in said(stack, True)] == [], "nothing may stay unknown once everything is made"


@pytest.mark.parametrize("rule", ["NET-07", "NET-08", "EMR-10", "S3-01", "S3-02", "S3-06", "S3-07", "ALM-02", "NET-11"])
def test_a_preview_decides_what_references_tell(rule: str) -> None:
    assert undecided(said("prod", False), rule) == 0, "references are known before ids are"


@pytest.mark.parametrize("stack", program.STACKS)
def test_a_stacks_configuration_names_policies_and_settings_that_exist(stack: str) -> None:
    by_name = {rule.policy_name: rule for rule in RULES}
    document: Mapping[str, Any] = json.loads((POLICIES / f"config.{stack}.json").read_text(encoding="utf-8"))
    for name, entry in document.items():
        assert name in by_name
        assert set(entry) <= {"enforcementLevel", *by_name[name].settings}
        assert entry.get("enforcementLevel", "advisory") in {"advisory", "mandatory", "disabled"}


def test_production_loosens_nothing() -> None:
    document: Mapping[str, Any] = json.loads((POLICIES / "config.prod.json").read_text(encoding="utf-8"))
    assert not [name for name, entry in document.items() if entry.get("enforcementLevel") in ("disabled", "remediate")]
    strict = {rule.policy_name for rule in RULES if rule.severity.stops}
    assert not [name for name in strict & set(document) if document[name].get("enforcementLevel") == "advisory"]


# One part changed at a time.


@dataclass(frozen=True)
class Change:
    """One thing that somebody might do to the production stack, and the rules that must speak."""

    what: str
    rules: tuple[str, ...]
    type: str
    where: Callable[[R], bool]
    path: tuple[str | int, ...]
    value: Any
    late: bool = True
    """Whether the preview sees it too; what is made of unknown parts only the update decides."""


def change(
    what: str, rules: str, type: str, path: Sequence[str | int], value: Any, name: str = "", *, late: bool = True
) -> Change:
    return Change(what, tuple(rules.split()), type, lambda resource: name in resource.name, tuple(path), value, late)


GROUP_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS_RULE = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
CLUSTER = "aws:emr/cluster:Cluster"
CONFIGURATION = "aws:emr/securityConfiguration:SecurityConfiguration"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
KEY = "aws:kms/key:Key"
FUNCTION = "aws:lambda/function:Function"
MACHINE = "aws:sfn/stateMachine:StateMachine"
QUEUE = "aws:sqs/queue:Queue"
TOPIC = "aws:sns/topic:Topic"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TARGET = "aws:cloudwatch/eventTarget:EventTarget"
SECRET = "aws:secretsmanager/secret:Secret"
SUBNET = "aws:ec2/subnet:Subnet"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"

EVERYBODY = {"Sid": "New", "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
ADMIN = {"Sid": "New", "Effect": "Allow", "Action": "*", "Resource": "*"}
PASS = {"Sid": "New", "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}
REST = ("configuration", "EncryptionConfiguration", "AtRestEncryptionConfiguration")

CHANGES = [
    change(
        "a node's port for the world", "NET-01 EMR-10", GROUP_RULE, ["cidrIpv4"], "0.0.0.0/0", "core-in-primary-tcp"
    ),
    change("half the world by IPv6", "NET-01 EMR-10", GROUP_RULE, ["cidrIpv6"], "8000::/1", "core-in-primary-tcp"),
    change(
        "every way out",
        "NET-03",
        EGRESS_RULE,
        [],
        {"securityGroupId": "sg-1", "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0", "description": "All"},
    ),
    change("public addresses", "NET-06", SUBNET, ["mapPublicIpOnLaunch"], True, "private"),
    change("the flow log of a subnet only", "NET-08", "aws:ec2/flowLog:FlowLog", ["vpcId"], ABSENT),
    change("accepted traffic only", "NET-13", "aws:ec2/flowLog:FlowLog", ["trafficType"], "ACCEPT"),
    change(
        "the default group's doors",
        "NET-05",
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        ["egress"],
        [{"protocol": "-1", "cidrBlocks": ["10.0.0.0/8"]}],
    ),
    change("no endpoint policy for S3", "NET-14", ENDPOINT, ["policy"], ABSENT, "s3"),
    change("an open endpoint policy", "NET-12", ENDPOINT, ["policy"], json.dumps({"Statement": [EVERYBODY]}), "s3"),
    change("no security configuration", "EMR-01", CLUSTER, ["securityConfiguration"], ABSENT),
    change("somebody else's security configuration", "EMR-05", CLUSTER, ["securityConfiguration"], "somebody-elses"),
    change(
        "nothing encrypted at rest",
        "EMR-02 EMR-03 EMR-05",
        CONFIGURATION,
        ["configuration", "EncryptionConfiguration", "EnableAtRestEncryption"],
        False,
        late=False,
    ),
    change(
        "SSE-S3",
        "EMR-02 EMR-05",
        CONFIGURATION,
        [*REST, "S3EncryptionConfiguration", "EncryptionMode"],
        "SSE-S3",
        late=False,
    ),
    change(
        "root volumes in clear text",
        "EMR-03 EMR-05",
        CONFIGURATION,
        [*REST, "LocalDiskEncryptionConfiguration", "EnableEbsEncryption"],
        False,
        late=False,
    ),
    change(
        "nothing encrypted in transit",
        "EMR-04 EMR-05",
        CONFIGURATION,
        ["configuration", "EncryptionConfiguration", "EnableInTransitEncryption"],
        "true",
        late=False,
    ),
    change(
        "no session tokens",
        "EMR-06",
        CONFIGURATION,
        ["configuration", "InstanceMetadataServiceConfiguration"],
        ABSENT,
        late=False,
    ),
    change(
        "no Kerberos", "EMR-16", CONFIGURATION, ["configuration", "AuthenticationConfiguration"], ABSENT, late=False
    ),
    change("no service access group", "EMR-07", CLUSTER, ["ec2Attributes", "serviceAccessSecurityGroup"], ABSENT),
    change("no logs", "EMR-08", CLUSTER, ["logUri"], ABSENT),
    change("logs without key", "EMR-08", CLUSTER, ["logEncryptionKmsKeyId"], ABSENT),
    change("an old release", "EMR-11", CLUSTER, ["releaseLabel"], "emr-5.36.0"),
    change("no termination protection", "EMR-12", CLUSTER, ["terminationProtection"], False),
    change("an SSH key", "EMR-13", CLUSTER, ["ec2Attributes", "keyName"], "operators"),
    change(
        "code from the web",
        "EMR-14",
        CLUSTER,
        ["bootstrapActions"],
        [{"name": "x", "path": "https://example.com/x.sh"}],
    ),
    change(
        "code from somebody's bucket",
        "EMR-17",
        CLUSTER,
        ["bootstrapActions"],
        [{"name": "x", "path": "s3://somebody/x.sh"}],
    ),
    change("a switch of the access block", "S3-01 S3-11", BLOCK, ["restrictPublicBuckets"], False, "raw"),
    change("no access block for this bucket", "S3-01", BLOCK, ["bucket"], "another-bucket", "raw"),
    change(
        "S3's own keys",
        "S3-02",
        ENCRYPTION,
        ["rules", 0, "applyServerSideEncryptionByDefault"],
        {"sseAlgorithm": "AES256"},
        "raw",
    ),
    change("a policy without TLS", "S3-03", BUCKET_POLICY, ["policy", "Statement"], [], "raw", late=False),
    change("a public bucket", "S3-04", BUCKET_POLICY, ["policy", "Statement", "+"], EVERYBODY, "raw", late=False),
    change("versions suspended", "S3-06", VERSIONING, ["versioningConfiguration", "status"], "Suspended", "raw"),
    change(
        "access logs of another bucket",
        "S3-07",
        "aws:s3/bucketLogging:BucketLogging",
        ["bucket"],
        "another-bucket",
        "raw",
    ),
    change(
        "objects of whoever wrote them",
        "S3-08",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        ["rule", "objectOwnership"],
        "ObjectWriter",
        "raw",
    ),
    change(
        "no lifecycle",
        "S3-09",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        ["rules"],
        [],
        "raw",
    ),
    change("data that goes with its bucket", "S3-10", "aws:s3/bucket:Bucket", ["forceDestroy"], True, "raw"),
    change("keys that never change", "KMS-01", KEY, ["enableKeyRotation"], False, "data"),
    change("a public key", "KMS-02", KEY, ["policy", "Statement", "+"], EVERYBODY, "data"),
    change("a key lost in a week", "KMS-03", KEY, ["deletionWindowInDays"], 7, "data"),
    change(
        "an administrator",
        "IAM-01 IAM-04",
        ROLE_POLICY,
        ["policy", "Statement", "+"],
        ADMIN,
        "cluster-node-policy",
        late=False,
    ),
    change(
        "every role passed",
        "IAM-02 IAM-04",
        ROLE_POLICY,
        ["policy", "Statement", "+"],
        PASS,
        "cluster-node-policy",
        late=False,
    ),
    change(
        "an inverted statement",
        "IAM-03 IAM-04 IAM-05",
        ROLE_POLICY,
        ["policy", "Statement", "+"],
        {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"},
        "cluster-node-policy",
        late=False,
    ),
    change(
        "a broad policy of AWS's", "IAM-06", ATTACHMENT, ["policyArn"], "arn:aws:iam::aws:policy/AdministratorAccess"
    ),
    change(
        "a role for anybody",
        "IAM-07",
        ROLE,
        ["assumeRolePolicy", "Statement", "+"],
        {**EVERYBODY, "Action": "sts:AssumeRole"},
        "cluster-node",
    ),
    change("no tracing of functions", "LAM-03", FUNCTION, ["tracingConfig", "mode"], "PassThrough"),
    change("a function outside the network", "LAM-04", FUNCTION, ["vpcConfig"], ABSENT),
    change("an old runtime", "LAM-06", FUNCTION, ["runtime"], "python3.8"),
    change("variables without key", "LAM-07", FUNCTION, ["kmsKeyArn"], ABSENT),
    change(
        "a password in a variable", "SEC-01", FUNCTION, ["environment", "variables", "DB_PASSWORD"], "hunter2-Xyzzy"
    ),
    change("executions without log", "SFN-01", MACHINE, ["loggingConfiguration", "level"], "OFF"),
    change("executions without trace", "SFN-02", MACHINE, ["tracingConfiguration"], ABSENT),
    change("a topic without key", "SNS-01", TOPIC, ["kmsMasterKeyId"], ABSENT, "critical"),
    change("AWS's key for a topic", "SNS-01", TOPIC, ["kmsMasterKeyId"], "alias/aws/sns", "critical"),
    change(
        "a topic for anybody",
        "SNS-02",
        "aws:sns/topicPolicy:TopicPolicy",
        ["policy", "Statement", "+"],
        EVERYBODY,
        "critical",
        late=False,
    ),
    change("messages in clear text", "SNS-03", "aws:sns/topicSubscription:TopicSubscription", ["protocol"], "http"),
    change("a queue without key", "SQS-01", QUEUE, ["kmsMasterKeyId"], "", "intake"),
    change(
        "a queue for anybody",
        "SQS-02",
        "aws:sqs/queuePolicy:QueuePolicy",
        ["policy", "Statement", "+"],
        EVERYBODY,
        "intake",
        late=False,
    ),
    change(
        "a queue in clear text",
        "SQS-03",
        "aws:sqs/queuePolicy:QueuePolicy",
        ["policy", "Statement"],
        [],
        "intake",
        late=False,
    ),
    change("logs without key", "LOG-01", LOG_GROUP, ["kmsKeyId"], ABSENT, "dispatcher"),
    change("logs for ever", "LOG-02", LOG_GROUP, ["retentionInDays"], 0, "dispatcher"),
    change("an alarm that nobody hears", "ALM-01", ALARM, ["alarmActions"], []),
    change("events that are lost", "EVB-02", TARGET, ["deadLetterConfig"], ABSENT),
    change("a secret without key", "SMG-01", SECRET, ["kmsKeyId"], ABSENT),
    change("a secret gone at once", "SMG-04", SECRET, ["recoveryWindowInDays"], 0),
    change("another region", "GEN-03", SECRET, ["region"], "us-east-1"),
]


def _changed(resources: Sequence[R], change: Change) -> tuple[list[R], R]:
    """The stack with the first resource that is meant changed, and that resource."""
    changed: list[R] = []
    done: R | None = None
    for resource in resources:
        if done is not None or resource.type != change.type or not change.where(resource):
            changed.append(resource)
            continue
        inputs = changed_inputs(resource.inputs, change.path, change.value)
        late = changed_inputs(resource.late or {}, change.path, change.value) if change.late else resource.late
        first = change.path[0] if change.path else None
        # A value that the program writes itself is made of nothing else.
        depends = {k: v for k, v in (resource.depends or {}).items() if k != first or len(change.path) > 1}
        left = str(first) if change.value is ABSENT and len(change.path) == 1 else ""
        computed = [*resource.computed, *(name for name in program.COMPUTED.get(resource.type, ()) if name == left)]
        done = dataclasses.replace(resource, inputs=inputs, late=late, depends=depends, computed=computed)
        changed.append(done)
    assert done is not None, f"{change.what}: the stack holds no such resource"
    return changed, done


@pytest.mark.parametrize(
    ("change", "known"),
    [
        # What an unknown document holds only the update can tell; it then refuses it before the resource is made.
        pytest.param(change, known, id=f"{', '.join(change.rules)}: {change.what} ({'up' if known else 'preview'})")
        for change in CHANGES
        for known in (True, False)
        if known or change.late
    ],
)
def test_one_change_breaks_the_rules_that_it_should_and_no_other(change: Change, known: bool) -> None:
    resources, changed = _changed(program.resources("prod"), change)
    assert sorted(broken_rules("prod", resources, changed, known)) == sorted(change.rules)


@pytest.mark.parametrize("known", [True, False], ids=["up", "preview"])
@pytest.mark.parametrize(
    ("type", "name", "rule"),
    [
        (BLOCK, "raw", "S3-01"),
        (ENCRYPTION, "processed", "S3-02"),
        (BUCKET_POLICY, "logs", "S3-03"),
        (VERSIONING, "scripts", "S3-06"),
        ("aws:s3/bucketLogging:BucketLogging", "raw", "S3-07"),
        ("aws:ec2/flowLog:FlowLog", "", "NET-08"),
        ("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "", "NET-05"),
        ("aws:sqs/queuePolicy:QueuePolicy", "intake", "SQS-03"),
    ],
)
def test_a_part_that_is_left_out_is_missed(type: str, name: str, rule: str, known: bool) -> None:
    resources = program.resources("prod")
    gone = next(resource for resource in resources if resource.type == type and name in resource.name)
    left = [resource for resource in resources if resource is not gone]
    assert broken_rules("prod", left, None, known) == {rule}


@pytest.mark.parametrize("known", [True, False], ids=["up", "preview"])
def test_a_route_out_makes_the_clusters_subnet_public(known: bool) -> None:
    resources = program.resources("prod")
    cluster = next(resource for resource in resources if resource.type == CLUSTER)
    gateway = next(r for r in resources if r.type == "aws:ec2/internetGateway:InternetGateway")
    subnets = [urn for urn in (cluster.depends or {})["ec2Attributes"] if "aws:ec2/subnet:Subnet" in urn]
    association = next(
        r
        for r in resources
        if r.type == "aws:ec2/routeTableAssociation:RouteTableAssociation"
        and set(subnets) & set((r.depends or {})["subnetId"])
    )
    tables = [r for r in resources if r.urn in (association.depends or {})["routeTableId"] and "RouteTable" in r.type]
    table = next(r for r in tables if r.type == "aws:ec2/routeTable:RouteTable")
    route = R(
        "aws:ec2/route:Route",
        "leak",
        {"routeTableId": table.ref(), "destinationCidrBlock": "0.0.0.0/1", "gatewayId": gateway.ref()},
        stack="prod",
    )
    assert broken_rules("prod", [*resources, route], route, known) == {"NET-07"}
