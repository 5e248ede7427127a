"""Links into the AWS console, for messages that people read."""

from __future__ import annotations

from components.environment import AwsEnvironment

_DOMAINS = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
"""Console of a partition that has its own (IAM user guide, "AWS service endpoints and partitions")."""


def _page(environment: AwsEnvironment, service: str, fragment: str) -> str:
    domain = _DOMAINS.get(environment.partition, "console.aws.amazon.com")
    return f"https://{environment.region}.{domain}/{service}/home?region={environment.region}#{fragment}"


def dashboard_link(environment: AwsEnvironment, name: str) -> str:
    """A dashboard."""
    return _page(environment, "cloudwatch", f"dashboards:name={name}")


def execution_link(environment: AwsEnvironment, arn: str) -> str:
    """An execution of a state machine; `arn` may be a placeholder."""
    return _page(environment, "states", f"/v2/executions/details/{arn}")


def executions_link(environment: AwsEnvironment, state_machine_arn: str) -> str:
    """All executions of a state machine."""
    return _page(environment, "states", f"/statemachines/view/{state_machine_arn}")


def cluster_link(environment: AwsEnvironment, cluster_id: str) -> str:
    """A cluster with its steps and their logs; `cluster_id` may be a placeholder."""
    return _page(environment, "emr", f"/clusterDetails/{cluster_id}")


def key_link(environment: AwsEnvironment, key_id: str) -> str:
    """A KMS key; `key_id` may be a placeholder."""
    return _page(environment, "kms", f"/kms/keys/{key_id}")
