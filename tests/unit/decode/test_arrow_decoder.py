"""Batches with types of their own, folded into one layout."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from bronze_engine.config.schema import SchemaConfig
from bronze_engine.contracts import Decoded, Request
from bronze_engine.decode.arrow.decoder import ArrowDecoder
from bronze_engine.decode.arrow.merge import loses_fields, merged
from bronze_engine.errors import QualityError
from bronze_engine.model.block import Block
from bronze_engine.model.layout import MAX_NEW_COLUMNS, Layout
from tests.integration.http_server import request as made

pytestmark = pytest.mark.unit


def request(base: Layout | None = None, **schema: Any) -> Request:
    return made(base=base, schema=SchemaConfig(**schema))


def decode(
    decoder: ArrowDecoder, *columns: dict[str, Any], layout: Layout | None = None
) -> Decoded:
    blocks = [
        Block(batch=pa.RecordBatch.from_pydict(each), records=1, page=place + 1)
        for place, each in enumerate(columns)
    ]
    return decoder.decode(blocks, layout)


def test_a_settled_column_keeps_its_type_and_misfits_land_beside() -> None:
    decoder = ArrowDecoder(request())
    first = decode(decoder, {"n": pa.array([1], pa.int8())}).layout.settled()
    found = decode(decoder, {"n": pa.array([2, 300], pa.int64())}, layout=first)
    assert found.batch.column("n").to_pylist() == [2, None]
    assert found.batch.column("n__variant").to_pylist() == [None, "300"]


def test_widen_records_the_next_partitions_type() -> None:
    decoder = ArrowDecoder(request(on_drift="widen"))
    first = decode(decoder, {"n": pa.array([1], pa.int8())}).layout.settled()
    found = decode(decoder, {"n": pa.array([300], pa.int64())}, layout=first)
    (column,) = [each for each in found.layout.columns() if each.name == "n"]
    assert column.wider is not None
    assert column.type == pa.int8()


def test_columns_past_the_last_that_may_come_are_objects() -> None:
    decoder = ArrowDecoder(request())
    layout = decode(decoder, {"n": [1]}).layout.settled()
    for number in range(MAX_NEW_COLUMNS):
        layout = decode(decoder, {f"c{number}": [1]}, layout=layout).layout
    found = decode(decoder, {"one": [1], "more": pa.array([None], pa.int8())}, layout=layout)
    assert found.batch.column("_extra").to_pylist() == ['{"one":1}']


def test_a_frozen_layout_takes_no_new_column() -> None:
    base = decode(ArrowDecoder(request()), {"n": [1]}).layout
    decoder = ArrowDecoder(request(base=base, contract="freeze"))
    with pytest.raises(QualityError, match="column 'x' is new"):
        decode(decoder, {"n": [1], "x": [1]})


def test_configured_types_are_those_that_land() -> None:
    decoder = ArrowDecoder(request(columns={"n": "decimal(9,2)", "t": "date"}))
    found = decode(decoder, {"n": ["1.50"], "t": ["2025-01-15"]})
    assert found.batch.schema.types == [pa.decimal128(9, 2), pa.date32()]


def test_the_same_layout_comes_back_where_nothing_is_new() -> None:
    decoder = ArrowDecoder(request())
    layout = decode(decoder, {"n": [1], "s": ["x"]}).layout.settled()
    assert decode(decoder, {"s": ["y"], "n": [2]}, layout=layout).layout is layout


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.int8(), pa.int64(), pa.int64()),
        (pa.null(), pa.int8(), pa.int8()),
        (pa.int64(), pa.string(), pa.int64()),
        (pa.string(), pa.int64(), pa.string()),
        (pa.decimal128(5, 2), pa.decimal128(9, 0), pa.decimal128(11, 2)),
        (
            pa.struct([("a", pa.int8())]),
            pa.struct([("b", pa.string()), ("a", pa.int32())]),
            pa.struct([("a", pa.int32()), ("b", pa.string())]),
        ),
        (pa.list_(pa.int8()), pa.list_(pa.int16()), pa.list_(pa.int16())),
        (pa.list_(pa.int8()), pa.int8(), pa.list_(pa.int8())),
    ],
)
def test_two_types_become_the_least_that_holds_both(
    one: pa.DataType, other: pa.DataType, both: pa.DataType
) -> None:
    assert merged(one, other) == both


def test_no_field_of_a_struct_is_dropped_without_a_word() -> None:
    wide, narrow = pa.struct([("a", pa.int8()), ("b", pa.int8())]), pa.struct([("a", pa.int8())])
    assert loses_fields(wide, narrow)
    assert loses_fields(pa.list_(wide), pa.list_(narrow))
    assert not loses_fields(narrow, wide)
    decoder = ArrowDecoder(request())
    layout = decode(decoder, {"s": pa.array([{"a": 1}], narrow)}).layout.settled()
    found = decode(decoder, {"s": pa.array([{"a": 1, "b": 2}], wide)}, layout=layout)
    assert found.batch.column("s").to_pylist() == [None]
    assert found.batch.column("s__variant").to_pylist() == ['{"a": 1, "b": 2}']


def test_refused_rows_are_told_by_their_place_and_values() -> None:
    decoder = ArrowDecoder(request(on_drift="quarantine"))
    layout = decode(decoder, {"n": [1]}).layout.settled()
    found = decode(decoder, {"n": ["1", "x", "3"]}, layout=layout)
    (reject,) = found.rejects
    assert (reject.page, reject.offset, reject.raw) == (1, 1, b'{"n": "x"}')
    assert found.refuse is not None
    (refused,) = found.refuse([1], ["broken"])
    assert (refused.offset, refused.raw) == (2, b'{"n": 3}')


def test_texts_that_are_no_utf8_land_beside_however_deep_they_stand() -> None:
    texts = pa.array([b"\xff", b"a"], pa.binary()).view(pa.string())
    columns = {
        "l": pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), texts),
        "s": pa.StructArray.from_arrays([texts], ["t"]),
    }
    found = decode(ArrowDecoder(request()), columns).batch
    assert found.column("l").to_pylist() == [None, ["a"]]
    assert found.column("s").to_pylist() == [None, {"t": "a"}]
    assert found.column("l__variant").to_pylist() == ['[{"base64": "/w=="}]', None]
    assert found.column("s__variant").to_pylist() == ['{"t": {"base64": "/w=="}}', None]


@pytest.mark.parametrize("on_drift", ["variant", "quarantine", "fail"])
def test_a_day_that_is_not_whole_does_not_fit_a_date(on_drift: str) -> None:
    days = {"d": pa.array([86_400_000, 86_400_001], pa.date64())}
    decoder = ArrowDecoder(request(on_drift=on_drift))
    if on_drift == "fail":
        with pytest.raises(QualityError, match="can't hold"):
            decode(decoder, days)
        return
    found = decode(decoder, days)
    if on_drift == "variant":
        assert found.batch.column("d__variant").to_pylist() == [None, '"1970-01-02 00:00:00.001"']
    else:
        assert [each.raw for each in found.rejects] == [b'{"d": "1970-01-02 00:00:00.001"}']


@pytest.mark.parametrize("on_drift", ["quarantine", "fail"])
def test_a_text_that_is_no_utf8_is_refused_by_its_bytes(on_drift: str) -> None:
    texts = {"t": pa.array([b"\xff", b"a"], pa.binary()).view(pa.string())}
    decoder = ArrowDecoder(request(on_drift=on_drift))
    if on_drift == "fail":
        with pytest.raises(QualityError, match=r"can't hold"):
            decode(decoder, texts)
        return
    assert [each.raw for each in decode(decoder, texts).rejects] == [b'{"t": {"base64": "/w=="}}']


def test_runs_within_another_type_are_told() -> None:
    runs = pa.StructArray.from_arrays(
        [pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array([7]))], ["r"]
    )
    with pytest.raises(QualityError, match="can't land as it is"):
        decode(ArrowDecoder(request()), {"x": runs})


@pytest.mark.parametrize(
    ("known", "texts", "values", "beside"),
    [
        (pa.array([1]), ["007", "5"], [None, 5], ['"007"', None]),
        (
            pa.array([1.5]),
            ["0.1", "1e400", "123456789012345678901"],
            [0.1, None, None],
            [None, '"1e400"', '"123456789012345678901"'],
        ),
        (
            pa.array([1], pa.decimal128(4, 2)),
            ["01.50", "1.5", "1.50"],
            [None, None, Decimal("1.50")],
            ['"01.50"', '"1.5"', None],
        ),
        (pa.array([1], pa.timestamp("us")), ["2025-01-15"], [None], ['"2025-01-15"']),
    ],
)
def test_a_text_is_a_number_only_where_it_can_be_printed_again(
    known: Any, texts: list[str], values: list[Any], beside: list[str | None]
) -> None:
    decoder = ArrowDecoder(request())
    first = decode(decoder, {"x": known}).layout.settled()
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        found = decode(decoder, {"x": pa.array(texts, kind)}, layout=first).batch
        assert found.column("x").to_pylist() == values
        assert found.column("x__variant").to_pylist() == beside


def test_a_configured_number_takes_no_text_that_it_would_change() -> None:
    decoder = ArrowDecoder(request(columns={"i": "int64", "d": "double", "e": "epoch_s"}))
    texts = {"i": pa.array(["007"]), "d": pa.array(["1e400"]), "e": pa.array(["1"])}
    found = decode(decoder, texts).batch
    assert found.column("i").to_pylist() == [None]
    assert found.column("d").to_pylist() == [None]
    assert found.column("i__variant").to_pylist() == ['"007"']
    assert str(found.column("e")[0]) == "1970-01-01 00:00:01+00:00"


@pytest.mark.parametrize("is_settled", [False, True])
def test_durations_land_in_the_unit_of_the_first_file_or_beside(*, is_settled: bool) -> None:
    decoder = ArrowDecoder(request())
    seconds = pa.array([1, None], pa.duration("s"))
    layout = decode(decoder, {"d": seconds}).layout
    layout = layout.settled() if is_settled else layout
    finer = pa.array([2_000_000_000, 1, None], pa.duration("ns"))
    found = decode(decoder, {"d": finer}, {"d": pa.array([7, 8])}, layout=layout)
    assert found.batch.column("d").to_pylist() == [2, None, None, None, None]
    assert found.batch.column("d__variant").to_pylist() == [None, '"1 ns"', None, "7", "8"]
    assert found.batch.schema.field("d").type == pa.int64()


def test_durations_that_the_finer_unit_of_an_earlier_day_can_not_count_land_beside() -> None:
    base = decode(ArrowDecoder(request()), {"d": pa.array([1], pa.duration("ns"))}).layout
    base = base.settled()
    most = (2**63 - 1) // 10**9
    seconds = pa.array([most, most + 1, -most, -most - 1, -(2**63)], pa.duration("s"))
    found = decode(ArrowDecoder(request(base=base)), {"d": seconds})
    whole = [most * 10**9, None, -most * 10**9, None, None]
    assert found.batch.column("d").to_pylist() == whole
    assert found.batch.column("d__variant").to_pylist()[1::2] == [
        f'"{most + 1} s"',
        f'"{-most - 1} s"',
    ]
    frozen = ArrowDecoder(request(base=base, contract="freeze"))
    with pytest.raises(QualityError, match=f"can't hold {most + 1} s"):
        decode(frozen, {"d": seconds})


def test_durations_are_no_plain_numbers() -> None:
    decoder = ArrowDecoder(request())
    found = decode(decoder, {"d": pa.array([5])}, {"d": pa.array([5], pa.duration("s"))})
    assert found.batch.column("d").to_pylist() == [5, None]
    assert found.batch.column("d__variant").to_pylist() == [None, '"5 s"']


def test_configured_durations_are_counted_in_the_unit_of_the_first() -> None:
    decoder = ArrowDecoder(request(columns={"d": "string"}))
    coarse, fine = pa.array([2], pa.duration("s")), pa.array([2, 3000], pa.duration("ms"))
    found = decode(decoder, {"d": coarse}, {"d": fine})
    assert found.batch.column("d").to_pylist() == ["2", None, "3"]
    assert found.batch.column("d__variant").to_pylist() == [None, '"2 ms"', None]


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (pa.array([True]), pa.array([1]), "1"),
        (pa.array([1]), pa.array([True]), "true"),
        (pa.array([1.0]), pa.array([False]), "false"),
        (pa.array([True]), pa.array([Decimal(1)], pa.decimal128(3, 0)), '"1"'),
        (pa.array([[True]]), pa.array([[1]]), "[1]"),
        (pa.array([{"a": [1]}]), pa.array([{"a": [True]}]), '{"a": [true]}'),
    ],
)
@pytest.mark.parametrize("is_settled", [False, True])
def test_truths_and_numbers_land_beside_each_other(
    one: pa.Array[Any], other: pa.Array[Any], told: str, *, is_settled: bool
) -> None:
    decoder = ArrowDecoder(request())
    layout = decode(decoder, {"b": one}).layout
    layout = layout.settled() if is_settled else layout
    found = decode(decoder, {"b": other}, layout=layout)
    assert found.batch.column("b").to_pylist() == [None]
    assert found.batch.column("b__variant").to_pylist() == [told]


def test_a_configured_type_may_say_that_numbers_are_truths() -> None:
    decoder = ArrowDecoder(request(columns={"b": "bool"}))
    found = decode(decoder, {"b": pa.array([1, 0, 2])})
    assert found.batch.column("b").to_pylist() == [True, False, None]
    assert found.batch.column("b__variant").to_pylist() == [None, None, "2"]
