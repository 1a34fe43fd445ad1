"""`bronze batch`: land many pipelines, for a date or a range, in one process."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bronze_engine.adapters import dask_cluster
from bronze_engine.batch.batch import Batch
from bronze_engine.batch.curation import check_curated, listed, tables_of
from bronze_engine.batch.dates import check_range
from bronze_engine.batch.kept import BatchLike, KeptBatch
from bronze_engine.batch.retry import Remaining, find_remaining
from bronze_engine.batch.selection import select
from bronze_engine.batch.shard import Shard, parse_shard, share_of
from bronze_engine.cli.options import (
    CONFIG_PATH,
    ConfigPath,
    DateText,
    DryRun,
    First,
    FullRefresh,
    JsonLog,
    JsonOutput,
    Last,
    Layer,
    LogFile,
    Names,
    Only,
    Overrides,
    Tags,
    Verbose,
    Wait,
    read_date,
    read_dates,
    read_duration,
)
from bronze_engine.cli.printing import batch_text, text
from bronze_engine.cli.printing.report_file import ReportFile
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.config.load import Config, read_texts
from bronze_engine.engine import Engine
from bronze_engine.errors import ConfigError
from bronze_engine.model.batch import BatchReport
from bronze_engine.remote.batch import RemoteBatch
from bronze_engine.telemetry.redact import Redactor

__all__ = ["batch"]

log = logging.getLogger(__name__)


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    names: tuple[str, ...]
    is_narrowed: bool
    """Whether names or tags were given."""
    days: tuple[dt.date, ...] = ()
    """None at all where the dates are those of an earlier batch."""
    warnings: tuple[str, ...] = ()
    shard: Shard | None = None
    retry_of: str | None = None
    full_refresh: bool = False
    only: Layer | None = None

    @property
    def shard_text(self) -> str | None:
        return None if self.shard is None else str(self.shard)


def batch(
    names: Names = None,
    *,
    tag: Tags = None,
    date: DateText = None,
    first: First = None,
    last: Last = None,
    max_parallel: Annotated[
        int | None,
        typer.Option("--max-parallel", help="Runs side by side; default: engine.max_pipelines."),
    ] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Begin no run after the first that fails.")
    ] = False,
    retry_failed: Annotated[
        str | None,
        typer.Option(
            "--retry-failed",
            metavar="BATCH",
            help="Run what an earlier batch has not committed: its id, or `last`.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option("--shard", metavar="I/N", help="Only this copy's share; I counts from 0."),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            "--on", metavar="URL", help="Have a Dask cluster's workers land it: dask://host:port."
        ),
    ] = None,
    full_refresh: FullRefresh = False,
    only: Only = None,
    wait: Wait = "0s",
    dry_run: DryRun = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write the report there: .md or .json."),
    ] = None,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
    json_log: JsonLog = False,
    log_file: LogFile = None,
) -> None:
    """Land many pipelines side by side, and make their tables. One that fails stops no other."""
    loaded = load(
        config,
        overrides,
        LogOptions(verbose=verbose, json_lines=json_log, file=log_file, in_log_dir=not dry_run),
    )
    wait_seconds = read_duration("--wait", wait)
    if max_parallel is not None and max_parallel < 1:
        raise ConfigError(f"--max-parallel {max_parallel} runs nothing; give 1 or more")
    file = None if report is None else ReportFile(report)
    asked = _Asked(
        names=select(loaded, names or (), tag or ()),
        is_narrowed=bool(names or tag),
        shard=None if shard is None else parse_shard(shard),
        retry_of=retry_failed,
        full_refresh=full_refresh,
        only=only,
    )
    if only is Layer.SILVER:
        _check_only_silver(asked, date, first, last)
        _tell_left_out(check_curated(loaded, asked.names, frozenset(names or ())))
    if retry_failed is None:
        asked = _dated(loaded, asked, date, first, last)
    else:
        _check_retry(asked, date, first, last)
    if dry_run:
        todo, _ = with_engine(loaded, lambda engine: _todo(engine, asked))
        batch_text.print_dry_run(loaded, todo.runs, todo.tables, as_json=as_json)
        return
    begun: list[KeptBatch] = []
    place = _here if on is None else _workers(on, config, overrides or ())

    async def work(engine: Engine) -> BatchReport:
        todo, earlier = await _todo(engine, asked)
        async with place() as make:
            kept = KeptBatch(
                engine,
                todo.runs,
                max_parallel=max_parallel,
                fail_fast=fail_fast,
                full_refresh=todo.full_refresh,
                wait_seconds=wait_seconds,
                shard=asked.shard_text if earlier is None else earlier.shard,
                retry_of=None if earlier is None else earlier.batch,
                warnings=asked.warnings,
                # A cluster's workers may know of tables that the command's secrets don't reach.
                tables=todo.tables if asked.only or earlier is not None else None,
                make=make,
            )
            begun.append(kept)
            return await kept.run()

    try:
        with_engine(loaded, work, is_monitored=True)
    finally:  # stopped by a signal, too: what was committed stays
        for kept in begun:
            told = kept.report().masked(Redactor(loaded.secrets))
            if as_json:
                text.print_json(told)
            else:
                batch_text.print_batch(told, is_kept=kept.is_kept)
            if file is not None:
                file.write(told, is_kept=kept.is_kept)
    if begun[0].report().exit_code:
        raise typer.Exit(begun[0].report().exit_code)


@asynccontextmanager
async def _here() -> AsyncIterator[Callable[..., BatchLike]]:
    yield Batch


def _workers(
    on: str, path: Path, overrides: Sequence[str]
) -> Callable[[], AbstractAsyncContextManager[Callable[..., BatchLike]]]:
    """What makes batches whose runs a cluster lands. Raises ConfigError without the extra."""
    open_cluster = dask_cluster()
    texts = read_texts(path)

    @asynccontextmanager
    async def place() -> AsyncIterator[Callable[..., BatchLike]]:
        async with open_cluster(on) as cluster:
            yield partial(RemoteBatch, cluster=cluster, texts=texts, overrides=overrides)

    return place


def _dated(
    loaded: Config, asked: _Asked, date: str | None, first: str | None, last: str | None
) -> _Asked:
    """With the dates; with this shard's pipelines only."""
    names = asked.names if asked.shard is None else share_of(loaded, asked.names, asked.shard)
    if asked.only is Layer.SILVER:
        return msgspec.structs.replace(asked, names=names)
    days = read_dates(loaded.engine, date, first, last) or (read_date(None, loaded.engine),)
    # Of all that are selected: each copy of a sharded batch ends alike.
    warnings = () if first is None else check_range(loaded, asked.names)
    return msgspec.structs.replace(asked, names=names, days=days, warnings=warnings)


