"""SEC-01: secrets in text are found, what only speaks of them is not, and none is ever quoted."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import secret_texts as s
from tests.policies.cases import Case, bad, check, good, open_question, parametrize
from tests.policies.harness import UNKNOWN, Engine, R, Secret, broken

RULE = "SEC-01"
FUNCTION = "aws:lambda/function:Function"
CLUSTER = "aws:emr/cluster:Cluster"
# Put together here, so that this file holds none itself.
KEY_ID = "AKIA" + "IOSFODNN7EXAMPLE"
PEM = "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"
WORD = "hunter2-Xyzzy"


def env(**variables: Any) -> R:
    return R(FUNCTION, "f", {"environment": {"variables": variables}})


def step(*arguments: Any) -> R:
    return R(CLUSTER, "c", {"steps": [{"hadoopJarStep": {"jar": "command-runner.jar", "args": list(arguments)}}]})


def held(title: str, *resources: R) -> Case:
    return bad(RULE, title, *resources, never=[WORD, KEY_ID, "MIIE"])


CASES = [
    held("an access key", env(A=KEY_ID)),
    held("a second password", env(PASSWORD_2=WORD)),
    *(held(f"a variable {name}", env(**{name: WORD})) for name in ("DBPASS", "ADMIN_PW", "HMAC_KEY")),
    *(good(RULE, f"a name of a secret, {name}", env(**{name: "prod/orders/db"})) for name in ("DB_SECRET", "CREDS")),
    good(RULE, "a sentence", env(NOTE="the password is kept in Secrets Manager")),
    held("an option of Java's", env(JAVA_OPTIONS=f"-Xmx1g -Djavax.net.ssl.keyStorePassword={WORD}")),
    good(RULE, "an option of Java's that names one", env(JAVA_OPTIONS="-Djavax.net.ssl.keyStorePassword=$PASS")),
    held("credentials", env(DB_CREDS=f"user:{WORD}")),
    held("an address without a user", env(URL=f"redis://:{WORD}@cache:6379")),
    held("a bearer's token", env(A="Authorization: Bearer " + "a1B2" * 8)),
    good(RULE, "a bearer's token, fetched", env(A="Authorization: Bearer $(get-token --audience pipeline-1234)")),
    *(
        held(
            f"a command, {command.split()[0]}",
            R("aws:ec2/instance:Instance", "i", {"userData": f"#!/bin/sh\n{command}"}),
        )
        for command in (f"curl -s -u admin:{WORD} https://host/", f"mysql -h host -u root -p{WORD} < a.sql")
    ),
    *(
        good(RULE, f"a command that names one, {command}", R("aws:ec2/instance:Instance", "i", {"userData": command}))
        for command in ("curl -u admin:$PASS https://host/", 'mysql -h host -p"$PASS"', "mysql -P 3306 -p < a.sql")
    ),
    held(
        "a connector's",
        R("aws:mskconnect/connector:Connector", "c", {"connectorConfiguration": {"connection.password": WORD}}),
    ),
    good(
        RULE,
        "a build's, which is kept elsewhere",
        R(
            "aws:codebuild/project:Project",
            "b",
            {
                "environment": {
                    "environmentVariables": [
                        {"name": "DB_PASSWORD", "value": "prod/db:password", "type": "SECRETS_MANAGER"},
                        {"name": "API_KEY", "value": "prod-api-key", "type": "PARAMETER_STORE"},
                    ]
                }
            },
        ),
    ),
    held("a temporary access key", env(A="key: ASIA" + KEY_ID[4:])),
    held("a private key", env(A=PEM)),
    held("a private key of another kind", env(A="-----BEGIN OPENSSH " + "PRIVATE KEY-----")),
    held("a token", env(A="ghp_" + "a1B2" * 9)),
    *(
        held(f"what {service} hands out", env(A=head + tail))
        for service, head, tail in (
            ("npm", "npm_", "a1B2" * 9),
            ("PyPI", "pypi-AgE", "a1B2" * 6),
            ("SendGrid", "SG.", "a1B2" * 5 + "." + "c3D4" * 10),
            ("Google", "AIza", "a1B2c" * 7),
            ("Databricks", "dapi", "0a1b2c3d" * 4),
            ("OpenAI", "sk-proj-", "a1B2" * 8),
            ("a signer of web tokens", "eyJ", "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0In0" + "." + "a1B2" * 8),
            ("Slack, as an address,", "https://hooks.slack.com/services/", "T0AAAA/B0BBBB/" + "a1B2" * 6),
            ("Azure", "AccountName=x;AccountKey=", "a1B2" * 21 + "aa=="),
        )
    ),
    held("a run's properties", R("aws:glue/workflow:Workflow", "w", {"defaultRunProperties": {"db_password": WORD}})),
    held("a header", env(A="Authorization: Basic " + base64.b64encode(f"user:{WORD}".encode()).decode())),
    good(RULE, "a word after basic", env(A="Basic authentication is off")),
    held(
        "a secret access key in a file",
        R("aws:s3/bucketObjectv2:BucketObjectv2", "o", {"content": "AWS_SECRET_ACCESS_KEY=" + "a1B2/" * 8}),
    ),
    good(RULE, "a digest", env(A="sha256: " + "a1B2" * 10)),
    held("a message", R("aws:cloudwatch/eventTarget:EventTarget", "t", {"input": json.dumps({"password": WORD})})),
    good(
        RULE,
        "a message that names one",
        R("aws:cloudwatch/eventTarget:EventTarget", "t", {"input": '{"secretArn": "x"}'}),
    ),
    held(
        "compressed user data",
        R(
            "aws:ec2/launchTemplate:LaunchTemplate",
            "t",
            {"userData": base64.b64encode(gzip.compress(f"export DB_PASSWORD={WORD}\n".encode())).decode()},
        ),
    ),
    good(RULE, "broken user data", R("aws:ec2/launchTemplate:LaunchTemplate", "t", {"userData": "H4sIAAAAAAAA/8tI"})),
    *(
        held(f"a variable {name}", env(**{name: WORD}))
        for name in (
            "PASSWORD",
            "DB_PASSWORD",
            "dbPassword",
            "db.password",
            "API_KEY",
            "authToken",
            "CLIENT_SECRET",
            "AWS_SECRET_ACCESS_KEY",
        )
    ),
    held("a secret of the engine's", env(DB_PASSWORD=Secret(WORD))),
    held("an unknown in front", env(A_PASSWORD=UNKNOWN, B_PASSWORD=WORD)),
    held("an address", env(URL=f"jdbc:postgresql://user:{WORD}@host/db")),
    held("a document in a variable", env(OPTIONS=json.dumps({"database": {"password": WORD}}))),
    good(RULE, "a document in a variable that names no secret", env(OPTIONS=json.dumps({"user": WORD, "pool": 3}))),
    held("an assignment", env(OPTIONS=f"user=x;password={WORD}")),
    held("an argument", step("spark-submit", "--password", WORD, "s3://s/job.py")),
    held("an argument in one", step("spark-submit", f"--conf=spark.x.password={WORD}")),
    held("a command line", step("bash", "-c", f"login --password {WORD}")),
    held("an access key in an argument", step("x", KEY_ID)),
    held(
        "a bootstrap argument",
        R(CLUSTER, "c", {"bootstrapActions": [{"path": "s3://s/a.sh", "args": [f"token={WORD}", f"api_key={WORD}"]}]}),
    ),
    held(
        "a configuration",
        R(
            CLUSTER,
            "c",
            {
                "configurationsJson": json.dumps(
                    [{"Classification": "hive-site", "Properties": {"javax.jdo.option.ConnectionPassword": WORD}}]
                )
            },
        ),
    ),
    held(
        "a nested configuration",
        R(
            CLUSTER,
            "c",
            {
                "configurationsJson": json.dumps(
                    [
                        {
                            "Classification": "a",
                            "Configurations": [{"Classification": "export", "Properties": {"DB_PASSWORD": WORD}}],
                        }
                    ]
                )
            },
        ),
    ),
    held("Glue's arguments", R("aws:glue/job:Job", "j", {"defaultArguments": {"--password": WORD}})),
    held(
        "a connection",
        R("aws:glue/connection:Connection", "c", {"connectionProperties": {"PASSWORD": WORD, "USERNAME": "u"}}),
    ),
    held(
        "user data",
        R(
            "aws:ec2/launchTemplate:LaunchTemplate",
            "t",
            {"userData": base64.b64encode(f"export DB_PASSWORD={WORD}\n".encode()).decode()},
        ),
    ),
    held(
        "user data as text",
        R("aws:ec2/instance:Instance", "i", {"userData": f"#!/bin/sh\nexport AWS_SECRET_ACCESS_KEY={WORD}"}),
    ),
    held("an object's content", R("aws:s3/bucketObjectv2:BucketObjectv2", "o", {"content": PEM})),
    held(
        "a parameter",
        R("aws:ssm/parameter:Parameter", "p", {"name": "/app/db-password", "type": "String", "value": WORD}),
    ),
    held(
        "a list of names and values",
        R(
            "aws:codebuild/project:Project",
            "p",
            {"environment": {"environmentVariables": [{"name": "DB_PASSWORD", "value": WORD}]}},
        ),
    ),
    held("a tag", R("aws:s3/bucket:Bucket", "b", {"tags": {"password": WORD}})),
    held(
        "a state machine's definition",
        R(
            "aws:sfn/stateMachine:StateMachine",
            "m",
            {"definition": json.dumps({"States": {"A": {"Parameters": {"Password": WORD}}}})},
        ),
    ),
    good(RULE, "nothing", env()),
    *(
        good(RULE, f"{name}={value}", env(**{name: value}))
        for name, value in {
            "DB_PASSWORD_ARN": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf",
            "DB_PASSWORD": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf",
            "SECRET_NAME": "prod/db",
            "PASSWORD_PARAMETER": "/prod/db",
            "PASSWORD": "{{resolve:secretsmanager:db}}",
            "PASSWORD_": "${DB_PASSWORD}",
            "TOKEN": "true",
            "TOKEN_LIFETIME": "604800",
            "ACCESS_TOKEN_TTL": "7d",
            "PASSWORD__": "",
            "KMS_KEY": "11112222-3333-4444-5555-666677778888",
            "BUCKET": "password-free",
            "NOTE": "forgot password? ask the owner",
        }.items()
    ),
    good(
        RULE,
        "a Secrets Manager value, which is made for it",
        R("aws:secretsmanager/secretVersion:SecretVersion", "v", {"secretString": Secret(WORD)}),
    ),
    good(
        RULE,
        "a KDC password, which is made for it",
        R(CLUSTER, "c", {"kerberosAttributes": {"realm": "X", "kdcAdminPassword": Secret(WORD)}}),
    ),
    good(
        RULE,
        "a secure parameter",
        R("aws:ssm/parameter:Parameter", "p", {"name": "/app/db-password", "type": "SecureString", "value": WORD}),
    ),
    good(
        RULE,
        "a parameter that is no secret",
        R("aws:ssm/parameter:Parameter", "p", {"name": "/app/cluster-id", "type": "String", "value": "j-123"}),
    ),
    good(
        RULE,
        "another provider's",
        R("random:index/randomPassword:RandomPassword", "p", {"result": WORD, "keepers": {"password": WORD}}),
    ),
    good(RULE, "a description", R("aws:kms/key:Key", "k", {"description": "password = see the wiki"})),
    good(
        RULE,
        "a policy that speaks of secrets",
        R(
            "aws:iam/policy:Policy",
            "p",
            {
                "policy": json.dumps(
                    {
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Action": ["secretsmanager:GetSecretValue", "iam:UpdateAccountPasswordPolicy"],
                                "Resource": "*",
                            }
                        ]
                    }
                )
            },
        ),
    ),
    good(
        RULE,
        "an alarm's dimensions",
        R(
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            "a",
            {"dimensions": {"FunctionName": "token-service"}, "metricName": "Errors"},
        ),
    ),
    good(
        RULE,
        "a job that asks for its password",
        R("aws:s3/bucketObjectv2:BucketObjectv2", "o", {"content": "password = client.get_secret_value()"}),
    ),
    good(
        RULE,
        "a reference in a state machine",
        R(
            "aws:sfn/stateMachine:StateMachine",
            "m",
            {
                "definition": json.dumps(
                    {"States": {"A": {"Parameters": {"TaskToken.$": "$$.Task.Token", "Token": "$.x"}}}}
                )
            },
        ),
    ),
    good(
        RULE,
        "Hadoop's settings",
        R(
            CLUSTER,
            "c",
            {
                "configurationsJson": json.dumps(
                    [
                        {
                            "Classification": "hdfs-site",
                            "Properties": {
                                "dfs.block.access.token.enable": "true",
                                "dfs.namenode.delegation.token.max-lifetime": "604800000",
                                "hadoop.security.credential.provider.path": "jceks://s3@b/x",
                            },
                        }
                    ]
                )
            },
        ),
    ),
    good(RULE, "a random id", env(ID="4f3c2b1a-0000-1111-2222-333344445555", HASH="A" * 40)),
    good(RULE, "malformed", R(FUNCTION, "f", {"environment": "x", "vpcConfig": [None, 7, {"a": []}]})),
    open_question(RULE, "a password not known yet", env(DB_PASSWORD=UNKNOWN)),
    open_question(RULE, "an argument not known yet", step("x", "--password", UNKNOWN)),
    good(RULE, "something else not known yet", env(CLUSTER_ID=UNKNOWN)),
]


@parametrize(CASES)
def test_secret_texts(case: Case, known: bool) -> None:
    check(case, known)


@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        ("password", True),
        ("DB_PASSWORD", True),
        ("dbPassword", True),
        ("--api-key", True),
        ("secretKey", True),
        ("passwordArn", False),
        ("SECRET_NAME", False),
        ("tokenLifetime", False),
        ("kmsKey", False),
        ("", False),
        ("bypass", False),
        ("PGPASSWORD", True),
        ("MYSQL_PWD", True),
        ("dbpasswordarn", False),
    ],
)
def test_names_of_secrets(key: str, verdict: bool) -> None:
    assert s.names_secret(key) is verdict


@settings(deadline=None)
@given(st.text(alphabet=st.characters(categories=["L", "N"]), min_size=8, max_size=20))
def test_no_message_quotes_a_secret(secret: str) -> None:
    resources = [env(DB_PASSWORD=f"Qz{secret}zQ"), step("--password", f"Qz{secret}zQ")]
    said = [message for resource in resources for message in broken(Engine(RULE).up(resource), RULE)]
    assert said
    assert not any(f"Qz{secret}zQ" in message for message in said)
