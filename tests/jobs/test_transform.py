"""The job on local files: what it takes, sets aside, rejects, writes, and says of it."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.jobs.conftest import (
    FLIGHT_COLUMNS,
    FLIGHT_HEADER,
    FLIGHT_LINES,
    Outcome,
    Pipeline,
    csv_text,
    transform,
)

pytestmark = pytest.mark.spark

JANUARY, FEBRUARY = "year=2013/month=1", "year=2013/month=2"


def reasons(outcome: Outcome) -> dict[str, str]:
    """Reasons of rejected objects, by the last part of their key."""
    return {item["object"].rsplit("/", 1)[-1]: item["reason"] for item in outcome.report["rejectedObjects"]}


def staged(pipeline: Pipeline) -> list[str]:
    """Data files left in the staging directory."""
    return [
        str(path)
        for path in (pipeline.directory / "staging").rglob("*")
        if path.suffix in (".parquet", ".crc") and ".files-" not in path.name
    ]


# --- what comes out ---------------------------------------------------------------------------------------------------


def test_csv_becomes_partitioned_parquet(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv", csv_text())
    outcome = pipeline.run()
    assert outcome.code == 0
    assert list(outcome.files) == [
        f"{JANUARY}/part-00000-{outcome.hash[:16]}.parquet",
        f"{FEBRUARY}/part-00000-{outcome.hash[:16]}.parquet",
    ], "one small file a partition, named after the manifest"
    assert outcome.rows("year, month, carrier, dep_delay, distance, time_hour") == [
        ("2013", "1", "AA", -5, 1089.5, dt.datetime(2013, 1, 1, 11)),
        ("2013", "1", "UA", 2, 1400.0, dt.datetime(2013, 1, 1, 10)),
        ("2013", "2", "B6", None, 762.0, dt.datetime(2013, 2, 1, 5)),
    ], "values are typed, NA is missing, and a time without a zone is UTC"


def test_the_files_have_the_declared_types(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv", csv_text())
    outcome = pipeline.run()
    file = next(iter(outcome.files.values()))
    schema = pipeline.spark.read.parquet(str(file)).schema
    assert [(field.name, field.dataType.simpleString()) for field in schema] == [
        ("carrier", "string"),
        ("dep_delay", "int"),
        ("distance", "double"),
        ("time_hour", "timestamp"),
    ], "declared order and types, without the partition columns, which are in the path"
    stored = duckdb.connect().execute(f"SELECT name, type FROM parquet_schema('{file}')").fetchall()
    assert ("time_hour", "INT96") in stored, "the one timestamp that Hive 3.1, Presto 0.276 and Spark 3.3 all read"


def test_the_report_says_exactly_what_happened(pipeline: Pipeline) -> None:
    first = pipeline.put("flights/a.csv", csv_text())
    second = pipeline.put("flights/b.csv", csv_text(("2013,1,UA,soon,1,NA", "2013,1,UA,late,1,NA", "2013,1,NA,1,1,NA")))
    pipeline.put("flights/c.csv", b"year,month\n2013,1\n")
    outcome = pipeline.run()
    report = dict(outcome.report)
    started, finished = (dt.datetime.fromisoformat(report.pop(name)) for name in ("startedAt", "finishedAt"))
    assert abs((finished - started).total_seconds() - report.pop("seconds")) < 0.01, "seconds lie between the two times"
    assert started.tzinfo == dt.UTC
    assert report == {
        "version": 1,
        "dataset": "flights",
        "manifest": str(pipeline.directory / "manifest.json"),
        "application": pipeline.spark.sparkContext.applicationId,
        "rows": {"in": 6, "out": 3, "setAside": 3},
        "bytes": {
            "in": first.stat().st_size + second.stat().st_size,
            "out": sum(path.stat().st_size for path in outcome.files.values()),
        },
        "files": {"in": 2, "out": 2},
        "partitions": [JANUARY, FEBRUARY],
        "partitionCount": 2,
        "setAsideReasons": {"dep_delay is not an int": 2, "carrier is required but missing": 1},
        "setAsideRatio": 0.5,
        "rejectedObjects": [
            {
                "object": pipeline.uri("flights/c.csv"),
                "reason": "CSV header lacks carrier, dep_delay, distance, time_hour",
            }
        ],
        "rejectedCount": 1,
        "bytesPerRow": report["bytes"]["in"] / report["rows"]["in"],
        "error": None,
        "transient": None,
    }, "the state machine decides by these numbers, and people look for causes in them"


def test_partitions_are_known_to_glue_with_the_storage_of_the_table(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv", csv_text())
    pipeline.run()
    pipeline.put("flights/b.csv", csv_text(("2013,3,UA,1,1,NA",)))
    pipeline.run()
    assert pipeline.partitions() == {
        ("2013", month): f"file://{pipeline.output}/year=2013/month={month}/" for month in ("1", "2", "3")
    }, "old ones stay, new ones come"
    found = pipeline.glue.get_partitions(DatabaseName="emr_pipeline_test", TableName=pipeline.table)["Partitions"][0]
    storage = found["StorageDescriptor"]
    assert storage["InputFormat"].endswith("MapredParquetInputFormat"), "Hive and Presto read a partition by its own"
    assert storage["SerdeInfo"]["SerializationLibrary"].endswith("ParquetHiveSerDe")
    assert [column["Name"] for column in storage["Columns"]] == ["carrier", "dep_delay", "distance", "time_hour"]


def test_more_partitions_than_one_call_takes_are_all_known(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv", csv_text([f"{1900 + n},1,UA,1,1,NA" for n in range(205)]))
    outcome = pipeline.run()
    assert len(pipeline.partitions()) == 205, "Glue takes 100 in a call"
    assert outcome.report["partitionCount"] == 205
    assert len(outcome.report["partitions"]) == 100, "the report is cut, so that it fits a state's payload"


def test_a_table_without_partitions_needs_no_catalog(pipeline: Pipeline) -> None:
    pipeline.partition_by = ()
    pipeline.put("flights/a.csv", csv_text())
    outcome = pipeline.run()
    assert outcome.code == 0, "its location is known already; no Glue table exists here at all"
    assert list(outcome.files) == [f"part-00000-{outcome.hash[:16]}.parquet"]
    assert outcome.report["partitions"] == []
    assert outcome.report["partitionCount"] == 0
    assert len(outcome.rows()) == 3


def test_many_small_objects_are_packed(pipeline: Pipeline) -> None:
    for number in range(60):
        pipeline.put(f"flights/{number:03}.csv", csv_text())
    outcome = pipeline.run()
    assert len(outcome.files) == 2, "two partitions, two files, however many objects there are"
    assert len(outcome.rows()) == 180
    assert outcome.report["files"] == {"in": 60, "out": 2}


def test_many_small_objects_make_few_files_without_partitions(pipeline: Pipeline) -> None:
    pipeline.partition_by = ()
    for number in range(60):
        pipeline.put(f"flights/{number:03}.csv", csv_text())
    outcome = pipeline.run()
    assert len(outcome.files) <= 8, "a run leaves few files, or every query opens them all"
    assert len(outcome.rows()) == 180


def test_partition_values_are_written_as_hive_writes_them(pipeline: Pipeline) -> None:
    pipeline.columns = (("place", "string", True), ("day", "date", True), ("passengers", "int", True))
    pipeline.partition_by = ("place", "day")
    values = ["a b", "a/b", "50%", "x=y", "a:b", "é", "a+b", 'say ""hi""', "it's", "a\\b", "#1", "[x]", "a?b*"]
    lines = [f'"{value}",2013-01-01,1' for value in values] + ["NA,NA,1"]
    pipeline.put("flights/a.csv", csv_text(lines, "place,day,passengers"))
    outcome = pipeline.run()
    assert outcome.code == 0
    meant = [value.replace('""', '"') for value in values]
    expected = {(value, "2013-01-01") for value in meant} | {("__HIVE_DEFAULT_PARTITION__",) * 2}
    assert set(pipeline.partitions()) == expected, "Glue holds the values themselves"
    for (place, day), location in pipeline.partitions().items():
        path = f"place={transform.escape_partition_value(place)}/day={transform.escape_partition_value(day)}"
        assert location == f"file://{pipeline.output}/{path}/", "a location is escaped as Spark and Hive escape it"
        assert list((pipeline.output / path).glob("*.parquet")), f"there are rows at the location of {place!r}"


# --- formats ----------------------------------------------------------------------------------------------------------


def test_gzip_is_read_by_its_ending(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv.gz", csv_text())
    pipeline.put("flights/b.csv", csv_text())
    outcome = pipeline.run()
    assert outcome.report["rejectedObjects"] == []
    assert len(outcome.rows()) == 6


def test_csv_follows_the_standard(pipeline: Pipeline) -> None:
    pipeline.columns = (("name", "string", True), ("size", "int", True))
    pipeline.partition_by = ()
    lines = [
        '"a,b",1',
        '"say ""hi""",2',
        "back\\slash,3",
        " spaced ,4",
        '"",5',
        ",6",
        "NA,7",
        '"NA",8',
        "'x',9",
        "#c,10",
    ]
    pipeline.put("flights/a.csv", csv_text(lines, "name,size"))
    outcome = pipeline.run()
    assert outcome.set_aside == []
    assert outcome.rows("size, name", "size") == [
        (1, "a,b"),
        (2, 'say "hi"'),
        (3, "back\\slash"),
        (4, " spaced "),
        (5, ""),
        (6, None),
        (7, None),
        (8, None),
        (9, "'x'"),
        (10, "#c"),
    ], "RFC 4180: quotes are doubled, backslashes are plain; an unquoted empty field and the null value are missing"


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_every_line_ending_is_understood(pipeline: Pipeline, ending: str) -> None:
    pipeline.put("flights/a.csv", csv_text().replace(b"\n", ending.encode()))
    outcome = pipeline.run()
    assert outcome.report["rejectedObjects"] == []
    assert len(outcome.rows()) == 3


