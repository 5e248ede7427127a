"""Rules of stores that a pipeline may stand beside: databases, search, caches, streams, file systems, registries.

What they demand is the same for all, so tables say where each type keeps the property.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from policies.compute import BUILD, NOTEBOOK, TASK_DEFINITION
from policies.keys import own_key, public_policy
from policies.model import Family, Findings, Resource, Setting, Settings, Severity, Stack, undecided, violation
from policies.plain import UNKNOWN, Plain, Unknown, at, listed, number, readable, record, switch, text

family = Family("Databases, search, streams and file systems")

RDS_INSTANCE: Final = "aws:rds/instance:Instance"
RDS_CLUSTER: Final = "aws:rds/cluster:Cluster"
REPLICATION_GROUP: Final = "aws:elasticache/replicationGroup:ReplicationGroup"
DOMAINS: Final = ("aws:opensearch/domain:Domain", "aws:elasticsearch/domain:Domain")
REPOSITORY: Final = "aws:ecr/repository:Repository"
STREAM: Final = "aws:kinesis/stream:Stream"
FIREHOSE: Final = "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream"
MSK: Final = "aws:msk/cluster:Cluster"
BROKER: Final = "aws:mq/broker:Broker"
KUBERNETES: Final = "aws:eks/cluster:Cluster"
SEARCH_ACCESS: Final = "aws:opensearch/serverlessSecurityPolicy:ServerlessSecurityPolicy"
LISTENERS: Final = ("aws:lb/listener:Listener", "aws:alb/listener:Listener")
CLASSIC_BALANCER: Final = "aws:elb/loadBalancer:LoadBalancer"
DISTRIBUTION: Final = "aws:cloudfront/distribution:Distribution"
TRANSFER: Final = "aws:transfer/server:Server"
CONNECTOR: Final = "aws:mskconnect/connector:Connector"
PROXY: Final = "aws:rds/proxy:Proxy"
WORKSPACE: Final = "aws:workspaces/workspace:Workspace"
REDSHIFT_LOGGING: Final = "aws:redshift/logging:Logging"
MIGRATION_ENDPOINT: Final = "aws:dms/endpoint:Endpoint"
GLOBAL_CLUSTERS: Final = (
    "aws:rds/globalCluster:GlobalCluster",
    "aws:docdb/globalCluster:GlobalCluster",
    "aws:neptune/globalCluster:GlobalCluster",
)
ACCESS_POINT: Final = "aws:efs/accessPoint:AccessPoint"
REDSHIFT: Final = "aws:redshift/cluster:Cluster"


def _path(dotted: str) -> tuple[str, ...]:
    return tuple(dotted.split("."))


@dataclass(frozen=True)
class Flag:
    """A switch: where it stands, and what the provider takes it for when it is left out."""

    property: str
    default: bool = False


ENCRYPTED: Final[Mapping[str, Flag]] = {
    RDS_INSTANCE: Flag("storageEncrypted"),
    RDS_CLUSTER: Flag("storageEncrypted"),
    "aws:docdb/cluster:Cluster": Flag("storageEncrypted"),
    "aws:neptune/cluster:Cluster": Flag("storageEncrypted"),
    "aws:redshift/cluster:Cluster": Flag("encrypted", default=True),
    DOMAINS[0]: Flag("encryptAtRest.enabled"),
    DOMAINS[1]: Flag("encryptAtRest.enabled"),
    "aws:efs/fileSystem:FileSystem": Flag("encrypted"),
    REPLICATION_GROUP: Flag("atRestEncryptionEnabled"),
    "aws:dax/cluster:Cluster": Flag("serverSideEncryption.enabled"),
    "aws:ebs/snapshotCopy:SnapshotCopy": Flag("encrypted"),
    "aws:ec2/amiCopy:AmiCopy": Flag("encrypted"),
    FIREHOSE: Flag("serverSideEncryption.enabled"),
    **dict.fromkeys(GLOBAL_CLUSTERS, Flag("storageEncrypted")),
    "aws:ebs/snapshotImport:SnapshotImport": Flag("encrypted"),
    WORKSPACE: Flag("rootVolumeEncryptionEnabled"),
}


def _inherits(resource: Resource) -> bool:
    """Whether AWS takes the encryption from elsewhere: a replica's from its source, a stream's from the stream."""
    kind = resource.type
    if kind == RDS_INSTANCE:
        return any(resource.value(name) is not None for name in ("replicateSourceDb", "snapshotIdentifier"))
    if kind == RDS_CLUSTER:
        return (
            any(resource.value(name) is not None for name in ("replicationSourceIdentifier", "snapshotIdentifier"))
            or resource.value("engineMode") == "serverless"
        )
    if kind in GLOBAL_CLUSTERS:
        return resource.value("sourceDbClusterIdentifier") is not None
    if kind == REPLICATION_GROUP:
        return resource.value("engine") == "valkey" or resource.value("globalReplicationGroupId") is not None
    return kind == FIREHOSE and any(
        resource.value(name) is not None for name in ("kinesisSourceConfiguration", "mskSourceConfiguration")
    )


@family.resource_rule(
    "STO-01",
    "store-encrypted",
    "Databases, search domains, caches, streams and file systems are encrypted",
    Severity.HIGH,
    (*ENCRYPTED, STREAM, BUILD),
    fix="Switch encryption at rest on, with the ARN of the stack's key.",
    source="Well-Architected, security pillar: SEC08-BP02 Enforce encryption at rest",
    frameworks=(
        "checkov CKV_AWS_16",
        "checkov CKV_AWS_5",
        "checkov CKV_AWS_29",
        "checkov CKV_AWS_42",
        "checkov CKV_AWS_43",
        "checkov CKV_AWS_44",
        "checkov CKV_AWS_47",
        "checkov CKV_AWS_64",
        "checkov CKV_AWS_74",
        "checkov CKV_AWS_96",
        "checkov CKV_AWS_235",
        "checkov CKV_AWS_240",
        "trivy AVD-AWS-0023",
        "trivy AVD-AWS-0080",
        "Security Hub RDS.3",
        "Security Hub EFS.1",
        "Security Hub ES.1",
        "Security Hub Opensearch.1",
    ),
)
def store_encrypted(resource: Resource, settings: Settings) -> Findings:
    """Most of these take encryption at creation only: later it costs a new store and a move."""
    if resource.type == STREAM:
        kind = resource.text("encryptionType")
        if kind is UNKNOWN:
            yield undecided("encryptionType")
        elif str(kind).upper() != "KMS":
            yield violation("encryptionType", "is not KMS, so records are stored in clear text")
        return
    if resource.type == BUILD:
        for where in ("artifacts", "logsConfig.s3Logs"):
            if switch(resource.value(*_path(where), "encryptionDisabled")) is True:
                yield violation(f"{where}.encryptionDisabled", "is true, so what is built or said is in clear text")
        return
    if resource.type == WORKSPACE and switch(resource.value("userVolumeEncryptionEnabled")) is False:
        yield violation("userVolumeEncryptionEnabled", "is false, so data is stored in clear text")
    flag = ENCRYPTED[resource.type]
    value = resource.value(*_path(flag.property))
    found = switch(value)
    if found is UNKNOWN:
        yield undecided(flag.property)
    elif found is not True and not (value is None and (flag.default or _inherits(resource))):
        yield violation(flag.property, "is not true, so data is stored in clear text")


KEYS: Final[Mapping[str, str]] = {
    RDS_INSTANCE: "kmsKeyId",
    RDS_CLUSTER: "kmsKeyId",
    "aws:docdb/cluster:Cluster": "kmsKeyId",
    "aws:neptune/cluster:Cluster": "kmsKeyArn",
    "aws:redshift/cluster:Cluster": "kmsKeyId",
    "aws:redshiftserverless/namespace:Namespace": "kmsKeyId",
    DOMAINS[0]: "encryptAtRest.kmsKeyId",
    DOMAINS[1]: "encryptAtRest.kmsKeyId",
    "aws:efs/fileSystem:FileSystem": "kmsKeyId",
    REPLICATION_GROUP: "kmsKeyId",
    "aws:elasticache/serverlessCache:ServerlessCache": "kmsKeyId",
    "aws:memorydb/cluster:Cluster": "kmsKeyArn",
    "aws:ebs/snapshotCopy:SnapshotCopy": "kmsKeyId",
    "aws:ec2/amiCopy:AmiCopy": "kmsKeyId",
    STREAM: "kmsKeyId",
    FIREHOSE: "serverSideEncryption.keyArn",
    MSK: "encryptionInfo.encryptionAtRestKmsKeyArn",
    "aws:backup/vault:Vault": "kmsKeyArn",
    "aws:fsx/lustreFileSystem:LustreFileSystem": "kmsKeyId",
    "aws:fsx/ontapFileSystem:OntapFileSystem": "kmsKeyId",
    "aws:fsx/openZfsFileSystem:OpenZfsFileSystem": "kmsKeyId",
    "aws:fsx/windowsFileSystem:WindowsFileSystem": "kmsKeyId",
    "aws:dms/replicationInstance:ReplicationInstance": "kmsKeyArn",
    "aws:mwaa/environment:Environment": "kmsKey",
    NOTEBOOK: "kmsKeyId",
    "aws:timestreamwrite/database:Database": "kmsKeyId",
    "aws:keyspaces/table:Table": "encryptionSpecification.kmsKeyIdentifier",
    BROKER: "encryptionOptions.kmsKeyId",
    "aws:s3tables/tableBucket:TableBucket": "encryptionConfiguration.kmsKeyArn",
    "aws:emr/studio:Studio": "encryptionKeyArn",
    "aws:ebs/snapshotImport:SnapshotImport": "kmsKeyId",
    "aws:kinesis/videoStream:VideoStream": "kmsKeyId",
    "aws:docdb/elasticCluster:ElasticCluster": "kmsKeyId",
    "aws:fsx/fileCache:FileCache": "kmsKeyId",
    "aws:memorydb/snapshot:Snapshot": "kmsKeyArn",
    "aws:redshift/snapshotCopyGrant:SnapshotCopyGrant": "kmsKeyId",
    "aws:cloudtrail/eventDataStore:EventDataStore": "kmsKeyId",
    "aws:appflow/flow:Flow": "kmsArn",
    "aws:appflow/connectorProfile:ConnectorProfile": "kmsArn",
    "aws:kendra/index:Index": "serverSideEncryptionConfiguration.kmsKeyId",
    MIGRATION_ENDPOINT: "kmsKeyArn",
    BUILD: "encryptionKey",
    "aws:sagemaker/domain:Domain": "kmsKeyId",
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": "kmsKeyArn",
    KUBERNETES: "encryptionConfig.provider.keyArn",
}


@family.resource_rule(
    "STO-02",
    "store-own-key",
    "Databases, streams, file systems and registries are encrypted with a key of the stack's own",
    Severity.MEDIUM,
    (*KEYS, REPOSITORY, SEARCH_ACCESS),
    fix="Name the ARN of the stack's key.",
    source="KMS developer guide: AWS KMS keys: customer managed and AWS managed keys",
    frameworks=(
        "checkov CKV_AWS_136",
        "checkov CKV_AWS_166",
        "checkov CKV_AWS_182",
        "checkov CKV_AWS_183",
        "checkov CKV_AWS_184",
        "checkov CKV_AWS_185",
        "checkov CKV_AWS_191",
        "checkov CKV_AWS_203",
        "checkov CKV_AWS_236",
        "checkov CKV_AWS_241",
        "checkov CKV_AWS_247",
        "checkov CKV_AWS_327",
        "trivy AVD-AWS-0033",
        "trivy AVD-AWS-0084",
    ),
)
def store_own_key(resource: Resource, settings: Settings) -> Findings:
    """Only a key of one's own says who may read, and can be withdrawn."""
    if resource.type == REPOSITORY:
        encryption = resource.items("encryptionConfigurations")
        if not encryption:
            yield violation("encryptionConfigurations", "is absent, so the keys are S3's own")
        for index, entry in enumerate(encryption):
            kind = text(at(entry, "encryptionType"))
            where = f"encryptionConfigurations[{index}]"
            if kind is UNKNOWN:
                yield undecided(f"{where}.encryptionType")
            elif not str(kind).upper().startswith("KMS"):
                yield violation(f"{where}.encryptionType", "is not KMS, so the keys are S3's own")
            else:
                finding = own_key(f"{where}.kmsKey", at(entry, "kmsKey"), "images")
                if finding:
                    yield finding
        return
    if resource.type == SEARCH_ACCESS:
        if resource.text("type") == "encryption":
            flag = switch(at(readable(resource.value("policy")), "AWSOwnedKey"))
            if flag is UNKNOWN:
                yield undecided("policy")
            elif flag is True:
                yield violation("policy.AWSOwnedKey", "is true, so nobody decides who may read the data")
        return
    if resource.type in ENCRYPTED:
        flag = ENCRYPTED[resource.type]
        value = resource.value(*_path(flag.property))
        if value is None and _inherits(resource):
            return
        if switch(value) is not True and not (value is None and flag.default):
            return  # STO-01 speaks about that.
    if resource.type == STREAM and str(resource.text("encryptionType")).upper() != "KMS":
        return
    name = KEYS[resource.type]
    finding = own_key(name, resource.value(*_path(name)), "data")
    if finding:
        yield finding


