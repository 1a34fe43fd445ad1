"""Blocks of CSV as columns of texts: parsed by Arrow, with NULL told from the empty text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv

from bronze_engine.config.files.csv import CsvFiles
from bronze_engine.model.arrow import Array
from bronze_engine.sources.files.csv.dialect import Dialect
from bronze_engine.sources.files.csv.records import has_empty_quotes

__all__ = ["Misshapen", "Parser"]

_STRING: Final = pa.string()


class Misshapen(NamedTuple):
    """A record with another number of fields than there are names."""

    place: int
    """Among the records of its block, blank lines not counted, from 0."""
    fields: int
    text: bytes


@final
class Parser:
    """Parses the records of one pipeline's files. Free of state."""

    def __init__(self, form: CsvFiles, dialect: Dialect) -> None:
        self._quote: str | Literal[False] = dialect.quote.decode() or False
        self._dialect = dialect
        self._delimiter = dialect.delimiter.decode()
        self._double_quotes = dialect.double_quotes
        self._escape: str | Literal[False] = dialect.escape.decode() or False
        self._null_values = form.null_values
        self._empty_is_null = "" in form.null_values
        self._words = [value.encode() for value in form.null_values if value]

    def parse(
        self, data: bytes, start: int, keys: Sequence[str]
    ) -> tuple[pa.RecordBatch, list[Misshapen]]:
        """The records from `start` on, and those that have too few or too many fields."""
        if start == len(data):
            return _no_rows(keys), []
        bad: list[Misshapen] = []

        def on_bad(row: pv.InvalidRow) -> Literal["skip"]:
            place = (row.number or 0) - 1
            bad.append(Misshapen(place, row.actual_columns, row.text.encode()))
            return "skip"

        has_words = self._has_words(data, start)
        table = pv.read_csv(
            pa.BufferReader(pa.py_buffer(data).slice(start)),  # type: ignore[arg-type]
            read_options=pv.ReadOptions(
                use_threads=False, block_size=len(data) + 1, column_names=list(keys)
            ),
            parse_options=pv.ParseOptions(
                delimiter=self._delimiter,
                quote_char=self._quote,
                double_quote=self._double_quotes,
                escape_char=self._escape,
                newlines_in_values=True,
                invalid_row_handler=on_bad,
            ),
            convert_options=pv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(keys, _STRING),
                strings_can_be_null=has_words,
                quoted_strings_can_be_null=False,
                null_values=self._null_values,
            ),
        )
        arrays: list[Array] = [
            column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
            for column in table.columns
        ]
        if self._empty_is_null and not has_words:
            arrays = list(map(_with_nulls, arrays))
        return pa.RecordBatch.from_arrays(arrays, names=list(keys)), bad

    def _has_words(self, data: bytes, start: int) -> bool:
        """Whether a value may be NULL, or no NULL, for another reason than that it is empty.

        Arrow looks each value up in its list of NULLs, which doubles what parsing takes
        (measured). A look at the whole block spares that where no such word stands in it.
        """
        if any(data.find(word, start) >= 0 for word in self._words):
            return True
        return self._quote is not False and has_empty_quotes(data, self._dialect, start)


def _with_nulls(texts: Array) -> Array:
    """The texts with NULL in place of the empty ones."""
    count = len(texts)
    if not count:
        return texts
    _, offsets, values = texts.buffers()
    ends = np.frombuffer(offsets, np.int32, count + 1, 4 * texts.offset)
    is_text = ends[1:] != ends[:-1]
    if is_text.all():
        return texts
    bits = pa.py_buffer(np.packbits(is_text, bitorder="little").tobytes())
    return pa.Array.from_buffers(_STRING, count, [bits, pa.py_buffer(ends.data), values])


def _no_rows(keys: Sequence[str]) -> pa.RecordBatch:
    none: list[Array] = [pa.nulls(0, _STRING) for _ in keys]
    return pa.RecordBatch.from_arrays(none, names=list(keys))
