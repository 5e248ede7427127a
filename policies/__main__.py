"""Serves the policy pack to the Pulumi engine (``pulumi preview --policy-pack policies``)."""

import gc
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi_policy import PolicyPack

from policies.adapter import pulumi_policies
from policies.decoding import decode_once
from policies.exceptions import load_exceptions
from policies.registry import RULES

# What is read of resources lives until the end: looking through it for cycles, again and again, finds nothing.
gc.set_threshold(100_000, 20, 50)
decode_once()
PolicyPack(name="emr-pipeline", policies=list(pulumi_policies(RULES, load_exceptions())))