PUBLIC_FLAGS: Final[Mapping[str, str]] = {
    RDS_INSTANCE: "publiclyAccessible",
    "aws:rds/clusterInstance:ClusterInstance": "publiclyAccessible",
    "aws:neptune/clusterInstance:ClusterInstance": "publiclyAccessible",
    "aws:redshift/cluster:Cluster": "publiclyAccessible",
    "aws:redshiftserverless/workgroup:Workgroup": "publiclyAccessible",
    "aws:dms/replicationInstance:ReplicationInstance": "publiclyAccessible",
    BROKER: "publiclyAccessible",
    "aws:timestreaminfluxdb/dbInstance:DbInstance": "publiclyAccessible",
    "aws:lightsail/database:Database": "publiclyAccessible",
}
PUBLIC_WORDS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "aws:mwaa/environment:Environment": ("webserverAccessMode", frozenset({"PUBLIC_ONLY", "PUBLIC_AND_PRIVATE"})),
    NOTEBOOK: ("directInternetAccess", frozenset({"ENABLED", "NONE"})),
    "aws:sagemaker/domain:Domain": ("appNetworkAccessType", frozenset({"PUBLICINTERNETONLY", "NONE"})),
    "aws:transfer/server:Server": ("endpointType", frozenset({"PUBLIC", "NONE"})),
    MSK: (
        "brokerNodeGroupInfo.connectivityInfo.publicAccess.type",
        frozenset({"SERVICE_PROVIDED_EIPS"}),
    ),
}


