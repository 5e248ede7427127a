"""The cluster as it is registered: what EMR, IAM, S3 and Secrets Manager would be asked for."""

from __future__ import annotations

import base64
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_random as random
import pulumi_tls as tls
import pytest
import yaml
from pulumi.runtime import rpc

from components.cluster import KerberizedEmrCluster, KerberizedEmrClusterArgs
from settings import ClusterSettings, ConfigurationError, InstanceGroupSettings, ScalingSettings
from tests.unit.harness import ENVIRONMENT, Answer, Deployment, Registered, deploy

DATA_KEY = ENVIRONMENT.arn("kms", "key/data")
LOGS_KEY = ENVIRONMENT.arn("kms", "key/logs")
SECRETS_KEY = ENVIRONMENT.arn("kms", "key/secrets")
PASSWORD = "thirty-two-letters-and-digits-of"
NODE_KEY = "-----BEGIN PRIVATE KEY-----\nbm9kZQ==\n-----END PRIVATE KEY-----\n"


@dataclass(frozen=True)
class Bucket:
    """A bucket as the cluster sees it."""

    name: str
    arn: str
    bucket: Any = None
    ready: list[pulumi.Resource] = field(default_factory=list)


def bucket(name: str) -> Bucket:
    versioning = aws.s3.BucketVersioning(
        f"{name}-versioning", bucket=name, versioning_configuration={"status": "Enabled"}
    )
    return Bucket(name, ENVIRONMENT.bucket_arn(name), None, [versioning])


def cluster_of(settings: ClusterSettings | None = None, *, today: date = date(2025, 1, 1)) -> KerberizedEmrCluster:
    return KerberizedEmrCluster(
        "cluster",
        KerberizedEmrClusterArgs(
            settings=settings or ClusterSettings(),
            environment=ENVIRONMENT,
            subnet_id="subnet-1",
            primary_security_group_id="sg-primary",
            core_security_group_id="sg-core",
            service_access_security_group_id="sg-service",
            data_key_arn=DATA_KEY,
            logs_key_arn=LOGS_KEY,
            secrets_key_arn=SECRETS_KEY,
            raw=bucket("raw"),
            processed=bucket("processed"),
            logs=bucket("logs"),
            scripts=bucket("scripts"),
            database_name="emr_pipeline_test",
            wait_for=[aws.ec2.NatGateway("nat")],
            today=today,
        ),
    )


def deploy_cluster(
    settings: ClusterSettings | None = None,
    *,
    preview: bool = False,
    today: date = date(2025, 1, 1),
    calls: Mapping[str, Answer] | None = None,
) -> Deployment:
    return deploy(
        lambda: cluster_of(settings, today=today),
        preview=preview,
        computed={
            tls.PrivateKey: lambda name, _: {
                "privateKeyPem": f"{name}-pem",
                "privateKeyPemPkcs8": NODE_KEY if "node" in name else f"{name}-pkcs8",
            },
            random.RandomPassword: lambda _name, _: {"result": PASSWORD},
        },
        calls={
            "aws:secretsmanager/getSecretVersion:getSecretVersion": lambda given: {
                "id": given["secretId"],
                "secretId": given["secretId"],
                "arn": ENVIRONMENT.arn("secretsmanager", f"secret:{given['secretId']}-AbCdEf"),
                "secretString": f"{given['secretId']}-password",
            },
            **(calls or {}),
        },
    )


def secret(value: Any) -> Any:
    """What a secret holds, as the engine gets it; fails when the value travels in the clear."""
    assert isinstance(value, dict), f"{value!r} is no secret"
    assert value.get(rpc._special_sig_key) == rpc._special_secret_sig, f"{value!r} is no secret"
    return value["value"]


def policy(deployment: Deployment, name: str) -> dict[str, dict[str, Any]]:
    """Statements of a role's policy by Sid."""
    return {entry["Sid"]: entry for entry in deployment.named(name).document("policy")["Statement"]}


def emr(deployment: Deployment) -> Registered:
    return deployment.one(aws.emr.Cluster)


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return deploy_cluster()


def test_the_cluster_stays_when_it_has_no_step(deployment: Deployment) -> None:
    inputs = emr(deployment).inputs
    assert inputs["keepJobFlowAliveWhenNoSteps"] is True, "the pipeline is persistent: steps come from outside"
    assert inputs["terminationProtection"] is True, "a persistent cluster is protected by default"
    assert inputs["unhealthyNodeReplacement"] is True, "the provider's default leaves broken nodes in place"
    assert "autoTerminationPolicy" not in inputs, "a cluster that ends itself is made anew by the next update"


