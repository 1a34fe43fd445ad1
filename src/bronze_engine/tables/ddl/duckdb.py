"""For DuckDB: a view over exactly the files that the manifests name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from bronze_engine.errors import ConfigError
from bronze_engine.model.arrow import DataType
from bronze_engine.tables.content import DATE_COLUMN
from bronze_engine.tables.ddl.described import Described, check_path, header, typed

__all__ = ["statement"]

_PATTERN: Final = frozenset("*?[")
_MOST_DIGITS: Final = 38
"""Of its decimals: it reads longer ones as doubles."""


def statement(described: Described) -> str:
    schema, name = _name(described.schema), f"{_name(described.schema)}.{_name(described.name)}"
    begin = f"CREATE SCHEMA IF NOT EXISTS {schema};\n"
    view = f"{begin}CREATE OR REPLACE VIEW {name} AS\n"
    place = described.place
    if place.format == "delta":
        check_path(described.location, "#?%", "delta_scan", "a part of a URL")
        about = header(["Once: INSTALL delta; LOAD delta; and a secret for the store."])
        return f"{about}{view}SELECT * FROM delta_scan({_text(described.location)});\n"
    if place.format == "iceberg":
        return _of_catalog(described, view)
    found = typed(described, _type, hidden=())
    columns = [column for column, _ in found.columns if not _is_date(described, column)]
    about = header(
        [
            "Over exactly the files that are committed now: make it again after each run,",
            "or give the pipeline a table_format, which DuckDB follows by itself.",
        ],
        found.left_out,
    )
    return f"{about}{view}{_select(described, columns)};\n"


def _select(described: Described, columns: Sequence[str]) -> str:
    selected = ", ".join(map(_name, columns)) or "NULL"
    if not described.files:
        empty = ", ".join(f"NULL AS {_name(column)}" for column in columns)
        date = f"CAST(NULL AS DATE) AS {_name(DATE_COLUMN)}" if described.place.is_dated else ""
        return f"SELECT {', '.join(filter(None, (empty, date))) or 'NULL'} WHERE false"
    if "://" in described.location:
        check_path(described.location, "?", "DuckDB", "the begin of an URL's parameters")
    elif not _PATTERN.isdisjoint(described.location):
        check_path(described.location, "\\", "DuckDB", "a slash wherever a path has * ? or [")
    paths = [f"    {_path(f'{described.location}/{each.path}')}" for each in described.files]
    listed = ",\n".join(paths)
    options = "union_by_name = true, hive_partitioning = false"
    if not described.place.is_dated:
        return f"SELECT {selected}\nFROM read_parquet([\n{listed}\n], {options})"
    start = len(f"{described.location}/{DATE_COLUMN}=") + 1
    file = "_" * max(map(len, ["filename", *columns])) + "file"  # no column's name
    date = f"CAST(substr({_name(file)}, {start}, 10) AS DATE) AS {_name(DATE_COLUMN)}"
    options += f", filename = {_text(file)}"
    return f"SELECT {selected}, {date}\nFROM read_parquet([\n{listed}\n], {options})"


def _type(kind: DataType) -> str | None:
    """What it reads to the last digit; None else."""
    if pa.types.is_decimal(kind) and kind.precision > _MOST_DIGITS:
        return None
    within = [kind.field(at).type for at in range(kind.num_fields)]
    return str(kind) if all(map(_type, within)) else None


def _is_date(described: Described, column: str) -> bool:
    return described.place.is_dated and column.casefold() == DATE_COLUMN


def _of_catalog(described: Described, view: str) -> str:
    place = described.place
    assert place.catalog is not None  # noqa: S101  # the rules of the configuration ask for it
    catalog = place.catalog
    if catalog.type != "rest":
        raise ConfigError(
            f'DuckDB reaches Iceberg tables by catalogs of type = "rest", and catalogs.'
            f'{catalog.name} is of "{catalog.type}"; read the table with pyiceberg, or take'
            " another dialect"
        )
    attach = f"ATTACH {_text(catalog.warehouse or '')} AS {_name(catalog.name)}"
    about = header(
        [
            "Once: INSTALL iceberg; LOAD iceberg; and a secret of TYPE iceberg for the catalog:",
            f"{attach} (TYPE iceberg, ENDPOINT '<the uri of the catalog>');",
        ]
    )
    parts = ".".join(map(_name, [catalog.name, *place.name.split(".")]))
    return f"{about}{view}SELECT * FROM {parts};\n"


def _path(path: str) -> str:
    """One file: what would be a pattern is written as a choice of that one character."""
    return _text("".join(f"[{each}]" if each in _PATTERN else each for each in path))


def _name(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def _text(text: str) -> str:
    escaped = text.replace("'", "''")
    return f"'{escaped}'"
