"""Whatever columns and rows are sent: what is decoded is what was sent, value by value."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.model.arrow import Array, DataType
from bronze_engine.sources.copy_binary.batch import CopyBinary, selection_order
from bronze_engine.sources.copy_binary.field import Field, Kind
from tests.unit.copy_binary.sent import TRAILER, numeric, rows

pytestmark = pytest.mark.unit

EPOCH_DAYS = 10_957
EPOCH_US = EPOCH_DAYS * 86_400_000_000


class Sample(NamedTuple):
    """Values of one kind: what there are, how they are sent, what they are in Arrow."""

    kind: Kind
    type: DataType
    values: st.SearchStrategy[Any]
    send: Callable[[Any], bytes]
    lands: Callable[[Any], Any] = lambda value: value


def integers(kind: Kind, code: str, types: list[DataType]) -> list[Sample]:
    size = struct.calcsize(f"!{code}") * 8
    low, high = (0, 2**size) if code.isupper() else (-(2 ** (size - 1)), 2 ** (size - 1))
    special = st.sampled_from([low, high - 1, 0, *(value for value in (-1, 1) if low <= value)])
    values = st.integers(low, high - 1) | special

    def send(value: int) -> bytes:
        return struct.pack(f"!{code}", value)

    return [Sample(kind, type_, values, send) for type_ in types]


def decimal(precision: int, scale: int) -> Sample:
    kind = pa.decimal128 if precision <= 38 else pa.decimal256
    limit = 10**precision - 1

    def exact(value: int) -> Decimal:
        with localcontext() as context:
            context.prec = 100
            return Decimal(value).scaleb(-scale)

    values = st.integers(0, precision).flatmap(
        lambda digits: st.integers(-min(limit, 10**digits), min(limit, 10**digits))
    )
    return Sample(
        "numeric",
        kind(precision, scale),
        values.map(exact),
        lambda value: numeric(value, max(scale, 0)),
    )


def instants(kind: Kind, type_: DataType) -> Sample:
    """From 4713 BC to the last microsecond that Arrow has room for."""
    return Sample(
        kind,
        type_,
        st.integers(-211_813_488_000_000_000, 2**63 - 1 - EPOCH_US),
        lambda micros: struct.pack("!q", micros),
        lambda micros: micros + EPOCH_US,
    )


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
SAMPLES = [
    *integers("int2", "h", [pa.int16(), pa.int32(), pa.int64()]),
    *integers("int4", "i", [pa.int32(), pa.int64()]),
    *integers("int8", "q", [pa.int64()]),
    *integers("oid", "I", [pa.uint32(), pa.int64()]),
    Sample("bool", pa.bool_(), st.booleans(), lambda value: b"\1" if value else b"\0"),
    Sample(
        "float4", pa.float32(), st.integers(0, 2**32 - 1), lambda bits: struct.pack("!I", bits)
    ),
    Sample(
        "float8", pa.float64(), st.integers(0, 2**64 - 1), lambda bits: struct.pack("!Q", bits)
    ),
    *(
        decimal(precision, scale)
        for precision, scale in [
            (1, 0), (4, 0), (4, 4), (15, 2), (18, 4), (18, 18), (19, 0), (20, 3), (38, 0),
            (38, 10), (38, 38), (39, 1), (76, 30), (76, 0), (3, -2), (10, -6), (2, 5), (5, 9),
        ]
    ),
    Sample("text", pa.string(), TEXT | st.sampled_from(["", "a", "\n"]), str.encode),
    Sample("jsonb", pa.string(), TEXT, lambda value: b"\1" + str.encode(value)),
    Sample("bytea", pa.binary(), st.binary(max_size=60), bytes),
    Sample("uuid", pa.string(), st.uuids().map(str), lambda value: uuid.UUID(value).bytes),
    Sample(
        "date", pa.date32(), st.integers(-2_451_545, 2_145_031_948),
        lambda days: struct.pack("!i", days), lambda days: days + EPOCH_DAYS,
    ),
    Sample(
        "time", pa.time64("us"), st.integers(0, 86_399_999_999),
        lambda micros: struct.pack("!q", micros),
    ),
    instants("timestamp", pa.timestamp("us")),
    instants("timestamptz", pa.timestamp("us", "UTC")),
]  # fmt: skip


def landed(array: Array) -> list[Any]:
    """Python values; bits of floats, and counts of what Python's own types are too narrow for."""
    kind = array.type
    if pa.types.is_floating(kind):
        array = array.view(pa.uint32() if kind.bit_width == 32 else pa.uint64())
    elif pa.types.is_temporal(kind):
        array = array.view(pa.int32() if kind.bit_width == 32 else pa.int64())
    values: list[Any] = array.to_pylist()
    return values


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Sample], list[bool], list[list[Any]]]:
    """Columns, whether each may be NULL, and rows: so few kinds of them that lengths repeat."""
    samples = draw(st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=6))
    nullable = [draw(st.booleans()) for _ in samples]
    pools = [
        draw(st.lists(st.none() | s.values if n else s.values, min_size=1, max_size=4))
        for s, n in zip(samples, nullable, strict=True)
    ]
    size = draw(st.integers(0, 12))
    return samples, nullable, [[draw(st.sampled_from(pool)) for pool in pools] for _ in range(size)]


@given(tables(), st.booleans(), st.data())
@settings(max_examples=150, deadline=None)
def test_what_is_decoded_is_what_was_sent(
    table: tuple[list[Sample], list[bool], list[list[Any]]], has_trailer: bool, data: st.DataObject
) -> None:
    samples, nullable, values = table
    fields = [
        Field(name=f"c{at}", kind=sample.kind, type=sample.type, nullable=may_be_null)
        for at, (sample, may_be_null) in enumerate(zip(samples, nullable, strict=True))
    ]
    order = selection_order(fields)
    sent = rows(
        [
            [None if (value := line[at]) is None else samples[at].send(value) for at in order]
            for line in values
        ]
    )
    sent += TRAILER * has_trailer
    cut = data.draw(st.integers(0, len(sent)))

    batch = CopyBinary(fields, order=order).decode([sent[:cut], sent[cut:]]).batch

    batch.validate(full=True)
    assert batch.num_rows == len(values)
    for at, sample in enumerate(samples):
        expected = [None if line[at] is None else sample.lands(line[at]) for line in values]
        assert landed(batch.column(at)) == expected
        assert batch.schema.field(at).type == sample.type


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.kind}-{sample.type}")
@given(st.data())
@settings(max_examples=15, deadline=None)
def test_each_kind_alone_is_exact(sample: Sample, data: st.DataObject) -> None:
    """One column, any values: rows are found by it alone."""
    values = data.draw(st.lists(st.none() | sample.values, max_size=30))
    field = Field(name="only", kind=sample.kind, type=sample.type)

    batch = (
        CopyBinary([field])
        .decode([rows([[None if value is None else sample.send(value)] for value in values])])
        .batch
    )

    batch.validate(full=True)
    expected = [None if value is None else sample.lands(value) for value in values]
    assert landed(batch.column(0)) == expected
