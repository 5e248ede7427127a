"""The main job: the whole stack on this machine, a real data set through it, and an account of what happened."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import control, dashboard_picture, flights, monitoring, role_evidence, secret_scan
from sandbox.alarm_evaluation import Evaluation
from sandbox.engine import Engine, Progress

PATIENCE_SECONDS = 600
"""How long a drop may take before the demonstration gives up."""


@dataclass
class Narrator:
    """Tells what happens, with the time, and keeps the seconds of each phase."""

    started: float = field(default_factory=time.monotonic)
    phases: dict[str, float] = field(default_factory=dict[str, float])
    _last: str = ""

    def say(self, text: str) -> None:
        """One line, once."""
        if text != self._last:
            print(f"{time.monotonic() - self.started:7.1f} s  {text}", flush=True)
            self._last = text

    @contextlib.contextmanager
    def phase(self, name: str) -> Generator[None]:
        """Time a block under a name."""
        begun = time.monotonic()
        self.say(name)
        yield
        self.phases[name] = time.monotonic() - begun

    def show_phases(self) -> None:
        """Tell the seconds of each phase."""
        print("\nSeconds")
        for name, seconds in self.phases.items():
            print(f"  {seconds:6.1f}  {name}")

    def progress(self, progress: Progress) -> None:
        """Tell how far the engine is, in steps that are worth a line."""
        if progress.planned:
            self.say(f"  {progress.operation}: {progress.done // 25 * 25} resources and more")


@dataclass(frozen=True)
class Execution:
    """One execution of the pipeline, when it has ended."""

    name: str
    status: str
    states: tuple[str, ...]
    """Names of the states that it entered, in order, each run of a repeated state once."""
    input: Mapping[str, Any]
    error: str
    cause: str


class Pipeline:
    """The deployed stack as its users see it: drop files, watch executions, read messages."""

    def __init__(self, sandbox: control.Sandbox, outputs: Mapping[str, Any]) -> None:
        self.outputs = outputs
        self.s3 = sandbox.client("s3")
        self.sqs = sandbox.client("sqs")
        self.sns = sandbox.client("sns")
        self.glue = sandbox.client("glue")
        self.stepfunctions = sandbox.client("stepfunctions")
        self.emr = sandbox.client("emr")
        self.cloudwatch = sandbox.client("cloudwatch")
        self.functions = sandbox.client("lambda")
        self.iam = sandbox.client("iam")
        self._sandbox = sandbox

    def subscribe(self) -> str:
        """Listen to every topic, as a team's own queue would; returns the queue's URL."""
        url = self.sqs.create_queue(QueueName="demonstration-messages")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        for topic in ("successTopicArn", "warningTopicArn", "criticalTopicArn"):
            self.sns.subscribe(TopicArn=self.outputs[topic], Protocol="sqs", Endpoint=arn)
        return url

    def messages(self, queue_url: str) -> list[dict[str, str]]:
        """Messages received so far: topic, subject and text."""
        received: list[dict[str, str]] = []
        while batch := self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", []):
            for message in batch:
                envelope = json.loads(message["Body"])
                received.append(
                    {
                        "topic": envelope["TopicArn"],
                        "subject": envelope.get("Subject") or "",
                        "text": envelope["Message"],
                    }
                )
                self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return received

    def drop(self, files: Sequence[flights.InputFile]) -> None:
        """Put files in the raw bucket."""
        for file in files:
            self.s3.put_object(Bucket=self.outputs["rawBucket"], Key=file.key, Body=file.body)

    def executions(self) -> list[dict[str, Any]]:
        """All executions, as ListExecutions gives them."""
        pages = self.stepfunctions.get_paginator("list_executions").paginate(
            stateMachineArn=self.outputs["stateMachineArn"]
        )
        return [execution for page in pages for execution in page["executions"]]

    def history(self, arn: str) -> Execution:
        """What an execution did."""
        described = self.stepfunctions.describe_execution(executionArn=arn)
        pages = self.stepfunctions.get_paginator("get_execution_history").paginate(executionArn=arn)
        entered = [
            event["stateEnteredEventDetails"]["name"]
            for page in pages
            for event in page["events"]
            if "stateEnteredEventDetails" in event
        ]
        states: list[str] = []
        for name in entered:
            if name not in states:
                states.append(name)
        return Execution(
            name=described["name"],
            status=described["status"],
            states=tuple(states),
            input=json.loads(described["input"]),
            error=described.get("error", ""),
            cause=described.get("cause", ""),
        )

    def wait_for(self, objects: int, narrator: Narrator) -> None:
        """Wait until so many dropped objects went through executions that have ended.

        Raises:
            SandboxError: when that takes longer than `PATIENCE_SECONDS`, or messages end in the dead-letter queue.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        inputs: dict[str, int] = {}
        while time.monotonic() < deadline:
            listed = self.executions()
            for execution in listed:
                arn = execution["executionArn"]
                if arn not in inputs:
                    described = self.stepfunctions.describe_execution(executionArn=arn)
                    inputs[arn] = json.loads(described["input"])["objects"]
                    narrator.say(f"  execution {execution['name']} started: {inputs[arn]} objects")
            running = [execution for execution in listed if execution["status"] == "RUNNING"]
            if not running and sum(inputs.values()) >= objects:
                return
            for execution in running:
                step = self._step(execution["name"])
                if step:
                    narrator.say(f"  execution {execution['name']}: step {step['Id']} is {step['Status']['State']}")
            self._nothing_dead()
            time.sleep(0.5)
        raise control.SandboxError(
            f"{objects} objects were dropped, and {sum(inputs.values())} went through in {PATIENCE_SECONDS} s"
        )

    def _step(self, name: str) -> Mapping[str, Any] | None:
        steps = self.emr.list_steps(ClusterId=self.outputs["clusterId"])["Steps"]
        return next((step for step in steps if step["Name"] == name), None)

    def _nothing_dead(self) -> None:
        url = self.outputs["deadLetterQueueUrl"]
        received = self.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0).get("Messages", [])
        if received:
            raise control.SandboxError(f"a message ended in the dead-letter queue: {received[0]['Body']}")

    def report(self, execution: Execution) -> dict[str, Any]:
        """The job's own account of a run."""
        where = execution.input["report"]
        return json.loads(self.s3.get_object(Bucket=where["bucket"], Key=where["key"])["Body"].read())

    def keep_house(self) -> None:
        """Have housekeeping do now what its schedule has it do.

        Raises:
            SandboxError: when it fails.
        """
        name = next(name for name in self._functions() if name.endswith("-housekeeping"))
        answer = self.functions.invoke(FunctionName=name, Payload=json.dumps({"detail-type": "Scheduled Event"}))
        if "FunctionError" in answer:
            raise control.SandboxError(f"{name} failed: {answer['Payload'].read().decode()}")

    def evidence(self) -> role_evidence.Evidence:
        """What the roles of functions and state machine did, against what their policies allow."""
        roles = {function["Role"]: name.rsplit("-", 1)[1] for name, function in self._functions().items()}
        machine = self.stepfunctions.describe_state_machine(stateMachineArn=self.outputs["stateMachineArn"])
        arns = {**roles, machine["roleArn"]: "pipeline"}
        principals = {**roles, role_evidence.STATE_MACHINE: "pipeline"}
        calls = [
            dataclasses.replace(call, principal=principals[call.principal])
            for call in role_evidence.read_calls(self._sandbox.directory / "aws" / "calls.jsonl")
        ]
        tags = self.emr.describe_cluster(ClusterId=self.outputs["clusterId"])["Cluster"]["Tags"]
        place = role_evidence.Place(
            region=self._sandbox.region,
            account_id=machine["stateMachineArn"].split(":")[4],
            cluster_tags={tag["Key"]: tag["Value"] for tag in tags},
        )
        return role_evidence.compare(calls, {name: self._statements(arn) for arn, name in arns.items()}, place)

    def _functions(self) -> dict[str, Any]:
        pages = self.functions.get_paginator("list_functions").paginate()
        return {function["FunctionName"]: function for page in pages for function in page["Functions"]}

    def _statements(self, role_arn: str) -> list[dict[str, Any]]:
        role = role_arn.rsplit("/", 1)[1]
        names = self.iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = [self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
        return [statement for document in documents for statement in document["Statement"]]

    def partitions(self, table: str) -> list[str]:
        """Locations of a table's partitions in the catalog."""
        pages = self.glue.get_paginator("get_partitions").paginate(
            DatabaseName=self.outputs["database"], TableName=table
        )
        return sorted(partition["StorageDescriptor"]["Location"] for page in pages for partition in page["Partitions"])

    def count(self, prefix: str) -> tuple[int, int]:
        """Rows and sum of distance under a prefix of the processed bucket, read by DuckDB and by nothing of ours."""
        import duckdb

        with tempfile.TemporaryDirectory() as directory:
            pages = self.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.outputs["processedBucket"], Prefix=prefix
            )
            for page in pages:
                for entry in page.get("Contents", []):
                    if entry["Key"].endswith(".parquet"):
                        target = Path(directory) / entry["Key"]
                        target.parent.mkdir(parents=True, exist_ok=True)
                        self.s3.download_file(self.outputs["processedBucket"], entry["Key"], str(target))
            query = f"SELECT count(*), coalesce(sum(distance), 0) FROM read_parquet('{directory}/**/*.parquet')"
            if not list(Path(directory).rglob("*.parquet")):
                return 0, 0
            row = duckdb.connect().execute(query).fetchone()
            assert row is not None
            return int(row[0]), int(row[1])


