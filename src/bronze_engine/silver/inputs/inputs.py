"""Which generations of Bronze a run of Silver takes in. Pure: manifests in, a decision out.

The table is a function of the generations that it counts. Of the dates that it may know (all,
or those that it has and those that are asked for) the newest says which count: under full loads
every date that was loaded in full, else the dates of its epoch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Final, Literal

import msgspec

from bronze_engine.config.silver_identity import SILVER_CHANGED
from bronze_engine.errors import StateError
from bronze_engine.model.curated import SilverInput
from bronze_engine.model.manifest import Load, Manifest
from bronze_engine.model.silver import BronzeInput

__all__ = ["Landed", "Work", "lost_rows", "select"]

_SHOWN: Final = 5


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """A committed partition of Bronze, as it was read."""

    manifest: Manifest
    sha256: str
    """Of the manifest's bytes."""

    @property
    def run_date(self) -> date:
        return self.manifest.run_date

    def as_input(
        self,
        *,
        rejected: int = 0,
        late: int = 0,
        standing: int | None = None,
        quarantine: str = "",
    ) -> BronzeInput:
        """How the table's manifest names it."""
        manifest = self.manifest
        return BronzeInput(
            run_date=manifest.run_date,
            generation=manifest.generation,
            epoch=manifest.epoch,
            run=manifest.run,
            rows=manifest.row_count,
            manifest_sha256=self.sha256,
            rejected=rejected,
            late=late,
            standing=standing,
            quarantine=quarantine,
        )


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has to do."""

    load: Load
    """Of the newest date."""
    epoch: int
    """Of the newest date."""
    run_date: date
    """The newest that the table will count."""
    counted: tuple[Landed, ...]
    """By run date: all that the table will hold, of what Bronze has."""
    retained: tuple[BronzeInput, ...] = ()
    """What the table holds and will hold, and Bronze has no more."""
    new: tuple[date, ...] = ()
    relanded: tuple[date, ...] = ()
    """In the table, and landed again since: what came of them is taken back first."""
    inputs: tuple[SilverInput, ...] = ()
    """What this run takes in."""
    pending: tuple[SilverInput, ...] = ()
    """What it leaves to a later one."""
    before: dict[date, BronzeInput] = {}
    """What the table holds."""
    rebuild: str | None = None
    """Why all of it is made anew; None where only what has changed is."""
    lost: tuple[BronzeInput, ...] = ()
    """What the table holds and Bronze has no more, and the rebuild that was asked for gives up."""

    @property
    def is_nothing(self) -> bool:
        """Whether the table is as it would become."""
        return self.rebuild is None and not self.new and not self.relanded

    @property
    def taken_in(self) -> tuple[Landed, ...]:
        """Those whose records are read: the new and the landed again, of a rebuild all."""
        if self.rebuild is not None:
            return self.counted
        dates = {*self.new, *self.relanded}
        return tuple(each for each in self.counted if each.run_date in dates)


def select(
    pipeline: str,
    landed: Mapping[date, Landed],
    base: Manifest | None,
    *,
    asked: Collection[date] | None,
    rebuild: bool,
    config_hash: str,
    judges_lateness: bool = False,
) -> Work:
    """Decide what a run does to the table whose manifest is `base`.

    `landed` is all that Bronze has; `asked` are the dates whose new generations are taken in,
    None for all. A date of the table that was landed again is always taken in: what the table
    has of it can't be read again. With `judges_lateness` so is the date that was the first where
    an earlier one comes: it had no late records, and may have some now. Raises StateError where
    there is nothing to make a table of, and where rows would be lost that Bronze has no more.
    """
    before = {} if base is None or base.silver is None else _by_date(base.silver.inputs)
    _check_asked(pipeline, landed, before, asked)
    known = {
        day: one for day, one in landed.items() if asked is None or day in asked or day in before
    }
    away = {day: one for day, one in before.items() if day not in landed}
    gone = {} if rebuild else away
    newest = _newest_date(pipeline, known, gone)
    load, epoch = _load_of(newest, known, gone, base)
    counted = tuple(known[day] for day in sorted(known) if _counts(known[day], load, epoch))
    retained = _retained(gone, base, load, epoch)
    standing = {one.run_date for one in counted} | {one.run_date for one in retained}
    why = _why_rebuild(
        base, rebuild=rebuild, config_hash=config_hash, load=load, lost=before.keys() - standing
    )
    if why is not None:
        _check_nothing_lost(pipeline, retained, why)
    new = tuple(one.run_date for one in counted if one.run_date not in before)
    first = min(before, default=None)
    judged_anew = first if judges_lateness and first != min(standing) else None
    relanded = _relanded(counted, before, judged_anew)
    taken = {one.run_date for one in counted} if why is not None else {*new, *relanded}
    return Work(
        load=load,
        epoch=epoch,
        run_date=max(standing),
        counted=counted,
        retained=retained,
        new=new,
        relanded=relanded,
        inputs=tuple(_told(one, before) for one in counted if one.run_date in taken)
        + tuple(
            SilverInput(run_date=one.run_date, change="gone", before=one.generation)
            for one in retained
        ),
        pending=tuple(
            _told(landed[day], before)
            for day in sorted(landed.keys() - known.keys())
            if _counts(landed[day], load, epoch) or day > newest
        ),
        before=before,
        rebuild=why,
        lost=tuple(away[day] for day in sorted(away)) if rebuild else (),
    )


def _by_date(inputs: Collection[BronzeInput]) -> dict[date, BronzeInput]:
    return {one.run_date: one for one in inputs}


def _check_asked(
    pipeline: str,
    landed: Mapping[date, Landed],
    before: Mapping[date, BronzeInput],
    asked: Collection[date] | None,
) -> None:
    if asked is None or any(day in landed or day in before for day in asked):
        return
    first, last = min(asked, default=None), max(asked, default=None)
    which, command = "no date", f"run {pipeline}"
    if first is not None and first == last:
        which, command = f"{first}", f"run {pipeline} --date {first}"
    elif first is not None:
        which, command = f"{first} to {last}", f"backfill {pipeline} --from {first} --to {last}"
    raise StateError(
        f"{pipeline} has no committed Bronze for {which}; run it first"
        f" (`bronze {command} --only bronze`)",
        pipeline=pipeline,
    )


def _newest_date(
    pipeline: str, known: Mapping[date, Landed], gone: Mapping[date, BronzeInput]
) -> date:
    if known or gone:
        return max([*known, *gone])
    raise StateError(
        f"{pipeline} has no committed Bronze to make a table of; run it first"
        f" (`bronze run {pipeline} --only bronze`)",
        pipeline=pipeline,
    )


def _load_of(
    newest: date,
    known: Mapping[date, Landed],
    gone: Mapping[date, BronzeInput],
    base: Manifest | None,
) -> tuple[Load, int]:
    """What the newest date is a load of, and its epoch."""
    if newest in known:
        manifest = known[newest].manifest
        return manifest.load, manifest.epoch
    assert base is not None  # noqa: S101  # it names those that are gone
    return base.load, gone[newest].epoch


def _counts(landed: Landed, load: Load, epoch: int) -> bool:
    manifest = landed.manifest
    return manifest.load == "full" if load == "full" else manifest.epoch == epoch


def _retained(
    gone: Mapping[date, BronzeInput], base: Manifest | None, load: Load, epoch: int
) -> tuple[BronzeInput, ...]:
    """Of the dates that Bronze has no more those whose rows stay in the table."""
    if base is None or base.load != load:
        return ()
    return tuple(gone[day] for day in sorted(gone) if load == "full" or gone[day].epoch == epoch)


def _relanded(
    counted: Sequence[Landed], before: Mapping[date, BronzeInput], judged_anew: date | None
) -> tuple[date, ...]:
    """The dates of the table whose records it takes back and applies anew."""
    return tuple(
        one.run_date
        for one in counted
        if one.run_date in before
        and (before[one.run_date].manifest_sha256 != one.sha256 or one.run_date == judged_anew)
    )


def _check_nothing_lost(pipeline: str, retained: Sequence[BronzeInput], why: str) -> None:
    """Raise where a rebuild, and `why` there is one, would take out rows unasked."""
    if retained:
        raise StateError(
            f"{pipeline}: the table holds {_days(retained)}, which Bronze has no more, and must be"
            f" made anew ({why}): their rows would be lost. Land them again, or give them up with"
            f" `bronze silver {pipeline} --rebuild`",
            pipeline=pipeline,
        )


def _why_rebuild(
    base: Manifest | None, *, rebuild: bool, config_hash: str, load: Load, lost: Collection[date]
) -> str | None:
    if rebuild:
        return "it was asked for"
    if base is None:
        return "there is no table yet"
    if base.config_hash != config_hash:
        return SILVER_CHANGED
    if base.load != load:
        return f'it was made of load = "{base.load}", and the newest date is of load = "{load}"'
    if lost:
        return "a new epoch has begun"
    return None


def _told(landed: Landed, before: Mapping[date, BronzeInput]) -> SilverInput:
    manifest = landed.manifest
    had = before.get(landed.run_date)
    change: Literal["new", "re-landed", "again"] = "new"
    if had is not None:
        change = "again" if had.manifest_sha256 == landed.sha256 else "re-landed"
    return SilverInput(
        run_date=landed.run_date,
        change=change,
        generation=manifest.generation,
        before=None if had is None else had.generation,
        rows=manifest.row_count,
        files=len(manifest.files),
        bytes=sum(file.size_bytes for file in manifest.files),
    )


def lost_rows(work: Work) -> str:
    """Which rows a rebuild takes out of the table for good."""
    return f"Bronze has {_days(work.lost)} no more, and the table loses their rows"


def _days(inputs: Collection[BronzeInput]) -> str:
    days = [str(one.run_date) for one in inputs]
    more = f" and {len(days) - _SHOWN} more dates" if len(days) > _SHOWN else ""
    return ", ".join(days[:_SHOWN]) + more
