"""Kills what can die, at seeded random points, and sees everything converge: ``python -m sandbox chaos``.

While the stack goes up, the engine or the provider stand-ins are killed; while files go through the pipeline, the
function that dispatches them or the Spark of their step. moto lives with the engine's state, and is not killed alone.
Afterwards what a person does is done: ``make recover`` (which cancels and refreshes) and ``up`` again; a redrive of
what failed. A stack that is up before every kill has hit it is taken down and goes up once more. Each kill is one line,
with its point and what came of it; the same seed gives the same points.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import boto3
import yaml

from functions.ledger.store import Ledger
from sandbox import control, flights
from sandbox.demonstration import Narrator, Pipeline
from sandbox.engine import Engine, Failure, Progress
from tools import recover

OF_UP = ("engine", "providers")
OF_RUN = ("function", "spark")
ROWS = 50
"""Rows of a file that goes through the pipeline."""
PATIENCE_SECONDS = 900
"""How long a victim, an end, or a dead process's children may take."""
FUNCTION_SECONDS = 10
"""Timeout of the functions here: the intake shows a killed function's messages again after six of them."""


@dataclass(frozen=True)
class Kill:
    """One planned kill."""

    victim: str
    """``engine``, ``providers``, ``function`` or ``spark``."""
    point: float
    """Of `OF_UP`: share of the stack's resources that are there. Of `OF_RUN`: seconds after the process was seen."""
    retried: bool = False
    """Whether it hits the second attempt at the step that the kill before it cut off: then the run fails."""

    def __str__(self) -> str:
        if self.victim in OF_UP:
            return f"{self.victim:<9} killed from {self.point:4.0%} of the stack on"
        return f"{self.victim:<9} killed {self.point:4.1f} s into its {'second attempt' if self.retried else 'work'}"


@dataclass(frozen=True)
class CutOff:
    """What a kill made of an `up`."""

    came: str
    """For people."""
    share: float
    """Of the stack's resources that were there when it hit."""


