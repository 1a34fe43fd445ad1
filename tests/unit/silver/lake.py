"""A lake on local disk whose Bronze is written by hand, so that a run of Silver is all it costs.

Bronze partitions get the manifest that a run would have committed, and may be landed again,
with other rows, or removed, as a source and a retention rule would have it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, final

import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.config.load import Config
from bronze_engine.model.arrow import schema_to_text
from bronze_engine.model.changes import Changes
from bronze_engine.model.manifest import (
    FORMAT_VERSION,
    Manifest,
    SourceInfo,
    columns_of,
    partition_path,
)
from bronze_engine.model.manifest_json import decode_manifest, encode_manifest
from bronze_engine.model.part import DataFile
from bronze_engine.publish.names import data_name
from tests.unit.run.harness import load_text

from .oracle import Landed, Row, Table

__all__ = ["NAME", "Lake", "comparable"]

NAME: Final = "team.orders"
_HEAD: Final = """
[engine]
log_dir = ""
target = "lake"
[stores.lake]
type = "local"
path = "lake"
single_writer = true
"""
"""The locks of the disk are not tried: that takes a second process for each engine."""
_HTTP: Final = """
[apis.shop]
base_url = "http://127.0.0.1:9"
[pipelines.team.orders.source]
type = "http"
api = "shop"
"""
_FILES: Final = """
[pipelines.team.orders.source]
type = "files"
url = "changes/*.csv"
format = "csv"
"""
"""A source whose cursor is no column: changes of it may have no order but that of their files."""
_WRITTEN_AT: Final = datetime(2025, 4, 1, tzinfo=UTC)


@final
class Lake:
    """One pipeline's Bronze and Silver, below a folder."""

    def __init__(self, folder: Path, table: Table, schema: pa.Schema, *, load: str) -> None:
        """`schema`: of Bronze's columns, without the stamps; a landed row may lack some."""
        self.folder: Final = folder
        self.table: Final = table
        self.schema: Final = schema
        self.load: Final = load

    @property
    def root(self) -> Path:
        return self.folder / "lake"

    @property
    def silver(self) -> Path:
        return self.root / "silver" / "team" / "orders"

    def config(self, **more: object) -> Config:
        """Of the table as it is; `more` are further keys of [silver]."""
        return load_text(self.toml(**more), folder=self.folder)

    def toml(self, **more: object) -> str:
        table = self.table
        silver = {
            "kind": table.kind,
            "unique_columns": table.keys,
            "order_by": table.order,
            "history": table.history,
            "deletes": table.deletes,
            "deleted_column": table.deleted_column,
        } | more
        if table.deleted_column not in {None, *table.columns}:
            silver["columns"] = {"drop": [table.deleted_column]}
        if table.late_after is not None:
            silver |= {
                "late_data": "quarantine",
                "late_after": f"{int(table.late_after.total_seconds())}s",
            }
        sections: dict[str, dict[str, object]] = {
            "": {"load": self.load, "primary_key": table.keys},
            ".silver": silver,
        }
        is_of_files = self.load == "cdc" and not table.order
        if is_of_files:
            sections[".incremental"] = {"cursor": "_modified"}
        elif self.load != "full":
            cursor = table.order[0]
            sections[".incremental"] = {
                "cursor": cursor,
                "cursor_type": _cursor_type(self.schema.field(cursor).type),
                "start_param": "since",
            }
        if self.load == "cdc":
            sections[".cdc"] = {"operation": table.operation, "order_by": table.order}
        return (
            _HEAD
            + (_FILES if is_of_files else _HTTP)
            + "".join(
                f"[pipelines.team.orders{name}]\n{_keys(keys)}" for name, keys in sections.items()
            )
        )

    def land(self, landed: Landed) -> None:
        """Commit a generation of a date, in place of the one that is there."""
        partition = self.root / partition_path("team", "orders", landed.run_date)
        shutil.rmtree(partition, ignore_errors=True)
        partition.mkdir(parents=True)
        run = f"r{landed.generation}"
        rows = [row for file in landed.files for row in file]
        names = {name for row in rows for name in row}
        schema = pa.schema([field for field in self.schema if field.name in names or not rows])
        files = []
        for number, file in enumerate(landed.files):
            name = data_name(generation=landed.generation, run=run, slice=number, number=0)
            path = partition / name
            stamped = _stamped(pa.Table.from_pylist(list(file), schema), landed.run_date)
            pq.write_table(stamped, path)
            files.append(_data_file(path, name, stamped.num_rows))
        whole = _stamped(schema.empty_table(), landed.run_date).schema
        table = self.table
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            pipeline=NAME,
            system="team",
            entity="orders",
            run_date=landed.run_date,
            run=run,
            attempt=run,
            generation=landed.generation,
            epoch=landed.epoch,
            status="void" if landed.is_void else "committed",
            written_at=_WRITTEN_AT,
            load=landed.load,
            cdc=None
            if landed.load != "cdc" or table.operation is None
            else Changes(
                operation=table.operation,
                insert=("I",),
                update=("U",),
                delete=table.delete_codes,
                order_by=table.order,
            ),
            primary_key=table.keys,
            source=SourceInfo(type="http", location="http://127.0.0.1:9"),
            row_count=len(rows),
            schema=columns_of(whole) if files else (),
            arrow_schema=schema_to_text(whole) if files else "",
            files=tuple(files),
        )
        (partition / "_metadata.json").write_bytes(encode_manifest(manifest))

    def remove(self, run_date: date) -> None:
        """What a retention rule does."""
        shutil.rmtree(self.root / partition_path("team", "orders", run_date))

    def manifest(self) -> Manifest | None:
        """Of the table that is committed."""
        path = self.silver / "_metadata.json"
        return decode_manifest(path.read_bytes(), str(path)) if path.exists() else None

    def rows(self) -> list[Row] | None:
        """What a reader sees, whole: every file that the manifest lists, its size and its hash.

        None where nothing is committed.
        """
        manifest = self.manifest()
        if manifest is None:
            return None
        found: list[Row] = []
        for file in manifest.listed:
            body = (self.silver / file.name).read_bytes()
            assert len(body) == file.size_bytes, file.name
            assert hashlib.sha256(body).hexdigest() == file.sha256, file.name
        for file in manifest.files:
            table = pq.read_table(self.silver / file.name, partitioning=None, use_threads=False)
            assert table.num_rows == file.row_count, file.name
            assert table.num_rows > 0, file.name
            found += table.to_pylist()
        assert len(found) == manifest.row_count
        return found

    def unowned(self) -> list[str]:
        """Files of the table's folder that its manifest does not name."""
        manifest = self.manifest()
        names = {"_metadata.json", "_checksums.json"} | (manifest.names if manifest else set())
        found = (path for path in self.silver.rglob("*") if path.is_file())
        return sorted(
            str(path.relative_to(self.silver))
            for path in found
            if str(path.relative_to(self.silver)) not in names
        )


