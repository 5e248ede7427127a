"""EMR: security configurations, clusters, task instance groups.

Sources: terraform-provider-aws ``internal/service/emr/{cluster,instance_group,security_configuration}.go``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sandbox.documents.scaling_policy import configurations, scaling_policy
from sandbox.documents.security_configuration import security_configuration
from sandbox.providers.comparison import Comparison
from sandbox.providers.naming import AutoName
from sandbox.providers.table import (
    Change,
    Created,
    Function,
    Inputs,
    Operation,
    ResourceType,
    State,
    Tagging,
    camel,
    given,
    gone,
    import_parts,
    names,
    pascal,
    pick,
    remember,
    tag_list,
    tag_map,
)
from sandbox.providers.values import between, one_of

_INVALID = ("InvalidRequestException", "ValidationException")


def _missing(error: ClientError, *texts: str) -> bool:
    """EMR has no code of its own for what does not exist; the message tells."""
    message = str(error.response.get("Error", {}).get("Message", ""))
    return gone(error, *_INVALID) and any(text in message for text in texts)


# -- security configurations -------------------------------------------------------------------------------------------


def _create_security_configuration(operation: Operation, inputs: Inputs) -> str:
    operation.client("emr").create_security_configuration(
        Name=inputs["name"], SecurityConfiguration=inputs["configuration"]
    )
    return inputs["name"]


def _read_security_configuration(operation: Operation, identifier: str, prior: State) -> State | None:
    try:
        answer = operation.client("emr").describe_security_configuration(Name=identifier)
    except ClientError as error:
        if _missing(error, "does not exist"):
            return None
        raise
    return {
        "name": answer["Name"],
        "namePrefix": prior.get("namePrefix"),
        "configuration": answer["SecurityConfiguration"],
        "creationDate": answer["CreationDateTime"].strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _delete_security_configuration(operation: Operation, identifier: str, state: State) -> None:
    try:
        operation.client("emr").delete_security_configuration(Name=identifier)
    except ClientError as error:
        if not _missing(error, "does not exist"):
            raise


# -- instance groups ---------------------------------------------------------------------------------------------------


def _ebs(volumes: Iterable[Mapping[str, Any]], optimized: bool | None = None) -> dict[str, Any]:
    devices = [
        {
            "VolumeSpecification": pick(volume, "iops", "throughput", size="SizeInGB", type="VolumeType"),
            "VolumesPerInstance": volume.get("volumesPerInstance", 1),
        }
        for volume in volumes
    ]
    members: dict[str, Any] = {"EbsBlockDeviceConfigs": devices} if devices else {}
    return {**members, **given(EbsOptimized=optimized)}


def _group_config(group: Mapping[str, Any], role: str) -> dict[str, Any]:
    config: dict[str, Any] = {
        "InstanceRole": role,
        "InstanceType": group["instanceType"],
        "InstanceCount": group.get("instanceCount", 1),
        "Market": "SPOT" if group.get("bidPrice") else "ON_DEMAND",
        **pick(group, "name", "bidPrice"),
    }
    ebs = _ebs(group.get("ebsConfigs") or [], group.get("ebsOptimized"))
    if ebs:
        config["EbsConfiguration"] = ebs
    if group.get("autoscalingPolicy"):
        config["AutoScalingPolicy"] = json.loads(group["autoscalingPolicy"])
    if group.get("configurationsJson"):
        config["Configurations"] = json.loads(group["configurationsJson"])
    return config


def _volumes(group: Mapping[str, Any]) -> list[dict[str, Any]]:
    """EBS volumes as the program gives them: one entry a specification, with how many an instance has."""
    entries: list[dict[str, Any]] = []
    for device in group.get("EbsBlockDevices") or []:
        specification = device["VolumeSpecification"]
        entry = given(
            size=specification["SizeInGB"],
            type=specification["VolumeType"],
            iops=specification.get("Iops"),
            throughput=specification.get("Throughput"),
        )
        twin = next(
            (other for other in entries if entry.items() <= other.items() and len(other) == len(entry) + 1), None
        )
        if twin is None:
            entries.append({**entry, "volumesPerInstance": 1})
        else:
            twin["volumesPerInstance"] += 1
    return entries


def _scaling_policy(group: Mapping[str, Any]) -> str | None:
    """A group's policy as text, without what EMR adds: its status, and the dimension that names the cluster."""
    policy = group.get("AutoScalingPolicy")
    if not policy or not policy.get("Rules"):
        return None
    document = {"Constraints": policy["Constraints"], "Rules": json.loads(json.dumps(policy["Rules"]))}
    for rule in document["Rules"]:
        alarm = rule.get("Trigger", {}).get("CloudWatchAlarmDefinition", {})
        dimensions = [entry for entry in alarm.get("Dimensions") or [] if entry.get("Key") != "JobFlowId"]
        if dimensions:
            alarm["Dimensions"] = dimensions
        else:
            alarm.pop("Dimensions", None)
    return json.dumps(document)