def _check_only_silver(asked: _Asked, *dates: str | None) -> None:
    if any(each is not None for each in dates):
        raise ConfigError(
            "--only silver takes in all that is new; leave --date and --from out, or give them to"
            " `bronze silver NAME`"
        )
    if asked.full_refresh:
        raise ConfigError("--full-refresh is about landing, and --only silver lands nothing")
    if asked.retry_of is not None:
        raise ConfigError(
            "--retry-failed runs what it finds as that batch did; leave --only silver out"
        )


def _tell_left_out(lacking: Sequence[str]) -> None:
    if lacking:
        log.info("left out, for they have no [silver]: %s", listed(lacking))


def _check_retry(asked: _Asked, *dates: str | None) -> None:
    if any(each is not None for each in dates):
        raise ConfigError(
            "--retry-failed runs the dates of that batch; leave --date and --from out"
        )
    if asked.full_refresh:
        raise ConfigError(
            "--retry-failed runs what it finds as that batch did; leave --full-refresh out"
        )
    if asked.shard is not None and asked.retry_of != "last":
        raise ConfigError(
            f"--retry-failed {asked.retry_of} has its share by its id; leave --shard out, or"
            " write --retry-failed last for the last batch of that shard"
        )


async def _todo(engine: Engine, asked: _Asked) -> tuple[Remaining, BatchReport | None]:
    """What is to be run, and the batch that it is left of."""
    if asked.retry_of is None:
        runs = tuple((name, day) for day in asked.days for name in asked.names)
        with_wrong = asked.only is Layer.SILVER
        tables = tables_of(engine.config, asked.names, with_wrong=with_wrong)
        return Remaining(
            runs=runs,
            tables=() if asked.only is Layer.BRONZE else tables,
            full_refresh=frozenset(asked.names if asked.full_refresh else ()),
        ), None
    earlier = await engine.kept_batch(asked.retry_of, shard=asked.shard_text)
    if not earlier.is_finished:
        log.warning("batch %s has no end: it was killed, or is under way still", earlier.batch)
    todo = await find_remaining(engine, earlier)
    if asked.is_narrowed:
        names = frozenset(asked.names)
        runs = tuple(run for run in todo.runs if run[0] in names)
        tables = tuple(name for name in todo.tables if name in names)
        todo = msgspec.structs.replace(todo, runs=runs, tables=tables)
    if asked.only is Layer.BRONZE:
        todo = msgspec.structs.replace(todo, tables=())
    return todo, earlier
