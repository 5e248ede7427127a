"""Rules of every resource: tags, places, protection, and what an update may pass over."""

from __future__ import annotations

from typing import Final, cast

from policies.model import Family, Findings, Resource, Setting, Settings, Severity, undecided, violation
from policies.plain import UNKNOWN, Plain, json_value, text

family = Family("Every resource")

_TAGGED: Final = (
    "aws:cloudwatch/eventRule:EventRule",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:dynamodb/table:Table",
    "aws:ec2/eip:Eip",
    "aws:ec2/flowLog:FlowLog",
    "aws:ec2/instance:Instance",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/vpc:Vpc",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:emr/cluster:Cluster",
    "aws:glue/catalogDatabase:CatalogDatabase",
    "aws:iam/role:Role",
    "aws:kms/key:Key",
    "aws:lambda/function:Function",
    "aws:s3/bucket:Bucket",
    "aws:secretsmanager/secret:Secret",
    "aws:sfn/stateMachine:StateMachine",
    "aws:sns/topic:Topic",
    "aws:sqs/queue:Queue",
    "aws:ssm/parameter:Parameter",
)
"""Types that carry tags and cost money, or decide who may do what."""

_TEXTS: Final[dict[str, Plain]] = {"type": "array", "items": {"type": "string"}}


def _provider_setting(resource: Resource, name: str) -> Plain:
    """A setting of the provider, whose objects arrive as JSON texts."""
    value = resource.provider.get(name)
    return json_value(value) if isinstance(value, str) and value.lstrip().startswith(("{", "[")) else value


@family.resource_rule(
    "GEN-01",
    "required-tags",
    "Resources say whose they are",
    Severity.LOW,
    _TAGGED,
    fix="Add the tags to the provider's defaultTags, so that every resource has them.",
    source="Tagging best practices whitepaper: Building your tagging strategy",
    settings={"required": Setting(_TEXTS, [], "Tags that every resource must have; their case matters.")},
)
def required_tags(resource: Resource, settings: Settings) -> Findings:
    """The provider's default tags count: it adds them to each resource."""
    sources = [resource.value("tags"), resource.value("tagsAll")]
    defaults = _provider_setting(resource, "defaultTags")
    sources.append(defaults.get("tags") if isinstance(defaults, dict) else defaults)
    present: set[str] = set()
    for source in sources:
        if isinstance(source, dict):
            tags = cast("dict[str, Plain]", source)
            present |= {name for name, value in tags.items() if value is UNKNOWN or text(value) is not None}
    missing = [str(name) for name in settings["required"] if name not in present]
    if missing and UNKNOWN in sources:
        yield undecided("tags")
    elif missing:
        yield violation("tags", f"lacks {', '.join(missing)}")


_STATEFUL: Final = (
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketV2:BucketV2",
    "aws:kms/key:Key",
    "aws:dynamodb/table:Table",
)


@family.resource_rule(
    "GEN-02",
    "protect-stateful",
    "What holds data in production is protected from deletion",
    Severity.MEDIUM,
    _STATEFUL,
    fix="Set the resource option protect to true.",
    source="Pulumi documentation: Resource option: protect",
    settings={
        "stacks": Setting(_TEXTS, ["prod", "production"], "Stacks whose buckets, keys and tables must be protected.")
    },
)
def protect_stateful(resource: Resource, settings: Settings) -> Findings:
    """A renamed resource is a deleted one."""
    if resource.stack in settings["stacks"] and not resource.protect:
        yield violation("protect", "is not set, so an update may delete what it holds")


@family.resource_rule(
    "GEN-03",
    "allowed-regions",
    "Resources stay in the stack's region",
    Severity.MEDIUM,
    (),
    fix="Leave region out, so that the provider's holds; or add the region to the rule's settings.",
    source="Provider aws 7: region on every resource; Organizations user guide: deny access based on region",
    settings={
        "allowed": Setting(_TEXTS, [], "Regions that resources may be in; empty for the provider's only."),
    },
)
def allowed_regions(resource: Resource, settings: Settings) -> Findings:
    """Since version 7 of the provider a resource may name a region of its own."""
    if not resource.type.startswith("aws:") and resource.type != "pulumi:providers:aws":
        return
    allowed = settings["allowed"]
    own = resource.text("region")
    of_provider = text(resource.provider.get("region"))
    if own is UNKNOWN:
        yield undecided("region")
    elif own is not None:
        if allowed and own not in allowed:
            yield violation("region", f"is {own}, which is not among the regions allowed")
        elif not allowed and isinstance(of_provider, str) and own != of_provider:
            yield violation("region", f"is {own}, but the provider's is {of_provider}")
    elif allowed and isinstance(of_provider, str) and of_provider not in allowed:
        yield violation("region", f"is the provider's, {of_provider}, which is not among the regions allowed")


