"""EC2: the network. Sources: terraform-provider-aws ``internal/service/ec2/*.go``."""

from __future__ import annotations

import functools
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sandbox.documents import iam_policy
from sandbox.providers.comparison import Comparison
from sandbox.providers.naming import AutoName
from sandbox.providers.table import (
    CancelledError,
    Change,
    Created,
    Function,
    Inputs,
    Operation,
    ResourceType,
    State,
    Tagging,
    absent,
    camel,
    found,
    given,
    gone,
    import_parts,
    names,
    pascal,
    pick,
    tag_list,
    tag_map,
)
from sandbox.providers.values import block, matching, one_of


def _add_tags(operation: Operation, identifier: str, state: State, tags: dict[str, str]) -> None:
    operation.client("ec2").create_tags(Resources=[identifier], Tags=tag_list(tags))


def _remove_tags(operation: Operation, identifier: str, state: State, keys: list[str]) -> None:
    operation.client("ec2").delete_tags(Resources=[identifier], Tags=[{"Key": key} for key in keys])


TAGGING = Tagging(_add_tags, _remove_tags)


def _tag_specification(kind: str, inputs: Inputs) -> dict[str, Any]:
    tags = inputs.get("tagsAll")
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": tag_list(tags)}]} if tags else {}


def _one(operation: Operation, call: str, member: str, *codes: str, **arguments: Any) -> dict[str, Any] | None:
    """The one thing that a describe call finds, or None."""
    answer = found(lambda: getattr(operation.client("ec2"), call)(**arguments), *codes)
    things = answer[member] if answer else []
    return things[0] if things else None


def _arn(operation: Operation, resource: str) -> str:
    return operation.arn("ec2", resource)


_IN_USE = ("DependencyViolation", "InvalidGroup.InUse")
_PATIENCE_SECONDS = 10
"""The provider tries a deletion again for up to 15 minutes while something depends on it; here dependents are gone in
seconds or stay."""


