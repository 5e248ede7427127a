"""Rules of the cluster: encrypted, private, logged, and running only code of the stack's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, cast

from policies.keys import own_key
from policies.model import Family, Findings, Resource, Setting, Settings, Severity, Stack, undecided, violation
from policies.network import (
    DEFAULT_SECURITY_GROUP,
    EMR_CLUSTER,
    INGRESS_RULE,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    SERVERLESS,
    public_ingress,
    public_prefix_lists,
)
from policies.plain import (
    MALFORMED,
    UNKNOWN,
    Malformed,
    Plain,
    at,
    json_value,
    listed,
    member,
    number,
    record,
    switch,
    text,
)

family = Family("EMR")

SECURITY_CONFIGURATION: Final = "aws:emr/securityConfiguration:SecurityConfiguration"
BLOCK_PUBLIC_ACCESS: Final = "aws:emr/blockPublicAccessConfiguration:BlockPublicAccessConfiguration"
MANAGED_SCALING: Final = "aws:emr/managedScalingPolicy:ManagedScalingPolicy"
INSTANCE_GROUP: Final = "aws:emr/instanceGroup:InstanceGroup"
JOB_TEMPLATE: Final = "aws:emrcontainers/jobTemplate:JobTemplate"
BUCKETS: Final = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")

_GUIDE: Final = "EMR management guide: "


@family.resource_rule(
    "EMR-01",
    "emr-has-security-configuration",
    "Every cluster names a security configuration",
    Severity.CRITICAL,
    (EMR_CLUSTER,),
    fix="Set securityConfiguration to the name of a SecurityConfiguration of the stack.",
    source=_GUIDE + "Use security configurations to set up Amazon EMR cluster security",
    frameworks=("checkov CKV2_AWS_55", "cdk-nag AwsSolutions-EMR4", "cdk-nag AwsSolutions-EMR5", "Security Hub EMR.3"),
)
def emr_has_security_configuration(resource: Resource, settings: Settings) -> Findings:
    """Without one nothing on the cluster is encrypted or authenticated."""
    name = resource.text("securityConfiguration")
    if name is UNKNOWN:
        yield undecided("securityConfiguration", "will be named by the deployment")
    elif name is None:
        yield violation("securityConfiguration", "is absent or empty, so nothing on the cluster is encrypted")


def _configuration(resource: Resource) -> Plain | Malformed:
    document = json_value(resource.value("configuration"))
    return document if document is UNKNOWN or isinstance(document, dict) else MALFORMED


def at_rest(document: Plain) -> Findings:
    """What is wrong with a security configuration's encryption in S3."""
    flag = at(document, "EncryptionConfiguration", "EnableAtRestEncryption")
    where = "configuration.EncryptionConfiguration"
    if flag is UNKNOWN:
        yield undecided(f"{where}.EnableAtRestEncryption")
    elif flag is not True:
        yield violation(f"{where}.EnableAtRestEncryption", "is not true, so nothing is encrypted at rest")
        return
    where += ".AtRestEncryptionConfiguration.S3EncryptionConfiguration"
    s3 = at(document, "EncryptionConfiguration", "AtRestEncryptionConfiguration", "S3EncryptionConfiguration")
    yield from _s3_mode(where, s3)
    for index, override in enumerate(listed(at(s3, "Overrides"))):
        yield from _s3_mode(f"{where}.Overrides[{index}]", override)


def _s3_mode(where: str, configuration: Plain) -> Findings:
    mode = text(at(configuration, "EncryptionMode"))
    if mode is UNKNOWN:
        yield undecided(f"{where}.EncryptionMode")
    elif mode not in {"SSE-KMS", "CSE-KMS"}:
        yield violation(f"{where}.EncryptionMode", "is neither SSE-KMS nor CSE-KMS")
    else:
        finding = own_key(f"{where}.AwsKmsKey", at(configuration, "AwsKmsKey"), "data in S3")
        if finding:
            yield finding


