"""[pipelines.….output]: the data files."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bronze_engine.config.table_format import TableOutput
from bronze_engine.config.units import ByteSize

__all__ = ["Encoding", "Output"]

Encoding = Literal["plain", "delta"]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class Output(TableOutput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the data files are cut and compressed."""

    compression: Literal["zstd", "snappy", "gzip", "lz4", "none"] = "zstd"
    """Codec of the Parquet files."""
    compression_level: Annotated[int, msgspec.Meta(ge=1, le=22)] | None = None
    """Of zstd and gzip; where unset 1 for zstd: measured best per CPU second."""
    encoding: Encoding = "plain"
    """How integers, decimals of up to 18 digits, dates, times and timestamps are written whose
    values do not repeat: as they are, or as the differences between them (DELTA_BINARY_PACKED),
    which is smaller and less work, and refused by readers of Parquet's first encodings alone."""
    max_rows_per_file: Positive = 10_000_000
    """Most rows of a data file."""
    max_bytes_per_file: ByteSize = ByteSize(1024**3)
    """A file is closed at the first row group past this, one of captured pages between two
    pages."""
    partition_by: tuple[str, ...] = ()
    """Folders below the run date, in this order: a column by its values ("country"), or a
    timestamp or date by a part of it ("day(created_at)"; year, month, day, hour), in the zone of
    the column's type. The column stays in the files."""
    max_open_files: Annotated[int, msgspec.Meta(ge=1, le=256)] = 16
    """Of `partition_by`: files that one slice writes at once. Each takes some 5 MiB; past this
    the one is closed that was written to least recently."""
    row_group_rows: Positive = 131_072
    """Most rows of a row group."""
    row_group_bytes: ByteSize = ByteSize(16 * 1024**2)
    """Arrow bytes; whichever of the two is reached first closes the row group."""
    part_bytes: ByteSize = ByteSize(8 * 1024**2)
    """Of a data file on its way to a store, in pieces: four of them are sent at once. Larger ones
    are fewer requests, and more memory; S3 takes none below 5 MiB. Not of `partition_by`, whose
    many files have the smallest."""
    load_columns: bool = True
    """Add `_load_date`, `_source_system`, `_source_entity` to each row."""
    extracted_at: bool = False
    """Add `_extracted_at`, the instant at which the run began; bytes then differ between runs."""