def test_a_byte_order_mark_and_quotes_in_the_header_are_fine(pipeline: Pipeline) -> None:
    header = ",".join(f'"{name}"' for name, _, _ in FLIGHT_COLUMNS)
    pipeline.put("flights/a.csv", b"\xef\xbb\xbf" + csv_text())
    pipeline.put("flights/b.csv", csv_text(header=header))
    pipeline.put("flights/c.csv", csv_text(header=header.replace(",", ", ")))
    outcome = pipeline.run()
    assert outcome.report["rejectedObjects"] == []
    assert len(outcome.rows()) == 9, "spreadsheets write such headers, and no header may become a row"
    assert outcome.set_aside == []


def test_an_empty_null_value_is_only_the_empty_field(pipeline: Pipeline) -> None:
    pipeline.null_value = ""
    pipeline.columns = (("name", "string", True), ("size", "int", True))
    pipeline.partition_by = ()
    pipeline.put("flights/a.csv", csv_text([",1", "NA,2", "x,"], "name,size"))
    outcome = pipeline.run()
    assert outcome.rows("name, size", "size NULLS LAST") == [(None, 1), ("NA", 2), ("x", None)]


def test_json_lines_become_parquet(pipeline: Pipeline) -> None:
    pipeline.format = "json"
    records: list[Any] = [
        {
            "year": 2013,
            "month": 1,
            "carrier": "UA",
            "dep_delay": 2,
            "distance": 1.5,
            "time_hour": "2013-01-01T10:00:00Z",
        },
        {"carrier": "AA", "year": "2013", "month": 1, "unknown": {"a": [1]}, "dep_delay": None, "distance": "2"},
        {"year": 2013, "month": 1, "carrier": "", "distance": 3},
    ]
    text = "\n\n".join(json.dumps(record) for record in records) + "\n"
    pipeline.put("flights/a.json", text.encode())
    pipeline.put("flights/b.json.gz", (json.dumps({"year": 2013, "month": 2, "carrier": "B6"}) + "\n").encode())
    outcome = pipeline.run()
    assert outcome.set_aside == []
    assert outcome.rows("month, carrier, dep_delay, distance, time_hour", "month, distance") == [
        ("1", "UA", 2, 1.5, dt.datetime(2013, 1, 1, 10)),
        ("1", "AA", None, 2.0, None),
        ("1", "", None, 3.0, None),
        ("2", "B6", None, None, None),
    ], "a field that is not there is missing, one that is not declared does not count, numbers may be text"


