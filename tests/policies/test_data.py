"""Rules of secrets, tables, catalogues and disks, each in the forms of `up` and preview."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies import compute as c
from policies import data as d
from tests.policies.cases import Case, bad, check, good, open_question, parametrize
from tests.policies.harness import UNKNOWN, R

KEY = "arn:aws:kms:eu-west-1:111122223333:key/1"
EVERYBODY = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]})
SOMEBODY = json.dumps(
    {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:role/x"}, "Action": "*"}]}
)


def secret(**inputs: Any) -> R:
    return R(d.SECRET, "secret", inputs)


def table(**inputs: Any) -> R:
    return R(d.TABLE, "table", inputs)


def public(rule: str, *types: str) -> list[Case]:
    return [
        *(bad(rule, f"everybody, by {type}", R(type, "x", {"policy": EVERYBODY})) for type in types),
        *(good(rule, f"somebody, by {type}", R(type, "x", {"policy": SOMEBODY})) for type in types),
        open_question(rule, "not known yet", R(types[0], "x", {"policy": UNKNOWN})),
        open_question(rule, "no JSON", R(types[0], "x", {"policy": "{"})),
        good(rule, "none", R(types[0], "x", {})),
    ]


def smg() -> list[Case]:
    plain, other = secret(name="kdc"), R(d.SECRET, "other", {"name": "other"})

    def rotation(target: Any, **rules: Any) -> R:
        return R(d.SECRET_ROTATION, "rotation", {"secretId": target, "rotationRules": rules})

    return [
        good("SMG-01", "a key", secret(kmsKeyId=KEY)),
        bad("SMG-01", "absent", secret()),
        bad("SMG-01", "empty", secret(kmsKeyId="")),
        bad("SMG-01", "the key that AWS manages", secret(kmsKeyId="alias/aws/secretsmanager")),
        bad(
            "SMG-01",
            "a replica without key",
            secret(kmsKeyId=KEY, replicas=[{"region": "eu-west-2"}]),
            says=["replicas[0]"],
        ),
        good(
            "SMG-01", "a replica with a key", secret(kmsKeyId=KEY, replicas=[{"region": "eu-west-2", "kmsKeyId": KEY}])
        ),
        open_question("SMG-01", "not known yet", secret(kmsKeyId=UNKNOWN)),
        good("SMG-02", "rotated", plain, rotation(plain.ref(), automaticallyAfterDays=30)),
        good("SMG-02", "rotated by a schedule", plain, rotation(plain.ref("arn"), scheduleExpression="rate(10 days)")),
        bad("SMG-02", "never", plain),
        bad("SMG-02", "too seldom", plain, rotation(plain.ref(), automaticallyAfterDays=400), says=["400"]),
        bad("SMG-02", "another secret", plain, other, rotation(other.ref()), says=["secret"]),
        bad("SMG-02", "too seldom by a schedule", plain, rotation(plain.ref(), scheduleExpression="rate(100 days)")),
        good("SMG-02", "often, by hours", plain, rotation(plain.ref(), scheduleExpression="rate(2160 hours)")),
        *(
            bad("SMG-02", schedule, plain, rotation(plain.ref(), scheduleExpression=schedule))
            for schedule in ("cron(0 4 1 1 ? *)", "cron(0 4 1 JAN,JUL ? *)", "cron(0 4 1 1/6 ? *)")
        ),
        *(
            good("SMG-02", schedule, plain, rotation(plain.ref(), scheduleExpression=schedule))
            for schedule in ("cron(0 4 1 * ? *)", "cron(0 4 1 1/3 ? *)", "cron(0 4 ? * SUN#1 *)", "cron(0 4 1 FOO ? *)")
        ),
        good(
            "SMG-02", "a step of nothing", plain, rotation(plain.ref(), scheduleExpression="cron(0 4 1 */0,4,7,10 ? *)")
        ),
        good("SMG-02", "no month", plain, rotation(plain.ref(), scheduleExpression=f"cron(0 4 1 {'9' * 5000} ? *)")),
        bad("SMG-02", "no interval", plain, rotation(plain.ref())),
        bad("SMG-02", "a secret outside the stack", rotation("theirs", automaticallyAfterDays=100), says=["100 days"]),
        good("SMG-02", "often, outside the stack", rotation("theirs", automaticallyAfterDays=10)),
        open_question("SMG-02", "an unknown secret", plain, rotation(UNKNOWN)),
        open_question("SMG-02", "an unknown interval", plain, rotation(plain.ref(), automaticallyAfterDays=UNKNOWN)),
        *public("SMG-03", d.SECRET, d.SECRET_POLICY),
        good("SMG-04", "absent", secret()),
        good("SMG-04", "enough", secret(recoveryWindowInDays=30)),
        bad("SMG-04", "none", secret(recoveryWindowInDays=0)),
        bad("SMG-04", "too short for the setting", secret(recoveryWindowInDays=7), config={"minimumDays": 14}),
        open_question("SMG-04", "not known yet", secret(recoveryWindowInDays=UNKNOWN)),
        good("SSM-01", "no secret", R(d.PARAMETER, "p", {"type": "String"})),
        good("SSM-01", "a key", R(d.PARAMETER, "p", {"type": "SecureString", "keyId": KEY})),
        bad("SSM-01", "no key", R(d.PARAMETER, "p", {"type": "SecureString"})),
        bad(
            "SSM-01",
            "the key that AWS manages",
            R(d.PARAMETER, "p", {"type": "SecureString", "keyId": "alias/aws/ssm"}),
        ),
        open_question("SSM-01", "not known yet", R(d.PARAMETER, "p", {"type": UNKNOWN})),
    ]


def ddb() -> list[Case]:
    on = {"enabled": True}

    def encrypted(enabled: Any = True, key: Any = KEY, **more: Any) -> R:
        return table(serverSideEncryption={"enabled": enabled, "kmsKeyArn": key}, **more)

    return [
        good("DDB-01", "a key", encrypted()),
        bad("DDB-01", "absent", table()),
        bad("DDB-01", "off beside a key", encrypted(False)),
        bad("DDB-01", "text that is no switch", encrypted("yes")),
        bad("DDB-01", "no key", encrypted(key=None)),
        bad("DDB-01", "the key that AWS manages", encrypted(key="alias/aws/dynamodb")),
        bad("DDB-01", "a replica without key", encrypted(replicas=[{"regionName": "eu-west-2"}])),
        open_question("DDB-01", "not known yet", encrypted(UNKNOWN)),
        open_question("DDB-01", "an unknown key", encrypted(key=UNKNOWN)),
        good("DDB-01", "a replica of its own", R(d.TABLE_REPLICA, "r", {"kmsKeyArn": KEY})),
        bad("DDB-01", "a replica of its own without key", R(d.TABLE_REPLICA, "r", {})),
        good("DDB-02", "on", table(pointInTimeRecovery={"enabled": True})),
        bad("DDB-02", "off", table(pointInTimeRecovery={"enabled": False})),
        bad("DDB-02", "absent", table()),
        bad("DDB-02", "a replica's, off", table(pointInTimeRecovery=on, replicas=[{"pointInTimeRecovery": False}])),
        good("DDB-02", "a replica's, on", table(pointInTimeRecovery=on, replicas=[{"pointInTimeRecovery": True}])),
        bad("DDB-02", "a replica's of its own, off", R(d.TABLE_REPLICA, "r", {"pointInTimeRecovery": False})),
        open_question("DDB-02", "not known yet", table(pointInTimeRecovery=UNKNOWN)),
        good("DDB-03", "on", table(deletionProtectionEnabled=True)),
        bad("DDB-03", "absent", table()),
        bad(
            "DDB-03",
            "a replica's, off",
            table(deletionProtectionEnabled=True, replicas=[{"deletionProtectionEnabled": False}]),
        ),
        open_question("DDB-03", "not known yet", table(deletionProtectionEnabled=UNKNOWN)),
        *public("DDB-04", d.TABLE_POLICY),
    ]


def glue() -> list[Case]:
    fine = {
        "s3Encryption": {"s3EncryptionMode": "SSE-KMS", "kmsKeyArn": KEY},
        "cloudwatchEncryption": {"cloudwatchEncryptionMode": "SSE-KMS", "kmsKeyArn": KEY},
        "jobBookmarksEncryption": {"jobBookmarksEncryptionMode": "CSE-KMS", "kmsKeyArn": KEY},
    }

    continuous = "--enable-continuous-cloudwatch-log"

    def connection(kind: Any = None, **properties: Any) -> R:
        return R(d.GLUE_CONNECTION, "c", {"connectionType": kind, "connectionProperties": properties})

    def configuration(**change: Any) -> R:
        return R(d.GLUE_CONFIGURATION, "g", {"encryptionConfiguration": {**fine, **change}})

    def catalog(rest: Any = None, passwords: Any = None) -> R:
        rest = rest or {"catalogEncryptionMode": "SSE-KMS", "sseAwsKmsKeyId": KEY}
        passwords = passwords or {"returnConnectionPasswordEncrypted": True, "awsKmsKeyId": KEY}
        return R(
            d.CATALOG_ENCRYPTION,
            "c",
            {"dataCatalogEncryptionSettings": {"encryptionAtRest": rest, "connectionPasswordEncryption": passwords}},
        )

    return [
        good("GLU-01", "all three", configuration()),
        *(bad("GLU-01", f"without {name}", configuration(**{name: None}), says=[name]) for name in fine),
        *(
            bad("GLU-01", f"{name} without key", configuration(**{name: {**fine[name], "kmsKeyArn": ""}}))
            for name in fine
        ),
        bad("GLU-01", "S3's own keys", configuration(s3Encryption={"s3EncryptionMode": "SSE-S3"})),
        bad("GLU-01", "disabled", configuration(cloudwatchEncryption={"cloudwatchEncryptionMode": "DISABLED"})),
        bad("GLU-01", "nothing", R(d.GLUE_CONFIGURATION, "g", {})),
        open_question("GLU-01", "not known yet", R(d.GLUE_CONFIGURATION, "g", {"encryptionConfiguration": UNKNOWN})),
        bad("GLU-01", "an unknown before a weak one", configuration(s3Encryption=UNKNOWN, cloudwatchEncryption={})),
        *(good("GLU-02", type, R(type, "x", {"securityConfiguration": "g"})) for type in d.GLUE_USERS),
        *(bad("GLU-02", f"{type} without", R(type, "x", {})) for type in d.GLUE_USERS),
        bad("GLU-02", "empty", R(d.GLUE_USERS[0], "x", {"securityConfiguration": ""})),
        open_question("GLU-02", "not known yet", R(d.GLUE_USERS[0], "x", {"securityConfiguration": UNKNOWN})),
        good("GLU-03", "both", catalog()),
        good(
            "GLU-03",
            "with a role",
            catalog({"catalogEncryptionMode": "SSE-KMS-WITH-SERVICE-ROLE", "sseAwsKmsKeyId": KEY}),
        ),
        bad("GLU-03", "disabled", catalog({"catalogEncryptionMode": "DISABLED"})),
        bad("GLU-03", "no key", catalog({"catalogEncryptionMode": "SSE-KMS"})),
        bad("GLU-03", "passwords in clear text", catalog(passwords={"returnConnectionPasswordEncrypted": False})),
        bad("GLU-03", "passwords without key", catalog(passwords={"returnConnectionPasswordEncrypted": True})),
        bad("GLU-03", "nothing", R(d.CATALOG_ENCRYPTION, "c", {})),
        open_question(
            "GLU-03", "not known yet", R(d.CATALOG_ENCRYPTION, "c", {"dataCatalogEncryptionSettings": UNKNOWN})
        ),
        *public("GLU-04", d.GLUE_POLICY),
        *(
            good("GLU-05", f"version {value!r}", R(d.GLUE_JOB, "j", {"glueVersion": value}))
            for value in ("4.0", "5.1", None)
        ),
        *(bad("GLU-05", f"version {value!r}", R(d.GLUE_JOB, "j", {"glueVersion": value})) for value in ("2.0", "0.9")),
        good("GLU-05", "no Spark", R(d.GLUE_JOB, "j", {"glueVersion": "1.0", "command": {"name": "pythonshell"}})),
        open_question("GLU-05", "not known yet", R(d.GLUE_JOB, "j", {"glueVersion": UNKNOWN})),
        good("GLU-06", "encrypted", connection(JDBC_ENFORCE_SSL="true")),
        good("GLU-06", "Kafka, not said", connection("KAFKA")),
        good("GLU-06", "a network", connection("NETWORK")),
        bad("GLU-06", "not said", connection()),
        bad("GLU-06", "not encrypted", connection(JDBC_ENFORCE_SSL="false")),
        bad("GLU-06", "Kafka in clear text", connection("KAFKA", KAFKA_SSL_ENABLED="false")),
        open_question("GLU-06", "not known yet", R(d.GLUE_CONNECTION, "c", {"connectionProperties": UNKNOWN})),
        open_question("GLU-06", "a kind not known yet", connection(UNKNOWN)),
        good("GLU-07", "as AWS does", R(d.GLUE_JOB, "j", {})),
        good("GLU-07", "on", R(d.GLUE_JOB, "j", {"defaultArguments": {continuous: "true"}})),
        bad("GLU-07", "off", R(d.GLUE_JOB, "j", {"defaultArguments": {continuous: "false"}})),
        open_question("GLU-07", "not known yet", R(d.GLUE_JOB, "j", {"defaultArguments": {continuous: UNKNOWN}})),
    ]


def athena() -> list[Case]:
    def workgroup(option: Any = "SSE_KMS", key: Any = KEY, **more: Any) -> R:
        encryption = {"encryptionOption": option, "kmsKeyArn": key}
        return R(
            d.WORKGROUP,
            "w",
            {"configuration": {"resultConfiguration": {"encryptionConfiguration": encryption}, **more}},
        )

    def managed(**encryption: Any) -> R:
        results = {"enabled": True, "encryptionConfiguration": encryption}
        return R(d.WORKGROUP, "w", {"configuration": {"managedQueryResultsConfiguration": results}})

    return [
        good("ATH-01", "encrypted", workgroup()),
        good(
            "ATH-01",
            "a database",
            R(d.ATHENA_DATABASE, "db", {"encryptionConfiguration": {"encryptionOption": "SSE_KMS", "kmsKey": KEY}}),
        ),
        good("ATH-01", "kept by Athena", managed(kmsKey=KEY)),
        bad("ATH-01", "kept by Athena with its own key", managed()),
        bad("ATH-01", "not enforced", workgroup(enforceWorkgroupConfiguration=False)),
        bad("ATH-01", "S3's own keys", workgroup("SSE_S3")),
        bad("ATH-01", "no key", workgroup(key="")),
        bad("ATH-01", "no results", R(d.WORKGROUP, "w", {"configuration": {"enforceWorkgroupConfiguration": True}})),
        bad("ATH-01", "nothing", R(d.WORKGROUP, "w", {})),
        bad("ATH-01", "a database without", R(d.ATHENA_DATABASE, "db", {"bucket": "b"})),
        open_question("ATH-01", "not known yet", R(d.WORKGROUP, "w", {"configuration": UNKNOWN})),
    ]


def machines() -> list[Case]:
    v2 = {"httpTokens": "required", "httpPutResponseHopLimit": 1}

    def instance(**inputs: Any) -> R:
        return R(c.INSTANCE, "i", inputs)

    def template(**inputs: Any) -> R:
        return R(c.LAUNCH_TEMPLATE, "t", inputs)

    disk = {"encrypted": True, "kmsKeyId": KEY}
    return [
        *(good("EC2-01", f"tokens, {make.__name__}", make(metadataOptions=v2)) for make in (instance, template)),
        *(bad("EC2-01", f"nothing, {make.__name__}", make()) for make in (instance, template)),
        bad("EC2-01", "optional tokens", instance(metadataOptions={"httpTokens": "optional"})),
        bad("EC2-01", "two hops", instance(metadataOptions={**v2, "httpPutResponseHopLimit": 2})),
        good(
            "EC2-01",
            "two hops, allowed",
            instance(metadataOptions={**v2, "httpPutResponseHopLimit": 2}),
            config={"mostHops": 2},
        ),
        good("EC2-01", "no service at all", instance(metadataOptions={"httpEndpoint": "disabled"})),
        open_question("EC2-01", "not known yet", instance(metadataOptions=UNKNOWN)),
        good("EC2-02", "a volume", R(c.VOLUME, "v", disk)),
        bad("EC2-02", "a clear volume", R(c.VOLUME, "v", {})),
        bad("EC2-02", "a volume without key", R(c.VOLUME, "v", {"encrypted": True})),
        bad("EC2-02", "a root disk", instance(rootBlockDevice={"volumeSize": 8})),
        bad("EC2-02", "a further disk", instance(rootBlockDevice=disk, ebsBlockDevices=[{"encrypted": False}])),
        bad("EC2-02", "a template's disk", template(blockDeviceMappings=[{"ebs": {"volumeSize": 8}}])),
        good("EC2-02", "a template", template(blockDeviceMappings=[{"ebs": disk}, {"noDevice": "x"}])),
        bad("EC2-02", "no word of the root disk", instance()),
        bad("EC2-02", "a launch configuration's disk", R(c.LAUNCH_CONFIGURATION, "l", {"ebsBlockDevices": [{}]})),
        good(
            "EC2-02",
            "a launch configuration takes the account's key",
            R(c.LAUNCH_CONFIGURATION, "l", {"rootBlockDevice": {"encrypted": True}}),
        ),
        bad("EC2-02", "the account's default", R(c.ENCRYPTION_BY_DEFAULT, "e", {"enabled": False})),
        good("EC2-02", "the account's default, on", R(c.ENCRYPTION_BY_DEFAULT, "e", {})),
        open_question("EC2-02", "not known yet", R(c.VOLUME, "v", {"encrypted": UNKNOWN})),
        bad("EC2-03", "an address", instance(associatePublicIpAddress=True)),
        bad("EC2-03", "a template's address", template(networkInterfaces=[{}, {"associatePublicIpAddress": "true"}])),
        good("EC2-03", "none", instance(associatePublicIpAddress=False)),
        good("EC2-03", "not said", template()),
        bad("EC2-01", "a launch configuration", R(c.LAUNCH_CONFIGURATION, "l", {})),
        bad("EC2-03", "a launch configuration", R(c.LAUNCH_CONFIGURATION, "l", {"associatePublicIpAddress": True})),
        open_question("EC2-03", "not known yet", instance(associatePublicIpAddress=UNKNOWN)),
        bad("EC2-03", "an elastic address", R("aws:ec2/eip:Eip", "e", {"instance": instance().ref()})),
        bad("EC2-03", "an address apart", R("aws:ec2/eipAssociation:EipAssociation", "e", {"instanceId": "i-1"})),
        good("EC2-03", "an address for a gateway", R("aws:ec2/eip:Eip", "e", {"domain": "vpc"})),
    ]


def fleets() -> list[Case]:
    """Machines beside instances and templates."""
    key = {"encrypted": True, "kmsKeyId": KEY}
    tokens = {"httpTokens": "required", "httpPutResponseHopLimit": 1}
    by_template = {"launchTemplate": {"id": "lt-1"}}
    version = "minimumInstanceMetadataServiceVersion"

    def notebook(value: Any) -> R:
        return R(c.NOTEBOOK, "n", {"instanceMetadataServiceConfiguration": {version: value}})

    def fleet(**specification: Any) -> R:
        return R(c.SPOT_FLEET, "f", {"launchSpecifications": [{"rootBlockDevices": [key], **specification}]})

    return [
        *(good("EC2-01", f"by a template, {type}", R(type, "i", by_template)) for type in (c.INSTANCE, c.SPOT_REQUEST)),
        good("EC2-02", "by a template", R(c.INSTANCE, "i", by_template)),
        bad("EC2-01", "against a template", R(c.INSTANCE, "i", {**by_template, "metadataOptions": {}})),
        bad("EC2-02", "against a template", R(c.INSTANCE, "i", {**by_template, "rootBlockDevice": {}})),
        bad("EC2-01", "a spot request", R(c.SPOT_REQUEST, "i", {})),
        good("EC2-01", "the account's default", R(c.METADATA_DEFAULTS, "d", tokens)),
        bad("EC2-01", "the account's default, optional", R(c.METADATA_DEFAULTS, "d", {"httpTokens": "optional"})),
        good("EC2-01", "a notebook", notebook("2")),
        bad("EC2-01", "a notebook of old", notebook("1")),
        open_question("EC2-01", "a notebook not known yet", notebook(UNKNOWN)),
        good("EC2-02", "a fleet", fleet()),
        bad("EC2-02", "a fleet's clear disk", fleet(ebsBlockDevices=[{"encrypted": False}])),
        good("EC2-03", "a fleet", fleet()),
        bad("EC2-03", "a fleet's address", fleet(associatePublicIpAddress=True)),
        bad("EC2-02", "an image", R(c.IMAGE, "a", {"ebsBlockDevices": [{"volumeSize": 8}]})),
        good("EC2-02", "an image of a snapshot", R(c.IMAGE, "a", {"ebsBlockDevices": [{"snapshotId": UNKNOWN}]})),
    ]


def containers() -> list[Case]:
    logs = {"logConfiguration": {"logDriver": "awslogs"}}
    service, schedule = "aws:ecs/service:Service", "aws:scheduler/schedule:Schedule"
    outside = {"networkConfiguration": {"assignPublicIp": True}}

    def task(*definitions: Any, **inputs: Any) -> R:
        return R(c.TASK_DEFINITION, "t", {"containerDefinitions": json.dumps(definitions), **inputs})

    def job(**properties: Any) -> R:
        return R(c.JOB_DEFINITION, "j", {"containerProperties": json.dumps(properties)})

    def nodes(**access: Any) -> R:
        return R(c.NODE_GROUP, "n", {"remoteAccess": access})

    return [
        good("ECS-01", "confined", task({"image": "i"}, networkMode="awsvpc")),
        bad("ECS-01", "privileged", task({"image": "i"}, {"privileged": True})),
        *(bad("ECS-01", name, task({}, **{name: "host"})) for name in ("pidMode", "ipcMode", "networkMode")),
        good("ECS-01", "malformed", R(c.TASK_DEFINITION, "t", {"containerDefinitions": "{"})),
        open_question("ECS-01", "not known yet", R(c.TASK_DEFINITION, "t", {"containerDefinitions": UNKNOWN})),
        good("ECS-01", "a job", job(image="i", privileged=False)),
        bad("ECS-01", "a privileged job", job(privileged=True)),
        bad(
            "ECS-01",
            "a job of many nodes",
            R(
                c.JOB_DEFINITION,
                "j",
                {"nodeProperties": '{"nodeRangeProperties": [{"container": {"privileged": true}}]}'},
            ),
        ),
        good("ECS-01", "a build", R(c.BUILD, "b", {"environment": {"privilegedMode": False}})),
        bad("ECS-01", "a privileged build", R(c.BUILD, "b", {"environment": {"privilegedMode": True}})),
        open_question("ECS-01", "a build not known yet", R(c.BUILD, "b", {"environment": {"privilegedMode": UNKNOWN}})),
        good("ECS-02", "logged", task(logs)),
        bad("ECS-02", "one that is not", task(logs, {"image": "i"}), says=["containerDefinitions[1]"]),
        open_question("ECS-02", "malformed", R(c.TASK_DEFINITION, "t", {"containerDefinitions": "{"})),
        open_question("ECS-02", "not known yet", R(c.TASK_DEFINITION, "t", {"containerDefinitions": UNKNOWN})),
        good("ECS-02", "a cluster", R(c.CONTAINER_CLUSTER, "c", {})),
        bad(
            "ECS-02",
            "a cluster's commands",
            R(c.CONTAINER_CLUSTER, "c", {"configuration": {"executeCommandConfiguration": {"logging": "NONE"}}}),
        ),
        good("EC2-03", "a service", R(service, "s", {"networkConfiguration": {"subnets": ["s"]}})),
        bad("EC2-03", "a service's address", R(service, "s", outside)),
        bad("EC2-03", "a schedule's task", R(schedule, "s", {"target": {"ecsParameters": outside}})),
        bad("EC2-03", "a job's address", job(networkConfiguration={"assignPublicIp": "ENABLED"})),
        good("EC2-03", "a job", job(networkConfiguration={"assignPublicIp": "DISABLED"})),
        open_question("EC2-03", "a service not known yet", R(service, "s", {"networkConfiguration": UNKNOWN})),
        good("EC2-04", "no SSH", R(c.NODE_GROUP, "n", {})),
        good("EC2-04", "SSH for a group", nodes(ec2SshKey="k", sourceSecurityGroupIds=[UNKNOWN])),
        bad("EC2-04", "SSH for everybody", nodes(ec2SshKey="k", sourceSecurityGroupIds=[])),
        open_question("EC2-04", "not known yet", R(c.NODE_GROUP, "n", {"remoteAccess": UNKNOWN})),
    ]


CASES = [*smg(), *ddb(), *glue(), *athena(), *machines(), *fleets(), *containers()]


@parametrize(CASES)
def test_data(case: Case, known: bool) -> None:
    check(case, known)


@pytest.mark.parametrize("name", [rule.id for family in (d.family, c.family) for rule in family.rules])
def test_every_rule_has_cases_that_break_it_and_that_do_not(name: str) -> None:
    assert {"broken", "fine"} <= {case.up for case in CASES if case.rule == name}
