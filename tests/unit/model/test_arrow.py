from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.model.arrow import binary_array, scalar

pytestmark = pytest.mark.unit

KINDS: list[tuple[Any, Any]] = [
    (-(2**63), pa.int64()),
    (2**31 - 1, pa.int32()),
    ("", pa.string()),
    ("é\0\n", pa.string()),
    (b"\xff", pa.binary()),
    (date(1969, 12, 31), pa.date32()),
    (date(9999, 12, 31), pa.date32()),
    (datetime(2025, 1, 15, 1, 2, 3, 456789, tzinfo=UTC), pa.timestamp("us", "UTC")),
    (datetime(1960, 1, 1, tzinfo=timezone(timedelta(hours=2))), pa.timestamp("us", "UTC")),
    (None, pa.string()),
]


@pytest.mark.parametrize(("value", "kind"), KINDS)
def test_a_scalar_is_the_one_that_pyarrow_makes(value: Any, kind: Any) -> None:
    made = scalar(value, kind)
    assert made.type == kind
    assert made == pa.scalar(value, kind)


def test_an_int_stands_for_itself_in_a_timestamp() -> None:
    assert scalar(7, pa.timestamp("ns", "UTC")).value == 7


def test_bytes_become_one_value_without_a_copy() -> None:
    data = b"\xff\0x" * 1000
    array = binary_array(data)
    assert array.to_pylist() == [data]
    assert array.buffers()[2].address == pa.py_buffer(data).address
