"""Errors in the protocol of the service that was called, so that its SDK shows code and message."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""A WSGI application."""


def signing_name(environ: dict[str, Any]) -> str:
    """Name of the service that a request is signed for; empty if it is not signed."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    return scope.group(1) if scope else ""


def answer_error(
    environ: dict[str, Any], start_response: Callable[..., Any], status: HTTPStatus, code: str, message: str
) -> Iterable[bytes]:
    """Answer a request with an error."""
    service = signing_name(environ)
    xml = "HTTP_X_AMZ_TARGET" not in environ and service in {"ec2", "s3", "iam", "sts", "sns", "sqs", "monitoring"}
    request = "<RequestId>sandbox</RequestId>"
    if not xml:
        body = json.dumps({"__type": code, "message": message, "Message": message})
    elif service == "s3":
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{escape(message)}</Message>{request}</Error>"
    else:
        inner = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        of_ec2 = f"<Response><Errors>{inner}</Errors><RequestID>sandbox</RequestID></Response>"
        other = f"<ErrorResponse>{inner}{request}</ErrorResponse>"
        body = f"<?xml version='1.0'?>{of_ec2 if service == 'ec2' else other}"
    headers = [
        ("Content-Type", "application/xml" if xml else "application/json"),
        ("x-amzn-errortype", code),
        ("x-amzn-RequestId", "sandbox"),
    ]
    start_response(f"{status.value} {status.phrase}", headers)
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body.encode()]
