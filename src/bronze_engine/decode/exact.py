"""The exact path: one group, record by record, when the fast reader can't be trusted with it.

Every record is read with its numbers as text. Records that fit the columns stay as they
are; the others are rewritten so that they do: a misfit moves to the variant column, the
text of a number becomes a string. The lines then go through the same reader as all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, final

import msgspec
import pyarrow as pa

from bronze_engine.decode.columns import Columns, ColumnState, Types
from bronze_engine.decode.reader import Reader, is_temporal
from bronze_engine.decode.record import BadRecord, raw_values, read_record
from bronze_engine.decode.shape import Kind
from bronze_engine.errors import QualityError
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Layout

__all__ = ["ExactGroup", "Line", "OnDrift", "decode_exact", "split_lines"]

OnDrift = Literal["variant", "widen", "quarantine", "fail"]

_EXCERPT_BYTES: Final = 80


class Line(NamedTuple):
    """One record with its place."""

    raw: bytes
    page: int
    offset: int
    place: int
    """Within the group, from 0."""

    def reject(self, reason: str) -> Reject:
        return Reject(reason=reason, page=self.page, offset=self.offset, raw=self.raw)


@final
class ExactGroup(msgspec.Struct, frozen=True, kw_only=True):
    batch: pa.RecordBatch
    layout: Layout
    lines: list[Line]
    """Where each row of the batch came from."""
    rejects: list[tuple[int, Reject]]
    """In order, each with its place within the group."""


def split_lines(blocks: Sequence[Block]) -> list[Line]:
    """The records of a group with their places."""
    lines: list[Line] = []
    for block in blocks:
        raws = block.data.split(b"\n")
        if not raws[-1]:
            raws.pop()
        before = len(lines)
        lines += [Line(raw, block.page, block.offset + i, before + i) for i, raw in enumerate(raws)]
    return lines


def decode_exact(
    blocks: Sequence[Block], layout: Layout, types: Types, on_drift: OnDrift
) -> ExactGroup:
    """Decode one group exactly, whatever is in it.

    Records that are no JSON objects, or that no column can hold, come back as rejects with
    their exact bytes, in order. The layout grows as its docstring says: keys and, while
    no file is open, fields of structs get columns in the order of first sight; later a
    struct with an unknown field is a misfit as a whole, because all files of a partition
    have one physical type a column. Raises QualityError (QUAL001) for the first misfit
    when `on_drift` is "fail".
    """
    columns = Columns(layout, types)
    lines: list[Line] = []
    records: list[dict[str, Any]] = []
    rejects: list[tuple[int, Reject]] = []
    for line in split_lines(blocks):
        try:
            records.append(read_record(line.raw))
        except BadRecord as exc:
            rejects.append((line.place, line.reject(str(exc))))
        else:
            lines.append(line)
    _observe(columns, records)
    rewriter = _Rewriter(columns, on_drift)
    kept: list[Line] = []
    texts: list[bytes] = []
    for line, record in zip(lines, records, strict=True):
        try:
            texts.append(rewriter.rewrite(line, record))
        except BadRecord as exc:
            rejects.append((line.place, line.reject(str(exc))))
        else:
            kept.append(line)
    if kept and not columns.layout().schema.names:
        columns.extra_column()  # records without a single key are rows all the same
    grown = columns.layout()
    if kept:
        data = b"\n".join([*texts, b""])
        batch = Reader(grown).read_patched(data, len(kept), rewriter.keys())
    else:
        batch = pa.RecordBatch.from_pylist([], schema=grown.schema)
    rejects.sort(key=itemgetter(0))
    return ExactGroup(batch=batch, layout=grown, lines=kept, rejects=rejects)


def _observe(columns: Columns, records: list[dict[str, Any]]) -> None:
    states = columns.states
    for record in records:
        for key, value in record.items():
            try:
                state = states[key]
            except KeyError:
                state = columns.admit(key)
            if (
                state is not None
                and state.learns
                and (shape := state.shape) is not None
                # of a text or a boolean there is nothing to learn once the kind is known
                and (type(value) not in (str, bool) or shape.kind is Kind.NULL)
            ):
                shape.observe(value)
    columns.decide()
    for key, state in states.items():
        if state is not None and is_temporal(state.column.type):
            state.check_texts(record.get(key) for record in records)


@final
class _Rewriter:
    """Makes records fit the columns of their group."""

    def __init__(self, columns: Columns, on_drift: OnDrift) -> None:
        self._columns = columns
        self._on_drift = on_drift
        self._derived: dict[str, str] = {}
        self._plain = {
            key: None if state is None else state.plain_type()
            for key, state in columns.states.items()
        }
        # No key of the source is this long a run of NULs, so ours can't be mistaken for theirs.
        longest = max((len(key) - len(key.lstrip("\0")) for key in columns.states), default=0)
        self._prefix = "\0" * (longest + 1)

    def keys(self) -> dict[str, str]:
        """The key of each column in the rewritten records."""
        found = {
            state.column.name: key
            for key, state in self._columns.states.items()
            if state is not None
        }
        return found | self._derived

    def rewrite(self, line: Line, record: dict[str, Any]) -> bytes:
        """The record as text that fits; its own bytes where it does already.

        Raises BadRecord when it has a misfit and misfits are quarantined.
        """
        texts: dict[str, bytes | None] = {}
        moved: dict[str, str] = {}
        extras: list[str] = []
        for key, value in record.items():
            state = self._columns.states[key]
            if state is None:
                extras.append(key)
            elif value is not None and type(value) is not self._plain[key]:
                verdict = state.judge(value)
                if verdict == "text":
                    texts[key] = None
                elif verdict == "decimal":
                    texts[key] = state.decimal_text(value).encode()
                elif verdict == "misfit":
                    variant = self._misfit(line, key, value, state)
                    if variant is None:
                        extras.append(key)
                    else:
                        moved[key] = variant
        if not (texts or moved or extras):
            return line.raw
        raws = raw_values(line.raw)
        parts: list[bytes] = []
        for key, raw in raws.items():
            if key in moved:
                parts.append(_member(moved[key], _quoted(raw)))
            elif key in texts:
                parts.append(_member(key, _quoted(texts[key] or raw)))
            elif key not in extras:
                parts.append(_member(key, raw))
        if extras:
            text = b"{" + b",".join([_member(key, raws[key]) for key in extras]) + b"}"
            parts.append(_member(self._derive(self._columns.extra_column()), _quoted(text)))
        return b"{" + b",".join(parts) + b"}"

    def _misfit(self, line: Line, key: str, value: Any, state: ColumnState) -> str | None:
        column = state.column
        if self._on_drift in ("fail", "quarantine"):
            raw = raw_values(line.raw)[key]
            excerpt = raw[:_EXCERPT_BYTES].decode(errors="replace")
            more = "..." if len(raw) > _EXCERPT_BYTES else ""
            what = f"column {column.name!r} ({_type_name(state)}) can't hold {excerpt}{more}"
            if self._on_drift == "quarantine":
                raise BadRecord(what)
            raise QualityError(
                f"{what}, on page {line.page} at record {line.offset}; type the column in "
                'schema.columns, or set schema.on_drift to "variant"',
                column=column.name,
                page=line.page,
                offset=line.offset,
            )
        if self._on_drift == "widen" and not state.is_configured:
            state.misfits.append(value)
        variant = self._columns.variant_of(column)
        return None if variant is None else self._derive(variant)

    def _derive(self, name: str) -> str:
        key = self._prefix + name
        self._derived[name] = key
        return key


def _type_name(state: ColumnState) -> str:
    role = state.column.role
    return str(state.column.type) if role == "value" else role


def _member(key: str, value: bytes) -> bytes:
    return msgspec.json.encode(key) + b":" + value


def _quoted(raw: bytes) -> bytes:
    return msgspec.json.encode(raw.decode())
