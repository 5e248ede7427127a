"""What steps run: where it lies, and how a node gets it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from components.job import CALL_WRAPPER, WRAPPER, PipelineJob, PipelineJobArgs, job_key
from tests.unit.harness import ENVIRONMENT, Deployment, deploy

SOURCE = WRAPPER.with_name("transform.py")
DATA_KEY = ENVIRONMENT.arn("kms", "key/data")


@dataclass(frozen=True)
class Bucket:
    """A bucket as the job sees it."""

    name: str
    arn: str = ""
    bucket: Any = None
    ready: list[pulumi.Resource] = field(default_factory=list)


def job() -> PipelineJob:
    versioning = aws.s3.BucketVersioning("versioning", bucket="scripts", versioning_configuration={"status": "Enabled"})
    scripts = Bucket("scripts", ready=[versioning])
    return PipelineJob(
        "job",
        PipelineJobArgs(source=SOURCE, scripts=scripts, data_key_arn=DATA_KEY),  # pyright: ignore[reportArgumentType]
    )


@pytest.fixture(scope="module")
def deployed() -> Deployment:
    return deploy(job)


@pytest.mark.parametrize(("name", "source"), [("job-code", SOURCE), ("job-wrapper", WRAPPER)])
def test_a_file_lies_under_its_content_and_outlives_the_deployment(
    deployed: Deployment, name: str, source: Path
) -> None:
    uploaded = deployed.named(name)
    assert uploaded.inputs["key"] == job_key(source), "another content is another object"
    assert uploaded.inputs["kmsKeyId"] == DATA_KEY
    assert uploaded.retain_on_delete, "a run under way still asks for the old one"
    assert "versioning" in uploaded.depends_on, "nothing goes into a bucket that is not closed yet"


def test_the_addresses_are_known_in_preview() -> None:
    reference = deploy(job, preview=True).result.reference
    assert reference.uri == f"s3://scripts/{job_key(SOURCE)}"
    assert reference.wrapper_uri == f"s3://scripts/{job_key(WRAPPER)}"


def test_another_content_is_another_key(tmp_path: Path) -> None:
    changed = tmp_path / WRAPPER.name
    changed.write_bytes(WRAPPER.read_bytes() + b"# changed\n")
    assert job_key(changed) != job_key(WRAPPER)
    assert job_key(changed).endswith("/run_step.sh"), "the name tells a person what it is"


def call(directory: Path, aws_cli: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = directory / "aws"
    command.write_text(f"#!/bin/bash\n{aws_cli}\n")
    command.chmod(0o755)
    return subprocess.run(
        ["bash", "-c", CALL_WRAPPER, "call", "s3://scripts/jobs/1/run_step.sh", "eu-west-1", *arguments],
        env={"PATH": f"{directory}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )


def test_the_call_fetches_the_wrapper_and_hands_on_its_arguments(tmp_path: Path) -> None:
    fetch = 'echo "$*" >&2; echo \'printf "%s\\n" "$0" "$@"\''
    done = call(tmp_path, fetch, "REALM", "tag", "a b", "$(id)'\"", "")
    assert done.stderr == "s3 cp --only-show-errors --region eu-west-1 s3://scripts/jobs/1/run_step.sh -\n"
    assert done.stdout.split("\n")[:-1] == ["run_step.sh", "REALM", "tag", "a b", "$(id)'\"", ""], (
        "values of the input reach the wrapper as arguments, never as shell text"
    )


def test_a_wrapper_that_cannot_be_fetched_fails_the_step(tmp_path: Path) -> None:
    done = call(tmp_path, "echo 'AccessDenied' >&2; exit 1", "REALM", "tag", "job.py")
    assert done.returncode == 1
    assert "AccessDenied" in done.stderr, "the step's log says what was missing"


def test_the_wrapper_fits_one_argument() -> None:
    assert WRAPPER.stat().st_size < 100_000, "Linux takes 131,072 bytes in one argument (MAX_ARG_STRLEN)"
