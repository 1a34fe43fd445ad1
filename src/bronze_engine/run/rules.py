"""The rules of a run: made for it, told what they must know of earlier dates, and judged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date

from bronze_engine.config.pipeline import Pipeline
from bronze_engine.config.quality_rule import RowCountChangeRule
from bronze_engine.config.source import DatabaseSourceConfig
from bronze_engine.contracts import Store
from bronze_engine.model.layout import Layout
from bronze_engine.quality.judge import RunRules
from bronze_engine.quality.rules.make import Circumstances
from bronze_engine.run.services import Identity, Services
from bronze_engine.state.partitions import newest_before

__all__ = ["judge", "released", "row_history", "rule_warnings", "run_rules"]


def run_rules(
    pipeline: Pipeline, services: Services, identity: Identity, history: Sequence[int]
) -> RunRules | None:
    """The rules of a run; None where none are configured."""
    if not pipeline.quality.rules:
        return None
    return RunRules(
        pipeline.quality.rules,
        Circumstances(run=identity.run, began=identity.started_at, history=history),
        services.budget,
        services.workers,
        has_fixed_columns=isinstance(pipeline.source, DatabaseSourceConfig),
    )


async def row_history(store: Store, pipeline: Pipeline, run_date: date) -> tuple[int, ...]:
    """Rows of the dates committed before `run_date`, the newest first; none where no rule asks."""
    count = max(
        (rule.runs for rule in pipeline.quality.rules if isinstance(rule, RowCountChangeRule)),
        default=0,
    )
    if not count:
        return ()
    found = await newest_before(store, pipeline.system, pipeline.entity, run_date, count)
    return tuple(manifest.row_count for manifest in found)


async def judge(
    rules: RunRules | None, states: Sequence[Sequence[bytes]], layout: Layout | None
) -> None:
    """Merge what the slices have seen, in order. Raises QualityError as `RunRules.judge` does."""
    if rules is not None:
        await rules.workers.run(rules.judge, states, layout)


@asynccontextmanager
async def released(rules: RunRules | None) -> AsyncIterator[None]:
    """Give back what they hold when the body is done."""
    try:
        yield
    finally:
        if rules is not None:
            rules.release()


def rule_warnings(rules: RunRules | None) -> tuple[str, ...]:
    """What a person should know of the rules that were broken, and only warn."""
    return () if rules is None else rules.warnings()