def local_disk(document: Plain) -> Findings:
    """What is wrong with a security configuration's encryption of the nodes' disks."""
    flag = at(document, "EncryptionConfiguration", "EnableAtRestEncryption")
    where = "configuration.EncryptionConfiguration"
    if flag is UNKNOWN:
        yield undecided(f"{where}.EnableAtRestEncryption")
    elif flag is not True:
        yield violation(f"{where}.EnableAtRestEncryption", "is not true, so the nodes' disks are not encrypted")
        return
    where += ".AtRestEncryptionConfiguration.LocalDiskEncryptionConfiguration"
    disk = at(document, "EncryptionConfiguration", "AtRestEncryptionConfiguration", "LocalDiskEncryptionConfiguration")
    if disk is UNKNOWN:
        yield undecided(where)
        return
    provider = text(at(disk, "EncryptionKeyProviderType"))
    if provider is UNKNOWN:
        yield undecided(f"{where}.EncryptionKeyProviderType")
    elif provider == "Custom":
        for key in ("S3Object", "EncryptionKeyProviderClass"):
            yield from _needed(f"{where}.{key}", at(disk, key), "the custom key provider cannot be found")
    elif provider != "AwsKms":
        yield violation(f"{where}.EncryptionKeyProviderType", "names no provider of disk keys (AwsKms or Custom)")
    else:
        finding = own_key(f"{where}.AwsKmsKey", at(disk, "AwsKmsKey"), "nodes' disks")
        if finding:
            yield finding
    ebs = at(disk, "EnableEbsEncryption")
    if ebs is UNKNOWN:
        yield undecided(f"{where}.EnableEbsEncryption")
    elif ebs is not True:
        yield violation(f"{where}.EnableEbsEncryption", "is not true, so root volumes are not encrypted")


def _needed(where: str, value: Plain, otherwise: str) -> Findings:
    found = text(value)
    if found is UNKNOWN:
        yield undecided(where)
    elif found is None:
        yield violation(where, f"is absent or empty, so {otherwise}")


def in_transit(document: Plain) -> Findings:
    """What is wrong with a security configuration's encryption between nodes."""
    where = "configuration.EncryptionConfiguration"
    flag = at(document, "EncryptionConfiguration", "EnableInTransitEncryption")
    if flag is UNKNOWN:
        yield undecided(f"{where}.EnableInTransitEncryption")
    elif flag is not True:
        yield violation(f"{where}.EnableInTransitEncryption", "is not true, so nodes talk in clear text")
        return
    where += ".InTransitEncryptionConfiguration.TLSCertificateConfiguration"
    tls = at(document, "EncryptionConfiguration", "InTransitEncryptionConfiguration", "TLSCertificateConfiguration")
    provider = text(at(tls, "CertificateProviderType"))
    if provider is UNKNOWN:
        yield undecided(f"{where}.CertificateProviderType")
    elif provider not in {"PEM", "Custom", "EMR"}:
        yield violation(f"{where}.CertificateProviderType", "names no source of certificates (PEM or Custom)")
    elif provider != "EMR":
        yield from _needed(f"{where}.S3Object", at(tls, "S3Object"), "there is no certificate to encrypt with")
        address = text(at(tls, "S3Object"))
        if isinstance(address, str) and not re.match(r"(s3://|arn:[a-z-]+:s3:)", address):
            yield violation(f"{where}.S3Object", "is no s3:// address, so the certificate may be read on its way")
        if provider == "Custom":
            key = "CertificateProviderClass"
            yield from _needed(f"{where}.{key}", at(tls, key), "the certificate provider cannot be found")


def _judge_configuration(resource: Resource, check: Callable[[Plain], Findings]) -> Findings:
    document = _configuration(resource)
    if document is UNKNOWN:
        yield undecided("configuration")
    elif document is MALFORMED:
        yield violation("configuration", "holds no JSON object")
    else:
        yield from check(document)


@family.resource_rule(
    "EMR-02",
    "emr-at-rest",
    "Security configurations encrypt data in S3 with a key of the stack's own",
    Severity.CRITICAL,
    (SECURITY_CONFIGURATION,),
    fix="Set EnableAtRestEncryption to true, and SSE-KMS or CSE-KMS with AwsKmsKey, also in every bucket override.",
    source=_GUIDE + "Create a security configuration: data encryption",
    frameworks=("checkov CKV_AWS_171", "trivy AVD-AWS-0137", "Security Hub EMR.3"),
)
def emr_at_rest(resource: Resource, settings: Settings) -> Findings:
    """The flag must be JSON's true, under EncryptionConfiguration: EMR reads nothing else."""
    return _judge_configuration(resource, at_rest)


@family.resource_rule(
    "EMR-03",
    "emr-local-disk",
    "Security configurations encrypt the nodes' disks",
    Severity.HIGH,
    (SECURITY_CONFIGURATION,),
    fix="Give LocalDiskEncryptionConfiguration the provider AwsKms, AwsKmsKey and EnableEbsEncryption true.",
    source=_GUIDE + "Encryption options: local disk encryption",
    frameworks=(
        "checkov CKV_AWS_349",
        "checkov CKV_AWS_350",
        "trivy AVD-AWS-0139",
        "cdk-nag AwsSolutions-EMR4",
    ),
)
def emr_local_disk(resource: Resource, settings: Settings) -> Findings:
    """HDFS, shuffle files and logs lie on the disks; EBS encryption adds the root volume."""
    return _judge_configuration(resource, local_disk)


