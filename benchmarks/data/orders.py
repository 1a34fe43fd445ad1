"""The records of the demo's API: what a server holds of them, and what has landed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow.parquet as pq

from benchmarks.harness.landed import Landed, look
from benchmarks.servers.null_api import SEED
from bronze_engine.demo import data

__all__ = ["Totals", "check_orders", "expected_totals", "landed_totals"]

BLOCK_ROWS = 1000


class Totals(NamedTuple):
    rows: int
    ids: int
    """Their sum."""
    cents: int
    """The sum of amounts."""


class _Amount(msgspec.Struct):
    amount: float


def expected_totals(records: int) -> Totals:
    """As the server holds them."""
    table = data.orders(records, SEED)
    cents = 0
    for start in range(0, records, BLOCK_ROWS):
        page = b"".join(table.array(start, start + BLOCK_ROWS))
        for amount in msgspec.json.decode(page, type=list[_Amount]):
            cents += round(amount.amount * 100)  # two decimals: a double is near enough
    return Totals(records, records * (records + 1) // 2, cents)


def landed_totals(files: Sequence[Path]) -> Totals:
    """The same of Parquet files."""
    rows = ids = cents = 0
    for path in files:
        table = pq.read_table(path, columns=["id", "amount"], partitioning=None)
        rows += len(table)
        numbers: list[Any] = table["id"].to_pylist()
        ids += sum(numbers)
        amounts: list[Any] = table["amount"].to_pylist()
        cents += sum(round(amount * 100) for amount in amounts)
    return Totals(rows, ids, cents)


def check_orders(expected: Totals, files: Sequence[Path]) -> Landed:
    """Raises AssertionError where a record is lost or changed."""
    found = landed_totals(files)
    assert found == expected, f"landed {found}, expected {expected}"
    return look(files)
