"""What a trailer says of the records before it, compared with what came."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Final, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bronze_engine.errors import QualityError
from bronze_engine.model.arrow import Array
from bronze_engine.sources.files.fixed.charset import Units
from bronze_engine.sources.files.fixed.plan import Cut, Kind, Plan, Total
from bronze_engine.sources.files.fixed.records import Records

__all__ = ["Totals"]

_NUMBER: Final = r"^[+-]?[0-9]{1,38}(\.[0-9]{1,38})?$"
_WIDE: Final = pa.decimal256(76, 38)
_EXACT: Final = Context(prec=200)


@final
class Totals:
    """The checks of one file, fed with its blocks in order."""

    def __init__(self, plan: Plan, label: str) -> None:
        self._plan = plan
        self._label = label
        self._sums = [Decimal(0)] * len(plan.totals)
        self._seen = [False] * len(plan.totals)
        self._open: list[int | None] = [None] * len(plan.totals)
        """The line of the first record that no total has counted yet."""

    def observe(self, records: Records, first_line: int) -> None:
        """Take one block. Raises QualityError (QUAL001) with both values where they differ."""
        for number, total in enumerate(self._plan.totals):
            self._observe(number, total, records, first_line)

    def finish(self) -> None:
        """The file has ended. Raises QualityError where a record with totals never came, or
        came before the last of those that it counts."""
        for number, (total, seen) in enumerate(zip(self._plan.totals, self._seen, strict=True)):
            if not seen:
                name = self._plan.kinds[total.kind].name
                raise QualityError(
                    f'{self._label} has no "{name}" record, which says {total.label}: the file was'
                    " cut off. Fetch it again, or leave out fixed.checks"
                )
            self._refuse_open(number, total)

    def _observe(self, number: int, total: Total, records: Records, first_line: int) -> None:
        kinds = self._plan.kinds
        counted = _rows(records.of(total.of), records)
        ends = _rows(records.of(total.kind), records)
        resets = _rows(records.of(total.since), records) if total.since is not None else ends[:0]
        values = _values(records, kinds[total.of], counted, total.of_cut)
        stated = _values(records, kinds[total.kind], ends, total.cut) if len(ends) else None
        # A record of one kind may end a part and begin the next.
        events = sorted([*((int(at), 0) for at in ends), *((int(at), 1) for at in resets)])
        done = 0
        for at, is_reset in events:
            upto = int(np.searchsorted(counted, at))
            self._note_open(number, counted[done:upto], records, first_line)
            self._add(number, _sum(values, done, upto))
            done = upto
            if is_reset:
                self._refuse_open(number, total)
                self._sums[number] = Decimal(0)
                continue
            self._seen[number] = True
            self._open[number] = None
            place = int(np.searchsorted(ends, at))
            said = None if stated is None else stated[place].as_py()
            line = first_line + int(records.lines.numbers[at]) + 1
            self._compare(total, said, self._sums[number], line)
        self._note_open(number, counted[done:], records, first_line)
        self._add(number, _sum(values, done, len(counted)))

    def _note_open(self, number: int, places: Units, records: Records, first_line: int) -> None:
        if self._open[number] is None and len(places):
            self._open[number] = first_line + int(records.lines.numbers[places[0]]) + 1

    def _refuse_open(self, number: int, total: Total) -> None:
        line = self._open[number]
        if line is None:
            return
        kinds = self._plan.kinds
        raise QualityError(
            f'{self._label}, line {line:,}: no "{kinds[total.kind].name}" record that says'
            f' {total.label} counts this "{kinds[total.of].name}" record: the file was cut off, or'
            " goes on behind its end. Fetch it again, or leave the check out of fixed.checks"
        )

    def _add(self, number: int, value: Decimal) -> None:
        self._sums[number] = _EXACT.add(self._sums[number], value)

    def _compare(self, total: Total, said: Decimal | None, came: Decimal, line: int) -> None:
        if said == came:
            return
        noun = f"{total.of_label} adds up to" if total.of_cut else f"{total.of_label} came"
        told = "says nothing that is a number" if said is None else f"says {_plain(said)}"
        raise QualityError(
            f"{self._label}, line {line:,}: {total.label} {told}, and {noun} {_plain(came)}"
            f"{'' if total.of_cut else ' times'}: the file is not whole, or not what it says."
            " Fetch it again, or leave the check out of fixed.checks"
        )


def _rows(found: Units | None, records: Records) -> Units:
    return np.arange(len(records.lines)) if found is None else found


def _values(records: Records, kind: Kind, rows: Units, cut: Cut | None) -> Array | None:
    """The numbers of a field, NULL where it has none; None where records are counted."""
    if cut is None:
        return None
    texts = records.cells(kind, rows, [cut]).columns[0]
    is_number: Array = pc.match_substring_regex(texts, _NUMBER)
    is_number = pc.fill_null(is_number, False)
    return pc.if_else(is_number, texts, pa.nulls(1, pa.string())[0]).cast(_WIDE)


def _sum(values: Array | None, start: int, end: int) -> Decimal:
    if values is None:
        return Decimal(end - start)
    found = pc.sum(values.slice(start, end - start)).as_py()
    return Decimal(0) if found is None else Decimal(found)


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
