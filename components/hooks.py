"""What the program does itself before the engine deletes a resource: resource hooks, with AWS's own calls.

A hook speaks to AWS with the credentials of the environment, and the profile of ``aws:profile`` where that is set. A
destroy knows the program's hooks only when it runs the program: ``pulumi destroy --run-program``. One that fails stops
the deletion, and the next update or destroy tries again.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import pulumi

Clients = Callable[[str], Any]
"""Gives boto3's client of a service."""


def before_delete(name: str, act: Callable[[Clients, str], None], *, region: str) -> pulumi.ResourceHook:
    """A hook that calls ``act(clients, id of the resource)``."""
    profile = pulumi.Config("aws").get("profile")

    def run(args: pulumi.ResourceHookArgs) -> None:
        # Loaded here because it takes long, and most previews and updates delete nothing.
        import boto3

        # An empty one is no profile to the provider, and an unknown one to boto3.
        if os.environ.get("AWS_PROFILE") == "":
            del os.environ["AWS_PROFILE"]
        session: Any = boto3.Session(profile_name=profile, region_name=region)
        act(functools.cache(session.client), args.id)

    return pulumi.ResourceHook(name, run)
