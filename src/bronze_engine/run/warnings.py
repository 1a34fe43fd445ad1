"""What a person should know of what a run has landed: its columns, its folders and its repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bronze_engine.config.output import Output
from bronze_engine.decode.schema import schema_warnings
from bronze_engine.land.job import Job
from bronze_engine.land.landed import Landed, last_layout
from bronze_engine.model.layout import VARIANT_SUFFIX, Layout
from bronze_engine.quality.duplicates import duplicate_warnings

__all__ = ["landing_warnings"]

_MANY_FILES: Final = 200
_SMALL_FILE_BYTES: Final = 1024**2
"""Of an object store a smaller one takes longer to be asked for than to be read."""


def landing_warnings(job: Job, landed: Sequence[Landed]) -> tuple[str, ...]:
    """Sentences, in the order in which they are told; none where no slice had a record."""
    layout = last_layout(landed)
    if layout is None:
        return ()
    pipeline = job.pipeline
    named = {"schema.columns": job.request.schema.columns, "primary_key": pipeline.primary_key}
    return (
        *schema_warnings(layout, job.request.base, named),
        *duplicate_warnings(
            pipeline.quality.duplicates, pipeline.primary_key, [each.repeats for each in landed]
        ),
        *_small_files(pipeline.output, landed),
        *_special_values(layout, landed),
    )


def _special_values(layout: Layout, landed: Sequence[Landed]) -> Sequence[str]:
    count = sum(each.special_values for each in landed)
    if not count:
        return ()
    is_kept = any(column.role == "variant" for column in layout.columns())
    became = (
        f"stand as text in the columns <name>{VARIANT_SUFFIX}"
        if is_kept
        else 'landed as NULL; source.on_special = "text" keeps them'
    )
    return (f"{count:,} values that their columns can't hold {became}",)


def _small_files(output: Output, landed: Sequence[Landed]) -> Sequence[str]:
    """Whether there are more values than rows can be held of, or too few rows of each."""
    sizes = [staged.file.size_bytes for each in landed for staged in each.files if staged.file]
    if not output.partition_by or len(sizes) < _MANY_FILES:
        return ()
    mean = sum(sizes) / len(sizes)
    if mean >= _SMALL_FILE_BYTES:
        return ()
    warning = (
        f"{len(sizes):,} files of {mean / 1024:,.0f} KiB on average: output.partition_by ="
        f" {list(output.partition_by)} has many values with few rows; partition by something"
        " coarser, or read in the order of these columns"
    )
    return (warning,)
