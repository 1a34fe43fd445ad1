"""Bronze's files as the relation of records that a table is made of.

    files -> their SELECTs together -> what no cast, no rule and no lateness keeps out -> a view

Records are read where they lie, as often as they are asked for; nothing of them is copied.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection, Hashable, Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Final, final

import msgspec
import pyarrow as pa

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.silver import Silver
from bronze_engine.errors import QualityError
from bronze_engine.model.block import Reject
from bronze_engine.model.quality import RuleResult
from bronze_engine.model.silver_columns import FAULT, LATE
from bronze_engine.model.types.row_text import printed_rows
from bronze_engine.quality.judge import warnings_of
from bronze_engine.quality.thresholds import KEPT_REJECTS, Threshold
from bronze_engine.silver.columns.contract import schema_of
from bronze_engine.silver.columns.shape import BRONZE_DATE, IS_DELETE, PART, ROW, Shape
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.database.sql import columns, identifier, literal
from bronze_engine.silver.database.types import sql_type
from bronze_engine.silver.inputs.files import BronzeFile, schema_in
from bronze_engine.silver.intake.lateness import check_none_late, is_judged, with_late
from bronze_engine.silver.intake.quality import Judge, Refusal, merged, rejected
from bronze_engine.silver.intake.records import Place, Selected, raw_select, selected
from bronze_engine.silver.intake.rejects import Rejects
from bronze_engine.workers import Workers

__all__ = ["Intake", "Taken"]

_RAW_ROWS: Final = 500
"""Rejected records that are held at once, whole."""
_INSERTED_ROWS: Final = 5_000


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What was kept out of the dates that are new, and what the rules have found."""

    rejected: dict[date, int]
    """Of each new date, late ones included."""
    standing: dict[date, int] = {}
    """Of each new date, where a rule has counted them."""
    late: Mapping[date, int] = {}
    """Of those kept out the ones that came too late, where there are some."""
    quality: tuple[RuleResult, ...] = ()
    warnings: tuple[str, ...] = ()


