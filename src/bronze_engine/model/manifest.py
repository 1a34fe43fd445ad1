"""The manifest (`_metadata.json`): the commit point, and the truth about a partition."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Final, Literal

import msgspec
import pyarrow as pa

from bronze_engine.model.changes import Changes
from bronze_engine.model.landed_file import LandedFile
from bronze_engine.model.layout import Column
from bronze_engine.model.override import Override
from bronze_engine.model.part import DataFile
from bronze_engine.model.quality import RuleResult
from bronze_engine.model.silver import SilverTable
from bronze_engine.model.window import Window

__all__ = [
    "CHECKSUMS_NAME",
    "DELTA_LOG",
    "FORMAT_VERSION",
    "MANIFEST_NAME",
    "Checksums",
    "ColumnInfo",
    "Lineage",
    "Load",
    "Manifest",
    "PageFile",
    "RejectFile",
    "SchemaChange",
    "SourceInfo",
    "check_dates",
    "partition_path",
    "run_date_of",
]

FORMAT_VERSION: Final = 1
MANIFEST_NAME: Final = "_metadata.json"
CHECKSUMS_NAME: Final = "_checksums.json"
DELTA_LOG: Final = "_delta_log"
"""The folder of a Delta table's log, which lies among the files that the table shows."""
_FOLDER: Final = re.compile(r"dt=(\d{4}-\d\d-\d\d)", re.ASCII)

Load = Literal["full", "incremental", "cdc"]


class ColumnInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A column as it landed. `type` is Arrow's name for it; `arrow` rebuilds it exactly."""

    name: str
    type: str
    nullable: bool = True
    source_type: str | None = None
    """What the source called it, where it has a word for it (Postgres); None for JSON."""


class SchemaChange(msgspec.Struct, frozen=True, kw_only=True):
    """How this partition's columns differ from the base schema."""

    change: Literal["added", "variant", "widened", "extra", "removed"]
    column: str
    detail: str = ""


class SourceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Where the rows came from, and what it took."""

    type: str
    location: str
    """A URL without secrets, a table, a glob."""
    pages_fetched: int = 0
    requests: int = 0
    retries: int = 0
    bytes_in: int = 0


class RejectFile(msgspec.Struct, frozen=True, kw_only=True):
    """A quarantine file: rejected records, JSON lines under zstd."""

    name: str
    size_bytes: int
    sha256: str
    row_count: int


class PageFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of captured pages: the responses that the rows were decoded from, zstd."""

    name: str
    size_bytes: int
    sha256: str
    page_count: int


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """One of the last commits of this partition."""

    run: str
    attempt: str
    generation: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One committed generation of a partition. Readers open the files it lists, no others."""

    format_version: int
    pipeline: str
    system: str
    entity: str
    run_date: date
    run: str
    """Names the files; survives a resume."""
    attempt: str
    """New in each process; what reading back after a lost answer compares."""
    generation: int
    epoch: int
    status: Literal["committed", "void"] = "committed"
    written_at: datetime
    load: Load
    cdc: Changes | None = None
    """What the rows mean where `load` is "cdc"."""
    primary_key: tuple[str, ...] = ()
    """As configured: what the curated layer takes a record's identity from."""
    source: SourceInfo
    row_count: int
    rejected_count: int = 0
    duplicate_rows: int = 0
    """Rows whose primary key came before: left out, or only counted, as `quality` says."""
    late_rows: int = 0
    schema: tuple[ColumnInfo, ...] = ()
    arrow_schema: str = ""
    """The schema of all files together as Arrow IPC, base64: types beyond their names."""
    base_schema: tuple[ColumnInfo, ...] = ()
    schema_changes: tuple[SchemaChange, ...] = ()
    files: tuple[DataFile, ...] = ()
    superseded: tuple[str, ...] = ()
    """Data files of the generation before that are no longer among `files` and stay, for whoever
    still reads it: `reap = "next_run"`. What replaces this manifest has them removed."""
    quarantine: tuple[RejectFile, ...] = ()
    pages: tuple[PageFile, ...] = ()
    """In the order in which a replay reads them; it names them too, for they stay."""
    replay_of: str | None = None
    """The run that fetched the pages, where this one has only decoded them again."""
    sources: tuple[LandedFile, ...] = ()
    """Of a source of files: those whose records are in this partition, in order."""
    watermark: Window | None = None
    override: Override | None = None
    """Where `bronze state set` or `reset` has decided where the window begins."""
    quality: tuple[RuleResult, ...] | dict[str, str] = ()
    """What each rule of `quality.rules` found, in their order. Texts by name are an older
    version's."""
    silver: SilverTable | None = None
    """Of a Silver table, whose `run_date` is the newest that it holds; None of a partition."""
    config_hash: str = ""
    engine_version: str = ""
    duration_seconds: float = 0.0
    lineage: tuple[Lineage, ...] = ()
    """Newest first, at most 16, this commit included."""

    @property
    def listed(self) -> tuple[DataFile | RejectFile | PageFile, ...]:
        """All files that it names: data, rejected records, captured pages, keys that are gone."""
        deleted = () if self.silver is None else self.silver.deleted
        return (*self.files, *self.quarantine, *self.pages, *deleted)

    @property
    def names(self) -> frozenset[str]:
        """Their names, relative to the partition."""
        return frozenset(file.name for file in self.listed)


class Checksums(msgspec.Struct, frozen=True, kw_only=True):
    """`_checksums.json`: derived from the manifest, for tools that only check hashes."""

    class File(msgspec.Struct, frozen=True, kw_only=True):
        path: str
        size_bytes: int
        sha256: str
        row_count: int

    generation: int
    run: str
    files: tuple[File, ...]
    manifest_sha256: str


def partition_path(system: str, entity: str, run_date: date) -> str:
    """`{system}/{entity}/dt=YYYY-MM-DD`, relative to the target. Raises what `check_dates` does."""
    check_dates(run_date)
    return f"{system}/{entity}/dt={run_date.isoformat()}"


def check_dates(*run_dates: object) -> None:
    """Raise TypeError for what is no date: a text, and a datetime, though Python takes that for
    one: whose day it means depends on a time zone, and its folder would be another."""
    for run_date in run_dates:
        if not isinstance(run_date, date) or isinstance(run_date, datetime):
            raise TypeError(
                f"a run date is a datetime.date, such as date(2025, 1, 15), and not {run_date!r};"
                " of a datetime, `.date()` is the day in its own time zone"
            )


def run_date_of(folder: str) -> date | None:
    """The run date of `dt=YYYY-MM-DD`; None for a folder of any other name."""
    match = _FOLDER.fullmatch(folder)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None  # dt=2025-02-30 is nobody's run date


def columns_of(schema: pa.Schema) -> tuple[ColumnInfo, ...]:
    """The columns of an Arrow schema as the manifest lists them."""
    return tuple(
        ColumnInfo(
            name=column.name,
            type=str(column.type),
            nullable=column.nullable,
            source_type=column.source_type,
        )
        for column in map(Column.parse, schema)
    )