def test_the_program_never_names_steps(deployment: Deployment) -> None:
    assert "steps" not in emr(deployment).inputs, "steps force a replacement as soon as anyone submits one"


def test_what_emr_decides_is_left_to_emr(deployment: Deployment) -> None:
    inputs = emr(deployment).inputs
    for name in ("visibleToAllUsers", "bootstrapActions", "osReleaseLabel", "customAmiId", "configurations"):
        assert name not in inputs, f"{name} has no place in this cluster: the provider would compare it for nothing"
    assert "keyName" not in inputs["ec2Attributes"], "operators come in through Session Manager, not with a key"


def test_logs_are_encrypted_with_their_own_key_under_a_prefix_that_ends_with_a_slash(deployment: Deployment) -> None:
    inputs = emr(deployment).inputs
    assert inputs["logUri"] == "s3://logs/elasticmapreduce/", "without the slash EMR's answer differs for ever"
    assert inputs["logEncryptionKmsKeyId"] == LOGS_KEY


def test_nodes_live_in_the_private_subnet_under_the_given_groups(deployment: Deployment) -> None:
    attributes = emr(deployment).inputs["ec2Attributes"]
    assert attributes["subnetId"] == "subnet-1"
    assert attributes["emrManagedMasterSecurityGroup"] == "sg-primary"
    assert attributes["emrManagedSlaveSecurityGroup"] == "sg-core"
    assert attributes["serviceAccessSecurityGroup"] == "sg-service", "in a private subnet EMR takes all three or none"


def test_the_instance_profile_bears_the_name_of_its_role(deployment: Deployment) -> None:
    profile = deployment.one(aws.iam.InstanceProfile)
    role = deployment.named("cluster-node")
    assert profile.inputs["name"] == profile.inputs["role"] == role.state["name"], "EMR looks the role up by that name"
    assert emr(deployment).inputs["ec2Attributes"]["instanceProfile"] == profile.state["arn"]


def test_the_cluster_waits_for_grants_network_buckets_and_certificate(deployment: Deployment) -> None:
    needed = {
        "nat",
        "raw-versioning",
        "scripts-versioning",
        "cluster-node-policy",
        "cluster-node-keys",
        "cluster-service-policy",
        "cluster-service-passing",
        "cluster-service-managed",
        "cluster-scaling-policy",
        "cluster-certificate-archive-1",
        "cluster-kdc-version",
        "cluster-security",
    }
    missing = needed - emr(deployment).depends_on
    assert not missing, f"EMR checks permissions and fetches files as it launches, but would not wait for {missing}"


def test_the_cluster_bears_the_tag_that_the_managed_policy_asks_for(deployment: Deployment) -> None:
    assert emr(deployment).inputs["tags"]["for-use-with-amazon-emr-managed-policies"] == "true"


def test_the_id_is_published_where_consumers_find_it_after_a_replacement(deployment: Deployment) -> None:
    parameter = deployment.one(aws.ssm.Parameter)
    assert parameter.inputs["name"] == "/emr-pipeline/test/cluster-id" == deployment.result.cluster_parameter_name
    assert parameter.inputs["type"] == "String"
    assert secret(parameter.inputs["value"]) == deployment.value(deployment.result.cluster_id)
    assert deployment.result.cluster_parameter_arn == ENVIRONMENT.arn("ssm", "parameter/emr-pipeline/test/cluster-id")


def test_outputs_tell_versions_realm_and_expiry_and_no_password(deployment: Deployment) -> None:
    outputs = deployment.outputs("cluster")
    assert outputs["release"] == "emr-6.9.0"
    assert outputs["versionsCheckedOnline"] is False, "nobody asked EMR"
    assert outputs["applicationVersions"]["Spark"] == "3.3.0-amzn-1"
    assert outputs["applicationVersions"]["Presto"] == "0.276-amzn-0"
    assert outputs["realm"] == "EU-WEST-1.COMPUTE.INTERNAL"
    assert outputs["certificateExpiry"] == "2031-01-01T00:00:00Z"
    assert PASSWORD not in json.dumps(outputs), "the KDC's password is read from Secrets Manager, never from outputs"


# --- Kerberos


