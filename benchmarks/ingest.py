"""What new files cost on their way to executions, against the direct pattern of one execution a file.

Two levels. The *function* level calls the dispatcher itself, in this process, against a memory that answers as AWS does
to files that are all new: its own time, its memory and its calls are exact. The *chain* level sends 10,000 objects
through bucket, rule, queue, function and ledger of the sandbox, and counts what was started.

Prices are list prices of us-east-1, requests only: what both patterns pay alike for storage, logs, keys and the cluster
is left out. Both run the deployed definition; an execution's transitions are the fewest on its successful way, with one
look at the step in the direct pattern and `LOOKS` in ours, whose runs are larger.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from benchmarks.floor import direct
from benchmarks.measure import Figure, Figures, environment, median
from components.dispatch import MEMORY_MEGABYTES
from components.state_machine_definition import Surroundings, state_machine_definition
from sandbox import aws
from sandbox.chain import ACCOUNT, DATASET, REGION, Chain
from settings import OrchestrationSettings
from tools.cost import Prices

AT_FUNCTION = 100_000
IN_CHAIN = 10_000
DIRECT = 200
"""Objects of the direct pattern that are really sent: each is an execution."""
SHARE = 10
"""Calls at each end of the function level that are compared."""
LOOKS = 10
"""Looks at the step of a run of up to 1,000 files: five minutes at the usual interval."""
PRICE_REGION = "us-east-1"
CALL_SECONDS = 0.01
"""Assumed answer time of DynamoDB within a region, for the function's billed duration; 16 calls run at once."""
AT_ONCE = 16
PROCESSOR_MEGABYTES = 1769
"""Memory at which Lambda gives a whole processor (Lambda guide, "Configure Lambda function memory")."""
PER_MILLION = {"events": 1.0, "functionRequests": 0.2, "tableReads": 0.125, "messages": 0.5, "metricCalls": 10.0}
"""USD a million, which ``tools/prices.json`` lacks: S3's events on EventBridge, requests of Lambda, read request units
of DynamoDB on demand, publications of SNS, calls of PutMetricData (aws.amazon.com/<service>/pricing)."""


# --- arithmetic -------------------------------------------------------------------------------------------------------


def fewest_transitions(definition: Mapping[str, Any], end: str = "Succeeded") -> int:
    """States on the shortest way from the start to an end, without any error; each entered state is a transition."""
    reached, border = {definition["StartAt"]: 1}, [definition["StartAt"]]
    while border:
        following: list[str] = []
        for name in border:
            state = definition["States"][name]
            choices = [choice["Next"] for choice in state.get("Choices", ())]
            for other in [*choices, *(state[key] for key in ("Next", "Default") if key in state)]:
                if other not in reached:
                    reached[other] = reached[name] + 1
                    following.append(other)
        border = following
    return reached[end]


def transitions_of_a_look(definition: Mapping[str, Any]) -> int:
    """States of one more look at the step: around the loop that begins and ends where its state is judged."""
    around = {**definition, "StartAt": "CountPoll"}
    return fewest_transitions(around, "StepState")


@dataclass(frozen=True)
class Use:
    """What some objects used."""

    objects: int
    executions: int
    transitions: int
    queue_requests: int = 0
    invocations: int = 0
    function_seconds: float = 0.0
    table_writes: int = 0
    table_reads: int = 0
    puts: int = 0


def dollars_a_million(use: Use, prices: Prices) -> dict[str, float]:
    """List price of a million objects, by what is paid for."""
    scale = 1_000_000 / use.objects
    # Each execution keeps the ledger twice, tells and counts once; a manifest's item is written to its index too.
    writes, reads = use.table_writes + 4 * use.executions, use.table_reads + use.executions
    parts = {
        "events": use.objects * PER_MILLION["events"] / 1e6,
        "queue": use.queue_requests * prices.of("queueRequestsMillion") / 1e6,
        "function": use.invocations * PER_MILLION["functionRequests"] / 1e6
        + use.function_seconds * MEMORY_MEGABYTES / 1024 * prices.of("functionGigabyteSecond"),
        "ledger": writes * prices.of("tableWritesMillion") / 1e6 + reads * PER_MILLION["tableReads"] / 1e6,
        "manifests": use.puts * prices.of("bucketWrites1k") / 1e3,
        "transitions": use.transitions * prices.of("transitions1k") / 1e3,
        "endings": use.executions * (PER_MILLION["messages"] + PER_MILLION["metricCalls"]) / 1e6,
    }
    return {name: round(value * scale, 4) for name, value in parts.items()}


