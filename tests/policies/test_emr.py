"""Rules of the cluster, each in the forms of `up` and preview."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from policies import emr as e
from policies import network as n
from tests.policies.cases import Case, bad, check, good, open_question, parametrize
from tests.policies.harness import UNKNOWN, R, Secret

KEY = "arn:aws:kms:eu-west-1:111122223333:key/11112222-3333-4444-5555-666677778888"

CONFIGURATION: dict[str, Any] = {
    "EncryptionConfiguration": {
        "EnableInTransitEncryption": True,
        "EnableAtRestEncryption": True,
        "InTransitEncryptionConfiguration": {
            "TLSCertificateConfiguration": {
                "CertificateProviderType": "PEM",
                "S3Object": "s3://scripts/certificates.zip",
            }
        },
        "AtRestEncryptionConfiguration": {
            "S3EncryptionConfiguration": {"EncryptionMode": "SSE-KMS", "AwsKmsKey": KEY},
            "LocalDiskEncryptionConfiguration": {
                "EncryptionKeyProviderType": "AwsKms",
                "AwsKmsKey": KEY,
                "EnableEbsEncryption": True,
            },
        },
    },
    "AuthenticationConfiguration": {
        "KerberosConfiguration": {
            "Provider": "ClusterDedicatedKdc",
            "ClusterDedicatedKdcConfiguration": {"TicketLifetimeInHours": 24},
        }
    },
    "InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": 2, "HttpPutResponseHopLimit": 1},
}

REST = ("EncryptionConfiguration", "AtRestEncryptionConfiguration")
S3 = (*REST, "S3EncryptionConfiguration")
DISK = (*REST, "LocalDiskEncryptionConfiguration")
TLS = ("EncryptionConfiguration", "InTransitEncryptionConfiguration", "TLSCertificateConfiguration")
ABSENT = object()


def changed(*path_and_value: Any) -> dict[str, Any]:
    """The good configuration with one value changed or taken out."""
    *path, value = path_and_value
    document = copy.deepcopy(CONFIGURATION)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    if value is ABSENT:
        inner.pop(path[-1], None)
    else:
        inner[path[-1]] = value
    return document


def configuration(document: Any = CONFIGURATION, name: str = "security") -> R:
    text = document if not isinstance(document, dict) else json.dumps(document)
    return R(e.SECURITY_CONFIGURATION, name, {"configuration": text})


def cluster(**inputs: Any) -> R:
    return R(n.EMR_CLUSTER, "cluster", {"releaseLabel": "emr-6.9.0", **inputs})


def emr_01() -> list[Case]:
    rule = "EMR-01"
    return [
        good(rule, "named", cluster(securityConfiguration="security")),
        bad(rule, "absent", cluster()),
        bad(rule, "empty", cluster(securityConfiguration="")),
        bad(rule, "blank", cluster(securityConfiguration="  ")),
        bad(rule, "null", cluster(securityConfiguration=None)),
        bad(rule, "no text", cluster(securityConfiguration=["security"])),
        good(
            rule,
            "of the stack",
            s := configuration(),
            cluster(securityConfiguration=s.ref("name")),
            preview="undecided",
        ),
    ]


def of_configurations() -> list[Case]:
    """EMR-02, 03, 04 and 06: what is wrong with a configuration, and what is not."""
    flag = ("EncryptionConfiguration", "EnableAtRestEncryption")
    transit = ("EncryptionConfiguration", "EnableInTransitEncryption")
    metadata = "InstanceMetadataServiceConfiguration"
    outside = {**CONFIGURATION, "EncryptionConfiguration": ABSENT, "EnableAtRestEncryption": True}
    outside = {key: value for key, value in outside.items() if value is not ABSENT}
    broken: dict[str, list[tuple[str, Any]]] = {
        "EMR-02": [
            ("the flag is false", changed(*flag, False)),
            ("the flag is text", changed(*flag, "true")),
            ("the flag is false as text", changed(*flag, "false")),
            ("the flag is a number", changed(*flag, 1)),
            ("the flag is absent", changed(*flag, ABSENT)),
            ("the flag stands in the wrong place", outside),
            ("keys of S3's own", changed(*S3, "EncryptionMode", "SSE-S3")),
            ("no mode", changed(*S3, "EncryptionMode", ABSENT)),
            ("no key", changed(*S3, "AwsKmsKey", ABSENT)),
            ("an empty key", changed(*S3, "AwsKmsKey", "")),
            ("the key that AWS manages", changed(*S3, "AwsKmsKey", "alias/aws/s3")),
            ("no block", changed(*S3, ABSENT)),
            ("a bucket's override", changed(*S3, "Overrides", [{"BucketName": "b", "EncryptionMode": "SSE-S3"}])),
            ("the words in a comment only", {"Note": "SSE-KMS EnableAtRestEncryption true"}),
        ],
        "EMR-03": [
            ("no block", changed(*DISK, ABSENT)),
            ("an empty block", changed(*DISK, {})),
            ("no provider", changed(*DISK, "EncryptionKeyProviderType", ABSENT)),
            ("an unknown provider", changed(*DISK, "EncryptionKeyProviderType", "None")),
            ("an empty key", changed(*DISK, "AwsKmsKey", "")),
            ("no EBS", changed(*DISK, "EnableEbsEncryption", ABSENT)),
            ("no EBS, as text", changed(*DISK, "EnableEbsEncryption", "true")),
            ("at rest off", changed(*flag, False)),
            (
                "a custom provider without class",
                changed(
                    *DISK,
                    {"EncryptionKeyProviderType": "Custom", "S3Object": "s3://b/k.jar", "EnableEbsEncryption": True},
                ),
            ),
        ],
        "EMR-04": [
            ("the flag is false", changed(*transit, False)),
            ("the flag is text", changed(*transit, "true")),
            ("the flag is absent", changed(*transit, ABSENT)),
            ("no certificates", changed(*TLS, ABSENT)),
            (
                "no certificate block at all",
                changed("EncryptionConfiguration", "InTransitEncryptionConfiguration", ABSENT),
            ),
            ("an empty address", changed(*TLS, "S3Object", "")),
            ("no provider", changed(*TLS, "CertificateProviderType", ABSENT)),
            ("a custom provider without class", changed(*TLS, "CertificateProviderType", "Custom")),
        ],
        "EMR-06": [
            ("version 1", changed(metadata, "MinimumInstanceMetadataServiceVersion", 1)),
            ("absent", changed(metadata, ABSENT)),
            ("two hops", changed(metadata, "HttpPutResponseHopLimit", 2)),
            ("no hop limit", changed(metadata, "HttpPutResponseHopLimit", ABSENT)),
        ],
    }
    fine: dict[str, list[tuple[str, Any]]] = {
        "EMR-02": [
            ("client-side keys", changed(*S3, "EncryptionMode", "CSE-KMS")),
            (
                "a good override",
                changed(*S3, "Overrides", [{"BucketName": "b", "EncryptionMode": "SSE-KMS", "AwsKmsKey": KEY}]),
            ),
            ("in-transit is not its matter", changed(*transit, False)),
        ],
        "EMR-03": [
            (
                "a custom provider",
                changed(
                    *DISK,
                    {
                        "EncryptionKeyProviderType": "Custom",
                        "S3Object": "s3://b/k.jar",
                        "EncryptionKeyProviderClass": "K",
                        "EnableEbsEncryption": True,
                    },
                ),
            ),
            ("S3 is not its matter", changed(*S3, "EncryptionMode", "SSE-S3")),
        ],
        "EMR-04": [("at rest is not its matter", changed(*flag, False))],
        "EMR-06": [],
    }
    malformed = ["", "{", "[]", "null", "7", "not JSON", [], 7, None]
    cases: list[Case] = []
    for rule in broken:
        cases += [bad(rule, title, configuration(document)) for title, document in broken[rule]]
        cases += [bad(rule, f"malformed: {document!r}", configuration(document)) for document in malformed]
        cases += [good(rule, title, configuration(document)) for title, document in fine[rule]]
        cases += [
            good(rule, "as it should be", configuration()),
            good(rule, "an object instead of text", R(e.SECURITY_CONFIGURATION, "s", {"configuration": CONFIGURATION})),
            good(
                rule, "a secret", R(e.SECURITY_CONFIGURATION, "s", {"configuration": Secret(json.dumps(CONFIGURATION))})
            ),
            bad(rule, "no configuration", R(e.SECURITY_CONFIGURATION, "s", {})),
            open_question(rule, "not known yet", R(e.SECURITY_CONFIGURATION, "s", {"configuration": UNKNOWN})),
        ]
    return [
        *cases,
        open_question(
            "EMR-02",
            "an object with an unknown key",
            R(e.SECURITY_CONFIGURATION, "s", {"configuration": changed(*S3, "AwsKmsKey", UNKNOWN)}),
        ),
        bad(
            "EMR-02",
            "an object with an unknown in front",
            R(
                e.SECURITY_CONFIGURATION,
                "s",
                {"configuration": changed(*S3, {"AwsKmsKey": UNKNOWN, "EncryptionMode": "SSE-S3"})},
            ),
        ),
        open_question(
            "EMR-03",
            "an object with an unknown flag",
            R(e.SECURITY_CONFIGURATION, "s", {"configuration": changed(*DISK, "EnableEbsEncryption", UNKNOWN)}),
        ),
        open_question(
            "EMR-04",
            "an object with an unknown address",
            R(e.SECURITY_CONFIGURATION, "s", {"configuration": changed(*TLS, "S3Object", UNKNOWN)}),
        ),
        open_question(
            "EMR-06",
            "an object with an unknown version",
            R(
                e.SECURITY_CONFIGURATION,
                "s",
                {"configuration": changed(metadata, "MinimumInstanceMetadataServiceVersion", UNKNOWN)},
            ),
        ),
    ]


def emr_05() -> list[Case]:
    rule = "EMR-05"
    fine, weak = configuration(name="fine"), configuration(changed(*S3, "EncryptionMode", "SSE-S3"), "weak")
    late = R(
        e.SECURITY_CONFIGURATION,
        "late",
        {
            "configuration": R("aws:kms/key:Key", "key").ref(
                "arn", json.dumps(CONFIGURATION).replace("{", "{{").replace("}", "}}").replace(KEY, "{0}")
            )
        },
    )
    return [
        good(rule, "a good one", fine, weak, cluster(securityConfiguration=fine.ref("name"))),
        good(rule, "by its id", fine, weak, cluster(securityConfiguration=fine.ref("id"))),
        bad(rule, "a weak one", fine, weak, cluster(securityConfiguration=weak.ref("name")), says=["names weak"]),
        bad(
            rule,
            "a weak one of a fixed name",
            R(e.SECURITY_CONFIGURATION, "w", {"name": "fixed", "configuration": "{}"}),
            cluster(securityConfiguration="fixed"),
        ),
        bad(rule, "one outside the stack", fine, cluster(securityConfiguration="somebody-elses")),
        good(
            rule,
            "one outside the stack that is allowed",
            cluster(securityConfiguration="checked"),
            config={"allowed": ["checked"]},
        ),
        good(rule, "none, which is for EMR-01 to say", fine, cluster()),
        good(
            rule,
            "a good one that is not known yet",
            R("aws:kms/key:Key", "key"),
            late,
            cluster(securityConfiguration=late.ref("name")),
            preview="undecided",
        ),
        open_question(rule, "an unknown one", fine, cluster(securityConfiguration=UNKNOWN)),
    ]


GROUPS = {
    "emrManagedMasterSecurityGroup": "sg-1",
    "emrManagedSlaveSecurityGroup": "sg-2",
    "serviceAccessSecurityGroup": "sg-3",
}


def emr_07() -> list[Case]:
    rule = "EMR-07"
    without = [{key: value for key, value in GROUPS.items() if key != name} for name in GROUPS]
    return [
        good(rule, "complete", cluster(ec2Attributes={"subnetId": "subnet-1", **GROUPS})),
        good(rule, "several subnets", cluster(ec2Attributes={"subnetIds": ["subnet-1"], **GROUPS})),
        good(rule, "unknown ids", cluster(ec2Attributes={"subnetId": UNKNOWN, **dict.fromkeys(GROUPS, UNKNOWN)})),
        bad(rule, "no attributes", cluster()),
        bad(rule, "no subnet", cluster(ec2Attributes=GROUPS), says=["subnetId"]),
        bad(rule, "an empty subnet", cluster(ec2Attributes={"subnetId": "", **GROUPS})),
        bad(rule, "an empty list", cluster(ec2Attributes={"subnetIds": [], **GROUPS})),
        bad(rule, "malformed", cluster(ec2Attributes="subnet-1")),
        *(
            bad(
                rule,
                f"without {sorted(set(GROUPS) - set(groups))[0]}",
                cluster(ec2Attributes={"subnetId": "subnet-1", **groups}),
            )
            for groups in without
        ),
        open_question(rule, "unknown attributes", cluster(ec2Attributes=UNKNOWN)),
    ]


def emr_08() -> list[Case]:
    rule = "EMR-08"
    return [
        good(rule, "complete", cluster(logUri="s3://logs/elasticmapreduce/", logEncryptionKmsKeyId=KEY)),
        bad(rule, "no address", cluster(logEncryptionKmsKeyId=KEY), says=["logUri"]),
        bad(rule, "an empty address", cluster(logUri="", logEncryptionKmsKeyId=KEY)),
        bad(rule, "a local address", cluster(logUri="/var/log", logEncryptionKmsKeyId=KEY)),
        bad(rule, "no bucket", cluster(logUri="s3:///x", logEncryptionKmsKeyId=KEY)),
        bad(rule, "no key", cluster(logUri="s3://logs/"), says=["logEncryptionKmsKeyId"]),
        bad(rule, "an unknown address and no key", cluster(logUri=UNKNOWN)),
        open_question(rule, "an unknown key", cluster(logUri="s3://logs/", logEncryptionKmsKeyId=UNKNOWN)),
        open_question(rule, "an unknown address", cluster(logUri=UNKNOWN, logEncryptionKmsKeyId=KEY)),
    ]


def emr_09() -> list[Case]:
    rule = "EMR-09"

    def block(flag: Any = True, *ranges: Any) -> R:
        return R(
            e.BLOCK_PUBLIC_ACCESS,
            "block",
            {"blockPublicSecurityGroupRules": flag, "permittedPublicSecurityGroupRuleRanges": list(ranges)},
        )

    return [
        good(rule, "on", block()),
        good(rule, "on, with AWS's own exception", block(True, {"minRange": 22, "maxRange": 22})),
        bad(
            rule,
            "AWS's own exception, where it is not allowed",
            block(True, {"minRange": 22, "maxRange": 22}),
            config={"permittedPorts": []},
        ),
        bad(rule, "off", block(False)),
        bad(rule, "absent", R(e.BLOCK_PUBLIC_ACCESS, "block")),
        good(rule, "on, as text", block("true")),
        bad(rule, "off, as text", block("false")),
        bad(rule, "a port", block(True, {"minRange": 8443, "maxRange": 8443})),
        bad(rule, "a range around 22", block(True, {"minRange": 0, "maxRange": 65535})),
        bad(rule, "a second range", block(True, {"minRange": 22, "maxRange": 22}, {"minRange": 80, "maxRange": 80})),
        bad(rule, "a range without an end", block(True, {"minRange": 23})),
        bad(rule, "a range that says nothing", block(True, {})),
        open_question(rule, "not known yet", block(UNKNOWN)),
        open_question(rule, "a range not known yet", block(True, {"minRange": UNKNOWN})),
        bad(
            rule,
            "an unknown range before an open one",
            block(True, {"minRange": UNKNOWN}, {"minRange": 80, "maxRange": 80}),
        ),
    ]


def emr_10() -> list[Case]:
    rule = "EMR-10"
    open_rule = {"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": ["0.0.0.0/0"]}

    def group(name: str, *ingress: Any) -> R:
        return R(
            n.SECURITY_GROUP,
            name,
            {"vpcId": "vpc-1", **({"ingress": list(ingress)} if ingress else {})},
            {"id": f"sg-{name}"},
            computed=() if ingress else ("ingress",),
        )

    closed, opened = group("closed"), group("opened", open_rule)
    ingress = R(n.INGRESS_RULE, "rule", {"securityGroupId": closed.ref(), "ipProtocol": "-1", "cidrIpv6": "::/0"})
    old = R(
        n.SECURITY_GROUP_RULE,
        "rule",
        {"securityGroupId": closed.ref(), "type": "ingress", "protocol": "-1", "cidrBlocks": ["128.0.0.0/1"]},
    )
    egress = R(n.EGRESS_RULE, "rule", {"securityGroupId": closed.ref(), "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"})
    prefixes = R(n.PREFIX_LIST, "list", {"entries": [{"cidr": "0.0.0.0/0"}]}, {"id": "pl-1"})
    through = R(
        n.INGRESS_RULE, "rule", {"securityGroupId": closed.ref(), "ipProtocol": "tcp", "prefixListId": prefixes.ref()}
    )
    nowhere = R(n.INGRESS_RULE, "rule", {"securityGroupId": UNKNOWN, "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"})

    def on(*groups: R, **attributes: Any) -> R:
        names = list(GROUPS)
        return cluster(
            ec2Attributes={"subnetId": "subnet-1", **{names[i]: g.ref() for i, g in enumerate(groups)}, **attributes}
        )

    return [
        good(rule, "closed", closed, on(closed)),
        bad(rule, "inline", closed, opened, on(closed, opened), says=["group opened"]),
        bad(rule, "a rule resource", closed, ingress, on(closed)),
        bad(rule, "an old rule resource", closed, old, on(closed)),
        bad(rule, "a prefix list", closed, prefixes, through, on(closed)),
        bad(rule, "service access", closed, opened, on(closed, closed, opened)),
        bad(rule, "an additional group", closed, opened, on(closed, additionalMasterSecurityGroups=opened.ref())),
        bad(
            rule,
            "the second of the additional groups",
            closed,
            opened,
            on(closed, additionalSlaveSecurityGroups=opened.ref("id", "sg-closed, {}")),
        ),
        bad(rule, "the default group", d := R(n.DEFAULT_SECURITY_GROUP, "default", {"ingress": [open_rule]}), on(d)),
        good(rule, "egress", closed, egress, on(closed)),
        good(rule, "an open group that the cluster does not use", closed, opened, on(closed)),
        good(rule, "no groups, which is for EMR-07 to say", opened, cluster()),
        open_question(
            rule, "a group outside the stack", cluster(ec2Attributes={"emrManagedMasterSecurityGroup": "sg-0123"})
        ),
        open_question(rule, "unknown attributes", cluster(ec2Attributes=UNKNOWN)),
        open_question(rule, "an open rule of an unknown group", closed, nowhere, on(closed)),
    ]


def emr_11() -> list[Case]:
    rule = "EMR-11"
    return [
        good(rule, "the oldest", cluster()),
        good(rule, "two digits", cluster(releaseLabel="emr-6.15.0")),
        good(rule, "the next but three", cluster(releaseLabel="emr-10.0.0"), config={"minimum": "emr-7.12.0"}),
        bad(rule, "too old", cluster(releaseLabel="emr-5.36.0"), says=["emr-5.36.0"]),
        bad(rule, "older by one digit", cluster(releaseLabel="emr-6.8.1")),
        bad(rule, "below the setting", cluster(releaseLabel="emr-7.9.0"), config={"minimum": "emr-7.10.0"}),
        bad(rule, "no label", cluster(releaseLabel="latest")),
        bad(rule, "absent", R(n.EMR_CLUSTER, "cluster")),
        open_question(rule, "not known yet", cluster(releaseLabel=UNKNOWN)),
    ]


def emr_12() -> list[Case]:
    rule = "EMR-12"
    return [
        good(rule, "protected", cluster(terminationProtection=True)),
        good(rule, "one that ends by itself", cluster(keepJobFlowAliveWhenNoSteps=False)),
        good(rule, "three primaries, which EMR protects", cluster(masterInstanceGroup={"instanceCount": 3})),
        bad(rule, "absent", cluster()),
        bad(rule, "off", cluster(terminationProtection=False, keepJobFlowAliveWhenNoSteps=True)),
        bad(
            rule,
            "three primaries, switched off",
            cluster(masterInstanceGroup={"instanceCount": 3}, terminationProtection=False),
        ),
        open_question(rule, "not known yet", cluster(terminationProtection=UNKNOWN)),
        open_question(rule, "unknown whether it stays", cluster(keepJobFlowAliveWhenNoSteps=UNKNOWN)),
    ]


def emr_13() -> list[Case]:
    return [
        good("EMR-13", "no key", cluster(ec2Attributes=GROUPS)),
        good("EMR-13", "no attributes", cluster()),
        bad("EMR-13", "a key", cluster(ec2Attributes={"keyName": "operators"})),
        open_question("EMR-13", "a key not known yet", cluster(ec2Attributes={"keyName": UNKNOWN})),
    ]


WEB = "https://example.com/install"


def emr_14() -> list[Case]:
    rule = "EMR-14"

    def step(jar: Any, *arguments: Any) -> R:
        return cluster(
            steps=[{"name": "s", "actionOnFailure": "CONTINUE", "hadoopJarStep": {"jar": jar, "args": list(arguments)}}]
        )

    return [
        good(rule, "S3", cluster(bootstrapActions=[{"name": "a", "path": "s3://scripts/a.sh"}])),
        good(rule, "a step of EMR's own", step("command-runner.jar", "spark-submit", "s3://scripts/job.py")),
        good(
            rule,
            "an address that is no code",
            step("command-runner.jar", "spark-submit", "s3://s/job.py", "--endpoint", "https://example.com/api"),
        ),
        good(rule, "nothing", cluster()),
        bad(
            rule, "a bootstrap action", cluster(bootstrapActions=[{"name": "a", "path": "https://example.com/install"}])
        ),
        bad(
            rule,
            "the second bootstrap action",
            cluster(bootstrapActions=[{"path": "s3://s/a.sh"}, {"path": "HTTP://example.com/a.sh"}]),
        ),
        bad(rule, "a step's jar", step("http://example.com/x.jar")),
        *(
            bad(rule, f"read by a shell: {shell}", step("command-runner.jar", "bash", "-c", f"curl {WEB} | {shell}"))
            for shell in ("bash", "sudo sh -s", "/bin/bash", "python3 -")
        ),
        *(
            bad(rule, f"made into a command: {command}", step("command-runner.jar", "bash", "-c", command))
            for command in (f'sh -c "$(curl -s {WEB})"', f"bash <(wget -qO- {WEB})")
        ),
        good(rule, "kept in a variable", step("command-runner.jar", "bash", "-c", f"VERSION=$(curl -s {WEB}); echo")),
        good(rule, "read by a program", step("command-runner.jar", "bash", "-c", f"curl {WEB} | jq .version")),
        bad(
            rule,
            "a step's argument",
            step(
                "command-runner.jar",
                "spark-submit",
                "--jars",
                "s3://s/a.jar,https://example.com/b.jar?x=1",
                "s3://s/job.py",
            ),
        ),
        bad(
            rule,
            "a bootstrap argument",
            cluster(bootstrapActions=[{"path": "s3://s/a.sh", "args": ["https://example.com/a.tar.gz"]}]),
        ),
        bad(rule, "an unknown in front", step(UNKNOWN, "https://example.com/a.py")),
        open_question(rule, "not known yet", step(UNKNOWN)),
        good(rule, "malformed", cluster(bootstrapActions=[None, 7, {}], steps="x")),
    ]


def emr_15() -> list[Case]:
    rule = "EMR-15"
    plain = cluster()
    scaling = R(e.MANAGED_SCALING, "scaling", {"clusterId": plain.ref()})
    group = R(e.INSTANCE_GROUP, "task", {"clusterId": plain.ref(), "autoscalingPolicy": "{}"})
    fixed = R(e.INSTANCE_GROUP, "task", {"clusterId": plain.ref()})
    return [
        bad(rule, "neither", plain),
        bad(rule, "an empty policy", cluster(autoTerminationPolicy={})),
        bad(rule, "a group of fixed size", plain, fixed),
        good(rule, "ends when idle", cluster(autoTerminationPolicy={"idleTimeout": 3600})),
        good(rule, "ends with its steps", cluster(keepJobFlowAliveWhenNoSteps=False)),
        good(rule, "managed scaling", plain, scaling),
        good(rule, "a group that scales", plain, group),
        good(rule, "core nodes that scale", cluster(coreInstanceGroup={"autoscalingPolicy": "{}"})),
        open_question(
            rule, "scaling of an unknown cluster", plain, R(e.MANAGED_SCALING, "scaling", {"clusterId": UNKNOWN})
        ),
        open_question(rule, "a time not known yet", cluster(autoTerminationPolicy={"idleTimeout": UNKNOWN})),
    ]


def emr_16() -> list[Case]:
    rule = "EMR-16"
    secure, plain = configuration(name="secure"), configuration(changed("AuthenticationConfiguration", ABSENT), "plain")
    attributes = {"realm": "EC2.INTERNAL", "kdcAdminPassword": Secret("k3rb3r0s-Xyzzy")}
    return [
        good(
            rule, "complete", secure, cluster(securityConfiguration=secure.ref("name"), kerberosAttributes=attributes)
        ),
        bad(rule, "no attributes", secure, cluster(securityConfiguration=secure.ref("name"))),
        bad(
            rule,
            "an empty password",
            secure,
            cluster(
                securityConfiguration=secure.ref("name"), kerberosAttributes={**attributes, "kdcAdminPassword": ""}
            ),
        ),
        bad(
            rule,
            "no Kerberos in the configuration",
            plain,
            cluster(securityConfiguration=plain.ref("name"), kerberosAttributes=attributes),
            never=["k3rb3r0s"],
        ),
        open_question(
            rule, "an unknown configuration", cluster(securityConfiguration=UNKNOWN, kerberosAttributes=attributes)
        ),
        open_question(
            rule,
            "unknown attributes",
            secure,
            cluster(securityConfiguration=secure.ref("name"), kerberosAttributes=UNKNOWN),
        ),
    ]


def emr_17() -> list[Case]:
    rule = "EMR-17"
    bucket = R(e.BUCKETS[0], "scripts", {"bucket": "my-scripts"})
    unnamed = R(e.BUCKETS[0], "scripts", {}, {"bucket": "scripts-0a1b2c3"}, computed=("bucket",))

    def action(path: Any, *arguments: Any) -> R:
        return cluster(bootstrapActions=[{"name": "a", "path": path, "args": list(arguments)}])

    return [
        good(rule, "the stack's bucket", bucket, action("s3://my-scripts/a.sh")),
        good(rule, "the stack's bucket by reference", unnamed, action(unnamed.ref("bucket", "s3://{}/a.sh"))),
        good(rule, "EMR's own bucket", action("s3://eu-west-1.elasticmapreduce/libs/script-runner/script-runner.jar")),
        good(rule, "an allowed bucket", action("s3://shared/a.sh"), config={"allowed": ["shared"]}),
        good(rule, "data in somebody's bucket", bucket, action("s3://my-scripts/a.sh", "s3://data/input/")),
        bad(rule, "somebody's bucket", bucket, action("s3://somebody/a.sh")),
        bad(rule, "somebody's code in an argument", bucket, action("s3://my-scripts/a.sh", "s3://somebody/b.py")),
        bad(
            rule,
            "somebody's bucket after an unknown",
            bucket,
            cluster(bootstrapActions=[{"path": UNKNOWN}, {"path": "s3a://somebody/a.sh"}]),
        ),
        bad(
            rule,
            "a bucket, while the stack's are not known yet",
            unnamed,
            action("s3://somebody/a.sh"),
            preview="undecided",
        ),
        open_question(rule, "not known yet", action(UNKNOWN)),
    ]


def emr_18() -> list[Case]:
    rule = "EMR-18"

    def settings(**properties: Any) -> list[dict[str, Any]]:
        return [{"Classification": "any-site", "Properties": properties}]

    def configured(value: Any, type: str = n.EMR_CLUSTER) -> R:
        return R(type, "c", {"configurationsJson": value if value is UNKNOWN else json.dumps(value)})

    def template(properties: dict[str, str]) -> R:
        overrides = {"applicationConfigurations": [{"classification": "spark-defaults", "properties": properties}]}
        return R(e.JOB_TEMPLATE, "t", {"jobTemplateData": {"configurationOverrides": overrides}})

    nested = [{"Classification": "x", "Properties": {}, "Configurations": settings(**{"dfs.http.policy": "HTTP_ONLY"})}]
    return [
        *(
            bad(rule, f"{name} is {value}", configured(settings(**{name: value})), says=[name])
            for name, weak in e._WEAKENING.items()  # pyright: ignore[reportPrivateUsage]
            for value in sorted(weak)
            if value
        ),
        bad(rule, "a switch of JSON's own", configured(settings(**{"spark.authenticate": False}))),
        bad(
            rule,
            "for Hadoop, by way of Spark",
            configured(settings(**{"spark.hadoop.fs.s3a.connection.ssl.enabled": "false"})),
        ),
        bad(rule, "in an instance group", configured(settings(**{"spark.authenticate": "false"}), e.INSTANCE_GROUP)),
        bad(rule, "a configuration in a configuration", configured(nested)),
        good(
            rule, "as it should be", configured(settings(**{"spark.authenticate": "true", "spark.executor.cores": "4"}))
        ),
        bad(
            rule,
            "without servers",
            R(e.SERVERLESS, "c", {"runtimeConfigurations": [{"properties": {"spark.authenticate": "false"}}]}),
        ),
        bad(rule, "on Kubernetes", template({"spark.authenticate": "false"})),
        good(rule, "on Kubernetes, as it should be", template({"spark.authenticate": "true"})),
        good(rule, "nothing", R(n.EMR_CLUSTER, "c", {})),
        good(rule, "malformed", R(n.EMR_CLUSTER, "c", {"configurationsJson": "[{", "configurations": "s3://a/b.json"})),
        open_question(rule, "not known yet", configured(UNKNOWN)),
    ]


def emr_19() -> list[Case]:
    rule = "EMR-19"
    network = {"networkConfiguration": {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]}}

    def application(**inputs: Any) -> R:
        return R(e.SERVERLESS, "a", inputs)

    def logs(**block: Any) -> dict[str, Any]:
        return {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://logs/", **block}}}

    return [
        good(rule, "in the network", application(**network)),
        good(rule, "logs with a key", application(**network, **logs(encryptionKeyArn=KEY))),
        bad(rule, "outside the network", application()),
        bad(rule, "no subnets", application(networkConfiguration={"subnetIds": [], "securityGroupIds": ["sg-1"]})),
        bad(rule, "logs without a key", application(**network, **logs()), says=["s3MonitoringConfiguration"]),
        open_question(rule, "not known yet", application(networkConfiguration=UNKNOWN)),
        good("EMR-11", "a recent release without servers", application(releaseLabel="emr-6.15.0")),
        bad("EMR-11", "an old release without servers", application(releaseLabel="emr-5.36.0")),
        bad(
            "EMR-04", "certificates by the web", configuration(changed(*TLS, "S3Object", "http://a.example.com/c.zip"))
        ),
    ]


CASES = [
    case
    for make in (
        emr_01,
        of_configurations,
        emr_05,
        emr_07,
        emr_08,
        emr_09,
        emr_10,
        emr_11,
        emr_12,
        emr_13,
        emr_14,
        emr_15,
        emr_16,
        emr_17,
        emr_18,
        emr_19,
    )
    for case in make()
]


@parametrize(CASES)
def test_emr(case: Case, known: bool) -> None:
    check(case, known)


@pytest.mark.parametrize("name", [rule.id for rule in e.family.rules])
def test_every_rule_has_cases_that_break_it_and_that_do_not(name: str) -> None:
    verdicts = {case.up for case in CASES if case.rule == name}
    assert {"broken", "fine"} <= verdicts, f"{name} is tested for {verdicts} only"
