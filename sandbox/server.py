"""The sandbox's process: AWS on this machine and the provider stand-ins, until it is told to stop.

Run as ``python -m sandbox.server --directory DIR``. When everything answers it writes ``DIR/sandbox.json``; whoever
started it waits for that file. Its state lives in memory: it ends with the process, and the engine's state with it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from sandbox import aws, control
from sandbox.provider_process import ProviderProcess

ACCOUNT_ID = "123456789012"
"""The account that the sandbox plays; no real one may have this number."""
REGION = "eu-west-1"
log = logging.getLogger("sandbox")


def _stop_when_parent_goes(stop: threading.Event) -> None:
    """Set `stop` when standard input closes before the parent said `STAY`: the parent holds it as long as it lives."""
    said = b""
    while part := os.read(sys.stdin.fileno(), 1024):
        said += part
    if said != control.STAY:
        stop.set()


def serve(directory: Path, region: str, port: int, *, with_parent: bool) -> None:
    """Start everything, say so in the state file, and wait for SIGTERM, SIGINT or the parent's end."""
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if with_parent:
        threading.Thread(target=_stop_when_parent_goes, args=(stop,), daemon=True).start()
    running_aws = aws.start(
        aws.AwsOptions(region=region, account_id=ACCOUNT_ID, directory=directory / "aws", port=port)
    )
    (directory / control.AWS_CONFIG_FILE).write_text(f"[profile {control.CREDENTIAL}]\nregion = {region}\n")
    running_providers: ProviderProcess | None = None
    state_file = directory / control.STATE_FILE
    try:
        running_providers = ProviderProcess(running_aws.endpoint, region)
        state = {
            "version": control.STATE_VERSION,
            "pid": os.getpid(),
            "endpoint": running_aws.endpoint,
            "region": region,
            "account": ACCOUNT_ID,
            "providers": dict(running_providers.ports),
            "log": str(directory / "sandbox.log"),
        }
        draft = state_file.with_suffix(".draft")
        draft.write_text(json.dumps(state, indent=2))
        draft.replace(state_file)
        log.info("the sandbox answers at %s", running_aws.endpoint)
        stop.wait()
    finally:
        state_file.unlink(missing_ok=True)
        if running_providers is not None:
            running_providers.stop()
        running_aws.stop()
        log.info("the sandbox has stopped")


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.server", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="where its state file, log and work files go")
    parser.add_argument("--region", default=REGION)
    parser.add_argument("--port", type=int, default=0, help="port of the AWS endpoint; 0 takes a free one")
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input closes")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for noisy in ("werkzeug", "botocore", "boto3", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        serve(arguments.directory.resolve(), arguments.region, arguments.port, with_parent=arguments.with_parent)
    except aws.StartError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
