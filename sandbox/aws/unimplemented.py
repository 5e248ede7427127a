"""Errors of the sandbox itself, said clearly.

moto answers a call that it does not know with an HTML page and status 500, which SDKs retry for a minute before they
give up with "Internal Server Error". Here such a call fails at once (501), and the error names the call. An exception
inside moto stays a 500, and is written to the sandbox's log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from sandbox.aws.error_answers import Application, answer_error, signing_name
from sandbox.aws.runtime import log

_NOT_IMPLEMENTED = re.compile(r"The (\w+) action has not been implemented")


def clear_errors(application: Application) -> Application:
    """Wrap moto's application."""

    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            return application(environ, start_response)
        except NotImplementedError as error:
            action = _NOT_IMPLEMENTED.search(str(error))
            message = f"the sandbox does not have the API call {action.group(1)!r}" if action else str(error)
            log.warning("%s (%s)", message, signing_name(environ) or environ.get("PATH_INFO"))
            return answer_error(environ, start_response, HTTPStatus.NOT_IMPLEMENTED, "NotInSandbox", message)
        except Exception as error:
            log.exception("moto failed on %s %s", environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"))
            message = f"the sandbox failed: {type(error).__name__}: {error}"
            return answer_error(environ, start_response, HTTPStatus.INTERNAL_SERVER_ERROR, "InternalFailure", message)

    return wrapped
