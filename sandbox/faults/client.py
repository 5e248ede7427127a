"""Setting, listing and ending the faults of a running sandbox."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Generator
from typing import Final

from sandbox.faults.vocabulary import FaultError, parse

PATH: Final = "/_sandbox/faults"
"""Where a sandbox takes them: no bucket's name begins so."""


class Faults:
    """The faults of the sandbox at an endpoint."""

    def __init__(self, endpoint: str) -> None:
        self._url = endpoint.rstrip("/") + PATH

    def add(self, line: str) -> None:
        """Set a fault.

        Raises:
            FaultError: when the vocabulary does not have the line, or nothing is there that it could hit.
        """
        parse(line)
        self._send("POST", line)

    def active(self) -> list[str]:
        """The faults that are set, each with how often it still hits."""
        return json.loads(self._send("GET"))

    def clear(self) -> None:
        """End them all."""
        self._send("DELETE")

    @contextlib.contextmanager
    def during(self, *lines: str) -> Generator[None]:
        """Faults for the length of a block; others that are set end with it too."""
        for line in lines:
            self.add(line)
        try:
            yield
        finally:
            self.clear()

    def _send(self, method: str, body: str = "") -> str:
        request = urllib.request.Request(self._url, data=body.encode() or None, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise FaultError(error.read().decode()) from None
