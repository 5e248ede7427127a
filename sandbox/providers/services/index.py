"""Functions about where a program runs: partition, region, account.

Sources: terraform-provider-aws ``internal/service/meta/*_data_source.go`` and ``internal/service/sts``.
"""

from __future__ import annotations

import botocore.session

from sandbox.providers.table import Function, Inputs, Operation, State, names


def _partition(operation: Operation, arguments: Inputs) -> State:
    suffix = "amazonaws.com.cn" if operation.partition == "aws-cn" else "amazonaws.com"
    reverse = ".".join(reversed(suffix.split(".")))
    return {
        "id": operation.partition,
        "partition": operation.partition,
        "dnsSuffix": suffix,
        "reverseDnsPrefix": reverse,
    }


def _region(operation: Operation, arguments: Inputs) -> State:
    region = arguments.get("name") or operation.region
    endpoints = botocore.session.get_session().get_data("endpoints")
    known = {
        name: entry["description"]
        for partition in endpoints["partitions"]
        for name, entry in partition["regions"].items()
    }
    if region not in known:
        raise ValueError(f"there is no region {region!r}")
    return {
        "id": region,
        "name": region,
        "region": region,
        "description": known[region],
        "endpoint": f"ec2.{region}.amazonaws.com",
    }


def _caller_identity(operation: Operation, arguments: Inputs) -> State:
    identity = operation.client("sts").get_caller_identity()
    return {
        "id": identity["Account"],
        "accountId": identity["Account"],
        "arn": identity["Arn"],
        "userId": identity["UserId"],
    }


FUNCTIONS = (
    Function(token="aws:index/getPartition:getPartition", arguments=names("id"), call=_partition),
    Function(token="aws:index/getRegion:getRegion", arguments=names("id name endpoint region"), call=_region),
    Function(token="aws:index/getCallerIdentity:getCallerIdentity", arguments=names("id"), call=_caller_identity),
)
