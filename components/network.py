"""A VPC whose cluster is out of reach: private subnets, endpoints, NAT or none, flow logs, EMR's security groups."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import security_rules
from components.address_plan import plan_addresses
from components.endpoint_policies import account_only, s3_endpoint
from components.environment import AwsEnvironment
from components.iam import create_role, service_trust, statement
from settings import NetworkSettings

EMR_TAG = {"for-use-with-amazon-emr-managed-policies": "true"}
"""Without it the EMR service role's policy (AmazonEMRServicePolicy_v2) may use neither subnet nor group."""

FLOW_LOG_FORMAT = " ".join(
    f"${{{name}}}"
    for name in (
        *("version", "account-id", "vpc-id", "subnet-id", "instance-id", "interface-id", "az-id"),
        *("srcaddr", "dstaddr", "srcport", "dstport", "pkt-srcaddr", "pkt-dstaddr", "protocol", "tcp-flags"),
        *("packets", "bytes", "start", "end", "action", "log-status"),
        *("pkt-src-aws-service", "pkt-dst-aws-service", "flow-direction", "traffic-path"),
    )
)
"""Who talked to whom, behind NAT too, which way out it took, and which AWS service it was."""


@dataclass(frozen=True)
class SecureVpcArgs:
    """What `SecureVpc` needs."""

    settings: NetworkSettings
    environment: AwsEnvironment
    logs_key_arn: pulumi.Input[str]
    """Encrypts the flow logs."""
    data_bucket_names: Sequence[str]
    """Buckets that may be reached through the S3 endpoint."""