def definition() -> Mapping[str, Any]:
    """The deployed definition, with names that do not matter here."""
    names = dict.fromkeys(Surroundings.__dataclass_fields__, "x")
    return state_machine_definition(OrchestrationSettings(), Surroundings(**names))


# --- function level ---------------------------------------------------------------------------------------------------


class Memory:
    """DynamoDB, S3 and Step Functions of files that are all new, and of executions that end at once."""

    def __init__(self) -> None:
        self.calls: collections.Counter[str] = collections.Counter()
        self._manifests: dict[str, dict[str, Any]] = {}
        self._slots: set[str] = set()

    def query(self, **arguments: Any) -> dict[str, Any]:
        """A key's versions, of which there are none, or the manifests that are planned."""
        self.calls["dynamodb:Query"] += 1
        return {"Items": list(self._manifests.values()) if "IndexName" in arguments else []}

    def get_item(self, **arguments: Any) -> dict[str, Any]:
        """The slots, or a manifest."""
        self.calls["dynamodb:GetItem"] += 1
        if arguments["Key"]["pk"].startswith("manifest#"):
            item = self._manifests.get(arguments["Key"]["pk"])
            return {"Item": item} if item else {}
        return {"Item": {"manifests": set(self._slots)}} if self._slots else {}

    def put_item(self, **arguments: Any) -> None:
        """A claim, or a manifest."""
        self.calls["dynamodb:PutItem"] += 1
        if arguments["Item"]["pk"].startswith("manifest#"):
            self._manifests[arguments["Item"]["pk"]] = arguments["Item"]

    def update_item(self, **arguments: Any) -> None:
        """Slots that are taken or freed; a manifest that runs, and so is done with; an object that is planned."""
        self.calls["dynamodb:UpdateItem"] += 1
        key = arguments["Key"]["pk"]
        if key.startswith("manifest#"):
            self._manifests.pop(key, None)
        elif not key.startswith("object#"):
            hashes = arguments["ExpressionAttributeValues"][":hashes"]
            self._slots = (
                self._slots | hashes if arguments["UpdateExpression"].startswith("ADD") else self._slots - hashes
            )

    def put_object(self, **_: Any) -> None:
        """A manifest's text."""
        self.calls["s3:PutObject"] += 1

    def start_execution(self, **_: Any) -> None:
        """An execution."""
        self.calls["states:StartExecution"] += 1


def event(number: int) -> str:
    """The message of an object, as EventBridge puts it on the queue."""
    item = {
        "key": f"flights/year=2013/part-{number:09}.csv",
        "size": 1000,
        "etag": f"{number:032x}",
        "version-id": f"{number:032}",
        "sequencer": f"{number:016X}",
    }
    return json.dumps(
        {
            "version": "0",
            "detail-type": "Object Created",
            "source": "aws.s3",
            "time": "2024-01-01T00:00:00Z",
            "detail": {"version": "0", "bucket": {"name": "raw"}, "object": item, "reason": "PutObject"},
        }
    )


