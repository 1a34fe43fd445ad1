"""The rules of `silver.quality`, over the records that come in: date by date, file by file, row by
row, in the order of Bronze, so that a rebuild refuses the same records.

Rules about the partition look at the records of one date. `unique` compares the records of one
date too: that a key is once in the table is what the table itself is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, final

import msgspec
import pyarrow as pa

from bronze_engine.config.quality_rule import (
    FreshnessRule,
    QualityRule,
    RowCountChangeRule,
    UniqueRule,
    refuses_rows,
)
from bronze_engine.contracts import Decoded
from bronze_engine.flow import Budget
from bronze_engine.model.arrow import Array
from bronze_engine.model.block import Reject
from bronze_engine.model.layout import Column, Layout
from bronze_engine.model.quality import RuleResult, Verdict
from bronze_engine.quality.judge import RunRules, SliceRules, columns_spoken_of
from bronze_engine.quality.rules.make import Circumstances
from bronze_engine.quality.thresholds import KEPT_REJECTS
from bronze_engine.silver.columns.shape import ROW, Shape
from bronze_engine.silver.database.database import Database
from bronze_engine.silver.database.sql import identifier
from bronze_engine.silver.inputs.files import BronzeFile
from bronze_engine.workers import Workers

__all__ = ["Judge", "Refusal", "merged", "rejected"]

_WORST: Final[tuple[Verdict, ...]] = ("passed", "warned", "rejected", "failed")
_EXAMPLES: Final = 3


class Refusal(msgspec.Struct, frozen=True):
    """A record that is kept out."""

    part: int
    row: int
    reason: str
    rule: str | None = None
    is_late: bool = False


class Verdicts(msgspec.Struct, frozen=True):
    """What the rules said of the records of one date."""

    refusals: Sequence[Refusal]
    results: tuple[RuleResult, ...] = ()


@final
class Judge:
    """The rules of one run."""

    def __init__(
        self,
        rules: Sequence[QualityRule],
        shape: Shape,
        budget: Budget,
        workers: Workers,
        *,
        run: str,
        began: datetime,
        newest: date,
        history: Mapping[date, int],
    ) -> None:
        """`newest` is the newest date of the table: only its records can be fresh. `history` says
        how many records of each date stand, of those of which that is known; dates that are judged
        come to it."""
        self._rules = tuple(rules)
        self._shape = shape
        self._budget = budget
        self._workers = workers
        self._run = run
        self._began = began
        self._newest = newest
        self._history = dict(history)

    @property
    def refuses(self) -> bool:
        """Whether a record may be kept out."""
        return any(map(refuses_rows, self._rules))

    @property
    def compares(self) -> bool:
        """Whether what is said of a record depends on others of its date."""
        return any(isinstance(rule, UniqueRule) and refuses_rows(rule) for rule in self._rules)

    def standing(self, run_dates: Iterable[date]) -> dict[date, int]:
        """How many records of these dates stand, where a rule counts them."""
        if not any(isinstance(rule, RowCountChangeRule) for rule in self._rules):
            return {}
        return {day: self._history[day] for day in run_dates if day in self._history}

    async def of_date(
        self, database: Database, run_date: date, relations: Mapping[int, str], *, is_new: bool
    ) -> Verdicts:
        """Judge the records of a date, of each file the relation that has them.

        Of a date that is not new only the records are judged. Raises QualityError (QUAL001) for a
        broken rule about the partition, a column that the table has not, and keys of `unique` that
        do not fit into memory.
        """
        configured = self._of_date(run_date, is_new=is_new)
        if not configured:
            return Verdicts(())
        run = RunRules(
            configured,
            self._circumstances(run_date),
            self._budget,
            self._workers,
            subject=f"{run_date} in Bronze",
        )
        layout = Layout(version=0, schema=self._shape.columns, is_settled=True)
        try:
            rules = SliceRules(run)
            refusals = [
                refusal
                for part, relation in sorted(relations.items())
                for refusal in await self._of_file(database, rules, configured, part, relation)
            ]
            states = await self._workers.run(rules.states)
            if is_new:
                await self._workers.run(run.judge, [states], layout)
                for result in run.results:
                    if result.rule == "row_count_change":
                        self._history[run_date] = result.checked
        finally:
            run.release()
        return Verdicts(refusals, run.results)

    def _of_date(self, run_date: date, *, is_new: bool) -> tuple[QualityRule, ...]:
        if not is_new:
            return tuple(filter(refuses_rows, self._rules))
        return tuple(
            rule
            for rule in self._rules
            if run_date == self._newest or not isinstance(rule, FreshnessRule)
        )

    def _circumstances(self, run_date: date) -> Circumstances:
        before = sorted((day for day in self._history if day < run_date), reverse=True)
        rows = tuple(self._history[day] for day in before)
        return Circumstances(run=self._run, began=self._began, history=rows)

    async def _of_file(
        self,
        database: Database,
        rules: SliceRules,
        configured: Iterable[QualityRule],
        part: int,
        relation: str,
    ) -> list[Refusal]:
        """Only the columns that a rule speaks of are read, and what did not fit them."""
        known = self._shape.names
        names = dict.fromkeys(
            name for rule in configured for name in columns_spoken_of(rule) if name in known
        )
        fields = [self._shape.columns.field(name) for name in names]
        fields += [
            field
            for field in self._shape.columns
            if Column.parse(field).of in names and field.name not in names
        ]
        schema = pa.schema([*fields, pa.field(ROW, pa.int64())])
        row = identifier(ROW)
        listed = ", ".join([*(identifier(field.name) for field in fields), row])
        sql = f"SELECT {listed} FROM {relation} ORDER BY {row}"
        layout = Layout(version=0, schema=self._shape.columns, is_settled=True)
        found: list[Refusal] = []
        async with database.batches(sql, schema=schema) as batches:
            async for batch in batches:
                rows = batch.column(ROW)

                def refuse(
                    places: Sequence[int], reasons: Sequence[str], rows: Array = rows
                ) -> Sequence[Reject]:
                    return [
                        Reject(reason=reason, page=part, offset=rows[place].as_py(), raw=b"")
                        for place, reason in zip(places, reasons, strict=True)
                    ]

                decoded = Decoded(batch=batch.drop_columns([ROW]), layout=layout, refuse=refuse)
                judged = await rules.apply(decoded)
                found += [
                    Refusal(part, each.offset, each.reason, each.rule) for each in judged.rejects
                ]
                if len(found) > KEPT_REJECTS:
                    break  # no run may reject so many
        return sorted(found, key=lambda each: each.row)


def merged(results: Sequence[tuple[RuleResult, ...]]) -> tuple[RuleResult, ...]:
    """What each rule has found on all dates together: counts are added up, and the worst counts."""
    found: dict[str, RuleResult] = {}
    for result in (each for of_date in results for each in of_date):
        known = found.get(result.name)
        if known is None:
            found[result.name] = result
            continue
        worse = max(known, result, key=lambda each: _WORST.index(each.verdict))
        found[result.name] = msgspec.structs.replace(
            known,
            verdict=worse.verdict,
            checked=known.checked + result.checked,
            failed=known.failed + result.failed,
            detail=worse.detail,
            examples=(*known.examples, *result.examples)[:_EXAMPLES],
        )
    return tuple(found.values())


def rejected(file: BronzeFile, refusal: Refusal, raw: bytes = b"") -> Reject:
    """What the quarantine says of a record, which is `raw`."""
    return Reject(
        reason=refusal.reason,
        page=refusal.part + 1,
        offset=refusal.row,
        raw=raw,
        file=file.name,
        rule=refusal.rule,
    )