def test_bad_json_lines_are_set_aside(pipeline: Pipeline) -> None:
    pipeline.format = "json"
    lines = [
        '{"year": 2013, "month": 1, "carrier": "UA"}',
        '{"year": 2013, "month": 1, "carrier": ',
        "text",
        "[1, 2]",
        '[{"year": 2013, "month": 1, "carrier": "UA"}, {"year": 2013, "month": 1, "carrier": "UA"}]',
        '{"Year": 2013}',
        '{"year": 2013.5, "month": 1, "carrier": "UA"}',
        '{"year": 2013, "month": [1], "carrier": "UA"}',
        '{"year": 2013, "month": 1, "carrier": null}',
    ]
    pipeline.put("flights/a.json", "\n".join(lines).encode())
    outcome = pipeline.run()
    assert len(outcome.rows()) == 1, "the good one is taken"
    assert {record["record"]: record["reason"] for record in outcome.set_aside} == {
        lines[1]: "is not a JSON object",
        lines[2]: "is not a JSON object",
        lines[3]: "is not a JSON object",
        lines[4]: "is not a JSON object",
        lines[5]: "holds none of the declared fields",
        lines[6]: "year is not an int",
        lines[7]: "month is not an int",
        lines[8]: "carrier is required but missing",
    }, "each line as it came, with its reason"
    assert outcome.report["rows"] == {"in": 9, "out": 1, "setAside": 8}


def parquet(pipeline: Pipeline, key: str, select: str) -> None:
    path = pipeline.raw / key
    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.connect().execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")


def test_parquet_is_read_with_the_types_that_it_has(pipeline: Pipeline) -> None:
    pipeline.format, pipeline.definition = "parquet", {"addedColumns": "ignore"}
    exact = "SELECT 2013::INT AS year, 1::INT AS month, 'UA' AS carrier, 2::INT AS dep_delay, 1.5::DOUBLE AS distance, "
    parquet(pipeline, "flights/a.parquet", exact + "TIMESTAMP '2013-01-01 10:00:00' AS time_hour")
    other = "SELECT 7 AS other, 3::FLOAT AS distance, 'AA' AS carrier, 1::BIGINT AS month, 2013::SMALLINT AS year, "
    parquet(pipeline, "flights/b.parquet", other + "3.0::DOUBLE AS dep_delay, DATE '2013-01-02' AS time_hour")
    text = "SELECT '2013' AS year, '1' AS month, 'B6' AS carrier, NULL::VARCHAR AS dep_delay, '4.5' AS distance, "
    parquet(pipeline, "flights/c.parquet", text + "'2013-01-03T00:00:00Z' AS time_hour")
    outcome = pipeline.run()
    assert reasons(outcome) == {}
    assert outcome.set_aside == []
    assert outcome.rows("carrier, dep_delay, distance, time_hour", "carrier") == [
        ("AA", 3, 3.0, dt.datetime(2013, 1, 2)),
        ("B6", None, 4.5, dt.datetime(2013, 1, 3)),
        ("UA", 2, 1.5, dt.datetime(2013, 1, 1, 10)),
    ], "columns are found by name; types that fit are read as what they are, others value by value"


def test_parquet_values_that_do_not_fit_are_set_aside(pipeline: Pipeline) -> None:
    pipeline.format = "parquet"
    pipeline.columns = (("size", "int", False), ("name", "string", True))
    pipeline.partition_by = ()
    rows = "(5, 'good'), (3000000000, 'large'), (NULL, 'none')"
    parquet(pipeline, "flights/a.parquet", f"SELECT * FROM (VALUES {rows}) AS t(size, name)")
    outcome = pipeline.run()
    assert outcome.rows() == [(5, "good")]
    found = {(record["reason"], json.loads(record["record"])["name"]) for record in outcome.set_aside}
    assert found == {("size is not an int", "large"), ("size is required but missing", "none")}


def test_parquet_of_another_shape_is_rejected(pipeline: Pipeline) -> None:
    pipeline.format = "parquet"
    pipeline.columns = (("size", "int", True), ("name", "string", True))
    pipeline.partition_by = ()
    parquet(pipeline, "flights/good.parquet", "SELECT 1::INT AS size, 'a' AS name")
    parquet(pipeline, "flights/less.parquet", "SELECT 1::INT AS size")
    parquet(pipeline, "flights/list.parquet", "SELECT [1] AS size, 'a' AS name")
    parquet(pipeline, "flights/moment.parquet", "SELECT TIMESTAMP '2013-01-01 00:00:00' AS size, 'a' AS name")
    parquet(pipeline, "flights/nanos.parquet", "SELECT 1::INT AS size, TIMESTAMP_NS '2013-01-01 00:00:00' AS name")
    pipeline.put("flights/text.parquet", csv_text())
    pipeline.put("flights/short.parquet", (pipeline.raw / "flights/good.parquet").read_bytes()[:-20])
    outcome = pipeline.run()
    assert outcome.code == 0
    assert outcome.rows() == [(1, "a")], "the others do no harm to the good one"
    found = reasons(outcome)
    assert found.pop("less.parquet") == "Parquet file lacks name"
    assert found.pop("list.parquet") == "Parquet file has size as array, which cannot become an int"
    assert found.pop("moment.parquet") == "Parquet file has size as timestamp, which cannot become an int"
    assert found.pop("text.parquet").startswith("is damaged: ")
    assert found.pop("short.parquet").startswith("is damaged: ")
    assert "NANOS" in found.pop("nanos.parquet"), "Spark 3.3 does not read nanoseconds; the reason says so"
    assert found == {}


