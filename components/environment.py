"""Where a stack lives: the account, region and partition, looked up and never written."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.lookups import known


@dataclass(frozen=True)
class AwsEnvironment:
    """The facts of an account and region that names, ARNs and policies are built from (all plain text)."""

    project: str
    """Pulumi project, the first part of names."""
    stack: str
    """Pulumi stack, the second part of names."""
    partition: str
    """``aws``, ``aws-cn`` or ``aws-us-gov``."""
    dns_suffix: str
    """``amazonaws.com`` or ``amazonaws.com.cn``."""
    region: str
    """Region's code, e.g. ``eu-west-1``."""
    account_id: str
    """Twelve digits."""
    availability_zones: tuple[str, ...]
    """Names of the region's available zones, sorted."""

    def arn(self, service: str, resource: str) -> str:
        """ARN of a resource of this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def global_arn(self, service: str, resource: str) -> str:
        """ARN of a resource without region, of this account (IAM)."""
        return f"arn:{self.partition}:{service}::{self.account_id}:{resource}"

    def bucket_arn(self, bucket: str) -> str:
        """ARN of an S3 bucket, which carries neither region nor account."""
        return f"arn:{self.partition}:s3:::{bucket}"

    def managed_policy_arn(self, path: str) -> str:
        """ARN of a policy that AWS keeps, e.g. ``service-role/AmazonEMRServicePolicy_v2``."""
        return f"arn:{self.partition}:iam::aws:policy/{path}"

    def service_principal(self, service: str) -> str:
        """Principal of an AWS service.

        ``amazonaws.com`` holds for nearly all services in every partition; EC2 and EMR carry the partition's suffix in
        China (IAM user guide, "AWS service principals").
        """
        suffix = self.dns_suffix if service in {"ec2", "elasticmapreduce"} else "amazonaws.com"
        return f"{service}.{suffix}"

    def via_service(self, service: str) -> str:
        """Value of ``kms:ViaService`` for a service of this region (KMS developer guide, "kms:ViaService")."""
        return f"{service}.{self.region}.{self.dns_suffix}"

    def through(self, service: str) -> dict[str, dict[str, str]]:
        """Condition on the use of a key: by a service of this region, on the caller's behalf."""
        return {"StringEquals": {"kms:ViaService": self.via_service(service)}}

    @property
    def node_domain(self) -> str:
        """Domain of private host names (VPC user guide, "DHCP option sets"): us-east-1 has its own."""
        return "ec2.internal" if self.region == "us-east-1" else f"{self.region}.compute.internal"

    @classmethod
    def look_up(cls, opts: pulumi.InvokeOptions | None = None) -> AwsEnvironment:
        """Ask AWS where this stack lives."""
        # All are asked before the first is waited for.
        partition = aws.get_partition_output(opts=opts)
        region = aws.get_region_output(opts=opts)
        caller = aws.get_caller_identity_output(opts=opts)
        zones = aws.get_availability_zones_output(state="available", opts=opts)
        return cls(
            project=pulumi.get_project(),
            stack=pulumi.get_stack(),
            partition=known(partition.partition),
            dns_suffix=known(partition.dns_suffix),
            region=known(region.region),
            account_id=known(caller.account_id),
            availability_zones=tuple(sorted(known(zones.names))),
        )
