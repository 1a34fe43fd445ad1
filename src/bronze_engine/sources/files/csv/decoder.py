"""Blocks of CSV to batches: parsed by Arrow, cast by whoever lends a caster. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple, final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.config.files.csv import CsvFiles
from bronze_engine.contracts import Decoded, TextCaster
from bronze_engine.model.arrow import Array, scalar
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Layout
from bronze_engine.model.line import Line
from bronze_engine.model.text_rows import TextRows
from bronze_engine.sources.files.csv.dialect import Dialect
from bronze_engine.sources.files.csv.names import keys_of
from bronze_engine.sources.files.csv.records import count_lines, records
from bronze_engine.sources.files.csv.table import Misshapen, Parser

__all__ = ["CsvDecoder"]

_STRING: Final = pa.string()


class Parsed(NamedTuple):
    """One block's rows. `places` says which record of the block each is; None where each is."""

    block: Block
    start: int
    """Where the records begin in the block's data."""
    batch: pa.RecordBatch
    places: Sequence[int] | None
    rejects: list[tuple[int, Reject]]
    """Each with the place among the block's rows of the one behind it."""


@final
class CsvDecoder:
    """Decodes blocks that `Framing` has cut, of any file of the pipeline."""

    def __init__(self, form: CsvFiles, dialect: Dialect, caster: TextCaster) -> None:
        self._form = form
        self._dialect = dialect
        self._parser = Parser(form, dialect)
        self._caster = caster

    @property
    def least_group_bytes(self) -> int:
        return 0

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:
        """Decode one group. Columns are matched by their names, whatever file they are of: those
        that a file lacks are NULL."""
        parsed = [self._parse(block) for block in blocks if block.data]
        rejects: list[tuple[int, Reject]] = []
        rows = 0
        for each in parsed:
            rejects += [(rows + place, reject) for place, reject in each.rejects]
            rows += each.batch.num_rows
        batch = _joined([each.batch for each in parsed])

        @cache
        def lines() -> Sequence[Line]:
            found: list[Line] = []
            for each in parsed:
                found += self._lines(each, len(found))
            return found

        return self._caster.cast(TextRows(batch=batch, lines=lines, rejects=rejects), layout)

    def _parse(self, block: Block) -> Parsed:
        data = block.data
        start = data.index(b"\n") + 1
        names: list[str] = msgspec.json.decode(memoryview(data)[:start])
        keys = keys_of(names)
        batch, bad = self._parser.parse(data, start, keys)
        if self._form.trim:
            batch = self._trimmed(batch)
        places: Sequence[int] | None = None
        refused: list[tuple[int, str]] = []
        if bad:
            batch, places, bad = self._mended(batch, bad, keys)
            refused = [
                (each.place, f"{each.fields} fields instead of {len(names)}") for each in bad
            ]
        if not self._form.columns and batch.num_rows:
            batch, places, again = _without_header(batch, places, names)
            if self._form.repeated_header == "reject":
                refused = sorted([*refused, *((place, "the names again") for place in again)])
        rejects = self._rejects(block, start, places, refused) if refused else []
        return Parsed(block, start, batch, places, rejects)

    def _mended(
        self, batch: pa.RecordBatch, bad: list[Misshapen], keys: list[str]
    ) -> tuple[pa.RecordBatch, Sequence[int], list[Misshapen]]:
        """The rows with those that are padded, their places, and what is bad for good."""
        total = batch.num_rows + len(bad)
        odd = {each.place for each in bad}
        places = [place for place in range(total) if place not in odd]
        if self._form.on_ragged == "reject":
            return batch, places, bad
        padded = [batch]
        for count in sorted({each.fields for each in bad if each.fields < len(keys)}):
            short = [each for each in bad if each.fields == count]
            data = b"".join(each.text + b"\n" for each in short)
            part, _ = self._parser.parse(data, 0, keys[:count])
            padded.append(self._trimmed(part) if self._form.trim else part)
            places += [each.place for each in short]
        order = sorted(range(len(places)), key=places.__getitem__)
        batch = _joined(padded).take(pa.array(order, pa.int64()))
        return batch, sorted(places), [each for each in bad if each.fields > len(keys)]

    def _trimmed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays: list[Array] = []
        for texts in batch.columns:
            trimmed: Array = pc.ascii_trim(texts, characters=" \t")
            changed = pc.not_equal(trimmed, texts)
            if pc.any(changed, min_count=0).as_py():
                # Whether what is NULL now stood within quotes, nobody can tell any more.
                nulls = pa.array(self._form.null_values, _STRING)
                is_null = pc.and_(changed, pc.is_in(trimmed, value_set=nulls))
                trimmed = pc.if_else(is_null, scalar(None, _STRING), trimmed)
            arrays.append(trimmed)
        return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)

    def _rejects(
        self,
        block: Block,
        start: int,
        places: Sequence[int] | None,
        refused: list[tuple[int, str]],
    ) -> list[tuple[int, Reject]]:
        found = self._records(block, start)
        accepted = range(len(found)) if places is None else places
        rejects: list[tuple[int, Reject]] = []
        before = 0
        for place, reason in refused:
            while before < len(accepted) and accepted[before] < place:
                before += 1
            rejects.append((before, found[place].reject(reason)))
        return rejects

    def _lines(self, parsed: Parsed, before: int) -> list[Line]:
        found = self._records(parsed.block, parsed.start)
        places = range(len(found)) if parsed.places is None else parsed.places
        return [found[place]._replace(place=number) for number, place in enumerate(places, before)]

    def _records(self, block: Block, start: int) -> list[Line]:
        """The records of a block with their bytes and lines: read anew, one by one."""
        data, lines = block.data, block.offset
        found: list[Line] = []
        for begin, end, _ in records(data, self._dialect, start, is_last=True):
            whole = data[begin:end]
            raw = whole.removesuffix(b"\n").removesuffix(b"\r")
            if raw:
                found.append(Line(raw, block.page, lines, len(found), lines + 1))
            lines += count_lines(whole)
        return found


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Rows of different columns one behind the other: those that a file lacks are NULL."""
    if len(batches) == 1:
        return batches[0]
    if not batches:
        return pa.RecordBatch.from_arrays([], names=[])
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    arrays: list[Any] = [
        column.chunk(0) if column.num_chunks else pa.nulls(0, _STRING) for column in table.columns
    ]
    return pa.RecordBatch.from_arrays(arrays, names=table.column_names)


def _without_header(
    batch: pa.RecordBatch, places: Sequence[int] | None, names: list[str]
) -> tuple[pa.RecordBatch, Sequence[int] | None, list[int]]:
    """The rows that are not the names once more, their places, and the places of the others."""
    masks: list[Array] = []
    for name, texts in zip(names, batch.columns, strict=True):
        equal: Array = pc.equal(texts, scalar(name, _STRING))
        same: Array = pc.fill_null(equal, scalar(not name, pa.bool_()))  # bare, it loads pandas
        if not pc.any(same, min_count=0).as_py():
            return batch, places, []
        masks.append(same)
    is_header: Array = masks[0]
    for mask in masks[1:]:
        is_header = pc.and_(is_header, mask)
    found: Array = pc.indices_nonzero(is_header)
    again: list[int] = found.to_pylist()
    if not again:
        return batch, places, []
    rows = range(batch.num_rows) if places is None else places
    apart = set(again)
    kept = [place for place in range(batch.num_rows) if place not in apart]
    return (
        batch.take(pa.array(kept, pa.int64())),
        [rows[place] for place in kept],
        [rows[place] for place in again],
    )
