"""The persistent, Kerberized EMR cluster, and everything that exists only for it.

What the cluster is follows from the settings before anything is made: `emr_compatibility.check` stops a preview whose
release, applications or versions do not fit. Beside this file: the security configuration, the certificate, the
scaling policies, the configuration classifications and the roles' statements, each built by pure functions.

A change that EMR cannot make in place makes a new cluster first and ends the old one afterwards; consumers follow
through the SSM parameter. The old one's steps are waited for; while the settings protect it, it stays (`cluster_end`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components import cluster_end, emr_compatibility, emr_online
from components import cluster_roles as roles
from components.certificates import PREFIX as CERTIFICATES_PREFIX
from components.certificates import NodeCertificate, NodeCertificateArgs, expiry_notice
from components.cluster_configurations import cluster_properties, configurations
from components.environment import AwsEnvironment
from components.iam import Document, create_role, policy_document
from components.linux_users import LinuxUsers, LinuxUsersArgs
from components.scaling import core_scaling_policy, task_scaling_policy
from components.security_configuration import content_name, security_configuration
from components.spark_sizes import cluster_sizes
from settings import ClusterSettings, InstanceGroupSettings, ManagedScalingSettings

if TYPE_CHECKING:
    from components.storage import PipelineBucket

LOG_PREFIX = "elasticmapreduce/"
"""Where cluster logs lie in the logs bucket."""

VOLUME_IOPS = 3000
VOLUME_THROUGHPUT = 125
"""What a gp3 volume has without extra charge; said aloud, so that what EMR answers is no difference."""


def _today() -> date:
    return datetime.now(UTC).date()


@dataclass(frozen=True)
class KerberizedEmrClusterArgs:
    """What `KerberizedEmrCluster` is made of."""

    settings: ClusterSettings
    environment: AwsEnvironment
    subnet_id: pulumi.Input[str]
    """Private subnet, tagged for EMR, that all nodes live in."""
    primary_security_group_id: pulumi.Input[str]
    core_security_group_id: pulumi.Input[str]
    service_access_security_group_id: pulumi.Input[str]
    data_key_arn: pulumi.Input[str]
    """Encrypts data in S3, volumes, local disks and the certificate archive."""
    logs_key_arn: pulumi.Input[str]
    """Encrypts cluster logs."""
    secrets_key_arn: pulumi.Input[str]
    """Encrypts the KDC's administrator password."""
    raw: PipelineBucket
    processed: PipelineBucket
    logs: PipelineBucket
    scripts: PipelineBucket
    database_name: str
    """Glue database that jobs and queries use."""
    wait_for: Sequence[pulumi.Resource] = ()
    """What must exist before nodes start: routes, endpoints, security group rules."""
    today: date = field(default_factory=_today)
    """The day that the release's support is judged on."""


