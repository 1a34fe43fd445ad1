"""Is a pipeline ready to run? Configuration, store and source, each asked for real."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date

import msgspec

from bronze_engine.config.load import Config
from bronze_engine.config.pipeline import Pipeline
from bronze_engine.errors import BronzeError
from bronze_engine.run.services import Identity, Services
from bronze_engine.run.survey import survey
from bronze_engine.telemetry.metrics import SourceTally

__all__ = ["Finding", "check_pipeline"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check of one pipeline found."""

    pipeline: str
    subject: str
    """`configuration`, `store` or `source`."""
    ok: bool
    detail: str
    """What was found, or the error with what to mend."""
    exit_code: int = 0
    """Of the error; 0 where it is ok."""


async def check_pipeline(
    config: Config, name: str, run_date: date, services: Services
) -> tuple[Finding, ...]:
    """Resolve the configuration, probe the store, and ask the source for one page.

    The store is probed with small objects under `_state/`, which are removed again; the
    partition is not touched. Never raises for what it finds.
    """
    findings: list[Finding] = []

    async def ask(subject: str, question: Callable[[], Awaitable[str]]) -> bool:
        try:
            detail = await question()
        except BronzeError as exc:
            findings.append(
                Finding(
                    pipeline=name,
                    subject=subject,
                    ok=False,
                    detail=str(exc),
                    exit_code=exc.exit_code,
                )
            )
            return False
        findings.append(Finding(pipeline=name, subject=subject, ok=True, detail=detail))
        return True

    async def configuration() -> str:
        return f"{config.pipeline(name).load} load"

    async def store() -> str:
        pipeline = config.pipeline(name)
        stores = await services.stores(pipeline)
        await services.preflight.check(stores.target, single_writer=pipeline.target.single_writer)
        await survey(stores, pipeline, run_date, Identity.new(services.clock))
        await _open_tables(pipeline, services)
        return f"{stores.target.url} can be written"

    async def source() -> str:
        return await _ask_source(config.pipeline(name), run_date, services)

    # The first request follows from what the store holds: without a store there is none.
    if await ask("configuration", configuration) and await ask("store", store):
        await ask("source", source)
    return tuple(findings)


async def _open_tables(pipeline: Pipeline, services: Services) -> None:
    """As a run does, to show files to other engines. Raises ConfigError where the extra of a
    `table_format` is not installed."""
    await services.table(pipeline, pipeline.output)
    if pipeline.silver is not None:
        await services.table(pipeline, pipeline.silver.output)


async def _ask_source(pipeline: Pipeline, run_date: date, services: Services) -> str:
    identity = Identity.new(services.clock)
    stores = await services.stores(pipeline)
    standing = await survey(stores, pipeline, run_date, identity)
    resources = services.resources(pipeline, SourceTally())
    source_type = await services.source_type(pipeline)
    async with source_type.open(pipeline.source, standing.request, resources) as source:
        return await source.check()
