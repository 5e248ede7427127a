"""The ledger for people: what happened to a file, drive a failed run again, take in files that were there before.

    python -m functions.ledger --stack dev status s3://raw-bucket/flights/2013-01.csv
    python -m functions.ledger --stack dev status HASH | EXECUTION
    python -m functions.ledger --stack dev redrive HASH | EXECUTION [--job s3://…] [--rejected]
    python -m functions.ledger --stack dev release s3://raw-bucket/flights/2013-01.csv
    python -m functions.ledger --stack dev backfill --dataset flights [--prefix flights/2013/]
    python -m functions.ledger --stack dev latency [--dataset flights]

Table, queue and function come from the stack's outputs (``--stack``), or from ``--table``, ``--queue``, ``--function``
and ``--raw``. Re-driven and backfilled work goes through the same ledger and the same back-pressure as new files.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from functions.dispatcher.events import ObjectVersion, event_of
from functions.ledger.latency import seconds_by_stage, table
from functions.ledger.store import REJECTED, Item, Ledger, RedriveRefusedError, recorded

OUTPUTS = {"table": "ledgerTable", "queue": "intakeQueueUrl", "function": "dispatcherFunction", "raw": "rawBucket"}
"""Stack output by option."""
MESSAGES_AT_ONCE = 10
"""Most messages of one SendMessageBatch (SQS API reference)."""
_HEX = re.compile(r"[0-9a-f]{40,64}(-\d+)?")


class UsageError(Exception):
    """Something that the caller can put right; the text is the whole message."""


def stack_outputs(stack: str) -> Mapping[str, Any]:
    """Outputs of a stack, by the Pulumi CLI."""
    try:
        done = subprocess.run(
            ["pulumi", "stack", "output", "--json", "--stack", stack], capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise UsageError("pulumi is not on the PATH: give --table, --queue, --function and --raw instead") from None
    except subprocess.CalledProcessError as error:
        raise UsageError(f"stack {stack!r} has no outputs to read: {error.stderr.strip()}") from None
    return cast(Mapping[str, Any], json.loads(done.stdout))


def describe_manifest(item: Item) -> list[str]:
    """What a person reads about a manifest."""
    lines = [f"manifest   {item['hash']}", f"  dataset  {item['dataset']}: {item['objects']} objects"]
    lines.append(f"  state    {item['state']}, attempt {item['attempt']}")
    for name in ("outcome", "reason", "execution", "job", "plannedAt", "startedAt", "endedAt", "uri"):
        if item.get(name):
            lines.append(f"  {name:<8} {item[name]}")
    if item["state"] == "failed":
        again = " --rejected" if item.get("outcome") == REJECTED else ""
        lines.append(f"  again    python -m functions.ledger … redrive {item['hash']}{again}")
    return lines


def describe_object(item: Item, manifest: Item | None) -> list[str]:
    """What a person reads about an object version."""
    lines = [f"{str(item['sk']).replace('version#', 'version ')}: {item['state']}"]
    for name in ("reason", "claimedAt", "updatedAt"):
        if item.get(name):
            lines.append(f"  {name:<8} {item[name]}")
    if manifest is not None:
        lines += ["  " + line for line in describe_manifest(manifest)]
    elif item.get("manifest"):
        lines.append(f"  its manifest {item['manifest']} was not committed: the message comes again")
    return lines


def find_manifest(ledger: Ledger, name: str) -> Item:
    """The manifest of a hash, the beginning of one, or an execution's name.

    Raises:
        UsageError: when there is none.
    """
    if not _HEX.fullmatch(name):
        raise UsageError(f"{name!r} is neither s3://bucket/key, a manifest's hash nor an execution's name")
    digits = name.split("-", 1)[0]
    if len(digits) == 64:
        item = ledger.manifest(digits)
    else:
        states = ("failed", "running", "planned", "succeeded")
        item = next(
            (item for state in states for item in ledger.in_state(state) if item["hash"].startswith(digits)), None
        )
    if item is None:
        raise UsageError(f"manifest {name} is not in the ledger")
    return item


def status(ledger: Ledger, what: str) -> Iterator[str]:
    """Lines about an object or a manifest."""
    if not what.startswith("s3://"):
        yield from describe_manifest(find_manifest(ledger, what))
        return
    bucket, _, key = what.removeprefix("s3://").partition("/")
    items = ledger.versions(bucket, key)
    if not items:
        raise UsageError(
            f"{what} is not in the ledger: its event has not been dispatched (yet), or it lies outside every dataset's "
            "prefix; see the intake queue, the dead-letter queue, and `backfill` for files from before the pipeline"
        )
    for item in sorted(items, key=lambda item: str(item.get("updatedAt", ""))):
        yield from describe_object(item, ledger.manifest(item["manifest"]) if item.get("manifest") else None)


def current_versions(store: Any, bucket: str, prefix: str) -> Iterator[ObjectVersion]:
    """Objects that are in a bucket now, by prefix."""
    for page in store.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Versions", ()):
            if entry["IsLatest"]:
                version = None if entry["VersionId"] == "null" else str(entry["VersionId"])
                yield ObjectVersion(bucket, entry["Key"], version, int(entry["Size"]), entry["ETag"].strip('"'))


def send(queue: Any, url: str, versions: Iterable[ObjectVersion]) -> int:
    """Put events of object versions on the intake queue; how many."""
    sent = 0
    batch: list[dict[str, str]] = []

    def flush() -> None:
        nonlocal sent
        if batch:
            answer = queue.send_message_batch(QueueUrl=url, Entries=batch)
            if answer.get("Failed"):
                raise UsageError(
                    f"the queue refused {len(answer['Failed'])} messages: {answer['Failed'][0]}; run it again"
                )
            sent += len(batch)
            batch.clear()

    for number, version in enumerate(versions):
        batch.append({"Id": str(number), "MessageBody": json.dumps(event_of(version))})
        if len(batch) == MESSAGES_AT_ONCE:
            flush()
    flush()
    return sent


def backfill(store: Any, queue: Any, url: str, bucket: str, prefix: str) -> str:
    """Send what is there to the intake; the ledger lets through what it does not know yet."""
    sent = send(queue, url, current_versions(store, bucket, prefix))
    return (
        f"{sent} objects below s3://{bucket}/{prefix} are on the intake queue; those that the ledger knows are skipped"
    )


def release(ledger: Ledger, queue: Any, url: str, what: str) -> str:
    """Let the newest held version of a key through.

    Raises:
        UsageError: when none is held.
    """
    bucket, _, key = what.removeprefix("s3://").partition("/")
    held = [item for item in ledger.versions(bucket, key) if item["state"] == "ignored"]
    if not held:
        raise UsageError(f"{what} has no version that is held: see `status`")
    newest = max(held, key=lambda item: str(item["updatedAt"]))
    if not ledger.release(newest):
        raise UsageError(f"{what} was changed by somebody else at the same time: see `status`")
    send(queue, url, [recorded(newest)])
    return f"{newest['sk'].replace('version#', 'version ')} of {what} is let through: its rows are added to the table"


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(prog="python -m functions.ledger", description="What happened to a file, and again.")
    made.add_argument("--stack", help="stack whose outputs name the table, the queue and the function")
    for option in OUTPUTS:
        made.add_argument(f"--{option}", help=f"instead of the stack's output {OUTPUTS[option]}")
    commands = made.add_subparsers(dest="command", required=True)
    command = commands.add_parser("status", help="what happened to an object or a manifest")
    command.add_argument("what", help="s3://bucket/key, a manifest's hash, or an execution's name")
    command = commands.add_parser("redrive", help="plan a new attempt at a failed manifest")
    command.add_argument("what", help="a manifest's hash, or an execution's name")
    command.add_argument("--job", help="s3:// address of another job than the pinned one")
    command.add_argument("--rejected", action="store_true", help="also one whose data was rejected")
    command = commands.add_parser("release", help="let a held version of a key through: its rows are added")
    command.add_argument("what", help="s3://bucket/key")
    command = commands.add_parser("backfill", help="dispatch files that are in the raw bucket already")
    command.add_argument("--dataset", required=True, help="its name in the stack's configuration")
    command.add_argument(
        "--prefix", help="only below this prefix; by default the dataset's own, from the stack's outputs"
    )
    command = commands.add_parser("latency", help="how long files took from arrival to table, by stage")
    command.add_argument("--dataset", help="only this one's")
    return made


def resolve(options: argparse.Namespace) -> dict[str, str]:
    """Table, queue, function and bucket, from the flags or else the stack.

    Raises:
        UsageError: when something is given by neither.
    """
    known = {option: getattr(options, option) for option in OUTPUTS}
    needed = {
        "status": ["table"],
        "latency": ["table"],
        "redrive": ["table", "function"],
        "release": ["table", "queue"],
    }.get(options.command, ["queue", "raw"])
    missing = [option for option in needed if not known[option]]
    if missing and not options.stack:
        raise UsageError(f"give --stack, or {' and '.join(f'--{option}' for option in missing)}")
    if missing:
        outputs = stack_outputs(options.stack)
        for option in missing:
            if OUTPUTS[option] not in outputs:
                raise UsageError(
                    f"stack {options.stack!r} has no output {OUTPUTS[option]}: deploy it, or give --{option}"
                )
            known[option] = str(outputs[OUTPUTS[option]])
    return {option: value for option, value in known.items() if value}


def dataset_prefix(options: argparse.Namespace) -> str:
    """Where the files to take in lie.

    Raises:
        UsageError: when neither a prefix nor the stack's outputs say it.
    """
    if options.prefix is not None:
        return str(options.prefix)
    if not options.stack:
        raise UsageError("give --prefix, or --stack, whose outputs name the dataset's own prefix")
    prefixes = cast(Mapping[str, str], stack_outputs(options.stack).get("datasetPrefixes", {}))
    if options.dataset not in prefixes:
        raise UsageError(f"stack {options.stack!r} has no dataset {options.dataset!r}; it has {', '.join(prefixes)}")
    return prefixes[options.dataset]


def run(options: argparse.Namespace) -> Iterator[str]:
    """Do what was asked for; lines to print."""
    known = resolve(options)
    library = cast(Any, boto3)
    if options.command == "backfill":
        prefix = dataset_prefix(options)
        yield backfill(library.client("s3"), library.client("sqs"), known["queue"], known["raw"], prefix)
        return
    ledger = Ledger(library.resource("dynamodb").meta.client, known["table"])
    if options.command == "status":
        yield from status(ledger, options.what)
        return
    if options.command == "latency":
        wanted = (item for item in ledger.in_state("succeeded") if options.dataset in (None, item["dataset"]))
        yield from table(seconds_by_stage(wanted))
        return
    if options.command == "release":
        yield release(ledger, library.client("sqs"), known["queue"], options.what)
        return
    item = ledger.redrive(find_manifest(ledger, options.what)["hash"], options.job, rejected=options.rejected)
    library.client("lambda").invoke(
        FunctionName=known["function"], InvocationType="Event", Payload=b'{"reason":"redrive"}'
    )
    yield from describe_manifest(item)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of the command."""
    try:
        for line in run(parser().parse_args(arguments)):
            print(line)
    except (UsageError, RedriveRefusedError, ClientError, BotoCoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
