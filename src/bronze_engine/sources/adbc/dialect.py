"""What differs between databases in the little SQL that is written here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, final

import msgspec

from bronze_engine.model.identifier import parse_parts

__all__ = ["GENERIC", "Dialect", "dialect_of"]


@final
class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One database's ways; the defaults are those of the standard."""

    mark: str = '"'
    """What stands around a quoted name."""
    text: str = "VARCHAR"
    """What a value is cast to, to be printed."""
    numbered: bool = False
    """Whether parameters are $1, $2 in place of question marks."""
    session: tuple[str, ...] = ()
    """What a connection is told first."""
    batch_rows: str | None = None
    """The statement's option for the rows of a batch."""
    guesses_types: bool = False
    """Whether a column's type is what its first rows look like, and no property of the column:
    `guesses` settles it before."""

    is_file: bool = False
    """Whether the database is a file here: a fault while it is read is no lost connection."""

    def quoted(self, name: str) -> str:
        """Exactly that name, as SQL reads it."""
        if self.mark == "`":  # BigQuery: escaped as in its strings
            return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
        return self.mark + name.replace(self.mark, 2 * self.mark) + self.mark

    def table(self, text: str) -> str:
        """A table by its configured name: what is not quoted there is left to the database's own
        rule, which may fold it to lower case, to upper case, or not at all.

        Raises ValueError for what is no name.
        """
        return ".".join(
            self.quoted(part.text) if part.is_quoted else part.text for part in parse_parts(text)
        )

    def printed(self, expression: str) -> str:
        """The expression as the text that the database itself prints."""
        return f"CAST({expression} AS {self.text})"


GENERIC: Final = Dialect()

_DIALECTS: Final[Mapping[str, Dialect]] = {
    "sqlite": Dialect(
        text="TEXT",
        batch_rows="adbc.sqlite.query.batch_rows",
        guesses_types=True,
        is_file=True,
    ),
    "duckdb": Dialect(
        # Without it the offset of TIMETZ is lost, and a UHUGEINT may land as a negative number.
        session=("SET arrow_lossless_conversion = true",),
        is_file=True,
    ),
    "postgresql": Dialect(text="TEXT", numbered=True),
    "bigquery": Dialect(mark="`", text="STRING"),
}


def dialect_of(vendor: str) -> Dialect:
    """By the name that the driver gives its database; the standard's for any other."""
    return _DIALECTS.get(vendor.casefold().replace(" ", ""), GENERIC)
