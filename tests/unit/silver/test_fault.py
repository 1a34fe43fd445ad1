"""What DuckDB raises, by its class; and by its text where it came through Arrow's stream."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from bronze_engine.errors import BronzeError, ConfigError, QualityError, StoreError
from bronze_engine.silver.database.fault import duckdb_fault

pytestmark = pytest.mark.unit

TOLD = (
    (duckdb.OutOfMemoryException, "Out of Memory Error: told", ConfigError),
    (duckdb.IOException, "IO Error: told", StoreError),
    (duckdb.InvalidInputException, "Invalid Input Error: told", StoreError),
    (duckdb.SerializationException, "Serialization Error: told", StoreError),
    (duckdb.ConversionException, "Conversion Error: told", QualityError),
    (duckdb.Error, "told", StoreError),
)
OURS = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
    duckdb.InternalException,
    duckdb.ConstraintException,
    duckdb.PermissionException,
)


def fault(exc: duckdb.Error | OSError) -> BronzeError | None:
    return duckdb_fault(exc, memory_bytes=64 * 1024**2, spill=Path("/spill/bronze-silver-1-r"))


@pytest.mark.parametrize(("kind", "text", "error"), TOLD, ids=[kind.__name__ for kind, *_ in TOLD])
def test_a_fault_of_what_it_was_given_is_told(
    kind: type[duckdb.Error], text: str, error: type[BronzeError]
) -> None:
    found = fault(kind(f"{text}\n\nLINE 1: SELECT secrets"))
    assert type(found) is error
    assert "told" in str(found)
    assert "secrets" not in str(found)


@pytest.mark.parametrize("kind", OURS, ids=[kind.__name__ for kind in OURS])
def test_a_fault_of_our_own_stays_what_it_is(kind: type[duckdb.Error]) -> None:
    assert fault(kind("Binder Error: told")) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("Out of Memory Error: told", ConfigError),
        ("IO Error: told", StoreError),
        ("Invalid Input Error: told", StoreError),
        ("Conversion Error: told", QualityError),
    ],
    ids=["memory", "disk", "file", "value"],
)
def test_what_comes_through_the_stream_is_told_by_its_text(
    text: str, error: type[BronzeError]
) -> None:
    found = fault(OSError(text))
    assert type(found) is error
    assert "told" in str(found)


def test_other_texts_of_the_stream_are_faults_of_our_own() -> None:
    assert fault(OSError("INTERNAL Error: told")) is None
    assert fault(OSError()) is None