@family.resource_rule(
    "EMR-04",
    "emr-in-transit",
    "Security configurations encrypt traffic between nodes",
    Severity.CRITICAL,
    (SECURITY_CONFIGURATION,),
    fix="Set EnableInTransitEncryption to true, and TLSCertificateConfiguration with its provider and S3Object.",
    source=_GUIDE + "Encryption options: in-transit encryption",
    frameworks=("checkov CKV_AWS_351", "trivy AVD-AWS-0138", "cdk-nag AwsSolutions-EMR5", "Security Hub EMR.4"),
)
def emr_in_transit(resource: Resource, settings: Settings) -> Findings:
    """The flag without certificates encrypts nothing."""
    return _judge_configuration(resource, in_transit)


@family.stack_rule(
    "EMR-05",
    "emr-attached-configuration-good",
    "The security configuration that a cluster names encrypts everything",
    Severity.CRITICAL,
    (EMR_CLUSTER,),
    fix="Name a SecurityConfiguration of the stack that passes EMR-02, EMR-03 and EMR-04.",
    source=_GUIDE + "Specify a security configuration for a cluster",
    frameworks=("cdk-nag AwsSolutions-EMR4", "cdk-nag AwsSolutions-EMR5"),
    settings={
        "allowed": Setting(
            {"type": "array", "items": {"type": "string"}},
            [],
            "Names of security configurations outside the stack that somebody has checked.",
        )
    },
)
def emr_attached_configuration_good(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """A good configuration helps only the cluster that names it."""
    where = "securityConfiguration"
    value = resource.value(where)
    name = text(value)
    if name is None:
        return
    configurations, complete = stack.named(resource, where, [value], SECURITY_CONFIGURATION, whole=True)
    if not complete and name is UNKNOWN:
        yield undecided(where, "names a configuration that is not known yet")
    elif not complete and name not in settings["allowed"]:
        yield violation(where, "names a configuration outside the stack, so nobody knows what it encrypts")
    for configuration in configurations:
        for check in (at_rest, local_disk, in_transit):
            for finding in _judge_configuration(configuration, check):
                what = f"names {configuration.name}, whose {finding.where} {finding.what}"
                yield violation(where, what) if finding.decided else undecided(where, what)


@family.resource_rule(
    "EMR-06",
    "emr-imdsv2",
    "Nodes hand out credentials by session tokens only",
    Severity.MEDIUM,
    (SECURITY_CONFIGURATION,),
    fix="Add InstanceMetadataServiceConfiguration: MinimumInstanceMetadataServiceVersion 2, HttpPutResponseHopLimit 1.",
    source=_GUIDE + "Create a security configuration: instance metadata service",
    frameworks=("Security Hub EC2.8", "checkov CKV_AWS_79", "checkov CKV_AWS_341", "trivy AVD-AWS-0028"),
)
def emr_imdsv2(resource: Resource, settings: Settings) -> Findings:
    """Version 1 gives a node's credentials to whatever can make it fetch a URL."""
    return _judge_configuration(resource, _metadata_service)


def _metadata_service(document: Plain) -> Findings:
    block = "InstanceMetadataServiceConfiguration"
    version = number(at(document, block, "MinimumInstanceMetadataServiceVersion"))
    hops = number(at(document, block, "HttpPutResponseHopLimit"))
    if version is UNKNOWN:
        yield undecided(f"configuration.{block}")
    elif version != 2:
        yield violation(f"configuration.{block}.MinimumInstanceMetadataServiceVersion", "is not 2")
    if hops is UNKNOWN:
        yield undecided(f"configuration.{block}.HttpPutResponseHopLimit")
    elif version == 2 and hops != 1:
        yield violation(
            f"configuration.{block}.HttpPutResponseHopLimit", "is not 1, so containers reach the node's credentials"
        )


_GROUP_FIELDS: Final = ("emrManagedMasterSecurityGroup", "emrManagedSlaveSecurityGroup", "serviceAccessSecurityGroup")
_ADDITIONAL_FIELDS: Final = ("additionalMasterSecurityGroups", "additionalSlaveSecurityGroups")


@family.resource_rule(
    "EMR-07",
    "emr-in-own-subnet-and-groups",
    "Every cluster names its subnet and its security groups",
    Severity.HIGH,
    (EMR_CLUSTER,),
    fix="Give ec2Attributes a private subnetId, and the groups " + ", ".join(_GROUP_FIELDS) + ".",
    source=_GUIDE + "Control network traffic with security groups: EMR-managed groups",
    frameworks=("KICS EMR Without VPC", "Security Hub EMR.1"),
)
def emr_in_own_subnet_and_groups(resource: Resource, settings: Settings) -> Findings:
    """Left out, EMR takes the default VPC and makes groups that are shared by every cluster in it."""
    attributes = resource.value("ec2Attributes")
    if attributes is UNKNOWN:
        yield undecided("ec2Attributes")
        return
    subnets = [text(value) for value in (at(attributes, "subnetId"), *listed(at(attributes, "subnetIds")))]
    if not any(subnet is not None for subnet in subnets):
        yield violation("ec2Attributes.subnetId", "is absent, so the cluster starts in the account's default VPC")
    for field in _GROUP_FIELDS:
        if text(at(attributes, field)) is None:
            yield violation(f"ec2Attributes.{field}", "is absent, so the cluster takes a group that others share")


@family.resource_rule(
    "EMR-08",
    "emr-logs",
    "Every cluster keeps its logs in S3, encrypted with a key of the stack's own",
    Severity.HIGH,
    (EMR_CLUSTER,),
    fix="Set logUri to an s3:// address of the stack's log bucket, and logEncryptionKmsKeyId to its key.",
    source=_GUIDE + "Configure Amazon EMR cluster logging and debugging; Encrypt log files stored in Amazon S3",
    frameworks=("cdk-nag AwsSolutions-EMR2",),
)
def emr_logs(resource: Resource, settings: Settings) -> Findings:
    """Logs on the nodes go with the nodes."""
    address = resource.text("logUri")
    if address is UNKNOWN:
        yield undecided("logUri")
    elif address is None:
        yield violation("logUri", "is absent, so logs are lost with the nodes")
    elif not re.match(r"s3n?://[^/]", str(address)):  # EMR gives s3n:// back for what was written s3://.
        yield violation("logUri", "is no s3:// address")
    finding = own_key("logEncryptionKmsKeyId", resource.value("logEncryptionKmsKeyId"), "logs")
    if finding:
        yield finding


@family.resource_rule(
    "EMR-09",
    "emr-block-public-access",
    "The account refuses clusters that are open to the internet",
    Severity.HIGH,
    (BLOCK_PUBLIC_ACCESS,),
    fix="Set blockPublicSecurityGroupRules to true, and permit no port but those that settings allow.",
    source=_GUIDE + "Using Amazon EMR block public access",
    frameworks=("checkov CKV_AWS_390", "Security Hub EMR.2"),
    settings={
        "permittedPorts": Setting(
            {"type": "array", "items": {"type": "integer"}},
            [22],
            "Ports that the account may permit; AWS starts with 22. NET-01 and EMR-10 still refuse it on groups.",
        )
    },
)
def emr_block_public_access(resource: Resource, settings: Settings) -> Findings:
    """The account's own safety net; every permitted range is a hole in it."""
    flag = switch(resource.value("blockPublicSecurityGroupRules"))
    if flag is UNKNOWN:
        yield undecided("blockPublicSecurityGroupRules")
    elif flag is not True:
        yield violation("blockPublicSecurityGroupRules", "is not true, so open clusters may start")
    allowed = set(settings["permittedPorts"])
    for index, entry in enumerate(resource.items("permittedPublicSecurityGroupRuleRanges")):
        where = f"permittedPublicSecurityGroupRuleRanges[{index}]"
        low, high = number(at(entry, "minRange")), number(at(entry, "maxRange"))
        if low is UNKNOWN or high is UNKNOWN:
            yield undecided(where)
            continue
        first = int(low) if low is not None else 0
        last = int(high) if high is not None else first if low is not None else 65535
        if last - first + 1 > len(allowed) or not set(range(first, last + 1)) <= allowed:
            yield violation(where, f"lets clusters open ports {first}-{last} to the internet")


def cluster_groups(cluster: Resource, stack: Stack) -> tuple[list[Resource], bool]:
    """The security groups of a cluster, and whether these are all."""
    attributes = cluster.value("ec2Attributes")
    if attributes is UNKNOWN:
        values: list[Plain] = [UNKNOWN]
    else:
        values = [at(attributes, field) for field in _GROUP_FIELDS]
        for field in _ADDITIONAL_FIELDS:
            names = text(at(attributes, field))
            values += [UNKNOWN] if names is UNKNOWN else [name.strip() for name in str(names or "").split(",")]
    return stack.named(cluster, "ec2Attributes", values, SECURITY_GROUP, DEFAULT_SECURITY_GROUP)


@family.stack_rule(
    "EMR-10",
    "emr-groups-closed",
    "No security group of a cluster lets the internet in",
    Severity.CRITICAL,
    (EMR_CLUSTER,),
    fix="Take the rule out of the group, or the group off the cluster.",
    source=_GUIDE + "Control network traffic with security groups; Using Amazon EMR block public access",
    frameworks=("checkov CKV2_AWS_7", "Security Hub EMR.2"),
    settings={
        "ipv4Prefix": Setting({"type": "integer", "minimum": 1, "maximum": 32}, 16, "See NET-01."),
        "ipv6Prefix": Setting({"type": "integer", "minimum": 1, "maximum": 128}, 32, "See NET-01."),
    },
)
def emr_groups_closed(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """By reference: managed, service access and additional groups, inline rules, rule resources and prefix lists."""
    groups, complete = cluster_groups(resource, stack)
    if not complete:
        yield undecided("ec2Attributes", "names a security group that is outside the stack or not known yet")
    for group in groups:
        certain, possible = stack.referring(group, "securityGroupId", SECURITY_GROUP_RULE, INGRESS_RULE)
        for source in (group, *certain, *possible):
            sure = source not in possible
            for finding in (*public_ingress(source, settings), *public_prefix_lists(source, stack, settings)):
                what = f"uses group {group.name}; {source.label} {finding.where} {finding.what}"
                yield violation("ec2Attributes", what) if sure and finding.decided else undecided("ec2Attributes", what)


def _release(label: str) -> tuple[int, ...] | None:
    match = re.fullmatch(r"emr-(\d+)\.(\d+)\.(\d+)(?:-.*)?", label)
    return tuple(int(part) for part in match.groups()) if match else None


@family.resource_rule(
    "EMR-11",
    "emr-release",
    "Clusters run a release that is recent enough",
    Severity.MEDIUM,
    (EMR_CLUSTER, SERVERLESS),
    fix="Set releaseLabel to the least release or a later one.",
    source="EMR release guide: About Amazon EMR releases; Amazon EMR standard support",
    settings={
        "minimum": Setting({"type": "string", "pattern": r"^emr-\d+\.\d+\.\d+$"}, "emr-6.9.0", "The oldest release.")
    },
)
def emr_release(resource: Resource, settings: Settings) -> Findings:
    """Compared number by number: emr-10 is later than emr-7."""
    label = resource.text("releaseLabel")
    if label is UNKNOWN:
        yield undecided("releaseLabel")
        return
    release = _release(str(label or ""))
    least = _release(settings["minimum"])
    if release is None:
        yield violation("releaseLabel", "is no label of an EMR release (emr-x.y.z)")
    elif least is not None and release < least:
        yield violation("releaseLabel", f"is {label}; {settings['minimum']} is the oldest allowed")


@family.resource_rule(
    "EMR-12",
    "emr-termination-protection",
    "Clusters that stay are protected from termination",
    Severity.MEDIUM,
    (EMR_CLUSTER,),
    fix="Set terminationProtection to true.",
    source=_GUIDE + "Using termination protection",
    remedy={EMR_CLUSTER: {"terminationProtection": True}},
)
def emr_termination_protection(resource: Resource, settings: Settings) -> Findings:
    """HDFS and the KDC's principals are gone with the cluster. One that ends with its steps needs no protection."""
    stays = switch(resource.value("keepJobFlowAliveWhenNoSteps"))
    protected = switch(resource.value("terminationProtection"))
    primaries = number(resource.value("masterInstanceGroup", "instanceCount"))
    if stays is False or protected is True or (protected is None and primaries == 3):
        return
    if UNKNOWN in (stays, protected) or (protected is None and primaries is UNKNOWN):
        yield undecided("terminationProtection")
    else:
        yield violation("terminationProtection", "is not true on a cluster that stays")


@family.resource_rule(
    "EMR-13",
    "emr-no-ssh-key",
    "Nodes have no SSH key",
    Severity.LOW,
    (EMR_CLUSTER,),
    fix="Leave keyName out, and use Session Manager, whose sessions are recorded.",
    source="Systems Manager user guide: Session Manager; " + _GUIDE + "Connect to the primary node",
)
def emr_no_ssh_key(resource: Resource, settings: Settings) -> Findings:
    """A key is a credential that nobody rotates and everybody shares."""
    key = text(at(resource.value("ec2Attributes"), "keyName"))
    if key is UNKNOWN and resource.value("ec2Attributes") is not UNKNOWN:
        yield undecided("ec2Attributes.keyName")
    elif key is not None and key is not UNKNOWN:
        yield violation("ec2Attributes.keyName", "gives the nodes an SSH key")


_CODE: Final = re.compile(r"\.(jar|py|sh|zip|egg|whl|tgz|tar\.gz|gz|sql|q|hql|pig|r|rb|pl)$", re.IGNORECASE)


_INTO_SHELL: Final = re.compile(
    r"\|\s*(sudo\s+)?([\w/]*/)?((ba|da|k|z)?sh|python[\d.]*)\b"
    r"|\b((ba|da|k|z)?sh|eval|source)\b[^|;&]*[<$]\(\s*(curl|wget)\b"
)
"""What is fetched and read by a shell at once (``curl … | bash``, ``sh -c "$(curl …)"``) is code, whatever its name."""


def _code_addresses(resource: Resource) -> Iterator[tuple[str, Plain]]:
    """Where a cluster's bootstrap actions and steps fetch code from."""
    for index, action in enumerate(resource.items("bootstrapActions")):
        where = f"bootstrapActions[{index}]"
        yield f"{where}.path", at(action, "path")
        for number_, argument in enumerate(listed(at(action, "args"))):
            yield f"{where}.args[{number_}]", argument
    if resource.computed("steps"):
        return
    for index, step in enumerate(resource.items("steps")):
        where = f"steps[{index}].hadoopJarStep"
        jar = at(step, "hadoopJarStep")
        yield f"{where}.jar", at(jar, "jar")
        for number_, argument in enumerate(listed(at(jar, "args"))):
            yield f"{where}.args[{number_}]", argument


def _addresses(value: str) -> Iterator[str]:
    """The addresses in an argument, which may hold several (``--jars a,b``) or a setting (``x=a``)."""
    for part in re.split(r"[,\s=]+", value):
        if "://" in part:
            yield part


@family.resource_rule(
    "EMR-14",
    "emr-code-by-s3",
    "Clusters fetch code from S3 only",
    Severity.MEDIUM,
    (EMR_CLUSTER,),
    fix="Put the code in the stack's script bucket, and name its s3:// address.",
    source=_GUIDE + "Create bootstrap actions to install additional software",
)
def emr_code_by_s3(resource: Resource, settings: Settings) -> Findings:
    """Code from a web address is whatever its owner serves that day, and runs as root."""
    for where, value in _code_addresses(resource):
        written = text(value)
        if written is UNKNOWN:
            yield undecided(where)
            continue
        fetches = where.endswith(("path", "jar")) or bool(_INTO_SHELL.search(str(written or "")))
        for address in _addresses(str(written or "")):
            scheme = address.split("://", 1)[0].lower()
            web = scheme in {"http", "https", "ftp", "ftps", "git"}
            if web and (fetches or _CODE.search(address.split("?", 1)[0].split("#", 1)[0])):
                yield violation(where, f"fetches code by {scheme}")


@family.stack_rule(
    "EMR-15",
    "emr-scales-or-ends",
    "A cluster follows its load, or ends when idle",
    Severity.LOW,
    (EMR_CLUSTER,),
    fix="Add autoTerminationPolicy.idleTimeout, a ManagedScalingPolicy, or an automatic scaling policy.",
    source=_GUIDE + "Using an auto-termination policy; Use cluster scaling",
)
def emr_scales_or_ends(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """An idle cluster of full size costs as much as a busy one."""
    stays = switch(resource.value("keepJobFlowAliveWhenNoSteps"))
    means = [
        resource.value("autoTerminationPolicy", "idleTimeout"),
        resource.value("coreInstanceGroup", "autoscalingPolicy"),
    ]
    certain, possible = stack.referring(resource, "clusterId", MANAGED_SCALING)
    groups, possible_groups = stack.referring(resource, "clusterId", INSTANCE_GROUP)
    means += [group.value("autoscalingPolicy") for group in groups]
    known = [value for value in means if value is not None and value is not UNKNOWN and value not in ("", 0, {}, [])]
    if stays is False or certain or known:
        return
    if UNKNOWN in means or stays is UNKNOWN or possible or possible_groups:
        yield undecided("", "may scale or end when idle")
    else:
        yield violation("", "neither scales with its load nor ends when idle")


@family.stack_rule(
    "EMR-16",
    "emr-kerberos",
    "Every cluster authenticates its users by Kerberos",
    Severity.LOW,
    (EMR_CLUSTER,),
    fix="Add AuthenticationConfiguration.KerberosConfiguration to the security configuration, and kerberosAttributes.",
    source=_GUIDE + "Use Kerberos for authentication with Amazon EMR",
    frameworks=("cdk-nag AwsSolutions-EMR6", "cdk-nag HIPAA.Security-EMRKerberosEnabled", "checkov CKV_AWS_114"),
    enabled=False,
)
def emr_kerberos(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """Without it whoever reaches a port is whoever he says he is."""
    attributes = resource.value("kerberosAttributes")
    if attributes is UNKNOWN:
        yield undecided("kerberosAttributes")
    else:
        for key in ("realm", "kdcAdminPassword"):
            value = text(at(attributes, key))
            if value is None:
                yield violation(f"kerberosAttributes.{key}", "is absent")
            elif value is UNKNOWN and key == "realm":
                yield undecided("kerberosAttributes.realm")
    where = "securityConfiguration"
    configurations, complete = stack.named(resource, where, [resource.value(where)], SECURITY_CONFIGURATION, whole=True)
    if not complete:
        yield undecided(where, "names a configuration that is not known yet, or not in the stack")
    for configuration in configurations:
        document = _configuration(configuration)
        if document is UNKNOWN:
            yield undecided(where, f"names {configuration.name}, which is not known yet")
            continue
        kerberos = at(document, "AuthenticationConfiguration", "KerberosConfiguration")
        if kerberos is UNKNOWN:
            yield undecided(where, f"names {configuration.name}, whose authentication is not known yet")
        elif document is MALFORMED or not record(kerberos):
            yield violation(where, f"names {configuration.name}, which has no KerberosConfiguration")


@family.stack_rule(
    "EMR-17",
    "emr-code-from-own-buckets",
    "Clusters run code from the stack's own buckets",
    Severity.MEDIUM,
    (EMR_CLUSTER,),
    fix="Put the code in a bucket of the stack, or allow the bucket in the rule's settings.",
    source=_GUIDE + "Create bootstrap actions to install additional software",
    settings={
        "allowed": Setting(
            {"type": "array", "items": {"type": "string"}},
            [],
            "Names of buckets outside the stack that code may come from.",
        )
    },
)
def emr_code_from_own_buckets(resource: Resource, stack: Stack, settings: Settings) -> Findings:
    """Whoever may write to the bucket may run code as root on every node."""
    names = [{bucket.text("bucket"), bucket.text("id")} - {UNKNOWN, None} for bucket in stack.of(*BUCKETS)]
    own = {name for known in names for name in known}
    for where, value in _code_addresses(resource):
        written = text(value)
        made_from = resource.depends.get(where.partition("[")[0], ())
        if written is None:
            continue
        if written is UNKNOWN:
            if not stack.nearest(made_from, BUCKETS):
                yield undecided(where)
            continue
        for address in _addresses(str(written)):
            scheme, rest = address.split("://", 1)
            bucket = rest.partition("/")[0]
            if not scheme.lower().startswith("s3") or (_is_argument(where) and not _CODE.search(address)):
                continue
            aws_own = re.fullmatch(r"([a-z0-9-]+\.)?elasticmapreduce", bucket)
            if bucket not in own and not aws_own and bucket not in settings["allowed"]:
                if not all(names):
                    yield undecided(where, "names a bucket; those of the stack are not all known yet")
                else:
                    yield violation(where, "fetches code from a bucket outside the stack")


def _is_argument(where: str) -> bool:
    return not where.endswith(("path", "jar"))


_WEAKENING: Final[Mapping[str, frozenset[str]]] = {
    "spark.authenticate": frozenset({"false"}),
    "spark.network.crypto.enabled": frozenset({"false"}),
    "spark.io.encryption.enabled": frozenset({"false"}),
    "spark.ssl.enabled": frozenset({"false"}),
    "spark.acls.enable": frozenset({"false"}),
    "dfs.encrypt.data.transfer": frozenset({"false"}),
    "dfs.permissions.enabled": frozenset({"false"}),
    "dfs.permissions": frozenset({"false"}),
    "dfs.block.access.token.enable": frozenset({"false"}),
    "hbase.security.authentication": frozenset({"simple"}),
    "hbase.rpc.protection": frozenset({"authentication", "integrity"}),
    "http-server.https.enabled": frozenset({"false"}),
    "internal-communication.https.required": frozenset({"false"}),
    "hadoop.rpc.protection": frozenset({"authentication", "integrity"}),
    "hadoop.security.authentication": frozenset({"simple"}),
    "hadoop.security.authorization": frozenset({"false"}),
    "dfs.data.transfer.protection": frozenset({"authentication", "integrity"}),
    "dfs.http.policy": frozenset({"http_only", "http_and_https"}),
    "yarn.http.policy": frozenset({"http_only", "http_and_https"}),
    "mapreduce.shuffle.ssl.enabled": frozenset({"false"}),
    "tez.runtime.shuffle.ssl.enable": frozenset({"false"}),
    "fs.s3.enableserversideencryption": frozenset({"false"}),
    "fs.s3.cse.enabled": frozenset({"false"}),
    "fs.s3.canned.acl": frozenset({"publicread", "publicreadwrite", "authenticatedread"}),
    "fs.s3a.connection.ssl.enabled": frozenset({"false"}),
    "hive.server2.use.ssl": frozenset({"false"}),
    "hive.server2.authentication": frozenset({"none", "nosasl"}),
    "http-server.authentication.type": frozenset({""}),
}
"""Settings of the applications, and the values that undo what a security configuration switches on."""


def _classified(where: str, value: Plain) -> Iterator[tuple[str, str, Plain]]:
    """Every setting in a tree of EMR configurations: where, name and value."""
    document = json_value(value)
    if not isinstance(document, list | dict):
        return
    for index, entry in enumerate(listed(cast("Plain", document))):
        place = f"{where}[{index}]"
        block = record(entry)
        if not isinstance(block, dict):
            continue
        # EMR writes these names with a capital, EMR Serverless without.
        properties = member(block, "Properties")
        if isinstance(properties, dict):
            for name, setting in cast("dict[str, Plain]", properties).items():
                yield f"{place}.Properties.{name}", name, setting
        inner = member(block, "Configurations")
        if isinstance(inner, list):
            yield from _classified(f"{place}.Configurations", inner)


_CONFIGURATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    EMR_CLUSTER: ("configurationsJson", "configurations"),
    INSTANCE_GROUP: ("configurationsJson",),
    SERVERLESS: ("runtimeConfigurations",),
    JOB_TEMPLATE: ("jobTemplateData.configurationOverrides.applicationConfigurations",),
}


@family.resource_rule(
    "EMR-18",
    "emr-settings-undo-nothing",
    "No setting of an application undoes the cluster's security",
    Severity.HIGH,
    (EMR_CLUSTER, INSTANCE_GROUP, SERVERLESS, JOB_TEMPLATE),
    fix="Leave the setting out: EMR writes the right value from the security configuration.",
    source=_GUIDE + "Encryption options; EMR release guide: Configure applications (what the program writes wins)",
)
def emr_settings_undo_nothing(resource: Resource, settings: Settings) -> Findings:
    """EMR writes these from the security configuration; the program's own value outweighs it."""
    for name in _CONFIGURATIONS[resource.type]:
        value = resource.value(*name.split("."))
        if value is UNKNOWN and name == "configurationsJson":
            yield undecided(name)
        for where, setting, written in _classified(name, value):
            weak = _WEAKENING.get(setting.casefold().removeprefix("spark.hadoop."))
            found = str(written).lower() if isinstance(written, bool) else text(written)
            if weak is None:
                continue
            if found is UNKNOWN:
                yield undecided(where)
            elif str(found or "").lower() in weak:
                yield violation(where, "undoes what the security configuration switches on")


@family.resource_rule(
    "EMR-19",
    "emr-serverless-private",
    "EMR Serverless runs in the private network, and its logs are encrypted with a key of the stack's own",
    Severity.MEDIUM,
    (SERVERLESS,),
    fix="Give networkConfiguration private subnetIds and securityGroupIds, and each kind of monitoring its key's ARN.",
    source="EMR Serverless user guide: Configuring VPC access; Encrypting logs",
)
def emr_serverless_private(resource: Resource, settings: Settings) -> Findings:
    """Outside the network a job may reach any address of AWS, and no endpoint's policy holds it back."""
    for name in ("subnetIds", "securityGroupIds"):
        found = resource.value("networkConfiguration", name)
        if found is UNKNOWN:
            yield undecided(f"networkConfiguration.{name}")
        elif not any(text(value) is not None for value in listed(found)):
            yield violation(f"networkConfiguration.{name}", "is absent or empty, so jobs run outside the network")
    for kind, name in (
        ("s3MonitoringConfiguration", "encryptionKeyArn"),
        ("managedPersistenceMonitoringConfiguration", "encryptionKeyArn"),
        ("cloudwatchLoggingConfiguration", "encryptionKeyArn"),
    ):
        block = record(resource.value("monitoringConfiguration", kind))
        if not isinstance(block, dict) or switch(at(block, "enabled")) is False:
            continue
        finding = own_key(f"monitoringConfiguration.{kind}.{name}", at(block, name), "logs")
        if finding:
            yield finding