@family.resource_rule(
    "STO-03",
    "store-not-public",
    "No database, domain, broker or control plane has an address on the internet",
    Severity.CRITICAL,
    (*PUBLIC_FLAGS, *PUBLIC_WORDS, *DOMAINS, KUBERNETES, SEARCH_ACCESS),
    fix="Switch the public address off, and put it in private subnets.",
    source="RDS user guide: Hiding a DB instance in a VPC from the internet; OpenSearch developer guide: VPC domains",
    frameworks=(
        "checkov CKV_AWS_17",
        "checkov CKV_AWS_39",
        "checkov CKV_AWS_69",
        "checkov CKV_AWS_87",
        "checkov CKV_AWS_89",
        "checkov CKV_AWS_102",
        "checkov CKV_AWS_137",
        "checkov CKV_AWS_291",
        "trivy AVD-AWS-0180",
        "trivy AVD-AWS-0040",
        "Security Hub RDS.2",
        "Security Hub Redshift.1",
        "Security Hub Opensearch.2",
    ),
    remedy={type: {flag: False} for type, flag in PUBLIC_FLAGS.items()},
)
def store_not_public(resource: Resource, settings: Settings) -> Findings:
    """What has a public address is found within the hour, whatever its password."""
    kind = resource.type
    if kind in PUBLIC_FLAGS:
        where = PUBLIC_FLAGS[kind]
        flag = switch(resource.value(where))
        if flag is UNKNOWN:
            yield undecided(where)
        elif flag is True:
            yield violation(where, "is true, so it has an address on the internet")
    elif kind in PUBLIC_WORDS:
        where, words = PUBLIC_WORDS[kind]
        word = text(resource.value(*_path(where)))
        if word is UNKNOWN:
            yield undecided(where)
        elif str(word).upper() in words:  # The word NONE is a property that is left out.
            yield violation(where, "gives it an address on the internet")
    elif kind == SEARCH_ACCESS:
        yield from _open_collection(resource)
    elif kind in DOMAINS:
        yield from _domain_outside(resource)
    else:
        yield from _open_control_plane(resource)


