"""A step that runs real Spark on ``s3://`` paths."""

from __future__ import annotations

import gzip

import pytest

pytestmark = pytest.mark.spark

JOB = b"""
import sys
from helper import doubled
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
source, target = sys.argv[1:3]
if spark.conf.get("spark.test.fail", "no") == "yes":
    raise ValueError("asked to fail")
frame = spark.read.option("header", True).csv(source)
doubled(frame).write.partitionBy("month").parquet(target)

hadoop = spark.sparkContext._jsc.hadoopConfiguration()
jvm = spark.sparkContext._jvm
path = jvm.org.apache.hadoop.fs.Path(target + "/_report.txt")
out = path.getFileSystem(hadoop).create(path)
out.write(bytearray(b"written through the file system"))
out.close()

builder = jvm.com.amazonaws.services.glue.AWSGlueClientBuilder.standard()
endpoint = spark.conf.get("spark.emr_pipeline.glue.endpoint")
where = getattr(jvm.com.amazonaws.client.builder, "AwsClientBuilder$EndpointConfiguration")(endpoint, "eu-west-1")
databases = builder.withEndpointConfiguration(where).build()
request = jvm.com.amazonaws.services.glue.model.GetDatabasesRequest()
print("databases", databases.getDatabases(request).getDatabaseList().size())
"""
HELPER = b"def doubled(frame):\n    return frame.withColumn('twice', frame['n'].cast('int') * 2)\n"


def spark_step(*arguments: str) -> dict:
    command = ["spark-submit", "--deploy-mode", "cluster", "--conf", "spark.yarn.maxAppAttempts=1", *arguments]
    return {
        "Name": "spark",
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": command},
    }


def test_spark_submit_reads_and_writes_s3(sandbox_aws):
    data, logs = sandbox_aws.bucket(), sandbox_aws.bucket()
    sandbox_aws.glue.create_database(DatabaseInput={"Name": sandbox_aws.name("database").replace("-", "_")})
    known = len(sandbox_aws.glue.get_databases()["DatabaseList"])
    for key, body in {"jobs/job.py": JOB, "jobs/helper.py": HELPER, "in/a b.csv": b"n,month\n1,1\n2,2\n3,2\n"}.items():
        sandbox_aws.s3.put_object(Bucket=data, Key=key, Body=body)
    cluster = sandbox_aws.cluster(LogUri=f"s3://{logs}/", StepConcurrencyLevel=2)
    job = ["--py-files", f"s3://{data}/jobs/helper.py", f"s3://{data}/jobs/job.py"]
    good, bad = sandbox_aws.add_steps(
        cluster,
        spark_step(*job, f"s3://{data}/in/", f"s3://{data}/out"),
        spark_step("--conf", "spark.test.fail=yes", *job, "a", "b"),
    )
    status = sandbox_aws.ended_step(cluster, good, seconds=120)

    def log(step: str, name: str) -> str:
        key = f"{cluster}/steps/{step}/{name}.gz"
        return gzip.decompress(sandbox_aws.s3.get_object(Bucket=logs, Key=key)["Body"].read()).decode()

    assert status["State"] == "COMPLETED", log(good, "stderr")[-3000:]
    keys = [item["Key"] for item in sandbox_aws.s3.list_objects_v2(Bucket=data, Prefix="out/")["Contents"]]
    assert any(key.startswith("out/month=1/") and key.endswith(".parquet") for key in keys)
    assert any(key.startswith("out/month=2/") for key in keys)
    report = sandbox_aws.s3.get_object(Bucket=data, Key="out/_report.txt")["Body"].read()
    assert report == b"written through the file system"
    assert f"databases {known}" in log(good, "stdout"), "the SDK on Spark's class path reaches the sandbox's Glue"
    assert "local mode, without --deploy-mode, spark.yarn.maxAppAttempts" in log(good, "stderr")

    failed = sandbox_aws.ended_step(cluster, bad, seconds=120)
    assert failed["State"] == "FAILED"
    assert "asked to fail" in failed["FailureDetails"]["Message"]
