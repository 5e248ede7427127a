"""A VPC whose cluster is out of reach: private subnets, endpoints, NAT or none, flow logs, EMR's security groups.

Beside this file, from plain values: the address plan, the rules of the security groups, the network ACLs, the policies
of the endpoints, the checks of a VPC that somebody else keeps. The main route table and the default security group stay
empty, so that what names neither subnet nor group gets nowhere.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pulumi
import pulumi_aws as aws

from components import existing_network, lookups, network_acls, security_rules
from components.address_plan import DoesNotFit, check_room, plan_addresses
from components.endpoint_policies import account_only, dynamodb_endpoint, s3_endpoint
from components.environment import AwsEnvironment
from components.existing_network import EMR_TAG
from components.iam import create_role, service_trust, statement
from components.lookups import answered, together
from settings import ConfigurationError, ExistingVpcSettings, NetworkSettings

FLOW_LOG_FORMAT = " ".join(
    f"${{{name}}}"
    for name in (
        *("version", "account-id", "vpc-id", "subnet-id", "instance-id", "interface-id", "az-id", "type"),
        *("srcaddr", "dstaddr", "srcport", "dstport", "pkt-srcaddr", "pkt-dstaddr", "protocol", "tcp-flags"),
        *("packets", "bytes", "start", "end", "action", "log-status"),
        *("pkt-src-aws-service", "pkt-dst-aws-service", "flow-direction", "traffic-path"),
    )
)
"""Who talked to whom, behind NAT too, which way out it took, and which AWS service it was."""

SERVICES_OF_NODES = ("ec2", "elasticmapreduce", "glue", "kms", "logs", "monitoring", "sts")
"""Services that nodes call themselves: without NAT, only their endpoints lead there."""

SERVICES_OF_FUNCTIONS = ("elasticmapreduce", "monitoring", "sns", "ssm", "states")
"""Services that functions call beside S3 and DynamoDB: their security group leads to endpoints only."""

FUNCTION_ADDRESSES = 2
"""Addresses of the functions in a subnet: Lambda shares interfaces (Lambda developer guide, "Hyperplane ENIs")."""

_NO_SUCH_SERVICE = ("no matching ec2 vpc endpoint service", "couldn't find resource", "0 vpc endpoint services match")
"""How the provider says that a region lacks a service (vpc_endpoint_service_data_source.go and NotFoundError)."""


@dataclass(frozen=True)
class SecureVpcArgs:
    """What `SecureVpc` needs."""

    settings: NetworkSettings
    environment: AwsEnvironment
    logs_key_arn: pulumi.Input[str]
    """Encrypts the flow logs."""
    data_bucket_names: Sequence[str]
    """Buckets that may be reached through the S3 endpoint."""
    most_nodes: int = 0
    """Nodes that may stand in the first private subnet at once, all groups scaled out; twice that when a cluster is
    replaced by one beside it. The address plan is checked against it; 0 checks nothing."""


@dataclass(frozen=True)
class Placement:
    """Where groups and endpoints go: everything that the rest of the component knows of the VPC under it."""

    vpc_id: pulumi.Output[str]
    private_subnets: dict[str, pulumi.Output[str]]
    """Subnet id by availability zone, in the zones' order."""
    route_table_ids: list[pulumi.Output[str]]
    """Route tables of the private subnets."""
    ready: list[pulumi.Resource]
    """Associations, routes and ACLs, without which the subnets lead nowhere."""


@dataclass(frozen=True)
class Peer:
    """Who is on the other side of a rule: one of the three."""

    group_id: pulumi.Input[str] | None = None
    prefix_list_id: pulumi.Input[str] | None = None
    cidr_block: str | None = None


def _callers(settings: NetworkSettings) -> dict[str, tuple[str, ...]]:
    """Services without another way than an interface endpoint, by who calls them."""
    functions = {"functions (they go out through endpoints only)": SERVICES_OF_FUNCTIONS}
    nodes = {"nodes (natGateways is none)": SERVICES_OF_NODES} if settings.nat_gateways == "none" else {}
    return {**functions, **nodes}


T = TypeVar("T")


