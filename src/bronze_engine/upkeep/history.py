"""The runs of an entity, newest first: from their reports, and from the manifests' lineage.

A report tells of every run whose stores answered, failed ones included; a manifest tells of
commits, also of those whose report was lost.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from heapq import nlargest
from typing import Final, Literal

import msgspec

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, StateError
from bronze_engine.flow import each
from bronze_engine.model.curated import Curated
from bronze_engine.model.manifest import MANIFEST_NAME, Manifest, run_date_of
from bronze_engine.model.override import Override
from bronze_engine.model.part import ObjectInfo
from bronze_engine.model.report import RunReport
from bronze_engine.model.window import Window
from bronze_engine.publish.base import read_base
from bronze_engine.run.services import Stores
from bronze_engine.state import reports
from bronze_engine.state.partitions import read_partition

__all__ = ["History", "RunRecord", "read_history", "read_table_history"]

_AT_ONCE: Final = 16
_FENCED_BY: Final = ("gc-", "fence-")
"""How the run of a commit begins that garbage collection made, or the next run of a chain to keep
out one that had died: no row of it is new."""

Layer = Literal["bronze", "silver"]
Status = Literal["committed", "failed", "cancelled", "fence"]


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One run, as far as it is known."""

    run: str
    run_date: date
    """Of Silver the newest that the table counted."""
    status: Status
    """"fence": a commit that keeps out a run that died, and kept the rows of the one before it."""
    generation: int | None = None
    is_current: bool = False
    """Whether it is what the partition holds now."""
    has_report: bool = False
    code: str | None = None
    error: str | None = None
    window: Window | None = None
    override: Override | None = None
    rows: int | None = None
    rejected: int | None = None
    files: int | None = None
    bytes_out: int | None = None
    seconds: float | None = None
    started_at: datetime | None = None
    committed_at: datetime | None = None
    """Of the partition's present generation."""
    replay_of: str | None = None
    silver: Curated | None = None
    """Of a run of Silver: what went in, as its report has it."""
    resumed_slices: int = 0
    """Slices that an earlier process of the run had landed."""
    degraded: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The newest runs of one pipeline: of those that land, or of those that curate."""

    layer: Layer = "bronze"
    pipeline: str
    runs: tuple[RunRecord, ...]
    """Newest first."""
    faults: tuple[str, ...] = ()
    """Reports and manifests that can't be read."""


async def read_history(
    stores: Stores, pipeline: Pipeline, *, run_date: date | None, limit: int
) -> History:
    """The `limit` newest runs, of one date where one is given.

    Reports and manifests are listed, and only the `limit` last written of either are read,
    side by side. Raises StoreError.
    """
    system, entity = pipeline.system, pipeline.entity
    found, unread, faults = await _reports(stores, system, entity, run_date, limit)
    manifests: list[Manifest] = []

    async def manifest(day: date) -> None:
        try:
            read = await read_partition(stores.target, system, entity, day)
        except BronzeError as exc:
            faults.append(str(exc))
            return
        if read is not None:
            manifests.append(read)

    days = (
        await _written_last(stores.target, system, entity, limit)
        if run_date is None
        else [run_date]
    )
    await each(days, manifest, at_once=_AT_ONCE)
    return History(
        pipeline=pipeline.name,
        runs=_merged(found, manifests, {_key("bronze", *each) for each in unread})[:limit],
        faults=tuple(sorted(faults)),
    )


async def read_table_history(
    stores: Stores, pipeline: Pipeline, folder: str, *, run_date: date | None, limit: int
) -> History:
    """The same of the runs that made a curated table; a date is the newest that one counted."""
    system, entity = reports.silver_system(pipeline.system), pipeline.entity
    found, unread, faults = await _reports(stores, system, entity, run_date, limit)
    manifests: list[Manifest] = []
    try:
        base = await read_base(stores.target, folder, pipeline=pipeline.name, adopt=True)
    except StateError as exc:
        faults.append(str(exc))
    else:
        if base.committed is not None and run_date in (None, base.committed.run_date):
            manifests.append(base.committed)
    return History(
        layer="silver",
        pipeline=pipeline.name,
        runs=_merged(found, manifests, {_key("silver", *each) for each in unread})[:limit],
        faults=tuple(sorted(faults)),
    )


