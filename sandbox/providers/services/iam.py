"""IAM: roles, their policies, instance profiles. Sources: terraform-provider-aws ``internal/service/iam/*.go``."""

from __future__ import annotations

import json
from typing import Any

from sandbox.documents import iam_policy
from sandbox.providers.comparison import Comparison
from sandbox.providers.naming import AutoName
from sandbox.providers.table import (
    Change,
    Inputs,
    Operation,
    ResourceType,
    State,
    Tagging,
    absent,
    found,
    names,
    pick,
    tag_list,
    tag_map,
)
from sandbox.providers.values import between, matching

_MISSING = "NoSuchEntity"


def _text(document: Any) -> str:
    """A policy as text; boto3 parses it on the way in."""
    return document if isinstance(document, str) else json.dumps(document)


def _add_role_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("iam").tag_role(RoleName=identifier, Tags=tag_list(tags))


def _remove_role_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("iam").untag_role(RoleName=identifier, TagKeys=keys)


def _create_role(operation: Operation, inputs: Inputs) -> str:
    made = operation.client("iam").create_role(
        RoleName=inputs["name"],
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        **pick(inputs, "path", "description", "maxSessionDuration", "permissionsBoundary"),
        Tags=tag_list(inputs.get("tagsAll")),
    )
    return made["Role"]["RoleName"]


