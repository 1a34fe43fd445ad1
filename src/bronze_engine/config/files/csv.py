"""[….source.csv]: how the lines of CSV and TSV files are written."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bronze_engine.config.units import ByteSize

__all__ = ["CsvFiles"]


class CsvFiles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """RFC 4180 and its kin. What ends a line is taken as it comes: \\n, \\r\\n or \\r."""

    delimiter: str | None = None
    """One character; where unset a comma, of `format = "tsv"` a tab."""
    quote: str = '"'
    """One character, which means a quote where it begins a field; "" for files that quote
    nothing."""
    double_quotes: bool = True
    """Whether two quotes within a quoted field are one."""
    escape: str | None = None
    """One character, before any other that is meant literally, within quotes and without."""
    comment: str | None = None
    """Lines that begin with this are left out."""
    columns: list[str] = []
    """Names of the columns, where the first line holds records and no names."""
    skip_lines: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Lines before the one with the names: titles of reports."""
    skip_footer: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    """Records at the end that are none: totals. Blank lines do not count."""
    null_values: list[str] = msgspec.field(default_factory=lambda: [""])
    """What means NULL where it stands without quotes; "" in quotes is an empty text."""
    trim: bool = False
    """Cut blanks and tabs off both ends of each value, before it is looked at as NULL."""
    encoding: str | None = None
    """What the bytes are; where unset UTF-8. A byte order mark goes before it."""
    types: Literal["text", "infer"] = "text"
    """What a column is that `schema.columns` does not name: a text; or int64, decimal, double,
    bool, date or timestamp where each of the first megabyte's values can be printed again from
    it, as 007 and 1.50 among 1.5 can't."""
    on_ragged: Literal["reject", "pad"] = "reject"
    """What to do with a record of too few fields: reject it, or land NULL in the last columns.
    One of too many is rejected."""
    repeated_header: Literal["reject", "skip"] = "reject"
    """What to do where the line with the names comes again, as in files that were joined."""
    max_record_bytes: ByteSize = ByteSize(16 * 1024**2)
    """A longer record ends the run: a quote that is never closed takes in all that follows."""
