"""[pipelines.….silver]: the curated table that is made of what the pipeline lands."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bronze_engine.config.output import Encoding, Positive
from bronze_engine.config.quality import Quality
from bronze_engine.config.table_format import TableOutput
from bronze_engine.config.units import ByteSize, Duration

__all__ = ["Silver", "SilverColumns", "SilverOutput"]


class SilverColumns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of Bronze's columns the table has, and as what. Renamed first, then cast: all other
    keys of [silver] name columns as they are called here."""

    keep: tuple[str, ...] = ()
    """Bronze's names, in this order; none: all but Bronze's own (`_load_date`, `_raw`, …) and the
    operation column of changes."""
    drop: tuple[str, ...] = ()
    """Bronze's names."""
    rename: dict[str, str] = {}
    """Bronze's name to Silver's."""
    cast: dict[str, str] = {}
    """Silver's name to a type of `schema.columns`. A value that the type can't hold exactly is
    rejected."""


class SilverOutput(TableOutput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the data files of the table are cut and compressed; as [output]."""

    compression: Literal["zstd", "snappy", "gzip", "lz4", "none"] = "zstd"
    """Codec of the Parquet files."""
    compression_level: Annotated[int, msgspec.Meta(ge=1, le=22)] | None = None
    """Of zstd and gzip; where unset 1 for zstd."""
    encoding: Encoding = "plain"
    """How integers, decimals, dates, times and timestamps are written; "delta" makes smaller
    files, which some readers refuse."""
    max_rows_per_file: Positive = 1_000_000
    """A merge writes anew each file that it changes a row of."""
    row_group_rows: Positive = 131_072
    """Most rows of a row group."""
    row_group_bytes: ByteSize = ByteSize(16 * 1024**2)
    """Arrow bytes; whichever of the two is reached first closes the row group."""


class Silver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a record is, which of two is the newer, and what is kept of the older."""

    kind: Literal["state", "event"] = "state"
    """Rows say how something is, and newer ones replace older ones; or that something happened,
    and each stands for ever (a repetition by `unique_columns` is the same event)."""
    unique_columns: tuple[str, ...] = ()
    """What a record is of; NULL is a value like another. Where unset the pipeline's primary_key."""
    order_by: tuple[str, ...] = ()
    """Columns that say which of two records is the newer, the first that differs decides; NULL is
    the oldest. Where unset `cdc.order_by`, else `incremental.cursor` (but of files, whose cursor
    is in no record). Records that are equal in them, or all where there are none: the later run
    date, then the later file of its manifest, then the later row in that."""
    history: Literal["current", "full"] = "current"
    """One row a key (SCD1), or one a version, with effective_from, effective_to and is_current
    (SCD2)."""
    deletes: Literal["ignore", "tombstone", "hard"] = "ignore"
    """What a delete does: nothing; the row stays and says so (is_deleted); the row is gone, of a
    full history its last version is ended. Deletes are the changes of `load = "cdc"` that say so,
    records with `deleted_column`, and keys that a later full snapshot has no more."""
    deleted_column: str | None = None
    """Bronze's name of a column that marks deleted records: neither NULL nor false. The text
    "false" and the number 0 are marks like others, but where `columns.cast` makes booleans of them.
    Until a record has such a column there is no mark, and each run warns of that."""
    columns: SilverColumns = SilverColumns()
    partition_by: tuple[str, ...] = ()
    """Folders, as of [output]: `country`, `day(created_at)`."""
    late_data: Literal["apply", "reject", "quarantine"] = "apply"
    """What becomes of records that are older than `late_after` on the day on which they landed:
    applied as any; the run fails; they are kept aside, and held against no threshold. The first
    date of an epoch holds history, and has none."""
    late_after: Duration | None = None
    """How long before 00:00 of its run date (UTC) the first column of `order_by` may lie."""
    contract: Literal["evolve", "freeze"] = "evolve"
    """Whether columns may come and types widen; "freeze": what the table has is all there is,
    anything else is QUAL001."""
    verify_bronze: Literal["strict", "warn", "off"] = "strict"
    """What a Bronze file that differs from its manifest does: STG001; a warning; not looked at."""
    quality: Quality = Quality()
    """Rules over the records that come in, date by date, as they would stand in the table, so not
    over deletes; refused ones, and those that a cast can't hold, go to the table's quarantine. What
    it says of the partition is said of the records of each date; only the newest can be fresh."""
    output: SilverOutput = SilverOutput()
    path: str = "silver/{system}/{entity}"
    """Where the table lies below the pipeline's target."""
