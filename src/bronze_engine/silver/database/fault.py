"""What DuckDB raises, as the error that says what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from bronze_engine.errors import BronzeError, ConfigError, QualityError, StoreError
from bronze_engine.silver.database.spill import free_bytes

__all__ = ["duckdb_fault", "unreadable"]

_MEBIBYTE: Final = 1024**2
_MEMORY: Final = "Out of Memory Error"
_DISK: Final = "IO Error"
_FILE: Final = "Invalid Input Error"
_VALUE: Final = "Conversion Error"
_STREAMED: Final = (_MEMORY, _DISK, _FILE, _VALUE)
"""What the text of an error of each class begins with: an error that comes through Arrow's
stream is an OSError with that text, and has lost its class (DuckDB 2.0.1)."""


def duckdb_fault(
    exc: duckdb.Error | OSError, *, memory_bytes: int, spill: Path
) -> BronzeError | None:
    """The error to raise; None where it is a fault of our own SQL."""
    match exc:
        case duckdb.OutOfMemoryException():
            kind = _MEMORY
        case duckdb.IOException() | duckdb.HTTPException():
            kind = _DISK
        case duckdb.InvalidInputException() | duckdb.SerializationException():
            kind = _FILE
        case duckdb.ConversionException():
            kind = _VALUE
        case duckdb.Error() if type(exc) is duckdb.Error:  # a footer that is none has no class
            kind = _FILE
        case duckdb.Error():
            return None
        case _:
            kind = next((kind for kind in _STREAMED if str(exc).startswith(kind)), "")
    told = str(exc).splitlines()[0].removeprefix(f"{kind}: ") if str(exc) else ""
    if kind == _MEMORY:
        free = free_bytes(spill) // _MEBIBYTE
        return ConfigError(
            f"engine.memory_limit: DuckDB ran out of its {memory_bytes // _MEBIBYTE} MiB and "
            f"of what it may spill to {spill.parent} ({free} MiB free there): {told}; raise the "
            "limit, or set engine.spill_dir to a larger disk"
        )
    if kind == _DISK:
        free = free_bytes(spill) // _MEBIBYTE
        return StoreError(
            f"{spill.parent}: DuckDB could not read or write ({free} MiB free there): {told}; "
            "is the disk full, or was a file removed meanwhile? Run again, or set engine.spill_dir "
            "to another disk"
        )
    if kind == _FILE:
        return StoreError(
            f"DuckDB could not read what was landed: {told}; see `bronze verify`, and land a "
            "damaged date again"
        )
    if kind == _VALUE:
        return QualityError(
            f"a value is none that DuckDB can hold: {told} (times in milliseconds may lie past the "
            "year 294246, its last); leave the column out with silver.columns.drop, or land it as "
            "text; nothing was published"
        )
    return None


def unreadable(name: str, exc: pa.ArrowException | OSError, remedy: str, *, key: str) -> StoreError:
    """The error of a file that is no Parquet, or no more. What Arrow says may have several lines,
    of which the first says it."""
    told = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
    return StoreError(
        f"{name} can't be read as Parquet ({told}); nothing was published. {remedy}", key=key
    )
