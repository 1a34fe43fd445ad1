"""What may happen to a pipeline's Bronze, and when Silver runs: short lives with many ties."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal

import msgspec
import pyarrow as pa
from hypothesis import strategies as st

from .oracle import Landed, Row, Table

__all__ = ["DAYS", "Curate", "History", "Land", "Load", "Pattern", "Remove", "histories"]

Load = Literal["full", "incremental", "cdc"]
DAYS: Final = tuple(date(2025, 3, day) for day in range(1, 5))
_NOON: Final = datetime(2025, 3, 2, 12, tzinfo=UTC)


class _Order(msgspec.Struct, frozen=True):
    """What the first column of `order_by` may hold."""

    kind: Any
    values: tuple[Any, ...]
    newer: Any
    """Above all of them but NaN."""


_ORDERS: Final[dict[str, _Order]] = {
    "int": _Order(pa.int64(), (None, 1, 2, 3), 9),
    "double": _Order(pa.float64(), (None, -0.0, 0.0, 1.5, math.nan), 9.5),
    "text": _Order(pa.string(), (None, "", "Z", "a", "\uffff", "\U00010000"), "\U0010ffff"),
    "timestamp": _Order(
        pa.timestamp("us", "UTC"),
        (None, *(_NOON + timedelta(hours=hours) for hours in (-24, -12, 0, 24))),
        _NOON + timedelta(days=3),
    ),
    "date": _Order(pa.date32(), (None, *DAYS[:3]), DAYS[3]),
}


class Land(msgspec.Struct, frozen=True):
    """Bronze commits a date, for the first time or once more."""

    landed: Landed


class Remove(msgspec.Struct, frozen=True):
    """Retention takes a date from Bronze."""

    run_date: date


class Curate(msgspec.Struct, frozen=True):
    """Silver runs, over all that is new or over some dates."""

    run_dates: tuple[date, ...] | None = None


Step = Land | Remove | Curate


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """One way to configure a table: what the tests are parametrised over."""

    load: Load
    history: Literal["current", "full"] = "current"
    deletes: Literal["ignore", "tombstone", "hard"] = "ignore"
    kind: Literal["state", "event"] = "state"
    has_keys: bool = True

    @property
    def name(self) -> str:
        keys = "" if self.has_keys else " without keys"
        return f"{self.kind}{keys} of {self.load}, {self.history}, {self.deletes}"


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A table, and all that happens to it."""

    table: Table
    schema: pa.Schema
    load: Load
    steps: tuple[Step, ...]


@st.composite
def histories(draw: st.DrawFn, pattern: Pattern, *, removes: bool = False) -> History:
    """Lives of a table. With `removes` dates vanish, and what lands after that is newer; then the
    order has one column, for the table knows no more of a delete whose date is gone."""
    at = draw(st.sampled_from(sorted(_ORDERS)))
    order = _ORDERS[at]
    has_two_keys = draw(st.integers(0, 3)) == 0
    by: tuple[str, ...] = ("at", "seq") if draw(st.booleans()) and not removes else ("at",)
    if pattern.load != "incremental" and draw(st.integers(0, 3)) == 0:
        by = ()
    marks_deletes = pattern.load == "incremental" or (
        pattern.load == "full" and draw(st.booleans())
    )
    keys = ("id", "k2") if has_two_keys else ("id",)
    is_late = (
        at in {"timestamp", "date"} and bool(by) and pattern.load != "full" and draw(st.booleans())
    )
    table = Table(
        columns=("id", "k2", "at", "seq", "v", "extra"),
        keys=keys if pattern.has_keys else (),
        order=by,
        kind=pattern.kind,
        history=pattern.history,
        deletes=pattern.deletes,
        operation="op" if pattern.load == "cdc" else None,
        delete_codes=("D", "d") if pattern.load == "cdc" else (),
        deleted_column="gone" if marks_deletes and pattern.kind == "state" else None,
        late_after=timedelta(hours=draw(st.sampled_from([0, 12]))) if is_late else None,
    )
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("k2", pa.string()),
            ("at", order.kind),
            ("seq", pa.int64()),
            ("v", pa.string()),
            ("extra", pa.float64()),
            *([("op", pa.string())] if table.operation else []),
            *([("gone", pa.bool_())] if table.deleted_column else []),
        ]
    )
    ats = [value for value in order.values if not removes or value == value]
    few = st.lists(st.sampled_from(ats), min_size=2, max_size=3, unique_by=repr)  # for ties
    row = _rows(table, st.sampled_from(draw(few)))
    steps: list[Step] = []
    generations: dict[date, int] = {}
    epoch = 1
    for _ in range(draw(st.integers(2, 5))):
        run_date = draw(st.sampled_from(DAYS[:3] if removes else DAYS))
        epoch += pattern.load == "full" or draw(st.integers(0, 11)) == 0
        generations[run_date] = generations.get(run_date, 0) + 1
        landed = _landed(draw, row, run_date, pattern.load, epoch, generations[run_date])
        steps.append(Land(landed))
        match draw(st.integers(0, 3)):
            case 0:
                pass
            case 1:
                some = st.lists(st.sampled_from(DAYS), min_size=1, max_size=2, unique=True)
                steps.append(Curate(tuple(sorted(draw(some)))))
            case _:
                steps.append(Curate())
    steps.append(Curate())
    if removes:
        gone = st.lists(st.sampled_from(sorted(generations)), min_size=1, unique=True)
        steps += [Remove(each) for each in sorted(draw(gone))]
        steps.append(Curate())
        epoch += pattern.load == "full"
        newer = _rows(table, st.just(order.newer))
        steps += [Land(_landed(draw, newer, DAYS[3], pattern.load, epoch, 1)), Curate()]
    return History(table=table, schema=schema, load=pattern.load, steps=tuple(steps))


def _rows(table: Table, at: st.SearchStrategy[Any]) -> st.SearchStrategy[Row]:
    columns: dict[str, st.SearchStrategy[Any]] = {
        "id": st.sampled_from([1, 1, 2, None]),
        "k2": st.sampled_from(["a", None]) if "k2" in table.keys else st.just("a"),
        "at": at,
        "seq": st.sampled_from([None, 1, 2]) if "seq" in table.order else st.just(0),
        "v": st.sampled_from(["a", "b", None]),
    }
    if table.operation:
        columns["op"] = st.sampled_from(["I", "U", "U", "D", "d"])
    if table.deleted_column:
        columns["gone"] = st.sampled_from([None, False, False, True])
    return st.fixed_dictionaries(columns)


def _landed(
    draw: st.DrawFn,
    row: st.SearchStrategy[Row],
    run_date: date,
    load: Load,
    epoch: int,
    generation: int,
) -> Landed:
    found = draw(st.lists(row, max_size=5))
    if draw(st.integers(0, 5)) == 0:  # a column that comes
        found = [row | {"extra": float(number)} for number, row in enumerate(found)]
    cut = draw(st.integers(0, len(found)))
    files = tuple(tuple(part) for part in (found[:cut], found[cut:]) if part)
    return Landed(run_date=run_date, files=files, load=load, epoch=epoch, generation=generation)
