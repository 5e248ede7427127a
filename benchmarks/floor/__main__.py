"""Registers the resources that the file named by FLOOR_RESOURCES lists: no components, no settings, no documents.

It imports what every program with these resources must import: the SDK's modules of their types.
"""

import json
import os
from pathlib import Path

import pulumi
import pulumi_aws
import pulumi_random
import pulumi_tls

PACKAGES = {"aws": pulumi_aws, "random": pulumi_random, "tls": pulumi_tls}

resources = json.loads(Path(os.environ["FLOOR_RESOURCES"]).read_text())
for package, module in sorted({tuple(resource["type"].split("/")[0].split(":")) for resource in resources}):
    # Any attribute loads a lazy module.
    loaded = getattr(PACKAGES[package], module + "_" * (module == "lambda"), PACKAGES[package])
    hasattr(loaded, "get")
for resource in resources:
    pulumi.CustomResource(resource["type"], resource["name"], resource["inputs"])