# --- objects that are rejected ----------------------------------------------------------------------------------------


def test_a_wrong_header_hurts_no_other_object(pipeline: Pipeline) -> None:
    pipeline.put("flights/good.csv", csv_text())
    pipeline.put("flights/missing.csv", csv_text(["2013,1,UA,1,1"], "year,month,carrier,dep_delay,distance"))
    pipeline.put("flights/more.csv", csv_text(["2013,1,UA,1,1,NA,x"], FLIGHT_HEADER + ",gate"))
    pipeline.put("flights/order.csv", csv_text(header="month,year,carrier,dep_delay,distance,time_hour"))
    pipeline.put("flights/case.csv.gz", csv_text(header=FLIGHT_HEADER.upper()))
    pipeline.put("flights/tabs.csv", csv_text(header=FLIGHT_HEADER.replace(",", ";")))
    pipeline.put("flights/none.csv", "\n".join(FLIGHT_LINES).encode())
    outcome = pipeline.run()
    assert outcome.code == 0, "the run did its work"
    assert len(outcome.rows()) == 3, "the good object is there, and nothing of the others"
    found = reasons(outcome)
    assert found.pop("missing.csv") == "CSV header lacks time_hour"
    assert found.pop("more.csv") == "CSV header has unexpected 'gate'"
    assert found.pop("order.csv") == "CSV header has the columns in another order: column 1 is month, expected year", (
        "columns in another order would put values in the wrong places"
    )
    assert "unexpected 'YEAR'" in found.pop("case.csv.gz"), "names are exact"
    assert "must be separated by commas" in found.pop("tabs.csv")
    assert found.pop("none.csv").startswith("CSV header lacks year, month")
    assert found == {}
    assert outcome.report["rejectedCount"] == 6


def test_a_column_that_was_added_is_left_out_where_the_dataset_says_so(pipeline: Pipeline) -> None:
    pipeline.definition = {"addedColumns": "ignore"}
    pipeline.put("flights/as-declared.csv", csv_text(["2013,1,UA,1,1,NA"]))
    pipeline.put(
        "flights/between.csv", csv_text(["2013,1,b,AA,2,2,NA"], FLIGHT_HEADER.replace(",carrier", ",x,carrier"))
    )
    pipeline.put("flights/last.csv", csv_text(["2013,1,DL,3,3,NA,b", "2013,1,DL,3,3,NA"], FLIGHT_HEADER + ",gate"))
    pipeline.put("flights/less.csv", csv_text(["2013,1,UA,9,9,b"], FLIGHT_HEADER.replace("time_hour", "gate")))
    outcome = pipeline.run()
    assert outcome.rows("carrier, dep_delay, distance") == [("AA", 2, 2.0), ("DL", 3, 3.0), ("UA", 1, 1.0)], (
        "values are taken by the file's own header"
    )
    assert [record["reason"] for record in outcome.set_aside] == ["is not 7 fields"], "a line is held to its own header"
    assert reasons(outcome) == {"less.csv": "CSV header lacks time_hour"}, "a column that is gone is another setting's"


def test_a_column_that_is_gone_is_null_where_the_dataset_says_so(pipeline: Pipeline) -> None:
    pipeline.definition = {"missingColumns": "null"}
    pipeline.put("flights/as-declared.csv", csv_text(["2013,1,UA,1,1,NA"]))
    pipeline.put("flights/gone.csv", csv_text(["2013,AA,2,2", "2013,,3,3"], "year,carrier,dep_delay,distance"))
    pipeline.put("flights/required.csv", csv_text(["2013,1,9"], "year,month,distance"))
    pipeline.put("flights/order.csv", csv_text(["AA,2013"], "carrier,year"))
    pipeline.put("flights/none.csv", "\n".join(FLIGHT_LINES).encode())
    outcome = pipeline.run()
    assert outcome.rows("carrier, month, dep_delay, time_hour") == [
        ("AA", None, 2, None),
        ("UA", "1", 1, None),
    ], "the column is null, also one that partitions"
    assert [record["reason"] for record in outcome.set_aside] == ["carrier is required but missing"]
    found = reasons(outcome)
    assert found.pop("required.csv") == "CSV header lacks carrier", "a required column must be there all the same"
    assert found.pop("order.csv").endswith("in another order: column 1 is carrier, expected year")
    assert found.pop("none.csv").startswith("CSV header lacks year, month, carrier"), "a file of no declared column"
    assert found == {}


def test_columns_of_parquet_files_come_and_go_where_the_dataset_says_so(pipeline: Pipeline) -> None:
    pipeline.format, pipeline.partition_by = "parquet", ()
    pipeline.columns = (("size", "int", True), ("name", "string", False))
    parquet(pipeline, "flights/less.parquet", "SELECT 'a' AS name")
    parquet(pipeline, "flights/more.parquet", "SELECT 1::INT AS size, 'b' AS name, 'c' AS gate")
    outcome = pipeline.run()
    assert outcome.rows() == []
    assert reasons(outcome) == {
        "less.parquet": "Parquet file lacks size",
        "more.parquet": "Parquet file has unexpected 'gate'",
    }, "by default a file of another form is rejected whole and named"
    pipeline.definition = {"addedColumns": "ignore", "missingColumns": "null"}
    parquet(pipeline, "flights/required.parquet", "SELECT 2::INT AS size")
    outcome = pipeline.run()
    assert outcome.rows("size, name", "name") == [(None, "a"), (1, "b")]
    assert reasons(outcome) == {"required.parquet": "Parquet file lacks name"}


