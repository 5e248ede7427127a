"""Rules of IAM, each in the forms of `up` and preview."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies import access as a
from policies.action_table import actions_without_resources, knows_no_resource, read_reference
from tests.policies.cases import Case, bad, check, good, open_question, parametrize
from tests.policies.harness import UNKNOWN, R, Secret

POLICY = "aws:iam/policy:Policy"
BUCKET = "arn:aws:s3:::bucket"
OURS = "arn:aws:dynamodb:eu-west-1:111122223333:table/ours*"
CLUSTERS = "arn:aws:elasticmapreduce:eu-west-1:111122223333:cluster/*"


def document(*statements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = BUCKET, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def holder(policy: Any, type: str = POLICY) -> R:
    if type == a.ROLE:
        return R(
            type, "role", {"inlinePolicies": [{"name": "first", "policy": document()}, {"name": "p", "policy": policy}]}
        )
    return R(type, "policy", {a._IDENTITY_POLICIES[type]: policy})  # pyright: ignore[reportPrivateUsage]


HOLDERS = a._POLICY_HOLDERS  # pyright: ignore[reportPrivateUsage]


def everywhere(rule: str, statement: dict[str, Any]) -> list[Case]:
    """What holds for every rule about statements: where they may hide, and what hides nothing."""
    harmless = allow("s3:GetObject", f"{BUCKET}/*")
    return [
        *(bad(rule, f"in {type}", holder(document(statement), type)) for type in HOLDERS),
        good(rule, "harmless", holder(document(harmless))),
        bad(rule, "the last statement", holder(document(harmless, harmless, statement)), says=["Statement[2]"]),
        bad(rule, "a statement that stands alone", holder(json.dumps({"Statement": statement}))),
        bad(rule, "an object", holder({"Version": "2012-10-17", "Statement": [statement]})),
        bad(rule, "an unknown in front", holder({"Statement": [UNKNOWN, statement]})),
        bad(rule, "a secret", holder(Secret(document(statement)))),
        bad(
            rule,
            "a condition",
            holder(document({**statement, "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}})),
        ),
        good(rule, "a denial", holder(document({**statement, "Effect": "Deny"}))),
        *(
            good(rule, f"harmless: {text!r}", holder(text))
            for text in (document(), document(None, 7, "x", []), "", None, "null")
        ),
        *(open_question(rule, f"malformed: {text!r}", holder(text)) for text in ("{", "[]", 7)),
        open_question(rule, "not known yet", holder(UNKNOWN)),
        open_question(rule, "an unknown statement", holder({"Statement": [UNKNOWN]})),
        good(rule, "no inline policies", R(a.ROLE, "role", {"assumeRolePolicy": document()})),
    ]


def iam_01() -> list[Case]:
    rule = "IAM-01"
    return [
        *everywhere(rule, allow("*", "*")),
        *(
            bad(rule, f"{action!r}", holder(document(allow(action))))
            for action in ("*", "*:*", "**", ["s3:GetObject", "*"], "*?")
        ),
        good(rule, "a service, which is for IAM-02 to say", holder(document(allow("s3:*")))),
    ]


def iam_02() -> list[Case]:
    rule = "IAM-02"
    tag = {"Condition": {"StringEquals": {"aws:ResourceTag/project": "emr-pipeline"}}}
    return [
        *everywhere(rule, allow("s3:*", "*")),
        *(
            bad(rule, f"{action!r}", holder(document(allow(action))))
            for action in ("s3:*", "S3:*", "s3:**", "s3:?*", "*:Get*", "s?:GetObject", "s3*", ["s3:GetObject", "kms:*"])
        ),
        *(
            bad(rule, f"on {resource!r}", holder(document(allow("s3:GetObject", resource))))
            for resource in (
                "*",
                "arn:aws:s3:::*",
                "arn:*:s3:::*",
                "arn:aws:s3:::*/*",
                "**",
                [BUCKET, "*"],
                "arn:aws:dynamodb:*:*:*",
            )
        ),
        *(
            bad(rule, f"{action} on every resource", holder(document(allow(action, "*"))), says=[action])
            for action in (
                "s3:GetObject",
                "s3:Get*",
                "kms:Decrypt",
                "glue:GetTable",
                "sts:AssumeRole",
                "ec2:TerminateInstances",
                "x:Unheard",
                "s3:List*",
            )
        ),
        *(
            bad(rule, f"every {kind} of the account", holder(document(allow(action, f"arn:aws:{kind}"))), says=[action])
            for action, kind in (
                ("kms:Decrypt", "kms:eu-west-1:111122223333:key/*"),
                ("kms:Decrypt", "kms:*:*:key/?*"),
                ("secretsmanager:GetSecretValue", "secretsmanager:eu-west-1:111122223333:secret:*"),
                ("dynamodb:PutItem", "dynamodb:eu-west-1:111122223333:table/*"),
                ("ssm:GetParameter", "ssm:eu-west-1:111122223333:parameter/*"),
                ("lambda:InvokeFunction", "lambda:eu-west-1:111122223333:function:*"),
            )
        ),
        good(rule, "tables of one name", holder(document(allow("dynamodb:PutItem", OURS)))),
        good(rule, "every cluster", holder(document(allow("elasticmapreduce:AddJobFlowSteps", CLUSTERS)))),
        *(
            good(rule, f"{action}, which knows no resource", holder(document(allow(action, "*"))))
            for action in (
                "cloudwatch:PutMetricData",
                "xray:PutTraceSegments",
                "ec2:DescribeInstances",
                "ec2:Describe*",
                "logs:CreateLogDelivery",
                "logs:PutResourcePolicy",
                "s3:ListAllMyBuckets",
                "ec2:CreateNetworkInterface",
                "EC2:DeleteNetworkInterface",
                "elasticmapreduce:ListClusters",
            )
        ),
        bad(
            rule,
            "one that knows resources among those that do not",
            holder(document(allow(["cloudwatch:PutMetricData", "sns:Publish"], "*"))),
        ),
        good(rule, "bounded by a tag", holder(document(allow("ec2:TerminateInstances", "*", **tag)))),
        good(
            rule,
            "bounded by an account",
            holder(
                document(
                    allow("s3:GetObject", "*", Condition={"StringEquals": {"aws:ResourceAccount": "111122223333"}})
                )
            ),
        ),
        bad(
            rule,
            "a tag of any value",
            holder(
                document(allow("ec2:TerminateInstances", "*", Condition={"StringLike": {"aws:ResourceTag/x": "*"}}))
            ),
        ),
        bad(
            rule,
            "a tag if there is one",
            holder(
                document(
                    allow("ec2:TerminateInstances", "*", Condition={"StringEqualsIfExists": {"aws:ResourceTag/x": "y"}})
                )
            ),
        ),
        bad(
            rule,
            "all but a tag",
            holder(
                document(
                    allow("ec2:TerminateInstances", "*", Condition={"StringNotEquals": {"aws:ResourceTag/x": "y"}})
                )
            ),
        ),
        good(rule, "a wildcard in a name", holder(document(allow("s3:GetObject", "arn:aws:s3:::bucket-*/*")))),
        good(
            rule,
            "everything of one kind in one account",
            holder(document(allow("logs:PutLogEvents", "arn:aws:logs:eu-west-1:111122223333:log-group:*"))),
        ),
        open_question(rule, "an unknown resource", holder({"Statement": [allow("s3:GetObject", UNKNOWN)]})),
        good(
            rule,
            "an unknown resource that does not matter",
            holder({"Statement": [allow("xray:PutTraceSegments", UNKNOWN)]}),
        ),
    ]


def iam_03() -> list[Case]:
    rule = "IAM-03"
    all_but_actions = {"Effect": "Allow", "NotAction": "iam:*", "Resource": BUCKET}
    all_but_resources = {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": BUCKET}
    return [
        *everywhere(rule, all_but_actions),
        bad(rule, "all but a resource", holder(document(all_but_resources))),
        bad(rule, "in any case", holder(document({"Effect": "Allow", "notaction": "iam:*", "Resource": BUCKET}))),
    ]


ROLE_ARN = "arn:aws:iam::111122223333:role/emr-pipeline-node"


def iam_04() -> list[Case]:
    rule = "IAM-04"
    to_emr = {"Condition": {"StringEquals": {"iam:PassedToService": "elasticmapreduce.amazonaws.com"}}}
    anyhow = {"Condition": {"StringLike": {"iam:PassedToService": "*"}}}
    to_nobody = {"Condition": {"StringEquals": {"iam:PassedToService": ""}}}
    return [
        *everywhere(rule, allow("iam:PassRole", "*")),
        *(
            bad(rule, f"{action!r} on every role", holder(document(allow(action, "*"))))
            for action in (
                "iam:Pass*",
                "iam:*",
                "IAM:PASSROLE",
                "iam:?assRole",
                "*",
                ["s3:GetObject", "iam:PassRole"],
                "i*",
            )
        ),
        *(
            bad(rule, f"on {resource!r}", holder(document(allow("iam:PassRole", resource))))
            for resource in (
                "*",
                "arn:aws:iam::111122223333:role/*",
                "arn:aws:iam::*:role/*",
                "arn:aws:iam::111122223333:*",
                [ROLE_ARN, "*"],
                "arn:aws:iam::111122223333:role/*-admin",
            )
        ),
        bad(rule, "on every role, to one service", holder(document(allow("iam:PassRole", "*", **to_emr)))),
        bad(
            rule,
            "on roles by a wildcard, to a service without a name",
            holder(document(allow("iam:PassRole", f"{ROLE_ARN}-*", **to_nobody))),
            says=["by a wildcard"],
        ),
        bad(
            rule,
            "a wildcard in the name",
            holder(document(allow("iam:PassRole", "arn:aws:iam::111122223333:role/emr-*"))),
        ),
        good(
            rule,
            "a wildcard in the name, to one service",
            holder(document(allow("iam:PassRole", "arn:aws:iam::111122223333:role/emr-*", **to_emr))),
        ),
        bad(
            rule,
            "a wildcard in the name, to a service of any name",
            holder(document(allow("iam:PassRole", "arn:aws:iam::111122223333:role/emr-*", **anyhow))),
        ),
        good(rule, "by name", holder(document(allow("iam:PassRole", ROLE_ARN)))),
        good(rule, "by several names", holder(document(allow("iam:PassRole", [ROLE_ARN, f"{ROLE_ARN}2"])))),
        bad(rule, "all but some actions", holder(document({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}))),
        bad(
            rule,
            "all but some roles",
            holder(document({"Effect": "Allow", "Action": "iam:PassRole", "NotResource": ROLE_ARN})),
        ),
        good(rule, "another action", holder(document(allow("iam:GetRole", "*")))),
        open_question(rule, "an unknown role", holder({"Statement": [allow("iam:PassRole", UNKNOWN)]})),
    ]


def iam_05() -> list[Case]:
    rule = "IAM-05"
    bounded = {"Condition": {"StringEquals": {"iam:PermissionsBoundary": "arn:aws:iam::111122223333:policy/boundary"}}}
    return [
        *everywhere(rule, allow("iam:PutRolePolicy", ROLE_ARN)),
        *(
            bad(rule, f"{action!r}", holder(document(allow(action, ROLE_ARN))))
            for action in (
                "iam:*",
                "iam:Put*",
                "IAM:attachrolepolicy",
                "iam:*Policy*",
                "iam:CreateAccessKey",
                "iam:UpdateAssumeRolePolicy",
                "iam:Create?olicyVersion",
                "i?m:SetDefaultPolicyVersion",
            )
        ),
        bad(rule, "all but some actions", holder(document({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}))),
        good(rule, "within a boundary", holder(document(allow("iam:PutRolePolicy", ROLE_ARN, **bounded)))),
        good(rule, "reading", holder(document(allow(["iam:GetRole", "iam:ListRolePolicies"], ROLE_ARN)))),
        good(rule, "everything, which is for IAM-01 to say", holder(document(allow("*", "*")))),
    ]


def iam_06() -> list[Case]:
    rule = "IAM-06"

    def attached(
        name: str, type: str = "aws:iam/rolePolicyAttachment:RolePolicyAttachment", partition: str = "aws"
    ) -> R:
        arn = f"arn:{partition}:iam::aws:policy/{name}"
        field = a._ATTACHMENTS[type]  # pyright: ignore[reportPrivateUsage]
        return R(
            type,
            "attachment",
            {
                "role": "x",
                field: [f"arn:{partition}:iam::111122223333:policy/own", arn] if field.endswith("s") else arn,
            },
        )

    broad = (
        "AdministratorAccess",
        "PowerUserAccess",
        "IAMFullAccess",
        "AmazonS3FullAccess",
        "service-role/AmazonElasticMapReduceforEC2Role",
        "service-role/AmazonElasticMapReduceRole",
        "job-function/SystemAdministrator",
        "AWSLambda_FullAccess",
        "ReadOnlyAccess",
        "AmazonEMRFullAccessPolicy_v2",
        "AWSLambdaExecute",
        "service-role/AWSLambdaRole",
        "AmazonKinesisReadOnlyAccess",
    )
    narrow = (
        "service-role/AmazonEMRServicePolicy_v2",
        "service-role/AWSLambdaBasicExecutionRole",
        "service-role/AmazonElasticMapReduceforAutoScalingRole",
        "AmazonSSMManagedInstanceCore",
    )
    return [
        *(bad(rule, name, attached(name), says=[name.rpartition("/")[2]]) for name in broad),
        *(good(rule, name, attached(name)) for name in narrow),
        *(bad(rule, f"by {type}", attached("AdministratorAccess", type)) for type in a._ATTACHMENTS),  # pyright: ignore[reportPrivateUsage]
        *(
            bad(rule, f"in {partition}", attached("AdministratorAccess", partition=partition))
            for partition in ("aws-cn", "aws-us-gov", "aws-iso")
        ),
        good(rule, "allowed", attached("ReadOnlyAccess"), config={"allowed": ["ReadOnlyAccess"]}),
        good(
            rule,
            "a policy of one's own by that name",
            R(
                "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
                "x",
                {"policyArn": "arn:aws:iam::111122223333:policy/AdministratorAccess"},
            ),
        ),
        *(
            good(rule, f"malformed: {value!r}", R(a.ROLE, "role", {"managedPolicyArns": value}))
            for value in (None, [], [None, 7, "x"], "x", {})
        ),
        open_question(
            rule, "not known yet", R("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "x", {"policyArn": UNKNOWN})
        ),
        bad(
            rule,
            "an unknown in front",
            R(a.ROLE, "role", {"managedPolicyArns": [UNKNOWN, "arn:aws:iam::aws:policy/AdministratorAccess"]}),
        ),
    ]


SECOND_FACTOR = "aws:MultiFactorAuthPresent"


def iam_07() -> list[Case]:
    rule = "IAM-07"

    def role(*statements: Any) -> R:
        return R(a.ROLE, "role", {"assumeRolePolicy": document(*statements)})

    def trust(principal: Any, **more: Any) -> dict[str, Any]:
        return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}

    service = trust({"Service": "ec2.amazonaws.com"})
    root = {"AWS": "arn:aws:iam::999988887777:root"}
    external = {"Condition": {"StringEquals": {"sts:ExternalId": "a-long-agreed-text"}}}
    oidc = {"Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"}
    return [
        good(rule, "a service", role(service)),
        *(
            bad(rule, f"{principal!r}", role(trust(principal)))
            for principal in (
                "*",
                {"AWS": "*"},
                {"AWS": ["x", "*"]},
                {"AWS": "arn:aws:iam::*:root"},
                {"Federated": "*"},
            )
        ),
        bad(rule, "all but somebody", role({"Effect": "Allow", "NotPrincipal": root, "Action": "sts:AssumeRole"})),
        bad(rule, "the second statement", role(service, trust("*")), says=["Statement[1]"]),
        bad(rule, "everybody with an external id, which is no secret", role(trust("*", **external))),
        good(
            rule,
            "everybody in an organisation",
            role(trust("*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}})),
        ),
        bad(rule, "an account", role(trust(root))),
        bad(rule, "an account by its number", role(trust({"AWS": "999988887777"}))),
        good(rule, "an account with an external id", role(trust(root, **external))),
        bad(
            rule,
            "an account with any external id",
            role(trust(root, Condition={"StringLike": {"sts:ExternalId": "*"}})),
        ),
        good(rule, "people with a second factor", role(trust(root, Condition={"Bool": {SECOND_FACTOR: "true"}}))),
        *(
            bad(
                rule,
                f"a second factor, {operator} {value}",
                role(trust(who, Condition={operator: {SECOND_FACTOR: value}})),
            )
            for who, operator, value in (
                (root, "BoolIfExists", "true"),
                (root, "Bool", "false"),
                (oidc, "Bool", "true"),
                ("*", "Bool", "true"),
            )
        ),
        good(rule, "an account of one's own", role(trust(root)), config={"accounts": ["999988887777"]}),
        good(rule, "a role, whoever's it is", role(trust({"AWS": "arn:aws:iam::999988887777:role/x"}))),
        bad(
            rule,
            "somebody else's role",
            role(trust({"AWS": "arn:aws:iam::999988887777:role/x"})),
            config={"accounts": ["111122223333"]},
        ),
        bad(rule, "an identity provider", role(trust(oidc))),
        *(
            bad(rule, f"GitHub, {claim} {value}", role(trust(oidc, Condition={"StringLike": {claim: value}})))
            for claim, value in (
                ("token.actions.githubusercontent.com:aud", "sts.amazonaws.com"),
                ("token.actions.githubusercontent.com:sub", "repo:*"),
                ("token.actions.githubusercontent.com:sub", "repo:*/pipeline:ref:refs/heads/main"),
                ("token.actions.githubusercontent.com:sub", ["repo:us/pipeline:*", "repo:?*"]),
                ("token.actions.githubusercontent.com:actor", "somebody"),
                ("api.pulumi.com/oidc:sub", "pulumi:*"),
                ("api.pulumi.com/oidc:sub", "pulumi:deploy:org:*"),
                ("oidc.eks.eu-west-1.amazonaws.com/id/A1:sub", "system:*"),
                ("oidc.eks.eu-west-1.amazonaws.com/id/A1:sub", "system:serviceaccount*"),
            )
        ),
        *(
            good(rule, f"{claim} {value}", role(trust(oidc, Condition={"StringLike": {claim: value}})))
            for claim, value in (
                ("token.actions.githubusercontent.com:sub", "repo:us/*"),
                ("token.actions.githubusercontent.com:repository_id", "123456"),
                ("api.pulumi.com/oidc:sub", "pulumi:deploy:org:us:project:pipeline:*"),
                ("oidc.eks.eu-west-1.amazonaws.com/id/A1:sub", "system:serviceaccount:emr:*"),
                ("cognito-identity.amazonaws.com:aud", "eu-west-1:0a1b2c3d"),
                ("SAML:aud", "https://signin.aws.amazon.com/saml"),
            )
        ),
        bad(
            rule,
            "any subject of an identity provider",
            role(trust(oidc, Condition={"StringLike": {"token.actions.githubusercontent.com:sub": "*"}})),
        ),
        good(
            rule,
            "a subject of an identity provider",
            role(
                trust(
                    oidc,
                    Condition={
                        "StringEquals": {"token.actions.githubusercontent.com:sub": "repo:o/r:ref:refs/heads/main"}
                    },
                )
            ),
        ),
        bad(rule, "an object", R(a.ROLE, "role", {"assumeRolePolicy": {"Statement": trust("*")}})),
        good(rule, "nothing", R(a.ROLE, "role", {})),
        good(rule, "malformed statements", role(None, 7, "x")),
        open_question(rule, "no JSON", R(a.ROLE, "role", {"assumeRolePolicy": "{"})),
        open_question(rule, "not known yet", R(a.ROLE, "role", {"assumeRolePolicy": UNKNOWN})),
        open_question(
            rule,
            "an unknown principal",
            R(a.ROLE, "role", {"assumeRolePolicy": {"Statement": [trust({"AWS": UNKNOWN})]}}),
        ),
        bad(
            rule,
            "an unknown principal in front",
            R(a.ROLE, "role", {"assumeRolePolicy": {"Statement": [trust({"AWS": [UNKNOWN, "*"]})]}}),
        ),
    ]


def iam_08() -> list[Case]:
    return [
        *(bad("IAM-08", type, R(type, "x", {"user": "somebody"})) for type in a._USERS),  # pyright: ignore[reportPrivateUsage]
        good("IAM-08", "a role", R(a.ROLE, "role", {})),
    ]


def iam_09() -> list[Case]:
    rule, queue = "IAM-09", "aws:sqs/queuePolicy:QueuePolicy"

    def let_in(principal: Any, type: str = queue, **condition: Any) -> R:
        statement = {"Effect": "Allow", "Principal": principal, "Action": "*", "Resource": "*", "Condition": condition}
        return R(type, "p", {"policy": {"Statement": [statement]}})

    events = {"Service": ["events.amazonaws.com"]}
    anywhere = {"aws:SourceArn": "arn:aws:events:*:*:rule/x"}
    return [
        bad(rule, "for anybody", let_in(events)),
        bad(rule, "for a topic", let_in(events, "aws:sns/topicPolicy:TopicPolicy")),
        bad(rule, "by a condition that binds nobody", let_in(events, ArnLike=anywhere)),
        bad(rule, "over TLS, whoever asks", let_in(events, Bool={"aws:SecureTransport": "true"})),
        good(rule, "for an account", let_in(events, StringEquals={"AWS:SourceAccount": "111122223333"})),
        good(rule, "for a rule", let_in(events, ArnEquals={"aws:SourceArn": ARN_OF_RULE})),
        good(
            rule, "for a bucket, of which there is one", let_in(events, ArnLike={"aws:SourceArn": "arn:aws:s3:*:*:raw"})
        ),
        good(rule, "no service", let_in({"AWS": "arn:aws:iam::111122223333:role/x"})),
        good(rule, "no policy", R(queue, "p", {})),
        good(rule, "no JSON, which SQS-02 speaks of", R(queue, "p", {"policy": "{"})),
        open_question(rule, "not known yet", let_in(events, StringEquals={"aws:SourceAccount": UNKNOWN})),
    ]


ARN_OF_RULE = "arn:aws:events:eu-west-1:111122223333:rule/x"

USER_POLICIES = ("aws:iam/userPolicy:UserPolicy", "aws:iam/userPolicyAttachment:UserPolicyAttachment")
PASSWORDS = {
    "minimumPasswordLength": 14,
    "passwordReusePrevention": 24,
    "requireLowercaseCharacters": True,
    "requireUppercaseCharacters": True,
    "requireNumbers": "true",
    "requireSymbols": True,
}


def iam_10() -> list[Case]:
    rule = "IAM-10"

    def passwords(**inputs: Any) -> R:
        return R("aws:iam/accountPasswordPolicy:AccountPasswordPolicy", "passwords", {**PASSWORDS, **inputs})

    return [
        good(rule, "long, mixed and new", passwords()),
        *(bad(rule, f"without {name}", passwords(**{name: None}), says=[name]) for name in PASSWORDS),
        *(open_question(rule, f"{name} not known yet", passwords(**{name: UNKNOWN})) for name in PASSWORDS),
        bad(rule, "short", passwords(minimumPasswordLength=8)),
        bad(rule, "for ever", passwords(), config={"mostDays": 90}, says=["maxPasswordAge"]),
        good(rule, "for a while", passwords(maxPasswordAge=90), config={"mostDays": 90}),
        open_question(rule, "days not known yet", passwords(maxPasswordAge=UNKNOWN), config={"mostDays": 90}),
    ]


def seen_through() -> list[Case]:
    """What names somebody or something only at first sight."""

    def for_a_service(name: str) -> R:
        condition = {"StringLike": {"iam:AWSServiceName": name}}
        return holder(document(allow("iam:CreateServiceLinkedRole", "*", Condition=condition)))

    def only_these(*arns: str) -> R:
        type = "aws:iam/userPolicyAttachmentsExclusive:UserPolicyAttachmentsExclusive"
        return R(type, "x", {"userName": "ann", "policyArns": list(arns)})

    provider = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    claim = "token.actions.githubusercontent.com:sub"

    def trusted(principal: dict[str, str], **condition: Any) -> R:
        statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity"}
        return R(a.ROLE, "role", {"assumeRolePolicy": document({**statement, "Condition": condition})})

    return [
        *(
            bad("IAM-02", f"a resource cut short: {pattern}", holder(document(allow("s3:GetObject", pattern))))
            for pattern in ("arn:*", "arn:aws:s3*", "arn:aws:s3:*")
        ),
        bad("IAM-02", "any role", holder(document(allow("sts:AssumeRole", "arn:aws:iam::111122223333:role/*")))),
        bad("IAM-02", "a role of anybody", holder(document(allow("sts:AssumeRole", "arn:aws:iam::*:role/reader")))),
        good("IAM-02", "passed in its account", holder(document(allow("iam:PassRole", "arn:aws:iam::*:role/reader")))),
        good(
            "IAM-02",
            "log groups, as functions make them",
            holder(document(allow("logs:CreateLogGroup", "arn:aws:logs:eu-west-1:111122223333:*"))),
        ),
        bad(
            "IAM-02",
            "log groups, to delete them",
            holder(document(allow("logs:DeleteLogGroup", "arn:aws:logs:eu-west-1:111122223333:*"))),
        ),
        good("IAM-02", "a role", holder(document(allow("sts:AssumeRole", ROLE_ARN)))),
        *(
            bad("IAM-02", f"every one, cut short: {pattern}", holder(document(allow(action, f"arn:aws:{pattern}"))))
            for action, pattern in (
                ("kms:Decrypt", "kms:eu-west-1:111122223333:key*"),
                ("dynamodb:Scan", "dynamodb:eu-west-1:111122223333:tab*"),
                ("states:StartExecution", "states:*:111122223333:stateMachine:*"),
                ("rds-db:connect", "rds-db:*:111122223333:dbuser:*/*"),
                ("s3:GetObject", "s3:::*/data/*"),
            )
        ),
        good("IAM-02", "the role of a service by name", for_a_service("spot.amazonaws.com")),
        bad("IAM-02", "the role of any service", for_a_service("*")),
        good("IAM-02", "buckets of AWS's", holder(document(allow("s3:GetObject", "arn:aws:s3:::*elasticmapreduce/*")))),
        good(
            "IAM-02",
            "what Session Manager needs",
            holder(document(allow(["ssm:UpdateInstanceInformation", "s3:GetEncryptionConfiguration"], "*"))),
        ),
        bad(
            "IAM-04",
            "to any service",
            holder(
                document(
                    allow(
                        "iam:PassRole",
                        "arn:aws:iam::111122223333:role/emr-*",
                        Condition={"StringLike": {"iam:PassedToService": "*.amazonaws.com"}},
                    )
                )
            ),
        ),
        *(
            bad(
                "IAM-05",
                f"bounded by nothing: {policies}",
                holder(document(allow("iam:AttachRolePolicy", ROLE_ARN, Condition={"ArnLike": {key: policies}}))),
            )
            for key, policies in (
                ("iam:PermissionsBoundary", "*"),
                ("iam:PolicyARN", "*"),
                ("iam:PolicyARN", "arn:aws:iam::aws:policy/*"),
                ("iam:PolicyARN", "arn:aws:iam::aws:policy/AdministratorAccess"),
                ("iam:PolicyARN", ["arn:aws:iam::111122223333:policy/reader", "arn:aws:iam::*:policy/x"]),
            )
        ),
        *(
            good(
                "IAM-05",
                f"bounded by {policies}",
                holder(document(allow("iam:AttachRolePolicy", ROLE_ARN, Condition={"ArnLike": {key: policies}}))),
            )
            for key, policies in (
                ("iam:PermissionsBoundary", "arn:aws:iam::111122223333:policy/boundary"),
                ("iam:PolicyARN", "arn:aws:iam::111122223333:policy/pipeline-*"),
                ("iam:PolicyARN", "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"),
            )
        ),
        *(
            bad("IAM-05", action, holder(document(allow(action, "arn:aws:iam::111122223333:user/ann"))))
            for action in ("iam:CreateServiceSpecificCredential", "iam:UpdateSAMLProvider", "iam:UploadSSHPublicKey")
        ),
        bad("IAM-05", "the lake's administrators", holder(document(allow("lakeformation:PutDataLakeSettings", "*")))),
        *(
            bad(
                "IAM-07",
                f"owners who begin alike: {subject}",
                trusted({"Federated": provider}, StringLike={claim: subject}),
            )
            for subject in ("repo:acme*", "repo:acme*/data:*", "repo:a?me/data:*")
        ),
        *(
            good("IAM-07", f"one owner: {subject}", trusted({"Federated": provider}, StringLike={claim: subject}))
            for subject in ("repo:acme/data:*", "repo:acme/*", "repo:acme/data:ref:refs/heads/main")
        ),
        bad(
            "IAM-07",
            "any pool of identities",
            trusted(
                {"Federated": "cognito-identity.amazonaws.com"},
                StringLike={"cognito-identity.amazonaws.com:amr": "unauthenticated"},
            ),
        ),
        bad("IAM-07", "any service", trusted({"Service": "*.amazonaws.com"})),
        *(bad("IAM-08", f"of a user's own, {type}", R(type, "p", {"user": "ann"})) for type in USER_POLICIES),
        bad("IAM-08", "attached to users", R("aws:iam/policyAttachment:PolicyAttachment", "p", {"users": ["ann"]})),
        bad("IAM-08", "all that is attached to a user", only_these("arn:aws:iam::111122223333:policy/reader")),
        good("IAM-08", "nothing attached to a user", only_these()),
        good("IAM-08", "attached to roles", R("aws:iam/policyAttachment:PolicyAttachment", "p", {"roles": ["x"]})),
    ]


def iam_11() -> list[Case]:
    rule = "IAM-11"
    everybody = {"principal": "IAM_ALLOWED_PRINCIPALS", "permissions": ["ALL"]}

    def granted(principal: Any) -> R:
        return R("aws:lakeformation/permissions:Permissions", "x", {"principal": principal, "permissions": ["SELECT"]})

    def lake(**inputs: Any) -> R:
        return R("aws:lakeformation/dataLakeSettings:DataLakeSettings", "x", {"admins": [ROLE_ARN], **inputs})

    return [
        *(
            bad(rule, principal, granted(principal))
            for principal in ("IAM_ALLOWED_PRINCIPALS", "EVERYONE", "111122223333:IAMPrincipals")
        ),
        good(rule, "a role", granted(ROLE_ARN)),
        good(rule, "no text", granted(["x"])),
        open_question(rule, "somebody not known yet", granted(UNKNOWN)),
        bad(rule, "new databases", lake(createDatabaseDefaultPermissions=[everybody])),
        bad(rule, "new tables, after an unknown", lake(createTableDefaultPermissions=[UNKNOWN, everybody])),
        bad(rule, "whole tables", lake(allowFullTableExternalDataAccess=True)),
        good(rule, "no defaults", lake(createDatabaseDefaultPermissions=[], createTableDefaultPermissions=[])),
        open_question(rule, "a switch not known yet", lake(allowFullTableExternalDataAccess=UNKNOWN)),
    ]


MAKERS = (iam_01, iam_02, iam_03, iam_04, iam_05, iam_06, iam_07, iam_08, iam_09, iam_10, iam_11, seen_through)
CASES = [case for make in MAKERS for case in make()]


@parametrize(CASES)
def test_access(case: Case, known: bool) -> None:
    check(case, known)


@pytest.mark.parametrize("name", [rule.id for rule in a.family.rules])
def test_every_rule_has_cases_that_break_it_and_that_do_not(name: str) -> None:
    assert {"broken", "fine"} <= {case.up for case in CASES if case.rule == name}


def test_the_table_of_actions_is_that_of_the_service_authorization_reference() -> None:
    table = read_reference()
    assert frozenset(f"{s}:{n}" for s, names in table.items() for n in names.split()) == actions_without_resources()


@pytest.mark.parametrize(
    ("action", "verdict"),
    [
        ("cloudwatch:PutMetricData", True),
        ("CLOUDWATCH:putmetricdata", True),
        ("s3:GetObject", False),
        ("x:Unheard", False),
    ],
)
def test_actions_that_know_no_resource(action: str, verdict: bool) -> None:
    assert knows_no_resource(action) is verdict
