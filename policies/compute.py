"""Rules of machines beside the cluster: what a node must do, every machine must do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from policies.keys import own_key
from policies.model import Family, Findings, Resource, Setting, Settings, Severity, undecided, violation
from policies.plain import MALFORMED, UNKNOWN, Plain, at, json_value, listed, number, readable, switch, text

family = Family("Machines, disks and containers")

INSTANCE: Final = "aws:ec2/instance:Instance"
LAUNCH_TEMPLATE: Final = "aws:ec2/launchTemplate:LaunchTemplate"
LAUNCH_CONFIGURATION: Final = "aws:ec2/launchConfiguration:LaunchConfiguration"
SPOT_REQUEST: Final = "aws:ec2/spotInstanceRequest:SpotInstanceRequest"
_SINGLE: Final = (INSTANCE, SPOT_REQUEST)
_MACHINES: Final = (*_SINGLE, LAUNCH_TEMPLATE, LAUNCH_CONFIGURATION)
SPOT_FLEET: Final = "aws:ec2/spotFleetRequest:SpotFleetRequest"
CONTAINER_CLUSTER: Final = "aws:ecs/cluster:Cluster"
METADATA_DEFAULTS: Final = "aws:ec2/instanceMetadataDefaults:InstanceMetadataDefaults"
NOTEBOOK: Final = "aws:sagemaker/notebookInstance:NotebookInstance"
IMAGE: Final = "aws:ec2/ami:Ami"
NODE_GROUP: Final = "aws:eks/nodeGroup:NodeGroup"
TASK_DEFINITION: Final = "aws:ecs/taskDefinition:TaskDefinition"
JOB_DEFINITION: Final = "aws:batch/jobDefinition:JobDefinition"
BUILD: Final = "aws:codebuild/project:Project"
VOLUME: Final = "aws:ebs/volume:Volume"
ENCRYPTION_BY_DEFAULT: Final = "aws:ebs/encryptionByDefault:EncryptionByDefault"

_EC2: Final = "EC2 user guide: "


@family.resource_rule(
    "EC2-01",
    "machine-imdsv2",
    "Machines hand out credentials by session tokens only",
    Severity.HIGH,
    (*_MACHINES, METADATA_DEFAULTS, NOTEBOOK),
    fix="Set metadataOptions.httpTokens to required and httpPutResponseHopLimit to 1.",
    source=_EC2 + "Use the Instance Metadata Service to access instance metadata",
    frameworks=(
        "checkov CKV_AWS_79",
        "checkov CKV_AWS_341",
        "checkov CKV_AWS_371",
        "trivy AVD-AWS-0028",
        "trivy AVD-AWS-0130",
        "Security Hub EC2.8",
    ),
    settings={
        "mostHops": Setting({"type": "integer", "minimum": 1, "maximum": 64}, 1, "Most network hops of a token.")
    },
    remedy={key: {"metadataOptions.httpTokens": "required"} for key in _MACHINES},
)
def machine_imdsv2(resource: Resource, settings: Settings) -> Findings:
    """Version 1 gives a machine's credentials to whatever can make it fetch a URL."""
    if resource.type == NOTEBOOK:
        where = "instanceMetadataServiceConfiguration.minimumInstanceMetadataServiceVersion"
        version = text(resource.value(*where.split(".")))
        if version is UNKNOWN:
            yield undecided(where)
        elif version == "1":
            yield violation(where, "is 1, so credentials are handed out without a token", "Set it to 2.")
        return
    defaults = resource.type == METADATA_DEFAULTS
    options = resource.properties if defaults else resource.value("metadataOptions")
    where = "" if defaults else "metadataOptions."
    if text(at(options, "httpEndpoint")) == "disabled" or (options is None and _by_template(resource)):
        return
    tokens = text(at(options, "httpTokens"))
    if tokens is UNKNOWN:
        yield undecided(f"{where}httpTokens")
    elif tokens != "required":
        yield violation(f"{where}httpTokens", "is not required")
    hops = number(at(options, "httpPutResponseHopLimit"))
    if hops is UNKNOWN:
        yield undecided(f"{where}httpPutResponseHopLimit")
    elif hops is not None and hops > settings["mostHops"]:
        yield violation(f"{where}httpPutResponseHopLimit", f"is {hops}, so what runs in containers reaches it")


def _by_template(resource: Resource) -> bool:
    """Whether a machine takes what it leaves out from a launch template, which is judged by itself."""
    return resource.type in _SINGLE and resource.value("launchTemplate") not in (None, [])


