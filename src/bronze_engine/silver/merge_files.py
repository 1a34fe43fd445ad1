"""Which files of a table stay as they are, and which are written anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final

from bronze_engine.silver.merge_held import HeldFile

__all__ = ["rewritten"]

_SMALL_FILES: Final = 8
"""A folder of a table has fewer small files: so many become one or two. A run adds one or two, so
a row is written anew about once in four runs for as long as its file is small."""


def rewritten(files: Sequence[HeldFile], hit: Collection[int], *, max_rows: int) -> list[int]:
    """The numbers of the files that are written anew, in order.

    Those that are hit, and the small ones (of less than half of `max_rows`) of folders that have
    gathered too many of them.
    """
    small: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, one in enumerate(files):
        if number not in hit and one.file.row_count < max_rows // 2:
            small[tuple(sorted(one.file.values.items()))].append(number)
    gathered = [
        number for group in small.values() if len(group) >= _SMALL_FILES for number in group
    ]
    return sorted({*hit, *gathered})
