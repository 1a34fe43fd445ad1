"""The records of one block: told apart, cut, and put beside their parents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, final

import msgspec
import numpy as np
import pyarrow as pa

from bronze_engine.model.arrow import Array, DataType
from bronze_engine.model.block import Block, Reject
from bronze_engine.sources.copy_binary.buffers import fixed_width
from bronze_engine.sources.files.fixed.cells import field_texts
from bronze_engine.sources.files.fixed.charset import Charset, Units, is_text
from bronze_engine.sources.files.fixed.lines import Lines
from bronze_engine.sources.files.fixed.plan import Cut, Kind, Plan

__all__ = ["Cells", "Records", "Rows"]

_CODE_SHOWN: Final = 40
_UNTYPED: Final[Mapping[str, DataType]] = MappingProxyType({})
_STRING: Final = pa.string()


@final
class Cells(msgspec.Struct, frozen=True, kw_only=True):
    """Some records of one kind, cut."""

    columns: list[Array]
    faults: dict[int, str]
    """Why records can't be taken, by their place among these."""


@final
class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """What a block lands."""

    batch: pa.RecordBatch
    lines: Units
    """Of each row the place of its line among the block's."""
    rejects: list[tuple[int, Reject]]
    """Each with the place of the row after it."""


@final
class Records:
    """The records of one block, by kind."""

    def __init__(
        self,
        data: bytes,
        plan: Plan,
        charset: Charset,
        types: Mapping[str, DataType] = _UNTYPED,
        *,
        count: int | None = None,
    ) -> None:
        """`types` are those of columns that rows may have as values, not as texts; `count` is
        that of the lines."""
        self.plan = plan
        self._types = types
        self.lines = Lines(data, charset, plan.form.record_length, count)
        self.kinds = self._kinds() if plan.has_kinds else None

    def of(self, kind: int) -> Units | None:
        """The places of the records of a kind among the lines; None for all of them."""
        return None if self.kinds is None else np.flatnonzero(self.kinds == kind)

    def cells(
        self,
        kind: Kind,
        rows: Units | None,
        cuts: Sequence[Cut],
        types: Mapping[str, DataType] = _UNTYPED,
    ) -> Cells:
        """Some fields of some records."""
        grid = self.lines.grid(rows, kind.length)
        faults = dict(self._faults(kind, rows))
        columns = []
        for cut in cuts:
            texts, invalid = field_texts(
                grid, cut, types.get(cut.name), is_plain=self.lines.is_ascii
            )
            for row in invalid:
                faults.setdefault(row, f'the field "{cut.name}" is no UTF-8; check its place')
            columns.append(texts)
        return Cells(columns=columns, faults=faults)

    def rows(self, block: Block) -> Rows:
        """The rows of the kind that lands, with what they take from records before them.

        `block.batch` holds that for the rows before the first such record in the block, a
        column each; columns that are not there have had no record yet.
        """
        plan = self.plan
        kind = plan.kinds[plan.land]
        at = self.of(plan.land)
        cells = self.cells(kind, at, kind.cuts, self._types)
        places = np.arange(len(self.lines)) if at is None else at
        refused = {int(places[row]): reason for row, reason in cells.faults.items()}
        columns = [*cells.columns]
        for parent, pairs in plan.carries:
            taken, orphans = self._carried(parent, pairs, places, block.batch, refused)
            columns += taken
            name = plan.kinds[parent].name
            for place in places[orphans].tolist():
                refused.setdefault(place, f'there is no usable "{name}" record before it')
        if self.kinds is not None and plan.form.on_unknown == "reject":
            for place in np.flatnonzero(self.kinds < 0).tolist():
                refused.setdefault(place, self._unknown(place))
        keep = ~np.isin(places, list(refused)) if refused else None
        batch = pa.RecordBatch.from_arrays(columns, names=plan.columns)
        if keep is not None:
            kept = np.flatnonzero(keep)
            places = places[kept]
            batch = batch.take(_places(kept))
        rejects = [
            (int(np.searchsorted(places, place)), self.reject(block, place, refused[place]))
            for place in sorted(refused)
        ]
        return Rows(batch=batch, lines=places, rejects=rejects)

    def reject(self, block: Block, place: int, reason: str) -> Reject:
        number = block.offset + int(self.lines.numbers[place])
        return Reject(
            reason=reason,
            page=block.page,
            offset=number,
            raw=self.lines.raw(place),
            line=None if self.plan.form.record_length else number + 1,
        )

    def last_carried(self, parent: int, pairs: Sequence[tuple[str, Cut]]) -> list[Array] | None:
        """What rows after this block take from its last record of a kind; [] where it can't be
        taken, None where there is none."""
        at = self.of(parent)
        if at is None or not len(at):
            return None
        cells = self.cells(self.plan.kinds[parent], at[-1:], [cut for _, cut in pairs])
        return [] if cells.faults else cells.columns

    def _carried(
        self,
        parent: int,
        pairs: Sequence[tuple[str, Cut]],
        places: Units,
        before: pa.RecordBatch | None,
        refused: dict[int, str],
    ) -> tuple[list[Array], Units]:
        """Columns from the records of another kind, and the rows that have none before them."""
        at = self.of(parent)
        at = np.empty(0, np.int64) if at is None else at
        cells = self.cells(self.plan.kinds[parent], at, [cut for _, cut in pairs])
        usable = np.ones(len(at) + 1, bool)
        usable[0] = before is not None and pairs[0][0] in before.schema.names
        for row, reason in cells.faults.items():
            usable[row + 1] = False
            refused.setdefault(int(at[row]), reason)
        index = np.searchsorted(at, places)
        taken = []
        for (column, _), texts in zip(pairs, cells.columns, strict=True):
            first = before.column(column) if before is not None and usable[0] else _NONE
            taken.append(pa.concat_arrays([first, texts]).take(_places(index)))
        return taken, np.flatnonzero(~usable[index])

    def _kinds(self) -> Units:
        """The kind of each line, -1 for one of none; the first in the configuration that fits."""
        found = np.full(len(self.lines), -1, np.int16)
        for number, kind in enumerate(self.plan.kinds):
            if not kind.codes:
                continue
            width = len(kind.codes[0])
            place = self.lines.grid(None, kind.start + width)[:, kind.start :]
            for code in kind.codes:
                wanted = np.array([ord(character) for character in code], np.uint32)
                fits = (place[:, 0] == wanted[0]) & (found < 0)
                for column in range(1, width):
                    fits &= place[:, column] == wanted[column]
                found[fits] = number
        for number, kind in enumerate(self.plan.kinds):
            if not kind.codes:
                found[found < 0] = number
        return found

    def _faults(self, kind: Kind, rows: Units | None) -> Iterator[tuple[int, str]]:
        """What is wrong with the lines themselves."""
        form = self.plan.form
        lengths = self.lines.lengths if rows is None else self.lines.lengths[rows]
        noun = "characters" if form.widths == "characters" else "bytes"
        bad = self.lines.bad
        if len(bad):
            bad = bad if rows is None else np.flatnonzero(np.isin(rows, bad))
            for row in bad.tolist():
                yield row, f"has bytes that are no character in {form.encoding}"
        if self.plan.keeps_lines and not self.lines.is_ascii:
            for row in range(len(lengths)):
                if not is_text(self.lines.raw(row if rows is None else int(rows[row]))):
                    yield row, "is no UTF-8, and schema.raw keeps lines as texts"
        if form.on_short == "reject":
            for row in np.flatnonzero(lengths < kind.length).tolist():
                yield row, f"has {int(lengths[row])} {noun} instead of {kind.length}"
        if form.on_long == "reject" and form.record_length is None:
            for row in np.flatnonzero(lengths > kind.length).tolist():
                place = row if rows is None else int(rows[row])
                if self.lines.has_more(place, kind.length):
                    yield row, f"has {int(lengths[row])} {noun} instead of {kind.length}"

    def _unknown(self, place: int) -> str:
        kind = next(kind for kind in self.plan.kinds if kind.codes)
        width = len(kind.codes[0])
        grid = self.lines.grid(np.array([place]), kind.start + width)
        points = grid[0, kind.start :].tolist()
        code = "".join(map(chr, (point for point in points if point < 0x110000)))
        known = ", ".join(repr(code) for kind in self.plan.kinds for code in kind.codes)
        return f"is of no known kind: it has {code[:_CODE_SHOWN]!r}, and there are {known}"


_NONE: Final = pa.nulls(1, _STRING)


def _places(index: Units) -> Array:
    return fixed_width(pa.int64(), np.ascontiguousarray(index, np.int64), None)
