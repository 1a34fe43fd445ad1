"""The rules of a run, applied: each slice's rows in order, and all slices together at the end.

    group, decoded -> rules about each row -> quality.duplicates and `unique`, on those that passed
        -> rules about the partition, on what lands

So a row that another rule keeps out is nobody's duplicate, and counts for no partition.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, final

import msgspec
import numpy as np
import pyarrow as pa

from bronze_engine.config.expression.parse import parse_condition
from bronze_engine.config.expression.tree import names_in
from bronze_engine.config.quality_rule import (
    ExpressionRule,
    QualityRule,
    columns_of,
    kind_of,
    name_of,
)
from bronze_engine.contracts import Decoded, Refuse
from bronze_engine.errors import ConfigError, QualityError
from bronze_engine.flow import Budget
from bronze_engine.model.block import Reject
from bronze_engine.model.layout import Layout
from bronze_engine.model.nearest import nearest
from bronze_engine.model.quality import RuleResult
from bronze_engine.model.types.row_text import Origin, printed_rejects
from bronze_engine.quality.duplicates import DuplicateFilter
from bronze_engine.quality.rules.make import AnyRule, Circumstances, make_rule
from bronze_engine.quality.rules.row import RowByRow
from bronze_engine.quality.rules.tally import shown
from bronze_engine.quality.rules.unique import Unique
from bronze_engine.workers import Workers

__all__ = ["RunRules", "SliceRules", "columns_spoken_of", "sifted", "warnings_of"]

Places = np.ndarray[Any, np.dtype[np.int16]]

_NOBODY: Final = -1


@final
class RunRules:
    """The rules of one run. Call `release` when it has ended.

    `has_fixed_columns`: the source's columns are known before its first row (a database), so that
    a rule about another one is a fault of the configuration. `subject` is what an error says that
    a rule about all rows is broken by.
    """

    def __init__(
        self,
        configured: Sequence[QualityRule],
        circumstances: Circumstances,
        budget: Budget,
        workers: Workers,
        *,
        has_fixed_columns: bool = False,
        subject: str = "the partition",
    ) -> None:
        self.configured: Final = tuple(configured)
        self.has_fixed_columns: Final = has_fixed_columns
        self.workers: Final = workers
        self._subject: Final = subject
        self._circumstances: Final = circumstances
        self._budget: Final = budget
        self._kept_bytes = 0
        self._before: tuple[bytes, ...] = ()
        self.results: tuple[RuleResult, ...] = ()
        """Set by `judge`, also where that raises."""

    def release(self) -> None:
        """Give memory back: the run has ended, or reads everything again."""
        self._budget.keep(-self._kept_bytes)
        self._kept_bytes = 0

    def make(self) -> list[AnyRule]:
        """One of each, that has seen nothing."""
        return [make_rule(rule, self._circumstances) for rule in self.configured]

    def begin_with(self, rules: Sequence[AnyRule]) -> None:
        """Let the run's slice begin with what these have seen: rows that have landed before."""
        self._before = tuple(rule.state() for rule in rules)

    def begin(self) -> list[AnyRule]:
        """One of each, for a slice."""
        rules = self.make()
        for rule, state in zip(rules, self._before, strict=False):
            rule.merge(state)
        return rules

    def keep(self, size_bytes: int) -> None:
        """Hold that much more to the run's end. Raises QualityError where it does not fit."""
        if not self._budget.keep(size_bytes):
            raise QualityError(
                f"the keys that unique rules compare take {self._kept_bytes + size_bytes:,} bytes,"
                " more than half of what engine.memory_limit"
                f" ({self._budget.limit_bytes:,}) leaves; nothing was committed; raise that, or"
                " take the rule out"
            )
        self._kept_bytes += size_bytes

    def judge(self, states: Sequence[Sequence[bytes]], layout: Layout | None) -> None:
        """Merge what the slices have seen, in their order, and set `results`. Runs in a worker.

        Raises QualityError for the rules about the partition that it breaks, and for a column
        that no record has.
        """
        rules = self.make()
        for of_slice in states:
            for rule, state in zip(rules, of_slice, strict=True):
                rule.merge(state)
        self.results = tuple(rule.finish() for rule in rules)
        if layout is not None:
            self.check_columns(layout)
        failed = [each for each in self.results if each.verdict == "failed"]
        if failed:
            told = "; ".join(f"{each.name}: {each.detail}" for each in failed)
            count = "a quality rule" if len(failed) == 1 else f"{len(failed)} quality rules"
            raise QualityError(
                f"{self._subject} breaks {count}: {told}; nothing was committed; mend the source,"
                ' or set level = "warn"',
                rules=[each.name for each in failed],
            )

    def check_columns(self, layout: Layout) -> None:
        """Raise for the first rule about a column that is not there: QualityError, or ConfigError
        where it never can be; where the rule only warns its result says so."""
        known = layout.schema.names
        for place, rule in enumerate(self.configured):
            missing = next((name for name in columns_spoken_of(rule) if name not in known), None)
            if missing is None:
                continue
            what = f"there is no column {json.dumps(missing)}; {nearest(missing, known)}"
            if self.has_fixed_columns:
                raise ConfigError(
                    f"quality.rules.{place} ({name_of(rule)}): {what}", column=missing
                )
            if rule.level == "error":
                raise QualityError(
                    f"quality rule {name_of(rule)}: {what}; nothing was committed; mend the rule,"
                    ' or set level = "warn" where records may lack it',
                    column=missing,
                )
            result = msgspec.structs.replace(
                self.results[place], verdict="warned", detail=f"no record has {missing!r}"
            )
            self.results = (*self.results[:place], result, *self.results[place + 1 :])

    def warnings(self) -> tuple[str, ...]:
        """What a person should know: the rules that were broken, and only warn."""
        return warnings_of(self.results)


