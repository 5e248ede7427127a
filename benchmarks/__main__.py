"""Measure the project: ``python -m benchmarks [NAME …]``; one JSON line a figure on standard output."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import deploy_path, ingest, job, newcomer, preview
from benchmarks.measure import Figures, machine
from sandbox.control import SandboxError
from sandbox.engine import Failure

BENCHMARKS: Mapping[str, Callable[[], Figures]] = {
    "preview": preview.measure,
    "ingest": ingest.measure,
    "job": job.measure,
    "deploy-path": deploy_path.measure,
    "newcomer": newcomer.measure,
}
"""By name, in the order in which they run."""


def main() -> int:
    """Run the benchmarks that were asked for; exit status 1 when one could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--output", type=Path, help="write the lines here too")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; known: {', '.join(BENCHMARKS)}")
    lines = [json.dumps({"machine": machine()})]
    print(lines[0], flush=True)
    try:
        for name in arguments.names or BENCHMARKS:
            for figure in BENCHMARKS[name]():
                lines.append(figure.line())
                print(lines[-1], flush=True)
    except (SandboxError, Failure) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if arguments.output:
            arguments.output.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
