"""The exact path: one group, record by record, when the fast reader can't be trusted with it.

Every record is read with its numbers as text. Records that fit the columns stay as they
are; the others are rewritten so that they do: a misfit moves to the variant column, the
text of a number becomes a string. The lines then go through the same reader as all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Final, NamedTuple, final

import msgspec
import pyarrow as pa

from bronze_engine.decode.column import MISFIT, TEXT, ColumnState
from bronze_engine.decode.columns import Columns
from bronze_engine.decode.reader import Reader
from bronze_engine.decode.record import JSON_TEXT, BadRecord, JsonText, raw_values, read_record
from bronze_engine.decode.rules import Rules
from bronze_engine.decode.shape import Kind
from bronze_engine.decode.texts import leaves_of, masked_line, tidy
from bronze_engine.decode.typed import is_epoch, is_temporal
from bronze_engine.errors import QualityError
from bronze_engine.model.block import Block, Reject
from bronze_engine.model.layout import Layout
from bronze_engine.model.line import Line
from bronze_engine.model.path import key_path

__all__ = ["ExactGroup", "decode_exact", "split_lines"]

_EXCERPT_BYTES: Final = 80
_JSON: Final = (pa.string(), "json")
_LOOSEN: Final = 'type the column in schema.columns, or set schema.on_drift to "variant"'
_THAW: Final = (
    'nothing was committed (contract = "freeze"); type the column in schema.columns, or set '
    'schema.contract to "evolve" for one run'
)


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


class _Record(NamedTuple):
    """One record, read: its values by key, flattened where that is asked for."""

    line: Line
    values: dict[str, Any]
    texts: dict[str, bytes] | None
    """The exact text of each value where it is known already."""


def decode_exact(blocks: Sequence[Block], layout: Layout, rules: Rules) -> ExactGroup:
    """Decode one group exactly, whatever is in it.

    Records that are no JSON objects, or that no column can hold, come back as rejects with
    their exact bytes, in order. The layout grows as its docstring says: keys and, while
    no file is open, fields of structs get columns in the order of first sight; later a
    struct with an unknown field is a misfit as a whole, because all files of a partition
    have one physical type a column. Raises QualityError (QUAL001) for the first misfit
    when `on_drift` is "fail", and for the first new key of a frozen run.
    """
    columns = Columns(layout, rules)
    records: list[_Record] = []
    rejects: list[tuple[int, Reject]] = []
    read = _read_plain
    if rules.flatten is not None or rules.nested_as_text or _has_json(columns, rules):
        read = partial(_read_texts, columns, rules)
    for line in split_lines(blocks):
        try:
            records.append(read(line))
        except BadRecord as exc:
            rejects.append((line.place, line.reject(str(exc))))
    _observe(columns, records, rules)
    rewriter = _Rewriter(columns, rules)
    kept: list[Line] = []
    texts: list[bytes] = []
    for record in records:
        line = record.line
        try:
            texts.append(rewriter.rewrite(record))
        except BadRecord as exc:
            rejects.append((line.place, line.reject(str(exc))))
        else:
            kept.append(line)
    if kept and not columns.layout().schema.names:
        columns.extra_column()  # records without a single key are rows all the same
    if kept and rules.raw:
        columns.add_raw()
    grown = columns.layout()
    if kept:
        data = b"\n".join([*texts, b""])
        batch = Reader(grown, rules).read_patched(data, len(kept), rewriter.keys())
    else:
        batch = pa.RecordBatch.from_pylist([], schema=grown.schema)
    rejects.sort(key=itemgetter(0))
    return ExactGroup(batch=batch, layout=grown, lines=kept, rejects=rejects)


def _read_plain(line: Line) -> _Record:
    return _Record(line, read_record(line.raw), None)


def _has_json(columns: Columns, rules: Rules) -> bool:
    """Whether a column holds JSON text, or will once a record has its key."""
    return _JSON in rules.types.values() or any(
        state is not None and state.column.role == "json" for state in columns.states.values()
    )


def _read_texts(columns: Columns, rules: Rules, line: Line) -> _Record:
    """A record some of whose values are kept as text: what is in those is not judged."""
    flatten = rules.flatten
    try:
        line.raw.decode()
        leaves = leaves_of(line.raw, flatten)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as exc:
        read_record(line.raw)  # knows the reason better
        raise BadRecord(f"not JSON: {exc}") from exc
    cut = [key for key, leaf in leaves.items() if _is_text(columns, rules, key, leaf.text)]
    values = read_record(masked_line(line.raw, leaves, cut))
    if flatten is not None:
        values = flatten.record(values)
    for key in cut:
        values[key] = JSON_TEXT
    return _Record(line, values, {key: leaf.text for key, leaf in leaves.items()})


def _is_text(columns: Columns, rules: Rules, key: str, text: bytes) -> bool:
    if text == b"null":
        return False
    state = columns.states.get(key)
    typed = rules.type_of(key) if state is None else None
    if (state is not None and state.column.role == "json") or typed == _JSON:
        return not (rules.flatten is not None and columns.is_opened(key))
    is_empty = rules.flatten is not None and tidy(text) == b"{}"
    return rules.nested_as_text and text[:1] in (b"{", b"[") and not is_empty


def _observe(columns: Columns, records: list[_Record], rules: Rules) -> None:
    states = columns.states
    for record in records:
        for key, value in record.values.items():
            try:
                state = states[key]
            except KeyError:
                if _is_absence(columns, rules, key, value):
                    continue
                if rules.is_frozen and rules.type_of(key) is None:
                    raise _outside_contract(record, key, rules) from None
                state = columns.admit(key)
            if (
                state is not None
                and state.learns
                and (shape := state.shape) is not None
                # of a text or a boolean there is nothing to learn once the kind is known
                and (type(value) not in (str, bool) or shape.kind is Kind.NULL)
            ):
                if type(value) is JsonText and shape.kind is Kind.NULL and state.was_null:
                    state.become_text()
                else:
                    shape.observe(value)
    columns.decide()
    for key, state in states.items():
        if state is not None and is_temporal(state.column.type) and not is_epoch(state.column.role):
            state.check_texts(record.values.get(key) for record in records)


def _is_absence(columns: Columns, rules: Rules, key: str, value: Any) -> bool:
    """Whether it is null or empty in the place of an object that columns come of."""
    return rules.flatten is not None and (value is None or value == {}) and columns.is_opened(key)


def _outside_contract(record: _Record, key: str, rules: Rules) -> QualityError:
    line = record.line
    name = rules.name(key)
    texts = record.texts or raw_values(line.raw)
    return QualityError(
        f'column {name!r} is new (its value: {_excerpt(texts[key])}), and contract = "freeze" '
        f"takes no new columns, on page {line.page} at record {line.offset}; nothing was "
        'committed; type it in schema.columns, or set schema.contract to "evolve" for one run',
        column=name,
        page=line.page,
        offset=line.offset,
    )


def _excerpt(text: bytes) -> str:
    more = "..." if len(text) > _EXCERPT_BYTES else ""
    return text[:_EXCERPT_BYTES].decode(errors="replace") + more


@final
class _Rewriter:
    """Makes records fit the columns of their group."""

    def __init__(self, columns: Columns, rules: Rules) -> None:
        self._columns = columns
        self._rules = rules
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

    def rewrite(self, record: _Record) -> bytes:
        """The record as text that fits; its own bytes where it does already.

        Raises BadRecord when it has a misfit and misfits are quarantined.
        """
        columns, rules = self._columns, self._rules
        is_flat = rules.flatten is not None
        texts: dict[str, bytes | None] = {}
        moved: dict[str, str] = {}
        left: set[str] = set()
        extras: list[str] = []
        for key, value in record.values.items():
            if is_flat and _is_absence(columns, rules, key, value):
                left.add(key)
                continue
            state = columns.states[key]
            if state is None:
                extras.append(key)
            elif value is not None and type(value) is not self._plain[key]:
                verdict = state.judge(value)
                if verdict == TEXT:
                    texts[key] = None
                elif verdict == MISFIT:
                    variant = self._misfit(record, key, value, state)
                    if variant is None:
                        extras.append(key)
                    else:
                        moved[key] = variant
                elif isinstance(verdict, bytes):
                    texts[key] = verdict
        if not (texts or moved or extras or is_flat):
            return record.line.raw
        raws = record.texts or raw_values(record.line.raw)
        parts: list[bytes] = []
        for key, raw in raws.items():
            if key in moved:
                parts.append(_member(moved[key], _quoted(raw)))
            elif key in texts:
                parts.append(_member(key, texts[key] or _quoted(tidy(raw))))
            elif key not in extras and key not in left:
                parts.append(_member(key, raw))
        if extras:
            text = _object([(self._path(key), raws[key]) for key in extras])
            parts.append(_member(self._derive(self._columns.extra_column()), _quoted(text)))
        return b"{" + b",".join(parts) + b"}"

    def _misfit(self, record: _Record, key: str, value: Any, state: ColumnState) -> str | None:
        column, line, on_drift = state.column, record.line, self._rules.on_drift
        if on_drift in ("fail", "quarantine"):
            raw = (record.texts or raw_values(line.raw))[key]
            what = f"column {column.name!r} ({_type_name(state)}) can't hold {_excerpt(raw)}"
            if on_drift == "quarantine":
                raise BadRecord(what)
            raise QualityError(
                f"{what}, on page {line.page} at record {line.offset}; "
                + (_THAW if self._rules.is_frozen else _LOOSEN),
                column=column.name,
                page=line.page,
                offset=line.offset,
            )
        if on_drift == "widen" and not state.is_configured:
            state.misfits.append(value)
        variant = self._columns.variant_of(column)
        return None if variant is None else self._derive(variant)

    def _path(self, key: str) -> tuple[str, ...]:
        return (key,) if self._rules.flatten is None else key_path(key)

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


def _object(members: list[tuple[tuple[str, ...], bytes]]) -> bytes:
    """One object of values by path, with the objects around them: no two names can collide."""
    inner: dict[str, list[tuple[tuple[str, ...], bytes]]] = {}
    parts: list[bytes] = []
    for path, raw in members:
        if len(path) == 1:
            parts.append(_member(path[0], raw))
        else:
            inner.setdefault(path[0], []).append((path[1:], raw))
    parts += [_member(key, _object(below)) for key, below in inner.items()]
    return b"{" + b",".join(parts) + b"}"