@dataclass(frozen=True)
class Check:
    """One thing that must be so, and what was found."""

    text: str
    expected: Any
    found: Any

    @property
    def holds(self) -> bool:
        """Whether it is so."""
        return self.expected == self.found


def _readable(text: str) -> str:
    """What a person reads of a message: an alarm's is JSON for all but e-mail, which shows its parts."""
    if not text.startswith("{"):
        return text
    alarm = json.loads(text)
    return f"{alarm['AlarmDescription']}\nSince: {alarm['StateChangeTime']}\nState: {alarm['NewStateReason']}"


def _show_execution(execution: Execution) -> None:
    print(f"\n  execution {execution.name}: {execution.status}")
    print(f"    input   {execution.input['objects']} objects, {execution.input['bytes']:,} bytes")
    print(f"    states  {' → '.join(execution.states)}")
    if execution.error:
        print(f"    error   {execution.error}")
        print(f"    cause   {execution.cause}")


def _show_report(report: Mapping[str, Any]) -> None:
    rows = report["rows"]
    print(f"    rows    {rows['in']:,} in = {rows['out']:,} out + {rows['setAside']:,} set aside")
    for reason, number in report["setAsideReasons"].items():
        print(f"            {number} because {reason}")
    for rejected in report["rejectedObjects"]:
        print(f"    refused {rejected['object']}: {rejected['reason']}")


