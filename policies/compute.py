"""Rules of machines beside the cluster: what a node must do, every machine must do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from policies.keys import own_key
from policies.model import Family, Findings, Resource, Setting, Settings, Severity, undecided, violation
from policies.plain import UNKNOWN, Plain, at, number, switch, text

family = Family("Machines and disks")

INSTANCE: Final = "aws:ec2/instance:Instance"
LAUNCH_TEMPLATE: Final = "aws:ec2/launchTemplate:LaunchTemplate"
LAUNCH_CONFIGURATION: Final = "aws:ec2/launchConfiguration:LaunchConfiguration"
_MACHINES: Final = (INSTANCE, LAUNCH_TEMPLATE, LAUNCH_CONFIGURATION)
VOLUME: Final = "aws:ebs/volume:Volume"
ENCRYPTION_BY_DEFAULT: Final = "aws:ebs/encryptionByDefault:EncryptionByDefault"

_EC2: Final = "EC2 user guide: "


@family.resource_rule(
    "EC2-01",
    "machine-imdsv2",
    "Machines hand out credentials by session tokens only",
    Severity.HIGH,
    _MACHINES,
    fix="Set metadataOptions.httpTokens to required and httpPutResponseHopLimit to 1.",
    source=_EC2 + "Use the Instance Metadata Service to access instance metadata",
    frameworks=(
        "checkov CKV_AWS_79",
        "checkov CKV_AWS_341",
        "trivy AVD-AWS-0028",
        "trivy AVD-AWS-0130",
        "Security Hub EC2.8",
    ),
    settings={
        "mostHops": Setting({"type": "integer", "minimum": 1, "maximum": 64}, 1, "Most network hops of a token.")
    },
    remedy={
        key: {"metadataOptions.httpTokens": "required"} for key in (INSTANCE, LAUNCH_TEMPLATE, LAUNCH_CONFIGURATION)
    },
)
def machine_imdsv2(resource: Resource, settings: Settings) -> Findings:
    """Version 1 gives a machine's credentials to whatever can make it fetch a URL."""
    options = resource.value("metadataOptions")
    if text(at(options, "httpEndpoint")) == "disabled":
        return
    tokens = text(at(options, "httpTokens"))
    if tokens is UNKNOWN:
        yield undecided("metadataOptions.httpTokens")
    elif tokens != "required":
        yield violation("metadataOptions.httpTokens", "is not required")
    hops = number(at(options, "httpPutResponseHopLimit"))
    if hops is UNKNOWN:
        yield undecided("metadataOptions.httpPutResponseHopLimit")
    elif hops is not None and hops > settings["mostHops"]:
        yield violation("metadataOptions.httpPutResponseHopLimit", f"is {hops}, so what runs in containers reaches it")


def _disks(resource: Resource) -> Iterator[tuple[str, Plain]]:
    if resource.type == VOLUME:
        yield "", resource.properties
    elif resource.type in (INSTANCE, LAUNCH_CONFIGURATION):
        # A machine always has a root disk, whether the program speaks of it or not.
        yield "rootBlockDevice.", resource.value("rootBlockDevice")
        for index, disk in enumerate(resource.items("ebsBlockDevices")):
            yield f"ebsBlockDevices[{index}].", disk
    else:
        for index, mapping in enumerate(resource.items("blockDeviceMappings")):
            if at(mapping, "ebs") is not None:
                yield f"blockDeviceMappings[{index}].ebs.", at(mapping, "ebs")


@family.resource_rule(
    "EC2-02",
    "disk-encrypted",
    "Disks are encrypted with a key of the stack's own",
    Severity.HIGH,
    (VOLUME, INSTANCE, LAUNCH_TEMPLATE, LAUNCH_CONFIGURATION, ENCRYPTION_BY_DEFAULT),
    fix="Set encrypted to true and kmsKeyId to the ARN of the stack's key.",
    source="EBS user guide: Amazon EBS encryption",
    frameworks=(
        "checkov CKV_AWS_3",
        "checkov CKV_AWS_8",
        "checkov CKV_AWS_106",
        "checkov CKV_AWS_189",
        "trivy AVD-AWS-0008",
        "trivy AVD-AWS-0026",
        "trivy AVD-AWS-0027",
        "trivy AVD-AWS-0131",
        "Security Hub EC2.7",
    ),
)
def disk_encrypted(resource: Resource, settings: Settings) -> Findings:
    """Snapshots of a clear disk are clear as well."""
    if resource.type == ENCRYPTION_BY_DEFAULT:
        enabled = switch(resource.value("enabled"))
        if enabled is UNKNOWN:
            yield undecided("enabled")
        elif enabled is False:
            yield violation("enabled", "switches the account's encryption of new disks off", "Set enabled to true.")
        return
    for prefix, disk in _disks(resource):
        encrypted = switch(at(disk, "encrypted"))
        if encrypted is UNKNOWN:
            yield undecided(f"{prefix}encrypted")
        elif encrypted is not True:
            yield violation(f"{prefix}encrypted", "is not true")
        elif resource.type != LAUNCH_CONFIGURATION:  # These take the account's default key, and no other.
            finding = own_key(f"{prefix}kmsKeyId", at(disk, "kmsKeyId"), "disk")
            if finding:
                yield finding


_ADDRESSES: Final = {
    "aws:ec2/eip:Eip": "instance",
    "aws:ec2/eipAssociation:EipAssociation": "instanceId",
}


@family.resource_rule(
    "EC2-03",
    "machine-no-public-ip",
    "Machines have no public address",
    Severity.HIGH,
    (*_MACHINES, *_ADDRESSES),
    fix="Set associatePublicIpAddress to false, and give machines no elastic address.",
    source=_EC2 + "Amazon EC2 instance IP addressing",
    frameworks=(
        "checkov CKV_AWS_88",
        "trivy AVD-AWS-0009",
        "Security Hub EC2.9",
        "cdk-nag HIPAA.Security-EC2InstanceNoPublicIp",
    ),
)
def machine_no_public_ip(resource: Resource, settings: Settings) -> Findings:
    """What has a public address is found within the hour. A NAT gateway's address is for no machine."""
    if resource.type in _ADDRESSES:
        name = _ADDRESSES[resource.type]
        if resource.value(name) is not None and (resource.value(name) is UNKNOWN or resource.text(name) is not None):
            yield violation(name, "gives a machine a public address")
        return
    if resource.type != LAUNCH_TEMPLATE:
        places = [("associatePublicIpAddress", resource.value("associatePublicIpAddress"))]
    else:
        places = [
            (f"networkInterfaces[{index}].associatePublicIpAddress", at(interface, "associatePublicIpAddress"))
            for index, interface in enumerate(resource.items("networkInterfaces"))
        ]
    for where, value in places:
        flag = switch(value)
        if flag is UNKNOWN:
            yield undecided(where)
        elif flag is True:
            yield violation(where, "gives the machine a public address")
