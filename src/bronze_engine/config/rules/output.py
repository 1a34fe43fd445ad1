"""What a well-typed [pipelines.….output] may still get wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.output import Output
from bronze_engine.config.partition_by import PartitionField
from bronze_engine.model.layout import STAMP_COLUMNS

__all__ = ["output_faults"]

_LEVELS: Final = {"zstd": 22, "gzip": 9}
_LEAST_PART_BYTES: Final = 5 * 1024**2
_MOST_PART_BYTES: Final = 256 * 1024**2
_RUN_DATE: Final = "dt"
"""What the run date's folder is called."""


def output_faults(output: Output, path: KeyPath) -> Iterator[Fault]:
    level = output.compression_level
    if level is not None:
        most = _LEVELS.get(output.compression)
        here = (*path, "compression_level")
        if most is None:
            yield Fault(here, f'"{output.compression}" has no levels; leave it out')
        elif level > most:
            yield Fault(here, f'{level} is above {most}, the highest of "{output.compression}"')
    for key in ("max_bytes_per_file", "row_group_bytes"):
        if getattr(output, key) <= 0:
            yield Fault((*path, key), "must be above zero")
    yield from _parts(output, (*path, "part_bytes"))
    yield from _partition_by(output.partition_by, (*path, "partition_by"))
    if output.max_open_files != Output().max_open_files and not output.partition_by:
        yield Fault(
            (*path, "max_open_files"),
            "is of partition_by, and without it one file is open at a time; take it away",
        )


def _parts(output: Output, path: KeyPath) -> Iterator[Fault]:
    if not _LEAST_PART_BYTES <= output.part_bytes <= _MOST_PART_BYTES:
        yield Fault(
            path, f"{output.part_bytes:,} is not between 5MiB (S3 takes no less) and 256MiB"
        )
    elif output.partition_by and output.part_bytes != Output().part_bytes:
        yield Fault(path, "has no effect with partition_by, whose parts are 5MiB; take it away")


def _partition_by(entries: tuple[str, ...], path: KeyPath) -> Iterator[Fault]:
    keys: set[str] = set()
    for entry in entries:
        field = PartitionField.parse(entry)
        key = field.key(field.column).casefold()
        shown = json.dumps(entry, ensure_ascii=False)
        if not field.column.strip():
            yield Fault(path, "holds an empty name")
        elif key == _RUN_DATE:
            yield Fault(path, f"{shown}: dt= is the folder of the run date; partition by another")
        elif field.column.casefold() in STAMP_COLUMNS:
            yield Fault(path, f"{shown} is the same in every row of a run; take it away")
        elif key in keys:
            yield Fault(path, f"{shown} makes the same folders as an entry before it; name it once")
        keys.add(key)
