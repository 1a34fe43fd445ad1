"""Names of SQL objects, as people write them in the configuration and as SQL must read them.

    orders                   orders            unquoted: folded to lower case
    Sales.Orders             sales.orders
    "Odd Name"."x.y"         as it stands      quoted: a quote inside is doubled

The rules are PostgreSQL's (4.1.1, Identifiers and Key Words). Its `U&"..."` is not read.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, final

import msgspec

__all__ = ["NamePart", "RelationName", "parse_parts", "quote_ident"]

_PART: Final = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([A-Za-z_\u0080-\U0010ffff][\w$]*))\s*')
_UPPER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


class NamePart(NamedTuple):
    """One part of a name, as it is written: the server folds what is not quoted."""

    text: str
    is_quoted: bool


@final
class RelationName(msgspec.Struct, frozen=True):
    """A table or view: the names as the server stores them."""

    schema: str | None
    """None where the session's search_path finds it."""
    name: str

    @classmethod
    def parse(cls, text: str) -> RelationName:
        """Read `table` or `schema.table`. Raises ValueError saying what to write instead."""
        # Only ASCII is folded: what a server does to other letters depends on its encoding.
        parts = [
            part.text if part.is_quoted else part.text.translate(_UPPER)
            for part in parse_parts(text)
        ]
        if len(parts) > 2:
            raise ValueError(
                f"{text!r} has {len(parts)} parts; write schema.table: another database is another"
                " connection"
            )
        return cls(parts[0] if len(parts) == 2 else None, parts[-1])

    @property
    def quoted(self) -> str:
        """As SQL reads it, whatever the names are."""
        name = quote_ident(self.name)
        return name if self.schema is None else f"{quote_ident(self.schema)}.{name}"

    def __str__(self) -> str:
        """For people: the bare names."""
        return self.name if self.schema is None else f"{self.schema}.{self.name}"


def parse_parts(text: str) -> list[NamePart]:
    """Read a name of any number of parts. Raises ValueError saying what to write instead."""
    parts: list[NamePart] = []
    place = 0
    while True:
        match = _PART.match(text, place)
        if match is None or "\0" in text:
            raise ValueError(_advice(text))
        quoted, plain = match.groups()
        parts.append(NamePart(plain, False) if plain else NamePart(quoted.replace('""', '"'), True))
        place = match.end()
        if place == len(text):
            return parts
        if text[place] != ".":
            raise ValueError(_advice(text))
        place += 1


def quote_ident(name: str) -> str:
    """The name as a quoted identifier: exactly that name, whatever it holds but a NUL."""
    return '"' + name.replace('"', '""') + '"'


def _advice(text: str) -> str:
    bare = text.strip().strip('"')
    return (
        f"{text!r} is no name of a table; write schema.table, and a name of other characters than"
        f" letters, digits and _ in double quotes: {quote_ident(bare)}"
    )
