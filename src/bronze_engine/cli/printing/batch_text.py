"""What `bronze batch` prints for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from bronze_engine.cli.printing import text
from bronze_engine.config.load import Config
from bronze_engine.errors import ConfigError
from bronze_engine.model.batch import BatchReport, BatchRun

__all__ = ["print_batch", "print_dry_run"]

LEFT_SHOWN: Final = 20
"""Of runs that a signal has left, which may be thousands; what failed is listed whole."""


def print_batch(report: BatchReport, *, is_kept: bool = True) -> None:
    """What failed or was not run, a line each, and the sums below; how what is missing is run, of
    a batch whose report was stored."""
    left = [run for run in report.every if run.status == "left"]
    bad = [run for run in report.every if run.status in ("failed", "skipped")] + left[:LEFT_SHOWN]
    if bad:
        text.print_table(
            ["pipeline", "date", "status", "code", "message"],
            [
                [
                    run.pipeline,
                    str(run.run_date) if run.layer == "bronze" else "silver",
                    run.status,
                    run.error_code or "",
                    run.message,
                ]
                for run in bad
            ],
        )
        if len(left) > LEFT_SHOWN:
            print(f"and {len(left) - LEFT_SHOWN:,} more that are left (--json lists them)")
        print()
    committed = report.with_status("committed")
    rows = sum(run.rows for run in committed)
    again = f"bronze batch --retry-failed {report.batch}"
    text.print_pairs(
        [
            ("batch", report.batch),
            ("shard", report.shard or ""),
            ("retry of", report.retry_of or ""),
            (
                "committed",
                f"{len(committed):,} of {len(report.runs):,} runs, {rows:,} rows"
                if report.runs or not report.tables
                else "",
            ),
            ("silver", _tables(report)),
            ("failed", _codes(report.runs)),
            ("skipped", _count(report.runs, "skipped")),
            ("left", _count(report.runs, "left")),
            ("seconds", f"{report.seconds:.1f}"),
            ("warning", "\n".join(report.warnings)),
            ("next", f"`{again}` runs what is missing" if bad and is_kept else ""),
        ]
    )


def print_dry_run(
    config: Config, runs: Sequence[tuple[str, date]], tables: Sequence[str] = (), *, as_json: bool
) -> None:
    """What would be run, and which curated tables would be made after it.

    Raises ConfigError with the faults of all of them, told last; what many have in common, such as
    a fault of their API, once.
    """
    names = dict.fromkeys((*(name for name, _ in runs), *tables))
    if as_json:
        of_bronze = [{"pipeline": name, "run_date": day} for name, day in runs]
        text.print_json([*of_bronze, *({"pipeline": name, "layer": "silver"} for name in tables)])
    else:
        if runs:
            text.print_table(["pipeline", "date"], [[name, str(day)] for name, day in runs])
            print()
        landed = len({name for name, _ in runs})
        text.print_pairs(
            [
                ("would run", f"{len(runs):,} runs of {landed:,} pipelines"),
                ("silver", ", ".join(tables)),
            ]
        )
    faults: dict[str, None] = {}
    for name in names:
        try:
            config.pipeline(name)
        except ConfigError as exc:
            faults[exc.message] = None
    if faults:
        raise ConfigError("\n".join(faults))


def _tables(report: BatchReport) -> str:
    """Of the curated tables, those in which nothing was new among them; and what became of the
    others."""
    tables = report.tables
    if not tables:
        return ""
    done = sum(run.status == "committed" for run in tables)
    told = [f"{done:,} of {len(tables):,} tables are up to date"]
    if codes := _codes(tables):
        told.append(f"failed: {codes}")
    told += [
        f"{count} {status}" for status in ("skipped", "left") if (count := _count(tables, status))
    ]
    return "; ".join(told)


def _codes(runs: Sequence[BatchRun]) -> str:
    counts: dict[str, int] = {}
    for run in runs:
        if run.status != "failed":
            continue
        code = run.error_code or "a fault of ours"
        counts[code] = counts.get(code, 0) + 1
    return ", ".join(f"{count:,} {code}" for code, count in sorted(counts.items()))


def _count(runs: Sequence[BatchRun], status: str) -> str:
    count = sum(run.status == status for run in runs)
    return f"{count:,}" if count else ""
