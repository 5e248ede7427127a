"""Rules of databases, search, streams, file systems and registries, each in the forms of `up` and preview."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest

from policies import stores as s
from tests.policies.cases import Case, bad, check, good, open_question, parametrize
from tests.policies.harness import UNKNOWN, R

KEY = "arn:aws:kms:eu-west-1:111122223333:key/1"
EVERYBODY = {"Statement": {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "es:*", "Resource": "*"}}
SOMEBODY = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/x"}, "Action": "*"}]}
BOUND = {"Statement": [{**EVERYBODY["Statement"], "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a1"}}}]}


def nested(path: str, value: Any) -> dict[str, Any]:
    """Inputs with one value at a path."""
    first, _, rest = path.partition(".")
    return {first: nested(rest, value) if rest else value}


def merged(*parts: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            both = isinstance(value, dict) and isinstance(out.get(key), dict)
            out[key] = merged(out[key], value) if both else value
    return out


def _with(type: str, path: str, others: dict[str, Any], value: Any) -> R:
    return R(type, "x", merged(others, nested(path, value)))


def encrypted() -> list[Case]:
    cases: list[Case] = []
    for type, flag in s.ENCRYPTED.items():
        one = functools.partial(_with, type, flag.property, {})
        absent = good if flag.default else bad
        cases += [
            good("STO-01", f"on, {type}", one(True)),
            bad("STO-01", f"off, {type}", one(False), says=[flag.property]),
            bad("STO-01", f"no switch, {type}", one("yes")),
            absent("STO-01", f"absent, {type}", R(type, "x", {})),
            open_question("STO-01", f"not known yet, {type}", one(UNKNOWN)),
        ]
    inherited = [
        R(s.RDS_INSTANCE, "x", {"replicateSourceDb": "other"}),
        R(s.RDS_CLUSTER, "x", {"engineMode": "serverless"}),
        R(s.REPLICATION_GROUP, "x", {"engine": "valkey"}),
        R(s.GLOBAL_CLUSTERS[0], "x", {"sourceDbClusterIdentifier": "arn"}),
        R(s.FIREHOSE, "x", {"kinesisSourceConfiguration": {"kinesisStreamArn": "arn"}}),
    ]
    desk = {"rootVolumeEncryptionEnabled": True}
    cases += [good("STO-01", f"inherited, {resource.type}", resource) for resource in inherited]
    cases += [good("STO-02", f"inherited, {resource.type}", resource) for resource in inherited]
    return [
        *cases,
        good("STO-01", "a stream with a key", R(s.STREAM, "x", {"encryptionType": "KMS"})),
        bad("STO-01", "a stream without", R(s.STREAM, "x", {"encryptionType": "NONE"})),
        bad("STO-01", "a desk's own disk", R(s.WORKSPACE, "x", {**desk, "userVolumeEncryptionEnabled": False})),
        good("STO-01", "what is built", R(s.BUILD, "x", {"artifacts": {"type": "S3"}})),
        bad("STO-01", "what is built, clear", R(s.BUILD, "x", {"artifacts": {"encryptionDisabled": True}})),
        bad("STO-01", "a build's logs", R(s.BUILD, "x", nested("logsConfig.s3Logs.encryptionDisabled", True))),
        open_question("STO-01", "a stream not known yet", R(s.STREAM, "x", {"encryptionType": UNKNOWN})),
    ]


def keys() -> list[Case]:
    cases: list[Case] = []
    for type, key in s.KEYS.items():
        on: dict[str, Any] = nested(s.ENCRYPTED[type].property, True) if type in s.ENCRYPTED else {}
        on |= {"encryptionType": "KMS"} if type == s.STREAM else {}
        one = functools.partial(_with, type, key, on)
        cases += [
            good("STO-02", f"a key, {type}", one(KEY)),
            bad("STO-02", f"empty, {type}", one(""), says=[key]),
            bad("STO-02", f"AWS's own, {type}", one("alias/aws/service")),
            bad("STO-02", f"absent, {type}", R(type, "x", on)),
            open_question("STO-02", f"not known yet, {type}", one(UNKNOWN)),
        ]

    def collection(**policy: Any) -> R:
        return R(s.SEARCH_ACCESS, "x", {"type": "encryption", "policy": json.dumps({"Rules": [], **policy})})

    def repository(*encryption: Any) -> R:
        return R(s.REPOSITORY, "x", {"encryptionConfigurations": list(encryption)})

    return [
        *cases,
        good("STO-02", "images with a key", repository({"encryptionType": "KMS", "kmsKey": KEY})),
        bad("STO-02", "images without key", repository({"encryptionType": "KMS"})),
        bad("STO-02", "images with S3's keys", repository({"encryptionType": "AES256", "kmsKey": KEY})),
        bad("STO-02", "images, not said", R(s.REPOSITORY, "x", {})),
        open_question("STO-02", "images not known yet", repository(UNKNOWN)),
        bad("STO-02", "a collection with AWS's key", collection(AWSOwnedKey=True)),
        good("STO-02", "a collection with a key", collection(AWSOwnedKey=False, KmsARN=KEY)),
        open_question(
            "STO-02", "a collection not known yet", R(s.SEARCH_ACCESS, "x", {"type": "encryption", "policy": UNKNOWN})
        ),
        good("STO-02", "in clear text, which STO-01 speaks of", R(s.RDS_INSTANCE, "x", {"storageEncrypted": False})),
    ]


def public() -> list[Case]:
    cases: list[Case] = []
    for type, flag in s.PUBLIC_FLAGS.items():
        cases += [
            bad("STO-03", f"public, {type}", R(type, "x", {flag: True})),
            bad("STO-03", f"public, as text, {type}", R(type, "x", {flag: "true"})),
            good("STO-03", f"private, {type}", R(type, "x", {flag: False})),
            good("STO-03", f"private by default, {type}", R(type, "x", {})),
            open_question("STO-03", f"not known yet, {type}", R(type, "x", {flag: UNKNOWN})),
        ]
    for type, (path, words) in s.PUBLIC_WORDS.items():
        cases += [bad("STO-03", f"{word}, {type}", R(type, "x", nested(path, word))) for word in sorted(words)]
        cases += [
            good("STO-03", f"private, {type}", R(type, "x", nested(path, "DISABLED"))),
            open_question("STO-03", f"not known yet, {type}", R(type, "x", nested(path, UNKNOWN))),
        ]
    for domain in s.DOMAINS:
        cases += [
            good("STO-03", f"in a network, {domain}", R(domain, "x", {"vpcOptions": {"subnetIds": ["subnet-1"]}})),
            bad("STO-03", f"no network, {domain}", R(domain, "x", {})),
            bad("STO-03", f"no subnets, {domain}", R(domain, "x", {"vpcOptions": {"subnetIds": []}})),
        ]
    cluster = functools.partial(_with, s.KUBERNETES, "vpcConfig.endpointPublicAccess", {})
    return [
        *cases,
        good("STO-03", "a private control plane", cluster(False)),
        bad("STO-03", "a public control plane", cluster(True)),
        bad("STO-03", "a control plane as AWS makes it", R(s.KUBERNETES, "x", {"vpcConfig": {}})),
        open_question("STO-03", "a control plane not known yet", cluster(UNKNOWN)),
    ]


def policies() -> list[Case]:
    cases: list[Case] = []
    for type, name in s.POLICIES.items():
        cases += [
            bad("STO-04", f"everybody, {type}", R(type, "x", {name: json.dumps(EVERYBODY)})),
            good("STO-04", f"somebody, {type}", R(type, "x", {name: json.dumps(SOMEBODY)})),
        ]
    type, name = s.DOMAINS[0], "accessPolicies"
    return [
        *cases,
        bad("STO-04", "as an object", R(type, "x", {name: EVERYBODY})),
        good("STO-04", "bound to an organisation", R(type, "x", {name: json.dumps(BOUND)})),
        good("STO-04", "none", R(type, "x", {})),
        open_question("STO-04", "not known yet", R(type, "x", {name: UNKNOWN})),
        open_question("STO-04", "no JSON", R(type, "x", {name: "{"})),
    ]


def transit() -> list[Case]:
    domain = merged(nested("nodeToNodeEncryption.enabled", True), nested("domainEndpointOptions.enforceHttps", True))
    old = nested("domainEndpointOptions.tlsSecurityPolicy", "Policy-Min-TLS-1-0-2019-07")
    client = "encryptionInfo.encryptionInTransit.clientBroker"
    dax = "aws:dax/cluster:Cluster"
    memory = "aws:memorydb/cluster:Cluster"
    between = "kafkaClusterEncryptionInTransit.encryptionType"

    def task_files(**options: Any) -> R:
        volume = {"efsVolumeConfiguration": {"fileSystemId": "fs-1", **options}}
        return R(s.TASK_DEFINITION, "x", {"volumes": [{"name": "scratch"}, volume]})

    return [
        *(good("STO-05", f"both, {type}", R(type, "x", domain)) for type in s.DOMAINS),
        *(bad("STO-05", f"neither, {type}", R(type, "x", {})) for type in s.DOMAINS),
        bad("STO-05", "old TLS", R(s.DOMAINS[0], "x", merged(domain, old)), says=["TLS 1.0"]),
        bad("STO-05", "between nodes only", R(s.DOMAINS[0], "x", nested("nodeToNodeEncryption.enabled", True))),
        open_question("STO-05", "not known yet", R(s.DOMAINS[0], "x", {**domain, "nodeToNodeEncryption": UNKNOWN})),
        good("STO-05", "a cache", R(s.REPLICATION_GROUP, "x", {"transitEncryptionEnabled": True})),
        bad("STO-05", "a cache, not said", R(s.REPLICATION_GROUP, "x", {})),
        good("STO-05", "brokers as AWS makes them", R(s.MSK, "x", {})),
        bad("STO-05", "brokers that take both", R(s.MSK, "x", nested(client, "TLS_PLAINTEXT"))),
        open_question("STO-05", "brokers not known yet", R(s.MSK, "x", nested(client, UNKNOWN))),
        bad("STO-05", "among brokers", R(s.MSK, "x", nested("encryptionInfo.encryptionInTransit.inCluster", False))),
        good("STO-05", "an accelerator", R(dax, "x", {"clusterEndpointEncryptionType": "TLS"})),
        bad("STO-05", "an accelerator, not said", R(dax, "x", {})),
        good("STO-05", "memory, not said", R(memory, "x", {})),
        bad("STO-05", "memory in clear text", R(memory, "x", {"tlsEnabled": False})),
        bad(
            "STO-05",
            "a cache that takes both",
            R(s.REPLICATION_GROUP, "x", {"transitEncryptionEnabled": True, "transitEncryptionMode": "preferred"}),
        ),
        good("STO-05", "a proxy", R(s.PROXY, "x", {"requireTls": True})),
        bad("STO-05", "a proxy, not said", R(s.PROXY, "x", {})),
        good("STO-05", "a connector", R(s.CONNECTOR, "x", nested(between, "TLS"))),
        bad("STO-05", "a connector in clear text", R(s.CONNECTOR, "x", nested(between, "PLAINTEXT"))),
        good("STO-05", "a migration", R(s.MIGRATION_ENDPOINT, "x", {"engineName": "mysql", "sslMode": "verify-ca"})),
        good("STO-05", "a migration to files", R(s.MIGRATION_ENDPOINT, "x", {"engineName": "s3"})),
        bad("STO-05", "a migration in clear text", R(s.MIGRATION_ENDPOINT, "x", {"engineName": "aurora-postgresql"})),
        open_question(
            "STO-05",
            "a migration not known yet",
            R(s.MIGRATION_ENDPOINT, "x", {"engineName": "mysql", "sslMode": UNKNOWN}),
        ),
        good("STO-05", "a task without files", R(s.TASK_DEFINITION, "x", {"volumes": [{"name": "scratch"}]})),
        good("STO-05", "a task's files", task_files(transitEncryption="ENABLED")),
        bad("STO-05", "a task's files, not said", task_files()),
        open_question("STO-05", "a task's files not known yet", task_files(transitEncryption=UNKNOWN)),
    ]


def recoverable() -> list[Case]:
    protected = {"deletionProtection": True}
    redshift = "aws:redshift/cluster:Cluster"
    return [
        good("STO-06", "backups", R(s.RDS_INSTANCE, "x", {**protected, "backupRetentionPeriod": 7})),
        bad("STO-06", "no backups", R(s.RDS_INSTANCE, "x", {**protected, "backupRetentionPeriod": 0})),
        bad("STO-06", "backups not said", R(s.RDS_INSTANCE, "x", protected)),
        good("STO-06", "a replica", R(s.RDS_INSTANCE, "x", {**protected, "replicateSourceDb": "other"})),
        good("STO-06", "a cluster's one day", R(s.RDS_CLUSTER, "x", protected)),
        bad("STO-06", "too few days", R(s.RDS_CLUSTER, "x", protected), config={"minimumDays": 7}),
        bad("STO-06", "deleted by a slip", R(s.RDS_CLUSTER, "x", {})),
        bad("STO-06", "no snapshots", R(redshift, "x", {"automatedSnapshotRetentionPeriod": 0})),
        good("STO-06", "snapshots", R(redshift, "x", {})),
        open_question("STO-06", "days not known yet", R(redshift, "x", {"automatedSnapshotRetentionPeriod": UNKNOWN})),
        open_question("STO-06", "protection not known yet", R(s.RDS_CLUSTER, "x", {"deletionProtection": UNKNOWN})),
    ]


def images() -> list[Case]:
    fine = {"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": True}}
    return [
        good("STO-07", "fixed and scanned", R(s.REPOSITORY, "x", fine)),
        good(
            "STO-07",
            "fixed but for some",
            R(s.REPOSITORY, "x", {**fine, "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"}),
        ),
        bad("STO-07", "tags that move", R(s.REPOSITORY, "x", {**fine, "imageTagMutability": "MUTABLE"})),
        bad("STO-07", "not scanned", R(s.REPOSITORY, "x", {"imageTagMutability": "IMMUTABLE"})),
        open_question("STO-07", "not known yet", R(s.REPOSITORY, "x", {**fine, "imageTagMutability": UNKNOWN})),
    ]


def shared() -> list[Case]:
    image, document = "aws:ec2/amiLaunchPermission:AmiLaunchPermission", "aws:ssm/document:Document"
    snapshot, service = "aws:rds/snapshot:Snapshot", "aws:ec2/vpcEndpointService:VpcEndpointService"
    return [
        bad("STO-08", "an image", R(image, "x", {"group": "all"})),
        good("STO-08", "an image for an account", R(image, "x", {"accountId": "111122223333"})),
        bad("STO-08", "a snapshot", R(snapshot, "x", {"sharedAccounts": ["111122223333", "all"]})),
        good("STO-08", "a snapshot for an account", R(snapshot, "x", {"sharedAccounts": ["111122223333"]})),
        bad("STO-08", "a document", R(document, "x", {"permissions": {"type": "Share", "accountIds": "All"}})),
        bad("STO-08", "a document, among others", R(document, "x", {"permissions": {"account_ids": "1, all"}})),
        good("STO-08", "a document for an account", R(document, "x", {"permissions": {"account_ids": "1"}})),
        bad("STO-08", "an endpoint service", R(service, "x", {"allowedPrincipals": ["*"]})),
        good(
            "STO-08", "an endpoint service for a role", R(service, "x", {"allowedPrincipals": ["arn:aws:iam::1:root"]})
        ),
        open_question("STO-08", "not known yet", R(snapshot, "x", {"sharedAccounts": UNKNOWN})),
        open_question("STO-08", "a document not known yet", R(document, "x", {"permissions": UNKNOWN})),
    ]


def fronts() -> list[Case]:
    """What stands before a store, or switches its refusal of clear text off."""
    rule = "STO-05"
    cases: list[Case] = []
    for type, names in s._FORCED.items():  # pyright: ignore[reportPrivateUsage]
        for name in sorted(names):
            cases += [
                bad(rule, f"{name} off, {type}", R(type, "x", {"parameters": [{"name": name, "value": "0"}]})),
                good(rule, f"{name} on, {type}", R(type, "x", {"parameters": [{"name": name, "value": "1"}]})),
                open_question(
                    rule,
                    f"{name} not known yet, {type}",
                    R(type, "x", {"parameters": [{"name": name, "value": UNKNOWN}]}),
                ),
            ]
    listener, transfer = s.LISTENERS[0], {"endpointType": "VPC"}
    on = [{"type": "redirect", "redirect": {"protocol": "HTTPS", "statusCode": "HTTP_301"}}]
    back = [{"type": "redirect", "redirect": {"protocol": "HTTP", "statusCode": "HTTP_301"}}]
    behaviour = {"viewerProtocolPolicy": "redirect-to-https"}
    loud = {"viewerProtocolPolicy": "allow-all"}
    return [
        *cases,
        bad(rule, "a listener", R(listener, "x", {"protocol": "HTTP", "defaultActions": [{"type": "forward"}]})),
        good(rule, "a listener that sends on", R(listener, "x", {"protocol": "HTTP", "defaultActions": on})),
        bad(rule, "a listener that sends back", R(listener, "x", {"protocol": "HTTP", "defaultActions": back})),
        bad(
            rule, "a listener of old", R(listener, "x", {"protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-2016-08"})
        ),
        good(
            rule,
            "a listener of today",
            R(listener, "x", {"protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06"}),
        ),
        open_question(rule, "a listener not known yet", R(listener, "x", {"protocol": UNKNOWN})),
        bad(rule, "a classic one", R(s.CLASSIC_BALANCER, "x", {"listeners": [{"lbProtocol": "http"}]})),
        good(rule, "a classic one by TLS", R(s.CLASSIC_BALANCER, "x", {"listeners": [{"lbProtocol": "https"}]})),
        bad(
            rule,
            "a distribution",
            R(s.DISTRIBUTION, "x", {"defaultCacheBehavior": behaviour, "orderedCacheBehaviors": [loud]}),
        ),
        good(rule, "a distribution by TLS", R(s.DISTRIBUTION, "x", {"defaultCacheBehavior": behaviour})),
        bad(rule, "FTP", R(s.TRANSFER, "x", {**transfer, "protocols": ["SFTP", "FTP"]})),
        good(rule, "SFTP", R(s.TRANSFER, "x", {**transfer, "protocols": ["SFTP"]})),
    ]


def callers() -> list[Case]:
    rule = "STO-09"
    point = {"rootDirectory": {"path": "/data"}, "posixUser": {"uid": 1000, "gid": 1000}}
    login = {"iamDatabaseAuthenticationEnabled": True}
    return [
        good(rule, "brokers", R(s.MSK, "x", nested("clientAuthentication.sasl.iam", True))),
        bad(rule, "brokers for anybody", R(s.MSK, "x", nested("clientAuthentication.unauthenticated", True))),
        good(rule, "a login by IAM", R(s.RDS_INSTANCE, "x", {"engine": "postgres", **login})),
        bad(rule, "a login by password", R(s.RDS_INSTANCE, "x", {"engine": "postgres"})),
        good(rule, "an engine that knows no other", R(s.RDS_INSTANCE, "x", {"engine": "oracle-ee"})),
        open_question(rule, "not known yet", R(s.RDS_CLUSTER, "x", {"iamDatabaseAuthenticationEnabled": UNKNOWN})),
        bad(rule, "a search domain for anybody", R(s.DOMAINS[0], "x", {})),
        good(rule, "a search domain", R(s.DOMAINS[0], "x", nested("advancedSecurityOptions.enabled", True))),
        good(rule, "a directory for a user", R(s.ACCESS_POINT, "x", point)),
        bad(
            rule,
            "a connector for anybody",
            R(s.CONNECTOR, "x", nested("kafkaClusterClientAuthentication.authenticationType", "NONE")),
        ),
        bad(rule, "the root", R(s.ACCESS_POINT, "x", {**point, "rootDirectory": {"path": "/"}})),
        bad(rule, "whoever the client says", R(s.ACCESS_POINT, "x", {**point, "posixUser": None})),
        bad(rule, "a notebook's root", R(s.NOTEBOOK, "x", {})),
        good(rule, "a notebook", R(s.NOTEBOOK, "x", {"rootAccess": "Disabled"})),
        open_question(rule, "a notebook not known yet", R(s.NOTEBOOK, "x", {"rootAccess": UNKNOWN})),
        bad("STO-03", "a notebook on the internet", R(s.NOTEBOOK, "x", {})),
        bad(
            "STO-03",
            "a collection",
            R(s.SEARCH_ACCESS, "x", {"type": "network", "policy": '[{"AllowFromPublic": true}]'}),
        ),
        good("STO-03", "a private collection", R(s.SEARCH_ACCESS, "x", {"type": "network", "policy": "[{}]"})),
        good("STO-03", "its keys", R(s.SEARCH_ACCESS, "x", {"type": "encryption", "policy": "{}"})),
        open_question(
            "STO-03", "a collection not known yet", R(s.SEARCH_ACCESS, "x", {"type": "network", "policy": UNKNOWN})
        ),
        bad(
            "STO-08",
            "disks",
            R("aws:ec2/snapshotCreateVolumePermission:SnapshotCreateVolumePermission", "x", {"accountId": "all"}),
        ),
        bad("STO-08", "a registry", R("aws:ecrpublic/repository:Repository", "x", {})),
        bad(
            "STO-08",
            "sharing",
            R("aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess", "x", {"state": "unblocked"}),
        ),
        good(
            "STO-08",
            "no sharing",
            R("aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess", "x", {"state": "block-all-sharing"}),
        ),
    ]


def logged() -> list[Case]:
    rule = "STO-10"
    logs = {"enabledCloudwatchLogsExports": ["postgresql"]}
    warehouse = R(s.REDSHIFT, "warehouse", {"clusterIdentifier": "facts"})

    def audit(cluster: Any) -> R:
        return R(s.REDSHIFT_LOGGING, "audit", {"clusterIdentifier": cluster})

    return [
        good(rule, "logs and updates", R(s.RDS_INSTANCE, "x", logs)),
        bad(rule, "no logs", R(s.RDS_INSTANCE, "x", {})),
        bad(rule, "no updates", R(s.RDS_INSTANCE, "x", {**logs, "autoMinorVersionUpgrade": False})),
        open_question(rule, "logs not known yet", R(s.RDS_CLUSTER, "x", {"enabledCloudwatchLogsExports": UNKNOWN})),
        bad(rule, "a search domain's logs", R(s.DOMAINS[0], "x", {})),
        bad(rule, "a search domain's logs, off", R(s.DOMAINS[0], "x", {"logPublishingOptions": [{"enabled": False}]})),
        good(rule, "a control plane", R(s.KUBERNETES, "x", {"enabledClusterLogTypes": ["api", "audit"]})),
        good(
            rule, "logs of a control plane not known yet", R(s.KUBERNETES, "x", {"enabledClusterLogTypes": [UNKNOWN]})
        ),
        bad(rule, "a control plane without audit", R(s.KUBERNETES, "x", {"enabledClusterLogTypes": ["api"]})),
        bad(rule, "brokers", R(s.MSK, "x", {})),
        good(rule, "brokers in a bucket", R(s.MSK, "x", nested("loggingInfo.brokerLogs.s3.enabled", True))),
        open_question(rule, "brokers not known yet", R(s.MSK, "x", {"loggingInfo": UNKNOWN})),
        bad(rule, "a broker", R(s.BROKER, "x", {"logs": {"general": False}})),
        good(rule, "a broker's logs", R(s.BROKER, "x", {"logs": {"general": True}})),
        good("STO-11", "audited", warehouse, audit(warehouse.ref("id"))),
        good("STO-11", "audited by its name", warehouse, audit("facts")),
        bad("STO-11", "silent", warehouse),
        bad("STO-11", "another is audited", warehouse, audit("other")),
        open_question("STO-11", "who is audited is not known yet", warehouse, audit(UNKNOWN)),
        good(rule, "through the network", R(s.REDSHIFT, "x", {"enhancedVpcRouting": True})),
        bad(rule, "past the network", R(s.REDSHIFT, "x", {})),
    ]


MAKERS = (encrypted, keys, public, policies, transit, fronts, callers, recoverable, images, shared, logged)
CASES = [case for make in MAKERS for case in make()]


@parametrize(CASES)
def test_stores(case: Case, known: bool) -> None:
    check(case, known)


@pytest.mark.parametrize("name", [rule.id for rule in s.family.rules])
def test_every_rule_has_cases_that_break_it_and_that_do_not(name: str) -> None:
    assert {"broken", "fine"} <= {case.up for case in CASES if case.rule == name}
