"""Starting and stopping, and that nothing outlives the sandbox."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from sandbox import aws
from sandbox.aws.patches import PatchError, Patches
from sandbox.aws.server import listen


class Example:
    def here(self) -> int:
        return 1


def test_patches_are_undone_and_notice_a_changed_library():
    patches = Patches()
    patches.replace(Example, "here", lambda self: 2)
    patches.add(Example, "new", lambda self: 3)
    assert (Example().here(), Example().new()) == (2, 3)  # pyright: ignore
    patches.undo()
    assert Example().here() == 1
    assert not hasattr(Example, "new")
    with pytest.raises(PatchError, match="no longer has 'gone'"):
        patches.replace(Example, "gone", None)
    with pytest.raises(PatchError, match="now has 'here' of its own"):
        patches.add(Example, "here", None)


def test_two_at_once_are_refused(sandbox_aws, tmp_path):
    with pytest.raises(RuntimeError, match="already runs"):
        aws.start(aws.AwsOptions(directory=tmp_path))


PROGRAM = textwrap.dedent(
    """
    import boto3, io, sys, time, zipfile
    from pathlib import Path
    from sandbox import aws

    def client(running, service):
        keys = dict(aws_access_key_id="a", aws_secret_access_key="b")
        return boto3.client(service, endpoint_url=running.endpoint, region_name="eu-west-1", **keys)

    HANDLER = "import os\\ndef handler(e, c):\\n    open('{}', 'w').write(str(os.getpid()))\\n"
    directory = Path(sys.argv[1])
    for round in range(2):
        running = aws.start(aws.AwsOptions(directory=directory))
        emr, iam, functions = (client(running, name) for name in ("emr", "iam", "lambda"))
        cluster = emr.run_job_flow(Name="c", ReleaseLabel="emr-6.9.0", JobFlowRole="p", ServiceRole="r",
                                   Instances={"KeepJobFlowAliveWhenNoSteps": True})["JobFlowId"]
        assert len(emr.list_clusters()["Clusters"]) == 1, "a second start begins with nothing"
        script = f"echo $$ > {directory}/step-{round}; trap '' TERM; while :; do sleep 1; done"
        emr.add_job_flow_steps(JobFlowId=cluster, Steps=[{"Name": "s", "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["bash", "-c", script]}}])
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            package.writestr("app.py", HANDLER.format(directory / f"function-{round}"))
        role = iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        functions.create_function(FunctionName="f", Runtime="python3.13", Role=role, Handler="app.handler",
                                  Code={"ZipFile": archive.getvalue()})
        functions.invoke(FunctionName="f")
        while not (directory / f"step-{round}").exists():
            time.sleep(0.02)
        if round == 0:
            running.stop()
            running.stop()
    print("ready", running.port, flush=True)
    time.sleep(60)
    """
)


def ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{process}/stat")
    return state.exists() and ") Z " in state.read_text()


def wait_until_ended(*files: Path) -> None:
    processes = [int(file.read_text()) for file in files]
    deadline = time.monotonic() + 10
    while not all(ended(process) for process in processes):
        assert time.monotonic() < deadline, f"still running: {[p for p in processes if not ended(p)]}"
        time.sleep(0.05)


@pytest.fixture
def process(tmp_path):
    """A process that has run one sandbox to its end and another one, with a step and a function, that runs."""
    started = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    yield started, started.stdout.readline().split()
    started.kill()
    started.wait()


def test_nothing_outlives_the_sandbox_even_when_it_is_killed(process, tmp_path):
    started, (ready, port) = process
    assert ready == "ready"
    wait_until_ended(tmp_path / "step-0", tmp_path / "function-0")
    assert not ended(int((tmp_path / "step-1").read_text()))
    with socket.create_connection(("127.0.0.1", int(port)), timeout=2):
        pass
    started.send_signal(signal.SIGKILL)
    started.wait()
    wait_until_ended(tmp_path / "step-1", tmp_path / "function-1")


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=rf"127\.0\.0\.1:{port}"):
            listen(port)
