"""Groups of JSON lines to record batches: fast where pyarrow can be trusted, exact where not.

The fast path is pyarrow's reader, told the layout and to refuse anything else. Whatever
it refuses, and whatever it is known to take wrongly (numbers a double can't hold, bytes
that are no UTF-8), sends the group, and only that group, through `exact`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Final, NamedTuple, final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.contracts import Decoded, Request
from bronze_engine.decode.cursor import CursorFilter
from bronze_engine.decode.drift import DriftReader
from bronze_engine.decode.exact import decode_exact, split_lines
from bronze_engine.decode.guard import contains, keeps_decimals, keeps_numbers
from bronze_engine.decode.pieces import pieces_of
from bronze_engine.decode.raw import with_raw
from bronze_engine.decode.reader import Reader
from bronze_engine.decode.refusal import refuse_lines
from bronze_engine.decode.rules import rules_of, start_layout
from bronze_engine.decode.shape import BIG
from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import Array, check_utf8
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Layout
from bronze_engine.model.line import Line

__all__ = ["JsonDecoder"]

_NULL_LINE: Final = r"\n[ \t\r]*n"
_HEAD_BYTES: Final = 64 * 1024
"""Of a first group: the exact path takes 35 us a record, ten times what the fast one takes."""
_NO_ROWS: Final = pa.RecordBatch.from_pylist([], schema=pa.schema([]))
_PIECE_BYTES: Final = 64 * 1024
_LEAST_PIECES: Final = 4
_ODD_SHARE: Final = 4
"""Where one piece in four has what the fast path does not take, all have it, or soon will."""


class _Found(NamedTuple):
    batch: pa.RecordBatch
    layout: Layout
    lines: Sequence[Line] | None = None
    """Where each row came from; None where each record is a row."""
    rejects: Sequence[tuple[int, Reject]] = ()
    """In order, each with its place within the group."""


@final
class JsonDecoder:
    """The decoder of sources whose blocks are JSON lines.

    A column that a group leaves without a value before the layout is settled is a null
    array of type null; `RowGroups` gives it its type when the row group is written.
    Raises ConfigError (CFG001) for a type in `request.schema` that does not exist.
    """

    def __init__(
        self,
        request: Request,
        *,
        head_bytes: int = _HEAD_BYTES,
        piece_bytes: int = _PIECE_BYTES,
    ) -> None:
        self._rules = rules_of(request.schema, request.base)
        self._start = start_layout(request.base, self._rules)
        self._head_bytes = head_bytes
        self._piece_bytes = piece_bytes
        self._is_scattered = True
        """Whether what the fast path does not take is in few places: of the last group that had
        any, the next one is likely alike."""
        self._cursor = None if request.incremental is None else CursorFilter(request)
        # One slot, replaced whole: threads may race to fill it, and each uses what it made.
        self._reader = Reader(self._start, self._rules)
        self._drift: DriftReader | None = None

    @property
    def least_group_bytes(self) -> int:
        return 0

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:
        """Decode one group with the layout so far, None for the first.

        The batch has exactly the columns of the layout that comes back. Raises
        QualityError (QUAL001) for drift under `on_drift = "fail"` and for a cursor without
        a value under `on_null_cursor = "fail"`.
        """
        layout = self._start if layout is None else layout
        found = self._read(blocks, layout)
        if found is None:
            exact = decode_exact(blocks, layout, self._rules)
            found = _Found(exact.batch, exact.layout, exact.lines, exact.rejects)
        batch, layout, lines, rejects = found
        if any(block.rejects for block in blocks):
            rejects = sorted([*_came_rejected(blocks), *rejects], key=itemgetter(0))
        if self._rules.raw:
            places = None if lines is None else [line.place for line in lines]
            batch = with_raw(batch, layout, blocks, places)

        def records() -> Sequence[Line]:
            return split_lines(blocks) if lines is None else lines

        count = batch.num_rows
        if self._cursor is None or count == 0:
            return Decoded(
                batch=batch,
                layout=layout,
                rejects=tuple(reject for _, reject in rejects),
                refuse=partial(refuse_lines, blocks, records, lambda: range(count)),
            )
        window = self._cursor.apply(batch, layout, blocks, records)
        rejects = sorted([*rejects, *window.rejects], key=itemgetter(0))
        return Decoded(
            batch=window.batch,
            layout=layout,
            rejects=tuple(reject for _, reject in rejects),
            high=window.high,
            late_rows=window.late_rows,
            later_rows=window.later_rows,
            refuse=partial(refuse_lines, blocks, records, partial(window.places, count)),
        )

    def _read(self, blocks: Sequence[Block], layout: Layout) -> _Found | None:
        """The fast path, for all of the group or almost; None where all must be read exactly."""
        rows = sum(block.records for block in blocks)
        if rows == 0:
            is_empty = not len(layout.schema)
            none = _NO_ROWS if is_empty else pa.RecordBatch.from_pylist([], schema=layout.schema)
            return _Found(none, layout)
        data = blocks[0].data if len(blocks) == 1 else b"".join(block.data for block in blocks)
        if not len(layout.schema):
            learnt = self._learn(data, layout)
            if learnt is None:
                return None
            layout = learnt
        found = self._read_fast(data, rows, layout)
        if found is not None:
            self._is_scattered = True
            return found
        if self._is_scattered and len(data) > _LEAST_PIECES * self._piece_bytes:
            found = self._read_in_pieces(blocks, layout)
            if found is not None:
                return found
        batch = self._read_drifting(layout, data, rows)
        return None if batch is None else _Found(batch, layout)

    def _read_fast(self, data: bytes, rows: int, layout: Layout) -> _Found | None:
        reader = self._reader
        if reader.layout is not layout:
            self._reader = reader = Reader(layout, self._rules)
        batch = _checked(reader, reader, data, rows)
        if batch is None:
            return None
        big = [place for place in reader.open_integers if _has_big(batch.column(place))]
        return _Found(batch, layout) if not big else _mark_big(batch, layout, big)

    def _read_in_pieces(self, blocks: Sequence[Block], layout: Layout) -> _Found | None:
        """A group of which few records are not for the fast path: only what stands around them is
        read another way. None where they are in too many pieces, and where the layout would be
        another: that is for the group as a whole to say."""
        pieces = list(pieces_of(blocks, self._piece_bytes))
        odd_pieces = before = 0
        batches: list[pa.RecordBatch] = []
        rejects: list[tuple[int, Reject]] = []
        for piece in pieces:
            found = self._read_fast(piece.data, piece.records, layout)
            if found is None:
                odd_pieces += 1
                if odd_pieces * _ODD_SHARE > len(pieces):
                    self._is_scattered = False
                    return None
                batch = self._read_drifting(layout, piece.data, piece.records)
                found = None if batch is None else _Found(batch, layout)
            if found is None:
                try:
                    exact = decode_exact([piece], layout, self._rules)
                except QualityError:  # which record it is told of depends on all of them
                    return None
                found = _Found(exact.batch, exact.layout)
                rejects += [(before + place, reject) for place, reject in exact.rejects]
            if found.layout is not layout:
                return None
            batches.append(found.batch)
            before += piece.records
        refused = {place for place, _ in rejects}
        lines = [line for line in split_lines(blocks) if line.place not in refused]
        whole = pa.Table.from_batches(batches).combine_chunks().to_batches()
        return _Found(whole[0] if whole else batches[0], layout, lines, rejects)

    def _learn(self, data: bytes, layout: Layout) -> Layout | None:
        """The columns of the first records, of which the fast path reads the others too or gives
        the group back. None where there are no others, or no columns."""
        end = data.rfind(b"\n", 0, self._head_bytes) + 1
        if not 0 < end < len(data):
            return None
        head = Block(data=data[:end], records=data.count(b"\n", 0, end), page=1)
        try:
            learnt = decode_exact([head], layout, self._rules).layout
        except QualityError:  # raised anew by whoever reads the whole group
            return None
        return learnt if len(learnt.schema) else None

    def _read_drifting(self, layout: Layout, data: bytes, rows: int) -> pa.RecordBatch | None:
        drift = self._drift
        if drift is None or drift.layout is not layout:
            self._drift = drift = DriftReader(layout, self._rules)
        return _checked(drift, drift.reader, data, rows) if drift.is_of_use else None


def _checked(
    way: Reader | DriftReader, reader: Reader, data: bytes, rows: int
) -> pa.RecordBatch | None:
    """What one way of reading gives, where it changes nothing; None where it may."""
    if any(pa.types.is_decimal(each.type) for each in reader.columns) and not keeps_decimals(data):
        return None
    try:
        check_utf8(data)
        batch, data = way.read(data, rows)
    except pa.ArrowInvalid:
        return None
    if _has_null_record(data, batch):
        return None
    doubles = [batch.column(reader.columns[place].name) for place in reader.doubles]
    return batch if not doubles or keeps_numbers(data, doubles) else None


def _came_rejected(blocks: Sequence[Block]) -> Iterator[tuple[int, Reject]]:
    """What the source could make no lines of, each with the place of the line after it."""
    place = 0
    for block in blocks:
        place += block.records
        for reject in block.rejects:
            yield place, reject


def _has_null_record(data: bytes, batch: pa.RecordBatch) -> bool:
    """Whether a record is `null`: pyarrow makes a row without values of it. The first is none."""
    if any(column.null_count == 0 for column in batch.columns):
        return False
    return contains(data, _NULL_LINE)


def _mark_big(batch: pa.RecordBatch, layout: Layout, places: list[int]) -> _Found:
    columns = layout.columns()
    for place in places:
        columns[place] = msgspec.structs.replace(columns[place], big=True)
    grown: Layout = msgspec.structs.replace(
        layout,
        version=layout.version + 1,
        schema=pa.schema([column.field() for column in columns]),
    )
    return _Found(pa.RecordBatch.from_arrays(batch.columns, schema=grown.schema), grown)


def _has_big(array: Array) -> bool:
    """Whether an integer past 2^53 is in the column, at any depth."""
    kind = array.type
    if pa.types.is_list(kind):
        return _has_big(array.flatten())
    if pa.types.is_struct(kind):
        return any(map(_has_big, array.flatten()))
    if not pa.types.is_int64(kind):
        return False
    ends = pc.min_max(array)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    return low is not None and (low < -BIG or high > BIG)
