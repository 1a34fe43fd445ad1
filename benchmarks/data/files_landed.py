"""What a candidate has landed: read back by DuckDB, compared with the rows as they were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb

from benchmarks.data.files import ROWS
from benchmarks.harness.landed import FILES_READ, Landed, look

__all__ = ["expected_facts", "read_back"]

FACTS: Final[Mapping[str, str]] = {
    "id": "sum(id::HUGEINT)",
    "account": "sum(strlen(account::VARCHAR)) || ' ' || sum(TRY_CAST(account AS BIGINT))",
    "name": "sum(strlen(name)) || ' ' || count(DISTINCT name)",
    "quantity": "sum(quantity::BIGINT)",
    "amount": "sum(CAST(amount AS DECIMAL(20, 2)))",
    "price": "sum((price::DOUBLE * 1024)::BIGINT)",
    "active": "count_if(active::BOOLEAN)",
    "day": "sum(date_diff('day', DATE '1970-01-01', day::DATE))",
    "changed_at": "sum(epoch_ms(changed_at::TIMESTAMP))",
    "note": "count(note) || ' ' || sum(strlen(note))",
}
"""Of each column what any changed row would change."""


def expected_facts(rows: int) -> dict[str, str]:
    """The facts of the rows themselves."""
    return _facts(f"({ROWS.format(rows=rows)})", [])


def read_back(rows: int, expected: Mapping[str, str], files: Sequence[Path]) -> Landed:
    """What the files hold. Raises AssertionError where rows are lost, or their ids are others."""
    landed = look(files)
    found = _facts(FILES_READ, [[str(file) for file in files]])
    assert landed.amount == rows, f"landed {landed.amount} rows of {rows}"
    changed = [name for name in FACTS if found[name] != expected[name]]
    assert "id" not in changed, f"id: landed {found['id']} of {expected['id']}"
    return landed.but(changed)


def _facts(place: str, parameters: Sequence[object]) -> dict[str, str]:
    asked = ", ".join(f"({fact})::VARCHAR" for fact in FACTS.values())
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '2GB'")
        [row] = connection.execute(
            f"SELECT {asked} FROM {place}",  # noqa: S608  # names of ours
            parameters,
        ).fetchall()
    return dict(zip(FACTS, map(str, row), strict=True))