def account(
    pipeline: Pipeline,
    data: flights.Flights,
    first: int,
    messages: Sequence[Mapping[str, str]],
    judged: Mapping[str, Evaluation],
    evidence: role_evidence.Evidence,
) -> list[Check]:
    """Print what happened and return what must hold.

    Args:
        pipeline: The deployed stack.
        data: What was dropped.
        first: Rows that were in the table before the file with the wrong header came.
        messages: Notifications received.
        judged: What the deployed alarms made of the run's metrics.
        evidence: What the roles did, against what they are allowed.
    """
    executions = [pipeline.history(execution["executionArn"]) for execution in reversed(pipeline.executions())]
    reports: dict[str, dict[str, Any]] = {}
    for execution in executions:
        _show_execution(execution)
        reports[execution.name] = pipeline.report(execution)
        _show_report(reports[execution.name])

    rows, distance = pipeline.count("flights/")
    partitions = pipeline.partitions("flights")
    print(f"\n  table {pipeline.outputs['database']}.flights: {rows:,} rows in {len(partitions)} partitions")
    print(f"    first   {partitions[0] if partitions else '-'}")
    print("\n  notifications received")
    for message in messages:
        print(f"    {message['subject']}")
        for line in _readable(message["text"]).strip().splitlines():
            print(f"      {line}")
    print(f"\n  {len(judged)} deployed alarms had data")
    for name, evaluation in judged.items():
        if evaluation.state == "ALARM":
            print(f"    {name}: {evaluation.state} ({evaluation.reason})")

    def total(key: str) -> int:
        return sum(report["rows"][key] for report in reports.values())

    errors = [execution.error for execution in executions if execution.status == "FAILED"]
    refused = [entry["object"] for report in reports.values() for entry in report["rejectedObjects"]]
    wrong = f"s3://{pipeline.outputs['rawBucket']}/{data.wrong_header.key}"
    topics = [message["topic"] for message in messages]
    successes, warnings, criticals = (
        topics.count(pipeline.outputs[f"{severity}TopicArn"]) for severity in ("success", "warning", "critical")
    )
    gone_off = [name.split("-", 3)[3] for name, evaluation in judged.items() if evaluation.state == "ALARM"]
    told = [
        message
        for message in messages
        if message["subject"].startswith("ALARM: ") and "runbook.md#rows-many" in message["text"]
    ]
    return [
        Check("rows in = rows out + rows set aside", total("in"), total("out") + total("setAside")),
        Check("every good record is in the table (DuckDB counts)", data.rows, rows),
        Check("every damaged record is set aside", data.damaged, total("setAside")),
        Check("the distances add up to those of the source", data.distance, distance),
        Check("the catalog has a partition for every month", 12, len(partitions)),
        Check("one execution ended on the failure path, for its data", ["DataRejected"], errors),
        Check("the file with the wrong header is the reason, and no other", [wrong], refused),
        Check("it hurt no other file: the table is as before", first, rows),
        Check("the rejected file came as a warning", 1, warnings - len(told)),
        Check("one alarm went off: the rows of the day are more than promised", ["rows-many-flights"], gone_off),
        Check("and told people, with the way to its entry in the runbook", 1, len(told)),
        Check("nothing critical came", 0, criticals),
        Check("a message of each success came", len(executions) - 1, successes),
        Check(
            f"all {evidence.calls} different calls by our roles are allowed, conditions included", [], evidence.refused
        ),
        Check("all that our roles are allowed is used or has its reason", [], evidence.unused),
        Check("and no reason is left of what is not allowed any more", [], evidence.reasons_without_grant),
    ]