def _domain_outside(resource: Resource) -> Findings:
    options = resource.value("vpcOptions")
    subnets = [text(value) for value in listed(at(options, "subnetIds"))]
    if options is not UNKNOWN and not any(subnet is not None for subnet in subnets):
        yield violation("vpcOptions.subnetIds", "is absent or empty, so the domain's address is on the internet")


def _open_control_plane(resource: Resource) -> Findings:
    flag = switch(resource.value("vpcConfig", "endpointPublicAccess"))
    if flag is UNKNOWN:
        yield undecided("vpcConfig.endpointPublicAccess")
    elif flag is not False:
        yield violation("vpcConfig.endpointPublicAccess", "is not false, so the control plane is on the internet")


def _open_collection(resource: Resource) -> Findings:
    kind = resource.text("type")
    if kind not in ("network", UNKNOWN):
        return
    document = readable(resource.value("policy"))
    if document is UNKNOWN:
        yield undecided("policy")
        return
    for index, rule in enumerate(listed(document)):
        flag = switch(at(rule, "AllowFromPublic"))
        if flag is UNKNOWN:
            yield undecided(f"policy[{index}].AllowFromPublic")
        elif flag is True:
            yield violation(f"policy[{index}].AllowFromPublic", "lets the internet reach the collection")


POLICIES: Final[Mapping[str, str]] = {
    DOMAINS[0]: "accessPolicies",
    DOMAINS[1]: "accessPolicies",
    "aws:opensearch/domainPolicy:DomainPolicy": "accessPolicies",
    "aws:elasticsearch/domainPolicy:DomainPolicy": "accessPolicies",
    "aws:efs/fileSystemPolicy:FileSystemPolicy": "policy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:ecr/registryPolicy:RegistryPolicy": "policy",
    "aws:kinesis/resourcePolicy:ResourcePolicy": "policy",
    "aws:msk/clusterPolicy:ClusterPolicy": "policy",
    "aws:backup/vaultPolicy:VaultPolicy": "policy",
    "aws:redshift/resourcePolicy:ResourcePolicy": "policy",
    "aws:glacier/vault:Vault": "accessPolicy",
    "aws:s3tables/tableBucketPolicy:TableBucketPolicy": "resourcePolicy",
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": "policyDocument",
    "aws:cloudwatch/logDestinationPolicy:LogDestinationPolicy": "accessPolicy",
    "aws:schemas/registryPolicy:RegistryPolicy": "policy",
    "aws:s3tables/tablePolicy:TablePolicy": "resourcePolicy",
    "aws:codeartifact/domainPermissions:DomainPermissions": "policyDocument",
    "aws:codeartifact/repositoryPermissionsPolicy:RepositoryPermissionsPolicy": "policyDocument",
    "aws:redshiftserverless/resourcePolicy:ResourcePolicy": "policy",
    "aws:acmpca/policy:Policy": "policy",
    "aws:ses/identityPolicy:IdentityPolicy": "policy",
    "aws:sesv2/emailIdentityPolicy:EmailIdentityPolicy": "policy",
    "aws:vpclattice/resourcePolicy:ResourcePolicy": "policy",
    "aws:lambda/resourcePolicy:ResourcePolicy": "policy",
    "aws:codebuild/resourcePolicy:ResourcePolicy": "policy",
    "aws:bedrock/agentcoreResourcePolicy:AgentcoreResourcePolicy": "policy",
    "aws:amp/resourcePolicy:ResourcePolicy": "policyDocument",
    "aws:xray/resourcePolicy:ResourcePolicy": "policyDocument",
    "aws:sagemaker/modelPackageGroupPolicy:ModelPackageGroupPolicy": "resourcePolicy",
    "aws:cloudwatch/logDeliveryDestinationPolicy:LogDeliveryDestinationPolicy": "deliveryDestinationPolicy",
    "aws:apigateway/restApi:RestApi": "policy",
    "aws:apigateway/restApiPolicy:RestApiPolicy": "policy",
}


@family.resource_rule(
    "STO-04",
    "store-policy-not-public",
    "No policy of a domain, file system, registry, stream or vault lets anybody in",
    Severity.CRITICAL,
    tuple(POLICIES),
    fix="Name the roles, or bind a * principal by aws:PrincipalOrgID, aws:SourceVpce or the like.",
    source="IAM user guide: IAM JSON policy elements: Principal",
    frameworks=("checkov CKV_AWS_32", "checkov CKV_AWS_167", "trivy AVD-AWS-0032"),
)
def store_policy_not_public(resource: Resource, settings: Settings) -> Findings:
    """A condition helps only if it ties the caller to somebody."""
    return public_policy(resource, POLICIES[resource.type])


_IN_TRANSIT: Final[Mapping[str, tuple[Flag, ...]]] = {
    DOMAINS[0]: (Flag("nodeToNodeEncryption.enabled"), Flag("domainEndpointOptions.enforceHttps")),
    DOMAINS[1]: (Flag("nodeToNodeEncryption.enabled"), Flag("domainEndpointOptions.enforceHttps")),
    REPLICATION_GROUP: (Flag("transitEncryptionEnabled"),),
    "aws:memorydb/cluster:Cluster": (Flag("tlsEnabled", default=True),),
    MSK: (Flag("encryptionInfo.encryptionInTransit.inCluster", default=True),),
    PROXY: (Flag("requireTls"),),
}
_IN_TRANSIT_WORDS: Final[Mapping[str, tuple[str, str, bool]]] = {
    MSK: ("encryptionInfo.encryptionInTransit.clientBroker", "TLS", True),
    "aws:dax/cluster:Cluster": ("clusterEndpointEncryptionType", "TLS", False),
    CONNECTOR: ("kafkaClusterEncryptionInTransit.encryptionType", "TLS", False),
}
"""Where the word stands, which it must be, and whether that is what AWS takes when it is left out."""