def resident_megabytes() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def function_level(objects: int, batch: int) -> tuple[Memory, list[float], list[float]]:
    """Call the dispatcher with all objects; what it called, processor seconds and memory of each call."""
    variables = {
        "LEDGER_TABLE": "ledger",
        "STATE_MACHINE_ARN": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:pipeline",
        "STATE_MACHINE_ALIAS_ARN": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:pipeline:live",
        "MAXIMUM_RUNNING_EXECUTIONS": "8",
        "STACK": "benchmark",
        "POWERTOOLS_METRICS_NAMESPACE": "EmrPipeline",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        "AWS_DEFAULT_REGION": REGION,
    }
    memory = Memory()
    seconds: list[float] = []
    megabytes: list[float] = []
    with environment(**variables), contextlib.ExitStack() as stack:
        from functions.dispatcher import handler
        from functions.dispatcher.manifests import Configuration

        job = "s3://scripts/jobs/0123456789abcdef/transform.py"
        bundle = Configuration({"flights": DATASET}, "database", "raw", "processed", "scripts", job)
        saved = handler.aws_client, handler.bundle
        stack.callback(lambda: (setattr(handler, "aws_client", saved[0]), setattr(handler, "bundle", saved[1])))
        handler.aws_client = cast(Any, lambda service: memory)  # pyright: ignore[reportUnknownLambdaType]
        handler.bundle = cast(Any, lambda: bundle)
        # Metrics are printed, as Lambda wants them; figures are, too.
        stack.enter_context(contextlib.redirect_stdout(stack.enter_context(Path(os.devnull).open("w"))))
        for start in range(0, objects, batch):
            records = [
                {"messageId": str(number), "body": event(number)}
                for number in range(start, min(start + batch, objects))
            ]
            begun = time.process_time()
            answer = handler.handler({"Records": records}, None)
            seconds.append(time.process_time() - begun)
            megabytes.append(resident_megabytes())
            if answer["batchItemFailures"]:
                raise RuntimeError(f"{len(answer['batchItemFailures'])} messages were given back: {answer}")
    return memory, seconds, megabytes


# --- chain level ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ChainRun:
    """What came of a burst."""

    executions: int
    invocations: int
    seconds: float
    direct_executions: int


def invocations(chain: Chain) -> int:
    """Calls of the function, by its own metric."""
    now = time.time()
    points = chain.use("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[{"Name": "FunctionName", "Value": "dispatcher"}],
        StartTime=now - 24 * 3600,
        EndTime=now + 3600,
        Period=25 * 3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return round(sum(point["Sum"] for point in points))


def put_all(chain: Chain, bucket: str, number: int) -> None:
    """Put small objects."""
    store = chain.use("s3")

    def put(index: int) -> None:
        store.put_object(Bucket=bucket, Key=f"flights/part-{index:06}.csv", Body=b"year,dest\n2013,IAH\n")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(number)))


def wait_until(what: str, done: Any, seconds: float) -> None:
    """Look once a second whether something is done.

    Raises:
        RuntimeError: when it is not in time.
    """
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} was not done within {seconds:.0f} s")
        time.sleep(1)


def chain_level(objects: int, direct_objects: int) -> ChainRun:
    """Send a burst through the chain, and a smaller one through the direct pattern beside it."""
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as scratch:
        directory = Path(scratch)
        running = aws.start(aws.AwsOptions(directory=directory / "aws", region=REGION, account_id=ACCOUNT))
        try:
            settings = OrchestrationSettings()
            chain = Chain(
                running.endpoint,
                directory,
                # This machine takes longer than AWS for a full batch.
                life_seconds=5 * settings.function_timeout_seconds,
                maximum_running=settings.maximum_running_executions,
                window_seconds=settings.batch_window_seconds,
            )
            begun = time.monotonic()
            put_all(chain, "raw", objects)
            wait_until("the burst", lambda: chain.planned_objects() == objects, 600 + objects / 5)

            def all_ended() -> bool:
                chain.use("lambda").invoke(FunctionName="dispatcher", InvocationType="Event", Payload=b"{}")
                return not chain.ledger.in_state("planned") and not chain.ledger.in_state("running")

            calls = invocations(chain)
            wait_until("its executions", all_ended, 600)
            seconds = time.monotonic() - begun
            machine = direct.build(chain)
            put_all(chain, direct.BUCKET, direct_objects)

            def started() -> int:
                pages = chain.use("stepfunctions").get_paginator("list_executions").paginate(stateMachineArn=machine)
                return sum(len(page["executions"]) for page in pages)

            wait_until("the direct pattern", lambda: started() >= direct_objects, 300)
            return ChainRun(chain.transitions()[0], calls, seconds, started())
        finally:
            running.stop()