def demonstrate(picture: Path | None = None) -> None:
    """Run the main job; with `picture`, draw the dashboard to files of this name at its end.

    Raises:
        SandboxError: when a check of its account does not hold.
    """
    narrator = Narrator()
    with contextlib.ExitStack() as stack:
        with narrator.phase("starting AWS on this machine"):
            sandbox = stack.enter_context(control.temporary("demonstration"))
        with narrator.phase("pulumi up of the sandbox stack, with its policies"):
            engine = Engine(sandbox, "sandbox")
            engine.operate("up", on_progress=narrator.progress)
            pipeline = Pipeline(sandbox, engine.outputs())
        with narrator.phase("preparing 336,776 flights as twelve files, some lines damaged"):
            data = flights.prepare()
            queue = pipeline.subscribe()
        with narrator.phase("twelve months through the pipeline"):
            pipeline.drop(data.files)
            pipeline.wait_for(len(data.files), narrator)
            before, _ = pipeline.count("flights/")
        with narrator.phase("a file with a wrong header"):
            pipeline.drop([data.wrong_header])
            pipeline.wait_for(len(data.files) + 1, narrator)
        with narrator.phase("housekeeping, as on its schedule"):
            pipeline.keep_house()
        with narrator.phase("the deployed alarms judge the run's metrics"):
            judged = monitoring.judge(pipeline.cloudwatch, "emr-pipeline-sandbox-")
        with narrator.phase("looking for secrets in clear, in state, outputs, plan, logs and files"):
            engine.preview_json(sandbox.directory / "plan.json")
            secrets = secret_scan.secrets_of(engine.state(show_secrets=True))
            texts = {"state": json.dumps(engine.state()), "outputs": json.dumps(engine.outputs())}
            clear = secret_scan.in_clear(secrets, sandbox.directory, texts)
        print("\nWhat happened")
        checks = account(pipeline, data, before, pipeline.messages(queue), judged, pipeline.evidence())
        checks += [
            Check("passwords and keys were made, and looked for", True, len(secrets) >= 3),
            Check("none of them lies in clear anywhere", [], clear),
        ]
        if picture is not None:
            for file in dashboard_picture.render(pipeline.cloudwatch, pipeline.outputs["dashboardName"], picture):
                print(f"\n  dashboard drawn to {file}")
        print("\nChecked")
        for check in checks:
            result = "yes" if check.holds else f"NO: expected {check.expected}, found {check.found}"
            print(f"  {check.text}: {result}")
        wrong = [check.text for check in checks if not check.holds]
        if wrong:
            raise control.SandboxError(f"{len(wrong)} of {len(checks)} checks do not hold")
        begun = time.monotonic()
    narrator.phases["stopping"] = time.monotonic() - begun
    narrator.show_phases()