_FORCED: Final[Mapping[str, frozenset[str]]] = {
    "aws:rds/parameterGroup:ParameterGroup": frozenset({"rds.force_ssl", "require_secure_transport"}),
    "aws:rds/clusterParameterGroup:ClusterParameterGroup": frozenset({"rds.force_ssl", "require_secure_transport"}),
    "aws:docdb/clusterParameterGroup:ClusterParameterGroup": frozenset({"tls"}),
    "aws:redshift/parameterGroup:ParameterGroup": frozenset({"require_ssl"}),
}
"""Parameters that refuse clear text; each database's default is its own, so only a switch that is off counts."""
_TLS_ENGINES: Final = ("aurora", "db2", "docdb", "mariadb", "mongodb", "mysql", "oracle", "postgres", "sqlserver")
"""Engines at which a migration can speak TLS."""
_OFF: Final = frozenset({"0", "false", "off", "disabled"})
_FRONTS: Final = (*LISTENERS, CLASSIC_BALANCER, DISTRIBUTION, TRANSFER)
_OLD_TLS: Final = re.compile(
    r"ELBSecurityPolicy-(2015-05|2016-08|TLS-1-0-.*|TLS-1-1-.*|FS-2018-06|FS-1-1-.*|TLS13-1-[01]-.*)$"
)


def _switched_off(resource: Resource) -> Findings:
    for index, parameter in enumerate(resource.items("parameters")):
        name, value = text(at(parameter, "name")), text(at(parameter, "value"))
        where = f"parameters[{index}]"
        if isinstance(name, str) and name.lower() in _FORCED[resource.type]:
            if value is UNKNOWN:
                yield undecided(f"{where}.value")
            elif str(value).lower() in _OFF:
                yield violation(f"{where}.value", f"switches {name} off, so clients may speak in clear text")


def _clear_front(resource: Resource) -> Findings:
    """What stands before a store or service, and speaks in clear text."""
    if resource.type in LISTENERS:
        protocol = resource.text("protocol")
        actions = resource.items("defaultActions")
        targets = [text(at(action, "redirect", "protocol")) for action in actions]
        redirects = UNKNOWN in targets or any(str(target).upper() == "HTTPS" for target in targets)
        if protocol is UNKNOWN:
            yield undecided("protocol")
        elif str(protocol).upper() == "HTTP" and not redirects:
            yield violation("protocol", "is HTTP, and does not send the caller on to HTTPS")
        policy = resource.text("sslPolicy")
        if isinstance(policy, str) and _OLD_TLS.match(policy):
            yield violation("sslPolicy", "accepts TLS older than 1.2")
    elif resource.type == CLASSIC_BALANCER:
        for index, listener in enumerate(resource.items("listeners")):
            protocol = text(at(listener, "lbProtocol"))
            if protocol is UNKNOWN:
                yield undecided(f"listeners[{index}].lbProtocol")
            elif str(protocol).upper() == "HTTP":
                yield violation(f"listeners[{index}].lbProtocol", "is HTTP")
    elif resource.type == DISTRIBUTION:
        behaviours = [("defaultCacheBehavior", resource.value("defaultCacheBehavior"))]
        for index, entry in enumerate(resource.items("orderedCacheBehaviors")):
            behaviours.append((f"orderedCacheBehaviors[{index}]", entry))
        for where, behaviour in behaviours:
            if text(at(behaviour, "viewerProtocolPolicy")) == "allow-all":
                yield violation(f"{where}.viewerProtocolPolicy", "is allow-all")
    else:
        for index, protocol in enumerate(resource.items("protocols")):
            if text(protocol) == "FTP":
                yield violation(f"protocols[{index}]", "is FTP")