def warnings_of(results: Sequence[RuleResult]) -> tuple[str, ...]:
    """What a person should know: the rules that were broken, and only warn."""
    return tuple(
        f"quality rule {each.name}: {_told(each)}" for each in results if each.verdict == "warned"
    )


def _told(result: RuleResult) -> str:
    if result.detail:
        return result.detail
    examples = f" (the first: {'; '.join(result.examples)})" if result.examples else ""
    return f"{result.failed:,} of {result.checked:,} rows break it, and landed{examples}"


@final
class SliceRules:
    """The rules of one reading of one slice, group by group in order."""

    def __init__(self, run: RunRules) -> None:
        self._run = run
        self._rules = run.begin()
        self._kept_bytes = 0
        self._is_checked = not run.has_fixed_columns

    async def apply(self, decoded: Decoded) -> Decoded:
        """The group without the rows that break a rule at level "error", which are rejects now.

        Raises QualityError for a rule that its column's type has no sense for, and where the
        keys of `unique` do not fit.
        """
        return await self._apply(decoded, self._rules)

    async def apply_around(
        self, decoded: Decoded, drop: Callable[[Decoded], Awaitable[Decoded]]
    ) -> Decoded:
        """The same, with rows dropped that repeat others: once the rules about each row have kept
        out theirs, for a row that does not land takes no other's place."""
        of_rows = [rule if isinstance(rule, RowByRow) else None for rule in self._rules]
        rest = [None if isinstance(rule, RowByRow) else rule for rule in self._rules]
        return await self._apply(await drop(await self._apply(decoded, of_rows)), rest)

    async def _apply(self, decoded: Decoded, rules: Sequence[AnyRule | None]) -> Decoded:
        if not any(rules) or not decoded.batch.num_rows:
            return decoded
        if not self._is_checked:
            self._run.check_columns(decoded.layout)
            self._is_checked = True
        judged = await self._run.workers.run(self._judge, decoded, rules, stage="quality")
        size_bytes = sum(rule.size_bytes for rule in self._rules if isinstance(rule, Unique))
        if size_bytes != self._kept_bytes:
            self._run.keep(size_bytes - self._kept_bytes)
            self._kept_bytes = size_bytes
        return judged

    def states(self) -> tuple[bytes, ...]:
        """What each rule has seen, in their order."""
        return tuple(rule.state() for rule in self._rules)

    def forget(self) -> None:
        """Give back what the keys took: the slice is read again."""
        self._run.keep(-self._kept_bytes)
        self._kept_bytes = 0

    def _judge(self, decoded: Decoded, rules: Sequence[AnyRule | None]) -> Decoded:
        """By these rules, at their places."""
        batch = decoded.batch
        breaker = np.full(batch.num_rows, _NOBODY, np.int16)
        """Of each row the first rule that keeps it out."""
        for number, rule in enumerate(rules):
            if isinstance(rule, RowByRow):
                self._note(breaker, number, rule.observe(batch), None)
        for number, rule in enumerate(rules):
            if isinstance(rule, Unique):
                left, places = _left_of(batch, breaker)
                self._note(breaker, number, rule.observe(left), places)
        landing, places = _left_of(batch, breaker)
        for rule in rules:
            if rule is not None and not isinstance(rule, RowByRow | Unique):
                rule.observe(landing)
        if places is None:
            return decoded
        rejects = self._rejects(decoded, breaker)
        refuse = None if decoded.refuse is None else partial(_refuse_left, decoded.refuse, places)
        kept: Decoded = msgspec.structs.replace(
            decoded, batch=landing, rejects=(*decoded.rejects, *rejects), refuse=refuse
        )
        return kept

    def _note(
        self, breaker: Places, number: int, broken: Any, places: np.ndarray[Any, Any] | None
    ) -> None:
        """Rows that break a rule, by their places among those that it was shown."""
        if broken is None or self._run.configured[number].level == "warn":
            return
        rows = np.flatnonzero(broken.to_numpy(zero_copy_only=False))
        if places is not None:
            rows = places[rows]
        breaker[rows[breaker[rows] == _NOBODY]] = number

    def _rejects(self, decoded: Decoded, breaker: Places) -> list[Reject]:
        batch = decoded.batch
        refused = np.flatnonzero(breaker != _NOBODY)
        places: list[int] = refused.tolist()
        reasons = [""] * len(places)
        for number, rule in enumerate(self._rules):
            mine = np.flatnonzero(breaker[refused] == number)
            if len(mine):
                values = shown(batch, rule.columns, pa.array(refused[mine]))
                for at, value in zip(mine.tolist(), values, strict=True):
                    reasons[at] = _reason(self._run.configured[number], value)
        if decoded.refuse is None:
            rejects: Sequence[Reject] = printed_rejects(
                batch, [Origin(0, 0, batch.num_rows)], places, reasons
            )
        else:
            rejects = decoded.refuse(places, reasons)
        names = [name_of(rule) for rule in self._run.configured]
        return [
            msgspec.structs.replace(reject, rule=names[number])
            for reject, number in zip(rejects, breaker[refused].tolist(), strict=True)
        ]


