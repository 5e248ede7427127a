"""What a step finds on a node: commands on the PATH, Spark's configuration, credentials.

Spark reads ``s3://`` through Hadoop's S3A, where a cluster has EMRFS; the commands that a Kerberized node has say that
they are the sandbox's.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from sandbox.aws.emr.spark_submit import NOTE
from sandbox.aws.options import ACCESS_KEY
from sandbox.aws.runtime import Runtime

_ABSENT = {"kinit": "Kerberos", "klist": "Kerberos", "kdestroy": "Kerberos", "yarn": "YARN"}
"""Commands that a node has, and what they would need."""

_LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.metrics.name = org.apache.hadoop.metrics2
logger.metrics.level = error
"""


class StepEnvironment:
    """Makes the files of the environment once, and gives its variables."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._spark = runtime.options.spark
        self._commands = runtime.subdirectory("spark", "bin")
        self._configuration = runtime.subdirectory("spark", "conf")
        self._write_commands()
        self._write_configuration()

    @property
    def missing(self) -> str | None:
        """What is not there to run Spark; None if all is."""
        if not list(self._spark.jars_directory.absolute().glob("*hadoop-aws*.jar")):
            return f"no hadoop-aws jar in {self._spark.jars_directory}: run `make setup`"
        return None

    def variables(self, region: str) -> dict[str, str]:
        """Return the environment variables of a step."""
        variables = self._runtime.process_environment(region)
        return variables | {
            "PATH": f"{self._commands}:{variables.get('PATH', '/usr/bin:/bin')}",
            "SPARK_HOME": str(self._spark.home),
            "SPARK_CONF_DIR": str(self._configuration),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(self._runtime.subdirectory("spark", "local")),
            # What a killed Spark leaves behind goes with the sandbox.
            "SPARK_SUBMIT_OPTS": shlex.quote(f"-Djava.io.tmpdir={self._runtime.subdirectory('spark', 'local')}"),
            "PYSPARK_PYTHON": self._spark.python,
            "PYSPARK_DRIVER_PYTHON": self._spark.python,
        }

    def _write_commands(self) -> None:
        settings = self._configuration / "spark-submit.json"
        settings.write_text(
            json.dumps(
                {
                    "sparkSubmit": str(self._spark.home / "bin" / "spark-submit"),
                    "master": f"local[{self._spark.cores}]",
                    "driverMemory": self._spark.driver_memory,
                }
            )
        )
        script = Path(__file__).with_name("spark_submit.py")
        command = shlex.join([sys.executable, "-I", "-S", str(script), str(settings)])
        self._write_command("spark-submit", f'exec {command} "$@"')
        # The node's AWS CLI: the real one, of this environment.
        self._write_command("aws", f'exec {shlex.quote(str(Path(sys.executable).with_name("aws")))} "$@"')
        for name, service in _ABSENT.items():
            self._write_command(name, f"echo '{NOTE} no {service} here, {name} does nothing' >&2")

    def _write_command(self, name: str, body: str) -> None:
        path = self._commands / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def _write_configuration(self) -> None:
        (self._configuration / "log4j2.properties").write_text(_LOGGING)
        properties = self._spark_properties() | dict(self._spark.conf)
        lines = [f"{name} {value}" for name, value in sorted(properties.items())]
        (self._configuration / "spark-defaults.conf").write_text("\n".join(lines) + "\n")

    def _spark_properties(self) -> dict[str, str]:
        jars = self._spark.jars_directory.absolute()
        return {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.extraClassPath": f"{jars}/*",
            "spark.driver.host": "127.0.0.1",
            "spark.emr_pipeline.glue.endpoint": self._runtime.endpoint,
            "spark.hadoop.fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.s3a.S3A",
            "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
            "spark.hadoop.fs.s3a.access.key": ACCESS_KEY,
            "spark.hadoop.fs.s3a.aws.credentials.provider": ("org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"),
            "spark.hadoop.fs.s3a.buffer.dir": str(self._runtime.subdirectory("spark", "uploads")),
            "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
            "spark.hadoop.fs.s3a.endpoint": self._runtime.endpoint,
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.secret.key": ACCESS_KEY,
            # A machine of two cores gains nothing from the 200 partitions that a cluster is given.
            "spark.sql.shuffle.partitions": "4",
            "spark.sql.warehouse.dir": str(self._runtime.subdirectory("spark", "warehouse")),
            "spark.ui.enabled": "false",
        }
