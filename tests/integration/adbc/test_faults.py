"""Connections that do not open at once, and results that break: every row once, or the code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import adbc_driver_manager as adbc
import msgspec
import pyarrow as pa
import pytest

from bronze_engine.errors import AuthError, BronzeError, ExtractError, RetryError
from bronze_engine.sources.adbc import handles
from bronze_engine.sources.adbc.dialect import dialect_of
from bronze_engine.sources.adbc.statement import Statement
from tests.integration.adbc.lake import Lake, in_sqlite

pytestmark = [pytest.mark.integration, pytest.mark.asyncio]

ROWS = 5000
CREATE = "CREATE TABLE t (id INTEGER, name TEXT)"
INSERT = "INSERT INTO t VALUES (?, ?)"


def filled(folder: Path, attempts: int) -> Lake:
    lake = Lake(folder, "sqlite", 'table = "t"')
    text = lake.path.read_text().replace("attempts = 1", f'attempts = {attempts}\nbackoff = "1ms"')
    lake.path.write_text(text)
    in_sqlite(lake.database, CREATE, INSERT, rows=[(n, f"row {n}") for n in range(ROWS)])
    return lake


class Failing:
    """Stands in for a function that fails so often, and then does what it did."""

    def __init__(
        self, times: int, error: Callable[[], Exception], real: Callable[..., Any]
    ) -> None:
        self.left = times
        self.calls = 0
        self._error = error
        self._real = real

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self._error()
        return self._real(*arguments, **options)


def refused(status: adbc.AdbcStatusCode) -> Exception:
    return adbc.OperationalError("the network is down", status_code=status)


async def test_a_connection_that_opens_at_the_third_attempt_lands_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = filled(tmp_path, attempts=3)
    opening = Failing(2, lambda: refused(adbc.AdbcStatusCode.IO), adbc.AdbcDatabase)
    monkeypatch.setattr(adbc, "AdbcDatabase", opening)
    assert (await lake.run()).rows == ROWS
    assert opening.calls == 3


@pytest.mark.parametrize(
    ("status", "error", "calls"),
    [
        (adbc.AdbcStatusCode.IO, RetryError, 3),
        (adbc.AdbcStatusCode.TIMEOUT, RetryError, 3),
        (adbc.AdbcStatusCode.UNAUTHENTICATED, AuthError, 1),
        (adbc.AdbcStatusCode.INTERNAL, ExtractError, 1),
    ],
)
async def test_what_may_pass_is_tried_so_often_and_nothing_else_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: adbc.AdbcStatusCode,
    error: type[BronzeError],
    calls: int,
) -> None:
    lake = filled(tmp_path, attempts=3)
    opening = Failing(100, lambda: refused(status), adbc.AdbcDatabase)
    monkeypatch.setattr(adbc, "AdbcDatabase", opening)
    with pytest.raises(error, match="the network is down"):
        await lake.run()
    assert opening.calls == calls


async def test_a_connection_that_breaks_while_it_is_asked_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = filled(tmp_path, attempts=2)
    asking = Failing(1, lambda: refused(adbc.AdbcStatusCode.IO), adbc.AdbcStatement)
    monkeypatch.setattr(adbc, "AdbcStatement", asking)
    opening = Failing(0, lambda: refused(adbc.AdbcStatusCode.IO), adbc.AdbcConnection)
    monkeypatch.setattr(adbc, "AdbcConnection", opening)
    assert (await lake.run()).rows == ROWS
    assert opening.calls == 2


class Breaking:
    """A server's results, of which the first `times` break at their third batch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.broken = 0
        self._times = times
        self._read: dict[int, int] = {}
        self._real: Callable[[Statement], pa.RecordBatch] = Statement.__next__
        server = msgspec.structs.replace(dialect_of("sqlite"), is_file=False)
        monkeypatch.setattr(handles, "dialect_of", lambda _: server)
        monkeypatch.setattr(Statement, "__next__", lambda statement: self._next(statement))  # noqa: PLW0108  # it binds

    def _next(self, statement: Statement) -> pa.RecordBatch:
        batch = self._real(statement)
        if batch.num_columns == 3:  # id, name, and whose row it is
            read = self._read[id(statement)] = self._read.get(id(statement), 0) + 1
            if read == 3 and self.broken < self._times:
                self.broken += 1
                raise OSError("connection reset")
        return batch


async def test_a_result_that_breaks_is_read_again_from_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = filled(tmp_path, attempts=1)
    breaking = Breaking(monkeypatch, 2)
    assert (await lake.run()).rows == ROWS
    assert breaking.broken == 2
    assert [row["id"] for row in lake.rows()] == list(range(ROWS))


async def test_a_result_that_always_breaks_ends_the_run_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = filled(tmp_path, attempts=1)
    breaking = Breaking(monkeypatch, 100)
    with pytest.raises(ExtractError, match=r"was lost 3 times in a row: .*connection reset"):
        await lake.run()
    assert breaking.broken == 3
    assert not list((tmp_path / "lake").rglob("*.parquet"))
