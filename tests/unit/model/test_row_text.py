"""Values of every type as JSON text."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.model.types.row_text import printed_rows, printed_values

pytestmark = pytest.mark.unit


def invalid_text() -> Any:
    return pa.array([b"\xff", b"a"], pa.binary()).view(pa.string())


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (pa.array([1.5, None]), ["1.5", None]),
        (pa.array([Decimal("1.50"), None]), ["1.50", None]),
        (invalid_text(), [{"base64": "/w=="}, "a"]),
        (pa.array(["a", None], pa.string_view()), ["a", None]),
        (pa.array([b"\xff", b"", None]), ["/w==", "", None]),
        (pa.array([86_400_001], pa.date64()), ["1970-01-02 00:00:00.001"]),
        (pa.array([5, None], pa.duration("ns")), [5, None]),
        (pa.array([[1.5, float("nan")], None, []]), [[1.5, "nan"], None, []]),
        (pa.array([[1], [2, None], None], pa.list_view(pa.int8()))[1:], [[2, None], None]),
        (pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2)), [[1, 2], None, [3, 4]]),
        (
            pa.ListArray.from_arrays(pa.array([0, 2], pa.int32()), invalid_text()),
            [[{"base64": "/w=="}, "a"]],
        ),
        (
            pa.StructArray.from_arrays([invalid_text()], ["s"]),
            [{"s": {"base64": "/w=="}}, {"s": "a"}],
        ),
        (pa.array([{"a": None}, None, {"a": b"x"}]), [{"a": None}, None, {"a": "eA=="}]),
        (pa.array([{}, None], pa.struct([])), [{}, None]),
        (
            pa.array([[("a", 1)], None, [("b", None)]], pa.map_(pa.string(), pa.int8()))[1:],
            [None, [{"key": "b", "value": None}]],
        ),
        (pa.array([[1]], pa.list_(pa.timestamp("ns"))), [["1970-01-01 00:00:00.000000001"]]),
        (pa.array([[-800_000]], pa.list_(pa.date32())), [["-0221-09-04"]]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([7])), [7, 7]),
        (pa.array([b"\xff", None], pa.binary_view()), ["/w==", None]),
    ],
)
def test_values_are_printed_whatever_their_type(array: Any, values: list[Any]) -> None:
    assert printed_values(array) == values
    batch = pa.RecordBatch.from_arrays([array], ["x"])
    places = list(range(len(array)))
    assert [json.loads(row) for row in printed_rows(batch, places)] == [{"x": v} for v in values]
