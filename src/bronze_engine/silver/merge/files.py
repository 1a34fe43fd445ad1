"""Which files of a table stay as they are, and which are written anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import chain
from typing import Final

from bronze_engine.silver.merge.held import HeldFile

__all__ = ["rewritten", "together"]

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
            small[_folder(one)].append(number)
    gathered = [
        number for group in small.values() if len(group) >= _SMALL_FILES for number in group
    ]
    return sorted({*hit, *gathered})


def together(
    files: Iterable[tuple[int, HeldFile]], *, max_rows: int
) -> list[tuple[tuple[int, HeldFile], ...]]:
    """Files in groups whose rows fit into one, so that two neighbours never do: small ones become
    fewer. Those of a folder stay together, in their order."""
    folders: dict[tuple[object, ...], list[tuple[int, HeldFile]]] = defaultdict(list)
    for number, one in files:
        folders[_folder(one)].append((number, one))
    groups: list[tuple[tuple[int, HeldFile], ...]] = []
    rows = 0
    for number, one in chain.from_iterable(folders.values()):
        rows += one.file.row_count
        if not groups or rows > max_rows:
            groups.append(())
            rows = one.file.row_count
        groups[-1] += ((number, one),)
    return groups


def _folder(one: HeldFile) -> tuple[object, ...]:
    return tuple(sorted(one.file.values.items()))
