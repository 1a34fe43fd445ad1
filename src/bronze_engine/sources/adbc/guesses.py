"""Types where a driver guesses them from the first rows: SQLite, whose values have types, not its
columns.

Its driver (1.13) takes a column's type from the first batch. A column that begins without values
is one of integers to it, what comes later and does not fit ends the reading, an integer past 2^53
among doubles is rounded, and a double among bytes is printed to seven digits. So all rows are
asked for the types of their values first, in the same transaction, and a row of our own that has
a value of the right type in each column is read before them, and left out:

    values of a column                 our value    lands as
    integers                           0            int64
    doubles, and integers to 2^53      0.0          double
    doubles, and integers past 2^53    ''           string, of all their digits
    texts, and numbers                 ''           string, of all their digits
    bytes, and texts                   x''          binary
    none                               NULL         as before, or int64
    bytes, and numbers                 QualityError
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, final

import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import Array
from bronze_engine.sources.adbc.columns import Asked
from bronze_engine.sources.adbc.dialect import Dialect
from bronze_engine.sources.adbc.query import Query

__all__ = ["SURVEY_ROWS", "Survey", "without_seed"]

_LARGEST: Final = 2**53
"""Up to here each integer is a double."""

_MARK: Final = '"bronze.seed"'
"""A column behind all others: whether the row is ours."""

_WORD: Final = 100
"""Columns whose letters are joined to one text: SQLite limits how deep an expression is."""

SURVEY_ROWS: Final = 8192
"""Rows of one step of a survey, which no cancellation interrupts: a few milliseconds."""


@final
class Survey:
    """The types of the values that a query gives, a letter for each column and row.

    i an integer, l one past 2^53, r a double, t a text, b bytes, n NULL. An aggregate would tell
    the same in one row, and could not be cancelled meanwhile: SQLite's driver has no way to.
    """

    def __init__(self, asked: Sequence[Asked], dialect: Dialect, origin: str) -> None:
        self._asked = asked
        self._dialect = dialect
        self._origin = origin
        self._found: list[set[str]] = [set() for _ in asked]

    @property
    def sql(self) -> str:
        """What to SELECT of all rows, for `add`."""
        letters = [_letter(self._dialect.quoted(each.name)) for each in self._asked]
        words = [letters[at : at + _WORD] for at in range(0, len(letters), _WORD)]
        return ", ".join(" || ".join(word) for word in words)

    def add(self, batch: pa.RecordBatch) -> None:
        for at, words in enumerate(batch.columns):
            found_words: list[Any] = pc.unique(words).to_pylist()
            for word in found_words:
                for found, letter in zip(self._found[at * _WORD :], word, strict=False):
                    found.add(letter)

    def seeded(self, select: Callable[[str], Query]) -> Query:
        """All rows with ours before them; `select` makes the query of what is selected.

        Raises QualityError for a column whose values no type holds.
        """
        ours: list[str] = []
        theirs: list[str] = []
        for found, column in zip(self._found, self._asked, strict=True):
            seed, name = _seed(found, column, self._origin), self._dialect.quoted(column.name)
            ours.append(f"{seed} AS {name}")
            is_printed = seed == "''" and "r" in found
            theirs.append(f"{_printed(name)} AS {name}" if is_printed else column.sql)
        query = select(", ".join([*theirs, f"FALSE AS {_MARK}"]))
        sql = f"SELECT {', '.join([*ours, f'TRUE AS {_MARK}'])} UNION ALL {query.sql}"
        return Query(sql, query.parameters)


def _letter(column: str) -> str:
    return (
        f"CASE typeof({column}) WHEN 'integer' THEN"
        f" CASE WHEN {column} BETWEEN -{_LARGEST} AND {_LARGEST} THEN 'i' ELSE 'l' END"
        " WHEN 'real' THEN 'r' WHEN 'text' THEN 't' WHEN 'blob' THEN 'b' ELSE 'n' END"
    )


def _seed(found: set[str], column: Asked, origin: str) -> str:
    if "b" in found:
        if found & {"i", "l", "r"}:
            raise QualityError(
                f"column {column.name!r} of {origin} has numbers among bytes, which no type holds;"
                f' cast it in a query: CAST("{column.name}" AS TEXT)'
            )
        return "x''"
    if "t" in found or {"r", "l"} <= found:
        return "''"
    if "r" in found:
        return "0.0"
    return "0" if found & {"i", "l"} else "NULL"


def _printed(column: str) -> str:
    """Doubles by the fewest digits, of 15 or 17, that say the same: the driver prints seven, and a
    cast in older versions of SQLite 15."""
    short, long = (f"printf('%!.{digits}g', {column})" for digits in (15, 17))
    exact = f"CASE WHEN CAST({short} AS REAL) = {column} THEN {short} ELSE {long} END"
    return f"CASE typeof({column}) WHEN 'real' THEN {exact} ELSE {column} END"


def without_seed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch without our row and without the column that tells which that is."""
    place = batch.num_columns - 1
    is_ours: Array = batch.column(place).cast(pa.bool_())
    if is_ours.true_count:
        theirs: Array = pc.invert(is_ours)
        batch = batch.slice(1) if is_ours[0].as_py() else batch.filter(theirs)
    return batch.remove_column(place)