def _acl_entry(kind: Callable[..., T], entry: network_acls.Entry) -> T:
    return kind(
        rule_no=entry.number,
        action="allow",
        protocol="-1" if entry.protocol == "all" else entry.protocol,
        from_port=entry.ports[0],
        to_port=entry.ports[1],
        cidr_block=entry.cidr_block,
    )


def unreachable_services(settings: NetworkSettings) -> Iterator[str]:
    """Nodes and functions must have a way to every service that they call."""
    for caller, services in _callers(settings).items():
        missing = [service for service in services if service not in settings.interface_endpoints]
        if missing:
            yield f"interfaceEndpoints lacks {', '.join(missing)}: {caller} have no other way there"


def too_small(settings: NetworkSettings, most_nodes: int) -> Iterator[str]:
    """The first private subnet must have room for every node, endpoint and function."""
    if settings.existing_vpc:
        return  # what is free there is known only when it is looked at
    try:
        plan = plan_addresses(settings.cidr_block, settings.availability_zone_count, public=False)
        if most_nodes:
            needs = {
                "nodes": most_nodes,
                "interface endpoints": len(settings.interface_endpoints),
                "interfaces of functions": FUNCTION_ADDRESSES,
            }
            check_room(plan.private[0], needs)
    except DoesNotFit as error:
        yield f"cidrBlock is {settings.cidr_block}: {error}"


def _refuse(key: str, mistakes: Iterable[str]) -> None:
    lines = [f"{key}.{mistake}" for mistake in mistakes]
    if lines:
        raise ConfigurationError("\n".join(lines))


