"""Values as DuckDB casts them."""

from __future__ import annotations

from functools import cache
from typing import Any

import duckdb
import pyarrow as pa

from bronze_engine.model.arrow import DataType
from bronze_engine.model.layout import Role
from bronze_engine.silver.columns.casts import cast
from bronze_engine.silver.database.types import carried, restored
from tests.unit.silver.bronze import database

__all__ = ["duck", "values_of"]


@cache
def duck() -> duckdb.DuckDBPyConnection:
    """One for all: nothing in it changes."""
    return database()


def values_of(array: pa.Array[Any], wanted: DataType, role: Role = "value") -> list[Any]:
    """The values as SQL casts them."""
    found = cast("v", array.type, wanted, role)
    assert found is not None
    batch = carried(pa.RecordBatch.from_arrays([array], ["v"]))
    duck().register("given", pa.Table.from_batches([batch]))
    table = duck().sql(f"SELECT {found.value} AS v FROM given").to_arrow_table()
    (made,) = table.combine_chunks().to_batches() or [None]
    if made is None:
        return []
    column = restored(made, pa.schema([("v", wanted)])).column(0)
    values: list[Any] = column.to_pylist()
    if not found.can_fail:
        assert [value is None for value in values] == array.is_null().to_pylist()
    return values
