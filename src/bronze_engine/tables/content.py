"""What a table has to show: the files of a partition as its manifest has them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Final

import msgspec
import pyarrow as pa

from bronze_engine.contracts import Store
from bronze_engine.flow import each
from bronze_engine.model.arrow import schema_from_text
from bronze_engine.model.manifest import MANIFEST_NAME, Manifest, run_date_of
from bronze_engine.model.manifest_json import decode_manifest
from bronze_engine.model.part import DataFile

__all__ = ["DATE_COLUMN", "Content", "Shown", "content_of", "dated", "read_contents"]

DATE_COLUMN: Final = "dt"
"""The partition column of a Bronze table: the run date, which is no column of the files."""

_AT_ONCE: Final = 16


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A data file in its place."""

    path: str
    """Relative to the table's root."""
    run_date: date | None
    """Of a table of run dates."""
    file: DataFile


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """One partition: what is committed there, or that nothing is."""

    partition: str
    manifest: Manifest | None
    files: tuple[Shown, ...] = ()

    @property
    def schema(self) -> pa.Schema | None:
        """The columns of the files; None where there are none."""
        text = "" if self.manifest is None else self.manifest.arrow_schema
        return schema_from_text(text) if text else None


async def read_contents(store: Store, root: str, partitions: Collection[str]) -> list[Content]:
    """What is committed in these partitions, in their order. Raises StateError, StoreError."""
    found: dict[str, Content] = {}

    async def read(partition: str) -> None:
        key = f"{partition}/{MANIFEST_NAME}"
        stored = await store.get(key)
        manifest = None if stored is None else decode_manifest(stored.body, key)
        found[partition] = content_of(root, partition, manifest)

    await each(partitions, read, at_once=_AT_ONCE)
    return [found[partition] for partition in partitions]


def content_of(root: str, partition: str, manifest: Manifest | None) -> Content:
    """What a manifest shows; a void one shows nothing."""
    if manifest is None or manifest.status == "void":
        return Content(partition=partition, manifest=None)
    folder = partition.removeprefix(root).removeprefix("/")
    before = f"{folder}/" if folder else ""
    files = tuple(
        Shown(path=f"{before}{file.name}", run_date=dated(before), file=file)
        for file in manifest.files
    )
    return Content(partition=partition, manifest=manifest, files=files)


def dated(path: str) -> date | None:
    """The run date of a path relative to a table's root."""
    return run_date_of(path.partition("/")[0])