class SecureVpc(pulumi.ComponentResource):
    """Network of the cluster. Nothing in it has a public address but NAT gateways, and without NAT nothing has.

    In a VPC that somebody else keeps, it makes groups, rules and flow logs, and takes subnets, routes and endpoints as
    they are, once they have been checked.
    """

    vpc_id: pulumi.Output[str]
    private_subnet_ids: list[pulumi.Output[str]]
    """One a zone, in the zones' order."""
    primary_security_group_id: pulumi.Output[str]
    core_security_group_id: pulumi.Output[str]
    service_access_security_group_id: pulumi.Output[str]
    function_security_group_id: pulumi.Output[str]
    """For functions in the private subnets: it leads to endpoints and nowhere else."""
    nat_gateways: dict[str, aws.ec2.NatGateway]
    """By zone; empty without NAT, and in a VPC that was there before."""
    interface_endpoints: dict[str, aws.ec2.VpcEndpoint]
    """Those that this makes, by the service's short name; empty in a VPC that was there before."""
    endpoint_services: list[str]
    """Services that got an interface endpoint: those of the settings that the region has."""
    flow_log_group_name: str
    ready: list[pulumi.Resource]
    """Rules, routes and endpoints: a cluster that starts before them fails to start."""

    def __init__(self, name: str, args: SecureVpcArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        settings, environment = args.settings, args.environment
        self._key = f"{environment.project}:network"
        _refuse(self._key, unreachable_services(settings))
        super().__init__("emr-pipeline:network:SecureVpc", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)

        self.nat_gateways = {}
        self.interface_endpoints = {}
        adopted = self._adopt(settings.existing_vpc) if settings.existing_vpc else None
        self._services = {} if adopted else self._ask_for_services()
        place = self._place_of(adopted) if adopted else self._make_network()
        self.vpc_id = place.vpc_id
        self.private_subnet_ids = list(place.private_subnets.values())
        self.ready = list(place.ready)
        self._groups = self._security_groups(place, [security_rules.ENDPOINTS] if adopted else [])
        peers = self._peers_in(adopted) if adopted else self._peers(place)
        for rule in security_rules.network_rules(
            nat=settings.nat_gateways != "none", servers=settings.kerberos_servers
        ):
            self.ready += self._rules(rule, peers)
        if adopted:
            self.endpoint_services = [name for name in settings.interface_endpoints if name in adopted.endpoints]
        else:
            self.interface_endpoints = self._interface_endpoints(place)
            self.endpoint_services = list(self.interface_endpoints)
        self.flow_log_group_name = f"/{environment.project}/{environment.stack}/flow-logs"
        self._flow_logs(place)

        self.primary_security_group_id = self._groups[security_rules.PRIMARY].id
        self.core_security_group_id = self._groups[security_rules.CORE].id
        self.service_access_security_group_id = self._groups[security_rules.SERVICE].id
        self.function_security_group_id = self._groups[security_rules.FUNCTIONS].id
        self.register_outputs(
            {
                "vpcId": self.vpc_id,
                "privateSubnetIds": self.private_subnet_ids,
                "primarySecurityGroupId": self.primary_security_group_id,
                "coreSecurityGroupId": self.core_security_group_id,
                "serviceAccessSecurityGroupId": self.service_access_security_group_id,
                "functionSecurityGroupId": self.function_security_group_id,
                "endpointServices": self.endpoint_services,
                "flowLogGroupName": self.flow_log_group_name,
            }
        )

    # --- a VPC that somebody else keeps ----------------------------------------------------------------------------

    def _adopt(self, existing: ExistingVpcSettings) -> existing_network.ExistingNetwork:
        """Look at the VPC and refuse it with everything that is wrong with it."""
        settings = self._args.settings
        gateways = (security_rules.S3, security_rules.DYNAMODB)
        network = existing_network.look_up(
            existing, gateways, settings.interface_endpoints, pulumi.InvokeOptions(parent=self)
        )
        found = existing_network.failures(
            network,
            self._args.environment,
            goes_out=settings.nat_gateways != "none",
            most_nodes=self._args.most_nodes,
            gateways=gateways,
            required={name: caller for caller, names in _callers(settings).items() for name in names},
        )
        if found:
            raise ConfigurationError("\n".join(f"{self._key}.existingVpc: {text}" for text in found))
        return network

    def _place_of(self, network: existing_network.ExistingNetwork) -> Placement:
        return Placement(
            vpc_id=pulumi.Output.from_input(network.vpc.vpc_id),
            private_subnets={subnet.zone: pulumi.Output.from_input(subnet.subnet_id) for subnet in network.subnets},
            route_table_ids=[pulumi.Output.from_input(subnet.route_table_id) for subnet in network.subnets],
            ready=[],
        )

    def _peers_in(self, network: existing_network.ExistingNetwork) -> dict[str, list[Peer]]:
        """Whom rules may name: our groups, the prefix lists of the gateways, the groups of the endpoints there.

        What these groups let in is their owner's: 443 from the VPC's nodes and functions.
        """
        endpoints = sorted({group for endpoint in network.endpoints.values() for group in endpoint.security_group_ids})
        lists = {name: network.endpoints[name].prefix_list_id for name in (security_rules.S3, security_rules.DYNAMODB)}
        return {
            **self._group_peers(),
            **{name: [Peer(prefix_list_id=prefix_list)] for name, prefix_list in lists.items() if prefix_list},
            security_rules.ENDPOINTS: [Peer(group) for group in endpoints],
        }

    # --- the VPC itself ------------------------------------------------------------------------------------------

    def _zones_and_plan(self) -> list[tuple[str, str, str | None]]:
        """Availability zone, private network and, with NAT, public network of each zone that is used."""
        args, settings, environment = self._args, self._args.settings, self._args.environment
        count = settings.availability_zone_count
        zones = environment.availability_zones[:count]
        if len(zones) < count:
            raise ConfigurationError(
                f"{self._key}.availabilityZoneCount is {count}: {environment.region} has {len(zones)} zones "
                f"({', '.join(zones)})"
            )
        _refuse(self._key, too_small(settings, args.most_nodes))
        plan = plan_addresses(settings.cidr_block, count, public=settings.nat_gateways != "none")
        public = plan.public or (None,) * count
        return list(zip(zones, plan.private, public, strict=True))

    def _make_network(self) -> Placement:
        settings = self._args.settings
        zones = self._zones_and_plan()
        vpc = aws.ec2.Vpc(
            f"{self._name}-vpc",
            cidr_block=settings.cidr_block,
            # Both are needed for the endpoints' private names, and for the nodes' own.
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self._tags("vpc", for_emr=True),
            opts=self._child,
        )
        # Without rules: what names no group of its own talks to nobody.
        aws.ec2.DefaultSecurityGroup(
            f"{self._name}-default-group", vpc_id=vpc.id, tags=self._tags("default-closed"), opts=self._child
        )
        ready: list[pulumi.Resource] = []
        tables: dict[str, aws.ec2.RouteTable] = {}
        subnets: dict[str, pulumi.Output[str]] = {}
        for zone, private, _ in zones:
            tables[zone] = aws.ec2.RouteTable(
                f"{self._name}-private-{zone}-routes",
                vpc_id=vpc.id,
                tags=self._tags(f"private-{zone}"),
                opts=self._child,
            )
            subnets[zone], association = self._subnet("private", vpc, zone, private, tables[zone])
            ready.append(association)
        public = {zone: block for zone, _, block in zones if block is not None}
        public_subnets: list[pulumi.Output[str]] = []
        if public:
            ways, public_subnets = self._ways_out(vpc, public, tables)
            ready += ways
        if settings.network_acls == "explicit":
            servers = [server.cidr_block for server in settings.kerberos_servers]
            private_entries = network_acls.private_entries(settings.cidr_block, servers)
            ready.append(self._network_acl("private", vpc, list(subnets.values()), private_entries))
            if public:
                public_entries = network_acls.public_entries(settings.cidr_block)
                ready.append(self._network_acl("public", vpc, public_subnets, public_entries))
        return Placement(vpc.id, subnets, [table.id for table in tables.values()], ready)

    def _network_acl(
        self, kind: str, vpc: aws.ec2.Vpc, subnet_ids: list[pulumi.Output[str]], entries: Sequence[network_acls.Entry]
    ) -> pulumi.Resource:
        return aws.ec2.NetworkAcl(
            f"{self._name}-{kind}-acl",
            vpc_id=vpc.id,
            subnet_ids=subnet_ids,
            ingress=[_acl_entry(aws.ec2.NetworkAclIngressArgs, entry) for entry in entries if entry.direction == "in"],
            egress=[_acl_entry(aws.ec2.NetworkAclEgressArgs, entry) for entry in entries if entry.direction == "out"],
            tags=self._tags(kind),
            opts=self._child,
        )

    def _tags(self, name: str, *, for_emr: bool = False) -> dict[str, str]:
        environment = self._args.environment
        return {"Name": f"{environment.project}-{environment.stack}-{name}", **(EMR_TAG if for_emr else {})}

    def _subnet(
        self, kind: str, vpc: aws.ec2.Vpc, zone: str, block: str, table: aws.ec2.RouteTable
    ) -> tuple[pulumi.Output[str], pulumi.Resource]:
        name = f"{self._name}-{kind}-{zone}"
        subnet = aws.ec2.Subnet(
            name,
            vpc_id=vpc.id,
            availability_zone=zone,
            cidr_block=block,
            map_public_ip_on_launch=False,
            # Certificates and Kerberos principals name nodes by address (EMR guide, "DNS requirements").
            private_dns_hostname_type_on_launch="ip-name",
            tags=self._tags(f"{kind}-{zone}", for_emr=kind == "private"),
            opts=self._child,
        )
        association = aws.ec2.RouteTableAssociation(
            f"{name}-routes", subnet_id=subnet.id, route_table_id=table.id, opts=self._child
        )
        return subnet.id, association

    def _ways_out(
        self, vpc: aws.ec2.Vpc, public: dict[str, str], tables: dict[str, aws.ec2.RouteTable]
    ) -> tuple[list[pulumi.Resource], list[pulumi.Output[str]]]:
        """An internet gateway, and NAT gateways in small public subnets: one, or one a zone.

        Returns:
            The routes of the private subnets, and the ids of the public ones.
        """
        single = self._args.settings.nat_gateways == "single"
        internet = aws.ec2.InternetGateway(
            f"{self._name}-internet", vpc_id=vpc.id, tags=self._tags("internet"), opts=self._child
        )
        table = aws.ec2.RouteTable(
            f"{self._name}-public-routes", vpc_id=vpc.id, tags=self._tags("public"), opts=self._child
        )
        way_out = aws.ec2.Route(
            f"{self._name}-public-internet",
            route_table_id=table.id,
            destination_cidr_block=security_rules.ANYWHERE,
            gateway_id=internet.id,
            opts=self._child,
        )
        gateways = self.nat_gateways
        subnet_ids: list[pulumi.Output[str]] = []
        for zone in list(public)[: 1 if single else None]:
            subnet_id, association = self._subnet("public", vpc, zone, public[zone], table)
            subnet_ids.append(subnet_id)
            address = aws.ec2.Eip(
                f"{self._name}-nat-{zone}-address",
                domain="vpc",
                tags=self._tags(f"nat-{zone}"),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[internet]),
            )
            gateways[zone] = aws.ec2.NatGateway(
                f"{self._name}-nat-{zone}",
                allocation_id=address.id,
                subnet_id=subnet_id,
                tags=self._tags(f"nat-{zone}"),
                opts=pulumi.ResourceOptions(parent=self, depends_on=[way_out, association]),
            )
        first = next(iter(gateways.values()))
        routes: list[pulumi.Resource] = [
            aws.ec2.Route(
                f"{self._name}-private-{zone}-internet",
                route_table_id=table.id,
                destination_cidr_block=security_rules.ANYWHERE,
                nat_gateway_id=gateways.get(zone, first).id,
                opts=self._child,
            )
            for zone, table in tables.items()
        ]
        return routes, subnet_ids

    # --- security groups -----------------------------------------------------------------------------------------

    def _security_groups(self, place: Placement, without: Sequence[str]) -> dict[str, aws.ec2.SecurityGroup]:
        return {
            group: aws.ec2.SecurityGroup(
                f"{self._name}-{group}-group",
                description=description,
                vpc_id=place.vpc_id,
                # EMR's additions refer to one another; without this they keep the groups from being deleted.
                revoke_rules_on_delete=True,
                tags=self._tags(group, for_emr=group in security_rules.EMR_GROUPS),
                opts=self._child,
            )
            for group, description in security_rules.GROUPS.items()
            if group not in without
        }

    def _group_peers(self) -> dict[str, list[Peer]]:
        return {name: [Peer(group.id)] for name, group in self._groups.items()}

    def _peers(self, place: Placement) -> dict[str, list[Peer]]:
        """Whom rules may name: our groups, and the prefix lists of our gateway endpoints."""
        gateways = self._gateway_endpoints(place)
        lists = {name: endpoint.prefix_list_id for name, endpoint in gateways.items()}
        return {**self._group_peers(), **{name: [Peer(prefix_list_id=value)] for name, value in lists.items()}}

    def _rules(self, rule: security_rules.Rule, peers: Mapping[str, Sequence[Peer]]) -> list[pulumi.Resource]:
        """A rule of one of our groups, as often as there are others on its other side."""
        if rule.group not in self._groups:
            return []
        kind = aws.vpc.SecurityGroupIngressRule if rule.direction == "in" else aws.vpc.SecurityGroupEgressRule
        others = [Peer(cidr_block=rule.cidr_block)] if rule.cidr_block else peers[rule.peer]
        rules: list[pulumi.Resource] = [
            kind(
                f"{self._name}-{rule.name}" + (f"-{place}" if place > 1 else ""),
                security_group_id=self._groups[rule.group].id,
                description=rule.description,
                ip_protocol=rule.protocol,
                from_port=rule.ports[0],
                to_port=rule.ports[1],
                referenced_security_group_id=other.group_id,
                prefix_list_id=other.prefix_list_id,
                cidr_ipv4=other.cidr_block,
                opts=self._child,
            )
            for place, other in enumerate(others, 1)
        ]
        return rules

    # --- endpoints -----------------------------------------------------------------------------------------------

    def _gateway_endpoints(self, place: Placement) -> dict[str, aws.ec2.VpcEndpoint]:
        environment = self._args.environment
        policies = {
            security_rules.S3: s3_endpoint(environment, self._args.data_bucket_names),
            security_rules.DYNAMODB: dynamodb_endpoint(environment),
        }
        endpoints = {
            service: aws.ec2.VpcEndpoint(
                f"{self._name}-{service}-endpoint",
                vpc_id=place.vpc_id,
                service_name=answered(self._services[service, "Gateway"]).service_name,
                vpc_endpoint_type="Gateway",
                route_table_ids=place.route_table_ids,
                policy=json.dumps(policy),
                tags=self._tags(service),
                opts=self._child,
            )
            for service, policy in policies.items()
        }
        self.ready.extend(endpoints.values())
        return endpoints

    def _ask_for_services(self) -> dict[tuple[str, str], aws.ec2.GetVpcEndpointServiceResult | Exception]:
        """Names and zones of the endpoint services in this region: not all are ``com.amazonaws.<region>.<service>``."""
        ask = functools.partial(
            lookups.ask,
            "aws:ec2/getVpcEndpointService:getVpcEndpointService",
            kind=aws.ec2.GetVpcEndpointServiceResult,
            opts=pulumi.InvokeOptions(parent=self),
        )
        wanted = [
            *((service, "Gateway") for service in (security_rules.S3, security_rules.DYNAMODB)),
            *((service, "Interface") for service in self._args.settings.interface_endpoints),
        ]
        return together({(service, kind): ask({"service": service, "serviceType": kind}) for service, kind in wanted})

    def _interface_endpoints(self, place: Placement) -> dict[str, aws.ec2.VpcEndpoint]:
        """Endpoints in every private subnet whose zone the service is in; what the region lacks is told."""
        environment = self._args.environment
        made: dict[str, aws.ec2.VpcEndpoint] = {}
        for service in self._args.settings.interface_endpoints:
            found = self._services[service, "Interface"]
            if isinstance(found, Exception):
                # The SDK raises a bare Exception. Any other failure must stop: an endpoint would silently be missing.
                if not any(text in str(found).lower() for text in _NO_SUCH_SERVICE):
                    raise found
                self._warn_missing(service, f"{environment.region} does not offer")
                continue
            # GovCloud tells names only: then every zone is taken to have it, and policies to be supported.
            zones = found.availability_zones or list(place.private_subnets)
            subnet_ids = [subnet for zone, subnet in place.private_subnets.items() if zone in zones]
            if not subnet_ids:
                self._warn_missing(service, f"{environment.region} offers in none of its zones that the VPC uses")
                continue
            endpoint = aws.ec2.VpcEndpoint(
                f"{self._name}-{service}-endpoint",
                vpc_id=place.vpc_id,
                service_name=found.service_name,
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=subnet_ids,
                security_group_ids=[self._groups[security_rules.ENDPOINTS].id],
                policy=None if found.vpc_endpoint_policy_supported is False else json.dumps(account_only(environment)),
                tags=self._tags(service),
                opts=self._child,
            )
            self.ready.append(endpoint)
            made[service] = endpoint
        return made

    def _warn_missing(self, service: str, reason: str) -> None:
        way = (
            "nodes have no way there"
            if self._args.settings.nat_gateways == "none"
            else "nodes reach it through NAT, functions do not"
        )
        pulumi.log.warn(
            f"{self._key}.interfaceEndpoints holds {service!r}, which {reason}: the VPC goes without it, and {way}",
            self,
        )

    # --- flow logs -----------------------------------------------------------------------------------------------

    def _flow_logs(self, place: Placement) -> None:
        """Both directions of everything, minute by minute, in a log group under our key."""
        environment = self._args.environment
        group = aws.cloudwatch.LogGroup(
            f"{self._name}-flow-logs",
            name=self.flow_log_group_name,
            kms_key_id=self._args.logs_key_arn,
            retention_in_days=self._args.settings.flow_log_retention_days,
            opts=self._child,
        )
        # In IAM, log streams and their events are under the group's ARN with ":*".
        streams = environment.arn("logs", f"log-group:{self.flow_log_group_name}:*")
        role, grants = create_role(
            f"{self._name}-flow-logs-role",
            description="Delivers the VPC flow logs to CloudWatch Logs",
            trust=service_trust(environment, "vpc-flow-logs", source_arn=environment.arn("ec2", "vpc-flow-log/*")),
            statements=[
                statement(
                    "Deliver", ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], [streams]
                )
            ],
            parent=self,
        )
        aws.ec2.FlowLog(
            f"{self._name}-flow-log",
            vpc_id=place.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            log_format=FLOW_LOG_FORMAT,
            iam_role_arn=role.arn,
            max_aggregation_interval=60,
            tags=self._tags("all-traffic"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=grants),
        )
