"""The worked examples of docs/silver.md: five rows of Bronze for each load pattern, and every
table that can be made of them.

    python -m tests.unit.silver.examples --write docs/silver.md

writes them between the page's marks; test_truth_examples.py proves each by a run of Silver and
by the oracle, and that the page has them as they are here.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from . import oracle
from .histories import Load
from .lake import Lake
from .oracle import Landed, Row, Table

__all__ = ["EXAMPLES", "Example", "page", "shown"]

FIRST, SECOND = date(2025, 3, 1), date(2025, 3, 2)


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One table, of the two dates that its group has landed."""

    load: Load
    table: Table
    schema: pa.Schema
    dates: tuple[Landed, Landed]

    @property
    def group(self) -> str:
        return f"{self.load}-{self.table.kind}"

    @property
    def name(self) -> str:
        """Unique among all."""
        table = self.table
        if table.kind == "event":
            return f"{self.group}-{'once' if table.keys else 'all'}"
        return f"{self.group}-{table.history}-{table.deletes}"

    @property
    def title(self) -> str:
        if self.table.kind == "event":
            return f"unique_columns = {list(self.table.keys)}".replace("'", '"')
        return f'history = "{self.table.history}", deletes = "{self.table.deletes}"'

    def expected(self, dates: int) -> list[Row]:
        """The table once so many dates are in it: by the oracle, in order."""
        names = oracle.column_names(self.table)
        rows = oracle.rows(self.table, self.dates[:dates])
        return sorted(({name: row[name] for name in names} for row in rows), key=_in_order)

    def lake(self, folder: Path) -> Lake:
        return Lake(folder, self.table, self.schema, load=self.load)


def _in_order(row: Row) -> tuple[Any, ...]:
    first = row.get("effective_from")
    return (next(iter(row.values())), str(first), str(row["_bronze_date"]))


def _at(day: int, hour: int) -> datetime:
    return datetime(2025, 3, day, hour, tzinfo=UTC)


def _schema(**columns: Any) -> pa.Schema:
    return pa.schema(list(columns.items()))


def _rows(schema: pa.Schema, *values: tuple[Any, ...]) -> tuple[tuple[Row, ...], ...]:
    return (tuple(dict(zip(schema.names, each, strict=True)) for each in values),)


def _states() -> Iterator[Example]:
    """A table for each load pattern, history and meaning of a delete."""
    people = _schema(id=pa.int64(), name=pa.string(), city=pa.string())
    snapshots = (
        _rows(people, (1, "Ann", "Paris"), (2, "Bob", "Rome"), (3, "Cy", "Oslo")),
        _rows(people, (1, "Ann", "Lyon"), (2, "Bob", "Rome")),
    )
    changed = _schema(
        id=pa.int64(), city=pa.string(), at=pa.timestamp("us", "UTC"), gone=pa.bool_()
    )
    increments = (
        _rows(
            changed,
            (1, "Paris", _at(1, 8), False),
            (2, "Rome", _at(1, 9), False),
            (1, "Lyon", _at(1, 10), False),
        ),
        _rows(changed, (2, "Rome", _at(2, 11), True), (3, "Oslo", _at(2, 12), False)),
    )
    logged = _schema(id=pa.int64(), city=pa.string(), lsn=pa.int64(), op=pa.string())
    changes = (
        _rows(logged, (1, "Paris", 101, "I"), (2, "Rome", 102, "I"), (1, "Lyon", 103, "U")),
        _rows(logged, (2, None, 104, "D"), (3, "Oslo", 105, "I")),
    )
    patterns: list[tuple[Load, pa.Schema, Any, Table]] = [
        ("full", people, snapshots, Table(columns=("id", "name", "city"), keys=("id",))),
        (
            "incremental",
            changed,
            increments,
            Table(columns=("id", "city", "at"), keys=("id",), order=("at",), deleted_column="gone"),
        ),
        (
            "cdc",
            logged,
            changes,
            Table(
                columns=("id", "city", "lsn"),
                keys=("id",),
                order=("lsn",),
                operation="op",
                delete_codes=("D",),
            ),
        ),
    ]
    for load, schema, files, table in patterns:
        for history, deletes in itertools.product(
            ("current", "full"), ("ignore", "tombstone", "hard")
        ):
            yield Example(
                load=load,
                table=msgspec.structs.replace(table, history=history, deletes=deletes),
                schema=schema,
                dates=_dates(load, files),
            )


def _events() -> Iterator[Example]:
    schema = _schema(id=pa.int64(), page=pa.string(), at=pa.int64())
    files = (
        _rows(schema, (1, "/home", 101), (2, "/cart", 102), (3, "/home", 103)),
        _rows(schema, (3, "/home", 103), (4, "/paid", 104)),
    )
    for load in ("full", "incremental", "cdc"):
        for keys in ((), ("id",)) if load != "cdc" else (("id",),):
            operation = "op" if load == "cdc" else None
            yield Example(
                load=load,
                table=Table(
                    columns=("id", "page", "at"),
                    keys=keys,
                    order=("at",),
                    kind="event",
                    operation=operation,
                    delete_codes=("D",) if operation else (),
                ),
                schema=schema.append(pa.field("op", pa.string())) if operation else schema,
                dates=_dates(load, _with_operation(files) if operation else files),
            )


def _with_operation(
    dates: Sequence[tuple[tuple[Row, ...], ...]],
) -> tuple[tuple[tuple[Row, ...], ...], ...]:
    return tuple(
        tuple(tuple(row | {"op": "I"} for row in file) for file in files) for files in dates
    )


def _dates(load: Load, files: Sequence[tuple[tuple[Row, ...], ...]]) -> tuple[Landed, Landed]:
    first, second = (
        Landed(run_date=day, files=rows, load=load, epoch=number if load == "full" else 1)
        for number, (day, rows) in enumerate(zip((FIRST, SECOND), files, strict=True), start=1)
    )
    return first, second


EXAMPLES: Final = (*_states(), *_events())
_MARKS: Final = re.compile(r"(<!-- (\w+-\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def page(text: str) -> str:
    """The page with its examples as they are here."""
    groups = {name: list(each) for name, each in itertools.groupby(EXAMPLES, lambda e: e.group)}
    return _MARKS.sub(lambda match: match[1] + shown(groups[match[2]]) + match[3], text)


def shown(examples: Sequence[Example]) -> str:
    """What Bronze has, and each table before and after its second date."""
    first = examples[0]
    bronze = (
        {"date": landed.run_date} | row
        for landed in first.dates
        for file in landed.files
        for row in file
    )
    parts = [_table("Bronze", bronze, ("date", *first.schema.names))]
    for example in examples:
        names = oracle.column_names(example.table)
        parts.append(f"#### {example.title}\n")
        parts += [
            _table(f"After {landed.run_date}", example.expected(count), names)
            for count, landed in enumerate(example.dates, start=1)
        ]
    return "\n" + "\n".join(parts) + "\n"


def _table(caption: str, rows: Iterable[Row], names: Sequence[str]) -> str:
    lines = [names, ["---"] * len(names), *([_cell(row[name]) for name in names] for row in rows)]
    return f"{caption}:\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: Any) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case _:
            return str(value)


if __name__ == "__main__":
    path = Path(sys.argv[sys.argv.index("--write") + 1])
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
