"""The rows of a table's next generation: Bronze's records in, staged files and a manifest out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Final, final

import msgspec
import pyarrow as pa

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver import Silver
from bronze_engine.contracts import Store
from bronze_engine.flow import each
from bronze_engine.model.curated import Curated
from bronze_engine.model.manifest import Manifest, partition_path
from bronze_engine.model.part import DataFile
from bronze_engine.model.silver import SilverTable
from bronze_engine.publish.base import Base
from bronze_engine.run.account import Account
from bronze_engine.run.services import Identity, Services
from bronze_engine.silver.columns import resolve
from bronze_engine.silver.compose import compose_manifest, files_of, inputs_of
from bronze_engine.silver.database import Database
from bronze_engine.silver.fold import departed, departed_schema, fold, table_schema, visible
from bronze_engine.silver.identity import silver_hash
from bronze_engine.silver.inputs import Landed, Work
from bronze_engine.silver.landing import Landing, Query
from bronze_engine.silver.memory import Share
from bronze_engine.silver.records import record_select
from bronze_engine.silver.shape import BRONZE_DATE, CURRENT, Shape
from bronze_engine.silver.spill import open_spill
from bronze_engine.silver.spool import Spool, root_of
from bronze_engine.silver.sql import columns, identifier

__all__ = ["Made", "Making"]

_AT_ONCE: Final = 4


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What is staged, and what a commit makes of it."""

    manifest: Manifest
    curated: Curated
    kept: Collection[str]
    """Names of files of the base that stay."""


@final
class Making:
    """The making of one generation, over an open DuckDB."""

    def __init__(
        self,
        pipeline: Pipeline,
        silver: Silver,
        store: Store,
        services: Services,
        account: Account,
        identity: Identity,
        base: Base,
        work: Work,
        landing: Landing,
        database: Database,
        spool: Spool,
    ) -> None:
        self._pipeline = pipeline
        self._silver = silver
        self._store = store
        self._services = services
        self._account = account
        self._identity = identity
        self._base = base
        self._work = work
        self._landing = landing
        self._database = database
        self._spool = spool

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        pipeline: Pipeline,
        silver: Silver,
        store: Store,
        services: Services,
        account: Account,
        identity: Identity,
        share: Share,
        base: Base,
        work: Work,
        landing: Landing,
    ) -> AsyncIterator[Making]:
        """Leaves nothing of DuckDB or of copied files behind, cancelled or not."""
        workers, root = services.workers, root_of(store)
        async with (
            open_spill(services.spill_dir, identity.run, workers) as spill,
            Spool(workers, spill) as spool,
            Database(
                workers,
                spill,
                memory_bytes=share.database_bytes,
                threads=workers.threads,
                readable=() if root is None else (root,),
            ) as database,
        ):
            yield cls(
                pipeline,
                silver,
                store,
                services,
                account,
                identity,
                base,
                work,
                landing,
                database,
                spool,
            )

    async def run(self) -> Made:
        """Read, fold, encode. What is staged stands in the landing, also of a making that fails."""
        work, account = self._work, self._account
        account.phase("reading bronze")
        before = self._base.committed if work.rebuild is None else None
        shape = resolve(self._pipeline, [one.manifest for one in work.counted], before)
        if not shape.names:  # no record has ever landed
            return self._made(shape, pa.schema([]), (), {}, records=0, current_rows=0)
        selects = [
            record_select(self._pipeline, shape, landed.manifest, number, str(path))
            for landed in work.counted
            for number, path in enumerate(await self._paths(landed))
        ]
        await self._database.execute(f"CREATE VIEW records AS {' UNION ALL '.join(selects)}")
        account.phase("merging")
        snapshots = [landed.run_date for landed in work.counted] if shape.is_snapshot else []
        await self._database.execute(f"CREATE TABLE folded AS {fold(shape, 'records', snapshots)}")
        order = columns(shape.keys or (BRONZE_DATE,))
        schema = table_schema(shape)
        await self._landing.land(
            self._database,
            Query(sql=f"{visible(shape, 'folded')} ORDER BY {order}", schema=schema, kind="data"),
        )
        if shape.sees_deletes and shape.deletes == "hard":
            gone = f"{departed(shape, 'folded')} ORDER BY {order}"
            await self._landing.land(
                self._database, Query(sql=gone, schema=departed_schema(shape), kind="deleted")
            )
        current = 0
        if shape.history == "full":
            ((current,),) = await self._database.execute(
                f"SELECT count(*) FROM folded WHERE {identifier(CURRENT)}"
            )
        ((records,),) = await self._database.execute("SELECT count(*) FROM records")
        return self._made(shape, schema, (), {}, records=records, current_rows=current)

    def _made(
        self,
        shape: Shape,
        schema: pa.Schema,
        kept: Collection[DataFile],
        rejected: Mapping[date, int],
        *,
        records: int,
        current_rows: int,
    ) -> Made:
        work, pipeline = self._work, self._pipeline
        table = SilverTable(
            kind=shape.kind,
            history=shape.history,
            deletes=shape.deletes,
            unique_columns=shape.keys,
            order_by=shape.order,
            inputs=inputs_of(work, rejected, {}),
            mode="rebuild",
            deleted=files_of(self._landing.deleted),
            kept_files=len(kept),
            current_rows=current_rows,
        )
        manifest = compose_manifest(
            pipeline,
            self._base,
            work,
            shape,
            self._identity,
            table=table,
            schema=schema,
            files=(*kept, *files_of(self._landing.data)),
            quarantine=(),
            quality=(),
            config_hash=silver_hash(pipeline, self._silver),
            location=f"{pipeline.system}/{pipeline.entity}",
            written_at=self._services.clock.now(),
            duration_seconds=self._account.seconds,
        )
        curated = Curated(
            mode=table.mode,
            inputs=work.inputs,
            pending=work.pending,
            records=records,
            kept_files=len(kept),
            current_rows=current_rows if shape.history == "full" else None,
        )
        return Made(manifest=manifest, curated=curated, kept=frozenset(one.name for one in kept))

    async def _paths(self, landed: Landed) -> list[Path]:
        """Of the files of a partition, verified, in its order."""
        manifest = landed.manifest
        folder = partition_path(manifest.system, manifest.entity, manifest.run_date)
        paths: dict[int, Path] = {}

        async def read(number: int) -> None:
            paths[number] = await self._spool.path(
                self._store, folder, manifest.files[number], verify=self._silver.verify_bronze
            )

        await each(range(len(manifest.files)), read, at_once=_AT_ONCE)
        return [paths[number] for number in range(len(paths))]