def _delete(operation: Operation, call: Callable[[], Any], *missing: str) -> None:
    """Delete, again and again while something still depends on it, for some seconds."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            absent(call, *missing)
            return
        except ClientError as error:
            if not gone(error, *_IN_USE) or time.monotonic() >= end:
                raise
        if operation.cancelled.wait(0.5):
            raise CancelledError("stopped while waiting for what depends on it")


# -- VPC ---------------------------------------------------------------------------------------------------------------


def _create_vpc(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("ec2")
    vpc = client.create_vpc(**pick(inputs, "cidrBlock", "instanceTenancy"), **_tag_specification("vpc", inputs))["Vpc"]
    operation.created(vpc["VpcId"])
    _set_vpc_attributes(operation, vpc["VpcId"], inputs, {"enableDnsSupport", "enableDnsHostnames"})
    return vpc["VpcId"]


def _set_vpc_attributes(operation: Operation, identifier: str, inputs: Inputs, changed: Iterable[str]) -> None:
    # Host names need support first, and support stays on as long as host names are on.
    order = ["enableDnsSupport", "enableDnsHostnames"]
    if inputs.get("enableDnsSupport") is False:
        order.reverse()
    for name in order:
        if name in changed and inputs.get(name) is not None:
            member = name[:1].upper() + name[1:]
            operation.client("ec2").modify_vpc_attribute(VpcId=identifier, **{member: {"Value": inputs[name]}})


def _read_vpc(operation: Operation, identifier: str, prior: State) -> State | None:
    client = operation.client("ec2")
    vpc = _one(operation, "describe_vpcs", "Vpcs", "InvalidVpcID.NotFound", VpcIds=[identifier])
    if vpc is None:
        return None
    filters = [{"Name": "vpc-id", "Values": [identifier]}]
    tables = client.describe_route_tables(Filters=[*filters, {"Name": "association.main", "Values": ["true"]}])
    groups = client.describe_security_groups(Filters=[*filters, {"Name": "group-name", "Values": ["default"]}])
    acls = client.describe_network_acls(Filters=[*filters, {"Name": "default", "Values": ["true"]}])
    main = next((table["RouteTableId"] for table in tables["RouteTables"]), None)
    attribute = client.describe_vpc_attribute
    return {
        "arn": _arn(operation, f"vpc/{identifier}"),
        "cidrBlock": vpc["CidrBlock"],
        "instanceTenancy": vpc["InstanceTenancy"],
        "dhcpOptionsId": vpc["DhcpOptionsId"],
        "ownerId": vpc.get("OwnerId", operation.account),
        "enableDnsSupport": attribute(VpcId=identifier, Attribute="enableDnsSupport")["EnableDnsSupport"]["Value"],
        "enableDnsHostnames": attribute(VpcId=identifier, Attribute="enableDnsHostnames")["EnableDnsHostnames"][
            "Value"
        ],
        "enableNetworkAddressUsageMetrics": False,
        "assignGeneratedIpv6CidrBlock": False,
        "ipv6AssociationId": "",
        "ipv6CidrBlock": "",
        "ipv6CidrBlockNetworkBorderGroup": "",
        "mainRouteTableId": main,
        "defaultRouteTableId": main,
        "defaultSecurityGroupId": next((group["GroupId"] for group in groups["SecurityGroups"]), None),
        "defaultNetworkAclId": next((acl["NetworkAclId"] for acl in acls["NetworkAcls"]), None),
        "tagsAll": tag_map(vpc.get("Tags")),
    }


def _update_vpc(operation: Operation, change: Change) -> None:
    _set_vpc_attributes(operation, change.id, change.inputs, change.changed)


def _delete_vpc(operation: Operation, identifier: str, state: State) -> None:
    _delete(operation, lambda: operation.client("ec2").delete_vpc(VpcId=identifier), "InvalidVpcID.NotFound")


# -- subnets -----------------------------------------------------------------------------------------------------------

_SUBNET_SWITCHES = {
    "mapPublicIpOnLaunch": "MapPublicIpOnLaunch",
    "assignIpv6AddressOnCreation": "AssignIpv6AddressOnCreation",
    "enableResourceNameDnsARecordOnLaunch": "EnableResourceNameDnsARecordOnLaunch",
}


def _create_subnet(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("ec2")
    arguments = pick(inputs, "vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId")
    subnet = client.create_subnet(**arguments, **_tag_specification("subnet", inputs))["Subnet"]
    operation.created(subnet["SubnetId"])
    # A new subnet has every switch off.
    on = {name for name in _SUBNET_SWITCHES if inputs.get(name)}
    _set_subnet_attributes(operation, subnet["SubnetId"], inputs, on | {"privateDnsHostnameTypeOnLaunch"})
    return subnet["SubnetId"]


def _set_subnet_attributes(operation: Operation, identifier: str, inputs: Inputs, changed: Iterable[str]) -> None:
    # AWS takes one attribute a call.
    client = operation.client("ec2")
    for name, member in _SUBNET_SWITCHES.items():
        if name in changed:
            client.modify_subnet_attribute(SubnetId=identifier, **{member: {"Value": bool(inputs.get(name))}})
    if "privateDnsHostnameTypeOnLaunch" in changed and "privateDnsHostnameTypeOnLaunch" in inputs:
        kind = inputs["privateDnsHostnameTypeOnLaunch"]
        client.modify_subnet_attribute(SubnetId=identifier, PrivateDnsHostnameTypeOnLaunch=kind)


def _read_subnet(operation: Operation, identifier: str, prior: State) -> State | None:
    subnet = _one(operation, "describe_subnets", "Subnets", "InvalidSubnetID.NotFound", SubnetIds=[identifier])
    if subnet is None:
        return None
    names_on_launch = subnet.get("PrivateDnsNameOptionsOnLaunch") or {}
    return {
        "arn": subnet.get("SubnetArn") or _arn(operation, f"subnet/{identifier}"),
        "vpcId": subnet["VpcId"],
        "cidrBlock": subnet["CidrBlock"],
        "availabilityZone": subnet["AvailabilityZone"],
        "availabilityZoneId": subnet.get("AvailabilityZoneId"),
        "mapPublicIpOnLaunch": subnet.get("MapPublicIpOnLaunch", False),
        "assignIpv6AddressOnCreation": subnet.get("AssignIpv6AddressOnCreation", False),
        "enableDns64": False,
        "enableResourceNameDnsARecordOnLaunch": names_on_launch.get("EnableResourceNameDnsARecord", False),
        "enableResourceNameDnsAaaaRecordOnLaunch": False,
        "ipv6Native": False,
        "ipv6CidrBlock": "",
        "ipv6CidrBlockAssociationId": "",
        "mapCustomerOwnedIpOnLaunch": False,
        "privateDnsHostnameTypeOnLaunch": names_on_launch.get("HostnameType", "ip-name"),
        "ownerId": subnet.get("OwnerId", operation.account),
        "tagsAll": tag_map(subnet.get("Tags")),
    }


def _update_subnet(operation: Operation, change: Change) -> None:
    _set_subnet_attributes(operation, change.id, change.inputs, change.changed)


def _delete_subnet(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("ec2")
    _delete(operation, lambda: client.delete_subnet(SubnetId=identifier), "InvalidSubnetID.NotFound")


# -- ways out: internet gateway, address, NAT gateway ------------------------------------------------------------------


def _create_internet_gateway(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("ec2")
    made = client.create_internet_gateway(**_tag_specification("internet-gateway", inputs))
    identifier = made["InternetGateway"]["InternetGatewayId"]
    operation.created(identifier)
    if inputs.get("vpcId"):
        client.attach_internet_gateway(InternetGatewayId=identifier, VpcId=inputs["vpcId"])
    return identifier


def _read_internet_gateway(operation: Operation, identifier: str, prior: State) -> State | None:
    missing = "InvalidInternetGatewayID.NotFound"
    gateway = _one(
        operation, "describe_internet_gateways", "InternetGateways", missing, InternetGatewayIds=[identifier]
    )
    if gateway is None:
        return None
    attached = gateway.get("Attachments") or [{}]
    return {
        "arn": _arn(operation, f"internet-gateway/{identifier}"),
        "vpcId": attached[0].get("VpcId", ""),
        "ownerId": gateway.get("OwnerId", operation.account),
        "tagsAll": tag_map(gateway.get("Tags")),
    }


def _update_internet_gateway(operation: Operation, change: Change) -> None:
    client = operation.client("ec2")
    if change.any("vpcId"):
        if change.old.get("vpcId"):
            client.detach_internet_gateway(InternetGatewayId=change.id, VpcId=change.old["vpcId"])
        if change.inputs.get("vpcId"):
            client.attach_internet_gateway(InternetGatewayId=change.id, VpcId=change.inputs["vpcId"])


def _delete_internet_gateway(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("ec2")
    if state.get("vpcId"):
        _delete(
            operation,
            lambda: client.detach_internet_gateway(InternetGatewayId=identifier, VpcId=state["vpcId"]),
            "Gateway.NotAttached",
            "InvalidInternetGatewayID.NotFound",
        )
    absent(
        lambda: client.delete_internet_gateway(InternetGatewayId=identifier),
        "InvalidInternetGatewayID.NotFound",
    )


def _create_eip(operation: Operation, inputs: Inputs) -> str:
    arguments = pick(inputs, "address", "networkBorderGroup", "publicIpv4Pool")
    made = operation.client("ec2").allocate_address(
        Domain=inputs.get("domain", "vpc"), **arguments, **_tag_specification("elastic-ip", inputs)
    )
    return made["AllocationId"]


def _read_eip(operation: Operation, identifier: str, prior: State) -> State | None:
    missing = ("InvalidAllocationID.NotFound", "InvalidAddress.NotFound")
    address = _one(operation, "describe_addresses", "Addresses", *missing, AllocationIds=[identifier])
    if address is None:
        return None
    return {
        "arn": _arn(operation, f"elastic-ip/{identifier}"),
        "allocationId": identifier,
        "domain": address.get("Domain", "vpc"),
        "publicIp": address["PublicIp"],
        "publicDns": f"ec2-{address['PublicIp'].replace('.', '-')}.{operation.region}.compute.amazonaws.com",
        "publicIpv4Pool": address.get("PublicIpv4Pool") or "amazon",
        "networkBorderGroup": address.get("NetworkBorderGroup") or operation.region,
        "carrierIp": "",
        "customerOwnedIp": "",
        "customerOwnedIpv4Pool": "",
        "tagsAll": tag_map(address.get("Tags")),
    }


def _delete_eip(operation: Operation, identifier: str, state: State) -> None:
    absent(
        lambda: operation.client("ec2").release_address(AllocationId=identifier),
        "InvalidAllocationID.NotFound",
    )


def _create_nat_gateway(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("ec2")
    made = client.create_nat_gateway(
        **pick(inputs, "subnetId", "allocationId", "connectivityType", privateIp="PrivateIpAddress"),
        **_tag_specification("natgateway", inputs),
    )
    identifier = made["NatGateway"]["NatGatewayId"]
    operation.created(identifier)

    def available() -> bool:
        gateway = client.describe_nat_gateways(NatGatewayIds=[identifier])["NatGateways"][0]
        if gateway["State"] == "failed":
            raise ValueError(f"NAT gateway {identifier} failed: {gateway.get('FailureMessage', 'no reason given')}")
        return gateway["State"] == "available"

    operation.wait(available, what=f"NAT gateway {identifier} to be available", seconds=600)
    return identifier


def _read_nat_gateway(operation: Operation, identifier: str, prior: State) -> State | None:
    gateway = _one(operation, "describe_nat_gateways", "NatGateways", "NatGatewayNotFound", NatGatewayIds=[identifier])
    if gateway is None or gateway["State"] in {"deleted", "deleting"}:
        return None
    address = (gateway.get("NatGatewayAddresses") or [{}])[0]
    return {
        "subnetId": gateway["SubnetId"],
        "vpcId": gateway.get("VpcId"),
        "connectivityType": gateway.get("ConnectivityType", "public"),
        "allocationId": address.get("AllocationId"),
        "associationId": address.get("AssociationId", ""),
        "networkInterfaceId": address.get("NetworkInterfaceId", ""),
        "privateIp": address.get("PrivateIp"),
        "publicIp": address.get("PublicIp", ""),
        "availabilityMode": "zonal",
        "secondaryAllocationIds": [],
        "secondaryPrivateIpAddresses": [],
        "secondaryPrivateIpAddressCount": 0,
        "tagsAll": tag_map(gateway.get("Tags")),
    }


def _delete_nat_gateway(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("ec2")
    absent(lambda: client.delete_nat_gateway(NatGatewayId=identifier), "NatGatewayNotFound")
    operation.wait(
        lambda: _read_nat_gateway(operation, identifier, {}) is None,
        what=f"NAT gateway {identifier} to be deleted",
        seconds=1800,
    )


# -- routes ------------------------------------------------------------------------------------------------------------

_DESTINATIONS = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}
_TARGETS = {
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "transitGatewayId": "TransitGatewayId",
    "vpcEndpointId": "VpcEndpointId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}


def _create_route_table(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("ec2")
    made = client.create_route_table(VpcId=inputs["vpcId"], **_tag_specification("route-table", inputs))
    identifier = made["RouteTable"]["RouteTableId"]
    operation.created(identifier)
    for route in inputs.get("routes", []):
        client.create_route(RouteTableId=identifier, **_inline_route(route))
    return identifier


def _inline_route(route: Mapping[str, Any]) -> dict[str, Any]:
    destination = given(DestinationCidrBlock=route.get("cidrBlock") or None)
    if route.get("destinationPrefixListId"):
        destination["DestinationPrefixListId"] = route["destinationPrefixListId"]
    return {**destination, **{member: route[name] for name, member in _TARGETS.items() if route.get(name)}}


def _read_route_table(operation: Operation, identifier: str, prior: State) -> State | None:
    missing = "InvalidRouteTableID.NotFound"
    table = _one(operation, "describe_route_tables", "RouteTables", missing, RouteTableIds=[identifier])
    if table is None:
        return None
    state: State = {
        "arn": _arn(operation, f"route-table/{identifier}"),
        "vpcId": table["VpcId"],
        "ownerId": table.get("OwnerId", operation.account),
        "propagatingVgws": [],
        "tagsAll": tag_map(table.get("Tags")),
    }
    # Routes that were not given inline belong to Route resources and endpoints.
    if prior.get("routes"):
        state["routes"] = [
            {
                **given(cidrBlock=route.get("DestinationCidrBlock")),
                **{name: route[member] for name, member in _TARGETS.items() if route.get(member)},
            }
            for route in table["Routes"]
            if route.get("Origin") == "CreateRoute" and not route.get("DestinationPrefixListId")
        ]
    return state


def _update_route_table(operation: Operation, change: Change) -> None:
    client = operation.client("ec2")
    if change.any("routes"):
        for route in change.old.get("routes") or []:
            destination = {
                member: value for member, value in _inline_route(route).items() if member.startswith("Destination")
            }
            absent(lambda at=destination: client.delete_route(RouteTableId=change.id, **at), "InvalidRoute.NotFound")
        for route in change.inputs.get("routes", []):
            client.create_route(RouteTableId=change.id, **_inline_route(route))


def _delete_route_table(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("ec2")
    absent(lambda: client.delete_route_table(RouteTableId=identifier), "InvalidRouteTableID.NotFound")


def _destination(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {member: properties[name] for name, member in _DESTINATIONS.items() if properties.get(name)}


def _target(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {member: properties[name] for name, member in _TARGETS.items() if properties.get(name)}


def _check_route(inputs: Inputs) -> Iterable[tuple[str, str]]:
    destinations = [name for name in _DESTINATIONS if inputs.get(name)]
    if len(destinations) > 1:
        yield "destinationCidrBlock", f"only one of {', '.join(_DESTINATIONS)} may be given, not {destinations}"
    targets = [name for name in _TARGETS if inputs.get(name)]
    if len(targets) > 1:
        yield "gatewayId", f"only one of {', '.join(_TARGETS)} may be given, not {targets}"


def _create_route(operation: Operation, inputs: Inputs) -> str:
    operation.client("ec2").create_route(RouteTableId=inputs["routeTableId"], **_destination(inputs), **_target(inputs))
    return _route_id(inputs)


def _route_id(inputs: Inputs) -> str:
    """RouteCreateID: the table and the CRC-32 of the destination (terraform-plugin-sdk hashcode)."""
    return f"r-{inputs['routeTableId']}{zlib.crc32(next(iter(_destination(inputs).values())).encode())}"


def _read_route(operation: Operation, identifier: str, prior: State) -> State | None:
    missing = "InvalidRouteTableID.NotFound"
    table = _one(operation, "describe_route_tables", "RouteTables", missing, RouteTableIds=[prior["routeTableId"]])
    destination = _destination(prior).items()
    for route in table["Routes"] if table else []:
        if destination <= route.items():
            state = {name: route[member] for name, member in _TARGETS.items() if route.get(member)}
            state |= {name: route[member] for name, member in _DESTINATIONS.items() if route.get(member)}
            return {
                **state,
                "routeTableId": prior["routeTableId"],
                "networkInterfaceId": route.get("NetworkInterfaceId", ""),
                "instanceId": route.get("InstanceId", ""),
                "instanceOwnerId": route.get("InstanceOwnerId", ""),
                "origin": route.get("Origin", "CreateRoute"),
                "state": route.get("State", "active"),
            }
    return None


def _adopt_route(identifier: str) -> Created:
    table, destination = import_parts(identifier, "route-table-id_destination", "_")
    kind = (
        "destinationPrefixListId"
        if destination.startswith("pl-")
        else "destinationIpv6CidrBlock"
        if ":" in destination
        else "destinationCidrBlock"
    )
    inputs = {"routeTableId": table, kind: destination}
    return Created(_route_id(inputs), inputs)


def _update_route(operation: Operation, change: Change) -> None:
    operation.client("ec2").replace_route(
        RouteTableId=change.inputs["routeTableId"], **_destination(change.inputs), **_target(change.inputs)
    )


def _delete_route(operation: Operation, identifier: str, state: State) -> None:
    absent(
        lambda: operation.client("ec2").delete_route(RouteTableId=state["routeTableId"], **_destination(state)),
        "InvalidRoute.NotFound",
        "InvalidRouteTableID.NotFound",
    )


def _create_route_table_association(operation: Operation, inputs: Inputs) -> str:
    arguments = pick(inputs, "routeTableId", "subnetId", "gatewayId")
    return operation.client("ec2").associate_route_table(**arguments)["AssociationId"]


def _read_route_table_association(operation: Operation, identifier: str, prior: State) -> State | None:
    filters = [{"Name": "association.route-table-association-id", "Values": [identifier]}]
    for table in operation.client("ec2").describe_route_tables(Filters=filters)["RouteTables"]:
        for association in table["Associations"]:
            if association["RouteTableAssociationId"] == identifier:
                return {
                    "routeTableId": table["RouteTableId"],
                    "subnetId": association.get("SubnetId"),
                    "gatewayId": association.get("GatewayId"),
                }
    return None


def _delete_route_table_association(operation: Operation, identifier: str, state: State) -> None:
    absent(
        lambda: operation.client("ec2").disassociate_route_table(AssociationId=identifier),
        "InvalidAssociationID.NotFound",
    )


# -- VPC endpoints -----------------------------------------------------------------------------------------------------


def _create_vpc_endpoint(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("ec2")
    made = client.create_vpc_endpoint(
        **pick(
            inputs,
            "vpcId",
            "serviceName",
            "serviceRegion",
            "vpcEndpointType",
            "routeTableIds",
            "subnetIds",
            "securityGroupIds",
            "ipAddressType",
            "privateDnsEnabled",
            policy="PolicyDocument",
        ),
        **({"DnsOptions": pascal(inputs["dnsOptions"])} if inputs.get("dnsOptions") else {}),
        **_tag_specification("vpc-endpoint", inputs),
    )
    identifier = made["VpcEndpoint"]["VpcEndpointId"]
    operation.created(identifier)
    operation.wait(
        lambda: (
            client.describe_vpc_endpoints(VpcEndpointIds=[identifier])["VpcEndpoints"][0]["State"].lower()
            == "available"
        ),
        what=f"VPC endpoint {identifier} to be available",
        seconds=600,
    )
    return identifier


def _read_vpc_endpoint(operation: Operation, identifier: str, prior: State) -> State | None:
    missing = "InvalidVpcEndpointId.NotFound"
    endpoint = _one(operation, "describe_vpc_endpoints", "VpcEndpoints", missing, VpcEndpointIds=[identifier])
    if endpoint is None or endpoint["State"].lower() in {"deleted", "deleting"}:
        return None
    gateway = endpoint["VpcEndpointType"] == "Gateway"
    prefix_list: Mapping[str, Any] = {}
    if gateway:
        lists = operation.client("ec2").describe_prefix_lists()["PrefixLists"]
        prefix_list = next((entry for entry in lists if entry["PrefixListName"] == endpoint["ServiceName"]), {})
    state: State = {
        "arn": _arn(operation, f"vpc-endpoint/{identifier}"),
        "vpcId": endpoint["VpcId"],
        "serviceName": endpoint["ServiceName"],
        "serviceRegion": endpoint.get("ServiceRegion") or operation.region,
        "vpcEndpointType": endpoint["VpcEndpointType"],
        "state": endpoint["State"].lower(),
        "policy": endpoint.get("PolicyDocument"),
        # moto says true for gateways too, where AWS has no private names.
        "privateDnsEnabled": False if gateway else endpoint.get("PrivateDnsEnabled", False),
        "routeTableIds": endpoint.get("RouteTableIds") or [],
        "subnetIds": endpoint.get("SubnetIds") or [],
        "securityGroupIds": [group["GroupId"] for group in endpoint.get("Groups") or []],
        "networkInterfaceIds": endpoint.get("NetworkInterfaceIds") or [],
        "dnsEntries": camel(endpoint.get("DnsEntries") or []),
        "ipAddressType": endpoint.get("IpAddressType") or "ipv4",
        "requesterManaged": endpoint.get("RequesterManaged", False),
        "ownerId": endpoint.get("OwnerId", operation.account),
        "prefixListId": prefix_list.get("PrefixListId", ""),
        "cidrBlocks": prefix_list.get("Cidrs", []),
        "tagsAll": tag_map(endpoint.get("Tags")),
    }
    if endpoint.get("DnsOptions"):
        state["dnsOptions"] = camel(endpoint["DnsOptions"])
    return state


def _update_vpc_endpoint(operation: Operation, change: Change) -> None:
    arguments: dict[str, Any] = pick(
        {name: value for name, value in change.inputs.items() if name in change.changed},
        "privateDnsEnabled",
        "ipAddressType",
        policy="PolicyDocument",
    )
    if change.any("policy") and not change.inputs.get("policy"):
        arguments["ResetPolicy"] = True
    if change.any("dnsOptions"):
        arguments["DnsOptions"] = pascal(change.inputs["dnsOptions"])
    for name, member in (
        ("routeTableIds", "RouteTableIds"),
        ("subnetIds", "SubnetIds"),
        ("securityGroupIds", "SecurityGroupIds"),
    ):
        if name in change.changed:
            before, after = set(change.old.get(name) or []), set(change.inputs.get(name) or [])
            if after - before:
                arguments[f"Add{member}"] = sorted(after - before)
            if before - after:
                arguments[f"Remove{member}"] = sorted(before - after)
    if arguments:
        operation.client("ec2").modify_vpc_endpoint(VpcEndpointId=change.id, **arguments)


def _delete_vpc_endpoint(operation: Operation, identifier: str, state: State) -> None:
    if _read_vpc_endpoint(operation, identifier, {}) is None:
        return
    answer = operation.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[identifier])
    for failure in answer.get("Unsuccessful") or []:
        if failure.get("Error", {}).get("Code") != "InvalidVpcEndpointId.NotFound":
            raise ValueError(f"DeleteVpcEndpoints: {failure.get('Error')}")
    operation.wait(
        lambda: _read_vpc_endpoint(operation, identifier, {}) is None,
        what=f"VPC endpoint {identifier} to be deleted",
        seconds=600,
    )


# -- security groups ---------------------------------------------------------------------------------------------------

Source = tuple[str, str, str]
"""Member, key and value of a rule's source: ``("IpRanges", "CidrIp", "10.0.0.0/8")``."""
_SOURCES = {
    "cidrBlocks": ("IpRanges", "CidrIp"),
    "ipv6CidrBlocks": ("Ipv6Ranges", "CidrIpv6"),
    "prefixListIds": ("PrefixListIds", "PrefixListId"),
    "securityGroups": ("UserIdGroupPairs", "GroupId"),
}
_GROUP_MISSING = "InvalidGroup.NotFound"