def _read_role(operation: Operation, identifier: str, prior: State) -> State | None:
    answer = found(lambda: operation.client("iam").get_role(RoleName=identifier), _MISSING)
    if answer is None:
        return None
    role = answer["Role"]
    return {
        "name": role["RoleName"],
        "namePrefix": prior.get("namePrefix", ""),
        "arn": role["Arn"],
        "path": role["Path"],
        "uniqueId": role["RoleId"],
        "createDate": role["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "description": role.get("Description") or None,
        "maxSessionDuration": role.get("MaxSessionDuration", 3600),
        "permissionsBoundary": (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
        "assumeRolePolicy": _text(role["AssumeRolePolicyDocument"]),
        "tagsAll": tag_map(role.get("Tags")),
    }


def _update_role(operation: Operation, change: Change) -> None:
    client = operation.client("iam")
    inputs = change.inputs
    if change.any("assumeRolePolicy"):
        client.update_assume_role_policy(RoleName=change.id, PolicyDocument=inputs["assumeRolePolicy"])
    if change.any("description", "maxSessionDuration"):
        client.update_role(
            RoleName=change.id,
            Description=inputs.get("description", ""),
            MaxSessionDuration=inputs.get("maxSessionDuration", 3600),
        )
    if change.any("permissionsBoundary"):
        if inputs.get("permissionsBoundary"):
            client.put_role_permissions_boundary(RoleName=change.id, PermissionsBoundary=inputs["permissionsBoundary"])
        else:
            client.delete_role_permissions_boundary(RoleName=change.id)


def _delete_role(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("iam")
    profiles = found(lambda: client.list_instance_profiles_for_role(RoleName=identifier), _MISSING)
    if profiles is None:
        return
    for profile in profiles["InstanceProfiles"]:
        client.remove_role_from_instance_profile(
            InstanceProfileName=profile["InstanceProfileName"], RoleName=identifier
        )
    if state.get("forceDetachPolicies"):
        for attached in client.list_attached_role_policies(RoleName=identifier)["AttachedPolicies"]:
            client.detach_role_policy(RoleName=identifier, PolicyArn=attached["PolicyArn"])
        for name in client.list_role_policies(RoleName=identifier)["PolicyNames"]:
            client.delete_role_policy(RoleName=identifier, PolicyName=name)
    absent(lambda: client.delete_role(RoleName=identifier), _MISSING)


def _put_role_policy(operation: Operation, inputs: Inputs) -> str:
    operation.client("iam").put_role_policy(
        RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
    )
    return f"{inputs['role']}:{inputs['name']}"


def _read_role_policy(operation: Operation, identifier: str, prior: State) -> State | None:
    role, name = identifier.split(":", 1)
    answer = found(lambda: operation.client("iam").get_role_policy(RoleName=role, PolicyName=name), _MISSING)
    if answer is None:
        return None
    return {
        "role": role,
        "name": name,
        "namePrefix": prior.get("namePrefix", ""),
        "policy": _text(answer["PolicyDocument"]),
    }


def _update_role_policy(operation: Operation, change: Change) -> None:
    _put_role_policy(operation, {**change.inputs, "name": change.old["name"]})


def _delete_role_policy(operation: Operation, identifier: str, state: State) -> None:
    role, name = identifier.split(":", 1)
    absent(lambda: operation.client("iam").delete_role_policy(RoleName=role, PolicyName=name), _MISSING)


def _attach_role_policy(operation: Operation, inputs: Inputs) -> str:
    operation.client("iam").attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
    return f"{inputs['role']}/{inputs['policyArn']}"


def _read_role_policy_attachment(operation: Operation, identifier: str, prior: State) -> State | None:
    role, arn = identifier.split("/", 1)
    pages = operation.client("iam").get_paginator("list_attached_role_policies").paginate(RoleName=role)
    attached = found(lambda: [entry for page in pages for entry in page["AttachedPolicies"]], _MISSING)
    if not any(entry["PolicyArn"] == arn for entry in attached or []):
        return None
    return {"role": role, "policyArn": arn}


def _delete_role_policy_attachment(operation: Operation, identifier: str, state: State) -> None:
    role, arn = identifier.split("/", 1)
    absent(lambda: operation.client("iam").detach_role_policy(RoleName=role, PolicyArn=arn), _MISSING)


def _add_profile_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("iam").tag_instance_profile(InstanceProfileName=identifier, Tags=tag_list(tags))


def _remove_profile_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("iam").untag_instance_profile(InstanceProfileName=identifier, TagKeys=keys)


def _create_instance_profile(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("iam")
    name = inputs["name"]
    client.create_instance_profile(
        InstanceProfileName=name, **pick(inputs, "path"), Tags=tag_list(inputs.get("tagsAll"))
    )
    operation.created(name)
    if inputs.get("role"):
        client.add_role_to_instance_profile(InstanceProfileName=name, RoleName=inputs["role"])
    return name


def _read_instance_profile(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("iam")
    answer = found(lambda: client.get_instance_profile(InstanceProfileName=identifier), _MISSING)
    if answer is None:
        return None
    profile = answer["InstanceProfile"]
    return {
        "name": profile["InstanceProfileName"],
        "namePrefix": prior.get("namePrefix", ""),
        "arn": profile["Arn"],
        "path": profile["Path"],
        "uniqueId": profile["InstanceProfileId"],
        "createDate": profile["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "role": next((role["RoleName"] for role in profile["Roles"]), None),
        "tagsAll": tag_map(profile.get("Tags")),
    }


def _update_instance_profile(operation: Operation, change: Change) -> None:
    client = operation.client("iam")
    if change.any("role"):
        if change.old.get("role"):
            client.remove_role_from_instance_profile(InstanceProfileName=change.id, RoleName=change.old["role"])
        if change.inputs.get("role"):
            client.add_role_to_instance_profile(InstanceProfileName=change.id, RoleName=change.inputs["role"])


def _delete_instance_profile(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("iam")
    answer = found(lambda: client.get_instance_profile(InstanceProfileName=identifier), _MISSING)
    if answer is None:
        return
    for role in answer["InstanceProfile"]["Roles"]:
        client.remove_role_from_instance_profile(InstanceProfileName=identifier, RoleName=role["RoleName"])
    absent(lambda: client.delete_instance_profile(InstanceProfileName=identifier), _MISSING)


TYPES = (
    ResourceType(
        token="aws:iam/role:Role",
        source="role.go",
        at_most_one=(names("name namePrefix"),),
        values={
            "name": matching(r"[\w+=,.@-]{1,64}", "a role's name is 1 to 64 of letters, digits and +=,.@_-"),
            "maxSessionDuration": between(3600, 43200),
            "path": matching(r"/|/[\x21-\x7e]+/", "a path begins and ends with /"),
        },
        handles=names("assumeRolePolicy description maxSessionDuration path permissionsBoundary forceDetachPolicies"),
        naming=AutoName(maximum=64),
        defaults={"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"},
        comparison=Comparison(policies=names("assumeRolePolicy")),
        documents={"assumeRolePolicy": iam_policy.trust_policy},
        replaces=names("name namePrefix path"),
        not_read={"forceDetachPolicies": "a setting of the provider, not of AWS"},
        create=_create_role,
        read=_read_role,
        update=_update_role,
        delete=_delete_role,
        tagging=Tagging(_add_role_tags, _remove_role_tags),
    ),
    ResourceType(
        token="aws:iam/rolePolicy:RolePolicy",
        source="role_policy.go",
        at_most_one=(names("name namePrefix"),),
        values={"name": matching(r"[\w+=,.@-]{1,128}", "a policy's name is 1 to 128 of letters, digits and +=,.@_-")},
        handles=names("role policy"),
        naming=AutoName(maximum=128),
        comparison=Comparison(policies=names("policy")),
        documents={"policy": iam_policy.identity_policy},
        replaces=names("role name namePrefix"),
        create=_put_role_policy,
        read=_read_role_policy,
        update=_update_role_policy,
        delete=_delete_role_policy,
    ),
    ResourceType(
        token="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        source="role_policy_attachment.go",
        values={"policyArn": matching(r"arn:[^:]+:iam::(aws|\d{12}):policy/.+", "it is the ARN of a managed policy")},
        handles=names("role policyArn"),
        create=_attach_role_policy,
        read=_read_role_policy_attachment,
        delete=_delete_role_policy_attachment,
    ),
    ResourceType(
        token="aws:iam/instanceProfile:InstanceProfile",
        source="instance_profile.go",
        at_most_one=(names("name namePrefix"),),
        handles=names("role path"),
        naming=AutoName(maximum=128),
        defaults={"path": "/"},
        replaces=names("name namePrefix path"),
        create=_create_instance_profile,
        read=_read_instance_profile,
        update=_update_instance_profile,
        delete=_delete_instance_profile,
        tagging=Tagging(_add_profile_tags, _remove_profile_tags),
    ),
)
