"""`bronze run`: land one pipeline for one date, and make its curated table."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from bronze_engine.cli.commands.silver import Asked, curate
from bronze_engine.cli.options import (
    CONFIG_PATH,
    Adopt,
    ConfigPath,
    DateText,
    DryRun,
    FullRefresh,
    JsonLog,
    JsonOutput,
    Layer,
    LogFile,
    Name,
    Only,
    Overrides,
    Verbose,
    Wait,
    read_date,
    read_duration,
)
from bronze_engine.cli.printing import text
from bronze_engine.cli.printing.profile import print_profile
from bronze_engine.cli.reporting import print_plan, with_reports
from bronze_engine.cli.session import LogOptions, load, with_engine
from bronze_engine.engine import Engine
from bronze_engine.errors import BronzeError, ConfigError
from bronze_engine.model.curated import SilverPlan
from bronze_engine.model.profile import RunProfile
from bronze_engine.model.report import RunPlan, RunReport

__all__ = ["run"]


class _Plans(msgspec.Struct, frozen=True, kw_only=True):
    """Of both layers: one JSON document, as their reports are."""

    bronze: RunPlan
    silver: SilverPlan | None = None


def run(
    name: Name,
    *,
    date: DateText = None,
    only: Only = None,
    dry_run: DryRun = False,
    full_refresh: FullRefresh = False,
    adopt: Adopt = False,
    no_resume: Annotated[
        bool,
        typer.Option("--no-resume", help="Start afresh where a run of the date was broken off."),
    ] = False,
    wait: Wait = "0s",
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Print where the time went, and what bounds the run."),
    ] = False,
    overrides: Overrides = None,
    as_json: JsonOutput = False,
    config: ConfigPath = CONFIG_PATH,
    verbose: Verbose = False,
    json_log: JsonLog = False,
    log_file: LogFile = None,
) -> None:
    """Land one date of a pipeline; then make its table."""
    loaded = load(
        config,
        overrides,
        LogOptions(verbose=verbose, json_lines=json_log, file=log_file, in_log_dir=not dry_run),
    )
    wait_seconds = read_duration("--wait", wait)
    if only is Layer.SILVER:
        _check_only_silver(
            {"--full-refresh": full_refresh, "--no-resume": no_resume, "--profile": profile}
        )
        asked = Asked(
            run_dates=None if date is None else (read_date(date, loaded.engine),),
            adopt=adopt,
            wait_seconds=wait_seconds,
            dry_run=dry_run,
        )
        curate(loaded, name, asked, as_json=as_json)
        return
    run_date = read_date(date, loaded.engine)
    has_silver = only is None and loaded.pipeline(name).silver is not None

    async def plan(engine: Engine) -> _Plans:
        bronze = await engine.plan(name, run_date=run_date, full_refresh=full_refresh)
        if not has_silver:
            return _Plans(bronze=bronze)
        silver = await engine.plan_silver(name, adopt=adopt, landing=bronze.run_date)
        return _Plans(bronze=bronze, silver=silver)

    async def work(engine: Engine) -> RunProfile | None:
        report = await engine.run(
            name,
            run_date=run_date,
            full_refresh=full_refresh,
            adopt=adopt,
            wait_seconds=wait_seconds,
            resume=not no_resume,
        )
        if has_silver:
            await _silver_after(engine, report, adopt=adopt, wait_seconds=wait_seconds)
        return report.profile

    if dry_run:
        _print_plans(with_engine(loaded, plan), as_json=as_json, both=has_silver)
        return
    found = with_reports(loaded, work, as_json=as_json, both=has_silver)
    if profile and not as_json and found is not None:
        print_profile(found)


def _check_only_silver(of_bronze: dict[str, bool]) -> None:
    for option, is_given in of_bronze.items():
        if is_given:
            raise ConfigError(f"{option} is about landing, and --only silver lands nothing")


async def _silver_after(
    engine: Engine, landed: RunReport, *, adopt: bool, wait_seconds: float
) -> None:
    """Make the table; a failure says that what was landed stands."""
    try:
        await engine.silver(landed.pipeline, adopt=adopt, wait_seconds=wait_seconds)
    except BronzeError as exc:
        end = "" if exc.message.endswith("?") else "."
        raise type(exc)(
            f"{exc.message}{end} Bronze of {landed.run_date} is committed (generation"
            f" {landed.generation}), and `bronze silver {landed.pipeline}` goes on from there",
            **exc.context,
        ) from exc


def _print_plans(plans: _Plans, *, as_json: bool, both: bool) -> None:
    if as_json and both:
        text.print_json(plans)
        return
    print_plan(plans.bronze, as_json=as_json)
    if plans.silver is not None:
        print()
        print_plan(plans.silver, as_json=as_json)
