"""CSV bodies: read by Arrow with every value a text, and written as lines of JSON.

Types are `schema.columns`' to give: of a column that is typed as a number or a boolean, texts
that are JSON numbers or booleans are written bare, so that they are exactly what the text says;
all others stay texts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Final, Literal, final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from bronze_engine.config.http.delimited import CsvFormat
from bronze_engine.errors import ExtractError
from bronze_engine.model.arrow import Array, scalar
from bronze_engine.sources.http.body.blocks import BLOCK_BYTES
from bronze_engine.sources.http.body.raw import one_line
from bronze_engine.sources.http.body.rows import row_texts
from bronze_engine.sources.http.body.split import BadRecord, Lines

__all__ = ["Table"]

_END: Final = "\x00bronze: end of body\x00"
"""A line behind the last one: where it does not come out as one, a quoted field has no end."""

_NUMBER: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$"
_BOOLEAN: Final = r"^(?i:true|false)$"
_SPECIAL: Final = '["\\\\\x00-\x1f]'
_NUMERIC: Final = ("int", "uint", "double", "float", "decimal", "epoch_")
_STRING: Final = pa.string()


@final
class Table:
    """Reads the CSV bodies of one source. `types` are `schema.columns`; `keep_originals` fills
    `Lines.originals` with the rows as they stand in the body."""

    def __init__(
        self, form: CsvFormat, types: Mapping[str, str], *, keep_originals: bool = False
    ) -> None:
        self._form = form
        self._types = types
        self._keep_originals = keep_originals

    def lines(self, body: bytes | bytearray) -> Iterator[Lines]:
        """The records of a body in UTF-8, as lines of JSON in blocks of about BLOCK_BYTES.

        A row with another number of fields than the first is bad, with its raw text. Raises
        ExtractError for a body without a line of names, and for a quoted field without an end.
        """
        body = self._without_titles(body)
        if self._form.columns and not body.strip():
            return
        names = self._form.columns or self._names(body)
        table, bad = self._read(body, names)
        texts = self._texts(body, table.num_rows + len(bad)) if self._keep_originals else None
        rows = max(1, table.num_rows * BLOCK_BYTES // max(len(body), 1) // 2)
        place = at = 0
        for start, refused in [*_runs(bad), (table.num_rows + len(bad), ())]:
            count = start - place
            for first in range(0, count, rows):
                part = table.slice(at + first, min(rows, count - first))
                last = first + rows >= count
                here = place + first
                yield Lines(
                    self._json(part, names),
                    part.num_rows,
                    here,
                    None if texts is None else tuple(texts[here : here + part.num_rows]),
                    bad=refused if last else (),
                )
            if not count and refused:
                yield Lines(b"", 0, place, bad=refused)
            at += count
            place = start + len(refused)

    def _texts(self, body: bytes | bytearray, count: int) -> list[bytes]:
        """The text of each row, those that are bad included."""
        form = self._form
        texts = row_texts(body, delimiter=form.delimiter, quote=form.quote)
        del texts[: not form.columns]
        if len(texts) != count:
            raise ExtractError(
                f"the body has {len(texts):,} rows by its line ends and {count:,} by its fields, so"
                " no row's text can be told for `_raw`; set schema.raw = false"
            )
        return texts

    def _without_titles(self, body: bytes | bytearray) -> bytes | bytearray:
        start = 0
        for _ in range(self._form.skip_lines):
            start = body.find(b"\n", start) + 1
            if not start:
                raise ExtractError(
                    f"the body has no more than {self._form.skip_lines} lines, which "
                    "csv.skip_lines skips; check what the API answers"
                )
        return body[start:] if start else body

    def _names(self, body: bytes | bytearray) -> list[str]:
        form = self._form
        text = io.TextIOWrapper(io.BytesIO(body), encoding="utf-8", newline="")
        if form.quote:
            reader = csv.reader(text, delimiter=form.delimiter, quotechar=form.quote)
        else:
            reader = csv.reader(text, delimiter=form.delimiter, quoting=csv.QUOTE_NONE)
        try:
            names = next((row for row in reader if row), None)
        except csv.Error as exc:
            raise ExtractError(f"the line with the names of the columns is no CSV: {exc}") from None
        if names is None:
            raise ExtractError(
                "the body is empty, and CSV begins with the names of its columns; check `path`, "
                "or set csv.columns"
            )
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ExtractError(
                f'the column "{twice}" stands twice in the first line; set csv.columns and '
                "csv.skip_lines = 1 to name them otherwise"
            )
        return names

    def _read(
        self, body: bytes | bytearray, names: list[str]
    ) -> tuple[pa.Table, list[tuple[int, BadRecord]]]:
        form = self._form
        bad: list[tuple[int, BadRecord]] = []
        has_names = not form.columns
        seen = 0

        def on_bad(row: pv.InvalidRow) -> Literal["skip"]:
            place = (row.number or 0) - 1 - has_names
            reason = (
                f"row {(row.number or 0) + form.skip_lines:,} has {row.actual_columns} fields "
                f"instead of {row.expected_columns}"
            )
            bad.append((place, BadRecord(reason, row.text.encode())))
            return "skip"

        data = b"".join(
            (body, b"" if body.endswith((b"\n", b"\r")) else b"\n", _END.encode(), b"\n")
        )
        try:
            table = pv.read_csv(
                pa.BufferReader(data),  # type: ignore[arg-type]  # any input file will do
                read_options=pv.ReadOptions(
                    use_threads=False, block_size=len(data) + 1, column_names=form.columns or None
                ),
                parse_options=pv.ParseOptions(
                    delimiter=form.delimiter,
                    quote_char=form.quote or False,
                    newlines_in_values=True,
                    invalid_row_handler=on_bad,
                ),
                convert_options=pv.ConvertOptions(
                    check_utf8=False,
                    column_types=dict.fromkeys(names, _STRING),
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    null_values=form.null_values,
                ),
            )
        except pa.ArrowInvalid as exc:
            raise ExtractError(f"the body is no CSV that can be read: {exc}") from None
        if len(names) == 1:
            seen = table.num_rows - 1
            ends = seen >= 0 and table.column(0)[seen].as_py() == _END
            table = table.slice(0, max(seen, 0))
        else:
            ends = bool(bad) and bad[-1][1].raw == _END.encode()
            del bad[-1:]
        if not ends or table.column_names != names:
            raise ExtractError(
                "a quoted field has no end: the body was cut off, or it quotes otherwise; "
                'check csv.quote, "" for none'
            )
        return table, bad

    def _json(self, part: pa.Table, names: list[str]) -> bytes:
        pieces: list[Array] = []
        literal = "{"
        for name, column in zip(names, part.columns, strict=True):
            array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
            literal += msgspec.json.encode(name).decode() + ":"
            text, is_bare = _value(array, self._types.get(name, "").strip())
            if is_bare:
                pieces += [scalar(literal, _STRING), text]
                literal = ","
            else:
                pieces += [scalar(literal + '"', _STRING), text]
                literal = '",'
        pieces.append(scalar(literal.removesuffix(",") + "}\n", _STRING))
        lines = pc.binary_join_element_wise(*pieces, "")
        buffers = lines.buffers()
        offsets = memoryview(buffers[1]).cast("i")
        start, end = offsets[lines.offset], offsets[lines.offset + len(lines)]
        return bytes(memoryview(buffers[2])[start:end])


def _runs(
    bad: list[tuple[int, BadRecord]],
) -> list[tuple[int, tuple[BadRecord, ...]]]:
    """Bad rows that follow one another, by the place of the first."""
    runs: list[tuple[int, list[BadRecord]]] = []
    for place, record in bad:
        if runs and runs[-1][0] + len(runs[-1][1]) == place:
            runs[-1][1].append(record)
        else:
            runs.append((place, [record]))
    return [(place, tuple(records)) for place, records in runs]


def _value(array: Array, kind: str) -> tuple[Array, bool]:
    """JSON of a column's texts, and whether it has its quotes already, where it needs them."""
    bare: Array | None = None
    if kind.startswith(_NUMERIC):
        bare = pc.match_substring_regex(array, _NUMBER)
    elif kind == "bool":
        bare = pc.match_substring_regex(array, _BOOLEAN)
        array = pc.if_else(bare, pc.utf8_lower(array), array)
    elif kind == "json":
        return pa.array([_json_text(text) for text in array.to_pylist()], _STRING), True
    if bare is not None and pc.all(bare, min_count=0).as_py():
        return pc.fill_null(array, "null"), True
    matches: Array = pc.match_substring_regex(array, _SPECIAL)
    special: Array = pc.fill_null(matches, False)
    is_plain = not pc.any(special, min_count=0).as_py()
    if is_plain and bare is None and not array.null_count:
        return array, False
    quoted = pc.binary_join_element_wise('"', array, '"', "")
    if not is_plain:
        texts = [msgspec.json.encode(text).decode() for text in array.filter(special).to_pylist()]
        quoted = pc.replace_with_mask(quoted, special, pa.array(texts, _STRING))
    if bare is not None:
        quoted = pc.if_else(bare, array, quoted)
    return pc.fill_null(quoted, "null"), True


def _json_text(text: str | None) -> str:
    """A text that is JSON as it is, on one line; any other as a JSON string."""
    if text is None:
        return "null"
    data = text.encode()
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.json.encode(text).decode()
    return (one_line(data) if b"\n" in data or b"\r" in data else data.strip()).decode()
