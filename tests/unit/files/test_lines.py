"""NDJSON: one object a line, cut anywhere; what is none is rejected with its line."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.schema import SchemaConfig
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.errors import ExtractError
from bronze_engine.model.block import Block, Reject
from bronze_engine.sources.files import lines
from bronze_engine.sources.files.formats.ndjson import NdjsonDecoder
from tests.unit.decode.rows import request

pytestmark = pytest.mark.unit


def blocks_of(
    data: bytes, *, piece: int = 1 << 20, block: int = 1 << 20, most: int = 1 << 20
) -> list[Block]:
    cut = lines.JsonLines("a.ndjson", 3, most, block_bytes=block)
    found: list[Block] = []
    for start in range(0, len(data), piece):
        found += cut.feed(data[start : start + piece])
    return [*found, *cut.finish()]


def read(data: bytes, **options: Any) -> tuple[list[dict[str, Any]], list[Reject]]:
    decoder = NdjsonDecoder(JsonDecoder(request(schema=SchemaConfig())))
    decoded = decoder.decode(blocks_of(data, **options), None)
    return decoded.batch.to_pylist(), list(decoded.rejects)


RECORDS = st.lists(
    st.one_of(
        st.integers().map(lambda value: msgspec.json.encode({"a": str(value)})),
        st.sampled_from(
            [b"", b" ", b"\t", b"[1]", b"{", b"null", b'{"a":"\xff"}', b'{"a":"x\\n"}']
        ),
    ),
    max_size=12,
)


@given(
    rows=RECORDS,
    end=st.sampled_from([b"\n", b"\r\n"]),
    piece=st.integers(1, 30),
    block=st.integers(1, 40),
    is_ended=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_each_line_is_a_record_or_a_reject_with_its_number(
    rows: list[bytes], end: bytes, piece: int, block: int, is_ended: bool
) -> None:
    data = end.join(rows) + (end if is_ended else b"")
    landed, rejects = read(data, piece=piece, block=block)
    good = [row for row in rows if row.startswith(b'{"a":') and b"\xff" not in row]
    assert [row["a"] for row in landed] == [msgspec.json.decode(row)["a"] for row in good]
    assert [(each.line, each.raw) for each in rejects] == [
        (number, row) for number, row in enumerate(rows, 1) if row.strip() and row not in good
    ]
    assert {each.page for each in rejects} <= {3}


def test_byte_order_marks_are_left_out() -> None:
    assert read('{"a":"é"}\n'.encode("utf-8-sig"))[0] == [{"a": "é"}]
    assert read('{"a":"é"}\n'.encode("utf-16"), piece=1)[0] == [{"a": "é"}]


def test_a_line_past_the_limit_ends_the_run() -> None:
    long = b'{"a":"' + b"x" * 100 + b'"}'
    assert len(read(long + b"\n" + long, most=120)[0]) == 2
    for data in (long + b"\n", b'{"a":1}\n' + long + b'\n{"a":2}\n', long):
        for piece in (10, 1000):
            for block in (1, 50, 1000):
                with pytest.raises(ExtractError, match="has more than 50 bytes; is it"):
                    blocks_of(data, piece=piece, block=block, most=50)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_line_of_just_the_limit_lands_whatever_the_pieces(end: bytes, piece: int) -> None:
    row = b'{"a":"' + b"x" * 42 + b'"}'
    data = end.join([b'{"a":1}', row, row, b""])
    for block in (1, 60, 1000):
        landed, _ = read(data, piece=piece, block=block, most=len(row))
        assert len(landed) == 3
        with pytest.raises(ExtractError, match="has more than 49 bytes"):
            blocks_of(data, piece=piece, block=block, most=len(row) - 1)


def test_a_row_that_breaks_a_rule_has_its_line() -> None:
    decoder = NdjsonDecoder(JsonDecoder(request(schema=SchemaConfig())))
    decoded = decoder.decode(blocks_of(b'\n{"a":1}\nbad\n{"a":2}\n'), None)
    assert [each.line for each in decoded.rejects] == [3]
    if decoded.refuse is not None:
        assert [each.line for each in decoded.refuse([1], ["why"])] == [4]
