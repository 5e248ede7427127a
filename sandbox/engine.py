"""The real Pulumi engine, pointed at a sandbox: its own backend, home and providers, nothing of the user's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.control import CREDENTIAL, ROOT, Sandbox, SandboxError
from tools import cli, plan


def environment(sandbox: Sandbox) -> dict[str, str]:
    """Variables beside the process's own that make `pulumi` and `aws` work on this sandbox."""
    state = sandbox.directory / "state"
    home = sandbox.directory / "pulumi-home"
    state.mkdir(exist_ok=True)
    home.mkdir(exist_ok=True)
    # The CLI logs all that it does, with all properties, and nothing turns that off; it is half of its processor time.
    # With a file where the directory would be, it does without (pulumi pkg/logging/encrypted.go: StartLogging).
    (home / "logs").touch()
    path = os.pathsep.join([str(cli.directory()), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {
        **sandbox.aws_environment(),
        "PATH": path,
        # Without the file of attributes that the backend keeps beside each of its own: it is written in place, and half
        # of one, when the engine is killed, makes the state unreadable (gocloud.dev blob/fileblob/attrs.go: setAttrs).
        "PULUMI_BACKEND_URL": f"{state.as_uri()}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": CREDENTIAL,
        "PULUMI_HOME": str(home),
        "PULUMI_DEBUG_PROVIDERS": ",".join(f"{name}:{port}" for name, port in sandbox.providers.items()),
        # Providers are attached; the engine must look nowhere else for them.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # Makes --event-log known to the CLI, as the Automation API does.
        "PULUMI_DEBUG_COMMANDS": "true",
        "PULUMI_ACCESS_TOKEN": "",
        # As in the Makefile; `make env` puts it in a person's shell.
        "PYTHONDONTWRITEBYTECODE": "",
    }


def shell(sandbox: Sandbox) -> dict[str, str]:
    """Variables for a person's shell, in which `pulumi` knows the stack too.

    Stacks are made with --no-select, for selecting one is a matter of the person's own workspace.
    """
    return {**environment(sandbox), "PULUMI_STACK": "sandbox"}


class Failure(Exception):
    """A Pulumi command that failed; the message is the command and what it said."""

    def __init__(self, command: str, output: str) -> None:
        super().__init__(f"'{command}' failed:\n{outcome(output)}")
        self.errors = sum(line.lstrip().startswith("error:") for line in output.splitlines())
        """How many errors it told of."""


def outcome(output: str) -> str:
    """The part of the CLI's output that tells how it ended: policies and diagnostics, without the list of resources."""
    lines = output.splitlines()
    first = next((number for number, line in enumerate(lines) if line in ("Policies:", "Diagnostics:")), 0)
    return "\n".join(lines[first:])


@dataclass(frozen=True)
class Progress:
    """How far an operation is."""

    operation: str
    """``preview``, ``up`` or ``destroy``."""
    planned: int
    """Resources in the plan so far."""
    done: int
    """Of these, how many are done."""


class Engine:
    """One stack of this project on a sandbox."""

    def __init__(self, sandbox: Sandbox, stack: str, *, policies: bool = True) -> None:
        self.sandbox = sandbox
        self.stack = stack
        self.policies = policies
        self.running: subprocess.Popen[str] | None = None
        """The CLI while it works."""
        self.environment = {**os.environ, **environment(sandbox)}
        self.config_file = self._initialise()

    def _initialise(self) -> Path:
        """Make the stack, if it is not there, beside a *copy* of its configuration.

        `pulumi stack init` writes a salt into the stack file, and nobody's stack file should change for a look.
        """
        source = ROOT / f"Pulumi.{self.stack}.yaml"
        if not source.exists():
            known = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
            raise SandboxError(
                f"there is no stack {self.stack!r}: {source.name} does not exist; known: {', '.join(known)}"
            )
        scratch = self.sandbox.directory / "stacks" / self.stack
        copy = scratch / source.name
        if not copy.exists():
            scratch.mkdir(parents=True)
            shutil.copy(ROOT / "Pulumi.yaml", scratch)
            shutil.copy(source, copy)
            self._run(["-C", str(scratch), "stack", "init", self.stack, "--no-select"])
        return copy

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [str(cli.directory() / "pulumi"), "--non-interactive", *arguments]

    def _run(self, arguments: Sequence[str]) -> str:
        process = subprocess.run(
            self._command(arguments),
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode:
            raise Failure(f"pulumi {' '.join(arguments)}", process.stdout + process.stderr)
        return process.stdout

    def _stack_arguments(self) -> list[str]:
        return ["--stack", self.stack, "--config-file", str(self.config_file)]

    def _policy_arguments(self) -> list[str]:
        return cli.policy_arguments(self.stack) if self.policies else []

    def operate(
        self, operation: str, arguments: Sequence[str] = (), on_progress: Callable[[Progress], None] | None = None
    ) -> str:
        """Run ``preview``, ``up``, ``refresh`` or ``destroy``; `on_progress` hears of it as it goes.

        Returns:
            What the CLI printed.

        Raises:
            Failure: with what the CLI printed.
        """
        events = self.sandbox.directory / f"{operation}-{time.time_ns()}.events"
        command = self._command(
            [
                operation,
                *self._stack_arguments(),
                *(self._policy_arguments() if operation in ("preview", "up") else []),
                *(["--yes"] if operation != "preview" else []),
                # The intake's and the cluster's ends are hooks of the program (components/hooks.py).
                *(["--run-program"] if operation == "destroy" else []),
                "--event-log",
                str(events),
                "--color=never",
                "--suppress-progress",
                *arguments,
            ]
        )
        output: list[str] = []
        # Its own session: Ctrl-C reaches us, and we end it in order (the engine releases its lock on SIGINT).
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.running = process
        assert process.stdout is not None
        stream = process.stdout
        reader = threading.Thread(target=lambda: output.extend(stream), daemon=True)
        reader.start()
        try:
            while process.poll() is None:
                if on_progress is not None and events.exists():
                    on_progress(progress_of(operation, read_events(events)))
                time.sleep(0.5)
        except BaseException:
            interrupt(process)
            raise
        reader.join()
        text = "".join(output)
        with (self.sandbox.directory / "pulumi.log").open("a") as log:
            log.write(f"$ pulumi {operation} (stack {self.stack})\n{text}\n")
        if process.returncode:
            raise Failure(f"pulumi {operation} --stack {self.stack}", text)
        return text

    def preview_json(self, file: Path) -> None:
        """Write the engine's plan with the policies' findings (`tools.plan`), also of a preview that fails.

        Raises:
            Failure: with what was violated, or went wrong.
        """
        failed = plan.preview([*self._stack_arguments(), *self._policy_arguments()], self.environment, file)
        if failed:
            raise Failure(f"pulumi preview --stack {self.stack}", f"{failed}\nthe plan is in {file}")

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs; secrets stay ``[secret]``."""
        return json.loads(self._run(["stack", "output", "--stack", self.stack, "--json"]))

    def state(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """The stack's state (`pulumi stack export`); secrets stay encrypted unless they are asked for."""
        shown = ["--show-secrets"] if show_secrets else []
        return json.loads(self._run(["stack", "export", "--stack", self.stack, *shown]))


def interrupt(process: subprocess.Popen[str]) -> None:
    """End a Pulumi command: let it finish what it is doing and release its lock, and insist when it lingers."""
    import signal

    for number, patience in ((signal.SIGINT, 15), (signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        if process.poll() is not None:
            return
        os.killpg(process.pid, number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue


def read_events(path: Path) -> Iterator[Mapping[str, Any]]:
    """Engine events written so far; a half-written last line is left for the next look."""
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def progress_of(operation: str, events: Iterator[Mapping[str, Any]]) -> Progress:
    """Count the resources that an operation has begun and finished."""
    planned = done = 0
    current = operation
    for event in events:
        if "preludeEvent" in event:
            planned = done = 0
        elif "resourcePreEvent" in event:
            metadata = event["resourcePreEvent"]["metadata"]
            current = "preview" if event["resourcePreEvent"].get("planning") else operation
            planned += metadata["op"] != "same"
        elif "resOutputsEvent" in event:
            done += event["resOutputsEvent"]["metadata"]["op"] != "same"
    return Progress(current, planned, done)
