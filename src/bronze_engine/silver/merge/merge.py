"""How the next generation of a table comes of the one that stands and of what is new.

    append      the new records decide together with the rows of their keys
    recompute   of some keys that is not enough: all that Bronze has of them is read again
    rebuild     there is no table yet, or it is not to be relied on: all is made of Bronze

A file none of whose keys has changed stays. The others are read once for their keys, and once
more, whole, to be written in their order without the rows that go; what takes their place is
written after them, in files of its own. Keys and positions of what is new are all that is held of
it meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import date
from typing import Final, Literal, final

from bronze_engine.model.changes import ChangeCounts
from bronze_engine.model.part import DataFile
from bronze_engine.silver.columns.shape import BRONZE_DATE, CURRENT, IS_DELETE, PART, ROW, Shape
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.database.sql import columns, identifier, literal
from bronze_engine.silver.fold.fold import (
    marks_of,
    table_columns,
    table_schema,
    unlike_of,
)
from bronze_engine.silver.fold.winners import NO_DELETE, at, key_names
from bronze_engine.silver.merge.counts import count_changes, living_marks, living_rows
from bronze_engine.silver.merge.facts import (
    ANEW,
    DIFFERS,
    KNOWN,
    LEAVING,
    MARKS,
    NEW,
    TOUCHED,
    changed_marks,
    changed_unlike,
    ended_keys,
    known_of,
    leaving_rows,
    new_of,
    revealed_keys,
    traced_keys,
    undecided_keys,
)
from bronze_engine.silver.merge.files import rewritten, together
from bronze_engine.silver.merge.held import Held, HeldFile, departed_rows, retained_records, rows
from bronze_engine.silver.merge.outputs import (
    data_of,
    departures,
    events,
    made_rows,
    same_row,
)
from bronze_engine.silver.merge.plan import MergePlan, News, Output
from bronze_engine.silver.merge.relations import Relations
from bronze_engine.silver.merge.snapshots import differing_keys, otherwise_keys
from bronze_engine.silver.merge.survivors import Survivors

__all__ = ["Everything", "MergePlan", "News", "Output", "plan_merge"]

Everything = Callable[[str | None], Awaitable[str]]
"""Makes a relation of the records of all dates that count and that Bronze has, and returns its
name: of the keys in a relation (k0, k1, … as in Shape.keys; NULL is a value) alone, where one is
named. Called once at the most."""

_ALL: Final = "merge_all"
_ALL_MARKS: Final = "merge_all_marks"
_VALUES: Final = "merge_values"
_GONE: Final = "merge_gone"
_OTHERWISE: Final = "merge_otherwise"
_ENDED: Final = "merge_ended"
_LOOKED_AT: Final = "merge_looked_at"
_PLACE: Final = f"{identifier(PART)} AS part, {identifier(ROW)} AS nth"


async def plan_merge(
    database: Database,
    shape: Shape,
    held: Held | None,
    news: News,
    everything: Everything,
    *,
    max_rows: int,
    anew: bool = False,
) -> MergePlan:
    """Decide, by relations within `database`, what changes; the outputs are for the caller to run.

    `held` is None where all is made anew of Bronze alone; with `anew` all is, too, but for what the
    table has of dates that are gone from there. `max_rows` is the size of a full file. Relations
    whose names begin with `merge_` are this module's.
    """
    merge = _Merge(database, shape, news, everything)
    if held is None:
        return await merge.rebuild()
    if not shape.keys:
        return await merge.add_up(held, max_rows, anew=anew)
    if anew:
        return await merge.from_all(held)
    in_order = not news.dates or min(news.dates) > max(held.dates, default=date.min)
    if shape.is_snapshot and shape.history == "current":
        if shape.sees_deletes and shape.deletes == "hard":
            return await merge.from_newest(held, in_order=in_order)
        if not in_order:
            return await merge.from_all(held)
    return await merge.by_key(held, max_rows, in_order=in_order)


@final
class _Merge:
    def __init__(
        self, database: Database, shape: Shape, news: News, everything: Everything
    ) -> None:
        self.database = database
        self.shape = shape
        self.news = news
        self.everything = everything
        self.made = Relations(database, shape)
        self.looked_at: str | None = None
        """The records of Bronze that were read to decide, of more keys than are made anew."""

    async def rebuild(self) -> MergePlan:
        """All of Bronze, and nothing else."""
        shape, records = self.shape, await self.everything(None)
        if not shape.keys:
            return self._plan("rebuild", (), (), [events(shape, records)], 0)
        return await self._made_of(records, self.news.snapshots, "rebuild")

    async def from_all(self, held: Held) -> MergePlan:
        """All of Bronze, and what the table has of dates that are gone from there."""
        await self._all(held, None)
        return await self._made_of(_ALL, self.news.snapshots, "recompute")

    async def from_newest(self, held: Held, *, in_order: bool) -> MergePlan:
        """Of snapshots without a past the newest is all there is."""
        news = self.news
        mode: Literal["append", "recompute"] = "append" if in_order else "recompute"
        if max(held.dates, default=date.min) > max(news.dates, default=date.min):
            return self._plan(mode, _others(held.files, ()), (), (), 0)
        return await self._made_of(news.records, news.dates, mode)

    async def add_up(self, held: Held, max_rows: int, *, anew: bool) -> MergePlan:
        """Events without keys: all that came, without what is taken back."""
        shape, back = self.shape, ", ".join(literal(day) for day in sorted(self.news.back))
        landed = identifier(BRONZE_DATE)
        hit = set(range(len(held.files))) if anew else set[int]()
        if back and not anew:
            every = rows(shape, _numbered(held.files))
            hit = await self.made.numbers(f"({every}) WHERE {landed} IN ({back})", identifier(PART))
        again = rewritten(held.files, hit, max_rows=max_rows)
        outputs: list[Output | Survivors] = [events(shape, self.news.records)]
        if again and anew:  # types differ
            where = f" WHERE {landed} NOT IN ({back})" if back else ""
            kept = rows(shape, _numbered(held.files, again))
            sql = f"SELECT {columns(table_columns(shape))} FROM ({kept}){where}"
            outputs.insert(0, data_of(shape, f"{sql} ORDER BY {columns((BRONZE_DATE, PART, ROW))}"))
        elif again:
            if back:
                taken = f"({rows(shape, _numbered(held.files, again))}) WHERE {landed} IN ({back})"
                await self.made.table(_GONE, _places(f"SELECT {_PLACE} FROM {taken}"))
            outputs[:0] = self._survivors(held, again, _GONE if back else None, max_rows)
        mode: Literal["append", "recompute"] = "recompute" if back or anew else "append"
        counts = None
        if not anew:
            counts = ChangeCounts(
                inserts=await self.made.count(f"{self.news.records} WHERE {NO_DELETE}"),
                deletes=await self.made.count(_GONE) if back and again else 0,
            )
        return self._plan(mode, _others(held.files, again), (), outputs, 0, changes=counts)

    async def by_key(self, held: Held, max_rows: int, *, in_order: bool) -> MergePlan:
        """The keys of what is new, and no others."""
        shape, news, full = self.shape, self.news, self.shape.history == "full"
        every = rows(shape, _numbered(held.files))
        ends = departed_rows(shape, _numbered(held.departed)) if held.departed else None
        await self._decide(held, every, ends, in_order=in_order)
        hit = await self.made.numbers(f"{LEAVING} WHERE NOT is_end", "part")
        ends_hit = (
            await self.made.numbers(f"{LEAVING} WHERE is_end", "part") if held.departed else set()
        )
        removed = await self.made.count(f"{LEAVING} WHERE NOT gone") if full else 0
        sources = [
            (news.records, f"SELECT * FROM {MARKS} WHERE part >= 0"),
            (_rows_at(shape, held, hit), f"SELECT * FROM {MARKS} WHERE part < 0"),
        ]
        marks = [MARKS]
        anew = await self.made.count(ANEW)
        gone = f"SELECT part, nth FROM {LEAVING} WHERE NOT is_end"
        keys = ", ".join(key_names(shape))
        lived = [f"SELECT {keys} FROM {LEAVING} WHERE NOT is_end AND NOT gone"]
        if anew:
            traced = _of_keys(shape, every, ANEW)
            hit |= await self.made.numbers(traced, identifier(PART))
            gone += f" UNION ALL SELECT {_PLACE} FROM {traced}"
            lived.append(living_rows(shape, traced))
            removed += await self.made.count(f"{traced} WHERE {identifier(CURRENT)}") if full else 0
            if ends is not None:
                ends_hit |= await self.made.numbers(_of_keys(shape, ends, ANEW), identifier(PART))
            await self._all(held, ANEW)
            await self._all_marks(_ALL, news.snapshots)
            sources.append((_ALL, f"SELECT * FROM {_ALL_MARKS}"))
            marks.append(_ALL_MARKS)
        again = rewritten(held.files, hit, max_rows=max_rows)
        await self.made.table(_GONE, _places(gone))
        ends_again = rewritten(held.departed, ends_hit, max_rows=max_rows)
        gone_again = _numbered(held.departed, ends_again)
        return self._plan(
            "recompute" if anew or news.back else "append",
            _others(held.files, again),
            _others(held.departed, ends_again),
            [
                *self._survivors(held, again, _GONE, max_rows),
                *await made_rows(self.database, shape, sources),
                *await departures(self.database, shape, marks, gone_again),
            ],
            held.current_rows - removed + await self._current(marks),
            anew_keys=anew,
            changes=await count_changes(
                self.database, shape, lived, [living_marks(shape, each) for each in marks]
            ),
        )

    async def _decide(self, held: Held, every: str, ends: str | None, *, in_order: bool) -> None:
        """NEW, KNOWN, ANEW, MARKS, TOUCHED and LEAVING."""
        shape, news = self.shape, self.news
        keys = ", ".join(key_names(shape))
        versions = shape.is_snapshot and shape.history == "full"
        if versions and in_order:
            found = differing_keys(shape, news.records, f"({every})", news.dates)
            await self.made.keys(DIFFERS, found)
        elif versions:
            await self._compare(every, ends)
            # None of them is decided here.
            await self.made.table(DIFFERS, f"SELECT {keys} FROM {_OTHERWISE} WHERE FALSE")
        await self.made.table(NEW, new_of(shape, news.records, differing=versions))
        vanishing = shape.is_snapshot and shape.sees_deletes
        of = DIFFERS if versions else NEW
        known = known_of(shape, every, ends, of, vanishing=vanishing and not versions)
        await self.made.table(KNOWN, known)
        undecided = [undecided_keys(shape, in_order=in_order)]
        if versions and not in_order:
            undecided.append(f"SELECT {keys} FROM {_OTHERWISE}")
        elif news.back:
            undecided.append(traced_keys(shape, every, ends, news.back))
            undecided += await self._revealed(undecided, every, ends)
        await self.made.table(
            ANEW, f"SELECT DISTINCT {keys} FROM ({' UNION ALL '.join(undecided)})"
        )
        values = news.records
        if shape.history == "full" and at(shape) is None:
            # Only here values are compared: elsewhere they differ by their moments.
            numbers = await self.made.numbers(f"{KNOWN} WHERE NOT is_end", "part")
            compared = rows(shape, _numbered(held.files, numbers))
            own = columns((*shape.names, BRONZE_DATE, PART, ROW))
            values = _VALUES
            await self.database.execute(
                f"CREATE VIEW {_VALUES} AS SELECT {own} FROM {news.records}"
                f" UNION ALL SELECT {own} FROM ({compared})"
            )
        dates = news.dates if vanishing and (in_order or not versions) else ()
        unlike = await self.made.unlike("news", changed_unlike(shape, values, dates))
        await self.made.table(MARKS, changed_marks(shape, values, dates, unlike=unlike))
        if shape.history == "full":
            await self.made.table(TOUCHED, f"SELECT DISTINCT {keys} FROM {MARKS}")
        else:  # each key has one mark
            await self.database.execute(f"CREATE VIEW {TOUCHED} AS SELECT {keys} FROM {MARKS}")
        await self.made.table(LEAVING, leaving_rows(shape))

    async def _revealed(self, undecided: Sequence[str], every: str, ends: str | None) -> list[str]:
        """What of a full history comes to light where dates are taken back, as SELECTs of keys.

        `undecided` are those of the keys that are made anew whatever is found."""
        shape = self.shape
        if shape.history == "current" or at(shape) is None or not shape.sees_deletes:
            return []
        await self.made.table(_ENDED, ended_keys(shape, every, ends))
        if not await self.made.count(_ENDED):
            return []
        looked_at = " UNION ".join([*undecided, f"SELECT * FROM {_ENDED}"])
        await self.made.table(_LOOKED_AT, looked_at)
        self.looked_at = await self.everything(_LOOKED_AT)
        return [revealed_keys(shape, self.looked_at, every, ends, _ENDED, self.news.dates)]

    async def _compare(self, every: str, ends: str | None) -> None:
        """_OTHERWISE: date by date, for each holds the keys of a whole snapshot."""
        shape, news = self.shape, self.news
        found: list[str] = []
        for day in news.dates:
            is_back = day in news.back
            found += otherwise_keys(shape, news.records, every, ends, day, is_back=is_back)
        await self.made.keys(_OTHERWISE, found)

    async def _made_of(
        self,
        records: str,
        snapshots: Sequence[date],
        mode: Literal["append", "recompute", "rebuild"],
    ) -> MergePlan:
        """A table of records alone."""
        await self._all_marks(records, snapshots)
        outputs = [
            *await made_rows(self.database, self.shape, [(records, f"SELECT * FROM {_ALL_MARKS}")]),
            *await departures(self.database, self.shape, [_ALL_MARKS]),
        ]
        return self._plan(mode, (), (), outputs, await self._current([_ALL_MARKS]))

    async def _all_marks(self, records: str, snapshots: Sequence[date]) -> None:
        """_ALL_MARKS: what all records make of their keys."""
        unlike = await self.made.unlike("all", unlike_of(self.shape, records, snapshots))
        marks = marks_of(self.shape, records, snapshots, unlike=unlike)
        await self.made.table(_ALL_MARKS, marks)

    async def _all(self, held: Held, keys: str | None) -> None:
        """The records of Bronze, and what the table has of dates that are gone from there."""
        own = self._record_columns()
        if self.looked_at is None or keys is None:
            records = await self.everything(keys)
        else:
            records = _of_keys(self.shape, f"SELECT * FROM {self.looked_at}", keys)
        retained = ""
        if self.news.gone:
            retained = f" UNION ALL {retained_records(self.shape, held, self.news.gone, keys)}"
        await self.database.execute(f"CREATE VIEW {_ALL} AS SELECT {own} FROM {records}{retained}")

    def _record_columns(self) -> str:
        return columns((*self.shape.names, IS_DELETE, BRONZE_DATE, PART, ROW))

    def _survivors(
        self, held: Held, again: Sequence[int], gone: str | None, max_rows: int
    ) -> list[Survivors]:
        """The rows of files that are written anew, without those that go: of as many files
        together as one may have the rows of."""
        return [
            Survivors(
                files=files,
                gone=gone,
                schema=table_schema(self.shape),
                splits=self.shape.history == "full",
            )
            for files in together(_numbered(held.files, again), max_rows=max_rows)
        ]

    def _plan(
        self,
        mode: Literal["append", "recompute", "rebuild"],
        kept: Sequence[DataFile],
        kept_departed: Sequence[DataFile],
        outputs: Sequence[Output | Survivors],
        current_rows: int,
        *,
        anew_keys: int = 0,
        changes: ChangeCounts | None = None,
    ) -> MergePlan:
        return MergePlan(
            mode=mode,
            kept=tuple(kept),
            kept_departed=tuple(kept_departed),
            outputs=tuple(outputs),
            current_rows=current_rows,
            anew_keys=anew_keys,
            changes=changes,
        )

    async def _current(self, marks: Sequence[str]) -> int:
        if self.shape.history != "full":
            return 0
        return sum([await self.made.count(f"{relation} WHERE is_open") for relation in marks])


def _places(rows: str) -> str:
    """The places (part, nth) of rows of the table as `Survivors` has them."""
    return f"SELECT -1 - part AS file, nth FROM ({rows})"


def _numbered(
    files: Sequence[HeldFile], numbers: Collection[int] | None = None
) -> list[tuple[int, HeldFile]]:
    """Files with their numbers: all, or some."""
    every = enumerate(files)
    return [(number, one) for number, one in every if numbers is None or number in numbers]


def _others(files: Sequence[HeldFile], again: Collection[int]) -> list[DataFile]:
    return [one.file for number, one in enumerate(files) if number not in again]


def _rows_at(shape: Shape, held: Held, numbers: Collection[int]) -> str:
    return f"({rows(shape, _numbered(held.files, numbers))})"


def _of_keys(shape: Shape, table: str, keys: str) -> str:
    """The rows (a relation) whose keys are in a narrow one."""
    return f"(SELECT r.* FROM ({table}) r SEMI JOIN {keys} a ON {same_row(shape, 'r', 'a')})"
