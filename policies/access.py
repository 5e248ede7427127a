"""Rules of IAM: every permission is named, bounded, and cannot give itself more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from policies.action_table import knows_no_resource
from policies.iam_documents import (
    Condition,
    Document,
    Principal,
    Statement,
    any_of,
    bound,
    open_resource,
    parse_arn,
    parse_document,
    public,
)
from policies.model import Family, Findings, Match, Resource, Setting, Settings, Severity, undecided, violation
from policies.plain import MALFORMED, UNKNOWN, Malformed, Plain, Unknown, at, number, switch, text

family = Family("IAM")

ROLE: Final = "aws:iam/role:Role"
_IDENTITY_POLICIES: Final = {
    "aws:iam/policy:Policy": "policy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/userPolicy:UserPolicy": "policy",
    "aws:iam/groupPolicy:GroupPolicy": "policy",
    "aws:ssoadmin/permissionSetInlinePolicy:PermissionSetInlinePolicy": "inlinePolicy",
}
_POLICY_HOLDERS: Final = (*_IDENTITY_POLICIES, ROLE)
_ATTACHMENTS: Final = {
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "policyArn",
    "aws:iam/policyAttachment:PolicyAttachment": "policyArn",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": "policyArn",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": "policyArn",
    "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive": "policyArns",
    "aws:iam/userPolicyAttachmentsExclusive:UserPolicyAttachmentsExclusive": "policyArns",
    "aws:iam/groupPolicyAttachmentsExclusive:GroupPolicyAttachmentsExclusive": "policyArns",
    "aws:ssoadmin/managedPolicyAttachment:ManagedPolicyAttachment": "managedPolicyArn",
    "aws:ssoadmin/managedPolicyAttachmentsExclusive:ManagedPolicyAttachmentsExclusive": "managedPolicyArns",
    ROLE: "managedPolicyArns",
}
_USERS: Final = (
    "aws:iam/user:User",
    "aws:iam/accessKey:AccessKey",
    "aws:iam/userLoginProfile:UserLoginProfile",
    "aws:iam/serviceSpecificCredential:ServiceSpecificCredential",
    "aws:iam/sshKey:SshKey",
    "aws:iam/signingCertificate:SigningCertificate",
)
_OF_USERS: Final = (
    "aws:iam/userPolicy:UserPolicy",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
    "aws:iam/policyAttachment:PolicyAttachment",
    "aws:iam/userPolicyAttachmentsExclusive:UserPolicyAttachmentsExclusive",
)
_PASSWORD_POLICY: Final = "aws:iam/accountPasswordPolicy:AccountPasswordPolicy"

_GUIDE: Final = "IAM user guide: "


def _documents(resource: Resource) -> Iterator[tuple[str, Plain]]:
    """The policies in a resource that grant permissions to an identity."""
    if resource.type != ROLE:
        name = _IDENTITY_POLICIES[resource.type]
        yield name, resource.value(name)
        return
    for index, entry in enumerate(resource.items("inlinePolicies")):
        yield f"inlinePolicies[{index}].policy", at(entry, "policy")


def _each_statement(resource: Resource, judge: Callable[[Statement], Iterator[tuple[Match, str]]]) -> Findings:
    """Findings of a judgement about every statement that allows something."""
    for where, value in _documents(resource):
        document = parse_document(value)
        if document is UNKNOWN:
            yield undecided(where)
        elif document is MALFORMED:
            yield undecided(where, "is no JSON document")
        elif document is not None and not isinstance(document, Unknown | Malformed):
            for statement in document:
                if statement.allows is Match.NO:
                    continue
                place = f"{where}.{statement.where}"
                found = list(judge(statement))
                for answer, what in found:
                    if answer is Match.YES and statement.allows is Match.YES:
                        yield violation(place, what)
                    elif answer is not Match.NO:
                        yield undecided(place, f"perhaps {what}; the statement is not wholly known yet")
                if not found and (statement.effect is UNKNOWN or UNKNOWN in statement.actions):
                    yield undecided(place)


def _everything(pattern: str) -> bool:
    """Whether an action pattern holds every action of every service."""
    return "*" in pattern and not pattern.strip("*?:")


def _any_action(pattern: str) -> bool:
    """Whether an action pattern holds every action of a service, or the same action of every service."""
    service, _, action = pattern.partition(":")
    wild_service = "*" in service or "?" in service
    return wild_service or ("*" in action and not action.strip("*?"))


@family.resource_rule(
    "IAM-01",
    "no-admin-statements",
    "No policy grants everything",
    Severity.CRITICAL,
    _POLICY_HOLDERS,
    fix="Name the actions that are needed.",
    source=_GUIDE + "Grant least privilege",
    frameworks=(
        "checkov CKV_AWS_62",
        "checkov CKV_AWS_63",
        "checkov CKV_AWS_275",
        "checkov CKV2_AWS_40",
        "trivy AVD-AWS-0057",
        "cdk-nag HIPAA.Security-IAMPolicyNoStatementsWithAdminAccess",
        "Security Hub IAM.1",
        "CIS AWS 1.16",
    ),
)
def no_admin_statements(resource: Resource, settings: Settings) -> Findings:
    """The action * is everything, whatever resources and conditions stand beside it."""

    def judge(statement: Statement) -> Iterator[tuple[Match, str]]:
        for action in statement.actions:
            if not isinstance(action, Unknown) and _everything(action):
                yield Match.YES, "grants every action of every service"

    return _each_statement(resource, judge)


_WHOLE_KINDS: Final = {
    ("dynamodb", "table/"),
    ("kms", "alias/"),
    ("kms", "key/"),
    ("iam", "role/"),
    ("lambda", "function:"),
    ("rds-db", "dbuser:"),
    ("secretsmanager", "secret:"),
    ("ssm", "parameter/"),
    ("states", "stateMachine:"),
}
"""Service and ARN's start of what holds data, opens it or acts: with a wildcard only after it: all of an account's."""


def _whole_kind(pattern: str) -> bool:
    """Whether a resource pattern holds every key, secret, table or parameter of an account (``key/*``, ``key*``)."""
    arn = parse_arn(pattern)
    if arn is None:
        return False
    literal, wildcard, _ = arn.resource.partition("*")
    return any(
        arn.service == service
        and (
            (arn.resource.startswith(start) and not arn.resource.removeprefix(start).strip("*?/:"))
            or bool(literal and wildcard and start.startswith(literal))
        )
        for service, start in _WHOLE_KINDS
    )


def _roles_of_others(pattern: str) -> bool:
    """Whether a resource pattern names roles in whatever account."""
    arn = parse_arn(pattern)
    return arn is not None and arn.service == "iam" and "*" in arn.account and not arn.account.strip("*?")


_MAKES_LOG_GROUPS: Final = frozenset({"logs:createloggroup", "logs:describeloggroups"})
"""What AWS grants to the role of every function on all log groups of one account and region."""


def _account_of_logs(pattern: str) -> bool:
    arn = parse_arn(pattern)
    return arn is not None and arn.service == "logs" and bool(re.fullmatch(r"\d{12}", arn.account))


_RESOURCE_CONDITIONS: Final = frozenset(
    {
        "aws:resourceaccount",
        "aws:resourceorgid",
        "aws:resourceorgpaths",
        "ec2:vpc",
        "ec2:subnet",
        "iam:awsservicename",
        "kms:resourcealiases",
    }
)
_RESOURCE_CONDITION_PREFIXES: Final = ("aws:resourcetag/", "aws:requesttag/", "kms:encryptioncontext:")
_POSITIVE: Final = ("stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike")


def _holds_to(condition: Condition, narrow: Callable[[str], bool]) -> bool:
    """Whether a condition lets nothing pass but its values, and each that is known is narrow."""
    return (
        condition.base in _POSITIVE
        and not condition.passes_when_absent
        and bool(condition.values)
        and all(isinstance(value, Unknown) or narrow(value) for value in condition.values)
    )


def _says_something(value: str) -> bool:
    return bool(value.strip("*?"))


def _begins_fixed(value: str) -> bool:
    return bool(value) and value[0] not in "*?"


def _bounds_resources(statement: Statement) -> bool:
    """Whether a condition says which resources are meant: their account, tags, network or encryption context."""
    for condition in statement.conditions:
        key = condition.key.casefold()
        names = key in _RESOURCE_CONDITIONS or key.startswith(_RESOURCE_CONDITION_PREFIXES) or ":resourcetag/" in key
        if names and _holds_to(condition, _says_something):
            return True
    return False


@family.resource_rule(
    "IAM-02",
    "no-service-wildcards",
    "No policy grants all of a service, or an action on every resource",
    Severity.HIGH,
    _POLICY_HOLDERS,
    fix="Name the actions, and the ARNs of the resources that they are for.",
    source="Service authorization reference: Actions, resources, and condition keys for AWS services",
    frameworks=(
        "checkov CKV_AWS_355",
        "checkov CKV_AWS_290",
        "checkov CKV_AWS_288",
        "checkov CKV_AWS_287",
        "trivy AVD-AWS-0057",
        "trivy AVD-AWS-0345",
        "cdk-nag AwsSolutions-IAM5",
        "Security Hub IAM.21",
        "Security Hub KMS.1",
    ),
)
def no_service_wildcards(resource: Resource, settings: Settings) -> Findings:
    """Some actions know no resource, and for those * is the only way to say it."""

    def judge(statement: Statement) -> Iterator[tuple[Match, str]]:
        known = [action for action in statement.actions if not isinstance(action, Unknown)]
        for action in known:
            if _everything(action):
                continue
            if _any_action(action):
                yield Match.YES, f"grants {action}"
        if _bounds_resources(statement):
            return
        patterns = [str(pattern) for pattern in statement.resources if pattern is not UNKNOWN]
        if any(_roles_of_others(pattern) for pattern in patterns):
            assumes = statement.grants("sts:AssumeRole")
            if assumes is not Match.NO:
                yield assumes, "assumes roles in any account"
        if patterns and all(_account_of_logs(pattern) for pattern in patterns):
            known = [action for action in known if action.casefold() not in _MAKES_LOG_GROUPS]
        wide = any(open_resource(pattern) or _whole_kind(pattern) for pattern in patterns)
        maybe = UNKNOWN in statement.resources
        bounded = [action for action in known if not _any_action(action) and not _cannot_name_resource(action)]
        if bounded and (wide or maybe):
            yield (Match.YES if wide else Match.MAYBE), f"grants {bounded[0]} on every resource"

    return _each_statement(resource, judge)


_READ_BY_AGENTS: Final = frozenset({"s3:getencryptionconfiguration"})
"""What Session Manager's agent reads of whatever bucket it logs to. Systems Manager user guide: Create a custom IAM
role for Session Manager."""


def _cannot_name_resource(action: str) -> bool:
    """Whether no resource can be named for an action; nor can it for nearly all that ``Describe*`` holds."""
    service, _, name = action.casefold().partition(":")
    if "*" not in name and "?" not in name:
        return knows_no_resource(action) or action.casefold() in _READ_BY_AGENTS
    return name.startswith("describe") and bool(service)


@family.resource_rule(
    "IAM-03",
    "no-inverted-statements",
    "No policy allows all but what it names",
    Severity.HIGH,
    _POLICY_HOLDERS,
    fix="Name the actions and resources that are allowed.",
    source=_GUIDE + "IAM JSON policy elements: NotAction; NotResource",
    frameworks=("trivy AVD-AWS-0057",),
)
def no_inverted_statements(resource: Resource, settings: Settings) -> Findings:
    """What AWS adds tomorrow is allowed the day after. A Deny of this kind is fine."""

    def judge(statement: Statement) -> Iterator[tuple[Match, str]]:
        if statement.not_actions:
            yield Match.YES, "allows every action but some (NotAction)"
        if statement.not_resources:
            yield Match.YES, "allows every resource but some (NotResource)"

    return _each_statement(resource, judge)


def _role_name_pattern(pattern: str) -> str | None:
    """The name of the roles that a resource pattern holds, with its wildcards; None when it may hold any role."""
    if open_resource(pattern):
        return None
    arn = parse_arn(pattern)
    path = arn.resource if arn is not None else pattern
    kind, separator, name = path.partition("/")
    if not separator or "*" in kind:
        return None if "*" in kind or "?" in kind else path
    literal = name.strip("*?/")
    return name if literal and not name.startswith(("*", "?")) else None


@family.resource_rule(
    "IAM-04",
    "passrole-bounded",
    "Roles are passed by name, to services by name",
    Severity.HIGH,
    _POLICY_HOLDERS,
    fix="Name the role's ARN; with a wildcard in its name, add the condition iam:PassedToService.",
    source=_GUIDE + "Grant a user permissions to pass a role to an AWS service",
    frameworks=("checkov CKV_AWS_286", "checkov CKV_AWS_289", "trivy AVD-AWS-0342"),
)
def passrole_bounded(resource: Resource, settings: Settings) -> Findings:
    """Whoever may pass any role may become any role."""

    def judge(statement: Statement) -> Iterator[tuple[Match, str]]:
        granted = statement.grants("iam:PassRole")
        if granted is Match.NO or statement.not_resources:
            if granted is Match.YES:
                yield Match.YES, "passes every role but some"
            return
        services = statement.condition("iam:PassedToService")
        limited = any(_holds_to(condition, _begins_fixed) for condition in services)
        for pattern in statement.resources:
            if isinstance(pattern, Unknown):
                yield Match.MAYBE, "passes any role"
                continue
            name = _role_name_pattern(pattern)
            if name is None:
                yield granted, "passes any role"
            elif ("*" in name or "?" in name) and not limited:
                yield granted, "passes roles by a wildcard, to any service"

    return _each_statement(resource, judge)


_ESCALATING: Final = (
    *(
        f"iam:{name}"
        for name in (
            "AddUserToGroup",
            "AttachGroupPolicy",
            "AttachRolePolicy",
            "AttachUserPolicy",
            "CreateAccessKey",
            "CreateLoginProfile",
            "CreateOpenIDConnectProvider",
            "CreatePolicyVersion",
            "CreateSAMLProvider",
            "CreateServiceSpecificCredential",
            "DeleteRolePermissionsBoundary",
            "DeactivateMFADevice",
            "DeleteUserPermissionsBoundary",
            "PutGroupPolicy",
            "PutRolePermissionsBoundary",
            "PutRolePolicy",
            "PutUserPermissionsBoundary",
            "PutUserPolicy",
            "ResetServiceSpecificCredential",
            "SetDefaultPolicyVersion",
            "UpdateAssumeRolePolicy",
            "UpdateLoginProfile",
            "UpdateSAMLProvider",
            "UploadSSHPublicKey",
            "UploadSigningCertificate",
        )
    ),
    "lakeformation:GrantPermissions",
    "lakeformation:BatchGrantPermissions",
    "lakeformation:PutDataLakeSettings",
    "organizations:AttachPolicy",
    "sso:PutInlinePolicyToPermissionSet",
)


def _bounds_permissions(statement: Statement) -> bool:
    """Whether conditions say which permissions may be written: under a boundary, or by policies that are named.

    A wildcard holds AdministratorAccess too, and so does ``arn:aws:iam::aws:policy/*``.
    """
    return any(
        _holds_to(condition, _narrow_policy)
        for key in ("iam:PermissionsBoundary", "iam:PolicyARN")
        for condition in statement.condition(key)
    )


def _narrow_policy(value: str) -> bool:
    arn = parse_arn(value)
    if arn is None or "*" in arn.account:
        return False
    name = arn.resource.rpartition("/")[2]
    return arn.account != "aws" or not ("*" in name or "?" in name or _is_broad(name))


@family.resource_rule(
    "IAM-05",
    "no-escalation",
    "No policy lets its holder write permissions",
    Severity.HIGH,
    _POLICY_HOLDERS,
    fix="Leave permissions to the program that deploys; or bind them by iam:PermissionsBoundary or iam:PolicyARN.",
    source=_GUIDE + "Permissions boundaries for IAM entities: delegating responsibility",
    frameworks=("checkov CKV_AWS_286", "checkov CKV_AWS_289"),
)
def no_escalation(resource: Resource, settings: Settings) -> Findings:
    """Whoever writes permissions has them all."""

    def judge(statement: Statement) -> Iterator[tuple[Match, str]]:
        if any(_everything(str(action)) for action in statement.actions if action is not UNKNOWN):
            return
        if _bounds_permissions(statement):
            return
        answers = [(action, statement.grants(action)) for action in _ESCALATING]
        sure = [action for action, answer in answers if answer is Match.YES]
        if sure:
            more = f" and {len(sure) - 1} more" if len(sure) > 1 else ""
            yield Match.YES, f"grants {sure[0]}{more}, by which its holder gets any permission"
        elif any(answer is Match.MAYBE for _, answer in answers):
            yield Match.MAYBE, "grants actions that write permissions"

    return _each_statement(resource, judge)


_BROAD_NAME: Final = re.compile(r"(FullAccess|PowerUser|Administrator|Admin(Access)?$)", re.IGNORECASE)
_BROAD: Final = frozenset(
    name.lower()
    for name in (
        "AmazonEC2RoleforAWSCodeDeploy",
        "AmazonEC2RoleforDataPipelineRole",
        "AmazonEC2RoleforSSM",
        "AmazonElasticMapReduceRole",
        "AmazonElasticMapReduceforEC2Role",
        "AWSDataPipelineRole",
        "AWSLambdaExecute",
        "AWSLambdaRole",
        "AWSLambda_FullAccess",
        "DataScientist",
        "ReadOnlyAccess",
        "SecretsManagerReadWrite",
        "AmazonDynamoDBReadOnlyAccess",
        "AmazonKinesisReadOnlyAccess",
        "AmazonS3ReadOnlyAccess",
        "AmazonSSMReadOnlyAccess",
    )
)


def _is_broad(name: str) -> bool:
    """Whether a policy of AWS's own by this name grants far more than a pipeline needs."""
    return name.lower() in _BROAD or bool(_BROAD_NAME.search(name))


@family.resource_rule(
    "IAM-06",
    "no-broad-managed-policies",
    "No broad policy of AWS's own is attached",
    Severity.CRITICAL,
    tuple(_ATTACHMENTS),
    fix="Write a policy with the actions and resources that are needed.",
    source="AWS managed policy reference guide; EMR management guide: Service role (v2 policies); EC2 instance profile",
    frameworks=(
        "checkov CKV_AWS_274",
        "checkov CKV2_AWS_56",
        "cdk-nag AwsSolutions-IAM4",
        "Security Hub IAM.18",
    ),
    settings={
        "allowed": Setting(
            {"type": "array", "items": {"type": "string"}},
            [],
            "Names of policies of AWS's own that may be attached although they are broad.",
        )
    },
)
def no_broad_managed_policies(resource: Resource, settings: Settings) -> Findings:
    """By name, in any partition and under any path; the first EMR policies reach every bucket of the account."""
    name = _ATTACHMENTS[resource.type]
    allowed = {str(entry).lower() for entry in settings["allowed"]}
    many = name.endswith("s")
    for index, value in enumerate(resource.items(name)):
        where = f"{name}[{index}]" if many else name
        written = text(value)
        if written is UNKNOWN:
            yield undecided(where)
            continue
        arn = parse_arn(str(written or ""))
        if arn is None or arn.service != "iam" or arn.account != "aws":
            continue
        policy = arn.resource.rpartition("/")[2]
        if policy.lower() not in allowed and _is_broad(policy):
            yield violation(where, f"attaches {policy}, which grants far more than a pipeline needs")


def _trust(resource: Resource) -> tuple[Document, str | None]:
    document = parse_document(resource.value("assumeRolePolicy"))
    if document is None:
        return (), None
    if isinstance(document, Unknown):
        return (), "is not known yet"
    if isinstance(document, Malformed):
        return (), "is no JSON document"
    return document, None


@family.resource_rule(
    "IAM-07",
    "trust-bounded",
    "Every role says who may assume it",
    Severity.CRITICAL,
    (ROLE,),
    fix="Name the service or role; another account needs a condition: sts:ExternalId, aws:PrincipalOrgID or for people "
    "aws:MultiFactorAuthPresent.",
    source=_GUIDE + "IAM JSON policy elements: Principal; The confused deputy problem",
    frameworks=(
        "checkov CKV_AWS_60",
        "checkov CKV_AWS_61",
        "checkov CKV_AWS_358",
        "checkov CKV_AWS_393",
        "KICS Cross-Account IAM Assume Role Policy Without ExternalId or MFA",
    ),
    settings={
        "accounts": Setting(
            {"type": "array", "items": {"type": "string"}},
            [],
            "Account ids that are the owner's own. When given, roles and users of other accounts need a condition too.",
        )
    },
)
def trust_bounded(resource: Resource, settings: Settings) -> Findings:
    """Everybody in the world, everybody in an account, and everybody at an identity provider are too many."""
    document, reason = _trust(resource)
    if reason:
        yield undecided("assumeRolePolicy", reason)
    for statement in document:
        where = f"assumeRolePolicy.{statement.where}"
        if statement.allows is Match.NO:
            continue
        answer = public(statement)
        if answer is Match.YES:
            yield violation(where, "lets anybody assume the role")
        elif answer is Match.MAYBE:
            yield undecided(where, "may let anybody assume the role; it is not wholly known yet")
        else:
            yield from _outsiders(statement, where, settings["accounts"])


def _outsiders(statement: Statement, where: str, own: list[str]) -> Findings:
    named = any_of((bound(statement), _has_external_id(statement)))
    person = any_of((named, _has_second_factor(statement)))
    for principal in statement.principals:
        what = _too_many(principal, statement, own)
        tied = named if principal.kind.casefold() == "federated" else person
        if what is None or tied is Match.YES:
            continue
        yield violation(where, what) if tied is Match.NO else undecided(where, f"perhaps {what}")


_SUBJECT_HEADS: Final = re.compile(
    r"(repo|repository|project_path|organization|pulumi(:\w+(:org)?)?|system(:serviceaccount)?):"
)


_SUBJECT_CLAIMS: Final = frozenset(
    {"sub", "repository", "repository_id", "repository_owner", "repository_owner_id", "job_workflow_ref"}
)


def _names_subject(subject: str) -> bool:
    """Whether a subject names an owner as a whole: ``acme*`` lets in whoever takes a name that begins alike."""
    fixed, *wild = re.split(r"[*?]", subject, maxsplit=1)
    owner, separator, _ = re.sub(r"[:/]", "/", fixed).partition("/")
    return bool(owner) and (not wild or bool(separator))


def _narrows_provider(condition: Condition) -> bool:
    """Whether a condition on an identity provider's claims says who is meant.

    The audience ``sts.amazonaws.com`` is the same for everybody, and a subject must name more than its kind
    (``repo:*``). GitHub documentation: Configuring OpenID Connect in Amazon Web Services.
    """
    claim = condition.key.casefold().rpartition(":")[2]
    positive = condition.base in ("stringequals", "stringequalsignorecase", "stringlike")
    if not positive or condition.passes_when_absent or not condition.values:
        return False
    known = [str(value) for value in condition.values if value is not UNKNOWN]
    if claim in ("aud", "app_id"):
        return all(value.strip("*?") and value.casefold() != "sts.amazonaws.com" for value in known)
    if claim in _SUBJECT_CLAIMS:
        return all(_names_subject(_SUBJECT_HEADS.sub("", value, count=1)) for value in known)
    return False


def _too_many(principal: Principal, statement: Statement, own: list[str]) -> str | None:
    """Who is let in by a principal that no condition narrows; None when that is somebody in particular."""
    if principal.kind.casefold() == "federated":
        narrowed = any(_narrows_provider(condition) for condition in statement.conditions)
        return None if narrowed else "lets everybody at an identity provider assume the role"
    account = principal.account
    if account is None or account in own:
        return None
    if principal.whole_account:
        return f"lets everybody in account {account} assume the role"
    return f"lets account {account}, which is not the owner's, assume the role" if own else None


def _has_external_id(statement: Statement) -> Match:
    return any_of(
        Match.MAYBE
        if UNKNOWN in condition.values
        else Match.YES
        if condition.values and all(str(value).strip("*?") for value in condition.values)
        else Match.NO
        for condition in statement.condition("sts:ExternalId")
        if condition.base in _POSITIVE and not condition.passes_when_absent
    )


def _has_second_factor(statement: Statement) -> Match:
    """Whether people of another account must have used a second factor, as IAM's guide asks of them."""
    return any_of(
        Match.MAYBE if UNKNOWN in condition.values else Match.YES
        for condition in statement.condition("aws:MultiFactorAuthPresent")
        if condition.operator.casefold() == "bool"
        and condition.values
        and all(value is UNKNOWN or str(value).casefold() == "true" for value in condition.values)
    )


@family.resource_rule(
    "IAM-08",
    "no-users-or-keys",
    "No user and no access key",
    Severity.HIGH,
    (*_USERS, *_OF_USERS),
    fix="Use roles: they hand out credentials that end by themselves.",
    source=_GUIDE + "Security best practices: require workloads to use temporary credentials",
    frameworks=(
        "checkov CKV_AWS_273",
        "checkov CKV_AWS_40",
        "trivy AVD-AWS-0143",
        "Security Hub IAM.2",
        "CIS AWS 1.15",
    ),
)
def no_users_or_keys(resource: Resource, settings: Settings) -> Findings:
    """An access key works until somebody remembers it; a policy of a user's own is one that nobody else looks at."""
    if resource.type in _USERS:
        yield violation("", "is a credential that does not end by itself")
        return
    where = "user" if "user" in resource.properties else "users"
    if "policyArns" in resource.properties:  # The exclusive list: an empty one takes all policies away.
        where = "policyArns"
    if any(text(name) is not None for name in resource.items(where)):
        yield violation(where, "gives a user a policy of its own")


_PASSWORD_SWITCHES: Final = (
    "requireLowercaseCharacters",
    "requireUppercaseCharacters",
    "requireNumbers",
    "requireSymbols",
)


@family.resource_rule(
    "IAM-10",
    "password-policy",
    "Passwords of the account's users are long, mixed and not used again",
    Severity.MEDIUM,
    (_PASSWORD_POLICY,),
    fix="Set minimumPasswordLength 14, passwordReusePrevention 24 and the four kinds of characters to true.",
    source=_GUIDE + "Set an account password policy for IAM users",
    frameworks=(
        "checkov CKV_AWS_9",
        "checkov CKV_AWS_10",
        "checkov CKV_AWS_11",
        "checkov CKV_AWS_12",
        "checkov CKV_AWS_13",
        "checkov CKV_AWS_14",
        "checkov CKV_AWS_15",
        "trivy AVD-AWS-0063",
        "Security Hub IAM.7",
        "CIS AWS 1.8",
        "CIS AWS 1.9",
    ),
    settings={
        "minimumLength": Setting({"type": "integer", "minimum": 6, "maximum": 128}, 14, "Fewest characters."),
        "remembered": Setting(
            {"type": "integer", "minimum": 0, "maximum": 24}, 24, "Fewest earlier passwords that are refused."
        ),
        "mostDays": Setting(
            {"type": "integer", "minimum": 0, "maximum": 1095},
            0,
            "Most days of a password's life (checkov CKV_AWS_9 asks for 90); 0 asks for none, as NIST SP 800-63B does.",
        ),
    },
)
def password_policy(resource: Resource, settings: Settings) -> Findings:
    """What the policy leaves out, IAM does not ask for."""
    for name, least in (
        ("minimumPasswordLength", settings["minimumLength"]),
        ("passwordReusePrevention", settings["remembered"]),
    ):
        found = number(resource.value(name))
        if isinstance(found, Unknown):
            yield undecided(name)
        elif (found or 0) < least:
            yield violation(name, f"is less than {least}")
    for name in _PASSWORD_SWITCHES:
        flag = switch(resource.value(name))
        if flag is UNKNOWN:
            yield undecided(name)
        elif flag is not True:
            yield violation(name, "is not true")
    days = number(resource.value("maxPasswordAge"))
    most = settings["mostDays"]
    if days is UNKNOWN and most:
        yield undecided("maxPasswordAge")
    elif most and (not days or days > most):
        yield violation("maxPasswordAge", f"lets passwords live longer than {most} days")


_SERVICES_LET_IN: Final = (
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:sns/topic:Topic",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sqs/queue:Queue",
    "aws:sqs/queuePolicy:QueuePolicy",
)


@family.resource_rule(
    "IAM-09",
    "services-bounded",
    "Services are let in for somebody in particular",
    Severity.MEDIUM,
    _SERVICES_LET_IN,
    fix="Add the condition aws:SourceArn or aws:SourceAccount.",
    source=_GUIDE + "The confused deputy problem: cross-service confused deputy prevention",
)
def services_bounded(resource: Resource, settings: Settings) -> Findings:
    """A service acts for whoever asks it to, in any account, unless the policy says for whom."""
    document = parse_document(resource.value("policy"))
    if document is None or isinstance(document, Unknown | Malformed):
        return  # The rule on who is let in says what is not known.
    for statement in document:
        if statement.allows is not Match.YES or not any(p.kind.casefold() == "service" for p in statement.principals):
            continue
        tied = bound(statement)
        if tied is Match.NO:
            yield violation(f"policy.{statement.where}", "lets a service in for anybody who asks it")
        elif tied is Match.MAYBE:
            yield undecided(f"policy.{statement.where}", "lets a service in; for whom is not known yet")


_LAKE_PERMISSIONS: Final = "aws:lakeformation/permissions:Permissions"
_LAKE_SETTINGS: Final = "aws:lakeformation/dataLakeSettings:DataLakeSettings"
_LAKE_DEFAULTS: Final = ("createDatabaseDefaultPermissions", "createTableDefaultPermissions")


@family.resource_rule(
    "IAM-11",
    "lake-permissions-named",
    "Permissions in Lake Formation are for somebody in particular",
    Severity.MEDIUM,
    (_LAKE_PERMISSIONS, _LAKE_SETTINGS),
    fix="Name the role; leave the default permissions empty, and allowFullTableExternalDataAccess off.",
    source="Lake Formation developer guide: Changing the default settings for your data lake; Application integration",
)
def lake_permissions_named(resource: Resource, settings: Settings) -> Findings:
    """IAM_ALLOWED_PRINCIPALS is whoever an IAM policy lets through, so that Lake Formation decides nothing."""
    if resource.type == _LAKE_PERMISSIONS:
        yield from _whoever("principal", resource.value("principal"))
        return
    for name in _LAKE_DEFAULTS:
        for index, entry in enumerate(resource.items(name)):
            yield from _whoever(f"{name}[{index}].principal", at(entry, "principal"))
    full = switch(resource.value("allowFullTableExternalDataAccess"))
    if full is UNKNOWN:
        yield undecided("allowFullTableExternalDataAccess")
    elif full is True:
        yield violation("allowFullTableExternalDataAccess", "lets engines read tables past their columns and cells")


def _whoever(where: str, value: Plain) -> Findings:
    principal = text(value)
    if principal is UNKNOWN:
        yield undecided(where)
    elif str(principal).upper() in {"IAM_ALLOWED_PRINCIPALS", "EVERYONE"} or str(principal).endswith(":IAMPrincipals"):
        yield violation(where, "is everybody whom an IAM policy lets through")
