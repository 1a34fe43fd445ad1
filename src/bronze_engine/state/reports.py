"""Run reports and the records of failed runs, under `_runs/{system}/{entity}/{date}/`.

Those of Silver lie at `_runs/silver/{system}/{entity}/`: give `silver_system` as the system.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import date, datetime
from heapq import nlargest
from typing import Final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, OutcomeUnknown, StateError
from bronze_engine.model.damaged import DAMAGED
from bronze_engine.model.manifest import run_date_of
from bronze_engine.model.part import ANY, Staged
from bronze_engine.model.report import RunReport
from bronze_engine.state.months import month_prefixes

__all__ = [
    "find_rejected",
    "newest",
    "read",
    "rejected_key",
    "rejected_runs",
    "report_key",
    "silver_system",
    "sweep",
    "write",
]

_REPORT: Final = re.compile(r"(\d{4}-\d\d-\d\d)/([0-9A-Za-z][0-9A-Za-z_-]*)\.json", re.ASCII)
_STAGED: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)/[0-9A-Za-z][0-9A-Za-z_-]*\.rejected\.jsonl\.zst", re.ASCII
)


_KEPT: Final = re.compile(
    r"(?P<run>[0-9A-Za-z][0-9A-Za-z_]*)(?:-(?P<slice>\d{5,}))?\.rejected\.jsonl\.zst", re.ASCII
)


def silver_system(system: str) -> str:
    """What stands for the system in the keys of Silver's runs."""
    return f"silver/{system}"


def report_key(system: str, entity: str, run_date: date, run: str) -> str:
    return f"_runs/{system}/{entity}/{run_date.isoformat()}/{run}.json"


def rejected_key(system: str, entity: str, run_date: date, run: str) -> str:
    """Where the rejected records of a run that failed its quality check are kept."""
    return f"_runs/{system}/{entity}/{run_date.isoformat()}/{run}.rejected.jsonl.zst"


async def write(store: Store, report: RunReport) -> tuple[str, ...]:
    """Write the report; a later attempt of the same run replaces it. Returns warnings.

    Never raises for the store's faults: what the report tells of has happened.
    """
    system = report.system if report.layer == "bronze" else silver_system(report.system)
    key = report_key(system, report.entity, report.run_date, report.run)
    body = msgspec.json.format(msgspec.json.encode(report, order="deterministic")) + b"\n"
    try:
        await store.put(key, body, expect=ANY)
    except (BronzeError, OutcomeUnknown) as exc:
        return (f"{key} was not written: {exc}",)
    return ()


async def newest(
    store: Store,
    system: str,
    entity: str,
    *,
    limit: int,
    since: date = date.min,
    until: date = date.max,
) -> tuple[tuple[date, str], ...]:
    """(date, run) of the reports that were written last, found by listing keys alone.

    Of the dates from `since` to `until`, both included.
    """
    prefix = f"_runs/{system}/{entity}/"
    parts = (f"{since}/",) if since == until else month_prefixes(since, until)
    found: list[tuple[datetime, date, str]] = []
    for part in parts:
        async for info in store.scan(f"{prefix}{part}"):
            match = _REPORT.fullmatch(info.key.removeprefix(prefix))
            day = run_date_of(f"dt={match[1]}") if match else None
            if match is not None and day is not None and since <= day <= until:
                found.append((info.modified, day, match[2]))
    return tuple((day, run) for _, day, run in nlargest(limit, found))


async def sweep(store: Store, system: str, entity: str, run_date: date) -> tuple[str, ...]:
    """Remove the rejected records that runs of a date were still writing when they were killed.

    For a run that has just committed: no other run of that date can commit any more, and
    one that is about to fail only loses its copy of what it rejected. Returns warnings.
    """
    warnings: list[str] = []
    prefix = f"_runs/{system}/{entity}/{run_date.isoformat()}/"
    try:
        async for staged in store.scan_staged(prefix):
            await store.discard(staged)
    except BronzeError as exc:
        warnings.append(f"{prefix} was not swept: {exc}")
    return tuple(warnings)


async def rejected_runs(
    store: Store, system: str, entity: str, run_date: date
) -> dict[str, tuple[str, ...]]:
    """The runs of a date that failed for rejected records, with the keys of those by slice."""
    prefix = f"_runs/{system}/{entity}/{run_date.isoformat()}/"
    found: dict[str, tuple[str, ...]] = {}
    async for info in store.scan(prefix):
        match = _KEPT.fullmatch(info.key.removeprefix(prefix))
        if match is not None:
            # Those of the first slice have no number, and come last in the order of keys.
            before = found.get(match["run"], ())
            found[match["run"]] = (*before, info.key) if match["slice"] else (info.key, *before)
    return found


async def find_rejected(
    store: Store, system: str, entity: str
) -> AsyncIterator[tuple[date, Staged]]:
    """Rejected records of any date that a run still writes, or wrote when it was killed."""
    prefix = f"_runs/{system}/{entity}/"
    async for staged in store.scan_staged(prefix):
        match = _STAGED.fullmatch(staged.key.removeprefix(prefix))
        day = run_date_of(f"dt={match['day']}") if match else None
        if day is not None:
            yield day, staged


async def read(
    store: Store, system: str, entity: str, run_date: date, run: str
) -> RunReport | None:
    """The report of a run, or None. Raises StateError (STATE001) where it can't be read."""
    key = report_key(system, entity, run_date, run)
    found = await store.get(key)
    if found is None:
        return None
    try:
        return msgspec.json.decode(found.body, type=RunReport)
    except DAMAGED as exc:
        raise StateError(f"{key} is no run report: {exc}; remove it", key=key) from exc
