"""The files that a run of Silver reads: Bronze's, and those of the table as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, final

import pyarrow as pa
import pyarrow.parquet as pq

from bronze_engine.errors import StateError
from bronze_engine.flow import each
from bronze_engine.model.manifest import Manifest, partition_path
from bronze_engine.model.part import DataFile
from bronze_engine.silver.columns.contract import schema_of
from bronze_engine.silver.columns.shape import DELETED_AT
from bronze_engine.silver.database.fault import unreadable
from bronze_engine.silver.database.spool import LAND_AGAIN, Spool, Verify
from bronze_engine.silver.inputs.bronze import landed_again
from bronze_engine.silver.inputs.files import BronzeFile
from bronze_engine.silver.inputs.inputs import Landed
from bronze_engine.silver.inputs.seal import check_seal
from bronze_engine.silver.job import Job
from bronze_engine.silver.merge.held import Held, HeldFile

__all__ = ["Reading"]

_AT_ONCE: Final = 4
_MANIFESTS_AT_ONCE: Final = 16


@final
class Reading:
    """Verified files as local paths. Each is read once, however often it is asked for."""

    def __init__(self, job: Job, spool: Spool) -> None:
        self._job = job
        self._spool = spool
        self._read: dict[str, Landed] = {}

    async def bronze(self, landed: Iterable[Landed]) -> list[BronzeFile]:
        """The files of these partitions, in order. Raises StoreError for one that differs, and
        for a manifest that does."""
        partitions = {_folder(one): one for one in landed}
        news = {folder: one for folder, one in partitions.items() if folder not in self._read}
        self._read |= news
        verify, account = self._job.silver.verify_bronze, self._job.account
        account.tally.bytes_in += sum(
            file.size_bytes for one in news.values() for file in one.manifest.files
        )

        async def check(folder: str) -> None:
            await check_seal(self._job.stores.target, folder, news[folder], verify, account.warn)

        await each(news, check, at_once=_MANIFESTS_AT_ONCE)
        places = [
            (folder, one.manifest, part)
            for folder, one in partitions.items()
            for part in range(len(one.manifest.files))
        ]
        wanted = [(folder, manifest.files[part]) for folder, manifest, part in places]
        paths = await self._paths(wanted, verify)
        return [
            BronzeFile(manifest=manifest, part=part, path=path)
            for (_, manifest, part), path in zip(places, paths, strict=True)
        ]

    async def held(self, before: Manifest) -> Held:
        """The table as it stands. Raises StoreError for a file that differs."""
        table = before.silver
        assert table is not None  # noqa: S101  # read_table takes no other
        return Held(
            dates=tuple(one.run_date for one in table.inputs),
            files=await self._held(before.files, schema_of(before)),
            departed=await self._held(table.deleted, _with_ends(before)),
            current_rows=table.current_rows,
        )

    async def news(self) -> StateError | None:
        """Whether a partition was landed again since it was read: that removes its files."""
        pipeline = self._job.pipeline
        read = tuple(self._read.values())
        return await landed_again(self._job.stores.target, pipeline.system, pipeline.entity, read)

    async def _held(self, files: Sequence[DataFile], schema: pa.Schema) -> tuple[HeldFile, ...]:
        """`schema` has the columns of the table: what DuckDB sees may be of a type that carries
        theirs."""
        wanted = [(self._job.folder, file) for file in files]
        workers = self._job.services.workers
        paths = await self._paths(wanted, "strict", remedy=self._anew)
        return tuple(
            [
                HeldFile(
                    file=file,
                    path=path,
                    schema=await workers.run(_schema_of, file, path, schema, self._anew),
                )
                for file, path in zip(files, paths, strict=True)
            ]
        )

    @property
    def _anew(self) -> str:
        """What helps against a damaged file of the table."""
        name = self._job.pipeline.name
        return f"Make the table anew: `bronze silver {name} --rebuild`"

    async def _paths(
        self, files: Sequence[tuple[str, DataFile]], verify: Verify, *, remedy: str = LAND_AGAIN
    ) -> list[Path]:
        """Of files with their folders, side by side."""
        paths: dict[int, Path] = {}

        async def read(number: int) -> None:
            folder, file = files[number]
            paths[number] = await self._spool.path(
                self._job.stores.target, folder, file, verify=verify, remedy=remedy
            )

        await each(range(len(files)), read, at_once=_AT_ONCE)
        return [paths[number] for number in range(len(files))]


def _folder(landed: Landed) -> str:
    manifest = landed.manifest
    return partition_path(manifest.system, manifest.entity, manifest.run_date)


def _with_ends(before: Manifest) -> pa.Schema:
    """The table's columns, and `deleted_at`: where deletes are hard no row has it. It is of the
    type of what decides first."""
    schema, table = schema_of(before), before.silver
    first = table.order_by[0] if table is not None and table.order_by else None
    if before.load == "full" or first is None or DELETED_AT in schema.names:
        return schema
    return schema.append(pa.field(DELETED_AT, schema.field(first).type))


def _schema_of(file: DataFile, path: Path, schema: pa.Schema, remedy: str) -> pa.Schema:
    """The columns of a file of the table: of an older generation it may lack some."""
    try:
        found = pq.read_schema(path)
    except (pa.ArrowException, OSError) as exc:
        raise unreadable(f"{file.name} of the table", exc, remedy, key=file.name) from exc
    known = {field.name: field for field in schema}
    return pa.schema([known.get(field.name, field) for field in found])