class KerberizedEmrCluster(pulumi.ComponentResource):
    """An EMR cluster that stays, with Kerberos, encryption everywhere, and scaling."""

    cluster_id: pulumi.Output[str]
    """Id of the cluster; follows a replacement."""
    cluster_parameter_name: str
    """SSM parameter that holds the id, for consumers that outlive a cluster."""
    cluster_parameter_arn: str
    realm: str
    """Kerberos realm of the cluster's KDC."""
    release: str
    """Label of the release."""
    application_versions: dict[str, str]
    """Version of every application, as the release brings it: by the program's table, and by EMR's word where
    `versions_checked_online`."""
    versions_checked_online: bool
    """Whether EMR was asked for this release, these versions and the instance types."""
    certificate_expiry: pulumi.Output[str]
    """When the node certificate ends (RFC 3339), and the cluster with it."""
    kdc_password_secret_arn: pulumi.Output[str]
    """Secret with the password of the KDC's administrator (``kadmin/admin``)."""
    node_role_arn: pulumi.Output[str]
    """Role that jobs run with."""
    certificate: NodeCertificate | None
    """The certificate that the stack makes; None when the settings name another's."""
    cluster: aws.emr.Cluster

    def __init__(self, name: str, args: KerberizedEmrClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        environment, settings = args.environment, args.settings
        release = emr_compatibility.check(settings, environment.project, args.today)
        for warning in emr_compatibility.warnings(settings, release, args.today):
            pulumi.log.warn(warning)

        super().__init__("emr-pipeline:cluster:KerberizedEmrCluster", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        if settings.check_online:
            asked = pulumi.InvokeOptions(parent=self)
            emr_online.check(settings, release, environment.project, environment.region, asked)
        external_kdc = settings.kerberos.external_kdc
        self.realm = external_kdc.realm if external_kdc else settings.kerberos.realm or environment.node_domain.upper()
        self.release, self.versions_checked_online = release.label, settings.check_online
        self.application_versions = {
            application: release.versions[application] for application in sorted(settings.applications)
        }

        node_role, node_grants = self._node_role()
        profile = aws.iam.InstanceProfile(
            f"{name}-node-profile",
            # EMR looks the role up by the profile's name.
            name=node_role.name,
            role=node_role.name,
            opts=self._child,
        )
        scaling_role, scaling_grants = create_role(
            f"{name}-scaling",
            description="Application Auto Scaling resizes the cluster's instance groups",
            trust=roles.scaling_role_trust(environment),
            statements=roles.scaling_statements(environment),
            parent=self,
        )
        service_role, service_grants = self._service_role(node_role, scaling_role)

        kerberos_attributes, password_stored = self._kerberos_attributes()
        certificate_uri = self._certificate()
        document = pulumi.Output.all(
            data_key_arn=args.data_key_arn, logs_key_arn=args.logs_key_arn, certificate_uri=certificate_uri
        ).apply(
            lambda known: security_configuration(
                **known,
                logs_bucket=args.logs.name,
                kerberos=settings.kerberos,
                bucket_encryption=settings.bucket_encryption,
                role_mappings=settings.emrfs_role_mappings,
                metadata_hop_limit=settings.metadata_hop_limit,
            )
        )
        # Its name is its content's: a configuration cannot be changed, and the new one must exist beside the old one
        # until the clusters have changed over.
        security = aws.emr.SecurityConfiguration(
            f"{name}-security",
            name=document.apply(lambda known: content_name(f"{environment.project}-{environment.stack}", known)),
            configuration=pulumi.Output.json_dumps(document, indent=2),
            opts=self._child,
        )

        linux_users = self._linux_users()
        buckets = (args.raw, args.processed, args.logs, args.scripts)
        ready = [resource for bucket in buckets for resource in bucket.ready]
        core_scaling = settings.core.scaling
        resized_by_aws = core_scaling is not None or settings.managed_scaling is not None
        self.cluster = aws.emr.Cluster(
            f"{name}-emr",
            name=f"{environment.project}-{environment.stack}",
            release_label=release.label,
            applications=sorted(settings.applications),
            service_role=service_role.arn,
            # Always, for it cannot be given to a running cluster.
            autoscaling_role=scaling_role.arn,
            security_configuration=security.name,
            kerberos_attributes=kerberos_attributes,
            ec2_attributes=aws.emr.ClusterEc2AttributesArgs(
                instance_profile=profile.arn,
                subnet_id=args.subnet_id,
                emr_managed_master_security_group=args.primary_security_group_id,
                emr_managed_slave_security_group=args.core_security_group_id,
                service_access_security_group=args.service_access_security_group_id,
            ),
            master_instance_group=aws.emr.ClusterMasterInstanceGroupArgs(
                name="primary",
                instance_type=settings.primary.instance_type,
                instance_count=settings.primary.instance_count,
                ebs_configs=[
                    aws.emr.ClusterMasterInstanceGroupEbsConfigArgs(
                        type="gp3",
                        size=settings.primary.volume_size_gib,
                        volumes_per_instance=settings.primary.volumes_per_instance,
                        iops=VOLUME_IOPS,
                        throughput=VOLUME_THROUGHPUT,
                    )
                ],
            ),
            core_instance_group=aws.emr.ClusterCoreInstanceGroupArgs(
                name="core",
                instance_type=settings.core.instance_type,
                instance_count=settings.core.instance_count,
                autoscaling_policy=(
                    json.dumps(core_scaling_policy(core_scaling, scale_in=settings.core_scale_in))
                    if core_scaling
                    else None
                ),
                ebs_configs=[
                    aws.emr.ClusterCoreInstanceGroupEbsConfigArgs(
                        type="gp3",
                        size=settings.core.volume_size_gib,
                        volumes_per_instance=settings.core.volumes_per_instance,
                        iops=VOLUME_IOPS,
                        throughput=VOLUME_THROUGHPUT,
                    )
                ],
            ),
            ebs_root_volume_size=settings.root_volume_size_gib,
            configurations_json=json.dumps(
                configurations(cluster_properties(settings, release, cluster_sizes(settings)))
            ),
            bootstrap_actions=[*([linux_users.action] if linux_users else []), *self._bootstrap_actions()] or None,
            log_uri=f"s3://{args.logs.name}/{LOG_PREFIX}",
            log_encryption_kms_key_id=args.logs_key_arn,
            keep_job_flow_alive_when_no_steps=True,
            step_concurrency_level=settings.step_concurrency,
            scale_down_behavior="TERMINATE_AT_TASK_COMPLETION",
            unhealthy_node_replacement=True,
            termination_protection=settings.termination_protection,
            tags={**roles.MANAGED_TAG, roles.CLUSTER_TAG: roles.cluster_tag_value(environment)},
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[
                    *args.wait_for,
                    *ready,
                    *node_grants,
                    *scaling_grants,
                    *service_grants,
                    *password_stored,
                    *([self.certificate.archive] if self.certificate else []),
                    *(linux_users.ready if linux_users else []),
                ],
                hooks=pulumi.ResourceHookBinding(
                    before_delete=[
                        cluster_end.hook(
                            f"{name}-end",
                            cluster_end.Ending(
                                settings.termination_protection, settings.drain_minutes, cluster_end.LOOK_SECONDS
                            ),
                            region=environment.region,
                        )
                    ]
                ),
                # Scaling moves the number; that is not a difference.
                ignore_changes=["coreInstanceGroup.instanceCount"] if resized_by_aws else None,
            ),
        )
        self._task_group(settings.task)
        if settings.managed_scaling is not None:
            self._managed_scaling(settings.managed_scaling)

        self.cluster_id = self.cluster.id
        self.cluster_parameter_name = f"/{environment.project}/{environment.stack}/cluster-id"
        self.cluster_parameter_arn = environment.arn("ssm", f"parameter{self.cluster_parameter_name}")
        aws.ssm.Parameter(
            f"{name}-id",
            name=self.cluster_parameter_name,
            description="Id of the cluster that steps go to; follows a replacement",
            type="String",
            value=self.cluster_id,
            opts=self._child,
        )
        self.node_role_arn = node_role.arn
        self.register_outputs(
            {
                "clusterId": self.cluster_id,
                "clusterParameterName": self.cluster_parameter_name,
                "clusterParameterArn": self.cluster_parameter_arn,
                "realm": self.realm,
                "release": self.release,
                "applicationVersions": self.application_versions,
                "versionsCheckedOnline": self.versions_checked_online,
                "certificateExpiry": self.certificate_expiry,
                "kdcPasswordSecretArn": self.kdc_password_secret_arn,
                "nodeRoleArn": self.node_role_arn,
            }
        )

    def _late_policy(
        self, name: str, role: aws.iam.Role, statements: pulumi.Output[list[Document]]
    ) -> aws.iam.RolePolicy:
        """A second policy of a role, with what is known only once other resources exist.

        Apart, so that a preview can judge all the rest.
        """
        return aws.iam.RolePolicy(
            name,
            role=role.name,
            policy=statements.apply(lambda known: json.dumps(policy_document(known))),
            opts=self._child,
        )

    def _node_role(self) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        args, environment = self._args, self._args.environment
        role, grants = create_role(
            f"{self._name}-node",
            description="Nodes of the cluster, and the jobs on them",
            trust=roles.node_role_trust(environment),
            statements=roles.node_statements(
                environment,
                raw=args.raw.name,
                processed=args.processed.name,
                logs=args.logs.name,
                scripts=args.scripts.name,
                log_prefix=LOG_PREFIX,
                database=args.database_name,
                mapped_roles=[mapping.role for mapping in args.settings.emrfs_role_mappings],
                certificate_archive=args.settings.certificate.archive,
                bootstrap_actions=args.settings.bootstrap_actions,
            ),
            parent=self,
        )
        keys = pulumi.Output.all(data_key_arn=args.data_key_arn, logs_key_arn=args.logs_key_arn).apply(
            lambda known: roles.node_key_statements(environment, **known)
        )
        return role, [*grants, self._late_policy(f"{self._name}-node-keys", role, keys)]

    def _service_role(
        self, node_role: aws.iam.Role, scaling_role: aws.iam.Role
    ) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        args, environment = self._args, self._args.environment
        role, grants = create_role(
            f"{self._name}-service",
            description="EMR launches and manages the cluster's nodes",
            trust=roles.service_role_trust(environment),
            statements=(
                roles.certificate_archive_statements(environment, archive)
                if (archive := args.settings.certificate.archive)
                else [roles.service_certificate_statement(environment, args.scripts.name, CERTIFICATES_PREFIX)]
            ),
            managed_policy_arns={
                "managed": environment.managed_policy_arn("service-role/AmazonEMRServicePolicy_v2"),
            },
            parent=self,
        )
        late = pulumi.Output.all(node=node_role.arn, scaling=scaling_role.arn, data_key_arn=args.data_key_arn).apply(
            lambda known: [
                roles.service_pass_role(known["node"], "PassNodeRole", "ec2"),
                roles.service_pass_role(known["scaling"], "PassScalingRole", "application-autoscaling"),
                *roles.service_key_statements(environment, known["data_key_arn"]),
            ]
        )
        return role, [*grants, self._late_policy(f"{self._name}-service-passing", role, late)]

    def _linux_users(self) -> LinuxUsers | None:
        """Users of people on the nodes; None when the settings name nobody."""
        args = self._args
        if not args.settings.linux_users:
            return None
        return LinuxUsers(
            f"{self._name}-linux-users",
            LinuxUsersArgs(
                users=args.settings.linux_users,
                region=args.environment.region,
                bucket=args.scripts.name,
                bucket_ready=args.scripts.ready,
                key_arn=args.data_key_arn,
            ),
            self._child,
        )

    def _bootstrap_actions(self) -> list[aws.emr.ClusterBootstrapActionArgs]:
        """Scripts of the user's own, in the order of the settings."""
        return [
            aws.emr.ClusterBootstrapActionArgs(name=action.name, path=action.path, args=list(action.arguments))
            for action in self._args.settings.bootstrap_actions
        ]

    def _certificate(self) -> pulumi.Input[str]:
        """Address of the archive with the node certificate, made here or brought along."""
        args, settings = self._args, self._args.settings.certificate
        if settings.archive is not None:
            self.certificate = None
            if notice := expiry_notice(settings.archive.expires.isoformat(), args.today):
                pulumi.log.warn(notice)
            # The certificate ends some time on its last day: from its beginning on it is not to be relied on.
            self.certificate_expiry = pulumi.Output.from_input(f"{settings.archive.expires.isoformat()}T00:00:00Z")
            return settings.archive.uri
        self.certificate = NodeCertificate(
            f"{self._name}-certificate",
            NodeCertificateArgs(
                settings=settings,
                environment=args.environment,
                bucket=args.scripts.name,
                bucket_ready=args.scripts.ready,
                key_arn=args.data_key_arn,
                today=args.today,
            ),
            self._child,
        )
        self.certificate_expiry = self.certificate.expiry
        return self.certificate.uri

    def _kerberos_attributes(self) -> tuple[aws.emr.ClusterKerberosAttributesArgs, list[pulumi.Resource]]:
        """Realm and passwords, and what must be there before the cluster is."""
        kerberos = self._args.settings.kerberos
        external, trust = kerberos.external_kdc, kerberos.cross_realm_trust
        if external is not None:
            self.kdc_password_secret_arn = self._secret(external.administrator_password_secret).arn
            password = self._secret(external.administrator_password_secret).secret_string
            return aws.emr.ClusterKerberosAttributesArgs(realm=self.realm, kdc_admin_password=password), []
        password, stored = self._kdc_password()
        return (
            aws.emr.ClusterKerberosAttributesArgs(
                realm=self.realm,
                kdc_admin_password=password,
                cross_realm_trust_principal_password=(
                    self._secret(trust.principal_password_secret).secret_string if trust else None
                ),
            ),
            [stored],
        )

    def _secret(self, identifier: str) -> pulumi.Output[aws.secretsmanager.GetSecretVersionResult]:
        """A password that somebody else keeps. The provider marks what it reads as secret; said again, it stays so."""
        return pulumi.Output.secret(
            aws.secretsmanager.get_secret_version_output(
                secret_id=identifier, opts=pulumi.InvokeOutputOptions(parent=self)
            )
        )

    def _managed_scaling(self, limits: ManagedScalingSettings) -> None:
        """EMR's own scaling of core and task groups."""
        aws.emr.ManagedScalingPolicy(
            f"{self._name}-managed-scaling",
            cluster_id=self.cluster.id,
            compute_limits=[
                aws.emr.ManagedScalingPolicyComputeLimitArgs(
                    unit_type="Instances",
                    minimum_capacity_units=limits.minimum,
                    maximum_capacity_units=limits.maximum,
                    # Said even when it is the whole: EMR answers with all four.
                    maximum_core_capacity_units=limits.maximum_core or limits.maximum,
                    maximum_ondemand_capacity_units=(
                        limits.maximum if limits.maximum_on_demand is None else limits.maximum_on_demand
                    ),
                )
            ],
            opts=pulumi.ResourceOptions(
                parent=self,
                deleted_with=self.cluster,
                # Its id is the cluster's, and deleting it removes the policy of that cluster: the new one, were it
                # put first (terraform-provider-aws, emr/managed_scaling_policy.go).
                delete_before_replace=True,
            ),
        )

    def _kdc_password(self) -> tuple[pulumi.Output[str], aws.secretsmanager.SecretVersion]:
        """Password of the KDC's administrator, and its place for operators. It changes only with the cluster."""
        generated = random.RandomPassword(
            f"{self._name}-kdc-password",
            length=32,
            special=False,  # EMR hands it to kadmin.local through a shell
            opts=pulumi.ResourceOptions(parent=self, additional_secret_outputs=["result"]),
        )
        password = pulumi.Output.secret(generated.result)
        secret = aws.secretsmanager.Secret(
            f"{self._name}-kdc",
            description=f"Password of kadmin/admin@{self.realm}, the administrator of the cluster's KDC",
            kms_key_id=self._args.secrets_key_arn,
            recovery_window_in_days=30,
            opts=self._child,
        )
        self.kdc_password_secret_arn = secret.arn
        stored = aws.secretsmanager.SecretVersion(
            f"{self._name}-kdc-version", secret_id=secret.id, secret_string=password, opts=self._child
        )
        return password, stored

    def _task_group(self, task: InstanceGroupSettings) -> None:
        """The task group; none when it has no nodes and may never have any."""
        if task.scaling is None and task.instance_count == 0:
            return
        aws.emr.InstanceGroup(
            # A group's scaling policy can be changed but not taken off (terraform-provider-aws,
            # emr/instance_group.go): with or without scaling it is another group. The old one stays in the cluster,
            # empty, with its policy: to keep it so, set scaling.minimum to 0 and maximum to 1 before removing scaling.
            f"{self._name}-task" if task.scaling else f"{self._name}-task-fixed",
            cluster_id=self.cluster.id,
            name="task",
            instance_type=task.instance_type,
            # The provider takes 0 for "not said" and starts one; scaling takes it away when it stands idle.
            instance_count=max(task.instance_count, 1),
            bid_price=task.spot_bid_price,
            autoscaling_policy=json.dumps(task_scaling_policy(task.scaling)) if task.scaling else None,
            ebs_configs=[
                aws.emr.InstanceGroupEbsConfigArgs(
                    type="gp3",
                    size=task.volume_size_gib,
                    volumes_per_instance=task.volumes_per_instance,
                    iops=VOLUME_IOPS,
                )
            ],
            opts=pulumi.ResourceOptions(
                parent=self,
                # EMR cannot delete a group: alone it is resized to nothing, with its cluster it needs no word.
                deleted_with=self.cluster,
                ignore_changes=["instanceCount"] if task.scaling or self._args.settings.managed_scaling else None,
            ),
        )
