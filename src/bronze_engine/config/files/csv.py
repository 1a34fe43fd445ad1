"""[….source.csv]: how the lines of CSV and TSV files are written."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["CsvFiles"]


class CsvFiles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """RFC 4180 and its kin. Every value is a text; `schema.columns` makes others of them."""

    delimiter: str | None = None
    """One character; where unset a comma, of `format = "tsv"` a tab."""
    quote: str = '"'
    """One character, doubled within a quoted field; "" for files that quote nothing."""
    columns: list[str] = []
    """Names of the columns, where the first line holds records and no names."""
    null_values: list[str] = msgspec.field(default_factory=lambda: [""])
    """What means NULL where it stands without quotes; "" in quotes is an empty text."""
    encoding: str | None = None
    """What the bytes are; where unset UTF-8, or what a byte order mark says."""
    skip_lines: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Lines before the one with the names: titles of reports."""
