"""What [pipelines.….silver.columns] may get wrong, and what names the columns that it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final, final

from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.partition_by import PartitionField
from bronze_engine.config.rules.schema import type_faults
from bronze_engine.config.silver import Silver, SilverColumns
from bronze_engine.model.layout import VARIANT_SUFFIX
from bronze_engine.model.silver_columns import (
    BRONZE_DATE,
    CURRENT,
    DELETED,
    DELETED_AT,
    DELETED_DATE,
    FROM,
    RESERVED,
    TABLE_COLUMNS,
    TO,
)

__all__ = ["SilverNames", "column_faults"]

_RESERVED: Final = {name.casefold() for name in RESERVED}


def column_faults(columns: SilverColumns, path: KeyPath) -> Iterator[Fault]:
    """Faults of keep, drop, rename and cast."""
    for key in ("keep", "drop"):
        names: tuple[str, ...] = getattr(columns, key)
        folded = [name.casefold() for name in names]
        if "" in names:
            yield Fault((*path, key), "holds an empty name")
        elif len(set(folded)) < len(folded):
            yield Fault((*path, key), "names a column twice; case makes no other column")
    for name in columns.keep:
        if name in columns.drop:
            yield Fault((*path, "drop"), f"names {_shown(name)}, which keep names too")
    if columns.keep and not all(_is_kept(name, columns) for name in columns.drop):
        yield Fault((*path, "drop"), "has no effect beside keep, which names all that there is")
    yield from _renamed(columns, (*path, "rename"))
    for name, kind in columns.cast.items():
        here = (*path, "cast", name)
        yield from type_faults(kind, here)
        yield from _Left(columns).faults(name, here)


def _renamed(columns: SilverColumns, path: KeyPath) -> Iterator[Fault]:
    taken: dict[str, str] = {
        name.casefold(): name for name in columns.keep if name not in columns.rename
    }
    for name, new in columns.rename.items():
        here = (*path, name)
        folded = new.casefold()
        if not name or not new:
            yield Fault(here, "is an empty name")
        elif name == new:
            yield Fault(here, "is its name already; take it away")
        elif name in columns.drop or (columns.keep and name not in columns.keep):
            yield Fault(here, "renames a column that the table does not have")
        elif folded in _RESERVED:
            yield Fault(here, f"{_shown(new)} is a column that Silver itself writes; call it else")
        elif folded in taken:
            yield Fault(
                here,
                f"{_shown(new)} is what {_shown(taken[folded])} is called already; case makes no"
                " other column",
            )
        taken[folded] = name


@final
class SilverNames:
    """What a table's columns may be called, as far as the configuration says so."""

    def __init__(self, silver: Silver) -> None:
        self._silver = silver
        self._left = _Left(silver.columns)

    def faults(self, name: str, path: KeyPath) -> Iterator[Fault]:
        """Of a name that means a column of the records."""
        if name.casefold() in _RESERVED:
            yield Fault(path, f"names {_shown(name)}, which is a column of rows, and of no record")
        else:
            yield from self._left.faults(name, path)

    def faults_of_bronze(self, name: str, whose: str, path: KeyPath) -> Iterator[Fault]:
        """Of a name of Bronze's that stands for one of the table's where that is unset."""
        if self._left.lacks(name):
            yield Fault(
                path,
                f"is unset, and {whose} names {_shown(name)}, which the table does not have; keep"
                " it, or name other columns here",
            )

    def folder_faults(self, entries: Iterable[str], path: KeyPath) -> Iterator[Fault]:
        """Of partition_by, which may name what Silver writes too."""
        has = {BRONZE_DATE}
        if self._silver.history == "full":
            has |= {FROM, TO, CURRENT}
        if self._silver.deletes == "tombstone":
            has |= {DELETED}
            has |= set() if self._silver.history == "full" else {DELETED_AT, DELETED_DATE}
        for entry in entries:
            name = PartitionField.parse(entry).column
            if name in TABLE_COLUMNS and name not in has:
                yield Fault(path, f"names {_shown(name)}, which this table does not have")
            elif name and name not in TABLE_COLUMNS:
                yield from self.faults(name, path)


@final
class _Left:
    """What keep, drop and rename leave."""

    def __init__(self, columns: SilverColumns) -> None:
        self._columns = columns
        self._new = {*columns.rename.values()}

    def lacks(self, bronze_name: str) -> bool:
        """Whether a column of Bronze is not in the table."""
        kept = self._columns.keep
        return bronze_name in self._columns.drop or bool(kept and bronze_name not in kept)

    def faults(self, name: str, path: KeyPath) -> Iterator[Fault]:
        """Of a name that means a column of the table."""
        if not name or name in self._new:
            return
        renamed = self._columns.rename.get(name)
        if renamed is not None:
            yield Fault(path, f"names {_shown(name)}, which is called {_shown(renamed)} here")
        elif name in self._columns.drop:
            yield Fault(path, f"names {_shown(name)}, which silver.columns.drop leaves out")
        elif self._columns.keep and not _is_kept(name, self._columns):
            yield Fault(path, f"names {_shown(name)}, which silver.columns.keep does not name")


def _is_kept(name: str, columns: SilverColumns) -> bool:
    """Whether keep names it, or a column that brings along what did not fit it."""
    return any(name == kept or name == f"{kept}{VARIANT_SUFFIX}" for kept in columns.keep)


def _shown(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
