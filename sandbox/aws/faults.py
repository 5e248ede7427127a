"""Failures on demand: the sandbox's own side of `sandbox.faults`.

AWS throttles, loses answers, loses nodes; moto does none of it. The faults that are set stand in `FaultBox`. Those of
calls are done here, before and after moto; those of steps, clusters and functions are asked for by the extensions that
run them.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

import botocore.session
from werkzeug.exceptions import HTTPException

from sandbox.aws.error_answers import Application, answer_error, signing_name
from sandbox.faults.client import PATH
from sandbox.faults.vocabulary import ALWAYS, Fault, FaultError, Subject, parse

if TYPE_CHECKING:
    from sandbox.aws.runtime import Runtime

_THROTTLING: Final[dict[str, tuple[str, HTTPStatus]]] = {
    "ec2": ("RequestLimitExceeded", HTTPStatus.SERVICE_UNAVAILABLE),
    "s3": ("SlowDown", HTTPStatus.SERVICE_UNAVAILABLE),
    "lambda": ("TooManyRequestsException", HTTPStatus.TOO_MANY_REQUESTS),
    "sqs": ("RequestThrottled", HTTPStatus.FORBIDDEN),
    "sns": ("Throttled", HTTPStatus.TOO_MANY_REQUESTS),
    "iam": ("Throttling", HTTPStatus.BAD_REQUEST),
    "sts": ("Throttling", HTTPStatus.BAD_REQUEST),
    "cloudwatch": ("Throttling", HTTPStatus.BAD_REQUEST),
}
"""Code and status of a service's throttling error, where it is not ThrottlingException with 400. Each code is one
that botocore's standard retries know (``botocore.retries.standard.ThrottledRetryableChecker``), so SDKs try again."""


class FaultBox:
    """The faults that are set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._acts: list[Callable[[Fault], bool]] = []

    def act_at_once(self, act: Callable[[Fault], bool]) -> None:
        """Have new faults shown to `act`, which does what is to be done now; True keeps the fault from waiting.

        It raises FaultError where nothing is there that the fault could hit.
        """
        self._acts.append(act)

    def add(self, fault: Fault) -> None:
        """Set a fault."""
        if any(act(fault) for act in self._acts):
            return
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """End all."""
        with self._lock:
            self._faults.clear()

    def active(self) -> list[Fault]:
        """The faults that still hit."""
        with self._lock:
            return list(self._faults)

    def knows(self, subject: Subject) -> bool:
        """Whether any fault is about such things."""
        return any(fault.subject == subject for fault in self._faults)

    def take(self, word: str, *names: str, at: str = "") -> Fault | None:
        """The first fault of a word about one of the names; it has hit once more then."""
        return self.take_where(lambda fault: fault.word == word and fault.at == at and fault.concerns(*names))

    def take_where(self, hits: Callable[[Fault], bool]) -> Fault | None:
        """The first fault that hits; it has hit once more then."""
        with self._lock:
            for position, fault in enumerate(self._faults):
                if hits(fault):
                    if fault.times == 1:
                        del self._faults[position]
                    elif fault.times != ALWAYS:
                        self._faults[position] = dataclasses.replace(fault, times=fault.times - 1)
                    return fault
        return None


def with_faults(application: Application, runtime: Runtime) -> Application:
    """Wrap the API: take faults, and do those of calls."""
    from sandbox.aws.runtime import log

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == PATH:
            return _control(runtime.faults, environ, start_response)
        fault = _taken(runtime.faults, environ) if runtime.faults.knows("call") else None
        if fault is None:
            return application(environ, start_response)
        service = fault.target.partition(":")[0]
        log.info("fault: %s", fault)
        if fault.word == "throttle":
            code, status = _THROTTLING.get(service, ("ThrottlingException", HTTPStatus.BAD_REQUEST))
            return answer_error(environ, start_response, status, code, "Rate exceeded")
        if fault.word == "refuse":
            status = HTTPStatus.INTERNAL_SERVER_ERROR if fault.code == "InternalFailure" else HTTPStatus.BAD_REQUEST
            message = fault.message or "refused by a fault of the sandbox"
            return answer_error(environ, start_response, status, fault.code, message)
        if fault.word == "delay":
            runtime.stopping.wait(fault.seconds)
            return application(environ, start_response)
        answer = application(environ, lambda *_: None)
        for _ in answer:
            pass
        message = "the answer was lost by a fault of the sandbox; the call was done"
        return answer_error(environ, start_response, HTTPStatus.INTERNAL_SERVER_ERROR, "InternalFailure", message)

    return wrapped


def _control(faults: FaultBox, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The HTTP side of `sandbox.faults.Faults`."""
    status, text = HTTPStatus.OK, ""
    method = environ["REQUEST_METHOD"]
    if method == "GET":
        text = json.dumps([str(fault) for fault in faults.active()])
    elif method == "DELETE":
        faults.clear()
    else:
        try:
            faults.add(parse(_body(environ).decode()))
        except FaultError as error:
            status, text = HTTPStatus.BAD_REQUEST, str(error)
    start_response(f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]


def _body(environ: dict[str, Any]) -> bytes:
    """The body of a request, which stays readable."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _taken(faults: FaultBox, environ: dict[str, Any]) -> Fault | None:
    """The fault that hits a request."""
    signed = signing_name(environ)
    services = {fault.target.partition(":")[0] for fault in faults.active() if fault.subject == "call"}
    concerned = [service for service in services if _signing_name_of(service) == signed]
    if not concerned:
        return None
    body = _body(environ)
    said = f"{environ.get('PATH_INFO', '')}?{environ.get('QUERY_STRING', '')}\n{body.decode(errors='replace')}"
    names = [f"{service}:{operation}" for service in concerned if (operation := _operation(service, environ, body))]
    if not names:
        return None
    return faults.take_where(
        lambda fault: (
            fault.subject == "call"
            and fault.concerns(*names)
            and (fault.where in said or fault.where in unquote_plus(said))
        )
    )


def _signing_name_of(service: str) -> str:
    return str(_model(service).signing_name)


@functools.cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def _operation(service: str, environ: dict[str, Any], body: bytes) -> str | None:
    """Name of the operation that a request asks for; None if it is none of the service's."""
    from moto.core.request import Request
    from moto.core.routing import get_service_router

    request = Request({**environ, "wsgi.input": io.BytesIO(body)})
    try:
        operation, _ = get_service_router(service).match(request)
    except (HTTPException, NotImplementedError):
        return None
    return str(operation.name)
