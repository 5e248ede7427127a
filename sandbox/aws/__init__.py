"""AWS in one process: moto's server, extended so that what the pipeline calls really happens.

moto keeps the state of an account and answers its API. It does not run steps, functions or schedules, and it answers
some calls wrongly or not at all. Each module below adds one of these, and says in its docstring what moto lacks:

========================  ================================================================================
``bucket_policies``       bucket policies that refuse only what can be decided
``bucket_events``         S3 events as S3 sends them, one an object
``event_rules``           EventBridge targets that are delivered to, transformers, dead letters
``schedules``             ``rate(…)`` rules that fire
``queues``                SQS queues that lose nothing under concurrency
``functions``             Lambda functions that run their own code, and what their configuration reads back
``queue_consumers``       SQS event source mappings that call functions
``state_machine…``        Step Functions: definitions checked, EMR integrations, errors and events as AWS names them
``emr``                   EMR clusters whose steps run, real Spark included
``key_rotation`` …        single fields and checks of KMS, EC2 and CloudWatch Logs
========================  ================================================================================

`start` is the whole interface: it serves the API on 127.0.0.1 until `RunningAws.stop`.
"""

from __future__ import annotations

from sandbox.aws.options import AwsOptions, SparkOptions
from sandbox.aws.server import RunningAws, start

__all__ = ["AwsOptions", "RunningAws", "SparkOptions", "start"]
