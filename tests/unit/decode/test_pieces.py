"""Few records that need the exact path send few others there, and what lands is the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bronze_engine.config.schema import SchemaConfig
from bronze_engine.decode import json as decoding
from bronze_engine.decode.exact import ExactGroup, decode_exact
from bronze_engine.decode.json import JsonDecoder
from bronze_engine.decode.pieces import pieces_of
from bronze_engine.decode.rules import Rules, rules_of, start_layout
from bronze_engine.errors import QualityError
from bronze_engine.model.block import Block
from bronze_engine.model.layout import Layout
from tests.unit.decode.rows import block, request
from tests.unit.decode.test_paths_agree import RULES, TYPED_LINES

pytestmark = pytest.mark.unit

ODD = st.sampled_from(
    [
        *(b"{", b"[1]", b"null", b"", b'{"a":1}}', b'{"a":"\xff"}', b'{"a":1,"a":2}', b'{"d":1}'),
        *(b'{"a":0.1000000000000000055511}', b'{"a":9007199254740993.5}', b'{"b":1e-400}'),
        *(b'{"a":[{"x":1}]}', b'{"b":"text"}', b'{"c":{"x":null}}'),
    ]
)


@st.composite
def groups(draw: st.DrawFn) -> list[Block]:
    """Blocks of lines that are alike, with odd ones here and there."""
    usual = draw(st.lists(TYPED_LINES, min_size=1, max_size=2))
    lines = draw(st.lists(st.sampled_from(usual), min_size=8, max_size=40))
    for odd in draw(st.lists(ODD | TYPED_LINES, max_size=3)):
        lines.insert(draw(st.integers(0, len(lines))), odd)
    half = draw(st.integers(1, len(lines) - 1))
    return [block(lines[:half], page=1, offset=7), block(lines[half:], page=2)]


@settings(max_examples=400, deadline=None)
@given(groups(), groups(), RULES, st.integers(1, 100), st.booleans(), st.booleans())
def test_a_group_read_in_pieces_is_what_the_exact_path_makes_of_it(
    first: list[Block],
    group: list[Block],
    schema: SchemaConfig,
    piece_bytes: int,
    is_settled: bool,
    is_alike: bool,
) -> None:
    rules = rules_of(schema, None)
    group = first if is_alike else group
    layout = decode_exact(first, start_layout(None, rules), rules).layout
    layout = layout.settled() if is_settled else layout
    decoded = JsonDecoder(request(schema=schema), piece_bytes=piece_bytes).decode(group, layout)
    exact = decode_exact(group, layout, rules)
    assert decoded.batch.equals(exact.batch, check_metadata=True)
    assert decoded.layout.schema.equals(exact.layout.schema, check_metadata=True)
    assert list(decoded.rejects) == [reject for _, reject in exact.rejects]
    rows = range(decoded.batch.num_rows)
    assert decoded.refuse is not None
    assert decoded.refuse(rows, ["no"] * len(rows)) == [line.reject("no") for line in exact.lines]


@given(groups(), st.integers(1, 100))
def test_pieces_hold_the_lines_and_their_places(group: list[Block], piece_bytes: int) -> None:
    pieces = list(pieces_of(group, piece_bytes))
    for of in group:
        own = [piece for piece in pieces if piece.page == of.page]
        assert b"".join(piece.data for piece in own) == of.data
        assert sum(piece.records for piece in own) == of.records
        offset = of.offset
        for piece in own:
            assert piece.offset == offset
            assert piece.data.count(b"\n") == piece.records
            offset += piece.records


GOOD = b'{"id":12,"price":0.25,"name":"a name that is of no interest"}'


@pytest.mark.parametrize(
    "odd",
    [
        b'{"id":12,"price":0.25,"name":',
        b'{"id":12,"price":0.25,"name":"\xff"}',
        b'{"id":12,"price":"cheap","name":"a"}',
    ],
)
def test_one_odd_record_of_ten_thousand_is_read_exactly_with_its_neighbours_alone(
    odd: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = JsonDecoder(request())
    layout = decoder.decode([block([GOOD, odd])], None).layout.settled()
    seen: list[int] = []

    def counted(blocks: Sequence[Block], layout: Layout, rules: Rules) -> ExactGroup:
        seen.append(sum(each.records for each in blocks))
        return decode_exact(blocks, layout, rules)

    monkeypatch.setattr(decoding, "decode_exact", counted)
    lines = [GOOD] * 10_000
    lines[7000] = odd
    decoded = decoder.decode([block(lines)], layout)
    assert decoded.layout is layout
    assert decoded.batch.num_rows + len(decoded.rejects) == 10_000
    assert sum(seen) < 2000


@pytest.mark.parametrize("first", [b"null", b" null", b"[]", b"7", b'"x"', b"true"])
def test_a_group_that_begins_with_no_object_loses_that_record_alone(first: bytes) -> None:
    """pyarrow 26 ended the process with a segmentation fault where that was null."""
    decoder = JsonDecoder(request())
    layout = decoder.decode([block([GOOD])], None).layout.settled()
    decoded = decoder.decode([block([first, *[GOOD] * 9])], layout)
    assert [reject.raw for reject in decoded.rejects] == [first]
    assert decoded.batch.num_rows == 9


def test_a_fault_in_pieces_names_the_record_that_it_names_without() -> None:
    schema = SchemaConfig(on_drift="fail")
    decoder = JsonDecoder(request(schema=schema), piece_bytes=100)
    layout = decoder.decode([block([GOOD])], None).layout.settled()
    lines = [*[GOOD] * 20, b'{"id":"x"}', *[GOOD] * 20, b'{"new":1}']
    group = [block(lines, page=3, offset=5)]
    with pytest.raises(QualityError) as of_pieces:
        decoder.decode(group, layout)
    with pytest.raises(QualityError) as of_all:
        decode_exact(group, layout, rules_of(schema, None))
    assert str(of_pieces.value) == str(of_all.value)