async def _reports(
    stores: Stores, system: str, entity: str, run_date: date | None, limit: int
) -> tuple[list[RunReport], Sequence[tuple[date, str]], list[str]]:
    """The newest reports, the date and run of the older ones, and why some can't be read."""
    found: list[RunReport] = []
    faults: list[str] = []

    async def report(key: tuple[date, str]) -> None:
        try:
            read = await reports.read(stores.state, system, entity, *key)
        except BronzeError as exc:
            faults.append(str(exc))
            return
        if read is not None:
            found.append(read)

    since, until = (date.min, date.max) if run_date is None else (run_date, run_date)
    keys = await reports.newest(
        stores.state, system, entity, limit=sys.maxsize, since=since, until=until
    )
    await each(keys[:limit], report, at_once=_AT_ONCE)
    return found, keys[limit:], faults


async def _written_last(store: Store, system: str, entity: str, limit: int) -> list[date]:
    """The dates whose manifests were written last."""
    prefix = f"{system}/{entity}/"
    dates: list[tuple[datetime, date]] = []
    async for info in store.scan(f"{prefix}dt="):
        day = _day_of(info, prefix)
        if day is not None:
            dates.append((info.modified, day))
    return [day for _, day in nlargest(limit, dates)]


def _day_of(info: ObjectInfo, prefix: str) -> date | None:
    folder, _, name = info.key.removeprefix(prefix).partition("/")
    return run_date_of(folder) if name == MANIFEST_NAME else None


def _merged(
    found: Sequence[RunReport], manifests: Iterable[Manifest], unread: Collection[tuple[date, str]]
) -> tuple[RunRecord, ...]:
    """One record a run. A resumed run has one report, and one commit.

    Of a lineage all is older than what was found from the first run on whose report is `unread`.
    """
    records = {_key(each.layer, each.run_date, each.run): _reported(each) for each in found}
    order = {key: (_instant(record), record.generation or 0) for key, record in records.items()}
    for manifest in manifests:
        bound = manifest.written_at
        layer: Layer = "bronze" if manifest.silver is None else "silver"
        for lineage in manifest.lineage:
            key = _key(layer, manifest.run_date, lineage.run)
            is_current = lineage.generation == manifest.generation
            if key in records:
                known = records[key]
                bound = min(bound, _instant(known))
                if is_current:
                    records[key] = _current(known, manifest)
                elif known.status != "committed":  # its report was lost between two attempts
                    records[key] = msgspec.structs.replace(
                        known, status="committed", generation=lineage.generation
                    )
                continue
            if key in unread and not is_current:
                break
            record = RunRecord(
                run=lineage.run,
                run_date=manifest.run_date,
                status="fence" if lineage.run.startswith(_FENCED_BY) else "committed",
                generation=lineage.generation,
            )
            records[key] = _current(record, manifest) if is_current else record
            order[key] = (bound, lineage.generation)  # before the next one: nothing says when
    return tuple(records[key] for key in sorted(records, key=order.__getitem__, reverse=True))


def _key(layer: Layer, run_date: date, run: str) -> tuple[date, str]:
    """A table's manifest has one date, its runs had others; a fence has one name on all dates."""
    return (run_date if layer == "bronze" else date.min, run)


def _instant(record: RunRecord) -> datetime:
    assert record.started_at is not None  # noqa: S101  # every report has it
    return record.started_at


def _reported(report: RunReport) -> RunRecord:
    return RunRecord(
        run=report.run,
        run_date=report.run_date,
        status=report.status,
        generation=report.generation,
        has_report=True,
        code=report.error_code,
        error=report.error,
        window=report.watermark,
        rows=report.rows,
        rejected=report.rejected,
        files=report.files,
        bytes_out=report.bytes_out,
        seconds=report.seconds,
        started_at=report.started_at,
        replay_of=report.replay_of,
        silver=report.silver,
        resumed_slices=report.resumed_slices,
        degraded=report.degraded,
        warnings=report.warnings,
    )


def _current(record: RunRecord, manifest: Manifest) -> RunRecord:
    """With what the manifest says of the run: of a fence, of the rows that it kept."""
    return msgspec.structs.replace(
        record,
        status="committed" if record.status != "fence" else "fence",
        generation=manifest.generation,
        is_current=True,
        code=None,
        error=None,
        window=manifest.watermark,
        override=manifest.override,
        rows=manifest.row_count,
        rejected=record.rejected
        if manifest.silver and record.has_report
        else manifest.rejected_count,
        files=len(manifest.files),
        bytes_out=sum(file.size_bytes for file in manifest.files),
        seconds=manifest.duration_seconds if record.seconds is None else record.seconds,
        committed_at=manifest.written_at,
        replay_of=manifest.replay_of,
    )
