"""Fixtures of the unit tests; `tests.unit.harness` runs components against a recording engine."""

from __future__ import annotations

import pytest

from components.environment import AwsEnvironment
from tests.unit.harness import ENVIRONMENT


@pytest.fixture
def environment() -> AwsEnvironment:
    """Account 111122223333 in eu-west-1 (partition aws, three zones), project emr-pipeline, stack test."""
    return ENVIRONMENT
