"""One sandbox AWS and one set of providers for all tests of this directory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import providers
from tests.sandbox.providers.driver import ProviderDriver
from tests.sandbox.providers.world import ACCOUNT, REGION, World

DEFAULT_TAGS = {"Project": "emr-pipeline", "Stack": "test"}


AWS = """
import sys
from pathlib import Path
from sandbox import aws
running = aws.start(aws.AwsOptions(region=sys.argv[1], account_id=sys.argv[2], directory=Path(sys.argv[3])))
print(running.endpoint, flush=True)
sys.stdin.read()
running.stop()
"""
"""The sandbox's AWS alone, until the input ends."""


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The sandbox's AWS, in a process of its own: its state, and its extensions of moto, are a process's."""
    directory = tmp_path_factory.mktemp("sandbox")
    log = directory / "sandbox.log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [sys.executable, "-c", AWS, REGION, ACCOUNT, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        )
    assert server.stdin is not None
    assert server.stdout is not None
    address = server.stdout.readline().strip()
    assert address, f"the sandbox does not start: {log.read_text()}"
    yield address
    server.stdin.close()
    server.wait(30)


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
