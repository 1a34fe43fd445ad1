"""The next generation of a table: Bronze's records in, staged files and a manifest out.

files of Bronze, verified -> records -> what of the table changes -> rows, encoded and staged
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import final

import msgspec
import pyarrow as pa

from bronze_engine.errors import QualityError, StoreError
from bronze_engine.model.curated import Curated
from bronze_engine.model.manifest import Manifest
from bronze_engine.silver.columns.columns import resolve
from bronze_engine.silver.columns.contract import schema_of
from bronze_engine.silver.columns.shape import Shape
from bronze_engine.silver.compose import compose_manifest
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.database.spill import open_spill
from bronze_engine.silver.database.spool import Spool, root_of
from bronze_engine.silver.database.sql import identifier
from bronze_engine.silver.fold.fold import table_schema
from bronze_engine.silver.intake.intake import Intake, Taken
from bronze_engine.silver.intake.quality import Judge
from bronze_engine.silver.intake.rejects import Rejects
from bronze_engine.silver.job import Job
from bronze_engine.silver.landing import Landing
from bronze_engine.silver.merge.held import Held, too_far
from bronze_engine.silver.merge.merge import MergePlan, News, plan_merge
from bronze_engine.silver.merge.survivors import Survivors
from bronze_engine.silver.reading import Reading

__all__ = ["Made", "make"]

_RECORDS = "records"
_ALL = "all_records"
_KEYS = "wanted_keys"
_NOTHING = MergePlan(mode="rebuild", kept=(), kept_departed=(), outputs=(), current_rows=0)
"""Of a table whose Bronze has never had a row, and so no column."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What is staged, and what a commit makes of it."""

    manifest: Manifest
    curated: Curated
    kept: frozenset[str]
    """Names of files of the base that stay."""
    warnings: tuple[str, ...] = ()


async def make(job: Job, landing: Landing, rejects: Rejects) -> Made:
    """Read, merge, encode. What is staged stands in `landing` and `rejects`, also of a making that
    fails; nothing of DuckDB or of copied files stays behind.

    Raises StoreError for a file that differs from its manifest, StateError where that comes of a
    partition that was landed again meanwhile, QualityError, ConfigError.
    """
    async with _opened(job, landing, rejects) as making:
        try:
            return await making.run()
        except StoreError as exc:
            news = await making.reading.news()
            if news is not None:
                raise news from exc
            raise


@asynccontextmanager
async def _opened(job: Job, landing: Landing, rejects: Rejects) -> AsyncIterator[_Making]:
    workers, root = job.services.workers, root_of(job.stores.target)
    async with (
        open_spill(job.services.spill_dir, job.identity.run, workers) as spill,
        Spool(workers, spill, warn=job.account.warn) as spool,
        Database(
            workers,
            spill,
            memory_bytes=job.share.database_bytes,
            threads=workers.threads,
            readable=() if root is None else (root,),
        ) as database,
    ):
        yield _Making(job, landing, rejects, database, Reading(job, spool))