def test_objects_that_are_not_there_or_empty_are_rejected(pipeline: Pipeline) -> None:
    pipeline.put("flights/good.csv", csv_text())
    pipeline.put("flights/empty.csv", b"")
    pipeline.put("flights/empty.csv.gz", b"")
    pipeline.put("flights/header.csv", csv_text(()))
    keys = [f"flights/{name}" for name in ("empty.csv", "empty.csv.gz", "good.csv", "gone.csv", "header.csv")]
    outcome = pipeline.run(pipeline.manifest(keys))
    assert reasons(outcome) == {
        "empty.csv": "is empty",
        "empty.csv.gz": "is empty",
        "gone.csv": "is missing: it was deleted before the run",
    }, "a header without rows is a good file of no rows"
    assert outcome.report["files"]["in"] == 2
    assert len(outcome.rows()) == 3


def test_an_object_that_was_replaced_is_left_to_its_own_event(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv", csv_text())
    document = pipeline.manifest()
    pipeline.put("flights/a.csv", csv_text((*FLIGHT_LINES, "2013,1,UA,1,1,NA")))
    outcome = pipeline.run(document)
    assert "was replaced" in reasons(outcome)["a.csv"], "its new version comes in a manifest of its own: not twice"
    assert outcome.rows() == []


def test_damaged_gzip_is_rejected_and_the_others_are_taken(pipeline: Pipeline) -> None:
    pipeline.put("flights/good.csv", csv_text())
    lines = [f"2013,{n % 12 + 1},UA,{n},{n * 7919 % 1000},NA" for n in range(50_000)]
    whole = gzip.compress(csv_text(lines))
    (pipeline.raw / "flights/cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    (pipeline.raw / "flights/flipped.csv.gz").write_bytes(whole[:90_000] + b"\0" * 50 + whole[90_050:])
    (pipeline.raw / "flights/plain.csv.gz").write_bytes(csv_text())
    (pipeline.raw / "flights/zipped.csv").write_bytes(gzip.compress(csv_text()))
    outcome = pipeline.run()
    assert outcome.code == 0
    assert len(outcome.rows()) == 3, "a damaged object is taken whole or not at all"
    found = reasons(outcome)
    assert set(found) == {"cut.csv.gz", "flipped.csv.gz", "plain.csv.gz", "zipped.csv"}
    assert found["zipped.csv"] == "is compressed with gzip, but its name does not end in .gz"
    for name in ("cut.csv.gz", "flipped.csv.gz", "plain.csv.gz"):
        assert found[name].startswith("is damaged: "), name
    assert outcome.report["rejectedCount"] == 4


def test_when_all_objects_are_rejected_the_run_still_ends_well(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv", b"x\n1\n")
    outcome = pipeline.run()
    assert outcome.code == 0, "the report says it; whether that is a failure is decided by who reads it"
    assert outcome.files == {}
    assert outcome.report["rows"] == {"in": 0, "out": 0, "setAside": 0}
    assert outcome.report["setAsideRatio"] == 0
    assert outcome.report["rejectedCount"] == 1
    assert outcome.report["error"] is None


@pytest.mark.parametrize(
    "name",
    [
        "a b.csv",
        "a+b.csv",
        "100%.csv",
        "100%25.csv",
        "été ✈.csv",
        "a*b?.csv",
        "{a,b}[1].csv",
        "a#b&c=d@e!$'(),;.csv",
        "a\\b.csv",
        "year=1999/month=7/a.csv",
        "_year=1999.csv",
        'a"b.csv',
    ],
)
def test_keys_of_every_kind_are_read_and_named(pipeline: Pipeline, name: str) -> None:
    key = "flights/" + name
    pipeline.put(key, csv_text((*FLIGHT_LINES, "2013,1,UA,soon,1,NA")))
    pipeline.put("flights/other.csv", csv_text(("2013,1,UA,1,1,NA",)))
    outcome = pipeline.run(pipeline.manifest([key]))
    assert outcome.report["rejectedObjects"] == []
    assert outcome.report["rows"] == {"in": 4, "out": 3, "setAside": 1}, "this object, and no other that it might match"
    assert [record["object"] for record in outcome.set_aside] == [pipeline.uri(key)], "the source is named as it is"
    assert {row[0] for row in outcome.rows("year")} == {"2013"}, "values come from the records, never from the key"


def test_keys_that_spark_would_skip_in_silence_are_rejected(pipeline: Pipeline) -> None:
    for name in ("_a.csv", ".a.csv", "a.csv._COPYING_", "good.csv"):
        pipeline.put("flights/" + name, csv_text())
    document = pipeline.manifest()
    document["objects"] += [
        {**document["objects"][0], "key": "flights//a.csv"},
        {**document["objects"][0], "key": "./a"},
    ]
    outcome = pipeline.run(document)
    assert len(outcome.rows()) == 3
    assert outcome.report["rejectedCount"] == 5, "not one of them may vanish without a word"
    assert {item["object"].split("/raw/")[1] for item in outcome.report["rejectedObjects"]} == {
        "flights/_a.csv",
        "flights/.a.csv",
        "flights/a.csv._COPYING_",
        "flights//a.csv",
        "./a",
    }


# --- records that are set aside ---------------------------------------------------------------------------------------


def test_damaged_lines_are_set_aside_with_reason_and_source(pipeline: Pipeline) -> None:
    pipeline.put("flights/good.csv", csv_text())
    bad = ["2013,1,UA", "2013,1,UA,1,1,NA,more", 'x"y', "2013,1,UA,1,1,NA"]
    pipeline.put("flights/bad.csv", csv_text(bad))
    outcome = pipeline.run()
    assert {record["record"]: record["reason"] for record in outcome.set_aside} == {
        bad[0]: "is not 6 fields",
        bad[1]: "is not 6 fields",
        bad[2]: "has a quote that is not closed",
    }, "each is kept as it was, with its reason"
    assert {record["object"] for record in outcome.set_aside} == {pipeline.uri("flights/bad.csv")}
    assert outcome.report["setAsideReasons"] == {"is not 6 fields": 2, "has a quote that is not closed": 1}
    assert outcome.report["rows"] == {"in": 7, "out": 4, "setAside": 3}


def test_a_quote_that_is_not_closed_is_no_value(pipeline: Pipeline) -> None:
    pipeline.columns = (("size", "int", True), ("name", "string", True), ("note", "string", True))
    pipeline.partition_by = ()
    lines = ['1,good,"said ""yes"""', '2,"open,x', '3,x,"open', 'and closed on the next line"', '4,"a""b",ok']
    pipeline.put("flights/a.csv", csv_text(lines, "size,name,note"))
    outcome = pipeline.run()
    assert outcome.rows("size", "size") == [(1,), (4,)], "half a record must not pass for a whole one"
    assert outcome.report["rows"] == {"in": 5, "out": 2, "setAside": 3}


def test_a_record_with_several_faults_is_one_record(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv", csv_text(["20x,1,NA,soon,1,NA"]))
    outcome = pipeline.run()
    (record,) = outcome.set_aside
    assert record["reason"] == "year is not an int", "it is counted under its first fault"
    assert record["detail"].split("; ") == [
        "column year: '20x' is not an int",
        "column carrier is required but missing",
        "column dep_delay: 'soon' is not an int",
    ], "and tells them all, with the values"
    assert record["record"] == "20x,1,NA,soon,1,NA", "the line is there to be mended"
    assert outcome.report["rows"] == {"in": 1, "out": 0, "setAside": 1}
    assert outcome.report["setAsideRatio"] == 1.0


TYPES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "int": (
        {
            "0": 0,
            "-5": -5,
            "+7": 7,
            "12.0": 12,
            " 3 ": 3,
            "007": 7,
            "2147483647": 2147483647,
            "-2147483648": -2147483648,
            " ": None,
        },
        [
            "2147483648",
            "-2147483649",
            "12.5",
            "0.9",
            "1e3",
            "abc",
            "1 2",
            "0x1F",
            "1_000",
            "--1",
            "NaN",
            "true",
            "1.0.0",
        ],
    ),
    "bigint": (
        {"9223372036854775807": 2**63 - 1, "-9223372036854775808": -(2**63)},
        ["5.00", "9223372036854775808", "5.5", "five", "1e3"],
    ),
    "double": (
        {
            "1": 1.0,
            "-1.5": -1.5,
            "1e3": 1000.0,
            "1.5E-3": 0.0015,
            ".5": 0.5,
            "Infinity": float("inf"),
            "-inf": float("-inf"),
            " 2.5 ": 2.5,
            "1e-999": 0.0,
            "": None,
        },
        ["1,5", "abc", "1d", "1.5f", "1F ", "1e999", "-1e999", "1.2.3", "12%", "$1"],
    ),
    "boolean": (
        {"true": True, "FALSE": False, "True": True, " false ": False},
        ["1", "0", "yes", "no", "t", "f", "y", "truee", "wahr"],
    ),
    "date": (
        {
            "2013-01-31": dt.date(2013, 1, 31),
            "2012-02-29": dt.date(2012, 2, 29),
            "0001-01-01": dt.date(1, 1, 1),
            "1582-10-10": dt.date(1582, 10, 10),
            "9999-12-31": dt.date(9999, 12, 31),
            " 2013-01-31 ": dt.date(2013, 1, 31),
        },
        [
            "2013",
            "2013-01",
            "2013-02-29",
            "2013-13-01",
            "31.01.2013",
            "01/31/2013",
            "2013-01-31T05:00:00",
            "20130131",
            "2013-1-1",
            "today",
            "2013-00-10",
            "now",
        ],
    ),
    "timestamp": (
        {
            "2013-01-31": dt.datetime(2013, 1, 31),
            "2013-01-31 05:06": dt.datetime(2013, 1, 31, 5, 6),
            "2013-01-31T05:06:07": dt.datetime(2013, 1, 31, 5, 6, 7),
            "2013-01-31T05:06:07Z": dt.datetime(2013, 1, 31, 5, 6, 7),
            "2013-01-31T05:06:07.123456Z": dt.datetime(2013, 1, 31, 5, 6, 7, 123456),
            "2013-01-31T05:06:07+02:00": dt.datetime(2013, 1, 31, 3, 6, 7),
            "1901-01-01 00:00:00": dt.datetime(1901, 1, 1),
            "1582-10-10 00:00:00": dt.datetime(1582, 10, 10),
        },
        [
            "2013",
            "2013-01",
            "05:06:07",
            "T05:06",
            "2013-02-30 00:00:00",
            "2013-01-31 25:00:00",
            "yesterday",
            "2013-01-31 05:06 o'clock",
            "1359608767",
            "31.01.2013 05:06",
            "epoch",
        ],
    ),
    "string": ({"abc": "abc", " é ✈ ": " é ✈ ", "12.5": "12.5"}, []),
}


@pytest.mark.parametrize("kind", TYPES)
def test_values_are_read_or_set_aside_by_their_type(pipeline: Pipeline, kind: str) -> None:
    good, bad = TYPES[kind]
    pipeline.columns = (("number", "int", False), ("value", kind, True))
    pipeline.partition_by = ()
    lines = [f'{number},"{value}"' for number, value in enumerate([*good, *bad])]
    pipeline.put("flights/a.csv", csv_text(lines, "number,value"))
    outcome = pipeline.run()
    found = {row[0]: row[1] for row in outcome.rows("number, value")}
    assert found == dict(enumerate(good.values())), f"each of these is {kind}"
    assert [
        record["detail"] for record in sorted(outcome.set_aside, key=lambda r: int(r["record"].partition(",")[0]))
    ] == [f"column value: '{value}' is not {transform.article(kind)}" for value in bad], (
        f"none of these is {kind}, and guessing would change data in silence"
    )
    assert outcome.report["setAsideReasons"] == ({f"value is not {transform.article(kind)}": len(bad)} if bad else {})


def test_missing_values_are_null_where_they_may_be(pipeline: Pipeline) -> None:
    pipeline.columns = (*((kind, kind, True) for kind in TYPES), ("number", "int", True))
    pipeline.columns = tuple(
        ("c_" + name if name != "number" else name, kind, empty) for name, kind, empty in pipeline.columns
    )
    pipeline.partition_by = ()
    count = len(TYPES)
    lines = ["," * count + "1", "NA," * count + "2", '"",' * count + "3"]
    pipeline.put("flights/a.csv", csv_text(lines, ",".join(name for name, _, _ in pipeline.columns)))
    outcome = pipeline.run()
    assert outcome.set_aside == []
    rows = outcome.rows("*", "number")
    assert [row[:-1] for row in rows[:2]] == [(None,) * count] * 2
    text = [name for name, _, _ in pipeline.columns].index("c_string")
    assert rows[2][text] == "", "a quoted empty text is a text"
    assert {value for index, value in enumerate(rows[2][:-1]) if index != text} == {None}, (
        "no other type has an empty value"
    )


@pytest.mark.parametrize("kind", TYPES)
def test_required_values_must_be_there(pipeline: Pipeline, kind: str) -> None:
    pipeline.columns = (("number", "int", True), ("value", kind, False))
    pipeline.partition_by = ()
    good = next(iter(TYPES[kind][0]))
    pipeline.put("flights/a.csv", csv_text(["1,", "2,NA", f"3,{good}"], "number,value"))
    outcome = pipeline.run()
    assert outcome.rows("number") == [(3,)]
    assert outcome.report["setAsideReasons"] == {"value is required but missing": 2}


def test_a_partition_column_may_be_missing(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv", csv_text(["2013,NA,UA,1,1,NA"]))
    outcome = pipeline.run()
    assert outcome.report["partitions"] == ["year=2013/month=__HIVE_DEFAULT_PARTITION__"]
    assert list(pipeline.partitions()) == [("2013", "__HIVE_DEFAULT_PARTITION__")], "Hive's own name for it"


def test_when_no_record_is_good_nothing_is_written(pipeline: Pipeline) -> None:
    for number in range(30):
        pipeline.put(f"flights/{number}.csv", csv_text(["x,1,UA,1,1,NA"]))
    outcome = pipeline.run()
    assert outcome.code == 0
    assert outcome.files == {}
    assert outcome.report["rows"] == {"in": 30, "out": 0, "setAside": 30}
    assert len(outcome.set_aside) == 30


# --- the same again ---------------------------------------------------------------------------------------------------


def test_the_same_manifest_again_gives_the_same_and_not_twice(pipeline: Pipeline) -> None:
    for number in range(30):
        pipeline.put(f"flights/{number}.csv", csv_text((*FLIGHT_LINES, "2013,1,UA,soon,1,NA")))
    first = pipeline.run()
    names, rows, aside = list(first.files), first.rows(), first.set_aside
    second = pipeline.run()
    assert list(second.files) == names, "the same names"
    assert second.rows() == rows, "the same rows, once"
    assert second.set_aside == aside
    assert len(rows) == 90
    assert second.report["rows"] == first.report["rows"]
    assert staged(pipeline) == [], "and the staging directory is empty"


def test_another_manifest_adds_to_a_partition(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv", csv_text())
    first = pipeline.run(pipeline.manifest(["flights/a.csv"]))
    kept = {name: path.read_bytes() for name, path in first.files.items()}
    pipeline.put("flights/b.csv", csv_text(["2013,1,B6,1,1,NA"]))
    second = pipeline.run(pipeline.manifest(["flights/b.csv"]))
    assert len(second.rows()) == 4
    assert len(second.files) == 3, "a file for each manifest and partition"
    assert all(second.files[name].read_bytes() == content for name, content in kept.items()), "others' files stay"


def test_a_second_attempt_with_less_removes_what_is_left_of_the_first(pipeline: Pipeline) -> None:
    pipeline.put("flights/other.csv", csv_text(["2013,3,B6,1,1,NA"]))
    others = set(pipeline.run(pipeline.manifest(["flights/other.csv"])).files)
    pipeline.put("flights/a.csv", csv_text(["2013,1,UA,1,1,NA", "2013,1,UA,soon,1,NA"]))
    gone = pipeline.put("flights/b.csv", csv_text(["2013,3,AA,1,1,NA", "2013,4,AA,1,1,NA", "2013,1,UA,late,1,NA"]))
    document = pipeline.manifest(["flights/a.csv", "flights/b.csv"])
    pipeline.run(document)
    gone.unlink()
    outcome = pipeline.run(document)
    assert outcome.rows("month, carrier", "month") == [("1", "UA"), ("3", "B6")], (
        "what came of the object that is gone is gone, also in partitions that the second attempt does not write to"
    )
    assert others < set(outcome.files), "other manifests' files stay"
    assert len(outcome.set_aside) == 1
    assert outcome.report["rows"] == {"in": 2, "out": 1, "setAside": 1}


def test_a_second_attempt_without_bad_records_removes_those_of_the_first(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv", csv_text())
    bad = pipeline.put("flights/b.csv", csv_text(["2013,1,UA,soon,1,NA"]))
    document = pipeline.manifest()
    assert len(pipeline.run(document).set_aside) == 1
    bad.unlink()
    assert pipeline.run(document).set_aside == []


def test_files_that_a_crashed_attempt_left_are_replaced(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv", csv_text())
    document = pipeline.manifest()
    digest = transform.canonical_hash(document)[:16]
    for name in (f"part-00000-{digest}.parquet", f"part-00007-{digest}.parquet"):
        path = pipeline.output / JANUARY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half a file")
    outcome = pipeline.run(document)
    assert len(outcome.rows()) == 3, "a half-written run is mended by running it again"
    assert len(outcome.files) == 2


def test_two_attempts_at_once_leave_the_rows_once(pipeline: Pipeline) -> None:
    for number in range(30):
        pipeline.put(f"flights/{number}.csv", csv_text((*FLIGHT_LINES, "2013,1,UA,soon,1,NA")))
    document = pipeline.manifest()
    pipeline.create_table()
    manifest = pipeline.directory / "manifest.json"
    manifest.write_text(json.dumps(document))
    codes: list[int] = []
    together = threading.Barrier(2)

    def attempt(number: int) -> None:
        together.wait()
        session = pipeline.spark.newSession()
        codes.append(transform.run(session, str(manifest), str(pipeline.directory / f"report-{number}.json")))

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome = Outcome(0, {}, pipeline, transform.canonical_hash(document))
    assert 0 in codes, "at least one of them must get through"
    assert len(outcome.rows()) == 90, "one attempt that is thought dead must not double the rows of the other"
    assert len(outcome.set_aside) == 30
    assert len(outcome.files) == 2


def test_an_attempt_that_was_mixed_with_another_says_so(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.put("flights/a.csv", csv_text())
    document = pipeline.manifest()
    publish = transform.publish

    def disturbed(files: Any, manifest: Any, work: Any, attempt: str) -> Any:
        published = publish(files, manifest, work, attempt)
        files.write_text(
            f"{manifest.staging}/{manifest.hash}/files-other.json", json.dumps({"rows": [], "setAside": []})
        )
        next((pipeline.output / JANUARY).glob("part-*.parquet")).unlink()
        return published

    monkeypatch.setattr(transform, "publish", disturbed)
    outcome = pipeline.run(document)
    assert outcome.code == 1, "it must not claim rows that are not there"
    assert "another attempt at this manifest" in outcome.report["error"]


# --- what stops a run -------------------------------------------------------------------------------------------------


def failed(pipeline: Pipeline, text: str | None) -> tuple[int, dict[str, Any]]:
    manifest, report = pipeline.directory / "manifest.json", pipeline.directory / "report.json"
    if text is not None:
        manifest.write_text(text)
    code = transform.run(pipeline.spark, str(manifest), str(report))
    return code, json.loads(report.read_text())


def test_a_manifest_that_is_not_there_fails_the_run(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    code, report = failed(pipeline, None)
    assert code == 1
    assert "manifest.json: cannot be read: FileNotFoundException" in report["error"]
    assert report["dataset"] is None
    assert report["rows"] == {"in": 0, "out": 0, "setAside": 0}
    lines = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(lines) == 1, "people see one line, not a traceback"
    assert str(pipeline.directory / "manifest.json") in lines[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version is 2, this job reads 1"),
        ({"version": None}, "version is null, this job reads 1"),
        ({"objects": None}, "a value is of the wrong kind"),
        ({"definition": {}}, "'columns' is missing"),
    ],
)
def test_a_manifest_of_another_form_fails_the_run(pipeline: Pipeline, change: dict[str, Any], message: str) -> None:
    pipeline.put("flights/a.csv", csv_text())
    code, report = failed(pipeline, json.dumps(pipeline.manifest(**change)))
    assert code == 1
    assert message in report["error"]


def test_a_manifest_that_is_no_json_fails_the_run(pipeline: Pipeline) -> None:
    code, report = failed(pipeline, "{")
    assert code == 1
    assert "is not JSON" in report["error"]


def test_a_table_that_glue_does_not_know_fails_the_run_before_its_work(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv", csv_text())
    code, report = failed(pipeline, json.dumps(pipeline.manifest(table="unknown_table")))
    assert code == 1
    assert "Glue table emr_pipeline_test.unknown_table cannot be read: EntityNotFoundException" in report["error"]
    assert not pipeline.output.exists(), "nothing may be written that nobody can find"


def test_a_mistake_of_ours_is_reported_and_shown(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline.put("flights/a.csv", csv_text())
    pipeline.create_table()
    monkeypatch.setattr(transform, "publish", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pipeline.run()
    report = json.loads((pipeline.directory / "report.json").read_text())
    assert report["error"] == "ZeroDivisionError: division by zero", (
        "whoever waits for the report learns that it failed"
    )
    assert staged(pipeline) == [], "the staging directory is emptied all the same"


def test_a_report_that_cannot_be_written_fails_the_run(pipeline: Pipeline) -> None:
    pipeline.partition_by = ()
    pipeline.put("flights/a.csv", csv_text())
    manifest = pipeline.directory / "manifest.json"
    manifest.write_text(json.dumps(pipeline.manifest()))
    assert transform.run(pipeline.spark, str(manifest), str(manifest / "below" / "report.json")) == 1, (
        "without a report nobody can tell what the run did"
    )


def test_dates_of_the_first_millennium_do_not_break_a_run(pipeline: Pipeline) -> None:
    pipeline.put("flights/a.csv", csv_text(["2013,1,UA,1,1,0044-03-15 12:00:00"]))
    outcome = pipeline.run()
    assert outcome.code == 0, "Spark refuses to write days before 1582 unless told how"
    assert outcome.rows("time_hour") == [(dt.datetime(44, 3, 15, 12),)]


def test_every_setting_of_the_job_is_one_that_a_session_takes(pipeline: Pipeline) -> None:
    for name in transform.SESSION_SETTINGS:
        assert pipeline.spark.conf.isModifiable(name), f"{name} would have no effect in a running session"


def test_a_local_path_stays_apart_from_the_store(pipeline: Pipeline, tmp_path: Path) -> None:
    assert transform.object_uri("raw-bucket", "a b/ü.csv") == "s3://raw-bucket/a b/ü.csv"
    assert transform.object_uri(f"file://{tmp_path}", "a.csv") == f"file://{tmp_path}/a.csv"
