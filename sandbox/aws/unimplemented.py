"""Errors of the sandbox itself, said clearly.

moto answers a call that it does not know with an HTML page and status 500, which SDKs retry for a minute before they
give up with "Internal Server Error". Here such a call fails at once (501), and the error names the call. An exception
inside moto stays a 500, and is written to the sandbox's log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from sandbox.aws.runtime import log

_Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_NOT_IMPLEMENTED = re.compile(r"The (\w+) action has not been implemented")


def clear_errors(application: _Application) -> _Application:
    """Wrap moto's application."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            return application(environ, start_response)
        except NotImplementedError as error:
            action = _NOT_IMPLEMENTED.search(str(error))
            message = f"the sandbox does not have the API call {action.group(1)!r}" if action else str(error)
            log.warning("%s (%s)", message, _service(environ) or environ.get("PATH_INFO"))
            return _respond(environ, start_response, HTTPStatus.NOT_IMPLEMENTED, "NotInSandbox", message)
        except Exception as error:
            log.exception("moto failed on %s %s", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
            message = f"the sandbox failed: {type(error).__name__}: {error}"
            return _respond(environ, start_response, HTTPStatus.INTERNAL_SERVER_ERROR, "InternalFailure", message)

    return wrapped


def _service(environ: dict[str, Any]) -> str:
    """Name of the service that a request is signed for."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    return scope.group(1) if scope else ""


def _respond(
    environ: dict[str, Any], start_response: Callable[..., Any], status: HTTPStatus, code: str, message: str
) -> Iterable[bytes]:
    """Answer in the protocol of the service, so that the SDK shows code and message."""
    service = _service(environ)
    xml = "HTTP_X_AMZ_TARGET" not in environ and service in {"ec2", "s3", "iam", "sts", "sns", "sqs", "monitoring"}
    if not xml:
        body = json.dumps({"__type": code, "message": message, "Message": message})
    elif service == "s3":
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    else:
        inner = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        wrapped = f"<Response><Errors>{inner}</Errors></Response>" if service == "ec2" else None
        body = f"<?xml version='1.0'?>{wrapped or f'<ErrorResponse>{inner}</ErrorResponse>'}"
    headers = [
        ("Content-Type", "application/xml" if xml else "application/json"),
        ("x-amzn-errortype", code),
        ("x-amzn-RequestId", "sandbox"),
    ]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body.encode()]
