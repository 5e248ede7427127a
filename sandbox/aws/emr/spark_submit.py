"""``spark-submit`` as steps find it on the PATH: the cluster's command line, run by the Spark of this machine.

On a cluster ``spark-submit --deploy-mode cluster`` hands an application to YARN. Here the same command line runs in
Spark's local mode: options that speak to YARN or size a cluster are left out, and said so on standard error;
application, class path and Spark properties stay. Run as ``python spark_submit.py SETTINGS ARGUMENT …``, SETTINGS
being the JSON file that `sandbox.aws.emr.environment` writes. It imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NOTE = "sandbox:"
"""Start of the lines that the sandbox adds to a step's output."""

_OPTIONS_OF_A_CLUSTER = frozenset(
    {
        "--master",
        "--deploy-mode",
        "--queue",
        "--num-executors",
        "--executor-memory",
        "--executor-cores",
        "--total-executor-cores",
        "--driver-memory",
        "--driver-cores",
        "--principal",
        "--keytab",
        "--proxy-user",
    }
)
"""Options that take a value and mean nothing, or too much, on one machine."""

_OTHER_OPTIONS = frozenset(
    {
        "--class",
        "--name",
        "--jars",
        "--packages",
        "--exclude-packages",
        "--repositories",
        "--py-files",
        "--files",
        "--archives",
        "--properties-file",
        "--driver-class-path",
        "--driver-java-options",
        "--driver-library-path",
    }
)
"""Options that take a value and stay."""

_PROPERTIES_OF_A_CLUSTER = (
    "spark.master",
    "spark.submit.deployMode",
    "spark.yarn.",
    "spark.kerberos.",
    "spark.driver.memory",
    "spark.driver.cores",
    "spark.executor.memory",
    "spark.executor.cores",
    "spark.executor.instances",
    "spark.executorEnv.PYSPARK_PYTHON",
    "spark.pyspark.python",
    "spark.pyspark.driver.python",
    "spark.dynamicAllocation.",
    "spark.shuffle.service.",
    "spark.eventLog.",
    "spark.history.",
)
"""Beginnings of properties that size or address a cluster."""

_DRIVER_VARIABLE = "spark.yarn.appMasterEnv."
"""In cluster mode the driver runs in YARN's application master, and gets its environment through these properties."""


@dataclass(frozen=True)
class Submission:
    """A command line for the Spark of this machine."""

    arguments: list[str]
    """What to call spark-submit with."""
    environment: dict[str, str]
    """Variables that the command line sets for the driver."""
    left_out: list[str]
    """Options and properties that only a cluster has."""


def translate(arguments: Sequence[str], master: str, driver_memory: str) -> Submission:
    """Turn a cluster's spark-submit arguments into those of local mode."""
    kept: list[str] = ["--master", master, "--driver-memory", driver_memory]
    environment: dict[str, str] = {}
    left_out: list[str] = []
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        option, equals, attached = rest.pop(0).partition("=")
        if option not in _OPTIONS_OF_A_CLUSTER | _OTHER_OPTIONS | {"--conf", "-c"}:
            kept.append(f"{option}{equals}{attached}")
            continue
        value = attached if equals else (rest.pop(0) if rest else "")
        if option in {"--conf", "-c"}:
            name, _, setting = value.partition("=")
            if name.startswith(_DRIVER_VARIABLE) and name != f"{_DRIVER_VARIABLE}PYSPARK_PYTHON":
                environment[name.removeprefix(_DRIVER_VARIABLE)] = setting
            elif name.startswith(_PROPERTIES_OF_A_CLUSTER):
                left_out.append(name)
            else:
                kept += ["--conf", value]
        elif option in _OPTIONS_OF_A_CLUSTER:
            left_out.append(option)
        else:
            kept += [option, value]
    return Submission(kept + rest, environment, left_out)


def main(settings_file: str, arguments: Sequence[str]) -> None:
    """Become spark-submit."""
    settings = json.loads(Path(settings_file).read_text())
    submission = translate(arguments, settings["master"], settings["driverMemory"])
    if submission.left_out:
        print(f"{NOTE} local mode, without {', '.join(submission.left_out)}", file=sys.stderr, flush=True)
    command = [settings["sparkSubmit"], *submission.arguments]
    os.execve(command[0], command, dict(os.environ) | submission.environment)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
