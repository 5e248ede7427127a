"""What every test begins with."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import boto3
import pytest

# Recorded stacks and moto's state live long: looking through them for cycles, again and again, is a third of the time.
gc.set_threshold(100_000, 20, 50)


@pytest.fixture(autouse=True)
def no_session_of_another_test() -> Iterator[None]:
    """boto3 keeps one session with the environment of whoever asked first; another test has another sandbox."""
    boto3.DEFAULT_SESSION = None
    yield
    boto3.DEFAULT_SESSION = None