@family.resource_rule(
    "STO-05",
    "store-in-transit",
    "Databases, search domains, caches, brokers and what stands before them are reached over TLS only",
    Severity.HIGH,
    (*dict.fromkeys((*_IN_TRANSIT, *_IN_TRANSIT_WORDS, *_FORCED, *_FRONTS, TASK_DEFINITION, MIGRATION_ENDPOINT)),),
    fix="Switch encryption in transit on, and refuse clear text.",
    source="Well-Architected, security pillar: SEC09-BP02 Enforce encryption in transit",
    frameworks=(
        "checkov CKV_AWS_6",
        "checkov CKV_AWS_30",
        "checkov CKV_AWS_81",
        "checkov CKV_AWS_83",
        "checkov CKV_AWS_97",
        "checkov CKV_AWS_202",
        "checkov CKV_AWS_228",
        "checkov CKV_AWS_239",
        "trivy AVD-AWS-0043",
        "trivy AVD-AWS-0046",
        "trivy AVD-AWS-0073",
        "checkov CKV_AWS_2",
        "checkov CKV_AWS_34",
        "checkov CKV_AWS_103",
        "trivy AVD-AWS-0047",
        "trivy AVD-AWS-0054",
        "Security Hub ELB.3",
        "Security Hub Redshift.2",
        "Security Hub Opensearch.3",
    ),
)
def store_in_transit(resource: Resource, settings: Settings) -> Findings:
    """Clear text is read by whoever is on the way."""
    if resource.type in _FORCED:
        yield from _switched_off(resource)
    elif resource.type in _FRONTS:
        yield from _clear_front(resource)
    for flag in _IN_TRANSIT.get(resource.type, ()):
        value = resource.value(*_path(flag.property))
        found = switch(value)
        if found is UNKNOWN:
            yield undecided(flag.property)
        elif found is not True and not (value is None and flag.default):
            yield violation(flag.property, "is not true, so traffic may be in clear text")
    if resource.type in _IN_TRANSIT_WORDS:
        where, needed, default = _IN_TRANSIT_WORDS[resource.type]
        word = text(resource.value(*_path(where)))
        if word is UNKNOWN:
            yield undecided(where)
        elif not (word is None and default) and str(word).upper() != needed:
            yield violation(where, f"is not {needed}, so clients may speak in clear text")
    if resource.type == REPLICATION_GROUP and resource.text("transitEncryptionMode") == "preferred":
        yield violation("transitEncryptionMode", "is preferred, so clients may speak in clear text")
    if resource.type == MIGRATION_ENDPOINT and str(resource.text("engineName")).startswith(_TLS_ENGINES):
        mode = resource.text("sslMode")
        if mode is UNKNOWN:
            yield undecided("sslMode")
        elif str(mode or "none").lower() == "none":
            yield violation("sslMode", "is none, so what is migrated travels in clear text")
    if resource.type == TASK_DEFINITION:
        for index, volume in enumerate(resource.items("volumes")):
            files = at(volume, "efsVolumeConfiguration")
            where = f"volumes[{index}].efsVolumeConfiguration.transitEncryption"
            word = text(at(files, "transitEncryption"))
            if word is UNKNOWN:
                yield undecided(where)
            elif files is not None and str(word).upper() != "ENABLED":
                yield violation(where, "is not ENABLED, so files travel in clear text")
    if resource.type in DOMAINS:
        policy = text(resource.value("domainEndpointOptions", "tlsSecurityPolicy"))
        if isinstance(policy, str) and policy.startswith("Policy-Min-TLS-1-0"):
            yield violation("domainEndpointOptions.tlsSecurityPolicy", "accepts TLS 1.0, which is broken")


_BACKED_UP: Final[Mapping[str, tuple[str, int]]] = {
    RDS_INSTANCE: ("backupRetentionPeriod", 0),
    RDS_CLUSTER: ("backupRetentionPeriod", 1),
    "aws:docdb/cluster:Cluster": ("backupRetentionPeriod", 1),
    "aws:neptune/cluster:Cluster": ("backupRetentionPeriod", 1),
    "aws:redshift/cluster:Cluster": ("automatedSnapshotRetentionPeriod", 1),
}
"""Where days of automatic backups stand, and how many they are when left out."""
_DELETION_PROTECTED: Final = (
    RDS_INSTANCE,
    RDS_CLUSTER,
    "aws:docdb/cluster:Cluster",
    "aws:neptune/cluster:Cluster",
)


@family.resource_rule(
    "STO-06",
    "store-recoverable",
    "Databases are backed up, and protected from deletion",
    Severity.MEDIUM,
    tuple(_BACKED_UP),
    fix="Give backups enough days, and set deletionProtection to true.",
    source="RDS user guide: Introduction to backups; Deleting a DB instance: deletion protection",
    frameworks=(
        "checkov CKV_AWS_133",
        "checkov CKV_AWS_139",
        "checkov CKV_AWS_293",
        "checkov CKV_AWS_343",
        "checkov CKV_AWS_360",
        "checkov CKV_AWS_361",
        "checkov CKV2_AWS_58",
        "trivy AVD-AWS-0077",
        "trivy AVD-AWS-0177",
        "Security Hub RDS.8",
        "Security Hub RDS.11",
    ),
    settings={"minimumDays": Setting({"type": "integer", "minimum": 1, "maximum": 35}, 1, "Fewest days of backups.")},
)
def store_recoverable(resource: Resource, settings: Settings) -> Findings:
    """A replica follows its source, so it needs no backup of its own."""
    if resource.type != RDS_INSTANCE or resource.value("replicateSourceDb") is None:
        where, default = _BACKED_UP[resource.type]
        days = number(resource.value(where))
        if isinstance(days, Unknown):
            yield undecided(where)
        elif (default if days is None else days) < settings["minimumDays"]:
            yield violation(where, f"keeps backups fewer than {settings['minimumDays']} days")
    if resource.type in _DELETION_PROTECTED:
        flag = switch(resource.value("deletionProtection"))
        if flag is UNKNOWN:
            yield undecided("deletionProtection")
        elif flag is not True:
            yield violation("deletionProtection", "is not true")


@family.resource_rule(
    "STO-07",
    "image-repository",
    "Images in a registry are scanned, and what a tag names does not change",
    Severity.LOW,
    (REPOSITORY,),
    fix="Set imageTagMutability to IMMUTABLE and imageScanningConfiguration.scanOnPush to true.",
    source="ECR user guide: Image tag mutability; Scan images for software vulnerabilities",
    frameworks=(
        "checkov CKV_AWS_51",
        "checkov CKV_AWS_163",
        "trivy AVD-AWS-0030",
        "trivy AVD-AWS-0031",
        "Security Hub ECR.1",
        "Security Hub ECR.2",
    ),
    remedy={REPOSITORY: {"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration.scanOnPush": True}},
)
def image_repository(resource: Resource, settings: Settings) -> Findings:
    """A tag that may move runs other code tomorrow under the same name."""
    kind = resource.text("imageTagMutability")
    if kind is UNKNOWN:
        yield undecided("imageTagMutability")
    elif not str(kind).upper().startswith("IMMUTABLE"):
        yield violation("imageTagMutability", "is not IMMUTABLE")
    scan = switch(resource.value("imageScanningConfiguration", "scanOnPush"))
    if scan is UNKNOWN:
        yield undecided("imageScanningConfiguration.scanOnPush")
    elif scan is not True:
        yield violation("imageScanningConfiguration.scanOnPush", "is not true")