def test_the_kdc_password_is_random_secret_and_kept_for_operators(deployment: Deployment) -> None:
    generated = deployment.one(random.RandomPassword)
    assert generated.inputs["length"] == 32
    assert generated.inputs["special"] is False, "kadmin.local gets it through a shell"
    assert secret(emr(deployment).inputs["kerberosAttributes"])["kdcAdminPassword"] == PASSWORD
    place = deployment.one(aws.secretsmanager.Secret)
    assert place.inputs["kmsKeyId"] == SECRETS_KEY
    assert "name" not in place.inputs, "a fixed name cannot be taken again while a deleted secret can be recovered"
    assert secret(deployment.one(aws.secretsmanager.SecretVersion).inputs["secretString"]) == PASSWORD


def test_the_archive_is_a_secret_and_its_address_is_none(deployment: Deployment) -> None:
    archive = deployment.named("cluster-certificate-archive-1").inputs
    secret(archive["contentBase64"])
    assert isinstance(archive["key"], str), "a secret address would hide the security configuration from every diff"
    assert isinstance(deployment.one(aws.emr.SecurityConfiguration).inputs["configuration"], str)


def test_a_realm_of_ones_own_replaces_the_regions() -> None:
    deployment = deploy_cluster(ClusterSettings.model_validate({"kerberos": {"realm": "DATA.EXAMPLE.COM"}}))
    assert secret(emr(deployment).inputs["kerberosAttributes"])["realm"] == "DATA.EXAMPLE.COM"
    assert deployment.result.realm == "DATA.EXAMPLE.COM"


def test_the_security_configuration_is_named_by_its_content(deployment: Deployment) -> None:
    security = deployment.one(aws.emr.SecurityConfiguration)
    other = deploy_cluster(ClusterSettings(metadata_hop_limit=2)).one(aws.emr.SecurityConfiguration)
    assert security.inputs["name"] != other.inputs["name"], "a new content must be able to stand beside the old one"
    document = security.document("configuration")
    assert document["AuthenticationConfiguration"]["KerberosConfiguration"]["Provider"] == "ClusterDedicatedKdc"
    archive = deployment.named("cluster-certificate-archive-1")
    tls_configuration = document["EncryptionConfiguration"]["InTransitEncryptionConfiguration"]
    assert tls_configuration["TLSCertificateConfiguration"]["S3Object"] == f"s3://scripts/{archive.inputs['key']}"


# --- certificate


def test_the_archive_is_encrypted_and_holds_the_three_files(deployment: Deployment) -> None:
    archive = deployment.named("cluster-certificate-archive-1")
    assert archive.inputs["kmsKeyId"] == DATA_KEY
    assert archive.inputs["serverSideEncryption"] == "aws:kms"
    assert archive.inputs["key"].startswith("certificates/")
    assert "scripts-versioning" in archive.depends_on, "a private key goes only to a bucket that is closed already"
    content = zipfile.ZipFile(io.BytesIO(base64.b64decode(secret(archive.inputs["contentBase64"]))))
    assert content.read("privateKey.pem").decode() == NODE_KEY


def test_the_certificate_is_signed_by_an_authority_that_outlives_it(deployment: Deployment) -> None:
    authority = deployment.one(tls.SelfSignedCert)
    certificate = deployment.one(tls.LocallySignedCert)
    assert authority.inputs["isCaCertificate"] is True
    assert "isCaCertificate" not in certificate.inputs, "nodes sign nothing"
    assert certificate.inputs["validityPeriodHours"] == 1825 * 24
    assert authority.inputs["validityPeriodHours"] > certificate.inputs["validityPeriodHours"]
    keys = {entry.name: entry.inputs["rsaBits"] for entry in deployment.all(tls.PrivateKey)}
    assert keys == {"cluster-certificate-authority-key-1": 4096, "cluster-certificate-node-key-1": 2048}


def test_the_certificate_names_every_node(deployment: Deployment) -> None:
    request = deployment.one(tls.CertRequest)
    assert request.inputs["subject"]["commonName"] == "*.eu-west-1.compute.internal"
    assert request.inputs["dnsNames"] == ["*.eu-west-1.compute.internal", "*.eu-west-1.compute.amazonaws.com"]


