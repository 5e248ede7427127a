"""What a sandbox AWS is started with."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ACCESS_KEY = "sandbox"
"""Access key and secret key that the sandbox's own processes sign with; any other is accepted too."""


def _installed_spark() -> Path:
    """Directory of the pyspark package of this Python, which is a complete Spark."""
    specification = importlib.util.find_spec("pyspark")
    if specification is None or specification.origin is None:
        raise RuntimeError("pyspark is not installed beside the sandbox: run `make setup`")
    return Path(specification.origin).parent


@dataclass(frozen=True)
class SparkOptions:
    """The Spark that EMR steps run with, on this machine instead of a cluster."""

    home: Path = field(default_factory=_installed_spark)
    """SPARK_HOME."""
    jars_directory: Path = Path(__file__).parents[2] / ".cache" / "spark-jars"
    """Directory of the jars that let Spark read ``s3://`` (hadoop-aws and the AWS SDK bundle)."""
    python: str = sys.executable
    """Python that runs PySpark applications."""
    cores: int = 2
    """Tasks that run at once in a step."""
    driver_memory: str = "1g"
    """Heap of a step's only JVM; what a step asks for is meant for a cluster."""
    conf: Mapping[str, str] = field(default_factory=dict[str, str])
    """More Spark properties for every step."""


@dataclass(frozen=True)
class AwsOptions:
    """A sandbox AWS: one account, one home region, one directory."""

    directory: Path
    """Directory of function code, step logs and Spark's files; made if missing."""
    region: str = "eu-west-1"
    """Region of clients that name none."""
    account_id: str = "123456789012"
    """Account of every caller."""
    port: int = 0
    """Port on 127.0.0.1; 0 takes a free one."""
    spark: SparkOptions = field(default_factory=SparkOptions)
    """Spark of EMR steps."""
