"""How the records of some files are written: what CSV means here, as bytes."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final, final

import msgspec

from bronze_engine.config.files.csv import CsvFiles

__all__ = ["LINE", "Dialect"]

LINE: Final = re.compile(rb"[^\r\n]*(?:\r\n|\r|\n)")
"""One line with its end, whatever is in it."""


@final
class Dialect(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The characters that mean something. They are the same for Arrow's parser, which reads what
    is cut here: a quote is one where a field begins, an escape takes in what follows anywhere."""

    delimiter: bytes
    quote: bytes = b'"'
    """Empty for none."""
    double_quotes: bool = True
    escape: bytes = b""
    """Empty for none."""
    comment: bytes = b""
    """Empty for none."""

    @classmethod
    def of(cls, form: CsvFiles, delimiter: str) -> Dialect:
        """`delimiter` is that of the format, where the table names none."""
        return cls(
            delimiter=(form.delimiter or delimiter).encode(),
            quote=form.quote.encode(),
            double_quotes=form.double_quotes,
            escape=(form.escape or "").encode(),
            comment=(form.comment or "").encode(),
        )

    @cached_property
    def record(self) -> re.Pattern[bytes]:
        """One record with its line end; no match where it has no end."""
        delimiter, quote, escape = (
            re.escape(each) for each in (self.delimiter, self.quote, self.escape)
        )
        escaped = rb"%b[\s\S]|" % escape if escape else b""
        field = rb"(?:%b[^%b\r\n%b]++)*+" % (escaped, delimiter, escape)
        if quote:
            doubled = quote * 2 + b"|" if self.double_quotes else b""
            inner = rb"%b%b[^%b%b]++" % (escaped, doubled, quote, escape)
            field = rb"(?:%b(?:%b)*+%b|(?!%b))%b" % (quote, inner, quote, quote, field)
        return re.compile(rb"%b(?:%b%b)*+(?:\r\n|\r|\n)" % (field, delimiter, field))