def comparable(rows: Iterable[Row]) -> list[str]:
    """Rows as a sorted list of texts: NaN is NaN there, and -0.0 is not 0.0. NULLs are left out,
    for a column that has not come yet is as one that is NULL."""
    return sorted(
        " ".join(
            f"{name}={_comparable(row[name])}" for name in sorted(row) if row[name] is not None
        )
        for row in rows
    )


def _comparable(value: Any) -> str:
    return f"{value.astimezone(UTC)}" if isinstance(value, datetime) else repr(value)


def _data_file(path: Path, name: str, row_count: int) -> DataFile:
    body = path.read_bytes()
    return DataFile(
        name=name,
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        row_count=row_count,
    )


def _stamped(table: pa.Table, run_date: date) -> pa.Table:
    stamps: Mapping[str, Any] = {
        "_load_date": pa.scalar(run_date),
        "_source_system": pa.scalar("team"),
        "_source_entity": pa.scalar("orders"),
    }
    for name, value in stamps.items():
        table = table.append_column(name, pa.repeat(value, table.num_rows))
    return table


def _cursor_type(kind: Any) -> str:
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_date(kind):
        return "date"
    return "timestamp" if pa.types.is_timestamp(kind) else "text"


def _keys(keys: Mapping[str, object]) -> str:
    lines = (
        f"{name} = {_toml(value)}\n"
        for name, value in keys.items()
        if value is not None and value != ()
    )
    return "".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