def _permissions(rules: Iterable[Mapping[str, Any]], group: str) -> list[dict[str, Any]]:
    """Inline rules as EC2 permissions."""
    result: list[dict[str, Any]] = []
    for rule in rules:
        permission: dict[str, Any] = {"IpProtocol": str(rule["protocol"]).lower().replace("all", "-1")}
        if permission["IpProtocol"] != "-1":
            permission |= {"FromPort": rule["fromPort"], "ToPort": rule["toPort"]}
        description = given(Description=rule.get("description") or None)
        for name, (member, key) in _SOURCES.items():
            values = list(rule.get(name) or [])
            if name == "securityGroups" and rule.get("self"):
                values.append(group)
            if values:
                permission[member] = [{key: value, **description} for value in values]
        result.append(permission)
    return result


def _atoms(permissions: Iterable[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    """Permissions as single grants, to compare them whatever way they are grouped."""
    return {
        (
            entry["IpProtocol"],
            entry.get("FromPort") if entry["IpProtocol"] != "-1" else None,
            entry.get("ToPort") if entry["IpProtocol"] != "-1" else None,
            member,
            source[key],
            source.get("Description", ""),
        )
        for entry in permissions
        for member, key in _SOURCES.values()
        for source in entry.get(member) or []
    }


def _permission_of(atom: tuple[Any, ...]) -> dict[str, Any]:
    protocol, first, last, member, value, description = atom
    key = next(key for name, key in _SOURCES.values() if name == member)
    ports = {} if protocol == "-1" else {"FromPort": first, "ToPort": last}
    return {"IpProtocol": protocol, **ports, member: [{key: value, **given(Description=description or None)}]}


def _rule_of(atom: tuple[Any, ...], group: str) -> dict[str, Any]:
    protocol, first, last, member, value, description = atom
    name = next(name for name, (other, _) in _SOURCES.items() if other == member)
    rule: dict[str, Any] = {"protocol": protocol, "fromPort": first or 0, "toPort": last or 0, "self": False}
    if description:
        rule["description"] = description
    if name == "securityGroups" and value == group:
        return {**rule, "self": True}
    return {**rule, name: [value]}


def _apply_rules(operation: Operation, group: str, direction: str, rules: Iterable[Mapping[str, Any]]) -> None:
    """Make a group's rules of one direction exactly these."""
    client = operation.client("ec2")
    member = "IpPermissions" if direction == "ingress" else "IpPermissionsEgress"
    now = _atoms(client.describe_security_groups(GroupIds=[group])["SecurityGroups"][0][member])
    wanted = _atoms(_permissions(rules, group))
    if now - wanted:
        revoke = getattr(client, f"revoke_security_group_{direction}")
        revoke(GroupId=group, IpPermissions=[_permission_of(atom) for atom in sorted(now - wanted, key=repr)])
    if wanted - now:
        authorize = getattr(client, f"authorize_security_group_{direction}")
        authorize(GroupId=group, IpPermissions=[_permission_of(atom) for atom in sorted(wanted - now, key=repr)])


def _inline_rules(group: Mapping[str, Any], prior: State) -> State:
    """Inline rules as they are, in the given grouping where they grant the same.

    Rules that were not given inline belong to rule resources, and stay out.
    """
    state: State = {}
    for direction, member in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
        if direction not in prior:
            continue
        rest = _atoms(group[member])
        rules: list[Any] = []
        for rule in prior[direction]:
            granted = _atoms(_permissions([rule], group["GroupId"]))
            if granted <= rest:
                rules.append(rule)
                rest -= granted
        state[direction] = rules + [_rule_of(atom, group["GroupId"]) for atom in sorted(rest, key=repr)]
    return state


def _create_security_group(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("ec2")
    made = client.create_security_group(
        GroupName=inputs["name"],
        **pick(inputs, "description", "vpcId"),
        **_tag_specification("security-group", inputs),
    )
    operation.created(made["GroupId"])
    # The provider takes away the rule that AWS puts in every new group: all traffic may leave.
    _apply_rules(operation, made["GroupId"], "egress", inputs.get("egress", []))
    if inputs.get("ingress"):
        _apply_rules(operation, made["GroupId"], "ingress", inputs["ingress"])
    return made["GroupId"]


def _read_security_group(operation: Operation, identifier: str, prior: State) -> State | None:
    group = _one(operation, "describe_security_groups", "SecurityGroups", _GROUP_MISSING, GroupIds=[identifier])
    if group is None:
        return None
    return {
        "arn": _arn(operation, f"security-group/{identifier}"),
        "name": group["GroupName"],
        "namePrefix": prior.get("namePrefix", ""),
        "description": group["Description"],
        "vpcId": group["VpcId"],
        "ownerId": group.get("OwnerId", operation.account),
        "tagsAll": tag_map(group.get("Tags")),
        **_inline_rules(group, prior),
    }


def _update_security_group(operation: Operation, change: Change) -> None:
    for direction in ("ingress", "egress"):
        if direction in change.changed:
            _apply_rules(operation, change.id, direction, change.inputs.get(direction, []))


def _delete_security_group(operation: Operation, identifier: str, state: State) -> None:
    client = operation.client("ec2")
    if state.get("revokeRulesOnDelete") and _read_security_group(operation, identifier, {}) is not None:
        # Two groups that EMR manages name each other in their rules: neither could go before the other.
        _revoke_references(operation, identifier)
        for direction in ("ingress", "egress"):
            _revoke_all(operation, identifier, direction)
    _delete(operation, lambda: client.delete_security_group(GroupId=identifier), _GROUP_MISSING)


def _revoke_all(operation: Operation, identifier: str, direction: str) -> None:
    """Take all rules out of a group. One that goes at the same time takes those that name it: then look again."""
    for tries_left in reversed(range(10)):
        try:
            return _apply_rules(operation, identifier, direction, [])
        except ClientError as error:
            if not tries_left or error.response["Error"]["Code"] != "InvalidPermission.NotFound":
                raise
    return None


def _revoke_references(operation: Operation, identifier: str) -> None:
    """Take the group out of the rules of others (vpc_security_group.go, forceRevokeSecurityGroupRules)."""
    client = operation.client("ec2")
    for direction, name in (("ingress", "ip-permission.group-id"), ("egress", "egress.ip-permission.group-id")):
        member = "IpPermissions" if direction == "ingress" else "IpPermissionsEgress"
        filters = [{"Name": name, "Values": [identifier]}]
        for group in client.describe_security_groups(Filters=filters)["SecurityGroups"]:
            naming = {atom for atom in _atoms(group[member]) if atom[4] == identifier}
            if naming and group["GroupId"] != identifier:
                revoke = getattr(client, f"revoke_security_group_{direction}")
                absent(
                    functools.partial(
                        revoke,
                        GroupId=group["GroupId"],
                        IpPermissions=[_permission_of(atom) for atom in sorted(naming, key=repr)],
                    ),
                    "InvalidPermission.NotFound",
                    _GROUP_MISSING,
                )


def _create_default_security_group(operation: Operation, inputs: Inputs) -> str:
    client = operation.client("ec2")
    filters = [{"Name": "group-name", "Values": ["default"]}]
    if inputs.get("vpcId"):
        filters.append({"Name": "vpc-id", "Values": [inputs["vpcId"]]})
    groups = client.describe_security_groups(Filters=filters)["SecurityGroups"]
    if not groups:
        raise ValueError(f"VPC {inputs.get('vpcId', '(default)')} has no default security group")
    identifier = groups[0]["GroupId"]
    operation.created(identifier)
    for direction in ("ingress", "egress"):
        _apply_rules(operation, identifier, direction, inputs.get(direction, []))
    if inputs.get("tagsAll"):
        _add_tags(operation, identifier, {}, inputs["tagsAll"])
    return identifier


def _read_default_security_group(operation: Operation, identifier: str, prior: State) -> State | None:
    return _read_security_group(operation, identifier, {"ingress": [], "egress": [], **prior})


def _forget(operation: Operation, identifier: str, state: State) -> None:
    """AWS does not let go of it; the provider only forgets it."""


_RULE_SOURCES = {
    "cidrIpv4": "CidrIpv4",
    "cidrIpv6": "CidrIpv6",
    "prefixListId": "PrefixListId",
    "referencedSecurityGroupId": "ReferencedGroupId",
}


def _check_rule(inputs: Inputs) -> Iterable[tuple[str, str]]:
    chosen = [name for name in _RULE_SOURCES if inputs.get(name)]
    if len(chosen) > 1:
        yield chosen[1], f"exactly one of {', '.join(_RULE_SOURCES)} may be given, not {', '.join(chosen)}"
    if inputs.get("ipProtocol") == "-1" and ("fromPort" in inputs or "toPort" in inputs):
        yield "fromPort", "ports cannot be given with protocol -1 (all traffic)"


def _create_rule(operation: Operation, inputs: Inputs, direction: str) -> str:
    description = given(Description=inputs.get("description"))
    permission = {
        "IpProtocol": inputs["ipProtocol"],
        **pick(inputs, "fromPort", "toPort"),
    }
    sources = {
        "cidrIpv4": ("IpRanges", "CidrIp"),
        "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
        "prefixListId": ("PrefixListIds", "PrefixListId"),
        "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    }
    for name, (member, key) in sources.items():
        if inputs.get(name):
            permission[member] = [{key: inputs[name], **description}]
    authorize = getattr(operation.client("ec2"), f"authorize_security_group_{direction}")
    made = authorize(
        GroupId=inputs["securityGroupId"],
        IpPermissions=[permission],
        **_tag_specification("security-group-rule", inputs),
    )
    return made["SecurityGroupRules"][0]["SecurityGroupRuleId"]


def _read_rule(operation: Operation, identifier: str, prior: State) -> State | None:
    missing = ("InvalidSecurityGroupRuleId.NotFound", _GROUP_MISSING)
    arguments: dict[str, Any] = {"SecurityGroupRuleIds": [identifier]}
    rule = _one(operation, "describe_security_group_rules", "SecurityGroupRules", *missing, **arguments)
    if rule is None:
        return None
    protocol = rule["IpProtocol"]
    state: State = {
        "arn": _arn(operation, f"security-group-rule/{identifier}"),
        "securityGroupRuleId": identifier,
        "securityGroupId": rule["GroupId"],
        "ipProtocol": protocol,
        "fromPort": None if protocol == "-1" else rule.get("FromPort"),
        "toPort": None if protocol == "-1" else rule.get("ToPort"),
        "cidrIpv4": rule.get("CidrIpv4"),
        "cidrIpv6": rule.get("CidrIpv6"),
        "prefixListId": rule.get("PrefixListId"),
        "referencedSecurityGroupId": (rule.get("ReferencedGroupInfo") or {}).get("GroupId"),
        "tagsAll": tag_map(rule.get("Tags")),
    }
    # moto leaves out the description of a rule whose source is a group or a prefix list.
    if rule.get("Description") or state["cidrIpv4"] or state["cidrIpv6"]:
        state["description"] = rule.get("Description") or None
    return state


def _update_rule(operation: Operation, change: Change) -> None:
    inputs = change.inputs
    # All traffic is ports -1 to -1 in what AWS gives; moto wants them in what it takes, too.
    ports = {"FromPort": -1, "ToPort": -1} if inputs["ipProtocol"] == "-1" else pick(inputs, "fromPort", "toPort")
    rule = {
        "IpProtocol": inputs["ipProtocol"],
        **ports,
        **pick(inputs, "description"),
        **{member: inputs[name] for name, member in _RULE_SOURCES.items() if inputs.get(name)},
    }
    operation.client("ec2").modify_security_group_rules(
        GroupId=inputs["securityGroupId"],
        SecurityGroupRules=[{"SecurityGroupRuleId": change.id, "SecurityGroupRule": rule}],
    )


def _delete_rule(operation: Operation, identifier: str, state: State, direction: str) -> None:
    revoke = getattr(operation.client("ec2"), f"revoke_security_group_{direction}")
    absent(
        lambda: revoke(GroupId=state["securityGroupId"], SecurityGroupRuleIds=[identifier]),
        "InvalidSecurityGroupRuleId.NotFound",
        "InvalidPermission.NotFound",
        _GROUP_MISSING,
    )


# -- flow logs ---------------------------------------------------------------------------------------------------------

_FLOW_LOG_SUBJECTS = {"vpcId": "VPC", "subnetId": "Subnet", "eniId": "NetworkInterface"}


def _create_flow_log(operation: Operation, inputs: Inputs) -> str:
    subject = next(name for name in _FLOW_LOG_SUBJECTS if inputs.get(name))
    answer = operation.client("ec2").create_flow_logs(
        ResourceIds=[inputs[subject]],
        ResourceType=_FLOW_LOG_SUBJECTS[subject],
        **pick(
            inputs,
            "trafficType",
            "logDestination",
            "logDestinationType",
            "logFormat",
            "maxAggregationInterval",
            "deliverCrossAccountRole",
            iamRoleArn="DeliverLogsPermissionArn",
        ),
        **({"DestinationOptions": pascal(inputs["destinationOptions"])} if inputs.get("destinationOptions") else {}),
        **_tag_specification("vpc-flow-log", inputs),
    )
    for failure in answer.get("Unsuccessful") or []:
        raise ValueError(f"CreateFlowLogs: {failure['Error']['Code']}: {failure['Error']['Message']}")
    return answer["FlowLogIds"][0]


def _read_flow_log(operation: Operation, identifier: str, prior: State) -> State | None:
    log = _one(operation, "describe_flow_logs", "FlowLogs", "InvalidFlowLogId.NotFound", FlowLogIds=[identifier])
    if log is None:
        return None
    resource = log["ResourceId"]
    subject = "vpcId" if resource.startswith("vpc-") else "subnetId" if resource.startswith("subnet-") else "eniId"
    return {
        "arn": _arn(operation, f"vpc-flow-log/{identifier}"),
        subject: resource,
        "trafficType": log["TrafficType"],
        "logDestination": log.get("LogDestination"),
        "logDestinationType": log["LogDestinationType"],
        "logFormat": log["LogFormat"],
        "maxAggregationInterval": log["MaxAggregationInterval"],
        "iamRoleArn": log.get("DeliverLogsPermissionArn"),
        "tagsAll": tag_map(log.get("Tags")),
    }


def _delete_flow_log(operation: Operation, identifier: str, state: State) -> None:
    absent(
        lambda: operation.client("ec2").delete_flow_logs(FlowLogIds=[identifier]),
        "InvalidFlowLogId.NotFound",
    )


# -- network ACLs ------------------------------------------------------------------------------------------------------

_LAST_ENTRY = 32767
"""Number of the entry that refuses the rest; AWS makes it, and nobody else can."""
_NO_ACL = ("InvalidNetworkAclID.NotFound", "InvalidRouteTableID.NotFound")
"""AWS's code, and the one that moto gives where it looks an ACL up by its id."""
_PROTOCOLS = {"tcp": "6", "udp": "17", "icmp": "1", "-1": "-1"}


def _acl_entry(entry: Mapping[str, Any], egress: bool) -> dict[str, Any]:
    protocol = _PROTOCOLS.get(str(entry["protocol"]), str(entry["protocol"]))
    ports = {} if protocol == "-1" else {"PortRange": {"From": entry["fromPort"], "To": entry["toPort"]}}
    return {
        "RuleNumber": entry["ruleNo"],
        "Protocol": protocol,
        "RuleAction": entry["action"],
        "Egress": egress,
        **given(CidrBlock=entry.get("cidrBlock")),
        **ports,
    }


def _set_acl_entries(operation: Operation, identifier: str, inputs: Inputs) -> None:
    client = operation.client("ec2")
    acl = client.describe_network_acls(NetworkAclIds=[identifier])["NetworkAcls"][0]
    for entry in acl["Entries"]:
        if entry["RuleNumber"] < _LAST_ENTRY:
            client.delete_network_acl_entry(
                NetworkAclId=identifier, RuleNumber=entry["RuleNumber"], Egress=entry["Egress"]
            )
    for name, egress in (("ingress", False), ("egress", True)):
        for entry in inputs.get(name) or []:
            client.create_network_acl_entry(NetworkAclId=identifier, **_acl_entry(entry, egress))


def _move_subnets(operation: Operation, subnet_ids: Iterable[str], identifier: str | None) -> None:
    """Put subnets under an ACL, or under their VPC's default one."""
    client = operation.client("ec2")
    for subnet_id in subnet_ids:
        filters = [{"Name": "association.subnet-id", "Values": [subnet_id]}]
        (acl,) = client.describe_network_acls(Filters=filters)["NetworkAcls"]
        (association,) = [entry for entry in acl["Associations"] if entry["SubnetId"] == subnet_id]
        target = identifier
        if target is None:
            default = [{"Name": "vpc-id", "Values": [acl["VpcId"]]}, {"Name": "default", "Values": ["true"]}]
            target = client.describe_network_acls(Filters=default)["NetworkAcls"][0]["NetworkAclId"]
        client.replace_network_acl_association(
            AssociationId=association["NetworkAclAssociationId"], NetworkAclId=target
        )


def _create_network_acl(operation: Operation, inputs: Inputs) -> str:
    specification = _tag_specification("network-acl", inputs)
    acl = operation.client("ec2").create_network_acl(**pick(inputs, "vpcId"), **specification)["NetworkAcl"]
    operation.created(acl["NetworkAclId"])
    _set_acl_entries(operation, acl["NetworkAclId"], inputs)
    _move_subnets(operation, inputs.get("subnetIds") or [], acl["NetworkAclId"])
    return acl["NetworkAclId"]


def _read_network_acl(operation: Operation, identifier: str, prior: State) -> State | None:
    acl = _one(
        operation,
        "describe_network_acls",
        "NetworkAcls",
        *_NO_ACL,
        NetworkAclIds=[identifier],
    )
    if acl is None:
        return None
    words = {number: name for name, number in _PROTOCOLS.items()}
    state: State = {
        "arn": _arn(operation, f"network-acl/{identifier}"),
        "vpcId": acl["VpcId"],
        "ownerId": acl.get("OwnerId", operation.account),
        "subnetIds": sorted(entry["SubnetId"] for entry in acl["Associations"]),
        "tagsAll": tag_map(acl.get("Tags")),
    }
    for name, egress in (("ingress", False), ("egress", True)):
        state[name] = [
            {
                "ruleNo": entry["RuleNumber"],
                "protocol": words.get(entry["Protocol"], entry["Protocol"]),
                "action": entry["RuleAction"],
                "fromPort": entry.get("PortRange", {}).get("From", 0),
                "toPort": entry.get("PortRange", {}).get("To", 0),
                **given(cidrBlock=entry.get("CidrBlock")),
            }
            for entry in sorted(acl["Entries"], key=lambda entry: entry["RuleNumber"])
            if entry["Egress"] is egress and entry["RuleNumber"] < _LAST_ENTRY
        ]
    return state


def _update_network_acl(operation: Operation, change: Change) -> None:
    if change.any("ingress", "egress"):
        _set_acl_entries(operation, change.id, change.inputs)
    if change.any("subnetIds"):
        before, now = (set(inputs.get("subnetIds") or []) for inputs in (change.old, change.inputs))
        _move_subnets(operation, sorted(now - before), change.id)
        _move_subnets(operation, sorted(before - now), None)


def _delete_network_acl(operation: Operation, identifier: str, state: State) -> None:
    _move_subnets(operation, state.get("subnetIds") or [], None)
    client = operation.client("ec2")
    _delete(operation, lambda: client.delete_network_acl(NetworkAclId=identifier), *_NO_ACL)


# -- functions ---------------------------------------------------------------------------------------------------------


def _filters(arguments: Inputs) -> list[dict[str, Any]]:
    return pascal(arguments.get("filters", []))


def _availability_zones(operation: Operation, arguments: Inputs) -> State:
    filters = _filters(arguments)
    if arguments.get("state"):
        filters.append({"Name": "state", "Values": [arguments["state"]]})
    answer = operation.client("ec2").describe_availability_zones(
        Filters=filters, AllAvailabilityZones=bool(arguments.get("allAvailabilityZones"))
    )
    zones = [
        zone
        for zone in sorted(answer["AvailabilityZones"], key=lambda zone: zone["ZoneName"])
        if zone["ZoneName"] not in arguments.get("excludeNames", [])
        and zone.get("ZoneId") not in arguments.get("excludeZoneIds", [])
    ]
    return {
        **arguments,
        "id": operation.region,
        "region": operation.region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone["ZoneId"] for zone in zones if zone.get("ZoneId")],
        "groupNames": sorted({zone.get("GroupName", zone["RegionName"]) for zone in zones}),
    }


def _vpc_endpoint_service(operation: Operation, arguments: Inputs) -> State:
    name = arguments.get("serviceName")
    if name is None and arguments.get("service"):
        name = f"com.amazonaws.{operation.region}.{arguments['service']}"
    answer = operation.client("ec2").describe_vpc_endpoint_services(
        **({"ServiceNames": [name]} if name else {}), Filters=_filters(arguments)
    )
    kind = arguments.get("serviceType")
    services = [
        entry
        for entry in answer["ServiceDetails"]
        if kind is None or kind in {entry_kind["ServiceType"] for entry_kind in entry["ServiceType"]}
    ]
    if len(services) != 1:
        wanted = f"{name or 'the filters'}" + (f" of type {kind}" if kind else "")
        raise ValueError(f"{len(services)} VPC endpoint services match {wanted}; exactly one must")
    service = services[0]
    return {
        **{key: value for key, value in arguments.items() if key != "filters"},
        "id": service.get("ServiceId") or str(zlib.crc32(service["ServiceName"].encode())),
        "acceptanceRequired": service.get("AcceptanceRequired", False),
        "arn": operation.arn("ec2", f"vpc-endpoint-service/{service.get('ServiceId', '')}"),
        "availabilityZones": sorted(service.get("AvailabilityZones") or []),
        "baseEndpointDnsNames": sorted(service.get("BaseEndpointDnsNames") or []),
        "managesVpcEndpoints": service.get("ManagesVpcEndpoints", False),
        "owner": service.get("Owner", "amazon"),
        "privateDnsName": service.get("PrivateDnsName", ""),
        "privateDnsNames": [
            entry["PrivateDnsName"] for entry in service.get("PrivateDnsNames") or [] if "PrivateDnsName" in entry
        ],
        "region": operation.region,
        "serviceId": service.get("ServiceId", ""),
        "serviceName": service["ServiceName"],
        "serviceRegion": operation.region,
        "serviceType": kind or service["ServiceType"][0]["ServiceType"],
        "supportedIpAddressTypes": service.get("SupportedIpAddressTypes") or ["ipv4"],
        "tags": tag_map(service.get("Tags")),
        "vpcEndpointPolicySupported": service.get("VpcEndpointPolicySupported", False),
    }


def _prefix_list(operation: Operation, arguments: Inputs) -> State:
    filters = _filters(arguments)
    if arguments.get("name"):
        filters.append({"Name": "prefix-list-name", "Values": [arguments["name"]]})
    wanted = {"PrefixListIds": [arguments["prefixListId"]]} if arguments.get("prefixListId") else {}
    lists = operation.client("ec2").describe_prefix_lists(Filters=filters, **wanted)["PrefixLists"]
    # moto leaves filters unused.
    lists = [entry for entry in lists if arguments.get("name") in (None, entry["PrefixListName"])]
    if len(lists) != 1:
        raise ValueError(f"{len(lists)} prefix lists match {dict(arguments)}; exactly one must")
    return {
        "id": lists[0]["PrefixListId"],
        "prefixListId": lists[0]["PrefixListId"],
        "name": lists[0]["PrefixListName"],
        "cidrBlocks": sorted(lists[0].get("Cidrs") or []),
        "region": operation.region,
    }


def _known(state: State | None, identifier: str, what: str) -> State:
    """A thing's outputs as its data source gives them: with the tags that it has, whoever set them."""
    if state is None:
        raise ValueError(f"no matching {what} found: {identifier}")
    return {**state, "id": identifier, "region": state["arn"].split(":")[3], "tags": state["tagsAll"]}


def _vpc(operation: Operation, arguments: Inputs) -> State:
    return _known(_read_vpc(operation, arguments["id"], {}), arguments["id"], "EC2 VPC")


def _subnet(operation: Operation, arguments: Inputs) -> State:
    identifier = arguments["id"]
    state = _known(_read_subnet(operation, identifier, {}), identifier, "EC2 Subnet")
    (subnet,) = operation.client("ec2").describe_subnets(SubnetIds=[identifier])["Subnets"]
    return {**state, "availableIpAddressCount": subnet["AvailableIpAddressCount"], "state": subnet["State"]}


def _route_table(operation: Operation, arguments: Inputs) -> State:
    filters = [{"Name": "association.subnet-id", "Values": [arguments["subnetId"]]}] if "subnetId" in arguments else []
    wanted = {"RouteTableIds": [arguments["routeTableId"]]} if "routeTableId" in arguments else {}
    tables = operation.client("ec2").describe_route_tables(Filters=filters, **wanted)["RouteTables"]
    if len(tables) != 1:
        raise ValueError("query returned no results" if not tables else f"{len(tables)} route tables match")
    table = tables[0]
    return {
        **_known(_read_route_table(operation, table["RouteTableId"], {}), table["RouteTableId"], "EC2 Route Table"),
        "routeTableId": table["RouteTableId"],
        "routes": [
            {
                **dict.fromkeys(_TARGETS, ""),
                "cidrBlock": route.get("DestinationCidrBlock", ""),
                **{name: route[member] for name, member in _TARGETS.items() if route.get(member)},
            }
            for route in table["Routes"]
            if route.get("GatewayId") != "local"
        ],
    }


def _vpc_endpoint(operation: Operation, arguments: Inputs) -> State:
    members = {"vpcId": "vpc-id", "serviceName": "service-name", "vpcEndpointType": "vpc-endpoint-type"}
    filters = [{"Name": member, "Values": [arguments[name]]} for name, member in members.items() if name in arguments]
    endpoints = operation.client("ec2").describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]
    states = [_read_vpc_endpoint(operation, entry["VpcEndpointId"], {}) for entry in endpoints]
    found_states = [
        _known(state, entry["VpcEndpointId"], "EC2 VPC Endpoint")
        for entry, state in zip(endpoints, states, strict=True)
        if state is not None and arguments.get("state") in (None, state["state"])
    ]
    if len(found_states) != 1:
        raise ValueError("no matching EC2 VPC Endpoint found" if not found_states else "several VPC endpoints match")
    return found_states[0]


def _dhcp_options(operation: Operation, arguments: Inputs) -> State:
    identifier = arguments["dhcpOptionsId"]
    if identifier == "default":
        # moto has no default set; AWS's names the region's domain and its own servers.
        domain = "ec2.internal" if operation.region == "us-east-1" else f"{operation.region}.compute.internal"
        values = {"domain-name": [domain], "domain-name-servers": ["AmazonProvidedDNS"]}
    else:
        (options,) = operation.client("ec2").describe_dhcp_options(DhcpOptionsIds=[identifier])["DhcpOptions"]
        values = {
            entry["Key"]: [value["Value"] for value in entry["Values"]] for entry in options["DhcpConfigurations"]
        }
    return {
        "id": identifier,
        "dhcpOptionsId": identifier,
        "arn": _arn(operation, f"dhcp-options/{identifier}"),
        "region": operation.region,
        "domainName": " ".join(values.get("domain-name", [])),
        "domainNameServers": values.get("domain-name-servers", []),
    }


# -- table -------------------------------------------------------------------------------------------------------------

_RULES = names("ingress egress")
_RULE_COMPARISON = Comparison(
    unordered=_RULES | {f"{direction}.{name}" for direction in _RULES for name in (*_SOURCES, "securityGroups")}
)
_RULE_DEFAULTS = {
    "revokeRulesOnDelete": False,
    **{f"{direction}.self": False for direction in sorted(_RULES)},
}


def _rule_type(direction: str) -> ResourceType:
    title = direction.capitalize()
    return ResourceType(
        token=f"aws:vpc/securityGroup{title}Rule:SecurityGroup{title}Rule",
        source="vpc_security_group_ingress_rule.go: a rule's group replaces, and so does another kind of source",
        handles=names("securityGroupId ipProtocol fromPort toPort description") | frozenset(_RULE_SOURCES),
        replaces=names("securityGroupId"),
        replaces_kind=frozenset(_RULE_SOURCES),
        create=lambda operation, inputs: _create_rule(operation, inputs, direction),
        read=_read_rule,
        update=_update_rule,
        delete=lambda operation, identifier, state: _delete_rule(operation, identifier, state, direction),
        tagging=TAGGING,
        check=_check_rule,
    )


_DESCRIPTION = r"[\w .:/()#,@\[\]+=&;{}!$*-]{0,255}"

TYPES = (
    ResourceType(
        token="aws:ec2/vpc:Vpc",
        source="vpc_.go",
        values={"cidrBlock": block(16, 28), "instanceTenancy": one_of("default", "dedicated")},
        handles=names("cidrBlock instanceTenancy enableDnsSupport enableDnsHostnames"),
        defaults={"instanceTenancy": "default", "enableDnsSupport": True},
        replaces=names("cidrBlock instanceTenancy"),
        create=_create_vpc,
        read=_read_vpc,
        update=_update_vpc,
        delete=_delete_vpc,
        tagging=TAGGING,
    ),
    ResourceType(
        token="aws:ec2/subnet:Subnet",
        source="vpc_subnet.go",
        at_most_one=(names("availabilityZone availabilityZoneId"),),
        values={"cidrBlock": block(16, 28), "privateDnsHostnameTypeOnLaunch": one_of("ip-name", "resource-name")},
        handles=names("vpcId cidrBlock availabilityZone availabilityZoneId")
        | names("privateDnsHostnameTypeOnLaunch")
        | frozenset(_SUBNET_SWITCHES),
        defaults=dict.fromkeys(sorted(_SUBNET_SWITCHES), False),
        replaces=names("vpcId cidrBlock availabilityZone availabilityZoneId"),
        not_read={"privateDnsHostnameTypeOnLaunch": "moto takes it, and always answers ip-name"},
        create=_create_subnet,
        read=_read_subnet,
        update=_update_subnet,
        delete=_delete_subnet,
        tagging=TAGGING,
    ),
    ResourceType(
        token="aws:ec2/internetGateway:InternetGateway",
        source="vpc_internet_gateway.go",
        handles=names("vpcId"),
        create=_create_internet_gateway,
        read=_read_internet_gateway,
        update=_update_internet_gateway,
        delete=_delete_internet_gateway,
        tagging=TAGGING,
    ),
    ResourceType(
        token="aws:ec2/eip:Eip",
        source="ec2_eip.go",
        values={"domain": one_of("standard", "vpc")},
        handles=names("domain address networkBorderGroup publicIpv4Pool"),
        create=_create_eip,
        read=_read_eip,
        delete=_delete_eip,
        tagging=TAGGING,
    ),
    ResourceType(
        token="aws:ec2/natGateway:NatGateway",
        source="vpc_nat_gateway.go",
        values={"connectivityType": one_of("private", "public")},
        handles=names("subnetId allocationId connectivityType privateIp"),
        defaults={"connectivityType": "public"},
        create=_create_nat_gateway,
        read=_read_nat_gateway,
        delete=_delete_nat_gateway,
        tagging=TAGGING,
    ),
    ResourceType(
        token="aws:ec2/routeTable:RouteTable",
        source="vpc_route_table.go",
        handles=names("vpcId routes"),
        comparison=Comparison(unordered=names("routes")),
        replaces=names("vpcId"),
        create=_create_route_table,
        read=_read_route_table,
        update=_update_route_table,
        delete=_delete_route_table,
        tagging=TAGGING,
    ),
    ResourceType(
        token="aws:ec2/route:Route",
        source="vpc_route.go",
        handles=names("routeTableId") | frozenset(_DESTINATIONS) | frozenset(_TARGETS),
        replaces=names("routeTableId") | frozenset(_DESTINATIONS),
        create=_create_route,
        read=_read_route,
        update=_update_route,
        delete=_delete_route,
        check=_check_route,
        adopt=_adopt_route,
    ),
    ResourceType(
        token="aws:ec2/routeTableAssociation:RouteTableAssociation",
        source="vpc_route_table_association.go; another table is an association of another id, so it replaces here",
        handles=names("routeTableId subnetId gatewayId"),
        create=_create_route_table_association,
        read=_read_route_table_association,
        delete=_delete_route_table_association,
        delete_before_replace=True,
    ),
    ResourceType(
        token="aws:ec2/vpcEndpoint:VpcEndpoint",
        source="vpc_endpoint.go",
        values={"vpcEndpointType": one_of("Gateway", "GatewayLoadBalancer", "Interface", "Resource", "ServiceNetwork")},
        handles=names("vpcId serviceName serviceRegion vpcEndpointType policy privateDnsEnabled ipAddressType")
        | names("routeTableIds subnetIds securityGroupIds dnsOptions"),
        defaults={"vpcEndpointType": "Gateway"},
        comparison=Comparison(policies=names("policy"), unordered=names("routeTableIds subnetIds securityGroupIds")),
        documents={"policy": iam_policy.endpoint_policy},
        replaces=names("vpcId serviceName serviceRegion vpcEndpointType"),
        create=_create_vpc_endpoint,
        read=_read_vpc_endpoint,
        update=_update_vpc_endpoint,
        delete=_delete_vpc_endpoint,
        tagging=TAGGING,
    ),
    ResourceType(
        token="aws:ec2/securityGroup:SecurityGroup",
        source="vpc_security_group.go",
        at_most_one=(names("name namePrefix"),),
        values={
            "name": matching(r"(?!sg-).{1,255}", "a name has 1 to 255 characters and does not begin with sg-"),
            "description": matching(_DESCRIPTION, "EC2 takes up to 255 of a-z A-Z 0-9._-:/()#,@[]+=&;{}!$* and blanks"),
        },
        handles=names("description vpcId ingress egress revokeRulesOnDelete"),
        naming=AutoName(maximum=255),
        defaults={"description": "Managed by Pulumi", **_RULE_DEFAULTS},
        comparison=_RULE_COMPARISON,
        replaces=names("name namePrefix description vpcId"),
        not_read={"revokeRulesOnDelete": "a setting of the provider, not of AWS"},
        create=_create_security_group,
        read=_read_security_group,
        update=_update_security_group,
        delete=_delete_security_group,
        tagging=TAGGING,
    ),
    ResourceType(
        token="aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        source="vpc_default_security_group.go",
        handles=names("vpcId ingress egress revokeRulesOnDelete"),
        defaults=_RULE_DEFAULTS,
        comparison=_RULE_COMPARISON,
        replaces=names("vpcId"),
        not_read={"revokeRulesOnDelete": "a setting of the provider, not of AWS"},
        create=_create_default_security_group,
        read=_read_default_security_group,
        update=_update_security_group,
        delete=_forget,
        tagging=TAGGING,
    ),
    _rule_type("ingress"),
    _rule_type("egress"),
    ResourceType(
        token="aws:ec2/networkAcl:NetworkAcl",
        source="vpc_network_acl.go",
        handles=names("vpcId subnetIds ingress egress"),
        comparison=Comparison(unordered=names("subnetIds ingress egress")),
        replaces=names("vpcId"),
        create=_create_network_acl,
        read=_read_network_acl,
        update=_update_network_acl,
        delete=_delete_network_acl,
        tagging=TAGGING,
    ),
    ResourceType(
        token="aws:ec2/flowLog:FlowLog",
        source="vpc_flow_log.go: everything but tags replaces",
        values={"trafficType": one_of("ACCEPT", "ALL", "REJECT"), "maxAggregationInterval": one_of(60, 600)},
        exactly_one=(frozenset(_FLOW_LOG_SUBJECTS),),
        handles=names("logDestination logDestinationType logFormat maxAggregationInterval trafficType")
        | names("iamRoleArn deliverCrossAccountRole destinationOptions")
        | frozenset(_FLOW_LOG_SUBJECTS),
        defaults={"logDestinationType": "cloud-watch-logs", "maxAggregationInterval": 600},
        create=_create_flow_log,
        read=_read_flow_log,
        delete=_delete_flow_log,
        tagging=TAGGING,
    ),
)

FUNCTIONS = (
    Function(
        token="aws:index/getAvailabilityZones:getAvailabilityZones",
        arguments=names("state filters allAvailabilityZones excludeNames excludeZoneIds region"),
        call=_availability_zones,
    ),
    Function(
        token="aws:ec2/getVpcEndpointService:getVpcEndpointService",
        arguments=names("service serviceName serviceType filters region"),
        call=_vpc_endpoint_service,
    ),
    Function(
        token="aws:ec2/getPrefixList:getPrefixList",
        arguments=names("name prefixListId filters region"),
        call=_prefix_list,
    ),
    Function(token="aws:ec2/getVpc:getVpc", arguments=names("id region"), call=_vpc),
    Function(token="aws:ec2/getSubnet:getSubnet", arguments=names("id region"), call=_subnet),
    Function(
        token="aws:ec2/getRouteTable:getRouteTable",
        arguments=names("subnetId routeTableId region"),
        call=_route_table,
    ),
    Function(
        token="aws:ec2/getVpcEndpoint:getVpcEndpoint",
        arguments=names("vpcId serviceName vpcEndpointType state region"),
        call=_vpc_endpoint,
    ),
    Function(
        token="aws:ec2/getVpcDhcpOptions:getVpcDhcpOptions",
        arguments=names("dhcpOptionsId region"),
        call=_dhcp_options,
    ),
)
