"""What a function's configuration reads back.

moto drops ``LoggingConfig`` and ``DeadLetterConfig`` on creation, several more fields on update, and shows a made-up
VPC id: an infrastructure tool would see a change on every run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.ec2.models import ec2_backends

from sandbox.aws.runtime import Runtime


def install(runtime: Runtime) -> None:
    """Remember and show the fields."""
    init: Callable[..., None] = LambdaFunction.__init__
    show: Callable[..., dict[str, Any]] = LambdaFunction.get_configuration
    update: Callable[..., dict[str, Any]] = LambdaFunction.update_configuration

    def function_init(self: Any, account_id: str, spec: dict[str, Any], region: str, version: str | int = 1) -> None:
        init(self, account_id, spec, region, version)
        self.logging_config = spec.get("LoggingConfig") or {}
        self.dead_letter_config = spec.get("DeadLetterConfig") or {}

    def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:
        configuration = show(self, on_create) | {"LoggingConfig": logging_of(self)}
        if self.dead_letter_config.get("TargetArn"):
            configuration["DeadLetterConfig"] = self.dead_letter_config
        return configuration

    def update_configuration(self: Any, changes: dict[str, Any]) -> dict[str, Any]:
        for field, attribute in {
            "LoggingConfig": "logging_config",
            "DeadLetterConfig": "dead_letter_config",
            "TracingConfig": "tracing_config",
            "KMSKeyArn": "kms_key_arn",
        }.items():
            if field in changes:
                setattr(self, attribute, changes[field])
        if "EphemeralStorage" in changes:
            self.ephemeral_storage = changes["EphemeralStorage"]["Size"]
        return update(self, changes)

    runtime.patches.replace(LambdaFunction, "__init__", function_init)
    runtime.patches.replace(LambdaFunction, "get_configuration", get_configuration)
    runtime.patches.replace(LambdaFunction, "update_configuration", update_configuration)
    runtime.patches.replace(LambdaFunction, "vpc_config", property(_vpc_config))


def logging_of(function: Any) -> dict[str, str]:
    """Return a function's logging configuration with Lambda's defaults."""
    defaults = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{function.function_name}"}
    given = {name: value for name, value in function.logging_config.items() if value}
    if given.get("LogFormat") == "JSON":
        defaults |= {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
    return defaults | given


def _vpc_config(self: Any) -> dict[str, Any] | None:
    given = self._vpc_config
    if not given or not given.get("SubnetIds"):
        return None
    backend: Any = ec2_backends[self.account_id][self.region]
    vpcs = {subnet.vpc_id for subnet in backend.describe_subnets(subnet_ids=given["SubnetIds"])}
    return {"Ipv6AllowedForDualStack": False} | given | {"VpcId": vpcs.pop() if vpcs else ""}