_SHARED: Final[Mapping[str, str]] = {
    "aws:ec2/amiLaunchPermission:AmiLaunchPermission": "group",
    "aws:rds/snapshot:Snapshot": "sharedAccounts",
    "aws:rds/clusterSnapshot:ClusterSnapshot": "sharedAccounts",
    "aws:rds/snapshotCopy:SnapshotCopy": "sharedAccounts",
    "aws:rds/clusterSnapshotCopy:ClusterSnapshotCopy": "sharedAccounts",
    "aws:ssm/document:Document": "permissions",
    "aws:ec2/vpcEndpointService:VpcEndpointService": "allowedPrincipals",
    "aws:ec2/vpcEndpointServiceAllowedPrinciple:VpcEndpointServiceAllowedPrinciple": "principalArn",
    "aws:ec2/snapshotCreateVolumePermission:SnapshotCreateVolumePermission": "accountId",
}
_SHARING_BLOCKS: Final = (
    "aws:ebs/snapshotBlockPublicAccess:SnapshotBlockPublicAccess",
    "aws:ec2/imageBlockPublicAccess:ImageBlockPublicAccess",
)
_PUBLIC_REGISTRY: Final = "aws:ecrpublic/repository:Repository"


def _sharers(resource: Resource) -> Iterator[tuple[str, Plain]]:
    where = _SHARED[resource.type]
    if resource.type == "aws:ssm/document:Document":
        permissions = record(resource.value(where))
        if permissions is UNKNOWN:
            yield where, UNKNOWN
        else:
            for name in ("accountIds", "account_ids"):
                for part in listed(at(permissions, name)):
                    yield f"{where}.{name}", part
        return
    for index, value in enumerate(resource.items(where)):
        yield f"{where}[{index}]", value


@family.resource_rule(
    "STO-08",
    "not-shared-with-everybody",
    "No image, snapshot, document or endpoint service is shared with everybody",
    Severity.CRITICAL,
    (*_SHARED, *_SHARING_BLOCKS, _PUBLIC_REGISTRY),
    fix="Name the accounts that need it.",
    source="EC2 user guide: Make your AMI publicly available; RDS user guide: Sharing a DB snapshot",
    frameworks=(
        "checkov CKV_AWS_205",
        "checkov CKV_AWS_302",
        "checkov CKV_AWS_303",
        "Security Hub RDS.1",
        "Security Hub EC2.1",
        "Security Hub SSM.4",
    ),
)
def not_shared_with_everybody(resource: Resource, settings: Settings) -> Findings:
    """A copy that somebody made cannot be taken back."""
    if resource.type == _PUBLIC_REGISTRY:
        yield violation("", "is a registry for everybody", "Use aws.ecr.Repository.")
        return
    if resource.type in _SHARING_BLOCKS:
        if resource.text("state") == "unblocked":
            yield violation("state", "lets anybody in the account share with everybody", "Block new sharing, or all.")
        return
    for where, value in _sharers(resource):
        found = text(value)
        if found is UNKNOWN:
            yield undecided(where)
        elif found is not None and (found == "*" or "all" in [part.strip().lower() for part in found.split(",")]):
            yield violation(where, "shares it with everybody, in any account")


_MANAGED_LOGINS: Final = (RDS_INSTANCE, RDS_CLUSTER, "aws:neptune/cluster:Cluster")
_LOGIN_ENGINES: Final = ("postgres", "mysql", "mariadb", "aurora", "neptune")
"""Engines that know IAM's logins."""


@family.resource_rule(
    "STO-09",
    "store-knows-who-asks",
    "Stores, file systems and notebooks know who is asking, and give no more than is needed",
    Severity.MEDIUM,
    (MSK, CONNECTOR, *_MANAGED_LOGINS, *DOMAINS, ACCESS_POINT, NOTEBOOK),
    fix="Switch authentication by IAM on, and access without a name and as root off.",
    source="Well-Architected, security pillar: SEC02-BP02 Use temporary credentials; SEC03-BP02 Grant least privilege",
    frameworks=(
        "checkov CKV_AWS_161",
        "checkov CKV_AWS_162",
        "checkov CKV_AWS_307",
        "checkov CKV_AWS_329",
        "checkov CKV_AWS_330",
        "trivy AVD-AWS-0176",
        "Security Hub RDS.10",
        "Security Hub RDS.12",
        "Security Hub EFS.3",
        "Security Hub EFS.4",
        "Security Hub MSK.6",
        "Security Hub Opensearch.7",
        "Security Hub SageMaker.3",
    ),
)
def store_knows_who_asks(resource: Resource, settings: Settings) -> Findings:
    """A network is no name: whoever is in it may ask for anything."""
    kind = resource.type
    if kind == MSK:
        where, wanted = "clientAuthentication.unauthenticated", False
    elif kind in _MANAGED_LOGINS:
        engine = resource.text("engine")
        if engine is not UNKNOWN and engine is not None and not str(engine).startswith(_LOGIN_ENGINES):
            return
        where, wanted = "iamDatabaseAuthenticationEnabled", True
    elif kind in DOMAINS:
        where, wanted = "advancedSecurityOptions.enabled", True
    elif kind == CONNECTOR:
        if text(resource.value("kafkaClusterClientAuthentication", "authenticationType")) == "NONE":
            yield violation("kafkaClusterClientAuthentication.authenticationType", "is NONE")
        return
    elif kind == ACCESS_POINT:
        yield from _root_of_file_system(resource)
        return
    else:
        word = resource.text("rootAccess")
        if word is UNKNOWN:
            yield undecided("rootAccess")
        elif word != "Disabled":
            yield violation("rootAccess", "is not Disabled, so its users are root")
        return
    flag = switch(resource.value(*_path(where)))
    if flag is UNKNOWN:
        yield undecided(where)
    elif (flag is True) is not wanted:
        yield violation(where, f"is {'not ' if wanted else ''}true")


