"""Many small objects through the real chain: bucket, rule, queue, function as it is deployed, ledger, executions.

The number is BURST_OBJECTS (``make burst`` takes 10,000); while they flow, processes of the function are killed at
seeded random moments.
"""

from __future__ import annotations

import collections
import json
import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from functions.ledger.latency import seconds_by_stage, table
from sandbox import aws
from sandbox.chain import ACCOUNT, REGION, Chain

pytestmark = pytest.mark.sandbox

OBJECTS = int(os.environ.get("BURST_OBJECTS", "60"))
KILLS = int(os.environ.get("BURST_KILLS", "2"))
LIFE_SECONDS = max(10, min(OBJECTS, 1000) // 10)
"""Of a call: a full batch takes this machine longer than AWS. A killed call's messages come back after it."""
SEED = 20130101


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    running = aws.start(aws.AwsOptions(directory=tmp_path / "aws", region=REGION, account_id=ACCOUNT))
    yield Chain(running.endpoint, tmp_path, life_seconds=LIFE_SECONDS)
    running.stop()


def test_a_burst_loses_nothing_and_doubles_nothing_while_processes_are_killed(chain: Chain) -> None:
    chance = random.Random(SEED)
    keys = [f"flights/part {number:05}+{number % 7}%.csv" for number in range(OBJECTS)]
    started = time.monotonic()
    store = chain.use("s3")
    with ThreadPoolExecutor(8) as threads:
        for key in keys:
            threads.submit(store.put_object, Bucket="raw", Key=key, Body=b"year,dest\n2013,IAH\n")
    put = time.monotonic()
    kills = 0
    planned = 0.0
    deadline = put + 120 + 3 * LIFE_SECONDS + OBJECTS / 5
    while time.monotonic() < deadline:
        if kills < KILLS and chain.kill_a_process(chance):
            kills += 1
        time.sleep(chance.uniform(0.5, 1.5))
        if chain.planned_objects() == OBJECTS:
            planned = planned or time.monotonic()
            if not chain.ledger.in_state("planned") and not chain.ledger.in_state("running"):
                break
            # What the schedule does in a deployment: an end that was told to a killed process is made up for.
            chain.use("lambda").invoke(FunctionName="dispatcher", InvocationType="Event", Payload=b"{}")
    ended = time.monotonic()
    counted = chain.runs()
    states = collections.Counter(chain.objects().values())
    executions, transitions = chain.transitions()
    stages = seconds_by_stage(chain.ledger.in_state("succeeded"))
    figures = {
        "objects": OBJECTS,
        "kills": kills,
        "executions": executions,
        "stateTransitions": transitions,
        "putSeconds": round(put - started, 1),
        "plannedSeconds": round(planned - started, 1),
        "endedSeconds": round(ended - started, 1),
    }
    print(json.dumps(figures))
    print("\n".join(table(stages)))
    assert states == {"planned": OBJECTS}, "none is lost: the ledger has planned every object"
    assert counted == dict.fromkeys(keys, 1), "each object is in exactly one manifest that was run once"
    assert {len(stages[stage]) for stage in ("gathered", "waited", "ran")} == {executions}, "each stage is measured"
    assert kills, "processes were killed, or the test would show less than it says"
