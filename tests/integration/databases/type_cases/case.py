"""A type that is proved, and what its columns need of a database.

A case is one column of one type. `values` are literals that a server must give back as they
are; `special` those that the column's Arrow type has no room for; `random` makes one more
value, in SQL.
"""

from __future__ import annotations

from typing import Final, Literal, final

import msgspec

__all__ = ["CELLS", "FUNCTIONS", "MOOD", "PAIR", "PERCENT", "How", "TypeCase"]

How = Literal["binary", "text"]
"""Read from its binary form, or asked for as the text that the server prints."""

FUNCTIONS: Final = """
CREATE FUNCTION big() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT ('x' || substr(md5(random()::text), 1, 16))::bit(64)::bigint $$;
CREATE FUNCTION word() RETURNS text LANGUAGE sql VOLATILE AS
    $$ SELECT (ARRAY['', 'é', '漢字😀', E'\\n', E'\\t\\\\', '"', 'NULL', '{', ' ', ',', '''',
        E'\\r'])[1 + floor(random() * 12)::int] || substr(md5(random()::text), 1,
        (random() * 12)::int) $$;
CREATE FUNCTION digits(n int) RETURNS numeric LANGUAGE sql VOLATILE AS
    $$ SELECT (CASE WHEN random() < 0.5 THEN -1 ELSE 1 END) * right(
        replace(abs(big()::numeric)::text || abs(big()::numeric)::text || abs(big()::numeric)::text
            || abs(big()::numeric)::text || abs(big()::numeric)::text, '-', ''),
        1 + (random() * (n - 1))::int)::numeric $$;
"""
"""What `random` may call: a bigint, a short text full of traps, a whole number of up to n
digits."""


@final
class TypeCase(msgspec.Struct, frozen=True, kw_only=True):
    """One type of a column, and what is known of it."""

    declared: str
    """As CREATE TABLE has it."""
    arrow: str
    how: How
    values: tuple[str, ...]
    random: str
    """SQL over g, the number of the row."""
    special: tuple[str, ...] = ()
    group: str
    setup: str = ""
    """What must be there first."""
    needs: str = ""
    """An extension, or "libxml", that not every build of PostgreSQL has."""
    since: int = 0
    """The first version of PostgreSQL that has it."""
    note: str = ""

    @property
    def name(self) -> str:
        return self.declared


MOOD: Final = "CREATE TYPE mood AS ENUM ('sad', 'ok', 'very happy', 'über');"
PERCENT: Final = "CREATE DOMAIN percent AS numeric(5,2); CREATE DOMAIN share AS percent;"
CELLS: Final = "CREATE DOMAIN cells AS integer[];"
PAIR: Final = 'CREATE TYPE pair AS (a int, "B c" text);'
