"""EMR clusters and their steps, without Spark."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.emr import releases
from sandbox.aws.emr.spark_submit import translate
from sandbox.aws.emr.steps import StepRefused, step_command


def test_a_cluster_s_command_line_becomes_one_of_local_mode():
    submission = translate(
        [
            "--deploy-mode", "cluster", "--master=yarn", "--executor-memory", "20g", "--class", "Main",
            "--conf", "spark.yarn.maxAppAttempts=1", "--conf", "spark.sql.shuffle.partitions=8",
            "--conf", "spark.yarn.appMasterEnv.STAGE=dev", "--py-files", "s3://b/lib.zip", "--verbose",
            "s3://b/job.py", "--conf", "of=the application",
        ],
        "local[2]",
        "1g",
    )  # fmt: skip
    assert submission.arguments == [
        "--master", "local[2]", "--driver-memory", "1g", "--class", "Main", "--conf", "spark.sql.shuffle.partitions=8",
        "--py-files", "s3://b/lib.zip", "--verbose", "s3://b/job.py", "--conf", "of=the application",
    ]  # fmt: skip
    assert submission.environment == {"STAGE": "dev"}, "in cluster mode the driver gets these variables"
    assert submission.left_out == ["--deploy-mode", "--master", "--executor-memory", "spark.yarn.maxAppAttempts"]


@pytest.mark.parametrize(
    ("jar", "arguments", "reason"),
    [
        ("s3://b/my.jar", [], "command-runner.jar only"),
        ("command-runner.jar", [], "not 'nothing'"),
        ("command-runner.jar", ["hadoop", "fs"], "not 'hadoop'"),
    ],
)
def test_steps_that_the_sandbox_cannot_run_say_so(jar, arguments, reason):
    with pytest.raises(StepRefused, match=reason):
        step_command(jar, arguments)


def test_a_refused_step_fails_with_its_reason(sandbox_aws):
    cluster = sandbox_aws.cluster()
    jar = {"Jar": "s3://b/my.jar"}
    step = sandbox_aws.add_steps(cluster, {"Name": "x", "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar})[0]
    status = sandbox_aws.ended_step(cluster, step)
    assert status["State"] == "FAILED"
    assert "command-runner.jar only" in status["FailureDetails"]["Message"]


def test_a_step_runs_its_output_goes_to_the_cluster_s_logs(sandbox_aws):
    logs = sandbox_aws.bucket()
    cluster = sandbox_aws.cluster(LogUri=f"s3://{logs}/elasticmapreduce/")
    good, bad = sandbox_aws.add_steps(
        cluster,
        sandbox_aws.bash("kinit -kt /etc/hadoop.keytab hadoop && echo out $AWS_REGION"),
        sandbox_aws.bash("echo 'java.io.IOException: no luck' >&2; exit 7"),
    )
    assert sandbox_aws.ended_step(cluster, good)["State"] == "COMPLETED"
    failed = sandbox_aws.ended_step(cluster, bad)
    folder = f"elasticmapreduce/{cluster}/steps"
    assert failed["FailureDetails"] == {
        "Reason": "Unknown Error.",
        "Message": "exit code 7: java.io.IOException: no luck",
        "LogFile": f"s3://{logs}/{folder}/{bad}/stderr.gz",
    }

    def read(key: str) -> str:
        return gzip.decompress(sandbox_aws.s3.get_object(Bucket=logs, Key=key)["Body"].read()).decode()

    assert read(f"{folder}/{good}/stdout.gz") == "out eu-west-1\n"
    assert "sandbox: no Kerberos here, kinit does nothing" in read(f"{folder}/{good}/stderr.gz")
    assert read(f"{folder}/{bad}/stderr.gz") == "java.io.IOException: no luck\n"


def test_steps_run_one_after_the_other_unless_the_cluster_allows_more(sandbox_aws):
    cluster = sandbox_aws.cluster()
    first, second = sandbox_aws.add_steps(cluster, sandbox_aws.bash("sleep 30"), sandbox_aws.bash("sleep 30"))
    assert sandbox_aws.step(cluster, first)["State"] == "RUNNING"
    assert sandbox_aws.step(cluster, second)["State"] == "PENDING"
    assert sandbox_aws.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"] == "RUNNING"
    sandbox_aws.emr.modify_cluster(ClusterId=cluster, StepConcurrencyLevel=2)
    assert sandbox_aws.step(cluster, second)["State"] == "RUNNING"
    sandbox_aws.emr.cancel_steps(ClusterId=cluster, StepIds=[first, second], StepCancellationOption="TERMINATE_PROCESS")
    for step in (first, second):
        assert sandbox_aws.ended_step(cluster, step)["State"] == "CANCELLED"
    assert sandbox_aws.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"] == "WAITING"


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or ") Z " not in state.read_text()


def test_cancelling_a_running_step_ends_everything_that_it_started(sandbox_aws, tmp_path):
    cluster = sandbox_aws.cluster()
    marker = tmp_path / "process"
    script = f"(trap '' TERM; echo $BASHPID > {marker}; while :; do sleep 1; done) & wait"
    step = sandbox_aws.add_steps(cluster, sandbox_aws.bash(script))[0]
    child = int(sandbox_aws.wait_for(lambda: marker.exists() and marker.read_text().strip(), what="the step's child"))
    sandbox_aws.emr.cancel_steps(ClusterId=cluster, StepIds=[step])
    assert sandbox_aws.ended_step(cluster, step)["State"] == "CANCELLED"
    sandbox_aws.wait_for(lambda: not alive(child), 5, "the end of a child that ignores SIGTERM")


def test_a_step_that_ended_cannot_be_cancelled(sandbox_aws):
    cluster = sandbox_aws.cluster()
    step = sandbox_aws.add_steps(cluster, sandbox_aws.bash("true"))[0]
    sandbox_aws.ended_step(cluster, step)
    answer = sandbox_aws.emr.cancel_steps(ClusterId=cluster, StepIds=[step])["CancelStepsInfoList"][0]
    assert answer["Status"] == "FAILED"
    assert "COMPLETED" in answer["Reason"]


def test_terminating_a_cluster_cancels_its_steps_and_takes_no_more(sandbox_aws):
    cluster = sandbox_aws.cluster(
        Instances={
            "KeepJobFlowAliveWhenNoSteps": True,
            "TerminationProtected": True,
            "InstanceGroups": [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}],
        }
    )
    running, pending = sandbox_aws.add_steps(cluster, sandbox_aws.bash("sleep 60"), sandbox_aws.bash("true"))
    with pytest.raises(ClientError, match="termination protected"):
        sandbox_aws.emr.terminate_job_flows(JobFlowIds=[cluster])
    sandbox_aws.emr.set_termination_protection(JobFlowIds=[cluster], TerminationProtected=False)
    sandbox_aws.emr.terminate_job_flows(JobFlowIds=[cluster])
    for step in (running, pending):
        assert sandbox_aws.ended_step(cluster, step)["State"] == "CANCELLED"
    described = sandbox_aws.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]
    assert described["State"] == "TERMINATED"
    assert described["StateChangeReason"]["Code"] == "USER_REQUEST"
    with pytest.raises(ClientError, match="shutting down, terminated, or finished"):
        sandbox_aws.add_steps(cluster, sandbox_aws.bash("true"))
    instance = sandbox_aws.emr.list_instances(ClusterId=cluster)["Instances"][0]["Ec2InstanceId"]
    state = sandbox_aws.ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["State"]
    assert state["Name"] == "terminated"


def test_a_failing_step_may_take_the_cluster_down(sandbox_aws):
    cluster = sandbox_aws.cluster()
    step = sandbox_aws.add_steps(cluster, sandbox_aws.bash("false", ActionOnFailure="TERMINATE_CLUSTER"))[0]
    assert sandbox_aws.ended_step(cluster, step)["State"] == "FAILED"

    def status() -> str:
        return sandbox_aws.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"]

    sandbox_aws.wait_for(lambda: status() == "TERMINATED_WITH_ERRORS", what="the end of the cluster")


def test_a_cluster_that_need_not_stay_ends_with_its_last_step(sandbox_aws):
    cluster = sandbox_aws.cluster(
        Instances={"KeepJobFlowAliveWhenNoSteps": False}, Steps=[sandbox_aws.bash("true"), sandbox_aws.bash("true")]
    )

    def ended() -> bool:
        return sandbox_aws.emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]["State"] == "TERMINATED"

    sandbox_aws.wait_for(ended, what="the end of the cluster")
    states = [step["Status"]["State"] for step in sandbox_aws.emr.list_steps(ClusterId=cluster)["Steps"]]
    assert states == ["COMPLETED", "COMPLETED"]


def test_no_more_than_256_steps_are_active(sandbox_aws):
    cluster = sandbox_aws.cluster()
    sandbox_aws.add_steps(cluster, *[sandbox_aws.bash("sleep 60")] * 200)
    with pytest.raises(ClientError, match="Maximum number of active steps"):
        sandbox_aws.add_steps(cluster, *[sandbox_aws.bash("sleep 60")] * 57)
    sandbox_aws.emr.terminate_job_flows(JobFlowIds=[cluster])


def test_concurrent_steps_may_not_take_the_cluster_down(sandbox_aws):
    cluster = sandbox_aws.cluster(StepConcurrencyLevel=2)
    with pytest.raises(ClientError, match="ActionOnFailure TERMINATE_CLUSTER is not valid"):
        sandbox_aws.add_steps(cluster, sandbox_aws.bash("true", ActionOnFailure="TERMINATE_CLUSTER"))


def test_steps_and_clusters_send_their_events(sandbox_aws):
    url, arn = sandbox_aws.queue()
    name = sandbox_aws.name("cluster")
    sandbox_aws.rule({"source": ["aws.emr"], "detail": {"name": [name, "told"]}}, {"Arn": arn})
    cluster = sandbox_aws.cluster(Name=name)
    sandbox_aws.add_steps(cluster, sandbox_aws.bash("exit 1", Name="told"))
    events = [json.loads(body) for body in sandbox_aws.messages(url, 7)]
    steps = [event["detail"] for event in events if event["detail-type"] == "EMR Step Status Change"]
    assert [(detail["state"], detail["severity"]) for detail in steps] == [
        ("PENDING", "INFO"),
        ("RUNNING", "INFO"),
        ("FAILED", "ERROR"),
    ]
    assert {detail["clusterId"] for detail in steps} == {cluster}
    states = [event["detail"]["state"] for event in events if event["detail-type"] == "EMR Cluster State Change"]
    assert states == ["STARTING", "WAITING", "RUNNING", "WAITING"]


def test_a_cluster_reads_back_what_it_was_given_but_no_password(sandbox_aws):
    sandbox_aws.emr.create_security_configuration(Name="secure", SecurityConfiguration="{}")
    cluster = sandbox_aws.cluster(
        SecurityConfiguration="secure",
        LogEncryptionKmsKeyId="arn:aws:kms:eu-west-1:123456789012:key/k",
        ScaleDownBehavior="TERMINATE_AT_TASK_COMPLETION",
        OSReleaseLabel="2.0.20230808.0",
        AutoTerminationPolicy={"IdleTimeout": 3600},
        Applications=[{"Name": "Spark"}, {"Name": "hive"}],
        KerberosAttributes={"Realm": "EMR.TEST", "KdcAdminPassword": "s3cret", "CrossRealmTrustPrincipalPassword": "x"},
        Instances={
            "KeepJobFlowAliveWhenNoSteps": True,
            "UnhealthyNodeReplacement": True,
            "InstanceGroups": [
                {
                    "InstanceRole": "MASTER",
                    "InstanceType": "m5.xlarge",
                    "InstanceCount": 1,
                    "Configurations": [{"Classification": "yarn-site", "Properties": {"a": "b"}}],
                    "EbsConfiguration": {
                        "EbsOptimized": True,
                        "EbsBlockDeviceConfigs": [
                            {
                                "VolumeSpecification": {"VolumeType": "gp3", "SizeInGB": 32, "Throughput": 250},
                                "VolumesPerInstance": 2,
                            }
                        ],
                    },
                }
            ],
        },
    )
    read = sandbox_aws.emr.describe_cluster(ClusterId=cluster)["Cluster"]
    assert read["KerberosAttributes"] == {"Realm": "EMR.TEST"}, "EMR never shows the passwords"
    assert read["LogEncryptionKmsKeyId"].endswith("key/k")
    assert read["ScaleDownBehavior"] == "TERMINATE_AT_TASK_COMPLETION"
    assert read["OSReleaseLabel"] == "2.0.20230808.0"
    assert read["UnhealthyNodeReplacement"] is True
    assert read["InstanceCollectionType"] == "INSTANCE_GROUP"
    versions = {application["Name"]: application.get("Version") for application in read["Applications"]}
    assert versions == {
        "Spark": releases.version("emr-6.9.0", "Spark"),
        "hive": releases.version("emr-6.9.0", "Hive"),
    }
    assert versions["Spark"] == "3.3.0-amzn-1"
    group = sandbox_aws.emr.list_instance_groups(ClusterId=cluster)["InstanceGroups"][0]
    assert group["EbsOptimized"] is True
    assert [device["VolumeSpecification"]["Throughput"] for device in group["EbsBlockDevices"]] == [250, 250]
    assert group["Configurations"] == [{"Classification": "yarn-site", "Properties": {"a": "b"}}]
    policy = sandbox_aws.emr.get_auto_termination_policy(ClusterId=cluster)["AutoTerminationPolicy"]
    assert policy == {"IdleTimeout": 3600}


def test_policies_are_put_read_and_removed(sandbox_aws):
    cluster = sandbox_aws.cluster()
    limits = {"UnitType": "Instances", "MinimumCapacityUnits": 1, "MaximumCapacityUnits": 4}
    policy = {"ComputeLimits": limits}
    sandbox_aws.emr.put_managed_scaling_policy(ClusterId=cluster, ManagedScalingPolicy=policy)
    assert sandbox_aws.emr.get_managed_scaling_policy(ClusterId=cluster)["ManagedScalingPolicy"] == policy
    sandbox_aws.emr.remove_managed_scaling_policy(ClusterId=cluster)
    assert "ManagedScalingPolicy" not in sandbox_aws.emr.get_managed_scaling_policy(ClusterId=cluster)
    sandbox_aws.emr.put_auto_termination_policy(ClusterId=cluster, AutoTerminationPolicy={"IdleTimeout": 60})
    sandbox_aws.emr.remove_auto_termination_policy(ClusterId=cluster)
    assert "AutoTerminationPolicy" not in sandbox_aws.emr.get_auto_termination_policy(ClusterId=cluster)


def test_releases_and_configurations_are_listed(sandbox_aws):
    sandbox_aws.emr.create_security_configuration(Name="listed", SecurityConfiguration="{}")
    listed = sandbox_aws.emr.list_security_configurations()["SecurityConfigurations"]
    assert "listed" in {item["Name"] for item in listed}
    release = sandbox_aws.emr.describe_release_label(ReleaseLabel="emr-6.9.0")
    assert {"Name": "Spark", "Version": "3.3.0-amzn-1"} in release["Applications"]


def test_a_cluster_adds_inbound_rules_to_its_groups_and_no_outbound_ones(sandbox_aws):
    vpc = sandbox_aws.ec2.create_vpc(CidrBlock="10.0.0.0/20")["Vpc"]["VpcId"]
    subnet = sandbox_aws.ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    groups: list[str] = []
    for name in ("primary", "core", "service"):
        group = sandbox_aws.ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        sandbox_aws.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)
        groups.append(group)
    instances = {
        "KeepJobFlowAliveWhenNoSteps": True,
        "Ec2SubnetId": subnet,
        "EmrManagedMasterSecurityGroup": groups[0],
        "EmrManagedSlaveSecurityGroup": groups[1],
        "ServiceAccessSecurityGroup": groups[2],
    }
    cluster = sandbox_aws.cluster(Instances=instances)
    described = sandbox_aws.ec2.describe_security_groups(GroupIds=groups[:2])["SecurityGroups"]
    for group in described:
        assert group["IpPermissions"], "EMR adds the rules that its nodes need"
        assert group["IpPermissionsEgress"] == [], "EMR opens nothing outbound that was closed"
    with pytest.raises(ClientError, match="DependencyViolation"):
        sandbox_aws.ec2.delete_security_group(GroupId=groups[2])
    sandbox_aws.emr.terminate_job_flows(JobFlowIds=[cluster])
    with pytest.raises(ClientError, match="'sg-0' does not exist"):
        sandbox_aws.cluster(Instances=instances | {"EmrManagedMasterSecurityGroup": "sg-0"})


REFUSED = {
    "unknown security configuration": (
        lambda here: here.cluster(SecurityConfiguration="none"),
        "Security configuration with name 'none' does not exist",
    ),
    "unknown release": (lambda here: here.cluster(ReleaseLabel="emr-99.0.0"), "release label is invalid"),
    "unknown cluster": (lambda here: here.emr.describe_cluster(ClusterId="j-X"), "Cluster id 'j-X' is not valid"),
    "steps of an unknown cluster": (lambda here: here.emr.list_steps(ClusterId="j-X"), "Cluster id 'j-X' is not valid"),
    "a step for an unknown cluster": (lambda here: here.add_steps("j-X"), "Specified job flow ID not valid"),
    "unknown step": (
        lambda here: here.emr.describe_step(ClusterId=here.cluster(), StepId="s-X"),
        "Step id 's-X' is not valid",
    ),
    "fleets of a cluster of groups": (
        lambda here: here.emr.list_instance_fleets(ClusterId=here.cluster()),
        "mutually exclusive",
    ),
    "unknown group": (
        lambda here: here.emr.modify_instance_groups(InstanceGroups=[{"InstanceGroupId": "ig-X", "InstanceCount": 1}]),
        "Instance group id 'ig-X' is not valid",
    ),
}


@pytest.mark.parametrize(("call", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_emr_refuses_is_refused(sandbox_aws, call, reason):
    with pytest.raises(ClientError, match=reason) as refused:
        call(sandbox_aws)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