@final
class _Making:
    """One, over an open DuckDB."""

    def __init__(
        self, job: Job, landing: Landing, rejects: Rejects, database: Database, reading: Reading
    ) -> None:
        self.job = job
        self.landing = landing
        self.rejects = rejects
        self.database = database
        self.reading = reading

    async def run(self) -> Made:
        job, work = self.job, self.job.work
        job.account.phase("reading bronze")
        counted = [one.manifest for one in work.counted]
        shape = resolve(job.pipeline, counted, job.before, warn=job.account.warn)
        taken = Taken(rejected={one.run_date: 0 for one in work.taken_in})
        plan, schema = _NOTHING, pa.schema([])
        if shape.names:
            schema = table_schema(shape)
            taken, plan = await self._planned(shape, schema)
            async with self._encoders(plan) as at_once:
                await self.landing.land(self.database, plan.outputs, at_once=at_once)
        manifest = compose_manifest(
            job,
            shape,
            plan,
            taken,
            schema=schema,
            data=self.landing.data,
            deleted=self.landing.deleted,
            quarantine=self.rejects.files,
        )
        return Made(
            manifest=manifest,
            curated=Curated(
                mode=plan.mode,
                inputs=work.inputs,
                pending=work.pending,
                records=sum(one.manifest.row_count for one in work.taken_in),
                changes=plan.changes,
                kept_files=len(plan.kept),
                current_rows=plan.current_rows if shape.history == "full" else None,
            ),
            kept=frozenset(
                [one.name for one in (*plan.kept, *plan.kept_departed)]
                + [one.name for one in manifest.quarantine if one.name in _names(job.before)]
            ),
            warnings=taken.warnings,
        )

    @asynccontextmanager
    async def _encoders(self, plan: MergePlan) -> AsyncIterator[int]:
        """How many outputs may be encoded at once: a second one where nobody else has its memory,
        or waits for it. Of a full history each may have two files open."""
        budget, size = self.job.services.budget, self.job.share.encoder_bytes
        are_many = len(plan.outputs) > 1 and any(
            isinstance(one, Survivors) and not one.splits for one in plan.outputs
        )
        if not are_many or not budget.reserve_now(size):
            yield 1
            return
        try:
            yield 2
        finally:
            budget.release(size)

    async def _planned(self, shape: Shape, schema: pa.Schema) -> tuple[Taken, MergePlan]:
        """What is new, as relations, and what it does to the table."""
        job, work = self.job, self.job.work
        before = job.before
        is_anew = before is None or _is_otherwise(schema, before)
        held = None
        if before is not None and (not is_anew or work.retained):
            held = await self.reading.held(before)
            if is_anew:
                await self._check_reach(shape, held)
        # Another type may hold less of a date that was taken in long ago.
        taken_in = work.counted if is_anew else work.taken_in
        new = {one.run_date for one in taken_in}
        intake = self._intake(shape)
        files = await self.reading.bronze(taken_in)
        taken = await intake.take_in(files, new=new, relation=_RECORDS)
        job.account.phase("merging")

        async def everything(keys: str | None) -> str:
            if taken_in == work.counted and keys is None:
                return _RECORDS
            wanted = None
            if keys is not None:
                wanted = _KEYS
                named = ", ".join(
                    f"k{number} AS {identifier(name)}" for number, name in enumerate(shape.keys)
                )
                await self.database.execute(f"CREATE VIEW {_KEYS} AS SELECT {named} FROM {keys}")
            every = await self.reading.bronze(work.counted)
            await intake.take_in(every, new=(), relation=_ALL, keys=wanted)
            return _ALL

        plan = await plan_merge(
            self.database,
            shape,
            held,
            News(
                records=_RECORDS,
                dates=tuple(sorted(new)),
                back=tuple(sorted(new & work.before.keys())),
                gone=tuple(one.run_date for one in work.retained),
                snapshots=tuple(one.run_date for one in work.counted) if shape.is_snapshot else (),
            ),
            everything,
            max_rows=job.silver.output.max_rows_per_file,
            anew=is_anew,
        )
        return taken, plan

    async def _check_reach(self, shape: Shape, held: Held) -> None:
        """Raise QualityError for a time that a column has no place for any more, of a date that
        Bronze can't be asked for again."""
        retained = [one.run_date for one in self.job.work.retained]
        for name, times in too_far(shape, held, retained) if retained else ():
            found = await self.database.execute(f"{times} LIMIT 1")
            if found:
                ((value, day),) = found
                raise QualityError(
                    f"column {name!r} is of nanoseconds in Bronze now, which end in 2262, and the"
                    f" table has {value} of {day}, which Bronze has no more; nothing was published;"
                    " land the dates with nanoseconds again in microseconds (schema.columns of the"
                    f" pipeline), or give up rows like this one: land {day} again without them, or"
                    f" `bronze silver {self.job.pipeline.name} --rebuild`",
                    column=name,
                )

    def _intake(self, shape: Shape) -> Intake:
        job, work = self.job, self.job.work
        judge = None
        rules = job.silver.quality.rules
        if rules:
            judge = Judge(
                rules,
                shape,
                job.services.budget,
                job.services.workers,
                run=job.identity.run,
                began=job.identity.started_at,
                newest=work.run_date,
                history=job.standing,
            )
        first = min(
            [one.run_date for one in work.counted] + [one.run_date for one in work.retained]
        )
        return Intake(
            self.database,
            job.services.workers,
            job.pipeline,
            shape,
            first=first,
            judge=judge,
            rejects=self.rejects,
        )


def _is_otherwise(schema: pa.Schema, before: Manifest) -> bool:
    """Whether a column that the table has is of another type now, or is none: all of its files
    have one type a column."""
    now = {field.name: field.type for field in schema}
    return any(now.get(field.name) != field.type for field in schema_of(before))


def _names(before: Manifest | None) -> frozenset[str]:
    return frozenset() if before is None else before.names