@final
class Intake:
    """Makes relations of records for one run."""

    def __init__(
        self,
        database: Database,
        workers: Workers,
        pipeline: Pipeline,
        shape: Shape,
        *,
        first: date,
        judge: Judge | None = None,
        rejects: Rejects | None = None,
    ) -> None:
        """`first` is the first date that the table counts. Without `judge` there are no rules,
        without `rejects` nothing that is kept out is kept."""
        assert pipeline.silver is not None  # noqa: S101  # whoever runs Silver has looked
        self._database = database
        self._workers = workers
        self._pipeline = pipeline
        self._silver: Silver = pipeline.silver
        self._shape = shape
        self._first = first
        self._judge = judge
        self._rejects = rejects

    async def take_in(
        self,
        files: Sequence[BronzeFile],
        *,
        new: Collection[date],
        relation: str = "records",
        keys: str | None = None,
    ) -> Taken:
        """Create the view `relation` over the records of these files: the table's own columns and
        `_is_delete`, `_bronze_date`, `_bronze_part`, `_bronze_row`.

        `keys` is a relation with the table's key columns: only their records are wanted. Records of
        the dates in `new` are counted, kept aside and held against `silver.quality`; those of other
        dates, which an earlier run has taken in, are left out as they were then.

        Raises QualityError (QUAL001) for late ones under `late_data = "reject"`, for more rejected
        ones than there may be, and for rules that a date breaks; StoreError for a file that is no
        Parquet.
        """
        read = await self._read(files, relation)
        if read.is_late and self._silver.late_data == "reject":
            await check_none_late(self._database, self._shape, read.whole, _of_dates(new))
        refusals: dict[date, list[Refusal]] = {day: [] for day in new}
        refusals |= await self._faults(read, new)
        results: list[tuple[RuleResult, ...]] = []
        if self._judge is not None:
            results = await self._judged(self._judge, read, new, keys, refusals)
        taken = await self._kept_aside(read, new, refusals)
        await self._show(read, relation, keys)
        found = merged(results)
        standing = {} if self._judge is None else self._judge.standing(new)
        return msgspec.structs.replace(
            taken, standing=standing, quality=found, warnings=warnings_of(found)
        )

    async def _read(self, files: Sequence[BronzeFile], relation: str) -> _Read:
        """The view of all records that count, whatever is wrong with them."""
        shape = self._shape
        is_late = is_judged(self._silver, shape)
        names: dict[BronzeFile, Sequence[str]] = {}
        alike: dict[Hashable, list[BronzeFile]] = defaultdict(list)
        for file in files:
            schema = await self._workers.run(schema_in, file)
            names[file], manifest = schema.names, file.manifest
            alike[schema, manifest.arrow_schema, manifest.cdc].append(file)
        found = [self._selected(group, names[group[0]]) for group in alike.values()]
        selects: dict[BronzeFile, str] = {}
        if self._judge is not None:  # file by file
            selects = {file: self._selected([file], names[file]).sql for file in files}
        can_fail = any(each.can_fail for each in found)
        whole = identifier(f"{relation}_whole")
        union = " UNION ALL ".join(each.sql for each in found) or _nothing(shape, is_late=is_late)
        if not shape.sees_deletes:  # left out before anything else: none of them is late, or bad
            union = f"SELECT * FROM ({union}) WHERE NOT {identifier(IS_DELETE)}"
        await self._database.execute(f"CREATE VIEW {whole} AS {union}")
        refused = identifier(f"{relation}_refused")
        return _Read(names, selects, whole, refused, can_fail=can_fail, is_late=is_late)

    def _selected(self, files: Sequence[BronzeFile], names: Sequence[str]) -> Selected:
        """The records of files that are alike, and which of them are late."""
        silver, shape = self._silver, self._shape
        places = [Place(file.run_date, file.part, str(file.path)) for file in files]
        found = selected(self._pipeline, shape, files[0].manifest, places, names=names)
        if not is_judged(silver, shape):
            return found
        days = {file.run_date for file in files}
        sql = with_late(silver, shape, found.sql, days, self._first)
        return msgspec.structs.replace(found, sql=sql)

    async def _faults(self, read: _Read, run_dates: Collection[date]) -> dict[date, list[Refusal]]:
        """Records of these dates that a cast or their lateness keeps out."""
        if read.is_clean or not run_dates:
            return {}
        late_reason = identifier(LATE) if read.is_late else literal(None)
        rows = await self._database.execute(
            f"SELECT {columns((BRONZE_DATE, PART, ROW))}, coalesce({identifier(FAULT)},"
            f" {late_reason}), {identifier(FAULT)} IS NULL FROM {read.whole}"
            f" WHERE NOT ({read.clean}) AND {_of_dates(run_dates)}"
            f" ORDER BY {columns((BRONZE_DATE, PART, ROW))} LIMIT {KEPT_REJECTS + 1}"
        )
        found: dict[date, list[Refusal]] = {}
        for day, part, row, reason, is_late in rows:
            found.setdefault(day, []).append(Refusal(part, row, reason, is_late=is_late))
        return found

    async def _judged(
        self,
        judge: Judge,
        read: _Read,
        new: Collection[date],
        keys: str | None,
        refusals: dict[date, list[Refusal]],
    ) -> list[tuple[RuleResult, ...]]:
        """What the rules say of each date; what they keep out becomes a table."""
        results: list[tuple[RuleResult, ...]] = []
        days: dict[date, list[BronzeFile]] = {day: [] for day in new}  # one may be of no file
        for file in sorted(read.selects, key=_place):
            days.setdefault(file.run_date, []).append(file)
        if judge.refuses:
            await self._database.execute(
                f"CREATE TABLE {read.refused} (landed DATE, part INTEGER, nth BIGINT)"
            )
            read.has_refused = True
        for day, files in sorted(days.items()):
            is_new = day in new
            if not is_new and not judge.refuses:
                continue
            only = "" if is_new or judge.compares else self._only(keys)
            standing = f"{read.clean} AND NOT {identifier(IS_DELETE)}"
            relations = {
                file.part: f"(SELECT r.* FROM ({read.selects[file]}) AS r{only} WHERE {standing})"
                for file in files
            }
            said = await judge.of_date(self._database, day, relations, is_new=is_new)
            results.append(said.results)
            await self._refuse(read, day, said.refusals)
            if is_new:
                refusals[day] = [*refusals[day], *said.refusals]
        return results

    async def _refuse(self, read: _Read, day: date, refusals: Sequence[Refusal]) -> None:
        for begin in range(0, len(refusals), _INSERTED_ROWS):
            rows = ", ".join(
                f"({literal(day)}, {literal(each.part)}, {literal(each.row)})"
                for each in refusals[begin : begin + _INSERTED_ROWS]
            )
            await self._database.execute(f"INSERT INTO {read.refused} VALUES {rows}")

    async def _kept_aside(
        self, read: _Read, new: Collection[date], refusals: dict[date, list[Refusal]]
    ) -> Taken:
        """Count what the new dates have, and keep what is kept out."""
        rejects = self._rejects
        late: Counter[date] = Counter()
        bad_rows = 0
        for day in sorted(new):
            files = {file.part: file for file in read.names if file.run_date == day}
            found = sorted(refusals[day], key=lambda each: (each.part, each.row))
            if rejects is not None and found:
                await rejects.keep(day, self._whole_records(read, files, found[:KEPT_REJECTS]))
            bad = [rejected(files[each.part], each) for each in found if not each.is_late]
            if len(found) > len(bad):
                late[day] = len(found) - len(bad)
            bad_rows += len(bad)
            rows = sum(each.manifest.files[each.part].row_count for each in files.values())
            threshold = Threshold(  # of each date, so that it is all one in how many runs they come
                self._silver.quality,
                look=None if rejects is None else rejects.look,
                kept_at=None if rejects is None else rejects.kept_at(day),
                mend="the source, [silver.columns] or the rules",
                of=f" of {day}",
            )
            threshold.count(rows - len(found), tuple(bad))
            threshold.finish()
        if late.total() + bad_rows > KEPT_REJECTS:
            raise QualityError(
                f"more than {KEPT_REJECTS:,} records would be kept out ({late.total():,} of those"
                " seen are late), and no run keeps so many aside; nothing was published; take in"
                " fewer dates at a time, raise silver.late_after, or mend the rules"
            )
        return Taken(rejected={day: len(refusals[day]) for day in sorted(new)}, late=late)

    async def _whole_records(
        self, read: _Read, files: Mapping[int, BronzeFile], refusals: Iterable[Refusal]
    ) -> AsyncIterator[Sequence[Reject]]:
        """What was kept out, as it landed, some records at a time."""
        for part, of_file in groupby(refusals, key=lambda each: each.part):
            file, rest = files[part], list(of_file)
            names = read.names[file]
            landed = schema_of(file.manifest)
            schema = pa.schema([landed.field(name) for name in names])
            for begin in range(0, len(rest), _RAW_ROWS):
                some = rest[begin : begin + _RAW_ROWS]
                sql = raw_select(names, str(file.path), [each.row for each in some])
                raw: list[bytes] = []
                async with self._database.batches(sql, schema=schema) as batches:
                    async for batch in batches:
                        raw += await self._workers.run(printed_rows, batch, range(batch.num_rows))
                yield [rejected(file, each, record) for each, record in zip(some, raw, strict=True)]

    async def _show(self, read: _Read, relation: str, keys: str | None) -> None:
        """The view of what is left."""
        names = (*self._shape.names, IS_DELETE, BRONZE_DATE, PART, ROW)
        refused = ""
        if read.has_refused:
            refused = (
                f" ANTI JOIN {read.refused} AS x ON (r.{identifier(BRONZE_DATE)} = x.landed"
                f" AND r.{identifier(PART)} = x.part AND r.{identifier(ROW)} = x.nth)"
            )
        await self._database.execute(
            f"CREATE VIEW {identifier(relation)} AS SELECT {columns(names)} FROM {read.whole} AS r"
            f"{self._only(keys)}{refused} WHERE {read.clean}"
        )

    def _only(self, keys: str | None) -> str:
        """The join that leaves the records of some keys alone."""
        if keys is None:
            return ""
        pairs = " AND ".join(
            f"r.{identifier(name)} IS NOT DISTINCT FROM k.{identifier(name)}"
            for name in self._shape.keys
        )
        return f" SEMI JOIN {identifier(keys)} AS k ON ({pairs})"


