"""What the program does itself before the engine deletes a resource: resource hooks, with AWS's own calls.

A hook speaks to AWS with the credentials of the environment, and the profile of ``aws:profile`` where that is set. A
destroy knows the program's hooks only when it runs the program: ``pulumi destroy --run-program``. One that fails stops
the deletion, and the next update or destroy tries again.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import boto3
import pulumi


def before_delete(name: str, act: Callable[[boto3.Session, str], None], *, region: str) -> pulumi.ResourceHook:
    """A hook that calls ``act(session, id of the resource)``."""
    profile = pulumi.Config("aws").get("profile")

    def run(args: pulumi.ResourceHookArgs) -> None:
        # An empty one is no profile to the provider, and an unknown one to boto3.
        if os.environ.get("AWS_PROFILE") == "":
            del os.environ["AWS_PROFILE"]
        act(boto3.Session(profile_name=profile, region_name=region), args.id)

    return pulumi.ResourceHook(name, run)
