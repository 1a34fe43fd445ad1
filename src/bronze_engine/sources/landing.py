"""What the columns of a database land as, whatever the database: names, and what is frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bronze_engine.config.schema import SchemaConfig
from bronze_engine.errors import QualityError
from bronze_engine.model.layout import (
    EXTRA_COLUMN,
    RAW_COLUMN,
    STAMP_COLUMNS,
    VARIANT_SUFFIX,
    Column,
    Layout,
)

__all__ = ["check_contract", "columns_by_key", "landed_names"]

_RESERVED: Final = frozenset({*STAMP_COLUMNS, EXTRA_COLUMN, RAW_COLUMN})


def columns_by_key(base: Layout | None) -> dict[str, Column]:
    """The columns of the newest earlier partition, by what the source calls them."""
    if base is None:
        return {}
    return {column.key: column for column in base.columns() if column.key is not None}


def landed_names(
    chosen: Sequence[str], rename: Mapping[str, str], before: Mapping[str, Column], advice: str
) -> tuple[dict[str, str], list[str]]:
    """What each column lands as, and a warning for each that may not have the name it should.

    Names differ by more than case: many engines fold it. `advice` says how to give another.
    """
    names = {
        column: before[column].name
        for column in chosen
        if column in before and column not in rename
    }
    taken = {name.casefold() for name in (*_RESERVED, *names.values())}
    warnings: list[str] = []
    for column in chosen:
        if column in names:
            continue
        wanted = rename.get(column, column)
        name, number = wanted, 2
        while name.casefold() in taken or name.casefold().endswith(VARIANT_SUFFIX):
            name, number = f"{wanted}_{number}", number + 1
        if name != wanted:
            warnings.append(
                f"column {column!r} lands as {name!r}: another column has its name up to"
                f" case, or the name is the engine's own; {advice}"
            )
        taken.add(name.casefold())
        names[column] = name
    return names, warnings


def check_contract(
    base: Layout | None, landing: Sequence[Column], schema: SchemaConfig, origin: str
) -> None:
    """Raise QualityError where `contract = "freeze"` holds and columns are not as in the base."""
    if schema.contract != "freeze" or base is None:
        return
    before = {column.name: column for column in base.columns() if column.role != "variant"}
    now = {column.name: column for column in landing if column.role != "variant"}
    found = [f"{name!r} is new" for name, column in now.items() if _is_new(column, before, schema)]
    found += [f"{name!r} is gone" for name in before if name not in now]
    found += [
        f"{name!r} was {before[name].type} and is {column.type} ({column.source_type})"
        for name, column in now.items()
        if name in before and before[name].type != column.type and column.key not in schema.columns
    ]
    if found:
        raise QualityError(
            f'{origin} is not what contract = "freeze" has frozen: {"; ".join(found)}; name the'
            ' columns in source.columns, or write contract = "evolve" for one run'
        )


def _is_new(column: Column, before: Mapping[str, Column], schema: SchemaConfig) -> bool:
    return column.name not in before and column.key not in schema.columns
