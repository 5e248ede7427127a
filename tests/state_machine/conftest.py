"""A sandbox AWS for the state machine's runs, and pipelines on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from settings import OrchestrationSettings
from tests.state_machine.pipeline import Pipeline, start_aws


@pytest.fixture(scope="package")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    running = start_aws(tmp_path_factory.mktemp("state-machine"))
    yield running.endpoint
    running.stop()


@pytest.fixture(scope="package")
def settings() -> OrchestrationSettings:
    """As quick as the settings allow; the waits that they only allow to be long are cut to looks a second apart."""
    quick = OrchestrationSettings(
        cluster_wait_seconds=1,
        cluster_wait_attempts=3,
        step_poll_seconds=1,
        retry_interval_seconds=1,
        retry_attempts=2,
        cluster_replacement_poll_seconds=1,
        busy_poll_seconds=1,
        step_retry_seconds=1,
    )
    return quick.model_copy(update={"cluster_replacement_hours": 80 / 3600, "busy_wait_minutes": 48 / 60})


@pytest.fixture(scope="package")
def pipeline(endpoint: str, settings: OrchestrationSettings) -> Pipeline:
    """A pipeline that tests share which leave it as it was."""
    return Pipeline(endpoint, settings)


@pytest.fixture
def own_pipeline(endpoint: str, settings: OrchestrationSettings) -> Callable[..., Pipeline]:
    """Makes a pipeline for one test, with changed settings (which need not be ones that a stack may have)."""

    def make(**changes: Any) -> Pipeline:
        return Pipeline(endpoint, settings.model_copy(update=changes))

    return make
