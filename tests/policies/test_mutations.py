"""Mutation: the production stack, weakened in one step in every way that is known, and the rule that must notice.

Weakenings are generated from the recorded stack, so that what the program gains is weakened too. Five kinds: *drop* a
property or a resource, *flip* a switch, *widen* a network, principal, action or resource, *detach* a setting from what
it is for, *rename* what is named. Each must break one of the rules written beside it; those that weaken nothing are
listed with the reason.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest

from policies.adapter import judge
from policies.model import Resource, Rule, Settings, Stack
from tests.policies import program
from tests.policies.changes import ABSENT, changed_inputs, configured
from tests.policies.harness import R, as_input, as_resource

STACK: Final = "prod"
FEWEST: Final = 300

EQUIVALENT: Final[Mapping[str, str]] = {
    "drop buckets-access-encryption: the whole of it": (
        "access logs can be delivered to SSE-S3 only, and that is what S3 does with a bucket that says nothing"
    ),
    'rename buckets-access-encryption: rules.0.applyServerSideEncryptionByDefault.kmsMasterKeyId "alias/aws/s3"': (
        "the bucket of access logs is encrypted by AES256, beside which S3 reads no key"
    ),
    **{
        f"widen {function}-role-policy: MakeInterfaces everywhere": (
            "AWS's own policy for functions in a network (AWSLambdaVPCAccessExecutionRole) grants these everywhere"
        )
        for function in ("dispatcher", "housekeeping")
    },
    "widen cluster-node-policy: RegisterWithSystemsManager everywhere": (
        "AWS's own instructions for a role of Session Manager grant this everywhere"
    ),
}


@dataclass(frozen=True)
class Mutation:
    """One weakening: of which resource, where, to what (None: the resource is left out), and who must notice."""

    kind: str
    what: str
    rules: frozenset[str]
    resource: R
    path: tuple[str | int, ...] = ()
    value: Any = None

    @property
    def name(self) -> str:
        """Unique and stable: what stands in the list of equivalents."""
        return f"{self.kind} {self.resource.name}: {self.what}"


# What is dropped, flipped or renamed, by type: path, new value (ABSENT: dropped) and rules.
S3: Final = "aws:s3/"
BLOCK: Final = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION: Final = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
DEFAULT: Final = "rules.0.applyServerSideEncryptionByDefault"
CLUSTER: Final = "aws:emr/cluster:Cluster"
CONFIGURATION: Final = "aws:emr/securityConfiguration:SecurityConfiguration"
AT_REST: Final = "configuration.EncryptionConfiguration.AtRestEncryptionConfiguration"
S3_AT_REST: Final = f"{AT_REST}.S3EncryptionConfiguration"
DISKS: Final = f"{AT_REST}.LocalDiskEncryptionConfiguration"
TLS: Final = "configuration.EncryptionConfiguration.InTransitEncryptionConfiguration"
METADATA: Final = "configuration.InstanceMetadataServiceConfiguration"
KERBEROS: Final = "configuration.AuthenticationConfiguration.KerberosConfiguration"
ALIEN_KEY: Final = "alias/aws/service"

PROPERTIES: Final[Mapping[str, Sequence[tuple[str, Any, str]]]] = {
    BLOCK: [
        *((name, False, "S3-01 S3-11") for name in ("blockPublicAcls", "blockPublicPolicy")),
        *((name, ABSENT, "S3-01 S3-11") for name in ("blockPublicAcls", "blockPublicPolicy")),
        *((name, False, "S3-01 S3-11") for name in ("ignorePublicAcls", "restrictPublicBuckets")),
        *((name, ABSENT, "S3-01 S3-11") for name in ("ignorePublicAcls", "restrictPublicBuckets")),
        ("bucket", "another-bucket", "S3-01"),
    ],
    ENCRYPTION: [
        ("rules", [], "S3-02"),
        ("bucket", "another-bucket", "S3-02"),
        (f"{DEFAULT}.sseAlgorithm", "none", "S3-02"),
        (f"{DEFAULT}.kmsMasterKeyId", "alias/aws/s3", "S3-02"),
        (f"{DEFAULT}.kmsMasterKeyId", ABSENT, "S3-02"),
    ],
    "aws:s3/bucketVersioning:BucketVersioning": [
        ("versioningConfiguration.status", "Suspended", "S3-06"),
        ("versioningConfiguration.status", "Disabled", "S3-06"),
        ("bucket", "another-bucket", "S3-06"),
    ],
    "aws:s3/bucketLogging:BucketLogging": [("bucket", "another-bucket", "S3-07")],
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": [
        ("rule.objectOwnership", "ObjectWriter", "S3-08"),
        ("bucket", "another-bucket", "S3-08"),
    ],
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": [
        ("rules", [], "S3-09"),
        ("bucket", "another-bucket", "S3-09"),
    ],
    "aws:s3/bucketPolicy:BucketPolicy": [("bucket", "another-bucket", "S3-03"), ("policy", "", "S3-03")],
    "aws:s3/bucket:Bucket": [("forceDestroy", True, "S3-10"), ("acl", "public-read", "S3-05")],
    "aws:kms/key:Key": [
        ("enableKeyRotation", False, "KMS-01"),
        ("enableKeyRotation", ABSENT, "KMS-01"),
        ("deletionWindowInDays", 7, "KMS-03"),
        ("isEnabled", False, "KMS-03"),
        ("bypassPolicyLockoutSafetyCheck", True, "KMS-03"),
    ],
    CLUSTER: [
        ("securityConfiguration", ABSENT, "EMR-01"),
        ("securityConfiguration", "", "EMR-01"),
        ("securityConfiguration", "another", "EMR-05"),
        ("logUri", ABSENT, "EMR-08"),
        ("logUri", "hdfs:///logs", "EMR-08"),
        ("logEncryptionKmsKeyId", ABSENT, "EMR-08"),
        ("logEncryptionKmsKeyId", ALIEN_KEY, "EMR-08"),
        ("ec2Attributes", ABSENT, "EMR-07"),
        ("ec2Attributes.emrManagedMasterSecurityGroup", ABSENT, "EMR-07"),
        ("ec2Attributes.emrManagedSlaveSecurityGroup", ABSENT, "EMR-07"),
        ("ec2Attributes.serviceAccessSecurityGroup", ABSENT, "EMR-07"),
        ("ec2Attributes.keyName", "operators", "EMR-13"),
        ("releaseLabel", "emr-5.36.0", "EMR-11"),
        ("terminationProtection", False, "EMR-12"),
        ("kerberosAttributes", ABSENT, "EMR-16"),
        ("bootstrapActions", [{"name": "x", "path": "http://example.com/x.sh"}], "EMR-14"),
        ("bootstrapActions", [{"name": "x", "path": "s3://somebody/x.sh"}], "EMR-17"),
    ],
    CONFIGURATION: [
        ("configuration", "", "EMR-02"),
        ("configuration", "{", "EMR-02"),
        ("configuration.EncryptionConfiguration", ABSENT, "EMR-02"),
        ("configuration.EncryptionConfiguration.EnableAtRestEncryption", False, "EMR-02"),
        ("configuration.EncryptionConfiguration.EnableAtRestEncryption", "true", "EMR-02"),
        ("configuration.EncryptionConfiguration.EnableAtRestEncryption", ABSENT, "EMR-02"),
        (AT_REST, ABSENT, "EMR-02"),
        (S3_AT_REST, ABSENT, "EMR-02"),
        (f"{S3_AT_REST}.EncryptionMode", "SSE-S3", "EMR-02"),
        (f"{S3_AT_REST}.EncryptionMode", "sse-kms", "EMR-02"),
        (f"{S3_AT_REST}.AwsKmsKey", ABSENT, "EMR-02"),
        (f"{S3_AT_REST}.AwsKmsKey", "alias/aws/s3", "EMR-02"),
        (f"{S3_AT_REST}.Overrides", [{"BucketName": "x", "EncryptionMode": "SSE-S3"}], "EMR-02"),
        (DISKS, ABSENT, "EMR-03"),
        (f"{DISKS}.EncryptionKeyProviderType", ABSENT, "EMR-03"),
        (f"{DISKS}.AwsKmsKey", ABSENT, "EMR-03"),
        (f"{DISKS}.EnableEbsEncryption", False, "EMR-03"),
        (f"{DISKS}.EnableEbsEncryption", ABSENT, "EMR-03"),
        ("configuration.EncryptionConfiguration.EnableInTransitEncryption", False, "EMR-04"),
        ("configuration.EncryptionConfiguration.EnableInTransitEncryption", "true", "EMR-04"),
        (TLS, ABSENT, "EMR-04"),
        (f"{TLS}.TLSCertificateConfiguration.S3Object", ABSENT, "EMR-04"),
        (f"{TLS}.TLSCertificateConfiguration.S3Object", "", "EMR-04"),
        (f"{TLS}.TLSCertificateConfiguration.CertificateProviderType", ABSENT, "EMR-04"),
        (METADATA, ABSENT, "EMR-06"),
        (f"{METADATA}.MinimumInstanceMetadataServiceVersion", 1, "EMR-06"),
        (f"{METADATA}.HttpPutResponseHopLimit", 2, "EMR-06"),
        (KERBEROS, ABSENT, "EMR-16"),
    ],
    "aws:ec2/subnet:Subnet": [("mapPublicIpOnLaunch", True, "NET-06"), ("mapPublicIpOnLaunch", "true", "NET-06")],
    "aws:ec2/flowLog:FlowLog": [
        ("trafficType", "ACCEPT", "NET-13"),
        ("trafficType", "REJECT", "NET-13"),
        ("vpcId", "vpc-another", "NET-08"),
        ("vpcId", ABSENT, "NET-08"),
    ],
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": [
        ("vpcId", "vpc-another", "NET-05"),
        ("ingress", [{"protocol": "-1", "self": True}], "NET-05"),
        ("egress", [{"protocol": "-1", "cidrBlocks": ["0.0.0.0/0"]}], "NET-05"),
    ],
    "aws:ec2/securityGroup:SecurityGroup": [
        ("ingress", [{"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": ["0.0.0.0/0"]}], "NET-01"),
        ("ingress", [{"protocol": "-1", "ipv6CidrBlocks": ["::/0"]}], "NET-01"),
        ("egress", [{"protocol": "-1", "cidrBlocks": ["0.0.0.0/0"]}], "NET-03"),
        ("description", "Managed by Pulumi", "NET-15"),
    ],
    "aws:ec2/vpcEndpoint:VpcEndpoint": [
        ("policy", ABSENT, "NET-14"),
        (
            "policy",
            json.dumps({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}),
            "NET-12",
        ),
    ],
    "aws:lambda/function:Function": [
        ("tracingConfig", ABSENT, "LAM-03"),
        ("tracingConfig.mode", "PassThrough", "LAM-03"),
        ("vpcConfig", ABSENT, "LAM-04"),
        ("vpcConfig.subnetIds", [], "LAM-04"),
        ("vpcConfig.securityGroupIds", [], "LAM-04"),
        ("runtime", "python3.8", "LAM-06"),
        ("kmsKeyArn", ABSENT, "LAM-07"),
        ("kmsKeyArn", "alias/aws/lambda", "LAM-07"),
        ("environment.variables.API_TOKEN", "hunter2-Xyzzy", "SEC-01"),
        ("environment.variables.AWS_KEY", "AKIAIOSFODNN7EXAMPLE", "SEC-01"),
    ],
    "aws:sfn/stateMachine:StateMachine": [
        ("loggingConfiguration", ABSENT, "SFN-01"),
        ("loggingConfiguration.level", "OFF", "SFN-01"),
        ("loggingConfiguration.logDestination", ABSENT, "SFN-01"),
        ("tracingConfiguration", ABSENT, "SFN-02"),
        ("tracingConfiguration.enabled", False, "SFN-02"),
    ],
    "aws:sns/topic:Topic": [
        ("kmsMasterKeyId", ABSENT, "SNS-01"),
        ("kmsMasterKeyId", "", "SNS-01"),
        ("kmsMasterKeyId", "alias/aws/sns", "SNS-01"),
    ],
    "aws:sns/topicSubscription:TopicSubscription": [("protocol", "http", "SNS-03")],
    "aws:sqs/queue:Queue": [
        ("kmsMasterKeyId", ABSENT, "SQS-01"),
        ("kmsMasterKeyId", "alias/aws/sqs", "SQS-01"),
        ("kmsMasterKeyId", "arn:aws:kms:eu-west-1:111122223333:alias/aws/sqs", "SQS-01"),
    ],
    "aws:sqs/queuePolicy:QueuePolicy": [("queueUrl", "https://another", "SQS-03"), ("policy", "", "SQS-03")],
    "aws:cloudwatch/logGroup:LogGroup": [
        ("kmsKeyId", ABSENT, "LOG-01"),
        ("kmsKeyId", ALIEN_KEY, "LOG-01"),
        ("retentionInDays", 0, "LOG-02"),
        ("retentionInDays", ABSENT, "LOG-02"),
        ("retentionInDays", 30, "LOG-02"),
    ],
    "aws:cloudwatch/metricAlarm:MetricAlarm": [
        ("alarmActions", [], "ALM-01"),
        ("alarmActions", ABSENT, "ALM-01"),
        ("actionsEnabled", False, "ALM-01"),
    ],
    "aws:cloudwatch/eventTarget:EventTarget": [
        ("deadLetterConfig", ABSENT, "EVB-02"),
        ("deadLetterConfig.arn", "", "EVB-02"),
    ],
    "aws:secretsmanager/secret:Secret": [
        ("kmsKeyId", ABSENT, "SMG-01"),
        ("kmsKeyId", "alias/aws/secretsmanager", "SMG-01"),
        ("recoveryWindowInDays", 0, "SMG-04"),
        ("policy", json.dumps({"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}}), "SMG-03"),
    ],
    "aws:dynamodb/table:Table": [
        ("serverSideEncryption", ABSENT, "DDB-01"),
        ("serverSideEncryption.enabled", False, "DDB-01"),
        ("serverSideEncryption.kmsKeyArn", ABSENT, "DDB-01"),
        ("serverSideEncryption.kmsKeyArn", "alias/aws/dynamodb", "DDB-01"),
        ("pointInTimeRecovery", ABSENT, "DDB-02"),
        ("pointInTimeRecovery.enabled", False, "DDB-02"),
        ("deletionProtectionEnabled", False, "DDB-03"),
    ],
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": [
        ("policyArn", "arn:aws:iam::aws:policy/AdministratorAccess", "IAM-06"),
        ("policyArn", "arn:aws:iam::aws:policy/service-role/AmazonElasticMapReduceforEC2Role", "IAM-06"),
    ],
    "aws:ssm/parameter:Parameter": [("type", "SecureString", "SSM-01")],
}

# Resources without which another is weaker.
PARTS: Final[Mapping[str, str]] = {
    BLOCK: "S3-01",
    ENCRYPTION: "S3-02",
    "aws:s3/bucketPolicy:BucketPolicy": "S3-03",
    "aws:s3/bucketVersioning:BucketVersioning": "S3-06",
    "aws:s3/bucketLogging:BucketLogging": "S3-07",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": "S3-08",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "S3-09",
    "aws:ec2/flowLog:FlowLog": "NET-08",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "NET-05",
    "aws:sqs/queuePolicy:QueuePolicy": "SQS-03",
}

# Documents: which property, who notices that everybody is let in, and whether identities hold it.
DOCUMENTS: Final[Mapping[str, tuple[str, str]]] = {
    "aws:s3/bucketPolicy:BucketPolicy": ("policy", "S3-04"),
    "aws:kms/key:Key": ("policy", "KMS-02"),
    "aws:sns/topicPolicy:TopicPolicy": ("policy", "SNS-02"),
    "aws:sqs/queuePolicy:QueuePolicy": ("policy", "SQS-02"),
    "aws:iam/role:Role": ("assumeRolePolicy", "IAM-07"),
}
TLS_RULES: Final = {"aws:s3/bucketPolicy:BucketPolicy": "S3-03", "aws:sqs/queuePolicy:QueuePolicy": "SQS-03"}
ROLE_POLICY: Final = "aws:iam/rolePolicy:RolePolicy"
INGRESS: Final = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS: Final = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"


def _statements(resource: R, name: str) -> list[dict[str, Any]]:
    written = resource.inputs.get(name)
    return json.loads(written)["Statement"] if isinstance(written, str) and written else []


def _properties(resource: R) -> Iterator[Mutation]:
    for dotted, value, rules in PROPERTIES.get(resource.type, ()):
        path = tuple(int(key) if key.isdigit() else key for key in dotted.split("."))
        if value is ABSENT and _at(resource.inputs, path) is None:
            continue  # It is not there to be dropped.
        if path[0] == "retentionInDays" and value == resource.inputs.get("retentionInDays"):
            continue
        kind = "drop" if value is ABSENT or value in ("", []) else "flip" if isinstance(value, bool) else "rename"
        kind = "detach" if "another" in str(value) else kind
        shown = "dropped" if value is ABSENT else json.dumps(value)[:60]
        yield Mutation(kind, f"{dotted} {shown}", frozenset(rules.split()), resource, path, value)


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        inner: Any = json.loads(value) if isinstance(value, str) else value
        value = inner[key] if isinstance(key, int) else inner.get(key) if isinstance(inner, dict) else None
    return value


def _resource_documents(resource: R) -> Iterator[Mutation]:
    """Everybody instead of somebody; a service without saying for whom; clear text."""
    name, rule = DOCUMENTS.get(resource.type, ("", ""))
    for index, statement in enumerate(_statements(resource, name) if name else []):
        sid, path = statement.get("Sid", index), (name, "Statement", index)
        if statement["Effect"] == "Allow":
            opened = {key: value for key, value in statement.items() if key != "Condition"}
            for principal in ("*", {"AWS": "*"}, {"AWS": ["arn:aws:iam::111122223333:root", "*"]}):
                new = {**opened, "Principal": principal}
                yield Mutation("widen", f"{sid} for {principal}", frozenset({rule}), resource, path, new)
            inverted = {
                **{k: v for k, v in opened.items() if k != "Principal"},
                "NotPrincipal": {"AWS": "arn:aws:iam::1:root"},
            }
            yield Mutation("widen", f"{sid} for all but one", frozenset({rule}), resource, path, inverted)
            if (
                "Service" in statement.get("Principal", {})
                and "Condition" in statement
                and rule not in ("KMS-02", "IAM-07")
            ):
                yield Mutation(
                    "drop", f"{sid}'s condition", frozenset({"IAM-09"}), resource, (*path, "Condition"), ABSENT
                )
        elif resource.type in TLS_RULES and "aws:SecureTransport" in json.dumps(statement):
            rules = frozenset({TLS_RULES[resource.type]})
            yield Mutation(
                "drop", f"{sid}", rules, resource, path, {**statement, "Effect": "Allow", "Principal": {"AWS": "x"}}
            )
            yield Mutation("widen", f"{sid} but for one", rules, resource, path, _but_for_one(statement))
            wrong = {**statement, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}
            yield Mutation("flip", f"{sid} for TLS", rules, resource, path, wrong)
            reading = {**statement, "Action": [f"{statement['Action'].split(':')[0]}:Get*"]}
            yield Mutation("widen", f"{sid} for reading only", rules, resource, path, reading)


def _but_for_one(statement: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in statement.items() if key != "Principal"}
    return {**kept, "NotPrincipal": {"AWS": "arn:aws:iam::111122223333:role/x"}}


def _identity_documents(resource: R) -> Iterator[Mutation]:
    """More actions, more resources."""
    if resource.type != ROLE_POLICY:
        return
    for index, statement in enumerate(_statements(resource, "policy")):
        if statement["Effect"] != "Allow":
            continue
        sid, path = statement.get("Sid", index), ("policy", "Statement", index)
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        yield Mutation("widen", f"{sid} for every action", frozenset({"IAM-01"}), resource, (*path, "Action"), "*")
        service = actions[0].split(":")[0]
        whole = [*actions, f"{service.upper()}:*"]
        yield Mutation(
            "widen", f"{sid} for all of {service}", frozenset({"IAM-02"}), resource, (*path, "Action"), whole
        )
        inverted = {**{k: v for k, v in statement.items() if k != "Action"}, "NotAction": actions}
        yield Mutation("widen", f"{sid} for all but its actions", frozenset({"IAM-03"}), resource, path, inverted)
        passing = [*actions, "iam:Pass*"]
        if statement.get("Resource") in ("*", ["*"]):
            yield Mutation("widen", f"{sid} passes roles", frozenset({"IAM-04"}), resource, (*path, "Action"), passing)
        else:
            anywhere = {key: value for key, value in statement.items() if key != "Condition"}
            rules = frozenset({"IAM-02", "IAM-04"})
            yield Mutation("widen", f"{sid} everywhere", rules, resource, path, {**anywhere, "Resource": "*"})
            all_but = {**{k: v for k, v in anywhere.items() if k != "Resource"}, "NotResource": "arn:aws:s3:::x"}
            yield Mutation("widen", f"{sid} nearly everywhere", frozenset({"IAM-03"}), resource, path, all_but)
        writing = [*actions, "iam:PutRole*"]
        yield Mutation(
            "widen", f"{sid} writes permissions", frozenset({"IAM-05"}), resource, (*path, "Action"), writing
        )


def _group_rules(resource: R) -> Iterator[Mutation]:
    if resource.type == INGRESS:
        for key, cidr in (("cidrIpv4", "0.0.0.0/0"), ("cidrIpv4", "128.0.0.0/1"), ("cidrIpv6", "::/0")):
            opened = {**resource.inputs, key: cidr}
            opened.pop("referencedSecurityGroupId", None)
            yield Mutation("widen", f"from {cidr}", frozenset({"NET-01"}), resource, (), opened)
    elif resource.type == EGRESS:
        opened = {**resource.inputs, "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"}
        for key in ("referencedSecurityGroupId", "prefixListId", "fromPort", "toPort"):
            opened.pop(key, None)
        yield Mutation("widen", "to everywhere", frozenset({"NET-03"}), resource, (), opened)
    if resource.type in (INGRESS, EGRESS):
        yield Mutation("drop", "description", frozenset({"NET-15"}), resource, ("description",), ABSENT)


def generate() -> list[Mutation]:
    """All weakenings of the recorded stack."""
    found: list[Mutation] = []
    for resource in program.resources(STACK):
        if resource.type in PARTS:
            found.append(Mutation("drop", "the whole of it", frozenset({PARTS[resource.type]}), resource))
        for make in (_properties, _resource_documents, _identity_documents, _group_rules):
            found += make(resource)
        if resource.type.startswith("aws:") and resource.inputs.get("tags") is not None:
            rules = frozenset({"GEN-03"})
            found.append(Mutation("rename", "region", rules, resource, ("region",), "us-east-1"))
    return found


MUTATIONS: Final = generate()


@functools.cache
def _rules() -> Mapping[str, tuple[Rule, Settings]]:
    return {rule.id: (rule, settings) for rule, settings in configured(STACK)}


@functools.cache
def _unchanged() -> tuple[Resource, ...]:
    return tuple(as_resource(resource, True) for resource in program.resources(STACK))


def noticed(mutation: Mutation) -> set[str]:
    """Which of the mutation's rules find something."""
    original = mutation.resource
    changed = None
    if mutation.path or mutation.value is not None:
        changed = _changed(original, mutation.path, mutation.value)
    stack: Stack | None = None
    found: set[str] = set()
    for name in mutation.rules:
        rule, settings = _rules()[name]
        if rule.resource_check is not None:
            judged = [(as_input(changed, True), None)] if changed is not None and rule.judges(changed.type) else []
        else:
            stack = stack or _stack_with(original, changed)
            judged = [(resource, stack) for resource in stack.resources if rule.judges(resource.type)]
        if any(finding.decided for resource, whole in judged for finding in judge(rule, resource, whole, settings)):
            found.add(name)
    return found


