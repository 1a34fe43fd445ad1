"""Days of changed records, and two deltas: made by DuckDB, the same every time.

The first day has every key once, the others as many records of any keys: some twice, some not at
all, so that of each day some records are still the newest. A delta has a key once, and a tenth of
its keys are new. The others are anywhere ("spread": each file of a table holds some, the worst
case), or those with the highest numbers ("recent").
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import duckdb

from benchmarks.harness.landed import FILES_READ
from benchmarks.jobs.merge import DELTA_DAY, KEY, ORDER

__all__ = [
    "DELTAS",
    "Amounts",
    "Digest",
    "digest_of",
    "digest_of_database",
    "expected_digest",
    "make_changes",
]

DELTAS: Final = ("spread", "recent")
FIRST_DAY: Final = date(2025, 1, 1)
STRIDE: Final = 7919
"""A prime: where keys come once each, they follow each other at this distance."""

RECORDS: Final = """
SELECT
    ({key})::BIGINT AS id,
    'name ' || hash(i * 5 + {day}) % 100000 AS name,
    ((hash(i * 7 + {day}) % 20000000)::BIGINT - 10000000)::DECIMAL(18, 0) * 0.01::DECIMAL(3, 2)
        AS amount,
    'status ' || hash(i * 3 + {day}) % 7 AS status,
    TIMESTAMP '2025-01-01' + to_days({day}) + to_microseconds(i * 86400000000 // {rows})
        AS updated_at,
    hash(i * 11 + {day}) % 1000000 / 1024.0::DOUBLE AS score,
    CASE WHEN i % 8 > 0 THEN 'note ' || md5((i * 13 + {day})::VARCHAR) END AS note,
    i % 2 = 0 AS is_paid
FROM range({rows}) t(i)
"""

# Of every row all columns, whatever type a candidate has made of them.
DIGEST: Final = """
SELECT count(*), sum(hash(
    id::BIGINT, name::VARCHAR, amount::DECIMAL(18, 2), status::VARCHAR,
    epoch_us(updated_at::TIMESTAMP), score::DOUBLE, note::VARCHAR, is_paid::BOOLEAN
)::HUGEINT)::VARCHAR
"""


class Amounts(NamedTuple):
    days: int
    keys: int
    changes: int
    """Rows of a delta."""

    @property
    def rows(self) -> int:
        return self.days * self.keys


class Digest(NamedTuple):
    """What a table holds, as two texts that any change of a row would change."""

    rows: int
    hashes: str


def make_changes(folder: Path, amounts: Amounts) -> Path:
    """The folder of `jobs.merge` of these amounts, made where it is not there."""
    place = folder / f"changes-{amounts.rows}-{amounts.keys}-{amounts.changes}"
    if (place / "made").exists():
        return place
    assert FIRST_DAY + timedelta(amounts.days) == date.fromisoformat(DELTA_DAY)
    for name in ("days", *DELTAS):
        (place / name).mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '6GB'")
        connection.execute("SET preserve_insertion_order = false")
        for day in range(amounts.days):
            key = f"hash(i * 17 + {day}) % {amounts.keys}" if day else _strided(amounts.keys)
            select = RECORDS.format(key=key, day=day, rows=amounts.keys)
            _copy(connection, select, place / f"days/{FIRST_DAY + timedelta(day)}.parquet")
        for delta in DELTAS:
            key = _delta_key(delta, amounts)
            select = RECORDS.format(key=key, day=amounts.days, rows=amounts.changes)
            _copy(connection, select, place / delta / f"{DELTA_DAY}.parquet")
        days = f"read_parquet('{place}/days/*.parquet')"
        merged = f"SELECT * EXCLUDE (place) {_newest(days)} ORDER BY {KEY}"
        _copy(connection, merged, place / "current.parquet")
    (place / "made").touch()
    return place


def _strided(keys: int) -> str:
    return f"i * {STRIDE} % {keys}"


def _delta_key(delta: str, amounts: Amounts) -> str:
    known = amounts.changes - amounts.changes // 10
    old = _strided(amounts.keys)
    if delta == "recent":
        old = f"{amounts.keys - known} + {_strided(known)}"
    return f"CASE WHEN i < {known} THEN {old} ELSE {amounts.keys - known} + i END"


def _newest(place: str) -> str:
    return (
        f"FROM (SELECT *, row_number() OVER (PARTITION BY {KEY} ORDER BY {ORDER} DESC) AS place"  # noqa: S608  # names of ours
        f" FROM {place}) WHERE place = 1"
    )


def _copy(connection: duckdb.DuckDBPyConnection, select: str, path: Path) -> None:
    connection.execute(
        f"COPY ({select}) TO '{path}'"
        " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 122880)"
    )


def expected_digest(files: Sequence[Path]) -> Digest:
    """Of the newest record of each key, worked out by nothing but a window function."""
    return _digest(_newest(FILES_READ), [[str(file) for file in files]])


def digest_of(files: Sequence[Path]) -> Digest:
    """Of what Parquet files hold."""
    return _digest(f"FROM {FILES_READ}", [[str(file) for file in files]])


def digest_of_database(file: Path, table: str) -> Digest:
    """Of what a table in a file of DuckDB holds."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return _told(connection, f"FROM {table}", [])


def _digest(place: str, parameters: Sequence[object]) -> Digest:
    with duckdb.connect() as connection:
        return _told(connection, place, parameters)


def _told(
    connection: duckdb.DuckDBPyConnection, place: str, parameters: Sequence[object]
) -> Digest:
    connection.execute("SET memory_limit = '6GB'")
    connection.execute("SET TimeZone = 'UTC'")
    [[rows, hashes]] = connection.execute(f"{DIGEST} {place}", parameters).fetchall()
    return Digest(int(rows), str(hashes))
