"""The real engine with the stand-ins: up, again, refresh, change, down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import providers
from tests.sandbox.providers.world import REGION, World
from tools import cli

PROGRAM = """
    import json
    import pulumi, pulumi_aws as aws, pulumi_random as random, pulumi_tls as tls

    size = pulumi.Config().require_int("size")
    secret = random.RandomPassword("secret", length=20)
    key = tls.PrivateKey("key", algorithm="ECDSA", ecdsa_curve="P256")

    # The default provider, with the stack's own region and tags ...
    parameter = aws.ssm.Parameter("parameter", type="SecureString", value=secret.result)

    # ... and an explicit one beside it.
    other = aws.Provider("other", region="us-east-1", default_tags={"tags": {"Team": "other"}})
    options = pulumi.ResourceOptions(provider=other)
    queue = aws.sqs.Queue("queue", visibility_timeout_seconds=size, opts=options)
    policy = queue.arn.apply(
        lambda arn: json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": ["sqs:SendMessage"], "Resource": arn}
                ],
            }
        )
    )
    aws.sqs.QueuePolicy("policy", queue_url=queue.url, policy=policy, opts=options)
    role = aws.iam.Role("role", assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": []}))
    code = pulumi.AssetArchive({"main.py": pulumi.StringAsset(f"SIZE = {size}")})
    bucket = aws.s3.Bucket("bucket", force_destroy=True)
    thing = aws.s3.BucketObjectv2("object", bucket=bucket.bucket, key="main.py", source=pulumi.FileAsset("main.py"))

    pulumi.export("parameter", parameter.arn)
    pulumi.export("queue", queue.arn)
    pulumi.export("tags", queue.tags_all)
    pulumi.export("defaultTags", role.tags_all)
    pulumi.export("etag", thing.etag)
    pulumi.export("region", aws.get_region(opts=pulumi.InvokeOptions(provider=other)).region)
    pulumi.export("secret", secret.result)
"""


@dataclass(frozen=True)
class Stack:
    directory: Path
    environment: dict[str, str]

    def pulumi(self, *arguments: str) -> str:
        command = [str(cli.directory() / "pulumi"), "--non-interactive", "--color=never", *arguments]
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def changes(self, *arguments: str) -> dict[str, int]:
        """How many resources an operation made, changed, left: the engine's own account."""
        log = self.directory.parent / "events"
        log.unlink(missing_ok=True)
        self.pulumi(*arguments, "--event-log", str(log))
        events = [json.loads(line) for line in log.read_text().splitlines()]
        return next(entry["summaryEvent"]["resourceChanges"] for entry in events if "summaryEvent" in entry)

    def outputs(self) -> dict[str, Any]:
        return json.loads(self.pulumi("stack", "output", "--json"))


@pytest.fixture
def stack(endpoint: str, tmp_path: Path) -> Any:
    program = tmp_path / "program"
    program.mkdir()
    (program / "Pulumi.yaml").write_text("name: stand-ins\nruntime: python\n")
    (program / "__main__.py").write_text(textwrap.dedent(PROGRAM))
    (program / "main.py").write_text("print(1)\n")
    for name in ("state", "home"):
        (tmp_path / name).mkdir()
    running = providers.start(endpoint, REGION, program)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(cli.directory()), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PULUMI_BACKEND_URL": (tmp_path / "state").as_uri(),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # Makes --event-log known to the CLI, as the Automation API does.
        "PULUMI_DEBUG_COMMANDS": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DEBUG_PROVIDERS": running.debug_providers,
    }
    stack = Stack(program, environment)
    stack.pulumi("stack", "init", "test")
    for name, value in {"aws:region": REGION, "aws:defaultTags": '{"tags": {"Team": "default"}}', "size": "60"}.items():
        stack.pulumi("config", "set", name, value)
    yield stack
    running.stop()


@pytest.mark.sandbox
def test_the_engine_takes_the_stand_ins_for_the_providers(stack: Stack, world: World) -> None:
    planned = stack.changes("preview")
    assert planned == {"create": 10}, "a preview needs no resource to exist"
    assert stack.changes("up", "--yes", "--skip-preview") == planned
    outputs = stack.outputs()
    assert outputs["queue"].startswith("arn:aws:sqs:us-east-1:"), "the explicit provider's region"
    assert outputs["parameter"].startswith("arn:aws:ssm:eu-west-1:"), "the default provider's region"
    assert outputs["tags"] == {"Team": "other"}
    assert outputs["defaultTags"] == {"Team": "default"}
    assert outputs["region"] == "us-east-1"
    assert outputs["secret"] == "[secret]"

    assert stack.changes("up", "--yes", "--skip-preview") == {"same": 10}, "the same program changes nothing"
    assert stack.changes("refresh", "--yes", "--skip-preview") == {"same": 10}, "and nothing has drifted"

    stack.pulumi("config", "set", "size", "120")
    (stack.directory / "main.py").write_text("print(2)\n")
    assert stack.changes("up", "--yes", "--skip-preview") == {"same": 8, "update": 2}, "the queue and the object"
    assert stack.outputs()["etag"] != outputs["etag"], "the new file was uploaded"

    assert stack.changes("destroy", "--yes", "--skip-preview") == {"delete": 10}
    left = [bucket["Name"] for bucket in world.client("s3").list_buckets()["Buckets"]]
    assert not [name for name in left if name.startswith("bucket-")], "nothing is left"


@pytest.mark.sandbox
def test_a_mistake_is_told_at_the_resource(stack: Stack) -> None:
    (stack.directory / "__main__.py").write_text(
        textwrap.dedent(
            """
            import pulumi_aws as aws
            aws.sqs.Queue("queue", visibility_timeout_seconds=50000)
            """
        )
    )
    with pytest.raises(AssertionError, match=r"aws:sqs:Queue \(queue\)[\s\S]*SQS allows 0 to 43200"):
        stack.pulumi("preview")
