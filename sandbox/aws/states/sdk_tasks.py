"""The AWS SDK integrations: ``arn:aws:states:::aws-sdk:SERVICE:ACTION``.

moto keeps times and streams as Python objects, on which the execution later fails; it knows service names only as
boto3 writes them, does not turn parameter names to and from Pascal case, and its error names are not AWS's
(``emr.InvalidRequestException``). Here answers are JSON, an object's ``Body`` is text, and errors are named as the
AWS SDK for Java names its exceptions, which is what Step Functions reports: ``Emr.InvalidRequestException``,
``Emr.EmrException``.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_aws_sdk
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from sandbox.aws.call_records import STATE_MACHINE
from sandbox.aws.runtime import Runtime
from sandbox.aws.states.documents import as_document
from sandbox.aws.states.failures import fail

_BOTO_NAMES = {
    "cloudwatchevents": "events",
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
    "sfn": "stepfunctions",
    "elasticloadbalancingv2": "elbv2",
}
"""Services that Step Functions calls otherwise than boto3."""

_WORD = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z][a-z]*\d*|\d+")


class UnknownAction(Exception):
    """AWS has no such service or action."""


@cache
def operation(service: str, action: str) -> tuple[str, Any]:
    """Return boto3's name of a service, and the model of an action in camel case."""
    name = _BOTO_NAMES.get(service, service)
    session: Any = botocore.session.get_session()
    if name not in session.get_available_services():
        raise UnknownAction(f"there is no AWS service {service!r}")
    model = session.get_service_model(name)
    wanted = action[:1].upper() + action[1:]
    if wanted not in model.operation_names:
        raise UnknownAction(f"AWS service {service!r} has no action {action!r}")
    return name, model.operation_model(wanted)


def error_prefix(service_id: str) -> str:
    """Return the name of a service in error names, which is that of the Java SDK's client: EMR is ``Emr``."""
    words = _WORD.findall(re.sub(r"[^A-Za-z0-9 ]", " ", service_id))
    return "".join(word[:1].upper() + word[1:].lower() for word in words)


def error_name(service_id: str, error: ClientError) -> str:
    """Return the name that Step Functions gives to an error of an SDK call."""
    prefix = error_prefix(service_id)
    modeled = type(error).__name__
    if modeled == "ClientError":
        return f"{prefix}.{prefix}Exception"
    base = modeled.removesuffix("Fault")
    return f"{prefix}.{base if base.endswith('Exception') else f'{base}Exception'}"


def error_cause(service_id: str, error: ClientError) -> str:
    """Return the text that Step Functions gives with an error of an SDK call."""
    about = error.response.get("ResponseMetadata", {})
    message = error.response.get("Error", {}).get("Message", "")
    status, request_id = about.get("HTTPStatusCode"), about.get("RequestId", "")
    return f"{message} (Service: {error_prefix(service_id)}, Status Code: {status}, Request ID: {request_id})"


def to_request(parameters: Any, shape: Any) -> Any:
    """Turn parameter names from Step Functions' Pascal case to those of the service's own API."""
    kind = getattr(shape, "type_name", None)
    if kind == "structure" and isinstance(parameters, dict):
        members = {name[:1].upper() + name[1:]: (name, member) for name, member in shape.members.items()}
        renamed: dict[str, Any] = {}
        for key, value in parameters.items():
            name, member = members.get(key[:1].upper() + key[1:], (key, None))
            renamed[name] = to_request(value, member)
        return renamed
    if kind == "list" and isinstance(parameters, list):
        return [to_request(item, shape.member) for item in parameters]
    if kind == "map" and isinstance(parameters, dict):
        return {key: to_request(value, shape.value) for key, value in parameters.items()}
    if kind == "blob" and not isinstance(parameters, bytes):
        text = parameters if isinstance(parameters, str) else to_json_str(parameters, separators=(",", ":"))
        return text.encode()
    return parameters


def from_response(answer: Any, shape: Any) -> Any:
    """Turn member names of an answer to Pascal case; the keys of maps are data and stay."""
    kind = getattr(shape, "type_name", None)
    if kind == "structure" and isinstance(answer, dict):
        return {
            key[:1].upper() + key[1:]: from_response(value, shape.members.get(key)) for key, value in answer.items()
        }
    if kind == "list" and isinstance(answer, list):
        return [from_response(item, shape.member) for item in answer]
    if kind == "map" and isinstance(answer, dict):
        return {key: from_response(value, shape.value) for key, value in answer.items()}
    return answer


def call(client: Any, model: Any, parameters: dict[str, Any]) -> Any:
    """Make an SDK call as a task does; return the answer as a document."""
    answer = getattr(client, xform_name(model.name))(**parameters) or {}
    answer.pop("ResponseMetadata", None)
    return as_document(from_response(answer, model.output_shape))


def install(runtime: Runtime) -> None:
    """Make the integrations work as on AWS."""
    task: Any = state_task_service_aws_sdk.StateTaskServiceAwsSdk

    def validate(self: Any) -> None:
        if self.resource.condition not in (None, "waitForTaskToken"):
            raise ValueError(f"The resource provided {self.resource.resource_arn} is not recognized.")
        try:
            operation(self.resource.api_name, self.resource.api_action)
        except UnknownAction as error:
            raise ValueError(f"The resource provided {self.resource.resource_arn} is not recognized: {error}") from None

    def eval_service_task(
        self: Any, env: Any, resource_runtime_part: Any, normalised_parameters: dict[str, Any], state_credentials: Any
    ) -> None:
        service, model = operation(self.resource.api_name, self.resource.api_action)
        parameters = to_request(normalised_parameters, model.input_shape)
        where = (self._get_sfn_resource_type(), self._get_sfn_resource())
        if model.input_shape is not None:
            problems = ParamValidator().validate(parameters, model.input_shape)
            unknown = sorted(set(parameters) - set(model.input_shape.members))
            if problems.has_errors() or unknown:
                reason = problems.generate_report() or f"unknown fields {', '.join(unknown)}"
                cause = f"The Parameters '{to_json_str(normalised_parameters)}' could not be used to start the Task"
                fail(env, "States.Runtime", f"{cause}: [{reason}]", *where)
        try:
            client = runtime.client(service, resource_runtime_part.region, STATE_MACHINE)
            env.stack.append(call(client, model, parameters))
        except ClientError as error:
            service_id = model.service_model.metadata["serviceId"]
            fail(env, error_name(service_id, error), error_cause(service_id, error), *where)

    runtime.patches.replace(task, "_validate_service_integration_is_supported", validate)
    runtime.patches.replace(task, "_eval_service_task", eval_service_task)
