"""What a reader is promised of a file that lies in a folder of a value."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from bronze_engine.model.part import DataFile
from bronze_engine.reading.values import promise_of

pytestmark = pytest.mark.unit


def promise(kind: Any, text: str | None) -> ds.Expression | None:
    file = DataFile(
        name="day=x/part.parquet",
        size_bytes=1,
        sha256="",
        row_count=1,
        values={"day": text, "of_no_column": "x"},
    )
    return promise_of(file, pa.schema([("day", kind)]))


def test_a_date_and_null_are_promised() -> None:
    day = ds.field("day")
    found = promise(pa.date32(), "2025-01-15")
    assert found is not None
    assert str(found) == str(day == pa.scalar("2025-01-15").cast(pa.date32()))
    found = promise(pa.date32(), None)
    assert found is not None
    assert str(found) == str(day.is_null())


@pytest.mark.parametrize("text", ["10000-01-01", "5881580-07-11", "-0043-03-15"])
def test_a_date_that_arrow_can_not_read_is_no_promise(text: str) -> None:
    """PostgreSQL has them; the whole partition could not be read."""
    assert promise(pa.date32(), text) is None
