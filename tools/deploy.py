"""Deploy a stack to AWS, or take it down, without the accidents: ``python -m tools.deploy up|destroy --stack NAME``;
``preview`` and ``drift`` only look.

It uses the Pulumi backend and the AWS credentials of whoever runs it, shows which account and region that is, and asks.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions

import settings as configuration
from components.emr_release import release_differences
from components.rules import rules
from tools import cli, permissions, plan, quotas


class DeployError(Exception):
    """An expected failure; the message says what to do."""


@dataclass(frozen=True)
class Target:
    """Where a command would act."""

    stack: str
    region: str
    account: str
    identity: str
    """ARN of whoever acts."""
    settings: configuration.Settings


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{cli.directory()}{os.pathsep}{os.environ.get('PATH', '')}"}


def _pulumi(arguments: Sequence[str], *, capture: bool = False) -> str:
    """Run the CLI in the project.

    Raises:
        DeployError: when it fails; what it said was shown, or is in the message when captured.
    """
    process = subprocess.run(
        [str(cli.directory() / "pulumi"), *arguments],
        cwd=cli.ROOT,
        env=_environment(),
        stdout=subprocess.PIPE if capture else None,
        stderr=subprocess.PIPE if capture else None,
        text=True,
        check=False,
    )
    if process.returncode:
        said = f":\n{process.stderr.strip()}" if capture else ""
        raise DeployError(f"'pulumi {' '.join(arguments[:2])}' failed (exit {process.returncode}){said}")
    return process.stdout or ""


def read_target(stack: str, arguments: Sequence[str] = ()) -> Target:
    """Find out where a stack would be deployed, and read its configuration.

    Args:
        stack: Which one.
        arguments: More for the CLI (``--config-file``).

    Raises:
        DeployError: when there is no such stack or no AWS credentials, or the account is not one that the stack allows.
        ConfigurationError: for mistakes in the stack's configuration.
    """
    command = ["config", "--stack", stack, "--json", *arguments]
    entries: dict[str, dict[str, Any]] = json.loads(_pulumi(command, capture=True))
    prefix = "emr-pipeline:"
    values = {
        key.removeprefix(prefix): entry.get("objectValue", entry.get("value"))
        for key, entry in entries.items()
        if key.startswith(prefix)
    }
    settings = configuration.parse(values, rules=rules())
    region = entries.get("aws:region", {}).get("value")
    if not region:
        raise DeployError(f"stack {stack} has no aws:region: 'pulumi config set aws:region REGION --stack {stack}'")
    try:
        caller = boto3.client("sts", region_name=region).get_caller_identity()
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        raise DeployError(f"AWS does not know who you are: {error}. Sign in (aws sso login, AWS_PROFILE=…).") from None
    allowed = settings.compliance.allowed_account_ids
    if allowed and caller["Account"] not in allowed:
        raise DeployError(
            f"emr-pipeline:compliance.allowedAccountIds of stack {stack} is {', '.join(allowed)}, "
            f"and these credentials are of {caller['Account']} ({caller['Arn']}): nothing was done"
        )
    return Target(stack, region, caller["Account"], caller["Arn"], settings)


def _show(target: Target) -> None:
    print(f"stack   {target.stack}\nregion  {target.region}\naccount {target.account}\nas      {target.identity}\n")


def _agree(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise DeployError(f"{question} Nobody is there to answer; pass YES=1 to agree.")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise DeployError("not agreed; nothing was done")


def check_quotas(target: Target) -> None:
    """Stop a deployment that the account has no room for; say what could not be checked.

    Raises:
        DeployError: with a line for each quota that does not suffice.
    """
    tags = {"Project": "emr-pipeline", "Environment": target.stack}
    verdict = quotas.check(target.settings, target.region, tags)
    for line in verdict.unchecked:
        print(f"note: {line}")
    if verdict.shortfalls:
        raise DeployError(
            f"account {target.account} has too little room in {target.region}; nothing was done:\n- "
            + "\n- ".join(verdict.shortfalls)
        )


def check_release(cluster: configuration.ClusterSettings, emr: Any) -> None:
    """Ask AWS what the release brings in this region. A refusal to answer is told, and stops nothing.

    Raises:
        DeployError: when the region does not have it, or has other versions than the table that the preview goes by.
    """
    try:
        described = emr.describe_release_label(ReleaseLabel=cluster.release)
    except botocore.exceptions.ClientError as error:
        print(f"{cluster.release} was not looked up (elasticmapreduce:DescribeReleaseLabel): {error}", flush=True)
        return
    told = {entry["Name"]: entry["Version"] for entry in described.get("Applications", [])}
    differences = release_differences(cluster.release, cluster.applications, told)
    if differences:
        raise DeployError("nothing was done: " + "; ".join(differences))


def _check_permissions(target: Target) -> None:
    """Say what the identity lacks before anything is made: half a deployment is the worst place to learn it."""
    lacks = permissions.report(target.identity, target.region, target.stack)
    if lacks:
        print(f"permissions: {lacks}\n", file=sys.stderr)


def preview(stack: str, json_file: Path) -> None:
    """Preview a stack as it stands in AWS with its policies; the engine's plan goes to a file.

    Raises:
        DeployError: when it fails or a policy is violated; the plan, as far as there is one, is written all the same.
    """
    target = read_target(stack)
    _show(target)
    failed = plan.preview(["--stack", stack, *cli.policy_arguments(stack)], _environment(), json_file)
    if failed:
        raise DeployError(f"'pulumi preview' of stack {stack} failed; the plan is in {json_file}:\n{failed}")


def drift(stack: str) -> None:
    """Compare AWS with what was deployed, changing nothing.

    Raises:
        DeployError: when something differs.
    """
    _show(read_target(stack))
    _pulumi(["--non-interactive", "refresh", "--preview-only", "--expect-no-changes", "--diff", "--stack", stack])


def up(stack: str, *, yes: bool) -> None:
    """Check quotas, preview with the policies, stop on a mandatory violation, ask, deploy with the same policies."""
    target = read_target(stack)
    _show(target)
    _check_permissions(target)
    check_quotas(target)
    check_release(target.settings.cluster, boto3.client("emr", region_name=target.region))
    policies = cli.policy_arguments(stack)
    # Rules over the whole stack speak after the resources are made when they run in `up`: the preview is the gate.
    _pulumi(["preview", "--stack", stack, *policies])
    _agree(f"Deploy stack {stack} to account {target.account} in {target.region}?", yes=yes)
    _pulumi(["up", "--stack", stack, "--yes", *policies])


def refusals(settings: configuration.Settings) -> list[str]:
    """Reasons why a stack may not be destroyed: what its configuration protects."""
    reasons: list[str] = []
    if not settings.storage.force_destroy:
        reasons.append(
            "emr-pipeline:storage.onDestroy is 'retain': its buckets and their data are kept. To lose them, set "
            "onDestroy: delete and allowDataLoss: true, and run 'make up' once"
        )
    if settings.cluster.termination_protection:
        reasons.append(
            "emr-pipeline:cluster.terminationProtection is true: AWS refuses to end the cluster. Set it to false, "
            "and run 'make up' once"
        )
    return reasons


def destroy(stack: str, *, yes: bool) -> None:
    """Check what the configuration protects, ask, destroy."""
    target = read_target(stack)
    _show(target)
    reasons = refusals(target.settings)
    if reasons:
        raise DeployError(f"stack {stack} is not destroyed; nothing was touched:\n- " + "\n- ".join(reasons))
    _agree(f"Destroy stack {stack} in account {target.account}, {target.region}, with all its data?", yes=yes)
    # The intake closes, and executions and steps are waited for, in hooks of the program (components/intake_end.py,
    # components/cluster_end.py).
    _pulumi(["destroy", "--stack", stack, "--yes", "--run-program"])


def main() -> int:
    """Run one command; expected failures are one message and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m tools.deploy", description=__doc__)
    parser.add_argument("command", choices=("up", "destroy", "preview", "drift"))
    parser.add_argument("--stack", required=True)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", type=Path, default=Path("plan.json"), help="where preview writes the engine's plan")
    arguments = parser.parse_args()
    if not arguments.stack:
        print("say which stack: make up STACK=dev", file=sys.stderr)
        return 1
    try:
        if arguments.command == "preview":
            preview(arguments.stack, arguments.json)
        elif arguments.command == "drift":
            drift(arguments.stack)
        else:
            (up if arguments.command == "up" else destroy)(arguments.stack, yes=arguments.yes)
    except (DeployError, cli.MissingCli) as error:
        print(error, file=sys.stderr)
        return 1
    except configuration.ConfigurationError as error:
        print(f"the configuration of stack {arguments.stack} has mistakes:\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
