"""Spark processes that are killed on the way lose nothing and double nothing: the next attempt makes it good.

SPARK_KILLS is the number of attempts that are killed (``make burst`` takes more); where, a seed decides.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.jobs.conftest import FLIGHT_HEADER, FLIGHT_LINES, Outcome, Pipeline, csv_text, transform

pytestmark = pytest.mark.spark

KILLS = int(os.environ.get("SPARK_KILLS", "1"))
FILES = 8
SEED = 20130101
LONGEST_SECONDS = 1.5
"""Of an attempt's work on these files, once it has begun to write."""


def attempt(pipeline: Pipeline, document: dict[str, Any], spark: Any) -> subprocess.Popen[bytes]:
    """Another process at the same manifest, as YARN would run it."""
    pipeline.prepare(document)
    settings = dict(spark.sparkContext.getConf().getAll())
    chosen = {
        name: value for name, value in settings.items() if name.startswith(("spark.hadoop", "spark.emr_pipeline"))
    }
    chosen |= {
        name: settings[name] for name in ("spark.jars", "spark.driver.extraClassPath", "spark.sql.warehouse.dir")
    }
    chosen |= {"spark.master": "local[1]", "spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1"}
    arguments = " ".join(f"--conf {name}={value}" for name, value in chosen.items())
    script = Path(transform.__file__)
    return subprocess.Popen(
        [sys.executable, str(script), "--manifest", str(pipeline.manifest_file), "--report", str(pipeline.report_file)],
        env={**os.environ, "PYSPARK_SUBMIT_ARGS": f"{arguments} pyspark-shell"},
        stdout=pipeline.log.open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def test_attempts_that_are_killed_lose_nothing_and_double_nothing(pipeline: Pipeline, spark: Any) -> None:
    chance = random.Random(SEED)
    for number in range(FILES):
        pipeline.put(f"flights/{number:03}.csv", csv_text((*FLIGHT_LINES, "2013,x,UA,1,1,NA"), FLIGHT_HEADER))
    document = pipeline.manifest()
    staging = pipeline.directory / "staging"
    killed = 0
    for _ in range(KILLS):
        process = attempt(pipeline, document, spark)
        begun = len(list(staging.rglob("*")))
        while process.poll() is None and len(list(staging.rglob("*"))) <= begun:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, LONGEST_SECONDS))
        if process.poll() is None:
            # The driver's JVM is of the same group.
            os.killpg(process.pid, 9)
            killed += 1
        process.wait()
    assert killed == KILLS, f"an attempt ended before it could be killed: {pipeline.log.read_text()[-2000:]}"
    outcome: Outcome = pipeline.run(document)
    assert outcome.code == 0
    assert len(outcome.rows()) == 3 * FILES, "each row once, whatever the killed attempts left"
    assert len(outcome.set_aside) == FILES
    assert outcome.report["rows"] == {"in": 4 * FILES, "out": 3 * FILES, "setAside": FILES}
