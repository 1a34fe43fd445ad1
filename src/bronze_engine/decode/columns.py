"""The columns of one group on the exact path: what is known, what is new, what does not fit."""

from __future__ import annotations

from typing import Final, final

import pyarrow as pa

from bronze_engine.decode.column import ColumnState
from bronze_engine.decode.rules import Rules
from bronze_engine.model.layout import (
    EXTRA_COLUMN,
    MAX_NEW_COLUMNS,
    RAW_COLUMN,
    STAMP_COLUMNS,
    VARIANT_SUFFIX,
    Column,
    Layout,
)
from bronze_engine.model.path import is_nested, outer_keys

__all__ = ["Columns"]

_RESERVED: Final = frozenset({*STAMP_COLUMNS, EXTRA_COLUMN, RAW_COLUMN})


@final
class Columns:
    """The layout of one group, growing. Keys get columns in the order of first sight."""

    def __init__(self, layout: Layout, rules: Rules) -> None:
        self._before = layout
        self._rules = rules
        self._columns = layout.columns()
        self._taken = {name.casefold() for name in [*_RESERVED, *layout.schema.names]}
        self._places: dict[str, int] = {}
        self._variants: dict[str, str] = {}
        self._grown = layout.grown
        self._opened: set[str] = set()
        self.states: dict[str, ColumnState | None] = {}
        """By key; None for keys that have no column and go to the extra one."""
        self.extra: str | None = None
        self._has_raw = False
        for place, column in enumerate(self._columns):
            if column.of is not None:
                self._variants[column.of] = column.name
            elif column.role == "raw":
                self._has_raw = True
            elif column.key is None:
                self.extra = column.name
            else:
                self._place(column.key, place)
                self.states[column.key] = ColumnState(
                    column,
                    is_fixed=place < layout.known,
                    learns=not (layout.is_settled or rules.is_frozen),
                    is_configured=rules.type_of(column.key) is not None,
                )

    def admit(self, key: str) -> ColumnState | None:
        """A key seen for the first time: its new column, or None when there may be no more."""
        if not self._may_grow():
            self.states[key] = None
            return None
        typed = self._rules.type_of(key)
        kind, role = typed or (pa.null(), "value")
        name = self._name(self._rules.name(key))
        column = Column(name=name, type=kind, key=key, role=role)
        self._place(key, len(self._columns))
        self._columns.append(column)
        state = ColumnState(column, is_fixed=False, learns=True, is_configured=typed is not None)
        self.states[key] = state
        return state

    def is_opened(self, key: str) -> bool:
        """Whether columns come of the object that is the value of this key, so that null or an
        object without keys is their absence and no value of its own."""
        return key in self._opened

    def decide(self) -> None:
        """Fix the type of every column for this group."""
        for state in self.states.values():
            if state is not None:
                state.decide(is_settled=self._before.is_settled)

    def variant_of(self, column: Column) -> str | None:
        """The column for misfits of `column`; None when there may be no more columns."""
        name = self._variants.get(column.name)
        if name is None and self._may_grow():
            name = self._unique(column.name + VARIANT_SUFFIX)
            self._variants[column.name] = name
            self._columns.append(
                Column(name=name, type=pa.string(), key=None, role="variant", of=column.name)
            )
        return name

    def extra_column(self) -> str:
        """The column for keys without one."""
        if self.extra is None:
            self.extra = EXTRA_COLUMN
            self._columns.append(
                Column(name=EXTRA_COLUMN, type=pa.string(), key=None, role="extra")
            )
        return self.extra

    def add_raw(self) -> None:
        """See to it that there is a column for the records themselves."""
        if not self._has_raw:
            self._has_raw = True
            self._columns.append(Column(name=RAW_COLUMN, type=pa.string(), key=None, role="raw"))

    def layout(self) -> Layout:
        """The layout after this group; the very one given if nothing changed."""
        for key, place in self._places.items():
            state = self.states[key]
            if state is not None:
                self._columns[place] = state.widened() if state.misfits else state.column
        before = self._before
        columns = [
            column
            for place, column in enumerate(self._columns)
            if place < before.known or not self._is_emptied(place, column)
        ]
        schema = pa.schema([column.field() for column in columns])
        if schema.equals(before.schema, check_metadata=True):
            return before
        return Layout(
            version=before.version + 1,
            schema=schema,
            is_settled=before.is_settled,
            grown=self._grown,
            known=before.known,
        )

    def _place(self, key: str, place: int) -> None:
        self._places[key] = place
        if self._rules.flatten is not None and is_nested(key):
            self._opened.update(outer_keys(key))

    def _is_emptied(self, place: int, column: Column) -> bool:
        """Whether it had only null, or within this group {}, where an object has columns now."""
        if column.key not in self._opened or self._before.is_settled:
            return False
        if pa.types.is_null(column.type):
            return True
        is_new = place >= len(self._before.schema)
        return is_new and _is_empty(column) and column.name not in self._variants

    def _may_grow(self) -> bool:
        if not self._before.is_settled:
            return True
        if self._grown >= MAX_NEW_COLUMNS:
            return False
        self._grown += 1
        return True

    def _name(self, key: str) -> str:
        name = key
        number = 2
        while name.casefold() in self._taken or name.casefold().endswith(VARIANT_SUFFIX):
            name = f"{key}_{number}"
            number += 1
        self._taken.add(name.casefold())
        return name

    def _unique(self, wanted: str) -> str:
        name = wanted
        number = 2
        while name.casefold() in self._taken:
            name = f"{wanted}_{number}"
            number += 1
        self._taken.add(name.casefold())
        return name


def _is_empty(column: Column) -> bool:
    return pa.types.is_struct(column.type) and column.type.num_fields == 0