def _root_of_file_system(resource: Resource) -> Findings:
    path = text(resource.value("rootDirectory", "path"))
    if path is UNKNOWN:
        yield undecided("rootDirectory.path")
    elif path is None or path == "/":
        yield violation("rootDirectory.path", "is the file system's root")
    user = record(resource.value("posixUser"))
    if user is UNKNOWN:
        yield undecided("posixUser")
    elif not user:
        yield violation("posixUser", "is absent, so a client is who it says it is")


_LOG_EXPORTS: Final[Mapping[str, str]] = {
    RDS_INSTANCE: "enabledCloudwatchLogsExports",
    RDS_CLUSTER: "enabledCloudwatchLogsExports",
    "aws:docdb/cluster:Cluster": "enabledCloudwatchLogsExports",
    "aws:neptune/cluster:Cluster": "enableCloudwatchLogsExports",
    DOMAINS[0]: "logPublishingOptions",
    DOMAINS[1]: "logPublishingOptions",
    KUBERNETES: "enabledClusterLogTypes",
}


_LOG_SWITCHES: Final[Mapping[str, tuple[str, ...]]] = {
    MSK: tuple(f"loggingInfo.brokerLogs.{where}.enabled" for where in ("cloudwatchLogs", "firehose", "s3")),
    BROKER: ("logs.general", "logs.audit"),
}
"""Switches of logs, of which one at least must be on."""


@family.resource_rule(
    "STO-10",
    "store-logged-and-mended",
    "Databases and search domains log what they do, and take their security updates",
    Severity.LOW,
    (*_LOG_EXPORTS, *_LOG_SWITCHES, "aws:rds/clusterInstance:ClusterInstance", REDSHIFT),
    fix="Export the logs to CloudWatch, leave autoMinorVersionUpgrade on, and route Redshift through the VPC.",
    source="RDS user guide: Publishing database logs to CloudWatch Logs; Automatically upgrading the engine",
    frameworks=(
        "checkov CKV_AWS_37",
        "checkov CKV_AWS_48",
        "checkov CKV_AWS_80",
        "checkov CKV_AWS_84",
        "checkov CKV_AWS_129",
        "checkov CKV_AWS_226",
        "checkov CKV_AWS_317",
        "checkov CKV_AWS_321",
        "checkov CKV_AWS_324",
        "Security Hub RDS.9",
        "Security Hub RDS.13",
        "Security Hub Redshift.6",
        "Security Hub Redshift.7",
        "Security Hub Opensearch.5",
    ),
)
def store_logged_and_mended(resource: Resource, settings: Settings) -> Findings:
    """What a database was asked is known only if it wrote it down elsewhere."""
    if resource.type in _LOG_EXPORTS:
        where = _LOG_EXPORTS[resource.type]
        if resource.value(where) is UNKNOWN:
            yield undecided(where)
        elif not any(switch(at(entry, "enabled")) is not False for entry in resource.items(where)):
            yield violation(where, "is absent or empty, so no log outlives the store")
        elif resource.type == KUBERNETES and not {"audit", UNKNOWN} & {text(kind) for kind in resource.items(where)}:
            yield violation(where, "lacks audit, so nobody knows who asked for what")
    if resource.type in _LOG_SWITCHES:
        flags = [switch(resource.value(*_path(where))) for where in _LOG_SWITCHES[resource.type]]
        if True not in flags:
            where = _LOG_SWITCHES[resource.type][0]
            yield undecided(where) if UNKNOWN in flags else violation(where, "is not true, nor is another log on")
    switches = {
        RDS_INSTANCE: ("autoMinorVersionUpgrade", True),
        "aws:rds/clusterInstance:ClusterInstance": ("autoMinorVersionUpgrade", True),
        REDSHIFT: ("enhancedVpcRouting", False),
    }
    names = [switches[resource.type]] if resource.type in switches else []
    if resource.type == REDSHIFT:
        names.append(("allowVersionUpgrade", True))
    for name, default in names:
        flag = switch(resource.value(name))
        if flag is UNKNOWN:
            yield undecided(name)
        elif flag is False or (flag is None and not default):
            yield violation(name, "is not true")


@family.stack_rule(
    "STO-11",
    "warehouse-audited",
    "Redshift says who connected and what was asked",
    Severity.LOW,
    (REDSHIFT,),
    fix="Add a redshift.Logging for the cluster.",
    source="Redshift management guide: Database audit logging",
    frameworks=("checkov CKV_AWS_71", "Security Hub Redshift.4", "cdk-nag AwsSolutions-RS5"),
)
def warehouse_audited(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """Off unless somebody switches it on."""
    certain, possible = stack.referring(resource, "clusterIdentifier", REDSHIFT_LOGGING)
    if certain:
        return
    if possible:
        yield undecided("", "may be audited; whose logs are switched on is not known yet")
    else:
        yield violation("", "writes no audit logs")
