"""A layout: an Arrow schema with a version, as the decoder's fold has it so far.

The schema says everything: what a column's name and type do not tell (the key in the
source's records, the role of a column of ours) stands in the field's metadata, so a
layout can be rebuilt from the schema that a manifest records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, final

import msgspec
import pyarrow as pa

from bronze_engine.model.arrow import DataType, Field
from bronze_engine.model.path import is_nested

__all__ = [
    "EXTRA_COLUMN",
    "MAX_NEW_COLUMNS",
    "RAW_COLUMN",
    "STAMP_COLUMNS",
    "VARIANT_SUFFIX",
    "Column",
    "Layout",
    "Role",
    "settled_column",
]

VARIANT_SUFFIX = "__variant"
EXTRA_COLUMN = "_extra"
RAW_COLUMN = "_raw"
STAMP_COLUMNS: Final = ("_load_date", "_source_system", "_source_entity", "_extracted_at")
"""Names of the columns that the engine adds to each row: no part of a layout."""
MAX_NEW_COLUMNS = 20
"""New columns that may each close a file in one run; what comes later goes to `_extra`."""

Epoch = Literal["epoch_s", "epoch_ms", "epoch_us", "epoch_ns"]

Role = Literal["value", "text", "number", "json", "variant", "extra", "raw"] | Epoch
"""What a column holds: values of its Arrow type; or, in a string column, strings and the exact
text of numbers and booleans ("text"), the exact text of numbers alone ("number"), any value as
JSON text ("json"), values that did not fit the column `of` ("variant"), or an object of keys
that have no column ("extra"), or the whole record as it was sent ("raw"); or, as timestamps,
numbers of that unit since 1970 (Epoch)."""

_KEY: Final = b"bronze.key"
_ROLE: Final = b"bronze.role"
_OF: Final = b"bronze.of"
_WIDER: Final = b"bronze.wider"
_BIG: Final = b"bronze.big"
_SOURCE_TYPE: Final = b"bronze.source_type"
_UNIT: Final = b"bronze.unit"


@final
class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a layout, as its field and the field's metadata say."""

    name: str
    """As it lands."""
    type: DataType
    key: str | None
    """The key in the source's records, of a flattened column its path as `model.path.flat_key`
    writes it; None for variant, extra and raw columns."""
    role: Role = "value"
    of: str | None = None
    """The column whose misfits a variant column holds."""
    wider: str | None = None
    """The field that would have held every value (Arrow IPC, base64): the next partition's."""
    big: bool = False
    """Holds an integer past 2^53: it can't become a double. Kept until the layout is settled."""
    nullable: bool = True
    """False only where the source itself allows no NULL."""
    source_type: str | None = None
    """What the source calls the type, where it has a word for it: "numeric(18,4)"."""
    unit: str | None = None
    """Of which unit ("s", "ms", "us", "ns") a column counts durations; None of other columns."""

    def is_called(self, name: str) -> bool:
        """Whether the configuration means this column: by its key, or, flattened, by its name."""
        key = self.key
        return key == name or (key is not None and is_nested(key) and self.name == name)

    @classmethod
    def parse(cls, field: Field) -> Column:
        metadata = field.metadata
        if not metadata:
            return cls(name=field.name, type=field.type, key=field.name, nullable=field.nullable)
        role: Role = metadata.get(_ROLE, b"value").decode()
        key = metadata.get(_KEY)
        of = metadata.get(_OF)
        wider = metadata.get(_WIDER)
        source_type = metadata.get(_SOURCE_TYPE)
        unit = metadata.get(_UNIT)
        derived = role in ("variant", "extra", "raw")
        return cls(
            name=field.name,
            type=field.type,
            key=None if derived else field.name if key is None else key.decode(),
            role=role,
            of=None if of is None else of.decode(),
            wider=None if wider is None else wider.decode(),
            big=_BIG in metadata,
            nullable=field.nullable,
            source_type=None if source_type is None else source_type.decode(),
            unit=None if unit is None else unit.decode(),
        )

    def field(self) -> Field:
        metadata: dict[bytes | str, bytes | str] = {}
        if self.key is not None and self.key != self.name:
            metadata[_KEY] = self.key.encode()
        if self.role != "value":
            metadata[_ROLE] = self.role.encode()
        if self.of is not None:
            metadata[_OF] = self.of.encode()
        if self.wider is not None:
            metadata[_WIDER] = self.wider.encode()
        if self.big:
            metadata[_BIG] = b"1"
        if self.source_type is not None:
            metadata[_SOURCE_TYPE] = self.source_type.encode()
        if self.unit is not None:
            metadata[_UNIT] = self.unit.encode()
        return pa.field(self.name, self.type, nullable=self.nullable, metadata=metadata or None)


@final
class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a slice's records, in the order in which they were first seen.

    A field of type `pa.null()` has held only nulls so far. Until the layout is settled it
    may still take any type; `settled()` is called when the first file opens, because all
    files of a partition have one physical type a column: from then on a column that was
    only null is a string.
    """

    version: int
    schema: pa.Schema
    """Columns of the records, without those that the engine adds to each row."""
    is_settled: bool = False
    grown: int = 0
    """New columns since the layout was settled, at most MAX_NEW_COLUMNS."""
    known: int = 0
    """How many columns, from the first, came from an earlier partition: they keep their types
    even before the layout is settled."""

    def columns(self) -> list[Column]:
        return [Column.parse(field) for field in self.schema]

    def settled(self) -> Layout:
        """This layout with its types fixed: nulls, at any depth, have become strings.

        So have structs without fields, which Parquet can't hold: as JSON text, `{}`.
        """
        if self.is_settled:
            return self
        schema = pa.schema([settled_column(column).field() for column in self.columns()])
        return Layout(version=self.version + 1, schema=schema, is_settled=True, known=self.known)


def settled_column(column: Column) -> Column:
    """The column as `Layout.settled` leaves it."""
    role: Role = "json" if _is_empty_struct(column.type) else column.role
    kind = _settled(pa.field("", column.type)).type
    return msgspec.structs.replace(column, type=kind, role=role, big=False)


def _is_empty_struct(kind: DataType) -> bool:
    return pa.types.is_struct(kind) and kind.num_fields == 0


def _settled(field: Field) -> Field:
    kind = field.type
    if pa.types.is_null(kind):
        return field.with_type(pa.string())
    if _is_empty_struct(kind):
        metadata: Mapping[bytes | str, bytes | str] = {_ROLE: b"json"}
        return field.with_type(pa.string()).with_metadata(metadata)
    if pa.types.is_list(kind):
        return field.with_type(pa.list_(_settled(kind.value_field)))
    if pa.types.is_struct(kind):
        return field.with_type(pa.struct([_settled(kind.field(i)) for i in range(kind.num_fields)]))
    return field
