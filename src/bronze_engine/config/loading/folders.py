"""The folders of all pipelines of a file: which of them lie upon, or within, each other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any, final

import msgspec

from bronze_engine.config.loading.fault import Fault, KeyPath
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver import Silver
from bronze_engine.model.silver import table_path

__all__ = ["Claim", "Folders", "claims_of", "folder_faults"]


class Claim(msgspec.Struct, frozen=True):
    """A folder below a pipeline's target that it writes to."""

    pipeline: str
    folder: str
    target: Any
    """As the file has it, unexpanded."""
    is_table: bool
    """A curated table's; else that of the partitions."""


@final
class Folders:
    """Claims by their folders: thousands of pipelines are each looked up in a moment."""

    def __init__(self, claims: Iterable[Claim]) -> None:
        self._claims: dict[str, list[Claim]] = {}
        for claim in claims:
            self._claims.setdefault(claim.folder, []).append(claim)
        self._sorted = sorted(self._claims)

    def upon(self, folder: str) -> Iterator[Claim]:
        """Claims to this folder, one around it, or one within it."""
        parts = folder.split("/")
        for depth in range(1, len(parts) + 1):
            yield from self._claims.get("/".join(parts[:depth]), ())
        within = f"{folder}/"
        for place in range(bisect_left(self._sorted, within), len(self._sorted)):
            if not self._sorted[place].startswith(within):
                return
            yield from self._claims[self._sorted[place]]


def claims_of(pipeline: str, system: str, entity: str, target: Any, silver: Any) -> Iterator[Claim]:
    """What one pipeline claims; `silver` is that table of the file, if it has one."""
    yield Claim(pipeline, f"{system}/{entity}", target, is_table=False)
    if isinstance(silver, dict):
        folder = table_path(str(silver.get("path", Silver().path)), system, entity)
        yield Claim(pipeline, folder, target, is_table=True)


def folder_faults(
    pipeline: Pipeline, folders: Folders, is_elsewhere: Callable[[Any], bool], path: KeyPath
) -> Iterator[Fault]:
    """Faults for what lies upon a pipeline's partitions or its table, where one of the two is a
    table; two of partitions are no affair of this. `is_elsewhere` says of a claim's target that it
    is another place than the pipeline's."""
    system, entity, silver = pipeline.system, pipeline.entity, pipeline.silver
    mine = [(f"{system}/{entity}", (*path, "entity"), False)]
    if silver is not None:
        mine.append((table_path(silver.path, system, entity), (*path, "silver", "path"), True))
    for folder, here, is_table in mine:
        for claim in folders.upon(folder):
            is_own = claim.pipeline == pipeline.name
            if (is_own and claim.is_table) or (not is_table and (is_own or not claim.is_table)):
                continue
            if is_elsewhere(claim.target):
                continue
            whose = "the table" if claim.is_table else "the partitions"
            yield Fault(
                here,
                f"{folder} lies upon {claim.folder}, where {whose} of pipelines.{claim.pipeline}"
                " are; give one of the two another place",
            )
