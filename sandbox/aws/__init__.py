"""AWS in one process: moto's server, extended so that what the pipeline calls really happens.

moto keeps the state of an account and answers its API. It does not run steps, functions or schedules, and it answers
some calls wrongly or not at all. Each module below adds something, and says in its docstring what moto lacks:

=======================  =========================================================================
``bucket_policies``      bucket policies that refuse only what can be decided
``bucket_events``        S3 events as S3 sends them, one an object
``event_rules``          EventBridge targets that are delivered to, transformed and dead-lettered
``schedules``            rules with ``rate(…)`` that fire
``queues``               SQS queues that lose nothing under concurrency
``functions``            Lambda functions that run their own code, called by events and queues
``states``               Step Functions: definitions checked, AWS's integrations, errors and events
``emr``                  EMR clusters that read back what they were given, and whose steps run
``security_groups`` …    single fields and checks of EC2, S3, KMS and CloudWatch Logs
``unimplemented``        calls that are not there fail at once, by name
``faults``               failures on demand: `sandbox.faults`
=======================  =========================================================================

`start` is the whole interface: it serves the API on 127.0.0.1 until `RunningAws.stop`.
"""

from __future__ import annotations

from sandbox.aws.options import AwsOptions, SparkOptions
from sandbox.aws.server import RunningAws, StartError, start

__all__ = ["AwsOptions", "RunningAws", "SparkOptions", "StartError", "start"]
