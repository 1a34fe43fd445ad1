"""What a well-typed [pipelines.….quality] may still get wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bronze_engine.config.file.fault import Fault, KeyPath
from bronze_engine.config.quality import Quality

__all__ = ["quality_faults"]


def quality_faults(quality: Quality, primary_key: Sequence[str], path: KeyPath) -> Iterator[Fault]:
    if quality.duplicates != "keep" and not primary_key:
        yield Fault(
            (*path, "duplicates"),
            f'is "{quality.duplicates}", and rows are told apart by primary_key; set that',
        )