@final
class _Read:
    """What was read of the files of one relation."""

    def __init__(
        self,
        names: Mapping[BronzeFile, Sequence[str]],
        selects: Mapping[BronzeFile, str],
        whole: str,
        refused: str,
        *,
        can_fail: bool,
        is_late: bool,
    ) -> None:
        self.names = names
        """The columns that each file has."""
        self.selects = selects
        """The records of each file, where rules look at them."""
        self.whole = whole
        """The view of all records."""
        self.refused = refused
        """The table of those that rules keep out."""
        self.has_refused = False
        self.is_late = is_late
        """Whether the view says why a record is late."""
        self.is_clean = not can_fail and not is_late
        conditions = [f"{identifier(FAULT)} IS NULL"] if can_fail else []
        conditions += [f"{identifier(LATE)} IS NULL"] if is_late else []
        self.clean = " AND ".join(conditions) or literal(True)
        """The condition that nothing but a rule may keep a record out."""


def _nothing(shape: Shape, *, is_late: bool) -> str:
    """A SELECT of no record."""
    kinds = [(field.name, sql_type(field.type)) for field in shape.columns]
    kinds += [(IS_DELETE, "BOOLEAN"), (BRONZE_DATE, "DATE"), (PART, "INTEGER"), (ROW, "BIGINT")]
    kinds += [(FAULT, "VARCHAR"), *([(LATE, "VARCHAR")] if is_late else [])]
    listed = (f"CAST({literal(None)} AS {kind}) AS {identifier(name)}" for name, kind in kinds)
    return f"SELECT {', '.join(listed)} WHERE {literal(False)}"


def _of_dates(run_dates: Collection[date]) -> str:
    listed = ", ".join(literal(day) for day in sorted(run_dates))
    return f"{identifier(BRONZE_DATE)} IN ({listed})" if listed else literal(False)


def _place(file: BronzeFile) -> tuple[date, int]:
    return file.run_date, file.part
