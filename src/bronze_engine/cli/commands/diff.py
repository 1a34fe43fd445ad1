"""`bronze diff`: how two dates, two places, or a curated table and a new one differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Annotated, Any, Final

import msgspec
import typer

from bronze_engine.cli.commands.rebuilt import rebuilt
from bronze_engine.cli.completion import complete_pipelines
from bronze_engine.cli.named.committed import committed_in, committed_of
from bronze_engine.cli.named.place import is_folder, load_if_there
from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    JsonOutput,
    Overrides,
    Verbose,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.printing.grid import cell
from bronze_engine.cli.session import LogOptions, load
from bronze_engine.config.load import Config
from bronze_engine.errors import ConfigError
from bronze_engine.reading.committed import Committed
from bronze_engine.reading.comparison.compare import compare
from bronze_engine.reading.comparison.report import (
    ColumnChange,
    Comparison,
    RowsComparison,
    Side,
    StatisticsChange,
)

__all__ = ["diff"]

DIFFERENT: Final = 1
"""The status of --exit-code where they differ, as `git diff` has it."""


def diff(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME|PATH [NAME|PATH]",
            help="A pipeline of which to compare two dates; or two places: pipelines, paths, URLs.",
            show_default=False,
            autocompletion=complete_pipelines,
        ),
    ],
    *,
    dates: Annotated[
        list[str] | None,
        typer.Option("--date", "-d", help="Twice: the dates to compare. Of two places: once."),
    ] = None,
    silver: Annotated[
        bool,
        typer.Option(
            "--silver", help="Curated tables; of one pipeline: its own against one made anew."
        ),
    ] = False,
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
    """Compare two dates, two places, or a table made anew.

    Counts, columns, windows, and with --data the rows themselves.
    """
    if key is not None and not data:
        raise ConfigError("--key is for --data: without it no row is read")
    if rows < 0:
        raise ConfigError(f"--rows {rows} is no number of examples; 0 shows the counts alone")
    asked = _Asked(what=tuple(what), dates=tuple(dates or ()), silver=silver)
    log = LogOptions(verbose=verbose, in_log_dir=False)
    if all(map(is_folder, what)):
        loaded = load_if_there(config, overrides, log)
    else:
        loaded = load(config, overrides, log)
    with asked.sides(loaded) as (a, b):
        found = compare(a, b, key=None if key is None else _names(key), data=data, examples=rows)
    if as_json:
        text.print_json({"differs": found.differs, "comparison": found})
    else:
        _print(found, asked.labels)
    if exit_code and found.differs:
        raise typer.Exit(DIFFERENT)


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is compared with what."""

    what: tuple[str, ...]
    dates: tuple[str, ...]
    silver: bool

    @property
    def labels(self) -> tuple[str, str]:
        """What the two are called."""
        if len(self.what) == 2:
            return "A", "B"
        return ("table", "made anew") if self.silver else (self.dates[0], self.dates[1])

    @contextmanager
    def sides(self, loaded: Config | None) -> Iterator[tuple[Committed, Committed]]:
        """Open the two. Raises ConfigError for what can't be compared."""
        if len(self.what) > 2:
            raise ConfigError(f"diff compares two places; {len(self.what)} were given")
        is_pair, count = len(self.what) == 2, len(self.dates)
        if self.silver and self.dates:
            raise ConfigError("a table is of all its dates; leave --date out")
        if is_pair and count > 1:
            raise ConfigError("of two places one date is compared; give --date once")
        if not is_pair and not self.silver and count != 2:
            raise ConfigError(
                f"diff compares two dates; give --date twice, not {count} times; or a second place,"
                " or --silver"
            )
        with ExitStack() as stack:
            if is_pair:
                date = self.dates[0] if self.dates else None
                one, other = (
                    stack.enter_context(_at(loaded, each, date, self.silver)) for each in self.what
                )
            elif self.silver:
                (name,) = self.what
                if loaded is None or is_folder(name):
                    raise ConfigError(
                        f"{name} does not say how it is made; give a pipeline's name, or a second"
                        " place to compare with"
                    )
                one = stack.enter_context(committed_of(loaded, name, date=None, silver=True))
                other = stack.enter_context(rebuilt(loaded, name, one.manifest()))
            else:
                one, other = (
                    stack.enter_context(_at(loaded, self.what[0], date, silver=False))
                    for date in self.dates
                )
            yield one, other


def _at(
    loaded: Config | None, what: str, date: str | None, silver: bool
) -> AbstractContextManager[Committed]:
    """One of the two; a path says by itself what lies there."""
    if loaded is None or is_folder(what):
        return committed_in(loaded, what)
    return committed_of(loaded, what, date=date, silver=silver)


def _names(key: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in key.split(",") if each.strip())


def _print(found: Comparison, labels: tuple[str, str]) -> None:
    pairs = [(name, old, new) for name, old, new in _sides(found.a, found.b, labels) if old or new]
    text.print_table(
        ["", *labels, "difference"],
        [[name, old, new, _difference(name, found)] for name, old, new in pairs],
    )
    if found.columns:
        print()
        text.print_table(
            ["column", "change", *labels],
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
        _print_rows(found.rows, labels)
    if not found.differs:
        print()
        print(
            "no difference" if found.rows is not None else "no difference is known without --data"
        )


def _sides(a: Side, b: Side, labels: tuple[str, str]) -> list[tuple[str, str, str]]:
    def both(name: str, value: Any) -> tuple[str, str, str]:
        return name, value(a), value(b)

    is_elsewhere = labels != (str(a.run_date), str(b.run_date))
    return [
        both("place", lambda side: side.place if is_elsewhere else ""),
        both("date", lambda side: str(side.run_date) if is_elsewhere else ""),
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


def _print_rows(rows: RowsComparison, labels: tuple[str, str]) -> None:
    a, b = labels
    what = "keys" if rows.key else "rows"
    text.print_pairs(
        [
            ("compared by", ", ".join(rows.key) or "whole rows: there is no primary_key"),
            (f"only {a}", f"{rows.only_a:,} {what}"),
            (f"only {b}", f"{rows.only_b:,} {what}"),
            ("changed", f"{rows.changed:,} {what}" if rows.key else ""),
            ("same", f"{rows.same:,} {what}"),
        ]
    )
    _print_examples(f"only {a}", rows.examples_a)
    _print_examples(f"only {b}", rows.examples_b)
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
