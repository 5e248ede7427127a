"""Security groups that are not deleted while something uses them, and whose rules all show their description.

moto deletes a group that other groups' rules, interfaces, endpoints, clusters or functions still name, so a wrong
order of deletion goes unnoticed; and it shows the description of a rule only if the rule is about addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.ec2.exceptions import DependencyViolationError
from moto.ec2.models.security_groups import SecurityGroupBackend, SecurityGroupRule
from moto.emr.models import emr_backends

from sandbox.aws.emr.steps import ENDED_CLUSTER_STATES
from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Check deletions, show descriptions."""
    delete: Callable[..., None] = SecurityGroupBackend.delete_security_group
    rule_init: Callable[..., None] = SecurityGroupRule.__init__

    def delete_security_group(backend: Any, name: str | None = None, group_id: str | None = None) -> None:
        for user in _users(backend, group_id) if group_id else ():
            raise DependencyViolationError(f"resource {group_id} has a dependent object: {user}")
        delete(backend, name, group_id)

    def init(rule: Any, *arguments: Any, **options: Any) -> None:
        rule_init(rule, *arguments, **options)
        prefix_list = options.get("prefix_list_id") or {}
        rule.prefix_list_description = prefix_list.get("Description")

    runtime.patches.replace(SecurityGroupBackend, "delete_security_group", delete_security_group)
    runtime.patches.replace(SecurityGroupRule, "__init__", init)
    runtime.patches.replace(SecurityGroupRule, "description", property(_description))


def _description(rule: Any) -> str | None:
    given = rule.ip_range.get("Description") or rule.source_group.get("Description")
    return given or rule.prefix_list_description


def _users(backend: Any, group_id: str) -> Iterator[str]:
    """Yield what uses a group."""
    for groups in list(backend.groups.values()):
        for group in list(groups.values()):
            rules = [*group.ingress_rules, *group.egress_rules]
            if group.id != group_id and any(rule.source_group.get("GroupId") == group_id for rule in rules):
                yield f"security group {group.id}"
    for interface in list(backend.enis.values()):
        if any(group.id == group_id for group in interface.group_set):
            yield f"network interface {interface.id}"
    for endpoint in list(backend.vpc_end_points.values()):
        if endpoint.state != "deleted" and group_id in endpoint.security_group_ids:
            yield f"VPC endpoint {endpoint.id}"
    for cluster in list(emr_backends[backend.account_id][backend.region_name].clusters.values()):
        used = {
            cluster.master_security_group,
            cluster.slave_security_group,
            cluster.service_access_security_group,
            *(cluster.additional_master_security_groups or []),
            *(cluster.additional_slave_security_groups or []),
        }
        if cluster.state not in ENDED_CLUSTER_STATES and group_id in used:
            yield f"EMR cluster {cluster.id}"
    for function in lambda_backends[backend.account_id][backend.region_name].list_functions():
        if group_id in ((function.vpc_config or {}).get("SecurityGroupIds") or []):
            yield f"function {function.function_name}"