def test_nothing_but_the_generation_renews_the_certificate(deployment: Deployment) -> None:
    for kind in (tls.SelfSignedCert, tls.LocallySignedCert):
        entry = deployment.one(kind)
        assert entry.inputs["earlyRenewalHours"] == 0, "a certificate that renews itself replaces the cluster unasked"
        assert "validityPeriodHours" in entry.ignore_changes, "another period is for the next generation"
    made = {entry.name for entry in deployment.resources if entry.type.startswith("tls:")}
    renewed = deploy_cluster(ClusterSettings.model_validate({"certificate": {"generation": 2}}))
    anew = {entry.name for entry in renewed.resources if entry.type.startswith("tls:")}
    assert len(made) == len(anew) == 5
    assert not made & anew, "a generation is other resources, so all of it is made anew"


# --- instance groups


def test_volumes_are_gp3_and_state_what_emr_answers(deployment: Deployment) -> None:
    inputs = emr(deployment).inputs
    for group in ("masterInstanceGroup", "coreInstanceGroup"):
        assert inputs[group]["ebsConfigs"] == [
            {"type": "gp3", "size": 64, "volumesPerInstance": 2, "iops": 3000, "throughput": 125}
        ]
    task = deployment.one(aws.emr.InstanceGroup)
    assert task.inputs["ebsConfigs"] == [{"type": "gp3", "size": 64, "volumesPerInstance": 2, "iops": 3000}]


def test_only_the_task_group_runs_on_spot() -> None:
    task = InstanceGroupSettings(
        instance_type="m5.xlarge", instance_count=2, spot_bid_price="0.2", scaling=ScalingSettings(minimum=1, maximum=8)
    )
    deployment = deploy_cluster(ClusterSettings(task=task))
    assert deployment.one(aws.emr.InstanceGroup).inputs["bidPrice"] == "0.2"
    for group in ("masterInstanceGroup", "coreInstanceGroup"):
        assert "bidPrice" not in emr(deployment).inputs[group], f"losing a node of {group} loses data or the cluster"


def test_a_scaled_task_group_keeps_the_number_that_scaling_gave_it(deployment: Deployment) -> None:
    task = deployment.named("cluster-task")
    assert task.inputs["instanceCount"] == 1, "the provider reads 0 as 'not said' and starts one"
    assert task.ignore_changes == ("instanceCount",)
    assert task.document("autoscalingPolicy")["Constraints"] == {"MinCapacity": 0, "MaxCapacity": 4}
    assert emr(deployment).inputs["autoscalingRole"] == deployment.named("cluster-scaling").state["arn"]


def test_an_unscaled_core_group_keeps_the_number_of_the_settings(deployment: Deployment) -> None:
    assert "autoscalingPolicy" not in emr(deployment).inputs["coreInstanceGroup"]
    assert emr(deployment).ignore_changes == (), "without scaling, a number that differs is a difference"


def test_a_scaled_core_group_keeps_the_number_that_scaling_gave_it() -> None:
    core = InstanceGroupSettings(
        instance_type="m5.xlarge", instance_count=4, scaling=ScalingSettings(minimum=4, maximum=8)
    )
    deployment = deploy_cluster(ClusterSettings(core=core))
    cluster = emr(deployment)
    assert cluster.ignore_changes == ("coreInstanceGroup.instanceCount",), "nested paths are the wire's camelCase"
    assert json.loads(cluster.inputs["coreInstanceGroup"]["autoscalingPolicy"])["Constraints"]["MaxCapacity"] == 8


def test_a_task_group_without_nodes_and_scaling_is_not_made() -> None:
    deployment = deploy_cluster(
        ClusterSettings(task=InstanceGroupSettings(instance_type="m5.xlarge", instance_count=0))
    )
    assert deployment.all(aws.emr.InstanceGroup) == []


def test_a_task_group_that_loses_its_scaling_is_another_group() -> None:
    task = InstanceGroupSettings(instance_type="m5.xlarge", instance_count=3)
    deployment = deploy_cluster(ClusterSettings(task=task))
    group = deployment.one(aws.emr.InstanceGroup)
    assert group.name == "cluster-task-fixed", "the provider cannot take a policy off a group"
    assert group.inputs["instanceCount"] == 3
    assert "autoscalingPolicy" not in group.inputs
    assert group.ignore_changes == ()


# --- roles


