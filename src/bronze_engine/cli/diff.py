"""`bronze diff`: how two dates of a pipeline differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from bronze_engine.cli import text
from bronze_engine.cli.grid import cell
from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    JsonOutput,
    Name,
    Overrides,
    Verbose,
    read_date,
)
from bronze_engine.cli.session import LogOptions, load
from bronze_engine.errors import ConfigError
from bronze_engine.reading.comparison.compare import compare
from bronze_engine.reading.comparison.report import (
    ColumnChange,
    Comparison,
    RowsComparison,
    Side,
    StatisticsChange,
)
from bronze_engine.reading.place import place
from bronze_engine.reading.reader import open_reader

__all__ = ["diff"]

DIFFERENT: Final = 1
"""The status of --exit-code where they differ, as `git diff` has it."""


def diff(
    name: Name,
    *,
    dates: Annotated[list[str], typer.Option("--date", "-d", help="Twice: the dates to compare.")],
    data: Annotated[
        bool, typer.Option("--data", help="Read the rows and compare them, too.")
    ] = False,
    key: Annotated[
        str | None,
        typer.Option("--key", help="Columns that name a row; default: the primary_key."),
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", "-n", help="With --data: so many examples of each kind.")
    ] = 10,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 where they differ.")
    ] = False,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
) -> None:
    """Compare two dates: counts, columns, windows, and with --data the rows themselves."""
    if len(dates) != 2:
        raise ConfigError(f"diff compares two dates; give --date twice, not {len(dates)} times")
    if key is not None and not data:
        raise ConfigError("--key is for --data: without it no row is read")
    if rows < 0:
        raise ConfigError(f"--rows {rows} is no number of examples; 0 shows the counts alone")
    loaded = load(config, overrides, LogOptions(verbose=verbose, in_log_dir=False))
    first, second = (read_date(each, loaded.engine) for each in dates)
    target, entity = place(loaded, name)
    named = loaded.pipeline(name).primary_key if key is None else _names(key)
    with open_reader(target) as reader:
        found = compare(reader, entity, first, second, key=named, data=data, examples=rows)
    if as_json:
        text.print_json({"differs": found.differs, "comparison": found})
    else:
        _print(found)
    if exit_code and found.differs:
        raise typer.Exit(DIFFERENT)


def _names(key: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in key.split(",") if each.strip())


def _print(found: Comparison) -> None:
    pairs = [(name, old, new) for name, old, new in _sides(found.a, found.b) if old or new]
    text.print_table(
        ["", str(found.a.run_date), str(found.b.run_date), "difference"],
        [[name, old, new, _difference(name, found)] for name, old, new in pairs],
    )
    if found.columns:
        print()
        text.print_table(
            ["column", "change", str(found.a.run_date), str(found.b.run_date)],
            [_changed(each) for each in found.columns],
        )
    if found.statistics:
        print()
        text.print_table(
            ["column", "NULLs", "", "lowest", "", "highest", ""],
            [_statistics(each) for each in found.statistics],
        )
    if found.rows is not None:
        print()
        _print_rows(found.rows, found.a, found.b)
    if not found.differs:
        print()
        print(
            "no difference" if found.rows is not None else "no difference is known without --data"
        )


def _sides(a: Side, b: Side) -> list[tuple[str, str, str]]:
    def both(name: str, value: Any) -> tuple[str, str, str]:
        return name, value(a), value(b)

    return [
        both("rows", lambda side: f"{side.row_count:,}"),
        both("rejected", lambda side: f"{side.rejected_count:,}" if side.rejected_count else ""),
        both("duplicates", lambda side: f"{side.duplicate_rows:,}" if side.duplicate_rows else ""),
        both("late", lambda side: f"{side.late_rows:,}" if side.late_rows else ""),
        both("files", lambda side: f"{side.files:,}"),
        both("bytes", lambda side: text.size(side.bytes)),
        both("columns", lambda side: f"{side.columns:,}"),
        both("window", lambda side: "" if side.window is None else text.interval(side.window)),
        both("run", lambda side: side.run),
        both("generation", lambda side: str(side.generation)),
        both("epoch", lambda side: str(side.epoch)),
        both("load", lambda side: side.load),
        both("configuration", lambda side: side.config_hash[:12]),
        both("written by", lambda side: side.engine_version),
    ]


def _difference(name: str, found: Comparison) -> str:
    counts = {
        "rows": found.b.row_count - found.a.row_count,
        "rejected": found.b.rejected_count - found.a.rejected_count,
        "duplicates": found.b.duplicate_rows - found.a.duplicate_rows,
        "late": found.b.late_rows - found.a.late_rows,
        "files": found.b.files - found.a.files,
        "columns": found.b.columns - found.a.columns,
    }
    if counts.get(name):
        return f"{counts[name]:+,}"
    if name == "configuration" and found.a.config_hash != found.b.config_hash:
        return "another"
    return ""


def _changed(change: ColumnChange) -> list[str]:
    return [change.column, change.change, change.a, change.b]


def _statistics(change: StatisticsChange) -> list[str]:
    a, b = change.a, change.b

    def both(old: Any, new: Any, *, is_known: bool) -> tuple[str, str]:
        return ("", "") if old == new or not is_known else (_short(old), f"-> {_short(new)}")

    is_counted, is_bound = None not in (a.nulls, b.nulls), a.has_bounds and b.has_bounds
    return [
        change.column,
        *both(a.nulls, b.nulls, is_known=is_counted),
        *both(a.low, b.low, is_known=is_bound),
        *both(a.high, b.high, is_known=is_bound),
    ]


def _short(value: Any) -> str:
    shown = "no value" if value is None else cell(value)
    return shown if len(shown) <= 30 else f"{shown[:29]}…"


def _print_rows(rows: RowsComparison, a: Side, b: Side) -> None:
    what = "keys" if rows.key else "rows"
    text.print_pairs(
        [
            ("compared by", ", ".join(rows.key) or "whole rows: there is no primary_key"),
            (f"only {a.run_date}", f"{rows.only_a:,} {what}"),
            (f"only {b.run_date}", f"{rows.only_b:,} {what}"),
            ("changed", f"{rows.changed:,} {what}" if rows.key else ""),
            ("same", f"{rows.same:,} {what}"),
        ]
    )
    _print_examples(f"only {a.run_date}", rows.examples_a)
    _print_examples(f"only {b.run_date}", rows.examples_b)
    if rows.examples_changed:
        print()
        print("changed:")
        for each in rows.examples_changed:
            values = [f"{name} {cell(each.a[name])} -> {cell(each.b[name])}" for name in each.a]
            print(f"  {_named(each.key)}: {', '.join(values)}")


def _print_examples(title: str, examples: Sequence[dict[str, Any]]) -> None:
    if examples:
        print()
        print(f"{title}:")
        for each in examples:
            print(f"  {_named(each)}")


def _named(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {cell(value)}" for name, value in values.items())