# --- figures ----------------------------------------------------------------------------------------------------------


def measure(at_function: int = AT_FUNCTION, in_chain: int = IN_CHAIN, direct_objects: int = DIRECT) -> Figures:
    """Yield the figures."""
    batch = OrchestrationSettings().batch_size
    memory, seconds, megabytes = function_level(at_function, batch)
    calls = memory.calls
    details: dict[str, Any] = {"objects": at_function, "batch": batch, "calls": dict(calls)}
    each = [1000 * value / batch for value in seconds]
    yield Figure("ingest", "function: processor time a message", median(each), "ms", details=details)
    growth = median(seconds[-SHARE:]) / median(seconds[1 : SHARE + 1])
    yield Figure("ingest", "function: time of the last calls over the first", growth, "ratio", "<= 1.2")
    grown = median(megabytes[-SHARE:]) - median(megabytes[1 : SHARE + 1])
    yield Figure("ingest", "function: memory that it grew by", grown, "MB", "<= 5", details={"at": megabytes[-1]})
    per_thousand = 1000 * sum(calls.values()) / at_function
    yield Figure("ingest", "function: calls of AWS a thousand objects", per_thousand, "calls", details=dict(calls))
    yield Figure("ingest", "function: executions", calls["states:StartExecution"], "executions", details=details)

    run = chain_level(in_chain, direct_objects)
    details = {"objects": in_chain, "seconds": round(run.seconds)}
    yield Figure("ingest", "chain: executions", run.executions, "executions", details=details)
    yield Figure("ingest", "chain: calls of the function", run.invocations, "calls", details=details)
    each_direct = run.direct_executions / direct_objects
    details = {"objects": direct_objects}
    yield Figure("ingest", "direct: executions an object", each_direct, "executions", details=details)

    machine = definition()
    shortest = fewest_transitions(machine)
    larger = shortest + (LOOKS - 1) * transitions_of_a_look(machine)
    share = in_chain / at_function
    writes = calls["dynamodb:PutItem"] + calls["dynamodb:UpdateItem"]
    reads = calls["dynamodb:Query"] + calls["dynamodb:GetItem"]
    aws_seconds = sum(calls.values()) * CALL_SECONDS / AT_ONCE
    processor_seconds = sum(seconds) * PROCESSOR_MEGABYTES / MEMORY_MEGABYTES
    ours = Use(
        objects=in_chain,
        executions=run.executions,
        transitions=run.executions * larger,
        # Sent one by one, received and deleted by tens.
        queue_requests=round(in_chain * 1.2),
        invocations=run.invocations,
        function_seconds=share * (processor_seconds + aws_seconds),
        table_writes=round(share * writes),
        table_reads=round(share * reads),
        puts=run.executions,
    )
    executions = round(each_direct * in_chain)
    theirs = Use(objects=in_chain, executions=executions, transitions=executions * shortest)
    details = {"ours": larger, "direct": shortest, "looks": LOOKS}
    for name, use in (("ours", ours), ("direct", theirs)):
        transitions = use.transitions * 1_000_000 / use.objects
        yield Figure("ingest", f"{name}: transitions of a million objects", transitions, "transitions", details=details)
    ratio = ours.transitions / theirs.transitions
    yield Figure("ingest", "transitions over the direct pattern's", ratio, "ratio", "<= 0.01", details=details)
    prices = Prices(PRICE_REGION)
    costs = {name: dollars_a_million(use, prices) for name, use in (("ours", ours), ("direct", theirs))}
    for name, parts in costs.items():
        yield Figure("ingest", f"{name}: list price of a million objects", sum(parts.values()), "USD", details=parts)
    ratio = sum(costs["ours"].values()) / sum(costs["direct"].values())
    yield Figure("ingest", "list price over the direct pattern's", ratio, "ratio", "<= 0.1")
