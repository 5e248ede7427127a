"""One moto server and one set of providers for all tests of this directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import providers
from tests.sandbox.providers.driver import ProviderDriver
from tests.sandbox.providers.world import ACCOUNT, REGION, World

DEFAULT_TAGS = {"Project": "emr-pipeline", "Stack": "test"}


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    # Both are read when moto's modules are first used: the account that it plays, and AWS's own policies.
    os.environ["MOTO_ACCOUNT_ID"] = ACCOUNT
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def running(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[providers.RunningProviders]:
    directory: Path = tmp_path_factory.mktemp("program")
    (directory / "main.py").write_text("def handler(event, context):\n    return 1\n")
    running = providers.start(endpoint, REGION, directory)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def world(endpoint: str) -> World:
    return World.build(endpoint)


@pytest.fixture(scope="session")
def aws(running: providers.RunningProviders) -> Iterator[ProviderDriver]:
    settings = {"region": REGION, "defaultTags": {"tags": DEFAULT_TAGS}, "allowedAccountIds": [ACCOUNT]}
    driver = ProviderDriver(running.ports["aws"], "aws", settings)
    yield driver
    driver.close()


@pytest.fixture(scope="session")
def drivers(running: providers.RunningProviders, aws: ProviderDriver) -> Iterator[dict[str, ProviderDriver]]:
    others = {name: ProviderDriver(running.ports[name], name, {}) for name in ("random", "tls")}
    yield {"aws": aws, **others}
    for driver in others.values():
        driver.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The SDK warns about its own deprecated classes when a service's module is imported.
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning"))
