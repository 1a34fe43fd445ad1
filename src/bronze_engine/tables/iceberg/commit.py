"""One look at an Iceberg table, and one commit over what was seen. Blocking: for workers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final

import msgspec
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.io.pyarrow import (
    MetricModeTypes,
    MetricsMode,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.name_mapping import create_mapping_from_schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record

from bronze_engine.config.stores.uri import uri_of
from bronze_engine.contracts import TablePlace
from bronze_engine.errors import StoreError
from bronze_engine.tables.content import DATE_COLUMN, Shown
from bronze_engine.tables.footer import has_bounds, parse_footer
from bronze_engine.tables.iceberg.catalog import make_namespaces, open_catalog
from bronze_engine.tables.iceberg.columns import check, evolve, schema_of

__all__ = ["Change", "Seen", "apply", "check_columns", "look"]

_FIRST_ID: Final = 1000
"""Of partition fields, as the specification has it."""
_EPOCH: Final = date(1970, 1, 1)
_OWNER: Final = "bronze-engine.files"
"""A property of the table: which folder it stands over."""
_MAPPING: Final = "schema.name-mapping.default"
_PROPERTIES: Final = {
    # Who is beaten must look at the manifests anew before the next try.
    "commit.retry.num-retries": "0",
    "write.metadata.delete-after-commit.enabled": "true",
}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A table as it was found."""

    exists: bool = False
    snapshot: int | None = None
    live: dict[str, date | None] = {}
    """The run dates of its data files, by their URLs."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit does to it."""

    seen: Seen
    schemas: tuple[pa.Schema, ...]
    new: tuple[tuple[Shown, bytes], ...]
    """Each with its footer."""
    gone: frozenset[str]
    """By URL."""
    generations: Mapping[str, int]
    """By partition: for who asks what a snapshot shows."""


class Beaten(Exception):
    """The table is no longer as it was seen."""


def look(place: TablePlace) -> Seen:
    """Which files the table shows. Raises StoreError for a table of somebody else's."""
    with _catalog(place) as catalog:
        table = _load(catalog, place)
        if table is None:
            return Seen()
        current = table.current_snapshot()
        return Seen(
            exists=True,
            snapshot=None if current is None else current.snapshot_id,
            live={file.file_path: _date(file) for file in _live(table)},
        )


def check_columns(place: TablePlace, columns: pa.Schema) -> None:
    """Raise QualityError (QUAL001) where the table can't have these columns."""
    new = schema_of(columns, is_dated=place.is_dated)
    with _catalog(place) as catalog:
        table = _load(catalog, place)
        if table is not None:
            check(table.schema(), new)


def apply(place: TablePlace, change: Change) -> None:
    """Commit a change over what was seen. Raises Beaten and pyiceberg's own errors."""
    with _catalog(place) as catalog:
        table = _load(catalog, place)
        current = None if table is None else table.current_snapshot()
        snapshot = None if current is None else current.snapshot_id
        if (table is not None, snapshot) != (change.seen.exists, change.seen.snapshot):
            raise Beaten
        new = [schema_of(each, is_dated=place.is_dated) for each in change.schemas]
        if table is None:
            table = _create(catalog, place, new[0])
        _commit(table, place, change, new)


def _commit(table: Table, place: TablePlace, change: Change, new: Sequence[Schema]) -> None:
    old = [file for file in _live(table) if file.file_path in change.gone]
    with table.transaction() as transaction:
        if _MAPPING not in table.properties:
            # Files have no ids: readers find columns by their names.
            mapping = create_mapping_from_schema(table.schema()).model_dump_json()
            transaction.set_properties({_MAPPING: mapping})
        for schema in new:
            with transaction.update_schema() as update:
                evolve(update, transaction.table_metadata.schema(), schema)
        if not (change.new or old):
            return
        said = {f"bronze-engine.{key}": str(value) for key, value in change.generations.items()}
        files = [_data_file(transaction.table_metadata, place, *each) for each in change.new]
        update_snapshot = transaction.update_snapshot(snapshot_properties=said)
        if not old:
            with update_snapshot.fast_append() as append:
                for file in files:
                    append.append_data_file(file)
            return
        with update_snapshot.overwrite() as overwrite:
            for file in old:
                overwrite.delete_data_file(file)
            for file in files:
                overwrite.append_data_file(file)