_GUARDING: Final = frozenset(
    {
        "*",
        "accessControlPolicy",
        "accessPolicies",
        "accessPolicy",
        "acl",
        "actionsEnabled",
        "alarmActions",
        "allowedPrincipals",
        "associatePublicIpAddress",
        "assumeRolePolicy",
        "atRestEncryptionEnabled",
        "authorizationType",
        "blockPublicAcls",
        "blockPublicPolicy",
        "blockPublicSecurityGroupRules",
        "cidrBlocks",
        "cidrIpv4",
        "cidrIpv6",
        "clientAuthentication",
        "dataCatalogEncryptionSettings",
        "deadLetterConfig",
        "deletionProtection",
        "deletionProtectionEnabled",
        "deliveryDestinationPolicy",
        "domainEndpointOptions",
        "egress",
        "enableKeyRotation",
        "enableLogFileValidation",
        "enableLogging",
        "encryptAtRest",
        "encrypted",
        "encryptionConfig",
        "encryptionConfiguration",
        "encryptionInfo",
        "encryptionType",
        "grants",
        "iamDatabaseAuthenticationEnabled",
        "ignorePublicAcls",
        "ingress",
        "inlinePolicies",
        "ipv6CidrBlocks",
        "isMultiRegionTrail",
        "kmsKey",
        "kmsKeyArn",
        "kmsKeyId",
        "kmsMasterKeyId",
        "logEncryptionKmsKeyId",
        "logUri",
        "loggingConfiguration",
        "managedPolicyArns",
        "mapPublicIpOnLaunch",
        "metadataOptions",
        "nodeToNodeEncryption",
        "permittedPublicSecurityGroupRuleRanges",
        "pointInTimeRecovery",
        "policy",
        "policyArn",
        "policyDocument",
        "principal",
        "publiclyAccessible",
        "resourcePolicy",
        "restrictPublicBuckets",
        "routes",
        "securityConfiguration",
        "serverSideEncryption",
        "serverSideEncryptionConfiguration",
        "sharedAccounts",
        "sqsManagedSseEnabled",
        "storageEncrypted",
        "transitEncryptionEnabled",
        "versioningConfiguration",
        "vpcConfig",
    }
)
_GUARDING_BY_TYPE: Final[dict[str, frozenset[str]]] = {
    "aws:emr/securityConfiguration:SecurityConfiguration": frozenset({"configuration"}),
    "aws:emr/cluster:Cluster": frozenset({"ec2Attributes"}),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": frozenset({"rules"}),
    "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2": frozenset({"rules"}),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": frozenset({"rule"}),
    "aws:cloudwatch/logGroup:LogGroup": frozenset({"retentionInDays"}),
    "aws:lambda/permission:Permission": frozenset({"sourceArn", "sourceAccount"}),
    "aws:secretsmanager/secretRotation:SecretRotation": frozenset({"rotationRules"}),
    "aws:athena/workgroup:Workgroup": frozenset({"configuration"}),
    "aws:opensearch/domain:Domain": frozenset({"vpcOptions", "advancedSecurityOptions"}),
    "aws:eks/cluster:Cluster": frozenset({"enabledClusterLogTypes"}),
}


@family.resource_rule(
    "GEN-04",
    "no-ignored-security",
    "Updates pass over nothing that guards",
    Severity.MEDIUM,
    (),
    fix="Take the property out of ignoreChanges.",
    source="Pulumi documentation: Resource option: ignoreChanges",
)
def no_ignored_security(resource: Resource, settings: Settings) -> Findings:
    """What an update ignores, anybody may change by hand, and it stays changed."""
    guarding = _GUARDING | _GUARDING_BY_TYPE.get(resource.type, frozenset())
    for path in resource.ignored:
        name = path.replace('"', "").lstrip("[").split(".")[0].split("[")[0].rstrip("]")
        if name in guarding:
            yield violation("ignoreChanges", f"passes over {name}")
