"""Put a stack right after its engine or a provider died in the middle: ``python -m tools.recover --stack NAME``.

What was being made at that moment is at best a *pending operation* of the state: AWS may have made it or not. Left
alone, the next ``up`` makes it again, and AWS refuses the second one of that name, or there are two. Here each is
looked up in AWS, by name, by what it belongs to, or by its ``Name`` tag: what is there goes into the state with its
id, what is not is dropped. A refresh then reads the rest, and ``make up`` finishes the work.

Types that are not in `FINDERS` are made by a call that may be repeated (a bucket's settings, an alarm, a policy).
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions

import settings as configuration
from tools import cli, deploy

Inputs = Mapping[str, Any]
Clients = Callable[[str], Any]
"""boto3's client of a service, in the stack's region."""


@dataclass(frozen=True)
class Found:
    """A thing in AWS."""

    id: str
    """Its id, as the provider has it."""
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What else a read needs to find it."""


Finder = Callable[[Clients, Inputs], Iterable[str | Found]]
"""What there is in AWS that these inputs would make."""
_UNKNOWN = ("04da6b54-80e4-46f7-96ec-b56ff0331ba9",)
"""How a plan writes a text that is not known yet (pulumi ``sdk/go/common/resource/plugin/rpc.go``)."""
ACTIVE_CLUSTERS = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]


class RecoverError(Exception):
    """An expected failure; the message says what to do."""


def _found(entry: str | Found) -> Found:
    return Found(entry) if isinstance(entry, str) else entry


def _there(call: Callable[[], Any], *absent: str) -> Any:
    """What a call returns; None when AWS says, by one of the codes, that there is no such thing."""
    try:
        return call()
    except botocore.exceptions.ClientError as error:
        if error.response.get("Error", {}).get("Code") in absent:
            return None
        raise


def _made_up(inputs: Inputs, name: str = "name") -> Callable[[str], Any]:
    """Whether something has a name that the provider would make up for these inputs: each plan makes up another one.

    That is the resource's Pulumi name and seven hexadecimal digits (pulumi-terraform-bridge
    ``pkg/tfbridge/autonaming.go``). Nothing has one when the program gives the name.
    """
    stem = re.fullmatch(r"(.*-)[0-9a-f]{7}", inputs[name]) if name in inputs.get("__defaults", ()) else None
    pattern = re.compile(rf"{re.escape(stem[1])}[0-9a-f]{{7}}" if stem else r"(?!)")
    return pattern.fullmatch


def _tagged(tags: Iterable[Mapping[str, str]], inputs: Inputs) -> bool:
    """Whether AWS lists exactly the tags of these inputs."""
    given = inputs.get("tagsAll") or inputs.get("tags") or {}
    return {tag["Key"]: tag["Value"] for tag in tags} == dict(given)


def _by_name_tag(call: str, member: str, identity: str) -> Finder:
    """Network resources have no names but a tag, which the program makes one of its own for each."""

    def find(use: Clients, inputs: Inputs) -> Iterator[str]:
        name = (inputs.get("tagsAll") or inputs.get("tags") or {}).get("Name")
        if not name:
            return
        for page in use("ec2").get_paginator(call).paginate():
            for thing in page[member]:
                gone = thing.get("State") in ("deleted", "deleting")
                if not gone and {"Key": "Name", "Value": name} in thing.get("Tags", ()):
                    yield thing[identity]

    return find


def _address(use: Clients, inputs: Inputs) -> Iterator[str]:
    name = (inputs.get("tagsAll") or {}).get("Name")
    for address in use("ec2").describe_addresses()["Addresses"]:
        if name and {"Key": "Name", "Value": name} in address.get("Tags", ()):
            yield address["AllocationId"]


def _by_call(
    service: str, call: str, argument: str, source: str, identity: Callable[[Any], str], *absent: str
) -> Finder:
    """A thing with a name of its own: one describing call says whether it is there."""

    def find(use: Clients, inputs: Inputs) -> Iterator[str]:
        described = _there(lambda: getattr(use(service), call)(**{argument: inputs[source]}), *absent)
        if described is not None:
            yield identity(described)

    return find


def _log_group(use: Clients, inputs: Inputs) -> Iterator[str]:
    for group in use("logs").describe_log_groups(logGroupNamePrefix=inputs["name"])["logGroups"]:
        if group["logGroupName"] == inputs["name"]:
            yield inputs["name"]


def _query_definition(use: Clients, inputs: Inputs) -> Iterator[str]:
    for query in use("logs").describe_query_definitions(queryDefinitionNamePrefix=inputs["name"])["queryDefinitions"]:
        if query["name"] == inputs["name"]:
            yield query["queryDefinitionId"]


