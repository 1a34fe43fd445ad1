"""What the configuration says of columns, made ready once a run: types, contract, nesting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, final

import msgspec
import pyarrow as pa

from bronze_engine.config.schema import SchemaConfig
from bronze_engine.decode.flatten import Flatten
from bronze_engine.model.arrow import DataType
from bronze_engine.model.layout import RAW_COLUMN, Column, Layout, Role
from bronze_engine.model.path import is_nested
from bronze_engine.model.types.named import parse_type

__all__ = ["OnDrift", "Rules", "rules_of", "start_layout"]

OnDrift = Literal["variant", "widen", "quarantine", "fail"]


@final
class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one run. Names are those of columns: of flattened ones, too."""

    types: dict[str, tuple[DataType, Role]]
    on_drift: OnDrift
    is_frozen: bool
    """No new column, and no value that does not fit."""
    nested_as_text: bool
    """Objects and lists that no column holds yet become JSON text."""
    flatten: Flatten | None
    raw: bool = False
    """Each row has its record, as it was sent."""

    def name(self, key: str) -> str:
        """What a column of this key is called in the configuration."""
        return key if self.flatten is None else self.flatten.name(key)

    def type_of(self, key: str) -> tuple[DataType, Role] | None:
        """The configured type of the column of this key, if there is one."""
        return self.types.get(self.name(key))


def rules_of(schema: SchemaConfig, base: Layout | None) -> Rules:
    """The rules of a run that starts from `base`.

    Under `contract = "freeze"` a run without an earlier partition and without configured
    columns is free: it makes the contract. Raises ConfigError (CFG001) for a type that does
    not exist.
    """
    types = {name: parse_type(name, text) for name, text in schema.columns.items()}
    is_frozen = schema.contract == "freeze" and bool(base is not None or types)
    flatten = None
    if schema.flatten is not None:
        flatten = Flatten(
            separator=schema.flatten, depth=schema.flatten_depth, whole=frozenset(types)
        )
    return Rules(
        types=types,
        on_drift="fail" if is_frozen else schema.on_drift,
        is_frozen=is_frozen,
        nested_as_text=schema.nested == "json",
        flatten=flatten,
        raw=schema.raw,
    )


def start_layout(base: Layout | None, rules: Rules) -> Layout:
    """The layout before the first group.

    The configuration is newer than the base: a column takes its configured type; with
    `nested = "json"` structs and lists are text from now on; columns that `flatten` takes
    apart, or no longer makes, are gone. A frozen run has all its configured columns at once.
    """
    columns = [] if base is None else list(_inherited(base, rules))
    known = len(columns)
    if rules.is_frozen:
        columns += _promised(columns, rules)
    if rules.raw and columns and all(column.role != "raw" for column in columns):
        columns.append(Column(name=RAW_COLUMN, type=pa.string(), key=None, role="raw"))
    if base is None and not columns:
        return Layout(version=0, schema=pa.schema([]))
    return Layout(version=0, schema=pa.schema([each.field() for each in columns]), known=known)


def _inherited(base: Layout, rules: Rules) -> Iterator[Column]:
    gone: set[str] = set()
    for column in base.columns():
        key = column.key
        if key is None:
            if column.of not in gone and (column.role != "raw" or rules.raw):
                yield column
        elif _is_gone(column, key, rules):
            gone.add(column.name)
        elif (typed := rules.type_of(key)) is not None:
            yield msgspec.structs.replace(column, type=typed[0], role=typed[1])
        elif rules.nested_as_text and column.role == "value" and pa.types.is_nested(column.type):
            yield msgspec.structs.replace(column, type=pa.string(), role="json")
        else:
            yield column


def _is_gone(column: Column, key: str, rules: Rules) -> bool:
    flatten = rules.flatten
    if is_nested(key):
        return flatten is None or not column.name.startswith(flatten.name(key))
    is_object = column.role == "value" and pa.types.is_struct(column.type)
    return flatten is not None and is_object and flatten.opens((key,))


def _promised(columns: list[Column], rules: Rules) -> Iterator[Column]:
    """Configured columns that the base does not have; a flattened one's path is not known yet."""
    separator = None if rules.flatten is None else rules.flatten.separator
    there = {rules.name(column.key) for column in columns if column.key is not None}
    taken = {column.name.casefold() for column in columns}
    for name, (kind, role) in rules.types.items():
        if name in there or name.casefold() in taken:
            continue
        if separator is None or separator not in name:
            yield Column(name=name, type=kind, key=name, role=role)
