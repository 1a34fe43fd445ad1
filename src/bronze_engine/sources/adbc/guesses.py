"""What a driver that guesses types from rows would change without a word.

SQLite's columns hold values of any type. Its driver (1.13) takes a column's type from the first
batch, and refuses most of what comes later and does not fit, with two exceptions: an integer past
2^53 in a column of doubles is rounded, and a double in a column of texts or bytes may be printed
to seven digits. So the database is asked whether there are such values before a row is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import DataType
from bronze_engine.sources.adbc.columns import Asked
from bronze_engine.sources.adbc.dialect import Dialect

__all__ = ["check_doubts", "doubts_of"]

_LARGEST: Final = 2**53
"""Up to here each integer is a double."""


def doubts_of(result: pa.Schema, asked: Sequence[Asked], dialect: Dialect) -> str | None:
    """What to SELECT of the rows to be read: 1 for each column that would change; None where no
    column can."""
    if not dialect.guesses_types:
        return None
    doubts = [
        doubt
        for kind, each in zip(result.types, asked, strict=True)
        if (doubt := _doubt(dialect.quoted(each.name), kind)) is not None
    ]
    return (
        ", ".join(f"MAX({doubt}) AS {dialect.quoted(str(at))}" for at, doubt in enumerate(doubts))
        or None
    )


def check_doubts(
    found: pa.RecordBatch, result: pa.Schema, asked: Sequence[Asked], origin: str
) -> None:
    """Raise QualityError where a value would change; `found` is the answer to `doubts_of`."""
    doubted = [
        (kind, each)
        for kind, each in zip(result.types, asked, strict=True)
        if _doubt("", kind) is not None
    ]
    for (kind, each), answer in zip(doubted, found.columns, strict=True):
        if answer[0].as_py():
            what = (
                "integers past 2^53 among doubles"
                if pa.types.is_floating(kind)
                else "doubles among texts or bytes"
            )
            raise QualityError(
                f"column {each.name!r} of {origin} has {what}, which the driver would change; cast"
                f' it in a query: CAST("{each.name}" AS TEXT)'
            )


def _doubt(column: str, kind: DataType) -> str | None:
    if pa.types.is_floating(kind):
        return f"typeof({column}) = 'integer' AND {column} NOT BETWEEN -{_LARGEST} AND {_LARGEST}"
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return f"typeof({column}) = 'real'"
    return None