def _role(use: Clients, inputs: Inputs) -> Iterator[str | Found]:
    iam = use("iam")
    if _there(lambda: iam.get_role(RoleName=inputs["name"]), "NoSuchEntity"):
        yield inputs["name"]
        return
    made_up = _made_up(inputs)
    for page in iam.get_paginator("list_roles").paginate():
        for name in [role["RoleName"] for role in page["Roles"] if made_up(role["RoleName"])]:
            if _tagged(iam.list_role_tags(RoleName=name)["Tags"], inputs):
                yield Found(name, {"name": name})


def _role_policy(use: Clients, inputs: Inputs) -> Iterator[Found]:
    """An inline policy of another name would stay beside the one that is made next, and keep the role from its end."""
    made_up = _made_up(inputs)
    pages = use("iam").get_paginator("list_role_policies").paginate(RoleName=inputs["role"])
    for page in _there(lambda: list(pages), "NoSuchEntity") or ():
        for name in page["PolicyNames"]:
            if name == inputs["name"] or made_up(name):
                yield Found(f"{inputs['role']}:{name}", {"name": name})


def _event_target(use: Clients, inputs: Inputs) -> Iterator[Found]:
    missing = "ResourceNotFoundException"
    listed = _there(lambda: use("events").list_targets_by_rule(Rule=inputs["rule"]), missing)
    for target in listed["Targets"] if listed else ():
        if target["Arn"] == inputs["arn"]:
            yield Found(f"{inputs['rule']}-{target['Id']}", {"targetId": target["Id"]})


def _key(use: Clients, inputs: Inputs) -> Iterator[str]:
    """A key has no name: its description and all its tags together are those of one only."""
    kms = use("kms")
    for page in kms.get_paginator("list_keys").paginate():
        for listed in page["Keys"]:
            key = kms.describe_key(KeyId=listed["KeyId"])["KeyMetadata"]
            if key["KeyManager"] != "CUSTOMER" or key["KeyState"] == "PendingDeletion":
                continue
            if key.get("Description") != inputs.get("description"):
                continue
            tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]}
            if tags == (inputs.get("tagsAll") or {}):
                yield key["KeyId"]


def _key_alias(use: Clients, inputs: Inputs) -> Iterator[str]:
    for page in use("kms").get_paginator("list_aliases").paginate():
        yield from (alias["AliasName"] for alias in page["Aliases"] if alias["AliasName"] == inputs["name"])