def _groups(operation: Operation, cluster: str) -> list[dict[str, Any]]:
    pages = operation.client("emr").get_paginator("list_instance_groups").paginate(ClusterId=cluster)
    return [group for page in pages for group in page["InstanceGroups"]]


def _group_state(group: Mapping[str, Any], before: Mapping[str, Any]) -> State:
    """A group inside a cluster."""
    state: State = {
        "id": group["Id"],
        "name": group.get("Name") or "",
        "instanceType": group["InstanceType"],
        "instanceCount": group["RequestedInstanceCount"],
        "bidPrice": group.get("BidPrice") or "",
        "ebsConfigs": _volumes(group),
    }
    # moto takes the throughput of a volume and does not give it back.
    remember(state["ebsConfigs"], before.get("ebsConfigs"), "throughput")
    remember(state["ebsConfigs"], before.get("ebsConfigs"), "iops")
    policy = _scaling_policy(group)
    if policy is not None or before.get("autoscalingPolicy"):
        state["autoscalingPolicy"] = policy
    return state


# -- clusters ----------------------------------------------------------------------------------------------------------

_ALIVE = frozenset({"RUNNING", "WAITING"})
_DEAD = frozenset({"TERMINATED", "TERMINATED_WITH_ERRORS"})


def _check_cluster(inputs: Inputs) -> Iterable[tuple[str, str]]:
    uri = inputs.get("logUri")
    if uri and not uri.startswith(("s3://", "s3n://")):
        yield "logUri", f"logUri is {uri}; it must be an S3 address"


def _run_cluster(operation: Operation, inputs: Inputs) -> str:
    attributes = inputs.get("ec2Attributes") or {}
    instances: dict[str, Any] = {
        "KeepJobFlowAliveWhenNoSteps": inputs.get("keepJobFlowAliveWhenNoSteps", True),
        "TerminationProtected": inputs.get("terminationProtection", False),
        **pick(inputs, "unhealthyNodeReplacement"),
        **pick(
            attributes,
            "emrManagedMasterSecurityGroup",
            "emrManagedSlaveSecurityGroup",
            "serviceAccessSecurityGroup",
            keyName="Ec2KeyName",
            subnetId="Ec2SubnetId",
            subnetIds="Ec2SubnetIds",
        ),
    }
    for name, member in (
        ("additionalMasterSecurityGroups", "AdditionalMasterSecurityGroups"),
        ("additionalSlaveSecurityGroups", "AdditionalSlaveSecurityGroups"),
    ):
        if attributes.get(name):
            instances[member] = [group.strip() for group in attributes[name].split(",")]
    groups = [("masterInstanceGroup", "MASTER"), ("coreInstanceGroup", "CORE")]
    instances["InstanceGroups"] = [_group_config(inputs[name], role) for name, role in groups if inputs.get(name)]
    arguments: dict[str, Any] = {
        "Name": inputs["name"],
        "Instances": instances,
        **pick(
            inputs,
            "releaseLabel",
            "serviceRole",
            "securityConfiguration",
            "logUri",
            "logEncryptionKmsKeyId",
            "scaleDownBehavior",
            "ebsRootVolumeSize",
            "customAmiId",
            "additionalInfo",
            "stepConcurrencyLevel",
            "visibleToAllUsers",
            autoscalingRole="AutoScalingRole",
            osReleaseLabel="OSReleaseLabel",
        ),
        **pick(attributes, instanceProfile="JobFlowRole"),
        "Tags": tag_list(inputs.get("tagsAll")),
    }
    if inputs.get("applications"):
        arguments["Applications"] = [{"Name": name} for name in inputs["applications"]]
    if inputs.get("bootstrapActions"):
        arguments["BootstrapActions"] = [
            {"Name": action["name"], "ScriptBootstrapAction": pick(action, "path", "args")}
            for action in inputs["bootstrapActions"]
        ]
    if inputs.get("configurationsJson"):
        arguments["Configurations"] = json.loads(inputs["configurationsJson"])
    if inputs.get("kerberosAttributes"):
        renamed = {"adDomainJoinUser": "ADDomainJoinUser", "adDomainJoinPassword": "ADDomainJoinPassword"}
        arguments["KerberosAttributes"] = pascal(inputs["kerberosAttributes"], renamed=renamed)
    if inputs.get("autoTerminationPolicy"):
        arguments["AutoTerminationPolicy"] = pascal(inputs["autoTerminationPolicy"])
    if inputs.get("placementGroupConfigs"):
        arguments["PlacementGroupConfigs"] = pascal(inputs["placementGroupConfigs"])
    identifier = operation.client("emr").run_job_flow(**arguments)["JobFlowId"]
    operation.created(identifier)
    _wait_for_cluster(operation, identifier)
    return identifier