def test_the_service_role_passes_these_two_roles_to_these_two_services(deployment: Deployment) -> None:
    statements = policy(deployment, "cluster-service-passing")
    assert statements["PassNodeRole"]["Resource"] == deployment.named("cluster-node").state["arn"]
    assert statements["PassNodeRole"]["Condition"]["StringLike"]["iam:PassedToService"] == "ec2.amazonaws.com*"
    assert statements["PassScalingRole"]["Resource"] == deployment.named("cluster-scaling").state["arn"]
    assert statements["GrantKeyToVolumes"]["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}


def test_no_policy_of_awss_reaches_the_nodes(deployment: Deployment) -> None:
    attached = {
        entry.inputs["policyArn"]: entry.inputs["role"] for entry in deployment.all(aws.iam.RolePolicyAttachment)
    }
    assert attached == {
        "arn:aws:iam::aws:policy/service-role/AmazonEMRServicePolicy_v2": deployment.named("cluster-service").state[
            "name"
        ]
    }


# --- what replaces a cluster


def test_a_production_cluster_is_asked_for_as_written_down() -> None:
    """Nearly every input replaces a cluster when it changes, so a change of the program shows here, in review.

    To accept one: ``UPDATE_GOLDEN=1 python -m pytest tests/unit/test_cluster.py``.
    """
    stack = yaml.safe_load((Path(__file__).resolve().parents[2] / "Pulumi.prod.yaml").read_text())["config"]
    settings = ClusterSettings.model_validate(stack["emr-pipeline:cluster"])
    deployment = deploy_cluster(settings)
    inputs = dict(emr(deployment).inputs)
    inputs["kerberosAttributes"] = {**secret(inputs["kerberosAttributes"]), "kdcAdminPassword": "(secret)"}
    inputs["configurationsJson"] = json.loads(inputs["configurationsJson"])
    core = inputs["coreInstanceGroup"]
    inputs["coreInstanceGroup"] = {**core, "autoscalingPolicy": json.loads(core["autoscalingPolicy"])}
    task = dict(deployment.named("cluster-task").inputs)
    task["autoscalingPolicy"] = json.loads(task["autoscalingPolicy"])
    asked = {
        "cluster": inputs,
        "securityConfiguration": deployment.one(aws.emr.SecurityConfiguration).document("configuration"),
        "taskGroup": task,
    }
    golden = Path(__file__).parent / "golden" / "cluster_prod.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(json.dumps(asked, indent=2, sort_keys=True) + "\n", "utf-8")
    assert asked == json.loads(golden.read_text("utf-8"))


# --- preview


def test_a_preview_knows_all_that_does_not_hang_on_ids() -> None:
    deployment = deploy_cluster(preview=True)
    assert "policy" in deployment.named("cluster-node-policy").inputs, "policy packs judge the nodes' rights in preview"
    assert "policy" in deployment.named("cluster-service-policy").inputs
    assert emr(deployment).inputs["releaseLabel"] == "emr-6.9.0"


@pytest.mark.parametrize("versions", [{"Spark": "3.4"}, {"Spark": "3.3", "Presto": "0.28"}])
def test_versions_that_the_release_does_not_bring_stop_the_preview_before_anything_is_made(
    versions: dict[str, str],
) -> None:
    made: list[str] = []

    def program() -> None:
        try:
            KerberizedEmrCluster("cluster", arguments_of(ClusterSettings(required_versions=versions)))
        except ConfigurationError as error:
            made.append(str(error))

    deployment = deploy(program)
    assert len(made) == 1
    assert "emr-pipeline:cluster.requiredVersions" in made[0]
    assert not [entry for entry in deployment.resources if entry.name.startswith("cluster")]


def arguments_of(settings: ClusterSettings) -> KerberizedEmrClusterArgs:
    closed = Bucket("b", ENVIRONMENT.bucket_arn("b"))
    return KerberizedEmrClusterArgs(
        settings=settings,
        environment=ENVIRONMENT,
        subnet_id="subnet-1",
        primary_security_group_id="sg-1",
        core_security_group_id="sg-2",
        service_access_security_group_id="sg-3",
        data_key_arn=DATA_KEY,
        logs_key_arn=LOGS_KEY,
        secrets_key_arn=SECRETS_KEY,
        raw=closed,
        processed=closed,
        logs=closed,
        scripts=closed,
        database_name="database",
        wait_for=(),
    )


def test_a_release_near_its_end_is_warned_about_with_the_date() -> None:
    deployment = deploy_cluster(today=date(2026, 11, 23))
    assert any("2027-06-30" in text for text in deployment.warnings), deployment.warnings
    assert deploy_cluster(today=date(2024, 1, 1)).warnings == []


# --- Kerberos beyond the cluster


def kerberos_of(**kerberos: Any) -> Deployment:
    return deploy_cluster(ClusterSettings.model_validate({"kerberos": kerberos}))


KDC = {
    "realm": "EXAMPLE.COM",
    "adminServer": "kdc.example.com",
    "kdcServer": "kdc.example.com",
    "administratorPasswordSecret": "kdc-admin",
}


def test_an_external_kdcs_password_is_read_where_it_is_kept() -> None:
    deployment = kerberos_of(externalKdc=KDC)
    attributes = secret(emr(deployment).inputs["kerberosAttributes"])
    assert attributes == {"realm": "EXAMPLE.COM", "kdcAdminPassword": "kdc-admin-password"}
    assert deployment.all(random.RandomPassword) == [], "a password of ours would open nothing"
    assert deployment.all(aws.secretsmanager.Secret) == []
    assert deployment.result.realm == "EXAMPLE.COM"
    assert "kdc-admin-password" not in json.dumps(deployment.outputs("cluster"))


def test_the_shared_password_of_a_trusted_realm_is_read_where_it_is_kept() -> None:
    trust = {
        "realm": "AD.EXAMPLE.COM",
        "domain": "ad.example.com",
        "adminServer": "ad.example.com",
        "kdcServer": "ad.example.com",
        "principalPasswordSecret": "trust",
    }
    attributes = secret(emr(kerberos_of(crossRealmTrust=trust)).inputs["kerberosAttributes"])
    assert attributes["crossRealmTrustPrincipalPassword"] == "trust-password"
    assert attributes["kdcAdminPassword"] == PASSWORD, "the cluster still has a KDC of its own"


def test_three_primaries_run_with_an_external_kdc() -> None:
    settings = {"primary": {"instanceType": "m5.xlarge", "instanceCount": 3}, "kerberos": {"externalKdc": KDC}}
    cluster = emr(deploy_cluster(ClusterSettings.model_validate(settings)))
    assert cluster.inputs["masterInstanceGroup"]["instanceCount"] == 3


# --- a certificate that was brought along


ARCHIVE = {
    "uri": "s3://certificates-of-ours/emr/2026.zip",
    "kmsKeyArn": ENVIRONMENT.arn("kms", "key/certificates"),
    "expires": "2027-06-01",
}


def test_a_certificate_of_ones_own_takes_the_place_of_the_stacks() -> None:
    deployment = deploy_cluster(ClusterSettings.model_validate({"certificate": {"archive": ARCHIVE}}))
    assert [entry.name for entry in deployment.resources if entry.type.startswith("tls:")] == []
    document = deployment.one(aws.emr.SecurityConfiguration).document("configuration")
    transit = document["EncryptionConfiguration"]["InTransitEncryptionConfiguration"]
    assert transit["TLSCertificateConfiguration"]["S3Object"] == ARCHIVE["uri"]
    assert deployment.outputs("cluster")["certificateExpiry"] == "2027-06-01T00:00:00Z"
    for role in ("cluster-node-policy", "cluster-service-policy"):
        statements = policy(deployment, role)
        assert statements["ReadCertificates"]["Resource"] == "arn:aws:s3:::certificates-of-ours/emr/2026.zip"
        assert statements["UseCertificateKey"]["Resource"] == ARCHIVE["kmsKeyArn"]


def test_a_certificate_near_its_end_is_told_of() -> None:
    settings = ClusterSettings.model_validate({"certificate": {"archive": ARCHIVE}})
    assert any("ends on 2027-06-01" in warning for warning in deploy_cluster(settings, today=date(2027, 3, 1)).warnings)
    assert deploy_cluster(settings).warnings == []


def test_the_stacks_certificate_near_its_end_is_told_of() -> None:
    warnings = deploy_cluster(today=date(2030, 12, 1)).warnings
    assert any("ends on 2031-01-01" in warning and "certificate.generation" in warning for warning in warnings)


# --- roles to S3


def test_mapped_roles_can_be_assumed_by_the_nodes_and_no_others() -> None:
    role = ENVIRONMENT.global_arn("iam", "role/analysts")
    mapping = {"role": role, "identifierType": "Group", "identifiers": ["analysts"]}
    deployment = deploy_cluster(ClusterSettings.model_validate({"emrfsRoleMappings": [mapping]}))
    assert policy(deployment, "cluster-node-policy")["AssumeMappedRoles"]["Resource"] == role
    assert "AssumeMappedRoles" not in policy(deploy_cluster(), "cluster-node-policy")


# --- managed scaling


def test_managed_scaling_replaces_its_policy_old_first() -> None:
    settings = {"managedScaling": {"minimum": 2, "maximum": 10}, "task": {"instanceType": "m5.xlarge"}}
    deployment = deploy_cluster(ClusterSettings.model_validate(settings))
    scaling = deployment.one(aws.emr.ManagedScalingPolicy)
    assert scaling.delete_before_replace, "deleting the old one afterwards would remove the new one's policy"
    assert scaling.inputs["computeLimits"] == [
        {
            "unitType": "Instances",
            "minimumCapacityUnits": 2,
            "maximumCapacityUnits": 10,
            "maximumCoreCapacityUnits": 10,
            "maximumOndemandCapacityUnits": 10,
        }
    ]
    assert emr(deployment).ignore_changes == ("coreInstanceGroup.instanceCount",), "the number is EMR's"
    assert deployment.one(aws.emr.InstanceGroup).ignore_changes == ("instanceCount",)


def test_without_managed_scaling_there_is_no_policy_of_it(deployment: Deployment) -> None:
    assert deployment.all(aws.emr.ManagedScalingPolicy) == []


# --- Linux users of people


def test_people_are_a_list_that_nodes_follow_and_no_part_of_the_cluster() -> None:
    def asked(users: dict[str, int]) -> tuple[Any, str]:
        deployment = deploy_cluster(ClusterSettings(linux_users=users))
        cluster = emr(deployment)
        assert {"cluster-linux-users-script", "cluster-linux-users-list"} <= cluster.depends_on, "nodes read them"
        return cluster.inputs["bootstrapActions"], deployment.named("cluster-linux-users-list").inputs["content"]

    (action,), people = asked({"bob": 20002, "alice": 20001})
    assert people == "alice 20001\nbob 20002\n"
    assert action["path"].startswith("s3://scripts/bootstrap/"), "under what nodes may read"
    assert action["path"].endswith("/linux_users.sh")
    assert action["args"] == ["s3://scripts/bootstrap/linux-users", "eu-west-1"]
    assert asked({"carol": 20003})[0] == [action], "a person more must not be a new cluster"


# --- scripts of a user's own

OWN: list[dict[str, Any]] = [
    {"name": "agent", "path": "s3://their-tools/agent.sh", "arguments": ["--level", "info"]},
    {"name": "certificates", "path": "s3://their-tools/trust.sh", "kmsKeyArn": f"{DATA_KEY.rpartition('/')[0]}/12ab"},
]


def test_scripts_of_ones_own_run_in_their_order_behind_the_programs() -> None:
    deployment = deploy_cluster(
        ClusterSettings.model_validate({"bootstrapActions": OWN, "linuxUsers": {"alice": 20001}})
    )
    first, agent, certificates = emr(deployment).inputs["bootstrapActions"]
    assert first["name"] == "linux-users"
    assert agent == {"name": "agent", "path": "s3://their-tools/agent.sh", "args": ["--level", "info"]}
    assert certificates["name"] == "certificates"


def test_nodes_may_read_exactly_the_scripts_that_they_run() -> None:
    settings = ClusterSettings.model_validate({"bootstrapActions": OWN})
    granted = policy(deploy_cluster(settings), "cluster-node-policy")
    assert granted["ReadBootstrapActions"]["Action"] == "s3:GetObject"
    assert granted["ReadBootstrapActions"]["Resource"] == [
        ENVIRONMENT.bucket_arn("their-tools/agent.sh"),
        ENVIRONMENT.bucket_arn("their-tools/trust.sh"),
    ]
    assert granted["UseBootstrapActionKeys"]["Resource"] == OWN[1]["kmsKeyArn"]
    assert "their-tools" in settings.other_buckets, "the S3 endpoint's policy lets nodes reach the bucket"
    assert "ReadBootstrapActions" not in policy(deploy_cluster(), "cluster-node-policy")


def test_two_people_have_two_numbers() -> None:
    with pytest.raises(ValueError, match="linuxUsers holds one number for alice, bob"):
        ClusterSettings(linux_users={"alice": 20001, "bob": 20001})