def _changed(resource: R, path: tuple[str | int, ...], value: Any) -> R:
    inputs = changed_inputs(resource.inputs, path, value) if path else value
    # What the program left out is the provider's, as for an update.
    computed = [name for name in program.COMPUTED.get(resource.type, ()) if name not in inputs]
    # A value that is written stands for itself; one that is taken from a document is made of what it was made of.
    depends = {k: v for k, v in (resource.depends or {}).items() if len(path) > 1 or (path and k != path[0])}
    return dataclasses.replace(resource, inputs=inputs, depends=depends, computed=computed)


def _stack_with(original: R, changed: R | None) -> Stack:
    parts = [resource for resource in _unchanged() if resource.urn != original.urn]
    return Stack([*parts, *([as_resource(changed, True)] if changed is not None else [])])


def test_there_are_enough_of_every_kind() -> None:
    kinds = {kind: sum(m.kind == kind for m in MUTATIONS) for kind in ("drop", "flip", "widen", "detach", "rename")}
    assert len(MUTATIONS) >= FEWEST
    assert min(kinds.values()) >= 10, kinds
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS), "each has a name of its own"
    covered = {rule for mutation in MUTATIONS for rule in mutation.rules}
    assert len(covered) >= 60, f"{len(covered)} rules only"


def test_every_weakening_is_noticed_by_a_rule_that_is_meant_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    judged = [mutation for mutation in MUTATIONS if mutation.name not in EQUIVALENT]
    missed = [f"{m.name} ({', '.join(sorted(m.rules))})" for m in judged if not noticed(m)]
    with capsys.disabled():
        print(f"\nmutations: {len(judged) - len(missed)} of {len(judged)} noticed; {len(EQUIVALENT)} weaken nothing")
    assert not missed, "\n".join(missed)


def test_what_weakens_nothing_is_still_there_and_has_a_reason() -> None:
    names = {mutation.name for mutation in MUTATIONS}
    for name, reason in EQUIVALENT.items():
        assert name in names, f"{name} is no weakening any more; take it off the list"
        assert len(reason.split()) > 4, f"{name}: why does it weaken nothing?"