def _wait_for_cluster(operation: Operation, identifier: str) -> None:
    def ready() -> bool:
        status = operation.client("emr").describe_cluster(ClusterId=identifier)["Cluster"]["Status"]
        if status["State"] in _DEAD | {"TERMINATING"}:
            reason = status.get("StateChangeReason") or {}
            raise ValueError(
                f"cluster {identifier} is {status['State']}: {reason.get('Code', '')} {reason.get('Message', '')}"
            )
        return status["State"] in _ALIVE

    operation.wait(ready, what=f"cluster {identifier} to be RUNNING or WAITING", seconds=75 * 60, interval=1)


def _describe_cluster(operation: Operation, identifier: str) -> dict[str, Any] | None:
    try:
        cluster = operation.client("emr").describe_cluster(ClusterId=identifier)["Cluster"]
    except ClientError as error:
        if _missing(error, "is not valid", "does not exist"):
            return None
        raise
    return None if cluster["Status"]["State"] in _DEAD else cluster


def _plain_configurations(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = []
    for entry in entries:
        inner = _plain_configurations(entry.get("Configurations") or [])
        configuration = {"Classification": entry["Classification"], "Properties": dict(entry.get("Properties") or {})}
        result.append({**configuration, **({"Configurations": inner} if inner else {})})
    return result


def _read_cluster(operation: Operation, identifier: str, prior: State) -> State | None:
    cluster = _describe_cluster(operation, identifier)
    if cluster is None:
        return None
    state: State = {
        "name": cluster["Name"],
        "arn": cluster["ClusterArn"],
        "clusterState": cluster["Status"]["State"],
        "releaseLabel": cluster["ReleaseLabel"],
        "serviceRole": cluster["ServiceRole"],
        "autoscalingRole": cluster.get("AutoScalingRole"),
        "securityConfiguration": cluster.get("SecurityConfiguration"),
        "logUri": cluster.get("LogUri"),
        "applications": [application["Name"] for application in cluster.get("Applications") or []],
        "ebsRootVolumeSize": cluster.get("EbsRootVolumeSize"),
        "customAmiId": cluster.get("CustomAmiId"),
        "keepJobFlowAliveWhenNoSteps": not cluster.get("AutoTerminate", False),
        "terminationProtection": cluster.get("TerminationProtected", False),
        "visibleToAllUsers": cluster.get("VisibleToAllUsers", True),
        "masterPublicDns": cluster.get("MasterPublicDnsName") or "",
        "stepConcurrencyLevel": cluster.get("StepConcurrencyLevel", 1),
        "tagsAll": tag_map(cluster.get("Tags")),
    }
    # Members that moto takes and does not give back stay as given.
    for member, name in (
        ("LogEncryptionKmsKeyId", "logEncryptionKmsKeyId"),
        ("ScaleDownBehavior", "scaleDownBehavior"),
        ("OSReleaseLabel", "osReleaseLabel"),
        ("UnhealthyNodeReplacement", "unhealthyNodeReplacement"),
    ):
        if cluster.get(member) is not None:
            state[name] = cluster[member]
    if prior.get("configurationsJson"):
        configurations = _plain_configurations(cluster.get("Configurations") or [])
        state["configurationsJson"] = json.dumps(configurations) if configurations else None
    if prior.get("autoTerminationPolicy"):
        answer = operation.client("emr").get_auto_termination_policy(ClusterId=identifier)
        state["autoTerminationPolicy"] = camel(answer.get("AutoTerminationPolicy")) or None
    if prior.get("kerberosAttributes"):
        # AWS never gives passwords; the provider keeps what was given.
        realm = (cluster.get("KerberosAttributes") or {}).get("Realm")
        state["kerberosAttributes"] = {**prior["kerberosAttributes"], **given(realm=realm)}
    state["ec2Attributes"] = _ec2_attributes(cluster.get("Ec2InstanceAttributes") or {})
    for group in _groups(operation, identifier):
        name = {"MASTER": "masterInstanceGroup", "CORE": "coreInstanceGroup"}.get(group["InstanceGroupType"])
        if name is not None:
            state[name] = _group_state(group, prior.get(name) or {})
    return state


def _ec2_attributes(attributes: Mapping[str, Any]) -> State:
    subnets = attributes.get("RequestedEc2SubnetIds") or []
    return given(
        instanceProfile=attributes.get("IamInstanceProfile"),
        keyName=attributes.get("Ec2KeyName"),
        subnetId=attributes.get("Ec2SubnetId"),
        subnetIds=subnets or None,
        emrManagedMasterSecurityGroup=attributes.get("EmrManagedMasterSecurityGroup"),
        emrManagedSlaveSecurityGroup=attributes.get("EmrManagedSlaveSecurityGroup"),
        serviceAccessSecurityGroup=attributes.get("ServiceAccessSecurityGroup"),
        additionalMasterSecurityGroups=",".join(attributes.get("AdditionalMasterSecurityGroups") or []) or None,
        additionalSlaveSecurityGroups=",".join(attributes.get("AdditionalSlaveSecurityGroups") or []) or None,
    )


def _update_cluster(operation: Operation, change: Change) -> None:
    client = operation.client("emr")
    inputs, identifier = change.inputs, change.id
    if change.any("visibleToAllUsers"):
        client.set_visible_to_all_users(
            JobFlowIds=[identifier], VisibleToAllUsers=inputs.get("visibleToAllUsers", True)
        )
    if change.any("terminationProtection"):
        client.set_termination_protection(
            JobFlowIds=[identifier], TerminationProtected=inputs.get("terminationProtection", False)
        )
    if change.any("unhealthyNodeReplacement"):
        client.set_unhealthy_node_replacement(
            JobFlowIds=[identifier], UnhealthyNodeReplacement=inputs.get("unhealthyNodeReplacement", False)
        )
    if change.any("stepConcurrencyLevel"):
        client.modify_cluster(ClusterId=identifier, StepConcurrencyLevel=inputs.get("stepConcurrencyLevel", 1))
    if change.any("autoTerminationPolicy"):
        if inputs.get("autoTerminationPolicy"):
            policy = pascal(inputs["autoTerminationPolicy"])
            client.put_auto_termination_policy(ClusterId=identifier, AutoTerminationPolicy=policy)
        else:
            client.remove_auto_termination_policy(ClusterId=identifier)
    if change.any("coreInstanceGroup"):
        before, after = change.old.get("coreInstanceGroup") or {}, inputs["coreInstanceGroup"]
        _resize(operation, identifier, before, before, after)
        _rescale(operation, identifier, before, before, after)


def _resize(
    operation: Operation, cluster: str, group: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    count = after.get("instanceCount")
    if count is None or count == before.get("instanceCount"):
        return
    operation.client("emr").modify_instance_groups(
        ClusterId=cluster, InstanceGroups=[{"InstanceGroupId": group["id"], "InstanceCount": count}]
    )

    def resized() -> bool:
        now = next((entry for entry in _groups(operation, cluster) if entry["Id"] == group["id"]), None)
        return now is not None and now["RunningInstanceCount"] == count

    operation.wait(resized, what=f"instance group {group['id']} to have {count} instances", seconds=20 * 60)


def _rescale(
    operation: Operation, cluster: str, group: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    old, new = before.get("autoscalingPolicy"), after.get("autoscalingPolicy")
    if new and (not old or json.loads(new) != json.loads(old)):
        operation.client("emr").put_auto_scaling_policy(
            ClusterId=cluster, InstanceGroupId=group["id"], AutoScalingPolicy=json.loads(new)
        )
    elif old and not new:
        operation.client("emr").remove_auto_scaling_policy(ClusterId=cluster, InstanceGroupId=group["id"])


def _delete_cluster(operation: Operation, identifier: str, state: State) -> None:
    if _describe_cluster(operation, identifier) is None:
        return
    operation.client("emr").terminate_job_flows(JobFlowIds=[identifier])
    operation.wait(
        lambda: _describe_cluster(operation, identifier) is None,
        what=f"cluster {identifier} to be terminated",
        seconds=20 * 60,
        interval=1,
    )


def _add_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("emr").add_tags(ResourceId=identifier, Tags=tag_list(tags))


def _remove_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("emr").remove_tags(ResourceId=identifier, TagKeys=keys)


# -- task instance groups ----------------------------------------------------------------------------------------------


def _add_group(operation: Operation, inputs: Inputs) -> str:
    cluster = inputs["clusterId"]
    before = {group["Id"] for group in _groups(operation, cluster)}
    answer = operation.client("emr").add_instance_groups(
        JobFlowId=cluster, InstanceGroups=[_group_config(inputs, "TASK")]
    )
    # moto's answer leaves the ids out: the group of this name that was not there before.
    identifiers = answer.get("InstanceGroupIds") or [
        group["Id"]
        for group in _groups(operation, cluster)
        if group["Id"] not in before and group.get("Name") == inputs["name"]
    ]
    identifier = identifiers[0]
    operation.created(identifier)

    def running() -> bool:
        group = _find_group(operation, cluster, identifier)
        return group is not None and group["Status"]["State"] == "RUNNING"

    operation.wait(running, what=f"instance group {identifier} to be RUNNING", seconds=30 * 60)
    return identifier


def _find_group(operation: Operation, cluster: str, identifier: str) -> dict[str, Any] | None:
    if _describe_cluster(operation, cluster) is None:
        return None
    group = next((entry for entry in _groups(operation, cluster) if entry["Id"] == identifier), None)
    return None if group is None or group["Status"]["State"] == "TERMINATED" else group


def _adopt_group(identifier: str) -> Created:
    cluster, group = import_parts(identifier, "cluster-id/instance-group-id")
    return Created(group, {"clusterId": cluster})


def _read_group(operation: Operation, identifier: str, prior: State) -> State | None:
    group = _find_group(operation, prior["clusterId"], identifier)
    if group is None:
        return None
    state = _group_state(group, prior)
    state.pop("id")
    state |= {
        "clusterId": prior["clusterId"],
        "runningInstanceCount": group["RunningInstanceCount"],
        "status": group["Status"]["State"],
        "bidPrice": group.get("BidPrice") or None,
    }
    # moto takes this and does not give it back.
    if group.get("EbsOptimized") is not None:
        state["ebsOptimized"] = group["EbsOptimized"]
    if prior.get("configurationsJson"):
        configurations = _plain_configurations(group.get("Configurations") or [])
        state["configurationsJson"] = json.dumps(configurations) if configurations else None
    return state


def _update_group(operation: Operation, change: Change) -> None:
    cluster = change.inputs["clusterId"]
    group = {"id": change.id}
    if change.any("configurationsJson"):
        configurations = json.loads(change.inputs.get("configurationsJson") or "[]")
        operation.client("emr").modify_instance_groups(
            ClusterId=cluster, InstanceGroups=[{"InstanceGroupId": change.id, "Configurations": configurations}]
        )
    _resize(operation, cluster, group, change.old, change.inputs)
    _rescale(operation, cluster, group, change.old, change.inputs)


def _shrink_group(operation: Operation, identifier: str, state: State) -> None:
    """EMR has no call to delete a group: the provider resizes it to nothing."""
    if _find_group(operation, state["clusterId"], identifier) is not None:
        if state.get("autoscalingPolicy"):
            # With its policy the group would grow again.
            operation.client("emr").remove_auto_scaling_policy(ClusterId=state["clusterId"], InstanceGroupId=identifier)
        operation.client("emr").modify_instance_groups(
            ClusterId=state["clusterId"],
            InstanceGroups=[{"InstanceGroupId": identifier, "InstanceCount": 0}],
        )


# -- managed scaling ---------------------------------------------------------------------------------------------------


def _managed_policy(inputs: Inputs) -> dict[str, Any]:
    (limits,) = inputs["computeLimits"]
    policy = {
        "ComputeLimits": pick(
            limits,
            "unitType",
            "minimumCapacityUnits",
            "maximumCapacityUnits",
            "maximumCoreCapacityUnits",
            maximumOndemandCapacityUnits="MaximumOnDemandCapacityUnits",
        )
    }
    return {**policy, **pick(inputs, "scalingStrategy", "utilizationPerformanceIndex")}


def _put_managed_scaling(operation: Operation, inputs: Inputs) -> str:
    operation.client("emr").put_managed_scaling_policy(
        ClusterId=inputs["clusterId"], ManagedScalingPolicy=_managed_policy(inputs)
    )
    return inputs["clusterId"]


def _read_managed_scaling(operation: Operation, identifier: str, prior: State) -> State | None:
    if _describe_cluster(operation, identifier) is None:
        return None
    policy = operation.client("emr").get_managed_scaling_policy(ClusterId=identifier).get("ManagedScalingPolicy")
    if not policy:
        return None
    limits = policy["ComputeLimits"]
    state: State = {
        "clusterId": identifier,
        "computeLimits": [
            given(
                unitType=limits["UnitType"],
                minimumCapacityUnits=limits["MinimumCapacityUnits"],
                maximumCapacityUnits=limits["MaximumCapacityUnits"],
                maximumCoreCapacityUnits=limits.get("MaximumCoreCapacityUnits"),
                maximumOndemandCapacityUnits=limits.get("MaximumOnDemandCapacityUnits"),
            )
        ],
    }
    for name in ("scalingStrategy", "utilizationPerformanceIndex"):
        member = name[:1].upper() + name[1:]
        if policy.get(member) is not None:
            state[name] = policy[member]
    return state


def _remove_managed_scaling(operation: Operation, identifier: str, state: State) -> None:
    if _describe_cluster(operation, identifier) is not None:
        operation.client("emr").remove_managed_scaling_policy(ClusterId=identifier)


_VOLUME_TYPE = one_of("gp2", "gp3", "io1", "io2", "sc1", "st1", "standard")
_VOLUMES = names("masterInstanceGroup.ebsConfigs coreInstanceGroup.ebsConfigs")

# -- what a region offers ----------------------------------------------------------------------------------------------


def _release_labels(operation: Operation, arguments: Inputs) -> State:
    filters = pascal(arguments.get("filters") or {})
    answer = operation.client("emr").list_release_labels(**({"Filters": filters} if filters else {}))
    labels = answer.get("ReleaseLabels") or []
    return {"id": ",".join(labels), "filters": arguments.get("filters"), "releaseLabels": labels}


def _supported_instance_types(operation: Operation, arguments: Inputs) -> State:
    label = arguments["releaseLabel"]
    answer = operation.client("emr").list_supported_instance_types(ReleaseLabel=label)
    renamed = {"Is64BitsOnly": "is64BitsOnly", "MemoryGB": "memoryGb", "StorageGB": "storageGb", "VCPU": "vcpu"}
    types = [
        {renamed.get(name) or name[0].lower() + name[1:]: value for name, value in kind.items()}
        for kind in answer["SupportedInstanceTypes"]
    ]
    return {"id": label, "releaseLabel": label, "supportedInstanceTypes": types}


FUNCTIONS = (
    Function(
        token="aws:emr/getReleaseLabels:getReleaseLabels",
        arguments=names("filters region"),
        call=_release_labels,
    ),
    Function(
        token="aws:emr/getSupportedInstanceTypes:getSupportedInstanceTypes",
        arguments=names("releaseLabel region"),
        call=_supported_instance_types,
    ),
)

TYPES = (
    ResourceType(
        token="aws:emr/securityConfiguration:SecurityConfiguration",
        source="security_configuration.go: everything replaces",
        handles=names("configuration"),
        naming=AutoName(maximum=10280),
        comparison=Comparison(json=names("configuration")),
        documents={"configuration": security_configuration},
        create=_create_security_configuration,
        read=_read_security_configuration,
        delete=_delete_security_configuration,
    ),
    ResourceType(
        token="aws:emr/cluster:Cluster",
        source="cluster.go: resourceCluster's ForceNew and resourceClusterUpdate",
        at_most_one=(
            names("configurations configurationsJson"),
            names("ec2Attributes.subnetId ec2Attributes.subnetIds"),
        ),
        values={
            "autoTerminationPolicy.idleTimeout": between(60, 604_800),
            "masterInstanceGroup.instanceCount": one_of(1, 3),
            "scaleDownBehavior": one_of("TERMINATE_AT_INSTANCE_HOUR", "TERMINATE_AT_TASK_COMPLETION"),
            "stepConcurrencyLevel": between(1, 256),
            **{f"{group}.ebsConfigs.type": _VOLUME_TYPE for group in ("masterInstanceGroup", "coreInstanceGroup")},
        },
        handles=names("releaseLabel serviceRole additionalInfo applications autoTerminationPolicy autoscalingRole")
        | names("bootstrapActions configurationsJson coreInstanceGroup customAmiId ebsRootVolumeSize ec2Attributes")
        | names("keepJobFlowAliveWhenNoSteps kerberosAttributes logEncryptionKmsKeyId logUri masterInstanceGroup")
        | names("osReleaseLabel placementGroupConfigs scaleDownBehavior securityConfiguration stepConcurrencyLevel")
        | names("terminationProtection unhealthyNodeReplacement visibleToAllUsers"),
        naming=AutoName(maximum=256, prefix_property=None),
        defaults={
            "stepConcurrencyLevel": 1,
            "visibleToAllUsers": True,
            "unhealthyNodeReplacement": False,
            "masterInstanceGroup.instanceCount": 1,
            "coreInstanceGroup.instanceCount": 1,
            "masterInstanceGroup.ebsConfigs.volumesPerInstance": 1,
            "coreInstanceGroup.ebsConfigs.volumesPerInstance": 1,
        },
        comparison=Comparison(
            json=names("configurationsJson coreInstanceGroup.autoscalingPolicy"),
            unordered=names("applications ec2Attributes.subnetIds placementGroupConfigs") | _VOLUMES,
            ignore_case=names("applications"),
        ),
        documents={"configurationsJson": configurations, "coreInstanceGroup.autoscalingPolicy": scaling_policy},
        in_place=names("coreInstanceGroup.instanceCount coreInstanceGroup.autoscalingPolicy autoTerminationPolicy")
        | names("terminationProtection unhealthyNodeReplacement stepConcurrencyLevel visibleToAllUsers"),
        not_read={
            "kerberosAttributes": "AWS gives no passwords; the realm is read",
            "placementGroupConfigs": "moto does not give it back",
            "bootstrapActions": "cannot change; moto's list is not needed",
            "additionalInfo": "EMR does not give it back",
        },
        create=_run_cluster,
        read=_read_cluster,
        update=_update_cluster,
        delete=_delete_cluster,
        tagging=Tagging(_add_tags, _remove_tags),
        check=_check_cluster,
    ),
    ResourceType(
        token="aws:emr/instanceGroup:InstanceGroup",
        source="instance_group.go",
        adopt=_adopt_group,
        values={"ebsConfigs.type": _VOLUME_TYPE},
        handles=names("clusterId instanceType autoscalingPolicy bidPrice configurationsJson ebsConfigs ebsOptimized")
        | names("instanceCount"),
        naming=AutoName(maximum=256, prefix_property=None),
        defaults={"ebsConfigs.volumesPerInstance": 1},
        comparison=Comparison(json=names("configurationsJson autoscalingPolicy"), unordered=names("ebsConfigs")),
        documents={"configurationsJson": configurations, "autoscalingPolicy": scaling_policy},
        replaces=names("clusterId instanceType bidPrice ebsConfigs ebsOptimized name"),
        create=_add_group,
        read=_read_group,
        update=_update_group,
        delete=_shrink_group,
    ),
    ResourceType(
        token="aws:emr/managedScalingPolicy:ManagedScalingPolicy",
        source="managed_scaling_policy.go: everything replaces; its id is the cluster's",
        handles=names("clusterId computeLimits scalingStrategy utilizationPerformanceIndex"),
        create=_put_managed_scaling,
        read=_read_managed_scaling,
        delete=_remove_managed_scaling,
    ),
)
