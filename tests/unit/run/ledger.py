"""A table that grows, changes and forgets, and what its union over partitions must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from bronze_engine.contracts import Decoder, Emit, Preview, Request, Resources, Source
from bronze_engine.model.slice import Slice
from bronze_engine.model.window import Bounds
from bronze_engine.testing import Step, page

__all__ = ["START", "Ledger", "Row", "Steps"]

START: Final = datetime(2025, 1, 15, tzinfo=UTC)


class Row(NamedTuple):
    """One version of a record."""

    id: int
    version: int
    at: datetime

    @property
    def record(self) -> dict[str, Any]:
        at = self.at.isoformat(timespec="milliseconds")
        return {"id": self.id, "version": self.version, "updated_at": at}


class Ledger:
    """The source: what is visible in it, and what is written but not yet committed.

    A row carries the instant of its writing; it is seen from when its transaction commits, at
    most `late` later. It answers as APIs do: with all at or above what it is asked for.
    """

    def __init__(self, late: timedelta) -> None:
        self.late = late
        self.now = START
        self.visible: dict[int, Row] = {}
        self.pending: list[Row] = []
        self.ever: set[tuple[int, int]] = set()
        """Every version that could ever be seen."""
        self._ids = 0
        self._versions = 0

    def insert(self) -> Row:
        self._ids += 1
        return self._write(self._ids)

    def update(self, id_: int) -> Row:
        return self._write(id_)

    def delete(self, id_: int) -> None:
        self.visible.pop(id_, None)

    def commit(self, row: Row) -> None:
        """What a later transaction has written over meanwhile stays as that left it."""
        standing = self.visible.get(row.id)
        if standing is None or standing.version < row.version:
            self.visible[row.id] = row
            self.ever.add((row.id, row.version))
        if row in self.pending:
            self.pending.remove(row)

    def tick(self, seconds: float) -> None:
        """Time passes; nothing stays uncommitted for longer than `late`."""
        then = self.now + timedelta(seconds=seconds)
        for row in [row for row in self.pending if row.at + self.late <= then]:
            self.commit(row)
        self.now = then

    def answer(self, request: Request, slices: int) -> Sequence[Sequence[Step]]:
        """Some slices, a page each, in the order of the cursor."""
        low = None if request.read_from is None else datetime.fromisoformat(request.read_from)
        rows = sorted(self.visible.values(), key=lambda row: (row.at, row.id))
        found = [row.record for row in rows if low is None or row.at >= low]
        as_of = self.now.replace(microsecond=0)  # a Date header has whole seconds
        size = max(1, -(-len(found) // slices))
        cut = [found[at : at + size] for at in range(0, max(1, len(found)), size)]
        return [[page(1, *records, as_of=as_of)] for records in cut]

    def between(self, low: datetime | None, high: datetime) -> list[dict[str, Any]]:
        """The records above `low`, up to `high`, in the order of the cursor."""
        rows = sorted(self.visible.values(), key=lambda row: (row.at, row.id))
        return [row.record for row in rows if (low is None or row.at > low) and row.at <= high]

    def faults(self, landed: Iterable[dict[str, Any]], *, twice: bool) -> list[str]:
        """How the union of all partitions differs from the source, after a run that saw all of it.

        Deletions are not seen, and older versions may stand beside the newest one. `twice`
        says whether one version may come with several windows (a lookback).
        """
        seen = Counter((row["id"], row["version"]) for row in landed)
        newest: dict[int, int] = {}
        for id_, version in seen:
            newest[id_] = max(version, newest.get(id_, 0))
        faults = [f"{id_}@{version} was never there" for id_, version in seen.keys() - self.ever]
        if not twice:
            faults += [f"{each} came {count} times" for each, count in seen.items() if count > 1]
        for id_, row in self.visible.items():
            if newest.get(id_) != row.version:
                faults.append(f"{id_} is at {row.version}, and landed at {newest.get(id_)}")
        return faults

    def _write(self, id_: int) -> Row:
        self._versions += 1
        self.now += timedelta(milliseconds=1)
        row = Row(id_, self._versions, self.now)
        self.pending.append(row)
        return row


class _Step(msgspec.Struct, frozen=True):
    """One step of a window, and where the window ends: it was fixed when the reading began."""

    low: datetime | None
    high: datetime
    end: datetime
    as_of: datetime


class Steps:
    """`contracts.SourceType`: the ledger in steps of a quarter of an hour, one slice each, which
    a run that was cut off resumes from."""

    WIDTH: Final = timedelta(minutes=15)

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.resumed = 0
        """Runs that went on where another was cut off."""

    def floor_bytes(self, _config: object, /) -> int:
        return 1024

    def slices_at_once(self, _config: object, /) -> int:
        return 1

    @asynccontextmanager
    async def open(
        self, _config: object, request: Request, resources: Resources, /
    ) -> AsyncIterator[Source]:
        self.resumed += request.resumed is not None
        yield _Reading(self.ledger, request, resources)


class _Reading:
    token: Final = "steps"  # the window is what decides, and a plan has that

    def __init__(self, ledger: Ledger, request: Request, resources: Resources) -> None:
        self._ledger = ledger
        self._request = request
        self._resources = resources

    def preview(self) -> Preview:
        return Preview(location="ledger:", first="the ledger", slices=("steps",))

    async def check(self) -> str:
        return "a ledger"

    async def slices(self) -> AsyncIterator[Slice]:
        as_of = self._ledger.now.replace(microsecond=0)
        cap = self._request.cap
        end = as_of if cap is None else min(as_of, datetime.fromisoformat(cap))
        low = self._request.read_from
        begin = None if low is None else datetime.fromisoformat(low) - timedelta(milliseconds=1)
        first = START if begin is None else begin
        yield _piece(0, _Step(begin, min(end, first + Steps.WIDTH), end, as_of))

    async def read(self, piece: Slice, emit: Emit, /) -> Slice | None:
        step = msgspec.json.decode(piece.spec, type=_Step)
        records = self._ledger.between(step.low, step.high)
        bounds = Bounds(None if step.low is None else step.low.isoformat(), step.high.isoformat())
        block = page(piece.index + 1, *records, as_of=step.as_of)
        await emit(msgspec.structs.replace(block, bounds=bounds))
        if step.high >= step.end:
            return None
        following = min(step.end, step.high + Steps.WIDTH)
        return _piece(piece.index + 1, _Step(step.high, following, step.end, step.as_of))

    def decoder(self) -> Decoder:
        return self._resources.json_decoder(self._request)


def _piece(index: int, step: _Step) -> Slice:
    return Slice(
        index=index, label=f"up to {step.high}", spec=msgspec.Raw(msgspec.json.encode(step))
    )