def plan(seed: int, kills: int) -> tuple[list[Kill], list[Kill]]:
    """Kills of `up`, by point, and of runs; three in five hit `up`.

    Two of three that hit Spark hit both attempts at one step: that is what the state machine does not get over alone.
    """
    chance = random.Random(seed)
    of_up = -(-kills * 3 // 5)
    points = sorted(round(chance.uniform(0.02, 0.98), 2) for _ in range(of_up))
    victims = [OF_UP[number % 2] for number in range(of_up)]
    chance.shuffle(victims)
    sparks = (kills - of_up) // 2
    functions = kills - of_up - sparks
    pairs = (sparks + 1) // 3
    units = [("function",)] * functions + [("spark", "spark")] * pairs + [("spark",)] * (sparks - 2 * pairs)
    chance.shuffle(units)
    longest = {"function": 0.4, "spark": 8.0}
    return (
        [Kill(victim, point) for victim, point in zip(victims, points, strict=True)],
        [
            Kill(victim, round(chance.uniform(0, longest[victim]), 1), retried=position > 0)
            for unit in units
            for position, victim in enumerate(unit)
        ],
    )


T = TypeVar("T")


def wait_for(look: Callable[[], T], what: str) -> T:
    """What `look` returns as soon as it is true.

    Raises:
        SandboxError: when that takes longer than `PATIENCE_SECONDS`.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        if time.monotonic() > deadline:
            raise control.SandboxError(f"waited {PATIENCE_SECONDS} s for {what}")
        time.sleep(0.05)
    return found


def processes(holds: Callable[[Path], bool]) -> list[int]:
    """Processes of this machine of which something holds, read in ``/proc``; those that just ended are left out."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if holds(entry):
                    found.append(int(entry.name))
    return sorted(found)


class Chaos:
    """Kills in one sandbox, and what came of them."""

    def __init__(self, sandbox: control.Sandbox, narrator: Narrator) -> None:
        self.sandbox = sandbox
        self.narrator = narrator
        self.engine = Engine(sandbox, "sandbox")
        self._hasten()

    def _hasten(self) -> None:
        """A killed function's messages come again after six timeouts: the shortest will do."""
        entries = yaml.safe_load(self.engine.config_file.read_text())
        entries["config"]["emr-pipeline:orchestration"]["functionTimeoutSeconds"] = FUNCTION_SECONDS
        self.engine.config_file.write_text(yaml.safe_dump(entries))

    # -- victims -------------------------------------------------------------------------------------------------------

    def _providers(self) -> list[int]:
        parent = str(self.sandbox.pid)

        def holds(entry: Path) -> bool:
            return (
                b"sandbox.providers" in (entry / "cmdline").read_bytes()
                and (entry / "stat").read_text().rsplit(")", 1)[1].split()[1] == parent
            )

        return processes(holds)

    def _functions(self) -> list[int]:
        code = str(self.sandbox.directory / "aws" / "functions").encode()
        return processes(
            lambda entry: code in (entry / "cmdline").read_bytes() and b"dispatcher" in (entry / "cmdline").read_bytes()
        )

    def _spark(self, manifests: Set[str]) -> list[int]:
        def holds(entry: Path) -> bool:
            command = (entry / "cmdline").read_bytes()
            return b"SparkSubmit" in command and any(manifest.encode() in command for manifest in manifests)

        return processes(holds)

    def _of_the_engine(self) -> list[int]:
        """What the CLI started: all carry its environment."""
        home = f"PULUMI_HOME={self.engine.environment['PULUMI_HOME']}".encode()
        return processes(lambda entry: home in (entry / "environ").read_bytes().split(b"\0"))

    # -- up ------------------------------------------------------------------------------------------------------------

    def deploy(self, kills: Sequence[Kill]) -> None:
        """Bring the stack up, with kills on the way.

        Raises:
            SandboxError: when it does not converge.
        """
        plan = self.sandbox.directory / "plan.json"
        self.engine.preview_json(plan)
        wanted = {step["urn"] for step in json.loads(plan.read_text())["steps"]}
        for kill in kills:
            if self._there(wanted) == len(wanted):
                self.engine.operate("destroy")
                self.narrator.say("the stack is up, and is taken down for the next kill")
            cut = self._up_with(kill, wanted)
            self._no_orphans()
            settled = self._recover()
            self.narrator.say(
                f"{kill}, at {cut.share:.0%}: {cut.came}; {settled.total()} were under way, {settled['found']} of them "
                f"found in AWS; {self._there(wanted)} resources of {len(wanted)} after the refresh"
            )
        self.engine.operate("up", ("--skip-preview",))

    def _up_with(self, kill: Kill, wanted: Set[str]) -> CutOff:
        """Run `up` and kill at the point.

        Raises:
            SandboxError: when `up` had its end before the kill.
        """
        before = self._there(wanted)
        share = 0.0

        def at_the_point(progress: Progress) -> None:
            nonlocal share
            there = (before + progress.done) / len(wanted)
            if not share and progress.operation == "up" and progress.done and there >= kill.point:
                running = self.engine.running
                victims = self._providers() if kill.victim == "providers" else [running.pid] if running else []
                for victim in victims:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(victim, signal.SIGKILL)
                        share = there

        try:
            self.engine.operate("up", ("--skip-preview",), on_progress=at_the_point)
        except Failure as failure:
            if not share:
                raise
            came = "up was cut off" if kill.victim == "engine" else f"up failed ({failure.errors} errors)"
            return CutOff(came, share)
        if not share:
            raise control.SandboxError(f"up came to its end before this: {kill}")
        return CutOff("up came to its end all the same", share)

    def _there(self, wanted: Set[str]) -> int:
        resources = self.engine.state()["deployment"].get("resources") or ()
        return len(wanted & {resource["urn"] for resource in resources})

    def _recover(self) -> Counter[str]:
        """Recover as a person does; how many creates that were under way came to which end."""
        command = [sys.executable, "-m", "tools.recover", "--stack", self.engine.stack]
        said = self._run([*command, "--config-file", str(self.engine.config_file)])
        return Counter(line.split()[0] for line in said.splitlines() if " urn:pulumi:" in line)

    def _run(self, command: Sequence[str]) -> str:
        done = subprocess.run(
            command, cwd=control.ROOT, env=self.engine.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise control.SandboxError(f"'{' '.join(command[1:])}' failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _no_orphans(self) -> None:
        wait_for(lambda: not self._of_the_engine(), "the end of what a killed engine left")

    def converged(self) -> None:
        """See that nothing is left to do, and that nothing is there twice.

        Raises:
            SandboxError: when something is.
        """
        for operation in ("up", "refresh"):
            output = self.engine.operate(operation)
            if re.search(r"^ +[-+~]+ \d+ (to )?[a-z]+", output, re.M):
                raise control.SandboxError(f"after everything, {operation} still finds something to do:\n{output}")
        if left := self.unknown():
            raise control.SandboxError(f"AWS has what the stack does not know: {', '.join(left)}")

    def gone(self) -> None:
        """Take everything down, and see that nothing that was made twice stands in the way or is left.

        Raises:
            SandboxError: when something is.
        """
        self.engine.operate("destroy")
        if left := self._in_aws():
            raise control.SandboxError(f"after destroy, AWS still has {', '.join(sorted(left))}")

    def unknown(self) -> list[str]:
        """Ids of what there is in AWS and not in the stack."""
        resources = self.engine.state()["deployment"].get("resources") or ()
        return sorted(self._in_aws() - {str(resource["id"]) for resource in resources if resource.get("id")})

    def _in_aws(self) -> set[str]:
        """What costs money, or stands in the way, when it is there twice."""
        use = self.sandbox.client
        clusters = use("emr").list_clusters(ClusterStates=recover.ACTIVE_CLUSTERS)["Clusters"]
        networks = use("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"]
        gateways = use("ec2").describe_nat_gateways()["NatGateways"]
        keys = [use("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in use("kms").list_keys()["Keys"]]
        return {
            *(cluster["Id"] for cluster in clusters),
            *(network["VpcId"] for network in networks),
            *(address["AllocationId"] for address in use("ec2").describe_addresses()["Addresses"]),
            *(gateway["NatGatewayId"] for gateway in gateways if gateway["State"] != "deleted"),
            *(key["KeyId"] for key in keys if key["KeyManager"] == "CUSTOMER" and key["KeyState"] == "Enabled"),
            *(bucket["Name"] for bucket in use("s3").list_buckets()["Buckets"]),
        }

    # -- runs ----------------------------------------------------------------------------------------------------------

    def run(self, kills: Sequence[Kill]) -> int:
        """Send a file through the pipeline for each kill, kill while it is worked on, redrive what failed.

        Returns:
            How many redrives it took.

        Raises:
            SandboxError: when a file is lost, or is there twice.
        """
        pipeline = Pipeline(self.sandbox, self.engine.outputs())
        ledger = Ledger(self._tables(), pipeline.outputs["ledgerTable"])
        files: list[flights.InputFile] = []
        source = _files()
        dead: set[int] = set()
        for planned in kills:
            kill, hit = planned, False
            while not hit:
                if not kill.retried:
                    files.append(next(source))
                    pipeline.drop(files[-1:])
                victims = self._at_work(kill, pipeline, ledger, files[-1], dead)
                time.sleep(kill.point)
                for victim in victims:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(victim, signal.SIGKILL)
                        hit = True
                dead.update(victims)
                self.narrator.say(f"{kill}: {'hit' if hit else 'its work was done, so once more'}; {files[-1].key}")
                kill = replace(kill, point=kill.point / 2, retried=False)
        redriven = self._settle(pipeline, ledger, files)
        rows, _ = pipeline.count("flights/")
        wanted = sum(file.rows for file in files)
        if rows != wanted:
            raise control.SandboxError(f"{wanted} rows were dropped and {rows} are in the table")
        self.narrator.say(f"{len(files)} files, {rows} rows: each there once; {redriven} manifests were driven again")
        return redriven

    def _tables(self) -> Any:
        library: Any = boto3
        session = library.Session(control.CREDENTIAL, control.CREDENTIAL, region_name=self.sandbox.region)
        return session.resource("dynamodb", endpoint_url=self.sandbox.endpoint).meta.client

    def _at_work(
        self, kill: Kill, pipeline: Pipeline, ledger: Ledger, file: flights.InputFile, dead: Set[int]
    ) -> list[int]:
        """Processes to kill, as soon as they work on the file."""
        if kill.victim == "spark":
            raw = pipeline.outputs["rawBucket"]

            def working() -> list[int]:
                manifests = {str(version.get("manifest") or "") for version in ledger.versions(raw, file.key)} - {""}
                return sorted(set(self._spark(manifests)) - dead)

            return wait_for(working, f"Spark for {file.key}")
        queue = pipeline.outputs["intakeQueueUrl"]

        def taken() -> bool:
            names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
            counted = pipeline.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
            return int(counted[names[1]]) > 0

        wait_for(taken, f"the function to take {file.key}")
        return wait_for(self._functions, "the function's process")

    def _settle(self, pipeline: Pipeline, ledger: Ledger, files: Sequence[flights.InputFile]) -> int:
        """Wait until every file has been processed; drive again what failed."""
        redriven: set[tuple[str, int]] = set()
        raw = pipeline.outputs["rawBucket"]

        def done() -> bool:
            succeeded = 0
            for file in files:
                for version in ledger.versions(raw, file.key):
                    item = ledger.manifest(version["manifest"]) if version.get("manifest") else None
                    if item is None:
                        continue
                    succeeded += item["state"] == "succeeded"
                    attempt = (item["hash"], int(item["attempt"]))
                    if item["state"] == "failed" and attempt not in redriven:
                        redriven.add(attempt)
                        self.narrator.say(f"  {file.key}: {item.get('outcome')}; driven again")
                        self._redrive(item["hash"])
            return succeeded == len(files)

        wait_for(done, "every file to be processed")
        return len(redriven)

    def _redrive(self, manifest: str) -> None:
        self._run([sys.executable, "-m", "functions.ledger", "--stack", self.engine.stack, "redrive", manifest])


def _files() -> Iterator[flights.InputFile]:
    """Small files of the data set, no row in two of them."""
    rows = flights.read_source()
    for position in itertools.count():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([flights.COLUMNS, *rows[position * ROWS : (position + 1) * ROWS]])
        yield flights.InputFile(f"{flights.PREFIX}chaos-{position:02}.csv", text.getvalue().encode(), ROWS)


def chaos(seed: int, kills: int) -> None:
    """Kill so often, and see everything converge; outcomes are printed as they come.

    Raises:
        SandboxError: when something does not.
    """
    narrator = Narrator()
    print(f"seed {seed}, {kills} kills", flush=True)
    of_up, of_run = plan(seed, kills)
    with control.temporary("chaos") as sandbox:
        trial = Chaos(sandbox, narrator)
        with narrator.phase(f"up, with {len(of_up)} kills"):
            trial.deploy(of_up)
        with narrator.phase("up and refresh once more"):
            trial.converged()
        with narrator.phase(f"{len(of_run)} files through the pipeline, with a kill each"):
            trial.run(of_run)
        with narrator.phase("down"):
            trial.gone()
    narrator.show_phases()
    hit = Counter(kill.victim for kill in (*of_up, *of_run))
    print(f"seed {seed}: everything converged after {kills} kills: {', '.join(f'{n} of {v}' for v, n in hit.items())}")
