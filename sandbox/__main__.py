"""The sandbox's commands, ``python -m sandbox demonstrate|start|stop|env|fault|chaos|preview``, for the Makefile."""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from sandbox import chaos, control, demonstration, engine, faults
from tools import cli

STANDING = control.HOME / "standing"
"""Directory of the sandbox that `make start` keeps up."""


def _terminated(*_: object) -> None:
    raise KeyboardInterrupt


def _start(port: int) -> None:
    narrator = demonstration.Narrator()
    with contextlib.ExitStack() as exits:
        with narrator.phase("starting AWS on this machine"):
            sandbox = exits.enter_context(control.standing(STANDING, port=port))
        with narrator.phase("pulumi up of the sandbox stack, with its policies"):
            stack = engine.Engine(sandbox, "sandbox")
            stack.operate("up", on_progress=narrator.progress)
            outputs = stack.outputs()
    narrator.show_phases()
    print(
        f"""
The sandbox stands at {sandbox.endpoint} until 'make stop'. Its log: {sandbox.log.relative_to(control.ROOT)}

Try next:
  eval "$(make -s env)"                                          # the CLI and this sandbox in your shell
  pulumi stack output                                            # what was made
  pulumi preview                                                 # shows no change
  aws s3 cp FILE.csv s3://{outputs["rawBucket"]}/flights/        # a file through the pipeline
  aws stepfunctions list-executions --state-machine-arn {outputs["stateMachineArn"]}
  aws s3 ls --recursive s3://{outputs["processedBucket"]}/flights/
  aws cloudwatch list-dashboards                                 # get-dashboard --dashboard-name NAME shows one
  make fault DO="step-fails '*'"                                 # make something go wrong; 'make fault' lists what
"""
    )


def _stop() -> None:
    begun = time.monotonic()
    stopped = control.stop(STANDING)
    print(f"the sandbox has stopped ({time.monotonic() - begun:.1f} s)" if stopped else "no sandbox runs")


def _env() -> None:
    sandbox = control.read(STANDING)
    if sandbox is None:
        # Printed as a command, so that eval of it tells the person too.
        print("echo 'no sandbox runs: make start' >&2; false")
        raise control.SandboxError("no sandbox runs: 'make start' begins one")
    variables = engine.shell(sandbox)
    for name, value in variables.items():
        if name == "PATH":
            ours = os.pathsep.join([str(cli.directory()), str(Path(sys.executable).parent)])
            print(f'export PATH={shlex.quote(ours)}:"$PATH"')
        else:
            print(f"export {name}={shlex.quote(value)}")


def _fault(line: str) -> None:
    sandbox = control.read(STANDING)
    if sandbox is None:
        raise control.SandboxError("no sandbox runs: 'make start' begins one")
    standing = faults.Faults(sandbox.endpoint)
    if line.strip() == "clear":
        standing.clear()
    elif line.strip():
        standing.add(line)
    else:
        print(faults.vocabulary_text())
        print("\n  clear\n      ends every fault\n")
    active = standing.active()
    print("set now:", *(f"\n  {fault}" for fault in active) if active else ("nothing",))


def _preview(stack: str, json_file: Path | None) -> None:
    if not stack:
        raise control.SandboxError("say which stack: make preview STACK=dev")
    with control.temporary(f"preview-{stack}") as sandbox:
        previewed = engine.Engine(sandbox, stack)
        if json_file is not None:
            previewed.preview_json(json_file)
            print(f"the plan is in {json_file}")
        else:
            print(previewed.operate("preview"))


def main() -> int:
    """Run one command; expected failures are one message and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demonstrate = commands.add_parser("demonstrate", help="the whole stack, a real data set through it, and down")
    demonstrate.add_argument("--dashboard", type=Path, help="draw the dashboard to this name with .png and .html")
    start = commands.add_parser("start", help="a sandbox that stays up")
    start.add_argument("--port", type=int, default=0, help="port of the AWS endpoint; 0 takes a free one")
    commands.add_parser("stop", help="end it")
    commands.add_parser("env", help="print what points a shell at it")
    fault = commands.add_parser("fault", help="make something go wrong in the standing sandbox, or list what is set")
    fault.add_argument("line", nargs="?", default="", help="for example: throttle emr:AddJobFlowSteps times=2")
    kill = commands.add_parser("chaos", help="kill engine, providers, function and Spark, and see everything converge")
    kill.add_argument("--seed", type=int, default=20130101, help="the same seed gives the same points")
    kill.add_argument("--kills", type=int, default=20)
    preview = commands.add_parser("preview", help="preview a stack with its policies and no AWS account")
    preview.add_argument("--stack", required=True)
    preview.add_argument("--json", type=Path, help="write the engine's JSON plan here")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Also where it was begun with SIGINT ignored, as a shell's script does in the background.
        signal.signal(number, _terminated)
    try:
        if arguments.command == "demonstrate":
            demonstration.demonstrate(arguments.dashboard)
        elif arguments.command == "start":
            _start(arguments.port)
        elif arguments.command == "chaos":
            chaos.chaos(arguments.seed, arguments.kills)
        elif arguments.command == "stop":
            _stop()
        elif arguments.command == "env":
            _env()
        elif arguments.command == "fault":
            _fault(arguments.line)
        else:
            _preview(arguments.stack, arguments.json)
    except (control.SandboxError, engine.Failure, cli.MissingCli, faults.FaultError) as error:
        print(error, file=sys.stderr)
        if arguments.command in ("demonstrate", "chaos", "preview", "start") and control.LAST_FAILURE.exists():
            print(f"logs: {control.LAST_FAILURE.relative_to(control.ROOT)}/", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; nothing is left running", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
