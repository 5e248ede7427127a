"""Networks that are not deleted while something is in them.

moto deletes a subnet with all that is in it, a VPC with its gateway and groups, and an address that is in use, so a
wrong order of deletion goes unnoticed; and a deleted NAT gateway keeps its network interface and its address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models.elastic_ip_addresses import ElasticAddressBackend
from moto.ec2.models.internet_gateways import InternetGatewayBackend
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.models.subnets import SubnetBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.emr.models import emr_backends

from sandbox.aws.emr.steps import ENDED_CLUSTER_STATES
from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Check deletions, and let a NAT gateway take with it what it made."""
    delete_subnet: Callable[..., Any] = SubnetBackend.delete_subnet
    delete_vpc: Callable[..., Any] = VPCBackend.delete_vpc
    detach_gateway: Callable[..., None] = InternetGatewayBackend.detach_internet_gateway
    release: Callable[..., None] = ElasticAddressBackend.release_address
    delete_nat_gateway: Callable[..., Any] = NatGatewayBackend.delete_nat_gateway

    def checked_subnet(backend: Any, subnet_id: str) -> Any:
        for user in _in_subnet(backend, subnet_id):
            raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted: {user}")
        return delete_subnet(backend, subnet_id)

    def checked_vpc(backend: Any, vpc_id: str) -> Any:
        for user in _in_vpc(backend, vpc_id):
            raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted: {user}")
        return delete_vpc(backend, vpc_id)

    def checked_detachment(backend: Any, internet_gateway_id: str, vpc_id: str) -> None:
        if any(address.eni and address.eni.subnet.vpc_id == vpc_id for address in backend.addresses):
            raise DependencyViolationError(
                f"Network {vpc_id} has some mapped public address(es). "
                "Please unmap those public address(es) before detaching the gateway."
            )
        detach_gateway(backend, internet_gateway_id, vpc_id)

    def checked_release(backend: Any, address: str | None = None, allocation_id: str | None = None) -> None:
        for one in backend.addresses:
            if one.association_id and (one.allocation_id == allocation_id or one.public_ip == address):
                # EC2 API reference, ReleaseAddress.
                raise EC2ClientError("InvalidIPAddress.InUse", f"The address {one.public_ip} is in use.")
        release(backend, address, allocation_id)

    def whole_nat_gateway(backend: Any, nat_gateway_id: str) -> Any:
        gateway = delete_nat_gateway(backend, nat_gateway_id)
        interface = gateway._eni
        for address in backend.addresses:
            if address.eni is interface:
                backend.disassociate_address(address=address.public_ip)
        backend.enis.pop(interface.id, None)
        return gateway

    runtime.patches.replace(SubnetBackend, "delete_subnet", checked_subnet)
    runtime.patches.replace(VPCBackend, "delete_vpc", checked_vpc)
    runtime.patches.replace(InternetGatewayBackend, "detach_internet_gateway", checked_detachment)
    runtime.patches.replace(ElasticAddressBackend, "release_address", checked_release)
    runtime.patches.replace(NatGatewayBackend, "delete_nat_gateway", whole_nat_gateway)


def _in_subnet(backend: Any, subnet_id: str) -> Iterator[str]:
    for interface in list(backend.enis.values()):
        if interface.subnet.id == subnet_id:
            yield f"network interface {interface.id}"
    for cluster in list(emr_backends[backend.account_id][backend.region_name].clusters.values()):
        if cluster.state not in ENDED_CLUSTER_STATES and cluster.ec2_subnet_id == subnet_id:
            yield f"EMR cluster {cluster.id}"
    for function in lambda_backends[backend.account_id][backend.region_name].list_functions():
        if subnet_id in ((function.vpc_config or {}).get("SubnetIds") or []):
            yield f"function {function.function_name}"


def _in_vpc(backend: Any, vpc_id: str) -> Iterator[str]:
    """Yield what moto does not look at itself: it does at subnets and route tables."""
    for gateway in list(backend.internet_gateways.values()):
        if gateway.vpc and gateway.vpc.id == vpc_id:
            yield f"internet gateway {gateway.id}"
    for endpoint in list(backend.vpc_end_points.values()):
        if endpoint.state != "deleted" and endpoint.vpc_id == vpc_id:
            yield f"VPC endpoint {endpoint.id}"
    for group in list(backend.groups[vpc_id].values()):
        if group.name != "default":
            yield f"security group {group.id}"