def _security_group(use: Clients, inputs: Inputs) -> Iterator[str | Found]:
    """A pending one has its whole name; one that a plan names anew is found by its tag."""
    filters = [{"Name": "group-name", "Values": [inputs["name"]]}]
    named = [group["GroupId"] for group in use("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]]
    yield from named or _by_name_tag("describe_security_groups", "SecurityGroups", "GroupId")(use, inputs)


def _security_group_rule(egress: bool) -> Finder:
    sources = {"cidrIpv4": "CidrIpv4", "prefixListId": "PrefixListId"}

    def find(use: Clients, inputs: Inputs) -> Iterator[str]:
        filters = [{"Name": "group-id", "Values": [inputs["securityGroupId"]]}]
        for rule in use("ec2").describe_security_group_rules(Filters=filters)["SecurityGroupRules"]:
            same = (
                rule["IsEgress"] == egress
                and rule["IpProtocol"] == str(inputs["ipProtocol"])
                and all(
                    rule.get(member, -1) in (inputs.get(name), -1 if inputs.get(name) is None else inputs.get(name))
                    for name, member in (("fromPort", "FromPort"), ("toPort", "ToPort"))
                )
                and all(rule.get(member) == inputs.get(name) for name, member in sources.items())
                and rule.get("ReferencedGroupInfo", {}).get("GroupId") == inputs.get("referencedSecurityGroupId")
            )
            if same:
                yield rule["SecurityGroupRuleId"]

    return find


def _route_id(table: str, destination: str) -> str:
    """As the provider makes it (terraform-provider-aws ``internal/service/ec2/vpc_route.go``: routeCreateID)."""
    return f"r-{table}{zlib.crc32(destination.encode())}"


def _route(use: Clients, inputs: Inputs) -> Iterator[str]:
    destination = inputs["destinationCidrBlock"]
    (table,) = use("ec2").describe_route_tables(RouteTableIds=[inputs["routeTableId"]])["RouteTables"]
    if any(route.get("DestinationCidrBlock") == destination for route in table["Routes"]):
        yield _route_id(inputs["routeTableId"], destination)


def _route_table_association(use: Clients, inputs: Inputs) -> Iterator[str]:
    (table,) = use("ec2").describe_route_tables(RouteTableIds=[inputs["routeTableId"]])["RouteTables"]
    for entry in table["Associations"]:
        if entry.get("SubnetId") == inputs.get("subnetId"):
            yield entry["RouteTableAssociationId"]


def _cluster(use: Clients, inputs: Inputs) -> Iterator[str]:
    emr = use("emr")
    for page in emr.get_paginator("list_clusters").paginate(ClusterStates=ACTIVE_CLUSTERS):
        for cluster in page["Clusters"]:
            if cluster["Name"] == inputs["name"]:
                tags = {
                    tag["Key"]: tag["Value"]
                    for tag in emr.describe_cluster(ClusterId=cluster["Id"])["Cluster"].get("Tags", [])
                }
                if (inputs.get("tagsAll") or {}).items() <= tags.items():
                    yield cluster["Id"]


def _instance_group(use: Clients, inputs: Inputs) -> Iterator[str]:
    pages = use("emr").get_paginator("list_instance_groups").paginate(ClusterId=inputs["clusterId"])
    for page in pages:
        for group in page["InstanceGroups"]:
            if group["InstanceGroupType"] == "TASK" and group["Name"] == inputs.get("name"):
                yield group["Id"]


def _permission(use: Clients, inputs: Inputs) -> Iterator[Found]:
    made_up = _made_up(inputs, "statementId")
    answer = _there(lambda: use("lambda").get_policy(FunctionName=inputs["function"]), "ResourceNotFoundException")
    for statement in json.loads(answer["Policy"])["Statement"] if answer else ():
        if statement["Sid"] == inputs["statementId"] or made_up(statement["Sid"]):
            yield Found(statement["Sid"], {"statementId": statement["Sid"]})


def _event_source_mapping(use: Clients, inputs: Inputs) -> Iterator[str]:
    found = use("lambda").list_event_source_mappings(
        EventSourceArn=inputs["eventSourceArn"], FunctionName=inputs["functionName"]
    )
    yield from (entry["UUID"] for entry in found["EventSourceMappings"])


def _secret(use: Clients, inputs: Inputs) -> Iterator[Found]:
    made_up = _made_up(inputs)
    for page in use("secretsmanager").get_paginator("list_secrets").paginate():
        for secret in page["SecretList"]:
            mine = made_up(secret["Name"]) and _tagged(secret.get("Tags", ()), inputs)
            if secret["Name"] == inputs["name"] or mine:
                yield Found(secret["ARN"], {"name": secret["Name"]})


def _secret_version(use: Clients, inputs: Inputs) -> Iterator[str]:
    listed = _there(lambda: use("secretsmanager").list_secret_version_ids(SecretId=inputs["secretId"]))
    for version in listed["Versions"]:
        if "AWSCURRENT" in version.get("VersionStages", ()):
            yield f"{inputs['secretId']}|{version['VersionId']}"


def _subscription(use: Clients, inputs: Inputs) -> Iterator[str]:
    """One that waits for its confirmation has no ARN yet, and subscribing again is the same one."""
    for page in use("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=inputs["topic"]):
        for entry in page["Subscriptions"]:
            arn = entry["SubscriptionArn"].startswith("arn:")
            if arn and entry["Protocol"] == inputs["protocol"] and entry["Endpoint"] == inputs["endpoint"]:
                yield entry["SubscriptionArn"]


def _catalog_id(use: Clients) -> str:
    return use("sts").get_caller_identity()["Account"]


def _database(use: Clients, inputs: Inputs) -> Iterator[str]:
    if _there(lambda: use("glue").get_database(Name=inputs["name"]), "EntityNotFoundException"):
        yield f"{_catalog_id(use)}:{inputs['name']}"


def _table(use: Clients, inputs: Inputs) -> Iterator[str]:
    where = {"DatabaseName": inputs["databaseName"], "Name": inputs["name"]}
    if _there(lambda: use("glue").get_table(**where), "EntityNotFoundException"):
        yield f"{_catalog_id(use)}:{inputs['databaseName']}:{inputs['name']}"


def _budget(use: Clients, inputs: Inputs) -> Iterator[str]:
    account = _catalog_id(use)
    where = {"AccountId": account, "BudgetName": inputs["name"]}
    if _there(lambda: use("budgets").describe_budget(**where), "NotFoundException"):
        yield f"{account}:{inputs['name']}"


def _same(name: str, *path: str) -> Callable[[Any], str]:
    def read(described: Any) -> str:
        for part in (name, *path):
            described = described[part]
        return described

    return read


def _bucket(use: Clients, inputs: Inputs) -> Iterator[str]:
    if _there(lambda: use("s3").head_bucket(Bucket=inputs["bucket"]), "404", "NoSuchBucket"):
        yield inputs["bucket"]


FINDERS: Mapping[str, Finder] = {
    "aws:budgets/budget:Budget": _budget,
    "aws:cloudwatch/eventTarget:EventTarget": _event_target,
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:cloudwatch/queryDefinition:QueryDefinition": _query_definition,
    "aws:dynamodb/table:Table": _by_call(
        "dynamodb", "describe_table", "TableName", "name", _same("Table", "TableName"), "ResourceNotFoundException"
    ),
    "aws:ec2/eip:Eip": _address,
    "aws:ec2/flowLog:FlowLog": _by_name_tag("describe_flow_logs", "FlowLogs", "FlowLogId"),
    "aws:ec2/internetGateway:InternetGateway": _by_name_tag(
        "describe_internet_gateways", "InternetGateways", "InternetGatewayId"
    ),
    "aws:ec2/natGateway:NatGateway": _by_name_tag("describe_nat_gateways", "NatGateways", "NatGatewayId"),
    "aws:ec2/route:Route": _route,
    "aws:ec2/routeTable:RouteTable": _by_name_tag("describe_route_tables", "RouteTables", "RouteTableId"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _route_table_association,
    "aws:ec2/securityGroup:SecurityGroup": _security_group,
    "aws:ec2/subnet:Subnet": _by_name_tag("describe_subnets", "Subnets", "SubnetId"),
    "aws:ec2/vpc:Vpc": _by_name_tag("describe_vpcs", "Vpcs", "VpcId"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _by_name_tag("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    "aws:emr/cluster:Cluster": _cluster,
    "aws:emr/instanceGroup:InstanceGroup": _instance_group,
    "aws:emr/securityConfiguration:SecurityConfiguration": _by_call(
        "emr", "describe_security_configuration", "Name", "name", _same("Name"), "InvalidRequestException"
    ),
    "aws:glue/catalogDatabase:CatalogDatabase": _database,
    "aws:glue/catalogTable:CatalogTable": _table,
    "aws:iam/instanceProfile:InstanceProfile": _by_call(
        "iam",
        "get_instance_profile",
        "InstanceProfileName",
        "name",
        _same("InstanceProfile", "InstanceProfileName"),
        "NoSuchEntity",
    ),
    "aws:iam/role:Role": _role,
    "aws:iam/rolePolicy:RolePolicy": _role_policy,
    "aws:kms/alias:Alias": _key_alias,
    "aws:kms/key:Key": _key,
    "aws:lambda/eventSourceMapping:EventSourceMapping": _event_source_mapping,
    "aws:lambda/function:Function": _by_call(
        "lambda",
        "get_function",
        "FunctionName",
        "name",
        _same("Configuration", "FunctionName"),
        "ResourceNotFoundException",
    ),
    "aws:lambda/permission:Permission": _permission,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:secretsmanager/secret:Secret": _secret,
    "aws:secretsmanager/secretVersion:SecretVersion": _secret_version,
    "aws:sns/topicSubscription:TopicSubscription": _subscription,
    "aws:sqs/queue:Queue": _by_call(
        "sqs",
        "get_queue_url",
        "QueueName",
        "name",
        _same("QueueUrl"),
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
    ),
    "aws:ssm/parameter:Parameter": _by_call(
        "ssm", "get_parameter", "Name", "name", _same("Parameter", "Name"), "ParameterNotFound"
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _security_group_rule(True),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _security_group_rule(False),
}
"""How each type is found whose creation may not simply be repeated."""


@dataclass(frozen=True)
class Settled:
    """What was found about one resource that was under way."""

    urn: str
    what: str
    """``found``, ``not there``, or ``again``: making it once more does no harm."""
    id: str = ""

    def __str__(self) -> str:
        return f"{self.what:<9} {self.urn}{f' as {self.id}' if self.id else ''}"


def settle(deployment: dict[str, Any], under_way: Iterable[dict[str, Any]], use: Clients) -> Iterator[Settled]:
    """Put what was being made into a deployment (``pulumi stack export``), where AWS has it; tell of each.

    Args:
        deployment: It is changed.
        under_way: States of the resources, with their inputs.
        use: Clients of AWS.

    Raises:
        RecoverError: when more than one thing in AWS fits.
    """
    resources: list[dict[str, Any]] = deployment.setdefault("resources", [])
    # An id is one of its type only: an instance profile has its role's name.
    known = {(resource["type"], resource["id"]) for resource in resources if resource.get("id")}
    for resource in under_way:
        finder = FINDERS.get(resource["type"])
        inputs = {name: value for name, value in resource["inputs"].items() if value not in _UNKNOWN}
        found: list[Found] = []
        if finder is not None:
            # Without an input that is not known yet it cannot have been made.
            with contextlib.suppress(KeyError):
                every = map(_found, finder(use, inputs))
                found = [entry for entry in every if (resource["type"], entry.id) not in known]
        if len(found) > 1:
            ids = ", ".join(entry.id for entry in found)
            raise RecoverError(f"{resource['urn']} is one of {ids} in AWS: remove those that it is not")
        for entry in found:
            named = {name: value for name, value in entry.outputs.items() if name in resource["inputs"]}
            given = {**resource["inputs"], **named}
            resources.append({**resource, "id": entry.id, "inputs": given, "outputs": {**given, **entry.outputs}})
            known.add((resource["type"], entry.id))
            yield Settled(resource["urn"], "found", entry.id)
        if not found:
            yield Settled(resource["urn"], "not there" if finder else "again")


def _pulumi(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        [str(cli.directory() / "pulumi"), "--non-interactive", *arguments],
        cwd=cli.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RecoverError(f"'pulumi {' '.join(arguments[:2])}' failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def recover(
    stack: str, use: Clients, environment: Mapping[str, str], arguments: Sequence[str] = ()
) -> Iterator[Settled]:
    """Release the stack's lock, settle what was under way, and refresh; tells what it found.

    Args:
        stack: Which one.
        use: Clients of the account and region that it is in.
        environment: What the CLI runs with.
        arguments: More for the commands that run the program (``--config-file``).

    Raises:
        RecoverError: when the CLI refuses, or something cannot be told apart.
    """

    def export() -> dict[str, Any]:
        return json.loads(_pulumi(["stack", "export", "--stack", stack], environment))

    def restore(exported: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "deployment.json"
            file.write_text(json.dumps(exported))
            _pulumi(["stack", "import", "--stack", stack, "--file", str(file)], environment)
        _pulumi(["refresh", "--yes", "--skip-preview", "--stack", stack, *arguments], environment)

    _pulumi(["cancel", "--yes", "--stack", stack], environment)
    exported = export()
    settled = list(settle(exported["deployment"], _pending(exported["deployment"]), use))
    restore(exported)
    yield from settled
    # A provider that died leaves no pending operation: what the program would make next may be there all the same.
    tried: set[str] = set()
    while True:
        plan = json.loads(_pulumi(["preview", "--json", "--stack", stack, *arguments], environment))
        states = [step["newState"] for step in plan["steps"] if step["op"] == "create"]
        exported = export()
        made = [state for state in states if state.get("custom") and state["urn"] not in tried]
        found = [entry for entry in settle(exported["deployment"], made, use) if entry.what == "found"]
        if not found:
            return
        # Once each: what a refresh does not find under that id is for the next up to make, or to be refused.
        tried.update(entry.urn for entry in found)
        restore(exported)
        yield from found


def _pending(deployment: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What was being made; updates and deletions that were under way are in the state, and the refresh sees them."""
    for operation in deployment.pop("pending_operations", None) or ():
        if operation["type"] == "creating":
            yield operation["resource"]


def main() -> int:
    """Run the command; expected failures are one message and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.recover", description=__doc__)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--config-file", help="the stack's configuration, when it is not in Pulumi.STACK.yaml")
    options = parser.parse_args()
    if not options.stack:
        print("say which stack: make recover STACK=dev", file=sys.stderr)
        return 1
    environment = {**os.environ, "PATH": f"{cli.directory()}{os.pathsep}{os.environ.get('PATH', '')}"}
    arguments = ["--config-file", options.config_file] if options.config_file else []
    library: Any = boto3
    try:
        # In another account nothing would be found, and what is there would be dropped from the state.
        target = deploy.read_target(options.stack, arguments)

        @functools.cache
        def client(service: str) -> Any:
            return library.client(service, region_name=target.region)

        for line in recover(options.stack, client, environment, arguments):
            print(line, flush=True)
    except configuration.ConfigurationError as error:
        print(f"the configuration of stack {options.stack} has mistakes:\n{error}", file=sys.stderr)
        return 1
    except (
        RecoverError,
        deploy.DeployError,
        cli.MissingCli,
        botocore.exceptions.BotoCoreError,
        botocore.exceptions.ClientError,
    ) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"stack {options.stack} is as AWS has it; 'make up STACK={options.stack}' finishes what was interrupted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
