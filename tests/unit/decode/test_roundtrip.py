"""Whatever JSON comes, in whatever groups: what lands says exactly what the source said."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.output import Output
from bronze_engine.config.schema import SchemaConfig
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.decode.record import BadRecord, read_record
from bronze_engine.encode.parquet import ParquetEncoder
from bronze_engine.model.block import Block
from bronze_engine.model.layout import Layout
from tests.unit.decode.rows import (
    block,
    fold,
    loads,
    raws,
    records_of,
    request,
    table,
    without_nulls,
)

pytestmark = pytest.mark.unit

NUMBERS = st.one_of(
    st.integers().map(str),
    st.integers(-(10**40), 10**40).map(str),
    st.integers(-(2**53) - 2, 2**53 + 2).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False, places=20).map(lambda d: f"{d:f}"),
    st.sampled_from(
        [
            "1.0",
            "1e2",
            "-0.0",
            "-0",
            "1e400",
            "1e-400",
            "0.30000000000000004",
            "1E-310",
            "9007199254740993",
            "1e22",
            "5e-324",
            "9223372036854775808",
            "12345678901.123456789e-8",
            "0.1000000000000000055511151231257827",
            "123456789012345678e-20",
        ]
    ),
)
KEYS = st.sampled_from(["a", "b", "A", "c", "", "a.b", "_extra", "a__variant", "é", "\0", "d", "e"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


def objects(values: st.SearchStrategy[str], keys: st.SearchStrategy[str]) -> Any:
    return st.dictionaries(keys, values, max_size=4).map(
        lambda items: "{" + ",".join(f"{json.dumps(k)}: {v}" for k, v in items.items()) + "}"
    )


VALUES = st.recursive(
    st.one_of(
        st.sampled_from(["null", "true", "false", "{}", "[]", "[{}]"]),
        NUMBERS,
        TEXTS.map(json.dumps),
        TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False)),
    ),
    lambda inner: st.one_of(
        objects(inner, st.sampled_from(["x", "y", "z"])),
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
    ),
    max_leaves=6,
)
BROKEN = st.sampled_from(
    [b"[]", b"1", b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":"\\ud800"}', b'{"a":"\xff"}', b'{"a":']
)
LINES = st.one_of(
    objects(VALUES, KEYS).map(str.encode),
    st.sampled_from([b'{"a":1,"b":0.5,"c":"x"}', b'{"a":2,"b":7.25,"c":null}']),
    st.sampled_from([b'{"a":1,"b":0.5,"c":"x"}', b'{"a":2,"b":7.25,"c":null}']),
    BROKEN,
)


@st.composite
def cuts(draw: st.DrawFn) -> list[Block]:
    lines = draw(st.lists(LINES, min_size=1, max_size=14))
    groups: list[Block] = []
    place = 0
    while place < len(lines):
        size = draw(st.integers(1, 5))
        groups.append(block(lines[place : place + size], offset=place))
        place += size
    return groups


def is_good(line: bytes) -> bool:
    try:
        read_record(line)
    except BadRecord:
        return False
    return True


@settings(max_examples=100, deadline=None)
@given(cuts(), st.integers(1, 4), st.sampled_from(["variant", "widen"]))
def test_what_lands_is_what_came(groups: list[Block], settle_after: int, on_drift: Any) -> None:
    decoder = JsonDecoder(request(schema=SchemaConfig(on_drift=on_drift)))
    results, layout = fold(decoder, groups, settle_after=settle_after)
    lines = [line for group in groups for line in group.data.split(b"\n")[:-1]]
    good = [line for line in lines if is_good(line)]
    bad = [line for line in lines if not is_good(line)]

    assert [raw for result in results for raw in raws(result.rejects)] == bad
    whole = table(results, layout)
    encoder = ParquetEncoder("x.parquet", layout.schema, Output())
    parts = [*encoder.write(whole), *encoder.finish()[0]]
    read = pq.read_table(io.BytesIO(b"".join(part.data for part in parts)))
    assert read.schema.equals(layout.schema, check_metadata=True)
    assert records_of(read.to_pylist(), layout) == [without_nulls(loads(line)) for line in good]


@settings(max_examples=100, deadline=None)
@given(cuts(), st.integers(1, 4), st.integers(0, 3))
def test_a_group_decoded_ahead_and_again_lands_the_same(
    groups: list[Block], settle_after: int, behind: int
) -> None:
    decoder = JsonDecoder(request())
    straight, layout = fold(decoder, groups, settle_after=settle_after)

    seen: list[Layout | None] = [None]
    current: Layout | None = None
    for place, group in enumerate(groups):
        older = seen[max(0, len(seen) - 1 - behind)]
        decoded = decoder.decode([group], older)
        if older is None or current is None or older.version != current.version:
            decoded = decoder.decode([group], current)
        assert decoded.batch.equals(straight[place].batch, check_metadata=True)
        assert decoded.rejects == straight[place].rejects
        current = decoded.layout
        if place + 1 == settle_after:
            current = current.settled()
        seen.append(current)
    assert current is not None
    assert current.settled() == layout


@settings(max_examples=100, deadline=None)
@given(cuts())
def test_a_fresh_decoder_gives_what_a_used_one_gives(groups: list[Block]) -> None:
    used = JsonDecoder(request())
    layout: Layout | None = None
    for group in groups:
        decoded = used.decode([group], layout)
        fresh = JsonDecoder(request()).decode([group], layout)
        assert fresh.batch.equals(decoded.batch, check_metadata=True)
        assert fresh.layout == decoded.layout
        layout = decoded.layout
