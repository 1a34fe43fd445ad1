"""What a run of Silver must be able to hold: reserved before anything of it is opened."""

from __future__ import annotations

from typing import Final

import msgspec

from bronze_engine.config.output import Output
from bronze_engine.config.silver import Silver
from bronze_engine.errors import ConfigError
from bronze_engine.land.slice import ENCODE_MULTIPLE, PARTS_HELD
from bronze_engine.land.valuefiles import value_files_bytes
from bronze_engine.silver.database.database import BEYOND_BYTES

__all__ = ["Share", "output_of", "share_of"]

LEAST_DATABASE_BYTES: Final = 64 * 1024**2
"""DuckDB's own: below it a sort that spills has no room for its blocks of 256 KiB."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one run sets aside of engine.memory_limit."""

    database_bytes: int
    """DuckDB's limit; past it, it spills."""
    encoder_bytes: int
    """Of the file, or with partition_by the files, being written."""

    @property
    def size_bytes(self) -> int:
        return self.database_bytes + BEYOND_BYTES + self.encoder_bytes


def share_of(pipeline: str, silver: Silver, limit_bytes: int) -> Share:
    """Half of the limit for DuckDB where the encoders leave so much, and what they take.

    Another run, of Bronze or of Silver, has the rest. Raises ConfigError where the engine may not
    hold what both need at the least.
    """
    output = output_of(silver)
    encoders = ENCODE_MULTIPLE * output.row_group_bytes + (
        value_files_bytes(output) if output.partition_by else PARTS_HELD * output.part_bytes
    )
    left = limit_bytes - encoders - BEYOND_BYTES
    share = Share(
        database_bytes=max(LEAST_DATABASE_BYTES, min(limit_bytes // 2, left)),
        encoder_bytes=encoders,
    )
    if share.size_bytes > limit_bytes:
        raise ConfigError(
            f"the table of {pipeline} needs {share.size_bytes:,} bytes at the least"
            f" ({share.database_bytes + BEYOND_BYTES:,} for DuckDB, {encoders:,} to encode with"
            f" silver.output.row_group_bytes = {output.row_group_bytes:,}), and"
            f" engine.memory_limit is {limit_bytes:,}; raise that, or lower row_group_bytes"
        )
    return share


def output_of(silver: Silver) -> Output:
    """How the table's data files are cut: no columns of the engine are added to its rows."""
    output = silver.output
    return Output(
        compression=output.compression,
        compression_level=output.compression_level,
        encoding=output.encoding,
        max_rows_per_file=output.max_rows_per_file,
        row_group_rows=output.row_group_rows,
        row_group_bytes=output.row_group_bytes,
        partition_by=silver.partition_by,
        load_columns=False,
    )
