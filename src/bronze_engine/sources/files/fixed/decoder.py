"""Blocks of fixed-width records as batches: pure, and safe in many threads at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import pyarrow as pa

from bronze_engine.contracts import Decoded, TextCaster
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Layout
from bronze_engine.model.line import Line
from bronze_engine.model.text_rows import TextRows
from bronze_engine.model.types.named import parse_type
from bronze_engine.sources.files.fixed.charset import Charset
from bronze_engine.sources.files.fixed.plan import Plan
from bronze_engine.sources.files.fixed.records import Records, Rows

__all__ = ["FixedDecoder"]


@final
class FixedDecoder:
    """Decodes blocks of whole lines, or whole records; `Block.batch` is what `Framer` says of the
    records before them."""

    def __init__(self, plan: Plan, types: Mapping[str, str], caster: TextCaster) -> None:
        """`types` are what `field_types` gives, the caster's too."""
        self._plan = plan
        parsed = {name: parse_type(name, text) for name, text in types.items()}
        self._types = {name: kind for name, (kind, role) in parsed.items() if role == "value"}
        self._caster = caster
        self._charset = Charset(plan.form.encoding, plan.form.widths)

    @property
    def least_group_bytes(self) -> int:
        return 0

    def decode(self, blocks: Sequence[Block], layout: Layout | None, /) -> Decoded:
        """Decode one group; see `TextCaster.cast`."""
        pieces: list[tuple[Block, Records, Rows]] = []
        rejects: list[tuple[int, Reject]] = []
        count = 0
        for block in blocks:
            records = Records(
                block.data, self._plan, self._charset, self._types, count=block.records
            )
            rows = records.rows(block)
            rejects += [(count + place, reject) for place, reject in rows.rejects]
            count += rows.batch.num_rows
            pieces.append((block, records, rows))
        batch = _one([rows.batch for _, _, rows in pieces])
        return self._caster.cast(
            TextRows(batch=batch, lines=lambda: _lines(pieces), rejects=rejects), layout
        )


def _one(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """One batch; a column that is texts in one of them is texts in all."""
    if len(batches) == 1:
        return batches[0]
    first = batches[0].schema
    if any(batch.schema != first for batch in batches):
        fields = [
            field
            if all(batch.schema.field(place) == field for batch in batches)
            else field.with_type(pa.string())
            for place, field in enumerate(first)
        ]
        batches = [batch.cast(pa.schema(fields)) for batch in batches]
    found = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return found[0] if found else batches[0]


def _lines(pieces: Sequence[tuple[Block, Records, Rows]]) -> list[Line]:
    """Where each row came from."""
    found: list[Line] = []
    for block, records, rows in pieces:
        has_lines = records.plan.form.record_length is None
        for place in rows.lines.tolist():
            number = block.offset + int(records.lines.numbers[place])
            found.append(
                Line(
                    raw=records.lines.raw(place),
                    page=block.page,
                    offset=number,
                    place=len(found),
                    line=number + 1 if has_lines else None,
                )
            )
    return found
