"""The stand-ins' own process: ``python -m sandbox.providers``; `sandbox.provider_process` starts it and keeps it.

A provider plugin is a process that can crash by itself, and so is this one. It prints its ports as one line of JSON
and serves until its standard input closes, which also happens when whoever started it is killed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys

from sandbox import providers


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.providers", description=__doc__)
    parser.add_argument("--endpoint", required=True, help="address of the AWS API")
    parser.add_argument("--region", required=True, help="region of a program that sets none")
    parser.add_argument("--ports", type=json.loads, default={}, help="ports to take, JSON by name; missing: free ones")
    arguments = parser.parse_args()
    # Whoever started it ends it, in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    running = providers.start(arguments.endpoint, arguments.region, ports=arguments.ports)
    print(json.dumps(running.ports), flush=True)
    while os.read(sys.stdin.fileno(), 1024):
        pass
    # At once: a thread may still be reading a schema.
    os._exit(0)


if __name__ == "__main__":
    main()