def _catalog(place: TablePlace) -> Any:
    assert place.catalog is not None  # noqa: S101  # the rules of the configuration ask for it
    return open_catalog(place.catalog, place.target)


def _identifier(place: TablePlace) -> tuple[str, ...]:
    return tuple(place.name.split("."))


def _load(catalog: Catalog, place: TablePlace) -> Table | None:
    try:
        table = catalog.load_table(_identifier(place))
    except NoSuchTableError:
        return None
    owner = table.properties.get(_OWNER)
    if owner != _folder(place):
        whose = "is no table of bronze-engine's" if owner is None else f"stands over {owner}"
        raise StoreError(
            f"{place.name} {whose}; drop it, or name another in output.table", table=place.name
        )
    return table


def _create(catalog: Catalog, place: TablePlace, schema: Schema) -> Table:
    identifier = _identifier(place)
    make_namespaces(catalog, identifier[:-1])
    spec = UNPARTITIONED_PARTITION_SPEC
    if place.is_dated:
        source = schema.find_field(DATE_COLUMN).field_id
        spec = PartitionSpec(
            PartitionField(
                source_id=source,
                field_id=_FIRST_ID,
                transform=IdentityTransform(),
                name=DATE_COLUMN,
            )
        )
    return catalog.create_table(
        identifier,
        schema=schema,
        partition_spec=spec,
        properties={**_PROPERTIES, _OWNER: _folder(place), "format-version": "2"},
    )


def _live(table: Table) -> Collection[DataFile]:
    return [task.file for task in table.scan().plan_files()]


def _date(file: DataFile) -> date | None:
    values = list(file.partition._data)  # noqa: SLF001  # a Record has no length of its own
    return date.fromordinal(_EPOCH.toordinal() + values[0]) if values else None


def _folder(place: TablePlace) -> str:
    return uri_of(place.target, place.root)


def _without_statistics(parquet: Any) -> set[str]:
    """Paths of columns that a row group says nothing of, or nothing that can be told."""
    groups = [parquet.row_group(at) for at in range(parquet.num_row_groups)]
    columns = [group.column(at) for group in groups for at in range(group.num_columns)]
    return {column.path_in_schema for column in columns if not _is_told(column)}


def _is_told(column: Any) -> bool:
    if not column.is_stats_set:
        return False
    statistics = column.statistics
    return not statistics.has_min_max or has_bounds(statistics)


def _data_file(metadata: Any, place: TablePlace, shown: Shown, footer: bytes) -> DataFile:
    schema, parquet = metadata.schema(), parse_footer(footer)
    ids = parquet_path_to_id_mapping(schema)
    plan = compute_statistics_plan(schema, metadata.properties)
    for name in _without_statistics(parquet):  # pyiceberg warns of each
        plan[ids[name]] = replace(plan[ids[name]], mode=MetricsMode(MetricModeTypes.NONE))
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=parquet, stats_columns=plan, parquet_column_mapping=ids
    )
    run_date = shown.run_date
    days = [] if run_date is None else [run_date.toordinal() - _EPOCH.toordinal()]
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=f"{_folder(place)}/{shown.path}",
        file_format=FileFormat.PARQUET,
        partition=Record(*days),
        file_size_in_bytes=shown.file.size_bytes,
        sort_order_id=None,
        spec_id=metadata.default_spec_id,
        equality_ids=None,
        key_metadata=None,
        **statistics.to_serialized_dict(),
    )