class SecureVpc(pulumi.ComponentResource):
    """Network of the cluster. Nothing in it has a public address but NAT gateways, and without NAT nothing has."""

    vpc_id: pulumi.Output[str]
    private_subnet_ids: list[pulumi.Output[str]]
    """One a zone, in the zones' order."""
    primary_security_group_id: pulumi.Output[str]
    core_security_group_id: pulumi.Output[str]
    service_access_security_group_id: pulumi.Output[str]
    function_security_group_id: pulumi.Output[str]
    ready: list[pulumi.Resource]
    """Rules, routes and endpoints: a cluster that starts before them fails to start."""

    def __init__(self, name: str, args: SecureVpcArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("emr-pipeline:network:SecureVpc", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self.ready = []
        settings, environment = args.settings, args.environment
        count = settings.availability_zone_count
        zones = environment.availability_zones[:count]
        if len(zones) < count:
            raise ValueError(
                f"{environment.project}:network.availabilityZoneCount is {count}, and {environment.region} has "
                f"{len(environment.availability_zones)} zones"
            )
        nat = settings.nat_gateways != "none"
        plan = plan_addresses(settings.cidr_block, count, public=nat)

        self._vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=settings.cidr_block,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={"Name": f"{environment.project}-{environment.stack}", **EMR_TAG},
            opts=self._child,
        )
        self.vpc_id = self._vpc.id
        # Closed: nothing may use the group that AWS gives everything which names none.
        aws.ec2.DefaultSecurityGroup(f"{name}-default-group", vpc_id=self.vpc_id, opts=self._child)

        tables = [self._private_table(zone) for zone in zones]
        self.private_subnet_ids = [
            self._subnet("private", zone, block, table)
            for zone, block, table in zip(zones, plan.private, tables, strict=True)
        ]
        if nat:
            self._ways_out(zones, plan.public, tables)
        self._groups = {
            group: aws.ec2.SecurityGroup(
                f"{name}-{group}-group",
                description=description,
                vpc_id=self.vpc_id,
                # EMR's additions refer to one another; without this they keep the groups from being deleted.
                revoke_rules_on_delete=True,
                tags={"Name": f"{environment.project}-{environment.stack}-{group}", **EMR_TAG},
                opts=self._child,
            )
            for group, description in {
                security_rules.PRIMARY: "EMR primary node",
                security_rules.CORE: "EMR core and task nodes",
                security_rules.SERVICE: "EMR service access to the nodes",
                security_rules.ENDPOINTS: "Interface endpoints",
                security_rules.FUNCTIONS: "Functions of the pipeline",
            }.items()
        }
        self.primary_security_group_id = self._groups[security_rules.PRIMARY].id
        self.core_security_group_id = self._groups[security_rules.CORE].id
        self.service_access_security_group_id = self._groups[security_rules.SERVICE].id
        self.function_security_group_id = self._groups[security_rules.FUNCTIONS].id
        gateways = self._gateway_endpoints(tables)
        for rule in security_rules.network_rules(nat=nat):
            self.ready.append(self._rule(rule, gateways))
        self._interface_endpoints()
        self._flow_logs()
        self.register_outputs({"vpcId": self.vpc_id, "privateSubnetIds": self.private_subnet_ids})

    def _private_table(self, zone: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(
            f"{self._name}-private-{zone}-routes",
            vpc_id=self.vpc_id,
            tags={"Name": f"private-{zone}"},
            opts=self._child,
        )

    def _subnet(self, kind: str, zone: str, block: str, table: aws.ec2.RouteTable) -> pulumi.Output[str]:
        name = f"{self._name}-{kind}-{zone}"
        subnet = aws.ec2.Subnet(
            name,
            vpc_id=self.vpc_id,
            availability_zone=zone,
            cidr_block=block,
            map_public_ip_on_launch=False,
            # Certificates and Kerberos principals name nodes by address (EMR guide, "DNS requirements").
            private_dns_hostname_type_on_launch="ip-name",
            tags={"Name": f"{kind}-{zone}", **(EMR_TAG if kind == "private" else {})},
            opts=self._child,
        )
        self.ready.append(
            aws.ec2.RouteTableAssociation(
                f"{name}-routes", subnet_id=subnet.id, route_table_id=table.id, opts=self._child
            )
        )
        return subnet.id

    def _ways_out(self, zones: Sequence[str], blocks: Sequence[str], tables: Sequence[aws.ec2.RouteTable]) -> None:
        """An internet gateway, and NAT gateways in small public subnets, as the setting says."""
        single = self._args.settings.nat_gateways == "single"
        internet = aws.ec2.InternetGateway(f"{self._name}-internet", vpc_id=self.vpc_id, opts=self._child)
        public = aws.ec2.RouteTable(
            f"{self._name}-public-routes", vpc_id=self.vpc_id, tags={"Name": "public"}, opts=self._child
        )
        way_out = aws.ec2.Route(
            f"{self._name}-public-internet",
            route_table_id=public.id,
            destination_cidr_block=security_rules.ANYWHERE,
            gateway_id=internet.id,
            opts=self._child,
        )
        gateways: list[aws.ec2.NatGateway] = []
        for zone, block in list(zip(zones, blocks, strict=True))[: 1 if single else None]:
            subnet_id = self._subnet("public", zone, block, public)
            address = aws.ec2.Eip(
                f"{self._name}-nat-{zone}-address",
                domain="vpc",
                opts=pulumi.ResourceOptions(parent=self, depends_on=[internet]),
            )
            gateways.append(
                aws.ec2.NatGateway(
                    f"{self._name}-nat-{zone}",
                    allocation_id=address.id,
                    subnet_id=subnet_id,
                    tags={"Name": zone},
                    opts=pulumi.ResourceOptions(parent=self, depends_on=[way_out]),
                )
            )
        for index, (zone, table) in enumerate(zip(zones, tables, strict=True)):
            self.ready.append(
                aws.ec2.Route(
                    f"{self._name}-private-{zone}-internet",
                    route_table_id=table.id,
                    destination_cidr_block=security_rules.ANYWHERE,
                    nat_gateway_id=gateways[0 if single else index].id,
                    opts=self._child,
                )
            )

    def _rule(self, rule: security_rules.Rule, gateways: dict[str, aws.ec2.VpcEndpoint]) -> pulumi.Resource:
        kind = aws.vpc.SecurityGroupIngressRule if rule.direction == "in" else aws.vpc.SecurityGroupEgressRule
        peer_group = self._groups.get(rule.peer)
        peer_gateway = gateways.get(rule.peer)
        return kind(
            f"{self._name}-{rule.name}",
            security_group_id=self._groups[rule.group].id,
            description=rule.description,
            ip_protocol=rule.protocol,
            from_port=rule.ports[0],
            to_port=rule.ports[1],
            referenced_security_group_id=peer_group.id if peer_group else None,
            prefix_list_id=peer_gateway.prefix_list_id if peer_gateway else None,
            cidr_ipv4=rule.peer if rule.peer == security_rules.ANYWHERE else None,
            opts=self._child,
        )

    def _gateway_endpoints(self, tables: Sequence[aws.ec2.RouteTable]) -> dict[str, aws.ec2.VpcEndpoint]:
        environment = self._args.environment
        policies = {
            security_rules.S3: s3_endpoint(environment, self._args.data_bucket_names),
            security_rules.DYNAMODB: account_only(environment),
        }
        endpoints = {
            service: aws.ec2.VpcEndpoint(
                f"{self._name}-{service}-endpoint",
                vpc_id=self.vpc_id,
                service_name=self._service_name(service, "Gateway"),
                vpc_endpoint_type="Gateway",
                route_table_ids=[table.id for table in tables],
                policy=json.dumps(policy),
                tags={"Name": service},
                opts=self._child,
            )
            for service, policy in policies.items()
        }
        self.ready.extend(endpoints.values())
        return endpoints

    def _service_name(self, service: str, kind: str) -> str:
        opts = pulumi.InvokeOptions(parent=self)
        return aws.ec2.get_vpc_endpoint_service(service=service, service_type=kind, opts=opts).service_name

    def _interface_endpoints(self) -> None:
        environment = self._args.environment
        for service in self._args.settings.interface_endpoints:
            try:
                service_name = self._service_name(service, "Interface")
            except Exception as error:
                # The SDK raises a bare Exception; this is the provider's word for a service that the region lacks.
                if "no matching" not in str(error).lower():
                    raise
                pulumi.log.warn(
                    f"{environment.project}:network.interfaceEndpoints holds {service!r}, which {environment.region} "
                    "does not offer: the VPC goes without it",
                    self,
                )
                continue
            self.ready.append(
                aws.ec2.VpcEndpoint(
                    f"{self._name}-{service}-endpoint",
                    vpc_id=self.vpc_id,
                    service_name=service_name,
                    vpc_endpoint_type="Interface",
                    private_dns_enabled=True,
                    subnet_ids=self.private_subnet_ids,
                    security_group_ids=[self._groups[security_rules.ENDPOINTS].id],
                    policy=json.dumps(account_only(environment)),
                    tags={"Name": service},
                    opts=self._child,
                )
            )

    def _flow_logs(self) -> None:
        """Both directions of everything, minute by minute, in a log group of our own key."""
        environment = self._args.environment
        group_name = f"/{environment.project}/{environment.stack}/flow-logs"
        group = aws.cloudwatch.LogGroup(
            f"{self._name}-flow-logs",
            name=group_name,
            kms_key_id=self._args.logs_key_arn,
            retention_in_days=self._args.settings.flow_log_retention_days,
            opts=self._child,
        )
        group_arn = environment.arn("logs", f"log-group:{group_name}")
        role, grants = create_role(
            f"{self._name}-flow-logs-role",
            description="Delivers the VPC's flow logs to CloudWatch Logs",
            trust=service_trust(environment, "vpc-flow-logs", source_arn=environment.arn("ec2", "vpc-flow-log/*")),
            statements=[
                statement(
                    "Deliver",
                    ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                    [group_arn, f"{group_arn}:*"],
                ),
            ],
            parent=self,
        )
        aws.ec2.FlowLog(
            f"{self._name}-flow-log",
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            log_format=FLOW_LOG_FORMAT,
            iam_role_arn=role.arn,
            max_aggregation_interval=60,
            opts=pulumi.ResourceOptions(parent=self, depends_on=grants),
        )