async def sifted(
    decoded: Decoded, duplicates: DuplicateFilter, rules: SliceRules | None
) -> Decoded:
    """The next group of a slice without the rows that either keeps out."""
    if rules is None:
        return await duplicates.apply(decoded)
    if duplicates.is_watching:
        return await rules.apply_around(decoded, duplicates.apply)
    return await rules.apply(decoded)


def _left_of(
    batch: pa.RecordBatch, breaker: Places
) -> tuple[pa.RecordBatch, np.ndarray[Any, Any] | None]:
    """The rows that nothing keeps out, and their places; None where all are left."""
    left = breaker == _NOBODY
    if left.all():
        return batch, None
    return batch.filter(pa.array(left)), np.flatnonzero(left)


def _refuse_left(
    refuse: Refuse, left: np.ndarray[Any, Any], places: Sequence[int], reasons: Sequence[str]
) -> Sequence[Reject]:
    """Rejects of rows by their places among those that are left."""
    whole: list[int] = left[np.asarray(places)].tolist()
    return refuse(whole, reasons)


def _reason(rule: QualityRule, value: str) -> str:
    """Why a row with these values lies in the quarantine."""
    columns = columns_of(rule)
    what = f"{columns[0]} = {value}" if len(columns) == 1 else value
    kind = f" ({kind_of(rule)})" if rule.name else ""
    return f"breaks {name_of(rule)}{kind}: {what}"


def columns_spoken_of(rule: QualityRule) -> tuple[str, ...]:
    """All columns that it speaks of."""
    names = list(columns_of(rule))
    texts = [rule.where] if rule.where is not None else []
    if isinstance(rule, ExpressionRule):
        texts.append(rule.expression)
    for text in texts:
        names += names_in(parse_condition(text))
    return tuple(dict.fromkeys(names))
