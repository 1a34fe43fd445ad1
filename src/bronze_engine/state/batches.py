"""Reports of batches, at `_runs/_batches/{date}/{batch}.json`.

No system's name begins with an underscore, so no pipeline's reports lie there.
"""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timedelta
from typing import Final

import msgspec

from bronze_engine.contracts import Store
from bronze_engine.errors import BronzeError, OutcomeUnknown, StateError
from bronze_engine.model.batch import BatchReport
from bronze_engine.model.damaged import DAMAGED
from bronze_engine.model.part import ANY
from bronze_engine.model.version import check_version

__all__ = ["FORMAT_VERSION", "decode", "encode", "key_of", "last", "new_id", "read", "write"]

FORMAT_VERSION: Final = 1
_FOLDER: Final = "_runs/_batches/"
_ID: Final = re.compile(
    r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)T\d{9}Z-[0-9a-f]{6}(?:\.(?P<shard>\d+of\d+))?",
    re.ASCII,
)
_RECENT_DAYS: Final = 7
"""So many days are listed one by one for the last batch, before all of them are: with an hourly
batch of a hundred shards a year has a million reports."""


def new_id(now: datetime, shard: str | None = None) -> str:
    """An id that sorts by time and says of which shard it is: `20250115T061500123Z-3f9c1a.7of100`.

    `now` is in UTC, `shard` is `i/n`.
    """
    suffix = "" if shard is None else f".{shard.replace('/', 'of')}"
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03}Z-{uuid.uuid4().hex[:6]}{suffix}"


def key_of(batch: str) -> str | None:
    """Where the report of a batch lies; None for what `new_id` has not made."""
    found = _ID.fullmatch(batch)
    if found is None:
        return None
    return f"{_FOLDER}{found['year']}-{found['month']}-{found['day']}/{batch}.json"


def encode(report: BatchReport) -> bytes:
    """As it is stored: without the reports of its runs, which are stored one by one."""
    body = msgspec.json.encode(report.without_reports(), order="deterministic")
    return msgspec.json.format(body) + b"\n"


def decode(body: bytes, key: str) -> BatchReport:
    """Raises StateError (STATE001) for what is no report, or is of a newer format."""
    try:
        report = msgspec.json.decode(body, type=BatchReport)
    except DAMAGED as exc:
        raise StateError(
            f"{key} is no report of a batch: {exc}; remove it, and `last` is the one before it, or"
            " run the batch itself again",
            key=key,
        ) from exc
    check_version(key, report.format_version, FORMAT_VERSION)
    return report


async def write(store: Store, batch: str, body: bytes) -> tuple[str, ...]:
    """Write what `encode` has made; it takes the place of an earlier one. Returns warnings.

    Never raises for the store's faults: what the report tells of has happened.
    """
    key = key_of(batch)
    if key is None:
        return (f"batch {batch!r} has no id of ours; its report was not written",)
    try:
        await store.put(key, body, expect=ANY)
    except (BronzeError, OutcomeUnknown) as exc:
        return (f"{key} was not written: {exc}",)
    return ()


async def read(store: Store, batch: str) -> bytes | None:
    """The stored report of a batch, to be decoded; None where there is none."""
    key = key_of(batch)
    found = None if key is None else await store.get(key)
    return None if found is None else found.body


async def last(store: Store, now: datetime, shard: str | None = None) -> str | None:
    """The id of the batch that began last, of those of this shard; found by listing keys alone."""
    suffix = None if shard is None else shard.replace("/", "of")
    days = [f"{(now - timedelta(days=back)):%Y-%m-%d}/" for back in range(-1, _RECENT_DAYS)]
    for folder in [*days, ""]:
        newest: str | None = None
        async for info in store.scan(f"{_FOLDER}{folder}"):
            batch = info.key.rpartition("/")[2].removesuffix(".json")
            found = _ID.fullmatch(batch)
            if found is not None and key_of(batch) == info.key and found["shard"] == suffix:
                newest = batch if newest is None else max(newest, batch)
        if newest is not None:
            return newest
    return None
