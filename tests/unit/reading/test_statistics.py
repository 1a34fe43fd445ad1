"""Bounds of columns, as the footers of files have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bronze_engine.reading.statistics import _Column

pytestmark = pytest.mark.unit


FAR = ("-290308-12-21T19:59:05.224193", "294247-01-10T04:00:54.775807")
BEYOND = ("0000-12-31T10:00:00.000000Z", "34989-08-31T04:26:40.000000Z")


@pytest.mark.parametrize(
    ("kind", "counts", "bounds"),
    [
        (pa.timestamp("us"), (-(2**63) + 1, 2**63 - 1), FAR),
        (pa.timestamp("us", "UTC"), (-62_135_647_200_000_000, 1042 * 10**15), BEYOND),
        (pa.date32(), (-(2**31) + 1, 2**31 - 1), ("-5877641-06-24", "5881580-07-11")),
        (pa.time64("ns"), (1, 86_399 * 10**9), ("00:00:00.000000001", "23:59:59.000000000")),
    ],
    ids=str,
)
def test_bounds_that_python_has_no_value_of(
    tmp_path: Path, kind: Any, counts: tuple[int, int], bounds: tuple[str, str]
) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": pa.array(counts, kind)}), file)
    group = pq.read_metadata(file).row_group(0)
    column = _Column("x", kind)
    column.add({"x": group.column(0)}, group.num_rows)
    told = column.told()
    assert ((told.low, told.high), told.nulls) == (bounds, 0)
