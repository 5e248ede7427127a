"""Whether the deployment's roles are allowed what they did, and did what they are allowed.

Each call that a function or a state machine made in the sandbox is compared with the policies of its role as they are
deployed: action, resource and conditions. The sandbox itself lets every call pass. What is granted and was not used in
the run is there for something that happens elsewhere, and `REASONS` says for what.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sandbox.aws.call_records import STATE_MACHINE


@dataclass(frozen=True)
class Call:
    """A call to AWS, as the sandbox noted it."""

    principal: str
    """ARN of the role, or `STATE_MACHINE`."""
    service: str
    """Name of the service in boto3."""
    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Request:
    """What IAM is asked for a call."""

    action: str
    resource: str
    """An ARN, or ``*`` for actions that know no resource."""
    context: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """Values by condition key."""


@dataclass(frozen=True)
class Place:
    """Where the stack lives, and the tags that its clusters carry."""

    region: str
    account_id: str
    cluster_tags: Mapping[str, str]

    def arn(self, service: str, resource: str) -> str:
        """ARN of something in this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account_id}:{resource}"


@dataclass(frozen=True)
class Grant:
    """An action that a statement of a role's policy allows."""

    sid: str
    action: str

    def __str__(self) -> str:
        return f"{self.sid} {self.action}"


@dataclass
class Evidence:
    """What came of the comparison."""

    calls: int = 0
    refused: list[str] = field(default_factory=list[str])
    """Calls that IAM would refuse."""
    unused: list[str] = field(default_factory=list[str])
    """Grants that nothing used and that no reason names."""
    reasons_without_grant: list[str] = field(default_factory=list[str])
    """Reasons that name what is not granted any more."""


class Unmapped(ValueError):
    """There is a call of which it is not known what IAM is asked for it; add it to `_REQUESTS`."""


LAMBDA: Final = "Lambda does it with the function's role: it polls the queue, writes the log, traces and has interfaces"
KMS: Final = "the service that is called asks KMS for it, on the role's behalf and through itself (kms:ViaService)"
FAILURE: Final = "a failure path that the run does not take; the fault matrix of tests/state_machine does"

REASONS: Final[Mapping[tuple[str, str], str]] = {
    ("dispatcher", "TakeMessages *"): LAMBDA,
    ("dispatcher", "KeepFailedCalls sqs:SendMessage"): LAMBDA,
    ("dispatcher", "* logs:*"): LAMBDA,
    ("dispatcher", "* xray:*"): LAMBDA,
    ("dispatcher", "* ec2:*"): LAMBDA,
    ("dispatcher", "* kms:*"): KMS,
    ("dispatcher", "LookAtExecutions states:DescribeExecution"): "an execution of that name exists already",
    ("housekeeping", "* logs:*"): LAMBDA,
    ("housekeeping", "* xray:*"): LAMBDA,
    ("housekeeping", "* ec2:*"): LAMBDA,
    ("housekeeping", "* kms:*"): KMS,
    ("housekeeping", "CancelSteps elasticmapreduce:*"): FAILURE,
    ("housekeeping", "FindCluster ssm:GetParameter"): FAILURE,
    ("housekeeping", "Notify sns:Publish"): FAILURE,
    ("housekeeping", "UseLedger dynamodb:UpdateItem"): FAILURE,
    ("housekeeping", "ReadExecutions states:DescribeExecution"): FAILURE,
    ("pipeline", "* kms:*"): KMS,
    ("pipeline", "DeliverLogs logs:*"): "Step Functions sets up the delivery of its logs with the state machine's role",
    ("pipeline", "Trace xray:*"): "Step Functions traces with the state machine's role",
    ("pipeline", "RunSteps elasticmapreduce:CancelSteps"): FAILURE,
    ("pipeline", "RunSteps elasticmapreduce:ListSteps"): "before it submits again it looks the step up by its name",
    ("pipeline", "MissReports s3:ListBucket"): "makes S3 say that a report is missing, instead of refusing to tell",
}
"""By role and grant (with ``*``): what it is for, when the run does not use it."""


def read_calls(file: Path) -> list[Call]:
    """The calls that were noted, each once."""
    lines = dict.fromkeys(file.read_text(encoding="utf-8").splitlines())
    return [Call(**json.loads(line)) for line in lines]


def compare(calls: Sequence[Call], statements: Mapping[str, Sequence[Mapping[str, Any]]], place: Place) -> Evidence:
    """Compare calls with what roles allow.

    Args:
        calls: What was called; the principal is a key of `statements`.
        statements: By role (``dispatcher``), the statements of all its policies.
        place: Where it all is.

    Raises:
        Unmapped: for a call that this module does not know.
    """
    evidence = Evidence(calls=len(calls))
    used: set[tuple[str, Grant]] = set()
    for call in calls:
        for request in requests(call, place):
            found = [
                Grant(statement["Sid"], action)
                for statement in statements[call.principal]
                for action in _listed(statement["Action"])
                if allows(statement, action, request)
            ]
            used.update((call.principal, grant) for grant in found)
            if not found:
                evidence.refused.append(f"{call.principal}: {request.action} on {request.resource}")
    named: set[tuple[str, str]] = set()
    for role, its in statements.items():
        for statement in its:
            for action in _listed(statement["Action"]):
                grant = Grant(statement["Sid"], action)
                reasons = [key for key in REASONS if key[0] == role and fnmatch.fnmatchcase(str(grant), key[1])]
                named.update(reasons)
                if not reasons and (role, grant) not in used:
                    evidence.unused.append(f"{role}: {grant}")
    evidence.reasons_without_grant = [" ".join(key) for key in REASONS if key[0] in statements and key not in named]
    return evidence


