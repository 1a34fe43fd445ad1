"""The ADBC drivers that have a name here; any other is named by the path of its library."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["DRIVERS", "TAKES_BATCH_ROWS", "is_library_path"]

DRIVERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sqlite": "adbc-driver-sqlite",
        "duckdb": "duckdb",
        "postgresql": "adbc-driver-postgresql",
        "snowflake": "adbc-driver-snowflake",
        "bigquery": "adbc-driver-bigquery",
        "flightsql": "adbc-driver-flightsql",
    }
)
"""The package that brings each."""

TAKES_BATCH_ROWS: Final = frozenset({"sqlite"})
"""Drivers that can be asked for batches of so many rows. DuckDB's knows the option, and refuses."""


def is_library_path(driver: str) -> bool:
    """Whether this is the path of a shared library, and no name."""
    return "/" in driver or "\\" in driver or driver.endswith((".so", ".dylib", ".dll"))