def _disks(resource: Resource) -> Iterator[tuple[str, Plain]]:
    if resource.type == VOLUME:
        yield "", resource.properties
    elif resource.type == SPOT_FLEET:
        for index, specification in enumerate(resource.items("launchSpecifications")):
            where = f"launchSpecifications[{index}]"
            yield f"{where}.rootBlockDevices[0].", at(specification, "rootBlockDevices")
            for other, disk in enumerate(listed(at(specification, "ebsBlockDevices"))):
                yield f"{where}.ebsBlockDevices[{other}].", disk
    elif resource.type == IMAGE:
        for index, disk in enumerate(resource.items("ebsBlockDevices")):
            if text(at(disk, "snapshotId")) is None:  # A snapshot brings its own encryption.
                yield f"ebsBlockDevices[{index}].", disk
    elif resource.type in (*_SINGLE, LAUNCH_CONFIGURATION):
        # A machine always has a root disk, whether the program speaks of it or not.
        if resource.value("rootBlockDevice") is not None or not _by_template(resource):
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
    (VOLUME, *_MACHINES, SPOT_FLEET, IMAGE, ENCRYPTION_BY_DEFAULT),
    fix="Set encrypted to true and kmsKeyId to the ARN of the stack's key.",
    source="EBS user guide: Amazon EBS encryption",
    frameworks=(
        "checkov CKV_AWS_3",
        "checkov CKV_AWS_8",
        "checkov CKV_AWS_106",
        "checkov CKV_AWS_189",
        "checkov CKV_AWS_204",
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
        elif resource.type not in (LAUNCH_CONFIGURATION, IMAGE):  # These take the account's default key, and no other.
            finding = own_key(f"{prefix}kmsKeyId", at(disk, "kmsKeyId"), "disk")
            if finding:
                yield finding


_ADDRESSES: Final = {
    "aws:ec2/eip:Eip": "instance",
    "aws:ec2/eipAssociation:EipAssociation": "instanceId",
}
_TASKS: Final = {
    "aws:ecs/service:Service": ("networkConfiguration",),
    "aws:ecs/taskSet:TaskSet": ("networkConfiguration",),
    "aws:cloudwatch/eventTarget:EventTarget": ("ecsTarget", "networkConfiguration"),
    "aws:scheduler/schedule:Schedule": ("target", "ecsParameters", "networkConfiguration"),
    JOB_DEFINITION: ("containerProperties", "networkConfiguration"),
}
"""Where each type says how the network of a container is."""


@family.resource_rule(
    "EC2-03",
    "machine-no-public-ip",
    "Machines and containers have no public address",
    Severity.HIGH,
    (*_MACHINES, SPOT_FLEET, *_ADDRESSES, *_TASKS),
    fix="Set associatePublicIpAddress or assignPublicIp to false, and give machines no elastic address.",
    source=_EC2 + "Amazon EC2 instance IP addressing; ECS developer guide: task networking for Fargate",
    frameworks=(
        "checkov CKV_AWS_88",
        "checkov CKV_AWS_333",
        "Security Hub ECS.2",
        "Security Hub ECS.16",
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
    if resource.type in _TASKS:
        first, *path = _TASKS[resource.type]
        value = at(readable(resource.value(first)), *path, "assignPublicIp")
        if value is UNKNOWN:
            yield undecided(first, "may give the container a public address; it is not known yet")
        elif switch(value) is True or str(value).upper() == "ENABLED":
            yield violation(".".join((first, *path, "assignPublicIp")), "gives the container a public address")
        return
    lists = {LAUNCH_TEMPLATE: "networkInterfaces", SPOT_FLEET: "launchSpecifications"}
    name = lists.get(resource.type)
    if name is None:
        places = [("associatePublicIpAddress", resource.value("associatePublicIpAddress"))]
    else:
        places = [
            (f"{name}[{index}].associatePublicIpAddress", at(entry, "associatePublicIpAddress"))
            for index, entry in enumerate(resource.items(name))
        ]
    for where, value in places:
        flag = switch(value)
        if flag is UNKNOWN:
            yield undecided(where)
        elif flag is True:
            yield violation(where, "gives the machine a public address")


@family.resource_rule(
    "EC2-04",
    "nodes-no-ssh-from-everywhere",
    "Nodes of Kubernetes take SSH from named groups only",
    Severity.HIGH,
    (NODE_GROUP,),
    fix="Set remoteAccess.sourceSecurityGroupIds, or leave remoteAccess out and use Session Manager.",
    source="EKS API reference: RemoteAccessConfig: without a source group port 22 is open to the internet",
    frameworks=("checkov CKV_AWS_100",),
)
def nodes_no_ssh_from_everywhere(resource: Resource, settings: Settings) -> Findings:
    """With a key and no source group EKS opens port 22 to 0.0.0.0/0."""
    access = resource.value("remoteAccess")
    groups = at(access, "sourceSecurityGroupIds")
    if UNKNOWN in (access, groups):
        if access is UNKNOWN:
            yield undecided("remoteAccess")
    elif text(at(access, "ec2SshKey")) is not None and not any(text(group) is not None for group in listed(groups)):
        yield violation("remoteAccess.sourceSecurityGroupIds", "is absent or empty, so port 22 is open to the internet")


_HOST_WORDS: Final = {"pidMode": "processes", "ipcMode": "memory", "networkMode": "network"}
_CONTAINERS: Final = ("containerProperties", "nodeProperties", "ecsProperties", "eksProperties")


def _privileged(value: Plain) -> bool | None:
    """Whether a document makes a container privileged anywhere; None when that is not known yet."""
    if value is UNKNOWN:
        return None
    if isinstance(value, list):
        answers = [_privileged(item) for item in cast("list[Plain]", value)]
    elif isinstance(value, dict):
        members = cast("dict[str, Plain]", value)
        answers = [_privileged(item) for item in members.values() if isinstance(item, dict | list)]
        flags = [switch(item) for name, item in members.items() if name.casefold() == "privileged"]
        answers += [None if flag is UNKNOWN else flag is True for flag in flags]
    else:
        return False
    return True if True in answers else None if None in answers else False


@family.resource_rule(
    "ECS-01",
    "container-confined",
    "Containers are kept apart from the machine that they run on",
    Severity.HIGH,
    (TASK_DEFINITION, JOB_DEFINITION, BUILD),
    fix="Leave privileged out, and use the network mode awsvpc, and no process or memory of the host's.",
    source="ECS developer guide: Task and container security best practices: avoid running containers as privileged",
    frameworks=(
        "checkov CKV_AWS_210",
        "checkov CKV_AWS_316",
        "checkov CKV_AWS_334",
        "checkov CKV_AWS_335",
        "Security Hub ECS.3",
        "Security Hub ECS.4",
        "Security Hub ECS.17",
        "Security Hub CodeBuild.5",
    ),
)
def container_confined(resource: Resource, settings: Settings) -> Findings:
    """Who breaks out of a privileged container is root of the machine, and of all that runs on it."""
    if resource.type == BUILD:
        flag = switch(resource.value("environment", "privilegedMode"))
        if flag is UNKNOWN:
            yield undecided("environment.privilegedMode")
        elif flag is True:
            yield violation("environment.privilegedMode", "is true, so what is built is root of the machine")
        return
    names = ("containerDefinitions",) if resource.type == TASK_DEFINITION else _CONTAINERS
    for name in names:
        answer = _privileged(readable(resource.value(name)))
        if answer is None:
            yield undecided(name, "may make a container privileged; it is not wholly known yet")
        elif answer:
            yield violation(name, "makes a container privileged")
    for name, what in _HOST_WORDS.items():
        if resource.type == TASK_DEFINITION and resource.text(name) == "host":
            yield violation(name, f"is host, so containers share the machine's {what}")


@family.resource_rule(
    "ECS-02",
    "container-logged",
    "Containers of a task say where their logs go",
    Severity.MEDIUM,
    (TASK_DEFINITION, CONTAINER_CLUSTER),
    fix="Give every container a logConfiguration, and leave the log of commands on.",
    source="ECS developer guide: Send Amazon ECS logs to CloudWatch; Monitor Amazon ECS containers with ECS Exec",
    frameworks=("checkov CKV_AWS_223", "Security Hub ECS.9"),
)
def container_logged(resource: Resource, settings: Settings) -> Findings:
    """What a container said is gone with it."""
    if resource.type == CONTAINER_CLUSTER:
        where = "configuration.executeCommandConfiguration.logging"
        if resource.text(*where.split(".")) == "NONE":
            yield violation(where, "is NONE, so what people run in containers is not recorded")
        return
    document = json_value(resource.value("containerDefinitions"))
    if document in (UNKNOWN, MALFORMED):
        yield undecided("containerDefinitions")
        return
    for index, container in enumerate(listed(document)):
        where = f"containerDefinitions[{index}].logConfiguration"
        logs = at(container, "logConfiguration")
        if logs is UNKNOWN:
            continue
        if isinstance(container, dict) and text(at(logs, "logDriver")) is None:
            yield violation(where, "is absent, so its logs go with the container")