def allows(statement: Mapping[str, Any], action: str, request: Request) -> bool:
    """Whether a statement allows a request by one of its actions.

    Raises:
        ValueError: for a kind of condition that our policies do not use.
    """
    return (
        statement["Effect"] == "Allow"
        and _fits(action.lower(), request.action.lower())
        and any(_fits(pattern, request.resource) for pattern in _listed(statement["Resource"]))
        and all(
            _holds(operator, _listed(wanted), request.context.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(operator: str, wanted: Sequence[str], found: Sequence[str] | None) -> bool:
    """Whether a condition holds (IAM user guide, "Condition operators"); a key that is absent fits no value."""
    every, _, kind = operator.rpartition(":")
    if every not in ("", "ForAllValues", "ForAnyValue") or kind not in ("StringEquals", "StringLike", "ArnEquals"):
        raise ValueError(f"the condition operator {operator} is not known here")
    if found is None:
        return every == "ForAllValues"
    quantifier = any if every == "ForAnyValue" else all
    return quantifier(any(_fits(str(pattern), value) for pattern in wanted) for value in found)


def _fits(pattern: str, value: str) -> bool:
    # IAM knows * and ?; fnmatch would read brackets too.
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- what IAM is asked ----------------------------------------------------------------------------------------------

Requests = Callable[[Mapping[str, Any], Place], Sequence[Request]]


def requests(call: Call, place: Place) -> Iterator[Request]:
    """What IAM is asked for a call (Service Authorization Reference, by service).

    Raises:
        Unmapped: when it is not known.
    """
    build = _REQUESTS.get((call.service, call.operation))
    if build is None:
        raise Unmapped(f"{call.service} {call.operation} by {call.principal}: what IAM is asked for it is not known")
    yield from build(call.parameters, place)


def _table(action: str) -> Requests:
    def build(parameters: Mapping[str, Any], place: Place) -> Sequence[Request]:
        index = parameters.get("IndexName")
        resource = f"table/{parameters['TableName']}" + (f"/index/{index}" if index else "")
        key = parameters.get("Key", {}).get("pk")
        # A resource of DynamoDB takes plain values, a client takes typed ones.
        leading = key.get("S") if isinstance(key, Mapping) else key
        context = {"dynamodb:LeadingKeys": [str(leading)]} if leading else {}
        return [Request(f"dynamodb:{action}", place.arn("dynamodb", resource), context)]

    return build


def _object(action: str) -> Requests:
    def build(parameters: Mapping[str, Any], place: Place) -> Sequence[Request]:
        return [Request(f"s3:{action}", f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}")]

    return build


def _cluster(action: str) -> Requests:
    def build(parameters: Mapping[str, Any], place: Place) -> Sequence[Request]:
        cluster = parameters.get("ClusterId") or parameters["JobFlowId"]
        tags = {f"elasticmapreduce:ResourceTag/{name}": [value] for name, value in place.cluster_tags.items()}
        return [Request(f"elasticmapreduce:{action}", place.arn("elasticmapreduce", f"cluster/{cluster}"), tags)]

    return build


def _named(action: str, parameter: str) -> Requests:
    def build(parameters: Mapping[str, Any], place: Place) -> Sequence[Request]:
        return [Request(action, str(parameters[parameter]))]

    return build


def _anything(action: str, **keys: str) -> Requests:
    def build(parameters: Mapping[str, Any], place: Place) -> Sequence[Request]:
        context = {f"{action.split(':')[0]}:{key}": [parameters[name]] for key, name in keys.items()}
        return [Request(action, "*", context)]

    return build


def _parameter(parameters: Mapping[str, Any], place: Place) -> Sequence[Request]:
    return [Request("ssm:GetParameter", place.arn("ssm", f"parameter/{parameters['Name'].lstrip('/')}"))]


def _start(parameters: Mapping[str, Any], place: Place) -> Sequence[Request]:
    # Step Functions guide, "Authorization for versions and aliases": the qualifier is a condition, no resource.
    arn = str(parameters["stateMachineArn"])
    machine = ":".join(arn.split(":")[:7])
    qualifier = {"states:StateMachineQualifier": [arn.removeprefix(f"{machine}:")]} if arn != machine else {}
    return [Request("states:StartExecution", machine, qualifier)]


_REQUESTS: Final[Mapping[tuple[str, str], Requests]] = {
    **{("dynamodb", name): _table(name) for name in ("GetItem", "PutItem", "UpdateItem", "Query")},
    ("s3", "GetObject"): _object("GetObject"),
    ("s3", "HeadObject"): _object("GetObject"),
    ("s3", "PutObject"): _object("PutObject"),
    **{
        ("emr", name): _cluster(name)
        for name in ("AddJobFlowSteps", "CancelSteps", "DescribeCluster", "DescribeStep", "ListSteps")
    },
    ("ssm", "GetParameter"): _parameter,
    ("sns", "Publish"): _named("sns:Publish", "TopicArn"),
    ("sns", "ListSubscriptionsByTopic"): _named("sns:ListSubscriptionsByTopic", "TopicArn"),
    ("stepfunctions", "StartExecution"): _start,
    ("stepfunctions", "DescribeExecution"): _named("states:DescribeExecution", "executionArn"),
    ("cloudwatch", "PutMetricData"): _anything("cloudwatch:PutMetricData", namespace="Namespace"),
    ("cloudwatch", "GetMetricStatistics"): _anything("cloudwatch:GetMetricStatistics"),
}
__all__ = ["REASONS", "STATE_MACHINE", "Call", "Evidence", "Place", "Request", "allows", "compare", "read_calls"]
