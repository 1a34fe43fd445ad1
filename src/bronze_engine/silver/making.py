"""The rows of a table's next generation: Bronze's records in, staged files and a manifest out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final, final

import msgspec
import pyarrow as pa

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver import Silver
from bronze_engine.contracts import Store
from bronze_engine.flow import each
from bronze_engine.model.arrow import schema_from_text
from bronze_engine.model.curated import Curated
from bronze_engine.model.layout import RAW_COLUMN, STAMP_COLUMNS
from bronze_engine.model.manifest import Manifest, partition_path
from bronze_engine.model.part import DataFile
from bronze_engine.model.silver import SilverTable
from bronze_engine.publish.base import Base
from bronze_engine.run.account import Account
from bronze_engine.run.services import Identity, Services
from bronze_engine.silver.compose import compose_manifest, files_of, inputs_of
from bronze_engine.silver.database import Database
from bronze_engine.silver.fold import departed, departed_schema, fold, table_schema, visible
from bronze_engine.silver.identity import silver_hash
from bronze_engine.silver.inputs import Landed, Work
from bronze_engine.silver.landing import Landing, Query
from bronze_engine.silver.memory import Share
from bronze_engine.silver.shape import BRONZE_DATE, CURRENT, IS_DELETE, PART, ROW, Shape
from bronze_engine.silver.spill import open_spill
from bronze_engine.silver.spool import Spool, root_of
from bronze_engine.silver.sql import columns, identifier, literal

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
        shape = _resolve(self._pipeline, self._silver, work)
        if not shape.names:  # no record has ever landed
            return self._made(shape, pa.schema([]), (), {}, records=0, current_rows=0)
        selects = [
            _select(shape, landed.manifest, number, path)
            for landed in work.counted
            for number, path in enumerate(await self._paths(landed))
        ]
        empty = ", ".join(
            f"CAST(NULL AS {kind}) AS {identifier(name)}"
            for name, kind in (
                *((name, "VARCHAR") for name in shape.names),
                (IS_DELETE, "BOOLEAN"),
                (BRONZE_DATE, "DATE"),
                (PART, "INTEGER"),
                (ROW, "BIGINT"),
            )
        )
        union = " UNION ALL BY NAME ".join(selects) or f"SELECT {empty} WHERE FALSE"
        await self._database.execute(f"CREATE VIEW records AS {union}")
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
            inputs=inputs_of(work, rejected),
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


def _resolve(pipeline: Pipeline, silver: Silver, work: Work) -> Shape:
    newest = work.counted[-1].manifest
    fields: dict[str, Any] = {}
    for landed in work.counted:
        if landed.manifest.arrow_schema:
            for field in schema_from_text(landed.manifest.arrow_schema):
                fields.setdefault(field.name, pa.field(field.name, field.type))
    hidden = {*STAMP_COLUMNS, RAW_COLUMN, "" if newest.cdc is None else newest.cdc.operation}
    keep = silver.columns.keep or [name for name in fields if name not in hidden]
    rename = silver.columns.rename
    return Shape(
        kind=silver.kind,
        history=silver.history,
        deletes=silver.deletes,
        load=work.load,
        columns=pa.schema(
            [
                pa.field(rename.get(name, name), fields[name].type)
                for name in keep
                if name not in silver.columns.drop
            ]
        ),
        keys=silver.unique_columns or newest.primary_key,
        order=silver.order_by
        or (newest.cdc.order_by if newest.cdc else ())
        or ((pipeline.incremental.cursor,) if pipeline.incremental else ()),
    )


def _select(shape: Shape, manifest: Manifest, part: int, path: Path) -> str:
    has = schema_from_text(manifest.arrow_schema).names
    dead = "FALSE"
    if manifest.cdc is not None:
        codes = ", ".join(map(literal, manifest.cdc.delete))
        dead = f"CAST({identifier(manifest.cdc.operation)} AS VARCHAR) IN ({codes})"
    names = columns(name for name in shape.names if name in has)
    return (
        f"SELECT {names}, {dead} AS {identifier(IS_DELETE)},"
        f" {literal(manifest.run_date)} AS {identifier(BRONZE_DATE)},"
        f" {part} AS {identifier(PART)}, file_row_number AS {identifier(ROW)}"
        f" FROM read_parquet({literal(str(path))}, file_row_number = true)"
    )
